//! Tunnels: what putting frames into VXLAN and taking them out leaves of the rate of the engine alone.
//!
//! # Design
//! One capture file is played to one port again and again; the hosts behind the other were learned from
//! a file that is played once. So each frame goes one way: into the tunnel and out by a port, from a port
//! out of the tunnel, or between two ports of a bridge, and nothing else is done.

use std::fmt;
use std::path::Path;

use anyhow::Result;
use datapath::{PollCpus, Workers};
use serde::Serialize;

use super::walk::{Walk, tunnel_plugs};
use super::{Options, engine, progress};
use crate::record::{Bar, Report, Steal};
use crate::rig::{Plug, Rig, Source};
use crate::stats::{Summary, cell};
use crate::table::Table;
use crate::traffic::{Direction, Pairs};

const N_PAIRS: u32 = 1_000;
const N_HOSTS: usize = 2_000;
const MAX_ENTRIES: usize = 100_000;
/// What either way must leave of the rate.
const WANTED: f64 = 0.6;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
enum Way {
    Plain,
    Into,
    OutOf,
}

const ALL: [Way; 3] = [Way::Plain, Way::Into, Way::OutOf];

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Way::Plain => "bridge",
            Way::Into => "into VXLAN",
            Way::OutOf => "out of VXLAN",
        })
    }
}

#[derive(Serialize)]
struct Sample {
    round: usize,
    way: Way,
    mpps: f64,
    steal_percent: f64,
}

/// Runs the case.
///
/// # Errors
/// The engine cannot start, does not learn, or drops a frame.
pub fn run(options: &Options) -> Result<Report> {
    let dir = tempfile::Builder::new().prefix("bench-tunnel").tempdir()?;
    let (mut report, mut samples) = (Report::new("tunnel"), Vec::new());
    for round in 0..options.n_rounds {
        for way in ALL {
            progress(round, options.n_rounds, &way.to_string());
            let steal = Steal::now();
            let workers = Workers::Threads(PollCpus::Pinned(vec![options.cpu]));
            let rig = match way {
                Way::Plain => Rig::new(plain(dir.path())?, MAX_ENTRIES, workers)?,
                Way::Into => tunnel(Walk::TunnelEncap, dir.path(), workers)?,
                Way::OutOf => tunnel(Walk::TunnelOpen, dir.path(), workers)?,
            };
            let mpps = engine::rate(&rig, N_HOSTS, options.measure)?;
            samples.push(Sample { round, way, mpps, steal_percent: steal.percent_since() });
        }
    }
    tabulate(&mut report, &samples);
    Ok(report)
}

fn tunnel(walk: Walk, dir: &Path, workers: Workers) -> Result<Rig> {
    Rig::with_tunnel(tunnel_plugs(walk, dir)?, MAX_ENTRIES, workers)
}

fn plain(dir: &Path) -> Result<Vec<Plug>> {
    let [forward, reverse] = ["forward", "reverse"].map(|name| dir.join(name));
    Pairs::new(N_PAIRS, Direction::Forward).write(&forward)?;
    Pairs::new(N_PAIRS, Direction::Reverse).write(&reverse)?;
    let sources = [Source::Loop(forward), Source::Once(reverse)];
    Ok(sources.into_iter().map(Plug::trunk).collect())
}

fn tabulate(report: &mut Report, samples: &[Sample]) {
    samples.iter().for_each(|sample| report.sample(sample));
    let rates = |way| -> Vec<(usize, f64)> {
        let mine = samples.iter().filter(|sample| sample.way == way);
        mine.map(|sample| (sample.round, sample.mpps)).collect()
    };
    let title = "Engine alone, 60-byte frames from memory, one way, 1,000 pairs, one core";
    let mut table = Table::new(title, &["way", "Mpps", "÷ bridge", "steal %"]);
    for way in ALL {
        let ratio = Summary::of_ratios(&rates(way), &rates(Way::Plain));
        let steal = samples.iter().filter(|s| s.way == way).map(|s| s.steal_percent);
        table.row([
            way.to_string(),
            cell(Summary::of_rounds(&rates(way))),
            cell(ratio),
            format!("{:.1}", steal.fold(0.0, f64::max)),
        ]);
        if let Some(ratio) = ratio.filter(|_| way != Way::Plain) {
            report.bars.push(Bar::at_least(&format!("{way}, of the bridge"), WANTED, ratio.median));
        }
    }
    report.tables.push(table);
}
