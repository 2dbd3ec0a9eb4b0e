//! `NORMAL`: what a learning bridge does with a batch of frames.

use crate::batch::Batch;
use crate::frame::{Frame, FramePool};
use crate::ids::PortNo;
use crate::view::{Port, Program, Snapshot};

/// Where frames go: the poll thread's buffers, or a test's notebook.
pub trait Output {
    /// Queues a frame for a port. The pool takes what cannot be queued, which the port counts.
    fn output(&mut self, pool: &mut FramePool, port: PortNo, frame: Frame);
}

/// What the stage works with, for one batch.
pub struct Stage<'a> {
    /// The configuration.
    pub snapshot: &'a Snapshot,
    /// The poll thread's number, for counters.
    pub thread: usize,
    /// The time, for the forwarding database.
    pub now_s: u32,
    /// Where copies come from and lost frames go.
    pub pool: &'a mut FramePool,
}

/// Forwards a batch received on one port and leaves it empty: to every other port of the bridge.
pub fn forward(stage: &mut Stage<'_>, in_port: &Port, batch: &mut Batch, out: &mut impl Output) {
    let counters = in_port.stats.of(stage.thread);
    let bridge = stage.snapshot.bridge(in_port.bridge);
    let bridge = bridge.filter(|bridge| bridge.program == Program::Normal);
    for frame in batch.drain(..) {
        let others = bridge.iter().flat_map(|bridge| &bridge.ports).filter(|no| **no != in_port.no);
        let mut frame = Some(frame);
        for (i, no) in others.enumerate() {
            let copy = frame.as_ref().and_then(|frame| stage.pool.copy(frame));
            if let Some(last) = std::mem::replace(&mut frame, copy) {
                counters.copies.add(u64::from(i > 0));
                out.output(stage.pool, *no, last);
            }
        }
        if let Some(frame) = frame {
            stage.pool.put(frame);
        }
    }
}
