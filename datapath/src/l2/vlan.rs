//! How a port treats VLAN tags: which it admits, and how frames leave.

use packet::Vid;

use crate::view::VidSet;

/// A port's VLAN mode (ovs-vswitchd.conf.db(5), `Port.vlan_mode`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum VlanMode {
    /// One VLAN, untagged on the wire.
    Access,
    /// Tagged frames of the trunk VLANs; untagged frames are VLAN 0.
    Trunk,
    /// A trunk whose untagged frames belong to the native VLAN, which leaves tagged.
    NativeTagged,
    /// A trunk whose untagged frames belong to the native VLAN, which leaves untagged.
    NativeUntagged,
}

/// A port's VLAN configuration.
#[derive(Clone, Debug)]
pub struct PortVlan {
    /// The mode.
    pub mode: VlanMode,
    /// The access or native VLAN; [`Vid::NONE`] for a trunk.
    pub tag: Vid,
    /// VLANs that the port carries, the access or native VLAN included.
    pub carried: VidSet,
}

impl PortVlan {
    /// A trunk that carries every VLAN: the default.
    #[must_use]
    pub fn trunk_all() -> PortVlan {
        PortVlan { mode: VlanMode::Trunk, tag: Vid::NONE, carried: VidSet::all() }
    }
}
