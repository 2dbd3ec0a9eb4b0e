//! Benchmarks: the switch, measured beside its peers on the same machine in the same minutes.
//!
//! # Design
//! `bench CASE` runs one case of [`cases`] and prints a table; everything that a reader needs to
//! believe it (commit, CPU, kernel, command, versions of the peers, time stolen by the hypervisor)
//! is kept beside it by [`record`]. Switches run in turn, A B A B …, so that a slow minute of the
//! machine hits each; ratios are taken round by round ([`stats`]). What a case needs is made by it:
//! frames ([`traffic`], [`tunnel`]), a switch in process ([`rig`]) or as a process ([`switch`]), hosts ([`lab`])
//! and guests ([`guest`]).
//!
//! # Invariants
//! Everything outside the process bears the run's own prefix ([`lab::prefix`]) and is removed at its
//! end, also when it fails or is interrupted.

pub mod cases;
pub mod guest;
pub mod lab;
pub mod packages;
pub mod pktgen;
pub mod process;
pub mod record;
pub mod rig;
pub mod rng;
pub mod stats;
pub mod switch;
pub mod table;
pub mod traffic;
pub mod tunnel;
