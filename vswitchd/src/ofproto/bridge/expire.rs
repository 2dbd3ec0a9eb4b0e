//! Flows whose time is over.
//!
//! # Design
//! Only flows that have a timeout are looked at, and none of them before the earliest deadline that
//! was found the last time: use puts a deadline off, and never brings it nearer. The end of a connection
//! does (`fin_timeout`), and says so.
//!
//! # References
//! OpenFlow 1.3.5 §5.5.

use openflow::flow::RemovedReason;

use super::{Cx, Ofproto};
use crate::ofproto::rule::FlowRule;

const SECOND_NS: u64 = 1_000_000_000;

impl FlowRule {
    /// When it was used the last time, or changed.
    pub(super) fn used_ns(&self) -> u64 {
        self.counts.used_ns().max(self.modified_ns)
    }
}

/// When a flow goes, as things stand, and why.
pub(super) fn deadline(rule: &FlowRule) -> (u64, RemovedReason) {
    let end = |timeout_s: u16, since_ns: u64| match timeout_s {
        0 => u64::MAX,
        seconds => since_ns.saturating_add(u64::from(seconds) * SECOND_NS),
    };
    let hard_ns = end(rule.hard_timeout_s(), rule.modified_ns.max(rule.counts.taught_ns()));
    let idle_ns = end(rule.idle_timeout_s(), rule.used_ns());
    if hard_ns <= idle_ns {
        (hard_ns, RemovedReason::HardTimeout)
    } else {
        (idle_ns, RemovedReason::IdleTimeout)
    }
}

impl Ofproto {
    /// Takes the flows out whose time is over.
    pub(super) fn expire_flows(&mut self, cx: &mut Cx<'_>) {
        self.store.take_shortened();
        if cx.now_ns < self.store.due_ns() {
            return;
        }
        let (mut due, mut next_ns) = (Vec::new(), u64::MAX);
        for id in self.store.timed() {
            let Some(rule) = self.store.rule(*id) else { continue };
            match deadline(&rule) {
                (end_ns, reason) if end_ns <= cx.now_ns => due.push((*id, reason)),
                (end_ns, _) => next_ns = next_ns.min(end_ns),
            }
        }
        self.store.set_due_ns(next_ns);
        for (id, reason) in due {
            self.remove_flow(cx, id, reason);
        }
    }
}
