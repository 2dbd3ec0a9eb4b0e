//! A learning bridge in this process: the engine, without the daemon around it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use datapath::engine::ThreadReport;
use datapath::l2::fdb::{Fdb, FdbConfig};
use datapath::l2::vlan::PortVlan;
use datapath::netdev::Netdev;
use datapath::netdev::null::Null;
use datapath::netdev::pcap::{Pcap, PcapConfig, Play};
use datapath::pipeline::FlowConfig;
use datapath::snapshot::Version;
use datapath::tunnel::Tunnels;
use datapath::upcall::{Caching, Dependencies, HandlerFactory};
use datapath::view::{Bridge, Port, PortKind, PortStats, Program, Snapshot, VidSet};
use datapath::{
    Actions, BridgeId, Clock, DropReason, Engine, EngineConfig, PortCounters, PortNo, Upcall,
    UpcallHandler, UpcallOutcome, Workers,
};
use packet::FlowMask;
use packet::flow::FieldId;

use crate::tunnel;

const BRIDGE: BridgeId = BridgeId(0);
/// Where the outer packets of a tunnel are.
const UNDERLAY: BridgeId = BridgeId(1);
/// Small frames: more than pools and buffers can hold at any moment.
const N_SMALL: usize = 4096;
const N_LARGE: usize = 16;
const MTU: u32 = 1500;
const AGING: Duration = Duration::from_secs(300);

/// What a port receives. All that it is sent is counted and discarded.
#[derive(Clone, Debug)]
pub enum Source {
    /// A capture file, again and again.
    Loop(PathBuf),
    /// A capture file, once.
    Once(PathBuf),
    /// Nothing.
    Silent,
}

/// A port to be.
pub struct Plug {
    /// What it receives.
    pub source: Source,
    /// Its VLANs.
    pub vlan: PortVlan,
}

impl Plug {
    /// Carries every VLAN.
    #[must_use]
    pub fn trunk(source: Source) -> Plug {
        Plug { source, vlan: PortVlan::trunk_all() }
    }
}

/// A bridge of such ports.
pub struct Rig {
    engine: Engine,
    fdb: Arc<Fdb>,
    stats: Vec<Arc<PortStats>>,
}

/// Frames counted over all ports.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Totals {
    /// Received.
    pub rx: u64,
    /// Sent.
    pub tx: u64,
    /// Dropped, for whatever reason.
    pub drops: u64,
}

impl Rig {
    /// A bridge that remembers up to `max_entries` addresses.
    ///
    /// # Errors
    /// A file cannot be played, or the engine cannot start.
    pub fn new(plugs: Vec<Plug>, max_entries: usize, workers: Workers) -> Result<Rig> {
        Rig::build(plugs, max_entries, workers, None)
    }

    /// A bridge of two ports with flows: what one receives goes out by the other. A flow looks at these
    /// fields.
    ///
    /// # Errors
    /// As for [`Rig::new`].
    pub fn with_flows(plugs: Vec<Plug>, fields: &[FieldId], workers: Workers) -> Result<Rig> {
        let mut mask = FlowMask::EMPTY;
        fields.iter().for_each(|field| mask.add_field(*field));
        let make = move |_| Box::new(Cross { mask: mask.clone() }) as Box<dyn UpcallHandler>;
        Rig::build(plugs, 1, workers, Some(Arc::new(make)))
    }

    /// A learning bridge of one port and a VXLAN tunnel, whose outer packets go and come by the other
    /// port.
    ///
    /// # Errors
    /// As for [`Rig::new`].
    pub fn with_tunnel(plugs: Vec<Plug>, max_entries: usize, workers: Workers) -> Result<Rig> {
        let (mut rig, mut ports) = Rig::attach(plugs, max_entries, workers, None)?;
        let wire = PortNo::new(1).context("port 1")?;
        let far = PortNo::new(2).context("port 2")?;
        if let Some(port) = ports.get_mut(1).and_then(Option::as_mut) {
            *port = Arc::new(Port {
                bridge: UNDERLAY,
                terminator: Some(Arc::new(tunnel::terminator())),
                ..Port::clone(port)
            });
        }
        let (stats, kind) = (Arc::default(), PortKind::Tunnel(Arc::new(tunnel::tunnel(wire))));
        let near = ports.first().cloned().flatten().context("port 0")?;
        let port = Port { no: far, kind, stats, ..Port::clone(&near) };
        ports.push(Some(Arc::new(port)));
        let mut tunnels = Tunnels::default();
        tunnels.add_port(&tunnel::config(), far);
        let bridge = |id, ports: Vec<PortNo>, fdb: &Arc<Fdb>| Bridge {
            id,
            program: Program::Normal,
            fdb: fdb.clone(),
            ports,
            forward_bpdu: false,
            flood_vlans: VidSet::empty(),
            stats: Default::default(),
            mirrors: None,
        };
        let other = Arc::new(Fdb::new(FdbConfig { max_entries: 1, aging: AGING }));
        let near = near.no;
        let bridges =
            [bridge(BRIDGE, vec![near, far], &rig.fdb), bridge(UNDERLAY, vec![wire], &other)];
        rig.engine.publish(Snapshot {
            ports,
            bridges: bridges.into_iter().map(|bridge| Some(Arc::new(bridge))).collect(),
            tunnels: Arc::new(tunnels),
            ..Snapshot::default()
        });
        Ok(rig)
    }

    fn build(
        plugs: Vec<Plug>,
        max_entries: usize,
        workers: Workers,
        handlers: Option<HandlerFactory>,
    ) -> Result<Rig> {
        let program = if handlers.is_some() { Program::Flows } else { Program::Normal };
        let (mut rig, ports) = Rig::attach(plugs, max_entries, workers, handlers)?;
        let bridge = Bridge {
            id: BRIDGE,
            program,
            fdb: rig.fdb.clone(),
            ports: ports.iter().flatten().map(|port| port.no).collect(),
            forward_bpdu: false,
            flood_vlans: VidSet::empty(),
            stats: Default::default(),
            mirrors: None,
        };
        rig.engine.publish(Snapshot {
            ports,
            bridges: vec![Some(Arc::new(bridge))],
            ..Snapshot::default()
        });
        Ok(rig)
    }

    /// An engine with these ports, of which nothing is published yet.
    fn attach(
        plugs: Vec<Plug>,
        max_entries: usize,
        workers: Workers,
        handlers: Option<HandlerFactory>,
    ) -> Result<(Rig, Vec<Option<Arc<Port>>>)> {
        let clock = match workers {
            Workers::Inline => Clock::manual(),
            Workers::Threads(_) => Clock::real(),
        };
        // The clock may stand still: no rate of upcalls then gives any back.
        let flows = FlowConfig { upcalls_per_port: u32::MAX, ..FlowConfig::default() };
        let (n_small, n_large) = (N_SMALL, N_LARGE);
        let config = EngineConfig { n_small, n_large, clock, workers, handlers, flows };
        let engine = Engine::new(config).context("engine")?;
        let fdb = Arc::new(Fdb::new(FdbConfig { max_entries, aging: AGING }));
        let mut rig = Rig { engine, fdb, stats: Vec::new() };
        let mut ports = Vec::new();
        for (no, plug) in (0..=PortNo::MAX).filter_map(PortNo::new).zip(plugs) {
            let stats = Arc::<PortStats>::default();
            rig.engine.attach(no, device(plug.source)?, stats.clone(), &[])?;
            let port = Port {
                no,
                bridge: BRIDGE,
                kind: PortKind::Device,
                terminator: None,
                storm: None,
                no_flood: false,
                no_fwd: false,
                vlan: plug.vlan,
                up: true,
                mtu: MTU,
                stats: stats.clone(),
            };
            ports.push(Some(Arc::new(port)));
            rig.stats.push(stats);
        }
        Ok((rig, ports))
    }

    /// One round on the caller's thread, if the rig has [`Workers::Inline`]; frames received.
    pub fn round(&mut self) -> usize {
        self.engine.run_round()
    }

    /// What was counted.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let sum = |read: &dyn Fn(&PortCounters) -> u64| -> u64 {
            self.stats.iter().map(|stats| stats.sum(read)).sum()
        };
        let reasons = || DropReason::ALL.iter().copied();
        Totals {
            rx: sum(&|c| c.rx_packets.get()),
            tx: sum(&|c| c.tx_packets.get()),
            drops: sum(&|c| reasons().map(|r| c.rx_drops(r) + c.tx_drops(r)).sum()),
        }
    }

    /// Addresses in the forwarding database.
    #[must_use]
    pub fn n_learned(&self) -> usize {
        self.fdb.stats().current
    }

    /// Flows that are cached.
    #[must_use]
    pub fn n_flows(&mut self) -> usize {
        let mut n = 0;
        self.engine.dump_flows(|_, _| n += 1);
        n
    }

    /// What poll threads did.
    #[must_use]
    pub fn threads(&self) -> Vec<ThreadReport> {
        self.engine.threads()
    }
}

/// Translates every packet of one port into an output by the other.
struct Cross {
    mask: FlowMask,
}

impl UpcallHandler for Cross {
    fn refresh(&mut self) -> Version {
        Version(1)
    }

    fn upcall(&mut self, upcall: &Upcall<'_>) -> UpcallOutcome {
        let other = PortNo::new(upcall.port.get() ^ 1);
        let drop = || Actions::drop(DropReason::PipelineDrop);
        UpcallOutcome {
            actions: other.map_or_else(drop, Actions::output),
            mask: self.mask.clone(),
            depends: Arc::new(()),
            counts: None,
            caching: Caching::Install,
        }
    }

    fn is_current(&self, _: &Dependencies, _: Version) -> bool {
        true
    }
}

fn device(source: Source) -> Result<Box<dyn Netdev>> {
    let (path, play) = match source {
        Source::Silent => return Ok(Box::new(Null)),
        Source::Loop(path) => (path, Play::Loop),
        Source::Once(path) => (path, Play::Once),
    };
    Ok(Box::new(Pcap::open(&PcapConfig { path, play, rate: None })?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::{Direction, Pairs};

    #[test]
    fn a_bridge_forwards_between_files_and_learns_every_host() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, direction| {
            let path = dir.path().join(name);
            Pairs::new(100, direction).write(&path).unwrap();
            Plug::trunk(Source::Loop(path))
        };
        let plugs = vec![file("f", Direction::Forward), file("r", Direction::Reverse)];
        let mut rig = Rig::new(plugs, 1000, Workers::Inline).unwrap();
        for _ in 0..20 {
            assert_eq!(rig.round(), 64);
        }
        let totals = rig.totals();
        assert_eq!(totals, Totals { rx: 20 * 64, tx: 20 * 64, drops: 0 });
        assert_eq!(rig.n_learned(), 200);
    }
}
