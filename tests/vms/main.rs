//! Virtual machines on the switch: QEMU guests with Debian's kernel, by vhost-user and by their TAPs, and
//! DPDK's testpmd as a guest by vhost-user.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test says by a panic what failed")]

mod gretap;
mod guests;
mod memory;
mod reconnect;
mod tap;
mod tcp;
mod testpmd;
mod words;

use std::path::PathBuf;
use std::time::Duration;

use switch_tests::lab::BRIDGE;
use switch_tests::{Lab, wait_until};
use tempfile::TempDir;

/// A switch, and a folder for the sockets of guests.
struct Site {
    lab: Lab,
    folder: TempDir,
}

impl Site {
    fn new() -> Site {
        Site { lab: Lab::new(), folder: tempfile::tempdir().expect("a temporary folder") }
    }

    fn socket(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Adds a port for a guest.
    fn add(&self, port: &str, mode: &str, keys: &[&str]) {
        let (path, mode) = (self.socket(port), format!("mode={mode}"));
        let path = format!("path={}", path.display());
        let words = ["add-port", BRIDGE, port, "type=vhost-user", &path, &mode];
        self.lab.daemon.ofctl(&[&words[..], keys].concat());
    }

    /// Waits until the port's front end is gone, and what it had with it.
    fn wait_gone(&self, port: &str) {
        let what = format!("the front end of {port} to be gone");
        wait_until(&what, Duration::from_secs(20), || {
            self.status(port, "status") == "disconnected"
        });
    }

    /// A fact of the port's status.
    fn status(&self, port: &str, key: &str) -> String {
        let shown = self.lab.daemon.port(port);
        shown["status"][key].as_str().unwrap_or_default().to_owned()
    }

    /// The features that a port's guest has taken.
    fn features(&self, port: &str) -> u64 {
        let shown = self.status(port, "features");
        let digits = shown.trim_start_matches("0x");
        u64::from_str_radix(digits, 16).unwrap_or_else(|error| panic!("{shown}: {error}"))
    }
}
