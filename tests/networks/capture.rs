//! Mirrors and `ofctl capture`: the packets of the wire, and those alone.

use switch_tests::lab::DEV;
use switch_tests::ledger::assert_conserved;
use switch_tests::traffic::ping;
use switch_tests::watch::pcap_frames;
use switch_tests::{Sink, Watch};

use super::{assert_tags, broadcast, sink, up};

#[test]
fn net_capture() {
    let net = up("capture");
    net.check();
    let [h1, h2] = ["h1", "h2"].map(|name| net.host(name));
    let [probe, tagged] = ["probe", "tagged"].map(|name| net.netns(name));
    let switch = net.switch("sw");

    // By a filter, what the host sent, at its port, by the mirrors, and nothing of the other host.
    let watch = Watch::start(&switch, &["h1", "--direction", "in", "-w", "-", "dl_type=0x88b5"]);
    let [at_probe, at_tagged] = [&probe, &tagged].map(|ns| Sink::open(ns, DEV));
    let at_2 = sink(&h2);
    broadcast(&h1, "from h1");
    broadcast(&h2, "from h2");
    ping(&h1, &h2, 10, 56);
    let on_wire = at_2.expect("from h1", 1);
    assert_eq!(at_probe.expect("from h1", 1), on_wire);
    at_tagged.expect("from h2", 1);
    at_probe.expect_none("from h2", (&h1.ns, DEV));
    let (code, file) = watch.interrupt();
    let captured = pcap_frames(&file);
    assert_eq!(code, Some(0));
    assert_eq!(captured[..1], on_wire, "as the host sent it");
    assert_eq!(captured.len(), 2, "and the fence, for the filter leaves the pings out");

    // One copy of each frame, with the tag of its VLAN where the port is a trunk.
    assert_eq!(at_tagged.with_text("from h1").len(), 1);
    assert_tags(&[&at_tagged], &[Some(10)]);
    assert_tags(&[&at_probe], &[None]);
    assert_conserved(&switch);
}
