//! Ports as the engine sees them: queues to receive from, queues to send to.
//!
//! # Design
//! A driver is a folder (or one file) that implements [`Netdev`]. The control thread makes a
//! `Netdev`; its receive queues move to the poll threads that own them, and each poll thread gets a
//! transmit queue of its own, so that no lock stands between a thread and a device.
//!
//! # Invariants
//! - A frame that a driver takes from its device is counted in `rx_packets` and `rx_bytes` of the
//!   counters passed in, and is then either in the batch or counted by `drop_rx`.
//! - A frame passed to [`Txq::send`] is counted in `tx_packets` and `tx_bytes`, or by `drop_tx`;
//!   it goes back to the pool when the device no longer needs its bytes.
//! - A received frame's [`Offload`](crate::frame::Offload) has been checked against its bytes.
//!
//! # Thread-safety
//! Queues are `Send`, not `Sync`: one thread owns each. They may move between threads.

pub mod afpacket;
pub mod afxdp;
mod bpf;
pub mod carrier;
pub mod dummy;
mod ifname;
mod mmsg;
pub mod null;
pub mod pcap;
mod spares;
pub mod tap;
pub mod vhost;

use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

pub use ifname::{MAX_IFNAME_LEN, check_ifname};

use crate::batch::Batch;
use crate::counter::PortCounters;
use crate::frame::FramePool;

/// What a transmit queue can do for a frame, so that software need not.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TxCaps {
    /// Takes frames with an unfinished checksum.
    pub checksum: bool,
    /// Cuts large TCP segments over IPv4 and IPv6.
    pub tcp_segmentation: bool,
    /// Cuts large UDP datagrams (`VIRTIO_NET_HDR_GSO_UDP_L4`).
    pub udp_segmentation: bool,
}

/// How a receive queue tells that frames are there.
#[derive(Debug)]
pub enum WakeSource<'a> {
    /// Readable when frames are there; the descriptor serves edge-triggered `epoll`.
    Fd(BorrowedFd<'a>),
    /// There are always frames (a capture file in a loop): the thread must not sleep.
    Always,
    /// There are never frames.
    Never,
}

/// What a receive queue found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RecvStatus {
    /// There may be more.
    More,
    /// Nothing is left; a new arrival makes the wake source readable.
    Drained,
    /// The device is gone: the queue will never give a frame again.
    Gone,
}

/// One receive queue of a port.
pub trait Rxq: Send {
    /// Adds frames that the device has to `batch`, as many as it has room for at most, without
    /// blocking.
    fn recv(
        &mut self,
        pool: &mut FramePool,
        batch: &mut Batch,
        counters: &PortCounters,
    ) -> RecvStatus;

    /// How the queue tells of arrivals.
    fn wake_source(&self) -> WakeSource<'_>;

    /// Returns spare buffers to the pool: the queue is idle, or about to move to another thread.
    fn park(&mut self, pool: &mut FramePool);
}

/// One thread's transmit queue to a port.
pub trait Txq: Send {
    /// Sends every frame of `batch` and leaves it empty, without blocking.
    ///
    /// The caller has made each frame fit [`Txq::caps`] and the port's MTU.
    fn send(&mut self, pool: &mut FramePool, batch: &mut Batch, counters: &PortCounters);

    /// What the queue does for frames, now: asked once for each batch.
    fn caps(&self) -> TxCaps;
}

/// Whether the host's own stack gets a copy of what a device receives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HostCopy {
    /// It does.
    On,
    /// It does not.
    Off,
}

/// Tells the control thread that a device's link, or what it has to say for itself, may have changed.
/// Any thread may call it.
pub type LinkChanged = Arc<dyn Fn() + Send + Sync>;

/// A port's device, on the control thread.
pub trait Netdev: Send {
    /// The driver's name, as users know it: `tap`, `packet`, `afxdp`, `pcap`, `null`, `vhost-user`,
    /// `dummy`.
    fn driver(&self) -> &'static str;

    /// The receive queues, in order of their numbers. They are given away once; a second call gives
    /// none.
    fn take_rxqs(&mut self) -> Vec<Box<dyn Rxq>>;

    /// A transmit queue for one poll thread.
    ///
    /// # Errors
    /// The device is gone, or the system refuses another descriptor.
    fn open_txq(&self) -> Result<Box<dyn Txq>, NetdevError>;

    /// Calls `changed` from now on whenever [`Netdev::is_link_up`] may have changed. Only for devices
    /// whose link the kernel does not know.
    fn watch_link(&mut self, changed: LinkChanged) {
        drop(changed);
    }

    /// Whether frames can pass, for a device whose link the kernel does not know.
    fn is_link_up(&self) -> bool {
        true
    }

    /// Receives nothing from now on that came by these interfaces of the host, where the device has a
    /// choice.
    ///
    /// # Errors
    /// The system refuses.
    fn shun(&self, _interfaces: &[u32]) -> Result<(), NetdevError> {
        Ok(())
    }

    /// Gives the host's own stack a copy of what is received from now on, or keeps it to the switch,
    /// where the device has a choice.
    ///
    /// # Errors
    /// The system cannot keep it to the switch, or refuses to.
    fn set_host_copy(&mut self, _copy: HostCopy) -> Result<(), NetdevError> {
        Ok(())
    }

    /// Whether what is received may have unfinished checksums of which nobody tells: they are looked for.
    fn recovers_checksums(&self) -> bool {
        false
    }

    /// Receives from now on what is sent to a multicast group on an interface of the host.
    ///
    /// # Errors
    /// The device receives no groups, or the system refuses.
    fn join(&self, group: IpAddr, _interface: u32) -> Result<(), NetdevError> {
        Err(NetdevError::Os {
            device: group.to_string(),
            action: "join",
            source: std::io::ErrorKind::Unsupported.into(),
        })
    }

    /// Receives it no more.
    ///
    /// # Errors
    /// The system refuses.
    fn leave(&self, _group: IpAddr, _interface: u32) -> Result<(), NetdevError> {
        Ok(())
    }

    /// Driver facts for the port's `status`: keys and values for people.
    fn status(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }
}

/// Why a device could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum NetdevError {
    /// A system call failed.
    #[error("{device}: {action}: {source}")]
    Os {
        /// The interface or file.
        device: String,
        /// What was attempted.
        action: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// A value that the driver cannot take.
    #[error("{device}: {what} is {value} (allowed: {allowed})")]
    Invalid {
        /// The interface or file.
        device: String,
        /// Which value.
        what: &'static str,
        /// The value.
        value: String,
        /// What it may be.
        allowed: String,
    },
    /// AF_XDP does not work on the interface.
    #[error("{device}: {source}")]
    AfXdp {
        /// The interface.
        device: String,
        /// Why.
        source: Box<afxdp::AfXdpError>,
    },
    /// A capture file that cannot be played.
    #[error("{device}: {source}")]
    Capture {
        /// The file.
        device: String,
        /// What is wrong with it.
        source: pcap::PcapError,
    },
}
