//! Ports in OpenFlow's words: descriptions, statistics, and what PORT_MOD changes.
//!
//! # Design
//! A port's configuration bits live in its [`PortState`]; that it is down is asked of the device, and
//! told to it, where it is an interface of the kernel. Every other device keeps the bit. What
//! connections are told of ports is found by comparing descriptions with those told last, so that no
//! cause of a change can be forgotten; that is done when something may have changed.
//!
//! # Invariants
//! A port of the description has a number; one whose device is missing is described as down.
//!
//! # Thread-safety
//! For the control thread.
//!
//! # References
//! OpenFlow 1.0.2 §5.3.1, §5.3.4–5.3.5; 1.3.5 §7.3.1, §7.3.4.3, §7.3.5.6–7.3.5.8; Open vSwitch's
//! `ofproto.c` for what is left open.

use std::collections::BTreeMap;

use openflow::counters::{PortStats, QUEUE_ALL, QueueRequest};
use openflow::port::{
    OfPort, PortConfig, PortDesc, PortMod, PortReason, PortState as OfState, PortStatus,
};
use openflow::queue::QueueConfig;
use openflow::switch::{Capabilities, Features, FragHandling, SwitchDesc};
use openflow::{Message, OfpError, StatsReply, StatsRequest, Version};
use packet::MacAddr;

use super::of_features;
use super::ports::LinkState;
use super::show::counts::Counts;
use super::{PortView, Switch};
use crate::ofproto::bridge::age;
use crate::ofproto::notice::{Asker, Event, Notice};

/// Tables that controllers use (the last one, 254, is the switch's own in Open vSwitch).
const N_TABLES: u8 = 254;
/// The actions of OpenFlow 1.0: all of them.
const ACTIONS_V10: u32 = 0xfff;

/// The descriptions that connections were told last, by port.
pub(super) type ToldPorts = BTreeMap<OfPort, PortDesc>;

impl Switch {
    /// Answers a message about ports, or about the bridge as such; `None` for others.
    pub fn of_port_request(
        &mut self,
        bridge: &str,
        by: Asker,
        message: &Message,
    ) -> Option<Result<Vec<Message>, OfpError>> {
        let reply = match message {
            Message::FeaturesRequest => {
                Message::FeaturesReply(self.of_features(bridge, by.version))
            }
            Message::PortMod(change) => {
                return Some(self.port_mod(bridge, change).map(|()| Vec::new()));
            }
            Message::QueueConfigRequest(port) => {
                let all = QueueRequest { port: *port, queue: QUEUE_ALL };
                let checked = self.check_queues(bridge, all);
                return Some(checked.map(|()| {
                    let config = QueueConfig { port: *port, queues: Vec::new() };
                    vec![Message::QueueConfigReply(config)]
                }));
            }
            Message::StatsRequest(request) => {
                let reply = match request {
                    StatsRequest::Desc => StatsReply::Desc(Box::new(desc(bridge))),
                    StatsRequest::PortDesc(port) => {
                        StatsReply::PortDesc(self.port_descs(bridge, *port))
                    }
                    StatsRequest::Port(port) => StatsReply::Port(self.port_stats(bridge, *port)),
                    StatsRequest::Queue(request) => {
                        let checked = self.check_queues(bridge, *request);
                        return Some(
                            checked
                                .map(|()| vec![Message::StatsReply(StatsReply::Queue(Vec::new()))]),
                        );
                    }
                    StatsRequest::QueueDesc(request) => {
                        let checked = self.check_queues(bridge, *request);
                        let reply = Message::StatsReply(StatsReply::QueueDesc(Vec::new()));
                        return Some(match checked {
                            // The request has an error of its own.
                            Err(OfpError::QofBadQueue) => Err(OfpError::NxqofQueueError),
                            checked => checked.map(|()| vec![reply]),
                        });
                    }
                    _ => return None,
                };
                Message::StatsReply(reply)
            }
            _ => return None,
        };
        Some(Ok(vec![reply]))
    }

    /// What a bridge does with fragments.
    #[must_use]
    pub fn frag_handling(&self, bridge: &str) -> FragHandling {
        self.bridges.get(bridge).map_or(FragHandling::Normal, |state| state.frag)
    }

    /// Says what a bridge does with fragments (SET_CONFIG).
    pub fn set_frag_handling(&mut self, bridge: &str, frag: FragHandling) {
        if let Some(state) = self.bridges.get_mut(bridge) {
            state.frag = frag;
            self.flows_seen_otherwise(bridge);
        }
    }

    /// Ports that came, went or changed since this was last asked.
    pub(super) fn take_port_notices(&mut self) -> Vec<Notice> {
        if !std::mem::take(&mut self.ports_changed) {
            return Vec::new();
        }
        let mut notices = Vec::new();
        let names: Vec<String> = self.bridges.keys().cloned().collect();
        for name in names {
            let now: ToldPorts = self
                .port_descs(&name, OfPort::NONE)
                .into_iter()
                .map(|desc| (desc.port, desc))
                .collect();
            let Some(state) = self.bridges.get_mut(&name) else { continue };
            let before = std::mem::replace(&mut state.told_ports, now.clone());
            notices.extend(changes(&before, &now).map(|status| Notice {
                bridge: name.clone(),
                event: Event::PortStatus(Box::new(status)),
            }));
        }
        notices
    }

    fn of_features(&self, bridge: &str, version: Version) -> Features {
        let dpid = self.config.bridges.get(bridge).map_or(0, |b| self.datapath_id(bridge, b));
        let mut capabilities = Capabilities::FLOW_STATS
            | Capabilities::TABLE_STATS
            | Capabilities::PORT_STATS
            | Capabilities::QUEUE_STATS
            | Capabilities::BUNDLES;
        // Bit 3 is spanning tree in OpenFlow 1.0, and no later version has bit 7.
        capabilities = capabilities
            | if version == Version::V10 {
                Capabilities::ARP_MATCH_IP
            } else {
                Capabilities::GROUP_STATS
            };
        let mut ports = Vec::new();
        if version == Version::V10 {
            ports = self.port_descs(bridge, OfPort::NONE);
            // More do not fit a message; who sees so many asks for descriptions.
            ports.truncate(MAX_FEATURES_PORTS);
        }
        let (n_tables, actions) = (N_TABLES, ACTIONS_V10);
        Features {
            datapath_id: dpid,
            n_tables,
            capabilities,
            actions,
            ports,
            ..Features::default()
        }
    }

    /// One port, or all of them for NONE; none for a number that no port has.
    fn of_ports<'a>(
        &'a self,
        bridge: &'a str,
        port: OfPort,
    ) -> impl Iterator<Item = (OfPort, PortView<'a>)> {
        self.ports_of(bridge)
            .filter_map(|view| Some((OfPort(view.config.ofport?.get()), view)))
            .filter(move |(number, _)| port == OfPort::NONE || port == *number)
    }

    fn port_descs(&self, bridge: &str, port: OfPort) -> Vec<PortDesc> {
        let desc = |(number, view): (OfPort, PortView<'_>)| {
            let is_interface = matches!(view.state.link(), Some(LinkState::Here(_)));
            let mode = is_interface.then(|| self.links.mode(view.name)).flatten();
            of_features::with_mode(port_desc(number, &view), mode)
        };
        self.of_ports(bridge, port).map(desc).collect()
    }

    fn port_stats(&self, bridge: &str, port: OfPort) -> Vec<PortStats> {
        let now_ns = self.engine.clock().now_ns();
        let stats = |(number, view): (OfPort, PortView<'_>)| {
            let counts = Counts::of(&view.state.stats);
            let age = age(now_ns, view.state.since_ns);
            PortStats {
                rx_packets: counts.get("rx_packets"),
                tx_packets: counts.get("tx_packets"),
                rx_bytes: counts.get("rx_bytes"),
                tx_bytes: counts.get("tx_bytes"),
                rx_dropped: counts.get("rx_dropped"),
                tx_dropped: counts.get("tx_dropped"),
                rx_errors: counts.get("rx_errors"),
                tx_errors: counts.get("tx_errors"),
                rx_over_err: counts.get("rx_missed_errors"),
                // What a device refuses before the switch sees it is not counted here.
                rx_frame_err: 0,
                rx_crc_err: 0,
                collisions: 0,
                duration: Some(age),
                ..PortStats::unknown(number)
            }
        };
        self.of_ports(bridge, port).map(stats).collect()
    }

    /// No port has queues.
    fn check_queues(&self, bridge: &str, request: QueueRequest) -> Result<(), OfpError> {
        if request.port != OfPort::NONE && self.of_ports(bridge, request.port).next().is_none() {
            return Err(OfpError::QofBadPort);
        }
        if request.queue == QUEUE_ALL { Ok(()) } else { Err(OfpError::QofBadQueue) }
    }

    fn port_mod(&mut self, bridge: &str, change: &PortMod) -> Result<(), OfpError> {
        let port =
            self.of_ports(bridge, change.port).next().filter(|_| change.port != OfPort::NONE);
        let (_, view) = port.ok_or(OfpError::PmfBadPort)?;
        if hw_addr(&view) != change.hw_addr {
            return Err(OfpError::PmfBadHwAddr);
        }
        let (name, before) = (view.name.to_owned(), config_of(&view));
        let mut toggled = PortConfig((before.0 ^ change.config.0) & change.mask.0);
        if toggled.contains(PortConfig::PORT_DOWN) && !self.set_down(&name, change.config) {
            toggled.0 &= !PortConfig::PORT_DOWN.0;
        }
        if let Some(state) = self.ports.get_mut(&name).filter(|_| !toggled.is_empty()) {
            state.of_config.0 ^= toggled.0;
            self.publish();
        }
        Ok(())
    }

    /// Sets a device up or down; whether that could be done. One that is no interface keeps the bit.
    fn set_down(&mut self, name: &str, config: PortConfig) -> bool {
        let Some(state) = self.ports.get_mut(name) else { return false };
        match state.link() {
            Some(LinkState::Here(_)) => {}
            Some(LinkState::Device { .. } | LinkState::Virtual { .. } | LinkState::Tunnel(_)) => {
                return true;
            }
            Some(LinkState::Away(_) | LinkState::Patch) | None => return false,
        }
        let Some(link) = state.interface_mut() else { return false };
        let admin = super::links::Admin::of(!config.contains(PortConfig::PORT_DOWN));
        match self.links.set_admin(link.index, admin) {
            Ok(()) => {
                link.admin_up = admin == super::links::Admin::Up;
                // Poll threads do not send to a link that is down.
                self.publish();
                true
            }
            Err(error) => {
                tracing::warn!("port {name}: cannot be set {}: {error}", admin.word());
                false
            }
        }
    }
}

/// Ports that a FEATURES_REPLY of OpenFlow 1.0 has room for: 48 bytes each behind 32.
const MAX_FEATURES_PORTS: usize = (65535 - 32) / 48;

fn desc(bridge: &str) -> SwitchDesc {
    SwitchDesc {
        manufacturer: "vswitch".to_owned(),
        hardware: "userspace switch".to_owned(),
        software: env!("CARGO_PKG_VERSION").to_owned(),
        serial: "None".to_owned(),
        datapath: bridge.to_owned(),
    }
}

/// The bits that are kept, and what the device says.
pub(super) fn config_of(port: &PortView<'_>) -> PortConfig {
    let kept = port.state.of_config;
    match port.state.link() {
        Some(LinkState::Here(link)) if link.admin_up => {
            PortConfig(kept.0 & !PortConfig::PORT_DOWN.0)
        }
        Some(LinkState::Here(_)) | None => kept | PortConfig::PORT_DOWN,
        Some(_) => kept,
    }
}

fn hw_addr(port: &PortView<'_>) -> MacAddr {
    port.state.mac().unwrap_or(MacAddr::ZERO)
}

fn port_desc(number: OfPort, port: &PortView<'_>) -> PortDesc {
    let config = config_of(port);
    let is_up =
        port.state.link().is_some_and(LinkState::is_up) && !config.contains(PortConfig::PORT_DOWN);
    PortDesc {
        port: number,
        hw_addr: hw_addr(port),
        name: port.name.to_owned(),
        config,
        state: if is_up { OfState::LIVE } else { OfState::LINK_DOWN },
        ..PortDesc::default()
    }
}

/// What is to be told, deletions first.
fn changes<'a>(
    before: &'a ToldPorts,
    now: &'a ToldPorts,
) -> impl Iterator<Item = PortStatus> + use<'a> {
    let status = |reason, desc: &PortDesc| PortStatus { reason, desc: desc.clone() };
    // A number that goes over to another port is one that goes, and one that comes.
    let is_same = |a: &PortDesc, b: &PortDesc| a.name == b.name;
    let stays = move |all: &ToldPorts, desc: &PortDesc| {
        all.get(&desc.port).is_some_and(|other| is_same(other, desc))
    };
    let gone = before.values().filter(move |desc| !stays(now, desc));
    let gone = gone.map(move |desc| status(PortReason::Delete, desc));
    let other = now.values().filter_map(move |desc| match before.get(&desc.port) {
        Some(old) if old == desc => None,
        Some(old) if is_same(old, desc) => Some(status(PortReason::Modify, desc)),
        _ => Some(status(PortReason::Add, desc)),
    });
    gone.chain(other)
}

#[cfg(test)]
mod tests;
