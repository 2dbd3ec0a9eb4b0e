//! Maps of tunnel options: `{class=0x102,type=0x80,len=4}->tun_metadata0`.

use super::TextError;
use super::scan::Piece;
use crate::nicira::TlvMap;

const MAP: &str = "{class=CLASS,type=TYPE,len=BYTES}->tun_metadataN, more behind commas";

/// Reads maps.
///
/// # Errors
/// Where they cannot be read, and what was expected.
pub fn parse_tlv_maps(text: &str) -> Result<Vec<TlvMap>, TextError> {
    let mut maps = Vec::new();
    let mut rest = Piece::whole(text);
    loop {
        let Some((option, behind)) = rest.split("}->tun_metadata") else {
            return Err(rest.expected(MAP));
        };
        let (number, next) = behind.split_or_all(",");
        let index = number.number(63, "a field, tun_metadata0 to tun_metadata63")?;
        let index = u16::try_from(index).unwrap_or(0);
        maps.push(one(option, index)?);
        match next {
            None => return Ok(maps),
            Some(next) => rest = next,
        }
    }
}

fn one(text: Piece<'_>, index: u16) -> Result<TlvMap, TextError> {
    let wrong = text.expected(MAP);
    let mut parts = text.text.split(',');
    let mut at = text.at;
    let mut next = |before: &str| {
        let part = parts.next()?;
        let value = part.strip_prefix(before)?;
        let piece = Piece { text: value, at: at + before.len(), ..text };
        at += part.len() + 1;
        Some(piece)
    };
    let (class, kind, len) = (next("{class="), next("type="), next("len="));
    let (Some(class), Some(kind), Some(len), None) = (class, kind, len, parts.next()) else {
        return Err(wrong);
    };
    let class = class.u16("a class of options, from 0 to 0xffff")?;
    let kind = kind.u8("a type of option, from 0 to 0xff")?;
    let bytes = len.u8(LEN)?;
    if bytes > 124 || !bytes.is_multiple_of(4) {
        return Err(len.expected(LEN));
    }
    Ok(TlvMap { class, kind, len: bytes, index })
}

const LEN: &str = "bytes of the option's data, 0 to 124 in steps of 4";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_read_and_what_is_wrong_is_named() {
        let text = "{class=0x102,type=0x80,len=4}->tun_metadata0,{class=65535,type=0,len=124}->tun_metadata63";
        let first = TlvMap { class: 0x102, kind: 0x80, len: 4, index: 0 };
        let second = TlvMap { class: 0xffff, kind: 0, len: 124, index: 63 };
        assert_eq!(parse_tlv_maps(text), Ok(vec![first, second]));
        let column = |text: &str| parse_tlv_maps(text).map_err(|error| error.column);
        assert_eq!(column(""), Err(1));
        assert_eq!(column("{class=1,type=2,len=4}->tun_metadata64"), Err(37));
        assert_eq!(column("{class=1,type=256,len=4}->tun_metadata0"), Err(15));
        assert_eq!(column("{class=1,type=2,len=5}->tun_metadata0"), Err(21));
        assert_eq!(column("{class=1,type=2}->tun_metadata0"), Err(1));
        assert_eq!(column("{class=1,type=2,len=4,x=1}->tun_metadata0"), Err(1));
        assert_eq!(column("{class=1,type=2,len=4}->tun_metadata0,"), Err(39));
    }
}
