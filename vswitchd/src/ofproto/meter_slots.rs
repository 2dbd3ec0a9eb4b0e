//! The datapath's meters: one table for all bridges.
//!
//! # Invariants
//! A number that is taken names a meter until it is given back; then another may get it.
//!
//! # Thread-safety
//! For the control thread, which publishes them with the snapshot.

use std::collections::BTreeSet;
use std::sync::Arc;

use datapath::Meter;
use datapath::meter::MeterId;

/// Meters by number, and whether they have changed since they were published.
#[derive(Default)]
pub struct MeterSlots {
    slots: Vec<Option<Arc<Meter>>>,
    /// Indices of those that are `None`.
    free: BTreeSet<usize>,
    is_changed: bool,
}

impl MeterSlots {
    /// Gives a meter the lowest free number.
    pub fn put(&mut self, meter: Arc<Meter>) -> MeterId {
        self.is_changed = true;
        let at = self.free.pop_first().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        self.slots[at] = Some(meter);
        MeterId(u32::try_from(at).unwrap_or(u32::MAX))
    }

    /// Puts another meter in the place of one, or back where one was.
    pub fn replace(&mut self, id: MeterId, meter: Arc<Meter>) {
        if let Some(slot) = self.slots.get_mut(id.index()) {
            *slot = Some(meter);
            self.free.remove(&id.index());
            self.is_changed = true;
        }
    }

    /// Takes a meter out.
    pub fn remove(&mut self, id: MeterId) {
        if let Some(slot) = self.slots.get_mut(id.index()) {
            *slot = None;
            self.free.insert(id.index());
            self.is_changed = true;
        }
    }

    /// A meter.
    #[must_use]
    pub fn get(&self, id: MeterId) -> Option<&Arc<Meter>> {
        self.slots.get(id.index())?.as_ref()
    }

    /// All of them, by number.
    #[must_use]
    pub fn all(&self) -> &[Option<Arc<Meter>>] {
        &self.slots
    }

    /// Whether they have changed since this was last asked.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.is_changed)
    }
}
