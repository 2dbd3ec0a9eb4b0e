//! The command line: what is refused, with which code; JSON, plots, generated files.

use switch_tests::Netns;

use crate::rig::{pktgen, report, stream};

const WIRE: [&str; 4] = ["--tx", "mem:w", "--rx", "mem:w"];

/// The code and the only line of a refusal.
fn refused(words: &[&str]) -> (i32, String) {
    let outcome = pktgen(words);
    let lines: Vec<_> = outcome.stderr.lines().collect();
    let [line] = lines[..] else { panic!("{words:?}: {lines:?}") };
    assert!(outcome.stdout.is_empty() && line.starts_with("pktgen: "), "{line}");
    (outcome.code, line.to_owned())
}

#[test]
fn wrong_usage_is_told_in_a_line_with_code_2() {
    for (word, value) in [
        ("--watch", "veth0"),
        ("--flows", "0"),
        ("--size", "63"),
        ("--size", "9217"),
        ("--vlans", "4095"),
        ("--rate", "-1"),
        ("--seconds", "0"),
    ] {
        let (code, line) = refused(&[&WIRE[..], &[word, value]].concat());
        assert!(code == 2 && line.contains(value), "{code} {line}");
    }
    let (code, line) = refused(&[&WIRE[..], &["--flows", "2", "--macs", "3"]].concat());
    assert!(code == 2 && line.contains("--flows=2") && line.contains("allowed: 3-"), "{line}");
    assert_eq!(refused(&[]).0, 2);
}

#[test]
fn what_the_system_refuses_is_told_in_a_line_with_code_1() {
    let ns = Netns::new("words");
    let nosuch = format!("{}/packet:nosuch0", ns.name());
    for (port, reason) in [
        (nosuch.as_str(), "No such device"),
        ("nowhere-at-all/packet:eth0", "no namespace"),
        ("packet:a-name-of-16-byt", "1-15 bytes"),
        ("pcap:/nonexistent.pcap", "No such file"),
        ("mem:other", "has one end"),
    ] {
        let (code, line) = refused(&["--tx", port, "--rx", "null"]);
        assert!(code == 1 && line.contains(port) && line.contains(reason), "{code} {line}");
    }
    let more = ["--count", "1", "--cpus", "100000"];
    let (code, line) = refused(&[&WIRE[..], &more].concat());
    assert!(code == 1 && line.contains("100000"), "{code} {line}");
    let (code, line) = {
        let outcome =
            pktgen(&[&WIRE[..], &["--count", "1", "--svg", "/nonexistent/x.svg"]].concat());
        (outcome.code, outcome.stderr)
    };
    assert!(code == 1 && line.contains("cannot write /nonexistent/x.svg"), "{code} {line}");
}

#[test]
fn a_list_of_rates_is_tried_one_by_one_and_drawn() {
    let dir = tempfile::tempdir().expect("a folder");
    let svg = dir.path().join("plot.svg").to_string_lossy().into_owned();
    let words = ["--rate", "1k,2k", "--count", "100", "--vlans", "10,20", "--svg", &svg];
    let report = report(&[&WIRE[..], &words].concat());
    for (trial, pps) in [(0, 1000.0), (1, 2000.0)] {
        assert_eq!(report["trials"][trial]["asked_pps"], pps);
        assert_eq!(stream(&report, trial, 0)["received"], 100);
    }
    let drawn = std::fs::read_to_string(&svg).expect("it was drawn");
    for text in ["<svg ", "load: sent, kpps", "latency, µs", "p99.9", "</svg>"] {
        assert!(drawn.contains(text), "no {text} in {drawn}");
    }
}

#[test]
fn a_search_over_a_wire_ends_at_the_generators_own_limit() {
    let words = ["--search", "--seconds", "1", "--verify-seconds", "1", "--shares", "10"];
    let report = report(&[&WIRE[..], &words].concat());
    let found = &report["found"];
    assert_eq!(found["limited_by"], "generator", "{report}");
    assert!(found["pps"].as_f64() > Some(0.0) && found["loss"] == 0.0, "{found}");
}

#[test]
fn the_man_page_and_completions_are_generated() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().to_string_lossy().into_owned();
    let outcome = pktgen(&["--generate", &path]);
    assert_eq!(outcome.code, 0, "{outcome:?}");
    for (file, text) in [("pktgen.1", "both"), ("pktgen.bash", "--rx"), ("_pktgen", "--rx")] {
        let made = std::fs::read_to_string(dir.path().join(file)).expect(file);
        assert!(made.contains(text), "no {text} in {file}");
    }
}
