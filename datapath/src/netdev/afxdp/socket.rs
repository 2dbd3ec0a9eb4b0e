//! One AF_XDP socket: its UMEM, its rings, its place on a queue, and the system calls of its traffic.
//!
//! # Design
//! Every socket registers the same region, the small chunks of the frame memory, as a UMEM of its own
//! with rings of its own. A frame that one socket received is thus sent by another from where it lies,
//! whatever mode each is in.
//!
//! The receive side belongs to the queue that polls it. The transmit side is shared by the poll
//! threads that send by this queue, behind a lock that is held while descriptors are written, never
//! over a system call; with no more threads than queues nobody contends for it.
//!
//! # Invariants
//! The descriptor is closed before the accounts of what it was lent are: [`Socket`] keeps them, and
//! its fields are dropped in order.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};

use super::error::AfXdpError;
use super::mmap::Mapping;
use super::receiver::{Checksums, Receiver};
use super::ring::{Consumer, Entry, Layout, Producer};
use super::sender::{Abilities, Sender};
use super::{abi, sys};
use crate::frame::{Account, FrameMemory, FramePool};

/// Entries of each ring.
pub(super) const RING_SIZE: u32 = 2048;
/// Bytes that may be under way, as asked for.
const SEND_BUFFER_LEN: usize = 4 << 20;
/// System calls to send what is in the ring, at most: the kernel takes 32 frames a call where it
/// cannot be told to take more.
const MAX_KICKS: u32 = 2 * RING_SIZE / 32;
/// Calls in a row that move nothing before the ring is left for later.
const MAX_STALLS: u32 = 2;
/// How long a queue may be busy whose socket was closed a moment ago: the kernel frees it in the
/// background.
const RELEASE_TIME: Duration = Duration::from_millis(500);
/// Time between two attempts to bind.
const RELEASE_STEP: Duration = Duration::from_millis(2);

/// What a socket is to be.
pub(super) struct Spec<'a> {
    pub ifindex: u32,
    pub memory: &'a Arc<FrameMemory>,
    /// Frames to lend for receiving.
    pub level: usize,
    pub checksums: Checksums,
    /// Flags of `bind` to try in order.
    pub binds: &'a [u16],
    /// What was asked for, as users know it.
    pub mode: &'static str,
}

/// What came of an attempt to send what is in the ring.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Flushed {
    /// The kernel has it.
    All,
    /// It is for a later attempt.
    Some,
    /// The interface is down, or gone.
    Down,
}

/// A socket that is bound to a queue.
pub(super) struct Socket {
    fd: OwnedFd,
    queue: u32,
    /// The flags of `bind` that worked.
    flags: u16,
    abilities: Abilities,
    sender: Mutex<Sender>,
    /// Whether something is in the TX ring for which the kernel had no room.
    is_behind: AtomicBool,
    /// Whether the interface was down at the last attempt to send.
    is_down: AtomicBool,
    _release: Release,
    _accounts: [Account; 2],
}

/// Waits, when dropped, until the driver has let go of what a socket without copies had: the kernel
/// stops the device in the background after the socket is closed, and frees the queue last.
struct Release {
    zero_copy: bool,
    ifindex: u32,
    queue: u32,
    memory: Arc<FrameMemory>,
}

impl Drop for Release {
    fn drop(&mut self) {
        if !self.zero_copy {
            return; // the kernel copies while the socket is open, and never after
        }
        let Ok(probe) = open_socket() else { return };
        if register(probe.as_fd(), &self.memory).is_ok() && set_up_rings(probe.as_fd()).is_ok() {
            // Bound or refused, the queue is free, or its interface gone.
            let _ = bind_when_free(probe.as_fd(), self.ifindex, self.queue, libc::XDP_COPY);
        }
    }
}

impl Socket {
    /// Opens and binds a socket. It receives once the program's map has it and frames are lent.
    pub(super) fn open(spec: &Spec<'_>, queue: u32) -> Result<(Arc<Socket>, Receiver), AfXdpError> {
        let fd = open_socket()?;
        let requests = register(fd.as_fd(), spec.memory)?;
        set_up_rings(fd.as_fd())?;
        let rings = map_rings(fd.as_fd())?;
        let flags = bind(fd.as_fd(), spec, queue)?;
        // A larger budget saves calls; older kernels have none.
        let _ = sys::set_tx_budget(fd.as_fd(), RING_SIZE);
        // One that sends large frames faster than they are taken is held up by its buffer.
        let _ = sockopt::set_socket_send_buffer_size_force(&fd, SEND_BUFFER_LEN);
        let zero_copy = sys::is_zero_copy(fd.as_fd()).unwrap_or(true);
        // Without copies, requests are the driver's to serve, and few do.
        let abilities =
            Abilities { chains: flags & libc::XDP_USE_SG != 0, requests: requests && !zero_copy };
        let [rx_account, tx_account] = [(); 2].map(|()| Account::new(spec.memory.clone()));
        let (rx, tx) = rings;
        let receiver = Receiver::new(rx, rx_account.loan(), spec.level, spec.checksums);
        let sender = Mutex::new(Sender::new(tx, tx_account.loan(), abilities));
        let socket = Socket {
            fd,
            queue,
            flags,
            abilities,
            sender,
            is_behind: AtomicBool::new(false),
            is_down: AtomicBool::new(false),
            _release: Release {
                zero_copy,
                ifindex: spec.ifindex,
                queue,
                memory: spec.memory.clone(),
            },
            _accounts: [rx_account, tx_account],
        };
        Ok((Arc::new(socket), receiver))
    }

    pub(super) fn queue(&self) -> u32 {
        self.queue
    }

    pub(super) fn flags(&self) -> u16 {
        self.flags
    }

    pub(super) fn abilities(&self) -> Abilities {
        self.abilities
    }

    /// What the kernel has counted.
    pub(super) fn statistics(&self) -> io::Result<sys::Statistics> {
        sys::statistics(self.fd.as_fd())
    }

    /// The transmit side, when nobody else writes to it.
    pub(super) fn sender(&self) -> MutexGuard<'_, Sender> {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the TX ring waits for another attempt.
    pub(super) fn is_behind(&self) -> bool {
        self.is_behind.load(Ordering::Relaxed)
    }

    /// Tells the kernel of new buffers; whether the socket is still bound to an interface.
    pub(super) fn poke(&self) -> bool {
        let woken = rustix::net::recv(&self.fd, &mut [0_u8; 0][..], RecvFlags::DONTWAIT);
        !matches!(woken, Err(Errno::NXIO | Errno::NODEV))
    }

    /// What is to be done when a queue has nothing to receive: takes back what was sent, and tries
    /// again to send what the kernel had no room for. Waits for nobody.
    pub(super) fn tend(&self, pool: &mut FramePool) {
        if let Ok(mut sender) = self.sender.try_lock()
            && sender.n_out() > 0
        {
            sender.reap(pool);
        }
        if self.is_behind() {
            self.flush(pool);
        }
    }

    /// Whether the interface takes frames, as far as is known.
    pub(super) fn is_up(&self, pool: &mut FramePool) -> bool {
        !self.is_down.load(Ordering::Relaxed) || self.flush(pool) != Flushed::Down
    }

    /// Makes the kernel send what is in the TX ring.
    pub(super) fn send_all(&self, pool: &mut FramePool) {
        self.flush(pool);
    }

    fn flush(&self, pool: &mut FramePool) -> Flushed {
        let flushed = self.kick(pool);
        self.is_behind.store(flushed == Flushed::Some, Ordering::Relaxed);
        self.is_down.store(flushed == Flushed::Down, Ordering::Relaxed);
        flushed
    }

    fn kick(&self, pool: &mut FramePool) -> Flushed {
        let (mut n_stalls, mut n_before) = (0, u32::MAX);
        for _ in 0..MAX_KICKS {
            let n_waiting = {
                let mut sender = self.sender();
                if sender.is_drained() || !sender.needs_wakeup() {
                    return Flushed::All;
                }
                if n_stalls > 0 {
                    sender.reap(pool); // the completion ring may be what is full
                }
                sender.n_waiting()
            };
            n_stalls = if n_waiting < n_before { 0 } else { n_stalls + 1 };
            if n_stalls > MAX_STALLS {
                break;
            }
            n_before = n_waiting;
            match rustix::net::send(&self.fd, &[], SendFlags::DONTWAIT) {
                Err(Errno::NETDOWN | Errno::NXIO | Errno::NODEV) => return Flushed::Down,
                // A part was sent, or there is no room in the device or in the socket.
                Ok(_) | Err(Errno::AGAIN | Errno::BUSY | Errno::NOBUFS | Errno::INTR) => {}
                Err(_) => break,
            }
        }
        Flushed::Some
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn open_socket() -> Result<OwnedFd, AfXdpError> {
    let family = AddressFamily::from_raw(u16::try_from(libc::AF_XDP).unwrap_or(0));
    rustix::net::socket_with(family, SocketType::RAW, SocketFlags::CLOEXEC, None).map_err(|errno| {
        match errno {
            Errno::AFNOSUPPORT | Errno::PROTONOSUPPORT | Errno::SOCKTNOSUPPORT => {
                AfXdpError::NoAfXdp(errno.into())
            }
            errno => AfXdpError::os("open an AF_XDP socket")(errno.into()),
        }
    })
}

/// Registers the memory; whether requests may stand in front of what is sent.
fn register(fd: BorrowedFd<'_>, memory: &FrameMemory) -> Result<bool, AfXdpError> {
    let region = memory.small_region();
    let refused = |error: io::Error| match error.raw_os_error() {
        Some(libc::ENOBUFS | libc::ENOMEM | libc::EPERM | libc::EAGAIN) => {
            AfXdpError::LockedMemory { needed_kib: region.len / 1024, limit: memlock_limit() }
        }
        _ => AfXdpError::os("register the packet buffers")(error),
    };
    match sys::register_umem(fd, region, abi::METADATA_LEN) {
        Ok(()) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
            sys::register_umem(fd, region, 0).map_err(refused)?; // Linux before 6.11
            Ok(false)
        }
        Err(error) => Err(refused(error)),
    }
}

/// What the process may lock, in words.
fn memlock_limit() -> String {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Memlock).current;
    limit.map_or_else(|| "none".to_owned(), |bytes| format!("{} KiB", bytes / 1024))
}

fn set_up_rings(fd: BorrowedFd<'_>) -> Result<(), AfXdpError> {
    let rings = [
        libc::XDP_UMEM_FILL_RING,
        libc::XDP_UMEM_COMPLETION_RING,
        libc::XDP_RX_RING,
        libc::XDP_TX_RING,
    ];
    for option in rings {
        sys::set_ring_size(fd, option, RING_SIZE).map_err(AfXdpError::os("make a ring"))?;
    }
    Ok(())
}

type Rings = (
    (super::ring::RxRing, super::ring::FillRing),
    (super::ring::TxRing, super::ring::CompletionRing),
);

fn map_rings(fd: BorrowedFd<'_>) -> Result<Rings, AfXdpError> {
    let offsets = sys::mmap_offsets(fd).map_err(AfXdpError::os("XDP_MMAP_OFFSETS"))?;
    let page = |offset: libc::off_t| u64::try_from(offset).unwrap_or(0);
    let rx = map::<abi::Desc>(fd, page(libc::XDP_PGOFF_RX_RING), &offsets.rx)?;
    let fill = map::<u64>(fd, libc::XDP_UMEM_PGOFF_FILL_RING, &offsets.fr)?;
    let tx = map::<abi::Desc>(fd, page(libc::XDP_PGOFF_TX_RING), &offsets.tx)?;
    let completion = map::<u64>(fd, libc::XDP_UMEM_PGOFF_COMPLETION_RING, &offsets.cr)?;
    let rings = (|| {
        let rx = (Consumer::new(rx.0, rx.1)?, Producer::new(fill.0, fill.1)?);
        let tx = (Producer::new(tx.0, tx.1)?, Consumer::new(completion.0, completion.1)?);
        Some((rx, tx))
    })();
    rings.ok_or_else(|| AfXdpError::os("map a ring")(io::ErrorKind::InvalidData.into()))
}

/// Maps one ring.
fn map<T: Entry>(
    fd: BorrowedFd<'_>,
    page: u64,
    offset: &libc::xdp_ring_offset,
) -> Result<(Arc<Mapping>, Layout), AfXdpError> {
    let entries_len = RING_SIZE as usize * size_of::<T>();
    let len = usize::try_from(offset.desc).unwrap_or(0) + entries_len;
    let mapping = Mapping::of_file(fd, page, len).map_err(AfXdpError::os("map a ring"))?;
    let layout = Layout {
        producer: offset.producer,
        consumer: offset.consumer,
        flags: offset.flags,
        entries: offset.desc,
        size: RING_SIZE,
    };
    Ok((Arc::new(mapping), layout))
}

/// Binds by the first set of flags that works.
fn bind(fd: BorrowedFd<'_>, spec: &Spec<'_>, queue: u32) -> Result<u16, AfXdpError> {
    let mut last = io::Error::from(io::ErrorKind::Unsupported);
    for flags in spec.binds {
        let flags = flags | libc::XDP_USE_NEED_WAKEUP;
        match bind_when_free(fd, spec.ifindex, queue, flags) {
            Ok(()) => return Ok(flags),
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
                return Err(AfXdpError::QueueBusy { queue });
            }
            Err(error) => last = error,
        }
    }
    match last.raw_os_error() {
        Some(libc::EPERM | libc::ENETDOWN | libc::ENODEV) => Err(AfXdpError::os("bind")(last)),
        _ => Err(AfXdpError::Bind { queue, mode: spec.mode, source: last }),
    }
}

/// Binds, and grants the kernel time to free a queue that was in use a moment ago.
fn bind_when_free(fd: BorrowedFd<'_>, ifindex: u32, queue: u32, flags: u16) -> io::Result<()> {
    let start = std::time::Instant::now();
    loop {
        match sys::bind(fd, ifindex, queue, flags) {
            Err(error)
                if error.raw_os_error() == Some(libc::EBUSY) && start.elapsed() < RELEASE_TIME =>
            {
                std::thread::park_timeout(RELEASE_STEP);
            }
            bound => return bound,
        }
    }
}
