//! The flow cache: which actions a packet gets, without asking the control plane.
//!
//! ```text
//!                       few masks                 hit
//!   FlowKey ─► FlowCache ────────► MegaflowTable ─────► FlowId ─► Megaflow: actions, statistics
//!                   │                   ▲    │
//!                   │ many masks        │    │ miss
//!                   └────► Emc ─────────┘    └──► the control plane translates, and installs
//! ```
//!
//! # Design
//! A *megaflow* ([`Megaflow`]) is a key, the mask of what its translation looked at, and actions. The
//! [`MegaflowTable`] finds the megaflow that a packet matches by *tuple space search*: one hash table
//! per mask ([`subtable`]), tried in the order of their use. The search is per ingress port, since
//! the port is in every mask: a port pays for its own masks only.
//! The [`Emc`] remembers where the search of the very same key ended, which pays when a port has many
//! masks, and packets of a flow come again before those of too many others.
//!
//! Actions are a type parameter: the cache neither reads nor runs them.
//!
//! # Invariants
//! - **Sound.** What is installed is a claim of the control plane: every packet that looks the same
//!   through the mask gets the same actions. The table never widens a claim. It may narrow one, that
//!   is, install under a mask that looks at more.
//! - **Bounded.** [`Limits`] caps masks per port, and flows. No traffic makes a look-up try more
//!   subtables than the cap: beyond it a megaflow goes under a mask that is there and looks at more
//!   ([`MegaflowTable::insert`]). New subtables rank last, so that an attacker's masks stand behind
//!   those of honest traffic.
//! - **Two megaflows of one port that match one packet** are both right about it. The first that is
//!   found is taken.
//! - A megaflow carries the version of the tables that it was translated from. Whether it is still
//!   true is asked lazily, by who hits it, and by a sweep for those that nobody hits.
//! - **Keys are deep enough.** A frame that was read less deep than a mask looks has zeros where the
//!   mask expects headers, and would match megaflows of packets that have zeros there. Who looks a
//!   key up has read it as deep as [`FlowCache::depth`] says at that moment: an installation in the
//!   midst of a batch may ask for more than the keys behind it have.
//! - A hit allocates nothing and takes no lock.
//!
//! # Thread-safety
//! One poll thread owns a cache by `&mut`. Others ask for it through the thread's mailbox.

mod emc;
mod index;
mod megaflow;
mod port;
mod sweep;
mod table;
mod values;

pub mod subtable;

#[cfg(test)]
mod tests;

use core::hint::black_box;

use arrayvec::ArrayVec;
use packet::FlowKey;
use packet::flow::extract::Depth;

use crate::batch::MAX_BURST;

pub use emc::Emc;
pub use megaflow::{FlowId, FlowStats, Megaflow, Ufid};
pub use sweep::{Sweep, Verdict};
pub use table::{Claim, Installed, Limits, MegaflowTable, TableFull};

/// From this many subtables of a port on, the exact-match cache is asked first: hashing a whole key
/// costs about as much as looking into two of them.
const EMC_FROM: usize = 3;

/// The megaflows of the packets of a batch, in order.
pub type Found = ArrayVec<Option<FlowId>, MAX_BURST>;

/// The caches of one poll thread.
pub struct FlowCache<A> {
    emc: Emc,
    /// Look-ups that the exact-match cache has answered.
    emc_hits: u64,
    /// The megaflows.
    pub megaflows: MegaflowTable<A>,
}

impl<A> FlowCache<A> {
    /// Empty caches. `seed` should be random: it keeps who sends packets from choosing collisions.
    #[must_use]
    pub fn new(limits: Limits, seed: u64) -> FlowCache<A> {
        FlowCache { emc: Emc::new(seed), emc_hits: 0, megaflows: MegaflowTable::new(limits, seed) }
    }

    /// The megaflow of a packet. The key must have been read as deep as [`FlowCache::depth`].
    #[inline]
    pub fn lookup(&mut self, key: &FlowKey) -> Option<FlowId> {
        self.megaflows.lookup(key)
    }

    /// The megaflows of packets that came by one port together. The keys must have been read as deep
    /// as [`FlowCache::depth`].
    ///
    /// Each look-up waits for memory three times, one after the other: for the index, for the
    /// megaflow, and for what is done. Here all packets wait for each of them together.
    pub fn lookup_all(&mut self, keys: &[FlowKey]) -> Found {
        let mut found = Found::new();
        let Some(port) = keys.first().map(FlowKey::in_port) else { return found };
        // Most batches are of one flow, also under attack by packets that ask for many masks.
        if let Some(id) = self.megaflows.find_one(keys) {
            found.extend(keys.iter().map(|_| Some(id)));
            return found;
        }
        if self.megaflows.n_masks(port) < EMC_FROM {
            self.megaflows.lookup_all(keys, &mut found);
        } else if self.emc.pays() {
            self.lookup_remembered(keys, &mut found);
        } else {
            self.megaflows.lookup_all(keys, &mut found);
            self.emc.count(found.len(), 0);
        }
        found
    }

    /// The same, with the exact-match cache.
    fn lookup_remembered(&mut self, keys: &[FlowKey], found: &mut Found) {
        let hashes: ArrayVec<_, MAX_BURST> =
            keys.iter().take(MAX_BURST).map(|key| self.emc.hash(key)).collect();
        black_box(hashes.iter().fold(0, |warm, hash| warm ^ self.emc.touch(*hash)));
        let guesses: ArrayVec<_, MAX_BURST> =
            hashes.iter().map(|hash| self.emc.guess(*hash)).collect();
        let warm = |warm, id: &FlowId| warm ^ self.megaflows.touch(*id);
        black_box(guesses.iter().flatten().fold(0, warm));
        let mut n_known = 0;
        for ((key, hash), guess) in keys.iter().zip(hashes).zip(guesses) {
            let known = guess.filter(|id| self.megaflows.matches(*id, key));
            n_known += usize::from(known.is_some());
            let id = known.or_else(|| {
                let id = self.megaflows.lookup(key)?;
                self.emc.insert(hash, id);
                Some(id)
            });
            found.push(id);
        }
        self.emc_hits += n_known as u64;
        self.emc.count(keys.len(), n_known);
    }

    /// Look-ups that the exact-match cache has answered.
    #[must_use]
    pub const fn emc_hits(&self) -> u64 {
        self.emc_hits
    }

    /// How deep frames must be read for the masks that are installed.
    #[must_use]
    pub const fn depth(&self) -> Depth {
        self.megaflows.depth()
    }
}
