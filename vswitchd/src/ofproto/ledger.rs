//! How what cached flows count reaches the flows that they came from.
//!
//! # Design
//! A translation is cached with a [`FlowCounts`] of its own; the ledger remembers what is to be
//! credited with it: flows, tables, groups. Whoever reads statistics settles the ledger first: what has
//! been counted since the last time is added to each. So a statistic that is asked for after a packet
//! was seen to leave includes it, and the hot path counts in one place however many flows a packet
//! passes.
//!
//! # Invariants
//! What is counted is credited exactly once: an entry goes only when nobody else holds its counters,
//! and after its last settlement.
//!
//! # Thread-safety
//! Each poll thread writes entries to a ledger of its own; the control thread settles all. The lock is
//! taken once for a translation, and not on a hit.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use datapath::upcall::FlowCounts;

use super::rule::Counts;
use super::tables::Tables;

/// What is credited with a packet.
#[derive(Clone)]
pub enum Credit {
    /// A flow, a group or a bucket.
    Counts(Arc<Counts>),
    /// A table in which a look-up was made, and whether it found a flow.
    Table(Arc<Tables>, u8, Found),
}

/// What a look-up in a table found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found {
    /// A flow.
    Flow,
    /// None.
    Nothing,
}

impl Credit {
    fn add(&self, packets: u64, bytes: u64, used_ns: u64) {
        match self {
            Credit::Counts(counts) => counts.add(packets, bytes, used_ns),
            Credit::Table(tables, table, found) => {
                let Some(table) = tables.get(*table) else { return };
                table.lookups.fetch_add(packets, Ordering::Relaxed);
                if *found == Found::Flow {
                    table.matched.fetch_add(packets, Ordering::Relaxed);
                }
            }
        }
    }
}

struct Entry {
    counts: Arc<FlowCounts>,
    packets: u64,
    bytes: u64,
    credits: Box<[Credit]>,
}

impl Entry {
    /// Credits what was counted since the last time; whether there may be more.
    fn settle(&mut self) -> bool {
        // Before the counters are read: nobody adds to counters that nobody else holds.
        let is_held = Arc::strong_count(&self.counts) > 1;
        std::sync::atomic::fence(Ordering::Acquire);
        let (packets, bytes) = (self.counts.packets.get(), self.counts.bytes.get());
        let used_ns = self.counts.used_ns.get();
        let (new, new_bytes) = (packets - self.packets, bytes - self.bytes);
        if new > 0 {
            (self.packets, self.bytes) = (packets, bytes);
            self.credits.iter().for_each(|credit| credit.add(new, new_bytes, used_ns));
        }
        is_held
    }
}

/// What the translations of one poll thread credit.
#[derive(Default)]
pub struct Ledger(Mutex<Vec<Entry>>);

impl Ledger {
    /// A translation: what its flow counts goes to all of these.
    pub fn enter(&self, counts: Arc<FlowCounts>, credits: Vec<Credit>) {
        let entry = Entry { counts, packets: 0, bytes: 0, credits: credits.into() };
        self.entries().push(entry);
    }

    /// Credits everything that was counted up to now, and forgets what counts no more.
    pub fn settle(&self) {
        self.entries().retain_mut(Entry::settle);
    }

    fn entries(&self) -> std::sync::MutexGuard<'_, Vec<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_credited_once_also_after_the_cached_flow_is_gone() {
        let (ledger, counts) = (Ledger::default(), Arc::<Counts>::default());
        let tables = Arc::new(Tables::new(1));
        let cached = Arc::<FlowCounts>::default();
        let credits =
            vec![Credit::Counts(counts.clone()), Credit::Table(tables.clone(), 3, Found::Nothing)];
        ledger.enter(cached.clone(), credits);
        cached.add(2, 120, 0, 50);
        ledger.settle();
        ledger.settle();
        assert_eq!((counts.packets(), counts.bytes(), counts.used_ns()), (2, 120, 50));
        cached.add(1, 60, 0, 70);
        drop(cached);
        ledger.settle();
        assert_eq!((counts.packets(), counts.bytes(), counts.used_ns()), (3, 180, 70));
        let table = tables.get(3).unwrap();
        assert_eq!(table.lookups.load(Ordering::Relaxed), 3);
        assert_eq!(table.matched.load(Ordering::Relaxed), 0);
        assert!(ledger.entries().is_empty());
    }
}
