//! `tap`: an interface that the switch makes; at its other end is the host's stack, or a VM.
//!
//! # Design
//! Each queue of the device is one descriptor of `/dev/net/tun`, read by one [`Rxq`]. There is no
//! batched system call: frames are read until the kernel has none, and written one by one. The
//! virtio-net header in front of each frame carries unfinished checksums and whole TCP and UDP
//! segments across.
//!
//! The kernel delivers a flow on the queue on which it last saw the flow's other direction. So a
//! descriptor that is only written would draw flows that nobody reads: transmit queues share the
//! receive queues' descriptors.
//!
//! An existing TAP is attached to as it is. One that the switch made vanishes with its last queue,
//! unless it is [`Lifetime::Persistent`]. A device moved to another network namespace keeps working.
//!
//! # Invariants
//! A down interface is not a lost one: reads and writes resume when it is up again. Deletion is told
//! by `EBADFD`.

mod rxq;
mod sys;
mod txq;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use libc::{IFF_MULTI_QUEUE, IFF_NO_PI, IFF_TAP, IFF_VNET_HDR, c_int};
use packet::MacAddr;
use rustix::fs::{Mode, OFlags};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use self::rxq::TapRxq;
use self::sys::Ifname;
use self::txq::TapTxq;
use super::{Netdev, NetdevError, Rxq, TxCaps, Txq};
use crate::offload::vnet;

/// What happens to the device when its last queue is closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Lifetime {
    /// It vanishes, unless it was persistent before.
    #[default]
    Transient,
    /// It stays.
    Persistent,
}

/// Whether the interface is set up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum AdminState {
    /// Set up when it is opened.
    #[default]
    Up,
    /// Left as it is.
    AsIs,
}

/// Most queues that the kernel gives a TAP (`MAX_TAP_QUEUES` in drivers/net/tun.c).
pub const MAX_TAP_QUEUES: usize = 256;
/// MTUs of a TAP, bytes: `ETH_MIN_MTU` to 65535 less the Ethernet header (drivers/net/tun.c).
const ALLOWED_MTU: std::ops::RangeInclusive<u32> = 68..=65521;

/// What a TAP shall be.
#[derive(Clone, Debug)]
pub struct TapConfig {
    /// The interface's name.
    pub name: String,
    /// Queues, 1 to [`MAX_TAP_QUEUES`].
    pub n_queues: usize,
    /// MAC address of the host's end; `None` for what the kernel draws.
    pub mac: Option<MacAddr>,
    /// MTU, bytes; `None` for the kernel's 1500, or what an existing device has.
    pub mtu: Option<u32>,
    /// Number of the user who may attach to the device without `CAP_NET_ADMIN`; `None`: as it is.
    pub user: Option<u32>,
    /// Number of the group whose members may.
    pub group: Option<u32>,
    /// What happens on close.
    pub lifetime: Lifetime,
    /// Whether it is set up.
    pub admin_state: AdminState,
}

impl TapConfig {
    /// One queue, transient, up.
    #[must_use]
    pub fn new(name: impl Into<String>) -> TapConfig {
        TapConfig {
            name: name.into(),
            n_queues: 1,
            mac: None,
            mtu: None,
            user: None,
            group: None,
            lifetime: Lifetime::default(),
            admin_state: AdminState::default(),
        }
    }

    fn invalid(&self, what: &'static str, value: String, allowed: String) -> NetdevError {
        NetdevError::Invalid { device: self.name.clone(), what, value, allowed }
    }

    fn os(&self, action: &'static str) -> impl Fn(io::Error) -> NetdevError + use<'_> {
        move |source| NetdevError::Os { device: self.name.clone(), action, source }
    }

    fn check(&self) -> Result<Ifname, NetdevError> {
        let name = Ifname::new(&self.name)?;
        if !(1..=MAX_TAP_QUEUES).contains(&self.n_queues) {
            let (value, allowed) = (self.n_queues.to_string(), format!("1-{MAX_TAP_QUEUES}"));
            return Err(self.invalid("number of queues", value, allowed));
        }
        if let Some(mtu) = self.mtu.filter(|mtu| !ALLOWED_MTU.contains(mtu)) {
            let allowed = format!("{}-{}", ALLOWED_MTU.start(), ALLOWED_MTU.end());
            return Err(self.invalid("MTU", mtu.to_string(), allowed));
        }
        if let Some(mac) = self.mac.filter(|mac| mac.is_multicast() || *mac == MacAddr::ZERO) {
            return Err(self.invalid("MAC address", mac.to_string(), "a unicast address".into()));
        }
        Ok(name)
    }
}

/// A TAP device.
pub struct Tap {
    name: String,
    queues: Vec<Arc<OwnedFd>>,
    caps: TxCaps,
    next_txq: AtomicUsize,
    rxqs: Vec<Box<dyn Rxq>>,
}

impl Tap {
    /// Makes the device, or attaches to the TAP of that name, in the caller's network namespace.
    ///
    /// # Errors
    /// The configuration is not allowed, an interface of that name is something else or in use, or
    /// the process lacks `CAP_NET_ADMIN`. Nothing is left behind.
    pub fn open(config: &TapConfig) -> Result<Tap, NetdevError> {
        let name = config.check()?;
        let first = attach_first(config, name)?;
        let found = sys::attached_name(first.as_fd()).map_err(config.os("TUNGETIFF"))?;
        if found != config.name {
            return Err(config.invalid("interface name", config.name.clone(), found));
        }
        let mut queues = vec![Arc::new(first)];
        while queues.len() < config.n_queues {
            let fd = open_clone_device(config)?;
            sys::attach(fd.as_fd(), name, flags(IFF_MULTI_QUEUE))
                .map_err(config.os("add a queue to the TAP"))?;
            queues.push(Arc::new(fd));
        }
        let caps = set_up_device(config, queues[0].as_fd())?;
        set_up_interface(config, name)?;
        if let Some(user) = config.user {
            sys::set_owner(queues[0].as_fd(), user).map_err(config.os("TUNSETOWNER"))?;
        }
        if let Some(group) = config.group {
            sys::set_group(queues[0].as_fd(), group).map_err(config.os("TUNSETGROUP"))?;
        }
        if config.lifetime == Lifetime::Persistent {
            sys::set_persistent(queues[0].as_fd()).map_err(config.os("TUNSETPERSIST"))?;
        }
        let rxq = |fd: &Arc<OwnedFd>| -> Box<dyn Rxq> { Box::new(TapRxq::new(fd.clone())) };
        let rxqs = queues.iter().map(rxq).collect();
        let next_txq = AtomicUsize::new(0);
        Ok(Tap { name: config.name.clone(), queues, caps, next_txq, rxqs })
    }
}

fn flags(more: c_int) -> c_int {
    IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | more
}

fn open_clone_device(config: &TapConfig) -> Result<OwnedFd, NetdevError> {
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
    rustix::fs::open("/dev/net/tun", flags, Mode::empty())
        .map_err(|errno| config.os("open /dev/net/tun")(errno.into()))
}

/// Attaches the first queue. Whether a device is multi-queue is fixed when it is made, and the kernel
/// answers a mismatch with `EINVAL`, so an existing one is tried both ways.
fn attach_first(config: &TapConfig, name: Ifname) -> Result<OwnedFd, NetdevError> {
    let fd = open_clone_device(config)?;
    let (wanted, other) =
        if config.n_queues > 1 { (IFF_MULTI_QUEUE, 0) } else { (0, IFF_MULTI_QUEUE) };
    let refused = match sys::attach(fd.as_fd(), name, flags(wanted)) {
        Ok(()) => return Ok(fd),
        Err(error) => error,
    };
    if refused.raw_os_error() != Some(libc::EINVAL) {
        let action = match refused.raw_os_error() {
            Some(libc::EBUSY) => "attach to the TAP, which another program uses",
            _ => "make the TAP",
        };
        return Err(config.os(action)(refused));
    }
    if sys::attach(fd.as_fd(), name, flags(other)).is_err() {
        return Err(config.os("an interface of this name exists and is no TAP")(refused));
    }
    if config.n_queues > 1 {
        let value = config.n_queues.to_string();
        return Err(config.invalid("number of queues", value, "1: the TAP is single-queue".into()));
    }
    Ok(fd)
}

/// Sets header and offloads, which belong to the device; what older kernels refuse is left out.
fn set_up_device(
    config: &TapConfig,
    fd: std::os::fd::BorrowedFd<'_>,
) -> Result<TxCaps, NetdevError> {
    let len = c_int::try_from(vnet::HEADER_LEN).unwrap_or(c_int::MAX);
    sys::set_vnet_header_len(fd, len).map_err(config.os("TUNSETVNETHDRSZ"))?;
    let tcp = libc::TUN_F_CSUM | libc::TUN_F_TSO4 | libc::TUN_F_TSO6 | libc::TUN_F_TSO_ECN;
    let udp = libc::TUN_F_USO4 | libc::TUN_F_USO6;
    let mut caps = TxCaps { checksum: true, tcp_segmentation: true, udp_segmentation: true };
    if sys::set_offload(fd, tcp | udp).is_err() {
        caps.udp_segmentation = false; // Linux before 6.2
        sys::set_offload(fd, tcp).map_err(config.os("TUNSETOFFLOAD"))?;
    }
    Ok(caps)
}

/// Sets MAC address, MTU and state of the host's end.
fn set_up_interface(config: &TapConfig, name: Ifname) -> Result<(), NetdevError> {
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)
        .map_err(|errno| config.os("open a socket")(errno.into()))?;
    if let Some(mac) = config.mac {
        sys::set_mac(socket.as_fd(), name, mac).map_err(config.os("set the MAC address"))?;
    }
    if let Some(mtu) = config.mtu {
        sys::set_mtu(socket.as_fd(), name, mtu).map_err(config.os("set the MTU"))?;
    }
    if config.admin_state == AdminState::Up {
        sys::set_up(socket.as_fd(), name).map_err(config.os("set the interface up"))?;
    }
    Ok(())
}

impl Netdev for Tap {
    fn driver(&self) -> &'static str {
        "tap"
    }

    fn take_rxqs(&mut self) -> Vec<Box<dyn Rxq>> {
        std::mem::take(&mut self.rxqs)
    }

    fn open_txq(&self) -> Result<Box<dyn Txq>, NetdevError> {
        let n = self.next_txq.fetch_add(1, Ordering::Relaxed) % self.queues.len();
        Ok(Box::new(TapTxq::new(self.queues[n].clone(), self.caps)))
    }

    fn status(&self) -> Vec<(&'static str, String)> {
        vec![
            ("tap", self.name.clone()),
            ("n_queues", self.queues.len().to_string()),
            ("udp_segmentation", self.caps.udp_segmentation.to_string()),
        ]
    }
}
