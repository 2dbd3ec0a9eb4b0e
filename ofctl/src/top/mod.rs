//! `ofctl top`: what passes each port per second, again and again.
//!
//! # Design
//! A sample is the answer to `vswitch/show` and the time it came; two samples and the time between
//! them give rates. Each sample has a connection of its own, so that a daemon that was started anew
//! in between is watched on, and one that is gone is told as any command tells it.
//!
//! ```text
//!  show ─► Sample ─┐
//!   interval       ├─► rates ─► screen | block | JSON line
//!  show ─► Sample ─┘
//! ```
//!
//! # Invariants
//! Between two drawings the terminal is in the state in which it was found: whatever ends the program,
//! nothing is to be restored.
//!
//! # Thread-safety
//! A second thread waits for signals and tells the first, which waits for it and for time together.

mod rates;
mod sample;
mod screen;
mod table;

use std::io::Write;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::cli::Part;
use crate::error::Error;
use crate::rpc::{Client, Reply};

use rates::Round;
use sample::Sample;
use screen::Screen;

/// Exit code of a program that a second signal ends, less the signal's number.
const SIGNALLED: i32 = 128;

/// Between samples, if nothing else is said.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(1);

/// Shortest and longest interval, in seconds: what a person can still see, and an hour.
const INTERVALS_S: std::ops::RangeInclusive<f64> = 0.1..=3600.0;

/// A `top` as asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TopArgs {
    /// The bridge whose ports are shown; `None` is all.
    pub bridge: Option<String>,
    /// Between samples.
    pub interval: Duration,
    /// After how many tables it ends; `None` is never.
    pub n_tables: Option<u64>,
}

impl TopArgs {
    /// From the words and options of the call.
    ///
    /// # Errors
    /// [`Error::Usage`] names the option, its value and what is allowed.
    pub fn of(part: &Part) -> Result<TopArgs, Error> {
        let bridge = part.words.get(1).cloned();
        let mut args = TopArgs { bridge, interval: DEFAULT_INTERVAL, n_tables: None };
        for (option, value) in &part.options {
            match *option {
                "interval" => args.interval = interval(value)?,
                _ => args.n_tables = Some(count(value)?),
            }
        }
        Ok(args)
    }
}

fn interval(value: &str) -> Result<Duration, Error> {
    let seconds = value.parse().ok().filter(|seconds: &f64| INTERVALS_S.contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| {
        let (least, most) = (INTERVALS_S.start(), INTERVALS_S.end());
        Error::Usage(format!("--interval={value}: (allowed: {least} to {most} seconds)"))
    })
}

fn count(value: &str) -> Result<u64, Error> {
    value
        .parse()
        .ok()
        .filter(|n| *n > 0)
        .ok_or_else(|| Error::Usage(format!("--count={value}: (allowed: 1 or more)")))
}

/// How tables are printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// On a terminal, each in the place of the one before.
    Screen,
    /// One below the other, with an empty line between them.
    Blocks,
    /// A line of JSON each.
    Json,
}

/// Prints a table after each interval, until there were as many as asked for, or a signal comes.
///
/// # Errors
/// The switch refuses, its daemon is gone, or standard output cannot be written.
pub fn run(
    connect: impl Fn() -> Result<Client, Error>,
    args: &TopArgs,
    form: Form,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let signals = signals()?;
    let mut screen = Screen::new(form, out);
    let mut before = sample(connect()?, args)?;
    let mut due = before.at;
    let mut n_printed = 0;
    while args.n_tables.is_none_or(|n_tables| n_printed < n_tables) {
        // Late by a slow daemon or a stopped terminal: what was missed is not made up for.
        due = (due + args.interval).max(Instant::now());
        match signals.recv_timeout(due.saturating_duration_since(Instant::now())) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => break,
        }
        let now = sample(connect()?, args)?;
        screen.print(&Round::between(&before, &now))?;
        before = now;
        n_printed += 1;
    }
    screen.end()
}

/// The switch as it is now.
fn sample(mut client: Client, args: &TopArgs) -> Result<Sample, Error> {
    let mut params = vec!["--format=json".to_owned()];
    params.extend(args.bridge.clone());
    let shown = match client.call("vswitch/show", &params)? {
        Reply::Done(shown) => shown,
        Reply::Refused(text) => return Err(Error::Refused(text)),
    };
    let sample = Sample::of(&shown, Instant::now());
    sample.map_err(|reason| client.bad_reply(reason).into())
}

/// The first signal is received here; the second does not wait for a daemon that hangs.
fn signals() -> Result<Receiver<()>, Error> {
    let failed = |source| Error::Signals { source };
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(failed)?;
    let (sender, receiver) = channel();
    let thread = std::thread::Builder::new().name("signals".into());
    thread
        .spawn(move || {
            for (n, signal) in signals.forever().enumerate() {
                if n > 0 || sender.send(()).is_err() {
                    std::process::exit(SIGNALLED + signal);
                }
            }
        })
        .map_err(failed)?;
    Ok(receiver)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args_of(options: &[(&'static str, &str)]) -> Result<TopArgs, String> {
        let options = options.iter().map(|(option, value)| (*option, (*value).to_owned()));
        let words = vec!["top".to_owned(), "br0".to_owned()];
        let part = Part { switches: Vec::new(), options: options.collect(), words };
        TopArgs::of(&part).map_err(|error| {
            assert_eq!(error.exit_code(), 2);
            error.to_string()
        })
    }

    #[test]
    fn options_have_defaults_and_fractions() {
        let bridge = Some("br0".to_owned());
        let expected = TopArgs { bridge, interval: Duration::from_secs(1), n_tables: None };
        assert_eq!(args_of(&[]), Ok(expected.clone()));
        let expected =
            TopArgs { interval: Duration::from_millis(200), n_tables: Some(2), ..expected };
        assert_eq!(args_of(&[("interval", "0.2"), ("count", "2")]), Ok(expected));
    }

    #[test]
    fn a_wrong_value_is_told_with_what_is_allowed() {
        for value in ["0", "0.05", "3601", "-1", "x", "", "inf", "nan", "1s"] {
            let expected = format!("--interval={value}: (allowed: 0.1 to 3600 seconds)");
            assert_eq!(args_of(&[("interval", value)]), Err(expected));
        }
        for value in ["0", "-1", "1.5", "x", "", "18446744073709551616"] {
            let expected = format!("--count={value}: (allowed: 1 or more)");
            assert_eq!(args_of(&[("count", value)]), Err(expected));
        }
    }
}
