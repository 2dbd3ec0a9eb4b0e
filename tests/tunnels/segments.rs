//! Segments: a virtual network over many hosts, without a controller.

use switch_tests::frame::{BROADCAST, Frame};
use switch_tests::inject::inject;
use switch_tests::lab::{DEV, Host};
use switch_tests::ledger::assert_conserved;
use switch_tests::traffic::{can_ping, ping, tcp, wait_reachable};
use switch_tests::wait::wait_until;
use switch_tests::{Netns, Sink};

use crate::rig::{End, INNER_MTU, PATIENCE, Site, Underlay, enable_ipv6, wired};

/// Joins a segment.
fn join(site: &Site, keys: &str, remotes: &[&Site]) {
    let list: Vec<&str> = remotes.iter().map(|remote| remote.end.v4.as_str()).collect();
    let list = format!("flood_remotes={}", list.join(","));
    let keys: Vec<&str> = keys.split_whitespace().collect();
    site.tunnel(&[&["type=vxlan", "remote_ip=flow", &list], &keys[..]].concat());
}

/// Behind which remote host a switch has learned a host.
fn learned_behind(site: &Site, host: &Host) -> Option<String> {
    let shown = site.daemon.ofctl(&["fdb/show", "br0"]);
    let mac = host.ns.must(&["cat", &format!("/sys/class/net/{DEV}/address")]);
    let line = shown.lines().find(|line| line.contains(mac.trim()))?;
    line.split_whitespace().nth(4).map(str::to_owned)
}

#[test]
fn three_switches_are_one_segment() {
    let underlay = Underlay::new();
    let [one, two, three] = [1, 2, 3].map(|n| Site::new(underlay.end(n)));
    join(&one, "key=77", &[&two, &three]);
    join(&two, "key=77", &[&one, &three]);
    join(&three, "key=77", &[&one, &two]);
    let [h1, h2, h3] = [(&one, 1), (&two, 2), (&three, 3)].map(|(site, n)| site.host(n, &[]));
    for (from, to) in [(&h1, &h2), (&h2, &h3), (&h3, &h1)] {
        wait_reachable(from, to);
        ping(from, to, 20, 56);
        tcp(from, to, 4 << 20);
    }
    assert_eq!(learned_behind(&one, &h2), Some(two.end.v4.clone()));
    assert_eq!(learned_behind(&one, &h3), Some(three.end.v4.clone()));
    assert_eq!(learned_behind(&three, &h1), Some(one.end.v4.clone()));
    assert_eq!(learned_behind(&one, &h1), None);
    // What is for all reaches everybody once: nobody hands it on.
    let sinks = [Sink::open(&h2.ns, DEV), Sink::open(&h3.ns, DEV)];
    const TEXT: &str = "for everybody once";
    inject(&h1.ns, DEV, [Frame::new(BROADCAST, h1.mac).text(TEXT)]);
    for sink in &sinks {
        sink.expect(TEXT, 1);
    }
    // What is for one host goes to its switch alone.
    let received = || three.daemon.port("t")["statistics"]["rx_packets"].as_u64();
    let before = received();
    ping(&h1, &h2, 20, 56);
    assert_eq!(received(), before);
    for site in [&one, &two, &three] {
        assert_conserved(&site.daemon);
    }
}

#[test]
fn a_host_that_no_list_names_is_learned_and_forgotten() {
    let underlay = Underlay::new();
    let [one, two, three] = [1, 2, 3].map(|n| Site::new(underlay.end(n)));
    one.daemon.ofctl(&["set", "bridge", "br0", "mac-aging-time=15"]);
    join(&one, "key=5", &[&two]);
    join(&two, "key=5", &[&one]);
    join(&three, "key=5", &[&one]);
    let (h1, h3) = (one.host(1, &[]), three.host(3, &[]));
    for (site, ports) in [(&one, ["t", "h1"]), (&three, ["t", "h3"])] {
        ports.iter().for_each(|port| site.wait_link(port, "up"));
    }
    // The first question of the third switch's host is answered.
    assert!(can_ping(&h3, &h1));
    assert_eq!(learned_behind(&one, &h3), Some(three.end.v4.clone()));
    ping(&h1, &h3, 20, 56);
    tcp(&h1, &h3, 4 << 20);
    three.daemon.ofctl(&["del-port", "br0", "t"]);
    wait_until("the address to be forgotten", 3 * PATIENCE, || learned_behind(&one, &h3).is_none());
    assert_conserved(&one.daemon);
}

#[test]
fn segments_of_two_keys_are_apart() {
    let underlay = Underlay::new();
    let [one, two] = [1, 2].map(|n| Site::new(underlay.end(n)));
    join(&one, "key=5", &[&two]);
    join(&two, "key=6", &[&one]);
    let (h1, h2) = (one.host(1, &[]), two.host(2, &[]));
    assert!(!can_ping(&h1, &h2));
    two.daemon.ofctl(&["set", "port", "t", "key=5"]);
    wait_reachable(&h1, &h2);
    assert_eq!(learned_behind(&one, &h2), Some(two.end.v4.clone()));
}

/// Two namespaces on one wire: groups cross no router here.
fn neighbours() -> [End; 2] {
    let [a, b] = [1, 2].map(|n| Netns::new(&format!("s{n}")));
    a.add_veth("wan", &b, "wan");
    let end = |ns: Netns, n: u8| {
        enable_ipv6(&ns);
        let (v4, v6) = (format!("192.0.2.{n}"), format!("fd09::{n}"));
        ns.ip(&["link", "set", "wan", "up"]);
        ns.ip(&["addr", "add", &format!("{v4}/24"), "dev", "wan"]);
        ns.ip(&["route", "add", "239.0.0.0/8", "dev", "wan"]);
        End { ns, v4, v6 }
    };
    [end(a, 1), end(b, 2)]
}

#[test]
fn net_vxlan_multicast_group_with_the_kernel() {
    let [here, there] = neighbours();
    let h2 = wired(&there.ns, 2);
    let group = ["id", "77", "group", "239.1.1.1", "dev", "wan", "dstport", "4789"];
    there
        .ns
        .ip(&[&["link", "add", "vx0", "type", "vxlan", "local", &there.v4], &group[..]].concat());
    there.ns.ip(&["link", "add", "lan", "type", "bridge"]);
    for dev in ["vx0", "h2"] {
        there.ns.ip(&["link", "set", dev, "master", "lan"]);
    }
    for dev in ["vx0", "lan"] {
        there.ns.ip(&["link", "set", dev, "up", "mtu", &INNER_MTU.to_string()]);
    }
    let one = Site::new(here);
    one.tunnel(&["type=vxlan", "remote_ip=flow", "group=239.1.1.1", "key=77"]);
    let h1 = one.host(1, &[]);
    wait_reachable(&h1, &h2);
    ping(&h1, &h2, 20, 56);
    tcp(&h1, &h2, 8 << 20);
    tcp(&h2, &h1, 8 << 20);
    assert_eq!(learned_behind(&one, &h2), Some(there.v4.clone()));
    // The host tells the network that it wants the group, and no more when the port is gone.
    let is_member =
        || one.end.ns.must(&["ip", "maddr", "show", "dev", "wan"]).contains("239.1.1.1");
    assert!(is_member());
    assert_conserved(&one.daemon);
    one.daemon.ofctl(&["del-port", "br0", "t"]);
    wait_until("the group to be left", PATIENCE, || !is_member());
}
