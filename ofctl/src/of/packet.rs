//! `packet-out`: packets that the switch handles as if they had come by a port.

use openflow::Message;
use openflow::text::{Names, parse_packet_bytes, parse_packet_out, parse_packet_out_parts};

use super::arg;
use super::orders::{Source, carry_out};
use super::session::Context;
use crate::error::Error;

/// `packet-out BR "in_port=… packet=… actions=…"`, or `packet-out BR IN_PORT ACTIONS PACKET...`.
///
/// # Errors
/// [`Error`].
pub(super) fn out(context: &Context, args: &[String]) -> Result<(), Error> {
    let source = Source::argument(arg(args, 1));
    match args {
        [_, _] => carry_out(context, arg(args, 0), &source, &|text, names| {
            parse_packet_out(text, names).map(|out| Message::PacketOut(Box::new(out)))
        }),
        [_, in_port, actions, packets @ ..] if !packets.is_empty() => {
            // All are read before the first is sent.
            let mut read = Vec::new();
            for packet in packets {
                let bytes = parse_packet_bytes(packet);
                read.push(bytes.map_err(|error| Error::Usage(format!("{packet:?}: {error}")))?);
            }
            for packet in read {
                carry_out(context, arg(args, 0), &source, &|_, names: &Names| {
                    let out = parse_packet_out_parts(in_port, actions, packet.clone(), names)?;
                    Ok(Message::PacketOut(Box::new(out)))
                })?;
            }
            Ok(())
        }
        _ => Err(Error::Usage("packet-out takes IN_PORT, ACTIONS and PACKET...".to_owned())),
    }
}
