//! From two samples to what passed per second.
//!
//! # Invariants
//! No rate is negative, and none is invented: a port that was not there before, or whose counters went
//! back because it was opened anew, has none until the next sample.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::sample::{Counters, Port, Sample};

/// Per second, by the counter's name.
pub type PerSecond = BTreeMap<String, f64>;

/// What one interval brought.
#[derive(Clone, PartialEq, Debug)]
pub struct Round {
    /// The real time between the samples.
    pub elapsed: Duration,
    /// The ports that are there now.
    pub rows: Vec<Row>,
}

/// A port's part of it.
#[derive(Clone, PartialEq, Debug)]
pub struct Row {
    /// The port now.
    pub port: Port,
    /// What passed; `None` if the counters began anew in this interval.
    pub rates: Option<Rates>,
}

/// What passed a port.
#[derive(Clone, PartialEq, Debug)]
pub struct Rates {
    /// All of `statistics`, with `rx_bits` and `tx_bits`.
    pub counters: PerSecond,
    /// Frames lost, by reason; none of them zero.
    pub drops: PerSecond,
}

impl Round {
    /// The difference of two samples.
    pub fn between(before: &Sample, now: &Sample) -> Round {
        let elapsed = now.at.saturating_duration_since(before.at);
        let rows = now.ports.iter().map(|port| {
            let old = before.find(port);
            Row {
                port: port.clone(),
                rates: old.and_then(|old| Rates::between(old, port, elapsed)),
            }
        });
        Round { elapsed, rows: rows.collect() }
    }

    /// As a document for programs.
    pub fn to_json(&self) -> Value {
        let ports: Vec<Value> = self.rows.iter().map(Row::to_json).collect();
        json!({ "seconds": rounded(self.elapsed.as_secs_f64()), "ports": ports })
    }
}

impl Row {
    fn to_json(&self) -> Value {
        let rates = self.rates.as_ref().map(|rates| {
            let all = |rates: &PerSecond| -> Value {
                rates.iter().map(|(key, rate)| (key.clone(), rounded(*rate))).collect()
            };
            let mut object = all(&rates.counters);
            object["drops"] = all(&rates.drops);
            object
        });
        json!({
            "bridge": self.port.bridge,
            "name": self.port.name,
            "link_state": self.port.link,
            "rates": rates,
        })
    }
}

impl Rates {
    fn between(before: &Port, now: &Port, elapsed: Duration) -> Option<Rates> {
        let mut counters = per_second(&before.counters, &now.counters, elapsed)?;
        for side in ["rx", "tx"] {
            let bytes = counters.get(&format!("{side}_bytes")).copied().unwrap_or(0.0);
            counters.insert(format!("{side}_bits"), 8.0 * bytes);
        }
        let mut drops = per_second(&before.drops, &now.drops, elapsed)?;
        drops.retain(|_, rate| *rate > 0.0);
        Some(Rates { counters, drops })
    }

    /// The sum of rates; one that the daemon does not know is 0.
    pub fn sum(&self, names: &[&str]) -> f64 {
        names.iter().filter_map(|name| self.counters.get(*name)).sum()
    }
}

/// `None` if any went back, or if no time passed. One that was missing was 0: reasons of drops are
/// listed from the first drop on.
fn per_second(before: &Counters, now: &Counters, elapsed: Duration) -> Option<PerSecond> {
    let is_anew = before.iter().any(|(key, old)| now.get(key).is_none_or(|count| count < old));
    if is_anew || elapsed.is_zero() {
        return None;
    }
    let rates = now.iter().map(|(key, count)| {
        let more = count.saturating_sub(before.get(key).copied().unwrap_or(0));
        (key.clone(), more as f64 / elapsed.as_secs_f64())
    });
    Some(rates.collect())
}

/// To thousandths: more digits say nothing.
fn rounded(rate: f64) -> f64 {
    (rate * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn port(name: &str, n: u64, n_dropped: u64) -> Port {
        let counters = [("rx_packets", n), ("rx_bytes", 100 * n), ("rx_dropped", n_dropped)];
        let drops = (n_dropped > 0).then(|| ("runt".to_owned(), n_dropped));
        Port {
            bridge: "br0".to_owned(),
            name: name.to_owned(),
            link: "up".to_owned(),
            counters: counters.map(|(key, n)| (key.to_owned(), n)).into(),
            drops: drops.into_iter().collect(),
        }
    }

    fn round(before: &[Port], now: &[Port], millis: u64) -> Round {
        let at = Instant::now();
        let later = at + Duration::from_millis(millis);
        let before = Sample { at, ports: before.to_vec() };
        Round::between(&before, &Sample { at: later, ports: now.to_vec() })
    }

    #[test]
    fn rates_are_by_the_time_that_really_passed() {
        let round = round(&[port("h1", 1000, 0)], &[port("h1", 1600, 30)], 1500);
        let rates = round.rows[0].rates.as_ref().unwrap();
        assert_eq!(rates.sum(&["rx_packets"]), 400.0);
        assert_eq!(rates.sum(&["rx_bits"]), 320_000.0);
        assert_eq!(rates.sum(&["tx_bits", "no_such"]), 0.0);
        assert_eq!(rates.drops, PerSecond::from([("runt".to_owned(), 20.0)]));
        assert_eq!(round.elapsed, Duration::from_millis(1500));
    }

    #[test]
    fn nothing_passed_is_zero_and_drops_of_before_are_not_listed() {
        let round = round(&[port("h1", 5, 7)], &[port("h1", 5, 7)], 1000);
        let rates = round.rows[0].rates.as_ref().unwrap();
        assert!(rates.counters.values().all(|rate| *rate == 0.0));
        assert!(rates.drops.is_empty());
    }

    #[test]
    fn counters_that_went_back_and_new_ports_have_no_rates() {
        let before = [port("h1", 5, 0), port("gone", 5, 0), port("anew", 5, 9)];
        let now = [port("new", 4, 0), port("h1", 4, 0), port("anew", 6, 0)];
        let round = round(&before, &now, 1000);
        let names: Vec<&str> = round.rows.iter().map(|row| row.port.name.as_str()).collect();
        assert_eq!(names, ["new", "h1", "anew"]);
        assert!(round.rows.iter().all(|row| row.rates.is_none()), "{round:?}");
    }

    #[test]
    fn the_same_name_on_another_bridge_is_another_port() {
        let moved = Port { bridge: "br1".to_owned(), ..port("h1", 9, 0) };
        assert_eq!(round(&[port("h1", 5, 0)], &[moved], 1000).rows[0].rates, None);
    }

    #[test]
    fn no_time_is_no_rate() {
        assert_eq!(round(&[port("h1", 5, 0)], &[port("h1", 6, 0)], 0).rows[0].rates, None);
    }

    #[test]
    fn programs_get_every_counter() {
        let now = [port("h1", 20, 1), port("h2", 1, 0)];
        let document = round(&[port("h1", 10, 0)], &now, 3000).to_json();
        let expected = json!({"seconds": 3.0, "ports": [
            {"bridge": "br0", "name": "h1", "link_state": "up", "rates": {
                "rx_bits": 2666.667, "rx_bytes": 333.333, "rx_dropped": 0.333, "rx_packets": 3.333,
                "tx_bits": 0.0, "drops": {"runt": 0.333}}},
            {"bridge": "br0", "name": "h2", "link_state": "up", "rates": null},
        ]});
        assert_eq!(document, expected);
    }
}
