//! What a chain of descriptors comes to: stretches of the guest's memory.

use virtio_bindings::virtio_ring::VRING_DESC_F_WRITE;

use super::super::memory::{Access, GuestMemory};
use super::super::vring::DESCRIPTOR_LEN;

/// A stretch of guest memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Piece {
    /// Guest address.
    pub addr: u64,
    /// Bytes.
    pub len: u32,
}

/// A chain that makes no sense.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadChain;

/// What is gathered while a chain is walked.
pub struct Chain<'a> {
    /// Its pieces go behind those that are there.
    pub pieces: &'a mut Vec<Piece>,
    /// Who shall write it.
    pub access: Access,
    /// Whether descriptors may name tables of others.
    pub indirect: bool,
}

impl Chain<'_> {
    /// Adds a piece, whose descriptor has these flags; its bytes.
    #[inline]
    pub fn add(&mut self, piece: Piece, flags: u16) -> Result<u64, BadChain> {
        let is_written = u32::from(flags) & VRING_DESC_F_WRITE != 0;
        if is_written != (self.access == Access::Write) {
            return Err(BadChain);
        }
        self.pieces.push(piece);
        Ok(piece.len.into())
    }
}

/// Bytes of an entry of a table that a descriptor names; `None` if there is none.
pub fn table_entry(memory: &GuestMemory, table: Piece, at: u16) -> Option<[u8; DESCRIPTOR_LEN]> {
    let n_entries = u64::from(table.len) / DESCRIPTOR_LEN as u64;
    if u64::from(at) >= n_entries {
        return None;
    }
    let mut bytes = [0; DESCRIPTOR_LEN];
    let addr = table.addr.wrapping_add(u64::from(at) * DESCRIPTOR_LEN as u64);
    memory.copy_out(addr, &mut bytes).then_some(bytes)
}
