//! Receives from a packet socket.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;

use super::sys::{self, Slot};
use crate::batch::{Batch, MAX_BURST};
use crate::counter::PortCounters;
use crate::drop_reason::DropReason;
use crate::frame::FramePool;
use crate::netdev::spares::{self, Lost};
use crate::netdev::{RecvStatus, Rxq, WakeSource};
use crate::offload::vnet;

/// Frames asked for in a call by a quiet queue. A lone frame is then forwarded before the kernel is
/// asked for the one behind it, and a quiet port holds few buffers. The number doubles with each full
/// call and halves with each empty one.
const FIRST_DEPTH: usize = 1;
/// Full calls between two looks at the kernel's loss counter.
const FULL_PER_LOOK: u32 = 64;

/// A receive queue: one socket, alone or in a fanout group.
pub(super) struct PacketRxq {
    socket: OwnedFd,
    slots: Box<[Slot; MAX_BURST]>,
    depth: usize,
    /// Full calls since the last look at the loss counter. The socket's buffer holds more frames than
    /// a call takes, so no frame is lost without a full call after it.
    n_full: u32,
    /// Whether the interface was seen going down, which is also how its deletion begins.
    down: bool,
}

impl PacketRxq {
    pub(super) fn new(socket: OwnedFd) -> PacketRxq {
        let slots = Box::new(std::array::from_fn(|_| Slot::new()));
        PacketRxq { socket, slots, depth: FIRST_DEPTH, n_full: 0, down: false }
    }

    /// Adds the loss counter of the kernel to ours, if frames may have been lost since.
    fn look_at_missed(&mut self, was_full: bool, counters: &PortCounters) {
        self.n_full += u32::from(was_full);
        if self.n_full == 0 || (was_full && self.n_full < FULL_PER_LOOK) {
            return;
        }
        self.n_full = 0;
        if let Ok(n) = sys::take_missed(self.socket.as_fd()) {
            counters.rx_missed.add(n.into());
        }
    }

    /// Nothing there: for now, or for ever.
    fn nothing(&mut self, error: &io::Error) -> RecvStatus {
        match Errno::from_io_error(error) {
            // Told once. The socket receives again when the interface is up again.
            Some(Errno::NETDOWN) => self.down = true,
            Some(Errno::NXIO | Errno::NODEV) => return RecvStatus::Gone,
            _ => {}
        }
        self.depth = (self.depth / 2).max(FIRST_DEPTH);
        if self.down
            && !matches!(sys::bound_to(self.socket.as_fd()), Ok((ifindex, _)) if ifindex > 0)
        {
            return RecvStatus::Gone;
        }
        RecvStatus::Drained
    }
}

/// Puts a received frame into the batch, or counts its loss.
fn accept(slot: &mut Slot, pool: &mut FramePool, batch: &mut Batch, counters: &PortCounters) {
    counters.rx_packets.add(1);
    counters.rx_bytes.add(slot.len as u64);
    let taken = if slot.truncated { Err(slot.spares.lost()) } else { slot.spares.take(slot.len) };
    let mut frame = match taken {
        Ok(frame) => frame,
        Err(Lost::NoLarge) => return counters.drop_rx(DropReason::NoFrame, 1),
        Err(Lost::TooLong) => return counters.drop_rx(DropReason::RxTruncated, 1),
    };
    // The header speaks of the frame without the tag.
    let Ok(offload) = vnet::parse(&slot.header, frame.data()) else {
        counters.drop_rx(DropReason::BadOffload, 1);
        return pool.put(frame);
    };
    frame.set_offload(offload);
    if let Some((tpid, tag)) = slot.tag() {
        if !frame.push_vlan(tpid, tag) {
            counters.drop_rx(DropReason::Runt, 1);
            return pool.put(frame);
        }
        counters.rx_bytes.add(packet::vlan::TAG_LEN as u64);
    }
    batch.push(frame);
}

impl Rxq for PacketRxq {
    fn recv(
        &mut self,
        pool: &mut FramePool,
        batch: &mut Batch,
        counters: &PortCounters,
    ) -> RecvStatus {
        let wanted = self.depth.min(batch.remaining_capacity());
        let n_ready = spares::fill(&mut self.slots[..wanted], pool);
        if n_ready == 0 {
            // Frames may wait in the kernel for a buffer: nobody will tell of them again.
            return RecvStatus::More;
        }
        let n = match sys::recv_many(self.socket.as_fd(), &mut self.slots[..n_ready]) {
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return RecvStatus::More,
            // The kernel took a frame off its queue and then could not describe it.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                counters.rx_missed.add(1);
                return RecvStatus::More;
            }
            Err(error) => {
                self.look_at_missed(false, counters);
                return self.nothing(&error);
            }
        };
        for slot in &mut self.slots[..n] {
            accept(slot, pool, batch, counters);
        }
        self.down = false;
        let full = n == self.depth;
        self.look_at_missed(full, counters);
        if full {
            self.depth = (2 * self.depth).min(MAX_BURST);
        }
        // Not yet "drained": the call may have ended early by an error that the next one tells.
        RecvStatus::More
    }

    fn wake_source(&self) -> WakeSource<'_> {
        WakeSource::Fd(self.socket.as_fd())
    }

    fn park(&mut self, pool: &mut FramePool) {
        self.depth = FIRST_DEPTH;
        spares::park(&mut self.slots[..], pool);
    }
}
