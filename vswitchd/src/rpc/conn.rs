//! One client of the control socket.
//!
//! # Design
//! Readiness is edge-triggered, so a step goes on until the socket says that it would block, the
//! client's turn is over, or too much output waits. After a protocol error the client gets the error
//! and the end of the stream; what it still sends is read and thrown away for a while, since closing
//! a socket with unread bytes would take the error from under the client's eyes.

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use mio::net::UnixStream;
use serde_json::{Value, json};

use super::inbox::{BadRequest, Inbox, Request};
use super::{Dispatch, Outcome, Session, Then};

/// Above this much output a client is neither read from nor served, bytes.
pub const MAX_OUTPUT_LEN: usize = 8 << 20;

/// How long a client may leave output unread before it is closed.
pub const STALL_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a refused client may go on sending.
const LINGER_TIMEOUT: Duration = Duration::from_secs(5);

/// How much a refused client may go on sending, bytes.
const MAX_LINGER_LEN: usize = 16 << 20;

/// Requests served before another client has its turn.
const N_REQUESTS_PER_TURN: usize = 16;

/// Bytes read at once.
const READ_LEN: usize = 64 << 10;

/// Where a client stands after a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Waits for its socket.
    Wait,
    /// Has more to do: it is to be stepped again when others had their turn.
    Again,
    /// Has asked the daemon to end, and waits for its reply.
    Exit,
    /// Now belongs to somebody else.
    HandOver,
    /// Is to be closed.
    Close,
}

/// What a client may still do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Open,
    /// It has stopped sending; its requests are still answered.
    Ended,
    /// It broke the protocol; the error goes out, then the end of the stream.
    Refused,
    /// The end of the stream is sent; so many bytes were thrown away since.
    Lingering(usize),
}

/// A client.
#[derive(Debug)]
pub struct Conn {
    stream: UnixStream,
    inbox: Inbox,
    session: Session,
    state: State,
    output: Vec<u8>,
    n_sent: usize,
    /// When output last moved, or began to wait.
    moved_at: Instant,
}

impl Conn {
    /// A client that has just connected.
    #[must_use]
    pub fn new(stream: UnixStream, now: Instant) -> Conn {
        Conn {
            stream,
            inbox: Inbox::default(),
            session: Session::default(),
            state: State::Open,
            output: Vec::new(),
            n_sent: 0,
            moved_at: now,
        }
    }

    /// The socket, to be registered.
    pub fn stream_mut(&mut self) -> &mut UnixStream {
        &mut self.stream
    }

    /// Does what can be done without waiting.
    pub fn step(&mut self, dispatch: &mut dyn Dispatch, now: Instant) -> Step {
        match self.try_step(dispatch, now) {
            Ok(step) => step,
            Err(error) => {
                tracing::debug!(target: "unixctl", "client gone: {error}");
                Step::Close
            }
        }
    }

    /// Whether the client has to be closed because time has passed.
    #[must_use]
    pub fn is_stalled(&self, now: Instant) -> bool {
        let waited = now.saturating_duration_since(self.moved_at);
        match self.state {
            State::Lingering(_) => waited > LINGER_TIMEOUT,
            _ => self.n_waiting() > 0 && waited > STALL_TIMEOUT,
        }
    }

    /// Sends what waits, for a daemon that ends: without waiting for the client.
    pub fn finish(&mut self) {
        // A client that does not take its reply does not get it.
        let _ = self.flush(Instant::now());
    }

    /// Gives the connection to whoever takes it over; what the client sent ahead is thrown away.
    pub fn hand_over(self) {
        let Conn { stream, session, output, n_sent, .. } = self;
        if let Some(takeover) = session.takeover {
            let unsent = output.get(n_sent..).unwrap_or_default().to_vec();
            takeover.run(stream.into(), unsent);
        }
    }

    fn try_step(&mut self, dispatch: &mut dyn Dispatch, now: Instant) -> io::Result<Step> {
        self.flush(now)?;
        for _ in 0..N_REQUESTS_PER_TURN {
            if let State::Refused | State::Lingering(_) = self.state {
                return self.linger(now);
            }
            if self.n_waiting() > MAX_OUTPUT_LEN {
                return Ok(Step::Wait);
            }
            match self.inbox.next_request() {
                Ok(Some(request)) => {
                    if self.serve(&request, dispatch) == Then::Exit {
                        return Ok(Step::Exit);
                    }
                    if self.session.takeover.is_some() {
                        return Ok(Step::HandOver);
                    }
                    self.flush(now)?;
                }
                Ok(None) if self.state == State::Ended => match self.inbox.at_end() {
                    Some(bad) => self.refuse(&bad),
                    None => return Ok(if self.n_waiting() > 0 { Step::Wait } else { Step::Close }),
                },
                Ok(None) => match self.receive()? {
                    Some(0) => self.state = State::Ended,
                    Some(_) => {}
                    None => return Ok(Step::Wait),
                },
                Err(bad) => self.refuse(&bad),
            }
        }
        Ok(Step::Again)
    }

    /// Moves bytes from the socket to the inbox: how many, or `None` if none are there now.
    fn receive(&mut self) -> io::Result<Option<usize>> {
        let mut bytes = [0; READ_LEN];
        let n = read_now(&mut self.stream, &mut bytes)?;
        self.inbox.push(&bytes[..n.unwrap_or(0)]);
        Ok(n)
    }

    fn serve(&mut self, request: &Request, dispatch: &mut dyn Dispatch) -> Then {
        tracing::debug!(
            target: "unixctl",
            "received request {}{:?}, id={}", request.method, request.params, request.id
        );
        let session = &mut self.session;
        // The handler's state may be half changed after a panic; it is the control plane's own, and
        // serving on is better than a switch that stops forwarding.
        let outcome = catch_unwind(AssertUnwindSafe(|| dispatch.dispatch(request, session)));
        let outcome = outcome.unwrap_or_else(|_| {
            tracing::error!(target: "unixctl", "{}: internal error: the handler panicked", request.method);
            let text = format!("{}: internal error, see the log of the daemon\n", request.method);
            Outcome { reply: Err(text), then: Then::Continue }
        });
        self.reply(&request.id, &outcome.reply);
        outcome.then
    }

    fn refuse(&mut self, bad: &BadRequest) {
        tracing::warn!(target: "unixctl", "client closed: {bad}");
        self.reply(&bad.id(), &Err(format!("{bad}\n")));
        self.state = State::Refused;
    }

    fn reply(&mut self, id: &Value, reply: &Result<Value, String>) {
        let message = match reply {
            Ok(result) => json!({ "id": id, "result": result, "error": null }),
            Err(text) => json!({ "id": id, "result": null, "error": text }),
        };
        if self.n_waiting() == 0 {
            self.moved_at = Instant::now();
        }
        self.output.extend_from_slice(message.to_string().as_bytes());
    }

    fn n_waiting(&self) -> usize {
        self.output.len() - self.n_sent
    }

    /// Sends until the socket would block.
    fn flush(&mut self, now: Instant) -> io::Result<()> {
        while self.n_waiting() > 0 {
            match self.stream.write(&self.output[self.n_sent..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(n) => {
                    self.n_sent += n;
                    self.moved_at = now;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        // A large reply's memory goes back.
        self.output = Vec::new();
        self.n_sent = 0;
        Ok(())
    }

    /// Ends the stream towards the client, then throws away what it sends.
    fn linger(&mut self, now: Instant) -> io::Result<Step> {
        if self.n_waiting() > 0 {
            self.flush(now)?;
        }
        if self.n_waiting() > 0 {
            return Ok(Step::Wait);
        }
        if self.state == State::Refused {
            self.stream.shutdown(Shutdown::Write)?;
            self.state = State::Lingering(0);
        }
        let State::Lingering(n_before) = self.state else { return Ok(Step::Close) };
        let mut bytes = [0; READ_LEN];
        let step = match read_now(&mut self.stream, &mut bytes)? {
            None => return Ok(Step::Wait),
            Some(n) if n > 0 && n_before + n <= MAX_LINGER_LEN => {
                self.state = State::Lingering(n_before + n);
                Step::Again
            }
            Some(_) => Step::Close,
        };
        Ok(step)
    }
}

/// Reads without waiting: how much, or `None` if nothing is there now.
fn read_now(stream: &mut UnixStream, bytes: &mut [u8]) -> io::Result<Option<usize>> {
    loop {
        match stream.read(bytes) {
            Ok(n) => return Ok(Some(n)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
