//! The exact-match cache: where the search for this very key ended last time.
//!
//! # Design
//! An entry is a hash of the whole key, and the megaflow that was found for it: eight bytes. What it
//! says is a hint. Whoever follows it compares the packet with the megaflow, as a subtable would, so
//! that neither a collision of hashes nor a megaflow that has gone since can do harm, and removal need
//! not look here. Not storing keys makes the cache small enough to stay in the processor's own.
//!
//! When more flows come by turns than it has room for, it costs a hash of the whole key, and finds
//! nothing. So it is on trial: if of [`TRIAL`] look-ups it did not answer one in eight, it is left alone
//! for as many times [`N_RESTS`].
//!
//! A key has two places. A new entry takes the one that was written less recently, by the parity of a
//! clock that ticks once per insertion; so one burst of new keys cannot drive out everything.

use packet::FlowKey;

use super::megaflow::FlowId;

/// Entries; a power of two.
const N_ENTRIES: usize = 8192;

/// Look-ups after which it is asked whether the cache pays: enough to fill it, and to come again.
const TRIAL: usize = 2 * N_ENTRIES;

/// For how many trials a cache is left alone that did not pay.
const N_RESTS: u32 = 7;

#[derive(Clone, Copy, Default)]
struct Entry {
    /// The high half of the hash.
    tag: u32,
    /// The megaflow, plus one; 0: none.
    flow: u32,
}

/// A hash of a whole key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyHash(u64);

impl KeyHash {
    #[allow(clippy::cast_possible_truncation, reason = "the high half is asked for")]
    const fn tag(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// The two places.
    #[allow(clippy::cast_possible_truncation, reason = "the result is below N_ENTRIES")]
    const fn places(self) -> [usize; 2] {
        let mask = N_ENTRIES as u64 - 1;
        [(self.0 & mask) as usize, (self.0 >> 13 & mask) as usize]
    }
}

/// The exact-match cache of one thread.
pub struct Emc {
    entries: Box<[Entry]>,
    seed: u64,
    clock: usize,
    /// Look-ups of this trial, and those that were answered.
    asked: usize,
    answered: usize,
    /// Trials for which it is left alone.
    n_rests: u32,
}

impl Emc {
    /// Nothing remembered.
    #[must_use]
    pub fn new(seed: u64) -> Emc {
        let entries = vec![Entry::default(); N_ENTRIES].into();
        Emc { entries, seed, clock: 0, asked: 0, answered: 0, n_rests: 0 }
    }

    /// Whether it is worth asking.
    #[must_use]
    #[inline]
    pub const fn pays(&self) -> bool {
        self.n_rests == 0
    }

    /// Counts look-ups, and those of them that the cache has answered: none while it is left alone.
    #[inline]
    pub const fn count(&mut self, asked: usize, answered: usize) {
        self.asked += asked;
        self.answered += answered;
        if self.asked >= TRIAL {
            self.n_rests = match self.n_rests {
                0 if self.answered < self.asked / 8 => N_RESTS,
                n => n.saturating_sub(1),
            };
            (self.asked, self.answered) = (0, 0);
        }
    }

    /// The hash of a key.
    #[must_use]
    #[inline]
    pub fn hash(&self, key: &FlowKey) -> KeyHash {
        KeyHash(key.hash(self.seed))
    }

    /// The megaflow that was found for this key, if `matches` says that it still is.
    #[inline]
    pub fn lookup(&self, hash: KeyHash, matches: impl Fn(FlowId) -> bool) -> Option<FlowId> {
        for place in hash.places() {
            let entry = self.entries[place];
            if entry.tag == hash.tag() && entry.flow != 0 {
                let id = FlowId(entry.flow - 1);
                if matches(id) {
                    return Some(id);
                }
            }
        }
        None
    }

    /// Remembers what was found.
    pub fn insert(&mut self, hash: KeyHash, id: FlowId) {
        let places = hash.places();
        let same = places.into_iter().find(|place| self.entries[*place].tag == hash.tag());
        let free = places.into_iter().find(|place| self.entries[*place].flow == 0);
        self.clock = self.clock.wrapping_add(1);
        let place = same.or(free).unwrap_or(places[self.clock % 2]);
        self.entries[place] = Entry { tag: hash.tag(), flow: id.0 + 1 };
    }
}

#[cfg(test)]
mod tests {
    use packet::flow::FieldId;

    use super::*;

    fn key(n: u64) -> FlowKey {
        let mut key = FlowKey::EMPTY;
        key.set(FieldId::Reg0, n.into());
        key
    }

    #[test]
    fn what_was_found_is_found_again_if_it_matches() {
        let mut emc = Emc::new(1);
        let hash = emc.hash(&key(1));
        assert_eq!(emc.lookup(hash, |_| true), None);
        emc.insert(hash, FlowId(0));
        assert_eq!(emc.lookup(hash, |id| id == FlowId(0)), Some(FlowId(0)));
        assert_eq!(emc.lookup(hash, |_| false), None);
        emc.insert(hash, FlowId(7));
        assert_eq!(emc.lookup(hash, |_| true), Some(FlowId(7)));
    }

    #[test]
    fn it_rests_when_it_answers_nothing_and_is_tried_again() {
        let mut emc = Emc::new(3);
        for _ in 0..10 {
            emc.count(TRIAL, TRIAL / 8);
            assert!(emc.pays());
        }
        emc.count(TRIAL - 1, 0);
        assert!(emc.pays());
        emc.count(1, TRIAL / 8 - 1);
        for _ in 0..N_RESTS {
            assert!(!emc.pays());
            emc.count(TRIAL, 0);
        }
        assert!(emc.pays());
    }

    #[test]
    fn a_working_set_of_a_quarter_stays() {
        let mut emc = Emc::new(2);
        let keys: Vec<FlowKey> = (0..N_ENTRIES as u64 / 4).map(key).collect();
        for (n, key) in (0..).zip(&keys) {
            emc.insert(emc.hash(key), FlowId(n));
        }
        let found = (0..)
            .zip(&keys)
            .filter(|(n, key)| emc.lookup(emc.hash(key), |id| id == FlowId(*n)).is_some());
        assert!(found.count() * 10 > keys.len() * 9);
    }
}
