//! What the daemon costs when it has nothing to do, and how much memory it takes.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::hosts::average_us;
use super::{Options, progress};
use crate::lab::{Lab, Netns, ip_of};
use crate::packages::{IP, PING};
use crate::process::wait_for;
use crate::record::{Bar, Report, Steal};
use crate::stats::{Summary, cell};
use crate::switch::{Attach, BRIDGE, Daemon, Switch};
use crate::table::Table;
use crate::traffic::{Direction, Pairs};

const N_IDLE_PORTS: usize = 8;
const IDLE: Duration = Duration::from_secs(10);
const LIMIT: Duration = Duration::from_secs(60);
const N_MANY_PORTS: usize = 64;
/// Pairs of hosts that fill the forwarding database with 100,000 addresses.
const N_PAIRS: u32 = 50_000;

/// A daemon in a laboratory whose hosts hang on its ports.
struct Site {
    // The daemon goes before the namespaces do.
    daemon: Daemon,
    lab: Lab,
}

impl Site {
    fn new(n_ports: usize, settings: &[&str]) -> Result<Site> {
        let lab = Lab::new(2)?;
        let daemon = Daemon::start(Some(&lab.switch.name), &[])?;
        daemon.add_bridge(settings)?;
        for host in 0..2 {
            daemon.add_port(&lab.wire(host)?, Attach::System)?;
        }
        let site = Site { daemon, lab };
        (2..n_ports).try_for_each(|no| site.add_loose_port(no))?;
        Ok(site)
    }

    /// A wire whose far end nobody uses.
    fn add_loose_port(&self, no: usize) -> Result<()> {
        let Netns { name, .. } = &self.lab.switch;
        let (near, far) = (format!("p{no}"), format!("far{no}"));
        self.lab.switch.ip(&["link", "add", &near, "type", "veth", "peer", "name", &far])?;
        for end in [&near, &far] {
            self.lab.switch.ip(&["link", "set", end, "up"]).with_context(|| name.clone())?;
        }
        self.daemon.add_port(&near, Attach::System)
    }

    /// The round trip of one ping, µs.
    fn ping(&self) -> Result<f64> {
        let said = self.lab.host(0)?.run("ping", &["-c", "1", "-W", "2", &ip_of(1)])?;
        average_us(&said).with_context(|| format!("ping said {said:?}"))
    }
}

/// An idle switch: its share of a CPU, and the first ping after the silence.
///
/// # Errors
/// Not root, or traffic does not pass.
pub fn idle(options: &Options) -> Result<Report> {
    options.require(&[IP, PING], &[])?;
    let mut report = Report::new("idle");
    let (mut shares, mut pings) = (Vec::new(), Vec::new());
    let site = Site::new(N_IDLE_PORTS, &[])?;
    wait_for("answer to a ping", LIMIT, || site.ping().ok())?;
    for round in 0..options.n_rounds {
        progress(round, options.n_rounds, "idle");
        let (before, steal) = (site.daemon.cpu_time()?, Steal::now());
        std::thread::sleep(IDLE);
        let spent = site.daemon.cpu_time()?.saturating_sub(before);
        let share = spent.as_secs_f64() / IDLE.as_secs_f64() * 100.0;
        let ping_us = site.ping()?;
        let steal = steal.percent_since();
        report.sample(&json!({"cpu_percent": share, "ping_us": ping_us, "steal_percent": steal}));
        shares.push(share);
        pings.push(ping_us);
    }
    let title = format!("Idle for {} s with {N_IDLE_PORTS} ports", IDLE.as_secs());
    let mut table = Table::new(&title, &["CPU, %", "first ping, µs"]);
    let (share, ping) = (Summary::of(&shares), Summary::of(&pings));
    table.row([cell(share), cell(ping)]);
    report.tables.push(table);
    if let (Some(share), Some(ping)) = (share, ping) {
        report.bars.push(Bar::at_most("share of a CPU, %, worst", 1.0, share.max));
        report.bars.push(Bar::at_most("first ping, µs, worst", 1000.0, ping.max));
    }
    Ok(report)
}

/// Resident memory: idle with few ports, and with many ports and a full forwarding database.
///
/// # Errors
/// Not root, or the daemon does not learn.
pub fn memory(options: &Options) -> Result<Report> {
    options.require(&[IP, PING], &[])?;
    let mut report = Report::new("memory");
    let few = Site::new(N_IDLE_PORTS, &[])?;
    wait_for("answer to a ping", LIMIT, || few.ping().ok())?;
    let idle = few.daemon.resident_mib()?;
    drop(few);
    let many = Site::new(N_MANY_PORTS - 2, &["mac-table-size=200000"])?;
    let dir = tempfile::Builder::new().prefix("bench-pcap").tempdir()?;
    for (port, direction) in [("forward", Direction::Forward), ("reverse", Direction::Reverse)] {
        let path = dir.path().join(port);
        Pairs::new(N_PAIRS, direction).write(&path)?;
        let file = format!("file={}", path.display());
        many.daemon.ofctl(&["add-port", BRIDGE, port, "type=pcap", &file])?;
    }
    let wanted = 2 * usize::try_from(N_PAIRS)?;
    let full = || many.daemon.n_learned().ok().filter(|n| *n >= wanted);
    let learned = wait_for("full forwarding database", LIMIT, full)?;
    let loaded = many.daemon.resident_mib()?;
    ensure!(learned >= wanted, "{learned} of {wanted} learned");
    let mut table = Table::new("Resident memory", &["ports", "addresses", "MiB"]);
    table.row([N_IDLE_PORTS.to_string(), "2".into(), format!("{idle:.1}")]);
    table.row([N_MANY_PORTS.to_string(), learned.to_string(), format!("{loaded:.1}")]);
    report.tables.push(table);
    report.sample(&json!({"idle_mib": idle, "loaded_mib": loaded, "learned": learned}));
    // The bars are in MB of 10⁶ bytes.
    let mb = |mib: f64| mib * 1.048_576;
    let what = |ports: usize| format!("resident with {ports} ports, MB");
    report.bars.push(Bar::at_most(&what(N_IDLE_PORTS), 64.0, mb(idle)));
    report.bars.push(Bar::at_most(&what(N_MANY_PORTS), 300.0, mb(loaded)));
    Ok(report)
}
