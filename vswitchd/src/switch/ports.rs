//! What there is of a port: its number, its counters, its device.

use std::sync::Arc;

use datapath::PortNo;
use datapath::engine::EngineError;
use datapath::l2::storm::Storm;
use datapath::view::PortStats;
use openflow::port::PortConfig;
use packet::MacAddr;

use super::host_copy::GivenCopy;
use super::links::Link;
use super::open::{ETHERNET_MTU, LinkOf, OpenError, OpenRequest};
use super::{Switch, SwitchError, TunnelLink};
use crate::config::{PortSettings, PortType};

/// What there is of a port.
pub struct PortState {
    /// Its number in the datapath.
    pub no: PortNo,
    /// Its counters.
    pub stats: Arc<PortStats>,
    /// Its storm limits, if it has any.
    pub storm: Option<Arc<Storm>>,
    /// Its device.
    pub device: Device,
    /// What OpenFlow told it to do.
    pub of_config: PortConfig,
    /// Since when it is configured, nanoseconds of the engine's clock.
    pub since_ns: u64,
}

/// A port's device.
#[derive(Clone, Debug)]
pub enum Device {
    /// In the engine; a patch port, which needs none there, has its peer, and a tunnel its carrier.
    Attached {
        /// The driver's name.
        driver: &'static str,
        /// Why that driver, where there was a choice.
        reason: Option<String>,
        /// Its link.
        link: LinkState,
        /// Whether the host gets a copy of what it receives, where there is a choice.
        host_copy: Option<GivenCopy>,
    },
    /// Missing, or refusing; a patch port has no peer.
    Absent {
        /// Why.
        error: String,
    },
}

impl Device {
    /// Whether the host gets a copy of what it receives, where there is a choice.
    #[must_use]
    pub fn host_copy(&self) -> Option<&GivenCopy> {
        match self {
            Device::Attached { host_copy, .. } => host_copy.as_ref(),
            Device::Absent { .. } => None,
        }
    }
}

/// What is known of a device's link.
#[derive(Clone, Debug)]
pub enum LinkState {
    /// An interface of the kernel, in this network namespace.
    Here(Link),
    /// An interface that works, but is in another network namespace; what was known last.
    Away(Option<Link>),
    /// No interface: the driver knows.
    Device {
        /// MTU, bytes.
        mtu: u32,
        /// Whether frames can pass.
        up: bool,
    },
    /// No interface: always up.
    Virtual {
        /// MTU, bytes.
        mtu: u32,
    },
    /// Joined to another bridge: always up.
    Patch,
    /// A host far away: up if there is a way to it.
    Tunnel(Box<TunnelLink>),
}

/// MTU where there is no limit, bytes.
const ANY_MTU: u32 = 65535;

impl LinkState {
    /// Its interface, last known.
    #[must_use]
    pub fn interface(&self) -> Option<&Link> {
        match self {
            LinkState::Here(link) => Some(link),
            LinkState::Away(link) => link.as_ref(),
            LinkState::Device { .. }
            | LinkState::Virtual { .. }
            | LinkState::Patch
            | LinkState::Tunnel(_) => None,
        }
    }

    /// Number of its interface, in this network namespace.
    #[must_use]
    pub fn index(&self) -> Option<u32> {
        match self {
            LinkState::Here(link) => Some(link.index),
            _ => None,
        }
    }

    /// MTU, bytes.
    #[must_use]
    pub fn mtu(&self) -> u32 {
        match self {
            LinkState::Device { mtu, .. } | LinkState::Virtual { mtu } => *mtu,
            LinkState::Patch | LinkState::Tunnel(_) => ANY_MTU,
            other => other.interface().map_or(ETHERNET_MTU, |link| link.mtu),
        }
    }

    /// MTU, bytes, where there is one.
    #[must_use]
    pub fn mtu_limit(&self) -> Option<u32> {
        match self {
            LinkState::Patch | LinkState::Tunnel(_) => None,
            other => Some(other.mtu()),
        }
    }

    /// Whether it is set up.
    #[must_use]
    pub fn is_admin_up(&self) -> bool {
        match self {
            LinkState::Here(link) => link.admin_up,
            // Nobody can tell: the driver finds out.
            LinkState::Away(_)
            | LinkState::Device { .. }
            | LinkState::Virtual { .. }
            | LinkState::Patch
            | LinkState::Tunnel(_) => true,
        }
    }

    /// Whether frames can pass.
    #[must_use]
    pub fn is_up(&self) -> bool {
        match self {
            LinkState::Here(link) => link.admin_up && link.carrier,
            LinkState::Device { up, .. } => *up,
            LinkState::Away(_) | LinkState::Virtual { .. } | LinkState::Patch => true,
            LinkState::Tunnel(tunnel) => tunnel.is_up(),
        }
    }

    /// What there is of a tunnel, if it is one.
    #[must_use]
    pub fn tunnel(&self) -> Option<&TunnelLink> {
        match self {
            LinkState::Tunnel(tunnel) => Some(tunnel),
            _ => None,
        }
    }
}

impl PortState {
    /// The link of its device, if it has one.
    #[must_use]
    pub fn link(&self) -> Option<&LinkState> {
        match &self.device {
            Device::Attached { link, .. } => Some(link),
            Device::Absent { .. } => None,
        }
    }

    /// Number of its interface, in this network namespace.
    #[must_use]
    pub fn index(&self) -> Option<u32> {
        self.link()?.index()
    }

    /// MAC address of its interface.
    #[must_use]
    pub fn mac(&self) -> Option<MacAddr> {
        Some(self.link()?.interface()?.mac)
    }

    pub(super) fn interface_mut(&mut self) -> Option<&mut Link> {
        match &mut self.device {
            Device::Attached { link: LinkState::Here(link), .. } => Some(link),
            _ => None,
        }
    }
}

/// Why a port has no device.
#[derive(Debug, thiserror::Error)]
pub enum OpenFailed {
    /// The device cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The engine refused it.
    #[error(transparent)]
    Attach(#[from] EngineError),
}

impl OpenFailed {
    /// The reason, where the port is named already: drivers name the device, which is often the same.
    #[must_use]
    pub fn of_port(&self, name: &str) -> String {
        of_port(name, &self.to_string())
    }
}

/// What a driver says, where the port is named already.
pub(super) fn of_port(name: &str, text: &str) -> String {
    let rest = text.strip_prefix(name).and_then(|text| text.strip_prefix(": "));
    rest.unwrap_or(text).to_owned()
}

/// The settings that a device is opened with: a change of these opens it anew.
pub(super) fn of_device(settings: &PortSettings) -> PortSettings {
    PortSettings {
        kind: Some(settings.port_type()),
        driver: settings.driver,
        xdp_mode: settings.xdp_mode,
        rx_csum_recover: settings.rx_csum_recover,
        n_rxq: settings.n_rxq,
        persist: settings.persist,
        user: settings.user.clone(),
        group: settings.group.clone().filter(|group| group.users().is_some()),
        file: settings.file.clone(),
        repeat: settings.repeat,
        rate: settings.rate,
        dst_port: settings.dst_port,
        path: settings.path.clone(),
        vhost_mode: settings.vhost_mode,
        ..PortSettings::default()
    }
}

/// Which MAC address and MTU a device gets that the switch makes.
#[derive(Clone, Copy, Default)]
pub(super) struct Wishes {
    pub mac: Option<MacAddr>,
    pub mtu: Option<u32>,
}

impl Switch {
    /// A port without a device yet.
    pub(super) fn new_port(&mut self, name: &str) -> Result<PortState, SwitchError> {
        let no = self.port_numbers.take().and_then(PortNo::new).ok_or_else(|| {
            let limit = self.port_numbers.limit();
            SwitchError::NoNumber { what: format!("port {name}"), limit }
        })?;
        let device = Device::Absent { error: "not opened yet".to_owned() };
        let since_ns = self.engine.clock().now_ns();
        let of_config = PortConfig::default();
        Ok(PortState { no, stats: Arc::default(), storm: None, device, of_config, since_ns })
    }

    /// Opens a port's device and gives it to the engine; no frame passes until a snapshot names it.
    /// The port must be in `ports`, without a device.
    pub(super) fn attach(
        &mut self,
        name: &str,
        settings: &PortSettings,
        wishes: Wishes,
    ) -> Result<(), OpenFailed> {
        let Some(state) = self.ports.get(name) else { return Ok(()) };
        if settings.port_type() == PortType::Patch {
            return Ok(()); // attached by publishing it, if its peer is there
        }
        if settings.port_type().tunnel_kind().is_some() {
            return self.attach_tunnel(name, settings);
        }
        let (no, stats) = (state.no, Arc::clone(&state.stats));
        let memory = Arc::clone(self.engine.memory());
        let (mac, mtu) = (wishes.mac, wishes.mtu);
        let request = OpenRequest { name, settings, mac, mtu, memory: &memory };
        let opened = self.opener.open(&request)?;
        let link = match opened.link {
            LinkOf::Virtual { mtu } => LinkState::Virtual { mtu },
            LinkOf::Device { mtu } => LinkState::Device { mtu, up: opened.netdev.is_link_up() },
            LinkOf::Kernel => match self.links.get(name).ok().flatten() {
                Some(link) => LinkState::Here(link),
                None => LinkState::Away(None),
            },
        };
        let driver = opened.netdev.driver();
        let affinity = settings.rxq_affinity.as_ref().map_or(&[][..], |affinity| affinity.pairs());
        let reason = opened.reason;
        self.engine.attach(no, opened.netdev, stats, affinity)?;
        if let Some(state) = self.ports.get_mut(name) {
            state.device = Device::Attached { driver, reason, link, host_copy: None };
        }
        Ok(())
    }

    /// Gives a port's interface the MTU that its settings ask for; its number and old MTU, if that
    /// changed anything.
    pub(super) fn set_requested_mtu(
        &mut self,
        name: &str,
        settings: &PortSettings,
    ) -> Result<Option<(u32, u32)>, SwitchError> {
        let link = self.ports.get_mut(name).and_then(|state| state.interface_mut());
        let (Some(link), Some(mtu)) = (link, settings.mtu_request) else { return Ok(None) };
        let (mtu, old) = (mtu.get(), link.mtu);
        if mtu == old {
            return Ok(None);
        }
        self.links.set_mtu(link.index, mtu).map_err(|source| SwitchError::Link {
            name: name.to_owned(),
            key: "mtu_request",
            value: mtu.to_string(),
            source,
        })?;
        link.mtu = mtu;
        Ok(Some((link.index, old)))
    }

    /// Takes a port's device out of the engine and closes it. The published snapshot must not name it.
    pub(super) fn detach(&mut self, name: &str, error: &str) {
        let Some(state) = self.ports.get_mut(name) else { return };
        state.device = Device::Absent { error: error.to_owned() };
        let no = state.no;
        drop(self.engine.detach(no));
        // What a poll thread said of the old device must not hit the next one.
        self.take_events();
        self.gone.remove(&no);
    }

    /// Takes a port out of the snapshot, then its device out of the engine; what was learned on it is
    /// forgotten, since its hosts may be elsewhere now.
    pub(super) fn withdraw(&mut self, name: &str, error: &str) {
        let Some(state) = self.ports.get_mut(name) else { return };
        if matches!(state.device, Device::Absent { .. }) {
            return;
        }
        state.device = Device::Absent { error: error.to_owned() };
        let no = state.no;
        self.publish();
        self.detach(name, error);
        let bridge = self.config.port(name).and_then(|(bridge, _)| self.bridges.get(bridge));
        if let Some(bridge) = bridge {
            bridge.fdb.flush(Some(no), None);
        }
    }
}
