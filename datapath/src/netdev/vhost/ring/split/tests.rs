//! Split rings against a guest in a memory file, honest and not.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::netdev::vhost::feature::OFFERED;
use crate::netdev::vhost::ring::guest::{GUEST, GuestFile, USER};
use crate::netdev::vhost::ring::{Buffers, Cursor, Room, Taken};
use crate::netdev::vhost::vring::VringPlace;

const SIZE: u16 = 8;
const LEN: u64 = 0x10000;
/// Where in memory the parts of the ring are, and room for data.
const DESCRIPTORS: u64 = 0;
const AVAILABLE: u64 = 0x1000;
const USED: u64 = 0x2000;
const DATA: u64 = 0x4000;

const NEXT: u16 = 1;
const WRITE: u16 = 2;
const INDIRECT: u16 = 4;

/// A guest's memory with one ring in it.
struct Guest {
    memory: GuestFile,
}

impl core::ops::Deref for Guest {
    type Target = GuestFile;

    fn deref(&self) -> &GuestFile {
        &self.memory
    }
}

impl Guest {
    fn new() -> Guest {
        Guest { memory: GuestFile::new(LEN) }
    }

    fn ring(&self, features: u64) -> Buffers<Split> {
        let place = VringPlace {
            descriptors: USER + DESCRIPTORS,
            available: USER + AVAILABLE,
            used: USER + USED,
        };
        let vring = Vring::new(self.memory(), SIZE, place).unwrap();
        let features = Features(features);
        let split = Split::new(vring, features);
        let mut ring = Buffers::new(split, features, Some(Arc::clone(&self.call)));
        ring.enabled = true;
        ring
    }

    fn describe(&self, table: u64, i: u16, (addr, len): (u64, u32), (flags, next): (u16, u16)) {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&addr.to_le_bytes());
        bytes[8..12].copy_from_slice(&len.to_le_bytes());
        bytes[12..14].copy_from_slice(&flags.to_le_bytes());
        bytes[14..].copy_from_slice(&next.to_le_bytes());
        self.write(table + 16 * u64::from(i), &bytes);
    }

    /// Makes a head available at an index.
    fn offer(&self, index: u16, head: u16) {
        let at = AVAILABLE + 4 + 2 * u64::from(index % SIZE);
        self.write(at, &head.to_le_bytes());
        self.write(AVAILABLE + 2, &index.wrapping_add(1).to_le_bytes());
    }

    fn start_at(&self, index: u16) {
        self.write(AVAILABLE + 2, &index.to_le_bytes());
        self.write(USED + 2, &index.to_le_bytes());
    }

    fn used_index(&self) -> u16 {
        u16::from_le_bytes(self.read(USED + 2))
    }

    /// Head and length of an entry of the used ring.
    fn used(&self, index: u16) -> (u32, u32) {
        let at = USED + 4 + 8 * u64::from(index % SIZE);
        (u32::from_le_bytes(self.read(at)), u32::from_le_bytes(self.read(at + 4)))
    }
}

/// Where it stands.
fn base(ring: &Buffers<Split>) -> u16 {
    u16::try_from(ring.layout.base()).unwrap()
}

fn take_all(ring: &mut Buffers<Split>) -> Vec<u8> {
    let Some(Taken::Bytes(len)) = ring.take() else { panic!("no buffer") };
    let mut bytes = vec![0; usize::try_from(len).unwrap()];
    assert!(ring.copy_out(&mut Cursor::default(), &mut bytes));
    ring.give_back(0);
    ring.publish();
    bytes
}

#[test]
fn chains_are_read_whole_at_any_index() {
    for start in [0, 5, 32760, 65533] {
        let guest = Guest::new();
        guest.start_at(start);
        let mut ring = guest.ring(OFFERED);
        guest.write(DATA, b"hello, world");
        for turn in 0..20u16 {
            let index = start.wrapping_add(turn);
            assert_eq!(ring.look(u16::MAX, Access::Read), 0);
            guest.describe(DESCRIPTORS, 3, (GUEST + DATA, 5), (NEXT, 6));
            guest.describe(DESCRIPTORS, 6, (GUEST + DATA + 5, 0), (NEXT, 0));
            guest.describe(DESCRIPTORS, 0, (GUEST + DATA + 7, 5), (0, 99));
            guest.offer(index, 3);
            assert_eq!(ring.look(u16::MAX, Access::Read), 1);
            assert_eq!(take_all(&mut ring), b"helloworld");
            assert_eq!(guest.used_index(), index.wrapping_add(1));
            assert_eq!(guest.used(index), (3, 0));
        }
        assert_eq!(base(&ring), start.wrapping_add(20));
    }
}

#[test]
fn indirect_chains_are_read_and_bounded() {
    let guest = Guest::new();
    let mut ring = guest.ring(OFFERED);
    let table = DATA + 0x1000;
    guest.write(DATA, b"indirect");
    guest.describe(table, 0, (GUEST + DATA, 2), (NEXT, 2));
    guest.describe(table, 2, (GUEST + DATA + 2, 6), (0, 0));
    guest.describe(DESCRIPTORS, 1, (GUEST + table, 48), (INDIRECT, 0));
    guest.offer(0, 1);
    assert_eq!(take_all(&mut ring), b"indirect");
    let bad: [&dyn Fn(); 6] = [
        &|| guest.describe(table, 0, (GUEST + DATA, 2), (NEXT, 3)), // behind the table
        &|| guest.describe(table, 0, (GUEST + DATA, 2), (NEXT, 0)), // a loop
        &|| guest.describe(table, 0, (GUEST + table, 16), (INDIRECT, 0)),
        &|| guest.describe(DESCRIPTORS, 1, (GUEST + LEN - 8, 48), (INDIRECT, 0)),
        &|| guest.describe(DESCRIPTORS, 1, (GUEST + table, 15), (INDIRECT, 0)),
        &|| guest.describe(DESCRIPTORS, 1, (GUEST + table, 48), (INDIRECT | NEXT, 2)),
    ];
    for (n, spoil) in (1..).zip(bad) {
        spoil();
        guest.offer(n, 1);
        assert_eq!(ring.take(), Some(Taken::Bad), "{n}");
        ring.give_back(0);
    }
    assert_eq!((ring.look(u16::MAX, Access::Read), ring.broken), (0, None));
    // Not asked for, not taken.
    let mut plain = guest.ring(OFFERED & !bit::INDIRECT);
    guest.describe(DESCRIPTORS, 1, (GUEST + table, 48), (INDIRECT, 0));
    guest.offer(base(&plain), 1);
    assert_eq!(plain.take(), Some(Taken::Bad));
}

#[test]
fn chains_that_lie_cost_their_frame_and_indexes_the_ring() {
    let guest = Guest::new();
    let mut ring = guest.ring(OFFERED);
    guest.describe(DESCRIPTORS, 0, (GUEST + DATA, 4), (NEXT, 0));
    guest.describe(DESCRIPTORS, 1, (GUEST + DATA, 4), (NEXT, SIZE));
    guest.describe(DESCRIPTORS, 2, (GUEST + DATA, 4), (WRITE, 0));
    guest.describe(DESCRIPTORS, 3, (GUEST + LEN - 2, 4), (0, 0));
    for (index, head) in (0..).zip([0, 1, 2]) {
        guest.offer(index, head);
        assert_eq!(ring.take(), Some(Taken::Bad));
        ring.give_back(0);
    }
    guest.offer(3, 3);
    assert_eq!(ring.take(), Some(Taken::Bytes(4)));
    assert!(!ring.copy_out(&mut Cursor::default(), &mut [0; 4]), "outside of its memory");
    ring.give_back(0);
    guest.offer(4, SIZE);
    assert_eq!(ring.take(), None);
    assert_eq!(ring.broken, Some(Broken::Head { head: SIZE, size: SIZE }));
    let mut ring = guest.ring(OFFERED);
    guest.write(AVAILABLE + 2, &(base(&ring) + SIZE + 1).to_le_bytes());
    assert_eq!(ring.look(u16::MAX, Access::Read), 0);
    assert_eq!(ring.broken, Some(Broken::Index { available: SIZE + 1, size: SIZE }));
    assert!(!ring.is_usable());
}

#[test]
fn a_frame_is_spread_over_buffers() {
    let guest = Guest::new();
    let mut ring = guest.ring(OFFERED);
    for i in 0..4 {
        let at = GUEST + DATA + 0x100 * u64::from(i);
        guest.describe(DESCRIPTORS, i, (at, 100), (WRITE, 0));
        guest.offer(i, i);
    }
    let data: Vec<u8> = (0..250).collect();
    assert_eq!(ring.find_room(401), Room::Full);
    assert_eq!(ring.find_room(250), Room::Found { n_buffers: 3 });
    let mut cursor = Cursor::default();
    assert!(ring.copy_in(&mut cursor, &data[..7]) && ring.copy_in(&mut cursor, &data[7..]));
    ring.give_back(250);
    assert_eq!(guest.used_index(), 0, "not published yet");
    ring.publish();
    assert_eq!(guest.used_index(), 3);
    assert_eq!([0, 1, 2].map(|i| guest.used(i)), [(0, 100), (1, 100), (2, 50)]);
    assert_eq!(guest.read::<100>(DATA + 0x100)[..], data[100..200]);
    assert_eq!(guest.read::<50>(DATA + 0x200)[..], data[200..]);
    let mut single = guest.ring(OFFERED & !bit::MRG_RXBUF);
    assert_eq!(base(&single), 3);
    assert_eq!(single.find_room(101), Room::TooSmall);
    assert_eq!(single.find_room(100), Room::Found { n_buffers: 1 });
    // What the guest means to be read is not written.
    guest.describe(DESCRIPTORS, 3, (GUEST + DATA, 100), (0, 0));
    assert_eq!(single.find_room(100), Room::Bad);
    assert_eq!((base(&single), single.look(u16::MAX, Access::Read)), (4, 0));
}

#[test]
fn the_guest_is_notified_only_when_it_wants_to_be() {
    let guest = Guest::new();
    let mut ring = guest.ring(OFFERED & !bit::EVENT_IDX);
    let turn = |ring: &mut Buffers<Split>| {
        guest.describe(DESCRIPTORS, 0, (GUEST + DATA, 1), (0, 0));
        guest.offer(base(ring), 0);
        take_all(ring);
        guest.notified()
    };
    assert!(turn(&mut ring) && turn(&mut ring));
    guest.write(AVAILABLE, &1u16.to_le_bytes());
    assert!(!turn(&mut ring));
    ring.suppress_kicks();
    assert_eq!(guest.read::<2>(USED), [1, 0]);
    assert!(!ring.allow_kicks());
    assert_eq!(guest.read::<2>(USED), [0, 0]);

    let mut ring = guest.ring(OFFERED);
    let used_event = |index: u16| guest.write(AVAILABLE + 4 + 2 * 8, &index.to_le_bytes());
    assert!(turn(&mut ring), "the first time it is always told");
    let begun = base(&ring);
    used_event(begun + 1);
    assert!(!turn(&mut ring));
    assert!(turn(&mut ring));
    assert!(!turn(&mut ring));
    assert!(!ring.allow_kicks());
    assert_eq!(guest.read::<2>(USED + 4 + 8 * 8), base(&ring).to_le_bytes());
    guest.offer(base(&ring), 0);
    assert!(ring.allow_kicks(), "there is one already");
}

#[test]
fn a_ring_whose_memory_is_cut_rests() {
    let guest = Guest::new();
    let mut ring = guest.ring(OFFERED);
    guest.describe(DESCRIPTORS, 0, (GUEST + 0x8000, 16), (0, 0));
    guest.offer(0, 0);
    guest.cut(0x4000);
    let Some(Taken::Bytes(16)) = ring.take() else { panic!("the ring is still there") };
    let mut bytes = [1; 16];
    assert!(ring.copy_out(&mut Cursor::default(), &mut bytes));
    assert_eq!(bytes, [0; 16]);
    ring.give_back(0);
    ring.publish();
    assert_eq!(ring.broken, Some(Broken::MemoryLost));
}

proptest! {
    /// Whatever stands in the guest's memory: nothing is read or written outside of it, and every
    /// buffer that is taken is given back.
    #[test]
    fn any_memory_is_survived(image in proptest::collection::vec(any::<u8>(), 0x400), need in 0usize..3000) {
        let guest = Guest::new();
        guest.write(DESCRIPTORS, &image[..128]);
        guest.write(AVAILABLE, &image[128..256]);
        for i in 0..SIZE {
            // Addresses that are sometimes there.
            let at = 256 + 16 * usize::from(i);
            let addr = GUEST + u64::from(image[at]) * 300;
            let flags = u16::from(image[at + 1] % 8);
            let next = u16::from(image[at + 2] % 10);
            let len = u32::from(image[at + 3]) * 20;
            guest.describe(DESCRIPTORS, i, (addr, len), (flags, next));
        }
        for features in [OFFERED, 0] {
            let mut ring = guest.ring(features);
            let begun = base(&ring);
            let mut n = 0u16;
            for _ in 0..ring.look(u16::MAX, Access::Read) {
                match ring.take() {
                    Some(Taken::Bytes(len)) => {
                        let mut to = vec![0; usize::try_from(len).unwrap_or(0).min(70_000)];
                        let _ = ring.copy_out(&mut Cursor::default(), &mut to);
                    }
                    Some(Taken::Bad) => {}
                    None => break,
                }
                ring.give_back(0);
                n += 1;
            }
            prop_assert_eq!(base(&ring), begun.wrapping_add(n));
            let mut ring = guest.ring(features);
            if let Room::Found { n_buffers } = ring.find_room(need) {
                let _ = ring.copy_in(&mut Cursor::default(), &vec![7; need]);
                ring.give_back(need);
                prop_assert_eq!(base(&ring), begun.wrapping_add(n_buffers));
            }
            ring.publish();
        }
    }
}
