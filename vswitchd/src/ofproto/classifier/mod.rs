//! Which rule of a table a packet matches, and how little of the packet says so.
//!
//! # Design
//! Rules with the same mask lie in one hash table, a *subtable*, keyed by what the mask leaves of the
//! packet. A look-up asks the subtables in the order of their highest priority, and stops when no
//! later one can have better. Each look adds to the caller's mask what it looked at: that mask becomes
//! a megaflow's, so three things keep it small:
//! - **Stages** ([`subtable`]). A subtable's mask is cut into metadata, layer 2, layer 3 and layer 4.
//!   If no rule has the packet's metadata, nothing deeper is looked at.
//! - **Prefixes** ([`prefix`]). Before the addresses or ports of a packet are looked at whole, a
//!   table of the prefixes in use is asked; often the first byte says that no rule can match.
//! - **Priorities**. What lies behind a match of higher priority is not looked at.
//!
//! **Versions.** A rule has the version from which on it is seen, and that from which on it is not.
//! Whoever changes a table adds rules and retires rules under the next version, as many as he likes,
//! and then publishes that version once: readers look with the version that they hold, and see all of
//! it or nothing. Retired rules go when no reader holds a version that sees them
//! ([`Classifier::purge`]). Undoing is as cheap: [`Classifier::discard`] and [`Classifier::restore`].
//!
//! # Invariants
//! - **Sound**: any two keys that are equal under the mask that a look-up returned, given the same
//!   table and version, find the same rule (though they may be told different masks for it).
//! - Of rules with one priority that match one packet, any may be found (OpenFlow 1.5.1 §5.3 leaves
//!   it open); the same one for all keys that are equal under the mask.
//! - The set of masks that look-ups can return is bounded by the rules, not by the traffic: prefixes
//!   are looked at in whole strides, or at lengths that rules have.
//!
//! # Thread-safety
//! Looking needs `&self` and changes nothing, so that any number of threads may look under a reader's
//! lock while none is changing rules. The lock is taken on a miss of the flow cache only, never on a
//! hit, and a writer may let go of it between any two changes: until he publishes their version,
//! nobody sees them.
//!
//! # References
//! Srinivasan, Suri, Varghese, "Packet Classification using Tuple Space Search", SIGCOMM 1999.
//! Pfaff and others, "The Design and Implementation of Open vSwitch", NSDI 2015, §5.

pub mod prefix;
pub mod rule;
pub mod subtable;

mod find;
mod lookup;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::BTreeSet;

use datapath::snapshot::Version;
use hashbrown::HashTable;
use packet::{FlowMask, FlowMatch};

pub use lookup::Verdict;
pub use rule::{Priority, Rule, RuleId};

use packet::flow::FieldId;
use prefix::{N_TRACKED, PrefixSet, TRACKED, Wanted};
use subtable::{Place, Subtable};

/// Rules, found by the packets that match them. `T` is what a rule does.
pub struct Classifier<T> {
    rules: Vec<Option<Rule<T>>>,
    free: Vec<RuleId>,
    n_rules: usize,
    subtables: Vec<Option<Subtable>>,
    free_places: Vec<Place>,
    by_mask: HashTable<Place>,
    /// Highest priority first.
    order: BTreeSet<(Reverse<Priority>, Place)>,
    prefixes: [PrefixSet; N_TRACKED],
    wanted: Wanted,
    /// Rules that some version does not see any more.
    retired: Vec<RuleId>,
    /// Rules and subtables so far.
    births: u64,
    seed: u64,
}

impl<T> Classifier<T> {
    /// No rules. `seed` should be random.
    #[must_use]
    pub fn new(seed: u64) -> Classifier<T> {
        Classifier {
            rules: Vec::new(),
            free: Vec::new(),
            n_rules: 0,
            subtables: Vec::new(),
            free_places: Vec::new(),
            by_mask: HashTable::new(),
            order: BTreeSet::new(),
            prefixes: TRACKED.map(|tracked| PrefixSet::new(tracked, seed)),
            wanted: prefix::wanted(None),
            retired: Vec::new(),
            births: 0,
            seed,
        }
    }

    /// Has look-ups ask for the prefixes of these fields, of those that [`prefix::is_choosable`] names;
    /// `None`: of the addresses of IP. It changes masks, never what is found.
    pub fn ask_prefixes(&mut self, fields: Option<&[FieldId]>) {
        self.wanted = prefix::wanted(fields);
    }

    /// Rules, those that are retired but not purged included.
    #[must_use]
    pub const fn n_rules(&self) -> usize {
        self.n_rules
    }

    /// Rules that were retired, and not purged yet.
    #[must_use]
    pub const fn n_retired(&self) -> usize {
        self.retired.len()
    }

    /// Subtables: different masks.
    #[must_use]
    pub fn n_masks(&self) -> usize {
        self.order.len()
    }

    /// A rule.
    #[must_use]
    pub fn get(&self, id: RuleId) -> Option<&Rule<T>> {
        self.rules.get(id.index())?.as_ref()
    }

    fn get_mut(&mut self, id: RuleId) -> Option<&mut Rule<T>> {
        self.rules.get_mut(id.index())?.as_mut()
    }

    fn subtable(&self, place: Place) -> Option<&Subtable> {
        self.subtables.get(place.index())?.as_ref()
    }

    /// Adds a rule that versions from `from` on see. Whether there is one with the same match and
    /// priority already is for the caller to ask ([`Classifier::find`]).
    pub fn insert(&mut self, of: &FlowMatch, priority: Priority, from: Version, what: T) -> RuleId {
        let place = self.place(of.mask());
        let id = self.free.pop().unwrap_or_else(|| {
            self.rules.push(None);
            RuleId::new(self.rules.len() - 1)
        });
        self.births += 1;
        let rule = Rule::new(of, priority, from, what, (place, self.births));
        let Some(subtable) = self.subtables[place.index()].as_mut() else { return id };
        for (set, len) in self.prefixes.iter_mut().zip(subtable.prefix_lens()) {
            set.add(len, of.key());
        }
        self.rules[id.index()] = Some(rule);
        let before = subtable.top_priority();
        subtable.add(of.key(), id, &mut self.rules);
        let after = subtable.top_priority();
        self.reorder(place, before, after);
        self.n_rules += 1;
        id
    }

    /// Lets versions from `from` on see a rule no more.
    pub fn retire(&mut self, id: RuleId, from: Version) {
        if let Some(rule) = self.get_mut(id)
            && rule.retire(from)
        {
            self.retired.push(id);
        }
    }

    /// Takes a retirement back.
    pub fn restore(&mut self, id: RuleId) {
        if let Some(rule) = self.get_mut(id) {
            rule.restore();
        }
    }

    /// Takes a rule out that no version has seen, or that none sees any more.
    pub fn discard(&mut self, id: RuleId) -> Option<T> {
        let place = self.get(id)?.place;
        let key = self.flow_match(id)?;
        let subtable = self.subtables.get_mut(place.index())?.as_mut()?;
        for (set, len) in self.prefixes.iter_mut().zip(subtable.prefix_lens()) {
            set.remove(len, key.key());
        }
        let before = subtable.top_priority();
        subtable.remove(id, &mut self.rules);
        let after = subtable.top_priority();
        let is_empty = after.is_none();
        let hash = subtable.mask().hash(self.seed);
        self.reorder(place, before, after);
        if is_empty {
            self.subtables[place.index()] = None;
            self.free_places.push(place);
            if let Ok(entry) = self.by_mask.find_entry(hash, |other| *other == place) {
                entry.remove();
            }
        }
        self.free.push(id);
        self.n_rules -= 1;
        Some(self.rules[id.index()].take()?.what)
    }

    /// Takes the rules out that neither `oldest` nor any later version sees; gives what they did.
    pub fn purge(&mut self, oldest: Version) -> Vec<T> {
        let mut gone = Vec::new();
        let mut rest = Vec::new();
        for id in std::mem::take(&mut self.retired) {
            match self.get(id).and_then(Rule::retired_from) {
                Some(from) if from <= oldest => gone.extend(self.discard(id)),
                Some(_) => rest.push(id),
                None => {}
            }
        }
        self.retired = rest;
        gone
    }

    /// The subtable of a mask.
    fn place(&mut self, mask: &FlowMask) -> Place {
        let hash = mask.hash(self.seed);
        if let Some(place) = self.find_place(mask) {
            return place;
        }
        let place = self.free_places.pop().unwrap_or_else(|| {
            self.subtables.push(None);
            Place::new(self.subtables.len() - 1)
        });
        self.subtables[place.index()] = Some(Subtable::new(mask.clone(), self.births, self.seed));
        self.births += 1;
        let (subtables, seed) = (&self.subtables, self.seed);
        let rehash = |place: &Place| {
            let subtable = subtables.get(place.index()).and_then(Option::as_ref);
            subtable.map_or(0, |subtable| subtable.mask().hash(seed))
        };
        self.by_mask.insert_unique(hash, place, rehash);
        place
    }

    fn find_place(&self, mask: &FlowMask) -> Option<Place> {
        let same = |place: &Place| self.subtable(*place).is_some_and(|s| s.mask() == mask);
        self.by_mask.find(mask.hash(self.seed), same).copied()
    }

    fn reorder(&mut self, place: Place, before: Option<Priority>, after: Option<Priority>) {
        if before == after {
            return;
        }
        if let Some(top) = before {
            self.order.remove(&(Reverse(top), place));
        }
        if let Some(top) = after {
            self.order.insert((Reverse(top), place));
        }
    }
}
