//! The door of a port: takes messages from a front end that may be hostile, slow or silent, and
//! answers it, without ever waiting.
//!
//! # Design
//! The `vhost` crate reads from a blocking socket, and trusts that the rest of a message comes. So it
//! is given a socket pair of our own: a message is first read whole from the front end, with its
//! descriptors, and then handed on; what the crate answers is kept until the front end takes it. While
//! it does not, no further message is read, so that what is kept is bounded by one answer.
//!
//! # Invariants
//! - Descriptors come with the first byte of a message, at most [`MAX_FILES`] of them; others end the
//!   connection, and all that were received are closed.
//! - The crate is called only when a whole message lies in its socket.

use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use vhost::vhost_user::message::MAX_MSG_SIZE;
use vhost::vhost_user::{BackendReqHandler, Error, VhostUserBackendReqHandlerMut as _};

use super::session::Session;
use super::shared::Shared;

/// Bytes of a message's header: request, flags, size.
const HEADER_LEN: usize = 12;
/// Descriptors of a message.
const MAX_FILES: usize = vhost::vhost_user::message::MAX_ATTACHED_FD_ENTRIES;
/// A request that is looked at here; and flags of a message's second word.
const SET_VRING_ENABLE: u32 = 18;
const VERSION: u32 = 1;
const REPLY: u32 = 4;
const NEED_REPLY: u32 = 8;
/// How long a message may take to arrive, and an answer to be taken.
const PATIENCE: Duration = Duration::from_secs(1);
/// Messages handled at a time.
const MAX_MESSAGES: usize = 64;

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    /// The front end closed it, between messages.
    #[error("the front end closed the connection")]
    Closed,
    /// The system refuses.
    #[error("the connection broke: {0}")]
    Broken(#[from] io::Error),
    /// What it said makes no sense.
    #[error("the front end was refused: {0}")]
    Refused(String),
    /// It stopped within a message, or does not take an answer.
    #[error("the front end stopped in the middle of a message")]
    Stalled,
}

impl Ended {
    /// Whether that is an end as it should be.
    #[must_use]
    pub fn is_orderly(&self) -> bool {
        matches!(self, Ended::Closed)
    }
}

/// A connection to a front end.
pub struct Connection {
    stream: UnixStream,
    inner: UnixStream,
    handler: BackendReqHandler<Mutex<Session>>,
    session: Arc<Mutex<Session>>,
    message: Vec<u8>,
    files: Vec<OwnedFd>,
    answer: Vec<u8>,
    /// Since when the front end is waited for, within a message or an answer.
    since: Option<Instant>,
}

impl Connection {
    /// Serves a front end.
    ///
    /// # Errors
    /// The process has too many descriptors.
    pub(super) fn new(stream: UnixStream, shared: Arc<Shared>) -> io::Result<Connection> {
        stream.set_nonblocking(true)?;
        let (inner, crate_end) = UnixStream::pair()?;
        inner.set_nonblocking(true)?;
        let session = Arc::new(Mutex::new(Session::new(shared)));
        Ok(Connection {
            stream,
            inner,
            handler: BackendReqHandler::from_stream(crate_end, Arc::clone(&session)),
            session,
            message: Vec::new(),
            files: Vec::new(),
            answer: Vec::new(),
            since: None,
        })
    }

    /// What to wait for: readable, or writable.
    #[must_use]
    pub fn interest(&self) -> PollFlags {
        if self.answer.is_empty() { PollFlags::IN } else { PollFlags::OUT }
    }

    /// Until when to wait at most.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.since.map(|since| since + PATIENCE)
    }

    /// Whether the front end has got so far that a ring ran.
    #[must_use]
    pub fn has_run(&self) -> bool {
        self.session().has_run
    }

    fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads, handles and answers what can be without waiting.
    ///
    /// # Errors
    /// The connection is over; it is to be dropped.
    pub fn turn(&mut self, now: Instant) -> Result<(), Ended> {
        for _ in 0..MAX_MESSAGES {
            if !self.flush()? || !self.receive()? {
                break;
            }
            self.since = None;
            self.handle()?;
        }
        if self.message.is_empty() && self.answer.is_empty() {
            self.since = None;
            return Ok(());
        }
        let since = *self.since.get_or_insert(now);
        if now.saturating_duration_since(since) >= PATIENCE { Err(Ended::Stalled) } else { Ok(()) }
    }

    /// Sends what is left of an answer; whether all of it is gone.
    fn flush(&mut self) -> Result<bool, Ended> {
        while !self.answer.is_empty() {
            match rustix::net::send(&self.stream, &self.answer, SendFlags::NOSIGNAL) {
                Ok(n) => drop(self.answer.drain(..n)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(false),
                Err(errno) => return Err(Ended::Broken(errno.into())),
            }
        }
        Ok(true)
    }

    /// Bytes that the message has in all, as far as is known.
    fn wanted(&self) -> Result<usize, Ended> {
        let Some(size) = self.message.get(8..HEADER_LEN) else { return Ok(HEADER_LEN) };
        let size = u32::from_le_bytes(size.try_into().unwrap_or_default());
        match usize::try_from(size) {
            Ok(size) if size <= MAX_MSG_SIZE => Ok(HEADER_LEN + size),
            _ => {
                Err(Ended::Refused(format!("a message of {size} bytes (allowed: {MAX_MSG_SIZE})")))
            }
        }
    }

    /// Reads on; whether a whole message is there.
    fn receive(&mut self) -> Result<bool, Ended> {
        loop {
            let missing = self.wanted()? - self.message.len();
            if missing == 0 {
                return Ok(true);
            }
            let mut buffer = [0; HEADER_LEN + MAX_MSG_SIZE];
            let into = &mut buffer[..missing];
            match self.receive_part(into) {
                Ok(0) if self.message.is_empty() => return Err(Ended::Closed),
                Ok(0) => return Err(Ended::Stalled),
                Ok(n) => self.message.extend_from_slice(&buffer[..n]),
                Err(Ended::Broken(error)) if error.kind() == ErrorKind::WouldBlock => {
                    return Ok(false);
                }
                Err(Ended::Broken(error)) if error.kind() == ErrorKind::Interrupted => {}
                Err(ended) => return Err(ended),
            }
        }
    }

    fn receive_part(&mut self, into: &mut [u8]) -> Result<usize, Ended> {
        let mut space =
            [core::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FILES))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut parts = [IoSliceMut::new(into)];
        let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
        let received = recvmsg(&self.stream, &mut parts, &mut ancillary, flags)
            .map_err(|errno| Ended::Broken(errno.into()))?;
        let is_first = self.message.is_empty();
        let mut files = Vec::new();
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                files.extend(rights);
            }
        }
        // Room for the most has room for one more: control messages are padded.
        if received.flags.contains(ReturnFlags::CTRUNC) || files.len() > MAX_FILES {
            return Err(Ended::Refused(format!(
                "more than {MAX_FILES} descriptors with a message"
            )));
        }
        if !files.is_empty() && !is_first {
            return Err(Ended::Refused("descriptors in the middle of a message".to_owned()));
        }
        self.files.extend(files);
        Ok(received.bytes)
    }

    /// Enables a ring for a front end that asks for it before it takes the feature that says that it
    /// may, as QEMU does; the crate would end the connection. `None` for every other message.
    fn enable_early(&mut self) -> Option<Result<(), Ended>> {
        let words: Vec<u32> = self
            .message
            .chunks_exact(4)
            .map(|word| u32::from_le_bytes(word.try_into().unwrap_or_default()))
            .collect();
        let &[SET_VRING_ENABLE, flags, 8, index, value @ 0..=1] = words.as_slice() else {
            return None;
        };
        let mut session = self.session();
        if session.has_taken_protocol() || !self.files.is_empty() {
            return None;
        }
        let handled = session.set_vring_enable(index, value == 1);
        let acks = session.acks();
        drop(session);
        if acks && flags & NEED_REPLY != 0 {
            let failed = u32::from(handled.is_err());
            let answer = [SET_VRING_ENABLE, REPLY | VERSION, 8, failed, 0];
            self.answer.extend(answer.into_iter().flat_map(u32::to_le_bytes));
        }
        self.message.clear();
        Some(handled.map_err(|error| self.explain(&error)))
    }

    /// Hands the message to the crate, and takes its answer.
    fn handle(&mut self) -> Result<(), Ended> {
        if let Some(handled) = self.enable_early() {
            return handled;
        }
        let fds: Vec<BorrowedFd<'_>> = self.files.iter().map(AsFd::as_fd).collect();
        let mut space =
            [core::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FILES))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(&fds)) {
            return Err(Ended::Refused("too many descriptors with a message".to_owned()));
        }
        let parts = [IoSlice::new(&self.message)];
        let sent = sendmsg(&self.inner, &parts, &mut ancillary, SendFlags::NOSIGNAL)
            .map_err(io::Error::from)?;
        if sent != self.message.len() {
            return Err(Ended::Broken(ErrorKind::WriteZero.into()));
        }
        self.message.clear();
        self.files.clear();
        let handled = self.handler.handle_request();
        self.take_answer()?;
        handled.map_err(|error| self.explain(&error))
    }

    fn take_answer(&mut self) -> Result<(), Ended> {
        let mut buffer = [0; HEADER_LEN + MAX_MSG_SIZE];
        loop {
            match self.inner.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(n) => self.answer.extend_from_slice(&buffer[..n]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn explain(&mut self, error: &Error) -> Ended {
        // The front end may want to know that it was refused.
        let _ = self.stream.write(&std::mem::take(&mut self.answer));
        let refusal = self.session().take_refusal();
        Ended::Refused(refusal.unwrap_or_else(|| error.to_string()))
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.session().close();
    }
}
