//! Captures: what `ofctl capture -w /dev/null` leaves of the rate of the engine alone.
//!
//! # Design
//! One daemon plays two capture files from memory to a learning bridge, as in the case `engine`, and
//! goes on while captures come and go: so each rate with a capture has a rate without one just before
//! it, in the same process. The capture's two threads have the CPUs that the poll thread has not.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Serialize;

use super::{Options, progress};
use crate::process::{Running, wait_for};
use crate::record::{Bar, Report, Steal};
use crate::stats::{Summary, cell};
use crate::switch::{BRIDGE, Daemon};
use crate::table::Table;
use crate::traffic::{Direction, Pairs};

/// Pairs of hosts.
const N_PAIRS: u32 = 1_000;
const N_HOSTS: usize = 2_000;
const MAX_ENTRIES: usize = 100_000;
/// How long a switch may take to learn every host.
const LEARN_LIMIT: Duration = Duration::from_secs(60);
/// Between a change and a rate.
const SETTLE: Duration = Duration::from_secs(1);
const PORTS: [&str; 2] = ["forward", "reverse"];
/// What a capture must leave of the rate.
const WANTED: f64 = 0.8;

/// Captures, by name, with what `ofctl capture` is told.
const CAPTURES: [(&str, &[&str]); 3] = [
    ("one port, received", &["forward", "--direction", "in"]),
    ("bridge, all frames", &[BRIDGE]),
    ("bridge, filter that nothing meets", &[BRIDGE, "host=192.0.2.1"]),
];

#[derive(Serialize)]
struct Sample {
    round: usize,
    capture: &'static str,
    mpps_without: f64,
    mpps: f64,
    steal_percent: f64,
}

/// Runs the case.
///
/// # Errors
/// The switch cannot be started, or does not learn.
pub fn run(options: &Options) -> Result<Report> {
    let dir = tempfile::Builder::new().prefix("bench-capture").tempdir()?;
    let daemon = Daemon::start(None, &["--poll-cpus", &options.cpu.to_string()])?;
    daemon.add_bridge(&[&format!("mac-table-size={MAX_ENTRIES}")])?;
    for (port, direction) in PORTS.iter().zip([Direction::Forward, Direction::Reverse]) {
        let path = dir.path().join(port);
        Pairs::new(N_PAIRS, direction).write(&path)?;
        let file = format!("file={}", path.display());
        daemon.ofctl(&["add-port", BRIDGE, port, "type=pcap", &file])?;
    }
    let all = || daemon.n_learned().ok().filter(|learned| *learned >= N_HOSTS);
    wait_for("complete forwarding database", LEARN_LIMIT, all)?;
    let (mut report, mut samples) = (Report::new("capture"), Vec::new());
    for round in 0..options.n_rounds {
        for (capture, words) in CAPTURES {
            progress(round, options.n_rounds, capture);
            let steal = Steal::now();
            let mpps_without = rate(&daemon, options.measure)?;
            let running = start(&daemon, words)?;
            let mpps = rate(&daemon, options.measure)?;
            drop(running);
            let steal_percent = steal.percent_since();
            samples.push(Sample { round, capture, mpps_without, mpps, steal_percent });
        }
    }
    tabulate(&mut report, &samples);
    Ok(report)
}

fn start(daemon: &Daemon, words: &[&str]) -> Result<Running> {
    let mut command = daemon.ofctl_command();
    command.arg("capture").args(words).args(["-w", "/dev/null"]);
    Running::start(command.stdout(Stdio::null()).stderr(Stdio::null())).context("ofctl capture")
}

fn rate(daemon: &Daemon, measure: Duration) -> Result<f64> {
    std::thread::sleep(SETTLE);
    let (before, start) = (daemon.statistic(&PORTS, "rx_packets")?, Instant::now());
    std::thread::sleep(measure);
    let (after, took) = (daemon.statistic(&PORTS, "rx_packets")?, start.elapsed());
    Ok((after - before) as f64 / took.as_secs_f64() / 1e6)
}

fn tabulate(report: &mut Report, samples: &[Sample]) {
    samples.iter().for_each(|sample| report.sample(sample));
    let head = ["capture to /dev/null", "without", "with", "with ÷ without", "steal %"];
    let title = "Learning bridge, 1,000 pairs, 60-byte frames from memory, one core: Mpps";
    let mut table = Table::new(title, &head);
    for (capture, _) in CAPTURES {
        let mine = || samples.iter().filter(move |sample| sample.capture == capture);
        let with: Vec<_> = mine().map(|sample| (sample.round, sample.mpps)).collect();
        let without: Vec<_> = mine().map(|sample| (sample.round, sample.mpps_without)).collect();
        let ratio = Summary::of_ratios(&with, &without);
        let steal = mine().map(|sample| sample.steal_percent).fold(0.0, f64::max);
        table.row([
            capture.to_owned(),
            cell(Summary::of_rounds(&without)),
            cell(Summary::of_rounds(&with)),
            cell(ratio),
            format!("{steal:.1}"),
        ]);
        if let Some(ratio) = ratio {
            report.bars.push(Bar::at_least(&format!("{capture}, × without"), WANTED, ratio.median));
        }
    }
    report.tables.push(table);
}
