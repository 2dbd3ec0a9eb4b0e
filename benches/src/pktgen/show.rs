//! Reports as tables and plots.

use std::fmt;

use super::result::{Latency, StreamResult, TrialResult};
use super::run::Report;
use super::search::LimitedBy;
use super::svg::{Chart, Scale, Series};
use crate::table::Table;

const HEAD: [&str; 14] = [
    "trial",
    "asked/s",
    "sent/s",
    "received/s",
    "sent",
    "lost",
    "loss %",
    "duplicates",
    "reordered",
    "astray",
    "p50, µs",
    "p99, µs",
    "p99.9, µs",
    "max, µs",
];

/// One of the latencies.
type Percentile = fn(&Latency) -> f64;

/// A rate in three or four digits.
fn si(pps: f64) -> String {
    let units = [(1e6, " M"), (1e3, " k"), (1.0, "")];
    let (unit, name) = units.into_iter().find(|(unit, _)| pps >= *unit).unwrap_or((1.0, ""));
    let value = pps / unit;
    let digits = if value < 10.0 { 3 } else { 1 };
    format!("{value:.digits$}{name}")
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n_streams = self.trials.iter().map(|trial| trial.streams.len()).max().unwrap_or(0);
        for stream in 0..n_streams {
            let of = || self.trials.iter().filter_map(move |t| Some((t, t.streams.get(stream)?)));
            let Some((_, first)) = of().next() else { continue };
            let (flows, macs, size) = (self.flows, self.macs, &self.size);
            let title =
                format!("{}: {flows} flows, {macs} pairs of MACs, {size} bytes", first.name);
            let mut table = Table::new(&title, &HEAD);
            of().for_each(|(trial, stream)| table.row(row(trial, stream)));
            writeln!(f, "{table}")?;
        }
        self.notes().iter().try_for_each(|note| writeln!(f, "- {note}"))
    }
}

fn row(trial: &TrialResult, stream: &StreamResult) -> Vec<String> {
    let us = |read: Percentile| {
        stream.latency_us.as_ref().map_or_else(|| "–".into(), |all| format!("{:.1}", read(all)))
    };
    vec![
        trial.why.to_owned(),
        trial.asked_pps.map_or_else(|| "–".into(), si),
        si(stream.tx_pps),
        si(stream.rx_pps),
        stream.sent.to_string(),
        stream.lost.to_string(),
        format!("{:.3}", stream.loss_percent),
        stream.duplicates.to_string(),
        stream.reordered.to_string(),
        stream.misdelivered.to_string(),
        us(|all| all.p50),
        us(|all| all.p99),
        us(|all| all.p99_9),
        us(|all| all.max),
    ]
}

impl Report {
    /// What a reader of the tables must know besides.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if let Some((n_hosts, n_arrived)) = self.learned.filter(|(all, arrived)| arrived < all) {
            notes.push(format!("the switch may not know every address: {n_arrived} of {n_hosts} frames that told them arrived"));
        }
        for (trial, stream) in
            self.trials.iter().flat_map(|t| t.streams.iter().map(move |s| (t, s)))
        {
            let at = format!("{} at {}/s", trial.why, si(stream.tx_pps));
            let counts = [
                ("frames arrived with changed bytes", stream.corrupted),
                ("frames were too late to tell whether they had arrived before", stream.too_late),
                ("frames were lost in the receiver's own socket, not in the switch", stream.missed),
            ];
            for (what, n) in counts.into_iter().filter(|(_, n)| *n > 0) {
                notes.push(format!("{at}: {n} {what}"));
            }
            for (reason, n) in &stream.refused {
                notes.push(format!("{at}: the sending device refused {n} frames: {reason}"));
            }
        }
        match &self.found {
            Some(found) => {
                let limit = match found.limited_by {
                    LimitedBy::Loss => "more would be lost",
                    LimitedBy::Generator => "more could not be sent: the switch may carry more",
                };
                let (rate, loss) = (si(found.pps), found.loss * 100.0);
                let n = found.n_trials;
                notes.push(format!(
                    "found: {rate}/s with {loss:.3} % lost, verified ({limit}; {n} trials)"
                ));
            }
            None if self.searched => notes.push("found: no rate within the limit of loss".into()),
            None => {}
        }
        notes
    }

    /// Rates and latencies against the load, over all directions.
    #[must_use]
    pub fn charts(&self) -> Vec<Chart> {
        let mut trials: Vec<_> = self.trials.iter().map(|trial| (load(trial), trial)).collect();
        trials.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        let series = |name: &str, read: &dyn Fn(&TrialResult) -> Option<f64>| Series {
            name: name.to_owned(),
            points: trials.iter().filter_map(|(load, trial)| Some((*load, read(trial)?))).collect(),
        };
        let title = format!("{} → {}, {} bytes", self.tx, self.rx, self.size);
        let received = |trial: &TrialResult| {
            Some(trial.streams.iter().map(|stream| stream.rx_pps).sum::<f64>() / 1e3)
        };
        let rate = Chart {
            title: format!("Rate: {title}"),
            x_label: "load: sent, kpps".into(),
            y_label: "received, kpps".into(),
            y_scale: Scale::Linear,
            series: vec![series("received", &received), series("sent", &|trial| Some(load(trial)))],
        };
        // Of several directions the slowest: a percentile has no mean.
        let worst = |trial: &TrialResult, read: Percentile| {
            let all = trial.streams.iter().filter_map(|stream| stream.latency_us.as_ref());
            all.map(read).max_by(f64::total_cmp)
        };
        let percentiles: [(&str, Percentile); 5] = [
            ("p50", |all| all.p50),
            ("p90", |all| all.p90),
            ("p99", |all| all.p99),
            ("p99.9", |all| all.p99_9),
            ("max", |all| all.max),
        ];
        let lines =
            percentiles.iter().map(|(name, read)| series(name, &|trial| worst(trial, *read)));
        let latency = Chart {
            title: format!("Latency: {title}"),
            x_label: "load: sent, kpps".into(),
            y_label: "latency, µs".into(),
            y_scale: Scale::Log,
            series: lines.collect(),
        };
        vec![rate, latency]
    }
}

/// Frames sent per second, all directions, thousands.
fn load(trial: &TrialResult) -> f64 {
    trial.streams.iter().map(|stream| stream.tx_pps).sum::<f64>() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_short() {
        let shown = [0.0, 12.34, 1252.0, 65_100.0, 1_791_000.0, 14_880_952.0].map(si);
        assert_eq!(shown, ["0.000", "12.3", "1.252 k", "65.1 k", "1.791 M", "14.9 M"]);
    }
}
