//! Files of guests mapped into this process, and the fault that a file cut short causes.
//!
//! # Design
//! Whoever owns a memory file may cut it at any time; the next access behind its end is a `SIGBUS`,
//! which would end the switch. A check beforehand proves nothing, since the file may be cut right
//! after. So every mapping stands in a table, and the handler of the signal puts zeroed anonymous
//! memory in the place of the whole mapping that the fault lies in, marks it as lost, and lets the
//! access go on. What was read is then zeroes, checked like anything that a guest writes; the port
//! finds the mark after the batch.
//!
//! The table is a global, as the signal is.
//!
//! # Invariants
//! - **I1** A [`Mapping`] is the only owner of its range of addresses: mapped when it is made, at an
//!   address of the kernel's choice, unmapped when it is dropped, and in the table in between.
//! - **I2** A table entry is written by whoever claimed it, under an odd generation. The handler acts
//!   on an entry only if its generation was even, and the same before and after it read the entry.
//! - **I3** A fault in a mapping happens on a thread that uses it, so the mapping cannot be dropped
//!   before the handler returns, and its entry does not change.
//! - **I4** The handler calls nothing but `mmap`, `sigaction` and `raise`, which are async-signal-safe,
//!   and keeps `errno`.
//! - **I5** System calls get structures that live through the call, and that are as large as the
//!   kernel expects.
//!
//! # References
//! signal-safety(7), mmap(2), fcntl_sealing(2).

#![allow(unsafe_code)]

use core::ffi::c_void;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::OnceLock;

use libc::c_int;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// Mappings at a time, of all ports.
const MAX_MAPPINGS: usize = 4096;

/// One entry of the table. `len` is zero where it is free.
struct Entry {
    claimed: AtomicBool,
    generation: AtomicUsize,
    start: AtomicUsize,
    len: AtomicUsize,
    lost: AtomicBool,
}

static TABLE: [Entry; MAX_MAPPINGS] = [const {
    Entry {
        claimed: AtomicBool::new(false),
        generation: AtomicUsize::new(0),
        start: AtomicUsize::new(0),
        len: AtomicUsize::new(0),
        lost: AtomicBool::new(false),
    }
}; MAX_MAPPINGS];

impl Entry {
    fn claim() -> Option<&'static Entry> {
        TABLE.iter().find(|entry| !entry.claimed.swap(true, Ordering::Acquire))
    }

    /// Writes the range; by the claimer (I2).
    fn set(&self, start: usize, len: usize) {
        let generation = self.generation.load(Ordering::Relaxed);
        self.generation.store(generation.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        self.start.store(start, Ordering::Relaxed);
        self.len.store(len, Ordering::Relaxed);
        self.generation.store(generation.wrapping_add(2), Ordering::Release);
    }

    /// The range, if nobody is changing it.
    fn range(&self) -> Option<(usize, usize)> {
        let before = self.generation.load(Ordering::Acquire);
        let range = (self.start.load(Ordering::Relaxed), self.len.load(Ordering::Relaxed));
        fence(Ordering::Acquire);
        let after = self.generation.load(Ordering::Relaxed);
        (before == after && before.is_multiple_of(2) && range.1 > 0).then_some(range)
    }
}

/// A file of a guest in the memory of this process.
pub(super) struct Mapping {
    base: NonNull<u8>,
    len: usize,
    entry: &'static Entry,
}

// SAFETY: I1: a range of addresses that any thread may use; all access is by raw pointer.
unsafe impl Send for Mapping {}
// SAFETY: as above (I1).
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `len` bytes of a file from `offset`, both multiples of its page size.
    pub(super) fn new(file: BorrowedFd<'_>, offset: u64, len: usize) -> io::Result<Mapping> {
        catch_faults()?;
        let entry = Entry::claim().ok_or_else(|| io::Error::other("too many mappings"))?;
        let prot = ProtFlags::READ | ProtFlags::WRITE;
        let flags = MapFlags::SHARED | MapFlags::NORESERVE;
        // SAFETY: I1: a fresh mapping at an address of the kernel's choice aliases nothing here.
        let base = unsafe { mmap(core::ptr::null_mut(), len, prot, flags, file, offset) };
        let mapped = base.map_err(io::Error::from).and_then(|base| {
            NonNull::new(base.cast::<u8>()).ok_or_else(|| io::ErrorKind::OutOfMemory.into())
        });
        match mapped {
            Ok(base) => {
                entry.lost.store(false, Ordering::Relaxed);
                entry.set(base.addr().get(), len);
                Ok(Mapping { base, len, entry })
            }
            Err(error) => {
                entry.claimed.store(false, Ordering::Release);
                Err(error)
            }
        }
    }

    /// The first byte.
    pub(super) fn base(&self) -> NonNull<u8> {
        self.base
    }

    /// Bytes.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.len
    }

    /// Whether the file was cut under the mapping.
    pub(super) fn is_lost(&self) -> bool {
        self.entry.lost.load(Ordering::Relaxed)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        self.entry.set(0, 0);
        // SAFETY: I1: the whole of the mapping, which nobody uses any more.
        let unmapped = unsafe { munmap(self.base.as_ptr().cast::<c_void>(), self.len) };
        debug_assert!(unmapped.is_ok());
        self.entry.claimed.store(false, Ordering::Release);
    }
}

/// What was done at a `SIGBUS` before.
static BEFORE: OnceLock<libc::sigaction> = OnceLock::new();

/// Puts the handler in place, once; whoever comes meanwhile waits until it is.
fn catch_faults() -> io::Result<()> {
    static INSTALLED: OnceLock<Result<(), io::ErrorKind>> = OnceLock::new();
    let installed = INSTALLED.get_or_init(|| install().map_err(|error| error.kind()));
    installed.map_err(io::Error::from)
}

fn install() -> io::Result<()> {
    let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) = on_sigbus;
    // SAFETY: I5: all-zero bytes are a valid `sigaction`.
    let mut action: libc::sigaction = unsafe { core::mem::zeroed() };
    action.sa_sigaction = handler as *const () as libc::sighandler_t;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    let mut before = action;
    // What stands there is kept before the handler can run.
    // SAFETY: I5.
    if unsafe { libc::sigaction(libc::SIGBUS, core::ptr::null(), &raw mut before) } != 0 {
        return Err(io::Error::last_os_error());
    }
    BEFORE.get_or_init(|| before);
    // SAFETY: I5; I4 is what a handler must obey.
    if unsafe { libc::sigaction(libc::SIGBUS, &raw const action, core::ptr::null_mut()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

extern "C" fn on_sigbus(_signal: c_int, info: *mut libc::siginfo_t, _context: *mut c_void) {
    // SAFETY: I5: the kernel passes a valid structure to a handler with `SA_SIGINFO`.
    let Some(info) = (unsafe { info.as_ref() }) else { return };
    let code = info.si_code;
    // SAFETY: I5: for a fault the union holds the address; else it is not used.
    let address = unsafe { info.si_addr() }.addr();
    // A signal that a process sent names no address.
    if code > 0 && replace(address) {
        return;
    }
    let Some(before) = BEFORE.get() else { return };
    // Not ours: the access is tried again under the action that stood here before.
    // SAFETY: I4, I5.
    unsafe { libc::sigaction(libc::SIGBUS, before, core::ptr::null_mut()) };
    if code <= 0 {
        // SAFETY: I4.
        unsafe { libc::raise(libc::SIGBUS) };
    }
}

/// Puts zeroes in the place of the mapping that the address lies in; `false` if there is none.
fn replace(address: usize) -> bool {
    for entry in &TABLE {
        let Some((start, len)) = entry.range() else { continue };
        if address.wrapping_sub(start) >= len {
            continue;
        }
        // SAFETY: I4: the C library's `errno` of this thread.
        let errno = unsafe { libc::__errno_location() };
        // SAFETY: as above (I4).
        let kept = unsafe { *errno };
        let prot = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_FIXED;
        let at = core::ptr::without_provenance_mut(start);
        // SAFETY: I2 and I3: the range is that of a live mapping, the one that the fault lies in, and
        // what it holds is only ever read by raw pointer, as bytes that may change at any time.
        let mapped = unsafe { libc::mmap(at, len, prot, flags, -1, 0) };
        // SAFETY: I4.
        unsafe { *errno = kept };
        entry.lost.store(true, Ordering::Relaxed);
        return mapped != libc::MAP_FAILED;
    }
    false
}

/// Whether the file is in memory: of tmpfs, hugetlbfs, or a memfd. Only those know seals, and asking
/// does not wait for any file system.
pub(super) fn is_in_memory(file: impl AsFd) -> bool {
    rustix::fs::fcntl_get_seals(file).is_ok()
}

/// The NUMA node of the memory that a pointer of a live mapping points to.
pub(super) fn numa_node(at: NonNull<u8>) -> Option<i32> {
    const MPOL_F_NODE: libc::c_ulong = 1;
    const MPOL_F_ADDR: libc::c_ulong = 2;
    let mut node: c_int = -1;
    let (null, address) = (core::ptr::null_mut::<c_void>(), at.as_ptr());
    let flags = MPOL_F_NODE | MPOL_F_ADDR;
    let node_at = &raw mut node;
    // SAFETY: I5: with these flags the kernel writes one `int`, and only looks up the address.
    let done = unsafe { libc::syscall(libc::SYS_get_mempolicy, node_at, null, 0, address, flags) };
    (done == 0).then_some(node)
}

/// Whether the descriptor is an eventfd, which can be polled and written without waiting for a file
/// system or a device that somebody else controls.
pub(super) fn is_eventfd(fd: impl AsFd) -> bool {
    let link = format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd());
    std::fs::read_link(link).is_ok_and(|to| to.as_os_str() == "anon_inode:[eventfd]")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{MemfdFlags, ftruncate, memfd_create};

    fn read(mapping: &Mapping, at: usize) -> u8 {
        assert!(at < mapping.len());
        // SAFETY: I1: within the mapping.
        let at = unsafe { mapping.base().add(at) };
        // SAFETY: as above (I1).
        unsafe { at.read_volatile() }
    }

    #[test]
    fn a_file_that_is_cut_reads_as_zeroes_and_is_told() {
        let file = memfd_create("guest", MemfdFlags::CLOEXEC).unwrap();
        ftruncate(&file, 16384).unwrap();
        rustix::io::pwrite(&file, &[7; 16384], 0).unwrap();
        let whole = Mapping::new(file.as_fd(), 0, 16384).unwrap();
        let other = Mapping::new(file.as_fd(), 0, 4096).unwrap();
        assert_eq!((read(&whole, 16383), read(&other, 0)), (7, 7));
        ftruncate(&file, 4096).unwrap();
        assert_eq!((read(&whole, 0), whole.is_lost()), (7, false));
        assert_eq!(read(&whole, 12288), 0);
        assert!(whole.is_lost() && !other.is_lost());
        assert_eq!((read(&whole, 0), read(&other, 0)), (0, 7));
        drop(whole);
        let again = Mapping::new(file.as_fd(), 0, 4096).unwrap();
        assert_eq!((read(&again, 1), again.is_lost()), (7, false));
    }

    #[test]
    fn a_fault_elsewhere_is_not_ours() {
        assert!(!replace(0) && !replace(usize::MAX));
        let file = memfd_create("guest", MemfdFlags::CLOEXEC).unwrap();
        ftruncate(&file, 4096).unwrap();
        let mapping = Mapping::new(file.as_fd(), 0, 4096).unwrap();
        let (start, len) = (mapping.base().addr().get(), mapping.len());
        assert!(!replace(start - 1) && !replace(start + len) && !mapping.is_lost());
        drop(mapping);
        assert!(!replace(start));
    }

    #[test]
    fn descriptors_are_known_for_what_they_are() {
        let file = memfd_create("guest", MemfdFlags::CLOEXEC).unwrap();
        let event = rustix::event::eventfd(0, rustix::event::EventfdFlags::CLOEXEC).unwrap();
        assert!(is_in_memory(&file) && !is_in_memory(&event));
        assert!(is_eventfd(&event) && !is_eventfd(&file));
        let disk = std::fs::File::open("/proc/self/exe").unwrap();
        assert!(!is_in_memory(&disk) && !is_eventfd(&disk));
    }
}
