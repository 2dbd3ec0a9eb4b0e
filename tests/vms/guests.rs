//! Guests in QEMU, by vhost-user.

use std::path::PathBuf;
use std::process::Child;
use std::time::Duration;

use switch_tests::front_end::RING_PACKED;
use switch_tests::lab::{DEV, PortKind};
use switch_tests::{Card, Host, Vm, wait_until};

use crate::{Site, tcp};

const PATIENCE: Duration = Duration::from_secs(30);

/// A DHCP server, ended when dropped.
struct Dnsmasq(Child);

impl Dnsmasq {
    fn start(host: &Host) -> Dnsmasq {
        let mut command = host.ns.command("dnsmasq");
        command.args(["--no-daemon", "--conf-file=/dev/null", "--port=0", "--no-ping"]);
        command.args([&format!("--interface={DEV}"), "--bind-interfaces", "--leasefile-ro"]);
        command.arg("--dhcp-range=10.0.0.100,10.0.0.150,255.255.255.0,1h");
        Dnsmasq(command.spawn().expect("dnsmasq"))
    }
}

impl Drop for Dnsmasq {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Frames that a guest's kernel sends as a load.
const N_FLOOD: usize = 30_000;

/// Frames for the second guest that came to an end.
fn passed_on(site: &Site) -> u64 {
    ["tx_packets", "tx_dropped"].iter().map(|key| site.lab.daemon.count("vm2", key)).sum()
}

fn wait_ping(host: &Host, address: &str) {
    wait_until(&format!("{address} to answer"), PATIENCE, || {
        host.ns.run(&["ping", "-n", "-q", "-c", "1", "-W", "1", address]).code == 0
    });
}

#[test]
fn a_guest_lives_through_everything() {
    a_guest_lives_with(Card::Listening);
}

#[test]
fn a_guest_with_packed_rings_lives_through_everything() {
    a_guest_lives_with(Card::Packed);
}

fn a_guest_lives_with(card: fn(PathBuf) -> Card) {
    let mut site = Site::new();
    site.add("vm1", "client", &[]);
    assert_eq!(site.status("vm1", "mode"), "client");
    let server = site.lab.host(PortKind::Packet, &[]);
    let tagged = site.lab.host(PortKind::Packet, &["tag=10"]);
    let _dnsmasq = Dnsmasq::start(&server);
    let card = card(site.socket("vm1"));
    let is_packed = matches!(card, Card::Packed(_));
    let mut vm = Vm::boot(None, &card, "02:00:00:00:01:01", 1);
    // A lease, and the address that it is for.
    vm.must("ip link set eth0 up && udhcpc -i eth0 -s /lease -n -q -t 20 -T 1");
    let shown = vm.must("ip -4 addr show dev eth0");
    let address = shown.split("inet ").nth(1).and_then(|rest| rest.split('/').next());
    let address = address.unwrap_or_else(|| panic!("no lease: {shown}")).to_owned();
    assert!(address.starts_with("10.0.0.1"), "{address}");
    site.lab.wait_up("vm1");
    assert_eq!(site.status("vm1", "status"), "connected");
    assert_eq!(site.features("vm1") & RING_PACKED != 0, is_packed);
    wait_ping(&server, &address);
    assert!(vm.can_ping(&server.ip.to_string()));
    tcp::there_and_back(&mut vm, &address, &server);
    // A VLAN of its own: the port is a trunk.
    tagged.ns.ip(&["addr", "add", "10.0.9.2/24", "dev", DEV]);
    vm.must("ip link add link eth0 name v10 type vlan id 10");
    vm.must("ip addr add 10.0.9.1/24 dev v10 && ip link set v10 up");
    wait_ping(&tagged, "10.0.9.1");
    assert!(vm.can_ping("10.0.9.2"));
    // A crash of the switch: the guest is not touched, and its link comes back.
    site.lab.daemon.kill();
    site.lab.daemon.restart();
    wait_ping(&server, &address);
    wait_ping(&tagged, "10.0.9.1");
    assert!(vm.has_link());
    tcp::there_and_back(&mut vm, &address, &server);
    // A reboot of the guest: the port is not touched.
    vm.reboot();
    vm.set_up(&format!("{address}/24"));
    wait_ping(&server, &address);
    assert_eq!(site.features("vm1") & RING_PACKED != 0, is_packed);
    assert_eq!(site.lab.daemon.port("vm1")["status"].get("error"), None);
    drop(vm);
    site.lab.wait_link("vm1", "down");
    site.wait_gone("vm1");
}

#[test]
fn two_guests_talk_to_each_other() {
    let site = Site::new();
    site.add("vm1", "server", &["n_rxq=2"]);
    site.add("vm2", "client", &[]);
    let first = Card::Connecting(site.socket("vm1"));
    let second = Card::Listening(site.socket("vm2"));
    let mut one = Vm::start(None, &first, "02:00:00:00:01:01", 2);
    let mut two = Vm::boot(None, &second, "02:00:00:00:01:02", 1);
    one.wait_ready();
    one.set_up("10.0.0.1/24");
    two.set_up("10.0.0.2/24");
    site.lab.wait_up("vm1");
    site.lab.wait_up("vm2");
    wait_until("the guests to meet", PATIENCE, || one.can_ping("10.0.0.2"));
    assert!(two.can_ping("10.0.0.1"));
    assert_eq!(site.status("vm1", "num_of_vrings"), "4");
    // Its input stays open: it would end the connection with it.
    one.must("(tail -f /dev/null | nc -l -p 7000 > /tmp/got) & true");
    two.must("head -c 8000000 /dev/urandom > /tmp/noise");
    let sent = two.must("sha256sum < /tmp/noise");
    wait_until("the guest to listen", PATIENCE, || two.run("nc 10.0.0.1 7000 < /tmp/noise").0 == 0);
    wait_until("the same bytes", PATIENCE, || one.must("sha256sum < /tmp/got") == sent);
    // Whole segments crossed, as they came: none was cut, and no checksum finished on the way.
    let shown = site.lab.daemon.port("vm1");
    let of = |key: &str| shown["statistics"][key].as_u64().unwrap();
    assert!(of("tx_bytes") / of("tx_packets") > 1514, "{shown}");
    assert_eq!((of("segments"), of("tx_checksums")), (0, 0));
    // A load: what the switch takes from one it gives to the other, or says why not.
    let before = (site.lab.daemon.count("vm1", "rx_packets"), passed_on(&site));
    one.flood(N_FLOOD, "02:00:00:00:01:02");
    wait_until("the last frames", PATIENCE, || {
        site.lab.daemon.count("vm1", "rx_packets") >= before.0 + N_FLOOD as u64
    });
    wait_until("all to be accounted for", PATIENCE, || {
        passed_on(&site) >= before.1 + N_FLOOD as u64
    });
    assert_eq!(site.lab.daemon.count("vm1", "rx_dropped"), 0);
    assert!(two.can_ping("10.0.0.1"));
}
