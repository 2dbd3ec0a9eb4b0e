//! What a poll thread counts of itself.

use std::sync::Arc;

use crate::counter::Counter;
use crate::pipeline::FlowCounters;

/// One writer, the poll thread; see [`Counter`].
#[derive(Debug, Default)]
#[repr(align(64))]
pub struct ThreadStats {
    /// Frames received.
    pub packets: Counter,
    /// Rounds in which a frame was received.
    pub busy_rounds: Counter,
    /// Rounds in which none was.
    pub idle_rounds: Counter,
    /// Cycles of busy rounds.
    pub busy_cycles: Counter,
    /// Cycles of idle rounds, sleep included.
    pub idle_cycles: Counter,
    /// Times that the thread slept.
    pub sleeps: Counter,
    /// Frames handed to devices.
    pub tx_packets: Counter,
    /// Batches handed to devices.
    pub tx_batches: Counter,
    /// What its flow stage counts.
    pub flows: Arc<FlowCounters>,
}

/// What a poll thread counts of one receive queue.
#[derive(Debug, Default)]
#[repr(align(64))]
pub struct RxqStats {
    /// Frames received.
    pub packets: Counter,
    /// Cycles spent on them, from receive to the output buffers.
    pub busy_cycles: Counter,
}
