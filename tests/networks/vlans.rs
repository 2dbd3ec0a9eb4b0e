//! VLANs over a trunk, and over a trunk to a neighbour that is a real Open vSwitch.

use switch_tests::lab::{BRIDGE, DEV};
use switch_tests::ledger::assert_conserved;
use switch_tests::ovs::Ovs;
use switch_tests::traffic::{can_ping, ping, tcp, wait_reachable};
use switch_tests::{Host, Lab, Netns, PortKind, Sink, wait_until};

use super::{assert_tags, broadcast, sink, up};

const MIB: u64 = 1024 * 1024;

#[test]
fn net_vlan() {
    let net = up("vlan");
    let hosts = ["h1", "h2", "h3", "h4"].map(|name| net.host(name));
    let [h1, h2, h3, h4] = &hosts;
    let sinks = [h1, h2, h3, h4].map(sink);
    let trunk = ["sw1", "sw2"].map(|name| Sink::open(&net.netns(name), "trunk"));
    net.check();

    broadcast(h1, "for 100");
    sinks[2].expect("for 100", 1);
    sinks[1].expect_none("for 100", (&h4.ns, DEV));
    sinks[3].expect_none("for 100", (&h2.ns, DEV));
    broadcast(h4, "for 101");
    sinks[1].expect("for 101", 1);
    sinks[0].expect_none("for 101", (&h3.ns, DEV));
    sinks[2].expect_none("for 101", (&h1.ns, DEV));

    // Tags on the trunk only, in either direction.
    for end in &trunk {
        assert_tags(&[end], &[Some(100), Some(101)]);
    }
    assert_tags(&sinks.each_ref(), &[None]);
    assert_conserved(&net.switch("sw1"));
    assert_conserved(&net.switch("sw2"));
}

/// A host of Open vSwitch, in a VLAN.
fn neighbour(ovs: &Ovs<'_>, theirs: &Netns, name: &str, number: u8, vid: &str) -> Host {
    let host = Host::new(name, [10, 0, 0, number]);
    theirs.add_veth(name, &host.ns, DEV);
    theirs.ip(&["link", "set", name, "up"]);
    host.set_up();
    ovs.vsctl(&["add-port", BRIDGE, name, &format!("tag={vid}")]);
    host
}

/// The trunk's other end is not the project's own code.
#[test]
fn net_open_vswitch_by_veth() {
    let lab = Lab::new();
    let theirs = Netns::new("ovs");
    // As packaged it cannot take the segments that veth hosts send.
    let ovs = Ovs::start(&theirs, &["userspace-tso-enable=true"]);
    ovs.add_bridge(BRIDGE);
    lab.ns.add_veth("trunk", &theirs, "trunk");
    lab.ns.ip(&["link", "set", "trunk", "up"]);
    theirs.ip(&["link", "set", "trunk", "up"]);
    lab.daemon.ofctl(&["add-port", BRIDGE, "trunk", "trunks=100,101"]);
    ovs.vsctl(&["add-port", BRIDGE, "trunk", "trunks=100,101"]);
    let ours = [lab.host(PortKind::Packet, &["tag=100"]), lab.host(PortKind::Packet, &["tag=101"])];
    let far =
        [neighbour(&ovs, &theirs, "n1", 11, "100"), neighbour(&ovs, &theirs, "n2", 12, "101")];
    let wire = Sink::open(&lab.ns, "trunk");
    for (us, them) in ours.iter().zip(&far) {
        wait_reachable(us, them);
        ping(us, them, 50, 56);
        ping(them, us, 50, 1472);
        tcp(us, them, 4 * MIB);
        tcp(them, us, 4 * MIB);
    }
    assert!(!can_ping(&ours[0], &far[1]), "VLAN 100 reaches VLAN 101");
    assert_tags(&[&wire], &[Some(100), Some(101)]);

    // Each switch knows all four, in their VLANs: the words of both are the same.
    let learned = |fdb: &str, vid: &str, host: &Host| {
        let mac = switch_tests::frame::mac_text(host.mac);
        fdb.lines().any(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            words.get(1..3) == Some(&[vid, mac.as_str()])
        })
    };
    wait_until("both switches to know all hosts", switch_tests::daemon::DEADLINE, || {
        let us = lab.daemon.ofctl(&["fdb/show", BRIDGE]);
        let them = ovs.must(&["ovs-appctl", "fdb/show", BRIDGE]);
        [("100", &ours[0]), ("101", &ours[1]), ("100", &far[0]), ("101", &far[1])]
            .iter()
            .all(|(vid, host)| learned(&us, vid, host) && learned(&them, vid, host))
    });
    assert_conserved(&lab.daemon);
}
