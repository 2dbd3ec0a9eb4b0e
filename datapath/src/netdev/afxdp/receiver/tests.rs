//! The receive side against a kernel that the test plays, honest or not.

use std::collections::VecDeque;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::frame::{Account, FrameMemory, SMALL_CHUNK};
use crate::netdev::afxdp::ring::tests::Pair;
use crate::netdev::afxdp::ring::{Consumer, Producer};

const N_SMALL: usize = 256;
const LEVEL: usize = 64;
const ROOM: u32 = 1792;

/// A receiver, and the kernel's ends of its rings.
struct Rig {
    memory: Arc<FrameMemory>,
    pool: FramePool,
    receiver: Receiver,
    rx: Producer<Desc>,
    fill: Consumer<u64>,
    counters: PortCounters,
    _account: Account,
}

fn rig(start: u32, n_large: usize) -> Rig {
    let memory = FrameMemory::new(N_SMALL, n_large).unwrap();
    let pool = FramePool::new(memory.clone());
    let (rx, fill) = (Pair::new(128, start), Pair::new(128, start.wrapping_add(77)));
    let account = Account::new(memory.clone());
    let rings = (rx.consumer, fill.producer);
    let receiver = Receiver::new(rings, account.loan(), LEVEL, Checksums::Trust);
    let counters = PortCounters::default();
    let (rx, fill) = (rx.producer, fill.consumer);
    Rig { memory, pool, receiver, rx, fill, counters, _account: account }
}

impl Rig {
    fn recv(&mut self) -> Vec<usize> {
        let mut lens = Vec::new();
        loop {
            let mut batch = Batch::new();
            let n = self.receiver.recv(&mut self.pool, &mut batch, &self.counters);
            lens.extend(batch.iter().map(Frame::len));
            self.pool.put_all(batch.drain(..));
            self.receiver.refill(&mut self.pool);
            if n == 0 {
                return lens;
            }
        }
    }

    /// The start of a buffer that was lent: the kernel finds it by any address within.
    fn buffer(&mut self) -> u64 {
        let address = self.fill.take().expect("a buffer is lent");
        self.fill.release();
        address / SMALL_CHUNK as u64 * SMALL_CHUNK as u64
    }

    fn receive(&mut self, address: u64, len: u32, options: u32) {
        assert!(self.rx.room_for(1) > 0);
        self.rx.put(Desc { address, len, options });
        self.rx.publish();
    }

    fn n_bad(&self) -> u64 {
        self.counters.rx_drops(DropReason::BadDescriptor)
    }

    /// Closes everything: every frame comes home.
    fn close(self) {
        let Rig { memory, pool, receiver, _account, .. } = self;
        drop((pool, receiver, _account));
        assert_eq!(memory.n_free(SizeClass::Small), N_SMALL);
    }
}

#[test]
fn frames_arrive_where_they_were_lent() {
    let mut rig = rig(u32::MAX - 3, 0);
    rig.receiver.refill(&mut rig.pool);
    for round in 0..500 {
        let address = rig.buffer();
        rig.receive(address + 256, 60 + round, 0);
        assert_eq!(rig.recv(), [60 + round as usize]);
    }
    assert_eq!((rig.counters.rx_packets.get(), rig.n_bad()), (500, 0));
    rig.close();
}

#[test]
fn lying_descriptors_are_counted_and_harm_nobody() {
    let mut rig = rig(0, 2);
    rig.receiver.refill(&mut rig.pool);
    let good = rig.buffer() + 256;
    let held = rig.pool.from_bytes(&[9; 60]).unwrap();
    let region = (N_SMALL * SMALL_CHUNK) as u64;
    for address in [region, region + 1, u64::MAX, 1 << 63, region - 2048] {
        rig.receive(address, 60, 0);
    }
    // Longer than what is left of the chunk: the buffer is ours again, its bytes are not taken.
    rig.receive(good, ROOM + 1, 0);
    rig.receive(good, 60, 0); // named twice
    assert_eq!(rig.recv(), [0_usize; 0]);
    assert_eq!((rig.n_bad(), rig.counters.rx_packets.get()), (7, 7));
    assert_eq!(held.data(), [9; 60]);
    let next = rig.buffer() + 256;
    rig.receive(next, ROOM, 0);
    assert_eq!(rig.recv(), [ROOM as usize]);
    rig.pool.put(held);
    rig.close();
}

#[test]
fn chained_frames_are_joined_and_broken_chains_dropped_whole() {
    let mut rig = rig(5, 1);
    rig.receiver.refill(&mut rig.pool);
    let chain = |rig: &mut Rig, lens: &[u32]| {
        for (i, len) in lens.iter().enumerate() {
            let address = rig.buffer() + 256;
            rig.receive(address, *len, if i + 1 < lens.len() { abi::CONTINUES } else { 0 });
        }
    };
    chain(&mut rig, &[ROOM, ROOM, 1]);
    assert_eq!(rig.recv(), [2 * ROOM as usize + 1]);

    // A lie in the middle: what belongs to it is dropped, the next frame is whole.
    let first = rig.buffer() + 256;
    rig.receive(first, ROOM, abi::CONTINUES);
    rig.receive(u64::MAX, ROOM, abi::CONTINUES);
    let last = rig.buffer() + 256;
    rig.receive(last, 10, 0);
    chain(&mut rig, &[ROOM, 70]);
    assert_eq!(rig.recv(), [ROOM as usize + 70]);
    assert_eq!(rig.n_bad(), 1);

    // Longer than a large frame.
    chain(&mut rig, &[ROOM; 40]);
    assert_eq!(rig.recv(), [0_usize; 0]);
    assert_eq!(rig.counters.rx_drops(DropReason::RxTruncated), 1);

    // No large frame free.
    let hog = rig.pool.get(SizeClass::Large).unwrap();
    chain(&mut rig, &[ROOM, 5]);
    chain(&mut rig, &[64]);
    assert_eq!(rig.recv(), [64]);
    assert_eq!(rig.counters.rx_drops(DropReason::NoFrame), 1);
    assert_eq!(rig.counters.rx_packets.get(), 6);
    rig.pool.put(hog);
    rig.close();
}

#[test]
fn unfinished_checksums_are_marked() {
    let mut rig = rig(0, 0);
    rig.receiver.checksums = Checksums::Recover;
    rig.receiver.refill(&mut rig.pool);
    // UDP over IPv4 without payload: 10.0.0.1 to 10.0.0.2, field = sum of the pseudo-header.
    let mut bytes = vec![0; 42];
    bytes[12..16].copy_from_slice(&[8, 0, 0x45, 0]);
    bytes[16..18].copy_from_slice(&[0, 28]);
    bytes[23] = 17;
    bytes[26..34].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
    bytes[38..42].copy_from_slice(&[0, 8, 0x14, 0x1c]);
    let address = rig.buffer() + 256;
    // The kernel writes to the chunk; here the frame is borrowed for it.
    let mut frame = rig.receiver.loan.take_back(address).unwrap();
    assert!(frame.set_len(42));
    frame.data_mut().copy_from_slice(&bytes);
    let address = rig.receiver.loan.lend(frame).unwrap();
    rig.receive(address, 42, 0);
    let mut batch = Batch::new();
    rig.receiver.recv(&mut rig.pool, &mut batch, &rig.counters);
    assert!(!batch[0].offload().is_done());
    assert_eq!(rig.counters.rx_checksums.get(), 1);
    rig.pool.put_all(batch);
    rig.close();
}

/// What a kernel does next.
#[derive(Clone, Copy, Debug)]
enum Act {
    Receive {
        len: u32,
        more: bool,
    },
    /// Names an address that it was not given, or a length that does not fit.
    Lie {
        address: u64,
        len: u32,
        more: bool,
    },
    Repeat,
    Poll,
}

fn any_act() -> impl Strategy<Value = Act> {
    let lie = (prop_oneof![0..N_SMALL as u64 * 2048 * 2, any::<u64>()], any::<u32>());
    prop_oneof![
        4 => (1..=ROOM, any::<bool>()).prop_map(|(len, more)| Act::Receive { len, more }),
        1 => (lie, any::<bool>()).prop_map(|((address, len), more)| Act::Lie { address, len, more }),
        1 => Just(Act::Repeat),
        3 => Just(Act::Poll),
    ]
}

proptest! {
    /// Whatever the kernel says, each of its frames is counted once and none of ours is lost.
    #[test]
    fn no_kernel_loses_or_doubles_a_frame(
        start: u32,
        acts in proptest::collection::vec(any_act(), 1..300),
    ) {
        let mut rig = rig(start, 2);
        rig.receiver.refill(&mut rig.pool);
        let (mut n_frames, mut last, mut got) = (0, VecDeque::new(), 0);
        for act in acts {
            let (address, len, more) = match act {
                Act::Receive { len, more } => match rig.fill.take() {
                    Some(address) => (address / 2048 * 2048 + 256, len, more),
                    None => continue,
                },
                Act::Lie { address, len, more } => (address, len, more),
                Act::Repeat => match last.pop_front() {
                    Some(address) => (address, 60, false),
                    None => continue,
                },
                Act::Poll => {
                    rig.fill.release();
                    got += rig.recv().len() as u64;
                    continue;
                }
            };
            if rig.rx.room_for(1) == 0 {
                got += rig.recv().len() as u64;
            }
            rig.receive(address, len, if more { abi::CONTINUES } else { 0 });
            last.push_back(address);
            n_frames += u64::from(!more);
        }
        got += rig.recv().len() as u64;
        let counters = &rig.counters;
        let lost: u64 = DropReason::ALL.iter().map(|reason| counters.rx_drops(*reason)).sum();
        prop_assert_eq!(counters.rx_packets.get(), n_frames);
        prop_assert_eq!(got + lost, n_frames);
        rig.close();
    }
}
