//! Help as text, from the table.

use crate::cli::OPTIONS;
use crate::command::{CommandSpec, Family};

/// Widest signature that still has its explanation beside it, in columns.
const MAX_COLUMN: usize = 38;

/// The help of the whole program.
#[must_use]
pub fn overview() -> String {
    let mut text = String::from(
        "ofctl: control program of vswitchd\n\n\
         Usage: ofctl [OPTIONS] COMMAND [ARGUMENTS]\n\
         \x20      ofctl [OPTIONS] COMMAND ... -- COMMAND ...   one transaction: all or nothing\n",
    );
    for family in Family::SHOWN {
        let rows = CommandSpec::of_family(family);
        section(&mut text, family.title(), rows.map(|row| (row.signature(), row.help)));
    }
    section(&mut text, "Options", OPTIONS.iter().map(|option| (option.signature(), option.help)));
    text.push_str(
        "\nAny other word with a slash goes to the daemon as it stands.\n\
         Exit codes: 0 done, 1 refused by the switch, 2 wrong usage, 3 no daemon there.\n\
         More: ofctl help COMMAND, man ofctl\n",
    );
    text
}

/// The help of one command.
#[must_use]
pub fn of_command(command: &CommandSpec) -> String {
    let mut text = format!("{}\n\nUsage: {}\n", command.help, command.usage());
    if !command.long_help.is_empty() {
        text.push_str(&format!("\n{}\n", command.long_help));
    }
    if !command.switches.is_empty() {
        let switches = command.switches.iter();
        let rows = switches.map(|switch| {
            let short = switch.short().map(|short| format!("-{short}, ")).unwrap_or_default();
            (format!("{short}--{}", switch.long()), switch.help())
        });
        section(&mut text, "Options", rows);
    }
    if !command.options.is_empty() {
        let rows = command.options.iter().map(|option| (option.signature(), option.help));
        section(&mut text, "Options", rows);
    }
    if command.prints_state {
        text.push_str("\nWith --json it prints JSON.\n");
    }
    text
}

impl crate::cli::GlobalOption {
    /// The option with its value: `--rundir DIR`.
    #[must_use]
    pub fn signature(&self) -> String {
        match self.value {
            Some(value) => format!("--{} {value}", self.long),
            None => format!("--{}", self.long),
        }
    }
}

fn section<'a>(text: &mut String, title: &str, rows: impl Iterator<Item = (String, &'a str)>) {
    let rows: Vec<_> = rows.collect();
    let widths = rows.iter().map(|(left, _)| left.chars().count());
    let width = widths.filter(|width| *width <= MAX_COLUMN).max().unwrap_or(0);
    text.push_str(&format!("\n{title}:\n"));
    for (left, right) in rows {
        if left.chars().count() > width {
            text.push_str(&format!("  {left}\n  {:width$}  {right}\n", ""));
        } else {
            text.push_str(&format!("  {left:width$}  {right}\n"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::COMMANDS;

    #[test]
    fn the_overview_names_every_command_once_on_its_own_line() {
        let text = overview();
        for row in COMMANDS.iter().filter(|row| row.family != Family::Hidden) {
            let start = format!("  {}", row.signature());
            let n_lines = text.lines().filter(|line| {
                line.strip_prefix(&start)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
            });
            assert_eq!(n_lines.count(), 1, "{}", row.name);
        }
        assert!(!text.contains("generate"));
        assert!(text.lines().all(|line| line.chars().count() <= 132), "a line is too wide");
    }

    #[test]
    fn help_of_a_command_has_usage_switches_and_json() {
        let text = of_command(CommandSpec::find("get").unwrap());
        assert!(text.contains("Usage: ofctl [--if-exists] get bridge|port|switch [NAME] [KEY]\n"));
        assert!(text.contains("--if-exists"));
        assert!(text.contains("--json"));
        assert!(!of_command(CommandSpec::find("del-br").unwrap()).contains("--json"));
    }
}
