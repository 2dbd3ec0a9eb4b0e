//! The transmit side of a socket, but for its system calls: the TX ring, the completion ring, and the
//! frames that are lent to them.
//!
//! # Design
//! A small frame of the memory goes out where it lies, wherever it came from: its handle is given up
//! and its address put into the ring. It comes back by the completion ring, in any order. A frame
//! that cannot go as it is (a large one, or one without room for a request in front) is copied to as
//! many small ones as it needs, chained by an option of the descriptor.
//!
//! An unfinished checksum is left to the kernel by a request in front of the data, where the socket
//! takes requests; else it is finished here.
//!
//! # Invariants
//! Every descriptor is valid to the kernel: not empty, within its chunk, and with room for a request in
//! front of it. One that is not would be skipped and never completed.

use arrayvec::ArrayVec;

use super::abi::{self, Desc};
use super::ring::{CompletionRing, TxRing};
use crate::batch::Batch;
use crate::counter::PortCounters;
use crate::drop_reason::DropReason;
use crate::frame::{Checksum, Frame, FramePool, Loan, Offload, SizeClass};
use crate::offload::checksum;

/// Most chunks of a frame: one, and the fragments of an `skb` (`MAX_SKB_FRAGS` of Linux is 17).
const MAX_PIECES: usize = 17;
/// Bytes of an Ethernet header: nothing shorter is sent.
const MIN_LEN: usize = packet::ethernet::HEADER_LEN;

/// What a socket's transmit side was given by the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Abilities {
    /// Frames may be chained.
    pub chains: bool,
    /// Requests may stand in front of the data.
    pub requests: bool,
}

/// The transmit side.
pub(super) struct Sender {
    tx: TxRing,
    completion: CompletionRing,
    loan: Loan,
    abilities: Abilities,
    /// Completions that named no frame under way.
    n_bad: u64,
}

impl Sender {
    /// Nothing under way yet.
    pub(super) fn new(
        (tx, completion): (TxRing, CompletionRing),
        loan: Loan,
        abilities: Abilities,
    ) -> Sender {
        Sender { tx, completion, loan, abilities, n_bad: 0 }
    }

    /// Takes back what was sent.
    pub(super) fn reap(&mut self, pool: &mut FramePool) {
        let mut n = 0;
        while let Some(address) = self.completion.take() {
            n += 1;
            match self.loan.take_back(address) {
                Some(frame) => pool.put(frame),
                // The frame that it should have named stays lent until the socket is closed. It was
                // counted as sent: nothing more is lost, but it must be seen.
                None => self.n_bad += 1,
            }
        }
        if n > 0 {
            self.completion.release();
        }
    }

    /// Puts the frames into the TX ring and shows them to the kernel. What does not fit is dropped.
    pub(super) fn put(&mut self, pool: &mut FramePool, batch: &mut Batch, counters: &PortCounters) {
        let (mut n, mut n_bytes) = (0, 0);
        for frame in batch.drain(..) {
            let len = frame.len() as u64;
            match self.put_frame(frame, pool, counters) {
                Ok(()) => {
                    n += 1;
                    n_bytes += len;
                }
                Err(reason) => counters.drop_tx(reason, 1),
            }
        }
        self.tx.publish();
        counters.tx_packets.add(n);
        counters.tx_bytes.add(n_bytes);
    }

    /// Completions that named no frame under way.
    pub(super) fn n_bad(&self) -> u64 {
        self.n_bad
    }

    /// Frames that the kernel has and will give back.
    pub(super) fn n_out(&self) -> usize {
        self.loan.n_out()
    }

    /// Whether the kernel has taken all descriptors.
    pub(super) fn is_drained(&mut self) -> bool {
        self.tx.is_drained()
    }

    /// Descriptors that the kernel has not taken, as seen last.
    pub(super) fn n_waiting(&self) -> u32 {
        self.tx.n_waiting()
    }

    /// Whether the kernel asks to be told.
    pub(super) fn needs_wakeup(&self) -> bool {
        self.tx.needs_wakeup()
    }

    fn put_frame(
        &mut self,
        mut frame: Frame,
        pool: &mut FramePool,
        counters: &PortCounters,
    ) -> Result<(), DropReason> {
        if frame.len() < MIN_LEN {
            pool.put(frame);
            return Err(DropReason::TxError);
        }
        let request = match self.checksum(&mut frame, counters) {
            Ok(request) => request,
            Err(reason) => {
                pool.put(frame);
                return Err(reason);
            }
        };
        let room_in_front = if self.abilities.requests { abi::METADATA_LEN } else { 0 };
        let as_it_is = frame.class() == SizeClass::Small && frame.headroom() >= room_in_front;
        let mut pieces = ArrayVec::<Frame, MAX_PIECES>::new();
        let cut = if as_it_is {
            pieces.push(frame);
            Ok(())
        } else {
            let cut = self.cut(&frame, pool, &mut pieces);
            pool.put(frame);
            cut
        };
        if let Err(reason) = cut.and_then(|()| self.lend(&mut pieces, request, pool)) {
            pool.put_all(pieces);
            return Err(reason);
        }
        Ok(())
    }

    /// Finishes an unfinished checksum, or says what to ask the kernel for.
    fn checksum(
        &self,
        frame: &mut Frame,
        counters: &PortCounters,
    ) -> Result<Option<(u16, u16)>, DropReason> {
        let Offload { checksum: Checksum::Partial { start, offset }, .. } = *frame.offload() else {
            return Ok(None);
        };
        // The kernel wants the field in the first chunk.
        let end = usize::from(start) + usize::from(offset) + 2;
        if self.abilities.requests && end <= frame.len().min(SizeClass::Small.room()) {
            return Ok(Some((start, offset)));
        }
        if !checksum::complete(frame) {
            return Err(DropReason::BadOffload);
        }
        counters.tx_checksums.add(1);
        Ok(None)
    }

    /// Copies a frame to small ones.
    fn cut(
        &self,
        frame: &Frame,
        pool: &mut FramePool,
        pieces: &mut ArrayVec<Frame, MAX_PIECES>,
    ) -> Result<(), DropReason> {
        let room = SizeClass::Small.room();
        let most = if self.abilities.chains { MAX_PIECES } else { 1 };
        if frame.len().div_ceil(room) > most {
            return Err(DropReason::MtuExceeded);
        }
        for bytes in frame.data().chunks(room) {
            pieces.push(pool.from_bytes(bytes).ok_or(DropReason::NoFrame)?);
        }
        Ok(())
    }

    /// Puts the pieces of a frame into the ring, all or none.
    fn lend(
        &mut self,
        pieces: &mut ArrayVec<Frame, MAX_PIECES>,
        request: Option<(u16, u16)>,
        pool: &mut FramePool,
    ) -> Result<(), DropReason> {
        let n = u32::try_from(pieces.len()).unwrap_or(u32::MAX);
        if self.tx.room_for(n) < n {
            return Err(DropReason::TxQueueFull);
        }
        let first = request.map_or(0, |_| abi::HAS_METADATA);
        if let (Some((start, offset)), Some(piece)) = (request, pieces.first_mut()) {
            write_request(piece, start, offset);
        }
        let last = pieces.len() - 1;
        for (i, piece) in pieces.drain(..).enumerate() {
            let len = u32::try_from(piece.len()).unwrap_or(0);
            let options = if i == 0 { first } else { 0 };
            let options = if i < last { options | abi::CONTINUES } else { options };
            match self.loan.lend(piece) {
                Ok(address) => self.tx.put(Desc { address, len, options }),
                // Of another memory than the socket's: there is but one.
                Err(piece) => {
                    pool.put(piece);
                    return Err(DropReason::TxError);
                }
            }
        }
        Ok(())
    }
}

/// Writes a request in front of the data, where there is room.
fn write_request(piece: &mut Frame, start: u16, offset: u16) {
    if piece.extend_front(abi::METADATA_LEN) {
        let request = abi::checksum_request(start, offset);
        piece.data_mut()[..abi::METADATA_LEN].copy_from_slice(&request);
        let trimmed = piece.trim_front(abi::METADATA_LEN);
        debug_assert!(trimmed);
    }
}

#[cfg(test)]
mod tests;
