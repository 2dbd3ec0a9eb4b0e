//! What is refused, and in which words.

use switch_tests::process::Outcome;

use crate::rig::{Site, Underlay};

fn refused(site: &Site, words: &[&str]) -> String {
    let Outcome { code, stderr, .. } = site.daemon.try_ofctl(words);
    assert_eq!(code, 1, "{stderr}");
    stderr.trim().to_owned()
}

#[test]
fn wrong_ports_are_refused_whole() {
    let underlay = Underlay::new();
    let one = Site::new(underlay.end(1));
    let add = |keys: &[&str]| refused(&one, &[&["add-port", "br0", "t"], keys].concat());
    for (keys, why) in [
        (&["type=vxlan"][..], "needs remote_ip=ADDRESS or remote_ip=flow"),
        (&["type=vxlan", "remote_ip=10.9.2"], "remote_ip=10.9.2: not an address"),
        (&["type=vxlan", "remote_ip=10.9.2.2", "key=16777216"], "allowed: 0-16777215, flow"),
        (&["type=gre", "remote_ip=10.9.2.2", "dst_port=1"], "dst_port=1: does not fit type=gre"),
        (&["type=vxlan", "remote_ip=10.9.2.2", "local_ip=fd09::1"], "not of the same IP version"),
        (
            &["type=vxlan", "remote_ip=10.9.2.2", "mtu_request=1400"],
            "mtu_request=1400: does not fit",
        ),
        (&["remote_ip=10.9.2.2"], "does not fit type=system"),
    ] {
        let error = add(keys);
        assert!(error.contains(why), "{error}");
    }
    assert!(one.daemon.port("t").is_null());
}

#[test]
fn a_udp_port_in_use_is_told_and_taken_when_it_is_free() {
    let underlay = Underlay::new();
    let mut one = Site::new(underlay.end(1));
    let taken = one.end.ns.enter(|| std::net::UdpSocket::bind("0.0.0.0:4789").unwrap());
    let add = ["add-port", "br0", "t", "type=vxlan", "remote_ip=10.9.2.2"];
    let error = refused(&one, &add);
    assert!(
        error.contains("vxlan_sys_4789: bind to the UDP port: Address already in use"),
        "{error}"
    );
    assert!(one.daemon.port("t").is_null(), "nothing is kept");
    drop(taken);
    one.daemon.ofctl(&add);
    one.wait_link("t", "up");
    // At a start it is kept, and taken up when the port is free.
    one.daemon.stop();
    let taken = one.end.ns.enter(|| std::net::UdpSocket::bind("0.0.0.0:4789").unwrap());
    one.daemon.restart();
    assert_eq!(one.daemon.port("t")["link_state"], "down");
    drop(taken);
    one.wait_link("t", "up");
}

#[test]
fn our_own_address_is_no_remote_host() {
    let underlay = Underlay::new();
    let one = Site::new(underlay.end(1));
    one.tunnel(&["type=vxlan", "remote_ip=10.9.1.2"]);
    one.wait_link("t", "down");
    assert_eq!(one.daemon.port("t")["error"], "remote_ip 10.9.1.2 is an address of this host");
}
