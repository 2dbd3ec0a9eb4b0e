//! The control thread's half of the database: static entries, ageing, listing, flushing.

use std::sync::atomic::Ordering;
use std::time::Duration;

use packet::{MacAddr, Vid};

use super::flap::Flap;
use super::table::Slot;
use super::word::{Key, Value};
use super::{Fdb, FdbConfig, FdbEntry, FdbFull, FdbStats, Learned, PER_HOLD, Writer, seconds};
use crate::ids::PortNo;

impl Fdb {
    /// Sets an address by hand; a learned entry becomes static, a static one may change its port.
    ///
    /// # Errors
    /// The table is full of static entries.
    pub fn add_static(&self, vid: Vid, mac: MacAddr, port: PortNo) -> Result<(), FdbFull> {
        let full = FdbFull { max_entries: self.max_entries };
        let key = Key::new(vid, mac);
        let mut writer = self.lock();
        if let Some((slot, value)) = self.find(key) {
            self.remove_slot(&mut writer, slot, value);
        }
        while let Err(learned) = self.make_room(&mut writer) {
            if learned == Learned::Full {
                return Err(full);
            }
        }
        self.grow(&mut writer);
        self.table.insert(key, Value::fixed(port)).ok_or(full)?;
        writer.stats.current += 1;
        writer.stats.n_static += 1;
        Ok(())
    }

    /// The entry of an address.
    #[must_use]
    pub fn get(&self, vid: Vid, mac: MacAddr, now_s: u32) -> Option<FdbEntry> {
        let key = Key::new(vid, mac);
        let (_, value) = self.find(key)?;
        describe(key, value, now_s)
    }

    /// Removes an address, learned or static; whether there was one.
    pub fn remove(&self, vid: Vid, mac: MacAddr) -> bool {
        let key = Key::new(vid, mac);
        let mut writer = self.lock();
        let found = self.find(key);
        if let Some((slot, value)) = found {
            self.remove_slot(&mut writer, slot, value);
        }
        found.is_some()
    }

    /// Removes all entries, learned and static, of a port and of a VLAN, where given; how many.
    pub fn flush(&self, port: Option<PortNo>, vid: Option<Vid>) -> usize {
        let mut n_removed = 0;
        self.for_each(|writer, slot, key, value| {
            let port_fits = port.is_none() || value.port() == port;
            if port_fits && vid.is_none_or(|vid| key.vid() == vid) {
                self.remove_slot(writer, slot, value);
                n_removed += 1;
            }
        });
        n_removed
    }

    /// Removes all learned entries; how many. Static ones stay, as with `fdb/flush` of Open vSwitch.
    pub fn flush_learned(&self) -> usize {
        let mut n_removed = 0;
        self.for_each(|writer, slot, _, value| {
            if !value.is_static() {
                self.remove_slot(writer, slot, value);
                n_removed += 1;
            }
        });
        n_removed
    }

    /// Removes what was not used for the ageing time; how many. To be called about once a second.
    pub fn expire(&self, now_s: u32) -> usize {
        let Some(cutoff_s) = now_s.checked_sub(self.aging_s.load(Ordering::Relaxed)) else {
            return 0;
        };
        let mut n_removed = 0;
        let ports = self.lock().order.ports();
        for port in ports {
            while self.expire_some(port, cutoff_s, &mut n_removed) {}
        }
        n_removed
    }

    /// One hold of the mutex; whether there is more to do.
    fn expire_some(&self, port: PortNo, cutoff_s: u32, n_removed: &mut usize) -> bool {
        let mut writer = self.lock();
        for _ in 0..PER_HOLD {
            match writer.order.front(port) {
                Some((slot, queued_s)) if queued_s <= cutoff_s => {
                    let stamp_s = self.table.value(slot).stamp_s();
                    if stamp_s > cutoff_s {
                        writer.order.restamp(slot, port, stamp_s);
                    } else {
                        self.remove_learned(&mut writer, slot, port);
                        writer.stats.expired += 1;
                        *n_removed += 1;
                    }
                }
                _ => return false,
            }
        }
        true
    }

    /// The ports behind which an address was learned.
    #[must_use]
    pub fn ports(&self) -> Vec<PortNo> {
        self.lock().order.ports()
    }

    /// Every entry, least recently used first; static ones come first of all. It is not one moment
    /// of the whole table: poll threads go on learning meanwhile.
    #[must_use]
    pub fn entries(&self, now_s: u32) -> Vec<FdbEntry> {
        self.sorted().into_iter().filter_map(|(key, value)| describe(key, value, now_s)).collect()
    }

    fn sorted(&self) -> Vec<(Key, Value)> {
        let mut found = Vec::new();
        let n_homes = self.table.n_homes();
        self.for_each(|writer, slot, key, value| {
            let rank = if value.is_static() {
                (0, 0, key.0)
            } else {
                (1, value.stamp_s(), u64::from(writer.order.seq(slot)))
            };
            found.push((rank, key, value));
        });
        if self.table.n_homes() != n_homes {
            // An entry that moved meanwhile was met twice.
            found.sort_by_key(|(_, key, _)| key.0);
            found.dedup_by_key(|(_, key, _)| key.0);
        }
        found.sort_unstable_by_key(|(rank, ..)| *rank);
        found.into_iter().map(|(_, key, value)| (key, value)).collect()
    }

    /// Visits all entries, in many short holds of the mutex.
    fn for_each(&self, mut visit: impl FnMut(&mut Writer, Slot, Key, Value)) {
        let n_slots = u32::try_from(self.table.n_slots()).unwrap_or(u32::MAX);
        for first in (0..n_slots).step_by(PER_HOLD) {
            let mut writer = self.lock();
            for slot in (first..n_slots).take(PER_HOLD).map(Slot) {
                if let Some((key, value)) = self.table.entry(slot) {
                    visit(&mut writer, slot, key, value);
                }
            }
        }
    }

    /// Counters.
    #[must_use]
    pub fn stats(&self) -> FdbStats {
        FdbStats { deferred: self.deferred.load(Ordering::Relaxed), ..self.lock().stats }
    }

    /// Addresses that flapped since this was asked last, each at most once per
    /// [`FLAP_WINDOW_S`](super::FLAP_WINDOW_S).
    #[must_use]
    pub fn take_flaps(&self) -> Vec<Flap> {
        self.lock().flaps.take()
    }

    /// Addresses that flap now, the most restless first.
    #[must_use]
    pub fn flapping(&self, now_s: u32) -> Vec<Flap> {
        self.lock().flaps.now(now_s)
    }

    /// Changes the ageing time, of entries already learned too.
    pub fn set_aging(&self, aging: Duration) {
        self.aging_s.store(seconds(aging), Ordering::Relaxed);
    }

    /// A new database with another limit, the same ageing time, counters and entries; where these do
    /// not all fit, the ones that the limit would have evicted are left out. If the static ones do
    /// not fit, the first of them stay.
    #[must_use]
    pub fn resized(&self, max_entries: usize) -> Fdb {
        let aging_s = self.aging_s.load(Ordering::Relaxed);
        let aging = Duration::from_secs(aging_s.into());
        let new = Fdb::new(FdbConfig { max_entries, aging });
        let old = self.stats();
        for (key, value) in self.sorted() {
            let Some(port) = value.port() else { continue };
            if value.is_static() {
                // Does not fit: said above.
                let _ = new.add_static(key.vid(), key.mac(), port);
            } else {
                new.learn(key.vid(), key.mac(), port, value.stamp_s());
            }
        }
        new.deferred.store(old.deferred, Ordering::Relaxed);
        {
            let stats = &mut new.lock().stats;
            stats.learned = old.learned;
            stats.expired = old.expired;
            stats.evicted += old.evicted;
            stats.moved = old.moved;
            stats.flapped = old.flapped;
        }
        new
    }
}

fn describe(key: Key, value: Value, now_s: u32) -> Option<FdbEntry> {
    let is_static = value.is_static();
    let age_s = if is_static { 0 } else { now_s.saturating_sub(value.stamp_s()) };
    Some(FdbEntry { vid: key.vid(), mac: key.mac(), port: value.port()?, age_s, is_static })
}
