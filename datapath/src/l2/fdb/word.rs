//! The two words of an entry, and the hash that says where it lives.

use std::hash::{BuildHasher, RandomState};

use packet::{MacAddr, Vid};

use crate::ids::PortNo;

/// Low bits of a word that do not belong to the 48-bit address above them.
const BELOW_MAC: u64 = 0xffff;
/// Set in every key, so that no key is the empty word.
const PRESENT: u64 = 1;

/// (VID, MAC) in one word: the address in bits 16 to 63, the VID in 4 to 15, 1 in bit 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Key(pub u64);

impl Key {
    /// The key of an address in a VLAN.
    #[must_use]
    pub const fn new(vid: Vid, mac: MacAddr) -> Key {
        Key::from_wire(vid, mac.to_u64() << 16)
    }

    /// The key of the address in the high 48 bits of `bytes`, eight bytes of a frame read as one
    /// big-endian number; the low 16 bits are ignored.
    #[must_use]
    pub const fn from_wire(vid: Vid, bytes: u64) -> Key {
        Key(bytes & !BELOW_MAC | (vid.get() as u64) << 4 | PRESENT)
    }

    /// The key of a word taken from a bucket; `None` if the word is empty.
    #[must_use]
    pub const fn from_word(word: u64) -> Option<Key> {
        if word & PRESENT != 0 { Some(Key(word)) } else { None }
    }

    /// The VLAN.
    #[must_use]
    pub fn vid(self) -> Vid {
        packet::VlanTag((self.0 >> 4 & 0xfff) as u16).vid()
    }

    /// The address.
    #[must_use]
    pub const fn mac(self) -> MacAddr {
        MacAddr::from_u64(self.0 >> 16)
    }
}

/// What is known of a key: port in bits 48 to 63, generation in 33 to 47, static in 32, and the
/// second of last use in 0 to 31.
///
/// The generation counts the uses of the slot, so that a refresh that was prepared for one entry
/// cannot succeed on the next one in the same slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Value(pub u64);

const STATIC: u64 = 1 << 32;
const GENERATION: u64 = 0x7fff << 33;
const GENERATION_STEP: u64 = 1 << 33;

impl Value {
    /// A learned entry's value; its generation is the slot's business.
    #[must_use]
    pub const fn learned(port: PortNo, stamp_s: u32) -> Value {
        Value((port.get() as u64) << 48 | stamp_s as u64)
    }

    /// A static entry's value.
    #[must_use]
    pub const fn fixed(port: PortNo) -> Value {
        Value((port.get() as u64) << 48 | STATIC)
    }

    /// Where the address is. `None` never occurs in a slot that is in use.
    #[must_use]
    pub const fn port(self) -> Option<PortNo> {
        PortNo::new((self.0 >> 48) as u16)
    }

    /// Whether the entry neither moves nor ages.
    #[must_use]
    pub const fn is_static(self) -> bool {
        self.0 & STATIC != 0
    }

    /// Second of last use; of no meaning in a static entry.
    #[must_use]
    #[allow(clippy::cast_possible_truncation)] // The low half is the field.
    pub const fn stamp_s(self) -> u32 {
        self.0 as u32
    }

    /// Whether this is a learned entry of `port`: one comparison.
    #[must_use]
    pub const fn is_learned_on(self, port: PortNo) -> bool {
        (self.0 ^ (port.get() as u64) << 48) & (0xffff << 48 | STATIC) == 0
    }

    /// The same entry, used at `stamp_s`.
    #[must_use]
    pub const fn refreshed(self, stamp_s: u32) -> Value {
        Value(self.0 & !0xffff_ffff | stamp_s as u64)
    }

    /// The value with the generation of `other`.
    #[must_use]
    pub const fn in_generation_of(self, other: Value) -> Value {
        Value(self.0 & !GENERATION | other.0 & GENERATION)
    }

    /// What an emptied slot holds: nothing but the next generation.
    #[must_use]
    pub const fn retired(self) -> Value {
        Value(self.0.wrapping_add(GENERATION_STEP) & GENERATION)
    }
}

/// A keyed hash: two multiplications, each folded.
///
/// Addresses come from outside, so the key is secret and drawn anew for each table: who does not know
/// it cannot choose addresses that collide.
#[derive(Clone, Copy)]
pub struct Hasher {
    mask: u64,
    factors: [u64; 2],
}

impl Hasher {
    /// A hash with a key from the system's randomness.
    #[must_use]
    pub fn new() -> Hasher {
        let random = RandomState::new();
        Hasher {
            mask: random.hash_one(0),
            factors: [random.hash_one(1) | 1, random.hash_one(2) | 1],
        }
    }

    /// A hash that is the same in every execution, as loom wants it: the key without its lowest bit.
    #[cfg(loom)]
    #[must_use]
    pub const fn fixed() -> Hasher {
        Hasher { mask: 1, factors: [1, 1] }
    }

    /// The hash of a key.
    ///
    /// One multiplication is not enough: addresses that count up, as those of virtual machines do, then
    /// give numbers that count up by an odd step, whose low bits meet again and again under one key in
    /// ten. Under some, three entries of four lay displaced.
    #[must_use]
    #[inline]
    pub const fn hash(self, key: Key) -> u64 {
        let [first, second] = self.factors;
        fold(fold(key.0 ^ self.mask, first), second)
    }
}

/// The product of two numbers, its halves on top of each other.
#[inline]
#[allow(clippy::cast_possible_truncation)] // Both halves are used.
const fn fold(a: u64, b: u64) -> u64 {
    let product = a as u128 * b as u128;
    product as u64 ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const N: u16 = 2048;

    /// Entries that find no room in the home that the hash names, with one home for each.
    fn displaced(hasher: Hasher, key: impl Fn(u16) -> Key) -> usize {
        let mut homes = vec![0_usize; N.into()];
        let mask = u64::from(N - 1);
        (0..N).for_each(|i| homes[usize::try_from(hasher.hash(key(i)) & mask).unwrap()] += 1);
        homes.iter().map(|n| n.saturating_sub(super::super::bucket::WAYS)).sum()
    }

    #[test]
    fn addresses_that_count_up_spread_like_any_under_every_key() {
        let mac = |low: u64| MacAddr::from_u64(0x0200_0000_0000 + low);
        let vid = |n: u16| Vid::new(n).unwrap();
        let key = |low: u64| Key::new(vid(1), mac(low));
        for _ in 0..300 {
            let hasher = Hasher::new();
            let shapes = [
                displaced(hasher, |i| key(i.into())),
                displaced(hasher, |i| key(u64::from(i) << 16)),
                displaced(hasher, |i| key(u64::from(i % 2) << 32 | u64::from(i / 2))),
                displaced(hasher, |i| Key::new(vid(1 + i), mac(1))),
            ];
            // Chance alone displaces 2.5 % of them, and hardly ever 4 %.
            assert!(shapes.iter().all(|n| *n < usize::from(N) / 16), "{shapes:?}");
        }
    }
}
