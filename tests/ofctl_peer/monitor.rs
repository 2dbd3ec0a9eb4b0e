//! Both programs watch the same bridge at the same time, and must see the same.

use std::path::Path;
use std::time::Duration;

use switch_tests::daemon::program;
use switch_tests::ovs::Ovs;
use switch_tests::{Netns, wait_until};

use crate::script::PACKET;
use crate::{masked, start};

const PATIENCE: Duration = Duration::from_secs(20);
/// Longer than everything that happens takes; it ends both programs.
const SECONDS: &str = "8";

/// What happens meanwhile.
const EVENTS: &[&[&str]] = &[
    &["add-flow", "br0", "send_flow_rem,cookie=7,udp,actions=controller"],
    &["packet-out", "br0", "1", "resubmit(,0)", PACKET],
    &[
        "packet-out",
        "br0",
        "in_port=1 packet=50540000000a50540000000908004500001c000000004011b5bd0a0000010a00000200010002000860a1 actions=controller(userdata=01.02,reason=no_match)",
    ],
    &[
        "packet-out",
        "br0",
        "1",
        "controller",
        "50540000000a5054000000098100a00a08004500002800010000400666ce0a0000010a000002005000510000000100000000501220002f7f0000",
    ],
    &["add-flow", "br0", "table=3,priority=4,idle_timeout=5,arp,actions=1"],
    &["mod-flows", "br0", "udp,actions=1"],
    &["mod-port", "br0", "p1", "no-receive"],
    &["mod-port", "br0", "p1", "receive"],
    &["del-flows", "br0"],
];

fn watch(ovs: &Ovs<'_>, version: &str, command: &str, output: &Path) {
    let line = format!(
        "{command} -O OpenFlow{version} --timeout {SECONDS} monitor br0 65534 watch: > {} 2>&1",
        output.display()
    );
    let _ = ovs.run(&["sh", "-c", &line]);
}

fn text(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    // How ovs-ofctl and its shell say that the time is over.
    let over = |line: &&str| line.contains("fatal_signal") || line.contains("Alarm clock");
    let lines = text.lines().filter(|line| !over(line));
    masked(&lines.collect::<Vec<_>>().join("\n"))
}

fn compare(version: &str) {
    let ns = Netns::new("mon");
    let ovs = start(&ns);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (theirs, ours) = (folder.path().join("theirs"), folder.path().join("ours"));
    let rundir = ovs.folder().display().to_string();
    let ofctl = format!("{} --rundir {rundir}", program("ofctl").display());
    std::thread::scope(|scope| {
        scope.spawn(|| watch(&ovs, version, "ovs-ofctl", &theirs));
        scope.spawn(|| watch(&ovs, version, &ofctl, &ours));
        let both = |word: &str| text(&theirs).contains(word) && text(&ours).contains(word);
        wait_until("both to watch", PATIENCE, || both("FLOW_MONITOR reply"));
        for event in EVENTS {
            ovs.must(&[&["ovs-ofctl", "-O", "OpenFlow13"], *event].concat());
        }
        wait_until("both to see the last event", PATIENCE, || both("FLOW_REMOVED"));
    });
    let (theirs, ours) = (text(&theirs), text(&ours));
    assert_eq!(theirs, ours, "{version}\novs-ofctl:\n{theirs}\nofctl:\n{ours}");
    for word in ["PACKET_IN2", "event=ADDED", "event=DELETED", "PORT_STATUS", "userdata=01.02"] {
        assert!(ours.contains(word), "{version}: no {word} in\n{ours}");
    }
}

#[test]
fn monitors_see_the_same() {
    for version in ["10", "13", "14", "15"] {
        compare(version);
    }
}
