//! Options of Geneve as fields, with Open vSwitch's userspace datapath at the far end.

use switch_tests::traffic::{ping, wait_reachable};
use switch_tests::wait::wait_until;

use crate::ovs::open_vswitch;
use crate::rig::{PATIENCE, Site, Underlay, remote, wired};

/// The option that OVN uses, which is critical, and one of another length.
const MAPS: &str =
    "{class=0x102,type=0x80,len=4}->tun_metadata0,{class=0x7777,type=1,len=12}->tun_metadata5";

/// Packets that a flow has counted, by its cookie.
fn n_packets(site: &Site, cookie: &str) -> u64 {
    let flows = site.daemon.ofctl(&["dump-flows", "br0", &format!("cookie={cookie}/-1")]);
    let count = flows.split("n_packets=").nth(1).and_then(|rest| rest.split(',').next());
    count.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("a flow: {flows}"))
}

#[test]
fn net_geneve_options_set_at_one_end_are_matched_at_the_other() {
    let underlay = Underlay::new();
    let one = Site::new(underlay.end(1));
    let two = underlay.wire(2);
    let h2 = wired(&two.ns, 2);
    underlay.router().must(&["ethtool", "-K", "s2", "tx", "off", "gso", "off"]);
    let remote_ip = format!("options:remote_ip={}", one.end.v4);
    let ovs = open_vswitch(&two, 2, &["type=geneve", &remote_ip, "options:key=9"]);
    one.tunnel(&["type=geneve", &remote(&two.v4), "key=9"]);
    let h1 = one.host(1, &[]);
    h2.ns.must(&["ethtool", "-K", "eth0", "tx", "off"]);
    let theirs = |args: &[&str]| drop(ovs.must(&[&["ovs-ofctl"][..], args].concat()));
    one.daemon.ofctl(&["add-tlv-map", "br0", MAPS]);
    theirs(&["add-tlv-map", "int", MAPS]);
    one.daemon.ofctl(&["del-flows", "br0"]);
    theirs(&["del-flows", "int"]);
    // Each end marks what it sends, whole and in parts, and takes what the other has marked.
    let mark = "load:0x1234->NXM_NX_TUN_METADATA0[0..15],load:0x7->NXM_NX_TUN_METADATA0[16..30]";
    let long = "set_field:0x112233445566778899aabbcc->tun_metadata5";
    let ours = [
        format!("in_port=h1,actions={mark},{long},output:t"),
        "cookie=0x5,in_port=t,tun_metadata0=0x8001/0x8001,actions=move:NXM_NX_TUN_METADATA0[16..30]->NXM_NX_REG1[0..14],resubmit(,1)".to_owned(),
        "cookie=0x6,priority=1,in_port=t,actions=drop".to_owned(),
        "table=1,reg1=0x9,actions=output:h1".to_owned(),
    ];
    ours.iter().for_each(|flow| drop(one.daemon.ofctl(&["add-flow", "br0", flow])));
    let far = [
        "in_port=h2,actions=set_field:0x98001->tun_metadata0,output:t".to_owned(),
        "in_port=t,tun_metadata0=0x71234,tun_metadata5=0x112233445566778899aabbcc,actions=output:h2".to_owned(),
    ];
    far.iter().for_each(|flow| theirs(&["add-flow", "int", flow]));
    wait_reachable(&h1, &h2);
    ping(&h1, &h2, 50, 56);
    ping(&h2, &h1, 20, 1000);
    assert!(n_packets(&one, "0x5") >= 70 && n_packets(&one, "0x6") == 0);
    let cached = one.daemon.ofctl(&["dpctl/dump-flows"]);
    let looked_at = "geneve({class=0x102,type=0x80,len=4,0x98001/0x7fff8001})";
    assert!(cached.contains(looked_at), "{cached}");
    // What is marked otherwise, or not at all, is another flow's, also where flows are cached.
    theirs(&["add-flow", "int", "in_port=h2,actions=set_field:0x8000->tun_metadata0,output:t"]);
    h2.ns.must(&["sh", "-c", "ping -c 1 -W 1 10.0.0.1 || true"]);
    wait_until("packets with another mark", PATIENCE, || n_packets(&one, "0x6") > 0);
    let before = n_packets(&one, "0x6");
    theirs(&["add-flow", "int", "in_port=h2,actions=output:t"]);
    h2.ns.must(&["sh", "-c", "ping -c 1 -W 1 10.0.0.1 || true"]);
    wait_until("packets without a mark", PATIENCE, || n_packets(&one, "0x6") > before);
    // A field that is used stays. Without it, who does not know the option drops the packet.
    let refused = one.daemon.try_ofctl(&["del-tlv-map", "br0"]);
    assert!(refused.stderr.contains("NXTTMFC_INVALID_TLV_DEL"), "{refused:?}");
    theirs(&["add-flow", "int", "in_port=h2,actions=set_field:0x98001->tun_metadata0,output:t"]);
    one.daemon.ofctl(&["del-flows", "br0"]);
    one.daemon.ofctl(&["del-tlv-map", "br0"]);
    one.daemon.ofctl(&["add-flow", "br0", "actions=normal"]);
    h2.ns.must(&["sh", "-c", "ping -c 1 -W 1 10.0.0.1 || true"]);
    wait_until("a critical option that nobody knows", PATIENCE, || {
        one.daemon.ofctl(&["drop/show"]).contains("tunnel_bad_header")
    });
}
