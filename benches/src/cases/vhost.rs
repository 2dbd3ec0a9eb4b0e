//! Frames of a guest: DPDK's testpmd with two cards, by vhost-user, through the switch and back.
//!
//! # Design
//! testpmd sends a burst by each card, and then sends on by one what it receives by the other, for ever:
//! a closed loop. With few frames under way its rate says how long a frame takes there and back; with
//! many, how many a second the slower of the two turns over. testpmd has one CPU, and the poll thread
//! of the switch another. The switch is the client, as Open vSwitch's `dpdkvhostuserclient` is, so the
//! guest, its start and its end are the same for both.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;

use super::{Options, progress};
use crate::lab::Netns;
use crate::packages::{IP, OVS_DPDK, TESTPMD};
use crate::record::{Bar, Report, Steal};
use crate::stats::{Summary, cell};
use crate::switch::{Circle, Daemon, HugePages, Hypervisor, Ovs, guest_rate};
use crate::table::Table;

const PORTS: [&str; 2] = ["vm1", "vm2"];
const CIRCLES: [Circle; 4] = [
    Circle { size: 64, n_frames: 32 },
    Circle { size: 64, n_frames: 128 },
    Circle { size: 1500, n_frames: 32 },
    Circle { size: 1500, n_frames: 128 },
];
/// How long testpmd may take to start.
const START: Duration = Duration::from_secs(6);
/// What the switch must give, over Open vSwitch with DPDK.
const WANTED: f64 = 1.0;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
enum Peer {
    Ours,
    OvsDpdk,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Peer::Ours => "vswitchd, vhost-user",
            Peer::OvsDpdk => "Open vSwitch, dpdkvhostuserclient",
        })
    }
}

#[derive(Serialize)]
struct Sample {
    round: usize,
    peer: Peer,
    size: u32,
    n_frames: u32,
    mpps: f64,
    steal_percent: f64,
}

impl Sample {
    fn is_of(&self, peer: Peer, circle: Circle) -> bool {
        (self.peer, self.size, self.n_frames) == (peer, circle.size, circle.n_frames)
    }
}

/// Runs the case.
///
/// # Errors
/// Not root, or something is missing.
pub fn run(options: &Options) -> Result<Report> {
    options.require(&[IP, TESTPMD], &[OVS_DPDK])?;
    let peers = options.contestants(&[Peer::Ours], &[Peer::OvsDpdk]);
    let _pages = HugePages::reserve()?;
    let (mut report, mut samples) = (Report::new("vhost"), Vec::new());
    for round in 0..options.n_rounds {
        for circle in CIRCLES {
            for &peer in &peers {
                let what = format!("{peer}, {} bytes, {}", circle.size, circle.n_frames);
                progress(round, options.n_rounds, &what);
                let steal = Steal::now();
                match measure(peer, circle, options) {
                    Ok(pps) => samples.push(Sample {
                        round,
                        peer,
                        size: circle.size,
                        n_frames: circle.n_frames,
                        mpps: pps / 1e6,
                        steal_percent: steal.percent_since(),
                    }),
                    Err(error) => report.failure(format!("round {round}, {what}: {error:#}")),
                }
            }
        }
    }
    tabulate(&mut report, &samples, &peers);
    Ok(report)
}

/// Frames per second that the guest receives, by both cards.
fn measure(peer: Peer, circle: Circle, options: &Options) -> Result<f64> {
    let folder = tempfile::Builder::new().prefix("bench-vhost").tempdir()?;
    let sockets = PORTS.map(|port| folder.path().join(port));
    match peer {
        Peer::Ours => {
            let (netns, cpu) = (Netns::new("sw")?, options.cpu.to_string());
            let daemon = Daemon::start(Some(&netns.name), &["--poll-cpus", &cpu])?;
            daemon.add_bridge(&[])?;
            plug(&daemon, &sockets)?;
            rate(&sockets, circle, options)
        }
        Peer::OvsDpdk => {
            let ovs = Ovs::start_dpdk(None, options.cpu, &[], &[])?;
            plug(&ovs, &sockets)?;
            rate(&sockets, circle, options)
        }
    }
}

fn plug(switch: &impl Hypervisor, sockets: &[PathBuf; 2]) -> Result<()> {
    PORTS.iter().zip(sockets).try_for_each(|(port, socket)| switch.add_guest(port, socket))
}

fn rate(sockets: &[PathBuf; 2], circle: Circle, options: &Options) -> Result<f64> {
    let guest_cpu = usize::from(options.cpu == 0);
    guest_rate([&sockets[0], &sockets[1]], circle, guest_cpu, START + options.measure)
        .context("testpmd")
}

fn tabulate(report: &mut Report, samples: &[Sample], peers: &[Peer]) {
    samples.iter().for_each(|sample| report.sample(sample));
    let rounds = |peer, circle| -> Vec<_> {
        let mine = samples.iter().filter(|sample| sample.is_of(peer, circle));
        mine.map(|sample| (sample.round, sample.mpps)).collect()
    };
    let title = "testpmd with two cards, io mode: frames received per second by the guest, both \
                 cards; one CPU for the guest, one for the switch";
    let columns = ["bytes", "under way", "switch", "Mpps", "ours ÷ it", "steal %"];
    let mut table = Table::new(title, &columns);
    for circle in CIRCLES {
        let ours = rounds(Peer::Ours, circle);
        for &peer in peers {
            let mine = rounds(peer, circle);
            let ratio = Summary::of_ratios(&ours, &mine);
            let of_peer = samples.iter().filter(|sample| sample.is_of(peer, circle));
            let steal = of_peer.map(|sample| sample.steal_percent).fold(0.0, f64::max);
            table.row([
                circle.size.to_string(),
                (2 * circle.n_frames).to_string(),
                peer.to_string(),
                cell(Summary::of_rounds(&mine)),
                cell(ratio),
                format!("{steal:.1}"),
            ]);
            if let Some(ratio) = ratio.filter(|_| peer == Peer::OvsDpdk) {
                let what = format!("{} bytes, {} frames, × {peer}", circle.size, circle.n_frames);
                report.bars.push(Bar::at_least(&what, WANTED, ratio.median));
            }
        }
    }
    report.tables.push(table);
}
