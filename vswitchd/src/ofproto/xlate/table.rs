//! Tables: look-up, resubmit, conjunctions, and what matches nothing.
//!
//! # Design
//! **Conjunctions** (ovs-fields(7), `conj_id`): flows whose only actions are `conjunction` do nothing
//! themselves. Those of one priority that match the packet are clauses; if all clauses of a number are
//! there, the packet is looked up again with `conj_id` set to it, and what that finds counts as a match
//! of that priority.
//!
//! # References
//! `ofproto/ofproto-dpif-xlate.c` of Open vSwitch, `xlate_table_action`; `lib/classifier.c`,
//! `classifier_lookup__`.

use std::collections::BTreeMap;
use std::sync::Arc;

use datapath::DropReason;
use openflow::port::PortConfig;
use openflow::{OfAction, OfPort};
use packet::flow::FieldId;
use packet::{FlowKey, FlowMask, FlowMatch};

use super::depends::Dependency;
use super::freeze::Origin;
use super::report::Kind;
use super::state::{Place, Xlate};
use super::{MAX_DEPTH, MAX_RESUBMITS};
use crate::ofproto::classifier::{Priority, Rule, RuleId, Verdict};
use crate::ofproto::ledger::{Credit, Found};
use crate::ofproto::rule::FlowRule;
use crate::ofproto::tables::Flows;
use crate::ofproto::view::Miss;

/// A flow that was found.
struct Hit {
    id: RuleId,
    rule: Arc<FlowRule>,
    priority: Priority,
    /// Told where somebody wants to know: to put it together costs as much as to find the flow.
    matching: Option<FlowMatch>,
}

/// Clauses that match, by priority and number: which of how many.
type Clauses = BTreeMap<Priority, BTreeMap<u32, (u64, u8)>>;

impl Xlate<'_> {
    /// Looks the packet up in the first table, and does what follows.
    pub(super) fn look_up_first(&mut self) {
        self.report.say(Kind::Bridge, || format!("bridge(\"{}\")", self.bridge.name));
        self.report.enter();
        self.go(0, Missing::AsTheTableSays);
        self.run_action_set();
        self.report.leave();
    }

    /// Does what actions of a controller say.
    pub(super) fn run_packet_out(&mut self, actions: &[OfAction]) {
        self.report.say(Kind::Bridge, || format!("bridge(\"{}\")", self.bridge.name));
        self.report.enter();
        self.run_list(actions);
        self.run_action_set();
        self.report.leave();
    }

    /// `resubmit`: looks the packet up as if it had come by a port, and comes back.
    pub(super) fn resubmit(&mut self, in_port: OfPort, table: u8) {
        if !self.may_descend() {
            return;
        }
        let before = self.in_port();
        if in_port != OfPort::IN_PORT {
            self.set_in_port(in_port);
        }
        let (table_before, cookie, place) = (self.table, self.cookie, self.place);
        let flow = self.flow.clone();
        self.depth += 1;
        self.go(table, Missing::Nothing);
        self.depth -= 1;
        (self.table, self.cookie, self.place) = (table_before, cookie, place);
        self.flow = flow;
        if in_port != OfPort::IN_PORT && self.in_port() == in_port {
            self.set_in_port(before);
        }
    }

    /// Whether the walk may go one deeper.
    pub(super) fn may_descend(&mut self) -> bool {
        if self.depth >= MAX_DEPTH {
            self.fail(DropReason::RecursionTooDeep, "over max translation depth 64");
            return false;
        }
        if self.resubmits >= MAX_RESUBMITS {
            self.fail(DropReason::TooManyResubmits, "over 4096 resubmit actions");
            return false;
        }
        true
    }

    /// Looks the packet up in a table and does what its flow says, and so on with `goto_table`.
    fn go(&mut self, table: u8, missing: Missing) {
        self.go_once(table, missing);
        self.go_on();
    }

    /// Goes on where the list that was run last has said: one table after the other, not one within
    /// the other, so that a chain of tables takes no more of the stack than one.
    pub(super) fn go_on(&mut self) {
        if self.next_table.is_none() {
            return;
        }
        let (table, cookie, place) = (self.table, self.cookie, self.place);
        let flow = self.flow.clone();
        let mut n_entered = 0;
        while let Some(next) = self.next_table.take() {
            if !self.may_descend() {
                break;
            }
            self.report.enter();
            n_entered += 1;
            self.go_once(next, Missing::AsTheTableSays);
        }
        (0..n_entered).for_each(|_| self.report.leave());
        (self.table, self.cookie, self.place) = (table, cookie, place);
        self.flow = flow;
    }

    fn go_once(&mut self, table: u8, missing: Missing) {
        self.resubmits += 1;
        self.table = table;
        match self.look_up(table) {
            Some(rule) => self.obey(&rule),
            None => self.miss(table, missing),
        }
    }

    /// Does what a flow says.
    fn obey(&mut self, rule: &FlowRule) {
        self.report.enter();
        if rule.actions.is_empty() {
            self.report.say(Kind::Action, || "drop".to_owned());
        }
        self.run_through(&rule.actions);
        self.report.leave();
    }

    fn miss(&mut self, table: u8, missing: Missing) {
        self.report.say(Kind::Table, || format!("{table:2}. No match."));
        self.report.enter();
        self.end = DropReason::NoFlow;
        self.depends.insert(Dependency::Ports(self.bridge.id));
        let port = self.bridge.ports.get(&self.in_port());
        let is_quiet = port.is_some_and(|port| port.config.contains(PortConfig::NO_PACKET_IN));
        if missing == Missing::AsTheTableSays && self.bridge.miss == Miss::Controller && !is_quiet {
            self.report.say(Kind::Action, || "CONTROLLER:65535".to_owned());
            self.send_miss();
        } else {
            self.report.say(Kind::Action, || "drop".to_owned());
        }
        self.report.leave();
    }

    /// The flow of the highest priority that the packet matches, credited and told.
    fn look_up(&mut self, table: u8) -> Option<Arc<FlowRule>> {
        let found = self.find(table);
        let outcome = if found.is_some() { Found::Flow } else { Found::Nothing };
        self.credits.push(Credit::Table(Arc::clone(&self.bridge.tables), table, outcome));
        let Hit { id, rule, priority, matching } = found?;
        self.credits.push(Credit::Counts(Arc::clone(&rule.counts)));
        let is_miss_flow = priority == 0 && matching == Some(FlowMatch::ANY);
        self.cookie = rule.cookie;
        self.flow = Some(Origin { id, rule: Arc::clone(&rule) });
        self.place = if is_miss_flow { Place::MissFlow } else { Place::Flow };
        self.end = DropReason::PipelineDrop;
        let options = &self.bridge.options;
        self.report.say(Kind::Table, || {
            let matching = matching.unwrap_or(FlowMatch::ANY).with_options(options);
            flow_line(table, priority, &matching, rule.cookie)
        });
        Some(rule)
    }

    fn find(&mut self, table: u8) -> Option<Hit> {
        let bridge = self.bridge;
        let of = bridge.tables.get(table)?;
        let flows = of.read();
        let mut mask = FlowMask::EMPTY;
        let mut clauses = Clauses::new();
        let id = flows.lookup_by(&self.key, self.input.version, &mut mask, |_, rule| {
            note_clauses(rule, &mut clauses)
        });
        let below = id.and_then(|id| Some(flows.get(id)?.priority()));
        let joint = self.join(&flows, (&clauses, below), &mut mask);
        self.look(&mask);
        let known = [&self.mask, &self.written];
        self.depends.looked_up((bridge.id, table), &self.key, known);
        let id = joint.or(id)?;
        let rule = flows.get(id)?;
        let hit = Hit {
            id,
            rule: Arc::clone(&rule.what),
            priority: rule.priority(),
            matching: if rule.priority() == 0 || self.report.is_told() {
                Some(flows.flow_match(id)?)
            } else {
                None
            },
        };
        Some(hit)
    }

    /// The flow of a conjunction whose clauses are all there, above a priority.
    fn join(
        &mut self,
        flows: &Flows,
        (clauses, below): (&Clauses, Option<Priority>),
        mask: &mut FlowMask,
    ) -> Option<RuleId> {
        let above =
            clauses.iter().rev().take_while(|(priority, _)| below.is_none_or(|b| **priority > b));
        for (priority, by_number) in above {
            for (number, (seen, n_clauses)) in by_number {
                if seen.count_ones() < u32::from(*n_clauses) {
                    continue;
                }
                let mut key: FlowKey = self.key.clone();
                key.set(FieldId::ConjId, (*number).into());
                let pass = |_: RuleId, rule: &Rule<Arc<FlowRule>>| match is_clause(&rule.what) {
                    true => Verdict::Pass,
                    false => Verdict::Take,
                };
                let found = flows.lookup_by(&key, self.input.version, mask, pass);
                let is_above = |id: &RuleId| {
                    let found = flows.get(*id).map(Rule::priority);
                    found.is_some_and(|found| found >= *priority)
                        || flows.flow_match(*id).is_some_and(|m| !m.mask().is_wild(FieldId::ConjId))
                };
                if let Some(id) = found.filter(is_above) {
                    self.key.set(FieldId::ConjId, (*number).into());
                    return Some(id);
                }
            }
        }
        None
    }
}

/// What happens where nothing matches.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    /// What the switch is configured to do with misses.
    AsTheTableSays,
    /// Nothing: who resubmitted goes on.
    Nothing,
}

/// Whether a flow is but a clause of conjunctions.
fn is_clause(rule: &FlowRule) -> bool {
    rule.actions.iter().any(|action| matches!(action, OfAction::Conjunction { .. }))
}

fn note_clauses(rule: &Rule<Arc<FlowRule>>, clauses: &mut Clauses) -> Verdict {
    if !is_clause(&rule.what) {
        return Verdict::Take;
    }
    let of_priority = clauses.entry(rule.priority()).or_default();
    for action in rule.what.actions.iter() {
        if let OfAction::Conjunction { id, clause, n_clauses } = action {
            let seen = of_priority.entry(*id).or_insert((0, *n_clauses));
            // Clauses that disagree on how many there are make none.
            if seen.1 == *n_clauses {
                seen.0 |= 1_u64.checked_shl((*clause).into()).unwrap_or(0);
            }
        }
    }
    Verdict::Pass
}

/// A flow, as `ofproto/trace` shows it.
fn flow_line(table: u8, priority: Priority, matching: &FlowMatch, cookie: u64) -> String {
    let text = openflow::text::match_text(matching, openflow::flow::DEFAULT_PRIORITY);
    let mut line = format!("{table:2}. ");
    if !text.is_empty() {
        line.push_str(&text);
        line.push_str(", ");
    }
    line.push_str(&format!("priority {priority}"));
    if cookie != 0 {
        line.push_str(&format!(", cookie 0x{cookie:x}"));
    }
    line
}
