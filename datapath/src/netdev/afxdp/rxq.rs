//! Receives from one queue of an interface.

use std::os::fd::AsFd;
use std::sync::Arc;

use super::receiver::Receiver;
use super::socket::Socket;
use crate::batch::Batch;
use crate::counter::PortCounters;
use crate::frame::FramePool;
use crate::netdev::{RecvStatus, Rxq, WakeSource};

/// Empty polls in a row between two looks at the socket, which take a system call.
const EMPTY_PER_LOOK: u32 = 64;

/// A receive queue.
///
/// # Design
/// Asking costs no system call: the kernel's word is read. What takes one (whether the interface is
/// still there, what the kernel has lost) is done when the queue has nothing, and seldom.
pub(super) struct AfXdpRxq {
    receiver: Receiver,
    socket: Arc<Socket>,
    /// Empty polls in a row.
    n_empty: u32,
    /// Whether so much waited that the kernel may have lost some.
    was_crowded: bool,
    /// What the kernel had lost when it was asked last.
    n_missed: u64,
}

impl AfXdpRxq {
    pub(super) fn new(socket: Arc<Socket>, receiver: Receiver) -> AfXdpRxq {
        AfXdpRxq { receiver, socket, n_empty: 0, was_crowded: false, n_missed: 0 }
    }

    /// Adds what the kernel has lost to our counter.
    fn look_at_missed(&mut self, counters: &PortCounters) {
        self.was_crowded = false;
        if let Ok(seen) = self.socket.statistics() {
            let n = seen.rx_dropped.saturating_add(seen.rx_ring_full);
            counters.rx_missed.add(n.saturating_sub(self.n_missed));
            self.n_missed = n;
        }
    }

    /// Lends frames for those that came.
    fn refill(&mut self, pool: &mut FramePool) {
        self.receiver.refill(pool);
        if self.receiver.needs_wakeup() {
            self.socket.poke();
        }
    }

    fn nothing(&mut self, pool: &mut FramePool, counters: &PortCounters) -> RecvStatus {
        self.n_empty = self.n_empty.wrapping_add(1);
        let looks = self.n_empty.is_multiple_of(EMPTY_PER_LOOK);
        if looks || self.n_empty == 1 {
            self.socket.tend(pool);
            self.refill(pool);
        }
        if self.was_crowded {
            self.look_at_missed(counters);
        }
        if looks && !self.socket.poke() {
            return RecvStatus::Gone;
        }
        if self.socket.is_behind() || self.receiver.is_starved() {
            return RecvStatus::More; // nobody would wake us for that
        }
        RecvStatus::Drained
    }
}

impl Rxq for AfXdpRxq {
    fn recv(
        &mut self,
        pool: &mut FramePool,
        batch: &mut Batch,
        counters: &PortCounters,
    ) -> RecvStatus {
        let n_waiting = self.receiver.available() as usize;
        self.was_crowded |= n_waiting >= self.receiver.level() / 2;
        if self.receiver.recv(pool, batch, counters) == 0 {
            return self.nothing(pool, counters);
        }
        self.n_empty = 0;
        self.refill(pool);
        RecvStatus::More
    }

    fn wake_source(&self) -> WakeSource<'_> {
        WakeSource::Fd(self.socket.as_fd())
    }

    /// What is lent to the kernel stays: it is where the next frames arrive.
    fn park(&mut self, pool: &mut FramePool) {
        self.socket.tend(pool);
    }
}
