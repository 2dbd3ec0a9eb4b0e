//! How a port treats VLAN tags: which frames it admits, and how frames leave.
//!
//! # Design
//! Inside a bridge a frame has a VLAN, whether it carries a tag or not. [`PortVlan::admit`] says which,
//! by the port that received it; [`PortVlan::edit`] says what an output changes of the tag that is
//! still on the frame. Between the two the frame's bytes are not touched, so that a frame that keeps
//! its tag is never rewritten.
//!
//! | mode | untagged, or VID 0 | VID ≠ 0 | leaves |
//! |---|---|---|---|
//! | access | VLAN `tag` | dropped | untagged |
//! | trunk | VLAN 0, if carried | that VLAN, if carried | tagged, except VLAN 0 |
//! | native-tagged | VLAN `tag` | that VLAN, if carried | tagged |
//! | native-untagged | VLAN `tag` | that VLAN, if carried | tagged, except VLAN `tag` |
//!
//! A tag with VID 0 (priority tag) stands for no VLAN; it is removed on the way out, since much
//! equipment drops such frames (Open vSwitch: `priority-tags=never`). A tag that leaves keeps the
//! priority, drop eligibility and TPID of the one that came in; a new one has TPID 0x8100, priority 0.
//!
//! # References
//! ovs-vswitchd.conf.db(5), "VLAN Configuration" of table Port; IEEE 802.1Q-2018 §6.9.

use packet::vlan::TPID_CTAG;
use packet::{Vid, VlanTag};

use crate::drop_reason::DropReason;
use crate::frame::Frame;
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
///
/// # Invariants
/// `carried` holds `tag` in every mode but trunk, and nothing else in access mode.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PortVlan {
    /// The mode.
    pub mode: VlanMode,
    /// The access or native VLAN; [`Vid::NONE`] for a trunk.
    pub tag: Vid,
    /// VLANs that the port carries, the access or native VLAN included.
    pub carried: VidSet,
}

/// What an output changes of a frame's outer tag.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Edit {
    /// Nothing.
    Keep,
    /// Inserts a tag: TPID and control information.
    Push(u16, VlanTag),
    /// Removes the outer tag.
    Pop,
    /// Overwrites the outer tag's control information.
    Set(VlanTag),
}

impl PortVlan {
    /// A trunk that carries every VLAN: the default.
    #[must_use]
    pub fn trunk_all() -> PortVlan {
        PortVlan { mode: VlanMode::Trunk, tag: Vid::NONE, carried: VidSet::all() }
    }

    /// A port of some mode. `tag` is of no meaning to a trunk, `trunks` (all VLANs that a trunk is to
    /// carry, also where the user named none) of none to an access port.
    #[must_use]
    pub fn new(mode: VlanMode, tag: Vid, trunks: VidSet) -> PortVlan {
        match mode {
            VlanMode::Access => PortVlan { mode, tag, carried: VidSet::from_iter([tag]) },
            VlanMode::Trunk => PortVlan { mode, tag: Vid::NONE, carried: trunks },
            VlanMode::NativeTagged | VlanMode::NativeUntagged => {
                let mut carried = trunks;
                carried.insert(tag);
                PortVlan { mode, tag, carried }
            }
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
        let vlan = match self.mode {
            VlanMode::Access if vid != Vid::NONE => return Err(DropReason::VlanNotAllowed),
            VlanMode::Trunk => vid,
            _ if vid == Vid::NONE => self.tag,
            _ => vid,
        };
        if self.carries(vlan) { Ok(vlan) } else { Err(DropReason::VlanNotAllowed) }
    }

    /// What to change of a frame of VLAN `vlan`, whose outer tag is still the one received.
    #[must_use]
    #[inline]
    pub fn edit(&self, vlan: Vid, tag: Option<VlanTag>) -> Edit {
        let untagged = match self.mode {
            VlanMode::Access => true,
            VlanMode::NativeUntagged if vlan == self.tag => true,
            _ => vlan == Vid::NONE,
        };
        match tag {
            None if untagged => Edit::Keep,
            None => Edit::Push(TPID_CTAG, VlanTag(vlan.get())),
            Some(_) if untagged => Edit::Pop,
            Some(tag) if tag.vid() == vlan => Edit::Keep,
            Some(tag) => Edit::Set(tag.with_vid(vlan)),
        }
    }
}

impl Edit {
    /// Changes the frame; `false`, and nothing changed, if it has no headroom for a tag.
    #[must_use]
    #[inline]
    pub fn apply(self, frame: &mut Frame) -> bool {
        match self {
            Edit::Keep => true,
            Edit::Push(tpid, tag) => frame.push_vlan(tpid, tag),
            Edit::Pop => frame.pop_vlan(),
            Edit::Set(tag) => frame.set_vlan(tag),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use DropReason::VlanNotAllowed;
    use VlanMode::{Access, NativeTagged, NativeUntagged, Trunk};

    fn vid(n: u16) -> Vid {
        Vid::new(n).unwrap()
    }

    /// Priority 5, drop eligible.
    fn tag(n: u16) -> Option<VlanTag> {
        Some(VlanTag(0xb000 | n))
    }

    fn port(mode: VlanMode, trunks: &[u16]) -> PortVlan {
        PortVlan::new(mode, vid(10), trunks.iter().map(|n| vid(*n)).collect())
    }

    #[test]
    fn admission_follows_the_mode() {
        let (ten, drop) = (Ok(vid(10)), Err(VlanNotAllowed));
        // mode, trunks, then: untagged, VID 0, VID 10, VID 20, VID 30
        for (mode, trunks, expected) in [
            (Access, &[20][..], [ten, ten, drop, drop, drop]),
            (Trunk, &[10, 20], [drop, drop, ten, Ok(vid(20)), drop]),
            (Trunk, &[0, 20], [Ok(vid(0)), Ok(vid(0)), drop, Ok(vid(20)), drop]),
            (NativeTagged, &[20], [ten, ten, ten, Ok(vid(20)), drop]),
            (NativeUntagged, &[20], [ten, ten, ten, Ok(vid(20)), drop]),
        ] {
            let port = port(mode, trunks);
            let admitted = [None, tag(0), tag(10), tag(20), tag(30)].map(|tag| port.admit(tag));
            assert_eq!(admitted, expected, "{mode:?} {trunks:?}");
        }
        assert_eq!(PortVlan::trunk_all().admit(tag(4095)), Ok(vid(4095)));
        assert!(!port(Access, &[20]).carries(vid(20)) && port(NativeTagged, &[]).carries(vid(10)));
    }

    #[test]
    fn edits_follow_the_mode() {
        let push = |n| Edit::Push(0x8100, VlanTag(n));
        let set = |n: u16| Edit::Set(VlanTag(0xb000 | n));
        // mode, then: VLAN 10 untagged, priority-tagged, tagged; VLAN 20 untagged, tagged
        for (mode, expected) in [
            (Access, [Edit::Keep, Edit::Pop, Edit::Pop, Edit::Keep, Edit::Pop]),
            (Trunk, [push(10), set(10), Edit::Keep, push(20), Edit::Keep]),
            (NativeTagged, [push(10), set(10), Edit::Keep, push(20), Edit::Keep]),
            (NativeUntagged, [Edit::Keep, Edit::Pop, Edit::Pop, push(20), Edit::Keep]),
        ] {
            let port = port(mode, &[20]);
            let frames = [(10, None), (10, tag(0)), (10, tag(10)), (20, None), (20, tag(20))];
            assert_eq!(frames.map(|(vlan, tag)| port.edit(vid(vlan), tag)), expected, "{mode:?}");
        }
    }

    #[test]
    fn a_priority_tag_does_not_leave() {
        let trunk = PortVlan::trunk_all();
        assert_eq!(trunk.edit(Vid::NONE, tag(0)), Edit::Pop);
        assert_eq!(trunk.edit(Vid::NONE, None), Edit::Keep);
    }
}
