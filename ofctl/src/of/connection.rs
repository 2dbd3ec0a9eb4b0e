//! One OpenFlow connection: bytes to messages and back, and which answer belongs to what.
//!
//! # Design
//! Messages are collected and sent together; while the peer does not take them, what it says is read.
//! So a hundred thousand flows are one stream with one barrier at its end, and errors are seen as they
//! come, by their transaction id.
//!
//! # Invariants
//! - A deadline bounds the whole conversation, unless there is none.
//! - No side waits for the other to read: sending reads what comes meanwhile.
//! - The peer is not trusted: what it sends may be wrong, but does not panic.
//!
//! # References
//! OpenFlow 1.3.5 §6.3.1 (HELLO), §6.2.3 (xid), §7.3.5 (multipart).

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use openflow::codec::Decoded;
use openflow::hello::Hello;
use openflow::raw::{self, FramingError};
use openflow::version::Versions;
use openflow::{Codec, Message, OfpError, Version};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::target::{Stream, Target};

/// Bytes that are read at once.
const READ_CAP: usize = 256 << 10;

/// Why a conversation failed. `Display` is one line that names the socket.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// Nothing listens there.
    #[error("no switch at {target} ({}); is the bridge there, and vswitchd?", plain(.reason))]
    NoSwitch {
        /// Where.
        target: Target,
        /// What the kernel said.
        reason: io::Error,
    },
    /// The deadline passed.
    #[error("{target} did not answer within {} s (see --timeout)", .timeout.as_secs_f64())]
    Timeout {
        /// Where.
        target: Target,
        /// The whole time that was given.
        timeout: Duration,
    },
    /// The connection ended.
    #[error("{target} closed the connection")]
    Closed {
        /// Where.
        target: Target,
    },
    /// The socket failed.
    #[error("cannot talk to {target}: {source}")]
    Io {
        /// Where.
        target: Target,
        /// What the kernel said.
        source: io::Error,
    },
    /// What came is no OpenFlow.
    #[error("{target} does not speak OpenFlow: {reason}")]
    Framing {
        /// Where.
        target: Target,
        /// Why not.
        reason: FramingError,
    },
    /// A message that cannot be read.
    #[error("bad message from {target}: {reason}")]
    BadMessage {
        /// Where.
        target: Target,
        /// What it would deserve.
        reason: OfpError,
    },
    /// The peer speaks none of our versions.
    #[error("{target} speaks {theirs} (allowed: {ours}); see -O")]
    NoVersion {
        /// Where.
        target: Target,
        /// What it offered.
        theirs: String,
        /// What was allowed.
        ours: String,
    },
}

/// A message as it came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Incoming {
    /// Its bytes, whole.
    pub bytes: Vec<u8>,
    /// Its transaction id.
    pub xid: u32,
}

/// How long a conversation may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Deadline {
    at: Option<Instant>,
    whole: Duration,
}

impl Deadline {
    /// From now on; `None` is for ever.
    #[must_use]
    pub fn after(timeout: Option<Duration>) -> Deadline {
        let at = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        Deadline { at, whole: timeout.unwrap_or_default() }
    }
}

/// A connection.
#[derive(Debug)]
pub struct Connection {
    /// What both sides have agreed on.
    pub codec: Codec,
    target: Target,
    stream: Stream,
    deadline: Deadline,
    next_xid: u32,
    outgoing: Vec<u8>,
    /// Bytes that came, of which the first `taken` are done with.
    buffer: Vec<u8>,
    taken: usize,
    /// Messages that came while others were waited for.
    waiting: VecDeque<Incoming>,
}

impl Connection {
    /// Connects and agrees on the newest version of both.
    ///
    /// # Errors
    /// [`ConnectionError`].
    pub fn open(
        target: &Target,
        versions: Versions,
        deadline: Deadline,
    ) -> Result<Connection, ConnectionError> {
        let mut connection = Connection::open_silent(target, deadline)?;
        connection.greet(versions)?;
        Ok(connection)
    }

    /// Connects and says nothing.
    ///
    /// # Errors
    /// [`ConnectionError`].
    pub fn open_silent(target: &Target, deadline: Deadline) -> Result<Connection, ConnectionError> {
        let no_switch = |reason| ConnectionError::NoSwitch { target: target.clone(), reason };
        let stream = target.connect().map_err(no_switch)?;
        stream.set_nonblocking().map_err(no_switch)?;
        Ok(Connection {
            codec: Codec::new(Version::V10),
            target: target.clone(),
            stream,
            deadline,
            next_xid: 1,
            outgoing: Vec::new(),
            buffer: Vec::new(),
            taken: 0,
            waiting: VecDeque::new(),
        })
    }

    fn greet(&mut self, versions: Versions) -> Result<(), ConnectionError> {
        self.send(&Message::Hello(Hello { versions })).map_err(|e| self.bad(e))?;
        self.flush()?;
        let first = self.recv()?;
        let decoded = Codec::new(Version::V10).decode(&first.bytes);
        let theirs = match decoded.map(|decoded| decoded.message) {
            Ok(Message::Hello(hello)) => hello.versions,
            Ok(_) => return Err(self.bad(OfpError::BrBadType)),
            Err(error) => return Err(self.bad(error)),
        };
        let agreed = versions.agree(theirs).ok_or_else(|| ConnectionError::NoVersion {
            target: self.target.clone(),
            theirs: versions_text(theirs),
            ours: versions_text(versions),
        })?;
        self.codec = Codec::new(agreed);
        Ok(())
    }

    /// The version that was agreed on.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.codec.version
    }

    /// Where it leads to.
    #[must_use]
    pub const fn target(&self) -> &Target {
        &self.target
    }

    /// Waits for ever from now on: what comes is watched until the caller is ended.
    pub const fn wait_for_ever(&mut self) {
        self.deadline.at = None;
    }

    /// Collects a message; its transaction id.
    ///
    /// # Errors
    /// What the version cannot say.
    pub fn send(&mut self, message: &Message) -> Result<u32, OfpError> {
        let xid = self.take_xid();
        let bytes = self.codec.encode(xid, message)?;
        self.outgoing.extend_from_slice(&bytes);
        Ok(xid)
    }

    /// A transaction id that was not used yet.
    pub const fn take_xid(&mut self) -> u32 {
        self.next_xid = self.next_xid.wrapping_add(1);
        self.next_xid
    }

    /// Sends messages that are written already.
    ///
    /// # Errors
    /// [`ConnectionError`].
    pub fn send_bytes(&mut self, bytes: &[u8]) -> Result<(), ConnectionError> {
        self.outgoing.extend_from_slice(bytes);
        self.flush()
    }

    /// Sends what was collected. What comes meanwhile waits for [`Connection::recv`].
    ///
    /// # Errors
    /// [`ConnectionError`].
    pub fn flush(&mut self) -> Result<(), ConnectionError> {
        let outgoing = core::mem::take(&mut self.outgoing);
        let mut rest = outgoing.as_slice();
        while !rest.is_empty() {
            match self.stream.write(rest) {
                Ok(n) => rest = &rest[n..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let ready = self.poll(PollFlags::IN | PollFlags::OUT)?;
                    if ready.contains(PollFlags::IN) {
                        self.fill()?;
                        self.queue_whole()?;
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // What the peer said before it went may say why: that is read first.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
                Err(error) => return Err(self.io(error)),
            }
        }
        Ok(())
    }

    /// The next message; requests for an echo are answered.
    ///
    /// # Errors
    /// [`ConnectionError`].
    pub fn recv(&mut self) -> Result<Incoming, ConnectionError> {
        loop {
            if let Some(incoming) = self.waiting.pop_front() {
                return Ok(incoming);
            }
            self.queue_whole()?;
            if self.waiting.is_empty() {
                self.poll(PollFlags::IN)?;
                self.fill()?;
            }
        }
    }

    /// A message that has come already.
    pub fn try_recv(&mut self) -> Option<Incoming> {
        self.waiting.pop_front()
    }

    /// Reads a message.
    ///
    /// # Errors
    /// [`ConnectionError::BadMessage`].
    pub fn decode(&self, incoming: &Incoming) -> Result<Decoded, ConnectionError> {
        self.codec.decode(&incoming.bytes).map_err(|error| self.bad(error))
    }

    /// Cuts what came into messages.
    fn queue_whole(&mut self) -> Result<(), ConnectionError> {
        loop {
            let stream = &self.buffer[self.taken..];
            let split = raw::split_message(stream).map_err(|reason| ConnectionError::Framing {
                target: self.target.clone(),
                reason,
            })?;
            let Some((message, _)) = split else { break };
            let bytes = message.to_vec();
            self.taken += bytes.len();
            self.take(bytes)?;
        }
        self.buffer.drain(..self.taken);
        self.taken = 0;
        Ok(())
    }

    fn take(&mut self, bytes: Vec<u8>) -> Result<(), ConnectionError> {
        const ECHO_REQUEST: u8 = 2;
        let Ok(Some(header)) = raw::Header::parse(&bytes) else { return Ok(()) };
        if header.message_type == ECHO_REQUEST && header.version == self.codec.version.wire() {
            let data = bytes.get(raw::HEADER_LEN..).unwrap_or_default().to_vec();
            let reply = self.codec.encode(header.xid, &Message::EchoReply(data));
            self.outgoing.extend_from_slice(&reply.map_err(|error| self.bad(error))?);
            return self.flush();
        }
        self.waiting.push_back(Incoming { bytes, xid: header.xid });
        Ok(())
    }

    fn fill(&mut self) -> Result<(), ConnectionError> {
        let before = self.buffer.len();
        self.buffer.resize(before + READ_CAP, 0);
        let read = self.stream.read(&mut self.buffer[before..]);
        self.buffer.truncate(before + *read.as_ref().unwrap_or(&0));
        match read {
            Ok(0) => Err(ConnectionError::Closed { target: self.target.clone() }),
            Ok(_) => Ok(()),
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::Interrupted => Ok(()),
                ErrorKind::ConnectionReset => {
                    Err(ConnectionError::Closed { target: self.target.clone() })
                }
                _ => Err(self.io(error)),
            },
        }
    }

    fn poll(&self, flags: PollFlags) -> Result<PollFlags, ConnectionError> {
        let left = match self.deadline.at {
            None => None,
            Some(at) => {
                let left = at.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    let timeout = self.deadline.whole;
                    return Err(ConnectionError::Timeout { target: self.target.clone(), timeout });
                }
                Timespec::try_from(left).ok()
            }
        };
        let mut fds = [PollFd::new(&self.stream, flags)];
        match poll(&mut fds, left.as_ref()) {
            Ok(_) => {
                // An end or a failure is found by reading.
                let ended = PollFlags::HUP | PollFlags::ERR;
                let found = fds[0].revents();
                Ok(if found.intersects(ended) { found | PollFlags::IN } else { found })
            }
            Err(rustix::io::Errno::INTR) => Ok(PollFlags::empty()),
            Err(error) => Err(self.io(error.into())),
        }
    }

    fn io(&self, source: io::Error) -> ConnectionError {
        ConnectionError::Io { target: self.target.clone(), source }
    }

    /// A message that cannot be read or written.
    #[must_use]
    pub fn bad(&self, reason: OfpError) -> ConnectionError {
        ConnectionError::BadMessage { target: self.target.clone(), reason }
    }
}

/// What the kernel said, without its number.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

/// `OpenFlow10, OpenFlow13`.
#[must_use]
pub fn versions_text(versions: Versions) -> String {
    let known = Version::ALL.into_iter().filter(|version| versions.contains(*version));
    let words: Vec<String> = known.map(|version| version.to_string()).collect();
    if words.is_empty() { "no known version".to_owned() } else { words.join(", ") }
}
