//! How what cached flows count reaches the flows that they came from.
//!
//! # Design
//! A translation is cached with a [`FlowCounts`] of its own; the ledger remembers what is to be
//! credited with it: flows, tables, groups. Whoever reads statistics settles the ledger first: what has
//! been counted since the last time is added to each. So a statistic that is asked for after a packet
//! was seen to leave includes it, and the hot path counts in one place however many flows a packet
//! passes.
//!
//! What must live as long as the cached flow (a frozen walk, what is said to controllers) lives with its
//! entry, and a while longer: packets that the flow has handled may still be on their way.
//!
//! # Invariants
//! What is counted is credited exactly once: an entry goes only when nobody else holds its counters,
//! and after its last settlement.
//!
//! # Thread-safety
//! Each poll thread writes entries to a ledger of its own; the control thread settles all. The lock is
//! taken once for a translation, and not on a hit.

use std::sync::atomic::{Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use datapath::action::Tally;
use datapath::upcall::FlowCounts;
use datapath::view::BridgeStats;

use super::classifier::RuleId;
use super::rule::{Counts, FlowRule};
use super::tables::Tables;
use super::xlate::Learned;
use super::xlate::keep::Kept;

/// How long what a flow needed is kept behind its end, nanoseconds.
const LINGER_NS: u64 = 1_000_000_000;

/// What is credited with a packet.
#[derive(Clone)]
pub enum Credit {
    /// A flow, a group or a bucket.
    Counts(Arc<Counts>),
    /// A table in which a look-up was made, and whether it found a flow.
    Table(Arc<Tables>, u8, Found),
    /// A flow that packets teach: it is taught again.
    Learned(Arc<Learned>),
    /// A flow whose timeouts are shortened, since the packet ends a TCP connection.
    Ended(Arc<Ended>),
    /// A bridge whose `sample` actions saw it.
    Sampled(Arc<Tables>),
}

/// What the end of a TCP connection does to a flow (`fin_timeout`).
pub struct Ended {
    /// The flow's bridge.
    pub tables: Arc<Tables>,
    /// Its table, and its number there.
    pub flow: (u8, RuleId),
    /// The flow.
    pub rule: Arc<FlowRule>,
    /// New idle timeout, seconds; 0: as it is.
    pub idle_s: u16,
    /// New hard timeout, seconds; 0: as it is.
    pub hard_s: u16,
}

impl Ended {
    fn settle(&self) {
        self.rule.shortened.shorten(self.idle_s, self.hard_s);
        self.tables.note_shortened(self.flow, &self.rule);
    }
}

/// What a look-up in a table found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found {
    /// A flow.
    Flow,
    /// None.
    Nothing,
}

/// Packets, bytes, and when the last one came.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct Seen {
    packets: u64,
    bytes: u64,
    used_ns: u64,
}

/// Where packets are counted.
pub enum Source {
    /// By a cached flow.
    Flow(Arc<FlowCounts>),
    /// By an action.
    Tally(Arc<Tally>),
    /// By a bridge that has no cached flows.
    Bridge(Arc<BridgeStats>),
}

impl Source {
    fn is_held(&self) -> bool {
        let n = match self {
            Source::Flow(counts) => Arc::strong_count(counts),
            Source::Tally(tally) => Arc::strong_count(tally),
            Source::Bridge(stats) => Arc::strong_count(stats),
        };
        n > 1
    }

    fn seen(&self, now_ns: u64) -> Seen {
        match self {
            Source::Flow(counts) => Seen {
                packets: counts.packets.get(),
                bytes: counts.bytes.get(),
                used_ns: counts.used_ns.get(),
            },
            Source::Tally(tally) => {
                Seen { packets: tally.packets(), bytes: tally.bytes(), used_ns: now_ns }
            }
            Source::Bridge(stats) => Seen {
                packets: stats.sum(|counters| counters.packets.get()),
                bytes: stats.sum(|counters| counters.bytes.get()),
                used_ns: now_ns,
            },
        }
    }
}

/// What was translated.
pub struct Entry {
    /// Where its packets are counted.
    pub source: Source,
    /// What they are credited to.
    pub credits: Box<[Credit]>,
    /// What lives with it.
    pub kept: Box<[Kept]>,
}

struct Account {
    entry: Entry,
    settled: Seen,
    /// Nobody has counted since, nor will.
    ended_ns: Option<u64>,
}

impl Account {
    /// Credits what was counted since the last time; whether there may be more.
    fn settle(&mut self, now_ns: u64, taught: &mut Vec<Arc<Learned>>) -> bool {
        if let Some(ended_ns) = self.ended_ns {
            return now_ns.saturating_sub(ended_ns) < LINGER_NS;
        }
        // Before the counters are read: nobody adds to counters that nobody else holds.
        let is_held = self.entry.source.is_held();
        fence(Ordering::Acquire);
        let seen = self.entry.source.seen(now_ns);
        let packets = seen.packets - self.settled.packets;
        let bytes = seen.bytes.saturating_sub(self.settled.bytes);
        if packets > 0 {
            self.settled = seen;
            for credit in &self.entry.credits {
                match credit {
                    Credit::Counts(counts) => counts.add(packets, bytes, seen.used_ns),
                    Credit::Table(tables, table, found) => {
                        if let Some(table) = tables.get(*table) {
                            table.count(packets, *found);
                        }
                    }
                    Credit::Learned(learned) => taught.push(Arc::clone(learned)),
                    Credit::Ended(ended) => ended.settle(),
                    Credit::Sampled(tables) => tables.sample(packets),
                }
            }
        }
        if !is_held {
            self.ended_ns = Some(now_ns);
        }
        is_held || !self.entry.kept.is_empty()
    }
}

/// What the translations of one poll thread credit.
#[derive(Default)]
pub struct Ledger(Mutex<Vec<Account>>);

impl Ledger {
    /// A translation.
    pub fn enter(&self, entry: Entry) {
        self.accounts().push(Account { entry, settled: Seen::default(), ended_ns: None });
    }

    /// Credits everything that was counted up to now, and forgets what counts no more; adds the flows
    /// that packets have taught.
    pub fn settle(&self, now_ns: u64, taught: &mut Vec<Arc<Learned>>) {
        self.accounts().retain_mut(|account| account.settle(now_ns, taught));
    }

    /// Whether it has no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.accounts().is_empty()
    }

    fn accounts(&self) -> MutexGuard<'_, Vec<Account>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_credited_once_also_after_the_cached_flow_is_gone() {
        let (ledger, counts) = (Ledger::default(), Arc::<Counts>::default());
        let tables = Arc::new(Tables::new(1));
        let cached = Arc::<FlowCounts>::default();
        let credits =
            [Credit::Counts(counts.clone()), Credit::Table(tables.clone(), 3, Found::Nothing)];
        let source = Source::Flow(cached.clone());
        ledger.enter(Entry { source, credits: credits.into(), kept: Box::default() });
        cached.add(2, 120, 0, 50);
        let mut taught = Vec::new();
        ledger.settle(60, &mut taught);
        ledger.settle(61, &mut taught);
        assert_eq!((counts.packets(), counts.bytes(), counts.used_ns()), (2, 120, 50));
        cached.add(1, 60, 0, 70);
        drop(cached);
        ledger.settle(80, &mut taught);
        assert_eq!((counts.packets(), counts.bytes(), counts.used_ns()), (3, 180, 70));
        let table = tables.get(3).unwrap();
        assert_eq!((table.lookups(), table.matched()), (3, 0));
        assert!(ledger.is_empty() && taught.is_empty());
    }
}
