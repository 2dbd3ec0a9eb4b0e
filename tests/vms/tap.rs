//! A guest by a TAP of its VMM's, which the switch attaches to as to any interface.

use std::time::Duration;

use switch_tests::lab::{BRIDGE, DEV, PortKind};
use switch_tests::{Card, Vm, wait_until};

use crate::{Site, tcp};

const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn a_guest_with_a_tap_of_its_own_is_served_by_each_driver() {
    let site = Site::new();
    let host = site.lab.host(PortKind::Packet, &[]);
    // The switch makes the TAP for whoever runs the VM, and lets go of it.
    let keys = ["type=tap", "persist=true", "user=nobody"];
    site.lab.daemon.ofctl(&[&["add-port", BRIDGE, "vnet0"], &keys[..]].concat());
    site.lab.daemon.ofctl(&["del-port", "vnet0"]);
    let card = Card::Tap("vnet0".to_owned());
    let mut vm = Vm::boot(Some(site.lab.ns.name()), &card, "02:00:00:00:01:01", 1);
    site.lab.ns.ip(&["link", "set", "vnet0", "up"]);
    vm.set_up("10.0.0.100/24");
    for (key, driver) in [("type=system", "packet"), ("type=afxdp", "afxdp")] {
        site.lab.daemon.ofctl(&["add-port", BRIDGE, "vnet0", key]);
        assert_eq!(site.lab.daemon.port("vnet0")["driver"], driver);
        site.lab.wait_up("vnet0");
        wait_until("the guest to answer", PATIENCE, || {
            host.ns.run(&["ping", "-n", "-q", "-c", "1", "-W", "1", "10.0.0.100"]).code == 0
        });
        tcp::there_and_back(&mut vm, "10.0.0.100", &host);
        site.lab.daemon.ofctl(&["del-port", "vnet0"]);
    }
    assert!(!vm.can_ping(&host.ip.to_string()), "{DEV} of the host is beyond a port that is gone");
}
