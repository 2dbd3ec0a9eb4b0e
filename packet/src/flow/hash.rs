//! Seeded hashes of keys and masks.
//!
//! # Design
//! A word is folded in by one multiplication of 64 by 64 bits, both halves of the product xored: a
//! handful of cycles, and good spread over all 64 bits. The seed is secret and random per table, so
//! that nobody who sends packets can choose those that collide; the fold is no cipher, and a table
//! must stay correct, if slow, under collisions.

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
        let product = (self.0 ^ word) as u128 * (self.0.rotate_left(32) | 1) as u128;
        let [low, high] = halves(product);
        WordHash(low ^ high ^ GOLDEN)
    }

    /// The hash.
    #[must_use]
    #[inline]
    pub const fn finish(self) -> u64 {
        let [low, high] = halves(self.0 as u128 * GOLDEN as u128);
        low ^ high
    }
}

#[allow(clippy::cast_possible_truncation, reason = "the low half is asked for")]
const fn halves(product: u128) -> [u64; 2] {
    [product as u64, (product >> 64) as u64]
}

impl Words {
    /// A hash of all words.
    #[must_use]
    #[inline]
    pub fn hash(&self, seed: u64) -> u64 {
        let [low, high] = self.nonzero().bits();
        let start = WordHash::new(seed).add(low).add(high);
        self.iter().fold(start, |hash, (_, word)| hash.add(word)).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::flow::place::N_WORDS;

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
