//! `NORMAL`: what a learning bridge does with a batch of frames.
//!
//! # Design
//! The stage runs for every frame, in the poll thread that received it; nothing is cached but the
//! forwarding database itself. A batch comes from one port, so what depends on the port alone is
//! decided once. Then two passes:
//!
//! 1. [`read`] takes addresses and tag of each frame, admits it to a VLAN and hashes both keys; then
//!    their cache lines are asked for, so that 32 frames wait for memory together, not one after the
//!    other.
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

mod explain;
mod hops;
mod mirrored;
mod read;
mod send;

pub use explain::{Explained, explain};
pub use hops::{Hop, Hops, MAX_CROSSINGS, MAX_HOPS, Onward};
pub use mirrored::mirror;
pub use read::ETHERNET_LEN;
pub use send::{cross, hand_over};

use std::sync::Arc;

use crate::batch::{Batch, MAX_BURST};
use crate::capture::Direction;
use crate::drop_reason::DropReason;
use crate::frame::{Frame, FramePool};
use crate::ids::PortNo;
use crate::l2::fdb::Key;
use crate::l2::vlan::PortVlan;
use crate::view::{Bridge, Port, PortKind, PortStats, Snapshot};
use read::{Heading, Reader, Way};
use send::Sender;

/// Where frames go: the poll thread's buffers, or a test's notebook.
pub trait Output {
    /// Queues a frame for a port. The pool takes what cannot be queued, which the port counts.
    fn output(&mut self, pool: &mut FramePool, port: PortNo, frame: Frame);

    /// Frames pass a port that is no device: to be looked at.
    fn pass(&mut self, _port: PortNo, _direction: Direction, _batch: &Batch) {}
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

/// Whether frames have just come to a bridge, or it has looked at them before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arrival {
    /// They have just come.
    Fresh,
    /// They were counted when they came, and went to these mirrors, a bit each.
    Again {
        /// See [`Mirrors::select`](crate::l2::mirror::Mirrors::select).
        mirrored: u32,
    },
    /// They came by no port: the control plane sends them ([`outside`]). Nothing is learned of them.
    Outside,
}

/// The port that packets of the control plane seem to come by, which is none of the bridge's: it admits
/// every VLAN and has no limits. What is counted of it is counted in `stats`.
#[must_use]
pub fn outside(bridge: &Bridge, stats: Arc<PortStats>) -> Option<Port> {
    Some(Port {
        no: PortNo::new(PortNo::MAX)?,
        bridge: bridge.id,
        kind: PortKind::Device,
        vlan: PortVlan::trunk_all(),
        up: true,
        no_flood: false,
        no_fwd: false,
        storm: None,
        mtu: u32::MAX,
        terminator: None,
        stats,
    })
}

/// Forwards a batch as received on a port of a bridge, and leaves it empty.
#[inline]
pub fn forward<O: Output>(
    stage: &mut Stage<'_>,
    from: (&Port, &Bridge, Arrival),
    batch: &mut Batch,
    out: &mut O,
) {
    match from.1.mirrors {
        None => forward_normal::<_, false>(stage, from, batch, out),
        Some(_) => forward_normal::<_, true>(stage, from, batch, out),
    }
}

fn forward_normal<O: Output, const MIRRORED: bool>(
    stage: &mut Stage<'_>,
    (in_port, bridge, arrival): (&Port, &Bridge, Arrival),
    batch: &mut Batch,
    out: &mut O,
) {
    let counters = in_port.stats.of(stage.thread);
    let fdb = bridge.fdb.reader();
    let reader = Reader::new(in_port, bridge, &fdb);
    let mut headings = [Heading::EMPTY; MAX_BURST];
    let (mut warm, mut n_multicast) = (0, 0);
    for (frame, heading) in batch.iter().zip(&mut headings) {
        reader.read(frame.data(), heading);
        n_multicast += u64::from(heading.is_multicast());
    }
    // By itself: the processor looks only so many instructions ahead of a load that waits.
    for heading in headings.iter().take(batch.len()) {
        warm ^= fdb.touch(heading.src_home) ^ fdb.touch(heading.dst_home);
    }
    std::hint::black_box(warm); // the loads are wanted, not their values
    if arrival == Arrival::Fresh {
        counters.rx_multicast.add(n_multicast);
    }

    let (now_s, now_ns) = (stage.now_s, stage.now_ns);
    let mut sender = Sender::<'_, O, MIRRORED>::new(stage, (in_port, bridge), 0, out);
    // Keys of the frame before, and where its destination is: traffic comes in runs, and a run
    // teaches and finds the same throughout.
    let mut same_flow: Option<((Key, Key), Option<PortNo>)> = None;
    for (frame, heading) in batch.drain(..).zip(&headings) {
        if MIRRORED {
            sender.mirror_arrived(&frame, heading, arrival);
        }
        if let Way::Drop(reason) = heading.way {
            sender.drop(frame, reason);
            continue;
        }
        let keys = (heading.src, heading.dst);
        let found = match same_flow {
            Some((before, found)) if before == keys => found,
            _ => {
                if heading.learns && arrival != Arrival::Outside {
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
        if let Some(route) = sender.known_route(found, heading) {
            sender.send_by(frame, route, heading);
            continue;
        }
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
pub(crate) mod lab;
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
