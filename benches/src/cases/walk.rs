//! Walks of a fixed number of packets through the engine, driven by hand with the clock at rest.
//!
//! What a walk does is the same each time, so that its instructions and allocations can be counted.
//! The program `walk` runs one; the cases [`instructions`](super::instructions) and
//! [`allocs`](super::allocs) run the program.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use datapath::l2::vlan::{PortVlan, VlanMode};
use datapath::view::VidSet;
use datapath::{MAX_BURST, Workers};
use packet::Vid;
use packet::flow::FieldId;

use crate::process;
use crate::rig::{Plug, Rig, Source};
use crate::traffic::{Direction, Pairs};
use crate::tunnel;

const MAX_ENTRIES: usize = 1_000_000;
const VID: u16 = 10;
/// Silent ports beside the one that is received on, when a flood is walked.
const N_FLOODED: usize = 8;
/// Addresses of each side in the walks that are about VLAN tags and tunnels.
const N_TAGGED: u32 = 1000;

/// A kind of walk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Walk {
    /// One pair of hosts, both ways.
    #[value(name = "pairs-1")]
    Pairs1,
    /// A thousand pairs, both ways.
    #[value(name = "pairs-1000")]
    Pairs1000,
    /// A hundred thousand pairs, both ways.
    #[value(name = "pairs-100000")]
    Pairs100000,
    /// From an access port to a trunk: a tag is pushed.
    Push,
    /// From a trunk to an access port: a tag is popped.
    Pop,
    /// To addresses that nobody has: out by eight ports.
    Flood,
    /// A thousand pairs of hosts both ways, behind one cached flow per port.
    #[value(name = "flow-1")]
    Flow1,
    /// A thousand pairs both ways, each with a cached flow of its own.
    #[value(name = "flows-1000")]
    Flows1000,
    /// A thousand pairs, into a VXLAN tunnel and out by a port.
    TunnelEncap,
    /// A thousand pairs, by a port and out of a VXLAN tunnel.
    TunnelOpen,
}

/// What a walk came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Walked {
    /// Frames received.
    pub packets: u64,
    /// Calls of the allocator meanwhile, of whatever kind.
    pub allocations: u64,
}

impl Walk {
    /// Every kind.
    #[must_use]
    pub fn all() -> &'static [Walk] {
        Walk::value_variants()
    }

    /// The name on the command line.
    #[must_use]
    pub fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().into())
    }

    /// A rig that has learned what it will learn; capture files are left in `dir`.
    ///
    /// # Errors
    /// The files cannot be written, or the rig does not forward as the walk says it should.
    pub fn rig(self, dir: &Path) -> Result<Rig> {
        match self {
            Walk::Flow1 => flows(dir, &[], 2),
            Walk::Flows1000 => flows(dir, &[FieldId::EthSrc, FieldId::EthDst], 2000),
            Walk::TunnelEncap | Walk::TunnelOpen => self.tunnel(dir),
            _ => self.bridge(dir),
        }
    }

    /// A learning bridge with a tunnel.
    fn tunnel(self, dir: &Path) -> Result<Rig> {
        let plugs = tunnel_plugs(self, dir)?;
        let mut rig = Rig::with_tunnel(plugs, MAX_ENTRIES, Workers::Inline)?;
        for _ in 0..=2 * usize::try_from(N_TAGGED)?.div_ceil(MAX_BURST) {
            rig.round();
        }
        let (learned, n) = (rig.n_learned(), 2 * usize::try_from(N_TAGGED)?);
        ensure!(learned == n, "{learned} of {n} hosts learned");
        Ok(rig)
    }

    /// A learning bridge.
    fn bridge(self, dir: &Path) -> Result<Rig> {
        let file = |pairs: Pairs| -> Result<_> {
            let path = dir.join(format!("{:?}.pcap", pairs.direction));
            pairs.write(&path)?;
            Ok(path)
        };
        let tag = Vid::new(VID).context("VID")?;
        let forward = |n| Pairs::new(n, Direction::Forward);
        let reverse = |n| Pairs::new(n, Direction::Reverse);
        let (plugs, n, n_learned) = match self {
            Walk::Pairs1 | Walk::Pairs1000 | Walk::Pairs100000 => {
                let n = match self {
                    Walk::Pairs1 => 1,
                    Walk::Pairs1000 => 1000,
                    _ => 100_000,
                };
                let plug = |pairs| Ok(Plug::trunk(Source::Loop(file(pairs)?)));
                (vec![plug(forward(n)), plug(reverse(n))], n, 2 * n)
            }
            Walk::Push => {
                let access =
                    Plug { source: Source::Loop(file(forward(N_TAGGED))?), vlan: access(tag) };
                let trunk = Source::Once(file(reverse(N_TAGGED).tagged(tag))?);
                (vec![Ok(access), Ok(Plug::trunk(trunk))], N_TAGGED, 2 * N_TAGGED)
            }
            Walk::Pop => {
                let access =
                    Plug { source: Source::Once(file(forward(N_TAGGED))?), vlan: access(tag) };
                let trunk = Source::Loop(file(reverse(N_TAGGED).tagged(tag))?);
                (vec![Ok(access), Ok(Plug::trunk(trunk))], N_TAGGED, 2 * N_TAGGED)
            }
            _ => {
                let mut plugs = vec![Ok(Plug::trunk(Source::Loop(file(forward(1))?)))];
                plugs.extend((0..N_FLOODED).map(|_| Ok(Plug::trunk(Source::Silent))));
                (plugs, 1, 1)
            }
        };
        let plugs = plugs.into_iter().collect::<Result<Vec<_>>>()?;
        let mut rig = Rig::new(plugs, MAX_ENTRIES, Workers::Inline)?;
        // Twice through the longest file, and once for good measure.
        for _ in 0..=2 * usize::try_from(n)?.div_ceil(MAX_BURST) {
            rig.round();
        }
        let learned = rig.n_learned();
        ensure!(learned == usize::try_from(n_learned)?, "{learned} of {n_learned} hosts learned");
        Ok(rig)
    }
}

/// One end of a tunnel: what a host sends, and what comes by the wire. One of the files is played once,
/// so that its hosts are known.
pub(super) fn tunnel_plugs(walk: Walk, dir: &Path) -> Result<Vec<Plug>> {
    let [near, far] = ["near", "far"].map(|name| dir.join(format!("{name}-{walk:?}.pcap")));
    Pairs::new(N_TAGGED, Direction::Forward).write(&near)?;
    Pairs::new(N_TAGGED, Direction::Reverse).write_as(&far, |frame| tunnel::wrap(&frame))?;
    let sources = if walk == Walk::TunnelEncap {
        [Source::Loop(near), Source::Once(far)]
    } else {
        [Source::Once(near), Source::Loop(far)]
    };
    Ok(sources.into_iter().map(Plug::trunk).collect())
}

/// A bridge with flows that look at these fields, all `n_flows` of them cached.
fn flows(dir: &Path, fields: &[FieldId], n_flows: usize) -> Result<Rig> {
    let n = 1000;
    let mut plugs = Vec::new();
    for direction in [Direction::Forward, Direction::Reverse] {
        let path = dir.join(format!("{direction:?}.pcap"));
        Pairs::new(n, direction).write(&path)?;
        plugs.push(Plug::trunk(Source::Loop(path)));
    }
    let mut rig = Rig::with_flows(plugs, fields, Workers::Inline)?;
    for _ in 0..=2 * usize::try_from(n)?.div_ceil(MAX_BURST) {
        rig.round();
    }
    let cached = rig.n_flows();
    ensure!(cached == n_flows, "{cached} of {n_flows} flows cached");
    Ok(rig)
}

pub(super) fn access(tag: Vid) -> PortVlan {
    PortVlan::new(VlanMode::Access, tag, VidSet::empty())
}

/// Walks a number of rounds; frames received. Not inlined, so that a profile can start and end here.
#[inline(never)]
pub fn walk_rounds(rig: &mut Rig, n_rounds: u32) -> u64 {
    (0..n_rounds).map(|_| rig.round() as u64).sum()
}

/// Runs the program `walk` behind `wrapper`, and reads what it says.
///
/// # Errors
/// It is not built beside this program, or fails.
pub fn run(walk: Walk, n_rounds: u32, wrapper: &[&str]) -> Result<Walked> {
    let program = std::env::current_exe()?.with_file_name("walk");
    if !program.exists() {
        bail!("{} is missing (to build it: cargo build --release)", program.display());
    }
    let (name, rounds) = (walk.name(), n_rounds.to_string());
    let mut command = match wrapper {
        [] => Command::new(&program),
        [first, rest @ ..] => {
            let mut command = Command::new(first);
            command.args(rest).arg(&program);
            command
        }
    };
    let said = process::output(command.args([name, rounds]))?;
    let numbers: Vec<u64> = said.split_whitespace().flat_map(str::parse).collect();
    match numbers[..] {
        [packets, allocations] => Ok(Walked { packets, allocations }),
        _ => bail!("walk said {said:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_walk_forwards_all_it_receives() {
        for walk in Walk::all().iter().copied().filter(|walk| *walk != Walk::Pairs100000) {
            let dir = tempfile::tempdir().unwrap();
            let mut rig = walk.rig(dir.path()).unwrap();
            let before = rig.totals();
            let packets = walk_rounds(&mut rig, 10);
            let after = rig.totals();
            let copies = if walk == Walk::Flood { N_FLOODED as u64 } else { 1 };
            assert_eq!(after.rx - before.rx, packets, "{walk:?}");
            assert_eq!(after.tx - before.tx, packets * copies, "{walk:?}");
            assert_eq!(after.drops, before.drops, "{walk:?}");
        }
    }
}
