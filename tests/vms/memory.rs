//! Memory that comes while a guest runs.

use std::fs;
use std::time::Duration;

use switch_tests::lab::PortKind;
use switch_tests::{Card, Vm, wait_until};

use crate::{Site, tcp};

const PATIENCE: Duration = Duration::from_secs(30);
const MORE_MIB: u64 = 128;

/// Mappings of guests' memory in a process.
fn n_mapped(pid: u32) -> usize {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).expect("its mappings");
    maps.lines().filter(|line| line.contains("memfd:")).count()
}

/// What the guest's kernel has, KiB.
fn total(vm: &mut Vm) -> u64 {
    let line = vm.must("grep MemTotal /proc/meminfo");
    let number = line.split_whitespace().nth(1).and_then(|word| word.parse().ok());
    number.unwrap_or_else(|| panic!("{line}"))
}

#[test]
fn memory_is_plugged_into_a_guest_whose_port_forwards() {
    let site = Site::new();
    site.add("vm1", "client", &[]);
    let host = site.lab.host(PortKind::Packet, &[]);
    let card = Card::Listening(site.socket("vm1"));
    let mut vm = Vm::boot(None, &card, "02:00:00:00:01:01", 1);
    vm.set_up("10.0.0.100/24");
    site.lab.wait_up("vm1");
    wait_until("the guest to answer", PATIENCE, || vm.can_ping(&host.ip.to_string()));
    let pid = site.lab.daemon.pid();
    let (mapped, before) = (n_mapped(pid), total(&mut vm));
    // Traffic all the while.
    let mut pings = host.ns.command("ping");
    pings.args(["-n", "-q", "-i", "0.02", "-c", "150", "-W", "20", "10.0.0.100"]);
    let pings = pings.stdout(std::process::Stdio::piped()).spawn().expect("ping");
    vm.plug_memory(MORE_MIB);
    wait_until("the switch to map it", PATIENCE, || n_mapped(pid) > mapped);
    wait_until("the guest to use it", PATIENCE, || total(&mut vm) > before + (MORE_MIB << 9));
    let said = pings.wait_with_output().expect("ping ends");
    let said = String::from_utf8_lossy(&said.stdout);
    assert!(said.contains("150 received"), "{said}");
    // The kernel takes from the memory that lies highest first: buffers are in the new part now.
    tcp::there_and_back(&mut vm, "10.0.0.100", &host);
    assert_eq!(site.status("vm1", "n_connections"), "1");
    assert_eq!(site.lab.daemon.count("vm1", "rx_dropped"), 0);
    let shown = site.lab.daemon.port("vm1");
    assert_eq!(shown["status"].get("error"), None, "{shown}");
}
