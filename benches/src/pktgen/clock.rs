//! The clock of stamps.

use std::time::Instant;

/// Nanoseconds since the program's start.
#[derive(Clone, Copy, Debug)]
pub struct Ticks(Instant);

impl Ticks {
    /// From now on.
    #[must_use]
    pub fn start() -> Ticks {
        Ticks(Instant::now())
    }

    /// Now.
    #[must_use]
    pub fn now_ns(self) -> u64 {
        u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}
