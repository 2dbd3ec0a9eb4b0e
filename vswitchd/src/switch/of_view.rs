//! From bridges, ports and flows to what translations see.
//!
//! # Design
//! The [`View`] is published before the snapshot of the datapath, so that a poll thread that takes
//! both has no port that its tables do not know. A bridge whose flows need no flow stage (none at all,
//! or NORMAL alone) gets a program that does without; what the datapath then counts is credited to the
//! flow, and to its table, as if it had been looked up.
//!
//! # Thread-safety
//! For the control thread.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use datapath::l2::mirror::Mirrors;
use datapath::snapshot::Version;
use datapath::view::{BridgeStats, PortKind, Program};
use openflow::OfPort;
use openflow::port::PortConfig;
use openflow::switch::FragHandling;

use super::of_ports::config_of;
use super::{Switch, SwitchError, vlan};
use crate::config::model::FailMode;
use crate::config::segment_of;
use crate::ofproto::bridge::{Cx, Ofproto, Shape};
use crate::ofproto::handler::Shared;
use crate::ofproto::ledger::{Credit, Entry, Found, Ledger, Source};
use crate::ofproto::meter_slots::MeterSlots;
use crate::ofproto::notice::{Asker, Event, Notice};
use crate::ofproto::rule::Counts;
use crate::ofproto::tables::N_TABLES;
use crate::ofproto::view::{Miss, View, XBridge, XPort};

/// OpenFlow, of all bridges.
pub(super) struct OpenFlow {
    /// What poll threads share.
    pub shared: Arc<Shared>,
    /// The control thread's own translations.
    pub ledger: Arc<Ledger>,
    /// The datapath's meters.
    pub meters: MeterSlots,
    /// What connections have not been told.
    pub notices: Vec<Notice>,
    /// The view published last.
    pub version: Version,
    /// What distinguishes this run from others.
    pub seed: u64,
}

impl OpenFlow {
    pub fn new() -> Result<OpenFlow, SwitchError> {
        let shared = Shared::new().map_err(SwitchError::OpenFlow)?;
        let (ledger, version) = (shared.ledger(), shared.publisher.subscribe().version());
        let (meters, seed) = (MeterSlots::default(), RandomState::new().hash_one(1));
        Ok(OpenFlow { shared, ledger, meters, notices: Vec::new(), version, seed })
    }

    /// The view that is published next.
    pub fn next(&self) -> Version {
        Version(self.version.0 + 1)
    }
}

/// By what a bridge forwards when nobody has said anything.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Mode {
    fail_mode: FailMode,
    has_controllers: bool,
}

/// The flows of a bridge, and how the datapath goes about them.
pub(super) struct BridgeFlows {
    /// Flows, groups, meters.
    pub ofproto: Ofproto,
    /// What happens to packets that no flow matches.
    pub miss: Miss,
    mode: Option<Mode>,
    ports: Arc<BTreeMap<OfPort, XPort>>,
    mirrors: Option<Arc<Mirrors>>,
    ports_changed: Version,
    program: Program,
    stats: Arc<BridgeStats>,
    /// Whom `stats` is credited to.
    credited: Option<Arc<Counts>>,
}

impl Default for BridgeFlows {
    fn default() -> BridgeFlows {
        BridgeFlows {
            ofproto: Ofproto::new(RandomState::new().hash_one(0)),
            miss: Miss::default(),
            mode: None,
            ports: Arc::default(),
            mirrors: None,
            ports_changed: Version(0),
            // Another than any that is chosen first, so that what is chosen is credited.
            program: Program::Flows,
            stats: Arc::default(),
            credited: None,
        }
    }
}

impl BridgeFlows {
    /// What the datapath does with frames.
    pub fn program(&self) -> Program {
        self.program
    }

    /// What the datapath counts of frames that no cached flow counts.
    pub fn stats(&self) -> &Arc<BridgeStats> {
        &self.stats
    }

    /// Its ports, as translations see them.
    pub fn ports(&self) -> &Arc<BTreeMap<OfPort, XPort>> {
        &self.ports
    }

    fn wanted_program(&self, frags: FragHandling) -> Program {
        let takes_fragments = frags != FragHandling::Drop;
        // A port that is down is so in the datapath, too.
        let is_told = |port: &XPort| port.config.0 & !PortConfig::PORT_DOWN.0 != 0;
        let is_plain = !self.ports.values().any(is_told);
        match self.ofproto.shape() {
            Shape::Normal if is_plain && takes_fragments => Program::Normal,
            Shape::Empty if self.miss == Miss::Drop && self.mirrors.is_none() => Program::Drop,
            _ => Program::Flows,
        }
    }

    /// Chooses the program; whether it is another one.
    fn choose_program(&mut self, (next, frags): (Version, FragHandling), ledger: &Ledger) -> bool {
        let program = self.wanted_program(frags);
        let credited = match program {
            Program::Normal => self.only_flow(next),
            _ => None,
        };
        let same_counts = match (&credited, &self.credited) {
            (Some(new), Some(old)) => Arc::ptr_eq(new, old),
            (new, old) => new.is_none() && old.is_none(),
        };
        if program == self.program && same_counts {
            return false;
        }
        self.program = program;
        self.stats = Arc::default();
        self.credited = credited;
        if program != Program::Flows {
            let found = if program == Program::Normal { Found::Flow } else { Found::Nothing };
            let table = Credit::Table(Arc::clone(self.ofproto.tables()), 0, found);
            let credits = self.credited.clone().map(Credit::Counts).into_iter().chain([table]);
            let (source, credits) = (Source::Bridge(Arc::clone(&self.stats)), credits.collect());
            ledger.enter(Entry { source, credits, kept: Box::default() });
        }
        true
    }

    /// Of the flow that every packet matches.
    fn only_flow(&self, version: Version) -> Option<Arc<Counts>> {
        let flows = self.ofproto.tables().get(0)?.read();
        let (_, rule) = flows.iter(version).max_by_key(|(_, rule)| rule.priority())?;
        Some(Arc::clone(&rule.what.counts))
    }
}

impl Switch {
    /// Changes the flows of a bridge; what the change returns. `None`: there is no such bridge.
    pub(super) fn with_flows<T>(
        &mut self,
        bridge: &str,
        by: Option<Asker>,
        change: impl FnOnce(&mut Ofproto, &mut Cx<'_>) -> T,
    ) -> Option<T> {
        let state = self.bridges.get_mut(bridge)?;
        let mut events = Vec::new();
        let mut cx = Cx {
            now_ns: self.engine.clock().now_ns(),
            next: self.of.next(),
            by,
            events: &mut events,
            meters: &mut self.of.meters,
        };
        let result = change(&mut state.openflow.ofproto, &mut cx);
        self.notify(bridge, events);
        Some(result)
    }

    /// Has connections told.
    pub(super) fn notify(&mut self, bridge: &str, events: Vec<Event>) {
        let notices = events.into_iter().map(|event| Notice { bridge: bridge.to_owned(), event });
        self.of.notices.extend(notices);
    }

    /// Configures tables, and gives bridges the flow that they have by themselves, where how they forward
    /// is new or another.
    pub(super) fn settle_flows(&mut self) {
        let names: Vec<String> = self.config.bridges.keys().cloned().collect();
        for name in names {
            let Some(settings) = self.config.bridges.get(&name).map(|bridge| &bridge.settings)
            else {
                continue;
            };
            let tables: Vec<_> = (0..N_TABLES).map(|table| settings.of_table(table)).collect();
            let mode = Mode {
                fail_mode: settings.fail_mode.unwrap_or(FailMode::Standalone),
                has_controllers: settings.controller.is_some(),
            };
            let Some(state) = self.bridges.get_mut(&name) else { continue };
            let old = state.openflow.mode.replace(mode);
            let is_other = old.is_none_or(|old| {
                old.has_controllers != mode.has_controllers
                    || (old.fail_mode != mode.fail_mode && !mode.has_controllers)
            });
            self.with_flows(&name, None, |ofproto, cx| {
                for (table, settings) in (0..).zip(tables) {
                    ofproto.set_table(cx, table, settings);
                }
            });
            if is_other {
                let is_standalone = mode.fail_mode == FailMode::Standalone;
                self.with_flows(&name, None, |ofproto, cx| {
                    ofproto.clear(cx);
                    if is_standalone && !mode.has_controllers {
                        ofproto.add_normal(cx);
                    }
                });
            }
        }
    }

    /// Publishes bridges and flows as they are now, and ports as they were settled; whether the datapath's snapshot has to
    /// follow.
    pub(super) fn publish_view(&mut self) -> bool {
        let next = self.of.next();
        let mut is_other = self.of.meters.take_changed();
        let mut view = View::default();
        for (name, state) in &mut self.bridges {
            let flows = &mut state.openflow;
            flows.ofproto.take_dirty();
            if flows.ofproto.take_new_options() {
                flows.ports_changed = next;
                self.tunnels.is_other = true;
                is_other = true;
            }
            is_other |= flows.choose_program((next, state.frag), &self.of.ledger);
            for port in flows.ports.values() {
                put(&mut view.ports, port.no.index(), (state.id, port.ofport));
            }
            let bridge = XBridge {
                id: state.id,
                name: name.as_str().into(),
                tables: Arc::clone(flows.ofproto.tables()),
                ports: Arc::clone(&flows.ports),
                ports_changed: flows.ports_changed,
                groups: Arc::clone(flows.ofproto.groups()),
                groups_changed: flows.ofproto.groups_changed(),
                meters: Arc::clone(flows.ofproto.meters()),
                options: Arc::clone(flows.ofproto.options()),
                miss: flows.miss,
                frags: state.frag,
                mirrors: flows.mirrors.clone(),
            };
            put(&mut view.bridges, state.id.index(), Arc::new(bridge));
        }
        for (no, of, _) in self.remotes() {
            if let Some(main) = view.ports.get(of.index()).copied().flatten() {
                put(&mut view.ports, no.index(), main);
            }
        }
        self.of.version = self.of.shared.publisher.publish(view);
        is_other
    }

    /// Publishes how a bridge goes about packets, after that has changed; nothing translated before holds.
    pub(super) fn flows_seen_otherwise(&mut self, bridge: &str) {
        let next = self.of.next();
        if let Some(state) = self.bridges.get_mut(bridge) {
            state.openflow.ports_changed = next;
        }
        if self.publish_view() {
            self.publish_snapshot();
        }
    }

    /// Makes what translations see of ports follow what there is.
    pub(super) fn settle_xports(&mut self) {
        let next = self.of.next();
        let names: Vec<String> = self.config.bridges.keys().cloned().collect();
        for name in names {
            let ports = self.xports(&name);
            let bridge = self.config.bridges.get(&name);
            let mirrors = bridge.and_then(|bridge| self.mirrors_of(&name, bridge));
            let Some(state) = self.bridges.get_mut(&name) else { continue };
            let is_same = match (&state.openflow.mirrors, &mirrors) {
                (Some(old), Some(new)) => old.is_same(new),
                (old, new) => old.is_none() && new.is_none(),
            };
            if !is_same {
                state.openflow.mirrors = mirrors;
                state.openflow.ports_changed = next;
            }
            if *state.openflow.ports != ports {
                state.openflow.ports = Arc::new(ports);
                state.openflow.ports_changed = next;
            }
        }
    }

    fn xports(&self, bridge: &str) -> BTreeMap<OfPort, XPort> {
        let ports = self.ports_of(bridge).filter_map(|port| {
            let link = port.state.link()?;
            let ofport = OfPort(port.config.ofport?.get());
            let is_segment = segment_of(&port.config.settings).is_some();
            let (peer, tunnel) = match self.port_kind(&port)? {
                PortKind::Patch { peer } => (Some(peer), None),
                PortKind::Tunnel(tunnel) => (None, Some(Arc::new(tunnel.config.clone()))),
                PortKind::Device | PortKind::Carrier => (None, None),
            };
            let (no, name, up) = (port.state.no, port.name.into(), link.is_up());
            let config = config_of(&port);
            let vlan = vlan::port_vlan(&port.config.settings, &self.config.switch);
            let vlan = Arc::new(vlan);
            let port = XPort { no, ofport, name, peer, tunnel, vlan, is_segment, up, config };
            Some((ofport, port))
        });
        ports.collect()
    }

    /// Packets that `sample` actions were asked to take, as far as has been counted.
    #[must_use]
    pub fn n_sampled(&self) -> u64 {
        self.bridges.values().map(|state| state.openflow.ofproto.tables().sampled()).sum()
    }

    /// To be called about once a second: statistics, timeouts, and memory of flows that are gone.
    pub(super) fn tend_flows(&mut self) {
        self.settle_ledgers();
        let names: Vec<String> = self.bridges.keys().cloned().collect();
        for name in &names {
            self.with_flows(name, None, Ofproto::expire);
        }
        self.flush_openflow();
        // A poll thread that sleeps is woken only if there is something to free.
        let tables = self.bridges.values().map(|state| state.openflow.ofproto.tables());
        if tables.flat_map(|tables| tables.iter()).any(|(_, table)| table.is_to_be_purged()) {
            self.engine.sync();
            self.purge_flows();
        }
    }

    /// Frees flows that no poll thread sees. All have taken the newest view.
    pub(super) fn purge_flows(&mut self) {
        let version = self.of.version;
        self.bridges.values_mut().for_each(|state| state.openflow.ofproto.purge(version));
    }
}

fn put<T>(slots: &mut Vec<Option<T>>, at: usize, value: T) {
    if slots.len() <= at {
        slots.resize_with(at + 1, || None);
    }
    slots[at] = Some(value);
}
