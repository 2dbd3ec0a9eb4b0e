//! Flows over a whole switch in one process: what is forwarded, counted, learned, told.

use std::time::{Duration, Instant};

use openflow::flow::{FlowCommand, FlowStats, FlowStatsRequest};
use openflow::group::{GroupCommand, GroupDesc, GroupMod, GroupType, Selection};
use openflow::meter::{BandKind, MeterBand, MeterCommand, MeterConfig, MeterFlags, MeterMod};
use openflow::packet_io::PacketOut;
use openflow::text::{parse_actions, parse_flow};
use openflow::{Message, OfPort, OfpError, StatsReply, StatsRequest, Version};
use packet::FlowMatch;
use packet::flow::FieldId;
use switch_tests::frame::{Frame, mac};
use vswitchd::appctl::view::SwitchView;
use vswitchd::ofproto::notice::{Asker, ConnId, Event};
use vswitchd::switch::of_trace::Traced;

use crate::rig::Rig;

pub const BY: Asker = Asker { conn: ConnId(1), version: Version::V13, xid: 1 };

/// A bridge `br0` with dummy ports `p1` to `p4` of those numbers, and without flows.
pub fn rig(mut rig: Rig) -> Rig {
    rig.run("add-br br0 fail_mode=secure");
    for n in 1..=4 {
        rig.run(&format!("add-port br0 p{n} type=dummy ofport_request={n}"));
    }
    rig
}

pub fn ask(rig: &mut Rig, message: Message) -> Vec<Message> {
    rig.switch.openflow("br0", BY, message).expect("the message is taken")
}

fn try_flow(rig: &mut Rig, command: FlowCommand, text: &str) -> Result<(), OfpError> {
    let flow = parse_flow(command, text).expect("a flow");
    let done = rig.switch.openflow("br0", BY, Message::FlowMod(Box::new(flow)));
    rig.switch.barrier();
    done.map(|_| ())
}

pub fn flow(rig: &mut Rig, text: &str) {
    try_flow(rig, FlowCommand::Add, text).expect("the flow is taken");
}

fn flows(rig: &mut Rig) -> Vec<FlowStats> {
    let request = StatsRequest::Flow(Box::<FlowStatsRequest>::default());
    match ask(rig, Message::StatsRequest(request)).pop() {
        Some(Message::StatsReply(StatsReply::Flow(flows))) => flows,
        other => panic!("{other:?}"),
    }
}

/// Packets of the flow of a priority.
pub fn packets(rig: &mut Rig, priority: u16) -> u64 {
    let flows = flows(rig);
    let flow = flows.iter().find(|flow| flow.priority == priority);
    flow.unwrap_or_else(|| panic!("{flows:?}")).packets.expect("packets are counted")
}

pub fn frame(dst: u32, src: u32, text: &str) -> Vec<u8> {
    Frame::new(mac(dst), mac(src)).text(text)
}

/// The same frame with a tag pushed: four bytes longer.
pub fn tagged(dst: u32, src: u32, vid: u16, text: &str) -> Vec<u8> {
    let mut frame = Frame::new(mac(dst), mac(src)).vlan(vid).text(text);
    frame.resize(self::frame(dst, src, text).len() + 4, 0);
    frame
}

pub const PORTS: [&str; 4] = ["p1", "p2", "p3", "p4"];

#[test]
fn a_flow_says_where_packets_go_and_counts_them() {
    let mut rig = rig(Rig::new());
    rig.send("p1", &frame(2, 1, "lost"));
    assert!(rig.reached(&PORTS).is_empty(), "without flows, nothing is forwarded");
    flow(&mut rig, "priority=5,in_port=1,actions=output:2,output:3");
    flow(&mut rig, "priority=4,in_port=2,actions=mod_vlan_vid:7,output:1");
    for n in 0..3 {
        rig.send("p1", &frame(2, 1, &format!("n{n}")));
    }
    assert_eq!(rig.sent("p2").len(), 3);
    assert_eq!(rig.sent("p3").len(), 3);
    rig.send("p2", &frame(1, 2, "back"));
    assert_eq!(rig.sent("p1"), [tagged(1, 2, 7, "back")]);
    assert_eq!((packets(&mut rig, 5), packets(&mut rig, 4)), (3, 1));
    let tables = match ask(&mut rig, Message::StatsRequest(StatsRequest::Table)).pop() {
        Some(Message::StatsReply(StatsReply::Table(tables))) => tables,
        other => panic!("{other:?}"),
    };
    assert_eq!((tables[0].active, tables[0].lookups, tables[0].matched), (2, 5, 4));
    try_flow(&mut rig, FlowCommand::Delete, "in_port=1").expect("deleted");
    rig.send("p1", &frame(2, 1, "gone"));
    assert!(rig.reached(&PORTS).is_empty());
    rig.assert_conserved();
}

#[test]
fn a_bridge_that_only_does_normal_counts_on_its_flow() {
    let mut rig = Rig::new();
    rig.run("add-br br0");
    rig.run("add-port br0 p1 type=dummy");
    rig.run("add-port br0 p2 type=dummy");
    for n in 0..5 {
        rig.send("p1", &frame(2, 1, &format!("n{n}")));
    }
    assert_eq!(rig.sent("p2").len(), 5);
    let all = flows(&mut rig);
    assert_eq!(all.len(), 1);
    let bytes: u64 = (0..5).map(|n| frame(2, 1, &format!("n{n}")).len() as u64).sum();
    assert_eq!((all[0].priority, all[0].packets, all[0].bytes), (0, Some(5), Some(bytes)));
    // One flow more, and packets pass the tables; the count goes on.
    flow(&mut rig, "priority=9,in_port=2,actions=drop");
    rig.send("p1", &frame(2, 1, "six"));
    rig.send("p2", &frame(1, 2, "dropped"));
    assert_eq!((packets(&mut rig, 0), packets(&mut rig, 9)), (6, 1));
    assert_eq!((rig.sent("p1").len(), rig.sent("p2").len()), (0, 1));
    rig.assert_conserved();
}

#[test]
fn after_a_barrier_no_packet_is_handled_by_what_was_before() {
    let mut rig = rig(Rig::threaded());
    let deadline = Instant::now() + Duration::from_secs(120);
    let mut expected = [0_u64; 2];
    for n in 0..10_000_u32 {
        let to = usize::try_from(n % 2).expect("small");
        let text = format!("priority=7,cookie={},in_port=1,actions=output:{}", n % 2, to + 2);
        flow(&mut rig, &text);
        rig.inject("p1", &frame(2, 1, "x"));
        expected[to] += 1;
        let mut sent = [0, 0];
        while sent == [0, 0] {
            sent = [rig.sent("p2").len(), rig.sent("p3").len()];
            assert!(Instant::now() < deadline, "round {n}");
            std::thread::yield_now();
        }
        let mut wanted = [0, 0];
        wanted[to] = 1;
        assert_eq!(sent, wanted, "round {n}");
    }
    // Adding the same match again keeps what was counted.
    assert_eq!(packets(&mut rig, 7), expected.iter().sum::<u64>());
}

#[test]
fn changes_under_load_lose_no_packet() {
    let mut rig = rig(Rig::threaded());
    flow(&mut rig, "priority=1,in_port=1,actions=output:2");
    flow(&mut rig, "priority=1,in_port=4,actions=output:3");
    let mut n = 0_usize;
    for round in 0..200 {
        for _ in 0..20 {
            rig.inject("p1", &frame(2, 1, "x"));
            n += 1;
        }
        let to = if round % 2 == 0 { 3 } else { 2 };
        flow(&mut rig, &format!("priority=1,in_port=1,actions=output:{to}"));
    }
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut got = 0;
    while got < n {
        got += rig.sent("p2").len() + rig.sent("p3").len();
        assert!(Instant::now() < deadline, "{got} of {n}");
        std::thread::yield_now();
    }
    assert_eq!(got, n);
}

#[test]
fn a_packet_teaches_a_flow() {
    let mut rig = rig(Rig::new());
    flow(
        &mut rig,
        "table=0,priority=1,actions=learn(table=1,priority=9,hard_timeout=10,\
         NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[]),resubmit(,1)",
    );
    flow(&mut rig, "table=1,priority=0,actions=flood");
    rig.send("p1", &frame(2, 1, "hello"));
    assert_eq!(rig.reached(&PORTS), ["p2", "p3", "p4"]);
    rig.switch.on_lessons();
    rig.switch.barrier();
    rig.send("p2", &frame(1, 2, "known"));
    assert_eq!(rig.reached(&PORTS), ["p1"]);
    rig.switch.on_lessons();
    assert_eq!(flows(&mut rig).len(), 4);
    rig.pass(12);
    assert_eq!(flows(&mut rig).len(), 2, "what was learned has its hard timeout");
}

#[test]
fn a_select_group_spreads_flows_and_counts_buckets() {
    let mut rig = rig(Rig::new());
    let bucket = |n: u32, text: &str| openflow::group::Bucket {
        id: n,
        weight: 1,
        watch_port: OfPort::NONE,
        watch_group: openflow::flow::GROUP_ANY,
        actions: parse_actions(text).expect("actions"),
    };
    let group = GroupDesc {
        id: 5,
        kind: GroupType::Select,
        buckets: vec![bucket(0, "output:2"), bucket(1, "output:3")],
        selection: Selection::default(),
    };
    let (command, command_bucket) = (GroupCommand::Add, openflow::group::BUCKET_ALL);
    ask(&mut rig, Message::GroupMod(GroupMod { command, group, command_bucket }));
    flow(&mut rig, "priority=1,actions=group:5");
    for n in 0..64 {
        rig.send("p1", &frame(100 + n, 1, "x"));
    }
    let (two, three) = (rig.sent("p2").len(), rig.sent("p3").len());
    assert!(two > 8 && three > 8 && two + three == 64, "{two} {three}");
    let request = Message::StatsRequest(StatsRequest::Group(5));
    let stats = match ask(&mut rig, request).pop() {
        Some(Message::StatsReply(StatsReply::Group(stats))) => stats,
        other => panic!("{other:?}"),
    };
    let of_buckets: Vec<u64> = stats[0].buckets.iter().map(|bucket| bucket.packets).collect();
    assert_eq!((stats[0].packets, of_buckets), (64, vec![two as u64, three as u64]));
    assert_eq!(stats[0].ref_count, 1);
    rig.assert_conserved();
}

#[test]
fn a_meter_drops_for_a_reason() {
    let mut rig = rig(Rig::new());
    let band = MeterBand { kind: BandKind::Drop, rate: 10, burst_size: 10 };
    let meter = MeterConfig {
        id: openflow::meter::MeterId(1),
        flags: MeterFlags::PKTPS | MeterFlags::BURST | MeterFlags::STATS,
        bands: vec![band],
    };
    ask(&mut rig, Message::MeterMod(MeterMod { command: MeterCommand::Add, meter }));
    flow(&mut rig, "priority=1,in_port=1,actions=meter:1,output:2");
    for _ in 0..25 {
        rig.send("p1", &frame(2, 1, "x"));
    }
    assert_eq!(rig.sent("p2").len(), 10);
    let drops = rig.port("p1")["statistics"]["rx_drops"]["meter"].clone();
    assert!(rig.show().to_string().contains("meter"), "{drops}");
    rig.assert_conserved();
}

#[test]
fn a_flow_goes_when_its_time_is_over_and_says_so() {
    let mut rig = rig(Rig::new());
    flow(&mut rig, "priority=1,idle_timeout=3,send_flow_rem,in_port=1,actions=output:2");
    for _ in 0..4 {
        rig.pass(2);
        rig.send("p1", &frame(2, 1, "x"));
    }
    assert_eq!(packets(&mut rig, 1), 4, "it is used");
    rig.pass(5);
    assert!(flows(&mut rig).is_empty());
    let removed = rig.switch.take_notices().into_iter().find_map(|notice| match notice.event {
        Event::FlowRemoved(removed) => Some(removed),
        _ => None,
    });
    let removed = removed.expect("it was asked for");
    assert_eq!((removed.priority, removed.packets), (1, Some(4)));
}

/// A TCP packet with these flags.
fn segment(flags: u8, text: &str) -> Vec<u8> {
    let mut frame = Frame::new(mac(2), mac(1)).text(text);
    frame.truncate(12);
    frame.extend([8, 0, 0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    frame.extend([3, 232, 0, 80, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, flags, 16, 0, 0, 0, 0, 0]);
    frame.resize(60, 0);
    frame
}

/// Idle and hard timeouts of the flow of a priority, if it is there.
fn timeouts(rig: &mut Rig, priority: u16) -> Option<(u16, u16)> {
    let flows = flows(rig);
    flows.iter().find(|flow| flow.priority == priority).map(|flow| (flow.idle_s, flow.hard_s))
}

#[test]
fn the_end_of_a_connection_shortens_the_timeouts_of_its_flow() {
    const FIN_ACK: u8 = 0x11;
    const ACK: u8 = 0x10;
    let mut rig = rig(Rig::new());
    let fin = "fin_timeout(idle_timeout=5,hard_timeout=60),output:2";
    flow(&mut rig, &format!("priority=1,idle_timeout=100,tcp,in_port=1,actions={fin}"));
    flow(&mut rig, &format!("priority=2,tcp,in_port=3,actions={fin}"));
    flow(
        &mut rig,
        &format!("priority=3,idle_timeout=3,hard_timeout=9,tcp,in_port=4,actions={fin}"),
    );
    for port in ["p1", "p3", "p4"] {
        rig.send(port, &segment(ACK, "data"));
    }
    rig.pass(2);
    assert_eq!(timeouts(&mut rig, 1), Some((100, 0)));
    assert_eq!(timeouts(&mut rig, 2), Some((0, 0)));
    for port in ["p1", "p3", "p4"] {
        rig.send(port, &segment(FIN_ACK, "end"));
    }
    assert_eq!(timeouts(&mut rig, 1), Some((5, 60)));
    assert_eq!(timeouts(&mut rig, 2), Some((5, 60)), "a flow without timeouts gets them");
    assert_eq!(timeouts(&mut rig, 3), Some((3, 9)), "none gets longer");
    assert_eq!(packets(&mut rig, 1), 2);
    rig.pass(7);
    assert!(flows(&mut rig).is_empty());
    assert_eq!(rig.sent("p2").len(), 6);
    rig.assert_conserved();
}

#[test]
fn a_connection_that_ends_behind_a_recirculation_shortens_the_timeouts_of_the_flow_before_it() {
    let mut rig = rig(Rig::new());
    // What follows waits for the length of the packet, which is looked up again for it.
    flow(&mut rig, "priority=1,tcp,actions=check_pkt_larger(900)->NXM_NX_REG0[0],resubmit(,1)");
    let fin = "check_pkt_larger(99)->NXM_NX_REG0[1],fin_timeout(idle_timeout=5),output:2";
    flow(&mut rig, &format!("table=1,priority=2,tcp,reg0=0,actions={fin}"));
    rig.send("p1", &segment(0x10, "data"));
    assert_eq!(timeouts(&mut rig, 2), Some((0, 0)));
    rig.send("p1", &segment(0x11, "end"));
    assert_eq!(timeouts(&mut rig, 2), Some((5, 0)));
    assert_eq!(timeouts(&mut rig, 1), Some((0, 0)), "the flow that came here has no such action");
    rig.pass(7);
    assert_eq!(timeouts(&mut rig, 2), None);
    assert_eq!(rig.sent("p2").len(), 2);
    rig.assert_conserved();
}

/// Changes a bit of the configuration of a port.
fn port_mod(rig: &mut Rig, port: u16, config: openflow::port::PortConfig) {
    let descs = ask(rig, Message::StatsRequest(StatsRequest::PortDesc(OfPort(port))));
    let Some(Message::StatsReply(StatsReply::PortDesc(descs))) = descs.into_iter().next() else {
        panic!("no description")
    };
    let change = openflow::port::PortMod {
        port: OfPort(port),
        hw_addr: descs[0].hw_addr,
        config,
        mask: config,
        advertise: Default::default(),
    };
    ask(rig, Message::PortMod(change));
}

#[test]
fn normal_passes_ports_by_that_do_not_flood_or_forward() {
    let mut rig = rig(Rig::new());
    flow(&mut rig, "priority=1,actions=normal");
    port_mod(&mut rig, 2, openflow::port::PortConfig::NO_FLOOD);
    port_mod(&mut rig, 3, openflow::port::PortConfig::NO_FWD);
    rig.send("p1", &frame(2, 1, "to all"));
    assert_eq!(rig.reached(&PORTS), ["p4"]);
    // What is known to be there is sent all the same, unless nothing is.
    for port in ["p2", "p3"] {
        rig.send(port, &frame(1, if port == "p2" { 2 } else { 3 }, "here I am"));
    }
    assert_eq!(rig.reached(&PORTS), ["p1"]);
    rig.send("p1", &frame(2, 1, "known"));
    assert_eq!(rig.reached(&PORTS), ["p2"]);
    rig.send("p1", &frame(3, 1, "not forwarded"));
    assert!(rig.reached(&PORTS).is_empty());
    rig.assert_conserved();
}

#[test]
fn normal_of_a_controllers_packet_obeys_vlans_and_learns_nothing() {
    let mut rig = rig(Rig::new());
    rig.run("set port p2 tag=7 -- set port p3 tag=8");
    let out = |rig: &mut Rig, packet: Vec<u8>| {
        let mut metadata = FlowMatch::ANY;
        metadata.set(FieldId::InPort, OfPort::CONTROLLER.0.into());
        let actions = parse_actions("normal").expect("actions");
        let out = PacketOut { buffer_id: u32::MAX, metadata, actions, packet };
        ask(rig, Message::PacketOut(Box::new(out)));
        rig.settle();
    };
    out(&mut rig, frame(9, 8, "without a tag"));
    assert_eq!(rig.reached(&PORTS), ["p1", "p4"]);
    out(&mut rig, tagged(9, 8, 7, "in VLAN 7"));
    assert_eq!(rig.sent("p2"), [frame(9, 8, "in VLAN 7")]);
    assert_eq!(rig.reached(&PORTS), ["p1", "p4"]);
    // Its source was not learned, and a destination that is known is not flooded.
    flow(&mut rig, "priority=1,actions=normal");
    rig.send("p4", &frame(8, 5, "who is 8"));
    assert_eq!(rig.reached(&PORTS), ["p1"]);
    out(&mut rig, frame(5, 8, "to 5"));
    assert_eq!(rig.reached(&PORTS), ["p4"]);
}

#[test]
fn samples_are_counted() {
    let mut rig = rig(Rig::new());
    flow(&mut rig, "priority=1,actions=sample(probability=10,collector_set_id=1),output:2");
    (0..3).for_each(|_| rig.send("p1", &frame(2, 1, "x")));
    assert_eq!(packets(&mut rig, 1), 3);
    assert_eq!((rig.switch.n_sampled(), rig.sent("p2").len()), (3, 3));
}

#[test]
fn there_are_no_queues_to_describe_or_count() {
    let mut rig = rig(Rig::new());
    flow(&mut rig, "priority=1,in_port=1,actions=set_queue:3,output:2,pop_queue,enqueue:3:4");
    rig.send("p1", &frame(2, 1, "x"));
    assert_eq!(rig.reached(&PORTS), ["p2", "p3"], "a queue that is not there does no harm");
    let described = |port, queue| {
        let request = openflow::counters::QueueRequest { port: OfPort(port), queue };
        Message::StatsRequest(StatsRequest::QueueDesc(request))
    };
    let all = openflow::counters::QUEUE_ALL;
    assert_eq!(
        ask(&mut rig, described(1, all)),
        [Message::StatsReply(StatsReply::QueueDesc(Vec::new()))]
    );
    for (port, queue, error) in [(77, all, OfpError::QofBadPort), (1, 3, OfpError::NxqofQueueError)]
    {
        assert_eq!(rig.switch.openflow("br0", BY, described(port, queue)), Err(error));
    }
    let none = openflow::queue::QueueConfig { port: OfPort(1), queues: Vec::new() };
    let config = |port| Message::QueueConfigRequest(OfPort(port));
    assert_eq!(ask(&mut rig, config(1)), [Message::QueueConfigReply(none)]);
    assert_eq!(rig.switch.openflow("br0", BY, config(77)), Err(OfpError::QofBadPort));
}

#[test]
fn two_bridges_with_flows_are_joined() {
    let mut rig = rig(Rig::new());
    rig.run("add-br br1 fail_mode=secure");
    rig.run("add-port br1 q1 type=dummy ofport_request=1");
    rig.run("add-port br0 a type=patch peer=b ofport_request=9 -- add-port br1 b type=patch peer=a ofport_request=9");
    flow(&mut rig, "priority=1,in_port=1,actions=mod_vlan_vid:3,output:9");
    let there = parse_flow(FlowCommand::Add, "priority=1,dl_vlan=3,actions=strip_vlan,output:1");
    let there = Message::FlowMod(Box::new(there.expect("a flow")));
    rig.switch.openflow("br1", BY, there).expect("taken");
    rig.switch.barrier();
    rig.send("p1", &frame(2, 1, "across"));
    assert_eq!(rig.sent("q1"), [frame(2, 1, "across")]);
    let trace = rig.switch.trace(&["br0".to_owned(), "in_port=1".to_owned()], Traced::Packet);
    let trace = trace.expect("a trace");
    assert!(trace.contains("bridge(\"br1\")"), "{trace}");
    let last = trace.lines().find(|line| line.starts_with("Datapath actions: ")).expect("a line");
    assert!(last.contains("push_vlan(vid=3,pcp=0)") && last.contains("pop_vlan"), "{trace}");
    rig.assert_conserved();
}

#[test]
fn prefixes_keep_cached_flows_few() {
    let n_cached = |setting: &str| {
        let mut rig = rig(Rig::new());
        flow(&mut rig, "priority=9,ip,nw_dst=10.0.0.1,actions=output:3");
        flow(&mut rig, "priority=1,actions=output:2");
        rig.run(setting);
        for n in 0..50 {
            let mut packet = segment(0x10, "x");
            // The destination's address, and the header's checksum as it may be.
            packet[30..34].copy_from_slice(&[192, 168, n, n]);
            rig.send("p1", &packet);
        }
        assert_eq!(rig.sent("p2").len(), 50, "{setting}");
        SwitchView::n_cached_flows(&mut rig.switch)
    };
    assert_eq!(n_cached("set bridge br0 table-name=0:acl"), 1);
    assert_eq!(n_cached("set bridge br0 table-prefixes=0:none"), 50);
    assert_eq!(n_cached("set bridge br0 table-prefixes=0:nw_dst"), 1);
    let mut rig = rig(Rig::new());
    for (value, why) in [("0:tp_dst", "has no prefixes to keep"), ("0:x", "\"x\" is no field")] {
        let error = rig.try_run(&format!("set bridge br0 table-prefixes={value}"));
        assert!(error.as_ref().is_err_and(|error| error.contains(why)), "{error:?}");
    }
}
