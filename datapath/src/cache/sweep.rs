//! A walk over all megaflows, some at a time.

use super::megaflow::{FlowId, Megaflow};
use super::table::MegaflowTable;

/// Where a walk stands. A walk takes a bounded number of steps per round of the poll thread, so that
/// looking for idle or outdated megaflows never holds packets up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sweep {
    next: u32,
}

/// What becomes of a megaflow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It stays.
    Keep,
    /// It goes.
    Remove,
}

impl Sweep {
    /// Has the next `budget` places of the table judged, and takes away what is condemned; whether
    /// the end was reached, so that the next walk begins.
    pub fn step<A>(
        &mut self,
        table: &mut MegaflowTable<A>,
        budget: u32,
        mut judge: impl FnMut(FlowId, &mut Megaflow<A>) -> Verdict,
    ) -> bool {
        for _ in 0..budget {
            let id = FlowId(self.next);
            if id.index() >= table.flows.len() {
                self.next = 0;
                return true;
            }
            self.next += 1;
            let Some(flow) = table.get_mut(id) else { continue };
            if judge(id, flow) == Verdict::Remove {
                table.remove(id);
            }
        }
        false
    }
}
