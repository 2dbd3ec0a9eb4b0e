//! What the datapath does with packets of a flow: actions, and their execution.
//!
//! # Design
//! The control plane translates a packet's way through its tables into a list of [`Action`]s, once per
//! flow; [`Executor`] runs the list for all frames of the flow that came in one batch, action by
//! action. Every decision that differs between packets of one flow is an action of its own, so that it
//! costs no flow: [`Action::Normal`] looks up addresses, [`Action::Select`] hashes, [`Action::Meter`]
//! measures, [`Action::DecTtl`] looks at the time to live.
//!
//! The last action that sends takes the frames; only those before it copy. What a list changes behind
//! the last one that has an effect is cut off when the list is made.
//!
//! # Invariants
//! - Each frame that a list is run for is sent, handed to the control plane, or dropped with a reason:
//!   that of the action that refused it, or [`Actions::end`] if no action took it.
//! - An edit leaves every checksum as right as it was, also one that is unfinished ([`set`]).
//! - Nothing is allocated, but frames from the pool.
//!
//! # Thread-safety
//! Lists are immutable and shared between threads.

mod exec;
pub mod labels;
pub mod select;
pub mod set;
pub mod ttl;
mod userspace;

#[cfg(test)]
#[cfg(not(loom))]
pub(crate) mod model;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use packet::tunnel::TunnelKey;
use packet::{EtherType, VlanTag};

use crate::drop_reason::DropReason;
use crate::ids::{BridgeId, PortNo};
use crate::l2::mirror::Passing;
use crate::meter::MeterId;

pub use exec::{Executor, Later, Recirculated};
pub use select::Select;
pub use set::SetField;
pub use userspace::{Handed, QUEUE_CAP as USERSPACE_CAP, Userspace, UserspaceQueue};

/// Where a packet that passes through again goes on.
///
/// # Legal values
/// All; 0 is a packet that has just arrived.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct RecircId(pub u32);

/// One step of what is done with a packet.
#[derive(Clone, Debug)]
pub enum Action {
    /// Sends by a port; a patch port leads to the peer's bridge.
    Output {
        /// The port.
        port: PortNo,
        /// Bytes that are sent at most; `None`: all.
        max_len: Option<u32>,
    },
    /// Sends by a tunnel port, with what the flow says of the tunnel.
    Tunnel {
        /// The port.
        port: PortNo,
        /// Bytes that are sent at most, of the frame inside; `None`: all.
        max_len: Option<u32>,
        /// What the flow says.
        key: Arc<TunnelKey>,
    },
    /// Forwards as a learning bridge.
    Normal {
        /// The bridge.
        bridge: BridgeId,
        /// The port of the bridge that the packet came by; `None`: the control plane sends it.
        in_port: Option<PortNo>,
        /// Mirrors that it went to already.
        mirrored: u32,
    },
    /// Copies to the mirrors of a bridge that want what passes a port.
    Mirror {
        /// The bridge.
        bridge: BridgeId,
        /// The port.
        port: PortNo,
        /// Which way the packet passes it.
        passing: Passing,
        /// Mirrors that it went to already.
        mirrored: u32,
    },
    /// Adds an outer VLAN tag.
    PushVlan {
        /// The tag's first two bytes.
        tpid: u16,
        /// The others.
        tag: VlanTag,
    },
    /// Removes the outer VLAN tag; leaves a packet without one alone.
    PopVlan,
    /// Adds an outer MPLS label stack entry, behind any VLAN tags.
    PushMpls {
        /// What the packet then is: MPLS unicast or multicast.
        ethertype: EtherType,
        /// The entry: label, traffic class, bottom of stack, time to live.
        lse: u32,
    },
    /// Removes the outer MPLS label stack entry; leaves a packet without one alone.
    PopMpls {
        /// What the packet then is.
        ethertype: EtherType,
    },
    /// Overwrites header fields.
    Set(SetField),
    /// Takes one off the time to live of an IP packet.
    DecTtl {
        /// What is done instead with a packet that has no more than one left.
        expired: Actions,
    },
    /// Drops what is above the rate of a meter; a meter that is not there lets all pass.
    Meter(MeterId),
    /// Does what one of several buckets says, by a hash of the packet.
    Select(Arc<Select>),
    /// Does something to a copy of the packet.
    Clone(Actions),
    /// Hands the packet to the control plane.
    Userspace(Userspace),
    /// Looks the packet up again, as it is now.
    Recirc(RecircId),
    /// Looks the packet up again, to go on in one of two places.
    Longer {
        /// By whether the frame has more bytes than this.
        than: u16,
        /// Where one goes on that has.
        then: RecircId,
        /// Where one that has not.
        otherwise: RecircId,
    },
    /// Counts.
    Count(Arc<Tally>),
}

impl Action {
    /// Whether it does more than to change the packet for those behind it.
    const fn has_effect(&self) -> bool {
        match self {
            Action::Output { .. }
            | Action::Tunnel { .. }
            | Action::Normal { .. }
            | Action::Mirror { .. }
            | Action::DecTtl { .. }
            | Action::Meter(_)
            | Action::Select(_)
            | Action::Clone(_)
            | Action::Userspace(_)
            | Action::Recirc(_)
            | Action::Longer { .. }
            | Action::Count(_) => true,
            Action::PushVlan { .. }
            | Action::PopVlan
            | Action::PushMpls { .. }
            | Action::PopMpls { .. }
            | Action::Set(_) => false,
        }
    }

    /// Whether it disposes of the packet, so that as the last of a list it takes the frame.
    const fn takes(&self) -> bool {
        matches!(
            self,
            Action::Output { .. }
                | Action::Tunnel { .. }
                | Action::Normal { .. }
                | Action::Select(_)
                | Action::Clone(_)
                | Action::Userspace(_)
                | Action::Recirc(_)
                | Action::Longer { .. }
        )
    }
}

/// What is done with the packets of a flow. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Actions {
    list: Arc<[Action]>,
    end: DropReason,
}

impl Actions {
    /// These, in order. A packet that none of them takes ends as `end`.
    #[must_use]
    pub fn new(mut list: Vec<Action>, end: DropReason) -> Actions {
        let n = list.iter().rposition(Action::has_effect).map_or(0, |last| last + 1);
        list.truncate(n);
        Actions { list: list.into(), end }
    }

    /// None: the packet is dropped.
    #[must_use]
    pub fn drop(reason: DropReason) -> Actions {
        Actions::new(Vec::new(), reason)
    }

    /// Sends by a port, and nothing else.
    #[must_use]
    pub fn output(port: PortNo) -> Actions {
        Actions::new(vec![Action::Output { port, max_len: None }], DropReason::PipelineDrop)
    }

    /// The list.
    #[must_use]
    pub fn list(&self) -> &[Action] {
        &self.list
    }

    /// Why a packet is dropped that no action takes.
    #[must_use]
    pub const fn end(&self) -> DropReason {
        self.end
    }
}

/// Packets and bytes that passed an [`Action::Count`], of all threads.
#[derive(Debug, Default)]
pub struct Tally {
    packets: AtomicU64,
    bytes: AtomicU64,
}

impl Tally {
    fn add(&self, packets: u64, bytes: u64) {
        self.packets.fetch_add(packets, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Packets.
    #[must_use]
    pub fn packets(&self) -> u64 {
        self.packets.load(Ordering::Relaxed)
    }

    /// Bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}
