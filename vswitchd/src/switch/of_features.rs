//! Speeds and media of ports, from the kernel's words to OpenFlow's.
//!
//! # References
//! OpenFlow 1.3.5 §7.2.1, `ofp_port_features`; `linux/ethtool.h`, `struct ethtool_cmd`; Open vSwitch's
//! `netdev-linux.c`.

use datapath::netdev::afxdp::LinkMode;
use openflow::port::{PortDesc, PortFeatures as Features};

const PORT_TP: u8 = 0;
const PORT_FIBRE: u8 = 3;

/// `SUPPORTED_…` and `ADVERTISED_…`, and what OpenFlow calls them.
const MODES: [(u32, Features); 12] = [
    (1 << 0, Features::MB10_HD),
    (1 << 1, Features::MB10_FD),
    (1 << 2, Features::MB100_HD),
    (1 << 3, Features::MB100_FD),
    (1 << 4, Features::GB1_HD),
    (1 << 5, Features::GB1_FD),
    (1 << 6, Features::AUTONEG),
    (1 << 7, Features::COPPER),
    (1 << 10, Features::FIBER),
    (1 << 12, Features::GB10_FD),
    (1 << 13, Features::PAUSE),
    (1 << 14, Features::PAUSE_ASYM),
];

fn modes(bits: u32) -> Features {
    let set = MODES.iter().filter(|(bit, _)| bits & bit != 0);
    set.fold(Features(0), |all, (_, feature)| all | *feature)
}

/// What an interface does now.
fn current(mode: LinkMode) -> Features {
    let speed = match (mode.mbps, mode.is_full_duplex) {
        (10, false) => Features::MB10_HD,
        (10, true) => Features::MB10_FD,
        (100, false) => Features::MB100_HD,
        (100, true) => Features::MB100_FD,
        (1_000, false) => Features::GB1_HD,
        (1_000, true) => Features::GB1_FD,
        (10_000, _) => Features::GB10_FD,
        (40_000, _) => Features::GB40_FD,
        (100_000, _) => Features::GB100_FD,
        (1_000_000, _) => Features::TB1_FD,
        _ => Features(0),
    };
    let medium = match mode.port {
        PORT_TP => Features::COPPER,
        PORT_FIBRE => Features::FIBER,
        _ => Features(0),
    };
    let negotiated = if mode.is_negotiated { Features::AUTONEG } else { Features(0) };
    speed | medium | negotiated
}

/// A description with what is known of the interface's speed.
pub(super) fn with_mode(desc: PortDesc, mode: Option<LinkMode>) -> PortDesc {
    let Some(mode) = mode else { return desc };
    let (current, supported) = (current(mode), modes(mode.supported));
    PortDesc {
        curr: current,
        advertised: modes(mode.advertised),
        supported,
        curr_speed_kbps: current.kbps(),
        max_speed_kbps: supported.kbps(),
        ..desc
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_virtual_ethernet_says_that_it_is_fast() {
        let veth = LinkMode { mbps: 10_000, is_full_duplex: true, ..LinkMode::default() };
        let desc = with_mode(PortDesc::default(), Some(veth));
        assert_eq!(desc.curr, Features::GB10_FD | Features::COPPER);
        assert_eq!((desc.curr_speed_kbps, desc.max_speed_kbps), (10_000_000, 0));
        assert_eq!(with_mode(PortDesc::default(), None), PortDesc::default());
    }

    #[test]
    fn a_card_says_what_it_can_do() {
        let card = LinkMode {
            mbps: 1_000,
            is_full_duplex: true,
            is_negotiated: true,
            port: PORT_FIBRE,
            supported: 1 << 5 | 1 << 6 | 1 << 12,
            advertised: 1 << 5,
        };
        let desc = with_mode(PortDesc::default(), Some(card));
        assert_eq!(desc.curr, Features::GB1_FD | Features::FIBER | Features::AUTONEG);
        assert_eq!(desc.advertised, Features::GB1_FD);
        assert_eq!((desc.curr_speed_kbps, desc.max_speed_kbps), (1_000_000, 10_000_000));
    }
}
