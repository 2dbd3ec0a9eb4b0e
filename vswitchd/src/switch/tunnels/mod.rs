//! Tunnel ports: carriers, ways to remote hosts, and what poll threads see of them.
//!
//! # Design
//! A tunnel port has no device. What takes its place is a *carrier*, opened when the first port of its
//! protocol and UDP port is attached, and closed when the last one is gone. The way to the remote host
//! ([`resolve`]) is the kernel's answer to a question that is asked once and again when routes,
//! addresses or links changed: not for each packet, and not for each change of the configuration.
//!
//! What a port sees is settled whenever a snapshot is made, from the answers at hand. A change in the
//! kernel marks them stale; [`Switch::tend_tunnels`] then asks for all of them, no more often than
//! such that it takes a tenth of the time, and publishes only if an answer is another one.
//!
//! # Invariants
//! - A carrier is open while a port refers to it ([`TunnelLink::carrier`]), and in every snapshot that
//!   names such a port.
//! - The ways that flows ask for are bounded by [`MAX_WANTED`]; the oldest is forgotten first.
//!
//! # Thread-safety
//! For the control thread.

mod loops;
mod neighbours;
mod resolve;
mod segments;
pub mod show;
mod shun;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use datapath::l2::vlan::PortVlan;
use datapath::netdev::carrier;
use datapath::tunnel::{
    Address, Path, Switch as Recovers, Terminator, Tunnel, TunnelConfig, TunnelKind, Tunnels,
    Uplink, Way,
};
use datapath::view::{self, PortKind, PortStats};
use datapath::{BridgeId, PortNo};
use packet::MacAddr;
use tracing::info;

use super::open::OpenError;
use super::ports::{Device, LinkState, OpenFailed};
use super::routes::{HostAddress, RouteEvent, Routes};
use super::{PortView, Switch};
use crate::config::{PortSettings, PortType, tunnel_of};
use neighbours::Neighbours;
pub(super) use resolve::Egress;
use resolve::Resolved;

/// Most remote hosts that flows name.
const MAX_WANTED: usize = 4096;
/// The kernel is not asked anew for at least so long.
const MIN_PAUSE: Duration = Duration::from_millis(20);
/// How many times longer than the asking a pause is.
const PAUSE_FACTOR: u64 = 10;
/// MTU of a port that cuts nothing: what the way takes is the datapath's business.
const CARRIER_MTU: u32 = 65535;

/// A remote host, and the address that it is to be reached from, if one was asked for.
pub(super) type Ends = (IpAddr, Option<IpAddr>);

/// What there is of a tunnel port.
#[derive(Clone, Debug)]
pub struct TunnelLink {
    /// The carrier of its protocol and UDP port.
    pub(super) carrier: PortNo,
    /// What poll threads keep of it.
    pub(super) kept: Arc<datapath::tunnel::TunnelState>,
    /// What poll threads see of it; `None` until that has been settled.
    pub(super) tunnel: Option<Arc<Tunnel>>,
    /// How its packets leave the host.
    pub(super) egress: Option<Egress>,
    /// Why they cannot.
    pub(super) error: Option<String>,
    /// The way to the multicast group of its segment.
    group: Option<Resolved>,
}

impl TunnelLink {
    /// Whether there is a way, or flows choose one.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.tunnel.is_some() && self.error.is_none()
    }

    /// The way that its packets take; of a segment's, those to its group.
    fn way(&self) -> Option<&Egress> {
        self.egress.as_ref().or_else(|| self.group.as_ref()?.egress.as_ref())
    }

    /// Why there is no way.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }
}

/// A carrier.
pub(super) struct CarrierState {
    /// Its number in the datapath.
    pub no: PortNo,
    /// Its counters.
    pub stats: Arc<PortStats>,
    /// Interfaces that it was told to receive nothing from.
    pub shunned: Vec<u32>,
}

/// What the switch knows of tunnels beside its ports.
pub(super) struct TunnelState {
    pub routes: Box<dyn Routes>,
    pub carriers: BTreeMap<(TunnelKind, u16), CarrierState>,
    resolved: BTreeMap<Ends, Resolved>,
    /// What flows asked for, in that order.
    wanted: VecDeque<Ends>,
    /// The remote hosts of segments.
    remotes: BTreeMap<segments::RemoteKey, segments::Remote>,
    /// Multicast groups that carriers receive.
    joined: BTreeSet<(PortNo, IpAddr, u32)>,
    addresses: Vec<HostAddress>,
    /// Whether the kernel has told them.
    knows_addresses: bool,
    neighbours: Neighbours,
    /// What the kernel said may hold no more.
    is_stale: bool,
    /// Flows asked for something new.
    is_asked: bool,
    /// Not before that the kernel is asked anew, nanoseconds of the engine's clock.
    rests_until_ns: u64,
    /// What was published last.
    published: Arc<Tunnels>,
    /// How many ports it has.
    n_published: usize,
    /// Uplinks whose kernel is deaf, and the next hops by them.
    wires: BTreeMap<PortNo, Uplink>,
    /// What is to be published differs.
    pub is_other: bool,
}

impl TunnelState {
    pub fn new(routes: Box<dyn Routes>) -> TunnelState {
        TunnelState {
            routes,
            carriers: BTreeMap::new(),
            resolved: BTreeMap::new(),
            wanted: VecDeque::new(),
            remotes: BTreeMap::new(),
            joined: BTreeSet::new(),
            addresses: Vec::new(),
            knows_addresses: false,
            neighbours: Neighbours::default(),
            is_stale: true,
            is_asked: false,
            rests_until_ns: 0,
            published: Arc::default(),
            n_published: 0,
            wires: BTreeMap::new(),
            is_other: true,
        }
    }
}

/// The remote host and the address asked for, if both do not depend on flows.
pub(super) fn ends_of(config: &TunnelConfig) -> Option<Ends> {
    let Address::Is(remote) = config.remote else { return None };
    match config.local {
        Address::Is(local) => Some((remote, Some(local))),
        Address::Any => Some((remote, None)),
        // The flow's word counts; without one, it is the route's.
        Address::Flow => Some((remote, None)),
    }
}

impl Switch {
    /// Whether the kernel's routes matter.
    #[must_use]
    pub fn has_tunnels(&self) -> bool {
        !self.tunnels.carriers.is_empty()
    }

    /// Attaches a tunnel port: its carrier is open when it returns.
    pub(super) fn attach_tunnel(
        &mut self,
        name: &str,
        settings: &PortSettings,
    ) -> Result<(), OpenFailed> {
        let Some(config) = tunnel_of(settings) else { return Ok(()) };
        let carrier = self.carrier(config.kind, config.dst_port)?;
        if let Some(state) = self.ports.get_mut(name) {
            let kept = Arc::default();
            let (tunnel, egress, error, group) = (None, None, None, None);
            let link = TunnelLink { carrier, kept, tunnel, egress, error, group };
            let link = LinkState::Tunnel(Box::new(link));
            let driver = settings.port_type().word();
            state.device = Device::Attached { driver, reason: None, link, host_copy: None };
        }
        Ok(())
    }

    /// The carrier of a protocol and UDP port, opened if there is none.
    fn carrier(&mut self, kind: TunnelKind, port: u16) -> Result<PortNo, OpenFailed> {
        if let Some(carrier) = self.tunnels.carriers.get(&(kind, port)) {
            return Ok(carrier.no);
        }
        let netdev = self.opener.open_carrier(kind, port)?;
        let number = self.port_numbers.take().and_then(PortNo::new);
        let no = number.ok_or(OpenError::NoNumber)?;
        let stats = Arc::<PortStats>::default();
        if let Err(error) = self.engine.attach(no, netdev, Arc::clone(&stats), &[]) {
            self.port_numbers.put(no.get());
            return Err(error.into());
        }
        if self.tunnels.carriers.is_empty() {
            self.ask_addresses();
        }
        info!("{} opened", carrier::name_of(kind, port));
        self.tunnels.carriers.insert((kind, port), CarrierState { no, stats, shunned: Vec::new() });
        // Nobody has listened to the kernel until now.
        self.tunnels.is_stale = true;
        Ok(no)
    }

    /// Closes carriers that no port refers to, once no snapshot names them.
    pub(super) fn close_idle_carriers(&mut self) {
        if self.tunnels.carriers.is_empty() {
            return;
        }
        let links = self.ports.values().filter_map(|state| state.link()?.tunnel());
        let used: BTreeSet<PortNo> = links.map(|link| link.carrier).collect();
        let idle: Vec<(TunnelKind, u16)> = self
            .tunnels
            .carriers
            .iter()
            .filter(|(_, carrier)| !used.contains(&carrier.no))
            .map(|(key, _)| *key)
            .collect();
        if idle.is_empty() {
            return;
        }
        let remove =
            |(kind, port)| Some(((kind, port), self.tunnels.carriers.remove(&(kind, port))?));
        let closed: Vec<_> = idle.into_iter().filter_map(remove).collect();
        self.publish_snapshot();
        for ((kind, port), carrier) in closed {
            drop(self.engine.detach(carrier.no));
            self.port_numbers.put(carrier.no.get());
            info!("{} closed", carrier::name_of(kind, port));
        }
        if self.tunnels.carriers.is_empty() {
            self.tunnels.resolved.clear();
            self.tunnels.wanted.clear();
            self.tunnels.neighbours = Neighbours::default();
        }
    }

    /// Makes tunnel ports follow the configuration and what is known of ways.
    pub(super) fn settle_tunnels(&mut self) {
        if self.tunnels.carriers.is_empty() {
            return;
        }
        let mut wanted: Vec<(String, String, TunnelConfig)> = Vec::new();
        for (bridge, configured) in &self.config.bridges {
            for (name, port) in &configured.ports {
                if let Some(config) = tunnel_of(&port.settings)
                    && self.ports.get(name).is_some_and(|s| s.link().is_some())
                {
                    wanted.push((bridge.clone(), name.clone(), config));
                }
            }
        }
        for (_, _, config) in &wanted {
            if let Some(ends) = ends_of(config) {
                self.resolve_new(ends);
            }
        }
        let mut outlets = loops::Outlets::default();
        for (bridge, name, config) in &wanted {
            self.settle_tunnel((bridge, name), config.clone(), &mut outlets);
        }
        self.settle_remotes(&wanted, &mut outlets);
    }

    fn settle_tunnel(
        &mut self,
        (bridge, name): (&str, &str),
        config: TunnelConfig,
        outlets: &mut loops::Outlets,
    ) {
        let resolved = ends_of(&config).and_then(|ends| self.tunnels.resolved.get(&ends)).cloned();
        let why = resolved
            .as_ref()
            .and_then(|resolved| self.leads_into_itself(bridge, &config, resolved, outlets));
        let (path, egress, error) = match (resolved, why) {
            (Some(Resolved { path, .. }), Some(why)) => {
                let none = Path { way: Way::NoRoute, ..(*path).clone() };
                (Some(Arc::new(none)), None, Some(why))
            }
            (Some(resolved), None) => (Some(resolved.path), resolved.egress, resolved.error),
            (None, _) => (None, None, None),
        };
        let segment = self.segment(name);
        let Some(state) = self.ports.get_mut(name) else { return };
        let Device::Attached { link: LinkState::Tunnel(link), .. } = &mut state.device else {
            return; // of another type until a moment ago
        };
        let same = link.tunnel.as_ref().is_some_and(|old| {
            old.config == config
                && old.path == path
                && old.carrier == link.carrier
                && old.segment == segment
        });
        if !same {
            self.tunnels.is_other = true;
            let (carrier, state) = (link.carrier, Arc::clone(&link.kept));
            link.tunnel = Some(Arc::new(Tunnel { config, carrier, path, state, segment }));
        }
        if link.error != error {
            match &error {
                Some(error) => info!("port {name}: {error}"),
                None => info!("port {name}: there is a way"),
            }
        }
        (link.egress, link.error) = (egress, error);
        link.group = None; // until the ways to remote hosts of segments are settled
    }

    /// Puts carriers and the tables of tunnels into a snapshot.
    pub(super) fn add_tunnels(&self, snapshot: &mut view::Snapshot) {
        for carrier in self.tunnels.carriers.values() {
            let port = view::Port {
                no: carrier.no,
                bridge: BridgeId::NONE,
                kind: PortKind::Carrier,
                terminator: None,
                vlan: PortVlan::trunk_all(),
                up: true,
                storm: None,
                no_flood: false,
                no_fwd: false,
                mtu: CARRIER_MTU,
                stats: Arc::clone(&carrier.stats),
            };
            super::snapshot::put(&mut snapshot.ports, carrier.no.index(), port);
        }
        self.add_remotes(snapshot);
        snapshot.tunnels = Arc::clone(&self.tunnels.published);
    }

    /// Makes the table of tunnels anew, if it is another one.
    pub(super) fn make_tunnels(&mut self) {
        let links = self.ports.values().filter_map(|state| {
            let tunnel = state.link()?.tunnel()?.tunnel.as_ref()?;
            Some((state.no, tunnel))
        });
        let remotes = self.tunnels.remotes.values();
        let remotes = remotes.filter_map(|remote| Some((remote.no, remote.tunnel.as_ref()?)));
        let links = links.chain(remotes);
        let n_ports = links.clone().count();
        let wires = self.wires();
        let same_wires = self.tunnels.wires == wires;
        if !self.tunnels.is_other && n_ports == self.tunnels.n_published && same_wires {
            return;
        }
        let mut tunnels = Tunnels::default();
        for (no, tunnel) in links {
            tunnels.add_port(&tunnel.config, no);
        }
        for ends in &self.tunnels.wanted {
            if let Some(resolved) = self.tunnels.resolved.get(ends) {
                tunnels.add_path(ends.0, ends.1, Arc::clone(&resolved.path));
            }
        }
        for (no, uplink) in &wires {
            tunnels.add_uplink(*no, uplink.clone());
        }
        self.tunnels.wires = wires;
        self.add_options(&mut tunnels);
        self.tunnels.n_published = n_ports;
        self.tunnels.published = Arc::new(tunnels);
        self.tunnels.is_other = false;
    }

    /// Uplinks that AF_XDP serves, and the next hops that ways by them lead by: what these say of
    /// themselves, the kernel does not hear.
    fn wires(&self) -> BTreeMap<PortNo, Uplink> {
        let mut wires = BTreeMap::new();
        if self.tunnels.carriers.is_empty() {
            return wires;
        }
        for state in self.ports.values() {
            let (Device::Attached { driver, .. }, Some(index)) = (&state.device, state.index())
            else {
                continue;
            };
            if *driver == "afxdp" {
                let hops = self.tunnels.neighbours.of_link(index).collect();
                wires.insert(state.no, Uplink { hops });
            }
        }
        wires
    }

    /// A host on the link of an uplink has told its MAC address, which the kernel did not hear.
    pub(super) fn neighbour_heard(&mut self, no: PortNo, (ip, mac): (IpAddr, MacAddr)) {
        let index = self.ports.values().find(|state| state.no == no).and_then(|s| s.index());
        if let Some(index) = index
            && self.tunnels.neighbours.is_news((index, ip), mac)
        {
            // If the kernel does not take it, the way stays as it is, and it is asked for again.
            if let Err(error) = self.tunnels.routes.teach(index, ip, mac) {
                tracing::debug!("neighbour {ip}: {error}");
            }
        }
    }

    /// Says for each Geneve port which options its bridge has made fields.
    fn add_options(&self, tunnels: &mut Tunnels) {
        for (name, state) in &self.bridges {
            let options = state.openflow.ofproto.options();
            if options.is_empty() {
                continue;
            }
            for port in self.ports_of(name) {
                let link = port.state.link().and_then(|link| link.tunnel()?.tunnel.as_ref());
                if link.is_some_and(|tunnel| tunnel.config.kind == TunnelKind::Geneve) {
                    tunnels.know_options(port.state.no, Arc::clone(options));
                }
            }
        }
    }

    /// The addresses of a port's interface: tunnels to them end there.
    pub(super) fn terminator_of(&self, port: &PortView<'_>) -> Option<Arc<Terminator>> {
        let Device::Attached { driver, link, .. } = &port.state.device else { return None };
        let port_type = port.config.settings.port_type();
        if self.tunnels.carriers.is_empty() || !ends_tunnels(port_type, driver) {
            return None;
        }
        let (index, mac) = (link.index()?, link.interface()?.mac);
        let own = self.tunnels.addresses.iter().filter(|address| address.index == index);
        let addresses: Vec<IpAddr> = own.map(|address| address.ip).collect();
        if addresses.is_empty() {
            return None;
        }
        let groups = self.groups().into_iter().filter(|(.., joined)| *joined == index);
        let groups = groups.map(|(_, group, _)| group).collect();
        let recovers = if self.is_recovered(port.bridge) { Recovers::On } else { Recovers::Off };
        Some(Arc::new(Terminator { mac, addresses, groups, recovers }))
    }

    /// Whether unfinished checksums are looked for in what comes to a bridge: by one of its ports, or of
    /// those that it is joined to.
    fn is_recovered(&self, bridge: &str) -> bool {
        let mut bridges = BTreeSet::new();
        self.joined(bridge, &mut bridges);
        let mut ports = bridges.iter().flat_map(|bridge| self.ports_of(bridge));
        ports.any(|port| {
            self.engine.netdev(port.state.no).is_some_and(|device| device.recovers_checksums())
        })
    }

    /// Takes what the kernel tells of routes, addresses and neighbours.
    pub fn on_route(&mut self, event: RouteEvent) {
        match event {
            RouteEvent::Changed => self.tunnels.is_stale = true,
            RouteEvent::Neighbour(neighbour) => {
                if self.tunnels.neighbours.hear(neighbour) {
                    self.tunnels.is_stale = true;
                }
            }
        }
    }

    /// Interfaces or addresses are other than before: ways may be, too.
    pub(super) fn tunnels_see_links(&mut self) {
        self.tunnels.is_stale = true;
    }

    /// Notes that a flow sends to a remote host.
    pub(super) fn path_wanted(&mut self, ends: Ends) {
        let tunnels = &mut self.tunnels;
        if tunnels.carriers.is_empty() || tunnels.wanted.contains(&ends) {
            return;
        }
        if tunnels.wanted.len() >= MAX_WANTED
            && let Some(oldest) = tunnels.wanted.pop_front()
        {
            // If a port needs it, too, it is asked for again.
            tunnels.resolved.remove(&oldest);
        }
        tunnels.wanted.push_back(ends);
        tunnels.is_asked = true;
    }

    /// How long [`Switch::tend_tunnels`] need not be called; `None`: until something happens.
    #[must_use]
    pub fn tunnels_rest(&self) -> Option<Duration> {
        let tunnels = &self.tunnels;
        // This host's addresses matter to others as well ([`host_copy`](super::host_copy)).
        if !(tunnels.is_stale || tunnels.is_asked) {
            return None;
        }
        let now_ns = self.engine.clock().now_ns();
        Some(Duration::from_nanos(tunnels.rests_until_ns.saturating_sub(now_ns)))
    }

    /// Asks the kernel anew, if what it said may hold no more, and publishes what is other.
    pub fn tend_tunnels(&mut self) {
        if self.tunnels_rest() != Some(Duration::ZERO) {
            return;
        }
        let start_ns = self.engine.clock().now_ns();
        let is_other = if std::mem::take(&mut self.tunnels.is_stale) {
            self.resolve_all()
        } else {
            let wanted: Vec<Ends> = self.tunnels.wanted.iter().copied().collect();
            wanted.into_iter().filter(|ends| self.resolve_new(*ends)).count() > 0
        };
        let is_new = |remote: &segments::Remote| remote.tunnel.is_none();
        let is_other = is_other || self.tunnels.remotes.values().any(is_new);
        self.tunnels.is_asked = false;
        if is_other {
            self.tunnels.is_other = true;
            self.publish();
        }
        let end_ns = self.engine.clock().now_ns();
        let pause_ns = end_ns.saturating_sub(start_ns).saturating_mul(PAUSE_FACTOR);
        let min_ns = u64::try_from(MIN_PAUSE.as_nanos()).unwrap_or(u64::MAX);
        self.tunnels.rests_until_ns = end_ns.saturating_add(pause_ns.max(min_ns));
    }

    /// To be called about once a second: neighbours that are not known, or have been silent.
    pub(super) fn tend_neighbours(&mut self) {
        let now_s = self.engine.clock().now_s();
        for (index, ip) in self.tunnels.neighbours.due(now_s) {
            // What is wrong shows in the state of the neighbour.
            let _ = self.tunnels.routes.probe(index, ip);
        }
    }
}

/// Whether outer packets to the addresses of such a port's interface are opened in the datapath.
///
/// The host's end of a TAP gets what the bridge sends there. An interface that AF_XDP serves gives the
/// kernel nothing. One that packet sockets serve gives the kernel everything, too: there the carrier
/// receives, and a second copy must not.
pub(super) fn ends_tunnels(port_type: PortType, driver: &str) -> bool {
    match port_type {
        PortType::Internal | PortType::Tap => true,
        PortType::System | PortType::AfXdp => driver == "afxdp",
        _ => false,
    }
}

#[cfg(test)]
mod tests;
