//! Split rings: descriptors, heads made available, and heads given back, each in a ring of its own.
//!
//! # Design
//! What a ring has done so far is its used index, which lies in the guest's memory.
//!
//! # Invariants
//! - `next_available` and `next_used` move together.
//! - Heads are taken only up to `seen_available`, which is never more than the ring's entries ahead.
//!
//! # References
//! virtio 1.2 §2.7.5.3 (indirect descriptors), §2.7.7.2, §2.7.10 (notifications).

use virtio_bindings::virtio_ring::{
    VRING_AVAIL_F_NO_INTERRUPT, VRING_DESC_F_INDIRECT, VRING_DESC_F_NEXT, VRING_USED_F_NO_NOTIFY,
};

use super::super::feature::{Features, bit};
use super::super::memory::Access;
use super::super::vring::{Descriptor, Table, Vring};
use super::chain::{BadChain, Chain, Piece, table_entry};
use super::{Broken, Buffer, Layout, MAX_CHAIN, Part, Word, flag};

/// A split ring, and how far it has come.
pub struct Split {
    vring: Vring,
    next_available: Word,
    /// The available index as it was last found good: the guest writes it, so that each look at it
    /// takes its cache line away.
    seen_available: Word,
    next_used: Word,
    /// The used index that the guest was last considered to be told of.
    told: Option<u16>,
}

impl Split {
    /// A ring that goes on where its used index stands.
    #[must_use]
    pub fn new(vring: Vring, features: Features) -> Split {
        let at = Word::new(vring.used_index());
        if features.has(bit::EVENT_IDX) {
            vring.set_used_flags(0);
        }
        Split { vring, next_available: at, seen_available: at, next_used: at, told: None }
    }

    /// Buffers that the guest has made available.
    fn n_available(&mut self) -> Result<u16, Broken> {
        let index = self.vring.available_index();
        let available = index.wrapping_sub(self.next_available.get());
        let size = self.vring.table().size();
        // What was cut reads as zeroes, and says nothing.
        if self.vring.table().memory().is_lost() {
            return Err(Broken::MemoryLost);
        }
        if available > size {
            return Err(Broken::Index { available, size });
        }
        self.seen_available = Word::new(index);
        Ok(available)
    }

    /// Adds the pieces of a chain; the bytes that they have.
    #[inline]
    fn walk(&self, head: u16, chain: &mut Chain<'_>) -> Result<u64, BadChain> {
        let most = usize::from(self.vring.table().size()).min(MAX_CHAIN);
        let (mut n, mut total, mut next) = (0, 0, Some(head));
        while let Some(at) = next {
            let descriptor = self.vring.descriptor(at).ok_or(BadChain)?;
            next = follow(&descriptor);
            n += 1;
            if n > most {
                return Err(BadChain); // a loop
            }
            if descriptor.flags & flag(VRING_DESC_F_INDIRECT) == 0 {
                total += add(chain, &descriptor)?;
                continue;
            }
            if next.is_some() || !chain.indirect {
                return Err(BadChain);
            }
            total += self.walk_table(piece(&descriptor), chain, most)?;
        }
        Ok(total)
    }

    /// Adds the pieces of a table that a descriptor names.
    fn walk_table(
        &self,
        table: Piece,
        chain: &mut Chain<'_>,
        most: usize,
    ) -> Result<u64, BadChain> {
        let (mut n, mut total, mut next) = (0, 0, Some(0u16));
        while let Some(at) = next {
            n += 1;
            if n > most {
                return Err(BadChain);
            }
            let bytes = table_entry(self.vring.table().memory(), table, at).ok_or(BadChain)?;
            let descriptor = Descriptor::parse(bytes);
            if descriptor.flags & flag(VRING_DESC_F_INDIRECT) != 0 {
                return Err(BadChain); // a table in a table
            }
            total += add(chain, &descriptor)?;
            next = follow(&descriptor);
        }
        Ok(total)
    }
}

fn piece(descriptor: &Descriptor) -> Piece {
    Piece { addr: descriptor.addr, len: descriptor.len }
}

fn add(chain: &mut Chain<'_>, descriptor: &Descriptor) -> Result<u64, BadChain> {
    chain.add(piece(descriptor), descriptor.flags)
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

impl Layout for Split {
    type Words = Vring;

    fn into_words(self) -> Vring {
        self.vring
    }

    fn exchange(&mut self, vring: Vring) -> Vring {
        std::mem::replace(&mut self.vring, vring)
    }

    fn table(&self) -> &Table {
        self.vring.table()
    }

    fn base(&self) -> u32 {
        self.next_available.get().into()
    }

    #[inline]
    fn look(&mut self, most: u16, access: Access) -> Result<u16, Broken> {
        let n = self.n_available()?.min(most);
        for ahead in 0..n {
            let head = self.vring.available_head(self.next_available.get().wrapping_add(ahead));
            if let Some(descriptor) = self.vring.descriptor(head) {
                self.vring.table().memory().expect(descriptor.addr, access);
            }
        }
        Ok(n)
    }

    #[inline(always)] // As it is held, in registers.
    fn read(&mut self, ahead: u16, mut chain: Chain<'_>) -> Result<Option<Buffer>, Broken> {
        let seen = self.seen_available.get().wrapping_sub(self.next_available.get());
        if ahead >= seen && ahead >= self.n_available()? {
            return Ok(None);
        }
        let head = self.vring.available_head(self.next_available.get().wrapping_add(ahead));
        let size = self.vring.table().size();
        if head >= size {
            return Err(Broken::Head { head, size });
        }
        let room = self.walk(head, &mut chain);
        Ok(Some(Buffer { id: head, n_slots: 1, room }))
    }

    #[inline]
    fn give_back(&mut self, buffer: &Buffer, len: u32, _part: Part) {
        self.vring.put_used(self.next_used.get(), buffer.id, len);
        self.next_used = Word::new(self.next_used.get().wrapping_add(1));
        self.next_available = Word::new(self.next_available.get().wrapping_add(1));
    }

    fn publish(&mut self) {
        self.vring.publish_used(self.next_used.get());
    }

    fn tell(&mut self, features: Features) -> bool {
        self.vring.fence();
        let told = self.told.replace(self.next_used.get());
        if features.has(bit::EVENT_IDX) {
            let passed = |told| passes(self.vring.used_event(), self.next_used.get(), told);
            told.is_none_or(passed)
        } else {
            self.vring.available_flags() & flag(VRING_AVAIL_F_NO_INTERRUPT) == 0
        }
    }

    fn forget_told(&mut self) {
        self.told = None;
    }

    fn has_news(&self) -> bool {
        self.told != Some(self.next_used.get())
    }

    fn refuse_kicks(&mut self, features: Features) {
        // With event indexes, the one that stands there stays behind.
        if !features.has(bit::EVENT_IDX) {
            self.vring.set_used_flags(flag(VRING_USED_F_NO_NOTIFY));
        }
    }

    fn ask_for_kicks(&mut self, features: Features) -> bool {
        if features.has(bit::EVENT_IDX) {
            self.vring.set_available_event(self.next_available.get());
        } else {
            self.vring.set_used_flags(0);
        }
        self.vring.fence();
        self.vring.available_index() != self.next_available.get()
    }
}

#[cfg(test)]
mod tests;
