//! Interfaces by which the host's stack gets a second copy of what the datapath opens.
//!
//! # Design
//! Where this host's address is on a bridge's own port, the uplink is a port without an address, which
//! packet sockets serve. Where the kernel hears what arrives there as well ([`host_copy`]: before Linux
//! 6.6, or because the user wants it to), the bridge's port and the uplink may share a MAC address, so it
//! takes the packets for its own, and the carrier would receive what the datapath has opened. Carriers
//! are told to receive nothing from such interfaces. One that has an address of its own is the host's
//! way, and stays.
//!
//! [`host_copy`]: super::super::host_copy

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::super::ports::Device;
use super::super::{PortView, Switch};
use super::ends_tunnels;
use crate::config::{PortType, peer_of};

impl Switch {
    /// Tells carriers which interfaces to receive nothing from, where that is another set than before.
    pub(in crate::switch) fn settle_shunned(&mut self) {
        if self.tunnels.carriers.is_empty() {
            return;
        }
        let shunned = self.shunned();
        for (key, carrier) in &mut self.tunnels.carriers {
            if carrier.shunned == shunned {
                continue;
            }
            let told = self.engine.netdev(carrier.no).map_or(Ok(()), |dev| dev.shun(&shunned));
            match told {
                Ok(()) => carrier.shunned.clone_from(&shunned),
                Err(error) => tracing::warn!("{key:?}: {error}"),
            }
        }
    }

    fn shunned(&self) -> Vec<u32> {
        let bridges = self.bridges_with(|port| self.is_end(port));
        let ports = bridges.iter().flat_map(|bridge| self.ports_of(bridge));
        let uplinks = ports.filter_map(|port| {
            let Device::Attached { driver, link, .. } = &port.state.device else { return None };
            let port_type = port.config.settings.port_type();
            let index = link.index()?;
            let is_uplink = port_type == PortType::System && !ends_tunnels(port_type, driver);
            (is_uplink && !self.has_address(index)).then_some(index)
        });
        let mut shunned: Vec<u32> = uplinks.collect();
        shunned.sort_unstable();
        shunned
    }

    /// Whether outer packets to a port's addresses are opened in the datapath.
    fn is_end(&self, port: &PortView<'_>) -> bool {
        let Device::Attached { driver, link, .. } = &port.state.device else { return false };
        ends_tunnels(port.config.settings.port_type(), driver)
            && link.index().is_some_and(|index| self.has_address(index))
    }

    /// Whether the kernel has told this host's addresses.
    pub(in crate::switch) fn knows_addresses(&self) -> bool {
        self.tunnels.knows_addresses
    }

    /// Whether an interface has an address that tunnels may have. A link-local one has every interface.
    pub(in crate::switch) fn has_address(&self, index: u32) -> bool {
        let is_global = |ip: IpAddr| match ip {
            IpAddr::V4(_) => true,
            IpAddr::V6(ip) => !ip.is_unicast_link_local(),
        };
        let mut own = self.tunnels.addresses.iter().filter(|address| address.index == index);
        own.any(|address| is_global(address.ip))
    }

    /// The bridges that have such a port, and those that are joined to them.
    pub(in crate::switch) fn bridges_with(
        &self,
        is_such: impl Fn(&PortView<'_>) -> bool,
    ) -> BTreeSet<String> {
        let mut bridges = BTreeSet::new();
        for bridge in self.config.bridges.keys() {
            if self.ports_of(bridge).any(|port| is_such(&port)) {
                self.joined(bridge, &mut bridges);
            }
        }
        bridges
    }

    /// The bridges that are joined to one by patch ports, and itself.
    pub(super) fn joined(&self, bridge: &str, seen: &mut BTreeSet<String>) {
        if !seen.insert(bridge.to_owned()) {
            return;
        }
        for port in self.ports_of(bridge) {
            let peer = peer_of(&port.config.settings).and_then(|peer| self.config.port(peer));
            if let Some((other, _)) = peer {
                self.joined(other, seen);
            }
        }
    }
}
