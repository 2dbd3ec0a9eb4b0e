//! What becomes of a received batch: from bridge to bridge, each by its program.
//!
//! # Design
//! A bridge's [`Program`] says which stage its frames go through. A bridge that only does `NORMAL` goes
//! straight to the layer-2 stage ([`normal`]), and pays for nothing else. A bridge with flows goes
//! through the flow cache ([`flows`]). Frames that leave by a patch port wait until the batch is
//! through, and then arrive at the peer's bridge ([`Hops`](normal::Hops)).
//!
//! # Invariants
//! A frame that crosses a patch port counts as transmitted there and as received by the peer, as if the
//! two were devices.

pub mod flows;
mod miss;
mod sweep;

#[cfg(test)]
#[cfg(not(loom))]
pub(crate) mod lab;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;

use std::sync::Arc;

use crate::action::Actions;
use crate::batch::Batch;
use crate::counter::PortCounters;
use crate::drop_reason::DropReason;
use crate::frame::FramePool;
use crate::l2::normal::{self, Arrival, ETHERNET_LEN, Output, Stage};
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
    forward_in_bridge(stage, flows, in_port, batch, out);
    if !stage.hops.is_empty() {
        cross(stage, flows, out);
    }
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

/// Lets frames in patch ports arrive, until none is left.
#[inline(never)]
fn cross(stage: &mut Stage<'_>, flows: &mut Flows, out: &mut impl Output) {
    let (snapshot, thread) = (stage.snapshot, stage.thread);
    while let Some(mut hop) = stage.hops.pop() {
        let (from, to) = (snapshot.port(hop.from), snapshot.port(hop.to));
        let n = hop.frames.len() as u64;
        let Some(to) = to else {
            let lost = |from: &Arc<Port>| from.stats.of(thread).drop_tx(DropReason::TxPortDown, n);
            from.into_iter().for_each(lost);
            stage.pool.put_all(hop.frames.drain(..));
            continue;
        };
        out.cross(hop.from, hop.to, &hop.frames);
        let n_bytes = hop.frames.iter().map(|frame| frame.len() as u64).sum();
        if let Some(from) = from {
            let counters = from.stats.of(thread);
            counters.tx_packets.add(n);
            counters.tx_bytes.add(n_bytes);
            counters.tx_batches.add(1);
        }
        let counters = to.stats.of(thread);
        counters.rx_packets.add(n);
        counters.rx_bytes.add(n_bytes);
        forward_in_bridge(stage, flows, to, &mut hop.frames, out);
    }
}

fn forward_in_bridge(
    stage: &mut Stage<'_>,
    flows: &mut Flows,
    in_port: &Port,
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
        Program::Flows => flows.arrive(stage, in_port, batch, out),
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
