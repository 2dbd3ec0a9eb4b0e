//! Receives what a port gets, and judges it.

use datapath::netdev::RecvStatus;
use datapath::{Batch, FramePool, MAX_BURST};
use hdrhistogram::Histogram;

use super::account::Account;
use super::clock::Ticks;
use super::flows::{Flows, Verdict};
use super::port::RxHalf;
use super::stamp::{LEARN, Stamp};

/// Longest latency that is told apart from longer ones, nanoseconds.
const MAX_LATENCY_NS: u64 = 60_000_000_000;
/// Digits of a latency.
const LATENCY_DIGITS: u8 = 3;
/// Nanoseconds of a stamp repeat after this.
const TIME_MASK: u64 = (1 << 48) - 1;
/// Looks at a port where nothing should arrive are this rare: an empty look costs a system call.
const LOOK_EVERY: u32 = 64;

/// Full batches taken from a queue before others have their turn: a receiver that falls behind its own
/// sender would lose frames itself.
const N_BATCHES: usize = 4;

/// What a port is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// The frames of one direction arrive here.
    Sink,
    /// None of ours should.
    Watch,
}

/// What arrived at a port.
pub struct Received {
    /// Frames of this port, by flow.
    pub account: Account,
    /// Frames of other ports or VLANs, by stream.
    pub n_elsewhere: [u64; 2],
    /// Frames whose bytes have changed.
    pub n_corrupt: u64,
    /// Frames of others.
    pub n_foreign: u64,
    /// Frames of earlier trials.
    pub n_stale: u64,
    /// First and last arrival of this port's frames, nanoseconds.
    pub span_ns: Option<(u64, u64)>,
    /// Of frames that were not duplicates, nanoseconds.
    pub latency: Histogram<u64>,
}

/// A receiver of one trial.
pub struct Receiver<'a> {
    half: &'a mut RxHalf,
    flows: &'a Flows,
    role: Role,
    epoch: u8,
    received: Received,
    n_looks: u32,
    gone: bool,
    batch: Batch,
}

impl<'a> Receiver<'a> {
    /// A receiver of the frames of `flows` and of one epoch, or of none.
    ///
    /// # Errors
    /// The histogram cannot be made.
    pub fn new(
        half: &'a mut RxHalf,
        flows: &'a Flows,
        role: Role,
        epoch: u8,
    ) -> anyhow::Result<Self> {
        let n_flows = if role == Role::Sink { flows.n() } else { 0 };
        let received = Received {
            account: Account::new(u32::try_from(n_flows)?),
            n_elsewhere: [0; 2],
            n_corrupt: 0,
            n_foreign: 0,
            n_stale: 0,
            span_ns: None,
            latency: Histogram::new_with_bounds(1, MAX_LATENCY_NS, LATENCY_DIGITS)?,
        };
        let batch = Batch::new();
        Ok(Receiver { half, flows, role, epoch, received, n_looks: 0, gone: false, batch })
    }

    /// Takes what each queue has, within reason.
    pub fn poll(&mut self, pool: &mut FramePool, ticks: Ticks) {
        self.n_looks = self.n_looks.wrapping_add(1);
        if self.role == Role::Watch && !self.n_looks.is_multiple_of(LOOK_EVERY) {
            return;
        }
        let RxHalf { rxqs, counters } = &mut *self.half;
        for rxq in rxqs {
            for _ in 0..N_BATCHES {
                // `More` with nothing in the batch is common: a quiet queue asks for few frames.
                let status = rxq.recv(pool, &mut self.batch, counters);
                self.gone |= status == RecvStatus::Gone;
                let n = self.batch.len();
                if n > 0 {
                    let now_ns = ticks.now_ns();
                    for frame in &self.batch {
                        let verdict = self.flows.judge(frame.data());
                        self.received.take(verdict, (self.role, self.epoch), now_ns);
                    }
                    pool.put_all(self.batch.drain(..));
                }
                if n < MAX_BURST {
                    break;
                }
            }
        }
    }

    /// Whether the port has vanished.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.gone
    }

    /// When the last of this port's frames arrived, nanoseconds; 0 if none has.
    #[must_use]
    pub fn last_ns(&self) -> u64 {
        self.received.span_ns.map_or(0, |(_, last)| last)
    }

    /// What arrived. Spare buffers go back.
    #[must_use]
    pub fn finish(self, pool: &mut FramePool) -> Received {
        self.half.rxqs.iter_mut().for_each(|rxq| rxq.park(pool));
        self.received
    }
}

impl Received {
    fn take(&mut self, verdict: Verdict, (role, epoch): (Role, u8), now_ns: u64) {
        match verdict {
            Verdict::Foreign => self.n_foreign += 1,
            Verdict::Corrupt => self.n_corrupt += 1,
            Verdict::Ours(stamp) | Verdict::Elsewhere(stamp) if stamp.epoch == LEARN => {}
            Verdict::Ours(stamp) | Verdict::Elsewhere(stamp) if stamp.epoch != epoch => {
                self.n_stale += 1;
            }
            Verdict::Ours(stamp) if role == Role::Sink => self.arrive(stamp, now_ns),
            Verdict::Ours(stamp) | Verdict::Elsewhere(stamp) => {
                self.n_elsewhere[usize::from(stamp.stream & 1)] += 1;
            }
        }
    }

    fn arrive(&mut self, stamp: Stamp, now_ns: u64) {
        let before = self.account.n_received();
        // The flow was looked up when the frame was judged.
        let _ = self.account.arrive(stamp.flow, stamp.sequence);
        let first_ns = self.span_ns.map_or(now_ns, |(first, _)| first);
        self.span_ns = Some((first_ns, now_ns));
        if self.account.n_received() > before {
            self.latency.saturating_record(now_ns.wrapping_sub(stamp.time_ns) & TIME_MASK);
        }
    }
}
