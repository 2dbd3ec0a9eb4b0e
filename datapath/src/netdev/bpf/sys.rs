//! bpf(2), as safe functions.
//!
//! # Invariants
//! - **I1** A request's structure lives through the call, its length is told, and for what the kernel
//!   writes all bits are values.
//! - **I2** Pointers inside a request are to live objects of the calling function, as large as the
//!   kernel expects of that request.
//! - **I3** A descriptor that a request returns is fresh and nobody else's.
//!
//! # References
//! bpf(2), linux/bpf.h.

#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use libc::c_int;

use super::Hook;
use super::abi::{self, Insn};

/// Loads a program for a hook. Of `name` only what fits is told.
pub(super) fn load_program(
    hook: Hook,
    name: &str,
    insns: &[Insn],
    flags: u32,
) -> io::Result<OwnedFd> {
    let mut prog_name = [0; 16];
    let room = prog_name.len() - 1;
    prog_name.iter_mut().zip(name.bytes().take(room)).for_each(|(to, from)| *to = from);
    let mut request = abi::ProgLoad {
        prog_type: match hook {
            Hook::Xdp => abi::PROG_TYPE_XDP,
            Hook::TcxIngress => abi::PROG_TYPE_SCHED_CLS,
        },
        insn_cnt: u32::try_from(insns.len()).unwrap_or(u32::MAX),
        insns: insns.as_ptr().addr() as u64,
        license: c"MIT OR Apache-2.0".as_ptr().addr() as u64,
        log_level: 0,
        log_size: 0,
        log_buf: 0,
        kern_version: 0,
        prog_flags: flags,
        prog_name,
        prog_ifindex: 0,
        expected_attach_type: match hook {
            Hook::Xdp => abi::ATTACH_TYPE_XDP,
            // The type says all; a kernel that does not know the number would refuse to load.
            Hook::TcxIngress => 0,
        },
    };
    bpf(abi::command::PROG_LOAD, &mut request).and_then(descriptor)
}

/// A map from queue numbers below `n` to sockets.
pub(super) fn create_socket_map(n: u32) -> io::Result<OwnedFd> {
    let mut request = abi::MapCreate {
        map_type: abi::MAP_TYPE_XSKMAP,
        key_size: 4,
        value_size: 4,
        max_entries: n,
        map_flags: 0,
    };
    bpf(abi::command::MAP_CREATE, &mut request).and_then(descriptor)
}

/// Enters a socket for a queue.
pub(super) fn put_socket(
    map: BorrowedFd<'_>,
    queue: u32,
    socket: BorrowedFd<'_>,
) -> io::Result<()> {
    let value = socket.as_raw_fd();
    let mut request = abi::MapUpdate {
        map_fd: map.as_raw_fd().cast_unsigned(),
        pad: 0,
        key: (&raw const queue).addr() as u64,
        value: (&raw const value).addr() as u64,
        flags: 0,
    };
    bpf(abi::command::MAP_UPDATE_ELEM, &mut request).map(drop)
}

/// Attaches a program to an interface until the descriptor returned is closed.
pub(super) fn attach(
    (program, hook): (BorrowedFd<'_>, Hook),
    ifindex: u32,
    flags: u32,
) -> io::Result<OwnedFd> {
    let mut request = abi::LinkCreate {
        prog_fd: program.as_raw_fd().cast_unsigned(),
        target_ifindex: ifindex,
        attach_type: match hook {
            Hook::Xdp => abi::ATTACH_TYPE_XDP,
            Hook::TcxIngress => abi::ATTACH_TYPE_TCX_INGRESS,
        },
        flags,
    };
    bpf(abi::command::LINK_CREATE, &mut request).and_then(descriptor)
}

/// Detaches what [`attach`] attached, whoever else has the descriptor.
pub(super) fn detach(link: BorrowedFd<'_>) -> io::Result<()> {
    let mut request: u32 = link.as_raw_fd().cast_unsigned();
    bpf(abi::command::LINK_DETACH, &mut request).map(drop)
}

/// The name of a loaded program.
pub(in super::super) fn program_name(id: u32) -> io::Result<String> {
    let mut request = abi::GetFdById { id, next_id: 0, open_flags: 0 };
    let fd = bpf(abi::command::PROG_GET_FD_BY_ID, &mut request).and_then(descriptor)?;
    let mut info = abi::ProgInfo::default();
    let mut request = abi::InfoByFd {
        bpf_fd: fd.as_raw_fd().cast_unsigned(),
        info_len: u32::try_from(size_of::<abi::ProgInfo>()).unwrap_or(0),
        info: (&raw mut info).addr() as u64,
    };
    bpf(abi::command::OBJ_GET_INFO_BY_FD, &mut request)?;
    let name: Vec<u8> = info.name.into_iter().take_while(|byte| *byte != 0).collect();
    Ok(String::from_utf8_lossy(&name).into_owned())
}

fn bpf<T>(command: c_int, request: &mut T) -> io::Result<c_int> {
    let request = &raw mut *request;
    // SAFETY: I1 and I2; bits of the union behind the part told are taken for zero.
    let returned = unsafe { libc::syscall(libc::SYS_bpf, command, request, size_of::<T>()) };
    if returned < 0 {
        return Err(io::Error::last_os_error());
    }
    c_int::try_from(returned).map_err(|_| io::ErrorKind::InvalidData.into())
}

fn descriptor(number: c_int) -> io::Result<OwnedFd> {
    // SAFETY: I3.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}
