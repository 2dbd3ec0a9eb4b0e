//! A ring in use: which buffers a guest has made available, and what becomes of them.
//!
//! # Design
//! Everything is done in order: a buffer is taken, copied from or to, and given back before the next,
//! and the used index is published once for a batch. So what a ring has done so far is its used
//! index, which lies in the guest's memory: a switch that starts again, or takes over from another,
//! goes on there.
//!
//! Chains are walked once, copying each descriptor, into a list of [`Piece`]s; the list is what frames
//! are copied by. A chain that makes no sense costs its frame: it is given back empty. An index that
//! makes no sense breaks the ring, since nothing that it says can be trusted: it rests until the
//! front end sets it up anew.
//!
//! # Invariants
//! - `next_available` moves only over heads that are given back in the same call, and `next_used`
//!   moves with it.
//! - Heads are taken only up to `seen_available`, which is never more than the ring's entries ahead.
//! - A chain has at most as many descriptors as the ring has entries, and no more than [`MAX_CHAIN`].
//!
//! # References
//! virtio 1.2 §2.7.5.3 (indirect descriptors), §2.7.7.2, §2.7.10 (notifications).

use std::os::fd::OwnedFd;
use std::sync::Arc;

use virtio_bindings::virtio_ring::{
    VRING_AVAIL_F_NO_INTERRUPT, VRING_DESC_F_INDIRECT, VRING_DESC_F_NEXT, VRING_DESC_F_WRITE,
    VRING_USED_F_NO_NOTIFY,
};

use super::feature::{Features, bit};
use super::vring::{DESCRIPTOR_LEN, Descriptor, Vring};

/// Most descriptors of a chain, whatever the ring's size: what other devices bear
/// (`VIRTQUEUE_MAX_SIZE` of QEMU).
pub const MAX_CHAIN: usize = 1024;
/// Most buffers that one frame is spread over: 64 KiB in buffers of half a kilobyte.
const MAX_MERGED: usize = 128;

/// Who writes a buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// The guest has written it: a frame that it sends.
    Read,
    /// The switch writes it: room for a frame that the guest receives.
    Write,
}

/// A stretch of guest memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Piece {
    addr: u64,
    len: u32,
}

/// Why a ring rests.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Broken {
    /// More buffers than the ring has entries.
    #[error("the guest claims {available} buffers in a ring of {size}")]
    Index {
        /// What it claims.
        available: u16,
        /// The ring's entries.
        size: u16,
    },
    /// No such descriptor.
    #[error("the guest names descriptor {head} of a ring of {size}")]
    Head {
        /// What it names.
        head: u16,
        /// The ring's entries.
        size: u16,
    },
    /// A file was cut under its memory.
    #[error("the guest's memory file was cut short")]
    MemoryLost,
}

/// A chain that makes no sense.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct BadChain;

/// Where in a list of pieces a copy goes on.
#[derive(Clone, Copy, Default)]
pub struct Cursor {
    piece: usize,
    off: u32,
}

/// A buffer of the guest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Taken {
    /// So many bytes to read.
    Bytes(u64),
    /// It makes no sense.
    Bad,
}

/// What became of a search for room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Room {
    /// There is room: `n_buffers` are held.
    Found {
        /// How many buffers.
        n_buffers: u16,
    },
    /// The guest has not made enough available.
    Full,
    /// What it made available cannot hold such a frame.
    TooSmall,
    /// A buffer made no sense; it was given back.
    Bad,
}

/// A ring in use.
pub struct Ring {
    vring: Vring,
    features: Features,
    call: Option<Arc<OwnedFd>>,
    next_available: u16,
    /// The available index as it was last found good: the guest writes it, so that each look at it
    /// takes its cache line away.
    seen_available: u16,
    next_used: u16,
    /// The used index that the guest was last considered to be told of.
    told: Option<u16>,
    kicks_off: bool,
    broken: Option<Broken>,
    /// Frames may pass.
    pub enabled: bool,
    pieces: Vec<Piece>,
    /// Heads held, with the bytes that each has room for.
    heads: Vec<(u16, u64)>,
}

const fn flag(word: u32) -> u16 {
    // Flags of descriptors and rings are 16 bits wide.
    (word & 0xffff) as u16
}

impl Ring {
    /// A ring that goes on where its used index stands.
    #[must_use]
    pub fn new(vring: Vring, features: Features, call: Option<Arc<OwnedFd>>) -> Ring {
        let at = vring.used_index();
        if features.has(bit::EVENT_IDX) {
            vring.set_used_flags(0);
        }
        Ring {
            vring,
            features,
            call,
            next_available: at,
            seen_available: at,
            next_used: at,
            told: None,
            kicks_off: false,
            broken: None,
            enabled: false,
            pieces: Vec::new(),
            heads: Vec::new(),
        }
    }

    /// The same ring elsewhere in the front end's memory, or with other features; and where it was.
    #[must_use]
    pub fn moved(mut self, vring: Vring, features: Features) -> (Ring, Vring) {
        let before = std::mem::replace(&mut self.vring, vring);
        (Ring { features, told: None, kicks_off: false, ..self }, before)
    }

    /// What the front end has taken.
    #[must_use]
    pub fn features(&self) -> Features {
        self.features
    }

    /// Its place in memory.
    #[must_use]
    pub fn vring(&self) -> &Vring {
        &self.vring
    }

    /// The index of the next buffer.
    #[must_use]
    pub fn base(&self) -> u16 {
        self.next_available
    }

    /// Why it rests, if it does.
    #[must_use]
    pub fn broken(&self) -> Option<Broken> {
        self.broken
    }

    /// Whether frames may pass.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.enabled && self.broken.is_none()
    }

    /// How the guest is told of used buffers from now on.
    pub fn set_call(&mut self, call: Option<Arc<OwnedFd>>) {
        self.call = call;
        self.told = None;
    }

    /// Buffers that the guest has made available, after a look; none if the ring breaks over it.
    pub fn n_available(&mut self) -> u16 {
        let index = self.vring.available_index();
        let available = index.wrapping_sub(self.next_available);
        let size = self.vring.size();
        // What was cut reads as zeroes, and says nothing.
        if self.vring.memory().is_lost() {
            self.broken = Some(Broken::MemoryLost);
            return 0;
        }
        if available > size {
            self.broken = Some(Broken::Index { available, size });
            return 0;
        }
        self.seen_available = index;
        available
    }

    /// The head at an index; `None` if the ring breaks over it.
    fn head_at(&mut self, index: u16) -> Option<u16> {
        let (head, size) = (self.vring.available_head(index), self.vring.size());
        if head >= size {
            self.broken = Some(Broken::Head { head, size });
            return None;
        }
        Some(head)
    }

    /// Adds the pieces of a chain to the list; the bytes that they have.
    fn walk(&mut self, head: u16, access: Access) -> Result<u64, BadChain> {
        let most = usize::from(self.vring.size()).min(MAX_CHAIN);
        let (mut n, mut total, mut next) = (0, 0, Some(head));
        while let Some(at) = next {
            let descriptor = self.vring.descriptor(at).ok_or(BadChain)?;
            next = follow(&descriptor);
            n += 1;
            if n > most {
                return Err(BadChain); // a loop
            }
            if descriptor.flags & flag(VRING_DESC_F_INDIRECT) == 0 {
                total += self.add_piece(&descriptor, access)?;
                continue;
            }
            if next.is_some() || !self.features.has(bit::INDIRECT) {
                return Err(BadChain);
            }
            total += self.walk_table(&descriptor, access, most)?;
        }
        Ok(total)
    }

    /// Adds the pieces of a table that a descriptor names.
    fn walk_table(
        &mut self,
        table: &Descriptor,
        access: Access,
        most: usize,
    ) -> Result<u64, BadChain> {
        let n_entries = u64::from(table.len) / DESCRIPTOR_LEN as u64;
        let (mut n, mut total, mut next) = (0, 0, Some(0u16));
        while let Some(at) = next {
            n += 1;
            if u64::from(at) >= n_entries || n > most {
                return Err(BadChain);
            }
            let mut bytes = [0; DESCRIPTOR_LEN];
            let addr = table.addr.wrapping_add(u64::from(at) * DESCRIPTOR_LEN as u64);
            if !self.vring.memory().copy_out(addr, &mut bytes) {
                return Err(BadChain);
            }
            let descriptor = Descriptor::parse(bytes);
            if descriptor.flags & flag(VRING_DESC_F_INDIRECT) != 0 {
                return Err(BadChain); // a table in a table
            }
            total += self.add_piece(&descriptor, access)?;
            next = follow(&descriptor);
        }
        Ok(total)
    }

    fn add_piece(&mut self, descriptor: &Descriptor, access: Access) -> Result<u64, BadChain> {
        let written = descriptor.flags & flag(VRING_DESC_F_WRITE) != 0;
        if written != (access == Access::Write) {
            return Err(BadChain);
        }
        self.pieces.push(Piece { addr: descriptor.addr, len: descriptor.len });
        Ok(descriptor.len.into())
    }

    /// Asks for the memory of the next `n` buffers. Another processor has written it, and each cache line
    /// takes as long as a frame costs otherwise: asked for together, they travel side by side.
    pub fn expect(&self, n: u16) {
        for ahead in 0..n {
            let head = self.vring.available_head(self.next_available.wrapping_add(ahead));
            if let Some(descriptor) = self.vring.descriptor(head) {
                self.vring.memory().expect(descriptor.addr);
            }
        }
    }

    /// Takes the next buffer of the guest, of which there is one, to be read. `None` if the ring breaks
    /// over it. What was taken is given back by [`Ring::give_back`].
    pub fn take(&mut self) -> Option<Taken> {
        let head = self.head_at(self.next_available)?;
        self.pieces.clear();
        self.heads.clear();
        self.heads.push((head, 0));
        Some(self.walk(head, Access::Read).map_or(Taken::Bad, Taken::Bytes))
    }

    /// Holds buffers with room for `need` bytes together, if the guest has made enough available: to
    /// be written by [`Ring::copy_in`], and given back by [`Ring::give_back`].
    pub fn find_room(&mut self, need: usize) -> Room {
        self.pieces.clear();
        self.heads.clear();
        let mut n_available = self.seen_available.wrapping_sub(self.next_available);
        let most = if self.features.has(bit::MRG_RXBUF) { MAX_MERGED } else { 1 };
        let (mut room, mut n) = (0u64, 0u16);
        while room < need as u64 {
            if usize::from(n) == most || self.pieces.len() > MAX_CHAIN {
                return Room::TooSmall;
            }
            if n == n_available {
                n_available = self.n_available();
                if n >= n_available {
                    return Room::Full;
                }
            }
            let Some(head) = self.head_at(self.next_available.wrapping_add(n)) else {
                return Room::Bad;
            };
            let walked = self.walk(head, Access::Write);
            n += 1;
            self.heads.push((head, *walked.as_ref().unwrap_or(&0)));
            match walked {
                Ok(len) => room += len,
                Err(BadChain) => {
                    self.give_back(0);
                    return Room::Bad;
                }
            }
        }
        Room::Found { n_buffers: n }
    }

    /// Copies from the buffer taken; `false` if not all of it is there.
    #[must_use]
    pub fn copy_out(&self, cursor: &mut Cursor, mut to: &mut [u8]) -> bool {
        while !to.is_empty() {
            let Some((addr, left)) = self.at(cursor) else { return false };
            let (now, later) = to.split_at_mut(left.min(to.len()));
            if !self.vring.memory().copy_out(addr, now) {
                return false;
            }
            cursor.move_by(now.len());
            to = later;
        }
        true
    }

    /// Copies to the buffers held; `false` if not all of it has a place.
    #[must_use]
    pub fn copy_in(&self, cursor: &mut Cursor, mut from: &[u8]) -> bool {
        while !from.is_empty() {
            let Some((addr, left)) = self.at(cursor) else { return false };
            let (now, later) = from.split_at(left.min(from.len()));
            if !self.vring.memory().copy_in(addr, now) {
                return false;
            }
            cursor.move_by(now.len());
            from = later;
        }
        true
    }

    /// The address at a cursor, and the bytes that follow in its piece.
    fn at(&self, cursor: &mut Cursor) -> Option<(u64, usize)> {
        loop {
            let piece = self.pieces.get(cursor.piece)?;
            let left = piece.len.saturating_sub(cursor.off);
            if left > 0 {
                let left = usize::try_from(left).unwrap_or(usize::MAX);
                return Some((piece.addr.wrapping_add(cursor.off.into()), left));
            }
            *cursor = Cursor { piece: cursor.piece + 1, off: 0 };
        }
    }

    /// Gives back what was taken or is held, with `written` bytes in it. The guest sees it when it is
    /// published.
    pub fn give_back(&mut self, written: usize) {
        let mut left = written as u64;
        for (head, room) in self.heads.drain(..) {
            let len = left.min(room);
            left -= len;
            self.vring.put_used(self.next_used, head, u32::try_from(len).unwrap_or(u32::MAX));
            self.next_used = self.next_used.wrapping_add(1);
            self.next_available = self.next_available.wrapping_add(1);
        }
    }

    /// Shows the guest what was given back, and notifies it if it wants to be. Breaks the ring if its
    /// memory was lost meanwhile.
    pub fn publish(&mut self) {
        self.vring.publish_used(self.next_used);
        if self.vring.memory().is_lost() {
            self.broken = Some(Broken::MemoryLost);
            return;
        }
        self.vring.fence();
        let told = self.told.replace(self.next_used);
        let wanted = if self.features.has(bit::EVENT_IDX) {
            let passed = |told| passes(self.vring.used_event(), self.next_used, told);
            told.is_none_or(passed)
        } else {
            self.vring.available_flags() & flag(VRING_AVAIL_F_NO_INTERRUPT) == 0
        };
        if wanted && let Some(call) = &self.call {
            // An eventfd that is full tells all the same.
            let _ = rustix::io::write(call, &1u64.to_ne_bytes());
        }
    }

    /// Whether something was given back since the last call, or ever.
    #[must_use]
    pub fn has_news(&self) -> bool {
        self.told != Some(self.next_used)
    }

    /// Asks the guest not to notify: somebody looks anyway.
    pub fn suppress_kicks(&mut self) {
        if self.kicks_off {
            return;
        }
        self.kicks_off = true;
        // With event indexes, the one that stands there stays behind.
        if !self.features.has(bit::EVENT_IDX) {
            self.vring.set_used_flags(flag(VRING_USED_F_NO_NOTIFY));
        }
    }

    /// Asks the guest to notify from the next buffer on; whether there is one already.
    pub fn allow_kicks(&mut self) -> bool {
        self.kicks_off = false;
        if self.features.has(bit::EVENT_IDX) {
            self.vring.set_available_event(self.next_available);
        } else {
            self.vring.set_used_flags(0);
        }
        self.vring.fence();
        self.vring.available_index() != self.next_available
    }
}

impl Cursor {
    fn move_by(&mut self, n: usize) {
        // No more than is left of the piece, whose length is 32 bits.
        self.off = self.off.saturating_add(u32::try_from(n).unwrap_or(u32::MAX));
    }
}

/// The descriptor behind one, if there is one.
fn follow(descriptor: &Descriptor) -> Option<u16> {
    (descriptor.flags & flag(VRING_DESC_F_NEXT) != 0).then_some(descriptor.next)
}

/// Whether an index that moved from `old` to `new` passed `event` (`vring_need_event`,
/// virtio 1.2 §2.7.10.1).
const fn passes(event: u16, new: u16, old: u16) -> bool {
    new.wrapping_sub(event).wrapping_sub(1) < new.wrapping_sub(old)
}

#[cfg(test)]
mod tests;
