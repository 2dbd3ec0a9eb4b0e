//! Small BPF programs, and what holds them at an interface.
//!
//! # Design
//! A program is a handful of [`Insn`]s that a driver writes down, so that no compiler is needed to build
//! the switch. It is attached by a BPF link ([`Link`]): the kernel detaches it when the link's descriptor
//! is closed, however the process ends.
//!
//! # References
//! bpf(2); Documentation/bpf/standardization/instruction-set.rst.

mod abi;
mod sys;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

pub(super) use abi::{FUNC_REDIRECT_MAP, HAS_FRAGS, Insn, TCX_DROP, XDP_DRV_MODE, XDP_SKB_MODE};
pub(super) use sys::program_name;

/// A constant goes to a register.
pub(super) const MOVE: u8 = 0xb7;
/// The program ends; register 0 has the verdict.
pub(super) const EXIT: u8 = 0x95;

/// Where a program runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Hook {
    /// As frames come from the driver.
    Xdp,
    /// On the way from packet sockets to the stack (Linux 6.6).
    TcxIngress,
}

/// One instruction: code, destination and source register, offset, constant.
pub(super) const fn insn(code: u8, dst: u8, src: u8, off: i16, imm: i32) -> Insn {
    Insn { code, registers: src << 4 | dst, off, imm }
}

/// A program, loaded for a hook.
pub(super) struct Program {
    fd: OwnedFd,
    hook: Hook,
}

impl Program {
    /// Has the kernel check and load a program. Of `name` only 15 bytes are told.
    pub(super) fn load(hook: Hook, name: &str, insns: &[Insn], flags: u32) -> io::Result<Program> {
        let fd = sys::load_program(hook, name, insns, flags)?;
        Ok(Program { fd, hook })
    }

    /// Attaches it to an interface, until the link is dropped. `flags` are the hook's.
    pub(super) fn attach(&self, ifindex: u32, flags: u32) -> io::Result<Link> {
        let fd = sys::attach((self.fd.as_fd(), self.hook), ifindex, flags)?;
        Ok(Link { fd })
    }
}

/// Holds a program at an interface; detaches it when dropped.
pub(super) struct Link {
    fd: OwnedFd,
}

impl Drop for Link {
    /// A child of the process that has not come to its `exec` has the descriptor too: closing it
    /// would not do.
    fn drop(&mut self) {
        // It fails if the interface is gone, and the program with it.
        let _ = sys::detach(self.fd.as_fd());
    }
}

/// A map from queue numbers to AF_XDP sockets.
pub(super) struct SocketMap {
    fd: OwnedFd,
}

impl SocketMap {
    /// For the queues below `n_queues`, without sockets.
    pub(super) fn new(n_queues: u32) -> io::Result<SocketMap> {
        Ok(SocketMap { fd: sys::create_socket_map(n_queues)? })
    }

    /// Enters a socket for a queue.
    pub(super) fn put(&self, queue: u32, socket: BorrowedFd<'_>) -> io::Result<()> {
        sys::put_socket(self.fd.as_fd(), queue, socket)
    }
}

impl AsFd for SocketMap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
