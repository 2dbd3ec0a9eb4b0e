//! Frames on their way through patch ports and tunnels, from one bridge to the next.
//!
//! # Design
//! A frame that leaves by a patch port has arrived at its peer: no device, copy or queue lies between,
//! only the next bridge's turn. The stage does not call itself for it, since a chain of bridges would
//! then be a chain of calls, each with one frame. It puts the frame into a list of hops, and when it is
//! done with a batch, it takes the list's batches in order and forwards each as received by the peer;
//! what those put on the list comes after them. So the frames of one received batch move on together,
//! a generation per hop, and 32 frames that take one way remain a batch of 32.
//!
//! **Loops.** Patch ports can join bridges to a ring or a mesh, in which a broadcast goes round for
//! ever, and doubles at each turn. Two limits end it: a frame crosses at most [`MAX_HOPS`] patch ports
//! (Open vSwitch: `MAX_DEPTH`, `ofproto/ofproto-dpif-xlate.c`), and the frames of one received batch
//! cross at most [`MAX_CROSSINGS`] in all. Nothing remains in the list after a batch, so that a
//! loop costs its bounded share of the poll thread's time for each frame that enters it, and nothing
//! after that.
//!
//! Frames that leave by a tunnel port wait in the same list ([`Onward::Tunnel`]), and so do those that
//! leave by a port with addresses and may end a tunnel ([`Onward::Host`]): what becomes of them may pass
//! through bridges of this switch again, and is bounded by the same limits.
//!
//! # Invariants
//! - The list is empty between received batches.
//! - Hops are in the list in the order of their depth; frames from one patch port keep their order.
//! - It does not grow but for floods to very many tunnel ports: there are no more batches in it than
//!   frames were let in.

use std::collections::VecDeque;
use std::sync::Arc;

use packet::tunnel::TunnelKey;

use crate::batch::Batch;
use crate::frame::Frame;
use crate::ids::PortNo;
use crate::tunnel::Waiting;
use crate::tunnel::groups::Groups;

/// Most patch ports that a frame crosses.
pub const MAX_HOPS: u8 = 64;
/// Most crossings, of all frames of a received batch and their copies together.
pub const MAX_CROSSINGS: usize = 4096;
/// How many of the newest batches are looked at for one that a frame can join. A bridge that sends to
/// more patch ports by turns makes smaller batches.
const OPEN: usize = 16;

/// What becomes of frames that left by a port.
#[derive(Clone, Debug)]
pub enum Onward {
    /// They arrive at this port, the peer.
    Peer(PortNo),
    /// They go through the tunnel: as the port says, and their flow, if it says anything.
    Tunnel(Option<Arc<TunnelKey>>),
    /// They leave by the port, unless they are packets of a tunnel that ends there.
    Host,
}

impl Onward {
    /// Whether frames that go one way can travel with those that go the other.
    #[inline]
    fn is_like(&self, other: &Onward) -> bool {
        match (self, other) {
            (Onward::Peer(a), Onward::Peer(b)) => a == b,
            (Onward::Tunnel(None), Onward::Tunnel(None)) | (Onward::Host, Onward::Host) => true,
            (Onward::Tunnel(Some(a)), Onward::Tunnel(Some(b))) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }
}

/// Frames that left by one port.
pub struct Hop {
    /// The port that they left by.
    pub from: PortNo,
    /// What becomes of them.
    pub onward: Onward,
    /// Crossings, this one included.
    depth: u8,
    /// The frames.
    pub frames: Batch,
}

/// The list of one poll thread.
pub struct Hops {
    queue: VecDeque<Hop>,
    /// Crossings of the frames that are forwarded now.
    depth: u8,
    /// How many more frames are let in.
    left: usize,
    /// Frames whose way is not known yet; they stay between batches.
    pub waiting: Waiting,
    /// Room for what large segments are cut into.
    pub pieces: Vec<Frame>,
    /// Room for fragments.
    pub fragments: Vec<Frame>,
    /// Room for frames that came out of tunnels.
    pub groups: Groups,
}

impl Default for Hops {
    fn default() -> Self {
        let queue = VecDeque::with_capacity(MAX_CROSSINGS);
        let waiting = Waiting::default();
        let (pieces, fragments) = (Vec::new(), Vec::new());
        let groups = Groups::default();
        Hops { queue, depth: 0, left: MAX_CROSSINGS, waiting, pieces, fragments, groups }
    }
}

impl Hops {
    /// Whether nothing is on its way.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Sends a frame across.
    ///
    /// # Errors
    /// It has come too far, or too many have: the frame is given back.
    #[inline]
    pub fn push(&mut self, from: PortNo, onward: &Onward, frame: Frame) -> Result<(), Frame> {
        // Frames come in runs.
        let is_charged = self.is_charged(onward);
        if let Some(hop) = self.queue.back_mut()
            && (hop.from, hop.depth) == (from, self.depth + 1)
            && !hop.frames.is_full()
            && hop.onward.is_like(onward)
            && !(is_charged && self.left == 0)
        {
            self.left -= usize::from(is_charged);
            hop.frames.push(frame);
            return Ok(());
        }
        self.push_new(from, onward, frame)
    }

    /// Whether a frame counts against [`MAX_CROSSINGS`]. What a received batch sends to tunnels is bounded
    /// by the ports, as what it sends to devices.
    #[inline]
    fn is_charged(&self, onward: &Onward) -> bool {
        self.depth > 0 || !matches!(onward, Onward::Tunnel(_))
    }

    /// [`Hops::push`] of a frame that does not go where the one before went.
    #[inline(never)]
    fn push_new(&mut self, from: PortNo, onward: &Onward, frame: Frame) -> Result<(), Frame> {
        let is_charged = self.is_charged(onward);
        if self.depth >= MAX_HOPS || (is_charged && self.left == 0) {
            return Err(frame);
        }
        self.left -= usize::from(is_charged);
        let depth = self.depth + 1;
        let newest = self.queue.iter_mut().rev().take(OPEN).take_while(|hop| hop.depth == depth);
        // The first found is the newest of its kind: an older one that has room would be out of turn.
        let open = newest.into_iter().find(|hop| hop.from == from && hop.onward.is_like(onward));
        match open.filter(|hop| !hop.frames.is_full()) {
            Some(hop) => hop.frames.push(frame),
            None => {
                let (frames, onward) = (Batch::from_iter([frame]), onward.clone());
                self.queue.push_back(Hop { from, onward, depth, frames });
            }
        }
        Ok(())
    }

    /// The next frames that arrive; what they cause is one hop deeper. `None` ends the received batch.
    pub fn pop(&mut self) -> Option<Hop> {
        let hop = self.queue.pop_front();
        match &hop {
            Some(hop) => self.depth = hop.depth,
            None => {
                self.queue.clear(); // begins again at the front of its memory, which is warm
                (self.depth, self.left) = (0, MAX_CROSSINGS);
            }
        }
        hop
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::super::lab::port;
    use super::*;
    use crate::batch::MAX_BURST;
    use crate::frame::{FrameMemory, FramePool};

    fn pool() -> FramePool {
        FramePool::new(FrameMemory::new(MAX_CROSSINGS + 64, 2).unwrap())
    }

    fn push(hops: &mut Hops, pool: &mut FramePool, from: u16, name: u8) {
        let frame = pool.from_bytes(&[name]).unwrap();
        hops.push(port(from), &Onward::Peer(port(from + 100)), frame).unwrap();
    }

    fn peer(hop: &Hop) -> PortNo {
        let Onward::Peer(peer) = hop.onward else { panic!("{:?}", hop.onward) };
        peer
    }

    /// Where the next batch arrives, and the names of its frames.
    fn next(hops: &mut Hops, pool: &mut FramePool) -> Option<(u16, Vec<u8>)> {
        let hop = hops.pop()?;
        let to = peer(&hop).get();
        let names = hop.frames.iter().map(|frame| frame.data()[0]).collect();
        pool.put_all(hop.frames);
        Some((to, names))
    }

    #[test]
    fn frames_of_one_way_travel_together_also_where_ways_alternate() {
        let (mut hops, mut pool) = (Hops::default(), pool());
        for n in 0..40 {
            push(&mut hops, &mut pool, 1, n);
            push(&mut hops, &mut pool, 2, n);
        }
        let full: Vec<u8> = (0..32).collect();
        let rest: Vec<u8> = (32..40).collect();
        for (to, names) in [(101, &full), (102, &full), (101, &rest), (102, &rest)] {
            assert_eq!(next(&mut hops, &mut pool), Some((to, names.clone())));
        }
        assert!(hops.is_empty() && next(&mut hops, &mut pool).is_none());
    }

    #[test]
    fn a_generation_is_not_joined_by_the_next() {
        let (mut hops, mut pool) = (Hops::default(), pool());
        push(&mut hops, &mut pool, 1, 1);
        push(&mut hops, &mut pool, 2, 2);
        assert_eq!(next(&mut hops, &mut pool), Some((101, vec![1])));
        // Causes one that leaves by the same port as a frame of the generation before it.
        push(&mut hops, &mut pool, 2, 3);
        assert_eq!(next(&mut hops, &mut pool), Some((102, vec![2])));
        assert_eq!(next(&mut hops, &mut pool), Some((102, vec![3])));
        assert_eq!(next(&mut hops, &mut pool), None);
    }

    #[test]
    fn a_frame_goes_64_hops_and_no_further() {
        let (mut hops, mut pool) = (Hops::default(), pool());
        for _ in 0..2 {
            let mut n = 0;
            push(&mut hops, &mut pool, 1, 0);
            let last = loop {
                let mut hop = hops.pop().unwrap();
                n += 1;
                let frame = hop.frames.pop().unwrap();
                if let Err(frame) = hops.push(peer(&hop), &Onward::Peer(hop.from), frame) {
                    break frame;
                }
            };
            pool.put(last);
            assert_eq!((n, hops.is_empty()), (u32::from(MAX_HOPS), true));
            assert!(hops.pop().is_none());
        }
    }

    #[test]
    fn a_flood_to_many_tunnels_is_no_loop() {
        let (mut hops, mut pool) = (Hops::default(), pool());
        let mut send = |hops: &mut Hops, n: u16| {
            let frame = pool.from_bytes(&[0]).unwrap();
            hops.push(port(n), &Onward::Tunnel(None), frame).map_err(|frame| pool.put(frame))
        };
        let n = u16::try_from(MAX_CROSSINGS + 10).unwrap();
        assert!((0..n).all(|n| send(&mut hops, n).is_ok()));
        // What comes of the first is one hop deeper.
        let first = hops.pop().unwrap();
        assert!(matches!(first.onward, Onward::Tunnel(None)));
        hops.left = 1;
        assert!(send(&mut hops, 1).is_ok() && send(&mut hops, 1).is_err());
    }

    #[test]
    fn the_frames_of_a_batch_cross_so_often_and_no_more_without_growing_the_list() {
        let (mut hops, mut pool) = (Hops::default(), pool());
        let room = hops.queue.capacity();
        for _ in 0..3 {
            // Each in a batch of its own: more ways than are looked at.
            for n in 0..u16::try_from(MAX_CROSSINGS).unwrap() {
                push(&mut hops, &mut pool, n % (u16::try_from(OPEN).unwrap() + 1), 0);
            }
            let one_more = pool.from_bytes(&[0]).unwrap();
            pool.put(hops.push(port(1), &Onward::Peer(port(2)), one_more).unwrap_err());
            let mut n_frames = 0;
            while let Some((_, names)) = next(&mut hops, &mut pool) {
                assert!(names.len() <= MAX_BURST);
                n_frames += names.len();
            }
            assert_eq!((n_frames, hops.queue.capacity()), (MAX_CROSSINGS, room));
        }
    }
}
