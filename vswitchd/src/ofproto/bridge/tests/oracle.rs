//! Random commands, alone and in bundles, beside a list of flows that is searched from end to end.

use openflow::flow::{CookieMatch, FlowFlags, TABLE_ALL};
use packet::FlowMatch;
use packet::flow::FieldId;
use proptest::prelude::*;

use super::*;

/// A flow as the list knows it. The last two are times in seconds.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Entry {
    table: u8,
    priority: u16,
    cookie: u64,
    port: u16,
    idle_s: u16,
    hard_s: u16,
    created_s: u64,
    modified_s: u64,
}

/// The list. Matches beside the rest, which they do not order.
#[derive(Clone, Default)]
struct Model(Vec<(FlowMatch, Entry)>);

const MAX_FLOWS: usize = 6;

fn output(flow: &FlowMod) -> u16 {
    match flow.actions[..] {
        [OfAction::Output { port, .. }] => port.0,
        _ => 0,
    }
}

impl Model {
    fn obey(&mut self, flow: &FlowMod, now_s: u64) -> Result<(), OfpError> {
        let strict = matches!(flow.command, FlowCommand::ModifyStrict | FlowCommand::DeleteStrict);
        let is_meant = |(of, entry): &(FlowMatch, Entry)| {
            let by_match = match strict {
                true => *of == flow.matching && entry.priority == flow.priority,
                false => of.is_within(&flow.matching),
            };
            (flow.table == TABLE_ALL || flow.table == entry.table)
                && by_match
                && (entry.cookie ^ flow.cookie_match.value) & flow.cookie_match.mask == 0
                && (flow.out_port == OfPort::NONE || flow.out_port.0 == entry.port)
        };
        match flow.command {
            FlowCommand::Delete | FlowCommand::DeleteStrict => self.0.retain(|f| !is_meant(f)),
            FlowCommand::Add => self.add(flow, now_s)?,
            FlowCommand::Modify | FlowCommand::ModifyStrict => {
                let mut found = false;
                for (_, entry) in self.0.iter_mut().filter(|f| is_meant(f)) {
                    found = true;
                    (entry.port, entry.modified_s) = (output(flow), now_s);
                    if flow.cookie != u64::MAX {
                        entry.cookie = flow.cookie;
                    }
                }
                if !found && flow.cookie != u64::MAX && flow.cookie_match.mask == 0 {
                    self.add(flow, now_s)?;
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, flow: &FlowMod, now_s: u64) -> Result<(), OfpError> {
        let table = if flow.table == TABLE_ALL { 0 } else { flow.table };
        let peers = |(_, e): &&(FlowMatch, Entry)| (e.table, e.priority) == (table, flow.priority);
        let is_same = |f: &(FlowMatch, Entry)| peers(&f) && f.0 == flow.matching;
        if !self.0.iter().any(is_same) {
            let overlaps = self.0.iter().filter(peers).any(|(of, _)| of.overlaps(&flow.matching));
            if overlaps && flow.flags.contains(FlowFlags::CHECK_OVERLAP) {
                return Err(OfpError::FmfOverlap);
            }
            if table == 2 && self.0.iter().filter(|(_, e)| e.table == 2).count() >= MAX_FLOWS {
                return Err(OfpError::FmfTableFull);
            }
        }
        self.0.retain(|f| !is_same(f));
        let entry = Entry {
            table,
            priority: flow.priority,
            cookie: flow.cookie,
            port: output(flow),
            idle_s: flow.idle_s,
            hard_s: flow.hard_s,
            created_s: now_s,
            modified_s: now_s,
        };
        self.0.push((flow.matching.clone(), entry));
        Ok(())
    }

    fn expire(&mut self, now_s: u64) {
        self.0.retain(|(_, e)| {
            [e.idle_s, e.hard_s].iter().all(|t| *t == 0 || e.modified_s + u64::from(*t) > now_s)
        });
    }

    fn lines(&self, now_s: u64) -> Vec<String> {
        let line = |(of, e): &(FlowMatch, Entry)| {
            let ages = (now_s - e.created_s, now_s - e.modified_s);
            let head = (e.table, e.priority, match_text(of, e.priority));
            format!("{:?}", (head, e.cookie, e.port, e.idle_s, e.hard_s, ages))
        };
        let mut lines: Vec<String> = self.0.iter().map(line).collect();
        lines.sort();
        lines
    }
}

fn lines(lab: &Lab) -> Vec<String> {
    let line = |flow: &FlowStats| {
        let ages = (flow.duration.as_secs(), u64::from(flow.hard_age_s.unwrap()));
        let port = match flow.actions[..] {
            [OfAction::Output { port, .. }] => port.0,
            _ => 0,
        };
        let head = (flow.table, flow.priority, match_text(&flow.matching, flow.priority));
        format!("{:?}", (head, flow.cookie, port, flow.idle_s, flow.hard_s, ages))
    };
    let mut lines: Vec<String> = lab.flows(FlowStatsRequest::default()).iter().map(line).collect();
    lines.sort();
    lines
}

fn matches() -> impl Strategy<Value = FlowMatch> {
    (0_u128..3, 0_usize..4, 0_u128..3).prop_map(|(port, address, l4)| {
        let mut of = FlowMatch::ANY;
        if port > 0 {
            of.set(FieldId::InPort, port);
        }
        if address > 0 {
            of.set(FieldId::EthType, 0x800);
            of.set_masked(
                FieldId::Ipv4Src,
                0x0a01_0203,
                [0, 0xff00_0000, 0xffff_ff00][address - 1],
            );
        }
        if address > 0 && l4 > 0 {
            of.set(FieldId::IpProto, 5 + l4);
        }
        of
    })
}

fn flow_mods() -> impl Strategy<Value = FlowMod> {
    let commands = prop_oneof![
        6 => Just(FlowCommand::Add),
        2 => Just(FlowCommand::Modify),
        2 => Just(FlowCommand::ModifyStrict),
        1 => Just(FlowCommand::Delete),
        2 => Just(FlowCommand::DeleteStrict),
    ];
    let tables = prop_oneof![Just(0_u8), Just(2), Just(3), Just(TABLE_ALL)];
    let cookies = (
        prop_oneof![0_u64..4, Just(u64::MAX)],
        0_u64..4,
        prop_oneof![Just(0_u64), Just(1), Just(u64::MAX)],
    );
    let timeouts = (
        prop_oneof![3 => Just(0_u16), 1 => 1_u16..4],
        prop_oneof![3 => Just(0_u16), 1 => 1_u16..6],
    );
    let ports = (1_u16..4, prop_oneof![4 => Just(OfPort::NONE), 1 => (1_u16..4).prop_map(OfPort)]);
    let overlap = prop_oneof![4 => Just(FlowFlags::default()), 1 => Just(FlowFlags::CHECK_OVERLAP)];
    let parts = (commands, tables, 1_u16..4, matches(), cookies, timeouts, ports, overlap);
    parts.prop_map(|(command, table, priority, matching, cookies, timeouts, ports, flags)| {
        let mut flow = FlowMod { table, priority, matching, flags, ..FlowMod::new(command) };
        let is_add = command == FlowCommand::Add;
        flow.cookie = if is_add && cookies.0 == u64::MAX { 0 } else { cookies.0 };
        if !is_add {
            flow.cookie_match = CookieMatch { value: cookies.1, mask: cookies.2 };
        }
        (flow.idle_s, flow.hard_s) = timeouts;
        if command.is_delete() {
            flow.out_port = ports.1;
        } else {
            flow.actions = vec![OfAction::output(OfPort(ports.0))];
        }
        flow
    })
}

#[derive(Clone, Debug)]
enum Op {
    Single(Box<FlowMod>),
    Bundle(Vec<FlowMod>),
    Wait(u64),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        5 => flow_mods().prop_map(|flow| Op::Single(Box::new(flow))),
        2 => prop::collection::vec(flow_mods(), 1..6).prop_map(Op::Bundle),
        1 => (1_u64..3).prop_map(Op::Wait),
    ];
    prop::collection::vec(op, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn flows_are_those_of_the_list(ops in ops()) {
        let mut lab = Lab::speaking(openflow::Version::V10);
        lab.limit(2, MAX_FLOWS, Overflow::Refuse);
        let mut model = Model::default();
        for op in ops {
            let now_s = lab.now_ns / SECOND_NS;
            match op {
                Op::Single(flow) => {
                    let mut next = model.clone();
                    let expected = next.obey(&flow, now_s);
                    prop_assert_eq!(lab.send(Message::FlowMod(flow)), expected);
                    if expected.is_ok() {
                        model = next;
                    }
                }
                Op::Bundle(flows) => {
                    let mut next = model.clone();
                    let mut results = flows.iter().map(|flow| next.obey(flow, now_s)).enumerate();
                    let refused = results.find_map(|(at, result)| Some((at, result.err()?)));
                    let flows = flows.into_iter().map(|flow| (1, Message::FlowMod(Box::new(flow))));
                    let messages: Vec<_> = flows.collect();
                    let result = lab.with(|of, cx| of.change_all(cx, &messages));
                    prop_assert_eq!(result.err(), refused);
                    if refused.is_none() {
                        model = next;
                    }
                }
                Op::Wait(seconds) => {
                    lab.wait(seconds);
                    lab.with(|of, cx| of.expire(cx));
                    model.expire(lab.now_ns / SECOND_NS);
                    lab.of.purge(Version(lab.next.0 - 1));
                }
            }
            prop_assert_eq!(lines(&lab), model.lines(lab.now_ns / SECOND_NS));
        }
        check_indices(&lab);
        lab.delete("");
        lab.of.purge(lab.next);
        let n_rules = |(_, table): (u8, &crate::ofproto::tables::Table)| table.read().n_rules();
        prop_assert_eq!(lab.of.tables().iter().map(n_rules).sum::<usize>(), 0);
        prop_assert!(lab.of.store.timed().is_empty());
    }
}

/// What the store says of all flows is what a walk over them says.
fn check_indices(lab: &Lab) {
    let store = &lab.of.store;
    let flows: Vec<_> = store.all().into_iter().map(|id| (id, store.flow(id).unwrap())).collect();
    assert_eq!(store.n_all(), flows.len());
    for table in 0..=N_TABLES {
        let n = flows.iter().filter(|(id, _)| id.table == table).count();
        assert_eq!(store.n_flows(table), n);
    }
    let is_timed = |rule: &crate::ofproto::rule::FlowRule| rule.idle_s != 0 || rule.hard_s != 0;
    let timed = flows.iter().filter(|(_, flow)| is_timed(&flow.rule)).map(|(id, _)| *id);
    assert_eq!(store.timed().iter().copied().collect::<Vec<_>>(), timed.collect::<Vec<_>>());
    for cookie in 1..4 {
        let with = flows.iter().filter(|(_, flow)| flow.rule.cookie == cookie).map(|(id, _)| *id);
        let known = store.with_cookie(cookie, 0..N_TABLES);
        assert_eq!(known.collect::<Vec<_>>(), with.collect::<Vec<_>>());
    }
}
