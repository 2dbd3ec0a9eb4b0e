//! Up to [`MAX_BURST`] frames that travel together.

use arrayvec::ArrayVec;

use crate::frame::Frame;

/// Frames per batch: one syscall, one look at the mailbox, one cache-friendly loop.
pub const MAX_BURST: usize = 32;

/// Frames that travel together. Room is fixed; a full batch is flushed before more is pushed.
pub type Batch = ArrayVec<Frame, MAX_BURST>;
