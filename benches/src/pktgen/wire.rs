//! `mem`: a wire in memory, whose two ends are ports. Frames are moved, never copied.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use datapath::netdev::{Netdev, NetdevError, RecvStatus, Rxq, TxCaps, Txq, WakeSource};
use datapath::{Batch, DropReason, Frame, FramePool, PortCounters};

/// Frames under way in each direction.
const WIRE_LEN: usize = 1024;

/// Wires with an end that nobody holds, by name.
#[derive(Default)]
pub struct Wires(HashMap<String, End>);

impl Wires {
    /// An end of the wire of that name: the first, or the other.
    pub fn end(&mut self, name: &str) -> End {
        if let Some(end) = self.0.remove(name) {
            return end;
        }
        let [(to_far, from_near), (to_near, from_far)] =
            [(), ()].map(|()| rtrb::RingBuffer::new(WIRE_LEN));
        self.0.insert(name.to_owned(), End::new(to_near, from_near));
        End::new(to_far, from_far)
    }

    /// Names of wires of which one end is missing.
    pub fn loose(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// One end of a wire.
pub struct End {
    tx: Mutex<Option<rtrb::Producer<Frame>>>,
    rx: Option<rtrb::Consumer<Frame>>,
}

impl End {
    fn new(tx: rtrb::Producer<Frame>, rx: rtrb::Consumer<Frame>) -> End {
        End { tx: Mutex::new(Some(tx)), rx: Some(rx) }
    }
}

impl Netdev for End {
    fn driver(&self) -> &'static str {
        "mem"
    }

    fn take_rxqs(&mut self) -> Vec<Box<dyn Rxq>> {
        self.rx.take().map(|rx| -> Box<dyn Rxq> { Box::new(WireRxq(rx)) }).into_iter().collect()
    }

    fn open_txq(&self) -> Result<Box<dyn Txq>, NetdevError> {
        let tx = self.tx.lock().unwrap_or_else(PoisonError::into_inner).take();
        let tx = tx.ok_or_else(|| NetdevError::Invalid {
            device: "mem".into(),
            what: "number of transmit queues",
            value: "2".into(),
            allowed: "1".into(),
        })?;
        Ok(Box::new(WireTxq(tx)))
    }
}

struct WireRxq(rtrb::Consumer<Frame>);

impl Rxq for WireRxq {
    fn recv(
        &mut self,
        _pool: &mut FramePool,
        batch: &mut Batch,
        counters: &PortCounters,
    ) -> RecvStatus {
        while !batch.is_full() {
            let Ok(frame) = self.0.pop() else { return RecvStatus::Drained };
            counters.rx_packets.add(1);
            counters.rx_bytes.add(frame.len() as u64);
            batch.push(frame);
        }
        RecvStatus::More
    }

    /// Its reader never sleeps.
    fn wake_source(&self) -> WakeSource<'_> {
        WakeSource::Always
    }

    fn park(&mut self, _pool: &mut FramePool) {}
}

struct WireTxq(rtrb::Producer<Frame>);

impl Txq for WireTxq {
    fn send(&mut self, pool: &mut FramePool, batch: &mut Batch, counters: &PortCounters) {
        for frame in batch.drain(..) {
            let len = frame.len() as u64;
            match self.0.push(frame) {
                Ok(()) => {
                    counters.tx_packets.add(1);
                    counters.tx_bytes.add(len);
                }
                Err(rtrb::PushError::Full(frame)) => {
                    counters.drop_tx(DropReason::TxQueueFull, 1);
                    pool.put(frame);
                }
            }
        }
    }

    /// Everything: whoever is at the other end gets the frame as it is.
    fn caps(&self) -> TxCaps {
        TxCaps { checksum: true, tcp_segmentation: true, udp_segmentation: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datapath::{FrameMemory, SizeClass};

    #[test]
    fn a_wire_carries_both_ways_and_refuses_what_does_not_fit() {
        let memory = FrameMemory::new(4096, 0).unwrap();
        let mut pool = FramePool::new(memory.clone());
        let mut wires = Wires::default();
        let mut ends = [wires.end("w"), wires.end("w")];
        assert_eq!(wires.loose().count(), 0);
        let mut txqs = ends.each_mut().map(|end| end.open_txq().unwrap());
        let mut rxqs = ends.each_mut().map(|end| end.take_rxqs().remove(0));
        assert!(ends[0].open_txq().is_err() && ends[0].take_rxqs().is_empty());
        let counters = PortCounters::default();
        for from in [0, 1] {
            let frame = pool.from_bytes(&[from; 60]).unwrap();
            txqs[usize::from(from)].send(&mut pool, &mut [frame].into_iter().collect(), &counters);
            let mut batch = Batch::new();
            let status = rxqs[1 - usize::from(from)].recv(&mut pool, &mut batch, &counters);
            assert_eq!((batch.len(), status), (1, RecvStatus::Drained));
            assert_eq!(batch[0].data(), [from; 60]);
            pool.put_all(batch);
        }
        for _ in 0..WIRE_LEN / 32 + 1 {
            let mut batch: Batch = (0..32).map(|_| pool.from_bytes(&[0; 60]).unwrap()).collect();
            txqs[0].send(&mut pool, &mut batch, &counters);
        }
        assert_eq!(counters.tx_drops(DropReason::TxQueueFull), 32);
        assert_eq!(counters.tx_packets.get(), 2 + WIRE_LEN as u64);
        drop((ends, txqs, rxqs, pool));
        assert_eq!(memory.n_free(SizeClass::Small), 4096, "frames are lost");
    }
}
