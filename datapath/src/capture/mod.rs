//! Copies of frames for a person who watches: `ofctl capture`.
//!
//! # Design
//! A capture has, per poll thread, a [`Tap`] in the thread and a bounded ring of bytes between the tap
//! and the one [`Reader`]. The tap copies matching frames, up to a length, as records
//! ([`packet::capture`]); what finds the ring full is counted as lost, so forwarding waits for nobody.
//! Frames of a batch are gathered in a small buffer first, so that the ring's index moves once per
//! batch. What copying takes of a busy thread's time is bounded too ([`budget`]): frames beyond that are
//! counted as lost like those that find the ring full. The reader takes the records of all rings in the order of their time.
//!
//! A frame is captured on the way in as the driver handed it over, with its tag, and on the way out as
//! it is handed to the driver: tags edited, cut only if the port cannot do it. A large segment that
//! crosses whole is captured whole, and a checksum that the sender left unfinished is seen unfinished.
//!
//! The cost without a capture is one test per batch of a length that the thread holds anyway.
//!
//! # Thread-safety
//! Rings have one writer (the poll thread that owns the tap) and one reader; both sides are free of
//! locks. A new poll thread's ring is handed to the reader through a mutex that only the control
//! thread and the reader touch. When the reader is dropped, each thread finds its ring abandoned at
//! the end of a round, and drops its tap.

mod budget;
mod reader;
mod tap;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use packet::capture::Direction;
use packet::filter::Filter;
use rtrb::RingBuffer;

use crate::counter::Counter;
use crate::ids::{BridgeId, PortNo};
pub(crate) use budget::Round;
pub use reader::Reader;
pub(crate) use tap::Captures;
pub use tap::Tap;

/// Captures at the same time at most.
pub const MAX_CAPTURES: usize = 4;

/// Bytes of the ring between a poll thread and the reader; memory is taken as it is first used.
pub const RING_LEN: usize = 8 << 20;

/// Longest part of a frame that is copied, bytes: all of any frame.
pub const MAX_SNAP_LEN: usize = 0x1_1000;

/// Whose frames are captured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// Those of one port.
    Port(PortNo),
    /// Those of every port of a bridge, also of ports that come later.
    Bridge(BridgeId),
}

/// Which way frames go that are captured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ways {
    /// Those received.
    In,
    /// Those sent.
    Out,
    /// All.
    Both,
}

/// What is to be captured.
#[derive(Clone, Debug)]
pub struct CaptureSpec {
    /// Whose frames.
    pub scope: Scope,
    /// Which way they go.
    pub ways: Ways,
    /// Which of them.
    pub filter: Filter,
    /// How much of each, bytes; more than [`MAX_SNAP_LEN`] is that.
    pub snap_len: usize,
}

/// Sums of a capture over all poll threads.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct CaptureCounts {
    /// Frames copied into a ring.
    pub captured: u64,
    /// Frames that would have been, but found the ring full, or the thread without time for it.
    pub lost: u64,
    /// Frames that the filter refused.
    pub filtered: u64,
}

/// What one tap counts.
#[derive(Default, Debug)]
struct TapCounters {
    captured: Counter,
    lost: Counter,
    filtered: Counter,
}

/// The reader's end of one ring.
struct Source {
    ring: rtrb::Consumer<u8>,
}

/// What control thread and reader share.
struct Shared {
    spec: CaptureSpec,
    ended: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Rings that the reader has not taken yet.
    fresh: Vec<Source>,
    /// Counters of every tap that there was.
    counters: Vec<Arc<TapCounters>>,
}

/// A running capture, as the engine holds it: makes a tap for each poll thread.
#[derive(Clone)]
pub struct Capture(Arc<Shared>);

impl Capture {
    /// A capture without taps, and its reader.
    #[must_use]
    pub fn new(spec: CaptureSpec) -> (Capture, Reader) {
        let (ended, state) = (AtomicBool::new(false), Mutex::default());
        let shared = Arc::new(Shared { spec, ended, state });
        (Capture(shared.clone()), Reader::new(shared))
    }

    /// A tap for a poll thread.
    #[must_use]
    pub fn tap(&self) -> Tap {
        self.tap_with_ring(RING_LEN)
    }

    fn tap_with_ring(&self, ring_len: usize) -> Tap {
        let (writer, ring) = RingBuffer::new(ring_len);
        let counters = Arc::<TapCounters>::default();
        let mut state = self.0.state();
        state.fresh.push(Source { ring });
        state.counters.push(counters.clone());
        Tap::new(self.0.spec.clone(), writer, counters)
    }

    /// Whether its reader is gone.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.0.ended.load(Ordering::Acquire)
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
