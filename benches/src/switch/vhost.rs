//! Ports for guests, by vhost-user. Each switch is the client: the guest listens.

use std::path::Path;

use anyhow::Result;

use super::{BRIDGE, Daemon, Ovs};

/// A switch with ports for guests.
pub trait Hypervisor {
    /// Adds a port that connects to that socket.
    ///
    /// # Errors
    /// It is refused.
    fn add_guest(&self, port: &str, socket: &Path) -> Result<()>;
}

impl Hypervisor for Daemon {
    fn add_guest(&self, port: &str, socket: &Path) -> Result<()> {
        let path = format!("path={}", socket.display());
        self.ofctl(&["add-port", BRIDGE, port, "type=vhost-user", &path])?;
        Ok(())
    }
}

impl Hypervisor for Ovs {
    fn add_guest(&self, port: &str, socket: &Path) -> Result<()> {
        let path = format!("options:vhost-server-path={}", socket.display());
        let kind = "type=dpdkvhostuserclient";
        self.vsctl(&["add-port", BRIDGE, port, "--", "set", "interface", port, kind, &path])?;
        Ok(())
    }
}
