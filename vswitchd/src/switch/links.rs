//! The kernel's interfaces, as far as the switch needs them.
//!
//! # Design
//! [`LinkEvent`]s come from the link monitor, after the fact; [`Links`] asks and changes the kernel
//! now. The switch needs both: an interface made just before `add-port` may not have been told yet.

use std::io;

use datapath::netdev::afxdp::LinkMode;
use packet::MacAddr;

/// An interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Link {
    /// Its number, unique in its network namespace, not reused soon.
    pub index: u32,
    /// Its name, which may change.
    pub name: String,
    /// MAC address; zero where it has none.
    pub mac: MacAddr,
    /// MTU, bytes of Ethernet payload.
    pub mtu: u32,
    /// Set up by the administrator (`IFF_UP`).
    pub admin_up: bool,
    /// Has a carrier (`IFF_LOWER_UP`).
    pub carrier: bool,
    /// Whether it is a piece of hardware, real or emulated.
    pub is_hardware: bool,
    /// Whether another interface takes what it receives: a bridge of the kernel's, a bond.
    pub has_master: bool,
    /// Number of the interface that it stands on, as VLAN and macvlan interfaces do.
    pub lower: Option<u32>,
}

/// What the link monitor tells.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LinkEvent {
    /// An interface is there: new, changed, or renamed.
    Present(Link),
    /// An interface is gone from this network namespace.
    Gone {
        /// Its number.
        index: u32,
    },
    /// Every interface that there is; others are gone. Sent at start, and after events were lost.
    All(Vec<Link>),
    /// Addresses of this host are other than before.
    Addresses,
}

/// What the administrator wants of an interface.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Admin {
    /// It works.
    Up,
    /// It does not.
    Down,
}

impl Admin {
    /// Up, if so.
    #[must_use]
    pub(super) const fn of(up: bool) -> Admin {
        if up { Admin::Up } else { Admin::Down }
    }

    /// In a word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Admin::Up => "up",
            Admin::Down => "down",
        }
    }
}

/// The kernel's interfaces, asked and changed now.
pub trait Links {
    /// The interface of that name; `None` if there is none.
    ///
    /// # Errors
    /// The kernel cannot be asked.
    fn get(&mut self, name: &str) -> io::Result<Option<Link>>;

    /// The interface of that number; `None` if there is none.
    ///
    /// # Errors
    /// The kernel cannot be asked.
    fn by_index(&mut self, index: u32) -> io::Result<Option<Link>>;

    /// How fast the interface of that name is; `None`: nobody tells.
    fn mode(&self, _name: &str) -> Option<LinkMode> {
        None
    }

    /// Sets the MTU, bytes.
    ///
    /// # Errors
    /// The kernel refuses.
    fn set_mtu(&mut self, index: u32, mtu: u32) -> io::Result<()>;

    /// Sets the MAC address.
    ///
    /// # Errors
    /// The kernel refuses.
    fn set_mac(&mut self, index: u32, mac: MacAddr) -> io::Result<()>;

    /// Sets the interface up or down.
    ///
    /// # Errors
    /// The kernel refuses.
    fn set_admin(&mut self, index: u32, admin: Admin) -> io::Result<()>;
}

/// No interfaces at all: for a switch whose ports are all in memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoLinks;

impl Links for NoLinks {
    fn get(&mut self, _name: &str) -> io::Result<Option<Link>> {
        Ok(None)
    }

    fn by_index(&mut self, _index: u32) -> io::Result<Option<Link>> {
        Ok(None)
    }

    fn set_mtu(&mut self, _index: u32, _mtu: u32) -> io::Result<()> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn set_mac(&mut self, _index: u32, _mac: MacAddr) -> io::Result<()> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn set_admin(&mut self, _index: u32, _admin: Admin) -> io::Result<()> {
        Err(io::ErrorKind::NotFound.into())
    }
}
