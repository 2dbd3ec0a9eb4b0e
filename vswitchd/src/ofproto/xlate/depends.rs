//! What a translation depends on beside the packet.
//!
//! # Design
//! The datapath keeps dependencies as plain numbers; this is the one place that knows what they mean.
//! Each thing that is depended on has the version of its last change.

use datapath::BridgeId;
use datapath::snapshot::Version;

use crate::ofproto::view::View;

/// Something that may change.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Dependency {
    /// A table of a bridge.
    Table(BridgeId, u8),
    /// The groups and meters of a bridge.
    Groups(BridgeId),
    /// The ports of a bridge.
    Ports(BridgeId),
}

const TABLE: u64 = 0;
const GROUPS: u64 = 1;
const PORTS: u64 = 2;
const KIND_SHIFT: u32 = 32;
const BRIDGE_SHIFT: u32 = 8;

impl Dependency {
    /// As the datapath keeps it.
    #[must_use]
    pub fn to_number(self) -> u64 {
        let (kind, bridge, table) = match self {
            Dependency::Table(bridge, table) => (TABLE, bridge, table),
            Dependency::Groups(bridge) => (GROUPS, bridge, 0),
            Dependency::Ports(bridge) => (PORTS, bridge, 0),
        };
        kind << KIND_SHIFT | u64::from(bridge.0) << BRIDGE_SHIFT | u64::from(table)
    }

    /// From what the datapath kept.
    #[must_use]
    pub fn from_number(number: u64) -> Option<Dependency> {
        let bridge = BridgeId(u16::try_from(number >> BRIDGE_SHIFT & 0xffff).ok()?);
        let table = u8::try_from(number & 0xff).ok()?;
        match number >> KIND_SHIFT {
            TABLE => Some(Dependency::Table(bridge, table)),
            GROUPS => Some(Dependency::Groups(bridge)),
            PORTS => Some(Dependency::Ports(bridge)),
            _ => None,
        }
    }

    /// Whether it is as it was in a version.
    #[must_use]
    pub fn is_unchanged(self, view: &View, since: Version) -> bool {
        let changed = match self {
            Dependency::Table(bridge, table) => {
                view.bridge(bridge).and_then(|b| Some(b.tables.get(table)?.changed()))
            }
            Dependency::Groups(bridge) => view.bridge(bridge).map(|b| b.groups_changed),
            Dependency::Ports(bridge) => view.bridge(bridge).map(|b| b.ports_changed),
        };
        changed.is_some_and(|changed| changed <= since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        let bridge = BridgeId(0xfffe);
        for dependency in [
            Dependency::Table(bridge, 254),
            Dependency::Groups(bridge),
            Dependency::Ports(BridgeId(0)),
        ] {
            assert_eq!(Dependency::from_number(dependency.to_number()), Some(dependency));
        }
        assert_eq!(Dependency::from_number(u64::MAX), None);
    }
}
