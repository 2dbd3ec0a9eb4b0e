//! Tunnels that carry Ethernet frames over IP: VXLAN, GRE and Geneve.
//!
//! # Design
//! A [`TunnelKey`] is what the outer headers of one packet say, or are to say, in one form for all
//! kinds: who sends to whom, in which virtual network, with which options. One file per protocol reads
//! and writes its header; outer IP and UDP are those of [`ipv4`](crate::ipv4), [`ipv6`](crate::ipv6)
//! and [`udp`](crate::udp).
//!
//! # References
//! RFC 7348 (VXLAN), draft-smith-vxlan-group-policy-05 (its group policy), RFC 2784 and RFC 2890
//! (GRE, key and sequence number), RFC 8926 (Geneve).

use core::net::{IpAddr, Ipv4Addr};

/// A tunnel protocol.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum TunnelKind {
    /// VXLAN, over UDP.
    Vxlan,
    /// GRE with transparent Ethernet bridging ("gretap"), over IP.
    Gre,
    /// Geneve, over UDP.
    Geneve,
}

impl TunnelKind {
    /// The UDP port that IANA gave it; `None` for GRE, which has none.
    #[must_use]
    pub const fn default_port(self) -> Option<u16> {
        match self {
            TunnelKind::Vxlan => Some(4789),
            TunnelKind::Geneve => Some(6081),
            TunnelKind::Gre => None,
        }
    }

    /// The highest key: 24 bits of a VNI, 32 bits of GRE.
    #[must_use]
    pub const fn max_key(self) -> u64 {
        match self {
            TunnelKind::Vxlan | TunnelKind::Geneve => 0xff_ffff,
            TunnelKind::Gre => 0xffff_ffff,
        }
    }
}

/// Bytes of Geneve options at most (RFC 8926 §3.4: six bits count steps of four).
pub const MAX_OPTIONS_LEN: usize = 252;

/// What the outer headers of a packet say.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct TunnelKey {
    /// VNI, or key of GRE; 0 also if there is none.
    pub id: u64,
    /// Outer source.
    pub src: IpAddr,
    /// Outer destination.
    pub dst: IpAddr,
    /// Outer type of service, or traffic class.
    pub tos: u8,
    /// Outer time to live, or hop limit.
    pub ttl: u8,
    /// Outer UDP source port; 0 without UDP.
    pub tp_src: u16,
    /// Outer UDP destination port; 0 without UDP.
    pub tp_dst: u16,
    /// Group policy of VXLAN: the group.
    pub gbp_id: u16,
    /// Group policy of VXLAN: flags, in the places of the header's third byte.
    pub gbp_flags: u8,
    /// Whether the packet is for operations and management (`tun_flags=oam` of Geneve).
    pub oam: bool,
    /// Geneve options as they stand in the header.
    pub options: arrayvec::ArrayVec<u8, MAX_OPTIONS_LEN>,
}

impl TunnelKey {
    /// Nothing.
    #[must_use]
    pub const fn new() -> TunnelKey {
        let nowhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        TunnelKey {
            id: 0,
            src: nowhere,
            dst: nowhere,
            tos: 0,
            ttl: 0,
            tp_src: 0,
            tp_dst: 0,
            gbp_id: 0,
            gbp_flags: 0,
            oam: false,
            options: arrayvec::ArrayVec::new_const(),
        }
    }
}

impl Default for TunnelKey {
    fn default() -> Self {
        TunnelKey::new()
    }
}
