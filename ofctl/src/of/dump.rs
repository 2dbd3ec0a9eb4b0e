//! `dump-flows` and the other dumps: a request, and each part of the answer as it comes.
//!
//! # Design
//! A part is written as soon as it is there, so a hundred thousand flows need no more memory than one
//! message; only sorting keeps them all.

use std::io::Write;

use openflow::counters::{QUEUE_ALL, QueueRequest};
use openflow::flow::{FlowStats, FlowStatsRequest};
use openflow::group::GROUP_ALL;
use openflow::meter::MeterId;
use openflow::text::{
    FlowDetail, Names, TextError, message_title, parse_flow_request, parse_meter_id,
    put_flow_stats, stats_text,
};
use openflow::{OfPort, StatsReply, StatsRequest, Version};

use super::session::{Context, Session};
use super::{Dump, arg, json, print, sort};
use crate::error::Error;

/// Reads an argument.
fn read<T>(
    session: &mut Session<'_>,
    text: &str,
    parse: impl Fn(&str, &Names) -> Result<T, TextError>,
) -> Result<T, Error> {
    let wrong = |error: TextError| Error::Usage(format!("{text:?}: {error}"));
    session.read(|names| parse(text, names), wrong)
}

/// `dump-flows BR [MATCH]`.
///
/// # Errors
/// [`Error`].
pub(super) fn flows(context: &Context, args: &[String], out: &mut dyn Write) -> Result<(), Error> {
    let mut session = context.open(arg(args, 0))?;
    let request = read(&mut session, arg(args, 1), parse_flow_request)?;
    session.prefer_nxm()?;
    let names = session.shown_names()?;
    let options = &context.options;
    let is_bare = !options.sort.is_empty() || context.shows_names() || options.hides_stats;
    if !is_bare && !context.is_json {
        return put_parts(&mut session, StatsRequest::Flow(Box::new(request)), &names, out);
    }
    let detail = if options.hides_stats { FlowDetail::Configured } else { FlowDetail::Counted };
    let style = session.style(&names);
    if context.is_json {
        let mut list = List::start("flows", out)?;
        each_flow(&mut session, request, |flow| list.put(&json::flow(style, flow)))?;
        return list.end();
    }
    let mut text = String::new();
    each_flow(&mut session, request, |flow| {
        text.clear();
        // Without a title, ages are left out, as ovs-ofctl does.
        let ages = if style.version == Version::V15 { flow.idle_age_s } else { None };
        let flow = FlowStats { idle_age_s: ages, hard_age_s: None, ..flow.clone() };
        put_flow_stats(&mut text, style, &flow, detail);
        text.push('\n');
        print(out, &text)
    })
}

/// Hands out flows, in the order that is asked for.
fn each_flow(
    session: &mut Session<'_>,
    request: FlowStatsRequest,
    mut each: impl FnMut(&FlowStats) -> Result<(), Error>,
) -> Result<(), Error> {
    let keys = &session.context.options.sort;
    let mut kept = Vec::new();
    session.stats(StatsRequest::Flow(Box::new(request)), |_, _, reply| {
        let StatsReply::Flow(flows) = reply else { return Ok(()) };
        if keys.is_empty() {
            return flows.iter().try_for_each(&mut each);
        }
        kept.extend(flows);
        Ok(())
    })?;
    sort::sort(&mut kept, keys);
    kept.iter().try_for_each(each)
}

/// A JSON object with one list, written as it comes.
struct List<'a> {
    out: &'a mut dyn Write,
    is_empty: bool,
}

impl<'a> List<'a> {
    fn start(name: &str, out: &'a mut dyn Write) -> Result<List<'a>, Error> {
        print(out, &format!("{{\"{name}\": ["))?;
        Ok(List { out, is_empty: true })
    }

    fn put(&mut self, item: &serde_json::Value) -> Result<(), Error> {
        let comma = if self.is_empty { "" } else { ", " };
        self.is_empty = false;
        print(self.out, comma)?;
        print(self.out, &item.to_string())
    }

    fn end(self) -> Result<(), Error> {
        print(self.out, "]}\n")
    }
}

/// A dump by one request.
///
/// # Errors
/// [`Error`].
pub(super) fn stats(
    context: &Context,
    dump: Dump,
    args: &[String],
    out: &mut dyn Write,
) -> Result<(), Error> {
    let (first, what) = since(dump);
    let mut session = context.open_from(arg(args, 0), first, what)?;
    if dump == Dump::Aggregate {
        session.prefer_nxm()?;
    }
    let (request, only) = request(&mut session, dump, args)?;
    // What tables say of themselves has their numbers, and their names beside these.
    let names = match dump {
        Dump::Tables | Dump::TableFeatures => Names::new(),
        _ => session.shown_names()?,
    };
    if context.is_json {
        return put_json(&mut session, request, (&names, only), out);
    }
    if dump == Dump::TableFeatures || only != Only::All {
        return put_whole(&mut session, request, (&names, only), out);
    }
    put_parts(&mut session, request, &names, out)
}

/// The first version that has it, and the command's name.
const fn since(dump: Dump) -> (Version, &'static str) {
    match dump {
        Dump::Meters => (Version::V13, "dump-meters"),
        Dump::MeterStats => (Version::V13, "meter-stats"),
        Dump::MeterFeatures => (Version::V13, "meter-features"),
        Dump::TableFeatures => (Version::V13, "dump-table-features"),
        Dump::TableDesc => (Version::V14, "dump-table-desc"),
        _ => (Version::V10, ""),
    }
}

/// What of an answer is wanted, where the request cannot say it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Only {
    All,
    Port(OfPort),
    Group(u32),
}

fn request(
    session: &mut Session<'_>,
    dump: Dump,
    args: &[String],
) -> Result<(StatsRequest, Only), Error> {
    let before_15 = session.version() < Version::V15;
    let request = match dump {
        Dump::Aggregate => {
            let request = read(session, arg(args, 1), parse_flow_request)?;
            StatsRequest::Aggregate(Box::new(request))
        }
        Dump::Desc => StatsRequest::Desc,
        Dump::Groups => {
            let group = group(arg(args, 1))?;
            let has_one = matches!(session.version(), Version::V10 | Version::V15);
            let only = !has_one && group != GROUP_ALL;
            let only = if only { Only::Group(group) } else { Only::All };
            return Ok((StatsRequest::GroupDesc(group), only));
        }
        Dump::GroupStats => StatsRequest::Group(group(arg(args, 1))?),
        Dump::GroupFeatures => StatsRequest::GroupFeatures,
        Dump::Meters => StatsRequest::MeterConfig(meter(arg(args, 1))?),
        Dump::MeterStats => StatsRequest::Meter(meter(arg(args, 1))?),
        Dump::MeterFeatures => StatsRequest::MeterFeatures,
        Dump::Ports => StatsRequest::Port(port(session, args.get(1))?),
        Dump::PortsDesc => {
            let port = port(session, args.get(1))?;
            let only = before_15 && port != OfPort::NONE;
            return Ok((
                StatsRequest::PortDesc(port),
                if only { Only::Port(port) } else { Only::All },
            ));
        }
        Dump::Queues => {
            let port = port(session, args.get(1))?;
            let queue = args.get(2).map_or(Ok(QUEUE_ALL), |text| queue(text))?;
            StatsRequest::Queue(QueueRequest { port, queue })
        }
        Dump::Tables => StatsRequest::Table,
        Dump::TableFeatures => StatsRequest::TableFeatures(Vec::new()),
        Dump::TableDesc => StatsRequest::TableDesc,
    };
    Ok((request, Only::All))
}

/// A port by name, number or reserved word; none, `any` or `all` is every one.
pub(super) fn port(session: &mut Session<'_>, text: Option<&String>) -> Result<OfPort, Error> {
    let Some(text) = text else { return Ok(OfPort::NONE) };
    if let Ok(number) = text.parse() {
        return Ok(OfPort(number));
    }
    match OfPort::from_name(text) {
        Some(OfPort::ALL) => return Ok(OfPort::NONE),
        Some(port) => return Ok(port),
        None => {}
    }
    let named = if session.context.takes_names() { session.port_names()?.port(text) } else { None };
    named.ok_or_else(|| Error::Refused(format!("{} has no port {text:?}", session.name)))
}

pub(super) fn queue(text: &str) -> Result<u32, Error> {
    match text {
        "all" | "ALL" | "any" | "ANY" => Ok(QUEUE_ALL),
        _ => text.parse().map_err(|_| {
            Error::Usage(format!("{text:?} is no queue (allowed: a number of 32 bits, all)"))
        }),
    }
}

/// `7` or `group_id=7`; nothing, `any` or `all` is every one.
fn group(text: &str) -> Result<u32, Error> {
    match text.strip_prefix("group_id=").unwrap_or(text) {
        "" | "all" | "ALL" | "any" | "ANY" => Ok(GROUP_ALL),
        number => number.parse().map_err(|_| {
            Error::Usage(format!("{text:?} is no group (allowed: group_id=N, N, all)"))
        }),
    }
}

/// `7` or `meter=7`; nothing or `all` is every one.
fn meter(text: &str) -> Result<MeterId, Error> {
    match text.parse() {
        Ok(number) => Ok(MeterId(number)),
        Err(_) => parse_meter_id(text).map_err(|error| Error::Usage(format!("{text:?}: {error}"))),
    }
}

/// Each part as it comes, with its title.
pub(super) fn put_parts(
    session: &mut Session<'_>,
    request: StatsRequest,
    names: &Names,
    out: &mut dyn Write,
) -> Result<(), Error> {
    session.stats(request, |session, incoming, reply| {
        let mut text = message_title(&incoming.bytes);
        text.push_str(&stats_text(session.style(names), &reply));
        text.push('\n');
        let text = text.strip_suffix("\n\n").map_or(text.as_str(), |_| &text[..text.len() - 1]);
        print(out, text)
    })
}

/// All parts together: what is written of one depends on the one before, or is chosen here.
fn put_whole(
    session: &mut Session<'_>,
    request: StatsRequest,
    (names, only): (&Names, Only),
    out: &mut dyn Write,
) -> Result<(), Error> {
    let mut whole: Option<(String, StatsReply)> = None;
    session.stats(request, |_, incoming, reply| {
        match &mut whole {
            None => whole = Some((message_title(&incoming.bytes), keep(reply, only))),
            Some((_, all)) => append(all, keep(reply, only)),
        }
        Ok(())
    })?;
    let Some((title, reply)) = whole else { return Ok(()) };
    let body = stats_text(session.style(names), &reply);
    match reply {
        // Its title is left out, as ovs-ofctl does.
        StatsReply::TableFeatures(_) => print(out, &format!("{}\n", body.trim_start_matches('\n'))),
        _ => print(out, &format!("{title}{}\n", body.trim_end_matches('\n'))),
    }
}

fn keep(reply: StatsReply, only: Only) -> StatsReply {
    match (reply, only) {
        (StatsReply::GroupDesc(mut groups), Only::Group(id)) => {
            groups.retain(|group| group.id == id);
            StatsReply::GroupDesc(groups)
        }
        (StatsReply::PortDesc(mut ports), Only::Port(port)) => {
            ports.retain(|desc| desc.port == port);
            StatsReply::PortDesc(ports)
        }
        (reply, _) => reply,
    }
}

fn append(all: &mut StatsReply, part: StatsReply) {
    match (all, part) {
        (StatsReply::TableFeatures(all), StatsReply::TableFeatures(part)) => all.extend(part),
        (StatsReply::GroupDesc(all), StatsReply::GroupDesc(part)) => all.extend(part),
        (StatsReply::PortDesc(all), StatsReply::PortDesc(part)) => all.extend(part),
        _ => {}
    }
}

pub(super) fn put_json(
    session: &mut Session<'_>,
    request: StatsRequest,
    (names, only): (&Names, Only),
    out: &mut dyn Write,
) -> Result<(), Error> {
    let mut items = Vec::new();
    let mut list = None;
    session.stats(request, |session, _, reply| {
        let reply = keep(reply, only);
        list = json::list_name(&reply);
        items.extend(json::items(session.style(names), &reply));
        Ok(())
    })?;
    let value = match list {
        Some(name) => serde_json::json!({ name: items }),
        None => items.pop().unwrap_or_default(),
    };
    print(out, &format!("{value}\n"))
}
