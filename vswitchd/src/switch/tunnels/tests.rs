//! Tunnels over routes that a test makes up.

use std::sync::{Mutex, MutexGuard};

use datapath::clock::Clock;
use datapath::engine::{EngineConfig, Workers};
use packet::MacAddr;

use super::super::Parts;
use super::super::dummy::DummyKernel;
use super::super::routes::{Neighbour, NoRoute, Route, TableRoute};
use super::*;
use crate::config::store::Store;

const FAR: [u8; 4] = [198, 51, 100, 2];
const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 0x99]);

/// A host with one route.
#[derive(Clone, Default)]
struct Host(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    index: Option<u32>,
    gateway: Option<IpAddr>,
    own: Vec<HostAddress>,
    mac: Option<MacAddr>,
    n_asked: usize,
    n_probed: usize,
}

impl Host {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn own(&self) -> IpAddr {
        [192, 0, 2, 2].into()
    }
}

impl Routes for Host {
    fn route(&mut self, _: IpAddr, _: Option<IpAddr>) -> std::io::Result<Result<Route, NoRoute>> {
        let src = Some(self.own());
        let mut state = self.state();
        state.n_asked += 1;
        let Some(index) = state.index else { return Ok(Err(NoRoute::Unreachable)) };
        Ok(Ok(Route { index, gateway: state.gateway, src, mtu: None, is_local: false }))
    }

    fn table_route(&mut self, _: IpAddr) -> std::io::Result<Option<TableRoute>> {
        Ok(None)
    }

    fn addresses(&mut self) -> std::io::Result<Vec<HostAddress>> {
        Ok(self.state().own.clone())
    }

    fn neighbour(&mut self, index: u32, ip: IpAddr) -> std::io::Result<Option<Neighbour>> {
        Ok(Some(Neighbour { index, ip, mac: self.state().mac, is_stale: false }))
    }

    fn probe(&mut self, _: u32, _: IpAddr) -> std::io::Result<()> {
        self.state().n_probed += 1;
        Ok(())
    }

    fn teach(&mut self, _: u32, _: IpAddr, mac: MacAddr) -> std::io::Result<()> {
        self.state().mac = Some(mac);
        Ok(())
    }
}

struct Lab {
    switch: Switch,
    kernel: DummyKernel,
    host: Host,
    clock: Clock,
}

impl Lab {
    fn new() -> Lab {
        let (kernel, host, clock) = (DummyKernel::new(), Host::default(), Clock::manual());
        let engine = EngineConfig {
            n_small: 256,
            n_large: 8,
            clock: clock.clone(),
            workers: Workers::Inline,
            ..EngineConfig::default()
        };
        let switch = Switch::new(Parts {
            store: Store::none(),
            engine,
            poll_cpus: None,
            opener: Box::new(kernel.clone()),
            links: Box::new(kernel.clone()),
            routes: Box::new(host.clone()),
        });
        Lab { switch: switch.unwrap(), kernel, host, clock }
    }

    fn run(&mut self, line: &str) {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        self.switch.transact(&words).unwrap();
    }

    /// Lets the switch ask, if it wants to.
    fn tend(&mut self) {
        self.clock.advance(MIN_PAUSE);
        self.switch.tend_tunnels();
    }

    fn way(&self, port: &str) -> Way {
        let port = self.switch.port(port).unwrap();
        let link = port.state.link().unwrap().tunnel().unwrap();
        link.tunnel.as_ref().unwrap().path.as_ref().unwrap().way
    }

    fn route_by(&mut self, dev: &str) {
        let index = self.kernel.link(dev).unwrap().index;
        self.host.state().index = Some(index);
        self.switch.on_route(RouteEvent::Changed);
        self.tend();
    }
}

/// A bridge `br0` with a tunnel, and the interface `eth0` of the host.
fn lab() -> Lab {
    let mut lab = Lab::new();
    let link = lab.kernel.add_link("eth0", 1500);
    lab.switch.on_link(link);
    lab.run("add-br br0 -- add-port br0 t type=vxlan remote_ip=198.51.100.2");
    lab.tend();
    lab
}

#[test]
fn the_route_decides_and_its_changes_are_followed() {
    let mut lab = lab();
    assert_eq!(lab.way("t"), Way::NoRoute);
    lab.route_by("eth0");
    assert_eq!(lab.way("t"), Way::Host);
    let snapshot = lab.switch.engine().snapshot();
    let carriers = snapshot.ports.iter().flatten();
    let carriers = carriers.filter(|port| matches!(port.kind, PortKind::Carrier)).count();
    assert_eq!(carriers, 1);
    lab.run("del-port t");
    let snapshot = lab.switch.engine().snapshot();
    assert!(!snapshot.ports.iter().flatten().any(|p| matches!(p.kind, PortKind::Carrier)));
    assert!(!lab.switch.has_tunnels());
    assert!(lab.kernel.handle("vxlan_sys_4789").is_none(), "the socket is closed");
}

#[test]
fn a_flood_of_news_is_one_question_and_no_publication() {
    let mut lab = lab();
    lab.route_by("eth0");
    let version = lab.switch.of.version;
    let before = lab.host.state().n_asked;
    for _ in 0..10_000 {
        lab.switch.on_route(RouteEvent::Changed);
        lab.switch.tend_tunnels();
    }
    assert_eq!(lab.host.state().n_asked, before, "it is not time yet");
    lab.tend();
    assert_eq!(lab.host.state().n_asked, before + 1);
    assert_eq!(lab.switch.of.version, version, "nothing is other than before");
    lab.tend();
    assert_eq!(lab.host.state().n_asked, before + 1, "nothing was told");
}

#[test]
fn by_the_bridge_s_own_port_a_next_hop_is_asked_for() {
    let mut lab = lab();
    lab.run("add-br phy -- add-port phy p1 type=dummy");
    let index = lab.kernel.link("phy").unwrap().index;
    let ip: IpAddr = [192, 0, 2, 2].into();
    lab.host.state().own = vec![HostAddress { index, ip }];
    lab.host.state().gateway = Some([192, 0, 2, 1].into());
    lab.route_by("phy");
    assert_eq!(lab.way("t"), Way::NoNeighbour);
    assert_eq!(lab.host.state().n_probed, 1);
    let news = Neighbour { index, ip: [192, 0, 2, 1].into(), mac: Some(MAC), is_stale: false };
    lab.host.state().mac = news.mac;
    lab.switch.on_route(RouteEvent::Neighbour(news));
    lab.tend();
    let phy = lab.switch.port("phy").unwrap();
    let (no, mac) = (phy.state.no, phy.state.mac().unwrap());
    let wire = datapath::tunnel::Link { port: no, src: mac, dst: MAC };
    assert_eq!(lab.way("t"), Way::Bridge(wire));
    let snapshot = lab.switch.engine().snapshot();
    let terminator = snapshot.port(no).unwrap().terminator.clone().unwrap();
    assert_eq!((terminator.mac, terminator.addresses.clone()), (mac, vec![ip]));
    // It falls silent.
    lab.host.state().mac = None;
    lab.switch.on_route(RouteEvent::Neighbour(Neighbour { mac: None, ..news }));
    lab.tend();
    assert_eq!(lab.way("t"), Way::NoNeighbour);
}

#[test]
fn a_way_into_the_tunnel_itself_is_none() {
    let mut lab = lab();
    lab.route_by("br0");
    assert_eq!(lab.way("t"), Way::NoRoute);
    // Over a second bridge and a second tunnel, too.
    lab.run("add-br br1 -- add-port br0 a type=patch peer=b -- add-port br1 b type=patch peer=a");
    lab.run("add-port br1 u type=gre remote_ip=203.0.113.1");
    lab.route_by("br1");
    assert_eq!((lab.way("t"), lab.way("u")), (Way::NoRoute, Way::NoRoute));
    // A port that leads out makes it a way.
    lab.run("add-port br1 p1 type=dummy");
    lab.tend();
    assert_eq!((lab.way("t"), lab.way("u")), (Way::NoNeighbour, Way::NoNeighbour));
}

#[test]
fn what_flows_ask_for_is_bounded_and_the_oldest_goes_first() {
    let mut lab = lab();
    lab.route_by("eth0");
    let remote = |n: usize| IpAddr::from(std::net::Ipv4Addr::from_bits(u32::try_from(n).unwrap()));
    for n in 1..=MAX_WANTED + 3 {
        lab.switch.path_wanted((remote(n), None));
    }
    lab.tend();
    let tunnels = &lab.switch.tunnels;
    assert_eq!(tunnels.wanted.len(), MAX_WANTED);
    assert!(!tunnels.wanted.contains(&(remote(3), None)));
    assert!(tunnels.resolved.contains_key(&(remote(4), None)));
    assert!(tunnels.resolved.contains_key(&(FAR.into(), None)));
}

#[test]
fn a_carrier_that_cannot_be_opened_refuses_the_port() {
    let mut lab = lab();
    lab.kernel.refuse("genev_sys_6081");
    let words = ["add-port", "br0", "g", "type=geneve", "remote_ip=198.51.100.2"];
    let error = lab.switch.transact(&words.map(str::to_owned)).unwrap_err();
    assert!(error.starts_with("port g: genev_sys_6081: bind to the UDP port"), "{error}");
    assert!(lab.switch.port("g").is_none());
    assert!(lab.switch.tunnels.carriers.len() == 1);
}

#[test]
fn remote_hosts_of_a_segment_get_numbers_and_give_them_back() {
    let mut lab = lab();
    lab.route_by("eth0");
    lab.run(
        "add-port br0 s type=vxlan remote_ip=flow key=7 flood_remotes=198.51.100.3,198.51.100.4",
    );
    let main = lab.switch.port("s").unwrap().state.no;
    let snapshot = lab.switch.engine().snapshot();
    let floods_to = snapshot.port(main).unwrap().floods_to().unwrap().to_vec();
    assert_eq!(floods_to.len(), 2);
    let listed = &snapshot.bridges.iter().flatten().next().unwrap().ports;
    for no in floods_to {
        let port = snapshot.port(no).unwrap();
        assert!(port.up && port.shown() == main && !listed.contains(&no));
        assert_eq!(lab.switch.port_of_no(no).unwrap().name, "s");
    }
    // A packet comes from another host; one with another key is of no segment.
    let host = IpAddr::from([198, 51, 100, 9]);
    lab.switch.remote_wanted((main, host, 8));
    assert_eq!(lab.switch.remotes().count(), 2);
    lab.switch.remote_wanted((main, host, 7));
    lab.tend();
    let (no, ..) = lab.switch.remotes().find(|(.., ip)| *ip == host).unwrap();
    assert!(lab.switch.engine().snapshot().port(no).unwrap().up);
    // It stays while an address is known behind it.
    let fdb = lab.switch.bridge("br0").unwrap().fdb.clone();
    let now_s = lab.switch.engine().clock().now_s();
    fdb.learn(packet::Vid::NONE, MAC, no, now_s);
    lab.clock.advance(Duration::from_secs(20));
    lab.switch.tick();
    assert_eq!(lab.switch.remotes().count(), 3);
    fdb.flush_learned();
    lab.switch.tick();
    assert_eq!(lab.switch.remotes().count(), 2);
    assert!(lab.switch.engine().snapshot().port(no).is_none());
    // With another key they begin anew, and a host that no list names is gone.
    lab.switch.remote_wanted((main, host, 7));
    lab.run("set port s key=8");
    assert_eq!(lab.switch.remotes().count(), 2);
    lab.run("del-port s");
    assert_eq!(lab.switch.remotes().count(), 0);
}

#[test]
fn a_group_within_the_datapath_has_its_mac_address_and_is_opened_where_it_is_joined() {
    let mut lab = lab();
    lab.run("add-br phy -- add-port phy p1 type=dummy");
    let index = lab.kernel.link("phy").unwrap().index;
    lab.host.state().own = vec![HostAddress { index, ip: lab.host.own() }];
    // Whoever is on the link gets it: no router is asked for.
    lab.host.state().gateway = Some([192, 0, 2, 1].into());
    lab.route_by("phy");
    let n_probed = lab.host.state().n_probed;
    lab.run("add-port br0 s type=vxlan remote_ip=flow group=239.129.1.1 key=7");
    lab.tend();
    let group: IpAddr = [239, 129, 1, 1].into();
    let phy = lab.switch.port("phy").unwrap().state;
    let (no, src) = (phy.no, phy.mac().unwrap());
    let dst = MacAddr([0x01, 0x00, 0x5e, 0x01, 0x01, 0x01]);
    let snapshot = lab.switch.engine().snapshot();
    let (remote, ..) = lab.switch.remotes().find(|(.., host)| *host == group).unwrap();
    let remote = snapshot.port(remote).unwrap();
    let PortKind::Tunnel(tunnel) = &remote.kind else { panic!("a tunnel") };
    let way = tunnel.path.as_ref().unwrap().way;
    assert_eq!(way, Way::Bridge(datapath::tunnel::Link { port: no, src, dst }));
    assert!(remote.up);
    assert_eq!(lab.host.state().n_probed, n_probed);
    let groups = |lab: &Lab| {
        let snapshot = lab.switch.engine().snapshot();
        snapshot.port(no).unwrap().terminator.as_ref().unwrap().groups.clone()
    };
    assert_eq!(groups(&lab), [group]);
    lab.run("del-port s");
    assert!(groups(&lab).is_empty());
    // A route that is gone is told.
    lab.run("add-port br0 s type=vxlan remote_ip=flow group=239.129.1.1 key=7");
    lab.host.state().index = None;
    lab.switch.on_route(RouteEvent::Changed);
    lab.tend();
    let port = lab.switch.port("s").unwrap();
    let told = show::trouble(port.state.link().unwrap().tunnel().unwrap());
    assert_eq!(told.unwrap(), "no route to 239.129.1.1");
    assert!(groups(&lab).is_empty());
}
