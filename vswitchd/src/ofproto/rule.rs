//! A flow: what it does, how long it lives, what it has counted.
//!
//! # Design
//! What can be asked of a flow without its counters never changes: to change a flow is to put another
//! in its place under the next version, with the same [`Counts`]. Match and priority are the
//! classifier's.
//!
//! # Thread-safety
//! Counters may be added to and read by any thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

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
