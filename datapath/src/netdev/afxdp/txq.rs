//! Sends by one queue of an interface.

use std::sync::Arc;

use super::socket::Socket;
use crate::batch::Batch;
use crate::counter::PortCounters;
use crate::drop_reason::DropReason;
use crate::frame::FramePool;
use crate::netdev::{TxCaps, Txq};

/// One thread's way to a queue.
///
/// # Design
/// Descriptors are written and shown to the kernel, which is then told until it has taken them all. A
/// frame that is in the ring counts as sent. While the interface is down the kernel takes none; what is
/// in the ring then, at most a batch or so, is sent when it is up again, and what comes is dropped.
pub(super) struct AfXdpTxq {
    socket: Arc<Socket>,
}

impl AfXdpTxq {
    pub(super) fn new(socket: Arc<Socket>) -> AfXdpTxq {
        AfXdpTxq { socket }
    }
}

impl Txq for AfXdpTxq {
    fn send(&mut self, pool: &mut FramePool, batch: &mut Batch, counters: &PortCounters) {
        if !self.socket.is_up(pool) {
            counters.drop_tx(DropReason::TxPortDown, batch.len() as u64);
            return pool.put_all(batch.drain(..));
        }
        {
            let mut sender = self.socket.sender();
            sender.reap(pool);
            sender.put(pool, batch, counters);
        }
        self.socket.send_all(pool);
    }

    fn caps(&self) -> TxCaps {
        TxCaps { checksum: self.socket.abilities().requests, ..TxCaps::default() }
    }
}
