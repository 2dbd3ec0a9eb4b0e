//! The atomics of the hash table: those of std, or loom's when its model checker runs.

#[cfg(loom)]
pub use ::loom::{
    hint::spin_loop, sync::atomic::AtomicU64, sync::atomic::AtomicUsize, sync::atomic::Ordering,
    sync::atomic::fence,
};
#[cfg(not(loom))]
pub use std::{
    hint::spin_loop, sync::atomic::AtomicU64, sync::atomic::AtomicUsize, sync::atomic::Ordering,
    sync::atomic::fence,
};
