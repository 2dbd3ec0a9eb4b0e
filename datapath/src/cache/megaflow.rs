//! One entry of the megaflow table.

use core::fmt;

use packet::flow::hash::WordHash;
use packet::{FlowKey, FlowMask};

use super::values::Values;
use crate::snapshot::Version;

/// Names a megaflow within its table. Numbers are used again after removal: who keeps one compares
/// the packet before he trusts it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FlowId(pub(super) u32);

impl FlowId {
    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }

    #[cfg(test)]
    pub(crate) fn from_index(index: usize) -> FlowId {
        FlowId(u32::try_from(index).unwrap_or(u32::MAX))
    }
}

/// Names a megaflow to the outside, by what it matches: the same match has the same name in every
/// thread.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ufid(pub u128);

impl Ufid {
    /// The name of what `mask` sees of `key`.
    #[must_use]
    pub fn of(key: &FlowKey, mask: &FlowMask, seed: u64) -> Ufid {
        let half = |seed: u64| {
            let [low, high] = mask.nonzero().bits();
            let start = WordHash::new(seed).add(low).add(high);
            let fold = |hash: WordHash, (at, bits)| hash.add(bits).add(key.word(at) & bits);
            u128::from(mask.iter().fold(start, fold).finish())
        };
        Ufid(half(seed) << 64 | half(!seed))
    }
}

impl fmt::Display for Ufid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.0;
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            n >> 96,
            n >> 80 & 0xffff,
            n >> 64 & 0xffff,
            n >> 48 & 0xffff,
            n & 0xffff_ffff_ffff
        )
    }
}

impl fmt::Debug for Ufid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a megaflow has seen, in one thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FlowStats {
    /// Packets.
    pub packets: u64,
    /// Bytes of frames.
    pub bytes: u64,
    /// When the last packet came, by the thread's clock; 0: never.
    pub used_ns: u64,
    /// TCP flags of all packets, or-ed.
    pub tcp_flags: u16,
}

impl FlowStats {
    /// Counts a packet, or those of a batch: `bytes` and `tcp_flags` of all together.
    #[inline]
    pub const fn add(&mut self, packets: u64, bytes: u64, tcp_flags: u16, now_ns: u64) {
        self.packets += packets;
        self.bytes += bytes;
        self.tcp_flags |= tcp_flags;
        self.used_ns = now_ns;
    }
}

/// A key, a mask, and what is done with the packets that match.
#[derive(Debug)]
pub struct Megaflow<A> {
    /// The hash in its subtable.
    pub(super) hash: u64,
    /// The subtable, within the port's.
    pub(super) subtable: u32,
    pub(super) port: u32,
    pub(super) values: Values,
    /// What it has seen.
    pub stats: FlowStats,
    /// The tables that its actions come from.
    pub version: Version,
    /// When it was installed.
    pub created_ns: u64,
    /// What is done.
    pub actions: A,
}

impl<A> Megaflow<A> {
    /// Reads a word of each cache line that a hit needs; the value has no meaning.
    #[inline]
    pub(super) fn touch(&self) -> u64 {
        self.values.as_slice().first().copied().unwrap_or(0) ^ self.stats.packets ^ self.version.0
    }

    /// Whether it was translated from the tables of `version` or later. If not, it must be checked
    /// against what has changed since, before it is used.
    #[must_use]
    #[inline]
    pub const fn is_current(&self, version: Version) -> bool {
        self.version.0 >= version.0
    }

    /// The port that its packets come by.
    #[must_use]
    pub const fn port(&self) -> u32 {
        self.port
    }

    /// When it was last of use: used, or installed.
    #[must_use]
    pub const fn last_ns(&self) -> u64 {
        if self.stats.used_ns > self.created_ns { self.stats.used_ns } else { self.created_ns }
    }
}
