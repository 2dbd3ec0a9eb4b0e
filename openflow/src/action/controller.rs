//! `controller(…)`: send a packet to a controller, and say how.

use super::OfAction;
use super::codec::{nicira, padding};
use crate::error::OfpError;
use crate::prop;
use crate::wire::{Reader, Writer};

pub(super) const CONTROLLER: u16 = 20;
pub(super) const CONTROLLER2: u16 = 37;

const PROP_MAX_LEN: u16 = 0;
const PROP_ID: u16 = 1;
const PROP_REASON: u16 = 2;
const PROP_USERDATA: u16 = 3;
const PROP_PAUSE: u16 = 4;
const PROP_METER: u16 = 5;

/// Why a packet is sent to a controller (OpenFlow 1.5.1 §7.4.1, `ofp_packet_in_reason`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum ControllerReason {
    /// No flow matched.
    NoMatch = 0,
    /// An action, in an apply-actions instruction.
    Action = 1,
    /// The time to live is over.
    InvalidTtl = 2,
    /// An action of the action set (OpenFlow 1.4).
    ActionSet = 3,
    /// An action in a group's bucket.
    Group = 4,
    /// An action of a packet-out.
    PacketOut = 5,
    /// The flow for what matches no other.
    ExplicitMiss = 6,
}

impl ControllerReason {
    /// Every reason, in the order of their numbers.
    pub const ALL: [ControllerReason; 7] = [
        ControllerReason::NoMatch,
        ControllerReason::Action,
        ControllerReason::InvalidTtl,
        ControllerReason::ActionSet,
        ControllerReason::Group,
        ControllerReason::PacketOut,
        ControllerReason::ExplicitMiss,
    ];

    /// The reason with a number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<ControllerReason> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// The name in `ovs-ofctl`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            ControllerReason::NoMatch => "no_match",
            ControllerReason::Action => "action",
            ControllerReason::InvalidTtl => "invalid_ttl",
            ControllerReason::ActionSet => "action_set",
            ControllerReason::Group => "group",
            ControllerReason::PacketOut => "packet_out",
            ControllerReason::ExplicitMiss => "explicit_miss",
        }
    }

    /// What a version can say: before OpenFlow 1.4, four of them are one; that a miss was a flow's is
    /// said by none.
    #[must_use]
    pub fn for_version(self, version: crate::Version) -> ControllerReason {
        let old = version < crate::Version::V14;
        match self {
            ControllerReason::ActionSet | ControllerReason::Group | ControllerReason::PacketOut
                if old =>
            {
                ControllerReason::Action
            }
            ControllerReason::ExplicitMiss if version < crate::Version::V13 => {
                ControllerReason::Action
            }
            // A number of the switch's own.
            ControllerReason::ExplicitMiss => ControllerReason::NoMatch,
            reason => reason,
        }
    }
}

/// How a packet is sent to a controller.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ToController {
    /// Bytes of it, at most.
    pub max_len: u16,
    /// Which controller, by the identifier that it gave itself.
    pub id: u16,
    /// Why.
    pub reason: ControllerReason,
    /// Bytes that come along.
    pub userdata: Vec<u8>,
    /// Whether the packet waits for the controller to say how it goes on.
    pub pause: bool,
    /// A meter that limits how many are sent.
    pub meter_id: Option<u32>,
}

impl Default for ToController {
    fn default() -> ToController {
        ToController {
            max_len: u16::MAX,
            id: 0,
            reason: ControllerReason::Action,
            userdata: Vec::new(),
            pause: false,
            meter_id: None,
        }
    }
}

pub(super) fn decode(r: &mut Reader<'_>) -> Result<OfAction, OfpError> {
    let (max_len, id, reason) = (r.u16()?, r.u16()?, r.u8()?);
    r.skip(1)?;
    let reason = ControllerReason::from_number(reason).ok_or(OfpError::BaBadArgument)?;
    padding(r)?;
    let to = ToController { max_len, id, reason, ..ToController::default() };
    Ok(OfAction::Controller(Box::new(to)))
}

pub(super) fn decode2(r: &mut Reader<'_>) -> Result<OfAction, OfpError> {
    let mut to = ToController::default();
    if r.bytes(6)?.iter().any(|byte| *byte != 0) {
        return Err(OfpError::NxbrMustBeZero);
    }
    while !r.is_empty() {
        let (id, mut body) = prop::next(r)?;
        match id {
            prop::Id::Standard(PROP_MAX_LEN) => to.max_len = body.u16()?,
            prop::Id::Standard(PROP_ID) => to.id = body.u16()?,
            prop::Id::Standard(PROP_REASON) => {
                let reason = ControllerReason::from_number(body.u8()?);
                to.reason = reason.ok_or(OfpError::BpBadValue)?;
            }
            prop::Id::Standard(PROP_USERDATA) => to.userdata = body.rest().to_vec(),
            prop::Id::Standard(PROP_PAUSE) => to.pause = true,
            prop::Id::Standard(PROP_METER) => to.meter_id = Some(body.u32()?),
            id => return Err(id.unknown()),
        }
    }
    Ok(OfAction::Controller(Box::new(to)))
}

pub(super) fn encode(to: &ToController, w: &mut Writer) {
    if to.userdata.is_empty() && !to.pause && to.meter_id.is_none() {
        return nicira(w, CONTROLLER, |w| {
            w.u16(to.max_len);
            w.u16(to.id);
            w.u8(to.reason as u8);
            w.u8(0);
        });
    }
    nicira(w, CONTROLLER2, |w| {
        w.zeros(6);
        let mut put = |kind, value: &[u8]| {
            let at = prop::begin(w, kind);
            w.bytes(value);
            prop::end(w, at);
        };
        if to.max_len != u16::MAX {
            put(PROP_MAX_LEN, &to.max_len.to_be_bytes());
        }
        if to.id != 0 {
            put(PROP_ID, &to.id.to_be_bytes());
        }
        if to.reason != ControllerReason::Action {
            put(PROP_REASON, &[to.reason as u8]);
        }
        if !to.userdata.is_empty() {
            put(PROP_USERDATA, &to.userdata);
        }
        if to.pause {
            put(PROP_PAUSE, &[]);
        }
        if let Some(meter) = to.meter_id {
            put(PROP_METER, &meter.to_be_bytes());
        }
    });
}
