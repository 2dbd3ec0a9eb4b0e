//! Ports in memory, for tests: what the test injects is received, what is sent the test reads.
//!
//! # Thread-safety
//! A [`DummyHandle`] is shared with the queues under a lock; it is a test's device, not a fast one.

use std::collections::VecDeque;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Netdev, NetdevError, RecvStatus, Rxq, TxCaps, Txq, WakeSource};
use crate::batch::Batch;
use crate::counter::PortCounters;
use crate::drop_reason::DropReason;
use crate::frame::{FramePool, Offload};
use crate::poll::wake::Wake;

/// A frame at the far end of a dummy port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DummyFrame {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// What is left undone.
    pub offload: Offload,
}

impl From<&[u8]> for DummyFrame {
    fn from(bytes: &[u8]) -> DummyFrame {
        DummyFrame { bytes: bytes.to_vec(), offload: Offload::NONE }
    }
}

#[derive(Default)]
struct Wire {
    to_switch: Vec<VecDeque<DummyFrame>>,
    from_switch: Vec<DummyFrame>,
    /// Frames that the device still takes before its queue is full.
    tx_room: Option<usize>,
    gone: bool,
}

/// The far end of a dummy port.
#[derive(Clone)]
pub struct DummyHandle {
    wire: Arc<Mutex<Wire>>,
    wakes: Vec<Arc<Wake>>,
}

impl DummyHandle {
    fn wire(&self) -> MutexGuard<'_, Wire> {
        self.wire.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the switch receive a frame on queue 0.
    pub fn inject(&self, frame: impl Into<DummyFrame>) {
        self.inject_on(0, frame);
    }

    /// Lets the switch receive a frame on a queue; a queue that is not there loses it.
    pub fn inject_on(&self, queue: usize, frame: impl Into<DummyFrame>) {
        if let Some(to_switch) = self.wire().to_switch.get_mut(queue) {
            to_switch.push_back(frame.into());
        }
        if let Some(wake) = self.wakes.get(queue) {
            wake.wake();
        }
    }

    /// Takes what the switch has sent.
    #[must_use]
    pub fn take_sent(&self) -> Vec<DummyFrame> {
        std::mem::take(&mut self.wire().from_switch)
    }

    /// Frames that the switch has not received yet.
    #[must_use]
    pub fn n_waiting(&self) -> usize {
        self.wire().to_switch.iter().map(VecDeque::len).sum()
    }

    /// Lets the device take `room` more frames, then be full; `None` for no limit.
    pub fn set_tx_room(&self, room: Option<usize>) {
        self.wire().tx_room = room;
    }

    /// Makes the device vanish.
    pub fn vanish(&self) {
        self.wire().gone = true;
        self.wakes.iter().for_each(|wake| wake.wake());
    }
}

/// A port in memory.
pub struct Dummy {
    handle: DummyHandle,
    caps: TxCaps,
    rxqs: Vec<Box<dyn Rxq>>,
}

impl Dummy {
    /// A port with `n_rxq` receive queues whose transmit side can do `caps`.
    ///
    /// # Errors
    /// The process has too many descriptors.
    pub fn new(n_rxq: usize, caps: TxCaps) -> Result<(Dummy, DummyHandle), NetdevError> {
        let os = |source| NetdevError::Os { device: "dummy".into(), action: "eventfd", source };
        let wakes: Result<Vec<_>, _> = (0..n_rxq).map(|_| Wake::new().map(Arc::new)).collect();
        let wakes = wakes.map_err(os)?;
        let wire = Wire { to_switch: vec![VecDeque::new(); n_rxq], ..Wire::default() };
        let handle = DummyHandle { wire: Arc::new(Mutex::new(wire)), wakes };
        let rxq = |queue| -> Box<dyn Rxq> { Box::new(DummyRxq { handle: handle.clone(), queue }) };
        let rxqs = (0..n_rxq).map(rxq).collect();
        Ok((Dummy { handle: handle.clone(), caps, rxqs }, handle))
    }
}

impl Netdev for Dummy {
    fn driver(&self) -> &'static str {
        "dummy"
    }

    fn take_rxqs(&mut self) -> Vec<Box<dyn Rxq>> {
        std::mem::take(&mut self.rxqs)
    }

    fn open_txq(&self) -> Result<Box<dyn Txq>, NetdevError> {
        Ok(Box::new(DummyTxq { handle: self.handle.clone(), caps: self.caps }))
    }
}

struct DummyRxq {
    handle: DummyHandle,
    queue: usize,
}

impl Rxq for DummyRxq {
    fn recv(
        &mut self,
        pool: &mut FramePool,
        batch: &mut Batch,
        counters: &PortCounters,
    ) -> RecvStatus {
        let wake = &self.handle.wakes[self.queue];
        wake.clear();
        let mut wire = self.handle.wire();
        if wire.gone {
            return RecvStatus::Gone;
        }
        let waiting = &mut wire.to_switch[self.queue];
        while !batch.is_full() {
            let Some(dummy) = waiting.pop_front() else { return RecvStatus::Drained };
            counters.rx_packets.add(1);
            counters.rx_bytes.add(dummy.bytes.len() as u64);
            match pool.from_bytes(&dummy.bytes) {
                Some(mut frame) => {
                    frame.set_offload(dummy.offload);
                    batch.push(frame);
                }
                None => counters.drop_rx(DropReason::NoFrame, 1),
            }
        }
        RecvStatus::More
    }

    fn wake_source(&self) -> WakeSource<'_> {
        WakeSource::Fd(self.handle.wakes[self.queue].as_fd())
    }

    fn park(&mut self, _pool: &mut FramePool) {}
}

struct DummyTxq {
    handle: DummyHandle,
    caps: TxCaps,
}

impl Txq for DummyTxq {
    fn send(&mut self, pool: &mut FramePool, batch: &mut Batch, counters: &PortCounters) {
        let mut wire = self.handle.wire();
        for frame in batch.drain(..) {
            if wire.tx_room == Some(0) {
                counters.drop_tx(DropReason::TxQueueFull, 1);
            } else {
                wire.tx_room = wire.tx_room.map(|room| room - 1);
                counters.tx_packets.add(1);
                counters.tx_bytes.add(frame.len() as u64);
                let offload = *frame.offload();
                wire.from_switch.push(DummyFrame { bytes: frame.data().to_vec(), offload });
            }
            pool.put(frame);
        }
    }

    fn caps(&self) -> TxCaps {
        self.caps
    }
}
