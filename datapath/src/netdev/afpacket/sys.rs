//! The system calls of packet sockets, as safe functions.
//!
//! # Invariants
//! - **I1** The C structures here are plain data for which all bits zero is a value.
//! - **I2** A message handed to the kernel points to arrays of the calling function and to buffers that
//!   the caller lends it exclusively (receiving) or shares (sending) for the length of the call; the
//!   kernel keeps no pointer. Lengths are those of the slices.
//! - **I3** An option's value lives through the call, its length is its size, and it has no padding.
//!
//! # References
//! packet(7), linux/if_packet.h.

#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use arrayvec::ArrayVec;
use libc::{c_int, iovec, mmsghdr, socklen_t};
use packet::vlan::{TPID_CTAG, VlanTag};

use crate::batch::MAX_BURST;
use crate::frame::Frame;
use crate::netdev::mmsg;
use crate::netdev::spares::{HasSpares, Spares};
use crate::offload::vnet;

// SAFETY: I1.
const NO_ADDRESS: libc::sockaddr_ll = unsafe { core::mem::zeroed() };
// SAFETY: I1.
const NO_CONTROL: Control = unsafe { core::mem::zeroed() };

/// The one control message that a socket with `PACKET_AUXDATA` gives.
#[repr(C)]
#[derive(Clone, Copy)]
struct Control {
    header: libc::cmsghdr,
    auxdata: libc::tpacket_auxdata,
}

const CONTROL_CAP: usize = size_of::<Control>();

/// Room for one received frame, and what the kernel said about it.
pub(super) struct Slot {
    /// Where the frame is written.
    pub(super) spares: Spares,
    /// The virtio-net header in front of it.
    pub(super) header: [u8; vnet::HEADER_LEN],
    /// Bytes written, without the header.
    pub(super) len: usize,
    /// Whether there were more bytes than room.
    pub(super) truncated: bool,
    control: Control,
}

impl Slot {
    pub(super) fn new() -> Slot {
        let (header, control) = ([0; _], NO_CONTROL);
        Slot { spares: Spares::default(), header, len: 0, truncated: false, control }
    }

    /// The VLAN tag that the kernel took out of the frame: TPID and TCI.
    pub(super) fn tag(&self) -> Option<(u16, VlanTag)> {
        let Control { header, auxdata } = &self.control;
        let ours =
            header.cmsg_level == libc::SOL_PACKET && header.cmsg_type == libc::PACKET_AUXDATA;
        if !ours || auxdata.tp_status & libc::TP_STATUS_VLAN_VALID == 0 {
            return None;
        }
        let known = auxdata.tp_status & libc::TP_STATUS_VLAN_TPID_VALID != 0;
        let tpid = if known { auxdata.tp_vlan_tpid } else { TPID_CTAG };
        Some((tpid, VlanTag(auxdata.tp_vlan_tci)))
    }
}

impl HasSpares for Slot {
    fn spares(&mut self) -> &mut Spares {
        &mut self.spares
    }
}

/// Receives at most one frame per slot; the number of slots filled, from the first on.
/// Slots above [`MAX_BURST`] are not used.
pub(super) fn recv_many(fd: BorrowedFd<'_>, slots: &mut [Slot]) -> io::Result<usize> {
    let mut parts = ArrayVec::<[iovec; 3], MAX_BURST>::new();
    let mut messages = ArrayVec::<mmsghdr, MAX_BURST>::new();
    for slot in slots.iter_mut().take(MAX_BURST) {
        slot.control = NO_CONTROL;
        let [small, spill] = slot.spares.parts();
        parts.push([&mut slot.header, small, spill].map(mmsg::part_mut));
    }
    for (slot, parts) in slots.iter_mut().zip(&mut parts) {
        let mut message = mmsg::message(parts);
        message.msg_hdr.msg_control = (&raw mut slot.control).cast();
        message.msg_hdr.msg_controllen = CONTROL_CAP as _;
        messages.push(message);
    }
    // SAFETY: I2.
    let n = unsafe { mmsg::recv(fd, &mut messages) }?;
    for (slot, message) in slots.iter_mut().zip(&messages).take(n) {
        slot.len = (message.msg_len as usize).saturating_sub(vnet::HEADER_LEN);
        slot.truncated = message.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
    }
    Ok(n)
}

/// What one message to the kernel is made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message {
    /// The virtio-net header in front.
    pub(super) header: [u8; vnet::HEADER_LEN],
    /// How many frames.
    pub(super) n_frames: usize,
    /// Bytes that all but the first of them leave away.
    pub(super) headers_len: usize,
}

/// Sends messages made of the frames in turn until one is refused; the number sent. An error is that of
/// the first message. What is above [`MAX_BURST`] messages or frames is not sent.
pub(super) fn send_many(
    fd: BorrowedFd<'_>,
    messages: &[Message],
    mut frames: &[Frame],
) -> io::Result<usize> {
    let mut parts = ArrayVec::<iovec, { 2 * MAX_BURST }>::new();
    let mut lens = ArrayVec::<usize, MAX_BURST>::new();
    for message in messages.iter().take(MAX_BURST) {
        let Some((own, others)) = frames.split_at_checked(message.n_frames) else { break };
        if parts.remaining_capacity() <= own.len() {
            break;
        }
        parts.push(mmsg::part(&message.header));
        parts.extend(own.iter().enumerate().map(|(i, frame)| match i {
            0 => mmsg::part(frame.data()),
            _ => mmsg::part(frame.data().get(message.headers_len..).unwrap_or_default()),
        }));
        lens.push(1 + own.len());
        frames = others;
    }
    let (mut out, mut rest) = (ArrayVec::<mmsghdr, MAX_BURST>::new(), &mut parts[..]);
    for len in lens {
        let (own, others) = rest.split_at_mut(len);
        out.push(mmsg::message(own));
        rest = others;
    }
    // SAFETY: I2.
    unsafe { mmsg::send(fd, &mut out) }
}

/// Binds a socket to an interface; `protocol` is an `ETH_P_…`, or 0 to receive nothing.
pub(super) fn bind(fd: BorrowedFd<'_>, ifindex: c_int, protocol: u16) -> io::Result<()> {
    let mut address = NO_ADDRESS;
    address.sll_family = u16::try_from(libc::AF_PACKET).unwrap_or(0);
    address.sll_protocol = protocol.to_be();
    address.sll_ifindex = ifindex;
    let len = len_of::<libc::sockaddr_ll>();
    // SAFETY: I3.
    done(unsafe { libc::bind(fd.as_raw_fd(), (&raw const address).cast(), len) })
}

/// Where a socket is bound to: the interface's index, −1 after it was deleted, and its `ARPHRD_…`.
pub(super) fn bound_to(fd: BorrowedFd<'_>) -> io::Result<(c_int, u16)> {
    let mut address = NO_ADDRESS;
    let mut len: socklen_t = len_of::<libc::sockaddr_ll>();
    let to = (&raw mut address).cast();
    // SAFETY: I3: the kernel writes at most `len` bytes.
    done(unsafe { libc::getsockname(fd.as_raw_fd(), to, &raw mut len) })?;
    Ok((address.sll_ifindex, address.sll_hatype))
}

/// Sets an option of the packet layer that is a number.
pub(super) fn set_packet_option(fd: BorrowedFd<'_>, name: c_int, value: c_int) -> io::Result<()> {
    set(fd, libc::SOL_PACKET, name, &value)
}

/// Sets an option of the socket layer that is a number.
pub(super) fn set_socket_option(fd: BorrowedFd<'_>, name: c_int, value: c_int) -> io::Result<()> {
    set(fd, libc::SOL_SOCKET, name, &value)
}

/// Lets an interface take frames for every address, for as long as the socket is open.
pub(super) fn set_promiscuous(fd: BorrowedFd<'_>, ifindex: c_int) -> io::Result<()> {
    let kind = u16::try_from(libc::PACKET_MR_PROMISC).unwrap_or(0);
    let membership =
        libc::packet_mreq { mr_ifindex: ifindex, mr_type: kind, mr_alen: 0, mr_address: [0; 8] };
    set(fd, libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP, &membership)
}

/// Drops frames that the host sends by the interface before they reach the socket.
///
/// The members of a fanout group share one hook, to which `PACKET_IGNORE_OUTGOING` of older kernels
/// does not apply.
pub(super) fn filter_outgoing(fd: BorrowedFd<'_>) -> io::Result<()> {
    let op = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter {
        code: u16::try_from(code).unwrap_or(0),
        jt,
        jf,
        k,
    };
    let outgoing = u32::from(libc::PACKET_OUTGOING);
    let packet_type = (libc::SKF_AD_OFF + libc::SKF_AD_PKTTYPE).cast_unsigned();
    let mut program = [
        op(libc::BPF_LD | libc::BPF_B | libc::BPF_ABS, 0, 0, packet_type),
        op(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, outgoing),
        op(libc::BPF_RET | libc::BPF_K, 0, 0, 0),
        op(libc::BPF_RET | libc::BPF_K, 0, 0, u32::MAX),
    ];
    let len = u16::try_from(program.len()).unwrap_or(0);
    let program = libc::sock_fprog { len, filter: program.as_mut_ptr() };
    let size = len_of::<libc::sock_fprog>();
    let (level, name) = (libc::SOL_SOCKET, libc::SO_ATTACH_FILTER);
    // SAFETY: I3 (the kernel does not look at the padding), and the program lives through the call.
    done(unsafe {
        libc::setsockopt(fd.as_raw_fd(), level, name, (&raw const program).cast(), size)
    })
}

/// The number of the fanout group that the socket is in.
pub(super) fn fanout_id(fd: BorrowedFd<'_>) -> io::Result<u16> {
    let value: c_int = get(fd, libc::PACKET_FANOUT, 0)?;
    let [low, high, ..] = value.to_le_bytes();
    Ok(u16::from_le_bytes([low, high]))
}

/// Frames lost for want of room in the socket since the last call.
pub(super) fn take_missed(fd: BorrowedFd<'_>) -> io::Result<u32> {
    let none = libc::tpacket_stats { tp_packets: 0, tp_drops: 0 };
    Ok(get(fd, libc::PACKET_STATISTICS, none)?.tp_drops)
}

fn set<T: Copy>(fd: BorrowedFd<'_>, level: c_int, name: c_int, value: &T) -> io::Result<()> {
    let (value, len) = ((&raw const *value).cast(), len_of::<T>());
    // SAFETY: I3.
    done(unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, value, len) })
}

fn get<T: Copy>(fd: BorrowedFd<'_>, name: c_int, mut value: T) -> io::Result<T> {
    let mut len = len_of::<T>();
    let (level, to) = (libc::SOL_PACKET, (&raw mut value).cast());
    // SAFETY: I3: the kernel writes at most `len` bytes, of types for which all bits are values.
    done(unsafe { libc::getsockopt(fd.as_raw_fd(), level, name, to, &raw mut len) })?;
    Ok(value)
}

/// Size of a structure that the kernel is told of.
fn len_of<T>() -> socklen_t {
    socklen_t::try_from(size_of::<T>()).unwrap_or(0)
}

fn done(returned: c_int) -> io::Result<()> {
    if returned < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
