//! METER_MOD, and what is answered about meters.
//!
//! # Design
//! A meter of a bridge has a place in the datapath's table for as long as it exists. To change it is
//! to put another there, which counts from zero, as in Open vSwitch. With a meter go the flows that
//! use it.
//!
//! # References
//! OpenFlow 1.3.5 §5.7, §7.3.4.6, §7.3.5.11–7.3.5.13; `ofproto/ofproto.c`, `handle_meter_mod`.

use std::sync::Arc;

use datapath::Meter;
use datapath::meter::{BandConfig, MAX_BANDS, MeterId, MeterUnit};
use openflow::OfpError;
use openflow::flow::RemovedReason;
use openflow::meter::{
    BandKind, BandStats, MeterBand, MeterCommand, MeterConfig, MeterFeatures, MeterFlags,
    MeterId as OfMeterId, MeterMod, MeterStats,
};

use super::event::age;
use super::journal::Undo;
use super::uses::Use;
use super::{Cx, Ofproto};
use crate::ofproto::meter_slots::MeterSlots;

/// Meters of a bridge at most, as of Open vSwitch's userspace datapath.
const MAX_METERS: u32 = 1 << 18;
/// Bands that drop, as a bit.
const BAND_TYPES: u32 = 1 << 1;

/// What is known of a meter.
#[derive(Clone, Debug)]
pub(super) struct MeterEntry {
    /// As it was configured.
    config: MeterConfig,
    /// Its place in the datapath.
    pub slot: MeterId,
    created_ns: u64,
}

impl Ofproto {
    pub(super) fn meter_mod(&mut self, cx: &mut Cx<'_>, to: &MeterMod) -> Result<(), OfpError> {
        let id = to.meter.id.0;
        if to.meter.bands.len() > MAX_BANDS {
            return Err(OfpError::MmfOutOfBands);
        }
        let known = self.meter_entries.get(&id).cloned();
        match (to.command, known) {
            (MeterCommand::Delete, _) => self.delete_meters(cx, to.meter.id),
            (MeterCommand::Add, Some(_)) => return Err(OfpError::MmfMeterExists),
            (MeterCommand::Modify, None) => return Err(OfpError::MmfUnknownMeter),
            (MeterCommand::Add, None) => {
                let (meter, config) = meter(&to.meter)?;
                if self.meter_entries.len() >= MAX_METERS as usize {
                    return Err(OfpError::MmfOutOfMeters);
                }
                let slot = cx.meters.put(meter);
                self.journal.push(Undo::Slot(slot, None));
                let created_ns = cx.now_ns;
                self.put_meter(id, Some(MeterEntry { config, slot, created_ns }));
            }
            (MeterCommand::Modify, Some(entry)) => {
                let (meter, config) = meter(&to.meter)?;
                let before = cx.meters.get(entry.slot).cloned();
                cx.meters.replace(entry.slot, meter);
                self.journal.push(Undo::Slot(entry.slot, before));
                self.put_meter(id, Some(MeterEntry { config, ..entry }));
            }
        }
        Ok(())
    }

    pub(super) fn delete_meters(&mut self, cx: &mut Cx<'_>, id: OfMeterId) {
        let ids: Vec<u32> = match id {
            OfMeterId::ALL => self.meter_entries.keys().copied().collect(),
            OfMeterId(id) => vec![id],
        };
        for id in ids {
            let Some(entry) = self.meter_entries.get(&id).cloned() else { continue };
            for flow in self.store.users(Use::Meter(id)) {
                self.remove_flow(cx, flow, RemovedReason::MeterDelete);
            }
            let before = cx.meters.get(entry.slot).cloned();
            cx.meters.remove(entry.slot);
            self.journal.push(Undo::Slot(entry.slot, before));
            self.put_meter(id, None);
        }
    }

    fn meters_of(&self, id: OfMeterId) -> Result<Vec<&MeterEntry>, OfpError> {
        if id == OfMeterId::ALL {
            return Ok(self.meter_entries.values().collect());
        }
        let entry = self.meter_entries.get(&id.0).ok_or(OfpError::MmfUnknownMeter)?;
        Ok(vec![entry])
    }

    /// OFPMP_METER.
    pub(super) fn meter_stats(
        &self,
        meters: &MeterSlots,
        now_ns: u64,
        id: OfMeterId,
    ) -> Result<Vec<MeterStats>, OfpError> {
        let stats = |entry: &&MeterEntry| {
            let meter = meters.get(entry.slot)?;
            let n_bands = entry.config.bands.len();
            let band = |at: usize| BandStats {
                packets: meter.stats.sum(|c| c.bands.get(at).map_or(0, |band| band.0.get())),
                bytes: meter.stats.sum(|c| c.bands.get(at).map_or(0, |band| band.1.get())),
            };
            let n_flows = self.store.n_users(Use::Meter(entry.config.id.0));
            Some(MeterStats {
                id: entry.config.id,
                n_flows: u32::try_from(n_flows).unwrap_or(u32::MAX),
                packets_in: meter.stats.sum(|c| c.packets.get()),
                bytes_in: meter.stats.sum(|c| c.bytes.get()),
                duration: age(now_ns, entry.created_ns),
                bands: (0..n_bands).map(band).collect(),
            })
        };
        Ok(self.meters_of(id)?.iter().filter_map(stats).collect())
    }

    /// OFPMP_METER_CONFIG.
    pub(super) fn meter_configs(&self, id: OfMeterId) -> Result<Vec<MeterConfig>, OfpError> {
        Ok(self.meters_of(id)?.into_iter().map(|entry| entry.config.clone()).collect())
    }
}

/// The datapath's meter for a configuration, and the latter with everything said.
fn meter(config: &MeterConfig) -> Result<(Arc<Meter>, MeterConfig), OfpError> {
    let mut config = config.clone();
    if config.bands.is_empty() {
        return Err(OfpError::MmfOutOfBands);
    }
    let has_burst = config.flags.contains(MeterFlags::BURST);
    let in_packets = config.flags.contains(MeterFlags::PKTPS);
    let unit = if in_packets { MeterUnit::Packets } else { MeterUnit::Kilobits };
    for band in &mut config.bands {
        if band.kind != BandKind::Drop {
            return Err(OfpError::MmfBadBand);
        }
        if band.rate == 0 {
            return Err(OfpError::MmfBadRate);
        }
        if !has_burst || band.burst_size == 0 {
            band.burst_size = band.rate;
        }
    }
    let band = |band: &MeterBand| BandConfig { rate: band.rate, burst: band.burst_size };
    let meter = Meter::new(unit, config.bands.iter().map(band));
    Ok((Arc::new(meter), config))
}

/// OFPMP_METER_FEATURES.
pub(super) fn meter_features() -> MeterFeatures {
    let flags = [MeterFlags::KBPS, MeterFlags::PKTPS, MeterFlags::BURST, MeterFlags::STATS];
    MeterFeatures {
        max_meters: MAX_METERS,
        band_types: BAND_TYPES,
        capabilities: flags.iter().fold(0, |bits, flag| bits | u32::from(flag.0)),
        max_bands: u8::try_from(MAX_BANDS).unwrap_or(u8::MAX),
        max_colors: 0,
    }
}
