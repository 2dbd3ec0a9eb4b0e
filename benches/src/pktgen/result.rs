//! What a trial came to, for people and for programs.

use std::collections::BTreeMap;

use datapath::{DropReason, PortCounters};
use hdrhistogram::Histogram;
use serde::Serialize;

use super::account::Arrival;
use super::receiver::Received;
use super::search::Outcome;
use super::sender::Sent;

/// Counters of the sending and the receiving device of a stream.
#[derive(Clone, Debug)]
pub struct Before {
    sent: u64,
    sent_bytes: u64,
    refused: Vec<u64>,
    missed: u64,
    rx_drops: u64,
}

impl Before {
    /// As they stand.
    #[must_use]
    pub fn of(tx: &PortCounters, rx: &PortCounters) -> Before {
        Before {
            sent: tx.tx_packets.get(),
            sent_bytes: tx.tx_bytes.get(),
            refused: DropReason::ALL.iter().map(|reason| tx.tx_drops(*reason)).collect(),
            missed: rx.rx_missed.get(),
            rx_drops: DropReason::ALL.iter().map(|reason| rx.rx_drops(*reason)).sum(),
        }
    }

    /// What was added since.
    #[must_use]
    pub fn since(&self, earlier: &Before) -> Before {
        let refused = self.refused.iter().zip(&earlier.refused).map(|(now, then)| now - then);
        Before {
            sent: self.sent - earlier.sent,
            sent_bytes: self.sent_bytes - earlier.sent_bytes,
            refused: refused.collect(),
            missed: self.missed - earlier.missed,
            rx_drops: self.rx_drops - earlier.rx_drops,
        }
    }
}

/// Percentiles of latency, microseconds.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize)]
pub struct Latency {
    /// The mean.
    pub mean: f64,
    /// Half of the frames were faster.
    pub p50: f64,
    /// 90 %.
    pub p90: f64,
    /// 99 %.
    pub p99: f64,
    /// 99.9 %.
    pub p99_9: f64,
    /// The slowest.
    pub max: f64,
}

impl Latency {
    /// `None` if nothing arrived.
    #[must_use]
    pub fn of(histogram: &Histogram<u64>) -> Option<Latency> {
        let us = |ns: u64| ns as f64 / 1e3;
        let at = |quantile| us(histogram.value_at_quantile(quantile));
        (!histogram.is_empty()).then(|| Latency {
            mean: histogram.mean() / 1e3,
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p99_9: at(0.999),
            max: us(histogram.max()),
        })
    }
}

/// One direction of a trial.
#[derive(Clone, Debug, Default, Serialize)]
pub struct StreamResult {
    /// From which port to which.
    pub name: String,
    /// How long it was sent.
    pub seconds: f64,
    /// Frames made.
    pub offered: u64,
    /// Frames that the sending device took.
    pub sent: u64,
    /// Frames that it refused, by reason.
    pub refused: BTreeMap<&'static str, u64>,
    /// Different frames that arrived.
    pub received: u64,
    /// Frames sent that did not.
    pub lost: u64,
    /// Share of frames sent, percent.
    pub loss_percent: f64,
    /// Flows that miss frames.
    pub flows_with_loss: u64,
    /// Frames that arrived again.
    pub duplicates: u64,
    /// Frames that arrived after later ones of their flow.
    pub reordered: u64,
    /// Frames too old to tell whether they arrived before; neither received nor duplicates.
    pub too_late: u64,
    /// Arrivals at another port or in another VLAN.
    pub misdelivered: u64,
    /// Arrivals with changed bytes.
    pub corrupted: u64,
    /// Arrivals from an earlier trial.
    pub stale: u64,
    /// Frames of others.
    pub foreign: u64,
    /// Frames that reached the receiver's own socket and were lost there.
    pub missed: u64,
    /// Frames per second sent.
    pub tx_pps: f64,
    /// Frames per second received, from the first to the last.
    pub rx_pps: f64,
    /// Bits per second sent, preamble, gap and FCS left out.
    pub tx_bps: f64,
    /// Mean size of a frame, with FCS.
    pub mean_size: f64,
    /// Latency, microseconds.
    pub latency_us: Option<Latency>,
}

impl StreamResult {
    /// Of a sender, a receiver, and what their devices counted meanwhile.
    #[must_use]
    pub fn new(sent: &Sent, received: &Received, device: Before) -> StreamResult {
        let account = &received.account;
        let reasons = DropReason::ALL.iter().map(|reason| reason.name()).zip(device.refused);
        let n_received = account.n_received();
        let lost = device.sent.saturating_sub(n_received);
        let missing = |(flow, sent): &(usize, &u64)| account.n_received_of(*flow) < **sent;
        let seconds = sent.took_ns as f64 / 1e9;
        let per_second = |n: u64, ns: u64| if ns == 0 { 0.0 } else { n as f64 * 1e9 / ns as f64 };
        let arriving_ns = received.span_ns.map_or(0, |(first, last)| last - first);
        StreamResult {
            name: String::new(),
            seconds,
            offered: sent.n_offered,
            sent: device.sent,
            refused: reasons.filter(|(_, n)| *n > 0).collect(),
            received: n_received,
            lost,
            loss_percent: lost as f64 * 100.0 / device.sent.max(1) as f64,
            flows_with_loss: sent.of_flow.iter().enumerate().filter(missing).count() as u64,
            duplicates: account.n(Arrival::Duplicate),
            reordered: account.n(Arrival::Reordered),
            too_late: account.n(Arrival::TooLate),
            misdelivered: 0,
            corrupted: received.n_corrupt,
            stale: received.n_stale,
            foreign: received.n_foreign,
            missed: device.missed + device.rx_drops,
            tx_pps: per_second(device.sent, sent.took_ns),
            rx_pps: per_second(n_received, arriving_ns),
            tx_bps: per_second(device.sent_bytes * 8, sent.took_ns),
            mean_size: 0.0,
            latency_us: Latency::of(&received.latency),
        }
    }
}

/// A trial of all streams.
#[derive(Clone, Debug, Serialize)]
pub struct TrialResult {
    /// Why it was run.
    pub why: &'static str,
    /// What was asked for of each stream, frames per second; none for as much as the port takes.
    pub asked_pps: Option<f64>,
    /// What came of it.
    pub streams: Vec<StreamResult>,
}

impl TrialResult {
    /// Over all streams.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let sum = |read: fn(&StreamResult) -> u64| self.streams.iter().map(read).sum::<u64>();
        let (sent, lost) = (sum(|stream| stream.sent), sum(|stream| stream.lost));
        // Each stream is asked for the rate alone, so that is what the slowest counts for.
        let pps = self.streams.iter().map(|stream| stream.tx_pps).fold(f64::INFINITY, f64::min);
        let loss = if sent == 0 { 1.0 } else { lost as f64 / sent as f64 };
        Outcome { pps: if pps.is_finite() { pps } else { 0.0 }, loss }
    }
}
