//! The exact-match cache: where the search for this very key ended last time.
//!
//! # Design
//! An entry is half of a hash of the whole key, and the megaflow that was found for it: eight bytes.
//! What it says is a hint. Whoever follows it compares the packet with the megaflow, as a subtable
//! would, so that neither a collision of hashes nor a megaflow that has gone since can do harm, and
//! removal need not look here.
//!
//! It has room for as many flows as a thread caches megaflows: what it spares is a search through
//! half of the masks, each a wait for memory, and it costs one such wait itself, for which all packets
//! of a batch wait together.
//!
//! When yet more flows come by turns, it costs a hash of the whole key, and finds nothing. So it is on
//! trial: if of [`TRIAL`] look-ups it did not answer one in eight, it is left alone for as many times
//! [`N_RESTS`].
//!
//! A key has a bucket of [`N_WAYS`] entries, half a cache line. A new entry in a full one takes the
//! place that a clock names, which ticks once per insertion; so one burst of new keys cannot drive out
//! everything.

use packet::FlowKey;
use zerocopy::{FromZeros, Immutable, KnownLayout};

use super::megaflow::FlowId;

/// Entries of a bucket.
const N_WAYS: usize = 4;

/// Buckets; a power of two.
const N_BUCKETS: usize = 1 << 16;

/// Look-ups after which it is asked whether the cache pays: enough to fill it, and to come again.
const TRIAL: usize = 2 * N_WAYS * N_BUCKETS;

/// For how many trials a cache is left alone that did not pay.
const N_RESTS: u32 = 7;

#[derive(Clone, Copy, FromZeros, Immutable, KnownLayout)]
#[repr(C)]
struct Entry {
    /// The high half of the hash.
    tag: u32,
    /// The megaflow, plus one; 0: none.
    flow: u32,
}

#[derive(FromZeros, Immutable, KnownLayout)]
#[repr(C, align(32))]
struct Bucket([Entry; N_WAYS]);

/// A hash of a whole key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyHash(u64);

impl KeyHash {
    #[allow(clippy::cast_possible_truncation, reason = "the high half is asked for")]
    const fn tag(self) -> u32 {
        (self.0 >> 32) as u32
    }

    #[allow(clippy::cast_possible_truncation, reason = "the result is below N_BUCKETS")]
    const fn bucket(self) -> usize {
        (self.0 & (N_BUCKETS as u64 - 1)) as usize
    }
}

/// The exact-match cache of one thread.
pub struct Emc {
    /// [`N_BUCKETS`] of them.
    buckets: Box<[Bucket]>,
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
    ///
    /// # Panics
    /// There is no memory.
    #[must_use]
    pub fn new(seed: u64) -> Emc {
        let buckets = <[Bucket]>::new_box_zeroed_with_elems(N_BUCKETS);
        let buckets = buckets.unwrap_or_else(|_| panic!("no memory for {N_BUCKETS} buckets"));
        Emc { buckets, seed, clock: 0, asked: 0, answered: 0, n_rests: 0 }
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

    /// Starts to bring what [`Emc::guess`] reads into the cache; the value has no meaning.
    #[inline]
    pub fn touch(&self, hash: KeyHash) -> u32 {
        self.buckets.get(hash.bucket()).map_or(0, |Bucket(entries)| entries[0].tag)
    }

    /// What was found for this key, most likely. Which way it lies nobody can foretell, so there is
    /// no branch for it: tags of a bucket differ, and all but one entry give zero.
    #[must_use]
    #[inline]
    pub fn guess(&self, hash: KeyHash) -> Option<FlowId> {
        let Bucket(entries) = self.buckets.get(hash.bucket())?;
        let flow_of = |entry: &Entry| if entry.tag == hash.tag() { entry.flow } else { 0 };
        let flow = entries.iter().fold(0, |flow, entry| flow | flow_of(entry));
        flow.checked_sub(1).map(FlowId)
    }

    /// Remembers what was found.
    pub fn insert(&mut self, hash: KeyHash, id: FlowId) {
        self.clock = self.clock.wrapping_add(1);
        let Some(Bucket(entries)) = self.buckets.get_mut(hash.bucket()) else { return };
        let same = entries.iter().position(|entry| entry.tag == hash.tag() && entry.flow != 0);
        let free = || entries.iter().position(|entry| entry.flow == 0);
        let place = same.or_else(free).unwrap_or(self.clock % N_WAYS);
        entries[place] = Entry { tag: hash.tag(), flow: id.0 + 1 };
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
    fn what_was_found_last_is_found_again() {
        let mut emc = Emc::new(1);
        let hash = emc.hash(&key(1));
        assert_eq!(emc.guess(hash), None);
        emc.insert(hash, FlowId(0));
        assert_eq!(emc.guess(hash), Some(FlowId(0)));
        assert_eq!(emc.guess(emc.hash(&key(2))), None);
        emc.insert(hash, FlowId(7));
        assert_eq!(emc.guess(hash), Some(FlowId(7)));
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
    fn a_working_set_of_half_stays() {
        let hash_of = |emc: &Emc, n: u32| emc.hash(&key(n.into()));
        let n_flows = u32::try_from(N_WAYS * N_BUCKETS / 2).unwrap();
        let mut emc = Emc::new(2);
        (0..n_flows).for_each(|n| emc.insert(hash_of(&emc, n), FlowId(n)));
        let stayed = (0..n_flows).filter(|n| emc.guess(hash_of(&emc, *n)) == Some(FlowId(*n)));
        assert!(stayed.count() * 10 > n_flows as usize * 9);
    }
}
