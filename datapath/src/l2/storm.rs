//! Storm limits: how many frames a port may make the bridge flood.
//!
//! # Design
//! What floods costs every port of the bridge, and in a loop it comes back. So a port may have a limit
//! for each class of frames that flood: broadcast, other multicast, and unicast to unknown addresses.
//! The limit is asked where a frame is about to be flooded; a frame with one destination never meets
//! it, and a port without limits has none to ask. What is above the limit is dropped at the port that
//! received it; its source has been learned.
//!
//! # Thread-safety
//! All poll threads share a port's limits; a [`Bucket`] takes no lock.

use crate::drop_reason::DropReason;
use crate::rate::{Bucket, TICKS_PER_SECOND};

/// Highest limit, frames per second.
pub const MAX_PPS: u32 = 10_000_000;
/// What may pass at once: what the limit lets pass in this part of a second, and one frame at least.
pub const BURST_PER_SECOND: u32 = 10;

/// A rate that must not be exceeded.
#[derive(Debug)]
pub struct Limit {
    /// Between two frames, ticks.
    interval: u64,
    bucket: Bucket,
}

impl Limit {
    /// So many frames per second, from 1 to [`MAX_PPS`].
    #[must_use]
    pub fn new(pps: u32) -> Limit {
        let pps = pps.clamp(1, MAX_PPS);
        let interval = TICKS_PER_SECOND / u64::from(pps);
        let burst = u64::from((pps / BURST_PER_SECOND).max(1));
        Limit { interval, bucket: Bucket::new(interval * burst) }
    }

    /// Whether one more frame may pass at `now_ns`.
    #[must_use]
    pub fn admits(&self, now_ns: u64) -> bool {
        self.bucket.take(self.interval, now_ns)
    }
}

/// A port's limits in frames per second; `None`: unlimited.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct StormRates {
    /// Frames to ff:ff:ff:ff:ff:ff.
    pub broadcast: Option<u32>,
    /// Unicast frames that flood, since nobody knows where the destination is.
    pub unknown: Option<u32>,
    /// Frames to other group addresses.
    pub multicast: Option<u32>,
}

impl StormRates {
    /// Whether nothing is limited.
    #[must_use]
    pub fn is_unlimited(&self) -> bool {
        *self == StormRates::default()
    }
}

/// A port's limits at work.
#[derive(Debug)]
pub struct Storm {
    rates: StormRates,
    broadcast: Option<Limit>,
    unknown: Option<Limit>,
    multicast: Option<Limit>,
}

/// What kind of destination floods.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flooded {
    /// ff:ff:ff:ff:ff:ff.
    Broadcast,
    /// Any other group address.
    Multicast,
    /// A unicast address.
    Unknown,
}

impl Storm {
    /// Limits of these rates.
    #[must_use]
    pub fn new(rates: StormRates) -> Storm {
        let [broadcast, unknown, multicast] =
            [rates.broadcast, rates.unknown, rates.multicast].map(|pps| pps.map(Limit::new));
        Storm { rates, broadcast, unknown, multicast }
    }

    /// The rates.
    #[must_use]
    pub fn rates(&self) -> StormRates {
        self.rates
    }

    /// Whether a frame may flood at `now_ns`.
    ///
    /// # Errors
    /// Its class is above its limit.
    pub fn check(&self, what: Flooded, now_ns: u64) -> Result<(), DropReason> {
        let (limit, reason) = match what {
            Flooded::Broadcast => (&self.broadcast, DropReason::StormBroadcast),
            Flooded::Multicast => (&self.multicast, DropReason::StormMulticast),
            Flooded::Unknown => (&self.unknown, DropReason::StormUnknown),
        };
        if limit.as_ref().is_none_or(|limit| limit.admits(now_ns)) { Ok(()) } else { Err(reason) }
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use std::time::Duration;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::clock::Clock;

    const SECOND: u64 = 1_000_000_000;

    fn burst(pps: u32) -> u64 {
        u64::from((pps / BURST_PER_SECOND).max(1))
    }

    proptest! {
        /// In any stretch of time no more passes than the burst and what the rate allows.
        #[test]
        fn no_more_passes_than_burst_and_rate(
            pps in prop_oneof![1..2000u32, 1..=MAX_PPS],
            start in any::<u64>(),
            steps in vec((0..50_000_000u64, 1..40usize), 1..200),
        ) {
            let (limit, mut now) = (Limit::new(pps), start);
            let mut passed = Vec::new();
            for (gap, n) in steps {
                now = now.wrapping_add(gap);
                passed.extend((0..n).filter(|_| limit.admits(now)).map(|_| now.wrapping_sub(start)));
            }
            for (i, from) in passed.iter().enumerate().step_by(7) {
                for (n, to) in passed[i..].iter().enumerate().skip(1).step_by(11) {
                    let allowed = u128::from(to - from) * u128::from(pps) / u128::from(SECOND);
                    let allowed = allowed + u128::from(burst(pps)) + 1;
                    prop_assert!(n as u128 <= allowed + allowed / 1000, "{n} > {allowed}");
                }
            }
        }

        /// A sender that keeps below its rate loses nothing.
        #[test]
        fn what_keeps_to_the_rate_passes(pps in 1..=MAX_PPS, n in 1..500u64) {
            let (limit, clock) = (Limit::new(pps), Clock::manual());
            clock.advance(Duration::from_secs(3));
            let interval = Duration::from_nanos(SECOND.div_ceil(pps.into()));
            for _ in 0..n {
                prop_assert!(limit.admits(clock.now_ns()));
                clock.advance(interval);
            }
        }
    }

    #[test]
    fn a_burst_is_a_tenth_of_a_second_and_comes_back() {
        let (limit, clock) = (Limit::new(1000), Clock::manual());
        let pass = || (0..1000).filter(|_| limit.admits(clock.now_ns())).count();
        assert_eq!(pass(), 100);
        clock.advance(Duration::from_millis(10));
        assert_eq!(pass(), 10);
        clock.advance(Duration::from_secs(100));
        assert_eq!(pass(), 100);
    }

    #[test]
    fn threads_share_one_limit() {
        let limit = Limit::new(1000);
        let passed: usize = std::thread::scope(|scope| {
            let run = || (0..10_000).filter(|_| limit.admits(SECOND)).count();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(run)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(passed, 100);
    }

    #[test]
    fn each_class_has_its_own_limit() {
        let storm =
            Storm::new(StormRates { broadcast: Some(1), unknown: None, multicast: Some(1) });
        for (what, reason) in [
            (Flooded::Broadcast, Some(DropReason::StormBroadcast)),
            (Flooded::Multicast, Some(DropReason::StormMulticast)),
            (Flooded::Unknown, None),
        ] {
            assert_eq!(storm.check(what, SECOND), Ok(()));
            assert_eq!(storm.check(what, SECOND).err(), reason);
        }
    }
}
