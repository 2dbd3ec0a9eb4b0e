//! Rings against themselves: a producer and a consumer over the same anonymous memory.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

/// The two ends of a ring, and the ring's words for those who play foul.
pub(in super::super) struct Pair<T> {
    pub producer: Producer<T>,
    pub consumer: Consumer<T>,
    words: Shared<T>,
}

const PRODUCER_AT: u64 = 0;
const CONSUMER_AT: u64 = 64;
const FLAGS_AT: u64 = 128;
const ENTRIES_AT: u64 = 192;

impl<T: Entry> Pair<T> {
    /// Both words stand at `start`.
    pub fn new(size: u32, start: u32) -> Pair<T> {
        let len = usize::try_from(ENTRIES_AT).unwrap() + size as usize * size_of::<T>();
        let mapping = Arc::new(Mapping::anonymous(len).unwrap());
        let layout = Layout {
            producer: PRODUCER_AT,
            consumer: CONSUMER_AT,
            flags: FLAGS_AT,
            entries: ENTRIES_AT,
            size,
        };
        let words = Shared::<T>::new(mapping.clone(), layout).unwrap();
        words.producer().store(start, Ordering::Relaxed);
        words.consumer().store(start, Ordering::Relaxed);
        let producer = Producer::new(mapping.clone(), layout).unwrap();
        let consumer = Consumer::new(mapping.clone(), layout).unwrap();
        Pair { producer, consumer, words }
    }

    /// Writes nonsense where only the producer may write.
    pub fn forge_producer(&self, value: u32) {
        self.words.producer().store(value, Ordering::Relaxed);
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Put(u32),
    Publish,
    Take(u32),
    Release,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1..6_u32).prop_map(Step::Put),
        Just(Step::Publish),
        (1..6_u32).prop_map(Step::Take),
        Just(Step::Release),
    ]
}

/// What a ring is: what was put and not shown, what is there, and what was taken but still has its
/// room.
#[derive(Default)]
struct Oracle {
    hidden: VecDeque<u64>,
    shown: VecDeque<u64>,
    n_unreleased: usize,
}

fn run(size: u32, start: u32, steps: &[Step]) -> Result<(), TestCaseError> {
    let Pair { mut producer, mut consumer, .. } = Pair::<u64>::new(size, start);
    let (mut oracle, mut next) = (Oracle::default(), 0_u64);
    for step in steps {
        match *step {
            Step::Put(n) => {
                let held = oracle.hidden.len() + oracle.shown.len() + oracle.n_unreleased;
                let room = size as usize - held;
                // A stale view of the consumer is allowed where it suffices.
                let seen = producer.room_for(n) as usize;
                prop_assert!(seen <= room && seen >= room.min(n as usize), "{seen} of {room}");
                for _ in 0..room.min(n as usize) {
                    producer.put(next);
                    oracle.hidden.push_back(next);
                    next += 1;
                }
            }
            Step::Publish => {
                producer.publish();
                oracle.shown.append(&mut oracle.hidden);
            }
            Step::Take(n) => {
                for _ in 0..n {
                    // The consumer looks again only when it has nothing: it may lag behind.
                    let taken = consumer.take();
                    prop_assert_eq!(taken, oracle.shown.pop_front());
                    oracle.n_unreleased += usize::from(taken.is_some());
                }
            }
            Step::Release => {
                consumer.release();
                oracle.n_unreleased = 0;
            }
        }
        let taken = oracle.shown.is_empty() && oracle.hidden.is_empty() && oracle.n_unreleased == 0;
        prop_assert_eq!(producer.is_drained(), taken);
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_ring_is_a_bounded_queue_from_any_start(
        log_size in 0..5_u32,
        start in prop_oneof![any::<u32>(), (0..40_u32).prop_map(|n| u32::MAX - n)],
        steps in proptest::collection::vec(any_step(), 1..200),
    ) {
        run(1 << log_size, start, &steps)?;
    }

    #[test]
    fn a_forged_index_gives_no_more_entries_than_the_ring_has(start: u32, forged: u32) {
        let mut pair = Pair::<u64>::new(8, start);
        pair.forge_producer(forged);
        let mut n = 0;
        while pair.consumer.take().is_some() {
            n += 1;
            prop_assert!(n <= 8);
        }
    }
}

#[test]
fn two_threads_agree() {
    let Pair { mut producer, mut consumer, .. } = Pair::<Desc>::new(64, u32::MAX - 100);
    const N: u64 = 100_000;
    let desc = |n: u64| Desc { address: n, len: u32::try_from(n).unwrap(), options: 7 };
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut next = 0;
            while next < N {
                let n = u64::from(producer.room_for(8)).min(N - next).min(8);
                (next..next + n).for_each(|n| producer.put(desc(n)));
                producer.publish();
                next += n;
                if n == 0 {
                    std::thread::yield_now();
                }
            }
        });
        let mut next = 0;
        while next < N {
            match consumer.take() {
                Some(seen) => {
                    assert_eq!(seen, desc(next));
                    next += 1;
                    consumer.release();
                }
                None => std::thread::yield_now(),
            }
        }
    });
}

#[test]
fn layouts_that_do_not_fit_are_refused() {
    let mapping = Arc::new(Mapping::anonymous(4096).unwrap());
    let good = Layout { producer: 0, consumer: 64, flags: 128, entries: 192, size: 64 };
    assert!(FillRing::new(mapping.clone(), good).is_some());
    for bad in [
        Layout { size: 63, ..good },
        Layout { size: 0, ..good },
        Layout { size: 1024, ..good },
        Layout { producer: 2, ..good },
        Layout { entries: 4095, ..good },
        Layout { flags: 4096, ..good },
    ] {
        assert!(FillRing::new(mapping.clone(), bad).is_none(), "{bad:?}");
    }
}
