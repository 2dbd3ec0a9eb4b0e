//! Restarts, devices that come late, and a disk that is full.

use switch_tests::frame::{BROADCAST, Frame, mac};
use vswitchd::switch::dummy::DummyKernel;

use crate::rig::Rig;

fn flood(rig: &mut Rig, from: &str) {
    rig.send(from, &Frame::new(BROADCAST, mac(1)).text("flood"));
}

#[test]
fn a_restarted_switch_forwards_as_before_once_its_devices_are_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("conf.json");
    let kernel = DummyKernel::new();
    let _ = (kernel.add_link("eth0", 1500), kernel.add_link("eth1", 1500));
    let mut rig = Rig::at(&path, &kernel);
    rig.run("add-br br0 -- add-port br0 eth1 tag=7 -- add-port br0 eth0 tag=7 -- add-port br0 t type=tap tag=8");
    let numbers = "get port eth0 ofport -- get port eth1 ofport -- get port t ofport";
    let before = rig.run(numbers);
    drop(rig);

    let _ = kernel.remove_link("eth1");
    let mut rig = Rig::at(&path, &kernel);
    assert_eq!(rig.run(numbers), before);
    flood(&mut rig, "eth0");
    assert_eq!(rig.reached(&["t", "br0"]), ["br0"], "t is in another VLAN");
    assert_eq!(rig.port("eth1")["link_state"], "down");
    assert_eq!(rig.port("eth1")["error"], "find the interface: entity not found");
    let event = kernel.add_link("eth1", 1500);
    rig.switch.on_link(event);
    flood(&mut rig, "eth0");
    assert_eq!(rig.reached(&["eth0", "eth1", "t"]), ["eth1"]);
    rig.assert_conserved();
}

#[test]
fn a_port_that_nobody_announces_is_found_by_looking() {
    let mut rig = Rig::new();
    let _ = rig.kernel.add_link("eth0", 1500);
    rig.run("add-br br0 -- add-port br0 eth0 -- add-port br0 a type=dummy");
    let event = rig.kernel.remove_link("eth0");
    rig.switch.on_link(event);
    let _ = rig.kernel.add_link("eth0", 1500);
    rig.pass(6);
    flood(&mut rig, "a");
    assert_eq!(rig.reached(&["eth0"]), ["eth0"]);
}

#[test]
fn traffic_flows_while_a_full_disk_refuses_every_change() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("conf.json");
    let mut rig = Rig::at(&path, &DummyKernel::new());
    rig.run("add-br br0 -- add-port br0 a type=dummy -- add-port br0 b type=dummy");
    let saved = std::fs::read(&path).expect("it is saved");
    let temporary = folder.path().join("conf.json.tmp");
    for round in 0..20 {
        std::os::unix::fs::symlink("/dev/full", &temporary).expect("a link");
        let error = rig.try_run(&format!("add-port br0 n{round} type=null -- del-port a"));
        let error = error.expect_err("the disk is full");
        assert!(
            error.ends_with("writing a temporary file: No space left on device (os error 28)"),
            "{error}"
        );
        flood(&mut rig, "a");
        assert_eq!(rig.reached(&["a", "b"]), ["b"]);
    }
    assert_eq!(std::fs::read(&path).expect("it is there"), saved);
    assert_eq!(rig.assert_conserved().rx, 20);
    rig.run("add-port br0 n type=null");
    assert_eq!(rig.run("list-ports br0"), "a\nb\nn\n");
}

#[test]
fn a_thousand_ports_are_no_trouble() {
    let mut rig = Rig::new();
    let mut line = "add-br br0".to_owned();
    for port in 0..1000 {
        line += &format!(" -- add-port br0 p{port} type=null");
    }
    rig.run(&line);
    rig.run("add-port br0 a type=dummy -- set port p500 tag=9");
    flood(&mut rig, "a");
    assert_eq!(rig.port("p0")["statistics"]["tx_packets"], 1);
    assert_eq!(rig.port("p500")["statistics"]["tx_packets"], 0);
    assert_eq!(rig.assert_conserved().copies, 999);
    rig.run("del-br br0");
    assert_eq!(rig.show()["bridges"], serde_json::json!([]));
}
