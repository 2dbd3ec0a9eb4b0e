//! Meters: rates of packets or bits that traffic must keep to, by bands.
//!
//! # Design
//! A meter has up to [`MAX_BANDS`] bands, each a rate with a [`Bucket`] of its own. A packet takes from
//! every band. Of the bands that it exceeds, that of the highest rate counts it, and drops it: as Open
//! vSwitch does (`dp_netdev_run_meter`, `lib/dpif-netdev.c`).
//!
//! # Thread-safety
//! All poll threads share a meter's buckets, and each counts in a block of its own.

use crate::counter::Counter;
use crate::rate::{Bucket, MAX_SIZE, TICKS_PER_SECOND};
use crate::view::PerThread;

/// Most bands of a meter.
pub const MAX_BANDS: usize = 8;

/// A meter of the datapath: an index into the snapshot's meters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MeterId(pub u32);

impl MeterId {
    /// As an index into the table of meters.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a meter measures.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MeterUnit {
    /// Packets per second; bursts are packets.
    Packets,
    /// Kilobits per second; bursts are kilobits.
    Kilobits,
}

/// A band: what exceeds it is dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BandConfig {
    /// Packets or kilobits per second; 0 passes nothing.
    pub rate: u32,
    /// What may pass at once, packets or kilobits; 0: what the rate lets pass in a second.
    pub burst: u32,
}

/// What one thread has counted.
#[derive(Debug, Default)]
#[repr(align(64))]
pub struct MeterCounters {
    /// Packets that came.
    pub packets: Counter,
    /// Their bytes.
    pub bytes: Counter,
    /// Packets and bytes that each band dropped.
    pub bands: [(Counter, Counter); MAX_BANDS],
}

#[derive(Debug)]
struct Band {
    config: BandConfig,
    bucket: Bucket,
}

/// A meter at work.
#[derive(Debug)]
pub struct Meter {
    unit: MeterUnit,
    bands: Vec<Band>,
    /// What it has counted.
    pub stats: PerThread<MeterCounters>,
}

impl Meter {
    /// A meter of these bands, of which those beyond [`MAX_BANDS`] are left out, with full buckets.
    #[must_use]
    pub fn new(unit: MeterUnit, bands: impl IntoIterator<Item = BandConfig>) -> Meter {
        let band = |config: BandConfig| {
            let burst = if config.burst == 0 { config.rate } else { config.burst };
            let ticks = u128::from(burst) * u128::from(TICKS_PER_SECOND);
            let size = ticks.checked_div(config.rate.into()).unwrap_or(0).min(MAX_SIZE.into());
            Band { config, bucket: Bucket::new(u64::try_from(size).unwrap_or(MAX_SIZE)) }
        };
        let bands = bands.into_iter().take(MAX_BANDS).map(band).collect();
        Meter { unit, bands, stats: PerThread::default() }
    }

    /// What it measures.
    #[must_use]
    pub const fn unit(&self) -> MeterUnit {
        self.unit
    }

    /// Its bands.
    pub fn bands(&self) -> impl Iterator<Item = BandConfig> {
        self.bands.iter().map(|band| band.config)
    }

    /// Whether a packet of `n_bytes` passes at `now_ns`; counts it either way.
    #[must_use]
    pub fn admits(&self, n_bytes: usize, now_ns: u64, thread: usize) -> bool {
        let counters = self.stats.of(thread);
        counters.packets.add(1);
        counters.bytes.add(n_bytes as u64);
        let mut exceeded: Option<(u32, usize)> = None;
        for (at, band) in self.bands.iter().enumerate() {
            let rate = band.config.rate;
            let passes = self.cost(n_bytes, rate).is_some_and(|c| band.bucket.take(c, now_ns));
            if !passes && exceeded.is_none_or(|(highest, _)| rate > highest) {
                exceeded = Some((rate, at));
            }
        }
        let Some((packets, bytes)) = exceeded.and_then(|(_, at)| counters.bands.get(at)) else {
            return true;
        };
        packets.add(1);
        bytes.add(n_bytes as u64);
        false
    }

    /// How long a band of this rate takes to fill in a packet, ticks; `None`: for ever.
    fn cost(&self, n_bytes: usize, rate: u32) -> Option<u64> {
        match self.unit {
            MeterUnit::Packets => TICKS_PER_SECOND.checked_div(rate.into()),
            MeterUnit::Kilobits => {
                // A bit of a kilobit per second lasts a millisecond.
                let bits = n_bytes as u64 * 8;
                (bits * (TICKS_PER_SECOND / 1000)).checked_div(rate.into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::Clock;

    const SECOND: u64 = 1_000_000_000;

    fn band(rate: u32, burst: u32) -> BandConfig {
        BandConfig { rate, burst }
    }

    fn passed(meter: &Meter, n: usize, n_bytes: usize, now_ns: u64) -> usize {
        (0..n).filter(|_| meter.admits(n_bytes, now_ns, 0)).count()
    }

    #[test]
    fn packets_pass_by_burst_and_rate_and_are_counted() {
        let (meter, clock) = (Meter::new(MeterUnit::Packets, [band(100, 20)]), Clock::manual());
        clock.advance(Duration::from_secs(9));
        assert_eq!(passed(&meter, 50, 60, clock.now_ns()), 20);
        clock.advance(Duration::from_millis(50));
        assert_eq!(passed(&meter, 50, 60, clock.now_ns()), 5);
        let sum = |read: fn(&MeterCounters) -> &Counter| meter.stats.sum(|c| read(c).get());
        assert_eq!((sum(|c| &c.packets), sum(|c| &c.bytes)), (100, 6000));
        assert_eq!((sum(|c| &c.bands[0].0), sum(|c| &c.bands[0].1)), (75, 75 * 60));
    }

    #[test]
    fn kilobits_count_bits_and_the_burst_is_a_second_by_default() {
        let meter = Meter::new(MeterUnit::Kilobits, [band(8, 0)]);
        // 8 kbit are 1000 bytes.
        assert_eq!(passed(&meter, 20, 100, SECOND), 10);
        assert_eq!(passed(&meter, 20, 250, 2 * SECOND), 4);
        assert!(!meter.admits(1001, 100 * SECOND, 0), "more than the bucket holds");
        assert!(meter.admits(1000, 100 * SECOND, 0));
    }

    #[test]
    fn the_highest_band_that_is_exceeded_counts() {
        let meter = Meter::new(MeterUnit::Packets, [band(10, 10), band(20, 20), band(5, 5)]);
        assert_eq!(passed(&meter, 30, 60, SECOND), 5);
        let band = |at: usize| meter.stats.sum(|c| c.bands[at].0.get());
        // 5 pass; then the band of 5 alone is exceeded, then that of 10 too, then all.
        assert_eq!([band(2), band(0), band(1)], [5, 10, 10]);
    }

    #[test]
    fn a_rate_of_zero_passes_nothing_and_no_band_passes_all() {
        for unit in [MeterUnit::Packets, MeterUnit::Kilobits] {
            assert_eq!(passed(&Meter::new(unit, [band(0, 7)]), 5, 60, SECOND), 0);
            assert_eq!(passed(&Meter::new(unit, []), 5, 60, SECOND), 5);
        }
    }

    #[test]
    fn the_fastest_and_the_slowest_rates_hold() {
        let meter = Meter::new(MeterUnit::Kilobits, [band(u32::MAX, u32::MAX)]);
        assert_eq!(passed(&meter, 1000, 65_535, SECOND), 1000);
        let slow = Meter::new(MeterUnit::Packets, [band(1, u32::MAX)]);
        assert_eq!(passed(&slow, 1000, 60, SECOND), 1000);
    }

    #[test]
    fn threads_share_the_buckets_and_count_apart() {
        let meter = Meter::new(MeterUnit::Packets, [band(1000, 100)]);
        let run = |thread| (0..10_000).filter(|_| meter.admits(60, SECOND, thread)).count();
        let run = &run;
        let passed: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|n| scope.spawn(move || run(n))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(passed, 100);
        assert_eq!(meter.stats.sum(|c| c.packets.get()), 40_000);
    }
}
