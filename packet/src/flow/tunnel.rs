//! Options of tunnel headers: `tun_metadata0` to `tun_metadata63`.
//!
//! # Design
//! A key has [`TUN_OPTIONS_LEN`] bytes for the options of one packet, and one bit for each that says
//! whether it was there. Which option is which field, and where it lies, is agreed per bridge, by the
//! controller's TLV table (`add-tlv-map`): an [`OptionTable`]. The bytes are handed out in units of
//! four, and those of one option need not be neighbours: there is room until all is used up, whatever
//! was taken back before. Bytes stand in the words first byte highest.
//!
//! A value of a field is as long as the longest option, right-aligned, as Open vSwitch has it: bit 0 is
//! the lowest of the last byte. So a value may be written before it is known how long the option is.
//!
//! # References
//! RFC 8926 §3.5 (an option has up to 124 bytes, in steps of four); ovs-fields(7), TUNNEL FIELDS;
//! `lib/tun-metadata.c` of Open vSwitch.

use super::field::{FieldId, N_OPTIONS};
use super::place::{TUN_OPTIONS, TUN_OPTIONS_LEN};
use super::words::Words;

/// Most bytes of one option (RFC 8926 §3.5: five bits count steps of four).
pub const MAX_OPTION_LEN: usize = 124;

/// Bytes that are handed out at once.
const UNIT_LEN: usize = 4;

/// A value of an option, or a mask of one, right-aligned: the first bytes of a shorter one are zero.
pub type ArrayOption = [u8; MAX_OPTION_LEN];

/// Where a key holds one option.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct OptionSlot {
    index: u8,
    n_units: u8,
    units: [u8; MAX_OPTION_LEN / UNIT_LEN],
}

impl OptionSlot {
    /// Which of the [`N_OPTIONS`].
    #[must_use]
    pub const fn index(&self) -> usize {
        self.index as usize
    }

    /// The field that names it.
    #[must_use]
    pub fn field(&self) -> FieldId {
        FieldId::tun_metadata(self.index()).unwrap_or(FieldId::TunMetadata0)
    }

    /// Bytes, at most [`MAX_OPTION_LEN`].
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "an option without bytes is one all the same")]
    pub const fn len(&self) -> usize {
        self.n_units as usize * UNIT_LEN
    }

    /// Word and shift of one of its bytes, counted from the first.
    fn place(&self, at: usize) -> (usize, u32) {
        let unit = usize::from(self.units[at / UNIT_LEN]);
        let byte = unit * UNIT_LEN + at % UNIT_LEN;
        (TUN_OPTIONS + byte / 8, if unit.is_multiple_of(2) { 32 } else { 0 } + shift_in_unit(at))
    }
}

/// Bits below a byte of a unit.
fn shift_in_unit(at: usize) -> u32 {
    [24, 16, 8, 0][at % UNIT_LEN]
}

/// A class of options and a type: what names one on the wire.
pub type OptionKind = (u16, u8);

/// Which options are which fields, and where they lie.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OptionTable {
    entries: [Option<(OptionKind, OptionSlot)>; N_OPTIONS],
    /// Units that are handed out, a bit each.
    used: u64,
}

/// Why an option got no place.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SlotError {
    /// There is no such option.
    #[error("tun_metadata{0} does not exist (allowed: 0 to 63)")]
    NoOption(usize),
    /// It stands for an option already.
    #[error("tun_metadata{0} is mapped already")]
    Taken(usize),
    /// Another field stands for the option.
    #[error("the option of class {:#x} and type {:#x} is mapped already", .0.0, .0.1)]
    Twice(OptionKind),
    /// Not a length of an option.
    #[error("{0} bytes are no length of an option (allowed: 0 to 124, in steps of 4)")]
    BadLength(usize),
    /// The bytes are used up.
    #[error("no room for {0} more bytes of options (256 for all of them)")]
    Full(usize),
}

impl OptionTable {
    /// No option is a field.
    pub const EMPTY: OptionTable = OptionTable { entries: [None; N_OPTIONS], used: 0 };

    /// Whether no option is a field.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.iter().all(Option::is_none)
    }

    /// Every option that is a field, in the order of fields.
    pub fn iter(&self) -> impl Iterator<Item = (OptionKind, &OptionSlot)> {
        self.entries.iter().flatten().map(|(kind, slot)| (*kind, slot))
    }

    /// The place of a field.
    #[must_use]
    pub fn slot(&self, index: usize) -> Option<&OptionSlot> {
        self.entries.get(index)?.as_ref().map(|(_, slot)| slot)
    }

    /// The place of an option.
    #[must_use]
    pub fn find(&self, kind: OptionKind) -> Option<&OptionSlot> {
        self.entries.iter().flatten().find(|(known, _)| *known == kind).map(|(_, slot)| slot)
    }

    /// Makes an option of `len` bytes a field.
    ///
    /// # Errors
    /// See [`SlotError`].
    pub fn insert(&mut self, index: usize, kind: OptionKind, len: usize) -> Result<(), SlotError> {
        let number = u8::try_from(index).map_err(|_| SlotError::NoOption(index))?;
        let entry = self.entries.get(index).ok_or(SlotError::NoOption(index))?;
        if len > MAX_OPTION_LEN || !len.is_multiple_of(UNIT_LEN) {
            return Err(SlotError::BadLength(len));
        }
        if entry.is_some() {
            return Err(SlotError::Taken(index));
        }
        if self.find(kind).is_some() {
            return Err(SlotError::Twice(kind));
        }
        let mut slot = OptionSlot { index: number, n_units: 0, units: [0; 31] };
        let mut used = self.used;
        for unit in &mut slot.units[..len / UNIT_LEN] {
            let free = used.trailing_ones();
            if free as usize >= TUN_OPTIONS_LEN / UNIT_LEN {
                return Err(SlotError::Full(len));
            }
            used |= 1 << free;
            *unit = u8::try_from(free).unwrap_or(0);
            slot.n_units += 1;
        }
        (self.used, self.entries[index]) = (used, Some((kind, slot)));
        Ok(())
    }

    /// Takes a field's option away.
    pub fn remove(&mut self, index: usize) {
        let Some((_, slot)) = self.entries.get_mut(index).and_then(Option::take) else { return };
        for unit in &slot.units[..usize::from(slot.n_units)] {
            self.used &= !(1 << unit);
        }
    }
}

impl Default for OptionTable {
    fn default() -> OptionTable {
        OptionTable::EMPTY
    }
}

impl Words {
    /// The bytes of an option, whether or not it is there.
    #[must_use]
    pub fn option(&self, slot: &OptionSlot) -> ArrayOption {
        let mut bytes = [0; MAX_OPTION_LEN];
        for (at, byte) in bytes[MAX_OPTION_LEN - slot.len()..].iter_mut().enumerate() {
            let (word, shift) = slot.place(at);
            *byte = self.word(word).wrapping_shr(shift).to_le_bytes()[0];
        }
        bytes
    }

    /// Overwrites the bytes of an option with the last ones of `bytes`, and says that it is there.
    pub fn set_option(&mut self, slot: &OptionSlot, bytes: &ArrayOption) {
        self.put_bytes(slot, &bytes[MAX_OPTION_LEN - slot.len()..]);
        self.set(slot.field(), 1);
    }

    /// An option that came with a packet: as many bytes as the slot has, and it is there.
    pub fn receive_option(&mut self, slot: &OptionSlot, data: &[u8]) {
        self.put_bytes(slot, data);
        self.set(slot.field(), 1);
    }

    /// Overwrites those bits of an option that `mask` has, and says that it is there.
    pub fn set_option_masked(
        &mut self,
        slot: &OptionSlot,
        value: &ArrayOption,
        mask: &ArrayOption,
    ) {
        let old = self.option(slot);
        let bytes: ArrayOption =
            core::array::from_fn(|at| old[at] & !mask[at] | value[at] & mask[at]);
        self.set_option(slot, &bytes);
    }

    fn put_bytes(&mut self, slot: &OptionSlot, bytes: &[u8]) {
        for (at, byte) in bytes.iter().take(slot.len()).enumerate() {
            let (word, shift) = slot.place(at);
            let rest = self.word(word) & !(0xff << shift);
            self.put_word(word, rest | u64::from(*byte) << shift);
        }
    }
}

/// Bits of a value, `offset` bits from its end, at most 128 of them.
#[must_use]
pub fn bits_of(value: &ArrayOption, offset: u16, n_bits: u16) -> u128 {
    let bit = |at: usize| match (MAX_OPTION_LEN - 1).checked_sub(at / 8) {
        Some(byte) => u128::from(value[byte] >> (at % 8) & 1),
        None => 0,
    };
    let n_bits = usize::from(n_bits.min(128));
    (0..n_bits).fold(0, |bits, at| bits | bit(usize::from(offset) + at) << at)
}

/// Overwrites at most 128 bits of a value, `offset` bits from its end.
pub fn put_bits(value: &mut ArrayOption, offset: u16, n_bits: u16, bits: u128) {
    for at in 0..n_bits.min(128) {
        let place = usize::from(offset + at);
        if let Some(byte) = (MAX_OPTION_LEN - 1).checked_sub(place / 8) {
            let bit = u8::from(bits >> at & 1 != 0) << (place % 8);
            value[byte] = value[byte] & !(1 << (place % 8)) | bit;
        }
    }
}

/// Ones where a part of a value lies.
#[must_use]
pub fn ones_at(offset: u16, n_bits: u16) -> ArrayOption {
    let mut mask = [0; MAX_OPTION_LEN];
    let mut done = 0;
    while done < n_bits {
        let n_now = (n_bits - done).min(128);
        put_bits(&mut mask, offset + done, n_now, u128::MAX);
        done += n_now;
    }
    mask
}

/// What a match demands of a tunnel option: that it is there, and has those bits of `value` that `mask`
/// has.
#[derive(Clone, Eq, Debug)]
pub struct OptionMatch {
    /// Which of the [`N_OPTIONS`].
    pub index: u8,
    /// The bits, zero where they are not looked at.
    pub value: ArrayOption,
    /// Which bits are looked at; all of the longest option: the whole, however long it is.
    pub mask: ArrayOption,
    /// Bytes of the option, once an [`OptionTable`] has said so.
    pub len: Option<u8>,
}

/// The mask of a whole option.
pub const WHOLE: ArrayOption = [0xff; MAX_OPTION_LEN];

impl OptionMatch {
    /// The field that names it.
    #[must_use]
    pub fn field(&self) -> FieldId {
        FieldId::tun_metadata(self.index.into()).unwrap_or(FieldId::TunMetadata0)
    }

    /// Bytes that say it: those of the option, or as many as are not zero.
    #[must_use]
    pub fn n_bytes(&self) -> usize {
        let n_zero = |bytes: &ArrayOption| bytes.iter().take_while(|byte| **byte == 0).count();
        let n_zero = match self.is_whole() {
            true => n_zero(&self.value),
            false => n_zero(&self.value).min(n_zero(&self.mask)),
        };
        self.len.map_or(MAX_OPTION_LEN - n_zero, usize::from)
    }

    /// Whether every bit is looked at.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.mask == WHOLE
    }

    /// Takes the length of a slot: what is looked at in all its bytes is looked at whole.
    pub(super) fn fit(&mut self, slot: &OptionSlot) {
        let from = MAX_OPTION_LEN - slot.len();
        self.value[..from].fill(0);
        if self.mask[from..] == WHOLE[from..] && (slot.len() > 0 || self.is_whole()) {
            self.mask = WHOLE;
        } else {
            self.mask[..from].fill(0);
        }
        self.len = u8::try_from(slot.len()).ok();
    }
}

/// However long the option is.
impl PartialEq for OptionMatch {
    fn eq(&self, other: &OptionMatch) -> bool {
        (self.index, self.value, self.mask) == (other.index, other.value, other.mask)
    }
}
