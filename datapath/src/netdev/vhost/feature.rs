//! What the switch offers a guest, and what follows from what the guest takes.
//!
//! # References
//! virtio 1.2 §5.1.3 (network device feature bits), §6 (reserved feature bits).

use crate::netdev::TxCaps;

/// The bits of virtio that this driver knows.
pub mod bit {
    use virtio_bindings::{virtio_config, virtio_net, virtio_ring};

    /// The device finishes checksums.
    pub const CSUM: u64 = 1 << virtio_net::VIRTIO_NET_F_CSUM;
    /// The driver finishes checksums.
    pub const GUEST_CSUM: u64 = 1 << virtio_net::VIRTIO_NET_F_GUEST_CSUM;
    /// The device tells its largest MTU.
    pub const MTU: u64 = 1 << virtio_net::VIRTIO_NET_F_MTU;
    /// The driver takes large TCP segments over IPv4.
    pub const GUEST_TSO4: u64 = 1 << virtio_net::VIRTIO_NET_F_GUEST_TSO4;
    /// The driver takes large TCP segments over IPv6.
    pub const GUEST_TSO6: u64 = 1 << virtio_net::VIRTIO_NET_F_GUEST_TSO6;
    /// The driver takes large TCP segments with ECN.
    pub const GUEST_ECN: u64 = 1 << virtio_net::VIRTIO_NET_F_GUEST_ECN;
    /// The device takes large TCP segments over IPv4.
    pub const HOST_TSO4: u64 = 1 << virtio_net::VIRTIO_NET_F_HOST_TSO4;
    /// The device takes large TCP segments over IPv6.
    pub const HOST_TSO6: u64 = 1 << virtio_net::VIRTIO_NET_F_HOST_TSO6;
    /// The device takes large TCP segments with ECN.
    pub const HOST_ECN: u64 = 1 << virtio_net::VIRTIO_NET_F_HOST_ECN;
    /// A frame may lie in several receive buffers.
    pub const MRG_RXBUF: u64 = 1 << virtio_net::VIRTIO_NET_F_MRG_RXBUF;
    /// The device tells whether its link is up.
    pub const STATUS: u64 = 1 << virtio_net::VIRTIO_NET_F_STATUS;
    /// The driver announces itself after a migration.
    pub const GUEST_ANNOUNCE: u64 = 1 << virtio_net::VIRTIO_NET_F_GUEST_ANNOUNCE;
    /// There are several pairs of queues.
    pub const MQ: u64 = 1 << virtio_net::VIRTIO_NET_F_MQ;
    /// The driver takes large UDP datagrams over IPv4.
    pub const GUEST_USO4: u64 = 1 << virtio_net::VIRTIO_NET_F_GUEST_USO4;
    /// The driver takes large UDP datagrams over IPv6.
    pub const GUEST_USO6: u64 = 1 << virtio_net::VIRTIO_NET_F_GUEST_USO6;
    /// The device takes large UDP datagrams.
    pub const HOST_USO: u64 = 1 << virtio_net::VIRTIO_NET_F_HOST_USO;
    /// A descriptor may name a table of others.
    pub const INDIRECT: u64 = 1 << virtio_ring::VIRTIO_RING_F_INDIRECT_DESC;
    /// Both sides say at which index they want a notification.
    pub const EVENT_IDX: u64 = 1 << virtio_ring::VIRTIO_RING_F_EVENT_IDX;
    /// Header and frame may be cut over descriptors at will, also for legacy drivers.
    pub const ANY_LAYOUT: u64 = 1 << virtio_config::VIRTIO_F_ANY_LAYOUT;
    /// Virtio 1, not legacy.
    pub const VERSION_1: u64 = 1 << virtio_config::VIRTIO_F_VERSION_1;
    /// Rings are packed, not split.
    pub const RING_PACKED: u64 = 1 << virtio_config::VIRTIO_F_RING_PACKED;
    /// Buffers are given back in the order in which they were made available.
    pub const IN_ORDER: u64 = 1 << virtio_config::VIRTIO_F_IN_ORDER;
    /// The front end speaks the part of the protocol that came later (vhost-user, not virtio).
    pub const PROTOCOL: u64 = 1 << 30;
}

/// Everything that the switch can do.
pub const OFFERED: u64 = bit::CSUM
    | bit::GUEST_CSUM
    | bit::MTU
    | bit::GUEST_TSO4
    | bit::GUEST_TSO6
    | bit::GUEST_ECN
    | bit::HOST_TSO4
    | bit::HOST_TSO6
    | bit::HOST_ECN
    | bit::MRG_RXBUF
    | bit::STATUS
    | bit::GUEST_ANNOUNCE
    | bit::MQ
    | bit::GUEST_USO4
    | bit::GUEST_USO6
    | bit::HOST_USO
    | bit::INDIRECT
    | bit::EVENT_IDX
    | bit::ANY_LAYOUT
    | bit::VERSION_1
    | bit::RING_PACKED
    | bit::IN_ORDER
    | bit::PROTOCOL;

/// What a front end has taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Features(pub u64);

impl Features {
    /// Whether all of these bits are taken.
    #[must_use]
    pub const fn has(self, bits: u64) -> bool {
        self.0 & bits == bits
    }

    /// Bytes of the header in front of each frame (virtio 1.2 §5.1.6.1).
    #[must_use]
    pub const fn header_len(self) -> usize {
        if self.0 & (bit::VERSION_1 | bit::MRG_RXBUF) != 0 { 12 } else { 10 }
    }

    /// What may be left undone of frames for the guest.
    #[must_use]
    pub const fn tx_caps(self) -> TxCaps {
        let checksum = self.has(bit::GUEST_CSUM);
        TxCaps {
            checksum,
            tcp_segmentation: checksum
                && self.has(bit::GUEST_TSO4 | bit::GUEST_TSO6 | bit::GUEST_ECN),
            udp_segmentation: checksum && self.has(bit::GUEST_USO4 | bit::GUEST_USO6),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_guest_takes_says_what_may_be_left_undone() {
        let caps = |bits| Features(bits).tx_caps();
        assert_eq!(caps(0), TxCaps::default());
        let all = TxCaps { checksum: true, tcp_segmentation: true, udp_segmentation: true };
        assert_eq!(caps(OFFERED), all);
        assert_eq!(caps(OFFERED & !bit::GUEST_CSUM), TxCaps::default());
        let no_tcp = TxCaps { tcp_segmentation: false, ..all };
        for bit in [bit::GUEST_TSO4, bit::GUEST_TSO6, bit::GUEST_ECN] {
            assert_eq!(caps(OFFERED & !bit), no_tcp);
        }
        let no_udp = TxCaps { udp_segmentation: false, ..all };
        assert_eq!(caps(OFFERED & !bit::GUEST_USO6), no_udp);
    }

    #[test]
    fn only_a_legacy_guest_without_merged_buffers_has_the_short_header() {
        assert_eq!(Features(0).header_len(), 10);
        assert_eq!(Features(bit::MRG_RXBUF).header_len(), 12);
        assert_eq!(Features(bit::VERSION_1).header_len(), 12);
    }
}
