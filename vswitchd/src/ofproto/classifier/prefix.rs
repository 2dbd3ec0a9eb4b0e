//! Which prefixes of addresses and ports the rules of a table have.
//!
//! # Design
//! A rule for 10.1.2.0/24 puts the prefixes of length 8, 16 and 24 of its address into a set, and a
//! rule for 10.1.2.0/22 those of 8, 16 and 22: every whole stride, and its own length. A packet's
//! address is cut to 8, 16, 24 … bits until the set has no such prefix; then no rule whose prefix is
//! that long can match, and that many bits of the packet have said so. Against a trie that finds the
//! very first bit that differs, this looks at up to a stride more, and so gives few different masks:
//! an attacker who varies addresses bit by bit gets four masks of IPv4 and not thirty-two.
//!
//! A set counts, since rules share prefixes. It holds those of retired rules too, until they are
//! purged: that makes it cautious, never wrong.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry as Slot;
use packet::flow::hash::WordHash;
use packet::flow::{FieldId, Words};
use packet::{FlowKey, FlowMask};

/// A field whose prefixes are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tracked {
    /// The field.
    pub field: FieldId,
    /// Bits that are looked at at once.
    stride: u32,
    /// The stage of a look-up that looks at it: an index into
    /// [`STAGES`](packet::flow::place::STAGES).
    pub(super) stage: usize,
}

/// How many fields are tracked.
pub const N_TRACKED: usize = TRACKED.len();

/// The fields whose prefixes are kept. The ports of TCP are those of UDP and SCTP too.
pub const TRACKED: [Tracked; 11] = [
    Tracked { field: FieldId::TunId, stride: 16, stage: 0 },
    Tracked { field: FieldId::TunSrc, stride: 8, stage: 0 },
    Tracked { field: FieldId::TunDst, stride: 8, stage: 0 },
    Tracked { field: FieldId::TunIpv6Src, stride: 16, stage: 0 },
    Tracked { field: FieldId::TunIpv6Dst, stride: 16, stage: 0 },
    Tracked { field: FieldId::Ipv4Src, stride: 8, stage: 2 },
    Tracked { field: FieldId::Ipv4Dst, stride: 8, stage: 2 },
    Tracked { field: FieldId::Ipv6Src, stride: 16, stage: 2 },
    Tracked { field: FieldId::Ipv6Dst, stride: 16, stage: 2 },
    Tracked { field: FieldId::TcpSrc, stride: 8, stage: 3 },
    Tracked { field: FieldId::TcpDst, stride: 8, stage: 3 },
];

/// Which prefixes a look-up asks for, of the [`TRACKED`] fields.
pub(super) type Wanted = [bool; N_TRACKED];

/// The prefixes that a look-up asks for: of these fields, or of those that it asks for by itself, which
/// are the addresses of IP. Those of ports are always asked for.
pub(super) fn wanted(fields: Option<&[FieldId]>) -> Wanted {
    TRACKED.map(|tracked| match (tracked.stage, fields) {
        (3, _) => true,
        (stage, None) => stage == 2,
        (_, Some(fields)) => fields.contains(&tracked.field),
    })
}

/// Whether an administrator may choose to have the prefixes of a field kept, or not.
#[must_use]
pub fn is_choosable(field: FieldId) -> bool {
    TRACKED.iter().any(|tracked| tracked.field == field && tracked.stage != 3)
}

impl Tracked {
    fn width(self) -> u32 {
        self.field.info().n_bits.into()
    }

    /// Length of the prefix that a mask looks at; 0 if it is none, or not a prefix.
    #[must_use]
    pub fn prefix_len(self, mask: &FlowMask) -> u32 {
        let bits = mask.get(self.field);
        let len = (bits << (128 - self.width())).leading_ones();
        if bits == self.mask(len) { len } else { 0 }
    }

    /// Ones in the first `len` bits of the field.
    #[must_use]
    pub fn mask(self, len: u32) -> u128 {
        let below = self.width() - len;
        self.field.info().ones().checked_shr(below).unwrap_or(0).checked_shl(below).unwrap_or(0)
    }

    /// The first `len` bits of a key's field.
    fn cut(self, key: &Words, len: u32) -> u128 {
        key.get(self.field).checked_shr(self.width() - len).unwrap_or(0)
    }
}

struct Entry {
    len: u32,
    prefix: u128,
    count: u32,
}

/// The prefixes of one field.
pub struct PrefixSet {
    tracked: Tracked,
    entries: HashTable<Entry>,
    seed: u64,
}

impl PrefixSet {
    pub(super) fn new(tracked: Tracked, seed: u64) -> PrefixSet {
        PrefixSet { tracked, entries: HashTable::new(), seed }
    }

    fn hash(seed: u64, len: u32, prefix: u128) -> u64 {
        let [low, high] = [prefix & u128::from(u64::MAX), prefix >> 64];
        let word = |half: u128| u64::try_from(half).unwrap_or(0);
        WordHash::new(seed).add(len.into()).add(word(low)).add(word(high)).finish()
    }

    fn has(&self, len: u32, prefix: u128) -> bool {
        let hash = Self::hash(self.seed, len, prefix);
        self.entries.find(hash, |entry| (entry.len, entry.prefix) == (len, prefix)).is_some()
    }

    /// The lengths that a prefix of `len` is in the set with.
    fn lens(&self, len: u32) -> impl Iterator<Item = u32> + use<> {
        let stride = self.tracked.stride;
        let own = (!len.is_multiple_of(stride)).then_some(len);
        (stride..=len).step_by(stride as usize).chain(own)
    }

    /// A rule with a prefix of `len` bits comes.
    pub(super) fn add(&mut self, len: u32, key: &FlowKey) {
        for len in self.lens(len) {
            let prefix = self.tracked.cut(key, len);
            match self.slot(len, prefix) {
                Slot::Occupied(mut entry) => entry.get_mut().count += 1,
                Slot::Vacant(free) => {
                    free.insert(Entry { len, prefix, count: 1 });
                }
            }
        }
    }

    /// A rule with a prefix of `len` bits goes.
    pub(super) fn remove(&mut self, len: u32, key: &FlowKey) {
        for len in self.lens(len) {
            let prefix = self.tracked.cut(key, len);
            if let Slot::Occupied(mut entry) = self.slot(len, prefix) {
                entry.get_mut().count -= 1;
                if entry.get().count == 0 {
                    entry.remove();
                }
            }
        }
    }

    fn slot(&mut self, len: u32, prefix: u128) -> Slot<'_, Entry> {
        let seed = self.seed;
        self.entries.entry(
            Self::hash(seed, len, prefix),
            |entry| (entry.len, entry.prefix) == (len, prefix),
            |entry| Self::hash(seed, entry.len, entry.prefix),
        )
    }

    /// How many bits of the packet say that no rule has a prefix of that many bits or more; `None` if
    /// all bits do not say so.
    fn absent_from(&self, key: &FlowKey) -> Option<u32> {
        let lens =
            (self.tracked.stride..=self.tracked.width()).step_by(self.tracked.stride as usize);
        lens.into_iter().find(|len| !self.has(*len, self.tracked.cut(key, *len)))
    }
}

/// What has been asked of the sets for one packet.
#[derive(Default)]
pub(super) struct Asked([Option<Option<u32>>; N_TRACKED]);

impl Asked {
    /// How many bits of the packet's field say that no rule with a prefix of `len` bits matches;
    /// never more than `len`. `None`: they do not say so.
    pub fn rules_out(
        &mut self,
        set: &PrefixSet,
        at: usize,
        len: u32,
        key: &FlowKey,
    ) -> Option<u32> {
        let absent = *self.0[at].get_or_insert_with(|| set.absent_from(key));
        match absent {
            Some(bits) if bits <= len => Some(bits),
            _ if len.is_multiple_of(set.tracked.stride) => None,
            _ => (!set.has(len, set.tracked.cut(key, len))).then_some(len),
        }
    }
}
