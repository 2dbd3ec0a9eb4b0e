//! Flows: what `add-flow` takes and `dump-flows` prints.

use core::fmt::Write;
use core::time::Duration;

use super::names::{Names, Style};
use super::scan::{Item, Piece};
use super::{TextError, action, actions_text, matching, value};
use crate::flow::{
    CookieMatch, FlowCommand, FlowFlags, FlowMod, FlowRemoved, FlowStats, FlowStatsRequest,
};
use crate::flow::{GROUP_ANY, NO_BUFFER, TABLE_ALL};
use crate::port::OfPort;
use crate::version::Version;

/// Reads a flow as `ovs-ofctl add-flow`, `mod-flows` and `del-flows` take it.
///
/// # Errors
/// Where it cannot be read, and what was expected.
pub fn parse_flow(command: FlowCommand, text: &str) -> Result<FlowMod, TextError> {
    parse(command, Piece::whole(text))
}

/// Like [`parse_flow`], with names for ports and tables.
///
/// # Errors
/// As there.
pub fn parse_flow_named(
    command: FlowCommand,
    text: &str,
    names: &Names,
) -> Result<FlowMod, TextError> {
    parse(command, Piece::named(text, names))
}

pub(super) fn parse(command: FlowCommand, whole: Piece<'_>) -> Result<FlowMod, TextError> {
    let mut flow = FlowMod::new(command);
    let (head, actions) = split_actions(whole);
    match actions {
        Some(actions) if command.is_delete() => {
            return Err(actions.expected("no actions: they choose no flows"));
        }
        Some(actions) => flow.actions = action::parse_list(actions, action::Place::Flow)?,
        _ if command.is_delete() => {}
        None => {
            return Err(whole.end().expected("actions=, with what to do"));
        }
    }
    let mut terms = Vec::new();
    for item in head.items()? {
        if !setting(&mut flow, &item)? {
            terms.push(item);
        }
    }
    matching::apply(&mut flow.matching, &terms)?;
    let modifies = matches!(command, FlowCommand::Modify | FlowCommand::ModifyStrict);
    if modifies && flow.cookie_match.mask == 0 && flow.cookie == u64::MAX {
        // OpenFlow 1.0 adds a flow if none is there to be modified, and its cookie is then 0. Later
        // versions change no cookie here.
        flow.cookie = 0;
    }
    Ok(flow)
}

/// What stands before and behind `actions=`.
pub(super) fn split_actions(whole: Piece<'_>) -> (Piece<'_>, Option<Piece<'_>>) {
    for mark in ["actions=", "action="] {
        if let Some((before, behind)) = whole.split(mark) {
            let starts = before.text.is_empty() || before.text.ends_with([',', ' ', '\t']);
            if starts {
                return (before, Some(behind));
            }
        }
    }
    (whole, None)
}

/// Takes what is no match; says whether it was.
fn setting(flow: &mut FlowMod, item: &Item<'_>) -> Result<bool, TextError> {
    const SECONDS: &str = "seconds, from 0 to 65535";
    let command = flow.command;
    let flag = FlowFlags::NAMES.iter().find(|(_, name)| *name == item.key.text);
    let flag = flag.filter(|_| !command.is_delete());
    if let (Some((flag, _)), None) = (flag, item.value) {
        flow.flags = flow.flags | *flag;
        return Ok(true);
    }
    let need = || item.need("a value behind the =");
    match item.key.text {
        "table" => flow.table = need()?.table()?,
        "priority" if command != FlowCommand::Delete => {
            flow.priority = need()?.u16("a priority, from 0 to 65535")?
        }
        "idle_timeout" if !command.is_delete() => flow.idle_s = need()?.u16(SECONDS)?,
        "hard_timeout" if !command.is_delete() => flow.hard_s = need()?.u16(SECONDS)?,
        "importance" if command == FlowCommand::Add => {
            flow.importance = need()?.u16("from 0 to 65535")?
        }
        "out_port" if command.is_delete() => flow.out_port = value::parse_port(need()?)?,
        "out_group" if command.is_delete() => flow.out_group = need()?.u32("a group")?,
        "cookie" => {
            const COOKIE: &str = "a number of 64 bits; VALUE/MASK chooses flows";
            let (value, mask) = need()?.split_or_all("/");
            let bits = value.u64(COOKIE)?;
            match mask {
                Some(mask) if flow.command == FlowCommand::Add => {
                    return Err(mask.expected("no mask: a new flow has one cookie"));
                }
                Some(mask) => {
                    let mask = if mask.text == "-1" { u64::MAX } else { mask.u64(COOKIE)? };
                    flow.cookie_match = CookieMatch { value: bits & mask, mask };
                }
                None if command.is_delete() => {
                    return Err(item.whole.expected("a mask behind it, as in cookie=5/-1"));
                }
                None => flow.cookie = bits,
            }
        }
        // What `dump-flows` prints besides may stand in its output that is fed back.
        "duration" | "n_packets" | "n_bytes" | "idle_age" | "hard_age" => {}
        _ => return Ok(false),
    }
    Ok(true)
}

fn flags_text(flags: FlowFlags) -> String {
    let set = FlowFlags::NAMES.iter().filter(|(flag, _)| flags.contains(*flag));
    set.map(|(_, name)| format!("{name} ")).collect()
}

/// Writes a command about flows as `ovs-ofctl` shows FLOW_MOD messages.
#[must_use]
pub fn flow_mod_text<'a>(style: impl Into<Style<'a>>, flow: &FlowMod) -> String {
    let style = style.into();
    let mut text = flow.command.name().to_owned();
    // In OpenFlow 1.0, a command that names no table means all of them, and says nothing of it.
    let any = flow.table == TABLE_ALL && style.version == Version::V10;
    if flow.table != 0 && !any {
        let _ = write!(text, " table:{}", style.table(flow.table));
    }
    text.push(' ');
    matching::put(&mut text, style, &flow.matching, flow.priority);
    if !text.ends_with(' ') {
        text.push(' ');
    }
    if flow.cookie != 0 && flow.cookie != u64::MAX {
        let _ = write!(text, "cookie:{:#x} ", flow.cookie);
    }
    let CookieMatch { value, mask } = flow.cookie_match;
    if mask != 0 {
        let _ = write!(text, "cookie:{value:#x}/{mask:#x} ");
    }
    for (name, number) in
        [("idle", flow.idle_s), ("hard", flow.hard_s), ("importance", flow.importance)]
    {
        if number != 0 {
            let _ = write!(text, "{name}:{number} ");
        }
    }
    if flow.buffer_id != NO_BUFFER {
        let _ = write!(text, "buf:{:#x} ", flow.buffer_id);
    }
    if flow.out_port != OfPort::NONE {
        let _ = write!(text, "out_port:{} ", style.port(flow.out_port));
    }
    if flow.out_group != GROUP_ANY {
        let _ = write!(text, "out_group:{} ", flow.out_group);
    }
    text.push_str(&flags_text(flow.flags));
    let _ = write!(text, "actions={}", actions_text(style, &flow.actions));
    text
}

/// Seconds, with as many digits behind the point as are needed: none, three or nine.
pub(super) fn duration_text(duration: Duration) -> String {
    let (seconds, nanos) = (duration.as_secs(), duration.subsec_nanos());
    match nanos {
        0 => format!("{seconds}s"),
        _ if nanos % 1_000_000 == 0 => format!("{seconds}.{:03}s", nanos / 1_000_000),
        _ => format!("{seconds}.{nanos:09}s"),
    }
}

/// How much of a flow is written.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum FlowDetail {
    /// With what it counted.
    #[default]
    Counted,
    /// Only what was asked for when it was added.
    Configured,
}

/// Writes a flow as a line of `ovs-ofctl dump-flows`, which begins with a blank.
#[must_use]
pub fn flow_stats_text<'a>(style: impl Into<Style<'a>>, flow: &FlowStats) -> String {
    let mut text = String::new();
    put_flow_stats(&mut text, style.into(), flow, FlowDetail::Counted);
    text
}

/// Like [`flow_stats_text`], behind a text.
pub fn put_flow_stats(text: &mut String, style: Style<'_>, flow: &FlowStats, detail: FlowDetail) {
    let counted = detail == FlowDetail::Counted;
    // A cookie that nobody set says nothing of how the flow was asked for.
    if counted || flow.cookie != 0 {
        let _ = write!(text, " cookie={:#x}, ", flow.cookie);
    } else {
        text.push(' ');
    }
    if counted {
        let _ = write!(text, "duration={}, ", duration_text(flow.duration));
    }
    if counted || flow.table != 0 {
        let _ = write!(text, "table={}, ", style.table(flow.table));
    }
    for (name, count) in [("n_packets", flow.packets), ("n_bytes", flow.bytes)] {
        if let Some(count) = count.filter(|_| counted) {
            let _ = write!(text, "{name}={count}, ");
        }
    }
    for (name, number) in [("idle_timeout", flow.idle_s), ("hard_timeout", flow.hard_s)] {
        if number != 0 {
            let _ = write!(text, "{name}={number}, ");
        }
    }
    text.push_str(&flags_text(flow.flags));
    if flow.importance != 0 {
        let _ = write!(text, "importance={}, ", flow.importance);
    }
    if let Some(age) = flow.idle_age_s.filter(|_| counted) {
        let _ = write!(text, "idle_age={age}, ");
    }
    let seconds = flow.duration.as_secs();
    let hard_age = flow.hard_age_s.filter(|age| u64::from(*age) != seconds);
    if let Some(age) = hard_age.filter(|_| counted) {
        let _ = write!(text, "hard_age={age}, ");
    }
    let start = text.len();
    matching::put(text, style, &flow.matching, flow.priority);
    if text.len() > start {
        text.push(' ');
    }
    text.push_str("actions=");
    text.push_str(&actions_text(style, &flow.actions));
}

/// Reads which flows `dump-flows` and `dump-aggregate` mean; without anything, all.
///
/// # Errors
/// Where it cannot be read, and what was expected.
pub fn parse_flow_request(text: &str, names: &Names) -> Result<FlowStatsRequest, TextError> {
    let FlowMod { matching, cookie_match, table, out_port, out_group, .. } =
        parse(FlowCommand::Delete, Piece::named(text, names))?;
    Ok(FlowStatsRequest { matching, cookie_match, table, out_port, out_group })
}

/// Writes which flows a request means.
pub(super) fn put_stats_request(text: &mut String, style: Style<'_>, request: &FlowStatsRequest) {
    if request.table != TABLE_ALL {
        let _ = write!(text, " table={}", style.table(request.table));
    }
    if request.out_port != OfPort::NONE {
        let _ = write!(text, " out_port={}", style.port(request.out_port));
    }
    text.push(' ');
    matching::put(text, style, &request.matching, crate::flow::DEFAULT_PRIORITY);
}

/// Writes that a flow went.
pub(super) fn flow_removed_text(style: Style<'_>, removed: &FlowRemoved) -> String {
    let mut text = String::new();
    matching::put(&mut text, style, &removed.matching, removed.priority);
    let _ = write!(text, " reason={}", removed.reason.name());
    if let Some(table) = removed.table {
        let _ = write!(text, " table_id={}", style.table(table));
    }
    if removed.cookie != 0 {
        let _ = write!(text, " cookie:{:#x}", removed.cookie);
    }
    let _ = write!(text, " duration{} idle{}", duration_text(removed.duration), removed.idle_s);
    if removed.hard_s != 0 {
        let _ = write!(text, " hard{}", removed.hard_s);
    }
    let (packets, bytes) = (removed.packets.unwrap_or(u64::MAX), removed.bytes.unwrap_or(u64::MAX));
    let _ = write!(text, " pkts{packets} bytes{bytes}");
    text
}
