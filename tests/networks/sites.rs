//! Sites joined by processes that read and write TAPs.

use switch_tests::frame::{BROADCAST, mac};
use switch_tests::inject::inject;
use switch_tests::ledger::assert_conserved;
use switch_tests::{Host, Sink, wait_until};

use super::{sink, up};

/// An ARP request (RFC 826) from a MAC and IP for a host's IP, padded as on a wire.
fn arp_request(from: [u8; 6], ip: [u8; 4], target: &Host) -> Vec<u8> {
    let head: &[u8] = &[0x08, 0x06, 0x00, 0x01, 0x08, 0x00, 6, 4, 0x00, 0x01];
    let mut frame =
        [&BROADCAST, &from[..], head, &from, &ip, &[0; 6], &target.ip.octets()].concat();
    frame.resize(60, 0);
    frame
}

/// Whether a frame is an ARP message of an operation: 1 asks, 2 answers.
fn is_arp(frame: &[u8], operation: u8) -> bool {
    frame.get(12..14) == Some(&[0x08, 0x06]) && frame.get(21) == Some(&operation)
}

#[test]
fn net_tap_sites() {
    let net = up("tap-sites");
    let (h1, h2) = (net.host("h1"), net.host("h2"));
    net.check();
    let (at_h1, at_h2) = (sink(&h1), sink(&h2));

    // A host's own ARP: the question goes to all, the answer to the asker alone.
    h1.ns.ip(&["neigh", "flush", "all"]);
    h1.ns.must(&["ping", "-nc", "1", "-W", "5", &h2.ip.to_string()]);
    let asked = |frame: &Vec<u8>| is_arp(frame, 1) && frame[..12] == [BROADCAST, h1.mac].concat();
    let answered = |frame: &Vec<u8>| is_arp(frame, 2) && frame[..12] == [h1.mac, h2.mac].concat();
    wait_until("the question at h2", switch_tests::daemon::DEADLINE, || {
        at_h2.frames().iter().filter(|frame| asked(frame)).count() == 1
    });
    wait_until("the answer at h1", switch_tests::daemon::DEADLINE, || {
        at_h1.frames().iter().filter(|frame| answered(frame)).count() == 1
    });

    // A process asks through a TAP that the switch made, and the far site's host answers it there.
    let switch = net.switch("sw1");
    switch.ofctl(&["add-port", "br0", "tap0", "type=tap"]);
    wait_until("link of tap0 to be up", switch_tests::daemon::DEADLINE, || {
        switch.port("tap0")["link_state"] == "up"
    });
    let (ns, process) = (net.netns("sw1"), mac(0x77));
    let at_process = Sink::open(&ns, "tap0");
    inject(&ns, "tap0", [arp_request(process, [10, 0, 0, 77], &h2)]);
    wait_until("the answer at the process", switch_tests::daemon::DEADLINE, || {
        let frames = at_process.frames();
        frames.iter().any(|frame| is_arp(frame, 2) && frame[..12] == [process, h2.mac].concat())
    });
    let to_process = |frame: &&Vec<u8>| frame[..6] == process;
    assert_eq!(at_h1.frames().iter().filter(to_process).count(), 0, "the answer is flooded");
    assert_conserved(&switch);
    assert_conserved(&net.switch("sw2"));
}
