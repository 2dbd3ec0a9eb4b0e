//! Commands that a test runs, and children that die with it.

use std::process::{Command, Stdio};

/// What a command said, and how it ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Exit code; -1 if a signal ended it.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// Runs a command to its end.
///
/// # Panics
/// If the program cannot be started.
pub fn run(words: &[&str]) -> Outcome {
    let (program, args) = words.split_first().expect("a command has a program");
    let output = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("cannot run {program}: {error}"));
    Outcome {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Runs a command that must succeed; its standard output.
///
/// # Panics
/// If it fails, with what it said.
pub fn must(words: &[&str]) -> String {
    let outcome = run(words);
    let Outcome { code, stdout, stderr } = &outcome;
    assert!(*code == 0, "`{}` ended with {code}\n{stdout}{stderr}", words.join(" "));
    outcome.stdout
}

/// A command whose process is killed when the thread that spawns it ends, however it ends: no test
/// leaves a daemon behind, not even a killed one.
#[must_use]
pub fn mortal(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", program]);
    command
}
