//! What connections are told of flows.
//!
//! # References
//! OpenFlow 1.3.5 §7.4.2; `nicira-ext.h` (flow monitors).

use std::time::Duration;

use openflow::flow::{FlowFlags, FlowRemoved, FlowStats, RemovedReason};

use super::select::MAX_PRIORITY;
use super::store::Flow;
use super::{Cx, Ofproto, Watch};
use crate::ofproto::notice::{Event, FlowChange, FlowEvent};
use crate::ofproto::rule::FlowRule;

const SECOND_NS: u64 = 1_000_000_000;

fn seconds(ns: u64) -> u32 {
    u32::try_from(ns / SECOND_NS).unwrap_or(u32::MAX)
}

/// How long something has been, that began at `since_ns`. In milliseconds, as Open vSwitch tells it: three
/// digits behind the point say more to a person than nine.
#[must_use]
pub const fn age(now_ns: u64, since_ns: u64) -> Duration {
    Duration::from_millis(now_ns.saturating_sub(since_ns) / 1_000_000)
}

impl Flow {
    /// The priority, as OpenFlow says it.
    fn of_priority(&self) -> u16 {
        u16::try_from(self.priority).unwrap_or(u16::MAX)
    }

    /// What is told of it when it is asked for.
    pub(super) fn into_stats(self, now_ns: u64) -> FlowStats {
        let (priority, rule) = (self.of_priority(), self.rule);
        FlowStats {
            table: self.table,
            priority,
            matching: self.matching,
            cookie: rule.cookie,
            duration: age(now_ns, rule.created_ns),
            idle_s: rule.idle_timeout_s(),
            hard_s: rule.hard_timeout_s(),
            importance: rule.importance,
            flags: rule.flags,
            packets: Some(rule.counts.packets()),
            bytes: Some(rule.counts.bytes()),
            idle_age_s: Some(seconds(now_ns.saturating_sub(rule.used_ns()))),
            hard_age_s: Some(seconds(now_ns.saturating_sub(rule.modified_ns))),
            actions: rule.actions.to_vec(),
        }
    }

    /// What is told of it when it goes.
    fn removed(&self, now_ns: u64, reason: RemovedReason) -> FlowRemoved {
        let rule = &self.rule;
        FlowRemoved {
            matching: self.matching.clone(),
            priority: self.of_priority(),
            cookie: rule.cookie,
            reason,
            table: Some(self.table),
            duration: age(now_ns, rule.created_ns),
            idle_s: rule.idle_timeout_s(),
            hard_s: rule.hard_timeout_s(),
            packets: Some(rule.counts.packets()),
            bytes: Some(rule.counts.bytes()),
        }
    }
}

impl Ofproto {
    /// Whether anybody is told when a flow goes.
    pub(super) fn is_missed(&self, rule: &FlowRule) -> bool {
        self.watch == Watch::On || rule.flags.contains(FlowFlags::SEND_FLOW_REM)
    }

    /// Tells what has happened to a flow.
    pub(super) fn tell(&self, cx: &mut Cx<'_>, change: FlowChange, flow: &Flow) {
        if flow.priority > MAX_PRIORITY {
            return;
        }
        if self.watch == Watch::On {
            let event = FlowEvent { change, flow: flow.clone().into_stats(cx.now_ns), by: cx.by };
            cx.events.push(Event::Flow(Box::new(event)));
        }
        if let FlowChange::Removed(reason) = change
            && flow.rule.flags.contains(FlowFlags::SEND_FLOW_REM)
        {
            cx.events.push(Event::FlowRemoved(Box::new(flow.removed(cx.now_ns, reason))));
        }
    }
}
