//! Translation: from a packet's headers, by way of the tables, to what the datapath does with it.
//!
//! # Design
//! [`translate`] walks the tables as a packet would, once, and notes three things: the datapath's
//! [`Actions`], what of the packet it looked at, and what else the answer depends on. All packets that
//! look the same through the mask get the same answer, so it can be cached.
//!
//! **What is looked at.** The key changes as actions write it. `written` says which of its bits come
//! from an action and not from the packet: a look at those says nothing about the packet, and adds
//! nothing to the mask. What is written is sent to the frame late, at the next action that has an
//! effect (`commit`), so that several writes become one [`SetField`](datapath::action::SetField).
//!
//! **What cannot be known** while walking is left to an action of the datapath: the bucket of a select
//! group, whether the time to live is over, what an L2 switch has learned. Where the walk needs to look
//! behind an MPLS label that it takes off, or at the length of the packet, it *freezes*: the rest is
//! kept under a number, and goes on when the datapath brings the packet again
//! ([`Frozen`](freeze::Frozen)).
//!
//! | file | topic |
//! |---|---|
//! | [`state`] | key, mask, what is written, and the list that grows |
//! | [`table`] | look-up, resubmit, conjunctions, what matches nothing |
//! | [`list`] | one action after the other |
//! | [`field`], [`tag`] | header fields; VLAN tags and MPLS labels |
//! | [`output`], [`tunnel`], [`mirror`] | ports; [`controller`]: packets for controllers |
//! | [`group`], [`action_set`], [`choice`], [`learn`] | what their names say |
//! | [`freeze`], [`pause`] | the rest of a walk, kept here or given to a controller |
//! | [`report`] | what `ofproto/trace` prints |
//!
//! # Invariants
//! - **Sound**: a packet that is equal under the mask, with the same tables, gets the same answer.
//! - **Bounded**: [`MAX_DEPTH`] tables and groups within each other, [`MAX_RESUBMITS`] look-ups in all,
//!   [`MAX_STACK`] bytes on the stack. What goes beyond drops the packet, with a reason.
//! - Nothing outside is changed: what packets teach is for the control thread to do.
//!
//! # Thread-safety
//! A translation reads published tables, under a reader's lock for each look-up.

pub mod action_set;
pub mod choice;
pub mod controller;
pub mod depends;
pub mod field;
pub mod freeze;
pub mod group;
pub mod keep;
pub mod learn;
pub mod list;
pub mod mirror;
mod option;
pub mod output;
pub mod pause;
pub mod report;
pub mod state;
pub mod table;
pub mod tag;
pub mod tell;
pub mod tunnel;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use datapath::action::Tally;
use datapath::l2::normal::Explained;
use datapath::snapshot::Version;
use datapath::upcall::Caching;
use datapath::{Actions, BridgeId, DropReason, PortNo};
use openflow::flow::FlowMod;
use openflow::port::PortConfig;
use openflow::switch::FragHandling;
use openflow::{OfAction, OfPort};
use packet::flow::{FieldId, Prereq};
use packet::{FlowKey, FlowMask};

use super::ledger::Credit;
use super::view::{View, XBridge};
use depends::{Dependency, Depends};
use freeze::Frozen;
use keep::{Keeper, Kept};
use report::Report;
use state::Xlate;

/// Tables, groups and clones within each other (Open vSwitch: `MAX_DEPTH`).
pub const MAX_DEPTH: u16 = 64;
/// Look-ups of one translation (Open vSwitch: `MAX_RESUBMITS`).
pub const MAX_RESUBMITS: u16 = MAX_DEPTH * MAX_DEPTH;
/// Bytes that `push` may leave on the stack (Open vSwitch: 65,536).
pub const MAX_STACK: usize = 65_536;

/// Where a translation starts.
#[derive(Clone, Copy)]
pub enum Start<'a> {
    /// In table 0: a packet has come.
    Table,
    /// With these actions: a controller has sent the packet.
    Actions(&'a [OfAction]),
    /// Where another translation froze.
    Frozen(&'a Frozen),
}

/// What is translated.
#[derive(Clone, Copy)]
pub struct XlateIn<'a> {
    /// All bridges.
    pub view: &'a View,
    /// The version of the tables.
    pub version: Version,
    /// The bridge that the packet is in.
    pub bridge: &'a XBridge,
    /// Its headers; the port by its number in OpenFlow.
    pub key: &'a FlowKey,
    /// Where to begin.
    pub start: Start<'a>,
    /// Where what outlives the translation is kept.
    pub keeper: &'a Keeper,
    /// Whether the walk is to be told.
    pub told: Told<'a>,
}

/// Whether a walk is told.
#[derive(Clone, Copy)]
pub enum Told<'a> {
    /// It is, for a person: with what becomes of the packet at this moment where that is left to the
    /// datapath, and with what happens behind patch ports.
    Yes(&'a dyn Oracle),
    /// It is not.
    No,
}

/// Says what NORMAL would do now with a frame that came by a port of a bridge, or from a controller;
/// `None`: nobody knows.
pub trait Oracle {
    /// See [`datapath::l2::normal::explain`].
    fn normal(&self, bridge: BridgeId, in_port: Option<PortNo>, frame: &[u8]) -> Option<Explained>;
}

/// A flow that packets teach.
#[derive(Debug)]
pub struct Learned {
    /// In which bridge.
    pub bridge: Arc<str>,
    /// What is learned.
    pub flow: FlowMod,
    /// Most flows of this cookie in the table; 0: no limit.
    pub limit: u32,
}

/// What came of it.
pub struct XlateOut {
    /// What is done with the packet.
    pub actions: Actions,
    /// What of the packet was looked at.
    pub mask: FlowMask,
    /// What else the answer depends on.
    pub depends: Depends,
    /// What each packet is credited to.
    pub credits: Vec<Credit>,
    /// What the packets that reach a tally are credited to.
    pub tallies: Vec<(Arc<Tally>, Vec<Credit>)>,
    /// What must live as long as the actions.
    pub kept: Vec<Kept>,
    /// What packets teach.
    pub lessons: Vec<Arc<Learned>>,
    /// Whether the answer holds for packets alike.
    pub caching: Caching,
    /// The headers at the end.
    pub key: FlowKey,
    /// The walk.
    pub report: Report,
}

/// Translates.
#[must_use]
pub fn translate(input: &XlateIn<'_>) -> XlateOut {
    let mut xlate = Xlate::new(input);
    match input.start {
        Start::Table if !may_receive(&mut xlate) || is_dropped_fragment(&mut xlate) => {}
        Start::Table => {
            xlate.mirror_received();
            xlate.look_up_first();
        }
        Start::Actions(actions) => xlate.run_packet_out(actions),
        Start::Frozen(frozen) => xlate.thaw(frozen),
    }
    xlate.finish()
}

/// Whether the port that the packet came by may receive.
fn may_receive(xlate: &mut Xlate<'_>) -> bool {
    let port = xlate.bridge.ports.get(&xlate.in_port());
    let is_off = port.is_some_and(|port| port.config.contains(PortConfig::NO_RECV));
    xlate.depends.insert(Dependency::Ports(xlate.bridge.id));
    if is_off {
        xlate.end = DropReason::ForwardingDisabled;
    }
    !is_off
}

/// Whether the packet is a fragment, in a bridge that drops those.
fn is_dropped_fragment(xlate: &mut Xlate<'_>) -> bool {
    xlate.bridge.frags == FragHandling::Drop && xlate.has(Prereq::Ip) && {
        xlate.look_at(FieldId::IpFrag);
        xlate.key.get(FieldId::IpFrag) != 0
    }
}

/// A port by the number that a key has.
#[must_use]
pub fn port_of(key: &FlowKey) -> OfPort {
    OfPort::from_wide(key.in_port()).unwrap_or(OfPort::NONE)
}
