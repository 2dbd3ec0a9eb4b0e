//! Messages before one knows what is in them: framing, headers, and what kind one is.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +---------------+---------------+-------------------------------+
//! |    Version    |     Type      |            Length             |
//! +---------------+---------------+-------------------------------+
//! |                        Transaction id                         |
//! +---------------------------------------------------------------+
//! ```
//!
//! Statistics and experimenters' messages have more headers behind this one, which differ between
//! versions; [`Raw::parse`] reads them all, and [`start`] writes them.
//!
//! # References
//! OpenFlow 1.0.2 §5.1, §5.3.5; 1.3.5 §7.1, §7.3.5.

use crate::error::{NX_VENDOR_ID, ONF_VENDOR_ID, OfpError};
use crate::kind::{Form, Kind};
use crate::version::Version;
use crate::wire::{Reader, Writer};

/// Bytes of the header.
pub const HEADER_LEN: usize = 8;
/// Most bytes of a message: its length has 16 bits.
pub const MAX_MESSAGE_LEN: usize = u16::MAX as usize;

const TYPE_HELLO: u8 = 0;
/// OFPT_VENDOR, OFPT_EXPERIMENTER.
const TYPE_VENDOR: u8 = 4;
/// OFPST_VENDOR, OFPMP_EXPERIMENTER.
const STATS_VENDOR: u16 = 0xffff;
/// OFPSF_REPLY_MORE, OFPMPF_REPLY_MORE; the same bit in requests.
const FLAG_MORE: u16 = 1;

/// The header of every message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Version number; may be unknown.
    pub version: u8,
    /// Type number; means something in one version.
    pub message_type: u8,
    /// Bytes of the message, header included; at least [`HEADER_LEN`].
    pub len: u16,
    /// Transaction id.
    pub xid: u32,
}

/// A stream that is none of OpenFlow messages: its connection has no future.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a message says that it has {0} bytes (allowed: 8 or more)")]
pub struct FramingError(pub u16);

impl Header {
    /// The header at the start of `bytes`; `None` if they are too few yet.
    ///
    /// # Errors
    /// A length below [`HEADER_LEN`], with which no next message can be found.
    pub fn parse(bytes: &[u8]) -> Result<Option<Header>, FramingError> {
        let Some([version, message_type, len @ .., x0, x1, x2, x3]) = bytes.first_chunk::<8>()
        else {
            return Ok(None);
        };
        let len = u16::from_be_bytes(*len);
        if usize::from(len) < HEADER_LEN {
            return Err(FramingError(len));
        }
        let xid = u32::from_be_bytes([*x0, *x1, *x2, *x3]);
        Ok(Some(Header { version: *version, message_type: *message_type, len, xid }))
    }

    /// Whether it is a HELLO, the one message that may be of a version unknown.
    #[must_use]
    pub const fn is_hello(&self) -> bool {
        self.message_type == TYPE_HELLO
    }
}

/// The first message of a stream, and what follows it.
pub type Split<'a> = (&'a [u8], &'a [u8]);

/// Cuts the first message off a stream's bytes; `None` if it is not whole yet.
///
/// # Errors
/// As [`Header::parse`].
pub fn split_message(stream: &[u8]) -> Result<Option<Split<'_>>, FramingError> {
    let header = Header::parse(stream)?;
    Ok(header.and_then(|header| stream.split_at_checked(header.len.into())))
}

/// Whether a statistics message asks or answers; other messages say so by their kind.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Direction {
    /// To the switch.
    Request,
    /// From the switch.
    Reply,
}

/// A whole message, whose headers were read.
#[derive(Clone, Copy, Debug)]
pub struct Raw<'a> {
    /// Version.
    pub version: Version,
    /// What it means.
    pub kind: Kind,
    /// How it is numbered.
    pub form: Form,
    /// Of statistics; of other messages nothing follows from it.
    pub direction: Direction,
    /// Of statistics: more parts follow with the same transaction id.
    pub more: bool,
    /// Transaction id.
    pub xid: u32,
    /// What stands behind the headers.
    pub body: &'a [u8],
}

impl<'a> Raw<'a> {
    /// Reads the headers of a whole message.
    ///
    /// # Errors
    /// `OFPBRC_*`, as it is to be sent to the peer.
    pub fn parse(message: &'a [u8]) -> Result<Raw<'a>, OfpError> {
        let header = Header::parse(message).ok().flatten().ok_or(OfpError::BrBadLen)?;
        if usize::from(header.len) != message.len() {
            return Err(OfpError::BrBadLen);
        }
        let mut r = Reader::new(&message[HEADER_LEN..], OfpError::BrBadLen);
        let version = match Version::from_wire(header.version) {
            Some(version) => version,
            None if header.is_hello() && header.version > Version::V15.wire() => Version::V15,
            None => return Err(OfpError::BrBadVersion),
        };
        let stats = stats_types(version);
        let number = header.message_type.into();
        let mut more = false;
        let direction = if number == stats.1 { Direction::Reply } else { Direction::Request };
        let (form, number) = if number == TYPE_VENDOR.into() {
            read_vendor(&mut r)?
        } else if number == stats.0 || number == stats.1 {
            let kind = r.u16()?;
            more = r.u16()? & FLAG_MORE != 0;
            read_stats(version, kind, &mut r)?
        } else {
            (Form::Standard, number)
        };
        let kind = Kind::from_number(form, version, number).ok_or(match form {
            Form::Standard => OfpError::BrBadType,
            Form::Stats => OfpError::BrBadStat,
            Form::Nicira | Form::NiciraStats | Form::Onf | Form::OnfStats => OfpError::BrBadSubtype,
        })?;
        Ok(Raw { version, kind, form, direction, more, xid: header.xid, body: r.rest() })
    }

    /// The body, to read.
    #[must_use]
    pub fn reader(&self) -> Reader<'a> {
        Reader::new(self.body, OfpError::BrBadLen)
    }
}

/// The message types of statistics requests and replies.
const fn stats_types(version: Version) -> (u32, u32) {
    match version {
        Version::V10 => (16, 17),
        _ => (18, 19),
    }
}

fn read_vendor(r: &mut Reader<'_>) -> Result<(Form, u32), OfpError> {
    let form = match r.u32()? {
        NX_VENDOR_ID => Form::Nicira,
        ONF_VENDOR_ID => Form::Onf,
        _ => return Err(OfpError::BrBadVendor),
    };
    Ok((form, r.u32()?))
}

fn read_stats(version: Version, kind: u16, r: &mut Reader<'_>) -> Result<(Form, u32), OfpError> {
    if version != Version::V10 {
        r.skip(4)?;
    }
    if kind != STATS_VENDOR {
        return Ok((Form::Stats, kind.into()));
    }
    let form = match r.u32()? {
        NX_VENDOR_ID => Form::NiciraStats,
        ONF_VENDOR_ID => Form::OnfStats,
        _ => return Err(OfpError::BrBadVendor),
    };
    let subtype = r.u32()?;
    if version == Version::V10 {
        r.skip(4)?;
    }
    Ok((form, subtype))
}

/// What a message's headers say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    pub version: Version,
    pub kind: Kind,
    pub form: Form,
    pub direction: Direction,
    pub xid: u32,
}

/// Writes the headers of a message; [`finish`] completes them. A kind that the version does not have
/// is `OFPBRC_BAD_TYPE`.
pub(crate) fn start(w: &mut Writer, start: Start) -> Result<(), OfpError> {
    let Start { version, kind, form, direction, xid } = start;
    let number = kind.number(form, version).ok_or(OfpError::BrBadType)?;
    let stats = stats_types(version);
    let message_type = match form {
        Form::Standard => number,
        Form::Nicira | Form::Onf => TYPE_VENDOR.into(),
        _ if direction == Direction::Reply => stats.1,
        Form::Stats | Form::NiciraStats | Form::OnfStats => stats.0,
    };
    w.u8(version.wire());
    w.u8(u8::try_from(message_type).map_err(|_| OfpError::BrBadType)?);
    w.u16(0);
    w.u32(xid);
    match form {
        Form::Standard => {}
        Form::Nicira => vendor(w, NX_VENDOR_ID, number),
        Form::Onf => vendor(w, ONF_VENDOR_ID, number),
        Form::Stats => stats_header(w, version, u16::try_from(number).unwrap_or(STATS_VENDOR)),
        Form::NiciraStats | Form::OnfStats => {
            stats_header(w, version, STATS_VENDOR);
            let id = if form == Form::OnfStats { ONF_VENDOR_ID } else { NX_VENDOR_ID };
            vendor(w, id, number);
            if version == Version::V10 {
                w.zeros(4);
            }
        }
    }
    Ok(())
}

fn vendor(w: &mut Writer, id: u32, number: u32) {
    w.u32(id);
    w.u32(number);
}

fn stats_header(w: &mut Writer, version: Version, kind: u16) {
    w.u16(kind);
    w.u16(0);
    if version != Version::V10 {
        w.zeros(4);
    }
}

/// Completes the headers of the message that starts at `start`.
///
/// # Errors
/// `OFPBRC_BAD_LEN`: it is longer than a message may be.
pub(crate) fn finish(w: &mut Writer, start: usize) -> Result<(), OfpError> {
    let len = u16::try_from(w.len() - start).map_err(|_| OfpError::BrBadLen)?;
    w.patch_u16(start + 2, len);
    Ok(())
}

/// Says in a finished statistics message that more parts follow.
pub(crate) fn mark_more(w: &mut Writer, start: usize) {
    w.patch_u16(start + HEADER_LEN + 2, FLAG_MORE);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_cut_into_messages() {
        let stream = [1, 0, 0, 8, 0, 0, 0, 1, 1, 2, 0, 9, 0, 0, 0, 2, 7, 1];
        let (first, rest) = split_message(&stream).unwrap().unwrap();
        assert_eq!(first.len(), 8);
        let (second, rest) = split_message(rest).unwrap().unwrap();
        assert_eq!((second.len(), rest), (9, &[1][..]));
        assert_eq!(split_message(rest), Ok(None));
        assert_eq!(split_message(&stream[8..16]), Ok(None));
        assert_eq!(split_message(&[1, 0, 0, 7, 0, 0, 0, 1]), Err(FramingError(7)));
    }

    #[test]
    fn what_is_unknown_gets_its_own_error() {
        let parse = |bytes: &[u8]| Raw::parse(bytes).map(|raw| raw.kind);
        assert_eq!(parse(&[1, 99, 0, 8, 0, 0, 0, 0]), Err(OfpError::BrBadType));
        assert_eq!(parse(&[9, 5, 0, 8, 0, 0, 0, 0]), Err(OfpError::BrBadVersion));
        assert_eq!(parse(&[0, 0, 0, 8, 0, 0, 0, 0]), Err(OfpError::BrBadVersion));
        assert_eq!(parse(&[9, 0, 0, 8, 0, 0, 0, 0]), Ok(Kind::Hello));
        assert_eq!(parse(&[1, 5, 0, 9, 0, 0, 0, 0]), Err(OfpError::BrBadLen));
        assert_eq!(parse(&[1, 4, 0, 12, 0, 0, 0, 0, 0, 0, 0, 1]), Err(OfpError::BrBadVendor));
        let nicira = [1, 4, 0, 16, 0, 0, 0, 0, 0, 0, 0x23, 0x20, 0, 0, 9, 9];
        assert_eq!(parse(&nicira), Err(OfpError::BrBadSubtype));
        let stats = [4, 18, 0, 16, 0, 0, 0, 0, 0, 99, 0, 0, 0, 0, 0, 0];
        assert_eq!(parse(&stats), Err(OfpError::BrBadStat));
        assert_eq!(parse(&stats[..15]), Err(OfpError::BrBadLen));
    }

    #[test]
    fn headers_round_trip() {
        for (version, kind, form) in [
            (Version::V10, Kind::FlowStats, Form::NiciraStats),
            (Version::V13, Kind::FlowMonitor, Form::OnfStats),
            (Version::V13, Kind::FlowStats, Form::Stats),
            (Version::V10, Kind::FlowMod, Form::Nicira),
            (Version::V13, Kind::BundleAdd, Form::Onf),
            (Version::V15, Kind::BarrierReply, Form::Standard),
        ] {
            for direction in [Direction::Request, Direction::Reply] {
                let mut w = Writer::new();
                start(&mut w, Start { version, kind, form, direction, xid: 77 }).unwrap();
                finish(&mut w, 0).unwrap();
                let bytes = w.into_bytes();
                let raw = Raw::parse(&bytes).unwrap();
                assert_eq!((raw.version, raw.kind, raw.form, raw.xid), (version, kind, form, 77));
                assert!(raw.body.is_empty());
                assert!(!form.is_stats() || raw.direction == direction);
            }
        }
    }
}
