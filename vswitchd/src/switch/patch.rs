//! Patch ports: up when both ends are there.
//!
//! # Design
//! A patch port has no device. What takes its place is the peer: a port whose peer is configured is
//! attached, one whose peer is missing is absent, and neither in the snapshot nor forgotten. That
//! follows from the configuration alone, so it is settled whenever a snapshot is made.

use std::sync::Arc;

use datapath::PortNo;
use datapath::l2::fdb::Fdb;
use datapath::view::PortKind;
use tracing::info;

use super::ports::{Device, LinkState, PortState};
use super::{PortView, Switch};
use crate::config::{Port, PortType, peer_of};

/// The driver's name, where one must be given.
const DRIVER: &str = PortType::Patch.word();

/// Ports whose peer went away: what was learned there is to be forgotten.
pub(super) type Orphans = Vec<(Arc<Fdb>, PortNo)>;

impl Switch {
    /// Attaches patch ports whose peer is there, and detaches the others.
    pub(super) fn settle_patches(&mut self) -> Orphans {
        let mut orphans = Orphans::new();
        for (bridge, configured) in &self.config.bridges {
            for (name, port) in &configured.ports {
                let (Some(peer), Some(state)) = (peer_of(&port.settings), self.ports.get_mut(name))
                else {
                    continue;
                };
                let joined = match &state.device {
                    Device::Attached { link: LinkState::Patch, .. } => true,
                    Device::Attached { .. } => continue, // of another type until a moment ago
                    Device::Absent { .. } => false,
                };
                let is_patch = |port: &Port| port.settings.port_type() == PortType::Patch;
                let join = self.config.port(peer).is_some_and(|(_, port)| is_patch(port));
                state.device = if join {
                    Device::Attached {
                        driver: DRIVER,
                        reason: None,
                        link: LinkState::Patch,
                        host_copy: None,
                    }
                } else {
                    Device::Absent { error: format!("peer {peer} does not exist") }
                };
                if join != joined {
                    info!("port {name}: peer {peer} is {}", if join { "there" } else { "gone" });
                }
                if joined
                    && !join
                    && let Some(bridge) = self.bridges.get(bridge)
                {
                    orphans.push((bridge.fdb.clone(), state.no));
                }
            }
        }
        orphans
    }

    /// What the datapath does with a port's frames; `None` if it can do nothing.
    pub(super) fn port_kind(&self, port: &PortView<'_>) -> Option<PortKind> {
        if let Some(link) = port.state.link().and_then(|link| link.tunnel()) {
            return link.tunnel.clone().map(PortKind::Tunnel);
        }
        if !is_patch(port.state) {
            return Some(PortKind::Device);
        }
        let peer = self.ports.get(peer_of(&port.config.settings)?)?;
        is_patch(peer).then_some(PortKind::Patch { peer: peer.no })
    }
}

fn is_patch(state: &PortState) -> bool {
    matches!(state.link(), Some(LinkState::Patch))
}
