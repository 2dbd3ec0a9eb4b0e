//! `recvmmsg` and `sendmmsg`: many messages in a system call.
//!
//! # Invariants
//! - **I1** `mmsghdr` is plain data for which all bits zero is a value.
//! - **I2** What messages handed to the kernel point to (arrays of parts, buffers, control messages,
//!   addresses) is as long as they say, and for the length of the call the caller's alone (receiving)
//!   or shared (sending). The kernel keeps no pointer.
//! - **I3** The kernel touches as many messages as it is told, which are as many as the slice holds.
//!
//! # References
//! recvmmsg(2), sendmmsg(2).

#![allow(unsafe_code)]

use core::ffi::c_void;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use libc::{iovec, mmsghdr, socklen_t};

/// Where the kernel writes a part of a message.
pub(super) fn part_mut(bytes: &mut [u8]) -> iovec {
    iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() }
}

/// A part of a message to send. The kernel's structure serves both directions, hence `*mut`; it only
/// reads when sending.
pub(super) fn part(bytes: &[u8]) -> iovec {
    iovec { iov_base: bytes.as_ptr().cast_mut().cast::<c_void>(), iov_len: bytes.len() }
}

/// A message of these parts, without control messages and address.
pub(super) fn message(parts: &mut [iovec]) -> mmsghdr {
    // SAFETY: I1.
    let mut message: mmsghdr = unsafe { core::mem::zeroed() };
    message.msg_hdr.msg_iov = parts.as_mut_ptr();
    message.msg_hdr.msg_iovlen = parts.len() as _;
    message
}

/// Receives as many messages as there are, without waiting; how many.
///
/// # Safety
/// I2 holds of `messages`.
pub(super) unsafe fn recv(fd: BorrowedFd<'_>, messages: &mut [mmsghdr]) -> io::Result<usize> {
    let n = socklen_t::try_from(messages.len()).unwrap_or(0);
    let (flags, no_time) = (libc::MSG_DONTWAIT, core::ptr::null_mut());
    // SAFETY: I2 and I3.
    let n = unsafe { libc::recvmmsg(fd.as_raw_fd(), messages.as_mut_ptr(), n, flags, no_time) };
    usize::try_from(n).map_err(|_| io::Error::last_os_error())
}

/// Sends messages until one is refused, without waiting; how many. An error is that of the first.
///
/// # Safety
/// I2 holds of `messages`.
pub(super) unsafe fn send(fd: BorrowedFd<'_>, messages: &mut [mmsghdr]) -> io::Result<usize> {
    let n = socklen_t::try_from(messages.len()).unwrap_or(0);
    let flags = libc::MSG_DONTWAIT;
    // SAFETY: I2 and I3.
    let n = unsafe { libc::sendmmsg(fd.as_raw_fd(), messages.as_mut_ptr(), n, flags) };
    usize::try_from(n).map_err(|_| io::Error::last_os_error())
}
