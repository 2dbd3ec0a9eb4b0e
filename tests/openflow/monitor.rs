//! `ovs-ofctl monitor` at this switch and at a real Open vSwitch: packets in every form, packets that
//! wait and go on, and flows that are watched, look alike.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use switch_tests::ovs::Ovs;
use switch_tests::process::{mortal, must};
use switch_tests::{Daemon, Netns, wait_until};

const PATIENCE: Duration = Duration::from_secs(20);
const PACKET: &str = "50540000000a50540000000908004500001c000000004011b5bd\
                      0a0000010a00000200010002000860a1";

/// A switch, and how `ovs-ofctl` reaches it.
struct Place<'a> {
    bridge: String,
    ovs: Option<&'a Ovs<'a>>,
}

impl Place<'_> {
    fn must(&self, words: &[&str]) -> String {
        let words = words.iter().map(|word| if *word == "BR" { &self.bridge } else { *word });
        let words: Vec<&str> = ["ovs-ofctl"].into_iter().chain(words).collect();
        match self.ovs {
            Some(ovs) => ovs.must(&words),
            None => must(&words),
        }
    }

    /// Starts a program whose output goes to a file. Open vSwitch's socket is reached by its path.
    fn start(&self, words: &[&str], output: &Path) -> Child {
        let socket = match self.ovs {
            Some(ovs) => format!("unix:{}", ovs.folder().join("br0.mgmt").display()),
            None => self.bridge.clone(),
        };
        let file = std::fs::File::create(output).expect("a file");
        let also = file.try_clone().expect("a file");
        let mut command: Command = mortal("ovs-ofctl");
        command.args(words.iter().map(|word| if *word == "BR" { &socket } else { *word }));
        // It makes a socket of its own, which must not be where others are.
        command.env("OVS_RUNDIR", output.parent().expect("a folder"));
        command.stdout(file).stderr(also).stdin(Stdio::null());
        command.spawn().expect("ovs-ofctl starts")
    }
}

/// What was printed, without what differs by nature: transactions, and what of a continuation only the
/// switch itself understands: its bridge, its port, and where tables and cookies are said again.
fn text(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let line = |line: &str| {
        if line.contains("continuation.bridge") {
            return " continuation.bridge=_".to_owned();
        }
        if let Some(actions) = line.strip_prefix(" continuation.actions=") {
            let parts = actions.split("unroll_xlate(table=");
            let parts = parts.map(|part| part.split_once("),").map_or("", |(_, rest)| rest));
            return format!(" continuation.actions={}", parts.collect::<String>());
        }
        match line.split_once("(xid=0x") {
            Some((head, tail)) => {
                let tail = tail.trim_start_matches(|c: char| c.is_ascii_hexdigit());
                format!("{head}(xid=_{tail}")
            }
            None => line.to_owned(),
        }
    };
    let lines = text.lines().filter(|line| !line.contains("continuation.odp_port"));
    lines.map(|l| line(l) + "\n").collect()
}

fn on_both(act: impl Fn(&Place<'_>, &Path) -> String) {
    let (ours, theirs) = (Netns::new("ofmon"), Netns::new("ofmonovs"));
    for ns in [&ours, &theirs] {
        ns.must(&["sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1"]);
    }
    let daemon = Daemon::start(&ours, &[]);
    daemon.ofctl(&["add-br", "br0", "fail_mode=secure"]);
    let ovs = Ovs::start(&theirs, &[]);
    ovs.add_bridge("br0");
    ovs.vsctl(&[
        "set",
        "bridge",
        "br0",
        "fail_mode=secure",
        "protocols=OpenFlow10,OpenFlow13,OpenFlow14,OpenFlow15",
    ]);
    for n in ["1", "2"] {
        let (port, request) = (format!("p{n}"), format!("ofport_request={n}"));
        daemon.ofctl(&["add-port", "br0", &port, "type=internal", &request]);
        let set = ["--", "set", "interface", &port, "type=internal", &request];
        ovs.vsctl(&[&["add-port", "br0", &port][..], &set].concat());
    }
    let folder = tempfile::tempdir().expect("a folder");
    let here =
        Place { bridge: format!("unix:{}", daemon.rundir().join("br0.mgmt").display()), ovs: None };
    let there = Place { bridge: "br0".to_owned(), ovs: Some(&ovs) };
    let ours = act(&here, &folder.path().join("ours"));
    let theirs = act(&there, &folder.path().join("theirs"));
    assert_eq!(ours, theirs, "here:\n{ours}\nthere:\n{theirs}");
}

/// Monitors, and sends a packet from each port through table 0; what was printed when `is_over`, from the
/// packet on that `marker` belongs to.
fn watch(
    (place, output): (&Place<'_>, &Path),
    options: &[&str],
    marker: &str,
    is_over: &dyn Fn(&str) -> bool,
) -> String {
    let mut child = place.start(&[&["monitor", "BR", "65534"], options].concat(), output);
    // The first packet that is seen shows that the monitor is there.
    wait_until("the monitor to see packets", PATIENCE, || {
        place.must(&["packet-out", "BR", &format!("in_port=1,packet={PACKET},actions=controller")]);
        text(output).contains("PACKET_IN")
    });
    for in_port in [1, 2] {
        let out = format!("in_port={in_port},packet={PACKET},actions=resubmit(,0)");
        place.must(&["packet-out", "BR", &out]);
    }
    wait_until("the monitor to see what flows send", PATIENCE, || {
        let text = text(output);
        text.contains(marker) && is_over(&text)
    });
    let _ = child.kill();
    let _ = child.wait();
    let text = text(output);
    let at = text.find(marker).expect("seen");
    let start = text[..at].rfind("NXT_PACKET_IN").unwrap_or(0);
    let lines = text[start..].lines().filter(|line| !line.contains("fatal_signal"));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn packets_look_alike_in_nicira_s_forms() {
    for format in ["nxt_packet_in", "nxt_packet_in2"] {
        for version in ["OpenFlow10", "OpenFlow13", "OpenFlow15"] {
            on_both(|place, output| {
                let flow = "cookie=0x77,in_port=1,actions=load:5->NXM_NX_REG1[],\
                            controller(reason=no_match)";
                place.must(&["add-flow", "BR", flow]);
                let options = ["-O", version, "-P", format];
                watch((place, output), &options, "cookie=0x77", &|text| text.ends_with("60a1\n"))
            });
        }
    }
}

#[test]
fn packets_that_wait_look_alike_and_go_on() {
    on_both(|place, output| {
        let flows = [
            "cookie=0x77,in_port=1,actions=load:5->NXM_NX_REG0[],push:NXM_NX_REG0[],\
             load:7->NXM_NX_REG0[],controller(pause,userdata=01.02),pop:NXM_NX_REG1[],output:2,\
             resubmit(,3)",
            "in_port=2,actions=output:1,resubmit(,5),resubmit(,4)",
            "table=5,cookie=0x77,actions=controller(pause),mod_dl_src:02:00:00:00:00:09",
            "table=3,priority=3,reg0=7,reg1=5,actions=drop",
            "table=4,priority=4,dl_src=02:00:00:00:00:09,actions=drop",
        ];
        for flow in flows {
            place.must(&["add-flow", "BR", flow]);
        }
        let options = ["resume", "-O", "OpenFlow13", "-P", "nxt_packet_in2"];
        let passed = |table| place.must(&["dump-flows", "BR", table]).contains("n_packets=1,");
        let is_over = |_: &str| passed("table=3") && passed("table=4");
        watch((place, output), &options, "userdata=01.02", &is_over)
    });
}

#[test]
fn flows_are_watched_alike_in_every_version() {
    for version in ["OpenFlow10", "OpenFlow13", "OpenFlow14", "OpenFlow15"] {
        on_both(|place, output| {
            place.must(&["add-flow", "BR", "table=3,priority=9,ip,actions=output:1"]);
            let words = ["-O", version, "monitor", "BR", "watch:table=3"];
            let mut child = place.start(&words, output);
            let seen = |word: &str| text(output).contains(word);
            wait_until("the monitor to be there", PATIENCE, || seen("FLOW_MONITOR reply"));
            place.must(&[
                "add-flow",
                "BR",
                "table=3,cookie=3,idle_timeout=9,tcp,tp_dst=80,actions=2",
            ]);
            place.must(&["add-flow", "BR", "table=4,actions=2"]);
            place.must(&[
                "mod-flows",
                "BR",
                "table=3,tcp,tp_dst=80,actions=load:1->NXM_NX_REG0[],1",
            ]);
            place.must(&["del-flows", "BR", "table=3"]);
            wait_until("the end to be seen", PATIENCE, || {
                text(output).matches("DELETED").count() == 2
            });
            let _ = child.kill();
            let _ = child.wait();
            let mut lines: Vec<String> = text(output).lines().map(str::to_owned).collect();
            lines.sort();
            lines.join("\n")
        });
    }
}
