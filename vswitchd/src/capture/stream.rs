//! A capture's thread: from the rings to the client's socket.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use datapath::capture::Reader;
use packet::capture::{Direction, Kind, RecordHeader};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::json;

use super::Control;

/// How long a client may read nothing before its capture ends.
pub const STALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Pause when nothing was captured: short against the time in which a ring fills.
const PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 2_000_000 };
const NO_PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// Bytes of records sent at once.
const CHUNK_LEN: usize = 256 << 10;

/// A capture that waits for its client's socket.
pub struct Stream {
    reader: Reader,
    control: Control,
    /// Frames that the client asked for.
    count: Option<u64>,
    n_taken: u64,
    named: BTreeSet<u16>,
    generation: u64,
    out: Vec<u8>,
}

impl Stream {
    /// A stream of what `reader` takes, at most `count` frames.
    #[must_use]
    pub fn new(reader: Reader, control: Control, count: Option<u64>) -> Stream {
        let (named, out) = (BTreeSet::new(), Vec::with_capacity(CHUNK_LEN));
        Stream { reader, control, count, n_taken: 0, named, generation: 0, out }
    }

    /// Starts the thread. `unsent` is what the socket still has to carry before the first record.
    pub fn start(self, stream: UnixStream, unsent: Vec<u8>) {
        let thread = std::thread::Builder::new().name("capture".into());
        let started = thread.spawn(move || match self.run(stream, &unsent) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                tracing::warn!(target: "capture", "ended: its client does not read");
            }
            Err(error) => tracing::debug!(target: "capture", "ended: {error}"),
        });
        if let Err(error) = started {
            tracing::warn!(target: "capture", "no thread for a capture: {error}");
        }
    }

    fn run(mut self, mut stream: UnixStream, unsent: &[u8]) -> io::Result<()> {
        stream.set_nonblocking(false)?;
        stream.set_write_timeout(Some(STALL_TIMEOUT))?;
        stream.write_all(unsent)?;
        loop {
            self.reader.refresh();
            let n_before = self.n_taken;
            self.take(u64::MAX);
            self.send(&mut stream)?;
            if self.is_full() || self.control.end_reason().is_some() {
                break;
            }
            let pause = if self.n_taken == n_before { &PAUSE } else { &NO_PAUSE };
            if has_ended(&mut stream, pause)? {
                break;
            }
        }
        self.finish(&mut stream)
    }

    /// Sends what was captured before the end, and the summary.
    fn finish(mut self, stream: &mut UnixStream) -> io::Result<()> {
        let n_captured = self.reader.counts().captured;
        self.reader.refresh();
        while self.n_taken < n_captured && !self.is_full() {
            let n_before = self.n_taken;
            self.take(n_captured);
            self.send(stream)?;
            if self.n_taken == n_before {
                break;
            }
        }
        let counts = self.reader.counts();
        let reason = self.control.end_reason();
        let summary = json!({ "captured": self.n_taken, "lost": counts.lost,
            "filtered": counts.filtered, "reason": reason });
        self.push(Kind::End, 0, summary.to_string().as_bytes());
        self.send(stream)
    }

    fn is_full(&self) -> bool {
        self.count.is_some_and(|count| self.n_taken >= count)
    }

    /// Takes a chunk of records, up to so many in all.
    fn take(&mut self, n_all: u64) {
        if self.generation != self.control.generation() {
            self.generation = self.control.generation();
            self.named.clear();
        }
        while self.out.len() < CHUNK_LEN && self.n_taken < n_all && !self.is_full() {
            let start = self.out.len();
            let Some(header) = self.reader.next(&mut self.out) else { return };
            self.n_taken += 1;
            if self.named.insert(header.port) {
                let record = self.out.split_off(start);
                let name = self.control.name(header.port);
                let name = name.unwrap_or_else(|| format!("port{}", header.port));
                self.push(Kind::Name, header.port, name.as_bytes());
                self.out.extend(record);
            }
        }
    }

    fn push(&mut self, kind: Kind, port: u16, data: &[u8]) {
        let len = u32::try_from(data.len()).unwrap_or(0);
        let header = RecordHeader {
            kind,
            direction: Direction::In,
            port,
            captured_len: len,
            original_len: len,
            time_ns: 0,
        };
        self.out.extend_from_slice(&header.emit());
        self.out.extend_from_slice(data);
    }

    /// Fails with [`ErrorKind::WouldBlock`] when the client has read nothing for [`STALL_TIMEOUT`].
    fn send(&mut self, stream: &mut UnixStream) -> io::Result<()> {
        let sent = stream.write_all(&self.out);
        self.out.clear();
        sent
    }
}

/// Waits a while; whether the client wants no more. It has nothing to say: any byte is the end too.
fn has_ended(stream: &mut UnixStream, pause: &Timespec) -> io::Result<bool> {
    let mut fds = [PollFd::new(&*stream, PollFlags::IN | PollFlags::RDHUP)];
    match poll(&mut fds, Some(pause)) {
        Ok(0) | Err(rustix::io::Errno::INTR) => Ok(false),
        // Reading takes an error from the socket, if there is one.
        Ok(_) => stream.read(&mut [0; 64]).map(|_| true),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests;
