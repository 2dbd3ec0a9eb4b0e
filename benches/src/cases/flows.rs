//! OpenFlow rules between capture files in memory, one polling core.
//!
//! # Design
//! Two `pcap` ports face each other. Rules send what one receives out by the other, and what differs
//! is how much of a packet they look at:
//!
//! - *one rule* for each port, and many flows of layer 4 behind it: the cheapest thing to cache;
//! - *masks*: as many kinds of match as there are masks, each of some packets;
//! - *cached*: a rule for each flow of layer 4, so that each is cached by itself;
//! - *a list of who may pass*, by source, source port and destination port, and among the honest
//!   packets one in 400 of an attacker, at full rate some 10,000 a second, each of which asks for a
//!   mask of its own: tuple space explosion.
//!
//! Open vSwitch with DPDK gets the same files and the same rules. A rate counts only if every packet
//! leaves by the other port. How long the rules took to add is told beside it.

use std::fmt;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde::Serialize;

use super::engine::mpps;
use super::{Options, progress};
use crate::packages::OVS_DPDK;
use crate::process::{output, wait_for};
use crate::record::{Bar, Report, Steal};
use crate::stats::{Summary, cell};
use crate::switch::{BRIDGE, Daemon, Ovs};
use crate::table::Table;
use crate::traffic::{Direction, Explosion, Streams};

const PORTS: [&str; 2] = ["forward", "reverse"];
/// Flows that a case without a number of its own has, of both directions.
const N_FLOWS: u32 = 100_000;
/// How long a switch has to cache what it will cache.
const WARM_UP: Duration = Duration::from_secs(8);
/// How long a cache may take to be full.
const FILL_LIMIT: Duration = Duration::from_secs(60);

/// What the rules look at.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
enum Rules {
    /// The port alone.
    One,
    /// As many different masks.
    Masks(u32),
    /// Each flow, of so many.
    Cached(u32),
    /// A list of who may pass, and who comes.
    List(Who),
}

/// Who sends packets that a list is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
enum Who {
    /// Those who may pass.
    Honest,
    /// And one who makes as many masks as he can.
    Attacker,
}

const CASES: [Rules; 7] = [
    Rules::One,
    Rules::Masks(10),
    Rules::Masks(100),
    Rules::Cached(1_000),
    Rules::Cached(100_000),
    Rules::List(Who::Honest),
    Rules::List(Who::Attacker),
];

impl fmt::Display for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rules::One => write!(f, "one rule, {N_FLOWS} flows"),
            Rules::Masks(n) => write!(f, "{n} masks, {N_FLOWS} flows"),
            Rules::Cached(n) => write!(f, "{n} rules, each for a flow"),
            Rules::List(Who::Honest) => f.write_str("a list of who may pass, 1000 flows"),
            Rules::List(Who::Attacker) => f.write_str("the same, and tuple space explosion"),
        }
    }
}

impl Rules {
    /// Flows of one direction.
    fn n_streams(self) -> u32 {
        match self {
            Rules::One | Rules::Masks(_) => N_FLOWS / 2,
            Rules::Cached(n) => n / 2,
            Rules::List(_) => 1,
        }
    }

    /// How many groups of sources there are: one for each mask.
    fn n_groups(self) -> u32 {
        if let Rules::Masks(n) = self { n } else { 1 }
    }

    fn streams(self, direction: Direction) -> Streams {
        Streams { n: self.n_streams(), n_groups: self.n_groups(), direction, seed: 1 }
    }

    /// What `add-flows` reads.
    fn text(self) -> String {
        let mut text = String::new();
        if let Rules::List(_) = self {
            return list();
        }
        for (direction, ports) in [(Direction::Forward, (1, 2)), (Direction::Reverse, (2, 1))] {
            self.add_to(&mut text, direction, ports);
        }
        text
    }

    fn add_to(self, text: &mut String, direction: Direction, (from, to): (u32, u32)) {
        let streams = self.streams(direction);
        // Writing to a string does not fail.
        let _ = match self {
            Rules::One => writeln!(text, "in_port={from},actions=output:{to}"),
            Rules::Masks(n) => (0..n).try_for_each(|group| {
                let [a, b, ..] = streams.source(group).octets();
                let (prefix, ports) = (16 + group % 8, 0xffff_u16 << (group / 8 % 13));
                writeln!(
                    text,
                    "in_port={from},udp,nw_src={a}.{b}.0.0/{prefix},tp_dst={:#x}/{ports:#x},\
                     actions=output:{to}",
                    Streams::PORT & ports
                )
            }),
            Rules::Cached(_) => (0..streams.n).try_for_each(|i| {
                let (source, port) = (streams.source(i), streams.source_port(i));
                writeln!(
                    text,
                    "in_port={from},udp,nw_src={source},nw_dst={},tp_src={port},tp_dst={},\
                     actions=output:{to}",
                    Streams::DESTINATION,
                    Streams::PORT
                )
            }),
            Rules::List(_) => Ok(()),
        };
    }

    /// Writes what one port receives.
    fn play(self, direction: Direction, path: &Path) -> std::io::Result<()> {
        match (self, direction) {
            (Rules::List(who), Direction::Forward) => {
                Explosion { attacks: who == Who::Attacker }.write(path)
            }
            _ => self.streams(direction).write(path),
        }
    }
}

/// Who may pass from the first port to the second; all others too, after every rule was looked at.
fn list() -> String {
    format!(
        "in_port=1,priority=10,udp,nw_src={},actions=output:2\n\
         in_port=1,priority=9,udp,tp_src={},actions=output:2\n\
         in_port=1,priority=8,udp,tp_dst={},actions=output:2\n\
         in_port=1,priority=1,actions=output:2\nin_port=2,actions=output:1\n",
        Explosion::SOURCE,
        Explosion::SOURCE_PORT,
        Streams::PORT
    )
}

/// Switches that take flows, and are configured as daemons.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub(super) enum Contestant {
    Daemon,
    OvsDpdk,
}

impl fmt::Display for Contestant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Contestant::Daemon => "vswitchd",
            Contestant::OvsDpdk => "OVS-DPDK",
        })
    }
}

#[derive(Serialize)]
struct Sample {
    round: usize,
    rules: Rules,
    switch: Contestant,
    mpps: f64,
    add_flows_s: f64,
    dump_flows_s: f64,
    steal_percent: f64,
}

/// What a switch did.
struct Measured {
    mpps: f64,
    add_flows: Duration,
    dump_flows: Duration,
}

/// What a switch is given.
struct Input {
    files: [PathBuf; 2],
    rules: PathBuf,
    n_rules: usize,
}

/// Runs the case.
///
/// # Errors
/// A switch cannot be started, or loses frames.
pub fn run(options: &Options) -> Result<Report> {
    options.require(&[], &[OVS_DPDK])?;
    let contestants = options.contestants(&[Contestant::Daemon], &[Contestant::OvsDpdk]);
    let pages = options.pages_for_peers()?;
    let dir = tempfile::Builder::new().prefix("bench-flows").tempdir()?;
    let (mut report, mut samples) = (Report::new("flows"), Vec::new());
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
                    Ok(Measured { mpps, add_flows, dump_flows }) => samples.push(Sample {
                        round,
                        rules,
                        switch,
                        mpps,
                        add_flows_s: add_flows.as_secs_f64(),
                        dump_flows_s: dump_flows.as_secs_f64(),
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

fn write(rules: Rules, dir: &Path) -> Result<Input> {
    let files = [Direction::Forward, Direction::Reverse].map(|direction| {
        let path = dir.join(format!("{direction:?}.pcap"));
        rules.play(direction, &path).map(|()| path)
    });
    let [forward, reverse] = files;
    let (text, path) = (rules.text(), dir.join("rules"));
    std::fs::write(&path, &text)?;
    Ok(Input { files: [forward?, reverse?], rules: path, n_rules: text.lines().count() })
}

/// How long a command takes; its output has `n` lines at least.
fn timed(command: &mut Command, n: usize) -> Result<Duration> {
    let start = Instant::now();
    let lines = output(command)?.lines().count();
    let took = start.elapsed();
    ensure!(lines >= n, "{lines} lines of {n}");
    Ok(took)
}

fn daemon(input: &Input, options: &Options) -> Result<Measured> {
    let daemon = Daemon::start(None, &["--poll-cpus", &options.cpu.to_string()])?;
    daemon.add_bridge(&["fail_mode=secure"])?;
    let rules = input.rules.display().to_string();
    let add_flows = timed(daemon.ofctl_command().args(["add-flows", BRIDGE, &rules]), 0)?;
    let dump_flows = timed(daemon.ofctl_command().args(["dump-flows", BRIDGE]), input.n_rules)?;
    for (number, (port, file)) in (1..).zip(PORTS.iter().zip(&input.files)) {
        let (file, number) =
            (format!("file={}", file.display()), format!("ofport_request={number}"));
        daemon.ofctl(&["add-port", BRIDGE, port, "type=pcap", &file, &number])?;
    }
    // Before both ports were there, packets of the first had nowhere to go.
    let sent = || daemon.statistic(&PORTS, "tx_packets");
    wait_for("traffic", FILL_LIMIT, || sent().ok().filter(|n| *n > 0))?;
    std::thread::sleep(WARM_UP);
    let received = || daemon.statistic(&PORTS, "rx_packets");
    let (sent_before, before, start) = (sent()?, received()?, Instant::now());
    std::thread::sleep(options.measure);
    let (n, took) = (received()? - before, start.elapsed());
    // The two are not read in one moment.
    let n_sent = sent()? - sent_before;
    ensure!(n_sent >= n / 100 * 99, "of {n} frames {n_sent} were sent");
    Ok(Measured { mpps: mpps(n, took), add_flows, dump_flows })
}

fn ovs(input: &Input, options: &Options) -> Result<Measured> {
    let ovs = Ovs::start_dpdk(None, options.cpu, &[], &["fail_mode=secure"])?;
    let rules = input.rules.display().to_string();
    let add_flows = timed(ovs.ofctl_command("add-flows").arg(&rules), 0)?;
    let dump_flows = timed(&mut ovs.ofctl_command("dump-flows"), input.n_rules)?;
    let (n, took) = ovs.play(&input.files, WARM_UP, options.measure)?;
    Ok(Measured { mpps: mpps(n, took), add_flows, dump_flows })
}

fn tabulate(report: &mut Report, samples: &[Sample]) {
    samples.iter().for_each(|sample| report.sample(sample));
    let of = |rules, switch, read: &dyn Fn(&Sample) -> f64| -> Vec<(usize, f64)> {
        let mine = samples.iter().filter(|s| s.rules == rules && s.switch == switch);
        mine.map(|sample| (sample.round, read(sample))).collect()
    };
    let rate = |rules, switch| of(rules, switch, &|sample| sample.mpps);
    let title = "Rules between two files, 60-byte frames from memory, both ways, one core: Mpps";
    let mut table = Table::new(title, &["rules", "vswitchd", "OVS-DPDK", "ratio", "steal %"]);
    for rules in CASES {
        let (ours, theirs) = (rate(rules, Contestant::Daemon), rate(rules, Contestant::OvsDpdk));
        let ratio = Summary::of_ratios(&ours, &theirs);
        let steal = samples.iter().filter(|s| s.rules == rules).map(|s| s.steal_percent);
        table.row([
            rules.to_string(),
            cell(Summary::of_rounds(&ours)),
            cell(Summary::of_rounds(&theirs)),
            cell(ratio),
            format!("{:.1}", steal.fold(0.0, f64::max)),
        ]);
        let wanted = match rules {
            Rules::One => Some(1.5),
            Rules::Masks(_) => Some(2.0),
            Rules::Cached(_) | Rules::List(_) => None,
        };
        if let Some((ratio, bar)) = ratio.zip(wanted) {
            report.bars.push(Bar::at_least(&format!("{rules}, × OVS-DPDK"), bar, ratio.median));
        }
    }
    report.tables.push(table);
    let median =
        |rules| Summary::of_rounds(&rate(rules, Contestant::Daemon)).map(|rate| rate.median);
    if let Some((few, many)) = median(Rules::Cached(1_000)).zip(median(Rules::Cached(100_000))) {
        let what = "rate at 100,000 cached flows ÷ rate at 1,000";
        report.bars.push(Bar::at_least(what, 0.7, many / few));
    }
    let [honest, attacked] = [Who::Honest, Who::Attacker].map(|who| median(Rules::List(who)));
    if let Some((honest, attacked)) = honest.zip(attacked) {
        let what = "rate under tuple space explosion ÷ without";
        report.bars.push(Bar::at_least(what, 0.8, attacked / honest));
    }
    let title = "100,000 rules: seconds";
    let mut table = Table::new(title, &["command", "vswitchd", "OVS-DPDK"]);
    for (name, read) in
        [("add-flows", seconds_to_add as fn(&Sample) -> f64), ("dump-flows", seconds_to_dump)]
    {
        let time = |switch| Summary::of_rounds(&of(Rules::Cached(100_000), switch, &read));
        table.row([
            name.to_owned(),
            cell(time(Contestant::Daemon)),
            cell(time(Contestant::OvsDpdk)),
        ]);
        if let Some(time) = time(Contestant::Daemon) {
            report.bars.push(Bar::at_most(
                &format!("{name} of 100,000 rules, s"),
                2.0,
                time.median,
            ));
        }
    }
    report.tables.push(table);
}

fn seconds_to_add(sample: &Sample) -> f64 {
    sample.add_flows_s
}

fn seconds_to_dump(sample: &Sample) -> f64 {
    sample.dump_flows_s
}
