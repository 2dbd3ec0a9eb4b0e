//! Which frames of a batch have the same flow.
//!
//! # Design
//! Frames of a flow are counted and sent together, wherever they lie in the batch. Each frame is
//! looked at once: the number of its flow names a bucket, where the flows lie that were seen before.
//!
//! # Invariants
//! Each frame is in one group; groups are in the order of their first frames, and the frames of a
//! group in the order of the batch.

use arrayvec::ArrayVec;

use crate::batch::MAX_BURST;
use crate::cache::FlowId;

use super::flows::Found;

const N_BUCKETS: usize = 2 * MAX_BURST;
/// No frame, and no group.
const NONE: u8 = u8::MAX;

/// One flow's frames.
#[derive(Clone, Copy)]
pub(super) struct Group {
    /// The flow.
    pub id: Option<FlowId>,
    first: u8,
    last: u8,
    /// Another group of the same bucket.
    other: u8,
}

/// The frames of a batch, by flow.
pub(super) struct Groups {
    groups: ArrayVec<Group, MAX_BURST>,
    /// The next frame of the same flow.
    next: [u8; MAX_BURST],
}

impl Groups {
    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "both are below MAX_BURST")]
    pub fn of(found: &Found) -> Groups {
        if let Some(id) = found.first()
            && found.iter().all(|other| other == id)
        {
            return Groups::one(*id, found.len());
        }
        let mut buckets = [NONE; N_BUCKETS];
        let (mut groups, mut next) = (ArrayVec::<Group, MAX_BURST>::new(), [NONE; MAX_BURST]);
        for (n, id) in found.iter().enumerate() {
            let bucket = &mut buckets[id.map_or(0, FlowId::index) % N_BUCKETS];
            let mut at = *bucket;
            while let Some(group) = groups.get(usize::from(at))
                && group.id != *id
            {
                at = group.other;
            }
            match groups.get_mut(usize::from(at)) {
                Some(group) => {
                    next[usize::from(group.last)] = n as u8;
                    group.last = n as u8;
                }
                None => {
                    let other = core::mem::replace(bucket, groups.len() as u8);
                    groups.push(Group { id: *id, first: n as u8, last: n as u8, other });
                }
            }
        }
        Groups { groups, next }
    }

    /// So many frames of one flow: most batches are of one.
    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "both are below MAX_BURST")]
    fn one(id: Option<FlowId>, n: usize) -> Groups {
        let group = Group { id, first: 0, last: n as u8 - 1, other: NONE };
        let next = |at: usize| if at + 1 < n { at as u8 + 1 } else { NONE };
        Groups { groups: ArrayVec::from_iter([group]), next: core::array::from_fn(next) }
    }

    /// The groups, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Group> {
        self.groups.iter()
    }

    /// The flow of all frames, if it is one.
    pub fn only(&self) -> Option<&Group> {
        self.groups.first().filter(|_| self.groups.len() == 1)
    }

    /// The places of a group's frames, in order.
    #[inline]
    pub fn places(&self, group: &Group) -> impl Iterator<Item = usize> {
        let next = |at: &usize| self.next.get(*at).copied().filter(|n| *n != NONE);
        core::iter::successors(Some(usize::from(group.first)), move |at| next(at).map(usize::from))
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn equals_a_list(ids in prop::collection::vec(prop::option::of(0..200_usize), 0..=MAX_BURST)) {
            // Numbers that share buckets too.
            let found: Found =
                ids.iter().map(|id| id.map(|id| FlowId::from_index(id % 5 * N_BUCKETS + id / 40))).collect();
            let mut expected: Vec<(Option<FlowId>, Vec<usize>)> = Vec::new();
            for (n, id) in found.iter().enumerate() {
                match expected.iter_mut().find(|(of, _)| of == id) {
                    Some((_, places)) => places.push(n),
                    None => expected.push((*id, vec![n])),
                }
            }
            let groups = Groups::of(&found);
            let seen: Vec<_> =
                groups.iter().map(|group| (group.id, groups.places(group).collect::<Vec<_>>())).collect();
            prop_assert_eq!(groups.only().is_some(), seen.len() == 1);
            prop_assert_eq!(seen, expected);
        }
    }
}
