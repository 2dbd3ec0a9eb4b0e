//! Levels of the log.

use std::fmt;

/// How grave an event is, or which events are wanted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// No event.
    Off,
    /// The daemon ends.
    Emer,
    /// Something failed that needs a person.
    Err,
    /// Something failed that may heal.
    Warn,
    /// A change that a person may want to know of.
    Info,
    /// For those who look for a fault.
    Dbg,
}

impl Level {
    const ALL: [Level; 6] =
        [Level::Off, Level::Emer, Level::Err, Level::Warn, Level::Info, Level::Dbg];

    /// Of `tracing`'s levels.
    #[must_use]
    pub fn of(level: tracing::Level) -> Level {
        match level {
            tracing::Level::ERROR => Level::Err,
            tracing::Level::WARN => Level::Warn,
            tracing::Level::INFO => Level::Info,
            _ => Level::Dbg,
        }
    }

    /// From its word, in either case; `error` and `debug` too.
    #[must_use]
    pub fn parse(word: &str) -> Option<Level> {
        let is = |name: &str| name.eq_ignore_ascii_case(word);
        match () {
            () if is("error") => Some(Level::Err),
            () if is("debug") => Some(Level::Dbg),
            () => Level::ALL.into_iter().find(|level| is(level.name())),
        }
    }

    /// Whether an event of this level is wanted where `threshold` is set.
    #[must_use]
    pub fn passes(self, threshold: Level) -> bool {
        self <= threshold
    }

    /// Its word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Level::Off => "OFF",
            Level::Emer => "EMER",
            Level::Err => "ERR",
            Level::Warn => "WARN",
            Level::Info => "INFO",
            Level::Dbg => "DBG",
        }
    }

    pub(super) const fn number(self) -> u8 {
        self as u8
    }

    pub(super) fn from_number(number: u8) -> Level {
        Level::ALL.get(usize::from(number)).copied().unwrap_or(Level::Off)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
