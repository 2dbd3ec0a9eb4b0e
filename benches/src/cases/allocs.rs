//! Allocations per packet: none, once the hosts are known.

use anyhow::Result;
use serde::Serialize;

use super::walk::{self, Walk};
use crate::record::{Bar, Report};
use crate::table::Table;

const N_ROUNDS: u32 = 100_000;

#[derive(Serialize)]
struct Sample {
    walk: String,
    packets: u64,
    allocations: u64,
}

/// Runs the case.
///
/// # Errors
/// A walk fails.
pub fn run() -> Result<Report> {
    let mut report = Report::new("allocs");
    let title = "Calls of the allocator (allocate, reallocate, free) while frames are forwarded";
    let mut table = Table::new(title, &["walk", "frames", "calls"]);
    let mut total = 0;
    for &kind in Walk::all() {
        let walked = walk::run(kind, N_ROUNDS, &[])?;
        let (walk, packets, allocations) = (kind.name(), walked.packets, walked.allocations);
        table.row([walk.clone(), packets.to_string(), allocations.to_string()]);
        report.sample(&Sample { walk, packets, allocations });
        total += allocations;
    }
    report.tables.push(table);
    report.bars.push(Bar::at_most("calls of the allocator", 0.0, total as f64));
    Ok(report)
}
