//! Meters: how fast packets may go, and how many went.
//!
//! # References
//! OpenFlow 1.3.5 §5.7, §7.3.4.6, §7.3.5.11–7.3.5.13.

use core::time::Duration;

use crate::error::OfpError;
use crate::flags::flags;
use crate::wire::{Reader, Writer};

/// Number of a meter.
///
/// # Legal values
/// 1 to 0xffff0000 are meters of flows; above are the reserved ones.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MeterId(pub u32);

impl MeterId {
    /// The last one for flows.
    pub const MAX: MeterId = MeterId(0xffff_0000);
    /// Packets to the slow path.
    pub const SLOWPATH: MeterId = MeterId(0xffff_fffd);
    /// Packets to controllers.
    pub const CONTROLLER: MeterId = MeterId(0xffff_fffe);
    /// All of them, in requests.
    pub const ALL: MeterId = MeterId(0xffff_ffff);
}

flags! {
    /// How a meter counts (OpenFlow 1.3.5 §7.3.4.6, `ofp_meter_flags`).
    MeterFlags: u16 {
        /// Rates are in kbit/s.
        KBPS = 1 << 0, "kbps";
        /// Rates are in packets/s.
        PKTPS = 1 << 1, "pktps";
        /// Bands have a burst size.
        BURST = 1 << 2, "burst";
        /// Statistics are kept.
        STATS = 1 << 3, "stats";
    }
}

/// What happens to a packet above a band's rate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BandKind {
    /// It is dropped.
    Drop,
    /// Its drop precedence rises by this.
    DscpRemark(u8),
}

/// A rate of a meter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MeterBand {
    /// What happens above.
    pub kind: BandKind,
    /// kbit/s or packets/s.
    pub rate: u32,
    /// kbit or packets; counts with [`MeterFlags::BURST`].
    pub burst_size: u32,
}

const BAND_DROP: u16 = 1;
const BAND_DSCP_REMARK: u16 = 2;
const BAND_LEN: u16 = 16;

impl MeterBand {
    fn decode(r: &mut Reader<'_>) -> Result<MeterBand, OfpError> {
        let (kind, len, rate, burst_size) = (r.u16()?, r.u16()?, r.u32()?, r.u32()?);
        if len != BAND_LEN {
            return Err(OfpError::BrBadLen);
        }
        let prec_level = r.u8()?;
        r.skip(3)?;
        let kind = match kind {
            BAND_DROP => BandKind::Drop,
            BAND_DSCP_REMARK => BandKind::DscpRemark(prec_level),
            _ => return Err(OfpError::MmfBadBand),
        };
        Ok(MeterBand { kind, rate, burst_size })
    }

    fn encode(&self, w: &mut Writer) {
        let (kind, prec_level) = match self.kind {
            BandKind::Drop => (BAND_DROP, 0),
            BandKind::DscpRemark(prec_level) => (BAND_DSCP_REMARK, prec_level),
        };
        w.u16(kind);
        w.u16(BAND_LEN);
        w.u32(self.rate);
        w.u32(self.burst_size);
        w.u8(prec_level);
        w.zeros(3);
    }

    fn decode_all(r: &mut Reader<'_>) -> Result<Vec<MeterBand>, OfpError> {
        let mut bands = Vec::new();
        while !r.is_empty() {
            bands.push(MeterBand::decode(r)?);
        }
        Ok(bands)
    }
}

/// A meter, as it was configured: OFPMP_METER_CONFIG reply.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MeterConfig {
    /// Its number.
    pub id: MeterId,
    /// How it counts.
    pub flags: MeterFlags,
    /// Its rates.
    pub bands: Vec<MeterBand>,
}

impl MeterConfig {
    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<MeterConfig, OfpError> {
        let len = usize::from(r.u16()?);
        let mut body = r.sub(len.checked_sub(2).ok_or(OfpError::BrBadLen)?)?;
        let (flags, id) = (MeterFlags(body.u16()?), MeterId(body.u32()?));
        Ok(MeterConfig { id, flags, bands: MeterBand::decode_all(&mut body)? })
    }

    pub(crate) fn encode(&self, w: &mut Writer) {
        let start = w.len();
        w.u16(0);
        w.u16(self.flags.0);
        w.u32(self.id.0);
        self.bands.iter().for_each(|band| band.encode(w));
        w.patch_len(start, start);
    }
}

/// What to do with a meter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u16)]
pub enum MeterCommand {
    /// A new one.
    Add = 0,
    /// An existing one gets other bands.
    Modify = 1,
    /// It goes.
    Delete = 2,
}

/// OFPT_METER_MOD.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MeterMod {
    /// What to do.
    pub command: MeterCommand,
    /// The meter; to delete, its number counts.
    pub meter: MeterConfig,
}

impl MeterMod {
    /// `OFPMMFC_*` for commands, numbers, flags and bands that are none.
    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<MeterMod, OfpError> {
        let command = match r.u16()? {
            0 => MeterCommand::Add,
            1 => MeterCommand::Modify,
            2 => MeterCommand::Delete,
            _ => return Err(OfpError::MmfBadCommand),
        };
        let (flags, id) = (MeterFlags(r.u16()?), MeterId(r.u32()?));
        let virtual_ids = MeterId::SLOWPATH..=MeterId::CONTROLLER;
        let ordinary = id.0 != 0 && id <= MeterId::MAX || virtual_ids.contains(&id);
        if !(ordinary || command == MeterCommand::Delete) {
            return Err(OfpError::MmfInvalidMeter);
        }
        if command == MeterCommand::Delete {
            r.rest();
            let meter = MeterConfig { id, flags: MeterFlags(0), bands: Vec::new() };
            return Ok(MeterMod { command, meter });
        }
        let both = flags.contains(MeterFlags::KBPS | MeterFlags::PKTPS);
        let neither = flags.0 & 3 == 0;
        if both || neither || flags.0 & !0xf != 0 {
            return Err(OfpError::MmfBadFlags);
        }
        Ok(MeterMod { command, meter: MeterConfig { id, flags, bands: MeterBand::decode_all(r)? } })
    }

    pub(crate) fn encode(&self, w: &mut Writer) {
        w.u16(self.command as u16);
        w.u16(self.meter.flags.0);
        w.u32(self.meter.id.0);
        if self.command != MeterCommand::Delete {
            self.meter.bands.iter().for_each(|band| band.encode(w));
        }
    }
}

/// What a band of a meter did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct BandStats {
    /// Packets above its rate.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What a meter did: OFPMP_METER reply.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MeterStats {
    /// The meter.
    pub id: MeterId,
    /// Flows that use it.
    pub n_flows: u32,
    /// Packets that came.
    pub packets_in: u64,
    /// Their bytes.
    pub bytes_in: u64,
    /// How long it exists.
    pub duration: Duration,
    /// By band.
    pub bands: Vec<BandStats>,
}

impl MeterStats {
    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<MeterStats, OfpError> {
        let id = MeterId(r.u32()?);
        let len = usize::from(r.u16()?);
        let mut body = r.sub(len.checked_sub(6).ok_or(OfpError::BrBadLen)?)?;
        body.skip(6)?;
        let n_flows = body.u32()?;
        let (packets_in, bytes_in) = (body.u64()?, body.u64()?);
        let duration = read_duration(&mut body)?;
        let mut bands = Vec::new();
        while !body.is_empty() {
            bands.push(BandStats { packets: body.u64()?, bytes: body.u64()? });
        }
        Ok(MeterStats { id, n_flows, packets_in, bytes_in, duration, bands })
    }

    pub(crate) fn encode(&self, w: &mut Writer) {
        let start = w.len();
        w.u32(self.id.0);
        w.zeros(8);
        w.u32(self.n_flows);
        w.u64(self.packets_in);
        w.u64(self.bytes_in);
        write_duration(self.duration, w);
        for band in &self.bands {
            w.u64(band.packets);
            w.u64(band.bytes);
        }
        w.patch_len(start + 4, start);
    }
}

/// Seconds and nanoseconds, 32 bits each.
pub(crate) fn read_duration(r: &mut Reader<'_>) -> Result<Duration, OfpError> {
    let (seconds, nanos) = (r.u32()?, r.u32()?);
    Ok(Duration::from_secs(seconds.into()) + Duration::from_nanos(nanos.into()))
}

/// See [`read_duration`]; a time beyond 32 bits of seconds is written as the last one.
pub(crate) fn write_duration(duration: Duration, w: &mut Writer) {
    w.u32(u32::try_from(duration.as_secs()).unwrap_or(u32::MAX));
    w.u32(duration.subsec_nanos());
}

/// OFPMP_METER_FEATURES reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MeterFeatures {
    /// Meters at most.
    pub max_meters: u32,
    /// Kinds of bands, one bit each.
    pub band_types: u32,
    /// Flags that are understood.
    pub capabilities: u32,
    /// Bands of a meter at most.
    pub max_bands: u8,
    /// Colours at most.
    pub max_colors: u8,
}

impl MeterFeatures {
    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<MeterFeatures, OfpError> {
        let (max_meters, band_types, capabilities) = (r.u32()?, r.u32()?, r.u32()?);
        let (max_bands, max_colors) = (r.u8()?, r.u8()?);
        r.skip(2)?;
        Ok(MeterFeatures { max_meters, band_types, capabilities, max_bands, max_colors })
    }

    pub(crate) fn encode(&self, w: &mut Writer) {
        w.u32(self.max_meters);
        w.u32(self.band_types);
        w.u32(self.capabilities);
        w.u8(self.max_bands);
        w.u8(self.max_colors);
        w.zeros(2);
    }
}
