//! Tunnels in a switch without devices: what is written, what is opened, and where it is counted.

mod fit;
mod flows;
mod golden;
mod gso;
mod ledger;
mod lookup;
mod oracle;
mod segments;
mod uplink;

use core::net::IpAddr;
use std::sync::Arc;

use packet::MacAddr;

use super::*;
use crate::ids::BridgeId;
use crate::l2::normal::lab::{Lab, host, port};
use crate::l2::vlan::PortVlan;
use crate::view::{Port, PortKind};

pub const LOCAL: &str = "10.0.0.1";
pub const REMOTE: &str = "10.0.0.2";

pub fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A tunnel to [`REMOTE`] with key 7.
pub fn config(kind: TunnelKind) -> TunnelConfig {
    TunnelConfig {
        kind,
        dst_port: kind.default_port().unwrap_or(0),
        remote: Address::Is(ip(REMOTE)),
        local: Address::Any,
        in_key: Key::Is(7),
        out_key: Key::Is(7),
        tos: Byte::Is(0),
        ttl: Byte::Is(64),
        df: Switch::On,
        csum: Switch::Off,
        seq: Switch::Off,
        gbp: Switch::Off,
    }
}

/// This host's end of the wire at a port, and the next hop's.
pub fn link(n: u16) -> Link {
    Link { port: port(n), src: MacAddr(host(0xa1)), dst: MacAddr(host(0xa2)) }
}

pub fn path(way: Way) -> Path {
    Path { src: ip(LOCAL), mtu: 1500, way }
}

/// A port with the addresses of [`link`]'s own end.
pub fn terminator() -> Arc<Terminator> {
    let addresses = vec![ip("192.168.7.7"), ip(LOCAL), ip("fc00::1")];
    Arc::new(Terminator::new(MacAddr(host(0xa1)), addresses))
}

impl Lab {
    /// Makes a tunnel port of a port; its carrier is another port, if that exists.
    pub fn tunnel(&mut self, n: u16, config: TunnelConfig, (carrier, path): (u16, Option<Path>)) {
        let (carrier, path) = (port(carrier), path.map(Arc::new));
        let (state, segment) = (Arc::default(), Segment::None);
        let tunnel = Tunnel { config, carrier, path, state, segment };
        self.port(n).kind = PortKind::Tunnel(Arc::new(tunnel));
        self.renew_tunnels(&[]);
    }

    /// Publishes the tunnel ports, and the ways to remotes that flows name.
    pub fn renew_tunnels(&mut self, paths: &[(&str, Option<&str>, Path)]) {
        let mut tunnels = Tunnels::default();
        for port in self.snapshot.ports.iter().flatten() {
            if let PortKind::Tunnel(tunnel) = &port.kind {
                tunnels.add_port(&tunnel.config, port.no);
            }
        }
        for (remote, local, path) in paths {
            tunnels.add_path(ip(remote), local.map(ip), Arc::new(path.clone()));
        }
        self.snapshot.tunnels = Arc::new(tunnels);
    }

    /// One more port that is a carrier; its number.
    pub fn carrier(&mut self) -> u16 {
        let n = u16::try_from(self.snapshot.ports.len()).unwrap();
        let carrier = Port {
            no: port(n),
            bridge: BridgeId::NONE,
            kind: PortKind::Carrier,
            vlan: PortVlan::trunk_all(),
            up: true,
            storm: None,
            no_flood: false,
            no_fwd: false,
            mtu: 65_535,
            terminator: None,
            stats: Arc::default(),
        };
        self.snapshot.ports.push(Some(Arc::new(carrier)));
        n
    }
}
