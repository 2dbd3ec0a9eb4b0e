//! The front end of vhost-user: a guest's memory, and the rings in it.
//!
//! # Design
//! The memory is a memfd, which is written and read as a file; the switch has it mapped, and sees the same
//! bytes. So no unsafe code is needed, at the cost of a system call where a guest's driver would copy.
//!
//! Each ring has one buffer per descriptor, and a descriptor is a head. A buffer to send from holds a whole
//! segment; those to receive are as large as Linux's, and a frame may take several.
//!
//! # References
//! QEMU, docs/interop/vhost-user.rst; virtio 1.2 §2.7 (split rings), §5.1 (network device).

use std::io::{IoSlice, IoSliceMut, Read as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use datapath::offload::vnet;
use datapath::{Frame, FramePool, SizeClass};
use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::io::{pread, preadv, pwrite, pwritev};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use crate::process::wait_for;

/// How long the switch may take to connect, and to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Requests of the protocol.
mod request {
    pub const GET_FEATURES: u32 = 1;
    pub const SET_FEATURES: u32 = 2;
    pub const SET_OWNER: u32 = 3;
    pub const SET_MEM_TABLE: u32 = 5;
    pub const SET_VRING_NUM: u32 = 8;
    pub const SET_VRING_ADDR: u32 = 9;
    pub const SET_VRING_BASE: u32 = 10;
    pub const SET_VRING_KICK: u32 = 12;
    pub const SET_VRING_CALL: u32 = 13;
    pub const GET_PROTOCOL_FEATURES: u32 = 15;
    pub const SET_PROTOCOL_FEATURES: u32 = 16;
    pub const SET_VRING_ENABLE: u32 = 18;
}

/// `VIRTIO_NET_F_CSUM`: the switch finishes checksums.
pub const CSUM: u64 = 1;
/// `VIRTIO_NET_F_GUEST_CSUM`.
const GUEST_CSUM: u64 = 1 << 1;
/// `VIRTIO_NET_F_GUEST_TSO4`, `_TSO6` and `_ECN`.
const GUEST_SEGMENTS: u64 = 1 << 7 | 1 << 8 | 1 << 9;
/// `VIRTIO_NET_F_HOST_TSO4`: the switch takes whole segments.
pub const HOST_TSO4: u64 = 1 << 11;
/// `VIRTIO_NET_F_HOST_TSO6` and `_ECN`.
const HOST_SEGMENTS: u64 = HOST_TSO4 | 1 << 12 | 1 << 13;
/// `VIRTIO_NET_F_MRG_RXBUF`.
const MRG_RXBUF: u64 = 1 << 15;
/// `VHOST_USER_F_PROTOCOL_FEATURES`.
const PROTOCOL: u64 = 1 << 30;
/// `VIRTIO_F_VERSION_1`.
const VERSION_1: u64 = 1 << 32;
/// Of segments, both ways, as Linux takes them.
pub const SEGMENTS: u64 = GUEST_SEGMENTS | HOST_SEGMENTS;
/// What a guest takes, if it is offered.
const TAKEN: u64 = CSUM | GUEST_CSUM | SEGMENTS | MRG_RXBUF | PROTOCOL | VERSION_1;

/// Entries of each ring, as QEMU makes them.
const SIZE: u16 = 256;
/// Where the memory is in the guest, and in the front end.
const GUEST: u64 = 0x10_0000;
const USER: u64 = 0x7f00_0000_0000;
/// Parts of a ring, from where it begins.
const AVAILABLE: u64 = 0x1000;
const USED: u64 = 0x2000;
const BUFFERS: u64 = 0x4000;
/// Bytes in front of each frame.
const HEADER_LEN: usize = 12;
/// Bytes of a buffer to receive, and of one to send from.
const BUFFER_LEN: [u32; 2] = [4096, 72 * 1024];
/// `VIRTQ_DESC_F_WRITE`.
const WRITE: u16 = 2;
/// `VIRTQ_AVAIL_F_NO_INTERRUPT`.
const NO_INTERRUPT: u16 = 1;
/// Rings of a pair: what the guest receives by, and what it sends by.
const RX: usize = 0;
const TX: usize = 1;

/// Whether the switch shall notify the guest of what it has given back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Notify {
    /// The guest is about to sleep.
    Wanted,
    /// It looks by itself.
    Unwanted,
}

struct Ring {
    /// Where it begins in the memory.
    at: u64,
    buffer_len: u32,
    kick: OwnedFd,
    call: OwnedFd,
    offered: u16,
    seen: u16,
}

/// A guest's card with one pair of rings.
pub struct FrontEnd {
    stream: UnixStream,
    memory: OwnedFd,
    rings: [Ring; 2],
}

/// Bytes of memory of a ring.
fn ring_len(buffer_len: u32) -> u64 {
    BUFFERS + u64::from(SIZE) * u64::from(buffer_len)
}

impl FrontEnd {
    /// Waits until the switch connects, and sets up both rings; without features of `without`. What was
    /// negotiated comes with it.
    ///
    /// # Errors
    /// It does not connect, or refuses.
    pub fn accept(listener: &UnixListener, without: u64) -> Result<(FrontEnd, u64)> {
        listener.set_nonblocking(true)?;
        let (stream, _) = wait_for("switch at the socket", PATIENCE, || listener.accept().ok())?;
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let memory = memfd_create("guest", MemfdFlags::CLOEXEC)?;
        let [rx_len, tx_len] = BUFFER_LEN.map(ring_len);
        ftruncate(&memory, rx_len + tx_len)?;
        let ring = |at, buffer_len| -> Result<Ring> {
            let event = || eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
            Ok(Ring { at, buffer_len, kick: event()?, call: event()?, offered: 0, seen: 0 })
        };
        let rings = [ring(0, BUFFER_LEN[RX])?, ring(rx_len, BUFFER_LEN[TX])?];
        let mut front_end = FrontEnd { stream, memory, rings };
        let features = front_end.set_up(without).context("vhost-user")?;
        Ok((front_end, features))
    }

    fn set_up(&mut self, without: u64) -> Result<u64> {
        let features = self.ask(request::GET_FEATURES)? & TAKEN & !without;
        ensure!(features & PROTOCOL != 0, "features {features:#x} are too few");
        self.ask(request::GET_PROTOCOL_FEATURES)?;
        self.send(request::SET_PROTOCOL_FEATURES, &[0; 8], &[])?;
        self.send(request::SET_OWNER, &[], &[])?;
        self.send(request::SET_FEATURES, &features.to_le_bytes(), &[])?;
        let len: u64 = BUFFER_LEN.map(ring_len).iter().sum();
        let table = [1, GUEST, len, USER, 0].map(u64::to_le_bytes).concat();
        self.send(request::SET_MEM_TABLE, &table, &[self.memory.as_fd()])?;
        for head in 0..SIZE {
            self.describe(RX, head, BUFFER_LEN[RX], WRITE)?;
            self.offer(RX, head)?;
        }
        self.publish(RX)?;
        self.wish(Notify::Unwanted)?;
        self.set_flags(TX, NO_INTERRUPT)?;
        for (number, ring) in (0_u32..).zip(&self.rings) {
            self.start(number, ring)?;
        }
        // An answer says that all of it was done.
        self.ask(request::GET_FEATURES)?;
        Ok(features)
    }

    fn start(&self, number: u32, ring: &Ring) -> Result<()> {
        let state = |value: u32| [number, value].map(u32::to_le_bytes).concat();
        self.send(request::SET_VRING_NUM, &state(SIZE.into()), &[])?;
        self.send(request::SET_VRING_BASE, &state(0), &[])?;
        let parts = [0, USED, AVAILABLE].map(|part| (USER + ring.at + part).to_le_bytes());
        let address = [&state(0)[..], &parts.concat(), &[0; 8]].concat();
        self.send(request::SET_VRING_ADDR, &address, &[])?;
        let number = u64::from(number).to_le_bytes();
        self.send(request::SET_VRING_KICK, &number, &[ring.kick.as_fd()])?;
        self.send(request::SET_VRING_CALL, &number, &[ring.call.as_fd()])?;
        self.send(request::SET_VRING_ENABLE, &state(1), &[])
    }

    fn send(&self, request: u32, body: &[u8], files: &[BorrowedFd<'_>]) -> Result<()> {
        let len = u32::try_from(body.len())?;
        let message = [&[request, 1, len].map(u32::to_le_bytes).concat()[..], body].concat();
        let mut space = [core::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !files.is_empty() {
            ensure!(ancillary.push(SendAncillaryMessage::ScmRights(files)), "too many files");
        }
        let sent =
            sendmsg(&self.stream, &[IoSlice::new(&message)], &mut ancillary, SendFlags::NOSIGNAL)?;
        ensure!(sent == message.len(), "{sent} of {} bytes sent", message.len());
        Ok(())
    }

    /// The number that answers a request without a body.
    fn ask(&mut self, request: u32) -> Result<u64> {
        self.send(request, &[], &[])?;
        let (mut header, mut number) = ([0; 12], [0; 8]);
        self.stream.read_exact(&mut header)?;
        self.stream.read_exact(&mut number)?;
        Ok(u64::from_le_bytes(number))
    }

    fn write(&self, at: u64, bytes: &[u8]) -> Result<()> {
        pwrite(&self.memory, bytes, at)?;
        Ok(())
    }

    fn describe(&self, ring: usize, head: u16, len: u32, flags: u16) -> Result<()> {
        let ring = &self.rings[ring];
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&(GUEST + ring.buffer(head)).to_le_bytes());
        bytes[8..12].copy_from_slice(&len.to_le_bytes());
        bytes[12..14].copy_from_slice(&flags.to_le_bytes());
        self.write(ring.at + 16 * u64::from(head), &bytes)
    }

    /// Adds a head to a ring; the switch sees it when [`FrontEnd::publish`] is called.
    fn offer(&mut self, ring: usize, head: u16) -> Result<()> {
        let ring = &mut self.rings[ring];
        let at = ring.at + AVAILABLE + 4 + 2 * u64::from(ring.offered % SIZE);
        ring.offered = ring.offered.wrapping_add(1);
        self.write(at, &head.to_le_bytes())
    }

    /// Makes all heads that were offered available, and notifies the switch if it wants that.
    fn publish(&self, ring: usize) -> Result<()> {
        let ring = &self.rings[ring];
        self.write(ring.at + AVAILABLE + 2, &ring.offered.to_le_bytes())?;
        let mut flags = [0; 2];
        pread(&self.memory, &mut flags, ring.at + USED)?;
        if u16::from_le_bytes(flags) & 1 == 0 {
            // It is full only if the switch was told many times already.
            let _ = rustix::io::write(&ring.kick, &1_u64.to_ne_bytes());
        }
        Ok(())
    }

    fn set_flags(&self, ring: usize, flags: u16) -> Result<()> {
        self.write(self.rings[ring].at + AVAILABLE, &flags.to_le_bytes())
    }

    /// Says whether the switch shall notify of frames.
    ///
    /// # Errors
    /// The memory cannot be written.
    pub fn wish(&self, notify: Notify) -> Result<()> {
        self.set_flags(RX, if notify == Notify::Wanted { 0 } else { NO_INTERRUPT })
    }

    /// What becomes readable when there are frames, if that is wished.
    pub fn call(&self) -> BorrowedFd<'_> {
        self.rings[RX].call.as_fd()
    }

    /// Buffers that the switch has given back, and that were not looked at yet.
    fn n_used(&self, ring: usize) -> Result<u16> {
        let (ring, mut index) = (&self.rings[ring], [0; 2]);
        pread(&self.memory, &mut index, ring.at + USED + 2)?;
        Ok(u16::from_le_bytes(index).wrapping_sub(ring.seen))
    }

    /// Frames that can be sent now.
    ///
    /// # Errors
    /// The memory cannot be read.
    pub fn room(&mut self) -> Result<usize> {
        // Buffers come back in whatever order; the next is free once there are as many as one round.
        let n = self.n_used(TX)?;
        let ring = &mut self.rings[TX];
        ring.seen = ring.seen.wrapping_add(n);
        Ok(usize::from(SIZE - ring.offered.wrapping_sub(ring.seen)))
    }

    /// Sends frames; there must be room.
    ///
    /// # Errors
    /// The memory cannot be written.
    pub fn transmit<'a>(&mut self, frames: impl Iterator<Item = &'a Frame>) -> Result<()> {
        for frame in frames {
            let head = self.rings[TX].offered % SIZE;
            let mut header = [0; HEADER_LEN];
            header[..vnet::HEADER_LEN].copy_from_slice(&vnet::emit(frame));
            let parts = [IoSlice::new(&header), IoSlice::new(frame.data())];
            let written = pwritev(&self.memory, &parts, self.rings[TX].buffer(head))?;
            self.describe(TX, head, u32::try_from(written)?, 0)?;
            self.offer(TX, head)?;
        }
        self.publish(TX)
    }

    /// Takes up to `max` frames that the switch has sent.
    ///
    /// # Errors
    /// The memory cannot be read, or what is there makes no sense.
    pub fn receive(
        &mut self,
        pool: &mut FramePool,
        max: usize,
        mut take: impl FnMut(Frame),
    ) -> Result<usize> {
        let mut n_used = self.n_used(RX)?;
        let mut n_frames = 0;
        while n_used > 0 && n_frames < max {
            let mut frame = pool.get(SizeClass::Large).context("no frame")?;
            let (head, len) = self.used()?;
            let mut header = [0; HEADER_LEN];
            let mut end = self.read_first(head, len, &mut header, frame.room_mut())?;
            self.offer(RX, head)?;
            let n_buffers = u16::from_le_bytes([header[10], header[11]]).max(1);
            ensure!(n_buffers <= n_used, "a frame in {n_buffers} buffers of {n_used}");
            for _ in 1..n_buffers {
                let (head, len) = self.used()?;
                let room = frame.room_mut().get_mut(end..end + len).context("a frame too long")?;
                pread(&self.memory, room, self.rings[RX].buffer(head))?;
                end += len;
                self.offer(RX, head)?;
            }
            n_used -= n_buffers;
            ensure!(frame.set_len(end), "a frame of {end} bytes");
            let work = header.first_chunk().context("header")?;
            let offload = vnet::parse(work, frame.data());
            frame.set_offload(offload.map_err(|reason| anyhow::anyhow!("{reason:?}"))?);
            take(frame);
            n_frames += 1;
        }
        if n_frames > 0 {
            self.publish(RX)?;
        }
        Ok(n_frames)
    }

    /// Reads a buffer that begins with a header; bytes behind that.
    fn read_first(
        &self,
        head: u16,
        len: usize,
        header: &mut [u8],
        data: &mut [u8],
    ) -> Result<usize> {
        let len = len.checked_sub(HEADER_LEN).context("a frame without a header")?;
        let room = data.get_mut(..len).context("a frame too long")?;
        let mut parts = [IoSliceMut::new(header), IoSliceMut::new(room)];
        preadv(&self.memory, &mut parts, self.rings[RX].buffer(head))?;
        Ok(len)
    }

    /// The next buffer of the receive ring that the switch has given back: its head and length.
    fn used(&mut self) -> Result<(u16, usize)> {
        let ring = &mut self.rings[RX];
        let at = ring.at + USED + 4 + 8 * u64::from(ring.seen % SIZE);
        ring.seen = ring.seen.wrapping_add(1);
        let mut entry = [0; 8];
        pread(&self.memory, &mut entry, at)?;
        let [h0, h1, _, _, len @ ..] = entry;
        let (head, len) = (u16::from_le_bytes([h0, h1]), u32::from_le_bytes(len));
        ensure!(head < SIZE && len <= BUFFER_LEN[RX], "used: {len} bytes of buffer {head}");
        Ok((head, usize::try_from(len)?))
    }
}

impl Ring {
    fn buffer(&self, head: u16) -> u64 {
        self.at + BUFFERS + u64::from(head) * u64::from(self.buffer_len)
    }
}
