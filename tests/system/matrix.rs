//! The VLAN matrix on real interfaces: by each driver against the table, and by a real Open vSwitch
//! against the model of what it does. Where the two models differ has a name in `docs/vlans.md`.

use std::collections::BTreeMap;

use switch_tests::inject::inject;
use switch_tests::ledger::assert_conserved;
use switch_tests::matrix::{
    Case, KINDS, Kind, Limit, Model, assert_sent, expected, peer, table, without_dei,
};
use switch_tests::ovs::Ovs;
use switch_tests::{Host, Lab, Netns, Sink};

use super::PortKind;

scenarios!(one_tag_is_looked_at, two_tags_are_looked_at);

fn one_tag_is_looked_at(kind: PortKind) {
    equals_the_table(kind, 1);
}

fn two_tags_are_looked_at(kind: PortKind) {
    equals_the_table(kind, 2);
}

fn equals_the_table(kind: PortKind, limit: Limit) {
    let lab = Lab::new();
    lab.daemon.ofctl(&["set", "switch", &format!("vlan-limit={limit}")]);
    let host = |kind_of_port: &Kind| {
        let keys = kind_of_port.keys();
        lab.host(kind, &keys.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let hosts: Vec<Host> = KINDS.iter().map(host).collect();
    let wires: Vec<_> = hosts.iter().map(Host::wire).collect();
    let sent = drive(limit, &wires, table::leaves);
    for (to, sent) in KINDS.iter().zip(sent) {
        assert_sent(to, &sent, &expected(limit, to, table::leaves));
    }
    assert_conserved(&lab.daemon);
}

#[test]
fn open_vswitch_differs_as_told_with_one_tag() {
    open_vswitch(1);
}

#[test]
fn open_vswitch_differs_as_told_with_two_tags() {
    open_vswitch(2);
}

fn open_vswitch(limit: Limit) {
    let (near, far) = (Netns::new("ovs"), Netns::new("far"));
    for kind in KINDS {
        near.add_veth(kind.name, &far, kind.name);
        near.ip(&["link", "set", kind.name, "up"]);
        far.ip(&["link", "set", kind.name, "up"]);
    }
    let ovs = Ovs::start(&near, &[&format!("vlan-limit={limit}")]);
    ovs.add_bridge("br0");
    // Its cached flows do not tell second tags apart: each case is to be decided for itself.
    ovs.must(&["ovs-appctl", "upcall/disable-megaflows"]);
    for kind in KINDS {
        let columns = kind.columns();
        let set: Vec<&str> = columns.iter().map(String::as_str).collect();
        let add = ["add-port", "br0", kind.name, "--", "set", "port", kind.name];
        ovs.vsctl(&[&add[..], &set].concat());
    }
    let wires: Vec<_> = KINDS.iter().map(|kind| (&far, kind.name)).collect();
    let sent = drive(limit, &wires, peer::leaves);
    // It clears the drop eligible bit of a tag that it has rewritten for an earlier output.
    let plain = |(name, frame): (String, Vec<u8>)| (name, without_dei(&frame));
    for (to, sent) in KINDS.iter().zip(sent) {
        let sent: Vec<_> = sent.iter().map(|frame| without_dei(frame)).collect();
        let expected: BTreeMap<_, _> =
            expected(limit, to, peer::leaves).into_iter().map(plain).collect();
        assert_sent(to, &sent, &expected);
    }
}

/// Sends every case, and then frames by which it is known that all have been handled; what each
/// wire saw, in the order of [`KINDS`].
///
/// Frames of a port are handled in order, and what leaves by a port leaves in order. So when a frame
/// that was sent last by every port is through, a further one to each port comes after all others.
fn drive(limit: Limit, wires: &[(&Netns, &str)], model: Model) -> Vec<Vec<Vec<u8>>> {
    let sinks: Vec<Sink> = wires.iter().map(|(ns, dev)| Sink::open(ns, dev)).collect();
    let index = |kind: &Kind| KINDS.iter().position(|k| k.name == kind.name).unwrap_or(0);
    let send = |from: &Kind, frames: Vec<Vec<u8>>| {
        let (ns, dev) = wires[index(from)];
        inject(ns, dev, frames);
    };
    let mut lasts = Vec::new();
    for from in KINDS {
        let mut frames: Vec<_> =
            Case::of(limit, from).map(|case| case.frame(&case.name())).collect();
        let (case, to) = passing(limit, model, |case, _| case.from.name == from.name);
        let text = format!("last-{}.", from.name);
        frames.push(case.frame(&text));
        send(from, frames);
        lasts.push((to, text));
    }
    for (to, text) in lasts {
        sinks[index(to)].expect(&text, 1);
    }
    let mut fences: BTreeMap<usize, Vec<Vec<u8>>> = BTreeMap::new();
    for to in KINDS {
        let (case, _) = passing(limit, model, |_, port| port.name == to.name);
        let fence = case.frame(&format!("fence-{}.", to.name));
        fences.entry(index(case.from)).or_default().push(fence);
    }
    for (from, frames) in fences {
        send(&KINDS[from], frames);
    }
    for (to, sink) in KINDS.iter().zip(&sinks) {
        sink.expect(&format!("fence-{}.", to.name), 1);
    }
    sinks.iter().map(Sink::frames).collect()
}

/// A case that passes, and a port that it leaves by.
fn passing(
    limit: Limit,
    model: Model,
    wanted: impl Fn(&Case, &Kind) -> bool,
) -> (Case, &'static Kind) {
    let cases = KINDS.iter().flat_map(|from| Case::of(limit, from));
    let mut pairs = cases.flat_map(|case| KINDS.iter().map(move |to| (case, to)));
    let passes = |(case, to): &(Case, &'static Kind)| {
        case.from.name != to.name && wanted(case, to) && model(*case, to).is_some()
    };
    pairs.find(passes).expect("a case that passes")
}
