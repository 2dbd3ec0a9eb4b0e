//! What poll threads did, for people.

use std::collections::{BTreeMap, VecDeque};

use super::Device;
use super::workers::Worker;
use crate::ids::PortNo;
use crate::poll::cpu::cycles;
use crate::poll::stats::RxqStats;

/// Samples kept: a minute, one every five seconds, and the one before.
const N_SAMPLES: usize = 13;

/// One poll thread.
#[derive(Clone, Debug)]
pub struct ThreadReport {
    /// Its number.
    pub id: usize,
    /// The CPU that it is bound to.
    pub cpu: Option<usize>,
    /// Frames received.
    pub packets: u64,
    /// Frames handed to devices.
    pub tx_packets: u64,
    /// Batches handed to devices.
    pub tx_batches: u64,
    /// Rounds with and without frames.
    pub busy_rounds: u64,
    /// Rounds without frames.
    pub idle_rounds: u64,
    /// Cycles of rounds with frames.
    pub busy_cycles: u64,
    /// Cycles of rounds without frames, sleep included.
    pub idle_cycles: u64,
    /// Times that it slept.
    pub sleeps: u64,
    /// Look-ups of frames of bridges with flows.
    pub flow_passes: u64,
    /// Those that the exact-match cache answered.
    pub emc_hits: u64,
    /// Those that were answered otherwise.
    pub megaflow_hits: u64,
    /// Those whose packet was translated.
    pub upcalls: u64,
    /// Those whose packet was lost instead.
    pub lost_upcalls: u64,
    /// Frames that were looked up again.
    pub recirculations: u64,
    /// Its receive queues.
    pub rxqs: Vec<RxqReport>,
}

/// One receive queue.
#[derive(Clone, Debug)]
pub struct RxqReport {
    /// The port.
    pub port: PortNo,
    /// The queue's number.
    pub queue: usize,
    /// Frames received.
    pub packets: u64,
    /// Share of the thread's time in the last minute, percent; `None` before two samples.
    pub usage: Option<u64>,
}

/// A queue's busy cycles over the last minute.
#[derive(Default)]
pub(super) struct Usage(VecDeque<(u64, u64)>);

impl Usage {
    pub fn sample(&mut self, stats: &RxqStats) {
        if self.0.len() == N_SAMPLES {
            self.0.pop_front();
        }
        self.0.push_back((cycles(), stats.busy_cycles.get()));
    }

    fn percent(&self) -> Option<u64> {
        let ((t0, b0), (t1, b1)) = (self.0.front()?, self.0.back()?);
        let time = t1.checked_sub(*t0).filter(|time| *time > 0)?;
        Some(b1.saturating_sub(*b0).saturating_mul(100) / time)
    }
}

pub(super) fn thread(worker: &Worker, devices: &BTreeMap<PortNo, Device>) -> ThreadReport {
    let stats = &worker.stats;
    let mut rxqs = Vec::new();
    for (port, device) in devices {
        for queue in device.queues.iter().filter(|queue| queue.worker == worker.id) {
            rxqs.push(RxqReport {
                port: *port,
                queue: queue.no,
                packets: queue.stats.packets.get(),
                usage: queue.usage.percent(),
            });
        }
    }
    ThreadReport {
        id: worker.id,
        cpu: worker.cpu,
        packets: stats.packets.get(),
        tx_packets: stats.tx_packets.get(),
        tx_batches: stats.tx_batches.get(),
        busy_rounds: stats.busy_rounds.get(),
        idle_rounds: stats.idle_rounds.get(),
        busy_cycles: stats.busy_cycles.get(),
        idle_cycles: stats.idle_cycles.get(),
        sleeps: stats.sleeps.get(),
        flow_passes: stats.flows.passes.get(),
        emc_hits: stats.flows.emc_hits.get(),
        megaflow_hits: stats.flows.megaflow_hits.get(),
        upcalls: stats.flows.upcalls.get(),
        lost_upcalls: stats.flows.lost_upcalls.get(),
        recirculations: stats.flows.recirculations.get(),
        rxqs,
    }
}
