//! Statistics of flows on the wire: requests, replies, sums.

use packet::flow::{FieldId, FlowMatch};
use packet::vlan::TAG_PRESENT;

use super::oxs::Oxs;
use super::{AggregateStats, CookieMatch, FlowFlags, FlowStats, FlowStatsRequest, GROUP_ANY};
use super::{known, or_unknown};
use crate::action::{Tag, decode_actions, decode_instructions, encode_told};
use crate::codec::{Codec, FlowFormat};
use crate::error::OfpError;
use crate::kind::Form;
use crate::meter::{read_duration, write_duration};
use crate::oxm::{self, Cookie, Numbers};
use crate::port::OfPort;
use crate::version::Version;
use crate::wire::{Reader, Writer};

/// Whether packets of a match have a VLAN tag.
pub(super) fn tag(matching: &FlowMatch) -> Tag {
    let present = matching.key().get(FieldId::VlanTci) & u128::from(TAG_PRESENT) != 0;
    if present { Tag::Present } else { Tag::Unknown }
}

/// Reads a match of Nicira's form, of so many bytes and padding.
pub(super) fn decode_nxm_match(
    r: &mut Reader<'_>,
    len: usize,
) -> Result<(FlowMatch, CookieMatch), OfpError> {
    let whole = r.or(OfpError::BmBadLen).bytes(len.next_multiple_of(8))?;
    r.skip(whole.len())?;
    let mut cookie = Cookie::default();
    let mut entries = Reader::new(&whole[..len], OfpError::BmBadLen);
    let matching = oxm::decode_entries(&mut entries, Some(&mut cookie))?;
    Ok((matching, CookieMatch { value: cookie.value, mask: cookie.mask }))
}

impl FlowStatsRequest {
    /// The form in which it is sent.
    pub(crate) fn form(&self, codec: &Codec) -> Form {
        let nicira = codec.version == Version::V10
            && (codec.flow_format == FlowFormat::Nxm
                || !oxm::fits_v10(&self.matching)
                || self.cookie_match.mask != 0);
        if nicira { Form::NiciraStats } else { Form::Stats }
    }

    pub(crate) fn decode(codec: &Codec, form: Form, r: &mut Reader<'_>) -> Result<Self, OfpError> {
        let mut request = FlowStatsRequest::default();
        match (form, codec.version) {
            (Form::NiciraStats, _) => {
                request.out_port = OfPort(r.u16()?);
                let len = usize::from(r.u16()?);
                request.table = r.u8()?;
                r.skip(3)?;
                (request.matching, request.cookie_match) = decode_nxm_match(r, len)?;
            }
            (_, Version::V10) => {
                request.matching = oxm::decode_v10(r)?;
                request.table = r.u8()?;
                r.skip(1)?;
                request.out_port = OfPort(r.u16()?);
            }
            _ => {
                request.table = r.u8()?;
                r.skip(3)?;
                request.out_port = OfPort::from_wide(r.u32()?)?;
                request.out_group = r.u32()?;
                r.skip(4)?;
                request.cookie_match = CookieMatch { value: r.u64()?, mask: r.u64()? };
                request.matching = oxm::decode_match(r)?;
            }
        }
        Ok(request)
    }

    pub(crate) fn encode(&self, codec: &Codec, form: Form, w: &mut Writer) {
        let CookieMatch { value, mask } = self.cookie_match;
        match (form, codec.version) {
            (Form::NiciraStats, _) => {
                w.u16(self.out_port.0);
                let at = w.len();
                w.u16(0);
                w.u8(self.table);
                w.zeros(3);
                let start = w.len();
                oxm::encode_entries(w, &self.matching, Numbers::Nxm, Cookie { value, mask });
                w.patch_len(at, start);
                w.pad8(start);
            }
            (_, Version::V10) => {
                oxm::encode_v10(w, &self.matching);
                w.u8(self.table);
                w.u8(0);
                w.u16(self.out_port.0);
            }
            (_, version) => {
                w.u8(self.table);
                w.zeros(3);
                w.u32(self.out_port.to_wide());
                w.u32(if self.out_group == 0 { GROUP_ANY } else { self.out_group });
                w.zeros(4);
                w.u64(value);
                w.u64(mask);
                oxm::encode_match(w, &self.matching, Numbers::Oxm(version));
            }
        }
    }
}

impl AggregateStats {
    pub(crate) fn decode(version: Version, r: &mut Reader<'_>) -> Result<Self, OfpError> {
        if version >= Version::V15 {
            let oxs = Oxs::decode(r)?;
            let n_flows = oxs.n_flows.unwrap_or(0);
            return Ok(AggregateStats { packets: oxs.packets, bytes: oxs.bytes, n_flows });
        }
        let (packets, bytes, n_flows) = (known(r.u64()?), known(r.u64()?), r.u32()?);
        r.skip(4)?;
        Ok(AggregateStats { packets, bytes, n_flows })
    }

    pub(crate) fn encode(&self, version: Version, w: &mut Writer) {
        if version >= Version::V15 {
            let n_flows = Some(self.n_flows);
            let oxs = Oxs { n_flows, packets: self.packets, bytes: self.bytes, ..Oxs::default() };
            return oxs.encode(w);
        }
        w.u64(or_unknown(self.packets));
        w.u64(or_unknown(self.bytes));
        w.u32(self.n_flows);
        w.zeros(4);
    }
}

impl FlowStats {
    /// Reads one entry of a reply.
    pub(crate) fn decode(codec: &Codec, form: Form, r: &mut Reader<'_>) -> Result<Self, OfpError> {
        let mut head = *r;
        let len = usize::from(head.u16()?);
        let mut r = r.sub(len)?;
        r.skip(2)?;
        match (form, codec.version) {
            (Form::NiciraStats, _) => decode_nxm(&mut r),
            (_, Version::V10) => decode_v10(&mut r),
            (_, Version::V15) => decode_v15(&mut r),
            (_, version) => decode_v13(version, &mut r),
        }
    }

    /// Writes one entry of a reply.
    ///
    /// # Errors
    /// What the version cannot say, or a flow longer than an entry may be.
    pub(crate) fn encode(&self, codec: &Codec, form: Form, w: &mut Writer) -> Result<(), OfpError> {
        let start = w.len();
        w.u16(0);
        match (form, codec.version) {
            (Form::NiciraStats, _) => self.encode_nxm(w),
            (_, Version::V10) => self.encode_v10(w),
            (_, Version::V15) => self.encode_v15(w),
            (_, version) => self.encode_v13(version, w),
        }
        let version = codec.version;
        encode_told(version, &self.actions, tag(&self.matching), w)?;
        w.patch_len(start, start);
        if w.len() - start > usize::from(u16::MAX) { Err(OfpError::BrBadLen) } else { Ok(()) }
    }

    fn encode_v10(&self, w: &mut Writer) {
        w.u8(self.table);
        w.u8(0);
        oxm::encode_v10(w, &self.matching);
        write_duration(self.duration, w);
        w.u16(self.priority);
        w.u16(self.idle_s);
        w.u16(self.hard_s);
        w.zeros(6);
        self.encode_counts(w);
    }

    fn encode_nxm(&self, w: &mut Writer) {
        w.u8(self.table);
        w.u8(0);
        write_duration(self.duration, w);
        w.u16(self.priority);
        w.u16(self.idle_s);
        w.u16(self.hard_s);
        let at = w.len();
        w.u16(0);
        w.u16(age_to_wire(self.idle_age_s));
        w.u16(age_to_wire(self.hard_age_s));
        self.encode_counts(w);
        let start = w.len();
        oxm::encode_entries(w, &self.matching, Numbers::Nxm, Cookie::default());
        w.patch_len(at, start);
        w.pad8(start);
    }

    fn encode_v13(&self, version: Version, w: &mut Writer) {
        w.u8(self.table);
        w.u8(0);
        write_duration(self.duration, w);
        w.u16(self.priority);
        w.u16(self.idle_s);
        w.u16(self.hard_s);
        w.u16(self.flags.0);
        w.u16(if version >= Version::V14 { self.importance } else { 0 });
        w.zeros(2);
        self.encode_counts(w);
        oxm::encode_match(w, &self.matching, Numbers::Oxm(version));
    }

    fn encode_v15(&self, w: &mut Writer) {
        w.zeros(2);
        w.u8(self.table);
        w.u8(0);
        w.u16(self.priority);
        w.u16(self.idle_s);
        w.u16(self.hard_s);
        w.u16(self.flags.0);
        w.u16(self.importance);
        w.u64(self.cookie);
        oxm::encode_match(w, &self.matching, Numbers::Oxm(Version::V15));
        let idle = self.idle_age_s.map(|age| core::time::Duration::from_secs(age.into()));
        let duration = Some(self.duration);
        let (packets, bytes) = (self.packets, self.bytes);
        Oxs { duration, idle, n_flows: None, packets, bytes }.encode(w);
    }

    fn encode_counts(&self, w: &mut Writer) {
        w.u64(self.cookie);
        w.u64(or_unknown(self.packets));
        w.u64(or_unknown(self.bytes));
    }
}

/// Nicira's form counts ages from 1, so that 0 can say "unknown".
fn age_to_wire(age: Option<u32>) -> u16 {
    age.map_or(0, |age| u16::try_from(age).unwrap_or(u16::MAX).saturating_add(1))
}

fn age_from_wire(age: u16) -> Option<u32> {
    age.checked_sub(1).map(u32::from)
}

const NOTHING: FlowStats = FlowStats {
    table: 0,
    priority: 0,
    matching: FlowMatch::ANY,
    cookie: 0,
    duration: core::time::Duration::ZERO,
    idle_s: 0,
    hard_s: 0,
    importance: 0,
    flags: FlowFlags(0),
    packets: None,
    bytes: None,
    idle_age_s: None,
    hard_age_s: None,
    actions: Vec::new(),
};

fn decode_times(flow: &mut FlowStats, r: &mut Reader<'_>) -> Result<(), OfpError> {
    flow.priority = r.u16()?;
    flow.idle_s = r.u16()?;
    flow.hard_s = r.u16()?;
    Ok(())
}

fn decode_counts(flow: &mut FlowStats, r: &mut Reader<'_>) -> Result<(), OfpError> {
    flow.cookie = r.u64()?;
    flow.packets = known(r.u64()?);
    flow.bytes = known(r.u64()?);
    Ok(())
}

fn decode_v10(r: &mut Reader<'_>) -> Result<FlowStats, OfpError> {
    let mut flow = FlowStats { table: r.u8()?, ..NOTHING };
    r.skip(1)?;
    flow.matching = oxm::decode_v10(r)?;
    flow.duration = read_duration(r)?;
    decode_times(&mut flow, r)?;
    r.skip(6)?;
    decode_counts(&mut flow, r)?;
    flow.actions = decode_actions(Version::V10, r, 0)?;
    Ok(flow)
}

fn decode_nxm(r: &mut Reader<'_>) -> Result<FlowStats, OfpError> {
    let mut flow = FlowStats { table: r.u8()?, ..NOTHING };
    r.skip(1)?;
    flow.duration = read_duration(r)?;
    decode_times(&mut flow, r)?;
    let len = usize::from(r.u16()?);
    flow.idle_age_s = age_from_wire(r.u16()?);
    flow.hard_age_s = age_from_wire(r.u16()?);
    decode_counts(&mut flow, r)?;
    flow.matching = decode_nxm_match(r, len)?.0;
    flow.actions = decode_actions(Version::V10, r, 0)?;
    Ok(flow)
}

fn decode_v13(version: Version, r: &mut Reader<'_>) -> Result<FlowStats, OfpError> {
    let mut flow = FlowStats { table: r.u8()?, ..NOTHING };
    r.skip(1)?;
    flow.duration = read_duration(r)?;
    decode_times(&mut flow, r)?;
    flow.flags = FlowFlags(r.u16()? & 0x1f);
    let importance = r.u16()?;
    flow.importance = if version >= Version::V14 { importance } else { 0 };
    r.skip(2)?;
    decode_counts(&mut flow, r)?;
    flow.matching = oxm::decode_match(r)?;
    flow.actions = decode_instructions(version, r)?;
    Ok(flow)
}

fn decode_v15(r: &mut Reader<'_>) -> Result<FlowStats, OfpError> {
    r.skip(2)?;
    let mut flow = FlowStats { table: r.u8()?, ..NOTHING };
    r.skip(1)?;
    decode_times(&mut flow, r)?;
    flow.flags = FlowFlags(r.u16()? & 0x1f);
    flow.importance = r.u16()?;
    flow.cookie = r.u64()?;
    flow.matching = oxm::decode_match(r)?;
    let oxs = Oxs::decode(r)?;
    flow.duration = oxs.duration.unwrap_or_default();
    flow.idle_age_s = oxs.idle.map(|idle| u32::try_from(idle.as_secs()).unwrap_or(u32::MAX));
    (flow.packets, flow.bytes) = (oxs.packets, oxs.bytes);
    flow.actions = decode_instructions(Version::V15, r)?;
    Ok(flow)
}
