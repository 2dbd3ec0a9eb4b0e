//! The cursors of a ring of one producer and one consumer, of whom one is the kernel.
//!
//! # Design
//! Each side has a word in shared memory that only it writes: how many entries it has ever produced,
//! or consumed, modulo 2³². Each keeps its own position and what it last saw of the other's word, and
//! reads the other's word only when that does not suffice, so that the cache line seldom moves.
//!
//! # Invariants
//! - An entry is written before the producer's word is stored with *release*, and read after that word
//!   was loaded with *acquire*; likewise for the room that the consumer gives back.
//! - The other side's word is foreign: a distance beyond the ring's size counts as no entry, or no
//!   room.
//!
//! # References
//! net/xdp/xsk_queue.h of Linux; Documentation/networking/af_xdp.rst.

#[cfg(loom)]
use ::loom::sync::atomic::{AtomicU32, Ordering};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicU32, Ordering};

/// The producer's side.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ProducerCursor {
    at: u32,
    /// The consumer's word, as seen last.
    seen: u32,
    size: u32,
}

impl ProducerCursor {
    /// From where the shared words stand.
    pub(super) fn new(size: u32, producer: &AtomicU32, consumer: &AtomicU32) -> ProducerCursor {
        let at = producer.load(Ordering::Relaxed);
        ProducerCursor { at, seen: consumer.load(Ordering::Acquire), size }
    }

    fn room(&self) -> u32 {
        self.size.saturating_sub(self.at.wrapping_sub(self.seen))
    }

    /// Entries that can be claimed; at least `wanted`, if there are.
    pub(super) fn room_for(&mut self, wanted: u32, consumer: &AtomicU32) -> u32 {
        if self.room() < wanted {
            self.seen = consumer.load(Ordering::Acquire);
        }
        self.room()
    }

    /// The place of the next entry to write. There is room for it.
    pub(super) fn claim(&mut self) -> u32 {
        let at = self.at;
        self.at = at.wrapping_add(1);
        at & (self.size - 1)
    }

    /// Shows what was written.
    pub(super) fn publish(&self, producer: &AtomicU32) {
        producer.store(self.at, Ordering::Release);
    }

    /// Whether the consumer has taken everything.
    pub(super) fn is_drained(&mut self, consumer: &AtomicU32) -> bool {
        self.seen = consumer.load(Ordering::Acquire);
        self.seen == self.at
    }

    /// Entries that the consumer has not taken, as seen last.
    pub(super) fn n_waiting(&self) -> u32 {
        self.at.wrapping_sub(self.seen)
    }
}

/// The consumer's side.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ConsumerCursor {
    at: u32,
    /// The producer's word, as seen last.
    seen: u32,
    size: u32,
}

impl ConsumerCursor {
    /// From where the shared words stand.
    pub(super) fn new(size: u32, consumer: &AtomicU32, producer: &AtomicU32) -> ConsumerCursor {
        let at = consumer.load(Ordering::Relaxed);
        ConsumerCursor { at, seen: producer.load(Ordering::Acquire), size }
    }

    /// Entries to read; the producer's word is read again only when none is left.
    pub(super) fn available(&mut self, producer: &AtomicU32) -> u32 {
        if self.seen == self.at {
            self.seen = producer.load(Ordering::Acquire);
        }
        match self.seen.wrapping_sub(self.at) {
            n if n <= self.size => n,
            // Nonsense: read again the next time, in case it was for a moment.
            _ => {
                self.seen = self.at;
                0
            }
        }
    }

    /// The place of the next entry to read. There is one.
    pub(super) fn claim(&mut self) -> u32 {
        let at = self.at;
        self.at = at.wrapping_add(1);
        at & (self.size - 1)
    }

    /// Gives the room of what was read back.
    pub(super) fn release(&self, consumer: &AtomicU32) {
        consumer.store(self.at, Ordering::Release);
    }
}

#[cfg(all(loom, test))]
mod loom {
    use std::sync::Arc;

    use ::loom::sync::atomic::{AtomicU32, Ordering};

    use super::{ConsumerCursor, ProducerCursor};

    const SIZE: u32 = 2;
    const N: u32 = 3;

    struct Ring {
        producer: AtomicU32,
        consumer: AtomicU32,
        /// Relaxed: only the cursors order what is read after what was written.
        entries: [AtomicU32; SIZE as usize],
    }

    fn entry(ring: &Ring, at: u32) -> &AtomicU32 {
        &ring.entries[usize::try_from(at).unwrap()]
    }

    fn produce(ring: &Ring) {
        let mut cursor = ProducerCursor::new(SIZE, &ring.producer, &ring.consumer);
        for n in 0..N {
            while cursor.room_for(1, &ring.consumer) == 0 {
                ::loom::thread::yield_now();
            }
            entry(ring, cursor.claim()).store(n, Ordering::Relaxed);
            cursor.publish(&ring.producer);
        }
    }

    #[test]
    fn entries_are_seen_whole_in_order_and_once() {
        ::loom::model(|| {
            // Around the end of the numbers.
            let word = || AtomicU32::new(u32::MAX);
            let entries = [AtomicU32::new(77), AtomicU32::new(77)];
            let ring = Arc::new(Ring { producer: word(), consumer: word(), entries });
            let theirs = ring.clone();
            let writer = ::loom::thread::spawn(move || produce(&theirs));
            let mut cursor = ConsumerCursor::new(SIZE, &ring.consumer, &ring.producer);
            for n in 0..N {
                while cursor.available(&ring.producer) == 0 {
                    ::loom::thread::yield_now();
                }
                assert_eq!(entry(&ring, cursor.claim()).load(Ordering::Relaxed), n);
                cursor.release(&ring.consumer);
            }
            writer.join().unwrap();
        });
    }
}
