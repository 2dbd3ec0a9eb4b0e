//! The tables of a bridge.
//!
//! # Design
//! A table is a classifier under a lock, and the version of its last change, which says whether a
//! translation that consulted it still holds. If it may not, the last changes themselves say more
//! ([`Table::may_affect`]).
//!
//! # Invariants
//! `changed` and what has changed are set to a version before that version is published, and after the change is in the
//! classifier: who sees the version sees the change.
//!
//! # Thread-safety
//! The control thread writes, poll threads read. A poll thread that translates waits for a writer, so
//! writers let go of the lock after each flow.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use datapath::snapshot::Version;
use packet::{FlowKey, FlowMask, FlowMatch};

use super::classifier::{Classifier, RuleId};
use super::ledger::Found;
use super::recent::Recent;
use super::rule::{FlowRule, Shortened};

/// Tables that controllers see; one more, the last, is the switch's own.
pub const N_TABLES: u8 = 254;

/// The flows of a table.
pub type Flows = Classifier<Arc<FlowRule>>;

/// A table.
pub struct Table {
    flows: RwLock<Flows>,
    changed: AtomicU64,
    recent: RwLock<Recent>,
    lookups: AtomicU64,
    matched: AtomicU64,
}

impl Table {
    fn new(seed: u64) -> Table {
        Table {
            flows: RwLock::new(Classifier::new(seed)),
            changed: AtomicU64::new(0),
            recent: RwLock::default(),
            lookups: AtomicU64::new(0),
            matched: AtomicU64::new(0),
        }
    }

    /// To look.
    pub fn read(&self) -> RwLockReadGuard<'_, Flows> {
        self.flows.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// To change flows, in the control thread.
    pub fn write(&self) -> RwLockWriteGuard<'_, Flows> {
        self.flows.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Packets that were looked up.
    #[must_use]
    pub fn lookups(&self) -> u64 {
        self.lookups.load(Ordering::Relaxed)
    }

    /// Packets that a flow matched.
    #[must_use]
    pub fn matched(&self) -> u64 {
        self.matched.load(Ordering::Relaxed)
    }

    /// Counts packets that were looked up.
    pub fn count(&self, packets: u64, found: Found) {
        self.lookups.fetch_add(packets, Ordering::Relaxed);
        if found == Found::Flow {
            self.matched.fetch_add(packets, Ordering::Relaxed);
        }
    }

    /// Whether there are flows that wait to be purged.
    #[must_use]
    pub fn is_to_be_purged(&self) -> bool {
        self.read().n_retired() > 0
    }

    /// The version of its last change.
    #[must_use]
    pub fn changed(&self) -> Version {
        Version(self.changed.load(Ordering::Acquire))
    }

    /// Says that flows have changed in a version that is not published yet.
    pub fn set_changed(&self, version: Version) {
        self.write_recent().forget(version);
        self.changed.store(version.0, Ordering::Release);
    }

    /// Says that flows with these matches have changed in a version that is not published yet.
    pub fn note_changes(&self, version: Version, matches: &[FlowMatch]) {
        let mut recent = self.write_recent();
        matches.iter().for_each(|of| recent.note(version, of));
        drop(recent);
        self.changed.store(version.0, Ordering::Release);
    }

    /// Whether a look-up may find another flow than it found in version `since`. `key` is the key as it
    /// was looked up in this table, `known` the bits of it that are alike for all packets in question:
    /// for a cached flow, those that its mask looks at, and those that actions have written.
    #[must_use]
    pub fn may_affect(&self, since: Version, key: &FlowKey, known: &FlowMask) -> bool {
        self.changed() > since
            && self
                .recent
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .may_affect(since, key, known)
    }

    fn write_recent(&self) -> RwLockWriteGuard<'_, Recent> {
        self.recent.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A flow whose timeouts have been shortened: its table, its number there, and which flow it was.
pub type ShortenedFlow = (u8, RuleId, Arc<Shortened>);

/// All tables of a bridge.
pub struct Tables {
    tables: Box<[Table]>,
    shortened: Mutex<Vec<ShortenedFlow>>,
    sampled: AtomicU64,
}

impl Tables {
    /// Empty ones. `seed` should be random.
    #[must_use]
    pub fn new(seed: u64) -> Tables {
        let tables = (0..=N_TABLES).map(|_| Table::new(seed)).collect();
        Tables { tables, shortened: Mutex::default(), sampled: AtomicU64::new(0) }
    }

    /// A table, if there is one of that number.
    #[must_use]
    pub fn get(&self, table: u8) -> Option<&Table> {
        self.tables.get(usize::from(table))
    }

    /// Packets that `sample` was asked to take.
    #[must_use]
    pub fn sampled(&self) -> u64 {
        self.sampled.load(Ordering::Relaxed)
    }

    /// Counts packets that `sample` is asked to take.
    pub fn sample(&self, packets: u64) {
        self.sampled.fetch_add(packets, Ordering::Relaxed);
    }

    /// Notes that the timeouts of a flow have been shortened.
    pub fn note_shortened(&self, (table, id): (u8, RuleId), rule: &FlowRule) {
        let mut shortened = self.shortened.lock().unwrap_or_else(PoisonError::into_inner);
        shortened.push((table, id, Arc::clone(&rule.shortened)));
    }

    /// The flows noted since this was last asked.
    pub fn take_shortened(&self) -> Vec<ShortenedFlow> {
        std::mem::take(&mut *self.shortened.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// All of them, by number.
    pub fn iter(&self) -> impl Iterator<Item = (u8, &Table)> {
        (0..=N_TABLES).zip(&self.tables)
    }
}
