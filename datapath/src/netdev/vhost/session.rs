//! What a front end says, and what becomes of it: memory, rings, features.
//!
//! # Design
//! The `vhost` crate takes messages apart; a [`Session`] is the state that they build up, in whatever
//! order they come. A ring runs once its size, its place, memory and a kick are there, and passes
//! frames while it is enabled. A message that makes no sense ends the connection, and says why; a new
//! connection begins with nothing.
//!
//! # Invariants
//! A session puts rings into the port's slots and takes out all of them when it is closed, before its
//! memory is unmapped.
//!
//! # References
//! QEMU's `docs/interop/vhost-user.rst`.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use vhost::VhostUserMemoryRegionBase;
use vhost::vhost_user::message::{
    VhostTransferStateDirection, VhostTransferStatePhase, VhostUserConfigFlags, VhostUserInflight,
    VhostUserLog, VhostUserMemoryRegion, VhostUserShMemConfig, VhostUserSharedMsg,
    VhostUserSingleMemoryRegion, VhostUserVringAddrFlags, VhostUserVringState,
};
use vhost::vhost_user::{
    Error, GpuBackend, Result, VhostUserBackendReqHandlerMut, VhostUserProtocolFeatures,
};

use super::feature::{Features, OFFERED, bit};
use super::memory::{GuestMemory, MAX_REGIONS, MemoryFault, Region, RegionSpec};
use super::ring::{Ring, Words};
use super::shared::{Kick, Shared};
use super::sys;
use super::vring::{MAX_SIZE, VringPlace};

/// Parts of the protocol that the switch speaks beside the basic one.
const PROTOCOL: VhostUserProtocolFeatures = VhostUserProtocolFeatures::MQ
    .union(VhostUserProtocolFeatures::REPLY_ACK)
    .union(VhostUserProtocolFeatures::CONFIGURE_MEM_SLOTS);

/// How a ring is told of available buffers.
enum Kicked {
    /// Not at all yet: the ring does not run.
    No,
    /// By a descriptor; `None`: not at all, it is to be looked at all the time.
    By(#[allow(dead_code, reason = "it is in the queue's set until it is dropped")] Option<Kick>),
}

/// What becomes of a ring that is not in its memory.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Homeless {
    /// It ends the connection.
    Refused,
    /// It waits: memory comes and goes region by region.
    Waits,
}

/// What was said of a ring.
struct Setup {
    size: u16,
    place: Option<VringPlace>,
    /// Where it stands, as the front end said or was told.
    base: Option<u32>,
    kick: Kicked,
    call: Option<Arc<OwnedFd>>,
    enabled: bool,
}

impl Default for Setup {
    fn default() -> Setup {
        Setup { size: 0, place: None, base: None, kick: Kicked::No, call: None, enabled: false }
    }
}

/// One front end's state.
pub(super) struct Session {
    shared: Arc<Shared>,
    features: Features,
    protocol: u64,
    regions: Vec<Arc<Region>>,
    memory: Option<Arc<GuestMemory>>,
    setups: Vec<Setup>,
    /// Why the last message was refused.
    refusal: Option<String>,
    /// Whether a ring has run.
    pub has_run: bool,
}

impl Session {
    pub(super) fn new(shared: Arc<Shared>) -> Session {
        let setups = shared.slots.iter().map(|_| Setup::default()).collect();
        {
            let mut report = shared.report();
            report.connected = true;
            report.n_connections += 1;
        }
        shared.tell();
        Session {
            shared,
            features: Features::default(),
            protocol: 0,
            regions: Vec::new(),
            memory: None,
            setups,
            refusal: None,
            has_run: false,
        }
    }

    /// Whether the front end has taken the later part of the protocol.
    pub(super) fn has_taken_protocol(&self) -> bool {
        self.features.has(bit::PROTOCOL)
    }

    /// Whether it wants to be told how a message went, where it says so.
    pub(super) fn acks(&self) -> bool {
        self.protocol & VhostUserProtocolFeatures::REPLY_ACK.bits() != 0
    }

    /// Why the last message was refused, if this side refused it.
    pub(super) fn take_refusal(&mut self) -> Option<String> {
        self.refusal.take()
    }

    /// Stops every ring and forgets what was said.
    pub(super) fn close(&mut self) {
        (0..self.setups.len()).for_each(|index| self.stop(index));
        self.setups.iter_mut().for_each(|setup| *setup = Setup::default());
        self.features = Features::default();
        self.shared.set_features(self.features);
        self.shared.settle();
        // The last users of the memory are gone.
        (self.regions, self.memory) = (Vec::new(), None);
        let mut report = self.shared.report();
        report.connected = false;
        report.sizes.clear();
        (report.features, report.numa) = (0, None);
        drop(report);
        self.shared.tell();
    }

    fn refuse<T>(&mut self, why: impl Into<String>) -> Result<T> {
        self.refusal = Some(why.into());
        Err(Error::InvalidParam)
    }

    fn setup(&mut self, index: u32) -> Result<(usize, &mut Setup)> {
        let n = self.setups.len();
        let at = usize::try_from(index).ok().filter(|at| *at < n);
        match at {
            Some(at) => Ok((at, &mut self.setups[at])),
            None => self.refuse(format!("it names ring {index} (allowed: 0-{})", n - 1)),
        }
    }

    /// A ring's place in the memory that is there now.
    fn find(&self, index: usize, place: VringPlace) -> Option<Words> {
        Words::find(self.memory.clone()?, self.setups[index].size, place, self.features)
    }

    /// The same, of a ring that must be there.
    fn locate(&mut self, index: usize, place: VringPlace) -> Result<Words> {
        match self.find(index, place) {
            Some(words) => Ok(words),
            None => {
                let size = self.setups[index].size;
                self.refuse(format!("ring {index} of {size} entries is not in its memory"))
            }
        }
    }

    /// Starts a ring if all is there that it needs.
    fn start(&mut self, index: usize) -> Result<()> {
        let setup = &self.setups[index];
        let is_kicked = matches!(setup.kick, Kicked::By(_));
        let Some(place) = setup.place.filter(|_| is_kicked && setup.size > 0) else {
            return Ok(());
        };
        if self.memory.is_none() || self.shared.slots[index].lock().is_some() {
            return Ok(());
        }
        let words = self.locate(index, place)?;
        let setup = &self.setups[index];
        let mut ring = Ring::new(words, self.features, setup.base, setup.call.clone());
        // Front ends that speak only the old protocol cannot enable rings: kicks do.
        *ring.enabled() = setup.enabled || !self.features.has(bit::PROTOCOL);
        if index.is_multiple_of(2) {
            ring.suppress_kicks();
        }
        self.has_run = true;
        let mut report = self.shared.report();
        report.error = None;
        report.numa = ring.numa_node();
        report.sizes.retain(|(ring, _)| *ring != index);
        report.sizes.push((index, ring.size()));
        report.sizes.sort_unstable();
        drop(report);
        self.shared.slots[index].change(|slot| *slot = Some(ring));
        self.look(index);
        Ok(())
    }

    /// Takes a ring out; when this returns, no poll thread uses it. It runs again once its memory is
    /// there.
    fn suspend(&mut self, index: usize) {
        if let Some(ring) = self.shared.slots[index].change(Option::take) {
            self.setups[index].base = Some(ring.base());
        }
    }

    /// Takes a ring out, until it is set up again.
    fn stop(&mut self, index: usize) {
        self.suspend(index);
        self.setups[index].kick = Kicked::No;
        if let Some(wake) = self.shared.wakes.get(index / 2).filter(|_| index % 2 == 1) {
            wake.polled.store(false, Ordering::Relaxed);
        }
    }

    /// The poll thread of a ring from the guest looks at it.
    fn look(&self, index: usize) {
        if let Some(wake) = self.shared.wakes.get(index / 2).filter(|_| index % 2 == 1) {
            wake.poke();
        }
    }

    /// Gives every ring that runs its place in the memory, and the features, that hold now.
    fn move_rings(&mut self, homeless: Homeless) -> Result<()> {
        for index in 0..self.setups.len() {
            let Some(place) = self.setups[index].place else { continue };
            if homeless == Homeless::Waits && self.find(index, place).is_none() {
                self.suspend(index);
                continue;
            }
            if self.shared.slots[index].lock().is_none() {
                self.start(index)?;
                continue;
            }
            match self.locate(index, place) {
                Ok(words) => {
                    let features = self.features;
                    // What it was in before is unmapped by its last user, not under the lock.
                    let before = self.shared.slots[index].change(|slot| {
                        let (ring, before) = slot.take()?.moved(words, features);
                        let ring = slot.insert(ring);
                        if index.is_multiple_of(2) {
                            ring.suppress_kicks();
                        }
                        Some(before)
                    });
                    drop(before);
                }
                Err(error) => {
                    self.stop(index);
                    return Err(error);
                }
            }
            self.look(index);
        }
        Ok(())
    }

    /// Uses these regions from now on.
    fn use_regions(&mut self, regions: Vec<Arc<Region>>, homeless: Homeless) -> Result<()> {
        match GuestMemory::new(regions.clone()) {
            Ok(memory) => {
                self.memory = Some(Arc::new(memory));
                self.regions = regions;
                self.move_rings(homeless)?;
                self.shared.settle();
                Ok(())
            }
            Err(fault) => self.refuse(fault.to_string()),
        }
    }

    fn eventfd(&mut self, index: u8, file: Option<File>) -> Result<(usize, Option<OwnedFd>)> {
        let (at, _) = self.setup(index.into())?;
        let Some(file) = file else { return Ok((at, None)) };
        let fd = OwnedFd::from(file);
        if !sys::is_eventfd(&fd) {
            return self.refuse(format!("ring {at}: its descriptor is no eventfd"));
        }
        // A full counter must not make the writer wait.
        let flags = fcntl_getfl(&fd).and_then(|flags| fcntl_setfl(&fd, flags | OFlags::NONBLOCK));
        match flags {
            Ok(()) => Ok((at, Some(fd))),
            Err(errno) => self.refuse(format!("ring {at}: its eventfd: {errno}")),
        }
    }
}

fn spec(region: &VhostUserMemoryRegion) -> RegionSpec {
    RegionSpec {
        guest: region.guest_phys_addr,
        len: region.memory_size,
        user: region.user_addr,
        offset: region.mmap_offset,
    }
}

fn unknown<T>() -> Result<T> {
    Err(Error::InvalidOperation("not offered"))
}

impl VhostUserBackendReqHandlerMut for Session {
    fn set_owner(&mut self) -> Result<()> {
        Ok(())
    }

    fn reset_owner(&mut self) -> Result<()> {
        (0..self.setups.len()).for_each(|index| self.stop(index));
        self.shared.settle();
        Ok(())
    }

    fn reset_device(&mut self) -> Result<()> {
        self.reset_owner()
    }

    fn get_features(&mut self) -> Result<u64> {
        Ok(OFFERED)
    }

    fn set_features(&mut self, features: u64) -> Result<()> {
        if features & !OFFERED != 0 {
            let more = features & !OFFERED;
            return self.refuse(format!("it takes features that were not offered: {more:#x}"));
        }
        if self.features != Features(features) {
            self.features = Features(features);
            self.shared.set_features(self.features);
            self.shared.report().features = features;
            self.move_rings(Homeless::Waits)?;
        }
        Ok(())
    }

    fn set_mem_table(
        &mut self,
        regions: &[VhostUserMemoryRegion],
        files: Vec<File>,
        _postcopy: Option<bool>,
    ) -> Result<Option<Vec<VhostUserMemoryRegionBase>>> {
        let files = files.into_iter().map(OwnedFd::from);
        let mapped: std::result::Result<Vec<_>, MemoryFault> = regions
            .iter()
            .zip(files)
            .map(|(region, file)| Region::new(spec(region), &file).map(Arc::new))
            .collect();
        match mapped {
            Ok(regions) => self.use_regions(regions, Homeless::Refused)?,
            Err(fault) => return self.refuse(fault.to_string()),
        }
        Ok(None)
    }

    fn set_vring_num(&mut self, index: u32, num: u32) -> Result<()> {
        let is_packed = self.features.has(bit::RING_PACKED);
        let size = u16::try_from(num).ok().filter(|size| (1..=MAX_SIZE).contains(size));
        match size.filter(|size| is_packed || size.is_power_of_two()) {
            Some(size) => {
                let (at, setup) = self.setup(index)?;
                if std::mem::replace(&mut setup.size, size) != size {
                    self.suspend(at);
                }
                self.start(at)?;
                self.shared.settle();
                Ok(())
            }
            None => {
                let what = if is_packed { "any number" } else { "a power of two" };
                let allowed = format!("{what} up to {MAX_SIZE}");
                self.refuse(format!("ring {index} has {num} entries (allowed: {allowed})"))
            }
        }
    }

    fn set_vring_addr(
        &mut self,
        index: u32,
        _flags: VhostUserVringAddrFlags,
        descriptors: u64,
        used: u64,
        available: u64,
        _log: u64,
    ) -> Result<()> {
        let (at, setup) = self.setup(index)?;
        let place = VringPlace { descriptors, available, used };
        if setup.place.replace(place) != Some(place) {
            self.suspend(at);
        }
        self.start(at)?;
        self.shared.settle();
        Ok(())
    }

    fn set_vring_base(&mut self, index: u32, base: u32) -> Result<()> {
        let is_packed = self.features.has(bit::RING_PACKED);
        let (at, setup) = self.setup(index)?;
        // Packed: slot and wrap counter of what is available; in the upper half, which some leave empty,
        // those of what was used. Split: an index.
        let (place, most) = if is_packed {
            let size = if setup.size == 0 { MAX_SIZE } else { setup.size };
            (base & 0x7fff, u32::from(size - 1))
        } else {
            (base, u16::MAX.into())
        };
        if place > most {
            return self.refuse(format!("ring {at} starts at {place} (allowed: 0-{most})"));
        }
        setup.base = Some(base);
        Ok(())
    }

    fn get_vring_base(&mut self, index: u32) -> Result<VhostUserVringState> {
        let (at, _) = self.setup(index)?;
        self.stop(at);
        self.shared.settle();
        Ok(VhostUserVringState::new(index, self.setups[at].base.unwrap_or(0)))
    }

    fn set_vring_kick(&mut self, index: u8, fd: Option<File>) -> Result<()> {
        let (at, fd) = self.eventfd(index, fd)?;
        let wake = Arc::clone(&self.shared.wakes[at / 2]);
        // The old one leaves the set first: it may be the same eventfd.
        self.setups[at].kick = Kicked::No;
        let is_from_guest = at % 2 == 1;
        if is_from_guest {
            wake.polled.store(fd.is_none(), Ordering::Relaxed);
        }
        let kick = match fd.filter(|_| is_from_guest).map(|fd| Kick::new(fd, wake)).transpose() {
            Ok(kick) => kick,
            Err(error) => return self.refuse(format!("ring {at}: its kick: {error}")),
        };
        self.setups[at].kick = Kicked::By(kick);
        self.start(at)?;
        self.look(at);
        self.shared.settle();
        Ok(())
    }

    fn set_vring_call(&mut self, index: u8, fd: Option<File>) -> Result<()> {
        let (at, fd) = self.eventfd(index, fd)?;
        self.setups[at].call = fd.map(Arc::new);
        let call = self.setups[at].call.clone();
        self.shared.slots[at].change(|slot| slot.as_mut().map(|ring| ring.set_call(call)));
        Ok(())
    }

    fn set_vring_err(&mut self, index: u8, _fd: Option<File>) -> Result<()> {
        self.setup(index.into()).map(|_| ())
    }

    fn get_protocol_features(&mut self) -> Result<VhostUserProtocolFeatures> {
        Ok(PROTOCOL)
    }

    fn set_protocol_features(&mut self, features: u64) -> Result<()> {
        let more = features & !PROTOCOL.bits();
        if more != 0 {
            return self.refuse(format!("it takes protocol features not offered: {more:#x}"));
        }
        self.protocol = features;
        Ok(())
    }

    fn get_queue_num(&mut self) -> Result<u64> {
        Ok(self.shared.wakes.len() as u64)
    }

    fn set_vring_enable(&mut self, index: u32, enable: bool) -> Result<()> {
        let (at, setup) = self.setup(index)?;
        setup.enabled = enable;
        self.shared.slots[at].change(|slot| slot.as_mut().map(|ring| *ring.enabled() = enable));
        self.look(at);
        self.shared.settle();
        Ok(())
    }

    fn get_config(&mut self, _: u32, _: u32, _: VhostUserConfigFlags) -> Result<Vec<u8>> {
        unknown()
    }

    fn set_config(&mut self, _: u32, _: &[u8], _: VhostUserConfigFlags) -> Result<()> {
        unknown()
    }

    fn set_gpu_socket(&mut self, _: GpuBackend) -> Result<()> {
        unknown()
    }

    fn get_shared_object(&mut self, _: VhostUserSharedMsg) -> Result<File> {
        unknown()
    }

    fn get_inflight_fd(&mut self, _: &VhostUserInflight) -> Result<(VhostUserInflight, File)> {
        unknown()
    }

    fn set_inflight_fd(&mut self, _: &VhostUserInflight, _: File) -> Result<()> {
        unknown()
    }

    fn get_max_mem_slots(&mut self) -> Result<u64> {
        Ok(MAX_REGIONS as u64)
    }

    fn add_mem_region(
        &mut self,
        region: &VhostUserSingleMemoryRegion,
        fd: File,
        _postcopy: Option<bool>,
    ) -> Result<Option<VhostUserMemoryRegionBase>> {
        let more = match Region::new(spec(region), &OwnedFd::from(fd)) {
            Ok(more) => more,
            Err(fault) => return self.refuse(fault.to_string()),
        };
        // QEMU before 9.2 adds and removes each region once for every pair of queues.
        if self.regions.iter().any(|known| known.is_same_as(&more)) {
            return Ok(None);
        }
        if self.regions.len() >= MAX_REGIONS {
            return self.refuse(format!("more than {MAX_REGIONS} memory regions"));
        }
        let mut regions = self.regions.clone();
        regions.push(Arc::new(more));
        self.use_regions(regions, Homeless::Waits)?;
        Ok(None)
    }

    fn remove_mem_region(&mut self, region: &VhostUserSingleMemoryRegion) -> Result<()> {
        let gone = spec(region);
        // Its place in the file is not part of its name (vhost-user, "Removing memory regions").
        let is_same = |known: &RegionSpec| {
            (known.guest, known.user, known.len) == (gone.guest, gone.user, gone.len)
        };
        let mut regions = self.regions.clone();
        regions.retain(|region| !is_same(&region.spec()));
        // What is gone already is removed for another pair of queues, see above.
        if regions.len() == self.regions.len() {
            return Ok(());
        }
        self.use_regions(regions, Homeless::Waits)
    }

    fn set_device_state_fd(
        &mut self,
        _: VhostTransferStateDirection,
        _: VhostTransferStatePhase,
        _: File,
    ) -> Result<Option<File>> {
        unknown()
    }

    fn check_device_state(&mut self) -> Result<()> {
        unknown()
    }

    fn get_shmem_config(&mut self) -> Result<VhostUserShMemConfig> {
        unknown()
    }

    fn set_log_base(&mut self, _: &VhostUserLog, _: File) -> Result<()> {
        unknown()
    }
}
