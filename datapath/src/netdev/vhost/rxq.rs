//! Receives what a guest sends: the odd ring of a pair.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::memory::Access;
use super::ring::{Buffers, Cursor, Layout, Ring, Taken};
use super::shared::Shared;
use crate::batch::{Batch, MAX_BURST};
use crate::counter::PortCounters;
use crate::drop_reason::DropReason;
use crate::frame::{Frame, FramePool, SizeClass};
use crate::netdev::{RecvStatus, Rxq, WakeSource};
use crate::offload::vnet;

/// The receive side of a pair of rings.
pub(super) struct VhostRxq {
    shared: Arc<Shared>,
    pair: usize,
}

impl VhostRxq {
    pub(super) fn new(shared: Arc<Shared>, pair: usize) -> VhostRxq {
        VhostRxq { shared, pair }
    }

    fn ring(&self) -> usize {
        2 * self.pair + 1
    }
}

/// Copies the frame that was taken, of `total` bytes with its header, and checks it.
fn read_frame<L: Layout>(
    ring: &Buffers<L>,
    total: u64,
    pool: &mut FramePool,
) -> Result<Frame, (u64, DropReason)> {
    let header_len = ring.features().header_len();
    let len = total.saturating_sub(header_len as u64);
    let lost = |reason| (len, reason);
    if total < header_len as u64 {
        return Err(lost(DropReason::BadDescriptor));
    }
    let fits = usize::try_from(len).ok().filter(|len| *len <= SizeClass::Large.room());
    let n_bytes = fits.ok_or(lost(DropReason::RxTruncated))?;
    let mut frame = pool.get_for(n_bytes).ok_or(lost(DropReason::NoFrame))?;
    match fill_frame(ring, &mut frame, n_bytes) {
        Ok(()) => Ok(frame),
        Err(reason) => {
            pool.put(frame);
            Err(lost(reason))
        }
    }
}

fn fill_frame<L: Layout>(
    ring: &Buffers<L>,
    frame: &mut Frame,
    len: usize,
) -> Result<(), DropReason> {
    let mut cursor = Cursor::default();
    let mut header = [0; 12];
    let header = &mut header[..ring.features().header_len()];
    let copied = ring.copy_out(&mut cursor, header)
        && frame.set_len(len)
        && ring.copy_out(&mut cursor, frame.data_mut());
    let Some(work) = header.first_chunk::<{ vnet::HEADER_LEN }>().filter(|_| copied) else {
        return Err(DropReason::BadDescriptor);
    };
    frame.set_offload(vnet::parse(work, frame.data())?);
    Ok(())
}

/// Takes a batch of what the guest has sent.
fn receive<L: Layout>(
    ring: &mut Buffers<L>,
    pool: &mut FramePool,
    batch: &mut Batch,
    counters: &PortCounters,
) -> RecvStatus {
    ring.suppress_kicks();
    // Buffers are bounded, not only frames: each lost frame costs one too.
    let most = MAX_BURST.min(batch.remaining_capacity());
    let most = u16::try_from(most).unwrap_or(0);
    let n = ring.look(most, Access::Read);
    let (mut n_taken, mut n_bytes) = (0, 0);
    for _ in 0..n {
        let Some(taken) = ring.take() else { break };
        n_taken += 1;
        let read = match taken {
            Taken::Bytes(total) => read_frame(ring, total, pool),
            Taken::Bad => Err((0, DropReason::BadDescriptor)),
        };
        ring.give_back(0);
        match read {
            Ok(frame) => {
                n_bytes += frame.len() as u64;
                batch.push(frame);
            }
            Err((len, reason)) => {
                n_bytes += len;
                counters.drop_rx(reason, 1);
            }
        }
    }
    counters.rx_packets.add(n_taken);
    counters.rx_bytes.add(n_bytes);
    if n_taken > 0 {
        ring.publish();
    }
    // There may be more behind as many as were looked for.
    if n == most { RecvStatus::More } else { RecvStatus::Drained }
}

impl Rxq for VhostRxq {
    fn recv(
        &mut self,
        pool: &mut FramePool,
        batch: &mut Batch,
        counters: &PortCounters,
    ) -> RecvStatus {
        let slot = &self.shared.slots[self.ring()];
        let Some(mut guard) = slot.try_lock() else { return RecvStatus::More };
        let Some(ring) = guard.as_mut().filter(|ring| ring.is_usable()) else {
            return RecvStatus::Drained;
        };
        let status = match ring {
            Ring::Split(ring) => receive(ring, pool, batch, counters),
            Ring::Packed(ring) => receive(ring, pool, batch, counters),
        };
        if ring.broken().is_some() {
            self.shared.note_broken(self.ring(), ring);
        }
        status
    }

    fn wake_source(&self) -> WakeSource<'_> {
        let wake = &self.shared.wakes[self.pair];
        if wake.polled.load(Ordering::Relaxed) {
            WakeSource::Always
        } else {
            WakeSource::Fd(wake.as_fd())
        }
    }

    fn park(&mut self, _pool: &mut FramePool) {
        let wake = &self.shared.wakes[self.pair];
        wake.drain();
        // A ring that changes right now may have something to say.
        let Some(mut guard) = self.shared.slots[self.ring()].try_lock() else {
            return wake.poke();
        };
        if let Some(ring) = guard.as_mut().filter(|ring| ring.is_usable())
            && ring.allow_kicks()
        {
            wake.poke();
        }
    }
}
