//! Header views, field newtypes and checksums of Ethernet networks.
//!
//! What every other crate says about bytes on a wire, it says in the words of this one. Nothing here
//! knows of sockets, threads or OpenFlow, and nothing here fails by panic: a truncated header is an
//! answer (`None`), not an error.
//!
//! # Design
//! One protocol, one file. A header is a `repr(C)` structure of bytes and big-endian integers, laid
//! over the frame without a copy; `parse` gives the structure and the bytes behind its fixed part's
//! end, or `None` if the bytes are too few or contradict themselves. [`layers::Layers`] finds the
//! headers of a whole frame.

#![forbid(unsafe_code)]

pub mod arp;
pub mod capture;
pub mod checksum;
pub mod crc32c;
pub mod ethernet;
pub mod filter;
pub mod flow;
pub mod icmp;
pub mod ip;
pub mod ipv4;
pub mod ipv6;
pub mod layers;
pub mod mac;
pub mod tcp;
pub mod tunnel;
pub mod udp;
pub mod vlan;

pub use ethernet::EtherType;
pub use flow::{FlowKey, FlowMask, FlowMatch};
pub use ip::{Fragment, IpProto};
pub use layers::Layers;
pub use mac::MacAddr;
pub use vlan::{Pcp, Vid, VlanTag};
