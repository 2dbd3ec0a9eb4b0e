//! `dpif-netdev/pmd-…`: poll threads.
//!
//! # Design
//! Poll threads only count up; `pmd-stats-clear` remembers where they were. Frames of a bridge that
//! only does NORMAL pass no flow cache: they are shown as simple-match hits, which is what Open vSwitch
//! calls traffic of an input port with one flow for everything.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use datapath::engine::ThreadReport;

use super::{AppctlError, Context, Output};

/// Arguments of `pmd-perf-show`.
pub const PERF_USAGE: &str = "[-nh] [-it iter-history-len] [-ms ms-history-len] [-pmd core] [dp]";

/// Counters at the last `pmd-stats-clear`, by thread.
#[derive(Debug)]
pub struct Baseline {
    started_at: Instant,
    cleared: HashMap<usize, (Instant, ThreadReport)>,
}

impl Baseline {
    /// Nothing cleared yet.
    pub fn new(now: Instant) -> Baseline {
        Baseline { started_at: now, cleared: HashMap::new() }
    }

    /// A thread's counters since they were cleared, and when that was.
    fn since(&self, mut thread: ThreadReport) -> (Instant, ThreadReport) {
        let Some((at, then)) = self.cleared.get(&thread.id) else {
            return (self.started_at, thread);
        };
        let counters: [(&mut u64, u64); 13] = [
            (&mut thread.packets, then.packets),
            (&mut thread.tx_packets, then.tx_packets),
            (&mut thread.tx_batches, then.tx_batches),
            (&mut thread.busy_rounds, then.busy_rounds),
            (&mut thread.idle_rounds, then.idle_rounds),
            (&mut thread.busy_cycles, then.busy_cycles),
            (&mut thread.idle_cycles, then.idle_cycles),
            (&mut thread.flow_passes, then.flow_passes),
            (&mut thread.emc_hits, then.emc_hits),
            (&mut thread.megaflow_hits, then.megaflow_hits),
            (&mut thread.upcalls, then.upcalls),
            (&mut thread.lost_upcalls, then.lost_upcalls),
            (&mut thread.recirculations, then.recirculations),
        ];
        for (now, then) in counters {
            *now = now.saturating_sub(then);
        }
        thread.sleeps = thread.sleeps.saturating_sub(then.sleeps);
        (*at, thread)
    }
}

/// What the options ask for. Open vSwitch passes over what it does not know; so does this.
#[derive(Default)]
struct Options {
    core: Option<usize>,
}

impl Options {
    fn parse(params: &[String]) -> Options {
        let mut options = Options::default();
        for pair in params.windows(2) {
            if pair[0] == "-pmd" {
                options.core = pair[1].parse().ok();
            }
        }
        options
    }

    /// The threads asked for, in the order of their CPUs.
    fn threads(&self, context: &Context<'_>) -> Vec<ThreadReport> {
        let mut threads = context.switch.threads();
        threads.retain(|thread| self.core.is_none() || thread.cpu == self.core);
        threads.sort_by_key(|thread| (thread.cpu, thread.id));
        threads
    }
}

/// `pmd thread numa_id 0 core_id 1:`; a thread that is not pinned has no core.
fn title(thread: &ThreadReport) -> String {
    match thread.cpu {
        Some(cpu) => format!("pmd thread numa_id {} core_id {cpu}:\n", numa_of(cpu)),
        None => "pmd thread numa_id 0 core_id any:\n".to_owned(),
    }
}

/// The memory node of a CPU: 0 where the kernel does not say.
fn numa_of(cpu: usize) -> usize {
    let folder = std::fs::read_dir(format!("/sys/devices/system/cpu/cpu{cpu}"));
    let names = folder.into_iter().flatten().flatten().map(|entry| entry.file_name());
    let node = |name: std::ffi::OsString| name.to_str()?.strip_prefix("node")?.parse().ok();
    names.filter_map(node).next().unwrap_or(0)
}

/// `dpif-netdev/pmd-stats-show [-pmd core] [dp]`
pub fn stats_show(context: &mut Context<'_>, params: &[String]) -> Result<Output, AppctlError> {
    let mut text = String::new();
    for thread in Options::parse(params).threads(context) {
        let (_, thread) = context.state.pmd.since(thread);
        text.push_str(&title(&thread));
        text.push_str(&stats(&thread));
    }
    Ok(Output::Text(text))
}

fn stats(thread: &ThreadReport) -> String {
    let n = thread.packets;
    let (idle, busy) = (thread.idle_cycles, thread.busy_cycles);
    let total = idle + busy;
    let mut text = format!(
        "  packets received: {n}\n  packet recirculations: {}\n  \
         avg. datapath passes per packet: {:.2}\n  phwol hits: 0\n  mfex opt hits: 0\n  \
         simple match hits: {}\n  emc hits: {}\n  smc hits: 0\n  megaflow hits: {}\n  \
         avg. subtable lookups per megaflow hit: 0.00\n  miss with success upcall: {}\n  \
         miss with failed upcall: {}\n  avg. packets per output batch: {:.2}\n",
        thread.recirculations,
        ratio(passes(thread), n),
        simple_hits(thread),
        thread.emc_hits,
        thread.megaflow_hits,
        thread.upcalls,
        thread.lost_upcalls,
        ratio(thread.tx_packets, thread.tx_batches),
    );
    // Writing to a string does not fail.
    if total > 0 {
        let share = |part| ratio(part, total) * 100.0;
        let _ = writeln!(text, "  idle cycles: {idle} ({:.2}%)", share(idle));
        let _ = writeln!(text, "  processing cycles: {busy} ({:.2}%)", share(busy));
    }
    if n > 0 {
        let _ = writeln!(text, "  avg cycles per packet: {:.2} ({total}/{n})", ratio(total, n));
        let per_packet = ratio(busy, n);
        let _ = writeln!(text, "  avg processing cycles per packet: {per_packet:.2} ({busy}/{n})");
    }
    text
}

/// Frames that passed no flow cache.
fn simple_hits(thread: &ThreadReport) -> u64 {
    let cached = thread.flow_passes.saturating_sub(thread.recirculations);
    thread.packets.saturating_sub(cached)
}

/// Passes of frames through the datapath.
fn passes(thread: &ThreadReport) -> u64 {
    simple_hits(thread) + thread.flow_passes
}

/// `dpif-netdev/pmd-stats-clear [-pmd core] [dp]`
pub fn stats_clear(context: &mut Context<'_>, params: &[String]) -> Result<Output, AppctlError> {
    let all = context.switch.threads();
    let cleared = &mut context.state.pmd.cleared;
    // Threads come and go with `poll-cpus`.
    cleared.retain(|id, _| all.iter().any(|thread| thread.id == *id));
    for thread in Options::parse(params).threads(context) {
        context.state.pmd.cleared.insert(thread.id, (Instant::now(), thread));
    }
    Ok(Output::none())
}

/// `dpif-netdev/pmd-rxq-show [-pmd core] [-secs secs] [dp]`
pub fn rxq_show(context: &mut Context<'_>, params: &[String]) -> Result<Output, AppctlError> {
    let options = Options::parse(params);
    let threads = options.threads(context);
    if options.core.is_some() && threads.is_empty() {
        return Ok(Output::none());
    }
    let bridges = context.switch.bridges();
    let name = |no| {
        let port = bridges.iter().find_map(|bridge| bridge.port_no(no));
        port.map_or_else(|| no.to_string(), |port| port.name.clone())
    };
    // Usage is kept for a minute, whatever was asked for.
    let mut text = String::from("Displaying last 60 seconds pmd usage %\n");
    for thread in threads {
        text.push_str(&title(&thread));
        text.push_str("  isolated : false\n");
        let mut rxqs: Vec<_> = thread.rxqs.iter().map(|rxq| (name(rxq.port), rxq)).collect();
        rxqs.sort_by(|a, b| (&a.0, a.1.queue).cmp(&(&b.0, b.1.queue)));
        for (port, rxq) in rxqs {
            let usage =
                rxq.usage.map_or_else(|| "NOT AVAIL".into(), |usage| format!("{usage:>2} %"));
            // Writing to a string does not fail.
            let _ = writeln!(
                text,
                "  port: {port:<16}  queue-id: {:>2} (enabled)   pmd usage: {usage}",
                rxq.queue
            );
        }
        text.push_str("  overhead: NOT AVAIL\n");
    }
    Ok(Output::Text(text))
}

/// `dpif-netdev/pmd-perf-show …`
pub fn perf_show(context: &mut Context<'_>, params: &[String]) -> Result<Output, AppctlError> {
    let mut text = String::new();
    for thread in Options::parse(params).threads(context) {
        let (since, thread) = context.state.pmd.since(thread);
        let seconds = since.elapsed().as_secs_f64();
        // Writing to a string does not fail.
        let _ = write!(
            text,
            "\nTime: {}\nMeasurement duration: {seconds:.3} s\n\n{}\n",
            time_of_day(SystemTime::now()),
            title(&thread)
        );
        text.push_str(&perf(&thread, seconds));
    }
    Ok(Output::Text(text))
}

/// A poll thread measures all its time, so its cycles are those of the whole duration.
fn perf(thread: &ThreadReport, seconds: f64) -> String {
    let (idle, busy) = (thread.idle_cycles, thread.busy_cycles);
    let cycles = idle + busy;
    let rounds = thread.idle_rounds + thread.busy_rounds;
    let percent = |part| ratio(part, cycles) * 100.0;
    let us_per_round = seconds * 1e6 * ratio(1, rounds);
    let mut text = format!(
        "  Iterations:         {rounds:>12}  ({us_per_round:.2} us/it)\n  \
         - Used TSC cycles:  {cycles:>12}  ({:>5.1} % of total cycles)\n  \
         - idle iterations:  {:>12}  ({:>5.1} % of used cycles)\n  \
         - busy iterations:  {:>12}  ({:>5.1} % of used cycles)\n  \
         - sleep iterations: {:>12}  ({:>5.1} % of iterations)\n",
        percent(cycles),
        thread.idle_rounds,
        percent(idle),
        thread.busy_rounds,
        percent(busy),
        thread.sleeps,
        ratio(thread.sleeps, rounds) * 100.0,
    );
    let (rx, tx) = (thread.packets, thread.tx_packets);
    let kpps = |n| ratio(n, 1) / seconds.max(f64::MIN_POSITIVE) / 1000.0;
    // Writing to a string does not fail.
    if rx > 0 {
        let passes = passes(thread);
        let _ = write!(
            text,
            "  Rx packets:         {rx:>12}  ({:.0} Kpps, {:.0} cycles/pkt)\n  \
             Datapath passes:    {passes:>12}  ({:.2} passes/pkt)\n",
            kpps(rx),
            ratio(busy, rx),
            ratio(passes, rx)
        );
        let percent = |n| ratio(n, passes) * 100.0;
        for (cache, hits) in [
            ("PHWOL hits:", 0),
            ("MFEX Opt hits:", 0),
            ("Simple Match hits:", simple_hits(thread)),
            ("EMC hits:", thread.emc_hits),
            ("SMC hits:", 0),
        ] {
            let _ = writeln!(text, "  - {cache:<18}{hits:>12}  ({:>5.1} %)", percent(hits));
        }
        let (hits, upcalls, lost) = (thread.megaflow_hits, thread.upcalls, thread.lost_upcalls);
        let _ = write!(
            text,
            "  - Megaflow hits:    {hits:>12}  ({:>5.1} %, 0.00 subtbl lookups/hit)\n  \
             - Upcalls:          {upcalls:>12}  ({:>5.1} %, 0.0 us/upcall)\n  \
             - Lost upcalls:     {lost:>12}  ({:>5.1} %)\n",
            percent(hits),
            percent(upcalls),
            percent(lost),
        );
    } else {
        let _ = writeln!(text, "  Rx packets:         {rx:>12}");
    }
    if tx > 0 {
        let batches = thread.tx_batches;
        let _ = write!(
            text,
            "  Tx packets:         {tx:>12}  ({:.0} Kpps)\n  \
             Tx batches:         {batches:>12}  ({:.2} pkts/batch)\n",
            kpps(tx),
            ratio(tx, batches)
        );
    } else {
        let _ = writeln!(text, "  Tx packets:         {tx:>12}\n");
    }
    text
}

/// 0 where nothing is divided.
#[allow(clippy::cast_precision_loss, reason = "a ratio for people")]
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// `15:24:55.270`, in UTC.
fn time_of_day(now: SystemTime) -> String {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let second = since.as_secs() % 86_400;
    format!(
        "{:02}:{:02}:{:02}.{:03}",
        second / 3600,
        second / 60 % 60,
        second % 60,
        since.subsec_millis()
    )
}
