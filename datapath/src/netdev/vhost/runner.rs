//! The thread of a port: waits for a front end, serves it, and waits for the next.
//!
//! # Design
//! One thread per port, which sleeps in `poll` nearly always: a front end that is slow to share 64 GiB
//! of memory, or that talks nonsense all day, takes the time of nobody else. It waits for nothing but
//! the lock of its own port's rings.
//!
//! As a *server* the switch listens, and serves one front end at a time; one that has said nothing
//! useful makes room for the next. As a *client* it connects to the VMM's socket, again and again,
//! with a pause that grows while that fails.

use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use super::door::{Connection, Ended};
use super::shared::Shared;

/// The pause after the first attempt.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause between attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How long a front end may be silent before it has set up a ring, if another one waits.
const SILENCE: Duration = Duration::from_secs(2);

/// Where front ends come from.
pub(super) enum Source {
    /// The VMM listens there.
    Connect(PathBuf),
    /// The switch listens.
    Listen(UnixListener),
}

/// What the thread has.
pub(super) struct Runner {
    pub source: Source,
    pub shared: Arc<Shared>,
    /// Readable when the thread is to end.
    pub stop: Arc<OwnedFd>,
}

/// What ended a wait.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Woken {
    /// The thread is to end.
    Stop,
    /// The descriptor, or another front end, is ready, or time is up.
    Look {
        /// Another front end waits.
        other: bool,
    },
}

/// Connects, or fails, at once: also to a listener that takes nobody.
pub(super) fn connect_now(path: &Path) -> io::Result<UnixStream> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket.into())
}

impl Runner {
    /// Serves front ends until it is to end.
    pub(super) fn run(self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let stream = match self.next_stream() {
                Ok(Some(stream)) => stream,
                Ok(None) => return,
                Err(error) => {
                    self.note_waiting(Some(error.to_string()));
                    if self.wait(None, Some(pause), None) == Woken::Stop {
                        return;
                    }
                    pause = (2 * pause).min(LONGEST_PAUSE);
                    continue;
                }
            };
            self.note_waiting(None);
            match self.serve(stream) {
                None => return,
                // It was in order, and may be back soon.
                Some(Served::Well) => pause = FIRST_PAUSE,
                Some(Served::Badly { ran }) => {
                    if ran {
                        pause = FIRST_PAUSE;
                    }
                    if self.wait(None, Some(pause), None) == Woken::Stop {
                        return;
                    }
                    pause = (2 * pause).min(LONGEST_PAUSE);
                }
            }
        }
    }

    fn note_waiting(&self, why: Option<String>) {
        let mut report = self.shared.report();
        if report.waiting != why {
            report.waiting = why;
            drop(report);
            self.shared.tell();
        }
    }

    /// The next front end; `None` if the thread is to end.
    fn next_stream(&self) -> io::Result<Option<UnixStream>> {
        match &self.source {
            Source::Connect(path) => connect_now(path).map(Some),
            Source::Listen(listener) => loop {
                match listener.accept() {
                    Ok((stream, _)) => return Ok(Some(stream)),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        if self.wait(None, None, Some(listener)) == Woken::Stop {
                            return Ok(None);
                        }
                    }
                    Err(error) => return Err(error),
                }
            },
        }
    }

    /// Waits until the connection or another front end is ready, or the time has passed.
    fn wait(
        &self,
        connection: Option<&Connection>,
        most: Option<Duration>,
        listener: Option<&UnixListener>,
    ) -> Woken {
        let mut fds = vec![PollFd::new(&self.stop, PollFlags::IN)];
        fds.extend(listener.map(|listener| PollFd::new(listener, PollFlags::IN)));
        if let Some(connection) = connection {
            fds.push(PollFd::from_borrowed_fd(connection.as_fd(), connection.interest()));
        }
        let timeout = most.map(|most| Timespec {
            tv_sec: i64::try_from(most.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: most.subsec_nanos().into(),
        });
        // A signal, or too little memory, is a look too many.
        let _ = poll(&mut fds, timeout.as_ref());
        if !fds[0].revents().is_empty() {
            return Woken::Stop;
        }
        Woken::Look { other: listener.is_some() && !fds[1].revents().is_empty() }
    }

    fn listener(&self) -> Option<&UnixListener> {
        match &self.source {
            Source::Listen(listener) => Some(listener),
            Source::Connect(_) => None,
        }
    }

    /// Serves one front end to its end; `None` if the thread is to end.
    fn serve(&self, stream: UnixStream) -> Option<Served> {
        let mut connection = match Connection::new(stream, Arc::clone(&self.shared)) {
            Ok(connection) => connection,
            Err(error) => {
                return Some(self.end(&Ended::Broken(error), Served::Badly { ran: false }));
            }
        };
        let begun = Instant::now();
        loop {
            let now = Instant::now();
            if let Err(ended) = connection.turn(now) {
                let ran = connection.has_run();
                let how = match ran && ended.is_orderly() {
                    true => Served::Well,
                    false => Served::Badly { ran },
                };
                drop(connection);
                return Some(self.end(&ended, how));
            }
            let patience_ends = (!connection.has_run()).then(|| begun + SILENCE);
            let makes_room = patience_ends.is_some_and(|end| now >= end);
            let until = connection.deadline().or(patience_ends.filter(|_| !makes_room));
            let most = until.map(|until| until.saturating_duration_since(now));
            let listener = self.listener().filter(|_| makes_room);
            match self.wait(Some(&connection), most, listener) {
                Woken::Stop => return None,
                Woken::Look { other: true } => {
                    drop(connection);
                    return Some(Served::Well); // the next one is there already
                }
                Woken::Look { .. } => {}
            }
        }
    }

    fn end(&self, ended: &Ended, how: Served) -> Served {
        if !ended.is_orderly() {
            self.shared.report().error = Some(ended.to_string());
            self.shared.tell();
        }
        how
    }
}

/// How a connection went.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Served {
    /// As it should: another may follow at once.
    Well,
    /// It failed: the next attempt waits a little, or longer each time if no ring ever ran.
    Badly { ran: bool },
}
