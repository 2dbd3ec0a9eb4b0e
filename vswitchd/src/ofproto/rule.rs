//! A flow: what it does, how long it lives, what it has counted.
//!
//! # Design
//! What can be asked of a flow without its counters never changes: to change a flow is to put another
//! in its place under the next version, with the same [`Counts`]. Match and priority are the
//! classifier's. Timeouts that `fin_timeout` shortens are kept beside, so that the end of a connection is
//! no change that anything would have to be translated again for.
//!
//! # Thread-safety
//! Counters may be added to and read by any thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};

use openflow::OfAction;
use openflow::flow::FlowFlags;

/// What a flow does and how it lives.
#[derive(Clone, Debug)]
pub struct FlowRule {
    /// Whatever the controller wants.
    pub cookie: u64,
    /// Seconds without a packet after which it goes; 0: never.
    pub idle_s: u16,
    /// Seconds after which it goes; 0: never.
    pub hard_s: u16,
    /// The lower, the sooner it is evicted.
    pub importance: u16,
    /// As they were given.
    pub flags: FlowFlags,
    /// What is done with packets.
    pub actions: Arc<[OfAction]>,
    /// When it was added, nanoseconds of the engine's clock.
    pub created_ns: u64,
    /// When it was last changed.
    pub modified_ns: u64,
    /// What it has seen.
    pub counts: Arc<Counts>,
    /// What the end of a connection has made of its timeouts.
    pub shortened: Arc<Shortened>,
}

impl FlowRule {
    /// Seconds without a packet after which it goes, as things stand; 0: never.
    #[must_use]
    pub fn idle_timeout_s(&self) -> u16 {
        shorter(self.idle_s, self.shortened.idle_s.load(Ordering::Relaxed))
    }

    /// Seconds after which it goes, as things stand; 0: never.
    #[must_use]
    pub fn hard_timeout_s(&self) -> u16 {
        shorter(self.hard_s, self.shortened.hard_s.load(Ordering::Relaxed))
    }
}

/// The shorter of two timeouts; 0 is none.
const fn shorter(a: u16, b: u16) -> u16 {
    if b != 0 && (a == 0 || b < a) { b } else { a }
}

/// Timeouts that hold since a TCP connection has ended (`fin_timeout`), seconds; 0: none.
#[derive(Debug, Default)]
pub struct Shortened {
    idle_s: AtomicU16,
    hard_s: AtomicU16,
}

impl Shortened {
    /// A connection has ended. For the control thread.
    pub fn shorten(&self, idle_s: u16, hard_s: u16) {
        for (timeout, to) in [(&self.idle_s, idle_s), (&self.hard_s, hard_s)] {
            timeout.store(shorter(timeout.load(Ordering::Relaxed), to), Ordering::Relaxed);
        }
    }
}

/// Packets and bytes, and when the last one came.
#[derive(Debug, Default)]
pub struct Counts {
    packets: AtomicU64,
    bytes: AtomicU64,
    used_ns: AtomicU64,
    taught_ns: AtomicU64,
}

impl Counts {
    /// Of a flow that is new: not used, but as old as `now_ns` to an idle timeout.
    #[must_use]
    pub fn new(now_ns: u64) -> Counts {
        Counts { used_ns: AtomicU64::new(now_ns), ..Counts::default() }
    }

    /// Adds what came, the last of it at `used_ns`.
    pub fn add(&self, packets: u64, bytes: u64, used_ns: u64) {
        self.packets.fetch_add(packets, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.used_ns.fetch_max(used_ns, Ordering::Relaxed);
    }

    /// Packets.
    #[must_use]
    pub fn packets(&self) -> u64 {
        self.packets.load(Ordering::Relaxed)
    }

    /// Their bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// When the last one came, or the flow was added; nanoseconds of the engine's clock.
    #[must_use]
    pub fn used_ns(&self) -> u64 {
        self.used_ns.load(Ordering::Relaxed)
    }

    /// When packets taught the flow the last time; 0: never.
    #[must_use]
    pub fn taught_ns(&self) -> u64 {
        self.taught_ns.load(Ordering::Relaxed)
    }

    /// Packets have taught the flow again.
    pub fn teach(&self, now_ns: u64) {
        self.taught_ns.fetch_max(now_ns, Ordering::Relaxed);
    }

    /// Begins anew.
    pub fn reset(&self) {
        self.packets.store(0, Ordering::Relaxed);
        self.bytes.store(0, Ordering::Relaxed);
    }
}
