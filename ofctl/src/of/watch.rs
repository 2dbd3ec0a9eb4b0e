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
    resumes: bool,
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
            } else if word == "resume" {
                wishes.resumes = true;
            } else if let Ok(len) = word.parse() {
                wishes.miss_send_len = Some(len);
            } else {
                let allowed = "allowed: MISS-LEN, invalid_ttl, resume, watch:SPEC";
                return Err(Error::Usage(format!("{word:?} is nothing to monitor ({allowed})")));
            }
        }
        Ok(wishes)
    }

    /// Who lets packets go on wants to see them.
    fn miss_send_len(&self) -> Option<u16> {
        self.miss_send_len.or(self.resumes.then_some(u16::MAX))
    }
}

/// `monitor BR [MISS-LEN] [invalid_ttl] [resume] [watch:[SPEC]]...`.
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
    if let Some(miss_send_len) = wishes.miss_send_len() {
        let (_, decoded) = session.ask(&Message::GetConfigRequest)?;
        if let Message::GetConfigReply(config) = decoded.message {
            let invalid_ttl_to_controller = wishes.sees_invalid_ttl;
            let config = SwitchConfig { miss_send_len, invalid_ttl_to_controller, ..config };
            session.command(&Message::SetConfig(config))?;
        }
    }
    let names = session.shown_names()?;
    choose_format(&mut session)?;
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
    let answer = if wishes.resumes { resume } else { no_answer };
    follow(&mut session.connection, (|_| codec, answer), &printer, out)
}

/// The form that is asked for, or that which says most of a packet; a switch that knows none of Nicira's
/// keeps its own.
fn choose_format(session: &mut Session<'_>) -> Result<(), Error> {
    if let Some(format) = session.context.options.packet_in_format {
        return session.command(&Message::SetPacketInFormat(format));
    }
    for format in [PacketInFormat::Nxt2, PacketInFormat::Nxt] {
        match session.command(&Message::SetPacketInFormat(format)) {
            Ok(()) => return Ok(()),
            Err(Error::Refused(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// What is sent back when a message has come.
type Answer = fn(&Codec, &Incoming) -> Option<Message>;

fn no_answer(_: &Codec, _: &Incoming) -> Option<Message> {
    None
}

/// Lets a packet go on where it was paused.
fn resume(codec: &Codec, incoming: &Incoming) -> Option<Message> {
    match codec.decode(&incoming.bytes).ok()?.message {
        Message::PacketIn2(mut packet) if packet.continuation.is_some() => {
            // It was for the controller; the switch has no use for it.
            packet.userdata.clear();
            Some(Message::Resume(packet))
        }
        _ => None,
    }
}

fn monitors(session: &mut Session<'_>, wishes: &Wishes) -> Result<Vec<MonitorRequest>, Error> {
    let mut requests = Vec::new();
    for (id, spec) in (1..).zip(&wishes.watches) {
        let wrong = |error| Error::Usage(format!("watch:{spec}: {error}"));
        let request = session.read(|names| parse_monitor(spec, names), wrong)?;
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
    follow(&mut connection, (codec, no_answer), &printer, out)
}

fn follow(
    connection: &mut Connection,
    (codec, answer): (impl Fn(&Incoming) -> Codec, Answer),
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
        let codec = codec(&incoming);
        printer.put(&codec, &incoming, out)?;
        if let Some(message) = answer(&codec, &incoming) {
            let wrong = |error| Error::Usage(format!("{}: {error}", message.kind().name()));
            let xid = connection.send(&message).map_err(wrong)?;
            let bytes = codec.encode(xid, &message).map_err(wrong)?;
            printer.put_sent(&codec, &Incoming { bytes, xid }, out)?;
            connection.flush()?;
        }
    }
}

struct Printer<'a> {
    context: &'a Context,
    names: Names,
}

impl Printer<'_> {
    fn put(&self, codec: &Codec, incoming: &Incoming, out: &mut dyn Write) -> Result<(), Error> {
        let is_timed = self.context.options.has_timestamps && !self.context.is_json;
        let prefix = if is_timed { format!("{:.3}: ", now_s()) } else { String::new() };
        self.put_behind(&prefix, (codec, incoming), out)
    }

    /// A message that was not received but sent.
    fn put_sent(&self, codec: &Codec, sent: &Incoming, out: &mut dyn Write) -> Result<(), Error> {
        let prefix = if self.context.is_json { "" } else { "send: " };
        self.put_behind(prefix, (codec, sent), out)
    }

    fn put_behind(
        &self,
        prefix: &str,
        (codec, incoming): (&Codec, &Incoming),
        out: &mut dyn Write,
    ) -> Result<(), Error> {
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
            line.push_str(prefix);
            line.push_str(&text);
        }
        out.write_all(line.as_bytes()).and_then(|()| out.flush()).map_err(Error::Output)
    }
}

/// Seconds since 1970.
fn now_s() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
