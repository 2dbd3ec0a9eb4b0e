//! What is refused changes nothing, alone and in a bundle.

use openflow::group::{GroupCommand, GroupType};
use openflow::meter::MeterCommand;
use openflow::table::TableMod;

use super::groups::{group_mod, meter_mod};
use super::*;

fn refused(lab: &mut Lab, command: FlowCommand, text: &str) -> OfpError {
    let before = lab.state();
    let error = lab.try_flow(command, text).unwrap_err();
    assert_eq!(lab.state(), before, "{text}");
    assert!(lab.told().is_empty());
    error
}

#[test]
fn flows_that_are_refused() {
    let mut lab = Lab::new();
    lab.add("priority=1,ip,actions=1");
    lab.told();
    let cases = [
        ("actions=group:5", OfpError::BaBadOutGroup),
        ("actions=write_actions(group:5)", OfpError::BaBadOutGroup),
        ("actions=clone(group:5)", OfpError::BaBadOutGroup),
        ("actions=meter:5,output:1", OfpError::MmfInvalidMeter),
        ("table=3,actions=goto_table:3", OfpError::BiBadTableId),
        ("table=254,actions=1", OfpError::BrEperm),
        ("actions=set_field:1->tcp_src", OfpError::BaMatchInconsistent),
        ("actions=learn(table=2,NXM_OF_IP_SRC[])", OfpError::BaMatchInconsistent),
        ("ip,actions=learn(table=2,NXM_OF_IP_SRC[])", OfpError::BaMatchInconsistent),
        ("actions=mod_tp_dst:1", OfpError::BaMatchInconsistent),
        ("check_overlap,priority=1,tcp,actions=1", OfpError::FmfOverlap),
    ];
    for (text, error) in cases {
        assert_eq!(refused(&mut lab, FlowCommand::Add, text), error, "{text}");
    }
    lab.add("table=9,ip,actions=learn(table=2,eth_type=0x800,NXM_OF_IP_SRC[])");
    lab.add("check_overlap,priority=1,arp,actions=1");
    lab.add("check_overlap,priority=1,ip,actions=2");
    lab.told();
    for (command, text) in
        [(FlowCommand::Modify, "table=254,actions=1"), (FlowCommand::Delete, "table=254")]
    {
        assert_eq!(refused(&mut lab, command, text), OfpError::BrEperm);
    }
    let error = refused(&mut lab, FlowCommand::Modify, "actions=group:5");
    assert_eq!(error, OfpError::BaBadOutGroup);
    let mut flow = parsed(FlowCommand::Add, "actions=1");
    flow.matching.set(packet::flow::FieldId::RecircId, 1);
    assert_eq!(lab.send(Message::FlowMod(Box::new(flow.clone()))), Err(OfpError::BrEperm));
    flow.matching.set(packet::flow::FieldId::RecircId, 0);
    lab.send(Message::FlowMod(Box::new(flow))).unwrap();
    let mut flow = parsed(FlowCommand::Modify, "actions=1");
    flow.table = openflow::flow::TABLE_ALL;
    assert_eq!(lab.send(Message::FlowMod(Box::new(flow))), Err(OfpError::FmfBadTableId));
    let mut flow = parsed(FlowCommand::Add, "actions=1");
    flow.buffer_id = 5;
    assert_eq!(lab.send(Message::FlowMod(Box::new(flow))), Err(OfpError::BrBufferUnknown));
    assert_eq!(lab.send(Message::BarrierRequest), Err(OfpError::BrBadType));
}

#[test]
fn openflow_10_lets_actions_stand_that_do_nothing() {
    let mut lab = Lab::speaking(openflow::Version::V10);
    lab.add("actions=mod_nw_src:1.2.3.4,mod_tp_dst:7,dec_ttl,2");
    lab.told();
    let error = refused(&mut lab, FlowCommand::Add, "ip,actions=load:1->NXM_OF_TCP_SRC[]");
    assert_eq!(error, OfpError::BaMatchInconsistent);
}

#[test]
fn a_table_that_is_full_refuses_or_evicts() {
    let mut lab = Lab::new();
    lab.limit(0, 2, Overflow::Refuse);
    lab.add("hard_timeout=50,send_flow_rem,ip,actions=1");
    lab.add("hard_timeout=90,ipv6,actions=1");
    lab.told();
    assert_eq!(refused(&mut lab, FlowCommand::Add, "arp,actions=1"), OfpError::FmfTableFull);
    lab.add("table=1,arp,actions=1");
    lab.add("ip,actions=2");
    lab.add("hard_timeout=50,send_flow_rem,ip,actions=1");
    let table_mod = TableMod { table: 0, config: 4, eviction: None, vacancy: None };
    lab.send(Message::TableMod(table_mod)).unwrap();
    lab.told();
    lab.add("arp,actions=1");
    let told = [
        "eviction table=0 ip actions=output:1",
        "removed ip (eviction)",
        "added table=0 arp actions=output:1",
    ];
    assert_eq!(lab.told(), told);
    lab.add("rarp,actions=1");
    lab.told();
    // What has no timeout stays.
    assert_eq!(refused(&mut lab, FlowCommand::Add, "ip,actions=1"), OfpError::FmfTableFull);
}

#[test]
fn flows_of_low_importance_are_evicted_first_and_a_lowered_limit_at_once() {
    let mut lab = Lab::new();
    lab.add("importance=5,hard_timeout=10,ip,actions=1");
    lab.add("importance=1,hard_timeout=90,ipv6,actions=1");
    lab.add("arp,actions=1");
    lab.limit(0, 2, Overflow::Evict);
    assert_eq!(lab.dump(), ["table=0 ip actions=output:1", "table=0 arp actions=output:1"]);
    lab.limit(0, 0, Overflow::Evict);
    assert_eq!(lab.dump(), ["table=0 arp actions=output:1"]);
}

#[test]
fn a_bundle_is_done_in_order_or_not_at_all() {
    let mut lab = Lab::new();
    lab.add("cookie=1,idle_timeout=9,ip,actions=1");
    lab.send(Message::GroupMod(group_mod(GroupCommand::Add, 1, GroupType::All, &["output:1"])))
        .unwrap();
    lab.send(meter_mod(MeterCommand::Add, 1, &[9])).unwrap();
    lab.add("arp,actions=meter:1,group:1");
    lab.told();
    let messages = |last: &str| {
        let parts = [
            Message::GroupMod(group_mod(GroupCommand::Add, 2, GroupType::Select, &["output:2"])),
            flow_mod(FlowCommand::Add, "tcp,actions=group:2"),
            flow_mod(FlowCommand::Modify, "ip,actions=7"),
            meter_mod(MeterCommand::Add, 2, &[5]),
            meter_mod(MeterCommand::Modify, 1, &[6, 7]),
            flow_mod(FlowCommand::Add, "ip,reset_counts,actions=meter:2,8"),
            Message::GroupMod(group_mod(GroupCommand::Modify, 1, GroupType::All, &["output:3"])),
            Message::GroupMod(group_mod(GroupCommand::Delete, 1, GroupType::All, &[])),
            meter_mod(MeterCommand::Delete, 1, &[]),
            Message::TableMod(TableMod { table: 255, config: 4, eviction: None, vacancy: None }),
            flow_mod(FlowCommand::Delete, "tcp"),
            flow_mod(FlowCommand::Add, last),
        ];
        (10..).zip(parts).collect::<Vec<_>>()
    };
    let before = lab.state();
    let result = lab.with(|of, cx| of.change_all(cx, &messages("udp,actions=group:9")));
    assert_eq!(result, Err((11, OfpError::BaBadOutGroup)));
    assert_eq!(lab.state(), before);
    assert!(lab.told().is_empty());
    lab.with(|of, cx| of.change_all(cx, &messages("udp,actions=group:2"))).unwrap();
    assert_eq!(lab.dump(), ["table=0 ip actions=meter:2,output:8", "table=0 udp actions=group:2"]);
    let xids: Vec<_> = lab
        .events
        .iter()
        .map(|event| match event {
            Event::Flow(flow) => flow.by.unwrap().xid,
            _ => 0,
        })
        .collect();
    assert_eq!(xids, [11, 12, 12, 15, 17, 20, 21]);
}

#[test]
fn what_is_added_and_deleted_in_one_bundle_was_never_there() {
    let mut lab = Lab::new();
    let parts = [
        flow_mod(FlowCommand::Add, "ip,actions=1"),
        flow_mod(FlowCommand::Add, "ip,actions=2"),
        flow_mod(FlowCommand::Delete, ""),
    ];
    let messages: Vec<_> = (0..).zip(parts).collect();
    lab.with(|of, cx| of.change_all(cx, &messages)).unwrap();
    assert!(lab.dump().is_empty());
    assert_eq!(lab.of.shape(), Shape::Empty);
    lab.of.purge(lab.next);
    assert_eq!(lab.of.tables().get(0).unwrap().read().n_rules(), 0);
}

#[test]
fn of_groups_of_flows_the_largest_makes_place_first() {
    let mut lab = Lab::new();
    let groups = vec![packet::flow::FieldId::InPort];
    let settings = TableSettings {
        max_flows: Some(4),
        overflow: Overflow::Evict,
        groups,
        ..TableSettings::default()
    };
    lab.with(|of, cx| of.set_table(cx, 0, settings));
    lab.add("hard_timeout=10,in_port=1,ip,actions=9");
    for n in 1..5 {
        lab.add(&format!("hard_timeout=90,in_port=2,reg0={n},actions=9"));
    }
    let flow = |n| format!("table=0 reg0=0x{n:x},in_port=2 actions=output:9");
    let one = "table=0 ip,in_port=1 actions=output:9".to_owned();
    // The one of port 1 would go sooner, and stays.
    assert_eq!(lab.dump(), [one.clone(), flow(2), flow(3), flow(4)]);
    lab.add("hard_timeout=90,in_port=3,actions=9");
    assert_eq!(
        lab.dump(),
        [one, flow(3), flow(4), "table=0 in_port=3 actions=output:9".to_owned()]
    );
}

#[test]
fn a_configured_name_stands_before_one_that_a_controller_gives() {
    let mut lab = Lab::new();
    let named = |lab: &Lab| match lab.stats(&StatsRequest::TableFeatures(Vec::new())) {
        Ok(StatsReply::TableFeatures(tables)) => tables[3].name.clone(),
        other => panic!("{other:?}"),
    };
    let Ok(StatsReply::TableFeatures(tables)) = lab.stats(&StatsRequest::TableFeatures(Vec::new()))
    else {
        panic!()
    };
    let theirs = openflow::table::TableFeatures { name: "theirs".to_owned(), ..tables[3].clone() };
    lab.of.name_tables(&[theirs]).unwrap();
    assert_eq!(named(&lab), "theirs");
    let settings = TableSettings { name: Some("ours".to_owned()), ..TableSettings::default() };
    lab.with(|of, cx| of.set_table(cx, 3, settings));
    assert_eq!(named(&lab), "ours");
    lab.with(|of, cx| of.set_table(cx, 3, TableSettings::default()));
    assert_eq!(named(&lab), "theirs");
}
