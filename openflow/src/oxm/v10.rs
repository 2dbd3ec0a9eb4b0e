//! The match of OpenFlow 1.0: twelve fields at fixed places, and a word that says which count.
//!
//! # Design
//! What the twelve cannot say, the caller sends as NXM; [`encode_v10`] says whether they can.
//! Fields without their prerequisite are passed over on reading, as Open vSwitch does.
//!
//! # References
//! OpenFlow 1.0.2 §5.2.3.

use packet::flow::{FieldId, FlowMatch};
use packet::vlan::TAG_PRESENT;

use crate::error::OfpError;
use crate::wire::{Reader, Writer};

const WILD_IN_PORT: u32 = 1 << 0;
const WILD_VLAN: u32 = 1 << 1;
const WILD_ETH_SRC: u32 = 1 << 2;
const WILD_ETH_DST: u32 = 1 << 3;
const WILD_ETH_TYPE: u32 = 1 << 4;
const WILD_IP_PROTO: u32 = 1 << 5;
const WILD_TP_SRC: u32 = 1 << 6;
const WILD_TP_DST: u32 = 1 << 7;
const NW_SRC_SHIFT: u32 = 8;
const NW_DST_SHIFT: u32 = 14;
const WILD_VLAN_PCP: u32 = 1 << 20;
const WILD_TOS: u32 = 1 << 21;
/// OFP_VLAN_NONE.
const VLAN_NONE: u16 = 0xffff;
const PCP_MASK: u16 = 0xe000;
const VID_MASK: u16 = 0x0fff;

/// Reads an `ofp_match`.
///
/// # Errors
/// Too few bytes.
pub(crate) fn decode_v10(r: &mut Reader<'_>) -> Result<FlowMatch, OfpError> {
    let mut matching = FlowMatch::ANY;
    let wildcards = r.u32()?;
    let mut set = |bit: u32, field: FieldId, value: u128| {
        if wildcards & bit == 0 && matching.allows(field) {
            matching.set(field, value);
        }
    };
    set(WILD_IN_PORT, FieldId::InPort, r.u16()?.into());
    set(WILD_ETH_SRC, FieldId::EthSrc, mac(r)?);
    set(WILD_ETH_DST, FieldId::EthDst, mac(r)?);
    let (vlan, pcp) = (r.u16()?, r.u8()?);
    r.skip(1)?;
    set(WILD_ETH_TYPE, FieldId::EthType, r.u16()?.into());
    let (tos, proto) = (r.u8()?, r.u8()?);
    set(WILD_TOS, FieldId::IpTos, (tos & 0xfc).into());
    set(WILD_IP_PROTO, FieldId::IpProto, proto.into());
    set(WILD_IP_PROTO, FieldId::ArpOp, proto.into());
    r.skip(2)?;
    let (src, dst) = (r.u32()?, r.u32()?);
    let (tp_src, tp_dst) = (r.u16()?, r.u16()?);
    for field in [FieldId::TcpSrc, FieldId::UdpSrc, FieldId::SctpSrc] {
        set(WILD_TP_SRC, field, tp_src.into());
    }
    for field in [FieldId::TcpDst, FieldId::UdpDst, FieldId::SctpDst] {
        set(WILD_TP_DST, field, tp_dst.into());
    }
    set(WILD_TP_SRC, FieldId::Icmpv4Type, (tp_src & 0xff).into());
    set(WILD_TP_DST, FieldId::Icmpv4Code, (tp_dst & 0xff).into());
    set_vlan(&mut matching, wildcards, vlan, pcp);
    for (fields, address, shift) in [
        ([FieldId::Ipv4Src, FieldId::ArpSpa], src, NW_SRC_SHIFT),
        ([FieldId::Ipv4Dst, FieldId::ArpTpa], dst, NW_DST_SHIFT),
    ] {
        let n_wild = wildcards >> shift & 0x3f;
        let mask = u32::MAX.checked_shl(n_wild).unwrap_or(0);
        for field in fields.into_iter().filter(|_| mask != 0) {
            if matching.allows(field) {
                matching.set_masked(field, address.into(), mask.into());
            }
        }
    }
    Ok(matching)
}

fn mac(r: &mut Reader<'_>) -> Result<u128, OfpError> {
    Ok(super::read_value(r.bytes(6)?))
}

/// No tag, a tag of any VLAN with a priority, or a tag of a VLAN with or without one.
fn set_vlan(matching: &mut FlowMatch, wildcards: u32, vlan: u16, pcp: u8) {
    let (vid_mask, pcp_mask) = match (wildcards & WILD_VLAN, wildcards & WILD_VLAN_PCP) {
        (0, _) if vlan == VLAN_NONE => {
            return matching.set_masked(FieldId::VlanTci, 0, 0xffff);
        }
        (0, 0) => (VID_MASK, PCP_MASK),
        (0, _) => (VID_MASK, 0),
        (_, 0) => (0, PCP_MASK),
        _ => return,
    };
    let tci = vlan & VID_MASK | u16::from(pcp) << 13 | TAG_PRESENT;
    let mask = vid_mask | pcp_mask | TAG_PRESENT;
    matching.set_masked(FieldId::VlanTci, (tci & mask).into(), mask.into());
}

/// Writes an `ofp_match`. What it cannot say is left out.
pub(crate) fn encode_v10(w: &mut Writer, matching: &FlowMatch) {
    let exact = |field: FieldId| matching.mask().is_exact(field) && matching.allows(field);
    let value = |field: FieldId| matching.key().get(field);
    // The first of some fields that is looked at, with its value.
    let first = |fields: &[FieldId]| {
        let found = fields.iter().copied().find(|field| exact(*field));
        found.and_then(|field| u16::try_from(value(field)).ok())
    };
    let mut wildcards = 0;
    let mut wild = |bit: u32, field: FieldId| {
        if exact(field) {
            return value(field);
        }
        wildcards |= bit;
        0
    };
    let in_port = wild(WILD_IN_PORT, FieldId::InPort);
    let eth_src = wild(WILD_ETH_SRC, FieldId::EthSrc);
    let eth_dst = wild(WILD_ETH_DST, FieldId::EthDst);
    let eth_type = wild(WILD_ETH_TYPE, FieldId::EthType);
    let tos = wild(WILD_TOS, FieldId::IpTos);
    let mut or_wild = |bit: u32, value: Option<u16>| {
        if value.is_none() {
            wildcards |= bit;
        }
        value.unwrap_or(0)
    };
    use FieldId::*;
    let proto = or_wild(WILD_IP_PROTO, first(&[IpProto, ArpOp]));
    let tp_src = or_wild(WILD_TP_SRC, first(&[TcpSrc, UdpSrc, SctpSrc, Icmpv4Type]));
    let tp_dst = or_wild(WILD_TP_DST, first(&[TcpDst, UdpDst, SctpDst, Icmpv4Code]));
    let (vlan_wild, vlan, pcp) = vlan(matching);
    let (src_wild, src) = address(matching, [Ipv4Src, ArpSpa]);
    let (dst_wild, dst) = address(matching, [Ipv4Dst, ArpTpa]);
    w.u32(wildcards | vlan_wild | src_wild << NW_SRC_SHIFT | dst_wild << NW_DST_SHIFT);
    w.bytes(&in_port.to_be_bytes()[14..]);
    w.bytes(&eth_src.to_be_bytes()[10..]);
    w.bytes(&eth_dst.to_be_bytes()[10..]);
    w.u16(vlan);
    w.u8(pcp);
    w.u8(0);
    w.bytes(&eth_type.to_be_bytes()[14..]);
    w.bytes(&tos.to_be_bytes()[15..]);
    w.bytes(&proto.to_be_bytes()[1..]);
    w.zeros(2);
    w.u32(src);
    w.u32(dst);
    w.u16(tp_src);
    w.u16(tp_dst);
}

fn vlan(matching: &FlowMatch) -> (u32, u16, u8) {
    let get = |words: &packet::flow::Words| u16::try_from(words.get(FieldId::VlanTci)).unwrap_or(0);
    let (tci, mask) = (get(matching.key()), get(matching.mask()));
    let pcp = u8::try_from(tci >> 13).unwrap_or(0);
    if mask & TAG_PRESENT != 0 && tci & TAG_PRESENT == 0 {
        return (0, VLAN_NONE, 0);
    }
    match (mask & VID_MASK == VID_MASK, mask & PCP_MASK == PCP_MASK) {
        (true, true) => (0, tci & VID_MASK, pcp),
        (true, false) => (WILD_VLAN_PCP, tci & VID_MASK, 0),
        (false, true) => (WILD_VLAN, 0, pcp),
        (false, false) => (WILD_VLAN | WILD_VLAN_PCP, 0, 0),
    }
}

fn address(matching: &FlowMatch, fields: [FieldId; 2]) -> (u32, u32) {
    let Some(field) = fields.into_iter().find(|field| matching.allows(*field)) else {
        return (32, 0);
    };
    let get = |words: &packet::flow::Words| u32::try_from(words.get(field)).unwrap_or(0);
    (get(matching.mask()).trailing_zeros(), get(matching.key()))
}

/// Whether the twelve fields can say a match.
pub(crate) fn fits_v10(matching: &FlowMatch) -> bool {
    let mut w = Writer::new();
    encode_v10(&mut w, matching);
    let mut r = Reader::new(w.as_bytes(), OfpError::BrBadLen);
    decode_v10(&mut r).is_ok_and(|back| back == *matching)
}
