//! The switch: the one owner of configuration, store, engine and ports.
//!
//! # Design
//! What the user asked for is the [`Config`]; what there is are [`ports::PortState`]s and
//! [`BridgeState`]s, one for each object of the configuration. A transaction ([`apply`]) makes the
//! second follow the first: it opens what is new, keeps the configuration on disk, and then publishes a
//! [`snapshot`]. Whatever fails before that is undone. The kernel's news ([`follow`]) change only what
//! there is: devices come and go, links go up and down. [`show`] tells both.
//!
//! # Invariants
//! - `bridges` and `ports` have exactly the keys of the configuration, between calls.
//! - A port whose device is attached is in the published snapshot; one without is not.
//! - A port's `PortNo` and counters live as long as the port is configured, whatever its device does.
//!
//! # Thread-safety
//! All methods are for the control thread, and none blocks on traffic.

mod apply;
mod bridges;
mod capture;
pub mod dummy;
mod follow;
mod host_copy;
pub mod links;
mod mirror;
mod numbers;
pub mod of_dump;
mod of_features;
mod of_messages;
mod of_packets;
mod of_ports;
pub mod of_status;
pub mod of_trace;
mod of_view;
mod ofport;
pub mod open;
mod patch;
pub mod ports;
pub mod routes;
mod show;
mod snapshot;
mod storm;
mod tunnels;
mod vlan;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datapath::engine::{Engine, EngineConfig, EngineError, PollCpus, Workers};
use datapath::l2::fdb::Fdb;
use datapath::{BridgeId, PortNo};

use crate::config::store::{Store, StoreError};
use crate::config::transact::transact;
use crate::config::value::CpuList;
use crate::config::{Bridge, Config, ConfigError, Format, OfPort, Port, command};
use bridges::BridgeState;
use host_copy::Uppers;
use links::Links;
use numbers::Numbers;
use open::PortOpener;
use ports::{OpenFailed, PortState};
use routes::Routes;
pub use tunnels::TunnelLink;
use tunnels::TunnelState;
pub use tunnels::show::Underlay;

/// What a switch is made of.
pub struct Parts {
    /// Where the configuration is kept.
    pub store: Store,
    /// How the engine is made. The poll threads of the configuration, or of `poll_cpus`, take the
    /// place of those here, unless these are inline.
    pub engine: EngineConfig,
    /// Poll threads until a command changes them; `None` for those of the configuration.
    pub poll_cpus: Option<CpuList>,
    /// Who opens devices.
    pub opener: Box<dyn PortOpener>,
    /// The kernel's interfaces.
    pub links: Box<dyn Links>,
    /// The kernel's routes.
    pub routes: Box<dyn Routes>,
}

/// Why the switch refused.
#[derive(Debug, thiserror::Error)]
pub enum SwitchError {
    /// A command, or what it asks for, is not allowed.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The configuration cannot be read or kept.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The engine refused.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A port cannot be set up.
    #[error("port {name}: {}", source.of_port(name))]
    Port {
        /// The port.
        name: String,
        /// Why.
        source: OpenFailed,
    },
    /// The kernel refused to change an interface.
    #[error("port {name}: {key}={value}: {source}")]
    Link {
        /// The port.
        name: String,
        /// What was to be changed.
        key: &'static str,
        /// To what.
        value: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The system refused a descriptor.
    #[error("OpenFlow cannot be set up: {0}")]
    OpenFlow(#[source] std::io::Error),
    /// More ports or bridges than there are numbers.
    #[error("{what}: no free number (allowed: {limit})")]
    NoNumber {
        /// Of what.
        what: String,
        /// How many there may be.
        limit: usize,
    },
}

/// A whole switch.
pub struct Switch {
    config: Config,
    store: Store,
    engine: Engine,
    /// Who polls now: not what the configuration says, where the command line said otherwise.
    poll_cpus: PollCpus,
    opener: Box<dyn PortOpener>,
    links: Box<dyn Links>,
    /// Carriers, and the ways to remote hosts.
    tunnels: TunnelState,
    /// Interfaces that stand on others.
    uppers: Uppers,
    bridges: BTreeMap<String, BridgeState>,
    ports: BTreeMap<String, PortState>,
    port_numbers: Numbers,
    bridge_numbers: Numbers,
    /// Ports whose device a poll thread found gone.
    gone: BTreeSet<PortNo>,
    /// A driver said that a link may have changed.
    links_stale: bool,
    /// Captures that run, and some that did.
    captures: Vec<capture::Running>,
    /// OpenFlow, of all bridges.
    of: of_view::OpenFlow,
    /// When ports without a device are tried again, seconds of the clock.
    retry_s: u32,
    /// When the use of queues is sampled next, seconds of the clock.
    sample_s: u32,
    /// Ports may have changed since connections were told of them.
    ports_changed: bool,
    /// The configuration has changed since this was last asked.
    config_changed: bool,
}

/// How often the use of queues is sampled, seconds ([`Engine::sample`]).
const SAMPLE_S: u32 = 5;

/// A bridge, as the switch knows it.
#[derive(Clone, Copy)]
pub struct BridgeView<'a> {
    /// Its name.
    pub name: &'a str,
    /// What was asked for.
    pub config: &'a Bridge,
    /// Its forwarding database.
    pub fdb: &'a Arc<Fdb>,
}

/// A port, as the switch knows it.
#[derive(Clone, Copy)]
pub struct PortView<'a> {
    /// The bridge's name.
    pub bridge: &'a str,
    /// Its name.
    pub name: &'a str,
    /// What was asked for.
    pub config: &'a Port,
    /// What there is.
    pub state: &'a PortState,
}

impl Switch {
    /// A switch with the configuration of its store. A port whose device is missing or refuses is
    /// kept, and tried again.
    ///
    /// # Errors
    /// The configuration cannot be read, or the engine cannot be made.
    pub fn new(parts: Parts) -> Result<Switch, SwitchError> {
        let config = parts.store.load()?;
        let cpus = parts.poll_cpus.as_ref().or(config.switch.poll_cpus.as_ref());
        let poll_cpus = apply::poll_cpus(cpus);
        let workers = match parts.engine.workers {
            Workers::Inline => Workers::Inline,
            Workers::Threads(_) => Workers::Threads(poll_cpus.clone()),
        };
        let of = of_view::OpenFlow::new()?;
        let handlers = Some(of.shared.factory());
        let engine = Engine::new(EngineConfig { workers, handlers, ..parts.engine })?;
        let mut switch = Switch {
            config: Config::default(),
            store: parts.store,
            engine,
            poll_cpus,
            opener: parts.opener,
            links: parts.links,
            tunnels: TunnelState::new(parts.routes),
            uppers: Uppers::default(),
            bridges: BTreeMap::new(),
            ports: BTreeMap::new(),
            port_numbers: Numbers::new(usize::from(PortNo::MAX) + 1),
            bridge_numbers: Numbers::new(BridgeId::NONE.index()),
            gone: BTreeSet::new(),
            links_stale: false,
            captures: Vec::new(),
            of,
            retry_s: 0,
            sample_s: 0,
            ports_changed: true,
            config_changed: true,
        };
        switch.start_with(config)?;
        Ok(switch)
    }

    /// Runs configuration commands, all or none (`vswitch/transact`): `[--format=text|json]`, then
    /// the words of the commands, separated by `--`. What they print.
    ///
    /// # Errors
    /// One line: why nothing was done.
    pub fn transact(&mut self, params: &[String]) -> Result<String, String> {
        let (format, words) = Format::take(params)?;
        let outputs = self.run(words).map_err(|error| one_line(&error.to_string()))?;
        Ok(outputs.iter().map(|output| output.print(format)).collect())
    }

    fn run(&mut self, words: &[String]) -> Result<Vec<crate::config::output::Output>, SwitchError> {
        let commands = command::parse(words)?;
        let outcome = transact(&self.config, &commands)?;
        if outcome.config != self.config {
            self.change_to(outcome.config)?;
        }
        Ok(outcome.outputs)
    }

    /// The state of one bridge or of all (`vswitch/show`): `[--format=text|json] [BR]`.
    ///
    /// # Errors
    /// One line: there is no such bridge.
    pub fn show(&self, params: &[String]) -> Result<String, String> {
        let (format, names) = Format::take(params)?;
        let name = match names {
            [] => None,
            [name] if self.config.bridges.contains_key(name) => Some(name.as_str()),
            [name] => {
                return Err(crate::config::transact::missing_bridge(&self.config, name).to_string());
            }
            _ => return Err("show: wrong arguments (usage: show [BR])".to_owned()),
        };
        let bridges = self.config.bridges.keys().map(String::as_str);
        let names: Vec<&str> =
            bridges.filter(|bridge| name.is_none_or(|name| name == *bridge)).collect();
        Ok(match format {
            Format::Text => show::text::print(self, &names),
            Format::Json => format!("{}\n", show::json::print(self, &names)),
        })
    }

    /// What was asked for.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Whether the configuration has changed since this was last asked.
    pub fn take_config_changed(&mut self) -> bool {
        std::mem::take(&mut self.config_changed)
    }

    /// The engine.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The engine, to be driven or sampled. Its ports and snapshots are the switch's.
    pub fn engine_mut(&mut self) -> &mut Engine {
        &mut self.engine
    }

    /// The bridge of that name.
    #[must_use]
    pub fn bridge(&self, name: &str) -> Option<BridgeView<'_>> {
        let (name, config) = self.config.bridges.get_key_value(name)?;
        Some(BridgeView { name, config, fdb: &self.bridges.get(name)?.fdb })
    }

    /// All bridges, by name.
    pub fn bridges(&self) -> impl Iterator<Item = BridgeView<'_>> {
        self.config.bridges.keys().filter_map(|name| self.bridge(name))
    }

    /// The ports of a bridge, by OpenFlow number; its own, LOCAL, comes last.
    pub fn ports_of<'a>(&'a self, bridge: &'a str) -> impl Iterator<Item = PortView<'a>> {
        let configured = self.config.bridges.get(bridge).into_iter().flat_map(|b| &b.ports);
        let mut ports: Vec<_> = configured
            .filter_map(|(name, config)| {
                Some(PortView { bridge, name, config, state: self.ports.get(name)? })
            })
            .collect();
        ports.sort_by_key(|port| port.config.ofport);
        ports.into_iter()
    }

    /// The port of that name.
    #[must_use]
    pub fn port(&self, name: &str) -> Option<PortView<'_>> {
        let (name, state) = self.ports.get_key_value(name)?;
        let (bridge, config) = self.config.port(name)?;
        Some(PortView { bridge, name, config, state })
    }

    /// The port of that number in the datapath.
    #[must_use]
    pub fn port_of_no(&self, no: PortNo) -> Option<PortView<'_>> {
        let no = self.shown_no(no);
        let (name, _) = self.ports.iter().find(|(_, state)| state.no == no)?;
        self.port(name)
    }

    /// The port of that OpenFlow number.
    #[must_use]
    pub fn port_of_ofport(&self, bridge: &str, ofport: OfPort) -> Option<PortView<'_>> {
        let ports = &self.config.bridges.get(bridge)?.ports;
        self.port(ports.iter().find(|(_, port)| port.ofport == Some(ofport))?.0)
    }

    /// To be called about once a second: ageing, samples of usage, and ports that wait for a device.
    pub fn tick(&mut self) {
        let now_s = self.engine.clock().now_s();
        for bridge in self.bridges.values() {
            bridge.fdb.expire(now_s);
        }
        self.report_flaps();
        self.handle_gone();
        self.tend_neighbours();
        self.tend_remotes();
        self.handle_links();
        self.tend_flows();
        if now_s >= self.sample_s {
            self.sample_s = now_s + SAMPLE_S;
            self.engine.sample();
        }
        if now_s >= self.retry_s {
            self.retry_s = now_s + follow::RETRY_S;
            self.retry_absent();
        }
    }
}

/// Errors are printed on one line, whatever a device or file was called.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests;
