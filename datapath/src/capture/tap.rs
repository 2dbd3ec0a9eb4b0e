//! The poll thread's end: matches frames and copies them.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use packet::capture::{Direction, HEADER_LEN, Kind, RecordHeader};
use rtrb::Producer;

use super::budget::{Budget, Round};
use super::{CaptureSpec, MAX_SNAP_LEN, Scope, TapCounters, Ways};
use crate::batch::Batch;
use crate::frame::Frame;
use crate::ids::PortNo;
use crate::poll::cpu::cycles;
use crate::view::Snapshot;

/// Bytes of records that are gathered before they go into the ring.
const GATHER_LEN: usize = 16 << 10;

/// One capture in one poll thread.
pub struct Tap {
    spec: CaptureSpec,
    /// By port number: whether the port's frames are captured, as of the snapshot taken last.
    watched: Vec<bool>,
    ring: Producer<u8>,
    counters: Arc<TapCounters>,
    gathered: Vec<u8>,
    n_gathered: u64,
}

impl Tap {
    pub(super) fn new(spec: CaptureSpec, ring: Producer<u8>, counters: Arc<TapCounters>) -> Tap {
        let gathered = Vec::with_capacity(GATHER_LEN);
        Tap { spec, watched: Vec::new(), ring, counters, gathered, n_gathered: 0 }
    }

    fn apply(&mut self, view: &Snapshot) {
        let scope = self.spec.scope;
        let watched = view.ports.iter().map(|port| {
            port.as_ref().is_some_and(|port| match scope {
                Scope::Port(no) => port.no == no,
                Scope::Bridge(id) => port.bridge == id,
            })
        });
        self.watched = watched.collect();
    }

    fn watches(&self, port: PortNo, direction: Direction) -> bool {
        let way = match self.spec.ways {
            Ways::Both => true,
            Ways::In => direction == Direction::In,
            Ways::Out => direction == Direction::Out,
        };
        way && self.watched.get(port.index()).copied().unwrap_or(false)
    }

    /// Copies the frames of a batch that match, unless there is no time for it. Once one found the ring
    /// full the rest of the batch is lost too: a reader that cannot keep up does not slow down
    /// forwarding.
    fn copy(&mut self, mut header: RecordHeader, batch: &[Frame], may_copy: bool) {
        if !may_copy && self.spec.filter.is_empty() {
            return self.counters.lost.add(batch.len() as u64);
        }
        let (mut n_filtered, mut n_lost) = (0, 0);
        for frame in batch {
            let data = frame.data();
            if !self.spec.filter.matches(data) {
                n_filtered += 1;
            } else if !may_copy || n_lost > 0 {
                n_lost += 1;
            } else {
                if header.time_ns == 0 {
                    header.time_ns = now_ns();
                }
                n_lost += u64::from(!self.copy_frame(header, data));
            }
        }
        self.hand_over();
        self.counters.filtered.add(n_filtered);
        self.counters.lost.add(n_lost);
    }

    /// Copies one frame; `false` if the ring has no room for it.
    fn copy_frame(&mut self, header: RecordHeader, data: &[u8]) -> bool {
        let kept = &data[..data.len().min(self.spec.snap_len).min(MAX_SNAP_LEN)];
        let record_len = HEADER_LEN + kept.len();
        if !self.has_room(self.gathered.len() + record_len) {
            return false;
        }
        let len = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let header =
            RecordHeader { captured_len: len(kept), original_len: len(data), ..header }.emit();
        if self.gathered.len() + record_len > GATHER_LEN {
            self.hand_over();
        }
        if record_len > GATHER_LEN {
            let put = self.ring.push_entire_slice(&header).is_ok()
                && self.ring.push_entire_slice(kept).is_ok();
            self.counters.captured.add(put.into());
            return put;
        }
        self.gathered.extend_from_slice(&header);
        self.gathered.extend_from_slice(kept);
        self.n_gathered += 1;
        true
    }

    fn has_room(&self, len: usize) -> bool {
        self.ring.cached_slots() >= len || self.ring.slots() >= len
    }

    /// Gathered records go into the ring, all or none.
    fn hand_over(&mut self) {
        if self.n_gathered == 0 {
            return;
        }
        let put = self.ring.push_entire_slice(&self.gathered).is_ok();
        let counter = if put { &self.counters.captured } else { &self.counters.lost };
        counter.add(self.n_gathered);
        self.gathered.clear();
        self.n_gathered = 0;
    }
}

/// Nanoseconds since 1970.
fn now_ns() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

/// The taps of one poll thread.
#[derive(Default)]
pub(crate) struct Captures {
    taps: Vec<Tap>,
    budget: Budget,
}

impl Captures {
    /// Whether anybody watches anything.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.taps.is_empty()
    }

    /// Adds a tap.
    pub fn add(&mut self, mut tap: Tap, view: &Snapshot) {
        tap.apply(view);
        self.taps.push(tap);
    }

    /// Takes over the ports of a new snapshot.
    pub fn apply(&mut self, view: &Snapshot) {
        self.taps.iter_mut().for_each(|tap| tap.apply(view));
    }

    /// Drops the taps whose reader is gone.
    pub fn forget_ended(&mut self) {
        self.taps.retain(|tap| !tap.ring.is_abandoned());
    }

    /// A round of the thread has passed: time for captures.
    #[inline]
    pub fn earn(&mut self, round: Round, cycles: u64) {
        if !self.is_empty() {
            self.budget.earn(round, cycles);
        }
    }

    /// Copies what is to be captured of a batch that a port received, or is to send.
    #[cold]
    pub fn copy(&mut self, port: PortNo, direction: Direction, batch: &Batch) {
        let start = cycles();
        let may_copy = !self.budget.is_spent();
        for tap in self.taps.iter_mut().filter(|tap| tap.watches(port, direction)) {
            let header = RecordHeader {
                kind: Kind::Frame,
                direction,
                port: port.get(),
                captured_len: 0,
                original_len: 0,
                time_ns: 0, // asked for when a frame is wanted
            };
            tap.copy(header, batch, may_copy);
        }
        self.budget.spend(cycles().wrapping_sub(start));
    }
}
