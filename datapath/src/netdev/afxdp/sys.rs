//! The system calls of AF_XDP sockets and of ethtool, as safe functions.
//!
//! # Invariants
//! - **I1** An option's or a request's structure lives through the call, its length is told, and for
//!   what the kernel writes all bits are values.
//! - **I2** The pointer inside an ethtool request is to a live object of the calling function, as large
//!   as the kernel expects of that request.
//! - **I3** The region registered as UMEM stays mapped as long as the socket is open: who opens it
//!   keeps the memory. The kernel writes only to chunks whose addresses it finds in the fill ring,
//!   and those are lent (`frame::loan`).
//!
//! # References
//! Documentation/networking/af_xdp.rst, linux/if_xdp.h.

#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use libc::{c_int, socklen_t};

use super::abi;
use crate::frame::{Region, SMALL_CHUNK};

/// `SOL_XDP`.
const SOL_XDP: c_int = 283;

/// Makes the region the socket's UMEM; `metadata_len` bytes in front of sent data may hold requests.
pub(super) fn register_umem(
    fd: BorrowedFd<'_>,
    region: Region,
    metadata_len: usize,
) -> io::Result<()> {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let request = libc::xdp_umem_reg {
        addr: region.address as u64,
        len: region.len as u64,
        chunk_size: number(SMALL_CHUNK),
        headroom: 0,
        flags: if metadata_len > 0 { libc::XDP_UMEM_TX_METADATA_LEN } else { 0 },
        tx_metadata_len: number(metadata_len),
    };
    // I3 for what the kernel does afterwards.
    set(fd, libc::XDP_UMEM_REG, &request)
}

/// Gives a ring its size, entries.
pub(super) fn set_ring_size(fd: BorrowedFd<'_>, option: c_int, n: u32) -> io::Result<()> {
    set(fd, option, &n)
}

/// Lets a call send so many frames.
pub(super) fn set_tx_budget(fd: BorrowedFd<'_>, n: u32) -> io::Result<()> {
    set(fd, abi::MAX_TX_SKB_BUDGET, &n)
}

/// Where the rings' words and entries are in their mappings.
pub(super) fn mmap_offsets(fd: BorrowedFd<'_>) -> io::Result<libc::xdp_mmap_offsets> {
    let none = || libc::xdp_ring_offset { producer: 0, consumer: 0, desc: 0, flags: 0 };
    let zero = libc::xdp_mmap_offsets { rx: none(), tx: none(), fr: none(), cr: none() };
    get(fd, libc::XDP_MMAP_OFFSETS, zero)
}

/// What the kernel counts of a socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Statistics {
    pub rx_dropped: u64,
    pub rx_invalid_descs: u64,
    pub tx_invalid_descs: u64,
    pub rx_ring_full: u64,
    pub rx_fill_ring_empty: u64,
    pub tx_ring_empty: u64,
}

/// What the kernel has counted.
pub(super) fn statistics(fd: BorrowedFd<'_>) -> io::Result<Statistics> {
    let zero = libc::xdp_statistics {
        rx_dropped: 0,
        rx_invalid_descs: 0,
        tx_invalid_descs: 0,
        rx_ring_full: 0,
        rx_fill_ring_empty_descs: 0,
        tx_ring_empty_descs: 0,
    };
    let seen = get(fd, libc::XDP_STATISTICS, zero)?;
    Ok(Statistics {
        rx_dropped: seen.rx_dropped,
        rx_invalid_descs: seen.rx_invalid_descs,
        tx_invalid_descs: seen.tx_invalid_descs,
        rx_ring_full: seen.rx_ring_full,
        rx_fill_ring_empty: seen.rx_fill_ring_empty_descs,
        tx_ring_empty: seen.tx_ring_empty_descs,
    })
}

/// Whether the socket works without copies in the kernel.
pub(super) fn is_zero_copy(fd: BorrowedFd<'_>) -> io::Result<bool> {
    let options = get(fd, libc::XDP_OPTIONS, libc::xdp_options { flags: 0 })?;
    Ok(options.flags & libc::XDP_OPTIONS_ZEROCOPY != 0)
}

/// Binds a socket to one queue of an interface.
pub(super) fn bind(fd: BorrowedFd<'_>, ifindex: u32, queue: u32, flags: u16) -> io::Result<()> {
    let address = libc::sockaddr_xdp {
        sxdp_family: u16::try_from(libc::AF_XDP).unwrap_or(0),
        sxdp_flags: flags,
        sxdp_ifindex: ifindex,
        sxdp_queue_id: queue,
        sxdp_shared_umem_fd: 0,
    };
    let len = len_of::<libc::sockaddr_xdp>();
    // SAFETY: I1.
    done(unsafe { libc::bind(fd.as_raw_fd(), (&raw const address).cast(), len) })
}

/// How many receive queues an interface works with now, as its driver tells.
pub(super) fn n_rx_queues(socket: BorrowedFd<'_>, name: &str) -> io::Result<u32> {
    let mut channels = abi::Channels { cmd: abi::ETHTOOL_GCHANNELS, ..Default::default() };
    ethtool(socket, name, &mut channels)?;
    Ok(channels.rx_count + channels.combined_count)
}

/// How fast an interface is, and what it could be, as its driver tells.
pub(super) fn link_mode(socket: BorrowedFd<'_>, name: &str) -> io::Result<abi::LinkMode> {
    let mut mode = abi::LinkMode { cmd: abi::ETHTOOL_GSET, ..Default::default() };
    ethtool(socket, name, &mut mode)?;
    Ok(mode)
}

/// Asks an interface's driver; `answer` is the structure of its `cmd`.
fn ethtool<T>(socket: BorrowedFd<'_>, name: &str, answer: &mut T) -> io::Result<()> {
    // SAFETY: I1: all bits zero is a value of this plain structure.
    let mut request: libc::ifreq = unsafe { core::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes().take(libc::IFNAMSIZ - 1)) {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_data = (&raw mut *answer).cast();
    // SAFETY: I1 and I2: the driver fills in the structure of the request's `cmd`.
    done(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCETHTOOL, &raw mut request) })
}

fn set<T>(fd: BorrowedFd<'_>, name: c_int, value: &T) -> io::Result<()> {
    let (value, len) = ((&raw const *value).cast(), len_of::<T>());
    // SAFETY: I1.
    done(unsafe { libc::setsockopt(fd.as_raw_fd(), SOL_XDP, name, value, len) })
}

fn get<T>(fd: BorrowedFd<'_>, name: c_int, mut value: T) -> io::Result<T> {
    let mut len = len_of::<T>();
    let to = (&raw mut value).cast();
    // SAFETY: I1: the kernel writes at most `len` bytes.
    done(unsafe { libc::getsockopt(fd.as_raw_fd(), SOL_XDP, name, to, &raw mut len) })?;
    Ok(value)
}

/// Size of a structure that the kernel is told of.
fn len_of<T>() -> socklen_t {
    socklen_t::try_from(size_of::<T>()).unwrap_or(0)
}

fn done(returned: c_int) -> io::Result<()> {
    if returned < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
