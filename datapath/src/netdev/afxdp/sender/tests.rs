//! The transmit side against a kernel that the test plays, honest or not.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::frame::{Account, FrameMemory, SMALL_CHUNK};
use crate::netdev::afxdp::ring::tests::Pair;
use crate::netdev::afxdp::ring::{Consumer, Producer};

const N_SMALL: usize = 256;
const RING: u32 = 64;

/// A sender, and the kernel's ends of its rings.
struct Rig {
    memory: Arc<FrameMemory>,
    pool: FramePool,
    sender: Sender,
    tx: Consumer<Desc>,
    completion: Producer<u64>,
    counters: PortCounters,
    _account: Account,
}

fn rig(start: u32, abilities: Abilities) -> Rig {
    let memory = FrameMemory::new(N_SMALL, 4).unwrap();
    let pool = FramePool::new(memory.clone());
    let (tx, completion) = (Pair::new(RING, start), Pair::new(RING, start.wrapping_mul(3)));
    let account = Account::new(memory.clone());
    let sender = Sender::new((tx.producer, completion.consumer), account.loan(), abilities);
    let counters = PortCounters::default();
    let (tx, completion) = (tx.consumer, completion.producer);
    Rig { memory, pool, sender, tx, completion, counters, _account: account }
}

const ALL: Abilities = Abilities { chains: true, requests: true };

impl Rig {
    fn send(&mut self, frame: Frame) {
        let mut batch: Batch = [frame].into_iter().collect();
        self.sender.put(&mut self.pool, &mut batch, &self.counters);
    }

    fn send_bytes(&mut self, lens: &[usize]) {
        for len in lens {
            let frame = self.pool.from_bytes(&vec![5; *len]).unwrap();
            self.send(frame);
        }
    }

    /// What the kernel finds; valid by its rules.
    fn taken(&mut self) -> Vec<Desc> {
        let found: Vec<Desc> = std::iter::from_fn(|| self.tx.take()).collect();
        self.tx.release();
        let room = if self.sender.abilities.requests { abi::METADATA_LEN as u64 } else { 0 };
        for desc in &found {
            assert!(desc.len > 0, "{desc:?}");
            let at = (desc.address - room) % SMALL_CHUNK as u64;
            assert!(at + room + u64::from(desc.len) <= SMALL_CHUNK as u64, "{desc:?}");
        }
        found
    }

    fn complete(&mut self, address: u64) {
        assert!(self.completion.room_for(1) > 0);
        self.completion.put(address);
        self.completion.publish();
        self.sender.reap(&mut self.pool);
    }

    fn close(self) {
        let Rig { memory, pool, sender, _account, .. } = self;
        drop((pool, sender, _account));
        assert_eq!(memory.n_free(SizeClass::Small), N_SMALL);
        assert_eq!(memory.n_free(SizeClass::Large), 4);
    }
}

#[test]
fn small_frames_go_where_they_lie_and_come_back_in_any_order() {
    let mut rig = rig(u32::MAX - 5, ALL);
    for _ in 0..50 {
        rig.send_bytes(&[60, 61, 1514, 14]);
        let found = rig.taken();
        assert_eq!(found.iter().map(|d| d.len).collect::<Vec<_>>(), [60, 61, 1514, 14]);
        assert!(found.iter().all(|d| d.options == 0));
        for desc in found.into_iter().rev() {
            rig.complete(desc.address);
        }
        assert_eq!((rig.sender.n_out(), rig.sender.n_bad()), (0, 0));
    }
    assert_eq!(rig.counters.tx_packets.get(), 200);
    rig.close();
}

#[test]
fn large_frames_are_spread_and_frames_without_headroom_moved() {
    let mut rig = rig(1, ALL);
    rig.send_bytes(&[1793, 9014]);
    let found = rig.taken();
    let lens: Vec<u32> = found.iter().map(|d| d.len).collect();
    assert_eq!(lens, [1792, 1, 1792, 1792, 1792, 1792, 1792, 54]);
    let more: Vec<bool> = found.iter().map(|d| d.options & abi::CONTINUES != 0).collect();
    assert_eq!(more, [true, false, true, true, true, true, true, false]);
    let mut tight = rig.pool.from_bytes(&[1; 60]).unwrap();
    assert!(tight.extend_front(250));
    rig.send(tight);
    assert_eq!(rig.taken()[0].len, 310);
    rig.send_bytes(&[13, 17 * 1792 + 1]);
    assert!(rig.taken().is_empty());
    assert_eq!(rig.counters.tx_drops(DropReason::TxError), 1);
    assert_eq!(rig.counters.tx_drops(DropReason::MtuExceeded), 1);
    rig.close();
    let mut rig = super::tests::rig(1, Abilities { chains: false, requests: false });
    rig.send_bytes(&[1793, 1792]);
    assert_eq!((rig.taken().len(), rig.counters.tx_drops(DropReason::MtuExceeded)), (1, 1));
    rig.close();
}

#[test]
fn checksums_are_left_to_the_kernel_or_finished() {
    let partial = Offload { checksum: Checksum::Partial { start: 34, offset: 16 }, gso: None };
    for (abilities, options) in
        [(ALL, abi::HAS_METADATA), (Abilities { chains: true, requests: false }, 0)]
    {
        let mut rig = rig(9, abilities);
        let mut frame = rig.pool.from_bytes(&[0; 60]).unwrap();
        frame.set_offload(partial);
        rig.send(frame);
        let [desc] = rig.taken()[..] else { panic!("one descriptor") };
        assert_eq!(desc.options, options);
        assert_eq!(rig.counters.tx_checksums.get(), u64::from(options == 0));
        let mut frame = rig.sender.loan.take_back(desc.address).unwrap();
        assert!(frame.set_len(60));
        if options == 0 {
            assert_eq!(frame.data()[50..52], [0xff, 0xff], "finished");
        } else {
            assert!(frame.extend_front(abi::METADATA_LEN));
            assert_eq!(frame.data()[..abi::METADATA_LEN], abi::checksum_request(34, 16));
        }
        rig.pool.put(frame);
        // A field that lies behind the first chunk cannot be the kernel's.
        let mut long = rig.pool.from_bytes(&[0; 4000]).unwrap();
        let far = Checksum::Partial { start: 1791, offset: 0 };
        long.set_offload(Offload { checksum: far, gso: None });
        rig.send(long);
        assert!(rig.taken().iter().all(|desc| desc.options & abi::HAS_METADATA == 0));
        rig.close();
    }
}

#[test]
fn a_full_ring_drops_frames_whole() {
    let mut rig = rig(0, ALL);
    rig.send_bytes(&[60; RING as usize - 1]);
    rig.send_bytes(&[2000, 60, 60]);
    assert_eq!(rig.counters.tx_drops(DropReason::TxQueueFull), 2);
    assert_eq!(rig.counters.tx_packets.get(), u64::from(RING));
    assert_eq!(rig.taken().len(), RING as usize);
    rig.close();
}

#[test]
fn lying_completions_are_counted_and_harm_nobody() {
    let mut rig = rig(0, ALL);
    rig.send_bytes(&[60, 60]);
    let found = rig.taken();
    let held = rig.pool.from_bytes(&[9; 60]).unwrap();
    for address in [u64::MAX, (N_SMALL * SMALL_CHUNK) as u64, (N_SMALL as u64 - 1) * 2048] {
        rig.complete(address);
    }
    rig.complete(found[0].address);
    rig.complete(found[0].address); // twice
    assert_eq!((rig.sender.n_bad(), rig.sender.n_out()), (4, 1));
    assert_eq!(held.data(), [9; 60]);
    rig.pool.put(held);
    rig.close();
}

proptest! {
    /// Storms: the kernel takes and completes as it likes, in any order, and sometimes lies.
    #[test]
    fn no_kernel_loses_or_doubles_a_frame(
        start: u32,
        acts in proptest::collection::vec((0..5_u8, any::<prop::sample::Index>()), 1..400),
    ) {
        let mut rig = rig(start, ALL);
        let (mut under_way, mut n_sent) = (Vec::<u64>::new(), 0);
        for (act, index) in acts {
            match act {
                0 | 1 => {
                    let len = [14, 60, 1514, 1800, 9014][index.index(5)];
                    // With every frame under way there is none to send.
                    if let Some(frame) = rig.pool.from_bytes(&vec![5; len]) {
                        rig.send(frame);
                        n_sent += 1;
                    }
                }
                2 => under_way.extend(rig.taken().iter().map(|desc| desc.address)),
                3 if !under_way.is_empty() => {
                    let address = under_way.swap_remove(index.index(under_way.len()));
                    rig.complete(address);
                }
                _ => rig.complete(u64::MAX - index.index(1000) as u64),
            }
        }
        let lost: u64 = DropReason::ALL.iter().map(|r| rig.counters.tx_drops(*r)).sum();
        prop_assert_eq!(rig.counters.tx_packets.get() + lost, n_sent);
        rig.close();
    }
}
