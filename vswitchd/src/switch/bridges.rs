//! What there is of a bridge: its number, its forwarding database, its addresses.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use datapath::BridgeId;
use datapath::l2::fdb::{Fdb, FdbConfig};
use openflow::switch::FragHandling;
use packet::MacAddr;

use super::Switch;
use super::mirror::MirrorStates;
use super::of_ports::ToldPorts;
use super::of_status::OfStatus;
use super::of_view::BridgeFlows;
use super::ofport::OfPorts;
use crate::config::Bridge;
use crate::config::model::BridgeSettings;
use crate::config::value::DatapathId;

/// What there is of a bridge.
pub(super) struct BridgeState {
    /// Its number in the datapath.
    pub id: BridgeId,
    /// Its forwarding database.
    pub fdb: Arc<Fdb>,
    /// Its OpenFlow numbers.
    pub ofports: OfPorts,
    /// What there is of its mirrors.
    pub mirrors: MirrorStates,
    /// Its flows.
    pub openflow: BridgeFlows,
    /// What happens to fragments.
    pub frag: FragHandling,
    /// How it stands with its controllers.
    pub of_status: OfStatus,
    /// Its ports, as connections were told of them.
    pub told_ports: ToldPorts,
}

impl BridgeState {
    pub fn new(id: BridgeId, settings: &BridgeSettings) -> BridgeState {
        let config = FdbConfig { max_entries: settings.table_size(), aging: aging(settings) };
        BridgeState {
            id,
            fdb: Arc::new(Fdb::new(config)),
            ofports: OfPorts::default(),
            mirrors: MirrorStates::default(),
            openflow: BridgeFlows::default(),
            frag: FragHandling::Normal,
            of_status: OfStatus::default(),
            told_ports: ToldPorts::new(),
        }
    }

    /// Makes the database follow the settings, keeping what it knows.
    pub fn follow(&mut self, settings: &BridgeSettings) {
        self.fdb.set_aging(aging(settings));
        if self.fdb.stats().max_entries != settings.table_size() {
            self.fdb = Arc::new(self.fdb.resized(settings.table_size()));
        }
    }
}

fn aging(settings: &BridgeSettings) -> Duration {
    Duration::from_secs(settings.aging_s().into())
}

/// A locally administered unicast address (IEEE 802-2014 §8.4) that nobody else is likely to have.
pub(super) fn random_mac() -> MacAddr {
    let MacAddr([first, rest @ ..]) = MacAddr::from_u64(RandomState::new().hash_one(0));
    let [a, b, c, d, e] = rest;
    MacAddr([first & 0xfc | 0x02, a, b, c, d, e])
}

impl Switch {
    /// The MAC address of a bridge's own port: the one asked for, else the lowest of its `system`
    /// ports, else one made up for it, as Open vSwitch does.
    pub(super) fn bridge_mac(&self, name: &str, bridge: &Bridge) -> Option<MacAddr> {
        let of_port = bridge.ports.get(name).and_then(|port| port.settings.mac);
        let asked = of_port.or(bridge.settings.hwaddr).map(|mac| mac.get());
        let lowest = || {
            let system = bridge
                .ports
                .iter()
                .filter(|(_, port)| port.settings.port_type().is_existing_interface());
            system
                .filter_map(|(name, _)| self.ports.get(name)?.mac())
                .filter(|mac| !mac.is_multicast() && *mac != MacAddr::ZERO)
                .min()
        };
        asked.or_else(lowest).or(bridge.random_mac)
    }

    /// The OpenFlow datapath id of a bridge.
    pub(super) fn datapath_id(&self, name: &str, bridge: &Bridge) -> u64 {
        let of_mac = || self.bridge_mac(name, bridge).map(DatapathId::from_mac);
        bridge.settings.datapath_id.or_else(of_mac).map_or(0, DatapathId::get)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_up_addresses_are_local_unicast_and_differ() {
        let macs: Vec<MacAddr> = (0..8).map(|_| random_mac()).collect();
        for (i, mac) in macs.iter().enumerate() {
            assert_eq!(mac.0[0] & 3, 2, "{mac}");
            assert!(!macs[..i].contains(mac), "{mac} twice");
        }
    }
}
