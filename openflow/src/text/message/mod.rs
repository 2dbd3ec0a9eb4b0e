//! Whole messages, as `ovs-ofctl` prints what it receives: a title, and what is in it.
//!
//! # Design
//! A title names the message as its specification does, with version and transaction id:
//! `OFPST_FLOW reply (OF1.3) (xid=0x2):`. What follows is written by the module of its topic; this one
//! only chooses.
//!
//! # Invariants
//! Every message can be written, also one that cannot be read: then its error stands in its place.
//!
//! # References
//! ovs-ofctl(8), `monitor`, `snoop`, `ofp-print`.

mod connection;
mod stats;

use core::fmt::Write;

use super::flow::{flow_mod_text, flow_removed_text};
use super::names::{Names, Style};
use super::{group_mod_text, meter_mod_text, packet_in, port};
use crate::codec::{Codec, Decoded};
use crate::error::{ErrorCodes, ErrorMessage, OfpError};
use crate::kind::Form;
use crate::message::{Message, StatsReply};
use crate::raw::{Direction, Header, Raw};
use crate::version::Version;

/// How deep messages may stand in messages.
const MAX_NESTING: usize = 4;

/// Writes the title of a message, without a line end.
#[must_use]
pub fn message_title(bytes: &[u8]) -> String {
    match Raw::parse(bytes) {
        Ok(raw) => title(&raw, raw.xid),
        Err(_) => {
            let header = Header::parse(bytes).ok().flatten();
            let (number, xid) = header.map_or((0, 0), |header| (header.message_type, header.xid));
            format!("OFPT_{number} (xid={xid:#x}):")
        }
    }
}

fn title(raw: &Raw<'_>, xid: u32) -> String {
    let prefix = match raw.form {
        Form::Standard => "OFPT",
        Form::Stats => "OFPST",
        Form::Nicira => "NXT",
        Form::NiciraStats => "NXST",
        Form::Onf => "ONFT",
        Form::OnfStats => "ONFST",
    };
    let mut text = format!("{prefix}_{}", raw.kind.name());
    if raw.form.is_stats() {
        text.push_str(if raw.direction == Direction::Reply { " reply" } else { " request" });
    }
    if raw.version != Version::V10 {
        let _ = write!(text, " ({})", raw.version.short());
    }
    let _ = write!(text, " (xid={xid:#x}):");
    if raw.more {
        text.push_str(" flags=[more]");
    }
    text
}

/// How much of a message is written.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Detail {
    /// What people want to know.
    #[default]
    Short,
    /// Packets byte by byte too.
    More,
}

/// Writes a message, with a line end.
#[must_use]
pub fn message_text(codec: &Codec, bytes: &[u8], names: &Names, detail: Detail) -> String {
    let printer = Printer { codec: *codec, names, detail, depth: 0 };
    printer.whole(bytes)
}

/// Writes statistics as they stand behind their title.
#[must_use]
pub fn stats_text<'a>(style: impl Into<Style<'a>>, reply: &StatsReply) -> String {
    let mut text = String::new();
    stats::put_reply(&mut text, style.into(), reply);
    text
}

/// What is the same for a message and those in it.
#[derive(Clone, Copy)]
struct Printer<'a> {
    codec: Codec,
    names: &'a Names,
    detail: Detail,
    depth: usize,
}

impl Printer<'_> {
    fn whole(self, bytes: &[u8]) -> String {
        let mut text = message_title(bytes);
        match self.codec.decode(bytes) {
            Ok(decoded) => self.body(&mut text, &decoded),
            Err(error) => {
                let _ = write!(text, " ***decode error: {error}***");
            }
        }
        if !text.ends_with('\n') {
            text.push('\n');
        }
        text
    }

    fn style(&self) -> Style<'_> {
        Style { version: self.codec.version, names: self.names }
    }

    fn body(&self, text: &mut String, decoded: &Decoded) {
        let style = self.style();
        match &decoded.message {
            Message::Error(error) => self.error(text, error),
            Message::PacketIn(packet) => packet_in::put(text, style, packet, self.detail),
            Message::PacketInNxt(packet) | Message::PacketIn2(packet) | Message::Resume(packet) => {
                packet_in::put2(text, style, packet, self.detail);
            }
            Message::PacketOut(packet) => packet_in::put_out(text, style, packet, self.detail),
            Message::FlowMod(flow) => {
                let _ = write!(text, " {}", flow_mod_text(style, flow));
            }
            Message::FlowRemoved(removed) => {
                let _ = write!(text, " {}", flow_removed_text(style, removed));
            }
            Message::GroupMod(group) => {
                let _ = write!(text, "\n {}", group_mod_text(style, group));
            }
            Message::MeterMod(meter) => {
                let _ = write!(text, " {}", meter_mod_text(meter));
            }
            Message::PortStatus(status) => text.push_str(&port::port_status_text(status)),
            Message::PortMod(change) => text.push_str(&port::port_mod_text(style, change)),
            Message::BundleAdd(add) => {
                let _ = write!(text, "\n bundle_id={:#x} flags=", add.id);
                let _ = writeln!(text, "{}", add.flags.to_text(" "));
                self.inner(text, &add.message);
            }
            Message::StatsRequest(request) => stats::put_request(text, style, request),
            Message::StatsReply(reply) => stats::put_reply(text, style, reply),
            message => connection::put(text, style, message),
        }
    }

    /// A message in a message, which may be cut short.
    fn inner(&self, text: &mut String, bytes: &[u8]) {
        if self.depth >= MAX_NESTING {
            return;
        }
        let inner = Printer { depth: self.depth + 1, ..*self };
        text.push_str(&inner.whole(bytes));
    }

    fn error(&self, text: &mut String, error: &ErrorMessage) {
        let known = error.error(self.codec.version);
        let _ = write!(text, " {}", error_text(self.codec.version, error));
        text.push('\n');
        if matches!(known, Some(OfpError::HfIncompatible | OfpError::HfEperm)) {
            let _ = writeln!(text, "{}", String::from_utf8_lossy(&error.data).escape_debug());
            return;
        }
        let header = Header::parse(&error.data).ok().flatten();
        match header {
            Some(header) if usize::from(header.len) == error.data.len() => {
                self.inner(text, &error.data);
            }
            Some(header) => {
                let len = error.data.len();
                let _ = write!(text, "{}", message_title_cut(&error.data));
                let _ = writeln!(text, " ***truncated to {len} bytes from {}***", header.len);
                put_hex_dump(text, &error.data);
            }
            None => put_hex_dump(text, &error.data),
        }
    }
}

/// The title of a message that is cut short.
fn message_title_cut(bytes: &[u8]) -> String {
    let mut whole = bytes.to_vec();
    if let Ok(len) = u16::try_from(whole.len())
        && let Some(field) = whole.get_mut(2..4)
    {
        field.copy_from_slice(&len.to_be_bytes());
    }
    message_title(&whole)
}

/// The name of an error, or its numbers if it has none.
#[must_use]
pub fn error_text(version: Version, error: &ErrorMessage) -> String {
    match error.error(version) {
        Some(known) => known.name().to_owned(),
        None => {
            let ErrorCodes { vendor, error_type, code } = error.codes;
            if vendor == 0 {
                format!("type {error_type}, code {code}")
            } else {
                format!("vendor {vendor:#x}, type {error_type}, code {code}")
            }
        }
    }
}

/// Bytes, sixteen in a line, and what they are as text.
pub(super) fn put_hex_dump(text: &mut String, bytes: &[u8]) {
    for (at, line) in bytes.chunks(16).enumerate() {
        let _ = write!(text, "{:08x} ", at * 16);
        for column in 0..16 {
            let gap = if column == 8 { '-' } else { ' ' };
            let _ = match line.get(column) {
                Some(byte) => write!(text, "{gap}{byte:02x}"),
                None => write!(text, "   "),
            };
        }
        text.push_str(" |");
        for column in 0..16 {
            text.push(match line.get(column) {
                Some(byte @ 0x20..=0x7e) => char::from(*byte),
                Some(_) => '.',
                None => ' ',
            });
        }
        text.push_str("|\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{FlowCommand, FlowMod};

    #[test]
    fn an_error_shows_what_it_is_about() {
        let codec = Codec::new(Version::V13);
        let flow = Message::FlowMod(Box::new(FlowMod::new(FlowCommand::Add)));
        let request = codec.encode(7, &flow).unwrap();
        let error = codec.encode_error(OfpError::FmfTableFull, &request);
        let text = message_text(&codec, &error, Names::NONE, Detail::Short);
        assert_eq!(
            text,
            "OFPT_ERROR (OF1.3) (xid=0x7): OFPFMFC_TABLE_FULL\n\
             OFPT_FLOW_MOD (OF1.3) (xid=0x7): ADD actions=drop\n"
        );
        let text = message_text(&codec, &error[..error.len() - 4], Names::NONE, Detail::Short);
        assert!(text.contains("decode error"), "{text}");
    }

    #[test]
    fn bytes_are_shown_sixteen_in_a_line() {
        let mut text = String::new();
        put_hex_dump(&mut text, b"0123456789abcdefg");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[0],
            "00000000  30 31 32 33 34 35 36 37-38 39 61 62 63 64 65 66 |0123456789abcdef|"
        );
        assert!(lines[1].starts_with("00000010  67 ") && lines[1].ends_with("|g               |"));
    }
}
