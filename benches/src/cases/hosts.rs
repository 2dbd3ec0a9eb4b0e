//! Hosts in namespaces: one TCP stream through the switch, and the round trip of a flood of pings.
//!
//! # Design
//! Each round builds namespaces, wires and the switch anew, the same for every switch: veth and
//! `system` ports, or TAPs that the switch creates and that are then given to the hosts. The hosts
//! are left as the kernel makes them, but for Open vSwitch without TSO, whose TCP would hang with
//! transmit offloads on.

use std::fmt;
use std::fs;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::Value;

use super::{Options, progress};
use crate::lab::{HOST_IF, Lab, ip_of};
use crate::packages::{ETHTOOL, IP, IPERF3, OVS, OVS_DPDK, PING};
use crate::process::{Running, daemon_in, wait_for};
use crate::record::{Bar, Report, Steal};
use crate::stats::{Summary, cell};
use crate::switch::{Attach, Build, Daemon, LinuxBridge, Ovs, OvsConfig, Switch};
use crate::table::Table;

const REACH_LIMIT: Duration = Duration::from_secs(20);
const N_PINGS: &str = "20000";

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
enum Contestant {
    Ours,
    LinuxBridge,
    OvsTso,
    Ovs,
}

impl fmt::Display for Contestant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Contestant::Ours => "vswitchd",
            Contestant::LinuxBridge => "Linux bridge",
            Contestant::OvsTso => "OVS, userspace-tso-enable",
            Contestant::Ovs => "OVS as packaged",
        })
    }
}

/// What two hosts got through a switch.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Traffic {
    /// One TCP stream.
    pub(super) gbits: f64,
    retransmits: u64,
    /// Of the time on a CPU that the switch's process took for the stream, what the kernel used.
    kernel_percent: Option<f64>,
    pub(super) ping_avg_us: f64,
    pub(super) steal_percent: f64,
}

#[derive(Serialize)]
struct Sample {
    round: usize,
    switch: Contestant,
    #[serde(flatten)]
    traffic: Traffic,
}

/// Runs the case with ports of one kind.
///
/// # Errors
/// Not root, something is missing, or traffic does not pass.
pub fn run(options: &Options, attach: Attach) -> Result<Report> {
    options.require(&[IP, PING, IPERF3], &[OVS, OVS_DPDK, ETHTOOL])?;
    let own = [Contestant::Ours, Contestant::LinuxBridge];
    let own = if attach == Attach::System { &own[..] } else { &own[..1] };
    let peers = [Contestant::OvsTso, Contestant::Ovs];
    // Its AF_XDP ports know no TSO.
    let peers = if attach == Attach::AfXdp { &peers[1..] } else { &peers[..] };
    let contestants = options.contestants(own, peers);
    let (case, title) = match attach {
        Attach::System => {
            ("tcp", "Two hosts on veth, one TCP stream (iperf3) and a flood of pings")
        }
        Attach::AfXdp => (
            "afxdp",
            "Two hosts on veth, AF_XDP ports, one TCP stream (iperf3) and a flood of pings",
        ),
        Attach::Tap => ("tap", "Two hosts on TAPs, one TCP stream (iperf3) and a flood of pings"),
    };
    let (mut report, mut samples) = (Report::new(case), Vec::new());
    for round in 0..options.n_rounds {
        for &switch in &contestants {
            progress(round, options.n_rounds, &switch.to_string());
            match measure(switch, attach, options) {
                Ok(traffic) => samples.push(Sample { round, switch, traffic }),
                Err(error) => report.failure(format!("round {round}, {switch}: {error:#}")),
            }
        }
    }
    report.tables.push(table(title, &samples, &contestants));
    report.bars = bars(&samples, attach);
    samples.iter().for_each(|sample| report.sample(sample));
    Ok(report)
}

fn start(switch: Contestant, lab: &Lab) -> Result<Box<dyn Switch>> {
    let netns = Some(lab.switch.name.as_str());
    let ovs =
        |build, other_config| Ovs::start(&OvsConfig { build, netns, other_config, bridge: &[] });
    Ok(match switch {
        Contestant::Ours => {
            let daemon = Daemon::start(netns, &[])?;
            daemon.add_bridge(&[])?;
            Box::new(daemon)
        }
        Contestant::LinuxBridge => Box::new(LinuxBridge::start(&lab.switch.name)?),
        Contestant::OvsTso => Box::new(ovs(Build::Dpdk, &[("userspace-tso-enable", "true")])?),
        Contestant::Ovs => Box::new(ovs(Build::Plain, &[])?),
    })
}

fn measure(switch: Contestant, attach: Attach, options: &Options) -> Result<Traffic> {
    let lab = Lab::new(2)?;
    let running = start(switch, &lab)?;
    for host in 0..2 {
        let port = match attach {
            Attach::System | Attach::AfXdp => lab.wire(host)?,
            Attach::Tap => format!("t{host}"),
        };
        if attach != Attach::Tap && switch == Contestant::Ovs {
            lab.host(host)?.run("ethtool", &["-K", HOST_IF, "tx", "off"])?;
        }
        running.add_port(&port, attach)?;
        match attach {
            Attach::System | Attach::AfXdp => lab.switch.steer(&port, &options.rps)?,
            Attach::Tap => lab.hand_over(&port, host)?,
        }
        lab.host(host)?.steer(HOST_IF, &options.rps)?;
    }
    through(&lab, running.process(), options)
}

/// Traffic between the two hosts of a lab, by whatever stands between them: a process, or the kernel.
pub(super) fn through(lab: &Lab, pid: Option<u32>, options: &Options) -> Result<Traffic> {
    let (client, to) = (lab.host(0)?, ip_of(1));
    let reach = || client.run("ping", &["-c", "1", "-W", "1", &to]).ok();
    wait_for("answer to a ping", REACH_LIMIT, reach)?;
    let steal = Steal::now();
    let before = pid.map(CpuTime::of).transpose()?;
    let (gbits, retransmits) = stream(lab, options.measure)?;
    let after = pid.map(CpuTime::of).transpose()?;
    let kernel_percent = before.zip(after).and_then(|(before, after)| after.kernel_percent(before));
    let said = client.run("ping", &["-q", "-f", "-c", N_PINGS, &to])?;
    let ping_avg_us = average_us(&said).with_context(|| format!("ping said {said:?}"))?;
    let steal_percent = steal.percent_since();
    Ok(Traffic { gbits, retransmits, kernel_percent, ping_avg_us, steal_percent })
}

/// Time on a CPU of a process, of all its threads: clock ticks (proc(5), `/proc/PID/stat`).
#[derive(Clone, Copy, Debug)]
struct CpuTime {
    own: u64,
    kernel: u64,
}

impl CpuTime {
    fn of(pid: u32) -> Result<CpuTime> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The name of the program, in parentheses, may hold anything.
        let (_, fields) = text.rsplit_once(')').context("stat")?;
        let ticks: Vec<u64> =
            fields.split_whitespace().skip(11).take(2).flat_map(str::parse).collect();
        let [own, kernel] = ticks[..] else { anyhow::bail!("stat says {text:?}") };
        Ok(CpuTime { own, kernel })
    }

    /// The kernel's part of what was used since; `None` if nothing was.
    fn kernel_percent(self, before: CpuTime) -> Option<f64> {
        let (own, kernel) = (self.own - before.own, self.kernel - before.kernel);
        (own + kernel > 0).then(|| 100.0 * kernel as f64 / (own + kernel) as f64)
    }
}

/// One TCP stream from host 0 to host 1: Gbit/s received, and segments sent again.
fn stream(lab: &Lab, measure: Duration) -> Result<(f64, u64)> {
    let mut command = daemon_in(Some(&lab.host(1)?.name), "iperf3");
    command.args(["-4", "-s"]).stdout(Stdio::null()).stderr(Stdio::null());
    let server = Running::start(&mut command)?;
    // Port 5201 in state LISTEN, in the namespace of that process (proc(5), `/proc/net/tcp`).
    let table = format!("/proc/{}/net/tcp", server.pid());
    let listens = || {
        let text = fs::read_to_string(&table).ok()?;
        text.lines().any(|line| line.contains(":1451 00000000:0000 0A")).then_some(())
    };
    wait_for("iperf3 server", REACH_LIMIT, listens)?;
    let (to, seconds) = (ip_of(1), measure.as_secs().max(1));
    let (limit, seconds) = ((seconds + 30).to_string(), seconds.to_string());
    // A switch that loses TCP hangs the client, which is then ended.
    let args = [limit.as_str(), "iperf3", "-4", "-J", "-t", &seconds, "-c", &to];
    let said = lab.host(0)?.run("timeout", &args)?;
    let said: Value = serde_json::from_str(&said).context("iperf3")?;
    let received = said["end"]["sum_received"]["bits_per_second"].as_f64();
    let retransmits = said["end"]["sum_sent"]["retransmits"].as_u64();
    Ok((received.context("iperf3 reports no rate")? / 1e9, retransmits.unwrap_or(0)))
}

/// Of ping's last line, `rtt min/avg/max/mdev = 0.008/0.012/0.1/0.003 ms, …`.
pub(super) fn average_us(said: &str) -> Option<f64> {
    let times = said.lines().find_map(|line| line.strip_prefix("rtt min/avg/max/mdev = "))?;
    let average = times.split('/').nth(1)?;
    Some(average.parse::<f64>().ok()? * 1000.0)
}

/// Each round's value of something.
fn rounds(samples: &[Sample], switch: Contestant, read: fn(&Traffic) -> f64) -> Vec<(usize, f64)> {
    let mine = samples.iter().filter(|sample| sample.switch == switch);
    mine.map(|sample| (sample.round, read(&sample.traffic))).collect()
}

fn gbits(samples: &[Sample], switch: Contestant) -> Vec<(usize, f64)> {
    rounds(samples, switch, |traffic| traffic.gbits)
}

fn kernel(samples: &[Sample], switch: Contestant) -> Vec<(usize, f64)> {
    let mine = samples.iter().filter(|sample| sample.switch == switch);
    mine.filter_map(|sample| Some((sample.round, sample.traffic.kernel_percent?))).collect()
}

fn ping_rounds(samples: &[Sample], switch: Contestant) -> Vec<(usize, f64)> {
    rounds(samples, switch, |traffic| traffic.ping_avg_us)
}

fn pings(samples: &[Sample], switch: Contestant) -> Option<Summary> {
    Summary::of_rounds(&ping_rounds(samples, switch))
}

/// Our round trip as a part of Open vSwitch's.
fn ping_ratio(samples: &[Sample]) -> Option<Summary> {
    let of = |switch| ping_rounds(samples, switch);
    Summary::of_ratios(&of(Contestant::Ours), &of(Contestant::Ovs))
}

fn ratio(samples: &[Sample], switch: Contestant) -> Option<Summary> {
    Summary::of_ratios(&gbits(samples, Contestant::Ours), &gbits(samples, switch))
}

fn table(title: &str, samples: &[Sample], contestants: &[Contestant]) -> Table {
    let head = [
        "switch",
        "Gbit/s",
        "vswitchd ÷ it",
        "in the kernel, % of its CPU time",
        "ping avg, µs",
        "retransmits",
        "steal %",
    ];
    let mut table = Table::new(title, &head);
    for &switch in contestants {
        let mine = || samples.iter().filter(|sample| sample.switch == switch).map(|s| s.traffic);
        let retransmits: u64 = mine().map(|traffic| traffic.retransmits).sum();
        let steal = mine().map(|traffic| traffic.steal_percent).fold(0.0, f64::max);
        table.row([
            switch.to_string(),
            cell(Summary::of_rounds(&gbits(samples, switch))),
            cell(ratio(samples, switch)),
            cell(Summary::of_rounds(&kernel(samples, switch))),
            cell(pings(samples, switch)),
            retransmits.to_string(),
            format!("{steal:.1}"),
        ]);
    }
    table
}

fn bars(samples: &[Sample], attach: Attach) -> Vec<Bar> {
    let (peer, wanted) = match attach {
        Attach::System => (Contestant::OvsTso, 1.4),
        Attach::AfXdp => (Contestant::Ovs, 1.3),
        Attach::Tap => (Contestant::Ovs, 3.0),
    };
    let ratio = ratio(samples, peer);
    let tcp = ratio.map(|all| Bar::at_least(&format!("TCP, × {peer}"), wanted, all.median));
    let ping = pings(samples, Contestant::Ours).filter(|_| attach == Attach::System);
    let ping = ping.map(|all| Bar::at_most("flood ping, average RTT, µs", 25.0, all.median));
    // On the machine and day that the bar of 25 µs is from, Open vSwitch took 84 µs.
    let wanted = match attach {
        Attach::System => Some(29.8),
        Attach::AfXdp => Some(100.0),
        Attach::Tap => None,
    };
    let part = ping_ratio(samples).zip(wanted).map(|(all, wanted)| {
        Bar::at_most("flood ping, % of OVS as packaged", wanted, 100.0 * all.median)
    });
    tcp.into_iter().chain(ping).chain(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_average_is_read_from_what_ping_says() {
        let said = "--- 10.77.0.2 ping statistics ---\n20000 packets transmitted\n\
                    rtt min/avg/max/mdev = 0.008/0.0125/0.1/0.003 ms, ipg/ewma 0.1/0.1 ms\n";
        assert_eq!(average_us(said), Some(12.5));
        assert_eq!(average_us("100% packet loss\n"), None);
    }
}
