//! Outgoing frames of one poll thread: a buffer and a transmit queue per port.

use std::sync::Arc;

use super::stats::ThreadStats;
use crate::batch::Batch;
use crate::capture::{Captures, Direction, Round, Tap};
use crate::counter::PortCounters;
use crate::drop_reason::DropReason;
use crate::frame::{Frame, FramePool};
use crate::ids::PortNo;
use crate::l2::normal::Output;
use crate::netdev::Txq;
use crate::offload::{self, Limits};
use crate::view::{PortStats, Snapshot};

/// One port's buffer.
struct TxSlot {
    port: PortNo,
    txq: Box<dyn Txq>,
    stats: Arc<PortStats>,
    batch: Batch,
    /// MTU of the port if it is up, as of the snapshot taken last.
    mtu: Option<u32>,
}

/// The buffers of one thread, by port.
pub struct TxBuffers {
    slots: Vec<Option<Box<TxSlot>>>,
    dirty: Vec<PortNo>,
    thread: usize,
    stats: Arc<ThreadStats>,
    view: Arc<Snapshot>,
    captures: Captures,
}

impl TxBuffers {
    /// No port yet.
    #[must_use]
    pub fn new(thread: usize, stats: Arc<ThreadStats>, view: Arc<Snapshot>) -> TxBuffers {
        let captures = Captures::default();
        TxBuffers { slots: Vec::new(), dirty: Vec::new(), thread, stats, view, captures }
    }

    /// Sends to `port` through `txq` from now on.
    pub fn add(&mut self, port: PortNo, txq: Box<dyn Txq>, stats: Arc<PortStats>) {
        if self.slots.len() <= port.index() {
            self.slots.resize_with(port.index() + 1, || None);
        }
        let mtu = self.mtu_if_up(port);
        let slot = TxSlot { port, txq, stats, batch: Batch::new(), mtu };
        self.slots[port.index()] = Some(Box::new(slot));
    }

    /// Closes the port's queue. Its buffer is empty: rounds end with a flush.
    pub fn remove(&mut self, port: PortNo) {
        if let Some(slot) = self.slots.get_mut(port.index()) {
            *slot = None;
        }
    }

    /// Takes over the ports' state from a new snapshot.
    pub fn apply(&mut self, view: &Arc<Snapshot>) {
        self.view = view.clone();
        self.captures.apply(view);
        for no in (0..=PortNo::MAX).take(self.slots.len()).filter_map(PortNo::new) {
            let mtu = self.mtu_if_up(no);
            if let Some(slot) = &mut self.slots[no.index()] {
                slot.mtu = mtu;
            }
        }
    }

    fn mtu_if_up(&self, port: PortNo) -> Option<u32> {
        self.view.port(port).filter(|port| port.up).map(|port| port.mtu)
    }

    /// Sends what is buffered.
    pub fn flush(&mut self, pool: &mut FramePool) {
        while let Some(port) = self.dirty.pop() {
            if let Some(Some(slot)) = self.slots.get_mut(port.index()) {
                slot.flush((self.thread, &self.stats), pool, &mut self.captures);
            }
        }
    }

    /// Copies frames for a capture from now on.
    pub fn add_tap(&mut self, tap: Tap) {
        self.captures.add(tap, &self.view);
    }

    /// Forgets captures that have ended.
    #[inline]
    pub fn forget_ended_captures(&mut self) {
        if !self.captures.is_empty() {
            self.captures.forget_ended();
        }
    }

    /// A round has passed, which took so many cycles.
    #[inline]
    pub fn give_captures_time(&mut self, round: Round, cycles: u64) {
        self.captures.earn(round, cycles);
    }

    /// A port has received a batch.
    #[inline]
    pub fn capture_received(&mut self, port: PortNo, batch: &Batch) {
        if !self.captures.is_empty() {
            self.captures.copy(port, Direction::In, batch);
        }
    }
}

impl Output for TxBuffers {
    fn output(&mut self, pool: &mut FramePool, port: PortNo, frame: Frame) {
        let Some(Some(slot)) = self.slots.get_mut(port.index()) else {
            // The control thread opens queues before it publishes a port: a device that is
            // being replaced has none.
            if let Some(port) = self.view.port(port) {
                port.stats.of(self.thread).drop_tx(DropReason::TxPortDown, 1);
            }
            return pool.put(frame);
        };
        if slot.batch.is_empty() {
            self.dirty.push(port);
        }
        slot.batch.push(frame);
        if slot.batch.is_full() {
            slot.flush((self.thread, &self.stats), pool, &mut self.captures);
            self.dirty.retain(|dirty| *dirty != port);
        }
    }

    fn pass(&mut self, port: PortNo, direction: Direction, batch: &Batch) {
        if !self.captures.is_empty() {
            self.captures.copy(port, direction, batch);
        }
    }
}

impl TxSlot {
    fn flush(
        &mut self,
        (thread, stats): (usize, &ThreadStats),
        pool: &mut FramePool,
        captures: &mut Captures,
    ) {
        let counters = self.stats.of(thread);
        let Some(mtu) = self.mtu else {
            counters.drop_tx(DropReason::TxPortDown, self.batch.len() as u64);
            pool.put_all(self.batch.drain(..));
            return;
        };
        let before = counters.tx_packets.get();
        let limits = Limits { caps: self.txq.caps(), mtu };
        let (port, txq) = (self.port, &mut *self.txq);
        let mut out = Out { port, txq, limits: &limits, counters, captures };
        if self.batch.iter().all(|frame| offload::fits(frame, &limits)) {
            out.send(&mut self.batch, pool);
        } else {
            out.send_fitted(&mut self.batch, pool);
        }
        stats.tx_packets.add(counters.tx_packets.get() - before);
        stats.tx_batches.add(1);
    }
}

/// Where a flush sends to.
struct Out<'a> {
    port: PortNo,
    txq: &'a mut dyn Txq,
    limits: &'a Limits,
    counters: &'a PortCounters,
    captures: &'a mut Captures,
}

impl Out<'_> {
    fn send(&mut self, batch: &mut Batch, pool: &mut FramePool) {
        if !self.captures.is_empty() {
            self.captures.copy(self.port, Direction::Out, batch);
        }
        self.counters.tx_batches.add(1);
        self.txq.send(pool, batch, self.counters);
    }

    /// Sends a batch of which some frames must be cut, finished or refused first.
    #[cold]
    fn send_fitted(&mut self, batch: &mut Batch, pool: &mut FramePool) {
        let (limits, counters) = (self.limits, self.counters);
        let mut ready = Batch::new();
        for frame in batch.drain(..) {
            offload::fit(frame, limits, pool, counters, &mut |pool, frame| {
                ready.push(frame);
                if ready.is_full() {
                    self.send(&mut ready, pool);
                }
            });
        }
        if !ready.is_empty() {
            self.send(&mut ready, pool);
        }
    }
}
