//! Runs `pktgen` and reads what it says.

use serde_json::Value;
use switch_tests::Netns;
use switch_tests::daemon::program;
use switch_tests::lab::DEV;
use switch_tests::process::{Outcome, run};

/// Runs it to its end.
pub fn pktgen(words: &[&str]) -> Outcome {
    let path = program("pktgen").to_string_lossy().into_owned();
    run(&[&[path.as_str()], words].concat())
}

/// Runs it; its report.
pub fn report(words: &[&str]) -> Value {
    let Outcome { code, stdout, stderr } = pktgen(&[words, &["--json"]].concat());
    assert_eq!(code, 0, "pktgen {}\n{stdout}{stderr}", words.join(" "));
    serde_json::from_str(&stdout).expect("it prints JSON")
}

/// The word for the interface of a host.
pub fn port(ns: &Netns) -> String {
    format!("{}/packet:{DEV}", ns.name())
}

/// One stream of one trial.
pub fn stream(report: &Value, trial: usize, stream: usize) -> &Value {
    let found = &report["trials"][trial]["streams"][stream];
    assert!(found.is_object(), "no trial {trial}, stream {stream}: {report}");
    found
}

/// A count of a stream.
pub fn count(stream: &Value, key: &str) -> u64 {
    stream[key].as_u64().unwrap_or_else(|| panic!("no {key} in {stream}"))
}

/// Asserts that a stream's ledger is balanced, and that nothing but loss happened to it.
pub fn assert_clean(stream: &Value) {
    assert_eq!(
        count(stream, "sent"),
        count(stream, "received") + count(stream, "lost"),
        "{stream}"
    );
    let refused = stream["refused"].as_object().expect("refused").values();
    let refused: u64 = refused.filter_map(Value::as_u64).sum();
    assert_eq!(count(stream, "offered"), count(stream, "sent") + refused, "{stream}");
    let others = ["duplicates", "reordered", "too_late", "misdelivered", "corrupted", "stale"];
    for key in others.iter().chain(&["missed"]) {
        assert_eq!(count(stream, key), 0, "{key}: {stream}");
    }
}

/// Asserts that every frame of a stream arrived, as it was sent.
pub fn assert_whole(stream: &Value, n: u64) {
    assert_clean(stream);
    assert_eq!((count(stream, "sent"), count(stream, "lost")), (n, 0), "{stream}");
    let latency = &stream["latency_us"];
    let at = |key: &str| latency[key].as_f64().unwrap_or_else(|| panic!("no {key}: {stream}"));
    let percentiles = ["p50", "p90", "p99", "p99_9", "max"].map(at);
    assert!(percentiles[0] > 0.0 && percentiles.is_sorted(), "{percentiles:?}");
}
