//! Packed rings against a driver by the book: naive, honest or not, in a memory file.

use std::collections::VecDeque;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::netdev::vhost::feature::OFFERED;
use crate::netdev::vhost::ring::guest::{GUEST, GuestFile, USER};
use crate::netdev::vhost::ring::{Buffers, Cursor, Room, Taken};
use crate::netdev::vhost::vring::VringPlace;

const LEN: u64 = 0x40000;
/// Where in the memory the events are, room for data, and for tables.
const DRIVER: u64 = 0x3000;
const DEVICE: u64 = 0x3010;
const DATA: u64 = 0x4000;
const TABLES: u64 = 0x30000;

/// A piece of a buffer as the driver describes it: address, bytes, flags.
type Described = (u64, u32, u16);

/// A driver, and its memory with one ring.
struct Driver {
    memory: GuestFile,
    size: u16,
    /// Where it makes buffers available, and where it finds them used.
    next: Position,
    used: Position,
    /// Id and slots of those that the device has.
    out: VecDeque<(u16, u16)>,
    n_free: u16,
}

impl core::ops::Deref for Driver {
    type Target = GuestFile;

    fn deref(&self) -> &GuestFile {
        &self.memory
    }
}

impl Driver {
    /// With a ring that has come so far.
    fn new(size: u16, start: Position) -> Driver {
        let memory = GuestFile::new(LEN);
        let out = VecDeque::new();
        let driver = Driver { memory, size, next: start, used: start, out, n_free: size };
        for slot in 0..size {
            let wrap = if slot < start.slot { start.wrap } else { !start.wrap };
            driver.write(u64::from(slot) * 16 + 14, &Position { slot, wrap }.used().to_le_bytes());
        }
        driver
    }

    fn at_start(size: u16) -> Driver {
        Driver::new(size, Position::START)
    }

    fn packed(&self, base: Option<u32>) -> Packed {
        let place = VringPlace { descriptors: USER, available: USER + DRIVER, used: USER + DEVICE };
        Packed::new(PackedVring::new(self.memory(), self.size, place).unwrap(), base)
    }

    fn ring(&self, features: u64) -> Buffers<Packed> {
        let call = Some(Arc::clone(&self.call));
        let mut ring = Buffers::new(self.packed(None), Features(features), call);
        ring.enabled = true;
        ring
    }

    /// Writes a descriptor, its flags last.
    fn describe(&self, at: u64, (addr, len, flags): Described, id: u16) {
        self.write(at, &addr.to_le_bytes());
        self.write(at + 8, &len.to_le_bytes());
        self.write(at + 12, &id.to_le_bytes());
        self.write(at + 14, &flags.to_le_bytes());
    }

    /// Makes a buffer available: its first descriptor last. Only the last has the id.
    fn offer(&mut self, id: u16, parts: &[Described]) {
        let n = u16::try_from(parts.len()).unwrap();
        assert!(n <= self.n_free);
        for (i, part) in (0..n).zip(parts).rev() {
            let at = self.next.plus(i, self.size);
            let more = if i + 1 < n { NEXT } else { 0 };
            let owner = if at.wrap { AVAILABLE } else { USED };
            let (addr, len, flags) = *part;
            let id = if i + 1 < n { 0xdead } else { id };
            self.describe(u64::from(at.slot) * 16, (addr, len, flags | more | owner), id);
        }
        self.next = self.next.plus(n, self.size);
        self.n_free -= n;
        self.out.push_back((id, n));
    }

    /// Makes a buffer available by a table.
    fn offer_table(&mut self, id: u16, parts: &[Described]) {
        let table = TABLES + 0x100 * u64::from(id % 16);
        for (at, part) in (table..).step_by(16).zip(parts) {
            self.describe(at, *part, 0xbeef);
        }
        let len = u32::try_from(16 * parts.len()).unwrap();
        self.offer(id, &[(GUEST + table, len, INDIRECT)]);
    }

    /// The next buffer that is used: id and bytes.
    fn reap(&mut self) -> Option<(u16, u32)> {
        let at = u64::from(self.used.slot) * 16;
        let flags = u16::from_le_bytes(self.read(at + 14));
        if flags & (AVAILABLE | USED) != self.used.used() {
            return None;
        }
        let (id, n) = self.out.pop_front().expect("it has given some");
        let (given, len) = (self.read(at + 12), u32::from_le_bytes(self.read(at + 8)));
        assert_eq!(u16::from_le_bytes(given), id, "in order");
        assert_eq!(flags & WRITE != 0, len > 0);
        self.used = self.used.plus(n, self.size);
        self.n_free += n;
        Some((id, len))
    }
}

fn take(ring: &mut Buffers<Packed>) -> Vec<u8> {
    let Some(Taken::Bytes(len)) = ring.take() else { panic!("no buffer") };
    let mut bytes = vec![0; usize::try_from(len).unwrap()];
    assert!(ring.copy_out(&mut Cursor::default(), &mut bytes));
    ring.give_back(0);
    bytes
}

fn positions(size: u16) -> impl Iterator<Item = Position> {
    (0..size).flat_map(|slot| [true, false].map(|wrap| Position { slot, wrap }))
}

#[test]
fn chains_are_read_whole_at_any_place() {
    for size in [3, 4, 7] {
        for start in positions(size) {
            let mut driver = Driver::new(size, start);
            let mut ring = driver.ring(OFFERED);
            assert_eq!(ring.layout.next(), start);
            driver.write(DATA, b"hello, world");
            for turn in 0..4 * size {
                assert_eq!(ring.look(99, Access::Read), 0);
                let (last, empty) = ((GUEST + DATA + 7, 5, 0), (GUEST + DATA, 0, 0));
                driver.offer(turn, &[(GUEST + DATA, 5, 0), empty, last]);
                assert_eq!(ring.look(99, Access::Read), 1);
                assert_eq!(take(&mut ring), b"helloworld");
                assert_eq!(driver.reap(), None, "not published yet");
                ring.publish();
                assert_eq!(driver.reap(), Some((turn, 0)));
                assert_eq!(ring.layout.next(), driver.next);
            }
        }
    }
}

#[test]
fn tables_are_read_and_bounded() {
    let mut driver = Driver::at_start(8);
    let mut ring = driver.ring(OFFERED);
    driver.write(DATA, b"indirect");
    // NEXT means nothing in a table.
    let parts = [(GUEST + DATA, 2, 0), (GUEST + DATA + 2, 6, NEXT)];
    driver.offer_table(7, &parts);
    assert_eq!((ring.look(9, Access::Read), take(&mut ring)), (1, b"indirect".to_vec()));
    ring.publish();
    assert_eq!(driver.reap(), Some((7, 0)));
    let table = GUEST + TABLES;
    let bad: [&[Described]; 6] = [
        &[(table, 0, INDIRECT)],
        &[(table, 15, INDIRECT)],
        &[(GUEST + LEN - 8, 32, INDIRECT)],
        &[(table, u32::MAX, INDIRECT)],
        &[(table, 32, INDIRECT), (GUEST + DATA, 4, 0)],
        &[(table, 32, INDIRECT | WRITE), (table, 32, INDIRECT)],
    ];
    for parts in bad {
        driver.offer(1, parts);
        assert_eq!((ring.look(9, Access::Read), ring.take()), (1, Some(Taken::Bad)), "{parts:?}");
        ring.give_back(0);
        ring.publish();
        assert_eq!(driver.reap(), Some((1, 0)));
    }
    driver.offer_table(2, &[(GUEST + DATA, 4, 0), (GUEST + DATA, 4, WRITE)]);
    assert_eq!(ring.take(), Some(Taken::Bad), "to be written");
    ring.give_back(0);
    driver.offer(3, &[(GUEST + DATA, 8, 0)]);
    assert_eq!(take(&mut ring), b"indirect", "the next one is where it should be");
    // Not asked for, not taken.
    let mut driver = Driver::at_start(8);
    let mut plain = driver.ring(OFFERED & !bit::INDIRECT);
    driver.offer_table(1, &parts);
    assert_eq!(plain.take(), Some(Taken::Bad));
}

#[test]
fn chains_that_lie_cost_their_frame_and_those_without_end_the_ring() {
    let mut driver = Driver::at_start(8);
    let mut ring = driver.ring(OFFERED);
    let good = (GUEST + DATA, 4, 0);
    // Behind what makes no sense the chain goes on, and the next is behind its end.
    driver.offer(1, &[good, (GUEST + DATA, 4, WRITE), good]);
    driver.offer(2, &[(GUEST + LEN - 2, 4, 0)]);
    driver.offer(3, &[good]);
    assert_eq!((ring.look(9, Access::Read), ring.take()), (3, Some(Taken::Bad)));
    ring.give_back(0);
    assert_eq!(ring.take(), Some(Taken::Bytes(4)));
    assert!(!ring.copy_out(&mut Cursor::default(), &mut [0; 4]), "outside of its memory");
    ring.give_back(0);
    assert_eq!(take(&mut ring).len(), 4);
    assert_eq!(ring.take(), None);
    assert_eq!(ring.broken, None);
    ring.publish();
    assert_eq!([1, 2, 3].map(|_| driver.reap().unwrap().0), [1, 2, 3]);
    // All slots, and none is the last.
    for slot in 0..8 {
        let owner = if slot < 5 { USED } else { AVAILABLE };
        driver.describe(slot * 16, (good.0, good.1, NEXT | owner), 0);
    }
    assert_eq!((ring.look(9, Access::Read), ring.take()), (1, None));
    assert_eq!(ring.broken, Some(Broken::Endless { most: 8 }));
    assert!(!ring.is_usable());
    // The same for one that is to be written, behind one that is held.
    let mut driver = Driver::at_start(4);
    let mut ring = driver.ring(OFFERED);
    driver.offer(1, &[(GUEST + DATA, 4, WRITE)]);
    for slot in 1..4 {
        driver.describe(slot * 16, (GUEST + DATA, 4, NEXT | WRITE | AVAILABLE), 0);
    }
    assert_eq!(ring.find_room(5), Room::Full);
    assert_eq!(ring.broken, Some(Broken::Endless { most: 3 }));
}

#[test]
fn what_is_taken_back_or_given_twice_is_not_taken() {
    let mut driver = Driver::at_start(4);
    let mut ring = driver.ring(OFFERED);
    driver.offer(1, &[(GUEST + DATA, 4, 0)]);
    assert_eq!(ring.look(9, Access::Read), 1);
    driver.write(14, &[0, 0]);
    assert_eq!((ring.take(), ring.broken), (None, None));
    // A driver that claims one slot again and again, before it was given back.
    for turn in 0..4 {
        driver.write((turn % 4) * 16 + 14, &AVAILABLE.to_le_bytes());
        assert!(ring.take().is_some());
        ring.give_back(0);
    }
    driver.write(14, &USED.to_le_bytes());
    assert_eq!((ring.take(), ring.broken), (None, None), "more than the ring has");
    ring.publish();
    driver.write(14, &USED.to_le_bytes());
    assert!(ring.take().is_some());
}

#[test]
fn a_frame_is_spread_over_buffers() {
    let mut driver = Driver::new(5, Position { slot: 3, wrap: true });
    let mut ring = driver.ring(OFFERED);
    let at = |i: u16| GUEST + DATA + 0x100 * u64::from(i);
    let data: Vec<u8> = (0..250).collect();
    driver.offer(10, &[(at(0), 60, WRITE), (at(1), 40, WRITE)]);
    driver.offer(11, &[(at(2), 100, WRITE)]);
    driver.offer(12, &[(at(3), 100, WRITE)]);
    assert_eq!(ring.look(2, Access::Read), 2);
    assert_eq!(ring.find_room(301), Room::Full);
    assert_eq!(ring.find_room(250), Room::Found { n_buffers: 3 });
    let mut cursor = Cursor::default();
    assert!(ring.copy_in(&mut cursor, &data[..7]) && ring.copy_in(&mut cursor, &data[7..]));
    ring.give_back(250);
    assert_eq!(driver.reap(), None, "not published yet");
    ring.publish();
    assert_eq!([0; 3].map(|_| driver.reap().unwrap()), [(10, 100), (11, 100), (12, 50)]);
    assert_eq!(driver.read::<40>(DATA + 0x100)[..], data[60..100]);
    assert_eq!(driver.read::<50>(DATA + 0x300)[..], data[200..]);
    let mut single = driver.ring(OFFERED & !bit::MRG_RXBUF);
    driver.offer(13, &[(at(0), 100, WRITE)]);
    driver.offer(14, &[(at(0), 100, 0)]);
    assert_eq!(single.find_room(101), Room::TooSmall);
    assert_eq!(single.find_room(100), Room::Found { n_buffers: 1 });
    single.give_back(100);
    // What the guest means to be read is not written.
    assert_eq!(single.find_room(100), Room::Bad);
    single.publish();
    assert_eq!([0; 2].map(|_| driver.reap().unwrap()), [(13, 100), (14, 0)]);
}

#[test]
fn the_guest_is_notified_only_when_it_wants_to_be() {
    const DISABLE: u16 = 1;
    const DESC: u16 = 2;
    let mut driver = Driver::at_start(4);
    let mut ring = driver.ring(OFFERED);
    let turn = |driver: &mut Driver, ring: &mut Buffers<Packed>, n: u16| {
        for id in 0..n {
            driver.offer(id, &[(GUEST + DATA, 1, 0)]);
            take(ring);
        }
        ring.publish();
        (0..n).for_each(|id| assert_eq!(driver.reap(), Some((id, 0))));
        driver.notified()
    };
    let wish = |driver: &Driver, place: u16, flags: u16| {
        driver.write(DRIVER, &[place.to_le_bytes(), flags.to_le_bytes()].concat());
    };
    assert!(turn(&mut driver, &mut ring, 1) && turn(&mut driver, &mut ring, 1));
    wish(&driver, 0, DISABLE);
    assert!(!turn(&mut driver, &mut ring, 1));
    // At each place, from each place, over as many as that.
    for n in 1..=4 {
        for off in 0..8u16 {
            let begun = ring.layout.next();
            let event = begun.plus(off % 4, 4);
            let event = if off < 4 { event } else { Position { wrap: !event.wrap, ..event } };
            wish(&driver, event.word(), DESC);
            assert_eq!(turn(&mut driver, &mut ring, n), off < n, "{begun:?} {off} {n}");
        }
    }
    // Places are for those who negotiated them.
    let mut plain = driver.ring(OFFERED & !bit::EVENT_IDX);
    assert!(turn(&mut driver, &mut plain, 1) && turn(&mut driver, &mut plain, 1));
    // Its own wishes.
    plain.suppress_kicks();
    assert_eq!(driver.read::<4>(DEVICE)[2..], [1, 0]);
    assert!(!plain.allow_kicks());
    assert_eq!(driver.read::<4>(DEVICE)[2..], [0, 0]);
    let mut ring = driver.ring(OFFERED);
    assert!(!ring.allow_kicks());
    let word = driver.next.word().to_le_bytes();
    assert_eq!(driver.read::<4>(DEVICE), [word[0], word[1], 2, 0]);
    driver.offer(0, &[(GUEST + DATA, 1, 0)]);
    assert!(ring.allow_kicks(), "there is one already");
}

#[test]
fn a_ring_whose_memory_is_cut_rests() {
    let mut driver = Driver::at_start(8);
    let mut ring = driver.ring(OFFERED);
    driver.offer(1, &[(GUEST + 0x8000, 16, 0)]);
    driver.cut(0x4000);
    let Some(Taken::Bytes(16)) = ring.take() else { panic!("the ring is still there") };
    let mut bytes = [1; 16];
    assert!(ring.copy_out(&mut Cursor::default(), &mut bytes));
    assert_eq!(bytes, [0; 16]);
    ring.give_back(0);
    ring.publish();
    assert_eq!(ring.broken, Some(Broken::MemoryLost));
    assert_eq!(ring.look(9, Access::Read), 0);
}

#[test]
fn a_ring_is_found_where_it_was_also_within_a_chain() {
    for size in [4, 5] {
        for start in positions(size) {
            for n_marked in 0..3 {
                let mut driver = Driver::new(size, start);
                driver.offer(1, &[(GUEST + DATA, 4, 0); 3]);
                // Killed after so many words.
                for n in 1..=n_marked {
                    let at = start.plus(n, size);
                    let place = u64::from(at.slot) * 16 + 14;
                    let flags = u16::from_le_bytes(driver.read(place)) & !(AVAILABLE | USED);
                    driver.write(place, &(flags | at.used()).to_le_bytes());
                }
                let mut ring = driver.ring(OFFERED);
                assert_eq!(ring.layout.next(), start, "{n_marked} marked");
                assert_eq!(take(&mut ring).len(), 12);
                ring.publish();
                assert_eq!(driver.reap(), Some((1, 0)));
                assert_eq!(driver.packed(None).next(), driver.next);
            }
        }
    }
}

#[test]
fn a_ring_is_found_where_it_was_also_within_a_spread_frame() {
    for size in [4, 5] {
        for start in positions(size) {
            for n_marked in 0..4 {
                let mut driver = Driver::new(size, start);
                driver.offer(1, &[(GUEST + DATA, 60, WRITE), (GUEST + DATA + 60, 40, WRITE)]);
                driver.offer(2, &[(GUEST + DATA + 0x100, 100, WRITE)]);
                driver.offer(3, &[(GUEST + DATA + 0x200, 100, WRITE)]);
                // Killed after so many words: that of the first buffer's chain, the second, the third.
                for n in 1..=n_marked {
                    let at = start.plus(n, size);
                    let place = u64::from(at.slot) * 16;
                    if n == 1 {
                        let flags = u16::from_le_bytes(driver.read(place + 14));
                        let kept = flags & !(AVAILABLE | USED);
                        driver.write(place + 14, &(kept | at.used()).to_le_bytes());
                    } else {
                        driver.describe(place, (0, 30, at.used() | WRITE), n);
                    }
                }
                let mut ring = driver.ring(OFFERED);
                if n_marked < 2 {
                    assert_eq!(ring.layout.next(), start, "{size}: {n_marked} marked");
                    assert_eq!(ring.find_room(101), Room::Found { n_buffers: 2 });
                    continue;
                }
                assert_eq!(ring.layout.next(), start.plus(n_marked + 1, size));
                let reaped: Vec<_> = std::iter::from_fn(|| driver.reap()).collect();
                assert_eq!(reaped, [(1, 100), (2, 30), (3, 30)][..usize::from(n_marked)]);
            }
        }
    }
}

#[test]
fn the_first_buffer_of_each_frame_is_known() {
    let mut driver = Driver::new(5, Position { slot: 3, wrap: true });
    let mut ring = driver.ring(OFFERED);
    for id in 0..4 {
        driver.offer(id, &[(GUEST + DATA + 0x100 * u64::from(id), 100, WRITE)]);
    }
    assert_eq!(ring.find_room(250), Room::Found { n_buffers: 3 });
    ring.give_back(250);
    assert_eq!(ring.find_room(50), Room::Found { n_buffers: 1 });
    ring.give_back(50);
    let parts: Vec<Part> = ring.layout.given.iter().map(|given| given.part).collect();
    assert_eq!(parts, [Part::First, Part::More, Part::More, Part::First]);
    ring.publish();
    let reaped = [0; 4].map(|_| driver.reap().unwrap());
    assert_eq!(reaped, [(0, 100), (1, 100), (2, 50), (3, 50)]);
}

#[test]
fn a_ring_of_another_device_begins_where_the_front_end_says() {
    let driver = Driver::at_start(8);
    // Slots in the middle of chains, which others leave as they were.
    for (slot, flags) in
        [(0, AVAILABLE | USED), (1, AVAILABLE), (2, AVAILABLE | USED), (3, AVAILABLE)]
    {
        driver.write(slot * 16 + 14, &flags.to_le_bytes());
    }
    let next = |base| driver.packed(base).next();
    assert_eq!(next(Some(0x8004)), Position { slot: 4, wrap: true });
    assert_eq!(next(Some(0x8004_0003)), Position { slot: 3, wrap: false });
    assert_eq!([None, Some(0x8008), Some(0x7fff)].map(next), [Position::START; 3]);
    // One of its own is known better than a front end does that was told nothing.
    let driver = Driver::new(8, Position { slot: 5, wrap: false });
    assert_eq!(driver.packed(Some(0x8000_8000)).next(), Position { slot: 5, wrap: false });
    assert_eq!(driver.packed(None).base(), 0x0005_0005);
}

/// What a driver and the device do in turn.
#[derive(Clone, Copy, Debug)]
enum Step {
    Offer { n_parts: u16, table: bool },
    Serve { most: u16 },
    Reap,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1u16..4, any::<bool>()).prop_map(|(n_parts, table)| Step::Offer { n_parts, table }),
        2 => (1u16..6).prop_map(|most| Step::Serve { most }),
        2 => Just(Step::Reap),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    /// Whatever is done in whatever order, from whatever place: what the driver sends arrives whole, in
    /// order and once, and it gets back all that it gave.
    #[test]
    fn a_driver_and_the_device_agree(
        size in 1u16..12,
        start in any::<(u16, bool)>(),
        steps in proptest::collection::vec(step(), 1..120),
    ) {
        let mut driver = Driver::new(size, Position { slot: start.0 % size, wrap: start.1 });
        let mut ring = driver.ring(OFFERED);
        let (mut sent, mut n_sent, mut n_reaped) = (VecDeque::new(), 0u16, 0u16);
        for step in steps {
            match step {
                Step::Offer { n_parts, table } => {
                    let n_slots = if table { 1 } else { n_parts };
                    if n_slots > driver.n_free {
                        continue;
                    }
                    let at = DATA + 0x100 * u64::from(n_sent % 16);
                    let bytes: Vec<u8> = (0..30 * n_parts).map(|i| (i + n_sent).to_le_bytes()[0]).collect();
                    driver.write(at, &bytes);
                    let part = |i: u16| (GUEST + at + 30 * u64::from(i), 30, 0);
                    let parts: Vec<Described> = (0..n_parts).map(part).collect();
                    match table {
                        true => driver.offer_table(n_sent, &parts),
                        false => driver.offer(n_sent, &parts),
                    }
                    sent.push_back(bytes);
                    n_sent += 1;
                }
                Step::Serve { most } => {
                    let n = ring.look(most, Access::Read);
                    prop_assert_eq!(usize::from(n), sent.len().min(usize::from(most)));
                    for _ in 0..n {
                        prop_assert_eq!(Some(take(&mut ring)), sent.pop_front());
                    }
                    ring.publish();
                }
                Step::Reap => {
                    while let Some((id, len)) = driver.reap() {
                        prop_assert_eq!((id, len), (n_reaped, 0));
                        n_reaped += 1;
                    }
                    prop_assert_eq!(usize::from(n_sent - n_reaped), sent.len());
                }
                Step::Restart => {
                    let next = ring.layout.next();
                    ring = driver.ring(OFFERED);
                    prop_assert_eq!(ring.layout.next(), next);
                }
            }
        }
        prop_assert_eq!(ring.broken, None);
    }

    /// Whatever stands in the guest's memory: nothing is read or written outside of it, and every
    /// buffer that is taken is given back.
    #[test]
    fn any_memory_is_survived(
        image in proptest::collection::vec(any::<u8>(), 0x100),
        size in 1u16..16,
        need in 0usize..3000,
    ) {
        let driver = Driver::at_start(size);
        for slot in 0..size {
            // Addresses that are sometimes there, and flags that often are available.
            let at = 16 * usize::from(slot);
            let addr = GUEST + u64::from(image[at]) * 300 * 16;
            let owner = u16::from(image[at + 2] % 4 == 0) << 15 | u16::from(image[at + 2] % 5 > 0) << 7;
            let flags = u16::from(image[at + 1] % 8) | owner;
            driver.describe(u64::from(slot) * 16, (addr, u32::from(image[at + 3]) * 20, flags), 1);
        }
        driver.write(DRIVER, &image[0xf0..0xf4]);
        for features in [OFFERED, 0] {
            let mut ring = driver.ring(features);
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
            }
            prop_assert!(ring.layout.n_given_slots.get() <= size);
            ring.publish();
            let next = ring.layout.next();
            prop_assert_eq!((ring.layout.published, ring.layout.n_given_slots.get()), (next, 0));
            if let Room::Found { .. } = ring.find_room(need) {
                let _ = ring.copy_in(&mut Cursor::default(), &vec![7; need]);
                ring.give_back(need);
            }
            ring.publish();
            prop_assert_eq!(ring.layout.published, ring.layout.next());
        }
    }
}
