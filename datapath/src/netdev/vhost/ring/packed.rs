//! Packed rings: a buffer is made available, and given back, in one place.
//!
//! # Design
//! A descriptor has two bits of flags beside its own: AVAILABLE and USED. Each side counts its rounds of
//! the ring by a wrap counter, one bit; the driver writes its counter to AVAILABLE and the opposite to
//! USED, the device writes its counter to both. So there is no index to look at: whether the next buffer
//! is there says its own first descriptor. A chain lies in consecutive slots; it is given back in the
//! first of them, and the next buffer is behind the last.
//!
//! **Publishing.** What is given back is noted, and written at once for a batch, in order, one word of
//! eight bytes each ([`PackedVring::put`]). But of a frame that is spread over several buffers the first
//! is written last, so that a guest that polls sees all of them or none (virtio 1.2 §2.8.9).
//!
//! **Where a ring stands** says the ring itself: USED is the device's wrap counter in every slot before
//! its place, and the opposite from there on, and the driver never changes that. For this the other
//! slots of a chain are marked as used too, which the standard does not ask for: they are the device's
//! until its first one is given back, and a driver does not look at them. So a switch that starts again
//! goes on where it was, although front ends do not know: QEMU, whose device vanished, tells where the
//! ring began. One that was killed in the midst of a frame leaves its first slot and, behind it, slots
//! that are marked already: a chain is served again, and a spread frame, all of which is in the guest's
//! memory by then, is finished. A ring in which USED does not look so was served by another device, and
//! begins where the front end says.
//!
//! # Invariants
//! - Between batches `published` is `next`.
//! - From `published` to `next` there are never more slots than the ring has.
//!
//! # References
//! virtio 1.2 §2.8.1 (wrap counters), §2.8.3–2.8.6 (chains, used descriptors), §2.8.7 (indirect
//! descriptors), §2.8.9 (requests of several buffers), §2.8.14 (event suppression), §2.8.21 (supplying
//! buffers).

use arrayvec::ArrayVec;
use virtio_bindings::virtio_ring::{
    VRING_DESC_F_INDIRECT, VRING_DESC_F_NEXT, VRING_DESC_F_WRITE, VRING_PACKED_DESC_F_AVAIL,
    VRING_PACKED_DESC_F_USED, VRING_PACKED_EVENT_FLAG_DESC, VRING_PACKED_EVENT_FLAG_DISABLE,
    VRING_PACKED_EVENT_FLAG_ENABLE,
};

use super::super::feature::{Features, bit};
use super::super::memory::Access;
use super::super::vring::packed::{Event, PackedDescriptor, PackedVring};
use super::super::vring::{DESCRIPTOR_LEN, Table};
use super::chain::{BadChain, Chain, Piece, table_entry};
use super::{Broken, Buffer, Layout, MAX_CHAIN, Part, Word, flag};

const NEXT: u16 = flag(VRING_DESC_F_NEXT);
const WRITE: u16 = flag(VRING_DESC_F_WRITE);
const INDIRECT: u16 = flag(VRING_DESC_F_INDIRECT);
const AVAILABLE: u16 = 1 << VRING_PACKED_DESC_F_AVAIL;
const USED: u16 = 1 << VRING_PACKED_DESC_F_USED;
/// The wrap counter in a [`Position`]'s word.
const WRAP: u16 = 1 << 15;

/// A slot, and the wrap counter there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Position {
    slot: u16,
    wrap: bool,
}

impl Position {
    /// Where a ring begins.
    const START: Position = Position { slot: 0, wrap: true };

    const fn from_word(word: u16) -> Position {
        Position { slot: word & !WRAP, wrap: word & WRAP != 0 }
    }

    const fn word(self) -> u16 {
        if self.wrap { self.slot | WRAP } else { self.slot }
    }

    /// `n` slots further in a ring of `size`, of which `n` is at most one round.
    #[inline]
    const fn plus(self, n: u16, size: u16) -> Position {
        // Both are at most 32768.
        let left = size - self.slot;
        if n < left {
            Position { slot: self.slot + n, wrap: self.wrap }
        } else {
            Position { slot: n - left, wrap: !self.wrap }
        }
    }

    /// Slots from `earlier` to here in a ring of `size`, modulo two rounds.
    fn since(self, earlier: Position, size: u16) -> u32 {
        let (size, rounds) = (u32::from(size), 2 * u32::from(size));
        let run = |position: Position| {
            (u32::from(position.slot) + if position.wrap { 0 } else { size }) % rounds
        };
        (run(self) + rounds - run(earlier)) % rounds
    }

    /// Whether a descriptor here with these flags is the device's.
    #[inline]
    const fn is_available(self, flags: u16) -> bool {
        (flags & AVAILABLE != 0) == self.wrap && (flags & USED != 0) != self.wrap
    }

    /// The bits that say that a descriptor here was used.
    const fn used(self) -> u16 {
        if self.wrap { AVAILABLE | USED } else { 0 }
    }
}

/// A buffer that the guest is to be given back.
struct Given {
    /// Whether a frame begins here.
    part: Part,
    id: u16,
    n_slots: u16,
    len: u32,
}

/// A packed ring, and how far it has come.
pub struct Packed {
    vring: PackedVring,
    /// Where the next buffer is, as [`Position::word`].
    next: Word,
    /// Up to where the guest has been given back its buffers.
    published: Position,
    /// The others, in order, and their slots.
    given: Vec<Given>,
    n_given_slots: Word,
    /// The position that the guest was last considered to be told of.
    told: Option<Position>,
}

impl Packed {
    /// A ring that goes on where its descriptors say, or else at `base`, or at its beginning.
    #[must_use]
    pub fn new(vring: PackedVring, base: Option<u32>) -> Packed {
        let said = base.map(|base| Position::from_word(u16::try_from(base & 0xffff).unwrap_or(0)));
        let said = said.filter(|said| said.slot < vring.table().size());
        let next = match stands(&vring) {
            Some((at, n_marked)) => finish(&vring, at, n_marked),
            None => said.unwrap_or(Position::START),
        };
        // Nothing is allocated while frames pass.
        let given = Vec::with_capacity(vring.table().size().into());
        let (at, n_given_slots) = (Word::new(next.word()), Word::new(0));
        Packed { vring, next: at, published: next, given, n_given_slots, told: None }
    }

    /// Where the next buffer is.
    #[inline]
    const fn next(&self) -> Position {
        Position::from_word(self.next.get())
    }

    /// Slots of a chain that begins at a position; `None` if they are more than `most`.
    #[inline]
    fn chain_len(&self, at: Position, first: &PackedDescriptor, most: u16) -> Option<u16> {
        let (mut n, mut flags) = (1, first.flags);
        while flags & NEXT != 0 {
            if n >= most {
                return None;
            }
            flags = self.vring.flags(at.plus(n, self.vring.table().size()).slot);
            n += 1;
        }
        Some(n)
    }

    /// Adds the pieces of a table that a descriptor names: all its entries, in order.
    fn walk_table(
        &self,
        descriptor: &PackedDescriptor,
        chain: &mut Chain<'_>,
    ) -> Result<u64, BadChain> {
        if descriptor.flags & NEXT != 0 || !chain.indirect {
            return Err(BadChain);
        }
        let table = piece(descriptor);
        let n_entries = usize::try_from(table.len).unwrap_or(usize::MAX) / DESCRIPTOR_LEN;
        let n_entries = u16::try_from(n_entries).ok().filter(|n| usize::from(*n) <= MAX_CHAIN);
        let n_entries = n_entries.filter(|n| *n > 0).ok_or(BadChain)?;
        let mut total = 0;
        for at in 0..n_entries {
            let bytes = table_entry(self.vring.table().memory(), table, at).ok_or(BadChain)?;
            let entry = parse(bytes);
            total += chain.add(piece(&entry), entry.flags)?;
        }
        Ok(total)
    }

    /// Adds the pieces of one descriptor.
    #[inline]
    fn walk(&self, descriptor: &PackedDescriptor, chain: &mut Chain<'_>) -> Result<u64, BadChain> {
        if descriptor.flags & INDIRECT == 0 {
            chain.add(piece(descriptor), descriptor.flags)
        } else {
            self.walk_table(descriptor, chain)
        }
    }

    /// The most slots that a chain may take, `ahead` of here.
    fn most(&self, ahead: u16) -> u16 {
        let left = self
            .vring
            .table()
            .size()
            .saturating_sub(self.n_given_slots.get())
            .saturating_sub(ahead);
        left.min(u16::try_from(MAX_CHAIN).unwrap_or(u16::MAX))
    }
}

/// Where a ring stands by what is in it, and how many slots behind are marked already; `None` if another
/// device served it.
fn stands(vring: &PackedVring) -> Option<(Position, u16)> {
    let is_used = |slot: u16| vring.flags(slot) & USED != 0;
    // USED turns where the ring stands, where the ring begins, and twice more around slots that are
    // marked already, if they are not all but one.
    let size = vring.table().size();
    let mut turns: ArrayVec<u16, 4> = ArrayVec::from_iter([0]);
    for slot in 1..size {
        if is_used(slot) != is_used(slot - 1) {
            turns.try_push(slot).ok()?;
        }
    }
    let both = |slot: u16| [true, false].map(|wrap| Position { slot, wrap });
    let places = || {
        let slots = turns.iter().flat_map(|turn| [*turn, turn.checked_sub(1).unwrap_or(size - 1)]);
        let positions = slots.flat_map(both);
        positions.filter_map(|at| Some((at, n_marked(vring, at)?)))
    };
    places().find(|(_, n_marked)| *n_marked > 0).or_else(|| places().next())
}

/// Gives back the first buffer of a frame whose others were given back when the switch was killed; where
/// the ring stands then. A chain of which slots are marked, but nothing behind it, is served again.
fn finish(vring: &PackedVring, at: Position, n_marked: u16) -> Position {
    let mut last = vring.descriptor(at.slot);
    let (mut n_slots, mut len) = (1, last.len);
    while last.flags & NEXT != 0 && n_slots <= n_marked {
        last = vring.descriptor(at.plus(n_slots, vring.table().size()).slot);
        len = len.saturating_add(last.len);
        n_slots += 1;
    }
    if n_slots > n_marked {
        return at;
    }
    // A buffer with others behind it is full.
    put(vring, at, &Given { part: Part::First, id: last.id, n_slots, len });
    at.plus(n_marked + 1, vring.table().size())
}

/// How many slots behind the one at `at` are marked already, if the ring stands there: neither `at` nor
/// what is behind the marked ones is used. Before marked slots there is a chain, or a buffer to be
/// written: a slot that ends a chain, and was left as it was by another device, looks the same otherwise.
fn n_marked(vring: &PackedVring, at: Position) -> Option<u16> {
    let size = vring.table().size();
    let flags = |n: u16| vring.flags(at.plus(n, size).slot);
    let is_marked = |n: &u16| flags(*n) & (AVAILABLE | USED) == at.plus(*n, size).used();
    let is_used = |n: u16| (flags(n) & USED != 0) == at.plus(n, size).wrap;
    let may_be = at.is_available(flags(0)) && flags(0) & (NEXT | WRITE) != 0;
    let n = (1..size).take_while(|n| may_be && is_marked(n)).count();
    let n = u16::try_from(n).ok()?;
    (!is_used(0) && !(n + 1..size).any(is_used)).then_some(n)
}

fn parse(bytes: [u8; DESCRIPTOR_LEN]) -> PackedDescriptor {
    let half = |at: usize| {
        let bytes = bytes.get(at..at + 8).and_then(|half| half.first_chunk());
        bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
    };
    PackedDescriptor::parse([half(0), half(8)])
}

fn piece(descriptor: &PackedDescriptor) -> Piece {
    Piece { addr: descriptor.addr, len: descriptor.len }
}

/// Gives the guest a buffer back that begins at a position.
#[inline]
fn put(vring: &PackedVring, at: Position, given: &Given) {
    // The length only counts where something was written (virtio 1.2 §2.8.4).
    let written = if given.len > 0 { WRITE } else { 0 };
    vring.put(at.slot, given.len, given.id, at.used() | written);
}

/// Marks the slots of a chain but the first.
#[inline]
fn mark_rest(vring: &PackedVring, first: Position, given: &Given) {
    for n in 1..given.n_slots {
        let at = first.plus(n, vring.table().size());
        let kept = vring.flags(at.slot) & !(AVAILABLE | USED);
        vring.put_flags(at.slot, kept | at.used());
    }
}

impl Layout for Packed {
    type Words = PackedVring;

    fn into_words(self) -> PackedVring {
        self.vring
    }

    fn exchange(&mut self, vring: PackedVring) -> PackedVring {
        std::mem::replace(&mut self.vring, vring)
    }

    fn table(&self) -> &Table {
        self.vring.table()
    }

    /// What is taken is given back in the same breath, so both halves, where it takes from and where it
    /// gives back, are the same.
    fn base(&self) -> u32 {
        let word = u32::from(self.next.get());
        word << 16 | word
    }

    #[inline]
    fn look(&mut self, most: u16, access: Access) -> Result<u16, Broken> {
        // What was cut reads as zeroes, and says nothing.
        if self.vring.table().memory().is_lost() {
            return Err(Broken::MemoryLost);
        }
        let (size, mut n, mut ahead) = (self.vring.table().size(), 0, 0);
        while n < most && ahead < size {
            let at = self.next().plus(ahead, size);
            let first = self.vring.descriptor(at.slot);
            if !at.is_available(first.flags) {
                break;
            }
            self.vring.table().memory().expect(first.addr, access);
            // How long it may be is checked when it is read.
            ahead += self.chain_len(at, &first, self.most(ahead)).unwrap_or(size - ahead);
            n += 1;
        }
        Ok(n)
    }

    #[inline(always)] // As it is held, in registers.
    fn read(&mut self, ahead: u16, mut chain: Chain<'_>) -> Result<Option<Buffer>, Broken> {
        let (size, most) = (self.vring.table().size(), self.most(ahead));
        if most == 0 {
            return Ok(None);
        }
        let mut at = self.next().plus(ahead, size);
        let mut descriptor = self.vring.descriptor(at.slot);
        if !at.is_available(descriptor.flags) {
            return Ok(None);
        }
        let mut room = self.walk(&descriptor, &mut chain);
        let mut n_slots = 1;
        // All of it is looked at, also behind a piece that makes no sense: where it ends, the next begins.
        while descriptor.flags & NEXT != 0 {
            if n_slots == most {
                return Err(Broken::Endless { most });
            }
            at = at.plus(1, size);
            descriptor = self.vring.descriptor(at.slot);
            n_slots += 1;
            room = room.and_then(|room| Ok(room + self.walk(&descriptor, &mut chain)?));
        }
        // The id is that of the last one (virtio 1.2 §2.8.6).
        Ok(Some(Buffer { id: descriptor.id, n_slots, room }))
    }

    #[inline]
    fn give_back(&mut self, buffer: &Buffer, len: u32, part: Part) {
        let (id, n_slots) = (buffer.id, buffer.n_slots);
        self.given.push(Given { part, id, n_slots, len });
        self.n_given_slots = Word::new(self.n_given_slots.get().saturating_add(n_slots));
        self.next = Word::new(self.next().plus(n_slots, self.vring.table().size()).word());
    }

    fn publish(&mut self) {
        let (size, mut at) = (self.vring.table().size(), self.published);
        for frame in self.given.chunk_by(|_, next| next.part == Part::More) {
            let Some((first, others)) = frame.split_first() else { continue };
            let mut behind = at.plus(first.n_slots, size);
            mark_rest(&self.vring, at, first);
            for other in others {
                put(&self.vring, behind, other);
                mark_rest(&self.vring, behind, other);
                behind = behind.plus(other.n_slots, size);
            }
            put(&self.vring, at, first);
            at = behind;
        }
        self.given.clear();
        self.n_given_slots = Word::new(0);
        self.published = at;
    }

    fn tell(&mut self, features: Features) -> bool {
        self.vring.fence();
        let told = self.told.replace(self.next());
        let event = self.vring.driver_event();
        if u32::from(event.flags) == VRING_PACKED_EVENT_FLAG_DISABLE {
            return false;
        }
        let wants_place = u32::from(event.flags) == VRING_PACKED_EVENT_FLAG_DESC;
        match told {
            Some(told) if wants_place && features.has(bit::EVENT_IDX) => {
                let (place, size) = (Position::from_word(event.place), self.vring.table().size());
                // The slot that it names is among those given back since.
                place.since(told, size) < self.next().since(told, size)
            }
            _ => true,
        }
    }

    fn forget_told(&mut self) {
        self.told = None;
    }

    fn has_news(&self) -> bool {
        self.told != Some(self.next())
    }

    fn refuse_kicks(&mut self, _features: Features) {
        let flags = flag(VRING_PACKED_EVENT_FLAG_DISABLE);
        self.vring.set_device_event(Event { place: 0, flags });
    }

    fn ask_for_kicks(&mut self, features: Features) -> bool {
        let flags = if features.has(bit::EVENT_IDX) {
            VRING_PACKED_EVENT_FLAG_DESC
        } else {
            VRING_PACKED_EVENT_FLAG_ENABLE
        };
        self.vring.set_device_event(Event { place: self.next.get(), flags: flag(flags) });
        self.vring.fence();
        self.next().is_available(self.vring.flags(self.next().slot))
    }
}

#[cfg(test)]
mod tests;
