//! Walks a fixed number of rounds through the engine: `walk KIND ROUNDS` prints the frames received
//! and the calls of the allocator meanwhile.

use std::alloc::System;
use std::io::Write;

use anyhow::Result;
use clap::Parser;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use switch_benches::cases::walk::{Walk, walk_rounds};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// A walk.
#[derive(Parser)]
struct Cli {
    /// Which.
    kind: Walk,
    /// How far.
    rounds: u32,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let dir = tempfile::tempdir()?;
    let mut rig = cli.kind.rig(dir.path())?;
    let region = Region::new(ALLOCATOR);
    let packets = walk_rounds(&mut rig, cli.rounds);
    let calls = region.change();
    let allocations = calls.allocations + calls.reallocations + calls.deallocations;
    writeln!(std::io::stdout(), "{packets} {allocations}")?;
    Ok(())
}
