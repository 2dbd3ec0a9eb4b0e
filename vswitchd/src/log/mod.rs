//! Logging, in the format and with the words of Open vSwitch's vlog.
//!
//! # Design
//! Code logs with `tracing`; [`Log`] is the subscriber's only layer. An event belongs to a module: its
//! `target` if that is in [`MODULES`], else the first element of its path that is. Each module has a
//! level for each destination, changed while the daemon runs. Poll threads do not log, they count; so
//! the thread that logs a line may write it.
//!
//! # Thread-safety
//! Levels are atomics. The file and the rate limits are behind a mutex, taken only for events that
//! some destination wants.
//!
//! # References
//! ovs-appctl(8), "LOGGING COMMANDS"; ovs-vswitchd.conf.db(5) knows no logging.

pub mod level;
mod limit;
mod spec;
mod time;

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tracing::field::{Field, Visit};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

pub use level::Level;
use limit::{Limiter, Verdict};
pub use spec::SpecError;

/// The modules of the control plane, in the order of the alphabet. An event of none of them belongs to `vswitchd`.
pub const MODULES: &[&str] = &[
    "bridge", "capture", "config", "daemon", "netdev", "netlink", "ofconn", "switch", "unixctl",
    "vlog", "vswitchd",
];

/// Where lines go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Destination {
    /// Standard error.
    Console,
    /// The system's log: always off, this switch does not write to it.
    Syslog,
    /// The file of `--log-file`.
    File,
}

impl Destination {
    /// All of them, in the order of `vlog/list`.
    pub const ALL: [Destination; 3] =
        [Destination::Console, Destination::Syslog, Destination::File];

    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Destination::Console => "console",
            Destination::Syslog => "syslog",
            Destination::File => "file",
        }
    }
}

/// The log: levels, destinations, and what has been written.
#[derive(Debug)]
pub struct Log {
    /// By module, then by destination.
    levels: Vec<[AtomicU8; Destination::ALL.len()]>,
    sink: Mutex<Sink>,
}

#[derive(Debug, Default)]
struct Sink {
    path: Option<PathBuf>,
    file: Option<File>,
    n_lines: u64,
    limiter: Limiter,
}

impl Default for Log {
    fn default() -> Self {
        let row = || Destination::ALL.map(|_| AtomicU8::new(Level::Off.number()));
        let log = Log { levels: MODULES.iter().map(|_| row()).collect(), sink: Mutex::default() };
        log.set(None, Some(Destination::Console), Level::Info);
        log.set(None, Some(Destination::File), Level::Info);
        log
    }
}

impl Log {
    /// Makes this log the process's own. Later calls in one process have no effect, so that tests may
    /// run several daemons in theirs.
    pub fn install(self: &Arc<Log>) {
        let subscriber = tracing_subscriber::registry().with(LogLayer(self.clone()));
        // The first one wins, as the documentation says.
        let _ = tracing::subscriber::set_global_default(subscriber);
    }

    /// Writes to a file too, from its end on.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn log_to(&self, path: &Path) -> io::Result<()> {
        let file = open(path)?;
        let mut sink = self.sink();
        sink.path = Some(path.to_owned());
        sink.file = Some(file);
        Ok(())
    }

    /// Writes no longer to the console.
    pub fn console_off(&self) {
        self.set(None, Some(Destination::Console), Level::Off);
    }

    /// Opens the file anew, after it was rotated. Nothing happens without one.
    ///
    /// # Errors
    /// The file cannot be opened: the log goes on to the one before.
    pub fn reopen(&self) -> io::Result<()> {
        let mut sink = self.sink();
        if let Some(path) = &sink.path {
            sink.file = Some(open(path)?);
        }
        Ok(())
    }

    /// Closes the file until it is reopened.
    pub fn close(&self) {
        self.sink().file = None;
    }

    /// Sets the level of a module (`None`: all) at a destination (`None`: all that exist).
    pub fn set(&self, module: Option<usize>, destination: Option<Destination>, level: Level) {
        for (i, row) in self.levels.iter().enumerate() {
            for (at, cell) in Destination::ALL.iter().zip(row) {
                let wanted = destination.map_or(*at != Destination::Syslog, |d| d == *at);
                if wanted && module.is_none_or(|m| m == i) {
                    cell.store(level.number(), Ordering::Relaxed);
                }
            }
        }
    }

    /// Levels as `vlog/list` prints them.
    #[must_use]
    pub fn list(&self) -> String {
        let mut text = String::from(
            "                 console    syslog    file\n                 -------    ------    ------\n",
        );
        for (i, module) in MODULES.iter().enumerate() {
            let [console, syslog, file] = self.row(i);
            // Writing to a string does not fail.
            let _ = writeln!(text, "{module:<16}  {console:>4}       {syslog:>4}       {file:>4}");
        }
        text
    }

    /// The levels of a module, by destination.
    #[must_use]
    pub fn row(&self, module: usize) -> [Level; 3] {
        let level = |at: usize| {
            let cell = self.levels.get(module).and_then(|row| row.get(at));
            cell.map_or(Level::Off, |cell| Level::from_number(cell.load(Ordering::Relaxed)))
        };
        [level(0), level(1), level(2)]
    }

    fn sink(&self) -> MutexGuard<'_, Sink> {
        // A panic while writing a line leaves nothing half done that the next line could not bear.
        self.sink.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wants(&self, metadata: &Metadata<'_>) -> bool {
        let level = Level::of(*metadata.level());
        self.row(module_of(metadata.target())).iter().any(|threshold| level.passes(*threshold))
    }

    fn write(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        let module = module_of(metadata.target());
        let level = Level::of(*metadata.level());
        let [console, _, file] = self.row(module).map(|threshold| level.passes(threshold));
        let mut message = Message::default();
        event.record(&mut message);
        let now = SystemTime::now();
        let mut sink = self.sink();
        let dropped = match sink.limiter.admit(metadata.callsite(), now) {
            Verdict::Drop => return,
            Verdict::Pass => None,
            Verdict::PassAfter(note) => Some(note),
        };
        for text in dropped.iter().chain([&message.text]) {
            sink.n_lines += 1;
            let line = format!(
                "{}|{:05}|{}|{level}|{}\n",
                time::iso8601(now),
                sink.n_lines,
                MODULES[module],
                one_line(text)
            );
            // There is nowhere to say that a line of the log could not be written.
            if console {
                let _ = io::stderr().write_all(line.as_bytes());
            }
            if let Some(out) = sink.file.as_mut().filter(|_| file) {
                let _ = out.write_all(line.as_bytes());
            }
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o640).open(path)
}

/// A line is a line, whatever a device's name or a client's text holds.
fn one_line(text: &str) -> String {
    text.trim_end().replace('\n', "\\n")
}

fn module_of(target: &str) -> usize {
    let position = |name: &str| MODULES.iter().position(|module| *module == name);
    let found = target.split("::").find_map(|element| match element {
        "rpc" | "appctl" => position("unixctl"),
        "log" => position("vlog"),
        // Each crate's name begins its paths; `vswitchd` is no answer before the rest is tried.
        "vswitchd" => None,
        name => position(name),
    });
    found.or_else(|| position("vswitchd")).unwrap_or(0)
}

/// The text of an event: its message, then its fields.
#[derive(Default)]
struct Message {
    text: String,
}

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        // Writing to a string does not fail.
        let _ = match field.name() {
            "message" => write!(self.text, "{value:?}"),
            name => write!(self.text, " {name}={value:?}"),
        };
    }
}

/// The subscriber's layer.
struct LogLayer(Arc<Log>);

impl<S: Subscriber> Layer<S> for LogLayer {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        // Levels change while the daemon runs, so each event asks.
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.0.wants(metadata)
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        self.0.write(event);
    }
}

#[cfg(test)]
mod tests;
