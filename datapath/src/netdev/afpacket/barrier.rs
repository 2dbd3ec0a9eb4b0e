//! What ends frames behind the packet sockets, so that the host's own stack does not hear them too.
//!
//! # Design
//! A received frame passes, in this order (`__netif_receive_skb_core`, net/core/dev.c of Linux 6.18):
//!
//! ```text
//! generic XDP ─► packet sockets for all protocols ─► tcx ingress ─► VLAN, macvlan, bridge … ─► IP, ARP …
//! ```
//!
//! A program of two instructions at the tcx hook drops whatever comes there: `r0 = TCX_DROP; exit`.
//! Programs that others have put there run before it. The kernel takes it away when the link's
//! descriptor is closed, so that nothing is left of a switch that was killed.
//!
//! One serves all queues of a port: the hook is the interface's.
//!
//! # References
//! Documentation/bpf/libbpf/program_types.rst (`tcx/ingress`); net/core/tcx.c.

use std::io;

use crate::netdev::bpf::{self, EXIT, Hook, MOVE, TCX_DROP, insn};

/// Its name in `bpftool prog`.
const NAME: &str = "vswitch_host";

/// Puts it behind the packet sockets of an interface, until the link is dropped.
pub(super) fn put(ifindex: u32) -> io::Result<bpf::Link> {
    let insns = [insn(MOVE, 0, 0, 0, TCX_DROP), insn(EXIT, 0, 0, 0, 0)];
    let program = bpf::Program::load(Hook::TcxIngress, NAME, &insns, 0).map_err(with_cure)?;
    program.attach(ifindex, 0).map_err(with_cure)
}

fn with_cure(error: io::Error) -> io::Error {
    let (kind, text) = (error.kind(), error.to_string());
    match error.raw_os_error() {
        Some(libc::EPERM) => io::Error::new(kind, format!("{text}: it takes CAP_BPF, or root")),
        Some(libc::EINVAL) => io::Error::new(kind, format!("{text}: Linux 6.6 knows how")),
        _ => error,
    }
}
