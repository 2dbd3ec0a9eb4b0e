//! Storm limits of ports, and addresses that flap.

use std::sync::Arc;

use datapath::l2::fdb::{FLAP_WINDOW_S, Flap};
use datapath::l2::storm::{Storm, StormRates};
use serde_json::{Map, Value as Json, json};
use tracing::warn;

use super::Switch;
use crate::config::PortSettings;

/// The limits that a port's settings ask for; 0 is none.
pub(super) fn rates(settings: &PortSettings) -> StormRates {
    let limit = |pps: Option<u32>| pps.filter(|pps| *pps > 0);
    StormRates {
        broadcast: limit(settings.storm_broadcast.map(|n| n.get())),
        unknown: limit(settings.storm_unknown.map(|n| n.get())),
        multicast: limit(settings.storm_multicast.map(|n| n.get())),
    }
}

/// The limits by name.
fn named(rates: StormRates) -> impl Iterator<Item = (&'static str, u32)> {
    let all = [
        ("broadcast", rates.broadcast),
        ("unknown", rates.unknown),
        ("multicast", rates.multicast),
    ];
    all.into_iter().filter_map(|(name, pps)| Some((name, pps?)))
}

/// `storm broadcast 100/s, unknown 50/s`, for `show`.
pub(super) fn words(settings: &PortSettings) -> Option<String> {
    let limits: Vec<_> = named(rates(settings)).map(|(k, pps)| format!("{k} {pps}/s")).collect();
    (!limits.is_empty()).then(|| format!("storm {}", limits.join(", ")))
}

/// The limits for `show --json`.
pub(super) fn json(settings: &PortSettings) -> Map<String, Json> {
    named(rates(settings)).map(|(name, pps)| (name.to_owned(), pps.into())).collect()
}

impl Switch {
    /// Gives ports the limits of their settings; those that stay the same go on counting.
    pub(super) fn settle_storm(&mut self) {
        for bridge in self.config.bridges.values() {
            for (name, port) in &bridge.ports {
                let wanted = Some(rates(&port.settings)).filter(|rates| !rates.is_unlimited());
                if let Some(state) = self.ports.get_mut(name)
                    && state.storm.as_ref().map(|storm| storm.rates()) != wanted
                {
                    state.storm = wanted.map(|rates| Arc::new(Storm::new(rates)));
                }
            }
        }
    }

    /// Logs the addresses that flap: each at most once per [`FLAP_WINDOW_S`], and not more than the
    /// log's limit for one message.
    pub(super) fn report_flaps(&self) {
        for (bridge, state) in &self.bridges {
            for flap in state.fdb.take_flaps() {
                let text = self.flap_words(&flap);
                warn!("bridge {bridge}: {text}: is there a loop, or an address twice?");
            }
        }
    }

    /// What flaps on a bridge now, in words.
    pub(super) fn flaps(&self, bridge: &str) -> Vec<Flap> {
        let now_s = self.engine.clock().now_s();
        self.bridges.get(bridge).map(|state| state.fdb.flapping(now_s)).unwrap_or_default()
    }

    /// An address that flaps, in words.
    pub(super) fn flap_words(&self, flap: &Flap) -> String {
        let [from, to] = self.ports_of_flap(flap);
        format!(
            "{} of VLAN {} flaps between ports {from} and {to}, {} moves in {FLAP_WINDOW_S} s",
            flap.mac,
            flap.vid.get(),
            flap.n_moves,
        )
    }

    /// The same for `show --json`.
    pub(super) fn flap_json(&self, flap: &Flap) -> Json {
        json!({
            "mac": flap.mac.to_string(),
            "vlan": flap.vid.get(),
            "ports": self.ports_of_flap(flap),
            "moves": flap.n_moves,
        })
    }

    /// The names of the ports, in the order of names.
    fn ports_of_flap(&self, flap: &Flap) -> [String; 2] {
        let mut names = [flap.ports.0, flap.ports.1]
            .map(|no| self.port_of_no(no).map_or_else(|| "-".to_owned(), |p| p.name.to_owned()));
        names.sort();
        names
    }
}
