//! One rule of a table.

use datapath::snapshot::Version;
use packet::FlowMatch;

use super::subtable::Place;

/// What decides between rules that match: the higher one. OpenFlow's are 0 to 65535; above lie the
/// switch's own.
pub type Priority = u32;

/// Names a rule within its table, until it is purged or discarded.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RuleId(u32);

impl RuleId {
    /// Not above any other.
    pub const FIRST: RuleId = RuleId(0);

    pub(super) fn new(index: usize) -> RuleId {
        RuleId(u32::try_from(index).unwrap_or(u32::MAX))
    }

    /// As an index.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A match with a priority, and what it does.
#[derive(Debug)]
pub struct Rule<T> {
    priority: Priority,
    added: Version,
    retired: Option<Version>,
    pub(super) place: Place,
    /// How many rules the table had got before this one.
    pub(super) born: u64,
    /// The words of the key that the mask looks at, packed.
    pub(super) values: Box<[u64]>,
    /// The next rule with the same key and mask: of lower priority, or of the same and older.
    pub(super) next: Option<RuleId>,
    /// What it does.
    pub what: T,
}

impl<T> Rule<T> {
    pub(super) fn new(
        of: &FlowMatch,
        priority: Priority,
        added: Version,
        what: T,
        (place, born): (Place, u64),
    ) -> Rule<T> {
        let values = of.mask().iter().map(|(at, _)| of.key().word(at)).collect();
        Rule { priority, added, retired: None, place, born, values, next: None, what }
    }

    /// What decides between rules that match.
    #[must_use]
    pub const fn priority(&self) -> Priority {
        self.priority
    }

    /// Whether a version sees it.
    #[must_use]
    pub fn is_seen_by(&self, version: Version) -> bool {
        self.added <= version && self.retired.is_none_or(|retired| version < retired)
    }

    /// The first version that does not see it any more.
    #[must_use]
    pub const fn retired_from(&self) -> Option<Version> {
        self.retired
    }

    /// Whether it was not retired before.
    pub(super) fn retire(&mut self, from: Version) -> bool {
        self.retired.replace(from).is_none()
    }

    pub(super) fn restore(&mut self) {
        self.retired = None;
    }
}
