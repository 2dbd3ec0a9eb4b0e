//! `ofctl` and the real `ovs-ofctl` on the same bridge of a real Open vSwitch: one script, run by each
//! of them in each version, must print the same and succeed or fail alike.
//!
//! What changes from run to run (durations, transaction ids) is masked. What differs on purpose is in
//! [`DIFFERENCES`], each with its reason.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, reason = "in a test, an expectation that breaks is a failure")]

mod monitor;
mod script;

use std::path::Path;

use script::{FILES, PACKET, SCRIPT};
use switch_tests::Netns;
use switch_tests::daemon::program;
use switch_tests::ovs::Ovs;
use switch_tests::process::Outcome;

/// (version or empty for all, words that stand in the call, why).
const DIFFERENCES: &[(&str, &str, &str)] = &[
    ("", "queue-stats br0 1 5", "a refusal is exit 1, not an error that is printed and exit 0"),
    ("14", "queue-get-config br0 1 5", "the same"),
    ("15", "queue-get-config br0 1 5", "the same"),
    ("", "queue-get-config br0 99", "the same"),
    ("10", "queue-get-config br0 LOCAL", "the same"),
    ("13", "queue-get-config br0 LOCAL", "the same"),
    ("", "dump-meter br0 meter=99", "a refusal is exit 1, not an error that is printed and exit 0"),
];

/// Ports of the bridge, beside its own.
const PORTS: [&str; 2] = ["p1", "p-2"];

fn start(ns: &Netns) -> Ovs<'_> {
    let ovs = Ovs::start(ns, &["pmd-cpu-mask=0x1"]);
    ovs.add_bridge("br0");
    ovs.vsctl(&["set", "bridge", "br0", "fail_mode=secure"]);
    for (number, port) in (1..).zip(PORTS) {
        let request = format!("ofport_request={number}");
        ovs.vsctl(&[
            "add-port",
            "br0",
            port,
            "--",
            "set",
            "interface",
            port,
            "type=internal",
            &request,
        ]);
    }
    let set = "set port p1 qos=@qos -- --id=@qos create qos type=linux-htb \
               other-config:max-rate=1000000000 queues:0=@a queues:7=@b -- \
               --id=@a create queue other-config:max-rate=200000000 -- \
               --id=@b create queue other-config:min-rate=100000000";
    let words: Vec<&str> = set.split_whitespace().collect();
    ovs.vsctl(&[&["--"], &words[..]].concat());
    ovs.must(&["ovs-ofctl", "del-flows", "br0"]);
    // From here on, table 0 has counted something and looks unlike the others.
    ovs.must(&["ovs-ofctl", "packet-out", "br0", "1", "resubmit(,0)", PACKET]);
    ovs
}

/// Words that change from run to run lose their value.
fn masked(text: &str) -> String {
    let mask = |line: &str| {
        let mut line = line.to_owned();
        for (key, ends) in [
            ("xid=", ")"),
            ("duration=", ", "),
            ("duration:", " "),
            ("idle_age=", ", "),
            ("hard_age=", ", "),
            ("lookup=", ","),
            ("matched=", ","),
        ] {
            let mut from = 0;
            while let Some(at) = line[from..].find(key) {
                let start = from + at + key.len();
                let is_end = |c: char| ends.contains(c);
                let end = line[start..].find(is_end).map_or(line.len(), |end| start + end);
                line.replace_range(start..end, "*");
                from = start + 1;
            }
        }
        line.trim_end().to_owned()
    };
    text.lines().map(mask).collect::<Vec<_>>().join("\n")
}

/// Lines that a hash table orders are sorted.
fn ordered(words: &[&str], text: String) -> String {
    let loose = words.iter().any(|word| {
        matches!(*word, "dump-flows" | "diff-flows" | "dump-groups" | "dump-group-stats")
    });
    if !loose || words.iter().any(|word| word.contains("sort")) {
        return text;
    }
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}

fn files() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, text) in FILES {
        std::fs::write(folder.path().join(name), text).expect("written");
    }
    folder
}

struct Shown {
    call: String,
    outcome: Outcome,
    text: String,
}

/// Runs the script of a version with a program.
fn play(ovs: &Ovs<'_>, program: &[&str], version: &str, files: &Path) -> Vec<Shown> {
    for kind in ["del-flows", "del-groups", "del-meters"] {
        ovs.must(&["ovs-ofctl", "-O", "OpenFlow13", kind, "br0"]);
    }
    let name = format!("OpenFlow{version}");
    let of_version = SCRIPT.iter().filter(|(versions, _)| versions.contains(&version));
    let run = |(_, words): &(script::Versions, &[&str])| {
        let words: Vec<String> = words
            .iter()
            .map(|word| match word.strip_prefix('@') {
                Some(file) => files.join(file).display().to_string(),
                None => (*word).to_owned(),
            })
            .collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let outcome = ovs.run(&[program, &["-O", &name], &words].concat());
        let text = ordered(&words, masked(&outcome.stdout));
        Shown { call: words.join(" "), outcome, text }
    };
    of_version.map(run).collect()
}

fn compare(version: &str) {
    let ns = Netns::new("peer");
    let ovs = start(&ns);
    let files = files();
    let ours = program("ofctl");
    let ours = ours.display().to_string();
    let rundir = ovs.folder().display().to_string();
    let theirs = play(&ovs, &["ovs-ofctl", "--timeout=20"], version, files.path());
    let ours = play(&ovs, &[&ours, "--rundir", &rundir, "--timeout", "20"], version, files.path());
    assert_eq!(theirs.len(), ours.len());
    let mut differ = Vec::new();
    for (theirs, ours) in theirs.iter().zip(&ours) {
        let same =
            theirs.text == ours.text && (theirs.outcome.code == 0) == (ours.outcome.code == 0);
        let listed = DIFFERENCES
            .iter()
            .any(|(of, call, _)| (of.is_empty() || *of == version) && theirs.call.contains(call));
        if same && listed {
            differ.push(format!("{}: listed as different, and is the same", theirs.call));
        }
        if !same && !listed {
            let shown = |shown: &Shown| {
                format!("({}) {}{}", shown.outcome.code, shown.text, shown.outcome.stderr)
            };
            differ.push(format!(
                "{}\n  ovs-ofctl {}\n  ofctl     {}",
                theirs.call,
                shown(theirs),
                shown(ours)
            ));
        }
        let code = ours.outcome.code;
        assert!(
            (0..=3).contains(&code),
            "{}: ended with {code}\n{}",
            ours.call,
            ours.outcome.stderr
        );
        assert!(ours.outcome.stderr.lines().count() <= 1, "{}: {}", ours.call, ours.outcome.stderr);
    }
    assert!(
        differ.is_empty(),
        "{version}: {} of {}\n{}",
        differ.len(),
        ours.len(),
        differ.join("\n")
    );
}

#[test]
fn openflow10_is_as_ovs_ofctl() {
    compare("10");
}

#[test]
fn openflow13_is_as_ovs_ofctl() {
    compare("13");
}

#[test]
fn openflow14_is_as_ovs_ofctl() {
    compare("14");
}

#[test]
fn openflow15_is_as_ovs_ofctl() {
    compare("15");
}
