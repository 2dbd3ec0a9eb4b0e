//! One client of the control socket.
//!
//! # Design
//! A [`Peer`](crate::stream::Peer) whose bytes are requests: a step serves them until the socket says
//! that it would block, the client's turn is over, or too much output waits.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use serde_json::{Value, json};

use super::inbox::{BadRequest, Inbox, Request};
use super::{Dispatch, Outcome, Session, Then};
use crate::stream::{self, Client, Peer, Socket};

pub use crate::stream::{MAX_OUTPUT_LEN, STALL_TIMEOUT};

/// Requests served before another client has its turn.
const N_REQUESTS_PER_TURN: usize = 16;

/// Where a client stands after a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Waits for its socket.
    Wait,
    /// Has more to do: it is to be stepped again when others had their turn.
    Again,
    /// Has asked the daemon to end, and waits for its reply.
    Exit,
    /// Now belongs to somebody else.
    HandOver,
    /// Is to be closed.
    Close,
}

impl From<stream::Step> for Step {
    fn from(step: stream::Step) -> Step {
        match step {
            stream::Step::Wait => Step::Wait,
            stream::Step::Again => Step::Again,
            stream::Step::Close => Step::Close,
        }
    }
}

/// A client.
#[derive(Debug)]
pub struct Conn {
    peer: Peer,
    inbox: Inbox,
    session: Session,
}

impl Client for Conn {
    fn socket_mut(&mut self) -> &mut Socket {
        self.peer.socket_mut()
    }
}

impl Conn {
    /// A client that has just connected.
    #[must_use]
    pub fn new(socket: Socket, now: Instant) -> Conn {
        let peer = Peer::new(socket, now);
        Conn { peer, inbox: Inbox::default(), session: Session::default() }
    }

    /// Does what can be done without waiting.
    pub fn step(&mut self, dispatch: &mut dyn Dispatch, now: Instant) -> Step {
        match self.try_step(dispatch, now) {
            Ok(step) => step,
            Err(error) => {
                tracing::debug!(target: "unixctl", "client gone: {error}");
                Step::Close
            }
        }
    }

    /// Whether the client has to be closed because time has passed.
    #[must_use]
    pub fn is_stalled(&self, now: Instant) -> bool {
        self.peer.is_stalled(now)
    }

    /// Sends what waits, for a daemon that ends: without waiting for the client.
    pub fn finish(&mut self) {
        // A client that does not take its reply does not get it.
        let _ = self.peer.flush(Instant::now());
    }

    /// Gives the connection to whoever takes it over; what the client sent ahead is thrown away.
    pub fn hand_over(self) {
        let Conn { peer, session, .. } = self;
        let (socket, unsent) = peer.into_parts();
        if let (Some(takeover), Some(stream)) = (session.takeover, socket.into_unix()) {
            takeover.run(stream, unsent);
        }
    }

    fn try_step(&mut self, dispatch: &mut dyn Dispatch, now: Instant) -> io::Result<Step> {
        self.peer.flush(now)?;
        for _ in 0..N_REQUESTS_PER_TURN {
            if self.peer.is_refused() {
                return self.peer.linger(now).map(Step::from);
            }
            if self.peer.n_waiting() > MAX_OUTPUT_LEN {
                return Ok(Step::Wait);
            }
            match self.inbox.next_request() {
                Ok(Some(request)) => {
                    if self.serve(&request, dispatch) == Then::Exit {
                        return Ok(Step::Exit);
                    }
                    if self.session.takeover.is_some() {
                        return Ok(Step::HandOver);
                    }
                    self.peer.flush(now)?;
                }
                Ok(None) if self.peer.has_ended() => match self.inbox.at_end() {
                    Some(bad) => self.refuse(&bad),
                    None if self.peer.n_waiting() > 0 => return Ok(Step::Wait),
                    None => return Ok(Step::Close),
                },
                Ok(None) => {
                    let inbox = &mut self.inbox;
                    if self.peer.receive(|bytes| inbox.push(bytes))?.is_none() {
                        return Ok(Step::Wait);
                    }
                }
                Err(bad) => self.refuse(&bad),
            }
        }
        Ok(Step::Again)
    }

    fn serve(&mut self, request: &Request, dispatch: &mut dyn Dispatch) -> Then {
        tracing::debug!(
            target: "unixctl",
            "received request {}{:?}, id={}", request.method, request.params, request.id
        );
        let session = &mut self.session;
        // The handler's state may be half changed after a panic; it is the control plane's own, and
        // serving on is better than a switch that stops forwarding.
        let outcome = catch_unwind(AssertUnwindSafe(|| dispatch.dispatch(request, session)));
        let outcome = outcome.unwrap_or_else(|_| {
            tracing::error!(target: "unixctl", "{}: internal error: the handler panicked", request.method);
            let text = format!("{}: internal error, see the log of the daemon\n", request.method);
            Outcome { reply: Err(text), then: Then::Continue }
        });
        self.reply(&request.id, &outcome.reply);
        outcome.then
    }

    fn refuse(&mut self, bad: &BadRequest) {
        tracing::warn!(target: "unixctl", "client closed: {bad}");
        self.reply(&bad.id(), &Err(format!("{bad}\n")));
        self.peer.refuse();
    }

    fn reply(&mut self, id: &Value, reply: &Result<Value, String>) {
        let message = match reply {
            Ok(result) => json!({ "id": id, "result": result, "error": null }),
            Err(text) => json!({ "id": id, "result": null, "error": text }),
        };
        self.peer.push(message.to_string().as_bytes(), Instant::now());
    }
}
