//! `queue-get-config`: queues of ports, by the message that the version has for it.

use std::io::Write;

use openflow::counters::{QUEUE_ALL, QueueRequest};
use openflow::text::{Detail, Names, message_text};
use openflow::{Message, OfPort, StatsRequest, Version};

use super::dump::{Only, port, put_json, put_parts, queue};
use super::session::{Context, Session};
use super::switch::ports;
use super::{arg, json, print};
use crate::error::Error;

/// `queue-get-config BR [PORT [QUEUE]]`. Until OpenFlow 1.3 the switch is asked for all queues of a port,
/// and in 1.0 for those of one port after the other.
///
/// # Errors
/// [`Error`].
pub(super) fn config(context: &Context, args: &[String], out: &mut dyn Write) -> Result<(), Error> {
    let queue = args.get(2).map_or(Ok(QUEUE_ALL), |text| queue(text))?;
    let mut session = context.open(arg(args, 0))?;
    let port = port(&mut session, args.get(1))?;
    let names = session.shown_names()?;
    if session.version() >= Version::V14 {
        let request = StatsRequest::QueueDesc(QueueRequest { port, queue });
        return if context.is_json {
            put_json(&mut session, request, (&names, Only::All), out)
        } else {
            put_parts(&mut session, request, &names, out)
        };
    }
    let asked = match port {
        OfPort::NONE if session.version() == Version::V10 => {
            let numbered = ports(&mut session)?.into_iter().map(|desc| desc.port);
            numbered.filter(|port| *port < OfPort::MAX).collect()
        }
        port => vec![port],
    };
    let mut items = Vec::new();
    for port in asked {
        items.extend(one(&mut session, port, &names, out)?);
    }
    if !context.is_json {
        return Ok(());
    }
    items.retain(|item| queue == QUEUE_ALL || item["queue"] == queue);
    print(out, &format!("{}\n", serde_json::json!({ "queues": items })))
}

/// Asks about a port, or [`OfPort::NONE`], and prints what comes back; or gives it as JSON.
fn one(
    session: &mut Session<'_>,
    port: OfPort,
    names: &Names,
    out: &mut dyn Write,
) -> Result<Vec<serde_json::Value>, Error> {
    let (incoming, decoded) = session.ask(&Message::QueueConfigRequest(port))?;
    if !session.context.is_json {
        let codec = &session.connection.codec;
        print(out, &message_text(codec, &incoming.bytes, names, Detail::Short))?;
        return Ok(Vec::new());
    }
    let Message::QueueConfigReply(config) = decoded.message else {
        return Err(session.connection.bad(openflow::OfpError::BrBadType).into());
    };
    let style = session.style(names);
    Ok(config.queues.iter().map(|desc| json::queue_desc(style, desc)).collect())
}
