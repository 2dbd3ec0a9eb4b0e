//! Tunnels in words: the status of a port, and what `tnl/…` and `ovs/route/…` print.
//!
//! # References
//! `tnl-ports.c`, `tnl-neigh-cache.c`, `ovs-router.c` of Open vSwitch, for the form of the text.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;

use datapath::PortNo;
use datapath::netdev::carrier;
use datapath::tunnel::{Address, Key, TunnelConfig, TunnelKind, Way};
use datapath::view::PortStats;
use serde_json::{Value as Json, json};

use super::super::routes::TableRoute;
use super::super::{PortView, Switch};
use super::TunnelLink;

/// Columns of an IP address (`INET6_ADDRSTRLEN` of Open vSwitch).
const IP_WIDTH: usize = 46;

/// What commands ask of tunnels and the way they take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Underlay {
    /// The routes that are used.
    Routes,
    /// The way to an address.
    Lookup,
    /// The next hops that the datapath writes to.
    Neighbours,
    /// Carriers.
    Ports,
}

/// Facts about a tunnel port, for `status`.
pub(in crate::switch) fn status(link: &TunnelLink) -> Vec<(&'static str, String)> {
    let Some(egress) = link.way() else { return Vec::new() };
    let up_or_down = if egress.is_up { "up" } else { "down" };
    let underlay = match &egress.port {
        Some(port) => format!("datapath (port {port})"),
        None => "host".to_owned(),
    };
    let mut facts = vec![
        ("tunnel_egress_iface", egress.iface.clone()),
        ("tunnel_egress_iface_carrier", up_or_down.to_owned()),
        ("source_ip", egress.src.to_string()),
        ("underlay", underlay),
        ("underlay_reason", egress.why.clone()),
    ];
    facts.extend(egress.gateway.map(|gateway| ("next_hop", gateway.to_string())));
    if egress.port.is_some() {
        let neighbour = egress.neighbour.map_or_else(|| "asked for".into(), |mac| mac.to_string());
        facts.push(("next_hop_mac", neighbour));
    }
    let own = link.tunnel.as_ref().and_then(|tunnel| tunnel.path.as_ref());
    let mtu = own.or_else(|| Some(&link.group.as_ref()?.path)).map(|path| path.mtu);
    facts.extend(mtu.map(|mtu| ("path_mtu", mtu.to_string())));
    facts
}

fn address_words(address: Address) -> String {
    match address {
        Address::Any => "any".to_owned(),
        Address::Is(ip) => ip.to_string(),
        Address::Flow => "flow".to_owned(),
    }
}

fn key_words(key: Key) -> String {
    match key {
        Key::None => "none".to_owned(),
        Key::Is(key) => key.to_string(),
        Key::Flow => "flow".to_owned(),
    }
}

/// A tunnel port's ends and way, in a few words.
pub(in crate::switch) fn words(config: &TunnelConfig, link: Option<&TunnelLink>) -> Vec<String> {
    let mut words = vec![format!("remote {}", address_words(config.remote))];
    if config.in_key == config.out_key {
        if config.in_key != Key::None {
            words.push(format!("key {}", key_words(config.in_key)));
        }
    } else {
        let (received, sent) = (key_words(config.in_key), key_words(config.out_key));
        words.push(format!("key {received} in, {sent} out"));
    }
    if let Some(egress) = link.and_then(TunnelLink::way) {
        let whose = if link.is_some_and(|link| link.egress.is_none()) { "group " } else { "" };
        words.push(match &egress.port {
            Some(port) => format!("{whose}via port {port}"),
            None => format!("{whose}via {} of the host", egress.iface),
        });
    }
    words
}

/// What is wrong with a tunnel port that is up, or not wrong enough to call it down.
pub(in crate::switch) fn trouble(link: &TunnelLink) -> Option<String> {
    let of_group = || link.group.as_ref().and_then(|group| group.error.as_ref());
    if let Some(error) = link.error.as_ref().or_else(of_group) {
        return Some(error.clone());
    }
    let egress = link.egress.as_ref()?;
    let tunnel = link.tunnel.as_ref()?;
    let waits = tunnel.path.as_ref().is_some_and(|path| path.way == Way::NoNeighbour);
    waits.then(|| {
        let hop =
            egress.gateway.map_or_else(|| address_words(tunnel.config.remote), |g| g.to_string());
        format!("{hop} has not told its MAC address on {}", egress.iface)
    })
}

impl Switch {
    /// Name, number, type and counters of each carrier.
    pub fn carriers(
        &self,
    ) -> impl Iterator<Item = (String, PortNo, &'static str, &Arc<PortStats>)> {
        self.tunnels.carriers.iter().map(|((kind, port), carrier)| {
            let word = match kind {
                TunnelKind::Vxlan => "vxlan",
                TunnelKind::Gre => "gre",
                TunnelKind::Geneve => "geneve",
            };
            (carrier::name_of(*kind, *port), carrier.no, word, &carrier.stats)
        })
    }

    /// What a command asks for, as text and as JSON.
    ///
    /// # Errors
    /// One line, without newline.
    pub fn underlay(
        &mut self,
        what: Underlay,
        params: &[String],
    ) -> Result<(String, Json), String> {
        match what {
            Underlay::Routes => Ok(self.show_routes()),
            Underlay::Lookup => self.lookup_route(params.first().map_or("", String::as_str)),
            Underlay::Neighbours => Ok(self.show_neighbours()),
            Underlay::Ports => Ok(self.show_carriers(params.first().is_some_and(|p| p == "-v"))),
        }
    }

    fn iface(&mut self, index: u32) -> String {
        let link = self.links.by_index(index).ok().flatten();
        link.map_or_else(|| format!("if{index}"), |link| link.name)
    }

    /// Routes by which remote hosts are reached, and this host's addresses.
    fn show_routes(&mut self) -> (String, Json) {
        let mut routes: BTreeSet<(TableRoute, Option<IpAddr>)> = BTreeSet::new();
        let known: Vec<(IpAddr, Option<IpAddr>)> = self
            .tunnels
            .resolved
            .iter()
            .map(|((remote, _), resolved)| (*remote, resolved.egress.as_ref().map(|e| e.src)))
            .collect();
        for (remote, src) in known {
            if let Ok(Some(route)) = self.tunnels.routes.table_route(remote) {
                routes.insert((route, src));
            }
        }
        let (mut text, mut all) = (String::from("Route Table:\n"), Vec::new());
        for (route, src) in routes {
            let dev = self.iface(route.index);
            let _ = write!(text, "Cached: {}/{} dev {dev}", route.prefix, route.prefix_len);
            let _ = route.gateway.map(|gateway| write!(text, " GW {gateway}"));
            let _ = src.map(|src| write!(text, " SRC {src}"));
            text.push('\n');
            all.push(json!({
                "prefix": format!("{}/{}", route.prefix, route.prefix_len), "dev": dev,
                "gateway": route.gateway, "src": src, "local": false,
            }));
        }
        let addresses = self.tunnels.routes.addresses().unwrap_or_default();
        for address in addresses {
            let (dev, ip) = (self.iface(address.index), address.ip);
            let bits = if ip.is_ipv4() { 32 } else { 128 };
            let _ = writeln!(text, "Cached: {ip}/{bits} dev {dev} SRC {ip} local");
            all.push(json!({
                "prefix": format!("{ip}/{bits}"), "dev": dev, "gateway": null, "src": ip,
                "local": true,
            }));
        }
        (text, json!({ "routes": all }))
    }

    fn lookup_route(&mut self, to: &str) -> Result<(String, Json), String> {
        let to: IpAddr = to.parse().map_err(|_| "Invalid parameters".to_owned())?;
        let route = self.tunnels.routes.route(to, None).map_err(|error| error.to_string())?;
        let route = route.map_err(|_| "Not found".to_owned())?;
        let dev = self.iface(route.index);
        let none = || IpAddr::from([0; 16]).to_string();
        let or_none = |ip: Option<IpAddr>| ip.map_or_else(none, |ip| ip.to_string());
        let (src, gateway) = (or_none(route.src), or_none(route.gateway));
        let json = json!({ "src": route.src, "gateway": route.gateway, "dev": dev });
        Ok((format!("src {src}\ngateway {gateway}\ndev {dev}\n"), json))
    }

    fn show_neighbours(&mut self) -> (String, Json) {
        let (mut text, mut all) = (String::new(), Vec::new());
        let _ = writeln!(text, "{:IP_WIDTH$}{:20}Bridge", "IP", "MAC");
        let _ = writeln!(text, "{:=<74}", "");
        for ((index, ip), known) in self.tunnels.neighbours.iter() {
            let port = self.ports.iter().find(|(_, state)| state.index() == Some(*index));
            let port = port.and_then(|(name, _)| self.config.port(name));
            let bridge = port.map_or("", |(bridge, _)| bridge);
            let stale = if known.is_stale { " STALE" } else { "" };
            let ip_text = ip.to_string();
            let mac = known.mac.map(|mac| mac.to_string());
            let mac_text = mac.as_deref().unwrap_or("INCOMPLETE");
            let _ = writeln!(text, "{ip_text:IP_WIDTH$}{mac_text:17}   {bridge}{stale}");
            all.push(json!({ "ip": ip, "mac": mac, "bridge": bridge, "stale": known.is_stale }));
        }
        (text, json!({ "neighbours": all }))
    }

    fn show_carriers(&self, verbose: bool) -> (String, Json) {
        let (mut text, mut all) = (String::from("Listening ports:\n"), Vec::new());
        let tunnels: Vec<PortView<'_>> = self
            .config
            .bridges
            .keys()
            .flat_map(|bridge| self.ports_of(bridge))
            .filter(|port| port.state.link().is_some_and(|link| link.tunnel().is_some()))
            .collect();
        for ((kind, udp_port), carrier) in &self.tunnels.carriers {
            let of_carrier = |port: &&PortView<'_>| {
                let link = port.state.link().and_then(|link| link.tunnel());
                link.is_some_and(|link| link.carrier == carrier.no)
            };
            let ports: Vec<&PortView<'_>> = tunnels.iter().filter(of_carrier).collect();
            let name = carrier::name_of(*kind, *udp_port);
            let _ = writeln!(text, "{name} ({udp_port}) ref_cnt={}", ports.len());
            for port in ports.iter().filter(|_| verbose) {
                let link = port.state.link().and_then(|link| link.tunnel());
                let config = crate::config::tunnel_of(&port.config.settings);
                let words = config.map(|config| words(&config, link).join("  "));
                let _ = writeln!(text, "  {}: {}", port.name, words.unwrap_or_default());
            }
            let names: Vec<&str> = ports.iter().map(|port| port.name).collect();
            all.push(json!({ "name": name, "port": udp_port, "ports": names }));
        }
        (text, json!({ "listening": all }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys::assign;
    use crate::config::{ObjectRef, PortSettings, tunnel_of};

    #[test]
    fn a_tunnel_in_a_few_words() {
        for (pairs, expected) in [
            ("type=vxlan remote_ip=10.0.0.2", "remote 10.0.0.2"),
            ("type=vxlan remote_ip=10.0.0.2 key=7", "remote 10.0.0.2, key 7"),
            ("type=gre remote_ip=flow key=flow out_key=9", "remote flow, key flow in, 9 out"),
        ] {
            let mut settings = PortSettings::default();
            for pair in pairs.split(' ') {
                let (key, value) = pair.split_once('=').unwrap();
                let pair = (key.to_owned(), value.to_owned());
                assign(&ObjectRef::Port("t".into()), &mut settings, &pair).unwrap();
            }
            assert_eq!(words(&tunnel_of(&settings).unwrap(), None).join(", "), expected);
        }
    }
}
