//! One connection: bytes in and out, in turns.
//!
//! # Design
//! A [`Peer`] whose bytes are messages for a [`Session`]. Packets for the controller wait in a queue
//! of their own and follow when nothing else does, so that a flood of them delays no reply; when the
//! queue is full, packets are lost and counted. A peer that was silent for its interval is asked
//! whether it lives; one that does not answer within another is closed.

use std::collections::VecDeque;
use std::io;
use std::ops::AddAssign;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use openflow::OfPort;
use openflow::action::ControllerReason;

use super::inbox::Inbox;
use super::schedule::{Limit, Schedule};
use super::session::{Answer, Session, Side, Told, Turn, Unasked};
use crate::ofproto::notice::Event;
use crate::stream::{self, Client, MAX_OUTPUT_LEN, Peer, Socket};

/// Messages served before another connection has its turn.
const N_MESSAGES_PER_TURN: usize = 512;

/// Packets that wait for a connection, as in Open vSwitch; more are lost.
pub const MAX_PACKETS: usize = 100;

/// With so many bytes unread, but for the longest answer that it asked for, a connection is closed:
/// what it misses cannot be made up, bytes.
pub const MAX_UNREAD_LEN: usize = 4 * MAX_OUTPUT_LEN;

/// With so many bytes unread its flow monitors pause, as in Open vSwitch, bytes.
const PAUSE_LEN: usize = 128 << 10;

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

/// Packets that did not reach their peers.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Lost {
    /// Peers were too slow for them, or their rate did not allow them.
    pub overflow: u64,
    /// No message had room for them, or the connection ended while they waited.
    pub discarded: u64,
}

impl AddAssign for Lost {
    fn add_assign(&mut self, more: Lost) {
        self.overflow += more.overflow;
        self.discarded += more.discarded;
    }
}

/// Which packets a rate is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum PacketKind {
    Miss,
    Other,
}

/// Whether copies are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Copies {
    /// Somebody wants to see them.
    Wanted,
    /// Nobody does.
    Unwanted,
}

/// A connection.
#[derive(Debug)]
pub struct Conn {
    peer: Peer,
    inbox: Inbox,
    session: Session,
    packets: VecDeque<Vec<u8>>,
    /// The longest answer among what waits, bytes.
    longest: usize,
    n_lost: u64,
    n_too_long: u64,
    /// For misses and for others, if their rate is limited.
    schedules: Option<[Schedule; 2]>,
    is_connected: bool,
    heard_at: Instant,
    probed_at: Option<Instant>,
    /// How long the peer may be silent before it is asked.
    probe_interval: Duration,
    /// What went to the peer and came from it, while somebody wants to see that.
    copies: Option<Vec<u8>>,
    /// Why it ends.
    why: String,
}

impl Client for Conn {
    fn socket_mut(&mut self) -> &mut Socket {
        self.peer.socket_mut()
    }
}

impl Conn {
    /// A connection that is being made: greets the peer.
    #[must_use]
    pub fn new(socket: Socket, session: Session, probe_interval: Duration, now: Instant) -> Conn {
        let mut peer = Peer::new(socket, now);
        peer.push(&session.greeting(), now);
        Conn {
            peer,
            inbox: Inbox::default(),
            session,
            packets: VecDeque::new(),
            longest: 0,
            n_lost: 0,
            n_too_long: 0,
            schedules: None,
            is_connected: false,
            heard_at: now,
            probed_at: None,
            probe_interval,
            copies: None,
            why: "the peer closed the connection".to_owned(),
        }
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

    /// Packets that the peer was too slow for, or that its rate did not allow.
    #[must_use]
    pub fn n_lost(&self) -> u64 {
        let held = self.schedules.iter().flatten().map(Schedule::n_lost);
        self.n_lost + held.sum::<u64>()
    }

    /// Packets that no message had room for.
    #[must_use]
    pub const fn n_too_long(&self) -> u64 {
        self.n_too_long
    }

    /// What is lost up to now.
    #[must_use]
    pub fn lost(&self) -> Lost {
        Lost { overflow: self.n_lost(), discarded: self.n_too_long }
    }

    /// What is lost in all if the connection ends now.
    #[must_use]
    pub fn lost_at_end(&self) -> Lost {
        let held = self.schedules.iter().flatten().map(Schedule::n_waiting);
        let n_waiting = self.packets.len() + held.sum::<usize>();
        let Lost { overflow, discarded } = self.lost();
        Lost { overflow, discarded: discarded + n_waiting as u64 }
    }

    fn lose_long(&mut self) {
        if self.n_too_long == 0 {
            tracing::warn!(
                "{}: a packet is lost that no message has room for",
                self.session.bridge()
            );
        }
        self.n_too_long += 1;
    }

    /// Limits the rate of packets. What waits under another limit goes on under this one.
    pub fn limit(&mut self, limit: Option<Limit>, now: Instant) {
        let schedules = limit.map(|limit| [0, 1].map(|_| Schedule::new(limit, now)));
        let Some([misses, others]) = std::mem::replace(&mut self.schedules, schedules) else {
            return;
        };
        for (kind, schedule) in [(PacketKind::Miss, misses), (PacketKind::Other, others)] {
            self.n_lost += schedule.n_lost();
            for (port, packet) in schedule.into_waiting() {
                self.offer(kind, port, packet, now);
            }
        }
    }

    /// How long until a packet is due that waits for its rate; `None`: none waits.
    #[must_use]
    pub fn rest(&self, now: Instant) -> Option<Duration> {
        self.schedules.iter().flatten().filter_map(|schedule| schedule.rest(now)).min()
    }

    /// Sends packets that have waited for their rate.
    pub fn release(&mut self, now: Instant) {
        let mut due = Vec::new();
        for schedule in self.schedules.iter_mut().flatten() {
            due.extend(std::iter::from_fn(|| schedule.next(now)));
        }
        due.into_iter().for_each(|packet| self.queue(packet, now));
    }

    fn queue(&mut self, packet: Vec<u8>, now: Instant) {
        if self.packets.len() >= MAX_PACKETS {
            // Many may come in one turn: only a peer that does not take them is slow. One that is gone
            // is found by its next step.
            let _ = self.try_flush(now);
        }
        if self.packets.len() >= MAX_PACKETS {
            self.n_lost += 1;
        } else {
            self.packets.push_back(packet);
        }
    }

    /// Takes a packet of an event; it may have to wait.
    fn take_packet(&mut self, event: &Event, packet: Vec<u8>, now: Instant) {
        let Event::PacketIn(to) = event else { return };
        let packet_in = &to.packet_in;
        let is_miss =
            matches!(packet_in.reason, ControllerReason::NoMatch | ControllerReason::ExplicitMiss);
        let kind = if is_miss { PacketKind::Miss } else { PacketKind::Other };
        self.offer(kind, packet_in.in_port(), packet, now);
    }

    fn offer(&mut self, kind: PacketKind, port: OfPort, packet: Vec<u8>, now: Instant) {
        let packet = match (&mut self.schedules, kind) {
            (Some([misses, _]), PacketKind::Miss) => misses.offer(port, packet, now),
            (Some([_, others]), PacketKind::Other) => others.offer(port, packet, now),
            (None, _) => Some(packet),
        };
        packet.into_iter().for_each(|packet| self.queue(packet, now));
    }

    /// Whether it has to be closed because time has passed, or too much waits for it.
    #[must_use]
    pub fn is_stalled(&self, now: Instant) -> bool {
        self.peer.is_stalled(now) || self.peer.n_waiting() > MAX_UNREAD_LEN + self.longest
    }

    /// Why it ends.
    #[must_use]
    pub fn why(&self) -> &str {
        &self.why
    }

    /// Begins or ends to keep copies of what goes to the peer and comes from it.
    pub fn copy(&mut self, copies: Copies) {
        match copies {
            Copies::Wanted => drop(self.copies.get_or_insert_default()),
            Copies::Unwanted => self.copies = None,
        }
    }

    /// The copies since this was last asked.
    pub fn take_copies(&mut self) -> Vec<u8> {
        self.copies.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Sends bytes.
    pub fn push(&mut self, bytes: &[u8], now: Instant) {
        if let Some(copies) = &mut self.copies {
            copies.extend_from_slice(bytes);
        }
        self.peer.push(bytes, now);
    }

    fn answer(&mut self, bytes: &[u8], now: Instant) {
        let longest = if self.peer.n_waiting() == 0 { 0 } else { self.longest };
        self.longest = longest.max(bytes.len());
        self.push(bytes, now);
    }

    /// Sends what the peer wants to know of what happened; whether it wants to know.
    pub fn notify(&mut self, told: &Told, now: Instant) -> bool {
        if !matches!(told.notice.event, Event::Flow(_)) {
            let before = self.session.settle_updates();
            self.push(&before, now);
        }
        match self.session.notify(told) {
            None => return false,
            Some(Unasked::Message(bytes)) => self.push(&bytes, now),
            Some(Unasked::Packet(bytes)) => self.take_packet(&told.notice.event, bytes, now),
            Some(Unasked::TooLong) => self.lose_long(),
        }
        self.pause_if_slow(now);
        true
    }

    /// Sends what [`Conn::notify`] left for the end; whether the peer is still there.
    pub fn settle(&mut self, now: Instant) -> bool {
        let updates = self.session.settle_updates();
        self.push(&updates, now);
        self.pause_if_slow(now);
        self.flush(now)
    }

    fn pause_if_slow(&mut self, now: Instant) {
        if self.peer.n_waiting() <= PAUSE_LEN {
            return;
        }
        // A peer that is gone is found by its next step.
        let _ = self.try_flush(now);
        if self.peer.n_waiting() > PAUSE_LEN {
            let pause = self.session.pause();
            self.push(&pause, now);
        }
    }

    /// Asks a silent peer whether it lives; whether it does.
    pub fn probe(&mut self, now: Instant) -> bool {
        let is_silent = |at: Instant| now.saturating_duration_since(at) >= self.probe_interval;
        // What waits for it has a clock of its own; a snooper has nothing to say.
        if self.peer.n_waiting() > 0 || self.session.side() == Side::Snooper {
            return true;
        }
        let asked_at = self.probed_at.filter(|at| *at > self.heard_at);
        match asked_at {
            Some(at) if is_silent(at) => {
                "no response to inactivity probe".clone_into(&mut self.why);
                return false;
            }
            None if is_silent(self.heard_at) => {
                let probe = self.session.probe();
                self.push(&probe, now);
                self.probed_at = Some(now);
                self.flush(now);
            }
            _ => {}
        }
        true
    }

    /// Does what can be done without waiting.
    pub fn step(&mut self, turn: &mut Turn<'_>) -> Step {
        match self.try_step(turn) {
            Ok(step) => step,
            Err(error) => {
                tracing::debug!("{}: peer gone: {error}", self.session.bridge());
                self.why = error.to_string();
                Step::Close
            }
        }
    }

    /// Sends what waits without waiting; whether the peer is still there.
    pub fn flush(&mut self, now: Instant) -> bool {
        self.try_flush(now).is_ok()
    }

    fn try_flush(&mut self, now: Instant) -> io::Result<()> {
        if !self.is_connected {
            return Ok(());
        }
        self.peer.flush(now)?;
        while self.peer.n_waiting() == 0
            && let Some(packet) = self.packets.pop_front()
        {
            self.push(&packet, now);
            self.peer.flush(now)?;
        }
        Ok(())
    }

    /// Monitors go on when the peer has read everything.
    fn resume(&mut self, turn: &mut Turn<'_>) -> io::Result<()> {
        if self.session.is_paused() && self.peer.n_waiting() == 0 {
            let missed = self.session.resume(turn);
            self.push(&missed, turn.now);
            self.try_flush(turn.now)?;
        }
        Ok(())
    }

    fn try_step(&mut self, turn: &mut Turn<'_>) -> io::Result<Step> {
        let now = turn.now;
        if !self.is_connected {
            self.is_connected = self.peer.socket().is_connected()?;
            if !self.is_connected {
                return Ok(Step::Wait);
            }
        }
        self.try_flush(now)?;
        self.resume(turn)?;
        for _ in 0..N_MESSAGES_PER_TURN {
            if self.peer.is_refused() {
                return self.peer.linger(now).map(Step::from);
            }
            if self.peer.n_waiting() > MAX_OUTPUT_LEN {
                // Only a socket that was full tells when there is room again.
                self.try_flush(now)?;
            }
            if self.peer.n_waiting() > MAX_OUTPUT_LEN {
                return Ok(Step::Wait);
            }
            match self.inbox.next_message() {
                Ok(Some(message)) => {
                    if let Some(copies) = &mut self.copies {
                        copies.extend_from_slice(message);
                    }
                    match served(&mut self.session, message, turn) {
                        Answer::Now(bytes) => self.answer(&bytes, now),
                        Answer::Settled(bytes) => return Ok(Step::Settle(bytes)),
                        Answer::Last(bytes) => {
                            self.push(&bytes, now);
                            self.peer.refuse();
                            "the peer broke the protocol".clone_into(&mut self.why);
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
                    self.push(&last, now);
                    self.peer.refuse();
                    self.why = error.to_string();
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
