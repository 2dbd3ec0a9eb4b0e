//! A frame that does not fit the output is dropped for that reason; one that can be cut is cut.

use switch_tests::daemon::DEADLINE;
use switch_tests::lab::DEV;
use switch_tests::ledger::assert_conserved;
use switch_tests::traffic::{ping, tcp, wait_reachable};
use switch_tests::{Lab, PortKind, wait_until};

#[test]
fn too_large_frames_are_dropped_and_counted() {
    let lab = Lab::new();
    let (a, b) = (lab.host(PortKind::Packet, &[]), lab.host(PortKind::Packet, &[]));
    wait_reachable(&a, &b);
    lab.ns.ip(&["link", "set", &b.name, "mtu", "1000"]);
    wait_until("the MTU to be seen", DEADLINE, || lab.daemon.port(&b.name)["mtu"] == 1000);

    let address = b.ip.to_string();
    let large = ["ping", "-n", "-q", "-c", "3", "-i", "0.01", "-W", "1", "-s", "1200", &address];
    assert_ne!(a.ns.run(&large).code, 0, "1200 bytes crossed an MTU of 1000");
    assert_eq!(lab.daemon.drops(&b.name, "mtu_exceeded"), 3);
    ping(&a, &b, 20, 900);
    assert_eq!(lab.daemon.drops(&b.name, "mtu_exceeded"), 3);
    assert_conserved(&lab.daemon);
}

/// Both hosts agree on large segments, which are cut to the MSS that they agreed on.
#[test]
fn segments_cross_hosts_of_unlike_mtu() {
    let lab = Lab::new();
    let (a, b) = (lab.host(PortKind::Packet, &[]), lab.host(PortKind::Packet, &[]));
    b.ns.ip(&["link", "set", DEV, "mtu", "1000"]);
    lab.ns.ip(&["link", "set", &b.name, "mtu", "1000"]);
    wait_until("the MTU to be seen", DEADLINE, || lab.daemon.port(&b.name)["mtu"] == 1000);
    wait_reachable(&a, &b);
    tcp(&a, &b, 16 * 1024 * 1024);
    tcp(&b, &a, 16 * 1024 * 1024);
    assert_conserved(&lab.daemon);
}
