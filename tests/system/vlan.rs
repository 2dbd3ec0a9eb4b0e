//! VLANs: who hears whom, and where tags are seen. The hosts' kernel need not know VLANs: tagged
//! frames are sent as they are.

use switch_tests::frame::{BROADCAST, Frame};
use switch_tests::inject::inject;
use switch_tests::lab::DEV;
use switch_tests::ledger::assert_conserved;
use switch_tests::traffic::{can_ping, ping, tcp, wait_reachable};
use switch_tests::{Host, Lab, Sink, wait_until};

use super::PortKind;
use switch_tests::daemon::DEADLINE;

scenarios!(access_ports_are_apart, a_trunk_carries_tags, foreign_tags_are_dropped);

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
