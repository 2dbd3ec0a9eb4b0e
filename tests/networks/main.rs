//! The networks that Linux administrators build, with the switch in them.
//!
//! # Design
//! Each network is a script of `examples/`, and a page section of `docs/networks.md`. A test runs the
//! script's own checks on the network that it built, compares the page with what the script typed,
//! and then looks closer than a script can: sinks on the wires, frames made by hand, ledgers.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, reason = "in a test, an expectation that breaks is a failure")]

mod bridges;
mod capture;
mod macvlan;
mod page;
mod patch;
mod routers;
mod scripts;
mod sites;
mod tenants;
mod tunnels;
mod vlans;

use switch_tests::frame::{BROADCAST, Frame};
use switch_tests::inject::inject;
use switch_tests::lab::DEV;
use switch_tests::{Example, Host, Sink};

/// The networks: script and test.
const NETWORKS: &[(&str, &str)] = &[
    ("linux-bridge", "net_linux_bridge_by_veth"),
    ("patch-vs-veth", "net_patch_vs_veth"),
    ("local", "net_local"),
    ("flat-dhcp", "net_flat_dhcp"),
    ("vlan", "net_vlan"),
    ("vlan-router", "net_vlan_router"),
    ("router-nat", "net_router_nat"),
    ("tenants-overlap", "net_tenants_overlap"),
    ("tap-sites", "net_tap_sites"),
    ("macvlan", "net_macvlan"),
    ("vxlan", "net_vxlan_two_switches"),
    ("vxlan-kernel", "net_vxlan_kernel"),
    ("gre", "net_gre_two_switches"),
    ("capture", "net_capture"),
];

/// Builds a network; the page must show what the script typed.
fn up(name: &str) -> Example {
    let example = Example::up(name);
    page::assert_shows(name, example.built());
    example
}

/// What a host's wire carries from now on.
fn sink(host: &Host) -> Sink {
    Sink::open(&host.ns, DEV)
}

/// Sends a frame without a tag from a host.
fn send(from: &Host, dst: [u8; 6], text: &str) {
    inject(&from.ns, DEV, [Frame::new(dst, from.mac).text(text)]);
}

/// Sends a broadcast without a tag from a host.
fn broadcast(from: &Host, text: &str) {
    send(from, BROADCAST, text);
}

/// The VID of a frame's 802.1Q tag, if it has one.
fn vid(frame: &[u8]) -> Option<u16> {
    let tagged = frame.len() >= 16 && frame[12..14] == [0x81, 0x00];
    tagged.then(|| u16::from_be_bytes([frame[14], frame[15]]) & 0x0fff)
}

/// Asserts that every frame of some wires bears one of these tags, and each tag is there.
fn assert_tags(wires: &[&Sink], vids: &[Option<u16>]) {
    let frames: Vec<Vec<u8>> = wires.iter().flat_map(|wire| wire.frames()).collect();
    for frame in &frames {
        assert!(vids.contains(&vid(frame)), "tag {:?} in {frame:02x?}", vid(frame));
    }
    for wanted in vids {
        assert!(frames.iter().any(|frame| vid(frame) == *wanted), "no frame with {wanted:?}");
    }
}
