//! Switches as processes: ours and the peers', each behind [`Switch`].

mod bridge;
mod daemon;
mod ovs;
mod testpmd;

use anyhow::Result;

pub use bridge::LinuxBridge;
pub use daemon::Daemon;
pub use ovs::{Build, HugePages, Ovs, OvsConfig};
pub use testpmd::io_rate;

/// The name of the bridge in every switch.
pub const BRIDGE: &str = "br0";

/// How a port attaches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Attach {
    /// To an existing interface.
    System,
    /// The switch creates a TAP.
    Tap,
}

/// A running switch with one bridge.
pub trait Switch {
    /// Adds a port to the bridge.
    ///
    /// # Errors
    /// The switch refuses it.
    fn add_port(&self, name: &str, attach: Attach) -> Result<()>;
}
