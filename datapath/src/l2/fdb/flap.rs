//! Addresses that move to and fro: the sign of a loop, of a copied address, or of a forger.
//!
//! # Design
//! A host moves now and then. An address that moves [`FLAP_MOVES`] times within [`FLAP_WINDOW_S`] flaps.
//! Moves are rare and already under the database's mutex, so they are counted there: per address, in
//! [`N_SUSPECTS`] places, the oldest of which gives way to a new address. A storm of moves of more
//! addresses than that may hide some of them, never all, and costs no memory.
//!
//! An address is reported once per window in which it flaps; the control thread takes the reports, of
//! which [`N_REPORTS`] wait at most.

use packet::{MacAddr, Vid};

use super::word::Key;
use crate::ids::PortNo;

/// Moves within the window from which on an address flaps.
pub const FLAP_MOVES: u32 = 10;
/// The window, seconds.
pub const FLAP_WINDOW_S: u32 = 10;
/// Addresses that are watched at a time.
const N_SUSPECTS: usize = 64;
/// Reports that wait to be taken.
const N_REPORTS: usize = 16;

/// An address that flaps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Flap {
    /// The VLAN.
    pub vid: Vid,
    /// The address.
    pub mac: MacAddr,
    /// Where it moved from last, and where to.
    pub ports: (PortNo, PortNo),
    /// Moves within its window.
    pub n_moves: u32,
}

#[derive(Clone, Copy)]
struct Suspect {
    key: Key,
    ports: (PortNo, PortNo),
    since_s: u32,
    last_s: u32,
    n_moves: u32,
    /// Moves in the window before this one.
    n_before: u32,
}

/// Addresses that moved lately.
#[derive(Default)]
pub struct Flaps {
    suspects: Vec<Suspect>,
    reports: Vec<Flap>,
}

impl Flaps {
    /// Notes a move; whether the address flaps from now on.
    pub fn note(&mut self, key: Key, ports: (PortNo, PortNo), now_s: u32) -> bool {
        let fresh = Suspect { key, ports, since_s: now_s, last_s: now_s, n_moves: 0, n_before: 0 };
        let found = self.suspects.iter().position(|suspect| suspect.key == key);
        let at = found.unwrap_or_else(|| {
            if self.suspects.len() < N_SUSPECTS {
                self.suspects.push(fresh);
                return self.suspects.len() - 1;
            }
            let oldest = self.suspects.iter().enumerate().min_by_key(|(_, s)| s.last_s);
            oldest.map_or(0, |(at, _)| at)
        });
        let Some(suspect) = self.suspects.get_mut(at) else { return false };
        if suspect.key != key {
            *suspect = fresh;
        }
        let age_s = now_s.saturating_sub(suspect.since_s);
        if age_s >= FLAP_WINDOW_S {
            let n_before = if age_s < 2 * FLAP_WINDOW_S { suspect.n_moves } else { 0 };
            *suspect = Suspect { n_before, ..fresh };
        }
        suspect.n_moves = suspect.n_moves.saturating_add(1);
        (suspect.ports, suspect.last_s) = (ports, now_s);
        if suspect.n_moves != FLAP_MOVES {
            return false;
        }
        if self.reports.len() < N_REPORTS {
            self.reports.push(suspect.flap(FLAP_MOVES));
        }
        true
    }

    /// What flapped since this was asked last, each address at most once per window.
    pub fn take(&mut self) -> Vec<Flap> {
        std::mem::take(&mut self.reports)
    }

    /// What flaps now, the most restless first.
    pub fn now(&self, now_s: u32) -> Vec<Flap> {
        let recent =
            self.suspects.iter().filter(|s| now_s.saturating_sub(s.last_s) < FLAP_WINDOW_S);
        let moves = |s: &Suspect| s.n_moves.max(s.n_before);
        let flapping = recent.filter(|s| moves(s) >= FLAP_MOVES);
        let mut flaps: Vec<Flap> = flapping.map(|s| s.flap(moves(s))).collect();
        flaps.sort_unstable_by_key(|flap| (std::cmp::Reverse(flap.n_moves), flap.mac.to_u64()));
        flaps
    }
}

impl Suspect {
    fn flap(&self, n_moves: u32) -> Flap {
        Flap { vid: self.key.vid(), mac: self.key.mac(), ports: self.ports, n_moves }
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    fn key(n: u64) -> Key {
        Key::new(Vid::NONE, MacAddr::from_u64(0x0200_0000_0000 + n))
    }

    fn ports(n: u32) -> (PortNo, PortNo) {
        let port = |n: u32| PortNo::new(u16::try_from(n % 2).unwrap()).unwrap();
        (port(n), port(n + 1))
    }

    #[test]
    fn a_host_that_moves_now_and_then_does_not_flap() {
        let mut flaps = Flaps::default();
        for n in 0..100 {
            // Nine moves in any ten seconds.
            assert!(!flaps.note(key(1), ports(n), n * FLAP_WINDOW_S / (FLAP_MOVES - 1)));
        }
        assert_eq!((flaps.take(), flaps.now(0)), (vec![], vec![]));
    }

    #[test]
    fn an_address_between_two_ports_flaps_is_reported_once_a_window_and_is_forgiven() {
        let mut flaps = Flaps::default();
        let mut n_found = 0;
        for n in 0..3000 {
            n_found += u32::from(flaps.note(key(1), ports(n), 100 + n / 100));
        }
        assert_eq!(n_found, 3);
        let taken = flaps.take();
        assert_eq!((taken.len(), taken[0].n_moves, taken[0].mac), (3, FLAP_MOVES, key(1).mac()));
        assert!(flaps.take().is_empty());
        let [now] = flaps.now(130)[..] else { panic!("one address flaps") };
        assert_eq!((now.n_moves, now.ports), (1000, ports(2999)));
        assert!(flaps.now(129 + FLAP_WINDOW_S).is_empty());
    }

    #[test]
    fn memory_is_bounded_and_the_restless_stay_watched() {
        let mut flaps = Flaps::default();
        for n in 0..100_000u32 {
            flaps.note(key(1000 + u64::from(n)), ports(n), n / 1000);
            if n % 10 == 0 {
                flaps.note(key(1), ports(n / 10), n / 1000);
            }
        }
        assert!(flaps.suspects.len() == N_SUSPECTS && flaps.reports.len() <= N_REPORTS);
        assert!(flaps.now(99).iter().all(|flap| flap.mac == key(1).mac()));
    }
}
