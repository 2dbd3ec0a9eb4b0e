//! What has changed in a table lately.
//!
//! # Design
//! That a table has changed says nothing of most cached flows: only packets that a changed rule matches
//! can fare otherwise. A table keeps the matches of its last [`CAPACITY`] changes with their versions.
//! Who holds a translation that looked a packet up in the table asks whether one of the changes since
//! then could have matched; who asks for longer ago than is remembered is told that it could.
//!
//! # Invariants
//! Every change of a version above `forgotten` is remembered. So "no" is certain, and "yes" is not.
//!
//! # Thread-safety
//! A value like any other; [`Table`](super::tables::Table) keeps it under a lock.

use std::collections::VecDeque;

use datapath::snapshot::Version;
use packet::{FlowKey, FlowMask, FlowMatch};

/// Changes that are remembered.
pub const CAPACITY: usize = 64;

/// A word of a match: its index, its bits, and which of them count.
type Look = (usize, u64, u64);

#[derive(Debug)]
struct Change {
    version: Version,
    looks: Box<[Look]>,
}

impl Change {
    /// Whether a packet can have the bits of the match and those of `key` that `known` names.
    fn may_match(&self, key: &FlowKey, known: &FlowMask) -> bool {
        let looks = self.looks.iter();
        looks.copied().all(|(at, bits, mask)| (bits ^ key.word(at)) & mask & known.word(at) == 0)
    }
}

/// The last changes of a table.
#[derive(Debug, Default)]
pub struct Recent {
    changes: VecDeque<Change>,
    forgotten: Version,
}

impl Recent {
    /// Remembers that a rule with this match came, went or was changed.
    pub fn note(&mut self, version: Version, of: &FlowMatch) {
        if self.changes.len() >= CAPACITY
            && let Some(oldest) = self.changes.pop_front()
        {
            self.forgotten = oldest.version;
        }
        let looks = of.mask().iter().map(|(at, mask)| (at, of.key().word(at), mask)).collect();
        self.changes.push_back(Change { version, looks });
    }

    /// Remembers that there were changes, and not what.
    pub fn forget(&mut self, version: Version) {
        self.changes.clear();
        self.forgotten = version;
    }

    /// See [`Table::may_affect`](super::tables::Table::may_affect).
    #[must_use]
    pub fn may_affect(&self, since: Version, key: &FlowKey, known: &FlowMask) -> bool {
        let newer = self.changes.iter().rev().take_while(|change| change.version > since);
        since < self.forgotten || newer.into_iter().any(|change| change.may_match(key, known))
    }
}

#[cfg(test)]
mod tests {
    use openflow::text::parse_match;
    use packet::flow::FieldId;

    use super::*;

    fn of(text: &str) -> FlowMatch {
        parse_match(text).unwrap()
    }

    #[test]
    fn only_what_a_change_could_match_is_affected() {
        let mut recent = Recent::default();
        recent.note(Version(5), &of("ip,nw_src=10.0.0.0/8"));
        let may = |recent: &Recent, since, text: &str| {
            let cached = of(text);
            recent.may_affect(Version(since), cached.key(), cached.mask())
        };
        assert!(may(&recent, 4, "ip,nw_src=10.1.2.3"));
        assert!(may(&recent, 4, "ip"));
        assert!(may(&recent, 4, "in_port=3"));
        assert!(may(&recent, 4, "ip,nw_src=0.0.0.0/4"));
        assert!(!may(&recent, 4, "ip,nw_src=11.1.2.3"));
        assert!(!may(&recent, 4, "arp"));
        assert!(!may(&recent, 5, "ip,nw_src=10.1.2.3"));
        recent.note(Version(6), &of("arp"));
        assert!(may(&recent, 4, "ip,nw_src=10.1.2.3") && !may(&recent, 5, "ip,nw_src=10.1.2.3"));
        recent.forget(Version(7));
        assert!(may(&recent, 6, "ip,nw_src=11.1.2.3") && !may(&recent, 7, "ip,nw_src=11.1.2.3"));
    }

    #[test]
    fn what_was_forgotten_affects_everything() {
        let mut recent = Recent::default();
        for version in 1..=CAPACITY as u64 + 1 {
            recent.note(Version(version), &of("arp"));
        }
        let cached = of("ip");
        let may = |since| recent.may_affect(Version(since), cached.key(), cached.mask());
        assert!(may(0) && !may(1) && !may(2));
    }

    #[test]
    fn every_packet_that_a_change_matches_is_affected() {
        let mut recent = Recent::default();
        let change = of("tcp,nw_dst=10.0.0.0/9,tp_dst=80,reg0=5");
        recent.note(Version(2), &change);
        let mut state = 7_u64;
        for _ in 0..1000 {
            let mut known = FlowMask::EMPTY;
            for field in [FieldId::EthType, FieldId::Ipv4Dst, FieldId::TcpDst, FieldId::Reg0] {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                known.add_bits(field, u128::from(state >> 20));
            }
            assert!(recent.may_affect(Version(1), change.key(), &known));
        }
    }
}
