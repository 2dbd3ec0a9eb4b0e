//! `null`: nothing received; what is sent is counted and discarded.

use super::{Netdev, NetdevError, Rxq, TxCaps, Txq};
use crate::batch::Batch;
use crate::counter::PortCounters;
use crate::frame::FramePool;

/// A port without a device. It has no receive queue.
#[derive(Debug, Default)]
pub struct Null;

impl Netdev for Null {
    fn driver(&self) -> &'static str {
        "null"
    }

    fn take_rxqs(&mut self) -> Vec<Box<dyn Rxq>> {
        Vec::new()
    }

    fn open_txq(&self) -> Result<Box<dyn Txq>, NetdevError> {
        Ok(Box::new(Discard))
    }
}

/// A transmit queue that counts frames and frees them.
pub(super) struct Discard;

impl Txq for Discard {
    fn send(&mut self, pool: &mut FramePool, batch: &mut Batch, counters: &PortCounters) {
        counters.tx_packets.add(batch.len() as u64);
        counters.tx_bytes.add(batch.iter().map(|frame| frame.len() as u64).sum());
        pool.put_all(batch.drain(..));
    }

    /// Everything: nobody will miss what is left undone.
    fn caps(&self) -> TxCaps {
        TxCaps { checksum: true, tcp_segmentation: true, udp_segmentation: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{FrameMemory, SizeClass};

    #[test]
    fn what_is_sent_is_counted_and_freed() {
        let memory = FrameMemory::new(8, 0).unwrap();
        let mut pool = FramePool::new(memory.clone());
        let counters = PortCounters::default();
        let mut null = Null;
        assert!(null.take_rxqs().is_empty());
        let mut batch = Batch::new();
        batch.extend([60, 0, 1500].map(|len| pool.from_bytes(&vec![1; len]).unwrap()));
        null.open_txq().unwrap().send(&mut pool, &mut batch, &counters);
        assert!(batch.is_empty());
        assert_eq!((counters.tx_packets.get(), counters.tx_bytes.get()), (3, 1560));
        drop(pool);
        assert_eq!(memory.n_free(SizeClass::Small), 8);
    }
}
