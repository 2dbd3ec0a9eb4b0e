//! How fast flows are set up: packets of which each is the first of its flow, one polling core.
//!
//! # Design
//! A `pcap` port plays a file in which each frame begins another flow of layer 4, and rules that look at
//! all of these flows, so that each packet goes up, is translated and gets a cached flow of its own. What
//! differs is what a translation finds:
//!
//! - *one rule* that copies the source and its port into registers, which is a look at both;
//! - *tables*: the same behind a chain of tables;
//! - *a rule for each flow*: a classifier that is full.
//!
//! All leave by the port that they came by, so that there is one port and nothing changes while flows
//! are set up. Both switches translate in the polling thread, and say how often they did by
//! `dpif-netdev/pmd-stats-show`. The rate is that between the first and the last tenth of the flows; the
//! file is played in a loop, and when all flows are set up nothing more goes up.

use std::fmt;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use super::flows::Contestant;
use super::{Options, progress};
use crate::packages::OVS_DPDK;
use crate::process::output;
use crate::record::{Bar, Report, Steal};
use crate::stats::{Summary, cell};
use crate::switch::{BRIDGE, Daemon, Ovs, Repeat};
use crate::table::Table;
use crate::traffic::{Direction, Streams};

/// Flows that are set up: fewer than a port may have cached.
const N_FLOWS: u32 = 100_000;
/// Tables that a packet passes before the last.
const N_TABLES: u32 = 10;
/// What a core is to do in a second.
const WANTED: f64 = 100_000.0;
/// How long a switch may take to set all flows up.
const LIMIT: Duration = Duration::from_secs(60);

/// What a packet meets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
enum Rules {
    /// One rule.
    One,
    /// A chain of tables with a rule each.
    Tables,
    /// A rule for each flow.
    Each,
}

const CASES: [Rules; 3] = [Rules::One, Rules::Tables, Rules::Each];

impl fmt::Display for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rules::One => f.write_str("one rule"),
            Rules::Tables => write!(f, "one rule behind {N_TABLES} tables"),
            Rules::Each => write!(f, "{N_FLOWS} rules, each for a flow"),
        }
    }
}

const STREAMS: Streams =
    Streams { n: N_FLOWS, n_groups: 1, direction: Direction::Forward, seed: 1 };

impl Rules {
    /// What `add-flows` reads.
    fn text(self) -> String {
        let look = "udp,actions=move:NXM_OF_IP_SRC[]->NXM_NX_REG0[],\
                    move:NXM_OF_UDP_SRC[]->NXM_NX_REG1[0..15],in_port";
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = match self {
            Rules::One => writeln!(text, "{look}"),
            Rules::Tables => (0..N_TABLES)
                .try_for_each(|n| writeln!(text, "table={n},actions=resubmit(,{})", n + 1))
                .and_then(|()| writeln!(text, "table={N_TABLES},{look}")),
            Rules::Each => (0..STREAMS.n).try_for_each(|i| {
                let (source, port) = (STREAMS.source(i), STREAMS.source_port(i));
                writeln!(text, "udp,nw_src={source},tp_src={port},actions=in_port")
            }),
        };
        text
    }
}

#[derive(Serialize)]
struct Sample {
    round: usize,
    rules: Rules,
    switch: Contestant,
    upcalls_per_s: f64,
    n_lost: u64,
    steal_percent: f64,
}

/// What went up until now.
#[derive(Clone, Copy)]
struct Seen {
    at: Instant,
    n: u64,
    n_lost: u64,
}

impl Seen {
    /// Reads `dpif-netdev/pmd-stats-show`.
    fn read(shown: &str) -> Result<Seen> {
        let at = Instant::now();
        let number = |name: &str| -> Result<u64> {
            let mut lines = shown.lines();
            let line = lines.find_map(|line| line.trim().strip_prefix(name));
            Ok(line.with_context(|| name.to_owned())?.trim().parse()?)
        };
        let (n, n_lost) =
            (number("miss with success upcall:")?, number("miss with failed upcall:")?);
        Ok(Seen { at, n, n_lost })
    }
}

/// Upcalls per second while flows are set up, and how many packets got none.
fn watch(ask: impl Fn() -> Result<String>) -> Result<(f64, u64)> {
    let share = |n: u64| N_FLOWS as u64 * n / 10;
    let start = Instant::now();
    let (mut first, mut last): (Option<Seen>, Option<Seen>) = (None, None);
    let end = loop {
        let seen = Seen::read(&ask()?)?;
        if seen.n >= share(1) && first.is_none() {
            first = Some(seen);
        }
        if seen.n <= share(9) {
            last = Some(seen);
        }
        if seen.n >= share(10) {
            break seen;
        }
        ensure!(start.elapsed() < LIMIT, "{} of {N_FLOWS} flows after {LIMIT:?}", seen.n);
        std::thread::sleep(Duration::from_millis(5));
    };
    let (first, last) = first.zip(last).context("no sample while flows were set up")?;
    let took = last.at.duration_since(first.at).as_secs_f64();
    ensure!(last.n > first.n && took > 0.0, "flows were set up between two samples");
    Ok(((last.n - first.n) as f64 / took, end.n_lost))
}

/// What a switch is given.
struct Input {
    file: PathBuf,
    rules: PathBuf,
}

fn daemon(input: &Input, options: &Options) -> Result<(f64, u64)> {
    let daemon = Daemon::start(None, &["--poll-cpus", &options.cpu.to_string()])?;
    daemon.add_bridge(&["fail_mode=secure"])?;
    daemon.ofctl(&["add-flows", BRIDGE, &input.rules.display().to_string()])?;
    let file = format!("file={}", input.file.display());
    daemon.ofctl(&["add-port", BRIDGE, "player", "type=pcap", &file])?;
    watch(|| daemon.ofctl(&["dpif-netdev/pmd-stats-show"]))
}

fn ovs(input: &Input, options: &Options) -> Result<(f64, u64)> {
    let ovs = Ovs::start_dpdk(None, options.cpu, &[], &["fail_mode=secure"])?;
    output(ovs.ofctl_command("add-flows").arg(&input.rules))?;
    ovs.add_pcap((BRIDGE, "player"), &input.file, Repeat::Forever)?;
    watch(|| ovs.appctl(&["dpif-netdev/pmd-stats-show"]))
}

fn write(rules: Rules, dir: &Path) -> Result<Input> {
    let input = Input { file: dir.join("flows.pcap"), rules: dir.join("rules") };
    STREAMS.write(&input.file)?;
    std::fs::write(&input.rules, rules.text())?;
    Ok(input)
}

/// Runs the case.
///
/// # Errors
/// A switch cannot be started.
pub fn run(options: &Options) -> Result<Report> {
    options.require(&[], &[OVS_DPDK])?;
    let contestants = options.contestants(&[Contestant::Daemon], &[Contestant::OvsDpdk]);
    let pages = options.pages_for_peers()?;
    let dir = tempfile::Builder::new().prefix("bench-upcalls").tempdir()?;
    let (mut report, mut samples) = (Report::new("upcalls"), Vec::new());
    for rules in CASES {
        let input = write(rules, dir.path())?;
        for round in 0..options.n_rounds {
            for &switch in &contestants {
                progress(round, options.n_rounds, &format!("{rules}, {switch}"));
                let steal = Steal::now();
                let measured = match switch {
                    Contestant::Daemon => daemon(&input, options),
                    Contestant::OvsDpdk => ovs(&input, options),
                };
                match measured {
                    Ok((upcalls_per_s, n_lost)) => samples.push(Sample {
                        round,
                        rules,
                        switch,
                        upcalls_per_s,
                        n_lost,
                        steal_percent: steal.percent_since(),
                    }),
                    Err(error) => {
                        report.failure(format!("round {round}, {rules}, {switch}: {error:#}"));
                    }
                }
            }
        }
    }
    drop(pages);
    tabulate(&mut report, &samples);
    Ok(report)
}

fn tabulate(report: &mut Report, samples: &[Sample]) {
    samples.iter().for_each(|sample| report.sample(sample));
    let title = "Packets of which each begins a flow, one core: thousand flows set up a second";
    let headings = ["rules", "vswitchd", "OVS-DPDK", "ratio", "lost", "steal %"];
    let mut table = Table::new(title, &headings);
    for rules in CASES {
        let of = |switch| -> Vec<(usize, f64)> {
            let mine = samples.iter().filter(|s| s.rules == rules && s.switch == switch);
            mine.map(|sample| (sample.round, sample.upcalls_per_s / 1e3)).collect()
        };
        let (ours, theirs) = (of(Contestant::Daemon), of(Contestant::OvsDpdk));
        let mine = samples.iter().filter(|s| s.rules == rules);
        table.row([
            rules.to_string(),
            cell(Summary::of_rounds(&ours)),
            cell(Summary::of_rounds(&theirs)),
            cell(Summary::of_ratios(&ours, &theirs)),
            mine.clone().map(|s| s.n_lost).max().unwrap_or(0).to_string(),
            format!("{:.1}", mine.map(|s| s.steal_percent).fold(0.0, f64::max)),
        ]);
        if let Some(rate) = Summary::of_rounds(&ours) {
            let what = format!("{rules}: flows set up a second");
            report.bars.push(Bar::at_least(&what, WANTED, rate.median * 1e3));
        }
    }
    report.tables.push(table);
}
