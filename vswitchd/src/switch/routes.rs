//! Routes, addresses and neighbours of the host, as far as tunnels need them.
//!
//! # Design
//! The kernel is asked for the way to each remote host ([`Routes`]); its table is never copied, so a host
//! with a million routes costs no more than one with three, and policy rules hold. That something
//! changed is told by [`RouteEvent`]s, after which the remotes are asked for anew.

use std::io;
use std::net::IpAddr;

use packet::MacAddr;

/// The way to a host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Route {
    /// Number of the interface that packets leave by.
    pub index: u32,
    /// The next hop; `None`: the host itself is on the link.
    pub gateway: Option<IpAddr>,
    /// The address that packets are sent from.
    pub src: Option<IpAddr>,
    /// Bytes of the largest packet, if the route or the path says so.
    pub mtu: Option<u32>,
    /// Whether the host is this one.
    pub is_local: bool,
}

/// Why there is no way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoRoute {
    /// No route leads there.
    Unreachable,
    /// The address to send from is not this host's.
    NotOurs,
    /// A route says not to.
    Prohibited,
}

/// A route as the kernel's table has it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct TableRoute {
    /// Where it leads.
    pub prefix: IpAddr,
    /// Bits of the prefix.
    pub prefix_len: u8,
    /// Number of its interface.
    pub index: u32,
    /// The next hop.
    pub gateway: Option<IpAddr>,
}

/// An address of this host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HostAddress {
    /// Number of the interface that has it.
    pub index: u32,
    /// The address.
    pub ip: IpAddr,
}

/// A host on a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Neighbour {
    /// Number of the link's interface.
    pub index: u32,
    /// Its IP address.
    pub ip: IpAddr,
    /// Its MAC address, if that is known.
    pub mac: Option<MacAddr>,
    /// Whether the kernel has not heard of it for a while, and is perhaps asking it.
    pub is_stale: bool,
}

/// What the kernel tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RouteEvent {
    /// Routes, rules or addresses are other than before, or news were lost.
    Changed,
    /// A neighbour is known, or not known any more.
    Neighbour(Neighbour),
}

/// The host's routes, addresses and neighbours, asked now.
pub trait Routes {
    /// The way to a host, from `local` if that is given.
    ///
    /// # Errors
    /// The kernel cannot be asked.
    fn route(&mut self, to: IpAddr, local: Option<IpAddr>) -> io::Result<Result<Route, NoRoute>>;

    /// The route in the kernel's table that leads to a host, for people to see.
    ///
    /// # Errors
    /// The kernel cannot be asked.
    fn table_route(&mut self, to: IpAddr) -> io::Result<Option<TableRoute>>;

    /// All addresses of this host.
    ///
    /// # Errors
    /// The kernel cannot be asked.
    fn addresses(&mut self) -> io::Result<Vec<HostAddress>>;

    /// A neighbour by its link and address; `None` if the kernel knows none.
    ///
    /// # Errors
    /// The kernel cannot be asked.
    fn neighbour(&mut self, index: u32, ip: IpAddr) -> io::Result<Option<Neighbour>>;

    /// Has the kernel find out a neighbour's address, or whether it is still there.
    ///
    /// # Errors
    /// The kernel refuses.
    fn probe(&mut self, index: u32, ip: IpAddr) -> io::Result<()>;

    /// Tells the kernel a neighbour's MAC address, which it did not hear itself. One that an
    /// administrator has set stays.
    ///
    /// # Errors
    /// The kernel refuses.
    fn teach(&mut self, index: u32, ip: IpAddr, mac: MacAddr) -> io::Result<()>;
}

/// No routes at all: for a switch whose ports are all in memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoRoutes;

impl Routes for NoRoutes {
    fn route(&mut self, _to: IpAddr, _: Option<IpAddr>) -> io::Result<Result<Route, NoRoute>> {
        Ok(Err(NoRoute::Unreachable))
    }

    fn table_route(&mut self, _to: IpAddr) -> io::Result<Option<TableRoute>> {
        Ok(None)
    }

    fn addresses(&mut self) -> io::Result<Vec<HostAddress>> {
        Ok(Vec::new())
    }

    fn neighbour(&mut self, _index: u32, _ip: IpAddr) -> io::Result<Option<Neighbour>> {
        Ok(None)
    }

    fn probe(&mut self, _index: u32, _ip: IpAddr) -> io::Result<()> {
        Ok(())
    }

    fn teach(&mut self, _index: u32, _ip: IpAddr, _mac: MacAddr) -> io::Result<()> {
        Ok(())
    }
}
