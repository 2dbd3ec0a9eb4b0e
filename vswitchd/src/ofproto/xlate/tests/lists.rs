//! Flows and packets in words, and the datapath's list and mask in words.

use openflow::OfPort;
use openflow::group::GroupType;
use openflow::port::PortConfig;
use packet::flow::FieldId;

use super::super::Start;
use super::super::depends::Dependency;
use super::super::freeze::Frozen;
use super::lab::Lab;
use datapath::{Action, BridgeId, DropReason};

const TCP: &str = "in_port=1,tcp,dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:02,\
                   nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_ttl=64,tp_src=1000,tp_dst=80";

fn actions(flows: &[&str], packet: &str) -> String {
    Lab::new(4, flows).ask(packet).0
}

#[test]
fn ports_and_their_reserved_numbers() {
    assert_eq!(actions(&["actions=2,3"], TCP), "2,3");
    assert_eq!(actions(&["actions=1,2"], TCP), "2", "not back where it came from");
    assert_eq!(actions(&["actions=in_port,2"], TCP), "1,2");
    assert_eq!(actions(&["actions=all"], TCP), "2,3,4,0");
    assert_eq!(actions(&["actions=local,99"], TCP), "0", "a port that is not there gets nothing");
    assert_eq!(actions(&["actions=normal"], TCP), "normal(br0)");
    assert_eq!(actions(&["actions=drop"], TCP), "drop");
    assert_eq!(actions(&[], TCP), "drop");
    assert_eq!(actions(&["actions=output(port=2,max_len=100),3"], TCP), "trunc(100),2,3");
    let mut lab = Lab::new(4, &["actions=flood"]);
    lab.change(|bridge| {
        let mut ports = bridge.ports.as_ref().clone();
        ports.get_mut(&OfPort(3)).unwrap().config = PortConfig::NO_FLOOD;
        ports.get_mut(&OfPort(4)).unwrap().config = PortConfig::NO_FWD;
        bridge.ports = ports.into();
    });
    assert_eq!(lab.ask(TCP).0, "2,0");
}

#[test]
fn a_port_that_may_not_receive_drops() {
    let mut lab = Lab::new(2, &["actions=2"]);
    lab.change(|bridge| {
        let mut ports = bridge.ports.as_ref().clone();
        ports.get_mut(&OfPort(1)).unwrap().config = PortConfig::NO_RECV;
        bridge.ports = ports.into();
    });
    let key = openflow::text::parse_match(TCP).unwrap().key().clone();
    let out = lab.translate(&key);
    assert!(out.actions.list().is_empty());
    assert_eq!(out.actions.end(), DropReason::ForwardingDisabled);
    assert!(out.depends.contains(Dependency::Ports(BridgeId(0))));
}

#[test]
fn only_what_is_looked_at_is_in_the_mask() {
    assert_eq!(Lab::new(2, &["actions=2"]).ask(TCP).1, "");
    let flows = ["priority=10,tcp,tp_dst=80,actions=2", "priority=5,actions=1"];
    let (list, mask) = Lab::new(2, &flows).ask(TCP);
    assert_eq!((list.as_str(), mask.as_str()), ("2", "tcp,tp_dst=80"));
    // What an action wrote was not looked at.
    let flows = [
        "actions=set_field:7->reg0,mod_dl_dst:02:00:00:00:00:09,resubmit(,1)",
        "table=1,reg0=7,dl_dst=02:00:00:00:00:09,actions=2",
    ];
    let (list, mask) = Lab::new(2, &flows).ask(TCP);
    assert_eq!(list, "set(eth(dst=02:00:00:00:00:09)),2");
    assert_eq!(mask, "");
    // What was moved was.
    let flows = [
        "actions=move:NXM_OF_IP_SRC[0..7]->NXM_NX_REG0[0..7],resubmit(,1)",
        "table=1,reg0=1,actions=2",
    ];
    let (list, mask) = Lab::new(2, &flows).ask(TCP);
    assert_eq!((list.as_str(), mask.as_str()), ("2", "ip,nw_src=0.0.0.1/0.0.0.255"));
}

#[test]
fn edits_go_out_before_the_next_output_and_no_sooner() {
    let list = actions(
        &["actions=mod_dl_src:02:00:00:00:00:07,2,mod_nw_dst:10.9.9.9,mod_tp_dst:81,3"],
        TCP,
    );
    assert_eq!(
        list,
        "set(eth(src=02:00:00:00:00:07)),2,set(ipv4(dst=10.9.9.9)),set(tcp(dst=81)),3"
    );
    assert_eq!(actions(&["actions=2,mod_dl_src:02:00:00:00:00:07"], TCP), "2");
    let udp_only = actions(&["actions=set_field:9->udp_dst,2"], TCP);
    assert_eq!(udp_only, "2", "what the packet has not is not written");
}

#[test]
fn tags() {
    assert_eq!(actions(&["actions=mod_vlan_vid:5,2"], TCP), "push_vlan(vid=5,pcp=0),2");
    let tagged = format!("{TCP},dl_vlan=7,dl_vlan_pcp=3");
    assert_eq!(actions(&["actions=mod_vlan_vid:5,2"], &tagged), "set(vlan(vid=5)),2");
    assert_eq!(actions(&["actions=strip_vlan,2"], &tagged), "pop_vlan,2");
    assert_eq!(actions(&["actions=strip_vlan,2"], TCP), "2");
    let push = "actions=push_vlan:0x88a8,set_field:4105->vlan_vid,set_field:2->vlan_pcp,2";
    assert_eq!(actions(&[push], TCP), "push_vlan(tpid=0x88a8,vid=9,pcp=2),2");
    assert_eq!(actions(&["actions=push_vlan:0x8100,strip_vlan,2"], TCP), "2");
    let (list, mask) = Lab::new(2, &["actions=mod_vlan_vid:5,2"]).ask(TCP);
    assert_eq!(
        (list.as_str(), mask.contains("vlan_tci=0x0000")),
        ("push_vlan(vid=5,pcp=0),2", true)
    );
}

#[test]
fn time_to_live() {
    assert_eq!(actions(&["actions=dec_ttl,2"], TCP).split("(le_1(").next(), Some("dec_ttl"));
    let (_, mask) = Lab::new(2, &["ip,actions=dec_ttl,2"]).ask(TCP);
    assert_eq!(mask, "ip", "packets of any time to live share the flow");
    let old = TCP.replace("nw_ttl=64", "nw_ttl=1");
    let (list, mask) = Lab::new(2, &["ip,actions=dec_ttl,2"]).ask(&old);
    assert!(list.starts_with("userspace(") && mask.contains("nw_ttl=1"), "{list} {mask}");
    // With more to do for those whose time is over, it is looked at.
    let flows = ["ip,actions=resubmit(,1),3", "table=1,actions=dec_ttl,2"];
    let (list, mask) = Lab::new(4, &flows).ask(TCP);
    assert!(list.ends_with("2,3") && mask.contains("nw_ttl=64"), "{list} {mask}");
    assert_eq!(actions(&["actions=mod_nw_ttl:9,dec_ttl,2"], TCP), "set(ipv4(ttl=8)),2");
}

#[test]
fn labels() {
    let push = "ip,actions=push_mpls:0x8847,set_field:77->mpls_label,2";
    assert_eq!(actions(&[push], TCP), "push_mpls(label=77,tc=0,ttl=64,bos=1,eth_type=0x8847),2");
    let mpls = "in_port=1,mpls,mpls_label=5,mpls_bos=1,mpls_ttl=9";
    assert_eq!(actions(&["actions=pop_mpls:0x0800,2"], mpls), "pop_mpls(eth_type=0x800),2");
    let list = actions(&["actions=pop_mpls:0x0800,dec_ttl,2"], mpls);
    assert_eq!(list, "pop_mpls(eth_type=0x800),recirc(0x1)");
}

#[test]
fn a_frozen_walk_goes_on_where_it_was() {
    let flows = [
        "actions=load:3->NXM_NX_REG1[],resubmit(,1),3",
        "table=1,actions=pop_mpls:0x0800,resubmit(,2),4",
        "table=2,reg1=3,ip,nw_dst=10.0.0.2,actions=2",
    ];
    let lab = Lab::new(4, &flows);
    let mpls = openflow::text::parse_match("in_port=1,mpls,mpls_bos=1,mpls_ttl=9").unwrap();
    let first = lab.translate(mpls.key());
    let Some(Action::Recirc(id)) = first.actions.list().last() else {
        panic!("{:?}", first.actions)
    };
    let frozen = lab.keeper.frozen(*id).unwrap();
    let tcp = openflow::text::parse_match(TCP).unwrap();
    let rest = lab.translate_from(tcp.key(), Start::Frozen(&frozen));
    assert_eq!(lab.words(&rest, tcp.key()), "2,4,3");
    assert!(!rest.mask.is_wild(FieldId::Ipv4Dst));
    drop((frozen, first));
    assert!(lab.keeper.frozen(datapath::action::RecircId(1)).is_none(), "nobody holds it");
}

#[test]
fn the_length_of_a_packet_forks_the_walk() {
    let flows = [
        "actions=check_pkt_larger(200)->NXM_NX_REG0[0],resubmit(,1)",
        "table=1,reg0=1,actions=2",
        "table=1,reg0=0,actions=3",
    ];
    let lab = Lab::new(4, &flows);
    let tcp = openflow::text::parse_match(TCP).unwrap();
    let first = lab.translate(tcp.key());
    let [Action::Longer { than: 200, then, otherwise }] = first.actions.list() else {
        panic!("{:?}", first.actions)
    };
    for (id, port) in [(then, "2"), (otherwise, "3")] {
        let frozen = lab.keeper.frozen(*id).unwrap();
        let rest = lab.translate_from(tcp.key(), Start::Frozen(&frozen));
        assert_eq!(lab.words(&rest, tcp.key()), port);
    }
}

#[test]
fn the_action_set_comes_last() {
    let flows = [
        "actions=write_actions(output:3,set_field:02:00:00:00:00:05->eth_dst),goto_table:1",
        "table=1,actions=2",
    ];
    assert_eq!(actions(&flows, TCP), "2,set(eth(dst=02:00:00:00:00:05)),3");
    let flows = ["actions=write_actions(output:3),goto_table:1", "table=1,actions=clear_actions"];
    assert_eq!(actions(&flows, TCP), "drop");
}

#[test]
fn clones_and_stacks() {
    let flow = "actions=clone(mod_dl_dst:02:00:00:00:00:09,2),3";
    assert_eq!(actions(&[flow], TCP), "clone(set(eth(dst=02:00:00:00:00:09)),2),3");
    assert_eq!(actions(&["actions=clone(2),3"], TCP), "2,3");
    let flow = "actions=push:NXM_OF_ETH_SRC[],push:NXM_OF_ETH_DST[],pop:NXM_OF_ETH_SRC[],pop:NXM_OF_ETH_DST[],2";
    let (list, mask) = Lab::new(2, &[flow]).ask(TCP);
    assert_eq!(list, "set(eth(src=02:00:00:00:00:02,dst=02:00:00:00:00:01)),2");
    assert!(mask.contains("dl_src") && mask.contains("dl_dst"), "{mask}");
}

#[test]
fn conjunctions() {
    let flows = [
        "priority=10,ip,nw_src=10.0.0.1,actions=conjunction(5,1/2)",
        "priority=10,ip,nw_src=10.0.0.9,actions=conjunction(5,1/2)",
        "priority=10,tcp,tp_dst=80,actions=conjunction(5,2/2)",
        "priority=10,conj_id=5,ip,actions=2",
        "priority=1,actions=3",
    ];
    assert_eq!(actions(&flows, TCP), "2");
    assert_eq!(actions(&flows, &TCP.replace("tp_dst=80", "tp_dst=81")), "3");
    assert_eq!(actions(&flows, &TCP.replace("10.0.0.1", "10.0.0.3")), "3");
}

#[test]
fn loops_are_cut() {
    let lab = Lab::new(2, &["actions=2,resubmit(,0)"]);
    let key = openflow::text::parse_match(TCP).unwrap().key().clone();
    let out = lab.translate(&key);
    assert!(out.actions.list().is_empty());
    assert_eq!(out.actions.end(), DropReason::RecursionTooDeep);
    let wide = "actions=resubmit(,1),resubmit(,1),resubmit(,1),resubmit(,1)";
    let flows: Vec<String> = (0..8)
        .map(|n| format!("table={n},{}", wide.replace("(,1)", &format!("(,{})", n + 1))))
        .collect();
    let flows: Vec<&str> = flows.iter().map(String::as_str).collect();
    assert_eq!(Lab::new(2, &flows).translate(&key).actions.end(), DropReason::TooManyResubmits);
}

#[test]
fn groups() {
    let mut lab = Lab::new(4, &["actions=group:1,4"]);
    lab.group(1, GroupType::All, &[(0, 0, "2"), (0, 0, "mod_dl_dst:02:00:00:00:00:09,3")]);
    assert_eq!(lab.ask(TCP).0, "2,clone(set(eth(dst=02:00:00:00:00:09)),3),4");
    lab.group(1, GroupType::Select, &[(1, 0, "2"), (1, 0, "3")]);
    assert_eq!(lab.ask(TCP).0, "select(bucket(2),bucket(3)),4");
    lab.group(1, GroupType::FastFailover, &[(0, 2, "2"), (0, 3, "3")]);
    assert_eq!(lab.ask(TCP).0, "2,4");
    lab.change(|bridge| {
        let mut ports = bridge.ports.as_ref().clone();
        ports.get_mut(&OfPort(2)).unwrap().up = false;
        bridge.ports = ports.into();
    });
    assert_eq!(lab.ask(TCP).0, "3,4");
    lab.group(1, GroupType::All, &[(0, 0, "group:1")]);
    let key = openflow::text::parse_match(TCP).unwrap().key().clone();
    assert_eq!(lab.translate(&key).actions.end(), DropReason::RecursionTooDeep);
}

#[test]
fn learning_makes_a_flow_of_the_packet() {
    let flow = "actions=learn(table=1,idle_timeout=5,NXM_OF_VLAN_TCI[0..11],\
                NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[]),2";
    let lab = Lab::new(2, &[flow]);
    let key = openflow::text::parse_match(TCP).unwrap().key().clone();
    let out = lab.translate(&key);
    let learned = &out.lessons[0];
    let text = openflow::text::flow_mod_text(openflow::Version::V10, &learned.flow);
    assert!(text.contains("dl_dst=02:00:00:00:00:01") && text.contains("output:1"), "{text}");
    assert!(text.contains("idle:5") && text.contains("table:1"), "{text}");
    assert!(out.mask.is_exact(FieldId::EthSrc));
}

#[test]
fn what_remains_of_a_paused_walk_is_said_by_actions_and_goes_on() {
    let lab = Lab::new(
        4,
        &[
            "actions=controller(pause),output:2,write_actions(output:3),write_metadata:5,goto_table:1",
            "table=1,metadata=5,actions=output:4",
        ],
    );
    let key = openflow::text::parse_match(TCP).unwrap().key().clone();
    let out = lab.translate(&key);
    let [Action::Userspace(what)] = out.actions.list() else { panic!("{:?}", out.actions) };
    let sending = lab.keeper.sending(what.token).unwrap();
    let rest = sending.paused.as_ref().unwrap().continuation([7; 16]);
    let words = |actions| openflow::text::actions_text(openflow::Version::V13, actions);
    assert_eq!(words(&rest.rest[0].actions), "output:2,set_field:0x5->metadata,resubmit(,1)");
    assert_eq!((words(&rest.action_set), rest.rest.len()), ("output:3".to_owned(), 1));
    let frozen = Frozen::resumed(&sending.metadata, &rest);
    assert_eq!(frozen.in_port, OfPort(1));
    let again = lab.translate_from(&key, Start::Frozen(&frozen));
    assert_eq!(lab.words(&again, &key), "2,4,3");
}

#[test]
fn mirrors_copy_once_to_each_output() {
    use datapath::l2::mirror::{Mirror, MirrorOutput, Mirrors, Passing, Ports};
    let mirror = |src, dst, to| Mirror {
        src,
        dst,
        vlans: None,
        output: MirrorOutput::Vlan(packet::Vid::new(to).unwrap()),
        snap_len: None,
        stats: Default::default(),
    };
    let mut lab = Lab::new(4, &["actions=2,3"]);
    let none = || Ports::These(Vec::new());
    let two = Ports::These(vec![datapath::PortNo::new(2).unwrap()]);
    let list = vec![mirror(Ports::All, Ports::All, 10), mirror(none(), two, 11)];
    lab.change(|bridge| bridge.mirrors = Mirrors::new(list).map(Into::into));
    let key = openflow::text::parse_match(TCP).unwrap().key().clone();
    let out = lab.translate(&key);
    let mirrored = out.actions.list().iter().filter_map(|action| match action {
        Action::Mirror { port, passing, mirrored, .. } => Some((port.get(), *passing, *mirrored)),
        _ => None,
    });
    // What has come is copied to the first; what leaves, to the second only.
    assert_eq!(mirrored.collect::<Vec<_>>(), [(1, Passing::In, 0), (2, Passing::Out, 1)]);
    assert!(out.mask.word(packet::flow::place::ETH_SRC) & 0xffff != 0, "the tag was looked at");
}
