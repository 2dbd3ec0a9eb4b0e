//! Patch ports between two bridges, with real hosts at both ends.

use switch_tests::daemon::DEADLINE;
use switch_tests::frame::{BROADCAST, Frame};
use switch_tests::inject::inject;
use switch_tests::lab::DEV;
use switch_tests::ledger::assert_conserved;
use switch_tests::traffic::{can_ping, ping, tcp, wait_reachable};
use switch_tests::{Host, Lab, wait_until};

use super::PortKind;

scenarios!(hosts_of_two_bridges_talk_across_a_pair, a_ring_of_bridges_leaves_the_switch_responsive);

/// A host on another bridge than the lab's own.
fn host_on(lab: &Lab, kind: PortKind, bridge: &str) -> Host {
    let host = lab.host_without_port(kind);
    lab.daemon.ofctl(&["add-port", bridge, &host.name, kind.key()]);
    lab.hand_over(&host);
    lab.wait_up(&host.name);
    host
}

fn statistic(lab: &Lab, port: &str, key: &str) -> u64 {
    lab.daemon.port(port)["statistics"][key].as_u64().expect("a counter")
}

fn hosts_of_two_bridges_talk_across_a_pair(kind: PortKind) {
    let lab = Lab::new();
    lab.daemon.ofctl(&["add-br", "br1"]);
    let (a, b) = (lab.host(kind, &[]), host_on(&lab, kind, "br1"));
    assert!(!can_ping(&a, &b), "two bridges are two networks");
    lab.daemon.ofctl(&["add-port", "br0", "patch-to-br1", "type=patch", "peer=patch-to-br0"]);
    lab.wait_link("patch-to-br1", "down");
    assert!(!can_ping(&a, &b), "half a pair joins nothing");
    lab.daemon.ofctl(&["add-port", "br1", "patch-to-br0", "type=patch", "peer=patch-to-br1"]);
    wait_reachable(&a, &b);
    ping(&a, &b, 50, 1400);
    tcp(&a, &b, 32 * 1024 * 1024);
    tcp(&b, &a, 32 * 1024 * 1024);
    // Segments crossed whole: on the average more than a frame of the wire could hold. The kernel
    // cuts them before they come to an AF_XDP port.
    if kind != PortKind::AfXdp {
        let (packets, bytes) = (
            statistic(&lab, "patch-to-br1", "rx_packets"),
            statistic(&lab, "patch-to-br1", "rx_bytes"),
        );
        assert!(bytes > packets * 1514, "{packets} packets, {bytes} bytes");
    }
    assert_eq!(statistic(&lab, &b.name, "segments"), 0);
    lab.daemon.ofctl(&["del-port", "patch-to-br0"]);
    lab.wait_link("patch-to-br1", "down");
    assert!(!can_ping(&a, &b), "the pair is cut");
}

fn a_ring_of_bridges_leaves_the_switch_responsive(kind: PortKind) {
    let lab = Lab::new();
    let (a, b) = (lab.host(kind, &[]), lab.host(kind, &[]));
    wait_reachable(&a, &b);
    lab.daemon.ofctl(&["add-br", "br1", "--", "add-br", "br2"]);
    for (from, to) in [("0", "1"), ("1", "2"), ("2", "0")] {
        let (one, other) = (format!("r{from}{to}"), format!("r{to}{from}"));
        let (bridge, peer) = (format!("br{from}"), format!("peer={other}"));
        lab.daemon.ofctl(&["add-port", &bridge, &one, "type=patch", &peer]);
        let (bridge, peer) = (format!("br{to}"), format!("peer={one}"));
        lab.daemon.ofctl(&["add-port", &bridge, &other, "type=patch", &peer]);
    }
    let frame = || Frame::new(BROADCAST, a.mac).text("round");
    inject(&a.ns, DEV, (0..1000).map(|_| frame()));
    wait_until("frames to go too far", DEADLINE, || {
        lab.daemon.show().to_string().contains("too_many_hops")
    });
    for _ in 0..3 {
        wait_until("a ping beside the ring", DEADLINE, || can_ping(&a, &b));
    }
    // The loop ends when the frames do.
    assert_conserved(&lab.daemon);
}
