//! Ledgers of frames that cross patch ports.

use super::lab::*;
use super::{MAX_CROSSINGS, MAX_HOPS};
use crate::drop_reason::DropReason;
use crate::frame::{Checksum, Gso, GsoKind, Offload, SizeClass};
use crate::l2::vlan::{PortVlan, VlanMode};
use crate::view::{PortKind, Program};

/// Bridge 0 with ports 0 and 1, bridge 1 with ports 2 and 3; 1 and 2 are joined.
fn two_bridges() -> Lab {
    let mut lab = Lab::trunks(2);
    lab.add_bridge([PortVlan::trunk_all(), PortVlan::trunk_all()]);
    lab.patch(1, 2);
    lab
}

const CROSSED: [(&str, u64); 5] = [
    ("1.tx_packets", 1),
    ("1.tx_bytes", 60),
    ("1.tx_batches", 1),
    ("2.rx_packets", 1),
    ("2.rx_bytes", 60),
];
const BOTH_LEARN: [(&str, u64); 4] =
    [("fdb.current", 1), ("fdb.learned", 1), ("fdb1.current", 1), ("fdb1.learned", 1)];

#[test]
fn a_frame_crosses_both_bridges_learn_and_the_answer_goes_straight_back() {
    let mut lab = two_bridges();
    let f = frame(host(9), host(1));
    lab.expect((0, [f.clone()]), &[(3, f)], &[&CROSSED[..], &BOTH_LEARN].concat());
    let fdb_1 = lab.snapshot.bridges[1].as_ref().unwrap().fdb.clone();
    let found = |fdb: &crate::l2::fdb::Fdb| fdb.lookup(vid(0), packet::MacAddr(host(1)));
    assert_eq!((found(&lab.fdb()), found(&fdb_1)), (Some(port(0)), Some(port(2))));
    let back = frame(host(1), host(9));
    let crossed = [
        ("2.tx_packets", 1),
        ("2.tx_bytes", 60),
        ("2.tx_batches", 1),
        ("1.rx_packets", 1),
        ("1.rx_bytes", 60),
    ];
    lab.expect((3, [back.clone()]), &[(0, back)], &[&crossed[..], &BOTH_LEARN].concat());
    assert_eq!(lab.n_missing(), 0);
}

#[test]
fn a_batch_crosses_as_a_batch() {
    let mut lab = two_bridges();
    lab.receive(3, [frame(host(8), host(9))]);
    lab.receive(0, [frame(host(9), host(1))]);
    let frames: Vec<_> = (0..32).map(|_| frame(host(9), host(1))).collect();
    let sent: Vec<_> = frames.iter().map(|f| (3, f.clone())).collect();
    let ledger = [
        ("1.tx_packets", 32),
        ("1.tx_bytes", 32 * 60),
        ("1.tx_batches", 1),
        ("2.rx_packets", 32),
        ("2.rx_bytes", 32 * 60),
    ];
    lab.expect((0, &frames), &sent, &ledger);
}

#[test]
fn patch_ports_have_vlans_like_any_port() {
    let mut lab = two_bridges();
    lab.port(1).vlan = PortVlan::new(VlanMode::Access, vid(10), [].into_iter().collect());
    lab.port(2).vlan = PortVlan::new(VlanMode::Access, vid(20), [].into_iter().collect());
    let inside = tagged(host(9), host(1), 0xa00a);
    lab.expect(
        (0, [inside]),
        &[(3, tagged(host(9), host(1), 20))],
        &[&CROSSED[..], &BOTH_LEARN].concat(),
    );
    // The other VLANs do not cross.
    let ledger = [("fdb.current", 1), ("fdb.learned", 1), ("0.drop_no_output", 1)];
    lab.expect((0, [tagged(host(9), host(1), 30)]), &[], &ledger);
    // What the peer does not admit is its drop, after the crossing.
    lab.port(2).vlan = PortVlan::new(VlanMode::Trunk, vid(0), [vid(7)].into_iter().collect());
    let lost = [&CROSSED[..], &[("2.drop_vlan_not_allowed", 1)]].concat();
    lab.expect((0, [tagged(host(9), host(1), 10)]), &[], &lost);
    assert_eq!(lab.n_missing(), 0);
}

#[test]
fn a_large_segment_crosses_whole() {
    let mut lab = two_bridges();
    let mut large = lab.pool.get(SizeClass::Large).unwrap();
    let bytes = [frame(host(9), host(1)), vec![0x55; 60_000]].concat();
    assert!(large.set_len(bytes.len()));
    large.data_mut().copy_from_slice(&bytes);
    let gso = Gso { kind: GsoKind::TcpV4, size: 1448.try_into().unwrap(), ecn: false, inner: 0 };
    let checksum = Checksum::Partial { start: 34, offset: 16 };
    large.set_offload(Offload { checksum, gso: Some(gso) });
    assert_eq!(lab.receive_frames(0, vec![large]), [(3, bytes)]);
    assert_eq!(lab.port(1).stats.sum(|c| c.segments.get()), 0);
    assert_eq!(lab.n_missing(), 0);
}

#[test]
fn a_port_whose_peer_is_not_there_is_down_or_loses_frames_for_a_reason() {
    let mut lab = two_bridges();
    lab.port(1).up = false;
    lab.port(2).up = false;
    let f = frame(host(9), host(1));
    let ledger = [("fdb.current", 1), ("fdb.learned", 1), ("0.drop_no_output", 1)];
    lab.expect((0, [f.clone()]), &[], &ledger);
    // Half a pair, which the control plane does not publish.
    lab.port(1).up = true;
    lab.expect((0, [f.clone()]), &[], &[&CROSSED[..], &[("2.drop_rx_port_down", 1)]].concat());
    lab.port(1).kind = PortKind::Patch { peer: port(77) };
    lab.expect((0, [f]), &[], &[("1.tx_drop_tx_port_down", 1)]);
    assert_eq!(lab.n_missing(), 0);
}

#[test]
fn a_secure_bridge_behind_a_patch_port_forwards_nothing() {
    let mut lab = two_bridges();
    let second = std::sync::Arc::make_mut(lab.snapshot.bridges[1].as_mut().unwrap());
    second.program = Program::Drop;
    let ledger = [&CROSSED[..], &BOTH_LEARN[..2], &[("2.drop_no_flow", 1)]].concat();
    lab.expect((0, [frame(host(9), host(1))]), &[], &ledger);
}

#[test]
fn a_chain_of_bridges_ends_after_64_crossings() {
    // Bridge n has ports 2n and 2n + 1; 2n + 1 is joined to 2n + 2.
    let n_bridges = u16::from(MAX_HOPS) + 2;
    let mut lab = Lab::trunks(2);
    for n in 1..n_bridges {
        lab.add_bridge([PortVlan::trunk_all(), PortVlan::trunk_all()]);
        lab.patch(2 * n - 1, 2 * n);
    }
    lab.port(2 * u16::from(MAX_HOPS) + 1).kind = PortKind::Device;
    let f = frame(BROADCAST, host(1));
    assert_eq!(lab.receive(0, [f.clone()]), [(2 * u16::from(MAX_HOPS) + 1, f.clone())]);
    lab.patch(2 * u16::from(MAX_HOPS) + 1, 2 * u16::from(MAX_HOPS) + 2);
    assert_eq!(lab.receive(0, [f]), []);
    let last = lab.port(2 * u16::from(MAX_HOPS) + 1).stats.clone();
    assert_eq!(last.sum(|c| c.tx_drops(DropReason::TooManyHops)), 1);
    assert_eq!(lab.n_missing(), 0);
}

/// Three bridges of three ports, every two of them joined; port 3n of bridge n is a device.
fn ring() -> Lab {
    let mut lab = Lab::trunks(3);
    for _ in 1..3 {
        lab.add_bridge((0..3).map(|_| PortVlan::trunk_all()));
    }
    for (a, b) in [(1, 5), (4, 8), (7, 2)] {
        lab.patch(a, b);
    }
    lab
}

fn too_many_hops(lab: &Lab) -> u64 {
    let ports = lab.snapshot.ports.iter().flatten();
    ports.map(|port| port.stats.sum(|c| c.tx_drops(DropReason::TooManyHops))).sum()
}

#[test]
fn a_broadcast_in_a_ring_ends() {
    let mut lab = ring();
    let f = frame(BROADCAST, host(1));
    // Both ways round, and at each turn out of the bridge's device.
    let sent = lab.receive(0, [f.clone()]);
    assert_eq!(sent.len(), 2 * usize::from(MAX_HOPS));
    assert!(sent.iter().all(|(no, bytes)| no % 3 == 0 && *bytes == f));
    assert_eq!(too_many_hops(&lab), 2);
    // It costs no more the second time, and other frames get through.
    assert_eq!(lab.receive(0, [f]).len(), 2 * usize::from(MAX_HOPS));
    lab.receive(3, [frame(host(1), host(2))]);
    assert_eq!(lab.n_missing(), 0);
}

#[test]
fn a_broadcast_in_a_mesh_ends_though_it_multiplies() {
    // Five bridges, every two joined: four patch ports each, so that each hop makes three of one.
    let mut lab = Lab::trunks(5).with_frames(2 * MAX_CROSSINGS);
    for _ in 1..5 {
        lab.add_bridge((0..5).map(|_| PortVlan::trunk_all()));
    }
    for a in 0..5u16 {
        for b in 0..a {
            lab.patch(5 * a + 1 + b, 5 * b + a);
        }
    }
    let crossed = |lab: &Lab| -> u64 {
        let ports = lab.snapshot.ports.iter().flatten();
        ports.map(|port| port.stats.sum(|c| c.tx_packets.get())).sum()
    };
    for n in 1..=3 {
        // A full batch starts; the lab checks that each frame and copy is accounted for.
        let before = too_many_hops(&lab);
        lab.receive(0, (0..32).map(|_| frame(BROADCAST, host(1))));
        assert_eq!(crossed(&lab), n * MAX_CROSSINGS as u64);
        assert!(too_many_hops(&lab) > before);
    }
    assert_eq!(lab.n_missing(), 0);
}
