//! Every counter that a packet of a tunnel moves.

use packet::tunnel::TunnelKind;

use super::*;
use crate::drop_reason::DropReason;
use crate::l2::normal::lab::{BROADCAST, Lab, frame, host};

/// A device, a tunnel port, and the carrier.
fn lab(kind: TunnelKind, way: Way) -> Lab {
    let mut lab = Lab::trunks(2);
    let carrier = lab.carrier();
    lab.tunnel(1, config(kind), (carrier, Some(path(way))));
    lab
}

const LEARNED: [(&str, u64); 2] = [("fdb.current", 1), ("fdb.learned", 1)];

/// What is sent by the carrier for a frame.
fn outer_of(lab: &mut Lab, frame: Vec<u8>) -> Vec<u8> {
    let sent = lab.receive(0, [frame]);
    let [(2, outer)] = &sent[..] else { panic!("{sent:?}") };
    outer.clone()
}

#[test]
fn a_frame_leaves_by_the_carrier_and_its_like_comes_back() {
    for kind in [TunnelKind::Vxlan, TunnelKind::Gre, TunnelKind::Geneve] {
        let mut there = lab(kind, Way::Host);
        let f = frame(BROADCAST, host(1));
        let overhead = if kind == TunnelKind::Gre { 28 } else { 36 };
        let mut outer = outer_of(&mut there, f.clone());
        assert_eq!(outer.len(), overhead + f.len());
        let mut back = lab(kind, Way::Host);
        // From the other end.
        let (src, dst) = outer[12..20].split_at_mut(4);
        src.swap_with_slice(dst);
        let ledger = [
            &LEARNED[..],
            &[
                ("0.rx_packets", 0),
                ("2.opened", 1),
                ("1.rx_packets", 1),
                ("1.rx_bytes", f.len() as u64),
                ("1.rx_multicast", 1),
            ][1..],
        ]
        .concat();
        back.expect((2, [outer]), &[(0, f.clone())], &ledger);
        let ledger = [
            ("2.encapsulated", 1),
            ("1.tx_packets", 1),
            ("1.tx_bytes", f.len() as u64),
            ("1.tx_batches", 1),
            ("0.rx_multicast", 1),
        ];
        let before = there.receive(0, [f.clone()]);
        there.expect((0, [f.clone()]), &before, &ledger);
        assert_eq!((there.n_missing(), back.n_missing()), (0, 0));
    }
}

#[test]
fn what_is_for_nobody_or_broken_is_lost_for_a_reason() {
    let mut there = lab(TunnelKind::Vxlan, Way::Host);
    let good = outer_of(&mut there, frame(host(2), host(1)));
    let mut lab = lab(TunnelKind::Vxlan, Way::Host);
    let mut expect = |bytes: Vec<u8>, reason: DropReason| {
        let name = format!("2.drop_{}", reason.name());
        lab.expect((2, [bytes]), &[], &[(&name, 1)]);
    };
    let back = |edit: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        let (src, dst) = bytes[12..20].split_at_mut(4);
        src.swap_with_slice(dst);
        edit(&mut bytes);
        bytes
    };
    expect(good.clone(), DropReason::TunnelUnknownKey); // from this host itself
    expect(back(&|bytes| bytes[34] = 8), DropReason::TunnelUnknownKey); // another VNI
    expect(back(&|bytes| bytes[28] = 0), DropReason::TunnelBadHeader); // no VNI
    expect(back(&|bytes| bytes[22] = 1), DropReason::TunnelBadHeader); // another UDP port
    expect(back(&|bytes| bytes[24] = 1), DropReason::TunnelBadHeader); // longer than it is
    expect(back(&|bytes| bytes[26] = 1), DropReason::TunnelBadChecksum);
    expect(back(&|bytes| bytes[6] = 0x20), DropReason::TunnelBadHeader); // a fragment
    expect(back(&|bytes| bytes.truncate(30)), DropReason::TunnelBadHeader);
    expect(Vec::new(), DropReason::TunnelBadHeader);
    expect(
        back(&|bytes| {
            bytes[1] = 3; // congestion
            bytes[50..].fill(0); // no protocol
            bytes[50..56].copy_from_slice(&[0x45, 0, 0, 46, 0, 0]);
        }),
        DropReason::Congestion,
    );
    assert_eq!(lab.n_missing(), 0);
}

#[test]
fn no_route_and_a_port_that_is_down() {
    let mut lab = lab(TunnelKind::Vxlan, Way::NoRoute);
    let f = frame(BROADCAST, host(1));
    let ledger =
        [&LEARNED[..], &[("1.tx_drop_tunnel_no_route", 1), ("0.rx_multicast", 1)]].concat();
    lab.expect((0, [f.clone()]), &[], &ledger);
    let mut down = config(TunnelKind::Vxlan);
    down.remote = Address::Flow;
    lab.tunnel(1, down, (2, None));
    lab.expect((0, [f]), &[], &[("1.tx_drop_tunnel_no_route", 1), ("0.rx_multicast", 1)]);
    assert_eq!(lab.n_missing(), 0);
}

#[test]
fn frames_wait_for_a_neighbour_a_while() {
    let mut lab = lab(TunnelKind::Vxlan, Way::NoNeighbour);
    let f = frame(host(2), host(1));
    let before = lab.snapshot.ports[1].as_ref().unwrap().stats.clone();
    let lost = || before.sum(|c| c.tx_drops(DropReason::TunnelNoNeighbour));
    for _ in 0..3 {
        assert_eq!(lab.receive(0, vec![f.clone(); 32]), []);
    }
    // The oldest made room.
    assert_eq!(lost(), 96 - waiting::MAX_WAITING as u64);
    assert_eq!(lab.retry(), []);
    lab.now_s += 1;
    assert_eq!(lab.receive(0, [f.clone()]), []);
    assert_eq!(lost(), 33);
    lab.now_s += 2;
    lab.expire();
    assert_eq!((lost(), lab.hops.waiting.len()), (96, 1));
    lab.tunnel(1, config(TunnelKind::Vxlan), (2, Some(path(Way::Port(link(0))))));
    let sent = lab.retry();
    assert_eq!((sent.len(), sent[0].0, sent[0].1.len()), (1, 0, 50 + f.len()));
    // A thread that ends loses what waits.
    lab.tunnel(1, config(TunnelKind::Vxlan), (2, Some(path(Way::NoNeighbour))));
    assert_eq!(lab.receive(0, [f]), []);
    lab.give_up();
    assert_eq!(lost(), 97);
    assert_eq!(lab.n_missing(), 0);
}

/// Two bridges: hosts and the tunnel port (0, 1), and the underlay (2 is the host's own port, 3 the
/// wire).
fn underlay(way: Way) -> Lab {
    let mut lab = Lab::trunks(2);
    lab.add_bridge([PortVlan::trunk_all(), PortVlan::trunk_all()]);
    lab.port(2).terminator = Some(terminator());
    lab.tunnel(1, config(TunnelKind::Vxlan), (9, Some(path(way))));
    lab
}

#[test]
fn outer_packets_go_through_the_underlays_bridge_and_back() {
    let mut lab = underlay(Way::Bridge(link(2)));
    let f = frame(BROADCAST, host(1));
    let sent = lab.receive(0, [f.clone()]);
    let [(3, outer)] = &sent[..] else { panic!("{sent:?}") };
    let mut outer = outer.clone();
    assert_eq!(
        outer[..14],
        [host(0xa2), host(0xa1)].concat().into_iter().chain([8, 0]).collect::<Vec<_>>()
    );
    let n = f.len() as u64;
    let ledger = [
        ("0.rx_multicast", 1),
        ("1.tx_packets", 1),
        ("1.tx_bytes", n),
        ("1.tx_batches", 1),
        ("2.rx_packets", 1),
        ("2.rx_bytes", n + 50),
    ];
    lab.expect((0, [f.clone()]), &[(3, outer.clone())], &ledger);
    // And back: to this host, by the wire.
    let (dst, src) = outer[..12].split_at_mut(6);
    dst.swap_with_slice(src);
    let (src, dst) = outer[26..34].split_at_mut(4);
    src.swap_with_slice(dst);
    let ledger = [
        ("2.tx_packets", 1),
        ("2.tx_bytes", n + 50),
        ("2.tx_batches", 1),
        ("1.rx_packets", 1),
        ("1.rx_bytes", n),
        ("1.rx_multicast", 1),
        ("fdb1.current", 1),
        ("fdb1.learned", 1),
        ("fdb.moved", 1),
    ];
    lab.expect((3, [outer.clone()]), &[(0, f.clone())], &ledger);
    // What is lost beside it does not count as sent to the host.
    let mut other_vni = outer.clone();
    other_vni[46] ^= 1;
    let ledger = [
        ("2.tx_packets", 1),
        ("2.tx_bytes", n + 50),
        ("2.tx_batches", 1),
        ("2.drop_tunnel_unknown_key", 1),
        ("1.rx_packets", 1),
        ("1.rx_bytes", n),
        ("1.rx_multicast", 1),
    ];
    lab.expect((3, vec![outer.clone(), other_vni]), &[(0, f)], &ledger);
    // What is for this host, but for no tunnel, reaches it.
    outer[36..38].copy_from_slice(&[0, 53]);
    lab.expect((3, [outer.clone()]), &[(2, outer.clone())], &[]);
    // So does a fragment, and what has another address.
    outer[20] = 0x20;
    lab.expect((3, [outer.clone()]), &[(2, outer.clone())], &[]);
    outer[20] = 0x40;
    outer[33] = 99;
    lab.expect((3, [outer.clone()]), &[(2, outer)], &[]);
    assert_eq!(lab.n_missing(), 0);
}

#[test]
fn a_device_with_addresses_opens_what_it_receives() {
    let mut lab = underlay(Way::Port(link(3)));
    lab.port(2).terminator = None;
    lab.port(3).terminator = Some(terminator());
    let f = frame(BROADCAST, host(1));
    let sent = lab.receive(0, [f.clone()]);
    let [(3, outer)] = &sent[..] else { panic!("{sent:?}") };
    let mut outer = outer.clone();
    let n = f.len() as u64;
    let ledger = [
        ("0.rx_multicast", 1),
        ("1.tx_packets", 1),
        ("1.tx_bytes", n),
        ("1.tx_batches", 1),
        ("3.encapsulated", 1),
    ];
    lab.expect((0, [f.clone()]), &[(3, outer.clone())], &ledger);
    let (dst, src) = outer[..12].split_at_mut(6);
    dst.swap_with_slice(src);
    let (src, dst) = outer[26..34].split_at_mut(4);
    src.swap_with_slice(dst);
    let ledger = [
        ("3.opened", 1),
        ("1.rx_packets", 1),
        ("1.rx_bytes", n),
        ("1.rx_multicast", 1),
        ("fdb.moved", 1),
    ];
    lab.expect((3, [outer.clone()]), &[(0, f)], &ledger);
    // The kernel does not check the headers of what a device receives.
    outer[24] ^= 1;
    lab.expect((3, [outer.clone()]), &[], &[("3.drop_tunnel_bad_checksum", 1)]);
    assert_eq!(lab.n_missing(), 0);
}

#[test]
fn a_tunnel_into_itself_ends() {
    // The outer packets go into the bridge that the tunnel port is a port of, which floods them.
    let mut lab = Lab::trunks(3);
    lab.tunnel(1, config(TunnelKind::Vxlan), (9, Some(path(Way::Bridge(link(2))))));
    lab.receive(0, [frame(BROADCAST, host(1))]);
    let lost = |lab: &Lab, reason| {
        lab.snapshot.ports[1].as_ref().unwrap().stats.sum(|c| c.tx_drops(reason))
    };
    // Or grows beyond what fits.
    let n = lost(&lab, DropReason::TooManyHops) + lost(&lab, DropReason::MtuExceeded);
    assert_eq!(n, 1);
    assert_eq!(lab.n_missing(), 0);
}
