//! Sends to a guest: the even ring of a pair.

use std::sync::Arc;

use super::feature::{Features, bit};
use super::memory::Access;
use super::ring::{Buffers, Cursor, Layout, Ring, Room};
use super::shared::Shared;
use crate::batch::Batch;
use crate::counter::PortCounters;
use crate::drop_reason::DropReason;
use crate::frame::{Frame, FramePool, GsoKind, Offload};
use crate::netdev::{TxCaps, Txq};
use crate::offload::vnet;

/// One poll thread's way to the guest. It uses the rings to the guest that are there: with several,
/// each thread has its own.
pub(super) struct VhostTxq {
    shared: Arc<Shared>,
    number: usize,
}

impl VhostTxq {
    pub(super) fn new(shared: Arc<Shared>, number: usize) -> VhostTxq {
        VhostTxq { shared, number }
    }
}

/// Whether the guest takes what is left undone. The caller asked before, but a guest may have been
/// set up anew since.
fn is_taken(features: Features, offload: &Offload) -> bool {
    let caps = features.tx_caps();
    match offload.gso {
        None => caps.checksum || offload.is_done(),
        Some(gso) => match gso.kind {
            GsoKind::TcpV4 | GsoKind::TcpV6 => caps.tcp_segmentation,
            GsoKind::Udp => caps.udp_segmentation,
        },
    }
}

/// The header in front of a frame, in `n_buffers` buffers.
fn header(features: Features, frame: &Frame, n_buffers: u16) -> [u8; 12] {
    let mut header = [0; 12];
    // That a checksum was found right is only to be said to those who asked.
    if features.has(bit::GUEST_CSUM) {
        header[..vnet::HEADER_LEN].copy_from_slice(&vnet::emit(frame));
    }
    header[vnet::HEADER_LEN..].copy_from_slice(&n_buffers.to_le_bytes());
    header
}

/// What to do after a frame was refused.
enum Refusal {
    /// It is lost, but the next may pass.
    One(DropReason),
    /// It is lost, and so are those behind it.
    Rest(DropReason),
}

fn write_frame<L: Layout>(ring: &mut Buffers<L>, frame: &Frame) -> Result<(), Refusal> {
    if !is_taken(ring.features(), frame.offload()) {
        return Err(Refusal::One(DropReason::TxError));
    }
    let header_len = ring.features().header_len();
    let total = header_len + frame.len();
    let n_buffers = match ring.find_room(total) {
        Room::Found { n_buffers } => n_buffers,
        Room::Full => return Err(Refusal::Rest(DropReason::TxQueueFull)),
        Room::TooSmall => return Err(Refusal::One(DropReason::TxError)),
        Room::Bad => return Err(Refusal::One(DropReason::BadDescriptor)),
    };
    let header = header(ring.features(), frame, n_buffers);
    let mut cursor = Cursor::default();
    let written =
        ring.copy_in(&mut cursor, &header[..header_len]) && ring.copy_in(&mut cursor, frame.data());
    ring.give_back(if written { total } else { 0 });
    if written { Ok(()) } else { Err(Refusal::One(DropReason::BadDescriptor)) }
}

/// Frames and bytes that passed.
fn write_batch<L: Layout>(ring: &mut Buffers<L>, batch: &Batch, counters: &PortCounters) {
    let (mut n, mut n_bytes) = (0, 0);
    ring.look(u16::try_from(batch.len()).unwrap_or(0), Access::Write); // a look for the whole batch
    for (at, frame) in batch.iter().enumerate() {
        if !ring.is_usable() {
            counters.drop_tx(DropReason::TxPortDown, (batch.len() - at) as u64);
            break;
        }
        match write_frame(ring, frame) {
            Ok(()) => {
                n += 1;
                n_bytes += frame.len() as u64;
            }
            Err(Refusal::One(reason)) => counters.drop_tx(reason, 1),
            Err(Refusal::Rest(reason)) => {
                counters.drop_tx(reason, (batch.len() - at) as u64);
                break;
            }
        }
    }
    counters.tx_packets.add(n);
    counters.tx_bytes.add(n_bytes);
    if ring.has_news() {
        ring.publish();
    }
}

impl Txq for VhostTxq {
    fn send(&mut self, pool: &mut FramePool, batch: &mut Batch, counters: &PortCounters) {
        let slot = self.shared.ring_for(self.number);
        let index = slot.map_or(0, |slot| slot.number());
        let mut guard = slot.map(|slot| slot.lock());
        let ring = guard.as_mut().and_then(|guard| guard.as_mut());
        match ring.filter(|ring| ring.is_usable()) {
            None => counters.drop_tx(DropReason::TxPortDown, batch.len() as u64),
            Some(ring) => {
                match ring {
                    Ring::Split(ring) => write_batch(ring, batch, counters),
                    Ring::Packed(ring) => write_batch(ring, batch, counters),
                }
                if ring.broken().is_some() {
                    self.shared.note_broken(index, ring);
                }
            }
        }
        drop(guard);
        pool.put_all(batch.drain(..));
    }

    fn caps(&self) -> TxCaps {
        self.shared.tx_caps()
    }
}
