//! Our own daemon, as a user runs it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tempfile::TempDir;

use super::{Attach, BRIDGE, Switch, n_learned};
use crate::process::{Running, daemon_in, output, run};

const READY_LIMIT: Duration = Duration::from_secs(10);

/// `vswitchd` in a directory of its own, and `ofctl` to speak to it.
pub struct Daemon {
    vswitchd: Running,
    rundir: TempDir,
    ofctl: PathBuf,
}

impl Daemon {
    /// Starts `vswitchd` with `args`, in a namespace or beside it, and waits until it is ready. The
    /// binaries are those that were built together with this one.
    ///
    /// # Errors
    /// It is not built, or does not come up.
    pub fn start(netns: Option<&str>, args: &[&str]) -> Result<Daemon> {
        let program = binary("vswitchd")?;
        let rundir = tempfile::Builder::new().prefix("bench-vswitchd").tempdir()?;
        let mut command = daemon_in(netns, program);
        command.arg("--rundir").arg(rundir.path()).arg("--no-config").args(args);
        let mut vswitchd = Running::start(command.stdout(Stdio::piped()))?;
        let stdout = vswitchd.child().stdout.take().context("no standard output")?;
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            let lines = BufReader::new(stdout).lines().map_while(Result::ok);
            lines.take_while(|line| sender.send(line.clone()).is_ok()).for_each(drop);
        });
        let ready =
            lines.recv_timeout(READY_LIMIT).context("vswitchd does not say that it is ready")?;
        if ready != "vswitchd: ready" {
            bail!("vswitchd says {ready:?}");
        }
        Ok(Daemon { vswitchd, rundir, ofctl: binary("ofctl")? })
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.vswitchd.pid()
    }

    /// Runs `ofctl`; its standard output.
    ///
    /// # Errors
    /// The command is refused.
    pub fn ofctl(&self, args: &[&str]) -> Result<String> {
        output(self.ofctl_command().args(args))
    }

    /// `ofctl` for this daemon, without a command yet.
    #[must_use]
    pub fn ofctl_command(&self) -> std::process::Command {
        let mut command = std::process::Command::new(&self.ofctl);
        command.arg("--rundir").arg(self.rundir.path());
        command
    }

    /// Adds the bridge with `settings`.
    ///
    /// # Errors
    /// A setting is refused.
    pub fn add_bridge(&self, settings: &[&str]) -> Result<()> {
        self.ofctl(&[&["add-br", BRIDGE], settings].concat())?;
        Ok(())
    }

    /// The sum of a statistic over the ports named, of whatever bridges.
    ///
    /// # Errors
    /// There is no such statistic.
    pub fn statistic(&self, ports: &[&str], key: &str) -> Result<u64> {
        let shown: Value = serde_json::from_str(&self.ofctl(&["--json", "show"])?)?;
        let bridges = shown["bridges"].as_array().context("show lists no bridges")?;
        let all = bridges.iter().filter_map(|bridge| bridge["ports"].as_array()).flatten();
        let wanted = all.filter(|port| ports.iter().any(|name| port["name"] == *name));
        let values = wanted.map(|port| port["statistics"][key].as_u64().context(key.to_string()));
        values.sum()
    }

    /// Addresses in the forwarding database of [`BRIDGE`].
    ///
    /// # Errors
    /// It does not answer.
    pub fn n_learned(&self) -> Result<usize> {
        self.n_learned_by(BRIDGE)
    }

    /// Addresses in the forwarding database of a bridge.
    ///
    /// # Errors
    /// It does not answer.
    pub fn n_learned_by(&self, bridge: &str) -> Result<usize> {
        n_learned(&self.ofctl(&["fdb/stats-show", bridge])?)
    }

    /// Resident memory, MiB.
    ///
    /// # Errors
    /// It has ended.
    pub fn resident_mib(&self) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u32>().ok());
        Ok(f64::from(kib.context("no VmRSS")?) / 1024.0)
    }

    /// Time on a CPU of all its threads.
    ///
    /// # Errors
    /// It has ended.
    pub fn cpu_time(&self) -> Result<Duration> {
        let mut total = 0;
        for task in std::fs::read_dir(format!("/proc/{}/task", self.pid()))? {
            let text = std::fs::read_to_string(task?.path().join("schedstat"))?;
            total += text.split_whitespace().next().context("schedstat")?.parse::<u64>()?;
        }
        Ok(Duration::from_nanos(total))
    }
}

impl Switch for Daemon {
    fn add_port(&self, name: &str, attach: Attach) -> Result<()> {
        self.ofctl(&["add-port", BRIDGE, name, attach.key()])?;
        Ok(())
    }

    fn process(&self) -> Option<u32> {
        Some(self.vswitchd.pid())
    }
}

/// A program beside this one.
fn binary(name: &str) -> Result<PathBuf> {
    let me = std::env::current_exe()?;
    let path = me.parent().unwrap_or(Path::new("")).join(name);
    if run(&path.to_string_lossy(), &["--version"]).is_err() {
        bail!("{} does not run (to build it: cargo build --release)", path.display());
    }
    Ok(path)
}
