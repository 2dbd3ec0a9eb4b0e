//! The state of a walk: the key as it is now, the mask, what is written, and the list that grows.
//!
//! # Invariants
//! - A bit of the key that is not in `written` is the packet's own, or (the time to live) a function
//!   of the whole field of the packet: whoever reads it adds the whole field to the mask.
//! - `dirty` is within `written`: bits of headers that the key has and the frame does not have yet.

use std::sync::Arc;

use datapath::action::{SetField, Tally};
use datapath::upcall::Caching;
use datapath::{Action, Actions, DropReason};
use openflow::{OfAction, OfPort};
use packet::flow::place::{self, STAGE_METADATA};
use packet::flow::{FieldId, KeyVlan, Prereq, Subfield, WordSet};
use packet::vlan::TAG_PRESENT;
use packet::{FlowKey, FlowMask, VlanTag};

use super::controller::Sending;
use super::depends::Depends;
use super::freeze::{Origin, Pending};
use super::keep::Kept;
use super::report::{Kind, Report};
use super::{Learned, Start, XlateIn, XlateOut, port_of, tunnel};
use crate::ofproto::ledger::Credit;
use crate::ofproto::view::XBridge;

/// Bits on the stack.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stacked {
    /// Their value.
    pub value: u128,
    /// How many.
    pub n_bits: u16,
}

/// Whose actions are run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// A flow's.
    Flow,
    /// Those of the flow for what matches no other.
    MissFlow,
    /// A bucket's.
    Group,
    /// The action set's.
    ActionSet,
    /// A controller's.
    PacketOut,
}

/// A walk.
pub struct Xlate<'a> {
    pub(super) input: &'a XlateIn<'a>,
    pub(super) bridge: &'a XBridge,
    pub(super) key: FlowKey,
    pub(super) mask: FlowMask,
    pub(super) written: FlowMask,
    pub(super) dirty: FlowMask,
    pub(super) list: Vec<Action>,
    pub(super) end: DropReason,
    pub(super) depends: Depends,
    pub(super) credits: Vec<Credit>,
    pub(super) tallies: Vec<(Arc<Tally>, Vec<Credit>)>,
    pub(super) kept: Vec<Kept>,
    pub(super) lessons: Vec<Arc<Learned>>,
    pub(super) caching: Caching,
    pub(super) report: Report,
    pub(super) stack: Vec<Stacked>,
    pub(super) action_set: Vec<OfAction>,
    pub(super) table: u8,
    pub(super) cookie: u64,
    /// The flow whose actions are run, and its number in the table.
    pub(super) flow: Option<Origin>,
    pub(super) place: Place,
    pub(super) depth: u16,
    pub(super) resubmits: u16,
    /// Nothing remains to be run behind the list that is run now.
    pub(super) is_tail: bool,
    /// Nothing remains to be run behind the action that is run now.
    pub(super) is_last: bool,
    /// Tags below the two that the key holds, the innermost first.
    pub(super) tags_below: Vec<KeyVlan>,
    /// A label was taken off: nobody has looked at what is below.
    pub(super) is_below_unknown: bool,
    /// Where the list that was run last goes on: it has ended with `goto_table`.
    pub(super) next_table: Option<u8>,
    pub(super) frozen: Option<Vec<Pending>>,
    /// What a frozen walk goes on by: the length of the packet says which bit a field gets.
    pub(super) fork: Option<(u16, Subfield)>,
    /// What a frozen walk waits for: a controller, to whom this is said.
    pub(super) pause: Option<Sending>,
    pub(super) is_exited: bool,
    /// Mirrors that the packet went to, and those with the same output: a bit each.
    pub(super) mirrored: u32,
    /// The datapath has been told to count the packet's own time to live down.
    pub(super) is_counted_down: bool,
    error: Option<DropReason>,
}

/// Words that no frame carries, and that are zero when a packet comes; those of tunnels are not among
/// them.
const OWN_WORDS: WordSet = STAGE_METADATA
    .minus(WordSet::range(place::TUN_ID, place::METADATA))
    .minus(WordSet::range(place::TUN_PRESENT, place::N_WORDS));

impl<'a> Xlate<'a> {
    pub(super) fn new(input: &'a XlateIn<'a>) -> Xlate<'a> {
        let mut written = FlowMask::EMPTY;
        written.add_words(OWN_WORDS);
        Xlate {
            input,
            bridge: input.bridge,
            key: input.key.clone(),
            mask: match input.start {
                Start::Table => tunnel::identity_of(input.key),
                Start::Actions(_) | Start::Frozen(_) => FlowMask::EMPTY,
            },
            written,
            dirty: FlowMask::EMPTY,
            list: Vec::new(),
            end: DropReason::PipelineDrop,
            depends: Depends::default(),
            credits: Vec::new(),
            tallies: Vec::new(),
            kept: Vec::new(),
            lessons: Vec::new(),
            caching: Caching::Install,
            report: Report::new(input.told),
            stack: Vec::new(),
            action_set: Vec::new(),
            table: 0,
            cookie: u64::MAX,
            flow: None,
            place: if matches!(input.start, Start::Actions(_)) {
                Place::PacketOut
            } else {
                Place::Flow
            },
            depth: 0,
            resubmits: 0,
            is_tail: true,
            is_last: true,
            tags_below: Vec::new(),
            is_below_unknown: false,
            next_table: None,
            frozen: None,
            fork: None,
            pause: None,
            is_exited: false,
            mirrored: 0,
            is_counted_down: false,
            error: None,
        }
    }

    /// The port that the packet seems to have come by.
    pub(super) fn in_port(&self) -> OfPort {
        port_of(&self.key)
    }

    pub(super) fn set_in_port(&mut self, port: OfPort) {
        self.key.set(FieldId::InPortOxm, port.to_wide().into());
    }

    /// Whether nothing more is to be run.
    pub(super) fn is_over(&self) -> bool {
        self.is_exited || self.error.is_some()
    }

    /// Whether the packet is dropped for an error.
    pub(super) fn has_failed(&self) -> bool {
        self.error.is_some()
    }

    /// Ends the walk: the packet is dropped, whatever was to be done with it.
    pub(super) fn fail(&mut self, reason: DropReason, why: &str) {
        if self.error.is_none() {
            self.report.say(Kind::Error, || why.to_owned());
            self.error = Some(reason);
        }
    }

    /// Notes a look at these bits of the key.
    pub(super) fn look(&mut self, bits: &FlowMask) {
        for (at, bits) in bits.iter() {
            self.mask.or_word(at, bits & !self.written.word(at));
        }
    }

    /// Notes a look at a field, whole.
    pub(super) fn look_at(&mut self, field: FieldId) {
        let mut bits = FlowMask::EMPTY;
        bits.add_field(field);
        self.look(&bits);
    }

    /// The bits of a part of a field, looked at.
    pub(super) fn read(&mut self, part: Subfield) -> u128 {
        if part.field.info().is_option() {
            return self.read_option(part);
        }
        let mut bits = FlowMask::EMPTY;
        // What was counted down is a function of all bits.
        if part.field == FieldId::IpTtl {
            bits.add_field(part.field)
        } else {
            bits.add_part(part)
        }
        self.look(&bits);
        self.key.read(part)
    }

    /// Whether the packet is what a field asks for, looked at.
    pub(super) fn has(&mut self, prereq: Prereq) -> bool {
        let mut bits = FlowMask::EMPTY;
        bits.add_prereq(prereq);
        self.look(&bits);
        prereq.holds(&self.key)
    }

    /// Words of the key are from now on what the walk says, not what the packet says.
    pub(super) fn own(&mut self, bits: &FlowMask) {
        self.written.add(bits);
    }

    /// Sends what was written to the frame.
    pub(super) fn commit(&mut self) {
        if self.dirty.nonzero().is_empty() {
            return;
        }
        self.fold_into_push();
        if let Some(set) = SetField::new(&self.key, &self.dirty) {
            self.list.push(Action::Set(set));
        }
        self.dirty = FlowMask::EMPTY;
    }

    /// What was written of a tag or label that was just pushed is pushed so in the first place.
    fn fold_into_push(&mut self) {
        const TCI: u64 = 0xffff;
        const LSE: u64 = 0xffff_ffff << 32;
        match self.list.last_mut() {
            Some(Action::PushVlan { tag, .. }) => {
                *tag = VlanTag(self.key.outer_vlan().tci & !TAG_PRESENT);
                let rest = self.dirty.word(place::ETH_SRC) & !TCI;
                self.dirty.put_word(place::ETH_SRC, rest);
            }
            Some(Action::PushMpls { lse, .. }) => {
                *lse = self.key.mpls_lse(0);
                let rest = self.dirty.word(place::MPLS) & !LSE;
                self.dirty.put_word(place::MPLS, rest);
            }
            _ => {}
        }
    }

    /// Runs something whose edits are for a copy alone, and gives the list that it made.
    pub(super) fn aside(&mut self, run: impl FnOnce(&mut Self)) -> Vec<Action> {
        self.commit();
        let list = std::mem::take(&mut self.list);
        let frozen = self.frozen.take();
        let (key, written) = (self.key.clone(), self.written.clone());
        let tags_below = self.tags_below.clone();
        let (is_last, is_below) = (self.is_last, self.is_below_unknown);
        self.is_last = false;
        run(self);
        self.finish_freezing();
        (self.key, self.written, self.dirty) = (key, written, FlowMask::EMPTY);
        self.tags_below = tags_below;
        (self.is_last, self.is_below_unknown) = (is_last, is_below);
        self.frozen = frozen;
        std::mem::replace(&mut self.list, list)
    }

    /// Does for a copy of the packet what a list says.
    pub(super) fn put_aside(&mut self, list: Vec<Action>) {
        let changes = |action: &Action| {
            matches!(
                action,
                Action::PushVlan { .. }
                    | Action::PopVlan
                    | Action::PushMpls { .. }
                    | Action::PopMpls { .. }
                    | Action::Set(_)
                    | Action::DecTtl { .. }
                    | Action::Meter(_)
            )
        };
        let actions = Actions::new(list, DropReason::PipelineDrop);
        if actions.list().iter().any(changes) {
            self.list.push(Action::Clone(actions));
        } else {
            self.list.extend(actions.list().iter().cloned());
        }
    }

    pub(super) fn finish(mut self) -> XlateOut {
        self.finish_freezing();
        if self.error.is_some() && self.is_counted_down {
            // A packet whose time was over would not have come as far as the error. It was the packet's
            // own, whatever was written since.
            self.mask.add_field(FieldId::IpTtl);
        }
        let actions = match self.error {
            Some(reason) => Actions::drop(reason),
            None => Actions::new(self.list, self.end),
        };
        XlateOut {
            actions,
            mask: self.mask,
            depends: self.depends,
            credits: self.credits,
            tallies: self.tallies,
            kept: self.kept,
            lessons: self.lessons,
            caching: self.caching,
            key: self.key,
            report: self.report,
        }
    }
}
