//! `monitor` and `snoop`: messages as they come, until the caller ends it.

use std::io::Write;
use std::time::SystemTime;

use openflow::codec::Codec;
use openflow::flow::{MonitorFlags, MonitorRequest};
use openflow::nicira::PacketInFormat;
use openflow::switch::SwitchConfig;
use openflow::text::{Detail, Names, message_text, message_title, parse_monitor};
use openflow::{Message, StatsRequest, Version};

use super::arg;
use super::connection::{Connection, ConnectionError, Deadline, Incoming};
use super::session::{Context, Session};
use super::target::Socket;
use crate::error::Error;

/// What `monitor` is to do, from its arguments.
#[derive(Default)]
struct Wishes {
    miss_send_len: Option<u16>,
    sees_invalid_ttl: bool,
    watches: Vec<String>,
}

impl Wishes {
    fn of(args: &[String]) -> Result<Wishes, Error> {
        let mut wishes = Wishes::default();
        for word in args.iter().skip(1) {
            if let Some(spec) = word.strip_prefix("watch:") {
                wishes.watches.push(spec.to_owned());
            } else if word == "invalid_ttl" {
                wishes.sees_invalid_ttl = true;
            } else if let Ok(len) = word.parse() {
                wishes.miss_send_len = Some(len);
            } else {
                let allowed = "allowed: MISS-LEN, invalid_ttl, watch:SPEC";
                return Err(Error::Usage(format!("{word:?} is nothing to monitor ({allowed})")));
            }
        }
        Ok(wishes)
    }
}

/// `monitor BR [MISS-LEN] [invalid_ttl] [watch:[SPEC]]...`.
///
/// # Errors
/// [`Error`].
pub(super) fn monitor(
    context: &Context,
    args: &[String],
    out: &mut dyn Write,
) -> Result<(), Error> {
    let wishes = Wishes::of(args)?;
    let mut session = context.open(arg(args, 0))?;
    let monitors = monitors(&mut session, &wishes)?;
    if let Some(miss_send_len) = wishes.miss_send_len {
        let (_, decoded) = session.ask(&Message::GetConfigRequest)?;
        if let Message::GetConfigReply(config) = decoded.message {
            let invalid_ttl_to_controller = wishes.sees_invalid_ttl;
            let config = SwitchConfig { miss_send_len, invalid_ttl_to_controller, ..config };
            session.command(&Message::SetConfig(config))?;
        }
    }
    let names = session.shown_names()?;
    // Nicira's form says more of a packet; a switch that does not know it keeps its own.
    match session.command(&Message::SetPacketInFormat(PacketInFormat::Nxt2)) {
        Ok(()) | Err(Error::Refused(_)) => {}
        Err(error) => return Err(error),
    }
    let printer = Printer { context, names };
    if !monitors.is_empty() {
        let request = Message::StatsRequest(StatsRequest::FlowMonitor(monitors));
        let (first, decoded) = session.ask(&request)?;
        printer.put(&session.connection.codec, &first, out)?;
        let mut more = decoded.more;
        while more {
            let (next, decoded) = session.await_xid(first.xid)?;
            printer.put(&session.connection.codec, &next, out)?;
            more = decoded.more;
        }
    }
    let codec = session.connection.codec;
    follow(&mut session.connection, |_| codec, &printer, out)
}

fn monitors(session: &mut Session<'_>, wishes: &Wishes) -> Result<Vec<MonitorRequest>, Error> {
    let mut requests = Vec::new();
    for (id, spec) in (1..).zip(&wishes.watches) {
        let wrong = |error| Error::Usage(format!("watch:{spec}: {error}"));
        let request = match parse_monitor(spec, Names::NONE) {
            Ok(request) => request,
            Err(error) if !session.context.takes_names() => return Err(wrong(error)),
            Err(_) => parse_monitor(spec, session.names()?).map_err(wrong)?,
        };
        let mut request = MonitorRequest { id, ..request };
        if session.version() >= Version::V14 {
            // This connection changes no flow, so how its own changes are told does not matter; and
            // Open vSwitch 3.1 refuses the flag.
            request.flags.0 &= !MonitorFlags::NO_ABBREV.0;
        }
        requests.push(request);
    }
    Ok(requests)
}

/// `snoop BR`: what the bridge and its controllers say to each other.
///
/// # Errors
/// [`Error`].
pub(super) fn snoop(context: &Context, args: &[String], out: &mut dyn Write) -> Result<(), Error> {
    let target = context.target(arg(args, 0), Socket::Snoop)?;
    let mut connection = Connection::open_silent(&target, Deadline::after(context.timeout))?;
    let printer = Printer { context, names: Names::new() };
    // Each message is of the version of the connection that it was heard on.
    let codec = |incoming: &Incoming| {
        let version = incoming.bytes.first().copied().and_then(Version::from_wire);
        Codec::new(version.unwrap_or(Version::V10))
    };
    follow(&mut connection, codec, &printer, out)
}

fn follow(
    connection: &mut Connection,
    codec: impl Fn(&Incoming) -> Codec,
    printer: &Printer<'_>,
    out: &mut dyn Write,
) -> Result<(), Error> {
    // With --timeout the watching ends then, which is no failure.
    if printer.context.timeout.is_none() {
        connection.wait_for_ever();
    }
    loop {
        let incoming = match connection.recv() {
            Ok(incoming) => incoming,
            Err(ConnectionError::Timeout { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        printer.put(&codec(&incoming), &incoming, out)?;
    }
}

struct Printer<'a> {
    context: &'a Context,
    names: Names,
}

impl Printer<'_> {
    fn put(&self, codec: &Codec, incoming: &Incoming, out: &mut dyn Write) -> Result<(), Error> {
        let options = &self.context.options;
        let detail = if options.is_more { Detail::More } else { Detail::Short };
        let text = message_text(codec, &incoming.bytes, &self.names, detail);
        let mut line = String::new();
        if self.context.is_json {
            let title = message_title(&incoming.bytes);
            let kind = title.split(' ').next().unwrap_or_default();
            let body = text.strip_prefix(title.as_str()).unwrap_or(&text).trim();
            let value = serde_json::json!({
                "type": kind,
                "version": codec.version.to_string(),
                "xid": incoming.xid,
                "time": now_s(),
                "text": body,
            });
            line.push_str(&format!("{value}\n"));
        } else {
            if options.has_timestamps {
                line.push_str(&format!("{:.3}: ", now_s()));
            }
            line.push_str(&text);
        }
        out.write_all(line.as_bytes()).and_then(|()| out.flush()).map_err(Error::Output)
    }
}

/// Seconds since 1970.
fn now_s() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
