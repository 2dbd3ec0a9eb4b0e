//! Ports: their numbers, what is known of them, and the messages about them.
//!
//! # Design
//! A port number has 16 bits, as in OpenFlow 1.0 and in Open vSwitch; the 32 bits of later versions
//! only move the reserved ones. Configuration, state and features are kept in the later versions'
//! bits and translated for 1.0.
//!
//! # References
//! OpenFlow 1.0.2 §5.2.1; 1.3.5 §7.2.1; 1.4.1 §7.2.1.

mod codec;

use core::fmt;

use packet::MacAddr;

use crate::error::OfpError;
use crate::flags::flags;
use crate::version::Version;

/// The number of a port of a bridge, in OpenFlow.
///
/// # Legal values
/// 1 to 0xfeff are ports, above are the reserved ones, of which the constants are known.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct OfPort(pub u16);

impl OfPort {
    /// Above every port that is not reserved.
    pub const MAX: OfPort = OfPort(0xff00);
    /// In the action set: no output was set (OpenFlow 1.5.1 §7.2.1.1).
    pub const UNSET: OfPort = OfPort(0xfff7);
    /// The port that the packet came in by.
    pub const IN_PORT: OfPort = OfPort(0xfff8);
    /// The flow tables, from the first.
    pub const TABLE: OfPort = OfPort(0xfff9);
    /// Layer-2 forwarding.
    pub const NORMAL: OfPort = OfPort(0xfffa);
    /// All ports but the input port and those that say NO_FLOOD.
    pub const FLOOD: OfPort = OfPort(0xfffb);
    /// All ports but the input port.
    pub const ALL: OfPort = OfPort(0xfffc);
    /// The controller.
    pub const CONTROLLER: OfPort = OfPort(0xfffd);
    /// The bridge's own port.
    pub const LOCAL: OfPort = OfPort(0xfffe);
    /// No port, or any (OFPP_NONE, OFPP_ANY).
    pub const NONE: OfPort = OfPort(0xffff);

    const RESERVED: [(OfPort, &str); 9] = [
        (OfPort::UNSET, "UNSET"),
        (OfPort::IN_PORT, "IN_PORT"),
        (OfPort::TABLE, "TABLE"),
        (OfPort::NORMAL, "NORMAL"),
        (OfPort::FLOOD, "FLOOD"),
        (OfPort::ALL, "ALL"),
        (OfPort::CONTROLLER, "CONTROLLER"),
        (OfPort::LOCAL, "LOCAL"),
        (OfPort::NONE, "ANY"),
    ];

    /// The port with a number of 32 bits: reserved ones lie at the top (OpenFlow 1.1.0 §A.2.1).
    ///
    /// # Errors
    /// `OFPBAC_BAD_OUT_PORT` between the two ranges.
    pub fn from_wide(number: u32) -> Result<OfPort, OfpError> {
        const OFFSET: u32 = 0xffff_0000;
        let number = if number < u32::from(OfPort::MAX.0) {
            Some(number)
        } else {
            number.checked_sub(OFFSET).filter(|low| *low >= u32::from(OfPort::MAX.0))
        };
        let number = number.and_then(|number| u16::try_from(number).ok());
        number.map(OfPort).ok_or(OfpError::BaBadOutPort)
    }

    /// The number of 32 bits.
    #[must_use]
    pub const fn to_wide(self) -> u32 {
        let number = self.0 as u32;
        if self.0 < OfPort::MAX.0 { number } else { number | 0xffff_0000 }
    }

    /// Whether it is a reserved port with a name.
    #[must_use]
    pub const fn is_reserved(self) -> bool {
        self.0 >= OfPort::UNSET.0
    }

    /// The reserved port with a name, upper or lower case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<OfPort> {
        if name.eq_ignore_ascii_case("NONE") {
            return Some(OfPort::NONE);
        }
        let found = OfPort::RESERVED.iter().find(|(_, known)| known.eq_ignore_ascii_case(name));
        found.map(|(port, _)| *port)
    }
}

impl fmt::Display for OfPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match OfPort::RESERVED.iter().find(|(port, _)| port == self) {
            Some((_, name)) => f.pad(name),
            None => fmt::Display::fmt(&self.0, f),
        }
    }
}

impl fmt::Debug for OfPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

flags! {
    /// What a port is told to do (OpenFlow 1.3.5 §7.2.1, `ofp_port_config`). `NO_STP`, `NO_RECV_STP`
    /// and `NO_FLOOD` exist in 1.0 only.
    PortConfig: u32 {
        /// Administratively down.
        PORT_DOWN = 1 << 0, "PORT_DOWN";
        /// No spanning tree on the port.
        NO_STP = 1 << 1, "NO_STP";
        /// Drop what is received, but for spanning tree.
        NO_RECV = 1 << 2, "NO_RECV";
        /// Drop received frames of the spanning tree.
        NO_RECV_STP = 1 << 3, "NO_RECV_STP";
        /// Not part of FLOOD.
        NO_FLOOD = 1 << 4, "NO_FLOOD";
        /// Drop what is sent to it.
        NO_FWD = 1 << 5, "NO_FWD";
        /// No packet-in for its table misses.
        NO_PACKET_IN = 1 << 6, "NO_PACKET_IN";
    }
}

impl PortConfig {
    /// The bits of a version.
    const fn mask(version: Version) -> u32 {
        match version {
            Version::V10 => 0x7f,
            _ => 0x65,
        }
    }
}

flags! {
    /// What a port is (OpenFlow 1.3.5 §7.2.1, `ofp_port_state`).
    PortState: u32 {
        /// No carrier.
        LINK_DOWN = 1 << 0, "LINK_DOWN";
        /// Blocked by the spanning tree.
        BLOCKED = 1 << 1, "BLOCKED";
        /// May be chosen by a fast-failover group.
        LIVE = 1 << 2, "LIVE";
    }
}

flags! {
    /// Speeds and media (OpenFlow 1.3.5 §7.2.1, `ofp_port_features`).
    PortFeatures: u32 {
        /// 10 Mbit/s, half duplex.
        MB10_HD = 1 << 0, "10MB-HD";
        /// 10 Mbit/s, full duplex.
        MB10_FD = 1 << 1, "10MB-FD";
        /// 100 Mbit/s, half duplex.
        MB100_HD = 1 << 2, "100MB-HD";
        /// 100 Mbit/s, full duplex.
        MB100_FD = 1 << 3, "100MB-FD";
        /// 1 Gbit/s, half duplex.
        GB1_HD = 1 << 4, "1GB-HD";
        /// 1 Gbit/s, full duplex.
        GB1_FD = 1 << 5, "1GB-FD";
        /// 10 Gbit/s, full duplex.
        GB10_FD = 1 << 6, "10GB-FD";
        /// 40 Gbit/s, full duplex.
        GB40_FD = 1 << 7, "40GB-FD";
        /// 100 Gbit/s, full duplex.
        GB100_FD = 1 << 8, "100GB-FD";
        /// 1 Tbit/s, full duplex.
        TB1_FD = 1 << 9, "1TB-FD";
        /// Another rate.
        OTHER = 1 << 10, "OTHER";
        /// Copper.
        COPPER = 1 << 11, "COPPER";
        /// Fibre.
        FIBER = 1 << 12, "FIBER";
        /// Negotiates.
        AUTONEG = 1 << 13, "AUTO_NEG";
        /// Pause frames.
        PAUSE = 1 << 14, "AUTO_PAUSE";
        /// Pause frames in one direction.
        PAUSE_ASYM = 1 << 15, "AUTO_PAUSE_ASYM";
    }
}

impl PortFeatures {
    /// Media and negotiation lie four bits lower in OpenFlow 1.0.
    const fn from_v10(bits: u32) -> PortFeatures {
        PortFeatures(bits & 0x7f | (bits & 0xf80) << 4)
    }

    const fn to_v10(self) -> u32 {
        self.0 & 0x7f | (self.0 & 0xf800) >> 4
    }

    /// The fastest rate, in kbit/s; 0 if none is set.
    #[must_use]
    pub const fn kbps(self) -> u32 {
        const RATES: [(u32, u32); 7] = [
            (1 << 9, 1_000_000_000),
            (1 << 8, 100_000_000),
            (1 << 7, 40_000_000),
            (1 << 6, 10_000_000),
            (0b11 << 4, 1_000_000),
            (0b11 << 2, 100_000),
            (0b11, 10_000),
        ];
        let mut at = 0;
        while at < RATES.len() {
            if self.0 & RATES[at].0 != 0 {
                return RATES[at].1;
            }
            at += 1;
        }
        0
    }
}

/// A port, as described to a controller.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PortDesc {
    /// Its number.
    pub port: OfPort,
    /// Its MAC address.
    pub hw_addr: MacAddr,
    /// Its name; the wire carries 15 bytes.
    pub name: String,
    /// What it is told to do.
    pub config: PortConfig,
    /// What it is.
    pub state: PortState,
    /// Features in use.
    pub curr: PortFeatures,
    /// Features advertised to the peer.
    pub advertised: PortFeatures,
    /// Features it has.
    pub supported: PortFeatures,
    /// Features that the peer advertises.
    pub peer: PortFeatures,
    /// Speed in kbit/s.
    pub curr_speed_kbps: u32,
    /// Highest speed in kbit/s.
    pub max_speed_kbps: u32,
}

/// Why a port status was sent (OpenFlow 1.3.5 §7.4.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum PortReason {
    /// It is new.
    Add = 0,
    /// It is gone.
    Delete = 1,
    /// Something of it changed.
    Modify = 2,
}

/// OFPT_PORT_STATUS.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PortStatus {
    /// What happened.
    pub reason: PortReason,
    /// The port, as it is now.
    pub desc: PortDesc,
}

/// OFPT_PORT_MOD.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PortMod {
    /// The port to change.
    pub port: OfPort,
    /// Its MAC address, as a check.
    pub hw_addr: MacAddr,
    /// New values of the bits in `mask`.
    pub config: PortConfig,
    /// The bits to change.
    pub mask: PortConfig,
    /// Features to advertise; none: as they are.
    pub advertise: PortFeatures,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_widen_and_narrow() {
        for number in [0, 1, 0xfeff, 0xff00, 0xfff8, 0xffff] {
            assert_eq!(OfPort::from_wide(OfPort(number).to_wide()), Ok(OfPort(number)));
        }
        for number in [0xff00, 0xffff, 0x10000, 0xffff_feff] {
            assert_eq!(OfPort::from_wide(number), Err(OfpError::BaBadOutPort), "{number:#x}");
        }
        assert_eq!(OfPort::LOCAL.to_wide(), 0xffff_fffe);
    }

    #[test]
    fn reserved_ports_have_names() {
        assert_eq!(OfPort::from_name("local"), Some(OfPort::LOCAL));
        assert_eq!(OfPort::from_name("NONE"), Some(OfPort::NONE));
        assert_eq!(OfPort::from_name("eth0"), None);
        assert_eq!(format!("{:>5} {:>5}", OfPort::LOCAL, OfPort(3)), "LOCAL     3");
    }

    #[test]
    fn features_move_for_the_oldest_version() {
        let all = PortFeatures(0xf87f);
        assert_eq!(PortFeatures::from_v10(all.to_v10()), all);
        assert_eq!(PortFeatures::COPPER.to_v10(), 1 << 7);
        assert_eq!((PortFeatures::GB10_FD | PortFeatures::FIBER).kbps(), 10_000_000);
    }
}
