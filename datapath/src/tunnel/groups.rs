//! Opened frames, gathered by the tunnel port that they belong to.
//!
//! # Design
//! The frames of a received batch may belong to as many tunnel ports as there are frames, and a batch of
//! frames and what their outer headers said take half a kilobyte. The room for them stays with the poll
//! thread and is used again, so that a batch moves none of it, and pays for as many ports as it has.
//!
//! # Invariants
//! Between batches all groups are empty.

use core::mem;

use packet::tunnel::TunnelKey;

use crate::batch::Batch;
use crate::frame::Frame;
use crate::ids::PortNo;

/// Opened frames of one tunnel port.
pub struct Group {
    /// The port.
    pub port: PortNo,
    /// What their outer headers said, where that matters to the port's bridge.
    pub key: Option<TunnelKey>,
    /// The frames.
    pub frames: Batch,
}

/// The groups of one batch.
#[derive(Default)]
pub struct Groups {
    all: Vec<Group>,
    /// How many of them are in use: the first ones.
    n: usize,
}

impl Groups {
    /// Whether no frame is there.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// How many frames there are.
    #[must_use]
    pub fn n_frames(&self) -> u64 {
        self.used().iter().map(|group| group.frames.len() as u64).sum()
    }

    fn used(&self) -> &[Group] {
        self.all.get(..self.n).unwrap_or_default()
    }

    /// Adds a frame to those of its port, of which those with a key that is alike, if there is one;
    /// where it went.
    pub fn push(&mut self, port: PortNo, key: Option<&TunnelKey>, frame: Frame) -> usize {
        let is_alike = |group: &Group| match (&group.key, key) {
            (Some(a), Some(b)) => a.is_like(b),
            (None, None) => true,
            _ => false,
        };
        let same = self.used().iter().position(|group| group.port == port && is_alike(group));
        let at = same.unwrap_or(self.n);
        if at < self.n {
            self.push_at(at, frame);
            return at;
        }
        match self.all.get_mut(at) {
            Some(group) => {
                group.port = port;
                group.key = key.cloned();
                group.frames.push(frame);
            }
            None => {
                let frames = Batch::from_iter([frame]);
                self.all.push(Group { port, key: key.cloned(), frames });
            }
        }
        self.n += 1;
        at
    }

    /// Adds a frame where one went that is like it.
    #[inline]
    pub fn push_at(&mut self, at: usize, frame: Frame) {
        if let Some(group) = self.all.get_mut(at) {
            group.frames.push(frame);
        }
    }

    /// Takes the groups, in the order in which they began, to be given back by [`Groups::restore`].
    #[must_use]
    pub fn take(&mut self) -> Groups {
        mem::take(self)
    }

    /// Gives the room back. Frames that are still there are lost; callers leave none.
    pub fn restore(&mut self, mut groups: Groups) {
        groups.n = 0;
        if groups.all.capacity() > self.all.capacity() {
            *self = groups;
        }
    }

    /// The groups in use.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Group> {
        self.all.iter_mut().take(self.n)
    }
}
