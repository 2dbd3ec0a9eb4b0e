//! The rest of a walk, kept until the datapath brings the packet again.
//!
//! # Design
//! To freeze, the walk stops where it is: each list that it is in leaves its remaining actions, from
//! the innermost out, and the walk ends with a recirculation. To thaw, the lists are run in that order
//! with the registers, the stack and the action set of then, and the headers of the packet of now.

use std::sync::Arc;

use datapath::Action;
use datapath::action::RecircId;
use openflow::{OfAction, OfPort};
use packet::flow::Subfield;
use packet::flow::place::{self, STAGE_METADATA};
use packet::{FlowKey, FlowMask};

use super::controller::Sending;
use super::report::Kind;
use super::state::{Stacked, Xlate};
use crate::ofproto::classifier::RuleId;
use crate::ofproto::rule::FlowRule;

/// What remains of a list of actions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pending {
    /// The table of the flow.
    pub table: u8,
    /// Its cookie.
    pub cookie: u64,
    /// Its actions that have not been run.
    pub actions: Vec<OfAction>,
    /// The flow itself; `None` if it went to a controller and back.
    pub flow: Option<Origin>,
}

/// A flow, and its number in its table.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The number.
    pub id: RuleId,
    /// The flow.
    pub rule: Arc<FlowRule>,
}

impl PartialEq for Origin {
    fn eq(&self, other: &Origin) -> bool {
        self.id == other.id && Arc::ptr_eq(&self.rule, &other.rule)
    }
}

impl Eq for Origin {}

/// A frozen walk.
#[derive(PartialEq, Eq, Debug)]
pub struct Frozen {
    /// The port that the packet seems to have come by.
    pub in_port: OfPort,
    pub(super) metadata: FlowKey,
    pub(super) stack: Vec<Stacked>,
    pub(super) action_set: Vec<OfAction>,
    pub(super) pending: Vec<Pending>,
    /// Mirrors that the packet went to.
    pub(super) mirrored: u32,
}

impl Xlate<'_> {
    /// Whether the walk stops, to go on later.
    pub(super) fn is_frozen(&self) -> bool {
        self.frozen.is_some()
    }

    /// Stops the walk.
    pub(super) fn freeze(&mut self) {
        self.frozen.get_or_insert_default();
    }

    /// Leaves what remains of a list.
    pub(super) fn leave_pending(&mut self, rest: &[OfAction]) {
        let (table, cookie, flow) = (self.table, self.cookie, self.flow.clone());
        if let Some(frozen) = &mut self.frozen
            && !rest.is_empty()
        {
            frozen.push(Pending { table, cookie, actions: rest.to_vec(), flow });
        }
    }

    /// What a walk that goes on here must know.
    fn frozen(&mut self, pending: Vec<Pending>) -> Frozen {
        self.look_at_tunnel();
        let mut metadata = FlowKey::EMPTY;
        for at in STAGE_METADATA.without(place::PORT) {
            metadata.put_word(at, self.key.word(at));
        }
        let (stack, action_set) = (self.stack.clone(), self.action_set.clone());
        let (in_port, mirrored) = (self.in_port(), self.mirrored);
        Frozen { in_port, metadata, stack, action_set, pending, mirrored }
    }

    /// `check_pkt_larger`: goes on twice, once for packets above a length and once for others, with a
    /// bit that says which.
    pub(super) fn fork(&mut self, len: u16, dst: Subfield) {
        self.fork = Some((len, dst));
        self.freeze();
    }

    /// Ends a list whose walk was frozen: the packet comes again.
    pub(super) fn finish_freezing(&mut self) {
        let Some(pending) = self.frozen.take() else { return };
        self.commit();
        if let Some(sending) = self.pause.take() {
            let paused = Some(Arc::new(self.frozen(pending)));
            // As Open vSwitch: of where the walk began, to which all of them have come back.
            let (table, cookie) = (self.table, self.cookie);
            return self.hand_over(Sending { paused, table, cookie, ..sending });
        }
        let Some((than, dst)) = self.fork.take() else {
            let id = self.keep(pending);
            return self.list.push(Action::Recirc(id));
        };
        let [otherwise, then] = [0, 1].map(|bit| {
            self.write(dst, bit);
            self.keep(pending.clone())
        });
        // What is written of a frame's headers is written where the walk goes on.
        self.dirty = FlowMask::EMPTY;
        self.list.push(Action::Longer { than, then, otherwise });
    }

    /// Keeps the walk as it is now, to go on with these lists.
    fn keep(&mut self, pending: Vec<Pending>) -> RecircId {
        let frozen = self.frozen(pending);
        let (id, kept) = self.input.keeper.keep_frozen(frozen);
        self.kept.push(kept);
        id
    }

    /// Goes on with a frozen walk.
    pub(super) fn thaw(&mut self, frozen: &Frozen) {
        for at in STAGE_METADATA.without(place::PORT) {
            self.key.put_word(at, frozen.metadata.word(at));
        }
        self.set_in_port(frozen.in_port);
        self.stack.clone_from(&frozen.stack);
        self.action_set.clone_from(&frozen.action_set);
        self.mirrored = frozen.mirrored;
        self.report.say(Kind::Thaw, || "thaw".to_owned());
        self.report.enter();
        let n = frozen.pending.len();
        for (at, pending) in frozen.pending.iter().enumerate() {
            if self.is_over() {
                break;
            }
            (self.table, self.cookie) = (pending.table, pending.cookie);
            self.flow.clone_from(&pending.flow);
            self.is_last = at + 1 == n;
            if self.is_frozen() {
                self.leave_pending(&pending.actions);
            } else {
                self.run_list(&pending.actions);
            }
        }
        self.run_action_set();
        self.report.leave();
    }
}
