//! Actions that write fields: each version has its own ways to say it.
//!
//! # Design
//! OpenFlow 1.0 writes twelve fields by actions of their own, and the rest in Nicira's words; 1.2 to
//! 1.4 write whole fields by `set_field` and parts of them in Nicira's words; 1.5 does all by
//! `set_field` with a mask. [`encode`] chooses as Open vSwitch does.

use packet::flow::field::Access;
use packet::flow::tunnel::{MAX_OPTION_LEN, ones_at, put_bits};
use packet::flow::{FieldId, OptionMatch, Subfield};
use packet::vlan::TAG_PRESENT;

use super::codec::{nicira, padding, standard};
use super::{OfAction, SetField, pack_bits, unpack_bits};
use crate::error::OfpError;
use crate::oxm::{self, Mask, Numbers};
use crate::version::Version;
use crate::wire::{Reader, Writer};

pub(super) const REG_MOVE: u16 = 6;
pub(super) const REG_LOAD: u16 = 7;
pub(super) const REG_LOAD2: u16 = 33;
/// ONFACT_RAW13_COPY_FIELD (the ONF's extension 320).
const ONF_COPY_FIELD: u16 = 3200;

const SET_FIELD: u16 = 25;
const COPY_FIELD: u16 = 28;

/// Whether actions may write a field.
///
/// # Errors
/// `OFPBAC_BAD_SET_ARGUMENT`.
pub(super) fn check_writable(field: FieldId) -> Result<(), OfpError> {
    match field.info().access {
        Access::ReadWrite => Ok(()),
        Access::ReadOnly => Err(OfpError::BaBadSetArgument),
    }
}

/// Reads an entry that says what to write; whether it has a mask.
fn read_entry(r: &mut Reader<'_>) -> Result<(OfAction, bool), OfpError> {
    let as_action = |error| match error {
        OfpError::BmBadMask => OfpError::BaBadSetMask,
        OfpError::BmBadField => OfpError::BaBadSetType,
        OfpError::BmBadLen => OfpError::BaBadSetLen,
        OfpError::BmBadValue => OfpError::BaBadSetArgument,
        other => other,
    };
    let header = oxm::read_header(r).map_err(as_action)?;
    if let Some(field) = header.field().filter(|field| field.info().is_option()) {
        let option = oxm::read_option(r, (&header, field)).map_err(as_action)?;
        return Ok((OfAction::SetOption(Box::new(option)), header.masked));
    }
    let oxm::Entry { field, value, mask } = oxm::read_payload(r, &header).map_err(as_action)?;
    check_writable(field)?;
    Ok((OfAction::SetField(SetField { field, value, mask }), header.masked))
}

pub(super) fn decode_set_field(version: Version, r: &mut Reader<'_>) -> Result<OfAction, OfpError> {
    let (action, masked) = read_entry(r)?;
    if masked && version < Version::V15 {
        return Err(OfpError::BaBadSetMask);
    }
    Ok(action)
}

/// NXAST_REG_LOAD.
pub(super) fn decode_load(r: &mut Reader<'_>) -> Result<OfAction, OfpError> {
    let bits = r.u16()?;
    let dst = unpack_bits(read_field(r)?, bits)?;
    check_writable(dst.field)?;
    let value = r.u64()?;
    padding(r)?;
    if dst.n_bits < 64 && value >> dst.n_bits != 0 {
        return Err(OfpError::BaBadArgument);
    }
    Ok(OfAction::Load { dst, value })
}

/// NXAST_REG_LOAD2.
pub(super) fn decode_load2(r: &mut Reader<'_>) -> Result<OfAction, OfpError> {
    let (action, _) = read_entry(r)?;
    padding(r)?;
    Ok(action)
}

/// A field by its number, in an action.
pub(super) fn read_field(r: &mut Reader<'_>) -> Result<FieldId, OfpError> {
    oxm::read_field(r).map_err(|error| match error {
        OfpError::BmBadField | OfpError::BmBadMask => OfpError::BaBadSetType,
        OfpError::BmBadLen => OfpError::BaBadLen,
        other => other,
    })
}

/// A part of a field.
pub(super) fn part(field: FieldId, offset: u16, n_bits: u16) -> Result<Subfield, OfpError> {
    Subfield::new(field, offset, n_bits).ok_or(OfpError::BaBadSetLen)
}

/// The body that all forms of the copying action share.
pub(super) fn decode_move(r: &mut Reader<'_>, pad: usize) -> Result<OfAction, OfpError> {
    let (n_bits, src_offset, dst_offset) = (r.u16()?, r.u16()?, r.u16()?);
    r.skip(pad)?;
    let src = part(read_field(r)?, src_offset, n_bits)?;
    let dst = part(read_field(r)?, dst_offset, n_bits)?;
    check_writable(dst.field)?;
    padding(r)?;
    Ok(OfAction::Move { src, dst })
}

pub(super) fn decode_copy_field(r: &mut Reader<'_>) -> Result<OfAction, OfpError> {
    decode_move(r, 2)
}

/// Actions of the ONF, of which one is known.
pub(super) fn decode_onf(
    version: Version,
    subtype: u16,
    r: &mut Reader<'_>,
) -> Result<OfAction, OfpError> {
    if subtype != ONF_COPY_FIELD || !matches!(version, Version::V13 | Version::V14) {
        return Err(OfpError::BaBadVendorType);
    }
    r.skip(2)?;
    decode_move(r, 2)
}

/// Writes an action that writes a field, and says whether it was one.
pub(super) fn encode(version: Version, action: &OfAction, w: &mut Writer) -> bool {
    match *action {
        OfAction::SetField(set) => encode_set_field(version, set, w),
        OfAction::SetOption(ref option) => encode_option(version, option, w),
        OfAction::Load { dst, value }
            if version >= Version::V15 && dst.field.info().is_option() =>
        {
            let mut option = part_of_option(dst);
            put_bits(&mut option.value, dst.offset, dst.n_bits, value.into());
            encode_option(version, &option, w);
        }
        OfAction::Load { dst, value } if version >= Version::V15 => {
            let set = SetField {
                field: dst.field,
                value: u128::from(value) << dst.offset,
                mask: dst.mask(),
            };
            encode_oxm(version, set, w);
        }
        OfAction::Load { dst, value } => load(w, dst, value),
        OfAction::Move { src, dst } if version >= Version::V15 => {
            standard(w, COPY_FIELD, |w| {
                put_move(w, src, dst);
                w.zeros(2);
                put_fields(w, src, dst, Numbers::Oxm(version));
            });
        }
        OfAction::Move { src, dst } => nicira(w, REG_MOVE, |w| {
            put_move(w, src, dst);
            put_fields(w, src, dst, Numbers::Nxm);
        }),
        _ => return encode_one_field(version, action, w),
    }
    true
}

/// A write of a part of an option, with zeros.
fn part_of_option(part: Subfield) -> OptionMatch {
    let index = part.field.option().and_then(|index| u8::try_from(index).ok());
    let mask = ones_at(part.offset, part.n_bits);
    OptionMatch { index: index.unwrap_or(0), value: [0; MAX_OPTION_LEN], mask, len: None }
}

/// `set_field` before OpenFlow 1.5 has no mask, and before 1.2 there is none.
fn encode_option(version: Version, option: &OptionMatch, w: &mut Writer) {
    if version >= Version::V15 || version != Version::V10 && option.is_whole() {
        standard(w, SET_FIELD, |w| oxm::write_option(w, option));
    } else {
        nicira(w, REG_LOAD2, |w| {
            oxm::write_option(w, option);
        });
    }
}

fn put_move(w: &mut Writer, src: Subfield, dst: Subfield) {
    w.u16(dst.n_bits);
    w.u16(src.offset);
    w.u16(dst.offset);
}

fn put_fields(w: &mut Writer, src: Subfield, dst: Subfield, numbers: Numbers) {
    oxm::write_header(w, src.field, numbers, Mask::None);
    oxm::write_header(w, dst.field, numbers, Mask::None);
}

fn load(w: &mut Writer, dst: Subfield, value: u64) {
    nicira(w, REG_LOAD, |w| {
        w.u16(pack_bits(dst));
        oxm::write_header(w, dst.field, Numbers::Nxm, Mask::None);
        w.u64(value);
    });
}

/// Actions of OpenFlow 1.0 for one field each, in later versions.
fn encode_one_field(version: Version, action: &OfAction, w: &mut Writer) -> bool {
    let present = TAG_PRESENT;
    let (field, value) = match *action {
        OfAction::SetVlanVid(vid) => (FieldId::VlanVid, (vid | present).into()),
        OfAction::SetVlanPcp(pcp) => (FieldId::VlanPcp, pcp.into()),
        OfAction::SetEthSrc(mac) => (FieldId::EthSrc, mac.to_u64().into()),
        OfAction::SetEthDst(mac) => (FieldId::EthDst, mac.to_u64().into()),
        OfAction::SetIpv4Src(ip) => (FieldId::Ipv4Src, ip.to_bits().into()),
        OfAction::SetIpv4Dst(ip) => (FieldId::Ipv4Dst, ip.to_bits().into()),
        OfAction::SetIpTos(tos) => (FieldId::IpDscp, (tos >> 2).into()),
        OfAction::SetIpEcn(ecn) => (FieldId::IpEcn, ecn.into()),
        OfAction::SetIpTtl(ttl) => (FieldId::IpTtl, ttl.into()),
        OfAction::SetTpSrc(port) => (FieldId::TcpSrc, port.into()),
        OfAction::SetTpDst(port) => (FieldId::TcpDst, port.into()),
        OfAction::SetMplsLabel(label) if version != Version::V10 => {
            (FieldId::MplsLabel, label.into())
        }
        OfAction::SetMplsTc(tc) if version != Version::V10 => (FieldId::MplsTc, tc.into()),
        OfAction::SetTunnel(id) if version != Version::V10 => (FieldId::TunId, id.into()),
        OfAction::SetTunnel64(id) if version != Version::V10 => (FieldId::TunId, id.into()),
        _ => return false,
    };
    encode_set_field(version, SetField { field, value, mask: field.info().ones() }, w);
    true
}

fn encode_set_field(version: Version, set: SetField, w: &mut Writer) {
    let ones = set.field.info().ones();
    let whole = set.mask & ones == ones;
    match version {
        Version::V15 => encode_oxm(version, set, w),
        Version::V10 if whole && encode_v10(set, w) => {}
        Version::V10 => encode_loads(set, w),
        _ if whole => encode_oxm(version, set, w),
        _ => encode_loads(set, w),
    }
}

fn encode_oxm(version: Version, set: SetField, w: &mut Writer) {
    standard(w, SET_FIELD, |w| {
        let ones = set.field.info().ones();
        let whole = set.mask & ones == ones;
        let follows = if whole { Mask::None } else { Mask::Follows };
        oxm::write_header(w, set.field, Numbers::Oxm(version), follows);
        oxm::write_value(w, set.field, set.value);
        if !whole {
            oxm::write_value(w, set.field, set.mask);
        }
    });
}

/// The actions that OpenFlow 1.0 has for single fields.
fn encode_v10(set: SetField, w: &mut Writer) -> bool {
    let low = u16::try_from(set.value & 0xffff).unwrap_or(0);
    let bytes = set.value.to_be_bytes();
    match set.field {
        FieldId::VlanVid | FieldId::DlVlan => standard(w, 1, |w| w.u16(low & 0xfff)),
        FieldId::VlanPcp | FieldId::DlVlanPcp => standard(w, 2, |w| w.bytes(&bytes[15..])),
        FieldId::EthSrc => standard(w, 4, |w| w.bytes(&bytes[10..])),
        FieldId::EthDst => standard(w, 5, |w| w.bytes(&bytes[10..])),
        FieldId::Ipv4Src => standard(w, 6, |w| w.bytes(&bytes[12..])),
        FieldId::Ipv4Dst => standard(w, 7, |w| w.bytes(&bytes[12..])),
        FieldId::IpTos => standard(w, 8, |w| w.bytes(&bytes[15..])),
        FieldId::IpDscp => standard(w, 8, |w| w.bytes(&(low << 2).to_be_bytes()[1..])),
        FieldId::TcpSrc | FieldId::UdpSrc => standard(w, 9, |w| w.u16(low)),
        FieldId::TcpDst | FieldId::UdpDst => standard(w, 10, |w| w.u16(low)),
        _ => return false,
    }
    true
}

/// Nicira's words: for each run of bits in the mask one load of at most 64 bits, from the low end;
/// what has no number of Nicira's own is said with its mask at once.
fn encode_loads(set: SetField, w: &mut Writer) {
    let info = set.field.info();
    let plain = info.codes.first().is_some_and(|code| code.class.experimenter.is_none());
    if !plain {
        return nicira(w, REG_LOAD2, |w| {
            oxm::write_entry(w, set.field, Numbers::Nxm, (set.value, set.mask));
        });
    }
    let mut offset = 0;
    while offset < u16::from(info.n_bytes) * 8 {
        let rest = set.mask >> offset;
        if rest == 0 {
            return;
        }
        let skip = u16::try_from(rest.trailing_zeros()).unwrap_or(0);
        let run = (rest >> skip).trailing_ones().min(64);
        offset += skip;
        let bits = (set.value >> offset) & ((1 << run) - 1);
        let run = u16::try_from(run).unwrap_or(64);
        let dst = Subfield { field: set.field, offset, n_bits: run };
        load(w, dst, u64::try_from(bits).unwrap_or(u64::MAX));
        offset += run;
    }
}
