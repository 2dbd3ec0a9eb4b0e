//! Which options of tunnel headers are fields: `add-tlv-map`, `del-tlv-map`, `dump-tlv-map`.
//!
//! # References
//! ovs-ofctl(8), OpenFlow Switch Tunnel TLV Table Commands.

use std::io::Write;

use openflow::Message;
use openflow::nicira::{TlvCommand, TlvTable, TlvTableMod};
use openflow::text::{Detail, Names, message_text, parse_tlv_maps};
use serde_json::json;

use super::session::Context;
use super::{arg, print};
use crate::error::Error;

/// `add-tlv-map BR MAPS`, `del-tlv-map BR [MAPS]`; without maps it deletes all.
///
/// # Errors
/// [`Error`].
pub(super) fn change(context: &Context, command: TlvCommand, args: &[String]) -> Result<(), Error> {
    let change = match args.get(1) {
        None => TlvTableMod { command: TlvCommand::Clear, maps: Vec::new() },
        Some(text) => {
            let maps = parse_tlv_maps(text);
            let maps = maps.map_err(|error| Error::Usage(format!("{text:?}: {error}")))?;
            TlvTableMod { command, maps }
        }
    };
    context.open(arg(args, 0))?.command(&Message::TlvTableMod(change))
}

/// `dump-tlv-map BR`.
///
/// # Errors
/// [`Error`].
pub(super) fn dump(context: &Context, args: &[String], out: &mut dyn Write) -> Result<(), Error> {
    let mut session = context.open(arg(args, 0))?;
    let (incoming, decoded) = session.ask(&Message::TlvTableRequest)?;
    match &decoded.message {
        Message::TlvTableReply(table) if context.is_json => {
            print(out, &format!("{:#}\n", in_json(table)))
        }
        Message::TlvTableReply(_) => {
            let codec = session.connection.codec;
            print(out, &message_text(&codec, &incoming.bytes, Names::NONE, Detail::Short))
        }
        _ => Err(session.connection.bad(openflow::OfpError::BrBadType).into()),
    }
}

fn in_json(table: &TlvTable) -> serde_json::Value {
    let maps: Vec<serde_json::Value> = table
        .maps
        .iter()
        .map(|map| {
            let field = format!("tun_metadata{}", map.index);
            json!({ "class": map.class, "type": map.kind, "length": map.len, "field": field })
        })
        .collect();
    json!({ "max_option_space": table.max_space, "max_fields": table.max_fields, "maps": maps })
}
