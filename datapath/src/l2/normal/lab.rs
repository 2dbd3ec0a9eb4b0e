//! Bridges without an engine, and a ledger of all their counters.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use packet::Vid;

use super::{Hops, Output, Stage};
use crate::batch::{Batch, MAX_BURST};
use crate::drop_reason::DropReason;
use crate::frame::{Frame, FrameMemory, FramePool, SizeClass};
use crate::ids::{BridgeId, PortNo};
use crate::l2::fdb::{Fdb, FdbConfig};
use crate::l2::vlan::PortVlan;
use crate::pipeline::lab::flows;
use crate::pipeline::{FlowConfig, FlowCounters, Flows, expire, forward, give_up, retry};
use crate::view::{Bridge, Port, PortKind, PortStats, Program, Snapshot, VidSet};

const THREAD: usize = 1;
const N_FRAMES: usize = 256;

pub fn port(n: u16) -> PortNo {
    PortNo::new(n).unwrap()
}

pub fn vid(n: u16) -> Vid {
    Vid::new(n).unwrap()
}

/// Host `n`'s address: 02:00:00:00:00:n.
pub const fn host(n: u8) -> [u8; 6] {
    [2, 0, 0, 0, 0, n]
}

pub const BROADCAST: [u8; 6] = [0xff; 6];

/// 60 bytes, untagged.
pub fn frame(dst: [u8; 6], src: [u8; 6]) -> Vec<u8> {
    let mut bytes = [dst, src].concat();
    bytes.extend([0x08, 0x00]);
    bytes.extend(14..60);
    bytes
}

/// 64 bytes, tagged with this TCI.
pub fn tagged(dst: [u8; 6], src: [u8; 6], tci: u16) -> Vec<u8> {
    let mut bytes = frame(dst, src);
    bytes.splice(12..12, [0x81, 0, tci.to_be_bytes()[0], tci.to_be_bytes()[1]]);
    bytes
}

/// Notes what is sent, and gives the buffers back.
#[derive(Default)]
struct Notebook(Vec<(u16, Vec<u8>)>);

impl Output for Notebook {
    fn output(&mut self, pool: &mut FramePool, port: PortNo, frame: Frame) {
        self.0.push((port.get(), frame.data().to_vec()));
        pool.put(frame);
    }
}

/// Counters that moved, and by how much.
pub type Ledger = BTreeMap<String, u64>;

/// A bridge, or several.
pub struct Lab {
    pub snapshot: Snapshot,
    pub pool: FramePool,
    pub hops: Hops,
    pub flows: Flows,
    pub flow_stats: Arc<FlowCounters>,
    pub now_s: u32,
    /// Frames that wait for their way.
    n_waiting: u64,
    memory: Arc<FrameMemory>,
    n_frames: usize,
}

impl Lab {
    /// Ports 0, 1, … of these kinds, all up.
    pub fn new(vlans: impl IntoIterator<Item = PortVlan>) -> Lab {
        let memory = FrameMemory::new(N_FRAMES, 2).unwrap();
        let (pool, hops) = (FramePool::new(memory.clone()), Hops::default());
        let (snapshot, n_frames) = (Snapshot::default(), N_FRAMES);
        let (flows, flow_stats, _) = flows(None, FlowConfig::default());
        let now_s = 100;
        let n_waiting = 0;
        let mut lab =
            Lab { snapshot, pool, hops, flows, flow_stats, now_s, n_waiting, memory, n_frames };
        lab.add_bridge(vlans);
        lab
    }

    /// The same with so many small frames.
    pub fn with_frames(mut self, n_frames: usize) -> Lab {
        self.memory = FrameMemory::new(n_frames, 2).unwrap();
        self.pool = FramePool::new(self.memory.clone());
        Lab { n_frames, ..self }
    }

    /// One more bridge; its ports take the next numbers.
    pub fn add_bridge(&mut self, vlans: impl IntoIterator<Item = PortVlan>) {
        let Snapshot { ports, bridges, .. } = &mut self.snapshot;
        let id = BridgeId(u16::try_from(bridges.len()).unwrap());
        let first = ports.len();
        for vlan in vlans {
            let no = port(u16::try_from(ports.len()).unwrap());
            let (kind, stats) = (PortKind::Device, Arc::<PortStats>::default());
            let (up, storm, mtu) = (true, None, 1500);
            let terminator = None;
            let (no_flood, no_fwd) = (false, false);
            let port = Port {
                no,
                bridge: id,
                kind,
                vlan,
                up,
                no_flood,
                no_fwd,
                storm,
                mtu,
                terminator,
                stats,
            };
            ports.push(Some(Arc::new(port)));
        }
        let config = FdbConfig { max_entries: 100, aging: Duration::from_secs(300) };
        let bridge = Bridge {
            id,
            program: Program::Normal,
            fdb: Arc::new(Fdb::new(config)),
            ports: ports[first..].iter().flatten().map(|port| port.no).collect(),
            forward_bpdu: false,
            flood_vlans: VidSet::empty(),
            stats: Default::default(),
            mirrors: None,
        };
        bridges.push(Some(Arc::new(bridge)));
    }

    /// Makes a pair of patch ports of two ports.
    pub fn patch(&mut self, a: u16, b: u16) {
        for (end, peer) in [(a, b), (b, a)] {
            self.port(end).kind = PortKind::Patch { peer: port(peer) };
        }
    }

    /// `n` trunks that carry every VLAN.
    pub fn trunks(n: usize) -> Lab {
        Lab::new((0..n).map(|_| PortVlan::trunk_all()))
    }

    pub fn port(&mut self, n: u16) -> &mut Port {
        Arc::make_mut(self.snapshot.ports[usize::from(n)].as_mut().unwrap())
    }

    pub fn bridge(&mut self) -> &mut Bridge {
        Arc::make_mut(self.snapshot.bridges[0].as_mut().unwrap())
    }

    pub fn fdb(&self) -> Arc<Fdb> {
        self.snapshot.bridges[0].as_ref().unwrap().fdb.clone()
    }

    /// Receives frames, at most a batch; what was sent, where, in order. Checks that no frame is lost
    /// without a reason, and no buffer at all.
    pub fn receive(
        &mut self,
        in_port: u16,
        frames: impl IntoIterator<Item: AsRef<[u8]>>,
    ) -> Vec<(u16, Vec<u8>)> {
        let frames = frames.into_iter();
        let frames = frames.map(|bytes| self.pool.from_bytes(bytes.as_ref()).unwrap()).collect();
        self.receive_frames(in_port, frames)
    }

    pub fn receive_frames(&mut self, in_port: u16, frames: Vec<Frame>) -> Vec<(u16, Vec<u8>)> {
        assert!(frames.len() <= MAX_BURST);
        let n_received = frames.len() as u64;
        let mut batch: Batch = frames.into_iter().collect();
        let in_port = self.snapshot.ports[usize::from(in_port)].clone().unwrap();
        self.balanced(n_received, |stage, flows, out| {
            forward(stage, flows, &in_port, &mut batch, out);
            assert!(batch.is_empty());
        })
    }

    /// Lets frames that wait try again; what was sent.
    pub fn retry(&mut self) -> Vec<(u16, Vec<u8>)> {
        self.balanced(0, retry)
    }

    /// Lets frames that have waited for too long go.
    pub fn expire(&mut self) {
        self.balanced(0, |stage, _, _| expire(stage));
    }

    /// Lets the thread end.
    pub fn give_up(&mut self) {
        self.balanced(0, |stage, _, _| give_up(stage));
    }

    /// Does something with so many frames that devices have received; what was sent. Checks that no
    /// frame is lost without a reason.
    fn balanced(
        &mut self,
        n_received: u64,
        run: impl FnOnce(&mut Stage<'_>, &mut Flows, &mut Notebook),
    ) -> Vec<(u16, Vec<u8>)> {
        let before = self.counters();
        let mut out = Notebook::default();
        let mut stage = Stage {
            snapshot: &self.snapshot,
            thread: THREAD,
            now_ns: u64::from(self.now_s) * 1_000_000_000,
            now_s: self.now_s,
            pool: &mut self.pool,
            hops: &mut self.hops,
        };
        run(&mut stage, &mut self.flows, &mut out);
        assert!(self.hops.is_empty());
        let moved = difference(&before, &self.counters());
        let sum = |what: &str| -> u64 {
            let named = moved.iter().filter(|(name, _)| name.contains(what));
            named.map(|(_, n)| n).sum()
        };
        // What crosses patch ports is counted here; devices count what they send themselves.
        let came = n_received
            + sum("rx_packets")
            + sum("injected")
            + sum("copies")
            + sum("segments")
            + sum("encapsulated")
            + self.n_waiting;
        self.n_waiting = self.hops.waiting.len() as u64;
        let went = out.0.len() as u64
            + sum("tx_packets")
            + sum("handed")
            + sum("opened")
            + sum("drop")
            + self.n_waiting;
        assert_eq!(came, went, "{moved:?}");
        out.0
    }

    /// Receives, and compares what was sent and every counter that moved. Names are as `2.copies`,
    /// `2.drop_runt`, `fdb.learned`; a gauge that fell counts as moved by its fall.
    #[track_caller]
    pub fn expect(
        &mut self,
        (in_port, frames): (u16, impl IntoIterator<Item: AsRef<[u8]>>),
        sent: &[(u16, Vec<u8>)],
        ledger: &[(&str, u64)],
    ) {
        let before = self.counters();
        let really_sent = self.receive(in_port, frames);
        let moved = difference(&before, &self.counters());
        let expected: Ledger = ledger.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect();
        assert_eq!(moved, expected, "counters");
        assert_eq!(really_sent, sent, "frames");
    }

    /// Frames that are nowhere: neither in the depot nor in the pool.
    pub fn n_missing(self) -> usize {
        let Lab { pool, hops, memory, n_frames, .. } = self;
        drop((pool, hops));
        n_frames - memory.n_free(SizeClass::Small) + 2 - memory.n_free(SizeClass::Large)
    }

    fn counters(&self) -> Ledger {
        let mut all = Ledger::new();
        for port in self.snapshot.ports.iter().flatten() {
            let mut add = |name: &str, n| all.insert(format!("{}.{name}", port.no.get()), n);
            let stats = &port.stats;
            add("rx_packets", stats.sum(|c| c.rx_packets.get()));
            add("rx_bytes", stats.sum(|c| c.rx_bytes.get()));
            add("tx_packets", stats.sum(|c| c.tx_packets.get()));
            add("tx_bytes", stats.sum(|c| c.tx_bytes.get()));
            add("injected", stats.sum(|c| c.injected.get()));
            add("handed", stats.sum(|c| c.handed.get()));
            add("encapsulated", stats.sum(|c| c.encapsulated.get()));
            add("opened", stats.sum(|c| c.opened.get()));
            add("copies", stats.sum(|c| c.copies.get()));
            add("segments", stats.sum(|c| c.segments.get()));
            add("rx_checksums", stats.sum(|c| c.rx_checksums.get()));
            add("tx_checksums", stats.sum(|c| c.tx_checksums.get()));
            add("rx_missed", stats.sum(|c| c.rx_missed.get()));
            add("rx_multicast", stats.sum(|c| c.rx_multicast.get()));
            add("tx_batches", stats.sum(|c| c.tx_batches.get()));
            for reason in DropReason::ALL {
                add(&format!("drop_{}", reason.name()), stats.sum(|c| c.rx_drops(*reason)));
                add(&format!("tx_drop_{}", reason.name()), stats.sum(|c| c.tx_drops(*reason)));
            }
        }
        let stats = &self.flow_stats;
        for (name, counter) in [
            ("passes", &stats.passes),
            ("emc_hits", &stats.emc_hits),
            ("megaflow_hits", &stats.megaflow_hits),
            ("upcalls", &stats.upcalls),
            ("lost", &stats.lost_upcalls),
            ("recirculations", &stats.recirculations),
            ("renewed", &stats.renewed),
        ] {
            all.insert(format!("flow.{name}"), counter.get());
        }
        for bridge in self.snapshot.bridges.iter().flatten() {
            let fdb = bridge.fdb.stats();
            // The first is "fdb", the others "fdb1", …
            let number =
                Some(bridge.id.0).filter(|n| *n > 0).map_or(String::new(), |n| n.to_string());
            for (name, n) in [
                ("current", fdb.current as u64),
                ("static", fdb.n_static as u64),
                ("learned", fdb.learned),
                ("expired", fdb.expired),
                ("evicted", fdb.evicted),
                ("moved", fdb.moved),
                ("flapped", fdb.flapped),
                ("deferred", fdb.deferred),
            ] {
                all.insert(format!("fdb{number}.{name}"), n);
            }
        }
        all
    }
}

fn difference(before: &Ledger, after: &Ledger) -> Ledger {
    let moved = after.iter().map(|(name, n)| (name.clone(), n.abs_diff(before[name])));
    moved.filter(|(_, n)| *n != 0).collect()
}
