//! The `packet` driver, on veth pairs.

use std::net::{IpAddr, UdpSocket};
use std::time::Duration;

use datapath::frame::{Checksum, Frame};
use datapath::netdev::afpacket::Packet;
use datapath::netdev::null::Null;
use datapath::netdev::{NetdevError, RecvStatus};
use datapath::{Batch, DropReason, MAX_BURST};
use packet::VlanTag;
use switch_tests::wait::wait_until;

use crate::netns::{Ip, netns};
use crate::rig::{Memory, PATIENCE, Side, Wake, bytes, frame, tagged};
use crate::stream::{Edit, Path, STREAM_LEN, forward_while, tcp};
use switch_tests::netns::Netns;

/// Two ports at the two ends of a veth pair.
fn pair(n_rxq: usize) -> (Netns, Memory, Side, Side) {
    let ns = netns();
    ns.ips(&[
        "link add va type veth peer name vb",
        "link set va up mtu 9000",
        "link set vb up mtu 9000",
    ]);
    let memory = Memory::new();
    let a = ns.enter(|| Side::new(Packet::open("va", 1).unwrap(), &memory));
    let b = ns.enter(|| Side::new(Packet::open("vb", n_rxq).unwrap(), &memory));
    (ns, memory, a, b)
}

fn finish(sides: Vec<Side>, memory: &Memory) {
    sides.into_iter().for_each(Side::close);
    memory.assert_complete();
}

#[test]
fn frames_of_every_size_cross_both_ways() {
    let (_ns, memory, mut a, mut b) = pair(1);
    let sizes = [14, 60, 61, 1514, 1791, 1792, 1793, 4000, 9014];
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
        assert_eq!((counters.rx_packets.get(), counters.tx_packets.get()), (27, 27));
        assert_eq!((counters.rx_bytes.get(), counters.tx_bytes.get()), (n_bytes, n_bytes));
        side.assert_no_drops();
    }
    finish(vec![a, b], &memory);
}

#[test]
fn a_busy_queue_asks_for_more_with_each_call_up_to_a_batch() {
    let (_ns, memory, mut a, mut b) = pair(1);
    let frames: Vec<_> = (0..200).map(|seed| frame(100, seed)).collect();
    a.send(&frames);
    let mut all = Vec::new();
    for expected in [1, 2, 4, 8, 16, MAX_BURST, MAX_BURST] {
        let (batch, status) = b.recv(0);
        assert_eq!((batch.len(), status), (expected, RecvStatus::More));
        all.extend(bytes(&batch));
        b.pool.put_all(batch);
    }
    all.extend(bytes(&b.recv_n(200 - all.len())));
    assert!(all == frames);
    b.assert_no_drops();
    finish(vec![a, b], &memory);
}

#[test]
fn an_arrival_wakes_an_edge_triggered_sleeper() {
    let (_ns, memory, mut a, mut b) = pair(1);
    let wake = Wake::new(&b, 0);
    b.drain(0);
    while wake.comes_within(Duration::ZERO) {}
    for seed in 0..10 {
        a.send(&[frame(60, seed)]);
        assert!(wake.comes_within(PATIENCE));
        assert_eq!(b.drain(0), RecvStatus::Drained);
        assert!(!wake.comes_within(Duration::ZERO), "an edge without an arrival");
    }
    assert_eq!(b.counters.rx_packets.get(), 10);
    finish(vec![a, b], &memory);
}

#[test]
fn vlan_tags_are_put_back() {
    let (_ns, memory, mut a, mut b) = pair(1);
    let plain = frame(100, 1);
    let once = tagged(&plain, 0x8100, 0x6064);
    let service = tagged(&plain, 0x88a8, 0x0fff);
    let zero = tagged(&plain, 0x8100, 0);
    let twice = tagged(&once, 0x88a8, 5);
    let long = tagged(&frame(9014, 2), 0x8100, 7);
    let frames = vec![plain, once, service, zero, twice, long];
    a.send(&frames);
    assert!(bytes(&b.recv_n(frames.len())) == frames);
    let n_bytes: usize = frames.iter().map(Vec::len).sum();
    assert_eq!(b.counters.rx_bytes.get(), n_bytes as u64);
    a.assert_no_drops();
    finish(vec![a, b], &memory);
}

#[test]
fn what_the_port_sends_it_does_not_receive() {
    for n_rxq in [1, 2] {
        let (_ns, memory, a, mut b) = pair(n_rxq);
        b.send(&[frame(60, 1), frame(60, 2)]);
        for queue in 0..n_rxq {
            assert_eq!(b.drain(queue), RecvStatus::Drained);
        }
        assert_eq!(b.counters.rx_packets.get(), 0);
        finish(vec![a, b], &memory);
    }
}

#[test]
fn a_frame_above_the_mtu_is_counted_and_the_rest_is_sent() {
    let (_ns, memory, mut a, mut b) = pair(1);
    let (good, long) = (frame(60, 1), frame(9019, 2));
    a.send(&[good.clone(), long, good.clone()]);
    assert!(bytes(&b.recv_n(2)) == [good.clone(), good]);
    assert_eq!((a.tx_drops(DropReason::MtuExceeded), a.counters.tx_packets.get()), (1, 2));
    let mut runt: Batch = [a.pool.from_bytes(&[2; 13]).unwrap()].into_iter().collect();
    a.send_batch(&mut runt);
    assert_eq!(a.tx_drops(DropReason::TxError), 1);
    finish(vec![a, b], &memory);
}

#[test]
fn down_and_up_again_is_no_loss_of_the_device() {
    let (ns, memory, mut a, mut b) = pair(1);
    let wake = Wake::new(&b, 0);
    for round in 0..3 {
        ns.ips(&["link set vb down"]);
        assert_eq!((a.drain(0), b.drain(0)), (RecvStatus::Drained, RecvStatus::Drained));
        b.send(&[frame(60, 1), frame(60, 2)]);
        assert_eq!(b.tx_drops(DropReason::TxPortDown), 2 * (round + 1));
        ns.ips(&["link set vb up"]);
        assert_eq!(b.drain(0), RecvStatus::Drained);
        while wake.comes_within(Duration::ZERO) {}
        b.send(&[frame(60, 3)]);
        assert_eq!(a.recv_n(1).len(), 1);
        a.send(&[frame(60, 4)]);
        assert!(wake.comes_within(PATIENCE), "no edge after the interface came up");
        assert_eq!(b.recv_n(1).len(), 1);
    }
    finish(vec![a, b], &memory);
}

#[test]
fn a_deleted_device_is_gone() {
    let (ns, memory, mut a, mut b) = pair(1);
    ns.ips(&["link del va"]);
    assert_eq!(a.drain(0), RecvStatus::Gone);
    assert_eq!(b.drain(0), RecvStatus::Gone);
    a.send(&[frame(60, 1)]);
    assert_eq!(a.tx_drops(DropReason::TxPortDown), 1);
    let netdev = std::mem::replace(&mut a.netdev, Box::new(Null));
    assert!(ns.enter(move || netdev.open_txq().is_err()));
    finish(vec![a, b], &memory);
}

#[test]
fn a_device_deleted_while_down_is_gone_too() {
    let (ns, memory, mut a, b) = pair(1);
    ns.ips(&["link set va down"]);
    assert_eq!(a.drain(0), RecvStatus::Drained);
    ns.ips(&["link del va"]);
    assert_eq!(a.drain(0), RecvStatus::Gone);
    finish(vec![a, b], &memory);
}

#[test]
fn a_device_that_moves_to_another_namespace_is_gone() {
    let (ns, memory, mut a, b) = pair(1);
    let other = netns();
    ns.ips(&[&format!("link set va netns {}", other.name())]);
    assert_eq!(a.drain(0), RecvStatus::Gone);
    finish(vec![a, b], &memory);
}

#[test]
fn a_fanout_group_shares_the_flows() {
    let (_ns, memory, mut a, mut b) = pair(2);
    let flow = |port: u8| {
        // IPv4 and UDP headers, so that the kernel's flow hash sees ports; checksums are not looked at.
        let mut bytes = frame(60, 1);
        bytes[12..14].copy_from_slice(&[8, 0]);
        bytes[14..34]
            .copy_from_slice(&[0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        bytes[34..42].copy_from_slice(&[0, port, 0, 9, 0, 26, 0, 0]);
        bytes
    };
    let frames: Vec<_> = (0..100).map(flow).collect();
    a.send(&frames);
    let mut per_queue = [Vec::new(), Vec::new()];
    wait_until("all frames on either queue", PATIENCE, || {
        for (queue, got) in per_queue.iter_mut().enumerate() {
            let (batch, _) = b.recv(queue);
            got.extend(bytes(&batch));
        }
        per_queue.iter().map(Vec::len).sum::<usize>() >= frames.len()
    });
    assert!(per_queue.iter().all(|got| got.len() > 10), "{:?}", per_queue.each_ref().map(Vec::len));
    let mut all = per_queue.concat();
    all.sort();
    assert!(all == frames, "a frame came twice");
    finish(vec![a, b], &memory);
}

#[test]
fn frames_that_nobody_reads_are_counted_as_missed() {
    let (_ns, memory, mut a, mut b) = pair(1);
    let burst: Vec<_> = (0..32).map(|seed| frame(9014, seed)).collect();
    for _ in 0..60 {
        a.send(&burst);
    }
    assert_eq!(b.drain(0), RecvStatus::Drained);
    let counters = &b.counters;
    assert!(counters.rx_missed.get() > 0);
    let n_seen = counters.rx_packets.get() + counters.rx_missed.get();
    assert_eq!(n_seen, a.counters.tx_packets.get());
    finish(vec![a, b], &memory);
}

#[test]
fn without_large_buffers_large_frames_are_dropped_by_name() {
    let (_ns, memory, mut a, mut b) = pair(1);
    let poor = datapath::FrameMemory::new(2, 0).unwrap();
    b.pool = datapath::FramePool::new(poor.clone());
    a.send(&[frame(9014, 1), frame(60, 2), frame(60, 3), frame(60, 4)]);
    let mut n = 0;
    wait_until("three small frames", PATIENCE, || {
        let (batch, _) = b.recv(0);
        assert!(batch.iter().all(|frame| frame.len() == 60));
        n += batch.len();
        b.pool.put_all(batch);
        n == 3
    });
    assert_eq!(b.counters.rx_drops(DropReason::NoFrame), 1);
    b.close();
    assert_eq!(poor.n_free(datapath::SizeClass::Small), 2);
    finish(vec![a], &memory);
}

#[test]
fn refusals_name_the_interface_and_the_reason() {
    let ns = netns();
    let error = |name: &'static str, n_rxq| {
        ns.enter(|| Packet::open(name, n_rxq).err().map(|e: NetdevError| e.to_string())).unwrap()
    };
    let missing = error("nosuch0", 1);
    assert!(missing.starts_with("nosuch0: find the interface: No such device"), "{missing}");
    let long = error("a-name-of-16-byt", 1);
    assert!(long.contains("interface name") && long.contains("1-15 bytes"), "{long}");
    assert!(error("a", 0).contains("number of receive queues is 0 (allowed: 1-64)"));
    let loopback = error("lo", 1);
    assert!(loopback.contains("link type is 772 (allowed: 1, Ethernet)"), "{loopback}");
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

fn keep(_: &mut Frame) {}

#[test]
fn tcp_segments_cross_whole() {
    let (switch, [h1, h2]) = hosts();
    let memory = Memory::new();
    let open = |name| switch.enter(|| Side::new(Packet::open(name, 1).unwrap(), &memory));
    let (mut p1, mut p2) = (open("p1"), open("p2"));
    let mut paths = [Path { ends: [&mut p1, &mut p2], edits: [keep, keep] }];
    let ((), seen) = forward_while(&mut paths, || {
        tcp(&h1, &h2, "10.0.0.2".parse::<IpAddr>().unwrap());
        tcp(&h2, &h1, "fd00::1".parse::<IpAddr>().unwrap());
    });
    assert!(seen.tcp_v4 > 20 && seen.tcp_v6 > 20 && seen.longest > 30_000, "{seen:?}");
    // Whole segments: far fewer frames than bytes / 1448.
    let n = p1.counters.rx_packets.get() + p2.counters.rx_packets.get();
    assert!(n < (STREAM_LEN / 1448) as u64, "{n} frames");
    p1.assert_no_drops();
    p2.assert_no_drops();
    finish(vec![p1, p2], &memory);
}

#[test]
fn udp_segments_cross_whole() {
    let (switch, [h1, h2]) = hosts();
    let memory = Memory::new();
    let open = |name| switch.enter(|| Side::new(Packet::open(name, 1).unwrap(), &memory));
    let (mut p1, mut p2) = (open("p1"), open("p2"));
    let receiver = h2.enter(|| UdpSocket::bind("10.0.0.2:0")).unwrap();
    receiver.set_read_timeout(Some(PATIENCE)).unwrap();
    let sender = h1.enter(|| UdpSocket::bind("10.0.0.1:0")).unwrap();
    nix::sys::socket::setsockopt(&sender, nix::sys::socket::sockopt::UdpGsoSegment, &1000).unwrap();
    let mut paths = [Path { ends: [&mut p1, &mut p2], edits: [keep, keep] }];
    let ((), seen) = forward_while(&mut paths, || {
        let data: Vec<u8> = (0..9500_usize).map(|i| u8::try_from(i / 1000).unwrap()).collect();
        sender.send_to(&data, receiver.local_addr().unwrap()).unwrap();
        for i in 0..10 {
            let mut buffer = [0; 2000];
            let n = receiver.recv(&mut buffer).unwrap();
            assert_eq!((n, buffer[0]), (if i == 9 { 500 } else { 1000 }, i));
        }
    });
    assert_eq!(seen.udp, 1, "{seen:?}");
    finish(vec![p1, p2], &memory);
}

/// Two switches between the hosts, joined by a trunk; `push` and `pop` at either end of it.
fn tcp_over_a_trunk(push: Edit, pop: Edit) -> (usize, u64) {
    let (switch, [h1, h2]) = hosts();
    // The kernel grants room for one tag above the MTU, not for two.
    switch.ips(&["link add t1 mtu 1600 type veth peer name t2 mtu 1600"]);
    switch.ips(&["link set t1 up", "link set t2 up"]);
    let memory = Memory::new();
    let open = |name| switch.enter(|| Side::new(Packet::open(name, 1).unwrap(), &memory));
    let (mut p1, mut t1, mut t2, mut p2) = (open("p1"), open("t1"), open("t2"), open("p2"));
    let mut paths = [
        Path { ends: [&mut p1, &mut t1], edits: [push, pop] },
        Path { ends: [&mut t2, &mut p2], edits: [pop, push] },
    ];
    let ((), seen) = forward_while(&mut paths, || {
        tcp(&h1, &h2, "10.0.0.2".parse::<IpAddr>().unwrap());
        tcp(&h2, &h1, "fd00::1".parse::<IpAddr>().unwrap());
    });
    assert_eq!(t1.tx_drops(DropReason::TxError) + t2.tx_drops(DropReason::TxError), 0);
    let n_trunk = t2.counters.rx_packets.get();
    finish(vec![p1, t1, t2, p2], &memory);
    (seen.tcp_v4 + seen.tcp_v6, n_trunk)
}

#[test]
fn tagged_segments_cross_whole() {
    let push = |frame: &mut Frame| assert!(frame.push_vlan(0x8100, VlanTag(100)));
    let pop = |frame: &mut Frame| {
        assert_eq!(frame.data()[12..16], [0x81, 0, 0, 100]);
        assert!(frame.pop_vlan());
    };
    let (n_whole, n_trunk) = tcp_over_a_trunk(push, pop);
    assert!(n_whole > 40, "{n_whole}");
    assert!(n_trunk < (STREAM_LEN / 1448) as u64, "{n_trunk} frames on the trunk");
}

#[test]
fn double_tagged_segments_are_cut_by_the_kernel() {
    let push = |frame: &mut Frame| {
        assert!(frame.push_vlan(0x8100, VlanTag(100)) && frame.push_vlan(0x88a8, VlanTag(200)));
    };
    let pop = |frame: &mut Frame| {
        assert_eq!(frame.data()[12..20], [0x88, 0xa8, 0, 200, 0x81, 0, 0, 100]);
        assert!(frame.pop_vlan() && frame.pop_vlan());
    };
    let (n_whole, _) = tcp_over_a_trunk(push, pop);
    assert!(n_whole > 40, "{n_whole}");
}

#[test]
fn segments_are_cut_for_a_device_without_segmentation() {
    let (switch, [h1, h2]) = hosts();
    let memory = Memory::new();
    let open = |name| switch.enter(|| Side::new(Packet::open(name, 1).unwrap(), &memory));
    let (mut p1, mut p2) = (open("p1"), open("p2"));
    switch.enter(|| {
        let words = ["-K", "p2", "tso", "off", "gso", "off", "tx", "off"];
        let status = std::process::Command::new("ethtool").args(words).output().unwrap().status;
        assert!(status.success(), "ethtool");
    });
    let mut paths = [Path { ends: [&mut p1, &mut p2], edits: [keep, keep] }];
    let ((), seen) =
        forward_while(&mut paths, || tcp(&h1, &h2, "10.0.0.2".parse::<IpAddr>().unwrap()));
    assert!(seen.tcp_v4 > 20, "{seen:?}");
    finish(vec![p1, p2], &memory);
}

#[test]
fn unfinished_checksums_are_told() {
    let (switch, [h1, h2]) = hosts();
    let memory = Memory::new();
    let mut p1 = switch.enter(|| Side::new(Packet::open("p1", 1).unwrap(), &memory));
    h1.ips(&["neigh add 10.0.0.2 lladdr 02:00:00:00:00:02 dev eth0 nud permanent"]);
    let sender = h1.enter(|| UdpSocket::bind("10.0.0.1:0")).unwrap();
    sender.send_to(b"hello", "10.0.0.2:7").unwrap();
    let frames = p1.recv_n(1);
    let udp = frames.iter().find(|frame| frame.data()[12..14] == [8, 0]).expect("an IPv4 frame");
    assert_eq!(udp.offload().checksum, Checksum::Partial { start: 34, offset: 6 });
    drop((frames, h2));
    finish(vec![p1], &memory);
}
