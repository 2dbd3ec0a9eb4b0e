//! The kernel's bridge: the ceiling of what hosts on veth can reach.

use anyhow::{Result, bail};

use super::{Attach, BRIDGE, Switch};
use crate::process;

/// A Linux bridge in a namespace; it goes with the namespace.
pub struct LinuxBridge {
    netns: String,
}

impl LinuxBridge {
    /// A bridge without ports.
    ///
    /// # Errors
    /// The kernel has none.
    pub fn start(netns: &str) -> Result<LinuxBridge> {
        let bridge = LinuxBridge { netns: netns.into() };
        bridge.ip(&["link", "add", BRIDGE, "type", "bridge"])?;
        bridge.ip(&["link", "set", BRIDGE, "up"])?;
        Ok(bridge)
    }

    /// Runs `ip` in its namespace.
    ///
    /// # Errors
    /// As [`process::run`].
    pub(super) fn ip(&self, args: &[&str]) -> Result<String> {
        process::run("ip", &[&["-n", &self.netns], args].concat())
    }
}

impl Switch for LinuxBridge {
    fn add_port(&self, name: &str, attach: Attach) -> Result<()> {
        if attach != Attach::System {
            bail!("{name}: a Linux bridge creates no TAP");
        }
        self.ip(&["link", "set", name, "master", BRIDGE])?;
        Ok(())
    }

    fn process(&self) -> Option<u32> {
        None
    }
}
