//! A vhost-user front end of the tests' own: a guest without a VMM, honest or not.
//!
//! # Design
//! The guest's memory is a memfd, which is written and read as a file: the switch has it mapped, and
//! sees the same bytes. So a guest needs no unsafe code, and can lie about anything: messages and
//! words of its rings are sent as the test wants them.
//!
//! Each ring has one buffer per descriptor, and every descriptor stands for itself. A ring of either
//! layout counts the buffers that were made available and used from its beginning on; in a packed one
//! such a number is a slot and a wrap counter.

use std::cell::Cell;
use std::io::{self, IoSlice, Read as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::io::{pread, pwrite};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use crate::wait::wait_for;

/// Requests of the protocol (QEMU, docs/interop/vhost-user.rst).
pub mod request {
    /// What the switch offers.
    pub const GET_FEATURES: u32 = 1;
    /// What the front end takes.
    pub const SET_FEATURES: u32 = 2;
    /// The connection is the front end's.
    pub const SET_OWNER: u32 = 3;
    /// The guest's memory.
    pub const SET_MEM_TABLE: u32 = 5;
    /// Entries of a ring.
    pub const SET_VRING_NUM: u32 = 8;
    /// Where a ring is.
    pub const SET_VRING_ADDR: u32 = 9;
    /// Where a ring starts.
    pub const SET_VRING_BASE: u32 = 10;
    /// Stops a ring.
    pub const GET_VRING_BASE: u32 = 11;
    /// How the switch is notified.
    pub const SET_VRING_KICK: u32 = 12;
    /// How the guest is notified.
    pub const SET_VRING_CALL: u32 = 13;
    /// Parts of the protocol that the switch speaks.
    pub const GET_PROTOCOL_FEATURES: u32 = 15;
    /// Parts that the front end speaks.
    pub const SET_PROTOCOL_FEATURES: u32 = 16;
    /// How many pairs of queues.
    pub const GET_QUEUE_NUM: u32 = 17;
    /// Lets frames pass.
    pub const SET_VRING_ENABLE: u32 = 18;
    /// One more region.
    pub const ADD_MEM_REG: u32 = 37;
    /// One region less.
    pub const REM_MEM_REG: u32 = 38;
}

/// `VHOST_USER_F_PROTOCOL_FEATURES`.
pub const PROTOCOL: u64 = 1 << 30;
/// `VIRTIO_F_EVENT_IDX`: a guest that leaves it is notified of every batch.
pub const EVENT_IDX: u64 = 1 << 29;
/// `VIRTIO_F_RING_PACKED`.
pub const RING_PACKED: u64 = 1 << 34;
/// `VIRTIO_F_IN_ORDER`.
pub const IN_ORDER: u64 = 1 << 35;
/// Protocol features that a front end takes here: MQ, REPLY_ACK, CONFIGURE_MEM_SLOTS.
const PROTOCOL_TAKEN: u64 = 1 | 1 << 3 | 1 << 15;

/// Entries of each ring.
pub const SIZE: u16 = 256;
/// Bytes of each buffer.
pub const BUFFER_LEN: u32 = 2048;
/// Where the memory is in the guest.
pub const GUEST: u64 = 0x10_0000;
/// Where it is in the front end.
pub const USER: u64 = 0x7f00_0000_0000;
/// Bytes of memory of one ring: its parts in the first page frames, then its buffers.
const RING_LEN: u64 = 0x4000 + SIZE as u64 * BUFFER_LEN as u64;
const AVAILABLE: u64 = 0x1000;
const USED: u64 = 0x2000;
const BUFFERS: u64 = 0x4000;
/// Bytes in front of each frame.
const HEADER_LEN: usize = 12;

/// How buffers lie in rings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Layout {
    /// Three parts: descriptors, available and used ring.
    Split,
    /// One, which both sides write.
    Packed,
}

/// Both.
pub const LAYOUTS: [Layout; 2] = [Layout::Split, Layout::Packed];

/// Bits of flags of a packed ring's descriptors.
const AVAILABLE_FLAG: u16 = 1 << 7;
const USED_FLAG: u16 = 1 << 15;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A ring, as the guest sees it.
pub struct GuestRing {
    /// Its number.
    pub index: u32,
    /// Where it begins in the memory.
    pub at: u64,
    /// Notifies the switch.
    pub kick: OwnedFd,
    /// Notifies the guest.
    pub call: OwnedFd,
    offered: u16,
    seen: u16,
    /// In a packed ring: what was described and is not offered yet, and how many were found used.
    described: Cell<(u64, (u32, u16, u16))>,
    found: Cell<u16>,
}

/// A front end with its guest.
pub struct FrontEnd {
    stream: UnixStream,
    /// The guest's memory.
    pub memory: OwnedFd,
    /// Its rings.
    pub rings: Vec<GuestRing>,
    /// What it takes.
    pub layout: Layout,
}

/// Where buffer number `n` of a packed ring is: slot, and wrap counter.
fn place(n: u16) -> (u64, bool) {
    (u64::from(n % SIZE), (n / SIZE).is_multiple_of(2))
}

/// Bytes of memory for `n_rings`.
#[must_use]
pub fn memory_len(n_rings: usize) -> u64 {
    RING_LEN * n_rings as u64
}

impl FrontEnd {
    /// One that connects to a switch that listens, with `n_pairs` pairs of rings.
    ///
    /// # Panics
    /// If nobody listens there.
    #[must_use]
    pub fn connect(path: &Path, n_pairs: usize) -> FrontEnd {
        let stream = wait_for("the switch to listen", PATIENCE, || UnixStream::connect(path).ok());
        FrontEnd::over(stream, n_pairs)
    }

    /// One that a switch connects to.
    ///
    /// # Panics
    /// If none does.
    #[must_use]
    pub fn accept(listener: &UnixListener, n_pairs: usize) -> FrontEnd {
        listener.set_nonblocking(true).expect("nonblocking");
        let stream = wait_for("the switch to connect", PATIENCE, || listener.accept().ok());
        FrontEnd::over(stream.0, n_pairs)
    }

    fn over(stream: UnixStream, n_pairs: usize) -> FrontEnd {
        stream.set_nonblocking(false).expect("blocking");
        stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
        let memory = memfd_create("guest", MemfdFlags::CLOEXEC).expect("memory");
        ftruncate(&memory, memory_len(2 * n_pairs)).expect("room");
        let event = || eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).expect("eventfd");
        let ring = |index: u32| GuestRing {
            index,
            at: RING_LEN * u64::from(index),
            kick: event(),
            call: event(),
            offered: 0,
            seen: 0,
            described: Cell::default(),
            found: Cell::new(0),
        };
        let n_rings = u32::try_from(2 * n_pairs).expect("few");
        let rings = (0..n_rings).map(ring).collect();
        FrontEnd { stream, memory, rings, layout: Layout::Split }
    }

    /// The same guest, at a switch that has started again.
    ///
    /// # Panics
    /// If nobody listens there.
    #[must_use]
    pub fn again(self, path: &Path) -> FrontEnd {
        let FrontEnd { memory, rings, layout, .. } = self;
        let FrontEnd { stream, .. } = FrontEnd::connect(path, 0);
        FrontEnd { stream, memory, rings, layout }
    }

    /// Its driver begins anew, with rings of that layout.
    ///
    /// # Panics
    /// If the memory cannot be written.
    pub fn begin(&mut self, layout: Layout) {
        self.layout = layout;
        for index in 0..self.rings.len() {
            self.write(self.rings[index].at, &vec![0; usize::try_from(BUFFERS).expect("few")]);
            let ring = &mut self.rings[index];
            (ring.offered, ring.seen) = (0, 0);
            ring.found.set(0);
        }
    }

    /// Sends bytes as they are, with descriptors.
    ///
    /// # Errors
    /// The switch has closed the connection.
    pub fn send_raw(&self, bytes: &[u8], files: &[BorrowedFd<'_>]) -> io::Result<()> {
        let mut space = [core::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(64))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !files.is_empty() {
            assert!(ancillary.push(SendAncillaryMessage::ScmRights(files)), "too many files");
        }
        sendmsg(&self.stream, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// Sends a message.
    ///
    /// # Errors
    /// The switch has closed the connection.
    pub fn send(&self, request: u32, body: &[u8], files: &[BorrowedFd<'_>]) -> io::Result<()> {
        self.send_raw(&message(request, body), files)
    }

    /// Sends a message without a body; the number that is answered.
    ///
    /// # Errors
    /// The switch has closed the connection, or answers something else.
    pub fn ask(&mut self, request: u32, body: &[u8]) -> io::Result<u64> {
        self.send(request, body, &[])?;
        self.read_answer()
    }

    /// The number that the next answer holds.
    ///
    /// # Errors
    /// The switch has closed the connection, or answers something else.
    pub fn read_answer(&mut self) -> io::Result<u64> {
        let mut header = [0; 12];
        self.stream.read_exact(&mut header)?;
        let len = u32::from_le_bytes([header[8], header[9], header[10], header[11]]);
        let mut answer = vec![0; usize::try_from(len).unwrap_or(0)];
        self.stream.read_exact(&mut answer)?;
        let number = answer.first_chunk::<8>().ok_or(io::ErrorKind::InvalidData)?;
        Ok(u64::from_le_bytes(*number))
    }

    /// Waits until the switch has handled everything that was sent.
    ///
    /// # Errors
    /// It has closed the connection.
    pub fn settle(&mut self) -> io::Result<()> {
        self.ask(request::GET_FEATURES, &[]).map(drop)
    }

    /// Waits until the switch has closed the connection.
    ///
    /// # Panics
    /// If it does not.
    pub fn wait_closed(&mut self) {
        let mut rest = Vec::new();
        // A connection that was reset is closed too.
        if let Err(error) = self.stream.read_to_end(&mut rest) {
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "the switch goes on");
        }
    }

    /// The features that are offered and that it takes.
    ///
    /// # Errors
    /// The switch has closed the connection.
    pub fn features(&mut self) -> io::Result<u64> {
        let left = if self.layout == Layout::Packed { 0 } else { RING_PACKED };
        Ok(self.ask(request::GET_FEATURES, &[])? & !left)
    }

    /// Negotiates all features that it takes but `without`, and sets up every ring.
    ///
    /// # Errors
    /// The switch refuses something.
    pub fn set_up(&mut self, without: u64) -> io::Result<u64> {
        let features = self.features()? & !without;
        if features & PROTOCOL != 0 {
            let offered = self.ask(request::GET_PROTOCOL_FEATURES, &[])?;
            let taken = (offered & PROTOCOL_TAKEN).to_le_bytes();
            self.send(request::SET_PROTOCOL_FEATURES, &taken, &[])?;
        }
        self.send(request::SET_OWNER, &[], &[])?;
        self.send(request::SET_FEATURES, &features.to_le_bytes(), &[])?;
        self.share_memory()?;
        for index in 0..self.rings.len() {
            self.start_ring(index)?;
            if features & PROTOCOL != 0 {
                self.enable(index, 1)?;
            }
        }
        self.settle()?;
        Ok(features)
    }

    /// Shares the whole memory.
    ///
    /// # Errors
    /// The switch has closed the connection.
    pub fn share_memory(&self) -> io::Result<()> {
        let len = memory_len(self.rings.len());
        self.send(request::SET_MEM_TABLE, &table(&[(GUEST, len, USER, 0)]), &[self.memory.as_fd()])
    }

    /// Where a ring stands, as the protocol says it.
    #[must_use]
    pub fn stands(&self, index: usize) -> u32 {
        let n_used = self.n_used(index);
        let (slot, wrap) = place(n_used);
        match self.layout {
            Layout::Split => n_used.into(),
            Layout::Packed => {
                let word = u32::try_from(slot).expect("a slot") | u32::from(wrap) << 15;
                word << 16 | word
            }
        }
    }

    /// Sets up one ring. Of a packed one it says where that began, as QEMU does after its device was
    /// gone, and not where it is now.
    ///
    /// # Errors
    /// The switch has closed the connection.
    pub fn start_ring(&mut self, index: usize) -> io::Result<()> {
        let (number, at) = (self.rings[index].index, self.rings[index].at);
        let base = match self.layout {
            Layout::Split => self.stands(index),
            Layout::Packed => 0x8000_8000,
        };
        self.send(request::SET_VRING_NUM, &state(number, SIZE.into()), &[])?;
        self.send(request::SET_VRING_BASE, &state(number, base), &[])?;
        self.send(request::SET_VRING_ADDR, &address(number, at), &[])?;
        let ring = &self.rings[index];
        let index = u64::from(number).to_le_bytes();
        self.send(request::SET_VRING_KICK, &index, &[ring.kick.as_fd()])?;
        self.send(request::SET_VRING_CALL, &index, &[ring.call.as_fd()])
    }

    /// Lets frames pass by a ring, or not.
    ///
    /// # Errors
    /// The switch has closed the connection.
    pub fn enable(&self, index: usize, on: u32) -> io::Result<()> {
        self.send(request::SET_VRING_ENABLE, &state(self.rings[index].index, on), &[])
    }

    /// Stops a ring; where it stands.
    ///
    /// # Errors
    /// The switch has closed the connection.
    pub fn stop_ring(&mut self, index: usize) -> io::Result<u32> {
        let number = self.rings[index].index;
        let answer = self.ask(request::GET_VRING_BASE, &state(number, 0))?;
        Ok(u32::try_from(answer >> 32).unwrap_or(0))
    }

    /// Two bytes of the memory.
    fn word(&self, at: u64) -> [u8; 2] {
        let mut word = [0; 2];
        // What was cut off reads as nothing.
        let _ = pread(&self.memory, &mut word, at);
        word
    }

    /// Writes bytes of the memory.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn write(&self, at: u64, bytes: &[u8]) {
        assert_eq!(pwrite(&self.memory, bytes, at).expect("memory"), bytes.len());
    }

    /// Writes a descriptor of a ring: bytes, flags, and which is the next. A packed ring has it where the
    /// next buffer is offered.
    pub fn describe(&self, index: usize, i: u16, addr: u64, rest: (u32, u16, u16)) {
        self.rings[index].described.set((addr, rest));
        if self.layout == Layout::Split {
            let (len, flags, next) = rest;
            let words = [&addr.to_le_bytes()[..], &len.to_le_bytes(), &flags.to_le_bytes()];
            let bytes = [&words.concat()[..], &next.to_le_bytes()].concat();
            self.write(self.rings[index].at + 16 * u64::from(i), &bytes);
        }
    }

    /// Makes a head available, and notifies.
    pub fn offer(&mut self, index: usize, head: u16) {
        self.offer_in_silence(index, head);
        self.kick(index);
    }

    /// Makes a head available.
    pub fn offer_in_silence(&mut self, index: usize, head: u16) {
        let ring = &mut self.rings[index];
        let (at, now) = (ring.at + AVAILABLE, ring.offered);
        ring.offered = now.wrapping_add(1);
        match self.layout {
            Layout::Split => {
                self.write(at + 4 + 2 * u64::from(now % SIZE), &head.to_le_bytes());
                self.write(at + 2, &now.wrapping_add(1).to_le_bytes());
            }
            Layout::Packed => self.offer_packed(index, now, head),
        }
    }

    /// Makes what was described available as number `n` of a packed ring, its flags last.
    fn offer_packed(&self, index: usize, n: u16, id: u16) {
        let ((slot, wrap), ring) = (place(n), &self.rings[index]);
        let (addr, (len, flags, _)) = ring.described.get();
        let owner = if wrap { AVAILABLE_FLAG } else { USED_FLAG };
        let bytes = [&addr.to_le_bytes()[..], &len.to_le_bytes(), &id.to_le_bytes()].concat();
        let at = ring.at + 16 * slot;
        self.write(at, &bytes);
        self.write(at + 14, &(flags | owner).to_le_bytes());
    }

    /// Claims that so many heads were made available, and notifies.
    pub fn set_available(&self, index: usize, available: u16) {
        self.write(self.rings[index].at + AVAILABLE + 2, &available.to_le_bytes());
        self.kick(index);
    }

    /// Notifies the switch.
    pub fn kick(&self, index: usize) {
        let _ = rustix::io::write(&self.rings[index].kick, &1u64.to_ne_bytes());
    }

    /// Waits until the switch notifies the guest of a ring, or the time is over; whether it did.
    ///
    /// # Panics
    /// If the system does not let it wait.
    #[must_use]
    pub fn is_told(&self, index: usize, limit: Duration) -> bool {
        let call = &self.rings[index].call;
        let limit = Timespec {
            tv_sec: i64::try_from(limit.as_secs()).expect("seconds"),
            tv_nsec: limit.subsec_nanos().into(),
        };
        let mut fds = [PollFd::new(call, PollFlags::IN)];
        poll(&mut fds, Some(&limit)).expect("poll");
        rustix::io::read(call, &mut [0; 8]).is_ok()
    }

    /// How many buffers of a ring the switch has given back.
    #[must_use]
    pub fn n_used(&self, index: usize) -> u16 {
        let ring = &self.rings[index];
        if self.layout == Layout::Split {
            return u16::from_le_bytes(self.word(ring.at + USED + 2));
        }
        let is_used = |n: u16| {
            let (slot, wrap) = place(n);
            let flags = u16::from_le_bytes(self.word(ring.at + 16 * slot + 14));
            let both = AVAILABLE_FLAG | USED_FLAG;
            flags & both == if wrap { both } else { 0 }
        };
        while ring.found.get() != ring.offered && is_used(ring.found.get()) {
            ring.found.set(ring.found.get().wrapping_add(1));
        }
        ring.found.get()
    }

    fn buffer_at(&self, index: usize, i: u16) -> u64 {
        self.rings[index].at + BUFFERS + u64::from(i) * u64::from(BUFFER_LEN)
    }

    /// Sends a frame by a pair, with a header that asks for nothing.
    ///
    /// # Panics
    /// If there are as many under way as the ring has entries.
    pub fn transmit(&mut self, pair: usize, frame: &[u8]) {
        self.transmit_with(pair, [0; 10], frame);
    }

    /// The same, with a virtio-net header of ten bytes.
    ///
    /// # Panics
    /// As [`FrontEnd::transmit`].
    pub fn transmit_with(&mut self, pair: usize, header: [u8; 10], frame: &[u8]) {
        let index = 2 * pair + 1;
        let offered = self.rings[index].offered;
        wait_for("room in the ring", PATIENCE, || {
            (offered.wrapping_sub(self.n_used(index)) < SIZE).then_some(())
        });
        let head = offered % SIZE;
        let at = self.buffer_at(index, head);
        self.write(at, &[&header[..], &[0; 2], frame].concat());
        let len = u32::try_from(HEADER_LEN + frame.len()).expect("short");
        self.describe(index, head, GUEST + at, (len, 0, 0));
        self.offer(index, head);
    }

    /// Makes `n` buffers available to receive by a pair.
    pub fn post(&mut self, pair: usize, n: u16) {
        for _ in 0..n {
            let index = 2 * pair;
            let head = self.rings[index].offered % SIZE;
            let at = self.buffer_at(index, head);
            self.describe(index, head, GUEST + at, (BUFFER_LEN, 2, 0));
            self.offer(index, head);
        }
    }

    /// A frame that came by a pair, if there is one: its header and bytes, put together from its
    /// buffers, which are made available again.
    pub fn try_receive(&mut self, pair: usize) -> Option<(Vec<u8>, Vec<u8>)> {
        let index = 2 * pair;
        if self.n_used(index) == self.rings[index].seen {
            return None;
        }
        let mut bytes = self.take_used(index);
        let n_buffers = u16::from_le_bytes([bytes[10], bytes[11]]);
        for _ in 1..n_buffers {
            bytes.extend(self.take_used(index));
        }
        self.post(pair, n_buffers);
        let frame = bytes.split_off(HEADER_LEN);
        Some((bytes, frame))
    }

    fn take_used(&mut self, index: usize) -> Vec<u8> {
        let seen = self.rings[index].seen;
        self.rings[index].seen = seen.wrapping_add(1);
        let (mut entry, begin) = ([0; 8], self.rings[index].at);
        let at = match self.layout {
            Layout::Split => begin + USED + 4 + 8 * u64::from(seen % SIZE),
            Layout::Packed => begin + 16 * u64::from(seen % SIZE) + 8,
        };
        pread(&self.memory, &mut entry, at).expect("memory");
        let [a, b, c, d, e, f, _, _] = entry;
        let (head, len) = match self.layout {
            Layout::Split => ([a, b], [e, f, entry[6], entry[7]]),
            Layout::Packed => ([e, f], [a, b, c, d]),
        };
        let (head, len) = (u16::from_le_bytes(head), u32::from_le_bytes(len));
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
        pread(&self.memory, &mut bytes, self.buffer_at(index, head)).expect("memory");
        bytes
    }

    /// The next frame that comes by a pair.
    ///
    /// # Panics
    /// If none comes.
    pub fn receive(&mut self, pair: usize) -> Vec<u8> {
        wait_for("a frame for the guest", PATIENCE, || self.try_receive(pair)).1
    }
}

/// A message of version 1.
#[must_use]
pub fn message(request: u32, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len()).expect("short");
    let words = [request, 1, len].map(u32::to_le_bytes).concat();
    [&words[..], body].concat()
}

/// The body of a message about a ring.
#[must_use]
pub fn state(index: u32, value: u32) -> Vec<u8> {
    [index, value].map(u32::to_le_bytes).concat()
}

/// The body of `SET_VRING_ADDR`, for a ring whose memory begins at `at`.
#[must_use]
pub fn address(index: u32, at: u64) -> Vec<u8> {
    let parts = [0, USED, AVAILABLE].map(|part| (USER + at + part).to_le_bytes());
    [&state(index, 0)[..], &parts.concat(), &[0; 8]].concat()
}

/// The body of `SET_MEM_TABLE`: guest address, bytes, address in the front end, place in the file.
#[must_use]
pub fn table(regions: &[(u64, u64, u64, u64)]) -> Vec<u8> {
    let n = u64::try_from(regions.len()).expect("few").to_le_bytes();
    let words = regions.iter().flat_map(|(guest, len, user, at)| [*guest, *len, *user, *at]);
    [n.to_vec(), words.flat_map(u64::to_le_bytes).collect()].concat()
}
