//! Packets for the control plane: what a flow says to hand over, and the queue to it.
//!
//! # Design
//! The queue is bounded and shared by all poll threads. A thread never waits for it: what does not fit
//! is dropped and counted at the port that received the packet. The frame itself travels, and goes home
//! when the control thread lets go of it; so the queue's length also bounds the frames that a slow
//! control plane holds.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::frame::{Frame, Offload};
use crate::ids::PortNo;
use crate::offload::checksum;
use crate::poll::wake::Wake;

/// Packets that wait for the control plane at most.
pub const QUEUE_CAP: usize = 256;

/// What a flow says of a packet that it hands over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Userspace {
    /// What the control plane knows it by.
    pub token: u64,
    /// Bytes that are wanted at most.
    pub max_len: u32,
}

/// A packet that was handed over.
#[derive(Debug)]
pub struct Handed {
    /// Its bytes, at most those that were wanted, with nothing left undone.
    pub frame: Frame,
    /// Bytes that it had.
    pub len: usize,
    /// The port that received it.
    pub in_port: PortNo,
    /// As the flow said.
    pub token: u64,
}

/// The poll threads' end of the queue.
#[derive(Clone)]
pub struct UserspaceQueue {
    sender: Sender<Handed>,
    wake: Arc<Wake>,
}

impl UserspaceQueue {
    /// A queue, and the end that it is read from; `wake` is made readable with each packet.
    #[must_use]
    pub fn new(wake: Arc<Wake>) -> (UserspaceQueue, Receiver<Handed>) {
        let (sender, receiver) = bounded(QUEUE_CAP);
        (UserspaceQueue { sender, wake }, receiver)
    }

    /// Hands a packet over.
    ///
    /// # Errors
    /// The queue is full, or nobody reads it: the frame is given back.
    pub fn send(
        &self,
        mut frame: Frame,
        in_port: PortNo,
        Userspace { token, max_len }: Userspace,
    ) -> Result<(), Frame> {
        if self.sender.is_full() {
            return Err(frame);
        }
        // A checksum field that lies outside the frame was refused when the frame was received.
        let _ = checksum::complete(&mut frame);
        frame.set_offload(Offload::NONE);
        let len = frame.len();
        let wanted = usize::try_from(max_len).unwrap_or(usize::MAX);
        if wanted < len {
            // Shorter is always possible.
            let _ = frame.set_len(wanted);
        }
        match self.sender.try_send(Handed { frame, len, in_port, token }) {
            Ok(()) => {
                self.wake.wake();
                Ok(())
            }
            Err(refused) => Err(refused.into_inner().frame),
        }
    }
}
