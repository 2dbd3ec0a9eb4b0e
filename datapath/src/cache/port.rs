//! The masks of one port.
//!
//! # Design
//! A subtable keeps its place for as long as it lives, so that a megaflow can name it; the order of
//! look-up is a list of places beside it.

use core::hint::black_box;

use packet::flow::extract::Depth;
use packet::flow::{FieldId, WordSet, place};
use packet::{FlowKey, FlowMask};

use super::Found;
use super::megaflow::FlowId;
use super::subtable::{Flows, Subtable};
use super::values::Values;
use crate::batch::MAX_BURST;

/// Masks that look at whole words: of the packet, and of everything. Whatever finds no room under a
/// mask of its own fits under one of these.
pub(super) const EXACT: [WordSet; 2] =
    [WordSet::range(place::PORT, place::HASH_MARK), WordSet::range(place::PORT, place::N_WORDS)];

/// The subtables of a port.
#[derive(Default)]
pub(super) struct PortTable {
    places: Vec<Option<Subtable>>,
    /// Places of the subtables that are there, most used first.
    order: Vec<u32>,
    pub n_flows: usize,
}

impl PortTable {
    pub fn n_masks(&self) -> usize {
        self.order.len()
    }

    pub fn get(&self, place: u32) -> Option<&Subtable> {
        self.places.get(place as usize)?.as_ref()
    }

    fn get_mut(&mut self, place: u32) -> Option<&mut Subtable> {
        self.places.get_mut(place as usize)?.as_mut()
    }

    /// Most used first.
    pub fn ranked(&self) -> impl Iterator<Item = &Subtable> {
        self.order.iter().filter_map(|place| self.get(*place))
    }

    #[inline]
    pub fn find<A>(&mut self, key: &FlowKey, flows: &Flows<A>) -> Option<FlowId> {
        self.find_behind(0, key, flows)
    }

    /// Looks into the subtables but the first so many.
    #[inline]
    fn find_behind<A>(&mut self, n: usize, key: &FlowKey, flows: &Flows<A>) -> Option<FlowId> {
        for place in self.order.iter().skip(n) {
            let subtable = self.places.get_mut(*place as usize)?.as_mut()?;
            if let Some(id) = subtable.find(key, flows) {
                subtable.hits += 1;
                return Some(id);
            }
        }
        None
    }

    /// The megaflows of packets, in order. The subtable that most packets are in is asked for all of
    /// them at once, so that they wait for memory together, and but once for those in a row that it
    /// cannot tell apart.
    pub fn find_all<A>(&mut self, keys: &[FlowKey], flows: &Flows<A>, found: &mut Found) {
        let first = self.order.first().and_then(|place| self.get(*place));
        let Some(first) = first else { return found.extend(keys.iter().map(|_| None)) };
        // None for a packet that looks like the one before.
        let mut hashes = [None; MAX_BURST];
        let mut before: Option<&FlowKey> = None;
        for (key, hash) in keys.iter().zip(&mut hashes) {
            let is_alike = before.is_some_and(|before| first.are_alike(before, key));
            *hash = (!is_alike).then(|| first.hash(key));
            before = Some(key);
        }
        let asked = || hashes.iter().take(keys.len()).flatten();
        black_box(asked().fold(0, |warm, hash| warm ^ first.touch(*hash)));
        let guesses = asked().filter_map(|hash| flows.get(first.guess(*hash)?.index())?.as_ref());
        black_box(guesses.fold(0, |warm, flow| warm ^ flow.touch()));
        let (mut known, mut n_known, mut before) = (None, 0, None);
        for (key, hash) in keys.iter().zip(hashes) {
            if let Some(hash) = hash {
                known = self.find_first(hash, key, flows);
            }
            n_known += u64::from(known.is_some());
            let id = match known {
                Some(id) => Some(id),
                None if before == Some(key) => found.last().copied().flatten(),
                None => self.find_behind(1, key, flows),
            };
            found.push(id);
            before = Some(key);
        }
        let first = self.order.first().copied();
        if let Some(first) = first.and_then(|place| self.get_mut(place)) {
            first.hits += n_known;
        }
    }

    /// The megaflow of all packets, if the first subtable cannot tell them apart.
    #[inline]
    pub fn find_one<A>(&mut self, keys: &[FlowKey], flows: &Flows<A>) -> Option<FlowId> {
        let first = self.get_mut(*self.order.first()?)?;
        let (one, others) = keys.split_first()?;
        if !others.iter().all(|other| first.are_alike(one, other)) {
            return None;
        }
        let id = first.find(one, flows)?;
        first.hits += keys.len() as u64;
        Some(id)
    }

    /// Looks into the first subtable, for which the hash is known.
    #[inline]
    fn find_first<A>(&self, hash: u64, key: &FlowKey, flows: &Flows<A>) -> Option<FlowId> {
        self.get(*self.order.first()?)?.find_by(hash, key, flows)
    }

    pub fn depth(&self) -> Depth {
        let depths = self.ranked().map(|subtable| Depth::of(subtable.mask().nonzero()));
        depths.max().unwrap_or(Depth::L2)
    }

    /// The place for megaflows under `mask`: that of the mask, if it is there or may come; else that
    /// of the mask that looks at the least more.
    pub fn place(&mut self, mask: &FlowMask, n_max: usize, seed: u64) -> u32 {
        let mut mask = mask.clone();
        mask.add_field(FieldId::InPortOxm);
        let places = self.order.iter().filter_map(|place| Some((*place, self.get(*place)?)));
        if let Some((place, _)) = places.clone().find(|(_, subtable)| *subtable.mask() == mask) {
            return place;
        }
        if self.n_masks() + EXACT.len() < n_max {
            return self.create(mask, seed);
        }
        let covering = places.filter(|(_, subtable)| subtable.mask().covers(&mask));
        if let Some((place, _)) = covering.min_by_key(|(_, subtable)| subtable.n_bits()) {
            return place;
        }
        let [packet, all] = EXACT;
        let mut exact = FlowMask::EMPTY;
        exact.add_words(if mask.nonzero().is_within(packet) { packet } else { all });
        self.create(exact, seed)
    }

    /// Ranks last.
    fn create(&mut self, mask: FlowMask, seed: u64) -> u32 {
        let free = self.places.iter().position(Option::is_none);
        let at = free.unwrap_or(self.places.len());
        if at == self.places.len() {
            self.places.push(None);
        }
        self.places[at] = Some(Subtable::new(mask, seed));
        let place = u32::try_from(at).unwrap_or(u32::MAX);
        self.order.push(place);
        place
    }

    pub fn add(&mut self, place: u32, key: &FlowKey, id: FlowId) -> (u64, Values) {
        self.n_flows += 1;
        let Some(subtable) = self.get_mut(place) else { return (0, Values::from_iter([])) };
        let (hash, values) = subtable.pack(key);
        subtable.add(hash, id);
        (hash, values)
    }

    /// Whether the mask has gone with it.
    pub fn remove(&mut self, place: u32, hash: u64, id: FlowId) -> bool {
        self.n_flows -= 1;
        if let Some(subtable) = self.get_mut(place) {
            subtable.remove(hash, id);
        }
        self.drop_if_empty(place)
    }

    /// Whether it was.
    pub fn drop_if_empty(&mut self, place: u32) -> bool {
        let is_empty = self.get(place).is_some_and(|subtable| subtable.n_flows() == 0);
        if is_empty {
            self.places[place as usize] = None;
            self.order.retain(|at| *at != place);
        }
        is_empty
    }

    pub fn rerank(&mut self) {
        let places = &self.places;
        let hits = |place: &u32| {
            let subtable = places.get(*place as usize).and_then(Option::as_ref);
            core::cmp::Reverse(subtable.map_or(0, |subtable| subtable.hits))
        };
        self.order.sort_by_key(hits);
        for subtable in self.places.iter_mut().flatten() {
            subtable.hits /= 2;
        }
    }
}
