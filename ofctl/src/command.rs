//! What a command of `ofctl` is, how it is found by name, and which name was probably meant.

use crate::of::Task;
use crate::table::COMMANDS;

/// One row of the command table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CommandSpec {
    /// The command word.
    pub name: &'static str,
    /// The group in which help shows it.
    pub family: Family,
    /// The arguments as usage shows them: `BR PORT [KEY=VALUE...]`.
    pub args: &'static str,
    /// Fewest arguments that it takes.
    pub min_args: usize,
    /// Most arguments that it takes; `None` is no limit.
    pub max_args: Option<usize>,
    /// Switches that it accepts, before or after its name.
    pub switches: &'static [Switch],
    /// Options with a value that it accepts, before or after its arguments.
    pub options: &'static [ValueOption],
    /// One line, without a full stop.
    pub help: &'static str,
    /// Paragraphs below the one line; may be empty. A line that starts with two blanks is shown
    /// as it stands.
    pub long_help: &'static str,
    /// Whether it prints state, so that `--json` changes its output.
    pub prints_state: bool,
    /// Where it goes.
    pub route: Route,
}

/// The group in which help shows a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Family {
    /// Bridges, ports and settings: kept in the configuration.
    Configuration,
    /// Flows, groups and meters: OpenFlow.
    Flows,
    /// Inspection of the running daemon.
    Inspection,
    /// Traffic as it passes.
    Watching,
    /// This program itself.
    Program,
    /// For the build; help does not show it.
    Hidden,
}

impl Family {
    /// The groups that help shows, in its order.
    pub const SHOWN: [Family; 5] = [
        Family::Configuration,
        Family::Flows,
        Family::Inspection,
        Family::Watching,
        Family::Program,
    ];

    /// The heading in help and in the man page.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Family::Configuration => "Bridges and ports (kept in the configuration)",
            Family::Flows => "Flows, groups and meters (OpenFlow, words of ovs-ofctl)",
            Family::Inspection => "Inspection (words of ovs-appctl)",
            Family::Watching => "Watching",
            Family::Program => "This program",
            Family::Hidden => "For the build",
        }
    }
}

/// Where a command goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Route {
    /// A part of one `vswitch/transact`: several may stand in one call, separated by `--`.
    Transaction,
    /// `vswitch/show`.
    Show,
    /// The word and its arguments go to the daemon as they stand.
    Verbatim,
    /// `vswitch/capture`, until it is ended.
    Capture,
    /// `vswitch/show`, again and again.
    Top,
    /// OpenFlow, on the socket of a bridge.
    OpenFlow(Task),
    /// Answered here, without a daemon.
    Local,
}

/// An option of a command that takes a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ValueOption {
    /// The name without dashes.
    pub long: &'static str,
    /// The letter, if it has one.
    pub short: Option<char>,
    /// What its value is called.
    pub value: &'static str,
    /// Whether the value may be left out; then it stands behind `=`.
    pub need: Need,
    /// One line, without a full stop.
    pub help: &'static str,
}

/// Whether an option's value may be left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Need {
    /// It may not: `-w FILE`.
    Required,
    /// It may: `--sort`, `--sort=FIELD`.
    Optional,
}

impl ValueOption {
    /// As usage shows it: `-w FILE`.
    #[must_use]
    pub fn usage(&self) -> String {
        match (self.short, self.need) {
            (_, Need::Optional) => format!("--{}[={}]", self.long, self.value),
            (Some(short), Need::Required) => format!("-{short} {}", self.value),
            (None, Need::Required) => format!("--{} {}", self.long, self.value),
        }
    }

    /// As help lists it: `-w, --write FILE`.
    #[must_use]
    pub fn signature(&self) -> String {
        let short = self.short.map(|short| format!("-{short}, ")).unwrap_or_default();
        match self.need {
            Need::Required => format!("{short}--{} {}", self.long, self.value),
            Need::Optional => format!("{short}--{}[={}]", self.long, self.value),
        }
    }
}

/// A switch of a command, as `ovs-vsctl` and `ovs-ofctl` have them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Switch {
    /// All or nothing.
    Bundle,
    /// What is to be removed or read may be missing.
    IfExists,
    /// A group that is to be changed may be missing.
    MayCreate,
    /// What is to be added may be there already.
    MayExist,
    /// Packets byte by byte.
    More,
    /// Names of ports.
    Names,
    /// Numbers of ports.
    NoNames,
    /// Not what was counted.
    NoStats,
    /// Flows that are there are added anew.
    Readd,
    /// Only the flow with this match and priority.
    Strict,
    /// The time before each message.
    Timestamp,
}

impl Switch {
    /// Every switch, by name.
    pub const ALL: [Switch; 11] = [
        Switch::Bundle,
        Switch::IfExists,
        Switch::MayCreate,
        Switch::MayExist,
        Switch::More,
        Switch::Names,
        Switch::NoNames,
        Switch::NoStats,
        Switch::Readd,
        Switch::Strict,
        Switch::Timestamp,
    ];

    /// The name without dashes.
    #[must_use]
    pub const fn long(self) -> &'static str {
        match self {
            Switch::Bundle => "bundle",
            Switch::IfExists => "if-exists",
            Switch::MayCreate => "may-create",
            Switch::MayExist => "may-exist",
            Switch::More => "more",
            Switch::Names => "names",
            Switch::NoNames => "no-names",
            Switch::NoStats => "no-stats",
            Switch::Readd => "readd",
            Switch::Strict => "strict",
            Switch::Timestamp => "timestamp",
        }
    }

    /// The letter, if it has one.
    #[must_use]
    pub const fn short(self) -> Option<char> {
        match self {
            Switch::More => Some('m'),
            _ => None,
        }
    }

    /// One line, without a full stop.
    #[must_use]
    pub const fn help(self) -> &'static str {
        match self {
            Switch::Bundle => "Do all of it, or nothing",
            Switch::IfExists => "Do nothing if it is not there",
            Switch::MayCreate => "Add the group if it is not there",
            Switch::MayExist => "Do nothing if it is there already",
            Switch::More => "Show packets byte by byte too",
            Switch::Names => "Show ports and tables by name; default on a terminal",
            Switch::NoNames => "Show ports and tables by number, and take no names",
            Switch::NoStats => "Leave out what was counted",
            Switch::Readd => "Add flows that are there anew, which resets their counters",
            Switch::Strict => "Mean the one flow with this match and priority",
            Switch::Timestamp => "Put the time before each message",
        }
    }
}

impl CommandSpec {
    /// The row of that name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static CommandSpec> {
        COMMANDS.iter().find(|command| command.name == name)
    }

    /// The rows of a family, in table order.
    pub fn of_family(family: Family) -> impl Iterator<Item = &'static CommandSpec> {
        COMMANDS.iter().filter(move |command| command.family == family)
    }

    /// The usage line: `ofctl [--may-exist] add-br BR [KEY=VALUE...]`.
    #[must_use]
    pub fn usage(&self) -> String {
        let mut line = String::from("ofctl");
        for switch in self.switches {
            line.push_str(&format!(" [--{}]", switch.long()));
        }
        line.push(' ');
        line.push_str(&self.signature());
        for option in self.options {
            line.push_str(&format!(" [{}]", option.usage()));
        }
        line
    }

    /// The name and its arguments: `add-br BR [KEY=VALUE...]`.
    #[must_use]
    pub fn signature(&self) -> String {
        format!("{} {}", self.name, self.args).trim_end().to_owned()
    }

    /// What is wrong with a count of arguments, if anything.
    #[must_use]
    pub fn count_error(&self, n_args: usize) -> Option<String> {
        let limit = match self.max_args {
            _ if n_args < self.min_args => format!("at least {}", plural(self.min_args)),
            Some(0) if n_args > 0 => "no arguments".to_owned(),
            Some(max) if n_args > max => format!("at most {}", plural(max)),
            _ => return None,
        };
        Some(format!("{} takes {limit}, not {n_args}; usage: {}", self.name, self.usage()))
    }
}

fn plural(n_args: usize) -> String {
    format!("{n_args} argument{}", if n_args == 1 { "" } else { "s" })
}

/// The command whose name is nearest to an unknown word, if one is near enough to be meant.
#[must_use]
pub fn suggest(word: &str) -> Option<&'static str> {
    // One edit in three letters: more is a different word.
    let max_distance = (word.chars().count() / 3).clamp(1, 3);
    COMMANDS
        .iter()
        .filter(|command| command.family != Family::Hidden)
        .map(|command| (edit_distance(word, command.name), command.name))
        .filter(|(distance, _)| *distance <= max_distance)
        .min()
        .map(|(_, name)| name)
}

/// How many letters must be inserted, removed, replaced, or swapped with their neighbour.
fn edit_distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    // An argument may be megabytes long; the table of distances must not be.
    if from.len().abs_diff(to.len()) > MAX_LENGTH_GAP {
        return usize::MAX;
    }
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in to.iter().enumerate() {
            let replaced = last[j] + usize::from(a != b);
            let mut best = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == to[j - 1] && from[i - 1] == *b {
                best = best.min(before_last[j - 1] + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[to.len()]
}

/// Letters by which a word may differ in length and still be a misspelling.
const MAX_LENGTH_GAP: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelled_words_find_their_command() {
        for (word, meant) in [
            ("ad-br", "add-br"),
            ("addbr", "add-br"),
            ("add_port", "add-port"),
            ("delport", "del-port"),
            ("list-prots", "list-ports"),
            ("shwo", "show"),
            ("exi", "exit"),
        ] {
            assert_eq!(suggest(word), Some(meant), "{word}");
        }
        for word in ["", "x", "frobnicate", "zzzzzzzz", &"add-br".repeat(10_000)] {
            assert_eq!(suggest(word), None);
        }
    }

    #[test]
    fn hidden_commands_are_not_suggested() {
        assert_eq!(suggest("generat"), None);
    }

    #[test]
    fn counts_are_checked_at_both_ends() {
        let add_port = CommandSpec::find("add-port").unwrap();
        let text = add_port.count_error(1).unwrap();
        assert!(text.starts_with("add-port takes at least 2 arguments, not 1; usage: ofctl "));
        assert_eq!(add_port.count_error(2), None);
        assert_eq!(add_port.count_error(200), None);
        let list_br = CommandSpec::find("list-br").unwrap();
        assert_eq!(list_br.count_error(0), None);
        assert!(list_br.count_error(1).unwrap().contains("takes no arguments, not 1"));
        let del_br = CommandSpec::find("del-br").unwrap();
        assert!(del_br.count_error(2).unwrap().contains("at most 1 argument, not 2"));
    }
}
