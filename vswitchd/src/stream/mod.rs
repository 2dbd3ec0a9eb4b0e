//! Clients of stream sockets, served by one thread without waiting: what every protocol needs.
//!
//! # Design
//! Readiness is edge-triggered, so a client is stepped until its socket would block, its turn is over,
//! or too much output waits for it. [`Socket`] and [`Listener`] are Unix or TCP; a [`Peer`] is a socket
//! with its output, its end, and the clocks that find a peer that takes nothing; [`Clients`] hands out
//! tokens and remembers whose turn was over before their work. A protocol adds how bytes are cut into
//! requests and what these do.
//!
//! # Invariants
//! - A peer that does not read costs [`MAX_OUTPUT_LEN`] and one reply, for [`STALL_TIMEOUT`].
//! - A refused peer gets its error and the end of the stream; what it still sends is read and thrown
//!   away for a while, since closing a socket with unread bytes would take the error from under its
//!   eyes.
//!
//! # Thread-safety
//! For the thread that owns the poll.

mod clients;
mod peer;
mod socket;

pub use clients::{Client, Clients};
pub use peer::{MAX_OUTPUT_LEN, Peer, STALL_TIMEOUT, Step};
pub use socket::{Listener, Socket};
