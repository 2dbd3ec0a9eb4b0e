//! Room for a flow in a table that is full.
//!
//! # Design
//! As in Open vSwitch, only flows that have a timeout make place: those of least importance, and of
//! these the one that would go soonest anyway.
//!
//! # References
//! OpenFlow 1.4.1 §6.5; `ofproto/ofproto.c`, `choose_rule_to_evict`.

use openflow::OfpError;
use openflow::flow::RemovedReason;

use super::expire::deadline;
use super::store::FlowId;
use super::{Cx, Ofproto};

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
        let flows = self.store.timed_in(table);
        let ranked = flows.filter_map(|id| {
            let rule = self.store.rule(id)?;
            Some((rule.importance, deadline(&rule).0, id))
        });
        ranked.min().map(|(.., id)| id)
    }
}
