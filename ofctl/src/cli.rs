//! The command line: a `clap` command built from the table, and its reading.
//!
//! # Design
//!
//! A call is one or more commands separated by `--`. Each part is read by `clap` alone, with the
//! same options, so that options may stand before or after any command word. The exception is a
//! command that goes to the daemon as it stands: everything after its word belongs to the daemon,
//! `--` included. To `clap` it is an external subcommand.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint, builder::ValueParser, value_parser};

use crate::command::{CommandSpec, Family, Need, Route, Switch, ValueOption};
use crate::error::{Error, one_line};
use crate::table::{COMMANDS, SHARED_OPTIONS};

/// How long a call may take without `--timeout`: longer than any command takes, shorter than a
/// person's or a script's patience.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// Largest `--timeout`, in seconds: a day.
const MAX_TIMEOUT_S: u64 = 86_400;

/// An option of the program, before or after a command word.
#[derive(Clone, Copy, Debug)]
pub struct GlobalOption {
    /// The name without dashes.
    pub long: &'static str,
    /// What its value is called, if it takes one.
    pub value: Option<&'static str>,
    /// One line, without a full stop.
    pub help: &'static str,
}

/// The options of the program, in the order of help.
pub const OPTIONS: &[GlobalOption] = &[
    GlobalOption {
        long: "rundir",
        value: Some("DIR"),
        help: "Where the daemon's sockets are (default $VSWITCH_RUNDIR, else /run/vswitch)",
    },
    GlobalOption { long: "json", value: None, help: "Print state as JSON" },
    GlobalOption {
        long: "timeout",
        value: Some("SECONDS"),
        help: "Give up if the daemon has not answered by then (default 30; 0: wait for ever)",
    },
    GlobalOption { long: "help", value: None, help: "Show help, of a command if one is given" },
    GlobalOption { long: "version", value: None, help: "Print the version of this program" },
];

/// The options of the program as given.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Globals {
    /// `--rundir`.
    pub rundir: Option<PathBuf>,
    /// `--json`.
    pub is_json: bool,
    /// `--timeout`; zero is "for ever".
    pub timeout: Option<Duration>,
    /// `--help`.
    pub wants_help: bool,
    /// `--version`.
    pub wants_version: bool,
}

/// One command as given: names are not checked yet.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Part {
    /// The switches, in the order of [`Switch::ALL`].
    pub switches: Vec<Switch>,
    /// The options with a value that were given, by their long names, in the table's order.
    pub options: Vec<(&'static str, String)>,
    /// The command word and its arguments; empty if there is no word.
    pub words: Vec<String>,
}

/// Whether a command word goes to the daemon as it stands.
#[must_use]
pub fn is_verbatim(word: &str) -> bool {
    match CommandSpec::find(word) {
        Some(command) => command.route == Route::Verbatim,
        None => word.contains('/'),
    }
}

/// Reads the arguments, the program's name first.
///
/// # Errors
///
/// [`Error::Usage`] for unknown options, values that are none, and text that is not UTF-8.
pub fn read(args: impl IntoIterator<Item = OsString>) -> Result<(Globals, Vec<Part>), Error> {
    let args: Vec<OsString> = args.into_iter().skip(1).collect();
    let mut globals = Globals::default();
    let mut parts = Vec::new();
    let mut rest = args.as_slice();
    // Made once: it costs more than all that it reads.
    let mut command = parser();
    loop {
        let end = rest.iter().position(|arg| arg == "--").unwrap_or(rest.len());
        let matches = command.try_get_matches_from_mut(&rest[..end]);
        let matches = matches.map_err(|e| usage_error(&e))?;
        merge_globals(&mut globals, &matches);
        let mut part = read_part(&matches);
        if part.words.first().is_some_and(|word| is_verbatim(word)) {
            append_verbatim(&mut part.words, &rest[end..])?;
            parts.push(part);
            return Ok((globals, parts));
        }
        parts.push(part);
        match rest.get(end + 1..) {
            Some(next) => rest = next,
            None => return Ok((globals, parts)),
        }
    }
}

/// The command as help, man page and completions describe it: with a subcommand for each row.
#[must_use]
pub fn described() -> Command {
    let mut command = bare().about("Control program of vswitchd");
    for row in COMMANDS.iter().filter(|row| row.family != Family::Hidden) {
        let mut sub = Command::new(row.name).about(row.help).override_usage(row.usage());
        for switch in row.switches {
            sub = sub.arg(switch_arg(*switch));
        }
        sub = sub.args(row.options.iter().map(value_arg));
        if !row.args.is_empty() {
            sub = sub.arg(words_arg().value_name(row.args));
        }
        command = command.subcommand(sub);
    }
    command
}

/// The command as the program reads it. Counts are checked later, with the usage of the command.
fn parser() -> Command {
    let mut command = bare()
        .no_binary_name(true)
        .allow_external_subcommands(true)
        .external_subcommand_value_parser(value_parser!(String));
    for switch in Switch::ALL {
        command = command.arg(switch_arg(switch).global(true));
    }
    for option in SHARED_OPTIONS {
        let arg = value_arg(option).global(true);
        command = command.arg(match option.need {
            Need::Required => arg,
            Need::Optional => arg.default_missing_value(""),
        });
    }
    for row in COMMANDS.iter().filter(|row| row.route != Route::Verbatim) {
        let own = row.options.iter().filter(|option| !SHARED_OPTIONS.contains(option));
        let options = own.map(value_arg);
        command = command.subcommand(Command::new(row.name).args(options).arg(words_arg()));
    }
    command
}

fn bare() -> Command {
    let command = Command::new("ofctl")
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_flag(true)
        .disable_help_subcommand(true)
        .disable_version_flag(true)
        .args_override_self(true);
    OPTIONS.iter().fold(command, |command, option| command.arg(option_arg(option)))
}

fn option_arg(option: &GlobalOption) -> Arg {
    let arg = Arg::new(option.long).long(option.long).help(option.help).global(true);
    let arg = match option.long {
        "help" => arg.short('h'),
        "version" => arg.short('V'),
        "timeout" => arg.short('t'),
        _ => arg,
    };
    let Some(value_name) = option.value else { return arg.action(ArgAction::SetTrue) };
    let arg = arg.action(ArgAction::Set).value_name(value_name);
    match option.long {
        "rundir" => arg.value_parser(ValueParser::path_buf()).value_hint(ValueHint::DirPath),
        _ => arg.value_parser(value_parser!(u64).range(0..=MAX_TIMEOUT_S)),
    }
}

fn switch_arg(switch: Switch) -> Arg {
    let arg = Arg::new(switch.long()).long(switch.long()).help(switch.help());
    switch.short().into_iter().fold(arg, Arg::short).action(ArgAction::SetTrue)
}

fn value_arg(option: &ValueOption) -> Arg {
    let arg = Arg::new(option.long).long(option.long).help(option.help);
    let arg = option.short.into_iter().fold(arg, Arg::short);
    let hint = if option.value == "FILE" { ValueHint::FilePath } else { ValueHint::Other };
    let arg = arg.value_name(option.value).value_hint(hint);
    match option.need {
        Need::Required => arg.action(ArgAction::Set),
        Need::Optional => arg.action(ArgAction::Append).num_args(0..=1).require_equals(true),
    }
}

fn words_arg() -> Arg {
    Arg::new("words").num_args(0..).value_parser(value_parser!(String))
}

fn merge_globals(globals: &mut Globals, matches: &ArgMatches) {
    if let Some(rundir) = matches.get_one::<PathBuf>("rundir") {
        globals.rundir = Some(rundir.clone());
    }
    if let Some(seconds) = matches.get_one::<u64>("timeout") {
        globals.timeout = Some(Duration::from_secs(*seconds));
    }
    globals.is_json |= matches.get_flag("json");
    globals.wants_help |= matches.get_flag("help");
    globals.wants_version |= matches.get_flag("version");
}

fn read_part(matches: &ArgMatches) -> Part {
    let switches = Switch::ALL.into_iter().filter(|switch| matches.get_flag(switch.long()));
    let (mut words, mut options) = (Vec::new(), Vec::new());
    if let Some((word, sub)) = matches.subcommand() {
        words.push(word.to_owned());
        let own = CommandSpec::find(word).map_or(&[][..], |row| row.options);
        let own = own.iter().filter(|option| !SHARED_OPTIONS.contains(option));
        for option in own {
            let value = sub.get_one::<String>(option.long);
            options.extend(value.map(|value| (option.long, value.clone())));
        }
        // The words of an external subcommand have the empty name.
        let id = if CommandSpec::find(word).is_some_and(|row| row.route != Route::Verbatim) {
            "words"
        } else {
            ""
        };
        words.extend(sub.get_many::<String>(id).into_iter().flatten().cloned());
    }
    options.extend(shared_options(matches));
    Part { switches: switches.collect(), options, words }
}

/// In the order in which they were given, which counts for sorting.
fn shared_options(matches: &ArgMatches) -> Vec<(&'static str, String)> {
    let mut found: Vec<(usize, &'static str, String)> = Vec::new();
    for option in SHARED_OPTIONS {
        let places = matches.indices_of(option.long).into_iter().flatten();
        let values = matches.get_many::<String>(option.long).into_iter().flatten();
        let pairs = places.zip(values).map(|(at, value)| (at, option.long, value.clone()));
        found.extend(pairs);
    }
    found.sort();
    found.into_iter().map(|(_, name, value)| (name, value)).collect()
}

fn append_verbatim(words: &mut Vec<String>, rest: &[OsString]) -> Result<(), Error> {
    for arg in rest {
        let Some(text) = arg.to_str() else {
            return Err(Error::Usage(format!("{arg:?} is not UTF-8 text")));
        };
        words.push(text.to_owned());
    }
    Ok(())
}

/// What `clap` says, without its usage lines.
fn usage_error(error: &clap::Error) -> Error {
    let text = error.to_string();
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or("wrong usage");
    let mut line = one_line(first.strip_prefix("error: ").unwrap_or(first));
    if let Some(tip) = lines.find_map(|line| line.strip_prefix("tip: "))
        && tip.contains("similar")
    {
        line.push_str(&format!("; {}", one_line(tip)));
    }
    line.push_str(" (see: ofctl help)");
    Error::Usage(line)
}

#[cfg(test)]
#[path = "cli/tests.rs"]
mod tests;
