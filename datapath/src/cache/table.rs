//! The megaflow table of one thread.

use packet::flow::extract::Depth;
use packet::{FlowKey, FlowMask};

use super::Found;
use super::megaflow::{FlowId, FlowStats, Megaflow, Ufid};
use super::port::{self, PortTable};
use super::subtable::{Flows, Subtable};
use crate::ids::PortNo;
use crate::snapshot::Version;

/// How much a table may hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Masks of a port; at least [`Limits::MIN_MASKS`]. The most subtables that a packet is looked up
    /// in.
    pub masks: usize,
    /// Megaflows of all ports.
    pub flows: usize,
    /// Megaflows of a port, so that one cannot starve the others.
    pub port_flows: usize,
}

impl Limits {
    /// Room for the masks that take what finds no room.
    pub const MIN_MASKS: usize = port::EXACT.len() + 1;
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { masks: 64, flows: 200_000, port_flows: 150_000 }
    }
}

/// What the control plane says of a packet, and of all that look the same.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// The packet.
    pub key: &'a FlowKey,
    /// What was looked at.
    pub mask: &'a FlowMask,
    /// The tables that it was translated from.
    pub version: Version,
    /// When.
    pub now_ns: u64,
}

/// What came of an installation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Installed {
    /// A new megaflow.
    New(FlowId),
    /// One with the same match has new actions and keeps its statistics.
    Replaced(FlowId),
}

impl Installed {
    /// The megaflow.
    #[must_use]
    pub const fn id(self) -> FlowId {
        match self {
            Installed::New(id) | Installed::Replaced(id) => id,
        }
    }
}

/// Why a megaflow was not installed. The packet is handled all the same; the next one of its kind
/// asks again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TableFull {
    /// [`Limits::flows`].
    #[error("the thread has {0} megaflows, as many as it may")]
    Flows(usize),
    /// [`Limits::port_flows`].
    #[error("port {0} has {1} megaflows, as many as it may")]
    PortFlows(u32, usize),
    /// Not a port of the datapath.
    #[error("there is no port {0}")]
    NoPort(u32),
}

/// Megaflows, found by the packets that match them.
pub struct MegaflowTable<A> {
    ports: Vec<Option<Box<PortTable>>>,
    pub(super) flows: Flows<A>,
    free: Vec<FlowId>,
    limits: Limits,
    seed: u64,
    depth: Depth,
}

impl<A> MegaflowTable<A> {
    /// An empty table.
    #[must_use]
    pub fn new(limits: Limits, seed: u64) -> MegaflowTable<A> {
        let limits = Limits { masks: limits.masks.max(Limits::MIN_MASKS), ..limits };
        let (ports, flows, free) = (Vec::new(), Vec::new(), Vec::new());
        MegaflowTable { ports, flows, free, limits, seed, depth: Depth::L2 }
    }

    /// Megaflows.
    #[must_use]
    pub const fn n_flows(&self) -> usize {
        self.flows.len() - self.free.len()
    }

    /// Masks of a port.
    #[must_use]
    #[inline]
    pub fn n_masks(&self, port: u32) -> usize {
        self.port(port).map_or(0, PortTable::n_masks)
    }

    /// The subtables of a port, in the order in which they are looked into.
    pub fn subtables(&self, port: u32) -> impl Iterator<Item = &Subtable> {
        self.port(port).into_iter().flat_map(PortTable::ranked)
    }

    /// How deep frames must be read for the masks of all ports.
    #[must_use]
    pub const fn depth(&self) -> Depth {
        self.depth
    }

    #[inline]
    fn port(&self, port: u32) -> Option<&PortTable> {
        self.ports.get(usize::try_from(port).ok()?)?.as_deref()
    }

    /// The megaflow that a packet matches, and a hit for its subtable.
    #[inline]
    pub fn lookup(&mut self, key: &FlowKey) -> Option<FlowId> {
        let port = self.ports.get_mut(usize::try_from(key.in_port()).ok()?)?.as_deref_mut()?;
        port.find(key, &self.flows)
    }

    /// The megaflow of all packets that came by one port, if the mask that most packets of it meet
    /// cannot tell them apart.
    #[inline]
    pub(super) fn find_one(&mut self, keys: &[FlowKey]) -> Option<FlowId> {
        let port = usize::try_from(keys.first()?.in_port()).ok()?;
        self.ports.get_mut(port)?.as_deref_mut()?.find_one(keys, &self.flows)
    }

    /// The megaflows of packets that came by one port, at most [`MAX_BURST`].
    pub(super) fn lookup_all(&mut self, keys: &[FlowKey], found: &mut Found) {
        let port = keys.first().map_or(u32::MAX, FlowKey::in_port);
        let index = usize::try_from(port).unwrap_or(usize::MAX);
        let table = self.ports.get_mut(index).and_then(Option::as_deref_mut);
        match table {
            Some(table) => table.find_all(keys, &self.flows, found),
            None => found.extend(keys.iter().map(|_| None)),
        }
    }

    /// Starts to bring a megaflow into the cache; the value has no meaning.
    #[inline]
    pub(super) fn touch(&self, id: FlowId) -> u64 {
        self.get(id).map_or(0, Megaflow::touch)
    }

    /// Whether a megaflow is there, and matches a packet.
    #[must_use]
    #[inline]
    pub fn matches(&self, id: FlowId, key: &FlowKey) -> bool {
        let Some(flow) = self.get(id) else { return false };
        flow.port() == key.in_port()
            && self.subtable_of(flow).is_some_and(|subtable| subtable.matches(key, flow))
    }

    /// A megaflow.
    #[must_use]
    #[inline]
    pub fn get(&self, id: FlowId) -> Option<&Megaflow<A>> {
        self.flows.get(id.index())?.as_ref()
    }

    /// A megaflow, to count or to renew.
    #[inline]
    pub fn get_mut(&mut self, id: FlowId) -> Option<&mut Megaflow<A>> {
        self.flows.get_mut(id.index())?.as_mut()
    }

    fn subtable_of(&self, flow: &Megaflow<A>) -> Option<&Subtable> {
        self.port(flow.port)?.get(flow.subtable)
    }

    /// What a megaflow looks at.
    #[must_use]
    pub fn mask(&self, id: FlowId) -> Option<&FlowMask> {
        Some(self.subtable_of(self.get(id)?)?.mask())
    }

    /// What a megaflow looks for, zero where it does not look.
    #[must_use]
    pub fn key(&self, id: FlowId) -> Option<FlowKey> {
        let flow = self.get(id)?;
        Some(self.subtable_of(flow)?.unpack(&flow.values))
    }

    /// The name of a megaflow. `seed` is the same for every thread.
    #[must_use]
    pub fn ufid(&self, id: FlowId, seed: u64) -> Option<Ufid> {
        Some(Ufid::of(&self.key(id)?, self.mask(id)?, seed))
    }

    /// Every megaflow.
    pub fn iter(&self) -> impl Iterator<Item = (FlowId, &Megaflow<A>)> {
        (0..).map(FlowId).zip(&self.flows).filter_map(|(id, flow)| Some((id, flow.as_ref()?)))
    }

    /// Installs what the control plane claims. If the port has no room for another mask, under one
    /// that is there and looks at more; and if there is none, under one that looks at whole words.
    ///
    /// # Errors
    /// See [`TableFull`].
    pub fn insert(&mut self, claim: Claim<'_>, actions: A) -> Result<Installed, TableFull> {
        let port = claim.key.in_port();
        let index = usize::try_from(port).unwrap_or(usize::MAX);
        if index > usize::from(PortNo::MAX) {
            return Err(TableFull::NoPort(port));
        }
        if index >= self.ports.len() {
            self.ports.resize_with(index + 1, || None);
        }
        let (n_flows, limits) = (self.n_flows(), self.limits);
        let table = self.ports[index].get_or_insert_default();
        let place = table.place(claim.mask, limits.masks, self.seed);
        if let Some(id) =
            table.get(place).and_then(|subtable| subtable.find(claim.key, &self.flows))
        {
            self.renew(id, claim, actions);
            return Ok(Installed::Replaced(id));
        }
        let full = if n_flows >= limits.flows {
            Some(TableFull::Flows(n_flows))
        } else {
            let n = table.n_flows;
            (n >= limits.port_flows).then_some(TableFull::PortFlows(port, n))
        };
        if let Some(full) = full {
            table.drop_if_empty(place);
            return Err(full);
        }
        Ok(Installed::New(self.add(place, claim, actions)))
    }

    fn renew(&mut self, id: FlowId, claim: Claim<'_>, actions: A) {
        if let Some(flow) = self.get_mut(id) {
            flow.version = claim.version;
            flow.actions = actions;
        }
    }

    /// A megaflow in the subtable `place` of its port, which is there.
    fn add(&mut self, place: u32, claim: Claim<'_>, actions: A) -> FlowId {
        let id = self.free.pop().unwrap_or_else(|| {
            self.flows.push(None);
            FlowId(u32::try_from(self.flows.len() - 1).unwrap_or(u32::MAX))
        });
        let port = claim.key.in_port();
        let table = self.ports.get_mut(port as usize).and_then(Option::as_deref_mut);
        if let Some((table, flow)) = table.zip(self.flows.get_mut(id.index())) {
            let (hash, values) = table.add(place, claim.key, id);
            self.depth = self.depth.max(table.depth());
            let (version, created_ns, stats) = (claim.version, claim.now_ns, FlowStats::default());
            let subtable = place;
            *flow = Some(Megaflow {
                hash,
                subtable,
                port,
                values,
                stats,
                version,
                created_ns,
                actions,
            });
        }
        id
    }

    /// Takes a megaflow away, and its mask if it was the last.
    pub fn remove(&mut self, id: FlowId) -> Option<Megaflow<A>> {
        let flow = self.flows.get_mut(id.index())?.take()?;
        self.free.push(id);
        let table = self.ports.get_mut(flow.port as usize)?.as_deref_mut()?;
        if table.remove(flow.subtable, flow.hash, id) {
            let depths = self.ports.iter().flatten().map(|port| port.depth());
            self.depth = depths.max().unwrap_or(Depth::L2);
        }
        Some(flow)
    }

    /// Takes the megaflows of a port away.
    pub fn clear_port(&mut self, port: u32) {
        let ids: Vec<FlowId> =
            self.iter().filter(|(_, flow)| flow.port == port).map(|(id, _)| id).collect();
        for id in ids {
            self.remove(id);
        }
    }

    /// Ranks the masks of each port by the hits since the last time, and lets half of these count
    /// for the next: to be called about once a second.
    pub fn rerank(&mut self) {
        for port in self.ports.iter_mut().flatten() {
            port.rerank();
        }
    }
}
