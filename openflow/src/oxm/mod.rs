//! Matches as lists of fields: OXM of OpenFlow 1.2 and later, NXM of Nicira before it.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-------------------------------+-------------+-+---------------+
//! |             class             |    field    |M|    length     |
//! +-------------------------------+-------------+-+---------------+
//! | experimenter, if class is 0xffff              | value …, mask …
//! ```
//!
//! # Design
//! Both are one codec: they differ in the numbers of fields, which the field table gives for each
//! version. Which numbers are written is said by a [`Numbers`]; all are understood everywhere, as in
//! Open vSwitch. A tunnel option is as long as its entry says; which option it is, and how long, only the
//! switch's table knows ([`options`](crate::options)).
//!
//! # References
//! OpenFlow 1.3.5 §7.2.3; `nicira-ext.h` and `meta-flow.h` of Open vSwitch.

mod codes;
mod matching;
mod v10;

pub(crate) use matching::{Cookie, decode_entries, decode_match, encode_entries, encode_match};
pub(crate) use v10::{decode_v10, encode_v10, fits_v10};

use packet::flow::field::{Maskable, OxmClass};
use packet::flow::tunnel::{MAX_OPTION_LEN, WHOLE};
use packet::flow::{FieldId, OptionMatch};

use crate::error::OfpError;
use crate::version::Version;
use crate::wire::{Reader, Writer};

/// Whose numbers of fields are written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Numbers {
    /// Nicira's: in NXM and within Nicira's actions.
    Nxm,
    /// Those of a version of OpenFlow.
    Oxm(Version),
}

impl Numbers {
    /// A field as `since` of the field table counts versions.
    const fn wire(self) -> u8 {
        match self {
            Numbers::Nxm => 0,
            Numbers::Oxm(version) => version.wire(),
        }
    }

    /// The version, if it is one whose fields are OXM.
    pub(crate) const fn is_oxm(self) -> bool {
        matches!(self, Numbers::Oxm(_))
    }
}

/// The header of an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct EntryHeader {
    pub class: OxmClass,
    pub number: u8,
    pub masked: bool,
    /// Bytes of value and mask.
    pub payload_len: usize,
}

impl EntryHeader {
    /// Bytes of the value.
    const fn width(&self) -> usize {
        if self.masked { self.payload_len / 2 } else { self.payload_len }
    }

    /// The field, if it is known and its value has the right width.
    pub(crate) fn field(&self) -> Option<FieldId> {
        let field = codes::field(self.class, self.number)?;
        let info = field.info();
        let even = !self.masked || self.payload_len.is_multiple_of(2);
        let fits = usize::from(info.n_bytes) == self.width() && even;
        (fits || info.is_option()).then_some(field)
    }
}

/// Reads the header of an entry.
///
/// # Errors
/// `OFPBMC_BAD_LEN`: it is cut short.
pub(crate) fn read_header(r: &mut Reader<'_>) -> Result<EntryHeader, OfpError> {
    let mut inner = r.or(OfpError::BmBadLen);
    let (class, number, len) = (inner.u16()?, inner.u8()?, inner.u8()?);
    let mut payload_len = usize::from(len);
    let mut experimenter = None;
    let mut n_read = 4;
    if class == OxmClass::EXPERIMENTER {
        experimenter = Some(inner.u32()?);
        payload_len = payload_len.checked_sub(4).ok_or(OfpError::BmBadLen)?;
        n_read = 8;
    }
    r.skip(n_read)?;
    let masked = number & 1 != 0;
    Ok(EntryHeader {
        class: OxmClass { class, experimenter },
        number: number >> 1,
        masked,
        payload_len,
    })
}

/// Reads a header that stands for a field, as in actions. How long a tunnel option is, it need not know.
///
/// # Errors
/// `OFPBMC_BAD_FIELD` or `OFPBMC_BAD_MASK`.
pub(crate) fn read_field(r: &mut Reader<'_>) -> Result<FieldId, OfpError> {
    let header = read_header(r)?;
    let field = header.field().ok_or(OfpError::BmBadField)?;
    if header.masked { Err(OfpError::BmBadMask) } else { Ok(field) }
}

/// Writes the header of a field that is not an option; `mask` says whether one follows.
pub(crate) fn write_header(w: &mut Writer, field: FieldId, numbers: Numbers, mask: Mask) {
    let info = field.info();
    // A second number that needs no version is an alias, which is understood but not written.
    let usable = |since: u8| since > 0 && numbers.wire() >= since;
    let code = info.codes.iter().rev().find(|code| usable(code.since));
    let Some(code) = code.or(info.codes.first()) else { return };
    let masked = u8::from(mask == Mask::Follows);
    let experimenter = code.class.experimenter;
    let len = info.n_bytes * (1 + masked) + if experimenter.is_some() { 4 } else { 0 };
    w.u16(code.class.class);
    w.u8(code.number << 1 | masked);
    w.u8(len);
    if let Some(experimenter) = experimenter {
        w.u32(experimenter);
    }
}

/// Whether a mask follows a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mask {
    None,
    Follows,
}

/// Writes the low bytes of a value, as many as the field has.
pub(crate) fn write_value(w: &mut Writer, field: FieldId, value: u128) {
    let bytes = value.to_be_bytes();
    let width = usize::from(field.info().n_bytes).min(bytes.len());
    w.bytes(&bytes[bytes.len() - width..]);
}

/// Writes a tunnel option: as many bytes as say it.
pub(crate) fn write_option(w: &mut Writer, option: &OptionMatch) {
    let Some(code) = option.field().info().codes.first() else { return };
    let masked = !option.is_whole();
    let len = option.n_bytes();
    let from = MAX_OPTION_LEN.saturating_sub(len);
    w.u16(code.class.class);
    w.u8(code.number << 1 | u8::from(masked));
    w.u8(u8::try_from(if masked { 2 * len } else { len }).unwrap_or(u8::MAX));
    w.bytes(&option.value[from..]);
    if masked {
        w.bytes(&option.mask[from..]);
    }
}

/// Reads the value and the mask of a tunnel option behind a header that was read. What is shorter than
/// the option is the end of it.
///
/// # Errors
/// `OFPBMC_*`.
pub(crate) fn read_option(
    r: &mut Reader<'_>,
    (header, field): (&EntryHeader, FieldId),
) -> Result<OptionMatch, OfpError> {
    let payload = r.or(OfpError::BmBadLen).bytes(header.payload_len)?;
    r.skip(header.payload_len)?;
    let index = field.option().and_then(|index| u8::try_from(index).ok());
    let mut option = OptionMatch {
        index: index.ok_or(OfpError::BmBadField)?,
        value: [0; MAX_OPTION_LEN],
        mask: WHOLE,
        len: None,
    };
    let (value, mask) = payload.split_at(header.width());
    if header.masked && value.len() != mask.len() {
        return Err(OfpError::BmBadLen);
    }
    let from = MAX_OPTION_LEN.checked_sub(value.len()).ok_or(OfpError::BmBadLen)?;
    option.value[from..].copy_from_slice(value);
    if header.masked {
        option.mask = [0; MAX_OPTION_LEN];
        option.mask[from..].copy_from_slice(mask);
    }
    if option.value.iter().zip(&option.mask).any(|(value, mask)| value & !mask != 0) {
        return Err(OfpError::BmBadWildcards);
    }
    Ok(option)
}

/// Writes a field with its value, and its mask if it looks at part of the field.
pub(crate) fn write_entry(w: &mut Writer, field: FieldId, numbers: Numbers, bits: (u128, u128)) {
    let (value, mask) = bits;
    let exact = is_exact(field, mask);
    write_header(w, field, numbers, if exact { Mask::None } else { Mask::Follows });
    write_value(w, field, value);
    if !exact {
        write_value(w, field, mask);
    }
}

/// Whether a mask need not be written. What has fewer bits than its bytes is masked all the same, as
/// Open vSwitch does, but for fields that have no masks and for a few that it treats apart.
fn is_exact(field: FieldId, mask: u128) -> bool {
    let info = field.info();
    let whole = matches!(info.maskable, Maskable::Whole);
    let exempt = whole
        || matches!(
            field,
            FieldId::VlanVid | FieldId::IpFrag | FieldId::TcpFlags | FieldId::Ipv6Label
        );
    let ones = if exempt { info.ones() } else { all_ones(field) };
    mask & ones == ones
}

/// Ones in all bytes of a field.
fn all_ones(field: FieldId) -> u128 {
    let n_bits = u32::from(field.info().n_bytes) * 8;
    if n_bits >= 128 { u128::MAX } else { (1 << n_bits) - 1 }
}

/// A field, its value and its mask, as they were read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    pub field: FieldId,
    pub value: u128,
    pub mask: u128,
}

/// Reads a big-endian number of at most 16 bytes.
pub(crate) fn read_value(bytes: &[u8]) -> u128 {
    bytes.iter().fold(0, |value, byte| value << 8 | u128::from(*byte))
}

/// Reads the entry behind a header that was read, and checks it against the field's row.
///
/// # Errors
/// `OFPBMC_*`.
pub(crate) fn read_payload(r: &mut Reader<'_>, header: &EntryHeader) -> Result<Entry, OfpError> {
    let payload = r.or(OfpError::BmBadLen).bytes(header.payload_len)?;
    r.skip(header.payload_len)?;
    let (value, mask) = payload.split_at(header.width());
    if header.masked && value.iter().zip(mask).any(|(value, mask)| value & !mask != 0) {
        return Err(OfpError::BmBadWildcards);
    }
    let field = header.field().ok_or(OfpError::BmBadField)?;
    let mask = if header.masked { read_value(mask) } else { all_ones(field) };
    check_entry(Entry { field, value: read_value(value), mask })
}

/// Checks value and mask against the field's row; the mask becomes one of bits that the field has.
///
/// # Errors
/// `OFPBMC_BAD_MASK`, `OFPBMC_BAD_VALUE`.
pub(crate) fn check_entry(entry: Entry) -> Result<Entry, OfpError> {
    let Entry { field, value, mask } = entry;
    let info = field.info();
    let partial = mask != 0 && mask != all_ones(field) && mask & info.ones() != info.ones();
    if matches!(info.maskable, Maskable::Whole) && partial {
        return Err(OfpError::BmBadMask);
    }
    let ones = if field == FieldId::ArpOp { 0xff } else { info.ones() };
    if value & !ones != 0 || field == FieldId::CtState && value & !CT_STATES != 0 {
        return Err(OfpError::BmBadValue);
    }
    if field == FieldId::InPortOxm {
        let port = u32::try_from(value).unwrap_or(u32::MAX);
        crate::port::OfPort::from_wide(port).map_err(|_| OfpError::BmBadValue)?;
    }
    Ok(Entry { field, value, mask: mask & info.ones() })
}

/// `+new+est+rel+rpl+inv+trk+snat+dnat`.
const CT_STATES: u128 = 0xff;

/// Reads the entry behind a header whose value is a mask, as in the fields of a selection method.
///
/// # Errors
/// `OFPBMC_*`.
pub(crate) fn read_value_as_mask(
    r: &mut Reader<'_>,
    header: &EntryHeader,
) -> Result<(FieldId, u128), OfpError> {
    if header.masked {
        return Err(OfpError::BmBadMask);
    }
    let field = header.field().ok_or(OfpError::BmBadField)?;
    if field.info().is_option() {
        return Err(OfpError::NxfmfInvalidTlvField);
    }
    let mask = read_value(r.or(OfpError::BmBadLen).bytes(header.payload_len)?);
    r.skip(header.payload_len)?;
    let entry = check_entry(Entry { field, value: 0, mask })?;
    Ok((field, entry.mask))
}
