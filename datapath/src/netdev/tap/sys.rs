//! The ioctls of TUN/TAP devices and of interfaces, as safe functions.
//!
//! # Invariants
//! - **I1** Each request is called with the argument that the kernel expects for it: a `struct ifreq`
//!   that lives through the call and is as large as the kernel's, an `int` that lives through the
//!   call, or a plain number.
//! - **I2** A request that the descriptor's file does not know fails with `ENOTTY` and touches nothing.
//!
//! # References
//! linux/if_tun.h, net/if.h; Documentation/networking/tuntap.rst.

#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use libc::c_int;
use packet::MacAddr;

use crate::netdev::NetdevError;
use crate::netdev::ifname::check_ifname;

/// `struct ifreq`: a name and a union of values.
#[repr(C, align(8))]
struct Ifreq {
    name: [u8; libc::IFNAMSIZ],
    value: [u8; size_of::<libc::ifreq>() - libc::IFNAMSIZ],
}

const _: () = assert!(size_of::<Ifreq>() == size_of::<libc::ifreq>());
const _: () = assert!(align_of::<Ifreq>() >= align_of::<libc::ifreq>());

/// The name of an interface, as the kernel takes it.
#[derive(Clone, Copy)]
pub(super) struct Ifname([u8; libc::IFNAMSIZ]);

impl Ifname {
    /// Checks a name; the longest leaves room for the final zero.
    pub(super) fn new(name: &str) -> Result<Ifname, NetdevError> {
        check_ifname(name)?;
        let mut bytes = [0; libc::IFNAMSIZ];
        for (to, from) in bytes.iter_mut().zip(name.bytes()) {
            *to = from;
        }
        Ok(Ifname(bytes))
    }

    fn request(self, value: &[u8]) -> Ifreq {
        let mut request = Ifreq { name: self.0, value: [0; _] };
        request.value[..value.len()].copy_from_slice(value);
        request
    }
}

/// Attaches a queue to a TAP device, which is made if there is none.
pub(super) fn attach(fd: BorrowedFd<'_>, name: Ifname, flags: c_int) -> io::Result<()> {
    // The field is a short; the flags are bits of its unsigned reading.
    let flags = u16::try_from(flags).map_err(|_| io::ErrorKind::InvalidInput)?;
    ioctl_ifreq(fd, libc::TUNSETIFF, &mut name.request(&flags.to_ne_bytes()))
}

/// The name of the device that the queue is attached to.
pub(super) fn attached_name(fd: BorrowedFd<'_>) -> io::Result<String> {
    let mut request = Ifname([0; _]).request(&[]);
    ioctl_ifreq(fd, libc::TUNGETIFF, &mut request)?;
    let name = request.name.split(|byte| *byte == 0).next().unwrap_or_default();
    Ok(String::from_utf8_lossy(name).into_owned())
}

/// Sets the length of the virtio-net header in front of each frame, bytes.
pub(super) fn set_vnet_header_len(fd: BorrowedFd<'_>, len: c_int) -> io::Result<()> {
    // SAFETY: I1: the request reads an `int`.
    done(unsafe { libc::ioctl(fd.as_raw_fd(), libc::TUNSETVNETHDRSZ, &raw const len) })
}

/// Says which unfinished work (`TUN_F_…`) the queue's reader takes.
pub(super) fn set_offload(fd: BorrowedFd<'_>, flags: libc::c_uint) -> io::Result<()> {
    let flags = libc::c_ulong::from(flags);
    // SAFETY: I1: the request takes a number.
    done(unsafe { libc::ioctl(fd.as_raw_fd(), libc::TUNSETOFFLOAD, flags) })
}

/// Lets the device outlive its last queue.
pub(super) fn set_persistent(fd: BorrowedFd<'_>) -> io::Result<()> {
    let on: libc::c_ulong = 1;
    // SAFETY: I1: the request takes a number.
    done(unsafe { libc::ioctl(fd.as_raw_fd(), libc::TUNSETPERSIST, on) })
}

/// Lets a user attach to the device.
pub(super) fn set_owner(fd: BorrowedFd<'_>, user: u32) -> io::Result<()> {
    // SAFETY: I1: the request takes a number.
    done(unsafe { libc::ioctl(fd.as_raw_fd(), libc::TUNSETOWNER, libc::c_ulong::from(user)) })
}

/// Lets the members of a group attach to the device.
pub(super) fn set_group(fd: BorrowedFd<'_>, group: u32) -> io::Result<()> {
    // SAFETY: I1: the request takes a number.
    done(unsafe { libc::ioctl(fd.as_raw_fd(), libc::TUNSETGROUP, libc::c_ulong::from(group)) })
}

/// Sets the MAC address of an interface; `socket` is any socket in its network namespace.
pub(super) fn set_mac(socket: BorrowedFd<'_>, name: Ifname, mac: MacAddr) -> io::Result<()> {
    let [a, b, c, d, e, f] = mac.0;
    let [family_0, family_1] = libc::ARPHRD_ETHER.to_ne_bytes();
    let mut request = name.request(&[family_0, family_1, a, b, c, d, e, f]);
    ioctl_ifreq(socket, libc::SIOCSIFHWADDR, &mut request)
}

/// Sets the MTU of an interface, bytes.
pub(super) fn set_mtu(socket: BorrowedFd<'_>, name: Ifname, mtu: u32) -> io::Result<()> {
    let mtu = c_int::try_from(mtu).map_err(|_| io::ErrorKind::InvalidInput)?;
    ioctl_ifreq(socket, libc::SIOCSIFMTU, &mut name.request(&mtu.to_ne_bytes()))
}

/// Sets an interface administratively up.
pub(super) fn set_up(socket: BorrowedFd<'_>, name: Ifname) -> io::Result<()> {
    let mut request = name.request(&[]);
    ioctl_ifreq(socket, libc::SIOCGIFFLAGS, &mut request)?;
    let flags = u16::from_ne_bytes([request.value[0], request.value[1]]);
    let up = u16::try_from(libc::IFF_UP).map_err(|_| io::ErrorKind::InvalidInput)?;
    ioctl_ifreq(socket, libc::SIOCSIFFLAGS, &mut name.request(&(flags | up).to_ne_bytes()))
}

fn ioctl_ifreq(fd: BorrowedFd<'_>, code: libc::Ioctl, request: &mut Ifreq) -> io::Result<()> {
    // SAFETY: I1: only requests on a `struct ifreq` come here; I2 for the rest.
    done(unsafe { libc::ioctl(fd.as_raw_fd(), code, &raw mut *request) })
}

fn done(returned: c_int) -> io::Result<()> {
    if returned < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
