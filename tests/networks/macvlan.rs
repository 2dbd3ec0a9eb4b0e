//! macvlan interfaces as ports: what works, and the limit that the page tells.

use switch_tests::ledger::assert_conserved;
use switch_tests::traffic::{can_ping, ping};
use switch_tests::{Host, wait_until};

use super::{broadcast, sink, up};

#[test]
fn net_macvlan() {
    let net = up("macvlan");
    net.check();
    let [h1, h2, peer, lone] = ["h1", "h2", "peer", "lone"].map(|name| net.host(name));

    // Mode passthru carries any address, either way.
    let (at_h1, at_peer) = (sink(&h1), sink(&peer));
    super::send(&peer, switch_tests::frame::mac(0x77), "to nobody known");
    at_h1.expect("to nobody known", 1);
    broadcast(&h1, "to all");
    assert_eq!(at_peer.expect("to all", 1).len(), 1);
    ping(&h1, &peer, 50, 1472);

    // Mode bridge: a second host gets its frames out, and no answer back.
    let sw = net.netns("sw");
    let h5 = Host::new("h5", [10, 0, 0, 5]);
    sw.add_veth("h5", &h5.ns, "eth0");
    sw.ip(&["link", "set", "h5", "up"]);
    h5.set_up();
    let switch = net.switch("sw");
    switch.ofctl(&["add-port", "br1", "h5"]);
    wait_until("link of h5 to be up", switch_tests::daemon::DEADLINE, || {
        switch.port("h5")["link_state"] == "up"
    });
    ping(&h2, &lone, 20, 56);
    let at_lone = sink(&lone);
    broadcast(&h5, "from h5");
    at_lone.expect("from h5", 1);
    assert!(!can_ping(&h5, &lone), "mode bridge carries foreign addresses now: update the page");
    assert_conserved(&switch);
}
