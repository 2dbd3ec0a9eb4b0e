//! A mapping that is shared with the kernel: one ring's words and entries.
//!
//! # Invariants
//! - **I1** `base` points to `len` bytes that are mapped, readable and writable until this is dropped,
//!   and aligned to a page.
//! - **I2** [`Mapping::words`] gives pointers only to what lies within, and is aligned for its type.
//!
//! What is inside may change at any time: it is never seen through a reference, but for atomics.

#![allow(unsafe_code)]

use core::ffi::c_void;
use core::ptr::NonNull;
use std::io;
use std::os::fd::BorrowedFd;

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// A mapping, unmapped when dropped.
pub(super) struct Mapping {
    base: NonNull<c_void>,
    len: usize,
}

// SAFETY: I1: the mapping belongs to the process, not to a thread.
unsafe impl Send for Mapping {}
// SAFETY: I1; a shared reference gives nothing but pointers.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// `len` bytes of a descriptor's file, from `offset` on.
    pub(super) fn of_file(fd: BorrowedFd<'_>, offset: u64, len: usize) -> io::Result<Mapping> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        let flags = MapFlags::SHARED | MapFlags::POPULATE;
        // SAFETY: a mapping at an address of the kernel's choice aliases nothing (I1).
        let base = unsafe { mmap(core::ptr::null_mut(), len, protection, flags, fd, offset) }?;
        Ok(Mapping { base: NonNull::new(base).ok_or(io::ErrorKind::OutOfMemory)?, len })
    }

    /// `len` bytes of memory, all zero.
    #[cfg(test)]
    pub(super) fn anonymous(len: usize) -> io::Result<Mapping> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        let (at, flags) = (core::ptr::null_mut(), MapFlags::PRIVATE);
        // SAFETY: as in `of_file` (I1).
        let base = unsafe { rustix::mm::mmap_anonymous(at, len, protection, flags) }?;
        Ok(Mapping { base: NonNull::new(base).ok_or(io::ErrorKind::OutOfMemory)?, len })
    }

    /// Where `n` values of a type lie, from the byte `offset` on; `None` if they do not lie within, or
    /// not aligned.
    pub(super) fn words<T>(&self, offset: u64, n: u32) -> Option<NonNull<T>> {
        let offset = usize::try_from(offset).ok()?;
        let bytes = size_of::<T>().checked_mul(usize::try_from(n).ok()?)?;
        let within = offset.checked_add(bytes)? <= self.len;
        if !within || !offset.is_multiple_of(align_of::<T>()) {
            return None;
        }
        // SAFETY: I1 and the check above: `offset` is within the mapping.
        Some(unsafe { self.base.cast::<u8>().add(offset) }.cast())
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: I1: the whole of the mapping; who has a pointer into it keeps `self`.
        let unmapped = unsafe { munmap(self.base.as_ptr(), self.len) };
        debug_assert!(unmapped.is_ok());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_stay_within() {
        let mapping = Mapping::anonymous(4096).unwrap();
        assert!(mapping.words::<u64>(0, 512).is_some());
        assert!(mapping.words::<u64>(4088, 1).is_some());
        for (offset, n) in [(0, 513), (4088, 2), (4096, 1), (4, 1), (u64::MAX, 1), (8, u32::MAX)] {
            assert!(mapping.words::<u64>(offset, n).is_none(), "{offset} {n}");
        }
    }
}
