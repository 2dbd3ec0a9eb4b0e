//! Frames that leave by tunnel ports.
//!
//! # Design
//! Frames handed to a tunnel port find their [`Path`]. Where none is known yet they are kept a while
//! ([`waiting`](crate::tunnel::waiting)). Then they are made to fit: large segments are cut into what
//! fits the path; a frame that does not fit is dropped and its sender told ([`TooBig`]), or goes in
//! fragments where the port allows it. They get their outer headers ([`Outer`]) and go on as outer
//! packets: to the carrier, to a port, or into a bridge.
//!
//! # Invariants
//! See [`tunnel`](crate::tunnel): each frame is sent, dropped or kept, and counted once.

use core::net::IpAddr;
use std::sync::Arc;

use packet::tunnel::TunnelKey;

use super::{Flows, appear, drop_sent, forward_in_bridge, segments};
use crate::batch::{Batch, MAX_BURST};
use crate::capture::Direction;
use crate::counter::PortCounters;
use crate::drop_reason::DropReason;
use crate::frame::{Frame, GsoKind};
use crate::ids::PortNo;
use crate::l2::normal::{Output, Stage};
use crate::offload::{self, segment};
use crate::tunnel::encapsulate::{Ends, Outer, Unwritten};
use crate::tunnel::fragment::fragment;
use crate::tunnel::too_big::TooBig;
use crate::tunnel::waiting::{Going, Waiter, Wanted};
use crate::tunnel::{Address, Key, Path, Tunnel, TunnelConfig, Tunnels, Way};
use crate::view::{Port, PortKind};

/// Bytes of the largest IP packet.
const MAX_PACKET_LEN: usize = 65_535;

/// Sends frames by a tunnel port; `key` is what their flow says, if it says anything.
pub(super) fn leave(
    stage: &mut Stage<'_>,
    flows: &mut Flows,
    (from, key): (PortNo, Option<Arc<TunnelKey>>),
    batch: &mut Batch,
    out: &mut impl Output,
) {
    let since_ns = stage.now_ns;
    send(stage, flows, Leaving { from, key, since_ns }, batch, out);
}

/// Frames whose way was not known try again.
pub(super) fn retry(stage: &mut Stage<'_>, flows: &mut Flows, out: &mut impl Output) {
    stage.hops.waiting.forget_wanted();
    for _ in 0..stage.hops.waiting.len() {
        let Some(waiter) = stage.hops.waiting.pop() else { break };
        if waiter.going == Going::In {
            segments::arrive_again(stage, flows, waiter, out);
            continue;
        }
        let Waiter { frame, port: from, key, since_ns, .. } = waiter;
        let mut batch = Batch::from_iter([frame]);
        send(stage, flows, Leaving { from, key, since_ns }, &mut batch, out);
    }
}

/// Loses frames that have waited for too long.
pub(super) fn expire(stage: &mut Stage<'_>) {
    while let Some(waiter) = stage.hops.waiting.pop_expired(stage.now_ns) {
        lose(stage, waiter);
    }
}

/// Loses all frames that wait.
pub(super) fn give_up(stage: &mut Stage<'_>) {
    while let Some(waiter) = stage.hops.waiting.pop() {
        lose(stage, waiter);
    }
}

pub(super) fn lose(stage: &mut Stage<'_>, waiter: Waiter) {
    let mut batch = Batch::from_iter([waiter.frame]);
    match waiter.going {
        Going::Out => drop_sent(stage, waiter.port, waiter.reason, &mut batch),
        Going::In => segments::lose(stage, waiter.port, waiter.reason, &mut batch),
    }
}

/// What frames leave by.
pub(super) struct Leaving {
    pub from: PortNo,
    pub key: Option<Arc<TunnelKey>>,
    pub since_ns: u64,
}

/// Why frames do not leave now.
enum Stuck {
    /// They never will.
    Lost(DropReason),
    /// A way may be found; this is what is lost otherwise.
    Waits(DropReason, Option<Wanted>),
}

pub(super) fn send(
    stage: &mut Stage<'_>,
    flows: &mut Flows,
    leaving: Leaving,
    batch: &mut Batch,
    out: &mut impl Output,
) {
    let snapshot = stage.snapshot;
    let port = snapshot.port(leaving.from).filter(|port| port.up);
    let Some((port, PortKind::Tunnel(tunnel))) = port.map(|port| (port, &port.kind)) else {
        return drop_sent(stage, leaving.from, DropReason::TxPortDown, batch);
    };
    let key = leaving.key.as_deref();
    if let Some(all) = port.floods_to()
        && key.is_none_or(|key| key.dst.is_unspecified())
    {
        return segments::flood(stage, flows, (leaving, all), batch, out);
    }
    let (ends, path) = match way_out(tunnel, key, &snapshot.tunnels) {
        Ok(way) => way,
        Err(Stuck::Lost(reason)) => return drop_sent(stage, leaving.from, reason, batch),
        Err(Stuck::Waits(reason, wanted)) => {
            let now_ns = stage.now_ns;
            wanted.into_iter().for_each(|wanted| stage.hops.waiting.want(wanted, now_ns));
            return wait(stage, (&leaving, Going::Out), reason, batch);
        }
    };
    let Some(outer) = Outer::new((&tunnel.config, &tunnel.state), key, &ends) else {
        return drop_sent(stage, leaving.from, DropReason::TunnelNoRoute, batch);
    };
    let to = match path.way {
        Way::Port(link) | Way::Bridge(link) => link.port,
        Way::Host | Way::NoRoute | Way::NoNeighbour => tunnel.carrier,
    };
    let Some(to) = snapshot.port(to) else {
        return drop_sent(stage, leaving.from, DropReason::TxPortDown, batch);
    };
    let counters = port.stats.of(stage.thread);
    let (ready, answers) = (Batch::new(), Batch::new());
    let way = (&**port, &**tunnel, path, &**to);
    let mut sending = Sending { stage, flows, out, way, outer, counters, ready, answers };
    for frame in batch.drain(..) {
        sending.fit(frame);
    }
    sending.flush();
    let answers = sending.answers;
    if !answers.is_empty() {
        answer(stage, flows, (port, &tunnel.config, &ends), answers, out);
    }
}

/// Lets answers to senders appear, as if the tunnel had brought them.
#[cold]
fn answer(
    stage: &mut Stage<'_>,
    flows: &mut Flows,
    (port, config, ends): (&Port, &TunnelConfig, &Ends),
    mut batch: Batch,
    out: &mut impl Output,
) {
    let id = match config.in_key {
        Key::Is(id) => id,
        Key::None | Key::Flow => 0,
    };
    let key = TunnelKey { id, has_key: true, src: ends.dst, dst: ends.src, ..TunnelKey::new() };
    port.stats.of(stage.thread).injected.add(batch.len() as u64);
    out.pass(port.shown(), Direction::In, &batch);
    forward_in_bridge(stage, flows, (port, Some(&key)), &mut batch, out);
}

/// Where the packets of a tunnel port go to, and how.
fn way_out<'a>(
    tunnel: &'a Tunnel,
    key: Option<&TunnelKey>,
    tunnels: &'a Tunnels,
) -> Result<(Ends, &'a Path), Stuck> {
    let config = &tunnel.config;
    let given = |address: Option<IpAddr>| address.filter(|address| !address.is_unspecified());
    let dst = match config.remote {
        Address::Is(remote) => Some(remote),
        Address::Flow => given(key.map(|key| key.dst)),
        Address::Any => None,
    };
    let Some(dst) = dst else { return Err(Stuck::Lost(DropReason::TunnelNoRoute)) };
    let local = match config.local {
        Address::Is(local) => Some(local),
        Address::Flow => given(key.map(|key| key.src)),
        Address::Any => None,
    };
    let own = tunnel.path.as_ref().filter(|_| config.local != Address::Flow || local.is_none());
    let Some(path) = own.or_else(|| tunnels.path(dst, local)) else {
        return Err(Stuck::Waits(DropReason::TunnelNoRoute, Some(Wanted::Path(dst, local))));
    };
    let link = match path.way {
        Way::Host => None,
        Way::Port(link) | Way::Bridge(link) => Some(link),
        Way::NoRoute => return Err(Stuck::Lost(DropReason::TunnelNoRoute)),
        Way::NoNeighbour => return Err(Stuck::Waits(DropReason::TunnelNoNeighbour, None)),
    };
    Ok((Ends { src: local.unwrap_or(path.src), dst, link }, path))
}

/// Keeps frames until a way is known.
#[cold]
pub(super) fn wait(
    stage: &mut Stage<'_>,
    (leaving, going): (&Leaving, Going),
    reason: DropReason,
    batch: &mut Batch,
) {
    for frame in batch.drain(..) {
        let Leaving { from: port, ref key, since_ns } = *leaving;
        let waiter = Waiter { frame, port, going, key: key.clone(), since_ns, reason };
        if let Some(oldest) = stage.hops.waiting.push(waiter) {
            lose(stage, oldest);
        }
    }
}

/// Frames that are being sent by a tunnel port.
struct Sending<'a, 's, O> {
    stage: &'a mut Stage<'s>,
    flows: &'a mut Flows,
    out: &'a mut O,
    /// The tunnel port, the way, and the port that outer packets go on by.
    way: (&'a Port, &'a Tunnel, &'a Path, &'a Port),
    outer: Outer<'a>,
    counters: &'a PortCounters,
    /// What fits, without its outer headers.
    ready: Batch,
    /// To senders of what does not.
    answers: Batch,
}

impl<O: Output> Sending<'_, '_, O> {
    /// Bytes of the largest frame that fits the path.
    fn room(&self) -> usize {
        self.mtu().saturating_sub(self.outer.ip_overhead())
    }

    fn mtu(&self) -> usize {
        let (_, _, path, _) = self.way;
        usize::try_from(path.mtu).unwrap_or(usize::MAX).min(MAX_PACKET_LEN)
    }

    /// Takes a frame, or what it is cut into.
    fn fit(&mut self, frame: Frame) {
        let room = self.room();
        match frame.offload().gso {
            None if frame.len() <= room || self.may_be_cut(&frame) => self.push(frame),
            None => self.too_big(frame, room),
            Some(_) => self.cut(frame, room),
        }
    }

    /// Whether a frame may go in fragments.
    #[cold]
    fn may_be_cut(&self, frame: &Frame) -> bool {
        !self.outer.is_whole() && frame.len() + self.outer.ip_overhead() <= MAX_PACKET_LEN
    }

    fn push(&mut self, frame: Frame) {
        self.ready.push(frame);
        if self.ready.is_full() {
            self.flush();
        }
    }

    #[cold]
    fn too_big(&mut self, frame: Frame, room: usize) {
        let (_, tunnel, ..) = self.way;
        if let Some(too_big) = TooBig::of(frame.data(), room)
            && !self.answers.is_full()
            && tunnel.state.may_answer(self.stage.now_ns)
            && let Some(answer) = too_big.answer(self.stage.pool)
        {
            self.answers.push(answer);
        }
        self.drop(frame, DropReason::MtuExceeded);
    }

    fn drop(&mut self, frame: Frame, reason: DropReason) {
        self.counters.drop_tx(reason, 1);
        self.stage.pool.put(frame);
    }

    /// Cuts a large segment into frames that fit the path. TCP does not mind shorter segments than the
    /// sender has asked for; datagrams must keep their length.
    #[cold]
    fn cut(&mut self, mut frame: Frame, room: usize) {
        let mut offload = *frame.offload();
        let Some(gso) = &mut offload.gso else { return self.push(frame) };
        let excess = offload::wire_len(&frame).saturating_sub(room);
        if excess > 0 {
            let size = usize::from(gso.size.get()).checked_sub(excess);
            let size = size.and_then(|size| u16::try_from(size).ok()?.try_into().ok());
            match size {
                Some(size) if gso.kind != GsoKind::Udp => gso.size = size,
                _ => return self.too_big(frame, room),
            }
            frame.set_offload(offload);
        }
        let mut pieces = core::mem::take(&mut self.stage.hops.pieces);
        let cut = segment::segment(&frame, self.stage.pool, &mut |_, piece| pieces.push(piece));
        match cut {
            Ok(cut) => {
                self.counters.segments.add(((cut.n_done + cut.n_lost) as u64).saturating_sub(1));
                self.counters.drop_tx(DropReason::NoFrame, cut.n_lost as u64);
                self.stage.pool.put(frame);
            }
            Err(reason) => self.drop(frame, reason),
        }
        pieces.drain(..).for_each(|piece| self.push(piece));
        self.stage.hops.pieces = pieces;
    }

    /// Writes the outer headers of what is ready, and sends it on.
    fn flush(&mut self) {
        if self.ready.is_empty() {
            return;
        }
        let (port, _, path, _) = self.way;
        self.out.pass(port.shown(), Direction::Out, &self.ready);
        let mut written = Batch::new();
        let (mut n, mut n_bytes) = (0, 0);
        let longest = match path.way {
            // The kernel cuts what is too long.
            Way::Host => usize::MAX,
            _ => self.outer.l3() + self.mtu(),
        };
        for frame in core::mem::take(&mut self.ready) {
            let len = frame.len() as u64;
            let Some(frame) = self.write(frame) else { continue };
            if frame.len() <= longest {
                written.push(frame);
            } else {
                self.go(&mut written); // what is before it goes before it
                if !self.go_in_fragments(frame) {
                    continue;
                }
            }
            (n, n_bytes) = (n + 1, n_bytes + len);
        }
        self.counters.tx_packets.add(n);
        self.counters.tx_bytes.add(n_bytes);
        self.counters.tx_batches.add(1);
        self.go(&mut written);
    }

    /// Puts the outer headers in front of a frame, or drops it.
    #[inline]
    fn write(&mut self, mut frame: Frame) -> Option<Frame> {
        let mut done = self.outer.write(&mut frame);
        if done == Err(Unwritten::Headroom)
            && let Some(moved) = self.stage.pool.move_back(&frame, self.outer.len())
        {
            // The contents move, so this is no copy.
            self.stage.pool.put(core::mem::replace(&mut frame, moved));
            done = self.outer.write(&mut frame);
        }
        let reason = match done {
            Ok(()) => return Some(frame),
            Err(Unwritten::Headroom) => DropReason::NoFrame,
            Err(Unwritten::Ttl) => DropReason::TunnelTtl,
            Err(Unwritten::BadOffload) => DropReason::BadOffload,
        };
        self.drop(frame, reason);
        None
    }

    /// Sends an outer packet on in fragments; `false`: it is lost.
    #[cold]
    fn go_in_fragments(&mut self, mut frame: Frame) -> bool {
        let mut pieces = core::mem::take(&mut self.stage.hops.fragments);
        let lengths = (self.outer.l3(), self.mtu());
        let is_cut = fragment(&mut frame, lengths, self.stage.pool, &mut pieces);
        if is_cut {
            self.stage.pool.put(frame);
        } else {
            self.drop(frame, DropReason::NoFrame);
        }
        let mut rest = pieces.drain(..).peekable();
        while rest.peek().is_some() {
            let mut batch: Batch = rest.by_ref().take(MAX_BURST).collect();
            self.go(&mut batch);
        }
        drop(rest);
        self.stage.hops.fragments = pieces;
        is_cut
    }

    /// Sends outer packets on.
    fn go(&mut self, batch: &mut Batch) {
        let (_, _, path, to) = self.way;
        if batch.is_empty() {
            return;
        }
        if matches!(path.way, Way::Bridge(_)) {
            return appear(self.stage, self.flows, (to, None), batch, self.out);
        }
        to.stats.of(self.stage.thread).encapsulated.add(batch.len() as u64);
        for frame in batch.drain(..) {
            self.out.output(self.stage.pool, to.no, frame);
        }
    }
}
