//! The specification's own actions, but for those that write fields by number.

use core::net::Ipv4Addr;

use packet::MacAddr;

use super::OfAction;
use super::codec::standard;
use super::set;
use crate::error::OfpError;
use crate::port::OfPort;
use crate::version::Version;
use crate::wire::{Reader, Writer};

/// Reads an action behind its header.
///
/// # Errors
/// `OFPBAC_*`.
pub(super) fn decode(
    version: Version,
    kind: u16,
    r: &mut Reader<'_>,
) -> Result<OfAction, OfpError> {
    let action = match version {
        Version::V10 => decode_v10(kind, r)?,
        _ => decode_v11(version, kind, r)?,
    };
    // Padding of the specification's actions is not looked at, only its length.
    if r.rest().len() >= 8 { Err(OfpError::BaBadLen) } else { Ok(action) }
}

fn decode_v10(kind: u16, r: &mut Reader<'_>) -> Result<OfAction, OfpError> {
    Ok(match kind {
        0 => output(OfPort(r.u16()?), r.u16()?)?,
        1 => set_vid(r.u16()?)?,
        2 => set_pcp(r.u8()?)?,
        3 => OfAction::StripVlan,
        4 => OfAction::SetEthSrc(MacAddr(r.array()?)),
        5 => OfAction::SetEthDst(MacAddr(r.array()?)),
        6 => OfAction::SetIpv4Src(Ipv4Addr::from(r.array()?)),
        7 => OfAction::SetIpv4Dst(Ipv4Addr::from(r.array()?)),
        8 => set_tos(r.u8()?)?,
        9 => OfAction::SetTpSrc(r.u16()?),
        10 => OfAction::SetTpDst(r.u16()?),
        11 => {
            let port = OfPort(r.u16()?);
            r.skip(6)?;
            let queue = r.u32()?;
            let usable = port < OfPort::MAX || matches!(port, OfPort::IN_PORT | OfPort::LOCAL);
            if !usable {
                return Err(OfpError::BaBadOutPort);
            }
            OfAction::Enqueue { port, queue }
        }
        _ => return Err(OfpError::BaBadType),
    })
}

fn decode_v11(version: Version, kind: u16, r: &mut Reader<'_>) -> Result<OfAction, OfpError> {
    Ok(match kind {
        0 => output(OfPort::from_wide(r.u32()?)?, r.u16()?)?,
        15 => OfAction::SetMplsTtl(r.u8()?),
        16 => OfAction::DecMplsTtl,
        17 => match r.u16()? {
            tpid @ (0x8100 | 0x88a8) => OfAction::PushVlan(tpid),
            _ => return Err(OfpError::BaBadArgument),
        },
        18 => OfAction::StripVlan,
        19 => push_mpls(r.u16()?)?,
        20 => OfAction::PopMpls(r.u16()?),
        21 => OfAction::SetQueue(r.u32()?),
        22 => OfAction::Group(r.u32()?),
        23 => OfAction::SetIpTtl(r.u8()?),
        24 => OfAction::DecTtl(Vec::new()),
        25 => set::decode_set_field(version, r)?,
        28 if version >= Version::V15 => set::decode_copy_field(r)?,
        29 if version >= Version::V15 => OfAction::Meter(r.u32()?),
        _ => return Err(OfpError::BaBadType),
    })
}

fn output(port: OfPort, max_len: u16) -> Result<OfAction, OfpError> {
    check_output(port)?;
    let max_len = if port == OfPort::CONTROLLER { max_len } else { 0 };
    Ok(OfAction::Output { port, max_len })
}

/// Whether a port may be sent to.
///
/// # Errors
/// `OFPBAC_BAD_OUT_PORT`.
pub(super) fn check_output(port: OfPort) -> Result<(), OfpError> {
    let named = port.is_reserved() && port != OfPort::UNSET && port != OfPort::NONE;
    let real = port < OfPort::MAX && port.0 != 0;
    if named || real { Ok(()) } else { Err(OfpError::BaBadOutPort) }
}

fn set_vid(vid: u16) -> Result<OfAction, OfpError> {
    if vid > 0xfff { Err(OfpError::BaBadArgument) } else { Ok(OfAction::SetVlanVid(vid)) }
}

fn set_pcp(pcp: u8) -> Result<OfAction, OfpError> {
    if pcp > 7 { Err(OfpError::BaBadArgument) } else { Ok(OfAction::SetVlanPcp(pcp)) }
}

fn set_tos(tos: u8) -> Result<OfAction, OfpError> {
    if tos & 3 != 0 { Err(OfpError::BaBadArgument) } else { Ok(OfAction::SetIpTos(tos)) }
}

pub(super) fn push_mpls(ethertype: u16) -> Result<OfAction, OfpError> {
    match ethertype {
        0x8847 | 0x8848 => Ok(OfAction::PushMpls(ethertype)),
        _ => Err(OfpError::BaBadArgument),
    }
}

/// Writes an action if the version has one of its own for it, and says whether.
pub(super) fn encode(version: Version, action: &OfAction, w: &mut Writer) -> bool {
    match version {
        Version::V10 => encode_v10(action, w),
        _ => encode_v11(version, action, w),
    }
}

fn encode_v10(action: &OfAction, w: &mut Writer) -> bool {
    match *action {
        OfAction::Output { port, max_len } => standard(w, 0, |w| {
            w.u16(port.0);
            w.u16(max_len);
        }),
        OfAction::SetVlanVid(vid) => standard(w, 1, |w| w.u16(vid)),
        OfAction::SetVlanPcp(pcp) => standard(w, 2, |w| w.u8(pcp)),
        OfAction::StripVlan => standard(w, 3, |_| ()),
        OfAction::SetEthSrc(mac) => standard(w, 4, |w| w.bytes(&mac.0)),
        OfAction::SetEthDst(mac) => standard(w, 5, |w| w.bytes(&mac.0)),
        OfAction::SetIpv4Src(ip) => standard(w, 6, |w| w.bytes(&ip.octets())),
        OfAction::SetIpv4Dst(ip) => standard(w, 7, |w| w.bytes(&ip.octets())),
        OfAction::SetIpTos(tos) => standard(w, 8, |w| w.u8(tos)),
        OfAction::SetTpSrc(port) => standard(w, 9, |w| w.u16(port)),
        OfAction::SetTpDst(port) => standard(w, 10, |w| w.u16(port)),
        OfAction::Enqueue { port, queue } => standard(w, 11, |w| {
            w.u16(port.0);
            w.zeros(6);
            w.u32(queue);
        }),
        _ => return false,
    }
    true
}

fn encode_v11(version: Version, action: &OfAction, w: &mut Writer) -> bool {
    match *action {
        OfAction::Output { port, max_len } => standard(w, 0, |w| {
            w.u32(port.to_wide());
            w.u16(max_len);
            w.zeros(6);
        }),
        OfAction::SetMplsTtl(ttl) => standard(w, 15, |w| w.u8(ttl)),
        OfAction::DecMplsTtl => standard(w, 16, |w| w.zeros(4)),
        OfAction::PushVlan(tpid) => standard(w, 17, |w| w.u16(tpid)),
        OfAction::StripVlan => standard(w, 18, |w| w.zeros(4)),
        OfAction::PushMpls(ethertype) => standard(w, 19, |w| w.u16(ethertype)),
        OfAction::PopMpls(ethertype) => standard(w, 20, |w| w.u16(ethertype)),
        OfAction::SetQueue(queue) => standard(w, 21, |w| w.u32(queue)),
        OfAction::Enqueue { port, queue } => {
            // No later version has it; a queue, the port, and the queue from before mean the same.
            encode_v11(version, &OfAction::SetQueue(queue), w);
            encode_v11(version, &OfAction::Output { port, max_len: 0 }, w);
            super::codec::nicira(w, super::nicira::POP_QUEUE, |w| w.zeros(6));
        }
        OfAction::Group(group) => standard(w, 22, |w| w.u32(group)),
        OfAction::SetIpTtl(ttl) => standard(w, 23, |w| w.u8(ttl)),
        OfAction::DecTtl(ref ids) if ids.is_empty() => standard(w, 24, |w| w.zeros(4)),
        OfAction::Meter(meter) if version >= Version::V15 => standard(w, 29, |w| w.u32(meter)),
        _ => return false,
    }
    true
}
