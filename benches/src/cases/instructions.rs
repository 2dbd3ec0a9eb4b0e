//! Instructions per packet, by callgrind: they repeat on any machine, so they are the gate against
//! regressions.
//!
//! # Design
//! A walk is run over a number of rounds and over twice as many; the slope between the two is free of
//! what happens at the start. A frame's count includes its part of the round: receive from the
//! capture file, forwarding, transmit to a port that discards, and the look at idle queues.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use super::walk::{self, Walk};
use crate::packages::VALGRIND;
use crate::record::Report;
use crate::table::Table;

const N_ROUNDS: u32 = 4000;
/// More than a toolchain's whims, less than a change worth knowing of; percent.
const TOLERANCE: f64 = 3.0;

/// What happens with the baseline.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Baseline {
    /// Shown beside what is measured.
    Show,
    /// More than it is a failure.
    Check,
    /// Replaced by what is measured.
    Save,
}

#[derive(Serialize)]
struct Sample {
    walk: String,
    instructions_per_packet: f64,
}

/// Runs the case; `file` holds the baseline.
///
/// # Errors
/// A walk fails, or needs more instructions than the baseline, if that is to be checked.
pub fn run(options: &super::Options, baseline: Baseline, file: &Path) -> Result<Report> {
    options.require(&[VALGRIND], &[])?;
    let mut report = Report::new("instructions");
    let mut table =
        Table::new("Instructions per packet", &["walk", "instructions", "baseline", "change %"]);
    let known = load(file)?;
    let missing = baseline == Baseline::Check && known.is_empty();
    ensure!(!missing, "no baseline in {} (to make it: --save)", file.display());
    let mut found = BTreeMap::new();
    let mut worse = Vec::new();
    for &kind in Walk::all() {
        let (name, count) = (kind.name(), per_packet(kind)?);
        let was = known.get(&name).copied();
        let change = was.map(|was| (count / was - 1.0) * 100.0);
        if change.is_some_and(|percent| percent > TOLERANCE) {
            worse.push(name.clone());
        }
        let shown = |value: Option<f64>| value.map_or_else(|| "–".into(), |v| format!("{v:.1}"));
        table.row([name.clone(), format!("{count:.1}"), shown(was), shown(change)]);
        report.sample(&Sample { walk: name.clone(), instructions_per_packet: count });
        found.insert(name, (count * 10.0).round() / 10.0);
    }
    report.tables.push(table);
    if baseline == Baseline::Save {
        let text = format!("{}\n", serde_json::to_string_pretty(&found)?);
        fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    let regressed = baseline == Baseline::Check && !worse.is_empty();
    ensure!(!regressed, "{report}more than {TOLERANCE} % above the baseline: {}", worse.join(", "));
    Ok(report)
}

/// The baseline; empty where there is none yet.
fn load(file: &Path) -> Result<BTreeMap<String, f64>> {
    if !file.exists() {
        return Ok(BTreeMap::new());
    }
    let text = fs::read_to_string(file)?;
    serde_json::from_str(&text).with_context(|| format!("{} is no baseline", file.display()))
}

fn per_packet(kind: Walk) -> Result<f64> {
    let (near, far) = (collect(kind, N_ROUNDS)?, collect(kind, 2 * N_ROUNDS)?);
    let (packets, instructions) = (far.0 - near.0, far.1 - near.1);
    Ok(instructions as f64 / packets as f64)
}

/// Packets and instructions of one run.
fn collect(kind: Walk, n_rounds: u32) -> Result<(u64, u64)> {
    let out = tempfile::NamedTempFile::new()?;
    let to = format!("--callgrind-out-file={}", out.path().display());
    let wrapper = ["valgrind", "--quiet", "--tool=callgrind", &to];
    let walked = walk::run(kind, n_rounds, &wrapper)?;
    let profile = fs::read_to_string(out.path())?;
    let total = total(&profile).context("no total in callgrind's profile")?;
    Ok((walked.packets, total))
}

/// Of the line `summary: N` or `totals: N`.
fn total(profile: &str) -> Option<u64> {
    let line = |key| profile.lines().find_map(|line| line.strip_prefix(key));
    line("summary:").or_else(|| line("totals:"))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_read_from_a_profile() {
        assert_eq!(total("events: Ir\nsummary: 1234\n\nfn=(0)\n0 5\n"), Some(1234));
        assert_eq!(total("events: Ir\nfn=(0)\ntotals: 99\n"), Some(99));
        assert_eq!(total("events: Ir\n"), None);
    }
}
