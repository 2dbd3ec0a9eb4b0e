//! Open vSwitch's userspace datapath at the far end. Its address is on its bridge `phy`.

use switch_tests::ovs::Ovs;
use switch_tests::traffic::{ping, tcp, wait_reachable};

use crate::rig::{End, INNER_MTU, Kind, Site, Underlay, remote, wired};

/// An Open vSwitch whose uplink and address are on `phy`, and whose tunnel is on `int`.
pub fn open_vswitch<'a>(end: &'a End, n: u8, tunnel: &[&str]) -> Ovs<'a> {
    let ovs = Ovs::start(&end.ns, &[]);
    ovs.add_bridge("phy");
    ovs.vsctl(&["add-port", "phy", "wan"]);
    end.address(n, "phy");
    ovs.add_bridge("int");
    ovs.vsctl(&["add-port", "int", &format!("h{n}")]);
    ovs.vsctl(&[&["add-port", "int", "t", "--", "set", "interface", "t"], tunnel].concat());
    ovs
}

fn connects(kind: Kind, ours: &[&str], theirs: &[&str], is_v6: bool) {
    let underlay = Underlay::new();
    let one = Site::new(underlay.end(1));
    let two = underlay.wire(2);
    let h2 = wired(&two.ns, 2);
    // As a wire, the link to it carries finished checksums and segments that are cut; its datapath takes
    // no others.
    let wire = ["ethtool", "-K", "s2", "tx", "off", "gso", "off"];
    underlay.router().must(&wire);
    let far = |end: &End| if is_v6 { end.v6.clone() } else { end.v4.clone() };
    let remote_ip = format!("options:remote_ip={}", far(&one.end));
    let port_type = kind.port_type();
    let _ovs = open_vswitch(&two, 2, &[&[port_type.as_str(), &remote_ip], theirs].concat());
    one.tunnel(&[&[port_type.as_str(), &remote(&far(&two))], ours].concat());
    let h1 = one.host(1, &[]);
    h2.ns.must(&["ethtool", "-K", "eth0", "tx", "off"]);
    wait_reachable(&h1, &h2);
    ping(&h1, &h2, 50, 56);
    ping(&h2, &h1, 20, INNER_MTU as usize - 28);
    tcp(&h1, &h2, 4 << 20);
    tcp(&h2, &h1, 4 << 20);
}

#[test]
fn net_vxlan_ovs_at_the_far_end() {
    connects(Kind::Vxlan, &["key=7"], &["options:key=7"], false);
}

#[test]
fn net_vxlan_ovs_over_ipv6() {
    connects(Kind::Vxlan, &["key=7"], &["options:key=7"], true);
}

#[test]
fn net_gre_ovs_at_the_far_end() {
    connects(Kind::Gre, &[], &[], false);
}

#[test]
fn net_gre_ovs_with_a_key() {
    connects(Kind::Gre, &["key=4000000000"], &["options:key=4000000000"], false);
}

#[test]
fn net_geneve_ovs_at_the_far_end() {
    connects(Kind::Geneve, &["key=9"], &["options:key=9"], false);
}
