//! When frames are due.

/// Frames that are late by more than this are not made up for: a burst after a pause would measure the
/// pause.
const MAX_LATE_NS: f64 = 2e6;

/// How fast frames are sent.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Load {
    /// As fast as the port takes them.
    Unlimited,
    /// At a rate, in bursts that are evenly spaced.
    Rate {
        /// Frames per second, above 0.
        pps: f64,
        /// Frames of a burst, 1 for none.
        burst: u32,
    },
}

/// Spreads frames over time.
#[derive(Debug)]
pub struct Pace {
    load: Load,
    /// Bursts begun, or given up.
    n_bursts: f64,
    /// Frames left of the burst.
    left: usize,
}

impl Pace {
    /// From now on.
    #[must_use]
    pub fn new(load: Load) -> Pace {
        Pace { load, n_bursts: 0.0, left: 0 }
    }

    /// Frames to send now, `max` at most, `elapsed_ns` after the start; they count as sent.
    pub fn due(&mut self, elapsed_ns: u64, max: usize) -> usize {
        let Load::Rate { pps, burst } = self.load else { return max };
        let per_ns = pps / 1e9 / f64::from(burst);
        // The first burst is due at once.
        let target = (elapsed_ns as f64 * per_ns).floor() + 1.0;
        let most = (MAX_LATE_NS * per_ns).ceil();
        self.n_bursts = self.n_bursts.max(target - most);
        let mut n = 0;
        while n < max {
            if self.left == 0 {
                if self.n_bursts >= target {
                    break;
                }
                self.n_bursts += 1.0;
                self.left = burst as usize;
            }
            let taken = self.left.min(max - n);
            (self.left, n) = (self.left - taken, n + taken);
        }
        n
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_due_one_by_one() {
        let mut pace = Pace::new(Load::Rate { pps: 1e6, burst: 1 });
        assert_eq!(pace.due(0, 32), 1);
        assert_eq!(pace.due(999, 32), 0);
        assert_eq!(pace.due(5_500, 32), 5);
        assert_eq!([pace.due(40_000, 32), pace.due(40_000, 32)], [32, 3]);
        assert_eq!(Pace::new(Load::Unlimited).due(0, 32), 32);
    }

    #[test]
    fn bursts_come_whole_and_evenly() {
        let mut pace = Pace::new(Load::Rate { pps: 1e6, burst: 50 });
        assert_eq!([pace.due(0, 32), pace.due(0, 32), pace.due(49_000, 32)], [32, 18, 0]);
        assert_eq!([pace.due(50_000, 32), pace.due(99_000, 32)], [32, 18]);
    }

    #[test]
    fn over_a_long_time_the_rate_is_kept_and_a_pause_is_not_made_up_for() {
        let mut pace = Pace::new(Load::Rate { pps: 123_456.0, burst: 1 });
        let n: usize = (0..1_000_000_u64).map(|us| pace.due(us * 1000, 32)).sum();
        assert!((123_455..=123_457).contains(&n), "{n}");
        let after: usize = (0..100).map(|_| pace.due(3_000_000_000, 32)).sum();
        assert!(after <= 248, "{after}");
    }
}
