//! Switches as processes: ours and the peers', each behind [`Switch`].

mod bridge;
mod daemon;
mod joined;
mod ovs;
mod pages;
mod testpmd;
mod vhost;
mod vxlan;

use anyhow::{Context, Result};

pub use bridge::LinuxBridge;
pub use daemon::Daemon;
pub use joined::{Join, Joined};
pub use ovs::{Build, Ovs, OvsConfig, Repeat};
pub use pages::HugePages;
pub use testpmd::{Circle, Guest, Rings, guest_rate, io_rate, txonly};
pub use vhost::Hypervisor;
pub use vxlan::TUNNEL;

/// The name of the bridge in every switch.
pub const BRIDGE: &str = "br0";

/// The name of the bridge that outer packets of tunnels go and come by, where there is one.
pub const UNDERLAY: &str = "phy";

/// How a port attaches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Attach {
    /// To an existing interface.
    System,
    /// To an existing interface, by AF_XDP.
    AfXdp,
    /// The switch creates a TAP.
    Tap,
}

impl Attach {
    /// The key that makes such a port, in the words of Open vSwitch.
    fn key(self) -> &'static str {
        match self {
            Attach::System => "type=system",
            Attach::AfXdp => "type=afxdp",
            Attach::Tap => "type=tap",
        }
    }
}

/// A running switch with one bridge.
pub trait Switch {
    /// Adds a port to the bridge.
    ///
    /// # Errors
    /// The switch refuses it.
    fn add_port(&self, name: &str, attach: Attach) -> Result<()>;

    /// The process that forwards; `None`: the kernel does.
    fn process(&self) -> Option<u32>;
}

/// Addresses in the forwarding database, of what `fdb/stats-show` prints; both switches print it alike.
fn n_learned(stats: &str) -> Result<usize> {
    let line = stats.lines().find_map(|line| {
        line.trim().strip_prefix("Current/maximum MAC entries in the table:")?.split('/').next()
    });
    Ok(line.with_context(|| format!("fdb/stats-show says {stats:?}"))?.trim().parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_addresses_is_read() {
        let stats = "Statistics for bridge \"br0\":\n  \
                     Current/maximum MAC entries in the table: 3/8192\n  \
                     Current static MAC entries in the table : 0\n";
        assert_eq!(n_learned(stats).unwrap(), 3);
        assert!(n_learned("").is_err());
    }
}
