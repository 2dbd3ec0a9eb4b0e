//! The words of a split ring in a guest's memory; those of a packed one are in [`packed`].
//!
//! ```text
//!  descriptors: 16 bytes each      available ring (driver)          used ring (device)
//!  +--------------------------+    +-------+-------+-----+-------+  +-------+-------+--------+-------+
//!  | addr  | len |flags| next |    | flags | index | head| used  |  | flags | index | id,len | avail |
//!  |   8   |  4  |  2  |  2   |    |   2   |   2   | 2*n | event |  |   2   |   2   |   8*n  | event |
//!  +--------------------------+    +-------+-------+-----+-------+  +-------+-------+--------+-------+
//! ```
//!
//! # Design
//! This file reads and writes words, and believes none: what they mean, and whether that may be, is
//! the business of [`ring`](super::ring). All words are little-endian (virtio 1.2 §2.7), which is also
//! what legacy guests of little-endian machines use.
//!
//! # Invariants
//! - **I1** `descriptors`, `available` and `used` point to as many bytes as a ring of `size` entries
//!   has, aligned for their words, in regions that `memory` keeps mapped.
//! - **I2** An index into a table is taken modulo `size`, a power of two, or checked to be below it.
//! - **I3** Words that the other side writes are read by atomics or volatile reads, each once.
//!
//! # References
//! virtio 1.2 §2.7 (split virtqueues), §2.7.10 (notification suppression).

#![allow(unsafe_code)]

pub mod packed;

use core::ptr::NonNull;
use core::sync::atomic::{AtomicU16, Ordering, fence};
use std::sync::Arc;

use super::memory::GuestMemory;
use super::sys;

/// Most entries, of either layout (virtio 1.2 §2.7, §2.8.10.1).
pub const MAX_SIZE: u16 = 32768;
/// Bytes of a descriptor.
pub const DESCRIPTOR_LEN: usize = 16;

/// Where the parts of a ring are, by addresses of the front end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct VringPlace {
    /// The table of descriptors.
    pub descriptors: u64,
    /// The available ring; of a packed ring, the driver's event suppression.
    pub available: u64,
    /// The used ring; of a packed ring, the device's event suppression.
    pub used: u64,
}

/// A descriptor, as it was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Descriptor {
    /// Guest address.
    pub addr: u64,
    /// Bytes.
    pub len: u32,
    /// `VIRTQ_DESC_F_*`.
    pub flags: u16,
    /// The next one, if the flags say that there is one.
    pub next: u16,
}

impl Descriptor {
    /// From the guest's bytes.
    #[must_use]
    pub fn parse(bytes: [u8; DESCRIPTOR_LEN]) -> Descriptor {
        let word = u128::from_le_bytes(bytes);
        let part = |shift: u32| (word >> shift) & u128::from(u64::MAX);
        Descriptor {
            addr: u64::try_from(part(0)).unwrap_or(0),
            len: u32::try_from(part(64) & 0xffff_ffff).unwrap_or(0),
            flags: u16::try_from(part(96) & 0xffff).unwrap_or(0),
            next: u16::try_from(part(112) & 0xffff).unwrap_or(0),
        }
    }
}

/// The descriptors of a ring of either layout, in a guest's memory.
pub struct Table {
    memory: Arc<GuestMemory>,
    size: u16,
    descriptors: NonNull<u8>,
}

impl Table {
    /// `size` descriptors at an address; `None` if they are not in memory, or not aligned to `align`.
    fn find(memory: Arc<GuestMemory>, size: u16, at: u64, align: usize) -> Option<Table> {
        let descriptors = memory.ring_part(at, usize::from(size) * DESCRIPTOR_LEN, align)?;
        Some(Table { memory, size, descriptors })
    }

    /// The memory that descriptors name.
    #[must_use]
    pub fn memory(&self) -> &Arc<GuestMemory> {
        &self.memory
    }

    /// Entries.
    #[must_use]
    pub fn size(&self) -> u16 {
        self.size
    }

    /// The NUMA node that the ring lies in, if the system tells.
    #[must_use]
    pub fn numa_node(&self) -> Option<i32> {
        sys::numa_node(self.descriptors)
    }
}

/// A ring in a guest's memory.
pub struct Vring {
    table: Table,
    available: NonNull<u8>,
    used: NonNull<u8>,
}

// SAFETY: I1: pointers into mappings that `memory` keeps; whoever has the `Vring` uses them.
unsafe impl Send for Vring {}

/// Bytes of flags and index in front of the entries of a ring.
const HEAD_LEN: usize = 4;
/// Byte offset of the index.
const INDEX_AT: usize = 2;

impl Vring {
    /// A ring of `size` entries; `None` if a part of it is not in memory, or not aligned. `size` is a
    /// power of two.
    #[must_use]
    pub fn new(memory: Arc<GuestMemory>, size: u16, place: VringPlace) -> Option<Vring> {
        if !size.is_power_of_two() || size > MAX_SIZE {
            return None;
        }
        let n = usize::from(size);
        // I1: the alignments of virtio 1.2 §2.7, the descriptors' kept to that of their words, since
        // older front ends do not do better.
        let available = memory.ring_part(place.available, HEAD_LEN + 2 * n + 2, 2)?;
        let used = memory.ring_part(place.used, HEAD_LEN + 8 * n + 2, 4)?;
        let table = Table::find(memory, size, place.descriptors, 8)?;
        Some(Vring { table, available, used })
    }

    /// Its descriptors.
    #[must_use]
    #[inline]
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// A word of the available or used ring; `at` is even and within the ring.
    fn word(&self, part: NonNull<u8>, at: usize) -> &AtomicU16 {
        // SAFETY: I1: `at` is below the part's length for every caller (I2).
        let word = unsafe { part.add(at) }.cast::<u16>();
        // SAFETY: I1 (valid and aligned as long as `self`), I3.
        unsafe { AtomicU16::from_ptr(word.as_ptr()) }
    }

    fn place_of(&self, index: u16) -> usize {
        usize::from(index & (self.table.size - 1))
    }

    /// How far the driver has filled the available ring; entries before it may be read after.
    #[must_use]
    pub fn available_index(&self) -> u16 {
        u16::from_le(self.word(self.available, INDEX_AT).load(Ordering::Acquire))
    }

    /// The head that stands in the available ring at an index.
    #[must_use]
    pub fn available_head(&self, index: u16) -> u16 {
        let at = HEAD_LEN + 2 * self.place_of(index);
        u16::from_le(self.word(self.available, at).load(Ordering::Relaxed))
    }

    /// Flags of the available ring: whether the driver wants notifications.
    #[must_use]
    pub fn available_flags(&self) -> u16 {
        u16::from_le(self.word(self.available, 0).load(Ordering::Relaxed))
    }

    /// At which used index the driver wants a notification.
    #[must_use]
    pub fn used_event(&self) -> u16 {
        let at = HEAD_LEN + 2 * usize::from(self.table.size);
        u16::from_le(self.word(self.available, at).load(Ordering::Relaxed))
    }

    /// Descriptor `i`; `None` if there is none.
    #[must_use]
    pub fn descriptor(&self, i: u16) -> Option<Descriptor> {
        if i >= self.table.size {
            return None;
        }
        // SAFETY: I1, I2: within the table.
        let at =
            unsafe { self.table.descriptors.add(usize::from(i) * DESCRIPTOR_LEN) }.cast::<u64>();
        // SAFETY: I1, I3.
        let addr = unsafe { at.read_volatile() };
        // SAFETY: I1: the descriptor's second half.
        let second = unsafe { at.add(1) };
        // SAFETY: I1, I3.
        let rest = unsafe { second.read_volatile() };
        let [a, r] = [addr.to_ne_bytes(), rest.to_ne_bytes()];
        let mut bytes = [0; DESCRIPTOR_LEN];
        bytes[..8].copy_from_slice(&a);
        bytes[8..].copy_from_slice(&r);
        Some(Descriptor::parse(bytes))
    }

    /// How far the used ring is filled.
    #[must_use]
    pub fn used_index(&self) -> u16 {
        u16::from_le(self.word(self.used, INDEX_AT).load(Ordering::Relaxed))
    }

    /// Writes an entry of the used ring, which the driver does not see yet.
    pub fn put_used(&self, index: u16, head: u16, len: u32) {
        let at = HEAD_LEN + 8 * self.place_of(index);
        // SAFETY: I1, I2: within the ring; aligned to 4.
        let entry = unsafe { self.used.add(at) }.cast::<u32>();
        // SAFETY: I1, I3.
        unsafe { entry.write_volatile(u32::from(head).to_le()) };
        // SAFETY: I1: the entry's second half.
        let second = unsafe { entry.add(1) };
        // SAFETY: I1, I3.
        unsafe { second.write_volatile(len.to_le()) };
    }

    /// Shows the driver all entries before `index`.
    pub fn publish_used(&self, index: u16) {
        self.word(self.used, INDEX_AT).store(index.to_le(), Ordering::Release);
    }

    /// Tells the driver at which available index to notify.
    pub fn set_available_event(&self, index: u16) {
        let at = HEAD_LEN + 8 * usize::from(self.table.size);
        self.word(self.used, at).store(index.to_le(), Ordering::Relaxed);
    }

    /// Flags of the used ring: whether the device wants notifications.
    pub fn set_used_flags(&self, flags: u16) {
        self.word(self.used, 0).store(flags.to_le(), Ordering::Relaxed);
    }

    /// Orders what was written before against what is read after: for the moment in which both sides
    /// decide whether to notify.
    pub fn fence(&self) {
        fence(Ordering::SeqCst);
    }
}
