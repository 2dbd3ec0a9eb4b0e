//! Frames: move-only handles to packet buffers.
//!
//! # Design
//! All buffers lie in one memory mapping, [`FrameMemory`], cut into two size classes: small chunks for
//! ordinary frames, large ones for whole TCP segments. A [`Frame`] is one pointer; it is not `Clone`,
//! so a buffer has one owner, and the type system says who. Each poll thread draws frames from its
//! own [`FramePool`], which trades with the memory's depot in bulk; the pool is last-in first-out, so
//! that few buffers are touched and those are warm.
//!
//! Every frame has headroom in front of its data: tags and tunnel headers are written there, in place.
//!
//! # Invariants
//! A frame is given back exactly once: to a pool by [`FramePool::put`], or, where no pool is at hand,
//! by being dropped, which takes the depot's lock and is therefore kept off the hot path.
//! [`FrameMemory::n_free`] plus the frames that pools and queues hold is constant.
//!
//! # Thread-safety
//! `Frame` is `Send`. A pool belongs to one thread. The depot is locked once per [`pool::TRADE`]
//! frames.

mod loan;
mod memory;
pub mod offload;
pub mod pool;
pub mod vlan;

pub use loan::{Account, Loan};
pub use memory::{
    Frame, FrameMemory, HEADROOM, LARGE_CHUNK, MemoryError, Region, SMALL_CHUNK, SizeClass,
};
pub use offload::{Checksum, Gso, GsoKind, Offload};
pub use pool::FramePool;
