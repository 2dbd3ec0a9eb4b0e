//! How a port treats VLAN tags: which frames it admits, and how frames leave.
//!
//! # Design
//! Inside a bridge a frame has a VLAN, whether it carries a tag or not, and perhaps a customer VLAN
//! below it. [`PortVlan::admit`] says which VLAN, by the port that received it; [`PortVlan::edit`]
//! says what an output changes of the tags that are still on the frame. Between the two the frame's
//! bytes are not touched, so that a frame that keeps its tags is never rewritten.
//!
//! | mode | untagged, or VID 0 | VID ≠ 0 | leaves |
//! |---|---|---|---|
//! | access | VLAN `tag` | dropped | untagged |
//! | trunk | VLAN 0, if carried | that VLAN, if carried | tagged, except VLAN 0 |
//! | native-tagged | VLAN `tag` | that VLAN, if carried | tagged |
//! | native-untagged | VLAN `tag` | that VLAN, if carried | tagged, except VLAN `tag` |
//! | dot1q-tunnel | VLAN `tag`, customer VLAN 0 | VLAN `tag`, that customer VLAN | as the customer sent it |
//!
//! The frame of a tunnel gets a service tag of its own, with priority 0, when it leaves by a port
//! that tags; whatever the customer sent stays below it, untouched, and comes out at the far end.
//! The customer VLAN of a frame that arrives with its service tag is that of its second tag, which is
//! looked for if `vlan-limit` is 2: else it counts as 0. An access port sends no frame with a
//! customer VLAN, for its host would take the customer's tag for its own.
//!
//! A tag with VID 0 (priority tag) stands for no VLAN. Where a frame leaves without a VLAN,
//! [`PriorityTags`] says whether a tag stays with VID 0, since much equipment drops such frames. A tag
//! that leaves keeps the priority, drop eligibility and TPID of the one that came in; a new one has
//! priority 0, and TPID 0x8100 unless it is a service tag.
//!
//! # Invariants
//! At most one tag is written or removed per output: the outermost.
//!
//! # References
//! ovs-vswitchd.conf.db(5), "VLAN Configuration" of table Port; IEEE 802.1Q-2018 §6.9.

mod edit;

use packet::vlan::{TPID_CTAG, TPID_STAG};
use packet::{Vid, VlanTag};

use crate::drop_reason::DropReason;
use crate::view::VidSet;
pub use edit::Edit;

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
    /// A customer's port: whatever it sends, tagged or not, travels in one service VLAN.
    Dot1qTunnel,
}

/// When a frame that leaves without a VLAN keeps its tag, with VID 0
/// (ovs-vswitchd.conf.db(5), `Port.other_config:priority-tags`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PriorityTags {
    /// Never.
    Never,
    /// If the priority is not 0.
    IfNonzero,
    /// Always.
    Always,
}

/// TPID of the tag that a tunnel's frames get (`Port.other_config:qinq-ethtype`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum QinqEthertype {
    /// 0x88a8.
    Dot1ad,
    /// 0x8100.
    Dot1q,
}

/// How many tags of a frame are looked at (`Open_vSwitch.other_config:vlan-limit`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum VlanLimit {
    /// The outer one: what is below it is payload.
    One,
    /// The second tag too, which names the customer VLAN.
    Two,
}

/// Whether frames pass between ports that are both so marked (`Port.protected`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protection {
    /// They pass.
    Open,
    /// They do not.
    Protected,
}

/// A port's VLAN configuration.
///
/// # Invariants
/// `carried` holds `tag` in every mode but trunk, and nothing else in access and tunnel mode. A port
/// with a native VLAN other than 0 does not carry VLAN 0.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PortVlan {
    /// The mode.
    pub mode: VlanMode,
    /// The access, native or service VLAN; [`Vid::NONE`] for a trunk.
    pub tag: Vid,
    /// VLANs that the port carries, the one in `tag` included.
    pub carried: VidSet,
    /// Customer VLANs that a tunnel carries, untagged frames counting as 0; `None`: all.
    pub cvlans: Option<VidSet>,
    /// TPID of the tag that a tunnel's frames get.
    pub qinq: QinqEthertype,
    /// What becomes of the tag of a frame that leaves without a VLAN.
    pub priority_tags: PriorityTags,
    /// Whether the port is kept apart from others that are.
    pub protection: Protection,
    /// How many tags of its frames are looked at.
    pub limit: VlanLimit,
}

/// What the tags of a received frame say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tags {
    /// The outer tag.
    pub outer: VlanTag,
    /// The customer VLAN: below the VLAN that the frame was admitted to; 0 if there is none.
    pub customer: Vid,
}

impl QinqEthertype {
    /// The TPID.
    #[must_use]
    pub const fn tpid(self) -> u16 {
        match self {
            QinqEthertype::Dot1ad => TPID_STAG,
            QinqEthertype::Dot1q => TPID_CTAG,
        }
    }
}

impl PortVlan {
    /// A trunk that carries every VLAN: the default.
    #[must_use]
    pub fn trunk_all() -> PortVlan {
        PortVlan::new(VlanMode::Trunk, Vid::NONE, VidSet::all())
    }

    /// A port of some mode, the rest by default. `tag` is of no meaning to a trunk, `trunks` (all
    /// VLANs that a trunk is to carry, also where the user named none) of none to access and tunnel.
    #[must_use]
    pub fn new(mode: VlanMode, tag: Vid, trunks: VidSet) -> PortVlan {
        let (tag, carried) = match mode {
            VlanMode::Access | VlanMode::Dot1qTunnel => (tag, VidSet::from_iter([tag])),
            VlanMode::Trunk => (Vid::NONE, trunks),
            VlanMode::NativeTagged | VlanMode::NativeUntagged => {
                let mut carried = trunks;
                // Untagged frames are the native VLAN's: VLAN 0 would leave looking like them.
                carried.remove(Vid::NONE);
                carried.insert(tag);
                (tag, carried)
            }
        };
        PortVlan {
            mode,
            tag,
            carried,
            cvlans: None,
            qinq: QinqEthertype::Dot1ad,
            priority_tags: PriorityTags::Never,
            protection: Protection::Open,
            limit: VlanLimit::One,
        }
    }

    /// Whether frames of a VLAN may leave by the port.
    #[must_use]
    #[inline]
    pub fn carries(&self, vid: Vid) -> bool {
        self.carried.contains(vid)
    }

    /// The VLAN of a frame that the port received with this outer tag.
    ///
    /// # Errors
    /// The port does not admit the frame.
    pub fn admit(&self, tag: Option<VlanTag>) -> Result<Vid, DropReason> {
        let vid = tag.map_or(Vid::NONE, VlanTag::vid);
        let admitted = match self.mode {
            VlanMode::Access => (vid == Vid::NONE).then_some(self.tag),
            VlanMode::Dot1qTunnel => self.has_customer(vid).then_some(self.tag),
            VlanMode::Trunk => Some(vid),
            VlanMode::NativeTagged | VlanMode::NativeUntagged if vid == Vid::NONE => Some(self.tag),
            VlanMode::NativeTagged | VlanMode::NativeUntagged => Some(vid),
        };
        admitted.filter(|vlan| self.carries(*vlan)).ok_or(DropReason::VlanNotAllowed)
    }

    /// The customer VLAN of a frame that the port admitted with these two VIDs, the second being 0 if
    /// there is no such tag.
    #[must_use]
    pub fn customer(&self, outer: Vid, inner: Vid) -> Vid {
        match self.mode {
            VlanMode::Dot1qTunnel => outer,
            VlanMode::Access => Vid::NONE,
            _ => inner,
        }
    }

    /// Whether a tunnel carries a customer VLAN.
    fn has_customer(&self, vid: Vid) -> bool {
        self.cvlans.as_ref().is_none_or(|cvlans| cvlans.contains(vid))
    }

    /// Whether [`PortVlan::refuses`] may refuse a frame without a customer VLAN.
    #[must_use]
    #[inline]
    pub fn is_choosy(&self) -> bool {
        self.cvlans.is_some() || self.protection == Protection::Protected
    }

    /// Why a frame of a VLAN that the port carries may not leave by it, if so; `from` received it.
    #[must_use]
    #[cold]
    pub fn refuses(&self, from: &PortVlan, customer: Vid) -> Option<DropReason> {
        if (self.protection, from.protection) == (Protection::Protected, Protection::Protected) {
            return Some(DropReason::Protected);
        }
        let carries = match self.mode {
            VlanMode::Access => customer == Vid::NONE,
            VlanMode::Dot1qTunnel => self.has_customer(customer),
            _ => true,
        };
        (!carries).then_some(DropReason::VlanNotCarried)
    }
}

#[cfg(test)]
mod tests;
