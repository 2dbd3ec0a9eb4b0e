//! A script of `ovs-ofctl` invocations: this switch and a real Open vSwitch answer alike.
//!
//! What differs by nature is masked: times, and numbers of transactions. What differs on purpose stands
//! in [`DIFFERENT`], each with its reason.

use std::path::Path;

use switch_tests::ovs::Ovs;
use switch_tests::process::{Outcome, run};
use switch_tests::{Daemon, Netns};

const SCRIPT: &str = include_str!("script.txt");

const FLOWS: &str = "table=10,priority=1,ip,actions=output:1\n\
                     # a comment\n\
                     table=10,priority=2,tcp,tp_dst=22,actions=drop\n\
                     \n\
                     table=10,priority=3,actions=normal\n";
const OTHER: &str = "table=10,priority=1,ip,actions=output:2\n\
                     table=10,priority=3,actions=normal\n\
                     table=12,priority=3,actions=normal\n";
const BUNDLE: &str = "flow add table=20,priority=1,actions=output:1\n\
                      flow add table=20,priority=2,ip,actions=output:2\n\
                      flow delete table=10\n";
const BROKEN: &str = "flow add table=21,priority=1,actions=output:1\n\
                      flow add table=21,priority=2,actions=group:77\n";

/// Lines whose answers differ, and why.
const DIFFERENT: &[(&str, &str)] = &[
    ("add-flow BR ip,actions=ct(commit)", "connection tracking is refused until it is there"),
    (
        "-O OpenFlow13 mod-group BR group_id=1,type=all,bucket=group:6",
        "a loop of groups is refused, as OpenFlow says (OFPGMFC_LOOP); Open vSwitch takes it, and \
         drops packets when they come",
    ),
    (
        "-O OpenFlow11 dump-flows BR",
        "the same versions are offered and refused; the end of the connection comes a moment sooner \
         or later",
    ),
];

/// Times and numbers of transactions are not compared.
fn masked(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        // What `ovs-ofctl` logs begins with the time.
        let logged = line.starts_with("20").then(|| line.split_once("Z|")).flatten();
        let mut line = logged.map_or(line, |(_, rest)| rest).to_owned();
        for (key, ends) in [
            ("duration=", ",s"),
            ("xid=", "):"),
            ("idle_age=", ", "),
            ("hard_age=", ", "),
            ("(xid", ")"),
            // Of interfaces that each switch makes.
            ("addr:", " "),
        ] {
            line = mask(&line, key, ends);
        }
        out.push_str(&line);
        out.push('\n');
    }
    out
}

fn mask(line: &str, key: &str, ends: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(at) = rest.find(key) {
        let (head, tail) = rest.split_at(at + key.len());
        out.push_str(head);
        out.push('_');
        let end = tail.find(|c| ends.contains(c)).unwrap_or(tail.len());
        rest = &tail[end..];
    }
    out + rest
}

/// The tables of two switches need not have the same order within a table.
fn sorted(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = masked(text).lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

fn words<'a>(line: &'a str, bridge: &'a str, files: &'a [(String, String)]) -> Vec<&'a str> {
    let word = |word: &'a str| match word.strip_prefix("FILE:") {
        Some(name) => {
            let file = files.iter().find(|(known, _)| known == name);
            file.expect("a file of the script").1.as_str()
        }
        None if word == "BR" => bridge,
        None => word,
    };
    [&["ovs-ofctl"][..], &line.split_whitespace().map(word).collect::<Vec<_>>()].concat()
}

fn files(folder: &Path) -> Vec<(String, String)> {
    let texts = [("flows", FLOWS), ("other", OTHER), ("bundle", BUNDLE), ("broken", BROKEN)];
    texts
        .into_iter()
        .map(|(name, text)| {
            let path = folder.join(name);
            std::fs::write(&path, text).expect("a file can be written");
            (name.to_owned(), path.display().to_string())
        })
        .collect()
}

#[test]
fn two_hundred_invocations_get_the_answers_of_open_vswitch() {
    let n = compare(SCRIPT, DIFFERENT);
    assert_eq!(n, 274, "the manuals say so many");
}

/// Runs a script at both switches; how many invocations it has.
pub fn compare(script: &str, different: &[(&str, &str)]) -> usize {
    let (ours, theirs) = (Netns::new("ofscript"), Netns::new("ofscriptovs"));
    for ns in [&ours, &theirs] {
        ns.must(&["sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1"]);
    }
    let daemon = Daemon::start(&ours, &[]);
    daemon.ofctl(&["add-br", "br0"]);
    let ovs = Ovs::start(&theirs, &[]);
    ovs.add_bridge("br0");
    for n in ["1", "2", "3"] {
        let (port, request) = (format!("p{n}"), format!("ofport_request={n}"));
        daemon.ofctl(&["add-port", "br0", &port, "type=internal", &request]);
        ovs.vsctl(&[
            "add-port",
            "br0",
            &port,
            "--",
            "set",
            "interface",
            &port,
            "type=internal",
            &request,
        ]);
    }
    for port in ["p1", "p2", "p3"] {
        ours.ip(&["link", "set", port, "up"]);
        theirs.ip(&["link", "set", port, "up"]);
    }
    let protocols = "protocols=OpenFlow10,OpenFlow13,OpenFlow14,OpenFlow15";
    ovs.vsctl(&["set", "bridge", "br0", protocols]);
    let folder = tempfile::tempdir().expect("a folder");
    let files = files(folder.path());
    let bridge = format!("unix:{}", daemon.rundir().join("br0.mgmt").display());
    let mut wrong = Vec::new();
    let mut n = 0;
    for line in script.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        n += 1;
        let us = run(&words(line, &bridge, &files));
        let them = ovs.run(&words(line, "br0", &files));
        let said = |outcome: &Outcome| {
            let stderr = mask(&outcome.stderr, "unix:", " :)");
            (outcome.code, sorted(&outcome.stdout), masked(&stderr.replace("unix:_", "br0")))
        };
        if said(&us) != said(&them) && !different.iter().any(|(known, _)| *known == line) {
            wrong.push(format!("{line}\n  here:  {:?}\n  there: {:?}\n", said(&us), said(&them)));
        }
    }
    assert!(wrong.is_empty(), "{} of {n} differ:\n{}", wrong.len(), wrong.join("\n"));
    n
}
