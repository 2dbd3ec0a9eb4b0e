//! Things that change while tunnels are there.

use switch_tests::traffic::{can_ping, ping, wait_reachable};
use switch_tests::wait::wait_until;

use crate::rig::{PATIENCE, Site, Underlay, remote};

#[test]
fn a_peer_that_appears_later_and_a_daemon_that_restarts() {
    let underlay = Underlay::new();
    let mut one = Site::new(underlay.end(1));
    one.tunnel(&["type=vxlan", "remote_ip=10.9.2.2", "key=3"]);
    one.wait_link("t", "up");
    let h1 = one.host(1, &[]);
    let two = Site::new(underlay.end(2));
    two.tunnel(&["type=vxlan", &remote(&one.end.v4), "key=3"]);
    let h2 = two.host(2, &[]);
    wait_reachable(&h1, &h2);
    one.daemon.kill();
    one.daemon.restart();
    wait_reachable(&h2, &h1);
    ping(&h1, &h2, 20, 56);
    assert_eq!(one.daemon.ofctl(&["get", "port", "t", "key"]), "3\n");
}

#[test]
fn routes_and_interfaces_that_come_and_go_are_followed() {
    let underlay = Underlay::new();
    let (one, two) = (Site::new(underlay.end(1)), Site::new(underlay.end(2)));
    one.end.ns.ip(&["route", "del", "default"]);
    one.tunnel(&["type=vxlan", &remote(&two.end.v4)]);
    two.tunnel(&["type=vxlan", &remote(&one.end.v4)]);
    one.wait_link("t", "down");
    assert_eq!(one.daemon.port("t")["error"], "no route to 10.9.2.2");
    assert!(one.daemon.ofctl(&["show"]).contains("error: no route to 10.9.2.2"));
    let (h1, h2) = (one.host(1, &[]), two.host(2, &[]));
    one.end.ns.ip(&["route", "add", "10.9.2.0/24", "via", "10.9.1.1"]);
    one.wait_link("t", "up");
    wait_reachable(&h1, &h2);

    // Another way: the address that packets come from changes with it.
    one.end.ns.ip(&["addr", "add", "10.9.1.3/24", "dev", "wan"]);
    one.end.ns.ip(&["route", "replace", "10.9.2.0/24", "via", "10.9.1.1", "src", "10.9.1.3"]);
    wait_until("the other address", PATIENCE, || one.status("t", "source_ip") == "10.9.1.3");
    two.daemon.ofctl(&["set", "port", "t", "remote_ip=10.9.1.3"]);
    wait_reachable(&h1, &h2);

    one.end.ns.ip(&["link", "del", "wan"]);
    one.wait_link("t", "down");
    assert!(!can_ping(&h1, &h2));
}

/// The uplink is a port by packet sockets and has the host's address: the host hears what comes by it,
/// unless it was asked not to.
#[test]
fn an_uplink_that_is_a_port_stays_the_host_s_way() {
    let underlay = Underlay::new();
    let (one, two) = (Site::new(underlay.end(1)), Site::new(underlay.end(2)));
    one.daemon.ofctl(&["add-br", "phy", "--", "add-port", "phy", "wan"]);
    one.tunnel(&["type=vxlan", &remote(&two.end.v4)]);
    two.tunnel(&["type=vxlan", &remote(&one.end.v4)]);
    let (h1, h2) = (one.host(1, &[]), two.host(2, &[]));
    wait_reachable(&h1, &h2);
    ping(&h1, &h2, 20, 56);
    assert_eq!(one.status("t", "underlay"), "host");
    one.daemon.ofctl(&["set", "port", "wan", "host-copy=false"]);
    one.wait_link("t", "down");
    assert_eq!(
        one.daemon.port("t")["error"],
        "the route to 10.9.2.2 leads by port wan, of which the host gets no copy \
         (set port wan host-copy=true)"
    );
    assert!(!can_ping(&h1, &h2));
    one.daemon.ofctl(&["clear", "port", "wan", "host-copy"]);
    one.wait_link("t", "up");
    wait_reachable(&h1, &h2);
}

#[test]
fn an_address_of_ours_may_come_later() {
    let underlay = Underlay::new();
    let one = Site::new(underlay.end(1));
    one.tunnel(&["type=gre", "remote_ip=10.9.2.2", "local_ip=10.9.1.9"]);
    one.wait_link("t", "down");
    assert_eq!(one.daemon.port("t")["error"], "10.9.1.9 is not an address of this host");
    one.end.ns.ip(&["addr", "add", "10.9.1.9/24", "dev", "wan"]);
    one.wait_link("t", "up");
    assert_eq!(one.status("t", "source_ip"), "10.9.1.9");
}

#[test]
fn policy_rules_are_asked_too() {
    let underlay = Underlay::new();
    let one = Site::new(underlay.end(1));
    one.tunnel(&["type=vxlan", "remote_ip=203.0.113.9"]);
    one.wait_link("t", "up");
    one.end.ns.ip(&["route", "add", "prohibit", "203.0.113.0/24", "table", "99"]);
    one.end.ns.ip(&["rule", "add", "to", "203.0.113.0/24", "table", "99"]);
    one.wait_link("t", "down");
    assert_eq!(one.daemon.port("t")["error"], "a route prohibits packets to 203.0.113.9");
    one.end.ns.ip(&["rule", "del", "to", "203.0.113.0/24", "table", "99"]);
    one.wait_link("t", "up");
}

#[test]
fn routes_are_shown_as_open_vswitch_shows_them() {
    let underlay = Underlay::new();
    let one = Site::new(underlay.end(1));
    one.tunnel(&["type=vxlan", "remote_ip=10.9.2.2"]);
    one.wait_link("t", "up");
    let appctl = |words: &[&str]| {
        let ctl = one.daemon.rundir().join("vswitchd.ctl").display().to_string();
        switch_tests::process::must(&[&["ovs-appctl", "-t", &ctl], words].concat())
    };
    let routes = appctl(&["ovs/route/show"]);
    assert!(routes.starts_with("Route Table:\n"), "{routes}");
    assert!(routes.contains("Cached: 0.0.0.0/0 dev wan GW 10.9.1.1 SRC 10.9.1.2\n"), "{routes}");
    assert!(routes.contains("Cached: 10.9.1.2/32 dev wan SRC 10.9.1.2 local\n"), "{routes}");
    let way = appctl(&["ovs/route/lookup", "203.0.113.1"]);
    assert_eq!(way, "src 10.9.1.2\ngateway 10.9.1.1\ndev wan\n");
    let way = appctl(&["ovs/route/lookup", "10.9.1.77"]);
    assert_eq!(way, "src 10.9.1.2\ngateway ::\ndev wan\n");
    assert!(appctl(&["tnl/neigh/show"]).starts_with(
        "IP                                            MAC                 Bridge\n===="
    ));
    let json = one.daemon.ofctl(&["--json", "tnl/ports/show"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["listening"][0]["ports"][0], "t", "{json}");
}
