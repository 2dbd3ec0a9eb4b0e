//! A match: the bits that a packet's key must have.
//!
//! # Invariants
//! The key of a [`FlowMatch`] is zero wherever its mask is, so that equal matches are equal values and
//! a prerequisite can be asked of a match as of a packet.
//!
//! What it demands of tunnel options is a list, since where options lie in a key is a bridge's matter:
//! [`FlowMatch::resolve`] puts the list into key and mask, by the bridge's table. Before that a match
//! with options can be read and written, and not asked.

use super::field::{FieldId, Subfield};
use super::key::FlowKey;
use super::mask::FlowMask;
use super::place;
use super::tunnel::{ArrayOption, OptionMatch, OptionTable, put_bits};
use crate::vlan::TAG_PRESENT;

/// Bits that a key must have.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct FlowMatch {
    key: FlowKey,
    mask: FlowMask,
    /// What is demanded of tunnel options, by index.
    options: Vec<OptionMatch>,
}

impl FlowMatch {
    /// Every packet.
    pub const ANY: FlowMatch =
        FlowMatch { key: FlowKey::EMPTY, mask: FlowMask::EMPTY, options: Vec::new() };

    /// What `mask` sees of `key`.
    #[must_use]
    pub fn new(key: &FlowKey, mask: FlowMask) -> FlowMatch {
        FlowMatch { key: key.masked(&mask), mask, options: Vec::new() }
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
        if part.field.info().is_option() {
            return self.set_option_part(part, value);
        }
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

    /// What is demanded of tunnel options, by index.
    #[must_use]
    pub fn options(&self) -> &[OptionMatch] {
        &self.options
    }

    /// What is demanded of one tunnel option.
    #[must_use]
    pub fn option(&self, index: usize) -> Option<&OptionMatch> {
        self.options.iter().find(|option| usize::from(option.index) == index)
    }

    /// Demands something of a tunnel option. What was demanded of it before is forgotten.
    pub fn set_option(&mut self, mut option: OptionMatch) {
        for (value, mask) in option.value.iter_mut().zip(&option.mask) {
            *value &= mask;
        }
        match self.options.binary_search_by_key(&option.index, |known| known.index) {
            Ok(at) => self.options[at] = option,
            Err(at) => self.options.insert(at, option),
        }
    }

    /// Demands that a part of a tunnel option, of at most 128 bits, has a value, and leaves what is
    /// demanded of the rest.
    pub fn set_option_part(&mut self, part: Subfield, value: u128) {
        let Some(index) = part.field.option().and_then(|index| u8::try_from(index).ok()) else {
            return;
        };
        let fresh = OptionMatch { index, value: EMPTY, mask: EMPTY, len: None };
        let mut option = self.option(index.into()).cloned().unwrap_or(fresh);
        put_bits(&mut option.value, part.offset, part.n_bits, value);
        put_bits(&mut option.mask, part.offset, part.n_bits, u128::MAX);
        self.set_option(option);
    }

    /// Puts what is demanded of tunnel options where a table says that they lie. Without one of the
    /// table it changes nothing, and says which.
    ///
    /// # Errors
    /// An option that no option of the table stands for.
    pub fn resolve(&mut self, table: &OptionTable) -> Result<(), u8> {
        let unknown = |option: &&OptionMatch| table.slot(option.index.into()).is_none();
        if let Some(option) = self.options.iter().find(unknown) {
            return Err(option.index);
        }
        for option in &mut self.options {
            if let Some(slot) = table.slot(option.index.into()) {
                option.fit(slot);
                self.mask.set_option(slot, &option.mask);
                self.key.set_option(slot, &option.value);
            }
        }
        Ok(())
    }

    /// Makes the list of options of what key and mask say: the other way round. An option of which only
    /// some bytes were looked at, and not whether it is there, is in the list as well.
    #[must_use]
    pub fn with_options(mut self, table: &OptionTable) -> FlowMatch {
        self.options.clear();
        for (_, slot) in table.iter() {
            let (value, mask) = (self.key.option(slot), self.mask.option(slot));
            let is_there = self.mask.get(slot.field()) != 0;
            if let Ok(index) = u8::try_from(slot.index())
                && (is_there || mask != EMPTY)
            {
                let mut option = OptionMatch { index, value, mask, len: None };
                option.fit(slot);
                self.options.push(option);
            }
        }
        self
    }
}

/// No bit.
const EMPTY: ArrayOption = [0; super::tunnel::MAX_OPTION_LEN];
