//! What becomes of a received batch: from bridge to bridge, each by its program.
//!
//! # Design
//! A bridge's [`Program`] says which stage its frames go through. A bridge that only does `NORMAL` goes
//! straight to the layer-2 stage ([`normal`]), and pays for nothing else. A bridge with flows goes
//! through the flow cache ([`flows`]). Frames that leave by a patch port wait until the batch is
//! through, and then arrive at the peer's bridge ([`Hops`](normal::Hops)).
//!
//! Frames that leave by a tunnel port wait there too; then they get their outer headers and go on
//! ([`leave`]). Outer packets that arrive are opened before anything else ([`tunnels`]).
//!
//! # Invariants
//! A frame that crosses a patch port counts as transmitted there and as received by the peer, as if the
//! two were devices.

pub mod flows;
mod groups;
mod leave;
mod miss;
mod segments;
mod sweep;
mod tunnels;

#[cfg(test)]
#[cfg(not(loom))]
pub(crate) mod lab;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;

use packet::tunnel::TunnelKey;

use crate::action::Actions;
use crate::batch::Batch;
use crate::capture::Direction;
use crate::counter::PortCounters;
use crate::drop_reason::DropReason;
use crate::frame::FramePool;
use crate::ids::PortNo;
use crate::l2::normal::{self, Arrival, ETHERNET_LEN, Hop, Onward, Output, Stage};
use crate::view::{Port, Program};

pub use flows::{CachedFlow, FlowConfig, FlowCounters, FlowDump, Flows};

/// Forwards a batch received on one port, through as many bridges as it takes, and leaves it empty.
pub fn forward(
    stage: &mut Stage<'_>,
    flows: &mut Flows,
    in_port: &Port,
    batch: &mut Batch,
    out: &mut impl Output,
) {
    flows.begin();
    if tunnels::may_open(in_port) {
        tunnels::arrive(stage, flows, in_port, batch, out);
    } else {
        forward_in_bridge(stage, flows, (in_port, None), batch, out);
    }
    if !stage.hops.is_empty() {
        cross(stage, flows, out);
    }
}

/// Frames that wait for a way try again: a newer snapshot was taken.
pub fn retry(stage: &mut Stage<'_>, flows: &mut Flows, out: &mut impl Output) {
    flows.begin();
    leave::retry(stage, flows, out);
    if !stage.hops.is_empty() {
        cross(stage, flows, out);
    }
}

/// Loses frames that have waited for too long.
pub fn expire(stage: &mut Stage<'_>) {
    leave::expire(stage);
}

/// Loses all frames that wait: the thread ends.
pub fn give_up(stage: &mut Stage<'_>) {
    leave::give_up(stage);
}

/// Does what a list says for frames that count as received by a port, and leaves the batch empty.
pub fn execute(
    stage: &mut Stage<'_>,
    flows: &mut Flows,
    (in_port, actions): (&Port, &Actions),
    batch: &mut Batch,
    out: &mut impl Output,
) {
    flows.begin();
    flows.execute(stage, (in_port, actions), batch, out);
    if !stage.hops.is_empty() {
        cross(stage, flows, out);
    }
}

/// Lets frames in patch ports and tunnels go on, until none is left.
#[inline(never)]
fn cross(stage: &mut Stage<'_>, flows: &mut Flows, out: &mut impl Output) {
    while let Some(hop) = stage.hops.pop() {
        let Hop { from, onward, mut frames, .. } = hop;
        match onward {
            Onward::Peer(to) => cross_patch(stage, flows, (from, to), &mut frames, out),
            Onward::Tunnel(key) => leave::leave(stage, flows, (from, key), &mut frames, out),
            Onward::Host => tunnels::leave_by_host(stage, flows, from, &mut frames, out),
        }
    }
}

/// Lets frames that left by a patch port arrive at its peer.
fn cross_patch(
    stage: &mut Stage<'_>,
    flows: &mut Flows,
    (from, to): (PortNo, PortNo),
    batch: &mut Batch,
    out: &mut impl Output,
) {
    let (snapshot, thread) = (stage.snapshot, stage.thread);
    let Some(peer) = snapshot.port(to) else {
        return drop_sent(stage, from, DropReason::TxPortDown, batch);
    };
    out.pass(from, Direction::Out, batch);
    if let Some(from) = snapshot.port(from) {
        count_sent(from.stats.of(thread), batch);
    }
    appear(stage, flows, (peer, None), batch, out);
}

/// Frames come out of a port that is no device.
fn appear(
    stage: &mut Stage<'_>,
    flows: &mut Flows,
    (port, key): (&Port, Option<&TunnelKey>),
    batch: &mut Batch,
    out: &mut impl Output,
) {
    count_appeared(stage, port, batch, out);
    forward_in_bridge(stage, flows, (port, key), batch, out);
}

fn count_appeared(stage: &Stage<'_>, port: &Port, batch: &Batch, out: &mut impl Output) {
    out.pass(port.shown(), Direction::In, batch);
    let counters = port.stats.of(stage.thread);
    counters.rx_packets.add(batch.len() as u64);
    counters.rx_bytes.add(n_bytes(batch));
}

fn count_sent(counters: &PortCounters, batch: &Batch) {
    counters.tx_packets.add(batch.len() as u64);
    counters.tx_bytes.add(n_bytes(batch));
    counters.tx_batches.add(1);
}

fn n_bytes(batch: &Batch) -> u64 {
    batch.iter().map(|frame| frame.len() as u64).sum()
}

/// Loses frames that a port was to send.
fn drop_sent(stage: &mut Stage<'_>, port: PortNo, reason: DropReason, batch: &mut Batch) {
    if let Some(port) = stage.snapshot.port(port) {
        port.stats.of(stage.thread).drop_tx(reason, batch.len() as u64);
    }
    stage.pool.put_all(batch.drain(..));
}

fn forward_in_bridge(
    stage: &mut Stage<'_>,
    flows: &mut Flows,
    (in_port, key): (&Port, Option<&TunnelKey>),
    batch: &mut Batch,
    out: &mut impl Output,
) {
    let counters = in_port.stats.of(stage.thread);
    let bridge = stage.snapshot.bridge(in_port.bridge).filter(|_| in_port.up);
    let Some(bridge) = bridge else {
        counters.drop_rx(DropReason::RxPortDown, batch.len() as u64);
        return stage.pool.put_all(batch.drain(..));
    };
    if bridge.mirrors.as_ref().is_some_and(|mirrors| mirrors.is_output(in_port.no)) {
        counters.drop_rx(DropReason::MirrorOutput, batch.len() as u64);
        return stage.pool.put_all(batch.drain(..));
    }
    if bridge.program != Program::Flows {
        let counters = bridge.stats.of(stage.thread);
        counters.packets.add(batch.len() as u64);
        counters.bytes.add(batch.iter().map(|frame| frame.len() as u64).sum());
    }
    match bridge.program {
        Program::Normal => normal::forward(stage, (in_port, bridge, Arrival::Fresh), batch, out),
        Program::Drop => drop_all(stage.pool, counters, batch),
        Program::Flows => flows.arrive(stage, (in_port, key), batch, out),
    }
}

/// A secure bridge without flows.
fn drop_all(pool: &mut FramePool, counters: &PortCounters, batch: &mut Batch) {
    for frame in batch.drain(..) {
        let is_runt = frame.len() < ETHERNET_LEN;
        counters.drop_rx(if is_runt { DropReason::Runt } else { DropReason::NoFlow }, 1);
        pool.put(frame);
    }
}
