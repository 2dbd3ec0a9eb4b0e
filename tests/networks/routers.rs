//! Routers: the kernel's, between VLANs and between a tenant and the outside.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use switch_tests::ledger::assert_conserved;
use switch_tests::{Host, Sink};

use super::{assert_tags, broadcast, sink, up};

/// Offsets in a frame without a tag.
const ETHERTYPE: std::ops::Range<usize> = 12..14;
const TTL: usize = 22;
const SOURCE_IP: std::ops::Range<usize> = 26..30;
const TARGET_IP: std::ops::Range<usize> = 30..34;

fn is_ipv4(frame: &[u8]) -> bool {
    frame.len() >= TARGET_IP.end && frame[ETHERTYPE] == [0x08, 0x00]
}

#[test]
fn net_vlan_router() {
    let net = up("vlan-router");
    let (h1, h2) = (net.host("h1"), net.host("h2"));
    let (at_h1, at_h2) = (sink(&h1), sink(&h2));
    let trunk = [("sw", "trunk"), ("router", "eth0")]
        .map(|(machine, dev)| Sink::open(&net.netns(machine), dev));
    net.check();

    // What one host sent to the other came by the router: one hop less to live.
    for (at, from, to) in [(&at_h2, &h1, &h2), (&at_h1, &h2, &h1)] {
        let frames = at.frames();
        let came = |frame: &&Vec<u8>| is_ipv4(frame) && frame[SOURCE_IP] == from.ip.octets();
        let came: Vec<_> = frames.iter().filter(came).collect();
        assert!(!came.is_empty(), "nothing from {} to {}", from.name, to.name);
        assert!(came.iter().all(|frame| frame[TTL] == 63 && frame[6..12] != from.mac));
    }
    // A router forwards no broadcast. The fence is one of the target's own VLAN, from the router.
    broadcast(&h1, "for 100");
    at_h2.expect_none("for 100", (&net.netns("router"), "vlan101"));
    for end in &trunk {
        assert_tags(&[end], &[Some(100), Some(101)]);
    }
    assert_tags(&[&at_h1, &at_h2], &[None]);
    assert_conserved(&net.switch("sw"));
    assert_conserved(&net.switch("router"));
}

/// Whether a connection to a listener of `to` at another address opens.
fn connects(from: &Host, to: &Host, address: Ipv4Addr) -> bool {
    let listener = to.ns.enter(|| TcpListener::bind((to.ip, 0)).expect("a port to listen on"));
    let port = listener.local_addr().expect("an address").port();
    let target = SocketAddr::from((address, port));
    from.ns.enter(|| TcpStream::connect_timeout(&target, Duration::from_secs(1)).is_ok())
}

#[test]
fn net_router_nat() {
    let net = up("router-nat");
    let [vm1, vm2, peer] = ["vm1", "vm2", "peer"].map(|name| net.host(name));
    let (at_peer, at_vm2) = (sink(&peer), sink(&vm2));
    net.check();

    let (router, floating) = (Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 11));
    assert!(connects(&vm1, &peer, peer.ip) && connects(&vm2, &peer, peer.ip), "no way out");
    assert!(connects(&peer, &vm1, floating), "no way in by the floating address");
    assert!(!connects(&peer, &vm1, vm1.ip), "a way in beside the floating address");
    assert!(!connects(&peer, &vm2, vm2.ip), "a way in to a machine without floating address");
    assert!(!connects(&peer, &vm2, router), "the router's address is a way in");

    // No address of the tenant's is ever seen outside.
    let frames = at_peer.frames();
    let came: Vec<_> =
        frames.iter().filter(|frame| is_ipv4(frame) && frame[6..12] != peer.mac).collect();
    assert!(came.iter().any(|frame| frame[SOURCE_IP] == router.octets()));
    assert!(came.iter().any(|frame| frame[SOURCE_IP] == floating.octets()));
    assert!(came.iter().all(|frame| frame[SOURCE_IP][..2] != [10, 1]), "a tenant's address");
    // Nor a broadcast of one network in the other.
    broadcast(&peer, "outside");
    at_vm2.expect_none("outside", (&vm1.ns, "eth0"));
    assert_conserved(&net.switch("sw"));
}
