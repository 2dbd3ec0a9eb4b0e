//! What is AF_XDP's own: which driver an interface gets, ports of unlike drivers on one bridge, a
//! device that vanishes under load, and refusals. The other modules run their scenarios on `afxdp`
//! ports too.

use switch_tests::daemon::{DEADLINE, Daemon};
use switch_tests::lab::BRIDGE;
use switch_tests::ledger::assert_conserved;
use switch_tests::traffic::{ping, ping_as, tcp, udp, wait_reachable};
use switch_tests::{Host, Lab, Netns, PortKind, wait_until};

const MIB: u64 = 1024 * 1024;

#[test]
fn a_system_port_says_which_driver_it_has_and_why() {
    let lab = Lab::new();
    let host = lab.host_without_port(PortKind::Packet);
    for (keys, driver, why) in [
        (vec![], "packet", "a veth"),
        (vec!["driver=packet"], "packet", "driver=packet"),
        (vec!["driver=afxdp"], "afxdp", "driver=afxdp"),
    ] {
        lab.daemon.ofctl(&[&["add-port", BRIDGE, &host.name], &keys[..]].concat());
        let port = lab.daemon.port(&host.name);
        assert_eq!(port["driver"], driver, "{port}");
        let reason = port["status"]["driver_reason"].as_str().unwrap_or_default().to_owned();
        assert!(reason.contains(why), "{reason}");
        lab.daemon.ofctl(&["del-port", &host.name]);
    }
}

#[test]
fn streams_cross_between_ports_of_unlike_drivers() {
    let lab = Lab::new();
    let host = |kind| lab.host(kind, &[]);
    let (x, p, t) = (host(PortKind::AfXdp), host(PortKind::Packet), host(PortKind::Tap));
    let y = host(PortKind::AfXdp);
    for other in [&p, &t, &y] {
        wait_reachable(&x, other);
    }
    tcp(&x, &y, 32 * MIB);
    for other in [&p, &t] {
        tcp(&x, other, 32 * MIB);
        tcp(other, &x, 32 * MIB);
        udp(other, &x, 20, 40_000);
    }
    assert_conserved(&lab.daemon);
    // What the others hand over whole stays so, and what the sender's kernel has cut is joined again.
    let count = |host: &Host, name| lab.daemon.count(&host.name, name);
    assert_eq!(count(&x, "segments"), 0);
    assert!(count(&y, "tx_joined") > 1000, "{}", count(&y, "tx_joined"));
}

#[test]
fn jumbo_frames_cross() {
    let lab = Lab::new();
    let [a, b] = [(); 2].map(|()| lab.host_without_port(PortKind::AfXdp));
    for host in [&a, &b] {
        lab.ns.ip(&["link", "set", &host.name, "mtu", "9000"]);
        host.ns.ip(&["link", "set", host.wire().1, "mtu", "9000"]);
        lab.add_port(host, &[]);
    }
    wait_reachable(&a, &b);
    ping_as(&a.ns, 50, &["-M", "do", "-s", "8972", &b.ip.to_string()]);
    tcp(&a, &b, 32 * MIB);
    assert_conserved(&lab.daemon);
}

#[test]
fn a_device_that_vanishes_under_load_comes_back_and_others_go_on() {
    let lab = Lab::new();
    let host = || lab.host(PortKind::AfXdp, &[]);
    let (a, b, c) = (host(), host(), host());
    wait_reachable(&a, &b);
    for _ in 0..3 {
        let address = b.ip.to_string();
        let mut flood = a.ns.command("ping");
        let mut flood = flood
            .args(["-f", "-q", "-s", "1000", &address])
            .stdout(std::process::Stdio::null())
            .spawn()
            .expect("ping starts");
        wait_reachable(&a, &c);
        lab.ns.ip(&["link", "del", &b.name]);
        lab.wait_link(&b.name, "down");
        ping(&a, &c, 20, 56);
        flood.kill().expect("the flood can be ended");
        flood.wait().expect("a killed child ends");
        lab.wire(&b);
        lab.wait_up(&b.name);
        wait_reachable(&a, &b);
        tcp(&b, &a, MIB);
    }
    assert_eq!(lab.daemon.port(&b.name)["driver"], "afxdp");
}

/// A process that may lock 8 MiB and cannot raise that.
#[test]
fn too_little_lockable_memory_is_told_with_the_cure() {
    let (ns, far) = (Netns::new("sw"), Netns::new("far"));
    let wrapper = [
        "prlimit",
        "--memlock=8388608:8388608",
        "setpriv",
        "--bounding-set=-ipc_lock,-sys_resource",
    ];
    let daemon = Daemon::start_under(&ns, &wrapper, &[]);
    daemon.ofctl(&["add-br", BRIDGE]);
    for name in ["va", "vb"] {
        ns.add_veth(name, &far, name);
        ns.ip(&["link", "set", name, "up"]);
        far.ip(&["link", "set", name, "up"]);
    }
    daemon.ofctl(&["add-port", BRIDGE, "vb"]);
    let refused = daemon.try_ofctl(&["add-port", BRIDGE, "va", "type=afxdp"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    for word in ["port va: cannot lock", "limit: 8192 KiB", "ulimit -l", "CAP_IPC_LOCK"] {
        assert!(refused.stderr.contains(word), "{word} is not in {refused:?}");
    }
    assert_eq!(refused.stderr.lines().count(), 1, "{refused:?}");
    assert!(daemon.port("va").is_null());
    wait_until("the other port to be up", DEADLINE, || daemon.port("vb")["link_state"] == "up");
}

#[test]
fn what_the_interface_refuses_is_told_and_nothing_is_left() {
    let lab = Lab::new();
    let host = lab.host_without_port(PortKind::AfXdp);
    let add = |keys: &[&str]| {
        let refused =
            lab.daemon.try_ofctl(&[&["add-port", BRIDGE, &host.name, "type=afxdp"], keys].concat());
        assert_eq!(refused.code, 1, "{refused:?}");
        refused.stderr
    };
    let zero_copy = add(&["xdp-mode=native-with-zerocopy"]);
    assert!(zero_copy.contains("native-with-zerocopy"), "{zero_copy}");
    let queues = add(&["n_rxq=3"]);
    assert!(queues.contains("n_rxq=3 (allowed: 1, or not set"), "{queues}");
    let link = lab.ns.ip(&["-d", "link", "show", &host.name]);
    assert!(!link.contains("xdp"), "{link}");
    lab.add_port(&host, &["xdp-mode=native"]);
    let port = lab.daemon.port(&host.name);
    assert_eq!(port["status"]["xdp_mode"], "native", "{port}");
    lab.daemon.ofctl(&["set", "port", &host.name, "xdp-mode=generic", "rx-csum-recover=false"]);
    let port = lab.daemon.port(&host.name);
    assert_eq!(port["status"]["xdp_mode"], "generic", "{port}");
    assert_eq!(port["status"]["rx_csum_recover"], "false", "{port}");
}
