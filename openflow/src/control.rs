//! Controllers: their roles, and which messages they get unasked.
//!
//! # References
//! OpenFlow 1.3.5 §6.3.6, §7.3.9–7.3.10; 1.4.1 §7.3.9–7.3.10, §7.4.4; `nicira-ext.h`
//! (`nx_role_request`, `nx_async_config`).

use crate::error::OfpError;
use crate::kind::Form;
use crate::prop;
use crate::raw::Raw;
use crate::version::Version;
use crate::wire::{Reader, Writer};

/// What a controller may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Role {
    /// Asks for its role, or for a new generation only.
    NoChange = 0,
    /// Everything, with others.
    Equal = 1,
    /// Everything, alone (OFPCR_ROLE_MASTER).
    Primary = 2,
    /// Looks only (OFPCR_ROLE_SLAVE).
    Secondary = 3,
}

impl Role {
    const fn from_number(number: u32) -> Result<Role, OfpError> {
        Ok(match number {
            0 => Role::NoChange,
            1 => Role::Equal,
            2 => Role::Primary,
            3 => Role::Secondary,
            _ => return Err(OfpError::RrfBadRole),
        })
    }
}

/// ROLE_REQUEST and ROLE_REPLY.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RoleMessage {
    /// The role.
    pub role: Role,
    /// Counts elections, so that a late message of an old primary is refused; not in Nicira's form.
    pub generation_id: Option<u64>,
}

/// GENERATION_ID of a message that has none.
const NO_GENERATION: u64 = u64::MAX;

impl RoleMessage {
    pub(crate) fn decode(raw: &Raw<'_>, r: &mut Reader<'_>) -> Result<RoleMessage, OfpError> {
        let number = r.u32()?;
        if raw.form == Form::Nicira {
            // There, 0 is "other"; nothing says "no change".
            let role = Role::from_number(number.saturating_add(1))?;
            return Ok(RoleMessage { role, generation_id: None });
        }
        let role = Role::from_number(number)?;
        r.skip(4)?;
        let id = r.u64()?;
        let checked = matches!(role, Role::Primary | Role::Secondary) || id != NO_GENERATION;
        Ok(RoleMessage {
            role,
            generation_id: checked.then_some(id).filter(|_| role != Role::NoChange),
        })
    }

    pub(crate) fn encode(&self, form: Form, w: &mut Writer) -> Result<(), OfpError> {
        if form == Form::Nicira {
            w.u32((self.role as u32).checked_sub(1).ok_or(OfpError::RrfBadRole)?);
            return Ok(());
        }
        w.u32(self.role as u32);
        w.zeros(4);
        w.u64(self.generation_id.unwrap_or(NO_GENERATION));
        Ok(())
    }
}

/// OFPT_ROLE_STATUS: the role changed without being asked for (OpenFlow 1.4.1 §7.4.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RoleStatus {
    /// The new role.
    pub role: Role,
    /// 0: another controller is primary; 1: configuration; 2: an experimenter's data changed.
    pub reason: u8,
    /// See [`RoleMessage`].
    pub generation_id: u64,
}

impl RoleStatus {
    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<RoleStatus, OfpError> {
        let (role, reason) = (Role::from_number(r.u32()?)?, r.u8()?);
        r.skip(3)?;
        let generation_id = r.u64()?;
        prop::each(r, |id, body| id.ignore(body))?;
        Ok(RoleStatus { role, reason, generation_id })
    }

    pub(crate) fn encode(&self, w: &mut Writer) {
        w.u32(self.role as u32);
        w.u8(self.reason);
        w.zeros(3);
        w.u64(self.generation_id);
    }
}

/// The sorts of messages that a controller gets unasked, in the order of the properties of OpenFlow
/// 1.4: two each, for secondary controllers and for others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
pub enum AsyncKind {
    /// Packet-in.
    PacketIn = 0,
    /// Port status.
    PortStatus = 1,
    /// Flow removed.
    FlowRemoved = 2,
    /// Role status.
    RoleStatus = 3,
    /// Table status.
    TableStatus = 4,
    /// Request forward.
    RequestForward = 5,
}

/// How many [`AsyncKind`]s there are.
const N_KINDS: usize = 6;
/// Those that a message of fixed form carries.
const N_FIXED: usize = 3;

/// SET_ASYNC and GET_ASYNC_REPLY: one bit for each reason of each sort of message. `None` leaves a
/// mask as it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AsyncConfig {
    /// For controllers that are primary or equal, by [`AsyncKind`].
    pub primary: [Option<u32>; N_KINDS],
    /// For secondary controllers.
    pub secondary: [Option<u32>; N_KINDS],
}

impl AsyncConfig {
    pub(crate) fn decode(version: Version, r: &mut Reader<'_>) -> Result<AsyncConfig, OfpError> {
        if version >= Version::V14 {
            return AsyncConfig::decode_properties(r);
        }
        let mut config = AsyncConfig::default();
        for kind in 0..N_FIXED {
            config.primary[kind] = Some(r.u32()?);
            config.secondary[kind] = Some(r.u32()?);
        }
        Ok(config)
    }

    /// In the form of OpenFlow 1.4, and of NXT_SET_ASYNC_CONFIG2.
    pub(crate) fn decode_properties(r: &mut Reader<'_>) -> Result<AsyncConfig, OfpError> {
        let mut config = AsyncConfig::default();
        prop::each(r, |id, body| {
            let mask = match id {
                prop::Id::Standard(number) => config.mask_mut(number),
                prop::Id::Experimenter { .. } => None,
            };
            *mask.ok_or(OfpError::AcfUnsupported)? = Some(body.u32()?);
            Ok(())
        })?;
        Ok(config)
    }

    pub(crate) fn encode(&self, version: Version, w: &mut Writer) {
        if version < Version::V14 {
            for kind in 0..N_FIXED {
                w.u32(self.primary[kind].unwrap_or(0));
                w.u32(self.secondary[kind].unwrap_or(0));
            }
            return;
        }
        self.encode_properties(w);
    }

    pub(crate) fn encode_properties(&self, w: &mut Writer) {
        for (kind, number) in (0..N_KINDS).zip((0_u16..).step_by(2)) {
            for (mask, number) in [(self.secondary[kind], number), (self.primary[kind], number + 1)]
            {
                let Some(mask) = mask else { continue };
                let at = prop::begin(w, number);
                w.u32(mask);
                prop::end(w, at);
            }
        }
    }

    fn mask_mut(&mut self, number: u16) -> Option<&mut Option<u32>> {
        let kind = usize::from(number / 2);
        if number.is_multiple_of(2) {
            self.secondary.get_mut(kind)
        } else {
            self.primary.get_mut(kind)
        }
    }
}
