//! A guest's memory: regions of files that the front end shares, found by guest address.
//!
//! # Design
//! Every address and length comes from an adversary. A [`GuestMemory`] is made once from the front
//! end's table, checked, and never changes; a new table makes a new one. Its users copy: out of it
//! into memory of their own, which they then check, or into it. Nothing here gives out a reference
//! to a guest's bytes, which may change at any time.
//!
//! # Invariants
//! - **I1** A region's `len` bytes from `host` on lie within its mapping, which lives as long as the
//!   region: both come from one check in [`Region::new`].
//! - **I2** A pointer that is given out, or copied through, has at least as many bytes behind it in
//!   its region as are used.
//! - **I3** A guest's bytes are only touched through raw pointers, by copies, volatile accesses and
//!   atomics, and each copy is followed by a compiler fence: what was copied is not fetched again,
//!   so a check of the copy holds. What is copied to or from is memory of this process, which never
//!   overlaps a mapping.
//! - **I4** A prefetch neither reads nor faults (Intel SDM vol. 2, PREFETCHh).
//!
//! # Thread-safety
//! Any thread may copy; the guest writes at the same time in any case.

#![allow(unsafe_code)]

use core::ptr::NonNull;
use core::sync::atomic::{Ordering, compiler_fence};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use super::sys::{self, Mapping};

/// Regions of one guest. As many as descriptors fit one message.
pub const MAX_REGIONS: usize = 32;
/// Bytes of one guest's memory: a bound on what a guest takes of this process's address space.
const MAX_LEN: u64 = 8 << 40;

/// Bytes of a frame that are asked for ahead: the header and the shortest frame. A processor sees by
/// itself that a longer one goes on.
const EXPECTED_LEN: usize = 128;
const CACHE_LINE_LEN: usize = 64;

/// Asks for a cache line.
#[inline]
fn prefetch(at: NonNull<u8>, access: Access) {
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::{_MM_HINT_ET0, _MM_HINT_T0, _mm_prefetch};
        let at = at.as_ptr().cast();
        match access {
            // SAFETY: I4.
            Access::Read => unsafe { _mm_prefetch::<_MM_HINT_T0>(at) },
            // SAFETY: I4.
            Access::Write => unsafe { _mm_prefetch::<_MM_HINT_ET0>(at) },
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (at, access);
}

/// Who writes a buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// The guest has written it: a frame that it sends.
    Read,
    /// The switch writes it: room for a frame that the guest receives.
    Write,
}

/// A region as the front end describes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RegionSpec {
    /// Its address in the guest.
    pub guest: u64,
    /// Bytes.
    pub len: u64,
    /// Its address in the front end, by which rings are named.
    pub user: u64,
    /// Where in its file it starts.
    pub offset: u64,
}

/// Why memory cannot be shared.
#[derive(Debug, thiserror::Error)]
pub enum MemoryFault {
    /// Not a file that is safe to map.
    #[error("memory region at {0:#x}: not a memfd, nor a file of tmpfs or hugetlbfs")]
    NotInMemory(u64),
    /// The file ends before the region.
    #[error("memory region at {guest:#x}: ends at byte {end} of a file of {file_len} bytes")]
    Short {
        /// The region's guest address.
        guest: u64,
        /// Where in the file it ends.
        end: u64,
        /// Bytes of the file.
        file_len: u64,
    },
    /// Two regions at the same place, or one that wraps around.
    #[error("memory region at {0:#x}: overlaps another, or the end of addresses")]
    Overlap(u64),
    /// Too much.
    #[error("{0} (allowed: {MAX_REGIONS} regions of {MAX_LEN} bytes together)")]
    TooMuch(String),
    /// The system refuses.
    #[error("memory region at {guest:#x}: {source}")]
    Os {
        /// The region's guest address.
        guest: u64,
        /// What it said.
        source: std::io::Error,
    },
}

/// One region, mapped.
pub struct Region {
    spec: RegionSpec,
    /// Device and number of its file.
    file: (u64, u64),
    host: NonNull<u8>,
    mapping: Mapping,
}

// SAFETY: I1: `host` points into the mapping, which any thread may use.
unsafe impl Send for Region {}
// SAFETY: as above (I1).
unsafe impl Sync for Region {}

impl Region {
    /// Maps a region of a file.
    ///
    /// # Errors
    /// The file is not one of memory, ends too early, or cannot be mapped for writing.
    pub fn new(spec: RegionSpec, file: &OwnedFd) -> Result<Region, MemoryFault> {
        let guest = spec.guest;
        let os = |source| MemoryFault::Os { guest, source };
        if !sys::is_in_memory(file) {
            return Err(MemoryFault::NotInMemory(guest));
        }
        let stat = rustix::fs::fstat(file).map_err(|errno| os(errno.into()))?;
        let file_len = u64::try_from(stat.st_size).unwrap_or(0);
        // Pages of hugetlbfs can only be mapped whole; their size is that of its blocks.
        let page = u64::try_from(stat.st_blksize).unwrap_or(0).max(4096);
        let ends = [spec.guest, spec.user, spec.offset].map(|start| start.checked_add(spec.len));
        let [Some(_), Some(_), Some(end)] = ends else {
            return Err(MemoryFault::Overlap(guest));
        };
        if spec.len == 0 || end > file_len {
            return Err(MemoryFault::Short { guest, end, file_len });
        }
        let from = spec.offset - spec.offset % page;
        let len = (end - from).checked_next_multiple_of(page).filter(|len| *len <= MAX_LEN + page);
        let too_much = || MemoryFault::TooMuch(format!("region of {} bytes", spec.len));
        let len = len.and_then(|len| usize::try_from(len).ok()).ok_or_else(too_much)?;
        let skip = usize::try_from(spec.offset - from).map_err(|_| too_much())?;
        let mapping = Mapping::new(file.as_fd(), from, len).map_err(os)?;
        // SAFETY: I1: `skip + spec.len` is at most the mapping's length, which is `end - from` rounded
        // up, with `end = spec.offset + spec.len` and `skip = spec.offset - from`.
        let host = unsafe { mapping.base().add(skip) };
        Ok(Region { spec, file: (stat.st_dev, stat.st_ino), host, mapping })
    }

    /// Whether both are the same bytes at the same place.
    #[must_use]
    pub fn is_same_as(&self, other: &Region) -> bool {
        (self.spec, self.file) == (other.spec, other.file)
    }

    /// As the front end described it.
    #[must_use]
    pub fn spec(&self) -> RegionSpec {
        self.spec
    }

    /// The byte at `offset`, and how many there are from it on; `offset` is within the region.
    fn at(&self, offset: u64) -> Option<(NonNull<u8>, usize)> {
        let left = usize::try_from(self.spec.len.checked_sub(offset)?).ok()?;
        let offset = usize::try_from(offset).ok()?;
        // SAFETY: I1: `offset` is at most `len`.
        Some((unsafe { self.host.add(offset) }, left))
    }
}

/// All memory that a front end shares.
pub struct GuestMemory {
    regions: Vec<Arc<Region>>,
}

impl GuestMemory {
    /// Puts regions together.
    ///
    /// # Errors
    /// Two overlap, in the guest or in the front end, or they are too many or too large.
    pub fn new(mut regions: Vec<Arc<Region>>) -> Result<GuestMemory, MemoryFault> {
        let total: u64 = regions.iter().fold(0, |sum, r| sum.saturating_add(r.spec.len));
        if regions.len() > MAX_REGIONS || total > MAX_LEN {
            let what = format!("{} regions of {total} bytes", regions.len());
            return Err(MemoryFault::TooMuch(what));
        }
        let starts: [fn(&RegionSpec) -> u64; 2] = [|spec| spec.user, |spec| spec.guest];
        for start in starts {
            regions.sort_by_key(|region| start(&region.spec));
            for pair in regions.windows(2) {
                let [first, second] = [&pair[0].spec, &pair[1].spec];
                if start(second) - start(first) < first.len {
                    return Err(MemoryFault::Overlap(second.guest));
                }
            }
        }
        Ok(GuestMemory { regions })
    }

    /// Whether a file was cut under a region.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.regions.iter().any(|region| region.mapping.is_lost())
    }

    /// Where a guest address is here, and how many bytes follow in its region.
    #[inline]
    fn find(&self, guest: u64) -> Option<(NonNull<u8>, usize)> {
        let holds = |region: &&Arc<Region>| guest.wrapping_sub(region.spec.guest) < region.spec.len;
        let region = self.regions.iter().find(holds)?;
        region.at(guest - region.spec.guest)
    }

    /// `len` bytes at an address of the front end, within one region, aligned to `align`.
    #[must_use]
    pub fn ring_part(&self, user: u64, len: usize, align: usize) -> Option<NonNull<u8>> {
        let holds = |region: &&Arc<Region>| user.wrapping_sub(region.spec.user) < region.spec.len;
        let region = self.regions.iter().find(holds)?;
        let (at, left) = region.at(user - region.spec.user)?;
        (len <= left && at.addr().get().is_multiple_of(align)).then_some(at)
    }

    /// Asks the processor for the cache lines at an address that is about to be copied from or to: to be
    /// written they come as this processor's own, in one journey instead of two. It may be any address.
    #[inline]
    pub fn expect(&self, guest: u64, access: Access) {
        let Some((at, left)) = self.find(guest) else { return };
        for off in (0..EXPECTED_LEN.min(left)).step_by(CACHE_LINE_LEN) {
            // SAFETY: I2: `off` is less than what is left of the region.
            prefetch(unsafe { at.add(off) }, access);
        }
    }

    /// Copies from the guest; `false` if not all of it is there, and `to` holds anything then.
    #[must_use]
    #[inline]
    pub fn copy_out(&self, mut guest: u64, mut to: &mut [u8]) -> bool {
        while !to.is_empty() {
            let Some((from, left)) = self.find(guest) else { return false };
            let (now, later) = to.split_at_mut(left.min(to.len()));
            // SAFETY: I2: `now` is no longer than what is left of the region; I3.
            unsafe { from.as_ptr().copy_to_nonoverlapping(now.as_mut_ptr(), now.len()) };
            compiler_fence(Ordering::SeqCst);
            let Some(next) = guest.checked_add(now.len() as u64) else { return later.is_empty() };
            (guest, to) = (next, later);
        }
        true
    }

    /// Copies to the guest; `false` if not all of it is there: a part may have been written then.
    #[must_use]
    #[inline]
    pub fn copy_in(&self, mut guest: u64, mut from: &[u8]) -> bool {
        while !from.is_empty() {
            let Some((to, left)) = self.find(guest) else { return false };
            let (now, later) = from.split_at(left.min(from.len()));
            // SAFETY: I2: `now` is no longer than what is left of the region; I3.
            unsafe { to.as_ptr().copy_from_nonoverlapping(now.as_ptr(), now.len()) };
            compiler_fence(Ordering::SeqCst);
            let Some(next) = guest.checked_add(now.len() as u64) else { return later.is_empty() };
            (guest, from) = (next, later);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};

    fn file(len: u64) -> OwnedFd {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let file = memfd_create("guest", flags).unwrap();
        ftruncate(&file, len).unwrap();
        file
    }

    fn spec(guest: u64, len: u64, user: u64, offset: u64) -> RegionSpec {
        RegionSpec { guest, len, user, offset }
    }

    #[test]
    fn copies_cross_adjacent_regions_and_nothing_else() {
        let file = file(0x4000);
        let specs = [
            spec(0x1000, 0x1000, 0x7000_0000, 0),
            spec(0x2000, 0x800, 0x9000_0000, 0x2000),
            spec(0x8000, 0x800, 0xa000_0000, 0x3001),
        ];
        let regions = specs.map(|spec| Arc::new(Region::new(spec, &file).unwrap()));
        let memory = GuestMemory::new(regions.to_vec()).unwrap();
        let data: Vec<u8> = (0..200).collect();
        assert!(memory.copy_in(0x1fa0, &data));
        let mut back = [0; 200];
        assert!(memory.copy_out(0x1fa0, &mut back));
        assert_eq!(back[..], data);
        let mut seen = [0; 104];
        assert_eq!(rustix::io::pread(&file, &mut seen, 0x2000).unwrap(), 104);
        assert_eq!(seen, data[96..]);
        assert!(memory.copy_in(0x8000, &[9]));
        assert_eq!(rustix::io::pread(&file, &mut seen[..1], 0x3001).unwrap(), 1);
        assert_eq!(seen[0], 9);
        for (guest, len) in [(0, 1), (0xfff, 2), (0x27ff, 2), (0x8800, 1), (u64::MAX, 1)] {
            assert!(!memory.copy_in(guest, &data[..len]), "{guest:#x}");
            assert!(!memory.copy_out(guest, &mut back[..len]), "{guest:#x}");
        }
        assert!(memory.copy_out(0, &mut []));
        assert!(memory.ring_part(0x7000_0ff0, 16, 16).is_some());
        assert!(memory.ring_part(0x7000_0ff0, 17, 16).is_none());
        assert!(memory.ring_part(0x7000_0001, 16, 2).is_none());
        assert!(memory.ring_part(0x7000_1000, 1, 1).is_none());
    }

    #[test]
    fn tables_that_lie_are_refused() {
        let file = file(0x4000);
        let made = |spec| Region::new(spec, &file).map(Arc::new);
        for bad in [
            spec(0, 0, 0, 0),
            spec(0, 0x4001, 0, 0),
            spec(0, 0x1000, 0, 0x3001),
            spec(u64::MAX, 0x1000, 0, 0),
            spec(0, 0x1000, u64::MAX - 5, 0),
            spec(0, 0x1000, 0, u64::MAX - 5),
        ] {
            assert!(made(bad).is_err(), "{bad:?}");
        }
        let pair = |a, b| GuestMemory::new(vec![made(a).unwrap(), made(b).unwrap()]);
        let first = spec(0x1000, 0x1000, 0x1000, 0);
        assert!(pair(first, spec(0x2000, 0x1000, 0x2000, 0)).is_ok());
        assert!(pair(first, spec(0x1fff, 0x1000, 0x8000, 0)).is_err());
        assert!(pair(first, spec(0x8000, 0x1000, 0x1fff, 0)).is_err());
        assert!(pair(first, first).is_err());
        fcntl_add_seals(&file, SealFlags::WRITE).unwrap();
        assert!(matches!(made(first), Err(MemoryFault::Os { .. })));
        let disk = OwnedFd::from(std::fs::File::open("/proc/self/exe").unwrap());
        assert!(matches!(Region::new(first, &disk), Err(MemoryFault::NotInMemory(0x1000))));
    }
}
