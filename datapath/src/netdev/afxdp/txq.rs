//! Sends by one queue of an interface.

use std::sync::Arc;

use super::socket::Socket;
use crate::batch::Batch;
use crate::counter::PortCounters;
use crate::drop_reason::DropReason;
use crate::frame::{FramePool, Offload};
use crate::netdev::afpacket::PacketTxq;
use crate::netdev::{TxCaps, Txq};
use crate::offload::recover::recover;
use crate::offload::{checksum, join};

/// One thread's way to a queue.
///
/// # Design
/// Descriptors are written and shown to the kernel, which is then told until it has taken them all. A
/// frame that is in the ring counts as sent. While the interface is down the kernel takes none; what is
/// in the ring then, at most a batch or so, is sent when it is up again, and what comes is dropped.
///
/// A ring carries nothing larger than a frame of the wire. Where the other end is a stack of this
/// machine that is a loss: it would take a whole segment on one way up. So a batch that has one, or
/// pieces of a stream to make one of, goes by a packet socket instead, all of it: order is kept, since
/// the kernel has taken what was in the ring before. A batch that has not goes by the ring.
///
/// At the other end may be an AF_XDP socket as well, which is not told of unfinished checksums and finds
/// those of plain packets alone. One inside a tunnel is therefore finished here.
pub(super) struct AfXdpTxq {
    socket: Arc<Socket>,
    /// The way of large segments.
    stack: Option<PacketTxq>,
}

impl AfXdpTxq {
    /// `stack` sends by the same interface.
    pub(super) fn new(socket: Arc<Socket>, stack: Option<PacketTxq>) -> AfXdpTxq {
        AfXdpTxq { socket, stack }
    }
}

/// Whether a batch is better sent by a packet socket.
fn has_large(batch: &Batch) -> bool {
    batch.iter().any(|frame| frame.offload().gso.is_some()) || batch.windows(2).any(join::begins)
}

/// Finishes the checksums of which the bytes alone do not tell that they are unfinished.
fn finish_hidden(batch: &mut Batch, counters: &PortCounters) {
    for frame in batch {
        let Offload { checksum, gso: None } = *frame.offload() else { continue };
        let is_hidden = !frame.offload().is_done() && recover(frame.data()).checksum != checksum;
        if is_hidden && checksum::complete(frame) {
            counters.tx_checksums.add(1);
        }
    }
}

impl Txq for AfXdpTxq {
    fn send(&mut self, pool: &mut FramePool, batch: &mut Batch, counters: &PortCounters) {
        if !self.socket.is_up(pool) {
            counters.drop_tx(DropReason::TxPortDown, batch.len() as u64);
            return pool.put_all(batch.drain(..));
        }
        finish_hidden(batch, counters);
        if let Some(stack) = &mut self.stack
            && has_large(batch)
        {
            return stack.send(pool, batch, counters);
        }
        {
            let mut sender = self.socket.sender();
            sender.reap(pool);
            sender.put(pool, batch, counters);
        }
        self.socket.send_all(pool);
    }

    fn caps(&self) -> TxCaps {
        match &self.stack {
            Some(stack) => stack.caps(),
            None => TxCaps { checksum: self.socket.abilities().requests, ..TxCaps::default() },
        }
    }
}
