//! Packets for controllers and from them, over a whole switch in one process: each arrives, or is
//! counted where it is lost.

use openflow::flow::FlowCommand;
use openflow::packet_io::PacketOut;
use openflow::text::{parse_actions, parse_flow};
use openflow::{Message, OfPort, OfpError};
use packet::FlowMatch;
use packet::flow::FieldId;
use vswitchd::ofproto::notice::{Event, Notice};

use crate::flows::{BY, PORTS, ask, flow, frame, packets, rig, tagged};
use crate::rig::Rig;

/// Packets for controllers since this was asked last.
fn packet_ins(rig: &mut Rig) -> Vec<vswitchd::ofproto::notice::ToControllers> {
    rig.switch.on_engine_events();
    let is_packet = |notice: Notice| match notice.event {
        Event::PacketIn(to) => Some(*to),
        _ => None,
    };
    rig.switch.take_notices().into_iter().filter_map(is_packet).collect()
}

#[test]
fn packets_go_to_controllers_and_come_from_them() {
    let mut rig = rig(Rig::new());
    flow(
        &mut rig,
        "priority=1,cookie=0x77,in_port=1,actions=load:9->NXM_NX_REG3[],mod_vlan_vid:5,\
         controller(max_len=20),output:2",
    );
    rig.send("p1", &frame(2, 1, "up"));
    let mut told = packet_ins(&mut rig);
    assert_eq!(told.len(), 1);
    let told = told.remove(0);
    assert_eq!((told.max_len, told.packet_in.cookie, told.packet_in.table), (Some(20), 0x77, 0));
    assert_eq!(told.packet_in.in_port(), OfPort(1));
    assert_eq!(told.packet_in.metadata.key().get(FieldId::by_name("reg3").expect("reg3")), 9);
    let tagged = tagged(2, 1, 5, "up");
    assert_eq!(told.packet_in.total_len as usize, tagged.len());
    assert_eq!(told.packet_in.packet, tagged[..20]);
    assert_eq!(rig.sent("p2"), [tagged]);
    let mut metadata = FlowMatch::ANY;
    metadata.set(FieldId::InPort, 3);
    let packet = frame(9, 8, "down");
    let actions = parse_actions("mod_vlan_vid:6,output:4,strip_vlan,TABLE").expect("actions");
    let out = PacketOut { buffer_id: u32::MAX, metadata, actions, packet: packet.clone() };
    flow(&mut rig, "priority=2,in_port=3,actions=output:2");
    ask(&mut rig, Message::PacketOut(Box::new(out)));
    rig.settle();
    assert_eq!(rig.sent("p4"), [crate::flows::tagged(9, 8, 6, "down")]);
    assert_eq!(rig.sent("p2"), [packet]);
    assert_eq!(packets(&mut rig, 2), 1);
}

/// Whether the control plane is told that something waits for it.
fn is_woken(rig: &Rig) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let fd = rig.switch.engine().event_fd();
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&at_once)).expect("a descriptor") > 0
}

#[test]
fn packets_for_the_control_plane_are_never_forgotten() {
    let mut rig = rig(Rig::new());
    flow(&mut rig, "in_port=1,actions=controller");
    rig.switch.on_engine_events();
    assert!(!is_woken(&rig));
    // More than the queue holds, in the moment before a second passes.
    const CAP: usize = datapath::action::USERSPACE_CAP;
    for n in 0..CAP + 44 {
        rig.inject("p1", &frame(2, 1, &n.to_string()));
    }
    rig.settle();
    rig.pass(1);
    assert!(is_woken(&rig), "the queue is full, and nobody looks");
    assert_eq!(packet_ins(&mut rig).len(), CAP);
    assert!(!is_woken(&rig));
    let drops = &rig.port("p1")["statistics"]["drops"];
    assert_eq!(*drops, serde_json::json!({"userspace_action_error": 44}));
    rig.assert_conserved();
}

#[test]
fn a_packet_that_nobody_takes_is_dropped_for_a_reason() {
    let mut rig = rig(Rig::new());
    flow(&mut rig, "in_port=1,actions=controller,output:2");
    rig.send("p1", &frame(2, 1, "up"));
    for to in packet_ins(&mut rig) {
        rig.switch.lose_packet_in(to.port);
    }
    let drops = |rig: &Rig| rig.port("p1")["statistics"]["drops"].clone();
    assert_eq!(drops(&rig), serde_json::json!({"no_controller": 1}));
    assert_eq!(rig.sent("p2").len(), 1);
    rig.assert_conserved();
}

#[test]
fn a_packet_of_a_bridge_that_is_gone_before_anybody_looks_goes_with_its_port() {
    let mut rig = rig(Rig::new());
    rig.run("add-br br1 fail_mode=secure");
    rig.run(
        "add-port br0 a type=patch peer=b ofport_request=9 -- \
         add-port br1 b type=patch peer=a ofport_request=9",
    );
    flow(&mut rig, "in_port=1,actions=output:9");
    let there = parse_flow(FlowCommand::Add, "actions=controller").expect("a flow");
    rig.switch.openflow("br1", BY, Message::FlowMod(Box::new(there))).expect("taken");
    rig.switch.barrier();
    rig.send("p1", &frame(2, 1, "up"));
    let count = |rig: &Rig, port: &str, key: &str| rig.port(port)["statistics"][key].as_u64();
    // It is the patch port's: for the port that it came by it was sent.
    assert_eq!((count(&rig, "a", "tx_packets"), count(&rig, "b", "handed")), (Some(1), Some(1)));
    rig.run("del-br br1");
    assert_eq!(packet_ins(&mut rig).len(), 0);
    assert_eq!(rig.port("p1")["statistics"]["drops"], serde_json::json!({}));
    rig.assert_conserved();
}

#[test]
fn a_packet_goes_by_no_group_and_no_meter_that_is_not_there() {
    let mut rig = rig(Rig::new());
    for (actions, error) in [
        ("group:77", OfpError::BaBadOutGroup),
        ("output:2,clone(group:77)", OfpError::BaBadOutGroup),
        ("meter:77,output:2", OfpError::MmfInvalidMeter),
    ] {
        let mut metadata = FlowMatch::ANY;
        metadata.set(FieldId::InPort, 1);
        let actions = parse_actions(actions).expect("actions");
        let out = PacketOut { buffer_id: u32::MAX, metadata, actions, packet: frame(2, 1, "x") };
        let refused = rig.switch.openflow("br0", BY, Message::PacketOut(Box::new(out)));
        assert_eq!(refused, Err(error));
    }
    rig.settle();
    assert!(rig.reached(&PORTS).is_empty());
}

#[test]
fn a_packet_waits_for_its_controller_and_goes_on_as_that_says() {
    let mut rig = rig(Rig::new());
    flow(
        &mut rig,
        "priority=1,in_port=1,actions=load:7->NXM_NX_REG0[],push:NXM_NX_REG0[],output:3,\
         resubmit(,1),mod_vlan_vid:9,output:4",
    );
    flow(&mut rig, "table=1,cookie=5,actions=controller(pause),pop:NXM_NX_REG1[],resubmit(,2)");
    flow(&mut rig, "table=2,priority=2,reg0=8,reg1=7,actions=output:2");
    rig.send("p1", &frame(2, 1, "wait"));
    assert_eq!(rig.reached(&PORTS), ["p3"], "what comes first is done at once");
    let told = packet_ins(&mut rig).remove(0).packet_in;
    let rest = told.continuation.clone().expect("the packet waits");
    assert_eq!((rest.stack.clone(), rest.rest.len()), (vec![vec![0, 0, 0, 7]], 2));
    assert_eq!((rest.rest[0].table, rest.rest[0].cookie, rest.rest[1].table), (1, 5, 0));
    // Another packet, and another register.
    let mut back = told.clone();
    back.packet = frame(2, 1, "go on");
    back.metadata.set(FieldId::by_name("reg0").expect("reg0"), 8);
    ask(&mut rig, Message::Resume(Box::new(back.clone())));
    rig.settle();
    assert_eq!(rig.sent("p2"), [frame(2, 1, "go on")]);
    assert_eq!(rig.sent("p4"), [tagged(2, 1, 9, "go on")]);
    assert!(rig.reached(&PORTS).is_empty());
    // Of another bridge, or of none.
    let mut stale = back.clone();
    if let Some(rest) = &mut stale.continuation {
        rest.bridge[0] ^= 1;
    }
    for packet in [stale, openflow::packet_io::PacketIn { continuation: None, ..back }] {
        let refused = rig.switch.openflow("br0", BY, Message::Resume(Box::new(packet)));
        assert_eq!(refused, Err(OfpError::NxrStale));
    }
    rig.assert_conserved();
}
