//! Large segments and checksums inside of tunnels.
//!
//! # Design
//! A kernel that sends by a tunnel of its own leaves to the device to cut what is inside, and to finish
//! its checksum. Where the frame inside begins is then found by looking through the outer headers for
//! each protocol that they could be of: it is the one by which the upper header inside lies where the
//! request says. Which UDP ports tunnels use does not matter.
//!
//! To cut such a frame ([`patch`]), the outer headers are copied to each piece with their lengths,
//! identification and checksums. A checksum that covers the frame inside follows from that of the frame
//! inside, which is unfinished, without a look at the payload (see
//! [`encapsulate`](crate::tunnel::encapsulate)).

use packet::checksum::Sum;
use packet::ipv4::Ipv4Header;
use packet::ipv6::{self, Ipv6Header};
use packet::tunnel::geneve::Geneve;
use packet::tunnel::gre::{self, Gre};
use packet::tunnel::vxlan;
use packet::udp::{self, UdpHeader};
use packet::{EtherType, Fragment, IpProto, Layers};

/// GRE (RFC 2784).
const GRE: IpProto = IpProto(47);
/// The flag of VXLAN that says that there is a VNI.
const VXLAN_VALID: u8 = 0x08;

/// Byte offset of the frame inside of a tunnel whose upper header is at `start`.
pub(super) fn inner_of(frame: &[u8], start: usize) -> Option<usize> {
    let ip = Layers::parse(frame)?.ip.filter(|ip| ip.fragment == Fragment::No)?;
    let fits = |inner: &usize| {
        let layers = frame.get(*inner..).and_then(Layers::parse).and_then(|layers| layers.ip);
        layers.is_some_and(|ip| inner + ip.l4 == start)
    };
    match ip.proto {
        IpProto::UDP => {
            let at = ip.l4 + udp::HEADER_LEN;
            let header = frame.get(at..)?;
            let is_vxlan = header.first()? & VXLAN_VALID != 0;
            let vxlan = is_vxlan.then_some(at + vxlan::HEADER_LEN).filter(fits);
            vxlan.or_else(|| Geneve::parse(header).map(|(_, len)| at + len).filter(fits))
        }
        GRE => {
            let (header, len) = Gre::parse(frame.get(ip.l4..)?)?;
            // Each piece would need a number of its own.
            header.sequence.is_none().then_some(ip.l4 + len).filter(fits)
        }
        _ => None,
    }
}

/// Writes the outer headers of a piece with this number, of which `headers` are all headers and
/// `payload_len` more bytes follow. Inside, at `field`, is an unfinished checksum that starts at `start`.
pub(super) fn patch(
    headers: &mut [u8],
    (index, payload_len): (usize, usize),
    (start, field): (usize, usize),
) -> Option<()> {
    let Layers { ethertype, l3, ip, .. } = Layers::parse(headers)?;
    let ip = ip?;
    let len = headers.len() + payload_len;
    let inside = u16::from_be_bytes(*headers.get(field..)?.first_chunk()?);
    let (pseudo, l4_len) = (patch_ip(headers, (ethertype, l3, ip.l4), (index, len))?, len - ip.l4);
    let upper = headers.get_mut(ip.l4..start)?;
    match ip.proto {
        IpProto::UDP => {
            let len = u16::try_from(l4_len).ok()?;
            let header = UdpHeader::parse_mut(upper)?;
            header.len.set(len);
            if header.checksum.get() == 0 {
                return Some(());
            }
            header.checksum.set(0);
            let pseudo = pseudo.add_u16(IpProto::UDP.0.into()).add_u16(len);
            let sum = match pseudo.add_bytes(upper).add_u16(!inside).finish() {
                0 => 0xffff, // RFC 768
                sum => sum,
            };
            UdpHeader::parse_mut(upper)?.checksum.set(sum);
        }
        GRE => {
            let (header, _) = Gre::parse(upper)?;
            if header.checksum.is_some() {
                let at = gre::CHECKSUM_OFFSET;
                upper.get_mut(at..at + 2)?.fill(0);
                let sum = Sum::default().add_bytes(upper).add_u16(!inside).finish();
                upper.get_mut(at..at + 2)?.copy_from_slice(&sum.to_be_bytes());
            }
        }
        _ => return None,
    }
    Some(())
}

/// Writes the length and, over IPv4, identification and checksum; the sum of the addresses.
fn patch_ip(
    headers: &mut [u8],
    (ethertype, l3, l4): (EtherType, usize, usize),
    (index, len): (usize, usize),
) -> Option<Sum> {
    let ip = headers.get_mut(l3..l4)?;
    if ethertype == EtherType::IPV4 {
        let header = Ipv4Header::parse_mut(ip)?;
        header.total_len.set(u16::try_from(len - l3).ok()?);
        header.id.set(header.id.get().wrapping_add(u16::try_from(index).ok()?));
        header.checksum.set(0);
        let sum = Sum::default().add_bytes(ip).finish();
        Ipv4Header::parse_mut(ip)?.checksum.set(sum);
        Some(Sum::default().add_bytes(ip.get(12..20)?))
    } else {
        let payload_len = u16::try_from(len.checked_sub(l3 + ipv6::HEADER_LEN)?).ok()?;
        Ipv6Header::parse_mut(ip)?.payload_len.set(payload_len);
        Some(Sum::default().add_bytes(ip.get(8..40)?))
    }
}
