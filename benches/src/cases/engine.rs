//! The engine alone: a learning bridge between two capture files in memory, one polling core.
//!
//! # Design
//! The same files are played to the engine in this process, to the daemon with `pcap` ports, and to
//! Open vSwitch with DPDK's `net_pcap` ports and the one flow `NORMAL`; testpmd in `io` mode, which
//! touches no header, shows what the peer's generator can do at most. A rate counts only if the
//! switch knows every host by then: with two ports a hub would look as fast as a bridge.

use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use datapath::{PollCpus, Workers};
use serde::Serialize;

use super::{Options, progress};
use crate::packages::{OVS_DPDK, TESTPMD};
use crate::process::wait_for;
use crate::record::{Bar, Report, Steal};
use crate::rig::{Plug, Rig, Source};
use crate::stats::{Summary, cell};
use crate::switch::{BRIDGE, Daemon, Ovs, io_rate};
use crate::table::Table;
use crate::traffic::{Direction, Pairs};

/// Pairs of hosts unless others are asked for; the last are a million addresses.
pub const PAIRS: [u32; 6] = [1, 100, 1_000, 10_000, 100_000, 500_000];
/// The peers hold each frame of a file in a packet buffer, of which they have 262,144 for both files.
const PEER_PAIRS_MAX: u32 = 100_000;
const MAX_ENTRIES: usize = 1_000_000;
/// How long a switch may take to learn every host.
const LEARN_LIMIT: Duration = Duration::from_secs(60);
/// After that, before a rate is taken.
const SETTLE: Duration = Duration::from_secs(1);
/// How long Open vSwitch is given to fill its caches.
const OVS_WARM_UP: Duration = Duration::from_secs(12);

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
enum Contestant {
    Engine,
    Daemon,
    OvsDpdk,
    Ceiling,
}

impl fmt::Display for Contestant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Contestant::Engine => "engine",
            Contestant::Daemon => "vswitchd",
            Contestant::OvsDpdk => "OVS-DPDK",
            Contestant::Ceiling => "testpmd io",
        })
    }
}

/// What a contestant did for some seconds.
struct Rate {
    mpps: f64,
    learned: Option<usize>,
}

#[derive(Serialize)]
struct Sample {
    round: usize,
    pairs: u32,
    switch: Contestant,
    mpps: f64,
    learned: Option<usize>,
    steal_percent: f64,
}

/// Runs the case for each number of pairs.
///
/// # Errors
/// A switch cannot be started, or loses frames, or does not learn.
pub fn run(options: &Options, pairs: &[u32]) -> Result<Report> {
    options.require(&[], &[OVS_DPDK, TESTPMD])?;
    let contestants = options.contestants(
        &[Contestant::Engine, Contestant::Daemon],
        &[Contestant::OvsDpdk, Contestant::Ceiling],
    );
    let pages = options.pages_for_peers()?;
    let dir = tempfile::Builder::new().prefix("bench-pcap").tempdir()?;
    let (mut report, mut samples) = (Report::new("engine"), Vec::new());
    for &n in pairs {
        let files = [Direction::Forward, Direction::Reverse]
            .map(|direction| (dir.path().join(format!("{n}-{direction:?}.pcap")), direction));
        for (path, direction) in &files {
            Pairs::new(n, *direction).write(path)?;
        }
        let files = files.map(|(path, _)| path);
        for round in 0..options.n_rounds {
            for &switch in &contestants {
                if n > PEER_PAIRS_MAX && matches!(switch, Contestant::OvsDpdk | Contestant::Ceiling)
                {
                    continue;
                }
                progress(round, options.n_rounds, &format!("{n} pairs, {switch}"));
                let steal = Steal::now();
                match measure(switch, &files, n, options) {
                    Ok(Rate { mpps, learned }) => {
                        let steal_percent = steal.percent_since();
                        let pairs = n;
                        samples.push(Sample { round, pairs, switch, mpps, learned, steal_percent });
                    }
                    Err(error) => {
                        report.failure(format!("round {round}, {n} pairs, {switch}: {error:#}"));
                    }
                }
            }
        }
        files.iter().try_for_each(std::fs::remove_file)?;
    }
    drop(pages);
    tabulate(&mut report, &samples, pairs);
    Ok(report)
}

fn measure(switch: Contestant, files: &[PathBuf; 2], n: u32, options: &Options) -> Result<Rate> {
    match switch {
        Contestant::Engine => in_process(files, n, options),
        Contestant::Daemon => daemon(files, n, options),
        Contestant::OvsDpdk => ovs(files, options),
        Contestant::Ceiling => {
            let limit = options.measure + 2 * SETTLE;
            let pps = io_rate([&files[0], &files[1]], options.cpu, limit)?;
            Ok(Rate { mpps: pps / 1e6, learned: None })
        }
    }
}

fn n_hosts(n: u32) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX).saturating_mul(2)
}

fn in_process(files: &[PathBuf; 2], n: u32, options: &Options) -> Result<Rate> {
    let plugs = files.iter().map(|file| Plug::trunk(Source::Loop(file.clone())));
    let workers = Workers::Threads(PollCpus::Pinned(vec![options.cpu]));
    let rig = Rig::new(plugs.collect(), MAX_ENTRIES, workers)?;
    let mpps = rate(&rig, n_hosts(n), options.measure)?;
    Ok(Rate { mpps, learned: Some(rig.n_learned()) })
}

/// The rate of a rig's own thread once it has learned `n_hosts`, Mpps.
pub(super) fn rate(rig: &Rig, n_hosts: usize, measure: Duration) -> Result<f64> {
    let all = || (rig.n_learned() == n_hosts).then_some(());
    wait_for("complete forwarding database", LEARN_LIMIT, all)?;
    std::thread::sleep(SETTLE);
    let (before, start) = (rig.totals(), Instant::now());
    std::thread::sleep(measure);
    let (after, took) = (rig.totals(), start.elapsed());
    let lost = after.drops - before.drops;
    ensure!(lost == 0, "the engine dropped {lost} frames");
    Ok(mpps(after.rx - before.rx, took))
}

fn daemon(files: &[PathBuf; 2], n: u32, options: &Options) -> Result<Rate> {
    let daemon = Daemon::start(None, &["--poll-cpus", &options.cpu.to_string()])?;
    daemon.add_bridge(&[&format!("mac-table-size={MAX_ENTRIES}")])?;
    let ports = ["forward", "reverse"];
    for (port, file) in ports.iter().zip(files) {
        let file = format!("file={}", file.display());
        daemon.ofctl(&["add-port", BRIDGE, port, "type=pcap", &file])?;
    }
    let all = || daemon.n_learned().ok().filter(|learned| *learned >= n_hosts(n));
    let learned = wait_for("complete forwarding database", LEARN_LIMIT, all)?;
    std::thread::sleep(SETTLE);
    let (before, start) = (daemon.statistic(&ports, "rx_packets")?, Instant::now());
    std::thread::sleep(options.measure);
    let (after, took) = (daemon.statistic(&ports, "rx_packets")?, start.elapsed());
    Ok(Rate { mpps: mpps(after - before, took), learned: Some(learned) })
}

fn ovs(files: &[PathBuf; 2], options: &Options) -> Result<Rate> {
    let entries = format!("other_config:mac-table-size={MAX_ENTRIES}");
    let ovs = Ovs::start_dpdk(None, options.cpu, &[], &[&entries])?;
    let (n, took) = ovs.play(files, OVS_WARM_UP, options.measure)?;
    Ok(Rate { mpps: mpps(n, took), learned: Some(ovs.n_learned()?) })
}

pub(super) fn mpps(n: u64, took: Duration) -> f64 {
    n as f64 / took.as_secs_f64() / 1e6
}

fn tabulate(report: &mut Report, samples: &[Sample], pairs: &[u32]) {
    samples.iter().for_each(|sample| report.sample(sample));
    let head =
        ["pairs", "engine", "vswitchd", "OVS-DPDK", "engine ÷ OVS-DPDK", "testpmd io", "steal %"];
    let title = "Learning bridge, 60-byte frames from memory, both ways, one core: Mpps";
    let mut table = Table::new(title, &head);
    for &n in pairs {
        let of = |switch| rates(samples, n, switch);
        let ratio = Summary::of_ratios(&of(Contestant::Engine), &of(Contestant::OvsDpdk));
        let steal = samples.iter().filter(|s| s.pairs == n).map(|s| s.steal_percent);
        let rate = |switch| cell(Summary::of_rounds(&of(switch)));
        table.row([
            n.to_string(),
            rate(Contestant::Engine),
            rate(Contestant::Daemon),
            rate(Contestant::OvsDpdk),
            cell(ratio),
            rate(Contestant::Ceiling),
            format!("{:.1}", steal.fold(0.0, f64::max)),
        ]);
        let wanted = [(1, 1.7), (100, 3.0), (1_000, 3.0), (10_000, 4.0), (100_000, 50.0)];
        if let (Some(ratio), Some((_, bar))) = (ratio, wanted.iter().find(|(at, _)| *at == n)) {
            report.bars.push(Bar::at_least(&format!("{n} pairs, × OVS-DPDK"), *bar, ratio.median));
        }
    }
    report.tables.push(table);
    let median = |n| Summary::of_rounds(&rates(samples, n, Contestant::Engine));
    if let (Some(few), Some(many)) = (median(1_000), median(500_000)) {
        let what = "rate at 1,000 pairs ÷ rate at 1,000,000 addresses";
        report.bars.push(Bar::at_most(what, 3.0, few.median / many.median));
    }
}

/// Each round's rate.
fn rates(samples: &[Sample], n: u32, switch: Contestant) -> Vec<(usize, f64)> {
    let mine = samples.iter().filter(|s| s.pairs == n && s.switch == switch);
    mine.map(|sample| (sample.round, sample.mpps)).collect()
}
