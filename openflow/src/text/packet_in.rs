//! Packets on their way to a controller and from it: what came with them, and a line of what they are.
//!
//! # References
//! ovs-ofctl(8), `packet-out`, `monitor`.

use core::fmt::Write;

use packet::flow::extract::{Depth, Offsets, VlanLimit, headers};
use packet::flow::{FieldId, FlowKey, FlowMatch};

use super::message::{Detail, put_hex_dump};
use super::names::{Names, Style};
use super::scan::Piece;
use super::{TextError, action, actions_text, flow, matching, value};
use crate::continuation::Continuation;
use crate::flow::{DEFAULT_PRIORITY, NO_BUFFER};
use crate::packet_io::{PacketIn, PacketOut};
use crate::port::OfPort;
use crate::version::Version;

const PACKET: &str = "the packet's bytes, two hexadecimal digits each, at least 14 bytes";

/// Reads bytes, two hexadecimal digits each.
fn parse_packet(piece: Piece<'_>) -> Result<Vec<u8>, TextError> {
    let digits: String = piece.text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !plain || !digits.len().is_multiple_of(2) || digits.len() < 28 {
        return Err(piece.expected(PACKET));
    }
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16);
    let bytes = (0..digits.len()).step_by(2).map(byte).collect::<Result<_, _>>();
    bytes.map_err(|_| piece.expected(PACKET))
}

/// Reads a packet's bytes, two hexadecimal digits each.
///
/// # Errors
/// Where they cannot be read, and what was expected.
pub fn parse_packet_bytes(text: &str) -> Result<Vec<u8>, TextError> {
    parse_packet(Piece::whole(text))
}

/// Reads the older form's port and actions, which stand apart.
///
/// # Errors
/// Where they cannot be read, and what was expected.
pub fn parse_packet_out_parts(
    in_port: &str,
    actions: &str,
    packet: Vec<u8>,
    names: &Names,
) -> Result<PacketOut, TextError> {
    let port = value::parse_port(Piece::named(in_port, names))?;
    let mut metadata = FlowMatch::ANY;
    metadata.set(FieldId::InPort, port.0.into());
    let actions = action::parse_list(Piece::named(actions, names), action::Place::List)?;
    Ok(PacketOut { buffer_id: NO_BUFFER, metadata, actions, packet })
}

/// Reads `in_port=1 packet=… actions=…`.
///
/// # Errors
/// Where it cannot be read, and what was expected.
pub fn parse_packet_out(text: &str, names: &Names) -> Result<PacketOut, TextError> {
    parse_out(Piece::named(text, names))
}

pub(super) fn parse_out(whole: Piece<'_>) -> Result<PacketOut, TextError> {
    let (head, actions) = flow::split_actions(whole);
    let actions = actions.ok_or(whole.end().expected("actions=, with what to do"))?;
    let mut metadata = FlowMatch::ANY;
    metadata.set(FieldId::InPort, OfPort::NONE.0.into());
    let (mut packet, mut terms) = (None, Vec::new());
    for item in head.items()? {
        match item.key.text {
            "packet" => packet = Some(parse_packet(item.need(PACKET)?)?),
            _ => terms.push(item),
        }
    }
    matching::apply(&mut metadata, &terms)?;
    let packet = packet.ok_or(whole.end().expected("packet=, with the packet's bytes"))?;
    let actions = action::parse_list(actions, action::Place::List)?;
    Ok(PacketOut { buffer_id: NO_BUFFER, metadata, actions, packet })
}

/// What a packet-in says besides the packet.
pub(super) fn put(text: &mut String, style: Style<'_>, packet: &PacketIn, detail: Detail) {
    if packet.table != 0 && style.version != Version::V10 {
        let _ = write!(text, " table_id={}", style.table(packet.table));
    }
    if packet.cookie != u64::MAX {
        let _ = write!(text, " cookie={:#x}", packet.cookie);
    }
    let _ = write!(text, " total_len={} ", packet.total_len);
    matching::put(text, style, &packet.metadata, DEFAULT_PRIORITY);
    let _ = write!(text, " (via {})", packet.reason.name());
    let _ = write!(text, " data_len={}", packet.packet.len());
    let _ = match packet.buffer_id {
        NO_BUFFER => writeln!(text, " (unbuffered)"),
        id => writeln!(text, " buffer={id:#010x}"),
    };
    if !packet.userdata.is_empty() {
        let bytes: Vec<String> = packet.userdata.iter().map(|byte| format!("{byte:02x}")).collect();
        let _ = writeln!(text, " userdata={}", bytes.join("."));
    }
    if let Some(continuation) = &packet.continuation {
        put_continuation(text, style, continuation);
    }
    put_packet(text, &packet.packet, detail);
}

fn put_continuation(text: &mut String, style: Style<'_>, continuation: &Continuation) {
    // Numbers of 32 bits in the order of the machine that wrote them: nearly always this one.
    let [a, b, c, d] = [0, 4, 8, 12].map(|at| {
        let bytes = continuation.bridge[at..].first_chunk::<4>();
        bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes))
    });
    let (b1, b2, c1, c2) = (b >> 16, b & 0xffff, c >> 16, c & 0xffff);
    let _ =
        writeln!(text, " continuation.bridge={a:08x}-{b1:04x}-{b2:04x}-{c1:04x}-{c2:04x}{d:08x}");
    if !continuation.stack.is_empty() {
        text.push_str(" continuation.stack=(top)");
        for item in &continuation.stack {
            let digits: String = item.iter().map(|byte| format!("{byte:02x}")).collect();
            let digits = digits.trim_start_matches('0');
            let _ = write!(text, " 0x{}", if digits.is_empty() { "0" } else { digits });
        }
        text.push_str(" (bottom)\n");
    }
    if continuation.mirrors != 0 {
        let _ = writeln!(text, " continuation.mirrors={:#x}", continuation.mirrors);
    }
    if continuation.is_tracked {
        text.push_str(" continuation.conntracked=true\n");
    }
    if !continuation.rest.is_empty() {
        let rest = continuation.rest.iter().map(|rest| {
            let actions = actions_text(style, &rest.actions);
            format!("unroll_xlate(table={}, cookie={}),{actions}", rest.table, rest.cookie)
        });
        let _ = writeln!(text, " continuation.actions={}", rest.collect::<Vec<_>>().join(","));
    }
    if !continuation.action_set.is_empty() {
        let set = actions_text(style, &continuation.action_set);
        let _ = writeln!(text, " continuation.action_set={set}");
    }
}

/// The same of Nicira's form, whose table counts in OpenFlow 1.0 too.
pub(super) fn put2(text: &mut String, style: Style<'_>, packet: &PacketIn, detail: Detail) {
    if packet.table != 0 && style.version == Version::V10 {
        let _ = write!(text, " table_id={}", style.table(packet.table));
    }
    put(text, style, packet, detail);
}

pub(super) fn put_out(text: &mut String, style: Style<'_>, out: &PacketOut, detail: Detail) {
    text.push(' ');
    matching::put(text, style, &out.metadata, DEFAULT_PRIORITY);
    let _ = write!(text, " actions={}", actions_text(style, &out.actions));
    if out.buffer_id != NO_BUFFER {
        let _ = writeln!(text, " buffer={:#010x}", out.buffer_id);
        return;
    }
    let _ = writeln!(text, " data_len={}", out.packet.len());
    put_packet(text, &out.packet, detail);
}

fn put_packet(text: &mut String, packet: &[u8], detail: Detail) {
    if packet.is_empty() {
        return;
    }
    text.push_str(&packet_text(packet));
    text.push('\n');
    if detail == Detail::More {
        put_hex_dump(text, packet);
    }
}

/// A line of what a packet is: every field that its headers have.
#[must_use]
pub fn packet_text(frame: &[u8]) -> String {
    let mut key = FlowKey::EMPTY;
    let offsets = headers(frame, Depth::L4, VlanLimit::One, &mut key);
    let mut matching = FlowMatch::ANY;
    let mut set = |field: FieldId| {
        if matching.allows(field) {
            matching.set(field, key.get(field));
        }
    };
    // In the order of their dependence.
    for field in FIELDS {
        set(*field);
    }
    if offsets.l4.is_some() {
        L4_FIELDS.iter().for_each(|field| set(*field));
    }
    if key.has_vlan() {
        matching.set_masked(FieldId::VlanTci, key.get(FieldId::VlanTci), 0xffff);
    } else {
        matching.set_masked(FieldId::VlanTci, 0, 0xffff);
    }
    let mut text = String::new();
    matching::put(&mut text, Version::V10.into(), &matching, DEFAULT_PRIORITY);
    if key.has_vlan()
        && let Some(at) = text.find("dl_src=")
    {
        let tci = key.inner_vlan().tci;
        text.insert_str(at, &format!("vlan_tci1={tci:#06x},"));
    }
    put_checksum(&mut text, frame, &key, offsets);
    text
}

const FIELDS: &[FieldId] = {
    use FieldId::*;
    &[
        EthType, EthSrc, EthDst, IpProto, Ipv4Src, Ipv4Dst, Ipv6Src, Ipv6Dst, Ipv6Label, IpTos,
        IpEcn, IpTtl, IpFrag, ArpOp, ArpSpa, ArpTpa, ArpSha, ArpTha, MplsLabel, MplsTc, MplsTtl,
        MplsBos,
    ]
};
const L4_FIELDS: &[FieldId] = {
    use FieldId::*;
    &[
        TcpSrc, TcpDst, TcpFlags, UdpSrc, UdpDst, SctpSrc, SctpDst, Icmpv4Type, Icmpv4Code,
        Icmpv6Type, Icmpv6Code, NdTarget, NdSll, NdTll,
    ]
};

/// The checksum of the transport, as it stands in the packet.
fn put_checksum(text: &mut String, frame: &[u8], key: &FlowKey, offsets: Offsets) {
    let Some(l4) = offsets.l4.and_then(|at| frame.get(at..)) else { return };
    let v4 = key.eth_type().0 == 0x0800;
    let (name, at) = match key.ip_proto().0 {
        6 => ("tcp_csum", 16),
        17 => ("udp_csum", 6),
        1 if v4 => ("icmp_csum", 2),
        58 if !v4 => ("icmp6_csum", 2),
        132 => {
            if let Some([a, b, c, d]) = l4.get(8..12) {
                let _ = write!(text, " sctp_csum:{:x}", u32::from_be_bytes([*a, *b, *c, *d]));
            }
            return;
        }
        _ => return,
    };
    if let Some([high, low]) = l4.get(at..at + 2) {
        let _ = write!(text, " {name}:{:x}", u16::from_be_bytes([*high, *low]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UDP: &str = "50540000000a50540000000908004500001c000000004011b5bd\
                       0a0000010a00000200010002000860a1";

    #[test]
    fn a_packet_is_a_line() {
        let packet = parse_packet_bytes(UDP).unwrap();
        assert_eq!(
            packet_text(&packet),
            "udp,vlan_tci=0x0000,dl_src=50:54:00:00:00:09,dl_dst=50:54:00:00:00:0a,\
             nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_tos=0,nw_ecn=0,nw_ttl=64,nw_frag=no,\
             tp_src=1,tp_dst=2 udp_csum:60a1"
        );
        for len in 0..packet.len() {
            let _ = packet_text(&packet[..len]);
        }
    }

    #[test]
    fn packet_outs_are_read() {
        let text = format!("in_port=3 packet={UDP} actions=output:1,2");
        let out = parse_packet_out(&text, Names::NONE).unwrap();
        assert_eq!((out.in_port(), out.actions.len()), (OfPort(3), 2));
        for (text, column) in [
            ("in_port=1,actions=1", 20),
            ("packet=00,actions=1", 8),
            ("packet=0011223344556677889900112233", 36),
            ("colour=red,packet=0011223344556677889900112233,actions=1", 1),
        ] {
            let error = parse_packet_out(text, Names::NONE).expect_err(text);
            assert_eq!(error.column, column, "{text}: {error}");
        }
    }

    #[test]
    fn a_meter_is_an_action_beside_a_packet_since_openflow_15() {
        use crate::{Codec, Message, OfpError, Version};
        let out = |actions: &str| {
            parse_packet_out(&format!("in_port=3 packet={UDP} actions={actions}"), Names::NONE)
        };
        let message = Message::PacketOut(Box::new(out("meter:1,output:2").unwrap()));
        let encode = |version| Codec::new(version).encode(1, &message);
        assert_eq!(encode(Version::V10), Err(OfpError::BaBadType));
        assert_eq!(encode(Version::V14), Err(OfpError::BaBadType));
        assert!(encode(Version::V15).is_ok());
        for refused in ["clone(meter:1)", "goto_table:1", "write_actions(meter:1)"] {
            assert!(out(refused).is_err(), "{refused}");
        }
    }
}
