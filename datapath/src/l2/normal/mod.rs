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
//! | anything else goes to all other ports that are up and carry the VLAN: there is one | [`NoOutput`] |
//!
//! A gratuitous ARP is a frame like any other: it refreshes or moves its source at once.
//!
//! # Invariants
//! Every frame of the batch is handed to [`Output`] once, or put back to the pool and counted by
//! `drop_rx` of the receiving port. Each copy is counted in its `copies`; one that could not be made
//! for lack of buffers counts as a copy and as a [`NoFrame`] drop.
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

mod read;
mod send;

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
}

/// What the stage works with, for one batch.
pub struct Stage<'a> {
    /// The configuration.
    pub snapshot: &'a Snapshot,
    /// The poll thread's number, for counters.
    pub thread: usize,
    /// The time, for the forwarding database.
    pub now_s: u32,
    /// Where copies come from and lost frames go.
    pub pool: &'a mut FramePool,
}

/// Forwards a batch received on one port, and leaves it empty.
pub fn forward(stage: &mut Stage<'_>, in_port: &Port, batch: &mut Batch, out: &mut impl Output) {
    let counters = in_port.stats.of(stage.thread);
    let bridge = stage.snapshot.bridge(in_port.bridge).filter(|_| in_port.up);
    let Some(bridge) = bridge else {
        counters.drop_rx(DropReason::RxPortDown, batch.len() as u64);
        return stage.pool.put_all(batch.drain(..));
    };
    match bridge.program {
        Program::Normal => forward_normal(stage, (in_port, bridge, counters), batch, out),
        Program::Drop => drop_all(stage.pool, counters, batch),
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

fn forward_normal(
    stage: &mut Stage<'_>,
    (in_port, bridge, counters): (&Port, &Bridge, &PortCounters),
    batch: &mut Batch,
    out: &mut impl Output,
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

    let (snapshot, now_s) = (stage.snapshot, stage.now_s);
    let mut sender = Sender { snapshot, in_port, bridge, counters, pool: stage.pool, out };
    // Keys of the frame before, and where its destination is: traffic comes in runs, and a run
    // teaches and finds the same throughout.
    let mut same_flow: Option<((Key, Key), Option<PortNo>)> = None;
    for (frame, heading) in batch.drain(..).zip(&headings) {
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
            None => sender.flood(frame, heading),
        }
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
mod tests;
