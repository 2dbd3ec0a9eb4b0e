//! Life with the kernel: links go down and up, interfaces vanish and come back.

use switch_tests::daemon::DEADLINE;
use switch_tests::ledger::assert_conserved;
use switch_tests::traffic::{ping, ping_as, tcp, wait_reachable};
use switch_tests::{Lab, PortKind, wait_until};

#[test]
fn a_link_that_goes_down_comes_up_again() {
    let lab = Lab::new();
    let (a, b) = (lab.host(PortKind::Packet, &[]), lab.host(PortKind::Packet, &[]));
    wait_reachable(&a, &b);
    lab.ns.ip(&["link", "set", &b.name, "down"]);
    lab.wait_link(&b.name, "down");
    assert_eq!(lab.daemon.port(&b.name)["admin_state"], "down");
    assert_eq!(lab.daemon.port(&a.name)["link_state"], "up");
    lab.ns.ip(&["link", "set", &b.name, "up"]);
    lab.wait_up(&b.name);
    wait_reachable(&a, &b);
    ping(&a, &b, 50, 56);
    assert_conserved(&lab.daemon);
}

#[test]
fn a_device_that_vanishes_comes_back() {
    let lab = Lab::new();
    let host = || lab.host(PortKind::Packet, &[]);
    let (a, b, c) = (host(), host(), host());
    wait_reachable(&a, &b);
    let ofport = lab.daemon.port(&b.name)["ofport"].clone();
    for _ in 0..3 {
        lab.ns.ip(&["link", "del", &b.name]);
        lab.wait_link(&b.name, "down");
        let port = lab.daemon.port(&b.name);
        assert!(port["error"].as_str().is_some_and(|text| !text.is_empty()), "no reason in {port}");
        ping(&a, &c, 20, 56);

        lab.wire(&b);
        lab.wait_up(&b.name);
        wait_reachable(&a, &b);
        tcp(&b, &a, 1024 * 1024);
        let port = lab.daemon.port(&b.name);
        assert_eq!(port["ofport"], ofport, "the port keeps its number");
        assert!(port["error"].as_str().is_none_or(str::is_empty), "still an error in {port}");
    }
}

#[test]
fn a_device_that_is_missing_at_start_is_attached_when_it_appears() {
    let mut lab = Lab::new();
    let (a, b) = (lab.host(PortKind::Packet, &[]), lab.host(PortKind::Packet, &[]));
    wait_reachable(&a, &b);
    assert_eq!(lab.daemon.stop(), Some(0));
    lab.ns.ip(&["link", "del", &b.name]);
    lab.daemon.restart();
    let port = lab.daemon.port(&b.name);
    assert!(port["error"].as_str().is_some_and(|text| text.contains("No such device")), "{port}");
    assert_ne!(port["link_state"], "up");
    lab.wait_up(&a.name);

    lab.wire(&b);
    lab.wait_up(&b.name);
    wait_reachable(&a, &b);
    tcp(&a, &b, 1024 * 1024);
}

#[test]
fn a_port_without_a_device_is_refused_and_not_kept() {
    let lab = Lab::new();
    let refused = lab.daemon.try_ofctl(&["add-port", "br0", "nosuchdev0"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stderr.contains("nosuchdev0"), "{refused:?}");
    assert_eq!(refused.stderr.lines().count(), 1, "{refused:?}");
    assert!(lab.daemon.port("nosuchdev0").is_null());
    let ports = lab.daemon.ofctl(&["list-ports", "br0"]);
    assert!(!ports.contains("nosuchdev0"), "{ports}");
}

#[test]
fn the_bridges_own_port_is_a_host() {
    let lab = Lab::new();
    let a = lab.host(PortKind::Packet, &[]);
    assert!(lab.ns.has_link("br0"), "{:?}", lab.ns.links());
    lab.ns.ip(&["addr", "add", "10.0.0.200/24", "dev", "br0"]);
    lab.ns.ip(&["link", "set", "br0", "up"]);
    wait_until("the bridge's port to answer", DEADLINE, || {
        a.ns.run(&["ping", "-n", "-q", "-c", "1", "-W", "1", "10.0.0.200"]).code == 0
    });
    ping_as(&lab.ns, 20, &["-s", "8000", &a.ip.to_string()]);
}
