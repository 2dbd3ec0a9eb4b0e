//! Which flows a command or a request means.
//!
//! # References
//! OpenFlow 1.3.5 §6.4 (strict and not, cookies, `out_port` and `out_group`); ovs-ofctl(8).

use openflow::OfPort;
use openflow::flow::{CookieMatch, FlowMod, FlowStatsRequest, GROUP_ANY, TABLE_ALL};
use packet::FlowMatch;

use super::store::{FlowId, LATEST, Store};
use super::uses::{Use, all, outputs_to};
use crate::ofproto::classifier::{Priority, RuleId};
use crate::ofproto::rule::FlowRule;
use crate::ofproto::tables::{Flows, N_TABLES};

/// Every flow.
static EVERYTHING: FlowMatch = FlowMatch::ANY;
/// The highest priority that OpenFlow knows; flows above are the switch's own, and hidden.
pub(super) const MAX_PRIORITY: Priority = u16::MAX as Priority;

/// How a match is meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Scope {
    /// Flows that match this or less.
    Loose,
    /// The flow with this very match, and this priority.
    Strict(u16),
}

/// Which flows are meant.
pub(super) struct Criteria<'a> {
    table: u8,
    scope: Scope,
    matching: &'a FlowMatch,
    cookie: CookieMatch,
    out_port: OfPort,
    out_group: u32,
}

impl<'a> Criteria<'a> {
    /// What a command means.
    pub(super) const fn of_mod(flow: &'a FlowMod, scope: Scope) -> Criteria<'a> {
        Criteria {
            table: flow.table,
            scope,
            matching: &flow.matching,
            cookie: flow.cookie_match,
            out_port: flow.out_port,
            out_group: flow.out_group,
        }
    }

    /// The flows of a table that were learned with a cookie.
    pub(super) const fn learned(table: u8, cookie: u64) -> Criteria<'static> {
        Criteria {
            table,
            scope: Scope::Loose,
            matching: &EVERYTHING,
            cookie: CookieMatch { value: cookie, mask: u64::MAX },
            out_port: OfPort::NONE,
            out_group: GROUP_ANY,
        }
    }

    /// What a request means.
    pub(super) const fn of_request(request: &'a FlowStatsRequest) -> Criteria<'a> {
        Criteria {
            table: request.table,
            scope: Scope::Loose,
            matching: &request.matching,
            cookie: request.cookie_match,
            out_port: request.out_port,
            out_group: request.out_group,
        }
    }

    fn tables(&self) -> std::ops::Range<u8> {
        if self.table == TABLE_ALL { 0..N_TABLES } else { self.table..self.table + 1 }
    }

    /// What may be meant in a table; all of it matches.
    fn candidates(&self, store: &Store, table: u8, flows: &Flows) -> Vec<RuleId> {
        let has_cookie = self.cookie.mask == u64::MAX && self.cookie.value != 0;
        match self.scope {
            Scope::Loose if has_cookie => {
                let known = store.with_cookie(self.cookie.value, table..table + 1);
                let is_within = |id: &RuleId| {
                    flows.flow_match(*id).is_some_and(|of| of.is_within(self.matching))
                };
                known.map(|id| id.rule).filter(is_within).collect()
            }
            Scope::Loose => flows.select(self.matching, LATEST).collect(),
            Scope::Strict(priority) => {
                flows.find(self.matching, priority.into(), LATEST).into_iter().collect()
            }
        }
    }

    fn means(&self, priority: Priority, flow: &FlowRule) -> bool {
        let is_visible = priority <= MAX_PRIORITY;
        let by_cookie = (flow.cookie ^ self.cookie.value) & self.cookie.mask == 0;
        let by_port = || self.out_port == OfPort::NONE || outputs_to(&flow.actions, self.out_port);
        let by_group = || {
            let group = Use::Group(self.out_group);
            self.out_group == GROUP_ANY || all(&flow.actions).contains(&group)
        };
        is_visible && by_cookie && by_port() && by_group()
    }
}

impl Store {
    /// The flows that are meant: by table, and in a table as Open vSwitch lists them.
    pub(super) fn select(&self, criteria: &Criteria<'_>) -> Vec<FlowId> {
        let mut found = Vec::new();
        for number in criteria.tables() {
            let Some(table) = self.tables().get(number) else { continue };
            if self.n_flows(number) == 0 {
                continue;
            }
            let flows = table.read();
            let mut ids = criteria.candidates(self, number, &flows);
            ids.retain(|id| {
                flows.get(*id).is_some_and(|rule| criteria.means(rule.priority(), &rule.what))
            });
            flows.sort(&mut ids);
            found.extend(ids.into_iter().map(|rule| FlowId { table: number, rule }));
        }
        found
    }
}
