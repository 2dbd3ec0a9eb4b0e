//! Finishing in software what a sender left undone.
//!
//! # Design
//! A sender with offloads hands over frames whose checksum is unfinished, and segments of up to
//! 64 KiB that stand for many frames. They cross the switch as they are. The receiving driver reads
//! the request with [`vnet::parse`], which checks it against the frame's bytes, once; the sending
//! side calls [`fits`], and where the output cannot take the frame as it is, [`fit`] cuts it
//! ([`segment`]), finishes its checksum ([`checksum`]), or drops it with a reason. Where cutting is the
//! output's business, frames of a stream that came one by one are joined ([`join`]).
//!
//! # Invariants
//! - A frame that [`vnet::parse`] accepts can be finished: its checksum field lies behind the
//!   network header, and a large segment has whole headers that agree with its length.
//!   The field is written after VLAN and flow decisions were made, so it must never overlap the
//!   headers that those decisions read: a guest could otherwise rewrite its VLAN tag.
//! - One frame into [`fit`], and `n` into the sink or the drop counters, adds `n - 1` to `segments`:
//!   the ledger of [`PortCounters`](crate::PortCounters) holds.

pub mod checksum;
mod finish;
pub mod join;
mod layout;
pub mod recover;
pub mod segment;
mod tunnelled;
pub mod vnet;

pub use finish::{Limits, fit, fits, wire_len};

#[cfg(test)]
pub(crate) mod tests;
