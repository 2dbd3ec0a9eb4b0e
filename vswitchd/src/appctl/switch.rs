//! The switch, as commands see it.

use datapath::engine::ThreadReport;
use serde_json::Value as Json;

use super::view::{BridgeView, Inspect, PortView, SwitchView};
use crate::config::value::Value as _;
use crate::config::{OfPort, PortSettings, PortType, peer_of};
use crate::rpc::Takeover;
use crate::switch::of_dump::Cached;
use crate::switch::of_trace::Traced;
use crate::switch::{self, Switch, Underlay};

impl SwitchView for Switch {
    fn bridges(&self) -> Vec<BridgeView> {
        let bridges = Switch::bridges(self).map(|bridge| {
            let mut ports: Vec<PortView> = self.ports_of(bridge.name).map(view_of).collect();
            ports.sort_by(|a, b| a.name.cmp(&b.name));
            let remotes = self.remotes().collect();
            BridgeView { name: bridge.name.to_owned(), fdb: bridge.fdb.clone(), ports, remotes }
        });
        bridges.collect()
    }

    fn carriers(&self) -> Vec<PortView> {
        Switch::carriers(self)
            .map(|(name, no, kind, stats)| PortView {
                name,
                ofport: OfPort::LOCAL,
                no: Some(no),
                kind: kind.to_owned(),
                options: Vec::new(),
                stats: stats.clone(),
            })
            .collect()
    }

    fn threads(&self) -> Vec<ThreadReport> {
        self.engine().threads()
    }

    fn now_s(&self) -> u32 {
        self.engine().clock().now_s()
    }

    fn n_sampled(&self) -> u64 {
        Switch::n_sampled(self)
    }

    fn n_cached_flows(&mut self) -> usize {
        self.n_cached().values().sum()
    }

    fn inspect(&mut self, what: Inspect, params: &[String]) -> Result<String, String> {
        match what {
            Inspect::Trace => self.trace(params, Traced::Packet),
            Inspect::TracePacketOut => self.trace(params, Traced::PacketOut),
            Inspect::CachedFlows => self.dump_cached(params, Cached::All),
            Inspect::CachedFlowsOfBridge => self.dump_cached(params, Cached::OfBridge),
            Inspect::Rules => self.dump_rules(params.first().map_or("", String::as_str)),
            Inspect::Upcalls => Ok(self.show_upcalls()),
        }
    }

    fn underlay(&mut self, what: Underlay, params: &[String]) -> Result<(String, Json), String> {
        Switch::underlay(self, what, params)
    }

    fn show(&self, params: &[String]) -> Result<String, String> {
        Switch::show(self, params)
    }

    fn capture(&mut self, params: &[String]) -> Result<(String, Takeover), String> {
        let (words, stream) = Switch::capture(self, params)?;
        Ok((words, Takeover::new(move |socket, unsent| stream.start(socket, unsent))))
    }

    fn transact(&mut self, params: &[String]) -> Result<String, String> {
        Switch::transact(self, params)
    }
}

fn view_of(port: switch::PortView<'_>) -> PortView {
    PortView {
        name: port.name.to_owned(),
        ofport: port.config.ofport.unwrap_or(OfPort::LOCAL),
        no: port.state.link().is_some().then_some(port.state.no),
        kind: kind(&port.config.settings).to_owned(),
        options: options(&port.config.settings),
        stats: port.state.stats.clone(),
    }
}

/// The type that the datapath sees: an internal port is a TAP.
fn kind(settings: &PortSettings) -> &'static str {
    match settings.port_type() {
        PortType::Internal => PortType::Tap.word(),
        other => other.word(),
    }
}

fn options(settings: &PortSettings) -> Vec<(String, String)> {
    let mut options = Vec::new();
    options.extend(settings.file.as_ref().map(|file| ("file".to_owned(), file.text())));
    options.extend(peer_of(settings).map(|peer| ("peer".to_owned(), peer.to_owned())));
    options.extend(settings.remote_ip.map(|ip| ("remote_ip".to_owned(), ip.text())));
    options.extend(settings.local_ip.map(|ip| ("local_ip".to_owned(), ip.text())));
    options.extend(settings.key.map(|key| ("key".to_owned(), key.text())));
    options.extend(settings.dst_port.map(|port| ("dst_port".to_owned(), port.text())));
    options.extend(settings.n_rxq.as_ref().map(|n| ("n_rxq".to_owned(), n.text())));
    options
}
