//! Tunnels in a bridge with flows: what flows see of the outer headers, and what they say of them.

use packet::flow::FieldId;
use packet::tunnel::{TunnelKey, TunnelKind};
use packet::{FlowKey, FlowMatch};

use super::*;
use crate::action::{Action, Actions, RecircId};
use crate::drop_reason::DropReason;
use crate::l2::normal::lab::{Lab, frame, host};
use crate::pipeline::FlowConfig;
use crate::pipeline::lab::Script;
use crate::tunnel::encapsulate::{Ends, Outer};
use crate::tunnel::waiting::Wanted;

fn list(actions: impl IntoIterator<Item = Action>) -> Actions {
    Actions::new(actions.into_iter().collect(), DropReason::PipelineDrop)
}

fn out(n: u16) -> Action {
    Action::Output { port: port(n), max_len: None }
}

fn matching(fields: &[(FieldId, u128)]) -> FlowMatch {
    let mut rule = FlowMatch::ANY;
    fields.iter().for_each(|(field, value)| rule.set(*field, *value));
    rule
}

/// A tunnel port of which flows say everything.
fn by_flow(kind: TunnelKind) -> TunnelConfig {
    TunnelConfig {
        remote: Address::Flow,
        local: Address::Flow,
        in_key: Key::Flow,
        out_key: Key::Flow,
        ..config(kind)
    }
}

/// Hosts at ports 0 and 2; port 1 is a tunnel port, port 3 its carrier.
fn lab(script: &Script) -> Lab {
    let (mut lab, _) = script.lab(3, FlowConfig::default());
    let carrier = lab.carrier();
    lab.tunnel(1, by_flow(TunnelKind::Geneve), (carrier, None));
    let to = |remote| (remote, None, path(Way::Host));
    lab.renew_tunnels(&[
        to("10.0.0.2"),
        to("10.0.0.3"),
        ("10.0.0.2", Some("10.0.0.9"), path(Way::Host)),
    ]);
    lab
}

/// What arrives from a remote host with a key.
fn outer(id: u64, remote: &str, inner: &[u8]) -> Vec<u8> {
    let config = by_flow(TunnelKind::Geneve);
    let ends = Ends { src: ip(remote), dst: ip(LOCAL), link: None };
    let key = TunnelKey { id, ..TunnelKey::new() };
    let state = TunnelState::default();
    let mut pool = crate::frame::FramePool::new(crate::frame::FrameMemory::new(2, 0).unwrap());
    let mut frame = pool.from_bytes(inner).unwrap();
    Outer::new((&config, &state), Some(&key), &ends).unwrap().write(&mut frame).unwrap();
    frame.data().to_vec()
}

#[test]
fn flows_match_what_the_outer_headers_say() {
    let script = Script::default();
    let rule = |id: u128, src: u128, to| {
        let fields = [(FieldId::TunId, id), (FieldId::TunSrc, src), (FieldId::TunDst, 0x0a00_0001)];
        (matching(&fields), list([out(to)]))
    };
    script.set(0, vec![rule(5, 0x0a00_0002, 0), rule(5, 0x0a00_0003, 2), rule(6, 0x0a00_0002, 2)]);
    let mut lab = lab(&script);
    let f = frame(host(1), host(2));
    let batch = [
        outer(5, "10.0.0.2", &f),
        outer(6, "10.0.0.2", &f),
        outer(5, "10.0.0.3", &f),
        outer(5, "10.0.0.2", &f),
        outer(9, "10.0.0.2", &f),
    ];
    let sent = [(0, f.clone()), (0, f.clone()), (2, f.clone()), (2, f.clone())];
    for n in 0..2 {
        let mut ledger = vec![
            ("3.opened", 5),
            ("1.rx_packets", 5),
            ("1.rx_bytes", 5 * f.len() as u64),
            ("1.drop_action_of_pipeline", 1),
            ("flow.passes", 5),
        ];
        // Frames with one key are one batch.
        let counts = if n == 0 {
            [("flow.upcalls", 4), ("flow.megaflow_hits", 1)]
        } else {
            [("flow.megaflow_hits", 5); 2]
        };
        ledger.extend(counts);
        ledger.dedup();
        lab.expect((3, &batch), &sent, &ledger);
    }
    assert_eq!(lab.n_missing(), 0);
}

#[test]
fn a_flow_says_where_to_and_with_which_key() {
    let script = Script::default();
    let key = TunnelKey {
        id: 0x12_3456,
        dst: ip("10.0.0.3"),
        oam: true,
        options: [1, 2, 3, 1, 9, 9, 9, 9].into_iter().collect(),
        ..TunnelKey::new()
    };
    let send = Action::Tunnel { port: port(1), max_len: None, key: Arc::new(key.clone()) };
    let from = TunnelKey { dst: ip(REMOTE), src: ip("10.0.0.9"), ..key.clone() };
    let send_from = Action::Tunnel { port: port(1), max_len: Some(50), key: Arc::new(from) };
    script.set(0, vec![(FlowMatch::ANY, list([send, out(2), send_from]))]);
    let mut lab = lab(&script);
    let f = frame(host(1), host(2));
    let sent = lab.receive(0, [&f]);
    let [(2, _), (3, first), (3, second)] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!(first[12..20], [10, 0, 0, 1, 10, 0, 0, 3]);
    let header = [2, 0x80, 0x65, 0x58, 0x12, 0x34, 0x56, 0, 1, 2, 3, 1, 9, 9, 9, 9];
    assert_eq!((&first[28..44], &first[44..]), (&header[..], &f[..]));
    assert_eq!(second[12..20], [10, 0, 0, 9, 10, 0, 0, 2]);
    assert_eq!(second[44..], f[..50]);
    assert_eq!(lab.n_missing(), 0);
}

#[test]
fn a_remote_that_nobody_knows_is_asked_for_once_and_the_frame_waits() {
    let script = Script::default();
    let key = Arc::new(TunnelKey { id: 1, dst: ip("10.0.0.77"), ..TunnelKey::new() });
    script.set(
        0,
        vec![(FlowMatch::ANY, list([Action::Tunnel { port: port(1), max_len: None, key }]))],
    );
    let mut lab = lab(&script);
    let f = frame(host(1), host(2));
    assert_eq!(lab.receive(0, [&f, &f]), []);
    assert_eq!(lab.receive(0, [&f]), []);
    assert_eq!(lab.hops.waiting.next_wanted(), Some(Wanted::Path(ip("10.0.0.77"), None)));
    assert_eq!(lab.hops.waiting.next_wanted(), None);
    lab.renew_tunnels(&[("10.0.0.77", None, path(Way::Host))]);
    assert_eq!(lab.retry().len(), 3);
    // Without a way it is asked for again, and what waits is lost.
    lab.renew_tunnels(&[]);
    assert_eq!(lab.receive(0, [&f]), []);
    assert_eq!(lab.hops.waiting.next_wanted(), Some(Wanted::Path(ip("10.0.0.77"), None)));
    lab.now_s += 3;
    lab.expire();
    let stats = lab.snapshot.ports[1].as_ref().unwrap().stats.clone();
    assert_eq!(stats.sum(|c| c.tx_drops(DropReason::TunnelNoRoute)), 1);
    assert_eq!(lab.n_missing(), 0);
}

#[test]
fn a_flow_without_a_remote_sends_nothing_and_one_of_another_version_neither() {
    let script = Script::default();
    let bad = |key: TunnelKey| Action::Tunnel { port: port(1), max_len: None, key: Arc::new(key) };
    let mixed = TunnelKey { dst: ip(REMOTE), src: ip("fc00::1"), ..TunnelKey::new() };
    script.set(0, vec![(FlowMatch::ANY, list([bad(TunnelKey::new()), bad(mixed), out(1)]))]);
    let mut lab = lab(&script);
    lab.renew_tunnels(&[("10.0.0.2", Some("fc00::1"), path(Way::Host))]);
    let f = frame(host(1), host(2));
    assert_eq!(lab.receive(0, [&f]), []);
    let stats = lab.snapshot.ports[1].as_ref().unwrap().stats.clone();
    assert_eq!(stats.sum(|c| c.tx_drops(DropReason::TunnelNoRoute)), 3);
    assert_eq!(lab.n_missing(), 0);
}

#[test]
fn what_goes_on_behind_a_recirculation_is_the_control_planes_to_know() {
    let script = Script::default();
    let through = matching(&[(FieldId::TunId, 5)]);
    script.set(0, vec![(through, list([Action::Recirc(RecircId(1))]))]);
    // The key of the second pass has no tunnel.
    let plain = matching(&[(FieldId::TunId, 0), (FieldId::TunSrc, 0), (FieldId::InPortOxm, 1)]);
    script.set(1, vec![(plain, list([out(2)]))]);
    let mut lab = lab(&script);
    let f = frame(host(1), host(2));
    assert_eq!(lab.receive(3, [outer(5, REMOTE, &f)]), [(2, f)]);
    assert_eq!(lab.n_missing(), 0);
}

#[test]
fn a_key_is_written_into_the_places_of_its_fields() {
    let key = TunnelKey {
        id: 7,
        src: ip("10.0.0.2"),
        dst: ip("10.0.0.1"),
        tos: 0xb8,
        ttl: 63,
        tp_src: 40_000,
        tp_dst: 4789,
        gbp_id: 0x1234,
        gbp_flags: 0x48,
        oam: true,
        has_key: true,
        ..TunnelKey::new()
    };
    let mut flow = FlowKey::EMPTY;
    key.write(&mut flow);
    for (field, value) in [
        (FieldId::TunId, 7),
        (FieldId::TunSrc, 0x0a00_0002),
        (FieldId::TunDst, 0x0a00_0001),
        (FieldId::TunTos, 0xb8),
        (FieldId::TunTtl, 63),
        (FieldId::TunGbpId, 0x1234),
        (FieldId::TunGbpFlags, 0x48),
        (FieldId::TunFlags, 1),
        (FieldId::TunIpv6Src, 0),
    ] {
        assert_eq!(flow.get(field), value, "{field:?}");
    }
    let v6 = TunnelKey { src: ip("fc00::2"), dst: ip("fc00::1"), ..key };
    flow.clear();
    v6.write(&mut flow);
    assert_eq!(flow.get(FieldId::TunIpv6Src), 0xfc << 120 | 2);
    assert_eq!((flow.get(FieldId::TunIpv6Dst), flow.get(FieldId::TunSrc)), (0xfc << 120 | 1, 0));
}
