//! The megaflows of one port under one mask: a hash table.
//!
//! # Design
//! The mask is kept as a list of the words that it looks at. A look-up folds those words of the key
//! into a hash, masked, and compares them with a megaflow's only if all 64 bits of the hash agree: one
//! pass over the key for a miss, two for a hit. The table holds hash and number of a megaflow; the
//! packed key lies beside the statistics that a hit writes anyway.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry as Slot;
use packet::flow::hash::WordHash;
use packet::{FlowKey, FlowMask};

use super::megaflow::{FlowId, Megaflow};
use super::values::Values;

#[derive(Clone, Copy)]
struct Entry {
    hash: u64,
    id: FlowId,
}

/// The slab that megaflows lie in.
pub(super) type Flows<A> = Vec<Option<Megaflow<A>>>;

/// One mask of a port, and its megaflows.
pub struct Subtable {
    mask: Box<FlowMask>,
    words: Box<[(usize, u64)]>,
    index: HashTable<Entry>,
    seed: u64,
    pub(super) hits: u64,
}

impl Subtable {
    pub(super) fn new(mask: FlowMask, seed: u64) -> Subtable {
        let words = mask.iter().collect();
        Subtable { mask: Box::new(mask), words, index: HashTable::new(), seed, hits: 0 }
    }

    /// What it looks at.
    #[must_use]
    pub fn mask(&self) -> &FlowMask {
        &self.mask
    }

    /// Its megaflows.
    #[must_use]
    pub fn n_flows(&self) -> usize {
        self.index.len()
    }

    /// Bits that it looks at.
    pub(super) fn n_bits(&self) -> u32 {
        self.words.iter().map(|(_, bits)| bits.count_ones()).sum()
    }

    #[inline]
    fn hash(&self, key: &FlowKey) -> u64 {
        let start = WordHash::new(self.seed);
        self.words.iter().fold(start, |hash, (at, bits)| hash.add(key.word(*at) & bits)).finish()
    }

    #[inline]
    fn equal(&self, key: &FlowKey, values: &Values) -> bool {
        let masked = self.words.iter().zip(values.as_slice());
        masked.fold(0, |diff, ((at, bits), value)| diff | (key.word(*at) & bits ^ value)) == 0
    }

    /// The megaflow that looks like `key` through the mask.
    #[inline]
    pub(super) fn find<A>(&self, key: &FlowKey, flows: &Flows<A>) -> Option<FlowId> {
        let hash = self.hash(key);
        let entry = self.index.find(hash, |entry| {
            entry.hash == hash && flow(flows, entry.id).is_some_and(|f| self.equal(key, &f.values))
        });
        entry.map(|entry| entry.id)
    }

    /// Whether a megaflow of this subtable looks like `key`.
    #[inline]
    pub(super) fn matches<A>(&self, key: &FlowKey, flow: &Megaflow<A>) -> bool {
        self.equal(key, &flow.values)
    }

    /// Hash and packed key of a megaflow to come.
    pub(super) fn pack(&self, key: &FlowKey) -> (u64, Values) {
        (self.hash(key), self.words.iter().map(|(at, bits)| key.word(*at) & bits).collect())
    }

    /// The key that a megaflow has, zero where the mask does not look.
    pub(super) fn unpack(&self, values: &Values) -> FlowKey {
        let mut key = FlowKey::EMPTY;
        for ((at, _), value) in self.words.iter().zip(values.as_slice()) {
            key.put_word(*at, *value);
        }
        key
    }

    pub(super) fn add(&mut self, hash: u64, id: FlowId) {
        self.index.insert_unique(hash, Entry { hash, id }, |entry| entry.hash);
    }

    pub(super) fn remove(&mut self, hash: u64, id: FlowId) {
        if let Slot::Occupied(entry) =
            self.index.entry(hash, |entry| entry.id == id, |entry| entry.hash)
        {
            entry.remove();
        }
    }
}

fn flow<A>(flows: &Flows<A>, id: FlowId) -> Option<&Megaflow<A>> {
    flows.get(id.index())?.as_ref()
}
