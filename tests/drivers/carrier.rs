//! The host's stack as a carrier of tunnels: sockets between two namespaces.

use std::collections::BTreeSet;
use std::net::IpAddr;

use datapath::frame::Checksum;
use datapath::netdev::carrier::{Carrier, Outer};
use datapath::netdev::{NetdevError, RecvStatus};
use datapath::{DropReason, Frame};
use packet::tunnel::TunnelKind;
use switch_tests::netns::Netns;
use switch_tests::wait::wait_until;

use crate::netns::{Ip, netns};
use crate::rig::{Memory, PATIENCE, Side};

const PORT: u16 = 4789;
/// Queues, in the order in which a carrier gives them.
const V4: usize = 0;
const V6: usize = 1;

/// Two namespaces on one link, 10.0.0.1 and fd00::1 here, 2 there.
struct Link {
    a: Netns,
    b: Netns,
    memory: Memory,
}

impl Link {
    fn new() -> Link {
        let (a, b) = (netns(), netns());
        a.ips(&[&format!("link add va type veth peer name vb netns {}", b.name())]);
        for (ns, dev, n) in [(&a, "va", 1), (&b, "vb", 2)] {
            ns.must(&["sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=0"]);
            ns.ips(&[
                &format!("addr add 10.0.0.{n}/24 dev {dev}"),
                &format!("addr add fd00::{n}/64 dev {dev} nodad"),
                &format!("link set {dev} up"),
                "link set lo up",
            ]);
        }
        Link { a, b, memory: Memory::new() }
    }

    fn sides(&self, kind: TunnelKind) -> (Side, Side) {
        let open =
            |ns: &Netns| ns.enter(|| Side::new(Carrier::open(kind, PORT).unwrap(), &self.memory));
        (open(&self.a), open(&self.b))
    }

    /// Datagrams that a peer of ours sent go as one skb over the link.
    fn n_sent(&self) -> u64 {
        let link = self.a.ip(&["-json", "-s", "link", "show", "dev", "va"]);
        let link: serde_json::Value = serde_json::from_str(&link).unwrap();
        link[0]["stats64"]["tx"]["packets"].as_u64().unwrap()
    }
}

fn outer(family: usize, source: u16) -> Outer {
    let (src, dst): (IpAddr, IpAddr) = if family == V4 {
        ([10, 0, 0, 1].into(), [10, 0, 0, 2].into())
    } else {
        ("fd00::1".parse().unwrap(), "fd00::2".parse().unwrap())
    };
    Outer { src, dst, tos: 0xb8, ttl: 33, df: true, ports: Some((source, PORT)) }
}

/// A packet of these headers with `len` bytes of data, drawn from `seed`.
fn packet(outer: &Outer, len: usize, seed: u8) -> Vec<u8> {
    let mut packet = vec![0; outer.headers_len()];
    packet.extend((0..len).map(|i| u8::try_from((i * 7 + usize::from(seed) * 13) % 251).unwrap()));
    assert!(outer.emit(&mut packet, len));
    packet
}

fn data(frame: &Frame) -> (Outer, Vec<u8>) {
    let (outer, data) = Outer::parse(frame.data()).expect("an outer packet");
    (outer, data.to_vec())
}

/// Receives until there are `n` frames.
fn recv_n(side: &mut Side, queue: usize, n: usize) -> Vec<Frame> {
    let mut frames = Vec::new();
    wait_until("datagrams", PATIENCE, || {
        loop {
            let (batch, status) = side.recv(queue);
            frames.extend(batch);
            if status != RecvStatus::More {
                break frames.len() >= n;
            }
        }
    });
    frames
}

fn finish(sides: Vec<Side>, memory: &Memory) {
    sides.into_iter().for_each(Side::close);
    memory.assert_complete();
}

#[test]
fn datagrams_of_every_size_cross_with_what_their_headers_say() {
    let link = Link::new();
    let (mut a, mut b) = link.sides(TunnelKind::Vxlan);
    for family in [V4, V6] {
        let outer = outer(family, 40_000);
        let sizes = [8, 58, 100, 1300, 1440];
        let packets: Vec<Vec<u8>> =
            sizes.iter().zip(0..).map(|(len, seed)| packet(&outer, *len, seed)).collect();
        a.send(&packets);
        let frames = recv_n(&mut b, family, sizes.len());
        for (frame, sent) in frames.iter().zip(&packets) {
            let (told, data) = data(frame);
            assert!(sent.ends_with(&data) && data.len() == sent.len() - outer.headers_len());
            assert_eq!((told.src, told.dst), (outer.src, outer.dst));
            assert_eq!((told.tos, told.ttl, told.ports.unwrap().1), (0xb8, 33, PORT));
            assert_eq!(frame.offload().checksum, Checksum::Valid);
        }
        b.pool.put_all(frames);
    }
    assert_eq!((a.counters.tx_packets.get(), b.counters.rx_packets.get()), (10, 10));
    assert_eq!(a.counters.tx_bytes.get(), b.counters.rx_bytes.get());
    a.assert_no_drops();
    b.assert_no_drops();
    finish(vec![a, b], &link.memory);
}

#[test]
fn datagrams_of_one_length_go_down_as_one_and_arrive_as_they_were() {
    let link = Link::new();
    let (mut a, mut b) = link.sides(TunnelKind::Vxlan);
    for family in [V4, V6] {
        let outer = outer(family, 40_000);
        let mut packets: Vec<Vec<u8>> = (0..31).map(|seed| packet(&outer, 1400, seed)).collect();
        packets.push(packet(&outer, 600, 99));
        let before = link.n_sent();
        a.send(&packets);
        let n_sent = link.n_sent() - before;
        assert!(n_sent <= 3, "32 datagrams crossed as {n_sent}");
        let frames = recv_n(&mut b, family, packets.len());
        for (frame, sent) in frames.iter().zip(&packets) {
            let (_, data) = data(frame);
            assert!(sent.ends_with(&data) && data.len() == sent.len() - outer.headers_len());
        }
        b.pool.put_all(frames);
    }
    a.assert_no_drops();
    b.assert_no_drops();
    finish(vec![a, b], &link.memory);
}

#[test]
fn what_is_larger_than_the_link_is_fragmented_or_refused_as_df_says() {
    let link = Link::new();
    let (mut a, mut b) = link.sides(TunnelKind::Geneve);
    let fixed = outer(V4, 40_000);
    let loose = Outer { df: false, ..fixed };
    // Three alike would go down as one, which cannot be fragmented.
    a.send(&[1, 2, 3].map(|seed| packet(&loose, 5000, seed)));
    a.send(&[packet(&fixed, 5000, 4), packet(&fixed, 700, 5)]);
    let frames = recv_n(&mut b, V4, 4);
    let lens: Vec<usize> = frames.iter().map(|frame| data(frame).1.len()).collect();
    assert_eq!(lens, [5000, 5000, 5000, 700]);
    assert_eq!(a.tx_drops(DropReason::MtuExceeded), 1);
    assert_eq!(a.counters.tx_packets.get(), 4);
    b.pool.put_all(frames);
    b.assert_no_drops();
    finish(vec![a, b], &link.memory);
}

#[test]
fn a_flow_keeps_its_source_port_and_flows_have_several() {
    let link = Link::new();
    let (mut a, mut b) = link.sides(TunnelKind::Vxlan);
    let packets: Vec<Vec<u8>> =
        (0..64u16).map(|i| packet(&outer(V4, 40_000 + i / 2), 100, 0)).collect();
    a.send(&packets);
    let frames = recv_n(&mut b, V4, packets.len());
    let seen: Vec<u16> = frames.iter().map(|f| data(f).0.ports.unwrap().0).collect();
    assert!(seen.iter().collect::<BTreeSet<_>>().len() >= 8, "{seen:?}");
    b.pool.put_all(frames);
    a.send(&vec![packet(&outer(V4, 40_007), 100, 0); 20]);
    let frames = recv_n(&mut b, V4, 20);
    let seen: BTreeSet<u16> = frames.iter().map(|f| data(f).0.ports.unwrap().0).collect();
    assert_eq!(seen.len(), 1);
    b.pool.put_all(frames);
    finish(vec![a, b], &link.memory);
}

#[test]
fn gre_crosses_over_both_versions_of_ip() {
    let link = Link::new();
    let (mut a, mut b) = link.sides(TunnelKind::Gre);
    for family in [V4, V6] {
        let outer = Outer { ports: None, ..outer(family, 0) };
        let packets: Vec<Vec<u8>> = (0..40).map(|seed| packet(&outer, 1000, seed)).collect();
        a.send(&packets);
        let frames = recv_n(&mut b, family, packets.len());
        for (frame, sent) in frames.iter().zip(&packets) {
            let (told, data) = data(frame);
            assert!(sent.ends_with(&data) && data.len() == 1000);
            assert_eq!((told.src, told.dst, told.ports), (outer.src, outer.dst, None));
            assert_eq!((told.tos, told.ttl), (0xb8, 33));
            assert_eq!(frame.offload().checksum, Checksum::Unknown);
        }
        b.pool.put_all(frames);
    }
    a.assert_no_drops();
    b.assert_no_drops();
    finish(vec![a, b], &link.memory);
}

#[test]
fn errors_are_counted_and_stop_nothing() {
    let link = Link::new();
    let (mut a, mut b) = link.sides(TunnelKind::Vxlan);
    let good = outer(V4, 40_000);
    let nowhere = Outer { dst: [192, 0, 2, 1].into(), ..good };
    let not_ours = Outer { src: [192, 0, 2, 1].into(), ..good };
    let rubbish = vec![0u8; 60];
    a.send(&[
        packet(&good, 100, 1),
        packet(&nowhere, 100, 2),
        packet(&good, 101, 3),
        rubbish,
        packet(&not_ours, 100, 4),
        packet(&good, 102, 5),
    ]);
    let frames = recv_n(&mut b, V4, 3);
    let lens: Vec<usize> = frames.iter().map(|frame| data(frame).1.len()).collect();
    assert_eq!(lens, [100, 101, 102]);
    b.pool.put_all(frames);
    assert_eq!(a.tx_drops(DropReason::TunnelUnreachable), 2);
    assert_eq!(a.tx_drops(DropReason::TxError), 1);
    // Nobody listens there for a while: the host answers with ICMP errors, which stall nothing.
    b.close();
    for _ in 0..20 {
        a.send(&[packet(&good, 100, 6)]);
    }
    let mut b =
        link.b.enter(|| Side::new(Carrier::open(TunnelKind::Vxlan, PORT).unwrap(), &link.memory));
    a.send(&[packet(&good, 100, 7)]);
    let frames = recv_n(&mut b, V4, 1);
    b.pool.put_all(frames);
    assert_eq!(a.tx_drops(DropReason::TxError), 1);
    finish(vec![a, b], &link.memory);
}

#[test]
fn what_comes_by_a_shunned_interface_is_not_received() {
    for kind in [TunnelKind::Vxlan, TunnelKind::Gre] {
        let link = Link::new();
        let (mut a, mut b) = link.sides(kind);
        let index = link.b.link("vb")["ifindex"].as_u64().unwrap();
        let index = u32::try_from(index).unwrap();
        for family in [V4, V6] {
            let ports = outer(family, 40_000).ports.filter(|_| kind == TunnelKind::Vxlan);
            let outer = Outer { ports, ..outer(family, 40_000) };
            // What comes after shows that what came before is not there.
            b.netdev.shun(&[index + 1000, index]).unwrap();
            a.send(&[packet(&outer, 100, 1)]);
            b.netdev.shun(&[index + 1000]).unwrap();
            a.send(&[packet(&outer, 200, 2)]);
            let frames = recv_n(&mut b, family, 1);
            let lens: Vec<usize> = frames.iter().map(|frame| data(frame).1.len()).collect();
            assert_eq!(lens, [200]);
            b.pool.put_all(frames);
        }
        a.assert_no_drops();
        finish(vec![a, b], &link.memory);
    }
}

#[test]
fn a_port_that_somebody_else_has_is_refused_and_not_stolen() {
    let ns = netns();
    ns.ips(&["link set lo up"]);
    let first = ns.enter(|| Carrier::open(TunnelKind::Vxlan, PORT)).unwrap();
    let second = ns.enter(|| Carrier::open(TunnelKind::Vxlan, PORT)).err().expect("refused");
    assert!(matches!(second, NetdevError::Os { .. }), "{second}");
    let text = second.to_string();
    assert!(
        text.starts_with("vxlan_sys_4789: bind to the UDP port: Address already in use"),
        "{text}"
    );
    assert!(ns.enter(|| Carrier::open(TunnelKind::Geneve, 6081)).is_ok());
    drop(first);
    assert!(ns.enter(|| Carrier::open(TunnelKind::Vxlan, PORT)).is_ok());
}
