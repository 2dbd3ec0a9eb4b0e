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

fn watch(ovs: &Ovs<'_>, version: &str, (command, words): (&str, &str), output: &Path) {
    let line = format!(
        "{command} -O OpenFlow{version} --timeout {SECONDS} monitor br0 {words} > {} 2>&1",
        output.display()
    );
    let _ = ovs.run(&["sh", "-c", &line]);
}

fn text(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    // How ovs-ofctl and its shell say that the time is over.
    let over = |line: &&str| line.contains("fatal_signal") || line.contains("Alarm clock");
    // A part of a continuation that Open vSwitch alone understands, and can do without.
    let own = |line: &&str| line.contains("continuation.odp_port");
    let lines = text.lines().filter(|line| !over(line) && !own(line));
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
        let words = "65534 watch:";
        scope.spawn(|| watch(&ovs, version, ("ovs-ofctl", words), &theirs));
        scope.spawn(|| watch(&ovs, version, (&ofctl, words), &ours));
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

/// Both watch as `words` say while a packet goes through a flow that does `controller`; what each of them
/// saw from that packet on, which `marker` belongs to.
fn packets(
    version: &str,
    words: &str,
    (controller, marker): (&str, &str),
    is_over: &dyn Fn(&Ovs<'_>) -> bool,
) -> [String; 2] {
    let ns = Netns::new("monp");
    let ovs = start(&ns);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (theirs, ours) = (folder.path().join("theirs"), folder.path().join("ours"));
    let rundir = ovs.folder().display().to_string();
    let ofctl = format!("{} --rundir {rundir}", program("ofctl").display());
    let to = format!("load:5->NXM_NX_REG0[],{controller},resubmit(,3)");
    let flow = format!("in_port=1,cookie=7,ip,actions={to}");
    for flow in [&flow, "table=3,reg0=5,actions=drop"] {
        ovs.must(&["ovs-ofctl", "add-flow", "br0", flow]);
    }
    let out = |actions: &str| {
        ovs.must(&["ovs-ofctl", "packet-out", "br0", "1", actions, PACKET]);
    };
    std::thread::scope(|scope| {
        scope.spawn(|| watch(&ovs, version, ("ovs-ofctl", words), &theirs));
        scope.spawn(|| watch(&ovs, version, (&ofctl, words), &ours));
        let both = |word: &str| text(&theirs).contains(word) && text(&ours).contains(word);
        // The first packets that are seen show that both are there.
        wait_until("both to see packets", PATIENCE, || {
            out("controller");
            both("PACKET_IN")
        });
        out("resubmit(,0)");
        wait_until("both to see the flow's", PATIENCE, || both(marker) && is_over(&ovs));
    });
    [theirs, ours].map(|path| {
        let text = text(&path);
        let at = text.find(marker).expect("seen");
        let start = text[..at].rfind("PACKET_IN").unwrap_or(0);
        text[start..].to_owned()
    })
}

#[test]
fn packets_look_alike_in_the_form_that_is_asked_for() {
    for (version, format) in [("13", "standard"), ("10", "nxt_packet_in"), ("15", "nxt_packet_in2")]
    {
        let (words, sent) = (format!("65534 -P {format}"), ("controller", "cookie=0x7"));
        let [theirs, ours] = packets(version, &words, sent, &|_| true);
        assert_eq!(theirs, ours, "{version}, {format}\novs-ofctl:\n{theirs}\nofctl:\n{ours}");
    }
}

#[test]
fn paused_packets_are_given_back() {
    // Each of the two gives its own back, and both go on.
    let went_on = |ovs: &Ovs<'_>| {
        ovs.must(&["ovs-ofctl", "dump-flows", "br0", "table=3"]).contains("n_packets=2,")
    };
    let sent = ("controller(pause,userdata=01.02)", "userdata=01.02");
    let [theirs, ours] = packets("13", "resume", sent, &went_on);
    assert_eq!(theirs, ours, "ovs-ofctl:\n{theirs}\nofctl:\n{ours}");
    assert!(ours.contains("send: NXT_RESUME (OF1.3)"), "{ours}");
}
