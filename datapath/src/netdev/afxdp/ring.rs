//! The four rings of a socket: entries in memory that is shared with the kernel.
//!
//! # Design
//! Two kinds, [`Producer`] and [`Consumer`], of two kinds of entry: addresses (fill and completion
//! ring) and descriptors (RX and TX ring). Neither knows who is at the other end: the tests put one
//! against the other over anonymous memory, from any start index.
//!
//! # Invariants
//! - **I1** The words and the entries lie within `mapping`, which the ring keeps, and are aligned:
//!   [`Mapping::words`] has checked it.
//! - **I2** An entry's place is below the size, a power of two, for which the mapping has room: the
//!   cursor masks it.
//! - **I3** Entries are plain data for which all bits are values. They are read and written whole by
//!   volatile accesses, never by reference: the kernel may write at any time.
//! - **I4** The three words are only accessed as atomics.
//!
//! # Thread-safety
//! One thread owns each end; it may move to another.

#![allow(unsafe_code)]

use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, Ordering};
use std::sync::Arc;

use super::abi::Desc;
use super::cursor::{ConsumerCursor, ProducerCursor};
use super::mmap::Mapping;

/// Addresses of frames lent for receiving.
pub(super) type FillRing = Producer<u64>;
/// What was received.
pub(super) type RxRing = Consumer<Desc>;
/// What is to be sent.
pub(super) type TxRing = Producer<Desc>;
/// Addresses of frames that were sent.
pub(super) type CompletionRing = Consumer<u64>;

/// What rings hold: plain data without padding (I3).
pub(super) trait Entry: Copy {}
impl Entry for u64 {}
impl Entry for Desc {}

/// Where a ring's parts are in its mapping, bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    pub producer: u64,
    pub consumer: u64,
    pub flags: u64,
    pub entries: u64,
    /// How many entries: a power of two.
    pub size: u32,
}

/// A ring's memory.
struct Shared<T> {
    producer: NonNull<AtomicU32>,
    consumer: NonNull<AtomicU32>,
    flags: NonNull<AtomicU32>,
    entries: NonNull<T>,
    _mapping: Arc<Mapping>,
}

// SAFETY: I1: the pointers are into the mapping, which is kept and has no thread affinity.
unsafe impl<T: Entry> Send for Shared<T> {}

impl<T: Entry> Shared<T> {
    fn new(mapping: Arc<Mapping>, layout: Layout) -> Option<Shared<T>> {
        if !layout.size.is_power_of_two() {
            return None;
        }
        Some(Shared {
            producer: mapping.words(layout.producer, 1)?,
            consumer: mapping.words(layout.consumer, 1)?,
            flags: mapping.words(layout.flags, 1)?,
            entries: mapping.words(layout.entries, layout.size)?,
            _mapping: mapping,
        })
    }

    fn producer(&self) -> &AtomicU32 {
        // SAFETY: I1 and I4.
        unsafe { self.producer.as_ref() }
    }

    fn consumer(&self) -> &AtomicU32 {
        // SAFETY: I1 and I4.
        unsafe { self.consumer.as_ref() }
    }

    fn flags(&self) -> &AtomicU32 {
        // SAFETY: I1 and I4.
        unsafe { self.flags.as_ref() }
    }

    /// The entry at a place below the size.
    fn entry(&self, at: u32) -> NonNull<T> {
        // SAFETY: I1 and I2.
        unsafe { self.entries.add(at as usize) }
    }

    fn read(&self, at: u32) -> T {
        let entry = self.entry(at);
        // SAFETY: I1 to I3.
        unsafe { entry.read_volatile() }
    }

    fn write(&self, at: u32, value: T) {
        let entry = self.entry(at);
        // SAFETY: I1 to I3.
        unsafe { entry.write_volatile(value) }
    }
}

/// The end that puts entries in.
pub(super) struct Producer<T> {
    shared: Shared<T>,
    cursor: ProducerCursor,
}

impl<T: Entry> Producer<T> {
    /// `None` if the layout does not fit the mapping.
    pub(super) fn new(mapping: Arc<Mapping>, layout: Layout) -> Option<Producer<T>> {
        let shared = Shared::new(mapping, layout)?;
        let cursor = ProducerCursor::new(layout.size, shared.producer(), shared.consumer());
        Some(Producer { shared, cursor })
    }

    /// Entries that can be put; at least `wanted`, if there is room for so many.
    pub(super) fn room_for(&mut self, wanted: u32) -> u32 {
        self.cursor.room_for(wanted, self.shared.consumer())
    }

    /// Writes an entry, for which there is room. It is not seen before [`publish`](Self::publish).
    pub(super) fn put(&mut self, value: T) {
        let at = self.cursor.claim();
        self.shared.write(at, value);
    }

    /// Shows what was put.
    pub(super) fn publish(&self) {
        self.cursor.publish(self.shared.producer());
    }

    /// Whether the kernel has taken everything.
    pub(super) fn is_drained(&mut self) -> bool {
        self.cursor.is_drained(self.shared.consumer())
    }

    /// Entries that the kernel has not taken, as seen last.
    pub(super) fn n_waiting(&self) -> u32 {
        self.cursor.n_waiting()
    }

    /// Whether the kernel asks to be told by a system call.
    pub(super) fn needs_wakeup(&self) -> bool {
        self.shared.flags().load(Ordering::Relaxed) & libc::XDP_RING_NEED_WAKEUP != 0
    }
}

/// The end that takes entries out.
pub(super) struct Consumer<T> {
    shared: Shared<T>,
    cursor: ConsumerCursor,
}

impl<T: Entry> Consumer<T> {
    /// `None` if the layout does not fit the mapping.
    pub(super) fn new(mapping: Arc<Mapping>, layout: Layout) -> Option<Consumer<T>> {
        let shared = Shared::new(mapping, layout)?;
        let cursor = ConsumerCursor::new(layout.size, shared.consumer(), shared.producer());
        Some(Consumer { shared, cursor })
    }

    /// Entries that can be taken.
    pub(super) fn available(&mut self) -> u32 {
        self.cursor.available(self.shared.producer())
    }

    /// The next entry. Its room is not given back before [`release`](Self::release).
    pub(super) fn take(&mut self) -> Option<T> {
        if self.available() == 0 {
            return None;
        }
        let at = self.cursor.claim();
        Some(self.shared.read(at))
    }

    /// Gives the room of what was taken back.
    pub(super) fn release(&self) {
        self.cursor.release(self.shared.consumer());
    }
}

#[cfg(test)]
pub(super) mod tests;
