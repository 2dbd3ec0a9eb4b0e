//! A run: ports are opened, the switch is told where addresses are, trials follow one another.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use datapath::{FrameMemory, SizeClass};
use packet::vlan::TAG_LEN;
use serde::Serialize;

use super::cli::Cli;
use super::pace::Load;
use super::port::Port;
use super::result::TrialResult;
use super::search::{Found, Why, search};
use super::sender::Span;
use super::trial::{Running, Station, Ways};
use super::wire::Wires;

/// Small frames: more than pools, wires and batches hold at any moment.
const N_SMALL: usize = 16_384;
/// Large frames, if some are sent.
const N_LARGE: usize = 2_048;
/// Large frames otherwise: somebody else's segments may arrive.
const N_LARGE_FOREIGN: usize = 128;
/// A verification takes this many times longer than a trial, unless told otherwise.
const VERIFY_FACTOR: u64 = 3;

/// What a run came to.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The sending port.
    pub tx: String,
    /// The receiving port.
    pub rx: String,
    /// Flows.
    pub flows: u32,
    /// Pairs of MAC addresses.
    pub macs: u32,
    /// VLANs as sent.
    pub vlans: Vec<u16>,
    /// Sizes of frames.
    pub size: String,
    /// Addresses of both ends that the switch was told of, and how many of those frames arrived.
    pub learned: Option<(usize, usize)>,
    /// The trials, in order.
    pub trials: Vec<TrialResult>,
    /// Whether a rate was searched for.
    pub searched: bool,
    /// The rate found.
    pub found: Option<Found>,
}

/// Runs what the command line says.
///
/// # Errors
/// [`Usage`](super::cli::Usage) for words that do not fit; otherwise the system's refusal.
pub fn run(cli: &Cli) -> Result<Report> {
    let traffic = cli.traffic()?;
    let (tx, rx, watched) = cli.ports()?;
    let longest = traffic.sizes.pattern().iter().copied().max().unwrap_or(0);
    let large = usize::from(longest) + TAG_LEN > SizeClass::Small.room();
    let memory = FrameMemory::new(N_SMALL, if large { N_LARGE } else { N_LARGE_FOREIGN })?;
    let mut wires = Wires::default();
    let near = Port::open(tx, &memory, &mut wires)?;
    let far = Port::open(rx, &memory, &mut wires)?;
    let watched = watched.iter().map(|spec| Port::open(spec, &memory, &mut wires));
    let watched = watched.collect::<Result<Vec<_>>>()?;
    let loose = wires.loose().next();
    if let Some(name) = loose {
        return Err(anyhow!("mem:{name} has one end (allowed: a wire that two ports name)"));
    }
    let running = Running {
        ways: if cli.both_ways { Ways::Both } else { Ways::One },
        n_threads: usize::try_from(cli.threads)?,
        cpus: cli.cpus.clone(),
        drain: Duration::from_millis(cli.drain_ms),
    };
    let mut report = Report {
        tx: tx.to_string(),
        rx: rx.to_string(),
        flows: traffic.n_flows,
        macs: traffic.n_macs,
        vlans: traffic.vlans.iter().map(|vid| vid.get()).collect(),
        size: traffic.sizes.to_string(),
        learned: None,
        trials: Vec::new(),
        searched: cli.search,
        found: None,
    };
    let station = Station::new((near, far, watched), traffic, running, memory);
    let mut trials = Trials { station, progress: Progress::new(cli), burst: cli.burst };
    if !cli.no_learn {
        let learned = trials.station.learn();
        report.learned = Some((learned.n_hosts, learned.n_arrived));
    }
    trials.run(cli, &mut report)?;
    Ok(report)
}

/// Runs trials and keeps what they came to.
struct Trials {
    station: Station,
    progress: Progress,
    burst: u64,
}

impl Trials {
    fn run(&mut self, cli: &Cli, report: &mut Report) -> Result<()> {
        let span = match cli.count {
            Some(n) => Span::Frames(n),
            None => seconds(cli.seconds),
        };
        if cli.search {
            let verify = cli.verify_seconds.unwrap_or(VERIFY_FACTOR * cli.seconds);
            let trials = &mut report.trials;
            report.found = search(&cli.goal(), |load, why| {
                let (name, span) = match why {
                    Why::Top => ("top", span),
                    Why::Probe => ("probe", span),
                    Why::Verify => ("verify", seconds(verify)),
                };
                let trial = self.trial(name, load, span)?;
                let outcome = trial.outcome();
                trials.push(trial);
                Ok::<_, anyhow::Error>(outcome)
            })?;
            let Some(found) = report.found else { return Ok(()) };
            for share in &cli.shares {
                let load = self.rate(found.pps * share / 100.0);
                report.trials.push(self.trial("share", load, span)?);
            }
        } else if cli.rate.is_empty() {
            report.trials.push(self.trial("unlimited", Load::Unlimited, span)?);
        } else {
            for pps in &cli.rate {
                let load = self.rate(pps.0);
                report.trials.push(self.trial("rate", load, span)?);
            }
        }
        Ok(())
    }

    fn rate(&self, pps: f64) -> Load {
        Load::Rate { pps, burst: u32::try_from(self.burst).unwrap_or(u32::MAX) }
    }

    fn trial(&mut self, why: &'static str, load: Load, span: Span) -> Result<TrialResult> {
        let load = match load {
            Load::Rate { pps, .. } => self.rate(pps),
            Load::Unlimited => load,
        };
        let asked_pps = match load {
            Load::Rate { pps, .. } => Some(pps),
            Load::Unlimited => None,
        };
        self.progress.begin(why, asked_pps);
        let Trials { station, progress, .. } = self;
        let streams =
            station.trial(load, span, &mut |sent, received| progress.tell(sent, received));
        Ok(TrialResult { why, asked_pps, streams: streams.context("the trial ended early")? })
    }
}

fn seconds(seconds: u64) -> Span {
    Span::Time(seconds.saturating_mul(1_000_000_000))
}

/// Tells a person how far the run is, on standard error.
struct Progress {
    shown: bool,
    what: String,
    last: Option<(Instant, u64, u64)>,
}

impl Progress {
    const EVERY: Duration = Duration::from_secs(1);

    fn new(cli: &Cli) -> Progress {
        let shown = cli.progress || std::io::stderr().is_terminal();
        Progress { shown, what: String::new(), last: None }
    }

    fn begin(&mut self, why: &str, asked_pps: Option<f64>) {
        let asked = asked_pps.map_or_else(String::new, |pps| format!(" {:.1} kpps", pps / 1e3));
        (self.what, self.last) = (format!("{why}{asked}"), None);
    }

    fn tell(&mut self, sent: u64, received: u64) {
        let now = Instant::now();
        let Some((then, sent_then, received_then)) = self.last else {
            self.last = Some((now, sent, received));
            return;
        };
        let took = now - then;
        if !self.shown || took < Progress::EVERY {
            return;
        }
        let kpps = |n: u64| n as f64 / took.as_secs_f64() / 1e3;
        let (tx, rx) = (kpps(sent - sent_then), kpps(received - received_then));
        eprintln!("pktgen: {}: sent {tx:.1} kpps, received {rx:.1} kpps", self.what);
        self.last = Some((now, sent, received));
    }
}
