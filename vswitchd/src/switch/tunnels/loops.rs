//! Tunnels whose packets lead into themselves.
//!
//! # Design
//! A way into a bridge is none if the bridge has nothing but the tunnel to send by: the outer packet
//! would be put into another outer packet, and so on. Bridges that are joined by patch ports, and
//! tunnels that are the way out of such a bridge, are followed. The datapath bounds what is left.

use std::collections::{BTreeMap, BTreeSet};

use datapath::tunnel::{Address, TunnelConfig, Way};
use datapath::view::PortKind;

use super::super::Switch;
use super::resolve::{Egress, Resolved};
use crate::config::{PortType, peer_of};

/// What was found out of bridges while ports are settled.
#[derive(Default)]
pub(super) struct Outlets(BTreeMap<String, Outlet>);

/// How frames of a bridge's host get out.
#[derive(Clone)]
struct Outlet {
    is_open: bool,
    /// The bridges that such a frame may come through.
    bridges: BTreeSet<String>,
}

impl Switch {
    /// Why the way of a tunnel port of that bridge is none, if it leads into the tunnel itself.
    pub(super) fn leads_into_itself(
        &self,
        bridge: &str,
        config: &TunnelConfig,
        resolved: &Resolved,
        outlets: &mut Outlets,
    ) -> Option<String> {
        let entry = self.entry(resolved.egress.as_ref());
        match (resolved.path.way, config.remote, config.local) {
            (Way::Host, Address::Is(remote), Address::Any | Address::Flow)
                if self.is_own(remote) =>
            {
                Some(format!("remote_ip {remote} is an address of this host"))
            }
            (Way::Bridge(_) | Way::NoNeighbour, Address::Is(remote), _) => {
                let (name, entry) = entry?;
                let outlet = match outlets.0.get(name) {
                    Some(outlet) => outlet.clone(),
                    None => {
                        let mut bridges = BTreeSet::new();
                        let is_open = self.has_outlet(name, &mut bridges);
                        let outlet = Outlet { is_open, bridges };
                        outlets.0.insert(name.to_owned(), outlet.clone());
                        outlet
                    }
                };
                (!outlet.is_open && outlet.bridges.contains(bridge)).then(|| {
                    format!("the route to {remote} leads by port {entry} into the tunnel itself")
                })
            }
            _ => None,
        }
    }

    /// Bridge and name of the port by which outer packets enter a bridge, if they do.
    fn entry<'a>(&'a self, egress: Option<&Egress>) -> Option<(&'a str, &'a str)> {
        let (name, _) = self.ports.get_key_value(egress?.port.as_deref()?)?;
        let (bridge, port) = self.config.port(name)?;
        let is_hosts = matches!(port.settings.port_type(), PortType::Internal | PortType::Tap);
        is_hosts.then_some((bridge, name))
    }

    /// Whether a bridge sends by something else than tunnels that lead back to it.
    fn has_outlet(&self, bridge: &str, seen: &mut BTreeSet<String>) -> bool {
        if !seen.insert(bridge.to_owned()) {
            return false;
        }
        let mut is_open = false;
        for port in self.ports_of(bridge) {
            let settings = &port.config.settings;
            let Some(link) = port.state.link() else { continue };
            // All are looked at, also when one is open: who may be reached matters, too.
            is_open |= match (settings.port_type(), link.tunnel()) {
                (PortType::Internal, _) => false,
                (PortType::Patch, _) => {
                    let peer = peer_of(settings).and_then(|peer| self.config.port(peer));
                    peer.is_some_and(|(other, _)| self.has_outlet(other, seen))
                }
                (_, Some(tunnel)) => match (self.entry(tunnel.egress.as_ref()), &tunnel.egress) {
                    (Some((other, _)), _) => self.has_outlet(other, seen),
                    (None, Some(_)) => true,
                    (None, None) => false,
                },
                _ => matches!(self.port_kind(&port), Some(PortKind::Device)),
            };
        }
        is_open
    }
}
