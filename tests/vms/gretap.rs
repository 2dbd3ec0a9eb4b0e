//! A guest whose kernel is the other end of GRE tunnels: its `gretap` devices, and ports of the switch.
//!
//! ```text
//!  host 10.0.0.1 ── br0 ── t (gre) ══ 192.0.2.1 ── the guest's card ── 192.0.2.2 ══ gt0 10.0.0.100
//! ```

use std::time::Duration;

use switch_tests::lab::{BRIDGE, DEV, PortKind};
use switch_tests::ledger::assert_conserved;
use switch_tests::{Card, Host, Vm, wait_until};

use crate::{Site, tcp};

const PATIENCE: Duration = Duration::from_secs(30);
/// MTU at both ends: what the longest header of GRE leaves of 1500 bytes.
const MTU: &str = "1448";
/// The guest, at the far end of the tunnel.
const INNER: &str = "10.0.0.100";
const INNER_MAC: &str = "02:00:00:00:02:01";

/// Words of the guest's `ip link add … type gretap`, and keys of the port that fit them.
const FORMS: [(&str, &[&str]); 3] = [
    ("", &[]),
    ("key 42", &["key=42"]),
    ("key 4294967295 csum seq", &["key=4294967295", "csum=true", "seq=true"]),
];

/// A host on the bridge that the tunnel is a port of.
fn host(site: &Site) -> Host {
    let host = site.lab.host(PortKind::Packet, &[]);
    host.ns.ip(&["link", "set", DEV, "mtu", MTU]);
    host
}

/// Tunnels of each form, one after the other, between the switch and the guest: what is asked of each,
/// and where the way is to lead.
fn connects(site: &Site, vm: &mut Vm, host: &Host, underlay: &str) {
    let daemon = &site.lab.daemon;
    vm.set_up("192.0.2.2/24");
    for module in ["ip_tunnel", "gre", "ip_gre"] {
        vm.must(&format!("insmod /modules/{module}.ko"));
    }
    for (words, keys) in FORMS {
        let ends = "local 192.0.2.2 remote 192.0.2.1";
        // The same address each time: the host knows it still.
        vm.must(&format!("/ip link add gt0 address {INNER_MAC} type gretap {ends} {words}"));
        vm.must(&format!("/ip link set gt0 mtu {MTU} up && ip addr add {INNER}/24 dev gt0"));
        if keys.is_empty() {
            daemon.ofctl(&["add-port", BRIDGE, "t", "type=gre", "remote_ip=192.0.2.2"]);
        } else {
            // While the port knows another key, nothing passes.
            daemon.ofctl(&["set", "port", "t", "key=41"]);
            assert!(!vm.can_ping(&host.ip.to_string()), "keys are apart");
            daemon.ofctl(&[&["set", "port", "t"], keys].concat());
        }
        wait_until(&format!("the guest to answer by gretap {words}"), PATIENCE, || {
            host.ns.run(&["ping", "-n", "-q", "-c", "1", "-W", "1", INNER]).code == 0
        });
        assert!(vm.can_ping(&host.ip.to_string()));
        // Packets of the whole MTU.
        host.ns
            .must(&["ping", "-n", "-q", "-c", "5", "-i", "0.2", "-M", "do", "-s", "1420", INNER]);
        tcp::there_and_back(vm, INNER, host);
        assert_eq!(site.status("t", "underlay"), underlay);
        assert_conserved(daemon);
        vm.must("ip link del gt0");
    }
}

#[test]
fn a_guest_s_gretap_over_a_bridge_of_the_switch() {
    let site = Site::new();
    let host = host(&site);
    let path = format!("path={}", site.socket("vm1").display());
    site.lab.daemon.ofctl(&["add-br", "phy"]);
    site.lab.daemon.ofctl(&["add-port", "phy", "vm1", "type=vhost-user", &path]);
    site.lab.ns.ip(&["addr", "add", "192.0.2.1/24", "dev", "phy"]);
    site.lab.ns.ip(&["link", "set", "phy", "up"]);
    let card = Card::Listening(site.socket("vm1"));
    let mut vm = Vm::boot(None, &card, "02:00:00:00:01:01", 1);
    connects(&site, &mut vm, &host, "datapath (port phy)");
}

#[test]
fn a_guest_s_gretap_over_the_host_s_stack() {
    let site = Site::new();
    let host = host(&site);
    site.lab.ns.ip(&["tuntap", "add", "vnet0", "mode", "tap"]);
    let card = Card::Tap("vnet0".to_owned());
    let mut vm = Vm::boot(Some(site.lab.ns.name()), &card, "02:00:00:00:01:01", 1);
    site.lab.ns.ip(&["addr", "add", "192.0.2.1/24", "dev", "vnet0"]);
    site.lab.ns.ip(&["link", "set", "vnet0", "up"]);
    connects(&site, &mut vm, &host, "host");
}
