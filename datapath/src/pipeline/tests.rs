//! Ledgers of the flow stage: every counter that moves is named.

use std::sync::Arc;
use std::time::Duration;

use packet::flow::extract::{self, Depth, VlanLimit};
use packet::flow::place;
use packet::flow::{FieldId, FieldId::*};
use packet::{EtherType, FlowKey, FlowMatch, VlanTag};
use proptest::prelude::*;

use super::FlowConfig;
use super::lab::{Rule, Script};
use crate::action::model::udp;
use crate::action::select::{Bucket, HashBy, Select, Slots};
use crate::action::{Action, Actions, RecircId, SetField, Tally, Userspace};
use crate::cache::{Limits, Sweep};
use crate::drop_reason::DropReason;
use crate::frame::{Checksum, Gso, GsoKind, Offload, SizeClass};
use crate::ids::BridgeId;
use crate::l2::normal::lab::{BROADCAST, Lab, frame, host, port, tagged};
use crate::l2::vlan::PortVlan;
use crate::meter::{BandConfig, Meter, MeterId, MeterUnit};
use crate::upcall::{FlowCounts, UpcallReason};
use crate::view::Program;

fn matching(fields: &[(FieldId, u128)]) -> FlowMatch {
    let mut rule = FlowMatch::ANY;
    fields.iter().for_each(|(field, value)| rule.set(*field, *value));
    rule
}

fn out(no: u16) -> Action {
    Action::Output { port: port(no), max_len: None }
}

fn list(actions: impl IntoIterator<Item = Action>) -> Actions {
    Actions::new(actions.into_iter().collect(), DropReason::PipelineDrop)
}

/// Every packet gets this; the flow is known already.
fn with(
    actions: Actions,
    n_ports: usize,
) -> (Script, Lab, crossbeam_channel::Receiver<crate::action::Handed>) {
    let script = Script::default();
    script.set(0, vec![(FlowMatch::ANY, actions)]);
    let (mut lab, handed) = script.lab(n_ports, FlowConfig::default());
    lab.bridge().fdb = lab.fdb();
    lab.receive(0, [frame(host(9), host(8))]);
    script.take_seen();
    while handed.try_recv().is_ok() {}
    (script, lab, handed)
}

const HIT: [(&str, u64); 2] = [("flow.passes", 1), ("flow.megaflow_hits", 1)];

fn hit<const N: usize>(more: [(&'static str, u64); N]) -> Vec<(&'static str, u64)> {
    [&HIT[..], &more].concat()
}

#[test]
fn a_miss_is_translated_and_the_next_of_its_kind_hits() {
    let script = Script::default();
    let to_1 = matching(&[(EthDst, 0x0200_0000_0001)]);
    script.set(0, vec![(to_1, list([out(1)]))]);
    let (mut lab, _handed) = script.lab(3, FlowConfig::default());
    let f = frame(host(1), host(2));
    let sent = [(1, f.clone()), (1, f.clone()), (1, f.clone())];
    let ledger = [("flow.passes", 3), ("flow.upcalls", 1), ("flow.megaflow_hits", 2)];
    lab.expect((0, [&f, &f, &f]), &sent, &ledger);
    lab.expect((0, [&f]), &sent[..1], &HIT);
    // Another port is another flow; another destination too, and it has no rule.
    lab.expect((2, [&f]), &sent[..1], &[("flow.passes", 1), ("flow.upcalls", 1)]);
    let other = frame(host(7), host(2));
    let ledger = [("flow.passes", 1), ("flow.upcalls", 1), ("0.drop_action_of_pipeline", 1)];
    lab.expect((0, [&other]), &[], &ledger);
    lab.expect((0, [other]), &[], &hit([("0.drop_action_of_pipeline", 1)]));
    assert_eq!(script.take_seen(), [UpcallReason::Miss; 3]);
    assert_eq!(lab.n_missing(), 0);
}

#[test]
fn frames_of_several_flows_keep_their_order_per_port() {
    let script = Script::default();
    let to = |n: u8| matching(&[(EthDst, 0x0200_0000_0000 + u128::from(n))]);
    script.set(0, vec![(to(1), list([out(1)])), (to(2), list([out(2)]))]);
    let (mut lab, _handed) = script.lab(3, FlowConfig::default());
    let frames: Vec<_> = (0..32).map(|n| frame(host(1 + n % 2), host(10 + n))).collect();
    for _ in 0..2 {
        let sent = lab.receive(0, &frames);
        for n in [1, 2] {
            let of = |no: u16| sent.iter().filter(move |(port, _)| *port == no).map(|(_, f)| f);
            let expected = frames.iter().filter(|f| f[5] == n);
            assert!(of(n.into()).eq(expected));
        }
    }
    assert_eq!(script.take_seen().len(), 2);
    assert_eq!(lab.n_missing(), 0);
}

#[test]
fn the_last_output_moves_and_only_earlier_ones_copy() {
    let (_, mut lab, _handed) = with(list([out(1), out(2), Action::PopVlan]), 3);
    let f = frame(host(1), host(2));
    let sent = [(1, f.clone()), (2, f.clone())];
    lab.expect((0, [&f]), &sent, &hit([("0.copies", 1)]));
    let hoard: Vec<_> = {
        let only = lab.pool.from_bytes(&f).unwrap();
        let hoard = std::iter::from_fn(|| lab.pool.get(SizeClass::Small)).collect();
        assert_eq!(lab.receive_frames(0, vec![only]), [(2, f)]);
        hoard
    };
    lab.pool.put_all(hoard);
    assert_eq!(lab.port(0).stats.sum(|c| c.rx_drops(DropReason::NoFrame)), 1);
    assert_eq!(lab.n_missing(), 0);
}

#[test]
fn outputs_that_cannot_be_lose_frames_for_a_reason() {
    let (_, mut lab, _handed) = with(list([out(1), out(77)]), 3);
    lab.port(1).up = false;
    let ledger = hit([("0.copies", 1), ("0.drop_tx_port_down", 1), ("0.drop_invalid_port", 1)]);
    lab.expect((0, [frame(host(1), host(2))]), &[], &ledger);
    let runt = vec![0; 13];
    lab.expect((0, [runt]), &[], &[("0.drop_runt", 1)]);
    assert_eq!(lab.n_missing(), 0);
}

#[test]
fn edits_apply_to_what_comes_behind_them() {
    let mut key = FlowKey::EMPTY;
    let mut mask = packet::FlowMask::EMPTY;
    key.set(EthDst, 0x0200_0000_0005);
    mask.add_field(EthDst);
    let set = Action::Set(SetField::new(&key, &mask).unwrap());
    let push = Action::PushVlan { tpid: 0x8100, tag: VlanTag(0x2064) };
    let actions = list([out(1), push, out(1), Action::PopVlan, set, out(2)]);
    let (_, mut lab, _handed) = with(actions, 3);
    let f = frame(host(1), host(2));
    let sent =
        [(1, f.clone()), (1, tagged(host(1), host(2), 0x2064)), (2, frame(host(5), host(2)))];
    lab.expect((0, [&f]), &sent, &hit([("0.copies", 2)]));
    let mut edge = lab.pool.get(SizeClass::Small).unwrap();
    assert!(edge.extend_front(crate::frame::HEADROOM) && edge.set_len(f.len()));
    edge.data_mut().copy_from_slice(&f);
    assert_eq!(lab.receive_frames(0, vec![edge]), sent);
    assert_eq!(lab.n_missing(), 0);
}

#[test]
fn a_truncated_copy_does_not_shorten_the_frame() {
    let short = Action::Output { port: port(1), max_len: Some(20) };
    let (_, mut lab, _handed) = with(list([short, out(2)]), 3);
    let f = frame(host(1), host(2));
    let sent = [(1, f[..20].to_vec()), (2, f.clone())];
    lab.expect((0, [&f]), &sent, &hit([("0.copies", 1)]));
}

#[test]
fn an_expired_packet_goes_its_own_way() {
    let expired = list([out(2)]);
    let (_, mut lab, _handed) = with(list([Action::DecTtl { expired }, out(1)]), 3);
    let mut f = udp([host(1), host(2)], [7, 8]);
    let alive = lab.receive(0, [&f]);
    assert_eq!((alive[0].0, alive[0].1[22], alive.len()), (1, 63, 1));
    f[22] = 1;
    lab.expect((0, [&f]), &[(2, f.clone())], &HIT);
    let end = Actions::drop(DropReason::TtlExpired);
    let (_, mut lab, _handed) = with(list([Action::DecTtl { expired: end }, out(1)]), 3);
    lab.expect((0, [f]), &[], &hit([("0.drop_ttl_expired", 1)]));
}

#[test]
fn a_meter_drops_what_is_above_it() {
    let (_, mut lab, _handed) = with(list([Action::Meter(MeterId(3)), out(1)]), 2);
    let f = frame(host(1), host(2));
    lab.expect((0, [&f]), &[(1, f.clone())], &HIT); // no such meter
    let meter = Arc::new(Meter::new(MeterUnit::Packets, [BandConfig { rate: 10, burst: 2 }]));
    lab.snapshot.meters = vec![None, None, None, Some(meter.clone())];
    let ledger = [("flow.passes", 5), ("flow.megaflow_hits", 5), ("0.drop_meter", 3)];
    lab.expect((0, [&f; 5]), &[(1, f.clone()), (1, f.clone())], &ledger);
    assert_eq!(meter.stats.sum(|c| c.bands[0].0.get()), 3);
}

#[test]
fn a_group_sends_each_flow_to_one_bucket() {
    let bucket = |no: u16| Bucket { watch: [port(no)].into(), actions: list([out(no)]) };
    let select = Select {
        buckets: vec![bucket(1), bucket(2)],
        slots: Slots::new(&[1, 1]).into(),
        hash_by: HashBy::Flow,
        basis: 1,
    };
    let tally = Arc::<Tally>::default();
    let actions = list([Action::Count(tally.clone()), Action::Select(select.into())]);
    let (_, mut lab, _handed) = with(actions, 3);
    let frames: Vec<_> = (0..32).map(|n| udp([host(1), host(2)], [n, 80])).collect();
    let sent = lab.receive(0, &frames);
    let to = |no| sent.iter().filter(move |(port, _)| *port == no).count();
    assert!(to(1) > 5 && to(2) > 5 && to(1) + to(2) == 32);
    assert_eq!(tally.packets(), 33);
    lab.port(1).up = false;
    assert!(lab.receive(0, &frames).iter().all(|(no, _)| *no == 2));
    lab.port(2).up = false;
    let ledger = [("flow.passes", 1), ("flow.megaflow_hits", 1), ("0.drop_no_live_bucket", 1)];
    lab.expect((0, &frames[..1]), &[], &ledger);
}

#[test]
fn a_clone_changes_its_copy_only() {
    let push = Action::PushVlan { tpid: 0x8100, tag: VlanTag(5) };
    let (_, mut lab, _handed) = with(list([Action::Clone(list([push, out(1)])), out(2)]), 3);
    let f = frame(host(1), host(2));
    let sent = [(1, tagged(host(1), host(2), 5)), (2, f.clone())];
    lab.expect((0, [f]), &sent, &hit([("0.copies", 1)]));
}

#[test]
fn the_control_plane_gets_finished_bytes_and_a_full_queue_drops() {
    let hand = Action::Userspace(Userspace { token: 42, max_len: 50 });
    let (_, mut lab, handed) = with(list([hand]), 2);
    let packet = crate::action::model::Packet::plain();
    let unfinished = packet.frame(&mut lab.pool, crate::action::model::Sums::Unfinished);
    let finished = packet.build(crate::action::model::Sums::Finished);
    assert!(lab.receive_frames(0, vec![unfinished]).is_empty());
    let got = handed.try_recv().unwrap();
    assert_eq!((got.token, got.in_port, got.len), (42, port(0), finished.len()));
    assert_eq!(got.frame.data(), &finished[..50]);
    lab.pool.put(got.frame);
    let f = frame(host(1), host(2));
    lab.expect((0, [&f]), &[], &hit([("0.handed", 1)]));
    // More than the queue holds.
    let mut lab = lab.with_frames(crate::action::USERSPACE_CAP + 64);
    for _ in 0..crate::action::USERSPACE_CAP / 32 {
        lab.receive(0, [&f; 32]);
    }
    assert_eq!(lab.port(0).stats.sum(|c| c.rx_drops(DropReason::UserspaceError)), 1);
    lab.expect((0, [&f]), &[], &hit([("0.drop_userspace_action_error", 1)]));
}

#[test]
fn normal_runs_in_the_same_pass() {
    let normal = Action::Normal { bridge: BridgeId(0), in_port: Some(port(0)), mirrored: 0 };
    let (_, mut lab, _handed) = with(list([normal]), 3);
    let f = frame(host(1), host(2));
    let learned = [("fdb.current", 1), ("fdb.learned", 1), ("0.copies", 1)];
    lab.expect((0, [&f]), &[(1, f.clone()), (2, f.clone())], &hit(learned));
    let many = frame(BROADCAST, host(2));
    let ledger = hit([("0.copies", 1), ("0.rx_multicast", 1)]);
    lab.expect((0, [&many]), &[(1, many.clone()), (2, many.clone())], &ledger);
    let gone = Action::Normal { bridge: BridgeId(9), in_port: Some(port(0)), mirrored: 0 };
    let (_, mut lab, _handed) = with(list([gone]), 3);
    lab.expect((0, [f]), &[], &hit([("0.drop_action_bridge_not_found", 1)]));
}

#[test]
fn a_patch_port_leads_into_the_next_bridge() {
    let (_, mut lab, _handed) = with(list([out(1)]), 2);
    lab.add_bridge([PortVlan::trunk_all(), PortVlan::trunk_all()]);
    lab.patch(1, 2);
    let f = frame(host(1), host(2));
    let crossed = [
        ("1.tx_packets", 1),
        ("1.tx_bytes", 60),
        ("1.tx_batches", 1),
        ("2.rx_packets", 1),
        ("2.rx_bytes", 60),
        ("fdb1.current", 1),
        ("fdb1.learned", 1),
    ];
    lab.expect((0, [f.clone()]), &[(3, f)], &hit(crossed));
    assert_eq!(lab.n_missing(), 0);
}

#[test]
fn a_recirculated_packet_is_looked_up_as_it_is_now() {
    let script = Script::default();
    let push = Action::PushVlan { tpid: 0x8100, tag: VlanTag(7) };
    script.set(0, vec![(FlowMatch::ANY, list([out(2), push, Action::Recirc(RecircId(1))]))]);
    script.set(1, vec![(matching(&[(DlVlan, 7)]), list([out(1)]))]);
    let (mut lab, _handed) = script.lab(3, FlowConfig::default());
    let f = frame(host(1), host(2));
    let sent = [(2, f.clone()), (1, tagged(host(1), host(2), 7))];
    let ledger =
        [("flow.passes", 2), ("flow.upcalls", 2), ("flow.recirculations", 1), ("0.copies", 1)];
    lab.expect((0, [&f]), &sent, &ledger);
    let ledger = [
        ("flow.passes", 2),
        ("flow.megaflow_hits", 2),
        ("flow.recirculations", 1),
        ("0.copies", 1),
    ];
    lab.expect((0, [&f]), &sent, &ledger);
    assert_eq!(lab.n_missing(), 0);
}

#[test]
fn a_packet_that_goes_round_is_dropped_after_eight_times_also_if_it_multiplies() {
    let again = Action::Recirc(RecircId(0));
    let (_, mut lab, _handed) = with(list([again.clone()]), 2);
    let f = frame(host(1), host(2));
    let ledger = [
        ("flow.passes", 9),
        ("flow.megaflow_hits", 9),
        ("flow.recirculations", 8),
        ("0.drop_recirc_error", 1),
    ];
    lab.expect((0, [&f]), &[], &ledger);
    let (_, lab, _handed) = with(list([again.clone(), again.clone(), again.clone(), again]), 2);
    let mut lab = lab.with_frames(100_000);
    lab.receive(0, [&f; 32]);
    assert_eq!(lab.n_missing(), 0);
}

#[test]
fn a_large_segment_is_cut_before_a_label_hides_it() {
    let push = Action::PushMpls { ethertype: EtherType::MPLS, lse: 0x0006_4140 };
    let (_, mut lab, _handed) = with(list([push, out(1)]), 2);
    let mut packet = crate::action::model::Packet::plain();
    packet.payload = vec![7; 3000];
    let bytes = packet.build(crate::action::model::Sums::Unfinished);
    let mut large = lab.pool.from_bytes(&bytes).unwrap();
    let gso = Gso { kind: GsoKind::TcpV4, size: 1000.try_into().unwrap(), ecn: false, inner: 0 };
    let checksum = packet.checksum().unwrap();
    large.set_offload(Offload { checksum, gso: Some(gso) });
    let sent = lab.receive_frames(0, vec![large]);
    assert_eq!(sent.iter().map(|(no, f)| (*no, f.len())).collect::<Vec<_>>(), [(1, 1058); 3]);
    assert!(sent.iter().all(|(_, f)| f[12..18] == [0x88, 0x47, 0, 6, 0x41, 0x40]));
    assert_eq!(lab.port(0).stats.sum(|c| c.segments.get()), 2);
    // An unfinished checksum is finished: behind the label nobody would.
    packet.payload.truncate(10);
    let small = packet.frame(&mut lab.pool, crate::action::model::Sums::Unfinished);
    assert!(matches!(small.offload().checksum, Checksum::Partial { .. }));
    let finished = packet.build(crate::action::model::Sums::Finished);
    let sent = lab.receive_frames(0, vec![small]);
    assert_eq!(sent[0].1[18..], finished[14..]);
    assert_eq!(lab.n_missing(), 0);
}

#[test]
fn a_change_elsewhere_costs_a_flow_nothing_and_its_own_renews_it_in_place() {
    let counts = Arc::<FlowCounts>::default();
    let script = Script::default();
    script.count_in(&counts);
    let rule = |no: u16| -> Vec<Rule> { vec![(FlowMatch::ANY, list([out(no)]))] };
    script.set(0, rule(1));
    let (mut lab, _handed) = script.lab(3, FlowConfig::default());
    let f = frame(host(1), host(2));
    lab.receive(0, [&f]);
    script.set(5, rule(2));
    lab.flows.refresh();
    lab.expect((0, [&f]), &[(1, f.clone())], &HIT);
    assert_eq!(script.take_seen(), [UpcallReason::Miss]);
    script.set(0, rule(2));
    // Until the thread takes the new tables, it acts by the old ones.
    lab.expect((0, [&f]), &[(1, f.clone())], &HIT);
    lab.flows.refresh();
    let sent = [(2, f.clone()), (2, f.clone())];
    let ledger = [("flow.passes", 2), ("flow.megaflow_hits", 2), ("flow.renewed", 1)];
    lab.expect((0, [&f, &f]), &sent, &ledger);
    assert_eq!(script.take_seen(), [UpcallReason::Stale]);
    let mut shown = Vec::new();
    assert!(lab.flows.dump(Sweep::default(), &mut shown).is_none());
    assert_eq!((shown.len(), shown[0].stats.packets, shown[0].stats.bytes), (1, 5, 300));
    assert_eq!((counts.packets.get(), counts.bytes.get()), (5, 300));
}

#[test]
fn a_translation_that_looks_elsewhere_takes_the_place_of_the_old_one() {
    let script = Script::default();
    script.set(0, vec![(FlowMatch::ANY, list([out(1)]))]);
    let (mut lab, _handed) = script.lab(3, FlowConfig::default());
    let (a, b) = (frame(host(1), host(2)), frame(host(3), host(2)));
    lab.receive(0, [&a, &b]);
    let to_1 = matching(&[(EthDst, 0x0200_0000_0001)]);
    script.set(0, vec![(to_1, list([out(2)]))]);
    lab.flows.refresh();
    // The second frame had the same flow, and now has one of its own.
    let ledger = [
        ("flow.passes", 3),
        ("flow.megaflow_hits", 4),
        ("flow.renewed", 1),
        ("flow.upcalls", 1),
        ("0.drop_action_of_pipeline", 1),
    ];
    lab.expect((0, [&a, &b, &a]), &[(2, a.clone()), (2, a.clone())], &ledger);
    let mut shown = Vec::new();
    lab.flows.dump(Sweep::default(), &mut shown);
    assert_eq!(shown.len(), 2);
    assert_eq!(lab.n_missing(), 0);
}

#[test]
fn what_is_not_kept_is_translated_each_time() {
    let script = Script::default();
    script.never_install();
    script.set(0, vec![(FlowMatch::ANY, list([out(1)]))]);
    let (mut lab, _handed) = script.lab(2, FlowConfig::default());
    let f = frame(host(1), host(2));
    let ledger = [("flow.passes", 2), ("flow.upcalls", 2)];
    for _ in 0..2 {
        lab.expect((0, [&f, &f]), &[(1, f.clone()), (1, f.clone())], &ledger);
    }
    assert!(lab.flows.is_empty());
    // So is what finds no room.
    let script = Script::default();
    script
        .set(0, vec![(matching(&[(EthSrc, 1)]), list([out(0)])), (FlowMatch::ANY, list([out(1)]))]);
    let limits = Limits { flows: 1, ..Limits::default() };
    let (mut lab, _handed) = script.lab(2, FlowConfig { limits, ..FlowConfig::default() });
    let g = frame(host(1), host(3));
    for n in [2, 1] {
        // What is not kept is sent at once, before the flows of the batch.
        let sent = [(1, g.clone()), (1, f.clone())];
        let ledger = [("flow.passes", 2), ("flow.upcalls", n), ("flow.megaflow_hits", 2 - n)];
        let ledger: Vec<_> = ledger.into_iter().filter(|(_, n)| *n > 0).collect();
        lab.expect((0, [&f, &g]), &sent, &ledger);
    }
}

#[test]
fn upcalls_are_bounded_per_port_and_per_batch() {
    let script = Script::default();
    script.never_install();
    script.set(0, vec![(FlowMatch::ANY, list([out(1)]))]);
    let config = FlowConfig { upcalls_per_port: 100, ..FlowConfig::default() };
    let (mut lab, _handed) = script.lab(3, config);
    let f = frame(host(1), host(2));
    let sent: Vec<_> = (0..10).map(|_| (1, f.clone())).collect();
    let ledger =
        [("flow.passes", 32), ("flow.upcalls", 10), ("flow.lost", 22), ("0.drop_upcall_limit", 22)];
    lab.expect((0, [&f; 32]), &sent, &ledger);
    // Another port has its own, and time gives them back.
    assert_eq!(lab.receive(2, [&f; 5]).len(), 5);
    lab.now_s += 1;
    assert_eq!(lab.receive(0, [&f; 32]).len(), 10);
    // A batch that comes round again asks no more often than it may.
    script.set(0, vec![(FlowMatch::ANY, list([Action::Recirc(RecircId(1))]))]);
    script.set(1, vec![(FlowMatch::ANY, list([Action::Recirc(RecircId(2))]))]);
    script.set(2, vec![(FlowMatch::ANY, list([out(1)]))]);
    let (mut lab, _handed) = script.lab(3, FlowConfig::default());
    let ledger = [
        ("flow.passes", 96),
        ("flow.upcalls", 64),
        ("flow.recirculations", 64),
        ("flow.lost", 32),
        ("0.drop_upcall_limit", 32),
    ];
    lab.expect((0, [&f; 32]), &[], &ledger);
    assert_eq!(lab.n_missing(), 0);
}

#[test]
fn without_a_control_plane_nothing_is_forwarded() {
    let mut lab = Lab::trunks(2);
    lab.bridge().program = Program::Flows;
    let ledger = [("flow.passes", 1), ("flow.lost", 1), ("0.drop_upcall_error", 1)];
    lab.expect((0, [frame(host(1), host(2))]), &[], &ledger);
}

#[test]
fn idle_and_stale_flows_are_swept() {
    let script = Script::default();
    let rules: Vec<Rule> =
        vec![(matching(&[(EthDst, 5)]), list([out(0)])), (FlowMatch::ANY, list([out(1)]))];
    script.set(0, rules.clone());
    let (mut lab, _handed) = script.lab(2, FlowConfig::default());
    let frames: Vec<_> = (0..30).map(|n| frame(host(n), host(99))).collect();
    let n_flows = |lab: &mut Lab| {
        let mut shown = Vec::new();
        lab.flows.dump(Sweep::default(), &mut shown);
        shown.len()
    };
    let second = u64::try_from(Duration::from_secs(1).as_nanos()).unwrap();
    lab.receive(0, &frames);
    assert_eq!(n_flows(&mut lab), 30);
    lab.now_s += 6;
    lab.receive(0, &frames[..10]);
    lab.now_s += 5;
    // Bounded steps, a millisecond apart.
    let now_ns = u64::from(lab.now_s) * second;
    (1..=3).for_each(|n| lab.flows.tend(now_ns + n * 1_000_000));
    assert_eq!(n_flows(&mut lab), 10);
    script.set(0, rules);
    lab.flows.refresh();
    (4..=6).for_each(|n| lab.flows.tend(now_ns + n * 1_000_000));
    assert_eq!(n_flows(&mut lab), 0);
}

/// A few kinds of frames that random rules tell apart.
fn random_frames() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let one = (0..4_u8, 0..3_u8, 0..3_u16, 0..4_u8).prop_map(|(dst, src, tp, kind)| match kind {
        0 => frame(host(dst), host(src)),
        1 => tagged(host(dst), host(src), tp),
        2 => frame(host(dst), host(src))[..14 + usize::from(tp)].to_vec(),
        _ => udp([host(src), host(dst)], [tp, 53]),
    });
    prop::collection::vec(one, 1..32)
}

fn random_rules() -> impl Strategy<Value = Vec<Rule>> {
    let field = prop_oneof![
        (0..4_u128, any::<u128>()).prop_map(|(n, mask)| (EthDst, 0x0200_0000_0000 + n, mask)),
        (0..3_u128).prop_map(|n| (VlanVid, 0x1000 + n, u128::MAX)),
        (0..3_u128, any::<u128>()).prop_map(|(n, mask)| (UdpSrc, n, mask)),
        Just((EthType, 0x0800, u128::MAX)),
        (0..3_u128).prop_map(|n| (InPortOxm, n, u128::MAX)),
    ];
    let rule = (prop::collection::vec(field, 0..3), 0..5_u16).prop_map(|(fields, no)| {
        let mut rule = FlowMatch::ANY;
        for (field, value, mask) in fields {
            rule.set_masked(field, value, mask & field.info().ones());
        }
        let actions =
            if no == 4 { Actions::drop(DropReason::PipelineDrop) } else { list([out(no)]) };
        (rule, actions)
    });
    prop::collection::vec(rule, 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// The cached path beside a fresh translation of each packet, with changes of tables in between.
    #[test]
    fn cached_flows_do_what_a_fresh_translation_would(
        steps in prop::collection::vec((prop::option::weighted(0.3, random_rules()), 0..3_u16, random_frames()), 1..20),
    ) {
        let script = Script::default();
        let limits = Limits { masks: 4, flows: 20, ..Limits::default() };
        let (mut lab, _handed) = script.lab(4, FlowConfig { limits, ..FlowConfig::default() });
        for (rules, in_port, frames) in steps {
            if let Some(rules) = rules {
                script.set(0, rules);
                lab.flows.refresh();
            }
            let mut expected: Vec<Vec<Vec<u8>>> = vec![Vec::new(); 4];
            for frame in frames.iter().filter(|frame| frame.len() >= 14) {
                let mut key = FlowKey::EMPTY;
                key.put_word(place::PORT, u64::from(in_port) << 32);
                extract::headers(frame, Depth::L4, VlanLimit::One, &mut key);
                if let [Action::Output { port, .. }] = script.translate(&key).0.list() {
                    expected[port.index()].push(frame.clone());
                }
            }
            let mut sent: Vec<Vec<Vec<u8>>> = vec![Vec::new(); 4];
            lab.receive(in_port, &frames).into_iter().for_each(|(no, f)| sent[usize::from(no)].push(f));
            for (sent, expected) in sent.iter_mut().zip(&mut expected) {
                // Flows of a batch may overtake each other.
                sent.sort();
                expected.sort();
            }
            prop_assert_eq!(sent, expected);
        }
        prop_assert_eq!(lab.n_missing(), 0);
    }
}
