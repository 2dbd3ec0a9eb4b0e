//! The rules of one mask.
//!
//! # Design
//! The words of the mask are sorted by the stage that looks at them. The hash of a key is folded stage
//! by stage; behind each stage but the last stands an index of the hashes that rules have up to there,
//! and a packet whose hash is not in it is done with, deeper stages unseen.
//! Rules with one key hang in a chain, best priority first.

use std::collections::BTreeMap;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry as Slot;
use packet::flow::WordSet;
use packet::flow::hash::WordHash;
use packet::flow::place::STAGES;
use packet::{FlowKey, FlowMask, FlowMatch};

use super::prefix::{N_TRACKED, TRACKED};
use super::rule::{Priority, Rule, RuleId};

/// Names a subtable within its table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Place(u32);

impl Place {
    pub(super) fn new(index: usize) -> Place {
        Place(u32::try_from(index).unwrap_or(u32::MAX))
    }

    pub(super) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A word of a key, and the bits of it that are looked at.
type Look = (usize, u64);

/// A part of a mask.
#[derive(Default)]
pub(super) struct Stage {
    looks: Vec<Look>,
    /// Hashes up to here, with the number of rules; empty of the last stage that looks at anything.
    index: HashTable<(u64, u32)>,
    is_indexed: bool,
}

/// The rules of one mask.
pub struct Subtable {
    mask: FlowMask,
    stages: [Stage; STAGES.len()],
    heads: HashTable<(u64, RuleId)>,
    /// How many rules have a priority.
    priorities: BTreeMap<Priority, usize>,
    prefix_lens: [u32; N_TRACKED],
    /// Older ones have lower numbers.
    pub(super) born: u64,
    seed: u64,
}

impl Subtable {
    pub(super) fn new(mask: FlowMask, born: u64, seed: u64) -> Subtable {
        let looks = |words: WordSet| {
            let looks = mask.iter().filter(|(word, _)| words.has(*word)).collect();
            Stage { looks, ..Stage::default() }
        };
        let mut stages = STAGES.map(looks);
        let last = stages.iter().rposition(|stage| !stage.looks.is_empty()).unwrap_or(0);
        for stage in &mut stages[..last] {
            stage.is_indexed = !stage.looks.is_empty();
        }
        let prefix_lens = TRACKED.map(|tracked| tracked.prefix_len(&mask));
        let (heads, priorities) = (HashTable::new(), BTreeMap::new());
        Subtable { mask, stages, heads, priorities, prefix_lens, born, seed }
    }

    /// What its rules look at.
    #[must_use]
    pub const fn mask(&self) -> &FlowMask {
        &self.mask
    }

    /// The highest priority of its rules; `None`: it has none.
    pub(super) fn top_priority(&self) -> Option<Priority> {
        self.priorities.last_key_value().map(|(priority, _)| *priority)
    }

    /// Whether some rule has a priority.
    pub(super) fn has_priority(&self, priority: Priority) -> bool {
        self.priorities.contains_key(&priority)
    }

    /// Lengths of the prefixes that its mask has of the [`TRACKED`] fields.
    pub(super) const fn prefix_lens(&self) -> [u32; N_TRACKED] {
        self.prefix_lens
    }

    /// A hash with nothing folded in.
    pub(super) const fn start(&self) -> WordHash {
        WordHash::new(self.seed)
    }

    /// Folds what a stage looks at into a hash; `None` if no rule has it.
    pub(super) fn advance(&self, stage: usize, hash: WordHash, key: &FlowKey) -> Option<WordHash> {
        let stage = &self.stages[stage];
        let hash = stage.looks.iter().fold(hash, |hash, look| hash.add(key.word(look.0) & look.1));
        let is_known = || {
            let number = hash.finish();
            stage.index.find(number, |(other, _)| *other == number).is_some()
        };
        (!stage.is_indexed || is_known()).then_some(hash)
    }

    /// Adds what the stages up to `stage` look at.
    pub(super) fn add_stages(&self, stage: usize, mask: &mut FlowMask) {
        for look in self.stages[..=stage].iter().flat_map(|stage| &stage.looks) {
            mask.or_word(look.0, look.1);
        }
    }

    /// The best rule whose key is that of `key` under the mask.
    pub(super) fn head<T>(
        &self,
        hash: WordHash,
        key: &FlowKey,
        rules: &[Option<Rule<T>>],
    ) -> Option<RuleId> {
        let number = hash.finish();
        let same = |(other, id): &(u64, RuleId)| {
            *other == number && rule(rules, *id).is_some_and(|rule| self.equal(&rule.values, key))
        };
        self.heads.find(number, same).map(|(_, id)| *id)
    }

    fn equal(&self, values: &[u64], key: &FlowKey) -> bool {
        self.mask.iter().zip(values).all(|((word, bits), value)| key.word(word) & bits == *value)
    }

    /// Hashes of a key behind each stage.
    fn hashes(&self, key: &FlowKey) -> [WordHash; STAGES.len()] {
        let mut hash = self.start();
        self.stages.each_ref().map(|stage| {
            let fold = |hash: WordHash, look: &Look| hash.add(key.word(look.0) & look.1);
            hash = stage.looks.iter().fold(hash, fold);
            hash
        })
    }

    /// The hash of a key behind the last stage.
    pub(super) fn hash(&self, key: &FlowKey) -> WordHash {
        let [.., last] = self.hashes(key);
        last
    }

    /// Takes a rule in, which lies in `rules` already.
    pub(super) fn add<T>(&mut self, key: &FlowKey, id: RuleId, rules: &mut [Option<Rule<T>>]) {
        let Some(priority) = rule(rules, id).map(Rule::priority) else { return };
        let hashes = self.hashes(key);
        for (stage, hash) in self.stages.iter_mut().zip(hashes).filter(|(s, _)| s.is_indexed) {
            let number = hash.finish();
            match stage.index.entry(number, |(other, _)| *other == number, |(hash, _)| *hash) {
                Slot::Occupied(mut entry) => entry.get_mut().1 += 1,
                Slot::Vacant(free) => {
                    free.insert((number, 1));
                }
            }
        }
        *self.priorities.entry(priority).or_default() += 1;
        let hash = self.hash(key);
        let Some(head) = self.head(hash, key, rules) else {
            self.heads.insert_unique(hash.finish(), (hash.finish(), id), |(hash, _)| *hash);
            return;
        };
        self.link(hash.finish(), head, id, rules);
    }

    /// Puts a rule into the chain that begins with `head`, before those that are no better.
    fn link<T>(&mut self, hash: u64, head: RuleId, id: RuleId, rules: &mut [Option<Rule<T>>]) {
        let priority = rule(rules, id).map_or(0, Rule::priority);
        let is_better = |other: RuleId| rule(rules, other).is_some_and(|r| r.priority() > priority);
        let before = chain(rules, head).take_while(|other| is_better(*other)).last();
        let next = before.map_or(Some(head), |before| rule(rules, before).and_then(|r| r.next));
        set_next(rules, id, next);
        match before {
            Some(before) => set_next(rules, before, Some(id)),
            None => self.replace_head(hash, head, Some(id)),
        }
    }

    fn replace_head(&mut self, hash: u64, head: RuleId, by: Option<RuleId>) {
        let Ok(mut entry) = self.heads.find_entry(hash, |(_, id)| *id == head) else { return };
        match by {
            Some(id) => entry.get_mut().1 = id,
            None => drop(entry.remove()),
        }
    }

    /// Lets a rule go, which still lies in `rules`.
    pub(super) fn remove<T>(&mut self, id: RuleId, rules: &mut [Option<Rule<T>>]) {
        let Some(gone) = rule(rules, id) else { return };
        let (priority, next, key) = (gone.priority(), gone.next, self.unpack(&gone.values));
        let hashes = self.hashes(&key);
        for (stage, hash) in self.stages.iter_mut().zip(hashes).filter(|(s, _)| s.is_indexed) {
            let number = hash.finish();
            if let Ok(mut entry) = stage.index.find_entry(number, |(other, _)| *other == number) {
                entry.get_mut().1 -= 1;
                if entry.get().1 == 0 {
                    entry.remove();
                }
            }
        }
        if let Some(n) = self.priorities.get_mut(&priority) {
            *n -= 1;
            if *n == 0 {
                self.priorities.remove(&priority);
            }
        }
        let hash = self.hash(&key);
        let Some(head) = self.head(hash, &key, rules) else { return };
        match chain(rules, head).take_while(|other| *other != id).last() {
            Some(before) => set_next(rules, before, next),
            None => self.replace_head(hash.finish(), head, next),
        }
    }

    /// The key of a rule.
    pub(super) fn unpack(&self, values: &[u64]) -> FlowKey {
        let mut key = FlowKey::EMPTY;
        for ((word, _), value) in self.mask.iter().zip(values) {
            key.put_word(word, *value);
        }
        key
    }

    /// Whether a rule's key has what `of` demands, as far as both look.
    pub(super) fn agrees(&self, values: &[u64], of: &FlowMatch) -> bool {
        self.mask.iter().zip(values).all(|((word, bits), value)| {
            (value ^ of.key().word(word)) & bits & of.mask().word(word) == 0
        })
    }

    /// The first rule of every chain.
    pub(super) fn heads(&self) -> impl Iterator<Item = RuleId> {
        self.heads.iter().map(|(_, id)| *id)
    }
}

fn rule<T>(rules: &[Option<Rule<T>>], id: RuleId) -> Option<&Rule<T>> {
    rules.get(id.index())?.as_ref()
}

fn set_next<T>(rules: &mut [Option<Rule<T>>], id: RuleId, next: Option<RuleId>) {
    if let Some(rule) = rules.get_mut(id.index()).and_then(Option::as_mut) {
        rule.next = next;
    }
}

/// A chain, from `head` on.
pub(super) fn chain<T>(rules: &[Option<Rule<T>>], head: RuleId) -> impl Iterator<Item = RuleId> {
    std::iter::successors(Some(head), |id| rule(rules, *id)?.next)
}
