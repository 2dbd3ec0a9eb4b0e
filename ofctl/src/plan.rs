//! From the commands as given to what is to be done: names and counts are checked here, so that
//! a wrong call changes nothing.

use crate::capture::CaptureArgs;
use crate::cli::{Part, is_verbatim};
use crate::command::{CommandSpec, Family, Route, suggest};
use crate::error::Error;
use crate::of::Task;
use crate::of::options::Options;
use crate::top::TopArgs;

/// What a call asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Plan {
    /// One transaction: all commands or none. The words as `vswitch/transact` takes them, without
    /// its `--format`.
    Transact(Vec<String>),
    /// `vswitch/show`, of one bridge or of all.
    Show(Option<String>),
    /// A word of the daemon with its arguments as they stand.
    Verbatim {
        /// The word.
        method: String,
        /// Its arguments.
        params: Vec<String>,
    },
    /// Frames as they pass.
    Capture(CaptureArgs),
    /// What passes each port per second.
    Top(TopArgs),
    /// OpenFlow with a bridge.
    OpenFlow {
        /// What to do.
        task: Task,
        /// The arguments.
        args: Vec<String>,
        /// The options.
        options: Options,
    },
    /// Help on all commands, or on one.
    Help(Option<&'static CommandSpec>),
    /// Write generated files.
    Generate {
        /// What to write.
        what: Generated,
        /// The folder.
        dir: String,
    },
}

/// What `ofctl generate` writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Generated {
    /// The man page.
    Man,
    /// The completions of all shells.
    Completions,
}

/// Checks the commands of a call.
///
/// # Errors
///
/// [`Error::Usage`]: no command, an unknown one, a wrong count of arguments, a switch that the
/// command does not take, or a command that cannot be part of a transaction.
pub fn plan(mut parts: Vec<Part>) -> Result<Plan, Error> {
    // `ofctl -- --if-exists del-br br0`: options first, then the first command.
    if parts.len() > 1 && parts[0] == Part::default() {
        parts.remove(0);
    }
    if let [part] = parts.as_slice() {
        return plan_one(part);
    }
    let mut words = Vec::new();
    for part in &parts {
        let command = check(part)?;
        if command.route != Route::Transaction {
            return Err(Error::Usage(format!(
                "{} cannot be combined with other commands by \"--\"",
                command.name
            )));
        }
        if !words.is_empty() {
            words.push("--".to_owned());
        }
        push_words(&mut words, part);
    }
    Ok(Plan::Transact(words))
}

/// The command whose help a call with `--help` wants.
///
/// # Errors
///
/// [`Error::Usage`] if there is no such command.
pub fn help_for(parts: &[Part]) -> Result<Plan, Error> {
    match parts.iter().flat_map(|part| part.words.first()).next() {
        Some(word) => Ok(Plan::Help(Some(find(word)?))),
        None => Ok(Plan::Help(None)),
    }
}

fn plan_one(part: &Part) -> Result<Plan, Error> {
    if let Some((method, params)) = part.words.split_first()
        && is_verbatim(method)
    {
        check_switches(part, method, &[])?;
        if let Some((name, _)) = part.options.first() {
            return Err(Error::Usage(format!("{method} does not take --{name}")));
        }
        return Ok(Plan::Verbatim { method: method.clone(), params: params.to_vec() });
    }
    let command = check(part)?;
    let args = &part.words[1..];
    match command.route {
        Route::Transaction => {
            let mut words = Vec::new();
            push_words(&mut words, part);
            Ok(Plan::Transact(words))
        }
        Route::Show => Ok(Plan::Show(args.first().cloned())),
        Route::OpenFlow(task) => {
            Ok(Plan::OpenFlow { task, args: args.to_vec(), options: Options::of(part)? })
        }
        Route::Capture => Ok(Plan::Capture(CaptureArgs::of(part))),
        Route::Top => Ok(Plan::Top(TopArgs::of(part)?)),
        Route::Verbatim | Route::Local => plan_local(command, args),
    }
}

fn plan_local(command: &CommandSpec, args: &[String]) -> Result<Plan, Error> {
    match (command.family, args) {
        (Family::Hidden, [what, dir]) => {
            let what = match what.as_str() {
                "man" => Generated::Man,
                "completions" => Generated::Completions,
                _ => {
                    return Err(Error::Usage(format!(
                        "cannot generate {what:?}; allowed: man, completions"
                    )));
                }
            };
            Ok(Plan::Generate { what, dir: dir.clone() })
        }
        (_, [word]) => Ok(Plan::Help(Some(find(word)?))),
        _ => Ok(Plan::Help(None)),
    }
}

fn check(part: &Part) -> Result<&'static CommandSpec, Error> {
    let Some((word, args)) = part.words.split_first() else {
        return Err(Error::Usage("no command given (see: ofctl help)".to_owned()));
    };
    if is_verbatim(word) {
        return Err(Error::Usage(format!(
            "{word} cannot be combined with other commands by \"--\""
        )));
    }
    let command = find(word)?;
    check_switches(part, word, command.switches)?;
    check_options(part, command)?;
    match command.count_error(args.len()) {
        Some(text) => Err(Error::Usage(text)),
        None => Ok(command),
    }
}

fn check_switches(
    part: &Part,
    word: &str,
    allowed: &[crate::command::Switch],
) -> Result<(), Error> {
    match part.switches.iter().find(|switch| !allowed.contains(switch)) {
        Some(switch) => Err(Error::Usage(format!("{word} does not take --{}", switch.long()))),
        None => Ok(()),
    }
}

fn check_options(part: &Part, command: &CommandSpec) -> Result<(), Error> {
    let takes = |name: &str| command.options.iter().any(|option| option.long == name);
    match part.options.iter().find(|(name, _)| !takes(name)) {
        Some((name, _)) => Err(Error::Usage(format!("{} does not take --{name}", command.name))),
        None => Ok(()),
    }
}

fn find(word: &str) -> Result<&'static CommandSpec, Error> {
    CommandSpec::find(word).ok_or_else(|| {
        let meant = suggest(word).map(|name| format!("; did you mean {name:?}?"));
        let meant = meant.unwrap_or_default();
        Error::Usage(format!("{word:?} is not a command{meant} (see: ofctl help)"))
    })
}

/// Switches stand before the word, as `ovs-vsctl` has them, wherever they were given.
fn push_words(words: &mut Vec<String>, part: &Part) {
    words.extend(part.switches.iter().map(|switch| format!("--{}", switch.long())));
    words.extend(part.words.iter().cloned());
}

#[cfg(test)]
#[path = "plan/tests.rs"]
mod tests;
