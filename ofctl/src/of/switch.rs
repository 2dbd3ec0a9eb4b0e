//! `mod-port`, `mod-table`, fragments, `probe`, `ping`.

use std::io::Write;
use std::time::Instant;

use openflow::port::{PortDesc, PortFeatures, PortMod};
use openflow::switch::{FragHandling, SwitchConfig};
use openflow::table::{TableFeatures, TableMod};
use openflow::text::{
    PORT_CHANGES, TABLE_CHANGES, TableChange, parse_port_change, parse_table_change,
};
use openflow::{Message, OfPort, StatsReply, StatsRequest, Version};

use super::session::{Context, Session};
use super::{arg, print};
use crate::error::Error;

/// Every port of a switch.
pub(super) fn ports(session: &mut Session<'_>) -> Result<Vec<PortDesc>, Error> {
    if session.version() == Version::V10 {
        let (_, decoded) = session.ask(&Message::FeaturesRequest)?;
        return match decoded.message {
            Message::FeaturesReply(features) => Ok(features.ports),
            _ => Ok(Vec::new()),
        };
    }
    let mut ports = Vec::new();
    session.stats(StatsRequest::PortDesc(OfPort::NONE), |_, _, reply| {
        if let StatsReply::PortDesc(part) = reply {
            ports.extend(part);
        }
        Ok(())
    })?;
    Ok(ports)
}

/// `mod-port BR PORT CHANGE`.
///
/// # Errors
/// [`Error`].
pub(super) fn mod_port(context: &Context, args: &[String]) -> Result<(), Error> {
    let (switch, name, word) = (arg(args, 0), arg(args, 1), arg(args, 2));
    let change = parse_port_change(word);
    let (config, mask) = change.ok_or_else(|| {
        Error::Usage(format!("{word:?} is no change of a port (allowed: {PORT_CHANGES})"))
    })?;
    let mut session = context.open(switch)?;
    let found = ports(&mut session)?.into_iter().find(|port| is_called(port, name));
    let port = found.ok_or_else(|| Error::Refused(format!("{switch} has no port {name:?}")))?;
    let advertise = PortFeatures(0);
    let change = PortMod { port: port.port, hw_addr: port.hw_addr, config, mask, advertise };
    session.command(&Message::PortMod(change))
}

/// A port by name, number or reserved word.
fn is_called(port: &PortDesc, name: &str) -> bool {
    port.name == name
        || name.parse() == Ok(port.port.0)
        || OfPort::from_name(name) == Some(port.port)
}

/// `mod-table BR TABLE CHANGE`.
///
/// # Errors
/// [`Error`].
pub(super) fn mod_table(context: &Context, args: &[String]) -> Result<(), Error> {
    let (switch, table, word) = (arg(args, 0), arg(args, 1), arg(args, 2));
    if let Some(name) = word.strip_prefix("name:") {
        return name_table(context, switch, (table, name));
    }
    let change = parse_table_change(word).ok_or_else(|| {
        Error::Usage(format!("{word:?} is no change of a table (allowed: {TABLE_CHANGES})"))
    })?;
    let mut session = context.open_from(switch, Version::V14, "mod-table")?;
    let table = table_number(&mut session, table)?;
    let mut table = TableMod { table, config: 0, eviction: None, vacancy: None };
    keep_config(&mut session, &mut table)?;
    if change == TableChange::NoVacancy {
        table.vacancy = None;
    }
    change.apply(&mut table);
    session.command(&Message::TableMod(table))
}

/// A table by number or name, or all of them.
fn table_number(session: &mut Session<'_>, text: &str) -> Result<u8, Error> {
    if matches!(text, "all" | "ALL") {
        return Ok(openflow::flow::TABLE_ALL);
    }
    if let Some(number) = text.parse().ok().filter(|number| *number < openflow::flow::TABLE_ALL) {
        return Ok(number);
    }
    // A number that is no table's is nobody's name.
    let may_be_name = session.context.takes_names() && text.parse::<u64>().is_err();
    let named = if may_be_name { session.names()?.table(text) } else { None };
    named.ok_or_else(|| {
        Error::Usage(format!("{text:?} is no table (allowed: 0 to 254, a name, all)"))
    })
}

/// Names tables.
fn name_table(context: &Context, switch: &str, (table, name): (&str, &str)) -> Result<(), Error> {
    if name.len() >= MAX_TABLE_NAME_LEN {
        let allowed = MAX_TABLE_NAME_LEN - 1;
        let text = format!("table name {name:?} is too long (allowed: {allowed} bytes)");
        return Err(Error::Usage(text));
    }
    let mut session = context.open_from(switch, Version::V13, "mod-table")?;
    let table = table_number(&mut session, table)?;
    let mut tables = Vec::new();
    session.stats(StatsRequest::TableFeatures(Vec::new()), |_, _, reply| {
        if let StatsReply::TableFeatures(told) = reply {
            tables.extend(told);
        }
        Ok(())
    })?;
    // All are said as they were told: what is left out would be taken away, which Open vSwitch refuses.
    let is_meant =
        |of: &&mut TableFeatures| table == openflow::flow::TABLE_ALL || of.table == table;
    for table in tables.iter_mut().filter(is_meant) {
        name.clone_into(&mut table.name);
    }
    session.stats(StatsRequest::TableFeatures(tables), |_, _, _| Ok(()))
}

/// OFP_MAX_TABLE_NAME_LEN, with the zero at the end.
const MAX_TABLE_NAME_LEN: usize = 32;

/// One bit is changed; the others stay as they are.
fn keep_config(session: &mut Session<'_>, table: &mut TableMod) -> Result<(), Error> {
    session.stats(StatsRequest::TableDesc, |_, _, reply| {
        if let StatsReply::TableDesc(tables) = reply {
            // All tables have the configuration of the first, as far as one message can say.
            let wanted = if table.table == openflow::flow::TABLE_ALL { 0 } else { table.table };
            if let Some(found) = tables.iter().find(|found| found.table == wanted) {
                table.config = found.config;
                table.vacancy = found.vacancy.map(|(down, up, _)| (down, up, 0));
            }
        }
        Ok(())
    })?;
    if table.config & 8 == 0 {
        table.vacancy = None;
    }
    Ok(())
}

fn config(session: &mut Session<'_>) -> Result<SwitchConfig, Error> {
    let (_, decoded) = session.ask(&Message::GetConfigRequest)?;
    match decoded.message {
        Message::GetConfigReply(config) => Ok(config),
        _ => Err(session.connection.bad(openflow::OfpError::BrBadType).into()),
    }
}

const FRAGS: [(&str, FragHandling); 4] = [
    ("normal", FragHandling::Normal),
    ("drop", FragHandling::Drop),
    ("reassemble", FragHandling::Reassemble),
    ("nx-match", FragHandling::NxMatch),
];

/// `get-frags BR`.
///
/// # Errors
/// [`Error`].
pub(super) fn get_frags(
    context: &Context,
    args: &[String],
    out: &mut dyn Write,
) -> Result<(), Error> {
    let config = config(&mut context.open(arg(args, 0))?)?;
    let name = FRAGS.iter().find(|(_, frag)| *frag == config.frag).map_or("", |(name, _)| name);
    if context.is_json {
        print(out, &format!("\"{name}\"\n"))
    } else {
        print(out, &format!("{name}\n"))
    }
}

/// `set-frags BR MODE`.
///
/// # Errors
/// [`Error`].
pub(super) fn set_frags(context: &Context, args: &[String]) -> Result<(), Error> {
    let (switch, word) = (arg(args, 0), arg(args, 1));
    let found = FRAGS.iter().find(|(name, _)| *name == word);
    let (_, frag) = found.ok_or_else(|| {
        let allowed = "allowed: normal, drop, reassemble, nx-match";
        Error::Usage(format!("{word:?} is no way to handle fragments ({allowed})"))
    })?;
    let mut session = context.open(switch)?;
    let mut wanted = config(&mut session)?;
    if wanted.frag == *frag {
        return Ok(());
    }
    wanted.frag = *frag;
    session.command(&Message::SetConfig(wanted))?;
    if config(&mut session)?.frag == *frag {
        return Ok(());
    }
    Err(Error::Refused(format!("{switch} does not handle fragments as {word}")))
}

/// `probe BR`: whether it answers.
///
/// # Errors
/// [`Error`].
pub(super) fn probe(context: &Context, args: &[String]) -> Result<(), Error> {
    context.open(arg(args, 0))?.ask(&Message::EchoRequest(Vec::new())).map(drop)
}

/// Echoes that `ping` sends.
const N_PINGS: usize = 10;

/// `ping BR [BYTES]`: how long an echo takes.
///
/// # Errors
/// [`Error`].
pub(super) fn ping(context: &Context, args: &[String], out: &mut dyn Write) -> Result<(), Error> {
    let text = args.get(1).map_or("64", String::as_str);
    let len = text.parse().ok().filter(|len| *len <= 65_527_usize);
    let len = len.ok_or_else(|| {
        Error::Usage(format!("{text:?} is no number of bytes (allowed: 0 to 65527)"))
    })?;
    let mut session = context.open(arg(args, 0))?;
    for _ in 0..N_PINGS {
        let start = Instant::now();
        let data = vec![0x5a; len];
        let (incoming, decoded) = session.ask(&Message::EchoRequest(data.clone()))?;
        let ms = start.elapsed().as_secs_f64() * 1e3;
        if decoded.message != Message::EchoReply(data) {
            return Err(Error::Refused(format!("{} sent back other bytes", session.name)));
        }
        let (name, xid) = (&session.name, incoming.xid);
        print(out, &format!("{len} bytes from {name}: xid={xid:08x} time={ms:.1} ms\n"))?;
    }
    Ok(())
}

impl Session<'_> {
    /// Sends a command, and waits until it is done or refused.
    ///
    /// # Errors
    /// [`Error::Refused`] if it is.
    pub fn command(&mut self, message: &Message) -> Result<(), Error> {
        let sent = self.connection.send(message);
        let xid = sent.map_err(|error| self.cannot_say(message, error))?;
        let barrier = self.connection.send(&Message::BarrierRequest);
        let barrier = barrier.map_err(|error| self.cannot_say(message, error))?;
        self.connection.flush()?;
        let mut refusal = None;
        loop {
            let incoming = self.connection.recv()?;
            if incoming.xid == xid {
                let decoded = self.connection.decode(&incoming)?;
                if let Message::Error(error) = decoded.message {
                    refusal = Some(openflow::text::error_text(self.version(), &error));
                }
            }
            if incoming.xid == barrier {
                break;
            }
        }
        match refusal {
            None => Ok(()),
            Some(text) => Err(Error::Refused(format!("{} refused it: {text}", self.name))),
        }
    }
}
