//! Through this switch, and through the kernel's bridge.

use switch_tests::lab::{BRIDGE, DEV};
use switch_tests::ledger::assert_conserved;
use switch_tests::{Lab, Netns, PortKind};

use crate::rig::{assert_clean, assert_whole, count, port, report, stream};

/// Frames that fit every queue on the way, of each direction.
const N_FRAMES: &str = "2000";

/// A Linux bridge with three hosts.
fn bridge() -> (Netns, [Netns; 3]) {
    let switch = Netns::new("br");
    switch.ip(&["link", "add", BRIDGE, "type", "bridge"]);
    switch.ip(&["link", "set", BRIDGE, "up"]);
    let hosts = [1, 2, 3].map(|i| {
        let host = Netns::new(&format!("h{i}"));
        let near = format!("p{i}");
        switch.add_veth(&near, &host, DEV);
        switch.ip(&["link", "set", &near, "up", "master", BRIDGE]);
        host.ip(&["link", "set", DEV, "up"]);
        host
    });
    (switch, hosts)
}

/// Flows of all kinds both ways between the first two hosts; the third must hear nothing.
fn traffic_both_ways(hosts: [&Netns; 3]) {
    let [tx, rx, watch] = hosts.map(port);
    let ports = ["--tx", &tx, "--rx", &rx, "--watch", &watch, "--both-ways"];
    let frames = ["--flows", "1000", "--macs", "100", "--size", "imix", "--choice", "zipf"];
    let load = ["--rate", "10k", "--count", N_FRAMES];
    let report = report(&[&ports[..], &frames, &load].concat());
    assert_eq!(report["learned"], serde_json::json!([200, 200]));
    for way in [0, 1] {
        assert_whole(stream(&report, 0, way), 2000);
    }
}

#[test]
fn this_switch_delivers_every_frame_where_it_belongs() {
    let lab = Lab::new();
    let hosts = [1, 2, 3].map(|_| lab.host(PortKind::Packet, &[]));
    traffic_both_ways(hosts.each_ref().map(|host| &host.ns));
    let ledger = assert_conserved(&lab.daemon);
    assert!(ledger.rx >= 4000, "{ledger:?}");
}

#[test]
fn the_linux_bridge_delivers_every_frame_where_it_belongs() {
    let (_switch, hosts) = bridge();
    traffic_both_ways(hosts.each_ref());
}

#[test]
fn by_af_xdp_every_frame_is_delivered_too() {
    let lab = Lab::new();
    let hosts = [1, 2].map(|_| lab.host(PortKind::AfXdp, &[]));
    let [tx, rx] = hosts.each_ref().map(|host| format!("{}/afxdp:{DEV}", host.ns.name()));
    let load = ["--both-ways", "--macs", "10", "--rate", "10k", "--count", N_FRAMES];
    let report = report(&[&["--tx", &tx, "--rx", &rx][..], &load].concat());
    for way in [0, 1] {
        assert_whole(stream(&report, 0, way), 2000);
    }
    assert_conserved(&lab.daemon);
}

#[test]
fn by_taps_every_frame_is_delivered_too() {
    let ns = Netns::new("taps");
    ns.ip(&["link", "add", BRIDGE, "type", "bridge"]);
    ns.ip(&["link", "set", BRIDGE, "up"]);
    for tap in ["t0", "t1"] {
        ns.ip(&["tuntap", "add", tap, "mode", "tap", "vnet_hdr"]);
        ns.ip(&["link", "set", tap, "up", "master", BRIDGE]);
    }
    let [tx, rx] = ["t0", "t1"].map(|tap| format!("{}/tap:{tap}", ns.name()));
    // A TAP holds 500 frames (TUN_READQ_SIZE, drivers/net/tun.c).
    let load = ["--both-ways", "--macs", "10", "--rate", "10k", "--count", "400"];
    let report = report(&[&["--tx", &tx, "--rx", &rx][..], &load].concat());
    for way in [0, 1] {
        assert_whole(stream(&report, 0, way), 400);
    }
}

#[test]
fn what_a_switch_floods_is_told_as_astray() {
    let (_switch, hosts) = bridge();
    let [tx, rx, watch] = hosts.each_ref().map(port);
    let words = ["--tx", &tx, "--rx", &rx, "--watch", &watch, "--no-learn"];
    let load = ["--macs", "10", "--rate", "10k", "--count", "300"];
    let report = report(&[&words[..], &load].concat());
    assert!(report["learned"].is_null());
    let stream = stream(&report, 0, 0);
    assert_eq!((count(stream, "received"), count(stream, "misdelivered")), (300, 300), "{stream}");
}

#[test]
fn tags_are_as_the_switch_should_make_them() {
    let lab = Lab::new();
    let access = lab.host(PortKind::Packet, &["tag=10"]);
    let trunk = lab.host(PortKind::Packet, &["trunks=10,11"]);
    let [tx, rx] = [&access, &trunk].map(|host| port(&host.ns));
    let run = |rx_vlans| {
        let ports = ["--tx", &tx, "--rx", &rx, "--both-ways", "--rx-vlans", rx_vlans];
        report(&[&ports[..], &["--macs", "20", "--rate", "10k", "--count", "1000"]].concat())
    };
    let right = run("10");
    for way in [0, 1] {
        assert_whole(stream(&right, 0, way), 1000);
    }
    // Expected in VLAN 11, all arrive in the wrong one; those sent in it arrive nowhere.
    let wrong = run("11");
    let (there, back) = (stream(&wrong, 0, 0), stream(&wrong, 0, 1));
    assert_eq!((count(there, "received"), count(there, "misdelivered")), (0, 1000), "{there}");
    assert_clean(back);
    assert_eq!(count(back, "lost"), 1000, "{back}");
}
