//! The generator itself: what `pktgen` sends by a bare veth pair, beside testpmd on the same pair.
//!
//! # Design
//! A generator that is slower than another would be the bottleneck that is measured. What counts is
//! what the kernel says has arrived at the far end of the pair, where nobody listens; each generator
//! has one thread, on the same CPU.

use std::fmt;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use clap::Parser;
use serde::Serialize;

use super::{Options, engine, progress};
use crate::lab::{Netns, veth};
use crate::packages::{IP, TESTPMD};
use crate::pktgen::{cli::Cli, run};
use crate::process::wait_for;
use crate::record::{Bar, Report, Steal};
use crate::stats::{Summary, cell};
use crate::switch::txonly;
use crate::table::Table;

const NEAR: &str = "near";
const FAR: &str = "far";
const START_LIMIT: Duration = Duration::from_secs(20);
/// After the first frame, before the rate is taken.
const SETTLE: Duration = Duration::from_secs(1);
/// What pktgen must reach, over testpmd by the same kind of socket.
const WANTED: f64 = 1.0;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
enum Generator {
    Pktgen,
    Testpmd,
    TestpmdXdp,
}

impl fmt::Display for Generator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Generator::Pktgen => "pktgen, packet",
            Generator::Testpmd => "testpmd txonly, net_af_packet",
            Generator::TestpmdXdp => "testpmd txonly, net_af_xdp",
        })
    }
}

#[derive(Serialize)]
struct Sample {
    round: usize,
    generator: Generator,
    mpps: f64,
    steal_percent: f64,
}

/// Runs the case.
///
/// # Errors
/// Not root, or something is missing.
pub fn run(options: &Options) -> Result<Report> {
    options.require(&[IP], &[TESTPMD])?;
    let peers = [Generator::Testpmd, Generator::TestpmdXdp];
    let generators = options.contestants(&[Generator::Pktgen], &peers);
    let (mut report, mut samples) = (Report::new("generator"), Vec::new());
    for round in 0..options.n_rounds {
        for &generator in &generators {
            progress(round, options.n_rounds, &generator.to_string());
            let steal = Steal::now();
            match measure(generator, options) {
                Ok(mpps) => {
                    let steal_percent = steal.percent_since();
                    samples.push(Sample { round, generator, mpps, steal_percent });
                }
                Err(error) => report.failure(format!("round {round}, {generator}: {error:#}")),
            }
        }
    }
    tabulate(&mut report, &samples, &generators);
    Ok(report)
}

/// Frames per second that arrive, millions.
fn measure(generator: Generator, options: &Options) -> Result<f64> {
    let [near, far] = [Netns::new("near")?, Netns::new("far")?];
    veth((&near, NEAR), (&far, FAR))?;
    match generator {
        Generator::Pktgen => flood((&near, NEAR), (&far, FAR), options, &[]),
        Generator::Testpmd | Generator::TestpmdXdp => {
            let xdp = generator == Generator::TestpmdXdp;
            let driver = if xdp { "net_af_xdp" } else { "net_af_packet" };
            let mut running = txonly(&near.name, driver, NEAR, options.cpu)?;
            let rate = rate((&far, FAR), options.measure);
            running.check()?;
            rate
        }
    }
}

/// Sends by one interface what `frames` say to `pktgen`, as fast as it can: millions of frames a second
/// that the kernel says have arrived at another, where nobody listens.
///
/// # Errors
/// pktgen cannot open its port, or nothing arrives.
pub(super) fn flood(
    (near, by): (&Netns, &str),
    far: (&Netns, &str),
    options: &Options,
    frames: &[&str],
) -> Result<f64> {
    thread::scope(|scope| {
        let seconds = (options.measure + 4 * SETTLE).as_secs().to_string();
        let (port, cpu) = (format!("{}/packet:{by}", near.name), options.cpu.to_string());
        let words = ["pktgen", "--tx", &port, "--rx", "null", "--no-learn"];
        let load = ["--unlimited", "--seconds", &seconds, "--cpus", &cpu];
        let cli = Cli::try_parse_from([&words[..], &load, frames].concat())?;
        let running = scope.spawn(move || run::run(&cli));
        let rate = rate(far, options.measure);
        let report = running.join().map_err(|_| anyhow!("pktgen has died"))?;
        report.context("pktgen")?;
        rate
    })
}

/// Of what arrives from now on, once something does.
fn rate((far, at): (&Netns, &str), measure: Duration) -> Result<f64> {
    let path = format!("/sys/class/net/{at}/statistics/rx_packets");
    let arrived = || -> Result<u64> { Ok(far.run("cat", &[&path])?.trim().parse()?) };
    let begun = arrived()?;
    wait_for("frame", START_LIMIT, || arrived().ok().filter(|n| *n > begun))?;
    thread::sleep(SETTLE);
    let (before, start) = (arrived()?, std::time::Instant::now());
    thread::sleep(measure);
    let (after, took) = (arrived()?, start.elapsed());
    Ok(engine::mpps(after - before, took))
}

fn tabulate(report: &mut Report, samples: &[Sample], generators: &[Generator]) {
    samples.iter().for_each(|sample| report.sample(sample));
    let title = "60-byte frames into a bare veth pair, one thread: Mpps that arrive";
    let mut table = Table::new(title, &["generator", "Mpps", "pktgen ÷ it", "steal %"]);
    let rates = |generator| -> Vec<_> {
        let mine = samples.iter().filter(move |sample| sample.generator == generator);
        mine.map(|sample| (sample.round, sample.mpps)).collect()
    };
    for &generator in generators {
        let ratio = Summary::of_ratios(&rates(Generator::Pktgen), &rates(generator));
        let mine = samples.iter().filter(|sample| sample.generator == generator);
        let steal = mine.map(|sample| sample.steal_percent).fold(0.0, f64::max);
        let rate = cell(Summary::of_rounds(&rates(generator)));
        table.row([generator.to_string(), rate, cell(ratio), format!("{steal:.1}")]);
        if let (Generator::Testpmd, Some(ratio)) = (generator, ratio) {
            report.bars.push(Bar::at_least("pktgen, × testpmd", WANTED, ratio.median));
        }
    }
    report.tables.push(table);
}
