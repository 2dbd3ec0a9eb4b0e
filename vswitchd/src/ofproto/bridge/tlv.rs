//! NXT_TLV_TABLE_MOD: which options of tunnel headers are fields.
//!
//! # Design
//! An option that a flow or a group names stays what it is, so what has been translated needs no second
//! look at it; what is sent does, for every option that is there is sent on. Whatever a message asks for
//! is done to a copy of the table, so that what is refused changes nothing.
//!
//! # References
//! `tun_metadata_table_mod` in `lib/tun-metadata.c`, `mf_vl_mff_map_mod` in `lib/meta-flow.c` of Open
//! vSwitch.

use std::sync::Arc;

use openflow::nicira::{TlvCommand, TlvMap, TlvTable, TlvTableMod};
use openflow::{OfpError, options};
use packet::flow::OptionTable;
use packet::flow::field::N_OPTIONS;
use packet::flow::place::TUN_OPTIONS_LEN;
use packet::flow::tunnel::SlotError;

use super::Ofproto;

impl Ofproto {
    /// Which options of tunnel headers are fields.
    #[must_use]
    pub fn options(&self) -> &Arc<OptionTable> {
        self.store.options()
    }

    /// Whether they have changed since this was last asked.
    pub fn take_new_options(&mut self) -> bool {
        std::mem::take(&mut self.has_new_options)
    }

    /// Does what a NXT_TLV_TABLE_MOD says, or nothing.
    ///
    /// # Errors
    /// What the message deserves.
    pub fn tlv_table_mod(&mut self, change: &TlvTableMod) -> Result<(), OfpError> {
        let mut table = OptionTable::clone(self.options());
        match change.command {
            TlvCommand::Add => {
                for map in &change.maps {
                    let added =
                        table.insert(map.index.into(), (map.class, map.kind), map.len.into());
                    added.map_err(deserved)?;
                }
            }
            TlvCommand::Delete => {
                for map in &change.maps {
                    self.let_go(map.index.into())?;
                    table.remove(map.index.into());
                }
            }
            TlvCommand::Clear => {
                for index in 0..N_OPTIONS {
                    self.let_go(index)?;
                }
                table = OptionTable::EMPTY;
            }
        }
        if table != **self.options() {
            self.store.set_options(table);
            (self.has_new_options, self.is_dirty) = (true, true);
        }
        Ok(())
    }

    /// Refuses to take away what is used.
    fn let_go(&self, index: usize) -> Result<(), OfpError> {
        if self.options().slot(index).is_none() {
            return Ok(());
        }
        let in_flow =
            self.store.all().into_iter().filter_map(|id| self.store.flow(id)).any(|flow| {
                flow.matching.option(index).is_some() || options::names(&flow.rule.actions, index)
            });
        let mut buckets = self.groups.values().flat_map(|group| &group.desc.buckets);
        if in_flow || buckets.any(|bucket| options::names(&bucket.actions, index)) {
            return Err(OfpError::NxttmfInvalidTlvDel);
        }
        Ok(())
    }

    /// The answer to NXT_TLV_TABLE_REQUEST.
    #[must_use]
    pub fn tlv_table(&self) -> TlvTable {
        let map = |((class, kind), slot): ((u16, u8), &packet::flow::OptionSlot)| TlvMap {
            class,
            kind,
            len: u8::try_from(slot.len()).unwrap_or(0),
            index: u16::try_from(slot.index()).unwrap_or(0),
        };
        TlvTable {
            max_space: u32::try_from(TUN_OPTIONS_LEN).unwrap_or(0),
            max_fields: u16::try_from(N_OPTIONS).unwrap_or(0),
            maps: self.options().iter().map(map).collect(),
        }
    }
}

fn deserved(error: SlotError) -> OfpError {
    match error {
        SlotError::NoOption(_) => OfpError::NxttmfBadFieldIdx,
        SlotError::Taken(_) => OfpError::NxttmfAlreadyMapped,
        SlotError::Twice(_) => OfpError::NxttmfDupEntry,
        SlotError::BadLength(_) => OfpError::NxttmfBadOptLen,
        SlotError::Full(_) => OfpError::NxttmfTableFull,
    }
}
