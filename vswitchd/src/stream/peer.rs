//! A connected peer: its socket, what it is still to be sent, and how its stream ends.

use std::io;
use std::time::{Duration, Instant};

use super::Socket;

/// Above this much output a peer is neither read from nor served, bytes.
pub const MAX_OUTPUT_LEN: usize = 8 << 20;

/// How long a peer may leave output unread before it is closed.
pub const STALL_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a refused peer may go on sending.
const LINGER_TIMEOUT: Duration = Duration::from_secs(5);

/// How much a refused peer may go on sending, bytes.
const MAX_LINGER_LEN: usize = 16 << 20;

/// Bytes read at once.
const READ_LEN: usize = 64 << 10;

/// Sent bytes are cut off the output when they are so many, and half of it.
const COMPACT_LEN: usize = 256 << 10;

/// Where a client stands after a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Waits for its socket.
    Wait,
    /// Has more to do: it is to be stepped again when others had their turn.
    Again,
    /// Is to be closed.
    Close,
}

/// What a peer may still do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Open,
    /// It has stopped sending; its requests are still answered.
    Ended,
    /// It broke the protocol; the error goes out, then the end of the stream.
    Refused,
    /// The end of the stream is sent; so many bytes were thrown away since.
    Lingering(usize),
}

/// A connected peer.
#[derive(Debug)]
pub struct Peer {
    socket: Socket,
    end: End,
    output: Vec<u8>,
    n_sent: usize,
    /// When output last moved, or began to wait.
    moved_at: Instant,
}

impl Peer {
    /// A peer that has just connected.
    #[must_use]
    pub fn new(socket: Socket, now: Instant) -> Peer {
        Peer { socket, end: End::Open, output: Vec::new(), n_sent: 0, moved_at: now }
    }

    /// The socket.
    #[must_use]
    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// The socket, to be registered.
    pub fn socket_mut(&mut self) -> &mut Socket {
        &mut self.socket
    }

    /// The socket, and what was not sent.
    #[must_use]
    pub fn into_parts(mut self) -> (Socket, Vec<u8>) {
        let unsent = self.output.split_off(self.n_sent);
        (self.socket, unsent)
    }

    /// Whether the peer has stopped sending.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.end == End::Ended
    }

    /// Whether the peer is not served any more, but only brought to its end by [`Peer::linger`].
    #[must_use]
    pub fn is_refused(&self) -> bool {
        matches!(self.end, End::Refused | End::Lingering(_))
    }

    /// Serves the peer no more: what waits goes out, then the end of the stream.
    pub fn refuse(&mut self) {
        if !self.is_refused() {
            self.end = End::Refused;
        }
    }

    /// Whether the peer has to be closed because time has passed.
    #[must_use]
    pub fn is_stalled(&self, now: Instant) -> bool {
        let waited = now.saturating_duration_since(self.moved_at);
        match self.end {
            End::Lingering(_) => waited > LINGER_TIMEOUT,
            _ => self.n_waiting() > 0 && waited > STALL_TIMEOUT,
        }
    }

    /// Bytes that wait to be sent.
    #[must_use]
    pub fn n_waiting(&self) -> usize {
        self.output.len() - self.n_sent
    }

    /// Adds to what is sent.
    pub fn push(&mut self, bytes: &[u8], now: Instant) {
        if self.n_waiting() == 0 {
            self.moved_at = now;
        }
        if self.n_sent > COMPACT_LEN && self.n_sent > self.output.len() / 2 {
            self.output.drain(..self.n_sent);
            self.n_sent = 0;
        }
        self.output.extend_from_slice(bytes);
    }

    /// Gives `take` bytes from the socket: how many, or `None` if none are there now. At 0 the peer has
    /// ended.
    ///
    /// # Errors
    /// The peer is gone.
    pub fn receive(&mut self, take: impl FnOnce(&[u8])) -> io::Result<Option<usize>> {
        let mut bytes = [0; READ_LEN];
        let n = self.socket.read_now(&mut bytes)?;
        match n {
            Some(0) if self.end == End::Open => self.end = End::Ended,
            Some(n) => take(&bytes[..n]),
            None => {}
        }
        Ok(n)
    }

    /// Sends until the socket would block.
    ///
    /// # Errors
    /// The peer is gone.
    pub fn flush(&mut self, now: Instant) -> io::Result<()> {
        while self.n_waiting() > 0 {
            match self.socket.write_now(&self.output[self.n_sent..])? {
                Some(n) => {
                    self.n_sent += n;
                    self.moved_at = now;
                }
                None => return Ok(()),
            }
        }
        // A large reply's memory goes back.
        self.output = Vec::new();
        self.n_sent = 0;
        Ok(())
    }

    /// Ends the stream towards a refused peer, then throws away what it sends.
    ///
    /// # Errors
    /// The peer is gone.
    pub fn linger(&mut self, now: Instant) -> io::Result<Step> {
        if self.n_waiting() > 0 {
            self.flush(now)?;
        }
        if self.n_waiting() > 0 {
            return Ok(Step::Wait);
        }
        if self.end == End::Refused {
            self.socket.end()?;
            self.end = End::Lingering(0);
        }
        let End::Lingering(n_before) = self.end else { return Ok(Step::Close) };
        let mut bytes = [0; READ_LEN];
        let step = match self.socket.read_now(&mut bytes)? {
            None => return Ok(Step::Wait),
            Some(n) if n > 0 && n_before + n <= MAX_LINGER_LEN => {
                self.end = End::Lingering(n_before + n);
                Step::Again
            }
            Some(_) => Step::Close,
        };
        Ok(step)
    }
}
