//! Values of fields, by the format of their row.

use core::fmt::Write;
use core::net::{Ipv4Addr, Ipv6Addr};

use packet::MacAddr;
use packet::flow::field::{Format, Maskable};
use packet::flow::tunnel::{ArrayOption, MAX_OPTION_LEN, WHOLE};
use packet::flow::{FieldId, OptionMatch, Subfield};

use super::TextError;
use super::names::{Names, PortName};
use super::scan::Piece;
use crate::port::OfPort;

type Flags = &'static [(u128, &'static str)];

const TCP_FLAGS: Flags = &[
    (0x001, "fin"),
    (0x002, "syn"),
    (0x004, "rst"),
    (0x008, "psh"),
    (0x010, "ack"),
    (0x020, "urg"),
    (0x040, "ece"),
    (0x080, "cwr"),
    (0x100, "ns"),
    (0x200, "[200]"),
    (0x400, "[400]"),
    (0x800, "[800]"),
];
const CT_STATES: Flags = &[
    (0x01, "new"),
    (0x02, "est"),
    (0x04, "rel"),
    (0x08, "rpl"),
    (0x10, "inv"),
    (0x20, "trk"),
    (0x40, "snat"),
    (0x80, "dnat"),
];
const TUNNEL_FLAGS: Flags = &[(1, "oam")];
const FRAGS: [(&str, u128, u128); 5] =
    [("no", 0, 3), ("yes", 1, 1), ("first", 1, 3), ("later", 3, 3), ("not_later", 0, 2)];

const NUMBER: &str = "a number within the field's width, with /MASK if the field has masks";
const OPTION: &str = "a number of up to 124 bytes, hexadecimal behind 0x, with /MASK if wanted";
const MAC: &str = "a MAC address, as in 02:00:00:00:00:01";
const IPV4: &str = "an IPv4 address, with /LENGTH or /MASK for a network";
const IPV6: &str = "an IPv6 address, with /LENGTH or /MASK for a network";
const PORT: &str = "the name of a port that the switch has, a number from 0 to 65535, or LOCAL, \
                    IN_PORT, NORMAL, FLOOD, ALL, CONTROLLER, ANY";

const fn flag_names(format: Format) -> Flags {
    match format {
        Format::TcpFlags => TCP_FLAGS,
        Format::CtState => CT_STATES,
        Format::TunnelFlags => TUNNEL_FLAGS,
        _ => &[],
    }
}

/// A port, by number, reserved name, or the switch's name for it.
pub(super) fn parse_port(piece: Piece<'_>) -> Result<OfPort, TextError> {
    match OfPort::from_name(piece.text).or_else(|| piece.names.port(piece.text)) {
        Some(port) => Ok(port),
        None => {
            let wide = piece.u32(PORT)?;
            let narrow = u16::try_from(wide).map(OfPort).ok();
            narrow.or(OfPort::from_wide(wide).ok()).ok_or(piece.expected(PORT))
        }
    }
}

/// Reads a value and its mask.
pub(super) fn parse(field: FieldId, piece: Piece<'_>) -> Result<(u128, u128), TextError> {
    let info = field.info();
    let ones = info.ones();
    let (value, mask) = match info.format {
        Format::Frag => {
            let found = FRAGS.iter().find(|(name, ..)| *name == piece.text);
            let (_, value, mask) =
                found.ok_or(piece.expected("no, yes, first, later, not_later"))?;
            return Ok((*value, *mask));
        }
        Format::Port16 => return Ok((parse_port(piece)?.0.into(), ones)),
        Format::Port32 => return Ok((parse_port(piece)?.to_wide().into(), ones)),
        Format::TcpFlags | Format::CtState | Format::TunnelFlags
            if !piece.text.starts_with(|c: char| c.is_ascii_digit()) =>
        {
            return parse_flags(flag_names(info.format), ones, piece);
        }
        _ => piece.split_or_all("/"),
    };
    let value_bits = parse_plain(info.format, ones, value)?;
    let Some(mask) = mask else { return Ok((value_bits, ones)) };
    let mask_bits = match info.format {
        Format::Ipv4 => parse_prefix(mask, 32)?,
        Format::Ipv6 => parse_prefix(mask, 128)?,
        _ => None,
    };
    let mask_bits = match mask_bits {
        Some(bits) => bits,
        None => parse_plain(info.format, u128::MAX, mask)? & ones,
    };
    if matches!(info.maskable, Maskable::Whole) && mask_bits != ones {
        return Err(mask.expected("no mask: the field is matched whole"));
    }
    Ok((value_bits & mask_bits, mask_bits))
}

fn parse_plain(format: Format, ones: u128, piece: Piece<'_>) -> Result<u128, TextError> {
    match format {
        Format::Ethernet => {
            let mac: MacAddr = piece.text.parse().map_err(|_| piece.expected(MAC))?;
            Ok(mac.to_u64().into())
        }
        Format::Ipv4 => {
            let ip: Ipv4Addr = piece.text.parse().map_err(|_| piece.expected(IPV4))?;
            Ok(ip.to_bits().into())
        }
        Format::Ipv6 => {
            let ip: Ipv6Addr = piece.text.parse().map_err(|_| piece.expected(IPV6))?;
            Ok(ip.to_bits())
        }
        _ => piece.number(ones, NUMBER),
    }
}

/// A mask as a prefix length; `None` if it is no plain number.
fn parse_prefix(piece: Piece<'_>, width: u32) -> Result<Option<u128>, TextError> {
    if !piece.text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    let len = piece.u32("a prefix length")?;
    let host =
        width.checked_sub(len).ok_or(piece.expected("a prefix length within the address"))?;
    let ones = if width == 128 { u128::MAX } else { (1 << width) - 1 };
    Ok(Some(ones & u128::MAX.checked_shl(host).unwrap_or(0)))
}

/// `+syn-ack`: some are set and some are not; `syn|ack`: these and no other.
fn parse_flags(names: Flags, ones: u128, piece: Piece<'_>) -> Result<(u128, u128), TextError> {
    const EXPECTED: &str = "flags as in +syn-ack or syn|ack";
    let bit = |name: &str| {
        let found = names.iter().find(|(_, known)| *known == name);
        found.map(|(bit, _)| *bit).ok_or(piece.expected(EXPECTED))
    };
    if !piece.text.starts_with(['+', '-']) {
        let mut value = 0;
        for name in piece.text.split('|') {
            value |= bit(name)?;
        }
        return Ok((value, ones));
    }
    let (mut value, mut mask) = (0, 0);
    let mut rest = piece.text;
    while let Some(sign) = rest.chars().next() {
        let body = &rest[1..];
        let len = body.find(['+', '-']).unwrap_or(body.len());
        let bit = bit(&body[..len])?;
        if mask & bit != 0 {
            return Err(piece.expected("each flag once"));
        }
        mask |= bit;
        value |= if sign == '+' { bit } else { 0 };
        rest = &body[len..];
    }
    Ok((value, mask))
}

/// Writes a value and its mask.
pub(super) fn text(names: &Names, field: FieldId, value: u128, mask: u128) -> String {
    let info = field.info();
    let exact = mask & info.ones() == info.ones();
    match info.format {
        Format::Frag => {
            let known = FRAGS.iter().find(|(_, v, m)| *v == value & mask && *m == mask);
            known.map_or_else(|| format!("{value:#x}/{mask:#x}"), |(name, ..)| (*name).to_owned())
        }
        Format::TcpFlags | Format::CtState | Format::TunnelFlags => {
            flags_text(flag_names(info.format), value, mask, exact && field == FieldId::TcpFlags)
        }
        Format::Port16 | Format::Port32 if exact => {
            let port = OfPort(u16::try_from(value & 0xffff).unwrap_or(0));
            PortName(names, port).to_string()
        }
        format if exact => plain_text(format, value),
        Format::Ipv4 | Format::Ipv6 => network_text(info.format, value, mask),
        Format::Ethernet => {
            format!(
                "{}/{}",
                plain_text(Format::Ethernet, value),
                plain_text(Format::Ethernet, mask)
            )
        }
        _ => format!("{}/{}", hex(value), hex(mask)),
    }
}

/// As C prints it: no `0x` before zero.
pub(super) fn hex(value: u128) -> String {
    if value == 0 { "0".to_owned() } else { format!("{value:#x}") }
}

fn plain_text(format: Format, value: u128) -> String {
    let low = u64::try_from(value & u128::from(u64::MAX)).unwrap_or(0);
    match format {
        Format::Ethernet => MacAddr::from_u64(low).to_string(),
        Format::Ipv4 => Ipv4Addr::from_bits(u32::try_from(low).unwrap_or(0)).to_string(),
        Format::Ipv6 => Ipv6Addr::from_bits(value).to_string(),
        Format::Port16 | Format::Port32 => {
            OfPort(u16::try_from(value & 0xffff).unwrap_or(0)).to_string()
        }
        Format::Decimal => value.to_string(),
        Format::PacketType => format!("({},{})", low >> 16, hex((low & 0xffff).into())),
        _ => hex(value),
    }
}

fn network_text(format: Format, value: u128, mask: u128) -> String {
    let width = if format == Format::Ipv4 { 32 } else { 128 };
    let aligned = mask << (128 - width);
    let len = aligned.leading_ones();
    let address = plain_text(format, value);
    if aligned.count_ones() == len {
        return format!("{address}/{len}");
    }
    format!("{address}/{}", plain_text(format, mask))
}

fn flags_text(names: Flags, value: u128, mask: u128, exact: bool) -> String {
    let mut text = String::new();
    for (bit, name) in names {
        if exact && value & bit != 0 {
            let _ = write!(text, "{}{name}", if text.is_empty() { "" } else { "|" });
        } else if !exact && mask & bit != 0 {
            let _ = write!(text, "{}{name}", if value & bit != 0 { '+' } else { '-' });
        }
    }
    if text.is_empty() { "0".to_owned() } else { text }
}

/// A tunnel option: its value and mask; `None`: it is there.
pub(super) fn option(index: usize, text: Option<Piece<'_>>) -> Result<OptionMatch, TextError> {
    let nothing = [0; MAX_OPTION_LEN];
    let (value, mask) = match text.map(|piece| piece.split_or_all("/")) {
        None => (nothing, nothing),
        Some((value, None)) => (parse_long(value)?, WHOLE),
        Some((value, Some(mask))) => (parse_long(value)?, parse_long(mask)?),
    };
    let index = u8::try_from(index).unwrap_or(0);
    let mut option = OptionMatch { index, value, mask, len: None };
    option.value.iter_mut().zip(&mask).for_each(|(value, mask)| *value &= mask);
    Ok(option)
}

/// A number of any width, right-aligned.
fn parse_long(piece: Piece<'_>) -> Result<ArrayOption, TextError> {
    let mut bytes = [0; MAX_OPTION_LEN];
    let hex = piece.text.strip_prefix("0x").or(piece.text.strip_prefix("0X"));
    let Some(digits) = hex.filter(|digits| digits.len() > 32) else {
        bytes[MAX_OPTION_LEN - 16..]
            .copy_from_slice(&piece.number(u128::MAX, OPTION)?.to_be_bytes());
        return Ok(bytes);
    };
    for (at, digit) in digits.bytes().rev().enumerate() {
        let bits = char::from(digit).to_digit(16).and_then(|bits| u8::try_from(bits).ok());
        let bits = bits.ok_or(piece.expected(OPTION))?;
        match bytes.iter_mut().rev().nth(at / 2) {
            Some(byte) => *byte |= bits << (at % 2 * 4),
            None if bits == 0 => {}
            None => return Err(piece.expected(OPTION)),
        }
    }
    Ok(bytes)
}

/// Value and mask of a tunnel option; nothing if no bit is looked at.
pub(super) fn option_text(option: &OptionMatch) -> String {
    if option.is_whole() {
        return long_hex(&option.value);
    }
    if option.mask == [0; MAX_OPTION_LEN] {
        return String::new();
    }
    format!("{}/{}", long_hex(&option.value), long_hex(&option.mask))
}

fn long_hex(bytes: &ArrayOption) -> String {
    let digits: String = bytes.iter().fold(String::new(), |mut digits, byte| {
        let _ = write!(digits, "{byte:02x}");
        digits
    });
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() { "0".to_owned() } else { format!("0x{digits}") }
}

/// `reg0`, `reg0[]`, `NXM_NX_REG0[0..15]`, `reg0[3]`.
pub(super) fn parse_subfield(piece: Piece<'_>) -> Result<Subfield, TextError> {
    const EXPECTED: &str = "a field, as in NXM_NX_REG0[], reg0[3] or reg0[0..15]";
    let (name, bits) = piece.split_or_all("[");
    let field = FieldId::by_name(name.text).ok_or(name.expected(EXPECTED))?;
    let Some(bits) = bits else { return Ok(Subfield::whole(field)) };
    let (bits, _) = bits.split("]").ok_or(piece.expected(EXPECTED))?;
    if bits.text.is_empty() {
        return Ok(Subfield::whole(field));
    }
    let (first, last) = match bits.split("..") {
        Some((first, last)) => (first.u16(EXPECTED)?, last.u16(EXPECTED)?),
        None => (bits.u16(EXPECTED)?, bits.u16(EXPECTED)?),
    };
    let n_bits = last.checked_sub(first).ok_or(bits.expected("the lower bit first"))? + 1;
    Subfield::new(field, first, n_bits).ok_or(bits.expected("bits that the field has"))
}

/// By the name that the wire knows, Nicira's first.
pub(super) fn subfield_text(part: Subfield) -> String {
    let info = part.field.info();
    let name = info.codes.first().map_or(info.name, |code| code.name);
    let last = part.offset + part.n_bits - 1;
    match (part.offset, part.n_bits) {
        (0, n_bits) if n_bits == info.n_bits => format!("{name}[]"),
        (first, 1) => format!("{name}[{first}]"),
        (first, _) => format!("{name}[{first}..{last}]"),
    }
}
