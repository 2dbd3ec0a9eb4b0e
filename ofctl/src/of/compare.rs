//! `diff-flows` and `replace-flows`: flows of two places beside each other.
//!
//! # Design
//! A flow is known by table, priority and match; what differs is the rest that was configured: cookie,
//! timeouts, importance, flags and actions. What it counted does not matter.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;

use openflow::flow::{FlowCommand, FlowFlags, FlowMod};
use openflow::text::{Names, Style, actions_text, match_text_in, parse_flow_named};
use openflow::{OfAction, StatsReply, StatsRequest, Version};

use super::orders::{Source, change_flows};
use super::session::{Context, Session};
use super::{arg, print};
use crate::error::Error;

/// What a flow is known by: its table, its priority (the highest first) and its match.
type Key = (u8, core::cmp::Reverse<u16>, String);

/// The rest of a flow, and the whole of it, to be sent.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Configured {
    cookie: u64,
    idle_s: u16,
    hard_s: u16,
    importance: u16,
    flags: u16,
    actions: Vec<OfAction>,
}

type Flows = BTreeMap<Key, (Configured, FlowMod)>;

const V10: Style<'static> = Style { version: Version::V10, names: Names::NONE };

fn insert(flows: &mut Flows, flow: FlowMod) {
    let key = (
        flow.table,
        core::cmp::Reverse(flow.priority),
        match_text_in(V10, &flow.matching, flow.priority),
    );
    // How counters begin is no property of a flow that is there.
    let configured = Configured {
        cookie: flow.cookie,
        idle_s: flow.idle_s,
        hard_s: flow.hard_s,
        importance: flow.importance,
        flags: flow.flags.0 & FlowFlags::SEND_FLOW_REM.0,
        actions: flow.actions.clone(),
    };
    flows.insert(key, (configured, flow));
}

/// The flows of a file, with names that a switch has given.
fn of_file(name: &str, mut named_by: Option<&mut Session<'_>>) -> Result<Flows, Error> {
    let source = Source::file(name)?;
    let mut flows = Flows::new();
    for (at, (_, text)) in source.lines().iter().enumerate() {
        let parse = |names: &Names| parse_flow_named(FlowCommand::Add, text, names);
        let wrong = |error| source.wrong(at, &error);
        let flow = match &mut named_by {
            Some(session) => session.read(parse, wrong)?,
            None => parse(Names::NONE).map_err(wrong)?,
        };
        insert(&mut flows, flow);
    }
    Ok(flows)
}

/// The flows of a switch.
fn of_switch(session: &mut Session<'_>) -> Result<Flows, Error> {
    session.prefer_nxm()?;
    let mut flows = Flows::new();
    let request = StatsRequest::Flow(Box::default());
    session.stats(request, |_, _, reply| {
        let StatsReply::Flow(found) = reply else { return Ok(()) };
        for flow in found {
            insert(
                &mut flows,
                FlowMod {
                    table: flow.table,
                    priority: flow.priority,
                    matching: flow.matching,
                    cookie: flow.cookie,
                    idle_s: flow.idle_s,
                    hard_s: flow.hard_s,
                    importance: flow.importance,
                    flags: flow.flags,
                    actions: flow.actions,
                    ..FlowMod::new(FlowCommand::Add)
                },
            );
        }
        Ok(())
    })?;
    Ok(flows)
}

/// Whether an argument is a file; else it is a switch.
fn is_file(name: &str) -> bool {
    name == "-" || std::path::Path::new(name).is_file()
}

/// The flows of a place; a file may speak of ports and tables by the names of the other place.
fn of_place(
    name: &str,
    session: Option<&mut Session<'_>>,
    other: Option<&mut Session<'_>>,
) -> Result<Flows, Error> {
    match session {
        Some(session) => of_switch(session),
        None => of_file(name, other),
    }
}

/// `diff-flows PLACE PLACE`: each is a file or a switch.
///
/// # Errors
/// [`Error::Differ`] if they are not the same.
pub(super) fn diff(context: &Context, args: &[String], out: &mut dyn Write) -> Result<(), Error> {
    let (first, second) = (arg(args, 0), arg(args, 1));
    let open = |place| if is_file(place) { Ok(None) } else { context.open(place).map(Some) };
    let (mut here, mut there) = (open(first)?, open(second)?);
    let before = of_place(first, here.as_mut(), there.as_mut())?;
    let after = of_place(second, there.as_mut(), here.as_mut())?;
    let shown = match there.as_mut().or(here.as_mut()) {
        Some(session) => session.shown_names()?,
        None => Names::new(),
    };
    let style = Style { version: Version::V15, names: &shown };
    let keys: std::collections::BTreeSet<&Key> = before.keys().chain(after.keys()).collect();
    let mut n_differ = 0;
    let mut items = Vec::new();
    for key in keys {
        let (old, new) = (before.get(key), after.get(key));
        if old.map(|(rest, _)| rest) == new.map(|(rest, _)| rest) {
            continue;
        }
        n_differ += 1;
        for (sign, flow) in [('-', old), ('+', new)] {
            let Some((_, flow)) = flow else { continue };
            let line = flow_line(style, flow);
            if context.is_json {
                items.push(serde_json::json!({ "sign": sign.to_string(), "flow": line }));
            } else {
                print(out, &format!("{sign}{line}\n"))?;
            }
        }
    }
    if context.is_json {
        print(out, &format!("{}\n", serde_json::json!({ "differences": items })))?;
    }
    if n_differ == 0 { Ok(()) } else { Err(Error::Differ) }
}

fn flow_line(style: Style<'_>, flow: &FlowMod) -> String {
    let mut text = String::new();
    if flow.table != 0 {
        let _ = write!(text, "table={} ", flow.table);
    }
    let matching = match_text_in(style, &flow.matching, flow.priority);
    text.push_str(&matching);
    if flow.cookie != 0 {
        let _ = write!(text, " cookie={:#x}", flow.cookie);
    }
    for (name, number) in [
        ("idle_timeout", flow.idle_s),
        ("hard_timeout", flow.hard_s),
        ("importance", flow.importance),
    ] {
        if number != 0 {
            let _ = write!(text, " {name}={number}");
        }
    }
    if flow.flags.contains(FlowFlags::SEND_FLOW_REM) {
        text.push_str(" send_flow_rem");
    }
    let _ = write!(text, " actions={}", actions_text(style, &flow.actions));
    text
}

/// `replace-flows BR FILE`: what the file does not say goes, what is missing comes, the rest stays.
///
/// # Errors
/// [`Error`].
pub(super) fn replace(context: &Context, args: &[String]) -> Result<(), Error> {
    let switch = arg(args, 0);
    let mut session = context.open(switch)?;
    let wanted = of_file(arg(args, 1), Some(&mut session))?;
    let present = of_switch(&mut session)?;
    let mut changes = Vec::new();
    for (key, (_, flow)) in &present {
        if !wanted.contains_key(key) {
            changes.push(FlowMod {
                command: FlowCommand::DeleteStrict,
                table: flow.table,
                priority: flow.priority,
                matching: flow.matching.clone(),
                ..FlowMod::new(FlowCommand::DeleteStrict)
            });
        }
    }
    for (key, (configured, flow)) in &wanted {
        let same = present.get(key).is_some_and(|(present, _)| present == configured);
        if !same || context.options.readds {
            changes.push(flow.clone());
        }
    }
    drop(session);
    change_flows(context, switch, &changes)
}
