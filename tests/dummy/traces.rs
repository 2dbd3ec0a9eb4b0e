//! `ofproto/trace` over a whole switch in one process: what it says of flows, groups, options of
//! tunnels, and of the stage behind NORMAL.

use openflow::Message;
use openflow::group::GroupCommand;
use openflow::nicira::{TlvCommand, TlvTableMod};
use openflow::text::{Names, parse_group, parse_tlv_maps};
use switch_tests::frame::Frame;
use vswitchd::switch::of_trace::Traced;

use crate::flows::{ask, flow, rig};
use crate::rig::Rig;

#[test]
fn a_flow_that_only_writes_is_traced_as_by_open_vswitch() {
    let mut rig = rig(Rig::new());
    flow(&mut rig, "in_port=1,actions=load:5->NXM_NX_REG0[]");
    let trace = rig.switch.trace(&["br0".to_owned(), "in_port=1".to_owned()], Traced::Packet);
    let trace = trace.expect("a trace");
    assert!(trace.contains("\nFinal flow: reg0=0x5,in_port=1,"), "{trace}");
    assert!(trace.ends_with("\nDatapath actions: drop\n"), "{trace}");
    let trace = rig.switch.trace(&["br0".to_owned(), "in_port=2".to_owned()], Traced::Packet);
    assert!(trace.expect("a trace").contains("Drop reason: no flow matches"));
}

#[test]
fn traces_read_as_in_open_vswitch() {
    let mut rig = rig(Rig::new());
    let group = "group_id=1,type=ff,bucket=watch_port:2,output:2,bucket=watch_port:3,output:3";
    let group = parse_group(GroupCommand::Add, group, Names::NONE).expect("a group");
    ask(&mut rig, Message::GroupMod(group));
    flow(&mut rig, "priority=2,in_port=1,actions=write_actions(output:3,group:1),goto_table:4");
    flow(&mut rig, "priority=3,ip,actions=dec_ttl,output:2");
    let mut trace = |flow: &str| {
        let words = ["br0".to_owned(), flow.to_owned()];
        rig.switch.trace(&words, Traced::Packet).expect("a trace")
    };
    let expected = "
bridge(\"br0\")
-------------
 0. in_port=1, priority 2
    write_actions(output:3,group:1)
     -> action set is: group:1
    goto_table:4
     4. No match.
            drop
--. Executing action set:
    group:1
     -> using bucket 0
    bucket 0
            output:2

Final flow: unchanged
";
    let told = trace("in_port=1");
    assert!(told.contains(expected), "{told}");
    let told = trace("in_port=2,ip,nw_ttl=1");
    assert!(told.contains("\n    dec_ttl\n     >> IPv4 decrement TTL exception\n"), "{told}");
}

#[test]
fn trace_says_what_normal_would_do_now() {
    let mut rig = Rig::new();
    rig.run("add-br br0");
    for n in 1..=3 {
        rig.run(&format!("add-port br0 p{n} type=dummy ofport_request={n}"));
    }
    let flow = "in_port=1,dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:02";
    let trace = |rig: &mut Rig| {
        rig.switch.trace(&["br0".to_owned(), flow.to_owned()], Traced::Packet).expect("a trace")
    };
    let before = trace(&mut rig);
    assert!(before.contains(" -> no learned MAC for destination, flooding\n"), "{before}");
    let mut learn = Frame::new([2, 0, 0, 0, 0, 9], [2, 0, 0, 0, 0, 2]).text("learn");
    learn.truncate(60);
    rig.send("p3", &learn);
    let after = trace(&mut rig);
    assert!(after.contains(" -> forwarding to learned port\n"), "{after}");
    let outputs = after.lines().last().expect("a line");
    assert_eq!(outputs.matches(',').count(), 0, "{after}");
    let error = rig.switch.trace(&["br9".to_owned(), flow.to_owned()], Traced::Packet);
    assert_eq!(error, Err("br9: unknown bridge".to_owned()));
}

#[test]
fn trace_prints_options_of_tunnels() {
    let mut rig = rig(Rig::new());
    let maps = parse_tlv_maps("{class=0x102,type=0x80,len=4}->tun_metadata0").expect("a map");
    let change = TlvTableMod { command: TlvCommand::Add, maps };
    ask(&mut rig, Message::TlvTableMod(change));
    flow(&mut rig, "tun_metadata0=0x34/0xff,actions=output:2");
    let packet = "in_port=1,tun_id=7,tun_src=192.0.2.2,tun_dst=192.0.2.1,tun_metadata0=0x1234";
    let trace = rig.switch.trace(&["br0".to_owned(), packet.to_owned()], Traced::Packet);
    let trace = trace.expect("a trace");
    let line = |word: &str| trace.lines().find(|line| line.starts_with(word)).expect("a line");
    assert!(line("Flow: ").contains(",tun_metadata0=0x1234,"), "{trace}");
    assert!(line("Megaflow: ").contains(",tun_metadata0=0x34/0xff"), "{trace}");
}

#[test]
fn a_trace_uses_no_group_and_no_meter_that_is_not_there() {
    let mut rig = rig(Rig::new());
    let mut trace = |actions: &str| {
        let words = ["br0", "in_port=1", actions].map(str::to_owned);
        rig.switch.trace(&words, Traced::PacketOut)
    };
    assert_eq!(trace("group:77"), Err("Bad actions: OFPBAC_BAD_OUT_GROUP".to_owned()));
    assert_eq!(trace("meter:77"), Err("Bad actions: OFPMMFC_INVALID_METER".to_owned()));
    assert!(trace("output:2").expect("a trace").ends_with("Datapath actions: 2\n"));
}
