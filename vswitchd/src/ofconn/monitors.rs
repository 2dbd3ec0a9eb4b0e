//! Flow monitors of one connection: which flows it is told of as they come, change and go.
//!
//! # Design
//! Updates of one message's changes go out together. A peer that does not read is paused: until it has
//! read what waits for it, only which flows changed is remembered, and when it has, these are told as
//! they are then. If too many changed, all are told.
//!
//! # References
//! OpenFlow 1.4.1 §7.3.5.17; `nicira-ext.h`, NXST_FLOW_MONITOR; Open vSwitch's `connmgr.c`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{Hash, Hasher};

use openflow::flow::{
    FlowStats, FlowStatsRequest, FlowUpdate, GROUP_ANY, MonitorCommand, MonitorEvent, MonitorFlags,
    MonitorRequest, TABLE_ALL, UpdateFlow,
};
use openflow::{OfAction, OfPort, OfpError};
use packet::flow::FlowMatch;

use crate::ofproto::notice::{Asker, ConnId, FlowChange, FlowEvent};

/// Most monitors of a connection.
const MAX_MONITORS: usize = 1024;
/// Flows that are remembered while the peer does not read; beyond, all are told anew.
const MAX_CHANGED: usize = 65536;
/// Tables that there are.
const N_TABLES: u8 = 254;

/// Which flow: two flows are never alike in this.
#[derive(Clone, PartialEq, Eq, Debug)]
struct FlowId {
    table: u8,
    priority: u16,
    matching: FlowMatch,
}

impl Hash for FlowId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.table, self.priority, self.matching.key().hash(0)).hash(state);
    }
}

impl FlowId {
    fn of(flow: &FlowStats) -> FlowId {
        let FlowStats { table, priority, matching, .. } = flow;
        FlowId { table: *table, priority: *priority, matching: matching.clone() }
    }
}

/// What happened while the peer did not read.
#[derive(Default, Debug)]
struct Paused {
    /// Flows that are new or others, with what is told of them.
    changed: HashMap<FlowId, MonitorEvent>,
    /// More changed than are remembered.
    is_all: bool,
}

/// The monitors of a connection.
#[derive(Default, Debug)]
pub struct Monitors {
    by_id: BTreeMap<u32, MonitorRequest>,
    /// Updates that are not sent yet, and whose changes they tell of.
    updates: Vec<FlowUpdate>,
    batch: Option<Asker>,
    paused: Option<Paused>,
}

impl Monitors {
    /// Takes what a request asks for; the monitors that are to be told of the flows that are there.
    ///
    /// # Errors
    /// `OFPMOFC_*`, and nothing has changed.
    pub fn request(
        &mut self,
        requests: Vec<MonitorRequest>,
    ) -> Result<Vec<MonitorRequest>, OfpError> {
        let mut next = self.by_id.clone();
        let mut initial = Vec::new();
        for request in requests {
            let is_known = next.contains_key(&request.id);
            match request.command {
                MonitorCommand::Add if is_known => return Err(OfpError::MofMonitorExists),
                MonitorCommand::Modify | MonitorCommand::Delete if !is_known => {
                    return Err(OfpError::MofUnknownMonitor);
                }
                MonitorCommand::Delete => {
                    next.remove(&request.id);
                    continue;
                }
                MonitorCommand::Add | MonitorCommand::Modify => {}
            }
            if request.table >= N_TABLES && request.table != TABLE_ALL {
                return Err(OfpError::BrBadTableId);
            }
            if next.len() >= MAX_MONITORS && !is_known {
                return Err(OfpError::MofUnknown);
            }
            if request.flags.contains(MonitorFlags::INITIAL) {
                initial.push(request.clone());
            }
            next.insert(request.id, request);
        }
        self.by_id = next;
        Ok(initial)
    }

    /// Ends a monitor.
    ///
    /// # Errors
    /// `OFPMOFC_UNKNOWN_MONITOR`.
    pub fn cancel(&mut self, id: u32) -> Result<(), OfpError> {
        self.by_id.remove(&id).map(drop).ok_or(OfpError::MofUnknownMonitor)
    }

    /// Takes what happened to a flow. If that begins another message, the updates of the one before.
    pub fn tell(&mut self, event: &FlowEvent, to: ConnId) -> Vec<FlowUpdate> {
        let wanted = match event.change {
            FlowChange::Added => MonitorFlags::ADD,
            FlowChange::Modified => MonitorFlags::MODIFY,
            FlowChange::Removed(_) => MonitorFlags::DELETE,
        };
        let all = self.by_id.values();
        let told = all.filter(|monitor| sees(monitor, &event.flow, wanted));
        let flags = told.fold(MonitorFlags(0), |flags, monitor| flags | monitor.flags);
        if flags.is_empty() {
            return Vec::new();
        }
        if let Some(paused) = &mut self.paused
            && !paused.take(event)
        {
            return Vec::new();
        }
        let before =
            if self.batch == event.by { Vec::new() } else { std::mem::take(&mut self.updates) };
        self.batch = event.by;
        let own = event.by.filter(|by| by.conn == to && self.paused.is_none());
        match own {
            Some(by) if !flags.contains(MonitorFlags::NO_ABBREV) => {
                let abbreviated = FlowUpdate::Abbreviated(by.xid);
                if self.updates.last() != Some(&abbreviated) {
                    self.updates.push(abbreviated);
                }
            }
            _ => {
                let what = match event.change {
                    FlowChange::Added => MonitorEvent::Added,
                    FlowChange::Modified => MonitorEvent::Modified,
                    FlowChange::Removed(reason) => MonitorEvent::Removed(reason as u8),
                };
                self.updates.push(update(&event.flow, what, flags));
            }
        }
        before
    }

    /// The updates that are not sent yet.
    pub fn take(&mut self) -> Vec<FlowUpdate> {
        self.batch = None;
        std::mem::take(&mut self.updates)
    }

    /// The peer does not read.
    pub fn pause(&mut self) {
        self.paused.get_or_insert_default();
    }

    /// Whether the peer is paused.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.paused.is_some()
    }

    /// Whether there is any.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// The peer reads again. The flows of `dump`, which gives those of a request, that changed.
    pub fn resume(
        &mut self,
        mut dump: impl FnMut(&MonitorRequest) -> Vec<FlowStats>,
    ) -> Vec<FlowUpdate> {
        let Some(paused) = self.paused.take() else { return Vec::new() };
        let mut updates = Vec::new();
        // Each flow is told once, whoever else watches it.
        let mut seen = HashSet::new();
        let changes = MonitorFlags::ADD.0 | MonitorFlags::MODIFY.0;
        for monitor in self.by_id.values().filter(|monitor| monitor.flags.0 & changes != 0) {
            for flow in dump(monitor) {
                let id = FlowId::of(&flow);
                let event = match paused.changed.get(&id) {
                    Some(event) => *event,
                    None if paused.is_all => MonitorEvent::Modified,
                    None => continue,
                };
                let wanted = match event {
                    MonitorEvent::Added => MonitorFlags::ADD,
                    _ => MonitorFlags::MODIFY,
                };
                if monitor.flags.contains(wanted) && seen.insert(id) {
                    updates.push(update(&flow, event, monitor.flags));
                }
            }
        }
        updates
    }
}

impl Paused {
    /// Remembers a change; whether it is told at once all the same.
    fn take(&mut self, event: &FlowEvent) -> bool {
        let id = FlowId::of(&event.flow);
        match event.change {
            // A flow of which the peer was never told need not be told to go.
            FlowChange::Removed(_) => {
                let before = self.changed.remove(&id);
                return before != Some(MonitorEvent::Added);
            }
            FlowChange::Added | FlowChange::Modified if self.changed.len() >= MAX_CHANGED => {
                self.is_all = true;
            }
            FlowChange::Added => drop(self.changed.insert(id, MonitorEvent::Added)),
            FlowChange::Modified => {
                self.changed.entry(id).or_insert(MonitorEvent::Modified);
            }
        }
        false
    }
}

/// The flows that initial monitors are told of, each once; `dump` gives those of a request.
pub fn initial(
    monitors: &[MonitorRequest],
    mut dump: impl FnMut(&MonitorRequest) -> Vec<FlowStats>,
) -> Vec<FlowUpdate> {
    let mut updates = Vec::new();
    let mut seen = HashSet::new();
    for monitor in monitors {
        for flow in dump(monitor) {
            if monitors.len() == 1 || seen.insert(FlowId::of(&flow)) {
                updates.push(update(&flow, MonitorEvent::Initial, monitor.flags));
            }
        }
    }
    updates
}

/// The request for the flows that a monitor watches.
#[must_use]
pub fn watched(monitor: &MonitorRequest) -> FlowStatsRequest {
    FlowStatsRequest {
        matching: monitor.matching.clone(),
        table: monitor.table,
        out_port: monitor.out_port,
        out_group: monitor.out_group,
        ..FlowStatsRequest::default()
    }
}

fn update(flow: &FlowStats, event: MonitorEvent, flags: MonitorFlags) -> FlowUpdate {
    let actions =
        if flags.contains(MonitorFlags::ACTIONS) { flow.actions.clone() } else { Vec::new() };
    FlowUpdate::Flow(Box::new(UpdateFlow {
        event,
        table: flow.table,
        priority: flow.priority,
        idle_s: flow.idle_s,
        hard_s: flow.hard_s,
        cookie: flow.cookie,
        matching: flow.matching.clone(),
        actions,
    }))
}

fn sees(monitor: &MonitorRequest, flow: &FlowStats, wanted: MonitorFlags) -> bool {
    monitor.flags.contains(wanted)
        && (monitor.table == TABLE_ALL || monitor.table == flow.table)
        && (monitor.out_port == OfPort::NONE || sends_to(&flow.actions, monitor.out_port))
        && (monitor.out_group == GROUP_ANY || uses_group(&flow.actions, monitor.out_group))
        && flow.matching.is_within(&monitor.matching)
}

fn sends_to(actions: &[OfAction], to: OfPort) -> bool {
    actions.iter().any(|action| match action {
        OfAction::Output { port, .. }
        | OfAction::OutputTrunc { port, .. }
        | OfAction::Enqueue { port, .. } => *port == to,
        OfAction::Controller(_) => to == OfPort::CONTROLLER,
        OfAction::Clone(inner) | OfAction::WriteActions(inner) => sends_to(inner, to),
        _ => false,
    })
}

fn uses_group(actions: &[OfAction], wanted: u32) -> bool {
    actions.iter().any(|action| match action {
        OfAction::Group(group) => *group == wanted,
        OfAction::Clone(inner) | OfAction::WriteActions(inner) => uses_group(inner, wanted),
        _ => false,
    })
}

#[cfg(test)]
mod tests;
