//! A client of the daemon's control socket.
//!
//! # Design
//!
//! JSON-RPC 1.0 over a Unix stream socket: `{"method", "params": [strings], "id"}` out,
//! `{"result", "error", "id"}` back, objects back to back without a delimiter, as `ovs-appctl`
//! speaks it. So a reply is read by a streaming parser that stops at its closing brace.
//!
//! # Invariants
//!
//! - One deadline bounds connecting, sending and receiving together: a daemon that hangs, or that
//!   sends one byte a second, cannot hold the caller.
//! - A reply is bounded in length and (by the parser) in depth: the peer is not trusted.
//!
//! # References
//!
//! `ovs-appctl(8)`; JSON-RPC 1.0 specification.

use std::io::{self, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::error::one_line;

/// Bounds of a conversation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// How long the whole conversation may take; `None` is for ever.
    pub timeout: Option<Duration>,
    /// Longest reply, in bytes.
    pub max_reply_len: u64,
}

impl Limits {
    /// Longest reply that is accepted, in bytes: room for a forwarding database of a million
    /// entries as JSON.
    pub const MAX_REPLY_LEN: u64 = 256 << 20;
}

/// Why no answer came. `Display` is one line that names the socket.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    /// Nothing listens there.
    #[error("no vswitchd at {path} ({reason}); start it with: vswitchd --rundir {rundir}", path = .path.display())]
    NoDaemon {
        /// The socket.
        path: PathBuf,
        /// What the kernel said.
        reason: String,
        /// The folder to start a daemon in.
        rundir: String,
    },
    /// The caller may not open the socket.
    #[error("no permission to use {}: run ofctl as root, or as a user who may write there", .path.display())]
    Permission {
        /// The socket.
        path: PathBuf,
    },
    /// The deadline passed.
    #[error("vswitchd at {} did not answer within {} s (see --timeout)", .path.display(), .timeout.as_secs_f64())]
    Timeout {
        /// The socket.
        path: PathBuf,
        /// The whole time that was given.
        timeout: Duration,
    },
    /// The connection ended before the reply did.
    #[error("vswitchd at {} closed the connection {when}", .path.display())]
    Closed {
        /// The socket.
        path: PathBuf,
        /// How far the reply had come.
        when: &'static str,
    },
    /// The answer is not one of a daemon.
    #[error("bad reply from {}: {reason}", .path.display())]
    BadReply {
        /// The socket.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The socket failed.
    #[error("cannot {doing} {}: {source}", .path.display())]
    Io {
        /// The socket.
        path: PathBuf,
        /// What was being done, as a verb.
        doing: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}

/// What the daemon answered.
#[derive(Clone, PartialEq, Debug)]
pub enum Reply {
    /// It did it; this is what it has to say (`null` if nothing).
    Done(Value),
    /// It refused, and says why.
    Refused(String),
}

/// A connection to a daemon.
#[derive(Debug)]
pub struct Client {
    path: PathBuf,
    limits: Limits,
    stream: BufReader<TimedStream>,
    next_id: u64,
}

impl Client {
    /// Connects to the socket; the deadline of the conversation starts here.
    ///
    /// # Errors
    ///
    /// [`RpcError`] if nothing listens there, or if it does not accept in time.
    pub fn connect(path: &Path, limits: Limits) -> Result<Client, RpcError> {
        let deadline = limits.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let stream = match deadline {
            None => UnixStream::connect(path),
            Some(deadline) => connect_until(path, deadline),
        };
        let stream = stream.map_err(|source| connect_error(path, limits, source))?;
        let stream = BufReader::with_capacity(READ_CAP, TimedStream { stream, deadline });
        Ok(Client { path: path.to_owned(), limits, stream, next_id: 0 })
    }

    /// Sends one request and waits for its reply.
    ///
    /// # Errors
    ///
    /// [`RpcError`] if no whole, well-formed reply to this request came in time.
    pub fn call(&mut self, method: &str, params: &[String]) -> Result<Reply, RpcError> {
        let id = self.next_id;
        self.next_id += 1;
        let request = json!({ "method": method, "params": params, "id": id }).to_string();
        match self.stream.get_mut().write_all(request.as_bytes()) {
            Ok(()) => {}
            // A daemon may refuse a request before it has read all of it: its reply says why.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
            Err(error) => return Err(self.io_error("send to", error)),
        }
        let reply = self.read_value()?;
        self.check(reply, id)
    }

    /// The connection after a reply behind which it carries something else, without a deadline.
    #[must_use]
    pub fn into_records(mut self) -> Records {
        self.stream.get_mut().deadline = None;
        Records { path: self.path, stream: self.stream }
    }

    fn read_value(&mut self) -> Result<Value, RpcError> {
        let mut bounded =
            Bounded { inner: &mut self.stream, left: self.limits.max_reply_len, n_read: 0 };
        // The iterator ends with the value's closing brace and reads nothing beyond it.
        let parsed = serde_json::Deserializer::from_reader(&mut bounded).into_iter().next();
        let (left, n_read) = (bounded.left, bounded.n_read);
        let error = match parsed {
            Some(Ok(value)) => return Ok(value),
            Some(Err(error)) => error,
            None => return Err(self.closed(n_read)),
        };
        if left == 0 {
            let limit = self.limits.max_reply_len;
            return Err(self.bad_reply(format!("it is longer than {limit} bytes")));
        }
        match error.classify() {
            serde_json::error::Category::Io => {
                let source = io::Error::from(error);
                if source.kind() == ErrorKind::ConnectionReset {
                    return Err(self.closed(n_read));
                }
                Err(self.io_error("receive from", source))
            }
            serde_json::error::Category::Eof => Err(self.closed(n_read)),
            _ => Err(self.bad_reply(format!("not JSON: {error}"))),
        }
    }

    fn check(&self, mut reply: Value, id: u64) -> Result<Reply, RpcError> {
        let Some(object) = reply.as_object_mut() else {
            return Err(self.bad_reply("not a JSON object".to_owned()));
        };
        if object.get("id") != Some(&json!(id)) {
            return Err(self.bad_reply("it answers another request".to_owned()));
        }
        let result = object.remove("result");
        match object.remove("error") {
            Some(Value::Null) | None => match result {
                Some(result) => Ok(Reply::Done(result)),
                None => Err(self.bad_reply("it has neither a result nor an error".to_owned())),
            },
            Some(Value::String(text)) => Ok(Reply::Refused(text)),
            Some(other) => Ok(Reply::Refused(other.to_string())),
        }
    }

    fn closed(&self, n_read: u64) -> RpcError {
        let when = if n_read == 0 { "without a reply" } else { "in the middle of its reply" };
        RpcError::Closed { path: self.path.clone(), when }
    }

    /// What is wrong if an answer is not what its request asks for.
    #[must_use]
    pub fn bad_reply(&self, reason: String) -> RpcError {
        RpcError::BadReply { path: self.path.clone(), reason: one_line(&reason) }
    }

    fn io_error(&self, doing: &'static str, source: io::Error) -> RpcError {
        io_error(&self.path, self.limits, doing, source)
    }
}

/// What a connection carries behind the reply to `vswitch/capture`.
#[derive(Debug)]
pub struct Records {
    path: PathBuf,
    stream: BufReader<TimedStream>,
}

impl Records {
    /// Whether something can be read without the socket.
    #[must_use]
    pub fn has_buffered(&self) -> bool {
        !self.stream.buffer().is_empty()
    }

    /// A second handle of the socket, to shut it down.
    ///
    /// # Errors
    ///
    /// [`RpcError`] if there are too many descriptors.
    pub fn socket(&self) -> Result<UnixStream, RpcError> {
        let cloned = self.stream.get_ref().stream.try_clone();
        cloned.map_err(|source| RpcError::Io { path: self.path.clone(), doing: "use", source })
    }

    /// What is wrong if it ends before its last record.
    #[must_use]
    pub fn closed(&self) -> RpcError {
        RpcError::Closed { path: self.path.clone(), when: "in the middle of a capture" }
    }
}

impl Read for Records {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buf)
    }
}

/// Room for what one read takes from the socket, in bytes.
const READ_CAP: usize = 64 << 10;

/// Connects, but gives up at the deadline: `connect` on a Unix socket blocks as long as the
/// listener's backlog is full, which is how a daemon that hangs looks from outside.
fn connect_until(path: &Path, deadline: Instant) -> io::Result<UnixStream> {
    let (sender, receiver) = mpsc::channel();
    let path = path.to_owned();
    std::thread::Builder::new().name("connect".into()).spawn(move || {
        // The receiver is gone if the deadline has passed: nobody wants the stream.
        drop(sender.send(UnixStream::connect(path)));
    })?;
    receiver
        .recv_timeout(deadline.saturating_duration_since(Instant::now()))
        .map_err(|_| io::Error::from(ErrorKind::TimedOut))?
}

fn connect_error(path: &Path, limits: Limits, source: io::Error) -> RpcError {
    match source.kind() {
        ErrorKind::PermissionDenied => RpcError::Permission { path: path.to_owned() },
        ErrorKind::NotFound | ErrorKind::ConnectionRefused | ErrorKind::NotADirectory => {
            let rundir = path.parent().unwrap_or(Path::new("/")).display().to_string();
            let reason = if source.kind() == ErrorKind::ConnectionRefused {
                "nothing listens there"
            } else {
                "no such socket"
            };
            RpcError::NoDaemon { path: path.to_owned(), reason: reason.to_owned(), rundir }
        }
        _ => io_error(path, limits, "connect to", source),
    }
}

fn io_error(path: &Path, limits: Limits, doing: &'static str, source: io::Error) -> RpcError {
    let path = path.to_owned();
    match (source.kind(), limits.timeout) {
        (ErrorKind::TimedOut | ErrorKind::WouldBlock, Some(timeout)) => {
            RpcError::Timeout { path, timeout }
        }
        _ => RpcError::Io { path, doing, source },
    }
}

/// A stream whose every operation ends at one deadline.
#[derive(Debug)]
struct TimedStream {
    stream: UnixStream,
    deadline: Option<Instant>,
}

impl TimedStream {
    /// The time left, or `TimedOut`. A socket timeout of zero would mean "for ever".
    fn left(&self) -> io::Result<Option<Duration>> {
        let Some(deadline) = self.deadline else { return Ok(None) };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(Some(left)) }
    }
}

impl Read for TimedStream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        self.stream.read(buf)
    }
}

impl Write for TimedStream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// At most `left` bytes of a reader; then it seems to end.
struct Bounded<'a, R> {
    inner: &'a mut R,
    left: u64,
    n_read: u64,
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = (&mut *self.inner).take(self.left).read(buf)?;
        // `usize` is at most 64 bits wide on every target of the switch.
        let n_bytes = u64::try_from(n).unwrap_or(u64::MAX);
        self.left = self.left.saturating_sub(n_bytes);
        self.n_read = self.n_read.saturating_add(n_bytes);
        Ok(n)
    }
}
