//! From a remote host to the way there.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use datapath::PortNo;
use datapath::netdev::HostCopy;
use datapath::tunnel::{Link as Wire, Path, Way, group_mac};
use packet::MacAddr;

use super::super::Switch;
use super::super::links::Link;
use super::super::ports::Device;
use super::super::routes::{NoRoute, Route};
use super::neighbours::Known;
use super::{Ends, ends_of, ends_tunnels};
use crate::config::{PortType, tunnel_of};

/// MTU where the kernel could not be asked: that of Ethernet, bytes.
const ETHERNET_MTU: u32 = 1500;

/// How packets leave the host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::switch) struct Egress {
    /// The interface that the route names.
    pub iface: String,
    /// Its number.
    pub index: u32,
    /// Whether it is up.
    pub is_up: bool,
    /// The address that packets come from.
    pub src: IpAddr,
    /// The next hop, if the remote host is not on the link.
    pub gateway: Option<IpAddr>,
    /// The port of the switch that the interface is, where packets stay in the datapath.
    pub port: Option<String>,
    /// The next hop's MAC address, or that of a group, where packets stay in the datapath and it is known.
    pub neighbour: Option<MacAddr>,
    /// Why packets go this way.
    pub why: String,
}

/// An answer of the kernel, in the datapath's words.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Resolved {
    pub path: Arc<Path>,
    pub egress: Option<Egress>,
    pub error: Option<String>,
}

impl Resolved {
    fn nowhere((remote, local): Ends, error: String) -> Resolved {
        let none = match remote {
            IpAddr::V4(_) => IpAddr::from([0; 4]),
            IpAddr::V6(_) => IpAddr::from([0; 16]),
        };
        let path = Path { src: local.unwrap_or(none), mtu: ETHERNET_MTU, way: Way::NoRoute };
        Resolved { path: Arc::new(path), egress: None, error: Some(error) }
    }
}

/// A port of the switch whose interface a route names.
struct Ours {
    name: String,
    no: PortNo,
    port_type: PortType,
    driver: &'static str,
}

/// Interfaces that have been asked for.
type Seen = BTreeMap<u32, Option<Link>>;

impl Switch {
    /// Asks for the way to a host, unless it is known; whether it was not.
    pub(super) fn resolve_new(&mut self, ends: Ends) -> bool {
        if self.tunnels.resolved.contains_key(&ends) {
            return false;
        }
        let resolved = self.resolve(ends, &mut Seen::new());
        self.tunnels.resolved.insert(ends, resolved);
        true
    }

    /// Asks for the ways to all hosts, and for this host's addresses; whether an answer is another.
    pub(super) fn resolve_all(&mut self) -> bool {
        let ports = self.config.bridges.values().flat_map(|bridge| bridge.ports.values());
        let fixed = ports.filter_map(|port| ends_of(&tunnel_of(&port.settings)?));
        let remotes = self.tunnels.remotes.values();
        let remotes = remotes.filter_map(|remote| ends_of(&remote.tunnel.as_ref()?.config));
        let wanted = self.tunnels.wanted.iter().copied();
        let mut all: Vec<Ends> = fixed.chain(remotes).chain(wanted).collect();
        all.sort_unstable();
        all.dedup();
        let mut is_other = self.ask_addresses();
        self.tunnels.neighbours.start();
        let mut seen = Seen::new();
        let mut resolved = BTreeMap::new();
        for ends in all {
            let answer = self.resolve(ends, &mut seen);
            is_other |= self.tunnels.resolved.get(&ends) != Some(&answer);
            resolved.insert(ends, answer);
        }
        self.tunnels.neighbours.forget_others();
        self.tunnels.resolved = resolved;
        is_other
    }

    /// Asks for this host's addresses; whether they are others than before.
    pub(super) fn ask_addresses(&mut self) -> bool {
        let tunnels = &mut self.tunnels;
        match tunnels.routes.addresses() {
            Ok(addresses) => {
                let is_other = addresses != tunnels.addresses || !tunnels.knows_addresses;
                (tunnels.addresses, tunnels.knows_addresses) = (addresses, true);
                is_other
            }
            Err(error) => {
                tracing::warn!("this host's addresses cannot be asked for: {error}");
                false
            }
        }
    }

    fn resolve(&mut self, ends: Ends, seen: &mut Seen) -> Resolved {
        let (remote, local) = ends;
        // The kernel takes any address as the source of a question about IPv6.
        let not_ours = local.filter(|local| !self.is_own(*local));
        let route = match self.tunnels.routes.route(remote, local) {
            _ if not_ours.is_some() => Err(NoRoute::NotOurs),
            Ok(route) => route,
            Err(error) => {
                let why = format!("the kernel does not tell the route to {remote}: {error}");
                return Resolved::nowhere(ends, why);
            }
        };
        match route {
            Ok(route) => self.way(ends, &route, seen),
            Err(NoRoute::Unreachable) => Resolved::nowhere(ends, format!("no route to {remote}")),
            Err(NoRoute::Prohibited) => {
                Resolved::nowhere(ends, format!("a route prohibits packets to {remote}"))
            }
            Err(NoRoute::NotOurs) => {
                let local = local.map_or_else(String::new, |local| local.to_string());
                Resolved::nowhere(ends, format!("{local} is not an address of this host"))
            }
        }
    }

    /// Whether this host has an address.
    pub(super) fn is_own(&self, ip: IpAddr) -> bool {
        ip.is_loopback() || self.tunnels.addresses.iter().any(|address| address.ip == ip)
    }

    fn way(&mut self, ends: Ends, route: &Route, seen: &mut Seen) -> Resolved {
        let (remote, local) = ends;
        let index = route.index;
        let links = &mut self.links;
        let link = seen.entry(index).or_insert_with(|| links.by_index(index).ok().flatten());
        let Some(link) = link.clone() else {
            return Resolved::nowhere(ends, format!("the interface to {remote} is gone"));
        };
        let Some(src) = local.or(route.src) else {
            let why = format!("{} has no address to send to {remote} from", link.name);
            return Resolved::nowhere(ends, why);
        };
        let mtu = route.mtu.unwrap_or(link.mtu);
        // Packets to a group are for whoever is on the link.
        let gateway = route.gateway.filter(|_| !remote.is_multicast());
        let mut egress = Egress {
            iface: link.name.clone(),
            index,
            is_up: link.admin_up && link.carrier,
            src,
            gateway,
            port: None,
            neighbour: None,
            why: String::new(),
        };
        let ours = self.our_port(index);
        let (way, error) = match ours {
            Some(ours) if ends_tunnels(ours.port_type, ours.driver) => {
                egress.port = Some(ours.name.clone());
                self.way_by_port(ours, &link, gateway.unwrap_or(remote), &mut egress)
            }
            Some(ours) => {
                let name = ours.name;
                let is_kept = self.host_copy_of(&name) == Some(HostCopy::Off);
                let error = is_kept.then(|| {
                    format!(
                        "the route to {remote} leads by port {name}, of which the host gets no copy \
                         (set port {name} host-copy=true)"
                    )
                });
                egress.why = format!("port {name} leaves a copy to the kernel, which answers, too");
                (Way::Host, error)
            }
            None => {
                egress.why = format!("{} is not a port of the switch", link.name);
                (Way::Host, None)
            }
        };
        Resolved { path: Arc::new(Path { src, mtu, way }), egress: Some(egress), error }
    }

    /// In the datapath, by a port of the switch.
    fn way_by_port(
        &mut self,
        ours: Ours,
        link: &Link,
        hop: IpAddr,
        egress: &mut Egress,
    ) -> (Way, Option<String>) {
        let is_hosts = matches!(ours.port_type, PortType::Internal | PortType::Tap);
        egress.why = if is_hosts {
            format!("{} is the host's end of port {}", link.name, ours.name)
        } else {
            format!("AF_XDP serves {}", link.name)
        };
        let mac = match hop.is_multicast() {
            true => Some(group_mac(hop)),
            false => self.neighbour(link.index, hop),
        };
        match mac {
            Some(dst) => {
                egress.neighbour = Some(dst);
                let wire = Wire { port: ours.no, src: link.mac, dst };
                (if is_hosts { Way::Bridge(wire) } else { Way::Port(wire) }, None)
            }
            None => (Way::NoNeighbour, None),
        }
    }

    /// The MAC address of a host on a link, as the kernel knows it; it is asked for, if not.
    fn neighbour(&mut self, index: u32, ip: IpAddr) -> Option<MacAddr> {
        let now_s = self.engine.clock().now_s();
        let routes = &mut self.tunnels.routes;
        let known = self.tunnels.neighbours.watch((index, ip), |before| {
            let told = routes.neighbour(index, ip).ok().flatten();
            let mac = told.and_then(|told| told.mac);
            if mac.is_none() && before.is_none() {
                // What is wrong shows in the state of the neighbour.
                let _ = routes.probe(index, ip);
            }
            let is_stale = told.is_some_and(|told| told.is_stale);
            Known { mac, is_stale, probed_s: before.map_or(now_s, |before| before.probed_s) }
        });
        known.mac
    }

    fn our_port(&self, index: u32) -> Option<Ours> {
        let (name, state) = self.ports.iter().find(|(_, s)| s.index() == Some(index))?;
        let Device::Attached { driver, .. } = state.device else { return None };
        let port_type = self.config.port(name)?.1.settings.port_type();
        Some(Ours { name: name.clone(), no: state.no, port_type, driver })
    }
}
