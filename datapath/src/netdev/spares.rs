//! Where a kernel driver lets the next frame be written, before its length is known.
//!
//! # Design
//! The kernel scatters a frame into a small buffer and, where it is longer, into a large one behind
//! it. An ordinary frame stays in the small buffer. A long one must be contiguous: its tail was
//! written to the large buffer at the offset at which it belongs, so only its first
//! [`SizeClass::Small`]-sized part is copied to the front, and the small buffer stays for the next
//! frame.

use crate::frame::{Frame, FramePool, SizeClass};

/// Bytes that the small buffer takes; the rest spills.
pub(super) const SMALL_ROOM: usize = SizeClass::Small.room();
/// Bytes of the longest frame that is not truncated.
#[cfg(test)]
const LARGE_ROOM: usize = SizeClass::Large.room();

/// Buffers for one frame.
#[derive(Default)]
pub(super) struct Spares {
    small: Option<Frame>,
    large: Option<Frame>,
}

/// Why a received frame could not be kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Lost {
    /// There was no large buffer to spill to.
    NoLarge,
    /// Longer than a large buffer.
    TooLong,
}

impl Spares {
    /// Takes what is missing from the pool; `false` without a small buffer. A large one may be
    /// missing: ordinary frames then still pass.
    pub(super) fn fill(&mut self, pool: &mut FramePool) -> bool {
        self.small = self.small.take().or_else(|| pool.get(SizeClass::Small));
        self.large = self.large.take().or_else(|| pool.get(SizeClass::Large));
        self.small.is_some()
    }

    /// Where the kernel may write: the first [`SMALL_ROOM`] bytes, and those that follow.
    pub(super) fn parts(&mut self) -> [&mut [u8]; 2] {
        let small = self.small.as_mut().map(Frame::room_mut).unwrap_or_default();
        let large = self.large.as_mut().map(Frame::room_mut).unwrap_or_default();
        [small, large.get_mut(SMALL_ROOM..).unwrap_or_default()]
    }

    /// The frame of `len` bytes that was written.
    pub(super) fn take(&mut self, len: usize) -> Result<Frame, Lost> {
        let [small, _] = self.parts();
        if len <= small.len() {
            let Some(mut frame) = self.small.take() else { return Err(Lost::NoLarge) };
            return if frame.set_len(len) { Ok(frame) } else { Err(Lost::TooLong) };
        }
        let Some(mut frame) = self.large.take() else { return Err(Lost::NoLarge) };
        let [small, _] = self.parts();
        if !frame.set_len(len) || small.len() > len {
            self.large = Some(frame);
            return Err(Lost::TooLong);
        }
        frame.data_mut()[..small.len()].copy_from_slice(small);
        Ok(frame)
    }

    /// Why a frame did not fit.
    pub(super) fn lost(&self) -> Lost {
        if self.large.is_some() { Lost::TooLong } else { Lost::NoLarge }
    }

    /// Gives the buffers back.
    pub(super) fn park(&mut self, pool: &mut FramePool) {
        pool.put_all(self.small.take().into_iter().chain(self.large.take()));
    }
}

/// Room for a frame that a system call for many receives.
pub(super) trait HasSpares {
    /// Its buffers.
    fn spares(&mut self) -> &mut Spares;
}

/// Slots, from the first on, that have buffers.
pub(super) fn fill(slots: &mut [impl HasSpares], pool: &mut FramePool) -> usize {
    slots.iter_mut().map_while(|slot| slot.spares().fill(pool).then_some(())).count()
}

/// Gives the buffers of all slots back.
pub(super) fn park(slots: &mut [impl HasSpares], pool: &mut FramePool) {
    slots.iter_mut().for_each(|slot| slot.spares().park(pool));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::FrameMemory;

    /// Does what the kernel does: writes `len` bytes over the parts.
    fn scatter(spares: &mut Spares, len: usize) {
        let mut bytes = (0..len).map(|i| u8::try_from(i % 251).unwrap());
        for to in spares.parts().into_iter().flatten() {
            match bytes.next() {
                Some(byte) => *to = byte,
                None => break,
            }
        }
    }

    #[test]
    fn frames_of_every_length_are_contiguous() {
        let memory = FrameMemory::new(2, 2).unwrap();
        let mut pool = FramePool::new(memory.clone());
        let mut spares = Spares::default();
        for len in [0, 1, SMALL_ROOM - 1, SMALL_ROOM, SMALL_ROOM + 1, 9014, LARGE_ROOM] {
            assert!(spares.fill(&mut pool));
            scatter(&mut spares, len);
            let frame = spares.take(len).unwrap();
            assert_eq!(frame.len(), len);
            assert!(frame.data().iter().enumerate().all(|(i, b)| usize::from(*b) == i % 251));
            let class = if len > SMALL_ROOM { SizeClass::Large } else { SizeClass::Small };
            assert_eq!(frame.class(), class);
            pool.put(frame);
        }
        assert!(spares.fill(&mut pool));
        assert_eq!(spares.take(LARGE_ROOM + 1).err(), Some(Lost::TooLong));
        spares.park(&mut pool);
        drop(pool);
        assert_eq!((memory.n_free(SizeClass::Small), memory.n_free(SizeClass::Large)), (2, 2));
    }

    #[test]
    fn without_large_buffers_small_frames_pass() {
        let mut pool = FramePool::new(FrameMemory::new(1, 0).unwrap());
        let mut spares = Spares::default();
        assert!(spares.fill(&mut pool));
        assert_eq!(spares.parts()[1].len(), 0);
        assert_eq!(spares.take(SMALL_ROOM + 1).err(), Some(Lost::NoLarge));
        assert_eq!(spares.take(SMALL_ROOM).unwrap().len(), SMALL_ROOM);
    }
}
