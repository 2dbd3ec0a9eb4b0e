//! Sends by a packet socket.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use arrayvec::ArrayVec;
use rustix::io::Errno;

use super::sys::{self, Message};
use crate::batch::{Batch, MAX_BURST};
use crate::counter::PortCounters;
use crate::drop_reason::DropReason;
use crate::frame::{Frame, FramePool};
use crate::netdev::{TxCaps, Txq};
use crate::offload::join::{self, Joined};
use crate::offload::vnet;

/// Whether frames of a stream go out as one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::netdev) enum Joining {
    /// The device hands large segments to a stack of this machine.
    Streams,
    /// It would have to cut them again.
    Nothing,
}

/// A transmit queue: a socket of its own, which receives nothing.
///
/// # Design
/// Frames go straight to the device (`PACKET_QDISC_BYPASS`), a batch per system call, each a message or
/// a part of one ([`join`](mod@join)). On that way the kernel drops a large segment that the device
/// cannot cut (no TSO, or two VLAN tags) with `ENOBUFS`; it is sent again by way of the queueing
/// discipline, where the kernel cuts it in software.
pub(in crate::netdev) struct PacketTxq {
    socket: OwnedFd,
    caps: TxCaps,
    joining: Joining,
    messages: ArrayVec<Message, MAX_BURST>,
}

/// What to do after a message was refused.
enum Verdict {
    /// Try the same one again.
    Again,
    /// It was sent the long way.
    Sent,
    /// It is lost, but the next may pass.
    DropOne(DropReason),
    /// It is lost, and so are those behind it.
    DropRest(DropReason),
}

impl PacketTxq {
    pub(super) fn new(socket: OwnedFd, caps: TxCaps, joining: Joining) -> PacketTxq {
        PacketTxq { socket, caps, joining, messages: ArrayVec::new() }
    }

    /// Makes messages of the frames.
    fn compose(&mut self, frames: &mut [Frame]) {
        self.messages.clear();
        let mut at = 0;
        while at < frames.len() && !self.messages.is_full() {
            let Joined { n_frames, headers_len } = match self.joining {
                Joining::Streams => join::join(&mut frames[at..]),
                Joining::Nothing => Joined::ALONE,
            };
            let header = vnet::emit(&frames[at]);
            self.messages.push(Message { header, n_frames, headers_len });
            at += n_frames;
        }
    }

    /// Decides after `n_refusals` earlier refusals in this batch.
    fn refused(
        &self,
        error: &io::Error,
        message: &Message,
        frames: &[Frame],
        n_refusals: u32,
    ) -> Verdict {
        let is_large = frames.first().is_some_and(|frame| frame.offload().gso.is_some());
        match Errno::from_io_error(error) {
            Some(Errno::INTR) => Verdict::Again,
            // An old error is told once, also when the interface is up again.
            Some(Errno::NETDOWN) if n_refusals == 0 => Verdict::Again,
            Some(Errno::NETDOWN | Errno::NXIO | Errno::NODEV) => {
                Verdict::DropRest(DropReason::TxPortDown)
            }
            Some(Errno::NOBUFS) if is_large => self.send_queued(message, frames),
            // The receiver's backlog, or the device's ring.
            Some(Errno::NOBUFS) if n_refusals == 0 => Verdict::DropOne(DropReason::TxQueueFull),
            Some(Errno::NOBUFS | Errno::AGAIN | Errno::NOMEM) => {
                Verdict::DropRest(DropReason::TxQueueFull)
            }
            Some(Errno::MSGSIZE) => Verdict::DropOne(DropReason::MtuExceeded),
            _ => Verdict::DropOne(DropReason::TxError),
        }
    }

    /// Sends one message by way of the queueing discipline.
    #[cold]
    fn send_queued(&self, message: &Message, frames: &[Frame]) -> Verdict {
        let fd = self.socket.as_fd();
        let full = Verdict::DropOne(DropReason::TxQueueFull);
        if sys::set_packet_option(fd, libc::PACKET_QDISC_BYPASS, 0).is_err() {
            return full;
        }
        let sent = sys::send_many(fd, core::slice::from_ref(message), frames);
        // If the option stays off, frames pass all the same, only slower.
        let _ = sys::set_packet_option(fd, libc::PACKET_QDISC_BYPASS, 1);
        if matches!(sent, Ok(1)) { Verdict::Sent } else { full }
    }
}

/// Takes `n` messages off, and the frames that they are made of.
fn take<'a>(n: usize, messages: &mut &[Message], frames: &mut &'a [Frame]) -> &'a [Frame] {
    let (own, others) = messages.split_at(n.min(messages.len()));
    let n_frames: usize = own.iter().map(|message| message.n_frames).sum();
    let (done, rest) = frames.split_at(n_frames.min(frames.len()));
    (*messages, *frames) = (others, rest);
    done
}

impl Txq for PacketTxq {
    fn send(&mut self, pool: &mut FramePool, batch: &mut Batch, counters: &PortCounters) {
        self.compose(batch);
        counters.tx_joined.add((batch.len() - self.messages.len()) as u64);
        let sent = |frames: &[Frame]| {
            counters.tx_packets.add(frames.len() as u64);
            counters.tx_bytes.add(frames.iter().map(|frame| frame.len() as u64).sum());
        };
        let (mut messages, mut frames) = (&self.messages[..], &batch[..]);
        let mut n_refusals = 0;
        while let Some(message) = messages.first() {
            let outcome = sys::send_many(self.socket.as_fd(), messages, frames);
            if let Ok(n @ 1..) = outcome {
                sent(take(n, &mut messages, &mut frames));
                continue;
            }
            let error = outcome.err().unwrap_or_else(|| io::ErrorKind::WriteZero.into());
            match self.refused(&error, message, frames, n_refusals) {
                Verdict::Again => {}
                Verdict::Sent => sent(take(1, &mut messages, &mut frames)),
                Verdict::DropOne(reason) => {
                    counters.drop_tx(reason, take(1, &mut messages, &mut frames).len() as u64);
                }
                Verdict::DropRest(reason) => {
                    counters.drop_tx(reason, frames.len() as u64);
                    break;
                }
            }
            n_refusals += 1;
        }
        pool.put_all(batch.drain(..));
    }

    fn caps(&self) -> TxCaps {
        self.caps
    }
}
