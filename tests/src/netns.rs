//! Network namespaces with unique names, deleted when dropped.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::process::{Outcome, mortal, must, run};

/// Names are `vst<pid>-<number><tag>`: by the pid, a later run finds what a dead one left.
const PREFIX: &str = "vst";

static NEXT: AtomicU32 = AtomicU32::new(0);
static SWEPT: Once = Once::new();

/// A network namespace.
#[derive(Debug)]
pub struct Netns {
    name: String,
    /// Whether it goes with this handle.
    owned: bool,
}

impl Netns {
    /// A fresh namespace without IPv6 (whose router solicitations upset ledgers), loopback up.
    ///
    /// # Panics
    /// Without root.
    #[must_use]
    pub fn new(tag: &str) -> Netns {
        assert!(rustix::process::geteuid().is_root(), "system tests make namespaces: run as root");
        SWEPT.call_once(sweep);
        let name = unique_name(tag);
        must(&["ip", "netns", "add", &name]);
        let ns = Netns { name, owned: true };
        for scope in ["all", "default"] {
            ns.must(&["sysctl", "-qw", &format!("net.ipv6.conf.{scope}.disable_ipv6=1")]);
        }
        ns.ip(&["link", "set", "lo", "up"]);
        ns
    }

    /// A namespace that somebody else makes and deletes.
    #[must_use]
    pub fn of_other(name: String) -> Netns {
        Netns { name, owned: false }
    }

    /// Its name, as `ip netns` knows it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs a command inside.
    #[must_use]
    pub fn run(&self, words: &[&str]) -> Outcome {
        run(&[&["ip", "netns", "exec", &self.name], words].concat())
    }

    /// Runs a command inside, which must succeed; its standard output.
    pub fn must(&self, words: &[&str]) -> String {
        must(&[&["ip", "netns", "exec", &self.name], words].concat())
    }

    /// Runs `ip` for the namespace; it must succeed.
    pub fn ip(&self, words: &[&str]) -> String {
        must(&[&["ip", "-n", &self.name], words].concat())
    }

    /// A command that runs inside, and dies with the calling thread.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let mut command = mortal("ip");
        command.args(["netns", "exec", &self.name, program]);
        command
    }

    /// A veth pair between `name` here and `peer_name` in `peer`; both ends stay down.
    pub fn add_veth(&self, name: &str, peer: &Netns, peer_name: &str) {
        let far = ["peer", "name", peer_name, "netns", peer.name()];
        self.ip(&[&["link", "add", name, "type", "veth"], &far[..]].concat());
    }

    /// Names of the interfaces inside, loopback left out.
    #[must_use]
    pub fn links(&self) -> Vec<String> {
        let text = self.ip(&["-j", "link", "show"]);
        let list: serde_json::Value = serde_json::from_str(&text).expect("ip prints JSON");
        let names =
            list.as_array().into_iter().flatten().filter_map(|link| link["ifname"].as_str());
        names.filter(|name| *name != "lo").map(str::to_owned).collect()
    }

    /// Whether an interface is inside.
    #[must_use]
    pub fn has_link(&self, name: &str) -> bool {
        self.links().iter().any(|link| link == name)
    }

    /// Runs `work` on a thread inside the namespace: sockets made there belong to it.
    ///
    /// # Panics
    /// If `work` does.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let path = self.path();
        std::thread::scope(|scope| {
            let inside = scope.spawn(move || {
                join(&path);
                work()
            });
            inside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// The file that names the namespace; [`join`] takes it.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        Path::new("/run/netns").join(&self.name)
    }
}

/// Moves the calling thread into a namespace.
///
/// # Panics
/// If there is none.
pub fn join(path: &Path) {
    let file = File::open(path).expect("the namespace exists");
    move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
        .expect("root may enter a namespace");
}

impl Drop for Netns {
    fn drop(&mut self) {
        if self.owned {
            delete(&self.name);
        }
    }
}

/// A name that no other namespace bears, and that a later run knows for this process's.
#[must_use]
pub fn unique_name(tag: &str) -> String {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{PREFIX}{}-{number}{tag}", std::process::id())
}

/// Kills what still runs inside, and deletes the name. The kernel deletes the rest.
fn delete(name: &str) {
    for pid in run(&["ip", "netns", "pids", name]).stdout.split_whitespace() {
        run(&["kill", "-KILL", pid]);
    }
    run(&["ip", "netns", "del", name]);
}

/// Deletes the namespaces of test processes that are dead.
fn sweep() {
    let Ok(entries) = std::fs::read_dir("/run/netns") else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if owner(&name).is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists()) {
            delete(&name);
        }
    }
}

/// The process that made a namespace, by its name.
fn owner(name: &str) -> Option<u32> {
    name.strip_prefix(PREFIX)?.split_once('-')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_its_owner() {
        assert_eq!(owner("vst123-0h1"), Some(123));
        assert_eq!(owner("vst-0h1"), None);
        assert_eq!(owner("somebody123-0"), None);
    }

    #[test]
    fn a_namespace_is_entered_and_goes_away() {
        let ns = Netns::new("a");
        let name = ns.name().to_owned();
        assert!(ns.links().is_empty());
        assert_eq!(
            ns.enter(|| std::fs::read_to_string("/proc/thread-self/net/dev"))
                .expect("readable")
                .lines()
                .count(),
            3
        );
        drop(ns);
        assert!(!Path::new("/run/netns").join(name).exists());
    }
}
