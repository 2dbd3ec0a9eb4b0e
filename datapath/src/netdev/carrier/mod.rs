//! `carrier`: the host's own stack, as the way of tunnels' outer packets.
//!
//! # Design
//! One device for a protocol and UDP port. To the engine it is a port whose frames begin with an IP
//! header; to the kernel it is a program with sockets, so that nothing needs to be set up: routes, rules,
//! neighbours, firewall and fragments are the host's business.
//!
//! - **Receiving**: a socket per IP version, bound to the UDP port. The kernel gives what is behind the
//!   UDP header and tells the rest beside it; [`Outer::emit`] writes the headers anew, so that whoever
//!   opens the packet sees one form. Datagrams that the kernel joined (`UDP_GRO`) are cut again here,
//!   which costs a copy instead of a system call and a walk through the stack for each.
//! - **Sending**: a few sockets per thread and IP version, each with a source port of its own; the source
//!   port that encapsulation hashed from the inner packet chooses one, so that flows spread over paths
//!   and queues, and packets of a flow stay in order. Equally long datagrams of a flow go down as one
//!   (`UDP_SEGMENT`): the segments that a large inner segment was cut into cross the stack once. Raw
//!   sockets, which would keep the very source port, know no such thing.
//! - **GRE** has no ports: raw sockets, one datagram each.
//!
//! What arrives by an interface that is a port of the switch arrives twice, if packet sockets serve it:
//! there, and by the host's stack. Where the datapath opens it, the sockets are told to drop it
//! ([`Netdev::shun`]), by a filter in the kernel.
//!
//! The port is bound without `SO_REUSEADDR`: a second user of it would take the datagrams of the first
//! without a word. It is told that the port is in use.
//!
//! # Invariants
//! - What is received has whole outer headers that agree with its length. The kernel verified the IP and
//!   UDP checksums before it gave the datagram, so the fields are 0 and a UDP packet's frame says
//!   [`Checksum::Valid`](crate::frame::Checksum::Valid); nobody has looked at a checksum of GRE.
//! - The kernel always fills in the outer UDP checksum of what is sent (`UDP_SEGMENT` demands it; devices
//!   compute it). A tunnel's `csum=false` spares nothing on this way.
//! - An error of one datagram stops neither the others nor the socket: it is counted, and the next is sent.
//!
//! # References
//! udp(7), ip(7), ipv6(7), raw(7); RFC 6935 (IPv6 without a UDP checksum, which is accepted).

mod control;
mod outer;
mod rxq;
mod sys;
mod txq;

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use packet::tunnel::TunnelKind;
use rustix::io::Errno;
use rustix::net::{AddressFamily, Protocol, SocketFlags, SocketType, ipproto, socket_with};

use self::rxq::CarrierRxq;
use self::sys::{Family, Membership};
use self::txq::{CarrierTxq, N_SOURCES, Sender};
use super::{Netdev, NetdevError, Rxq, Txq};
pub use outer::Outer;

/// Bytes of each socket's buffer, as asked for; the kernel doubles it for its own overhead.
const SOCKET_BUFFER_LEN: libc::c_int = 4 << 20;

/// A way of tunnels through the host's stack.
pub struct Carrier {
    name: String,
    kind: TunnelKind,
    port: u16,
    has_ipv6: bool,
    /// The receiving sockets, once more, to tell them what not to receive.
    receivers: Vec<OwnedFd>,
    rxqs: Vec<Box<dyn Rxq>>,
}

/// The name of the carrier of a protocol and UDP port, as Open vSwitch calls it.
#[must_use]
pub fn name_of(kind: TunnelKind, port: u16) -> String {
    match kind {
        TunnelKind::Vxlan => format!("vxlan_sys_{port}"),
        TunnelKind::Geneve => format!("genev_sys_{port}"),
        TunnelKind::Gre => "gre_sys".to_owned(),
    }
}

impl Carrier {
    /// Listens, in the caller's network namespace. `port` is not looked at for GRE.
    ///
    /// # Errors
    /// Somebody else has the UDP port, or the process lacks `CAP_NET_RAW` (GRE).
    pub fn open(kind: TunnelKind, port: u16) -> Result<Carrier, NetdevError> {
        let name = name_of(kind, port);
        let v4 = open_receiver(&name, (kind, port), Family::V4)?;
        // A host may have been started without IPv6.
        let v6 = match open_receiver(&name, (kind, port), Family::V6) {
            Ok(socket) => Some(socket),
            Err(NetdevError::Os { source, .. }) if is_without_ipv6(&source) => None,
            Err(error) => return Err(error),
        };
        let has_ipv6 = v6.is_some();
        let again = |socket: &OwnedFd| socket.try_clone().map_err(os(&name, "dup"));
        let receivers = [Some(&v4), v6.as_ref()];
        let receivers: Result<Vec<OwnedFd>, NetdevError> =
            receivers.into_iter().flatten().map(again).collect();
        let receivers = receivers?;
        let rxq = |socket, family| -> Box<dyn Rxq> {
            Box::new(CarrierRxq::new(socket, family, (kind != TunnelKind::Gre).then_some(port)))
        };
        let rxqs = [Some((v4, Family::V4)), v6.map(|socket| (socket, Family::V6))];
        let rxqs = rxqs.into_iter().flatten().map(|(socket, family)| rxq(socket, family)).collect();
        Ok(Carrier { name, kind, port, has_ipv6, receivers, rxqs })
    }
}

fn is_without_ipv6(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL))
}

fn os(name: &str, action: &'static str) -> impl Fn(io::Error) -> NetdevError {
    move |source| NetdevError::Os { device: name.to_owned(), action, source }
}

/// A socket of the protocol that is bound to nothing yet.
fn open_socket(name: &str, kind: TunnelKind, family: Family) -> Result<OwnedFd, NetdevError> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let domain = match family {
        Family::V4 => AddressFamily::INET,
        Family::V6 => AddressFamily::INET6,
    };
    let opened = match kind {
        TunnelKind::Gre => {
            let gre = u32::from(outer::GRE).try_into().ok().map(Protocol::from_raw);
            socket_with(domain, SocketType::RAW, flags, gre)
        }
        TunnelKind::Vxlan | TunnelKind::Geneve => {
            socket_with(domain, SocketType::DGRAM, flags, Some(ipproto::UDP))
        }
    };
    let socket = opened.map_err(|errno| os(name, "open a socket")(errno.into()))?;
    if family == Family::V6 && kind != TunnelKind::Gre {
        sys::set_option(socket.as_fd(), libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 1)
            .map_err(os(name, "IPV6_V6ONLY"))?;
    }
    Ok(socket)
}

/// A socket that receives everything for the port.
fn open_receiver(
    name: &str,
    (kind, port): (TunnelKind, u16),
    family: Family,
) -> Result<OwnedFd, NetdevError> {
    let socket = open_socket(name, kind, family)?;
    let fd = socket.as_fd();
    let set = |level, option| sys::set_option(fd, level, option, 1).map_err(os(name, "setsockopt"));
    match family {
        Family::V4 => {
            set(libc::IPPROTO_IP, libc::IP_PKTINFO)?;
            set(libc::IPPROTO_IP, libc::IP_RECVTOS)?;
            set(libc::IPPROTO_IP, libc::IP_RECVTTL)?;
        }
        Family::V6 => {
            set(libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO)?;
            set(libc::IPPROTO_IPV6, libc::IPV6_RECVTCLASS)?;
            set(libc::IPPROTO_IPV6, libc::IPV6_RECVHOPLIMIT)?;
        }
    }
    sys::set_option(fd, libc::SOL_SOCKET, libc::SO_RXQ_OVFL, 1).map_err(os(name, "SO_RXQ_OVFL"))?;
    sys::set_option(fd, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, SOCKET_BUFFER_LEN)
        .map_err(os(name, "SO_RCVBUFFORCE"))?;
    if kind != TunnelKind::Gre {
        // Without it, joined datagrams are cut by the kernel: slower, not wrong.
        let _ = sys::set_option(fd, libc::IPPROTO_UDP, libc::UDP_GRO, 1);
        if family == Family::V6 {
            set(libc::IPPROTO_UDP, sys::UDP_NO_CHECK6_RX)?;
        }
        bind(name, &socket, family, port)?;
    }
    Ok(socket)
}

fn bind(name: &str, socket: &OwnedFd, family: Family, port: u16) -> Result<(), NetdevError> {
    let any: IpAddr = match family {
        Family::V4 => Ipv4Addr::UNSPECIFIED.into(),
        Family::V6 => Ipv6Addr::UNSPECIFIED.into(),
    };
    rustix::net::bind(socket, &core::net::SocketAddr::new(any, port))
        .map_err(|errno| os(name, "bind to the UDP port")(errno.into()))
}

impl Carrier {
    /// The sockets of one thread for one IP version.
    fn open_senders(&self, family: Family) -> Result<Vec<Sender>, NetdevError> {
        let n = if self.kind == TunnelKind::Gre { 1 } else { N_SOURCES };
        let mut senders = Vec::with_capacity(n);
        while senders.len() < n {
            let socket = open_socket(&self.name, self.kind, family)?;
            let fd = socket.as_fd();
            sys::set_option(fd, libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, SOCKET_BUFFER_LEN)
                .map_err(os(&self.name, "SO_SNDBUFFORCE"))?;
            // What goes to a group is not to come back to this host's own receivers.
            let (level, name) = match family {
                Family::V4 => (libc::IPPROTO_IP, libc::IP_MULTICAST_LOOP),
                Family::V6 => (libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_LOOP),
            };
            sys::set_option(fd, level, name, 0).map_err(os(&self.name, "MULTICAST_LOOP"))?;
            // Nobody reads here: what a remote host sends back to the source port is not to pile up.
            sys::receive_nothing(fd).map_err(os(&self.name, "SO_ATTACH_FILTER"))?;
            if self.kind != TunnelKind::Gre {
                bind(&self.name, &socket, family, 0)?;
            }
            senders.push(Sender::new(socket));
        }
        Ok(senders)
    }
}

impl Carrier {
    fn change_group(
        &self,
        (group, interface): (IpAddr, u32),
        how: Membership,
    ) -> Result<(), NetdevError> {
        let at = usize::from(group.is_ipv6());
        let unsupported = || os(&self.name, "join a group")(io::ErrorKind::Unsupported.into());
        let socket = self.receivers.get(at).ok_or_else(unsupported)?;
        sys::change_group(socket.as_fd(), (group, interface), how)
            .map_err(os(&self.name, "join or leave a group"))
    }
}

impl Netdev for Carrier {
    fn driver(&self) -> &'static str {
        match self.kind {
            TunnelKind::Vxlan => "vxlan",
            TunnelKind::Gre => "gre",
            TunnelKind::Geneve => "geneve",
        }
    }

    fn take_rxqs(&mut self) -> Vec<Box<dyn Rxq>> {
        std::mem::take(&mut self.rxqs)
    }

    fn open_txq(&self) -> Result<Box<dyn Txq>, NetdevError> {
        let v4 = self.open_senders(Family::V4)?;
        let v6 = if self.has_ipv6 { self.open_senders(Family::V6)? } else { Vec::new() };
        Ok(Box::new(CarrierTxq::new(v4, v6)))
    }

    fn shun(&self, interfaces: &[u32]) -> Result<(), NetdevError> {
        self.receivers.iter().try_for_each(|socket| {
            sys::receive_all_but(socket.as_fd(), interfaces)
                .map_err(os(&self.name, "SO_ATTACH_FILTER"))
        })
    }

    fn join(&self, group: IpAddr, interface: u32) -> Result<(), NetdevError> {
        self.change_group((group, interface), Membership::Join)
    }

    fn leave(&self, group: IpAddr, interface: u32) -> Result<(), NetdevError> {
        self.change_group((group, interface), Membership::Leave)
    }

    fn status(&self) -> Vec<(&'static str, String)> {
        let port = (self.kind != TunnelKind::Gre).then(|| ("udp_port", self.port.to_string()));
        port.into_iter().chain([("ipv6", self.has_ipv6.to_string())]).collect()
    }
}
