//! What the protocol's thread and the poll threads share of one port.
//!
//! # Design
//! Each ring stands in a [`Slot`], behind a lock. Poll threads hold it for a batch; the protocol's
//! thread, and nobody else, for as long as it takes to put a ring in, take it out, or exchange its memory. So a ring
//! that was taken out is used by nobody, and a front end that is told so may rely on it.
//!
//! The receive side only tries the lock: it comes again. The transmit side waits: for another poll
//! thread's batch, if there are more threads than queues, or for the moment in which a ring changes.
//!
//! # Invariants
//! - A kick descriptor is in the set of its [`RxWake`] as long as its [`Kick`] lives.
//! - `to_guest` has the bit of each ring to the guest that is usable, as of its last change.
//!
//! # Thread-safety
//! Everything here is for any thread.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use rustix::event::{EventfdFlags, epoll, eventfd};

use super::feature::Features;
use super::ring::Ring;
use crate::netdev::{LinkChanged, TxCaps};

/// A ring's place.
pub(super) struct Slot {
    number: usize,
    ring: Mutex<Option<Ring>>,
    /// Whether frames may pass, for those who would not wait for the lock to know.
    usable: AtomicBool,
}

impl Slot {
    fn new(number: usize) -> Slot {
        Slot { number, ring: Mutex::default(), usable: AtomicBool::new(false) }
    }

    /// The ring's number.
    pub(super) fn number(&self) -> usize {
        self.number
    }

    /// Changes what stands there, once nobody else uses it.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Option<Ring>) -> T) -> T {
        let mut ring = self.lock();
        let result = change(&mut ring);
        self.usable.store(ring.as_ref().is_some_and(Ring::is_usable), Ordering::Relaxed);
        result
    }

    /// The place, once nobody else uses it.
    pub(super) fn lock(&self) -> MutexGuard<'_, Option<Ring>> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The place, if nobody else uses it.
    pub(super) fn try_lock(&self) -> Option<MutexGuard<'_, Option<Ring>>> {
        match self.ring.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

/// Wakes the poll thread of one receive queue: a set of descriptors, itself one that never changes,
/// while the guest's come and go.
///
/// All in it are edge-triggered, and none is ever read: a guest's descriptor might make a reader wait.
pub(super) struct RxWake {
    epoll: OwnedFd,
    poke: OwnedFd,
    /// The guest gave no descriptor to notify by: its ring must be looked at all the time.
    pub polled: AtomicBool,
}

const EDGE: epoll::EventFlags = epoll::EventFlags::IN.union(epoll::EventFlags::ET);

impl RxWake {
    pub(super) fn new() -> std::io::Result<RxWake> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let poke = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        epoll::add(&epoll, &poke, epoll::EventData::new_u64(0), EDGE)?;
        Ok(RxWake { epoll, poke, polled: AtomicBool::new(false) })
    }

    /// Makes the descriptor readable.
    pub(super) fn poke(&self) {
        let _ = rustix::io::write(&self.poke, &1u64.to_ne_bytes());
    }

    /// Makes the descriptor unreadable, until the next edge.
    pub(super) fn drain(&self) {
        let mut events = [const { core::mem::MaybeUninit::uninit() }; 4];
        let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
        let _ = epoll::wait(&self.epoll, &mut events, Some(&now));
    }
}

impl AsFd for RxWake {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

/// A guest's descriptor in the set of a queue.
pub(super) struct Kick {
    fd: OwnedFd,
    wake: Arc<RxWake>,
}

impl Kick {
    pub(super) fn new(fd: OwnedFd, wake: Arc<RxWake>) -> std::io::Result<Kick> {
        epoll::add(&wake.epoll, &fd, epoll::EventData::new_u64(1), EDGE)?;
        Ok(Kick { fd, wake })
    }
}

impl Drop for Kick {
    /// The front end keeps the same eventfd open, so that closing ours would leave it in the set.
    fn drop(&mut self) {
        let _ = epoll::delete(&self.wake.epoll, &self.fd);
    }
}

/// What people are told of a port.
#[derive(Clone, Debug, Default)]
pub(super) struct Report {
    /// A front end is there.
    pub connected: bool,
    /// Entries of each ring that was set up, by ring.
    pub sizes: Vec<(usize, u16)>,
    /// The features taken.
    pub features: u64,
    /// The NUMA node of its memory.
    pub numa: Option<i32>,
    /// What went wrong, in a sentence; nothing once a ring runs again.
    pub error: Option<String>,
    /// Why there is no front end.
    pub waiting: Option<String>,
    /// How often a front end has connected.
    pub n_connections: u64,
}

/// What is shared of one port.
pub(super) struct Shared {
    /// The rings: those of pair `n` are `2n`, to the guest, and `2n + 1`, from it.
    pub slots: Vec<Slot>,
    /// By pair.
    pub wakes: Vec<Arc<RxWake>>,
    to_guest: AtomicU32,
    features: AtomicU64,
    link_up: AtomicBool,
    report: Mutex<Report>,
    changed: Mutex<Option<LinkChanged>>,
    /// Held by whoever looks at all rings together.
    settling: Mutex<()>,
}

impl Shared {
    /// For `n_pairs` pairs of rings, all down.
    pub(super) fn new(n_pairs: usize) -> std::io::Result<Shared> {
        let wakes: Result<Vec<_>, _> = (0..n_pairs).map(|_| RxWake::new().map(Arc::new)).collect();
        Ok(Shared {
            slots: (0..2 * n_pairs).map(Slot::new).collect(),
            wakes: wakes?,
            to_guest: AtomicU32::new(0),
            features: AtomicU64::new(0),
            link_up: AtomicBool::new(false),
            report: Mutex::default(),
            changed: Mutex::default(),
            settling: Mutex::default(),
        })
    }

    /// What frames for the guest may leave undone.
    #[inline]
    pub(super) fn tx_caps(&self) -> TxCaps {
        Features(self.features.load(Ordering::Relaxed)).tx_caps()
    }

    /// A ring to the guest for transmit queue `n`, if one is usable.
    #[inline]
    pub(super) fn ring_for(&self, n: usize) -> Option<&Slot> {
        let mut mask = self.to_guest.load(Ordering::Relaxed);
        let n_usable = usize::try_from(mask.count_ones()).unwrap_or(0);
        for _ in 0..n.checked_rem(n_usable)? {
            mask &= mask - 1;
        }
        self.slots.get(2 * usize::try_from(mask.trailing_zeros()).ok()?)
    }

    /// Whether frames can pass.
    pub(super) fn is_link_up(&self) -> bool {
        self.link_up.load(Ordering::Relaxed)
    }

    /// What people are told.
    pub(super) fn report(&self) -> MutexGuard<'_, Report> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls `changed` whenever the link may have changed, from now on.
    pub(super) fn watch(&self, changed: LinkChanged) {
        *self.changed.lock().unwrap_or_else(PoisonError::into_inner) = Some(changed);
        self.tell();
    }

    /// Says that people, or the control thread, may want to look.
    pub(super) fn tell(&self) {
        let changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(changed) = changed {
            changed();
        }
    }

    /// Says what the front end has taken.
    pub(super) fn set_features(&self, features: Features) {
        self.features.store(features.0, Ordering::Relaxed);
    }

    /// Takes over what the rings are now, and tells if the link changed by it. Waits for no ring.
    pub(super) fn settle(&self) {
        let _settling = self.settling.lock().unwrap_or_else(PoisonError::into_inner);
        let mut mask = 0;
        for (pair, slots) in self.slots.chunks(2).enumerate() {
            mask |= u32::from(slots[0].usable.load(Ordering::Relaxed)) << pair;
        }
        self.to_guest.store(mask, Ordering::Relaxed);
        let up = mask != 0;
        if self.link_up.swap(up, Ordering::Relaxed) != up {
            self.tell();
        }
    }

    /// A poll thread found a ring broken: people are told why.
    #[cold]
    pub(super) fn note_broken(&self, number: usize, ring: &Ring) {
        if let Some(broken) = ring.broken() {
            self.slots[number].usable.store(false, Ordering::Relaxed);
            self.report().error = Some(format!("ring {number} rests: {broken}"));
            self.tell();
        }
    }
}
