//! FLOW_MOD: flows come, change and go.
//!
//! # Design
//! Everything that may be refused is checked before the first flow is touched. A flow is never changed
//! in place: another one takes its place under the next version, and goes on with its counters unless
//! the message says otherwise.
//!
//! # References
//! OpenFlow 1.0.2 §4.6; 1.3.5 §6.4; `ofproto/ofproto.c` of Open vSwitch for what they leave open.

use std::sync::Arc;

use openflow::flow::{
    FlowCommand, FlowFlags, FlowMod, FlowStats, NO_BUFFER, RemovedReason, TABLE_ALL,
};
use openflow::{OfAction, OfpError, Version, action};
use packet::FlowMatch;
use packet::flow::FieldId;

use super::select::{Criteria, Scope};
use super::store::{Flow, FlowId};
use super::uses::{self, Use};
use super::{Cx, Ofproto};
use crate::ofproto::classifier::Priority;
use crate::ofproto::notice::FlowChange;
use crate::ofproto::rule::{Counts, FlowRule};
use crate::ofproto::tables::N_TABLES;

impl Ofproto {
    pub(super) fn flow_mod(&mut self, cx: &mut Cx<'_>, flow: &FlowMod) -> Result<(), OfpError> {
        if flow.table != TABLE_ALL && flow.table >= N_TABLES {
            return Err(OfpError::BrEperm);
        }
        if flow.table == TABLE_ALL && !flow.command.is_delete() && !speaks(cx, Version::V10) {
            return Err(OfpError::FmfBadTableId);
        }
        if flow.buffer_id != NO_BUFFER && !flow.command.is_delete() {
            return Err(OfpError::BrBufferUnknown);
        }
        match flow.command {
            FlowCommand::Add => {
                self.check_actions(cx, flow)?;
                self.add_flow(cx, flow)
            }
            FlowCommand::Modify => self.modify_flows(cx, flow, Scope::Loose),
            FlowCommand::ModifyStrict => self.modify_flows(cx, flow, Scope::Strict(flow.priority)),
            FlowCommand::Delete => self.delete_flows(cx, flow, Scope::Loose),
            FlowCommand::DeleteStrict => self.delete_flows(cx, flow, Scope::Strict(flow.priority)),
        }
    }

    /// What actions may not be, and what they refer to that there is not.
    fn check_actions(&self, cx: &Cx<'_>, flow: &FlowMod) -> Result<(), OfpError> {
        match action::check(&flow.actions, &flow.matching, flow.table) {
            Err(OfpError::BaMatchInconsistent) if speaks(cx, Version::V10) => {
                let strict = without_lenient(&flow.actions);
                action::check(&strict, &flow.matching, flow.table)?;
            }
            result => result?,
        }
        self.check_uses(&flow.actions)
    }

    /// Whether the groups and meters that actions refer to are there.
    ///
    /// # Errors
    /// `OFPBAC_BAD_OUT_GROUP`, `OFPMMFC_INVALID_METER`.
    pub fn check_uses(&self, actions: &[OfAction]) -> Result<(), OfpError> {
        for of in uses::all(actions) {
            match of {
                Use::Group(group) if !self.groups.contains_key(&group) => {
                    return Err(OfpError::BaBadOutGroup);
                }
                Use::Meter(meter) if !self.meters.contains_key(&meter) => {
                    return Err(OfpError::MmfInvalidMeter);
                }
                Use::Group(_) | Use::Meter(_) => {}
            }
        }
        Ok(())
    }

    fn add_flow(&mut self, cx: &mut Cx<'_>, flow: &FlowMod) -> Result<(), OfpError> {
        if looks_at_hidden_fields(&flow.matching) {
            return Err(OfpError::BrEperm);
        }
        let table = if flow.table == TABLE_ALL { 0 } else { flow.table };
        let flags = match flow.command {
            // OpenFlow 1.0 and 1.1 know no flag for what they always do.
            FlowCommand::Add if speaks(cx, Version::V11) => flow.flags | FlowFlags::RESET_COUNTS,
            _ => flow.flags,
        };
        let old = self.store.find(table, &flow.matching, flow.priority.into());
        let counts = match old {
            Some(old) => self.kept_counts(old, flags),
            None => {
                self.check_overlap(table, flow)?;
                self.make_room(cx, table)?;
                None
            }
        };
        let rule = FlowRule {
            cookie: flow.cookie,
            idle_s: flow.idle_s,
            hard_s: flow.hard_s,
            importance: flow.importance,
            flags,
            actions: flow.actions.as_slice().into(),
            created_ns: cx.now_ns,
            modified_ns: cx.now_ns,
            counts: counts.unwrap_or_else(|| Arc::new(Counts::new(cx.now_ns))),
            shortened: Arc::default(),
        };
        if let Some(old) = old {
            self.retire_flow(cx, old);
        }
        let (priority, matching) = (flow.priority.into(), flow.matching.clone());
        let flow = Flow { table, priority, matching, rule: Arc::new(rule) };
        self.insert_flow(cx, &flow);
        self.tell(cx, FlowChange::Added, &flow);
        Ok(())
    }

    fn check_overlap(&self, table: u8, flow: &FlowMod) -> Result<(), OfpError> {
        let is_asked = flow.flags.contains(FlowFlags::CHECK_OVERLAP);
        if is_asked && self.store.overlaps(table, &flow.matching, flow.priority.into()) {
            return Err(OfpError::FmfOverlap);
        }
        Ok(())
    }

    fn kept_counts(&self, old: FlowId, flags: FlowFlags) -> Option<Arc<Counts>> {
        let rule = self.store.rule(old)?;
        (!flags.contains(FlowFlags::RESET_COUNTS)).then(|| rule.counts.clone())
    }

    fn modify_flows(
        &mut self,
        cx: &mut Cx<'_>,
        flow: &FlowMod,
        scope: Scope,
    ) -> Result<(), OfpError> {
        self.check_actions(cx, flow)?;
        let found = self.store.select(&Criteria::of_mod(flow, scope));
        if found.is_empty() && flow.cookie != u64::MAX && flow.cookie_match.mask == 0 {
            return self.add_flow(cx, flow);
        }
        let actions: Arc<[OfAction]> = flow.actions.as_slice().into();
        for id in found {
            let Some(old) = self.store.flow(id) else { continue };
            let counts = self.kept_counts(id, flow.flags);
            let rule = FlowRule {
                cookie: if flow.cookie == u64::MAX { old.rule.cookie } else { flow.cookie },
                actions: actions.clone(),
                modified_ns: cx.now_ns,
                counts: counts.unwrap_or_else(|| Arc::new(Counts::new(cx.now_ns))),
                ..FlowRule::clone(&old.rule)
            };
            let is_other = rule.cookie != old.rule.cookie || rule.actions != old.rule.actions;
            self.retire_flow(cx, id);
            let new = Flow { rule: Arc::new(rule), ..old };
            self.insert_flow(cx, &new);
            if is_other {
                self.tell(cx, FlowChange::Modified, &new);
            }
        }
        Ok(())
    }

    fn delete_flows(
        &mut self,
        cx: &mut Cx<'_>,
        flow: &FlowMod,
        scope: Scope,
    ) -> Result<(), OfpError> {
        for id in self.store.select(&Criteria::of_mod(flow, scope)) {
            self.remove_flow(cx, id, RemovedReason::Delete);
        }
        Ok(())
    }

    /// All flows with their priorities, hidden ones too: what `bridge/dump-flows` lists.
    #[must_use]
    pub fn all_flows(&self, now_ns: u64) -> Vec<(Priority, FlowStats)> {
        let flows = self.store.all().into_iter().filter_map(|id| self.store.flow(id));
        flows.map(|flow| (flow.priority, flow.into_stats(now_ns))).collect()
    }

    /// How many flows of a table have a cookie: what limits `learn`.
    #[must_use]
    pub fn n_learned(&self, table: u8, cookie: u64) -> usize {
        self.store.select(&Criteria::learned(table, cookie)).len()
    }

    /// Takes the flows out that go with those that have learned them.
    pub(super) fn delete_learned(&mut self, cx: &mut Cx<'_>) {
        while let Some((cookie, table)) = self.store.take_lost() {
            for id in self.store.select(&Criteria::learned(table, cookie)) {
                self.remove_flow(cx, id, RemovedReason::Delete);
            }
        }
    }

    /// Takes all flows out, the switch's own included.
    pub(super) fn delete_all_flows(&mut self, cx: &mut Cx<'_>) {
        for id in self.store.all() {
            self.remove_flow(cx, id, RemovedReason::Delete);
        }
    }

    /// Takes a flow out, and tells why.
    pub(super) fn remove_flow(&mut self, cx: &mut Cx<'_>, id: FlowId, reason: RemovedReason) {
        let Some(rule) = self.store.rule(id) else { return };
        let flow = if self.is_missed(&rule) { self.store.flow(id) } else { None };
        self.retire_flow(cx, id);
        if let Some(flow) = flow {
            self.tell(cx, FlowChange::Removed(reason), &flow);
        }
    }
}

/// Whether who asks speaks this version or an older one.
fn speaks(cx: &Cx<'_>, version: Version) -> bool {
    cx.by.is_some_and(|by| by.version <= version)
}

/// Whether a match demands what is the switch's own affair. A first pass has a recirculation number and
/// a hash of 0, and no flow of a controller is for another.
fn looks_at_hidden_fields(of: &FlowMatch) -> bool {
    of.key().get(FieldId::RecircId) != 0 || of.key().get(FieldId::DpHash) != 0
}

/// Actions without those that OpenFlow 1.0 lets stand whatever the flow matches, and which then do
/// nothing (`ofpacts_check`, `lib/ofp-actions.c`).
fn without_lenient(actions: &[OfAction]) -> Vec<OfAction> {
    let strict = |action: &OfAction| match action {
        OfAction::SetIpv4Src(_)
        | OfAction::SetIpv4Dst(_)
        | OfAction::SetIpTos(_)
        | OfAction::SetIpEcn(_)
        | OfAction::SetIpTtl(_)
        | OfAction::DecTtl(_)
        | OfAction::SetTpSrc(_)
        | OfAction::SetTpDst(_)
        | OfAction::SetMplsLabel(_)
        | OfAction::SetMplsTc(_)
        | OfAction::SetMplsTtl(_)
        | OfAction::DecMplsTtl
        | OfAction::FinTimeout { .. } => None,
        // Both say which EtherType follows; only to pop needs a label.
        OfAction::PopMpls(ethertype) => Some(OfAction::PushMpls(*ethertype)),
        OfAction::Clone(inner) => Some(OfAction::Clone(without_lenient(inner))),
        other => Some(other.clone()),
    };
    actions.iter().filter_map(strict).collect()
}
