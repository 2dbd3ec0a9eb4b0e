//! Tunnels, printed: what a flow matches of one, and what a packet gets that leaves by one.
//!
//! # References
//! `format_odp_tun_attr`, `tun_key_to_attr` in `lib/odp-util.c` of Open vSwitch.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use datapath::tunnel::{Byte, Switch, TunnelConfig, TunnelKey};
use packet::FlowKey;
use packet::flow::tunnel::{MAX_OPTION_LEN, OptionKind};
use packet::flow::{FieldId, FlowMask, OptionTable, place};
use packet::tunnel::geneve;

/// Flags in the order in which they are printed.
const FLAGS: [(&str, u64); 4] = [
    ("df", place::TUN_DF),
    ("csum", place::TUN_CSUM),
    ("key", place::TUN_KEY),
    ("oam", place::TUN_OAM),
];

/// `tunnel(tun_id=0x1,src=…,dst=…,flags(-df-csum+key)),` of what a flow matches; nothing if it matches
/// nothing of a tunnel. `options` are those of Geneve that are fields.
#[must_use]
pub fn match_text(key: &FlowKey, mask: &FlowMask, options: &OptionTable) -> String {
    if key.get(FieldId::TunDst) == 0 && key.get(FieldId::TunIpv6Dst) == 0 {
        return String::new();
    }
    let mut parts = Vec::new();
    let mut part = |name: &str, field: FieldId, write: &dyn Fn(u128) -> String| {
        let (value, bits) = (key.get(field), mask.get(field));
        if bits == field.info().ones() {
            parts.push(format!("{name}={}", write(value)));
        } else if bits != 0 {
            parts.push(format!("{name}={}/{}", write(value & bits), write(bits)));
        }
    };
    let hex = |value: u128| format!("{value:#x}");
    part("tun_id", FieldId::TunId, &hex);
    if key.get(FieldId::TunDst) != 0 {
        let v4 = |value| Ipv4Addr::from_bits(u32::try_from(value).unwrap_or(0)).to_string();
        part("src", FieldId::TunSrc, &v4);
        part("dst", FieldId::TunDst, &v4);
    } else {
        let v6 = |value| Ipv6Addr::from_bits(value).to_string();
        part("ipv6_src", FieldId::TunIpv6Src, &v6);
        part("ipv6_dst", FieldId::TunIpv6Dst, &v6);
    }
    if key.get(FieldId::TunTos) != 0 {
        part("tos", FieldId::TunTos, &hex);
    }
    part("ttl", FieldId::TunTtl, &|value| value.to_string());
    if mask.get(FieldId::TunGbpId) != 0 || mask.get(FieldId::TunGbpFlags) != 0 {
        let (id, flags) = (key.get(FieldId::TunGbpId), key.get(FieldId::TunGbpFlags));
        parts.push(format!("vxlan(gbp(id={id},flags={flags:#x}))"));
    }
    let matched = matched_options(key, mask, options);
    if !matched.is_empty() {
        parts.push(format!("geneve({matched})"));
    }
    let mut flags = String::new();
    for (name, bit) in FLAGS {
        if mask.word(place::TUN_FLAGS) & bit != 0 && (bit != place::TUN_OAM || is_set(key, bit)) {
            flags.push(if is_set(key, bit) { '+' } else { '-' });
            flags.push_str(name);
        }
    }
    if !flags.is_empty() {
        parts.push(format!("flags({flags})"));
    }
    if parts.is_empty() { String::new() } else { format!("tunnel({}),", parts.join(",")) }
}

/// The options that a flow looks at, and that its packets have. That one is not there is not printed,
/// as in Open vSwitch.
fn matched_options(key: &FlowKey, mask: &FlowMask, table: &OptionTable) -> String {
    let mut text = String::new();
    for (kind, slot) in table.iter() {
        let unused = MAX_OPTION_LEN - slot.len();
        let (value, bits) = (key.option(slot), mask.option(slot));
        let (value, bits) = (&value[unused..], &bits[unused..]);
        let is_looked_at = bits.iter().any(|byte| *byte != 0);
        if key.get(slot.field()) == 0 || !is_looked_at && mask.get(slot.field()) == 0 {
            continue;
        }
        let mut data = String::new();
        if is_looked_at {
            let value: Vec<u8> = value.iter().zip(bits).map(|(byte, mask)| byte & mask).collect();
            data = hex_text(&value);
            if bits.iter().any(|byte| *byte != 0xff) {
                data = format!("{data}/{}", hex_text(bits));
            }
        }
        push_option(&mut text, (kind, slot.len()), &data);
    }
    text
}

fn is_set(key: &FlowKey, bit: u64) -> bool {
    key.word(place::TUN_FLAGS) & bit != 0
}

/// `set(tunnel(…))` of what a packet gets that leaves by a port with this configuration.
#[must_use]
pub fn set_text(key: &TunnelKey, config: &TunnelConfig) -> String {
    let mut parts = Vec::new();
    if key.has_key {
        parts.push(format!("tun_id={:#x}", key.id));
    }
    let prefix = if key.dst.is_ipv6() { "ipv6_" } else { "" };
    let mut address = |name: &str, address: IpAddr| {
        if !address.is_unspecified() {
            parts.push(format!("{prefix}{name}={address}"));
        }
    };
    address("src", key.src);
    address("dst", key.dst);
    match config.tos {
        Byte::Is(0) => {}
        Byte::Is(tos) => parts.push(format!("tos={tos:#x}")),
        Byte::Inherit => parts.push("tos=inherit".to_owned()),
    }
    match config.ttl {
        Byte::Is(ttl) => parts.push(format!("ttl={ttl}")),
        Byte::Inherit => parts.push("ttl=inherit".to_owned()),
    }
    if key.tp_dst != 0 {
        parts.push(format!("tp_dst={}", key.tp_dst));
    }
    if config.gbp == Switch::On && (key.gbp_id, key.gbp_flags) != (0, 0) {
        parts.push(format!("vxlan(gbp(id={},flags={:#x}))", key.gbp_id, key.gbp_flags));
    }
    if !key.options.is_empty() {
        parts.push(format!("geneve({})", options_text(&key.options)));
    }
    let flags = [("df", key.df), ("csum", key.csum), ("key", key.has_key), ("oam", key.oam)];
    let flags: Vec<&str> =
        flags.iter().filter(|(_, is_set)| *is_set).map(|(name, _)| *name).collect();
    parts.push(format!("flags({})", flags.join("|")));
    format!("set(tunnel({}))", parts.join(","))
}

fn options_text(options: &[u8]) -> String {
    let mut text = String::new();
    for option in geneve::options(options) {
        let data = if option.data.is_empty() { String::new() } else { hex_text(option.data) };
        push_option(&mut text, ((option.class, option.kind), option.data.len()), &data);
    }
    text
}

/// Adds `{class=…,type=…,len=…,0x…}`; nothing stands for its bytes if `data` is empty.
fn push_option(text: &mut String, ((class, kind), len): (OptionKind, usize), data: &str) {
    let comma = if data.is_empty() { "" } else { "," };
    // Writing to a string does not fail.
    let _ = write!(text, "{{class={class:#x},type={kind:#x},len={len}{comma}{data}}}");
}

/// Bytes as one number.
fn hex_text(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let digits = digits.trim_start_matches('0');
    format!("0x{}", if digits.is_empty() { "0" } else { digits })
}
