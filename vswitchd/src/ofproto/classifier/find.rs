//! Rules by their match.

use std::cmp::Reverse;

use datapath::snapshot::Version;
use packet::FlowMatch;

use super::Classifier;
use super::rule::{Priority, Rule, RuleId};
use super::subtable::{Subtable, chain};

impl<T> Classifier<T> {
    /// The match of a rule.
    #[must_use]
    pub fn flow_match(&self, id: RuleId) -> Option<FlowMatch> {
        let rule = self.get(id)?;
        let subtable = self.subtable(rule.place)?;
        Some(FlowMatch::new(&subtable.unpack(&rule.values), subtable.mask().clone()))
    }

    /// The rule with exactly this match and priority.
    #[must_use]
    pub fn find(&self, of: &FlowMatch, priority: Priority, version: Version) -> Option<RuleId> {
        let subtable = self.subtable(self.find_place(of.mask())?)?;
        let head = subtable.head(subtable.hash(of.key()), of.key(), &self.rules)?;
        chain(&self.rules, head).find(|id| {
            let rule = self.get(*id);
            rule.is_some_and(|rule| rule.priority() == priority && rule.is_seen_by(version))
        })
    }

    /// The rules whose packets all match `of` (OpenFlow's loose commands).
    pub fn select(&self, of: &FlowMatch, version: Version) -> impl Iterator<Item = RuleId> {
        let subtables = self.subtables.iter().flatten();
        let narrower = subtables.filter(|subtable| subtable.mask().covers(of.mask()));
        narrower.flat_map(move |subtable| self.agreeing(subtable, of, version))
    }

    /// A rule of this priority that some packet matches which matches `of` as well. The very same
    /// match counts, too.
    #[must_use]
    pub fn overlapping(
        &self,
        of: &FlowMatch,
        priority: Priority,
        version: Version,
    ) -> Option<RuleId> {
        let subtables = self.subtables.iter().flatten();
        let mut rules = subtables
            .filter(|subtable| subtable.has_priority(priority))
            .flat_map(|subtable| self.agreeing(subtable, of, version));
        rules.find(|id| self.get(*id).is_some_and(|rule| rule.priority() == priority))
    }

    /// The rules of a subtable that agree with `of` in what both look at.
    fn agreeing(
        &self,
        subtable: &Subtable,
        of: &FlowMatch,
        version: Version,
    ) -> impl Iterator<Item = RuleId> {
        let agrees =
            |head: &RuleId| self.get(*head).is_some_and(|rule| subtable.agrees(&rule.values, of));
        // Where both look at the same, there is one key to find.
        let is_same = subtable.mask() == of.mask();
        let same = is_same.then(|| subtable.head(subtable.hash(of.key()), of.key(), &self.rules));
        let others = (!is_same).then(|| subtable.heads().filter(agrees));
        let heads = same.flatten().into_iter().chain(others.into_iter().flatten());
        let all = heads.flat_map(|head| chain(&self.rules, head));
        all.filter(move |id| self.get(*id).is_some_and(|rule| rule.is_seen_by(version)))
    }

    /// Sorts rules as Open vSwitch dumps them: those that look at the same bits together, where the
    /// highest priority is first; of those the oldest first.
    pub fn sort(&self, ids: &mut [RuleId]) {
        ids.sort_by_cached_key(|id| {
            let rule = self.get(*id);
            let subtable = rule.and_then(|rule| self.subtable(rule.place));
            let top = subtable.and_then(Subtable::top_priority);
            (Reverse(top), subtable.map(|s| s.born), rule.map(|rule| rule.born))
        });
    }

    /// Every rule that a version sees.
    pub fn iter(&self, version: Version) -> impl Iterator<Item = (RuleId, &Rule<T>)> {
        let all = self.rules.iter().enumerate();
        let all = all.filter_map(|(at, rule)| Some((RuleId::new(at), rule.as_ref()?)));
        all.filter(move |(_, rule)| rule.is_seen_by(version))
    }
}
