//! Commands from the control thread to a poll thread.
//!
//! # Thread-safety
//! The control thread posts and waits for the answer; the poll thread serves between rounds, so that a
//! command never sees a half-forwarded batch. Posting wakes a sleeping thread.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::rx::RxSlot;
use super::wake::Wake;
use crate::action::Actions;
use crate::cache::Sweep;
use crate::capture::Tap;
use crate::ids::PortNo;
use crate::netdev::Txq;
use crate::pipeline::FlowDump;
use crate::view::PortStats;

/// Commands that wait in a mailbox at most; posting to a full one waits.
const MAILBOX_CAP: usize = 64;

/// What a poll thread is asked to do.
pub enum Command {
    /// Poll this queue from now on.
    AddRxq(RxSlot),
    /// Give this queue back; nothing if the thread does not have it.
    TakeRxq(PortNo, usize, Sender<Option<RxSlot>>),
    /// Send to this port through this queue from now on.
    AddTxq(PortNo, Box<dyn Txq>, Arc<PortStats>),
    /// Close every queue of this port.
    RemovePort(PortNo, Sender<()>),
    /// Copy frames for a capture from now on.
    AddTap(Box<Tap>, Sender<()>),
    /// Take the newest snapshot, then answer.
    Sync(Sender<()>),
    /// Forward a packet of the control plane, send what comes of it, then answer.
    Inject(Box<Injected>, Sender<()>),
    /// Show some cached flows; where to go on, or nothing at the end.
    DumpFlows(Sweep, Sender<(Vec<FlowDump>, Option<Sweep>)>),
    /// Give back every receive queue and end.
    Stop(Sender<Vec<RxSlot>>),
}

/// A packet that the control plane has made.
#[derive(Clone, Debug)]
pub struct Injected {
    /// The port that counts as having received it.
    pub in_port: PortNo,
    /// The frame.
    pub bytes: Vec<u8>,
    /// What is done; `None`: what the port's bridge does with whatever the port receives.
    pub actions: Option<Actions>,
}

/// The control thread's end.
pub struct Mailbox {
    sender: Sender<Command>,
    wake: Arc<Wake>,
}

/// The poll thread's end.
pub struct Inbox {
    /// Commands in the order in which they were posted.
    pub receiver: Receiver<Command>,
    /// Readable when a command was posted.
    pub wake: Arc<Wake>,
}

/// A mailbox with its two ends.
///
/// # Errors
/// The process has too many descriptors.
pub fn mailbox() -> std::io::Result<(Mailbox, Inbox)> {
    let (sender, receiver) = bounded(MAILBOX_CAP);
    let wake = Arc::new(Wake::new()?);
    Ok((Mailbox { sender, wake: wake.clone() }, Inbox { receiver, wake }))
}

impl Mailbox {
    /// Posts a command; `false` if the thread has ended.
    pub fn post(&self, command: Command) -> bool {
        let posted = self.sender.send(command).is_ok();
        self.wake.wake();
        posted
    }
}
