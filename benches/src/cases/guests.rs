//! Two guests on vhost-user ports: one TCP stream and the round trip of a flood of pings, with and without
//! whole segments.
//!
//! # Design
//! Each guest is the stack of a namespace behind a card of [`guest`](crate::guest), on one CPU together with
//! the programs that talk; the poll thread of the switch has another. So a switch that hands segments over
//! whole is seldom what limits, and the figures say mostly what cutting costs the guests and the switch.

use std::fmt;

use anyhow::{Result, anyhow};
use datapath::poll::cpu::pin;
use serde::Serialize;

use super::hosts::{Traffic, through};
use super::{Options, progress};
use crate::guest::{Guest, Segments};
use crate::lab::{Lab, Netns};
use crate::packages::{ETHTOOL, IP, IPERF3, OVS_DPDK, PING};
use crate::record::Report;
use crate::stats::{Summary, cell};
use crate::switch::{Daemon, Hypervisor, Ovs, Switch};
use crate::table::Table;

const PORTS: [&str; 2] = ["vm1", "vm2"];

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
enum Contestant {
    Ours,
    OursCut,
    OvsTso,
    Ovs,
}

impl Contestant {
    fn segments(self) -> Segments {
        match self {
            Contestant::OursCut => Segments::Cut,
            // Of Open vSwitch without TSO, guests take no more than it offers.
            Contestant::Ours | Contestant::OvsTso | Contestant::Ovs => Segments::Whole,
        }
    }
}

impl fmt::Display for Contestant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Contestant::Ours => "vswitchd",
            Contestant::OursCut => "vswitchd, guests without TSO",
            Contestant::OvsTso => "OVS-DPDK, userspace-tso-enable",
            Contestant::Ovs => "OVS-DPDK",
        })
    }
}

#[derive(Serialize)]
struct Sample {
    round: usize,
    switch: Contestant,
    #[serde(flatten)]
    traffic: Traffic,
}

/// Runs the case.
///
/// # Errors
/// Not root, or something is missing.
pub fn run(options: &Options) -> Result<Report> {
    options.require(&[IP, PING, IPERF3, ETHTOOL], &[OVS_DPDK])?;
    let own = [Contestant::Ours, Contestant::OursCut];
    let contestants = options.contestants(&own, &[Contestant::OvsTso, Contestant::Ovs]);
    let _pages = options.pages_for_peers()?;
    let (mut report, mut samples) = (Report::new("guests"), Vec::new());
    for round in 0..options.n_rounds {
        for &switch in &contestants {
            progress(round, options.n_rounds, &switch.to_string());
            // What is started there inherits the CPU of the thread.
            let measured = std::thread::scope(|scope| {
                let thread = scope.spawn(|| measure(switch, options));
                thread.join().unwrap_or_else(|_| Err(anyhow!("the measuring thread has died")))
            });
            match measured {
                Ok(traffic) => samples.push(Sample { round, switch, traffic }),
                Err(error) => report.failure(format!("round {round}, {switch}: {error:#}")),
            }
        }
    }
    tabulate(&mut report, &samples, &contestants);
    Ok(report)
}

fn measure(switch: Contestant, options: &Options) -> Result<Traffic> {
    let netns = Netns::new("vsw")?;
    let (name, cpu) = (Some(netns.name.as_str()), options.cpu.to_string());
    let tso = [("userspace-tso-enable", "true")];
    let tso = if switch == Contestant::OvsTso { &tso[..] } else { &[] };
    match switch {
        Contestant::Ours | Contestant::OursCut => {
            let daemon = Daemon::start(name, &["--poll-cpus", &cpu])?;
            daemon.add_bridge(&[])?;
            between(&daemon, switch, options)
        }
        Contestant::OvsTso | Contestant::Ovs => {
            let ovs = Ovs::start_dpdk(name, options.cpu, tso, &[])?;
            between(&ovs, switch, options)
        }
    }
}

/// Traffic between two guests of a switch.
fn between(
    running: &(impl Hypervisor + Switch),
    switch: Contestant,
    options: &Options,
) -> Result<Traffic> {
    pin(usize::from(options.cpu == 0))?;
    let lab = Lab::new(2)?;
    let folder = tempfile::Builder::new().prefix("bench-guests").tempdir()?;
    let mut guests = Vec::new();
    for (host, port) in PORTS.iter().enumerate() {
        let socket = folder.path().join(port);
        let plug = || running.add_guest(port, &socket);
        guests.push(Guest::start(&lab, host, &socket, switch.segments(), plug)?);
    }
    let traffic = through(&lab, running.process(), options);
    guests.iter_mut().try_for_each(Guest::check)?;
    traffic
}

fn tabulate(report: &mut Report, samples: &[Sample], contestants: &[Contestant]) {
    samples.iter().for_each(|sample| report.sample(sample));
    let rounds = |switch, read: fn(&Traffic) -> f64| -> Vec<(usize, f64)> {
        let mine = samples.iter().filter(|sample| sample.switch == switch);
        mine.map(|sample| (sample.round, read(&sample.traffic))).collect()
    };
    let title = "Two guests by vhost-user, one CPU for both, one for the switch: one TCP stream (iperf3) \
                 and a flood of pings";
    let head = ["switch", "Gbit/s", "vswitchd ÷ it", "ping avg, µs", "vswitchd ÷ it", "steal %"];
    let mut table = Table::new(title, &head);
    let reads: [fn(&Traffic) -> f64; 2] = [|traffic| traffic.gbits, |traffic| traffic.ping_avg_us];
    for &switch in contestants {
        let mut cells = vec![switch.to_string()];
        for read in reads {
            let ratio = Summary::of_ratios(&rounds(Contestant::Ours, read), &rounds(switch, read));
            cells.extend([cell(Summary::of_rounds(&rounds(switch, read))), cell(ratio)]);
        }
        let steal = rounds(switch, |traffic| traffic.steal_percent);
        cells.push(format!("{:.1}", steal.iter().map(|(_, percent)| *percent).fold(0.0, f64::max)));
        table.row(cells);
    }
    report.tables.push(table);
}
