//! VLAN tags: what pushing and popping one leaves of the rate of the engine alone.
//!
//! # Design
//! One capture file is played to one port again and again; the hosts of the other port were learned
//! from a file that is played once. So each frame goes one way, from access port to trunk, from trunk
//! to access port, or untagged between two trunks, and nothing else is done.

use std::fmt;
use std::path::Path;

use anyhow::{Context, Result};
use datapath::l2::vlan::PortVlan;
use datapath::{PollCpus, Workers};
use packet::Vid;
use serde::Serialize;

use super::walk::access;
use super::{Options, engine, progress};
use crate::record::{Bar, Report, Steal};
use crate::rig::{Plug, Rig, Source};
use crate::stats::{Summary, cell};
use crate::table::Table;
use crate::traffic::{Direction, Pairs};

const N_PAIRS: u32 = 1_000;
const N_HOSTS: usize = 2_000;
const MAX_ENTRIES: usize = 100_000;
const VID: u16 = 10;
/// What a push or a pop must leave of the rate.
const WANTED: f64 = 0.85;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
enum Tags {
    Untagged,
    Push,
    Pop,
}

const ALL: [Tags; 3] = [Tags::Untagged, Tags::Push, Tags::Pop];

impl fmt::Display for Tags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Tags::Untagged => "untagged",
            Tags::Push => "access to trunk (push)",
            Tags::Pop => "trunk to access (pop)",
        })
    }
}

#[derive(Serialize)]
struct Sample {
    round: usize,
    tags: Tags,
    mpps: f64,
    steal_percent: f64,
}

/// Runs the case.
///
/// # Errors
/// The engine cannot start, does not learn, or drops a frame.
pub fn run(options: &Options) -> Result<Report> {
    let dir = tempfile::Builder::new().prefix("bench-vlan").tempdir()?;
    let (mut report, mut samples) = (Report::new("vlan"), Vec::new());
    for round in 0..options.n_rounds {
        for tags in ALL {
            progress(round, options.n_rounds, &tags.to_string());
            let steal = Steal::now();
            let workers = Workers::Threads(PollCpus::Pinned(vec![options.cpu]));
            let rig = Rig::new(plugs(tags, dir.path())?, MAX_ENTRIES, workers)?;
            let mpps = engine::rate(&rig, N_HOSTS, options.measure)?;
            samples.push(Sample { round, tags, mpps, steal_percent: steal.percent_since() });
        }
    }
    tabulate(&mut report, &samples);
    Ok(report)
}

/// The port that receives for ever, and the port to which all that goes.
fn plugs(tags: Tags, dir: &Path) -> Result<Vec<Plug>> {
    let vid = Vid::new(VID).context("VID")?;
    let [forward, reverse] =
        [Direction::Forward, Direction::Reverse].map(|direction| Pairs::new(N_PAIRS, direction));
    let trunk = PortVlan::trunk_all;
    let ((from, from_vlan), (to, to_vlan)) = match tags {
        Tags::Untagged => ((forward, trunk()), (reverse, trunk())),
        Tags::Push => ((forward, access(vid)), (reverse.tagged(vid), trunk())),
        Tags::Pop => ((forward.tagged(vid), trunk()), (reverse, access(vid))),
    };
    let [from_file, to_file] = ["from", "to"].map(|name| dir.join(format!("{tags:?}-{name}")));
    from.write(&from_file)?;
    to.write(&to_file)?;
    Ok(vec![
        Plug { source: Source::Loop(from_file), vlan: from_vlan },
        Plug { source: Source::Once(to_file), vlan: to_vlan },
    ])
}

fn tabulate(report: &mut Report, samples: &[Sample]) {
    samples.iter().for_each(|sample| report.sample(sample));
    let title = "Learning bridge, 1,000 pairs, 60-byte frames from memory, one way, one core";
    let mut table = Table::new(title, &["frames", "Mpps", "÷ untagged", "steal %"]);
    let rates = |tags| -> Vec<_> {
        let mine = samples.iter().filter(|sample| sample.tags == tags);
        mine.map(|sample| (sample.round, sample.mpps)).collect()
    };
    for tags in ALL {
        let ratio = Summary::of_ratios(&rates(tags), &rates(Tags::Untagged));
        let mine = samples.iter().filter(|sample| sample.tags == tags);
        let steal = mine.map(|sample| sample.steal_percent).fold(0.0, f64::max);
        let rate = cell(Summary::of_rounds(&rates(tags)));
        table.row([tags.to_string(), rate, cell(ratio), format!("{steal:.1}")]);
        if let (Some(ratio), Tags::Push | Tags::Pop) = (ratio, tags) {
            report.bars.push(Bar::at_least(&format!("{tags}, × untagged"), WANTED, ratio.median));
        }
    }
    report.tables.push(table);
}

#[cfg(test)]
mod tests {
    use super::*;
    use datapath::MAX_BURST;

    #[test]
    fn every_frame_is_forwarded_once_all_hosts_are_known() {
        for tags in ALL {
            let dir = tempfile::tempdir().unwrap();
            let plugs = plugs(tags, dir.path()).unwrap();
            let mut rig = Rig::new(plugs, MAX_ENTRIES, Workers::Inline).unwrap();
            for _ in 0..2 * N_HOSTS / MAX_BURST {
                rig.round();
            }
            assert_eq!(rig.n_learned(), N_HOSTS, "{tags}");
            let before = rig.totals();
            let n = (0..10).map(|_| rig.round() as u64).sum::<u64>();
            let after = rig.totals();
            assert_eq!((n, after.tx - before.tx), (10 * MAX_BURST as u64, n), "{tags}");
            assert_eq!(after.drops, before.drops, "{tags}");
        }
    }
}
