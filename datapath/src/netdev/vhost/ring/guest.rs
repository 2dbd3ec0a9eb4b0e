//! A guest's memory in a file, as tests of rings write and read it from the guest's side.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::io::{pread, pwrite};

use super::super::memory::{GuestMemory, Region, RegionSpec};

/// Where the guest has its memory, and the front end.
pub const GUEST: u64 = 0x10_0000;
pub const USER: u64 = 0x7f00_0000_0000;

/// The memory, and what notifies the guest.
pub struct GuestFile {
    file: OwnedFd,
    pub call: Arc<OwnedFd>,
    len: u64,
}

impl GuestFile {
    pub fn new(len: u64) -> GuestFile {
        let file = memfd_create("guest", MemfdFlags::CLOEXEC).unwrap();
        ftruncate(&file, len).unwrap();
        let flags = rustix::event::EventfdFlags::NONBLOCK;
        GuestFile { file, call: Arc::new(rustix::event::eventfd(0, flags).unwrap()), len }
    }

    /// As the switch sees it.
    pub fn memory(&self) -> Arc<GuestMemory> {
        let spec = RegionSpec { guest: GUEST, len: self.len, user: USER, offset: 0 };
        let region = Region::new(spec, &self.file).unwrap();
        Arc::new(GuestMemory::new(vec![Arc::new(region)]).unwrap())
    }

    pub fn cut(&self, len: u64) {
        ftruncate(&self.file, len).unwrap();
    }

    pub fn write(&self, at: u64, bytes: &[u8]) {
        assert_eq!(pwrite(&self.file, bytes, at).unwrap(), bytes.len());
    }

    pub fn read<const N: usize>(&self, at: u64) -> [u8; N] {
        let mut bytes = [0; N];
        assert_eq!(pread(&self.file, &mut bytes, at).unwrap(), N);
        bytes
    }

    pub fn notified(&self) -> bool {
        rustix::io::read(&*self.call, &mut [0; 8]).is_ok()
    }
}
