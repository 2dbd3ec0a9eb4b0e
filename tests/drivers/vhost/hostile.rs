//! Front ends and guests that lie. Each loses its own port until it is sane again, and nothing else.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use datapath::DropReason;
use datapath::netdev::vhost::{Mode, Vhost};
use rustix::fs::ftruncate;
use switch_tests::front_end::{
    self, GUEST, LAYOUTS, Layout, PROTOCOL, RING_PACKED, SIZE, USER, address, message, request,
    state, table,
};
use switch_tests::{FrontEnd, wait_until};

use super::{Port, config};
use crate::rig::{Memory, PATIENCE, frame};

/// What a front end says, and what people are told of it.
type Lie = (&'static str, fn(&mut FrontEnd) -> std::io::Result<()>);

const LIES: &[Lie] = &[
    ("names ring 2", |guest| guest.send(request::SET_VRING_NUM, &state(2, 256), &[])),
    ("names ring 4294967295", |guest| guest.send(request::GET_VRING_BASE, &state(!0, 0), &[])),
    ("has 0 entries", |guest| guest.send(request::SET_VRING_NUM, &state(0, 0), &[])),
    ("has 100 entries", |guest| guest.send(request::SET_VRING_NUM, &state(0, 100), &[])),
    ("has 65536 entries", |guest| guest.send(request::SET_VRING_NUM, &state(0, 65536), &[])),
    ("starts at 65536", |guest| guest.send(request::SET_VRING_BASE, &state(0, 65536), &[])),
    ("not in its memory", |guest| {
        let end = front_end::memory_len(2);
        guest.send(request::SET_VRING_ADDR, &address(0, end - 16), &[])
    }),
    ("not in its memory", |guest| {
        guest.send(request::SET_VRING_ADDR, &address(1, u64::MAX - USER - 0x2fff), &[])
    }),
    ("invalid", |guest| guest.send(request::SET_VRING_ADDR, &address(0, 1), &[])),
    ("not offered: 0x1000000000", |guest| {
        guest.send(request::SET_FEATURES, &(1u64 << 36 | PROTOCOL).to_le_bytes(), &[])
    }),
    ("has 0 entries (allowed: any number", |guest| {
        packed(guest)?;
        guest.send(request::SET_VRING_NUM, &state(0, 0), &[])
    }),
    ("has 32769 entries", |guest| {
        packed(guest)?;
        guest.send(request::SET_VRING_NUM, &state(0, 32769), &[])
    }),
    ("starts at 256 (allowed: 0-255)", |guest| {
        packed(guest)?;
        guest.send(request::SET_VRING_NUM, &state(0, 256), &[])?;
        guest.send(request::SET_VRING_BASE, &state(0, 0x8100_8100), &[])
    }),
    ("not in its memory", |guest| {
        // A split ring may lie there.
        packed(guest)?;
        let parts = [0, 0x2000, 0x1002].map(|part| (USER + part).to_le_bytes()).concat();
        let body = [&state(0, 0)[..], &parts, &[0; 8]].concat();
        guest.send(request::SET_VRING_ADDR, &body, &[])
    }),
    ("features not offered: 0x40", |guest| {
        guest.send(request::SET_PROTOCOL_FEATURES, &0x40u64.to_le_bytes(), &[])
    }),
    ("invalid", |guest| guest.send(request::SET_VRING_ENABLE, &state(0, 2), &[])),
    ("invalid", |guest| guest.send(99, &[], &[])),
    ("invalid", |guest| guest.send(0, &[], &[])),
    ("invalid", |guest| guest.send(request::SET_VRING_NUM, &[0; 7], &[])),
    ("invalid", |guest| guest.send(request::GET_FEATURES, &[0; 8], &[])),
    ("a message of 4097 bytes", |guest| guest.send(request::SET_FEATURES, &[0; 4097], &[])),
    ("a message of 4294967295 bytes", |guest| {
        guest.send_raw(&[1, 0, 0, 0, 1, 0, 0, 0, 255, 255, 255, 255], &[])
    }),
    ("invalid", |guest| {
        let version_2 = [1u32, 2, 0].map(u32::to_le_bytes).concat();
        guest.send_raw(&version_2, &[])
    }),
    ("no eventfd", |guest| {
        let index = 0u64.to_le_bytes();
        guest.send(request::SET_VRING_CALL, &index, &[guest.memory.as_fd()])
    }),
    ("no eventfd", |guest| {
        let (_reader, writer) = std::io::pipe()?;
        guest.send(request::SET_VRING_KICK, &1u64.to_le_bytes(), &[writer.as_fd()])
    }),
    ("invalid", |guest| guest.send(request::SET_VRING_CALL, &0u64.to_le_bytes(), &[])),
    ("invalid", |guest| {
        let two = [guest.rings[0].call.as_fd(), guest.rings[0].call.as_fd()];
        guest.send(request::SET_VRING_CALL, &0u64.to_le_bytes(), &two)
    }),
    ("invalid", |guest| {
        guest.send(request::SET_FEATURES, &PROTOCOL.to_le_bytes(), &[guest.memory.as_fd()])
    }),
    ("more than 32 descriptors", |guest| {
        let files = vec![guest.memory.as_fd(); 40];
        guest.send(request::SET_MEM_TABLE, &table(&[(GUEST, 4096, USER, 0)]), &files)
    }),
    // Taken for those of the message, if both parts are there at once.
    ("the front end was refused", |guest| {
        let bytes = message(request::SET_FEATURES, &PROTOCOL.to_le_bytes());
        guest.send_raw(&bytes[..5], &[])?;
        guest.send_raw(&bytes[5..], &[guest.memory.as_fd()])
    }),
    ("in the middle of a message", |guest| {
        guest.send_raw(&message(request::SET_FEATURES, &[0; 8])[..15], &[])
    }),
    ("invalid", |guest| {
        let none = table(&[]);
        guest.send(request::SET_MEM_TABLE, &none, &[])
    }),
    ("invalid", |guest| {
        let files = [guest.memory.as_fd(), guest.memory.as_fd()];
        guest.send(request::SET_MEM_TABLE, &table(&[(GUEST, 4096, USER, 0)]), &files)
    }),
    ("not a memfd", |guest| {
        let disk = OwnedFd::from(File::open("/proc/self/exe")?);
        guest.send(request::SET_MEM_TABLE, &table(&[(GUEST, 4096, USER, 0)]), &[disk.as_fd()])
    }),
    ("not a memfd", |guest| {
        let call = guest.rings[0].call.as_fd();
        guest.send(request::SET_MEM_TABLE, &table(&[(GUEST, 4096, USER, 0)]), &[call])
    }),
    ("of a file of", |guest| {
        let len = front_end::memory_len(2) + 1;
        let files = [guest.memory.as_fd()];
        guest.send(request::SET_MEM_TABLE, &table(&[(GUEST, len, USER, 0)]), &files)
    }),
    ("overlaps another", |guest| {
        let regions = [(GUEST, 8192, USER, 0), (GUEST + 4096, 8192, USER + 0x10000, 0)];
        let files = [guest.memory.as_fd(), guest.memory.as_fd()];
        guest.send(request::SET_MEM_TABLE, &table(&regions), &files)
    }),
    ("overlaps another", |guest| {
        let body = [0, GUEST, 4096, USER, 0].map(u64::to_le_bytes).concat();
        guest.send(request::ADD_MEM_REG, &body, &[guest.memory.as_fd()])?;
        // The same bytes again are no lie, others at their place are.
        guest.send(request::ADD_MEM_REG, &body, &[guest.memory.as_fd()])?;
        let body = [0, GUEST, 4096, USER, 4096].map(u64::to_le_bytes).concat();
        guest.send(request::ADD_MEM_REG, &body, &[guest.memory.as_fd()])
    }),
    ("not in its memory", |guest| {
        // Memory that does not hold the rings, which are in use.
        let small = table(&[(GUEST, 0x1000, USER, 0)]);
        guest.send(request::SET_MEM_TABLE, &small, &[guest.memory.as_fd()])
    }),
];

/// Takes packed rings.
fn packed(guest: &mut FrontEnd) -> std::io::Result<()> {
    let features = RING_PACKED | PROTOCOL | 1 << 32;
    guest.send(request::SET_FEATURES, &features.to_le_bytes(), &[])
}

#[test]
fn lies_end_the_connection_and_the_next_one_works() {
    let memory = Memory::new();
    let mut port = Port::new(&memory, 1);
    for (told, lie) in LIES {
        let mut guest = port.guest(1);
        port.wait_link(true);
        lie(&mut guest).unwrap();
        guest.wait_closed();
        port.wait_status("status", "disconnected");
        port.wait_status("error", told);
        port.wait_link(false);
        // As the first thing that it says.
        let mut guest = FrontEnd::connect(&port.path, 1);
        lie(&mut guest).unwrap();
        drop(guest);
        port.wait_status("status", "disconnected");
    }
    let mut guest = port.guest(1);
    port.wait_link(true);
    assert!(port.status("error").is_none());
    port.assert_works(&mut guest);
    port.close(&memory);
}

#[test]
fn messages_in_any_order_do_no_harm() {
    let memory = Memory::new();
    let mut port = Port::new(&memory, 1);
    let step: [fn(&mut FrontEnd) -> std::io::Result<()>; 7] = [
        |guest| guest.share_memory(),
        |guest| guest.send(request::SET_VRING_NUM, &state(1, SIZE.into()), &[]),
        |guest| guest.send(request::SET_VRING_ADDR, &address(1, guest.rings[1].at), &[]),
        |guest| {
            let kick = guest.rings[1].kick.as_fd();
            guest.send(request::SET_VRING_KICK, &1u64.to_le_bytes(), &[kick])
        },
        |guest| guest.send(request::SET_FEATURES, &(1u64 << 32 | PROTOCOL).to_le_bytes(), &[]),
        |guest| guest.enable(1, 1),
        |guest| guest.send(request::SET_VRING_BASE, &state(1, 0), &[]),
    ];
    for seed in 0..60usize {
        let mut guest = FrontEnd::connect(&port.path, 1);
        // Frames may only be enabled once the protocol is agreed on.
        guest.send(request::SET_FEATURES, &(1u64 << 32 | PROTOCOL).to_le_bytes(), &[]).unwrap();
        let mut order: Vec<usize> = (0..step.len()).collect();
        let mut draw = seed;
        for i in (1..order.len()).rev() {
            order.swap(i, draw % (i + 1));
            draw = draw / (i + 1) * 31 + seed;
        }
        for at in &order {
            step[*at](&mut guest).unwrap();
        }
        guest.settle().unwrap_or_else(|error| panic!("{order:?}: {error}"));
        guest.transmit(0, &frame(60, 3));
        let got = port.side.recv_n(1);
        port.side.pool.put_all(got);
    }
    port.close(&memory);
}

#[test]
fn a_guest_that_lies_in_its_rings_loses_them_until_it_is_set_up_anew() {
    let memory = Memory::new();
    let mut port = Port::new(&memory, 1);
    let mut other = Port::new(&memory, 1);
    let mut neighbour = other.guest(1);
    let mut guest = port.guest(1);
    for told in ["claims", "names descriptor 256", "names descriptor 65535"] {
        match told {
            "claims" => guest.set_available(1, guest.n_used(1).wrapping_add(SIZE + 1)),
            "names descriptor 256" => guest.offer(1, SIZE),
            _ => guest.offer(1, u16::MAX),
        }
        port.side.drain(0);
        port.wait_status("error", told);
        assert_eq!(port.status("status").unwrap(), "connected");
        other.assert_works(&mut neighbour);
        guest = port.guest_again(guest);
        port.assert_works(&mut guest);
    }
    // The ring to it: what it claims there is seen when a frame is to be sent.
    guest.set_available(0, guest.n_used(0).wrapping_add(SIZE + 1));
    port.side.send(&[frame(60, 1), frame(60, 2)]);
    assert!(
        port.side.tx_drops(DropReason::TxQueueFull) + port.side.tx_drops(DropReason::TxPortDown)
            == 2
    );
    port.wait_status("error", "ring 0 rests: the guest claims");
    port.wait_link(false);
    other.assert_works(&mut neighbour);
    other.close_with(port, &memory);
}

impl Port {
    /// The guest is set up anew by its front end: it is gone, and comes back.
    fn guest_again(&self, guest: FrontEnd) -> FrontEnd {
        self.guest_again_by(Layout::Split, guest)
    }

    fn guest_again_by(&self, layout: Layout, guest: FrontEnd) -> FrontEnd {
        drop(guest);
        self.wait_status("status", "disconnected");
        self.guest_by(layout, 1)
    }

    fn close_with(self, other: Port, memory: &Memory) {
        self.side.close();
        other.close(memory);
    }
}

#[test]
fn buffers_that_make_no_sense_cost_their_frame() {
    let memory = Memory::new();
    let mut port = Port::new(&memory, 1);
    let mut guest = port.guest(1);
    let lies: [(u64, (u32, u16, u16)); 8] = [
        (0, (100, 0, 0)),                                     // no memory there
        (u64::MAX - 10, (100, 0, 0)),                         // nor there
        (GUEST + front_end::memory_len(2) - 50, (100, 0, 0)), // half of it
        (GUEST, (11, 0, 0)),                                  // no room for a header
        (GUEST, (100, 2, 0)),                                 // to be written
        (GUEST, (100, 1, 0)),                                 // a loop, from descriptor 0
        (GUEST, (100, 1, SIZE)),                              // goes on nowhere
        (GUEST, (33, 4, 0)), // a table of two and a bit, of what is there
    ];
    let n_lies = lies.len() as u64;
    for (addr, rest) in lies {
        guest.describe(1, 0, addr, rest);
        guest.offer(1, 0);
        wait_until("it to be given back", PATIENCE, || {
            port.side.drain(0);
            u64::from(guest.n_used(1)) == port.side.counters.rx_packets.get()
        });
    }
    // Larger than any frame.
    guest.describe(1, 0, GUEST, (u32::MAX, 0, 0));
    guest.offer(1, 0);
    port.side.drain(0);
    assert_eq!(port.side.counters.rx_drops(DropReason::BadDescriptor), n_lies);
    assert_eq!(port.side.counters.rx_drops(DropReason::RxTruncated), 1);
    // The same for those that it receives by.
    for (addr, rest) in [(0, (2048, 2, 0)), (GUEST, (2048, 0, 0)), (GUEST, (2048, 3, 0))] {
        guest.describe(0, 0, addr, rest);
        guest.offer(0, 0);
        port.side.send(&[frame(60, 1)]);
    }
    assert_eq!(port.side.tx_drops(DropReason::BadDescriptor), 3);
    assert!(port.status("error").is_none());
    let mut guest = port.guest_again(guest);
    port.assert_works(&mut guest);
    port.close(&memory);
}

#[test]
fn a_guest_that_lies_in_its_packed_rings_loses_frames_or_the_ring() {
    let memory = Memory::new();
    let mut port = Port::new(&memory, 1);
    let mut other = Port::new(&memory, 1);
    let mut neighbour = other.guest_by(Layout::Packed, 1);
    let mut guest = port.guest_by(Layout::Packed, 1);
    let lies: [(u64, (u32, u16, u16)); 6] = [
        (0, (100, 0, 0)),                                     // no memory there
        (u64::MAX - 10, (100, 0, 0)),                         // nor there
        (GUEST + front_end::memory_len(2) - 50, (100, 0, 0)), // half of it
        (GUEST, (11, 0, 0)),                                  // no room for a header
        (GUEST, (100, 2, 0)),                                 // to be written
        (GUEST, (15, 4, 0)),                                  // a table of nothing
    ];
    for (addr, rest) in lies {
        guest.describe(1, 0, addr, rest);
        guest.offer(1, 0);
        wait_until("it to be given back", PATIENCE, || {
            port.side.drain(0);
            u64::from(guest.n_used(1)) == port.side.counters.rx_packets.get()
        });
    }
    assert_eq!(port.side.counters.rx_drops(DropReason::BadDescriptor), lies.len() as u64);
    for (addr, rest) in [(0, (2048, 2, 0)), (GUEST, (2048, 0, 0)), (GUEST, (11, 4, 0))] {
        guest.describe(0, 0, addr, rest);
        guest.offer(0, 0);
        port.side.send(&[frame(60, 1)]);
    }
    assert_eq!(port.side.tx_drops(DropReason::BadDescriptor), 3);
    assert!(port.status("error").is_none());
    // Behind all that the next buffer is where it should be.
    guest.transmit(0, &frame(60, 4));
    let got = port.side.recv_n(1);
    port.side.pool.put_all(got);
    guest.post(0, 1);
    port.side.send(&[frame(60, 1)]);
    assert_eq!((port.side.counters.tx_packets.get(), guest.n_used(0)), (1, 4));
    // A chain without an end.
    for ring in [1, 0] {
        guest = port.guest_again_by(Layout::Packed, guest);
        port.wait_link(true);
        for id in 0..SIZE {
            guest.describe(ring, id, GUEST, (100, 1, 0));
            guest.offer(ring, id);
        }
        port.side.drain(0);
        port.side.send(&[frame(60, 1)]);
        port.wait_status("error", &format!("ring {ring} rests: the guest chains more than"));
        other.assert_works(&mut neighbour);
    }
    let mut guest = port.guest_again_by(Layout::Packed, guest);
    port.assert_works(&mut guest);
    other.close_with(port, &memory);
}

#[test]
fn memory_that_is_cut_while_in_use_costs_the_port_alone() {
    LAYOUTS.into_iter().for_each(memory_that_is_cut_by);
}

fn memory_that_is_cut_by(layout: Layout) {
    let memory = Memory::new();
    let mut port = Port::new(&memory, 1);
    let mut other = Port::new(&memory, 1);
    let mut neighbour = other.guest(1);
    let mut guest = port.guest_by(layout, 1);
    port.assert_works(&mut guest);
    for len in [0, 0x5000] {
        guest.transmit(0, &frame(60, 1));
        ftruncate(&guest.memory, len).unwrap();
        port.side.drain(0);
        port.side.send(&[frame(60, 1)]);
        port.side.drain(0);
        port.wait_status("error", "cut short");
        other.assert_works(&mut neighbour);
        guest = port.guest_again_by(layout, guest);
        port.wait_link(true);
        port.assert_works(&mut guest);
    }
    other.close_with(port, &memory);
}

#[test]
fn a_front_end_that_takes_no_answer_is_not_waited_for() {
    let memory = Memory::new();
    let port = Port::new(&memory, 1);
    let mut guest = FrontEnd::connect(&port.path, 1);
    let question = message(request::GET_FEATURES, &[]);
    // Until the switch has stopped reading, and given up.
    let flood = question.repeat(1000);
    while guest.send_raw(&flood, &[]).is_ok() {}
    port.wait_status("error", "in the middle of a message");
    guest.wait_closed();
    assert!(port.guest(1).settle().is_ok());
    port.close(&memory);
}

#[test]
fn a_silent_front_end_makes_room_for_the_next() {
    let memory = Memory::new();
    let mut port = Port::new(&memory, 1);
    let mut silent = FrontEnd::connect(&port.path, 1);
    silent.settle().unwrap();
    let mut guest = port.guest(1);
    port.assert_works(&mut guest);
    silent.wait_closed();
    // One that works is not disturbed by others that come.
    let waiting = FrontEnd::connect(&port.path, 1);
    port.assert_works(&mut guest);
    drop((guest, waiting));
    let mut guest = port.guest(1);
    port.assert_works(&mut guest);
    port.close(&memory);
}

#[test]
fn sockets_that_cannot_be_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let error = |path: PathBuf, n_pairs| {
        Vhost::open(&config(path, Mode::Server, n_pairs)).err().unwrap().to_string()
    };
    let at = |name: &str| folder.path().join(name);
    let long = error(at(&"x".repeat(108 - folder.path().as_os_str().len() - 1)), 1);
    assert!(long.contains("path is 108 (allowed: 1-107 bytes)"), "{long}");
    let nowhere = error(at("none/vm.sock"), 1);
    assert!(nowhere.contains("No such file"), "{nowhere}");
    let pairs = error(at("vm.sock"), 17);
    assert!(pairs.contains("allowed: 1-16"), "{pairs}");
    std::fs::write(at("file"), "precious").unwrap();
    let file = error(at("file"), 1);
    assert!(file.contains("another program does, or it is no socket"), "{file}");
    assert_eq!(std::fs::read(at("file")).unwrap(), b"precious");
    let listener = UnixListener::bind(at("vm.sock")).unwrap();
    let taken = error(at("vm.sock"), 1);
    assert!(taken.contains("in use"), "{taken}");
    // Left behind by one that was killed.
    drop(listener);
    assert!(at("vm.sock").exists());
    let port = Vhost::open(&config(at("vm.sock"), Mode::Server, 1)).unwrap();
    drop(port);
    assert!(!at("vm.sock").exists());
}

#[test]
fn rings_that_change_their_size_under_way_harm_nobody_else() {
    LAYOUTS.into_iter().for_each(rings_that_change_their_size_by);
}

fn rings_that_change_their_size_by(layout: Layout) {
    let memory = Memory::new();
    let (mut port, mut other) = (Port::new(&memory, 1), Port::new(&memory, 1));
    let mut neighbour = other.guest(1);
    let mut guest = port.guest_by(layout, 1);
    port.assert_works(&mut guest);
    for entries in [1, 8, 2, SIZE.into()] {
        for index in [0, 1] {
            guest.transmit(0, &frame(60, 1));
            guest.send(request::SET_VRING_NUM, &state(index, entries), &[]).unwrap();
        }
        guest.settle().unwrap();
        port.side.send(&[frame(60, 1)]);
        port.side.drain(0);
        other.assert_works(&mut neighbour);
    }
    drop(guest);
    port.wait_link(false);
    let mut guest = port.guest_by(layout, 1);
    port.wait_link(true);
    port.assert_works(&mut guest);
    other.close_with(port, &memory);
}
