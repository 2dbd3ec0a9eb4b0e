//! From configuration and state to what poll threads see.

use std::sync::Arc;

use datapath::l2::vlan::{PortVlan, VlanMode};
use datapath::view::{self, Program, Snapshot, VidSet};
use packet::Vid;

use super::{PortView, Switch};
use crate::config::model::{FailMode, VlanModeName};
use crate::config::{Bridge, PortSettings};

impl Switch {
    /// Publishes the configuration and state as they are now.
    pub(super) fn publish(&mut self) {
        let snapshot = self.snapshot();
        self.engine.publish(snapshot);
    }

    fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for (name, bridge) in &self.config.bridges {
            let Some(state) = self.bridges.get(name) else { continue };
            let mut numbers = Vec::new();
            for port in self.ports_of(name) {
                let Some(link) = port.state.link() else { continue };
                let no = port.state.no;
                numbers.push(no);
                let seen = view::Port {
                    no,
                    bridge: state.id,
                    vlan: port_vlan(&port.config.settings),
                    up: link.is_up(),
                    mtu: link.mtu(),
                    stats: Arc::clone(&port.state.stats),
                };
                put(&mut snapshot.ports, no.index(), seen);
            }
            let seen = view::Bridge {
                id: state.id,
                program: program(bridge),
                fdb: Arc::clone(&state.fdb),
                ports: numbers,
                forward_bpdu: bridge.settings.forward_bpdu.unwrap_or(false),
                flood_vlans: match &bridge.settings.flood_vlans {
                    Some(vids) => vids.iter().collect(),
                    None => VidSet::empty(),
                },
            };
            put(&mut snapshot.bridges, state.id.index(), seen);
        }
        snapshot
    }
}

fn put<T>(slots: &mut Vec<Option<Arc<T>>>, at: usize, value: T) {
    if slots.len() <= at {
        slots.resize_with(at + 1, || None);
    }
    slots[at] = Some(Arc::new(value));
}

fn program(bridge: &Bridge) -> Program {
    match bridge.settings.fail_mode.unwrap_or(FailMode::Standalone) {
        FailMode::Standalone => Program::Normal,
        FailMode::Secure => Program::Drop,
    }
}

/// The VLAN configuration of a port's settings.
pub(super) fn port_vlan(settings: &PortSettings) -> PortVlan {
    let tag = settings.tag.unwrap_or(Vid::NONE);
    let trunks = || match &settings.trunks {
        Some(vids) => vids.iter().collect(),
        None => VidSet::all(),
    };
    let native = || {
        let mut carried: VidSet = trunks();
        carried.insert(tag);
        carried
    };
    let (mode, tag, carried) = match settings.mode() {
        VlanModeName::Access => (VlanMode::Access, tag, VidSet::from_iter([tag])),
        VlanModeName::Trunk => (VlanMode::Trunk, Vid::NONE, trunks()),
        VlanModeName::NativeTagged => (VlanMode::NativeTagged, tag, native()),
        VlanModeName::NativeUntagged => (VlanMode::NativeUntagged, tag, native()),
    };
    PortVlan { mode, tag, carried }
}

/// Whether two ports treat VLANs alike.
pub(super) fn same_vlan(a: &PortSettings, b: &PortSettings) -> bool {
    (a.mode(), a.tag, &a.trunks) == (b.mode(), b.tag, &b.trunks)
}

/// All that is asked of a port whose link is up and whose device is there: for `show`.
pub(super) fn vlan_words(port: &PortView<'_>) -> Option<String> {
    use crate::config::value::Value as _;
    let settings = &port.config.settings;
    let trunks = || settings.trunks.as_ref().map(|vids| format!("trunks {}", vids.text()));
    match (settings.mode(), settings.tag) {
        (VlanModeName::Trunk, _) => trunks(),
        (VlanModeName::Access, Some(tag)) => Some(format!("tag {tag}")),
        (mode, tag) => {
            let tag = tag.unwrap_or(Vid::NONE);
            let trunks = trunks().map_or_else(String::new, |trunks| format!(", {trunks}"));
            Some(format!("{} {tag}{trunks}", mode.word()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ObjectRef;
    use crate::config::keys;

    fn vlan(pairs: &str) -> PortVlan {
        let mut settings = PortSettings::default();
        for pair in pairs.split_whitespace() {
            let (key, value) = pair.split_once('=').unwrap();
            let pair = (key.to_owned(), value.to_owned());
            keys::assign(&ObjectRef::Port("p".into()), &mut settings, &pair).unwrap();
        }
        port_vlan(&settings)
    }

    fn carried(vlan: &PortVlan) -> Vec<u16> {
        (0..4096).filter(|vid| vlan.carried.contains(Vid::new(*vid).unwrap())).collect()
    }

    #[test]
    fn modes_carry_their_vlans() {
        let port = vlan("");
        assert_eq!((port.mode, port.tag, carried(&port).len()), (VlanMode::Trunk, Vid::NONE, 4096));
        let port = vlan("trunks=0,7");
        assert_eq!((port.mode, carried(&port)), (VlanMode::Trunk, vec![0, 7]));
        let port = vlan("tag=9");
        assert_eq!((port.mode, port.tag.get(), carried(&port)), (VlanMode::Access, 9, vec![9]));
        let port = vlan("tag=9 trunks=3 vlan_mode=native-tagged");
        assert_eq!((port.mode, port.tag.get()), (VlanMode::NativeTagged, 9));
        assert_eq!(carried(&port), [3, 9]);
        let port = vlan("tag=9 vlan_mode=native-untagged");
        assert_eq!((port.mode, carried(&port).len()), (VlanMode::NativeUntagged, 4096));
    }
}
