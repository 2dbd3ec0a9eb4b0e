//! Hosts behind two switches: one TCP stream and the round trip of a flood of pings, through VXLAN.
//!
//! # Design
//! A switch in each of two namespaces, a veth between them as the underlay, a host behind each switch.
//! Outer packets of ours go through the host's stack, whose address is on the veth; or the veth is a port
//! of a bridge, by packet sockets or by AF_XDP, and the address is on that bridge's own port. Open vSwitch's
//! userspace datapath can be set up in the second way alone. Linux's own bridge and VXLAN device show what
//! the kernel does by itself.
//!
//! The hosts' MTU leaves room for the outer headers, as whoever runs such a network has to see to. Open
//! vSwitch, whose tunnels take neither whole segments nor unfinished checksums, gets hosts with transmit
//! offloads off; ours and the kernel's get them as the kernel makes them.

use std::fmt;

use anyhow::Result;
use serde::Serialize;

use super::hosts::{Traffic, through};
use super::{Options, progress};
use crate::lab::{HOST_IF, Lab, Netns, veth};
use crate::packages::{ETHTOOL, IP, IPERF3, OVS, PING};
use crate::record::{Bar, Report, n_cpus};
use crate::stats::{Summary, cell};
use crate::switch::{Attach, Build, Daemon, LinuxBridge, Ovs, OvsConfig, Switch};
use crate::table::Table;
use crate::tunnel::{ENDS, End};

/// The veth of the underlay, at each end.
const UPLINK: &str = "wan";
/// Of the hosts, bytes: VXLAN over IPv4 takes 50 (RFC 7348).
const MTU: &str = "1450";
/// What ours must give through the host's stack, over Open vSwitch.
const WANTED: f64 = 1.5;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
enum Contestant {
    /// Ours, through the host's stack.
    Ours,
    OursSystem,
    OursAfXdp,
    Linux,
    Ovs,
    OvsAfXdp,
}

impl fmt::Display for Contestant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Contestant::Ours => "vswitchd, through the host's stack",
            Contestant::OursSystem => "vswitchd, uplink `system`",
            Contestant::OursAfXdp => "vswitchd, uplink `afxdp`",
            Contestant::Linux => "Linux bridge and VXLAN device",
            Contestant::Ovs => "OVS as packaged, uplink `system`",
            Contestant::OvsAfXdp => "OVS as packaged, uplink `afxdp`",
        })
    }
}

impl Contestant {
    /// How the uplink is attached; `None`: it is the host's.
    fn uplink(self) -> Option<Attach> {
        match self {
            Contestant::Ours | Contestant::Linux => None,
            Contestant::OursSystem | Contestant::Ovs => Some(Attach::System),
            Contestant::OursAfXdp | Contestant::OvsAfXdp => Some(Attach::AfXdp),
        }
    }

    /// Open vSwitch with an uplink of the same kind, or of the kind that it can have.
    fn peer(self) -> Option<Contestant> {
        match self {
            Contestant::Ours | Contestant::OursSystem => Some(Contestant::Ovs),
            Contestant::OursAfXdp => Some(Contestant::OvsAfXdp),
            Contestant::Linux | Contestant::Ovs | Contestant::OvsAfXdp => None,
        }
    }

    fn is_ovs(self) -> bool {
        matches!(self, Contestant::Ovs | Contestant::OvsAfXdp)
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
    options.require(&[IP, PING, IPERF3], &[OVS, ETHTOOL])?;
    let own = [Contestant::Ours, Contestant::OursSystem, Contestant::OursAfXdp, Contestant::Linux];
    let contestants = options.contestants(&own, &[Contestant::Ovs, Contestant::OvsAfXdp]);
    let (mut report, mut samples) = (Report::new("overlay"), Vec::new());
    for round in 0..options.n_rounds {
        for &switch in &contestants {
            progress(round, options.n_rounds, &switch.to_string());
            match measure(switch, options) {
                Ok(traffic) => samples.push(Sample { round, switch, traffic }),
                Err(error) => report.failure(format!("round {round}, {switch}: {error:#}")),
            }
        }
    }
    tabulate(&mut report, &samples, &contestants);
    Ok(report)
}

fn measure(switch: Contestant, options: &Options) -> Result<Traffic> {
    let (lab, far) = (Lab::new(2)?, Netns::new("far")?);
    veth((&lab.switch, UPLINK), (&far, UPLINK))?;
    let [here, there] = ENDS;
    let mut running = Vec::new();
    for (host, (netns, ends)) in
        [(&lab.switch, [here, there]), (&far, [there, here])].into_iter().enumerate()
    {
        let site = start(switch, netns, ends, host % n_cpus())?;
        let port = lab.wire_from(netns, host)?;
        let inside = lab.host(host)?;
        inside.ip(&["link", "set", HOST_IF, "mtu", MTU])?;
        if switch.is_ovs() {
            inside.run("ethtool", &["-K", HOST_IF, "tx", "off"])?;
        }
        site.add_port(&port, Attach::System)?;
        for (netns, interface) in [(netns, port.as_str()), (netns, UPLINK), (inside, HOST_IF)] {
            netns.steer(interface, &options.rps)?;
        }
        running.push(site);
    }
    through(&lab, running.first().and_then(|site| site.process()), options)
}

/// Starts one end's switch, and its tunnel to the other end. Where Open vSwitch polls without rest, it does
/// so on `cpu`: the two would else have the same.
fn start(switch: Contestant, netns: &Netns, ends: [End; 2], cpu: usize) -> Result<Box<dyn Switch>> {
    let name = Some(netns.name.as_str());
    let mask = format!("{:#x}", 1_u64 << cpu);
    if switch.uplink().is_none() {
        netns.ip(&["addr", "add", &format!("{}/24", ends[0].ip), "dev", UPLINK])?;
    }
    Ok(match switch {
        Contestant::Linux => {
            let bridge = LinuxBridge::start(&netns.name)?;
            bridge.add_vxlan(ends[1])?;
            Box::new(bridge)
        }
        Contestant::Ours | Contestant::OursSystem | Contestant::OursAfXdp => {
            let daemon = Daemon::start(name, &[])?;
            daemon.add_bridge(&[])?;
            if let Some(attach) = switch.uplink() {
                daemon.add_underlay(netns, ends[0], UPLINK, attach)?;
            }
            daemon.add_vxlan(ends[1])?;
            Box::new(daemon)
        }
        Contestant::Ovs | Contestant::OvsAfXdp => {
            let config = OvsConfig {
                build: Build::Plain,
                netns: name,
                other_config: &[("pmd-cpu-mask", &mask)],
                bridge: &[],
            };
            let ovs = Ovs::start(&config)?;
            ovs.add_vxlan(netns, ends)?;
            ovs.add_uplink(UPLINK, switch.uplink().unwrap_or(Attach::System))?;
            Box::new(ovs)
        }
    })
}

fn tabulate(report: &mut Report, samples: &[Sample], contestants: &[Contestant]) {
    samples.iter().for_each(|sample| report.sample(sample));
    let rounds = |switch, read: fn(&Traffic) -> f64| -> Vec<(usize, f64)> {
        let mine = samples.iter().filter(|sample| sample.switch == switch);
        mine.map(|sample| (sample.round, read(&sample.traffic))).collect()
    };
    let title = "Two hosts behind two switches, VXLAN between them: one TCP stream (iperf3) and a flood \
                 of pings";
    let head = ["switches", "Gbit/s", "÷ OVS", "ping avg, µs", "÷ OVS", "steal %"];
    let mut table = Table::new(title, &head);
    let reads: [fn(&Traffic) -> f64; 2] = [|traffic| traffic.gbits, |traffic| traffic.ping_avg_us];
    for &switch in contestants {
        let mut cells = vec![switch.to_string()];
        for read in reads {
            let ratio = switch
                .peer()
                .and_then(|peer| Summary::of_ratios(&rounds(switch, read), &rounds(peer, read)));
            cells.extend([cell(Summary::of_rounds(&rounds(switch, read))), cell(ratio)]);
        }
        let steal = rounds(switch, |traffic| traffic.steal_percent);
        cells.push(format!("{:.1}", steal.iter().map(|(_, percent)| *percent).fold(0.0, f64::max)));
        table.row(cells);
    }
    report.tables.push(table);
    let of = |switch| rounds(switch, |traffic| traffic.gbits);
    let ratio = Summary::of_ratios(&of(Contestant::Ours), &of(Contestant::Ovs));
    let bar =
        |all: Summary| Bar::at_least("TCP, host's stack, × OVS as packaged", WANTED, all.median);
    report.bars.extend(ratio.map(bar));
}
