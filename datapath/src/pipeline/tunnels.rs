//! Frames that leave by tunnel ports, and outer packets that arrive.
//!
//! # Design
//! - [`leave`]: frames handed to a tunnel port find their way ([`Path`]), are cut where they are large
//!   segments, get their outer headers ([`Outer`]), and go on as outer packets.
//! - [`arrive`]: a batch that a carrier or a port with addresses has received is opened; what is no
//!   packet of a tunnel goes on in the port's bridge.
//! - [`leave_by_host`]: frames that leave by a port with addresses are opened if they are for a tunnel,
//!   and leave otherwise.
//!
//! Opened frames arrive at their tunnel port at once, those of one port together; in a bridge with flows
//! only those whose outer headers say the same, since one key is looked up for all.
//!
//! # Invariants
//! See [`tunnel`](crate::tunnel): each frame is sent, dropped or kept, and counted once.

use core::net::IpAddr;
use std::sync::Arc;

use arrayvec::ArrayVec;
use packet::tunnel::TunnelKey;

use super::{Flows, appear, drop_sent, forward_in_bridge};
use crate::batch::{Batch, MAX_BURST};
use crate::capture::Direction;
use crate::counter::PortCounters;
use crate::drop_reason::DropReason;
use crate::frame::{Frame, GsoKind};
use crate::ids::PortNo;
use crate::l2::normal::{Output, Stage};
use crate::offload::{self, segment};
use crate::tunnel::encapsulate::{Ends, Outer, Unwritten};
use crate::tunnel::open::{self, Opened, Source};
use crate::tunnel::waiting::{Waiter, Wanted};
use crate::tunnel::{Address, Path, Tunnel, Tunnels, Way};
use crate::view::{Port, PortKind, Program};

/// Bytes of the largest IP packet.
const MAX_PACKET_LEN: usize = 65_535;

/// Whether outer packets that arrive at a port are opened.
#[inline]
pub(super) fn may_open(port: &Port) -> bool {
    port.terminator.is_some() || matches!(port.kind, PortKind::Carrier)
}

/// Opens what is for a tunnel of a batch that a port has received; the rest goes on in its bridge.
#[inline(never)]
pub(super) fn arrive(
    stage: &mut Stage<'_>,
    flows: &mut Flows,
    port: &Port,
    batch: &mut Batch,
    out: &mut impl Output,
) {
    let source = match (&port.kind, &port.terminator) {
        (PortKind::Carrier, _) => Source::Carrier,
        (_, Some(terminator)) if port.up => Source::Port(terminator),
        _ => return forward_in_bridge(stage, flows, (port, None), batch, out),
    };
    let counters = port.stats.of(stage.thread);
    apart(stage, counters, batch, &mut |stage, batch| {
        let mut groups = open_all(stage, source, batch, counters);
        counters.opened.add(groups.n_frames());
        groups.appear(stage, flows, out);
        if matches!(source, Source::Carrier) {
            // What the kernel handed over is no packet of a tunnel.
            counters.drop_rx(DropReason::TunnelBadHeader, batch.len() as u64);
            stage.pool.put_all(batch.drain(..));
        } else if !batch.is_empty() {
            forward_in_bridge(stage, flows, (port, None), batch, out);
        }
    });
}

/// Hands a batch on, in as many batches as it takes after what stands for several packets of tunnels
/// was cut. `then` leaves its batch empty.
fn apart(
    stage: &mut Stage<'_>,
    counters: &PortCounters,
    batch: &mut Batch,
    then: &mut dyn FnMut(&mut Stage<'_>, &mut Batch),
) {
    let tunnels = &stage.snapshot.tunnels;
    if !batch.iter().any(|frame| open::is_joined(frame, tunnels)) {
        return then(stage, batch);
    }
    let mut pieces = core::mem::take(&mut stage.hops.pieces);
    for frame in batch.drain(..) {
        if !open::is_joined(&frame, tunnels) {
            pieces.push(frame);
            continue;
        }
        match segment::segment(&frame, stage.pool, &mut |_, piece| pieces.push(piece)) {
            Ok(cut) => {
                counters.segments.add(((cut.n_done + cut.n_lost) as u64).saturating_sub(1));
                counters.drop_rx(DropReason::NoFrame, cut.n_lost as u64);
            }
            Err(reason) => counters.drop_rx(reason, 1),
        }
        stage.pool.put(frame);
    }
    let mut rest = pieces.drain(..);
    loop {
        let mut next: Batch = rest.by_ref().take(MAX_BURST).collect();
        if next.is_empty() {
            break;
        }
        then(stage, &mut next);
    }
    drop(rest);
    stage.hops.pieces = pieces;
}

/// Opens what is for a tunnel of frames that leave by a port with addresses; the rest leaves.
pub(super) fn leave_by_host(
    stage: &mut Stage<'_>,
    flows: &mut Flows,
    from: PortNo,
    batch: &mut Batch,
    out: &mut impl Output,
) {
    let snapshot = stage.snapshot;
    let port = snapshot.port(from);
    if let Some((port, terminator)) = port.and_then(|port| Some((port, port.terminator.as_ref()?)))
    {
        let counters = port.stats.of(stage.thread);
        return apart(stage, counters, batch, &mut |stage, batch| {
            let n_bytes: usize = batch.iter().map(Frame::len).sum();
            let mut groups = open_all(stage, Source::Port(terminator), batch, counters);
            if groups.n_frames() > 0 {
                let n_left: usize = batch.iter().map(Frame::len).sum();
                counters.tx_packets.add(groups.n_frames());
                counters.tx_bytes.add(n_bytes.saturating_sub(n_left) as u64);
                counters.tx_batches.add(1);
                groups.appear(stage, flows, out);
            }
            for frame in batch.drain(..) {
                out.output(stage.pool, from, frame);
            }
        });
    }
    for frame in batch.drain(..) {
        out.output(stage.pool, from, frame);
    }
}

/// Opened frames of one tunnel port.
struct Group {
    port: PortNo,
    key: TunnelKey,
    frames: Batch,
}

/// Opened frames, by their port, and by their keys where those matter.
#[derive(Default)]
struct Groups(ArrayVec<Group, MAX_BURST>);

impl Groups {
    fn n_frames(&self) -> u64 {
        self.0.iter().map(|group| group.frames.len() as u64).sum()
    }

    fn push(&mut self, stage: &Stage<'_>, (port, key): (PortNo, &TunnelKey), frame: Frame) {
        let same = self.0.iter_mut().find(|group| {
            group.port == port && (group.key.is_like(key) || !looks_at_keys(stage, port))
        });
        match same {
            Some(group) => group.frames.push(frame),
            None => {
                let frames = Batch::from_iter([frame]);
                self.0.push(Group { port, key: key.clone(), frames });
            }
        }
    }

    /// The frames arrive at their ports.
    fn appear(&mut self, stage: &mut Stage<'_>, flows: &mut Flows, out: &mut impl Output) {
        for group in &mut self.0 {
            let snapshot = stage.snapshot;
            // The snapshot that knows the tunnel has the port too.
            match snapshot.port(group.port) {
                Some(port) => {
                    appear(stage, flows, (port, Some(&group.key)), &mut group.frames, out)
                }
                None => stage.pool.put_all(group.frames.drain(..)),
            }
        }
    }
}

/// Whether what the outer headers said makes a difference in the bridge of a port.
fn looks_at_keys(stage: &Stage<'_>, port: PortNo) -> bool {
    let bridge = stage.snapshot.port(port).and_then(|port| stage.snapshot.bridge(port.bridge));
    bridge.is_some_and(|bridge| bridge.program == Program::Flows)
}

/// Takes packets of tunnels out of a batch and opens them.
fn open_all(
    stage: &mut Stage<'_>,
    source: Source<'_>,
    batch: &mut Batch,
    counters: &PortCounters,
) -> Groups {
    let (mut groups, mut rest) = (Groups::default(), Batch::new());
    let mut key = TunnelKey::new();
    let tunnels = &stage.snapshot.tunnels;
    for mut frame in batch.drain(..) {
        match open::open(&mut frame, source, tunnels, &mut key) {
            Opened::By(port) if stage.snapshot.port(port).is_some() => {
                groups.push(stage, (port, &key), frame);
            }
            Opened::No => rest.push(frame),
            opened => {
                let reason = match opened {
                    Opened::Lost(reason) => reason,
                    Opened::By(_) | Opened::No => DropReason::TunnelUnknownKey,
                };
                counters.drop_rx(reason, 1);
                stage.pool.put(frame);
            }
        }
    }
    *batch = rest;
    groups
}

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

fn lose(stage: &mut Stage<'_>, waiter: Waiter) {
    let mut batch = Batch::from_iter([waiter.frame]);
    drop_sent(stage, waiter.port, waiter.reason, &mut batch);
}

/// What frames leave by.
struct Leaving {
    from: PortNo,
    key: Option<Arc<TunnelKey>>,
    since_ns: u64,
}

/// Why frames do not leave now.
enum Stuck {
    /// They never will.
    Lost(DropReason),
    /// A way may be found; this is what is lost otherwise.
    Waits(DropReason, Option<Wanted>),
}

fn send(
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
    let (ends, path) = match way_out(tunnel, key, &snapshot.tunnels) {
        Ok(way) => way,
        Err(Stuck::Lost(reason)) => return drop_sent(stage, leaving.from, reason, batch),
        Err(Stuck::Waits(reason, wanted)) => {
            let now_ns = stage.now_ns;
            wanted.into_iter().for_each(|wanted| stage.hops.waiting.want(wanted, now_ns));
            return wait(stage, &leaving, reason, batch);
        }
    };
    let Some(outer) = Outer::new((&tunnel.config, &tunnel.state), key, &ends) else {
        return drop_sent(stage, leaving.from, DropReason::TunnelNoRoute, batch);
    };
    let counters = port.stats.of(stage.thread);
    let ready = Batch::new();
    let mut sending = Sending { stage, flows, out, port, tunnel, path, outer, counters, ready };
    for frame in batch.drain(..) {
        sending.fit(frame);
    }
    sending.flush();
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
        return Err(Stuck::Waits(DropReason::TunnelNoRoute, Some((dst, local))));
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
fn wait(stage: &mut Stage<'_>, leaving: &Leaving, reason: DropReason, batch: &mut Batch) {
    for frame in batch.drain(..) {
        let Leaving { from: port, ref key, since_ns } = *leaving;
        let waiter = Waiter { frame, port, key: key.clone(), since_ns, reason };
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
    port: &'a Port,
    tunnel: &'a Tunnel,
    path: &'a Path,
    outer: Outer<'a>,
    counters: &'a PortCounters,
    /// What fits, without its outer headers.
    ready: Batch,
}

impl<O: Output> Sending<'_, '_, O> {
    /// Bytes of the largest frame that fits the path.
    fn room(&self) -> usize {
        let mtu = usize::try_from(self.path.mtu).unwrap_or(usize::MAX).min(MAX_PACKET_LEN);
        mtu.saturating_sub(self.outer.ip_overhead())
    }

    /// Takes a frame, or what it is cut into.
    fn fit(&mut self, frame: Frame) {
        let room = self.room();
        match frame.offload().gso {
            None if frame.len() <= room => self.push(frame),
            None => self.too_big(frame),
            Some(_) => self.cut(frame, room),
        }
    }

    fn push(&mut self, frame: Frame) {
        self.ready.push(frame);
        if self.ready.is_full() {
            self.flush();
        }
    }

    #[cold]
    fn too_big(&mut self, frame: Frame) {
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
                _ => return self.too_big(frame),
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
        self.out.pass(self.port.no, Direction::Out, &self.ready);
        let mut written = Batch::new();
        let mut n_bytes = 0;
        for mut frame in core::mem::take(&mut self.ready) {
            let n = frame.len() as u64;
            let mut done = self.outer.write(&mut frame);
            if done == Err(Unwritten::Headroom) {
                // The contents move, so this is no copy.
                let Some(moved) = self.stage.pool.move_back(&frame, self.outer.len()) else {
                    self.drop(frame, DropReason::NoFrame);
                    continue;
                };
                self.stage.pool.put(core::mem::replace(&mut frame, moved));
                done = self.outer.write(&mut frame);
            }
            match done {
                Ok(()) => {
                    n_bytes += n;
                    written.push(frame);
                }
                Err(Unwritten::Headroom) => self.drop(frame, DropReason::NoFrame),
                Err(Unwritten::Ttl) => self.drop(frame, DropReason::TunnelTtl),
                Err(Unwritten::BadOffload) => self.drop(frame, DropReason::BadOffload),
            }
        }
        self.go(written, n_bytes);
    }

    /// Sends outer packets on; inside they have so many bytes.
    fn go(&mut self, mut batch: Batch, n_bytes: u64) {
        let n = batch.len() as u64;
        let (to, is_bridge) = match self.path.way {
            Way::Port(link) => (link.port, false),
            Way::Bridge(link) => (link.port, true),
            Way::Host | Way::NoRoute | Way::NoNeighbour => (self.tunnel.carrier, false),
        };
        let snapshot = self.stage.snapshot;
        let Some(to) = snapshot.port(to) else {
            self.counters.drop_tx(DropReason::TxPortDown, n);
            return self.stage.pool.put_all(batch.drain(..));
        };
        self.counters.tx_packets.add(n);
        self.counters.tx_bytes.add(n_bytes);
        self.counters.tx_batches.add(1);
        if is_bridge {
            return appear(self.stage, self.flows, (to, None), &mut batch, self.out);
        }
        to.stats.of(self.stage.thread).encapsulated.add(n);
        for frame in batch.drain(..) {
            self.out.output(self.stage.pool, to.no, frame);
        }
    }
}
