//! From configuration and state to what poll threads see.

use std::sync::Arc;

use datapath::view::{self, Snapshot, VidSet};
use openflow::port::PortConfig;

use super::{Switch, vlan};
use crate::config::{Bridge, MirrorSettings};

impl Switch {
    /// Publishes the configuration and state as they are now.
    pub(super) fn publish(&mut self) {
        self.settle_devices();
        let mut orphans = self.settle_patches();
        orphans.extend(self.settle_mirrors());
        let left = self.settle_segments();
        self.settle_tunnels();
        self.settle_storm();
        self.settle_flows();
        self.settle_xports();
        self.publish_view();
        self.publish_snapshot();
        self.ports_changed = true;
        self.release_remotes(left);
        self.close_idle_carriers();
        for (fdb, port) in orphans {
            fdb.flush(Some(port), None);
        }
    }

    /// Publishes what poll threads see beside flows; when it returns, they act by it.
    pub(super) fn publish_snapshot(&mut self) {
        self.make_tunnels();
        self.settle_shunned();
        self.settle_host_copies();
        self.settle_groups();
        let snapshot = self.snapshot();
        self.engine.publish(snapshot);
    }

    fn snapshot(&self) -> Snapshot {
        let meters = self.of.meters.all().to_vec();
        let mut snapshot = Snapshot { meters, ..Snapshot::default() };
        for (name, bridge) in &self.config.bridges {
            let Some(state) = self.bridges.get(name) else { continue };
            let mut numbers = Vec::new();
            for port in self.ports_of(name) {
                let Some(link) = port.state.link() else { continue };
                let Some(kind) = self.port_kind(&port) else { continue };
                let no = port.state.no;
                numbers.push(no);
                let mut vlan = vlan::port_vlan(&port.config.settings, &self.config.switch);
                if self.is_mirror_output(name, no) {
                    vlan.carried = VidSet::empty();
                }
                let seen = view::Port {
                    no,
                    bridge: state.id,
                    kind,
                    terminator: self.terminator_of(&port),
                    vlan,
                    up: link.is_up(),
                    no_flood: port.state.of_config.contains(PortConfig::NO_FLOOD),
                    no_fwd: port.state.of_config.contains(PortConfig::NO_FWD),
                    storm: port.state.storm.clone(),
                    mtu: link.mtu(),
                    stats: Arc::clone(&port.state.stats),
                };
                put(&mut snapshot.ports, no.index(), seen);
            }
            let seen = view::Bridge {
                id: state.id,
                program: state.openflow.program(),
                stats: Arc::clone(state.openflow.stats()),
                fdb: Arc::clone(&state.fdb),
                ports: numbers,
                forward_bpdu: bridge.settings.forward_bpdu.unwrap_or(false),
                flood_vlans: flood_vlans(bridge),
                mirrors: self.mirrors_of(name, bridge),
            };
            put(&mut snapshot.bridges, state.id.index(), seen);
        }
        self.add_tunnels(&mut snapshot);
        snapshot
    }
}

pub(super) fn put<T>(slots: &mut Vec<Option<Arc<T>>>, at: usize, value: T) {
    if slots.len() <= at {
        slots.resize_with(at + 1, || None);
    }
    slots[at] = Some(Arc::new(value));
}

/// Those that the user named, and those that mirrors send to: addresses in copies are elsewhere.
fn flood_vlans(bridge: &Bridge) -> VidSet {
    let asked = bridge.settings.flood_vlans.iter().flat_map(|vids| vids.iter());
    asked.chain(bridge.mirrors.values().filter_map(MirrorSettings::output_vid)).collect()
}
