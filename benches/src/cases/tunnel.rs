//! Tunnels: what putting frames into VXLAN and taking them out leaves of the rate of the engine alone,
//! and what Open vSwitch with DPDK does with the same files.
//!
//! # Design
//! One capture file is played to one port again and again; the hosts behind the other were learned from
//! a file that is played once. So each frame goes one way: into the tunnel and out by a port, from a port
//! out of the tunnel, or between two ports of a bridge, and nothing else is done. Open vSwitch, which
//! looks at flows only, misses some hosts of such a file; it is told them instead. What counts there is
//! what the far port was sent.

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use datapath::{PollCpus, Workers};
use serde::Serialize;

use super::walk::{Walk, tunnel_plugs};
use super::{Options, engine, progress};
use crate::lab::Netns;
use crate::packages::{IP, OVS_DPDK};
use crate::process::wait_for;
use crate::record::{Bar, Report, Steal};
use crate::rig::{Plug, Rig, Source};
use crate::stats::{Summary, cell};
use crate::switch::{BRIDGE, Ovs, Repeat, TUNNEL, UNDERLAY};
use crate::table::Table;
use crate::traffic::{Direction, Pairs, host};
use crate::tunnel::ENDS;

const N_PAIRS: u32 = 1_000;
const N_HOSTS: usize = 2_000;
const MAX_ENTRIES: usize = 100_000;
/// What either way must leave of the rate.
const WANTED: f64 = 0.6;
/// What either way must give, over Open vSwitch with DPDK.
const WANTED_OF_PEER: f64 = 2.0;
/// How long Open vSwitch may take to forward anything, and is then given to fill its caches.
const OVS_START: Duration = Duration::from_secs(20);
const OVS_WARM_UP: Duration = Duration::from_secs(8);

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

impl Way {
    /// The files of both ports; of the engine, all that they are.
    fn plugs(self, dir: &Path) -> Result<Vec<Plug>> {
        match self {
            Way::Plain => plain(dir),
            Way::Into => tunnel_plugs(Walk::TunnelEncap, dir),
            Way::OutOf => tunnel_plugs(Walk::TunnelOpen, dir),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
enum Contestant {
    Engine,
    OvsDpdk,
}

impl fmt::Display for Contestant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Contestant::Engine => "engine",
            Contestant::OvsDpdk => "OVS-DPDK",
        })
    }
}

#[derive(Serialize)]
struct Sample {
    round: usize,
    switch: Contestant,
    way: Way,
    mpps: f64,
    steal_percent: f64,
}

/// Runs the case.
///
/// # Errors
/// Something is missing, or the files cannot be written.
pub fn run(options: &Options) -> Result<Report> {
    options.require(&[IP], &[OVS_DPDK])?;
    let contestants = options.contestants(&[Contestant::Engine], &[Contestant::OvsDpdk]);
    let pages = options.pages_for_peers()?;
    let dir = tempfile::Builder::new().prefix("bench-tunnel").tempdir()?;
    let (mut report, mut samples) = (Report::new("tunnel"), Vec::new());
    for round in 0..options.n_rounds {
        for &switch in &contestants {
            for way in ALL {
                progress(round, options.n_rounds, &format!("{switch}, {way}"));
                let steal = Steal::now();
                let plugs = way.plugs(dir.path())?;
                let rate = match switch {
                    Contestant::Engine => in_process(way, plugs, options),
                    Contestant::OvsDpdk => ovs(way, plugs, options),
                };
                match rate {
                    Ok(mpps) => {
                        let steal_percent = steal.percent_since();
                        samples.push(Sample { round, switch, way, mpps, steal_percent });
                    }
                    Err(error) => {
                        report.failure(format!("round {round}, {switch}, {way}: {error:#}"));
                    }
                }
            }
        }
    }
    drop(pages);
    tabulate(&mut report, &samples);
    Ok(report)
}

fn in_process(way: Way, plugs: Vec<Plug>, options: &Options) -> Result<f64> {
    let workers = Workers::Threads(PollCpus::Pinned(vec![options.cpu]));
    let rig = match way {
        Way::Plain => Rig::new(plugs, MAX_ENTRIES, workers)?,
        Way::Into | Way::OutOf => Rig::with_tunnel(plugs, MAX_ENTRIES, workers)?,
    };
    engine::rate(&rig, N_HOSTS, options.measure)
}

fn plain(dir: &Path) -> Result<Vec<Plug>> {
    let [forward, reverse] = ["forward", "reverse"].map(|name| dir.join(name));
    Pairs::new(N_PAIRS, Direction::Forward).write(&forward)?;
    Pairs::new(N_PAIRS, Direction::Reverse).write(&reverse)?;
    let sources = [Source::Loop(forward), Source::Once(reverse)];
    Ok(sources.into_iter().map(Plug::trunk).collect())
}

/// What Open vSwitch sends by the port that frames leave by, Mpps.
fn ovs(way: Way, plugs: Vec<Plug>, options: &Options) -> Result<f64> {
    let netns = Netns::new("peer")?;
    let entries = format!("other_config:mac-table-size={MAX_ENTRIES}");
    let ovs = Ovs::start_dpdk(Some(&netns.name), options.cpu, &[], &[&entries])?;
    let (near, far) =
        ((BRIDGE, "near"), (if way == Way::Plain { BRIDGE } else { UNDERLAY }, "far"));
    if way != Way::Plain {
        ovs.add_vxlan(&netns, ENDS)?;
    }
    // The exit comes first, and all that is behind it: nothing is flooded.
    let (exit, side, behind) = match way {
        Way::Plain => (far, 1, far.1),
        Way::Into => (far, 1, TUNNEL),
        Way::OutOf => (near, 0, near.1),
    };
    let mut ports: Vec<_> = [near, far].into_iter().zip(plugs).collect();
    ports.sort_by_key(|(port, _)| *port != exit);
    for (port, plug) in ports {
        match plug.source {
            Source::Loop(file) => ovs.add_pcap(port, &file, Repeat::Forever)?,
            Source::Once(file) => ovs.add_pcap(port, &file, Repeat::Never)?,
            Source::Silent => {}
        }
        if port == exit {
            ovs.teach(behind, (0..N_PAIRS).map(|i| host(side, i)))?;
        }
    }
    wait_for("traffic", OVS_START, || ovs.sent(exit).ok().filter(|n| *n > u64::from(N_PAIRS)))?;
    std::thread::sleep(OVS_WARM_UP);
    ensure!(ovs.n_learned()? >= N_HOSTS, "{} of {N_HOSTS} hosts learned", ovs.n_learned()?);
    ovs.clear_received()?;
    let (before, start) = (ovs.sent(exit)?, Instant::now());
    std::thread::sleep(options.measure);
    let (after, took) = (ovs.sent(exit)?, start.elapsed());
    let (n, received) = (after - before, ovs.received()?);
    // The two are not read in one moment.
    ensure!(n >= received / 10 * 9, "of {received} frames {n} were sent");
    Ok(engine::mpps(n, took))
}

fn tabulate(report: &mut Report, samples: &[Sample]) {
    samples.iter().for_each(|sample| report.sample(sample));
    let rates = |switch, way| -> Vec<(usize, f64)> {
        let mine = samples.iter().filter(|sample| (sample.switch, sample.way) == (switch, way));
        mine.map(|sample| (sample.round, sample.mpps)).collect()
    };
    let (engine, peer) = (Contestant::Engine, Contestant::OvsDpdk);
    let title = "60-byte frames from memory, one way, 1,000 pairs, one core: Mpps";
    let head =
        ["way", "engine", "÷ bridge", "OVS-DPDK", "÷ bridge", "engine ÷ OVS-DPDK", "steal %"];
    let mut table = Table::new(title, &head);
    for way in ALL {
        let of_bridge =
            |switch| Summary::of_ratios(&rates(switch, way), &rates(switch, Way::Plain));
        let of_peer = Summary::of_ratios(&rates(engine, way), &rates(peer, way));
        let steal = samples.iter().filter(|s| s.way == way).map(|s| s.steal_percent);
        table.row([
            way.to_string(),
            cell(Summary::of_rounds(&rates(engine, way))),
            cell(of_bridge(engine)),
            cell(Summary::of_rounds(&rates(peer, way))),
            cell(of_bridge(peer)),
            cell(of_peer),
            format!("{:.1}", steal.fold(0.0, f64::max)),
        ]);
        let bars =
            [("of the bridge", WANTED, of_bridge(engine)), ("× OVS-DPDK", WANTED_OF_PEER, of_peer)];
        for (what, wanted, ratio) in bars {
            if let Some(ratio) = ratio.filter(|_| way != Way::Plain) {
                report.bars.push(Bar::at_least(&format!("{way}, {what}"), wanted, ratio.median));
            }
        }
    }
    report.tables.push(table);
}
