//! Neighbours on the link of an uplink that AF_XDP serves.
//!
//! # Design
//! Such a port keeps what it receives from the kernel, which so hears neither answers to its own
//! questions nor the questions of others. Both are made up for here: who on the link says its address is
//! told to the control plane, which lets the kernel know ([`heard`]), and who asks for an address of the
//! port is answered ([`answer`]).
//!
//! Frames go on in their bridge all the same.
//!
//! # Invariants
//! Told is only of next hops that are in use ([`Uplink::hops`]), each once a second, so that nobody fills a
//! table by talking. Answered are questions alone, by one frame each to who asked.
//!
//! # References
//! RFC 826, RFC 4861 §7.1 (what must hold of a message), §7.2.4 (solicited advertisements).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use packet::arp::{self, ArpMessage};
use packet::checksum::Sum;
use packet::ethernet::{self, EthernetHeader};
use packet::ipv6::{self, Ipv6Header};
use packet::{EtherType, IpProto, MacAddr};

use super::Terminator;
use crate::frame::{Checksum, Frame, FramePool};

/// What poll threads know of the link of an uplink.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Uplink {
    /// The next hops that ways lead by.
    pub hops: Vec<IpAddr>,
}

const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
/// Source and target link-layer address (RFC 4861 §4.6.1).
const SOURCE_OPTION: u8 = 1;
const TARGET_OPTION: u8 = 2;
/// Bytes of a solicitation or an advertisement without options (RFC 4861 §4.3, §4.4).
const ND_LEN: usize = 24;
/// Bytes of an option with an Ethernet address.
const OPTION_LEN: usize = 8;
/// Bytes of an ARP message.
const ARP_LEN: usize = 28;

/// A message of neighbour discovery.
struct Discovery<'a> {
    kind: u8,
    src: Ipv6Addr,
    target: Ipv6Addr,
    options: &'a [u8],
}

impl<'a> Discovery<'a> {
    /// `None` if it is none, or not one that must be believed.
    fn read(packet: &'a [u8], checksum: Checksum) -> Option<Discovery<'a>> {
        let header = Ipv6Header::parse(packet)?;
        let end = ipv6::HEADER_LEN + usize::from(header.payload_len.get());
        let message = packet.get(ipv6::HEADER_LEN..end)?;
        // Only from the link itself: no router has passed it on.
        if header.next_header != IpProto::ICMPV6.0 || header.hop_limit != 255 {
            return None;
        }
        let (&[kind @ (SOLICITATION | ADVERTISEMENT), 0, ..], options) =
            message.split_first_chunk::<ND_LEN>()?
        else {
            return None;
        };
        let len = u32::try_from(message.len()).ok()?;
        let sum = Sum::pseudo_v6(header.src(), header.dst(), IpProto::ICMPV6, len);
        if checksum == Checksum::Unknown && sum.add_bytes(message).finish() != 0 {
            return None;
        }
        let target: [u8; 16] = *message.get(8..ND_LEN)?.first_chunk()?;
        Some(Discovery { kind, src: header.src(), target: target.into(), options })
    }

    /// The link-layer address of an option.
    fn option(&self, wanted: u8) -> Option<MacAddr> {
        let mut rest = self.options;
        while let [kind, n_units, ..] = *rest {
            let (option, behind) = rest.split_at_checked(usize::from(n_units) * OPTION_LEN)?;
            if kind == wanted && n_units == 1 {
                return option.get(2..)?.first_chunk().copied().map(MacAddr);
            }
            if n_units == 0 {
                return None;
            }
            rest = behind;
        }
        None
    }
}

/// Whether a frame may be a message about neighbours: a quick look.
#[inline]
#[must_use]
pub fn may_be_about_neighbours(frame: &[u8]) -> bool {
    const NEXT_HEADER: usize = ethernet::HEADER_LEN + 6;
    match frame.get(12..14) {
        Some([0x08, 0x06]) => true,
        Some([0x86, 0xdd]) => frame.get(NEXT_HEADER) == Some(&IpProto::ICMPV6.0),
        _ => false,
    }
}

/// Who a frame says is on the link, and its MAC address.
#[must_use]
pub fn heard(frame: &Frame) -> Option<(IpAddr, MacAddr)> {
    let (header, payload) = EthernetHeader::parse(frame.data())?;
    let (ip, mac): (IpAddr, MacAddr) = match header.ethertype() {
        EtherType::ARP => {
            let message = ArpMessage::parse(payload)?;
            (message.sender_ip().into(), message.sender_mac)
        }
        EtherType::IPV6 => {
            let message = Discovery::read(payload, frame.offload().checksum)?;
            if message.kind == ADVERTISEMENT {
                (message.target.into(), message.option(TARGET_OPTION)?)
            } else {
                (message.src.into(), message.option(SOURCE_OPTION)?)
            }
        }
        _ => return None,
    };
    let is_one = !ip.is_unspecified() && !ip.is_multicast();
    (is_one && !mac.is_multicast() && mac != MacAddr::ZERO).then_some((ip, mac))
}

/// The answer to who asks for an address of a port; `None` if nobody does, or without a free frame.
pub fn answer(frame: &Frame, port: &Terminator, pool: &mut FramePool) -> Option<Frame> {
    let (header, payload) = EthernetHeader::parse(frame.data())?;
    let bytes = match header.ethertype() {
        EtherType::ARP => {
            let message = ArpMessage::parse(payload)?;
            let asked = IpAddr::from(message.target_ip());
            if message.operation() != arp::REQUEST
                || message.sender_mac.is_multicast()
                || !port.addresses.contains(&asked)
            {
                return None;
            }
            arp_reply(port.mac, message)
        }
        EtherType::IPV6 => {
            let message = Discovery::read(payload, frame.offload().checksum)?;
            // Who asks whether an address is free gets no answer from here: the kernel has it.
            if message.kind != SOLICITATION
                || message.src.is_unspecified()
                || !port.addresses.contains(&IpAddr::V6(message.target))
            {
                return None;
            }
            let to = message.option(SOURCE_OPTION).unwrap_or(header.src);
            if to.is_multicast() {
                return None; // it would be for many
            }
            advertisement(port.mac, to, (message.target, message.src))
        }
        _ => return None,
    };
    let mut answer = pool.get_for(bytes.len())?;
    if !answer.set_len(bytes.len()) {
        pool.put(answer);
        return None;
    }
    answer.data_mut().copy_from_slice(&bytes);
    Some(answer)
}

/// Most bytes of an answer: an advertisement.
type Answer =
    arrayvec::ArrayVec<u8, { ethernet::HEADER_LEN + ipv6::HEADER_LEN + ND_LEN + OPTION_LEN }>;

fn ethernet_header(dst: MacAddr, src: MacAddr, ethertype: EtherType) -> Answer {
    let mut bytes = Answer::new();
    bytes.extend(dst.0.into_iter().chain(src.0).chain(ethertype.0.to_be_bytes()));
    bytes
}

fn arp_reply(mac: MacAddr, asked: &ArpMessage) -> Answer {
    let mut bytes = ethernet_header(asked.sender_mac, mac, EtherType::ARP);
    let mut message = [0; ARP_LEN];
    message[..8].copy_from_slice(&[0, 1, 8, 0, 6, 4, 0, 2]);
    message[8..14].copy_from_slice(&mac.0);
    message[14..18].copy_from_slice(&Ipv4Addr::octets(&asked.target_ip()));
    message[18..24].copy_from_slice(&asked.sender_mac.0);
    message[24..].copy_from_slice(&Ipv4Addr::octets(&asked.sender_ip()));
    bytes.extend(message);
    bytes
}

fn advertisement(mac: MacAddr, to: MacAddr, (src, dst): (Ipv6Addr, Ipv6Addr)) -> Answer {
    const LEN: u8 = 32;
    /// Solicited, and to be believed more than what was known.
    const FLAGS: u8 = 0x60;
    let mut message = [0; LEN as usize];
    (message[0], message[4]) = (ADVERTISEMENT, FLAGS);
    message[8..ND_LEN].copy_from_slice(&src.octets());
    (message[ND_LEN], message[ND_LEN + 1]) = (TARGET_OPTION, 1);
    message[ND_LEN + 2..].copy_from_slice(&mac.0);
    let sum = Sum::pseudo_v6(src, dst, IpProto::ICMPV6, LEN.into()).add_bytes(&message).finish();
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    let mut bytes = ethernet_header(to, mac, EtherType::IPV6);
    bytes.extend([0x60, 0, 0, 0, 0, LEN, IpProto::ICMPV6.0, 255]);
    bytes.extend(src.octets().into_iter().chain(dst.octets()).chain(message));
    bytes
}
