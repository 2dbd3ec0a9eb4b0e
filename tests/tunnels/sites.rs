//! Two switches: what a user types, and what must then work.

use switch_tests::Sink;
use switch_tests::frame::{BROADCAST, Frame};
use switch_tests::inject::inject;
use switch_tests::lab::DEV;
use switch_tests::ledger::assert_conserved;
use switch_tests::traffic::wait_reachable;

use crate::rig::{Kind, Over, Site, Underlay, join, remote};

/// Two sites, a host on each.
fn sites() -> (Underlay, Site, Site) {
    let underlay = Underlay::new();
    let (one, two) = (Site::new(underlay.end(1)), Site::new(underlay.end(2)));
    (underlay, one, two)
}

fn connects(kind: Kind, over: Over, keys: &[&str]) {
    let (_underlay, one, two) = sites();
    let _hosts = join(kind, over, keys, (&one, &two));
    let status = &one.daemon.port("t")["status"];
    assert_eq!(status["tunnel_egress_iface"], "wan");
    assert_eq!(status["tunnel_egress_iface_carrier"], "up");
    assert_eq!(status["source_ip"], one.end.at(over));
    assert_eq!(status["underlay"], "host");
    assert_conserved(&one.daemon);
    assert_conserved(&two.daemon);
}

#[test]
fn vxlan_joins_two_switches() {
    connects(Kind::Vxlan, Over::V4, &[]);
}

#[test]
fn vxlan_over_ipv6_with_a_key() {
    connects(Kind::Vxlan, Over::V6, &["key=16777215"]);
}

#[test]
fn vxlan_on_the_port_of_older_kernels() {
    connects(Kind::Vxlan, Over::V4, &["dst_port=8472", "key=42"]);
}

#[test]
fn gre_joins_two_switches() {
    connects(Kind::Gre, Over::V4, &[]);
}

#[test]
fn gre_with_key_checksum_and_numbers() {
    connects(Kind::Gre, Over::V4, &["key=4294967295", "csum=true", "seq=true"]);
}

#[test]
fn gre_over_ipv6() {
    connects(Kind::Gre, Over::V6, &["key=7"]);
}

#[test]
fn geneve_joins_two_switches() {
    connects(Kind::Geneve, Over::V4, &["key=99"]);
}

#[test]
fn geneve_over_ipv6() {
    connects(Kind::Geneve, Over::V6, &[]);
}

#[test]
fn virtual_networks_are_apart_on_one_pair_of_hosts() {
    let (_underlay, one, two) = sites();
    for (here, there) in [(&one, &two), (&two, &one)] {
        here.daemon.ofctl(&["add-br", "br1"]);
        let far = remote(&there.end.v4);
        here.daemon.ofctl(&["add-port", "br0", "t", "type=vxlan", &far, "key=100"]);
        here.daemon.ofctl(&["add-port", "br1", "u", "type=vxlan", &far, "key=101"]);
    }
    let (h1, h2) = (one.host(1, &[]), two.host(2, &[]));
    let (h3, h4) = (one.host_on("br1", 3, &[]), two.host_on("br1", 4, &[]));
    wait_reachable(&h1, &h2);
    wait_reachable(&h3, &h4);
    let (mine, other) = (Sink::open(&h2.ns, DEV), Sink::open(&h4.ns, DEV));
    const TEXT: &str = "for network 100 alone";
    inject(&h1.ns, DEV, [Frame::new(BROADCAST, h1.mac).text(TEXT)]);
    mine.expect(TEXT, 1);
    other.expect_none(TEXT, h3.wire());
    assert_conserved(&one.daemon);
    assert_conserved(&two.daemon);
}

#[test]
fn one_carrier_serves_all_ports_and_goes_with_the_last() {
    let (_underlay, one, two) = sites();
    let far = remote(&two.end.v4);
    one.daemon.ofctl(&["add-port", "br0", "t1", "type=vxlan", &far, "key=1"]);
    one.daemon.ofctl(&["add-port", "br0", "t2", "type=vxlan", &far, "key=2"]);
    one.daemon.ofctl(&["add-port", "br0", "g", "type=gre", &far]);
    let shown = one.daemon.ofctl(&["tnl/ports/show"]);
    assert_eq!(shown, "Listening ports:\nvxlan_sys_4789 (4789) ref_cnt=2\ngre_sys (0) ref_cnt=1\n");
    assert!(one.end.ns.must(&["ss", "-lnu"]).contains(":4789"), "somebody listens");
    one.daemon.ofctl(&["del-port", "br0", "t1", "--", "del-port", "br0", "t2"]);
    let shown = one.daemon.ofctl(&["tnl/ports/show"]);
    assert_eq!(shown, "Listening ports:\ngre_sys (0) ref_cnt=1\n");
    assert!(!one.end.ns.must(&["ss", "-lnu"]).contains(":4789"), "nobody listens");
}
