//! Tenants with the same addresses, IP and MAC, on one bridge.

use switch_tests::frame::{BROADCAST, Frame, mac};
use switch_tests::inject::inject;
use switch_tests::lab::DEV;
use switch_tests::ledger::assert_conserved;
use switch_tests::{Host, Sink};

use super::up;

/// Frames of each kind that a tenant sends while the other does the same.
const N_ROUNDS: usize = 100;

/// Bytes of a frame that the sinks keep: its addresses and its text.
const HEAD_CAP: usize = 128;

/// Sends to the neighbour, to all, to a group and to nobody known.
fn talk(from: &Host, to: &Host, text: &str) {
    let group = [0x01, 0x00, 0x5e, 0x01, 0x02, 0x03];
    let targets = [to.mac, BROADCAST, group, mac(0x77)];
    let frames = targets.iter().cycle().take(targets.len() * N_ROUNDS);
    inject(&from.ns, DEV, frames.map(|dst| Frame::new(*dst, from.mac).text(text)));
}

/// All of its own, nothing foreign: one frame of the other tenant's fails.
fn assert_own(at: &Sink, own: &str, foreign: &str, fence: &Host) {
    at.expect(own, 4 * N_ROUNDS);
    at.expect_none(foreign, (&fence.ns, DEV));
    assert_eq!(at.with_text(own).len(), 4 * N_ROUNDS, "frames of {own}");
}

#[test]
fn net_tenants_overlap() {
    let net = up("tenants-overlap");
    net.check();
    let [red1, red2, blue1, blue2] = ["red1", "red2", "blue1", "blue2"].map(|name| net.host(name));
    assert_eq!((red1.ip, red1.mac), (blue1.ip, blue1.mac), "the addresses overlap");
    assert_eq!((red2.ip, red2.mac), (blue2.ip, blue2.mac), "the addresses overlap");
    let [at_red1, at_red2, at_blue1, at_blue2] =
        [&red1, &red2, &blue1, &blue2].map(|host| Sink::of_heads(&host.ns, DEV, HEAD_CAP));

    // At once, in either direction: known and unknown, one and all.
    std::thread::scope(|scope| {
        scope.spawn(|| talk(&red1, &red2, "red there"));
        scope.spawn(|| talk(&blue1, &blue2, "blue there"));
    });
    assert_own(&at_red2, "red there", "blue there", &red1);
    assert_own(&at_blue2, "blue there", "red there", &blue1);
    std::thread::scope(|scope| {
        scope.spawn(|| talk(&red2, &red1, "red back"));
        scope.spawn(|| talk(&blue2, &blue1, "blue back"));
    });
    assert_own(&at_red1, "red back", "blue back", &red2);
    assert_own(&at_blue1, "blue back", "red back", &blue2);
    assert_conserved(&net.switch("sw"));
}
