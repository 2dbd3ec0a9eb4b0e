//! The database against a naive model, and under threads.

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const N_MACS: u64 = 24;
const N_PORTS: u16 = 4;

#[derive(Clone, Debug)]
enum Step {
    Learn { vid: u16, mac: u64, port: u16 },
    Static { vid: u16, mac: u64, port: u16 },
    Remove { vid: u16, mac: u64 },
    Flush { vid: Option<u16>, port: Option<u16> },
    Wait(u32),
    Expire,
    SetAging(u32),
    Resize(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ModelEntry {
    port: u16,
    stamp_s: u32,
    is_static: bool,
}

#[derive(Default)]
struct Model {
    entries: HashMap<(u16, u64), ModelEntry>,
    max_entries: usize,
    aging_s: u32,
    now_s: u32,
    /// Learned, expired, evicted, moved.
    counts: [u64; 4],
}

impl Model {
    fn n_learned_on(&self, port: u16) -> usize {
        self.entries.values().filter(|e| e.port == port && !e.is_static).count()
    }

    /// Keys of which one must be evicted: those of the oldest second of a port that holds most.
    fn victims(&self) -> Vec<(u16, u64)> {
        let most = (0..N_PORTS).map(|port| self.n_learned_on(port)).max().unwrap_or(0);
        let on = |port| self.entries.iter().filter(move |(_, e)| e.port == port && !e.is_static);
        let largest = (0..N_PORTS).filter(|port| most > 0 && self.n_learned_on(*port) == most);
        let oldest = largest.flat_map(|port| {
            let oldest_s = on(port).map(|(_, e)| e.stamp_s).min();
            on(port).filter(move |(_, e)| Some(e.stamp_s) == oldest_s).map(|(key, _)| *key)
        });
        oldest.collect()
    }

    /// Follows an eviction that the database chose, if it was a fair one.
    fn make_room(&mut self, fdb: &Fdb) -> Result<(), TestCaseError> {
        if self.entries.len() >= self.max_entries {
            let victims = self.victims();
            let gone: Vec<_> =
                self.entries.keys().filter(|key| at(fdb, **key).is_none()).copied().collect();
            prop_assert_eq!(gone.len(), 1, "evicted {:?}", gone);
            prop_assert!(victims.contains(&gone[0]), "{:?} not of {:?}", gone, victims);
            self.entries.remove(&gone[0]);
            self.counts[2] += 1;
        }
        Ok(())
    }

    fn learn(&mut self, fdb: &Fdb, key: (u16, u64), port: u16) -> Result<(), TestCaseError> {
        let (now_s, wanted) = (self.now_s, fdb_key(key));
        let really = fdb.learn(wanted.0, wanted.1, port_no(port), now_s);
        let new = ModelEntry { port, stamp_s: now_s, is_static: false };
        let expected = match self.entries.get(&key).copied() {
            Some(entry) if entry.is_static => Learned::Static,
            Some(entry) => {
                self.entries.insert(key, new);
                self.counts[3] += u64::from(entry.port != port);
                if entry.port == port { Learned::Known } else { Learned::Moved }
            }
            None if self.entries.len() >= self.max_entries && self.victims().is_empty() => {
                Learned::Full
            }
            None => {
                self.make_room(fdb)?;
                self.entries.insert(key, new);
                self.counts[0] += 1;
                Learned::New
            }
        };
        prop_assert_eq!(really, expected);
        Ok(())
    }

    fn add_static(&mut self, fdb: &Fdb, key: (u16, u64), port: u16) -> Result<(), TestCaseError> {
        let wanted = fdb_key(key);
        let really = fdb.add_static(wanted.0, wanted.1, port_no(port));
        self.entries.remove(&key);
        let full = self.entries.len() >= self.max_entries && self.victims().is_empty();
        prop_assert_eq!(really.is_err(), full);
        if !full {
            self.make_room(fdb)?;
            self.entries.insert(key, ModelEntry { port, stamp_s: 0, is_static: true });
        }
        Ok(())
    }

    fn retain(&mut self, keep: impl Fn(&(u16, u64), &ModelEntry) -> bool) -> usize {
        let before = self.entries.len();
        self.entries.retain(|key, entry| keep(key, entry));
        before - self.entries.len()
    }

    fn apply(&mut self, fdb: &mut Fdb, step: &Step) -> Result<(), TestCaseError> {
        match *step {
            Step::Learn { vid, mac, port } => self.learn(fdb, (vid, mac), port)?,
            Step::Static { vid, mac, port } => self.add_static(fdb, (vid, mac), port)?,
            Step::Remove { vid, mac } => {
                let key = fdb_key((vid, mac));
                let removed = self.entries.remove(&(vid, mac)).is_some();
                prop_assert_eq!(fdb.remove(key.0, key.1), removed);
            }
            Step::Flush { vid, port } => {
                let n = self.retain(|key, entry| {
                    vid.is_some_and(|vid| key.0 != vid) || port.is_some_and(|p| entry.port != p)
                });
                let vid = vid.and_then(Vid::new);
                prop_assert_eq!(fdb.flush(port.map(port_no), vid), n);
            }
            Step::Wait(seconds) => self.now_s += seconds,
            Step::Expire => {
                let (now_s, aging_s) = (self.now_s, self.aging_s);
                let n = self.retain(|_, e| e.is_static || now_s - e.stamp_s < aging_s);
                self.counts[1] += n as u64;
                prop_assert_eq!(fdb.expire(now_s), n);
            }
            Step::SetAging(seconds) => {
                self.aging_s = seconds;
                fdb.set_aging(Duration::from_secs(seconds.into()));
            }
            Step::Resize(max_entries) => {
                // Which entries a smaller table keeps is another test's business.
                self.max_entries = max_entries.max(self.entries.len()).max(1);
                *fdb = fdb.resized(self.max_entries);
            }
        }
        Ok(())
    }

    fn check(&self, fdb: &Fdb) -> Result<(), TestCaseError> {
        let listed = fdb.entries(self.now_s);
        prop_assert_eq!(listed.len(), self.entries.len());
        let mut last_age = u32::MAX;
        for entry in listed {
            let key = (entry.vid.get(), entry.mac.to_u64());
            let expected = self.entries.get(&key);
            let age_s = expected.map(|e| if e.is_static { 0 } else { self.now_s - e.stamp_s });
            prop_assert_eq!(expected.map(|e| (e.port, e.is_static)), at(fdb, key));
            prop_assert_eq!((entry.port.get(), age_s), (expected.unwrap().port, Some(entry.age_s)));
            if !entry.is_static {
                prop_assert!(entry.age_s <= last_age, "not in order of use");
                last_age = entry.age_s;
            }
        }
        let s = fdb.stats();
        prop_assert_eq!([s.learned, s.expired, s.evicted, s.moved], self.counts);
        let n_static = self.entries.values().filter(|e| e.is_static).count();
        prop_assert_eq!((s.current, s.n_static), (self.entries.len(), n_static));
        Ok(())
    }
}

fn fdb_key(key: (u16, u64)) -> (Vid, MacAddr) {
    (Vid::new(key.0).unwrap(), MacAddr::from_u64(key.1))
}

fn port_no(port: u16) -> PortNo {
    PortNo::new(port).unwrap()
}

/// Port and kind of an entry, by look-up.
fn at(fdb: &Fdb, key: (u16, u64)) -> Option<(u16, bool)> {
    let (vid, mac) = fdb_key(key);
    let entry = fdb.get(vid, mac, 0)?;
    assert_eq!(fdb.lookup(vid, mac), Some(entry.port));
    Some((entry.port.get(), entry.is_static))
}

fn step() -> impl Strategy<Value = Step> {
    let (vid, mac, port) = (0..2u16, 0..N_MACS, 0..N_PORTS);
    let key = (vid.clone(), mac.clone(), port.clone());
    prop_oneof![
        20 => key.clone().prop_map(|(vid, mac, port)| Step::Learn { vid, mac, port }),
        5 => Just(0).prop_flat_map(move |_| (0..2u16, 0..N_MACS))
            .prop_map(|(vid, mac)| Step::Learn { vid, mac, port: 0 }),
        1 => key.prop_map(|(vid, mac, port)| Step::Static { vid, mac, port }),
        1 => (vid.clone(), mac).prop_map(|(vid, mac)| Step::Remove { vid, mac }),
        1 => (prop::option::of(vid), prop::option::of(port))
            .prop_map(|(vid, port)| Step::Flush { vid, port }),
        4 => (0..5u32).prop_map(Step::Wait),
        2 => Just(Step::Expire),
        1 => (1..20u32).prop_map(Step::SetAging),
        1 => (1..30usize).prop_map(Step::Resize),
    ]
}

proptest! {
    #[test]
    fn the_database_does_what_the_model_does(
        max_entries in 1..30usize,
        steps in vec(step(), 1..200),
    ) {
        let aging_s = 10;
        let config = FdbConfig { max_entries, aging: Duration::from_secs(aging_s.into()) };
        let mut fdb = Fdb::new(config);
        let mut model = Model { max_entries, aging_s, ..Model::default() };
        for step in &steps {
            model.apply(&mut fdb, step)?;
            model.check(&fdb)?;
        }
    }
}

/// Looks up an address that is there. A look-up may give up on a writer that was preempted half-way.
fn insist(fdb: &Fdb, mac: MacAddr) -> PortNo {
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    loop {
        match fdb.lookup(Vid::NONE, mac) {
            Some(port) => return port,
            None => assert!(std::time::Instant::now() < deadline, "{mac} is not found"),
        }
        std::thread::yield_now();
    }
}

/// Two poll threads learn and look up while the control thread flushes, expires and lists.
/// Addresses of the second half stay where they are and must be found at every moment.
#[test]
fn threads_agree() {
    const N: u64 = 600;
    let mac = MacAddr::from_u64;
    let fdb = Fdb::new(FdbConfig { max_entries: 800, aging: Duration::from_secs(1_000_000) });
    (N..2 * N - 300).for_each(|n| fdb.add_static(Vid::NONE, mac(n), port_no(7)).unwrap());
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for poll in 0..2u16 {
            let (fdb, done) = (&fdb, &done);
            scope.spawn(move || {
                let mut now_s = 0;
                while !done.load(Ordering::Relaxed) {
                    now_s += 1;
                    for n in 0..N {
                        fdb.learn(Vid::NONE, mac(n), port_no(poll + u16::from(n % 3 == 0)), now_s);
                        // Known on one of the ports that were ever learned, or not at all.
                        let found = fdb.lookup(Vid::NONE, mac(n));
                        assert!(found.is_none_or(|port| port.get() < 3), "{n}: {found:?}");
                        assert_eq!(insist(fdb, mac(N + n % 300)), port_no(7), "{n}");
                    }
                }
            });
        }
        for round in 0..300u16 {
            fdb.flush(Some(port_no(round % 3)), None);
            let entries = fdb.entries(0);
            assert!(entries.len() <= 800 && entries.iter().filter(|e| e.is_static).count() == 300);
            fdb.expire(1_000_000 + u32::from(round));
            assert!(fdb.stats().current <= 800);
        }
        done.store(true, Ordering::Relaxed);
    });
    // What is left is in one piece: everything listed is found, and can be removed.
    let entries = fdb.entries(0);
    assert_eq!(entries.len(), fdb.stats().current);
    assert!(entries.iter().all(|e| fdb.lookup(e.vid, e.mac) == Some(e.port)));
    assert_eq!((fdb.flush(None, None), fdb.stats().current), (entries.len(), 0));
}
