//! Published, immutable, versioned values.
//!
//! # Design
//! The control plane publishes a new value as a whole; each poll thread keeps the value that it took
//! last and looks for a newer one between batches. Looking costs one atomic load; taking a new value
//! takes a lock, once per publication. A reader therefore sees one consistent value for a whole
//! batch, and an old value lives until its last reader has moved on.
//!
//! # Thread-safety
//! `current` is written before `version`, both under the lock; a subscriber that sees the new version
//! (acquire) finds the new value, or a newer one, under the lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Number of a publication, from 1, in steps of 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Version(pub u64);

struct Cell<T> {
    version: AtomicU64,
    current: Mutex<Arc<T>>,
}

/// The writing end. Clones publish to the same subscribers.
pub struct Publisher<T>(Arc<Cell<T>>);

impl<T> Publisher<T> {
    /// Publishes `first` as version 1.
    pub fn new(first: T) -> Self {
        Publisher(Arc::new(Cell {
            version: AtomicU64::new(1),
            current: Mutex::new(Arc::new(first)),
        }))
    }

    /// Replaces the value; the version of the new one.
    pub fn publish(&self, value: T) -> Version {
        let mut current = self.0.current.lock().unwrap_or_else(PoisonError::into_inner);
        *current = Arc::new(value);
        Version(self.0.version.fetch_add(1, Ordering::Release) + 1)
    }

    /// The value now.
    #[must_use]
    pub fn current(&self) -> Arc<T> {
        self.0.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A reading end that starts with the value now.
    #[must_use]
    pub fn subscribe(&self) -> Subscriber<T> {
        let current = self.0.current.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = self.0.version.load(Ordering::Acquire);
        Subscriber { cell: self.0.clone(), seen, value: current.clone() }
    }
}

/// The reading end of one thread.
pub struct Subscriber<T> {
    cell: Arc<Cell<T>>,
    seen: u64,
    value: Arc<T>,
}

impl<T> Subscriber<T> {
    /// Takes the newest value; whether it differs from the one before.
    pub fn refresh(&mut self) -> bool {
        if self.cell.version.load(Ordering::Acquire) == self.seen {
            return false;
        }
        let current = self.cell.current.lock().unwrap_or_else(PoisonError::into_inner);
        self.seen = self.cell.version.load(Ordering::Acquire);
        self.value = current.clone();
        true
    }

    /// The value taken last.
    #[must_use]
    pub fn value(&self) -> &Arc<T> {
        &self.value
    }

    /// Its version.
    #[must_use]
    pub fn version(&self) -> Version {
        Version(self.seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscriber_moves_only_when_it_refreshes() {
        let publisher = Publisher::new("one");
        let mut subscriber = publisher.subscribe();
        assert_eq!(publisher.publish("two"), Version(2));
        assert_eq!(**subscriber.value(), "one");
        assert!(subscriber.refresh());
        assert_eq!((**subscriber.value(), subscriber.version()), ("two", Version(2)));
        assert!(!subscriber.refresh());
    }

    #[test]
    fn readers_never_see_a_version_without_its_value() {
        let publisher = Publisher::new(1u64);
        let mut subscriber = publisher.subscribe();
        std::thread::scope(|scope| {
            scope.spawn(|| (2..=10_000).for_each(|v| assert_eq!(publisher.publish(v), Version(v))));
            while *subscriber.value().as_ref() < 10_000 {
                subscriber.refresh();
                assert_eq!(*subscriber.value().as_ref(), subscriber.version().0);
            }
        });
    }
}
