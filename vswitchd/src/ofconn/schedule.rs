//! Packets for a controller, no more than so many a second.
//!
//! # Design
//! A token bucket, as Open vSwitch's: a packet that finds a token is sent at once. One that finds none
//! waits, by the port that it came by; as tokens come, ports take turns, so that a port that floods the
//! controller does not hide the others. As many packets may wait as the bucket holds; then one of the
//! port with the most is lost.
//!
//! # References
//! ovs-vswitchd.conf.db(5), `controller_rate_limit`; `ofproto/pinsched.c` of Open vSwitch.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use openflow::OfPort;

/// How many packets may be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limit {
    /// A second.
    pub rate: u32,
    /// At once.
    pub burst: u32,
}

impl Limit {
    /// `None` without a rate. Without a burst it is a quarter of the rate.
    #[must_use]
    pub fn new(rate: Option<u32>, burst: Option<u32>) -> Option<Limit> {
        let rate = rate?;
        Some(Limit { rate, burst: burst.unwrap_or(rate / 4).max(1) })
    }
}

/// Packets that wait for tokens.
#[derive(Debug)]
pub struct Schedule {
    limit: Limit,
    /// When the bucket is full again.
    full_at: Instant,
    waiting: BTreeMap<OfPort, VecDeque<Vec<u8>>>,
    n_waiting: usize,
    /// The port that had its turn last.
    last: OfPort,
    n_lost: u64,
}

impl Schedule {
    /// With a full bucket.
    #[must_use]
    pub fn new(limit: Limit, now: Instant) -> Schedule {
        let (waiting, last) = (BTreeMap::new(), OfPort::NONE);
        Schedule { limit, full_at: now, waiting, n_waiting: 0, last, n_lost: 0 }
    }

    /// Packets that found no place to wait.
    #[must_use]
    pub const fn n_lost(&self) -> u64 {
        self.n_lost
    }

    /// The packets that wait, by the ports that they came by.
    pub fn into_waiting(self) -> impl Iterator<Item = (OfPort, Vec<u8>)> {
        let ports = self.waiting.into_iter();
        ports.flat_map(|(port, packets)| packets.into_iter().map(move |packet| (port, packet)))
    }

    /// How many packets wait.
    #[must_use]
    pub const fn n_waiting(&self) -> usize {
        self.n_waiting
    }

    /// Takes a packet that came by a port; gives it back if it may be sent now.
    pub fn offer(&mut self, port: OfPort, packet: Vec<u8>, now: Instant) -> Option<Vec<u8>> {
        if self.n_waiting == 0 && self.take_token(now) {
            return Some(packet);
        }
        if self.n_waiting >= usize::try_from(self.limit.burst).unwrap_or(usize::MAX) {
            self.lose_one();
        }
        self.waiting.entry(port).or_default().push_back(packet);
        self.n_waiting += 1;
        None
    }

    /// A packet that has waited for long enough.
    pub fn next(&mut self, now: Instant) -> Option<Vec<u8>> {
        if self.n_waiting == 0 || !self.take_token(now) {
            return None;
        }
        let after = self.waiting.range(self.last..).find(|(port, _)| **port > self.last);
        let port = *after.or(self.waiting.first_key_value())?.0;
        let queue = self.waiting.get_mut(&port)?;
        let packet = queue.pop_front();
        if queue.is_empty() {
            self.waiting.remove(&port);
        }
        self.last = port;
        self.n_waiting -= 1;
        packet
    }

    /// How long until a packet that waits may be sent; `None`: none waits.
    #[must_use]
    pub fn rest(&self, now: Instant) -> Option<Duration> {
        let due = self.full_at.checked_sub(self.size().saturating_sub(self.cost()));
        let rest = due.map_or(Duration::ZERO, |due| due.saturating_duration_since(now));
        (self.n_waiting > 0).then_some(rest)
    }

    /// How long a token takes to come.
    fn cost(&self) -> Duration {
        Duration::from_secs(1) / self.limit.rate.max(1)
    }

    /// How long the bucket takes to fill.
    fn size(&self) -> Duration {
        self.cost() * self.limit.burst
    }

    fn take_token(&mut self, now: Instant) -> bool {
        let full_at = self.full_at.max(now) + self.cost();
        let has_one = full_at.saturating_duration_since(now) <= self.size();
        if has_one {
            self.full_at = full_at;
        }
        has_one
    }

    fn lose_one(&mut self) {
        let longest = self.waiting.values_mut().max_by_key(|queue| queue.len());
        if longest.and_then(VecDeque::pop_front).is_some() {
            self.n_waiting -= 1;
        }
        self.n_lost += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(now: Instant) -> Schedule {
        Schedule::new(Limit::new(Some(100), Some(25)).unwrap(), now)
    }

    #[test]
    fn a_burst_goes_at_once_and_the_rest_at_the_rate() {
        let now = Instant::now();
        let mut schedule = schedule(now);
        let n_sent = (0..60).filter(|_| schedule.offer(OfPort(1), vec![1], now).is_some()).count();
        assert_eq!((n_sent, schedule.n_waiting, schedule.n_lost()), (25, 25, 10));
        assert_eq!(schedule.rest(now), Some(Duration::from_millis(10)));
        assert_eq!(schedule.next(now), None);
        let mut n_sent = 0;
        for ms in 1..=1000 {
            let now = now + Duration::from_millis(ms);
            n_sent += usize::from(schedule.next(now).is_some());
            assert!(n_sent <= usize::try_from(ms / 10).unwrap(), "{n_sent} in {ms} ms");
        }
        assert_eq!((n_sent, schedule.rest(now)), (25, None));
    }

    #[test]
    fn ports_take_turns_and_the_one_with_the_most_loses() {
        let now = Instant::now();
        let mut schedule = schedule(now);
        for n in 0..50 {
            schedule.offer(OfPort(1), vec![1, n], now);
        }
        for port in [2, 3] {
            schedule.offer(OfPort(port), vec![port.try_into().unwrap()], now);
        }
        assert_eq!(schedule.n_lost(), 2);
        let later = now + Duration::from_millis(40);
        let order: Vec<u8> = (0..4).filter_map(|_| schedule.next(later)).map(|p| p[0]).collect();
        assert_eq!(order, [1, 2, 3, 1]);
    }

    #[test]
    fn without_a_rate_there_is_no_limit() {
        assert_eq!(Limit::new(None, Some(25)), None);
        assert_eq!(Limit::new(Some(1000), None), Some(Limit { rate: 1000, burst: 250 }));
    }
}
