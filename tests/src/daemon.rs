//! A `vswitchd` of the test's own: in a namespace, with a folder for its sockets and configuration.

use std::fs::File;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::control::Control;
use crate::netns::Netns;
use crate::process::run;
use crate::wait::wait_for;

/// A daemon that works answers far sooner; this is a bound for a broken one on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// A running daemon, killed when dropped.
pub struct Daemon {
    child: Child,
    control: Control,
    folder: tempfile::TempDir,
    netns: String,
    wrapper: Vec<String>,
    args: Vec<String>,
}

/// The folder with the built programs: where cargo put this test, or `$VSWITCH_BIN_DIR`.
///
/// # Panics
/// If the program is not there: build it first (`cargo build`, as `make test` does).
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let folder = std::env::var_os("VSWITCH_BIN_DIR").map_or_else(
        || {
            let test = std::env::current_exe().expect("a test knows its own path");
            test.ancestors().nth(2).expect("tests lie in target/PROFILE/deps").to_owned()
        },
        PathBuf::from,
    );
    let path = folder.join(name);
    assert!(path.exists(), "{} is not built: run cargo build --workspace", path.display());
    path
}

impl Daemon {
    /// Starts a daemon in `netns` and waits until it is ready. `args` are added to its own.
    ///
    /// # Panics
    /// If it does not get ready, with its log.
    #[must_use]
    pub fn start(netns: &Netns, args: &[&str]) -> Daemon {
        Daemon::start_under(netns, &[], args)
    }

    /// The same, run by another program: one that takes rights away.
    ///
    /// # Panics
    /// If it does not get ready, with its log.
    #[must_use]
    pub fn start_under(netns: &Netns, wrapper: &[&str], args: &[&str]) -> Daemon {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let (wrapper, args): (Vec<String>, Vec<String>) = (owned(wrapper), owned(args));
        let child = spawn(netns.name(), folder.path(), (&wrapper, &args));
        let control = Control::new(folder.path().join("run"), folder.path().join("stderr"));
        let netns = netns.name().to_owned();
        let mut daemon = Daemon { child, control, folder, netns, wrapper, args };
        daemon.wait_ready();
        daemon
    }

    fn wait_ready(&mut self) {
        let output = self.folder.path().join("stdout");
        wait_for("vswitchd to be ready", DEADLINE, || {
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("vswitchd ended with {status} before it was ready\n{}", self.log());
            }
            let text = std::fs::read_to_string(&output).unwrap_or_default();
            text.lines().any(|line| line == "vswitchd: ready").then_some(())
        });
    }

    /// Its configuration file.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("conf.json")
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it runs.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Kills it as a crash would, and waits for its end.
    ///
    /// # Panics
    /// If it cannot be killed.
    pub fn kill(&mut self) {
        self.child.kill().expect("the daemon can be killed");
        self.child.wait().expect("a killed child ends");
    }

    /// Asks it to stop (SIGTERM); its exit code.
    ///
    /// # Panics
    /// If it does not stop.
    pub fn stop(&mut self) -> Option<i32> {
        run(&["kill", "-TERM", &self.child.id().to_string()]);
        let ended = || self.child.try_wait().ok().flatten();
        wait_for("vswitchd to stop", DEADLINE, ended).code()
    }

    /// Starts it again, with the same folder and configuration, and waits until it is ready.
    ///
    /// # Panics
    /// If it still runs, or does not get ready.
    pub fn restart(&mut self) {
        assert!(!self.is_alive(), "the daemon still runs");
        self.child = spawn(&self.netns, self.folder.path(), (&self.wrapper, &self.args));
        self.wait_ready();
    }
}

impl Deref for Daemon {
    type Target = Control;

    fn deref(&self) -> &Control {
        &self.control
    }
}

fn spawn(netns: &str, folder: &Path, (wrapper, args): (&[String], &[String])) -> Child {
    let stdout = File::create(folder.join("stdout")).expect("a log file");
    let stderr = File::options().create(true).append(true).open(folder.join("stderr"));
    let mut command = crate::process::mortal("ip");
    command
        .args(["netns", "exec", netns])
        .args(wrapper)
        .arg(program("vswitchd"))
        .arg("--rundir")
        .arg(folder.join("run"))
        .arg("--config")
        .arg(folder.join("conf.json"))
        .args(args)
        .stdin(Stdio::null())
        .stdout(stdout)
        .stderr(stderr.expect("a log file"));
    command.spawn().expect("setpriv starts")
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself: that is for the test to judge.
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            eprintln!("── log of vswitchd ──\n{}", self.log());
        }
    }
}
