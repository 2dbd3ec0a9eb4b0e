//! The control socket: JSON-RPC 1.0 over a Unix stream socket, as `ovs-appctl` speaks it.
//!
//! # Design
//! Requests are JSON objects back to back, without delimiter; each is answered in order. [`inbox`]
//! cuts the stream into requests in time linear in its length, however it is split. [`conn`] is one
//! client; [`server`] owns the listener and all clients and is driven by the main loop. What a request
//! does is behind [`Dispatch`].
//!
//! # Invariants
//! - Memory per client is bounded: a request by [`inbox::MAX_REQUEST_LEN`], replies by
//!   [`conn::MAX_OUTPUT_LEN`] and the one reply that crosses it; the number of clients by
//!   [`server::MAX_CLIENTS`]. A client that does not read is not read from.
//! - A client is served a bounded number of requests before the next has its turn.
//! - Nothing that a client sends ends the daemon: a panic in a handler becomes an error reply.
//!
//! # References
//! JSON-RPC 1.0 specification; ovs-appctl(8).

pub mod conn;
pub mod inbox;
pub mod server;

use std::os::unix::net::UnixStream;

use serde_json::Value;

pub use inbox::{BadRequest, Request};
pub use server::Server;

/// How a client wants results.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Format {
    /// Strings, for people.
    #[default]
    Text,
    /// JSON values (`set-options --format json`, Open vSwitch 3.4).
    Json,
}

/// What the server remembers about a client between its requests.
#[derive(Default, Debug)]
pub struct Session {
    /// How it wants results.
    pub format: Format,
    /// Set by a request after whose reply the connection carries something else.
    pub takeover: Option<Takeover>,
}

/// Takes over a client's connection, with what is still to be sent of the reply. It must not block.
pub struct Takeover(Box<dyn FnOnce(UnixStream, Vec<u8>) + Send>);

impl Takeover {
    /// Runs `take` with the connection, which does not block, and the unsent bytes.
    pub fn new(take: impl FnOnce(UnixStream, Vec<u8>) + Send + 'static) -> Takeover {
        Takeover(Box::new(take))
    }

    fn run(self, stream: UnixStream, unsent: Vec<u8>) {
        (self.0)(stream, unsent);
    }
}

impl std::fmt::Debug for Takeover {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Takeover")
    }
}

/// The answer to a request.
#[derive(PartialEq, Debug)]
pub struct Outcome {
    /// The result, or the text of the error.
    pub reply: Result<Value, String>,
    /// When the reply is sent.
    pub then: Then,
}

/// What follows a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Then {
    /// The reply goes out, and the next request is served.
    Continue,
    /// The daemon ends; the reply goes out when it has.
    Exit,
}

/// Does what requests ask.
pub trait Dispatch {
    /// Serves one request. The parameters are checked by the method that takes them.
    fn dispatch(&mut self, request: &Request, session: &mut Session) -> Outcome;
}
