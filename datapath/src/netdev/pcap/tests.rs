//! Capture files, good and bad, and how they are played.

use std::num::NonZeroU32;
use std::path::Path;

use super::file::{Frames, LINE, MAX_FRAME_LEN, PcapError};
use super::*;
use crate::batch::{Batch, MAX_BURST};
use crate::counter::PortCounters;
use crate::frame::{FrameMemory, FramePool, SizeClass};
use crate::netdev::{RecvStatus, WakeSource};

#[derive(Clone, Copy)]
enum Wire {
    Big,
    Little,
}

impl Wire {
    fn u32(self, n: u32) -> [u8; 4] {
        match self {
            Wire::Big => n.to_be_bytes(),
            Wire::Little => n.to_le_bytes(),
        }
    }

    fn u16(self, n: u16) -> [u8; 2] {
        match self {
            Wire::Big => n.to_be_bytes(),
            Wire::Little => n.to_le_bytes(),
        }
    }

    fn capture(self, magic: u32, frames: &[&[u8]]) -> Vec<u8> {
        let mut file = Vec::new();
        file.extend(self.u32(magic));
        file.extend(self.u16(2));
        file.extend(self.u16(4));
        for word in [0, 0, 65535, 1] {
            file.extend(self.u32(word));
        }
        for frame in frames {
            let len = u32::try_from(frame.len()).unwrap();
            for word in [1, 2, len, len + 9] {
                file.extend(self.u32(word));
            }
            file.extend_from_slice(frame);
        }
        file
    }
}

fn frames_of(sizes: &[usize]) -> Vec<Vec<u8>> {
    let byte = |i: usize, j: usize| u8::try_from((i * 31 + j) % 251).unwrap();
    let frame = |(i, len): (usize, &usize)| (0..*len).map(|j| byte(i, j)).collect();
    sizes.iter().enumerate().map(frame).collect()
}

fn capture_of(frames: &[Vec<u8>]) -> Vec<u8> {
    let frames: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
    Wire::Little.capture(0xa1b2_c3d4, &frames)
}

/// A file that vanishes with its value.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, bytes: &[u8]) -> Scratch {
        let name = format!("switch-pcap-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, bytes).unwrap();
        Scratch(path)
    }

    fn config(&self) -> PcapConfig {
        PcapConfig { path: self.0.clone(), play: Play::Loop, rate: None }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn both_byte_orders_and_both_resolutions_are_read() {
    for wire in [Wire::Big, Wire::Little] {
        for magic in [0xa1b2_c3d4, 0xa1b2_3c4d] {
            let frames = Frames::parse(&wire.capture(magic, &[&[7; 60], &[8; 65]])).unwrap();
            assert_eq!(frames.len(), 2);
            let second = frames.get(1).unwrap();
            assert_eq!((second.len, second.lines.len()), (65, 2 * LINE));
            assert_eq!(second.lines[..65], [8; 65]);
            assert!(frames.get(2).is_none());
        }
    }
}

#[test]
fn every_truncation_is_refused_with_the_offset() {
    let frames = frames_of(&[60, 0, 14]);
    let file = capture_of(&frames);
    let ends = [24 + 16 + 60, 24 + 16 + 60 + 16, file.len()];
    for len in 0..=file.len() {
        let parsed = Frames::parse(&file[..len]);
        match len {
            0..24 => {
                assert_eq!(parsed.err(), Some(PcapError::ShortFileHeader { len }));
            }
            24 => assert_eq!(parsed.err(), Some(PcapError::Empty)),
            _ if ends.contains(&len) => assert!(parsed.is_ok(), "{len}"),
            _ => {
                let error = parsed.err().unwrap();
                assert!(
                    matches!(
                        error,
                        PcapError::ShortRecordHeader { .. } | PcapError::ShortFrame { .. }
                    ),
                    "{len}: {error}"
                );
                assert!(error.to_string().contains("at offset"), "{error}");
            }
        }
    }
}

#[test]
fn wrong_headers_and_lengths_are_refused() {
    let good = capture_of(&frames_of(&[60]));
    let with = |at: usize, word: u32| {
        let mut file = good.clone();
        file[at..at + 4].copy_from_slice(&word.to_le_bytes());
        Frames::parse(&file).err()
    };
    let pcapng = with(0, 0x0a0d_0d0a).unwrap();
    assert_eq!(pcapng, PcapError::Magic { magic: 0x0a0d_0d0a });
    assert!(pcapng.to_string().contains("editcap"));
    assert_eq!(with(4, 3), Some(PcapError::Version { major: 3 }));
    assert_eq!(with(20, 113), Some(PcapError::LinkType { link_type: 113 }));
    assert!(matches!(with(20, 0x5000_0001), Some(PcapError::LinkType { .. })));
    let long = u32::try_from(MAX_FRAME_LEN + 1).unwrap();
    for len in [long, u32::MAX] {
        let len_found = len as usize;
        assert_eq!(with(32, len), Some(PcapError::LongFrame { offset: 40, len: len_found }));
    }
    assert_eq!(with(32, 61), Some(PcapError::ShortFrame { offset: 40, len: 61, left: 60 }));
}

#[test]
fn the_file_is_played_in_a_loop_and_counted() {
    let frames = frames_of(&[60, 0, 1792, 1793, MAX_FRAME_LEN, 64, 65]);
    let file = Scratch::new("loop", &capture_of(&frames));
    let memory = FrameMemory::new(64, 16).unwrap();
    let mut pool = FramePool::new(memory.clone());
    let counters = PortCounters::default();
    let mut port = Pcap::open(&file.config()).unwrap();
    assert_eq!(port.status(), [("n_frames", "7".to_owned())]);
    let mut rxq = port.take_rxqs().pop().unwrap();
    assert!(port.take_rxqs().is_empty());
    let mut at = 0;
    let mut n_bytes = 0;
    for _ in 0..5 {
        let mut batch = Batch::new();
        assert_eq!(rxq.recv(&mut pool, &mut batch, &counters), RecvStatus::More);
        assert!(batch.is_full());
        for frame in batch {
            assert!(frame.data() == frames[at % frames.len()], "frame {at}");
            n_bytes += frame.len() as u64;
            at += 1;
            pool.put(frame);
        }
    }
    assert!(matches!(rxq.wake_source(), WakeSource::Always));
    assert_eq!(counters.rx_packets.get(), 5 * MAX_BURST as u64);
    assert_eq!(counters.rx_bytes.get(), n_bytes);
    drop(pool);
    assert_eq!((memory.n_free(SizeClass::Small), memory.n_free(SizeClass::Large)), (64, 16));
}

#[test]
fn played_once_it_ends() {
    let file = Scratch::new("once", &capture_of(&frames_of(&[60; 40])));
    let mut port = Pcap::open(&PcapConfig { play: Play::Once, ..file.config() }).unwrap();
    let mut rxq = port.take_rxqs().pop().unwrap();
    let mut pool = FramePool::new(FrameMemory::new(100, 0).unwrap());
    let counters = PortCounters::default();
    let mut batch = Batch::new();
    assert_eq!(rxq.recv(&mut pool, &mut batch, &counters), RecvStatus::More);
    assert_eq!(rxq.recv(&mut pool, &mut batch, &counters), RecvStatus::More);
    pool.put_all(batch.drain(..));
    assert_eq!(rxq.recv(&mut pool, &mut batch, &counters), RecvStatus::Drained);
    assert_eq!(batch.len(), 8);
    assert!(matches!(rxq.wake_source(), WakeSource::Never));
    assert_eq!(rxq.recv(&mut pool, &mut batch, &counters), RecvStatus::Drained);
    assert_eq!((batch.len(), counters.rx_packets.get()), (8, 40));
}

#[test]
fn without_buffers_no_frame_is_skipped() {
    let frames = frames_of(&[60, 61, 62, 63]);
    let file = Scratch::new("buffers", &capture_of(&frames));
    let mut rxq = Pcap::open(&file.config()).unwrap().take_rxqs().pop().unwrap();
    let mut pool = FramePool::new(FrameMemory::new(3, 0).unwrap());
    let counters = PortCounters::default();
    for round in 0..8 {
        let mut batch = Batch::new();
        assert_eq!(rxq.recv(&mut pool, &mut batch, &counters), RecvStatus::More);
        assert_eq!(batch.len(), 3);
        assert_eq!(batch[0].len(), 60 + round * 3 % 4);
        pool.put_all(batch);
    }
}

#[test]
fn a_rate_gives_a_timer_to_sleep_on() {
    let file = Scratch::new("rate", &capture_of(&frames_of(&[60])));
    let rate = NonZeroU32::new(1_000_000);
    let mut rxq =
        Pcap::open(&PcapConfig { rate, ..file.config() }).unwrap().take_rxqs().pop().unwrap();
    let WakeSource::Fd(timer) = rxq.wake_source() else { panic!("no timer") };
    let mut fds = [rustix::event::PollFd::new(&timer, rustix::event::PollFlags::IN)];
    let limit = rustix::event::Timespec { tv_sec: 10, tv_nsec: 0 };
    assert_eq!(rustix::event::poll(&mut fds, Some(&limit)).unwrap(), 1);
    let mut pool = FramePool::new(FrameMemory::new(100, 0).unwrap());
    let mut batch = Batch::new();
    let status = rxq.recv(&mut pool, &mut batch, &PortCounters::default());
    assert_eq!((batch.len(), status), (MAX_BURST, RecvStatus::More));
}

#[test]
fn unreadable_files_say_so() {
    let dir = std::env::temp_dir();
    let open = |path: &Path| {
        let config = PcapConfig { path: path.to_owned(), play: Play::Loop, rate: None };
        Pcap::open(&config).err().unwrap().to_string()
    };
    assert!(open(&dir).contains("not a regular file"), "{}", open(&dir));
    assert!(open(Path::new("/dev/zero")).contains("not a regular file"));
    let missing = open(Path::new("/nonexistent.pcap"));
    assert!(missing.contains("/nonexistent.pcap: read: No such file"), "{missing}");
    let text = Scratch::new("text", b"this is not a capture file at all");
    let error = open(&text.0);
    assert!(error.contains("magic number at offset 0 is 0x74686973"), "{error}");
}
