//! The table of fields: one row each.
//!
//! ```text
//! Variant = "name" | "other name", bytes / bits, masks, format, prerequisite, access,
//!     (word, bits below, bits in the key), [NAME_ON_THE_WIRE: CLASS number since VERSION, …];
//! ```
//! A row says what `FieldInfo` documents. `None` as prerequisite means that there is none. The order
//! is that of Open vSwitch's own list, which `dump-table-features` prints.

use super::Prereq;
use super::field::{Access, FieldInfo, Format, Maskable, OxmClass, OxmCode};
use super::place::*;

macro_rules! fields {
    ($($id:ident = $name:literal $(| $aka:literal)?, $bytes:literal / $bits:literal, $mask:ident,
        $format:ident, $prereq:ident, $access:ident, ($word:expr, $shift:literal, $in_key:literal),
        [$($code:ident: $class:ident $number:literal $(since $since:literal)?),*];)*) => {
        /// A field that a match may look at, or an action read or write. Its row is
        /// [`FieldId::info`].
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u8)]
        pub enum FieldId {
            $(#[doc = concat!("`", $name, "`")] $id,)*
        }

        /// The rows, in the order of [`FieldId`].
        pub(super) static FIELDS: [FieldInfo; [$(FieldId::$id),*].len()] = [$(FieldInfo {
            id: FieldId::$id,
            name: $name,
            aka: fields!(@optional $($aka)?),
            n_bytes: $bytes,
            n_bits: $bits,
            maskable: Maskable::$mask,
            format: Format::$format,
            prereq: Prereq::$prereq,
            access: Access::$access,
            place: Place { word: word($word), shift: $shift, bits: $in_key },
            codes: &[$(OxmCode {
                name: stringify!($code),
                class: OxmClass::$class,
                number: $number,
                since: fields!(@version $($since)?),
            }),*],
        }),*];
    };
    (@optional) => { None };
    (@optional $aka:literal) => { Some($aka) };
    (@version) => { 0 };
    (@version $since:literal) => { $since };
}

#[allow(clippy::cast_possible_truncation, reason = "N_WORDS is below 256")]
const fn word(at: usize) -> u8 {
    assert!(at < N_WORDS && N_WORDS < 256);
    at as u8
}

fields! {
    // The switch and its connection tracker.
    DpHash = "dp_hash", 4 / 32, Bitwise, Hex, None, ReadOnly, (HASH_MARK, 32, 32),
        [NXM_NX_DP_HASH: NX 35, NXOXM_ET_DP_HASH: ET 0];
    RecircId = "recirc_id", 4 / 32, Whole, Decimal, None, ReadOnly, (PORT, 0, 32),
        [NXM_NX_RECIRC_ID: NX 36];
    PacketType = "packet_type", 4 / 32, Whole, PacketType, None, ReadOnly, (PRIO_TYPE, 0, 32),
        [OXM_OF_PACKET_TYPE: BASIC 44 since 6];
    ConjId = "conj_id", 4 / 32, Whole, Decimal, None, ReadOnly, (CONJ_OUTPUT, 32, 32),
        [NXM_NX_CONJ_ID: NX 37];

    // Tunnels.
    TunId = "tun_id" | "tunnel_id", 8 / 64, Bitwise, Hex, None, ReadWrite, (TUN_ID, 0, 64),
        [NXM_NX_TUN_ID: NX 16, OXM_OF_TUNNEL_ID: BASIC 38 since 4];
    TunSrc = "tun_src", 4 / 32, Bitwise, Ipv4, None, ReadWrite, (TUN_IPV4, 32, 32),
        [NXM_NX_TUN_IPV4_SRC: NX 31];
    TunDst = "tun_dst", 4 / 32, Bitwise, Ipv4, None, ReadWrite, (TUN_IPV4, 0, 32),
        [NXM_NX_TUN_IPV4_DST: NX 32];
    TunIpv6Src = "tun_ipv6_src", 16 / 128, Bitwise, Ipv6, None, ReadWrite, (TUN_IPV6_SRC, 0, 128),
        [NXM_NX_TUN_IPV6_SRC: NX 109];
    TunIpv6Dst = "tun_ipv6_dst", 16 / 128, Bitwise, Ipv6, None, ReadWrite, (TUN_IPV6_DST, 0, 128),
        [NXM_NX_TUN_IPV6_DST: NX 110];
    TunFlags = "tun_flags", 2 / 1, Bitwise, TunnelFlags, None, ReadWrite, (TUN_FLAGS, 48, 1),
        [NXM_NX_TUN_FLAGS: NX 104];
    TunTtl = "tun_ttl", 1 / 8, Whole, Decimal, None, ReadOnly, (TUN_FLAGS, 32, 8), [];
    TunTos = "tun_tos", 1 / 8, Whole, Decimal, None, ReadOnly, (TUN_FLAGS, 40, 8), [];
    TunGbpId = "tun_gbp_id", 2 / 16, Bitwise, Decimal, None, ReadWrite, (TUN_FLAGS, 16, 16),
        [NXM_NX_TUN_GBP_ID: NX 38];
    TunGbpFlags = "tun_gbp_flags", 1 / 8, Bitwise, Hex, None, ReadWrite, (TUN_FLAGS, 8, 8),
        [NXM_NX_TUN_GBP_FLAGS: NX 39];
    TunErspanVer = "tun_erspan_ver", 1 / 4, Bitwise, Decimal, None, ReadWrite, (TUN_ERSPAN, 24, 4),
        [NXOXM_ET_ERSPAN_VER: ET 12];
    TunErspanIdx = "tun_erspan_idx", 4 / 20, Bitwise, Hex, None, ReadWrite, (TUN_ERSPAN, 32, 20),
        [NXOXM_ET_ERSPAN_IDX: ET 11];
    TunErspanDir = "tun_erspan_dir", 1 / 1, Bitwise, Decimal, None, ReadWrite, (TUN_ERSPAN, 16, 1),
        [NXOXM_ET_ERSPAN_DIR: ET 13];
    TunErspanHwid = "tun_erspan_hwid", 1 / 6, Bitwise, Hex, None, ReadWrite, (TUN_ERSPAN, 8, 6),
        [NXOXM_ET_ERSPAN_HWID: ET 14];
    TunGtpuFlags = "tun_gtpu_flags", 1 / 8, Bitwise, Hex, None, ReadOnly, (TUN_L4, 8, 8),
        [NXOXM_ET_GTPU_FLAGS: ET 15];
    TunGtpuMsgtype = "tun_gtpu_msgtype", 1 / 8, Bitwise, Decimal, None, ReadOnly, (TUN_L4, 0, 8),
        [NXOXM_ET_GTPU_MSGTYPE: ET 16];
    TunMetadata0 = "tun_metadata0", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 0, 1), [NXM_NX_TUN_METADATA0: NX 40];
    TunMetadata1 = "tun_metadata1", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 1, 1), [NXM_NX_TUN_METADATA1: NX 41];
    TunMetadata2 = "tun_metadata2", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 2, 1), [NXM_NX_TUN_METADATA2: NX 42];
    TunMetadata3 = "tun_metadata3", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 3, 1), [NXM_NX_TUN_METADATA3: NX 43];
    TunMetadata4 = "tun_metadata4", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 4, 1), [NXM_NX_TUN_METADATA4: NX 44];
    TunMetadata5 = "tun_metadata5", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 5, 1), [NXM_NX_TUN_METADATA5: NX 45];
    TunMetadata6 = "tun_metadata6", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 6, 1), [NXM_NX_TUN_METADATA6: NX 46];
    TunMetadata7 = "tun_metadata7", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 7, 1), [NXM_NX_TUN_METADATA7: NX 47];
    TunMetadata8 = "tun_metadata8", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 8, 1), [NXM_NX_TUN_METADATA8: NX 48];
    TunMetadata9 = "tun_metadata9", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 9, 1), [NXM_NX_TUN_METADATA9: NX 49];
    TunMetadata10 = "tun_metadata10", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 10, 1), [NXM_NX_TUN_METADATA10: NX 50];
    TunMetadata11 = "tun_metadata11", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 11, 1), [NXM_NX_TUN_METADATA11: NX 51];
    TunMetadata12 = "tun_metadata12", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 12, 1), [NXM_NX_TUN_METADATA12: NX 52];
    TunMetadata13 = "tun_metadata13", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 13, 1), [NXM_NX_TUN_METADATA13: NX 53];
    TunMetadata14 = "tun_metadata14", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 14, 1), [NXM_NX_TUN_METADATA14: NX 54];
    TunMetadata15 = "tun_metadata15", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 15, 1), [NXM_NX_TUN_METADATA15: NX 55];
    TunMetadata16 = "tun_metadata16", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 16, 1), [NXM_NX_TUN_METADATA16: NX 56];
    TunMetadata17 = "tun_metadata17", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 17, 1), [NXM_NX_TUN_METADATA17: NX 57];
    TunMetadata18 = "tun_metadata18", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 18, 1), [NXM_NX_TUN_METADATA18: NX 58];
    TunMetadata19 = "tun_metadata19", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 19, 1), [NXM_NX_TUN_METADATA19: NX 59];
    TunMetadata20 = "tun_metadata20", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 20, 1), [NXM_NX_TUN_METADATA20: NX 60];
    TunMetadata21 = "tun_metadata21", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 21, 1), [NXM_NX_TUN_METADATA21: NX 61];
    TunMetadata22 = "tun_metadata22", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 22, 1), [NXM_NX_TUN_METADATA22: NX 62];
    TunMetadata23 = "tun_metadata23", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 23, 1), [NXM_NX_TUN_METADATA23: NX 63];
    TunMetadata24 = "tun_metadata24", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 24, 1), [NXM_NX_TUN_METADATA24: NX 64];
    TunMetadata25 = "tun_metadata25", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 25, 1), [NXM_NX_TUN_METADATA25: NX 65];
    TunMetadata26 = "tun_metadata26", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 26, 1), [NXM_NX_TUN_METADATA26: NX 66];
    TunMetadata27 = "tun_metadata27", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 27, 1), [NXM_NX_TUN_METADATA27: NX 67];
    TunMetadata28 = "tun_metadata28", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 28, 1), [NXM_NX_TUN_METADATA28: NX 68];
    TunMetadata29 = "tun_metadata29", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 29, 1), [NXM_NX_TUN_METADATA29: NX 69];
    TunMetadata30 = "tun_metadata30", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 30, 1), [NXM_NX_TUN_METADATA30: NX 70];
    TunMetadata31 = "tun_metadata31", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 31, 1), [NXM_NX_TUN_METADATA31: NX 71];
    TunMetadata32 = "tun_metadata32", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 32, 1), [NXM_NX_TUN_METADATA32: NX 72];
    TunMetadata33 = "tun_metadata33", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 33, 1), [NXM_NX_TUN_METADATA33: NX 73];
    TunMetadata34 = "tun_metadata34", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 34, 1), [NXM_NX_TUN_METADATA34: NX 74];
    TunMetadata35 = "tun_metadata35", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 35, 1), [NXM_NX_TUN_METADATA35: NX 75];
    TunMetadata36 = "tun_metadata36", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 36, 1), [NXM_NX_TUN_METADATA36: NX 76];
    TunMetadata37 = "tun_metadata37", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 37, 1), [NXM_NX_TUN_METADATA37: NX 77];
    TunMetadata38 = "tun_metadata38", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 38, 1), [NXM_NX_TUN_METADATA38: NX 78];
    TunMetadata39 = "tun_metadata39", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 39, 1), [NXM_NX_TUN_METADATA39: NX 79];
    TunMetadata40 = "tun_metadata40", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 40, 1), [NXM_NX_TUN_METADATA40: NX 80];
    TunMetadata41 = "tun_metadata41", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 41, 1), [NXM_NX_TUN_METADATA41: NX 81];
    TunMetadata42 = "tun_metadata42", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 42, 1), [NXM_NX_TUN_METADATA42: NX 82];
    TunMetadata43 = "tun_metadata43", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 43, 1), [NXM_NX_TUN_METADATA43: NX 83];
    TunMetadata44 = "tun_metadata44", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 44, 1), [NXM_NX_TUN_METADATA44: NX 84];
    TunMetadata45 = "tun_metadata45", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 45, 1), [NXM_NX_TUN_METADATA45: NX 85];
    TunMetadata46 = "tun_metadata46", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 46, 1), [NXM_NX_TUN_METADATA46: NX 86];
    TunMetadata47 = "tun_metadata47", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 47, 1), [NXM_NX_TUN_METADATA47: NX 87];
    TunMetadata48 = "tun_metadata48", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 48, 1), [NXM_NX_TUN_METADATA48: NX 88];
    TunMetadata49 = "tun_metadata49", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 49, 1), [NXM_NX_TUN_METADATA49: NX 89];
    TunMetadata50 = "tun_metadata50", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 50, 1), [NXM_NX_TUN_METADATA50: NX 90];
    TunMetadata51 = "tun_metadata51", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 51, 1), [NXM_NX_TUN_METADATA51: NX 91];
    TunMetadata52 = "tun_metadata52", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 52, 1), [NXM_NX_TUN_METADATA52: NX 92];
    TunMetadata53 = "tun_metadata53", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 53, 1), [NXM_NX_TUN_METADATA53: NX 93];
    TunMetadata54 = "tun_metadata54", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 54, 1), [NXM_NX_TUN_METADATA54: NX 94];
    TunMetadata55 = "tun_metadata55", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 55, 1), [NXM_NX_TUN_METADATA55: NX 95];
    TunMetadata56 = "tun_metadata56", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 56, 1), [NXM_NX_TUN_METADATA56: NX 96];
    TunMetadata57 = "tun_metadata57", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 57, 1), [NXM_NX_TUN_METADATA57: NX 97];
    TunMetadata58 = "tun_metadata58", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 58, 1), [NXM_NX_TUN_METADATA58: NX 98];
    TunMetadata59 = "tun_metadata59", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 59, 1), [NXM_NX_TUN_METADATA59: NX 99];
    TunMetadata60 = "tun_metadata60", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 60, 1), [NXM_NX_TUN_METADATA60: NX 100];
    TunMetadata61 = "tun_metadata61", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 61, 1), [NXM_NX_TUN_METADATA61: NX 101];
    TunMetadata62 = "tun_metadata62", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 62, 1), [NXM_NX_TUN_METADATA62: NX 102];
    TunMetadata63 = "tun_metadata63", 124 / 992, Bitwise, Hex, None, ReadWrite,
        (TUN_PRESENT, 63, 1), [NXM_NX_TUN_METADATA63: NX 103];

    // Pipeline.
    Metadata = "metadata", 8 / 64, Bitwise, Hex, None, ReadWrite, (METADATA, 0, 64),
        [OXM_OF_METADATA: BASIC 2 since 3];
    InPort = "in_port", 2 / 16, Whole, Port16, None, ReadWrite, (PORT, 32, 16),
        [NXM_OF_IN_PORT: OF 0];
    InPortOxm = "in_port_oxm", 4 / 32, Whole, Port32, None, ReadWrite, (PORT, 32, 32),
        [OXM_OF_IN_PORT: BASIC 0 since 3];
    ActsetOutput = "actset_output", 4 / 32, Whole, Port32, None, ReadOnly, (CONJ_OUTPUT, 0, 32),
        [ONFOXM_ET_ACTSET_OUTPUT: ONF 43 since 4, OXM_OF_ACTSET_OUTPUT: BASIC 43 since 6];
    SkbPriority = "skb_priority", 4 / 32, Whole, Hex, None, ReadOnly, (PRIO_TYPE, 32, 32), [];
    PktMark = "pkt_mark", 4 / 32, Bitwise, Hex, None, ReadWrite, (HASH_MARK, 0, 32),
        [NXM_NX_PKT_MARK: NX 33];
    CtState = "ct_state", 4 / 32, Bitwise, CtState, None, ReadOnly, (CT, 32, 32),
        [NXM_NX_CT_STATE: NX 105];
    CtZone = "ct_zone", 2 / 16, Whole, Hex, None, ReadOnly, (CT, 16, 16), [NXM_NX_CT_ZONE: NX 106];
    CtMark = "ct_mark", 4 / 32, Bitwise, Hex, None, ReadWrite, (CT_MARK, 32, 32),
        [NXM_NX_CT_MARK: NX 107];
    CtLabel = "ct_label", 16 / 128, Bitwise, Hex, None, ReadWrite, (CT_LABEL, 0, 128),
        [NXM_NX_CT_LABEL: NX 108];
    CtNwProto = "ct_nw_proto", 1 / 8, Whole, Decimal, Ct, ReadOnly, (CT, 0, 8),
        [NXM_NX_CT_NW_PROTO: NX 119];
    CtNwSrc = "ct_nw_src", 4 / 32, Bitwise, Ipv4, Ct, ReadOnly, (CT_IPV4, 32, 32),
        [NXM_NX_CT_NW_SRC: NX 120];
    CtNwDst = "ct_nw_dst", 4 / 32, Bitwise, Ipv4, Ct, ReadOnly, (CT_IPV4, 0, 32),
        [NXM_NX_CT_NW_DST: NX 121];
    CtIpv6Src = "ct_ipv6_src", 16 / 128, Bitwise, Ipv6, Ct, ReadOnly, (CT_IPV6_SRC, 0, 128),
        [NXM_NX_CT_IPV6_SRC: NX 122];
    CtIpv6Dst = "ct_ipv6_dst", 16 / 128, Bitwise, Ipv6, Ct, ReadOnly, (CT_IPV6_DST, 0, 128),
        [NXM_NX_CT_IPV6_DST: NX 123];
    CtTpSrc = "ct_tp_src", 2 / 16, Bitwise, Decimal, Ct, ReadOnly, (CT_MARK, 16, 16),
        [NXM_NX_CT_TP_SRC: NX 124];
    CtTpDst = "ct_tp_dst", 2 / 16, Bitwise, Decimal, Ct, ReadOnly, (CT_MARK, 0, 16),
        [NXM_NX_CT_TP_DST: NX 125];

    // Registers.
    Reg0 = "reg0", 4 / 32, Bitwise, Hex, None, ReadWrite, (REGS, 32, 32), [NXM_NX_REG0: NX 0];
    Reg1 = "reg1", 4 / 32, Bitwise, Hex, None, ReadWrite, (REGS, 0, 32), [NXM_NX_REG1: NX 1];
    Reg2 = "reg2", 4 / 32, Bitwise, Hex, None, ReadWrite, (REGS + 1, 32, 32), [NXM_NX_REG2: NX 2];
    Reg3 = "reg3", 4 / 32, Bitwise, Hex, None, ReadWrite, (REGS + 1, 0, 32), [NXM_NX_REG3: NX 3];
    Reg4 = "reg4", 4 / 32, Bitwise, Hex, None, ReadWrite, (REGS + 2, 32, 32), [NXM_NX_REG4: NX 4];
    Reg5 = "reg5", 4 / 32, Bitwise, Hex, None, ReadWrite, (REGS + 2, 0, 32), [NXM_NX_REG5: NX 5];
    Reg6 = "reg6", 4 / 32, Bitwise, Hex, None, ReadWrite, (REGS + 3, 32, 32), [NXM_NX_REG6: NX 6];
    Reg7 = "reg7", 4 / 32, Bitwise, Hex, None, ReadWrite, (REGS + 3, 0, 32), [NXM_NX_REG7: NX 7];
    Reg8 = "reg8", 4 / 32, Bitwise, Hex, None, ReadWrite, (REGS + 4, 32, 32), [NXM_NX_REG8: NX 8];
    Reg9 = "reg9", 4 / 32, Bitwise, Hex, None, ReadWrite, (REGS + 4, 0, 32), [NXM_NX_REG9: NX 9];
    Reg10 = "reg10", 4 / 32, Bitwise, Hex, None, ReadWrite, (REGS + 5, 32, 32),
        [NXM_NX_REG10: NX 10];
    Reg11 = "reg11", 4 / 32, Bitwise, Hex, None, ReadWrite, (REGS + 5, 0, 32),
        [NXM_NX_REG11: NX 11];
    Reg12 = "reg12", 4 / 32, Bitwise, Hex, None, ReadWrite, (REGS + 6, 32, 32),
        [NXM_NX_REG12: NX 12];
    Reg13 = "reg13", 4 / 32, Bitwise, Hex, None, ReadWrite, (REGS + 6, 0, 32),
        [NXM_NX_REG13: NX 13];
    Reg14 = "reg14", 4 / 32, Bitwise, Hex, None, ReadWrite, (REGS + 7, 32, 32),
        [NXM_NX_REG14: NX 14];
    Reg15 = "reg15", 4 / 32, Bitwise, Hex, None, ReadWrite, (REGS + 7, 0, 32),
        [NXM_NX_REG15: NX 15];
    Xreg0 = "xreg0", 8 / 64, Bitwise, Hex, None, ReadWrite, (REGS, 0, 64),
        [OXM_OF_PKT_REG0: PKT_REG 0 since 4];
    Xreg1 = "xreg1", 8 / 64, Bitwise, Hex, None, ReadWrite, (REGS + 1, 0, 64),
        [OXM_OF_PKT_REG1: PKT_REG 1 since 4];
    Xreg2 = "xreg2", 8 / 64, Bitwise, Hex, None, ReadWrite, (REGS + 2, 0, 64),
        [OXM_OF_PKT_REG2: PKT_REG 2 since 4];
    Xreg3 = "xreg3", 8 / 64, Bitwise, Hex, None, ReadWrite, (REGS + 3, 0, 64),
        [OXM_OF_PKT_REG3: PKT_REG 3 since 4];
    Xreg4 = "xreg4", 8 / 64, Bitwise, Hex, None, ReadWrite, (REGS + 4, 0, 64),
        [OXM_OF_PKT_REG4: PKT_REG 4 since 4];
    Xreg5 = "xreg5", 8 / 64, Bitwise, Hex, None, ReadWrite, (REGS + 5, 0, 64),
        [OXM_OF_PKT_REG5: PKT_REG 5 since 4];
    Xreg6 = "xreg6", 8 / 64, Bitwise, Hex, None, ReadWrite, (REGS + 6, 0, 64),
        [OXM_OF_PKT_REG6: PKT_REG 6 since 4];
    Xreg7 = "xreg7", 8 / 64, Bitwise, Hex, None, ReadWrite, (REGS + 7, 0, 64),
        [OXM_OF_PKT_REG7: PKT_REG 7 since 4];
    Xxreg0 = "xxreg0", 16 / 128, Bitwise, Hex, None, ReadWrite, (REGS, 0, 128),
        [NXM_NX_XXREG0: NX 111];
    Xxreg1 = "xxreg1", 16 / 128, Bitwise, Hex, None, ReadWrite, (REGS + 2, 0, 128),
        [NXM_NX_XXREG1: NX 112];
    Xxreg2 = "xxreg2", 16 / 128, Bitwise, Hex, None, ReadWrite, (REGS + 4, 0, 128),
        [NXM_NX_XXREG2: NX 113];
    Xxreg3 = "xxreg3", 16 / 128, Bitwise, Hex, None, ReadWrite, (REGS + 6, 0, 128),
        [NXM_NX_XXREG3: NX 114];

    // Ethernet and VLAN.
    EthSrc = "eth_src" | "dl_src", 6 / 48, Bitwise, Ethernet, Ethernet, ReadWrite, (ETH_SRC, 16, 48),
        [NXM_OF_ETH_SRC: OF 2, OXM_OF_ETH_SRC: BASIC 4 since 3];
    EthDst = "eth_dst" | "dl_dst", 6 / 48, Bitwise, Ethernet, Ethernet, ReadWrite, (ETH_DST, 16, 48),
        [NXM_OF_ETH_DST: OF 1, OXM_OF_ETH_DST: BASIC 3 since 3];
    EthType = "eth_type" | "dl_type", 2 / 16, Whole, Hex, Ethernet, ReadOnly, (ETH_DST, 0, 16),
        [NXM_OF_ETH_TYPE: OF 3, OXM_OF_ETH_TYPE: BASIC 5 since 3];
    VlanTci = "vlan_tci", 2 / 16, Bitwise, Hex, Ethernet, ReadWrite, (ETH_SRC, 0, 16),
        [NXM_OF_VLAN_TCI: OF 4];
    DlVlan = "dl_vlan", 2 / 12, Whole, Decimal, Ethernet, ReadWrite, (ETH_SRC, 0, 12), [];
    VlanVid = "vlan_vid", 2 / 12, Bitwise, Decimal, Ethernet, ReadWrite, (ETH_SRC, 0, 13),
        [OXM_OF_VLAN_VID: BASIC 6 since 3];
    DlVlanPcp = "dl_vlan_pcp", 1 / 3, Whole, Decimal, Ethernet, ReadWrite, (ETH_SRC, 13, 3), [];
    VlanPcp = "vlan_pcp", 1 / 3, Whole, Decimal, VlanVid, ReadWrite, (ETH_SRC, 13, 3),
        [OXM_OF_VLAN_PCP: BASIC 7 since 3];

    // MPLS.
    MplsLabel = "mpls_label", 4 / 20, Whole, Decimal, Mpls, ReadWrite, (MPLS, 44, 20),
        [OXM_OF_MPLS_LABEL: BASIC 34 since 3];
    MplsTc = "mpls_tc", 1 / 3, Whole, Decimal, Mpls, ReadWrite, (MPLS, 41, 3),
        [OXM_OF_MPLS_TC: BASIC 35 since 3];
    MplsBos = "mpls_bos", 1 / 1, Whole, Decimal, Mpls, ReadOnly, (MPLS, 40, 1),
        [OXM_OF_MPLS_BOS: BASIC 36 since 4];
    MplsTtl = "mpls_ttl", 1 / 8, Whole, Decimal, Mpls, ReadWrite, (MPLS, 32, 8),
        [NXM_NX_MPLS_TTL: NX 30];

    // IP.
    Ipv4Src = "ip_src" | "nw_src", 4 / 32, Bitwise, Ipv4, Ipv4, ReadWrite, (IPV4, 32, 32),
        [NXM_OF_IP_SRC: OF 7, OXM_OF_IPV4_SRC: BASIC 11 since 3];
    Ipv4Dst = "ip_dst" | "nw_dst", 4 / 32, Bitwise, Ipv4, Ipv4, ReadWrite, (IPV4, 0, 32),
        [NXM_OF_IP_DST: OF 8, OXM_OF_IPV4_DST: BASIC 12 since 3];
    Ipv6Src = "ipv6_src", 16 / 128, Bitwise, Ipv6, Ipv6, ReadWrite, (IPV6_SRC, 0, 128),
        [NXM_NX_IPV6_SRC: NX 19, OXM_OF_IPV6_SRC: BASIC 26 since 3];
    Ipv6Dst = "ipv6_dst", 16 / 128, Bitwise, Ipv6, Ipv6, ReadWrite, (IPV6_DST, 0, 128),
        [NXM_NX_IPV6_DST: NX 20, OXM_OF_IPV6_DST: BASIC 27 since 3];
    Ipv6Label = "ipv6_label", 4 / 20, Bitwise, Hex, Ipv6, ReadWrite, (IP, 32, 20),
        [NXM_NX_IPV6_LABEL: NX 27, OXM_OF_IPV6_FLABEL: BASIC 28 since 3];
    IpProto = "nw_proto" | "ip_proto", 1 / 8, Whole, Decimal, Ip, ReadOnly, (IP, 24, 8),
        [NXM_OF_IP_PROTO: OF 6, OXM_OF_IP_PROTO: BASIC 10 since 3];
    IpTos = "nw_tos", 1 / 8, Whole, Decimal, Ip, ReadWrite, (IP, 16, 8), [NXM_OF_IP_TOS: OF 5];
    IpDscp = "ip_dscp", 1 / 6, Whole, Decimal, Ip, ReadWrite, (IP, 18, 6),
        [OXM_OF_IP_DSCP: BASIC 8 since 3];
    IpEcn = "nw_ecn" | "ip_ecn", 1 / 2, Whole, Decimal, Ip, ReadWrite, (IP, 16, 2),
        [NXM_NX_IP_ECN: NX 28, OXM_OF_IP_ECN: BASIC 9 since 3];
    IpTtl = "nw_ttl", 1 / 8, Whole, Decimal, Ip, ReadWrite, (IP, 8, 8), [NXM_NX_IP_TTL: NX 29];
    IpFrag = "ip_frag" | "nw_frag", 1 / 2, Bitwise, Frag, Ip, ReadOnly, (IP, 0, 2),
        [NXM_NX_IP_FRAG: NX 26];

    // ARP.
    ArpOp = "arp_op", 2 / 16, Whole, Decimal, Arp, ReadWrite, (IP, 24, 8),
        [NXM_OF_ARP_OP: OF 15, OXM_OF_ARP_OP: BASIC 21 since 3];
    ArpSpa = "arp_spa", 4 / 32, Bitwise, Ipv4, Arp, ReadWrite, (IPV4, 32, 32),
        [NXM_OF_ARP_SPA: OF 16, OXM_OF_ARP_SPA: BASIC 22 since 3];
    ArpTpa = "arp_tpa", 4 / 32, Bitwise, Ipv4, Arp, ReadWrite, (IPV4, 0, 32),
        [NXM_OF_ARP_TPA: OF 17, OXM_OF_ARP_TPA: BASIC 23 since 3];
    ArpSha = "arp_sha", 6 / 48, Bitwise, Ethernet, Arp, ReadWrite, (ARP_SHA, 16, 48),
        [NXM_NX_ARP_SHA: NX 17, OXM_OF_ARP_SHA: BASIC 24 since 3];
    ArpTha = "arp_tha", 6 / 48, Bitwise, Ethernet, Arp, ReadWrite, (ARP_THA, 16, 48),
        [NXM_NX_ARP_THA: NX 18, OXM_OF_ARP_THA: BASIC 25 since 3];

    // TCP, UDP, SCTP.
    TcpSrc = "tcp_src" | "tp_src", 2 / 16, Bitwise, Decimal, Tcp, ReadWrite, (L4, 48, 16),
        [NXM_OF_TCP_SRC: OF 9, OXM_OF_TCP_SRC: BASIC 13 since 3];
    TcpDst = "tcp_dst" | "tp_dst", 2 / 16, Bitwise, Decimal, Tcp, ReadWrite, (L4, 32, 16),
        [NXM_OF_TCP_DST: OF 10, OXM_OF_TCP_DST: BASIC 14 since 3];
    TcpFlags = "tcp_flags", 2 / 12, Bitwise, TcpFlags, Tcp, ReadOnly, (L4, 16, 12),
        [NXM_NX_TCP_FLAGS: NX 34,
        ONFOXM_ET_TCP_FLAGS: ONF 42 since 4,
        OXM_OF_TCP_FLAGS: BASIC 42 since 6];
    UdpSrc = "udp_src", 2 / 16, Bitwise, Decimal, Udp, ReadWrite, (L4, 48, 16),
        [NXM_OF_UDP_SRC: OF 11, OXM_OF_UDP_SRC: BASIC 15 since 3];
    UdpDst = "udp_dst", 2 / 16, Bitwise, Decimal, Udp, ReadWrite, (L4, 32, 16),
        [NXM_OF_UDP_DST: OF 12, OXM_OF_UDP_DST: BASIC 16 since 3];
    SctpSrc = "sctp_src", 2 / 16, Bitwise, Decimal, Sctp, ReadWrite, (L4, 48, 16),
        [OXM_OF_SCTP_SRC: BASIC 17 since 3];
    SctpDst = "sctp_dst", 2 / 16, Bitwise, Decimal, Sctp, ReadWrite, (L4, 32, 16),
        [OXM_OF_SCTP_DST: BASIC 18 since 3];

    // ICMP and neighbour discovery.
    Icmpv4Type = "icmp_type", 1 / 8, Whole, Decimal, Icmpv4, ReadWrite, (L4, 48, 8),
        [NXM_OF_ICMP_TYPE: OF 13, OXM_OF_ICMPV4_TYPE: BASIC 19 since 3];
    Icmpv4Code = "icmp_code", 1 / 8, Whole, Decimal, Icmpv4, ReadWrite, (L4, 32, 8),
        [NXM_OF_ICMP_CODE: OF 14, OXM_OF_ICMPV4_CODE: BASIC 20 since 3];
    Icmpv6Type = "icmpv6_type", 1 / 8, Whole, Decimal, Icmpv6, ReadWrite, (L4, 48, 8),
        [NXM_NX_ICMPV6_TYPE: NX 21, OXM_OF_ICMPV6_TYPE: BASIC 29 since 3];
    Icmpv6Code = "icmpv6_code", 1 / 8, Whole, Decimal, Icmpv6, ReadWrite, (L4, 32, 8),
        [NXM_NX_ICMPV6_CODE: NX 22, OXM_OF_ICMPV6_CODE: BASIC 30 since 3];
    NdTarget = "nd_target", 16 / 128, Bitwise, Ipv6, Nd, ReadWrite, (ND_TARGET, 0, 128),
        [NXM_NX_ND_TARGET: NX 23, OXM_OF_IPV6_ND_TARGET: BASIC 31 since 3];
    NdSll = "nd_sll", 6 / 48, Bitwise, Ethernet, NdSolicit, ReadWrite, (ARP_SHA, 16, 48),
        [NXM_NX_ND_SLL: NX 24, OXM_OF_IPV6_ND_SLL: BASIC 32 since 3];
    NdTll = "nd_tll", 6 / 48, Bitwise, Ethernet, NdAdvert, ReadWrite, (ARP_THA, 16, 48),
        [NXM_NX_ND_TLL: NX 25, OXM_OF_IPV6_ND_TLL: BASIC 33 since 3];
    NdReserved = "nd_reserved", 4 / 32, Whole, Decimal, Nd, ReadWrite, (ND_MORE, 32, 32),
        [ERICOXM_OF_ICMPV6_ND_RESERVED: ERIC 1];
    NdOptionsType = "nd_options_type", 1 / 8, Whole, Decimal, Nd, ReadWrite, (ND_MORE, 0, 8),
        [ERICOXM_OF_ICMPV6_ND_OPTIONS_TYPE: ERIC 2];

    // Network service header.
    NshFlags = "nsh_flags", 1 / 8, Bitwise, Decimal, Nsh, ReadWrite, (NSH, 56, 8),
        [NXOXM_NSH_FLAGS: NSH 1];
    NshMdtype = "nsh_mdtype", 1 / 8, Whole, Decimal, Nsh, ReadOnly, (NSH, 40, 8),
        [NXOXM_NSH_MDTYPE: NSH 2];
    NshNp = "nsh_np", 1 / 8, Whole, Decimal, Nsh, ReadOnly, (NSH, 32, 8), [NXOXM_NSH_NP: NSH 3];
    NshSpi = "nsh_spi" | "nsp", 4 / 24, Whole, Hex, Nsh, ReadWrite, (NSH, 8, 24),
        [NXOXM_NSH_SPI: NSH 4];
    NshSi = "nsh_si" | "nsi", 1 / 8, Whole, Decimal, Nsh, ReadWrite, (NSH, 0, 8),
        [NXOXM_NSH_SI: NSH 5];
    NshC1 = "nsh_c1" | "nshc1", 4 / 32, Bitwise, Hex, Nsh, ReadWrite, (NSH_CONTEXT, 32, 32),
        [NXOXM_NSH_C1: NSH 6];
    NshC2 = "nsh_c2" | "nshc2", 4 / 32, Bitwise, Hex, Nsh, ReadWrite, (NSH_CONTEXT, 0, 32),
        [NXOXM_NSH_C2: NSH 7];
    NshC3 = "nsh_c3" | "nshc3", 4 / 32, Bitwise, Hex, Nsh, ReadWrite, (NSH_CONTEXT + 1, 32, 32),
        [NXOXM_NSH_C3: NSH 8];
    NshC4 = "nsh_c4" | "nshc4", 4 / 32, Bitwise, Hex, Nsh, ReadWrite, (NSH_CONTEXT + 1, 0, 32),
        [NXOXM_NSH_C4: NSH 9];
    NshTtl = "nsh_ttl", 1 / 8, Whole, Decimal, Nsh, ReadWrite, (NSH, 48, 8),
        [NXOXM_NSH_TTL: NSH 10];
}
