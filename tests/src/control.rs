//! A running switch, as `ofctl` sees it: its state, its counters, its log.

use std::path::PathBuf;

use serde_json::Value;

use crate::daemon::program;
use crate::process::{Outcome, run};

/// The way to a switch: one that the test started ([`Daemon`](crate::Daemon)) or one of an example.
#[derive(Debug)]
pub struct Control {
    rundir: PathBuf,
    log: PathBuf,
}

impl Control {
    /// By the folder of its sockets, and the file of its log.
    #[must_use]
    pub fn new(rundir: PathBuf, log: PathBuf) -> Control {
        Control { rundir, log }
    }

    /// The folder of its sockets.
    #[must_use]
    pub fn rundir(&self) -> PathBuf {
        self.rundir.clone()
    }

    /// What it logged so far, over all its lives.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Runs `ofctl` against it.
    #[must_use]
    pub fn try_ofctl(&self, words: &[&str]) -> Outcome {
        let program = program("ofctl").display().to_string();
        let rundir = self.rundir.display().to_string();
        run(&[&[program.as_str(), "--rundir", &rundir], words].concat())
    }

    /// Runs `ofctl`, which must succeed; its standard output.
    ///
    /// # Panics
    /// If it fails, with what it said and the daemon's log.
    pub fn ofctl(&self, words: &[&str]) -> String {
        let Outcome { code, stdout, stderr } = self.try_ofctl(words);
        let log = if code == 0 { String::new() } else { self.log() };
        assert!(code == 0, "`ofctl {}` ended with {code}: {stderr}\nlog:\n{log}", words.join(" "));
        stdout
    }

    /// `ofctl --json show`.
    ///
    /// # Panics
    /// If it does not print JSON.
    #[must_use]
    pub fn show(&self) -> Value {
        let text = self.ofctl(&["--json", "show"]);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in: {text}"))
    }

    /// One port of `ofctl --json show`, of whatever bridge; null if there is none.
    #[must_use]
    pub fn port(&self, name: &str) -> Value {
        let show = self.show();
        let of = |key: &str, value: &Value| value[key].as_array().cloned().unwrap_or_default();
        let mut ports = of("bridges", &show).into_iter().flat_map(|bridge| of("ports", &bridge));
        ports.find(|port| port["name"] == name).unwrap_or(Value::Null)
    }

    /// One number of a port's `statistics`.
    ///
    /// # Panics
    /// If the port or the key is missing.
    #[must_use]
    pub fn count(&self, port: &str, key: &str) -> u64 {
        let shown = self.port(port);
        let value = &shown["statistics"][key];
        value.as_u64().unwrap_or_else(|| panic!("no statistics.{key} of {port} in {shown}"))
    }

    /// How many frames a port lost for a reason; 0 for a reason that is not listed.
    #[must_use]
    pub fn drops(&self, port: &str, reason: &str) -> u64 {
        self.port(port)["statistics"]["drops"][reason].as_u64().unwrap_or(0)
    }
}
