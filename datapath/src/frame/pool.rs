//! One thread's stock of free frames.

use std::sync::Arc;

use super::memory::{Frame, FrameMemory, HEADROOM, SizeClass};

/// Frames moved between pool and depot at a time.
pub const TRADE: usize = 64;
/// Most free frames of a class that a pool keeps.
const KEEP: usize = 4 * TRADE;

/// A last-in first-out stock of free frames, owned by one thread.
pub struct FramePool {
    memory: Arc<FrameMemory>,
    small: Vec<Frame>,
    large: Vec<Frame>,
}

impl FramePool {
    /// An empty pool that draws on `memory`.
    #[must_use]
    pub fn new(memory: Arc<FrameMemory>) -> FramePool {
        let stock = || Vec::with_capacity(KEEP + TRADE);
        FramePool { memory, small: stock(), large: stock() }
    }

    fn stock(&mut self, class: SizeClass) -> &mut Vec<Frame> {
        match class {
            SizeClass::Small => &mut self.small,
            SizeClass::Large => &mut self.large,
        }
    }

    /// An empty frame; `None` when all are in use.
    #[must_use]
    pub fn get(&mut self, class: SizeClass) -> Option<Frame> {
        let mut frame = match self.stock(class).pop() {
            Some(frame) => frame,
            None => self.refill(class)?,
        };
        frame.reset();
        Some(frame)
    }

    #[cold]
    fn refill(&mut self, class: SizeClass) -> Option<Frame> {
        let memory = Arc::clone(&self.memory);
        let stock = self.stock(class);
        memory.withdraw(class, TRADE, stock);
        stock.pop()
    }

    /// An empty frame that can hold `len` bytes; `None` when all are in use, or `len` is too large.
    #[must_use]
    pub fn get_for(&mut self, len: usize) -> Option<Frame> {
        if len <= SizeClass::Small.room() {
            self.get(SizeClass::Small)
        } else if len <= SizeClass::Large.room() {
            self.get(SizeClass::Large)
        } else {
            None
        }
    }

    /// Takes a frame back.
    pub fn put(&mut self, frame: Frame) {
        let class = frame.class();
        let stock = self.stock(class);
        stock.push(frame);
        if stock.len() > KEEP {
            self.give_back(class);
        }
    }

    /// Takes frames back.
    pub fn put_all(&mut self, frames: impl IntoIterator<Item = Frame>) {
        for frame in frames {
            self.put(frame);
        }
    }

    #[cold]
    fn give_back(&mut self, class: SizeClass) {
        let memory = Arc::clone(&self.memory);
        let stock = self.stock(class);
        let keep = stock.len().saturating_sub(TRADE);
        memory.deposit(class, stock.drain(keep..));
    }

    /// A second frame with the same bytes and offload; `None` when all are in use.
    #[must_use]
    pub fn copy(&mut self, frame: &Frame) -> Option<Frame> {
        let mut copy = self.from_bytes(frame.data())?;
        copy.set_offload(*frame.offload());
        Some(copy)
    }

    /// The same bytes and offload behind at least `headroom` free bytes; `None` when all are in use, or
    /// there are too many bytes.
    #[must_use]
    pub fn move_back(&mut self, frame: &Frame, headroom: usize) -> Option<Frame> {
        let more = headroom.saturating_sub(HEADROOM);
        let mut moved = self.get_for(more + frame.len())?;
        if !moved.set_len(more + frame.len()) || !moved.trim_front(more) {
            self.put(moved);
            return None;
        }
        moved.data_mut().copy_from_slice(frame.data());
        moved.set_offload(*frame.offload());
        Some(moved)
    }

    /// A frame with these bytes; `None` when all are in use, or there are too many bytes.
    #[must_use]
    pub fn from_bytes(&mut self, bytes: &[u8]) -> Option<Frame> {
        let mut frame = self.get_for(bytes.len())?;
        if !frame.set_len(bytes.len()) {
            self.put(frame);
            return None;
        }
        frame.data_mut().copy_from_slice(bytes);
        Some(frame)
    }

    /// The memory that the pool draws on.
    #[must_use]
    pub fn memory(&self) -> &Arc<FrameMemory> {
        &self.memory
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Offload;
    use crate::frame::offload::Checksum;

    #[test]
    fn frames_are_conserved() {
        let memory = FrameMemory::new(1000, 1).unwrap();
        let mut pool = FramePool::new(memory.clone());
        for _ in 0..3 {
            let all: Vec<_> = std::iter::from_fn(|| pool.get(SizeClass::Small)).collect();
            assert_eq!(all.len(), 1000);
            assert!(pool.get(SizeClass::Small).is_none());
            pool.put_all(all);
        }
        drop(pool);
        assert_eq!(memory.n_free(SizeClass::Small), 1000);
    }

    #[test]
    fn a_copy_has_bytes_and_offload_in_the_smallest_class() {
        let mut pool = FramePool::new(FrameMemory::new(2, 2).unwrap());
        let mut frame = pool.get(SizeClass::Large).unwrap();
        assert!(frame.set_len(100));
        frame.data_mut().fill(3);
        let offload = Offload { checksum: Checksum::Partial { start: 34, offset: 16 }, gso: None };
        frame.set_offload(offload);
        let copy = pool.copy(&frame).unwrap();
        assert_eq!((copy.data(), copy.offload()), (frame.data(), &offload));
        assert_eq!(copy.class(), SizeClass::Small);
        assert!(pool.from_bytes(&vec![0; SizeClass::Large.room() + 1]).is_none());
    }
}
