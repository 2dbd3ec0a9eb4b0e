//! The words of `ovs-appctl`, with the real `ovs-appctl`, beside a real Open vSwitch.

use switch_tests::ovs::Ovs;
use switch_tests::process::{Outcome, run};
use switch_tests::{Daemon, Netns};

/// `ovs-appctl` against a daemon.
fn appctl(daemon: &Daemon, words: &[&str]) -> Outcome {
    let target = daemon.rundir().join("vswitchd.ctl").display().to_string();
    run(&[&["ovs-appctl", "-t", &target], words].concat())
}

#[test]
fn what_open_vswitch_says_is_what_the_switch_says() {
    let (ours, theirs) = (Netns::new("words"), Netns::new("wordsovs"));
    let daemon = Daemon::start(&ours, &[]);
    daemon.ofctl(&["add-br", "br0"]);
    let ovs = Ovs::start(&theirs, &[]);
    ovs.add_bridge("br0");
    for line in [
        "fdb/show br0",
        "fdb/add br0 br0 10 50:54:00:00:00:01",
        "fdb/add br0 br0 0 50:54:00:00:00:02",
        "fdb/add br0 br0 4095 50:54:00:00:00:03",
        "fdb/flush br0",
        "fdb/show br0",
        "fdb/stats-show br0",
        "fdb/del br0 10 50:54:00:00:00:01",
        "fdb/del br0 10 50:54:00:00:00:01",
        "fdb/del br0 10 50:54:00:00:00:09",
        "fdb/show br0",
        "fdb/flush",
        "fdb/stats-clear br0",
        "fdb/stats-clear",
        "fdb/stats-show br0",
        "dpif-netdev/pmd-stats-clear",
        "coverage/read-counter no_such_counter",
        "vlog/set unixctl:console:off",
        "vlog/set",
        "vlog/set no_such_module",
        "vlog/set unixctl:no_such_place:dbg",
        "vlog/reopen",
        "vlog/close",
        "fdb/show",
        "fdb/show a b",
        "fdb/add",
        "fdb/add br0 br0 0 50:54:00:00:00:02 more",
        "fdb/stats-show",
        "fdb/flush a b",
        "dpif/show a",
        "coverage/show a",
        "coverage/read-counter",
        "memory/show a",
        "vlog/list a",
        "version a",
        "list-commands a",
        "exit a b",
        "no/such/word",
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        let us = appctl(&daemon, &words);
        let them = ovs.run(&[&["ovs-appctl"], &words[..]].concat());
        let said = |outcome: &Outcome| outcome.stderr.lines().next().map(str::to_owned);
        assert_eq!(us.stdout, them.stdout, "{line}");
        assert_eq!((us.code, said(&us)), (them.code, said(&them)), "{line}");
    }
}

#[test]
fn formats_that_scripts_parse() {
    let ns = Netns::new("formats");
    let daemon = Daemon::start(&ns, &[]);
    daemon.ofctl(&["add-br", "br0", "--", "add-port", "br0", "n1", "type=null"]);
    let text = |line: &str| {
        let outcome = appctl(&daemon, &line.split(' ').collect::<Vec<_>>());
        assert_eq!(outcome.code, 0, "{line}: {}", outcome.stderr);
        outcome.stdout
    };
    assert_eq!(text("version").split_whitespace().count(), 4);
    assert!(text("list-commands").starts_with("The available commands are:\n  "));
    let shown = text("dpif/show");
    assert!(
        shown.starts_with("netdev@ovs-netdev: hit:") && shown.contains("\n  br0:\n"),
        "{shown}"
    );
    assert!(shown.contains("\n    br0 65534/") && shown.contains(": (tap)\n"), "{shown}");
    assert!(shown.contains("\n    n1 1/") && shown.contains(": (null)\n"), "{shown}");
    assert!(text("dpctl/show").contains(": br0 (tap)\n"));
    assert!(text("dpif-netdev/pmd-stats-show").contains("  packets received: "));
    assert!(text("dpif-netdev/pmd-rxq-show").contains("  port: br0               queue-id:  0 "));
    assert!(text("dpif-netdev/pmd-perf-show").contains("  Iterations:  "));
    assert!(text("coverage/show").contains("\nunixctl_received  "));
    assert!(text("memory/show").contains("ports:2 "));
    assert!(text("drop/show").starts_with("Bridge  Port"));
    let json: serde_json::Value = serde_json::from_str(&text("drop/show --json")).unwrap();
    assert!(json["drops"].is_array());
    let json: serde_json::Value =
        serde_json::from_str(&daemon.ofctl(&["--json", "fdb/show", "br0"])).unwrap();
    assert!(json["br0"].is_array(), "{json}");
}

#[test]
fn the_log_changes_while_the_daemon_runs() {
    let ns = Netns::new("vlog");
    let daemon = Daemon::start(&ns, &["--log", "warn,unixctl=info"]);
    assert!(!daemon.log().contains("|INFO|"), "{}", daemon.log());
    appctl(&daemon, &["version"]);
    assert!(!daemon.log().contains("received request version"), "{}", daemon.log());
    assert_eq!(appctl(&daemon, &["vlog/set", "unixctl:console:dbg"]).code, 0);
    appctl(&daemon, &["version"]);
    let log = daemon.log();
    let line = log.lines().find(|line| line.contains("received request version"));
    let fields: Vec<&str> = line.expect("a line of the log").splitn(5, '|').collect();
    // 2024-07-20T12:00:00.123Z|00001|module|LEVEL|text
    assert!(fields[0].len() == 24 && fields[0].ends_with('Z'), "{fields:?}");
    assert!(fields[1].len() == 5 && fields[1].parse::<u32>().is_ok(), "{fields:?}");
    assert_eq!(fields[2..4], ["unixctl", "DBG"]);
}
