//! The `tap` driver, with the host's stack at the other end.

use std::net::IpAddr;
use std::time::Duration;

use datapath::frame::Frame;
use datapath::netdev::tap::{AdminState, Lifetime, Tap, TapConfig};
use datapath::netdev::{Netdev, RecvStatus};
use datapath::{DropReason, SizeClass};

use crate::netns::{Ip, netns};
use crate::rig::{Memory, PATIENCE, Side, Wake, frame};
use crate::stream::{Path, STREAM_LEN, forward_while, tcp};
use switch_tests::netns::Netns;

fn open(ns: &Netns, config: &TapConfig) -> Result<Tap, String> {
    ns.enter(|| Tap::open(config).map_err(|error| error.to_string()))
}

fn side(ns: &Netns, config: &TapConfig, memory: &Memory) -> Side {
    ns.enter(|| Side::new(Tap::open(config).unwrap(), memory))
}

fn finish(sides: Vec<Side>, memory: &Memory) {
    sides.into_iter().for_each(Side::close);
    memory.assert_complete();
}

fn keep(_: &mut Frame) {}

#[test]
fn the_interface_is_as_asked_for_and_vanishes() {
    let ns = netns();
    let mac = "02:00:00:00:0a:0b".parse().unwrap();
    let config = TapConfig { mac: Some(mac), mtu: Some(9000), ..TapConfig::new("fifteen-bytes-x") };
    let tap = open(&ns, &config).unwrap();
    assert_eq!(tap.driver(), "tap");
    let link = ns.link("fifteen-bytes-x");
    assert_eq!(link["address"], "02:00:00:00:0a:0b");
    assert_eq!(link["mtu"], 9000);
    assert!(link["flags"].as_array().unwrap().iter().any(|flag| flag == "UP"), "{link}");
    drop(tap);
    assert!(!ns.has_link("fifteen-bytes-x"));
    let down = TapConfig { admin_state: AdminState::AsIs, ..TapConfig::new("t0") };
    let _tap = open(&ns, &down).unwrap();
    assert!(!ns.link("t0")["flags"].as_array().unwrap().iter().any(|flag| flag == "UP"));
}

#[test]
fn what_cannot_be_is_refused_and_leaves_nothing() {
    let ns = netns();
    let error = |config: TapConfig| open(&ns, &config).err().unwrap();
    let long = error(TapConfig::new("a-name-of-16-byt"));
    assert!(long.contains("1-15 bytes"), "{long}");
    let pattern = error(TapConfig::new("t%d"));
    assert!(pattern.contains("interface name"), "{pattern}");
    let mtu = error(TapConfig { mtu: Some(65522), ..TapConfig::new("t0") });
    assert!(mtu.contains("MTU is 65522 (allowed: 68-65521)"), "{mtu}");
    let mac = Some("01:00:5e:00:00:01".parse().unwrap());
    let mac = error(TapConfig { mac, ..TapConfig::new("t0") });
    assert!(mac.contains("a unicast address"), "{mac}");
    for n_queues in [0, 257] {
        let queues = error(TapConfig { n_queues, ..TapConfig::new("t0") });
        assert!(queues.contains("allowed: 1-256"), "{queues}");
    }
    ns.ips(&["link add v0 type veth peer name v1"]);
    let veth = error(TapConfig::new("v0"));
    assert!(veth.contains("exists and is no TAP"), "{veth}");
    ns.ips(&["tuntap add dev tun0 mode tun"]);
    let tun = error(TapConfig::new("tun0"));
    assert!(tun.contains("exists and is no TAP"), "{tun}");
    let held = open(&ns, &TapConfig::new("t0")).unwrap();
    let busy = error(TapConfig::new("t0"));
    assert!(busy.contains("another program uses"), "{busy}");
    drop(held);
    assert!(!ns.has_link("t0") && !ns.has_link("a-name-of-16-by") && !ns.has_link("t0"));
}

#[test]
fn a_persistent_device_is_attached_to_again() {
    let ns = netns();
    let memory = Memory::new();
    for n_queues in [1, 2] {
        let config = TapConfig {
            n_queues,
            mtu: Some(1400),
            lifetime: Lifetime::Persistent,
            ..TapConfig::new("t0")
        };
        for _ in 0..2 {
            side(&ns, &config, &memory).close();
            assert_eq!(ns.link("t0")["mtu"], 1400);
        }
        // The other kind of device is found out.
        let other = TapConfig { n_queues: 3 - n_queues, ..TapConfig::new("t0") };
        match n_queues {
            1 => assert!(open(&ns, &other).err().unwrap().contains("single-queue")),
            _ => assert_eq!(open(&ns, &other).unwrap().take_rxqs().len(), 1),
        }
        assert!(ns.has_link("t0"));
        ns.ips(&["link del t0"]);
    }
    memory.assert_complete();
}

#[test]
fn the_owner_of_a_device_may_open_it_without_rights() {
    let ns = netns();
    let config = TapConfig {
        user: Some(65534),
        group: Some(65533),
        lifetime: Lifetime::Persistent,
        ..TapConfig::new("t0")
    };
    drop(open(&ns, &config).unwrap());
    let fact = |name: &str| ns.must(&["cat", &format!("/sys/class/net/t0/{name}")]);
    assert_eq!((fact("owner").trim(), fact("group").trim()), ("65534", "65533"));
    // Attaches, and lets go of it for good.
    let can_open = |user: &str, group: &str| {
        let as_user = ["setpriv", "--reuid", user, "--regid", group, "--clear-groups"];
        let open = ["ip", "tuntap", "del", "dev", "t0", "mode", "tap"];
        ns.run(&[&as_user[..], &open].concat()).code == 0
    };
    assert!(!can_open("65532", "65533") && !can_open("65534", "65532"));
    assert!(ns.has_link("t0"));
    assert!(can_open("65534", "65533"));
    assert!(!ns.has_link("t0"));
}

#[test]
fn down_and_up_again_is_no_loss_of_the_device() {
    let ns = netns();
    let memory = Memory::new();
    let mut tap = side(&ns, &TapConfig::new("t0"), &memory);
    tap.drain(0);
    let wake = Wake::new(&tap, 0);
    for round in 0..3 {
        ns.ips(&["link set t0 down"]);
        assert_eq!(tap.drain(0), RecvStatus::Drained);
        tap.send(&[frame(60, 1)]);
        assert_eq!(tap.tx_drops(DropReason::TxPortDown), round + 1);
        ns.ips(&["link set t0 up", "addr flush dev t0", "addr add 10.0.0.1/24 dev t0"]);
        tap.drain(0);
        while wake.comes_within(Duration::ZERO) {}
        poke(&ns);
        assert!(wake.comes_within(PATIENCE), "no edge after the interface came up");
        assert!(!tap.recv_n(1).is_empty());
        let n = tap.counters.tx_packets.get();
        tap.send(&[frame(60, 2)]);
        assert_eq!(tap.counters.tx_packets.get(), n + 1);
    }
    finish(vec![tap], &memory);
}

/// Lets the host's stack send a frame: an ARP request.
fn poke(ns: &Netns) {
    let socket = ns.enter(|| std::net::UdpSocket::bind("0.0.0.0:0")).unwrap();
    ns.ips(&["neigh flush all"]);
    socket.send_to(b"x", "10.0.0.77:9").unwrap();
}

#[test]
fn a_deleted_device_wakes_its_reader_and_is_gone() {
    let ns = netns();
    let memory = Memory::new();
    let mut tap = side(&ns, &TapConfig { n_queues: 2, ..TapConfig::new("t0") }, &memory);
    let wakes = [0, 1].map(|queue| Wake::new(&tap, queue));
    for (queue, wake) in wakes.iter().enumerate() {
        tap.drain(queue);
        while wake.comes_within(Duration::ZERO) {}
    }
    ns.ips(&["link del t0"]);
    for (queue, wake) in wakes.iter().enumerate() {
        assert!(wake.comes_within(PATIENCE), "queue {queue} sleeps on");
        assert_eq!(tap.drain(queue), RecvStatus::Gone);
    }
    tap.send(&[frame(60, 1)]);
    assert_eq!(tap.tx_drops(DropReason::TxPortDown), 1);
    finish(vec![tap], &memory);
}

/// A host whose interface is a TAP; it is made in `made` and moved if that is another namespace.
fn tap_host(i: u8, n_queues: usize, memory: &Memory) -> (Netns, Side) {
    let (switch, host) = (netns(), netns());
    let config = TapConfig { n_queues, ..TapConfig::new("tap0") };
    let tap = side(&switch, &config, memory);
    switch.ips(&[&format!("link set tap0 netns {}", host.name())]);
    for conf in ["all", "tap0"] {
        let path = format!("/proc/sys/net/ipv6/conf/{conf}/disable_ipv6");
        host.enter(|| std::fs::write(path, "0")).unwrap();
    }
    host.ips(&[
        &format!("addr add 10.0.0.{i}/24 dev tap0"),
        &format!("addr add fd00::{i}/64 dev tap0 nodad"),
        "link set tap0 up",
    ]);
    (host, tap)
}

#[test]
fn streams_cross_whole_between_devices_in_other_namespaces() {
    for n_queues in [1, 3] {
        let memory = Memory::new();
        let (h1, mut t1) = tap_host(1, n_queues, &memory);
        let (h2, mut t2) = tap_host(2, n_queues, &memory);
        assert_eq!(t1.rxqs.len(), n_queues);
        let mut paths = [Path { ends: [&mut t1, &mut t2], edits: [keep, keep] }];
        let ((), seen) = forward_while(&mut paths, || {
            tcp(&h1, &h2, "10.0.0.2".parse::<IpAddr>().unwrap());
            tcp(&h2, &h1, "fd00::1".parse::<IpAddr>().unwrap());
        });
        assert!(seen.tcp_v4 > 20 && seen.tcp_v6 > 20 && seen.longest > 30_000, "{seen:?}");
        let n = t1.counters.rx_packets.get() + t2.counters.rx_packets.get();
        assert!(n < (STREAM_LEN / 1448) as u64, "{n} frames");
        t1.assert_no_drops();
        t2.assert_no_drops();
        finish(vec![t1, t2], &memory);
    }
}

#[test]
fn frames_wait_in_the_kernel_when_there_are_no_buffers() {
    let ns = netns();
    let memory = Memory::new();
    let mut tap = side(&ns, &TapConfig::new("t0"), &memory);
    ns.ips(&["addr add 10.0.0.1/24 dev t0"]);
    let poor = datapath::FrameMemory::new(1, 0).unwrap();
    tap.pool = datapath::FramePool::new(poor.clone());
    let hostage = tap.pool.get(SizeClass::Small).unwrap();
    poke(&ns);
    assert_eq!(tap.drain(0), RecvStatus::Drained);
    assert_eq!(tap.counters.rx_packets.get(), 0);
    tap.pool.put(hostage);
    assert!(!tap.recv_n(1).is_empty());
    assert_eq!(tap.counters.rx_drops(DropReason::NoFrame), 0);
    tap.close();
    memory.assert_complete();
}
