//! Nicira's small messages: what a controller says about its connection, and tunnel options.
//!
//! # References
//! `nicira-ext.h`.

use crate::error::OfpError;
use crate::wire::{Reader, Writer};

/// NXT_SET_PACKET_IN_FORMAT: in which form packets come (`ofputil_packet_in_format`).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[repr(u32)]
pub enum PacketInFormat {
    /// That of the version.
    #[default]
    Standard = 0,
    /// NXT_PACKET_IN.
    Nxt = 1,
    /// NXT_PACKET_IN2.
    Nxt2 = 2,
}

impl PacketInFormat {
    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<PacketInFormat, OfpError> {
        match r.u32()? {
            0 => Ok(PacketInFormat::Standard),
            1 => Ok(PacketInFormat::Nxt),
            2 => Ok(PacketInFormat::Nxt2),
            _ => Err(OfpError::BrEperm),
        }
    }
}

/// What NXT_TLV_TABLE_MOD does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u16)]
pub enum TlvCommand {
    /// Adds.
    Add = 0,
    /// Deletes.
    Delete = 1,
    /// Deletes all.
    Clear = 2,
}

/// A tunnel option and the field that stands for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TlvMap {
    /// Class of a Geneve option.
    pub class: u16,
    /// Its type.
    pub kind: u8,
    /// Bytes of its value: a multiple of 4, up to 124.
    pub len: u8,
    /// `tun_metadataN`.
    pub index: u16,
}

/// NXT_TLV_TABLE_MOD.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlvTableMod {
    /// What to do.
    pub command: TlvCommand,
    /// With what.
    pub maps: Vec<TlvMap>,
}

/// NXT_TLV_TABLE_REPLY.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlvTable {
    /// Bytes of options that a packet may have.
    pub max_space: u32,
    /// Fields that there are.
    pub max_fields: u16,
    /// What stands for what.
    pub maps: Vec<TlvMap>,
}

/// Fields `tun_metadata0` to `tun_metadata63`.
const N_FIELDS: u16 = 64;
/// TLV_MAX_OPT_SIZE.
const MAX_LEN: u8 = 124;

fn decode_maps(r: &mut Reader<'_>) -> Result<Vec<TlvMap>, OfpError> {
    let mut maps = Vec::new();
    while !r.is_empty() {
        let map = TlvMap { class: r.u16()?, kind: r.u8()?, len: r.u8()?, index: r.u16()? };
        r.skip(2)?;
        if map.index >= N_FIELDS {
            return Err(OfpError::NxttmfBadFieldIdx);
        }
        if map.len > MAX_LEN || !map.len.is_multiple_of(4) {
            return Err(OfpError::NxttmfBadOptLen);
        }
        maps.push(map);
    }
    Ok(maps)
}

fn encode_maps(maps: &[TlvMap], w: &mut Writer) {
    for map in maps {
        w.u16(map.class);
        w.u8(map.kind);
        w.u8(map.len);
        w.u16(map.index);
        w.zeros(2);
    }
}

impl TlvTableMod {
    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<TlvTableMod, OfpError> {
        let command = match r.u16()? {
            0 => TlvCommand::Add,
            1 => TlvCommand::Delete,
            2 => TlvCommand::Clear,
            _ => return Err(OfpError::NxttmfBadCommand),
        };
        r.skip(6)?;
        Ok(TlvTableMod { command, maps: decode_maps(r)? })
    }

    pub(crate) fn encode(&self, w: &mut Writer) {
        w.u16(self.command as u16);
        w.zeros(6);
        encode_maps(&self.maps, w);
    }
}

impl TlvTable {
    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<TlvTable, OfpError> {
        let (max_space, max_fields) = (r.u32()?, r.u16()?);
        r.skip(10)?;
        Ok(TlvTable { max_space, max_fields, maps: decode_maps(r)? })
    }

    pub(crate) fn encode(&self, w: &mut Writer) {
        w.u32(self.max_space);
        w.u16(self.max_fields);
        w.zeros(10);
        encode_maps(&self.maps, w);
    }
}
