//! Why a device cannot be driven by AF_XDP, and what helps.

use std::io;

/// Why a device cannot be driven by AF_XDP. `docs/afxdp.md` has a table of these.
#[derive(Debug, thiserror::Error)]
pub enum AfXdpError {
    /// The kernel was built without.
    #[error(
        "this kernel has no AF_XDP ({0}): it takes Linux 5.9 with CONFIG_XDP_SOCKETS; use driver=packet"
    )]
    NoAfXdp(io::Error),
    /// The process may not.
    #[error("{action}: {source}: it takes CAP_NET_ADMIN, CAP_NET_RAW and CAP_BPF, or root")]
    NotPermitted {
        /// What was attempted.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The packet buffers cannot be locked.
    #[error(
        "cannot lock {needed_kib} KiB of packet buffers (limit: {limit}): raise it (ulimit -l, \
         LimitMEMLOCK= of systemd), or give the process CAP_IPC_LOCK"
    )]
    LockedMemory {
        /// What each queue needs, KiB.
        needed_kib: usize,
        /// What the process may lock.
        limit: String,
    },
    /// Somebody else's program is on the interface.
    #[error(
        "XDP program {id} ({name}) is on the interface: stop who put it there, or take it off \
         (ip link set dev DEV xdp off)"
    )]
    ProgramAttached {
        /// Its number, as `bpftool prog` shows it.
        id: u32,
        /// Its name.
        name: String,
    },
    /// The interface takes no XDP program in that mode.
    #[error("the interface takes no XDP program in {mode} mode: {source}{hint}")]
    NoXdp {
        /// The mode.
        mode: &'static str,
        /// What the system said.
        source: io::Error,
        /// What may help.
        hint: String,
    },
    /// Another socket is bound to the queue.
    #[error("queue {queue} is in use by another AF_XDP socket: stop the program that has it")]
    QueueBusy {
        /// The queue.
        queue: u32,
    },
    /// No bind mode works.
    #[error(
        "queue {queue} cannot be bound in mode {mode}: {source} (xdp-mode=best-effort takes any)"
    )]
    Bind {
        /// The queue.
        queue: u32,
        /// What was asked for.
        mode: &'static str,
        /// What the system said of the last attempt.
        source: io::Error,
    },
    /// Frames on the other queues would not be seen.
    #[error(
        "n_rxq={n_rxq} (allowed: {n_queues}, or not set: the interface spreads frames over all its \
         queues; ethtool -L changes how many)"
    )]
    Queues {
        /// What was asked for.
        n_rxq: usize,
        /// What the interface has.
        n_queues: u32,
    },
    /// Frames would not fit.
    #[error(
        "MTU is {mtu} (allowed: at most {most} on this kernel, which knows no chained buffers: Linux 6.6 does)"
    )]
    Mtu {
        /// The interface's MTU, bytes.
        mtu: u32,
        /// What fits, bytes.
        most: u32,
    },
    /// The other ports have them.
    #[error("{free} packet buffers are free (needed: {needed} for each queue): remove ports")]
    NoBuffers {
        /// How many there are.
        free: usize,
        /// How many it takes.
        needed: usize,
    },
    /// A system call failed.
    #[error("{action}: {source}")]
    Os {
        /// What was attempted.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl AfXdpError {
    /// For `map_err`.
    pub(super) fn os(action: &'static str) -> impl Fn(io::Error) -> AfXdpError {
        move |source| match source.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) => AfXdpError::NotPermitted { action, source },
            _ => AfXdpError::Os { action, source },
        }
    }
}
