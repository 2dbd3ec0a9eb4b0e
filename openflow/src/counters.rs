//! What ports and queues counted.
//!
//! # References
//! OpenFlow 1.0.2 §5.3.5; 1.3.5 §7.3.5.6–7.3.5.7; 1.4.1 §7.3.5.6, §7.3.5.8.

use core::time::Duration;

use crate::error::OfpError;
use crate::meter::{read_duration, write_duration};
use crate::port::OfPort;
use crate::prop;
use crate::version::Version;
use crate::wire::{Reader, Writer};

/// What a port counted. All ones: not known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub struct PortStats {
    pub port: OfPort,
    pub rx_packets: u64,
    pub tx_packets: u64,
    pub rx_bytes: u64,
    pub tx_bytes: u64,
    pub rx_dropped: u64,
    pub tx_dropped: u64,
    pub rx_errors: u64,
    pub tx_errors: u64,
    pub rx_frame_err: u64,
    pub rx_over_err: u64,
    pub rx_crc_err: u64,
    pub collisions: u64,
    /// How long it exists; since OpenFlow 1.3.
    pub duration: Option<Duration>,
}

/// Seconds that say that a duration is not known.
const NO_DURATION: u32 = u32::MAX;

fn read_known(r: &mut Reader<'_>) -> Result<Option<Duration>, OfpError> {
    let duration = read_duration(r)?;
    Ok(Some(duration).filter(|duration| duration.as_secs() < NO_DURATION.into()))
}

fn write_known(duration: Option<Duration>, w: &mut Writer) {
    match duration {
        Some(duration) => write_duration(duration, w),
        None => {
            w.u32(NO_DURATION);
            w.u32(NO_DURATION);
        }
    }
}

const PROP_ETHERNET: u16 = 0;
/// OFPST14 port stats before its properties.
const V14_FIXED_LEN: usize = 80;

impl PortStats {
    /// Of a port, everything unknown.
    #[must_use]
    pub const fn unknown(port: OfPort) -> PortStats {
        PortStats {
            port,
            rx_packets: u64::MAX,
            tx_packets: u64::MAX,
            rx_bytes: u64::MAX,
            tx_bytes: u64::MAX,
            rx_dropped: u64::MAX,
            tx_dropped: u64::MAX,
            rx_errors: u64::MAX,
            tx_errors: u64::MAX,
            rx_frame_err: u64::MAX,
            rx_over_err: u64::MAX,
            rx_crc_err: u64::MAX,
            collisions: u64::MAX,
            duration: None,
        }
    }

    fn common(&mut self) -> [&mut u64; 8] {
        [
            &mut self.rx_packets,
            &mut self.tx_packets,
            &mut self.rx_bytes,
            &mut self.tx_bytes,
            &mut self.rx_dropped,
            &mut self.tx_dropped,
            &mut self.rx_errors,
            &mut self.tx_errors,
        ]
    }

    fn ethernet(&mut self) -> [&mut u64; 4] {
        [&mut self.rx_frame_err, &mut self.rx_over_err, &mut self.rx_crc_err, &mut self.collisions]
    }

    pub(crate) fn decode(version: Version, r: &mut Reader<'_>) -> Result<PortStats, OfpError> {
        if version >= Version::V14 {
            return decode_v14(r);
        }
        let mut stats = PortStats::unknown(OfPort::decode(version, r)?);
        r.skip(if version == Version::V10 { 6 } else { 4 })?;
        for counter in stats.common() {
            *counter = r.u64()?;
        }
        for counter in stats.ethernet() {
            *counter = r.u64()?;
        }
        if version >= Version::V13 {
            stats.duration = read_known(r)?;
        }
        Ok(stats)
    }

    pub(crate) fn encode(&self, version: Version, w: &mut Writer) {
        let mut stats = *self;
        if version >= Version::V14 {
            let start = w.len();
            w.zeros(4);
            w.u32(self.port.to_wide());
            write_known(self.duration, w);
            stats.common().into_iter().for_each(|counter| w.u64(*counter));
            let at = prop::begin(w, PROP_ETHERNET);
            w.zeros(4);
            stats.ethernet().into_iter().for_each(|counter| w.u64(*counter));
            prop::end(w, at);
            return w.patch_len(start, start);
        }
        self.port.encode(version, w);
        w.zeros(if version == Version::V10 { 6 } else { 4 });
        stats.common().into_iter().for_each(|counter| w.u64(*counter));
        stats.ethernet().into_iter().for_each(|counter| w.u64(*counter));
        if version >= Version::V13 {
            write_known(self.duration, w);
        }
    }
}

fn decode_v14(r: &mut Reader<'_>) -> Result<PortStats, OfpError> {
    let len = usize::from(r.u16()?);
    if len < V14_FIXED_LEN {
        return Err(OfpError::BrBadLen);
    }
    let mut r = r.sub(len - 2)?;
    r.skip(2)?;
    let mut stats = PortStats::unknown(OfPort::from_wide(r.u32()?)?);
    stats.duration = read_known(&mut r)?;
    for counter in stats.common() {
        *counter = r.u64()?;
    }
    prop::each(&mut r, |id, body| match id {
        prop::Id::Standard(PROP_ETHERNET) => {
            body.skip(4)?;
            for counter in stats.ethernet() {
                *counter = body.u64()?;
            }
            Ok(())
        }
        id => id.ignore(body),
    })?;
    Ok(stats)
}

/// Which queues are asked about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QueueRequest {
    /// Of which port; [`OfPort::NONE`]: of every one.
    pub port: OfPort,
    /// Which; [`QUEUE_ALL`].
    pub queue: u32,
}

/// All queues.
pub const QUEUE_ALL: u32 = 0xffff_ffff;

impl QueueRequest {
    /// OpenFlow 1.0 says "every port" as OFPP_ALL.
    pub(crate) fn decode(version: Version, r: &mut Reader<'_>) -> Result<QueueRequest, OfpError> {
        let mut port = OfPort::decode(version, r)?;
        if version == Version::V10 {
            r.skip(2)?;
            port = if port == OfPort::ALL { OfPort::NONE } else { port };
        }
        Ok(QueueRequest { port, queue: r.u32()? })
    }

    pub(crate) fn encode(&self, version: Version, w: &mut Writer) {
        if version == Version::V10 {
            let port = if self.port == OfPort::NONE { OfPort::ALL } else { self.port };
            w.u16(port.0);
            w.zeros(2);
        } else {
            w.u32(self.port.to_wide());
        }
        w.u32(self.queue);
    }
}

/// What a queue counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub struct QueueStats {
    pub port: OfPort,
    pub queue: u32,
    pub tx_bytes: u64,
    pub tx_packets: u64,
    pub tx_errors: u64,
    /// How long it exists; since OpenFlow 1.3.
    pub duration: Option<Duration>,
}

impl QueueStats {
    pub(crate) fn decode(version: Version, r: &mut Reader<'_>) -> Result<QueueStats, OfpError> {
        if version >= Version::V14 {
            let len = usize::from(r.u16()?);
            let mut r = r.sub(len.checked_sub(2).ok_or(OfpError::BrBadLen)?)?;
            r.skip(6)?;
            let (port, queue) = (OfPort::from_wide(r.u32()?)?, r.u32()?);
            let (tx_bytes, tx_packets, tx_errors) = (r.u64()?, r.u64()?, r.u64()?);
            let duration = read_known(&mut r)?;
            prop::each(&mut r, |id, body| id.ignore(body))?;
            return Ok(QueueStats { port, queue, tx_bytes, tx_packets, tx_errors, duration });
        }
        let port = OfPort::decode(version, r)?;
        r.skip(if version == Version::V10 { 2 } else { 0 })?;
        let queue = r.u32()?;
        let (tx_bytes, tx_packets, tx_errors) = (r.u64()?, r.u64()?, r.u64()?);
        let duration = if version >= Version::V13 { read_known(r)? } else { None };
        Ok(QueueStats { port, queue, tx_bytes, tx_packets, tx_errors, duration })
    }

    pub(crate) fn encode(&self, version: Version, w: &mut Writer) {
        let start = w.len();
        match version {
            Version::V10 => {
                w.u16(self.port.0);
                w.zeros(2);
            }
            Version::V14 | Version::V15 => {
                w.zeros(8);
                w.u32(self.port.to_wide());
            }
            _ => w.u32(self.port.to_wide()),
        }
        w.u32(self.queue);
        w.u64(self.tx_bytes);
        w.u64(self.tx_packets);
        w.u64(self.tx_errors);
        if version >= Version::V13 {
            write_known(self.duration, w);
        }
        if version >= Version::V14 {
            w.patch_len(start, start);
        }
    }
}
