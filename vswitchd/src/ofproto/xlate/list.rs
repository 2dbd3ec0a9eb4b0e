//! One action after the other.
//!
//! # Design
//! [`Xlate::run_list`] is the loop; each action is a line that leads to its topic. An action that needs
//! what is below an MPLS label that was taken off stops the walk before it.

use std::sync::Arc;

use datapath::DropReason;
use openflow::{OfAction, OfPort};
use packet::FlowMask;
use packet::flow::{FieldId, Prereq, Subfield};

use super::MAX_STACK;
use super::freeze::Origin;
use super::report::Kind;
use super::state::{Stacked, Xlate};
use crate::ofproto::ledger::{Credit, Ended};

impl Xlate<'_> {
    /// Does what a list says, in the tables that it goes on to, too.
    pub(super) fn run_list(&mut self, actions: &[OfAction]) {
        self.run_through(actions);
        self.go_on();
    }

    /// Does what a list says; where it goes on is left in [`Xlate::next_table`].
    pub(super) fn run_through(&mut self, actions: &[OfAction]) {
        let is_tail = self.is_last;
        for (at, action) in actions.iter().enumerate() {
            if self.is_over() {
                break;
            }
            if self.is_below_unknown && looks_below(action) {
                self.freeze();
                self.leave_pending(&actions[at..]);
                break;
            }
            let rest = actions.get(at + 1..).unwrap_or(&[]);
            self.is_tail = is_tail;
            self.is_last = is_tail && rest.is_empty();
            self.report.say(Kind::Action, || {
                openflow::text::actions_text(openflow::Version::V10, std::slice::from_ref(action))
            });
            let goes_on = self.run_one(action);
            if self.is_frozen() {
                self.leave_pending(rest);
                break;
            }
            if goes_on == Next::Return {
                break;
            }
        }
        self.is_last = is_tail;
    }

    fn run_one(&mut self, action: &OfAction) -> Next {
        match action {
            OfAction::Output { port, max_len } => self.output(*port, *max_len),
            OfAction::OutputReg { src, max_len } => self.output_by(*src, *max_len),
            OfAction::OutputTrunc { port, max_len } => self.output_cut(*port, *max_len),
            OfAction::Enqueue { port, .. } => self.output(*port, 0),
            OfAction::Controller(to) => self.send(to),
            OfAction::Group(group) => self.group(*group),
            OfAction::Bundle(bundle) => self.bundle(bundle),
            OfAction::Multipath(multipath) => self.multipath(multipath),
            OfAction::Resubmit { in_port, table, .. } => {
                self.resubmit(*in_port, table.unwrap_or(self.table));
            }
            OfAction::GotoTable(table) => self.next_table = Some(*table),
            OfAction::Learn(learn) => self.learn(learn),
            OfAction::Clone(actions) => self.clone_packet(actions),
            OfAction::Exit => self.is_exited = true,
            OfAction::Meter(meter) => self.meter(*meter),
            OfAction::ClearActions => self.clear_actions(),
            OfAction::WriteActions(actions) => self.write_actions(actions),
            OfAction::CheckPktLarger { len, dst } => self.fork(*len, *dst),
            OfAction::DecTtl(ids) => return self.dec_ttl(ids),
            OfAction::Push(part) => self.push(*part),
            OfAction::Pop(part) => self.pop(*part),
            OfAction::FinTimeout { idle_s, hard_s } => self.fin_timeout(*idle_s, *hard_s),
            OfAction::Sample(_) => {
                self.credits.push(Credit::Sampled(Arc::clone(&self.bridge.tables)));
            }
            // No port has queues, so the one that is chosen is that of all packets.
            OfAction::SetQueue(_)
            | OfAction::PopQueue
            | OfAction::Conjunction { .. }
            | OfAction::Note(_) => {}
            header => return self.edit(header),
        }
        Next::GoOn
    }

    fn push(&mut self, part: Subfield) {
        let value = self.read(part);
        let used: usize = self.stack.iter().map(|s| usize::from(s.n_bits.div_ceil(8))).sum();
        if used + usize::from(part.n_bits.div_ceil(8)) > MAX_STACK {
            self.fail(DropReason::StackTooDeep, "resubmits yielded over 64 kB of stack");
            return;
        }
        self.stack.push(Stacked { value, n_bits: part.n_bits });
    }

    fn pop(&mut self, part: Subfield) {
        match self.stack.pop() {
            Some(stacked) => self.write(part, stacked.value),
            None => self
                .report
                .say(Kind::Warning, || "Failed to pop from an empty stack. On flow".to_owned()),
        }
    }

    fn clone_packet(&mut self, actions: &[OfAction]) {
        if !self.may_descend() {
            return;
        }
        let (set, stack, exited) = (self.action_set.clone(), self.stack.clone(), self.is_exited);
        self.depth += 1;
        let list = self.aside(|xlate| {
            xlate.run_list(actions);
            xlate.run_action_set();
        });
        self.depth -= 1;
        (self.action_set, self.stack, self.is_exited) = (set, stack, exited);
        self.put_aside(list);
    }

    /// `fin_timeout`: a packet that ends its connection shortens the timeouts of the flow. Others are cached
    /// apart, so that nobody need look at flags but who translates.
    fn fin_timeout(&mut self, idle_s: u16, hard_s: u16) {
        /// FIN and RST.
        const ENDS: u128 = 0x5;
        if !self.has(Prereq::Tcp) {
            return;
        }
        let mut bits = FlowMask::EMPTY;
        bits.add_bits(FieldId::TcpFlags, ENDS);
        self.look(&bits);
        let Some(Origin { id, rule }) = self.flow.clone() else { return };
        if self.key.get(FieldId::TcpFlags) & ENDS != 0 {
            let (tables, flow) = (Arc::clone(&self.bridge.tables), (self.table, id));
            self.credits.push(Credit::Ended(Arc::new(Ended {
                tables,
                flow,
                rule,
                idle_s,
                hard_s,
            })));
        }
    }

    fn meter(&mut self, meter: u32) {
        self.depends.insert(super::depends::Dependency::Groups(self.bridge.id));
        if let Some(id) = self.bridge.meters.get(&meter) {
            self.list.push(datapath::Action::Meter(*id));
        }
    }
}

/// How a list goes on after an action.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// With the next action.
    GoOn,
    /// Not at all.
    Return,
}

/// Whether an action needs what is below MPLS labels.
fn looks_below(action: &OfAction) -> bool {
    let below = |field: FieldId| {
        !matches!(
            field.info().prereq,
            Prereq::None | Prereq::Ethernet | Prereq::VlanVid | Prereq::Mpls
        )
    };
    match action {
        OfAction::Output { port, .. } => *port == OfPort::TABLE,
        OfAction::SetField(set) => below(set.field),
        OfAction::Load { dst, .. } | OfAction::Pop(dst) => below(dst.field),
        OfAction::Push(src) => below(src.field),
        OfAction::Move { src, dst } => below(src.field) || below(dst.field),
        OfAction::SetIpv4Src(_)
        | OfAction::SetIpv4Dst(_)
        | OfAction::SetIpTos(_)
        | OfAction::SetIpEcn(_)
        | OfAction::SetIpTtl(_)
        | OfAction::SetTpSrc(_)
        | OfAction::SetTpDst(_)
        | OfAction::DecTtl(_)
        | OfAction::PushMpls(_)
        | OfAction::Resubmit { .. }
        | OfAction::GotoTable(_)
        | OfAction::Learn(_)
        | OfAction::Multipath(_)
        | OfAction::Bundle(_)
        | OfAction::Clone(_)
        | OfAction::FinTimeout { .. }
        | OfAction::Group(_) => true,
        _ => false,
    }
}
