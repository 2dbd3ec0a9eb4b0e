//! Rates that must not be exceeded, kept without locks.
//!
//! # Design
//! A [`Bucket`] is a token bucket in the form of one number (GCRA, ITU-T I.371 annex A): the time at
//! which the bucket will be full again. What is taken moves that time on by what it costs; what would
//! move it further ahead of now than a full bucket is refused, and moves nothing. Costs and size of a
//! bucket are times: how long it takes to fill so much. So a bucket knows no unit of what it limits.
//!
//! # Thread-safety
//! All poll threads share a bucket; what is let through is one compare-and-swap, what is not is one
//! load.

use std::sync::atomic::{AtomicU64, Ordering};

/// Parts of a nanosecond that times are kept in: the interval of a rate is exact to 1/64 ns, and the
/// clock wraps after nine years, at the price of one burst.
pub const TICKS_PER_NS: u64 = 64;
/// The same for a second.
pub const TICKS_PER_SECOND: u64 = 1_000_000_000 * TICKS_PER_NS;
/// The largest bucket: four years.
pub const MAX_SIZE: u64 = u64::MAX / 4;

/// A token bucket.
#[derive(Debug)]
pub struct Bucket {
    /// How long it takes to fill it, ticks.
    size: u64,
    /// When it is full, ticks.
    full_at: AtomicU64,
}

impl Bucket {
    /// A full bucket that takes `size` ticks to fill, at most [`MAX_SIZE`].
    #[must_use]
    pub fn new(size: u64) -> Bucket {
        Bucket { size: size.min(MAX_SIZE), full_at: AtomicU64::new(0) }
    }

    /// Takes what it needs `cost` ticks to fill in again; `false`, and nothing taken, if there is less.
    #[must_use]
    pub fn take(&self, cost: u64, now_ns: u64) -> bool {
        let Some(tolerance) = self.size.checked_sub(cost) else { return false };
        let now = now_ns.wrapping_mul(TICKS_PER_NS);
        let mut full_at = self.full_at.load(Ordering::Relaxed);
        loop {
            let ahead = full_at.wrapping_sub(now);
            // Threads' clocks differ by a round; a time far ahead is one that has passed.
            let ahead = if ahead > u64::MAX / 2 { 0 } else { ahead };
            if ahead > tolerance {
                return false;
            }
            let next = now.wrapping_add(ahead).wrapping_add(cost);
            let order = Ordering::Relaxed; // nothing else is published by it
            match self.full_at.compare_exchange_weak(full_at, next, order, order) {
                Ok(_) => return true,
                Err(other) => full_at = other,
            }
        }
    }
}
