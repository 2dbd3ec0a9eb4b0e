//! `NORMAL`: what a learning bridge does with a batch of frames.
//!
//! # Design
//! The stage runs for every frame, in the poll thread that received it; nothing is cached but the
//! forwarding database itself. A batch comes from one port, so what depends on the port alone is
//! decided once. Then two passes:
//!
//! 1. [`read`] takes addresses and tag of each frame, admits it to a VLAN, hashes both keys and asks
//!    for their cache lines; 32 frames wait for memory together, not one after the other.
//! 2. Frame by frame, in order: learn the source, look up the destination, [`send`](Sender).
//!
//! The order of the rules is that of Open vSwitch (`ofproto/ofproto-dpif-xlate.c`, `xlate_normal`):
//!
//! | rule | else |
//! |---|---|
//! | the receiving port is up and on a bridge | [`RxPortDown`] |
//! | the frame has an Ethernet header | [`Runt`] |
//! | the bridge has a flow that matches | [`NoFlow`] |
//! | its tag, if any, is whole | [`PartialVlanTag`] |
//! | the port admits its VLAN | [`VlanNotAllowed`] |
//! | the destination is not reserved, or `forward-bpdu` is set | [`ReservedMulticast`] |
//! | *the source is learned, unless it is a group address or the VLAN is in `flood_vlans`* | |
//! | a known unicast destination is not behind the receiving port | [`SamePort`] |
//! | its port is up | [`TxPortDown`] |
//! | and carries the VLAN | [`VlanNotCarried`] |
//! | anything else is within the receiving port's [`storm`](crate::l2::storm) limits | [`StormBroadcast`], [`StormUnknown`], [`StormMulticast`] |
//! | and goes to all other ports that are up and carry the VLAN: there is one | [`NoOutput`] |
//!
//! An output that is a patch port continues in the peer's bridge ([`hops`]).
//!
//! A gratuitous ARP is a frame like any other: it refreshes or moves its source at once.
//!
//! # Invariants
//! Every frame of the batch is handed to [`Output`] once, or put back to the pool and counted by
//! `drop_rx` of the receiving port. Each copy is counted in its `copies`; one that could not be made
//! for lack of buffers counts as a copy and as a [`NoFrame`] drop. A frame that crosses a patch port
//! counts as transmitted there and as received by the peer, as if the two were devices.
//!
//! [`RxPortDown`]: DropReason::RxPortDown
//! [`Runt`]: DropReason::Runt
//! [`NoFlow`]: DropReason::NoFlow
//! [`PartialVlanTag`]: DropReason::PartialVlanTag
//! [`VlanNotAllowed`]: DropReason::VlanNotAllowed
//! [`ReservedMulticast`]: DropReason::ReservedMulticast
//! [`SamePort`]: DropReason::SamePort
//! [`TxPortDown`]: DropReason::TxPortDown
//! [`VlanNotCarried`]: DropReason::VlanNotCarried
//! [`NoOutput`]: DropReason::NoOutput
//! [`NoFrame`]: DropReason::NoFrame
//! [`StormBroadcast`]: DropReason::StormBroadcast
//! [`StormUnknown`]: DropReason::StormUnknown
//! [`StormMulticast`]: DropReason::StormMulticast

mod hops;
mod mirrored;
mod read;
mod send;

pub use hops::{Hops, MAX_CROSSINGS, MAX_HOPS};

use std::sync::Arc;

use crate::batch::{Batch, MAX_BURST};
use crate::counter::PortCounters;
use crate::drop_reason::DropReason;
use crate::frame::{Frame, FramePool};
use crate::ids::PortNo;
use crate::l2::fdb::Key;
use crate::view::{Bridge, Port, Program, Snapshot};
use read::{Heading, Reader, Way};
use send::Sender;

/// Where frames go: the poll thread's buffers, or a test's notebook.
pub trait Output {
    /// Queues a frame for a port. The pool takes what cannot be queued, which the port counts.
    fn output(&mut self, pool: &mut FramePool, port: PortNo, frame: Frame);

    /// Frames that left by the patch port `from` arrive at its peer `to`: to be looked at.
    fn cross(&mut self, _from: PortNo, _to: PortNo, _batch: &Batch) {}
}

/// What the stage works with, for one batch.
pub struct Stage<'a> {
    /// The configuration.
    pub snapshot: &'a Snapshot,
    /// The poll thread's number, for counters.
    pub thread: usize,
    /// The time, nanoseconds of the engine's clock.
    pub now_ns: u64,
    /// The same in whole seconds, for the forwarding database.
    pub now_s: u32,
    /// Where copies come from and lost frames go.
    pub pool: &'a mut FramePool,
    /// The poll thread's list of frames in patch ports; empty.
    pub hops: &'a mut Hops,
}

/// Forwards a batch received on one port, through as many bridges as it takes, and leaves it empty.
pub fn forward(stage: &mut Stage<'_>, in_port: &Port, batch: &mut Batch, out: &mut impl Output) {
    forward_in_bridge(stage, in_port, batch, out);
    if !stage.hops.is_empty() {
        cross(stage, out);
    }
}

/// Lets frames in patch ports arrive, until none is left.
#[inline(never)]
fn cross(stage: &mut Stage<'_>, out: &mut impl Output) {
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
        forward_in_bridge(stage, to, &mut hop.frames, out);
    }
}

fn forward_in_bridge(
    stage: &mut Stage<'_>,
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
    match (bridge.program, &bridge.mirrors) {
        (Program::Normal, None) => {
            forward_normal::<_, false>(stage, (in_port, bridge, counters), batch, out);
        }
        (_, Some(mirrors)) if mirrors.is_output(in_port.no) => {
            counters.drop_rx(DropReason::MirrorOutput, batch.len() as u64);
            stage.pool.put_all(batch.drain(..));
        }
        (Program::Normal, Some(_)) => {
            forward_normal::<_, true>(stage, (in_port, bridge, counters), batch, out);
        }
        (Program::Drop, _) => drop_all(stage.pool, counters, batch),
    }
}

/// A secure bridge without flows.
fn drop_all(pool: &mut FramePool, counters: &PortCounters, batch: &mut Batch) {
    for frame in batch.drain(..) {
        let is_runt = frame.len() < read::ETHERNET_LEN;
        counters.drop_rx(if is_runt { DropReason::Runt } else { DropReason::NoFlow }, 1);
        pool.put(frame);
    }
}

fn forward_normal<O: Output, const MIRRORED: bool>(
    stage: &mut Stage<'_>,
    (in_port, bridge, counters): (&Port, &Bridge, &PortCounters),
    batch: &mut Batch,
    out: &mut O,
) {
    let fdb = bridge.fdb.reader();
    let reader = Reader::new(in_port, bridge, fdb);
    let mut headings = [Heading::EMPTY; MAX_BURST];
    let (mut warm, mut n_multicast) = (0, 0);
    for (frame, heading) in batch.iter().zip(&mut headings) {
        reader.read(frame.data(), heading);
        warm ^= fdb.touch(heading.src_home) ^ fdb.touch(heading.dst_home);
        n_multicast += u64::from(heading.is_multicast());
    }
    std::hint::black_box(warm); // the loads are wanted, not their values
    counters.rx_multicast.add(n_multicast);

    let (thread, snapshot, now_s, now_ns) =
        (stage.thread, stage.snapshot, stage.now_s, stage.now_ns);
    let (pool, hops) = (&mut *stage.pool, &mut *stage.hops);
    let mirrored = 0;
    let mut sender = Sender::<'_, O, MIRRORED> {
        snapshot,
        thread,
        in_port,
        bridge,
        counters,
        pool,
        hops,
        out,
        mirrored,
    };
    // Keys of the frame before, and where its destination is: traffic comes in runs, and a run
    // teaches and finds the same throughout.
    let mut same_flow: Option<((Key, Key), Option<PortNo>)> = None;
    for (frame, heading) in batch.drain(..).zip(&headings) {
        if MIRRORED {
            sender.mirror_received(&frame, heading);
        }
        if let Way::Drop(reason) = heading.way {
            sender.drop(frame, reason);
            continue;
        }
        let keys = (heading.src, heading.dst);
        let found = match same_flow {
            Some((before, found)) if before == keys => found,
            _ => {
                if heading.learns {
                    fdb.learn(heading.src, heading.src_home, in_port.no, now_s);
                }
                let found = match heading.way {
                    Way::Lookup => fdb.lookup(heading.dst, heading.dst_home),
                    Way::Flood | Way::Drop(_) => None,
                };
                same_flow = Some((keys, found));
                found
            }
        };
        match found.and_then(|no| sender.port(no)) {
            Some(port) => sender.unicast(frame, port, heading),
            None => match may_flood(in_port, heading, now_ns) {
                Ok(()) => sender.flood(frame, heading),
                Err(reason) => sender.drop(frame, reason),
            },
        }
    }
}

/// Whether the receiving port's storm limits let a frame flood.
#[inline]
fn may_flood(in_port: &Port, heading: &Heading, now_ns: u64) -> Result<(), DropReason> {
    match &in_port.storm {
        None => Ok(()),
        Some(storm) => storm.check(heading.flooded(), now_ns),
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod lab;
#[cfg(test)]
#[cfg(not(loom))]
mod oracle;
#[cfg(test)]
#[cfg(not(loom))]
mod patch;
#[cfg(test)]
#[cfg(not(loom))]
mod storm;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;
