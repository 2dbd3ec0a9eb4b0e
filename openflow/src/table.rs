//! Tables: what they count, what they can do, and what they are told to do.
//!
//! # References
//! OpenFlow 1.0.2 §5.3.5; 1.3.5 §7.3.3, §7.3.5.4–7.3.5.5; 1.4.1 §7.3.4.1, §7.3.5.16.

use packet::flow::FieldId;

use crate::error::OfpError;
use crate::oxm::{self, Mask, Numbers};
use crate::prop;
use crate::version::Version;
use crate::wire::{Reader, Writer};

/// OFP_MAX_TABLE_NAME_LEN.
const NAME_LEN: usize = 32;

/// What a table counted: OFPMP_TABLE reply.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct TableStats {
    /// Its number.
    pub table: u8,
    /// Its name; OpenFlow 1.0 only.
    pub name: String,
    /// Fields that may be wildcards, as in the match of 1.0; OpenFlow 1.0 only.
    pub wildcards: u32,
    /// Flows at most; OpenFlow 1.0 only.
    pub max_entries: u32,
    /// Flows.
    pub active: u32,
    /// Packets that were looked up.
    pub lookups: u64,
    /// Packets that a flow matched.
    pub matched: u64,
}

impl TableStats {
    pub(crate) fn decode(version: Version, r: &mut Reader<'_>) -> Result<TableStats, OfpError> {
        let mut stats = TableStats { table: r.u8()?, ..TableStats::default() };
        r.skip(3)?;
        if version == Version::V10 {
            stats.name = r.name::<NAME_LEN>()?;
            stats.wildcards = r.u32()?;
            stats.max_entries = r.u32()?;
        }
        stats.active = r.u32()?;
        stats.lookups = r.u64()?;
        stats.matched = r.u64()?;
        Ok(stats)
    }

    pub(crate) fn encode(&self, version: Version, w: &mut Writer) {
        w.u8(self.table);
        w.zeros(3);
        if version == Version::V10 {
            w.name(&self.name, NAME_LEN);
            w.u32(self.wildcards);
            w.u32(self.max_entries);
        }
        w.u32(self.active);
        w.u64(self.lookups);
        w.u64(self.matched);
    }
}

/// TABLE_MOD: how a full table makes place, and of what it tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TableMod {
    /// The table; [`crate::flow::TABLE_ALL`].
    pub table: u8,
    /// `ofp_table_config`: bits 0 and 1 say what OpenFlow 1.1 and 1.2 do with what matches nothing,
    /// bit 2 lets a full table evict, bit 3 asks for vacancy events.
    pub config: u32,
    /// What eviction goes by (`ofp_table_mod_prop_eviction_flag`); since OpenFlow 1.4.
    pub eviction: Option<u32>,
    /// Thresholds of vacancy events in percent, and the vacancy now.
    pub vacancy: Option<(u8, u8, u8)>,
}

const PROP_EVICTION: u16 = 2;
const PROP_VACANCY: u16 = 3;

impl TableMod {
    pub(crate) fn decode(version: Version, r: &mut Reader<'_>) -> Result<TableMod, OfpError> {
        let table = r.u8()?;
        r.skip(3)?;
        let mut table_mod = TableMod { table, config: r.u32()?, eviction: None, vacancy: None };
        let known = if version >= Version::V14 { 0xc } else { 3 };
        if table_mod.config & !known != 0 {
            return Err(OfpError::TmfBadConfig);
        }
        if version >= Version::V14 {
            table_mod.decode_properties(r)?;
        }
        Ok(table_mod)
    }

    fn decode_properties(&mut self, r: &mut Reader<'_>) -> Result<(), OfpError> {
        prop::each(r, |id, body| {
            match id {
                prop::Id::Standard(PROP_EVICTION) => self.eviction = Some(body.u32()?),
                prop::Id::Standard(PROP_VACANCY) => {
                    let thresholds = (body.u8()?, body.u8()?, body.u8()?);
                    body.skip(1)?;
                    if thresholds.0 > thresholds.1 || thresholds.1 > 100 {
                        return Err(OfpError::BpBadValue);
                    }
                    self.vacancy = Some(thresholds);
                }
                id => return Err(id.unknown()),
            }
            Ok(())
        })
    }

    pub(crate) fn encode(&self, version: Version, w: &mut Writer) {
        w.u8(self.table);
        w.zeros(3);
        w.u32(self.config);
        if version >= Version::V14 {
            self.encode_properties(w);
        }
    }

    fn encode_properties(&self, w: &mut Writer) {
        if let Some(eviction) = self.eviction {
            let at = prop::begin(w, PROP_EVICTION);
            w.u32(eviction);
            prop::end(w, at);
        }
        if let Some((down, up, now)) = self.vacancy {
            let at = prop::begin(w, PROP_VACANCY);
            w.bytes(&[down, up, now, 0]);
            prop::end(w, at);
        }
    }

    /// One entry of an OFPMP_TABLE_DESC reply: the same, behind a length.
    pub(crate) fn decode_desc(r: &mut Reader<'_>) -> Result<TableMod, OfpError> {
        let len = usize::from(r.u16()?);
        let mut r = r.sub(len.checked_sub(2).ok_or(OfpError::BrBadLen)?)?;
        let table = r.u8()?;
        r.skip(1)?;
        let mut desc = TableMod { table, config: r.u32()?, eviction: None, vacancy: None };
        desc.decode_properties(&mut r)?;
        Ok(desc)
    }

    pub(crate) fn encode_desc(&self, w: &mut Writer) {
        let start = w.len();
        w.u16(0);
        w.u8(self.table);
        w.u8(0);
        w.u32(self.config);
        self.encode_properties(w);
        w.patch_len(start, start);
    }
}

/// TABLE_STATUS: a table has become full, or has place again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TableStatus {
    /// 3: less vacant than the lower threshold; 4: more than the upper one.
    pub reason: u8,
    /// The table, as OFPMP_TABLE_DESC describes it.
    pub desc: TableMod,
}

impl TableStatus {
    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<TableStatus, OfpError> {
        let reason = r.u8()?;
        r.skip(7)?;
        if !matches!(reason, 3 | 4) {
            return Err(OfpError::NxbrBadReason);
        }
        Ok(TableStatus { reason, desc: TableMod::decode_desc(r)? })
    }

    pub(crate) fn encode(&self, w: &mut Writer) {
        w.u8(self.reason);
        w.zeros(7);
        self.desc.encode_desc(w);
    }
}

/// What a property of a table's features lists (OpenFlow 1.3.5 §7.3.5.5.2).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TableProperty {
    /// Numbers of instructions or of actions.
    Numbers(Vec<u16>),
    /// Tables that one can go on to.
    Tables(Vec<u8>),
    /// Fields, and whether they may be masked.
    Fields(Vec<(FieldId, bool)>),
}

/// What a table can do: an entry of OFPMP_TABLE_FEATURES.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TableFeatures {
    /// Its number.
    pub table: u8,
    /// OpenFlow 1.5: what to do with a request's entry.
    pub command: u8,
    /// OpenFlow 1.5: `ofp_table_feature_flag`.
    pub features: u32,
    /// Its name.
    pub name: String,
    /// Bits of the metadata that it can match.
    pub metadata_match: u64,
    /// Bits of the metadata that it can write.
    pub metadata_write: u64,
    /// `ofp_table_config` that it supports.
    pub capabilities: u32,
    /// Flows at most.
    pub max_entries: u32,
    /// What it can do, by `ofp_table_feature_prop_type`.
    pub properties: Vec<(u16, TableProperty)>,
}

/// Properties 0 and 1 list instructions.
const INSTRUCTIONS_MISS: u16 = 1;
const INSTRUCTION_METER: u16 = 6;
const NEXT_TABLES: [u16; 2] = [2, 3];
const FIRST_OF_FIELDS: u16 = 8;
const LAST: u16 = 15;

impl TableFeatures {
    pub(crate) fn decode(version: Version, r: &mut Reader<'_>) -> Result<TableFeatures, OfpError> {
        let len = usize::from(r.u16()?);
        let mut r = r.sub(len.checked_sub(2).ok_or(OfpError::BpBadLen)?)?;
        let (table, command) = (r.u8()?, r.u8()?);
        let features = r.u32()?;
        let v15 = version >= Version::V15;
        let mut found = TableFeatures {
            table,
            command: if v15 { command } else { 0 },
            features: if v15 { features } else { 0 },
            name: r.name::<NAME_LEN>()?,
            metadata_match: r.u64()?,
            metadata_write: r.u64()?,
            capabilities: r.u32()?,
            max_entries: r.u32()?,
            properties: Vec::new(),
        };
        while !r.is_empty() {
            let (id, mut body) = prop::next(&mut r)?;
            let prop::Id::Standard(kind) = id else { return Err(id.unknown()) };
            found.properties.push((kind, decode_property(kind, &mut body)?));
        }
        Ok(found)
    }

    pub(crate) fn encode(&self, version: Version, w: &mut Writer) {
        let start = w.len();
        let v15 = version >= Version::V15;
        w.u16(0);
        w.u8(self.table);
        w.u8(if v15 { self.command } else { 0 });
        w.u32(if v15 { self.features } else { 0 });
        w.name(&self.name, NAME_LEN);
        w.u64(self.metadata_match);
        w.u64(self.metadata_write);
        w.u32(self.capabilities);
        w.u32(self.max_entries);
        for (kind, property) in &self.properties {
            let at = prop::begin(w, *kind);
            encode_property(version, (*kind, property), w);
            prop::end(w, at);
        }
        w.patch_len(start, start);
    }
}

fn decode_property(kind: u16, body: &mut Reader<'_>) -> Result<TableProperty, OfpError> {
    if NEXT_TABLES.contains(&kind) {
        return Ok(TableProperty::Tables(body.rest().to_vec()));
    }
    if kind > LAST {
        return Err(OfpError::BpBadType);
    }
    if kind >= FIRST_OF_FIELDS {
        let mut fields = Vec::new();
        while !body.is_empty() {
            let header = oxm::read_header(body)?;
            // A peer may know fields that we do not; they are none of ours.
            if let Some(field) = header.field() {
                fields.push((field, header.masked));
            }
        }
        return Ok(TableProperty::Fields(fields));
    }
    let mut numbers = Vec::new();
    while !body.is_empty() {
        let (number, len) = (body.u16()?, usize::from(body.u16()?));
        body.skip(len.checked_sub(4).ok_or(OfpError::BpBadLen)?)?;
        numbers.push(number);
    }
    Ok(TableProperty::Numbers(numbers))
}

fn encode_property(version: Version, (kind, property): (u16, &TableProperty), w: &mut Writer) {
    // Since OpenFlow 1.5, a meter is an action.
    let is_there = |number: &&u16| {
        version < Version::V15 || kind > INSTRUCTIONS_MISS || **number != INSTRUCTION_METER
    };
    match property {
        TableProperty::Tables(tables) => w.bytes(tables),
        TableProperty::Numbers(numbers) => {
            for number in numbers.iter().filter(is_there) {
                w.u16(*number);
                w.u16(4);
            }
        }
        TableProperty::Fields(fields) => {
            for (field, masked) in fields {
                let mask = if *masked { Mask::Follows } else { Mask::None };
                oxm::write_header(w, *field, Numbers::Oxm(version), mask);
            }
        }
    }
}
