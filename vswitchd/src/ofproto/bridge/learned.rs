//! Flows that packets teach.
//!
//! # Design
//! Packets teach the same flow again and again. What is there already as it would be learned is only
//! made young again: nothing changes for traffic, and nobody is told.
//!
//! # References
//! ovs-actions(7), `learn`; `ofproto_flow_mod_learn` of Open vSwitch.

use openflow::flow::FlowMod;
use openflow::{Message, OfpError};

use super::{Cx, Ofproto};
use crate::ofproto::rule::FlowRule;

impl Ofproto {
    /// Learns a flow, or makes it young again. With a `limit` that is not 0, no more flows of its cookie
    /// are learned in its table than that.
    ///
    /// # Errors
    /// What a FLOW_MOD would deserve.
    pub fn learn(&mut self, cx: &mut Cx<'_>, flow: &FlowMod, limit: u32) -> Result<(), OfpError> {
        let mut flow = flow.clone();
        openflow::options::resolve_match(&mut flow.matching, self.options())?;
        let flow = &flow;
        let old = self.store.find(flow.table, &flow.matching, flow.priority.into());
        let old = old.and_then(|id| self.store.rule(id));
        if let Some(old) = old.as_deref().filter(|old| is_same(old, flow)) {
            old.counts.teach(cx.now_ns);
            return Ok(());
        }
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        if old.is_none() && limit > 0 && self.n_learned(flow.table, flow.cookie) >= limit {
            return Ok(());
        }
        openflow::options::check(&flow.actions, self.options())?;
        self.change(cx, &Message::FlowMod(Box::new(flow.clone())))
    }
}

fn is_same(old: &FlowRule, flow: &FlowMod) -> bool {
    let timeouts = (old.idle_timeout_s(), old.hard_timeout_s());
    (old.cookie, timeouts) == (flow.cookie, (flow.idle_s, flow.hard_s))
        && *old.actions == *flow.actions
}
