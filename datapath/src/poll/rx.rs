//! The receive queues of one poll thread: which are active, and how the others wake it.
//!
//! # Design
//! An active queue is asked in each round and is not in the thread's `epoll` set: an arrival then costs
//! the kernel no wake-up. A queue enters the set when it turns idle; the kernel looks at it in that
//! moment, so that what arrived just before wakes the thread too.
//!
//! # Invariants
//! The descriptors in the set are those of the idle queues, each with its index as token, and the
//! mailbox's.

use core::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::event::Timespec;
use rustix::event::epoll;

use super::idle;
use super::stats::RxqStats;
use super::wake::Wake;
use crate::frame::FramePool;
use crate::ids::PortNo;
use crate::netdev::{Rxq, WakeSource};
use crate::view::PortStats;

/// One receive queue with what belongs to it. It moves between threads whole.
pub struct RxSlot {
    /// The port that the queue belongs to.
    pub port: PortNo,
    /// The queue's number within the port.
    pub queue: usize,
    /// The driver's queue.
    pub rxq: Box<dyn Rxq>,
    /// The port's counters.
    pub stats: Arc<PortStats>,
    /// The queue's own counters.
    pub rxq_stats: Arc<RxqStats>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Asked in each round; the time is that of its last frame.
    Active { last_ns: u64 },
    /// Waits for an edge.
    Idle,
    /// Its device is gone.
    Gone,
}

impl RxSlot {
    /// A queue that starts active.
    #[must_use]
    pub fn new(port: PortNo, queue: usize, rxq: Box<dyn Rxq>, stats: Arc<PortStats>) -> RxSlot {
        let rxq_stats = Arc::default();
        RxSlot { port, queue, rxq, stats, rxq_stats, state: State::Active { last_ns: 0 } }
    }

    /// Whether the queue is to be asked in this round.
    #[must_use]
    pub fn is_active(&self) -> bool {
        matches!(self.state, State::Active { .. })
    }

    /// The queue gave frames at `now_ns`.
    pub fn mark_busy(&mut self, now_ns: u64) {
        self.state = State::Active { last_ns: now_ns };
    }

    /// Whether a drained queue has been so for long enough, and can wake the thread.
    fn turns_idle(&self, now_ns: u64) -> bool {
        let State::Active { last_ns } = self.state else { return false };
        let idle_ns = u64::try_from(idle::QUEUE_IDLE.as_nanos()).unwrap_or(u64::MAX);
        let waits = !matches!(self.rxq.wake_source(), WakeSource::Always);
        waits && now_ns.saturating_sub(last_ns) >= idle_ns
    }
}

/// Events taken from the kernel at once.
const MAX_EVENTS: usize = 64;
/// The token of the mailbox; queues have their index.
const MAILBOX_TOKEN: u64 = u64::MAX;

/// The receive queues of one thread.
pub struct RxSet {
    slots: Vec<RxSlot>,
    epoll: OwnedFd,
    wake: Arc<Wake>,
}

impl RxSet {
    /// No queue yet; `wake` interrupts a sleep.
    ///
    /// # Errors
    /// The process has too many descriptors.
    pub fn new(wake: Arc<Wake>) -> std::io::Result<RxSet> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let data = epoll::EventData::new_u64(MAILBOX_TOKEN);
        epoll::add(&epoll, &*wake, data, epoll::EventFlags::IN)?;
        Ok(RxSet { slots: Vec::new(), epoll, wake })
    }

    /// The queues.
    pub fn slots_mut(&mut self) -> &mut [RxSlot] {
        &mut self.slots
    }

    /// Whether a queue is to be asked in each round.
    #[must_use]
    pub fn any_active(&self) -> bool {
        self.slots.iter().any(|slot| slot.is_active())
    }

    /// Adds a queue, active.
    pub fn add(&mut self, mut slot: RxSlot, now_ns: u64) {
        slot.mark_busy(now_ns);
        self.slots.push(slot);
    }

    /// Takes a queue out.
    pub fn take(&mut self, port: PortNo, queue: usize, pool: &mut FramePool) -> Option<RxSlot> {
        let at = self.slots.iter().position(|s| s.port == port && s.queue == queue)?;
        Some(self.take_at(at, pool))
    }

    /// Takes every queue out that `wanted` names.
    pub fn take_all(
        &mut self,
        pool: &mut FramePool,
        wanted: impl Fn(&RxSlot) -> bool,
    ) -> Vec<RxSlot> {
        let mut taken = Vec::new();
        while let Some(at) = self.slots.iter().position(&wanted) {
            taken.push(self.take_at(at, pool));
        }
        taken
    }

    fn take_at(&mut self, at: usize, pool: &mut FramePool) -> RxSlot {
        self.unregister(at);
        let mut slot = self.slots.swap_remove(at);
        if at < self.slots.len() {
            self.register(at); // the moved queue has a new token
        }
        slot.rxq.park(pool);
        slot
    }

    /// A queue is drained: idle, if it has been for long enough.
    pub fn mark_drained(&mut self, at: usize, now_ns: u64, pool: &mut FramePool) {
        if let Some(slot) = self.slots.get_mut(at)
            && slot.turns_idle(now_ns)
        {
            slot.rxq.park(pool);
            slot.state = State::Idle;
            self.register(at);
        }
    }

    /// The device of a queue is gone: asks it no more.
    pub fn mark_gone(&mut self, at: usize, pool: &mut FramePool) {
        self.unregister(at);
        if let Some(slot) = self.slots.get_mut(at) {
            slot.rxq.park(pool);
            slot.state = State::Gone;
        }
    }

    /// (Re-)enters an idle queue's descriptor with its index as token.
    fn register(&self, at: usize) {
        let Some(slot) = self.idle_slot(at) else { return };
        if let WakeSource::Fd(fd) = slot.rxq.wake_source() {
            let data = epoll::EventData::new_u64(at as u64);
            let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
            if epoll::add(&self.epoll, fd, data, flags).is_err() {
                let _ = epoll::modify(&self.epoll, fd, data, flags);
            }
        }
    }

    /// Takes an idle queue's descriptor out.
    fn unregister(&self, at: usize) {
        let Some(slot) = self.idle_slot(at) else { return };
        if let WakeSource::Fd(fd) = slot.rxq.wake_source() {
            let _ = epoll::delete(&self.epoll, fd);
        }
    }

    fn idle_slot(&self, at: usize) -> Option<&RxSlot> {
        self.slots.get(at).filter(|slot| slot.state == State::Idle)
    }

    /// Looks for arrivals on idle queues, at once (`Some(0)`) or waiting up to `timeout_ns`, for ever
    /// with `None`. Queues with arrivals turn active.
    pub fn look(&mut self, timeout_ns: Option<u64>, now_ns: u64) {
        let timeout = timeout_ns.map(|ns| Timespec {
            tv_sec: i64::try_from(ns / 1_000_000_000).unwrap_or(i64::MAX),
            tv_nsec: i64::try_from(ns % 1_000_000_000).unwrap_or(0),
        });
        let mut events = [const { MaybeUninit::uninit() }; MAX_EVENTS];
        let Ok((events, _)) = epoll::wait(&self.epoll, &mut events, timeout.as_ref()) else {
            return; // interrupted by a signal: the next look sees what is there
        };
        for event in events {
            let token = event.data.u64();
            if token == MAILBOX_TOKEN {
                self.wake.clear();
            } else if let Ok(at) = usize::try_from(token)
                && self.idle_slot(at).is_some()
            {
                self.unregister(at);
                self.slots[at].mark_busy(now_ns);
            }
        }
    }
}
