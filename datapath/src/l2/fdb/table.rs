//! The open hash table: buckets in a row, displaced entries in the next ones.
//!
//! # Design
//! An entry lives in its home bucket or, if that is full, in the first one behind it with room. Each
//! bucket that it was displaced past counts it, so that a look-up of something unknown stops at the
//! first bucket past which nothing was displaced: nearly always the home. At most two thirds of the
//! slots are in use.
//!
//! The memory comes zeroed from the system and is not touched before it is used, so that a large
//! table with few entries costs little.
//!
//! **Growth.** Nor are its entries spread over more memory than they need: 2,000 of them over 4 MiB
//! would be a page each, more than the processor remembers where to find. Only the first so many
//! buckets are *homes*, about one per entry, and the writer adds homes one by one ([`Table::grow`],
//! linear hashing): the next bucket takes over from an earlier one those entries whose hash says so.
//! They are copied there, then the new number of homes is published, then they are taken from the old
//! place. So who looks an entry up finds it at its old place or at its new one; if it is not where the
//! reader's number of homes says, and there are more homes by now, the reader looks again.
//! Homes are never given back.
//!
//! # Invariants
//! - A slot's number is good until the entry is removed or the table grows, which is while the writer's
//!   lock is held.
//! - Growth moves entries to higher slots only, so that a walk over the slots in order misses none.
//!
//! # References
//! W. Litwin, "Linear hashing: a new tool for file and table addressing", VLDB 1980.

use super::bucket::{Bucket, Probe, WAYS, WORDS};
use super::sync::{AtomicU64, AtomicUsize, Ordering};
use super::word::{Hasher, Key, Value};

/// Fewest buckets, and homes of an empty table: a page; in tests few, so that small models grow.
const MIN_BUCKETS: usize = if cfg!(any(loom, test)) { 2 } else { 64 };

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

/// What a look-up needs of a table, at hand over a batch.
#[derive(Clone, Copy)]
pub struct View<'a> {
    buckets: &'a [[AtomicU64; WORDS]],
    /// Number of buckets − 1; the number is a power of two.
    mask: usize,
    hasher: Hasher,
    homes: Homes,
    /// The number of homes as it is now.
    n_homes_now: &'a AtomicUsize,
}

/// So many homes, at a moment.
#[derive(Clone, Copy)]
struct Homes {
    n: usize,
    /// The next power of two above `n`, less one.
    mask: usize,
}

impl Homes {
    const fn new(n: usize) -> Homes {
        Homes { n, mask: usize::MAX >> n.leading_zeros() }
    }

    /// Homes up to the next power of two are there, but for some at the end: what belongs to those
    /// lives where it lived before the last doubling.
    #[inline]
    #[allow(clippy::cast_possible_truncation)] // Cut to the number of homes.
    const fn of(&self, hash: u64) -> Home {
        let wide = hash as usize & self.mask;
        Home(wide & self.mask >> (wide >= self.n) as u32)
    }
}

impl<'a> View<'a> {
    /// Where the search for a key begins.
    #[must_use]
    #[inline]
    pub fn home(&self, key: Key) -> Home {
        self.homes.of(self.hasher.hash(key))
    }

    #[inline]
    fn bucket(&self, n: usize) -> Bucket<'a> {
        Bucket(&self.buckets[n & self.mask])
    }

    /// Starts to bring a home into the cache; the value has no meaning.
    #[inline]
    pub fn touch(&self, home: Home) -> u64 {
        self.bucket(home.0).touch()
    }

    /// Looks a key up; `None` too if writers kept a bucket busy all the time.
    #[must_use]
    #[inline(always)] // Twice per frame; out of line it costs twice as many instructions.
    pub fn find(&self, key: Key, home: Home) -> Option<(Slot, Value)> {
        match self.at_home(key, home) {
            Probe::Found(way, value) => Some((self.slot(home.0, way), value)),
            Probe::Absent | Probe::Busy if !self.has_grown() => None,
            _ => self.find_elsewhere(key, home),
        }
    }

    /// The look that nearly always does: that into the home.
    #[must_use]
    #[inline(always)]
    pub fn at_home(&self, key: Key, home: Home) -> Probe {
        self.bucket(home.0).find(key)
    }

    /// Whether there are more homes by now. After a look that found nothing: if the entry has moved,
    /// what emptied its old place came after the new number.
    #[inline]
    fn has_grown(&self) -> bool {
        self.n_homes_now.load(Ordering::Acquire) != self.homes.n
    }

    #[inline(never)]
    fn find_elsewhere(&self, key: Key, home: Home) -> Option<(Slot, Value)> {
        match self.search(key, home) {
            (Probe::Found(way, value), n) => Some((self.slot(n, way), value)),
            _ => None,
        }
    }

    /// Looks wherever the key may be; what the last look said, and at which bucket.
    pub fn search(&self, key: Key, mut home: Home) -> (Probe, usize) {
        let mut view = *self;
        loop {
            let found = view.walk(key, home);
            if matches!(found.0, Probe::Found(..)) || !view.has_grown() {
                return found;
            }
            view.homes = Homes::new(view.n_homes_now.load(Ordering::Acquire));
            home = view.home(key);
        }
    }

    /// Looks into the home and the buckets behind it, as far as entries were displaced.
    fn walk(&self, key: Key, home: Home) -> (Probe, usize) {
        let all = home.0..=home.0 + self.mask;
        let looks = all.map(|n| (self.bucket(n).find(key), n));
        let last = looks.into_iter().find(|(probe, _)| *probe != Probe::Beyond);
        last.unwrap_or((Probe::Absent, home.0))
    }

    fn at(&self, slot: Slot) -> (Bucket<'a>, usize) {
        let slot = slot.0 as usize;
        (self.bucket(slot / WAYS), slot % WAYS)
    }

    #[inline]
    #[allow(clippy::cast_possible_truncation)] // At most `super::MAX_ENTRIES` × 6.
    fn slot(&self, bucket: usize, way: usize) -> Slot {
        Slot(((bucket & self.mask) * WAYS + way) as u32)
    }

    /// Notes the use of an entry found with the value `old`.
    #[inline]
    pub fn refresh(&self, slot: Slot, old: Value, stamp_s: u32) {
        let (bucket, way) = self.at(slot);
        bucket.refresh(way, old, old.refreshed(stamp_s));
    }
}

/// An entry that growth has moved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moved {
    /// Its place before.
    pub from: Slot,
    /// Its place now.
    pub to: Slot,
    /// Its value.
    pub value: Value,
}

/// The hash table.
pub struct Table {
    /// Buckets, and up to a line in front so that they are aligned.
    words: Box<[AtomicU64]>,
    /// First word of the first bucket: on a cache line.
    start: usize,
    /// Number of buckets − 1; the number is a power of two.
    mask: usize,
    /// How many of them are homes.
    n_homes: AtomicUsize,
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
    pub fn new(max_entries: usize, hasher: Hasher) -> Table {
        let n_buckets = max_entries.div_ceil(2).next_power_of_two().max(MIN_BUCKETS);
        let words = zeroed((n_buckets + 1) * WORDS);
        let start = words.as_ptr().align_offset(WORDS * size_of::<u64>()).min(WORDS);
        let n_homes = AtomicUsize::new(MIN_BUCKETS);
        Table { words, start, mask: n_buckets - 1, n_homes, hasher }
    }

    /// How many slots there are.
    #[must_use]
    pub fn n_slots(&self) -> usize {
        (self.mask + 1) * WAYS
    }

    /// How many buckets are homes.
    #[must_use]
    pub fn n_homes(&self) -> usize {
        self.n_homes.load(Ordering::Acquire)
    }

    /// The reading side.
    #[must_use]
    #[inline]
    pub fn view(&self) -> View<'_> {
        let buckets = self.words[self.start..].as_chunks().0;
        let (mask, hasher, n_homes_now) = (self.mask, self.hasher, &self.n_homes);
        View { buckets, mask, hasher, homes: Homes::new(self.n_homes()), n_homes_now }
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
        let home = self.view().home(key);
        self.insert_at(home, home.0 + self.mask, (key, value))
    }

    /// Writer: inserts into the first bucket with room from the home to `last`.
    fn insert_at(&self, home: Home, last: usize, (key, value): (Key, Value)) -> Option<Slot> {
        let view = self.view();
        for n in home.0..=last {
            if let Some(way) = view.bucket(n).free_way() {
                view.bucket(n).put(way, key, value);
                (home.0..n).for_each(|passed| view.bucket(passed).add_overflow());
                return Some(view.slot(n, way));
            }
        }
        None
    }

    /// Writer: empties a slot.
    pub fn remove(&self, slot: Slot) {
        let view = self.view();
        let (bucket, way) = view.at(slot);
        if let Some(key) = bucket.key(way) {
            self.remove_at(view.home(key), slot);
        }
    }

    /// Writer: empties a slot of an entry with this home; the value that it had at the last.
    fn remove_at(&self, home: Home, slot: Slot) -> Value {
        let view = self.view();
        let (bucket, way) = view.at(slot);
        let value = bucket.clear(way);
        let n_passed = (slot.0 as usize / WAYS).wrapping_sub(home.0) & self.mask;
        (home.0..home.0 + n_passed).for_each(|passed| view.bucket(passed).sub_overflow());
        value
    }

    /// Writer: one more home, unless every bucket is one. `moved` is empty, and then holds the entries
    /// that have moved.
    pub fn grow(&self, moved: &mut Vec<Moved>) {
        let (before, n_homes) = (self.view(), self.n_homes());
        let (old, new) = (Home(n_homes - (1 << n_homes.ilog2())), Home(n_homes));
        let after = View { homes: Homes::new(n_homes + 1), ..before };
        if n_homes > self.mask {
            return;
        }
        for n in old.0..=old.0 + self.mask {
            for way in 0..WAYS {
                let (bucket, from) = (before.bucket(n), before.slot(n, way));
                let Some(key) = bucket.key(way) else { continue };
                let is_copy = || moved.iter().any(|moved| moved.to == from);
                if before.home(key) != old || after.home(key) != new || is_copy() {
                    continue;
                }
                let value = bucket.value(way);
                // Not past the last bucket and round to the first.
                if let Some(to) = self.insert_at(new, self.mask, (key, value)) {
                    moved.push(Moved { from, to, value });
                }
                if moved.last().is_none_or(|moved| moved.from != from || moved.to < from) {
                    return self.give_up(new, moved);
                }
            }
            if !before.bucket(n).has_overflow() {
                break;
            }
        }
        self.n_homes.store(n_homes + 1, Ordering::Release);
        for Moved { from, to, value } in moved {
            let last = self.remove_at(old, *from);
            if last.stamp_s() > value.stamp_s() {
                // Somebody noted its use meanwhile.
                after.refresh(*to, self.value(*to), last.stamp_s());
            }
        }
    }

    /// Writer: takes back the copies that a growth has made before it found that it would move an entry
    /// downwards.
    #[cold]
    fn give_up(&self, home: Home, moved: &mut Vec<Moved>) {
        for Moved { to, .. } in moved.drain(..) {
            self.remove_at(home, to);
        }
    }
}
