//! `controller(pause)`: the packet waits until its controller says how it goes on.
//!
//! # Design
//! The walk is frozen, as before a recirculation, but what remains of it goes along with the packet: the
//! switch keeps nothing, and a packet that never comes back costs nothing. When the controller gives it
//! back (NXT_RESUME), perhaps with other headers and registers, the walk goes on with those.
//!
//! Only actions can be written, no instructions, so these take another form: `goto_table` becomes a
//! `resubmit`, `write_metadata` sets the field, and `write_actions` is done at once. The last is seen
//! only where flows that the rest still passes write to the action set, too.
//!
//! # References
//! ovs-actions(7), `controller`; `nicira-ext.h`, NXT_RESUME; `freeze_unroll_actions` of Open vSwitch.

use openflow::action::SetField;
use openflow::continuation::{Continuation, Rest};
use openflow::{OfAction, OfPort};
use packet::flow::FieldId;
use packet::{FlowKey, FlowMatch};

use super::freeze::{Frozen, Pending};
use super::state::Stacked;

/// Most bytes of what is on the stack at once, as a number.
const N_BYTES: usize = size_of::<u128>();

impl Frozen {
    /// What goes along with the packet; `bridge` names the bridge.
    #[must_use]
    pub fn continuation(&self, bridge: [u8; 16]) -> Continuation {
        let mut action_set = self.action_set.clone();
        let mut rest = Vec::new();
        for pending in &self.pending {
            let actions = without_instructions(&pending.actions, &mut action_set);
            rest.push(Rest { table: pending.table, cookie: pending.cookie, actions });
        }
        rest.retain(|rest| !rest.actions.is_empty());
        let stack = self.stack.iter().rev().map(|item| {
            let n_bytes = usize::from(item.n_bits.div_ceil(8)).min(N_BYTES);
            item.value.to_be_bytes()[N_BYTES - n_bytes..].to_vec()
        });
        let (stack, mirrors) = (stack.collect(), self.mirrored);
        Continuation { bridge, stack, mirrors, rest, action_set, ..Continuation::default() }
    }

    /// The walk that goes on with what a controller has given back.
    #[must_use]
    pub fn resumed(metadata: &FlowMatch, continuation: &Continuation) -> Frozen {
        let mut key = FlowKey::EMPTY;
        key.overwrite(metadata.key(), metadata.mask());
        let in_port = u16::try_from(key.get(FieldId::InPort)).map_or(OfPort::NONE, OfPort);
        let stacked = |bytes: &Vec<u8>| Stacked {
            value: bytes.iter().fold(0, |value, byte| value << 8 | u128::from(*byte)),
            n_bits: u16::try_from(bytes.len().min(N_BYTES) * 8).unwrap_or(0),
        };
        let pending = continuation.rest.iter().map(|rest| Pending {
            table: rest.table,
            cookie: rest.cookie,
            actions: rest.actions.clone(),
            flow: None,
        });
        Frozen {
            in_port,
            metadata: key,
            stack: continuation.stack.iter().rev().map(stacked).collect(),
            action_set: continuation.action_set.clone(),
            pending: pending.collect(),
            mirrored: continuation.mirrors,
        }
    }
}

fn without_instructions(actions: &[OfAction], set: &mut Vec<OfAction>) -> Vec<OfAction> {
    let mut list = Vec::new();
    for action in actions {
        match action {
            OfAction::WriteActions(actions) => set.extend_from_slice(actions),
            OfAction::ClearActions => set.clear(),
            OfAction::WriteMetadata { value, mask } => {
                let (value, mask) = ((*value).into(), (*mask).into());
                list.push(OfAction::SetField(SetField { field: FieldId::Metadata, value, mask }));
            }
            OfAction::GotoTable(table) => list.push(OfAction::Resubmit {
                in_port: OfPort::IN_PORT,
                table: Some(*table),
                original: false,
            }),
            action => list.push(action.clone()),
        }
    }
    list
}
