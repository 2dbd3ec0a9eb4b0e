//! Connections that speak OpenFlow: `<bridge>.mgmt` and its clients, controllers, snoopers.
//!
//! # Design
//! ```text
//!   main loop ──► OfConns ──► Conn ──► Inbox ──► Session ──► Bridges (the switch)
//!                    │          │                   │             │
//!                    │          └── Peer (stream)   └ bundles     └── notices ─┐
//!                    └── listeners, controllers       parts                    │
//!                    ▲               roles, asynchronous configuration          │
//!                    └─────────────────────────────────────────────────────────┘
//! ```
//! - [`layer`] owns every connection and is driven by the main loop; [`conn`] is one of them: bytes in
//!   and out, in turns. [`session`] is what a connection agreed on, and what its messages do; what they
//!   do to a bridge is behind [`Bridges`].
//! - [`bundles`], [`parts`], [`monitors`] and [`wanted`] are parts of a session: bundles that are open,
//!   requests that come in several messages, flows that are watched, and what is sent unasked.
//! - [`schedule`] is how many packets a controller gets.
//! - [`controller`] is when the switch connects to a controller, and how long it waits; [`target`] is
//!   where that is, and [`resolve`] finds its address.
//!
//! Notices of bridges are delivered when a connection asks for a barrier or commits a bundle, before
//! its reply, and at the end of each turn.
//!
//! # Invariants
//! - A connection's memory is bounded: what it sends by the longest message, [`bundles::MAX_LEN`] and
//!   [`parts::MAX_ENTRIES`]; what waits for it by [`conn::MAX_UNREAD_LEN`], at which it is closed. The
//!   number of connections is bounded by [`layer::MAX_CLIENTS`] for each listener.
//! - A malformed message gets the error of the specification, and the connection lives; only a stream
//!   in which no next message can be found, or without a common version, is closed.
//! - Nothing that a peer sends ends the daemon: a panic in a handler closes the connection.
//!
//! # Thread-safety
//! For the control thread.
//!
//! # References
//! OpenFlow 1.0.2 §4, 1.3.5 §6, 1.4.1 §6; ovs-vswitchd.conf.db(5), table Controller.

pub mod bridges;
pub mod bundles;
pub mod conn;
pub mod controller;
mod inbox;
pub mod layer;
pub mod monitors;
pub mod parts;
mod resolve;
pub mod schedule;
pub mod session;
pub mod target;
pub mod wanted;

pub use bridges::Bridges;
pub use layer::OfConns;
