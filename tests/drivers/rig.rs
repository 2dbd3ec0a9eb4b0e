//! A port under test: its queues, its counters, and the frames that it uses.

use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use datapath::netdev::{Netdev, RecvStatus, Rxq, Txq, WakeSource};
use datapath::{Batch, DropReason, Frame, FrameMemory, FramePool, PortCounters, SizeClass};
use rustix::event::{Timespec, epoll};

/// How long a state may take to come about.
pub const PATIENCE: Duration = Duration::from_secs(20);

const N_SMALL: usize = 4096;
const N_LARGE: usize = 512;

/// Frame memory that is complete when the test ends.
pub struct Memory(pub Arc<FrameMemory>);

impl Memory {
    pub fn new() -> Memory {
        Memory(FrameMemory::new(N_SMALL, N_LARGE).expect("frame memory"))
    }

    pub fn pool(&self) -> FramePool {
        FramePool::new(self.0.clone())
    }

    /// Asserts that every frame has come back; ports and pools are gone.
    pub fn assert_complete(&self) {
        let free = [SizeClass::Small, SizeClass::Large].map(|class| self.0.n_free(class));
        assert_eq!(free, [N_SMALL, N_LARGE], "frames are lost");
    }
}

/// A port with one thread's queues.
pub struct Side {
    pub netdev: Box<dyn Netdev>,
    pub rxqs: Vec<Box<dyn Rxq>>,
    pub txq: Box<dyn Txq>,
    pub pool: FramePool,
    pub counters: PortCounters,
}

impl Side {
    pub fn new(mut netdev: impl Netdev + 'static, memory: &Memory) -> Side {
        let rxqs = netdev.take_rxqs();
        assert!(netdev.take_rxqs().is_empty(), "queues are given once");
        let txq = netdev.open_txq().expect("a transmit queue");
        let counters = PortCounters::default();
        Side { netdev: Box::new(netdev), rxqs, txq, pool: memory.pool(), counters }
    }

    /// Sends frames with these bytes.
    pub fn send(&mut self, frames: &[Vec<u8>]) {
        for burst in frames.chunks(datapath::MAX_BURST) {
            let frame = |bytes: &Vec<u8>| self.pool.from_bytes(bytes).expect("a free frame");
            let mut batch: Batch = burst.iter().map(frame).collect();
            self.send_batch(&mut batch);
        }
    }

    pub fn send_batch(&mut self, batch: &mut Batch) {
        self.txq.send(&mut self.pool, batch, &self.counters);
        assert!(batch.is_empty(), "send leaves frames");
    }

    /// Asks one queue once.
    pub fn recv(&mut self, queue: usize) -> (Batch, RecvStatus) {
        let mut batch = Batch::new();
        let rxq = &mut self.rxqs[queue];
        let status = rxq.recv(&mut self.pool, &mut batch, &self.counters);
        (batch, status)
    }

    /// Receives until queue 0 is drained, and again on each wake-up, until there are `n` frames.
    pub fn recv_n(&mut self, n: usize) -> Vec<Frame> {
        let wake = Wake::new(self, 0);
        let mut frames = Vec::new();
        loop {
            match self.recv(0) {
                (batch, RecvStatus::More) => frames.extend(batch),
                (batch, RecvStatus::Drained) => {
                    frames.extend(batch);
                    if frames.len() >= n {
                        return frames;
                    }
                    let n_have = frames.len();
                    assert!(wake.comes_within(PATIENCE), "{n_have} of {n} frames came");
                }
                (_, RecvStatus::Gone) => panic!("the device is gone"),
            }
        }
    }

    /// Receives and frees whatever is there.
    pub fn drain(&mut self, queue: usize) -> RecvStatus {
        loop {
            let (batch, status) = self.recv(queue);
            self.pool.put_all(batch);
            if status != RecvStatus::More {
                return status;
            }
        }
    }

    pub fn tx_drops(&self, reason: DropReason) -> u64 {
        self.counters.tx_drops(reason)
    }

    /// Asserts that nothing was dropped in either direction.
    pub fn assert_no_drops(&self) {
        for reason in DropReason::ALL {
            let drops = (self.counters.rx_drops(*reason), self.counters.tx_drops(*reason));
            assert_eq!(drops, (0, 0), "{}", reason.name());
        }
        assert_eq!(self.counters.rx_missed.get(), 0, "missed");
    }

    /// Gives the queues' buffers back and closes everything.
    pub fn close(mut self) {
        self.rxqs.iter_mut().for_each(|rxq| rxq.park(&mut self.pool));
    }
}

/// Edge-triggered readiness of a receive queue.
pub struct Wake(OwnedFd);

impl Wake {
    pub fn new(side: &Side, queue: usize) -> Wake {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("epoll");
        let WakeSource::Fd(fd) = side.rxqs[queue].wake_source() else { panic!("no descriptor") };
        let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
        epoll::add(&epoll, fd, epoll::EventData::new_u64(0), flags).expect("epoll add");
        Wake(epoll)
    }

    /// Whether an edge is there, or comes.
    pub fn comes_within(&self, limit: Duration) -> bool {
        let limit = Timespec {
            tv_sec: i64::try_from(limit.as_secs()).expect("seconds"),
            tv_nsec: limit.subsec_nanos().into(),
        };
        let mut events = [MaybeUninit::uninit(); 1];
        let (ready, _) = epoll::wait(&self.0, &mut events, Some(&limit)).expect("epoll wait");
        !ready.is_empty()
    }
}

/// A frame between two locally administered addresses, of an EtherType for experiments, whose payload
/// is drawn from `seed`.
pub fn frame(len: usize, seed: u8) -> Vec<u8> {
    let mut bytes = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5];
    bytes.resize(len.max(bytes.len()), 0);
    for (i, byte) in bytes[14..].iter_mut().enumerate() {
        *byte = u8::try_from((i * 7 + usize::from(seed) * 13) % 251).expect("below 251");
    }
    bytes
}

/// The same frame with a tag in front of its EtherType.
pub fn tagged(frame: &[u8], tpid: u16, tci: u16) -> Vec<u8> {
    let tag = [tpid.to_be_bytes(), tci.to_be_bytes()].concat();
    [&frame[..12], &tag[..], &frame[12..]].concat()
}

/// The bytes of frames.
pub fn bytes(frames: &[Frame]) -> Vec<Vec<u8>> {
    frames.iter().map(|frame| frame.data().to_vec()).collect()
}
