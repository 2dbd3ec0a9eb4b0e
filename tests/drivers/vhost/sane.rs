//! Guests that mean well: traffic, notifications, and everything that is set up anew.

use std::num::NonZeroU16;
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use datapath::frame::{Checksum, Gso, GsoKind, Offload};
use datapath::netdev::vhost::{Mode, Vhost};
use datapath::netdev::{RecvStatus, WakeSource};
use datapath::{Batch, DropReason};
use packet::checksum::Sum;
use switch_tests::front_end::{
    EVENT_IDX, LAYOUTS, Layout, PROTOCOL, RING_PACKED, SIZE, request, table,
};
use switch_tests::{FrontEnd, wait_until};

use super::{Port, config, status};
use crate::rig::{Memory, PATIENCE, Side, Wake, bytes, frame};

#[test]
fn frames_pass_both_ways_and_are_counted() {
    LAYOUTS.into_iter().for_each(frames_pass_both_ways_and_are_counted_by);
}

fn frames_pass_both_ways_and_are_counted_by(layout: Layout) {
    let memory = Memory::new();
    let mut port = Port::new(&memory, 1);
    let mut guest = port.guest_by(layout, 1);
    port.wait_link(true);
    guest.post(0, SIZE);
    let lens = [14, 60, 61, 1500, 1792, 2036];
    let sent: Vec<_> =
        (0..600).map(|i| frame(lens[i % lens.len()], u8::try_from(i % 256).unwrap())).collect();
    for burst in sent.chunks(100) {
        burst.iter().for_each(|frame| guest.transmit(0, frame));
        let got = port.side.recv_n(burst.len());
        assert_eq!(bytes(&got), burst);
        port.side.pool.put_all(got);
        port.side.send(burst);
        let received: Vec<_> = burst.iter().map(|_| guest.receive(0)).collect();
        assert_eq!(received, burst);
    }
    let n_bytes: usize = sent.iter().map(Vec::len).sum();
    let counters = &port.side.counters;
    assert_eq!((counters.rx_packets.get(), counters.tx_packets.get()), (600, 600));
    assert_eq!(
        (counters.rx_bytes.get(), counters.tx_bytes.get()),
        (n_bytes as u64, n_bytes as u64)
    );
    port.side.assert_no_drops();
    assert_eq!(port.status("num_of_vrings").unwrap(), "2");
    assert_eq!(port.status("vring_1_size").unwrap(), SIZE.to_string());
    assert_eq!(port.status("numa").unwrap(), "0");
    port.close(&memory);
}

#[test]
fn the_switch_connects_and_comes_back_by_itself() {
    let (memory, folder) = (Memory::new(), tempfile::tempdir().unwrap());
    let path = folder.path().join("vm.sock");
    let side = Side::new(Vhost::open(&config(path.clone(), Mode::Client, 1)).unwrap(), &memory);
    let shows = |key: &str, wanted: &str| {
        wait_until(&format!("{key}: {wanted}"), PATIENCE, || {
            status(&*side.netdev, key).is_some_and(|value| value.contains(wanted))
        });
    };
    shows("error", "No such file");
    for _ in 0..3 {
        let listener = UnixListener::bind(&path).unwrap();
        let mut guest = FrontEnd::accept(&listener, 1);
        shows("status", "connected");
        guest.set_up(0).unwrap();
        assert!(side.netdev.is_link_up());
        drop((guest, listener));
        shows("error", "Connection refused");
        assert!(!side.netdev.is_link_up());
        assert_eq!(status(&*side.netdev, "status").unwrap(), "disconnected");
        std::fs::remove_file(&path).unwrap();
    }
    side.close();
    memory.assert_complete();
}

#[test]
fn whole_segments_and_unfinished_checksums_cross() {
    LAYOUTS.into_iter().for_each(whole_segments_and_unfinished_checksums_cross_by);
}

fn whole_segments_and_unfinished_checksums_cross_by(layout: Layout) {
    let memory = Memory::new();
    let mut port = Port::new(&memory, 1);
    let mut guest = port.guest_by(layout, 1);
    guest.post(0, SIZE);
    let data = segment(30_000);
    let mut frame = port.side.pool.from_bytes(&data).unwrap();
    let size = NonZeroU16::new(1448).unwrap();
    let checksum = Checksum::Partial { start: 34, offset: 16 };
    let gso = Some(Gso { kind: GsoKind::TcpV4, size, ecn: false, inner: 0 });
    let work = Offload { checksum, gso };
    frame.set_offload(work);
    assert!(port.side.txq.caps().tcp_segmentation && port.side.txq.caps().udp_segmentation);
    port.side.send_batch(&mut Batch::from_iter([frame]));
    let (header, got) = guest.try_receive(0).unwrap();
    assert_eq!((header[0], header[1], u16::from_le_bytes([header[4], header[5]])), (1, 1, 1448));
    assert_eq!((header[6], header[8], header[10]), (34, 16, 15));
    assert_eq!(got, data);
    // The same way back, as far as a buffer of the guest reaches.
    let data = segment(1900);
    let work_of = |size: u16| {
        let [low, high] = size.to_le_bytes();
        [1, 1, 54, 0, low, high, 34, 0, 16, 0]
    };
    guest.transmit_with(0, work_of(700), &data);
    let got = port.side.recv_n(1);
    assert_eq!(got[0].offload().gso.unwrap().size.get(), 700);
    port.side.pool.put_all(got);
    // What the bytes do not bear is refused.
    guest.transmit_with(0, work_of(0), &data);
    guest.transmit_with(0, [1, 0, 0, 0, 0, 0, 12, 0, 2, 0], &data);
    wait_until("both to be counted", PATIENCE, || {
        port.side.drain(0);
        port.side.counters.rx_drops(DropReason::BadOffload) == 2
    });
    // A guest that takes nothing gets nothing unfinished.
    drop(guest);
    let mut plain = FrontEnd::connect(&port.path, 1);
    plain.layout = layout;
    plain.set_up(!(1 << 32 | PROTOCOL | 1 << 15 | RING_PACKED)).unwrap();
    assert_eq!(port.side.txq.caps(), datapath::netdev::TxCaps::default());
    let mut frame = port.side.pool.from_bytes(&data).unwrap();
    frame.set_offload(work);
    plain.post(0, 8);
    port.side.send_batch(&mut Batch::from_iter([frame]));
    assert_eq!(port.side.tx_drops(DropReason::TxError), 1);
    port.close(&memory);
}

/// A TCP segment over IPv4 with a pseudo-header sum, of `len` bytes.
fn segment(len: usize) -> Vec<u8> {
    let mut bytes = frame(len, 5);
    bytes[12..14].copy_from_slice(&[8, 0]);
    let total = u16::try_from(len - 14).unwrap().to_be_bytes();
    let ip = [0x45, 0, total[0], total[1], 0, 1, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    bytes[14..34].copy_from_slice(&ip);
    let sum = Sum::default().add_bytes(&bytes[14..34]).finish().to_be_bytes();
    bytes[24..26].copy_from_slice(&sum);
    bytes[46] = 0x50; // five words of header
    bytes
}

#[test]
fn a_queue_that_sleeps_is_woken_and_one_that_works_is_not_disturbed() {
    LAYOUTS
        .into_iter()
        .for_each(a_queue_that_sleeps_is_woken_and_one_that_works_is_not_disturbed_by);
}

fn a_queue_that_sleeps_is_woken_and_one_that_works_is_not_disturbed_by(layout: Layout) {
    let memory = Memory::new();
    let mut port = Port::new(&memory, 1);
    let mut guest = port.guest_by(layout, 1);
    assert_eq!(port.side.drain(0), RecvStatus::Drained);
    let wake = Wake::new(&port.side, 0);
    for turn in 0..3 {
        port.side.rxqs[0].park(&mut port.side.pool);
        wake.comes_within(Duration::ZERO);
        assert!(!wake.comes_within(Duration::ZERO), "woken by nothing");
        guest.transmit(0, &frame(60, turn));
        assert!(wake.comes_within(PATIENCE));
        let got = port.side.recv_n(1);
        port.side.pool.put_all(got);
    }
    // What came between the last look and sleep wakes too, though the guest did not notify.
    guest.kick(1);
    guest.describe(1, 0, 0x10_0000, (12, 0, 0));
    let n = guest.n_used(1);
    guest.offer_in_silence(1, 0);
    port.side.rxqs[0].park(&mut port.side.pool);
    assert!(wake.comes_within(PATIENCE));
    port.side.drain(0);
    assert_eq!(guest.n_used(1), n + 1);
    // A guest without a descriptor to notify by is looked at all the time.
    let index = (1u64 | 0x100).to_le_bytes();
    guest.send(request::SET_VRING_KICK, &index, &[]).unwrap();
    guest.settle().unwrap();
    assert!(matches!(port.side.rxqs[0].wake_source(), WakeSource::Always));
    port.close(&memory);
}

#[test]
fn rings_are_stopped_moved_and_started_again() {
    LAYOUTS.into_iter().for_each(rings_are_stopped_moved_and_started_again_by);
}

fn rings_are_stopped_moved_and_started_again_by(layout: Layout) {
    let memory = Memory::new();
    let mut port = Port::new(&memory, 1);
    let mut guest = port.guest_by(layout, 1);
    port.assert_works(&mut guest);
    // Disabled: nothing passes, nothing is lost that the guest has sent.
    guest.enable(0, 0).unwrap();
    guest.enable(1, 0).unwrap();
    guest.settle().unwrap();
    port.wait_link(false);
    guest.transmit(0, &frame(60, 1));
    assert_eq!(port.side.drain(0), RecvStatus::Drained);
    assert_eq!(port.side.counters.rx_packets.get(), 1);
    port.side.send(&[frame(60, 1)]);
    assert_eq!(port.side.tx_drops(DropReason::TxPortDown), 1);
    guest.enable(0, 1).unwrap();
    guest.enable(1, 1).unwrap();
    guest.settle().unwrap();
    let got = port.side.recv_n(1);
    port.side.pool.put_all(got);
    port.assert_works(&mut guest);
    // Stopped, as for a reboot, and started again where it stood.
    let stands = guest.stop_ring(1).unwrap();
    assert_eq!(stands, guest.stands(1));
    guest.stop_ring(0).unwrap();
    port.wait_link(false);
    guest.start_ring(0).unwrap();
    guest.start_ring(1).unwrap();
    guest.settle().unwrap();
    port.wait_link(true);
    port.assert_works(&mut guest);
    // The memory is described anew while frames pass: as one region, then as two.
    guest.share_memory().unwrap();
    guest.settle().unwrap();
    port.assert_works(&mut guest);
    let len = switch_tests::front_end::memory_len(2);
    let more = (0x9000_0000u64, 0x1000, 0x6000_0000_0000, 0);
    let both = [(0x10_0000, len, 0x7f00_0000_0000, 0), more];
    let file = guest.memory.try_clone().unwrap();
    let files = [file.as_fd(), file.as_fd()];
    guest.send(request::SET_MEM_TABLE, &table(&both), &files).unwrap();
    guest.settle().unwrap();
    port.assert_works(&mut guest);
    let single = |(guest, len, user, at): (u64, u64, u64, u64)| {
        [0, guest, len, user, at].map(u64::to_le_bytes).concat()
    };
    // Said once for each pair of queues, by some.
    for _ in 0..2 {
        guest.send(request::REM_MEM_REG, &single(more), &[]).unwrap();
    }
    for _ in 0..2 {
        guest.send(request::ADD_MEM_REG, &single(more), &files[..1]).unwrap();
    }
    guest.settle().unwrap();
    port.assert_works(&mut guest);
    // Rings wait for their memory, if it comes region by region.
    guest.send(request::REM_MEM_REG, &single(both[0]), &[]).unwrap();
    guest.settle().unwrap();
    port.wait_link(false);
    guest.send(request::ADD_MEM_REG, &single(both[0]), &files[..1]).unwrap();
    guest.settle().unwrap();
    port.wait_link(true);
    port.assert_works(&mut guest);
    // Other features, as a driver of another system takes them.
    let features = guest.features().unwrap() & !EVENT_IDX;
    guest.send(request::SET_FEATURES, &features.to_le_bytes(), &[]).unwrap();
    guest.settle().unwrap();
    port.assert_works(&mut guest);
    assert!(port.status("error").is_none());
    port.close(&memory);
}

#[test]
fn pairs_are_used_as_they_are_enabled() {
    let memory = Memory::new();
    let mut port = Port::new(&memory, 4);
    let mut guest = FrontEnd::connect(&port.path, 4);
    assert_eq!(guest.ask(request::GET_FEATURES, &[]).unwrap() >> 22 & 1, 1);
    guest.set_up(0).unwrap();
    assert_eq!(guest.ask(request::GET_QUEUE_NUM, &[]).unwrap(), 4);
    for pair in 0..4 {
        guest.post(pair, 64);
        guest.transmit(pair, &frame(60, u8::try_from(pair).unwrap()));
        wait_until("its frame", PATIENCE, || {
            let (batch, _) = port.side.recv(pair);
            let n = batch.len();
            port.side.pool.put_all(batch);
            n == 1
        });
    }
    // Each poll thread has a pair of its own; with fewer, they share.
    let mut txqs: Vec<_> = (0..4).map(|_| port.side.netdev.open_txq().unwrap()).collect();
    let spread = |guest: &mut FrontEnd,
                  port: &mut Port,
                  txqs: &mut Vec<Box<dyn datapath::netdev::Txq>>| {
        for txq in txqs.iter_mut() {
            let mut batch = Batch::from_iter([port.side.pool.from_bytes(&frame(60, 0)).unwrap()]);
            txq.send(&mut port.side.pool, &mut batch, &port.side.counters);
        }
        [0, 1, 2, 3].map(|pair| std::iter::from_fn(|| guest.try_receive(pair)).count())
    };
    assert_eq!(spread(&mut guest, &mut port, &mut txqs), [1, 1, 1, 1]);
    for pair in [0, 3] {
        guest.enable(2 * pair, 0).unwrap();
    }
    guest.settle().unwrap();
    assert_eq!(spread(&mut guest, &mut port, &mut txqs), [0, 2, 2, 0]);
    port.side.assert_no_drops();
    drop(txqs);
    port.close(&memory);
}

#[test]
fn front_ends_of_the_old_protocol_work() {
    let memory = Memory::new();
    let mut port = Port::new(&memory, 1);
    let mut guest = FrontEnd::connect(&port.path, 1);
    let features = guest.set_up(PROTOCOL | 1 << 22).unwrap();
    assert_eq!(features & PROTOCOL, 0);
    port.wait_link(true);
    port.assert_works(&mut guest);
    port.close(&memory);
}

#[test]
fn rings_may_be_enabled_before_anything_was_agreed_on() {
    let memory = Memory::new();
    let mut port = Port::new(&memory, 1);
    let mut guest = FrontEnd::connect(&port.path, 1);
    // As QEMU does, once it knows of the protocol's later part.
    guest.ask(request::GET_FEATURES, &[]).unwrap();
    guest.ask(request::GET_PROTOCOL_FEATURES, &[]).unwrap();
    guest.send(request::SET_PROTOCOL_FEATURES, &8u64.to_le_bytes(), &[]).unwrap();
    guest.enable(0, 1).unwrap();
    let asks = [request::SET_VRING_ENABLE, 9, 8, 1, 1].map(u32::to_le_bytes).concat();
    guest.send_raw(&asks, &[]).unwrap();
    assert_eq!(guest.read_answer().unwrap(), 0);
    guest.send(request::SET_FEATURES, &(PROTOCOL | 1 << 32).to_le_bytes(), &[]).unwrap();
    guest.share_memory().unwrap();
    guest.start_ring(0).unwrap();
    guest.start_ring(1).unwrap();
    guest.settle().unwrap();
    port.wait_link(true);
    port.assert_works(&mut guest);
    port.close(&memory);
}

#[test]
fn a_full_ring_loses_frames_and_says_so() {
    LAYOUTS.into_iter().for_each(a_full_ring_loses_frames_and_says_so_by);
}

fn a_full_ring_loses_frames_and_says_so_by(layout: Layout) {
    let memory = Memory::new();
    let mut port = Port::new(&memory, 1);
    let mut guest = port.guest_by(layout, 1);
    guest.post(0, 3);
    port.side.send(&vec![frame(60, 2); 5]);
    let sent = port.side.counters.tx_packets.get();
    assert_eq!((sent, port.side.tx_drops(DropReason::TxQueueFull)), (3, 2));
    port.close(&memory);
}

/// How many front ends come and go, one after the other, with each layout.
const N_FRONT_ENDS: usize = 500;

#[test]
fn front_ends_come_and_go_under_load_and_no_frame_is_lost() {
    LAYOUTS.into_iter().for_each(front_ends_come_and_go_under_load_and_no_frame_is_lost_by);
}

fn front_ends_come_and_go_under_load_and_no_frame_is_lost_by(layout: Layout) {
    let memory = Memory::new();
    let Port { mut side, path, _folder } = Port::new(&memory, 1);
    let (stop, n_moved) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let (mut batch, _) = side.recv(0);
                n_moved.fetch_add(batch.len(), Ordering::Relaxed);
                side.send_batch(&mut batch);
            }
        });
        let mut n_seen = 0;
        for _ in 0..N_FRONT_ENDS {
            let mut guest = FrontEnd::connect(&path, 1);
            guest.layout = layout;
            guest.set_up(EVENT_IDX).unwrap();
            guest.post(0, 64);
            for seed in 0..40 {
                guest.transmit(0, &frame(300, seed));
            }
            // Some are under way when the guest goes.
            while n_moved.load(Ordering::Relaxed) < n_seen + 10 {
                assert!(guest.is_told(0, PATIENCE), "no frame comes back");
            }
            n_seen = n_moved.load(Ordering::Relaxed);
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(n_moved.load(Ordering::Relaxed) >= 10 * N_FRONT_ENDS);
    side.close();
    memory.assert_complete();
}

#[test]
fn the_control_thread_is_told_of_the_link() {
    let memory = Memory::new();
    let mut port = Port::new(&memory, 1);
    let told = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&told);
    port.side.netdev.watch_link(Arc::new(move || {
        count.fetch_add(1, Ordering::Relaxed);
    }));
    let before = told.load(Ordering::Relaxed);
    let guest = port.guest(1);
    assert!(port.side.netdev.is_link_up() && told.load(Ordering::Relaxed) > before);
    let before = told.load(Ordering::Relaxed);
    drop(guest);
    port.wait_link(false);
    assert!(told.load(Ordering::Relaxed) > before);
    port.close(&memory);
}

#[test]
fn a_guest_goes_from_packed_rings_to_split_ones_and_back() {
    let memory = Memory::new();
    let mut port = Port::new(&memory, 1);
    let mut guest = port.guest_by(Layout::Packed, 1);
    for layout in [Layout::Packed, Layout::Split, Layout::Packed, Layout::Split] {
        // As another driver does in the same VM: rings are stopped, features and rings set up anew.
        guest.stop_ring(0).unwrap();
        guest.stop_ring(1).unwrap();
        guest.begin(layout);
        let features = guest.set_up(0).unwrap();
        assert_eq!(features & RING_PACKED != 0, layout == Layout::Packed);
        port.wait_link(true);
        assert_eq!(port.status("features").unwrap(), format!("{features:#018x}"));
        (0..20).for_each(|_| port.assert_works(&mut guest));
    }
    // While rings run, which no driver does: it costs nobody else.
    let features = guest.features().unwrap() | RING_PACKED;
    guest.send(request::SET_FEATURES, &features.to_le_bytes(), &[]).unwrap();
    guest.settle().unwrap();
    port.side.drain(0);
    drop(guest);
    let mut guest = port.guest_by(Layout::Split, 1);
    port.assert_works(&mut guest);
    port.close(&memory);
}

#[test]
fn a_packed_ring_goes_on_where_it_was_when_the_switch_has_started_again() {
    let memory = Memory::new();
    let mut port = Port::new(&memory, 1);
    let mut guest = port.guest_by(Layout::Packed, 1);
    // In the first round, in the second, and where the wrap counter turns.
    for n in [1, 255, 300, 511, 1] {
        for turn in 0..n {
            guest.transmit(0, &frame(60, u8::try_from(turn % 256).unwrap()));
            let got = port.side.recv_n(1);
            port.side.pool.put_all(got);
        }
        port.assert_works(&mut guest);
        // What is sent meanwhile is not lost.
        guest.transmit(0, &frame(60, 200));
        port.side.close();
        port = Port::new(&memory, 1);
        guest = guest.again(&port.path);
        guest.set_up(0).unwrap();
        let got = port.side.recv_n(1);
        assert_eq!(bytes(&got), [frame(60, 200)]);
        port.side.pool.put_all(got);
        port.assert_works(&mut guest);
    }
    port.close(&memory);
}
