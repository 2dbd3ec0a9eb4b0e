//! A loop outside the switch: two cables to one Linux bridge.

use std::time::Instant;

use switch_tests::daemon::DEADLINE;
use switch_tests::frame::{BROADCAST, Frame};
use switch_tests::inject::inject;
use switch_tests::lab::{BRIDGE, DEV};
use switch_tests::traffic::{can_ping, wait_reachable};
use switch_tests::{Lab, wait_until};

use super::PortKind;

scenarios!(a_loop_is_told_and_held_by_storm_limits);

/// Frames that a class of floods may have per second.
const PPS: u64 = 100;

fn a_loop_is_told_and_held_by_storm_limits(kind: PortKind) {
    let lab = Lab::new();
    let (a, b) = (lab.host(kind, &[]), lab.host(kind, &[]));
    wait_reachable(&a, &b);
    lab.ns.ip(&["link", "add", "lb", "type", "bridge"]);
    lab.ns.ip(&["link", "set", "lb", "up"]);
    let limits = ["broadcast", "unknown", "multicast"].map(|class| format!("storm-{class}={PPS}"));
    let limits: Vec<&str> = limits.iter().map(String::as_str).collect();
    for (near, far) in [("s0", "l0"), ("s1", "l1")] {
        lab.ns.ip(&["link", "add", near, "type", "veth", "peer", "name", far]);
        lab.ns.ip(&["link", "set", far, "master", "lb", "up"]);
        lab.ns.ip(&["link", "set", near, "up"]);
        let words = ["add-port", BRIDGE, near, "driver=packet"];
        lab.daemon.ofctl(&[&words[..], &limits].concat());
        lab.wait_up(near);
    }
    inject(&a.ns, DEV, (0..100).map(|_| Frame::new(BROADCAST, a.mac).text("round")));
    wait_until("an address to flap", DEADLINE, || {
        let show = lab.daemon.show();
        let flapping = show["bridges"][0]["flapping"].as_array().cloned().unwrap_or_default();
        flapping.iter().any(|flap| flap["moves"].as_u64() >= Some(10))
    });
    let text = lab.daemon.ofctl(&["show"]);
    assert!(text.contains(" flaps between ports "), "{text}");
    wait_until("the limit to drop", DEADLINE, || {
        lab.daemon.port("s0")["statistics"]["drops"]["storm_broadcast"].as_u64() > Some(0)
            || lab.daemon.port("s1")["statistics"]["drops"]["storm_broadcast"].as_u64() > Some(0)
    });

    let received =
        || lab.daemon.port("s0")["statistics"]["rx_packets"].as_u64().expect("a counter");
    let (before, start) = (received(), Instant::now());
    for _ in 0..3 {
        wait_until("a ping beside the storm", DEADLINE, || can_ping(&a, &b));
    }
    let (n, took) = (received() - before, start.elapsed().as_secs() + 1);
    // What a port floods comes back by the other one: three classes, and what the hosts add.
    assert!(n < 10 * PPS * took, "{n} frames in {took} s");
}
