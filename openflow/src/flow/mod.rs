//! Messages about flows: adding, changing and deleting, what they counted, and that they went.
//!
//! # Design
//! One value per meaning: a [`FlowMod`] is the same whether it came as OpenFlow 1.0, in Nicira's form
//! or in a later version. The codecs stand beside it, one file per message.
//!
//! # References
//! OpenFlow 1.0.2 §5.3.3, §5.3.5, §5.4.3; 1.3.5 §7.3.4.1, §7.3.5.2–7.3.5.3, §7.4.2; 1.5.1 §7.2.2
//! (OXS); `nicira-ext.h`.

mod flow_mod;
mod monitor;
mod oxs;
mod removed;
mod stats;

use core::time::Duration;

use packet::flow::FlowMatch;

use crate::action::OfAction;
use crate::error::OfpError;
use crate::flags::flags;
use crate::port::OfPort;

pub use monitor::{
    FlowUpdate, MonitorCommand, MonitorEvent, MonitorFlags, MonitorRequest, UpdateFlow,
};

/// Priority of a flow whose text says none.
pub const DEFAULT_PRIORITY: u16 = 0x8000;
/// Every table, in a request or to delete.
pub const TABLE_ALL: u8 = 255;
/// Any group.
pub const GROUP_ANY: u32 = 0xffff_ffff;
/// No packet waits in a buffer.
pub const NO_BUFFER: u32 = 0xffff_ffff;

/// What to do with flows (OpenFlow 1.3.5 §7.3.4.1, `ofp_flow_mod_command`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum FlowCommand {
    /// Add one, in place of the same match and priority.
    Add = 0,
    /// Change the actions of all that match.
    Modify = 1,
    /// Change the actions of the one with this match and priority.
    ModifyStrict = 2,
    /// Delete all that match.
    Delete = 3,
    /// Delete the one with this match and priority.
    DeleteStrict = 4,
}

impl FlowCommand {
    fn from_number(number: u8) -> Result<FlowCommand, OfpError> {
        Ok(match number {
            0 => FlowCommand::Add,
            1 => FlowCommand::Modify,
            2 => FlowCommand::ModifyStrict,
            3 => FlowCommand::Delete,
            4 => FlowCommand::DeleteStrict,
            _ => return Err(OfpError::FmfBadCommand),
        })
    }

    /// The name in `ovs-ofctl`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            FlowCommand::Add => "ADD",
            FlowCommand::Modify => "MOD",
            FlowCommand::ModifyStrict => "MOD_STRICT",
            FlowCommand::Delete => "DEL",
            FlowCommand::DeleteStrict => "DEL_STRICT",
        }
    }

    /// Whether it deletes.
    #[must_use]
    pub const fn is_delete(self) -> bool {
        matches!(self, FlowCommand::Delete | FlowCommand::DeleteStrict)
    }
}

flags! {
    /// How a flow lives (OpenFlow 1.3.5 §7.3.4.1, `ofp_flow_mod_flags`).
    FlowFlags: u16 {
        /// A message says when it goes.
        SEND_FLOW_REM = 1 << 0, "send_flow_rem";
        /// It is refused if it overlaps another of its priority.
        CHECK_OVERLAP = 1 << 1, "check_overlap";
        /// Its counters begin anew; always so in OpenFlow 1.0 and 1.1.
        RESET_COUNTS = 1 << 2, "reset_counts";
        /// Packets need not be counted.
        NO_PACKET_COUNTS = 1 << 3, "no_packet_counts";
        /// Bytes need not be counted.
        NO_BYTE_COUNTS = 1 << 4, "no_byte_counts";
    }
}

/// Which flows are meant, by cookie.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct CookieMatch {
    /// Value of the bits in `mask`.
    pub value: u64,
    /// The bits that count; 0: whatever the cookie.
    pub mask: u64,
}

/// A command about flows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FlowMod {
    /// What to do.
    pub command: FlowCommand,
    /// In which table; [`TABLE_ALL`]: in every one, or where the switch likes.
    pub table: u8,
    /// Priority; counts for adding and for strict commands.
    pub priority: u16,
    /// What packets must have.
    pub matching: FlowMatch,
    /// Cookie of an added flow; to modify, [`u64::MAX`] leaves cookies as they are.
    pub cookie: u64,
    /// Which flows are modified or deleted.
    pub cookie_match: CookieMatch,
    /// Idle timeout in seconds; 0: none.
    pub idle_s: u16,
    /// Hard timeout in seconds; 0: none.
    pub hard_s: u16,
    /// Flows of low importance are evicted first (OpenFlow 1.4).
    pub importance: u16,
    /// A packet that waits, to be handled by the flow; [`NO_BUFFER`].
    pub buffer_id: u32,
    /// Delete only what sends to this port; [`OfPort::NONE`].
    pub out_port: OfPort,
    /// Delete only what sends to this group; [`GROUP_ANY`].
    pub out_group: u32,
    /// How the flow lives.
    pub flags: FlowFlags,
    /// What is done with packets.
    pub actions: Vec<OfAction>,
}

impl FlowMod {
    /// A command about all packets, at the default priority in table 0, with no actions.
    #[must_use]
    pub fn new(command: FlowCommand) -> FlowMod {
        let adds = !command.is_delete();
        FlowMod {
            command,
            table: if adds { 0 } else { TABLE_ALL },
            priority: DEFAULT_PRIORITY,
            matching: FlowMatch::ANY,
            cookie: if command == FlowCommand::Add { 0 } else { u64::MAX },
            cookie_match: CookieMatch::default(),
            idle_s: 0,
            hard_s: 0,
            importance: 0,
            buffer_id: NO_BUFFER,
            out_port: OfPort::NONE,
            out_group: GROUP_ANY,
            flags: FlowFlags::default(),
            actions: Vec::new(),
        }
    }
}

/// Which flows a request for statistics means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FlowStatsRequest {
    /// What they match, or more.
    pub matching: FlowMatch,
    /// By cookie.
    pub cookie_match: CookieMatch,
    /// In which table; [`TABLE_ALL`].
    pub table: u8,
    /// Only what sends to this port; [`OfPort::NONE`].
    pub out_port: OfPort,
    /// Only what sends to this group; [`GROUP_ANY`].
    pub out_group: u32,
}

impl Default for FlowStatsRequest {
    fn default() -> FlowStatsRequest {
        FlowStatsRequest {
            matching: FlowMatch::ANY,
            cookie_match: CookieMatch::default(),
            table: TABLE_ALL,
            out_port: OfPort::NONE,
            out_group: GROUP_ANY,
        }
    }
}

/// A flow and what it counted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FlowStats {
    /// Its table.
    pub table: u8,
    /// Its priority.
    pub priority: u16,
    /// What packets must have.
    pub matching: FlowMatch,
    /// Its cookie.
    pub cookie: u64,
    /// How long it exists.
    pub duration: Duration,
    /// Idle timeout in seconds; 0: none.
    pub idle_s: u16,
    /// Hard timeout in seconds; 0: none.
    pub hard_s: u16,
    /// Since OpenFlow 1.4.
    pub importance: u16,
    /// Since OpenFlow 1.3.
    pub flags: FlowFlags,
    /// Packets; `None` if they are not counted.
    pub packets: Option<u64>,
    /// Their bytes.
    pub bytes: Option<u64>,
    /// Seconds without a packet; in Nicira's form and in OpenFlow 1.5.
    pub idle_age_s: Option<u32>,
    /// Seconds since it was last changed; in Nicira's form.
    pub hard_age_s: Option<u32>,
    /// What is done with packets.
    pub actions: Vec<OfAction>,
}

/// What some flows counted together.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct AggregateStats {
    /// Packets; `None` if a flow does not count them.
    pub packets: Option<u64>,
    /// Their bytes.
    pub bytes: Option<u64>,
    /// The flows.
    pub n_flows: u32,
}

/// Why a flow went (OpenFlow 1.3.5 §7.4.2, 1.4.1 §7.4.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum RemovedReason {
    /// No packet for its idle timeout.
    IdleTimeout = 0,
    /// Its hard timeout passed.
    HardTimeout = 1,
    /// It was deleted.
    Delete = 2,
    /// Its group was deleted.
    GroupDelete = 3,
    /// Its meter was deleted (OpenFlow 1.4).
    MeterDelete = 4,
    /// It made place for another.
    Eviction = 5,
}

impl RemovedReason {
    pub(crate) const ALL: [RemovedReason; 6] = [
        RemovedReason::IdleTimeout,
        RemovedReason::HardTimeout,
        RemovedReason::Delete,
        RemovedReason::GroupDelete,
        RemovedReason::MeterDelete,
        RemovedReason::Eviction,
    ];

    /// The name in `ovs-ofctl`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            RemovedReason::IdleTimeout => "idle",
            RemovedReason::HardTimeout => "hard",
            RemovedReason::Delete => "delete",
            RemovedReason::GroupDelete => "group_delete",
            RemovedReason::MeterDelete => "meter_delete",
            RemovedReason::Eviction => "eviction",
        }
    }
}

/// FLOW_REMOVED: a flow went that had asked to be told of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FlowRemoved {
    /// What packets had to have.
    pub matching: FlowMatch,
    /// Its priority.
    pub priority: u16,
    /// Its cookie.
    pub cookie: u64,
    /// Why.
    pub reason: RemovedReason,
    /// Its table; OpenFlow 1.0 does not say.
    pub table: Option<u8>,
    /// How long it existed.
    pub duration: Duration,
    /// Idle timeout in seconds.
    pub idle_s: u16,
    /// Hard timeout in seconds; not in OpenFlow 1.0.
    pub hard_s: u16,
    /// Packets.
    pub packets: Option<u64>,
    /// Their bytes.
    pub bytes: Option<u64>,
}

/// Counters that are not known are all ones.
fn known(count: u64) -> Option<u64> {
    (count != u64::MAX).then_some(count)
}

fn or_unknown(count: Option<u64>) -> u64 {
    count.unwrap_or(u64::MAX)
}
