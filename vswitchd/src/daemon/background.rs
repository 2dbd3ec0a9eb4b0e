//! `--detach`.
//!
//! # Design
//! No `fork`: the process runs itself again as a child with its output in a pipe, and waits for the
//! line that says that the child is ready. Errors of the start come to the terminal all the same; then
//! the child lets go of it.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};

use anyhow::Context as _;

use super::READY;

/// Starts the daemon in the background; returns when it is ready, or has failed.
pub fn launch() -> anyhow::Result<ExitCode> {
    let program = std::env::current_exe().context("--detach: the program's file is not known")?;
    let mut words = std::env::args_os();
    let mut command = Command::new(program);
    if let Some(name) = words.next() {
        command.arg0(name);
    }
    let mut child = command
        .args(words)
        .arg("--detached-child")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("--detach: the daemon cannot be started")?;
    let output = child.stdout.take().context("--detach: no pipe to the daemon")?;
    for line in BufReader::new(output).lines() {
        if line.context("--detach: the daemon's output")? == READY {
            #[allow(clippy::print_stdout, reason = "the line that whoever starts it waits for")]
            {
                println!("{READY}");
            }
            return Ok(ExitCode::SUCCESS);
        }
    }
    // It has said why.
    let status = child.wait().context("--detach")?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, |code| {
        if code == 0 { ExitCode::FAILURE } else { ExitCode::from(code) }
    }))
}

/// Makes this process independent of the terminal's signals, and of the folder it was started in.
pub fn leave_terminal() -> anyhow::Result<()> {
    // It fails only if the process leads a group already, and is as independent then.
    let _ = rustix::process::setsid();
    std::env::set_current_dir("/").context("--detach: /")
}

/// Lets go of the terminal's descriptors, so that whoever waits for their end does not wait for ever.
pub fn leave_output() -> anyhow::Result<()> {
    let null = File::options().read(true).write(true).open("/dev/null").context("/dev/null")?;
    rustix::stdio::dup2_stdin(&null).context("standard input")?;
    rustix::stdio::dup2_stdout(&null).context("standard output")?;
    rustix::stdio::dup2_stderr(&null).context("standard error")
}
