//! A match: the bits that a packet's key must have.
//!
//! # Invariants
//! The key of a [`FlowMatch`] is zero wherever its mask is, so that equal matches are equal values and
//! a prerequisite can be asked of a match as of a packet.

use super::field::{FieldId, Subfield};
use super::key::FlowKey;
use super::mask::FlowMask;
use super::place;
use super::tunnel::{ArrayOption, OptionSlot};
use crate::vlan::TAG_PRESENT;

/// Bits that a key must have.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct FlowMatch {
    key: FlowKey,
    mask: FlowMask,
}

impl FlowMatch {
    /// Every packet.
    pub const ANY: FlowMatch = FlowMatch { key: FlowKey::EMPTY, mask: FlowMask::EMPTY };

    /// What `mask` sees of `key`.
    #[must_use]
    pub fn new(key: &FlowKey, mask: FlowMask) -> FlowMatch {
        FlowMatch { key: key.masked(&mask), mask }
    }

    /// The bits, zero where they are not looked at.
    #[must_use]
    pub const fn key(&self) -> &FlowKey {
        &self.key
    }

    /// Which bits are looked at.
    #[must_use]
    pub const fn mask(&self) -> &FlowMask {
        &self.mask
    }

    /// Demands that a field has a value.
    ///
    /// The older views of a VLAN tag (`dl_vlan`, `dl_vlan_pcp`, `vlan_pcp`) are of a tag that is
    /// there, so they demand that as well.
    pub fn set(&mut self, field: FieldId, value: u128) {
        self.set_masked(field, value, field.info().ones());
    }

    /// Demands that a field has those bits of `value` that `mask` has. What was demanded of the field
    /// before is forgotten. A mask of 0 demands nothing.
    pub fn set_masked(&mut self, field: FieldId, value: u128, mask: u128) {
        self.mask.set(field, mask);
        self.key.set(field, value & mask);
        let implies_tag = matches!(field, FieldId::DlVlan | FieldId::DlVlanPcp | FieldId::VlanPcp);
        if implies_tag && mask != 0 {
            self.mask.or_word(place::ETH_SRC, TAG_PRESENT.into());
            self.key.or_word(place::ETH_SRC, TAG_PRESENT.into());
        }
    }

    /// Demands that a part of a field has a value, and leaves what is demanded of the rest.
    pub fn set_part(&mut self, part: Subfield, value: u128) {
        let mask = self.mask.get(part.field) | part.mask();
        let bits = value << part.offset & part.mask();
        let value = self.key.get(part.field) & !part.mask() | bits;
        self.set_masked(part.field, value, mask);
    }

    /// Demands nothing of a field.
    pub fn clear(&mut self, field: FieldId) {
        self.set_masked(field, 0, 0);
    }

    /// Whether a key has the bits.
    #[must_use]
    pub fn matches(&self, key: &FlowKey) -> bool {
        self.mask.equal(&self.key, key)
    }

    /// Whether what it demands of a field can be: the field's prerequisite is among its demands.
    #[must_use]
    pub fn allows(&self, field: FieldId) -> bool {
        field.info().prereq.is_demanded(self)
    }

    /// Whether some key has the bits of both.
    #[must_use]
    pub fn overlaps(&self, other: &FlowMatch) -> bool {
        self.mask.common(&other.mask).equal(&self.key, &other.key)
    }

    /// Whether every key that has its bits has those of `other` too.
    #[must_use]
    pub fn is_within(&self, other: &FlowMatch) -> bool {
        self.mask.covers(&other.mask) && other.mask.equal(&self.key, &other.key)
    }

    /// Demands that a tunnel option is there, and has those bits of `value` that `mask` has. Bytes that
    /// either slice has not are not looked at.
    pub fn set_option(&mut self, slot: OptionSlot, value: &[u8], mask: &[u8]) {
        self.mask.set_option(slot, mask);
        let masked: ArrayOption = core::array::from_fn(|at| {
            value.get(at).copied().unwrap_or(0) & mask.get(at).copied().unwrap_or(0)
        });
        self.key.set_option(slot, &masked);
    }
}
