//! Our own daemon with two sides, between which frames go by one bridge, by a pair of patch ports, or
//! by a veth pair.

use std::cell::Cell;
use std::fmt;
use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use super::{Attach, BRIDGE, Daemon, Switch};
use crate::process;

/// The bridge of the second side, where there are two.
const FAR_BRIDGE: &str = "br1";

/// What lies between the two sides.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub enum Join {
    /// Nothing: one bridge.
    OneBridge,
    /// Two bridges, and patch ports.
    Patch,
    /// Two bridges, and a veth pair, each end a port.
    Veth,
}

impl Join {
    /// Every way.
    pub const ALL: [Join; 3] = [Join::OneBridge, Join::Patch, Join::Veth];
}

impl fmt::Display for Join {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Join::OneBridge => "one bridge",
            Join::Patch => "two bridges, patch ports",
            Join::Veth => "two bridges, veth pair",
        })
    }
}

/// A daemon; ports are added to the two sides in turn.
pub struct Joined {
    /// The daemon.
    pub daemon: Daemon,
    sides: [&'static str; 2],
    n_ports: Cell<usize>,
}

impl Joined {
    /// Starts the daemon in a namespace, whose the veth pair will be; bridges remember `max_entries`
    /// addresses.
    ///
    /// # Errors
    /// It does not come up, or refuses.
    pub fn start(netns: &str, args: &[&str], join: Join, max_entries: usize) -> Result<Joined> {
        let daemon = Daemon::start(Some(netns), args)?;
        let size = format!("mac-table-size={max_entries}");
        daemon.add_bridge(&[&size])?;
        let far = if join == Join::OneBridge { BRIDGE } else { FAR_BRIDGE };
        if join != Join::OneBridge {
            daemon.ofctl(&["add-br", far, &size])?;
        }
        let ends = [(BRIDGE, "near", "far"), (far, "far", "near")];
        match join {
            Join::OneBridge => {}
            Join::Patch => {
                for (bridge, end, peer) in ends {
                    let peer = format!("peer={peer}");
                    daemon.ofctl(&["add-port", bridge, end, "type=patch", &peer])?;
                }
            }
            Join::Veth => {
                let veth = ["add", "near", "type", "veth", "peer", "name", "far"];
                process::run("ip", &[&["-n", netns, "link"], &veth[..]].concat())?;
                for (bridge, end, _) in ends {
                    process::run("ip", &["-n", netns, "link", "set", end, "up"])?;
                    daemon.ofctl(&["add-port", bridge, end])?;
                }
            }
        }
        Ok(Joined { daemon, sides: [BRIDGE, far], n_ports: Cell::new(0) })
    }

    /// Adds a port that plays a capture file, to the next side.
    ///
    /// # Errors
    /// The file cannot be played.
    pub fn play(&self, name: &str, file: &Path) -> Result<()> {
        let file = format!("file={}", file.display());
        self.daemon.ofctl(&["add-port", self.next_side(), name, "type=pcap", &file])?;
        Ok(())
    }

    /// Addresses that both sides know.
    ///
    /// # Errors
    /// The daemon does not answer.
    pub fn n_learned(&self) -> Result<usize> {
        let [near, far] = self.sides.map(|side| self.daemon.n_learned_by(side));
        Ok(near?.min(far?))
    }

    fn next_side(&self) -> &'static str {
        let n = self.n_ports.replace(self.n_ports.get() + 1);
        self.sides[n % 2]
    }
}

impl Switch for Joined {
    fn add_port(&self, name: &str, attach: Attach) -> Result<()> {
        self.daemon.ofctl(&["add-port", self.next_side(), name, attach.key()])?;
        Ok(())
    }

    fn process(&self) -> Option<u32> {
        Some(self.daemon.pid())
    }
}
