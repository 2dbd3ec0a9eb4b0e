//! The system calls of carriers' sockets, as safe functions.
//!
//! # Invariants
//! - **I1** A message handed to the kernel points to arrays of the calling function, and to buffers that
//!   the caller lends it exclusively (receiving) or shares (sending) for the length of the call; the
//!   kernel keeps no pointer. Lengths are those of the slices.
//! - **I2** An option's value lives through the call, and its length is its size.
//!
//! # References
//! udp(7), socket(7).

#![allow(unsafe_code)]

use core::net::IpAddr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use arrayvec::ArrayVec;
use libc::{c_int, iovec, mmsghdr, socklen_t};

use super::control::{Address, Control};
use crate::batch::MAX_BURST;
use crate::netdev::mmsg;
use crate::netdev::spares::{HasSpares, Spares};

/// Accept datagrams over IPv6 without a checksum (linux/udp.h).
pub(super) const UDP_NO_CHECK6_RX: c_int = 102;

/// An IP version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// Room for one received datagram, and what the kernel said about it.
pub(super) struct Slot {
    /// Where the data is written.
    pub(super) spares: Spares,
    /// Bytes written.
    pub(super) len: usize,
    /// Whether there were more bytes than room.
    pub(super) truncated: bool,
    /// Who sent it.
    pub(super) from: Address,
    /// What was told beside it.
    pub(super) control: Control,
}

impl Slot {
    pub(super) fn new() -> Slot {
        let (from, control) = (Address::new(), Control::new());
        Slot { spares: Spares::default(), len: 0, truncated: false, from, control }
    }
}

impl HasSpares for Slot {
    fn spares(&mut self) -> &mut Spares {
        &mut self.spares
    }
}

/// What is to be sent at once: one datagram, or several of one length.
pub(super) struct Outgoing {
    /// To whom.
    pub(super) to: Address,
    /// What the kernel is told beside it.
    pub(super) control: Control,
    /// How many of the parts it consists of.
    pub(super) n_parts: usize,
}

/// Receives at most one datagram per slot; the number of slots filled, from the first on.
/// Slots above [`MAX_BURST`] are not used.
pub(super) fn recv_many(fd: BorrowedFd<'_>, slots: &mut [Slot]) -> io::Result<usize> {
    let mut parts = ArrayVec::<[iovec; 2], MAX_BURST>::new();
    let mut messages = ArrayVec::<mmsghdr, MAX_BURST>::new();
    for slot in slots.iter_mut().take(MAX_BURST) {
        parts.push(slot.spares.parts().map(mmsg::part_mut));
    }
    for (slot, parts) in slots.iter_mut().zip(&mut parts) {
        let mut message = mmsg::message(parts);
        let header = &mut message.msg_hdr;
        let control = slot.control.room_mut();
        header.msg_control = control.as_mut_ptr().cast();
        header.msg_controllen = control.len() as _;
        let from = slot.from.room_mut();
        header.msg_name = from.as_mut_ptr().cast();
        header.msg_namelen = socklen_t::try_from(from.len()).unwrap_or(0);
        messages.push(message);
    }
    // SAFETY: I1.
    let n = unsafe { mmsg::recv(fd, &mut messages) }?;
    for (slot, message) in slots.iter_mut().zip(&messages).take(n) {
        slot.len = message.msg_len as usize;
        slot.truncated = message.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
        slot.control.set_len(message.msg_hdr.msg_controllen as _);
        slot.from.set_len(message.msg_hdr.msg_namelen as usize);
    }
    Ok(n)
}

/// Sends messages, whose parts stand one after the other in `parts`, until one is refused; the number
/// sent. An error is that of the first message. Messages and parts above [`MAX_BURST`] are not sent.
pub(super) fn send_many<'a>(
    fd: BorrowedFd<'_>,
    outgoing: &[Outgoing],
    parts: impl Iterator<Item = &'a [u8]>,
) -> io::Result<usize> {
    let mut all: ArrayVec<iovec, MAX_BURST> = parts.map(mmsg::part).take(MAX_BURST).collect();
    let mut rest = &mut all[..];
    let mut messages = ArrayVec::<mmsghdr, MAX_BURST>::new();
    for out in outgoing.iter().take(MAX_BURST) {
        let (parts, others) = rest.split_at_mut(out.n_parts.min(rest.len()));
        rest = others;
        let mut message = mmsg::message(parts);
        let header = &mut message.msg_hdr;
        let (control, to) = (out.control.as_bytes(), out.to.as_bytes());
        header.msg_control = control.as_ptr().cast_mut().cast();
        header.msg_controllen = control.len() as _;
        header.msg_name = to.as_ptr().cast_mut().cast();
        header.msg_namelen = socklen_t::try_from(to.len()).unwrap_or(0);
        messages.push(message);
    }
    // SAFETY: I1.
    unsafe { mmsg::send(fd, &mut messages) }
}

/// Sets an option that is a number.
pub(super) fn set_option(
    fd: BorrowedFd<'_>,
    level: c_int,
    name: c_int,
    value: c_int,
) -> io::Result<()> {
    set(fd, level, name, &value)
}

/// Most interfaces of a filter: two instructions for each, of 4096 that the kernel takes.
const MAX_SHUNNED: usize = 2000;

fn instruction(code: u32, (jt, jf): (u8, u8), k: u32) -> libc::sock_filter {
    libc::sock_filter { code: u16::try_from(code).unwrap_or(0), jt, jf, k }
}

/// Drops whatever would reach the socket.
pub(super) fn receive_nothing(fd: BorrowedFd<'_>) -> io::Result<()> {
    filter(fd, &mut [instruction(libc::BPF_RET | libc::BPF_K, (0, 0), 0)])
}

/// Drops what would reach the socket by one of these interfaces; those above [`MAX_SHUNNED`] are not
/// looked at.
pub(super) fn receive_all_but(fd: BorrowedFd<'_>, interfaces: &[u32]) -> io::Result<()> {
    let index = (libc::SKF_AD_OFF + libc::SKF_AD_IFINDEX).cast_unsigned();
    let (is, ret) = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, libc::BPF_RET | libc::BPF_K);
    let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    let mut program = vec![instruction(load, (0, 0), index)];
    for interface in interfaces.iter().take(MAX_SHUNNED) {
        program.push(instruction(is, (0, 1), *interface));
        program.push(instruction(ret, (0, 0), 0));
    }
    program.push(instruction(ret, (0, 0), u32::MAX));
    filter(fd, &mut program)
}

/// What happens to the membership of a group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Membership {
    /// It begins.
    Join,
    /// It ends.
    Leave,
}

/// Begins or ends to receive what is sent to a multicast group on an interface.
pub(super) fn change_group(
    fd: BorrowedFd<'_>,
    (group, interface): (IpAddr, u32),
    how: Membership,
) -> io::Result<()> {
    match group {
        IpAddr::V4(group) => {
            let request = libc::ip_mreqn {
                imr_multiaddr: libc::in_addr { s_addr: group.to_bits().to_be() },
                imr_address: libc::in_addr { s_addr: libc::INADDR_ANY },
                imr_ifindex: c_int::try_from(interface).unwrap_or(0),
            };
            let name = match how {
                Membership::Join => libc::IP_ADD_MEMBERSHIP,
                Membership::Leave => libc::IP_DROP_MEMBERSHIP,
            };
            set(fd, libc::IPPROTO_IP, name, &request)
        }
        IpAddr::V6(group) => {
            let request = libc::ipv6_mreq {
                ipv6mr_multiaddr: libc::in6_addr { s6_addr: group.octets() },
                ipv6mr_interface: interface,
            };
            let name = match how {
                Membership::Join => libc::IPV6_ADD_MEMBERSHIP,
                Membership::Leave => libc::IPV6_DROP_MEMBERSHIP,
            };
            set(fd, libc::IPPROTO_IPV6, name, &request)
        }
    }
}

fn filter(fd: BorrowedFd<'_>, program: &mut [libc::sock_filter]) -> io::Result<()> {
    let len = u16::try_from(program.len()).unwrap_or(0);
    let program = libc::sock_fprog { len, filter: program.as_mut_ptr() };
    // The program lives through the call, and the kernel copies it.
    set(fd, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)
}

fn set<T>(fd: BorrowedFd<'_>, level: c_int, name: c_int, value: &T) -> io::Result<()> {
    let (value, len) = ((&raw const *value).cast(), socklen_t::try_from(size_of::<T>()));
    // SAFETY: I2.
    let returned =
        unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, value, len.unwrap_or(0)) };
    if returned < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
