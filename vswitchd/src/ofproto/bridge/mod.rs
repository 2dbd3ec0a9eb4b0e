//! The OpenFlow side of a bridge: flows, groups and meters, and the messages that change them.
//!
//! # Design
//! - [`store`]: flows, and what is known of all of them; [`select`]: which ones are meant.
//! - [`flow_mod`], [`group_mod`] with [`buckets`], [`meter_mod`], [`table_mod`], [`tlv`]: the messages;
//!   [`expire`] and [`evict`]: flows that go by themselves; [`fail_open`]: one that is hidden;
//!   [`learned`]: those that packets teach.
//! - [`stats`] answers requests, with [`table_features`]; [`event`] says what connections are told.
//! - [`journal`]: how a change is taken back.
//!
//! Messages are prepared, applied and, if one of a bundle is refused, reverted; all under the version
//! that comes next ([`Cx::next`]), so that nobody sees half of it.
//!
//! # Thread-safety
//! For the control thread. What poll threads see is in [`Tables`] and in the maps that are handed out
//! whole.

mod buckets;
mod event;
mod evict;
mod expire;
mod fail_open;
mod flow_mod;
mod group_mod;
mod journal;
mod learned;
mod meter_mod;
mod select;
mod stats;
mod store;
mod table_features;
mod table_mod;
#[cfg(test)]
mod tests;
mod tlv;
mod uses;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use datapath::meter::MeterId;
use datapath::snapshot::Version;
use openflow::flow::{FlowCommand, FlowMod};
use openflow::group::GROUP_ALL;
use openflow::meter::MeterId as OfMeterId;
use openflow::{Message, OfAction, OfPort, OfpError, StatsReply, StatsRequest};

use super::group::Group;
use super::meter_slots::MeterSlots;
use super::notice::{Asker, Event};
use super::tables::{N_TABLES, Tables};

use journal::Undo;
use meter_mod::MeterEntry;
use store::Store;
use table_mod::TableConfig;

pub use event::age;
pub use fail_open::FailOpen;
pub use table_mod::{Overflow, TableSettings};

/// What a change is made in.
pub struct Cx<'a> {
    /// The time, nanoseconds of the engine's clock.
    pub now_ns: u64,
    /// The version under which changes are seen.
    pub next: Version,
    /// Who asks; `None`: the switch itself (learning, timeouts).
    pub by: Option<Asker>,
    /// What connections are to be told.
    pub events: &'a mut Vec<Event>,
    /// The datapath's meters.
    pub meters: &'a mut MeterSlots,
}

/// What there is in a bridge's tables, so that the datapath can take the shortest way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// No flow: everything is dropped.
    Empty,
    /// One flow: everything goes to NORMAL, and nothing else is done.
    Normal,
    /// Flows.
    Flows,
}

/// Whether events of flows are told, which costs time and space with each change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Watch {
    /// Somebody listens.
    On,
    /// Nobody does.
    Off,
}

/// The OpenFlow side of a bridge.
pub struct Ofproto {
    store: Store,
    configs: Vec<TableConfig>,
    /// Names of tables that a controller gave.
    names: BTreeMap<u8, String>,
    /// What is configured of tables, where it is not the default.
    settings: BTreeMap<u8, TableSettings>,
    meter_entries: BTreeMap<u32, MeterEntry>,
    journal: Vec<Undo>,
    watch: Watch,
    groups: Arc<BTreeMap<u32, Arc<Group>>>,
    meters: Arc<BTreeMap<u32, MeterId>>,
    groups_changed: Version,
    has_new_options: bool,
    is_dirty: bool,
}

impl Ofproto {
    /// Without flows. `seed` should be random.
    #[must_use]
    pub fn new(seed: u64) -> Ofproto {
        Ofproto {
            store: Store::new(Arc::new(Tables::new(seed))),
            configs: vec![TableConfig::default(); usize::from(N_TABLES)],
            names: BTreeMap::new(),
            settings: BTreeMap::new(),
            meter_entries: BTreeMap::new(),
            journal: Vec::new(),
            watch: Watch::On,
            groups: Arc::default(),
            meters: Arc::default(),
            groups_changed: Version(0),
            has_new_options: false,
            is_dirty: false,
        }
    }

    /// Its tables.
    #[must_use]
    pub fn tables(&self) -> &Arc<Tables> {
        self.store.tables()
    }

    /// Its groups.
    #[must_use]
    pub fn groups(&self) -> &Arc<BTreeMap<u32, Arc<Group>>> {
        &self.groups
    }

    /// Its meters, by OpenFlow number.
    #[must_use]
    pub fn meters(&self) -> &Arc<BTreeMap<u32, MeterId>> {
        &self.meters
    }

    /// The version of the last change to groups or meters.
    #[must_use]
    pub fn groups_changed(&self) -> Version {
        self.groups_changed
    }

    /// Whether something has changed that is to be published, since this was last asked.
    pub fn take_dirty(&mut self) -> bool {
        std::mem::take(&mut self.is_dirty)
    }

    /// Whether something has changed that is to be published.
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        self.is_dirty
    }

    /// Says whether [`Event::Flow`] is wanted; it is, until this is called. Who has asked for
    /// [`Event::FlowRemoved`] gets it in any case.
    pub const fn set_watch(&mut self, watch: Watch) {
        self.watch = watch;
    }

    /// What there is.
    #[must_use]
    pub fn shape(&self) -> Shape {
        match (self.store.n_flows(0), self.store.n_normal()) {
            _ if self.fail_open() == FailOpen::On => Shape::Normal,
            (0, _) => Shape::Empty,
            (1, 1) => Shape::Normal,
            _ => Shape::Flows,
        }
    }

    /// Does what a FLOW_MOD, GROUP_MOD, METER_MOD or TABLE_MOD says; what is refused changes nothing.
    ///
    /// # Errors
    /// What the message deserves.
    pub fn change(&mut self, cx: &mut Cx<'_>, message: &Message) -> Result<(), OfpError> {
        self.transact(cx, |this, cx| this.obey(cx, message))
    }

    fn obey(&mut self, cx: &mut Cx<'_>, message: &Message) -> Result<(), OfpError> {
        match message {
            Message::FlowMod(flow) => self.flow_mod(cx, flow),
            Message::GroupMod(group) => self.group_mod(cx, group),
            Message::MeterMod(meter) => self.meter_mod(cx, meter),
            Message::TableMod(table) => self.table_mod(table),
            _ => Err(OfpError::BrBadType),
        }
    }

    /// Does what all of these messages say, or nothing. Each has its transaction number.
    ///
    /// # Errors
    /// Which one was refused, and what it deserves.
    pub fn change_all(
        &mut self,
        cx: &mut Cx<'_>,
        messages: &[(u32, Message)],
    ) -> Result<(), (usize, OfpError)> {
        self.transact(cx, |this, cx| {
            for (at, (xid, message)) in messages.iter().enumerate() {
                cx.by = cx.by.map(|by| Asker { xid: *xid, ..by });
                this.obey(cx, message).map_err(|error| (at, error))?;
            }
            Ok(())
        })
    }

    /// Answers a request about flows, tables, groups or meters. Ledgers are settled.
    ///
    /// # Errors
    /// What the request deserves.
    pub fn stats(
        &self,
        meters: &MeterSlots,
        now_ns: u64,
        request: &StatsRequest,
    ) -> Result<StatsReply, OfpError> {
        self.answer(meters, now_ns, request)
    }

    /// Lets flows go whose time is over. Ledgers are settled.
    pub fn expire(&mut self, cx: &mut Cx<'_>) {
        self.always(cx, Ofproto::expire_flows);
    }

    /// Deletes all flows, groups and meters.
    pub fn clear(&mut self, cx: &mut Cx<'_>) {
        self.always(cx, |this, cx| {
            this.delete_all_flows(cx);
            this.delete_groups(cx, GROUP_ALL);
            this.delete_meters(cx, OfMeterId::ALL);
        });
    }

    /// Puts the flow in that a bridge without a controller has: `priority=0 actions=NORMAL`.
    pub fn add_normal(&mut self, cx: &mut Cx<'_>) {
        let actions = vec![OfAction::output(OfPort::NORMAL)];
        let flow = FlowMod { priority: 0, actions, ..FlowMod::new(FlowCommand::Add) };
        // Nothing of it can be refused but by a full table, which has flows of its own.
        let _ = self.transact(cx, |this, cx| this.flow_mod(cx, &flow));
    }

    /// Runs a change that cannot be refused.
    fn always(&mut self, cx: &mut Cx<'_>, change: impl FnOnce(&mut Ofproto, &mut Cx<'_>)) {
        let result: Result<(), Infallible> = self.transact(cx, |this, cx| {
            change(this, cx);
            Ok(())
        });
        match result {
            Ok(()) => {}
            Err(never) => match never {},
        }
    }

    /// Frees what neither `oldest` nor any later version sees.
    pub fn purge(&mut self, oldest: Version) {
        for (_, table) in self.store.tables().iter() {
            if table.is_to_be_purged() {
                table.write().purge(oldest);
            }
        }
    }
}
