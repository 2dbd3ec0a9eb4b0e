//! An Open vSwitch of the test's own, as a peer: its userspace datapath, in a namespace, with a
//! folder for its database and sockets.

use std::path::Path;

use crate::netns::Netns;
use crate::process::{Outcome, must, run};

/// Debian's place of the daemon.
const VSWITCHD: &str = "/usr/lib/openvswitch-switch/ovs-vswitchd";
const SCHEMA: &str = "/usr/share/openvswitch/vswitch.ovsschema";

/// A running Open vSwitch, stopped when dropped.
pub struct Ovs<'a> {
    netns: &'a Netns,
    folder: tempfile::TempDir,
}

impl Ovs<'_> {
    /// Starts one in a namespace. `config` are keys of `other_config`, as `key=value`.
    ///
    /// # Panics
    /// If it is not installed or does not start.
    #[must_use]
    pub fn start<'a>(netns: &'a Netns, config: &[&str]) -> Ovs<'a> {
        assert!(Path::new(SCHEMA).exists(), "openvswitch-switch is not installed (make test does)");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let ovs = Ovs { netns, folder };
        let (database, socket) = (ovs.path("conf.db"), ovs.path("db.sock"));
        must(&["ovsdb-tool", "create", &database, SCHEMA]);
        let remote = format!("--remote=punix:{socket}");
        let daemon = ["--detach", "--no-chdir", "--pidfile", "--log-file"];
        ovs.must(&[&["ovsdb-server", &database, &remote], &daemon[..]].concat());
        ovs.vsctl(&["--no-wait", "init"]);
        for key in config {
            let key = format!("other_config:{key}");
            ovs.vsctl(&["--no-wait", "set", "Open_vSwitch", ".", &key]);
        }
        ovs.must(&[&[VSWITCHD, &format!("unix:{socket}")], &daemon[..]].concat());
        ovs
    }

    /// Where its sockets are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs one of its tools with its folders set.
    #[must_use]
    pub fn run(&self, words: &[&str]) -> Outcome {
        let folder = self.folder.path().display();
        let set = ["OVS_RUNDIR", "OVS_DBDIR", "OVS_LOGDIR"].map(|name| format!("{name}={folder}"));
        let env: Vec<&str> = set.iter().map(String::as_str).collect();
        let exec = ["ip", "netns", "exec", self.netns.name(), "env"];
        run(&[&exec[..], &env, words].concat())
    }

    /// Runs one of its tools, which must succeed; its standard output.
    ///
    /// # Panics
    /// If it fails.
    pub fn must(&self, words: &[&str]) -> String {
        let Outcome { code, stdout, stderr } = self.run(words);
        assert!(code == 0, "`{}` ended with {code}\n{stdout}{stderr}", words.join(" "));
        stdout
    }

    /// Runs `ovs-vsctl`, waiting for the daemon to have done it.
    pub fn vsctl(&self, words: &[&str]) -> String {
        let database = format!("--db=unix:{}", self.path("db.sock"));
        self.must(&[&["ovs-vsctl", "--timeout=20", &database], words].concat())
    }

    /// Adds a bridge of the userspace datapath.
    pub fn add_bridge(&self, name: &str) {
        self.vsctl(&["add-br", name, "--", "set", "bridge", name, "datapath_type=netdev"]);
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }
}

impl Drop for Ovs<'_> {
    fn drop(&mut self) {
        for program in ["ovs-vswitchd", "ovsdb-server"] {
            let pidfile = self.path(&format!("{program}.pid"));
            if let Ok(pid) = std::fs::read_to_string(pidfile) {
                run(&["kill", "-KILL", pid.trim()]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_switch_answers() {
        let ns = Netns::new("ovs");
        let ovs = Ovs::start(&ns, &["pmd-cpu-mask=0x1"]);
        ovs.add_bridge("br0");
        assert_eq!(ovs.vsctl(&["list-br"]), "br0\n");
    }
}
