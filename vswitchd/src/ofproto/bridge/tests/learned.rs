//! Flows that go with those that have learned them, and what a change says of cached flows.

use openflow::text::parse_match;

use super::*;

const LEARN: &str = "table=4,actions=learn(table=5,cookie=0x77,delete_learned,NXM_OF_ETH_SRC[]),2";

#[test]
fn learned_flows_go_with_the_last_flow_that_learns_them() {
    let mut lab = Lab::new();
    lab.add(LEARN);
    lab.add(&LEARN.replace("table=4", "table=4,ip"));
    lab.add("cookie=0x77,table=5,arp,actions=1");
    lab.add("cookie=0x77,table=6,arp,actions=1");
    lab.add("cookie=0x78,table=5,ip,actions=1");
    assert_eq!((lab.of.n_learned(5, 0x77), lab.of.n_learned(5, 0)), (1, 0));
    // The same flow again, and another one that learns the same.
    lab.add(LEARN);
    lab.delete("table=4,ip");
    assert_eq!(lab.of.n_learned(5, 0x77), 1);
    let before = lab.state();
    let parts = [
        flow_mod(FlowCommand::Modify, "table=4,actions=2"),
        flow_mod(FlowCommand::Add, "actions=group:7"),
    ];
    let messages: Vec<_> = (0..).zip(parts).collect();
    assert!(lab.with(|of, cx| of.change_all(cx, &messages)).is_err());
    assert_eq!(lab.state(), before);
    lab.told();
    lab.modify("table=4,actions=2");
    assert_eq!(
        lab.told(),
        ["modified table=4 actions=output:2", "delete table=5 arp actions=output:1"]
    );
    assert_eq!((lab.of.n_learned(5, 0x77), lab.of.n_learned(6, 0x77)), (0, 1));
}

#[test]
fn learned_flows_may_learn_and_go_in_turn_also_when_time_is_over() {
    let mut lab = Lab::new();
    lab.add(&LEARN.replace("table=4", "table=4,hard_timeout=5"));
    lab.add(&LEARN.replace("table=4", "table=5,cookie=0x77").replace("0x77,del", "0x99,del"));
    lab.add("cookie=0x99,table=5,arp,actions=1");
    lab.add("cookie=0x99,table=7,arp,actions=1");
    lab.wait(5);
    lab.with(|of, cx| of.expire(cx));
    assert_eq!(lab.dump(), ["table=7 arp actions=output:1"]);
}

#[test]
fn a_change_affects_only_what_it_could_match() {
    let mut lab = Lab::new();
    lab.add("tcp,tp_dst=80,actions=1");
    let since = Version(lab.next.0 - 1);
    let may = |lab: &Lab, table: u8, text: &str| {
        let cached = parse_match(text).unwrap();
        lab.of.tables().get(table).unwrap().may_affect(since, cached.key(), cached.mask())
    };
    assert!(!may(&lab, 0, "tcp,tp_dst=80"));
    lab.add("tcp,tp_dst=443,actions=1");
    assert!(
        !may(&lab, 0, "tcp,tp_dst=80") && may(&lab, 0, "tcp,tp_dst=443") && may(&lab, 0, "tcp")
    );
    assert!(!may(&lab, 1, "tcp,tp_dst=443"));
    lab.modify("tcp,tp_dst=80,actions=3");
    assert!(may(&lab, 0, "tcp,tp_dst=80") && !may(&lab, 0, "tcp,tp_dst=81"));
    let flows = (0..100).map(|n| flow_mod(FlowCommand::Add, &format!("udp,tp_dst={n},actions=1")));
    let messages: Vec<_> = (0..).zip(flows).collect();
    lab.with(|of, cx| of.change_all(cx, &messages)).unwrap();
    assert!(may(&lab, 0, "tcp,tp_dst=81"));
}

#[test]
fn a_hundred_thousand_flows_take_no_time_that_is_felt() {
    let mut lab = Lab::new();
    let flows = (0..100_000_u32).map(|n| {
        let mut flow = parsed(FlowCommand::Add, "cookie=1,priority=7,actions=1");
        flow.matching = parse_match("tcp").unwrap();
        flow.matching.set(packet::flow::FieldId::Ipv4Src, n.into());
        Message::FlowMod(Box::new(flow))
    });
    let messages: Vec<_> = (0..).zip(flows).collect();
    let begin = std::time::Instant::now();
    lab.of.set_watch(Watch::Off);
    lab.with(|of, cx| of.change_all(cx, &messages)).unwrap();
    let added = begin.elapsed();
    assert_eq!(lab.flows(FlowStatsRequest::default()).len(), 100_000);
    let dumped = begin.elapsed();
    lab.with(|of, cx| of.expire(cx));
    lab.modify("tcp,nw_src=0.0.0.7,actions=2");
    lab.delete("tcp,nw_src=0.0.0.9");
    let changed = begin.elapsed();
    lab.delete("");
    lab.of.purge(lab.next);
    eprintln!(
        "added {added:?}, dumped {dumped:?}, changed {changed:?}, gone {:?}",
        begin.elapsed()
    );
    // Ten times what it takes, so that a walk over all flows for each one is seen.
    assert!(begin.elapsed().as_secs() < 20);
}
