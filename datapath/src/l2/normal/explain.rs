//! What the stage would do with a frame now, and why: for a person who asks.
//!
//! # Design
//! The stage itself runs, for one frame, over copies: of the ports with counters of their own, of the
//! bridge with a copy of its forwarding database, without mirrors and storm limits. So the answer is
//! that of the very code that forwards, and nothing is learned, counted or sent.
//!
//! # Thread-safety
//! For any thread: it only reads what is published.

use std::sync::Arc;

use super::read::{Heading, Reader, Way};
use super::{Arrival, Hops, Output, Stage, forward, outside};
use crate::batch::Batch;
use crate::drop_reason::DropReason;
use crate::frame::{Frame, FrameMemory, FramePool};
use crate::ids::{BridgeId, PortNo};
use crate::view::{Bridge, Port, PortStats, Snapshot};

/// Frames of the pool that copies come from.
const N_SMALL: usize = 8192;
const N_LARGE: usize = 16;

/// What the stage would do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Explained {
    /// Why, in order, in the words of Open vSwitch.
    pub why: Vec<String>,
    /// Which ports get which frame.
    pub outputs: Vec<(PortNo, Vec<u8>)>,
    /// Why the frame is dropped, if it is.
    pub dropped: Option<DropReason>,
}

#[derive(Default)]
struct Sink(Vec<(PortNo, Vec<u8>)>);

impl Output for Sink {
    fn output(&mut self, pool: &mut FramePool, port: PortNo, frame: Frame) {
        self.0.push((port, frame.data().to_vec()));
        pool.put(frame);
    }
}

/// Asks what a bridge would do with a frame received by a port, or sent by the control plane. `None`:
/// there is no such bridge or port, or no memory.
#[must_use]
pub fn explain(
    snapshot: &Snapshot,
    (bridge, in_port): (BridgeId, Option<PortNo>),
    frame: &[u8],
    now_ns: u64,
) -> Option<Explained> {
    let (bridge, copy) = copies(snapshot, bridge)?;
    let (in_port, arrival) = match in_port {
        Some(in_port) => (Arc::clone(copy.port(in_port)?), Arrival::Again { mirrored: 0 }),
        None => (Arc::new(outside(&bridge, Arc::default())?), Arrival::Outside),
    };
    let now_s = u32::try_from(now_ns / 1_000_000_000).unwrap_or(u32::MAX);
    let mut why = vec![reason(&in_port, &bridge, frame)];
    let mut pool = FramePool::new(FrameMemory::new(N_SMALL, N_LARGE).ok()?);
    let mut batch = Batch::from_iter([pool.from_bytes(frame)?]);
    let (mut hops, mut sink) = (Hops::default(), Sink::default());
    let (pool, hops_of) = (&mut pool, &mut hops);
    let mut stage = Stage { snapshot: &copy, thread: 0, now_ns, now_s, pool, hops: hops_of };
    forward(&mut stage, (&in_port, &bridge, arrival), &mut batch, &mut sink);
    while let Some(hop) = stage.hops.pop() {
        sink.0.extend(hop.frames.iter().map(|frame| (hop.from, frame.data().to_vec())));
        stage.pool.put_all(hop.frames);
    }
    let dropped = DropReason::ALL
        .iter()
        .copied()
        .find(|reason| in_port.stats.sum(|counters| counters.rx_drops(*reason)) > 0);
    if let Some(dropped) = dropped.filter(|_| sink.0.is_empty()) {
        if dropped == DropReason::SamePort {
            // Its source was learned in between, and is its destination.
            why.clear();
        }
        why.push(words(dropped));
    }
    why.retain(|line| !line.is_empty());
    why.dedup();
    Some(Explained { why, outputs: sink.0, dropped })
}

/// The bridge and its ports, such that nothing that is done to them is seen.
fn copies(snapshot: &Snapshot, bridge: BridgeId) -> Option<(Bridge, Snapshot)> {
    let bridge = snapshot.bridge(bridge)?;
    let fdb = Arc::new(bridge.fdb.resized(bridge.fdb.stats().max_entries));
    let bridge = Bridge { fdb, mirrors: None, ..Bridge::clone(bridge) };
    let ports = snapshot.ports.iter().map(|port| {
        let port = port.as_ref()?;
        let stats = Arc::<PortStats>::default();
        Some(Arc::new(Port { storm: None, stats, ..Port::clone(port) }))
    });
    let copy = Snapshot {
        ports: ports.collect(),
        bridges: snapshot.bridges.clone(),
        ..Snapshot::default()
    };
    Some((bridge, copy))
}

/// What decides, before anything is done.
fn reason(port: &Port, bridge: &Bridge, frame: &[u8]) -> String {
    let fdb = bridge.fdb.reader();
    let mut heading = Heading::EMPTY;
    Reader::new(port, bridge, &fdb).read(frame, &mut heading);
    match heading.way {
        Way::Drop(_) => String::new(),
        Way::Flood => "flooding in a VLAN of flood_vlans".to_owned(),
        Way::Lookup => match fdb.lookup(heading.dst, heading.dst_home) {
            Some(to) if to == port.no => String::new(),
            Some(_) => "forwarding to learned port".to_owned(),
            None => "no learned MAC for destination, flooding".to_owned(),
        },
    }
}

/// A drop, in the words of Open vSwitch where it has any.
fn words(reason: DropReason) -> String {
    match reason {
        DropReason::PartialVlanTag => "partial VLAN tag, dropping",
        DropReason::VlanNotAllowed => "disallowed VLAN VID for this input port, dropping",
        DropReason::ReservedMulticast => "packet has reserved destination MAC, dropping",
        DropReason::SamePort => "learned port is input port, dropping",
        DropReason::MirrorOutput => "input port is mirror output port, dropping",
        other => other.explain(),
    }
    .to_owned()
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use crate::l2::normal::lab::{Lab, frame, host, port};

    #[test]
    fn it_tells_what_the_stage_would_do_and_does_not_do_it() {
        let mut lab = Lab::trunks(3);
        let ask = |lab: &Lab, dst: u8| {
            let frame = frame(host(dst), host(1));
            explain(&lab.snapshot, (BridgeId(0), Some(port(0))), &frame, 100_000_000_000).unwrap()
        };
        let unknown = ask(&lab, 2);
        assert_eq!(unknown.why, ["no learned MAC for destination, flooding"]);
        assert_eq!(unknown.outputs.iter().map(|(no, _)| no.get()).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(lab.fdb().stats().current, 0);
        lab.receive(2, [frame(host(9), host(2))]);
        let known = ask(&lab, 2);
        assert_eq!(known.why, ["forwarding to learned port"]);
        assert_eq!(known.outputs, [(port(2), frame(host(2), host(1)))]);
        lab.receive(0, [frame(host(9), host(3))]);
        let same = ask(&lab, 3);
        assert_eq!(same.why, ["learned port is input port, dropping"]);
        assert_eq!((same.outputs.len(), same.dropped), (0, Some(DropReason::SamePort)));
        assert_eq!(lab.port(0).stats.sum(|c| c.rx_drops(DropReason::SamePort)), 0);
    }
}
