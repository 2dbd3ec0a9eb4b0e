//! The forwarding database: where each (VID, MAC) was seen last.
//!
//! # Design
//! Poll threads look up two keys per frame, source and destination; a key changes rarely. So the
//! database is an open hash table of cache-line buckets ([`bucket`], [`table`]) that is read without
//! locks, in one cache miss for nearly every key, and a writer's half ([`lru`], counters) behind a
//! mutex:
//!
//! | what a poll thread finds | what it does |
//! |---|---|
//! | source known, same port, seen this second | nothing |
//! | known, same port, last seen earlier | a compare-and-swap of the entry's value |
//! | new or moved | takes the mutex if it is free; if not, leaves it to the next frame |
//!
//! So no poll thread ever waits, and an entry's cache line is written at most once a second.
//!
//! The table takes as much memory as its entries need, not as much as `max_entries` may once need: for
//! each new address it grows by a home bucket ([`table`]), which moves an entry or two.
//!
//! **Limit.** A full table makes room by evicting the entry least recently used (to the second) of the
//! port that holds most, so that a port which floods new addresses evicts its own. The lists that know
//! this order are brought up to date lazily, at most [`MAX_RESTAMPS`] entries per new address; if that
//! does not suffice, the new address is left to a later frame. An eviction is thus exact and its cost
//! bounded, whatever the traffic and the size of the table.
//!
//! **Gratuitous ARP** gets no treatment of its own: every frame refreshes and moves its source at once.
//! The 5 s during which Open vSwitch locks an address after a gratuitous ARP concern bonded ports only.
//!
//! # Invariants
//! - A key is in the table at most once. Multicast sources are not learned; callers see to it.
//! - Each learned entry is in exactly one list of [`lru::Order`]; static ones are in none, and neither
//!   move nor age nor are evicted.
//! - `current` ≤ `max_entries`.
//!
//! # Thread-safety
//! All methods take `&self`. [`Fdb::lookup`] and [`Fdb::learn`] never block. The others take the mutex,
//! in many short holds where they go over the whole table, and are meant for the control thread.
//! A port's entries are flushed after a snapshot without the port was taken by all poll threads;
//! before that they may still learn.

mod bucket;
mod control;
mod flap;
mod lru;
mod sync;
mod table;
mod word;

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use packet::{MacAddr, Vid};

use crate::ids::PortNo;
use bucket::Probe;
use flap::Flaps;
pub use flap::{FLAP_MOVES, FLAP_WINDOW_S, Flap};
use lru::Order;
use table::{Moved, Slot, Table, View};
use word::{Hasher, Value};

pub(crate) use table::Home;
pub(crate) use word::Key;

/// Upper limit of [`FdbConfig::max_entries`]; larger values are cut to it.
pub const MAX_ENTRIES: usize = 1 << 24;
/// Most entries whose place in the order is corrected for one new address.
pub const MAX_RESTAMPS: usize = 64;
/// Entries that one growth moves, with room to spare.
const MOVED_CAP: usize = 16;
/// Slots or entries handled per hold of the mutex.
const PER_HOLD: usize = 512;

/// Size and ageing of a database.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FdbConfig {
    /// Most entries, static ones included.
    pub max_entries: usize,
    /// Learned entries not used for so long are removed; whole seconds count.
    pub aging: Duration,
}

/// One entry, for people.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FdbEntry {
    /// The VLAN.
    pub vid: Vid,
    /// The address.
    pub mac: MacAddr,
    /// Where it is.
    pub port: PortNo,
    /// Seconds since it was used last; 0 for a static entry.
    pub age_s: u32,
    /// Set by hand: does not move or age.
    pub is_static: bool,
}

/// What became of a source address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Learned {
    /// Known on this port (the second of last use is noted).
    Known,
    /// New.
    New,
    /// Known on another port, and moved.
    Moved,
    /// A static entry stands, whatever its port.
    Static,
    /// Left to a later frame: another thread holds the mutex, or making room would take too long.
    Later,
    /// No room: all entries are static.
    Full,
}

/// Counters of a database, with the meaning of `fdb/stats-show` of Open vSwitch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FdbStats {
    /// Entries now, static ones included.
    pub current: usize,
    /// Most entries.
    pub max_entries: usize,
    /// Static entries now.
    pub n_static: usize,
    /// Entries ever learned.
    pub learned: u64,
    /// Learned entries removed for their age.
    pub expired: u64,
    /// Learned entries removed to make room.
    pub evicted: u64,
    /// Times that an address moved to another port.
    pub moved: u64,
    /// Times that an address was found to move to and fro, once per [`FLAP_WINDOW_S`] each.
    pub flapped: u64,
    /// Times that learning was left to a later frame.
    pub deferred: u64,
}

/// A static entry that does not fit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the table is full of static entries ({max_entries}, see mac-table-size)")]
pub struct FdbFull {
    /// The limit.
    pub max_entries: usize,
}

/// What the mutex guards.
struct Writer {
    order: Order,
    stats: FdbStats,
    flaps: Flaps,
    /// Entries that growth has moved; empty but while it does.
    moved: Vec<Moved>,
}

/// A forwarding database.
pub struct Fdb {
    table: Table,
    writer: Mutex<Writer>,
    max_entries: usize,
    aging_s: AtomicU32,
    deferred: AtomicU64,
}

/// A database as the stage sees it: keys are hashed once, and fetched before they are needed.
#[derive(Clone, Copy)]
pub(crate) struct FdbReader<'a> {
    fdb: &'a Fdb,
    view: View<'a>,
}

impl FdbReader<'_> {
    /// Where the search for a key begins.
    #[inline]
    pub fn home(&self, key: Key) -> Home {
        self.view.home(key)
    }

    /// Starts to bring a home into the cache; the value has no meaning.
    #[inline]
    pub fn touch(&self, home: Home) -> u64 {
        self.view.touch(home)
    }

    /// [`Fdb::lookup`].
    #[inline]
    pub fn lookup(&self, key: Key, home: Home) -> Option<PortNo> {
        self.view.find(key, home).and_then(|(_, value)| value.port())
    }

    /// [`Fdb::learn`].
    #[inline]
    pub fn learn(&self, key: Key, home: Home, port: PortNo, now_s: u32) -> Learned {
        match self.view.at_home(key, home) {
            Probe::Found(_, value) if value.is_learned_on(port) && value.stamp_s() >= now_s => {
                Learned::Known
            }
            _ => self.learn_now(key, home, port, now_s),
        }
    }

    /// [`FdbReader::learn`] if there may be something to note.
    #[inline(never)]
    fn learn_now(&self, key: Key, home: Home, port: PortNo, now_s: u32) -> Learned {
        match self.view.find(key, home) {
            Some((slot, value)) if value.is_learned_on(port) => {
                if value.stamp_s() < now_s {
                    self.view.refresh(slot, value, now_s);
                }
                Learned::Known
            }
            Some((_, value)) if value.is_static() => Learned::Static,
            _ => self.fdb.learn_slowly(key, port, now_s),
        }
    }
}

/// Whole seconds, at least one.
fn seconds(aging: Duration) -> u32 {
    u32::try_from(aging.as_secs().max(1)).unwrap_or(u32::MAX)
}

impl Fdb {
    /// An empty database.
    #[must_use]
    pub fn new(config: FdbConfig) -> Fdb {
        let max_entries = config.max_entries.clamp(1, MAX_ENTRIES);
        let table = Table::new(max_entries, Hasher::new());
        let order = Order::new(table.n_slots());
        let stats = FdbStats { max_entries, ..FdbStats::default() };
        let (flaps, moved) = (Flaps::default(), Vec::with_capacity(MOVED_CAP));
        Fdb {
            table,
            writer: Mutex::new(Writer { order, stats, flaps, moved }),
            max_entries,
            aging_s: AtomicU32::new(seconds(config.aging)),
            deferred: AtomicU64::new(0),
        }
    }

    /// Where an address is. Lock-free, wait-free.
    #[must_use]
    pub fn lookup(&self, vid: Vid, mac: MacAddr) -> Option<PortNo> {
        let (reader, key) = (self.reader(), Key::new(vid, mac));
        reader.lookup(key, reader.home(key))
    }

    /// Notes that `mac`, a unicast address, was seen as a source on `port`. Never blocks.
    pub fn learn(&self, vid: Vid, mac: MacAddr, port: PortNo, now_s: u32) -> Learned {
        let (reader, key) = (self.reader(), Key::new(vid, mac));
        reader.learn(key, reader.home(key), port, now_s)
    }

    /// The poll threads' way in, for a batch.
    #[inline]
    pub(crate) fn reader(&self) -> FdbReader<'_> {
        FdbReader { fdb: self, view: self.table.view() }
    }

    fn find(&self, key: Key) -> Option<(Slot, Value)> {
        let view = self.table.view();
        view.find(key, view.home(key))
    }

    #[cold]
    fn learn_slowly(&self, key: Key, port: PortNo, now_s: u32) -> Learned {
        let learned = match self.writer.try_lock() {
            Ok(mut writer) => self.learn_locked(&mut writer, key, port, now_s),
            Err(TryLockError::Poisoned(e)) => {
                self.learn_locked(&mut e.into_inner(), key, port, now_s)
            }
            Err(TryLockError::WouldBlock) => Learned::Later,
        };
        if learned == Learned::Later {
            self.deferred.fetch_add(1, Ordering::Relaxed);
        }
        learned
    }

    fn learn_locked(&self, writer: &mut Writer, key: Key, port: PortNo, now_s: u32) -> Learned {
        // The look before may have been an older state, or given up.
        match self.find(key) {
            Some((_, value)) if value.is_static() => Learned::Static,
            Some((_, value)) if value.is_learned_on(port) => Learned::Known,
            Some((slot, value)) => {
                if let Some(old) = value.port() {
                    writer.order.remove(slot, old);
                }
                self.table.set_value(slot, Value::learned(port, now_s));
                writer.order.push(slot, port, now_s);
                writer.stats.moved += 1;
                if let Some(old) = value.port()
                    && writer.flaps.note(key, (old, port), now_s)
                {
                    writer.stats.flapped += 1;
                }
                Learned::Moved
            }
            None => {
                if let Err(learned) = self.make_room(writer) {
                    return learned;
                }
                self.grow(writer);
                let Some(slot) = self.table.insert(key, Value::learned(port, now_s)) else {
                    return Learned::Full;
                };
                writer.order.push(slot, port, now_s);
                writer.stats.current += 1;
                writer.stats.learned += 1;
                Learned::New
            }
        }
    }

    /// Keeps about a home bucket per entry: looks stay short, and the memory small. A slot found before
    /// is no longer good.
    fn grow(&self, writer: &mut Writer) {
        if writer.stats.current < self.table.n_homes() {
            return;
        }
        self.table.grow(&mut writer.moved);
        for Moved { from, to, value } in writer.moved.drain(..) {
            if let Some(port) = value.port().filter(|_| !value.is_static()) {
                writer.order.relocate(from, to, port);
            }
        }
    }

    /// Sees to it that one more entry fits.
    fn make_room(&self, writer: &mut Writer) -> Result<(), Learned> {
        if writer.stats.current < self.max_entries {
            return Ok(());
        }
        let port = writer.order.largest().ok_or(Learned::Full)?;
        for _ in 0..MAX_RESTAMPS {
            let Some((slot, queued_s)) = writer.order.front(port) else { break };
            let stamp_s = self.table.value(slot).stamp_s();
            if stamp_s <= queued_s {
                self.remove_learned(writer, slot, port);
                writer.stats.evicted += 1;
                return Ok(());
            }
            writer.order.restamp(slot, port, stamp_s);
        }
        Err(Learned::Later)
    }

    fn remove_learned(&self, writer: &mut Writer, slot: Slot, port: PortNo) {
        writer.order.remove(slot, port);
        self.table.remove(slot);
        writer.stats.current -= 1;
    }

    fn lock(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes an entry of either kind.
    fn remove_slot(&self, writer: &mut Writer, slot: Slot, value: Value) {
        if value.is_static() {
            self.table.remove(slot);
            writer.stats.current -= 1;
            writer.stats.n_static -= 1;
        } else if let Some(port) = value.port() {
            self.remove_learned(writer, slot, port);
        }
    }
}

#[cfg(test)]
#[cfg(loom)]
mod loom;
#[cfg(test)]
#[cfg(not(loom))]
mod model;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;
