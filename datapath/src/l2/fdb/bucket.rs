//! One cache line of the table: three entries behind a sequence lock.
//!
//! ```text
//! word   0                 1     2     3     4       5       6       7
//!      +-----------------+-----+-----+-----+-------+-------+-------+--------+
//!      | overflow version| key | key | key | value | value | value | unused |
//!      +-----------------+-----+-----+-----+-------+-------+-------+--------+
//! ```
//!
//! # Invariants
//! - The version (low half of word 0) is odd while a writer changes keys, and grows with each change.
//! - The overflow (high half) counts the entries whose home is this bucket or one before it, and that
//!   live behind it. A key that is not here and not counted is nowhere.
//! - An empty key is 0; its value then holds only the slot's generation.
//!
//! # Thread-safety
//! One writer at a time (the table's lock). Readers take no lock: they read the version, then the
//! entries, then the version again, and trust what they read if it is even and the same. All words are
//! atomics, so a torn look is a retry and nothing worse. After [`MAX_TRIES`] a reader gives up
//! ([`Probe::Busy`]): it waits for nobody, not even for a writer that was preempted half-way.
//! A value changes outside the version only by [`Bucket::refresh`] and [`Bucket::set_value`], one
//! atomic operation each.
//!
//! # References
//! H.-J. Boehm, "Can seqlocks get along with programming language memory models?", MSPC 2012: the
//! fences are those of its figure 6.

use super::sync::{AtomicU64, Ordering, fence, spin_loop};
use super::word::{Key, Value};

/// Entries of a bucket.
pub const WAYS: usize = 3;
/// Words of a bucket: a cache line.
pub const WORDS: usize = 8;
/// Looks at a bucket that is being written before a reader gives up.
const MAX_TRIES: usize = if cfg!(loom) { 2 } else { 32 };

const HEAD: usize = 0;
const KEYS: usize = 1;
const VALUES: usize = KEYS + WAYS;
const VERSION: u64 = 0xffff_ffff;
const OVERFLOW_STEP: u64 = 1 << 32;

/// What a look at one bucket says of a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Probe {
    /// It is here: its place in the bucket, and its value.
    Found(usize, Value),
    /// It is in no bucket.
    Absent,
    /// It is not here; it may be in a bucket behind.
    Beyond,
    /// The bucket was being written all the time.
    Busy,
}

/// A view of one bucket.
#[derive(Clone, Copy)]
pub struct Bucket<'a>(pub &'a [AtomicU64; WORDS]);

impl Bucket<'_> {
    /// Looks for a key.
    #[must_use]
    #[inline(always)]
    pub fn find(self, key: Key) -> Probe {
        match self.look(key) {
            Some(probe) => probe,
            None => self.look_again(key),
        }
    }

    /// One look; `None` if the bucket was being written.
    ///
    /// Which of the places holds the key is anybody's guess, also the branch predictor's: so all
    /// three are compared, and the place is computed, not branched on.
    #[inline(always)]
    fn look(self, key: Key) -> Option<Probe> {
        let head = self.0[HEAD].load(Ordering::Acquire);
        let is_in = |way: usize| self.0[KEYS + way].load(Ordering::Relaxed) == key.0;
        let [first, second, third] = [is_in(0), is_in(1), is_in(2)];
        let way = usize::from(second) | usize::from(third) << 1;
        let value = self.value(way);
        fence(Ordering::Acquire);
        if head & 1 != 0 || self.0[HEAD].load(Ordering::Relaxed) != head {
            None
        } else if first | second | third {
            Some(Probe::Found(way, value))
        } else {
            Some(if head > VERSION { Probe::Beyond } else { Probe::Absent })
        }
    }

    #[cold]
    fn look_again(self, key: Key) -> Probe {
        for _ in 1..MAX_TRIES {
            spin_loop();
            if let Some(probe) = self.look(key) {
                return probe;
            }
        }
        Probe::Busy
    }

    /// Writer: whether entries live behind this bucket that were displaced past it.
    #[must_use]
    pub fn has_overflow(self) -> bool {
        self.0[HEAD].load(Ordering::Relaxed) > VERSION
    }

    /// Brings the line into the cache; the value has no meaning.
    #[inline]
    pub fn touch(self) -> u64 {
        self.0[HEAD].load(Ordering::Relaxed)
    }

    /// The value in a place, whatever its key.
    #[must_use]
    #[inline]
    pub fn value(self, way: usize) -> Value {
        Value(self.0[VALUES + way].load(Ordering::Relaxed))
    }

    /// Replaces a value if it is still `old`: how poll threads note that an entry is in use.
    #[inline]
    pub fn refresh(self, way: usize, old: Value, new: Value) {
        // A lost race is no loss: somebody else refreshed, moved or removed the entry just now, or
        // the table grew, and the next frame refreshes it.
        let _ = self.0[VALUES + way].compare_exchange(
            old.0,
            new.0,
            Ordering::AcqRel,
            Ordering::Relaxed,
        );
    }

    /// Writer: replaces the value of an entry.
    pub fn set_value(self, way: usize, value: Value) {
        self.replace(way, value.in_generation_of(self.value(way)));
    }

    /// A swap, though the old value is of no interest: so that writer and refresher synchronise, and
    /// the later of the two is the last for everybody.
    fn replace(self, way: usize, value: Value) -> Value {
        Value(self.0[VALUES + way].swap(value.0, Ordering::AcqRel))
    }

    /// Writer: the key in a place.
    #[must_use]
    pub fn key(self, way: usize) -> Option<Key> {
        Key::from_word(self.0[KEYS + way].load(Ordering::Relaxed))
    }

    /// Writer: an empty place.
    #[must_use]
    pub fn free_way(self) -> Option<usize> {
        (0..WAYS).find(|way| self.key(*way).is_none())
    }

    /// Writer: fills an empty place.
    pub fn put(self, way: usize, key: Key, value: Value) {
        self.write(0, |words| {
            words[KEYS + way].store(key.0, Ordering::Relaxed);
            self.replace(way, value.in_generation_of(self.value(way)));
        });
    }

    /// Writer: empties a place; the value that it had at the last.
    pub fn clear(self, way: usize) -> Value {
        self.write(0, |words| {
            words[KEYS + way].store(0, Ordering::Relaxed);
            self.replace(way, self.value(way).retired())
        })
    }

    /// Writer: one more entry lives behind this bucket.
    pub fn add_overflow(self) {
        self.write(OVERFLOW_STEP, |_| ());
    }

    /// Writer: one entry less lives behind this bucket.
    pub fn sub_overflow(self) {
        self.write(OVERFLOW_STEP.wrapping_neg(), |_| ());
    }

    /// Makes `change` look like one step to readers, and adds `overflow` to the head.
    fn write<T>(self, overflow: u64, change: impl FnOnce(&[AtomicU64; WORDS]) -> T) -> T {
        let head = self.0[HEAD].load(Ordering::Relaxed);
        let version = head & VERSION;
        self.0[HEAD].store(head & !VERSION | (version + 1) & VERSION, Ordering::Relaxed);
        fence(Ordering::Release);
        let result = change(self.0);
        let head = (head & !VERSION).wrapping_add(overflow);
        self.0[HEAD].store(head | (version + 2) & VERSION, Ordering::Release);
        result
    }
}
