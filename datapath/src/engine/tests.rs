//! The engine between ports in memory.

use std::time::{Duration, Instant};

use packet::FlowMatch;

use super::*;
use crate::action::Actions;
use crate::counter::PortCounters;
use crate::ids::BridgeId;
use crate::l2::fdb::{Fdb, FdbConfig};
use crate::l2::vlan::PortVlan;
use crate::netdev::TxCaps;
use crate::netdev::dummy::{Dummy, DummyHandle};
use crate::pipeline::lab::Script;
use crate::tunnel::{
    Address, Byte, Key, Link, Path, Segment, Switch, Tunnel, TunnelConfig, TunnelKind, Tunnels, Way,
};
use crate::view::{Bridge, Port, PortKind, Program, VidSet};

/// A bridge of dummy ports on an engine.
struct Lab {
    engine: Engine,
    ports: Vec<(PortNo, DummyHandle, Arc<PortStats>)>,
    program: Program,
}

impl Lab {
    fn new(workers: Workers, n_ports: u16, n_rxq: usize) -> Lab {
        Lab::with_handlers(workers, (n_ports, n_rxq), None)
    }

    /// With handlers, a bridge with flows.
    fn with_handlers(
        workers: Workers,
        (n_ports, n_rxq): (u16, usize),
        handlers: Option<HandlerFactory>,
    ) -> Lab {
        let program = if handlers.is_some() { Program::Flows } else { Program::Normal };
        let clock = match workers {
            Workers::Inline => Clock::manual(),
            Workers::Threads(_) => Clock::real(),
        };
        let flows = FlowConfig::default();
        let config = EngineConfig { n_small: 4096, n_large: 64, clock, workers, handlers, flows };
        let mut lab = Lab { engine: Engine::new(config).unwrap(), ports: Vec::new(), program };
        for no in (0..n_ports).filter_map(PortNo::new) {
            let (dummy, handle) = Dummy::new(n_rxq, TxCaps::default()).unwrap();
            let stats = Arc::<PortStats>::default();
            lab.engine.attach(no, Box::new(dummy), stats.clone(), &[]).unwrap();
            lab.ports.push((no, handle, stats));
        }
        lab.publish();
        lab
    }

    fn publish(&mut self) {
        let snapshot = self.snapshot();
        self.engine.publish(snapshot);
    }

    fn snapshot(&self) -> Snapshot {
        let id = BridgeId(0);
        let port = |no: PortNo, stats: &Arc<PortStats>| Port {
            no,
            bridge: id,
            kind: PortKind::Device,
            terminator: None,
            storm: None,
            no_flood: false,
            no_fwd: false,
            vlan: PortVlan::trunk_all(),
            up: true,
            mtu: 1500,
            stats: stats.clone(),
        };
        let len = self.ports.iter().map(|(no, ..)| no.index() + 1).max().unwrap_or(0);
        let mut ports = vec![None; len];
        for (no, _, stats) in &self.ports {
            ports[no.index()] = Some(Arc::new(port(*no, stats)));
        }
        let config = FdbConfig { max_entries: 100, aging: Duration::from_secs(300) };
        let bridge = Bridge {
            id,
            program: self.program,
            fdb: Arc::new(Fdb::new(config)),
            ports: self.ports.iter().map(|(no, ..)| *no).collect(),
            forward_bpdu: false,
            flood_vlans: VidSet::empty(),
            stats: Default::default(),
            mirrors: None,
        };
        Snapshot { ports, bridges: vec![Some(Arc::new(bridge))], ..Snapshot::default() }
    }

    /// The last port is a tunnel port, whose outer packets leave by the first.
    fn publish_tunnel(&mut self, way: Option<Way>) {
        let mut snapshot = self.snapshot();
        let (src, remote) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        let config = TunnelConfig {
            kind: TunnelKind::Vxlan,
            dst_port: 4789,
            remote: Address::Is(remote),
            local: Address::Any,
            in_key: Key::Is(7),
            out_key: Key::Is(7),
            tos: Byte::Is(0),
            ttl: Byte::Is(64),
            df: Switch::On,
            csum: Switch::Off,
            seq: Switch::Off,
            gbp: Switch::Off,
        };
        let mut tunnels = Tunnels::default();
        let path = way.map(|way| Arc::new(Path { src, mtu: 1500, way }));
        let port = snapshot.ports.last_mut().unwrap().as_mut().unwrap();
        tunnels.add_port(&config, port.no);
        let carrier = PortNo::new(0).unwrap();
        let kind = Tunnel { config, carrier, path, state: Arc::default(), segment: Segment::None };
        Arc::make_mut(port).kind = PortKind::Tunnel(Arc::new(kind));
        snapshot.tunnels = Arc::new(tunnels);
        self.engine.publish(snapshot);
    }

    fn sum(&self, read: impl Fn(&PortCounters) -> u64) -> u64 {
        self.ports.iter().map(|(.., stats)| stats.sum(&read)).sum()
    }

    /// Waits until `n` frames were sent in all.
    fn wait_sent(&self, n: u64) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.sum(|c| c.tx_packets.get()) < n {
            assert!(Instant::now() < deadline, "{} of {n} sent", self.sum(|c| c.tx_packets.get()));
            std::thread::yield_now();
        }
    }
}

fn frame(n: u16) -> Vec<u8> {
    let mut frame = vec![0; 60];
    frame[..14].copy_from_slice(&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0]);
    frame[20..22].copy_from_slice(&n.to_be_bytes());
    frame
}

fn all_inline(lab: &mut Lab) {
    while lab.engine.run_round() > 0 {}
}

#[test]
fn an_inline_engine_forwards_in_order_and_conserves_frames() {
    let mut lab = Lab::new(Workers::Inline, 2, 1);
    (0..100).for_each(|n| lab.ports[0].1.inject(&frame(n)[..]));
    all_inline(&mut lab);
    let sent = lab.ports[1].1.take_sent();
    let numbers = sent.iter().map(|f| u16::from_be_bytes([f.bytes[20], f.bytes[21]]));
    assert!(numbers.eq(0..100));
    assert_eq!(lab.sum(|c| c.rx_packets.get()), 100);
    assert_eq!(lab.sum(|c| c.tx_packets.get()), 100);
}

#[test]
fn what_arrives_before_the_port_is_published_waits_in_the_device() {
    let mut lab = Lab::new(Workers::Inline, 2, 1);
    let (no, stats) = (PortNo::new(2).unwrap(), Arc::<PortStats>::default());
    let (dummy, handle) = Dummy::new(1, TxCaps::default()).unwrap();
    handle.inject(&frame(7)[..]);
    lab.engine.attach(no, Box::new(dummy), stats.clone(), &[]).unwrap();
    lab.ports.push((no, handle, stats));
    all_inline(&mut lab);
    assert_eq!(lab.sum(|c| c.rx_packets.get()), 0);
    lab.publish();
    all_inline(&mut lab);
    let sent = lab.ports[1].1.take_sent();
    assert_eq!((sent.len(), lab.sum(|c| c.rx_packets.get())), (1, 1));
}

#[test]
fn a_sleeping_thread_wakes_for_traffic_and_for_commands() {
    let mut lab = Lab::new(Workers::Threads(PollCpus::One), 2, 1);
    for n in 0..5u16 {
        let sleeps = |lab: &Lab| lab.engine.threads()[0].sleeps;
        let before = sleeps(&lab);
        let deadline = Instant::now() + Duration::from_secs(20);
        while sleeps(&lab) == before {
            assert!(Instant::now() < deadline, "the thread never sleeps");
            lab.publish(); // wakes it
            std::thread::yield_now();
        }
        lab.ports[0].1.inject(&frame(n)[..]);
        lab.wait_sent(u64::from(n) + 1);
    }
}

#[test]
fn queues_move_between_threads_under_load_without_loss() {
    let mut lab = Lab::new(Workers::Threads(PollCpus::One), 2, 2);
    let far = lab.ports[0].1.clone();
    let total = 20_000u16;
    std::thread::scope(|scope| {
        scope.spawn(|| (0..total).for_each(|n| far.inject_on(usize::from(n % 2), &frame(n)[..])));
        for round in 0..20 {
            let cpus = if round % 2 == 0 { PollCpus::Pinned(vec![0, 1]) } else { PollCpus::One };
            lab.engine.set_poll_cpus(&cpus).unwrap();
            lab.engine.set_affinity(lab.ports[0].0, &[(0, 1), (1, 0)]);
            lab.engine.set_affinity(lab.ports[0].0, &[(0, 0), (1, 1)]);
        }
    });
    lab.wait_sent(u64::from(total));
    assert_eq!(lab.ports[1].1.take_sent().len(), usize::from(total));
}

#[test]
fn frames_wait_in_their_thread_for_a_way_and_who_knows_none_is_told() {
    let mut lab = Lab::new(Workers::Inline, 3, 1);
    lab.publish_tunnel(None);
    lab.ports[1].1.inject(&frame(1)[..]);
    lab.ports[1].1.inject(&frame(2)[..]);
    all_inline(&mut lab);
    let wanted = lab.engine.events().try_recv();
    let Ok(Event::PathWanted { remote, local: None }) = wanted else { panic!("{wanted:?}") };
    assert_eq!(remote, "10.0.0.2".parse::<IpAddr>().unwrap());
    assert!(lab.engine.events().try_recv().is_err());
    lab.publish_tunnel(Some(Way::NoNeighbour));
    // Each was flooded to the first port too.
    assert_eq!(lab.ports[0].1.take_sent().len(), 2);
    let address = packet::MacAddr([2, 0, 0, 0, 0, 9]);
    let link = Link { port: PortNo::new(0).unwrap(), src: address, dst: address };
    lab.publish_tunnel(Some(Way::Port(link)));
    let sent = lab.ports[0].1.take_sent();
    let lengths: Vec<_> = sent.iter().map(|frame| frame.bytes.len()).collect();
    assert_eq!(lengths, [110, 110]);
    assert_eq!(sent[1].bytes[50..], frame(2));
}

#[test]
fn affinity_and_load_decide_where_queues_go() {
    let mut lab = Lab::new(Workers::Threads(PollCpus::Pinned(vec![0, 1])), 2, 2);
    let n_queues = |lab: &Lab| -> Vec<_> {
        lab.engine.threads().iter().map(|t| (t.cpu, t.rxqs.len())).collect()
    };
    assert_eq!(n_queues(&lab), [(Some(0), 2), (Some(1), 2)]);
    lab.engine.set_affinity(lab.ports[0].0, &[(0, 1), (1, 1)]);
    lab.engine.set_affinity(lab.ports[1].0, &[(0, 1), (1, 1)]);
    assert_eq!(n_queues(&lab), [(Some(0), 0), (Some(1), 4)]);
}

#[test]
fn a_bad_cpu_list_leaves_the_old_threads() {
    let mut lab = Lab::new(Workers::Threads(PollCpus::One), 2, 1);
    for bad in [vec![], vec![0, 0], vec![1023], vec![usize::MAX]] {
        assert!(lab.engine.set_poll_cpus(&PollCpus::Pinned(bad)).is_err());
    }
    lab.ports[0].1.inject(&frame(1)[..]);
    lab.wait_sent(1);
}

#[test]
fn a_device_that_vanishes_is_reported_once_and_can_be_replaced() {
    let mut lab = Lab::new(Workers::Inline, 2, 1);
    let no = lab.ports[0].0;
    lab.ports[0].1.vanish();
    all_inline(&mut lab);
    all_inline(&mut lab);
    assert_eq!(lab.engine.events().try_iter().collect::<Vec<_>>(), [Event::DeviceGone(no)]);
    assert!(lab.engine.detach(no).is_some() && lab.engine.detach(no).is_none());
    let (dummy, handle) = Dummy::new(1, TxCaps::default()).unwrap();
    let stats = lab.ports[0].2.clone();
    lab.engine.attach(no, Box::new(dummy), stats.clone(), &[]).unwrap();
    let (dummy, _) = Dummy::new(1, TxCaps::default()).unwrap();
    let again = lab.engine.attach(no, Box::new(dummy), stats, &[]);
    assert!(matches!(again, Err(EngineError::PortInUse(_))));
    handle.inject(&frame(7)[..]);
    all_inline(&mut lab);
    assert_eq!(lab.ports[1].1.take_sent().len(), 1);
}

#[test]
fn removing_a_port_under_load_loses_nothing_elsewhere() {
    let mut lab = Lab::new(Workers::Threads(PollCpus::One), 3, 1);
    let far = lab.ports[0].1.clone();
    let total = 10_000u16;
    std::thread::scope(|scope| {
        scope.spawn(|| (0..total).for_each(|n| far.inject(&frame(n)[..])));
        for _ in 0..50 {
            let third = lab.ports.pop().unwrap();
            lab.publish();
            let netdev = lab.engine.detach(third.0).unwrap();
            drop(netdev);
            let (dummy, handle) = Dummy::new(1, TxCaps::default()).unwrap();
            lab.engine.attach(third.0, Box::new(dummy), third.2.clone(), &[]).unwrap();
            lab.ports.push((third.0, handle, third.2));
            lab.publish();
        }
    });
    let second = lab.ports[1].clone();
    let deadline = Instant::now() + Duration::from_secs(20);
    while second.2.sum(|c| c.tx_packets.get()) < u64::from(total) {
        assert!(Instant::now() < deadline, "frames were lost");
        std::thread::yield_now();
    }
    let moved = lab.sum(|c| c.rx_packets.get()) + lab.sum(|c| c.copies.get());
    let reasons = crate::DropReason::ALL;
    let drops = lab.sum(|c| reasons.iter().map(|r| c.rx_drops(*r) + c.tx_drops(*r)).sum());
    assert_eq!(moved, lab.sum(|c| c.tx_packets.get()) + drops);
}

/// A bridge with flows, and its tables, which send everything to port 1.
fn with_flows(workers: Workers) -> (Script, Lab) {
    let script = Script::default();
    to(&script, 1);
    let handlers = {
        let script = script.clone();
        Arc::new(move |_| script.handler())
    };
    (script, Lab::with_handlers(workers, (3, 1), Some(handlers)))
}

fn to(script: &Script, no: u16) {
    script.set(0, vec![(FlowMatch::ANY, Actions::output(PortNo::new(no).unwrap()))]);
}

#[test]
fn after_a_barrier_no_packet_goes_by_the_old_tables() {
    let (script, mut lab) = with_flows(Workers::Threads(PollCpus::Pinned(vec![0, 1])));
    for n in 0..200u16 {
        let at = 1 + n % 2;
        to(&script, at);
        lab.engine.sync();
        lab.ports[0].1.inject(&frame(n)[..]);
        lab.wait_sent(u64::from(n) + 1);
        let sent = lab.ports[usize::from(at)].1.take_sent();
        assert_eq!(sent.len(), 1, "{n}");
    }
}

#[test]
fn changes_under_load_lose_nothing() {
    let (script, mut lab) = with_flows(Workers::Threads(PollCpus::One));
    let far = lab.ports[0].1.clone();
    let total = 20_000u16;
    std::thread::scope(|scope| {
        scope.spawn(|| (0..total).for_each(|n| far.inject(&frame(n)[..])));
        for n in 0..100 {
            to(&script, 1 + n % 2);
            lab.engine.sync();
        }
    });
    lab.wait_sent(u64::from(total));
}

#[test]
fn an_injected_packet_is_counted_and_handled_as_asked() {
    let (_, mut lab) = with_flows(Workers::Inline);
    let in_port = lab.ports[0].0;
    let bytes = frame(1);
    let by_tables = Injected { in_port, bytes: bytes.clone(), actions: None };
    lab.engine.inject(by_tables.clone());
    let actions = Some(Actions::output(lab.ports[2].0));
    lab.engine.inject(Injected { actions, ..by_tables });
    for at in [1, 2] {
        let sent = lab.ports[at].1.take_sent();
        assert_eq!(sent.iter().map(|f| &f.bytes[..]).collect::<Vec<_>>(), [&bytes[..]]);
    }
    assert_eq!((lab.sum(|c| c.injected.get()), lab.sum(|c| c.tx_packets.get())), (2, 2));
    let mut flows = Vec::new();
    lab.engine.dump_flows(|thread, flow| flows.push((thread, flow.stats.packets)));
    assert_eq!(flows, [(0, 1)]);
    lab.engine.detach(in_port);
    lab.engine.dump_flows(|_, _| panic!("the port is gone"));
    assert_eq!(lab.engine.threads()[0].upcalls, 1);
}

#[test]
fn an_idle_engine_holds_no_frames() {
    let mut lab = Lab::new(Workers::Inline, 2, 1);
    lab.ports[0].1.inject(&frame(1)[..]);
    all_inline(&mut lab);
    let memory = lab.engine.memory().clone();
    drop(lab);
    assert_eq!(memory.n_free(crate::SizeClass::Small), 4096);
    assert_eq!(memory.n_free(crate::SizeClass::Large), 64);
}
