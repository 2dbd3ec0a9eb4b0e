//! Hosts reach each other: ping, fragments, UDP, TCP; and frames go where they belong.

use switch_tests::frame::{Frame, mac};
use switch_tests::inject::inject;
use switch_tests::lab::BRIDGE;
use switch_tests::ledger::assert_conserved;
use switch_tests::traffic::{ping, tcp, udp, wait_reachable};
use switch_tests::{Lab, Sink};

use super::PortKind;

scenarios!(
    pings_are_answered,
    fragments_cross,
    datagrams_cross,
    tcp_crosses,
    frames_go_where_they_belong
);

const MIB: u64 = 1024 * 1024;

fn pings_are_answered(kind: PortKind) {
    let lab = Lab::new();
    let (a, b) = (lab.host(kind, &[]), lab.host(kind, &[]));
    wait_reachable(&a, &b);
    ping(&a, &b, 200, 56);
    ping(&b, &a, 200, 1472);
    let fdb = lab.daemon.ofctl(&["fdb/show", BRIDGE]);
    for host in [&a, &b] {
        let text = switch_tests::frame::mac_text(host.mac);
        assert!(fdb.contains(&text), "{text} is not in\n{fdb}");
    }
    assert_conserved(&lab.daemon);
}

fn fragments_cross(kind: PortKind) {
    let lab = Lab::new();
    let (a, b) = (lab.host(kind, &[]), lab.host(kind, &[]));
    wait_reachable(&a, &b);
    ping(&a, &b, 20, 60_000);
    ping(&b, &a, 20, 9000);
    assert_conserved(&lab.daemon);
}

fn datagrams_cross(kind: PortKind) {
    let lab = Lab::new();
    let (a, b) = (lab.host(kind, &[]), lab.host(kind, &[]));
    wait_reachable(&a, &b);
    udp(&a, &b, 100, 18);
    udp(&a, &b, 100, 1472);
    udp(&b, &a, 20, 40_000);
    assert_conserved(&lab.daemon);
}

/// The hosts' stacks leave checksums unfinished and segments uncut, as they do by default.
fn tcp_crosses(kind: PortKind) {
    let lab = Lab::new();
    let (a, b) = (lab.host(kind, &[]), lab.host(kind, &[]));
    wait_reachable(&a, &b);
    tcp(&a, &b, 64 * MIB);
    tcp(&b, &a, 64 * MIB);
    std::thread::scope(|scope| {
        scope.spawn(|| tcp(&a, &b, 32 * MIB));
        scope.spawn(|| tcp(&b, &a, 32 * MIB));
    });
    assert_conserved(&lab.daemon);
}

#[test]
fn tcp_crosses_between_veth_and_tap() {
    let lab = Lab::new();
    let (a, b) = (lab.host(PortKind::Packet, &[]), lab.host(PortKind::Tap, &[]));
    wait_reachable(&a, &b);
    tcp(&a, &b, 64 * MIB);
    tcp(&b, &a, 64 * MIB);
    udp(&a, &b, 20, 1472);
    assert_conserved(&lab.daemon);
}

fn frames_go_where_they_belong(kind: PortKind) {
    let lab = Lab::new();
    let hosts = [lab.host(kind, &[]), lab.host(kind, &[]), lab.host(kind, &[])];
    let [a, b, c] = &hosts;
    let sinks = [b, c].map(|host| Sink::open(&host.ns, host.wire().1));
    let [at_b, at_c] = &sinks;
    let send = |dst, text: &str| inject(&a.ns, a.wire().1, [Frame::new(dst, a.mac).text(text)]);

    send(mac(99), "to nobody known");
    at_b.expect("to nobody known", 1);
    at_c.expect("to nobody known", 1);

    inject(&b.ns, b.wire().1, [Frame::new(a.mac, b.mac).text("here I am")]);
    at_c.fence(&b.ns, b.wire().1, None);
    send(b.mac, "to b");
    at_b.expect("to b", 1);
    at_c.expect_none("to b", a.wire());

    // Link-local control frames stay on their link.
    send([0x01, 0x80, 0xc2, 0, 0, 0x0e], "to the bridge itself");
    at_b.expect_none("to the bridge itself", a.wire());
    at_c.expect_none("to the bridge itself", a.wire());
    assert_eq!(lab.daemon.drops(&a.name, "reserved_multicast"), 1);
    assert_conserved(&lab.daemon);
}
