//! Networks over tunnels.

use switch_tests::ledger::assert_conserved;
use switch_tests::traffic::ping;

use super::{broadcast, sink, up};

/// Two tenants between two sites: what one sends, the other must not see; `full` bytes of ping fill
/// the inner MTU.
fn two_tenants(name: &str, full: usize) {
    let net = up(name);
    net.check();
    let [h1, h2, b1, b2] = ["h1", "h2", "b1", "b2"].map(|name| net.host(name));
    ping(&h1, &h2, 20, full);
    ping(&b2, &b1, 20, full);
    let (mine, other) = (sink(&h2), sink(&b2));
    broadcast(&h1, "of the first tenant");
    mine.expect("of the first tenant", 1);
    other.expect_none("of the first tenant", b1.wire());
    assert_conserved(&net.switch("sw1"));
    assert_conserved(&net.switch("sw2"));
}

#[test]
fn net_vxlan_two_switches() {
    two_tenants("vxlan", 1450 - 28);
}

#[test]
fn net_gre_two_switches() {
    two_tenants("gre", 1458 - 28);
}

#[test]
fn net_vxlan_kernel() {
    let net = up("vxlan-kernel");
    net.check();
    let (h1, h2) = (net.host("h1"), net.host("h2"));
    ping(&h1, &h2, 20, 1450 - 28);
    ping(&h2, &h1, 20, 1450 - 28);
    let (at_h1, at_h2) = (sink(&h1), sink(&h2));
    broadcast(&h1, "there");
    at_h2.expect("there", 1);
    broadcast(&h2, "and back");
    at_h1.expect("and back", 1);
    assert_conserved(&net.switch("sw"));
}
