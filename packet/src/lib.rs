//! Header views, field newtypes and checksums of Ethernet networks.
//!
//! What every other crate says about bytes on a wire, it says in the words of this one. Nothing here
//! knows of sockets, threads or OpenFlow, and nothing here fails by panic: a truncated header is an
//! answer (`None`), not an error.

#![forbid(unsafe_code)]

pub mod mac;
pub mod vlan;

pub use mac::MacAddr;
pub use vlan::{Pcp, Vid, VlanTag};
