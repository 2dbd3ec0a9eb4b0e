//! Other programs: run to their end, or started and ended with us.
//!
//! # Invariants
//! What is started here ends with this process, however that ends: the kernel sends it `SIGTERM`
//! when the thread that started it is gone (`setpriv --pdeathsig`, prctl(2) `PR_SET_PDEATHSIG`).

use std::ffi::OsStr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// How long a program has to end after `SIGTERM`.
const END_LIMIT: Duration = Duration::from_secs(10);
/// Between two looks at a state that is awaited.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Runs a program; its standard output.
///
/// # Errors
/// It cannot be started, or fails: then with what it said on standard error.
pub fn run<S: AsRef<OsStr>>(program: &str, args: &[S]) -> Result<String> {
    output(Command::new(program).args(args))
}

/// Runs a command; its standard output.
///
/// # Errors
/// As [`run`].
pub fn output(command: &mut Command) -> Result<String> {
    let name = describe(command);
    let out =
        command.stdin(Stdio::null()).output().with_context(|| format!("cannot run {name}"))?;
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    if !out.status.success() {
        let said = String::from_utf8_lossy(&out.stderr);
        bail!("{name}: {}: {}{}", out.status, said.trim(), text.trim());
    }
    Ok(text)
}

/// The words of a command, for people.
fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

/// A command for a program inside a namespace, or beside it.
#[must_use]
pub fn command_in(netns: Option<&str>, program: impl AsRef<OsStr>) -> Command {
    let Some(netns) = netns else { return Command::new(program) };
    let mut command = Command::new("ip");
    command.args(["netns", "exec", netns]).arg(program);
    command
}

/// A command for a program that ends with us, inside a namespace or beside it.
#[must_use]
pub fn daemon_in(netns: Option<&str>, program: impl AsRef<OsStr>) -> Command {
    let mut command = command_in(netns, "setpriv");
    command.args(["--pdeathsig", "TERM"]).arg(program);
    command
}

/// A program that runs until it is dropped.
pub struct Running {
    child: Child,
    name: String,
}

impl Running {
    /// Starts a command made by [`daemon_in`].
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(command: &mut Command) -> Result<Running> {
        let name = describe(command);
        let child = command.stdin(Stdio::null()).spawn();
        Ok(Running { child: child.with_context(|| format!("cannot run {name}"))?, name })
    }

    /// Its process. `ip netns exec` and `setpriv` replace themselves by the program.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The child, for its pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Says so if it has ended.
    ///
    /// # Errors
    /// It has ended.
    pub fn check(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("{} ended: {status}", self.name),
            None => Ok(()),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let running = matches!(self.child.try_wait(), Ok(None));
        if let (Some(pid), true) = (pid, running) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let ended = wait_for("its end", END_LIMIT, || self.child.try_wait().transpose());
        if ended.is_err() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Looks until there is an answer.
///
/// # Errors
/// There is none in time; `what` says of what.
pub fn wait_for<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(answer) = look() {
            return Ok(answer);
        }
        if Instant::now() >= deadline {
            bail!("no {what} within {} s", limit.as_secs());
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_says_what_was_run_and_what_it_said() {
        assert_eq!(run("echo", &["a", "b"]).unwrap(), "a b\n");
        let error = run("sh", &["-c", "echo no >&2; exit 3"]).unwrap_err().to_string();
        assert!(error.starts_with("sh -c") && error.ends_with("no"), "{error}");
    }

    #[test]
    fn what_is_started_ends_with_its_handle() {
        let running = Running::start(daemon_in(None, "sleep").arg("60")).unwrap();
        let proc = format!("/proc/{}", running.pid());
        assert!(std::path::Path::new(&proc).exists());
        drop(running);
        assert!(!std::path::Path::new(&proc).exists());
        assert!(wait_for("miracle", Duration::ZERO, || None::<()>).is_err());
    }
}
