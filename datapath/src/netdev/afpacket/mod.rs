//! `packet`: an existing interface, by packet sockets.
//!
//! # Design
//! A socket per receive queue (several share the interface's flows by a fanout group) and one per poll
//! thread to send. System calls carry up to a batch. The virtio-net header in front of each frame
//! carries unfinished checksums and whole TCP and UDP segments across; the kernel takes VLAN tags out
//! of received frames and tells them beside the frame, whence they are put back.
//!
//! Packet sockets only listen: the host's own stack gets what they get. Where it shall not
//! ([`HostCopy::Off`]), a [`barrier`] behind the sockets ends every frame.
//!
//! Receive and transmit sockets are not one: the kernel charges frames under way to the socket that
//! sent them, and an error of one direction would be told to the other.
//!
//! # Invariants
//! - The socket is bound to the interface's index: a new interface of the same name is another one.
//! - A down interface is not a lost one; the socket works again when it is up. While it is down the
//!   kernel does not tell of deletion: the queue notices when it is asked, or the control plane by
//!   netlink.
//! - A frame that the host itself sends by the interface is not received.
//!
//! # References
//! packet(7).

mod barrier;
mod rxq;
mod sys;
mod txq;

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use libc::c_int;
use rustix::net::{AddressFamily, SocketFlags, SocketType, netdevice, socket_with};

use self::rxq::PacketRxq;
pub(super) use self::txq::{Joining, PacketTxq};
use super::{HostCopy, Netdev, NetdevError, Rxq, TxCaps, Txq, bpf, check_ifname};

/// Most receive queues.
pub const MAX_PACKET_RXQS: usize = 64;
/// Bytes of each socket's buffer, as asked for; the kernel doubles it for its own overhead.
const SOCKET_BUFFER_LEN: c_int = 4 << 20;
/// `ETH_P_ALL` (linux/if_ether.h).
const ETH_P_ALL: u16 = 3;
/// First Linux version that takes and gives `VIRTIO_NET_HDR_GSO_UDP_L4`.
const UDP_SEGMENTATION_SINCE: (u32, u32) = (6, 2);

/// An interface of the host, by packet sockets.
pub struct Packet {
    name: String,
    ifindex: c_int,
    n_rxq: usize,
    rxqs: Vec<Box<dyn Rxq>>,
    /// Keeps frames from the host's stack.
    barrier: Option<bpf::Link>,
}

impl Packet {
    /// Attaches to the interface of that name in the caller's network namespace, with `n_rxq` receive
    /// queues, 1 to [`MAX_PACKET_RXQS`].
    ///
    /// # Errors
    /// There is no such interface, it does not carry Ethernet frames, or the process lacks
    /// `CAP_NET_RAW` or `CAP_NET_ADMIN`.
    pub fn open(name: &str, n_rxq: usize) -> Result<Packet, NetdevError> {
        check_ifname(name)?;
        if !(1..=MAX_PACKET_RXQS).contains(&n_rxq) {
            return Err(NetdevError::Invalid {
                device: name.to_owned(),
                what: "number of receive queues",
                value: n_rxq.to_string(),
                allowed: format!("1-{MAX_PACKET_RXQS}"),
            });
        }
        let probe = open_socket(name)?;
        let ifindex = netdevice::name_to_index(&probe, name)
            .map_err(|errno| os(name, "find the interface")(errno.into()))?;
        let ifindex = c_int::try_from(ifindex).unwrap_or(c_int::MAX);
        check_ethernet(name, ifindex, &probe)?;
        let sockets = open_rx_sockets(name, ifindex, n_rxq)?;
        let rxq = |socket| -> Box<dyn Rxq> { Box::new(PacketRxq::new(socket)) };
        let rxqs = sockets.into_iter().map(rxq).collect();
        Ok(Packet { name: name.to_owned(), ifindex, n_rxq, rxqs, barrier: None })
    }
}

fn os(name: &str, action: &'static str) -> impl Fn(io::Error) -> NetdevError {
    move |source| NetdevError::Os { device: name.to_owned(), action, source }
}

/// A packet socket that is bound to nothing yet.
fn open_socket(name: &str) -> Result<OwnedFd, NetdevError> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    socket_with(AddressFamily::PACKET, SocketType::RAW, flags, None)
        .map_err(|errno| os(name, "open a packet socket")(errno.into()))
}

/// Lets an interface take frames for every address, for as long as the socket returned is open.
pub(super) fn promiscuous(name: &str, ifindex: u32) -> Result<OwnedFd, NetdevError> {
    let socket = open_socket(name)?;
    let ifindex = c_int::try_from(ifindex).unwrap_or(c_int::MAX);
    sys::set_promiscuous(socket.as_fd(), ifindex)
        .map_err(os(name, "set the interface promiscuous"))?;
    Ok(socket)
}

fn check_ethernet(name: &str, ifindex: c_int, socket: &OwnedFd) -> Result<(), NetdevError> {
    sys::bind(socket.as_fd(), ifindex, 0).map_err(os(name, "bind to the interface"))?;
    let (_, link_type) = sys::bound_to(socket.as_fd()).map_err(os(name, "getsockname"))?;
    if link_type == libc::ARPHRD_ETHER {
        return Ok(());
    }
    Err(NetdevError::Invalid {
        device: name.to_owned(),
        what: "link type",
        value: link_type.to_string(),
        allowed: format!("{}, Ethernet", libc::ARPHRD_ETHER),
    })
}

/// The sockets of the receive queues. They receive from the moment of `bind` on, so that comes last.
fn open_rx_sockets(name: &str, ifindex: c_int, n_rxq: usize) -> Result<Vec<OwnedFd>, NetdevError> {
    let mut sockets: Vec<OwnedFd> = Vec::with_capacity(n_rxq);
    while sockets.len() < n_rxq {
        let socket = open_socket(name)?;
        let fd = socket.as_fd();
        let set = |option, value| sys::set_packet_option(fd, option, value);
        set(libc::PACKET_VNET_HDR, 1).map_err(os(name, "PACKET_VNET_HDR"))?;
        set(libc::PACKET_AUXDATA, 1).map_err(os(name, "PACKET_AUXDATA"))?;
        set(libc::PACKET_IGNORE_OUTGOING, 1).map_err(os(name, "PACKET_IGNORE_OUTGOING"))?;
        sys::set_socket_option(fd, libc::SO_RCVBUFFORCE, SOCKET_BUFFER_LEN)
            .map_err(os(name, "SO_RCVBUFFORCE"))?;
        sys::set_promiscuous(fd, ifindex).map_err(os(name, "set the interface promiscuous"))?;
        if n_rxq > 1 {
            sys::filter_outgoing(fd).map_err(os(name, "SO_ATTACH_FILTER"))?;
        }
        sys::bind(fd, ifindex, ETH_P_ALL).map_err(os(name, "bind to the interface"))?;
        if n_rxq > 1 {
            join_fanout(fd, sockets.first()).map_err(os(name, "PACKET_FANOUT"))?;
        }
        sockets.push(socket);
    }
    Ok(sockets)
}

/// Joins the group of `first`, or makes one under a number that nobody uses. Flows are spread by hash.
fn join_fanout(fd: std::os::fd::BorrowedFd<'_>, first: Option<&OwnedFd>) -> io::Result<()> {
    let flags = libc::PACKET_FANOUT_HASH | libc::PACKET_FANOUT_FLAG_IGNORE_OUTGOING;
    let (id, flags) = match first {
        Some(first) => (sys::fanout_id(first.as_fd())?, flags),
        None => (0, flags | libc::PACKET_FANOUT_FLAG_UNIQUEID),
    };
    let word = u32::from(id) | flags << 16;
    sys::set_packet_option(fd, libc::PACKET_FANOUT, word.cast_signed())
}

/// A transmit queue to an interface.
pub(super) fn open_txq(
    name: &str,
    ifindex: c_int,
    joining: Joining,
) -> Result<PacketTxq, NetdevError> {
    let socket = open_socket(name)?;
    let fd = socket.as_fd();
    let set = |option, value| sys::set_packet_option(fd, option, value);
    set(libc::PACKET_VNET_HDR, 1).map_err(os(name, "PACKET_VNET_HDR"))?;
    set(libc::PACKET_QDISC_BYPASS, 1).map_err(os(name, "PACKET_QDISC_BYPASS"))?;
    sys::set_socket_option(fd, libc::SO_SNDBUFFORCE, SOCKET_BUFFER_LEN)
        .map_err(os(name, "SO_SNDBUFFORCE"))?;
    sys::bind(fd, ifindex, 0).map_err(os(name, "bind to the interface"))?;
    let udp_segmentation = takes_large_datagrams();
    let caps = TxCaps { checksum: true, tcp_segmentation: true, udp_segmentation };
    Ok(PacketTxq::new(socket, caps, joining))
}

/// Whether the kernel takes large UDP datagrams.
fn takes_large_datagrams() -> bool {
    kernel_version() >= Some(UDP_SEGMENTATION_SINCE)
}

/// Major and minor version of the running kernel.
fn kernel_version() -> Option<(u32, u32)> {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").ok()?;
    parse_version(&release)
}

fn parse_version(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

impl Netdev for Packet {
    fn driver(&self) -> &'static str {
        "packet"
    }

    fn take_rxqs(&mut self) -> Vec<Box<dyn Rxq>> {
        std::mem::take(&mut self.rxqs)
    }

    fn open_txq(&self) -> Result<Box<dyn Txq>, NetdevError> {
        Ok(Box::new(open_txq(&self.name, self.ifindex, Joining::Nothing)?))
    }

    fn set_host_copy(&mut self, copy: HostCopy) -> Result<(), NetdevError> {
        match (copy, &self.barrier) {
            (HostCopy::On, _) => self.barrier = None,
            (HostCopy::Off, Some(_)) => {}
            (HostCopy::Off, None) => {
                let ifindex = self.ifindex.cast_unsigned();
                let put = barrier::put(ifindex)
                    .map_err(os(&self.name, "keep frames from the host's stack"))?;
                self.barrier = Some(put);
            }
        }
        Ok(())
    }

    fn status(&self) -> Vec<(&'static str, String)> {
        vec![
            ("host_copy", self.barrier.is_none().to_string()),
            ("ifindex", self.ifindex.to_string()),
            ("n_rxq", self.n_rxq.to_string()),
            ("udp_segmentation", takes_large_datagrams().to_string()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_versions_are_read() {
        assert_eq!(parse_version("6.2.0-rc1\n"), Some((6, 2)));
        assert_eq!(parse_version("5.15.167.4-microsoft"), Some((5, 15)));
        assert!(parse_version("6.18") > Some(UDP_SEGMENTATION_SINCE));
        assert_eq!(parse_version("six"), None);
        assert!(kernel_version().is_some());
        assert!(None < Some(UDP_SEGMENTATION_SINCE));
    }
}
