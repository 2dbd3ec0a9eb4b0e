//! Open vSwitch, private to the run: its own database, sockets and logs in a directory of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tempfile::TempDir;

use super::{Attach, BRIDGE, Switch, n_learned};
use crate::process::{Running, daemon_in, output, run, wait_for};

const START_LIMIT: Duration = Duration::from_secs(30);
const SCHEMA: &str = "/usr/share/openvswitch/vswitch.ovsschema";

/// Which build of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Build {
    /// As packaged.
    Plain,
    /// With DPDK.
    Dpdk,
}

/// How often a capture file is played.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Repeat {
    /// Once; the port is silent after that.
    Never,
    /// Again and again.
    Forever,
}

/// How it is started.
pub struct OvsConfig<'a> {
    /// Which build.
    pub build: Build,
    /// Where it lives; beside us if none.
    pub netns: Option<&'a str>,
    /// Keys and values of `other_config` (ovs-vswitchd.conf.db(5)).
    pub other_config: &'a [(&'a str, &'a str)],
    /// Columns of the bridge, beyond `datapath_type=netdev`.
    pub bridge: &'a [&'a str],
}

/// A running Open vSwitch with one bridge of its userspace datapath.
pub struct Ovs {
    // Dropped in this order: the daemon, its database, their directory.
    vswitchd: Running,
    _database: Running,
    dir: TempDir,
}

impl Ovs {
    /// Starts it and adds the bridge.
    ///
    /// # Errors
    /// It is not installed, or does not come up: then with the end of its log.
    pub fn start(config: &OvsConfig<'_>) -> Result<Ovs> {
        let dir = tempfile::Builder::new().prefix("bench-ovs").tempdir()?;
        let path = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
        run("ovsdb-tool", &["create", &path("conf.db"), SCHEMA])?;
        let (server, remote) = (path("db.sock"), format!("unix:{}", path("db.sock")));
        let spawn = |netns, program: &str, args: &[String]| {
            let mut command = daemon_in(netns, program);
            for variable in ["OVS_RUNDIR", "OVS_DBDIR", "OVS_LOGDIR"] {
                command.env(variable, dir.path());
            }
            Running::start(command.args(args).stdout(Stdio::null()).stderr(Stdio::null()))
        };
        let unixctl = format!("--unixctl={}", path("db.ctl"));
        let database = spawn(
            None,
            "ovsdb-server",
            &[path("conf.db"), format!("--remote=punix:{server}"), unixctl],
        )?;
        wait_for("database", START_LIMIT, || Path::new(&server).exists().then_some(()))?;
        let mut init = vec!["--no-wait", "init", "--", "set", "Open_vSwitch", "."];
        let settings = config.other_config.iter().map(|(k, v)| format!("other_config:{k}={v}"));
        let settings: Vec<String> = settings.collect();
        init.extend(settings.iter().map(String::as_str));
        let init = if settings.is_empty() { &init[..2] } else { &init[..] };
        vsctl(dir.path(), init)?;
        let program = match config.build {
            Build::Plain => "/usr/lib/openvswitch-switch/ovs-vswitchd",
            Build::Dpdk => "/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk",
        };
        let (ctl, log) = (path("v.ctl"), path("v.log"));
        let args = [remote, format!("--unixctl={ctl}"), format!("--log-file={log}")];
        let vswitchd = spawn(config.netns, program, &args)?;
        let ovs = Ovs { vswitchd, _database: database, dir };
        let bridge = ["add-br", BRIDGE, "--", "set", "bridge", BRIDGE, "datapath_type=netdev"];
        ovs.vsctl(&[&bridge, config.bridge].concat())?;
        Ok(ovs)
    }

    /// Starts the build with DPDK, in a namespace or beside us, with one polling thread, on `cpu`; `more`
    /// and `bridge` as in [`OvsConfig`].
    ///
    /// # Errors
    /// As for [`Ovs::start`].
    pub fn start_dpdk(
        netns: Option<&str>,
        cpu: usize,
        more: &[(&str, &str)],
        bridge: &[&str],
    ) -> Result<Ovs> {
        let mask = format!("{:#x}", 1_u64 << cpu);
        let main = if cpu == 0 { "0x2" } else { "0x1" };
        let usual = [
            ("dpdk-init", "true"),
            ("dpdk-extra", "--no-pci"),
            ("dpdk-lcore-mask", main),
            ("dpdk-socket-mem", "1024"),
            ("pmd-cpu-mask", &mask),
            ("flow-limit", "1000000"),
        ];
        let other_config = &[&usual, more].concat();
        Ovs::start(&OvsConfig { build: Build::Dpdk, netns, other_config, bridge })
    }

    /// Plays two capture files, each by a port of its own; after `warm_up`, counts for about `measure`
    /// the frames received: how many, in how long.
    ///
    /// # Errors
    /// As for [`Ovs::add_pcap`], or the daemon does not answer.
    pub fn play(
        &self,
        files: &[PathBuf; 2],
        warm_up: Duration,
        measure: Duration,
    ) -> Result<(u64, Duration)> {
        for (port, file) in ["pf", "pr"].iter().zip(files) {
            self.add_pcap((BRIDGE, port), file, Repeat::Forever)?;
        }
        std::thread::sleep(warm_up);
        self.clear_received()?;
        let start = Instant::now();
        std::thread::sleep(measure);
        Ok((self.received()?, start.elapsed()))
    }

    /// Runs `ovs-vsctl` and waits until the daemon has done what it says.
    ///
    /// # Errors
    /// It is refused, or the daemon does not follow.
    pub fn vsctl(&self, args: &[&str]) -> Result<String> {
        let limit = format!("--timeout={}", START_LIMIT.as_secs());
        let said = vsctl(self.dir.path(), &[&[limit.as_str()], args].concat());
        said.with_context(|| format!("its log ends: {}", self.log_end()))
    }

    /// Runs `ovs-appctl`.
    ///
    /// # Errors
    /// The daemon refuses.
    pub fn appctl(&self, args: &[&str]) -> Result<String> {
        let ctl = self.dir.path().join("v.ctl");
        output(Command::new("ovs-appctl").arg("-t").arg(ctl).args(args))
    }

    /// `ovs-ofctl` with a command about the bridge.
    #[must_use]
    pub fn ofctl_command(&self, command: &str) -> Command {
        self.ofctl_of(BRIDGE, command)
    }

    fn ofctl_of(&self, bridge: &str, command: &str) -> Command {
        let bridge = format!("unix:{}", self.dir.path().join(format!("{bridge}.mgmt")).display());
        let mut ofctl = Command::new("ovs-ofctl");
        ofctl.args([command, &bridge]);
        ofctl
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.vswitchd.pid()
    }

    /// Adds a port to a bridge that plays a capture file from memory, by DPDK.
    ///
    /// # Errors
    /// DPDK has too few buffers for the file, or no driver `net_pcap`.
    pub fn add_pcap(
        &self,
        (bridge, name): (&str, &str),
        file: &Path,
        repeat: Repeat,
    ) -> Result<()> {
        let infinite = u8::from(repeat == Repeat::Forever);
        let device = format!(
            "options:dpdk-devargs=net_pcap_{name},rx_pcap={},infinite_rx={infinite}",
            file.display()
        );
        let add = ["add-port", bridge, name, "--", "set", "interface", name, "type=dpdk", &device];
        self.vsctl(&add)?;
        let error = self.vsctl(&["get", "interface", name, "error"])?;
        anyhow::ensure!(error.trim() == "[]", "{name}: {}", error.trim());
        Ok(())
    }

    /// Frames that a port of a bridge was sent.
    ///
    /// # Errors
    /// There is no such port.
    pub fn sent(&self, (bridge, port): (&str, &str)) -> Result<u64> {
        let shown = output(self.ofctl_of(bridge, "dump-ports").arg(port))?;
        n_sent(&shown).with_context(|| format!("dump-ports says {shown:?}"))
    }

    /// Frames that its polling threads received since [`Ovs::clear_received`].
    ///
    /// # Errors
    /// The daemon does not answer.
    pub fn received(&self) -> Result<u64> {
        let shown = self.appctl(&["dpif-netdev/pmd-stats-show"])?;
        let first = shown.lines().find_map(|line| line.trim().strip_prefix("packets received:"));
        Ok(first.context("no polling thread")?.trim().parse()?)
    }

    /// Starts counting from nothing.
    ///
    /// # Errors
    /// The daemon does not answer.
    pub fn clear_received(&self) -> Result<()> {
        self.appctl(&["dpif-netdev/pmd-stats-clear"]).map(drop)
    }

    /// Addresses learned.
    ///
    /// # Errors
    /// The daemon does not answer.
    pub fn n_learned(&self) -> Result<usize> {
        n_learned(&self.appctl(&["fdb/stats-show", BRIDGE])?)
    }

    fn log_end(&self) -> String {
        let log = fs::read_to_string(self.dir.path().join("v.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(5)..].join("; ")
    }
}

impl Switch for Ovs {
    fn add_port(&self, name: &str, attach: Attach) -> Result<()> {
        self.vsctl(&["add-port", BRIDGE, name, "--", "set", "interface", name, attach.key()])?;
        Ok(())
    }

    fn process(&self) -> Option<u32> {
        Some(self.vswitchd.pid())
    }
}

/// Of `  port  far: rx pkts=1, bytes=…` and, in the next line, `tx pkts=2, bytes=…`.
fn n_sent(shown: &str) -> Option<u64> {
    let rest = shown.split("tx pkts=").nth(1)?;
    rest.split(',').next()?.parse().ok()
}

fn vsctl(dir: &Path, args: &[&str]) -> Result<String> {
    let db = format!("--db=unix:{}", dir.join("db.sock").display());
    output(Command::new("ovs-vsctl").env("OVS_RUNDIR", dir).arg(db).args(args))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_frames_sent_is_read() {
        let shown = "OFPST_PORT reply (xid=0x4): 1 ports\n  port  far: rx pkts=1000, bytes=60000, \
                     drop=0, errs=0, frame=0, over=0, crc=0\n           tx pkts=845, bytes=92826, \
                     drop=0, errs=0, coll=0\n";
        assert_eq!(n_sent(shown), Some(845));
        assert_eq!(n_sent("no such port"), None);
    }
}
