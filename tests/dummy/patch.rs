//! Bridges joined by patch ports: chains, rings, and what their loops cost.

use switch_tests::frame::{BROADCAST, Frame, mac};

use crate::rig::Rig;

/// Bridges `b0`, `b1`, … with a port `p0`, `p1`, … each.
fn bridges(rig: &mut Rig, n: usize) {
    for i in 0..n {
        rig.run(&format!("add-br b{i} -- add-port b{i} p{i} type=dummy"));
    }
}

fn join(rig: &mut Rig, a: usize, b: usize) {
    rig.run(&format!(
        "add-port b{a} x{a}-{b} type=patch peer=x{b}-{a} -- \
         add-port b{b} x{b}-{a} type=patch peer=x{a}-{b}"
    ));
}

fn statistic(rig: &Rig, port: &str, key: &str) -> u64 {
    rig.port(port)["statistics"][key].as_u64().expect("a counter")
}

#[test]
fn hosts_of_a_chain_of_bridges_reach_each_other_and_only_each_other() {
    let mut rig = Rig::new();
    bridges(&mut rig, 4);
    for i in 0..3 {
        join(&mut rig, i, i + 1);
    }
    rig.send("p0", &Frame::new(BROADCAST, mac(1)).text("who"));
    assert_eq!(rig.reached(&["p0", "p1", "p2", "p3"]), ["p1", "p2", "p3"]);
    rig.send("p3", &Frame::new(mac(1), mac(2)).text("I"));
    assert_eq!(rig.reached(&["p0", "p1", "p2", "p3"]), ["p0"]);
    rig.send("p0", &Frame::new(mac(2), mac(1)).text("you"));
    assert_eq!(rig.reached(&["p0", "p1", "p2", "p3"]), ["p3"]);
    assert_eq!(statistic(&rig, "x1-2", "tx_packets"), statistic(&rig, "x2-1", "rx_packets"));
    rig.assert_conserved();
    // The chain is cut, and mended.
    rig.run("del-port x2-1");
    rig.send("p0", &Frame::new(mac(2), mac(1)).text("lost"));
    assert!(!rig.reached(&["p0", "p1", "p2", "p3"]).contains(&"p3"));
    rig.run("add-port b2 x2-1 type=patch peer=x1-2");
    rig.send("p0", &Frame::new(mac(2), mac(1)).text("found"));
    assert!(rig.reached(&["p0", "p1", "p2", "p3"]).contains(&"p3"));
}

#[test]
fn a_broadcast_in_a_mesh_of_bridges_ends_and_every_copy_is_accounted_for() {
    let mut rig = Rig::new();
    bridges(&mut rig, 5);
    for a in 0..5 {
        for b in 0..a {
            join(&mut rig, a, b);
        }
    }
    for n in 0..10 {
        rig.send("p0", &Frame::new(BROADCAST, mac(n)).text("round and round"));
    }
    let ledger = rig.assert_conserved();
    assert!(ledger.tx > 10_000, "{ledger:?}");
    let text = rig.switch.show(&[]).expect("show works");
    assert!(text.contains(" too_many_hops: ") && text.contains(" flaps between ports "), "{text}");
}

#[test]
fn a_storm_limit_holds_a_ring_of_bridges() {
    let mut rig = Rig::new();
    bridges(&mut rig, 3);
    for (a, b) in [(0, 1), (1, 2), (2, 0)] {
        join(&mut rig, a, b);
    }
    let crossed = |rig: &mut Rig| {
        let before = rig.assert_conserved().tx;
        for _ in 0..20 {
            rig.send("p0", &Frame::new(BROADCAST, mac(1)).text("x"));
        }
        rig.assert_conserved().tx - before
    };
    rig.send("p0", &Frame::new(BROADCAST, mac(1)).text("x"));
    let free = crossed(&mut rig);
    for port in ["x1-0", "x0-1", "x2-1", "x1-2", "x0-2", "x2-0"] {
        rig.run(&format!("set port {port} storm-broadcast=10"));
    }
    let held = crossed(&mut rig);
    assert!(free > 20 * 64 && held * 10 < free, "{free} and {held}");
    assert!(rig.switch.show(&[]).expect("show works").contains(" storm_broadcast: "));
}
