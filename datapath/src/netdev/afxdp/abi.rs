//! What the kernel's headers say and `libc` does not.
//!
//! # References
//! linux/if_xdp.h, linux/bpf.h, linux/ethtool.h of Linux 6.18.

/// A descriptor of the RX and TX rings (`struct xdp_desc`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub(super) struct Desc {
    /// Offset of the data from the start of the UMEM, bytes.
    pub address: u64,
    /// Bytes of data.
    pub len: u32,
    /// [`CONTINUES`], [`HAS_METADATA`].
    pub options: u32,
}

/// Option of a descriptor: the frame goes on in the next one (`XDP_PKT_CONTD`).
pub(super) const CONTINUES: u32 = libc::XDP_PKT_CONTD;
/// Option of a TX descriptor: [`Metadata`] lies in front of the data (`XDP_TX_METADATA`).
pub(super) const HAS_METADATA: u32 = libc::XDP_TX_METADATA;

/// Bytes of `struct xsk_tx_metadata`.
pub(super) const METADATA_LEN: usize = 24;

/// A request to finish a checksum, as `struct xsk_tx_metadata`.
pub(super) fn checksum_request(start: u16, offset: u16) -> [u8; METADATA_LEN] {
    let mut bytes = [0; METADATA_LEN];
    bytes[..8].copy_from_slice(&u64::from(libc::XDP_TXMD_FLAGS_CHECKSUM).to_ne_bytes());
    bytes[8..10].copy_from_slice(&start.to_ne_bytes());
    bytes[10..12].copy_from_slice(&offset.to_ne_bytes());
    bytes
}

/// Socket option: frames that a call sends at most (`XDP_MAX_TX_SKB_BUDGET`, Linux 6.17).
pub(super) const MAX_TX_SKB_BUDGET: libc::c_int = 9;

/// `XDP_PASS`: to the stack.
pub(super) const XDP_PASS: i32 = 2;

/// `ETHTOOL_GSET`.
pub(super) const ETHTOOL_GSET: u32 = 1;

/// `struct ethtool_cmd`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(super) struct LinkMode {
    pub cmd: u32,
    pub supported: u32,
    pub advertising: u32,
    pub speed: u16,
    pub duplex: u8,
    pub port: u8,
    pub phy_address: u8,
    pub transceiver: u8,
    pub autoneg: u8,
    pub mdio_support: u8,
    pub maxtxpkt: u32,
    pub maxrxpkt: u32,
    pub speed_hi: u16,
    pub eth_tp_mdix: u8,
    pub eth_tp_mdix_ctrl: u8,
    pub lp_advertising: u32,
    pub reserved: [u32; 2],
}

/// `ETHTOOL_GCHANNELS`.
pub(super) const ETHTOOL_GCHANNELS: u32 = 0x3c;

/// `struct ethtool_channels`.
#[derive(Default)]
#[repr(C)]
pub(super) struct Channels {
    pub cmd: u32,
    pub max_rx: u32,
    pub max_tx: u32,
    pub max_other: u32,
    pub max_combined: u32,
    pub rx_count: u32,
    pub tx_count: u32,
    pub other_count: u32,
    pub combined_count: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_the_kernels() {
        assert_eq!(size_of::<Desc>(), size_of::<libc::xdp_desc>());
        assert_eq!(size_of::<Channels>(), 36);
        assert_eq!(size_of::<LinkMode>(), 44);
    }
}
