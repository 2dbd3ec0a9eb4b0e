//! When a thread looks at idle queues, and when it sleeps.

use std::time::Duration;

/// A thread sleeps when no queue has given a frame for this long.
///
/// Long enough to bridge the gaps of a busy request–response exchange (a flood ping: 70 µs), short
/// enough that an idle switch costs nothing.
pub const SPIN: Duration = Duration::from_micros(200);

/// A queue turns idle when it has given no frame for this long.
pub const QUEUE_IDLE: Duration = Duration::from_micros(200);

/// Rounds between two looks at the idle queues of a thread that has active ones.
pub const LOOK_EVERY: u32 = 8;
