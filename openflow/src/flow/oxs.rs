//! OXS: statistics as a list of fields, in OpenFlow 1.5.
//!
//! # References
//! OpenFlow 1.5.1 §7.2.4.

use core::time::Duration;

use super::{known, or_unknown};
use crate::error::OfpError;
use crate::meter::{read_duration, write_duration};
use crate::wire::{Reader, Writer};

/// OFPXSC_OPENFLOW_BASIC.
const CLASS: u16 = 0x8002;
const DURATION: u8 = 0;
const IDLE_TIME: u8 = 1;
const FLOW_COUNT: u8 = 3;
const PACKET_COUNT: u8 = 4;
const BYTE_COUNT: u8 = 5;

/// What a list of statistics says.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Oxs {
    pub duration: Option<Duration>,
    pub idle: Option<Duration>,
    pub n_flows: Option<u32>,
    pub packets: Option<u64>,
    pub bytes: Option<u64>,
}

impl Oxs {
    /// # Errors
    /// `OFPBRC_BAD_LEN`.
    pub(super) fn decode(r: &mut Reader<'_>) -> Result<Oxs, OfpError> {
        let mut oxs = Oxs::default();
        let mut head = *r;
        head.skip(2)?;
        let len = usize::from(head.u16()?);
        let whole = r.bytes(len.next_multiple_of(8))?;
        let mut list =
            Reader::new(whole.get(4..len).ok_or(OfpError::BrBadLen)?, OfpError::BrBadLen);
        while !list.is_empty() {
            let (class, number, len) = (list.u16()?, list.u8()? >> 1, list.u8()?);
            let mut body = list.sub(len.into())?;
            if class != CLASS {
                continue;
            }
            match number {
                DURATION => oxs.duration = Some(read_duration(&mut body)?),
                IDLE_TIME => oxs.idle = Some(read_duration(&mut body)?),
                FLOW_COUNT => oxs.n_flows = Some(body.u32()?),
                PACKET_COUNT => oxs.packets = known(body.u64()?),
                BYTE_COUNT => oxs.bytes = known(body.u64()?),
                _ => continue,
            }
            if !body.is_empty() {
                return Err(OfpError::BrBadLen);
            }
        }
        Ok(oxs)
    }

    pub(super) fn encode(&self, w: &mut Writer) {
        let start = w.len();
        w.zeros(4);
        for (number, duration) in [(DURATION, self.duration), (IDLE_TIME, self.idle)] {
            if let Some(duration) = duration {
                header(w, number, 8);
                write_duration(duration, w);
            }
        }
        if let Some(n_flows) = self.n_flows {
            header(w, FLOW_COUNT, 4);
            w.u32(n_flows);
        }
        for (number, count) in [(PACKET_COUNT, self.packets), (BYTE_COUNT, self.bytes)] {
            if count.is_some() {
                header(w, number, 8);
                w.u64(or_unknown(count));
            }
        }
        w.patch_len(start + 2, start);
        w.pad8(start);
    }
}

fn header(w: &mut Writer, number: u8, len: u8) {
    w.u16(CLASS);
    w.u8(number << 1);
    w.u8(len);
}
