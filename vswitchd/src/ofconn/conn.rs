//! One connection: bytes in and out, in turns.
//!
//! # Design
//! A [`Peer`] whose bytes are messages for a [`Session`]. Packets for the controller wait in a queue of
//! their own and follow when nothing else does, so that a flood of them delays no reply; when the queue
//! is full, packets are lost and counted.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use super::inbox::Inbox;
use super::session::{Answer, Session, Told, Turn, Unasked};
use crate::stream::{self, Client, MAX_OUTPUT_LEN, Peer, Socket};

/// Messages served before another connection has its turn.
const N_MESSAGES_PER_TURN: usize = 512;

/// Packets that wait for a connection, as in Open vSwitch; more are lost.
pub const MAX_PACKETS: usize = 100;

/// With so many bytes unread a connection is closed: what it misses cannot be made up, bytes.
pub const MAX_UNREAD_LEN: usize = 4 * MAX_OUTPUT_LEN;

/// Where a connection stands after a step.
#[derive(PartialEq, Debug)]
pub enum Step {
    /// Waits for its socket.
    Wait,
    /// Has more to do: it is to be stepped again when others had their turn.
    Again,
    /// Notices are to be delivered; then it is to be given this, and stepped again.
    Settle(Vec<u8>),
    /// Is to be closed.
    Close,
}

impl From<stream::Step> for Step {
    fn from(step: stream::Step) -> Step {
        match step {
            stream::Step::Wait => Step::Wait,
            stream::Step::Again => Step::Again,
            stream::Step::Close => Step::Close,
        }
    }
}

/// A connection.
#[derive(Debug)]
pub struct Conn {
    peer: Peer,
    inbox: Inbox,
    session: Session,
    packets: VecDeque<Vec<u8>>,
    n_lost: u64,
    heard_at: Instant,
}

impl Client for Conn {
    fn socket_mut(&mut self) -> &mut Socket {
        self.peer.socket_mut()
    }
}

impl Conn {
    /// A connection that has just been made: greets the peer.
    #[must_use]
    pub fn new(socket: Socket, session: Session, now: Instant) -> Conn {
        let mut peer = Peer::new(socket, now);
        peer.push(&session.greeting(), now);
        let (inbox, packets) = (Inbox::default(), VecDeque::new());
        Conn { peer, inbox, session, packets, n_lost: 0, heard_at: now }
    }

    /// What it agreed on.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// What it agreed on.
    pub fn session_mut(&mut self) -> &mut Session {
        &mut self.session
    }

    /// When the peer last said something, or connected.
    #[must_use]
    pub fn heard_at(&self) -> Instant {
        self.heard_at
    }

    /// Packets that the peer was too slow for.
    #[must_use]
    pub fn n_lost(&self) -> u64 {
        self.n_lost
    }

    /// Whether it has to be closed because time has passed, or too much waits for it.
    #[must_use]
    pub fn is_stalled(&self, now: Instant) -> bool {
        self.peer.is_stalled(now) || self.peer.n_waiting() > MAX_UNREAD_LEN
    }

    /// Sends bytes.
    pub fn push(&mut self, bytes: &[u8], now: Instant) {
        self.peer.push(bytes, now);
    }

    /// Sends what the peer wants to know of what happened; whether that is anything.
    pub fn notify(&mut self, told: &Told, now: Instant) -> bool {
        match self.session.notify(told) {
            None => return false,
            Some(Unasked::Message(bytes)) => self.peer.push(&bytes, now),
            Some(Unasked::Packet(_)) if self.packets.len() >= MAX_PACKETS => self.n_lost += 1,
            Some(Unasked::Packet(bytes)) => self.packets.push_back(bytes),
        }
        true
    }

    /// Does what can be done without waiting.
    pub fn step(&mut self, turn: &mut Turn<'_>) -> Step {
        match self.try_step(turn) {
            Ok(step) => step,
            Err(error) => {
                tracing::debug!("{}: peer gone: {error}", self.session.bridge());
                Step::Close
            }
        }
    }

    /// Sends what waits without waiting; whether the peer is still there.
    pub fn flush(&mut self, now: Instant) -> bool {
        self.try_flush(now).is_ok()
    }

    fn try_flush(&mut self, now: Instant) -> io::Result<()> {
        self.peer.flush(now)?;
        while self.peer.n_waiting() == 0
            && let Some(packet) = self.packets.pop_front()
        {
            self.peer.push(&packet, now);
            self.peer.flush(now)?;
        }
        Ok(())
    }

    fn try_step(&mut self, turn: &mut Turn<'_>) -> io::Result<Step> {
        let now = turn.now;
        self.try_flush(now)?;
        for _ in 0..N_MESSAGES_PER_TURN {
            if self.peer.is_refused() {
                return self.peer.linger(now).map(Step::from);
            }
            if self.peer.n_waiting() > MAX_OUTPUT_LEN {
                return Ok(Step::Wait);
            }
            match self.inbox.next_message() {
                Ok(Some(message)) => {
                    let answer = served(&mut self.session, message, turn);
                    match answer {
                        Answer::Now(bytes) => self.peer.push(&bytes, now),
                        Answer::Settled(bytes) => return Ok(Step::Settle(bytes)),
                        Answer::Last(bytes) => {
                            self.peer.push(&bytes, now);
                            self.peer.refuse();
                        }
                    }
                }
                Ok(None) if self.peer.has_ended() => {
                    self.try_flush(now)?;
                    let waits = self.peer.n_waiting() > 0;
                    return Ok(if waits { Step::Wait } else { Step::Close });
                }
                Ok(None) => {
                    self.try_flush(now)?;
                    let inbox = &mut self.inbox;
                    if self.peer.receive(|bytes| inbox.push(bytes))?.is_none() {
                        return Ok(Step::Wait);
                    }
                    self.heard_at = now;
                }
                Err(error) => {
                    tracing::warn!("{}: {error}: connection closed", self.session.bridge());
                    let last = self.session.broken(self.inbox.rest());
                    self.peer.push(&last, now);
                    self.peer.refuse();
                }
            }
        }
        self.try_flush(now)?;
        Ok(Step::Again)
    }
}

/// Serves a message; a handler that panics ends the connection.
fn served(session: &mut Session, message: &[u8], turn: &mut Turn<'_>) -> Answer {
    // The handler's state may be half changed after a panic; it is the control plane's own, and
    // serving on is better than a switch that stops forwarding.
    let answer = catch_unwind(AssertUnwindSafe(|| session.handle(message, turn)));
    answer.unwrap_or_else(|_| {
        tracing::error!("{}: internal error: the handler panicked", session.bridge());
        Answer::Last(Vec::new())
    })
}
