//! Bridges beside and apart from each other, and a flat network with DHCP.

use std::collections::BTreeSet;

use switch_tests::ledger::assert_conserved;
use switch_tests::{Host, Sink};

use super::{assert_tags, broadcast, send, sink, up};

#[test]
fn net_linux_bridge_by_veth() {
    let net = up("linux-bridge");
    net.check();
    let (alice, bob) = (net.host("alice"), net.host("bob"));
    let (at_alice, at_bob) = (sink(&alice), sink(&bob));

    // Once each, whichever bridge floods it.
    broadcast(&alice, "from alice");
    broadcast(&bob, "from bob");
    at_alice.fence(&bob.ns, "eth0", None);
    at_bob.fence(&alice.ns, "eth0", None);
    assert_eq!(at_bob.with_text("from alice").len(), 1);
    assert_eq!(at_alice.with_text("from bob").len(), 1);
    assert_conserved(&net.switch("sw"));
}

#[test]
fn net_local() {
    let net = up("local");
    net.check();
    let hosts = ["h1", "h2", "h3", "h4"].map(|name| net.host(name));
    let [h1, h2, h3, h4] = &hosts;
    let [at_2, at_3, at_4] = [h2, h3, h4].map(sink);
    for (text, dst) in [("broadcast", [0xff; 6]), ("to h3", h3.mac), ("to nobody", [2; 6])] {
        send(h1, dst, text);
        at_2.expect(text, 1);
        at_3.expect_none(text, (&h4.ns, "eth0"));
        at_4.expect_none(text, (&h3.ns, "eth0"));
    }
    assert_conserved(&net.switch("sw"));
}

#[test]
fn net_flat_dhcp() {
    let net = up("flat-dhcp");
    let provider = net.netns("provider");
    let (h1, h2) = (net.host("h1"), net.host("h2"));
    let (at_provider, at_h2) = (Sink::open(&provider, "eth0"), sink(&h2));
    let leased = BTreeSet::from([h1.ip, h2.ip]);
    assert_eq!(leased.len(), 2, "the same lease twice");
    for ip in leased {
        let octets = ip.octets();
        assert!(octets[..3] == [10, 0, 0] && (100..200).contains(&octets[3]), "{ip}");
    }
    net.check();

    // Another lease while h2 listens: it hears the question, and not the answer.
    at_h2.fence(&h1.ns, "eth0", None);
    let before = at_h2.frames().len();
    h1.ns.must(&["udhcpc", "-i", "eth0", "-s", "/bin/true", "-nqf", "-t", "20", "-T", "1"]);
    at_h2.fence(&h1.ns, "eth0", None);
    let heard = at_h2.frames().split_off(before);
    assert!(heard.iter().any(|frame| is_dhcp(frame, &h1)), "h2 hears no broadcast");
    let answers = heard.iter().filter(|frame| frame[..6] == h1.mac);
    assert_eq!(answers.count(), 0, "the answer to h1 is flooded");
    assert_tags(&[&at_provider], &[None]);
    assert_conserved(&net.switch("sw"));
}

/// A broadcast of a DHCP client: UDP from port 68 to 67 (RFC 2131 §4.1).
fn is_dhcp(frame: &[u8], client: &Host) -> bool {
    frame[..6] == [0xff; 6]
        && frame[6..12] == client.mac
        && frame.get(34..38) == Some(&[0, 68, 0, 67])
}
