//! A switch in one process: transactions, failures, devices that come and go, and what is shown.

use std::path::Path;
use std::time::Duration;

use datapath::clock::Clock;
use datapath::engine::{EngineConfig, Workers};

use super::dummy::DummyKernel;
use super::links::LinkEvent;
use super::*;

struct Lab {
    switch: Switch,
    kernel: DummyKernel,
    clock: Clock,
}

impl Lab {
    fn new() -> Lab {
        Lab::with_store(Store::none(), DummyKernel::new()).unwrap()
    }

    fn with_store(store: Store, kernel: DummyKernel) -> Result<Lab, SwitchError> {
        let clock = Clock::manual();
        let workers = Workers::Inline;
        let engine = EngineConfig {
            n_small: 256,
            n_large: 8,
            clock: clock.clone(),
            workers,
            ..EngineConfig::default()
        };
        let switch = Switch::new(Parts {
            store,
            engine,
            poll_cpus: None,
            opener: Box::new(kernel.clone()),
            routes: Box::new(crate::switch::routes::NoRoutes),
            links: Box::new(kernel.clone()),
        })?;
        Ok(Lab { switch, kernel, clock })
    }

    fn at(path: &Path, kernel: &DummyKernel) -> Lab {
        Lab::with_store(Store::file(path), kernel.clone()).unwrap()
    }

    fn try_run(&mut self, line: &str) -> Result<String, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        self.switch.transact(&words)
    }

    fn run(&mut self, line: &str) -> String {
        self.try_run(line).unwrap()
    }

    /// Runs commands that must be refused, and change nothing.
    fn refused(&mut self, line: &str) -> String {
        let before = (self.switch.config().clone(), self.show());
        let error = self.try_run(line).unwrap_err();
        assert_eq!((self.switch.config().clone(), self.show()), before, "{line}");
        error
    }

    fn show(&self) -> serde_json::Value {
        serde_json::from_str(&self.switch.show(&["--format=json".to_owned()]).unwrap()).unwrap()
    }

    fn shown(&self, port: &str) -> serde_json::Value {
        let show = self.show();
        let bridges = show["bridges"].as_array().unwrap();
        let mut ports = bridges.iter().flat_map(|bridge| bridge["ports"].as_array().unwrap());
        ports.find(|shown| shown["name"] == port).cloned().unwrap_or_default()
    }

    fn told(&mut self, event: LinkEvent) {
        self.switch.on_link(event);
    }

    fn second(&mut self) {
        self.clock.advance(Duration::from_secs(1));
        self.switch.tick();
    }

    /// Sends a broadcast frame into one port; the ports that it came out of.
    fn flood(&mut self, from: &str) -> Vec<String> {
        let mut frame = [0xffu8; 60];
        frame[6..14].copy_from_slice(&[2, 0, 0, 0, 0, 0x77, 8, 0]);
        self.kernel.handle(from).unwrap().inject(&frame[..]);
        while self.switch.engine_mut().run_round() > 0 {}
        let names: Vec<String> = self.switch.ports.keys().cloned().collect();
        let got = |name: &String| {
            self.kernel.handle(name).is_some_and(|handle| !handle.take_sent().is_empty())
        };
        names.into_iter().filter(got).collect()
    }
}

#[test]
fn frames_pass_between_the_ports_of_a_bridge_and_no_others() {
    let mut lab = Lab::new();
    lab.run("add-br br0 -- add-port br0 p1 type=dummy -- add-port br0 p2 type=dummy");
    lab.run("add-br br1 -- add-port br1 q1 type=dummy");
    assert_eq!(lab.flood("p1"), ["br0", "p2"]);
    assert_eq!(lab.flood("q1"), ["br1"]);
    lab.run("set bridge br0 fail_mode=secure");
    assert!(lab.flood("p1").is_empty());
    lab.run("set bridge br0 fail_mode=standalone -- del-port p2");
    assert_eq!(lab.flood("p1"), ["br0"]);
    assert!(lab.kernel.handle("br1").is_some());
    lab.run("del-br br1");
    assert!(lab.kernel.handle("br1").is_none(), "the bridge's own TAP is gone");
    assert_eq!(lab.shown("p1")["statistics"]["rx_packets"], 3);
    assert_eq!(lab.shown("p1")["statistics"]["drops"], serde_json::json!({"no_flow": 1}));
}

#[test]
fn openflow_numbers_ascend_are_kept_and_may_be_asked_for() {
    let mut lab = Lab::new();
    lab.run(
        "add-br br0 -- add-port br0 b type=dummy -- add-port br0 a type=dummy ofport_request=1",
    );
    assert_eq!(lab.run("get port a ofport -- get port b ofport"), "1\n2\n");
    lab.run("del-port b -- add-port br0 c type=dummy");
    assert_eq!(lab.run("get port c ofport -- get port br0 ofport"), "3\n65534\n");
    let error = lab.refused("add-port br0 d type=dummy ofport_request=3");
    assert_eq!(
        error,
        "port d: ofport_request=3: port c has this number (allowed: 1-65279, free on bridge br0)"
    );
    lab.run("set port c ofport_request=40000");
    assert_eq!(lab.shown("c")["ofport"], 40000);
    lab.run("clear port c ofport_request -- add-port br0 e type=dummy");
    assert_eq!(lab.run("get port c ofport -- get port e ofport"), "40000\n4\n");
    assert_eq!(lab.kernel.n_opened("c"), 1, "a number is no reason to open a device anew");
}

#[test]
fn a_port_that_cannot_be_set_up_is_refused_with_all_that_came_with_it() {
    let mut lab = Lab::new();
    lab.run("add-br br0 -- add-port br0 p1 type=dummy");
    lab.kernel.refuse("bad");
    let error =
        lab.refused("add-br br1 -- add-port br1 good type=dummy -- add-port br1 bad type=dummy");
    assert_eq!(error, "port bad: open: permission denied");
    assert!(lab.kernel.handle("br1").is_none() && lab.kernel.link("br1").is_none());
    let error = lab.refused("add-port br0 eth9");
    assert_eq!(error, "port eth9: find the interface: entity not found");
    let error = lab.refused("add-port br0 x type=pcap file=/nowhere/x.pcap");
    assert!(error.starts_with("port x: /nowhere/x.pcap: read: No such file"), "{error}");
    // Numbers went back: the next bridge and ports get what the refused ones had.
    lab.run("add-br br1 -- add-port br1 good type=dummy");
    assert_eq!(lab.switch.bridges["br1"].id.0, 1);
    assert_eq!(lab.flood("good"), ["br1"]);
    assert_eq!(lab.kernel.n_opened("p1"), 1);
}

#[test]
fn a_save_that_fails_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("conf.json");
    let mut lab = Lab::at(&path, &DummyKernel::new());
    let _ = lab.kernel.add_link("eth0", 1500);
    lab.run(
        "add-br br0 -- add-port br0 eth0 -- add-port br0 t0 type=tap -- add-port br0 p1 type=dummy",
    );
    let saved = std::fs::read(&path).unwrap();
    // A disk that is full whenever the temporary file is written; it removes the link each time.
    for line in [
        "add-br br1",
        "add-port br0 p2 type=dummy",
        "del-port p1",
        "del-br br0",
        "set port eth0 mtu_request=1400",
        "set port t0 mac=02:00:00:00:aa:aa",
        "set port t0 n_rxq=2",
        "set port p1 tag=5 ofport_request=9",
        "set bridge br0 mac-table-size=10 fail_mode=secure",
    ] {
        std::os::unix::fs::symlink("/dev/full", folder.path().join("conf.json.tmp")).unwrap();
        let error = lab.refused(line);
        assert!(error.contains("cannot be saved") && error.contains("No space left"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), saved, "{line}");
        assert_eq!(lab.flood("p1"), ["br0", "eth0", "t0"], "{line}");
        assert_eq!(lab.kernel.link("eth0").unwrap().mtu, 1500);
    }
    lab.run("add-br br1");
    assert_ne!(std::fs::read(&path).unwrap(), saved);
}

#[test]
fn a_save_that_fails_at_the_last_step_undoes_the_steps_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("conf.json");
    let mut lab = Lab::at(&path, &DummyKernel::new());
    let _ = lab.kernel.add_link("eth0", 1500);
    lab.run(
        "add-br br0 -- add-port br0 eth0 -- add-port br0 t0 type=tap -- add-port br0 p type=dummy",
    );
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    let mac = lab.kernel.link("t0").unwrap().mac;
    for line in [
        "set port eth0 mtu_request=1400 n_rxq=2 -- add-port br0 q type=dummy",
        "set port t0 n_rxq=2 -- set port br0 mac=02:00:00:00:aa:aa -- add-br br1",
        "set port eth0 mtu_request=1400 -- del-port p",
    ] {
        let before = lab.switch.config().clone();
        let error = lab.try_run(line).unwrap_err();
        assert!(error.contains("cannot be saved: renaming: "), "{error}");
        assert_eq!(*lab.switch.config(), before);
        assert_eq!(lab.kernel.link("t0").unwrap().mac, mac, "a TAP made anew keeps its address");
        assert_ne!(lab.shown("br0")["mac"], "02:00:00:00:aa:aa");
        assert_eq!(lab.kernel.link("eth0").unwrap().mtu, 1500);
        assert_eq!(lab.flood("p"), ["br0", "eth0", "t0"], "{line}");
        assert!(lab.kernel.handle("q").is_none() && lab.kernel.handle("br1").is_none());
    }
}

#[test]
fn a_restart_finds_everything_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("conf.json");
    let kernel = DummyKernel::new();
    let mut lab = Lab::at(&path, &kernel);
    let _ = kernel.add_link("eth0", 1400);
    lab.run("add-br br0 fail_mode=secure -- add-port br0 z type=dummy -- add-port br0 eth0 tag=7");
    lab.run("add-port br0 a type=dummy -- del-port z -- add-br br1");
    let before = lab.show();
    drop(lab);
    let again = Lab::at(&path, &kernel);
    let mut after = again.show();
    // Interfaces of the switch were made anew.
    for (bridge, shown) in before["bridges"].as_array().unwrap().iter().enumerate() {
        for (port, shown) in shown["ports"].as_array().unwrap().iter().enumerate() {
            after["bridges"][bridge]["ports"][port]["ifindex"] = shown["ifindex"].clone();
        }
    }
    assert_eq!(after, before);
    drop(again);
    std::fs::write(&path, "{ \"version\": 1,\n  \"bridges\": [] }").unwrap();
    let error = Lab::with_store(Store::file(&path), kernel).err().unwrap().to_string();
    assert!(error.contains("conf.json:2:"), "{error}");
    assert!(std::fs::read_to_string(&path).unwrap().contains("[]"), "the file is left alone");
}

#[test]
fn a_port_whose_device_is_missing_at_start_is_kept_and_attached_when_it_appears() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("conf.json");
    let kernel = DummyKernel::new();
    let _ = kernel.add_link("eth0", 1500);
    Lab::at(&path, &kernel).run("add-br br0 -- add-port br0 eth0 -- add-port br0 p type=dummy");
    let _ = kernel.remove_link("eth0");

    let mut lab = Lab::at(&path, &kernel);
    let shown = lab.shown("eth0");
    assert_eq!(shown["error"], "find the interface: entity not found");
    assert_eq!((&shown["link_state"], &shown["ofport"]), (&"down".into(), &1.into()));
    assert_eq!(shown["driver"], serde_json::Value::Null);
    assert_eq!(lab.flood("p"), ["br0"]);
    let event = kernel.add_link("eth0", 1500);
    lab.told(event);
    assert_eq!(lab.shown("eth0")["error"], serde_json::Value::Null);
    assert_eq!(lab.shown("eth0")["link_state"], "up");
    assert_eq!(lab.flood("p"), ["br0", "eth0"]);
}

#[test]
fn a_device_that_vanishes_is_down_and_comes_back_under_another_number() {
    let mut lab = Lab::new();
    let _ = lab.kernel.add_link("eth0", 1500);
    lab.run("add-br br0 -- add-port br0 eth0 -- add-port br0 p type=dummy");
    assert_eq!(lab.flood("eth0"), ["br0", "p"]);
    let received = lab.shown("eth0")["statistics"]["rx_packets"].clone();
    let event = lab.kernel.remove_link("eth0");
    lab.told(event);
    assert_eq!(lab.shown("eth0")["error"], "no such interface");
    assert_eq!(lab.flood("p"), ["br0"]);
    // The poll thread's word of the old device comes late, and must not hit the new one.
    let event = lab.kernel.add_link("eth0", 1500);
    lab.told(event);
    lab.switch.on_engine_events();
    assert_eq!(lab.flood("p"), ["br0", "eth0"]);
    assert_eq!(lab.shown("eth0")["statistics"]["rx_packets"], received, "counters live on");
    // Replaced, with the end of the old one never told.
    let _ = lab.kernel.remove_link("eth0");
    let event = lab.kernel.add_link("eth0", 1500);
    lab.told(event);
    assert_eq!(lab.flood("eth0"), ["br0", "p"]);
    // Renamed away, and back.
    let event = lab.kernel.change_link("eth0", |link| link.name = "lan".into());
    lab.told(event);
    assert_eq!(lab.shown("eth0")["error"], "its interface was renamed to lan");
    let event = lab.kernel.change_link("lan", |link| link.name = "eth0".into());
    lab.told(event);
    assert_eq!(lab.flood("eth0"), ["br0", "p"]);
    // Lost while nobody listened.
    let _ = lab.kernel.remove_link("eth0");
    lab.told(LinkEvent::All(Vec::new()));
    assert_eq!(lab.shown("eth0")["link_state"], "down");
}

#[test]
fn a_tap_belongs_to_the_switch_wherever_it_goes() {
    let mut lab = Lab::new();
    lab.run("add-br br0 -- add-port br0 t0 type=tap -- add-port br0 p type=dummy");
    let index = lab.kernel.link("t0").unwrap().index;
    lab.told(LinkEvent::Gone { index });
    assert_eq!(lab.flood("t0"), ["br0", "p"], "moved to another network namespace, it works");
    assert_eq!(lab.shown("t0")["link_state"], "up");
    // Deleted: the driver tells, and it is made again.
    lab.kernel.handle("t0").unwrap().vanish();
    while lab.switch.engine_mut().run_round() > 0 {}
    lab.switch.on_engine_events();
    assert_eq!(lab.shown("t0")["error"], "its device is gone");
    assert_eq!(lab.flood("p"), ["br0"]);
    lab.second();
    assert_eq!(lab.kernel.n_opened("t0"), 2);
    assert_eq!(lab.flood("p"), ["br0", "t0"]);
}

#[test]
fn link_state_and_mtu_are_followed() {
    let mut lab = Lab::new();
    let _ = (lab.kernel.add_link("eth0", 9000), lab.kernel.add_link("eth1", 1400));
    lab.run("add-br br0 -- add-port br0 eth0 -- add-port br0 p type=dummy");
    assert_eq!(lab.kernel.link("br0").unwrap().mtu, 9000);
    lab.run("add-port br0 eth1");
    assert_eq!(
        (lab.kernel.link("br0").unwrap().mtu, &lab.shown("br0")["mtu"]),
        (1400, &1400.into())
    );
    lab.run("set port br0 mtu_request=1300");
    assert_eq!(lab.kernel.link("br0").unwrap().mtu, 1300);
    lab.run("clear port br0 mtu_request -- set port eth1 mtu_request=1450");
    assert_eq!(lab.kernel.link("eth1").unwrap().mtu, 1450);
    assert_eq!(lab.kernel.link("br0").unwrap().mtu, 1450);
    let event = lab.kernel.change_link("eth0", |link| link.carrier = false);
    lab.told(event);
    let shown = lab.shown("eth0");
    assert_eq!((&shown["admin_state"], &shown["link_state"]), (&"up".into(), &"down".into()));
    assert_eq!(lab.flood("p"), ["br0", "eth1"]);
    let event = lab.kernel.change_link("eth0", |link| {
        link.carrier = true;
        link.mtu = 1200;
    });
    lab.told(event);
    assert_eq!(lab.flood("p"), ["br0", "eth0", "eth1"]);
    assert_eq!(lab.kernel.link("br0").unwrap().mtu, 1200);
    lab.kernel.refuse("eth0");
    let error = lab.refused("set port eth0 mtu_request=1500");
    assert_eq!(error, "port eth0: mtu_request=1500: permission denied");
}

#[test]
fn the_bridge_has_the_lowest_address_of_its_interfaces_unless_told() {
    let mut lab = Lab::new();
    lab.run("add-br br0");
    let own = lab.kernel.link("br0").unwrap().mac;
    assert_eq!(lab.show()["bridges"][0]["datapath_id"], format!("{:016x}", own.to_u64()));
    let _ = (lab.kernel.add_link("eth0", 1500), lab.kernel.add_link("eth1", 1500));
    lab.run("add-port br0 eth1 -- add-port br0 eth0 -- add-port br0 t type=tap");
    let lowest = lab.kernel.link("eth0").unwrap().mac;
    assert_eq!(lab.kernel.link("br0").unwrap().mac, lowest);
    lab.run("set bridge br0 hwaddr=02:00:00:00:0b:0b datapath_id=0x1234");
    assert_eq!(lab.shown("br0")["mac"], "02:00:00:00:0b:0b");
    assert_eq!(lab.show()["bridges"][0]["datapath_id"], "0000000000001234");
    lab.run("clear bridge br0 hwaddr datapath_id -- del-port eth0 -- del-port eth1");
    assert_eq!(lab.kernel.link("br0").unwrap().mac, own);
    assert_eq!(lab.kernel.n_opened("br0"), 1);
}

#[test]
fn changing_one_port_opens_no_other_device() {
    let mut lab = Lab::new();
    let _ = lab.kernel.add_link("eth0", 1500);
    lab.run(
        "add-br br0 -- add-port br0 eth0 -- add-port br0 t type=tap -- add-port br0 p type=dummy",
    );
    lab.run("add-br br1");
    for line in [
        "set port eth0 tag=3 mtu_request=1480 -- set port t mac=02:00:00:00:00:99",
        "set port eth0 n_rxq=2 rxq-affinity=0:1,1:0",
        "add-port br0 x type=dummy -- del-port t",
        "set bridge br0 mac-aging-time=15 mac-table-size=100",
        "del-port eth0 -- add-port br1 eth0 n_rxq=2 -- del-port p -- add-port br1 p type=dummy",
    ] {
        lab.run(line);
    }
    let opened = |name: &str| lab.kernel.n_opened(name);
    assert_eq!([opened("br0"), opened("p"), opened("x"), opened("br1")], [1; 4]);
    assert_eq!(opened("eth0"), 2, "only for its queues");
    assert_eq!(lab.flood("p"), ["br1", "eth0"], "moved to the other bridge as it is");
}

#[test]
fn a_device_that_cannot_be_opened_anew_stays_as_it_was() {
    let mut lab = Lab::new();
    let _ = lab.kernel.add_link("eth0", 1500);
    lab.run("add-br br0 -- add-port br0 eth0 -- add-port br0 p type=dummy");
    let error = lab.refused("set port eth0 type=tap");
    assert_eq!(error, "port eth0: make the TAP: entity already exists");
    assert_eq!(lab.flood("p"), ["br0", "eth0"]);
    lab.run("set port p type=null");
    assert_eq!(lab.shown("p")["driver"], "null");
    assert_eq!(lab.flood("eth0"), ["br0"]);
    assert_eq!(lab.shown("p")["statistics"]["tx_packets"], 1);
}

#[test]
fn what_is_learned_survives_changes_that_do_not_concern_it() {
    use packet::{MacAddr, Vid};
    let mut lab = Lab::new();
    lab.run("add-br br0 -- add-port br0 a type=dummy -- add-port br0 b type=dummy");
    let (mac_a, mac_b) = (MacAddr([2, 0, 0, 0, 0, 1]), MacAddr([2, 0, 0, 0, 0, 2]));
    let no = |lab: &Lab, name| lab.switch.port(name).unwrap().state.no;
    let fdb = |lab: &Lab| Arc::clone(lab.switch.bridge("br0").unwrap().fdb);
    let (a, b) = (no(&lab, "a"), no(&lab, "b"));
    fdb(&lab).learn(Vid::NONE, mac_a, a, 0);
    fdb(&lab).learn(Vid::NONE, mac_b, b, 0);
    let known = |lab: &Lab| (fdb(lab).lookup(Vid::NONE, mac_a), fdb(lab).lookup(Vid::NONE, mac_b));
    lab.run("set bridge br0 mac-table-size=100 mac-aging-time=15 -- add-port br0 c type=dummy");
    assert_eq!(known(&lab), (Some(a), Some(b)));
    assert_eq!(fdb(&lab).stats().max_entries, 100);
    lab.run("set port a tag=5 -- set port b ofport_request=77");
    assert_eq!(known(&lab), (None, Some(b)), "flushed with the port's VLAN");
    fdb(&lab).learn(Vid::NONE, mac_a, a, 0);
    lab.run("del-port b");
    assert_eq!(known(&lab), (Some(a), None));
    for _ in 0..16 {
        lab.second();
    }
    assert_eq!(known(&lab), (None, None), "aged");
}

#[test]
fn show_is_for_people_too() {
    let mut lab = Lab::new();
    let _ = lab.kernel.add_link("eth0", 1400);
    lab.run("add-br br0 hwaddr=02:00:00:00:0b:0b -- add-port br0 eth0 tag=10 -- add-port br0 longer type=dummy");
    lab.run("add-port br0 n type=null vlan_mode=native-tagged tag=4 trunks=5-7,9");
    lab.kernel.handle("longer").unwrap().inject(&[1u8; 5][..]);
    while lab.switch.engine_mut().run_round() > 0 {}
    let event = lab.kernel.remove_link("eth0");
    lab.told(event);
    let text = lab.switch.show(&[]).unwrap();
    let expected = "\
Bridge br0
    datapath_id 0000020000000b0b, fail_mode standalone, 0 of 8192 addresses known
    Port eth0        1  system (-)      down  tag 10
        error: no such interface
        rx            0 packets              0 bytes
        tx            0 packets              0 bytes
    Port longer      2  dummy           up    mtu 1500
";
    assert!(text.starts_with(expected), "{text}");
    assert!(text.contains("    Port n           3  null            up    mtu 65535  native-tagged 4, trunks 5-7,9\n"), "{text}");
    assert!(
        text.contains(
            "    Port br0     LOCAL  internal (tap)  up    mtu 1400  02:00:00:00:0b:0b\n"
        ),
        "{text}"
    );
    assert!(lab.switch.show(&["br0".into()]).unwrap() == text);
    let error = lab.switch.show(&["br9".into()]).unwrap_err();
    assert_eq!(error, "bridge br9: no such bridge (did you mean br0?)");
    assert!(lab.switch.show(&["--format=xml".into()]).is_err());
}

#[test]
fn patch_ports_join_bridges_while_both_ends_are_there() {
    let mut lab = Lab::new();
    lab.run("add-br br0 -- add-port br0 p type=dummy -- add-br br1 -- add-port br1 q type=dummy");
    lab.run("add-port br0 p0 type=patch peer=p1");
    assert_eq!(lab.flood("p"), ["br0"]);
    let alone = lab.shown("p0");
    assert_eq!(
        (&alone["link_state"], &alone["error"]),
        (&"down".into(), &"peer p1 does not exist".into())
    );
    lab.run("add-port br1 p1 type=patch peer=p0");
    assert_eq!(lab.flood("p"), ["br0", "br1", "q"]);
    let joined = lab.shown("p0");
    assert_eq!(joined["driver"], serde_json::Value::Null);
    assert_eq!((&joined["link_state"], &joined["mtu"]), (&"up".into(), &serde_json::Value::Null));
    assert_eq!(joined["status"], serde_json::json!({"peer": "p1"}));
    assert_eq!(joined["statistics"]["tx_packets"], 1);
    assert_eq!(lab.shown("p1")["statistics"]["rx_packets"], 1);
    let text = lab.switch.show(&["br0".to_owned()]).unwrap();
    assert!(text.contains("  up    peer p1"), "{text}");
    // Where the host is, the one bridge knows by its patch port; that goes with the other end.
    let known = |lab: &Lab| lab.switch.bridges["br1"].fdb.entries(0).len();
    assert_eq!(known(&lab), 1);
    lab.run("del-port p0");
    assert_eq!((known(&lab), lab.flood("p")), (0, vec!["br0".to_owned()]));
    assert_eq!(lab.shown("p1")["error"], "peer p0 does not exist");
    lab.run("add-port br0 other type=patch peer=p1 -- set port p1 peer=other");
    assert_eq!(lab.flood("q"), ["br0", "br1", "p"]);
    for (line, error) in [
        (
            "set port other type=dummy",
            "port other: peer=p1: does not fit type=dummy (allowed: only with type=patch)",
        ),
        (
            "clear port other peer -- set port other type=dummy",
            "port p1: peer=other: port other has type=dummy \
             (allowed: a port of type=patch on another bridge, or one yet to be added)",
        ),
        (
            "add-port br1 x type=patch peer=p1",
            "port x: peer=p1: port other has this peer already (allowed: a peer of its own for each port)",
        ),
    ] {
        assert_eq!(lab.refused(line), error, "{line}");
    }
}

#[test]
fn a_port_becomes_a_patch_port_and_a_device_again() {
    let mut lab = Lab::new();
    lab.run("add-br br0 -- add-port br0 p type=dummy -- add-br br1 -- add-port br1 q type=dummy");
    lab.run("add-port br0 x type=dummy -- add-port br1 y type=patch peer=z");
    lab.run("set port x type=patch peer=y -- set port y peer=x");
    assert_eq!(lab.flood("p"), ["br0", "br1", "q"]);
    assert!(lab.kernel.handle("x").is_none());
    lab.kernel.refuse("x");
    lab.refused("clear port x peer -- set port x type=dummy -- set port y peer=z");
    assert_eq!(lab.flood("p"), ["br0", "br1", "q"]);
    lab.kernel.allow_all();
    lab.run("clear port x peer -- set port x type=dummy -- set port y peer=z");
    assert_eq!(lab.flood("p"), ["br0", "x"]);
    lab.second();
    assert_eq!(lab.flood("x"), ["br0", "p"]);
}

#[test]
fn a_pair_of_patch_ports_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("conf.json");
    let kernel = DummyKernel::new();
    let mut lab = Lab::at(&path, &kernel);
    lab.run("add-br a -- add-port a p type=dummy -- add-br b -- add-port b q type=dummy");
    lab.run("add-port b pb type=patch peer=pa -- add-port a pa type=patch peer=pb");
    drop(lab);
    let mut lab = Lab::at(&path, &kernel);
    assert_eq!(lab.flood("p"), ["a", "b", "q"]);
}

#[test]
fn storm_limits_outlive_changes_of_other_things_and_are_shown() {
    let mut lab = Lab::new();
    lab.run("add-br br0 -- add-port br0 p type=dummy storm-broadcast=10 storm-unknown=0");
    lab.run("add-port br0 q type=dummy");
    assert_eq!(lab.shown("p")["storm"], serde_json::json!({"broadcast": 10}));
    assert!(lab.switch.show(&[]).unwrap().contains("storm broadcast 10/s"));
    assert_eq!(lab.flood("p"), ["br0", "q"]);
    // A new snapshot is no new bucket.
    lab.run("set port q tag=0 vlan_mode=native-untagged");
    assert!(lab.flood("p").is_empty());
    assert_eq!(lab.shown("p")["statistics"]["drops"], serde_json::json!({"storm_broadcast": 1}));
    assert_eq!(lab.flood("q"), ["br0", "p"]);
    lab.second();
    assert_eq!(lab.flood("p"), ["br0", "q"]);
    lab.run("clear port p storm-broadcast");
    for _ in 0..10 {
        assert_eq!(lab.flood("p"), ["br0", "q"]);
    }
    let error = lab.refused("set port p storm-multicast=10000001");
    assert_eq!(error, "port p: storm-multicast=10000001: out of range (allowed: 0-10000000)");
}

#[test]
fn an_address_that_flaps_is_shown_with_both_ports_and_counted() {
    let mut lab = Lab::new();
    lab.run("add-br br0 -- add-port br0 p type=dummy -- add-port br0 q type=dummy");
    for n in 0..40 {
        lab.flood(if n % 2 == 0 { "p" } else { "q" });
    }
    let show = lab.show();
    let flapping = &show["bridges"][0]["flapping"];
    let expected = serde_json::json!([
        {"mac": "02:00:00:00:00:77", "vlan": 0, "ports": ["p", "q"], "moves": 39}
    ]);
    assert_eq!(*flapping, expected);
    let text = lab.switch.show(&[]).unwrap();
    let line = "02:00:00:00:00:77 of VLAN 0 flaps between ports p and q, 39 moves in 10 s";
    assert!(text.contains(line), "{text}");
    assert_eq!(lab.switch.bridge("br0").unwrap().fdb.stats().flapped, 1);
    for _ in 0..11 {
        lab.second();
    }
    assert_eq!(lab.show()["bridges"][0]["flapping"], serde_json::json!([]));
}
