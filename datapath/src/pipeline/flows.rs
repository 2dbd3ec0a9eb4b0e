//! The flow stage: what a batch does in a bridge with flows.
//!
//! ```text
//!  frames ─► extract ─► cache ──hit──────────────► group by flow ─► execute
//!                         └─ miss ─► upcall ─► install ─┘              │ recirculate
//!              ▲                                                      │
//!              └──────────────────────────────────────────────────────┘
//! ```
//!
//! # Design
//! 1. All frames are read, as deep as the masks that are installed look, and no deeper.
//! 2. Their flows are looked up, together.
//! 3. A frame without a flow is read in full and looked up again, since the one before it may have
//!    brought its flow; then it goes up ([`miss`](super::miss)). So does one whose flow is stale.
//! 4. The frames of each flow are counted together and its actions run, flow by flow.
//! 5. What actions recirculate passes through again, a bounded number of times.
//!
//! Translating is bounded: a batch causes at most [`MAX_UPCALLS`], a port at most
//! [`FlowConfig::upcalls_per_port`]. Frames beyond are dropped as
//! [`UpcallLimit`](DropReason::UpcallLimit).
//!
//! # Invariants
//! - A flow is run only after its version was found current in this very batch.
//! - Flows are removed only where no frame of a batch can still hold their number.
//! - A hit allocates nothing, and takes no lock.
//!
//! # Thread-safety
//! One poll thread owns it.

use core::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use arrayvec::ArrayVec;
use packet::flow::OptionTable;
use packet::flow::extract::{self, Depth};
use packet::flow::place;
use packet::tunnel::TunnelKey;
use packet::{FlowKey, FlowMask};

use super::groups::Groups;
use crate::action::{Action, Actions, Executor, Later, RecircId, UserspaceQueue};
use crate::batch::{Batch, MAX_BURST};
pub(super) use crate::cache::Found;
use crate::cache::{FlowCache, FlowId, FlowStats, Limits, Sweep, Ufid};
use crate::counter::{Counter, PortCounters};
use crate::drop_reason::DropReason;
use crate::frame::Frame;
use crate::l2::normal::{ETHERNET_LEN, Output, Stage};
use crate::l2::vlan::VlanLimit;
use crate::rate::Bucket;
use crate::snapshot::Version;
use crate::upcall::{Dependencies, FlowCounts, UpcallHandler};
use crate::view::Port;

/// Upcalls that one received batch causes at most.
pub const MAX_UPCALLS: usize = 2 * MAX_BURST;

/// What a megaflow of a thread does, and what that depends on.
#[derive(Debug)]
pub struct CachedFlow {
    /// What is done.
    pub actions: Actions,
    /// What the control plane looked at.
    pub depends: Dependencies,
    /// Where the control plane reads along.
    pub counts: Option<Arc<FlowCounts>>,
}

impl CachedFlow {
    /// Reads what running the flow reads; the value has no meaning.
    #[inline]
    fn touch(&self) -> u64 {
        let counted = self.counts.as_ref().map_or(0, |counts| counts.packets.get());
        counted ^ u64::from(matches!(self.actions.list().first(), Some(Action::Output { .. })))
    }
}

/// Bounds of the flow stage.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FlowConfig {
    /// How much each thread's cache holds.
    pub limits: Limits,
    /// Upcalls per second of a port, on each thread; a tenth of them at once.
    pub upcalls_per_port: u32,
    /// How long a flow is kept that nobody uses.
    pub max_idle: Duration,
}

impl Default for FlowConfig {
    fn default() -> Self {
        let (limits, max_idle) = (Limits::default(), Duration::from_secs(10));
        FlowConfig { limits, upcalls_per_port: 200_000, max_idle }
    }
}

/// What a flow stage counts. One writer, the poll thread.
#[derive(Debug, Default)]
#[repr(align(64))]
pub struct FlowCounters {
    /// Look-ups of frames: one for each pass.
    pub passes: Counter,
    /// Those that the exact-match cache answered.
    pub emc_hits: Counter,
    /// Those that were answered otherwise.
    pub megaflow_hits: Counter,
    /// Those whose packet was translated.
    pub upcalls: Counter,
    /// Those whose packet was lost instead.
    pub lost_upcalls: Counter,
    /// Frames that were looked up again.
    pub recirculations: Counter,
    /// Flows that were translated again, since tables had changed.
    pub renewed: Counter,
}

/// A cached flow, as it is shown.
#[derive(Clone, Debug)]
pub struct FlowDump {
    /// Its name.
    pub ufid: Ufid,
    /// What it matches.
    pub key: FlowKey,
    /// What of it is looked at.
    pub mask: FlowMask,
    /// What is done.
    pub actions: Actions,
    /// What it has seen.
    pub stats: FlowStats,
    /// The tables that it was translated from.
    pub version: Version,
}

/// The flow stage of one poll thread.
pub struct Flows {
    pub(super) cache: FlowCache<CachedFlow>,
    pub(super) handler: Option<Box<dyn UpcallHandler>>,
    pub(super) version: Version,
    pub(super) config: FlowConfig,
    pub(super) stats: Arc<FlowCounters>,
    pub(super) upcalls_left: usize,
    /// By port, from its first miss on.
    pub(super) upcall_buckets: Vec<Option<Box<Bucket>>>,
    pub(super) later: Later,
    pub(super) sweep: Sweep,
    pub(super) swept_ns: u64,
    pub(super) ranked_ns: u64,
    keys: Box<[FlowKey; MAX_BURST]>,
    pub(super) seed: u64,
}

/// What a flow stage is made of.
pub struct FlowParts {
    /// Who translates; `None`: nobody, and a bridge with flows drops everything.
    pub handler: Option<Box<dyn UpcallHandler>>,
    /// Bounds.
    pub config: FlowConfig,
    /// Where packets for the control plane go.
    pub userspace: UserspaceQueue,
    /// What it counts.
    pub stats: Arc<FlowCounters>,
    /// Random, and the same for all threads: names of flows come from it.
    pub seed: u64,
}

impl Flows {
    /// A stage without flows.
    #[must_use]
    pub fn new(parts: FlowParts) -> Flows {
        let FlowParts { mut handler, config, userspace, stats, seed } = parts;
        let version = handler.as_mut().map_or(Version(0), |handler| handler.refresh());
        Flows {
            cache: FlowCache::new(config.limits, seed),
            handler,
            version,
            config,
            stats,
            upcalls_left: MAX_UPCALLS,
            upcall_buckets: Vec::new(),
            later: Later::new(userspace),
            sweep: Sweep::default(),
            swept_ns: 0,
            ranked_ns: 0,
            keys: Box::new([FlowKey::EMPTY; MAX_BURST]),
            seed,
        }
    }

    /// A received batch begins.
    #[inline]
    pub(super) fn begin(&mut self) {
        self.upcalls_left = MAX_UPCALLS;
        self.later.renew();
    }

    /// Takes the newest tables.
    pub fn refresh(&mut self) {
        if let Some(handler) = &mut self.handler {
            self.version = handler.refresh();
        }
    }

    /// Whether no flow is cached.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cache.megaflows.n_flows() == 0
    }

    /// Frames have come by a port of a bridge with flows.
    #[inline(never)]
    pub(super) fn arrive(
        &mut self,
        stage: &mut Stage<'_>,
        (in_port, tunnel): (&Port, Option<&TunnelKey>),
        batch: &mut Batch,
        out: &mut impl Output,
    ) {
        let counters = in_port.stats.of(stage.thread);
        if batch.iter().any(|frame| frame.len() < ETHERNET_LEN) {
            let mut runts = split(batch, |frame| frame.len() < ETHERNET_LEN);
            counters.drop_rx(DropReason::Runt, runts.len() as u64);
            stage.pool.put_all(runts.drain(..));
        }
        let is_group = |frame: &&Frame| frame.data().first().is_some_and(|byte| byte & 1 != 0);
        counters.rx_multicast.add(batch.iter().filter(is_group).count() as u64);
        let options = tunnel.filter(|key| !key.options.is_empty());
        let options = options.and_then(|_| stage.snapshot.tunnels.options(in_port.no));
        let from = From { port: in_port, id: RecircId(0), tunnel, options };
        self.pass(stage, from, batch, out);
        self.recirculate(stage, out);
    }

    /// Does what a list says for frames that count as received by a port.
    pub(super) fn execute(
        &mut self,
        stage: &mut Stage<'_>,
        (in_port, actions): (&Port, &Actions),
        batch: &mut Batch,
        out: &mut impl Output,
    ) {
        let counters = in_port.stats.of(stage.thread);
        let later = &mut self.later;
        Executor { stage, in_port, counters, later, out }.run(batch, actions);
        self.recirculate(stage, out);
    }

    /// Looks up again what actions left for it, until nothing is left.
    fn recirculate(&mut self, stage: &mut Stage<'_>, out: &mut impl Output) {
        while let Some(mut next) = self.later.pop() {
            self.stats.recirculations.add(next.frames.len() as u64);
            match stage.snapshot.port(next.in_port) {
                Some(port) => {
                    let from = From { port, id: next.id, tunnel: None, options: None };
                    self.pass(stage, from, &mut next.frames, out);
                }
                None => stage.pool.put_all(next.frames.drain(..)),
            }
        }
    }

    /// One pass: look up, translate what is not known, execute.
    fn pass(
        &mut self,
        stage: &mut Stage<'_>,
        from: From<'_>,
        batch: &mut Batch,
        out: &mut impl Output,
    ) {
        let n = batch.len() as u64;
        let n_emc = self.cache.emc_hits();
        let mut found = self.look_up(from, batch);
        let n_missed = found.iter().filter(|id| id.is_none()).count() as u64;
        let n_emc = self.cache.emc_hits() - n_emc;
        self.stats.passes.add(n);
        self.stats.emc_hits.add(n_emc);
        self.stats.megaflow_hits.add((n - n_missed).saturating_sub(n_emc));
        let mut groups = Groups::of(&found);
        if !groups.iter().all(|group| self.is_current(group.id)) {
            self.translate(stage, from, (batch, &mut found), out);
            groups = Groups::of(&found);
        }
        self.warm(&groups);
        self.run_all(stage, from.port, (batch, &groups), out);
    }

    /// Reads the frames, and finds the flows of those that have one.
    #[inline]
    fn look_up(&mut self, from: From<'_>, batch: &Batch) -> Found {
        let depth = self.cache.depth();
        for (frame, key) in batch.iter().zip(self.keys.iter_mut()) {
            read(frame, from, depth, key);
        }
        self.cache.lookup_all(self.keys.get(..batch.len()).unwrap_or_default())
    }

    /// Starts to bring what the flows do and count into the cache.
    #[inline]
    fn warm(&self, groups: &Groups) {
        let flows = groups.iter().filter_map(|group| self.cache.megaflows.get(group.id?));
        black_box(flows.fold(0, |warm, flow| warm ^ flow.actions.touch()));
    }

    /// Whether this is a flow, and still true.
    #[inline]
    fn is_current(&self, id: Option<FlowId>) -> bool {
        let flow = id.and_then(|id| self.cache.megaflows.get(id));
        flow.is_some_and(|flow| flow.is_current(self.version))
    }

    /// Reads a frame in full into the key of its place.
    pub(super) fn read_all(&mut self, n: usize, frame: &Frame, from: From<'_>) {
        read(frame, from, Depth::L4, &mut self.keys[n]);
    }

    /// Looks for the flow of a frame with all of its headers.
    pub(super) fn look_again(&mut self, n: usize, frame: &Frame, from: From<'_>) -> Option<FlowId> {
        self.read_all(n, frame, from);
        self.cache.lookup(&self.keys[n])
    }

    /// Moves a key to the place that its frame has now.
    pub(super) fn move_key(&mut self, from: usize, to: usize) {
        if from != to {
            self.keys.swap(from, to);
        }
    }

    /// The key of a place.
    pub(super) fn key(&self, n: usize) -> &FlowKey {
        &self.keys[n]
    }

    /// Runs the actions of each flow for its frames, in the order of the flows' first ([`Groups`]).
    #[inline]
    fn run_all(
        &mut self,
        stage: &mut Stage<'_>,
        in_port: &Port,
        (batch, groups): (&mut Batch, &Groups),
        out: &mut impl Output,
    ) {
        if let Some(all) = groups.only() {
            let flags =
                self.keys[..batch.len()].iter().fold(0, |flags, key| flags | tcp_flags(key));
            return self.run(stage, in_port, (all.id, flags, batch), out);
        }
        let mut frames: ArrayVec<Option<Frame>, MAX_BURST> = batch.drain(..).map(Some).collect();
        for group in groups.iter() {
            let (mut flags, mut members) = (0, Batch::new());
            for n in groups.places(group) {
                if let Some(frame) = frames.get_mut(n).and_then(Option::take) {
                    flags |= tcp_flags(&self.keys[n]);
                    members.push(frame);
                }
            }
            self.run(stage, in_port, (group.id, flags, &mut members), out);
        }
    }

    /// Counts frames of a flow, whose TCP flags are told, and runs its actions for them.
    #[inline]
    fn run(
        &mut self,
        stage: &mut Stage<'_>,
        in_port: &Port,
        (id, flags, group): (Option<FlowId>, u16, &mut Batch),
        out: &mut impl Output,
    ) {
        let counters = in_port.stats.of(stage.thread);
        let Some(flow) = id.and_then(|id| self.cache.megaflows.get_mut(id)) else {
            // Every frame has a flow by now; one without is lost for a reason all the same.
            return lose(stage, counters, group);
        };
        let n_bytes = group.iter().map(|frame| frame.len() as u64).sum();
        flow.stats.add(group.len() as u64, n_bytes, flags, stage.now_ns);
        if let Some(counts) = &flow.actions.counts {
            counts.add(group.len() as u64, n_bytes, flags, stage.now_ns);
        }
        let later = &mut self.later;
        let mut executor = Executor { stage, in_port, counters, later, out };
        executor.run(group, &flow.actions.actions);
    }
}

/// Where the frames of a batch come from.
#[derive(Clone, Copy)]
pub(super) struct From<'a> {
    /// The port that they came by.
    pub port: &'a Port,
    /// Where they go on.
    pub id: RecircId,
    /// What their outer headers said, if they have just come through a tunnel. What goes on behind a
    /// recirculation knows it from there.
    pub tunnel: Option<&'a TunnelKey>,
    /// Which of its options are fields.
    pub options: Option<&'a OptionTable>,
}

/// The TCP flags of a key.
#[inline]
pub(super) fn tcp_flags(key: &FlowKey) -> u16 {
    (key.word(place::L4) >> 16 & 0xfff) as u16
}

/// Reads a frame into a key.
#[inline]
fn read(frame: &Frame, from: From<'_>, depth: Depth, key: &mut FlowKey) {
    let limit = match from.port.vlan.limit {
        VlanLimit::One => extract::VlanLimit::One,
        VlanLimit::Two => extract::VlanLimit::Two,
    };
    key.clear();
    key.put_word(place::PORT, u64::from(from.port.no.get()) << 32 | u64::from(from.id.0));
    if let Some(tunnel) = from.tunnel {
        tunnel.write(key);
        if let Some(options) = from.options {
            tunnel.write_options(options, key);
        }
    }
    extract::headers(frame.data(), depth, limit, key);
}

/// Takes out of a batch the frames for which `is_wanted`, in order.
fn split(batch: &mut Batch, mut is_wanted: impl FnMut(&Frame) -> bool) -> Batch {
    let (mut wanted, mut rest) = (Batch::new(), Batch::new());
    for frame in batch.drain(..) {
        let side = if is_wanted(&frame) { &mut wanted } else { &mut rest };
        side.push(frame);
    }
    *batch = rest;
    wanted
}

#[cold]
fn lose(stage: &mut Stage<'_>, counters: &PortCounters, batch: &mut Batch) {
    counters.drop_rx(DropReason::UpcallError, batch.len() as u64);
    stage.pool.put_all(batch.drain(..));
}
