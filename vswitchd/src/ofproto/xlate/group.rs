//! Groups.
//!
//! # Design
//! A bucket's actions are an action set, and are done for a copy of the packet. Which bucket of a
//! *select* group a packet gets is left to the datapath, by a hash: all buckets are walked, each into a
//! list of its own, with a tally that counts what came to it. The first live bucket of a *fast failover*
//! group is chosen here, since the ports' state is known.
//!
//! # References
//! OpenFlow 1.5.1 §5.10; `ofproto/ofproto-dpif-xlate.c` of Open vSwitch, `xlate_group_action__`.

use std::sync::Arc;

use datapath::action::select::{Bucket as DpBucket, HashBy};
use datapath::action::{Select, Tally};
use datapath::{Action, Actions, DropReason, PortNo};
use openflow::OfPort;
use openflow::flow::GROUP_ANY;
use openflow::group::{Bucket, GroupType};
use packet::FlowMask;

use super::action_set::in_order;
use super::depends::Dependency;
use super::report::Kind;
use super::state::{Place, Xlate};
use crate::ofproto::group::Group;
use crate::ofproto::ledger::Credit;

/// Groups within each other when asking whether one is alive.
const MAX_LIVENESS_DEPTH: u16 = 16;

impl Xlate<'_> {
    /// `group`.
    pub(super) fn group(&mut self, id: u32) {
        if !self.may_descend() {
            return;
        }
        self.depends.insert(Dependency::Groups(self.bridge.id));
        let bridge = self.bridge;
        let Some(group) = bridge.groups.get(&id) else {
            return self.report.say(Kind::Detail, || format!("group {id} does not exist"));
        };
        self.credits.push(Credit::Counts(Arc::clone(&group.counts)));
        self.depth += 1;
        match group.desc.kind {
            GroupType::All => (0..group.desc.buckets.len()).for_each(|at| self.bucket(group, at)),
            GroupType::Indirect => self.bucket(group, 0),
            GroupType::FastFailover => self.first_live(group),
            GroupType::Select => self.select(group),
        }
        self.depth -= 1;
    }

    fn first_live(&mut self, group: &Group) {
        let live = (0..group.desc.buckets.len())
            .find(|at| group.desc.buckets.get(*at).is_some_and(|b| self.is_bucket_live(b, 0)));
        match live {
            Some(at) => {
                let id = group.desc.buckets.get(at).map(|bucket| bucket.id);
                let id = id.unwrap_or_default();
                self.report.say(Kind::Detail, || format!("using bucket {id}"));
                self.bucket(group, at);
            }
            None => self.report.say(Kind::Detail, || "no live bucket".to_owned()),
        }
    }

    /// Does what a bucket says for a copy of the packet.
    fn bucket(&mut self, group: &Group, at: usize) {
        let (Some(bucket), Some(counts)) = (group.desc.buckets.get(at), group.buckets.get(at))
        else {
            return;
        };
        self.credits.push(Credit::Counts(Arc::clone(counts)));
        let list = self.bucket_list(bucket);
        self.put_aside(list);
    }

    fn bucket_list(&mut self, bucket: &Bucket) -> Vec<Action> {
        self.report.say(Kind::Bucket, || format!("bucket {}", bucket.id));
        self.report.enter();
        let (place, exited) = (self.place, self.is_exited);
        let set = std::mem::take(&mut self.action_set);
        let list = self.aside(|xlate| {
            xlate.place = Place::Group;
            xlate.run_list(&in_order(&bucket.actions));
            xlate.run_action_set();
        });
        (self.place, self.is_exited, self.action_set) = (place, exited, set);
        self.report.leave();
        list
    }

    fn select(&mut self, group: &Group) {
        let mut buckets = Vec::with_capacity(group.desc.buckets.len());
        for (bucket, counts) in group.desc.buckets.iter().zip(&group.buckets) {
            let tally = Arc::<Tally>::default();
            let credits = std::mem::take(&mut self.credits);
            let mut list = vec![Action::Count(Arc::clone(&tally))];
            list.extend(self.bucket_list(bucket));
            let mut own = std::mem::replace(&mut self.credits, credits);
            own.push(Credit::Counts(Arc::clone(counts)));
            self.tallies.push((tally, own));
            let watch = self.watched(bucket);
            let actions = Actions::new(list, DropReason::PipelineDrop);
            buckets.push(DpBucket { watch, actions });
        }
        self.commit();
        let slots = Arc::clone(&group.slots);
        let hash_by = hash_by(group);
        let basis = u64::from(group.desc.id) << 32 ^ group.desc.selection.param;
        self.list.push(Action::Select(Arc::new(Select { buckets, slots, hash_by, basis })));
    }

    /// The ports of which one must be up for a bucket to be live.
    fn watched(&mut self, bucket: &Bucket) -> Box<[PortNo]> {
        let mut ports = Vec::new();
        self.watch(bucket, 0, &mut ports);
        if ports.is_empty() && is_watching(bucket) {
            // A port that is not there is never up.
            ports.extend(PortNo::new(PortNo::MAX));
        }
        ports.into()
    }

    fn watch(&mut self, bucket: &Bucket, depth: u16, ports: &mut Vec<PortNo>) {
        self.depends.insert(Dependency::Ports(self.bridge.id));
        ports.extend(self.bridge.ports.get(&bucket.watch_port).map(|port| port.no));
        let bridge = self.bridge;
        let group = bridge.groups.get(&bucket.watch_group);
        if let Some(group) = group.filter(|_| depth < MAX_LIVENESS_DEPTH) {
            group.desc.buckets.iter().for_each(|bucket| self.watch(bucket, depth + 1, ports));
        }
    }

    fn is_bucket_live(&mut self, bucket: &Bucket, depth: u16) -> bool {
        if !is_watching(bucket) {
            return true;
        }
        if bucket.watch_port != OfPort::NONE && self.is_live(bucket.watch_port) {
            return true;
        }
        let bridge = self.bridge;
        let group = bridge.groups.get(&bucket.watch_group);
        group.is_some_and(|group| {
            depth < MAX_LIVENESS_DEPTH
                && group.desc.buckets.iter().any(|bucket| self.is_bucket_live(bucket, depth + 1))
        })
    }
}

fn is_watching(bucket: &Bucket) -> bool {
    bucket.watch_port != OfPort::NONE || bucket.watch_group != GROUP_ANY
}

/// What of a packet a group hashes.
fn hash_by(group: &Group) -> HashBy {
    let selection = &group.desc.selection;
    if selection.method != "hash" {
        return HashBy::Flow;
    }
    if selection.fields.is_empty() {
        return HashBy::Symmetric;
    }
    let mut mask = FlowMask::EMPTY;
    for (field, bits) in &selection.fields {
        mask.add_bits(*field, *bits);
    }
    HashBy::Fields(Box::new(mask))
}
