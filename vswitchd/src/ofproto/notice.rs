//! What a bridge has to tell its connections.
//!
//! # Design
//! Notices are told in the order in which things happened; each connection takes those that it has
//! asked for (role, asynchronous configuration, monitors), in its own version's words.

use datapath::PortNo;
use openflow::flow::{FlowRemoved, FlowStats, RemovedReason};
use openflow::packet_io::PacketIn;
use openflow::port::PortStatus;
use openflow::table::TableStatus;

/// Names a connection for as long as the switch runs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnId(pub u64);

/// Who asks, and in which message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Asker {
    /// The connection.
    pub conn: ConnId,
    /// Its version.
    pub version: openflow::Version,
    /// The transaction of the message.
    pub xid: u32,
}

/// Something that happened.
#[derive(Clone, Debug)]
pub struct Notice {
    /// In which bridge.
    pub bridge: String,
    /// What.
    pub event: Event,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A packet goes to controllers.
    PacketIn(Box<ToControllers>),
    /// A flow with `send_flow_rem` went.
    FlowRemoved(Box<FlowRemoved>),
    /// A port came, went or changed.
    PortStatus(Box<PortStatus>),
    /// A table has little place left, or enough again.
    TableStatus(Box<TableStatus>),
    /// A flow was added, changed or deleted, for monitors.
    Flow(Box<FlowEvent>),
}

/// A packet for controllers.
#[derive(Clone, Debug)]
pub struct ToControllers {
    /// The packet whole, or as much of it as was kept.
    pub packet_in: PacketIn,
    /// For the connections with this identifier.
    pub controller_id: u16,
    /// Bytes of it that are sent; `None`: what each connection has configured (`miss_send_len`).
    pub max_len: Option<u16>,
    /// The datapath's port that received it: where it is counted as lost if no connection takes it.
    pub port: PortNo,
}

/// What happened to a flow.
#[derive(Clone, Debug)]
pub struct FlowEvent {
    /// What.
    pub change: FlowChange,
    /// The flow as it is now, or was.
    pub flow: FlowStats,
    /// Who did it, if a message did.
    pub by: Option<Asker>,
}

/// How a flow changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FlowChange {
    /// It is new.
    Added,
    /// Its actions, cookie or timeouts are others.
    Modified,
    /// It went.
    Removed(RemovedReason),
}
