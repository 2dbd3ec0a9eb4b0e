//! Output to ports.
//!
//! # References
//! `ofproto/ofproto-dpif-xlate.c` of Open vSwitch, `compose_output_action__`, `xlate_output_action`.

use datapath::Action;
use datapath::l2::mirror::Passing;
use openflow::OfPort;
use openflow::action::ControllerReason;
use openflow::port::PortConfig;
use packet::flow::Subfield;

use super::Told;
use super::depends::Dependency;
use super::report::Kind;
use super::state::{Place, Xlate};
use crate::ofproto::view::XPort;

/// Which ports a flood reaches.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flood {
    /// All that forward.
    All,
    /// And take part in floods.
    Flood,
}

impl Xlate<'_> {
    /// `output`: to a port, or to what a reserved number means.
    pub(super) fn output(&mut self, port: OfPort, max_len: u16) {
        match port {
            OfPort::IN_PORT => self.output_to(self.in_port(), None, Back::Allowed),
            OfPort::TABLE => self.resubmit(OfPort::IN_PORT, 0),
            OfPort::NORMAL => self.normal(),
            OfPort::FLOOD => self.flood(Flood::Flood),
            OfPort::ALL => self.flood(Flood::All),
            OfPort::CONTROLLER => {
                let reason = match self.place {
                    Place::Flow => ControllerReason::Action,
                    Place::MissFlow => ControllerReason::ExplicitMiss,
                    Place::Group => ControllerReason::Group,
                    Place::ActionSet => ControllerReason::ActionSet,
                    Place::PacketOut => ControllerReason::PacketOut,
                };
                self.send_some(max_len, reason);
            }
            OfPort::NONE => {}
            port => self.output_to(port, None, Back::Refused),
        }
    }

    /// `output:REGISTER`.
    pub(super) fn output_by(&mut self, src: Subfield, max_len: u16) {
        let value = self.read(src);
        let port = u16::try_from(value).map(OfPort);
        if let Ok(port) = port {
            self.report.say(Kind::Detail, || format!("output port is {port}"));
            self.output(port, max_len);
        } else {
            self.report.say(Kind::Warning, || format!("output port {value} is out of range"));
        }
    }

    /// `output(port=…,max_len=…)`.
    pub(super) fn output_cut(&mut self, port: OfPort, max_len: u32) {
        match port {
            OfPort::IN_PORT => self.output_to(self.in_port(), Some(max_len), Back::Allowed),
            OfPort::TABLE | OfPort::NORMAL | OfPort::FLOOD | OfPort::ALL | OfPort::CONTROLLER => {
                self.report
                    .say(Kind::Warning, || format!("output_trunc does not support port: {port}"));
            }
            OfPort::NONE => {}
            port => self.output_to(port, Some(max_len), Back::Refused),
        }
    }

    fn normal(&mut self) {
        self.commit();
        self.depends.insert(Dependency::Ports(self.bridge.id));
        let in_port = self.in_port();
        // Without a port it is a controller's own packet: nothing is learned of where it came from.
        let in_port = self.bridge.ports.get(&in_port).map(|port| port.no);
        match self.input.told {
            Told::Yes(oracle) => self.tell_normal(oracle, in_port),
            Told::No => {
                let (bridge, mirrored) = (self.bridge.id, self.mirrored);
                self.list.push(Action::Normal { bridge, in_port, mirrored });
            }
        }
    }

    fn flood(&mut self, flood: Flood) {
        self.depends.insert(Dependency::Ports(self.bridge.id));
        let in_port = self.in_port();
        let bridge = self.bridge;
        let wants = |port: &&XPort| {
            let is_out = flood == Flood::Flood && port.config.contains(PortConfig::NO_FLOOD);
            port.ofport != in_port && !is_out
        };
        bridge.ports.values().filter(wants).for_each(|port| self.leave_by(port, None));
    }

    fn output_to(&mut self, port: OfPort, max_len: Option<u32>, back: Back) {
        self.depends.insert(Dependency::Ports(self.bridge.id));
        if back == Back::Refused && port == self.in_port() {
            self.report.say(Kind::Detail, || "skipping output to input port".to_owned());
            return;
        }
        let bridge = self.bridge;
        match bridge.ports.get(&port) {
            Some(port) => self.leave_by(port, max_len),
            None => self.report.say(Kind::Detail, || "Nonexistent output port".to_owned()),
        }
    }

    fn leave_by(&mut self, port: &XPort, max_len: Option<u32>) {
        if port.config.contains(PortConfig::NO_FWD) {
            let why = || "OFPPC_NO_FWD set, skipping output".to_owned();
            return self.report.say(Kind::Detail, why);
        }
        self.mirror(port, Passing::Out);
        if let Some(config) = &port.tunnel {
            return self.leave_by_tunnel(port, config, max_len);
        }
        self.commit();
        match (self.input.told, port.peer) {
            (Told::Yes(_), Some(peer)) => self.tell_peer(peer, &self.key.clone()),
            _ => self.list.push(Action::Output { port: port.no, max_len }),
        }
    }

    /// Whether a port can send.
    pub(super) fn is_live(&mut self, port: OfPort) -> bool {
        self.depends.insert(Dependency::Ports(self.bridge.id));
        let port = self.bridge.ports.get(&port);
        port.is_some_and(|port| port.up && !port.config.contains(PortConfig::PORT_DOWN))
    }
}

/// Whether a packet may leave by the port that it came by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Back {
    Allowed,
    Refused,
}
