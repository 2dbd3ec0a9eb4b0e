//! Ports where tunnels end: which outer packets are opened there.
//!
//! # Design
//! A port with addresses of this host is where outer packets to them are looked at. With a segment that
//! floods to a multicast group, the host has joined the group on the interface that the route to it names;
//! if that is a port of the datapath, what the group gets is opened there like what is sent to the port
//! alone. An address goes with its MAC address: the port's own with the port's own, a group with the
//! group's.
//!
//! # References
//! RFC 1112 §6.4, RFC 2464 §7 (MAC addresses of groups).

use core::net::IpAddr;

use packet::MacAddr;

use super::Switch;

/// The addresses of a port of the datapath: outer packets to them are opened there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Terminator {
    /// Its MAC address.
    pub mac: MacAddr,
    /// Its IP addresses.
    pub addresses: Vec<IpAddr>,
    /// Multicast groups that segments have joined there.
    pub groups: Vec<IpAddr>,
    /// Whether packets come there whose checksums inside may be unfinished, of which nobody tells.
    pub recovers: Switch,
}

impl Terminator {
    /// A port with addresses that is in no group, and to whose checksums there is no more than is told.
    #[must_use]
    pub const fn new(mac: MacAddr, addresses: Vec<IpAddr>) -> Terminator {
        Terminator { mac, addresses, groups: Vec::new(), recovers: Switch::Off }
    }

    /// Whether frames to a MAC address may be for the port: a quick look.
    #[inline]
    pub(super) fn hears(&self, mac: MacAddr) -> bool {
        mac == self.mac || mac.is_multicast() && self.groups.iter().any(|ip| group_mac(*ip) == mac)
    }

    /// Whether a packet to an IP address that came to a MAC address is for the port.
    pub(super) fn takes(&self, mac: MacAddr, ip: IpAddr) -> bool {
        if mac == self.mac {
            self.addresses.contains(&ip)
        } else {
            mac == group_mac(ip) && self.groups.contains(&ip)
        }
    }
}

/// The MAC address that packets to a multicast group have on an Ethernet.
#[must_use]
pub fn group_mac(group: IpAddr) -> MacAddr {
    match group {
        IpAddr::V4(group) => {
            let [_, b, c, d] = group.octets();
            MacAddr([0x01, 0x00, 0x5e, b & 0x7f, c, d])
        }
        IpAddr::V6(group) => {
            let [.., a, b, c, d] = group.octets();
            MacAddr([0x33, 0x33, a, b, c, d])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_have_their_mac_addresses() {
        for (group, mac) in [
            ("239.129.2.3", [0x01, 0x00, 0x5e, 0x01, 2, 3]),
            ("224.0.0.251", [0x01, 0x00, 0x5e, 0, 0, 251]),
            ("ff05::1:2:3", [0x33, 0x33, 0, 2, 0, 3]),
        ] {
            assert_eq!(group_mac(group.parse().unwrap()), MacAddr(mac));
        }
    }

    #[test]
    fn an_address_goes_with_its_mac_address() {
        let own = MacAddr([2, 0, 0, 0, 0, 1]);
        let [address, group, other]: [IpAddr; 3] =
            ["192.0.2.1", "239.1.1.1", "239.129.1.1"].map(|ip| ip.parse().unwrap());
        let mut port = Terminator::new(own, vec![address]);
        assert!(port.takes(own, address) && !port.takes(group_mac(group), group));
        assert!(port.hears(own) && !port.hears(group_mac(group)));
        port.groups.push(group);
        assert!(port.takes(group_mac(group), group) && port.hears(group_mac(group)));
        // One that shares the MAC address of the group, and each with the MAC address of the other kind.
        assert_eq!(group_mac(group), group_mac(other));
        assert!(!port.takes(group_mac(other), other));
        assert!(!port.takes(own, group) && !port.takes(group_mac(group), address));
        assert!(!port.hears(MacAddr([0xff; 6])));
    }
}
