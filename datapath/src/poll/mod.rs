//! Poll threads: receive, forward, transmit, over and over.
//!
//! # Design
//! A [`PollThread`] owns receive queues, one transmit queue per port, a frame pool and a buffer of
//! outgoing frames per port. A round takes at most one batch from each active queue, forwards it and
//! flushes what is to be sent, queue by queue; then it *quiesces*: it takes the newest [`Snapshot`] and
//! serves a bounded number of commands from its mailbox. Between rounds the thread holds no reference to
//! anything that a command may remove.
//!
//! **Adaptive polling.** A queue that gave frames lately is *active* and is asked in each round. Idle
//! queues cost nothing: their descriptors wait in an edge-triggered `epoll` set, which the thread
//! looks at now and then, and sleeps in when no queue has given a frame for [`idle::SPIN`]. An arrival
//! after the queue was drained makes an edge, so nothing is missed between the last look and the sleep.
//!
//! # Invariants
//! - A queue turns idle only after it said [`RecvStatus::Drained`]; its spare buffers are then
//!   returned.
//! - Every frame received in a round is transmitted or dropped, with a reason, by the end of it.
//!
//! # Thread-safety
//! One thread runs a `PollThread`. Others reach it through its mailbox and the counters it publishes.
//!
//! [`Snapshot`]: crate::view::Snapshot
//! [`RecvStatus::Drained`]: crate::netdev::RecvStatus::Drained

pub mod cpu;
pub mod idle;
pub mod mailbox;
pub mod rx;
pub mod stats;
pub mod thread;
pub mod tx;
pub mod wake;

pub use thread::PollThread;
