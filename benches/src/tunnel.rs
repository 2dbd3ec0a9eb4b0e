//! A VXLAN tunnel over IPv4 to one remote host, and packets that come through it.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use datapath::PortNo;
use datapath::frame::{FrameMemory, FramePool};
use datapath::tunnel::encapsulate::{Ends, Outer};
use datapath::tunnel::{
    Address, Byte, Key, Link, Path, Segment, Switch, Terminator, Tunnel, TunnelConfig, TunnelKind,
    TunnelState, Way,
};
use packet::MacAddr;

/// One end of a tunnel.
#[derive(Clone, Copy, Debug)]
pub struct End {
    /// Its address, in the same network of 24 bits as that of the other.
    pub ip: Ipv4Addr,
    /// The MAC address of the port that has it.
    pub mac: MacAddr,
}

/// The end at the switch that is measured, and the other.
pub const ENDS: [End; 2] = [
    End { ip: Ipv4Addr::new(192, 0, 2, 1), mac: MacAddr([2, 2, 0, 0, 0, 1]) },
    End { ip: Ipv4Addr::new(192, 0, 2, 2), mac: MacAddr([2, 2, 0, 0, 0, 2]) },
];
const LOCAL: IpAddr = IpAddr::V4(ENDS[0].ip);
const REMOTE: IpAddr = IpAddr::V4(ENDS[1].ip);
const LOCAL_MAC: MacAddr = ENDS[0].mac;
const REMOTE_MAC: MacAddr = ENDS[1].mac;
const MTU: u32 = 1500;
/// The virtual network.
pub const VNI: u64 = 7;

/// What the port is configured to.
#[must_use]
pub fn config() -> TunnelConfig {
    TunnelConfig {
        kind: TunnelKind::Vxlan,
        dst_port: 4789,
        remote: Address::Is(REMOTE),
        local: Address::Any,
        in_key: Key::Is(VNI),
        out_key: Key::Is(VNI),
        tos: Byte::Is(0),
        ttl: Byte::Is(64),
        df: Switch::On,
        csum: Switch::Off,
        seq: Switch::Off,
        gbp: Switch::Off,
    }
}

/// The port, with its way straight out by another.
#[must_use]
pub fn tunnel(wire: PortNo) -> Tunnel {
    let way = Way::Port(Link { port: wire, src: LOCAL_MAC, dst: REMOTE_MAC });
    let path = Some(Arc::new(Path { src: LOCAL, mtu: MTU, way }));
    Tunnel { config: config(), carrier: wire, path, state: Arc::default(), segment: Segment::None }
}

/// The addresses of the port that outer packets come by.
#[must_use]
pub fn terminator() -> Terminator {
    Terminator::new(LOCAL_MAC, vec![LOCAL])
}

/// A frame as it comes from the remote host; nothing, if it is too long for any.
#[must_use]
pub fn wrap(frame: &[u8]) -> Vec<u8> {
    let wrapped = || {
        let mut pool = FramePool::new(FrameMemory::new(1, 1).ok()?);
        let mut frame = pool.from_bytes(frame)?;
        let (config, state) = (config(), TunnelState::default());
        let link = PortNo::new(0).map(|port| Link { port, src: REMOTE_MAC, dst: LOCAL_MAC });
        let ends = Ends { src: REMOTE, dst: LOCAL, link };
        Outer::new((&config, &state), None, &ends)?.write(&mut frame).ok()?;
        Some(frame.data().to_vec())
    };
    wrapped().unwrap_or_default()
}
