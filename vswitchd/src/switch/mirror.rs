//! Mirrors: from configuration to what poll threads see, their counters, and how `show` has them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datapath::PortNo;
use datapath::l2::fdb::Fdb;
use datapath::l2::mirror::{Mirror, MirrorOutput, Mirrors, Ports};
use datapath::view::PortStats;
use serde_json::{Value as Json, json};

use super::{BridgeView, Switch, vlan};
use crate::config::value::{Value as _, VidList};
use crate::config::{Bridge, MirrorSettings};

/// What there is of a bridge's mirrors.
#[derive(Default)]
pub(super) struct MirrorStates {
    /// Counters by name; they live as long as the mirror.
    stats: BTreeMap<String, Arc<PortStats>>,
    /// Ports that are reserved for output.
    reserved: BTreeSet<PortNo>,
}

impl Switch {
    /// Makes and forgets counters with their mirrors. What was learned on ports that are reserved from
    /// now on is to be forgotten when the snapshot is published: their hosts cannot be reached.
    pub(super) fn settle_mirrors(&mut self) -> Vec<(Arc<Fdb>, PortNo)> {
        let mut orphans = Vec::new();
        for (name, bridge) in &self.config.bridges {
            let Some(state) = self.bridges.get_mut(name) else { continue };
            let mirrors = &bridge.mirrors;
            state.mirrors.stats.retain(|name, _| mirrors.contains_key(name));
            for name in mirrors.keys() {
                state.mirrors.stats.entry(name.clone()).or_default();
            }
            let outputs = mirrors.values().filter_map(MirrorSettings::output_name);
            let outputs = outputs.filter_map(|port| Some(self.ports.get(port)?.no));
            let reserved: BTreeSet<PortNo> = outputs.collect();
            let fresh = reserved.difference(&state.mirrors.reserved);
            orphans.extend(fresh.map(|no| (Arc::clone(&state.fdb), *no)));
            state.mirrors.reserved = reserved;
        }
        orphans
    }

    /// Whether a port of the bridge is reserved for a mirror's output.
    pub(super) fn is_mirror_output(&self, bridge: &str, no: PortNo) -> bool {
        self.bridges.get(bridge).is_some_and(|state| state.mirrors.reserved.contains(&no))
    }

    /// The mirrors of a bridge, as poll threads see them.
    pub(super) fn mirrors_of(&self, name: &str, bridge: &Bridge) -> Option<Arc<Mirrors>> {
        let state = self.bridges.get(name)?;
        let list = bridge.mirrors.iter().filter_map(|(mirror, settings)| {
            let stats = state.mirrors.stats.get(mirror)?;
            self.mirror(bridge, settings, stats)
        });
        Mirrors::new(list.collect()).map(Arc::new)
    }

    fn mirror(
        &self,
        bridge: &Bridge,
        settings: &MirrorSettings,
        stats: &Arc<PortStats>,
    ) -> Option<Mirror> {
        let number = |name: &str| Some(self.ports.get(name)?.no);
        let output = match (settings.output_name(), settings.output_vid()) {
            (Some(name), _) => {
                let port = bridge.ports.get(name)?;
                let vlan = vlan::port_vlan(&port.settings, &self.config.switch);
                MirrorOutput::Port(number(name)?, vlan)
            }
            (None, vid) => MirrorOutput::Vlan(vid?),
        };
        let these = |names: Vec<&str>| match settings.selects_all() {
            true => Ports::All,
            false => Ports::These(names.into_iter().filter_map(number).collect()),
        };
        Some(Mirror {
            src: these(settings.sources().collect()),
            dst: these(settings.destinations().collect()),
            vlans: settings.select_vlan.as_ref().map(|vids| vids.iter().collect()),
            output,
            snap_len: settings.snaplen.and_then(|len| usize::try_from(len.get()).ok()),
            stats: Arc::clone(stats),
        })
    }

    fn mirror_counts(&self, bridge: &str, mirror: &str) -> (u64, u64) {
        let state = self.bridges.get(bridge);
        let stats = state.and_then(|state| state.mirrors.stats.get(mirror));
        stats.map_or((0, 0), |stats| {
            (stats.sum(|c| c.tx_packets.get()), stats.sum(|c| c.tx_bytes.get()))
        })
    }

    /// A bridge's mirrors for `show` as JSON, in the words of Open vSwitch's table.
    pub(super) fn mirrors_json(&self, bridge: BridgeView<'_>) -> Json {
        let mirrors = bridge.config.mirrors.iter().map(|(name, mirror)| {
            let (packets, bytes) = self.mirror_counts(bridge.name, name);
            json!({
                "name": name,
                "select_all": mirror.selects_all(),
                "select_src_port": mirror.sources().collect::<Vec<_>>(),
                "select_dst_port": mirror.destinations().collect::<Vec<_>>(),
                "select_vlan": mirror.select_vlan.as_ref().map_or(json!([]), VidList::json),
                "output_port": mirror.output_name(),
                "output_vlan": mirror.output_vlan.map(|vlan| vlan.get()),
                "snaplen": mirror.snaplen.map(|len| len.get()),
                "statistics": { "tx_packets": packets, "tx_bytes": bytes },
            })
        });
        mirrors.collect()
    }

    /// A bridge's mirrors for `show`, a line each.
    pub(super) fn mirrors_text(&self, bridge: BridgeView<'_>) -> Vec<String> {
        let mirrors = bridge.config.mirrors.iter().map(|(name, mirror)| {
            let (packets, bytes) = self.mirror_counts(bridge.name, name);
            let settings = crate::config::keys::present(mirror);
            let settings: Vec<String> =
                settings.map(|(key, value)| format!("{key}={}", value.text)).collect();
            format!("Mirror {name}  {}  {packets} packets {bytes} bytes", settings.join(" "))
        });
        mirrors.collect()
    }
}
