//! Buckets that come into a group and go from it one by one.
//!
//! # References
//! OpenFlow 1.5.1 §6.7; `ofproto/ofproto.c`, `copy_buckets_for_insert_bucket`.

use std::collections::BTreeSet;

use openflow::OfpError;
use openflow::group::{BUCKET_ALL, BUCKET_FIRST, BUCKET_LAST, Bucket, GroupDesc, GroupMod};

/// Buckets of a group at most.
const MAX_BUCKETS: usize = 1 << 12;

/// Whether each bucket has a number of its own, and there are not too many.
pub(super) fn check_numbers(buckets: &[Bucket]) -> Result<(), OfpError> {
    let mut seen = BTreeSet::new();
    if !buckets.iter().all(|bucket| seen.insert(bucket.id)) {
        return Err(OfpError::GmfBucketExists);
    }
    if buckets.len() > MAX_BUCKETS { Err(OfpError::GmfOutOfBuckets) } else { Ok(()) }
}

fn position(buckets: &[Bucket], id: u32) -> Result<usize, OfpError> {
    buckets.iter().position(|bucket| bucket.id == id).ok_or(OfpError::GmfUnknownBucket)
}

/// The group with more buckets: first, last, or behind a bucket.
pub(super) fn insert(old: &GroupDesc, to: &GroupMod) -> Result<GroupDesc, OfpError> {
    let mut desc = old.clone();
    let at = match to.command_bucket {
        BUCKET_FIRST => 0,
        BUCKET_LAST => desc.buckets.len(),
        id => position(&desc.buckets, id)? + 1,
    };
    desc.buckets.splice(at..at, to.group.buckets.iter().cloned());
    check_numbers(&desc.buckets)?;
    Ok(desc)
}

/// The group with fewer buckets: without the first, the last, a certain one, or any.
pub(super) fn remove(old: &GroupDesc, to: &GroupMod) -> Result<GroupDesc, OfpError> {
    let mut desc = old.clone();
    match to.command_bucket {
        BUCKET_ALL => desc.buckets.clear(),
        BUCKET_FIRST => drop(desc.buckets.drain(..desc.buckets.len().min(1))),
        BUCKET_LAST => drop(desc.buckets.pop()),
        id => drop(desc.buckets.remove(position(&desc.buckets, id)?)),
    }
    Ok(desc)
}
