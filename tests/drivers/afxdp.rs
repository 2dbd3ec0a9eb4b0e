//! The `afxdp` driver, on veth pairs.

use std::net::{IpAddr, UdpSocket};
use std::time::Duration;

use datapath::frame::{Checksum, Frame, FrameMemory, SizeClass};
use datapath::netdev::RecvStatus;
use datapath::netdev::afpacket::Packet;
use datapath::netdev::afxdp::{AfXdp, AfXdpConfig, CsumRecover, XdpMode};
use datapath::netdev::null::Null;
use datapath::netdev::tap::{Tap, TapConfig};
use datapath::{Batch, DropReason, MAX_BURST};
use switch_tests::netns::Netns;
use switch_tests::wait::wait_until;

use crate::netns::{Ip, netns};
use crate::rig::{Memory, PATIENCE, Side, Wake, bytes, frame, tagged};
use crate::stream::{Path, forward_while, tcp};

fn open(name: &str, memory: &Memory) -> AfXdp {
    AfXdp::open(&AfXdpConfig::new(name), &memory.0).expect("an AF_XDP port")
}

/// Two ports at the two ends of a veth pair.
fn pair() -> (Netns, Memory, Side, Side) {
    let ns = netns();
    ns.ips(&[
        "link add va type veth peer name vb",
        "link set va up mtu 9000",
        "link set vb up mtu 9000",
    ]);
    let memory = Memory::new();
    let a = ns.enter(|| Side::new(open("va", &memory), &memory));
    let b = ns.enter(|| Side::new(open("vb", &memory), &memory));
    (ns, memory, a, b)
}

fn finish(sides: Vec<Side>, memory: &Memory) {
    sides.into_iter().for_each(Side::close);
    memory.assert_complete();
}

/// One of the driver's own facts.
fn fact(side: &Side, key: &str) -> String {
    let status = side.netdev.status();
    status.into_iter().find(|(name, _)| *name == key).map(|(_, value)| value).expect("a fact")
}

#[test]
fn frames_of_every_size_cross_both_ways() {
    let (_ns, memory, mut a, mut b) = pair();
    let sizes = [14, 60, 61, 1514, 1791, 1792, 1793, 3584, 3585, 4000, 9014];
    let frames: Vec<_> = sizes.iter().zip(0..).map(|(len, seed)| frame(*len, seed)).collect();
    for _ in 0..3 {
        a.send(&frames);
        assert!(bytes(&b.recv_n(frames.len())) == frames);
        b.send(&frames);
        assert!(bytes(&a.recv_n(frames.len())) == frames);
    }
    let n_bytes = 3 * sizes.iter().sum::<usize>() as u64;
    for side in [&a, &b] {
        let counters = &side.counters;
        assert_eq!((counters.rx_packets.get(), counters.tx_packets.get()), (33, 33));
        assert_eq!((counters.rx_bytes.get(), counters.tx_bytes.get()), (n_bytes, n_bytes));
        side.assert_no_drops();
        assert_eq!((fact(side, "xdp_mode"), fact(side, "n_rxq")), ("native".into(), "1".into()));
        assert_eq!(fact(side, "bad_completions"), "0");
    }
    finish(vec![a, b], &memory);
}

#[test]
fn generic_mode_works_on_any_interface() {
    let ns = netns();
    ns.ips(&["link add va type veth peer name vb", "link set va up", "link set vb up"]);
    let memory = Memory::new();
    let generic = |name| {
        let config = AfXdpConfig { mode: XdpMode::Generic, ..AfXdpConfig::new(name) };
        ns.enter(|| Side::new(AfXdp::open(&config, &memory.0).unwrap(), &memory))
    };
    let (mut a, mut b) = (generic("va"), generic("vb"));
    let frames: Vec<_> = [60, 1514].iter().map(|len| frame(*len, 3)).collect();
    a.send(&frames);
    assert!(bytes(&b.recv_n(2)) == frames);
    assert_eq!(fact(&b, "xdp_mode"), "generic");
    finish(vec![a, b], &memory);
}

#[test]
fn an_arrival_wakes_an_edge_triggered_sleeper() {
    let (_ns, memory, mut a, mut b) = pair();
    let wake = Wake::new(&b, 0);
    b.drain(0);
    while wake.comes_within(Duration::ZERO) {}
    for seed in 0..10 {
        a.send(&[frame(60, seed)]);
        assert!(wake.comes_within(PATIENCE));
        assert_eq!(b.recv_n(1).len(), 1);
        while wake.comes_within(Duration::ZERO) {}
    }
    assert_eq!(b.counters.rx_packets.get(), 10);
    finish(vec![a, b], &memory);
}

#[test]
fn vlan_tags_cross() {
    let (_ns, memory, mut a, mut b) = pair();
    let plain = frame(100, 1);
    let once = tagged(&plain, 0x8100, 0x6064);
    let twice = tagged(&once, 0x88a8, 5);
    let long = tagged(&frame(9014, 2), 0x8100, 7);
    let frames = vec![plain, once, twice, long];
    a.send(&frames);
    assert!(bytes(&b.recv_n(frames.len())) == frames);
    a.assert_no_drops();
    finish(vec![a, b], &memory);
}

/// What one port received another sends without a copy: the data stays at its address.
#[test]
fn a_frame_is_sent_from_where_it_was_received() {
    let (ns, memory, mut a, mut b) = pair();
    ns.ips(&["link add vc type veth peer name vd", "link set vc up", "link set vd up"]);
    let mut c = ns.enter(|| Side::new(open("vc", &memory), &memory));
    let mut d = ns.enter(|| Side::new(open("vd", &memory), &memory));
    let sent = frame(1000, 4);
    a.send(std::slice::from_ref(&sent));
    let received = b.recv_n(1);
    let address = received[0].data().as_ptr();
    let mut batch: Batch = received.into_iter().collect();
    c.send_batch(&mut batch);
    assert!(bytes(&d.recv_n(1)) == [sent]);
    // It has come home: the pool, last in first out, gives it again.
    wait_until("the completion", PATIENCE, || {
        c.drain(0);
        let frames: Vec<Frame> =
            std::iter::from_fn(|| c.pool.get(SizeClass::Small)).take(256).collect();
        let found = frames.iter().any(|frame| frame.data().as_ptr() == address);
        c.pool.put_all(frames);
        found
    });
    finish(vec![a, b, c, d], &memory);
}

#[test]
fn frames_of_other_ports_go_out_of_the_same_memory() {
    let ns = netns();
    ns.ips(&[
        "link add va type veth peer name vb",
        "link add vc type veth peer name vd",
        "link set va up",
        "link set vb up",
        "link set vc up",
        "link set vd up",
    ]);
    let memory = Memory::new();
    let packet = |name| ns.enter(|| Side::new(Packet::open(name, 1).unwrap(), &memory));
    let (mut a, mut b) = (packet("va"), packet("vb"));
    let (mut c, mut d) = (ns.enter(|| Side::new(open("vc", &memory), &memory)), packet("vd"));
    let frames: Vec<_> = (0..20).map(|seed| frame(60 + usize::from(seed), seed)).collect();
    a.send(&frames);
    for frame in b.recv_n(20) {
        let mut batch: Batch = [frame].into_iter().collect();
        c.send_batch(&mut batch);
    }
    assert!(bytes(&d.recv_n(20)) == frames);
    finish(vec![a, b, c, d], &memory);
}

#[test]
fn down_and_up_again_is_no_loss_of_the_device() {
    let (ns, memory, mut a, mut b) = pair();
    for _ in 0..3 {
        ns.ips(&["link set vb down"]);
        b.send(&[frame(60, 1)]);
        let n_lost = b.tx_drops(DropReason::TxPortDown);
        b.send(&[frame(60, 2), frame(60, 3)]);
        assert_eq!(b.tx_drops(DropReason::TxPortDown), n_lost + 2);
        assert_ne!(b.drain(0), RecvStatus::Gone);
        ns.ips(&["link set vb up"]);
        // The one that was in the ring already, and one more.
        b.send(&[frame(60, 4)]);
        assert!(bytes(&a.recv_n(2)) == [frame(60, 1), frame(60, 4)]);
        a.send(&[frame(60, 5)]);
        assert!(bytes(&b.recv_n(1)) == [frame(60, 5)]);
    }
    finish(vec![a, b], &memory);
}

fn wait_gone(side: &mut Side) {
    wait_until("the queue to find its device gone", PATIENCE, || side.drain(0) == RecvStatus::Gone);
}

#[test]
fn a_deleted_device_is_gone_and_its_frames_come_home() {
    let (ns, memory, mut a, mut b) = pair();
    a.send(&[frame(60, 1), frame(9014, 2)]);
    ns.ips(&["link del va"]);
    wait_gone(&mut a);
    wait_gone(&mut b);
    a.send(&[frame(60, 1)]);
    a.send(&[frame(60, 2)]);
    assert_eq!(a.tx_drops(DropReason::TxPortDown), 1);
    let netdev = std::mem::replace(&mut a.netdev, Box::new(Null));
    assert!(ns.enter(move || netdev.open_txq().is_err()));
    finish(vec![a, b], &memory);
}

#[test]
fn a_device_that_moves_to_another_namespace_is_gone() {
    let (ns, memory, mut a, b) = pair();
    let other = netns();
    ns.ips(&[&format!("link set va netns {}", other.name())]);
    wait_gone(&mut a);
    finish(vec![a, b], &memory);
}

#[test]
fn frames_that_nobody_reads_are_counted_as_missed() {
    let (_ns, memory, mut a, mut b) = pair();
    let burst: Vec<_> = (0..32).map(|seed| frame(60, seed)).collect();
    for _ in 0..20 {
        a.send(&burst);
    }
    let seen = |b: &Side| b.counters.rx_packets.get() + b.counters.rx_missed.get();
    wait_until("every frame to be seen or missed", PATIENCE, || {
        b.drain(0);
        seen(&b) == a.counters.tx_packets.get()
    });
    assert!(b.counters.rx_missed.get() > 0, "the level is below 640 frames here");
    finish(vec![a, b], &memory);
}

#[test]
fn without_large_buffers_large_frames_are_dropped_by_name() {
    let (_ns, memory, mut a, mut b) = pair();
    let mut frames = vec![frame(9014, 1)];
    frames.extend((0..3).map(|seed| frame(60, seed)));
    a.send(&frames);
    let hog: Vec<Frame> = std::iter::from_fn(|| b.pool.get(SizeClass::Large)).collect();
    let held = std::iter::from_fn(|| a.pool.get(SizeClass::Large)).collect::<Vec<_>>();
    assert!(bytes(&b.recv_n(3)) == frames[1..]);
    assert_eq!(b.counters.rx_drops(DropReason::NoFrame), 1);
    drop((hog, held));
    finish(vec![a, b], &memory);
}

#[test]
fn several_queues_share_the_flows_and_move_between_threads() {
    let ns = netns();
    ns.ips(&[
        "link add va numrxqueues 4 numtxqueues 4 type veth peer name vb numrxqueues 4 numtxqueues 4",
        "link set va up",
        "link set vb up",
    ]);
    let memory = Memory::new();
    let mut a = ns.enter(|| Side::new(open("va", &memory), &memory));
    let mut b = ns.enter(|| Side::new(open("vb", &memory), &memory));
    assert_eq!(fact(&b, "n_rxq"), b.rxqs.len().to_string());
    assert_eq!(b.rxqs.len(), 4);
    for queue in 0..4 {
        if queue > 0 {
            a.txq = a.netdev.open_txq().unwrap();
        }
        a.send(&[frame(60, queue)]);
    }
    let mut got = Vec::new();
    wait_until("a frame on each queue", PATIENCE, || {
        for queue in 0..4 {
            got.extend(bytes(&b.recv(queue).0));
        }
        got.len() == 4
    });
    let few = AfXdpConfig { n_rxq: Some(2), ..AfXdpConfig::new("va") };
    let error = ns.enter(|| AfXdp::open(&few, &memory.0).err().unwrap().to_string());
    assert!(error.contains("n_rxq=2 (allowed: 4"), "{error}");
    finish(vec![a, b], &memory);
}

#[test]
fn refusals_name_the_interface_the_reason_and_the_cure() {
    let ns = netns();
    ns.ips(&["link add va type veth peer name vb", "link set va up", "link set vb up"]);
    let memory = Memory::new();
    let error = |config: AfXdpConfig| {
        let opened = ns.enter(|| AfXdp::open(&config, &memory.0));
        opened.err().expect("a refusal").to_string()
    };
    let missing = error(AfXdpConfig::new("nosuch0"));
    assert!(missing.starts_with("nosuch0: find the interface: No such device"), "{missing}");
    let loopback = error(AfXdpConfig::new("lo"));
    assert!(loopback.contains("link type is 772 (allowed: 1, Ethernet)"), "{loopback}");
    let zero_copy = AfXdpConfig { mode: XdpMode::NativeWithZerocopy, ..AfXdpConfig::new("va") };
    let zero_copy = error(zero_copy);
    assert!(zero_copy.contains("mode native-with-zerocopy"), "{zero_copy}");
    assert!(zero_copy.contains("xdp-mode=best-effort"), "{zero_copy}");

    // Ours is there: another one is refused, and told whose it is.
    let first = ns.enter(|| open("va", &memory));
    let attached = error(AfXdpConfig::new("va"));
    assert!(attached.starts_with("va: XDP program "), "{attached}");
    assert!(attached.contains("(vswitch_xsk)") && attached.contains("xdp off"), "{attached}");
    drop(first);
    ns.enter(|| open("va", &memory));
    memory.assert_complete();

    let poor = Memory(FrameMemory::new(8, 0).unwrap());
    let opened = ns.enter(|| AfXdp::open(&AfXdpConfig::new("va"), &poor.0));
    let text = opened.err().unwrap().to_string();
    assert!(text.contains("8 packet buffers are free (needed: 64"), "{text}");
}

#[test]
fn no_program_is_left_when_the_port_is_closed() {
    let (ns, memory, a, b) = pair();
    assert!(ns.link("va")["xdp"]["prog"]["id"].is_number(), "{}", ns.link("va"));
    finish(vec![a, b], &memory);
    assert!(ns.link("va")["xdp"].is_null(), "{}", ns.link("va"));
}

/// Two hosts and the switch's ends of their veth pairs.
fn hosts() -> (Netns, [Netns; 2]) {
    let switch = netns();
    let hosts = [1, 2].map(|i| {
        let host = netns();
        host.enter(|| std::fs::write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "0")).unwrap();
        switch.ips(&[&format!("link add p{i} type veth peer name eth0 netns {}", host.name())]);
        host.enter(|| std::fs::write("/proc/sys/net/ipv6/conf/eth0/disable_ipv6", "0")).unwrap();
        switch.ips(&[&format!("link set p{i} up")]);
        host.ips(&[
            &format!("addr add 10.0.0.{i}/24 dev eth0"),
            &format!("addr add fd00::{i}/64 dev eth0 nodad"),
            "link set eth0 up",
        ]);
        host
    });
    (switch, hosts)
}

#[test]
fn unfinished_checksums_are_found_unless_that_is_turned_off() {
    for (csum_recover, expected) in [
        (CsumRecover::ByDevice, Checksum::Partial { start: 34, offset: 6 }),
        (CsumRecover::Off, Checksum::Unknown),
    ] {
        let (switch, [h1, _h2]) = hosts();
        let memory = Memory::new();
        let config = AfXdpConfig { csum_recover, ..AfXdpConfig::new("p1") };
        let mut p1 = switch.enter(|| Side::new(AfXdp::open(&config, &memory.0).unwrap(), &memory));
        h1.ips(&["neigh add 10.0.0.2 lladdr 02:00:00:00:00:02 dev eth0 nud permanent"]);
        let sender = h1.enter(|| UdpSocket::bind("10.0.0.1:0")).unwrap();
        sender.send_to(b"hello", "10.0.0.2:7").unwrap();
        let mut found = None;
        while found.is_none() {
            found = p1.recv_n(1).into_iter().find(|frame| frame.data()[12..14] == [8, 0]);
        }
        let udp = found.expect("an IPv4 frame");
        assert_eq!(udp.offload().checksum, expected);
        let n = u64::from(csum_recover == CsumRecover::ByDevice);
        assert!(p1.counters.rx_checksums.get() >= n);
        drop(udp);
        finish(vec![p1], &memory);
    }
}

fn keep(_: &mut Frame) {}

#[test]
fn streams_cross_without_ethtool() {
    let (switch, [h1, h2]) = hosts();
    let memory = Memory::new();
    let side = |name| switch.enter(|| Side::new(open(name, &memory), &memory));
    let (mut p1, mut p2) = (side("p1"), side("p2"));
    assert!(p1.txq.caps().checksum, "left to the kernel");
    let mut paths = [Path { ends: [&mut p1, &mut p2], edits: [keep, keep] }];
    forward_while(&mut paths, || {
        tcp(&h1, &h2, "10.0.0.2".parse::<IpAddr>().unwrap());
        tcp(&h2, &h1, "fd00::1".parse::<IpAddr>().unwrap());
    });
    assert!(p1.counters.rx_checksums.get() > 1000);
    assert_eq!(p1.counters.tx_checksums.get() + p2.counters.tx_checksums.get(), 0);
    // The sender's kernel has cut the stream; the receiver's gets it in larger pieces again.
    assert!(p1.counters.tx_joined.get() > 0 && p2.counters.tx_joined.get() > 0);
    finish(vec![p1, p2], &memory);
}

/// Whole segments of another driver leave by a veth as they are, and by anything else cut.
#[test]
fn only_a_veth_takes_large_segments() {
    let (switch, _hosts) = hosts();
    let memory = Memory::new();
    let caps = |name: &str| {
        let port = switch.enter(|| Side::new(open(name, &memory), &memory));
        let caps = port.txq.caps();
        finish(vec![port], &memory);
        (caps.tcp_segmentation, caps.udp_segmentation)
    };
    assert_eq!(caps("p1"), (true, true));
    switch.ips(&["link add m1 link p2 type macvlan mode private", "link set m1 up"]);
    assert_eq!(caps("m1"), (false, false));
}

#[test]
fn a_tap_is_driven_too() {
    let ns = netns();
    let memory = Memory::new();
    let mut guest = ns.enter(|| Side::new(Tap::open(&TapConfig::new("t0")).unwrap(), &memory));
    let mut port = ns.enter(|| Side::new(open("t0", &memory), &memory));
    guest.send(&[frame(60, 1), frame(1514, 2)]);
    assert!(bytes(&port.recv_n(2)) == [frame(60, 1), frame(1514, 2)]);
    port.send(&[frame(60, 3)]);
    assert!(bytes(&guest.recv_n(1)) == [frame(60, 3)]);
    finish(vec![guest, port], &memory);
}

/// Ports come and go with frames under way in every stage; every frame comes home each time.
#[test]
fn nothing_leaks_over_a_thousand_rounds() {
    let ns = netns();
    ns.ips(&["link add va type veth peer name vb", "link set va up", "link set vb up"]);
    let memory = Memory(FrameMemory::new(1024, 8).unwrap());
    let burst: Vec<_> = (0..MAX_BURST).map(|seed| frame(60, u8::try_from(seed).unwrap())).collect();
    let mut peer = ns.enter(|| Side::new(Packet::open("vb", 1).unwrap(), &memory));
    for round in 0..1000 {
        let mut a = ns.enter(|| Side::new(open("va", &memory), &memory));
        peer.send(&burst);
        a.send(&burst);
        if round % 3 > 0 {
            let (mut batch, _) = a.recv(0);
            a.send_batch(&mut batch);
        }
        match round % 100 {
            33 => ns.ips(&["link set va down", "link set va up"]),
            66 => {
                peer.close();
                ns.ips(&["link del vb", "link add va type veth peer name vb"]);
                ns.ips(&["link set va up", "link set vb up"]);
                peer = ns.enter(|| Side::new(Packet::open("vb", 1).unwrap(), &memory));
            }
            _ => {}
        }
        a.close();
        peer.drain(0);
        peer.rxqs[0].park(&mut peer.pool);
        peer.pool = memory.pool();
        let free = memory.0.n_free(SizeClass::Small);
        assert_eq!(free, 1024, "round {round}");
    }
    assert!(ns.link("va")["xdp"].is_null(), "{}", ns.link("va"));
    peer.close();
}

/// Binds an AF_XDP socket to queue 0 of `va`, says so, and holds it until its input ends.
const HOLDER: &str = r#"
import ctypes, mmap, socket, struct, sys
xdp = socket.socket(44, socket.SOCK_RAW)
memory = mmap.mmap(-1, 65536)
address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
xdp.setsockopt(283, 4, struct.pack("QQIIII", address, 65536, 2048, 0, 0, 0))
for ring in (5, 6, 2, 3):
    xdp.setsockopt(283, ring, struct.pack("I", 64))
name = struct.pack("HHIII", 44, 2, socket.if_nametoindex("va"), 0, 0)
if ctypes.CDLL(None).bind(xdp.fileno(), name, len(name)) != 0:
    sys.exit("cannot bind")
print("bound", flush=True)
sys.stdin.read()
"#;

#[test]
fn a_queue_that_another_process_holds_is_told() {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;
    let ns = netns();
    ns.ips(&["link add va type veth peer name vb", "link set va up", "link set vb up"]);
    let memory = Memory::new();
    let mut holder = ns.command("python3");
    let mut holder = holder
        .args(["-c", HOLDER])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 starts");
    let mut said = String::new();
    let output = holder.stdout.take().expect("a pipe");
    BufReader::new(output).read_line(&mut said).expect("readable");
    assert_eq!(said, "bound\n");
    let opened = ns.enter(|| AfXdp::open(&AfXdpConfig::new("va"), &memory.0));
    let text = opened.err().expect("a refusal").to_string();
    assert!(text.starts_with("va: queue 0 is in use by another AF_XDP socket"), "{text}");
    assert!(ns.link("va")["xdp"].is_null(), "the program stays: {}", ns.link("va"));
    drop(holder.stdin.take());
    holder.wait().expect("the holder ends");
    drop(ns.enter(|| open("va", &memory)));
    memory.assert_complete();
}
