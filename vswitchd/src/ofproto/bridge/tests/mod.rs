//! Tables, groups and meters, told what to do in the language of `ovs-ofctl`.
//!
//! # Design
//! A [`Lab`] is a bridge with a clock that stands still until it is told to go on. Each change is
//! published at once. What [`Lab::dump`] and [`Lab::told`] say is text, so that a test reads like the
//! manual. [`oracle`] compares with a list of flows that is searched from end to end.

mod errors;
mod flows;
mod groups;
mod learned;
mod options;
mod oracle;
mod stats;

use openflow::flow::{FlowMod, FlowStats, FlowStatsRequest};
use openflow::text::{actions_text, match_text, parse_flow};
use openflow::{OfpError, StatsReply, StatsRequest};

use super::*;
use crate::ofproto::notice::{ConnId, FlowChange};

const SECOND_NS: u64 = 1_000_000_000;

/// A bridge, and time.
struct Lab {
    of: Ofproto,
    meters: MeterSlots,
    events: Vec<Event>,
    now_ns: u64,
    next: Version,
    speaks: openflow::Version,
}

impl Lab {
    fn new() -> Lab {
        Lab::speaking(openflow::Version::V13)
    }

    fn speaking(speaks: openflow::Version) -> Lab {
        Lab {
            of: Ofproto::new(7),
            meters: MeterSlots::default(),
            events: Vec::new(),
            now_ns: 1000 * SECOND_NS,
            next: Version(2),
            speaks,
        }
    }

    fn wait(&mut self, seconds: u64) {
        self.now_ns += seconds * SECOND_NS;
    }

    /// Does something under the next version, and publishes that.
    fn with<T>(&mut self, change: impl FnOnce(&mut Ofproto, &mut Cx<'_>) -> T) -> T {
        let by = Some(Asker { conn: ConnId(1), version: self.speaks, xid: 9 });
        let (events, meters) = (&mut self.events, &mut self.meters);
        let mut cx = Cx { now_ns: self.now_ns, next: self.next, by, events, meters };
        let result = change(&mut self.of, &mut cx);
        assert!(self.of.journal.is_empty());
        self.next.0 += 1;
        result
    }

    /// Limits a table.
    fn limit(&mut self, table: u8, max_flows: usize, overflow: Overflow) {
        let max_flows = Some(max_flows);
        let settings = TableSettings { max_flows, overflow, ..TableSettings::default() };
        self.with(|of, cx| of.set_table(cx, table, settings));
    }

    fn send(&mut self, message: Message) -> Result<(), OfpError> {
        self.with(|of, cx| of.change(cx, &message))
    }

    fn try_flow(&mut self, command: FlowCommand, text: &str) -> Result<(), OfpError> {
        self.send(flow_mod(command, text))
    }

    fn add(&mut self, text: &str) {
        self.try_flow(FlowCommand::Add, text).unwrap();
    }

    fn modify(&mut self, text: &str) {
        self.try_flow(FlowCommand::Modify, text).unwrap();
    }

    fn delete(&mut self, text: &str) {
        self.try_flow(FlowCommand::Delete, text).unwrap();
    }

    fn stats(&self, request: &StatsRequest) -> Result<StatsReply, OfpError> {
        self.of.stats(&self.meters, self.now_ns, request)
    }

    fn flows(&self, request: FlowStatsRequest) -> Vec<FlowStats> {
        match self.stats(&StatsRequest::Flow(Box::new(request))) {
            Ok(StatsReply::Flow(flows)) => flows,
            other => panic!("{other:?}"),
        }
    }

    /// All flows, a line each.
    fn dump(&self) -> Vec<String> {
        self.flows(FlowStatsRequest::default()).iter().map(line).collect()
    }

    /// What connections were told since this was last asked.
    fn told(&mut self) -> Vec<String> {
        std::mem::take(&mut self.events).iter().map(event_line).collect()
    }

    /// Everything that can be seen of it.
    fn state(&self) -> Vec<String> {
        let requests = [
            StatsRequest::Flow(Box::default()),
            StatsRequest::Aggregate(Box::default()),
            StatsRequest::Group(GROUP_ALL),
            StatsRequest::GroupDesc(GROUP_ALL),
            StatsRequest::Meter(OfMeterId::ALL),
            StatsRequest::MeterConfig(OfMeterId::ALL),
        ];
        let mut state: Vec<String> =
            requests.iter().map(|request| format!("{:?}", self.stats(request))).collect();
        let counts = (0..=N_TABLES).map(|table| self.of.store.n_flows(table));
        state.push(format!("{:?}", counts.collect::<Vec<_>>()));
        state.push(format!("{:?}", self.of.configs.iter().position(|c| *c != Default::default())));
        state.push(format!("{:?}", self.of.shape()));
        state.push(format!("{:?}", self.of.store.timed()));
        state.push(format!("{:?}", self.of.meters()));
        let meters = self.meters.all().iter().map(Option::is_some);
        state.push(format!("{:?}", meters.rev().skip_while(|is| !is).collect::<Vec<_>>()));
        state
    }
}

fn flow_mod(command: FlowCommand, text: &str) -> Message {
    let mut flow = parse_flow(command, text).unwrap();
    if !text.contains("table=") && command.is_delete() {
        flow.table = openflow::flow::TABLE_ALL;
    }
    if matches!(command, FlowCommand::Modify | FlowCommand::ModifyStrict)
        && !text.contains("cookie=")
    {
        flow.cookie = u64::MAX;
    }
    Message::FlowMod(Box::new(flow))
}

fn parsed(command: FlowCommand, text: &str) -> FlowMod {
    parse_flow(command, text).unwrap()
}

/// `table=0 priority=1,ip actions=drop`.
fn line(flow: &FlowStats) -> String {
    let actions = actions_text(openflow::Version::V13, &flow.actions);
    let head = match_text(&flow.matching, flow.priority);
    let head = if head.is_empty() { String::new() } else { format!("{head} ") };
    format!("table={} {head}actions={actions}", flow.table)
}

fn event_line(event: &Event) -> String {
    match event {
        Event::Flow(flow) => match flow.change {
            FlowChange::Added => format!("added {}", line(&flow.flow)),
            FlowChange::Modified => format!("modified {}", line(&flow.flow)),
            FlowChange::Removed(why) => format!("{} {}", why.name(), line(&flow.flow)),
        },
        Event::FlowRemoved(removed) => {
            let head = match_text(&removed.matching, removed.priority);
            format!("removed {head} ({})", removed.reason.name())
        }
        other => panic!("{other:?}"),
    }
}
