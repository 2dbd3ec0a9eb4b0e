//! Frames of a guest: DPDK's testpmd with two cards, by vhost-user, through the switch and back.
//!
//! # Design
//! testpmd sends a burst by each card, and then sends on by one what it receives by the other, for ever:
//! a closed loop. With few frames under way its rate says how long a frame takes there and back; with
//! many, how many a second the slower of the two turns over. testpmd has one CPU, and the poll thread
//! of the switch another. The switch is the client, as Open vSwitch's `dpdkvhostuserclient` is, so the
//! guest, its start and its end are the same for both. The rings are split, as by default of each VMM,
//! or also packed.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use super::{Options, progress};
use crate::lab::Netns;
use crate::packages::{IP, OVS_DPDK, TESTPMD};
use crate::record::{Bar, Report, Steal};
use crate::stats::{Summary, cell};
use crate::switch::{Circle, Daemon, Guest, HugePages, Hypervisor, Ovs, Rings, guest_rate};
use crate::table::Table;

const PORTS: [&str; 2] = ["vm1", "vm2"];
const CIRCLES: [Circle; 4] = [
    Circle { size: 64, n_frames: 32 },
    Circle { size: 64, n_frames: 128 },
    Circle { size: 1500, n_frames: 32 },
    Circle { size: 1500, n_frames: 128 },
];
/// Bytes of frames.
pub const SIZES: [u32; 2] = [64, 1500];
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

/// A switch, and the rings of its guest.
type Contestant = (Peer, Rings);

#[derive(Serialize)]
struct Sample {
    round: usize,
    peer: Peer,
    rings: Rings,
    size: u32,
    n_frames: u32,
    mpps: f64,
    steal_percent: f64,
}

impl Sample {
    fn is_of(&self, (peer, rings): Contestant, circle: Circle) -> bool {
        let mine = (self.peer, self.rings, self.size, self.n_frames);
        mine == (peer, rings, circle.size, circle.n_frames)
    }
}

/// Runs the case, with frames of so many bytes.
///
/// # Errors
/// Not root, or something is missing.
pub fn run(options: &Options, rings: &[Rings], sizes: &[u32]) -> Result<Report> {
    options.require(&[IP, TESTPMD], &[OVS_DPDK])?;
    let each = |peer| rings.iter().map(move |rings| (peer, *rings)).collect::<Vec<Contestant>>();
    let contestants = options.contestants(&each(Peer::Ours), &each(Peer::OvsDpdk));
    let circles: Vec<_> = CIRCLES.into_iter().filter(|c| sizes.contains(&c.size)).collect();
    ensure!(!circles.is_empty(), "no such frames (allowed: 64, 1500)");
    let _pages = HugePages::reserve()?;
    let (mut report, mut samples) = (Report::new("vhost"), Vec::new());
    for round in 0..options.n_rounds {
        for &circle in &circles {
            for &(peer, rings) in &contestants {
                let what = format!("{peer}, {rings}, {} bytes, {}", circle.size, circle.n_frames);
                progress(round, options.n_rounds, &what);
                let steal = Steal::now();
                match measure((peer, rings), circle, options) {
                    Ok(pps) => samples.push(Sample {
                        round,
                        peer,
                        rings,
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
    tabulate(&mut report, &samples, &contestants, &circles);
    Ok(report)
}

/// Frames per second that the guest receives, by both cards.
fn measure((peer, rings): Contestant, circle: Circle, options: &Options) -> Result<f64> {
    let folder = tempfile::Builder::new().prefix("bench-vhost").tempdir()?;
    let sockets = PORTS.map(|port| folder.path().join(port));
    match peer {
        Peer::Ours => {
            let (netns, cpu) = (Netns::new("sw")?, options.cpu.to_string());
            let daemon = Daemon::start(Some(&netns.name), &["--poll-cpus", &cpu])?;
            daemon.add_bridge(&[])?;
            rate(&daemon, rings, &sockets, circle, options)
        }
        Peer::OvsDpdk => {
            let ovs = Ovs::start_dpdk(None, options.cpu, &[], &[])?;
            rate(&ovs, rings, &sockets, circle, options)
        }
    }
}

fn rate(
    switch: &impl Hypervisor,
    rings: Rings,
    sockets: &[PathBuf; 2],
    circle: Circle,
    options: &Options,
) -> Result<f64> {
    PORTS.iter().zip(sockets).try_for_each(|(port, socket)| switch.add_guest(port, socket))?;
    let guest = Guest { sockets: [&sockets[0], &sockets[1]], rings, circle };
    let cpu = usize::from(options.cpu == 0);
    guest_rate(guest, cpu, START + options.measure).context("testpmd")
}

fn tabulate(
    report: &mut Report,
    samples: &[Sample],
    contestants: &[Contestant],
    circles: &[Circle],
) {
    samples.iter().for_each(|sample| report.sample(sample));
    let rounds = |of, circle| -> Vec<_> {
        let mine = samples.iter().filter(|sample| sample.is_of(of, circle));
        mine.map(|sample| (sample.round, sample.mpps)).collect()
    };
    let title = "testpmd with two cards, io mode: frames received per second by the guest, both \
                 cards; one CPU for the guest, one for the switch";
    let columns = ["bytes", "under way", "rings", "switch", "Mpps", "ours ÷ it", "steal %"];
    let mut table = Table::new(title, &columns);
    for &circle in circles {
        for &(peer, rings) in contestants {
            let (ours, mine) = (rounds((Peer::Ours, rings), circle), rounds((peer, rings), circle));
            let ratio = Summary::of_ratios(&ours, &mine);
            let of_peer = samples.iter().filter(|sample| sample.is_of((peer, rings), circle));
            let steal = of_peer.map(|sample| sample.steal_percent).fold(0.0, f64::max);
            table.row([
                circle.size.to_string(),
                (2 * circle.n_frames).to_string(),
                rings.to_string(),
                peer.to_string(),
                cell(Summary::of_rounds(&mine)),
                cell(ratio),
                format!("{steal:.1}"),
            ]);
            if let Some(ratio) = ratio.filter(|_| peer == Peer::OvsDpdk) {
                let (size, n) = (circle.size, circle.n_frames);
                let what = format!("{size} bytes, {n} frames, {rings} rings, × {peer}");
                report.bars.push(Bar::at_least(&what, WANTED, ratio.median));
            }
        }
    }
    report.tables.push(table);
}
