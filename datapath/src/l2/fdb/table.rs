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

impl Home {
    /// Some bucket: room for a home.
    pub const NONE: Home = Home(0);
}

/// The place of an entry: bucket × [`WAYS`] + way.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Slot(pub u32);

/// What a look-up needs of a table, ready to be kept in registers over a batch.
#[derive(Clone, Copy)]
pub struct View<'a> {
    buckets: &'a [[AtomicU64; WORDS]],
    /// Number of buckets − 1; the number is a power of two.
    mask: usize,
    hasher: Hasher,
}

impl<'a> View<'a> {
    /// Where the search for a key begins.
    #[must_use]
    #[inline]
    #[allow(clippy::cast_possible_truncation)] // Cut to the number of buckets.
    pub fn home(self, key: Key) -> Home {
        Home(self.hasher.hash(key) as usize & self.mask)
    }

    #[inline]
    fn bucket(self, n: usize) -> Bucket<'a> {
        Bucket(&self.buckets[n & self.mask])
    }

    /// Starts to bring a home into the cache; the value has no meaning.
    #[inline]
    pub fn touch(self, home: Home) -> u64 {
        self.bucket(home.0).touch()
    }

    /// Looks a key up; `None` too if writers kept a bucket busy all the time.
    #[must_use]
    #[inline(always)] // Twice per frame; out of line it costs twice as many instructions.
    pub fn find(self, key: Key, home: Home) -> Option<(Slot, Value)> {
        match self.bucket(home.0).find(key) {
            Probe::Found(way, value) => Some((self.slot(home.0, way), value)),
            Probe::Absent | Probe::Busy => None,
            Probe::Beyond => View::find_displaced(&self, key, home),
        }
    }

    #[inline(never)]
    fn find_displaced(&self, key: Key, home: Home) -> Option<(Slot, Value)> {
        for n in home.0 + 1..=home.0 + self.mask {
            match self.bucket(n).find(key) {
                Probe::Found(way, value) => return Some((self.slot(n, way), value)),
                Probe::Absent | Probe::Busy => return None,
                Probe::Beyond => {}
            }
        }
        None
    }

    fn at(self, slot: Slot) -> (Bucket<'a>, usize) {
        let slot = slot.0 as usize;
        (self.bucket(slot / WAYS), slot % WAYS)
    }

    #[inline]
    #[allow(clippy::cast_possible_truncation)] // At most `super::MAX_ENTRIES` × 6.
    fn slot(self, bucket: usize, way: usize) -> Slot {
        Slot(((bucket & self.mask) * WAYS + way) as u32)
    }

    /// Notes the use of an entry found with the value `old`.
    #[inline]
    pub fn refresh(self, slot: Slot, old: Value, stamp_s: u32) {
        let (bucket, way) = self.at(slot);
        bucket.refresh(way, old, old.refreshed(stamp_s));
    }
}

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

    /// The reading side.
    #[must_use]
    #[inline]
    pub fn view(&self) -> View<'_> {
        let buckets = self.words[self.start..].as_chunks().0;
        View { buckets, mask: self.mask, hasher: self.hasher }
    }

    /// The value in a slot.
    #[must_use]
    pub fn value(&self, slot: Slot) -> Value {
        let (bucket, way) = self.view().at(slot);
        bucket.value(way)
    }

    /// Writer: key and value in a slot, if it is in use.
    #[must_use]
    pub fn entry(&self, slot: Slot) -> Option<(Key, Value)> {
        let (bucket, way) = self.view().at(slot);
        bucket.key(way).map(|key| (key, bucket.value(way)))
    }

    /// Writer: replaces an entry's value.
    pub fn set_value(&self, slot: Slot, value: Value) {
        let (bucket, way) = self.view().at(slot);
        bucket.set_value(way, value);
    }

    /// Writer: inserts a key that is not in the table; `None` if there is no free slot.
    #[must_use]
    pub fn insert(&self, key: Key, value: Value) -> Option<Slot> {
        let view = self.view();
        let home = view.home(key).0;
        for n in home..=home + self.mask {
            if let Some(way) = view.bucket(n).free_way() {
                view.bucket(n).put(way, key, value);
                (home..n).for_each(|passed| view.bucket(passed).add_overflow());
                return Some(view.slot(n, way));
            }
        }
        None
    }

    /// Writer: empties a slot.
    pub fn remove(&self, slot: Slot) {
        let view = self.view();
        let (bucket, way) = view.at(slot);
        let Some(key) = bucket.key(way) else { return };
        bucket.clear(way);
        let home = view.home(key).0;
        let n_passed = (slot.0 as usize / WAYS).wrapping_sub(home) & self.mask;
        (home..home + n_passed).for_each(|passed| view.bucket(passed).sub_overflow());
    }
}
