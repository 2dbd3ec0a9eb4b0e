//! GROUP_MOD, and what is answered about groups.
//!
//! # Design
//! A group is replaced, never changed: translations hold the one that they saw. The new one goes on
//! with the counters of the old one, bucket by bucket number. Groups may lead to groups that are not
//! there yet; what leads back to itself is refused.
//!
//! # References
//! OpenFlow 1.3.5 §5.6, §6.7; 1.5.1 §6.7 (buckets); `ofproto/ofproto.c`, `handle_group_mod`.

use std::collections::BTreeSet;
use std::sync::Arc;

use datapath::action::select::Slots;
use openflow::OfPort;
use openflow::OfpError;
use openflow::flow::{GROUP_ANY, RemovedReason};
use openflow::group::{
    Bucket, BucketStats, GROUP_ALL, GROUP_MAX, GroupCommand, GroupDesc, GroupFeatures, GroupMod,
    GroupStats, GroupType,
};

use super::event::age;
use super::table_features::action_bits;
use super::uses::{Use, all};
use super::{Cx, Ofproto, buckets};
use crate::ofproto::group::Group;
use crate::ofproto::rule::Counts;

/// Groups of a bridge at most.
const MAX_GROUPS: usize = 1 << 17;

impl Ofproto {
    pub(super) fn group_mod(&mut self, cx: &mut Cx<'_>, to: &GroupMod) -> Result<(), OfpError> {
        let id = to.group.id;
        let old = self.groups.get(&id).cloned();
        let desc = match (to.command, &old) {
            (GroupCommand::Delete, _) => {
                self.delete_groups(cx, id);
                return Ok(());
            }
            (GroupCommand::Add, Some(_)) => return Err(OfpError::GmfGroupExists),
            (GroupCommand::Add, None)
            | (GroupCommand::Modify, Some(_))
            | (GroupCommand::AddOrModify, _) => to.group.clone(),
            (GroupCommand::InsertBucket, Some(old)) => buckets::insert(&old.desc, to)?,
            (GroupCommand::RemoveBucket, Some(old)) => buckets::remove(&old.desc, to)?,
            (_, None) => return Err(OfpError::GmfUnknownGroup),
        };
        if old.is_none() && self.groups.len() >= MAX_GROUPS {
            return Err(OfpError::GmfOutOfGroups);
        }
        check(&to.group, to.command)?;
        self.check_loop(&desc)?;
        self.put_group(id, Some(Arc::new(group(desc, old.as_deref(), cx.now_ns))));
        Ok(())
    }

    /// Whether a group would lead back to itself, by what it does or by what it watches.
    fn check_loop(&self, desc: &GroupDesc) -> Result<(), OfpError> {
        let mut seen = BTreeSet::new();
        let mut todo = targets(desc);
        while let Some(next) = todo.pop() {
            if next == desc.id {
                return Err(OfpError::GmfLoop);
            }
            if let Some(group) = self.groups.get(&next)
                && seen.insert(next)
            {
                todo.extend(targets(&group.desc));
            }
        }
        Ok(())
    }

    pub(super) fn delete_groups(&mut self, cx: &mut Cx<'_>, id: u32) {
        let ids: Vec<u32> = match id {
            GROUP_ALL => self.groups.keys().copied().collect(),
            id => vec![id],
        };
        for id in ids {
            if !self.groups.contains_key(&id) {
                continue;
            }
            for flow in self.store.users(Use::Group(id)) {
                self.remove_flow(cx, flow, RemovedReason::GroupDelete);
            }
            self.put_group(id, None);
        }
    }

    fn groups_of(&self, id: u32) -> Vec<&Arc<Group>> {
        match id {
            GROUP_ALL => self.groups.values().collect(),
            id => self.groups.get(&id).into_iter().collect(),
        }
    }

    /// OFPMP_GROUP.
    pub(super) fn group_stats(&self, now_ns: u64, id: u32) -> Vec<GroupStats> {
        let stats = |group: &Arc<Group>| {
            let bucket = |counts: &Arc<Counts>| BucketStats {
                packets: counts.packets(),
                bytes: counts.bytes(),
            };
            let n_users = self.store.n_users(Use::Group(group.desc.id));
            GroupStats {
                id: group.desc.id,
                ref_count: u32::try_from(n_users).unwrap_or(u32::MAX),
                packets: group.counts.packets(),
                bytes: group.counts.bytes(),
                duration: age(now_ns, group.created_ns),
                buckets: group.buckets.iter().map(bucket).collect(),
            }
        };
        self.groups_of(id).into_iter().map(stats).collect()
    }

    /// OFPMP_GROUP_DESC.
    pub(super) fn group_descs(&self, id: u32) -> Vec<GroupDesc> {
        self.groups_of(id).into_iter().map(|group| group.desc.clone()).collect()
    }
}

/// What a message may not say of a group, whatever groups there are.
fn check(desc: &GroupDesc, command: GroupCommand) -> Result<(), OfpError> {
    let is_live = |b: &Bucket| b.watch_port != OfPort::NONE || b.watch_group != GROUP_ANY;
    let is_whole = !matches!(command, GroupCommand::InsertBucket | GroupCommand::RemoveBucket);
    if desc.id > GROUP_MAX {
        return Err(OfpError::GmfInvalidGroup);
    }
    if is_whole
        && matches!(desc.kind, GroupType::All | GroupType::Indirect)
        && desc.buckets.iter().any(is_live)
    {
        return Err(OfpError::GmfWatchUnsupported);
    }
    if is_whole && desc.kind != GroupType::Select && desc.buckets.iter().any(|b| b.weight != 0) {
        return Err(OfpError::GmfInvalidGroup);
    }
    buckets::check_numbers(&desc.buckets)
}

/// The groups that a group leads to.
fn targets(desc: &GroupDesc) -> Vec<u32> {
    let mut targets = Vec::new();
    for bucket in &desc.buckets {
        for of in all(&bucket.actions) {
            if let Use::Group(id) = of {
                targets.push(id);
            }
        }
        if bucket.watch_group != GROUP_ANY {
            targets.push(bucket.watch_group);
        }
    }
    targets
}

fn group(desc: GroupDesc, old: Option<&Group>, now_ns: u64) -> Group {
    let weights: Vec<u16> = desc.buckets.iter().map(|bucket| bucket.weight).collect();
    let weights = if desc.kind == GroupType::Select { weights.as_slice() } else { &[] };
    let kept = |bucket: &Bucket| {
        let old = old?;
        let at = old.desc.buckets.iter().position(|other| other.id == bucket.id)?;
        old.buckets.get(at).cloned()
    };
    let buckets = desc.buckets.iter().map(|bucket| kept(bucket).unwrap_or_default()).collect();
    Group {
        slots: Arc::new(Slots::new(weights)),
        created_ns: old.map_or(now_ns, |old| old.created_ns),
        counts: old.map(|old| old.counts.clone()).unwrap_or_default(),
        buckets,
        desc,
    }
}

/// OFPMP_GROUP_FEATURES.
pub(super) fn group_features() -> GroupFeatures {
    /// OFPGFC_SELECT_WEIGHT, OFPGFC_SELECT_LIVENESS, OFPGFC_CHAINING.
    const CAPABILITIES: u32 = 7;
    let all = |kind: GroupType| 1_u32 << kind as u8;
    let kinds = [GroupType::All, GroupType::Select, GroupType::Indirect, GroupType::FastFailover];
    GroupFeatures {
        types: kinds.into_iter().map(all).sum(),
        capabilities: CAPABILITIES,
        max_groups: [GROUP_MAX; 4],
        actions: [action_bits(); 4],
    }
}
