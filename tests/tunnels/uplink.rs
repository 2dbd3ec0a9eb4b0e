//! An uplink that AF_XDP serves, with this host's address on it: the kernel hears nothing there, and
//! nobody has set neighbours by hand.

use switch_tests::ledger::assert_conserved;
use switch_tests::traffic::{ping, tcp, wait_reachable};
use switch_tests::wait::wait_until;

use crate::rig::{INNER_MTU, Kind, PATIENCE, Site, Underlay, remote};

/// A switch whose uplink is the one port of the bridge `phy`.
fn direct(underlay: &Underlay, n: u8) -> Site {
    let site = Site::new(underlay.wire(n));
    site.end.address(n, "wan");
    site.daemon.ofctl(&["add-br", "phy", "--", "add-port", "phy", "wan", "type=afxdp"]);
    site
}

fn connects(kind: Kind, is_v6: bool) {
    let underlay = Underlay::new();
    let (one, two) = (direct(&underlay, 1), Site::new(underlay.end(2)));
    let at = |site: &Site| if is_v6 { site.end.v6.clone() } else { site.end.v4.clone() };
    let port_type = kind.port_type();
    for (here, there) in [(&one, &two), (&two, &one)] {
        here.tunnel(&[&port_type, &remote(&at(there)), "key=5"]);
    }
    let (h1, h2) = (one.host(1, &[]), two.host(2, &[]));
    wait_reachable(&h1, &h2);
    ping(&h1, &h2, 50, 56);
    ping(&h2, &h1, 20, INNER_MTU as usize - 28);
    tcp(&h1, &h2, 4 << 20);
    assert_eq!(one.status("t", "underlay"), "datapath (port wan)");
    let neighbours = one.daemon.ofctl(&["tnl/neigh/show"]);
    let gateway = if is_v6 { "fd09:1::1" } else { "10.9.1.1" };
    let row = neighbours.lines().find(|line| line.starts_with(gateway)).expect("the gateway");
    let mac = one.status("t", "next_hop_mac");
    assert!(row.split_whitespace().nth(1) == Some(mac.as_str()), "{neighbours}");
    // The next hop has forgotten this host, asks, and is answered.
    underlay.router().ip(&["neigh", "flush", "dev", "s1"]);
    wait_reachable(&h2, &h1);
    assert_conserved(&one.daemon);
}

#[test]
fn vxlan_by_an_afxdp_uplink_finds_its_next_hop() {
    connects(Kind::Vxlan, false);
}

#[test]
fn geneve_over_ipv6_by_an_afxdp_uplink_finds_its_next_hop() {
    connects(Kind::Geneve, true);
}

/// Neither end hears of the checksums that the other's hosts leave unfinished.
#[test]
fn streams_cross_between_two_afxdp_uplinks() {
    let underlay = Underlay::new();
    let (one, two) = (direct(&underlay, 1), direct(&underlay, 2));
    for (here, there) in [(&one, &two), (&two, &one)] {
        here.tunnel(&["type=vxlan", &remote(&there.end.v4), "key=5"]);
    }
    let (h1, h2) = (one.host(1, &[]), two.host(2, &[]));
    wait_reachable(&h1, &h2);
    tcp(&h1, &h2, 4 << 20);
    tcp(&h2, &h1, 4 << 20);
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
