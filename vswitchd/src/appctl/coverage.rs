//! `coverage/…`: named counters of events, and their rates.
//!
//! # Design
//! Totals are read from where they are counted, when they are shown. Rates come from samples: the
//! last five seconds, the minute from twelve of those, the hour from sixty minutes.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use datapath::{DropReason, PortCounters};
use serde_json::json;

use super::view::SwitchView;
use super::{AppctlError, Context, Output};

/// Between two samples.
const SAMPLE_PERIOD: Duration = Duration::from_secs(5);

/// Samples of [`SAMPLE_PERIOD`] in a minute.
const N_PER_MINUTE: usize = 12;

/// Minutes in an hour.
const N_PER_HOUR: usize = 60;

/// Totals by name.
type Totals = BTreeMap<String, u64>;

/// Events counted by the control plane, and samples of all counters.
#[derive(Debug)]
pub struct Coverage {
    own: BTreeMap<&'static str, u64>,
    sampled_at: Instant,
    n_samples: usize,
    /// The newest last; one more than a minute has.
    samples: VecDeque<Totals>,
    /// One a minute, the newest last; one more than an hour has.
    minutes: VecDeque<Totals>,
}

impl Coverage {
    /// Counters from zero.
    pub fn new(now: Instant) -> Coverage {
        Coverage {
            own: BTreeMap::from([
                ("netlink_received", 0),
                ("rconn_discarded", 0),
                ("rconn_overflow", 0),
                ("unixctl_received", 0),
                ("unixctl_replied", 0),
            ]),
            sampled_at: now,
            n_samples: 0,
            samples: VecDeque::from([Totals::new()]),
            minutes: VecDeque::from([Totals::new()]),
        }
    }

    /// Counts events of the control plane.
    pub fn count(&mut self, name: &'static str, n: u64) {
        *self.own.entry(name).or_default() += n;
    }

    /// Samples if it is time.
    pub fn tick(&mut self, switch: &dyn SwitchView, now: Instant) {
        if now.saturating_duration_since(self.sampled_at) < SAMPLE_PERIOD {
            return;
        }
        self.sampled_at = now;
        self.n_samples += 1;
        let totals = self.totals(switch);
        if self.n_samples.is_multiple_of(N_PER_MINUTE) {
            keep(&mut self.minutes, totals.clone(), N_PER_HOUR);
        }
        keep(&mut self.samples, totals, N_PER_MINUTE);
    }

    fn totals(&self, switch: &dyn SwitchView) -> Totals {
        let mut totals: Totals = self.own.iter().map(|(k, v)| ((*k).to_owned(), *v)).collect();
        let mut add = |name: &str, n: u64| *totals.entry(name.to_owned()).or_default() += n;
        for reason in DropReason::ALL {
            add(&drop_name(*reason), 0);
        }
        for name in FDB_COUNTERS.iter().chain(&["netdev_received", "netdev_sent"]) {
            add(name, 0);
        }
        add("ofproto_sample", switch.n_sampled());
        for bridge in switch.bridges() {
            let stats = bridge.fdb.stats();
            let counts = [stats.evicted, stats.expired, stats.flapped, stats.learned, stats.moved];
            FDB_COUNTERS.iter().zip(counts).for_each(|(name, n)| add(name, n));
            for port in bridge.ports {
                let sum = |read: fn(&PortCounters) -> u64| port.stats.sum(read);
                add("netdev_received", sum(|c| c.rx_packets.get()));
                add("netdev_sent", sum(|c| c.tx_packets.get()));
                for (_, reason, n) in port.drops() {
                    add(&drop_name(reason), n);
                }
            }
        }
        for (_, reason, n) in switch.carriers().iter().flat_map(super::view::PortView::drops) {
            add(&drop_name(reason), n);
        }
        totals
    }

    /// Events per second over the last five seconds, minute and hour. A counter that fell, since its
    /// port is gone, has no rate until it passes its old value.
    fn rates(&self, name: &str) -> [f64; 3] {
        let per_second = |samples: &VecDeque<Totals>, n: usize, period: Duration| {
            let at = |back: usize| {
                let sample = samples.len().checked_sub(1 + back).and_then(|i| samples.get(i));
                sample.and_then(|totals| totals.get(name)).copied().unwrap_or(0)
            };
            let oldest = n.min(samples.len().saturating_sub(1));
            // Precise up to 2^53 events.
            #[allow(clippy::cast_precision_loss, reason = "a rate for people")]
            let events = at(0).saturating_sub(at(oldest)) as f64;
            events / period.as_secs_f64()
        };
        [
            per_second(&self.samples, 1, SAMPLE_PERIOD),
            per_second(&self.samples, N_PER_MINUTE, Duration::from_secs(60)),
            per_second(&self.minutes, N_PER_HOUR, Duration::from_secs(3600)),
        ]
    }
}

/// The counter of a reason. Open vSwitch counts what the datapath drops of itself under names of their
/// own.
fn drop_name(reason: DropReason) -> String {
    let of_datapath = matches!(
        reason,
        DropReason::Meter
            | DropReason::InvalidPort
            | DropReason::RecircError
            | DropReason::UpcallError
            | DropReason::UserspaceError
    );
    format!("{}drop_{}", if of_datapath { "datapath_" } else { "" }, reason.name())
}

/// Counters of forwarding databases, under Open vSwitch's names.
const FDB_COUNTERS: [&str; 5] = [
    "mac_learning_evicted",
    "mac_learning_expired",
    "mac_learning_flapped",
    "mac_learning_learned",
    "mac_learning_moved",
];

fn keep(samples: &mut VecDeque<Totals>, totals: Totals, n: usize) {
    samples.push_back(totals);
    while samples.len() > n + 1 {
        samples.pop_front();
    }
}

/// `coverage/show`
pub fn show(context: &mut Context<'_>, _: &[String]) -> Result<Output, AppctlError> {
    let coverage = &context.state.coverage;
    let totals = coverage.totals(context.switch);
    if context.wants_json() {
        return Ok(Output::Json(json!(totals)));
    }
    let hit: Vec<_> = totals.iter().filter(|(_, n)| **n > 0).collect();
    // Which counters were hit, and how often roughly: two like runs give one hash.
    let mut hasher = DefaultHasher::new();
    for (name, n) in &hit {
        (name, n.ilog2()).hash(&mut hasher);
    }
    let hash = hasher.finish() & u64::from(u32::MAX);
    let mut text = format!(
        "Event coverage, avg rate over last: 5 seconds, last minute, last hour,  hash={hash:08x}:\n"
    );
    for (name, n) in &hit {
        let [second, minute, hour] = coverage.rates(name);
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{name:<24} {second:>5.1}/sec {minute:>9.3}/sec {hour:>13.4}/sec   total: {n}"
        );
    }
    let _ = writeln!(text, "{} events never hit", totals.len() - hit.len());
    Ok(Output::Text(text))
}

/// `coverage/read-counter NAME`
pub fn read_counter(context: &mut Context<'_>, params: &[String]) -> Result<Output, AppctlError> {
    let totals = context.state.coverage.totals(context.switch);
    let total = totals.get(&params[0]).ok_or(AppctlError::NoCounter)?;
    Ok(Output::Text(total.to_string()))
}
