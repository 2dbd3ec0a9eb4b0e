//! Two bridges joined by patch ports, and the same by a veth pair: as good, and cheaper.

use switch_tests::Host;
use switch_tests::ledger::assert_conserved;
use switch_tests::traffic::tcp;

use super::{broadcast, sink, up};

const N_BYTES: u64 = 16 * 1024 * 1024;
/// By which the way by patch ports must be the shorter one, hosts and their stacks included.
const GAIN: f64 = 1.2;
/// Pings of a run, one after the other, and runs by each way in turn.
const N_PINGS: &str = "500";
const N_RUNS: usize = 4;

/// The shortest round trip of a run, in milliseconds.
fn shortest(from: &Host, to: &Host) -> f64 {
    let said = from.ns.must(&["ping", "-nqfc", N_PINGS, &to.ip.to_string()]);
    let times = said.lines().find_map(|line| line.strip_prefix("rtt min/avg/max/mdev = "));
    let shortest = times.and_then(|times| times.split('/').next()?.parse().ok());
    shortest.unwrap_or_else(|| panic!("no round trip in: {said}"))
}

/// The shortest round trips by each way. Unlike a rate or an average, they tell the length of the
/// way alone, whatever else the machine does.
fn race(ways: [(&Host, &Host); 2]) -> [f64; 2] {
    let mut best = [f64::INFINITY; 2];
    for _ in 0..N_RUNS {
        for (best, (from, to)) in best.iter_mut().zip(ways) {
            *best = best.min(shortest(from, to));
        }
    }
    best
}

#[test]
fn net_patch_vs_veth() {
    let net = up("patch-vs-veth");
    net.check();
    let [h1, h2, h3, h4] = ["h1", "h2", "h3", "h4"].map(|name| net.host(name));

    // A patch port is no device of the kernel's.
    let links = net.netns("sw").links();
    assert!(links.contains(&"to-br2".to_owned()), "{links:?}");
    assert!(!links.iter().any(|link| link == "to-br0" || link == "to-br1"), "{links:?}");

    // Once each, and not in the other network.
    let [at_2, at_4] = [&h2, &h4].map(sink);
    broadcast(&h1, "by patch");
    broadcast(&h3, "by veth");
    at_2.expect("by patch", 1);
    at_4.expect("by veth", 1);
    at_2.expect_none("by veth", (&h1.ns, "eth0"));
    at_4.expect_none("by patch", (&h3.ns, "eth0"));
    assert_eq!((at_2.with_text("by patch").len(), at_4.with_text("by veth").len()), (1, 1));
    drop((at_2, at_4));

    let [by_patch, by_veth] = race([(&h1, &h2), (&h3, &h4)]);
    assert!(by_patch * GAIN < by_veth, "{by_patch} ms by patch ports, {by_veth} ms by veth");
    tcp(&h1, &h2, N_BYTES);
    tcp(&h4, &h3, N_BYTES);
    assert_conserved(&net.switch("sw"));
}
