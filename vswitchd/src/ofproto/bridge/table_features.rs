//! What tables can do: OFPMP_TABLE_FEATURES, and the statistics of tables.
//!
//! # Design
//! All tables can do the same, except that the last one has no next. A request that changes features
//! changes names, as in Open vSwitch: what else a table can do stays as it is.
//!
//! # References
//! OpenFlow 1.3.5 §7.3.5.5; `ofproto/ofproto.c`, `query_tables`, for the answers.

use openflow::OfpError;
use openflow::table::{TableFeatures, TableProperty, TableStats};
use packet::flow::FieldId;
use packet::flow::field::{Access, Maskable};

use super::Ofproto;
use super::evict::MAX_FLOWS;
use crate::ofproto::tables::N_TABLES;

/// Instructions: `goto_table`, and all the others.
const GOTO_TABLE: u16 = 1;
const INSTRUCTIONS: [u16; 5] = [2, 3, 4, 5, 6];
/// Actions of OpenFlow 1.3 that flows may have: output, TTL, VLAN and MPLS, queue, group, `set_field`.
const ACTIONS: [u16; 12] = [0, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25];

/// `ofp_table_feature_prop_type`; each but the first two of matches has a twin for table-miss flows.
mod prop {
    pub(super) const INSTRUCTIONS: u16 = 0;
    pub(super) const NEXT_TABLES: u16 = 2;
    pub(super) const WRITE_ACTIONS: u16 = 4;
    pub(super) const APPLY_ACTIONS: u16 = 6;
    pub(super) const MATCH: u16 = 8;
    pub(super) const WILDCARDS: u16 = 10;
    pub(super) const WRITE_SETFIELD: u16 = 12;
    pub(super) const APPLY_SETFIELD: u16 = 14;
}

/// The actions, one bit each, as OFPMP_GROUP_FEATURES lists them.
pub(super) fn action_bits() -> u32 {
    ACTIONS.iter().fold(0, |bits, action| bits | 1 << action)
}

fn features(table: u8, fields: &[(u16, TableProperty)]) -> TableFeatures {
    let next: Vec<u8> = (table + 1..N_TABLES).collect();
    let goto = (!next.is_empty()).then_some(GOTO_TABLE);
    let instructions: Vec<u16> = goto.into_iter().chain(INSTRUCTIONS).collect();
    let mut properties = Vec::new();
    for miss in [0, 1] {
        let numbers = TableProperty::Numbers(instructions.clone());
        properties.push((prop::INSTRUCTIONS + miss, numbers));
        properties.push((prop::NEXT_TABLES + miss, TableProperty::Tables(next.clone())));
        for kind in [prop::WRITE_ACTIONS, prop::APPLY_ACTIONS] {
            properties.push((kind + miss, TableProperty::Numbers(ACTIONS.to_vec())));
        }
    }
    properties.extend_from_slice(fields);
    TableFeatures {
        table,
        command: 0,
        features: 0,
        name: String::new(),
        metadata_match: u64::MAX,
        metadata_write: u64::MAX,
        capabilities: 0,
        max_entries: max_entries(),
        properties,
    }
}

/// OFPTFC_ENABLE and OFPTFC_DISABLE of OpenFlow 1.5.
const ENABLE_OR_DISABLE: [u8; 2] = [2, 3];

fn max_entries() -> u32 {
    u32::try_from(MAX_FLOWS).unwrap_or(u32::MAX)
}

fn properties_of_fields() -> Vec<(u16, TableProperty)> {
    let is_masked = |field: FieldId| matches!(field.info().maskable, Maskable::Bitwise);
    let all = || FieldId::all();
    let writable: Vec<_> = all()
        .filter(|field| matches!(field.info().access, Access::ReadWrite))
        .map(|field| (field, false))
        .collect();
    let mut properties: Vec<_> = [prop::WRITE_SETFIELD, prop::APPLY_SETFIELD]
        .into_iter()
        .flat_map(|kind| [kind, kind + 1])
        .map(|kind| (kind, TableProperty::Fields(writable.clone())))
        .collect();
    let matched = all().map(|field| (field, is_masked(field))).collect();
    let wildcards = all().map(|field| (field, false)).collect();
    properties.push((prop::MATCH, TableProperty::Fields(matched)));
    properties.push((prop::WILDCARDS, TableProperty::Fields(wildcards)));
    properties
}

impl Ofproto {
    /// OFPMP_TABLE_FEATURES.
    pub(super) fn table_features(&self) -> Vec<TableFeatures> {
        let fields = properties_of_fields();
        let named = |table| {
            let name = self.name_of(table);
            TableFeatures { name, ..features(table, &fields) }
        };
        (0..N_TABLES).map(named).collect()
    }

    fn name_of(&self, table: u8) -> String {
        let configured = self.settings.get(&table).and_then(|settings| settings.name.as_ref());
        configured.or_else(|| self.names.get(&table)).cloned().unwrap_or_default()
    }

    /// Names tables as a request with features says; an empty name is none.
    ///
    /// # Errors
    /// `OFPTFFC_*`; then no name has changed.
    pub fn name_tables(&mut self, changes: &[TableFeatures]) -> Result<(), OfpError> {
        let mut names = self.names.clone();
        for change in changes {
            if change.table >= N_TABLES {
                return Err(OfpError::TffBadTable);
            }
            if ENABLE_OR_DISABLE.contains(&change.command) {
                return Err(OfpError::TffBadCommand);
            }
            // What another may have named is only repeated.
            if change.name == self.name_of(change.table) {
                continue;
            }
            match change.name.as_str() {
                "" => names.remove(&change.table),
                name => names.insert(change.table, name.to_owned()),
            };
        }
        self.names = names;
        Ok(())
    }

    /// OFPMP_TABLE.
    pub(super) fn table_stats(&self) -> Vec<TableStats> {
        /// OFPFW_ALL of OpenFlow 1.0.
        const WILDCARDS_ALL: u32 = (1 << 22) - 1;
        let tables = self.store.tables().iter().filter(|(number, _)| *number < N_TABLES);
        let stats = tables.map(|(number, table)| {
            let limit = self.config(number).max_flows.and_then(|max| u32::try_from(max).ok());
            TableStats {
                table: number,
                name: self.name_of(number),
                wildcards: WILDCARDS_ALL,
                max_entries: limit.unwrap_or(max_entries()),
                active: u32::try_from(self.store.n_flows(number)).unwrap_or(u32::MAX),
                lookups: table.lookups(),
                matched: table.matched(),
            }
        });
        stats.collect()
    }
}
