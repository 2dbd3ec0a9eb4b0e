//! Looking after flows that nobody hits: idle ones, stale ones; and showing all.
//!
//! # Design
//! A step per millisecond takes a bounded part of the table, such that all of it is seen about once a
//! second. A flow goes if it is idle for [`FlowConfig::max_idle`](super::FlowConfig::max_idle), for a
//! hundredth of that while the table is nearly full, or if what it depends on has changed: the next
//! packet then asks again.

use super::flows::{FlowDump, Flows};
use crate::cache::{Sweep, Verdict};

/// Between two steps.
const STEP_NS: u64 = 1_000_000;
/// Steps in which the table is seen once.
const N_STEPS: usize = 1000;
/// Flows that a step sees at least.
const MIN_STEP: usize = 16;
/// Between two rankings of the masks.
const RANK_NS: u64 = 1_000_000_000;
/// Flows shown at a time.
const DUMP_STEP: u32 = 256;
/// While the table is full to more than this many tenths, idle flows go soon.
const FULL_TENTHS: usize = 9;
/// Part of the idle time after which they go then (Open vSwitch: 100 ms).
const SOON: u64 = 100;

impl Flows {
    /// Takes a step, if it is time: to be called between two rounds.
    #[inline]
    pub fn tend(&mut self, now_ns: u64) {
        if !self.is_empty() && now_ns.saturating_sub(self.swept_ns) >= STEP_NS {
            self.step(now_ns);
        }
    }

    #[cold]
    fn step(&mut self, now_ns: u64) {
        if now_ns.saturating_sub(self.ranked_ns) >= RANK_NS {
            self.ranked_ns = now_ns;
            self.cache.megaflows.rerank();
        }
        let n_flows = self.cache.megaflows.n_flows();
        // A thread that slept has missed steps, and has time.
        let n_steps = (now_ns.saturating_sub(self.swept_ns) / STEP_NS).clamp(1, N_STEPS as u64);
        let n_steps = usize::try_from(n_steps).unwrap_or(1);
        let budget = (n_flows * n_steps).div_ceil(N_STEPS).max(MIN_STEP);
        self.swept_ns = now_ns;
        let idle_ns = u64::try_from(self.config.max_idle.as_nanos()).unwrap_or(u64::MAX);
        let is_full = n_flows * 10 > self.config.limits.flows * FULL_TENTHS;
        let idle_ns = if is_full { idle_ns / SOON } else { idle_ns };
        let (handler, version) = (self.handler.as_ref(), self.version);
        let budget = u32::try_from(budget).unwrap_or(u32::MAX);
        self.sweep.step(&mut self.cache.megaflows, budget, |_, flow| {
            if now_ns.saturating_sub(flow.last_ns()) >= idle_ns {
                return Verdict::Remove;
            }
            if !flow.is_current(version) {
                let depends = &flow.actions.depends;
                if !handler.is_some_and(|handler| handler.is_current(depends, flow.version)) {
                    return Verdict::Remove;
                }
                flow.version = version;
            }
            Verdict::Keep
        });
    }

    /// Shows some flows from `cursor` on; where to go on, or `None` at the end.
    pub fn dump(&mut self, mut cursor: Sweep, into: &mut Vec<FlowDump>) -> Option<Sweep> {
        let mut ids = Vec::new();
        let is_done = cursor.step(&mut self.cache.megaflows, DUMP_STEP, |id, _| {
            ids.push(id);
            Verdict::Keep
        });
        let flows = &self.cache.megaflows;
        into.extend(ids.into_iter().filter_map(|id| {
            let flow = flows.get(id)?;
            Some(FlowDump {
                ufid: flows.ufid(id, self.seed)?,
                key: flows.key(id)?,
                mask: flows.mask(id)?.clone(),
                actions: flow.actions.actions.clone(),
                stats: flow.stats,
                version: flow.version,
            })
        }));
        (!is_done).then_some(cursor)
    }

    /// Forgets the flows of a port.
    pub fn forget_port(&mut self, port: crate::ids::PortNo) {
        self.cache.megaflows.clear_port(port.get().into());
    }
}
