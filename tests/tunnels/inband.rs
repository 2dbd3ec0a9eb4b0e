//! The underlay within the datapath: this host's address is on the switch's own port.

use switch_tests::ledger::assert_conserved;
use switch_tests::wait::wait_until;

use crate::rig::{Kind, Over, PATIENCE, Site, Underlay, gateway_row, join};

/// A switch whose uplink is a port of the bridge `phy`, which has the host's addresses.
pub fn inband(underlay: &Underlay, n: u8, keys: &[&str]) -> Site {
    let site = Site::new(underlay.wire(n));
    site.daemon.ofctl(&[&["add-br", "phy", "--", "add-port", "phy", "wan"], keys].concat());
    site.end.address(n, "phy");
    site
}

fn connects(kind: Kind, over: Over) {
    let underlay = Underlay::new();
    let (one, two) = (inband(&underlay, 1, &[]), Site::new(underlay.end(2)));
    let _hosts = join(kind, over, &["key=5"], (&one, &two));
    assert_eq!(one.status("t", "underlay"), "datapath (port phy)");
    assert_eq!(one.status("t", "tunnel_egress_iface"), "phy");
    assert_eq!(one.status("t", "source_ip"), one.end.at(over));
    assert_eq!(gateway_row(&one, over)[2], "phy");
    assert_conserved(&one.daemon);
}

#[test]
fn vxlan_leaves_by_the_switch_s_own_port() {
    connects(Kind::Vxlan, Over::V4);
}

#[test]
fn geneve_over_ipv6_leaves_by_the_switch_s_own_port() {
    connects(Kind::Geneve, Over::V6);
}

#[test]
fn gre_leaves_by_the_switch_s_own_port() {
    connects(Kind::Gre, Over::V4);
}

#[test]
fn a_next_hop_that_is_silent_is_told_and_heard_when_it_speaks() {
    let underlay = Underlay::new();
    let one = inband(&underlay, 1, &[]);
    one.end.ns.ip(&["route", "add", "203.0.113.0/24", "via", "10.9.1.77"]);
    one.tunnel(&["type=vxlan", "remote_ip=203.0.113.9"]);
    wait_until("the silence to be told", PATIENCE, || {
        one.daemon.port("t")["error"] == "10.9.1.77 has not told its MAC address on phy"
    });
    underlay.router().ip(&["addr", "add", "10.9.1.77/24", "dev", "s1"]);
    wait_until("the next hop", PATIENCE, || one.status("t", "next_hop_mac").contains(':'));
    assert!(one.daemon.port("t")["error"].is_null());
}

#[test]
fn a_tunnel_whose_way_leads_into_itself_is_told() {
    let underlay = Underlay::new();
    let one = Site::new(underlay.end(1));
    one.end.ns.ip(&["link", "set", "br0", "up"]);
    one.end.ns.ip(&["addr", "add", "10.8.0.1/24", "dev", "br0"]);
    one.tunnel(&["type=vxlan", "remote_ip=10.8.0.2"]);
    wait_until("the loop to be told", PATIENCE, || {
        one.daemon.port("t")["error"]
            == "the route to 10.8.0.2 leads by port br0 into the tunnel itself"
    });
    assert_eq!(one.daemon.port("t")["link_state"], "down");
    // With another way out of the bridge it may be meant so.
    let _h1 = one.host(1, &[]);
    one.wait_link("t", "up");
}
