//! Sends the frames of one direction, at the pace of a trial.

use datapath::{Batch, FramePool, MAX_BURST};

use super::clock::Ticks;
use super::flows::{Flows, Schedule};
use super::pace::{Load, Pace};
use super::port::TxHalf;
use super::stamp::Stamp;

/// When a trial ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Span {
    /// After nanoseconds.
    Time(u64),
    /// After frames of each direction.
    Frames(u64),
}

/// What a sender did.
#[derive(Clone, Debug, Default)]
pub struct Sent {
    /// Frames numbered and handed to the queue, which may have refused some.
    pub n_offered: u64,
    /// From the first to the last, nanoseconds.
    pub took_ns: u64,
    /// Numbers used, by flow.
    pub of_flow: Box<[u64]>,
}

/// A sender of one trial.
pub struct Sender<'a> {
    half: &'a mut TxHalf,
    flows: &'a Flows,
    schedule: Schedule,
    pace: Pace,
    span: Span,
    /// Epoch and stream of every stamp.
    stamp: Stamp,
    start_ns: Option<u64>,
    sent: Sent,
    batch: Batch,
}

impl<'a> Sender<'a> {
    /// A sender of as many flows as `flows` has; `stamp` tells epoch and stream.
    #[must_use]
    pub fn new(half: &'a mut TxHalf, flows: &'a Flows, schedule: Schedule, stamp: Stamp) -> Self {
        let of_flow = vec![0; flows.n()].into();
        Sender {
            half,
            flows,
            schedule,
            pace: Pace::new(Load::Unlimited),
            span: Span::Frames(0),
            stamp,
            start_ns: None,
            sent: Sent { of_flow, ..Sent::default() },
            batch: Batch::new(),
        }
    }

    /// At a load, for a span.
    #[must_use]
    pub fn paced(self, load: Load, span: Span) -> Self {
        Sender { pace: Pace::new(load), span, ..self }
    }

    /// Sends what is due, a batch at most; whether there will be more.
    pub fn step(&mut self, pool: &mut FramePool, ticks: Ticks) -> bool {
        let now_ns = ticks.now_ns();
        let elapsed_ns = now_ns - *self.start_ns.get_or_insert(now_ns);
        let left = match self.span {
            Span::Time(ns) if elapsed_ns >= ns => 0,
            Span::Time(_) => MAX_BURST,
            Span::Frames(n) => usize::try_from(n - self.sent.n_offered).unwrap_or(MAX_BURST),
        };
        if left == 0 {
            return false;
        }
        let n = self.pace.due(elapsed_ns, left.min(MAX_BURST));
        if n > 0 {
            self.fill(n, now_ns, pool);
            let TxHalf { txq, counters } = &mut *self.half;
            txq.send(pool, &mut self.batch, counters);
            self.sent.took_ns = elapsed_ns;
        }
        true
    }

    /// Makes frames that are sent now. Without free buffers there are fewer.
    fn fill(&mut self, n: usize, now_ns: u64, pool: &mut FramePool) {
        for _ in 0..n {
            let (flow, len) = self.schedule.draw();
            let len = len + self.flows.tag_len();
            let Some(mut frame) = pool.get_for(len) else { return };
            let fits = frame.set_len(len);
            debug_assert!(fits, "get_for gave too small a frame");
            let Some(n) = self.sent.of_flow.get_mut(flow as usize) else { return };
            let [.., b4, b5, b6, b7] = n.to_be_bytes();
            let sequence = u32::from_be_bytes([b4, b5, b6, b7]);
            let stamp = Stamp { flow, sequence, time_ns: now_ns, ..self.stamp };
            self.flows.write(stamp, frame.data_mut());
            *n += 1;
            self.sent.n_offered += 1;
            self.batch.push(frame);
        }
    }

    /// What it did.
    #[must_use]
    pub fn finish(self) -> Sent {
        self.sent
    }
}
