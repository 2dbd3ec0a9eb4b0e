//! What an output changes of a frame's tags.

use packet::vlan::TPID_CTAG;
use packet::{Vid, VlanTag};

use super::{PortVlan, PriorityTags, VlanMode};
use crate::frame::Frame;

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
    /// Overwrites the outer tag: TPID and control information.
    Replace(u16, VlanTag),
}

impl PortVlan {
    /// What to change of a frame of VLAN `vlan`, whose outer tag is still the one that `from`
    /// received.
    #[must_use]
    #[inline]
    pub fn edit(&self, from: &PortVlan, vlan: Vid, tag: Option<VlanTag>) -> Edit {
        if from.mode == VlanMode::Dot1qTunnel {
            return self.edit_tunnelled(from, tag);
        }
        let strips = self.strips(vlan);
        match tag {
            None if strips || vlan == Vid::NONE => Edit::Keep,
            None => Edit::Push(TPID_CTAG, VlanTag(vlan.get())),
            Some(tag) if strips => self.strip(tag),
            Some(tag) if vlan == Vid::NONE && !self.keeps_priority(tag) => Edit::Pop,
            Some(tag) if tag.vid() == vlan => Edit::Keep,
            Some(tag) => Edit::Set(tag.with_vid(vlan)),
        }
    }

    /// [`PortVlan::edit`] for a frame of a tunnel, which has no service tag yet.
    #[cold]
    fn edit_tunnelled(&self, from: &PortVlan, tag: Option<VlanTag>) -> Edit {
        if !self.strips(from.tag) {
            return Edit::Push(from.qinq.tpid(), VlanTag(from.tag.get()));
        }
        match tag {
            // A customer's tag is removed by nobody, but a priority tag is one of the port's own VLAN.
            Some(tag) if tag.vid() == Vid::NONE && self.mode != VlanMode::Dot1qTunnel => {
                self.strip(tag)
            }
            _ => Edit::Keep,
        }
    }

    /// Whether frames of a VLAN leave without its tag.
    #[inline]
    fn strips(&self, vlan: Vid) -> bool {
        match self.mode {
            VlanMode::Access | VlanMode::Dot1qTunnel => true,
            VlanMode::NativeUntagged => vlan == self.tag,
            VlanMode::Trunk | VlanMode::NativeTagged => false,
        }
    }

    /// Removes a tag, or leaves a priority tag in its place.
    fn strip(&self, tag: VlanTag) -> Edit {
        if self.mode != VlanMode::Dot1qTunnel && self.keeps_priority(tag) {
            Edit::Replace(TPID_CTAG, tag.with_vid(Vid::NONE))
        } else {
            Edit::Pop
        }
    }

    fn keeps_priority(&self, tag: VlanTag) -> bool {
        match self.priority_tags {
            PriorityTags::Never => false,
            PriorityTags::IfNonzero => tag.pcp().get() != 0,
            PriorityTags::Always => true,
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
            Edit::Replace(tpid, tag) => frame.replace_vlan(tpid, tag),
        }
    }
}
