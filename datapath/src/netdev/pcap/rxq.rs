//! Plays the frames of a capture file.

use std::io;
use std::num::NonZeroU32;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

use super::Play;
use super::file::{Frames, LINE, Stored};
use crate::batch::Batch;
use crate::counter::PortCounters;
use crate::frame::{Frame, FramePool, SizeClass};
use crate::netdev::{RecvStatus, Rxq, WakeSource};

// Frames are copied in whole lines, so the room of a chunk must be whole lines.
const _: () = assert!(SizeClass::Small.room().is_multiple_of(LINE));
const _: () = assert!(SizeClass::Large.room().is_multiple_of(LINE));

/// The receive queue.
pub(super) struct Replay {
    frames: Frames,
    next: usize,
    play: Play,
    pace: Option<Pace>,
}

impl Replay {
    pub(super) fn new(frames: Frames, play: Play, pace: Option<Pace>) -> Replay {
        Replay { frames, next: 0, play, pace }
    }

    /// The next frame, from the start again at the end of a loop.
    fn next(&mut self) -> Option<Stored<'_>> {
        if self.next == self.frames.len() {
            match self.play {
                Play::Loop => self.next = 0,
                Play::Once => return None,
            }
        }
        let stored = self.frames.get(self.next);
        self.next += 1;
        stored
    }

    fn ended(&self) -> bool {
        self.play == Play::Once && self.next == self.frames.len()
    }
}

/// Copies a stored frame into a buffer of the pool.
fn copy_out(stored: &Stored<'_>, pool: &mut FramePool) -> Option<Frame> {
    let mut frame = pool.get_for(stored.len)?;
    let room = frame.room_mut().chunks_exact_mut(LINE);
    for (to, from) in room.zip(stored.lines.chunks_exact(LINE)) {
        to.copy_from_slice(from);
    }
    let fits = frame.set_len(stored.len);
    debug_assert!(fits, "get_for gave too small a frame");
    Some(frame)
}

impl Rxq for Replay {
    fn recv(
        &mut self,
        pool: &mut FramePool,
        batch: &mut Batch,
        counters: &PortCounters,
    ) -> RecvStatus {
        let room = batch.remaining_capacity();
        let due = self.pace.as_mut().map_or(usize::MAX, Pace::due);
        let (mut n, mut n_bytes) = (0, 0);
        while n < room.min(due) {
            let Some(stored) = self.next() else { break };
            let Some(frame) = copy_out(&stored, pool) else {
                self.next -= 1; // still to be played, when there are buffers again
                break;
            };
            n_bytes += frame.len() as u64;
            n += 1;
            batch.push(frame);
        }
        counters.rx_packets.add(n as u64);
        counters.rx_bytes.add(n_bytes);
        if let Some(pace) = &mut self.pace {
            pace.sent += n as u64;
        }
        if self.ended() || n >= due { RecvStatus::Drained } else { RecvStatus::More }
    }

    fn wake_source(&self) -> WakeSource<'_> {
        match &self.pace {
            _ if self.ended() => WakeSource::Never,
            Some(pace) => WakeSource::Fd(pace.timer.as_fd()),
            None => WakeSource::Always,
        }
    }

    fn park(&mut self, _pool: &mut FramePool) {}
}

/// Shortest time between two looks at the clock when the thread sleeps.
const TICK: Duration = Duration::from_millis(1);
/// Frames that are late by more than this are not made up for.
const MAX_LATE: Duration = Duration::from_millis(100);

/// Spreads frames over time.
pub(super) struct Pace {
    rate: u64,
    start: Instant,
    sent: u64,
    /// Fires for ever; never read, since edge-triggered `epoll` reports each expiry.
    timer: OwnedFd,
}

impl Pace {
    /// `rate` frames per second from now on.
    pub(super) fn new(rate: NonZeroU32) -> io::Result<Pace> {
        let timer = timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK,
        )?;
        let tick = (Duration::from_secs(1) / rate.get()).max(TICK);
        let tick = Timespec {
            tv_sec: i64::try_from(tick.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: tick.subsec_nanos().into(),
        };
        let every = Itimerspec { it_interval: tick, it_value: tick };
        timerfd_settime(&timer, TimerfdTimerFlags::empty(), &every)?;
        Ok(Pace { rate: rate.get().into(), start: Instant::now(), sent: 0, timer })
    }

    /// Frames to be sent now.
    fn due(&mut self) -> usize {
        self.due_at(self.start.elapsed())
    }

    fn due_at(&mut self, elapsed: Duration) -> usize {
        let frames_in = |time: Duration| {
            let frames = time.as_nanos() * u128::from(self.rate) / 1_000_000_000;
            u64::try_from(frames).unwrap_or(u64::MAX)
        };
        let (target, most) = (frames_in(elapsed), frames_in(MAX_LATE).max(1));
        self.sent = self.sent.max(target.saturating_sub(most));
        usize::try_from(target.saturating_sub(self.sent)).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_due_at_the_rate_and_old_debt_is_forgiven() {
        let mut pace = Pace::new(NonZeroU32::new(1000).unwrap()).unwrap();
        assert_eq!(pace.due_at(Duration::from_micros(999)), 0);
        assert_eq!(pace.due_at(Duration::from_micros(5500)), 5);
        pace.sent += 5;
        assert_eq!(pace.due_at(Duration::from_micros(5500)), 0);
        assert_eq!(pace.due_at(Duration::from_secs(60)), 100);
        let mut slow = Pace::new(NonZeroU32::MIN).unwrap();
        assert_eq!((slow.due_at(Duration::from_millis(999)), slow.due_at(TICK * 1001)), (0, 1));
    }
}
