//! A bridge with flows in words, to translate packets in; the fuzz target `translate` takes this file
//! too.

use std::collections::BTreeMap;
use std::sync::Arc;

use datapath::action::select::Slots;
use datapath::l2::vlan::PortVlan;
use datapath::snapshot::Version;
use datapath::{BridgeId, PortNo};
use openflow::OfPort;
use openflow::flow::{FlowCommand, GROUP_ANY};
use openflow::group::{Bucket, GroupDesc, GroupType, Selection};
use openflow::port::PortConfig;
use openflow::text::{parse_actions, parse_flow, parse_match};
use packet::FlowKey;
use packet::flow::OptionTable;
use vswitchd::ofproto::group::Group;
use vswitchd::ofproto::odp::actions::{Words, actions_text};
use vswitchd::ofproto::rule::{Counts, FlowRule};
use vswitchd::ofproto::tables::Tables;
use vswitchd::ofproto::view::{Miss, View, XBridge, XPort};
use vswitchd::ofproto::xlate::keep::Keeper;
use vswitchd::ofproto::xlate::{Start, Told, XlateIn, XlateOut, translate};

pub const VERSION: Version = Version(1);

/// A bridge `br0` with ports 1 to `n`, and LOCAL.
pub struct Lab {
    pub view: View,
    pub keeper: Keeper,
}

fn xport(number: u16) -> XPort {
    XPort {
        no: PortNo::new(if number == OfPort::LOCAL.0 { 0 } else { number }).unwrap(),
        ofport: OfPort(number),
        name: format!("p{number}").into(),
        peer: None,
        tunnel: None,
        vlan: Arc::new(PortVlan::trunk_all()),
        is_segment: false,
        up: true,
        config: PortConfig::default(),
    }
}

impl Lab {
    pub fn new(n_ports: u16, flows: &[&str]) -> Lab {
        Lab::with_options(n_ports, flows, OptionTable::EMPTY)
    }

    /// A bridge in which some options of tunnel headers are fields.
    pub fn with_options(n_ports: u16, flows: &[&str], options: OptionTable) -> Lab {
        let tables = Tables::new(7);
        for text in flows {
            add(&tables, text, &options);
        }
        let numbers = (1..=n_ports).chain([OfPort::LOCAL.0]);
        let ports: BTreeMap<OfPort, XPort> =
            numbers.map(|number| (OfPort(number), xport(number))).collect();
        let mut view = View::default();
        for port in ports.values() {
            if view.ports.len() <= port.no.index() {
                view.ports.resize(port.no.index() + 1, None);
            }
            view.ports[port.no.index()] = Some((BridgeId(0), port.ofport));
        }
        let bridge = XBridge {
            options: Arc::new(options),
            id: BridgeId(0),
            name: "br0".into(),
            tables: Arc::new(tables),
            ports: Arc::new(ports),
            ports_changed: VERSION,
            groups: Arc::default(),
            groups_changed: VERSION,
            meters: Arc::default(),
            miss: Miss::Drop,
            frags: Default::default(),
            mirrors: None,
        };
        view.bridges.push(Some(Arc::new(bridge)));
        Lab { view, keeper: Keeper::default() }
    }

    pub fn change(&mut self, change: impl FnOnce(&mut XBridge)) {
        let mut bridge = XBridge::clone(self.bridge());
        change(&mut bridge);
        self.view.bridges[0] = Some(Arc::new(bridge));
    }

    /// Adds a group whose buckets have these weights, watched ports and actions.
    pub fn group(&mut self, id: u32, kind: GroupType, buckets: &[(u16, u16, &str)]) {
        let bucket = |(n, (weight, watch, actions)): (usize, &(u16, u16, &str))| Bucket {
            id: u32::try_from(n).unwrap(),
            weight: *weight,
            watch_port: if *watch == 0 { OfPort::NONE } else { OfPort(*watch) },
            watch_group: GROUP_ANY,
            actions: parse_actions(actions).unwrap(),
        };
        let buckets: Vec<Bucket> = buckets.iter().enumerate().map(bucket).collect();
        let weights: Vec<u16> = buckets.iter().map(|bucket| bucket.weight).collect();
        let group = Group {
            slots: Arc::new(Slots::new(&weights)),
            created_ns: 0,
            counts: Arc::default(),
            buckets: buckets.iter().map(|_| Arc::default()).collect(),
            desc: GroupDesc { id, kind, buckets, selection: Selection::default() },
        };
        self.change(|bridge| {
            let mut groups = BTreeMap::clone(&bridge.groups);
            groups.insert(id, Arc::new(group));
            bridge.groups = Arc::new(groups);
        });
    }

    pub fn bridge(&self) -> &XBridge {
        self.view.bridges[0].as_ref().unwrap()
    }

    pub fn translate(&self, key: &FlowKey) -> XlateOut {
        self.translate_from(key, Start::Table)
    }

    pub fn translate_from(&self, key: &FlowKey, start: Start<'_>) -> XlateOut {
        translate(&XlateIn {
            view: &self.view,
            version: VERSION,
            bridge: self.bridge(),
            key,
            start,
            keeper: &self.keeper,
            told: Told::No,
        })
    }

    /// A packet's headers, in words.
    pub fn key(&self, flow: &str) -> FlowKey {
        let mut key = parse_match(flow).unwrap();
        key.resolve(&self.bridge().options).unwrap();
        key.key().clone()
    }

    /// What becomes of a packet, in words: actions, and what of it was looked at beside the port.
    pub fn ask(&self, flow: &str) -> (String, String) {
        let key = self.key(flow);
        let out = self.translate(&key);
        let megaflow = packet::FlowMatch::new(&key, out.mask.clone());
        let megaflow = megaflow.with_options(&self.bridge().options);
        let megaflow = openflow::text::match_text(&megaflow, openflow::flow::DEFAULT_PRIORITY);
        (self.words(&out, &key), megaflow)
    }

    pub fn words(&self, out: &XlateOut, key: &FlowKey) -> String {
        let port = |no: u32| no.to_string();
        let words = Words { port: &port, view: &self.view, keeper: &self.keeper, key };
        actions_text(&out.actions, &words)
    }
}

fn add(tables: &Tables, text: &str, options: &OptionTable) {
    let mut flow = parse_flow(FlowCommand::Add, text).unwrap();
    flow.matching.resolve(options).unwrap();
    let rule = FlowRule {
        cookie: flow.cookie,
        idle_s: 0,
        hard_s: 0,
        importance: 0,
        flags: flow.flags,
        actions: flow.actions.into(),
        created_ns: 0,
        modified_ns: 0,
        counts: Arc::new(Counts::default()),
        shortened: Arc::default(),
    };
    let mut flows = tables.get(flow.table).unwrap().write();
    // As a controller's: the same match and priority again replaces the flow.
    if let Some(old) = flows.find(&flow.matching, flow.priority.into(), VERSION) {
        flows.discard(old);
    }
    flows.insert(&flow.matching, flow.priority.into(), VERSION, Arc::new(rule));
}
