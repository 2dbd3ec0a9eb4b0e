//! VXLAN tunnels of switches: how each of them is told that there is one.
//!
//! # Design
//! Ours is told where the other end is, and nothing else. Open vSwitch's userspace datapath sends by the
//! host's routes only what leaves by a bridge of its own: the host's address is on that bridge's port,
//! and the uplink is another port of it. Ours can be set up the same way.

use std::net::Ipv4Addr;

use anyhow::Result;

use super::{Attach, BRIDGE, Daemon, LinuxBridge, Ovs, Switch as _, UNDERLAY};
use crate::lab::Netns;
use crate::tunnel::{End, VNI};

/// The tunnel's port of [`BRIDGE`].
pub const TUNNEL: &str = "vx";

impl Ovs {
    /// Adds the bridge [`UNDERLAY`], whose own port has one end's address, and to [`BRIDGE`] the port
    /// [`TUNNEL`] to the other end. The daemon is in that namespace.
    ///
    /// # Errors
    /// Something is refused.
    pub fn add_vxlan(&self, netns: &Netns, [here, there]: [End; 2]) -> Result<()> {
        let mac = format!("other_config:hwaddr={}", here.mac);
        let set = ["--", "set", "bridge", UNDERLAY, "datapath_type=netdev", &mac];
        self.vsctl(&[&["add-br", UNDERLAY], &set[..]].concat())?;
        own_address(netns, here.ip)?;
        let (ip, mac) = (there.ip.to_string(), there.mac.to_string());
        self.appctl(&["tnl/neigh/set", UNDERLAY, &ip, &mac])?;
        let (remote, key) = (format!("options:remote_ip={ip}"), format!("options:key={VNI}"));
        let set = ["--", "set", "interface", TUNNEL, "type=vxlan", &remote, &key];
        self.vsctl(&[&["add-port", BRIDGE, TUNNEL], &set[..]].concat())?;
        Ok(())
    }

    /// Adds the uplink.
    ///
    /// # Errors
    /// The interface is refused.
    pub fn add_uplink(&self, interface: &str, attach: Attach) -> Result<()> {
        let set = ["--", "set", "interface", interface, attach.key()];
        self.vsctl(&[&["add-port", UNDERLAY, interface], &set[..]].concat())?;
        Ok(())
    }

    /// Tells [`BRIDGE`] that these hosts are behind one of its ports.
    ///
    /// # Errors
    /// There is no such port.
    pub fn teach(&self, port: &str, hosts: impl Iterator<Item = packet::MacAddr>) -> Result<()> {
        for host in hosts {
            self.appctl(&["fdb/add", BRIDGE, port, "0", &host.to_string()])?;
        }
        Ok(())
    }
}

impl Daemon {
    /// Adds to [`BRIDGE`] the port [`TUNNEL`] to that end.
    ///
    /// # Errors
    /// It is refused.
    pub fn add_vxlan(&self, there: End) -> Result<()> {
        let (remote, key) = (format!("remote_ip={}", there.ip), format!("key={VNI}"));
        self.ofctl(&["add-port", BRIDGE, TUNNEL, "type=vxlan", &remote, &key])?;
        Ok(())
    }

    /// Adds the bridge [`UNDERLAY`], whose own port has that end's address, and its uplink. The daemon is
    /// in that namespace.
    ///
    /// # Errors
    /// Something is refused.
    pub fn add_underlay(
        &self,
        netns: &Netns,
        here: End,
        interface: &str,
        attach: Attach,
    ) -> Result<()> {
        self.ofctl(&["add-br", UNDERLAY])?;
        self.ofctl(&["add-port", UNDERLAY, interface, attach.key()])?;
        own_address(netns, here.ip)
    }
}

impl LinuxBridge {
    /// Adds the kernel's own VXLAN device to that end.
    ///
    /// # Errors
    /// The kernel has none.
    pub fn add_vxlan(&self, there: End) -> Result<()> {
        let (ip, vni) = (there.ip.to_string(), VNI.to_string());
        let device = ["type", "vxlan", "id", &vni, "remote", &ip, "dstport", "4789"];
        self.ip(&[&["link", "add", TUNNEL], &device[..]].concat())?;
        self.ip(&["link", "set", TUNNEL, "up"])?;
        self.add_port(TUNNEL, Attach::System)
    }
}

/// Gives the bridge's own port its address.
fn own_address(netns: &Netns, ip: Ipv4Addr) -> Result<()> {
    netns.ip(&["addr", "add", &format!("{ip}/24"), "dev", UNDERLAY])?;
    netns.ip(&["link", "set", UNDERLAY, "up"])?;
    Ok(())
}
