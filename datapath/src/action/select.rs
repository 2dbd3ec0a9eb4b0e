//! Choosing one of several buckets by a hash of the packet.
//!
//! # Design
//! [`Slots`] deals [`N_SLOTS`] slots out to the buckets by their weights, so that a hash picks in one
//! step (Webster's method, as Open vSwitch does for `dp_hash`: `ofproto/ofproto-dpif.c`,
//! `group_setup_dp_hash_table`). If the bucket of the slot is not live, the hash is hashed again, so
//! that the packets of a dead bucket spread over the others by weight, and no other packet moves.
//!
//! # Invariants
//! While no bucket goes or comes, packets alike in what is hashed go to one bucket.

use std::sync::Arc;

use packet::flow::extract::{self, Depth, VlanLimit};
use packet::flow::hash::WordHash;
use packet::flow::place;
use packet::{FlowKey, FlowMask};

use super::Actions;
use crate::ids::PortNo;

/// Slots that are dealt out: a weight is exact to a thousandth.
pub const N_SLOTS: usize = 1024;
/// How often a hash that leads to a dead bucket is hashed again, before any live one is taken.
const MAX_TRIES: usize = 16;

/// A bucket.
#[derive(Clone, Debug)]
pub struct Bucket {
    /// It is live while one of these ports is up; without any, always.
    pub watch: Box<[PortNo]>,
    /// What is done.
    pub actions: Actions,
}

/// What of a packet is hashed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum HashBy {
    /// Protocol, addresses and ports; of what is not IP, Ethernet addresses and type.
    Flow,
    /// The same, so that both directions of a connection have one hash.
    Symmetric,
    /// These fields.
    Fields(Box<FlowMask>),
}

/// Which bucket has which slot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Slots(Box<[u16]>);

impl Slots {
    /// Deals the slots out by weight; of no bucket if all weights are 0.
    #[must_use]
    pub fn new(weights: &[u16]) -> Slots {
        let mut seats = vec![0_u32; weights.len()];
        let mut slots = Vec::with_capacity(N_SLOTS);
        for _ in 0..N_SLOTS {
            // The next slot goes to who has the most weight for each of his seats and half a seat more.
            let quotient = |at: &usize| f64::from(weights[*at]) / f64::from(2 * seats[*at] + 1);
            let heavy = (0..weights.len()).filter(|at| weights[*at] > 0);
            // Of equals the first, so that the same weights give the same slots.
            let next = heavy.rev().max_by(|a, b| quotient(a).total_cmp(&quotient(b)));
            let Some(next) = next else { break };
            seats[next] += 1;
            slots.push(u16::try_from(next).unwrap_or(u16::MAX));
        }
        Slots(slots.into())
    }
}

/// A choice between buckets.
#[derive(Clone, Debug)]
pub struct Select {
    /// The buckets.
    pub buckets: Vec<Bucket>,
    /// Their shares; indices of `buckets`.
    pub slots: Arc<Slots>,
    /// What is hashed.
    pub hash_by: HashBy,
    /// Where the hash starts, so that groups behind each other choose differently.
    pub basis: u64,
}

impl Select {
    /// The bucket of a packet, if one is live.
    pub fn pick(&self, frame: &[u8], is_up: impl Fn(PortNo) -> bool) -> Option<usize> {
        let is_live = |bucket: &Bucket| {
            bucket.watch.is_empty() || bucket.watch.iter().any(|port| is_up(*port))
        };
        let at = |slot: u16| {
            let bucket = self.buckets.get(usize::from(slot))?;
            is_live(bucket).then_some(usize::from(slot))
        };
        let slots = &self.slots.0;
        let mut hash = self.hash(frame);
        for _ in 0..MAX_TRIES {
            let slot = usize::try_from(hash >> 32).ok()?.checked_rem(slots.len())?;
            if let Some(bucket) = at(slots[slot]) {
                return Some(bucket);
            }
            hash = WordHash::new(hash).finish();
        }
        slots.iter().find_map(|slot| at(*slot))
    }

    /// The hash of a packet.
    #[must_use]
    pub fn hash(&self, frame: &[u8]) -> u64 {
        let mut key = FlowKey::EMPTY;
        extract::headers(frame, Depth::L4, VlanLimit::Two, &mut key);
        match &self.hash_by {
            HashBy::Fields(mask) => key.masked(mask).hash(self.basis),
            HashBy::Flow => fold(&key, self.basis, |a, b| [a, b]),
            // Sum and difference, without a sign, do not say which came first.
            HashBy::Symmetric => fold(&key, self.basis, |a, b| [a.wrapping_add(b), a.abs_diff(b)]),
        }
    }
}

/// Hashes what names a flow. `pair` says how an end and its opposite go in.
fn fold(key: &FlowKey, basis: u64, pair: impl Fn(u64, u64) -> [u64; 2]) -> u64 {
    let mut hash = WordHash::new(basis);
    let mut add = |a, b| pair(a, b).into_iter().for_each(|word| hash = hash.add(word));
    if key.eth_type().is_ip() {
        add(key.ipv4_src().to_bits().into(), key.ipv4_dst().to_bits().into());
        for at in [0, 1] {
            add(key.word(place::IPV6_SRC + at), key.word(place::IPV6_DST + at));
        }
        add(key.tp_src().into(), key.tp_dst().into());
        hash.add(key.ip_proto().0.into()).finish()
    } else {
        add(key.eth_src().to_u64(), key.eth_dst().to_u64());
        hash.add(key.eth_type().0.into()).finish()
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use crate::action::model::udp;
    use crate::drop_reason::DropReason;
    use crate::l2::normal::lab::host;

    fn select(weights: &[u16], hash_by: HashBy) -> Select {
        let bucket = |n: usize| Bucket {
            watch: PortNo::new(u16::try_from(n).unwrap()).into_iter().collect(),
            actions: Actions::drop(DropReason::PipelineDrop),
        };
        let buckets = (0..weights.len()).map(bucket).collect();
        Select { buckets, slots: Slots::new(weights).into(), hash_by, basis: 7 }
    }

    /// Packets of 10,000 flows per bucket.
    fn counts(select: &Select, is_up: impl Fn(usize) -> bool) -> Vec<usize> {
        let mut counts = vec![0; select.buckets.len()];
        for n in 0..10_000_u16 {
            let frame = udp([host(1), host(2)], [n, 53]);
            let picked = select.pick(&frame, |port| is_up(port.index())).unwrap();
            counts[picked] += 1;
        }
        counts
    }

    #[test]
    fn shares_follow_weights() {
        let counts = counts(&select(&[1, 2, 0, 5], HashBy::Flow), |_| true);
        for (n, expected) in counts.iter().zip([1250, 2500, 0, 6250]) {
            assert!(n.abs_diff(expected) < 250, "{counts:?}");
        }
    }

    #[test]
    fn the_flows_of_a_dead_bucket_spread_and_no_other_moves() {
        let select = select(&[1, 1, 2], HashBy::Flow);
        for n in 0..2000_u16 {
            let frame = udp([host(1), host(2)], [n, 53]);
            let before = select.pick(&frame, |_| true).unwrap();
            let after = select.pick(&frame, |port| port.index() != 0).unwrap();
            assert!(after != 0 && (before == 0 || before == after));
        }
        let counts = counts(&select, |port| port != 0);
        assert!(counts[1].abs_diff(3333) < 300 && counts[2].abs_diff(6667) < 300, "{counts:?}");
        assert_eq!(select.pick(&udp([host(1), host(2)], [1, 2]), |_| false), None);
    }

    #[test]
    fn a_bucket_is_live_while_one_of_its_ports_is_up() {
        let mut select = select(&[1], HashBy::Flow);
        select.buckets[0].watch = [3, 4].into_iter().filter_map(PortNo::new).collect();
        let frame = udp([host(1), host(2)], [1, 2]);
        assert_eq!(select.pick(&frame, |port| port.get() == 4), Some(0));
        assert_eq!(select.pick(&frame, |port| port.get() == 5), None);
        select.buckets[0].watch = Box::default();
        assert_eq!(select.pick(&frame, |_| false), Some(0));
    }

    #[test]
    fn what_is_hashed_decides() {
        let (there, back) = (udp([host(1), host(2)], [10, 20]), udp([host(2), host(1)], [20, 10]));
        let symmetric = select(&[1, 1], HashBy::Symmetric);
        assert_eq!(symmetric.hash(&there), symmetric.hash(&back));
        let flow = select(&[1, 1], HashBy::Flow);
        assert_ne!(flow.hash(&there), flow.hash(&back));
        let mut mask = FlowMask::EMPTY;
        mask.add_field(packet::flow::FieldId::UdpDst);
        let fields = select(&[1, 1], HashBy::Fields(Box::new(mask)));
        let other = udp([host(3), host(4)], [99, 20]);
        assert_eq!(fields.hash(&there), fields.hash(&other));
        assert_ne!(fields.hash(&there), fields.hash(&back));
    }

    #[test]
    fn nothing_has_no_slots() {
        assert_eq!(select(&[], HashBy::Flow).pick(&[], |_| true), None);
        assert_eq!(select(&[0, 0], HashBy::Flow).pick(&[0; 60], |_| true), None);
    }
}
