//! The open hash table: buckets in a row, displaced entries in the next ones.
//!
//! # Design
//! An entry lives in its home bucket or, if that is full, in the first one behind it with room. Each
//! bucket that it was displaced past counts it, so that a look-up of something unknown stops at the
//! first bucket past which nothing was displaced: nearly always the home. Entries do not move once
//! they are in; a slot's number is good until the entry is removed. At most two thirds of the slots
//! are in use.
//!
//! The memory comes zeroed from the system and is not touched before it is used, so that a large
//! table with few entries costs little.

use super::bucket::{Bucket, Probe, WAYS, WORDS};
use super::sync::AtomicU64;
use super::word::{Hasher, Key, Value};

/// Fewest buckets: a page.
const MIN_BUCKETS: usize = 64;

/// The bucket at which the search for a key begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Home(usize);

/// The place of an entry: bucket × [`WAYS`] + way.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Slot(pub u32);

/// The hash table.
pub struct Table {
    /// Buckets, and up to a line in front so that they are aligned.
    words: Box<[AtomicU64]>,
    /// First word of the first bucket: on a cache line.
    start: usize,
    /// Number of buckets − 1; the number is a power of two.
    mask: usize,
    hasher: Hasher,
}

/// Zeroed words that the system has not yet backed by memory.
#[cfg(not(loom))]
fn zeroed(n: usize) -> Box<[AtomicU64]> {
    use zerocopy::FromZeros;
    match <[AtomicU64]>::new_box_zeroed_with_elems(n) {
        Ok(words) => words,
        // Out of memory: as every collection of std does.
        Err(_) => std::alloc::handle_alloc_error(std::alloc::Layout::new::<Table>()),
    }
}

#[cfg(loom)]
fn zeroed(n: usize) -> Box<[AtomicU64]> {
    (0..n).map(|_| AtomicU64::new(0)).collect()
}

impl Table {
    /// A table with room for `max_entries`.
    #[must_use]
    pub fn new(max_entries: usize) -> Table {
        let n_buckets = max_entries.div_ceil(2).next_power_of_two().max(MIN_BUCKETS);
        let words = zeroed((n_buckets + 1) * WORDS);
        let start = words.as_ptr().align_offset(WORDS * size_of::<u64>()).min(WORDS);
        Table { words, start, mask: n_buckets - 1, hasher: Hasher::new() }
    }

    /// How many slots there are.
    #[must_use]
    pub fn n_slots(&self) -> usize {
        (self.mask + 1) * WAYS
    }

    /// Where the search for a key begins.
    #[must_use]
    #[inline]
    #[allow(clippy::cast_possible_truncation)] // Cut to the number of buckets.
    pub fn home(&self, key: Key) -> Home {
        Home(self.hasher.hash(key) as usize & self.mask)
    }

    #[inline]
    fn bucket(&self, n: usize) -> Bucket<'_> {
        Bucket(&self.words[self.start..].as_chunks().0[n & self.mask])
    }

    fn at(&self, slot: Slot) -> (Bucket<'_>, usize) {
        let slot = slot.0 as usize;
        (self.bucket(slot / WAYS), slot % WAYS)
    }

    fn slot(&self, bucket: usize, way: usize) -> Slot {
        // `new` is given at most `super::MAX_ENTRIES`, so that every slot has a 32-bit number.
        Slot(u32::try_from((bucket & self.mask) * WAYS + way).unwrap_or(u32::MAX))
    }

    /// Starts to bring a home into the cache; the value has no meaning.
    #[inline]
    pub fn touch(&self, home: Home) -> u64 {
        self.bucket(home.0).touch()
    }

    /// Looks a key up; `None` too if writers kept a bucket busy all the time.
    #[must_use]
    #[inline]
    pub fn find(&self, key: Key, home: Home) -> Option<(Slot, Value)> {
        for n in home.0..=home.0 + self.mask {
            match self.bucket(n).find(key) {
                Probe::Found(way, value) => return Some((self.slot(n, way), value)),
                Probe::Absent | Probe::Busy => return None,
                Probe::Beyond => {}
            }
        }
        None
    }

    /// Notes the use of an entry found with the value `old`.
    #[inline]
    pub fn refresh(&self, slot: Slot, old: Value, stamp_s: u32) {
        let (bucket, way) = self.at(slot);
        bucket.refresh(way, old, old.refreshed(stamp_s));
    }

    /// The value in a slot.
    #[must_use]
    pub fn value(&self, slot: Slot) -> Value {
        let (bucket, way) = self.at(slot);
        bucket.value(way)
    }

    /// Writer: key and value in a slot, if it is in use.
    #[must_use]
    pub fn entry(&self, slot: Slot) -> Option<(Key, Value)> {
        let (bucket, way) = self.at(slot);
        bucket.key(way).map(|key| (key, bucket.value(way)))
    }

    /// Writer: replaces an entry's value.
    pub fn set_value(&self, slot: Slot, value: Value) {
        let (bucket, way) = self.at(slot);
        bucket.set_value(way, value);
    }

    /// Writer: inserts a key that is not in the table; `None` if there is no free slot.
    #[must_use]
    pub fn insert(&self, key: Key, value: Value) -> Option<Slot> {
        let home = self.home(key).0;
        for n in home..=home + self.mask {
            if let Some(way) = self.bucket(n).free_way() {
                self.bucket(n).put(way, key, value);
                (home..n).for_each(|passed| self.bucket(passed).add_overflow());
                return Some(self.slot(n, way));
            }
        }
        None
    }

    /// Writer: empties a slot.
    pub fn remove(&self, slot: Slot) {
        let (bucket, way) = self.at(slot);
        let Some(key) = bucket.key(way) else { return };
        bucket.clear(way);
        let home = self.home(key).0;
        let n_passed = (slot.0 as usize / WAYS).wrapping_sub(home) & self.mask;
        (home..home + n_passed).for_each(|passed| self.bucket(passed).sub_overflow());
    }
}
