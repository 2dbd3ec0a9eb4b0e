//! A control plane for tests: rules in tables, by which it translates.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crossbeam_channel::Receiver;
use packet::{FlowMask, FlowMatch};

use super::flows::FlowParts;
use super::{FlowConfig, FlowCounters, Flows};
use crate::action::{Actions, Handed, UserspaceQueue};
use crate::drop_reason::DropReason;
use crate::l2::normal::lab::Lab;
use crate::poll::wake::Wake;
use crate::snapshot::Version;
use crate::upcall::{
    Caching, Dependencies, FlowCounts, Upcall, UpcallHandler, UpcallOutcome, UpcallReason,
};
use crate::view::Program;

/// A flow stage for which `handler` translates, what it counts, and what it hands over.
pub fn flows(
    handler: Option<Box<dyn UpcallHandler>>,
    config: FlowConfig,
) -> (Flows, Arc<FlowCounters>, Receiver<Handed>) {
    let (userspace, handed) = UserspaceQueue::new(Arc::new(Wake::new().unwrap()));
    let stats = Arc::<FlowCounters>::default();
    let parts = FlowParts { handler, config, userspace, stats: stats.clone(), seed: 1 };
    (Flows::new(parts), stats, handed)
}

/// What a packet must have, and what is done with it.
pub type Rule = (FlowMatch, Actions);

#[derive(Default)]
struct Tables {
    version: u64,
    /// Rules of each table, first match wins. A packet is looked up in table 0, and after n
    /// recirculations in table n.
    rules: BTreeMap<u64, Vec<Rule>>,
    /// When each table has changed last.
    changed: BTreeMap<u64, u64>,
    caching: Option<Caching>,
    seen: Vec<UpcallReason>,
    counts: Option<Arc<FlowCounts>>,
}

/// The tables, as the test holds them.
#[derive(Clone, Default)]
pub struct Script(Arc<Mutex<Tables>>);

/// What a thread translates by.
struct Translator {
    script: Script,
    version: Version,
}

impl Script {
    fn with<T>(&self, run: impl FnOnce(&mut Tables) -> T) -> T {
        run(&mut self.0.lock().unwrap())
    }

    /// Replaces a table.
    pub fn set(&self, table: u64, rules: Vec<Rule>) {
        self.with(|tables| {
            tables.version += 1;
            let version = tables.version;
            tables.changed.insert(table, version);
            tables.rules.insert(table, rules);
        });
    }

    /// Translations are not kept.
    pub fn never_install(&self) {
        self.with(|tables| tables.caching = Some(Caching::Once));
    }

    /// Flows count here too.
    pub fn count_in(&self, counts: &Arc<FlowCounts>) {
        self.with(|tables| tables.counts = Some(counts.clone()));
    }

    /// Why packets came up since the last time.
    pub fn take_seen(&self) -> Vec<UpcallReason> {
        self.with(|tables| std::mem::take(&mut tables.seen))
    }

    /// What a packet gets, and what was looked at.
    pub fn translate(&self, key: &packet::FlowKey) -> (Actions, FlowMask) {
        self.with(|tables| {
            let mut mask = FlowMask::EMPTY;
            let table = key.word(packet::flow::place::PORT) & 0xffff_ffff;
            for (rule, actions) in tables.rules.get(&table).into_iter().flatten() {
                mask.add(rule.mask());
                if rule.matches(key) {
                    return (actions.clone(), mask);
                }
            }
            (Actions::drop(DropReason::PipelineDrop), mask)
        })
    }

    /// Who translates by the tables.
    pub fn handler(&self) -> Box<dyn UpcallHandler> {
        Box::new(Translator { script: self.clone(), version: Version(0) })
    }

    /// A bridge of trunks whose frames go by the tables; the far end of the queue beside it.
    pub fn lab(&self, n_ports: usize, config: FlowConfig) -> (Lab, Receiver<Handed>) {
        let mut lab = Lab::trunks(n_ports);
        let (stage, stats, handed) = flows(Some(self.handler()), config);
        (lab.flows, lab.flow_stats) = (stage, stats);
        lab.bridge().program = Program::Flows;
        (lab, handed)
    }
}

impl UpcallHandler for Translator {
    fn refresh(&mut self) -> Version {
        self.version = Version(self.script.with(|tables| tables.version));
        self.version
    }

    fn upcall(&mut self, upcall: &Upcall<'_>) -> UpcallOutcome {
        let (actions, mask) = self.script.translate(upcall.key);
        let table = upcall.key.word(packet::flow::place::PORT) & 0xffff_ffff;
        self.script.with(|tables| {
            tables.seen.push(upcall.reason);
            let caching = tables.caching.unwrap_or(Caching::Install);
            let counts = tables.counts.clone();
            UpcallOutcome { actions, mask, depends: Arc::new(table), counts, caching }
        })
    }

    fn is_current(&self, depends: &Dependencies, version: Version) -> bool {
        let changed = |table: &u64| self.script.with(|t| t.changed.get(table).copied());
        let table = depends.downcast_ref::<u64>();
        table.and_then(changed).unwrap_or(0) <= version.0
    }
}
