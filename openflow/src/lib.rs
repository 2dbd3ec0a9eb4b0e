//! OpenFlow 1.0, 1.3, 1.4 and 1.5 with the Nicira extensions: bytes, and the text of `ovs-ofctl`.
//!
//! Daemon, control program and tests say everything about OpenFlow in the words of this crate. Nothing
//! here knows of sockets or of what a switch does with a message.
//!
//! # Design
//! - [`raw`] cuts a stream into messages and reads their headers; [`kind`] is the one table of numbers.
//! - A [`Message`] means the same in every version. A [`Codec`] turns it into the bytes of the version
//!   that a connection agreed on, and back; each topic has a module with the value and its codecs.
//! - Matches and fields are those of [`packet::flow`], so nothing is said twice about a field.
//! - [`text`] is the language of `ovs-ofctl`, parsed and printed.
//! - [`OfpError`] is the error of the protocol: what cannot be read gets the answer that Open vSwitch
//!   gives, with the numbers of the version.

//!
//! # Invariants
//! No bytes and no text panic. A recursion over foreign bytes is bounded.

#![forbid(unsafe_code)]

pub mod action;
pub mod bundle;
pub mod codec;
pub mod continuation;
pub mod control;
pub mod counters;
pub mod error;
mod flags;
pub mod flow;
pub mod group;
pub mod hello;
pub mod kind;
pub mod message;
pub mod meter;
pub mod nicira;
pub mod options;
mod oxm;
pub mod packet_io;
pub mod port;
mod prop;
pub mod queue;
pub mod raw;
pub mod switch;
pub mod table;
pub mod text;
pub mod version;
mod wire;

pub use action::OfAction;
pub use codec::{Codec, Decoded};
pub use error::OfpError;
pub use message::{Message, StatsReply, StatsRequest};
pub use port::OfPort;
pub use version::{Version, Versions};
