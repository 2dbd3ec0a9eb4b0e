//! The cases: what each measures is said in its file.

pub mod allocs;
pub mod capture;
pub mod engine;
pub mod flows;
pub mod footprint;
pub mod forward;
pub mod generator;
pub mod guests;
pub mod hosts;
pub mod instructions;
pub mod overlay;
pub mod patch;
pub mod tunnel;
pub mod upcalls;
pub mod vhost;
pub mod vlan;
pub mod walk;

use std::time::Duration;

use anyhow::Result;

use crate::packages::{Missing, Need, require};
use crate::switch::HugePages;

/// Whether peers are measured too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Peers {
    /// In turn with our switch; what is missing is installed.
    Beside,
    /// Our switch alone.
    Without,
}

/// What all cases share.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether peers are measured.
    pub peers: Peers,
    /// How often each switch is measured.
    pub n_rounds: usize,
    /// How long each time.
    pub measure: Duration,
    /// The CPU that a pinned poll thread is bound to.
    pub cpu: usize,
    /// The CPUs, as a hexadecimal mask, for receive packet steering in every switch's hosts and ports.
    pub rps: String,
}

impl Options {
    /// Whom a case measures: our own ways, and the peers if they are asked for.
    #[must_use]
    pub fn contestants<T: Clone>(&self, own: &[T], peers: &[T]) -> Vec<T> {
        match self.peers {
            Peers::Beside => [own, peers].concat(),
            Peers::Without => own.to_vec(),
        }
    }

    /// Huge pages, for as long as the peers that need them are measured.
    ///
    /// # Errors
    /// As [`HugePages::reserve`].
    pub fn pages_for_peers(&self) -> Result<Option<HugePages>> {
        (self.peers == Peers::Beside).then(HugePages::reserve).transpose()
    }

    /// Sees to it that a case can run.
    ///
    /// # Errors
    /// Something is missing: peers are installed when they are asked for, tools never without them.
    pub fn require(&self, tools: &[Need], peers: &[Need]) -> Result<()> {
        match self.peers {
            Peers::Beside => require(&[tools, peers].concat(), Missing::Install),
            Peers::Without => {
                if let Err(absent) = require(peers, Missing::Report) {
                    eprintln!("bench: no peers: {absent}");
                }
                require(tools, Missing::Report)
            }
        }
    }
}

/// Says how far the bench is, on standard error.
pub(crate) fn progress(round: usize, n_rounds: usize, what: &str) {
    eprintln!("bench: round {} of {n_rounds}: {what}", round + 1);
}
