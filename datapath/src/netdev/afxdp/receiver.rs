//! The receive side of a socket, but for its system calls: the fill ring, the RX ring, and the frames
//! that are lent to them.
//!
//! # Design
//! A number of frames is lent to the kernel by the fill ring and kept at that level. What the RX ring
//! says was received is a claim of the kernel's: the address must lie in a frame that is lent for
//! receiving, and the bytes within its chunk, or it is [`DropReason::BadDescriptor`].
//!
//! A frame longer than a chunk arrives in several, chained by an option of the descriptor; they are
//! copied into one large frame.
//!
//! # Invariants
//! - Frames that are lent are at most `level`, which is below the size of both rings: neither can
//!   overflow.
//! - What a frame of the device was, `rx_packets` counts once, whatever became of it.

use super::abi::{self, Desc};
use super::ring::{FillRing, RxRing};
use crate::batch::{Batch, MAX_BURST};
use crate::counter::PortCounters;
use crate::drop_reason::DropReason;
use crate::frame::{Frame, FramePool, Loan, SizeClass};
use crate::offload::recover::recover;

/// Whether checksums are looked at that the sender may have left unfinished.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Checksums {
    /// The other end is a stack of this machine.
    Recover,
    /// They are finished.
    Trust,
}

/// A frame that arrives in several chunks.
enum Chain {
    /// The next descriptor begins a frame.
    Idle,
    /// What has come so far.
    Growing(Frame),
    /// The rest of a lost frame.
    Lost(DropReason),
}

/// The receive side.
pub(super) struct Receiver {
    rx: RxRing,
    fill: FillRing,
    loan: Loan,
    /// Frames to have lent.
    level: usize,
    checksums: Checksums,
    chain: Chain,
}

impl Receiver {
    /// Nothing lent yet.
    pub(super) fn new(
        (rx, fill): (RxRing, FillRing),
        loan: Loan,
        level: usize,
        checksums: Checksums,
    ) -> Receiver {
        Receiver { rx, fill, loan, level, checksums, chain: Chain::Idle }
    }

    /// Descriptors that wait.
    pub(super) fn available(&mut self) -> u32 {
        self.rx.available()
    }

    /// Frames to have lent.
    pub(super) fn level(&self) -> usize {
        self.level
    }

    /// Whether so few frames are lent that arrivals may be lost.
    pub(super) fn is_starved(&self) -> bool {
        self.loan.n_out() < self.level / 2
    }

    /// Whether the kernel asks to be told of new buffers.
    pub(super) fn needs_wakeup(&self) -> bool {
        self.fill.needs_wakeup()
    }

    /// Takes what was received, as much as the batch has room for; how many descriptors.
    pub(super) fn recv(
        &mut self,
        pool: &mut FramePool,
        batch: &mut Batch,
        counters: &PortCounters,
    ) -> usize {
        let mut n = 0;
        while !batch.is_full() {
            let Some(desc) = self.rx.take() else { break };
            n += 1;
            self.accept(desc, pool, batch, counters);
        }
        if n > 0 {
            self.rx.release();
        }
        n
    }

    /// Lends frames up to the level, once a batch of them is missing.
    pub(super) fn refill(&mut self, pool: &mut FramePool) {
        let missing = self.level.saturating_sub(self.loan.n_out());
        if missing < MAX_BURST.min(self.level) {
            return;
        }
        let room = self.fill.room_for(u32::try_from(missing).unwrap_or(u32::MAX));
        for _ in 0..missing.min(room as usize) {
            let Some(frame) = pool.get(SizeClass::Small) else { break };
            match self.loan.lend(frame) {
                Ok(address) => self.fill.put(address),
                Err(frame) => {
                    pool.put(frame);
                    break;
                }
            }
        }
        self.fill.publish();
    }

    fn accept(
        &mut self,
        desc: Desc,
        pool: &mut FramePool,
        batch: &mut Batch,
        counters: &PortCounters,
    ) {
        let piece = self.piece(desc, pool);
        let goes_on = desc.options & abi::CONTINUES != 0;
        let chain = match (std::mem::replace(&mut self.chain, Chain::Idle), piece) {
            (Chain::Idle, Some(frame)) if !goes_on => {
                return deliver(frame, self.checksums, batch, counters);
            }
            (Chain::Idle, Some(piece)) => match pool.get(SizeClass::Large) {
                Some(whole) => append(whole, piece, pool),
                None => lost(DropReason::NoFrame, [piece], pool),
            },
            (Chain::Growing(whole), Some(piece)) => append(whole, piece, pool),
            (Chain::Growing(whole), None) => lost(DropReason::BadDescriptor, [whole], pool),
            (Chain::Lost(reason), piece) => lost(reason, piece, pool),
            (Chain::Idle, None) => Chain::Lost(DropReason::BadDescriptor),
        };
        match chain {
            chain if goes_on => self.chain = chain,
            Chain::Growing(frame) => deliver(frame, self.checksums, batch, counters),
            Chain::Lost(reason) => {
                counters.rx_packets.add(1);
                counters.drop_rx(reason, 1);
            }
            Chain::Idle => {}
        }
    }

    /// The lent frame that a descriptor names, with its data; `None` if it names none.
    fn piece(&mut self, desc: Desc, pool: &mut FramePool) -> Option<Frame> {
        let mut frame = self.loan.take_back(desc.address)?;
        if frame.set_len(desc.len as usize) {
            return Some(frame);
        }
        pool.put(frame);
        None
    }
}

fn deliver(mut frame: Frame, checksums: Checksums, batch: &mut Batch, counters: &PortCounters) {
    counters.rx_packets.add(1);
    counters.rx_bytes.add(frame.len() as u64);
    if checksums == Checksums::Recover {
        let offload = recover(frame.data());
        if !offload.is_done() {
            counters.rx_checksums.add(1);
            frame.set_offload(offload);
        }
    }
    batch.push(frame);
}

/// Adds a piece to what has come.
fn append(mut whole: Frame, piece: Frame, pool: &mut FramePool) -> Chain {
    let at = whole.len();
    if !whole.set_len(at + piece.len()) {
        return lost(DropReason::RxTruncated, [whole, piece], pool);
    }
    whole.data_mut()[at..].copy_from_slice(piece.data());
    pool.put(piece);
    Chain::Growing(whole)
}

fn lost(
    reason: DropReason,
    frames: impl IntoIterator<Item = Frame>,
    pool: &mut FramePool,
) -> Chain {
    pool.put_all(frames);
    Chain::Lost(reason)
}

#[cfg(test)]
mod tests;
