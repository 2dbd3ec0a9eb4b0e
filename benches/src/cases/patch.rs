//! Two bridges as one network: joined by patch ports, by a veth pair, and beside them one bridge.
//!
//! # Design
//! Between two hosts on veth, one on each side: small frames by `pktgen`, as many as it can send, of
//! which those count that arrive at the second host, where nobody listens: a receiver would take half
//! of the generator's CPU, and be the limit. TCP and pings as in the case `tcp`.
//! And from memory, between two capture files, as fast as the poll thread takes them: what the second
//! layer-2 stage costs where no kernel hides it.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;

use super::{Options, engine, forward, generator, hosts, progress};
use crate::lab::{HOST_IF, Lab, Netns};
use crate::packages::{IP, IPERF3, PING};
use crate::process::wait_for;
use crate::record::{Bar, Report, Steal};
use crate::stats::{Summary, cell};
use crate::switch::{Attach, Join, Joined, Switch};
use crate::table::Table;
use crate::traffic::{Direction, Pairs};

const N_PAIRS: u32 = 1_000;
const N_HOSTS: usize = 2_000;
const MAX_ENTRIES: usize = 100_000;
/// How long both bridges may take to learn every host.
const LEARN_LIMIT: Duration = Duration::from_secs(60);
const SETTLE: Duration = Duration::from_secs(1);
const PORTS: [&str; 2] = ["forward", "reverse"];
/// What patch ports must give of small frames, over a veth pair.
const WANTED_OVER_VETH: f64 = 2.0;
/// What they must leave of the rates of one bridge.
const WANTED_OF_ONE: f64 = 0.9;

#[derive(Serialize)]
struct Sample {
    round: usize,
    join: Join,
    memory_mpps: f64,
    mpps: f64,
    #[serde(flatten)]
    tcp: hosts::Traffic,
}

/// Runs the case.
///
/// # Errors
/// Not root, or something is missing.
pub fn run(options: &Options) -> Result<Report> {
    options.require(&[IP, PING, IPERF3], &[])?;
    let (mut report, mut samples) = (Report::new("patch"), Vec::new());
    for round in 0..options.n_rounds {
        for join in Join::ALL {
            progress(round, options.n_rounds, &join.to_string());
            let measured = from_memory(join, options).and_then(|(memory_mpps, steal)| {
                let (mpps, mut tcp) = between_hosts(join, options)?;
                tcp.steal_percent = tcp.steal_percent.max(steal);
                Ok(Sample { round, join, memory_mpps, mpps, tcp })
            });
            match measured {
                Ok(sample) => samples.push(sample),
                Err(error) => report.failure(format!("round {round}, {join}: {error:#}")),
            }
        }
    }
    tabulate(&mut report, &samples);
    Ok(report)
}

/// Small frames that arrive, both sides together, Mpps; and the steal.
fn from_memory(join: Join, options: &Options) -> Result<(f64, f64)> {
    let dir = tempfile::Builder::new().prefix("bench-patch").tempdir()?;
    let netns = Netns::new("sw")?;
    let args = ["--poll-cpus", &options.cpu.to_string()];
    let joined = Joined::start(&netns.name, &args, join, MAX_ENTRIES)?;
    for (port, direction) in PORTS.iter().zip([Direction::Forward, Direction::Reverse]) {
        let path = dir.path().join(port);
        Pairs::new(N_PAIRS, direction).write(&path)?;
        joined.play(port, &path)?;
    }
    let all = || joined.n_learned().ok().filter(|learned| *learned >= N_HOSTS);
    wait_for("complete forwarding databases", LEARN_LIMIT, all)?;
    std::thread::sleep(SETTLE);
    let arrived = || joined.daemon.statistic(&PORTS, "tx_packets");
    let (steal, before, start) = (Steal::now(), arrived()?, Instant::now());
    std::thread::sleep(options.measure);
    let (after, took) = (arrived()?, start.elapsed());
    Ok((engine::mpps(after - before, took), steal.percent_since()))
}

/// Small frames that arrive at the second host, Mpps; and TCP and pings.
fn between_hosts(join: Join, options: &Options) -> Result<(f64, hosts::Traffic)> {
    let lab = Lab::new(2)?;
    let joined = Joined::start(&lab.switch.name, &[], join, MAX_ENTRIES)?;
    for host in 0..2 {
        let port = lab.wire(host)?;
        joined.add_port(&port, Attach::System)?;
        lab.switch.steer(&port, &options.rps)?;
        lab.host(host)?.steer(HOST_IF, &options.rps)?;
    }
    // Both bridges learn the hosts.
    forward::generate(&lab, options, &["--rate", "10k"])?;
    let [near, far] = [(lab.host(0)?, HOST_IF), (lab.host(1)?, HOST_IF)];
    let mpps = generator::flood(near, far, options, &forward::FRAMES)?;
    Ok((mpps, hosts::through(&lab, joined.process(), options)?))
}

fn tabulate(report: &mut Report, samples: &[Sample]) {
    samples.iter().for_each(|sample| report.sample(sample));
    let rounds = |join, read: fn(&Sample) -> f64| -> Vec<_> {
        let mine = samples.iter().filter(move |sample| sample.join == join);
        mine.map(|sample| (sample.round, read(sample))).collect()
    };
    let head = [
        "between",
        "Mpps from memory",
        "patch ÷ it",
        "Mpps by veth",
        "patch ÷ it",
        "Gbit/s, TCP",
        "patch ÷ it",
        "ping avg, µs",
        "steal %",
    ];
    let title = "Two sides of one daemon: small frames from memory, both ways, 1,000 pairs, one core; \
                 two hosts on veth: small frames of 100 pairs one way, TCP, pings";
    let mut table = Table::new(title, &head);
    let reads: [fn(&Sample) -> f64; 3] =
        [|sample| sample.memory_mpps, |sample| sample.mpps, |sample| sample.tcp.gbits];
    let ratio = |join, read| Summary::of_ratios(&rounds(Join::Patch, read), &rounds(join, read));
    for join in Join::ALL {
        let steal = rounds(join, |sample| sample.tcp.steal_percent);
        let mut cells = vec![join.to_string()];
        for read in reads {
            cells.push(cell(Summary::of_rounds(&rounds(join, read))));
            cells.push(cell(ratio(join, read)));
        }
        cells.push(cell(Summary::of_rounds(&rounds(join, |sample| sample.tcp.ping_avg_us))));
        cells.push(format!("{:.1}", steal.iter().map(|(_, percent)| *percent).fold(0.0, f64::max)));
        table.row(cells);
    }
    report.tables.push(table);
    let [_, frames, gbits] = reads;
    let bars = [
        ("small frames", Join::Veth, frames, WANTED_OVER_VETH),
        ("small frames", Join::OneBridge, frames, WANTED_OF_ONE),
        ("TCP", Join::OneBridge, gbits, WANTED_OF_ONE),
    ];
    for (what, join, read, wanted) in bars {
        if let Some(ratio) = ratio(join, read) {
            let what = format!("patch ports, {what}, × {join}");
            report.bars.push(Bar::at_least(&what, wanted, ratio.median));
        }
    }
}
