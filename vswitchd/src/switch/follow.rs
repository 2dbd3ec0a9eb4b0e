//! Life with the kernel: interfaces come and go, and change.
//!
//! # Design
//! A `system` or `afxdp` port belongs to the interface that bears its name: it follows that name from one
//! interface to the next. A TAP of the switch belongs to the port that made it: it is followed by its
//! number, and one that leaves for another network namespace goes on working, although netlink tells
//! of its end. Only the driver knows when it is really gone ([`Event::DeviceGone`]).
//!
//! Internal ports have the smallest MTU of the other ports of their bridge, and the bridge's own has
//! the bridge's MAC address, unless they were asked for otherwise.

use datapath::engine::Event;
use packet::MacAddr;
use tracing::{info, warn};

use super::Switch;
use super::links::{Link, LinkEvent};
use super::open::ETHERNET_MTU;
use super::ports::{Device, LinkState};
use crate::config::{Bridge, PortType};

/// How often ports without a device are tried again, seconds.
pub(super) const RETRY_S: u32 = 5;

impl Switch {
    /// Takes what the link monitor tells.
    pub fn on_link(&mut self, event: LinkEvent) {
        self.ports_changed = true;
        self.tunnels_see_links();
        let is_other = self.uppers.follow(&event);
        let changed = match event {
            LinkEvent::Addresses => false, // asked for when tunnels are tended
            LinkEvent::Present(link) => self.link_present(link),
            LinkEvent::Gone { index } => self.link_gone(index),
            LinkEvent::All(links) => {
                let indexes: Vec<u32> = links.iter().map(|link| link.index).collect();
                let known: Vec<u32> = self.ports.values().filter_map(|p| p.index()).collect();
                let mut changed = false;
                for index in known.into_iter().filter(|index| !indexes.contains(index)) {
                    changed |= self.link_gone(index);
                }
                for link in links {
                    changed |= self.link_present(link);
                }
                changed
            }
        };
        if changed {
            self.follow_bridges();
            self.publish();
        } else if is_other {
            self.settle_host_copies();
        }
    }

    /// Takes what poll threads report. To be called when the engine's event descriptor is readable.
    pub fn on_engine_events(&mut self) {
        self.engine.clear_events();
        self.handle_gone();
        self.handle_links();
        self.take_handed();
    }

    pub(super) fn take_events(&mut self) {
        while let Ok(event) = self.engine.events().try_recv() {
            match event {
                Event::DeviceGone(no) => {
                    self.gone.insert(no);
                }
                Event::LinkChanged(_) => self.links_stale = true,
                Event::NeighbourHeard { port, ip, mac } => self.neighbour_heard(port, (ip, mac)),
                Event::PathWanted { remote, local } => self.path_wanted((remote, local)),
                Event::RemoteWanted { port, remote, id } => self.remote_wanted((port, remote, id)),
            }
        }
    }

    /// Follows the links that drivers know.
    pub(super) fn handle_links(&mut self) {
        if std::mem::take(&mut self.links_stale) && self.settle_devices() {
            self.publish();
        }
    }

    /// Takes over the state of devices whose driver knows their link, and the MTU that they shall have;
    /// whether anything changed.
    pub(super) fn settle_devices(&mut self) -> bool {
        let mut changed = false;
        for (name, state) in &mut self.ports {
            let Device::Attached { link: LinkState::Device { mtu, up }, .. } = &mut state.device
            else {
                continue;
            };
            let before = (*mtu, *up);
            let asked = self.config.port(name).and_then(|(_, port)| port.settings.mtu_request);
            *mtu = asked.map_or(ETHERNET_MTU, |mtu| mtu.get());
            *up = self.engine.netdev(state.no).is_some_and(|netdev| netdev.is_link_up());
            if before.1 != *up {
                info!("port {name}: link {}", if *up { "up" } else { "down" });
            }
            changed |= before != (*mtu, *up);
        }
        changed
    }

    pub(super) fn handle_gone(&mut self) {
        self.take_events();
        for no in std::mem::take(&mut self.gone) {
            let Some(name) = self.port_of_no(no).map(|port| port.name.to_owned()) else { continue };
            if self.ports.get(&name).is_some_and(|state| state.link().is_some()) {
                info!("port {name}: its device is gone");
                self.withdraw(&name, "its device is gone");
                self.follow_bridges();
                // A TAP can be made again at once; an interface is told when it is back.
                self.retry_s = self.engine.clock().now_s() + 1;
            }
        }
    }

    /// Whether the port follows a name from one interface to the next.
    fn follows_name(&self, name: &str) -> bool {
        self.config
            .port(name)
            .is_some_and(|(_, port)| port.settings.port_type().is_existing_interface())
    }

    fn port_with_index(&self, index: u32) -> Option<String> {
        self.ports.iter().find(|(_, s)| s.index() == Some(index)).map(|(name, _)| name.clone())
    }

    /// Whether anything changed for poll threads.
    fn link_present(&mut self, link: Link) -> bool {
        let mut changed = false;
        if let Some(name) = self.port_with_index(link.index) {
            if name == link.name || !self.follows_name(&name) {
                changed |= self.link_changed(&name, &link);
            } else {
                info!("port {name}: its interface is now {}", link.name);
                self.withdraw(&name, &format!("its interface was renamed to {}", link.name));
                changed = true;
            }
        }
        let Some(state) = self.ports.get(&link.name) else { return changed };
        match &state.device {
            Device::Attached { link: LinkState::Here(old), .. } if old.index != link.index => {
                // A new interface of that name; the end of the old one is yet to be told.
                if self.follows_name(&link.name) {
                    self.withdraw(&link.name, "its interface was replaced");
                    changed |= self.retry(&link.name);
                }
            }
            // Not known yet, or back from another network namespace.
            Device::Attached { link: LinkState::Away(old), .. }
                if old.as_ref().is_none_or(|old| old.index == link.index) =>
            {
                changed |= self.link_changed(&link.name, &link);
            }
            Device::Attached { .. } => {}
            Device::Absent { .. } => changed |= self.retry(&link.name),
        }
        changed
    }

    fn link_changed(&mut self, name: &str, link: &Link) -> bool {
        let Some(state) = self.ports.get_mut(name) else { return false };
        let Device::Attached { link: state, .. } = &mut state.device else { return false };
        let of = |link: &Link| (link.mac, link.has_master);
        let (was_up, old_mtu, old) = (state.is_up(), state.mtu(), state.interface().map(of));
        *state = LinkState::Here(link.clone());
        if was_up != state.is_up() {
            info!("port {name}: link {}", if state.is_up() { "up" } else { "down" });
        }
        (was_up, old_mtu, old) != (state.is_up(), state.mtu(), Some(of(link)))
    }

    fn link_gone(&mut self, index: u32) -> bool {
        let Some(name) = self.port_with_index(index) else { return false };
        if self.follows_name(&name) {
            info!("port {name}: its interface is gone");
            self.withdraw(&name, "no such interface");
            return true;
        }
        // Moved to another network namespace, or deleted: the driver tells, if it is gone.
        if let Some(state) = self.ports.get_mut(&name)
            && let Device::Attached { link, .. } = &mut state.device
        {
            *link = LinkState::Away(link.interface().cloned());
        }
        true
    }

    /// Tries to open the device of a port that has none; whether it has one now.
    fn retry(&mut self, name: &str) -> bool {
        let Some((bridge, port)) = self.config.port(name) else { return false };
        let Some(configured) = self.config.bridges.get(bridge) else { return false };
        let wishes = self.wishes((bridge, configured), name, port);
        let settings = port.settings.clone();
        self.attach_or_note(name, &settings, wishes);
        let attached = self.ports.get(name).is_some_and(|state| state.link().is_some());
        if attached {
            info!("port {name}: attached");
            if let Err(error) = self.set_requested_mtu(name, &settings) {
                warn!("{error}");
            }
        }
        attached
    }

    /// Tries to open the device of each port that has none.
    pub(super) fn retry_absent(&mut self) {
        let absent: Vec<String> = self
            .ports
            .iter()
            .filter(|(_, state)| state.link().is_none())
            .map(|(name, _)| name.clone())
            .collect();
        let mut changed = false;
        for name in absent {
            changed |= self.retry(&name);
        }
        if changed {
            self.follow_bridges();
            self.publish();
        }
    }

    /// The smallest MTU of the ports of a bridge that have one, internal ones aside.
    pub(super) fn smallest_mtu(&self, bridge: &Bridge) -> Option<u32> {
        let others = bridge.ports.iter().filter(|(_, port)| {
            let port_type = port.settings.port_type();
            port_type.is_existing_interface()
                || matches!(port_type, PortType::Tap | PortType::VhostUser)
        });
        others.filter_map(|(name, _)| Some(self.ports.get(name)?.link()?.mtu())).min()
    }

    /// Makes internal ports follow the other ports of their bridges.
    pub(super) fn follow_bridges(&mut self) {
        let mut wanted: Vec<(String, Option<u32>, Option<MacAddr>)> = Vec::new();
        for (bridge_name, bridge) in &self.config.bridges {
            for (name, port) in &bridge.ports {
                if port.settings.port_type() == PortType::Internal {
                    let wishes = self.wishes((bridge_name, bridge), name, port);
                    wanted.push((name.clone(), wishes.mtu, wishes.mac));
                }
            }
        }
        for (name, mtu, mac) in wanted {
            self.follow_port(&name, mtu, mac);
        }
    }

    fn follow_port(&mut self, name: &str, mtu: Option<u32>, mac: Option<MacAddr>) {
        let Some(link) = self.ports.get_mut(name).and_then(|state| state.interface_mut()) else {
            return;
        };
        if let Some(mtu) = mtu.filter(|mtu| *mtu != link.mtu) {
            match self.links.set_mtu(link.index, mtu) {
                Ok(()) => link.mtu = mtu,
                Err(error) => warn!("port {name}: mtu {mtu}: {error}"),
            }
        }
        if let Some(mac) = mac.filter(|mac| *mac != link.mac) {
            match self.links.set_mac(link.index, mac) {
                Ok(()) => link.mac = mac,
                Err(error) => warn!("port {name}: mac {mac}: {error}"),
            }
        }
    }
}
