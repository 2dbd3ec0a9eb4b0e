//! What a tunnel port keeps while it lives, across snapshots.
//!
//! # Thread-safety
//! Poll threads share it by relaxed atomics: nothing else is published by them.

use core::sync::atomic::{AtomicU32, Ordering};

use crate::rate::{Bucket, TICKS_PER_SECOND};

/// Answers per second to senders whose packets are too big, at most.
pub const ANSWERS_PER_SECOND: u64 = 100;
/// As many at once.
const ANSWERS_AT_ONCE: u64 = 10;

/// What a tunnel port keeps while it lives.
#[derive(Debug)]
pub struct TunnelState {
    /// Sequence number of the next packet (RFC 2890 §2.2).
    sequence: AtomicU32,
    /// Identification of the next outer packet that may be fragmented (RFC 6864 §4.3).
    ip_id: AtomicU32,
    /// Answers that may be sent.
    answers: Bucket,
}

impl Default for TunnelState {
    fn default() -> Self {
        let answers = Bucket::new(ANSWERS_AT_ONCE * TICKS_PER_SECOND / ANSWERS_PER_SECOND);
        TunnelState { sequence: AtomicU32::new(0), ip_id: AtomicU32::new(0), answers }
    }
}

impl TunnelState {
    /// The first of `n` sequence numbers.
    pub(super) fn take_sequence(&self, n: u32) -> u32 {
        self.sequence.fetch_add(n, Ordering::Relaxed)
    }

    /// The next identification.
    pub(super) fn take_ip_id(&self) -> u16 {
        let [.., high, low] = self.ip_id.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        u16::from_be_bytes([high, low])
    }

    /// Whether one more sender may be answered.
    pub(crate) fn may_answer(&self, now_ns: u64) -> bool {
        self.answers.take(TICKS_PER_SECOND / ANSWERS_PER_SECOND, now_ns)
    }
}
