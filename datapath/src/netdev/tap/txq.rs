//! Sends to a TAP device: what the host's stack, or a VM, will receive.

use std::io::IoSlice;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::io::{Errno, writev};

use crate::batch::Batch;
use crate::counter::PortCounters;
use crate::drop_reason::DropReason;
use crate::frame::{Frame, FramePool};
use crate::netdev::{TxCaps, Txq};
use crate::offload::vnet;

/// A transmit queue. It shares a descriptor with a receive queue: a descriptor of its own would be a
/// queue of the device that nobody reads, to which the kernel would steer flows.
pub(super) struct TapTxq {
    fd: Arc<OwnedFd>,
    caps: TxCaps,
}

impl TapTxq {
    pub(super) fn new(fd: Arc<OwnedFd>, caps: TxCaps) -> TapTxq {
        TapTxq { fd, caps }
    }

    fn write(&self, frame: &Frame) -> Result<(), DropReason> {
        let header = vnet::emit(frame);
        let parts = [IoSlice::new(&header), IoSlice::new(frame.data())];
        loop {
            return match writev(&self.fd, &parts) {
                Ok(_) => Ok(()),
                Err(Errno::INTR) => continue,
                Err(errno) => Err(drop_reason(errno)),
            };
        }
    }
}

fn drop_reason(errno: Errno) -> DropReason {
    match errno {
        // Down, or deleted: the receive side tells the latter.
        Errno::IO | Errno::BADFD | Errno::NODEV => DropReason::TxPortDown,
        Errno::AGAIN | Errno::NOBUFS | Errno::NOMEM => DropReason::TxQueueFull,
        _ => DropReason::TxError,
    }
}

impl Txq for TapTxq {
    fn send(&mut self, pool: &mut FramePool, batch: &mut Batch, counters: &PortCounters) {
        let (mut n, mut n_bytes) = (0, 0);
        for frame in batch.drain(..) {
            match self.write(&frame) {
                Ok(()) => {
                    n += 1;
                    n_bytes += frame.len() as u64;
                }
                Err(reason) => counters.drop_tx(reason, 1),
            }
            pool.put(frame);
        }
        counters.tx_packets.add(n);
        counters.tx_bytes.add(n_bytes);
    }

    fn caps(&self) -> TxCaps {
        self.caps
    }
}
