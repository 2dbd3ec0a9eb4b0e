//! What the kernel's headers say of bpf(2) and `libc` does not.
//!
//! # References
//! linux/bpf.h and linux/if_link.h of Linux 6.18 (`include/uapi/linux/bpf.h` at tag v6.6 is the first
//! with `BPF_TCX_INGRESS`).

use libc::c_int;

/// Commands (`enum bpf_cmd`).
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
/// `BPF_PROG_TYPE_SCHED_CLS`.
pub(super) const PROG_TYPE_SCHED_CLS: u32 = 3;
/// `BPF_PROG_TYPE_XDP`.
pub(super) const PROG_TYPE_XDP: u32 = 6;
/// `BPF_XDP`, the attach type.
pub(super) const ATTACH_TYPE_XDP: u32 = 37;
/// `BPF_TCX_INGRESS`, the attach type (Linux 6.6).
pub(super) const ATTACH_TYPE_TCX_INGRESS: u32 = 46;
/// `BPF_F_XDP_HAS_FRAGS`: the program takes frames of several buffers (Linux 5.18).
pub(in super::super) const HAS_FRAGS: u32 = 1 << 5;
/// `XDP_FLAGS_SKB_MODE`.
pub(in super::super) const XDP_SKB_MODE: u32 = 1 << 1;
/// `XDP_FLAGS_DRV_MODE`.
pub(in super::super) const XDP_DRV_MODE: u32 = 1 << 2;
/// `TCX_DROP`: the frame ends here.
pub(in super::super) const TCX_DROP: c_int = 2;
/// `BPF_FUNC_redirect_map`.
pub(in super::super) const FUNC_REDIRECT_MAP: c_int = 51;

/// One BPF instruction (`struct bpf_insn`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub(in super::super) struct Insn {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_the_kernels() {
        assert_eq!(size_of::<Insn>(), 8);
        assert_eq!(size_of::<ProgInfo>(), 80);
    }
}
