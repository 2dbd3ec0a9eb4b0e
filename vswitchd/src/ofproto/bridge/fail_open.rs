//! The flow of a bridge whose controllers do not answer, and which goes on without them.
//!
//! # Design
//! As in Open vSwitch, it is a flow of table 0 above every priority that a controller can give, which
//! sends everything to NORMAL. Other flows stay as they are beneath it. No command reaches it, and no
//! request shows it.
//!
//! # References
//! `ofproto/fail-open.c`.

use std::sync::Arc;

use openflow::flow::FlowFlags;
use openflow::{OfAction, OfPort};
use packet::FlowMatch;

use super::store::{Flow, FlowId};
use super::{Cx, Ofproto};
use crate::ofproto::classifier::Priority;
use crate::ofproto::rule::{Counts, FlowRule};

/// FAIL_OPEN_PRIORITY.
const PRIORITY: Priority = 0xf0_f0f0;

/// Whether a bridge goes on without its controllers.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum FailOpen {
    /// It forwards by itself.
    On,
    /// It does what controllers have said.
    #[default]
    Off,
}

impl Ofproto {
    fn fail_open_flow(&self) -> Option<FlowId> {
        self.store.find(0, &FlowMatch::ANY, PRIORITY)
    }

    /// Whether the bridge goes on without its controllers.
    #[must_use]
    pub fn fail_open(&self) -> FailOpen {
        self.fail_open_flow().map_or(FailOpen::Off, |_| FailOpen::On)
    }

    /// Lets the bridge go on without its controllers, or not.
    pub fn set_fail_open(&mut self, cx: &mut Cx<'_>, fail_open: FailOpen) {
        self.always(cx, |this, cx| match (this.fail_open_flow(), fail_open) {
            (None, FailOpen::On) => this.insert_flow(cx, &flow(cx.now_ns)),
            (Some(flow), FailOpen::Off) => this.retire_flow(cx, flow),
            (Some(_), FailOpen::On) | (None, FailOpen::Off) => {}
        });
    }
}

fn flow(now_ns: u64) -> Flow {
    let rule = FlowRule {
        cookie: 0,
        idle_s: 0,
        hard_s: 0,
        importance: 0,
        flags: FlowFlags::default(),
        actions: Arc::new([OfAction::output(OfPort::NORMAL)]),
        created_ns: now_ns,
        modified_ns: now_ns,
        counts: Arc::new(Counts::new(now_ns)),
        shortened: Arc::default(),
    };
    Flow { table: 0, priority: PRIORITY, matching: FlowMatch::ANY, rule: Arc::new(rule) }
}
