//! Running a list of actions for the frames of one flow.

use std::collections::VecDeque;
use std::sync::Arc;

use arrayvec::ArrayVec;
use packet::vlan::{TAG_LEN, TPID_CTAG, TPID_STAG};

use super::labels;
use super::select::Select;
use super::ttl::{self, Ttl};
use super::userspace::{Userspace, UserspaceQueue};
use super::{Action, Actions, RecircId};
use crate::batch::{Batch, MAX_BURST};
use crate::counter::PortCounters;
use crate::drop_reason::DropReason;
use crate::frame::{Checksum, Frame, Offload};
use crate::ids::{BridgeId, PortNo};
use crate::l2::mirror::Passing;
use crate::l2::normal::{self, Arrival, Onward, Output, Stage};
use crate::meter::MeterId;
use crate::offload::{checksum, segment};
use crate::view::{Bridge, Port};

/// How often a packet is recirculated at most (Open vSwitch: `MAX_RECIRC_DEPTH`, `lib/dpif-netdev.c`).
pub const MAX_RECIRC_DEPTH: u8 = 8;
/// How often, of all frames of a received batch and their copies together.
pub const MAX_RECIRCS: usize = 4096;

/// Frames that are to be looked up again.
pub struct Recirculated {
    /// The port that they came by.
    pub in_port: PortNo,
    /// Where they go on.
    pub id: RecircId,
    depth: u8,
    /// The frames.
    pub frames: Batch,
}

/// What actions leave for later: a poll thread's lists. Empty between received batches.
pub struct Later {
    recircs: VecDeque<Recirculated>,
    /// Recirculations of the frames that are forwarded now.
    depth: u8,
    /// How many more frames are recirculated.
    left: usize,
    userspace: UserspaceQueue,
    /// Room for what large segments are cut into.
    pieces: Vec<Frame>,
}

impl Later {
    /// Nothing; what is for the control plane goes to `userspace`.
    #[must_use]
    pub fn new(userspace: UserspaceQueue) -> Later {
        let recircs = VecDeque::with_capacity(MAX_RECIRCS);
        Later { recircs, depth: 0, left: MAX_RECIRCS, userspace, pieces: Vec::new() }
    }

    /// The next frames to look up again; `None` ends a pass.
    pub fn pop(&mut self) -> Option<Recirculated> {
        let next = self.recircs.pop_front();
        self.depth = next.as_ref().map_or(0, |next| next.depth);
        next
    }

    /// A received batch has been forwarded, wherever it led.
    pub fn renew(&mut self) {
        self.left = MAX_RECIRCS;
    }

    /// Takes frames in, as many as may be: the rest stays.
    fn push(&mut self, in_port: PortNo, id: RecircId, batch: &mut Batch) {
        if self.depth >= MAX_RECIRC_DEPTH {
            return;
        }
        let n = batch.len().min(self.left);
        self.left -= n;
        let depth = self.depth + 1;
        let newest = self.recircs.back_mut().filter(|last| {
            (last.in_port, last.id, last.depth) == (in_port, id, depth)
                && last.frames.remaining_capacity() >= n
        });
        match newest {
            Some(last) => last.frames.extend(batch.drain(..n)),
            None if n > 0 => {
                let frames = batch.drain(..n).collect();
                self.recircs.push_back(Recirculated { in_port, id, depth, frames });
            }
            None => {}
        }
    }
}

/// Runs lists for frames that came by one port.
pub struct Executor<'a, 's, O> {
    /// The configuration, frames and hops.
    pub stage: &'a mut Stage<'s>,
    /// The port that the frames came by.
    pub in_port: &'a Port,
    /// Its counters.
    pub counters: &'a PortCounters,
    /// What is left for later.
    pub later: &'a mut Later,
    /// Where frames go.
    pub out: &'a mut O,
}

impl<O: Output> Executor<'_, '_, O> {
    /// Does what the list says, and leaves the batch empty.
    pub fn run(&mut self, batch: &mut Batch, actions: &Actions) {
        self.run_list(batch, actions.list(), actions.end());
    }

    fn run_list(&mut self, batch: &mut Batch, list: &[Action], end: DropReason) {
        for (at, action) in list.iter().enumerate() {
            if batch.is_empty() {
                return;
            }
            if action.takes() {
                if at + 1 == list.len() {
                    return self.take(batch, action);
                }
                let mut copies = self.copy(batch);
                self.take(&mut copies, action);
                continue;
            }
            if matches!(action, Action::PushMpls { .. } | Action::PopMpls { .. }) {
                self.finish(batch, &list[at..], end);
            }
            self.edit(batch, action);
        }
        self.drop_all(batch, end);
    }

    /// Does what disposes of frames, and leaves the batch empty.
    fn take(&mut self, batch: &mut Batch, action: &Action) {
        match action {
            Action::Output { port, max_len } => self.output(batch, (*port, *max_len), None),
            Action::Tunnel { port, max_len, key } => {
                let onward = Onward::Tunnel(Some(Arc::clone(key)));
                self.output(batch, (*port, *max_len), Some(&onward));
            }
            Action::Normal { bridge, in_port, mirrored } => {
                self.normal(batch, *bridge, (*in_port, *mirrored));
            }
            Action::Select(select) => self.select(batch, select),
            Action::Clone(actions) => self.run(batch, actions),
            Action::Userspace(what) => self.userspace(batch, *what),
            Action::Recirc(id) => self.recirculate(batch, *id),
            Action::Longer { than, then, otherwise } => {
                let mut longer = split(batch, |frame| frame.len() > usize::from(*than));
                self.recirculate(&mut longer, *then);
                self.recirculate(batch, *otherwise);
            }
            // Nothing else takes.
            _ => self.drop_all(batch, DropReason::PipelineDrop),
        }
    }

    /// Does what changes, counts or refuses frames.
    fn edit(&mut self, batch: &mut Batch, action: &Action) {
        match action {
            Action::PushVlan { tpid, tag } => self.grow(batch, |f| f.push_vlan(*tpid, *tag)),
            Action::PopVlan => batch.iter_mut().for_each(pop_vlan),
            Action::PushMpls { ethertype, lse } => {
                self.grow(batch, |f| labels::push(f, *ethertype, *lse));
            }
            Action::PopMpls { ethertype } => {
                batch.iter_mut().for_each(|frame| labels::pop(frame, *ethertype));
            }
            Action::Set(fields) => batch.iter_mut().for_each(|frame| fields.apply(frame)),
            Action::DecTtl { expired } => {
                let mut ended = split(batch, |frame| ttl::decrement(frame) == Ttl::Expired);
                self.run(&mut ended, expired);
            }
            Action::Meter(id) => self.meter(batch, *id),
            Action::Mirror { bridge, port, passing, mirrored } => {
                self.mirror(batch, (*bridge, *port), (*passing, *mirrored));
            }
            Action::Count(tally) => tally.add(batch.len() as u64, n_bytes(batch)),
            // All others take.
            _ => {}
        }
    }

    /// Loses frames.
    pub fn drop_all(&mut self, batch: &mut Batch, reason: DropReason) {
        if !batch.is_empty() {
            self.counters.drop_rx(reason, batch.len() as u64);
            self.stage.pool.put_all(batch.drain(..));
        }
    }

    fn drop(&mut self, frame: Frame, reason: DropReason) {
        self.counters.drop_rx(reason, 1);
        self.stage.pool.put(frame);
    }

    /// Copies of all frames, as far as there are buffers.
    fn copy(&mut self, batch: &Batch) -> Batch {
        self.counters.copies.add(batch.len() as u64);
        let pool = &mut *self.stage.pool;
        let copies: Batch = batch.iter().map_while(|frame| pool.copy(frame)).collect();
        let n_lost = batch.len() - copies.len();
        if n_lost > 0 {
            self.counters.drop_rx(DropReason::NoFrame, n_lost as u64);
        }
        copies
    }

    /// Sends by a port; `onward` says how, if not as the port does it by itself.
    fn output(
        &mut self,
        batch: &mut Batch,
        (no, max_len): (PortNo, Option<u32>),
        onward: Option<&Onward>,
    ) {
        let Some(port) = self.stage.snapshot.port(no) else {
            return self.drop_all(batch, DropReason::InvalidPort);
        };
        if !port.up {
            return self.drop_all(batch, DropReason::TxPortDown);
        }
        for mut frame in batch.drain(..) {
            if let Some(max_len) = max_len {
                truncate(&mut frame, usize::try_from(max_len).unwrap_or(usize::MAX));
            }
            let Stage { thread, pool, hops, .. } = &mut *self.stage;
            match onward {
                None => normal::hand_over((*thread, pool, hops), frame, port, self.out),
                Some(onward) => normal::cross((*thread, pool, hops), frame, (port, onward)),
            }
        }
    }

    /// Copies to mirrors.
    #[cold]
    fn mirror(&mut self, batch: &Batch, (bridge, port): (BridgeId, PortNo), to: (Passing, u32)) {
        let snapshot = self.stage.snapshot;
        if let Some((bridge, port)) = snapshot.bridge(bridge).zip(snapshot.port(port)) {
            normal::mirror(self.stage, (port, bridge), to, batch, self.out);
        }
    }

    fn normal(
        &mut self,
        batch: &mut Batch,
        bridge: BridgeId,
        (in_port, mirrored): (Option<PortNo>, u32),
    ) {
        let snapshot = self.stage.snapshot;
        let Some(bridge) = snapshot.bridge(bridge) else {
            return self.drop_all(batch, DropReason::BridgeNotFound);
        };
        match in_port.map(|no| snapshot.port(no)) {
            Some(Some(in_port)) => {
                let from = (&**in_port, &**bridge, Arrival::Again { mirrored });
                normal::forward(self.stage, from, batch, self.out);
            }
            Some(None) => self.drop_all(batch, DropReason::BridgeNotFound),
            None => self.normal_from_outside(batch, bridge),
        }
    }

    #[cold]
    fn normal_from_outside(&mut self, batch: &mut Batch, bridge: &Bridge) {
        match normal::outside(bridge, Arc::clone(&self.in_port.stats)) {
            Some(port) => {
                normal::forward(self.stage, (&port, bridge, Arrival::Outside), batch, self.out);
            }
            None => self.drop_all(batch, DropReason::BridgeNotFound),
        }
    }

    fn select(&mut self, batch: &mut Batch, select: &Select) {
        let snapshot = self.stage.snapshot;
        let is_up = |no: PortNo| snapshot.port(no).is_some_and(|port| port.up);
        let mut picks: ArrayVec<Option<usize>, MAX_BURST> =
            batch.iter().map(|frame| select.pick(frame.data(), is_up)).collect();
        while let Some(&picked) = picks.first() {
            let mut pick = picks.iter();
            let mut alike = split(batch, |_| pick.next() == Some(&picked));
            picks.retain(|pick| *pick != picked);
            match picked.and_then(|at| select.buckets.get(at)) {
                Some(bucket) => self.run(&mut alike, &bucket.actions),
                None => self.drop_all(&mut alike, DropReason::NoLiveBucket),
            }
        }
    }

    fn userspace(&mut self, batch: &mut Batch, what: Userspace) {
        for frame in batch.drain(..) {
            match self.later.userspace.send(frame, self.in_port.no, what) {
                Ok(()) => self.counters.handed.add(1),
                Err(frame) => {
                    self.counters.drop_rx(DropReason::UserspaceError, 1);
                    self.stage.pool.put(frame);
                }
            }
        }
    }

    fn recirculate(&mut self, batch: &mut Batch, id: RecircId) {
        self.later.push(self.in_port.no, id, batch);
        self.drop_all(batch, DropReason::RecircError);
    }

    fn meter(&mut self, batch: &mut Batch, id: MeterId) {
        let (now_ns, thread) = (self.stage.now_ns, self.stage.thread);
        if let Some(meter) = self.stage.snapshot.meter(id) {
            let mut above = split(batch, |frame| !meter.admits(frame.len(), now_ns, thread));
            self.drop_all(&mut above, DropReason::Meter);
        }
    }

    /// An edit that needs headroom: a frame that has none moves to a buffer that has.
    fn grow(&mut self, batch: &mut Batch, edit: impl Fn(&mut Frame) -> bool) {
        let mut at = 0;
        while let Some(frame) = batch.get_mut(at) {
            if edit(frame) {
                at += 1;
                continue;
            }
            // The contents move, so this is no copy.
            let moved = self.stage.pool.copy(frame).and_then(|mut moved| {
                let is_done = edit(&mut moved);
                is_done.then_some(moved)
            });
            let old = batch.remove(at);
            match moved {
                Some(moved) => {
                    self.stage.pool.put(old);
                    batch.insert(at, moved);
                    at += 1;
                }
                None => self.drop(old, DropReason::NoFrame),
            }
        }
    }

    /// Does what senders left undone, before an edit behind which it could not be done. What large
    /// segments are cut into goes through the rest of the list at once.
    fn finish(&mut self, batch: &mut Batch, rest: &[Action], end: DropReason) {
        if batch.iter().all(|frame| frame.offload().is_done()) {
            return;
        }
        for frame in split(batch, |frame| frame.offload().gso.is_some()) {
            self.cut(frame, rest, end);
        }
        let mut bad = split(batch, |frame| !checksum::complete(frame));
        self.drop_all(&mut bad, DropReason::BadOffload);
    }

    fn cut(&mut self, frame: Frame, rest: &[Action], end: DropReason) {
        let mut pieces = core::mem::take(&mut self.later.pieces);
        let cut = segment::segment(&frame, self.stage.pool, &mut |_, piece| pieces.push(piece));
        match cut {
            Ok(cut) => {
                let n = (cut.n_done + cut.n_lost) as u64;
                self.counters.segments.add(n.saturating_sub(1));
                if cut.n_lost > 0 {
                    self.counters.drop_rx(DropReason::NoFrame, cut.n_lost as u64);
                }
                self.stage.pool.put(frame);
            }
            Err(reason) => self.drop(frame, reason),
        }
        let mut pieces_left = pieces.drain(..).peekable();
        while pieces_left.peek().is_some() {
            let mut batch: Batch = pieces_left.by_ref().take(MAX_BURST).collect();
            self.run_list(&mut batch, rest, end);
        }
        drop(pieces_left);
        self.later.pieces = pieces;
    }
}

/// Takes out of a batch the frames for which `is_wanted`, in order.
fn split(batch: &mut Batch, mut is_wanted: impl FnMut(&mut Frame) -> bool) -> Batch {
    let (mut wanted, mut rest) = (Batch::new(), Batch::new());
    for mut frame in batch.drain(..) {
        let side = if is_wanted(&mut frame) { &mut wanted } else { &mut rest };
        side.push(frame);
    }
    *batch = rest;
    wanted
}

fn n_bytes(batch: &Batch) -> u64 {
    batch.iter().map(|frame| frame.len() as u64).sum()
}

/// Removes the outer tag, if there is a whole one.
fn pop_vlan(frame: &mut Frame) {
    const ADDRS_LEN: usize = 12;
    let tag = frame.data().get(ADDRS_LEN..).and_then(|rest| rest.first_chunk::<{ TAG_LEN + 2 }>());
    if let Some([t0, t1, ..]) = tag
        && matches!(u16::from_be_bytes([*t0, *t1]), TPID_CTAG | TPID_STAG)
    {
        // There are as many bytes: the tag was found.
        let _ = frame.pop_vlan();
    }
}

/// Cuts what is beyond a length off. What was left undone is done first, for the bytes that it would
/// be done to are then not all there.
fn truncate(frame: &mut Frame, max_len: usize) {
    if max_len < frame.len() {
        if matches!(frame.offload().checksum, Checksum::Partial { .. }) {
            // A checksum field that lies outside the frame was refused when the frame was received.
            let _ = checksum::complete(frame);
        }
        frame.set_offload(Offload::NONE);
        // Shorter is always possible.
        let _ = frame.set_len(max_len);
    }
}
