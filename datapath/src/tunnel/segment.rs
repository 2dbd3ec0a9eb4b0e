//! Segments: virtual networks of many hosts, whose MAC addresses are learned.
//!
//! # Design
//! A tunnel port whose remote host is the flow's sends nowhere unless a flow says where to. As the port of
//! a *segment* it learns that by itself, as a bridge does. Each remote host of the segment has a port
//! number of its own, which the forwarding database knows and users do not: a hidden port
//! ([`Segment::Remote`]) with the same bridge, VLANs and counters, whose remote host and key are fixed. So
//! nothing is new on the way of a packet: a frame from a remote host arrives by the number of that host,
//! its source address is learned there, and what goes to the address leaves by the number, that is, to the
//! host.
//!
//! What is for all goes to the port itself, and from there to the hosts that the configuration names
//! ([`Segment::Port`]), a copy to each; one of them may be a multicast group.
//!
//! A remote host that has no number is [`Wanted`](super::waiting::Wanted::Remote): the control plane gives
//! it one and publishes it, and the frame waits until then, so that the first packet of a conversation is
//! not lost.
//!
//! # Invariants
//! - Frames from a remote host are never sent to one of the same segment: it has sent them there itself.
//! - The hidden ports of a port are in no bridge's list of ports.

use crate::ids::PortNo;
use crate::view::{Port, PortKind};

/// What a tunnel port is to a segment.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Segment {
    /// Nothing: a tunnel between two hosts, or one whose flows say where to.
    #[default]
    None,
    /// Its port.
    Port {
        /// The numbers of hosts to which goes what is for all.
        floods_to: Vec<PortNo>,
    },
    /// One of its remote hosts.
    Remote {
        /// The port.
        of: PortNo,
    },
}

impl Port {
    /// The port as users know it: that of the segment, if this one is a remote host of one.
    #[inline]
    #[must_use]
    pub fn shown(&self) -> PortNo {
        match &self.kind {
            PortKind::Tunnel(tunnel) => match tunnel.segment {
                Segment::Remote { of } => of,
                Segment::None | Segment::Port { .. } => self.no,
            },
            PortKind::Device | PortKind::Patch { .. } | PortKind::Carrier => self.no,
        }
    }

    /// The hosts of the segment that what is for all goes to, if this is the port of one.
    #[must_use]
    pub fn floods_to(&self) -> Option<&[PortNo]> {
        match &self.kind {
            PortKind::Tunnel(tunnel) => match &tunnel.segment {
                Segment::Port { floods_to } => Some(floods_to),
                Segment::None | Segment::Remote { .. } => None,
            },
            PortKind::Device | PortKind::Patch { .. } | PortKind::Carrier => None,
        }
    }
}
