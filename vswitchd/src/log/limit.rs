//! Bounds the rate of each kind of message.
//!
//! # Design
//! A token bucket per callsite, so that one thing that repeats cannot hide another, nor fill a disk.
//! The first message after a loss says how many were lost.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use tracing::callsite::Identifier;

/// Messages of one callsite that may come at once.
const BURST: u32 = 100;

/// How long one message takes to be allowed again.
const REFILL_PERIOD: Duration = Duration::from_millis(200);

/// What becomes of a message.
#[derive(PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It is written.
    Pass,
    /// It is written after this note.
    PassAfter(String),
    /// It is not written.
    Drop,
}

/// The buckets.
#[derive(Debug, Default)]
pub struct Limiter {
    buckets: HashMap<Identifier, Bucket>,
}

#[derive(Debug)]
struct Bucket {
    tokens: u32,
    filled_at: SystemTime,
    n_dropped: u64,
    first_dropped: SystemTime,
    last_dropped: SystemTime,
}

impl Limiter {
    /// Decides about one message of a callsite.
    pub fn admit(&mut self, callsite: Identifier, now: SystemTime) -> Verdict {
        let bucket = self.buckets.entry(callsite).or_insert_with(|| Bucket {
            tokens: BURST,
            filled_at: now,
            n_dropped: 0,
            first_dropped: now,
            last_dropped: now,
        });
        bucket.admit(now)
    }
}

impl Bucket {
    fn admit(&mut self, now: SystemTime) -> Verdict {
        self.refill(now);
        if self.tokens == 0 {
            if self.n_dropped == 0 {
                self.first_dropped = now;
            }
            self.n_dropped += 1;
            self.last_dropped = now;
            return Verdict::Drop;
        }
        self.tokens -= 1;
        if self.n_dropped == 0 {
            return Verdict::Pass;
        }
        let seconds = |since| now.duration_since(since).unwrap_or_default().as_secs();
        let note = format!(
            "Dropped {} log messages in last {} seconds (most recently, {} seconds ago) due to excessive rate",
            self.n_dropped,
            seconds(self.first_dropped),
            seconds(self.last_dropped)
        );
        self.n_dropped = 0;
        Verdict::PassAfter(note)
    }

    fn refill(&mut self, now: SystemTime) {
        let Ok(passed) = now.duration_since(self.filled_at) else {
            // The clock was set back.
            self.filled_at = now;
            return;
        };
        let n = passed.as_millis() / REFILL_PERIOD.as_millis();
        if n > 0 {
            self.tokens = BURST.min(self.tokens.saturating_add(u32::try_from(n).unwrap_or(BURST)));
            self.filled_at = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_passes_a_burst_and_the_next_message_counts_the_rest() {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let mut bucket = Bucket {
            tokens: BURST,
            filled_at: start,
            n_dropped: 0,
            first_dropped: start,
            last_dropped: start,
        };
        let passed = (0..1000).filter(|_| bucket.admit(start) == Verdict::Pass).count();
        assert_eq!(passed, 100);
        let later = start + Duration::from_secs(3);
        let Verdict::PassAfter(note) = bucket.admit(later) else { panic!("no note") };
        assert!(note.starts_with("Dropped 900 log messages in last 3 seconds"), "{note}");
        assert_eq!(bucket.admit(later), Verdict::Pass);
    }
}
