//! A ring in use: which buffers a guest has made available, and what becomes of them.
//!
//! # Design
//! Everything is done in order: a buffer is taken, copied from or to, and given back before the next,
//! and what was given back is published once for a batch. So what a ring has done so far stands in the
//! guest's memory: a switch that starts again, or takes over from another, goes on there.
//!
//! How buffers lie in a ring is its [`Layout`]: [`split`] or [`packed`]. [`Buffers`] is what both have
//! in common, compiled once for each; a [`Ring`] is one of the two, and whoever moves frames looks
//! which once for a batch.
//!
//! Chains are walked once, copying each descriptor, into a list of [`Piece`]s; the list is what frames
//! are copied by. A chain that makes no sense costs its frame: it is given back empty. What makes it
//! unknown where the next buffer is breaks the ring, since nothing that it says can be trusted: it rests
//! until the front end sets it up anew.
//!
//! # Invariants
//! - A ring moves on only over buffers that are given back in the same call.
//! - Buffers are taken only if they are available, and never more than the ring has entries.
//! - A chain, and a table that it names, has at most [`MAX_CHAIN`] descriptors, and a chain no more than
//!   the ring has entries.
//!
//! # References
//! virtio 1.2 §2.7 (split), §2.8 (packed).

mod chain;
#[cfg(test)]
mod guest;
mod packed;
mod split;

use std::os::fd::OwnedFd;
use std::sync::Arc;

use self::chain::{BadChain, Chain, Piece};
use self::packed::Packed;
use self::split::Split;
use super::feature::{Features, bit};
use super::memory::{Access, GuestMemory};
use super::vring::packed::PackedVring;
use super::vring::{Table, Vring, VringPlace};

/// Most descriptors of a chain, whatever the ring's size: what other devices bear
/// (`VIRTQUEUE_MAX_SIZE` of QEMU).
const MAX_CHAIN: usize = 1024;
/// Most buffers that one frame is spread over: 64 KiB in buffers of half a kilobyte.
const MAX_MERGED: usize = 128;

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
    /// A chain whose end, behind which the next buffer would be, is nowhere.
    #[error("the guest chains more than {most} descriptors")]
    Endless {
        /// How many may be.
        most: u16,
    },
    /// A file was cut under its memory.
    #[error("the guest's memory file was cut short")]
    MemoryLost,
}

/// Where in a list of pieces a copy goes on.
#[derive(Clone, Copy, Default)]
pub struct Cursor {
    piece: usize,
    off: u32,
}

/// What was taken of a guest.
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

/// Which of the buffers of a frame it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// The first.
    First,
    /// Another.
    More,
}

/// A buffer that was read of a ring.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Buffer {
    /// The driver's name of it: its head, or its id.
    id: u16,
    /// Places of the ring that it takes.
    n_slots: u16,
    /// Bytes that it has.
    room: Result<u64, BadChain>,
}

/// A word that changes with each buffer. It takes 32 bits, so that it is read as it was written: a
/// compiler reads a field of 16 bits together with its neighbour where it may, and a processor that has
/// not written both yet waits until all that it wrote before has left it, cache lines that the guest
/// holds among them.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Word(u32);

impl Word {
    const fn new(word: u16) -> Word {
        Word(word as u32)
    }

    #[inline]
    const fn get(self) -> u16 {
        flag(self.0)
    }
}

/// How buffers lie in a ring.
pub trait Layout {
    /// The ring's words.
    type Words;

    /// Its words, once it is over.
    fn into_words(self) -> Self::Words;
    /// Goes on elsewhere in memory; where it was.
    fn exchange(&mut self, words: Self::Words) -> Self::Words;
    /// Its descriptors.
    fn table(&self) -> &Table;
    /// Where it stands, as a front end is told.
    fn base(&self) -> u32;
    /// Counts the buffers that are available, up to `most`, and asks for their memory. Another
    /// processor has written it, and each cache line takes as long as a frame costs otherwise: asked
    /// for together, they travel side by side.
    fn look(&mut self, most: u16, access: Access) -> Result<u16, Broken>;
    /// Reads the buffer that is `ahead` places of the ring from here, if it is available.
    fn read(&mut self, ahead: u16, chain: Chain<'_>) -> Result<Option<Buffer>, Broken>;
    /// Moves on over a buffer, which holds `len` bytes now. The guest does not see it yet.
    fn give_back(&mut self, buffer: &Buffer, len: u32, part: Part);
    /// Shows the guest what was given back.
    fn publish(&mut self);
    /// Whether the guest wants to be told of what was published since the last call.
    fn tell(&mut self, features: Features) -> bool;
    /// It was told of nothing yet.
    fn forget_told(&mut self);
    /// Whether something was given back that it was not told of, or it was told of nothing yet.
    fn has_news(&self) -> bool;
    /// Asks the guest not to notify.
    fn refuse_kicks(&mut self, features: Features);
    /// Asks the guest to notify from the next buffer on; whether there is one already.
    fn ask_for_kicks(&mut self, features: Features) -> bool;
}

/// What users of a ring ask of it, whatever its layout.
pub struct Buffers<L> {
    layout: L,
    features: Features,
    call: Option<Arc<OwnedFd>>,
    kicks_off: bool,
    broken: Option<Broken>,
    /// Frames may pass.
    enabled: bool,
    pieces: Vec<Piece>,
    held: Vec<Buffer>,
}

const fn flag(word: u32) -> u16 {
    // Flags of descriptors and rings are 16 bits wide.
    (word & 0xffff) as u16
}

impl<L: Layout> Buffers<L> {
    fn new(layout: L, features: Features, call: Option<Arc<OwnedFd>>) -> Buffers<L> {
        Buffers {
            layout,
            features,
            call,
            kicks_off: false,
            broken: None,
            enabled: false,
            pieces: Vec::new(),
            held: Vec::new(),
        }
    }

    /// What the front end has taken.
    #[must_use]
    pub fn features(&self) -> Features {
        self.features
    }

    /// Whether frames may pass.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.enabled && self.broken.is_none()
    }

    fn move_to(&mut self, words: L::Words, features: Features) -> L::Words {
        self.features = features;
        self.kicks_off = false;
        self.layout.forget_told();
        self.layout.exchange(words)
    }

    /// A ring of the other layout in place of this one, and the words of this one.
    fn give_way(
        self,
        words: Words,
        features: Features,
        before: impl Fn(L::Words) -> Words,
    ) -> (Ring, Words) {
        let mut ring = Ring::new(words, features, None, self.call);
        *ring.enabled() = self.enabled;
        (ring, before(self.layout.into_words()))
    }

    /// Looks how many buffers there are, up to `most`; none if the ring breaks over it.
    #[inline]
    pub fn look(&mut self, most: u16, access: Access) -> u16 {
        self.layout.look(most, access).unwrap_or_else(|broken| {
            self.broken = Some(broken);
            0
        })
    }

    /// Reads the buffer behind those that are held, and holds it; `None` if there is none, or if the
    /// ring breaks over it.
    #[inline(always)] // What is read goes to its users in registers.
    fn hold(&mut self, ahead: u16, access: Access) -> Option<Buffer> {
        let indirect = self.features.has(bit::INDIRECT);
        let chain = Chain { pieces: &mut self.pieces, access, indirect };
        match self.layout.read(ahead, chain) {
            Ok(Some(buffer)) => {
                self.held.push(buffer);
                Some(buffer)
            }
            Ok(None) => None,
            Err(broken) => {
                self.broken = Some(broken);
                None
            }
        }
    }

    /// Takes the next buffer of the guest, to be read. `None` if there is none, or if the ring breaks
    /// over it. What was taken is given back by [`Buffers::give_back`].
    #[inline]
    pub fn take(&mut self) -> Option<Taken> {
        self.pieces.clear();
        self.held.clear();
        let buffer = self.hold(0, Access::Read)?;
        Some(buffer.room.map_or(Taken::Bad, Taken::Bytes))
    }

    /// Holds buffers with room for `need` bytes together, if the guest has made enough available: to
    /// be written by [`Buffers::copy_in`], and given back by [`Buffers::give_back`].
    #[inline]
    pub fn find_room(&mut self, need: usize) -> Room {
        self.pieces.clear();
        self.held.clear();
        let most = if self.features.has(bit::MRG_RXBUF) { MAX_MERGED } else { 1 };
        let (mut room, mut n, mut ahead) = (0u64, 0u16, 0u16);
        while room < need as u64 {
            if usize::from(n) == most || self.pieces.len() > MAX_CHAIN {
                return Room::TooSmall;
            }
            let Some(buffer) = self.hold(ahead, Access::Write) else { return Room::Full };
            n += 1;
            ahead = ahead.saturating_add(buffer.n_slots);
            match buffer.room {
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
            if !self.layout.table().memory().copy_out(addr, now) {
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
            if !self.layout.table().memory().copy_in(addr, now) {
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
    #[inline]
    pub fn give_back(&mut self, written: usize) {
        let (mut left, mut part) = (written as u64, Part::First);
        for buffer in &self.held {
            let len = left.min(buffer.room.unwrap_or(0));
            left -= len;
            self.layout.give_back(buffer, u32::try_from(len).unwrap_or(u32::MAX), part);
            part = Part::More;
        }
        self.held.clear();
    }

    /// Shows the guest what was given back, and notifies it if it wants to be. Breaks the ring if its
    /// memory was lost meanwhile.
    pub fn publish(&mut self) {
        self.layout.publish();
        if self.layout.table().memory().is_lost() {
            self.broken = Some(Broken::MemoryLost);
            return;
        }
        if self.layout.tell(self.features)
            && let Some(call) = &self.call
        {
            // An eventfd that is full tells all the same.
            let _ = rustix::io::write(call, &1u64.to_ne_bytes());
        }
    }

    /// Whether something was given back since it was last published, or nothing ever was.
    #[must_use]
    pub fn has_news(&self) -> bool {
        self.layout.has_news()
    }

    /// Asks the guest not to notify: somebody looks anyway.
    pub fn suppress_kicks(&mut self) {
        if !self.kicks_off {
            self.kicks_off = true;
            self.layout.refuse_kicks(self.features);
        }
    }

    /// Asks the guest to notify from the next buffer on; whether there is one already.
    pub fn allow_kicks(&mut self) -> bool {
        self.kicks_off = false;
        self.layout.ask_for_kicks(self.features)
    }
}

impl Cursor {
    fn move_by(&mut self, n: usize) {
        // No more than is left of the piece, whose length is 32 bits.
        self.off = self.off.saturating_add(u32::try_from(n).unwrap_or(u32::MAX));
    }
}

/// The words of a ring of either layout, in memory.
pub enum Words {
    /// Of a split ring.
    Split(Vring),
    /// Of a packed ring.
    Packed(PackedVring),
}

impl Words {
    /// A ring of `size` entries, in the layout that the features say; `None` if a part of it is not in
    /// memory, or it cannot be so large.
    #[must_use]
    pub fn find(
        memory: Arc<GuestMemory>,
        size: u16,
        place: VringPlace,
        features: Features,
    ) -> Option<Words> {
        if features.has(bit::RING_PACKED) {
            PackedVring::new(memory, size, place).map(Words::Packed)
        } else {
            Vring::new(memory, size, place).map(Words::Split)
        }
    }
}

/// A ring in use, of either layout.
pub enum Ring {
    /// A split ring.
    Split(Buffers<Split>),
    /// A packed ring.
    Packed(Buffers<Packed>),
}

/// The same, of a ring of either layout.
macro_rules! of {
    ($ring:expr, $buffers:ident => $result:expr) => {
        match $ring {
            Ring::Split($buffers) => $result,
            Ring::Packed($buffers) => $result,
        }
    };
}

impl Ring {
    /// A ring that goes on where it stands. `base` is where the front end believes it does.
    #[must_use]
    pub fn new(
        words: Words,
        features: Features,
        base: Option<u32>,
        call: Option<Arc<OwnedFd>>,
    ) -> Ring {
        match words {
            Words::Split(vring) => {
                Ring::Split(Buffers::new(Split::new(vring, features), features, call))
            }
            Words::Packed(vring) => {
                Ring::Packed(Buffers::new(Packed::new(vring, base), features, call))
            }
        }
    }

    /// The same ring elsewhere in the front end's memory, or with other features; and where it was. One
    /// that gets another layout begins anew.
    #[must_use]
    pub fn moved(self, words: Words, features: Features) -> (Ring, Words) {
        match (self, words) {
            (Ring::Split(mut buffers), Words::Split(vring)) => {
                let before = buffers.move_to(vring, features);
                (Ring::Split(buffers), Words::Split(before))
            }
            (Ring::Packed(mut buffers), Words::Packed(vring)) => {
                let before = buffers.move_to(vring, features);
                (Ring::Packed(buffers), Words::Packed(before))
            }
            (Ring::Split(buffers), words) => buffers.give_way(words, features, Words::Split),
            (Ring::Packed(buffers), words) => buffers.give_way(words, features, Words::Packed),
        }
    }

    /// Its entries.
    #[must_use]
    pub fn size(&self) -> u16 {
        of!(self, buffers => buffers.layout.table().size())
    }

    /// The NUMA node that it lies in, if the system tells.
    #[must_use]
    pub fn numa_node(&self) -> Option<i32> {
        of!(self, buffers => buffers.layout.table().numa_node())
    }

    /// Where it stands, as a front end is told.
    #[must_use]
    pub fn base(&self) -> u32 {
        of!(self, buffers => buffers.layout.base())
    }

    /// Why it rests, if it does.
    #[must_use]
    pub fn broken(&self) -> Option<Broken> {
        of!(self, buffers => buffers.broken)
    }

    /// Whether frames may pass.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        of!(self, buffers => buffers.is_usable())
    }

    /// Whether frames may pass as far as the front end is concerned.
    pub fn enabled(&mut self) -> &mut bool {
        of!(self, buffers => &mut buffers.enabled)
    }

    /// How the guest is told of used buffers from now on.
    pub fn set_call(&mut self, call: Option<Arc<OwnedFd>>) {
        of!(self, buffers => {
            buffers.call = call;
            buffers.layout.forget_told();
        });
    }

    /// See [`Buffers::suppress_kicks`].
    pub fn suppress_kicks(&mut self) {
        of!(self, buffers => buffers.suppress_kicks());
    }

    /// See [`Buffers::allow_kicks`].
    pub fn allow_kicks(&mut self) -> bool {
        of!(self, buffers => buffers.allow_kicks())
    }
}
