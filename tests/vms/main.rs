//! Virtual machines on the switch: a QEMU guest with Debian's kernel by its TAP, and DPDK's testpmd as
//! a guest by vhost-user.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test says by a panic what failed")]

mod tap;
mod tcp;
mod testpmd;
mod words;

use std::path::PathBuf;

use switch_tests::Lab;
use switch_tests::lab::BRIDGE;
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

    /// A fact of the port's status.
    fn status(&self, port: &str, key: &str) -> String {
        let shown = self.lab.daemon.port(port);
        shown["status"][key].as_str().unwrap_or_default().to_owned()
    }
}
