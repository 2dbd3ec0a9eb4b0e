//! The words that keys and masks are made of, and sets of their indices.
//!
//! # Design
//! Everything that is known about a packet lies in [`N_WORDS`] words of 64 bits, at positions that
//! [`place`](super::place) names. A word is a number, not bytes: a field is a shift and a mask of
//! it, the same on every machine.
//!
//! # Invariants
//! A [`Words`] knows which of its words are not zero, and [`WordSet`] walks only those. A TCP segment
//! has eight of them, so comparing, hashing and storing a key costs eight words and not all. The set
//! is exact: bit *i* is set if and only if word *i* is not zero.

use core::fmt;

use super::place::N_WORDS;

/// Indices of words.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct WordSet(u128);

impl WordSet {
    /// No word.
    pub const EMPTY: WordSet = WordSet(0);

    /// The words `from..to`.
    #[must_use]
    pub const fn range(from: usize, to: usize) -> WordSet {
        let (mut at, mut set) = (from, 0);
        while at < to {
            set |= 1 << at;
            at += 1;
        }
        WordSet(set)
    }

    /// Whether a word is in it.
    #[must_use]
    #[inline]
    pub const fn has(self, word: usize) -> bool {
        self.0 >> word & 1 != 0
    }

    /// With one word more.
    #[must_use]
    #[inline]
    pub const fn with(self, word: usize) -> WordSet {
        WordSet(self.0 | 1 << word)
    }

    /// Without one word.
    #[must_use]
    #[inline]
    pub const fn without(self, word: usize) -> WordSet {
        WordSet(self.0 & !(1 << word))
    }

    /// What is in either.
    #[must_use]
    pub const fn or(self, other: WordSet) -> WordSet {
        WordSet(self.0 | other.0)
    }

    /// What is in both.
    #[must_use]
    pub const fn and(self, other: WordSet) -> WordSet {
        WordSet(self.0 & other.0)
    }

    /// What is in `self` only.
    #[must_use]
    pub const fn minus(self, other: WordSet) -> WordSet {
        WordSet(self.0 & !other.0)
    }

    /// The set as bits: words 0 to 63, and 64 to 127.
    #[must_use]
    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "the low half is asked for")]
    pub const fn bits(self) -> [u64; 2] {
        [self.0 as u64, (self.0 >> 64) as u64]
    }

    /// Whether every word of `self` is in `other`.
    #[must_use]
    pub const fn is_within(self, other: WordSet) -> bool {
        self.0 & !other.0 == 0
    }

    /// Whether no word is in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many words are in it.
    #[must_use]
    pub const fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// How many words below `word` are in it: where the value of `word` stands in a packed list.
    #[must_use]
    pub const fn rank(self, word: usize) -> usize {
        WordSet(self.0 & ((1 << word) - 1)).len()
    }
}

impl IntoIterator for WordSet {
    type Item = usize;
    type IntoIter = WordIter;

    /// Ascending.
    #[inline]
    fn into_iter(self) -> WordIter {
        let [low, high] = self.bits();
        WordIter { low, high }
    }
}

impl FromIterator<usize> for WordSet {
    fn from_iter<I: IntoIterator<Item = usize>>(words: I) -> WordSet {
        words.into_iter().fold(WordSet::EMPTY, WordSet::with)
    }
}

/// The indices of a [`WordSet`], ascending.
#[derive(Clone, Copy, Debug)]
pub struct WordIter {
    low: u64,
    high: u64,
}

impl Iterator for WordIter {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        if self.low != 0 {
            let word = self.low.trailing_zeros() as usize;
            self.low &= self.low - 1;
            return Some(word);
        }
        if self.high == 0 {
            return None;
        }
        let word = 64 + self.high.trailing_zeros() as usize;
        self.high &= self.high - 1;
        Some(word)
    }
}

/// The words of a key or of a mask.
#[derive(Clone)]
pub struct Words {
    set: WordSet,
    words: [u64; N_WORDS],
}

impl Words {
    /// All zero.
    pub const ZERO: Words = Words { set: WordSet::EMPTY, words: [0; N_WORDS] };

    /// One word.
    #[must_use]
    #[inline]
    pub const fn word(&self, at: usize) -> u64 {
        self.words[at]
    }

    /// Which words are not zero.
    #[must_use]
    #[inline]
    pub const fn nonzero(&self) -> WordSet {
        self.set
    }

    /// Overwrites one word.
    #[inline]
    pub const fn put_word(&mut self, at: usize, word: u64) {
        self.words[at] = word;
        self.set = if word == 0 { self.set.without(at) } else { self.set.with(at) };
    }

    /// Adds bits to one word.
    #[inline]
    pub const fn or_word(&mut self, at: usize, bits: u64) {
        self.put_word(at, self.words[at] | bits);
    }

    /// The words that are not zero, with their indices, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        self.set.into_iter().map(|at| (at, self.words[at]))
    }

    /// Zero again; touches only the words that are not.
    #[inline]
    pub fn clear(&mut self) {
        for at in self.set {
            self.words[at] = 0;
        }
        self.set = WordSet::EMPTY;
    }
}

impl PartialEq for Words {
    fn eq(&self, other: &Words) -> bool {
        self.set == other.set && self.set.into_iter().all(|at| self.words[at] == other.words[at])
    }
}

impl Eq for Words {}

impl Default for Words {
    fn default() -> Words {
        Words::ZERO
    }
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = |(at, word)| (at, format_args!("{word:#018x}").to_string());
        f.debug_map().entries(self.iter().map(hex)).finish()
    }
}
