//! What the kernel's headers say and `libc` does not.
//!
//! # References
//! linux/if_xdp.h, linux/bpf.h, linux/if_link.h, linux/ethtool.h of Linux 6.18.

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

/// Commands of bpf(2).
pub(super) mod command {
    pub(in super::super) const MAP_CREATE: libc::c_int = 0;
    pub(in super::super) const MAP_UPDATE_ELEM: libc::c_int = 2;
    pub(in super::super) const PROG_LOAD: libc::c_int = 5;
    pub(in super::super) const PROG_GET_FD_BY_ID: libc::c_int = 13;
    pub(in super::super) const OBJ_GET_INFO_BY_FD: libc::c_int = 15;
    pub(in super::super) const LINK_CREATE: libc::c_int = 28;
    pub(in super::super) const LINK_DETACH: libc::c_int = 34;
}

/// `BPF_MAP_TYPE_XSKMAP`.
pub(super) const MAP_TYPE_XSKMAP: u32 = 17;
/// `BPF_PROG_TYPE_XDP`.
pub(super) const PROG_TYPE_XDP: u32 = 6;
/// `BPF_XDP`, the attach type.
pub(super) const ATTACH_TYPE_XDP: u32 = 37;
/// `BPF_F_XDP_HAS_FRAGS`: the program takes frames of several buffers (Linux 5.18).
pub(super) const HAS_FRAGS: u32 = 1 << 5;
/// `XDP_FLAGS_SKB_MODE`.
pub(super) const SKB_MODE: u32 = 1 << 1;
/// `XDP_FLAGS_DRV_MODE`.
pub(super) const DRV_MODE: u32 = 1 << 2;
/// `XDP_PASS`: to the stack.
pub(super) const XDP_PASS: i32 = 2;
/// `BPF_FUNC_redirect_map`.
pub(super) const FUNC_REDIRECT_MAP: i32 = 51;

/// One BPF instruction (`struct bpf_insn`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub(super) struct Insn {
    pub code: u8,
    /// Destination in the low, source in the high half.
    pub registers: u8,
    pub off: i16,
    pub imm: i32,
}

/// `union bpf_attr` for `BPF_MAP_CREATE`.
#[repr(C)]
pub(super) struct MapCreate {
    pub map_type: u32,
    pub key_size: u32,
    pub value_size: u32,
    pub max_entries: u32,
    pub map_flags: u32,
}

/// `union bpf_attr` for `BPF_MAP_UPDATE_ELEM`.
#[repr(C)]
pub(super) struct MapUpdate {
    pub map_fd: u32,
    pub pad: u32,
    pub key: u64,
    pub value: u64,
    pub flags: u64,
}

/// `union bpf_attr` for `BPF_PROG_LOAD`.
#[repr(C)]
pub(super) struct ProgLoad {
    pub prog_type: u32,
    pub insn_cnt: u32,
    pub insns: u64,
    pub license: u64,
    pub log_level: u32,
    pub log_size: u32,
    pub log_buf: u64,
    pub kern_version: u32,
    pub prog_flags: u32,
    pub prog_name: [u8; 16],
    pub prog_ifindex: u32,
    pub expected_attach_type: u32,
}

/// `union bpf_attr` for `BPF_LINK_CREATE`.
#[repr(C)]
pub(super) struct LinkCreate {
    pub prog_fd: u32,
    pub target_ifindex: u32,
    pub attach_type: u32,
    pub flags: u32,
}

/// `union bpf_attr` for `BPF_PROG_GET_FD_BY_ID`.
#[repr(C)]
pub(super) struct GetFdById {
    pub id: u32,
    pub next_id: u32,
    pub open_flags: u32,
}

/// `union bpf_attr` for `BPF_OBJ_GET_INFO_BY_FD`.
#[repr(C)]
pub(super) struct InfoByFd {
    pub bpf_fd: u32,
    pub info_len: u32,
    pub info: u64,
}

/// The first part of `struct bpf_prog_info`, up to the name.
#[derive(Default)]
#[repr(C)]
pub(super) struct ProgInfo {
    pub prog_type: u32,
    pub id: u32,
    pub tag: [u8; 8],
    pub jited_prog_len: u32,
    pub xlated_prog_len: u32,
    pub jited_prog_insns: u64,
    pub xlated_prog_insns: u64,
    pub load_time: u64,
    pub created_by_uid: u32,
    pub nr_map_ids: u32,
    pub map_ids: u64,
    pub name: [u8; 16],
}

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
        assert_eq!(size_of::<Insn>(), 8);
        assert_eq!(size_of::<ProgInfo>(), 80);
        assert_eq!(size_of::<Channels>(), 36);
        assert_eq!(size_of::<LinkMode>(), 44);
    }
}
