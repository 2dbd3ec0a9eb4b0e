//! The engine's clock: the system's, or one that a test turns by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Nanoseconds since a start of its own. Clones show the same time.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    Real(Instant),
    Manual(Arc<AtomicU64>),
}

impl Clock {
    /// The system's monotonic clock, from now on.
    #[must_use]
    pub fn real() -> Clock {
        Clock(Source::Real(Instant::now()))
    }

    /// A clock that stands still until [`Clock::advance`] moves it.
    #[must_use]
    pub fn manual() -> Clock {
        Clock(Source::Manual(Arc::default()))
    }

    /// Nanoseconds since the start.
    #[must_use]
    pub fn now_ns(&self) -> u64 {
        match &self.0 {
            Source::Real(start) => saturating_ns(start.elapsed()),
            Source::Manual(now) => now.load(Ordering::Acquire),
        }
    }

    /// Whole seconds since the start.
    #[must_use]
    pub fn now_s(&self) -> u32 {
        u32::try_from(self.now_ns() / 1_000_000_000).unwrap_or(u32::MAX)
    }

    /// Moves a manual clock on; the real one moves by itself.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual(now) = &self.0 {
            now.fetch_add(saturating_ns(by), Ordering::AcqRel);
        }
    }
}

fn saturating_ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_by_hand_only() {
        let clock = Clock::manual();
        let twin = clock.clone();
        clock.advance(Duration::from_millis(2500));
        assert_eq!((twin.now_ns(), twin.now_s()), (2_500_000_000, 2));
    }
}
