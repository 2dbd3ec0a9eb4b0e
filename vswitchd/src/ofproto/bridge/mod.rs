//! The OpenFlow side of a bridge: flows, groups and meters, and the messages that change them.
//!
//! # Design
//! Messages are prepared, applied and, if one of a bundle is refused, reverted; all under the version
//! that comes next ([`Cx::next`]), so that nobody sees half of it.
//!
//! # Thread-safety
//! For the control thread. What poll threads see is in [`Tables`] and in the maps that are handed out
//! whole.

use std::collections::BTreeMap;
use std::sync::Arc;

use datapath::meter::MeterId;
use datapath::snapshot::Version;
use openflow::{Message, OfpError, StatsReply, StatsRequest};

use super::group::Group;
use super::meter_slots::MeterSlots;
use super::notice::{Asker, Event};
use super::tables::Tables;

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

/// The OpenFlow side of a bridge.
pub struct Ofproto {
    tables: Arc<Tables>,
    groups: Arc<BTreeMap<u32, Arc<Group>>>,
    meters: Arc<BTreeMap<u32, MeterId>>,
    groups_changed: Version,
    is_dirty: bool,
}

impl Ofproto {
    /// Without flows. `seed` should be random.
    #[must_use]
    pub fn new(seed: u64) -> Ofproto {
        Ofproto {
            tables: Arc::new(Tables::new(seed)),
            groups: Arc::default(),
            meters: Arc::default(),
            groups_changed: Version(0),
            is_dirty: false,
        }
    }

    /// Its tables.
    #[must_use]
    pub fn tables(&self) -> &Arc<Tables> {
        &self.tables
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

    /// What there is.
    #[must_use]
    pub fn shape(&self) -> Shape {
        Shape::Empty
    }

    /// Does what a FLOW_MOD, GROUP_MOD, METER_MOD or TABLE_MOD says; what is refused changes nothing.
    ///
    /// # Errors
    /// What the message deserves.
    pub fn change(&mut self, cx: &mut Cx<'_>, message: &Message) -> Result<(), OfpError> {
        let _ = (cx, message);
        Err(OfpError::BrBadType)
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
        let _ = (cx, messages);
        Err((0, OfpError::BrBadType))
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
        let _ = (meters, now_ns, request);
        Err(OfpError::BrBadStat)
    }

    /// Lets flows go whose time is over. Ledgers are settled.
    pub fn expire(&mut self, cx: &mut Cx<'_>) {
        let _ = cx;
    }

    /// Deletes all flows, groups and meters.
    pub fn clear(&mut self, cx: &mut Cx<'_>) {
        let _ = cx;
    }

    /// Puts the flow in that a bridge without a controller has: `priority=0 actions=NORMAL`.
    pub fn add_normal(&mut self, cx: &mut Cx<'_>) {
        let _ = cx;
    }

    /// Frees what neither `oldest` nor any later version sees.
    pub fn purge(&mut self, oldest: Version) {
        let _ = oldest;
    }
}
