//! Flows: what `add-flow` takes and `dump-flows` prints.

use core::fmt::Write;
use core::time::Duration;

use super::scan::{Item, Piece};
use super::{TextError, action, actions_text, match_text, matching, value};
use crate::flow::{CookieMatch, FlowCommand, FlowFlags, FlowMod, FlowStats};
use crate::flow::{GROUP_ANY, NO_BUFFER, TABLE_ALL};
use crate::port::OfPort;
use crate::version::Version;

/// Reads a flow as `ovs-ofctl add-flow`, `mod-flows` and `del-flows` take it.
///
/// # Errors
/// Where it cannot be read, and what was expected.
pub fn parse_flow(command: FlowCommand, text: &str) -> Result<FlowMod, TextError> {
    let whole = Piece::whole(text);
    let mut flow = FlowMod::new(command);
    let (head, actions) = split_actions(whole);
    match actions {
        Some(actions) => flow.actions = action::parse_list(actions, 0)?,
        None if !command.is_delete() => {
            let end = Piece { text: "", at: text.len() };
            return Err(end.expected("actions=, with what to do"));
        }
        None => {}
    }
    let mut terms = Vec::new();
    for item in head.items()? {
        if !setting(&mut flow, &item)? {
            terms.push(item);
        }
    }
    matching::apply(&mut flow.matching, &terms)?;
    Ok(flow)
}

/// What stands before and behind `actions=`.
fn split_actions(whole: Piece<'_>) -> (Piece<'_>, Option<Piece<'_>>) {
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
    let flag = FlowFlags::NAMES.iter().find(|(_, name)| *name == item.key.text);
    if let (Some((flag, _)), None) = (flag, item.value) {
        flow.flags = flow.flags | *flag;
        return Ok(true);
    }
    let need = || item.need("a value behind the =");
    match item.key.text {
        "table" => flow.table = need()?.u8("a table, from 0 to 254")?,
        "priority" => flow.priority = need()?.u16("a priority, from 0 to 65535")?,
        "idle_timeout" => flow.idle_s = need()?.u16(SECONDS)?,
        "hard_timeout" => flow.hard_s = need()?.u16(SECONDS)?,
        "importance" => flow.importance = need()?.u16("from 0 to 65535")?,
        "out_port" => flow.out_port = value::parse_port(need()?)?,
        "out_group" => flow.out_group = need()?.u32("a group")?,
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
pub fn flow_mod_text(version: Version, flow: &FlowMod) -> String {
    let mut text = flow.command.name().to_owned();
    // In OpenFlow 1.0, a command that names no table means all of them, and says nothing of it.
    let any = flow.table == TABLE_ALL && version == Version::V10;
    if flow.table != 0 && !any {
        let _ = write!(text, " table:{}", flow.table);
    }
    text.push(' ');
    text.push_str(&match_text(&flow.matching, flow.priority));
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
        let _ = write!(text, "out_port:{} ", flow.out_port);
    }
    if flow.out_group != GROUP_ANY {
        let _ = write!(text, "out_group:{} ", flow.out_group);
    }
    text.push_str(&flags_text(flow.flags));
    let _ = write!(text, "actions={}", actions_text(version, &flow.actions));
    text
}

/// Seconds, with as many digits behind the point as are needed: none, three or nine.
fn duration_text(duration: Duration) -> String {
    let (seconds, nanos) = (duration.as_secs(), duration.subsec_nanos());
    match nanos {
        0 => format!("{seconds}s"),
        _ if nanos % 1_000_000 == 0 => format!("{seconds}.{:03}s", nanos / 1_000_000),
        _ => format!("{seconds}.{nanos:09}s"),
    }
}

/// Writes a flow as a line of `ovs-ofctl dump-flows`, which begins with a blank.
#[must_use]
pub fn flow_stats_text(version: Version, flow: &FlowStats) -> String {
    let mut text = format!(" cookie={:#x}, ", flow.cookie);
    let _ = write!(text, "duration={}, table={}, ", duration_text(flow.duration), flow.table);
    for (name, count) in [("n_packets", flow.packets), ("n_bytes", flow.bytes)] {
        if let Some(count) = count {
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
    if let Some(age) = flow.idle_age_s {
        let _ = write!(text, "idle_age={age}, ");
    }
    let seconds = flow.duration.as_secs();
    if let Some(age) = flow.hard_age_s.filter(|age| u64::from(*age) != seconds) {
        let _ = write!(text, "hard_age={age}, ");
    }
    let matching = match_text(&flow.matching, flow.priority);
    if !matching.is_empty() {
        let _ = write!(text, "{matching} ");
    }
    let _ = write!(text, "actions={}", actions_text(version, &flow.actions));
    text
}
