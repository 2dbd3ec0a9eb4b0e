//! `dump-flows --sort=FIELD`: the order of flows.
//!
//! # Design
//! As in `ovs-ofctl`: without a field, by priority. A flow that does not say the field comes last,
//! whichever the direction. Several keys count one after the other; of what is equal in all of them, the
//! higher priority comes first, and then the switch's order is kept.

use std::cmp::Ordering;

use openflow::flow::FlowStats;
use packet::flow::FieldId;

use crate::error::Error;

/// By what flows are sorted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SortKey {
    /// `None` is the priority.
    field: Option<FieldId>,
    is_descending: bool,
}

impl SortKey {
    /// The key of `--sort=FIELD` or `--rsort=FIELD`.
    ///
    /// # Errors
    /// [`Error::Usage`] for a field that there is none.
    pub fn parse(option: &str, field: &str) -> Result<SortKey, Error> {
        let is_descending = option == "rsort";
        let field = match field {
            "" | "priority" => None,
            name => Some(FieldId::by_name(name).ok_or_else(|| {
                let allowed = "allowed: priority, or a field of ovs-fields(7)";
                Error::Usage(format!("--{option}: {name:?} is no field ({allowed})"))
            })?),
        };
        Ok(SortKey { field, is_descending })
    }

    fn compare(self, a: &FlowStats, b: &FlowStats) -> Ordering {
        let Some(field) = self.field else {
            return self.turn(a.priority.cmp(&b.priority));
        };
        let has = |flow: &FlowStats| flow.matching.mask().get(field) != 0;
        let value = |flow: &FlowStats| flow.matching.key().get(field);
        match (has(a), has(b)) {
            (true, true) => self.turn(value(a).cmp(&value(b))),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => Ordering::Equal,
        }
    }

    const fn turn(self, order: Ordering) -> Ordering {
        if self.is_descending { order.reverse() } else { order }
    }
}

/// Sorts flows.
pub fn sort(flows: &mut [FlowStats], keys: &[SortKey]) {
    flows.sort_by(|a, b| {
        let orders = keys.iter().map(|key| key.compare(a, b));
        orders.fold(Ordering::Equal, Ordering::then).then(b.priority.cmp(&a.priority))
    });
}
