//! VLANs: who hears whom, and where tags are seen. The hosts' kernel need not know VLANs: tagged
//! frames are sent as they are.

use switch_tests::frame::{BROADCAST, Frame};
use switch_tests::inject::inject;
use switch_tests::lab::{BRIDGE, DEV};
use switch_tests::ledger::assert_conserved;
use switch_tests::traffic::{can_ping, ping, tcp, wait_reachable};
use switch_tests::{Host, Lab, Sink, wait_until};

use super::PortKind;
use switch_tests::daemon::DEADLINE;

scenarios!(
    access_ports_are_apart,
    a_trunk_carries_tags,
    foreign_tags_are_dropped,
    a_customers_vlan_is_carried_in_a_service_vlan,
);

/// Bytes 12 to 16 of a frame tagged with a VID.
fn tag(vid: u8) -> [u8; 4] {
    [0x81, 0x00, 0x00, vid]
}

fn broadcast(host: &Host, vid: Option<u16>, text: &str) {
    let frame = vid.into_iter().fold(Frame::new(BROADCAST, host.mac), Frame::vlan);
    inject(&host.ns, DEV, [frame.text(text)]);
}

fn sink(host: &Host) -> Sink {
    Sink::open(&host.ns, DEV)
}

fn access_ports_are_apart(kind: PortKind) {
    let lab = Lab::new();
    let host = |tag| lab.host(kind, &[tag]);
    let (a, b) = (host("tag=100"), host("tag=100"));
    let (c, d) = (host("tag=101"), host("tag=101"));
    wait_reachable(&a, &b);
    wait_reachable(&c, &d);
    ping(&a, &b, 50, 56);
    tcp(&c, &d, 4 * 1024 * 1024);
    assert!(!can_ping(&a, &c), "VLAN 100 reaches VLAN 101");

    let (at_b, at_c) = (sink(&b), sink(&c));
    broadcast(&a, None, "for 100");
    let seen = at_b.expect("for 100", 1);
    assert_eq!(seen[0][12..14], [0x88, 0xb5], "an access port sends without a tag");
    at_c.expect_none("for 100", d.wire());
    assert_conserved(&lab.daemon);
}

fn a_trunk_carries_tags(kind: PortKind) {
    let lab = Lab::new();
    let (a, b) = (lab.host(kind, &["tag=100"]), lab.host(kind, &["tag=101"]));
    let (all, some) = (lab.host(kind, &[]), lab.host(kind, &["trunks=100,200-210"]));
    let (at_a, at_b, at_all, at_some) = (sink(&a), sink(&b), sink(&all), sink(&some));

    broadcast(&a, None, "from a");
    for at in [&at_all, &at_some] {
        assert_eq!(at.expect("from a", 1)[0][12..16], tag(100));
    }
    broadcast(&all, Some(101), "from the trunk");
    assert_eq!(at_b.expect("from the trunk", 1)[0][12..14], [0x88, 0xb5]);
    at_a.fence(&all.ns, DEV, Some(100));
    assert!(at_a.with_text("from the trunk").is_empty(), "101 leaks into 100");
    at_some.fence(&all.ns, DEV, Some(205));
    assert!(at_some.with_text("from the trunk").is_empty(), "101 is not among the trunks");

    // Between the trunks the tag stays, and so does what it carries.
    broadcast(&all, Some(210), "between trunks");
    assert_eq!(at_some.expect("between trunks", 1)[0][12..16], tag(210));
    assert_conserved(&lab.daemon);
}

fn foreign_tags_are_dropped(kind: PortKind) {
    let lab = Lab::new();
    let a = lab.host(kind, &["tag=100"]);
    let trunk = lab.host(kind, &["trunks=100"]);
    let before = |host: &Host| lab.daemon.drops(&host.name, "vlan_not_allowed");
    assert_eq!((before(&a), before(&trunk)), (0, 0));

    // Even its own VLAN: an access port takes no tag.
    broadcast(&a, Some(100), "tagged");
    wait_until("a drop on the access port", DEADLINE, || before(&a) == 1);
    broadcast(&trunk, Some(101), "not carried");
    wait_until("a drop on the trunk", DEADLINE, || before(&trunk) == 1);
    assert_conserved(&lab.daemon);
}

/// Two hosts of VLAN 20 on bridges of their own, and a provider's two bridges between them, which
/// carry that VLAN in VLAN 100. The hosts' kernels cut and join: tags are written and removed on whole
/// segments too.
fn a_customers_vlan_is_carried_in_a_service_vlan(kind: PortKind) {
    let lab = Lab::new();
    let (a, b) = (lab.host(kind, &["tag=20"]), lab.host_without_port(kind));
    for bridge in ["br1", "br2", "br3"] {
        lab.daemon.ofctl(&["add-br", bridge]);
    }
    // On the way out, a tunnel's customer VLANs are those of second tags.
    lab.daemon.ofctl(&["set", "switch", "vlan-limit=2"]);
    let tunnel = &["vlan_mode=dot1q-tunnel", "tag=100", "cvlans=20"][..];
    // Two tags on a full frame: links of a provider have room for one more than usual.
    let wide = &["mtu_request=1508"][..];
    for (bridge, port, peer, keys) in [
        (BRIDGE, "l0", "l1", &[][..]),
        ("br1", "l1", "l0", tunnel),
        ("br1", "m0", "m1", wide),
        ("br2", "m1", "m0", wide),
        ("br2", "n0", "n1", tunnel),
        ("br3", "n1", "n0", &[]),
    ] {
        if port < peer {
            lab.ns.add_veth(port, &lab.ns, peer);
        }
        lab.ns.ip(&["link", "set", port, "up"]);
        lab.daemon.ofctl(&[&["add-port", bridge, port][..], keys].concat());
    }
    let driver = if kind == PortKind::Tap { "type=tap" } else { "driver=packet" };
    lab.daemon.ofctl(&["add-port", "br3", &b.name, driver, "tag=20"]);
    lab.hand_over(&b);
    wait_reachable(&a, &b);
    ping(&a, &b, 50, 1472);
    tcp(&a, &b, 8 * 1024 * 1024);
    tcp(&b, &a, 8 * 1024 * 1024);

    let (in_the_middle, at_b) = (Sink::open(&lab.ns, "m1"), sink(&b));
    broadcast(&a, None, "from a customer");
    let tags = [0x88, 0xa8, 0, 100, 0x81, 0, 0, 20];
    assert_eq!(in_the_middle.expect("from a customer", 1)[0][12..20], tags);
    assert_eq!(at_b.expect("from a customer", 1)[0][12..14], [0x88, 0xb5]);
    lab.daemon.ofctl(&["set", "port", "l1", "cvlans=21"]);
    broadcast(&a, None, "of no customer");
    wait_until("a drop at the tunnel", DEADLINE, || lab.daemon.drops("l1", "vlan_not_allowed") > 0);
    assert!(in_the_middle.with_text("of no customer").is_empty());
    assert_conserved(&lab.daemon);
}
