//! A group at work: what it was told to do, and what it has counted.
//!
//! # Thread-safety
//! Never changed once published, but for its counters, which any thread may add to.

use std::sync::Arc;

use datapath::action::select::Slots;
use openflow::group::GroupDesc;

use super::rule::Counts;

/// A group.
#[derive(Debug)]
pub struct Group {
    /// What it was told to do.
    pub desc: GroupDesc,
    /// For a select group: the shares of its buckets, in their order.
    pub slots: Arc<Slots>,
    /// When it was added, nanoseconds of the engine's clock.
    pub created_ns: u64,
    /// What it has seen; kept when it is changed.
    pub counts: Arc<Counts>,
    /// What each bucket has seen, in their order.
    pub buckets: Vec<Arc<Counts>>,
}
