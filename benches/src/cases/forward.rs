//! Small frames from veth to veth through a switch, by `pktgen`: the rate at which they arrive when it
//! is overrun, the highest rate at which 0.5 % are lost, and latency at half of that.
//!
//! # Design
//! The generator has one CPU, poll threads of the switch the other; the kernel's bridge has none of its
//! own, and works on the generator's. The generator's own limit is in the case `generator`.

use std::fmt;

use anyhow::{Context, Result};
use clap::Parser;
use serde::Serialize;

use super::{Options, progress};
use crate::lab::{HOST_IF, Lab};
use crate::packages::{IP, OVS};
use crate::pktgen::search::LimitedBy;
use crate::pktgen::{cli::Cli, run};
use crate::record::{Bar, Report, Steal, n_cpus};
use crate::stats::{Summary, cell};
use crate::switch::{Attach, Build, Daemon, LinuxBridge, Ovs, OvsConfig, Switch};
use crate::table::Table;

/// What is sent, in the words of `pktgen`.
pub(super) const FRAMES: [&str; 4] = ["--flows", "1000", "--macs", "100"];
/// What AF_XDP ports must give, over Open vSwitch's.
const WANTED: f64 = 1.2;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
enum Contestant {
    Ours,
    OursAfXdp,
    LinuxBridge,
    Ovs,
    OvsAfXdp,
}

impl Contestant {
    fn attach(self) -> Attach {
        match self {
            Contestant::OursAfXdp | Contestant::OvsAfXdp => Attach::AfXdp,
            Contestant::Ours | Contestant::LinuxBridge | Contestant::Ovs => Attach::System,
        }
    }

    /// Ours with ports of the same kind.
    fn ours(self) -> Contestant {
        match self.attach() {
            Attach::AfXdp => Contestant::OursAfXdp,
            Attach::System | Attach::Tap => Contestant::Ours,
        }
    }
}

impl fmt::Display for Contestant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Contestant::Ours => "vswitchd",
            Contestant::OursAfXdp => "vswitchd, afxdp",
            Contestant::LinuxBridge => "Linux bridge",
            Contestant::Ovs => "OVS as packaged",
            Contestant::OvsAfXdp => "OVS as packaged, afxdp",
        })
    }
}

#[derive(Serialize)]
struct Sample {
    round: usize,
    switch: Contestant,
    overrun_mpps: f64,
    found_mpps: f64,
    limited_by: LimitedBy,
    p50_us: f64,
    p99_us: f64,
    steal_percent: f64,
}

/// Runs the case.
///
/// # Errors
/// Not root, or something is missing.
pub fn run(options: &Options) -> Result<Report> {
    options.require(&[IP], &[OVS])?;
    let own = [Contestant::Ours, Contestant::OursAfXdp, Contestant::LinuxBridge];
    let contestants = options.contestants(&own, &[Contestant::Ovs, Contestant::OvsAfXdp]);
    let (mut report, mut samples) = (Report::new("forward"), Vec::new());
    for round in 0..options.n_rounds {
        for &switch in &contestants {
            progress(round, options.n_rounds, &switch.to_string());
            match measure(switch, options) {
                Ok(sample) => samples.push(Sample { round, ..sample }),
                Err(error) => report.failure(format!("round {round}, {switch}: {error:#}")),
            }
        }
    }
    tabulate(&mut report, &samples, &contestants);
    Ok(report)
}

fn start(switch: Contestant, lab: &Lab, cpu: usize) -> Result<Box<dyn Switch>> {
    let netns = lab.switch.name.as_str();
    Ok(match switch {
        Contestant::Ours | Contestant::OursAfXdp => {
            let daemon = Daemon::start(Some(netns), &["--poll-cpus", &cpu.to_string()])?;
            daemon.add_bridge(&[])?;
            Box::new(daemon)
        }
        Contestant::LinuxBridge => Box::new(LinuxBridge::start(netns)?),
        Contestant::Ovs | Contestant::OvsAfXdp => Box::new(Ovs::start(&OvsConfig {
            build: Build::Plain,
            netns: Some(netns),
            other_config: &[("pmd-cpu-mask", &format!("{:#x}", 1u64 << cpu))],
            bridge: &[],
        })?),
    })
}

fn measure(switch: Contestant, options: &Options) -> Result<Sample> {
    let lab = Lab::new(2)?;
    let running = start(switch, &lab, options.cpu)?;
    for host in 0..2 {
        let port = lab.wire(host)?;
        running.add_port(&port, switch.attach())?;
        lab.switch.steer(&port, &options.rps)?;
    }
    let steal = Steal::now();
    let report = generate(&lab, options, &["--search", "--shares", "50"])?;
    let found = report.found.context("no rate within the limit of loss")?;
    let of = |why: &str| {
        let trial = report.trials.iter().find(|trial| trial.why == why);
        trial.and_then(|trial| trial.streams.first()).with_context(|| format!("no trial {why}"))
    };
    let latency = of("share")?.latency_us.context("nothing arrived")?;
    Ok(Sample {
        round: 0,
        switch,
        overrun_mpps: of("top")?.rx_pps / 1e6,
        found_mpps: found.pps / 1e6,
        limited_by: found.limited_by,
        p50_us: latency.p50,
        p99_us: latency.p99,
        steal_percent: steal.percent_since(),
    })
}

/// Runs the generator from the first host to the second, on the CPU beside that of poll threads.
///
/// # Errors
/// It cannot open its ports, or finds no rate.
pub(super) fn generate(lab: &Lab, options: &Options, load: &[&str]) -> Result<run::Report> {
    let [tx, rx] =
        [0, 1].map(|host| lab.host(host).map(|host| format!("{}/packet:{HOST_IF}", host.name)));
    let (tx, rx, cpu) = (tx?, rx?, ((options.cpu + 1) % n_cpus()).to_string());
    let seconds = options.measure.as_secs().max(1).to_string();
    let ports = ["pktgen", "--tx", &tx, "--rx", &rx, "--cpus", &cpu, "--seconds", &seconds];
    run::run(&Cli::try_parse_from([&ports[..], &FRAMES, load].concat())?)
}

fn tabulate(report: &mut Report, samples: &[Sample], contestants: &[Contestant]) {
    samples.iter().for_each(|sample| report.sample(sample));
    let head = [
        "switch",
        "overrun, Mpps",
        "vswitchd ÷ it",
        "0.5 % lost, Mpps",
        "vswitchd ÷ it",
        "p50, µs",
        "p99, µs",
        "steal %",
    ];
    let title =
        "Two hosts on veth, 60-byte frames of 100 pairs one way; latency at half the rate found";
    let mut table = Table::new(title, &head);
    let rounds = |switch, read: fn(&Sample) -> f64| -> Vec<_> {
        let mine = samples.iter().filter(move |sample| sample.switch == switch);
        mine.map(|sample| (sample.round, read(sample))).collect()
    };
    let reads: [fn(&Sample) -> f64; 2] = [|sample| sample.overrun_mpps, |sample| sample.found_mpps];
    for &switch in contestants {
        let mut cells = vec![switch.to_string()];
        for read in reads {
            let ratio = Summary::of_ratios(&rounds(switch.ours(), read), &rounds(switch, read));
            cells.extend([cell(Summary::of_rounds(&rounds(switch, read))), cell(ratio)]);
        }
        let shown = |read: fn(&Sample) -> f64| cell(Summary::of_rounds(&rounds(switch, read)));
        cells.extend([shown(|sample| sample.p50_us), shown(|sample| sample.p99_us)]);
        let steal = rounds(switch, |sample| sample.steal_percent);
        cells.push(format!("{:.1}", steal.iter().map(|(_, percent)| *percent).fold(0.0, f64::max)));
        table.row(cells);
    }
    report.tables.push(table);
    let of = |switch| rounds(switch, |sample| sample.overrun_mpps);
    let ratio = Summary::of_ratios(&of(Contestant::OursAfXdp), &of(Contestant::OvsAfXdp));
    let bar = |all: Summary| Bar::at_least("afxdp, overrun, × OVS afxdp", WANTED, all.median);
    report.bars.extend(ratio.map(bar));
}
