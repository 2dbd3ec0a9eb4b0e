//! Frames of segments: to all of its hosts, and from hosts that are not known yet.
//!
//! # Design
//! See [`tunnel::Segment`](crate::tunnel::Segment).
//!
//! # Invariants
//! See [`tunnel`](crate::tunnel): each frame is counted once, and each copy.

use std::sync::Arc;

use packet::tunnel::TunnelKey;

use super::leave::{self, Leaving};
use super::{Flows, count_appeared, drop_sent, forward_in_bridge};
use crate::batch::Batch;
use crate::drop_reason::DropReason;
use crate::ids::PortNo;
use crate::l2::normal::{Output, Stage};
use crate::tunnel::groups::Group;
use crate::tunnel::waiting::{Going, Waiter, Wanted};
use crate::view::{Port, PortKind};

/// Sends frames to all hosts of a segment.
pub(super) fn flood(
    stage: &mut Stage<'_>,
    flows: &mut Flows,
    (leaving, all): (Leaving, &[PortNo]),
    batch: &mut Batch,
    out: &mut impl Output,
) {
    let snapshot = stage.snapshot;
    let is_up = |no: &&PortNo| snapshot.port(**no).is_some_and(|port| port.up);
    let mut hosts = all.iter().filter(is_up).peekable();
    while let Some(host) = hosts.next() {
        let (key, since_ns) = (leaving.key.clone(), leaving.since_ns);
        let next = Leaving { from: *host, key, since_ns };
        if hosts.peek().is_none() {
            return leave::send(stage, flows, next, batch, out);
        }
        let mut copies: Batch = batch.iter().filter_map(|frame| stage.pool.copy(frame)).collect();
        if let Some(port) = snapshot.port(leaving.from) {
            let (counters, n_lost) = (port.stats.of(stage.thread), batch.len() - copies.len());
            counters.copies.add(batch.len() as u64);
            counters.drop_tx(DropReason::NoFrame, n_lost as u64);
        }
        leave::send(stage, flows, next, &mut copies, out);
    }
    drop_sent(stage, leaving.from, DropReason::TunnelNoRoute, batch);
}

/// Keeps frames from a host without a number until it has one. They count as received by the port.
#[cold]
pub(super) fn await_remote(
    stage: &mut Stage<'_>,
    port: &Port,
    group: &mut Group,
    out: &mut impl Output,
) {
    let reason = DropReason::TunnelNoRoute;
    count_appeared(stage, port, &group.frames, out);
    let (now_ns, port) = (stage.now_ns, port.no);
    let Some(key) = &group.key else { return lose(stage, port, reason, &mut group.frames) };
    stage.hops.waiting.want(Wanted::Remote { port, remote: key.src, id: key.id }, now_ns);
    let key = Some(Arc::new(key.clone()));
    let leaving = Leaving { from: port, key, since_ns: now_ns };
    leave::wait(stage, (&leaving, Going::In), reason, &mut group.frames);
}

/// The host that a frame came from may have a number now.
pub(super) fn arrive_again(
    stage: &mut Stage<'_>,
    flows: &mut Flows,
    waiter: Waiter,
    out: &mut impl Output,
) {
    let snapshot = stage.snapshot;
    let is_known = |port: &&Arc<Port>| port.floods_to().is_none();
    let known = snapshot.port(waiter.port).and_then(|port| {
        let (PortKind::Tunnel(tunnel), Some(key)) = (&port.kind, &waiter.key) else { return None };
        let no = snapshot.tunnels.find(tunnel.config.kind, key)?;
        snapshot.port(no).filter(is_known)
    });
    match known {
        Some(port) => {
            let mut batch = Batch::from_iter([waiter.frame]);
            let key: Option<&TunnelKey> = waiter.key.as_deref();
            forward_in_bridge(stage, flows, (port, key), &mut batch, out);
        }
        None => {
            if let Some(oldest) = stage.hops.waiting.push(waiter) {
                leave::lose(stage, oldest);
            }
        }
    }
}

/// Loses frames that came by the port of a segment.
#[cold]
pub(super) fn lose(stage: &mut Stage<'_>, port: PortNo, reason: DropReason, batch: &mut Batch) {
    if let Some(port) = stage.snapshot.port(port) {
        let counters = port.stats.of(stage.thread);
        counters.drop_rx(reason, batch.len() as u64);
    }
    stage.pool.put_all(batch.drain(..));
}
