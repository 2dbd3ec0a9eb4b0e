//! Commands to a switch, from text to its answer: one, or a hundred thousand.
//!
//! # Design
//! All of a source is read and written as messages before anything is sent, so a mistake in the last
//! line changes nothing. Then everything is sent at once, with one barrier behind it; errors come back
//! by transaction id and name the line that they are about.
//!
//! The version is the newest that both sides speak, unless a text needs another one: then the
//! conversation begins anew with those that are left.
//!
//! In a bundle, messages go in envelopes, and the switch does all of them or none.

use std::fmt::Write as _;

use openflow::bundle::{BundleAdd, BundleControl, BundleFlags, BundleStep};
use openflow::codec::TableIds;
use openflow::flow::{FlowCommand, FlowFlags, FlowMod, TABLE_ALL};
use openflow::group::{GroupCommand, GroupMod};
use openflow::text::{Names, TextError, error_text, flow_mod_text};
use openflow::version::Versions;
use openflow::{Message, OfpError, Version};

use super::connection::Incoming;
use super::session::{Context, Session};
use crate::error::Error;

/// Texts, and where they come from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Source {
    /// A file's name; `None` for an argument.
    file: Option<String>,
    /// Each with its line number.
    lines: Vec<(usize, String)>,
}

/// How a text becomes a message.
pub type Parse<'a> = &'a dyn Fn(&str, &Names) -> Result<Message, TextError>;

/// What a switch is to do, one thing after the other.
trait Orders {
    fn len(&self) -> usize;

    /// What a person calls one of them.
    fn label(&self, at: usize) -> String;

    fn message(&self, at: usize, names: &Names) -> Result<Message, TextError>;
}

struct Texts<'a>(&'a Source, Parse<'a>);

impl Orders for Texts<'_> {
    fn len(&self) -> usize {
        self.0.lines.len()
    }

    fn label(&self, at: usize) -> String {
        self.0.label(at)
    }

    fn message(&self, at: usize, names: &Names) -> Result<Message, TextError> {
        (self.1)(self.0.lines.get(at).map_or("", |(_, text)| text), names)
    }
}

/// Flows that need no reading.
struct Flows<'a>(&'a [FlowMod]);

impl Orders for Flows<'_> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn label(&self, at: usize) -> String {
        let shown = |flow| flow_mod_text(Version::V15, flow);
        self.0.get(at).map_or_else(String::new, |flow| format!("{:?}", shown(flow)))
    }

    fn message(&self, at: usize, _: &Names) -> Result<Message, TextError> {
        let flow = self.0.get(at).cloned();
        Ok(Message::FlowMod(Box::new(flow.unwrap_or_else(|| FlowMod::new(FlowCommand::Delete)))))
    }
}

impl Source {
    /// An argument of the call.
    #[must_use]
    pub fn argument(text: &str) -> Source {
        Source { file: None, lines: vec![(1, text.to_owned())] }
    }

    /// A file, or `-` for standard input: a text in each line, but in what is empty or behind `#`.
    ///
    /// # Errors
    /// [`Error::Usage`] if it cannot be read.
    pub fn file(name: &str) -> Result<Source, Error> {
        let text = if name == "-" {
            std::io::read_to_string(std::io::stdin())
        } else {
            std::fs::read_to_string(name)
        };
        let text = text.map_err(|error| Error::Usage(format!("cannot read {name}: {error}")))?;
        let lines = text.lines().enumerate().filter_map(|(at, line)| {
            let bare = line.split('#').next().unwrap_or_default().trim();
            (!bare.is_empty()).then(|| (at + 1, bare.to_owned()))
        });
        let shown = if name == "-" { "standard input" } else { name };
        Ok(Source { file: Some(shown.to_owned()), lines: lines.collect() })
    }

    /// The texts with their line numbers.
    #[must_use]
    pub fn lines(&self) -> &[(usize, String)] {
        &self.lines
    }

    /// What a person calls a text: its file and line, or itself.
    #[must_use]
    pub fn label(&self, at: usize) -> String {
        match (&self.file, self.lines.get(at)) {
            (Some(file), Some((line, _))) => format!("{file} line {line}"),
            (_, line) => format!("{:?}", line.map_or("", |(_, text)| text)),
        }
    }

    /// The error about a text that cannot be read.
    #[must_use]
    pub fn wrong(&self, at: usize, error: &TextError) -> Error {
        Error::Usage(format!("{}: {error}", self.label(at)))
    }
}

/// Messages as they are to be sent.
struct Written {
    bytes: Vec<u8>,
    /// Transaction ids, in order.
    xids: Vec<u32>,
    table_ids: TableIds,
}

/// Why a source was not written.
enum Unwritten {
    /// For good.
    Error(Error),
    /// The version cannot say it.
    Version(usize, String),
}

impl From<Error> for Unwritten {
    fn from(error: Error) -> Unwritten {
        Unwritten::Error(error)
    }
}

const BUNDLE_ID: u32 = 1;
const BUNDLE_FLAGS: BundleFlags = BundleFlags(BundleFlags::ATOMIC.0 | BundleFlags::ORDERED.0);

/// Has a switch do what a source says.
///
/// # Errors
/// [`Error::Usage`] for a text that is wrong, before anything is sent; [`Error::Refused`] names the
/// first text that the switch refused.
pub fn carry_out(
    context: &Context,
    switch: &str,
    source: &Source,
    parse: Parse<'_>,
) -> Result<(), Error> {
    order(context, switch, &Texts(source, parse))
}

/// Has a switch change flows.
///
/// # Errors
/// [`Error::Refused`] names the first flow that the switch refused.
pub fn change_flows(context: &Context, switch: &str, flows: &[FlowMod]) -> Result<(), Error> {
    order(context, switch, &Flows(flows))
}

fn order(context: &Context, switch: &str, orders: &dyn Orders) -> Result<(), Error> {
    let mut versions = context.options.versions;
    loop {
        let mut session = context.open_with(switch, versions)?;
        match write_all(&mut session, orders) {
            Ok(written) => return send(&mut session, orders, &written),
            Err(Unwritten::Error(error)) => return Err(error),
            Err(Unwritten::Version(at, reason)) => {
                let version = session.version();
                let other = |known: &Version| *known != version && versions.contains(*known);
                let rest: Versions = Version::SPOKEN.into_iter().filter(other).collect();
                let label = orders.label(at);
                if rest == Versions::default() {
                    let text = format!("{label} cannot be said in {version}: {reason}; see -O");
                    return Err(Error::Usage(text));
                }
                versions = rest;
            }
        }
    }
}

fn write_all(session: &mut Session<'_>, orders: &dyn Orders) -> Result<Written, Unwritten> {
    let mut written = Written { bytes: Vec::new(), xids: Vec::new(), table_ids: TableIds::Off };
    for at in 0..orders.len() {
        let message = read_named(session, orders, at)?;
        if needs_table_ids(session.version(), &message)
            && session.connection.codec.table_ids == TableIds::Off
        {
            session.connection.codec.table_ids = TableIds::On;
            // What was written before says no table: it is written anew.
            return write_all(session, orders);
        }
        let xid = session.connection.take_xid();
        let bytes = write(session, xid, &message).map_err(|why| Unwritten::Version(at, why))?;
        written.bytes.extend_from_slice(&bytes);
        written.xids.push(xid);
    }
    written.table_ids = session.connection.codec.table_ids;
    Ok(written)
}

fn read_named(session: &mut Session<'_>, orders: &dyn Orders, at: usize) -> Result<Message, Error> {
    let wrong = |error| Error::Usage(format!("{}: {error}", orders.label(at)));
    session.read(|names| orders.message(at, names), wrong)
}

/// Whether OpenFlow 1.0 must be asked to let a FLOW_MOD name its table.
fn needs_table_ids(version: Version, message: &Message) -> bool {
    let Message::FlowMod(flow) = message else { return false };
    let plain = if flow.command.is_delete() { TABLE_ALL } else { 0 };
    version == Version::V10 && flow.table != plain
}

/// The message's bytes, or why the version cannot say it.
fn write(session: &Session<'_>, xid: u32, message: &Message) -> Result<Vec<u8>, String> {
    let codec = &session.connection.codec;
    match message {
        Message::FlowMod(flow) => fits(codec.version, flow)?,
        Message::GroupMod(group) => group_fits(codec.version, group)?,
        _ => {}
    }
    let bytes = codec.encode(xid, message).map_err(|error| error.to_string())?;
    if !session.context.options.is_bundle {
        return Ok(bytes);
    }
    let add = BundleAdd { id: BUNDLE_ID, flags: BUNDLE_FLAGS, message: bytes };
    codec.encode(xid, &Message::BundleAdd(add)).map_err(|error| error.to_string())
}

/// What a version would leave out without a word.
fn fits(version: Version, flow: &FlowMod) -> Result<(), String> {
    let later = FlowFlags(
        FlowFlags::RESET_COUNTS.0 | FlowFlags::NO_PACKET_COUNTS.0 | FlowFlags::NO_BYTE_COUNTS.0,
    );
    if flow.importance != 0 && version < Version::V14 {
        return Err("importance needs OpenFlow14 or later".to_owned());
    }
    if flow.flags.0 & later.0 != 0 && version < Version::V13 {
        return Err(format!(
            "{} needs OpenFlow13 or later",
            FlowFlags(flow.flags.0 & later.0).to_text(" ")
        ));
    }
    Ok(())
}

/// OpenFlow 1.5 has them, and Nicira's form of 1.0.
fn group_fits(version: Version, group: &GroupMod) -> Result<(), String> {
    let between = matches!(version, Version::V13 | Version::V14);
    let what = match group.command {
        GroupCommand::InsertBucket => "insert-buckets",
        GroupCommand::RemoveBucket => "remove-buckets",
        _ if !group.group.selection.method.is_empty() => "selection_method",
        _ => return Ok(()),
    };
    if between { Err(format!("{what} needs OpenFlow15")) } else { Ok(()) }
}

fn send(session: &mut Session<'_>, orders: &dyn Orders, written: &Written) -> Result<(), Error> {
    if written.table_ids == TableIds::On {
        session.ask_quietly(&Message::FlowModTableId(TableIds::On))?;
    }
    let is_bundle = session.context.options.is_bundle;
    if is_bundle {
        control(session, BundleStep::OpenRequest)?;
    }
    session.connection.send_bytes(&written.bytes)?;
    let barrier = session.connection.send(&Message::BarrierRequest);
    let barrier = barrier.map_err(|error| session.cannot_say(&Message::BarrierRequest, error))?;
    session.connection.flush()?;
    let mut refusals = Refusals::default();
    refusals.read_until(session, written, barrier)?;
    if !is_bundle || refusals.is_any() {
        return refusals.into_error(session, orders);
    }
    control(session, BundleStep::CloseRequest)?;
    let step = commit(session, written, &mut refusals);
    // What is wrong with a message says more than that the bundle failed.
    refusals.into_error(session, orders).and(step)
}

fn control(session: &mut Session<'_>, step: BundleStep) -> Result<(), Error> {
    let control = BundleControl { id: BUNDLE_ID, step, flags: BUNDLE_FLAGS };
    session.ask(&Message::BundleControl(control)).map(drop)
}

/// The errors of what is in the bundle come before the bundle's own.
fn commit(
    session: &mut Session<'_>,
    written: &Written,
    refusals: &mut Refusals,
) -> Result<(), Error> {
    let step = BundleStep::CommitRequest;
    let control = BundleControl { id: BUNDLE_ID, step, flags: BUNDLE_FLAGS };
    let message = Message::BundleControl(control);
    let sent = session.connection.send(&message);
    let xid = sent.map_err(|error| session.cannot_say(&message, error))?;
    session.connection.flush()?;
    let (_, last) = refusals.read_until(session, written, xid)?;
    match last {
        None => Ok(()),
        Some(text) => Err(Error::Refused(format!("{} refused the bundle: {text}", session.name))),
    }
}

/// What the switch refused.
#[derive(Default)]
struct Refusals {
    first: Option<(usize, String)>,
    n: usize,
}

impl Refusals {
    const fn is_any(&self) -> bool {
        self.n > 0
    }

    /// Reads up to the answer with a transaction id; what that says if it is an error.
    fn read_until(
        &mut self,
        session: &mut Session<'_>,
        written: &Written,
        xid: u32,
    ) -> Result<(Incoming, Option<String>), Error> {
        loop {
            let incoming = session.connection.recv()?;
            let ours = written.xids.binary_search(&incoming.xid).ok();
            if incoming.xid != xid && ours.is_none() {
                continue;
            }
            let refusal = refusal(session, &incoming)?;
            if incoming.xid == xid {
                return Ok((incoming, refusal));
            }
            if let (Some(at), Some(text)) = (ours, refusal) {
                self.n += 1;
                self.first.get_or_insert((at, text));
            }
        }
    }

    fn into_error(self, session: &Session<'_>, orders: &dyn Orders) -> Result<(), Error> {
        let Some((at, text)) = self.first else { return Ok(()) };
        let mut line = format!("{} refused {}: {text}", session.name, orders.label(at));
        if self.n > 1 {
            let _ = write!(line, " (and {} more)", self.n - 1);
        }
        Err(Error::Refused(line))
    }
}

fn refusal(session: &Session<'_>, incoming: &Incoming) -> Result<Option<String>, Error> {
    match session.connection.decode(incoming)?.message {
        Message::Error(error) => Ok(Some(error_text(session.version(), &error))),
        _ => Ok(None),
    }
}

impl Session<'_> {
    /// Sends a message and a barrier; whether it was refused does not matter.
    ///
    /// # Errors
    /// [`Error`].
    pub fn ask_quietly(&mut self, message: &Message) -> Result<(), Error> {
        let sent = self.connection.send(message);
        sent.map_err(|error: OfpError| self.cannot_say(message, error))?;
        self.barrier()
    }
}
