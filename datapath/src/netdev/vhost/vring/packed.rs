//! The words of a packed ring in a guest's memory.
//!
//! ```text
//!  descriptors: 16 bytes each (both sides)    driver's event     device's event
//!  +--------------------------------+         +-------+-------+  +-------+-------+
//!  | addr  | len | id | flags       |         | place | flags |  | place | flags |
//!  |   8   |  4  | 2  | 2           |         |   2   |   2   |  |   2   |   2   |
//!  +--------------------------------+         +-------+-------+  +-------+-------+
//! ```
//!
//! # Design
//! As with split rings, this file reads and writes words and believes none. Length, id and flags of a
//! descriptor are one aligned word of eight bytes: it is read and written whole, so what stands in a
//! descriptor is what one side meant it to be, whenever the other one looks, and also if the switch was
//! killed in between.
//!
//! # Invariants
//! - **I1** `descriptors` points to `size` descriptors, aligned to 16, `driver` and `device` to four
//!   bytes each, aligned to 4, all in regions that `memory` keeps mapped. `size` is not zero.
//! - **I2** A slot is brought below `size` before it is used.
//! - **I3** Words that the other side writes are read by atomics or volatile reads, each once.
//!
//! # References
//! virtio 1.2 §2.8 (packed virtqueues), §2.8.14 (event suppression structure).

#![allow(unsafe_code)]

use core::ptr::NonNull;
use core::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering, fence};
use std::sync::Arc;

use super::super::memory::GuestMemory;
use super::{DESCRIPTOR_LEN, MAX_SIZE, Table, VringPlace};

/// Bytes of an event suppression structure.
const EVENT_LEN: usize = 4;

/// A descriptor, as it was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PackedDescriptor {
    /// Guest address.
    pub addr: u64,
    /// Bytes.
    pub len: u32,
    /// The driver's name of the buffer.
    pub id: u16,
    /// `VIRTQ_DESC_F_*`.
    pub flags: u16,
}

impl PackedDescriptor {
    /// From both halves of the guest's bytes.
    #[must_use]
    pub fn parse([addr, rest]: [u64; 2]) -> PackedDescriptor {
        let part = |shift: u32| rest >> shift;
        PackedDescriptor {
            addr,
            len: u32::try_from(part(0) & 0xffff_ffff).unwrap_or(0),
            id: u16::try_from(part(32) & 0xffff).unwrap_or(0),
            flags: u16::try_from(part(48)).unwrap_or(0),
        }
    }

    /// The second half: length, id and flags.
    fn rest(&self) -> u64 {
        u64::from(self.len) | u64::from(self.id) << 32 | u64::from(self.flags) << 48
    }
}

/// When a side wants to be notified, in its own words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Event {
    /// Slot and wrap counter.
    pub place: u16,
    /// `RING_EVENT_FLAGS_*`.
    pub flags: u16,
}

/// A packed ring in a guest's memory.
pub struct PackedVring {
    table: Table,
    driver: NonNull<u8>,
    device: NonNull<u8>,
}

// SAFETY: I1: pointers into mappings that `memory` keeps; whoever has the ring uses them.
unsafe impl Send for PackedVring {}

impl PackedVring {
    /// A ring of `size` entries, any number up to [`MAX_SIZE`]; `None` if a part of it is not in
    /// memory, or not aligned. The driver's event stands where a split ring has its available ring,
    /// the device's where that has its used ring.
    #[must_use]
    pub fn new(memory: Arc<GuestMemory>, size: u16, place: VringPlace) -> Option<PackedVring> {
        if size == 0 || size > MAX_SIZE {
            return None;
        }
        // I1: the alignments of virtio 1.2 §2.8.10.1.
        let driver = memory.ring_part(place.available, EVENT_LEN, EVENT_LEN)?;
        let device = memory.ring_part(place.used, EVENT_LEN, EVENT_LEN)?;
        let table = Table::find(memory, size, place.descriptors, DESCRIPTOR_LEN)?;
        Some(PackedVring { table, driver, device })
    }

    /// Its descriptors.
    #[must_use]
    #[inline]
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// The first byte of a slot's descriptor.
    #[inline]
    fn slot(&self, slot: u16) -> NonNull<u8> {
        let slot = usize::from(slot.min(self.table.size - 1)); // I2
        // SAFETY: I1, I2: within the descriptors.
        unsafe { self.table.descriptors.add(slot * DESCRIPTOR_LEN) }
    }

    /// Length, id and flags of a slot.
    #[inline]
    fn rest(&self, slot: u16) -> &AtomicU64 {
        // SAFETY: I1: the descriptor's second half.
        let rest = unsafe { self.slot(slot).add(8) }.cast::<u64>();
        // SAFETY: I1 (valid and aligned as long as `self`), I3.
        unsafe { AtomicU64::from_ptr(rest.as_ptr()) }
    }

    /// The descriptor in a slot: its address was written before its flags.
    #[must_use]
    #[inline]
    pub fn descriptor(&self, slot: u16) -> PackedDescriptor {
        let rest = self.rest(slot).load(Ordering::Acquire);
        // SAFETY: I1, I3.
        let addr = unsafe { self.slot(slot).cast::<u64>().read_volatile() };
        PackedDescriptor::parse([u64::from_le(addr), u64::from_le(rest)])
    }

    /// The flags of a slot.
    #[must_use]
    pub fn flags(&self, slot: u16) -> u16 {
        PackedDescriptor::parse([0, u64::from_le(self.rest(slot).load(Ordering::Relaxed))]).flags
    }

    /// Writes length, id and flags of a slot at once; what was written before is seen before.
    #[inline]
    pub fn put(&self, slot: u16, len: u32, id: u16, flags: u16) {
        let rest = PackedDescriptor { addr: 0, len, id, flags }.rest();
        self.rest(slot).store(rest.to_le(), Ordering::Release);
    }

    /// Writes the flags of a slot alone; what was written before is seen before.
    pub fn put_flags(&self, slot: u16, flags: u16) {
        // SAFETY: I1: the last two bytes of the descriptor.
        let at = unsafe { self.slot(slot).add(14) }.cast::<u16>();
        // SAFETY: I1 (valid and aligned as long as `self`), I3.
        let word = unsafe { AtomicU16::from_ptr(at.as_ptr()) };
        word.store(flags.to_le(), Ordering::Release);
    }

    fn event(part: &NonNull<u8>) -> &AtomicU32 {
        // SAFETY: I1: the callers pass `driver` or `device`, valid and aligned as long as `self`; I3.
        unsafe { AtomicU32::from_ptr(part.cast::<u32>().as_ptr()) }
    }

    /// When the driver wants to be notified.
    #[must_use]
    pub fn driver_event(&self) -> Event {
        let word = u32::from_le(Self::event(&self.driver).load(Ordering::Relaxed));
        let half = |word: u32| u16::try_from(word & 0xffff).unwrap_or(0);
        Event { place: half(word), flags: half(word >> 16) }
    }

    /// Says when the device wants to be notified.
    pub fn set_device_event(&self, event: Event) {
        let word = u32::from(event.place) | u32::from(event.flags) << 16;
        Self::event(&self.device).store(word.to_le(), Ordering::Relaxed);
    }

    /// Orders what was written before against what is read after: for the moment in which both sides
    /// decide whether to notify.
    pub fn fence(&self) {
        fence(Ordering::SeqCst);
    }
}
