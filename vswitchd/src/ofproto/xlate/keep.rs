//! What outlives a translation: frozen walks, and what is said to controllers.
//!
//! # Design
//! The datapath knows such things by number. The [`Keeper`] finds the thing of a number, but does not
//! keep it: that is done by whoever holds the [`Kept`], which is the cached flow's entry in the ledger.
//!
//! # Invariants
//! A number is not given twice while the first thing of it lives.
//!
//! # Thread-safety
//! All threads share one keeper; its locks are taken when something is kept, and when a number comes
//! back: never on a hit of the flow cache.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use datapath::action::RecircId;

use super::controller::Sending;
use super::freeze::Frozen;

/// Something that lives as long as this is held.
#[derive(Clone, Debug)]
pub enum Kept {
    /// A frozen walk.
    Frozen(Arc<Frozen>),
    /// What is said of packets to controllers.
    Sending(Arc<Sending>),
}

struct Shelf<N, T> {
    last: N,
    things: HashMap<N, Weak<T>>,
    /// Things at which the dead are looked for.
    sweep_at: usize,
}

/// Things below which a shelf is not swept.
const MIN_SWEEP: usize = 1024;

impl<N: Hash + Eq + Copy + Default, T> Shelf<N, T> {
    fn new() -> Shelf<N, T> {
        Shelf { last: N::default(), things: HashMap::new(), sweep_at: MIN_SWEEP }
    }

    fn put(&mut self, thing: T, next: impl Fn(N) -> N) -> (N, Arc<T>) {
        if self.things.len() >= self.sweep_at {
            self.things.retain(|_, thing| thing.strong_count() > 0);
            self.sweep_at = (self.things.len() * 2).max(MIN_SWEEP);
        }
        let mut number = next(self.last);
        while self.things.get(&number).is_some_and(|thing| thing.strong_count() > 0) {
            number = next(number);
        }
        self.last = number;
        let thing = Arc::new(thing);
        self.things.insert(number, Arc::downgrade(&thing));
        (number, thing)
    }

    fn get(&self, number: N) -> Option<Arc<T>> {
        self.things.get(&number)?.upgrade()
    }
}

/// Finds things by number.
pub struct Keeper {
    frozen: Mutex<Shelf<u32, Frozen>>,
    sendings: Mutex<Shelf<u64, Sending>>,
}

impl Default for Keeper {
    fn default() -> Keeper {
        Keeper { frozen: Mutex::new(Shelf::new()), sendings: Mutex::new(Shelf::new()) }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Keeper {
    /// Keeps a frozen walk while what is returned lives.
    pub fn keep_frozen(&self, frozen: Frozen) -> (RecircId, Kept) {
        // 0 is a packet that has just come.
        let (number, frozen) = lock(&self.frozen).put(frozen, |n| n.checked_add(1).unwrap_or(1));
        (RecircId(number), Kept::Frozen(frozen))
    }

    /// A frozen walk.
    #[must_use]
    pub fn frozen(&self, id: RecircId) -> Option<Arc<Frozen>> {
        lock(&self.frozen).get(id.0)
    }

    /// Keeps what is said to controllers while what is returned lives.
    pub fn keep_sending(&self, sending: Sending) -> (u64, Kept) {
        let (token, sending) = lock(&self.sendings).put(sending, |n| n.wrapping_add(1));
        (token, Kept::Sending(sending))
    }

    /// What is said of a packet with this token.
    #[must_use]
    pub fn sending(&self, token: u64) -> Option<Arc<Sending>> {
        lock(&self.sendings).get(token)
    }
}
