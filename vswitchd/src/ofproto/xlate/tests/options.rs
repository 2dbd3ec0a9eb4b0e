//! Options of tunnel headers: read, written, and sent on.

use std::sync::Arc;

use datapath::tunnel::{Address, Byte, Key, Switch, TunnelConfig, TunnelKind};
use openflow::OfPort;

use super::lab::Lab;
use super::naive::table;
use crate::ofproto::odp::flow::flow_text;
use crate::ofproto::odp::headers::headers_text;

/// What came through a tunnel, by port 1.
const OUTER: &str = "in_port=1,tun_id=9,tun_src=10.0.0.2,tun_dst=10.0.0.1";
/// What is sent but for options, by port 2.
const SENT: &str = "tun_id=0x7,dst=10.0.0.3,ttl=64,tp_dst=6081";

/// Port 2 is a Geneve port.
fn lab(flows: &[&str]) -> Lab {
    let config = TunnelConfig {
        kind: TunnelKind::Geneve,
        dst_port: 6081,
        remote: Address::Is("10.0.0.3".parse().unwrap()),
        local: Address::Any,
        in_key: Key::Is(7),
        out_key: Key::Is(7),
        tos: Byte::Is(0),
        ttl: Byte::Is(64),
        df: Switch::Off,
        csum: Switch::Off,
        seq: Switch::Off,
        gbp: Switch::Off,
    };
    let mut lab = Lab::with_options(3, flows, table());
    lab.change(|bridge| {
        let mut ports = bridge.ports.as_ref().clone();
        ports.get_mut(&OfPort(2)).unwrap().tunnel = Some(Arc::new(config));
        bridge.ports = ports.into();
    });
    lab
}

fn sent(options: &str) -> String {
    format!("set(tunnel({SENT},geneve({options}),flags(key))),2")
}

#[test]
fn what_is_set_is_sent_and_is_no_look_at_the_packet() {
    let flow = "actions=set_field:0x1234->tun_metadata0,2,load:5->NXM_NX_TUN_METADATA1[32..39],2";
    let (list, mask) = lab(&[flow]).ask("in_port=1");
    let first = "{class=0x102,type=0x80,len=4,0x1234}";
    let both = format!("{first}{{class=0x102,type=0x1,len=8,0x500000000}}");
    assert_eq!(list, format!("{},{}", sent(first), sent(&both)));
    assert!(!mask.contains("tun_metadata0"), "{mask}");
}

#[test]
fn what_came_is_sent_on_and_looked_at() {
    let (list, mask) = lab(&["actions=2"]).ask(&format!("{OUTER},tun_metadata0=0x8001"));
    assert_eq!(list, sent("{class=0x102,type=0x80,len=4,0x8001}"));
    assert!(mask.contains("tun_metadata0=0x8001"), "{mask}");
    // One that has not come is looked at: others may have it.
    let (list, _) = lab(&["actions=2"]).ask(OUTER);
    assert_eq!(list, format!("set(tunnel({SENT},flags(key))),2"));
    let key = |text: &str| lab(&[]).key(text);
    let out = lab(&["actions=2"]).translate(&key(OUTER));
    let other = key(&format!("{OUTER},tun_metadata0=0"));
    assert!(!out.mask.equal(&key(OUTER), &other));
}

#[test]
fn flows_are_printed_with_their_options() {
    let flow = "tun_metadata0=0x8001/0xffff,tun_metadata7,actions=3";
    let lab = lab(&[flow]);
    let key = lab.key(&format!("{OUTER},tun_metadata0=0x128001,tun_metadata1=0,tun_metadata7=5"));
    let out = lab.translate(&key);
    let text = flow_text((&key, &out.mask), &table(), &|no| no.to_string());
    let options =
        "geneve({class=0x102,type=0x80,len=4,0x8001/0xffff}{class=0xffff,type=0x0,len=64}),";
    assert!(text.contains(options), "{text}");
    let text = headers_text(&key, &table());
    let options = ",tun_metadata0=0x128001,tun_metadata1=0,tun_metadata7=0x5,";
    assert!(format!("{text},").contains(options), "{text}");
    // What is not there is not printed, though a flow may look whether it is.
    let key = lab.key(OUTER);
    let out = lab.translate(&key);
    let text = flow_text((&key, &out.mask), &table(), &|no| no.to_string());
    assert!(
        !text.contains("geneve") && !headers_text(&key, &table()).contains("metadata"),
        "{text}"
    );
}

#[test]
fn parts_are_moved_and_matched() {
    let flows = [
        "table=0,actions=move:NXM_NX_TUN_METADATA0[16..30]->NXM_NX_REG14[0..14],resubmit(,1)",
        "table=1,priority=2,reg14=0x2a,tun_metadata0=0x5/0xff,actions=3",
        "table=1,priority=1,tun_metadata0,actions=in_port",
    ];
    let (list, mask) = lab(&flows).ask(&format!("{OUTER},tun_metadata0=0x802a7705"));
    assert_eq!(list, "3");
    assert!(mask.contains("tun_metadata0=0x2a0005/0x7fff00ff"), "{mask}");
    assert_eq!(lab(&flows).ask(&format!("{OUTER},tun_metadata0=0x802a7704")).0, "1");
    assert_eq!(lab(&flows).ask(OUTER).0, "drop");
}

#[test]
fn more_than_a_hundred_and_twenty_eight_bits_are_moved_and_overlap() {
    let flow = "actions=move:NXM_NX_TUN_METADATA7[0..299]->NXM_NX_TUN_METADATA7[8..307],2";
    let value = "0123456789abcdef00112233445566778899aabbccddeeff0102030405060708090a0b0c0d";
    let (list, _) = lab(&[flow]).ask(&format!("{OUTER},tun_metadata7=0x{value}"));
    let option = format!("{{class=0xffff,type=0x0,len=64,0x{}0d}}", value.trim_start_matches('0'));
    assert_eq!(list, sent(&option));
}

#[test]
fn a_frozen_walk_knows_options_and_that_they_are_not_there() {
    let flows = ["table=0,actions=pop_mpls:0x0800,resubmit(,1)", "table=1,ip,actions=2"];
    let lab = lab(&flows);
    let outer = format!("{OUTER},eth_type=0x8847,mpls_label=1,mpls_bos=1");
    let out = lab.translate(&lab.key(&outer));
    let other = lab.key(&format!("{outer},tun_metadata1=1"));
    assert!(!out.mask.equal(&lab.key(&outer), &other));
}
