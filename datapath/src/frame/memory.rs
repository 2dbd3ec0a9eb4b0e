//! The memory behind frames: one mapping, its slots, and the depot of free ones.
//!
//! # Invariants
//! - **I1** A slot is reachable from exactly one place: the depot's free lists, one `Frame`, or its
//!   owner word, where that is not zero: it is lent. `Frame` is neither `Clone` nor `Copy`, and only
//!   this module makes one from a pointer. An owner word turns from zero only by giving up a `Frame`,
//!   and back to zero only by a compare-and-swap, whose winner alone makes a `Frame` of the slot.
//! - **I2** A slot's `base` points to `cap` bytes inside the mapping, disjoint from every other slot's,
//!   readable, writable and initialised (anonymous memory is zero) for as long as the mapping lives.
//! - **I3** `off + len <= cap` in every slot, at every return from a method.
//! - **I4** The mapping, the slots and the depot are freed once, when `FrameMemory` has been dropped
//!   *and* the depot holds every slot, so that no `Frame` exists: by whichever comes last. Who lends
//!   a slot keeps `FrameMemory`.
//! - **I5** While a slot is lent, its bytes belong to the borrower: nobody here looks at them.

#![allow(unsafe_code)]

use core::num::NonZeroU64;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

use super::offload::Offload;

/// Bytes of a small chunk, headroom included.
pub const SMALL_CHUNK: usize = 2048;
/// Bytes of a large chunk: 64 KiB of IP packet, its Ethernet and VLAN headers, and headroom.
pub const LARGE_CHUNK: usize = 68 * 1024;
/// Bytes in front of a fresh frame's data.
pub const HEADROOM: usize = FRESH_OFF as usize;
const FRESH_OFF: u32 = 256;

/// Which of the two chunk sizes a frame has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SizeClass {
    /// [`SMALL_CHUNK`].
    Small,
    /// [`LARGE_CHUNK`].
    Large,
}

impl SizeClass {
    /// Bytes that a fresh frame can hold behind its headroom.
    #[must_use]
    pub const fn room(self) -> usize {
        self.chunk() - HEADROOM
    }

    const fn chunk(self) -> usize {
        match self {
            SizeClass::Small => SMALL_CHUNK,
            SizeClass::Large => LARGE_CHUNK,
        }
    }
}

/// Why frame memory could not be made.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// The system refused the mapping.
    #[error("cannot map {bytes} bytes of packet buffers: {source}")]
    Map {
        /// Size of the mapping.
        bytes: usize,
        /// What the system said.
        source: std::io::Error,
    },
}

/// One buffer's book-keeping, outside the mapping, so that no device can write it.
#[repr(align(64))]
struct Slot {
    base: NonNull<u8>,
    cap: u32,
    off: u32,
    len: u32,
    class: SizeClass,
    offload: Offload,
    shared: NonNull<Shared>,
}

/// A free slot in the depot.
struct FreeSlot(NonNull<Slot>);

// SAFETY: by I1 the pointer is the only way to its slot; the slot's own pointers are to memory that
// outlives it (I4) and carry no thread affinity.
unsafe impl Send for FreeSlot {}

#[derive(Default)]
struct Depot {
    small: Vec<FreeSlot>,
    large: Vec<FreeSlot>,
    /// `FrameMemory` has been dropped: the last frame to come home frees everything.
    abandoned: bool,
}

impl Depot {
    fn list(&mut self, class: SizeClass) -> &mut Vec<FreeSlot> {
        match class {
            SizeClass::Small => &mut self.small,
            SizeClass::Large => &mut self.large,
        }
    }
}

/// To whom slots are lent: no two are the same, ever.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Borrower(NonZeroU64);

/// Where the small chunks are: one after the other, each [`SMALL_CHUNK`] bytes, aligned to a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Region {
    /// Address of the first byte in this process.
    pub address: usize,
    /// Bytes.
    pub len: usize,
}

struct Shared {
    depot: Mutex<Depot>,
    /// One word per small slot: zero, or the number of its borrower.
    owners: Box<[AtomicU64]>,
    next_borrower: AtomicU64,
    slots: NonNull<[Slot]>,
    map: NonNull<core::ffi::c_void>,
    map_len: usize,
}

impl Shared {
    /// Whether the memory is to be freed now, by the caller (I4).
    fn is_finished(&self, depot: &Depot) -> bool {
        depot.abandoned && depot.small.len() + depot.large.len() == self.slots.len()
    }

    fn depot(&self) -> MutexGuard<'_, Depot> {
        self.depot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The packet buffers of one datapath.
pub struct FrameMemory {
    shared: NonNull<Shared>,
}

// SAFETY: `shared` is only used through `&Shared`, of which only the depot, behind its mutex, ever
// changes; `slots` and `map` are used by `free` alone, which I4 calls once.
unsafe impl Send for FrameMemory {}
// SAFETY: as for `Send` (I4).
unsafe impl Sync for FrameMemory {}

impl FrameMemory {
    /// Maps room for `n_small` and `n_large` chunks; pages are taken from the system as they are
    /// first used.
    ///
    /// # Errors
    /// The system refuses the mapping.
    pub fn new(n_small: usize, n_large: usize) -> Result<Arc<FrameMemory>, MemoryError> {
        let small_bytes = n_small.saturating_mul(SMALL_CHUNK);
        let map_len = small_bytes.saturating_add(n_large.saturating_mul(LARGE_CHUNK)).max(1);
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: a fresh anonymous mapping at an address of the kernel's choice aliases nothing (I2).
        let map = unsafe {
            mmap_anonymous(
                core::ptr::null_mut(),
                map_len,
                ProtFlags::READ | ProtFlags::WRITE,
                flags,
            )
        };
        let map = map.map_err(|e| MemoryError::Map { bytes: map_len, source: e.into() })?;
        let map = NonNull::new(map).ok_or_else(|| MemoryError::Map {
            bytes: map_len,
            source: std::io::ErrorKind::OutOfMemory.into(),
        })?;
        let empty: Box<[Slot]> = Box::default();
        let shared = Shared {
            depot: Mutex::new(Depot::default()),
            owners: (0..n_small).map(|_| AtomicU64::new(0)).collect(),
            next_borrower: AtomicU64::new(1),
            slots: NonNull::from(Box::leak(empty)),
            map,
            map_len,
        };
        let mut shared = NonNull::from(Box::leak(Box::new(shared)));
        let slot = |class: SizeClass, at: usize| Slot {
            // SAFETY: `at + class.chunk() <= map_len` for each call below (I2).
            base: unsafe { map.cast::<u8>().add(at) },
            cap: u32::try_from(class.chunk()).unwrap_or(u32::MAX),
            off: 0,
            len: 0,
            class,
            offload: Offload::NONE,
            shared,
        };
        let small = (0..n_small).map(|i| slot(SizeClass::Small, i * SMALL_CHUNK));
        let large = (0..n_large).map(|i| slot(SizeClass::Large, small_bytes + i * LARGE_CHUNK));
        let slots: Box<[Slot]> = small.chain(large).collect();
        // SAFETY: leaked above; no other reference to it exists yet (I4).
        unsafe { shared.as_mut() }.slots = NonNull::from(Box::leak(slots));
        let memory = FrameMemory { shared };
        memory.fill_depot();
        Ok(Arc::new(memory))
    }

    /// Puts every slot into the depot, lowest address on top.
    fn fill_depot(&self) {
        let slots = self.shared().slots;
        let mut depot = self.shared().depot();
        for i in (0..slots.len()).rev() {
            // SAFETY: `i` is within the slice that `new` leaked, alive until `free` (I4).
            let slot = unsafe { slots.cast::<Slot>().add(i) };
            // SAFETY: as above; no `Frame` exists yet, so nothing else refers to the slot (I1).
            let class = unsafe { slot.as_ref() }.class;
            depot.list(class).push(FreeSlot(slot));
        }
    }

    fn shared(&self) -> &Shared {
        // SAFETY: `new` leaked it; by I4 it lives at least as long as `self`.
        unsafe { self.shared.as_ref() }
    }

    /// Free frames in the depot; those that pools keep are not among them.
    #[must_use]
    pub fn n_free(&self, class: SizeClass) -> usize {
        self.shared().depot().list(class).len()
    }

    /// The small chunks, to be registered with a device that is lent some of them.
    #[must_use]
    pub fn small_region(&self) -> Region {
        let shared = self.shared();
        Region { address: shared.map.addr().get(), len: shared.owners.len() * SMALL_CHUNK }
    }

    /// Somebody to lend to.
    pub(super) fn new_borrower(&self) -> Borrower {
        let number = self.shared().next_borrower.fetch_add(1, Ordering::Relaxed);
        Borrower(NonZeroU64::new(number).unwrap_or(NonZeroU64::MAX))
    }

    /// Lends a small frame of this memory; the offset of its data from the start of the region.
    ///
    /// # Errors
    /// The frame is a large one, or of another memory: it is given back.
    pub(super) fn lend(&self, frame: Frame, to: Borrower) -> Result<u64, Frame> {
        let slot = frame.slot();
        let at = slot.base.addr().get().wrapping_sub(self.shared().map.addr().get());
        let address = at as u64 + u64::from(slot.off);
        let owner = self.shared().owners.get(at / SMALL_CHUNK);
        match owner {
            Some(owner) if slot.shared == self.shared => {
                let _lent = core::mem::ManuallyDrop::new(frame);
                owner.store(to.0.get(), Ordering::Release);
                Ok(address)
            }
            _ => Err(frame),
        }
    }

    /// Takes back the frame that the address lies in, empty, with its data at the address; `None`
    /// if that frame is not lent to `from`, or there is none.
    pub(super) fn take_back(&self, address: u64, from: Borrower) -> Option<Frame> {
        let index = usize::try_from(address / SMALL_CHUNK as u64).ok()?;
        let shared = self.shared();
        let owner = shared.owners.get(index)?;
        owner.compare_exchange(from.0.get(), 0, Ordering::Acquire, Ordering::Relaxed).ok()?;
        // SAFETY: `owners` has a word for each small slot, which come first in `slots` (I4).
        let slot = unsafe { shared.slots.cast::<Slot>().add(index) };
        // I1: the swap made this the slot's only place.
        let mut frame = Frame(slot);
        frame.reset();
        let off = u32::try_from(address % SMALL_CHUNK as u64).unwrap_or(0);
        frame.slot_mut().off = off; // below SMALL_CHUNK, the chunk's size (I3)
        Some(frame)
    }

    /// Takes back whatever is lent to `from`.
    pub(super) fn take_back_all(&self, from: Borrower) -> Vec<Frame> {
        let chunk = SMALL_CHUNK as u64;
        let owners = self.shared().owners.iter().zip(0..);
        let lent = owners.filter(|(owner, _)| owner.load(Ordering::Relaxed) == from.0.get());
        lent.filter_map(|(_, i)| self.take_back(i * chunk, from)).collect()
    }

    /// Moves up to `n` free frames into `out`.
    pub(super) fn withdraw(&self, class: SizeClass, n: usize, out: &mut Vec<Frame>) {
        let mut depot = self.shared().depot();
        let list = depot.list(class);
        let keep = list.len().saturating_sub(n);
        out.extend(list.drain(keep..).map(|free| Frame(free.0)));
    }

    /// Takes frames back, all of one class.
    pub(super) fn deposit(&self, class: SizeClass, frames: impl Iterator<Item = Frame>) {
        let mut depot = self.shared().depot();
        depot.list(class).extend(frames.map(Frame::into_free));
    }
}

impl Drop for FrameMemory {
    fn drop(&mut self) {
        let finished = {
            let mut depot = self.shared().depot();
            depot.abandoned = true;
            self.shared().is_finished(&depot)
        };
        if finished {
            // SAFETY: I4: abandoned, and every slot is home.
            unsafe { free(self.shared) };
        }
    }
}

/// Frees the depot, the slots and the mapping.
///
/// # Safety
/// I4 holds for `shared`, no reference to it is alive, and nobody frees it a second time.
unsafe fn free(shared: NonNull<Shared>) {
    // SAFETY: leaked by `FrameMemory::new`, freed once, here (I4).
    let shared = unsafe { Box::from_raw(shared.as_ptr()) };
    // SAFETY: as above; no `Frame` is left that refers to a slot (I4).
    drop(unsafe { Box::from_raw(shared.slots.as_ptr()) });
    // SAFETY: the whole of the mapping made by `new`; no slot points into it any more (I4).
    let unmapped = unsafe { munmap(shared.map.as_ptr(), shared.map_len) };
    debug_assert!(unmapped.is_ok());
}

/// A frame: the only handle to its buffer.
pub struct Frame(NonNull<Slot>);

// SAFETY: by I1 the frame is the only way to its slot and buffer, and neither has thread affinity.
unsafe impl Send for Frame {}

impl Frame {
    fn slot(&self) -> &Slot {
        // SAFETY: I1 (no other access while `self` is borrowed) and I4 (the slot is alive).
        unsafe { self.0.as_ref() }
    }

    fn slot_mut(&mut self) -> &mut Slot {
        // SAFETY: I1 (exclusive, as `self` is) and I4.
        unsafe { self.0.as_mut() }
    }

    fn into_free(self) -> FreeSlot {
        let frame = core::mem::ManuallyDrop::new(self);
        FreeSlot(frame.0)
    }

    /// Empties the frame: no data, [`HEADROOM`] in front, no offload.
    pub fn reset(&mut self) {
        let slot = self.slot_mut();
        slot.off = FRESH_OFF;
        slot.len = 0;
        slot.offload = Offload::NONE;
    }

    /// The bytes, from the Ethernet destination on.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        let slot = self.slot();
        // SAFETY: I3: `off` is within the chunk.
        let start = unsafe { slot.base.add(slot.off as usize) };
        // SAFETY: I2 and I3: `len` initialised bytes from there on, borrowed as long as `self`.
        unsafe { core::slice::from_raw_parts(start.as_ptr(), slot.len as usize) }
    }

    /// The bytes, to change.
    #[must_use]
    pub fn data_mut(&mut self) -> &mut [u8] {
        let len = self.slot().len as usize;
        &mut self.room_mut()[..len]
    }

    /// All bytes from the start of the data to the end of the chunk: where a device may write.
    #[must_use]
    pub fn room_mut(&mut self) -> &mut [u8] {
        let slot = self.slot_mut();
        // SAFETY: I3: `off` is within the chunk.
        let start = unsafe { slot.base.add(slot.off as usize) };
        let room = (slot.cap - slot.off) as usize;
        // SAFETY: I2: that many initialised bytes from there on; exclusive by I1.
        unsafe { core::slice::from_raw_parts_mut(start.as_ptr(), room) }
    }

    /// Bytes of data.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slot().len as usize
    }

    /// Whether there is no data.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slot().len == 0
    }

    /// Bytes free in front of the data.
    #[must_use]
    pub fn headroom(&self) -> usize {
        self.slot().off as usize
    }

    /// Which size the frame's chunk has.
    #[must_use]
    pub fn class(&self) -> SizeClass {
        self.slot().class
    }

    /// Sets the number of bytes of data; `false`, and nothing changed, if the chunk has no room.
    #[must_use]
    pub fn set_len(&mut self, len: usize) -> bool {
        let slot = self.slot_mut();
        match u32::try_from(len) {
            Ok(len) if len <= slot.cap - slot.off => {
                slot.len = len;
                true
            }
            _ => false,
        }
    }

    /// Extends the data by `n` bytes to the front; `false`, and nothing changed, without headroom.
    /// The new bytes hold whatever was there.
    #[must_use]
    pub fn extend_front(&mut self, n: usize) -> bool {
        let slot = self.slot_mut();
        match u32::try_from(n) {
            Ok(n) if n <= slot.off => {
                slot.off -= n;
                slot.len += n;
                true
            }
            _ => false,
        }
    }

    /// Cuts `n` bytes off the front; `false`, and nothing changed, if there are fewer.
    #[must_use]
    pub fn trim_front(&mut self, n: usize) -> bool {
        let slot = self.slot_mut();
        match u32::try_from(n) {
            Ok(n) if n <= slot.len => {
                slot.off += n;
                slot.len -= n;
                true
            }
            _ => false,
        }
    }

    /// What the sender left undone.
    #[must_use]
    pub fn offload(&self) -> &Offload {
        &self.slot().offload
    }

    /// Says what is left undone. The caller has checked it against the bytes.
    pub fn set_offload(&mut self, offload: Offload) {
        self.slot_mut().offload = offload;
    }
}

impl Drop for Frame {
    /// The way home where no pool is at hand.
    fn drop(&mut self) {
        let (class, home) = (self.slot().class, self.slot().shared);
        let finished = {
            // SAFETY: I4: this frame exists, so the depot does.
            let shared = unsafe { home.as_ref() };
            let mut depot = shared.depot();
            depot.list(class).push(FreeSlot(self.0));
            shared.is_finished(&depot)
        };
        if finished {
            // SAFETY: I4: abandoned, and this was the last slot to come home: since the depot holds
            // every slot and `FrameMemory` is gone, nobody else can reach this point again.
            unsafe { free(home) };
        }
    }
}

impl core::fmt::Debug for FrameMemory {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "FrameMemory({} bytes)", self.shared().map_len)
    }
}

impl core::fmt::Debug for Frame {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Frame({} bytes, {:?})", self.len(), self.offload())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_frame_goes_back_to_the_depot() {
        let memory = FrameMemory::new(4, 2).unwrap();
        let mut out = Vec::new();
        memory.withdraw(SizeClass::Large, 5, &mut out);
        assert_eq!((out.len(), memory.n_free(SizeClass::Large)), (2, 0));
        out.clear();
        assert_eq!((memory.n_free(SizeClass::Large), memory.n_free(SizeClass::Small)), (2, 4));
    }

    #[test]
    fn a_frame_may_outlive_its_memory() {
        let memory = FrameMemory::new(2, 0).unwrap();
        let mut out = Vec::new();
        memory.withdraw(SizeClass::Small, 1, &mut out);
        drop(memory);
        out[0].reset();
        assert!(out[0].set_len(60));
        out[0].data_mut().fill(7);
        assert_eq!(out[0].data(), [7; 60]);
    }

    #[test]
    fn bounds_hold() {
        let memory = FrameMemory::new(1, 0).unwrap();
        let mut out = Vec::new();
        memory.withdraw(SizeClass::Small, 1, &mut out);
        let frame = &mut out[0];
        frame.reset();
        assert_eq!(frame.room_mut().len(), SizeClass::Small.room());
        assert!(!frame.set_len(SizeClass::Small.room() + 1));
        assert!(!frame.trim_front(1));
        assert!(frame.extend_front(HEADROOM));
        assert!(!frame.extend_front(1));
        assert_eq!((frame.headroom(), frame.len()), (0, HEADROOM));
        assert!(frame.trim_front(HEADROOM) && frame.is_empty());
        assert!(!frame.set_len(usize::MAX) && !frame.extend_front(usize::MAX));
    }
}
