//! The megaflows of one port under one mask: a hash table.
//!
//! # Design
//! The mask is kept as a list of the words that it looks at. A look-up folds those words of the key
//! into a hash, masked, and compares them with a megaflow's only if half of the hash's bits agree: one
//! pass over the key for a miss, two for a hit. The table ([`index`](super::index)) holds half of the
//! hash and the number of a megaflow; the packed key lies beside the statistics that a hit writes
//! anyway.

use packet::flow::hash::WordHash;
use packet::{FlowKey, FlowMask};

use super::index::Index;
use super::megaflow::{FlowId, Megaflow};
use super::values::Values;

/// The slab that megaflows lie in.
pub(super) type Flows<A> = Vec<Option<Megaflow<A>>>;

/// One mask of a port, and its megaflows.
pub struct Subtable {
    mask: Box<FlowMask>,
    words: Box<[(usize, u64)]>,
    index: Index,
    seed: u64,
    pub(super) hits: u64,
}

impl Subtable {
    pub(super) fn new(mask: FlowMask, seed: u64) -> Subtable {
        let words = mask.iter().collect();
        Subtable { mask: Box::new(mask), words, index: Index::default(), seed, hits: 0 }
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

    /// The hash of what it looks at.
    #[inline]
    pub(super) fn hash(&self, key: &FlowKey) -> u64 {
        let start = WordHash::new(self.seed);
        self.words.iter().fold(start, |hash, (at, bits)| hash.add(key.word(*at) & bits)).finish()
    }

    #[inline]
    fn equal(&self, key: &FlowKey, values: &Values) -> bool {
        let masked = self.words.iter().zip(values.as_slice());
        masked.fold(0, |diff, ((at, bits), value)| diff | (key.word(*at) & bits ^ value)) == 0
    }

    /// Whether two keys look the same through the mask.
    #[inline]
    pub(super) fn are_alike(&self, one: &FlowKey, other: &FlowKey) -> bool {
        let differ = |(at, bits): &(usize, u64)| (one.word(*at) ^ other.word(*at)) & bits;
        self.words.iter().fold(0, |diff, word| diff | differ(word)) == 0
    }

    /// The megaflow that looks like `key` through the mask.
    #[inline]
    pub(super) fn find<A>(&self, key: &FlowKey, flows: &Flows<A>) -> Option<FlowId> {
        self.find_by(self.hash(key), key, flows)
    }

    /// The same, of a key whose hash is known.
    #[inline]
    pub(super) fn find_by<A>(&self, hash: u64, key: &FlowKey, flows: &Flows<A>) -> Option<FlowId> {
        let is_it = |id| flow(flows, id).is_some_and(|flow| self.equal(key, &flow.values));
        self.index.find(hash, is_it)
    }

    /// Starts to bring what [`Subtable::guess`] reads into the cache; the value has no meaning.
    #[inline]
    pub(super) fn touch(&self, hash: u64) -> u64 {
        self.index.touch(hash)
    }

    /// What a look-up will most likely find.
    #[inline]
    pub(super) fn guess(&self, hash: u64) -> Option<FlowId> {
        self.index.find(hash, |_| true)
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
        self.index.insert(hash, id);
    }

    pub(super) fn remove(&mut self, hash: u64, id: FlowId) {
        self.index.remove(hash, id);
    }
}

fn flow<A>(flows: &Flows<A>, id: FlowId) -> Option<&Megaflow<A>> {
    flows.get(id.index())?.as_ref()
}
