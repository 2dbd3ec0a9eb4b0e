//! A kernel in memory, so that a whole switch runs in one process, without root, under a test's hand.
//!
//! # Design
//! [`DummyKernel`] has interfaces by name, opens ports on them, and is the switch's [`Links`]. Behind
//! each port is a [`DummyHandle`], by which a test sends and receives. `system` ports need an
//! interface that the test has made; `tap` and `internal` ones make theirs, which vanish with the
//! device; `dummy` ones need none. Other types are served by their real drivers.
//!
//! # Thread-safety
//! Clones share one kernel, under a lock.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use datapath::netdev::carrier::name_of;
use datapath::netdev::dummy::{Dummy, DummyHandle};
use datapath::netdev::{Netdev, NetdevError, Rxq, TxCaps, Txq};
use datapath::tunnel::TunnelKind;
use packet::MacAddr;

use super::links::{Admin, Link, LinkEvent, Links};
use super::open::{Drivers, LinkOf, OpenError, OpenRequest, Opened, PortOpener};
use crate::config::PortType;

#[derive(Default)]
struct State {
    links: BTreeMap<String, Link>,
    handles: BTreeMap<String, DummyHandle>,
    n_opened: BTreeMap<String, usize>,
    refused: BTreeSet<String>,
    last_index: u32,
    caps: TxCaps,
}

impl State {
    fn add(&mut self, name: &str, mac: Option<MacAddr>, mtu: u32) -> Link {
        self.last_index += 1;
        let index = self.last_index;
        let mac = mac.unwrap_or(MacAddr::from_u64(0x0200_0000_0000 | u64::from(index)));
        let link = Link {
            index,
            name: name.to_owned(),
            mac,
            mtu,
            admin_up: true,
            carrier: true,
            is_hardware: false,
            has_master: false,
            lower: None,
        };
        self.links.insert(name.to_owned(), link.clone());
        link
    }

    fn by_index(&mut self, index: u32) -> io::Result<&mut Link> {
        let not_found = || io::Error::from(io::ErrorKind::NotFound);
        let link =
            self.links.values_mut().find(|link| link.index == index).ok_or_else(not_found)?;
        if self.refused.contains(&link.name) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        Ok(link)
    }
}

/// A kernel in memory.
#[derive(Clone, Default)]
pub struct DummyKernel(Arc<Mutex<State>>);

impl DummyKernel {
    /// A kernel without interfaces.
    #[must_use]
    pub fn new() -> DummyKernel {
        DummyKernel::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes an interface that is up, of that MTU; what the link monitor tells of it.
    #[must_use]
    pub fn add_link(&self, name: &str, mtu: u32) -> LinkEvent {
        LinkEvent::Present(self.state().add(name, None, mtu))
    }

    /// Removes an interface, with the device that a port has on it; what the link monitor tells.
    ///
    /// # Panics
    /// There is none of that name: a mistake of the test.
    #[must_use]
    pub fn remove_link(&self, name: &str) -> LinkEvent {
        let mut state = self.state();
        let link = state.links.remove(name);
        if let Some(handle) = state.handles.remove(name) {
            handle.vanish();
        }
        let Some(link) = link else { panic!("no interface {name}") };
        LinkEvent::Gone { index: link.index }
    }

    /// Changes an interface; what the link monitor tells.
    ///
    /// # Panics
    /// There is none of that name: a mistake of the test.
    #[must_use]
    pub fn change_link(&self, name: &str, change: impl FnOnce(&mut Link)) -> LinkEvent {
        let mut state = self.state();
        let Some(mut link) = state.links.remove(name) else { panic!("no interface {name}") };
        change(&mut link);
        state.links.insert(link.name.clone(), link.clone());
        LinkEvent::Present(link)
    }

    /// The interface of that name.
    #[must_use]
    pub fn link(&self, name: &str) -> Option<Link> {
        self.state().links.get(name).cloned()
    }

    /// The far end of the port of that name, if its device is open.
    #[must_use]
    pub fn handle(&self, name: &str) -> Option<DummyHandle> {
        self.state().handles.get(name).cloned()
    }

    /// How often the device of that port was opened.
    #[must_use]
    pub fn n_opened(&self, name: &str) -> usize {
        self.state().n_opened.get(name).copied().unwrap_or(0)
    }

    /// Refuses from now on to open that port, and to change its interface.
    pub fn refuse(&self, name: &str) {
        self.state().refused.insert(name.to_owned());
    }

    /// Refuses nothing any more.
    pub fn allow_all(&self) {
        self.state().refused.clear();
    }

    /// What devices that are opened from now on do for frames.
    pub fn set_caps(&self, caps: TxCaps) {
        self.state().caps = caps;
    }
}

impl PortOpener for DummyKernel {
    fn open(&mut self, request: &OpenRequest<'_>) -> Result<Opened, OpenError> {
        let (name, settings) = (request.name, request.settings);
        let port_type = settings.port_type();
        let fails = |action, kind: io::ErrorKind| NetdevError::Os {
            device: name.to_owned(),
            action,
            source: kind.into(),
        };
        let mut state = self.state();
        if state.refused.contains(name) {
            return Err(fails("open", io::ErrorKind::PermissionDenied).into());
        }
        let (driver, made) = match port_type {
            PortType::Dummy => ("dummy", false),
            PortType::System if state.links.contains_key(name) => ("packet", false),
            PortType::AfXdp if state.links.contains_key(name) => ("afxdp", false),
            PortType::System | PortType::AfXdp => {
                return Err(fails("find the interface", io::ErrorKind::NotFound).into());
            }
            PortType::Tap | PortType::Internal if state.links.contains_key(name) => {
                return Err(fails("make the TAP", io::ErrorKind::AlreadyExists).into());
            }
            PortType::Tap | PortType::Internal => {
                state.add(name, request.mac, request.mtu.unwrap_or(1500));
                ("tap", true)
            }
            PortType::Pcap
            | PortType::Null
            | PortType::Patch
            | PortType::Vxlan
            | PortType::Gre
            | PortType::Geneve
            | PortType::VhostUser => return Drivers.open(request),
        };
        let (inner, handle) = Dummy::new(settings.n_rxq(), state.caps)?;
        state.handles.insert(name.to_owned(), handle);
        *state.n_opened.entry(name.to_owned()).or_default() += 1;
        drop(state);
        let link = match port_type {
            PortType::Dummy => {
                LinkOf::Virtual { mtu: settings.mtu_request.map_or(1500, |mtu| mtu.get()) }
            }
            _ => LinkOf::Kernel,
        };
        let device = Device { inner, driver, made, kernel: self.clone(), name: name.to_owned() };
        Ok(Opened { netdev: Box::new(device), link, reason: None })
    }

    fn open_carrier(&mut self, kind: TunnelKind, port: u16) -> Result<Box<dyn Netdev>, OpenError> {
        let name = name_of(kind, port);
        let mut state = self.state();
        if state.refused.contains(&name) {
            let (action, source) = ("bind to the UDP port", io::ErrorKind::AddrInUse.into());
            return Err(NetdevError::Os { device: name, action, source }.into());
        }
        let (inner, handle) = Dummy::new(1, TxCaps::default())?;
        state.handles.insert(name.clone(), handle);
        drop(state);
        let kernel = self.clone();
        Ok(Box::new(Device { inner, driver: "carrier", made: false, kernel, name }))
    }
}

impl Links for DummyKernel {
    fn get(&mut self, name: &str) -> io::Result<Option<Link>> {
        Ok(self.link(name))
    }

    fn by_index(&mut self, index: u32) -> io::Result<Option<Link>> {
        Ok(self.state().links.values().find(|link| link.index == index).cloned())
    }

    fn set_mtu(&mut self, index: u32, mtu: u32) -> io::Result<()> {
        self.state().by_index(index)?.mtu = mtu;
        Ok(())
    }

    fn set_mac(&mut self, index: u32, mac: MacAddr) -> io::Result<()> {
        self.state().by_index(index)?.mac = mac;
        Ok(())
    }

    fn set_admin(&mut self, index: u32, admin: Admin) -> io::Result<()> {
        self.state().by_index(index)?.admin_up = admin == Admin::Up;
        Ok(())
    }
}

/// A device; one that made its interface takes it along.
struct Device {
    inner: Dummy,
    driver: &'static str,
    made: bool,
    kernel: DummyKernel,
    name: String,
}

impl Netdev for Device {
    fn driver(&self) -> &'static str {
        self.driver
    }

    fn take_rxqs(&mut self) -> Vec<Box<dyn Rxq>> {
        self.inner.take_rxqs()
    }

    fn open_txq(&self) -> Result<Box<dyn Txq>, NetdevError> {
        self.inner.open_txq()
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        let mut state = self.kernel.state();
        state.handles.remove(&self.name);
        if self.made {
            state.links.remove(&self.name);
        }
    }
}
