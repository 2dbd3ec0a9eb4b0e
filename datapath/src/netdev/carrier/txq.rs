//! Sends by a carrier's sockets.

use core::net::IpAddr;
use core::ops::Range;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use arrayvec::ArrayVec;
use rustix::io::Errno;

use super::control::{Address, Control, pktinfo_v4, pktinfo_v6};
use super::outer::Outer;
use super::sys::{self, Outgoing};
use crate::batch::{Batch, MAX_BURST};
use crate::counter::PortCounters;
use crate::drop_reason::DropReason;
use crate::frame::{Frame, FramePool};
use crate::netdev::{TxCaps, Txq};

/// Source ports of a thread for each IP version. They spread flows over equal paths and the receiver's
/// queues, of which there are about as many.
pub(super) const N_SOURCES: usize = 16;
/// Bytes of UDP data that go down at once at most: a datagram's limit less the largest headers.
const MAX_JOINED_LEN: usize = 65_535 - 40 - 8;

/// A socket to send by.
pub(super) struct Sender {
    socket: OwnedFd,
    /// Whether what it sends may not be fragmented, as the kernel was told last.
    df: Option<bool>,
}

impl Sender {
    pub(super) fn new(socket: OwnedFd) -> Sender {
        Sender { socket, df: None }
    }

    /// Tells the kernel whether packets may be fragmented.
    fn set_df(&mut self, is_v6: bool, df: bool) {
        if self.df == Some(df) {
            return;
        }
        self.df = Some(df);
        let fd = self.socket.as_fd();
        // If it fails, packets are sent as those before.
        let _ = if is_v6 {
            let how = if df { libc::IPV6_PMTUDISC_DO } else { libc::IPV6_PMTUDISC_DONT };
            sys::set_option(fd, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, how)
        } else {
            let how = if df { libc::IP_PMTUDISC_DO } else { libc::IP_PMTUDISC_DONT };
            sys::set_option(fd, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, how)
        };
    }
}

/// A transmit queue: sockets of its own, which receive nothing.
///
/// # Design
/// A batch is parted into runs, datagrams behind each other that go down as one, and runs into those of
/// one socket. Which socket a packet goes by depends on its outer source port alone, so packets of one
/// flow stay in order; those of different flows may overtake each other, as on any network.
pub(super) struct CarrierTxq {
    v4: Vec<Sender>,
    v6: Vec<Sender>,
    /// Whether the kernel joins datagrams: found out by trying.
    joins: bool,
}

/// Frames of the batch, one after the other, that go down as one message.
struct Run {
    outer: Outer,
    frames: Range<usize>,
    /// Bytes of the first datagram's data, and of each but the last.
    size: usize,
    /// Bytes of all.
    len: usize,
}

/// By which socket a packet goes, and how that is to be set up.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Lane {
    is_v6: bool,
    index: usize,
    df: bool,
}

impl Run {
    fn lane(&self, n_senders: usize) -> Lane {
        let source = self.outer.ports.map_or(0, |(source, _)| usize::from(source));
        let is_v6 = matches!(self.outer.dst, IpAddr::V6(_));
        Lane { is_v6, index: source % n_senders.max(1), df: self.outer.df }
    }

    /// Whether the next datagram may go down with those of the run.
    fn takes(&self, outer: &Outer, len: usize) -> bool {
        // A shorter one ends a run.
        let is_open = self.len == self.size * self.frames.len();
        is_open
            && self.outer.ports.is_some()
            && self.outer == *outer
            && len <= self.size
            && self.len + len <= MAX_JOINED_LEN
    }

    fn outgoing(&self) -> Outgoing {
        let port = self.outer.ports.map_or(0, |(_, port)| port);
        let (tos, ttl) = (i32::from(self.outer.tos), i32::from(self.outer.ttl));
        let mut control = Control::new();
        match self.outer.src {
            IpAddr::V4(src) => {
                control.push(libc::IPPROTO_IP, libc::IP_PKTINFO, &pktinfo_v4(src));
                control.push(libc::IPPROTO_IP, libc::IP_TOS, &tos.to_ne_bytes());
                control.push(libc::IPPROTO_IP, libc::IP_TTL, &ttl.max(1).to_ne_bytes());
            }
            IpAddr::V6(src) => {
                control.push(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &pktinfo_v6(src));
                control.push(libc::IPPROTO_IPV6, libc::IPV6_TCLASS, &tos.to_ne_bytes());
                control.push(libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT, &ttl.to_ne_bytes());
            }
        }
        if self.frames.len() > 1
            && let Ok(size) = u16::try_from(self.size)
        {
            control.push(libc::IPPROTO_UDP, libc::UDP_SEGMENT, &size.to_ne_bytes());
        }
        let n_parts = self.frames.len();
        Outgoing { to: Address::of(self.outer.dst, port), control, n_parts }
    }
}

type Runs = ArrayVec<Run, MAX_BURST>;

/// The data behind the outer headers.
fn data(frame: &Frame) -> &[u8] {
    Outer::parse(frame.data()).map_or(&[], |(_, data)| data)
}

/// Parts a batch into runs; what is no outer packet is dropped.
fn runs(batch: &Batch, joins: bool, counters: &PortCounters) -> Runs {
    let mut runs = Runs::new();
    for (at, frame) in batch.iter().enumerate() {
        let Some((outer, data)) = Outer::parse(frame.data()) else {
            counters.drop_tx(DropReason::TxError, 1);
            continue;
        };
        let len = data.len();
        match runs.last_mut() {
            Some(run) if joins && run.frames.end == at && run.takes(&outer, len) => {
                run.frames.end += 1;
                run.len += len;
            }
            _ => runs.push(Run { outer, frames: at..at + 1, size: len, len }),
        }
    }
    runs
}

/// What an error says of the datagram that it hit.
fn reason(error: &io::Error) -> DropReason {
    match Errno::from_io_error(error) {
        Some(Errno::MSGSIZE) => DropReason::MtuExceeded,
        Some(Errno::NOBUFS | Errno::AGAIN | Errno::NOMEM) => DropReason::TxQueueFull,
        Some(Errno::NETUNREACH | Errno::HOSTUNREACH | Errno::NETDOWN | Errno::ADDRNOTAVAIL) => {
            DropReason::TunnelUnreachable
        }
        _ => DropReason::TxError,
    }
}

impl CarrierTxq {
    pub(super) fn new(v4: Vec<Sender>, v6: Vec<Sender>) -> CarrierTxq {
        CarrierTxq { v4, v6, joins: true }
    }

    /// Sends runs that go by one socket.
    fn send_lane(&mut self, lane: Lane, runs: &[&Run], (batch, counters): (&Batch, &PortCounters)) {
        let senders = if lane.is_v6 { &mut self.v6 } else { &mut self.v4 };
        let Some(sender) = senders.get_mut(lane.index) else {
            let n: usize = runs.iter().map(|run| run.frames.len()).sum();
            return counters.drop_tx(DropReason::TunnelUnreachable, n as u64);
        };
        sender.set_df(lane.is_v6, lane.df);
        let outgoing: ArrayVec<Outgoing, MAX_BURST> =
            runs.iter().map(|run| run.outgoing()).collect();
        let (mut at, mut may_retry) = (0, true);
        while at < runs.len() {
            let frames = runs[at..].iter().flat_map(|run| &batch[run.frames.clone()]);
            let sent = sys::send_many(sender.socket.as_fd(), &outgoing[at..], frames.map(data));
            let error = match sent {
                Ok(n) if n > 0 => {
                    for run in &runs[at..at + n] {
                        count_sent(&batch[run.frames.clone()], counters);
                    }
                    at += n;
                    may_retry = true;
                    continue;
                }
                Ok(_) => io::ErrorKind::WriteZero.into(),
                Err(error) => error,
            };
            // What the socket had to tell of an earlier datagram is told once.
            let is_old = matches!(
                Errno::from_io_error(&error),
                Some(Errno::INTR | Errno::CONNREFUSED | Errno::PROTO)
            );
            if is_old && std::mem::replace(&mut may_retry, false) {
                continue;
            }
            may_retry = true;
            let run = runs[at];
            if run.frames.len() > 1 && is_about_joining(&error) {
                self.joins &= Errno::from_io_error(&error) != Some(Errno::OPNOTSUPP);
                send_apart(sender, run, (batch, counters));
            } else {
                counters.drop_tx(reason(&error), run.frames.len() as u64);
            }
            at += 1;
        }
    }
}

/// Whether the datagrams may pass one by one: a device that computes no checksums, or datagrams that
/// are to be fragmented.
fn is_about_joining(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::INVAL | Errno::MSGSIZE | Errno::IO | Errno::OPNOTSUPP)
    )
}

/// Sends the datagrams of a run one by one.
#[cold]
fn send_apart(sender: &Sender, run: &Run, (batch, counters): (&Batch, &PortCounters)) {
    for at in run.frames.clone() {
        let frame = &batch[at];
        let one = Run { outer: run.outer, frames: at..at + 1, size: 0, len: 0 };
        let parts = core::iter::once(data(frame));
        match sys::send_many(sender.socket.as_fd(), &[one.outgoing()], parts) {
            Ok(1) => count_sent(core::slice::from_ref(frame), counters),
            Ok(_) => counters.drop_tx(DropReason::TxError, 1),
            Err(error) => counters.drop_tx(reason(&error), 1),
        }
    }
}

fn count_sent(frames: &[Frame], counters: &PortCounters) {
    counters.tx_packets.add(frames.len() as u64);
    counters.tx_bytes.add(frames.iter().map(|frame| frame.len() as u64).sum());
}

impl Txq for CarrierTxq {
    fn send(&mut self, pool: &mut FramePool, batch: &mut Batch, counters: &PortCounters) {
        let runs = runs(batch, self.joins, counters);
        let mut rest: ArrayVec<(Lane, &Run), MAX_BURST> = runs
            .iter()
            .map(|run| {
                let is_v6 = matches!(run.outer.dst, IpAddr::V6(_));
                let n_senders = if is_v6 { self.v6.len() } else { self.v4.len() };
                (run.lane(n_senders), run)
            })
            .collect();
        while let Some((lane, _)) = rest.first() {
            let lane = *lane;
            let of_lane: ArrayVec<&Run, MAX_BURST> =
                rest.iter().filter(|(l, _)| *l == lane).map(|(_, run)| *run).collect();
            rest.retain(|(l, _)| *l != lane);
            self.send_lane(lane, &of_lane, (batch, counters));
        }
        drop(rest);
        pool.put_all(batch.drain(..));
    }

    /// Nothing: what an inner packet left undone is not the kernel's business.
    fn caps(&self) -> TxCaps {
        TxCaps::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::FrameMemory;

    fn packet(pool: &mut FramePool, source: u16, len: usize) -> Frame {
        let (src, dst) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let outer = Outer { src, dst, tos: 0, ttl: 64, df: true, ports: Some((source, 4789)) };
        let mut frame = pool.from_bytes(&vec![1; outer.headers_len() + len]).unwrap();
        assert!(outer.emit(frame.data_mut(), len));
        frame
    }

    fn run_lens(lens: &[(u16, usize)]) -> Vec<usize> {
        let mut pool = FramePool::new(FrameMemory::new(64, 0).unwrap());
        let batch: Batch =
            lens.iter().map(|(source, len)| packet(&mut pool, *source, *len)).collect();
        let counters = PortCounters::default();
        runs(&batch, true, &counters).iter().map(|run| run.frames.len()).collect()
    }

    #[test]
    fn datagrams_of_one_length_and_flow_go_down_as_one() {
        assert_eq!(run_lens(&[(1, 1450), (1, 1450), (1, 700), (1, 1450)]), [3, 1]);
        assert_eq!(run_lens(&[(1, 1450), (2, 1450), (1, 1450)]), [1, 1, 1]);
        assert_eq!(run_lens(&[(1, 100), (1, 1450)]), [1, 1]);
        assert_eq!(run_lens(&[(1, 1700); 32]), [32]);
    }

    #[test]
    fn what_is_no_outer_packet_is_counted_and_lost() {
        let mut pool = FramePool::new(FrameMemory::new(4, 0).unwrap());
        let (good, bad) = (packet(&mut pool, 1, 10), pool.from_bytes(&[0; 60]).unwrap());
        let mut batch = Batch::new();
        batch.extend([bad, good]);
        let counters = PortCounters::default();
        let runs = runs(&batch, true, &counters);
        assert_eq!((runs.len(), runs[0].frames.clone()), (1, 1..2));
        assert_eq!(counters.tx_drops(DropReason::TxError), 1);
    }
}
