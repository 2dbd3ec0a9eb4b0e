//! Frames that wait for their way to be known.
//!
//! # Design
//! A frame for a remote host whose neighbour is being asked for is kept a while, so that the first
//! packet of a conversation is not the one that is lost. There is one queue per poll thread, short:
//! whoever sends to hosts that are not there costs the others nothing but a place in it. When a newer
//! snapshot is taken, every frame tries again.
//!
//! A flow may name a remote that nobody has looked for, or a packet may come from a host of a segment
//! that is not known: then it is [`Wanted`], and the control plane is told, once per snapshot and second.
//!
//! # Invariants
//! No more than [`MAX_WAITING`] frames, and none for much longer than [`MAX_WAIT_NS`].

use core::net::IpAddr;
use std::collections::VecDeque;
use std::sync::Arc;

use arrayvec::ArrayVec;
use packet::MacAddr;
use packet::tunnel::TunnelKey;

use crate::drop_reason::DropReason;
use crate::frame::Frame;
use crate::ids::PortNo;

/// Most frames that wait.
pub const MAX_WAITING: usize = 64;
/// How long a frame waits.
pub const MAX_WAIT_NS: u64 = 3_000_000_000;
/// Most remotes that are asked for until the next snapshot.
const MAX_WANTED: usize = 32;
/// After how long a remote is asked for again.
const ASK_AGAIN_NS: u64 = 1_000_000_000;

/// What the control plane is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wanted {
    /// The way to a remote host, and from which of this host's addresses, if the flow says that.
    Path(IpAddr, Option<IpAddr>),
    /// That the kernel be told where a next hop is, which has said so by a port.
    Neighbour(PortNo, (IpAddr, MacAddr)),
    /// A number for a remote host of a segment.
    Remote {
        /// The port of the segment.
        port: PortNo,
        /// The host.
        remote: IpAddr,
        /// The virtual network.
        id: u64,
    },
}

/// What a frame waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Going {
    /// To leave by the tunnel port.
    Out,
    /// To arrive at it, from a remote host that has no number yet.
    In,
}

/// A frame that waits.
pub struct Waiter {
    /// The frame.
    pub frame: Frame,
    /// The tunnel port that it is to leave by, or has come by.
    pub port: PortNo,
    /// Which of the two.
    pub going: Going,
    /// What its flow says, or its outer headers said.
    pub key: Option<Arc<TunnelKey>>,
    /// Since when, nanoseconds of the engine's clock.
    pub since_ns: u64,
    /// Why it is lost if nothing changes.
    pub reason: DropReason,
}

/// The queue of one poll thread.
pub struct Waiting {
    queue: VecDeque<Waiter>,
    wanted: ArrayVec<Wanted, MAX_WANTED>,
    /// How many of `wanted` have been told.
    n_told: usize,
    asked_ns: u64,
}

impl Default for Waiting {
    fn default() -> Self {
        let queue = VecDeque::with_capacity(MAX_WAITING);
        Waiting { queue, wanted: ArrayVec::new(), n_told: 0, asked_ns: 0 }
    }
}

impl Waiting {
    /// Whether nobody waits.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Takes a frame in; the oldest, if there was no room.
    #[must_use]
    pub fn push(&mut self, waiter: Waiter) -> Option<Waiter> {
        let oldest = if self.queue.len() >= MAX_WAITING { self.queue.pop_front() } else { None };
        self.queue.push_back(waiter);
        oldest
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// The one that has waited longest.
    pub fn pop(&mut self) -> Option<Waiter> {
        self.queue.pop_front()
    }

    /// The one that has waited longest, if it has waited for too long.
    pub fn pop_expired(&mut self, now_ns: u64) -> Option<Waiter> {
        let first = self.queue.front()?;
        (now_ns.saturating_sub(first.since_ns) >= MAX_WAIT_NS).then(|| self.queue.pop_front())?
    }

    /// Notes that a way is wanted.
    pub fn want(&mut self, wanted: Wanted, now_ns: u64) {
        if now_ns.saturating_sub(self.asked_ns) >= ASK_AGAIN_NS {
            self.forget_wanted();
            self.asked_ns = now_ns;
        }
        // Of a neighbour, the first word counts until then.
        let is_same = |known: &Wanted| match (known, wanted) {
            (Wanted::Neighbour(port, (ip, _)), Wanted::Neighbour(no, (heard, _))) => {
                (*port, *ip) == (no, heard)
            }
            _ => *known == wanted,
        };
        if !self.wanted.iter().any(is_same) {
            // One too many is asked for later, by the next packet.
            let _ = self.wanted.try_push(wanted);
        }
    }

    /// A newer snapshot was taken: what it does not have is wanted anew.
    pub fn forget_wanted(&mut self) {
        self.wanted.clear();
        self.n_told = 0;
    }

    /// A way that is wanted and of which the control plane was not told.
    pub fn next_wanted(&mut self) -> Option<Wanted> {
        let wanted = self.wanted.get(self.n_told).copied()?;
        self.n_told += 1;
        Some(wanted)
    }
}
