//! Telling a sender that its packet does not fit through the tunnel.
//!
//! # Design
//! A bridge has no address to send from, so the answer seems to come from the very host that the packet
//! was for: addresses of Ethernet and IP exchanged, tags kept. Linux does the same for bridged tunnels
//! (`skb_tunnel_check_pmtu`, `net/ipv4/ip_tunnel_core.c`). The sender learns the length that fits, and
//! keeps to it.
//!
//! Answered is only who could use it and may be answered (RFC 1122 §3.2.2, RFC 4443 §2.4): IPv4 packets
//! that must not be fragmented, and IPv6 packets; no errors of ICMP, no later fragments, nothing from or
//! for many hosts or nobody.
//!
//! # References
//! RFC 792, RFC 1191 §4 (fragmentation needed), RFC 4443 §3.2 (packet too big).

use packet::checksum::Sum;
use packet::ethernet::EthernetHeader;
use packet::ipv4::Ipv4Header;
use packet::ipv6::{self, Ipv6Header};
use packet::layers::{IpLayers, L2};
use packet::{EtherType, Fragment, IpProto};

use crate::frame::{Frame, FramePool};

/// Bytes of an answer over IPv4 at most (RFC 1812 §4.3.2.3).
const MAX_V4_LEN: usize = 576;
/// Bytes of an answer over IPv6 at most: the smallest MTU (RFC 4443 §2.4 c).
const MAX_V6_LEN: usize = 1280;
/// The smallest MTU that is told over IPv4 (Linux: `iptunnel_pmtud_check_icmp`).
const MIN_V4_MTU: usize = 576;
const V4_LEN: usize = 20;
/// ICMP of either version, up to the packet that it speaks of.
const ICMP_LEN: usize = 8;

/// A packet to be answered.
pub(crate) struct TooBig<'a> {
    ethernet: &'a [u8],
    packet: &'a [u8],
    is_v4: bool,
    mtu: usize,
}

impl<'a> TooBig<'a> {
    /// A frame of which `room` bytes would fit; `None` if nobody is to be answered.
    pub fn of(frame: &'a [u8], room: usize) -> Option<TooBig<'a>> {
        let (header, _) = EthernetHeader::parse(frame)?;
        let l2 = L2::parse(frame)?;
        let layers = IpLayers::parse(frame, &l2)?;
        let (ethernet, packet) = frame.split_at_checked(l2.l3)?;
        let mtu = room.checked_sub(l2.l3)?;
        let is_v4 = l2.ethertype == EtherType::IPV4;
        let upper = frame.get(layers.l4..)?;
        let may_be = !header.dst.is_multicast()
            && layers.fragment != Fragment::Later
            && if is_v4 {
                may_answer_v4(packet, upper)
            } else {
                may_answer_v6(packet, &layers, upper)
            };
        let least = if is_v4 { MIN_V4_MTU } else { MAX_V6_LEN };
        (may_be && mtu >= least).then_some(TooBig { ethernet, packet, is_v4, mtu })
    }

    /// The answer; `None` without a free frame.
    pub fn answer(&self, pool: &mut FramePool) -> Option<Frame> {
        let (ip_len, max_len) =
            if self.is_v4 { (V4_LEN, MAX_V4_LEN) } else { (ipv6::HEADER_LEN, MAX_V6_LEN) };
        let quoted = self.packet.len().min(max_len - ip_len - ICMP_LEN);
        let quoted = &self.packet[..quoted];
        let l3 = self.ethernet.len();
        let len = l3 + ip_len + ICMP_LEN + quoted.len();
        let mut frame = pool.get_for(len)?;
        if !frame.set_len(len) {
            pool.put(frame);
            return None;
        }
        let (ethernet, packet) = frame.data_mut().split_at_mut(l3);
        ethernet.copy_from_slice(self.ethernet);
        let (dst, rest) = ethernet.split_at_mut(6);
        dst.swap_with_slice(&mut rest[..6]);
        packet[ip_len + ICMP_LEN..].copy_from_slice(quoted);
        let mtu = u16::try_from(self.mtu).unwrap_or(u16::MAX);
        if self.is_v4 {
            self.fill_v4(packet, mtu)
        } else {
            self.fill_v6(packet, mtu)
        }
        Some(frame)
    }

    fn fill_v4(&self, packet: &mut [u8], mtu: u16) {
        let (ip, icmp) = packet.split_at_mut(V4_LEN);
        let [m0, m1] = mtu.to_be_bytes();
        icmp[..ICMP_LEN].copy_from_slice(&[3, 4, 0, 0, 0, 0, m0, m1]);
        let sum = Sum::default().add_bytes(icmp).finish();
        icmp[2..4].copy_from_slice(&sum.to_be_bytes());
        let [l0, l1] = u16::try_from(V4_LEN + icmp.len()).unwrap_or(0).to_be_bytes();
        ip[..12].copy_from_slice(&[0x45, 0, l0, l1, 0, 0, 0x40, 0, 64, IpProto::ICMP.0, 0, 0]);
        ip[12..16].copy_from_slice(&self.packet[16..20]);
        ip[16..20].copy_from_slice(&self.packet[12..16]);
        let sum = Sum::default().add_bytes(ip).finish();
        ip[10..12].copy_from_slice(&sum.to_be_bytes());
    }

    fn fill_v6(&self, packet: &mut [u8], mtu: u16) {
        let (ip, icmp) = packet.split_at_mut(ipv6::HEADER_LEN);
        let [m0, m1] = mtu.to_be_bytes();
        let len = u16::try_from(icmp.len()).unwrap_or(0);
        let [l0, l1] = len.to_be_bytes();
        ip[..8].copy_from_slice(&[0x60, 0, 0, 0, l0, l1, IpProto::ICMPV6.0, 255]);
        ip[8..24].copy_from_slice(&self.packet[24..40]);
        ip[24..40].copy_from_slice(&self.packet[8..24]);
        icmp[..ICMP_LEN].copy_from_slice(&[2, 0, 0, 0, 0, 0, m0, m1]);
        let pseudo = Sum::default().add_bytes(&ip[8..40]).add_u16(IpProto::ICMPV6.0.into());
        let sum = pseudo.add_u16(len).add_bytes(icmp).finish();
        icmp[2..4].copy_from_slice(&sum.to_be_bytes());
    }
}

fn may_answer_v4(packet: &[u8], upper: &[u8]) -> bool {
    const DF_ALONE: [u8; 2] = [0x40, 0];
    let Some(header) = Ipv4Header::parse(packet) else { return false };
    let is_error = header.proto() == IpProto::ICMP
        && !upper.first().is_some_and(|kind| matches!(kind, 0 | 8..=10 | 13..=18));
    let (src, dst) = (header.src(), header.dst());
    let is_one =
        !(src.is_unspecified() || src.is_loopback() || src.is_multicast() || src.is_broadcast());
    packet.get(6..8) == Some(&DF_ALONE)
        && is_one
        && !(dst.is_multicast() || dst.is_broadcast() || dst.is_unspecified())
        && !is_error
}

fn may_answer_v6(packet: &[u8], layers: &IpLayers, upper: &[u8]) -> bool {
    let Some(header) = Ipv6Header::parse(packet) else { return false };
    // Messages below 128 are errors (RFC 4443 §2.1).
    let is_error = layers.proto == IpProto::ICMPV6 && upper.first().is_none_or(|kind| *kind < 128);
    let (src, dst) = (header.src(), header.dst());
    let is_one = !(src.is_unspecified() || src.is_loopback() || src.is_multicast());
    is_one && !dst.is_multicast() && !is_error
}
