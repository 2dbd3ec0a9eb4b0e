//! Options of tunnel headers: `tun_metadata0` to `tun_metadata63`.
//!
//! # Design
//! A key has [`TUN_OPTIONS_LEN`] bytes for the options of one packet, and one bit for each that says
//! whether it was there. Which option lies where is agreed per bridge, by the controller's TLV table
//! (`add-tlv-map`): an [`OptionSlot`] says so for one, and [`SlotMap`] hands the bytes out.
//! Bytes stand in the words first byte highest, so that a prefix of an option is a prefix of a word.
//!
//! # References
//! RFC 8926 §3.5 (an option has up to 124 bytes, in steps of four); ovs-fields(7), TUNNEL FIELDS.

use super::field::{FieldId, N_OPTIONS};
use super::place::{TUN_OPTIONS, TUN_OPTIONS_LEN};
use super::words::Words;

/// Most bytes of one option (RFC 8926 §3.5: five bits count steps of four).
pub const MAX_OPTION_LEN: usize = 124;

/// Bytes of one option; those beyond its length are zero.
pub type ArrayOption = [u8; MAX_OPTION_LEN];

/// Where a key holds one option.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct OptionSlot {
    index: u8,
    offset: u8,
    len: u8,
}

impl OptionSlot {
    /// Which of the [`N_OPTIONS`].
    #[must_use]
    pub const fn index(self) -> usize {
        self.index as usize
    }

    /// The field that names it.
    #[must_use]
    pub fn field(self) -> FieldId {
        FieldId::tun_metadata(self.index()).unwrap_or(FieldId::TunMetadata0)
    }

    /// Bytes, at most [`MAX_OPTION_LEN`].
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "it is never empty")]
    pub const fn len(self) -> usize {
        self.len as usize
    }

    /// Word and shift of each of its bytes.
    fn places(self) -> impl Iterator<Item = (usize, u32)> {
        let bytes = usize::from(self.offset)..usize::from(self.offset) + self.len();
        bytes
            .zip(self.offset..)
            .map(|(at, low)| (TUN_OPTIONS + at / 8, 56 - u32::from(low % 8) * 8))
    }
}

/// Which options lie where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SlotMap {
    slots: [Option<OptionSlot>; N_OPTIONS],
}

/// Why an option got no place.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SlotError {
    /// There is no such option.
    #[error("tun_metadata{0} does not exist (allowed: 0 to 63)")]
    NoOption(usize),
    /// It has a place already.
    #[error("tun_metadata{0} has a place already")]
    Taken(usize),
    /// Not a length of an option.
    #[error("{0} bytes are no length of an option (allowed: 4 to 124, in steps of 4)")]
    BadLength(usize),
    /// The bytes are used up.
    #[error("no room for {0} more bytes of options (256 for all of them)")]
    Full(usize),
}

impl SlotMap {
    /// No option has a place.
    pub const EMPTY: SlotMap = SlotMap { slots: [None; N_OPTIONS] };

    /// The place of an option.
    #[must_use]
    pub fn slot(&self, index: usize) -> Option<OptionSlot> {
        self.slots.get(index).copied().flatten()
    }

    /// Gives an option a place of `len` bytes.
    ///
    /// # Errors
    /// See [`SlotError`].
    pub fn insert(&mut self, index: usize, len: usize) -> Result<OptionSlot, SlotError> {
        let bad = SlotError::BadLength(len);
        let number = u8::try_from(index).map_err(|_| SlotError::NoOption(index))?;
        let bytes = u8::try_from(len).map_err(|_| bad)?;
        if len == 0 || len > MAX_OPTION_LEN || !len.is_multiple_of(4) {
            return Err(bad);
        }
        let offset = self.room(len).ok_or(SlotError::Full(len))?;
        let entry = self.slots.get_mut(index).ok_or(SlotError::NoOption(index))?;
        if entry.is_some() {
            return Err(SlotError::Taken(index));
        }
        let slot = OptionSlot { index: number, offset, len: bytes };
        *entry = Some(slot);
        Ok(slot)
    }

    /// Takes the place of an option back.
    pub fn remove(&mut self, index: usize) -> Option<OptionSlot> {
        self.slots.get_mut(index)?.take()
    }

    /// The first gap of `len` bytes.
    fn room(&self, len: usize) -> Option<u8> {
        let is_free = |from: usize| {
            self.slots.iter().flatten().all(|slot| {
                let start = usize::from(slot.offset);
                from + len <= start || start + slot.len() <= from
            })
        };
        let from = (0..=TUN_OPTIONS_LEN - len).step_by(4).find(|from| is_free(*from))?;
        u8::try_from(from).ok()
    }
}

impl Words {
    /// The bytes of an option, whether or not it is there.
    #[must_use]
    pub fn option(&self, slot: OptionSlot) -> ArrayOption {
        let mut bytes = [0; MAX_OPTION_LEN];
        for (byte, (at, shift)) in bytes.iter_mut().zip(slot.places()) {
            *byte = self.word(at).wrapping_shr(shift).to_le_bytes()[0];
        }
        bytes
    }

    /// Overwrites the bytes of an option, zero beyond the end of `bytes`, and says that it is there.
    pub fn set_option(&mut self, slot: OptionSlot, bytes: &[u8]) {
        let bytes = bytes.iter().copied().chain(core::iter::repeat(0));
        for ((at, shift), byte) in slot.places().zip(bytes) {
            let rest = self.word(at) & !(0xff << shift);
            self.put_word(at, rest | u64::from(byte) << shift);
        }
        self.set(slot.field(), 1);
    }

    /// Takes an option away: zero, and not there.
    pub fn clear_option(&mut self, slot: OptionSlot) {
        self.set_option(slot, &[]);
        self.set(slot.field(), 0);
    }
}
