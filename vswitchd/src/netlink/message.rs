//! From rtnetlink messages to links and their events.

use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_route::link::{InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use packet::MacAddr;

use crate::switch::links::{Link, LinkEvent};

/// Length of a netlink header, bytes (`struct nlmsghdr`).
const HEADER_LEN: usize = 16;

/// The messages of a datagram. One that cannot be read is passed over: an attribute that a newer
/// kernel sends about one interface must not hide the others.
pub fn messages(datagram: &[u8]) -> impl Iterator<Item = NetlinkMessage<RouteNetlinkMessage>> {
    let mut rest = datagram;
    let raw = std::iter::from_fn(move || {
        let len_bytes: [u8; 4] = rest.get(..4)?.try_into().ok()?;
        let len = usize::try_from(u32::from_ne_bytes(len_bytes)).ok()?;
        if len < HEADER_LEN {
            return None;
        }
        let message = rest.get(..len)?;
        rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some(message)
    });
    raw.filter_map(|bytes| match NetlinkMessage::deserialize(bytes) {
        Ok(message) => Some(message),
        Err(error) => {
            tracing::warn!("a message of the kernel cannot be read: {error}");
            None
        }
    })
}

/// What a notification tells of interfaces; `None` if nothing.
pub fn event_of(message: NetlinkMessage<RouteNetlinkMessage>) -> Option<LinkEvent> {
    match message.payload {
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link)) => {
            link_of(&link).map(LinkEvent::Present)
        }
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelLink(link)) => {
            is_whole(&link).then_some(LinkEvent::Gone { index: link.header.index })
        }
        NetlinkPayload::InnerMessage(
            RouteNetlinkMessage::NewAddress(_) | RouteNetlinkMessage::DelAddress(_),
        ) => Some(LinkEvent::Addresses),
        _ => None,
    }
}

/// Whether the message is about the interface itself, not about its role in a Linux bridge.
fn is_whole(link: &LinkMessage) -> bool {
    link.header.interface_family == AddressFamily::Unspec
}

/// The interface that a message describes.
pub fn link_of(message: &LinkMessage) -> Option<Link> {
    if !is_whole(message) {
        return None;
    }
    let flags = message.header.flags;
    let mut link = Link {
        index: message.header.index,
        name: String::new(),
        mac: MacAddr::ZERO,
        mtu: 0,
        admin_up: flags.contains(LinkFlags::Up),
        carrier: flags.contains(LinkFlags::LowerUp),
        is_hardware: false,
        has_master: false,
        lower: None,
    };
    let (mut is_pair, mut is_elsewhere) = (false, false);
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name.clone_from(name),
            LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
            // Interfaces of other kinds have addresses of other lengths.
            LinkAttribute::Address(bytes) => {
                if let Ok(mac) = <[u8; 6]>::try_from(bytes.as_slice()) {
                    link.mac = MacAddr(mac);
                }
            }
            LinkAttribute::ParentDevName(_) => link.is_hardware = true,
            LinkAttribute::Controller(index) => link.has_master = *index != 0,
            LinkAttribute::Link(index) => link.lower = Some(*index).filter(|index| *index != 0),
            LinkAttribute::LinkNetNsId(_) => is_elsewhere = true,
            LinkAttribute::LinkInfo(infos) => is_pair = infos.iter().any(is_pair_kind),
            _ => {}
        }
    }
    // The number of a pair's other end says nothing, nor does one of another network namespace.
    if is_pair || is_elsewhere {
        link.lower = None;
    }
    (!link.name.is_empty()).then_some(link)
}

/// Whether interfaces of that kind have another end, not one that they stand on.
fn is_pair_kind(info: &LinkInfo) -> bool {
    matches!(info, LinkInfo::Kind(InfoKind::Veth | InfoKind::Netkit))
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::NetlinkHeader;
    use netlink_packet_route::address::AddressMessage;

    use super::*;

    fn message(family: AddressFamily, name: &str) -> LinkMessage {
        let mut link = LinkMessage::default();
        link.header.interface_family = family;
        link.header.index = 7;
        link.header.flags = LinkFlags::Up | LinkFlags::Broadcast;
        link.attributes = vec![
            LinkAttribute::IfName(name.into()),
            LinkAttribute::Mtu(1500),
            LinkAttribute::Address(vec![2, 0, 0, 0, 0, 1]),
        ];
        link
    }

    fn bytes(payload: RouteNetlinkMessage) -> Vec<u8> {
        let mut message = NetlinkMessage::new(NetlinkHeader::default(), payload.into());
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        bytes
    }

    fn events(datagram: &[u8]) -> Vec<LinkEvent> {
        messages(datagram).filter_map(event_of).collect()
    }

    #[test]
    fn news_of_interfaces() {
        let new = bytes(RouteNetlinkMessage::NewLink(message(AddressFamily::Unspec, "veth0")));
        let del = bytes(RouteNetlinkMessage::DelLink(message(AddressFamily::Unspec, "veth0")));
        let link = Link {
            index: 7,
            name: "veth0".into(),
            mac: MacAddr([2, 0, 0, 0, 0, 1]),
            mtu: 1500,
            admin_up: true,
            carrier: false,
            is_hardware: false,
            has_master: false,
            lower: None,
        };
        assert_eq!(
            events(&[new, del].concat()),
            [LinkEvent::Present(link), LinkEvent::Gone { index: 7 }]
        );
    }

    #[test]
    fn leaving_a_linux_bridge_is_not_the_end_of_an_interface() {
        let del = bytes(RouteNetlinkMessage::DelLink(message(AddressFamily::Bridge, "veth0")));
        let new = bytes(RouteNetlinkMessage::NewLink(message(AddressFamily::Bridge, "veth0")));
        assert_eq!(events(&[new, del].concat()), []);
    }

    #[test]
    fn what_an_interface_is_and_stands_on() {
        let mut vlan = message(AddressFamily::Unspec, "eth0.10");
        let kind = |kind| LinkAttribute::LinkInfo(vec![LinkInfo::Kind(kind)]);
        vlan.attributes.extend([
            LinkAttribute::Link(3),
            kind(InfoKind::Vlan),
            LinkAttribute::Controller(9),
            LinkAttribute::ParentDevName("0000:00:03.0".into()),
        ]);
        let link = link_of(&vlan).unwrap();
        assert_eq!((link.lower, link.has_master, link.is_hardware), (Some(3), true, true));
        vlan.attributes.push(LinkAttribute::LinkNetNsId(0));
        assert_eq!(link_of(&vlan).unwrap().lower, None, "of another namespace");
        let mut veth = message(AddressFamily::Unspec, "veth0");
        veth.attributes.extend([LinkAttribute::Link(3), kind(InfoKind::Veth)]);
        let link = link_of(&veth).unwrap();
        assert_eq!((link.lower, link.has_master, link.is_hardware), (None, false, false));
    }

    #[test]
    fn news_of_addresses() {
        let new = bytes(RouteNetlinkMessage::NewAddress(AddressMessage::default()));
        let del = bytes(RouteNetlinkMessage::DelAddress(AddressMessage::default()));
        assert_eq!(events(&[new, del].concat()), [LinkEvent::Addresses, LinkEvent::Addresses]);
    }

    #[test]
    fn an_address_of_another_length_is_no_mac_address() {
        let mut tunnel = message(AddressFamily::Unspec, "tun0");
        tunnel.attributes.push(LinkAttribute::Address(vec![10, 0, 0, 1]));
        tunnel.attributes.remove(2);
        assert_eq!(link_of(&tunnel).unwrap().mac, MacAddr::ZERO);
    }

    #[test]
    fn no_truncation_of_a_datagram_is_taken_for_news_or_panics() {
        let new = bytes(RouteNetlinkMessage::NewLink(message(AddressFamily::Unspec, "veth0")));
        for len in 0..new.len() {
            assert_eq!(events(&new[..len]), [], "{len} bytes");
        }
        assert_eq!(events(&[0; 64]), []);
    }
}
