//! `bench CASE`: measures, prints a table, and keeps the run.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use switch_benches::cases::instructions::Baseline;
use switch_benches::cases::{
    Options, Peers, allocs, capture, engine, flows, footprint, forward, generator, guests, hosts,
    instructions, overlay, patch, tunnel, upcalls, vhost, vlan,
};
use switch_benches::lab;
use switch_benches::packages::{self, ETHTOOL, IPERF3, OVS, OVS_DPDK, TESTPMD, VALGRIND};
use switch_benches::record::{Environment, Report, Run, n_cpus};
use switch_benches::switch::{Attach, Rings};

/// Measures the switch, beside its peers if asked to.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    case: Case,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct Common {
    /// Measure the peers in turn with the switch; installs what is missing.
    #[arg(long, global = true)]
    peers: bool,
    /// Print JSON instead of tables.
    #[arg(long, global = true)]
    json: bool,
    /// Name of the run's folder, after the date [default: the case].
    #[arg(long, global = true, value_name = "NAME")]
    label: Option<String>,
    /// Where runs are kept.
    #[arg(long, global = true, value_name = "DIR", default_value = "benches/runs")]
    runs: PathBuf,
    /// Keep no run.
    #[arg(long, global = true)]
    no_record: bool,
    /// How often each switch is measured.
    #[arg(long, global = true, value_name = "N", default_value_t = 5)]
    rounds: usize,
    /// How long each time.
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 4)]
    seconds: u64,
    /// The CPU of pinned poll threads [default: the last].
    #[arg(long, global = true, value_name = "CPU")]
    cpu: Option<usize>,
    /// Receive packet steering in all hosts and ports alike: a mask of CPUs, 0 for none.
    #[arg(long, global = true, value_name = "HEX", default_value = "0")]
    rps: String,
}

#[derive(Clone, Subcommand)]
enum Case {
    /// Everything below, in order.
    All,
    /// Engine alone: learning bridge between capture files in memory.
    Engine {
        /// Pairs of hosts.
        #[arg(long, value_delimiter = ',', default_values_t = engine::PAIRS)]
        pairs: Vec<u32>,
    },
    /// OpenFlow rules between capture files in memory: one, many masks, many cached flows.
    Flows,
    /// How fast flows are set up: every packet begins another flow.
    Upcalls,
    /// Engine alone, with and without captures.
    Capture,
    /// Engine alone: tags pushed and popped, beside untagged frames.
    Vlan,
    /// Engine alone: into a VXLAN tunnel and out of it, beside a plain bridge.
    Tunnel,
    /// Two bridges joined by patch ports, by a veth pair, and one bridge: small frames and TCP.
    Patch,
    /// Allocations while frames are forwarded.
    Allocs,
    /// Instructions per packet, by callgrind.
    Instructions {
        /// Fail if there are more than in the baseline.
        #[arg(long, conflicts_with = "save")]
        check: bool,
        /// Replace the baseline.
        #[arg(long)]
        save: bool,
        /// The baseline.
        #[arg(long, value_name = "FILE", default_value = "benches/instructions.json")]
        baseline: PathBuf,
    },
    /// Small frames from veth to veth: rate, 0.5 %-loss rate, latency.
    Forward,
    /// What pktgen sends by a bare veth pair.
    Generator,
    /// TCP and round trips between hosts on veth.
    Tcp,
    /// TCP and round trips between hosts on veth, by AF_XDP ports.
    Afxdp,
    /// TCP and round trips between hosts on TAPs.
    Tap,
    /// TCP and round trips between hosts behind two switches, through VXLAN.
    Overlay,
    /// Frames of a guest, by vhost-user: DPDK's testpmd.
    Vhost {
        /// With packed rings too, beside split ones.
        #[arg(long)]
        packed: bool,
        /// Bytes of the frames.
        #[arg(long, value_delimiter = ',', default_values_t = vhost::SIZES)]
        bytes: Vec<u32>,
    },
    /// TCP and round trips between two guests' stacks, by vhost-user, with and without whole segments.
    Guests,
    /// CPU time and first ping of an idle switch.
    Idle,
    /// Resident memory.
    Memory,
}

impl Case {
    fn name(&self) -> &'static str {
        match self {
            Case::All => "all",
            Case::Engine { .. } => "engine",
            Case::Flows => "flows",
            Case::Upcalls => "upcalls",
            Case::Capture => "capture",
            Case::Vlan => "vlan",
            Case::Tunnel => "tunnel",
            Case::Patch => "patch",
            Case::Forward => "forward",
            Case::Generator => "generator",
            Case::Allocs => "allocs",
            Case::Instructions { .. } => "instructions",
            Case::Tcp => "tcp",
            Case::Afxdp => "afxdp",
            Case::Tap => "tap",
            Case::Overlay => "overlay",
            Case::Vhost { .. } => "vhost",
            Case::Guests => "guests",
            Case::Idle => "idle",
            Case::Memory => "memory",
        }
    }

    /// The cases that it stands for.
    fn each(self) -> Vec<Case> {
        let Case::All = self else { return vec![self] };
        let baseline = PathBuf::from("benches/instructions.json");
        vec![
            Case::Allocs,
            Case::Instructions { check: false, save: false, baseline },
            Case::Memory,
            Case::Idle,
            Case::Tcp,
            Case::Afxdp,
            Case::Tap,
            Case::Overlay,
            Case::Vhost { packed: true, bytes: vhost::SIZES.to_vec() },
            Case::Guests,
            Case::Engine { pairs: engine::PAIRS.to_vec() },
            Case::Flows,
            Case::Upcalls,
            Case::Capture,
            Case::Vlan,
            Case::Tunnel,
            Case::Patch,
            Case::Generator,
            Case::Forward,
        ]
    }

    fn run(&self, options: &Options) -> Result<Report> {
        match self {
            Case::All => Ok(Report::new("all")),
            Case::Engine { pairs } => engine::run(options, pairs),
            Case::Flows => flows::run(options),
            Case::Upcalls => upcalls::run(options),
            Case::Capture => capture::run(options),
            Case::Vlan => vlan::run(options),
            Case::Tunnel => tunnel::run(options),
            Case::Patch => patch::run(options),
            Case::Forward => forward::run(options),
            Case::Generator => generator::run(options),
            Case::Allocs => allocs::run(),
            Case::Instructions { check, save, baseline } => {
                let mode = match (check, save) {
                    (true, _) => Baseline::Check,
                    (_, true) => Baseline::Save,
                    _ => Baseline::Show,
                };
                instructions::run(options, mode, baseline)
            }
            Case::Tcp => hosts::run(options, Attach::System),
            Case::Afxdp => hosts::run(options, Attach::AfXdp),
            Case::Tap => hosts::run(options, Attach::Tap),
            Case::Overlay => overlay::run(options),
            Case::Vhost { packed, bytes } => {
                let rings = if *packed { &Rings::ALL[..] } else { &[Rings::Split] };
                vhost::run(options, rings, bytes)
            }
            Case::Guests => guests::run(options),
            Case::Idle => footprint::idle(options),
            Case::Memory => footprint::memory(options),
        }
    }
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs each case; one that cannot run is reported, and the others go on.
fn run(Cli { case, common }: Cli) -> Result<ExitCode> {
    clean_up_when_interrupted()?;
    let options = Options {
        peers: if common.peers { Peers::Beside } else { Peers::Without },
        n_rounds: common.rounds.max(1),
        measure: Duration::from_secs(common.seconds.max(1)),
        cpu: common.cpu.unwrap_or(n_cpus() - 1),
        rps: common.rps.clone(),
    };
    let mut failed = false;
    for case in case.each() {
        match run_one(&case, &options, &common) {
            Ok(report) => failed |= !report.failures.is_empty(),
            Err(error) => {
                eprintln!("bench: FAILED: {}: {error:#}", case.name());
                failed = true;
            }
        }
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn run_one(case: &Case, options: &Options, common: &Common) -> Result<Report> {
    let mut environment = Environment::here();
    let report = case.run(options)?;
    let all = [OVS, OVS_DPDK, TESTPMD, IPERF3, ETHTOOL, VALGRIND];
    environment.peers = packages::versions(&all);
    let run = Run { environment: &environment, report: &report };
    let mut out = std::io::stdout();
    if common.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&run)?)?;
    } else {
        writeln!(out, "## {}\n\n{environment}\n{report}", case.name())?;
    }
    if !common.no_record {
        let label = common.label.as_deref().map(|label| format!("{label}-{}", case.name()));
        let dir = run.save(&common.runs, label.as_deref().unwrap_or(case.name()))?;
        eprintln!("bench: kept in {}", dir.display());
    }
    Ok(report)
}

/// Programs that were started end with us; namespaces would not.
fn clean_up_when_interrupted() -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM]).context("signals")?;
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            lab::sweep();
            std::process::exit(128 + signal);
        }
    });
    Ok(())
}
