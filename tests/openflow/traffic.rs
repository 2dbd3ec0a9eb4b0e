//! Traffic that flows direct, on real interfaces, with `ovs-ofctl` and `ofctl` in turn.

use switch_tests::frame::mac_text;
use switch_tests::lab::{DEV, Lab, PortKind};
use switch_tests::process::must;
use switch_tests::traffic::{can_ping, ping, ping_as, tcp, wait_reachable};
use switch_tests::{Daemon, Host};

/// `ovs-ofctl` at a bridge of the lab's switch.
fn ovs_ofctl(daemon: &Daemon, words: &[&str]) -> String {
    let bridge = format!("unix:{}", daemon.rundir().join("br0.mgmt").display());
    let words: Vec<&str> =
        words.iter().map(|word| if *word == "br0" { bridge.as_str() } else { word }).collect();
    must(&[&["ovs-ofctl"], &words[..]].concat())
}

/// Packets of the flows that a match selects.
fn packets(lab: &Lab, of: &str) -> u64 {
    let text = lab.daemon.ofctl(&["--json", "dump-flows", "br0", of]);
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let flows = json["flows"].as_array().expect("flows");
    flows.iter().map(|flow| flow["n_packets"].as_u64().expect("a count")).sum()
}

fn number(lab: &Lab, host: &Host) -> String {
    lab.daemon.port(&host.name)["ofport"].to_string()
}

#[test]
fn flows_direct_pings_and_streams_and_count_them() {
    let lab = Lab::new();
    let [a, b, c] =
        [PortKind::Packet, PortKind::Tap, PortKind::Packet].map(|kind| lab.host(kind, &[]));
    wait_reachable(&a, &b);
    let [pa, pb, pc] = [&a, &b, &c].map(|host| number(&lab, host));
    ovs_ofctl(&lab.daemon, &["del-flows", "br0"]);
    assert!(!can_ping(&a, &b), "no flow, no traffic");
    let there = format!("priority=7,in_port={pa},actions=output:{pb}");
    let back = format!("priority=8,in_port={pb},actions=output:{pa}");
    ovs_ofctl(&lab.daemon, &["add-flow", "br0", &there]);
    lab.daemon.ofctl(&["add-flow", "br0", &back]);
    ping(&a, &b, 20, 56);
    assert!(packets(&lab, &format!("in_port={pa}")) >= 20);
    tcp(&a, &b, 20 << 20);
    tcp(&b, &a, 20 << 20);
    assert!(!can_ping(&a, &c) && !can_ping(&c, &a));
    // Another destination, while the first is forgotten.
    lab.daemon.ofctl(&["del-flows", "br0", &format!("in_port={pb}")]);
    let all = format!("priority=9,in_port={pa},actions=output:{pc}");
    lab.daemon.ofctl(&["add-flow", "br0", &all]);
    lab.daemon.ofctl(&["add-flow", "br0", &format!("in_port={pc},actions=output:{pa}")]);
    // Neither has forgotten yet that the other did not answer.
    wait_reachable(&a, &c);
    ping(&a, &c, 20, 1400);
    assert!(!can_ping(&a, &b));
}

#[test]
fn addresses_are_rewritten_and_every_checksum_stays_right() {
    let lab = Lab::new();
    let [a, b] = [PortKind::Packet, PortKind::Packet].map(|kind| lab.host(kind, &[]));
    wait_reachable(&a, &b);
    let [pa, pb] = [&a, &b].map(|host| number(&lab, host));
    // The other host by an address that nobody has: translated there and back.
    let [ip_a, ip_b] = [&a, &b].map(|host| host.ip.to_string());
    let alias = "10.99.99.99";
    let flows = [
        format!(
            "priority=10,ip,in_port={pa},nw_dst={alias},actions=mod_nw_dst:{ip_b},dec_ttl,output:{pb}"
        ),
        format!(
            "priority=10,ip,in_port={pb},nw_src={ip_b},nw_dst={ip_a},actions=mod_nw_src:{alias},output:{pa}"
        ),
    ];
    for flow in &flows {
        lab.daemon.ofctl(&["add-flow", "br0", flow]);
    }
    let dev = DEV;
    a.ns.ip(&["route", "add", &format!("{alias}/32"), "dev", dev]);
    let mac = mac_text(b.mac);
    a.ns.ip(&["neigh", "replace", alias, "lladdr", &mac, "dev", dev]);
    ping_as(&a.ns, 10, &["-s", "1400", alias]);
    assert!(packets(&lab, &format!("ip,in_port={pa},nw_dst={alias}")) >= 10);
    let trace = lab.daemon.ofctl(&[
        "ofproto/trace",
        "br0",
        &format!("in_port={pa},icmp,nw_ttl=9,nw_src={ip_a},nw_dst={alias}"),
    ]);
    assert!(trace.contains(&format!("set(ipv4(dst={ip_b}))")), "{trace}");
    let cached = lab.daemon.ofctl(&["dpctl/dump-flows"]);
    assert!(cached.contains("dec_ttl"), "{cached}");
}
