//! A change of configuration, all or nothing.
//!
//! # Design
//! 1. **stage**: numbers are given out, and the configuration is written beside the old one, so that
//!    a full disk disturbs no port.
//! 2. **prepare**: devices of new ports are opened and attached, devices whose settings changed opened
//!    anew, interfaces and poll threads changed. Each step notes how to undo it. No frame of a port
//!    that does not change is touched.
//! 3. **save**: the new configuration takes the place of the old one on disk.
//! 4. **commit**: cannot fail. A snapshot is published, and what is no longer configured is closed.
//!
//! When a step of the first three fails, the steps before it are undone in reverse.

use std::collections::BTreeSet;

use datapath::BridgeId;
use datapath::engine::PollCpus;
use packet::MacAddr;
use tracing::{info, warn};

use super::bridges::{BridgeState, random_mac};
use super::ports::{Wishes, of_device};
use super::{Switch, SwitchError, vlan};
use crate::config::value::CpuList;
use crate::config::{Bridge, Config, OfPort, Port, PortSettings, PortType};

/// How to undo a step.
enum Undo {
    /// Close the device of a new port, and forget the port.
    NewPort(String),
    /// Forget a new bridge.
    NewBridge(String),
    /// Open the device as before.
    Reopened(String, Box<PortSettings>, Wishes),
    /// Give an interface its old MTU.
    Mtu(String, u32, u32),
    /// Give an interface its old MAC address.
    Mac(String, u32, MacAddr),
    /// Poll as before.
    PollCpus(PollCpus),
}

/// The poll threads that a list asks for.
pub(super) fn poll_cpus(cpus: Option<&CpuList>) -> PollCpus {
    cpus.map_or(PollCpus::One, |cpus| PollCpus::Pinned(cpus.cpus().to_vec()))
}

impl Switch {
    /// Makes the switch follow `next`, and keeps it on disk; or changes nothing.
    pub(super) fn change_to(&mut self, mut next: Config) -> Result<(), SwitchError> {
        let mut undo = Vec::new();
        let saved = self.prepare_and_save(&mut next, &mut undo);
        if let Err(error) = saved {
            self.revert(undo);
            return Err(error);
        }
        self.commit(next);
        Ok(())
    }

    fn prepare_and_save(
        &mut self,
        next: &mut Config,
        undo: &mut Vec<Undo>,
    ) -> Result<(), SwitchError> {
        self.assign_numbers(next, undo)?;
        let staged = self.store.stage(next)?;
        self.prepare(next, undo)?;
        Ok(staged.commit()?)
    }

    fn prepare(&mut self, next: &Config, undo: &mut Vec<Undo>) -> Result<(), SwitchError> {
        for (bridge_name, bridge) in &next.bridges {
            for (name, port) in &bridge.ports {
                let wishes = self.wishes((bridge_name, bridge), name, port);
                self.prepare_port(name, port, wishes, undo)?;
            }
        }
        if next.switch.poll_cpus != self.config.switch.poll_cpus {
            let cpus = poll_cpus(next.switch.poll_cpus.as_ref());
            self.engine.set_poll_cpus(&cpus)?;
            undo.push(Undo::PollCpus(std::mem::replace(&mut self.poll_cpus, cpus)));
        }
        Ok(())
    }

    fn prepare_port(
        &mut self,
        name: &str,
        port: &Port,
        wishes: Wishes,
        undo: &mut Vec<Undo>,
    ) -> Result<(), SwitchError> {
        let failed = |source| SwitchError::Port { name: name.to_owned(), source };
        let Some((old_bridge, old)) = self.config.port(name) else {
            let state = self.new_port(name)?;
            self.ports.insert(name.to_owned(), state);
            undo.push(Undo::NewPort(name.to_owned()));
            self.attach(name, &port.settings, wishes).map_err(failed)?;
            return self.prepare_mtu(name, &port.settings, undo);
        };
        let old_settings = old.settings.clone();
        if of_device(&old_settings) == of_device(&port.settings) {
            return self.prepare_link(name, (&old_settings, &port.settings), undo);
        }
        let bridge = self.config.bridges.get(old_bridge);
        let old_wishes = bridge.map(|bridge| self.wishes((old_bridge, bridge), name, old));
        // A TAP made anew keeps its address: neighbours know it.
        let mac = self.ports.get(name).and_then(|state| state.mac());
        let keep = |wishes: Wishes| Wishes { mac: wishes.mac.or(mac), ..wishes };
        let (wishes, old_wishes) = (keep(wishes), keep(old_wishes.unwrap_or_default()));
        // The old device is closed first: two would share the interface's frames, or its name.
        self.withdraw(name, "opened anew");
        undo.push(Undo::Reopened(name.to_owned(), Box::new(old_settings), old_wishes));
        self.attach(name, &port.settings, wishes).map_err(failed)?;
        self.prepare_mtu(name, &port.settings, undo)
    }

    fn prepare_mtu(
        &mut self,
        name: &str,
        settings: &PortSettings,
        undo: &mut Vec<Undo>,
    ) -> Result<(), SwitchError> {
        if let Some((index, old)) = self.set_requested_mtu(name, settings)? {
            undo.push(Undo::Mtu(name.to_owned(), index, old));
        }
        Ok(())
    }

    /// Changes the MTU and the MAC address of an interface that stays open.
    fn prepare_link(
        &mut self,
        name: &str,
        (old, new): (&PortSettings, &PortSettings),
        undo: &mut Vec<Undo>,
    ) -> Result<(), SwitchError> {
        if old.mtu_request != new.mtu_request {
            self.prepare_mtu(name, new, undo)?;
        }
        let Some(link) = self.ports.get_mut(name).and_then(|state| state.interface_mut()) else {
            return Ok(());
        };
        let mac = new.mac.filter(|mac| old.mac != Some(*mac)).map(|mac| mac.get());
        if let Some(mac) = mac.filter(|mac| *mac != link.mac) {
            self.links.set_mac(link.index, mac).map_err(|source| SwitchError::Link {
                name: name.to_owned(),
                key: "mac",
                value: mac.to_string(),
                source,
            })?;
            undo.push(Undo::Mac(name.to_owned(), link.index, link.mac));
            link.mac = mac;
        }
        Ok(())
    }

    fn revert(&mut self, undo: Vec<Undo>) {
        for step in undo.into_iter().rev() {
            match step {
                Undo::NewPort(name) => {
                    self.detach(&name, "");
                    if let Some(state) = self.ports.remove(&name) {
                        self.port_numbers.put(state.no.get());
                    }
                }
                Undo::NewBridge(name) => {
                    if let Some(state) = self.bridges.remove(&name) {
                        self.bridge_numbers.put(state.id.0);
                    }
                }
                Undo::Reopened(name, settings, wishes) => {
                    self.withdraw(&name, "opened anew");
                    self.attach_or_note(&name, &settings, wishes);
                }
                Undo::Mtu(name, index, mtu) => {
                    let undone = self.links.set_mtu(index, mtu);
                    self.note_undone(&name, undone, |link| link.mtu = mtu);
                }
                Undo::Mac(name, index, mac) => {
                    let undone = self.links.set_mac(index, mac);
                    self.note_undone(&name, undone, |link| link.mac = mac);
                }
                Undo::PollCpus(cpus) => match self.engine.set_poll_cpus(&cpus) {
                    Ok(()) => self.poll_cpus = cpus,
                    Err(error) => warn!("{error}"),
                },
            }
        }
        self.publish();
    }

    fn note_undone(
        &mut self,
        name: &str,
        undone: std::io::Result<()>,
        apply: impl FnOnce(&mut super::links::Link),
    ) {
        match (undone, self.ports.get_mut(name).and_then(|state| state.interface_mut())) {
            (Ok(()), Some(link)) => apply(link),
            (Err(error), _) => warn!("port {name}: cannot be set back: {error}"),
            _ => {}
        }
    }

    /// Opens a port's device; if that fails, the port is kept with the reason.
    pub(super) fn attach_or_note(&mut self, name: &str, settings: &PortSettings, wishes: Wishes) {
        let Err(error) = self.attach(name, settings, wishes) else { return };
        let error = error.of_port(name);
        if let Some(state) = self.ports.get_mut(name) {
            let device = super::ports::Device::Absent { error: error.clone() };
            let old = std::mem::replace(&mut state.device, device);
            // Said once, not at every attempt.
            if !matches!(old, super::ports::Device::Absent { error: old } if old == error) {
                warn!("port {name}: {error}");
            }
        }
    }

    /// Cannot fail: the configuration is on disk.
    fn commit(&mut self, next: Config) {
        let old = std::mem::replace(&mut self.config, next);
        self.config_changed = true;
        for (name, bridge) in &self.config.bridges {
            if let Some(state) = self.bridges.get_mut(name) {
                state.follow(&bridge.settings);
            }
        }
        self.follow_bridges();
        self.publish();
        let now_s = self.engine.clock().now_s();
        for (bridge_name, bridge) in &old.bridges {
            for (name, port) in &bridge.ports {
                self.settle_port((bridge_name, name), port, now_s);
            }
            if !self.config.bridges.contains_key(bridge_name)
                && let Some(state) = self.bridges.remove(bridge_name)
            {
                self.bridge_numbers.put(state.id.0);
                info!("bridge {bridge_name}: removed");
            }
        }
        self.close_idle_carriers();
        self.follow_captures();
    }

    /// Does what a change of a port leaves to be done once poll threads act by the new snapshot.
    fn settle_port(&mut self, (bridge, name): (&str, &str), old: &Port, now_s: u32) {
        let (stays, new) = match self.config.port(name) {
            Some((new_bridge, port)) => (new_bridge == bridge, Some(port.clone())),
            None => (false, None),
        };
        let renumbered = new.as_ref().is_none_or(|new| new.ofport != old.ofport);
        if let Some(state) = self.bridges.get_mut(bridge) {
            if !stays || renumbered {
                old.ofport.into_iter().for_each(|ofport| state.ofports.free(ofport, now_s));
            }
            let same = new.as_ref().is_some_and(|new| {
                vlan::same_vlan(&old.settings, &new.settings)
                    && old.settings.peer == new.settings.peer
            });
            if let Some(port) = self.ports.get(name)
                && !(stays && same)
            {
                state.fdb.flush(Some(port.no), None);
            }
        }
        match new {
            None => {
                self.detach(name, "");
                if let Some(state) = self.ports.remove(name) {
                    self.port_numbers.put(state.no.get());
                }
                info!("bridge {bridge}: port {name} removed");
            }
            Some(new) if new.settings.rxq_affinity != old.settings.rxq_affinity => {
                let pairs = new.settings.rxq_affinity.map_or_else(Vec::new, |a| a.pairs().to_vec());
                if let Some(state) = self.ports.get(name) {
                    self.engine.set_affinity(state.no, &pairs);
                }
            }
            Some(_) => {}
        }
    }

    /// Takes up the configuration of the store. Devices that are missing do not stop it.
    pub(super) fn start_with(&mut self, mut config: Config) -> Result<(), SwitchError> {
        let read = config.clone();
        let mut undo = Vec::new();
        self.assign_numbers(&mut config, &mut undo)?;
        if config != read {
            // Numbers and addresses were given out, which are to be the same next time. A disk that
            // refuses is no reason not to forward.
            if let Err(error) = self.store.save(&config) {
                warn!("{error}");
            }
        }
        let names = config.bridges.values().flat_map(|bridge| bridge.ports.keys());
        for name in names {
            let state = self.new_port(name)?;
            self.ports.insert(name.clone(), state);
        }
        self.config = config;
        self.config_changed = true;
        self.retry_absent();
        self.follow_bridges();
        self.publish();
        Ok(())
    }

    /// Gives each new bridge a number and an address, and each new port an OpenFlow number.
    fn assign_numbers(
        &mut self,
        next: &mut Config,
        undo: &mut Vec<Undo>,
    ) -> Result<(), SwitchError> {
        let now_s = self.engine.clock().now_s();
        for (name, bridge) in &mut next.bridges {
            if !self.bridges.contains_key(name) {
                let limit = self.bridge_numbers.limit();
                let no_number = || SwitchError::NoNumber { what: format!("bridge {name}"), limit };
                let id = BridgeId(self.bridge_numbers.take().ok_or_else(no_number)?);
                self.bridges.insert(name.clone(), BridgeState::new(id, &bridge.settings));
                undo.push(Undo::NewBridge(name.clone()));
            }
            bridge.random_mac.get_or_insert_with(random_mac);
            if let Some(state) = self.bridges.get_mut(name) {
                assign_ofports(bridge, |taken| state.ofports.allocate(taken, now_s))?;
            }
        }
        Ok(())
    }

    /// The MAC address and MTU for a port's device, should the switch make it.
    pub(super) fn wishes(&self, bridge: (&str, &Bridge), name: &str, port: &Port) -> Wishes {
        let mtu = port.settings.mtu_request.map(|mtu| mtu.get());
        let mac = if name == bridge.0 {
            self.bridge_mac(bridge.0, bridge.1)
        } else {
            port.settings.mac.map(|mac| mac.get())
        };
        match port.settings.port_type() {
            PortType::Internal => Wishes { mac, mtu: mtu.or(self.smallest_mtu(bridge.1)) },
            _ => Wishes { mac, mtu },
        }
    }
}

/// Gives OpenFlow numbers to the ports that ask for one or have none. Requests come first: a number
/// that one port asks for must not go to another that does not care.
fn assign_ofports(
    bridge: &mut Bridge,
    mut allocate: impl FnMut(&BTreeSet<OfPort>) -> Option<OfPort>,
) -> Result<(), SwitchError> {
    let mut taken = BTreeSet::new();
    for port in bridge.ports.values_mut() {
        let request = port.settings.ofport_request.and_then(|n| u16::try_from(n.get()).ok());
        port.ofport = request.and_then(OfPort::new).or(port.ofport);
        taken.extend(port.ofport);
    }
    for (name, port) in bridge.ports.iter_mut().filter(|(_, port)| port.ofport.is_none()) {
        let what = || format!("port {name}: ofport");
        let given = allocate(&taken).ok_or_else(|| SwitchError::NoNumber {
            what: what(),
            limit: usize::from(OfPort::MAX),
        })?;
        port.ofport = Some(given);
        taken.insert(given);
    }
    Ok(())
}
