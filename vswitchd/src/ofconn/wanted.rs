//! What a connection is sent unasked: one bit for each reason of each sort of message.
//!
//! # Design
//! Reasons are those of the newest version. What an old version cannot tell apart is one bit there and
//! several here: who wants packets of actions wants those of action sets, groups and packet-outs.
//!
//! # References
//! OpenFlow 1.3.5 §7.3.10, 1.4.1 §7.3.10; ovs-vswitchd's "Asynchronous Messages".

use openflow::action::ControllerReason as Reason;
use openflow::control::{AsyncConfig, AsyncKind, Role};
use openflow::{OfpError, Version};

const fn bit(reason: Reason) -> u32 {
    1 << reason as u32
}

/// What old versions call an action.
const ACTIONS: u32 =
    bit(Reason::Action) | bit(Reason::ActionSet) | bit(Reason::Group) | bit(Reason::PacketOut);
/// What they call a miss.
const MISSES: u32 = bit(Reason::NoMatch) | bit(Reason::ExplicitMiss);
/// Every reason of FLOW_REMOVED.
const REMOVED: u32 = 0x3f;
/// Every reason of PORT_STATUS.
const PORT_STATUS: u32 = 7;
/// Every reason of ROLE_STATUS, TABLE_STATUS and REQUESTFORWARD.
const ROLE_STATUS: u32 = 7;
const TABLE_STATUS: u32 = 1 << 3 | 1 << 4;
const REQUEST_FORWARD: u32 = 3;

/// How many sorts there are.
const N_KINDS: usize = 6;
const KINDS: [AsyncKind; N_KINDS] = [
    AsyncKind::PacketIn,
    AsyncKind::PortStatus,
    AsyncKind::FlowRemoved,
    AsyncKind::RoleStatus,
    AsyncKind::TableStatus,
    AsyncKind::RequestForward,
];

/// The bits that a message of a version may set, by kind.
const fn known(kind: AsyncKind, version: Version) -> u32 {
    let v14 = version as u8 >= Version::V14 as u8;
    match kind {
        AsyncKind::PacketIn if v14 => 0x3f,
        AsyncKind::PacketIn => 7,
        AsyncKind::PortStatus => PORT_STATUS,
        AsyncKind::FlowRemoved if v14 => REMOVED,
        AsyncKind::FlowRemoved => 0xf,
        AsyncKind::RoleStatus => ROLE_STATUS,
        AsyncKind::TableStatus => TABLE_STATUS,
        AsyncKind::RequestForward => REQUEST_FORWARD,
    }
}

/// What a connection wants, by role.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wanted {
    primary: [u32; N_KINDS],
    secondary: [u32; N_KINDS],
}

impl Default for Wanted {
    fn default() -> Wanted {
        let packets = ACTIONS | MISSES;
        Wanted {
            primary: [packets, PORT_STATUS, REMOVED, 0, 0, 0],
            secondary: [0, PORT_STATUS, 0, 0, 0, 0],
        }
    }
}

impl Wanted {
    /// Whether a message of a kind and reason is wanted in a role.
    #[must_use]
    pub fn has(&self, role: Role, kind: AsyncKind, reason: u32) -> bool {
        let masks = if role == Role::Secondary { &self.secondary } else { &self.primary };
        1_u32.checked_shl(reason).is_some_and(|bit| masks[kind as usize] & bit != 0)
    }

    /// Takes what SET_ASYNC says; what it does not mention stays.
    ///
    /// # Errors
    /// `OFPACFC_INVALID` for a reason that the version does not have, since OpenFlow 1.4.
    pub fn set(&mut self, version: Version, asked: &AsyncConfig) -> Result<(), OfpError> {
        let mut new = *self;
        for kind in KINDS {
            let at = kind as usize;
            for (mask, asked) in [
                (&mut new.primary[at], asked.primary[at]),
                (&mut new.secondary[at], asked.secondary[at]),
            ] {
                let Some(asked) = asked else { continue };
                if version >= Version::V14 && asked & !known(kind, version) != 0 {
                    return Err(OfpError::AcfInvalid);
                }
                *mask = widened(kind, version, asked & known(kind, version));
            }
        }
        *self = new;
        Ok(())
    }

    /// What GET_ASYNC_REPLY says.
    #[must_use]
    pub fn told(&self, version: Version) -> AsyncConfig {
        let mut config = AsyncConfig::default();
        for kind in KINDS {
            let at = kind as usize;
            config.primary[at] = Some(self.primary[at] & known(kind, version));
            config.secondary[at] = Some(self.secondary[at] & known(kind, version));
        }
        config
    }
}

/// The reasons that a version's bits stand for.
const fn widened(kind: AsyncKind, version: Version, mask: u32) -> u32 {
    let mut all = mask;
    let old = (version as u8) < Version::V14 as u8;
    match kind {
        AsyncKind::PacketIn => {
            if mask & bit(Reason::NoMatch) != 0 {
                all |= MISSES;
            }
            if old && mask & bit(Reason::Action) != 0 {
                all |= ACTIONS;
            }
        }
        // What an old version cannot say is told as deleted.
        AsyncKind::FlowRemoved if old && mask & 1 << 2 != 0 => all |= REMOVED & !0xf,
        _ => {}
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(wanted: &Wanted, role: Role, reason: Reason) -> bool {
        wanted.has(role, AsyncKind::PacketIn, reason as u32)
    }

    #[test]
    fn by_default_secondaries_are_told_of_ports_only() {
        let wanted = Wanted::default();
        assert!(has(&wanted, Role::Equal, Reason::NoMatch));
        assert!(!has(&wanted, Role::Equal, Reason::InvalidTtl));
        assert!(!has(&wanted, Role::Secondary, Reason::NoMatch));
        assert!(wanted.has(Role::Secondary, AsyncKind::PortStatus, 2));
        assert!(!wanted.has(Role::Secondary, AsyncKind::FlowRemoved, 0));
        assert!(!wanted.has(Role::Equal, AsyncKind::FlowRemoved, 99));
    }

    #[test]
    fn old_versions_speak_of_all_actions_as_one() {
        let mut wanted = Wanted::default();
        let mut asked = AsyncConfig::default();
        asked.primary[0] = Some(bit(Reason::Action));
        wanted.set(Version::V13, &asked).unwrap();
        assert!(has(&wanted, Role::Primary, Reason::Group));
        assert!(!has(&wanted, Role::Primary, Reason::NoMatch));
        assert!(wanted.has(Role::Primary, AsyncKind::PortStatus, 0), "not mentioned");
        assert_eq!(wanted.told(Version::V13).primary[0], Some(2));
        wanted.set(Version::V14, &asked).unwrap();
        assert!(!has(&wanted, Role::Primary, Reason::Group));
    }

    #[test]
    fn unknown_reasons_change_nothing() {
        let mut wanted = Wanted::default();
        let mut asked = AsyncConfig::default();
        asked.primary[0] = Some(0);
        asked.secondary[1] = Some(1 << 9);
        assert_eq!(wanted.set(Version::V14, &asked), Err(OfpError::AcfInvalid));
        assert_eq!(wanted, Wanted::default());
    }
}
