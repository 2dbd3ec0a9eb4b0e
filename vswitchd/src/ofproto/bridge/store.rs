//! The flows of a bridge: putting them in, taking them out, and what is known of all of them.
//!
//! # Design
//! Flows lie in the classifiers of [`Tables`]. Beside them the store keeps what would otherwise be a
//! walk over all flows: how many there are, which have timeouts, which use a group or a meter. Every
//! step goes into a journal, so that a message that is refused half-way is taken back step by step.
//!
//! # Invariants
//! - The indices name exactly the flows that [`LATEST`] sees.
//! - A journal that is taken back, last step first, leaves everything as it was when it was begun.
//!
//! # Thread-safety
//! For the control thread. It holds a table's lock for one flow at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datapath::snapshot::Version;
use openflow::OfPort;
use openflow::action::OfAction;
use packet::flow::OptionTable;
use packet::{FlowMask, FlowMatch};

use super::expire;
use super::uses::{self, Use};
use crate::ofproto::classifier::{Priority, RuleId};
use crate::ofproto::rule::FlowRule;
use crate::ofproto::tables::{N_TABLES, Tables};

/// Sees what is, whether published or not: the control thread's view.
pub(super) const LATEST: Version = Version(u64::MAX);

/// Names a flow.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct FlowId {
    /// Its table.
    pub table: u8,
    /// Its rule there.
    pub rule: RuleId,
}

impl FlowId {
    const fn first(table: u8) -> FlowId {
        FlowId { table, rule: RuleId::FIRST }
    }
}

/// A flow with its match.
#[derive(Clone, Debug)]
pub(super) struct Flow {
    /// Its table.
    pub table: u8,
    /// Its priority.
    pub priority: Priority,
    /// What packets must have.
    pub matching: FlowMatch,
    /// What it does.
    pub rule: Arc<FlowRule>,
}

/// A step that can be taken back.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// A flow was put in.
    Inserted(FlowId),
    /// A flow was taken out.
    Retired(FlowId),
}

impl Step {
    /// The flow.
    pub(super) const fn flow(self) -> FlowId {
        match self {
            Step::Inserted(id) | Step::Retired(id) => id,
        }
    }
}

/// Which flows use what.
type Uses = BTreeMap<Use, BTreeSet<FlowId>>;

/// All flows of a bridge.
pub(super) struct Store {
    tables: Arc<Tables>,
    /// Where tunnel options lie in the matches of flows.
    options: Arc<OptionTable>,
    n_flows: Vec<usize>,
    n_all: usize,
    /// Flows of table 0 that send everything to NORMAL and nowhere else, for ever.
    n_normal: usize,
    timed: BTreeSet<FlowId>,
    uses: Uses,
    /// By cookie, those that have one.
    cookies: BTreeSet<(u64, FlowId)>,
    /// How many flows learn others, which go with the last of them; by their cookie and table.
    learning: BTreeMap<(u64, u8), usize>,
    /// Cookies and tables that nobody learns for any more.
    lost: Vec<(u64, u8)>,
    /// No timeout passes before.
    due_ns: u64,
}

impl Store {
    pub(super) fn new(tables: Arc<Tables>) -> Store {
        let n_flows = vec![0; usize::from(N_TABLES) + 1];
        Store {
            tables,
            options: Arc::default(),
            n_flows,
            n_all: 0,
            n_normal: 0,
            timed: BTreeSet::new(),
            uses: Uses::new(),
            cookies: BTreeSet::new(),
            learning: BTreeMap::new(),
            lost: Vec::new(),
            due_ns: u64::MAX,
        }
    }

    pub(super) const fn tables(&self) -> &Arc<Tables> {
        &self.tables
    }

    /// Flows of a table.
    pub(super) fn n_flows(&self, table: u8) -> usize {
        self.n_flows.get(usize::from(table)).copied().unwrap_or(0)
    }

    /// Flows of all tables.
    pub(super) const fn n_all(&self) -> usize {
        self.n_all
    }

    /// Flows of table 0 that are nothing but NORMAL.
    pub(super) const fn n_normal(&self) -> usize {
        self.n_normal
    }

    /// Every flow, hidden ones too.
    pub(super) fn all(&self) -> Vec<FlowId> {
        let mut found = Vec::new();
        for (number, table) in self.tables.iter() {
            let flows = table.read();
            let ids = flows.iter(LATEST).map(|(rule, _)| FlowId { table: number, rule });
            found.extend(ids);
        }
        found
    }

    /// Flows that use a group or a meter.
    pub(super) fn users(&self, of: Use) -> Vec<FlowId> {
        self.uses.get(&of).into_iter().flatten().copied().collect()
    }

    /// How many use a group or a meter.
    pub(super) fn n_users(&self, of: Use) -> usize {
        self.uses.get(&of).map_or(0, BTreeSet::len)
    }

    /// The flows with a cookie, which is not 0, in some tables.
    pub(super) fn with_cookie(
        &self,
        cookie: u64,
        tables: std::ops::Range<u8>,
    ) -> impl Iterator<Item = FlowId> {
        let flows = self.cookies.range((cookie, FlowId::first(tables.start))..);
        let is_there =
            move |(other, id): &&(u64, FlowId)| *other == cookie && id.table < tables.end;
        flows.take_while(is_there).map(|(_, id)| *id)
    }

    /// Takes a cookie and a table that flows were learned with, and nobody learns for any more.
    pub(super) fn take_lost(&mut self) -> Option<(u64, u8)> {
        while let Some(learned) = self.lost.pop() {
            if !self.learning.contains_key(&learned) {
                return Some(learned);
            }
        }
        None
    }

    pub(super) fn forget_lost(&mut self) {
        self.lost.clear();
    }

    /// Flows that have a timeout.
    pub(super) const fn timed(&self) -> &BTreeSet<FlowId> {
        &self.timed
    }

    /// Those of a table.
    pub(super) fn timed_in(&self, table: u8) -> impl Iterator<Item = FlowId> {
        let flows = self.timed.range(FlowId::first(table)..);
        flows.take_while(move |id| id.table == table).copied()
    }

    /// No timeout passes before.
    pub(super) const fn due_ns(&self) -> u64 {
        self.due_ns
    }

    pub(super) const fn set_due_ns(&mut self, due_ns: u64) {
        self.due_ns = due_ns;
    }

    /// What a flow does.
    pub(super) fn rule(&self, id: FlowId) -> Option<Arc<FlowRule>> {
        Some(self.tables.get(id.table)?.read().get(id.rule)?.what.clone())
    }

    /// Which options of tunnel headers are fields.
    pub(super) const fn options(&self) -> &Arc<OptionTable> {
        &self.options
    }

    /// Replaces them. Those that flows match on stay where they are.
    pub(super) fn set_options(&mut self, options: OptionTable) {
        self.options = Arc::new(options);
    }

    /// A flow.
    pub(super) fn flow(&self, id: FlowId) -> Option<Flow> {
        let flows = self.tables.get(id.table)?.read();
        let (rule, matching) = (flows.get(id.rule)?, flows.flow_match(id.rule)?);
        let (priority, rule) = (rule.priority(), rule.what.clone());
        let matching = matching.with_options(&self.options);
        Some(Flow { table: id.table, priority, matching, rule })
    }

    /// The flow of a table with exactly this match and priority.
    pub(super) fn find(&self, table: u8, of: &FlowMatch, priority: Priority) -> Option<FlowId> {
        let rule = self.tables.get(table)?.read().find(of, priority, LATEST)?;
        Some(FlowId { table, rule })
    }

    /// Whether some packet would match this and a flow of the same priority.
    pub(super) fn overlaps(&self, table: u8, of: &FlowMatch, priority: Priority) -> bool {
        let table = self.tables.get(table);
        table.is_some_and(|table| table.read().overlapping(of, priority, LATEST).is_some())
    }

    /// Puts a flow in, for versions from `from` on.
    pub(super) fn insert(&mut self, flow: &Flow, from: Version) -> Option<Step> {
        let (of, rule) = (&flow.matching, flow.rule.clone());
        let rule = self.tables.get(flow.table)?.write().insert(of, flow.priority, from, rule);
        let id = FlowId { table: flow.table, rule };
        self.enter(id, &flow.rule);
        Some(Step::Inserted(id))
    }

    /// Takes a flow out, for versions from `from` on.
    pub(super) fn retire(&mut self, id: FlowId, from: Version) -> Option<Step> {
        let rule = self.rule(id)?;
        self.leave(id, &rule);
        self.tables.get(id.table)?.write().retire(id.rule, from);
        Some(Step::Retired(id))
    }

    /// Takes a step back.
    pub(super) fn undo(&mut self, step: Step) {
        let id = step.flow();
        let Some(rule) = self.rule(id) else { return };
        let tables = self.tables.clone();
        let Some(table) = tables.get(id.table) else { return };
        match step {
            Step::Inserted(_) => {
                self.leave(id, &rule);
                table.write().discard(id.rule);
            }
            Step::Retired(_) => {
                table.write().restore(id.rule);
                self.enter(id, &rule);
            }
        }
    }

    fn enter(&mut self, id: FlowId, rule: &FlowRule) {
        if let Some(n) = self.n_flows.get_mut(usize::from(id.table)) {
            *n += 1;
        }
        self.n_all += 1;
        self.n_normal += usize::from(self.is_normal(id, rule));
        self.time(id, rule);
        uses::each_use(&rule.actions, &mut |of| {
            self.uses.entry(of).or_default().insert(id);
        });
        if rule.cookie != 0 {
            self.cookies.insert((rule.cookie, id));
        }
        uses::each_learned(&rule.actions, &mut |learned| {
            *self.learning.entry(learned).or_default() += 1;
        });
    }

    /// Looks after the timeouts of a flow, if it has any.
    fn time(&mut self, id: FlowId, rule: &FlowRule) {
        if rule.idle_timeout_s() != 0 || rule.hard_timeout_s() != 0 {
            self.timed.insert(id);
            self.due_ns = self.due_ns.min(expire::deadline(rule).0);
        }
    }

    /// Looks after flows whose timeouts the end of a connection has shortened.
    pub(super) fn take_shortened(&mut self) {
        for (table, rule, shortened) in self.tables.take_shortened() {
            let id = FlowId { table, rule };
            // Another flow may have its number by now.
            if let Some(rule) = self.rule(id).filter(|r| Arc::ptr_eq(&r.shortened, &shortened)) {
                self.time(id, &rule);
            }
        }
    }

    fn leave(&mut self, id: FlowId, rule: &FlowRule) {
        if let Some(n) = self.n_flows.get_mut(usize::from(id.table)) {
            *n -= 1;
        }
        self.n_all -= 1;
        self.n_normal -= usize::from(self.is_normal(id, rule));
        self.timed.remove(&id);
        self.cookies.remove(&(rule.cookie, id));
        self.leave_learned(rule);
        uses::each_use(&rule.actions, &mut |of| {
            if let Some(flows) = self.uses.get_mut(&of) {
                flows.remove(&id);
                if flows.is_empty() {
                    self.uses.remove(&of);
                }
            }
        });
    }

    fn leave_learned(&mut self, rule: &FlowRule) {
        uses::each_learned(&rule.actions, &mut |learned| {
            let Some(n) = self.learning.get_mut(&learned) else { return };
            *n -= 1;
            if *n == 0 {
                self.learning.remove(&learned);
                self.lost.push(learned);
            }
        });
    }

    fn is_normal(&self, id: FlowId, rule: &FlowRule) -> bool {
        let normal = [OfAction::output(OfPort::NORMAL)];
        let is_plain = id.table == 0 && rule.idle_s == 0 && rule.hard_s == 0;
        is_plain && *rule.actions == normal && self.mask(id) == Some(FlowMask::EMPTY)
    }

    fn mask(&self, id: FlowId) -> Option<FlowMask> {
        Some(self.tables.get(id.table)?.read().flow_match(id.rule)?.mask().clone())
    }
}
