//! One ledger test per rule of `NORMAL`: every counter that moves is named.

use packet::MacAddr;

use super::lab::*;
use crate::frame::{Checksum, HEADROOM, Offload, SizeClass};
use crate::ids::BridgeId;
use crate::l2::vlan::{PortVlan, VlanMode};
use crate::view::{Program, VidSet};

const NEW: [(&str, u64); 2] = [("fdb.current", 1), ("fdb.learned", 1)];

/// Ports 0 to 2, with host `n` known behind port `n`.
fn three_hosts() -> Lab {
    let mut lab = Lab::trunks(3);
    for n in 0..3 {
        lab.receive(n.into(), &[frame(host(0xee), host(n))]);
    }
    lab
}

fn vlan(mode: VlanMode, tag: u16, trunks: &[u16]) -> PortVlan {
    PortVlan::new(mode, vid(tag), trunks.iter().map(|n| vid(*n)).collect())
}

#[test]
fn an_unknown_destination_is_flooded_in_port_order_and_the_source_learned() {
    let mut lab = Lab::trunks(4);
    let f = frame(host(9), host(1));
    let sent = [0, 2, 3].map(|n| (n, f.clone()));
    let learned = [NEW[0], NEW[1], ("1.copies", 2)];
    lab.expect((1, [&f]), &sent, &learned);
    lab.expect((1, &[f]), &sent, &[("1.copies", 2)]);
    assert_eq!(lab.n_missing(), 0);
}

#[test]
fn a_known_destination_gets_the_frame_alone() {
    let mut lab = three_hosts();
    let f = frame(host(2), host(0));
    lab.expect((0, [f.clone()]), &[(2, f)], &[]);
    assert_eq!(lab.n_missing(), 0);
}

#[test]
fn what_a_frame_teaches_the_next_frame_of_the_batch_knows() {
    let mut lab = three_hosts();
    let frames = [frame(host(5), host(0)), frame(host(9), host(5)), frame(host(5), host(0))];
    let sent = [(1, frames[0].clone()), (2, frames[0].clone())];
    let sent = [sent, [(1, frames[1].clone()), (2, frames[1].clone())]].concat();
    let ledger = [NEW[0], NEW[1], ("0.copies", 2), ("0.drop_same_port", 1)];
    lab.expect((0, &frames), &sent, &ledger);
}

#[test]
fn groups_are_flooded_and_never_looked_up() {
    let mut lab = three_hosts();
    let group = [0x33, 0x33, 0, 0, 0, 1];
    lab.fdb().add_static(vid(0), MacAddr(group), port(1)).unwrap();
    for dst in [BROADCAST, group] {
        let f = frame(dst, host(0));
        let sent = [(1, f.clone()), (2, f.clone())];
        lab.expect((0, &[f]), &sent, &[("0.copies", 1), ("0.rx_multicast", 1)]);
    }
}

#[test]
fn a_group_is_no_source() {
    let mut lab = three_hosts();
    let f = frame(host(1), BROADCAST);
    lab.expect((0, [f.clone()]), &[(1, f)], &[]);
}

#[test]
fn a_destination_behind_the_receiving_port_is_dropped() {
    let mut lab = three_hosts();
    lab.expect((0, &[frame(host(0), host(0))]), &[], &[("0.drop_same_port", 1)]);
}

#[test]
fn a_host_that_moves_is_followed_at_once() {
    let mut lab = three_hosts();
    let f = frame(host(1), host(0));
    lab.expect((2, [f.clone()]), &[(1, f)], &[("fdb.moved", 1)]);
    let f = frame(host(0), host(1));
    lab.expect((1, [f.clone()]), &[(2, f)], &[]);
}

#[test]
fn a_gratuitous_arp_moves_its_sender_and_locks_nothing() {
    let mut lab = three_hosts();
    let mut arp = frame(BROADCAST, host(0));
    arp[12..22].copy_from_slice(&[8, 6, 0, 1, 8, 0, 6, 4, 0, 2]);
    arp[22..28].copy_from_slice(&host(0));
    let sent = [(0, arp.clone()), (1, arp.clone())];
    let ledger = [("fdb.moved", 1), ("2.copies", 1), ("2.rx_multicast", 1)];
    lab.expect((2, &[arp]), &sent, &ledger);
    let back = frame(host(1), host(0));
    lab.expect((0, [back.clone()]), &[(1, back)], &[("fdb.moved", 1)]);
}

#[test]
fn a_static_address_does_not_move() {
    let mut lab = three_hosts();
    lab.fdb().add_static(vid(0), MacAddr(host(0)), port(0)).unwrap();
    let f = frame(host(1), host(0));
    lab.expect((2, [f.clone()]), &[(1, f)], &[]);
    let f = frame(host(0), host(1));
    lab.expect((1, [f.clone()]), &[(0, f)], &[]);
}

#[test]
fn traffic_keeps_an_address_young() {
    let mut lab = three_hosts();
    lab.now_s += 299;
    let f = frame(host(1), host(0));
    lab.expect((0, [f.clone()]), &[(1, f)], &[]);
    assert_eq!(lab.fdb().expire(lab.now_s + 1), 2);
    assert!(lab.fdb().lookup(vid(0), MacAddr(host(0))).is_some());
}

#[test]
fn runts_are_dropped() {
    let mut lab = Lab::trunks(2);
    let runts: Vec<_> = (0..14).map(|len| frame(BROADCAST, host(1))[..len].to_vec()).collect();
    lab.expect((0, &runts), &[], &[("0.drop_runt", 14)]);
    let shortest = frame(BROADCAST, host(1))[..14].to_vec();
    let ledger = [NEW[0], NEW[1], ("0.rx_multicast", 1)];
    lab.expect((0, [shortest.clone()]), &[(1, shortest)], &ledger);
    let zeros = vec![0; 60];
    lab.expect((0, [zeros.clone()]), &[], &[NEW[0], NEW[1], ("0.drop_same_port", 1)]);
    assert_eq!(lab.n_missing(), 0);
}

#[test]
fn partial_tags_are_dropped() {
    let mut lab = Lab::trunks(2);
    let f = tagged(host(2), host(1), 10);
    let partial: Vec<_> = (14..18).map(|len| f[..len].to_vec()).collect();
    lab.expect((0, &partial), &[], &[("0.drop_partial_vlan_tag", 4)]);
    let whole = f[..18].to_vec();
    lab.expect((0, [whole.clone()]), &[(1, whole)], &NEW);
}

#[test]
fn reserved_groups_stay_here_and_teach_nothing() {
    let mut lab = Lab::trunks(2);
    let reserved = |n| [0x01, 0x80, 0xc2, 0, 0, n];
    let frames: Vec<_> = (0..16).map(|n| frame(reserved(n), host(1))).collect();
    let ledger = [("0.drop_reserved_multicast", 16), ("0.rx_multicast", 16)];
    lab.expect((0, &frames), &[], &ledger);
    let next = frame(reserved(16), host(1));
    let learned = [NEW[0], NEW[1], ("0.rx_multicast", 1)];
    lab.expect((0, [next.clone()]), &[(1, next)], &learned);
    lab.bridge().forward_bpdu = true;
    let sent: Vec<_> = frames.iter().map(|f| (1, f.clone())).collect();
    lab.expect((0, &frames), &sent, &[("0.rx_multicast", 16)]);
}

#[test]
fn a_flood_vlan_neither_learns_nor_looks_up() {
    let mut lab = three_hosts();
    lab.bridge().flood_vlans = VidSet::from_iter([vid(0), vid(7)]);
    for f in [frame(host(1), host(9)), tagged(host(1), host(9), 7)] {
        let sent = [(1, f.clone()), (2, f.clone())];
        lab.expect((0, &[f]), &sent, &[("0.copies", 1)]);
    }
    let f = tagged(host(1), host(9), 8);
    let sent = [(1, f.clone()), (2, f.clone())];
    lab.expect((0, &[f]), &sent, &[NEW[0], NEW[1], ("0.copies", 1)]);
}

#[test]
fn a_port_that_is_down_receives_nothing() {
    let mut lab = three_hosts();
    lab.port(0).up = false;
    let frames = [frame(host(1), host(9)), vec![1]];
    lab.expect((0, &frames), &[], &[("0.drop_rx_port_down", 2)]);
    lab.port(0).bridge = BridgeId(5);
    lab.port(0).up = true;
    lab.expect((0, &frames), &[], &[("0.drop_rx_port_down", 2)]);
}

#[test]
fn a_port_that_is_down_is_sent_nothing() {
    let mut lab = three_hosts();
    lab.port(1).up = false;
    lab.expect((0, &[frame(host(1), host(0))]), &[], &[("0.drop_tx_port_down", 1)]);
    let f = frame(host(9), host(0));
    lab.expect((0, [f.clone()]), &[(2, f.clone())], &[]);
    lab.port(2).up = false;
    lab.expect((0, &[f]), &[], &[("0.drop_no_output", 1)]);
}

#[test]
fn a_bridge_of_one_port_has_nobody_to_send_to() {
    let mut lab = Lab::trunks(1);
    lab.expect((0, &[frame(host(1), host(0))]), &[], &[NEW[0], NEW[1], ("0.drop_no_output", 1)]);
}

#[test]
fn a_learned_port_that_left_is_unknown() {
    let mut lab = three_hosts();
    lab.bridge().ports.retain(|no| no.get() != 1);
    // Its number may serve another bridge by now.
    lab.port(1).bridge = BridgeId(5);
    let f = frame(host(1), host(0));
    lab.expect((0, [f.clone()]), &[(2, f.clone())], &[]);
    lab.bridge().ports.retain(|no| no.get() != 2);
    lab.snapshot.ports.truncate(2);
    lab.expect((0, &[frame(host(2), host(0))]), &[], &[("0.drop_no_output", 1)]);
}

#[test]
fn a_destination_outside_the_vlan_is_dropped() {
    let mut lab = three_hosts();
    lab.port(1).vlan = vlan(VlanMode::Access, 10, &[]);
    lab.expect((0, &[frame(host(1), host(0))]), &[], &[("0.drop_vlan_not_carried", 1)]);
}

#[test]
fn a_frame_of_a_foreign_vlan_is_not_admitted() {
    let access = vlan(VlanMode::Access, 10, &[]);
    let trunk = vlan(VlanMode::Trunk, 0, &[10]);
    let mut lab = Lab::new([access, trunk]);
    // An access port refuses its own VLAN's tag too.
    let frames = [10, 20].map(|n| tagged(host(9), host(1), n));
    lab.expect((0, &frames), &[], &[("0.drop_vlan_not_allowed", 2)]);
    let frames = [frame(host(9), host(1)), tagged(host(9), host(1), 20)];
    lab.expect((1, &frames), &[], &[("1.drop_vlan_not_allowed", 2)]);
}

#[test]
fn a_secure_bridge_forwards_nothing() {
    let mut lab = three_hosts();
    lab.bridge().program = Program::Drop;
    let frames = [frame(BROADCAST, host(9)), tagged(host(1), host(9), 10)[..15].to_vec(), vec![0]];
    lab.expect((0, &frames), &[], &[("0.drop_no_flow", 2), ("0.drop_runt", 1)]);
}

#[test]
fn a_flood_tags_each_copy_as_its_port_wants() {
    let mut lab = Lab::new([
        vlan(VlanMode::Access, 10, &[]),
        vlan(VlanMode::Access, 10, &[]),
        vlan(VlanMode::Access, 20, &[]),
        PortVlan::trunk_all(),
        vlan(VlanMode::NativeUntagged, 10, &[20]),
        vlan(VlanMode::NativeTagged, 10, &[20]),
    ]);
    let plain = frame(BROADCAST, host(1));
    let with = |tci| tagged(BROADCAST, host(1), tci);
    let flood = |n| [NEW[0], NEW[1], (n, 3)];
    let sent = [(1, plain.clone()), (3, with(10)), (4, plain.clone()), (5, with(10))];
    let ledger = [&flood("0.copies")[..], &[("0.rx_multicast", 1)]].concat();
    lab.expect((0, [&plain]), &sent, &ledger);
    // A priority tag's priority goes on.
    let sent = [(1, plain.clone()), (3, with(0xa00a)), (4, plain.clone()), (5, with(0xa00a))];
    lab.expect((0, &[with(0xa000)]), &sent, &[("0.copies", 3), ("0.rx_multicast", 1)]);
    let sent = [(0, plain.clone()), (1, plain.clone()), (3, with(0x700a)), (4, plain.clone())];
    let moved = [("fdb.moved", 1), ("5.copies", 3), ("5.rx_multicast", 1)];
    lab.expect((5, &[with(0x700a)]), &sent, &moved);
    let sent = [(2, plain), (3, with(20)), (4, with(20))];
    let ledger = [NEW[0], NEW[1], ("5.copies", 2), ("5.rx_multicast", 1)];
    lab.expect((5, &[with(20)]), &sent, &ledger);
    assert_eq!(lab.n_missing(), 0);
}

#[test]
fn addresses_are_known_per_vlan() {
    let mut lab = Lab::trunks(3);
    lab.receive(1, &[tagged(host(9), host(1), 10)]);
    let same = tagged(host(1), host(0), 10);
    lab.expect((0, [same.clone()]), &[(1, same)], &NEW);
    let other = tagged(host(1), host(0), 11);
    let sent = [(1, other.clone()), (2, other.clone())];
    lab.expect((0, &[other]), &sent, &[NEW[0], NEW[1], ("0.copies", 1)]);
}

#[test]
fn copies_that_find_no_buffer_are_counted() {
    let mut lab = Lab::trunks(4);
    let f = frame(BROADCAST, host(0));
    let only = lab.pool.from_bytes(&f).unwrap();
    let hoard: Vec<_> = std::iter::from_fn(|| lab.pool.get(SizeClass::Small)).collect();
    // `receive_frames` checks that copies − drops fits what was sent.
    assert_eq!(lab.receive_frames(0, vec![only]), [(3, f)]);
    let stats = lab.port(0).stats.clone();
    let no_frame = crate::DropReason::NoFrame;
    assert_eq!((stats.sum(|c| c.copies.get()), stats.sum(|c| c.rx_drops(no_frame))), (2, 2));
    lab.pool.put_all(hoard);
}

#[test]
fn a_frame_without_headroom_gets_its_tag_all_the_same() {
    let mut lab = Lab::new([vlan(VlanMode::Access, 10, &[]), PortVlan::trunk_all()]);
    let bytes = frame(host(9), host(1));
    let offload = Offload { checksum: Checksum::Partial { start: 34, offset: 6 }, gso: None };
    let mut at_the_edge = lab.pool.get(SizeClass::Small).unwrap();
    assert!(at_the_edge.extend_front(HEADROOM) && at_the_edge.set_len(bytes.len()));
    at_the_edge.data_mut().copy_from_slice(&bytes);
    at_the_edge.set_offload(offload);
    let sent = lab.receive_frames(0, vec![at_the_edge]);
    assert_eq!(sent, [(1, tagged(host(9), host(1), 10))]);
    assert_eq!(lab.port(0).stats.sum(|c| c.copies.get()), 0);
    assert_eq!(lab.n_missing(), 0);
}
