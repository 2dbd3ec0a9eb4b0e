//! Receives from a carrier's socket.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use super::control;
use super::outer::Outer;
use super::sys::{self, Family, Slot};
use crate::batch::{Batch, MAX_BURST};
use crate::counter::PortCounters;
use crate::drop_reason::DropReason;
use crate::frame::{Checksum, Frame, FramePool, Offload};
use crate::netdev::spares::{self, Lost};
use crate::netdev::{RecvStatus, Rxq, WakeSource};

/// Datagrams asked for in a call by a quiet queue; the number doubles with each full call and halves
/// with each empty one.
const FIRST_DEPTH: usize = 1;
/// Datagrams asked for in a call while the kernel joins them: each is many.
const JOINED_DEPTH: usize = 2;
/// Errors in a row after which the socket is left alone until it tells of news.
const MAX_ERRORS: u32 = 16;

/// A receive queue: one socket.
pub(super) struct CarrierRxq {
    socket: OwnedFd,
    family: Family,
    /// The UDP port; `None` for GRE.
    port: Option<u16>,
    slots: Box<[Slot; MAX_BURST]>,
    depth: usize,
    /// What was received and found no room in the batch yet.
    ready: VecDeque<Joined>,
    /// The kernel's count of lost datagrams, as told last.
    n_missed: u32,
    n_errors: u32,
}

/// Datagrams of one sender behind each other, or one alone.
struct Joined {
    frame: Frame,
    outer: Outer,
    /// Bytes of each but the last.
    size: usize,
    /// Where the next begins.
    at: usize,
}

/// What is told beside a datagram.
struct Told {
    dst: Option<core::net::IpAddr>,
    tos: u8,
    ttl: u8,
    size: Option<usize>,
    n_missed: Option<u32>,
}

impl Told {
    fn of(slot: &Slot) -> Told {
        let mut told = Told { dst: None, tos: 0, ttl: 0, size: None, n_missed: None };
        let byte = |data| control::number(data).and_then(|n| u8::try_from(n).ok()).unwrap_or(0);
        for (level, kind, data) in slot.control.iter() {
            match (level, kind) {
                (libc::IPPROTO_IP, libc::IP_PKTINFO) | (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    told.dst = control::destination(level, data);
                }
                (libc::IPPROTO_IP, libc::IP_TOS) | (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) => {
                    told.tos = byte(data);
                }
                (libc::IPPROTO_IP, libc::IP_TTL) | (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) => {
                    told.ttl = byte(data);
                }
                (libc::IPPROTO_UDP, libc::UDP_GRO) => {
                    told.size = control::number(data).and_then(|n| usize::try_from(n).ok());
                }
                (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) => told.n_missed = control::number(data),
                _ => {}
            }
        }
        told
    }
}

impl CarrierRxq {
    pub(super) fn new(socket: OwnedFd, family: Family, port: Option<u16>) -> CarrierRxq {
        let slots = Box::new(std::array::from_fn(|_| Slot::new()));
        CarrierRxq {
            socket,
            family,
            port,
            slots,
            depth: FIRST_DEPTH,
            ready: VecDeque::new(),
            n_missed: 0,
            n_errors: 0,
        }
    }

    /// Takes over one datagram of the kernel, or several that it joined.
    fn accept(&mut self, at: usize, pool: &mut FramePool, counters: &PortCounters) {
        let slot = &mut self.slots[at];
        let told = Told::of(slot);
        if let Some(n) = told.n_missed {
            counters.rx_missed.add(n.wrapping_sub(self.n_missed).into());
            self.n_missed = n;
        }
        let lost = |reason| {
            counters.rx_packets.add(1);
            counters.rx_bytes.add(slot.len as u64);
            counters.drop_rx(reason, 1);
        };
        let taken =
            if slot.truncated { Err(slot.spares.lost()) } else { slot.spares.take(slot.len) };
        let frame = match taken {
            Ok(frame) => frame,
            Err(Lost::NoLarge) => return lost(DropReason::NoFrame),
            Err(Lost::TooLong) => return lost(DropReason::RxTruncated),
        };
        let sender = slot.from.parse();
        let (Some((src, src_port)), Some(dst)) = (sender, told.dst) else {
            lost(DropReason::BadDescriptor);
            return pool.put(frame);
        };
        let ports = self.port.map(|port| (src_port, port));
        let df = self.family == Family::V6;
        let outer = Outer { src, dst, tos: told.tos, ttl: told.ttl, df, ports };
        let len = frame.len();
        let size = told.size.filter(|size| *size > 0 && *size < len).unwrap_or(len);
        self.ready.push_back(Joined { frame, outer, size, at: 0 });
    }

    /// Moves what is ready into the batch, as far as there is room.
    fn give(&mut self, pool: &mut FramePool, batch: &mut Batch, counters: &PortCounters) {
        // The kernel gives the IPv4 header of raw packets, and no other.
        let is_whole = self.port.is_none() && self.family == Family::V4;
        while !batch.is_full()
            && let Some(mut joined) = self.ready.pop_front()
        {
            counters.rx_packets.add(1);
            let data_len = joined.frame.len() - joined.at;
            if joined.at == 0 && joined.size >= data_len {
                let frame = joined.frame;
                give_one(frame, (!is_whole).then_some(&joined.outer), pool, (batch, counters));
                continue;
            }
            let len = joined.size.min(data_len);
            let piece = joined.frame.data().get(joined.at..joined.at + len).unwrap_or_default();
            match pool.from_bytes(piece) {
                Some(frame) => give_one(frame, Some(&joined.outer), pool, (batch, counters)),
                None => {
                    counters.rx_bytes.add(len as u64);
                    counters.drop_rx(DropReason::NoFrame, 1);
                }
            }
            joined.at += len;
            if joined.at < joined.frame.len() {
                self.ready.push_front(joined);
            } else {
                pool.put(joined.frame);
            }
        }
    }

    /// Nothing there, or an error of the socket, which is told once.
    fn nothing(&mut self, error: &io::Error) -> RecvStatus {
        self.n_errors += 1;
        let is_empty = error.kind() == io::ErrorKind::WouldBlock;
        if !is_empty && self.n_errors < MAX_ERRORS {
            return RecvStatus::More;
        }
        self.n_errors = 0;
        self.depth = (self.depth / 2).max(FIRST_DEPTH);
        RecvStatus::Drained
    }
}

/// Puts a datagram into the batch, behind the outer headers if these are to be written.
fn give_one(
    mut frame: Frame,
    outer: Option<&Outer>,
    pool: &mut FramePool,
    (batch, counters): (&mut Batch, &PortCounters),
) {
    let data_len = frame.len();
    let fits = outer.is_none_or(|outer| {
        frame.extend_front(outer.headers_len()) && outer.emit(frame.data_mut(), data_len)
    });
    counters.rx_bytes.add(frame.len() as u64);
    if !fits {
        counters.drop_rx(DropReason::RxTruncated, 1);
        return pool.put(frame);
    }
    if outer.is_some_and(|outer| outer.ports.is_some()) {
        frame.set_offload(Offload { checksum: Checksum::Valid, gso: None });
    }
    batch.push(frame);
}

impl Rxq for CarrierRxq {
    fn recv(
        &mut self,
        pool: &mut FramePool,
        batch: &mut Batch,
        counters: &PortCounters,
    ) -> RecvStatus {
        self.give(pool, batch, counters);
        if batch.is_full() {
            return RecvStatus::More;
        }
        let wanted = self.depth.min(batch.remaining_capacity());
        let n_ready = spares::fill(&mut self.slots[..wanted], pool);
        if n_ready == 0 {
            // Datagrams may wait in the kernel for a buffer: nobody will tell of them again.
            return RecvStatus::More;
        }
        let n = match sys::recv_many(self.socket.as_fd(), &mut self.slots[..n_ready]) {
            Ok(n) => n,
            Err(error) => return self.nothing(&error),
        };
        self.n_errors = 0;
        for at in 0..n {
            self.accept(at, pool, counters);
        }
        let is_joined = self.ready.iter().any(|joined| joined.size < joined.frame.len());
        if is_joined {
            self.depth = self.depth.min(JOINED_DEPTH);
        } else if n == self.depth {
            self.depth = (2 * self.depth).min(MAX_BURST);
        }
        self.give(pool, batch, counters);
        RecvStatus::More
    }

    fn wake_source(&self) -> WakeSource<'_> {
        WakeSource::Fd(self.socket.as_fd())
    }

    fn park(&mut self, pool: &mut FramePool) {
        self.depth = FIRST_DEPTH;
        spares::park(&mut self.slots[..], pool);
    }
}
