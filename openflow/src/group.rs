//! Groups: lists of buckets of actions, and how one is chosen.
//!
//! # References
//! OpenFlow 1.3.5 §5.6, §7.3.4.2, §7.3.5.8–7.3.5.10; 1.5.1 §7.3.4.3; `openflow-1.5.h` and
//! `netronome-ext.h` of Open vSwitch (selection method).

mod codec;

use core::time::Duration;

use packet::flow::FieldId;

use crate::action::OfAction;
use crate::error::OfpError;
use crate::port::OfPort;

/// Number of a group.
///
/// # Legal values
/// 0 to 0xffffff00 are groups; 0xfffffffc is all of them, 0xffffffff none.
pub const GROUP_MAX: u32 = 0xffff_ff00;
/// All groups, to delete or to ask about.
pub const GROUP_ALL: u32 = 0xffff_fffc;

/// How a group chooses (OpenFlow 1.3.5 §5.6.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum GroupType {
    /// Every bucket.
    All = 0,
    /// One, by weights.
    Select = 1,
    /// The one that there is.
    Indirect = 2,
    /// The first that is alive.
    FastFailover = 3,
}

impl GroupType {
    const ALL: [GroupType; 4] =
        [GroupType::All, GroupType::Select, GroupType::Indirect, GroupType::FastFailover];

    /// The name in `ovs-ofctl`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            GroupType::All => "all",
            GroupType::Select => "select",
            GroupType::Indirect => "indirect",
            GroupType::FastFailover => "ff",
        }
    }

    /// The type with a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<GroupType> {
        match name {
            "fast_failover" => Some(GroupType::FastFailover),
            _ => Self::ALL.into_iter().find(|kind| kind.name() == name),
        }
    }
}

/// A bucket: actions, and when they are chosen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bucket {
    /// Its number within the group; on the wire since OpenFlow 1.5.
    pub id: u32,
    /// Of a select group.
    pub weight: u16,
    /// The port whose life it depends on; [`OfPort::NONE`].
    pub watch_port: OfPort,
    /// The group whose life it depends on; [`crate::flow::GROUP_ANY`].
    pub watch_group: u32,
    /// What is done.
    pub actions: Vec<OfAction>,
}

/// Last number that a bucket may have.
pub const BUCKET_MAX: u32 = 0xffff_ff00;
/// The first bucket, in commands.
pub const BUCKET_FIRST: u32 = 0xffff_fffd;
/// The last bucket, in commands.
pub const BUCKET_LAST: u32 = 0xffff_fffe;
/// All buckets, in commands.
pub const BUCKET_ALL: u32 = 0xffff_ffff;

/// How a select group hashes: Netronome's property.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Selection {
    /// `hash` or `dp_hash`; empty: as the switch likes.
    pub method: String,
    /// Salt.
    pub param: u64,
    /// Which bits of which fields, with [`Selection::method`] `hash`.
    pub fields: Vec<(FieldId, u128)>,
}

/// What to do with a group (OpenFlow 1.5.1 §7.3.4.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u16)]
pub enum GroupCommand {
    /// A new one.
    Add = 0,
    /// Others in place of its buckets.
    Modify = 1,
    /// It goes.
    Delete = 2,
    /// More buckets, behind a bucket.
    InsertBucket = 3,
    /// Fewer buckets.
    RemoveBucket = 5,
    /// Nicira's: as modify, or as add if there is none.
    AddOrModify = 0x8000,
}

impl GroupCommand {
    const ALL: [GroupCommand; 6] = [
        GroupCommand::Add,
        GroupCommand::Modify,
        GroupCommand::Delete,
        GroupCommand::InsertBucket,
        GroupCommand::RemoveBucket,
        GroupCommand::AddOrModify,
    ];

    /// The name in `ovs-ofctl`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            GroupCommand::Add => "ADD",
            GroupCommand::Modify => "MOD",
            GroupCommand::Delete => "DEL",
            GroupCommand::InsertBucket => "INSERT_BUCKET",
            GroupCommand::RemoveBucket => "REMOVE_BUCKET",
            GroupCommand::AddOrModify => "ADD_OR_MOD",
        }
    }
}

/// GROUP_MOD.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupMod {
    /// What to do.
    pub command: GroupCommand,
    /// The group.
    pub group: GroupDesc,
    /// To insert behind it, or to remove it; [`BUCKET_ALL`] elsewhere.
    pub command_bucket: u32,
}

/// A group, as it was configured: OFPMP_GROUP_DESC reply.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupDesc {
    /// Its number.
    pub id: u32,
    /// How it chooses.
    pub kind: GroupType,
    /// From what.
    pub buckets: Vec<Bucket>,
    /// By what.
    pub selection: Selection,
}

/// What a bucket counted.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct BucketStats {
    /// Packets.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What a group counted: OFPMP_GROUP reply.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupStats {
    /// Its number.
    pub id: u32,
    /// Flows and groups that use it.
    pub ref_count: u32,
    /// Packets.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How long it exists.
    pub duration: Duration,
    /// By bucket.
    pub buckets: Vec<BucketStats>,
}

/// OFPMP_GROUP_FEATURES reply.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct GroupFeatures {
    /// Types, one bit each.
    pub types: u32,
    /// Bits of `ofp_group_capabilities`.
    pub capabilities: u32,
    /// Groups at most, by type.
    pub max_groups: [u32; 4],
    /// Actions, one bit each, by type.
    pub actions: [u32; 4],
}

impl GroupMod {
    /// What a group may not be, whatever the switch (OpenFlow 1.3.5 §5.6.1).
    ///
    /// # Errors
    /// `OFPGMFC_INVALID_GROUP`.
    pub fn check(&self) -> Result<(), OfpError> {
        let buckets = &self.group.buckets;
        let adds = matches!(
            self.command,
            GroupCommand::Add | GroupCommand::Modify | GroupCommand::AddOrModify
        );
        let failover = self.group.kind == GroupType::FastFailover;
        let watches = |bucket: &Bucket| {
            bucket.watch_port != OfPort::NONE || bucket.watch_group != crate::flow::GROUP_ANY
        };
        if adds && self.group.id > GROUP_MAX {
            return Err(OfpError::GmfInvalidGroup);
        }
        if adds && self.group.kind == GroupType::Indirect && buckets.len() != 1 {
            return Err(OfpError::GmfInvalidGroup);
        }
        if adds && failover && !buckets.iter().all(watches) {
            return Err(OfpError::GmfInvalidGroup);
        }
        Ok(())
    }
}
