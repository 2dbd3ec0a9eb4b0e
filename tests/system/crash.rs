//! The daemon dies, or is stopped: what it leaves, and how it comes back.

use switch_tests::lab::BRIDGE;
use switch_tests::traffic::{ping, tcp, wait_reachable};
use switch_tests::{Daemon, Lab, Netns, PortKind};

/// Seconds after which a daemon that should have refused to start is stopped: exit code 124.
const PATIENCE_S: &str = "20";

scenarios!(a_killed_daemon_comes_back, a_stopped_daemon_leaves_nothing);

fn a_killed_daemon_comes_back(kind: PortKind) {
    let mut lab = Lab::new();
    let a = lab.host(kind, &["ofport_request=7"]);
    let b = lab.host(kind, &[]);
    wait_reachable(&a, &b);
    lab.daemon.ofctl(&["set", "bridge", BRIDGE, "mac-aging-time=60"]);
    let config = std::fs::read_to_string(lab.daemon.config()).expect("a configuration");
    let mut links = lab.ns.links();

    lab.daemon.kill();
    lab.daemon.restart();
    lab.hand_over(&a);
    lab.hand_over(&b);
    // One second for the first answer: ping asks until then.
    let address = b.ip.to_string();
    a.ns.must(&["ping", "-n", "-q", "-c", "1", "-i", "0.1", "-w", "1", &address]);
    ping(&a, &b, 20, 56);
    tcp(&a, &b, 1024 * 1024);

    let again = std::fs::read_to_string(lab.daemon.config()).expect("a configuration");
    assert_eq!(again, config);
    assert_eq!(lab.daemon.port(&a.name)["ofport"], 7);
    let aging = lab.daemon.ofctl(&["get", "bridge", BRIDGE, "mac-aging-time"]);
    assert_eq!(aging.trim().trim_matches('"'), "60");
    let mut links_again = lab.ns.links();
    links.sort();
    links_again.sort();
    assert_eq!(links_again, links, "interfaces of the switch");
}

fn a_stopped_daemon_leaves_nothing(kind: PortKind) {
    let mut lab = Lab::new();
    let (a, b) = (lab.host(kind, &[]), lab.host(kind, &[]));
    wait_reachable(&a, &b);
    lab.daemon.ofctl(&["add-port", BRIDGE, "tap9", "type=tap"]);
    lab.daemon.ofctl(&["add-port", BRIDGE, "int9", "type=internal"]);
    for name in [BRIDGE, "tap9", "int9"] {
        assert!(lab.ns.has_link(name), "{name} is not among {:?}", lab.ns.links());
    }
    assert_eq!(lab.daemon.stop(), Some(0), "{}", lab.daemon.log());

    let hosts: Vec<String> = match kind {
        PortKind::Packet | PortKind::AfXdp => vec![a.name.clone(), b.name.clone()],
        PortKind::Tap => Vec::new(),
    };
    let mut left = lab.ns.links();
    left.sort();
    assert_eq!(left, hosts, "interfaces that are left");
    if kind == PortKind::Tap {
        assert!(a.ns.links().is_empty(), "left with a host: {:?}", a.ns.links());
    }
    let files: Vec<_> = std::fs::read_dir(lab.daemon.rundir()).expect("the folder stays").collect();
    let sockets = files.into_iter().flatten().map(|file| file.file_name());
    let sockets: Vec<_> = sockets.filter(|name| name != "vswitchd.pid").collect();
    assert!(sockets.is_empty(), "left in the folder: {sockets:?}");

    lab.daemon.restart();
    lab.hand_over(&a);
    lab.hand_over(&b);
    wait_reachable(&a, &b);
}

#[test]
fn a_second_daemon_in_the_same_folder_is_refused() {
    let lab = Lab::new();
    let rundir = lab.daemon.rundir().display().to_string();
    let program = switch_tests::daemon::program("vswitchd").display().to_string();
    let second = lab.ns.run(&["timeout", PATIENCE_S, &program, "--rundir", &rundir, "--no-config"]);
    assert!(second.code > 0 && second.code != 124, "{second:?}");
    assert!(second.stderr.contains(&rundir), "{second:?}");
    assert_eq!(lab.daemon.ofctl(&["list-br"]).trim(), BRIDGE);
}

#[test]
fn a_broken_configuration_stops_the_start_and_is_kept() {
    let ns = Netns::new("sw");
    let mut daemon = Daemon::start(&ns, &[]);
    daemon.stop();
    let broken = "{\n  oops\n}\n";
    std::fs::write(daemon.config(), broken).expect("a writable folder");
    let words = [
        "timeout".to_owned(),
        PATIENCE_S.to_owned(),
        switch_tests::daemon::program("vswitchd").display().to_string(),
        "--rundir".to_owned(),
        daemon.rundir().display().to_string(),
        "--config".to_owned(),
        daemon.config().display().to_string(),
    ];
    let refused = ns.run(&words.each_ref().map(String::as_str));
    assert!(refused.code > 0 && refused.code != 124, "{refused:?}");
    assert!(refused.stderr.contains("conf.json:2:"), "{refused:?}");
    assert_eq!(std::fs::read_to_string(daemon.config()).expect("readable"), broken);
}
