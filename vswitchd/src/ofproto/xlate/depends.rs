//! What a translation depends on beside the packet.
//!
//! # Design
//! Ports and groups have the version of their last change. A look-up in a table depends on that no flow
//! has come or gone that could make it find another: so the key is remembered as it was looked up, as
//! far as it is the same for all packets of the translation, and the table is asked
//! ([`Table::may_affect`](crate::ofproto::tables::Table::may_affect)). A change of one flow thus leaves
//! alone what is cached of others.
//!
//! # Invariants
//! "Unchanged" is certain; "changed" need not be.

use std::collections::BTreeSet;
use std::sync::Arc;

use datapath::BridgeId;
use datapath::snapshot::Version;
use packet::{FlowKey, FlowMask};

use crate::ofproto::view::View;

/// Something that may change as a whole.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Dependency {
    /// The groups and meters of a bridge.
    Groups(BridgeId),
    /// The ports of a bridge.
    Ports(BridgeId),
}

/// A word of a key: its index, its bits, and which of them are known.
type Known = (u8, u64, u64);

/// A look-up in a table.
#[derive(Clone, Debug)]
struct LookUp {
    bridge: BridgeId,
    table: u8,
    /// Shared by look-ups one after the other: in a chain of tables most have the same key.
    known: Arc<[Known]>,
}

/// All that a translation depends on.
#[derive(Clone, Default, Debug)]
pub struct Depends {
    wholes: BTreeSet<Dependency>,
    look_ups: Vec<LookUp>,
}

impl Dependency {
    fn is_unchanged(self, view: &View, since: Version) -> bool {
        let changed = match self {
            Dependency::Groups(bridge) => view.bridge(bridge).map(|b| b.groups_changed),
            Dependency::Ports(bridge) => view.bridge(bridge).map(|b| b.ports_changed),
        };
        changed.is_some_and(|changed| changed <= since)
    }
}

impl LookUp {
    fn is_unchanged(&self, view: &View, since: Version) -> bool {
        let bridge = view.bridge(self.bridge);
        let Some(table) = bridge.and_then(|bridge| bridge.tables.get(self.table)) else {
            return false;
        };
        if table.changed() <= since {
            return true;
        }
        let (mut key, mut known) = (FlowKey::EMPTY, FlowMask::EMPTY);
        for (at, bits, mask) in self.known.iter() {
            key.put_word((*at).into(), *bits);
            known.put_word((*at).into(), *mask);
        }
        !table.may_affect(since, &key, &known)
    }
}

impl Depends {
    /// The translation depends on something.
    pub fn insert(&mut self, dependency: Dependency) {
        self.wholes.insert(dependency);
    }

    /// The translation looked a key up in a table; `known` are the bits of it, in either mask, that are
    /// the same for all packets of the translation.
    pub fn looked_up(
        &mut self,
        (bridge, table): (BridgeId, u8),
        key: &FlowKey,
        known: [&FlowMask; 2],
    ) {
        let [a, b] = known;
        let words = a.nonzero().or(b.nonzero());
        let word =
            |at: usize| Some((u8::try_from(at).ok()?, key.word(at), a.word(at) | b.word(at)));
        let last = self.look_ups.last().map(|look_up| &look_up.known);
        let same = last.filter(|last| words.into_iter().filter_map(word).eq(last.iter().copied()));
        let known = same.map_or_else(|| words.into_iter().filter_map(word).collect(), Arc::clone);
        self.look_ups.push(LookUp { bridge, table, known });
    }

    /// Whether the translation depends on it.
    #[must_use]
    pub fn contains(&self, dependency: Dependency) -> bool {
        self.wholes.contains(&dependency)
    }

    /// Takes in what another translation depends on.
    pub fn add(&mut self, other: Depends) {
        self.wholes.extend(other.wholes);
        self.look_ups.extend(other.look_ups);
    }

    /// Whether nothing has changed since a version such that the translation would be another.
    #[must_use]
    pub fn is_unchanged(&self, view: &View, since: Version) -> bool {
        self.wholes.iter().all(|dependency| dependency.is_unchanged(view, since))
            && self.look_ups.iter().all(|look_up| look_up.is_unchanged(view, since))
    }
}
