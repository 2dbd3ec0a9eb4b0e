//! The kernel's own `vxlan` device at the far end.

use switch_tests::Netns;
use switch_tests::lab::DEV;
use switch_tests::traffic::{ping, tcp, wait_reachable};

use crate::rig::{End, INNER_MTU, Site, Underlay, remote, wired};

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

fn connects(port: &str, more: &[&str], keys: &[&str]) {
    let underlay = Underlay::new();
    let one = Site::new(underlay.end(1));
    let two = underlay.end(2);
    let h2 = wired(&two.ns, 2);
    let remote_end = ["id", "77", "remote", &one.end.v4, "dstport", port];
    far_end(&two, &[&remote_end[..], more].concat());
    let dst_port = format!("dst_port={port}");
    one.tunnel(&[&["type=vxlan", &remote(&two.v4), "key=77", &dst_port], keys].concat());
    let h1 = one.host(1, &[]);
    wait_reachable(&h1, &h2);
    ping(&h1, &h2, 50, 56);
    ping(&h2, &h1, 20, INNER_MTU as usize - 28);
    tcp(&h1, &h2, 8 << 20);
    tcp(&h2, &h1, 8 << 20);
    // A station behind the kernel is known where it is.
    let fdb = one.daemon.ofctl(&["fdb/show", "br0"]);
    let mac = h2.ns.must(&["cat", &format!("/sys/class/net/{DEV}/address")]);
    assert!(fdb.contains(mac.trim()), "{fdb}");
}

#[test]
fn net_vxlan_kernel_at_the_far_end() {
    connects("4789", &[], &[]);
}

#[test]
fn net_vxlan_kernel_on_its_old_port_with_checksums() {
    connects("8472", &["udpcsum"], &["csum=true"]);
}
