//! From a packet to its rule.

use std::cmp::Reverse;

use datapath::snapshot::Version;
use packet::flow::place::STAGES;
use packet::{FlowKey, FlowMask};

use super::Classifier;
use super::prefix::{Asked, TRACKED};
use super::rule::{Priority, Rule, RuleId};
use super::subtable::{Subtable, chain};

/// What the caller makes of a rule that matches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It is the one, unless there is one of higher priority.
    Take,
    /// The search goes on as if it were not there: part of a conjunction, say.
    Pass,
}

impl<T> Classifier<T> {
    /// The rule of the highest priority that a packet matches, and adds to `mask` what said so.
    pub fn lookup(&self, key: &FlowKey, version: Version, mask: &mut FlowMask) -> Option<RuleId> {
        self.lookup_by(key, version, mask, |_, _| Verdict::Take)
    }

    /// Like [`Classifier::lookup`], but the caller is asked about the rules that match. He is asked
    /// about every rule that matches with a priority above that of the result, and may be about
    /// others. His answer must follow from the rule alone.
    pub fn lookup_by(
        &self,
        key: &FlowKey,
        version: Version,
        mask: &mut FlowMask,
        mut judge: impl FnMut(RuleId, &Rule<T>) -> Verdict,
    ) -> Option<RuleId> {
        let mut asked = Asked::default();
        let mut best: Option<(Priority, RuleId)> = None;
        for (Reverse(top), place) in &self.order {
            if best.is_some_and(|(priority, _)| priority >= *top) {
                break;
            }
            let Some(subtable) = self.subtable(*place) else { continue };
            let Some(head) = self.look_into(subtable, key, mask, &mut asked) else { continue };
            let above = |id: &RuleId| {
                let rule = self.get(*id)?;
                let is_above = best.is_none_or(|(priority, _)| rule.priority() > priority);
                is_above.then_some((*id, rule))
            };
            let mut matches = chain(&self.rules, head).map_while(|id| above(&id));
            let taken = matches
                .find(|(id, rule)| rule.is_seen_by(version) && judge(*id, rule) == Verdict::Take);
            best = taken.map(|(id, rule)| (rule.priority(), id)).or(best);
        }
        best.map(|(_, id)| id)
    }

    /// The first rule of a subtable whose key the packet has.
    fn look_into(
        &self,
        subtable: &Subtable,
        key: &FlowKey,
        mask: &mut FlowMask,
        asked: &mut Asked,
    ) -> Option<RuleId> {
        let mut hash = subtable.start();
        for stage in 0..STAGES.len() {
            let lens = TRACKED.iter().zip(subtable.prefix_lens()).enumerate();
            let of_stage = lens.filter(|(_, (t, len))| t.stage == stage && *len > 0);
            for (at, (tracked, len)) in of_stage.filter(|(at, _)| self.wanted[*at]) {
                if let Some(bits) = asked.rules_out(&self.prefixes[at], at, len, key) {
                    mask.add_bits(tracked.field, tracked.mask(bits));
                    return None;
                }
            }
            let Some(next) = subtable.advance(stage, hash, key) else {
                subtable.add_stages(stage, mask);
                return None;
            };
            hash = next;
        }
        mask.add(subtable.mask());
        subtable.head(hash, key, &self.rules)
    }
}
