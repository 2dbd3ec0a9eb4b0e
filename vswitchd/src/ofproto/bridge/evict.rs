//! Room for a flow in a table that is full.
//!
//! # Design
//! As in Open vSwitch, only flows that have a timeout make place: those of least importance, and of
//! these the one that would go soonest anyway. Where fields group the flows of a table, one of the
//! largest group goes, so that who adds many flows loses his own.
//!
//! # References
//! OpenFlow 1.4.1 §6.5; `ofproto/ofproto.c`, `choose_rule_to_evict`; ovs-vswitchd.conf.db(5), `groups`
//! of `Flow_Table`.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use openflow::OfpError;
use openflow::flow::RemovedReason;

use super::expire::deadline;
use super::store::FlowId;
use super::{Cx, Ofproto};
use crate::ofproto::rule::FlowRule;

/// The lower, the sooner a flow goes: its importance, and when it would go anyway.
type Rank = (u16, u64);

fn rank(rule: &FlowRule) -> Rank {
    (rule.importance, deadline(rule).0)
}

/// Flows of a bridge at most: what OFPST_TABLE says of each table.
pub(super) const MAX_FLOWS: usize = 1_000_000;

impl Ofproto {
    /// Sees to it that a table can take one more flow.
    ///
    /// # Errors
    /// `OFPFMFC_TABLE_FULL`.
    pub(super) fn make_room(&mut self, cx: &mut Cx<'_>, table: u8) -> Result<(), OfpError> {
        if self.store.n_all() >= MAX_FLOWS {
            return Err(OfpError::FmfTableFull);
        }
        let limit = self.config(table).max_flows.unwrap_or(MAX_FLOWS);
        while self.store.n_flows(table) >= limit {
            self.evict(cx, table).ok_or(OfpError::FmfTableFull)?;
        }
        Ok(())
    }

    /// Evicts from a table what is above its limit, as far as flows may be evicted.
    pub(super) fn shrink(&mut self, cx: &mut Cx<'_>, table: u8) {
        let limit = self.config(table).max_flows.unwrap_or(MAX_FLOWS);
        while self.store.n_flows(table) > limit && self.evict(cx, table).is_some() {}
    }

    fn evict(&mut self, cx: &mut Cx<'_>, table: u8) -> Option<()> {
        let victim = if self.config(table).evicts() { self.victim(table) } else { None };
        self.remove_flow(cx, victim?, RemovedReason::Eviction);
        Some(())
    }

    fn victim(&self, table: u8) -> Option<FlowId> {
        let groups = self.settings.get(&table).map_or(&[][..], |settings| &settings.groups);
        if groups.is_empty() {
            let flows = self.store.timed_in(table);
            let ranked = flows.filter_map(|id| self.store.rule(id).map(|rule| (rank(&rule), id)));
            return ranked.min().map(|(_, id)| id);
        }
        // By the values of the fields: how many flows there are, and which goes first.
        let mut found: BTreeMap<Vec<u128>, (usize, (Rank, FlowId))> = BTreeMap::new();
        for id in self.store.timed_in(table) {
            let Some(flow) = self.store.flow(id) else { continue };
            let ranked = (rank(&flow.rule), id);
            let values = groups.iter().map(|field| flow.matching.key().get(*field)).collect();
            let (n, first) = found.entry(values).or_insert((0, ranked));
            (*n, *first) = (*n + 1, ranked.min(*first));
        }
        let largest = found.into_values().max_by_key(|(n, first)| (*n, Reverse(*first)));
        largest.map(|(_, (_, id))| id)
    }
}
