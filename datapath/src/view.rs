//! What poll threads know of the configuration: ports and bridges, as published.
//!
//! # Invariants
//! `ports[i]`, where present, has `no == i`; a port's `bridge` is present in `bridges` and lists it.
//! The control plane builds a snapshot whole; poll threads only read it.

use std::sync::{Arc, OnceLock};

use packet::Vid;

use crate::counter::{Counter, PortCounters};
use crate::ids::{BridgeId, PortNo};
use crate::l2::fdb::Fdb;
use crate::l2::mirror::Mirrors;
use crate::l2::storm::Storm;
use crate::l2::vlan::PortVlan;
use crate::meter::{Meter, MeterId};
use crate::tunnel::{Terminator, Tunnel, Tunnels};

/// Most poll threads at any time.
pub const MAX_POLL_THREADS: usize = 64;

/// The number under which the control plane counts, beside the poll threads.
pub const CONTROL_THREAD: usize = MAX_POLL_THREADS;

/// One published configuration.
#[derive(Default)]
pub struct Snapshot {
    /// By [`PortNo`].
    pub ports: Vec<Option<Arc<Port>>>,
    /// By [`BridgeId`].
    pub bridges: Vec<Option<Arc<Bridge>>>,
    /// By [`MeterId`].
    pub meters: Vec<Option<Arc<Meter>>>,
    /// Tunnel ports by what belongs to them.
    pub tunnels: Arc<Tunnels>,
}

impl Snapshot {
    /// The port, if it exists.
    #[must_use]
    pub fn port(&self, no: PortNo) -> Option<&Arc<Port>> {
        self.ports.get(no.index())?.as_ref()
    }

    /// The bridge, if it exists.
    #[must_use]
    pub fn bridge(&self, id: BridgeId) -> Option<&Arc<Bridge>> {
        self.bridges.get(id.index())?.as_ref()
    }

    /// The meter, if it exists.
    #[must_use]
    pub fn meter(&self, id: MeterId) -> Option<&Arc<Meter>> {
        self.meters.get(id.index())?.as_ref()
    }
}

/// A port of a bridge.
#[derive(Clone)]
pub struct Port {
    /// Its number, and index in the snapshot.
    pub no: PortNo,
    /// The bridge that it belongs to; [`BridgeId::NONE`] for a carrier.
    pub bridge: BridgeId,
    /// Where its frames come from and go to.
    pub kind: PortKind,
    /// VLAN admission and tagging.
    pub vlan: PortVlan,
    /// Whether frames may be sent and received: the interface is up and has a carrier, or the peer is
    /// there.
    pub up: bool,
    /// Whether floods of `NORMAL` pass it by (OpenFlow's NO_FLOOD).
    pub no_flood: bool,
    /// Whether `NORMAL` sends nothing by it (OpenFlow's NO_FWD).
    pub no_fwd: bool,
    /// What it may make the bridge flood, if that is limited; it lives as long as the limits stay.
    pub storm: Option<Arc<Storm>>,
    /// MTU of the device, bytes of Ethernet payload; a VLAN tag does not count against it.
    pub mtu: u32,
    /// Its addresses, if it has any: tunnels to them end here.
    pub terminator: Option<Arc<Terminator>>,
    /// Counters, a block per poll thread; they live as long as the port, across snapshots.
    pub stats: Arc<PortStats>,
}

/// Where a port's frames come from and go to.
#[derive(Clone, Debug)]
pub enum PortKind {
    /// A device, whose queues the poll threads have.
    Device,
    /// Another bridge, which it is joined to.
    Patch {
        /// The port of the other bridge, of the same kind, whose peer is this one.
        peer: PortNo,
    },
    /// A host far away, over IP.
    Tunnel(Arc<Tunnel>),
    /// The host's stack, for tunnels: not a port of any bridge. Its device gives and takes outer
    /// packets, from their IP header on.
    Carrier,
}

/// A bridge.
#[derive(Clone)]
pub struct Bridge {
    /// Its number, and index in the snapshot.
    pub id: BridgeId,
    /// What happens to a frame.
    pub program: Program,
    /// What it counts of frames that no cached flow counts.
    pub stats: Arc<BridgeStats>,
    /// Where addresses are.
    pub fdb: Arc<Fdb>,
    /// The ports, in the order in which floods reach them.
    pub ports: Vec<PortNo>,
    /// Forward reserved multicast (`other_config:forward-bpdu` of Open vSwitch).
    pub forward_bpdu: bool,
    /// VLANs in which nothing is learned or looked up.
    pub flood_vlans: VidSet,
    /// Its mirrors; an output port of theirs carries no VLAN.
    pub mirrors: Option<Arc<Mirrors>>,
}

/// What a bridge does with a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Program {
    /// The layer-2 stage: learn, look up, forward or flood.
    Normal,
    /// Nothing matches: every frame is [`DropReason::NoFlow`](crate::DropReason::NoFlow).
    Drop,
    /// Flows: what the cache knows, and the control plane where it does not.
    Flows,
}

/// A set of VIDs, one bit each.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VidSet(Box<[u64; Vid::COUNT / 64]>);

impl VidSet {
    /// No VID.
    #[must_use]
    pub fn empty() -> VidSet {
        VidSet(Box::new([0; Vid::COUNT / 64]))
    }

    /// Every VID.
    #[must_use]
    pub fn all() -> VidSet {
        VidSet(Box::new([u64::MAX; Vid::COUNT / 64]))
    }

    /// Adds a VID.
    pub fn insert(&mut self, vid: Vid) {
        self.0[vid.index() / 64] |= 1 << (vid.index() % 64);
    }

    /// Takes a VID out.
    pub fn remove(&mut self, vid: Vid) {
        self.0[vid.index() / 64] &= !(1 << (vid.index() % 64));
    }

    /// Whether the VID is in the set.
    #[must_use]
    pub fn contains(&self, vid: Vid) -> bool {
        self.0[vid.index() / 64] >> (vid.index() % 64) & 1 != 0
    }

    /// Whether no VID is in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }
}

impl FromIterator<Vid> for VidSet {
    fn from_iter<I: IntoIterator<Item = Vid>>(vids: I) -> VidSet {
        let mut set = VidSet::empty();
        vids.into_iter().for_each(|vid| set.insert(vid));
        set
    }
}

/// A block of counters per poll thread, and one of the control plane's, made when it first counts.
#[derive(Debug)]
pub struct PerThread<T>(Box<[OnceLock<Box<T>>]>);

/// A port's counters.
pub type PortStats = PerThread<PortCounters>;

/// What one thread has forwarded or dropped in a bridge without cached flows.
#[derive(Debug, Default)]
#[repr(align(64))]
pub struct BridgeCounters {
    /// Packets.
    pub packets: Counter,
    /// Their bytes.
    pub bytes: Counter,
}

/// A bridge's counters.
pub type BridgeStats = PerThread<BridgeCounters>;

impl<T> Default for PerThread<T> {
    fn default() -> Self {
        PerThread((0..=CONTROL_THREAD).map(|_| OnceLock::new()).collect())
    }
}

impl<T: Default> PerThread<T> {
    /// The block of one thread.
    ///
    /// # Panics
    /// `thread` is above [`CONTROL_THREAD`]: the numbers below come from the engine alone.
    #[must_use]
    pub fn of(&self, thread: usize) -> &T {
        self.0[thread].get_or_init(Box::default)
    }

    /// The sum over all threads of what `read` takes from a block.
    pub fn sum(&self, read: impl Fn(&T) -> u64) -> u64 {
        self.0.iter().filter_map(OnceLock::get).map(|block| read(block)).sum()
    }
}
