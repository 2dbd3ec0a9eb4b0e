//! Outer packets that arrive, and the frames inside of them.
//!
//! # Design
//! - [`arrive`]: a batch that a carrier or a port with addresses has received is opened; what is no
//!   packet of a tunnel goes on in the port's bridge.
//! - [`leave_by_host`]: frames that leave by a port with addresses are opened if they are for a tunnel,
//!   and leave otherwise.
//!
//! Opened frames arrive at their tunnel port at once, those of one port together; in a bridge with flows
//! only those whose outer headers say the same, since one key is looked up for all.
//!
//! # Invariants
//! See [`tunnel`](crate::tunnel): each frame is counted once.

use super::{Flows, appear, forward_in_bridge, segments};
use crate::batch::{Batch, MAX_BURST};
use crate::counter::PortCounters;
use crate::drop_reason::DropReason;
use crate::ids::PortNo;
use crate::l2::normal::{Output, Stage};
use crate::offload::segment;
use crate::tunnel::groups::Groups;
use crate::tunnel::open::{self, Opened, Opener, Source};
use crate::tunnel::waiting::Wanted;
use crate::tunnel::{Terminator, uplink, uplink::Uplink};
use crate::view::{Port, PortKind, Program};

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
        let (groups, _) = open_all(stage, source, batch, counters);
        counters.opened.add(groups.n_frames());
        appear_all(stage, flows, groups, out);
        if let Source::Port(terminator) = source
            && let Some(uplink) = stage.snapshot.tunnels.uplink(port.no)
        {
            attend(stage, (port, terminator, uplink), batch, out);
        }
        if matches!(source, Source::Carrier) {
            // What the kernel handed over is no packet of a tunnel.
            counters.drop_rx(DropReason::TunnelBadHeader, batch.len() as u64);
            stage.pool.put_all(batch.drain(..));
        } else if !batch.is_empty() {
            forward_in_bridge(stage, flows, (port, None), batch, out);
        }
    });
}

/// Does for an uplink what the kernel cannot: answers who asks for its addresses, and notes who tells
/// where it is.
fn attend(
    stage: &mut Stage<'_>,
    (port, terminator, uplink): (&Port, &Terminator, &Uplink),
    batch: &Batch,
    out: &mut impl Output,
) {
    for frame in batch {
        if !uplink::may_be_about_neighbours(frame.data()) {
            continue;
        }
        if let Some((ip, mac)) = uplink::heard(frame)
            && uplink.hops.contains(&ip)
        {
            stage.hops.waiting.want(Wanted::Neighbour(port.no, (ip, mac)), stage.now_ns);
        }
        if let Some(answer) = uplink::answer(frame, terminator, stage.pool) {
            port.stats.of(stage.thread).copies.add(1);
            out.output(stage.pool, port.no, answer);
        }
    }
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
            let (groups, n_bytes) = open_all(stage, Source::Port(terminator), batch, counters);
            if groups.is_empty() {
                stage.hops.groups.restore(groups);
            } else {
                counters.tx_packets.add(groups.n_frames());
                counters.tx_bytes.add(n_bytes as u64);
                counters.tx_batches.add(1);
                appear_all(stage, flows, groups, out);
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

/// The frames arrive at their ports.
fn appear_all(stage: &mut Stage<'_>, flows: &mut Flows, mut groups: Groups, out: &mut impl Output) {
    for group in groups.iter_mut() {
        let snapshot = stage.snapshot;
        // The snapshot that knows the tunnel has the port too.
        match snapshot.port(group.port) {
            Some(port) if port.floods_to().is_some() => {
                segments::await_remote(stage, port, group, out);
            }
            Some(port) => appear(stage, flows, (port, group.key.as_ref()), &mut group.frames, out),
            None => stage.pool.put_all(group.frames.drain(..)),
        }
    }
    stage.hops.groups.restore(groups);
}

/// Whether what the outer headers said makes a difference in the bridge of a port.
fn looks_at_keys(stage: &Stage<'_>, port: PortNo) -> bool {
    let Some(port) = stage.snapshot.port(port) else { return false };
    let bridge = stage.snapshot.bridge(port.bridge);
    port.floods_to().is_some() || bridge.is_some_and(|bridge| bridge.program == Program::Flows)
}

/// Takes packets of tunnels out of a batch and opens them; how many bytes those had that opened.
fn open_all(
    stage: &mut Stage<'_>,
    source: Source<'_>,
    batch: &mut Batch,
    counters: &PortCounters,
) -> (Groups, usize) {
    let (mut groups, mut rest, mut n_bytes) = (stage.hops.groups.take(), Batch::new(), 0);
    let mut opener = Opener::new(source, &stage.snapshot.tunnels);
    let mut last = None;
    for mut frame in batch.drain(..) {
        let len = frame.len();
        match (opener.open(&mut frame), last) {
            (Opened::Again, Some(last)) => {
                n_bytes += len;
                groups.push_at(last, frame);
            }
            (Opened::By(port), _) if stage.snapshot.port(port).is_some() => {
                let key = looks_at_keys(stage, port).then_some(&opener.key);
                n_bytes += len;
                last = Some(groups.push(port, key, frame));
            }
            (Opened::No, _) => rest.push(frame),
            (opened, _) => {
                let reason = match opened {
                    Opened::Lost(reason) => reason,
                    Opened::By(_) | Opened::Again | Opened::No => {
                        last = None;
                        DropReason::TunnelUnknownKey
                    }
                };
                counters.drop_rx(reason, 1);
                stage.pool.put(frame);
            }
        }
    }
    if !rest.is_empty() {
        *batch = rest;
    }
    (groups, n_bytes)
}
