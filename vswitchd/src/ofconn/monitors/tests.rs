//! Monitors, told of flows that a list holds.

use openflow::Version;
use openflow::flow::RemovedReason;

use super::*;

const ME: ConnId = ConnId(7);
const ALL: u16 = 0xf;

fn monitor(id: u32, flags: u16) -> MonitorRequest {
    MonitorRequest {
        id,
        command: MonitorCommand::Add,
        flags: MonitorFlags(flags),
        out_port: OfPort::NONE,
        out_group: GROUP_ANY,
        table: TABLE_ALL,
        matching: FlowMatch::ANY,
    }
}

fn flow(priority: u16) -> FlowStats {
    FlowStats {
        table: 1,
        priority,
        matching: FlowMatch::ANY,
        cookie: 0,
        duration: Default::default(),
        idle_s: 0,
        hard_s: 0,
        importance: 0,
        flags: Default::default(),
        packets: None,
        bytes: None,
        idle_age_s: None,
        hard_age_s: None,
        actions: vec![OfAction::Output { port: OfPort(3), max_len: 0 }],
    }
}

fn event(change: FlowChange, priority: u16, by: Option<(u64, u32)>) -> FlowEvent {
    let by = by.map(|(conn, xid)| Asker { conn: ConnId(conn), version: Version::V14, xid });
    FlowEvent { change, flow: flow(priority), by }
}

/// What happened to which priority.
fn told(updates: &[FlowUpdate]) -> Vec<(MonitorEvent, u16)> {
    let one = |update: &FlowUpdate| match update {
        FlowUpdate::Flow(flow) => (flow.event, flow.priority),
        other => panic!("{other:?}"),
    };
    updates.iter().map(one).collect()
}

#[test]
fn requests_are_taken_whole_or_not_at_all() {
    let mut monitors = Monitors::default();
    assert_eq!(monitors.request(vec![monitor(1, ALL)]).unwrap().len(), 1);
    let twice = vec![monitor(2, ALL), monitor(1, ALL)];
    assert_eq!(monitors.request(twice), Err(OfpError::MofMonitorExists));
    assert_eq!(monitors.cancel(2), Err(OfpError::MofUnknownMonitor));
    let modify = MonitorRequest { command: MonitorCommand::Modify, ..monitor(2, ALL) };
    assert_eq!(monitors.request(vec![modify]), Err(OfpError::MofUnknownMonitor));
    let table = MonitorRequest { table: 254, ..monitor(2, ALL) };
    assert_eq!(monitors.request(vec![table]), Err(OfpError::BrBadTableId));
    let delete = MonitorRequest { command: MonitorCommand::Delete, ..monitor(1, 0) };
    assert_eq!(monitors.request(vec![delete]), Ok(vec![]));
    assert!(monitors.is_empty());
}

#[test]
fn changes_of_one_message_are_told_together() {
    let mut monitors = Monitors::default();
    monitors.request(vec![monitor(1, ALL)]).unwrap();
    assert!(monitors.tell(&event(FlowChange::Added, 1, Some((1, 5))), ME).is_empty());
    assert!(monitors.tell(&event(FlowChange::Added, 2, Some((1, 5))), ME).is_empty());
    let first = monitors.tell(&event(FlowChange::Modified, 3, Some((1, 6))), ME);
    assert_eq!(told(&first), [(MonitorEvent::Added, 1), (MonitorEvent::Added, 2)]);
    assert_eq!(told(&monitors.take()), [(MonitorEvent::Modified, 3)]);
}

#[test]
fn own_changes_are_abbreviated_unless_asked_for() {
    let mut monitors = Monitors::default();
    monitors.request(vec![monitor(1, ALL)]).unwrap();
    monitors.tell(&event(FlowChange::Added, 1, Some((7, 5))), ME);
    monitors.tell(&event(FlowChange::Added, 2, Some((7, 5))), ME);
    assert_eq!(monitors.take(), [FlowUpdate::Abbreviated(5)]);
    monitors.request(vec![monitor(2, ALL | MonitorFlags::NO_ABBREV.0)]).unwrap();
    monitors.tell(&event(FlowChange::Added, 1, Some((7, 5))), ME);
    assert_eq!(told(&monitors.take()), [(MonitorEvent::Added, 1)]);
}

#[test]
fn filters_and_actions() {
    let mut monitors = Monitors::default();
    let port = MonitorRequest { out_port: OfPort(3), ..monitor(1, 1 << 1 | 1 << 4) };
    let other = MonitorRequest { out_port: OfPort(4), ..monitor(2, ALL) };
    monitors.request(vec![port, other]).unwrap();
    monitors.tell(&event(FlowChange::Modified, 1, None), ME);
    assert!(monitors.take().is_empty());
    monitors.tell(&event(FlowChange::Added, 1, None), ME);
    let updates = monitors.take();
    assert!(matches!(&updates[..], [FlowUpdate::Flow(flow)] if flow.actions.len() == 1));
}

#[test]
fn who_does_not_read_is_told_later_what_there_is_then() {
    let mut monitors = Monitors::default();
    monitors.request(vec![monitor(1, ALL)]).unwrap();
    monitors.pause();
    let removed = FlowChange::Removed(RemovedReason::Delete);
    monitors.tell(&event(FlowChange::Added, 1, None), ME);
    monitors.tell(&event(FlowChange::Modified, 1, None), ME);
    monitors.tell(&event(FlowChange::Modified, 2, None), ME);
    monitors.tell(&event(FlowChange::Added, 3, None), ME);
    assert!(monitors.take().is_empty());
    // One that it was never told of goes in silence, one that it knows is told.
    monitors.tell(&event(removed, 3, None), ME);
    monitors.tell(&event(removed, 4, None), ME);
    assert_eq!(told(&monitors.take()), [(MonitorEvent::Removed(2), 4)]);
    let resumed = monitors.resume(|_| (1..=9).map(flow).collect());
    assert_eq!(told(&resumed), [(MonitorEvent::Added, 1), (MonitorEvent::Modified, 2)]);
    assert!(!monitors.is_paused());
}

#[test]
fn initial_flows_are_told_once() {
    let two = [monitor(1, ALL), monitor(2, ALL)];
    let updates = initial(&two, |_| vec![flow(1), flow(2)]);
    assert_eq!(told(&updates), [(MonitorEvent::Initial, 1), (MonitorEvent::Initial, 2)]);
}
