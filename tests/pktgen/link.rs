//! Through a link whose rate, queue and losses the kernel knows (tc-tbf(8)).

use serde_json::Value;
use switch_tests::Netns;
use switch_tests::lab::{BRIDGE, DEV};

use crate::rig::{assert_clean, count, port, report, stream};

/// Bits per second of the link, and bytes of its queue and of its bucket.
const RATE: f64 = 10e6;
const LIMIT: f64 = 30_000.0;
const BURST: f64 = 15_000.0;
/// Of a frame, as the queueing discipline counts it: without FCS.
const FRAME_LEN: f64 = 996.0;
/// Four times as many as the link carries a second.
const LOAD: [&str; 6] = ["--size", "1000", "--rate", "5k", "--count", "5000"];

struct Link {
    near: Netns,
    far: Netns,
    middle: Netns,
}

impl Link {
    /// A bridge between two hosts; towards the second, the limit.
    fn new() -> Link {
        let middle = Netns::new("tbf");
        middle.ip(&["link", "add", BRIDGE, "type", "bridge"]);
        middle.ip(&["link", "set", BRIDGE, "up"]);
        let host = |tag: &str| {
            let host = Netns::new(tag);
            middle.add_veth(tag, &host, DEV);
            middle.ip(&["link", "set", tag, "up", "master", BRIDGE]);
            host.ip(&["link", "set", DEV, "up"]);
            host
        };
        let (near, far) = (host("near"), host("far"));
        let (rate, limit, burst) = (format!("{RATE}"), format!("{LIMIT}"), format!("{BURST}"));
        let tbf = ["root", "tbf", "rate", &rate, "limit", &limit, "burst", &burst];
        middle.must(&[&["tc", "qdisc", "add", "dev", "far"][..], &tbf].concat());
        Link { near, far, middle }
    }

    /// Frames that the limit dropped.
    fn n_dropped(&self) -> u64 {
        let text = self.middle.must(&["tc", "-s", "-j", "qdisc", "show", "dev", "far"]);
        let shown: Value = serde_json::from_str(&text).expect("tc prints JSON");
        shown[0]["drops"].as_u64().expect("drops")
    }
}

#[test]
fn loss_is_what_the_link_dropped_and_latency_that_of_its_queue() {
    let link = Link::new();
    let [tx, rx] = [&link.near, &link.far].map(port);
    let report = report(&[&["--tx", &tx, "--rx", &rx, "--flows", "10"][..], &LOAD].concat());
    let stream = stream(&report, 0, 0);
    assert_clean(stream);
    assert_eq!(count(stream, "sent"), 5000, "{stream}");
    assert_eq!(count(stream, "lost"), link.n_dropped(), "{stream}");

    // What fits the bucket and the queue passes at once; beyond that the link has its rate.
    let received = count(stream, "received") as f64;
    let at_once = ((BURST + LIMIT) / FRAME_LEN).floor();
    assert!(received >= at_once, "{received} of {at_once}");
    let float = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("no number: {stream}"));
    let arriving_s = (received - 1.0).max(0.0) / float(&stream["rx_pps"]);
    let most = (arriving_s * RATE / 8.0 + BURST) / FRAME_LEN + 2.0;
    assert!(received <= most, "{received} in {arriving_s} s (possible: {most})");
    let lost_percent = 100.0 * (5000.0 - received) / 5000.0;
    assert!((float(&stream["loss_percent"]) - lost_percent).abs() < 1e-6);

    // A frame behind a full queue waits until the queue has been sent.
    let full_us = (LIMIT - 2.0 * FRAME_LEN) * 8.0 / RATE * 1e6;
    let slowest = float(&stream["latency_us"]["max"]);
    assert!(slowest >= full_us, "slowest: {slowest} µs; a full queue takes {full_us} µs");
}

#[test]
fn below_its_rate_a_link_loses_nothing() {
    let link = Link::new();
    let [tx, rx] = [&link.near, &link.far].map(port);
    // Fewer than the queue holds, so that no pause of the machine can make it overflow.
    let load = ["--size", "1000", "--rate", "500", "--count", "25"];
    let report = report(&[&["--tx", &tx, "--rx", &rx][..], &load].concat());
    let stream = stream(&report, 0, 0);
    assert_clean(stream);
    assert_eq!((count(stream, "received"), link.n_dropped()), (25, 0), "{stream}");
}
