//! FLOW_MOD on the wire.

use super::{CookieMatch, FlowCommand, FlowFlags, FlowMod, GROUP_ANY, TABLE_ALL};
use crate::action::{decode_actions, decode_instructions, encode_instructions};
use crate::codec::{Codec, FlowFormat, TableIds};
use crate::error::OfpError;
use crate::kind::Form;
use crate::oxm::{self, Cookie, Numbers};
use crate::port::OfPort;
use crate::version::Version;
use crate::wire::{Reader, Writer};

/// OFPFF_EMERG of OpenFlow 1.0: a cache that nobody has.
const V10_EMERG: u16 = 1 << 2;

impl FlowMod {
    /// # Errors
    /// `OFPFMFC_*`, and what match, instructions and actions deserve.
    pub(crate) fn decode(codec: &Codec, form: Form, r: &mut Reader<'_>) -> Result<Self, OfpError> {
        match (form, codec.version) {
            (Form::Nicira, _) => decode_nxm(codec, r),
            (_, Version::V10) => decode_v10(codec, r),
            _ => decode_v11(codec.version, r),
        }
    }

    /// The form in which it is sent: in OpenFlow 1.0, Nicira's if the other cannot say it.
    pub(crate) fn form(&self, codec: &Codec) -> Form {
        let nicira = codec.version == Version::V10
            && (codec.flow_format == FlowFormat::Nxm
                || !oxm::fits_v10(&self.matching)
                || self.cookie_match.mask != 0);
        if nicira { Form::Nicira } else { Form::Standard }
    }

    /// # Errors
    /// What the version cannot say.
    pub(crate) fn encode(&self, codec: &Codec, form: Form, w: &mut Writer) -> Result<(), OfpError> {
        match (form, codec.version) {
            (Form::Nicira, _) => self.encode_nxm(codec, w),
            (_, Version::V10) => self.encode_v10(codec, w),
            (_, version) => self.encode_v11(version, w),
        }
    }

    /// Command and table of OpenFlow 1.0 share 16 bits if the peer asked for tables.
    fn v10_command(&self, codec: &Codec) -> u16 {
        let table = match codec.table_ids {
            TableIds::On => self.table,
            TableIds::Off => 0,
        };
        u16::from(table) << 8 | self.command as u16
    }

    fn encode_v10(&self, codec: &Codec, w: &mut Writer) -> Result<(), OfpError> {
        oxm::encode_v10(w, &self.matching);
        w.u64(self.cookie);
        w.u16(self.v10_command(codec));
        self.encode_times(w);
        w.u32(self.buffer_id);
        w.u16(self.out_port.0);
        w.u16(self.flags.0 & 3);
        self.encode_actions(codec.version, w)
    }

    fn encode_nxm(&self, codec: &Codec, w: &mut Writer) -> Result<(), OfpError> {
        w.u64(self.cookie);
        w.u16(self.v10_command(codec));
        self.encode_times(w);
        w.u32(self.buffer_id);
        w.u16(self.out_port.0);
        w.u16(self.flags.0 & 3);
        let at = w.len();
        w.zeros(8);
        let start = w.len();
        let CookieMatch { value, mask } = self.cookie_match;
        oxm::encode_entries(w, &self.matching, Numbers::Nxm, Cookie { value, mask });
        w.patch_len(at, start);
        w.pad8(start);
        self.encode_actions(codec.version, w)
    }

    fn encode_v11(&self, version: Version, w: &mut Writer) -> Result<(), OfpError> {
        let adds = self.command == FlowCommand::Add;
        w.u64(if adds { self.cookie } else { self.cookie_match.value });
        w.u64(if adds { 0 } else { self.cookie_match.mask });
        w.u8(self.table);
        w.u8(self.command as u8);
        self.encode_times(w);
        w.u32(self.buffer_id);
        w.u32(self.out_port.to_wide());
        w.u32(self.out_group);
        w.u16(self.flags.0);
        w.u16(if version >= Version::V14 { self.importance } else { 0 });
        oxm::encode_match(w, &self.matching, Numbers::Oxm(version));
        self.encode_actions(version, w)
    }

    fn encode_times(&self, w: &mut Writer) {
        w.u16(self.idle_s);
        w.u16(self.hard_s);
        w.u16(self.priority);
    }

    fn encode_actions(&self, version: Version, w: &mut Writer) -> Result<(), OfpError> {
        encode_instructions(version, &self.actions, super::stats::tag(&self.matching), w)
    }
}

/// Command, and the table that stands above it if the peer asked for tables.
fn split_command(codec: &Codec, word: u16) -> Result<(FlowCommand, u8), OfpError> {
    let [high, low] = word.to_be_bytes();
    match codec.table_ids {
        TableIds::On => Ok((FlowCommand::from_number(low)?, high)),
        TableIds::Off if high != 0 => Err(OfpError::FmfBadCommand),
        TableIds::Off => Ok((FlowCommand::from_number(low)?, TABLE_ALL)),
    }
}

/// OpenFlow 1.0 and Nicira's form have the rest in common: counters begin anew with each change.
fn v10_flags(bits: u16) -> Result<FlowFlags, OfpError> {
    match bits {
        _ if bits & V10_EMERG != 0 => Err(OfpError::FmfTableFull),
        0..=3 => Ok(FlowFlags(bits)),
        _ => Err(OfpError::FmfBadFlags),
    }
}

fn decode_v10(codec: &Codec, r: &mut Reader<'_>) -> Result<FlowMod, OfpError> {
    let matching = oxm::decode_v10(r)?;
    let cookie = r.u64()?;
    let mut flow = decode_middle(codec, r)?;
    flow.matching = matching;
    flow.cookie = cookie;
    flow.actions = decode_actions(codec.version, r, 0)?;
    Ok(flow)
}

fn decode_nxm(codec: &Codec, r: &mut Reader<'_>) -> Result<FlowMod, OfpError> {
    let cookie = r.u64()?;
    let mut flow = decode_middle(codec, r)?;
    flow.cookie = cookie;
    let match_len = usize::from(r.u16()?);
    r.skip(6)?;
    let (matching, cookie_match) = super::stats::decode_nxm_match(r, match_len)?;
    if flow.command == FlowCommand::Add && cookie_match.mask != 0 {
        return Err(OfpError::NxbrNxmInvalid);
    }
    flow.matching = matching;
    flow.cookie_match = cookie_match;
    flow.actions = decode_actions(codec.version, r, 0)?;
    Ok(flow)
}

fn decode_middle(codec: &Codec, r: &mut Reader<'_>) -> Result<FlowMod, OfpError> {
    let (command, table) = split_command(codec, r.u16()?)?;
    let (idle_s, hard_s, priority) = (r.u16()?, r.u16()?, r.u16()?);
    let (buffer_id, out_port) = (r.u32()?, OfPort(r.u16()?));
    let flags = v10_flags(r.u16()?)?;
    let flow =
        FlowMod { table, idle_s, hard_s, priority, buffer_id, flags, ..FlowMod::new(command) };
    Ok(FlowMod { out_port: if command.is_delete() { out_port } else { OfPort::NONE }, ..flow })
}

fn decode_v11(version: Version, r: &mut Reader<'_>) -> Result<FlowMod, OfpError> {
    let (cookie, cookie_mask, table) = (r.u64()?, r.u64()?, r.u8()?);
    let command = FlowCommand::from_number(r.u8()?)?;
    let (idle_s, hard_s, priority) = (r.u16()?, r.u16()?, r.u16()?);
    let (buffer_id, out_port, out_group) = (r.u32()?, r.u32()?, r.u32()?);
    let flags = FlowFlags(r.u16()?);
    let importance = r.u16()?;
    let matching = oxm::decode_match(r)?;
    let actions = decode_instructions(version, r)?;
    if command == FlowCommand::Add && table == TABLE_ALL {
        return Err(OfpError::FmfBadTableId);
    }
    if flags.0 & !0x1f != 0 {
        return Err(OfpError::FmfBadFlags);
    }
    let mut flow = FlowMod { table, priority, matching, idle_s, hard_s, ..FlowMod::new(command) };
    if command == FlowCommand::Add {
        flow.cookie = cookie;
        flow.importance = if version >= Version::V14 { importance } else { 0 };
    } else {
        flow.cookie_match = CookieMatch { value: cookie, mask: cookie_mask };
    }
    if command.is_delete() {
        // Elsewhere the two have no meaning, and senders leave anything there.
        flow.out_port = OfPort::from_wide(out_port)?;
        flow.out_group = if out_group == 0 { GROUP_ANY } else { out_group };
    }
    Ok(FlowMod { buffer_id, flags, actions, ..flow })
}
