//! Flows that come, change and go.

use openflow::flow::{CookieMatch, FlowFlags};
use openflow::group::GroupType;
use openflow::text::parse_match;

use super::*;

#[test]
fn flows_are_added_listed_changed_and_deleted() {
    let mut lab = Lab::new();
    lab.add("table=1,tcp,actions=2");
    lab.add("priority=5,actions=1");
    lab.add("ip,actions=drop");
    assert_eq!(
        lab.dump(),
        [
            "table=0 ip actions=drop",
            "table=0 priority=5 actions=output:1",
            "table=1 tcp actions=output:2"
        ]
    );
    lab.modify("ip,actions=3");
    assert_eq!(lab.dump()[0], "table=0 ip actions=output:3");
    lab.delete("ip");
    assert_eq!(lab.dump(), ["table=0 priority=5 actions=output:1"]);
    lab.delete("");
    assert!(lab.dump().is_empty());
    let told = lab.told();
    assert_eq!(told.len(), 3 + 1 + 2 + 1, "{told:?}");
    assert_eq!(told[3], "modified table=0 ip actions=output:3");
    assert_eq!(told[6], "delete table=0 priority=5 actions=output:1");
}

#[test]
fn strict_commands_mean_one_flow() {
    let mut lab = Lab::new();
    for text in ["priority=1,ip,actions=1", "priority=2,ip,actions=1", "priority=1,tcp,actions=1"] {
        lab.add(text);
    }
    lab.try_flow(FlowCommand::ModifyStrict, "priority=1,ip,actions=2").unwrap();
    lab.try_flow(FlowCommand::DeleteStrict, "priority=2,ip").unwrap();
    lab.try_flow(FlowCommand::DeleteStrict, "priority=7,ip").unwrap();
    let dump = lab.dump();
    assert_eq!(
        dump,
        ["table=0 priority=1,ip actions=output:2", "table=0 priority=1,tcp actions=output:1"]
    );
}

#[test]
fn to_modify_nothing_adds_only_where_a_cookie_is_given_and_none_is_asked_for() {
    let mut lab = Lab::new();
    lab.modify("actions=1");
    assert!(lab.dump().is_empty());
    let mut flow = parsed(FlowCommand::Modify, "table=4,actions=1");
    flow.cookie = 4;
    lab.send(Message::FlowMod(Box::new(flow.clone()))).unwrap();
    assert_eq!(lab.dump(), ["table=4 actions=output:1"]);
    flow.table = 5;
    flow.cookie_match = CookieMatch { value: 9, mask: u64::MAX };
    lab.send(Message::FlowMod(Box::new(flow))).unwrap();
    assert_eq!(lab.dump().len(), 1);
}

#[test]
fn cookies_and_their_masks_choose_flows() {
    let mut lab = Lab::new();
    lab.add("cookie=0x11,ip,actions=1");
    lab.add("cookie=0x21,ipv6,actions=1");
    lab.add("cookie=0x12,arp,actions=1");
    let wanted = |value, mask| FlowStatsRequest {
        cookie_match: CookieMatch { value, mask },
        ..FlowStatsRequest::default()
    };
    assert_eq!(lab.flows(wanted(0x11, u64::MAX)).len(), 1);
    assert_eq!(lab.flows(wanted(0x10, 0xf0)).len(), 2);
    lab.delete("cookie=0x1/0xf");
    assert_eq!(lab.dump(), ["table=0 arp actions=output:1"]);
    lab.modify("cookie=0x12/-1,actions=2");
    assert_eq!(lab.dump(), ["table=0 arp actions=output:2"]);
    assert_eq!(lab.flows(FlowStatsRequest::default())[0].cookie, 0x12);
}

#[test]
fn out_port_and_out_group_look_into_actions() {
    let mut lab = Lab::new();
    groups::add(&mut lab, 5, GroupType::All, &["output:3"]).unwrap();
    lab.add("ip,actions=write_actions(output:1)");
    lab.add("tcp,actions=clone(2,group:5)");
    lab.add("udp,actions=controller");
    lab.add("arp,actions=enqueue:3:1");
    let by_port = |port| FlowStatsRequest { out_port: OfPort(port), ..FlowStatsRequest::default() };
    for (port, n) in [(1, 1), (2, 1), (3, 1), (4, 0), (OfPort::CONTROLLER.0, 1)] {
        assert_eq!(lab.flows(by_port(port)).len(), n, "port {port}");
    }
    let by_group = FlowStatsRequest { out_group: 5, ..FlowStatsRequest::default() };
    assert_eq!(lab.flows(by_group).len(), 1);
    let mut flow = parsed(FlowCommand::Delete, "");
    (flow.table, flow.out_port) = (openflow::flow::TABLE_ALL, OfPort(2));
    lab.send(Message::FlowMod(Box::new(flow))).unwrap();
    assert_eq!(lab.dump().len(), 3);
}

#[test]
fn a_request_means_flows_within_its_match_and_table() {
    let mut lab = Lab::new();
    for text in ["table=1,ip,actions=1", "table=2,tcp,actions=1", "table=2,arp,actions=1"] {
        lab.add(text);
    }
    let matching = parse_match("ip").unwrap();
    let request =
        |table| FlowStatsRequest { matching: matching.clone(), table, ..Default::default() };
    let n = |table| lab.flows(request(table)).len();
    assert_eq!([n(openflow::flow::TABLE_ALL), n(1), n(2), n(3), n(254)], [2, 1, 1, 0, 0]);
}

#[test]
fn counters_go_on_unless_they_are_reset() {
    let mut lab = Lab::new();
    let count = |lab: &Lab| lab.flows(FlowStatsRequest::default())[0].packets;
    lab.add("ip,actions=1");
    let id = lab.of.store.all()[0];
    lab.of.store.rule(id).unwrap().counts.add(3, 180, lab.now_ns);
    lab.modify("actions=2");
    assert_eq!(count(&lab), Some(3));
    lab.add("ip,actions=3");
    assert_eq!(count(&lab), Some(3));
    lab.modify("reset_counts,actions=2");
    assert_eq!(count(&lab), Some(0));
    lab.of.store.rule(lab.of.store.all()[0]).unwrap().counts.add(1, 60, lab.now_ns);
    lab.speaks = openflow::Version::V10;
    lab.modify("actions=4");
    assert_eq!(count(&lab), Some(1));
    lab.add("ip,actions=3");
    assert_eq!(count(&lab), Some(0));
    let flags = lab.flows(FlowStatsRequest::default())[0].flags;
    assert_eq!(flags, FlowFlags::RESET_COUNTS);
}

#[test]
fn to_modify_leaves_timeouts_flags_and_age_as_they_are() {
    let mut lab = Lab::new();
    lab.add("cookie=3,idle_timeout=100,hard_timeout=200,importance=7,send_flow_rem,ip,actions=1");
    lab.wait(5);
    lab.modify("idle_timeout=1,hard_timeout=1,actions=2");
    lab.wait(2);
    let flow = &lab.flows(FlowStatsRequest::default())[0];
    assert_eq!((flow.idle_s, flow.hard_s, flow.importance, flow.cookie), (100, 200, 7, 3));
    assert_eq!((flow.duration.as_secs(), flow.idle_age_s, flow.hard_age_s), (7, Some(2), Some(2)));
    assert_eq!(flow.flags, FlowFlags::SEND_FLOW_REM);
    let mut flow = parsed(FlowCommand::Modify, "actions=2");
    flow.cookie = 8;
    lab.send(Message::FlowMod(Box::new(flow))).unwrap();
    assert_eq!(lab.flows(FlowStatsRequest::default())[0].cookie, 8);
}

#[test]
fn what_stays_the_same_is_no_news() {
    let mut lab = Lab::new();
    lab.add("ip,actions=1");
    lab.told();
    lab.modify("actions=1");
    assert!(lab.told().is_empty());
    lab.of.set_watch(Watch::Off);
    lab.add("arp,send_flow_rem,actions=1");
    assert!(lab.told().is_empty());
    lab.delete("arp");
    assert_eq!(lab.told(), ["removed arp (delete)"]);
}

#[test]
fn flows_go_when_they_are_idle_or_old() {
    let mut lab = Lab::new();
    lab.add("send_flow_rem,idle_timeout=10,ip,actions=1");
    lab.add("send_flow_rem,hard_timeout=15,arp,actions=1");
    lab.add("ipv6,actions=1");
    lab.told();
    let expire = |lab: &mut Lab| {
        lab.with(|of, cx| of.expire(cx));
        lab.told()
    };
    lab.wait(9);
    assert!(expire(&mut lab).is_empty());
    let id = lab.of.store.find(0, &parse_match("ip").unwrap(), 0x8000).unwrap();
    lab.of.store.rule(id).unwrap().counts.add(1, 60, lab.now_ns);
    lab.wait(5);
    assert!(expire(&mut lab).is_empty());
    lab.wait(1);
    assert_eq!(expire(&mut lab), ["hard table=0 arp actions=output:1", "removed arp (hard)"]);
    lab.wait(4);
    assert_eq!(expire(&mut lab), ["idle table=0 ip actions=output:1", "removed ip (idle)"]);
    assert_eq!(lab.dump(), ["table=0 ipv6 actions=output:1"]);
}

#[test]
fn expiry_sees_flows_that_come_with_shorter_timeouts_later() {
    let mut lab = Lab::new();
    lab.add("idle_timeout=100,ip,actions=1");
    lab.with(|of, cx| of.expire(cx));
    lab.add("idle_timeout=1,arp,actions=1");
    lab.wait(1);
    lab.with(|of, cx| of.expire(cx));
    assert_eq!(lab.dump(), ["table=0 ip actions=output:1"]);
}

#[test]
fn the_shape_is_normal_while_there_is_nothing_else() {
    let mut lab = Lab::new();
    assert_eq!(lab.of.shape(), Shape::Empty);
    lab.with(|of, cx| of.add_normal(cx));
    assert_eq!(lab.of.shape(), Shape::Normal);
    assert_eq!(lab.dump(), ["table=0 priority=0 actions=NORMAL"]);
    lab.add("table=3,ip,actions=1");
    assert_eq!(lab.of.shape(), Shape::Normal);
    lab.add("table=0,ip,actions=1");
    assert_eq!(lab.of.shape(), Shape::Flows);
    lab.delete("table=0,ip");
    assert_eq!(lab.of.shape(), Shape::Normal);
    lab.add("priority=0,idle_timeout=5,actions=NORMAL");
    assert_eq!(lab.of.shape(), Shape::Flows);
    lab.add("priority=0,actions=NORMAL");
    assert_eq!(lab.of.shape(), Shape::Normal);
    lab.modify("actions=NORMAL,1");
    assert_eq!(lab.of.shape(), Shape::Flows);
    lab.with(|of, cx| of.clear(cx));
    assert_eq!(lab.of.shape(), Shape::Empty);
    assert!(lab.dump().is_empty());
    lab.add("ip,actions=NORMAL");
    assert_eq!(lab.of.shape(), Shape::Flows);
}

#[test]
fn to_fail_open_is_a_hidden_flow_above_all_others() {
    let mut lab = Lab::new();
    lab.add("priority=65535,ip,actions=drop");
    lab.told();
    lab.with(|of, cx| of.set_fail_open(cx, FailOpen::On));
    lab.with(|of, cx| of.set_fail_open(cx, FailOpen::On));
    assert_eq!(lab.of.shape(), Shape::Normal);
    assert_eq!(lab.dump(), ["table=0 priority=65535,ip actions=drop"]);
    let priorities = |lab: &Lab| {
        lab.of.all_flows(0).into_iter().map(|(priority, _)| priority).collect::<Vec<_>>()
    };
    assert_eq!(priorities(&lab), [65535, 0xf0_f0f0]);
    lab.delete("");
    lab.modify("actions=drop");
    assert_eq!(priorities(&lab), [0xf0_f0f0]);
    lab.with(|of, cx| of.set_fail_open(cx, FailOpen::Off));
    lab.with(|of, cx| of.set_fail_open(cx, FailOpen::Off));
    assert_eq!(lab.of.shape(), Shape::Empty);
    assert_eq!(lab.told(), ["delete table=0 priority=65535,ip actions=drop"]);
}

#[test]
fn versions_show_a_change_when_it_is_published_and_old_flows_are_purged() {
    let mut lab = Lab::new();
    lab.add("ip,actions=1");
    assert!(lab.of.take_dirty() && !lab.of.take_dirty());
    let before = Version(lab.next.0 - 1);
    lab.modify("actions=2");
    assert_eq!(lab.of.tables().get(0).unwrap().changed(), Version(lab.next.0 - 1));
    let seen = |lab: &Lab, version| {
        let table = lab.of.tables().get(0).unwrap().read();
        table.iter(version).map(|(_, rule)| rule.what.actions.to_vec()).collect::<Vec<_>>()
    };
    assert_eq!(seen(&lab, before), [[OfAction::output(OfPort(1))]]);
    assert_eq!(seen(&lab, lab.next), [[OfAction::output(OfPort(2))]]);
    let n_rules = |lab: &Lab| lab.of.tables().get(0).unwrap().read().n_rules();
    lab.of.purge(before);
    assert_eq!(n_rules(&lab), 2);
    let latest = lab.next;
    lab.of.purge(latest);
    assert_eq!(n_rules(&lab), 1);
}
