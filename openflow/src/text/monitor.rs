//! Flow monitors: `watch:!initial,table=0`, parsed and printed, and what they tell.
//!
//! # References
//! ovs-ofctl(8), `monitor`.

use core::fmt::Write;

use super::names::{Names, Style};
use super::scan::Piece;
use super::{TextError, actions_text, matching, value};
use crate::flow::{
    FlowUpdate, GROUP_ANY, MonitorCommand, MonitorEvent, MonitorFlags, MonitorRequest,
    RemovedReason, TABLE_ALL, UpdateFlow,
};
use crate::port::OfPort;

/// What `!` takes away, and which bits that is.
const FLAGS: [(&str, MonitorFlags); 6] = [
    ("initial", MonitorFlags::INITIAL),
    ("add", MonitorFlags::ADD),
    ("delete", MonitorFlags::DELETE),
    ("modify", MonitorFlags::MODIFY),
    ("actions", MonitorFlags::ACTIONS),
    ("own", MonitorFlags::NO_ABBREV),
];

/// Reads what stands behind `watch:`; without anything, all flows are watched.
///
/// # Errors
/// Where it cannot be read, and what was expected.
pub fn parse_monitor(text: &str, names: &Names) -> Result<MonitorRequest, TextError> {
    let whole = Piece::named(text, names);
    let all = FLAGS.iter().fold(MonitorFlags(0), |all, (_, flag)| all | *flag);
    let mut request = MonitorRequest {
        id: 1,
        command: MonitorCommand::Add,
        flags: all,
        out_port: OfPort::NONE,
        out_group: GROUP_ANY,
        table: TABLE_ALL,
        matching: packet::flow::FlowMatch::ANY,
    };
    let mut terms = Vec::new();
    for item in whole.items()? {
        let key = item.key.text;
        let need = || item.need("a value behind the =");
        if let Some(word) = key.strip_prefix('!') {
            let found = FLAGS.iter().find(|(name, _)| *name == word);
            let (_, flag) = found
                .ok_or(item.key.expected("!initial, !add, !delete, !modify, !actions or !own"))?;
            request.flags.0 &= !flag.0;
            continue;
        }
        match key {
            "table" => request.table = need()?.table()?,
            "out_port" => request.out_port = value::parse_port(need()?)?,
            "out_group" => request.out_group = need()?.u32("a group")?,
            _ => terms.push(item),
        }
    }
    matching::apply(&mut request.matching, &terms)?;
    Ok(request)
}

/// Writes a monitor that is asked for.
pub(super) fn monitor_text(style: Style<'_>, request: &MonitorRequest) -> String {
    let command = match request.command {
        MonitorCommand::Add => "ADD",
        MonitorCommand::Modify => "MODIFY",
        MonitorCommand::Delete => "DELETE",
    };
    let flags = match request.flags {
        MonitorFlags(0) => "0".to_owned(),
        flags => flags.to_text("+"),
    };
    let mut text = format!("id={} flags={flags}", request.id);
    if request.command != MonitorCommand::Add {
        let _ = write!(text, " command={command}");
    }
    if request.out_port != OfPort::NONE {
        let _ = write!(text, " out_port={}", style.port(request.out_port));
    }
    if request.table != TABLE_ALL {
        let _ = write!(text, " table={}", style.table(request.table));
    }
    if request.out_group != GROUP_ANY {
        let _ = write!(text, " out_group={}", request.out_group);
    }
    text.push(' ');
    let start = text.len();
    matching::put(&mut text, style, &request.matching, crate::flow::DEFAULT_PRIORITY);
    if text.len() == start {
        text.pop();
    }
    text
}

/// Writes what a monitor tells.
pub(super) fn update_text(style: Style<'_>, update: &FlowUpdate) -> String {
    match update {
        FlowUpdate::Flow(flow) => flow_text(style, flow),
        FlowUpdate::Abbreviated(xid) => format!("event=ABBREV xid={xid:#x}"),
        FlowUpdate::Paused => "event=PAUSED".to_owned(),
        FlowUpdate::Resumed => "event=RESUMED".to_owned(),
    }
}

fn flow_text(style: Style<'_>, flow: &UpdateFlow) -> String {
    let mut text = String::from("event=");
    match flow.event {
        MonitorEvent::Initial => text.push_str("INITIAL"),
        MonitorEvent::Added => text.push_str("ADDED"),
        MonitorEvent::Modified => text.push_str("MODIFIED"),
        MonitorEvent::Removed(reason) => {
            let known = RemovedReason::ALL.get(usize::from(reason));
            let name = known.map_or_else(|| reason.to_string(), |known| known.name().to_owned());
            let _ = write!(text, "DELETED reason={name}");
        }
    }
    let _ = write!(text, " table={}", style.table(flow.table));
    for (name, seconds) in [("idle_timeout", flow.idle_s), ("hard_timeout", flow.hard_s)] {
        if seconds != 0 {
            let _ = write!(text, " {name}={seconds}");
        }
    }
    if flow.cookie == 0 {
        text.push_str(" cookie=0 ");
    } else {
        let _ = write!(text, " cookie={:#x} ", flow.cookie);
    }
    let start = text.len();
    // ovs-ofctl leaves the priority out, and so it is not here either.
    matching::put(&mut text, style, &flow.matching, crate::flow::DEFAULT_PRIORITY);
    if text.len() > start && !flow.actions.is_empty() {
        text.push(' ');
    }
    if !flow.actions.is_empty() {
        let _ = write!(text, "actions={}", actions_text(style, &flow.actions));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Version;

    #[test]
    fn monitors_are_read_and_written() {
        let request = parse_monitor("!initial,!own,table=3,tcp,tp_dst=80", Names::NONE).unwrap();
        assert_eq!(
            monitor_text(Version::V10.into(), &request),
            "id=1 flags=add+delete+modify+actions table=3 tcp,tp_dst=80"
        );
        assert_eq!(parse_monitor("", Names::NONE).unwrap().flags.0, 0x3f);
        assert_eq!(parse_monitor("!all", Names::NONE).unwrap_err().column, 1);
    }
}
