//! Whole matches: which fields are written, in which order, and what a list of them may say.

use packet::flow::{FieldId, FlowMatch};

use super::{Mask, Numbers, read_header, read_payload, write_entry};
use crate::error::OfpError;
use crate::wire::{Reader, Writer};
use packet::flow::field::OxmClass;

/// OFPMT_OXM.
const MATCH_TYPE_OXM: u16 = 1;

/// NXM_NX_COOKIE: the cookie of a flow, where a match of NXM selects flows (`nicira-ext.h`).
const COOKIE_NUMBER: u8 = 30;
const COOKIE_LEN: usize = 8;

/// A cookie and its mask.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Cookie {
    pub value: u64,
    pub mask: u64,
}

/// The order in which Open vSwitch writes fields: prerequisites stand before what needs them.
const BEFORE_REGISTERS: &[FieldId] = {
    use FieldId::*;
    &[
        PacketType,
        DpHash,
        RecircId,
        ConjId,
        InPort,
        InPortOxm,
        ActsetOutput,
        EthSrc,
        EthDst,
        EthType,
        VlanTci,
        VlanVid,
        VlanPcp,
        MplsTc,
        MplsBos,
        MplsTtl,
        MplsLabel,
        Ipv4Src,
        Ipv4Dst,
        Ipv6Src,
        Ipv6Dst,
        IpFrag,
        IpTos,
        IpDscp,
        IpEcn,
        IpTtl,
        Ipv6Label,
        IpProto,
        TcpSrc,
        TcpDst,
        TcpFlags,
        UdpSrc,
        UdpDst,
        SctpSrc,
        SctpDst,
        Icmpv4Type,
        Icmpv4Code,
        Icmpv6Type,
        Icmpv6Code,
        NdTarget,
        NdSll,
        NdTll,
        NdReserved,
        NdOptionsType,
        ArpOp,
        ArpSpa,
        ArpTpa,
        ArpSha,
        ArpTha,
        TunId,
        TunFlags,
        TunSrc,
        TunDst,
        TunIpv6Src,
        TunIpv6Dst,
        TunGbpId,
        TunGbpFlags,
        TunErspanIdx,
        TunErspanVer,
        TunErspanDir,
        TunErspanHwid,
        TunGtpuFlags,
        TunGtpuMsgtype,
        NshFlags,
        NshTtl,
        NshMdtype,
        NshNp,
        NshSpi,
        NshSi,
        NshC1,
        NshC2,
        NshC3,
        NshC4,
    ]
};
const BEHIND_REGISTERS: &[FieldId] = {
    use FieldId::*;
    &[
        PktMark, CtState, CtZone, CtMark, CtLabel, CtNwProto, CtNwSrc, CtNwDst, CtIpv6Src,
        CtIpv6Dst, CtTpSrc, CtTpDst, Metadata,
    ]
};

/// The field before which tunnel options are written.
const OPTIONS_BEFORE: FieldId = FieldId::TunErspanIdx;

/// Which of two views of the same bits is written.
fn is_written(field: FieldId, numbers: Numbers) -> bool {
    match field {
        FieldId::InPort | FieldId::VlanTci | FieldId::IpTos => !numbers.is_oxm(),
        FieldId::InPortOxm | FieldId::VlanVid | FieldId::VlanPcp | FieldId::IpDscp => {
            numbers.is_oxm()
        }
        _ => true,
    }
}

/// Writes a match as a list of entries, without padding.
pub(crate) fn encode_entries(
    w: &mut Writer,
    matching: &FlowMatch,
    numbers: Numbers,
    cookie: Cookie,
) {
    let wide = matches!(numbers, Numbers::Oxm(version) if version >= crate::version::Version::V15);
    let registers = (0..16).filter_map(|n| if wide { FieldId::xreg(n) } else { FieldId::reg(n) });
    let fields = BEFORE_REGISTERS.iter().copied().chain(registers);
    for field in fields.chain(BEHIND_REGISTERS.iter().copied()) {
        let mask = matching.mask().get(field);
        if field == OPTIONS_BEFORE {
            matching.options().iter().for_each(|option| super::write_option(w, option));
        }
        if mask == 0 || !is_written(field, numbers) || !matching.allows(field) {
            continue;
        }
        let bits = view(matching, field, mask);
        if bits.1 != 0 {
            write_entry(w, field, numbers, bits);
        }
    }
    if cookie.mask != 0 {
        let mask = if cookie.mask == u64::MAX { Mask::None } else { Mask::Follows };
        let (masked, len) = if mask == Mask::None { (0, 8) } else { (1, 16) };
        w.u16(OxmClass::NX.class);
        w.u8(COOKIE_NUMBER << 1 | masked);
        w.u8(len);
        w.u64(cookie.value & cookie.mask);
        if mask == Mask::Follows {
            w.u64(cookie.mask);
        }
    }
}

/// Value and mask of a field as they are written.
fn view(matching: &FlowMatch, field: FieldId, mask: u128) -> (u128, u128) {
    let value = matching.key().get(field);
    match field {
        // A packet of Ethernet, which is what a match is about unless it says otherwise.
        FieldId::PacketType if value == 0 => (0, 0),
        // Where there may be no tag, there is no priority to look at.
        FieldId::VlanPcp if !matching.key().has_vlan() => (0, 0),
        // DSCP and ECN share the byte, of which the first view has six bits.
        FieldId::IpTos => (value & 0xfc, mask & 0xfc),
        _ => (value, mask),
    }
}

/// Reads a list of entries that is a match, and the cookie if the message may have one.
///
/// # Errors
/// `OFPBMC_*`: what Open vSwitch answers.
pub(crate) fn decode_entries(
    r: &mut Reader<'_>,
    mut cookie: Option<&mut Cookie>,
) -> Result<FlowMatch, OfpError> {
    let mut matching = FlowMatch::ANY;
    while !r.is_empty() {
        let header = read_header(r)?;
        if header.class == OxmClass::NX
            && header.number == COOKIE_NUMBER
            && header.payload_len == COOKIE_LEN * if header.masked { 2 } else { 1 }
        {
            let found = read_cookie(r, header.masked)?;
            let cookie = cookie.as_deref_mut().ok_or(OfpError::BmBadField)?;
            if cookie.mask != 0 {
                return Err(OfpError::BmDupField);
            }
            *cookie = found;
            continue;
        }
        if let Some(field) = header.field().filter(|field| field.info().is_option()) {
            let option = super::read_option(r, (&header, field))?;
            if matching.option(option.index.into()).is_some() {
                return Err(OfpError::BmDupField);
            }
            matching.set_option(option);
            continue;
        }
        let entry = read_payload(r, &header)?;
        if !matching.allows(entry.field) {
            return Err(OfpError::BmBadPrereq);
        }
        if !matching.mask().is_wild(entry.field) {
            return Err(OfpError::BmDupField);
        }
        matching.set_masked(entry.field, entry.value, entry.mask);
    }
    Ok(matching)
}

fn read_cookie(r: &mut Reader<'_>, masked: bool) -> Result<Cookie, OfpError> {
    let mut inner = r.or(OfpError::BmBadLen);
    let value = inner.u64()?;
    let mask = if masked { inner.u64()? } else { u64::MAX };
    r.skip(if masked { 2 * COOKIE_LEN } else { COOKIE_LEN })?;
    if value & !mask != 0 { Err(OfpError::BmBadWildcards) } else { Ok(Cookie { value, mask }) }
}

/// Writes an `ofp_match` of OpenFlow 1.2 and later (1.3.5 §7.2.3.1).
pub(crate) fn encode_match(w: &mut Writer, matching: &FlowMatch, numbers: Numbers) {
    let start = w.len();
    w.u16(MATCH_TYPE_OXM);
    w.u16(0);
    encode_entries(w, matching, numbers, Cookie::default());
    w.patch_len(start + 2, start);
    w.pad8(start);
}

/// Reads an `ofp_match`.
///
/// # Errors
/// `OFPBMC_*`.
pub(crate) fn decode_match(r: &mut Reader<'_>) -> Result<FlowMatch, OfpError> {
    let mut head = r.or(OfpError::BmBadLen);
    let (kind, len) = (head.u16()?, usize::from(head.u16()?));
    if len < 4 {
        return Err(OfpError::BmBadLen);
    }
    if kind != MATCH_TYPE_OXM {
        return Err(OfpError::BmBadType);
    }
    let whole = r.or(OfpError::BmBadLen).bytes(len.next_multiple_of(8))?;
    r.skip(whole.len())?;
    decode_entries(&mut Reader::new(&whole[4..len], OfpError::BmBadLen), None)
}
