//! When frames are due.

/// Frames that are late by more than this, nanoseconds, are made up for at [`CATCH_UP`] times the rate,
/// not at once: a long burst after a pause would measure the pause.
const MAX_LATE_NS: f64 = 1e6;
const CATCH_UP: f64 = 2.0;

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
    /// Bursts begun.
    n_bursts: f64,
    /// Frames left of the burst.
    left: usize,
    /// Since when, and from which burst on, late ones are made up for.
    catching_up: Option<(u64, f64)>,
}

impl Pace {
    /// From now on.
    #[must_use]
    pub fn new(load: Load) -> Pace {
        Pace { load, n_bursts: 0.0, left: 0, catching_up: None }
    }

    /// Frames to send now, `max` at most, `elapsed_ns` after the start; they count as sent.
    pub fn due(&mut self, elapsed_ns: u64, max: usize) -> usize {
        let Load::Rate { pps, burst } = self.load else { return max };
        let target = self.target(elapsed_ns, pps / 1e9 / f64::from(burst));
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

    /// Bursts that should have begun by now. The first is due at once.
    fn target(&mut self, elapsed_ns: u64, per_ns: f64) -> f64 {
        let target = (elapsed_ns as f64 * per_ns).floor() + 1.0;
        if target - self.n_bursts > (MAX_LATE_NS * per_ns).ceil() {
            self.catching_up.get_or_insert((elapsed_ns, self.n_bursts));
        }
        let Some((since_ns, from)) = self.catching_up else { return target };
        let allowed = from + ((elapsed_ns - since_ns) as f64 * per_ns * CATCH_UP).floor() + 1.0;
        if allowed >= target {
            self.catching_up = None;
        }
        allowed.min(target)
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
    fn over_a_long_time_the_rate_is_kept() {
        let mut pace = Pace::new(Load::Rate { pps: 123_456.0, burst: 1 });
        let n: usize = (0..1_000_000_u64).map(|us| pace.due(us * 1000, 32)).sum();
        assert!((123_455..=123_457).contains(&n), "{n}");
    }

    #[test]
    fn a_pause_is_made_up_for_without_a_burst() {
        let mut pace = Pace::new(Load::Rate { pps: 1e6, burst: 1 });
        assert_eq!(pace.due(0, 1000), 1);
        // Ten milliseconds late: two frames a microsecond until there is nothing to make up for.
        let mut n = Vec::new();
        for us in 10_000..25_000 {
            n.push(pace.due(us * 1000, 1000));
        }
        assert_eq!(n.iter().max(), Some(&2));
        assert_eq!(n.iter().sum::<usize>(), 24_999);
        assert_eq!(n[..10_000].iter().filter(|n| **n == 2).count(), 9_999);
        assert!(n[10_000..].iter().all(|n| *n == 1));
    }
}
