//! Mirrors of a bridge: which frames are copied for somebody who watches, and where to.
//!
//! # Design
//! A frame is looked at when a port of the bridge has received it, and again each time that it is sent
//! by one, as it is then. The first time that a mirror selects it, a copy goes to the mirror's output;
//! then never again to that output, whichever mirror selects it (Open vSwitch: `mirror_packet` in
//! `ofproto/ofproto-dpif-xlate.c`). The output is a port, which is reserved: the control plane publishes
//! it as carrying no VLAN, so that nothing else is sent there, and what it receives is dropped. Or it is
//! a VLAN: the copy goes out by every port that carries it, with that tag.
//!
//! The copy has its VLAN as the output port has it: a trunk shows the VLAN of an access port as a tag.
//!
//! A bridge without mirrors runs a second copy of the layer-2 stage's code, without a trace of them.
//!
//! # Invariants
//! Each copy counts in `copies` of the port that received the frame. Copies are not mirrored again.

use std::sync::Arc;

use packet::Vid;

use crate::ids::PortNo;
use crate::l2::vlan::PortVlan;
use crate::view::{PortStats, VidSet};

/// Most mirrors of a bridge: one bit each.
pub const MAX_MIRRORS: usize = 32;

/// Ports that a mirror watches.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ports {
    /// Every port of the bridge.
    All,
    /// These.
    These(Vec<PortNo>),
}

impl Ports {
    fn contains(&self, port: PortNo) -> bool {
        match self {
            Ports::All => true,
            Ports::These(ports) => ports.contains(&port),
        }
    }
}

/// Where a mirror's copies go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MirrorOutput {
    /// To a port, with its VLAN configuration.
    Port(PortNo, PortVlan),
    /// To every port that carries a VLAN.
    Vlan(Vid),
}

impl MirrorOutput {
    fn is_same(&self, other: &MirrorOutput) -> bool {
        match (self, other) {
            (MirrorOutput::Port(a, _), MirrorOutput::Port(b, _)) => a == b,
            (MirrorOutput::Vlan(a), MirrorOutput::Vlan(b)) => a == b,
            _ => false,
        }
    }
}

/// A mirror.
#[derive(Clone, Debug)]
pub struct Mirror {
    /// Frames received by these ports.
    pub src: Ports,
    /// Frames sent by these ports.
    pub dst: Ports,
    /// Frames of these VLANs; `None`: of all.
    pub vlans: Option<VidSet>,
    /// Where copies go.
    pub output: MirrorOutput,
    /// Bytes of each copy; `None`: all.
    pub snap_len: Option<usize>,
    /// Its `tx_packets` and `tx_bytes` count frames copied, once each, and their whole length.
    pub stats: Arc<PortStats>,
}

/// Which way a frame is passing a port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Passing {
    /// Received by it.
    In,
    /// Sent by it.
    Out,
}

/// The mirrors of a bridge.
#[derive(Clone, Debug)]
pub struct Mirrors {
    list: Vec<Mirror>,
    /// Of each mirror, those that have the same output, itself included: a bit each.
    same: Vec<u32>,
}

impl Mirrors {
    /// These mirrors, at most [`MAX_MIRRORS`]: others are left out. `None` if there are none.
    #[must_use]
    pub fn new(mut list: Vec<Mirror>) -> Option<Mirrors> {
        list.truncate(MAX_MIRRORS);
        let same = |mirror: &Mirror| {
            let bits = list.iter().enumerate();
            let bits = bits.filter(|(_, other)| other.output.is_same(&mirror.output));
            bits.fold(0, |mask, (at, _)| mask | 1 << at)
        };
        let same: Vec<u32> = list.iter().map(same).collect();
        (!list.is_empty()).then_some(Mirrors { list, same })
    }

    /// Whether others do the same.
    #[must_use]
    pub fn is_same(&self, other: &Mirrors) -> bool {
        let parts = |mirror: &Mirror| {
            let Mirror { src, dst, vlans, output, snap_len, .. } = mirror.clone();
            (src, dst, vlans, output, snap_len)
        };
        self.list.iter().map(parts).eq(other.list.iter().map(parts))
    }

    /// Whether the port is reserved for copies.
    #[must_use]
    pub fn is_output(&self, port: PortNo) -> bool {
        let is_it =
            |mirror: &Mirror| matches!(mirror.output, MirrorOutput::Port(no, _) if no == port);
        self.list.iter().any(is_it)
    }

    /// The next mirror that selects a frame of a VLAN at a port. `done` has the mirrors to whose output
    /// it went already, and takes up those of the one found.
    pub fn select(
        &self,
        (port, passing): (PortNo, Passing),
        vlan: Vid,
        done: &mut u32,
    ) -> Option<&Mirror> {
        for (at, mirror) in self.list.iter().enumerate() {
            let ports = match passing {
                Passing::In => &mirror.src,
                Passing::Out => &mirror.dst,
            };
            let selects = *done & 1 << at == 0
                && ports.contains(port)
                && mirror.vlans.as_ref().is_none_or(|vlans| vlans.contains(vlan));
            if selects {
                *done |= self.same[at];
                return Some(mirror);
            }
        }
        None
    }
}
