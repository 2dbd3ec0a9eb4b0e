//! A bridge without an engine, and a ledger of all its counters.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use packet::Vid;

use super::{Output, Stage, forward};
use crate::batch::{Batch, MAX_BURST};
use crate::drop_reason::DropReason;
use crate::frame::{Frame, FrameMemory, FramePool, SizeClass};
use crate::ids::{BridgeId, PortNo};
use crate::l2::fdb::{Fdb, FdbConfig};
use crate::l2::vlan::PortVlan;
use crate::view::{Bridge, Port, PortStats, Program, Snapshot, VidSet};

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

/// A bridge.
pub struct Lab {
    pub snapshot: Snapshot,
    pub pool: FramePool,
    pub now_s: u32,
    memory: Arc<FrameMemory>,
}

impl Lab {
    /// Ports 0, 1, … of these kinds, all up.
    pub fn new(vlans: impl IntoIterator<Item = PortVlan>) -> Lab {
        let id = BridgeId(0);
        let port = |(no, vlan)| {
            let stats = Arc::<PortStats>::default();
            let port = Port { no: port(no), bridge: id, vlan, up: true, mtu: 1500, stats };
            Some(Arc::new(port))
        };
        let ports: Vec<_> = (0..).zip(vlans).map(port).collect();
        let config = FdbConfig { max_entries: 100, aging: Duration::from_secs(300) };
        let bridge = Bridge {
            id,
            program: Program::Normal,
            fdb: Arc::new(Fdb::new(config)),
            ports: ports.iter().flatten().map(|port| port.no).collect(),
            forward_bpdu: false,
            flood_vlans: VidSet::empty(),
        };
        let memory = FrameMemory::new(N_FRAMES, 2).unwrap();
        let snapshot = Snapshot { ports, bridges: vec![Some(Arc::new(bridge))] };
        Lab { snapshot, pool: FramePool::new(memory.clone()), now_s: 100, memory }
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
        let before = self.counters();
        let mut batch: Batch = frames.into_iter().collect();
        let in_port = self.snapshot.ports[usize::from(in_port)].clone().unwrap();
        let mut out = Notebook::default();
        let mut stage = Stage {
            snapshot: &self.snapshot,
            thread: THREAD,
            now_s: self.now_s,
            pool: &mut self.pool,
        };
        forward(&mut stage, &in_port, &mut batch, &mut out);
        assert!(batch.is_empty());
        let moved = difference(&before, &self.counters());
        let sum = |what: &str| -> u64 {
            let named = moved.iter().filter(|(name, _)| name.contains(what));
            named.map(|(_, n)| n).sum()
        };
        assert_eq!(n_received + sum("copies"), out.0.len() as u64 + sum("drop"), "{moved:?}");
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
        let Lab { pool, memory, .. } = self;
        drop(pool);
        N_FRAMES - memory.n_free(SizeClass::Small) + 2 - memory.n_free(SizeClass::Large)
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
            add("copies", stats.sum(|c| c.copies.get()));
            add("segments", stats.sum(|c| c.segments.get()));
            add("tx_checksums", stats.sum(|c| c.tx_checksums.get()));
            add("rx_missed", stats.sum(|c| c.rx_missed.get()));
            add("rx_multicast", stats.sum(|c| c.rx_multicast.get()));
            add("tx_batches", stats.sum(|c| c.tx_batches.get()));
            for reason in DropReason::ALL {
                add(&format!("drop_{}", reason.name()), stats.sum(|c| c.rx_drops(*reason)));
                add(&format!("tx_drop_{}", reason.name()), stats.sum(|c| c.tx_drops(*reason)));
            }
        }
        let fdb = self.fdb().stats();
        for (name, n) in [
            ("current", fdb.current as u64),
            ("static", fdb.n_static as u64),
            ("learned", fdb.learned),
            ("expired", fdb.expired),
            ("evicted", fdb.evicted),
            ("moved", fdb.moved),
            ("deferred", fdb.deferred),
        ] {
            all.insert(format!("fdb.{name}"), n);
        }
        all
    }
}

fn difference(before: &Ledger, after: &Ledger) -> Ledger {
    let moved = after.iter().map(|(name, n)| (name.clone(), n.abs_diff(before[name])));
    moved.filter(|(_, n)| *n != 0).collect()
}
