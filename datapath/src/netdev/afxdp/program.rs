//! The XDP program: what it does is six instructions, and who holds it is a descriptor.
//!
//! # Design
//! ```text
//! r2 = ctx->rx_queue_index          a frame of a queue that has a socket goes to that socket;
//! r1 = sockets (a map)              of another queue, to the stack
//! r3 = XDP_PASS
//! call bpf_redirect_map
//! exit
//! ```
//! It is attached by a BPF link: the kernel detaches it when the link's descriptor is closed, however
//! the process ends, and no other program can take its place meanwhile.
//!
//! # References
//! Documentation/bpf/map_xskmap.rst, Documentation/bpf/standardization/instruction-set.rst.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use super::error::AfXdpError;
use super::{abi, link};
use crate::netdev::bpf::{self, EXIT, Insn, MOVE, SocketMap, insn};

/// Where the program runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Hook {
    /// In the driver, before the kernel makes an `skb`.
    Native,
    /// In the stack, on every interface.
    Generic,
}

impl Hook {
    /// As users know it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Hook::Native => "native",
            Hook::Generic => "generic",
        }
    }

    fn flags(self) -> u32 {
        match self {
            Hook::Native => bpf::XDP_DRV_MODE,
            Hook::Generic => bpf::XDP_SKB_MODE,
        }
    }
}

/// The program on an interface, with its map of sockets. Detached when dropped.
pub(super) struct Program {
    _link: bpf::Link,
    sockets: SocketMap,
    /// Whether it takes frames of several buffers.
    pub takes_chains: bool,
}

impl Program {
    /// Attaches it to an interface of `n_queues` queues: without sockets, everything goes to the stack.
    pub(super) fn attach(
        name: &str,
        ifindex: u32,
        n_queues: u32,
        hook: Hook,
    ) -> Result<Program, AfXdpError> {
        let sockets = SocketMap::new(n_queues).map_err(AfXdpError::os("make a map of sockets"))?;
        let insns = instructions(sockets.as_fd());
        let load = |flags| bpf::Program::load(bpf::Hook::Xdp, "vswitch_xsk", &insns, flags);
        let (program, takes_chains) = match load(bpf::HAS_FRAGS) {
            Ok(program) => (program, true),
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => (
                load(0).map_err(AfXdpError::os("load the XDP program"))?,
                false, // Linux before 5.18
            ),
            Err(error) => return Err(AfXdpError::os("load the XDP program")(error)),
        };
        let link =
            program.attach(ifindex, hook.flags()).map_err(|error| refused(name, hook, error))?;
        Ok(Program { _link: link, sockets, takes_chains })
    }

    /// Sends the frames of a queue to a socket from now on.
    pub(super) fn put_socket(&self, queue: u32, socket: BorrowedFd<'_>) -> io::Result<()> {
        self.sockets.put(queue, socket)
    }
}

/// Why the interface refused the program.
fn refused(name: &str, hook: Hook, source: io::Error) -> AfXdpError {
    let attached = link::query(name).ok().and_then(|link| link.program_id);
    if let (Some(id), Some(libc::EBUSY | libc::EEXIST)) = (attached, source.raw_os_error()) {
        let name = bpf::program_name(id).unwrap_or_default();
        return AfXdpError::ProgramAttached { id, name };
    }
    let hint = match source.raw_os_error() {
        Some(libc::EPERM) => {
            return AfXdpError::NotPermitted { action: "attach the XDP program", source };
        }
        Some(libc::ERANGE | libc::EINVAL | libc::EMSGSIZE) => ": is its MTU too large for XDP?",
        Some(libc::ENOSPC) => ": it needs as many receive queues as its peer has transmit queues",
        Some(libc::EOPNOTSUPP) => ": its driver knows no XDP (xdp-mode=generic does without)",
        _ => "",
    };
    AfXdpError::NoXdp { mode: hook.word(), source, hint: hint.to_owned() }
}

fn instructions(sockets: BorrowedFd<'_>) -> [Insn; 6] {
    /// `offsetof(struct xdp_md, rx_queue_index)`.
    const RX_QUEUE_INDEX: i16 = 16;
    /// The constant is the descriptor of a map (`BPF_PSEUDO_MAP_FD`).
    const MAP_FD: u8 = 1;
    [
        insn(0x61, 2, 1, RX_QUEUE_INDEX, 0),
        insn(0x18, 1, MAP_FD, 0, sockets.as_raw_fd()),
        insn(0, 0, 0, 0, 0), // the upper half of the constant
        insn(MOVE, 3, 0, 0, abi::XDP_PASS),
        insn(0x85, 0, 0, 0, bpf::FUNC_REDIRECT_MAP),
        insn(EXIT, 0, 0, 0, 0),
    ]
}
