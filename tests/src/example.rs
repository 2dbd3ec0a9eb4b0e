//! Networks of `examples/`: each is built by its script, so that a test proves what a user runs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::control::Control;
use crate::daemon::program;
use crate::lab::Host;
use crate::netns::{Netns, unique_name};
use crate::process::Outcome;

/// Where the scripts keep the switches' sockets.
const STATE: &str = "/run/vswitch-examples";

/// A network that its script has built, and takes away when dropped.
#[derive(Debug)]
pub struct Example {
    name: String,
    id: String,
    /// What the script printed while building.
    built: String,
}

/// The folder of the scripts.
#[must_use]
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("examples")
}

impl Example {
    /// Builds a network, under names of its own.
    ///
    /// # Panics
    /// If the script fails.
    #[must_use]
    pub fn up(name: &str) -> Example {
        let id = unique_name(name);
        let mut example = Example { name: name.to_owned(), id, built: String::new() };
        example.built = example.must("up");
        example
    }

    /// Runs the script's own checks.
    ///
    /// # Panics
    /// If one fails, with what the script printed.
    pub fn check(&self) -> String {
        self.must("check")
    }

    /// What the script printed while building: the commands that a user types.
    #[must_use]
    pub fn built(&self) -> &str {
        &self.built
    }

    /// The name that its namespaces begin with.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// A machine of the network.
    #[must_use]
    pub fn netns(&self, machine: &str) -> Netns {
        Netns::of_other(format!("{}-{machine}", self.id))
    }

    /// A machine with an addressed `eth0`.
    #[must_use]
    pub fn host(&self, machine: &str) -> Host {
        Host::of_other(machine, self.netns(machine))
    }

    /// The switch that runs on a machine.
    #[must_use]
    pub fn switch(&self, machine: &str) -> Control {
        let state = Path::new(STATE).join(&self.id);
        Control::new(state.join(machine), state.join(format!("{machine}.log")))
    }

    fn must(&self, verb: &str) -> String {
        let Outcome { code, stdout, stderr } = script(&self.name, &self.id, verb);
        assert!(code == 0, "examples/{} {verb} ended with {code}\n{stdout}{stderr}", self.name);
        stdout
    }
}

/// Runs a script to its end.
fn script(name: &str, id: &str, verb: &str) -> Outcome {
    let output = command(name, id, verb).output().expect("bash starts");
    Outcome {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A script with its names, and with the programs that cargo built beside this test. It can be
/// interrupted, also where whoever runs the tests cannot, as a shell's jobs in the background.
///
/// # Panics
/// If they are not built.
#[must_use]
pub fn command(name: &str, id: &str, verb: &str) -> Command {
    let programs = program("vswitchd");
    let bin = programs.parent().expect("a program lies in a folder");
    let mut command = Command::new("env");
    command.arg("--default-signal=INT").arg(folder().join(name)).arg(verb);
    command.env("EXAMPLE_ID", id).env("BIN", bin).stdin(Stdio::null());
    command
}

/// What is left of a network: namespaces and files.
#[must_use]
pub fn left_of(id: &str) -> Vec<PathBuf> {
    let list = |folder: &str| std::fs::read_dir(folder).into_iter().flatten().flatten();
    let entries = list("/run/netns").chain(list(STATE)).map(|entry| entry.path());
    let ours = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(id))
    };
    entries.filter(ours).collect()
}

impl Drop for Example {
    fn drop(&mut self) {
        let ended = script(&self.name, &self.id, "down");
        let left = left_of(&self.id);
        if std::thread::panicking() {
            eprintln!("{ended:?}, left: {left:?}");
        } else {
            assert!(ended.code == 0 && left.is_empty(), "{ended:?}, left: {left:?}");
        }
    }
}
