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
        process::run("ip", &["-n", netns, "link", "add", BRIDGE, "type", "bridge"])?;
        process::run("ip", &["-n", netns, "link", "set", BRIDGE, "up"])?;
        Ok(LinuxBridge { netns: netns.into() })
    }
}

impl Switch for LinuxBridge {
    fn add_port(&self, name: &str, attach: Attach) -> Result<()> {
        if attach != Attach::System {
            bail!("{name}: a Linux bridge creates no TAP");
        }
        process::run("ip", &["-n", &self.netns, "link", "set", name, "master", BRIDGE])?;
        Ok(())
    }

    fn process(&self) -> Option<u32> {
        None
    }
}
