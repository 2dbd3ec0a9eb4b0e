//! Messages, whole: bytes to a [`Message`] and back.
//!
//! # Design
//! A [`Codec`] is what a connection has agreed on: the version, and in OpenFlow 1.0 what the peer asked
//! for beyond it. It is a small value; a connection replaces it when such a message arrives.
//!
//! # References
//! `nicira-ext.h` (NXT_SET_FLOW_FORMAT, NXT_FLOW_MOD_TABLE_ID); OpenFlow 1.3.5 §7.3.5 (multipart).

use crate::error::{ErrorMessage, OfpError};
use crate::hello::Hello;
use crate::kind::Kind;
use crate::message::{Message, StatsReply, StatsRequest};
use crate::raw::{self, Direction, Raw, Start};
use crate::table::TableFeatures;
use crate::version::Version;
use crate::wire::{Reader, Writer};

/// How flows are said in OpenFlow 1.0.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum FlowFormat {
    /// In the format of OpenFlow 1.0 if it can say them, else in Nicira's.
    #[default]
    OpenFlow10,
    /// In Nicira's.
    Nxm,
}

/// Whether a FLOW_MOD of OpenFlow 1.0 names its table.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum TableIds {
    /// The switch chooses.
    #[default]
    Off,
    /// It does (NXT_FLOW_MOD_TABLE_ID).
    On,
}

/// What a connection speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Codec {
    /// The version.
    pub version: Version,
    /// In OpenFlow 1.0.
    pub flow_format: FlowFormat,
    /// In OpenFlow 1.0 and in Nicira's form.
    pub table_ids: TableIds,
}

/// A message that was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decoded {
    /// Transaction id.
    pub xid: u32,
    /// What it says.
    pub message: Message,
    /// More parts of it follow.
    pub more: bool,
}

impl Codec {
    /// A version, with nothing beyond it agreed on.
    #[must_use]
    pub const fn new(version: Version) -> Codec {
        Codec { version, flow_format: FlowFormat::OpenFlow10, table_ids: TableIds::Off }
    }

    /// Reads a whole message. A HELLO may be of any version, other messages must be of the codec's.
    ///
    /// # Errors
    /// What is to be sent back, together with the message: see [`ErrorMessage::new`].
    pub fn decode(&self, message: &[u8]) -> Result<Decoded, OfpError> {
        let raw = Raw::parse(message)?;
        let xid = raw.xid;
        let more = raw.more;
        if raw.kind == Kind::Hello {
            let version = message.first().copied().unwrap_or(0);
            let hello = Hello::decode(version, &mut raw.reader());
            return Ok(Decoded { xid, message: Message::Hello(hello), more });
        }
        if raw.version != self.version {
            return Err(OfpError::BrBadVersion);
        }
        let mut r = raw.reader();
        let message = self.decode_body(&raw, &mut r)?;
        if r.is_empty() { Ok(Decoded { xid, message, more }) } else { Err(OfpError::BrBadLen) }
    }

    fn decode_body(&self, raw: &Raw<'_>, r: &mut Reader<'_>) -> Result<Message, OfpError> {
        match (raw.form.is_stats(), raw.direction) {
            (true, Direction::Request) => {
                Ok(Message::StatsRequest(StatsRequest::decode(self, raw, r)?))
            }
            (true, Direction::Reply) => Ok(Message::StatsReply(StatsReply::decode(self, raw, r)?)),
            (false, _) => Message::decode(self, raw, r),
        }
    }

    /// Writes a message: one, or several with [`Decoded::more`] if it is a list that does not fit one: a
    /// reply to a request for statistics, or a request that says what tables shall be.
    ///
    /// # Errors
    /// What the version cannot say, or a message that is too long.
    pub fn encode(&self, xid: u32, message: &Message) -> Result<Vec<u8>, OfpError> {
        match message {
            Message::StatsReply(reply) => return self.encode_reply(xid, reply),
            Message::StatsRequest(StatsRequest::TableFeatures(tables)) => {
                return self.encode_tables(xid, tables);
            }
            _ => {}
        }
        let mut w = Writer::new();
        let (kind, form) = message.kind_and_form(self)?;
        let version = match message {
            Message::Hello(hello) => hello.header_version(),
            _ => self.version,
        };
        let direction = Direction::Request;
        raw::start(&mut w, Start { version, kind, form, direction, xid })?;
        message.encode(self, form, &mut w)?;
        raw::finish(&mut w, 0)?;
        Ok(w.into_bytes())
    }

    /// Writes an error about a message, in its version if that is known.
    #[must_use]
    pub fn encode_error(&self, error: OfpError, offender: &[u8]) -> Vec<u8> {
        let header = raw::Header::parse(offender).ok().flatten();
        let message = Message::Error(ErrorMessage::new(error, self.version, offender));
        self.encode(header.map_or(0, |header| header.xid), &message).unwrap_or_default()
    }

    fn encode_reply(&self, xid: u32, reply: &StatsReply) -> Result<Vec<u8>, OfpError> {
        let (version, kind, direction) = (self.version, reply.kind(), Direction::Reply);
        let form = reply.form(self).or(kind.form(version)).ok_or(OfpError::BrBadStat)?;
        let head = Start { version, kind, form, direction, xid };
        encode_parts(head, reply.n_entries(), |at, w| reply.encode_entry(self, form, at, w))
    }

    fn encode_tables(&self, xid: u32, tables: &[TableFeatures]) -> Result<Vec<u8>, OfpError> {
        let (version, kind, direction) = (self.version, Kind::TableFeatures, Direction::Request);
        let form = kind.form(version).ok_or(OfpError::BrBadType)?;
        let head = Start { version, kind, form, direction, xid };
        encode_parts(head, tables.len(), |at, w| {
            tables[at].encode(version, w);
            Ok(())
        })
    }
}

/// Writes a list in as many messages as it takes.
fn encode_parts(
    head: Start,
    n_entries: usize,
    encode_entry: impl Fn(usize, &mut Writer) -> Result<(), OfpError>,
) -> Result<Vec<u8>, OfpError> {
    let mut w = Writer::new();
    let mut start = 0;
    raw::start(&mut w, head)?;
    let mut body = w.len();
    for at in 0..n_entries {
        let before = w.len();
        encode_entry(at, &mut w)?;
        if w.len() - start <= raw::MAX_MESSAGE_LEN {
            continue;
        }
        // The entry goes into a part of its own; alone in one, it is too long.
        if before == body {
            return Err(OfpError::BrBadLen);
        }
        let entry = w.as_bytes()[before..].to_vec();
        w.truncate(before);
        raw::finish(&mut w, start)?;
        raw::mark_more(&mut w, start);
        start = w.len();
        raw::start(&mut w, head)?;
        body = w.len();
        w.bytes(&entry);
    }
    raw::finish(&mut w, start)?;
    Ok(w.into_bytes())
}
