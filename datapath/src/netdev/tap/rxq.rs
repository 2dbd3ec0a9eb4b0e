//! Receives from one queue of a TAP device: what the host's stack, or a VM, has sent.

use std::io::IoSliceMut;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::io::{Errno, readv};

use crate::batch::{Batch, MAX_BURST};
use crate::counter::PortCounters;
use crate::drop_reason::DropReason;
use crate::frame::FramePool;
use crate::netdev::spares::{Lost, Spares};
use crate::netdev::{RecvStatus, Rxq, WakeSource};
use crate::offload::vnet;

/// The receive side of a queue.
pub(super) struct TapRxq {
    fd: Arc<OwnedFd>,
    header: [u8; vnet::HEADER_LEN],
    spares: Spares,
}

impl TapRxq {
    pub(super) fn new(fd: Arc<OwnedFd>) -> TapRxq {
        TapRxq { fd, header: [0; _], spares: Spares::default() }
    }

    /// Reads one frame; the length excludes the header. One byte more than the buffers hold is asked
    /// for, since the kernel cuts a frame that is too long without saying so.
    fn read(&mut self) -> Result<usize, Errno> {
        let [small, spill] = self.spares.parts();
        let mut excess = [0];
        let mut parts = [
            IoSliceMut::new(&mut self.header),
            IoSliceMut::new(small),
            IoSliceMut::new(spill),
            IoSliceMut::new(&mut excess),
        ];
        let n = readv(&self.fd, &mut parts)?;
        Ok(n.saturating_sub(vnet::HEADER_LEN))
    }

    /// Puts the frame that was read into the batch, or counts its loss.
    fn accept(
        &mut self,
        len: usize,
        pool: &mut FramePool,
        batch: &mut Batch,
        counters: &PortCounters,
    ) {
        counters.rx_packets.add(1);
        counters.rx_bytes.add(len as u64);
        let mut frame = match self.spares.take(len) {
            Ok(frame) => frame,
            Err(Lost::NoLarge) => return counters.drop_rx(DropReason::NoFrame, 1),
            Err(Lost::TooLong) => return counters.drop_rx(DropReason::RxTruncated, 1),
        };
        match vnet::parse(&self.header, frame.data()) {
            Ok(offload) => {
                frame.set_offload(offload);
                batch.push(frame);
            }
            Err(_) => {
                counters.drop_rx(DropReason::BadOffload, 1);
                pool.put(frame);
            }
        }
    }
}

impl Rxq for TapRxq {
    fn recv(
        &mut self,
        pool: &mut FramePool,
        batch: &mut Batch,
        counters: &PortCounters,
    ) -> RecvStatus {
        // Reads are bounded, not only frames: each lost frame costs a read too.
        for _ in 0..MAX_BURST {
            if batch.is_full() {
                break;
            }
            if !self.spares.fill(pool) {
                // The frames wait in the kernel; a later arrival asks again.
                return RecvStatus::Drained;
            }
            match self.read() {
                Ok(len) => self.accept(len, pool, batch, counters),
                Err(Errno::INTR) => {}
                // The kernel took a frame off the queue and then could not describe it.
                Err(Errno::INVAL) => counters.rx_missed.add(1),
                // The device was deleted.
                Err(Errno::BADFD | Errno::NODEV) => return RecvStatus::Gone,
                // Nothing there (AGAIN), or the interface is down (IO).
                Err(_) => return RecvStatus::Drained,
            }
        }
        RecvStatus::More
    }

    fn wake_source(&self) -> WakeSource<'_> {
        WakeSource::Fd(self.fd.as_fd())
    }

    fn park(&mut self, pool: &mut FramePool) {
        self.spares.park(pool);
    }
}
