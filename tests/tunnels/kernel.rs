//! The kernel's own `vxlan` device at the far end.

use switch_tests::Netns;
use switch_tests::lab::DEV;
use switch_tests::ledger::assert_conserved;

use crate::inband::inband;
use crate::rig::{End, INNER_MTU, Site, Underlay, cross, remote, wired};
use crate::uplink::direct;

/// A host behind a Linux bridge with a `vxlan` device.
fn far_end(end: &End, vxlan: &[&str]) {
    let ns: &Netns = &end.ns;
    ns.ip(&[&["link", "add", "vx0", "type", "vxlan", "local", &end.v4], vxlan].concat());
    ns.ip(&["link", "add", "lan", "type", "bridge"]);
    for dev in ["vx0", "h2"] {
        ns.ip(&["link", "set", dev, "master", "lan"]);
    }
    for dev in ["vx0", "lan"] {
        ns.ip(&["link", "set", dev, "up", "mtu", &INNER_MTU.to_string()]);
    }
}

fn connects(underlay: &Underlay, one: &Site, port: &str, (more, keys): (&[&str], &[&str])) {
    let two = underlay.end(2);
    let h2 = wired(&two.ns, 2);
    let remote_end = ["id", "77", "remote", &one.end.v4, "dstport", port];
    far_end(&two, &[&remote_end[..], more].concat());
    let dst_port = format!("dst_port={port}");
    one.tunnel(&[&["type=vxlan", &remote(&two.v4), "key=77", &dst_port], keys].concat());
    let h1 = one.host(1, &[]);
    cross(&h1, &h2);
    // A station behind the kernel is known where it is.
    let fdb = one.daemon.ofctl(&["fdb/show", "br0"]);
    let mac = h2.ns.must(&["cat", &format!("/sys/class/net/{DEV}/address")]);
    assert!(fdb.contains(mac.trim()), "{fdb}");
}

#[test]
fn net_vxlan_kernel_at_the_far_end() {
    let underlay = Underlay::new();
    let one = Site::new(underlay.end(1));
    connects(&underlay, &one, "4789", (&[], &[]));
}

#[test]
fn net_vxlan_kernel_on_its_old_port_with_checksums() {
    let underlay = Underlay::new();
    let one = Site::new(underlay.end(1));
    connects(&underlay, &one, "8472", (&["udpcsum"], &["csum=true"]));
}

/// The kernel leaves checksums inside unfinished, and by AF_XDP nobody tells: neither at the port with
/// this host's address, nor at the bridge's own port behind it. The checksum outside, where there is one,
/// is right for what is inside when it is finished.
#[test]
fn net_vxlan_kernel_behind_an_afxdp_uplink() {
    for of in [(&[][..], &[][..]), (&["udpcsum"][..], &["csum=true"][..])] {
        let underlay = Underlay::new();
        let one = direct(&underlay, 1);
        connects(&underlay, &one, "4789", of);
        assert_eq!(one.status("t", "underlay"), "datapath (port wan)");
        assert_conserved(&one.daemon);
        let underlay = Underlay::new();
        let one = inband(&underlay, 1, &["type=afxdp"]);
        connects(&underlay, &one, "4789", of);
        assert_eq!(one.status("t", "underlay"), "datapath (port phy)");
        assert_conserved(&one.daemon);
    }
}
