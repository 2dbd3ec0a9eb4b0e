//! What a port receives and the host's own stack hears, or does not.

use switch_tests::daemon::{DEADLINE, Daemon};
use switch_tests::lab::{BRIDGE, DEV};
use switch_tests::ledger::assert_conserved;
use switch_tests::traffic::{ping, ping_as, tcp, wait_reachable};
use switch_tests::{Host, Lab, Netns, PortKind, wait_until};

/// The host's address on a bridge's own port.
const ON_BRIDGE: &str = "10.0.0.200";
/// The host's address on a port's interface, and that of who is behind.
const NEAR: &str = "10.0.1.1";
const FAR: &str = "10.0.1.2";

fn set_up_bridge(lab: &Lab) {
    lab.ns.ip(&["addr", "add", &format!("{ON_BRIDGE}/24"), "dev", BRIDGE]);
    lab.ns.ip(&["link", "set", BRIDGE, "up"]);
}

/// Gives the wire to a host a network of its own, which the switch knows nothing of.
fn add_own_network(lab: &Lab, host: &Host, near: &str) {
    lab.ns.ip(&["addr", "add", &format!("{NEAR}/24"), "dev", near]);
    host.ns.ip(&["addr", "replace", &format!("{FAR}/24"), "dev", DEV]);
}

fn is_answered(from: &Netns, address: &str) -> bool {
    from.run(&["ping", "-n", "-q", "-c", "1", "-W", "1", address]).code == 0
}

fn wait_answered(from: &Netns, address: &str) {
    wait_until(&format!("{address} to answer"), DEADLINE, || is_answered(from, address));
}

fn wait_copy(lab: &Lab, port: &str, copy: &str, why: &str) {
    wait_until(&format!("host_copy={copy} of {port}: {why}"), DEADLINE, || {
        let status = &lab.daemon.port(port)["status"];
        let reason = status["host_copy_reason"].as_str().unwrap_or_default();
        status["host_copy"] == copy && reason.contains(why)
    });
    let line = |line: &&str| line.trim_start().starts_with(&format!("Port {port} "));
    let text = lab.daemon.ofctl(&["show"]);
    let row = text.lines().find(line).expect("a row of the port").to_owned();
    assert_eq!(row.contains("host hears too"), copy == "true", "{text}");
}

#[test]
fn a_host_with_an_address_on_the_bridge_hears_everything_once() {
    let lab = Lab::new();
    let host = |keys| lab.host(PortKind::Packet, keys);
    let (a, b) = (host(&[]), host(&["n_rxq=3"]));
    set_up_bridge(&lab);
    for each in [&a, &b] {
        wait_copy(&lab, &each.name, "false", "the interface has no address");
        wait_answered(&each.ns, ON_BRIDGE);
        ping_as(&each.ns, 50, &[ON_BRIDGE]);
        ping_as(&each.ns, 20, &["-s", "8000", ON_BRIDGE]);
        ping_as(&lab.ns, 50, &[&each.ip.to_string()]);
        ping_as(&lab.ns, 20, &["-s", "8000", &each.ip.to_string()]);
    }
    wait_reachable(&a, &b);
    ping(&a, &b, 20, 8000);
    tcp(&a, &b, 8 << 20);
    assert_conserved(&lab.daemon);
}

#[test]
fn a_host_keeps_the_interface_that_has_its_address() {
    let lab = Lab::new();
    let a = lab.host_without_port(PortKind::Packet);
    add_own_network(&lab, &a, &a.name);
    wait_answered(&a.ns, NEAR);
    lab.add_port(&a, &[]);
    wait_copy(&lab, &a.name, "true", "has an address");
    ping_as(&a.ns, 20, &[NEAR]);
    ping_as(&lab.ns, 20, &[FAR]);

    let b = lab.host(PortKind::Packet, &[]);
    wait_reachable(&a, &b);
    for _ in 0..3 {
        lab.ns.ip(&["addr", "flush", "dev", &a.name]);
        wait_copy(&lab, &a.name, "false", "has no address");
        ping(&a, &b, 20, 56);
        lab.ns.ip(&["addr", "add", &format!("{NEAR}/24"), "dev", &a.name]);
        wait_copy(&lab, &a.name, "true", "has an address");
        ping_as(&a.ns, 20, &[NEAR]);
        ping(&b, &a, 20, 56);
    }
}

#[test]
fn a_host_keeps_the_interface_that_another_stands_on() {
    let lab = Lab::new();
    let (a, b) = (lab.host(PortKind::Packet, &[]), lab.host(PortKind::Packet, &[]));
    wait_copy(&lab, &a.name, "false", "has no address");
    lab.ns.ip(&["link", "add", "mv0", "link", &a.name, "up", "type", "macvlan", "mode", "bridge"]);
    wait_copy(&lab, &a.name, "true", "stand on it");
    add_own_network(&lab, &a, "mv0");
    wait_answered(&a.ns, NEAR);
    ping_as(&a.ns, 20, &[NEAR]);
    wait_copy(&lab, &b.name, "false", "has no address");
    lab.ns.ip(&["link", "del", "mv0"]);
    wait_copy(&lab, &a.name, "false", "has no address");

    lab.ns.ip(&["link", "add", "kernel0", "up", "type", "bridge"]);
    lab.ns.ip(&["link", "set", &a.name, "master", "kernel0"]);
    wait_copy(&lab, &a.name, "true", "stand on it");
    lab.ns.ip(&["link", "set", &a.name, "nomaster"]);
    wait_copy(&lab, &a.name, "false", "has no address");
    wait_reachable(&a, &b);
}

#[test]
fn what_was_asked_for_holds_until_it_is_cleared() {
    let lab = Lab::new();
    let a = lab.host(PortKind::Packet, &["host-copy=false"]);
    add_own_network(&lab, &a, &a.name);
    wait_copy(&lab, &a.name, "false", "host-copy=false");
    assert!(!is_answered(&a.ns, NEAR));
    lab.daemon.ofctl(&["set", "port", &a.name, "host-copy=true"]);
    wait_copy(&lab, &a.name, "true", "host-copy=true");
    wait_answered(&a.ns, NEAR);
    lab.ns.ip(&["addr", "flush", "dev", &a.name]);
    wait_copy(&lab, &a.name, "true", "host-copy=true");
    lab.daemon.ofctl(&["clear", "port", &a.name, "host-copy"]);
    wait_copy(&lab, &a.name, "false", "has no address");
    let refused = lab.daemon.try_ofctl(&["add-port", BRIDGE, "t0", "type=tap", "host-copy=true"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stderr.contains("host-copy"), "{refused:?}");
}

/// The host hears again, whatever takes the port away. `host-copy=false` so that it is not the address
/// which does it.
#[test]
fn nothing_is_left_of_a_port() {
    let mut lab = Lab::new();
    let a = lab.host(PortKind::Packet, &["host-copy=false", "n_rxq=2"]);
    add_own_network(&lab, &a, &a.name);
    assert!(!is_answered(&a.ns, NEAR));

    lab.daemon.kill();
    wait_answered(&a.ns, NEAR);
    lab.daemon.restart();
    lab.wait_up(&a.name);
    wait_copy(&lab, &a.name, "false", "host-copy=false");
    assert!(!is_answered(&a.ns, NEAR));

    lab.ns.ip(&["link", "del", &a.name]);
    lab.wait_link(&a.name, "down");
    lab.wire(&a);
    lab.wait_up(&a.name);
    add_own_network(&lab, &a, &a.name);
    wait_copy(&lab, &a.name, "false", "host-copy=false");
    assert!(!is_answered(&a.ns, NEAR));

    lab.daemon.ofctl(&["set", "port", &a.name, "driver=packet", "n_rxq=1"]);
    wait_copy(&lab, &a.name, "false", "host-copy=false");
    assert!(!is_answered(&a.ns, NEAR));

    lab.daemon.ofctl(&["del-port", &a.name]);
    wait_answered(&a.ns, NEAR);
    lab.daemon.ofctl(&["add-port", BRIDGE, &a.name, "host-copy=false"]);
    wait_until("the host to be cut off", DEADLINE, || !is_answered(&a.ns, NEAR));
    assert_eq!(lab.daemon.stop(), Some(0));
    wait_answered(&a.ns, NEAR);
}

/// A process that may load no program is like a kernel that has no place for one.
#[test]
fn where_it_cannot_be_helped_the_port_works_and_says_so() {
    let (ns, far) = (Netns::new("sw"), Netns::new("far"));
    let wrapper = ["setpriv", "--bounding-set=-bpf,-sys_admin"];
    let daemon = Daemon::start_under(&ns, &wrapper, &[]);
    daemon.ofctl(&["add-br", BRIDGE]);
    ns.add_veth("va", &far, DEV);
    ns.ip(&["link", "set", "va", "up"]);
    far.ip(&["addr", "add", &format!("{FAR}/24"), "dev", DEV]);
    far.ip(&["link", "set", DEV, "up"]);
    daemon.ofctl(&["add-port", BRIDGE, "va"]);
    let why = "keep frames from the host's stack: Operation not permitted";
    wait_until("the reason", DEADLINE, || {
        let status = &daemon.port("va")["status"];
        let reason = status["host_copy_reason"].as_str().unwrap_or_default();
        status["host_copy"] == "true" && reason.starts_with(why) && reason.contains("CAP_BPF")
    });
    let text = daemon.ofctl(&["show", BRIDGE]);
    assert!(text.contains("host hears too"), "{text}");
    assert!(text.contains(&format!("        the host hears it too: {why}")), "{text}");
    assert!(daemon.log().contains(why), "{}", daemon.log());

    ns.ip(&["addr", "add", &format!("{NEAR}/24"), "dev", BRIDGE]);
    ns.ip(&["link", "set", BRIDGE, "up"]);
    wait_answered(&far, NEAR);
    wait_until("the two answers of a host that hears twice", DEADLINE, || {
        let words = ["ping", "-n", "-c", "5", "-i", "0.1", NEAR];
        far.run(&words).stdout.contains("DUP!")
    });
}
