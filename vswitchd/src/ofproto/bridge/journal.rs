//! What a message has changed so far, and the way back.
//!
//! # Design
//! Every change is a step with what was there before. A message, or a bundle of them, runs as one
//! transaction: if it fails, its steps are taken back, last one first, and the events that it had to
//! tell are forgotten; if not, tables are marked as changed, and the next publication shows all of it.
//!
//! # Invariants
//! The journal is empty between transactions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datapath::Meter;
use datapath::meter::MeterId;
use datapath::snapshot::Version;
use packet::FlowMatch;

use super::meter_mod::MeterEntry;
use super::store::{Flow, FlowId, Step};
use super::table_mod::TableConfig;
use super::{Cx, Ofproto};
use crate::ofproto::group::Group;
use crate::ofproto::recent::CAPACITY;

/// What was there before a step.
pub(super) enum Undo {
    /// See [`Step`].
    Flow(Step),
    /// A group, by its number.
    Group(u32, Option<Arc<Group>>),
    /// What is known of a meter, by its number.
    Meter(u32, Option<MeterEntry>),
    /// The meter in a place of the datapath's table.
    Slot(MeterId, Option<Arc<Meter>>),
    /// How a table is configured.
    Table(u8, TableConfig),
}

impl Ofproto {
    /// Runs a change as a whole: what fails has changed nothing.
    pub(super) fn transact<E>(
        &mut self,
        cx: &mut Cx<'_>,
        change: impl FnOnce(&mut Ofproto, &mut Cx<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let n_events = cx.events.len();
        let by = cx.by;
        let result = change(self, cx);
        if result.is_ok() {
            self.delete_learned(cx);
        }
        cx.by = by;
        match result {
            Ok(()) => self.commit(cx),
            Err(_) => {
                while let Some(undo) = self.journal.pop() {
                    self.undo(cx, undo);
                }
                self.store.forget_lost();
                cx.events.truncate(n_events);
            }
        }
        result
    }

    fn commit(&mut self, cx: &mut Cx<'_>) {
        let next = cx.next;
        let mut changed = BTreeMap::<u8, BTreeSet<FlowId>>::new();
        for undo in std::mem::take(&mut self.journal) {
            match undo {
                Undo::Flow(step) => {
                    let flow = step.flow();
                    let flows = changed.entry(flow.table).or_default();
                    if flows.len() <= CAPACITY {
                        flows.insert(flow);
                    }
                }
                Undo::Group(..) | Undo::Meter(..) => self.groups_changed = next,
                Undo::Slot(..) => {}
                Undo::Table(..) => continue,
            }
            self.is_dirty = true;
        }
        for (table, flows) in changed {
            self.note_changes(next, table, &flows);
            self.tell_vacancy(cx, table);
        }
    }

    fn note_changes(&self, next: Version, table: u8, flows: &BTreeSet<FlowId>) {
        let Some(table) = self.store.tables().get(table) else { return };
        if flows.len() > CAPACITY {
            return table.set_changed(next);
        }
        let matches = flows.iter().filter_map(|id| Some(self.store.flow(*id)?.matching));
        let mut matches: Vec<FlowMatch> = matches.collect();
        // A flow and the one in its place match the same.
        matches.dedup();
        table.note_changes(next, &matches);
    }

    fn undo(&mut self, cx: &mut Cx<'_>, undo: Undo) {
        match undo {
            Undo::Flow(step) => self.store.undo(step),
            Undo::Group(id, before) => put_back(Arc::make_mut(&mut self.groups), id, before),
            Undo::Meter(id, before) => {
                put_back(Arc::make_mut(&mut self.meters), id, before.as_ref().map(|m| m.slot));
                put_back(&mut self.meter_entries, id, before);
            }
            Undo::Slot(id, Some(before)) => cx.meters.replace(id, before),
            Undo::Slot(id, None) => cx.meters.remove(id),
            Undo::Table(table, before) => self.set_config(table, before),
        }
    }

    /// Puts a flow in.
    pub(super) fn insert_flow(&mut self, cx: &Cx<'_>, flow: &Flow) {
        let step = self.store.insert(flow, cx.next);
        self.journal.extend(step.map(Undo::Flow));
    }

    /// Takes a flow out.
    pub(super) fn retire_flow(&mut self, cx: &Cx<'_>, id: FlowId) {
        let step = self.store.retire(id, cx.next);
        self.journal.extend(step.map(Undo::Flow));
    }

    /// Puts a group in or takes it out.
    pub(super) fn put_group(&mut self, id: u32, group: Option<Arc<Group>>) {
        let before = self.groups.get(&id).cloned();
        put_back(Arc::make_mut(&mut self.groups), id, group);
        self.journal.push(Undo::Group(id, before));
    }

    /// Writes down what is known of a meter.
    pub(super) fn put_meter(&mut self, id: u32, entry: Option<MeterEntry>) {
        put_back(Arc::make_mut(&mut self.meters), id, entry.as_ref().map(|m| m.slot));
        let before = self.meter_entries.get(&id).cloned();
        put_back(&mut self.meter_entries, id, entry);
        self.journal.push(Undo::Meter(id, before));
    }
}

fn put_back<T>(map: &mut BTreeMap<u32, T>, id: u32, value: Option<T>) {
    match value {
        Some(value) => map.insert(id, value),
        None => map.remove(&id),
    };
}
