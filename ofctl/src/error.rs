//! Why a call of `ofctl` failed, as one line and an exit code.

use std::io;

use crate::of::connection::ConnectionError;
use crate::rpc::RpcError;

/// Why a call failed. `Display` is one line, without the program's name and without a full stop.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The call itself is wrong; nothing was sent.
    #[error("{0}")]
    Usage(String),
    /// The switch refused; nothing was changed.
    #[error("{}", one_line(.0))]
    Refused(String),
    /// No daemon answered, or not as a daemon does.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// No switch answered, or not as a switch does.
    #[error(transparent)]
    OpenFlow(#[from] ConnectionError),
    /// `diff-flows` found differences, and has printed them.
    #[error("the flows differ")]
    Differ,
    /// Standard output could not be written. What the daemon did is done.
    #[error("cannot write standard output: {0}")]
    Output(#[source] io::Error),
    /// The system refuses to tell of signals.
    #[error("cannot wait for signals: {source}")]
    Signals {
        /// Why.
        source: io::Error,
    },
    /// A file could not be written.
    #[error("cannot write {path}: {source}")]
    Generate {
        /// The file or folder.
        path: String,
        /// Why.
        source: io::Error,
    },
}

impl Error {
    /// The exit code of the program: 1 refused, 2 wrong usage, 3 no daemon there.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Error::Refused(_)
            | Error::Output(_)
            | Error::Signals { .. }
            | Error::Generate { .. } => 1,
            // As ovs-ofctl has it for flows that differ.
            Error::Usage(_) | Error::Differ => 2,
            Error::Rpc(_) | Error::OpenFlow(_) => 3,
        }
    }

    /// Whether everything is said already, and the exit code is all that is left.
    #[must_use]
    pub const fn is_said(&self) -> bool {
        matches!(self, Error::Differ)
    }

    /// Whether the reader of standard output has gone, which is no failure (`ofctl … | head`).
    #[must_use]
    pub fn is_closed_output(&self) -> bool {
        matches!(self, Error::Output(source) if source.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// The text as one line that is safe on a terminal: no line ends, no control characters.
#[must_use]
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for part in text.lines().map(str::trim_end).filter(|part| !part.is_empty()) {
        if !line.is_empty() {
            line.push_str("; ");
        }
        for c in part.chars() {
            if c.is_control() { line.extend(c.escape_default()) } else { line.push(c) }
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_line_whatever_the_daemon_sent() {
        assert_eq!(one_line("no bridge named br9"), "no bridge named br9");
        assert_eq!(one_line("first\n\nsecond\r\n"), "first; second");
        assert_eq!(one_line("\u{1b}[31mred\tx"), "\\u{1b}[31mred\\tx");
        assert_eq!(one_line(""), "");
    }

    #[test]
    fn only_a_closed_pipe_is_quiet() {
        assert!(Error::Output(io::ErrorKind::BrokenPipe.into()).is_closed_output());
        assert!(!Error::Output(io::ErrorKind::StorageFull.into()).is_closed_output());
        assert!(!Error::Refused("broken pipe".into()).is_closed_output());
    }
}
