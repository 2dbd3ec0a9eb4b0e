//! Ports of a switch in one process, asked and changed by messages.

use datapath::clock::Clock;
use datapath::engine::{EngineConfig, Workers};

use super::*;
use crate::config::store::Store;
use crate::ofproto::notice::ConnId;
use crate::switch::dummy::DummyKernel;
use crate::switch::{Parts, Switch};

fn lab() -> (Switch, DummyKernel) {
    let kernel = DummyKernel::new();
    let engine = EngineConfig {
        n_small: 256,
        n_large: 8,
        clock: Clock::manual(),
        workers: Workers::Inline,
        ..EngineConfig::default()
    };
    let mut switch = Switch::new(Parts {
        store: Store::none(),
        engine,
        poll_cpus: None,
        opener: Box::new(kernel.clone()),
        routes: Box::new(crate::switch::routes::NoRoutes),
        links: Box::new(kernel.clone()),
    })
    .unwrap();
    drop(kernel.add_link("eth0", 1500));
    run(&mut switch, "add-br br0 -- add-port br0 eth0 -- add-port br0 p1 type=dummy");
    (switch, kernel)
}

fn run(switch: &mut Switch, line: &str) {
    let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    switch.transact(&words).unwrap();
}

fn ask(switch: &mut Switch, message: &Message) -> Result<Vec<Message>, OfpError> {
    let by = Asker { conn: ConnId(1), version: Version::V10, xid: 1 };
    switch.of_port_request("br0", by, message).unwrap()
}

fn descs(switch: &mut Switch) -> Vec<PortDesc> {
    let request = Message::StatsRequest(StatsRequest::PortDesc(OfPort::NONE));
    match ask(switch, &request).unwrap().remove(0) {
        Message::StatsReply(StatsReply::PortDesc(descs)) => descs,
        other => panic!("{other:?}"),
    }
}

/// What connections are told: reason, name, configuration.
fn told(switch: &mut Switch) -> Vec<(PortReason, String, u32)> {
    let status = |notice: Notice| match notice.event {
        Event::PortStatus(status) => (status.reason, status.desc.name, status.desc.config.0),
        other => panic!("{other:?}"),
    };
    switch.take_port_notices().into_iter().map(status).collect()
}

fn port_mod(desc: &PortDesc, config: PortConfig, mask: PortConfig) -> Message {
    let (port, hw_addr) = (desc.port, desc.hw_addr);
    Message::PortMod(PortMod { port, hw_addr, config, mask, advertise: Default::default() })
}

#[test]
fn features_and_descriptions_name_every_port() {
    let (mut switch, _) = lab();
    let Message::FeaturesReply(features) =
        ask(&mut switch, &Message::FeaturesRequest).unwrap()[0].clone()
    else {
        panic!("no features");
    };
    let names: Vec<&str> = features.ports.iter().map(|port| port.name.as_str()).collect();
    assert_eq!(names, ["eth0", "p1", "br0"]);
    assert_eq!((features.n_tables, features.n_buffers), (254, 0));
    assert_ne!(features.datapath_id, 0);
    assert_eq!(features.ports, descs(&mut switch));
    assert_eq!(features.ports[2].port, OfPort::LOCAL);
    let one = Message::StatsRequest(StatsRequest::Port(OfPort(2)));
    let reply = ask(&mut switch, &one).unwrap();
    assert!(matches!(&reply[0], Message::StatsReply(StatsReply::Port(ports)) if ports.len() == 1));
    let none = Message::StatsRequest(StatsRequest::Port(OfPort(9)));
    assert_eq!(
        ask(&mut switch, &none).unwrap(),
        [Message::StatsReply(StatsReply::Port(Vec::new()))]
    );
}

#[test]
fn a_port_is_changed_and_connections_are_told_once() {
    let (mut switch, _) = lab();
    assert_eq!(told(&mut switch).len(), 3, "every port is new");
    let eth0 = descs(&mut switch)[0].clone();
    let bits = PortConfig::PORT_DOWN | PortConfig::NO_FLOOD;
    ask(&mut switch, &port_mod(&eth0, bits, bits)).unwrap();
    assert_eq!(told(&mut switch), [(PortReason::Modify, "eth0".to_owned(), bits.0)]);
    assert_eq!(told(&mut switch), []);
    assert_eq!(config_of(&switch.port("eth0").unwrap()), bits);
    assert!(!switch.port("eth0").unwrap().state.link().unwrap().is_admin_up());
    ask(&mut switch, &port_mod(&eth0, PortConfig::default(), PortConfig::PORT_DOWN)).unwrap();
    assert_eq!(config_of(&switch.port("eth0").unwrap()), PortConfig::NO_FLOOD);
    // A device that is no interface keeps the bit itself.
    let p1 = descs(&mut switch)[1].clone();
    ask(&mut switch, &port_mod(&p1, PortConfig::PORT_DOWN, PortConfig::PORT_DOWN)).unwrap();
    assert_eq!(descs(&mut switch)[1].state, OfState::LINK_DOWN);
}

#[test]
fn ports_that_come_and_go_are_told_of() {
    let (mut switch, kernel) = lab();
    drop(told(&mut switch));
    run(&mut switch, "add-port br0 p2 type=dummy -- del-port br0 p1");
    assert_eq!(
        told(&mut switch),
        [(PortReason::Delete, "p1".to_owned(), 0), (PortReason::Add, "p2".to_owned(), 0)]
    );
    let gone = kernel.remove_link("eth0");
    switch.on_link(gone);
    let down = PortConfig::PORT_DOWN.0;
    assert_eq!(told(&mut switch)[0], (PortReason::Modify, "eth0".to_owned(), down));
}

#[test]
fn wrong_ports_addresses_and_queues_have_their_errors() {
    let (mut switch, _) = lab();
    let eth0 = descs(&mut switch)[0].clone();
    let none = PortConfig::default();
    for (desc, error) in [
        (PortDesc { port: OfPort(99), ..eth0.clone() }, OfpError::PmfBadPort),
        (PortDesc { port: OfPort::NONE, ..eth0.clone() }, OfpError::PmfBadPort),
        (PortDesc { hw_addr: MacAddr([2, 0, 0, 0, 9, 9]), ..eth0 }, OfpError::PmfBadHwAddr),
    ] {
        assert_eq!(ask(&mut switch, &port_mod(&desc, none, none)), Err(error));
    }
    for (port, queue, answer) in [
        (OfPort(99), QUEUE_ALL, Err(OfpError::QofBadPort)),
        (OfPort(1), 0, Err(OfpError::QofBadQueue)),
        (OfPort::NONE, QUEUE_ALL, Ok(vec![Message::StatsReply(StatsReply::Queue(Vec::new()))])),
    ] {
        let request = StatsRequest::Queue(QueueRequest { port, queue });
        assert_eq!(ask(&mut switch, &Message::StatsRequest(request)), answer);
    }
}
