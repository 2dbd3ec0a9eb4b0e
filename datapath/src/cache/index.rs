//! From the hash of a masked key to the megaflows that may have it.
//!
//! # Design
//! A table of eight-byte slots, at most half of them full: half of a hash, and the number of a
//! megaflow. What hashes to a slot lies there or in the next free ones (linear probing), so that a
//! look-up touches one cache line, nearly always, and which one is known before it is looked into:
//! [`Index::touch`] asks memory for it. Removal moves what lies behind back, and leaves no marks.
//!
//! # Invariants
//! Between the slot that a hash names and the one where its entry lies, none is free.

use super::megaflow::FlowId;

/// Slots of a table that is not empty, at least; a power of two, as every size is.
const MIN_SLOTS: usize = 16;

#[derive(Clone, Copy, Default)]
struct Slot {
    /// Half of the hash, which names the slot too.
    tag: u32,
    /// The megaflow, plus one; 0: free.
    flow: u32,
}

/// An index of megaflows.
#[derive(Default)]
pub(super) struct Index {
    slots: Box<[Slot]>,
    n: usize,
}

#[allow(clippy::cast_possible_truncation, reason = "the high half is asked for")]
const fn tag_of(hash: u64) -> u32 {
    (hash >> 32) as u32
}

impl Index {
    /// Megaflows.
    pub fn len(&self) -> usize {
        self.n
    }

    /// Where what has this tag begins. There are slots.
    #[inline]
    fn home(&self, tag: u32) -> usize {
        tag as usize & (self.slots.len() - 1)
    }

    #[inline]
    fn next(&self, at: usize) -> usize {
        (at + 1) & (self.slots.len() - 1)
    }

    /// Starts to bring the slots of a hash into the cache; the value has no meaning.
    #[inline]
    pub fn touch(&self, hash: u64) -> u64 {
        let slot = self.slots.get(tag_of(hash) as usize & self.slots.len().wrapping_sub(1));
        slot.map_or(0, |slot| slot.flow.into())
    }

    /// The first megaflow of the hash for which `is_it`.
    #[inline]
    pub fn find(&self, hash: u64, mut is_it: impl FnMut(FlowId) -> bool) -> Option<FlowId> {
        if self.n == 0 {
            return None;
        }
        let tag = tag_of(hash);
        let mut at = self.home(tag);
        loop {
            let slot = self.slots[at];
            if slot.flow == 0 {
                return None;
            }
            if slot.tag == tag && is_it(FlowId(slot.flow - 1)) {
                return Some(FlowId(slot.flow - 1));
            }
            at = self.next(at);
        }
    }

    /// Adds a megaflow.
    pub fn insert(&mut self, hash: u64, id: FlowId) {
        if 2 * (self.n + 1) > self.slots.len() {
            self.grow();
        }
        self.n += 1;
        self.put(Slot { tag: tag_of(hash), flow: id.0 + 1 });
    }

    fn put(&mut self, slot: Slot) {
        let mut at = self.home(slot.tag);
        while self.slots[at].flow != 0 {
            at = self.next(at);
        }
        self.slots[at] = slot;
    }

    fn grow(&mut self) {
        let len = (2 * self.slots.len()).max(MIN_SLOTS);
        let old = core::mem::replace(&mut self.slots, vec![Slot::default(); len].into());
        old.into_iter().filter(|slot| slot.flow != 0).for_each(|slot| self.put(slot));
    }

    /// Takes a megaflow away.
    pub fn remove(&mut self, hash: u64, id: FlowId) {
        if self.n == 0 {
            return;
        }
        let mut at = self.home(tag_of(hash));
        while self.slots[at].flow != id.0 + 1 {
            if self.slots[at].flow == 0 {
                return;
            }
            at = self.next(at);
        }
        self.n -= 1;
        self.close(at);
    }

    /// Frees a slot, and moves what lies behind it as far back as it may.
    fn close(&mut self, mut gap: usize) {
        let mut at = gap;
        loop {
            at = self.next(at);
            let slot = self.slots[at];
            if slot.flow == 0 {
                break;
            }
            // It may move if the gap is not in front of its home, going round.
            let way = |from: usize, to: usize| to.wrapping_sub(from) & (self.slots.len() - 1);
            if way(self.home(slot.tag), at) >= way(gap, at) {
                self.slots[gap] = slot;
                gap = at;
            }
        }
        self.slots[gap] = Slot::default();
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn hash(tag: u32) -> u64 {
        u64::from(tag) << 32
    }

    /// All megaflows that a hash leads to.
    fn all(index: &Index, tag: u32) -> BTreeSet<u32> {
        let mut found = BTreeSet::new();
        assert_eq!(index.find(hash(tag), |id| !found.insert(id.0)), None);
        found
    }

    proptest! {
        #[test]
        fn equals_a_list(steps in prop::collection::vec((0..40_u32, 0..60_u32, any::<bool>()), 0..200)) {
            let (mut index, mut list) = (Index::default(), BTreeSet::new());
            for (tag, id, adds) in steps {
                // A megaflow has one hash. Tags of neighbours, and of slots at the end.
                let tag = if tag % 3 == 0 { u32::MAX - tag % 7 - id % 2 } else { id % 5 };
                let tag = if list.iter().any(|(_, other)| *other == id) {
                    list.iter().find(|(_, other)| *other == id).map_or(tag, |(tag, _)| *tag)
                } else {
                    tag
                };
                if !adds {
                    list.remove(&(tag, id));
                    index.remove(hash(tag), FlowId(id));
                } else if list.insert((tag, id)) {
                    index.insert(hash(tag), FlowId(id));
                }
                prop_assert_eq!(index.len(), list.len());
                for tag in (0..5).chain(u32::MAX - 8..=u32::MAX) {
                    let wanted = list.iter().filter(|(of, _)| *of == tag).map(|(_, id)| *id);
                    prop_assert_eq!(all(&index, tag), wanted.collect::<BTreeSet<u32>>());
                }
            }
        }
    }

    #[test]
    fn nothing_is_found_in_an_empty_index() {
        let mut index = Index::default();
        assert_eq!((index.find(7, |_| true), index.touch(7)), (None, 0));
        index.remove(7, FlowId(1));
        assert_eq!(index.len(), 0);
    }
}
