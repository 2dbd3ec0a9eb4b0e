//! Tunnel ports: what leaves by one goes to a host far away, inside of an IP packet.
//!
//! # Design
//! A tunnel port has no device. A frame that leaves by it waits in the list of hops, as one that leaves
//! by a patch port does; when the batch is through, the outer headers are written into its headroom
//! ([`encapsulate`]), and it takes the [`Path`] to the remote host, of which there are two kinds:
//!
//! - [`Way::Host`]: through the host's own stack. The outer packet, from its IP header on, is handed to
//!   the *carrier*, a hidden port whose device is a socket; the kernel routes it, knows the neighbour
//!   and writes the Ethernet header. Nothing needs to be set up for it.
//! - [`Way::Port`], [`Way::Bridge`]: in the datapath. An Ethernet header is written too, and the frame
//!   leaves by a port, or goes on in a bridge as if the host had sent it by the bridge's own port.
//!
//! What arrives is the same on all ways: an outer IP packet. A carrier receives it without an Ethernet
//! header; a port of the datapath that has addresses ([`Terminator`]) is where the others are looked
//! at. [`Tunnels`] says which tunnel port a packet belongs to; the outer headers are taken off and the
//! frame arrives at that port, in the same pass.
//!
//! One carrier serves all ports of a protocol and UDP port, as `vxlan_sys_4789` of Open vSwitch does.
//! Carriers receive whatever the way out: an answer may come by another way than the question went.
//!
//! # Invariants
//! - A frame handed to a tunnel port counts as transmitted there once it has a path, and is otherwise
//!   dropped there with a reason. The outer packet counts as
//!   [`encapsulated`](crate::PortCounters::encapsulated) by the port that sends it.
//! - What arrives counts as received by the tunnel port. The outer packet counts as
//!   [`opened`](crate::PortCounters::opened) by the port that it came by; one that leaves by a port with
//!   addresses and is opened there counts as transmitted, as if the host had opened it.
//! - A tunnel whose packets lead into itself ends like a loop of patch ports
//!   ([`DropReason::TooManyHops`](crate::DropReason::TooManyHops)).
//!
//! # Thread-safety
//! Everything here is published with the snapshot and immutable.

mod again;
mod ecn;
pub mod encapsulate;
pub(crate) mod fragment;
pub mod groups;
mod inner;
mod lookup;
pub mod open;
mod segment;
mod state;
mod terminator;
pub(crate) mod too_big;
pub mod uplink;
pub mod waiting;

use core::net::IpAddr;
use std::sync::Arc;

use packet::MacAddr;
pub use packet::tunnel::{TunnelKey, TunnelKind};

use crate::ids::PortNo;

pub use lookup::Tunnels;
pub use segment::Segment;
pub use state::TunnelState;
pub use terminator::{Terminator, group_mac};
pub use uplink::Uplink;
pub use waiting::Waiting;

/// A number that is fixed, or that each packet's flow gives.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Key {
    /// No key: on receipt, none or 0; on sending, none (GRE) or 0.
    None,
    /// This one.
    Is(u64),
    /// On receipt any, on sending `tun_id`.
    Flow,
}

/// An address that is fixed, or that each packet's flow gives.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Address {
    /// On receipt any, on sending the one that the route gives. Of remotes: nobody's.
    Any,
    /// This one.
    Is(IpAddr),
    /// On receipt any, on sending `tun_src` or `tun_dst`.
    Flow,
}

/// A byte of the outer header that is fixed, or the inner header's.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Byte {
    /// This one.
    Is(u8),
    /// The inner packet's; where it is no IP packet: 0 for the type of service, 64 for the time to live.
    Inherit,
}

/// Whether something is done.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Switch {
    /// It is done.
    On,
    /// It is not.
    Off,
}

/// What the configuration says of a tunnel port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TunnelConfig {
    /// The protocol.
    pub kind: TunnelKind,
    /// UDP port of the remote hosts, and of this one; 0 for GRE.
    pub dst_port: u16,
    /// Where frames go to and come from.
    pub remote: Address,
    /// Where they come from and go to.
    pub local: Address,
    /// The virtual network of what is received.
    pub in_key: Key,
    /// The virtual network of what is sent.
    pub out_key: Key,
    /// Outer DSCP; the two ECN bits are always those that RFC 6040 gives.
    pub tos: Byte,
    /// Outer time to live.
    pub ttl: Byte,
    /// Whether routers may not fragment the outer packet (IPv4).
    pub df: Switch,
    /// Whether the outer checksum (UDP, or that of GRE) is computed.
    pub csum: Switch,
    /// Whether packets of GRE are numbered.
    pub seq: Switch,
    /// Whether packets of VXLAN carry a group policy.
    pub gbp: Switch,
}

/// A tunnel port, as poll threads see it.
#[derive(Debug)]
pub struct Tunnel {
    /// What the configuration says.
    pub config: TunnelConfig,
    /// The carrier: the hidden port whose socket serves the protocol and UDP port.
    pub carrier: PortNo,
    /// The way to a fixed remote; `None` if the remote is the flow's.
    pub path: Option<Arc<Path>>,
    /// What it keeps while it lives: the same in all snapshots.
    pub state: Arc<TunnelState>,
    /// What it is to a segment of many hosts.
    pub segment: Segment,
}

/// The way to a remote host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Path {
    /// This host's address.
    pub src: IpAddr,
    /// Bytes of the largest outer IP packet.
    pub mtu: u32,
    /// How it goes.
    pub way: Way,
}

/// How outer packets go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// Through the host's stack.
    Host,
    /// Straight out of a port of the datapath, which the route names.
    Port(Link),
    /// Into a bridge, as received from this port of its host, which the route names.
    Bridge(Link),
    /// Nowhere: no route leads there, or it leads into the tunnel itself.
    NoRoute,
    /// Nowhere yet: the neighbour's address is being asked for. Frames wait, as many as there is room
    /// for.
    NoNeighbour,
}

/// A port and the Ethernet addresses on the wire behind it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Link {
    /// The port.
    pub port: PortNo,
    /// Its own address.
    pub src: MacAddr,
    /// The next hop's, or that of a multicast group.
    pub dst: MacAddr,
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
