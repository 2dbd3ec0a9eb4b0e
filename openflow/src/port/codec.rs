//! Ports on the wire: 48 bytes in OpenFlow 1.0, 64 in 1.3, properties since 1.4.

use packet::MacAddr;

use super::{
    OfPort, PortConfig, PortDesc, PortFeatures, PortMod, PortReason, PortState, PortStatus,
};
use crate::error::OfpError;
use crate::prop;
use crate::version::Version;
use crate::wire::{Reader, Writer};

/// Bytes of a port's name, with a zero behind it (OFP_MAX_PORT_NAME_LEN).
const NAME_LEN: usize = 16;
/// Bytes of `ofp_port` before its properties (OpenFlow 1.4.1 §7.2.1).
const V14_FIXED_LEN: usize = 40;

/// OFPPDPT_ETHERNET and OFPPMPT_ETHERNET.
const PROP_ETHERNET: u16 = 0;

/// OpenFlow 1.0 has states of the spanning tree in bits 8 and 9; 3 is "blocking".
const V10_STP_MASK: u32 = 3 << 8;
const V10_STP_BLOCK: u32 = 3 << 8;

impl OfPort {
    pub(crate) fn decode(version: Version, r: &mut Reader<'_>) -> Result<OfPort, OfpError> {
        match version {
            Version::V10 => Ok(OfPort(r.u16()?)),
            _ => OfPort::from_wide(r.u32()?),
        }
    }

    pub(crate) fn encode(self, version: Version, w: &mut Writer) {
        match version {
            Version::V10 => w.u16(self.0),
            _ => w.u32(self.to_wide()),
        }
    }
}

impl PortDesc {
    pub(crate) fn decode(version: Version, r: &mut Reader<'_>) -> Result<PortDesc, OfpError> {
        match version {
            Version::V10 => decode_v10(r),
            Version::V11 | Version::V12 | Version::V13 => decode_v13(r),
            Version::V14 | Version::V15 => decode_v14(r),
        }
    }

    pub(crate) fn encode(&self, version: Version, w: &mut Writer) {
        match version {
            Version::V10 => self.encode_v10(w),
            Version::V11 | Version::V12 | Version::V13 => self.encode_v13(w),
            Version::V14 | Version::V15 => self.encode_v14(w),
        }
    }

    fn encode_v10(&self, w: &mut Writer) {
        w.u16(self.port.0);
        w.bytes(&self.hw_addr.0);
        w.name(&self.name, NAME_LEN);
        w.u32(self.config.0 & PortConfig::mask(Version::V10));
        let stp = if self.state.contains(PortState::BLOCKED) { V10_STP_BLOCK } else { 0 };
        w.u32(self.state.0 & PortState::LINK_DOWN.0 | stp);
        for features in [self.curr, self.advertised, self.supported, self.peer] {
            w.u32(features.to_v10());
        }
    }

    fn encode_v13(&self, w: &mut Writer) {
        w.u32(self.port.to_wide());
        w.zeros(4);
        self.encode_middle(w);
        self.encode_ethernet(w);
    }

    fn encode_v14(&self, w: &mut Writer) {
        let start = w.len();
        w.u32(self.port.to_wide());
        w.zeros(4);
        self.encode_middle(w);
        let at = prop::begin(w, PROP_ETHERNET);
        w.zeros(4);
        self.encode_ethernet(w);
        prop::end(w, at);
        w.patch_len(start + 4, start);
    }

    fn encode_middle(&self, w: &mut Writer) {
        w.bytes(&self.hw_addr.0);
        w.zeros(2);
        w.name(&self.name, NAME_LEN);
        w.u32(self.config.0 & PortConfig::mask(Version::V13));
        w.u32(self.state.0);
    }

    fn encode_ethernet(&self, w: &mut Writer) {
        for features in [self.curr, self.advertised, self.supported, self.peer] {
            w.u32(features.0);
        }
        w.u32(self.curr_speed_kbps);
        w.u32(self.max_speed_kbps);
    }

    fn decode_middle(&mut self, r: &mut Reader<'_>) -> Result<(), OfpError> {
        self.hw_addr = MacAddr(r.array()?);
        r.skip(2)?;
        self.name = r.name::<NAME_LEN>()?;
        self.config = PortConfig(r.u32()? & PortConfig::mask(Version::V13));
        self.state = PortState(r.u32()? & 7);
        Ok(())
    }

    fn decode_ethernet(&mut self, r: &mut Reader<'_>) -> Result<(), OfpError> {
        for features in [&mut self.curr, &mut self.advertised, &mut self.supported, &mut self.peer]
        {
            *features = PortFeatures(r.u32()? & 0xffff);
        }
        self.curr_speed_kbps = r.u32()?;
        self.max_speed_kbps = r.u32()?;
        Ok(())
    }
}

fn decode_v10(r: &mut Reader<'_>) -> Result<PortDesc, OfpError> {
    let port = OfPort(r.u16()?);
    let hw_addr = MacAddr(r.array()?);
    let name = r.name::<NAME_LEN>()?;
    let config = PortConfig(r.u32()? & PortConfig::mask(Version::V10));
    let state = r.u32()?;
    let blocked = state & V10_STP_MASK == V10_STP_BLOCK;
    let blocked = if blocked { PortState::BLOCKED } else { PortState::default() };
    let mut features = || Ok(PortFeatures::from_v10(r.u32()?));
    let (curr, advertised, supported, peer) = (features()?, features()?, features()?, features()?);
    Ok(PortDesc {
        port,
        hw_addr,
        name,
        config,
        state: PortState(state & PortState::LINK_DOWN.0) | blocked,
        curr,
        advertised,
        supported,
        peer,
        curr_speed_kbps: curr.kbps(),
        max_speed_kbps: supported.kbps(),
    })
}

fn decode_v13(r: &mut Reader<'_>) -> Result<PortDesc, OfpError> {
    let mut desc = PortDesc { port: OfPort::from_wide(r.u32()?)?, ..PortDesc::default() };
    r.skip(4)?;
    desc.decode_middle(r)?;
    desc.decode_ethernet(r)?;
    Ok(desc)
}

fn decode_v14(r: &mut Reader<'_>) -> Result<PortDesc, OfpError> {
    let port = OfPort::from_wide(r.u32()?)?;
    let mut desc = PortDesc { port, ..PortDesc::default() };
    let len = usize::from(r.u16()?);
    let rest = len.checked_sub(6).filter(|_| len >= V14_FIXED_LEN).ok_or(OfpError::BrBadLen)?;
    let mut r = r.sub(rest)?;
    r.skip(2)?;
    desc.decode_middle(&mut r)?;
    prop::each(&mut r, |id, body| match id {
        prop::Id::Standard(PROP_ETHERNET) => {
            body.skip(4)?;
            desc.decode_ethernet(body)
        }
        id => id.ignore(body),
    })?;
    Ok(desc)
}

impl PortStatus {
    pub(crate) fn decode(version: Version, r: &mut Reader<'_>) -> Result<PortStatus, OfpError> {
        let reason = match r.u8()? {
            0 => PortReason::Add,
            1 => PortReason::Delete,
            2 => PortReason::Modify,
            _ => return Err(OfpError::NxbrBadReason),
        };
        r.skip(7)?;
        Ok(PortStatus { reason, desc: PortDesc::decode(version, r)? })
    }

    pub(crate) fn encode(&self, version: Version, w: &mut Writer) {
        w.u8(self.reason as u8);
        w.zeros(7);
        self.desc.encode(version, w);
    }
}

impl PortMod {
    pub(crate) fn decode(version: Version, r: &mut Reader<'_>) -> Result<PortMod, OfpError> {
        let port = OfPort::decode(version, r)?;
        if version != Version::V10 {
            r.skip(4)?;
        }
        let hw_addr = MacAddr(r.array()?);
        if version != Version::V10 {
            r.skip(2)?;
        }
        let bits = PortConfig::mask(version);
        let (config, mask) = (PortConfig(r.u32()? & bits), PortConfig(r.u32()? & bits));
        let mut advertise = PortFeatures::default();
        if version >= Version::V14 {
            prop::each(r, |id, body| match id {
                prop::Id::Standard(PROP_ETHERNET) => {
                    advertise = PortFeatures(body.u32()?);
                    Ok(())
                }
                id => Err(id.unknown()),
            })?;
        } else {
            let bits = r.u32()?;
            let v10 = version == Version::V10;
            advertise = if v10 { PortFeatures::from_v10(bits) } else { PortFeatures(bits) };
            r.skip(4)?;
        }
        Ok(PortMod { port, hw_addr, config, mask, advertise })
    }

    pub(crate) fn encode(&self, version: Version, w: &mut Writer) {
        self.port.encode(version, w);
        if version != Version::V10 {
            w.zeros(4);
        }
        w.bytes(&self.hw_addr.0);
        if version != Version::V10 {
            w.zeros(2);
        }
        let bits = PortConfig::mask(version);
        w.u32(self.config.0 & bits);
        w.u32(self.mask.0 & bits);
        match version {
            Version::V10 => w.u32(self.advertise.to_v10()),
            Version::V11 | Version::V12 | Version::V13 => w.u32(self.advertise.0),
            Version::V14 | Version::V15 if self.advertise.is_empty() => return,
            Version::V14 | Version::V15 => {
                let at = prop::begin(w, PROP_ETHERNET);
                w.u32(self.advertise.0);
                return prop::end(w, at);
            }
        }
        w.zeros(4);
    }
}
