//! Seeded hashes of keys and masks.
//!
//! # Design
//! A word is folded in by one multiplication of 64 by 64 bits, both halves of the product xored: a
//! handful of cycles, and good spread over all 64 bits. The seed is secret and random per table, so
//! that nobody who sends packets can choose those that collide; the fold is no cipher, and a table
//! must stay correct, if slow, under collisions.
//!
//! A subtable folds in few words, one after the other. A whole key has eight or more: each is folded
//! on its own, with secrets of its place, so that no multiplication waits for another.

use super::place::N_WORDS;
use super::words::Words;

/// An odd number without pattern: the fraction of the golden ratio.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// A hash under way. Words must be folded in the same order, and their number must be known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WordHash(u64);

impl WordHash {
    /// Nothing folded in yet.
    #[must_use]
    #[inline]
    pub const fn new(seed: u64) -> WordHash {
        WordHash(seed ^ GOLDEN)
    }

    /// With one word more.
    #[must_use]
    #[inline]
    pub const fn add(self, word: u64) -> WordHash {
        WordHash(fold(self.0 ^ word, self.0.rotate_left(32) | 1) ^ GOLDEN)
    }

    /// The hash.
    #[must_use]
    #[inline]
    pub const fn finish(self) -> u64 {
        fold(self.0, GOLDEN)
    }
}

/// Both halves of a product, xored.
#[allow(clippy::cast_possible_truncation, reason = "the halves are asked for")]
#[inline]
const fn fold(a: u64, b: u64) -> u64 {
    let product = a as u128 * b as u128;
    product as u64 ^ (product >> 64) as u64
}

/// The share of the word at `at` in the hash of all words.
#[inline]
const fn share(at: usize, word: u64, seed: u64) -> u64 {
    let place = GOLDEN.wrapping_mul(2 * at as u64 + 1);
    fold(word ^ seed ^ place, seed.rotate_left(32) ^ place | 1)
}

impl Words {
    /// A hash of all words.
    #[must_use]
    #[inline]
    pub fn hash(&self, seed: u64) -> u64 {
        let [low, high] = self.nonzero().bits();
        let places = share(N_WORDS, low, seed) ^ share(N_WORDS + 1, high, seed);
        let shares = self.iter().map(|(at, word)| share(at, word, seed));
        fold(shares.fold(places, |hash, share| hash ^ share), GOLDEN)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn one_bit_changes_half_of_the_hash() {
        let mut seen = HashSet::new();
        let (mut n_flipped, mut n) = (0, 0);
        for at in 0..N_WORDS {
            for bit in 0..64 {
                let mut words = Words::ZERO;
                words.put_word(at, 1 << bit);
                let hash = words.hash(7);
                assert!(seen.insert(hash), "{at} {bit}");
                n_flipped += (hash ^ Words::ZERO.hash(7)).count_ones();
                n += 64;
            }
        }
        let share = f64::from(n_flipped) / f64::from(n);
        assert!((0.48..0.52).contains(&share), "{share}");
    }

    #[test]
    fn the_same_word_elsewhere_has_another_hash() {
        let mut seen = HashSet::new();
        for seed in [0, 7, u64::MAX] {
            for (first, second) in (0..N_WORDS).flat_map(|a| (0..a).map(move |b| (a, b))) {
                let mut words = Words::ZERO;
                words.put_word(first, 0xabcd);
                words.put_word(second, 0xabcd);
                assert!(seen.insert(words.hash(seed)), "{first} {second} {seed}");
            }
        }
    }

    #[test]
    fn seeds_give_different_hashes() {
        let mut words = Words::ZERO;
        words.put_word(3, 9);
        let hashes: HashSet<u64> = (0..1000).map(|seed| words.hash(seed)).collect();
        assert_eq!(hashes.len(), 1000);
    }

    #[test]
    fn counting_words_fill_buckets_evenly() {
        let mut buckets = [0_u32; 256];
        for n in 0..25_600 {
            let hash = WordHash::new(1).add(0x0800).add(n << 32 | 80).finish();
            buckets[usize::from(hash.to_le_bytes()[0])] += 1;
        }
        assert!(buckets.iter().all(|n| (50..160).contains(n)), "{buckets:?}");
    }
}
