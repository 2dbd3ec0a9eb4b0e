//! Sends by a packet socket.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;

use super::sys;
use crate::batch::{Batch, MAX_BURST};
use crate::counter::PortCounters;
use crate::drop_reason::DropReason;
use crate::frame::{Frame, FramePool};
use crate::netdev::{TxCaps, Txq};
use crate::offload::vnet;

type Header = [u8; vnet::HEADER_LEN];

/// A transmit queue: a socket of its own, which receives nothing.
///
/// # Design
/// Frames go straight to the device (`PACKET_QDISC_BYPASS`), a batch per system call. On that way the
/// kernel drops a large segment that the device cannot cut (no TSO, or two VLAN tags) with `ENOBUFS`;
/// it is sent again by way of the queueing discipline, where the kernel cuts it in software.
pub(super) struct PacketTxq {
    socket: OwnedFd,
    caps: TxCaps,
    headers: [Header; MAX_BURST],
}

/// What to do after a frame was refused.
enum Verdict {
    /// Try the same frame again.
    Again,
    /// The frame was sent the long way.
    Sent,
    /// It is lost, but the next may pass.
    DropOne(DropReason),
    /// It is lost, and so are those behind it.
    DropRest(DropReason),
}

impl PacketTxq {
    pub(super) fn new(socket: OwnedFd, caps: TxCaps) -> PacketTxq {
        PacketTxq { socket, caps, headers: [[0; _]; _] }
    }

    /// Decides after `n_refusals` earlier refusals in this batch.
    fn refused(
        &self,
        error: &io::Error,
        header: &Header,
        frame: &Frame,
        n_refusals: u32,
    ) -> Verdict {
        match Errno::from_io_error(error) {
            Some(Errno::INTR) => Verdict::Again,
            // An old error is told once, also when the interface is up again.
            Some(Errno::NETDOWN) if n_refusals == 0 => Verdict::Again,
            Some(Errno::NETDOWN | Errno::NXIO | Errno::NODEV) => {
                Verdict::DropRest(DropReason::TxPortDown)
            }
            Some(Errno::NOBUFS) if frame.offload().gso.is_some() => self.send_queued(header, frame),
            // The receiver's backlog, or the device's ring.
            Some(Errno::NOBUFS) if n_refusals == 0 => Verdict::DropOne(DropReason::TxQueueFull),
            Some(Errno::NOBUFS | Errno::AGAIN | Errno::NOMEM) => {
                Verdict::DropRest(DropReason::TxQueueFull)
            }
            Some(Errno::MSGSIZE) => Verdict::DropOne(DropReason::MtuExceeded),
            _ => Verdict::DropOne(DropReason::TxError),
        }
    }

    /// Sends one frame by way of the queueing discipline.
    #[cold]
    fn send_queued(&self, header: &Header, frame: &Frame) -> Verdict {
        let fd = self.socket.as_fd();
        let full = Verdict::DropOne(DropReason::TxQueueFull);
        if sys::set_packet_option(fd, libc::PACKET_QDISC_BYPASS, 0).is_err() {
            return full;
        }
        let sent = sys::send_many(fd, &[*header], core::slice::from_ref(frame));
        // If the option stays off, frames pass all the same, only slower.
        let _ = sys::set_packet_option(fd, libc::PACKET_QDISC_BYPASS, 1);
        if matches!(sent, Ok(1)) { Verdict::Sent } else { full }
    }
}

impl Txq for PacketTxq {
    fn send(&mut self, pool: &mut FramePool, batch: &mut Batch, counters: &PortCounters) {
        for (header, frame) in self.headers.iter_mut().zip(batch.iter()) {
            *header = vnet::emit(frame);
        }
        let sent = |frames: &[Frame]| {
            counters.tx_packets.add(frames.len() as u64);
            counters.tx_bytes.add(frames.iter().map(|frame| frame.len() as u64).sum());
        };
        let (mut at, mut n_refusals) = (0, 0);
        while let Some(frame) = batch.get(at) {
            let headers = &self.headers[at..batch.len()];
            let error = match sys::send_many(self.socket.as_fd(), headers, &batch[at..]) {
                Ok(n) if n > 0 => {
                    sent(&batch[at..at + n]);
                    at += n;
                    continue;
                }
                Ok(_) => io::ErrorKind::WriteZero.into(),
                Err(error) => error,
            };
            match self.refused(&error, &headers[0], frame, n_refusals) {
                Verdict::Again => {}
                Verdict::Sent => {
                    sent(core::slice::from_ref(frame));
                    at += 1;
                }
                Verdict::DropOne(reason) => {
                    counters.drop_tx(reason, 1);
                    at += 1;
                }
                Verdict::DropRest(reason) => {
                    counters.drop_tx(reason, (batch.len() - at) as u64);
                    at = batch.len();
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
