//! Output by tunnel ports, and packets that came through one.

use std::sync::Arc;

use datapath::tunnel::{Address, Byte, Key, Switch, TunnelConfig, TunnelKind};
use datapath::{Action, DropReason};
use openflow::OfPort;
use packet::flow::{FieldId, OptionTable, place};

use super::super::Start;
use super::lab::Lab;
use crate::ofproto::odp::flow::flow_text;

const UDP: &str = "in_port=1,udp,dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:02,\
                   nw_src=10.1.0.1,nw_dst=10.1.0.2,nw_ttl=64,tp_src=1000,tp_dst=53";
/// The same, through a tunnel.
const OUTER: &str = "in_port=1,tun_id=9,tun_src=10.0.0.2,tun_dst=10.0.0.1,tun_ttl=63,udp,\
                     nw_src=10.1.0.1,nw_dst=10.1.0.2,nw_ttl=64,tp_src=1000,tp_dst=53";

fn fixed(kind: TunnelKind) -> TunnelConfig {
    TunnelConfig {
        kind,
        dst_port: kind.default_port().unwrap_or(0),
        remote: Address::Is("10.0.0.2".parse().unwrap()),
        local: Address::Any,
        in_key: Key::Is(7),
        out_key: Key::Is(7),
        tos: Byte::Is(0),
        ttl: Byte::Is(64),
        df: Switch::On,
        csum: Switch::Off,
        seq: Switch::Off,
        gbp: Switch::Off,
    }
}

fn by_flow(kind: TunnelKind) -> TunnelConfig {
    let (remote, local) = (Address::Flow, Address::Flow);
    TunnelConfig { remote, local, in_key: Key::Flow, out_key: Key::Flow, ..fixed(kind) }
}

/// Port 2 is a tunnel port.
fn lab(config: TunnelConfig, flows: &[&str]) -> Lab {
    let mut lab = Lab::new(3, flows);
    lab.change(|bridge| {
        let mut ports = bridge.ports.as_ref().clone();
        ports.get_mut(&OfPort(2)).unwrap().tunnel = Some(Arc::new(config));
        bridge.ports = ports.into();
    });
    lab
}

#[test]
fn a_port_that_fixes_everything_costs_no_look() {
    let (list, mask) = lab(fixed(TunnelKind::Vxlan), &["actions=2"]).ask(UDP);
    let set = "set(tunnel(tun_id=0x7,dst=10.0.0.2,ttl=64,tp_dst=4789,flags(df|key)))";
    assert_eq!((list, mask), (format!("{set},2"), String::new()));
    let mut config = fixed(TunnelKind::Gre);
    config.local = Address::Is("fc00::1".parse().unwrap());
    config.remote = Address::Is("fc00::2".parse().unwrap());
    (config.out_key, config.df, config.csum) = (Key::None, Switch::Off, Switch::On);
    (config.tos, config.ttl) = (Byte::Is(0x28), Byte::Inherit);
    let set = "set(tunnel(ipv6_src=fc00::1,ipv6_dst=fc00::2,tos=0x28,ttl=inherit,flags(csum)))";
    let (list, mask) = lab(config, &["actions=output(port=2,max_len=100)"]).ask(UDP);
    assert_eq!((list, mask), (format!("{set},trunc(100),2"), String::new()));
}

#[test]
fn what_the_flow_sets_goes_out_and_is_no_look_at_the_packet() {
    let flow = "actions=set_field:5->tun_id,set_field:10.0.0.3->tun_dst,2,\
                set_field:6->tun_id,set_field:10.0.0.1->tun_src,2,3";
    let (list, mask) = lab(by_flow(TunnelKind::Geneve), &[flow]).ask(UDP);
    let first = "set(tunnel(tun_id=0x5,dst=10.0.0.3,ttl=64,tp_dst=6081,flags(df|key))),2";
    let second =
        "set(tunnel(tun_id=0x6,src=10.0.0.1,dst=10.0.0.3,ttl=64,tp_dst=6081,flags(df|key))),2";
    assert_eq!(list, format!("{first},{second},3"));
    // What is not set is looked at.
    assert!(!mask.contains("tun_id") && !mask.contains("tun_dst"), "{mask}");
    let flow = "actions=set_field:fc00::2->tun_ipv6_dst,2";
    let (list, _) = lab(by_flow(TunnelKind::Vxlan), &[flow]).ask(UDP);
    let set = "set(tunnel(tun_id=0x0,ipv6_dst=fc00::2,ttl=64,tp_dst=4789,flags(df|key)))";
    assert_eq!(list, format!("{set},2"));
}

#[test]
fn a_group_policy_and_the_oam_bit_are_the_flows() {
    let flow = "actions=set_field:10.0.0.3->tun_dst,set_field:291->tun_gbp_id,\
                set_field:0x8->tun_gbp_flags,2";
    let config = TunnelConfig { gbp: Switch::On, ..by_flow(TunnelKind::Vxlan) };
    let (list, _) = lab(config, &[flow]).ask(UDP);
    let set = "set(tunnel(tun_id=0x0,dst=10.0.0.3,ttl=64,tp_dst=4789,\
               vxlan(gbp(id=291,flags=0x8)),flags(df|key)))";
    assert_eq!(list, format!("{set},2"));
    let flow = "actions=set_field:10.0.0.3->tun_dst,set_field:oam->tun_flags,2";
    let (list, _) = lab(by_flow(TunnelKind::Geneve), &[flow]).ask(UDP);
    assert!(list.contains("flags(df|key|oam)"), "{list}");
}

#[test]
fn without_a_remote_and_to_this_host_nothing_is_sent() {
    let lab_of = |flow| lab(by_flow(TunnelKind::Vxlan), &[flow]);
    let key = openflow::text::parse_match(UDP).unwrap().key().clone();
    let out = lab_of("actions=2").translate(&key);
    assert_eq!((out.actions.list().len(), out.actions.end()), (0, DropReason::TunnelNoRoute));
    // Others get it all the same.
    assert_eq!(lab_of("actions=2,3").ask(UDP).0, "3");
    let own = "actions=set_field:10.0.0.1->tun_dst,2";
    let key = openflow::text::parse_match(OUTER).unwrap().key().clone();
    let out = lab_of(own).translate(&key);
    assert_eq!((out.actions.list().len(), out.actions.end()), (0, DropReason::TunnelNoRoute));
    // What came from a remote host goes back to it only if the flow says so.
    assert_eq!(lab_of("actions=2").translate(&key).actions.list().len(), 0);
}

#[test]
fn who_a_packet_came_from_is_in_every_flow_of_a_tunnel() {
    let (list, mask) = lab(by_flow(TunnelKind::Vxlan), &["actions=3"]).ask(OUTER);
    assert_eq!(list, "3");
    assert!(mask.contains("tun_id=0x9,tun_src=10.0.0.2,tun_dst=10.0.0.1"), "{mask}");
    assert!(!mask.contains("tun_ttl"), "{mask}");
    let mut key = openflow::text::parse_match(OUTER).unwrap().key().clone();
    key.or_word(place::TUN_FLAGS, place::TUN_KEY | place::TUN_DF);
    let out = lab(by_flow(TunnelKind::Vxlan), &["actions=3"]).translate(&key);
    let text = flow_text((&key, &out.mask), &OptionTable::EMPTY, &|no| no.to_string());
    let tunnel = "tunnel(tun_id=0x9,src=10.0.0.2,dst=10.0.0.1,flags(+df-csum+key)),recirc_id(0)";
    assert!(text.starts_with(tunnel), "{text}");
}

#[test]
fn a_frozen_walk_knows_its_tunnel() {
    let flows = [
        "table=0,actions=pop_mpls:0x0800,resubmit(,1)",
        "table=1,priority=9,tun_id=9,tun_ttl=63,ip,actions=3",
    ];
    let lab = lab(by_flow(TunnelKind::Vxlan), &flows);
    let outer = "in_port=1,tun_id=9,tun_src=10.0.0.2,tun_dst=10.0.0.1,tun_ttl=63,\
                 eth_type=0x8847,mpls_label=1,mpls_bos=1";
    let key = openflow::text::parse_match(outer).unwrap().key().clone();
    let first = lab.translate(&key);
    // All that the rest may look at later.
    assert_eq!(first.mask.get(FieldId::TunTtl), 0xff);
    let recirc = first.actions.list().iter().find_map(|action| match action {
        Action::Recirc(id) => Some(*id),
        _ => None,
    });
    let frozen = lab.keeper.frozen(recirc.unwrap()).unwrap();
    // The datapath brings the packet without what its outer headers said.
    let again = openflow::text::parse_match("in_port=1,ip").unwrap().key().clone();
    let out = lab.translate_from(&again, Start::Frozen(&frozen));
    assert_eq!(lab.words(&out, &again), "3");
}
