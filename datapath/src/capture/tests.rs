//! Taps and reader without an engine: order, scope, loss, and the end.

use std::sync::Arc;

use packet::capture::{HEADER_LEN, Kind, RecordHeader};

use super::*;
use crate::batch::Batch;
use crate::frame::{FrameMemory, FramePool};
use crate::l2::vlan::PortVlan;
use crate::view::{Port, PortKind, Snapshot};

/// A port of each bridge named.
fn view(bridges: &[u16]) -> Snapshot {
    let port = |(no, bridge): (u16, &u16)| {
        Some(Arc::new(Port {
            no: PortNo::new(no).unwrap(),
            bridge: BridgeId(*bridge),
            kind: PortKind::Device,
            terminator: None,
            vlan: PortVlan::trunk_all(),
            up: true,
            storm: None,
            no_flood: false,
            no_fwd: false,
            mtu: 1500,
            stats: Arc::default(),
        }))
    };
    Snapshot { ports: (0..).zip(bridges).map(port).collect(), ..Snapshot::default() }
}

fn spec(scope: Scope) -> CaptureSpec {
    CaptureSpec { scope, ways: Ways::Both, filter: Filter::default(), snap_len: MAX_SNAP_LEN }
}

/// One poll thread, as far as captures go.
struct Thread {
    captures: Captures,
    pool: FramePool,
}

impl Thread {
    fn new() -> Thread {
        let pool = FramePool::new(FrameMemory::new(64, 4).unwrap());
        Thread { captures: Captures::default(), pool }
    }

    fn pass(&mut self, port: u16, direction: Direction, frames: &[&[u8]]) {
        let mut batch = Batch::new();
        frames.iter().for_each(|bytes| batch.push(self.pool.from_bytes(bytes).unwrap()));
        self.captures.copy(PortNo::new(port).unwrap(), direction, &batch);
        self.pool.put_all(batch);
    }
}

/// What waits.
fn read_all(reader: &mut Reader) -> Vec<(RecordHeader, Vec<u8>)> {
    reader.refresh();
    let mut records = Vec::new();
    let mut bytes = Vec::new();
    while let Some(header) = reader.next(&mut bytes) {
        assert_eq!(header.kind, Kind::Frame);
        assert_eq!(bytes.len(), HEADER_LEN + header.data_len());
        records.push((header, bytes.split_off(HEADER_LEN)));
        bytes.clear();
    }
    records
}

fn counts(captured: u64, lost: u64, filtered: u64) -> CaptureCounts {
    CaptureCounts { captured, lost, filtered }
}

const PORT_1: Scope = Scope::Port(PortNo::new(1).unwrap());

#[test]
fn frames_of_the_port_are_copied_in_order_up_to_a_length() {
    let (capture, mut reader) = Capture::new(CaptureSpec { snap_len: 20, ..spec(PORT_1) });
    let mut thread = Thread::new();
    thread.captures.add(capture.tap(), &view(&[0, 0]));
    thread.pass(0, Direction::In, &[&[9; 60]]);
    thread.pass(1, Direction::In, &[&[1; 60], &[2; 15]]);
    thread.pass(1, Direction::Out, &[&[3; 40_000]]);
    let records = read_all(&mut reader);
    let seen: Vec<_> = records
        .iter()
        .map(|(header, data)| (header.direction, header.port, header.original_len, data.as_slice()))
        .collect();
    assert_eq!(
        seen,
        [
            (Direction::In, 1, 60, &[1; 20][..]),
            (Direction::In, 1, 15, &[2; 15]),
            (Direction::Out, 1, 40_000, &[3; 20]),
        ]
    );
    assert!(records.windows(2).all(|pair| pair[0].0.time_ns <= pair[1].0.time_ns));
    assert_eq!(reader.counts(), counts(3, 0, 0));
}

#[test]
fn ways_and_filter_choose() {
    let filter = Filter::parse(["dl_type=0x0101"]).unwrap();
    let ways = Ways::In;
    let (capture, mut reader) = Capture::new(CaptureSpec { ways, filter, ..spec(PORT_1) });
    let mut thread = Thread::new();
    thread.captures.add(capture.tap(), &view(&[0, 0]));
    thread.pass(1, Direction::In, &[&[1; 60], &[2; 60], &[1; 5]]);
    thread.pass(1, Direction::Out, &[&[1; 60]]);
    assert_eq!(read_all(&mut reader).len(), 1);
    assert_eq!(reader.counts(), counts(1, 0, 2));
}

#[test]
fn a_bridge_is_all_its_ports_also_later_ones() {
    let (capture, mut reader) = Capture::new(spec(Scope::Bridge(BridgeId(7))));
    let mut thread = Thread::new();
    thread.captures.add(capture.tap(), &view(&[7, 8]));
    for port in 0..3 {
        thread.pass(port, Direction::In, &[&[1; 60]]);
    }
    assert_eq!(read_all(&mut reader).len(), 1);
    thread.captures.apply(&view(&[8, 8, 7]));
    for port in 0..3 {
        thread.pass(port, Direction::In, &[&[2; 60]]);
    }
    let ports: Vec<_> = read_all(&mut reader).iter().map(|(header, _)| header.port).collect();
    assert_eq!(ports, [2]);
}

#[test]
fn what_finds_the_ring_full_is_counted_and_nothing_waits() {
    let (capture, mut reader) = Capture::new(spec(PORT_1));
    let mut thread = Thread::new();
    let tap = capture.tap_with_ring(4 * (HEADER_LEN + 60));
    thread.captures.add(tap, &view(&[0, 0]));
    for _ in 0..10 {
        thread.pass(1, Direction::In, &[&[1; 60], &[2; 60]]);
    }
    thread.pass(1, Direction::In, &[&[3; 20_000]]);
    assert_eq!(read_all(&mut reader).len(), 4);
    assert_eq!(reader.counts(), counts(4, 17, 0));
    // What was read makes room again.
    thread.pass(1, Direction::In, &[&[4; 60]]);
    assert_eq!(read_all(&mut reader)[0].1, [4; 60]);
}

#[test]
fn a_busy_thread_forwards_first_and_counts_what_it_has_no_time_to_copy() {
    let filter = Filter::parse(["dl_type=0x0101"]).unwrap();
    let (capture, mut reader) = Capture::new(CaptureSpec { filter, ..spec(PORT_1) });
    let (all, mut reader_of_all) = Capture::new(spec(PORT_1));
    let mut thread = Thread::new();
    thread.captures.add(capture.tap(), &view(&[0, 0]));
    thread.captures.add(all.tap(), &view(&[0, 0]));
    let frames: [&[u8]; 2] = [&[1; 60], &[2; 60]];
    let mut n = 0;
    // No round passes that would give time.
    while reader_of_all.counts().lost == 0 {
        thread.pass(1, Direction::In, &frames);
        n += 1;
        read_all(&mut reader);
        read_all(&mut reader_of_all);
    }
    assert_eq!(reader.counts(), counts(n - 1, 1, n));
    assert_eq!(reader_of_all.counts(), counts(2 * (n - 1), 2, 0));
    thread.captures.earn(Round::Idle, u64::MAX);
    thread.pass(1, Direction::In, &frames);
    assert_eq!(reader.counts(), counts(n, 1, n + 1));
    assert_eq!(reader_of_all.counts(), counts(2 * n, 2, 0));
}

#[test]
fn records_of_all_threads_come_by_time() {
    let (capture, mut reader) = Capture::new(spec(PORT_1));
    let mut threads = [Thread::new(), Thread::new()];
    for thread in &mut threads {
        thread.captures.add(capture.tap(), &view(&[0, 0]));
    }
    for n in 0..20 {
        threads[usize::from(n % 2)].pass(1, Direction::In, &[&[n; 60]]);
    }
    let order: Vec<u8> = read_all(&mut reader).iter().map(|(_, data)| data[0]).collect();
    assert_eq!(order, (0..20).collect::<Vec<_>>());
    assert_eq!(reader.counts(), counts(20, 0, 0));
    // A thread that has ended leaves what it had captured.
    let [mut first, second] = threads;
    first.pass(1, Direction::In, &[&[77; 60]]);
    drop((first, second));
    assert_eq!(read_all(&mut reader)[0].1, [77; 60]);
    reader.refresh();
    assert_eq!(reader.counts(), counts(21, 0, 0));
}

#[test]
fn a_reader_that_is_gone_ends_the_capture() {
    let (capture, reader) = Capture::new(spec(PORT_1));
    let mut thread = Thread::new();
    thread.captures.add(capture.tap(), &view(&[0, 0]));
    thread.captures.forget_ended();
    assert!(!thread.captures.is_empty() && !capture.is_ended());
    drop(reader);
    assert!(capture.is_ended());
    thread.captures.forget_ended();
    assert!(thread.captures.is_empty());
}

/// A writer and a reader at once: every frame is read whole or counted as lost.
#[test]
fn a_race_loses_only_what_is_counted() {
    const N_FRAMES: u32 = 100_000;
    let (capture, mut reader) = Capture::new(spec(PORT_1));
    let tap = capture.tap_with_ring(64 << 10);
    let writer = std::thread::spawn(move || {
        let mut thread = Thread::new();
        thread.captures.add(tap, &view(&[0, 0]));
        for n in 0..N_FRAMES {
            let mut frame = n.to_be_bytes().repeat(4);
            frame.resize(usize::try_from(n % 300).unwrap().max(16), 7);
            if n % 1000 == 0 {
                frame.resize(20_000, 7);
            }
            thread.pass(1, Direction::In, &[&frame]);
        }
    });
    let (mut n_read, mut last) = (0, None);
    loop {
        let is_over = writer.is_finished();
        for (header, data) in read_all(&mut reader) {
            assert_eq!(header.original_len, header.captured_len);
            let number: [u8; 4] = data[..4].try_into().unwrap();
            assert_eq!(data[..16], number.repeat(4));
            assert!(data[16..].iter().all(|byte| *byte == 7));
            assert!(last < Some(u32::from_be_bytes(number)));
            last = Some(u32::from_be_bytes(number));
            n_read += 1;
        }
        if is_over {
            break;
        }
    }
    let CaptureCounts { captured, lost, .. } = reader.counts();
    assert_eq!((n_read, captured + lost), (captured, u64::from(N_FRAMES)));
    assert!(captured > 0);
}
