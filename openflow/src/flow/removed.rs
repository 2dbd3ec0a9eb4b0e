//! FLOW_REMOVED on the wire.

use packet::flow::FlowMatch;

use super::oxs::Oxs;
use super::stats::decode_nxm_match;
use super::{FlowRemoved, RemovedReason, known, or_unknown};
use crate::codec::Codec;
use crate::error::OfpError;
use crate::kind::Form;
use crate::meter::{read_duration, write_duration};
use crate::oxm::{self, Cookie, Numbers};
use crate::version::Version;
use crate::wire::{Reader, Writer};

fn reason(number: u8) -> Result<RemovedReason, OfpError> {
    RemovedReason::ALL.get(usize::from(number)).copied().ok_or(OfpError::NxbrBadReason)
}

impl FlowRemoved {
    pub(crate) fn decode(codec: &Codec, form: Form, r: &mut Reader<'_>) -> Result<Self, OfpError> {
        match (form, codec.version) {
            (Form::Nicira, _) => decode_nxm(r),
            (_, Version::V10) => decode_v10(r),
            (_, Version::V15) => decode_v15(r),
            _ => decode_v13(r),
        }
    }

    /// The form in which it is sent.
    pub(crate) fn form(&self, codec: &Codec) -> Form {
        let nicira = codec.version == Version::V10
            && (codec.flow_format == crate::codec::FlowFormat::Nxm
                || !oxm::fits_v10(&self.matching));
        if nicira { Form::Nicira } else { Form::Standard }
    }

    pub(crate) fn encode(&self, codec: &Codec, form: Form, w: &mut Writer) {
        match (form, codec.version) {
            (Form::Nicira, _) => self.encode_nxm(w),
            (_, Version::V10) => {
                oxm::encode_v10(w, &self.matching);
                w.u64(self.cookie);
                w.u16(self.priority);
                w.u8(self.reason_for(Version::V10));
                w.u8(0);
                write_duration(self.duration, w);
                w.u16(self.idle_s);
                w.zeros(2);
                self.encode_counts(w);
            }
            (_, Version::V15) => self.encode_v15(w),
            (_, version) => {
                w.u64(self.cookie);
                w.u16(self.priority);
                w.u8(self.reason_for(version));
                w.u8(self.table.unwrap_or(0));
                write_duration(self.duration, w);
                w.u16(self.idle_s);
                w.u16(self.hard_s);
                self.encode_counts(w);
                oxm::encode_match(w, &self.matching, Numbers::Oxm(version));
            }
        }
    }

    /// What an old version cannot say is "deleted".
    fn reason_for(&self, version: Version) -> u8 {
        let last = match version {
            Version::V10 => RemovedReason::Delete,
            Version::V11 | Version::V12 | Version::V13 => RemovedReason::GroupDelete,
            Version::V14 | Version::V15 => RemovedReason::Eviction,
        };
        let reason = self.reason as u8;
        if reason > last as u8 { RemovedReason::Delete as u8 } else { reason }
    }

    fn encode_counts(&self, w: &mut Writer) {
        w.u64(or_unknown(self.packets));
        w.u64(or_unknown(self.bytes));
    }

    fn encode_nxm(&self, w: &mut Writer) {
        w.u64(self.cookie);
        w.u16(self.priority);
        w.u8(self.reason_for(Version::V10));
        w.u8(self.table.map_or(0, |table| table.saturating_add(1)));
        write_duration(self.duration, w);
        w.u16(self.idle_s);
        let at = w.len();
        w.u16(0);
        self.encode_counts(w);
        let start = w.len();
        oxm::encode_entries(w, &self.matching, Numbers::Nxm, Cookie::default());
        w.patch_len(at, start);
        w.pad8(start);
    }

    fn encode_v15(&self, w: &mut Writer) {
        w.u8(self.table.unwrap_or(0));
        w.u8(self.reason_for(Version::V15));
        w.u16(self.priority);
        w.u16(self.idle_s);
        w.u16(self.hard_s);
        w.u64(self.cookie);
        oxm::encode_match(w, &self.matching, Numbers::Oxm(Version::V15));
        let duration = Some(self.duration);
        Oxs { duration, packets: self.packets, bytes: self.bytes, ..Oxs::default() }.encode(w);
    }
}

fn decode_v10(r: &mut Reader<'_>) -> Result<FlowRemoved, OfpError> {
    let (matching, cookie, priority) = (oxm::decode_v10(r)?, r.u64()?, r.u16()?);
    let reason = reason(r.u8()?)?;
    r.skip(1)?;
    let (duration, idle_s) = (read_duration(r)?, r.u16()?);
    r.skip(2)?;
    let (packets, bytes) = (known(r.u64()?), known(r.u64()?));
    let (table, hard_s) = (None, 0);
    Ok(FlowRemoved {
        matching,
        priority,
        cookie,
        reason,
        table,
        duration,
        idle_s,
        hard_s,
        packets,
        bytes,
    })
}

fn decode_nxm(r: &mut Reader<'_>) -> Result<FlowRemoved, OfpError> {
    let (cookie, priority) = (r.u64()?, r.u16()?);
    let (reason, table) = (reason(r.u8()?)?, r.u8()?.checked_sub(1));
    let (duration, idle_s, len) = (read_duration(r)?, r.u16()?, r.u16()?);
    let (packets, bytes) = (known(r.u64()?), known(r.u64()?));
    let matching: FlowMatch = decode_nxm_match(r, len.into())?.0;
    let hard_s = 0;
    Ok(FlowRemoved {
        matching,
        priority,
        cookie,
        reason,
        table,
        duration,
        idle_s,
        hard_s,
        packets,
        bytes,
    })
}

fn decode_v13(r: &mut Reader<'_>) -> Result<FlowRemoved, OfpError> {
    let (cookie, priority) = (r.u64()?, r.u16()?);
    let (reason, table) = (reason(r.u8()?)?, Some(r.u8()?));
    let (duration, idle_s, hard_s) = (read_duration(r)?, r.u16()?, r.u16()?);
    let (packets, bytes) = (known(r.u64()?), known(r.u64()?));
    let matching = oxm::decode_match(r)?;
    Ok(FlowRemoved {
        matching,
        priority,
        cookie,
        reason,
        table,
        duration,
        idle_s,
        hard_s,
        packets,
        bytes,
    })
}

fn decode_v15(r: &mut Reader<'_>) -> Result<FlowRemoved, OfpError> {
    let (table, reason) = (Some(r.u8()?), reason(r.u8()?)?);
    let (priority, idle_s, hard_s, cookie) = (r.u16()?, r.u16()?, r.u16()?, r.u64()?);
    let matching = oxm::decode_match(r)?;
    let oxs = Oxs::decode(r)?;
    let (duration, packets, bytes) = (oxs.duration.unwrap_or_default(), oxs.packets, oxs.bytes);
    Ok(FlowRemoved {
        matching,
        priority,
        cookie,
        reason,
        table,
        duration,
        idle_s,
        hard_s,
        packets,
        bytes,
    })
}
