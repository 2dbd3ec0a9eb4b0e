//! Segments: a virtual network over many hosts, without a controller.

use packet::checksum::Sum;
use switch_tests::frame::{BROADCAST, Frame, mac};
use switch_tests::inject::inject;
use switch_tests::lab::{DEV, Host};
use switch_tests::ledger::assert_conserved;
use switch_tests::traffic::{can_ping, ping, tcp, wait_reachable};
use switch_tests::wait::wait_until;
use switch_tests::{Netns, Sink};

use crate::rig::{End, INNER_MTU, Over, PATIENCE, Site, Underlay, cross, enable_ipv6, wired};

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
        ns.ip(&["link", "set", "wan", "up"]);
        End { ns, v4: format!("192.0.2.{n}"), v6: format!("fd09::{n}") }
    };
    [end(a, 1), end(b, 2)]
}

/// Gives an interface the end's addresses, and the routes to groups.
fn address(end: &End, dev: &str) {
    end.ns.ip(&["link", "set", dev, "up"]);
    end.ns.ip(&["addr", "add", &format!("{}/24", end.v4), "dev", dev]);
    end.ns.ip(&["addr", "add", &format!("{}/64", end.v6), "dev", dev, "nodad"]);
    end.ns.ip(&["route", "add", "239.0.0.0/8", "dev", dev]);
    let groups = ["multicast", "ff05::/16", "dev", dev, "table", "local", "metric", "1"];
    end.ns.ip(&[&["-6", "route", "add"], &groups[..]].concat());
}

/// A switch whose uplink is the port of the bridge `phy`, which has the host's addresses.
fn inband(end: End) -> Site {
    let site = Site::new(end);
    site.daemon.ofctl(&["add-br", "phy", "--", "add-port", "phy", "wan"]);
    address(&site.end, "phy");
    site
}

/// Packets that a switch got by its carrier.
fn n_by_carrier(site: &Site) -> u64 {
    let shown = site.daemon.ofctl(&["dpctl/show", "-s"]);
    let count =
        shown.split("vxlan_sys_4789").nth(1).and_then(|rest| rest.split("RX packets:").nth(1));
    let count = count.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    count.unwrap_or_else(|| panic!("a carrier: {shown}"))
}

/// Waits for a frame from a host, and for what it sends after it: it came once.
fn expect_once(sink: &Sink, text: &str, from: &Host) {
    sink.expect(text, 1);
    sink.fence(&from.ns, DEV, None);
    assert_eq!(sink.with_text(text).len(), 1);
}

/// Asks on the wire who is in a group, as a router does (IGMPv3, RFC 3376 §4.1): the other end says that it
/// is in 239.1.1.1, not because it joins it now, but because it was asked.
fn answers_for_its_group(ns: &Netns) {
    const ALL_SYSTEMS: [u8; 6] = [0x01, 0, 0x5e, 0, 0, 1];
    // "Mode is exclude", of no sources; a host that joins says "change to exclude".
    const RECORD: [u8; 8] = [2, 0, 0, 0, 239, 1, 1, 1];
    let mut question = vec![0x11, 1, 0, 0, 0, 0, 0, 0, 2, 125, 0, 0];
    let sum = Sum::default().add_bytes(&question).finish().to_be_bytes();
    question[2..4].copy_from_slice(&sum);
    let mut packet = vec![0x46, 0xc0, 0, 36, 0, 0, 0, 0, 1, 2, 0, 0, 192, 0, 2, 254, 224, 0, 0, 1];
    packet.extend([0x94, 4, 0, 0]); // router alert
    let sum = Sum::default().add_bytes(&packet).finish().to_be_bytes();
    packet[10..12].copy_from_slice(&sum);
    let header = [&ALL_SYSTEMS[..], &mac(254), &[8, 0]].concat();
    let sink = Sink::open(ns, "wan");
    inject(ns, "wan", [[header, packet, question].concat()]);
    wait_until("an answer to who asks for members", PATIENCE, || {
        sink.frames().iter().any(|frame| frame.windows(8).any(|window| window == RECORD))
    });
}

/// A host behind a `vxlan` device of the kernel in the group meets one behind a switch, whose packets to
/// the group leave by `dev`.
fn meets_the_kernel(one: &Site, there: &End, dev: &str) {
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
    one.tunnel(&["type=vxlan", "remote_ip=flow", "group=239.1.1.1", "key=77"]);
    let h1 = one.host(1, &[]);
    cross(&h1, &h2);
    assert_eq!(learned_behind(one, &h2), Some(there.v4.clone()));
    // What is for all comes once.
    const TEXT: &str = "by the group, once";
    let sink = Sink::open(&h1.ns, DEV);
    inject(&h2.ns, DEV, [Frame::new(BROADCAST, h2.mac).text(TEXT)]);
    expect_once(&sink, TEXT, &h2);
    // The host tells the network that it wants the group, and no more when the port is gone.
    let is_member = || one.end.ns.must(&["ip", "maddr", "show", "dev", dev]).contains("239.1.1.1");
    assert!(is_member());
    answers_for_its_group(&there.ns);
    let underlay = one.status("t", "underlay");
    match dev {
        "wan" => assert_eq!(underlay, "host"),
        _ => assert_eq!((underlay.as_str(), n_by_carrier(one)), ("datapath (port phy)", 0)),
    }
    assert_conserved(&one.daemon);
    one.daemon.ofctl(&["del-port", "br0", "t"]);
    wait_until("the group to be left", PATIENCE, || !is_member());
}

#[test]
fn net_vxlan_multicast_group_with_the_kernel() {
    let [here, there] = neighbours();
    [&here, &there].iter().for_each(|end| address(end, "wan"));
    let one = Site::new(here);
    meets_the_kernel(&one, &there, "wan");
}

#[test]
fn net_vxlan_multicast_group_within_the_datapath_with_the_kernel() {
    let [here, there] = neighbours();
    address(&there, "wan");
    let one = inband(here);
    meets_the_kernel(&one, &there, "phy");
}

#[test]
fn two_switches_meet_by_a_group_within_their_datapaths() {
    for (group, over) in [("239.1.1.1", Over::V4), ("ff05::1:1", Over::V6)] {
        let [one, two] = neighbours().map(inband);
        for site in [&one, &two] {
            let group = format!("group={group}");
            site.tunnel(&["type=vxlan", "remote_ip=flow", &group, "key=77"]);
        }
        let (h1, h2) = (one.host(1, &[]), two.host(2, &[]));
        cross(&h1, &h2);
        assert_eq!(learned_behind(&one, &h2).as_deref(), Some(two.end.at(over)));
        assert_eq!(learned_behind(&two, &h1).as_deref(), Some(one.end.at(over)));
        const TEXT: &str = "by the group, once";
        let sink = Sink::open(&h2.ns, DEV);
        inject(&h1.ns, DEV, [Frame::new(BROADCAST, h1.mac).text(TEXT)]);
        expect_once(&sink, TEXT, &h1);
        for site in [&one, &two] {
            assert_eq!(site.status("t", "underlay"), "datapath (port phy)");
            assert!(site.daemon.ofctl(&["show"]).contains("group via port phy"));
            // The host, which is in the group as well, got nothing of it.
            assert_eq!(n_by_carrier(site), 0);
            assert_conserved(&site.daemon);
        }
    }
}
