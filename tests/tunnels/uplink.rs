//! An uplink that AF_XDP serves, with this host's address on it: the kernel hears nothing there, and
//! nobody has set neighbours by hand.

use switch_tests::ledger::assert_conserved;
use switch_tests::traffic::wait_reachable;
use switch_tests::wait::wait_until;

use crate::rig::{Kind, Over, PATIENCE, Site, Underlay, gateway_row, join};

/// A switch whose uplink is the one port of the bridge `phy`.
pub fn direct(underlay: &Underlay, n: u8) -> Site {
    let site = Site::new(underlay.wire(n));
    site.end.address(n, "wan");
    site.daemon.ofctl(&["add-br", "phy", "--", "add-port", "phy", "wan", "type=afxdp"]);
    site
}

fn connects(kind: Kind, over: Over) {
    let underlay = Underlay::new();
    let (one, two) = (direct(&underlay, 1), Site::new(underlay.end(2)));
    let (h1, h2) = join(kind, over, &["key=5"], (&one, &two));
    assert_eq!(one.status("t", "underlay"), "datapath (port wan)");
    assert_eq!(gateway_row(&one, over)[1], one.status("t", "next_hop_mac"));
    // The next hop has forgotten this host, asks, and is answered.
    underlay.router().ip(&["neigh", "flush", "dev", "s1"]);
    wait_reachable(&h2, &h1);
    assert_conserved(&one.daemon);
}

#[test]
fn vxlan_by_an_afxdp_uplink_finds_its_next_hop() {
    connects(Kind::Vxlan, Over::V4);
}

#[test]
fn geneve_over_ipv6_by_an_afxdp_uplink_finds_its_next_hop() {
    connects(Kind::Geneve, Over::V6);
}

/// Neither end hears of the checksums that the other's hosts leave unfinished.
#[test]
fn streams_cross_between_two_afxdp_uplinks() {
    let underlay = Underlay::new();
    let (one, two) = (direct(&underlay, 1), direct(&underlay, 2));
    let _hosts = join(Kind::Vxlan, Over::V4, &["key=5"], (&one, &two));
    for site in [&one, &two] {
        assert_conserved(&site.daemon);
    }
}

#[test]
fn a_next_hop_by_an_afxdp_uplink_that_moves_or_is_not_asked_for() {
    let underlay = Underlay::new();
    let one = direct(&underlay, 1);
    one.end.ns.ip(&["route", "add", "203.0.113.0/24", "via", "10.9.1.77"]);
    one.tunnel(&["type=vxlan", "remote_ip=203.0.113.9"]);
    wait_until("the silence to be told", PATIENCE, || {
        one.daemon.port("t")["error"] == "10.9.1.77 has not told its MAC address on wan"
    });
    // Others on the link may say what they like: nobody asked.
    let neighbours = || one.daemon.ofctl(&["tnl/neigh/show"]);
    underlay.router().ip(&["addr", "add", "10.9.1.78/24", "dev", "s1"]);
    let speak = "ping -c 1 -W 1 -I 10.9.1.78 10.9.1.2 || true";
    underlay.router().must(&["sh", "-c", speak]);
    wait_until("this host's answer", PATIENCE, || {
        underlay.router().must(&["ip", "neigh", "show", "10.9.1.2"]).contains("lladdr")
    });
    assert!(!neighbours().contains("10.9.1.78"), "{}", neighbours());
    underlay.router().ip(&["addr", "add", "10.9.1.77/24", "dev", "s1"]);
    wait_until("the next hop", PATIENCE, || one.status("t", "next_hop_mac").contains(':'));
    assert!(one.daemon.port("t")["error"].is_null());
}
