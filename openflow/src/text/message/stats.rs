//! Statistics: what is asked for and what is answered.

use core::fmt::Write;

use super::super::flow::{FlowDetail, put_flow_stats, put_stats_request};
use super::super::monitor::{monitor_text, update_text};
use super::super::names::Style;
use super::super::table_stats_text;
use super::super::{features, group_features, meter_id_text};
use super::super::{
    group_stats_text, group_text, meter_features_text, meter_stats_text, meter_text,
};
use super::super::{
    port_desc_text, port_stats_text, queue_desc_text, queue_stats_text, table_desc_text,
};
use crate::counters::QUEUE_ALL;
use crate::flow::AggregateStats;
use crate::group::GROUP_ALL;
use crate::message::{StatsReply, StatsRequest};
use crate::port::PortDesc;
use crate::switch::SwitchDesc;
use crate::version::Version;

pub(super) fn put_request(text: &mut String, style: Style<'_>, asked: &StatsRequest) {
    let _ = match asked {
        StatsRequest::Flow(request) | StatsRequest::Aggregate(request) => {
            put_stats_request(text, style, request);
            Ok(())
        }
        StatsRequest::Port(port) => write!(text, " port_no={}", style.port(*port)),
        StatsRequest::PortDesc(port) if style.version >= Version::V15 => {
            write!(text, " port={}", style.port(*port))
        }
        StatsRequest::Queue(request) | StatsRequest::QueueDesc(request) => {
            let _ = write!(text, " port={}", style.port(request.port));
            match (request.queue, asked) {
                (QUEUE_ALL, StatsRequest::QueueDesc(_)) => Ok(()),
                (QUEUE_ALL, _) => write!(text, " queue=ALL"),
                (queue, _) => write!(text, " queue={queue}"),
            }
        }
        StatsRequest::Group(group) | StatsRequest::GroupDesc(group) => match *group {
            GROUP_ALL => write!(text, " group_id=ALL"),
            group => write!(text, " group_id={group}"),
        },
        StatsRequest::Meter(meter) | StatsRequest::MeterConfig(meter) => {
            write!(text, " meter={}", meter_id_text(*meter))
        }
        StatsRequest::FlowMonitor(monitors) => {
            for monitor in monitors {
                let _ = write!(text, "\n {}", monitor_text(style, monitor));
            }
            Ok(())
        }
        _ => Ok(()),
    };
}

/// Items, each of them a line.
fn lines<T>(text: &mut String, items: &[T], line: impl Fn(&T) -> String) {
    for item in items {
        let _ = write!(text, "\n {}", line(item));
    }
}

/// Items with an empty line between them.
fn blocks<T>(text: &mut String, items: &[T], block: impl Fn(&T) -> String) {
    for (number, item) in items.iter().enumerate() {
        let gap = if number == 0 { "" } else { "\n" };
        let _ = write!(text, "{gap}\n{}", block(item));
    }
}

pub(super) fn put_reply(text: &mut String, style: Style<'_>, reply: &StatsReply) {
    match reply {
        StatsReply::Desc(desc) => put_desc(text, desc),
        StatsReply::Flow(flows) => {
            for flow in flows {
                text.push('\n');
                put_flow_stats(text, style, flow, FlowDetail::Counted);
            }
        }
        StatsReply::Aggregate(stats) => {
            let _ = write!(text, " {}", aggregate_text(stats));
        }
        StatsReply::Table(tables) => text.push_str(&table_stats_text(style, tables)),
        StatsReply::Port(ports) => {
            let _ = writeln!(text, " {} ports", ports.len());
            ports.iter().for_each(|port| text.push_str(&port_stats_text(style, port)));
        }
        StatsReply::Queue(queues) => {
            let _ = writeln!(text, " {} queues", queues.len());
            queues.iter().for_each(|queue| text.push_str(&queue_stats_text(style, queue)));
        }
        StatsReply::PortDesc(ports) => {
            text.push('\n');
            put_ports(text, ports);
        }
        StatsReply::QueueDesc(queues) => text.push_str(&queue_desc_text(style, queues)),
        StatsReply::Group(groups) => lines(text, groups, group_stats_text),
        StatsReply::GroupDesc(groups) => lines(text, groups, |group| group_text(style, group)),
        StatsReply::GroupFeatures(of) => {
            group_features::put(text, style.version, of);
        }
        StatsReply::Meter(meters) => blocks(text, meters, meter_stats_text),
        StatsReply::MeterConfig(meters) => blocks(text, meters, meter_text),
        StatsReply::MeterFeatures(of) => {
            let _ = write!(text, "\n{}", meter_features_text(of));
        }
        StatsReply::TableFeatures(tables) => {
            text.push_str(&features::table_features_text(style, tables));
        }
        StatsReply::TableDesc(tables) => {
            tables.iter().for_each(|table| text.push_str(&table_desc_text(style, table)));
        }
        StatsReply::FlowMonitor(updates) => {
            lines(text, updates, |update| update_text(style, update));
        }
    }
}

/// Ports by their numbers, whatever the order in which they came.
pub(super) fn put_ports(text: &mut String, ports: &[PortDesc]) {
    let mut ordered: Vec<&PortDesc> = ports.iter().collect();
    ordered.sort_by_key(|port| port.port);
    ordered.into_iter().for_each(|port| text.push_str(&port_desc_text(port)));
}

fn put_desc(text: &mut String, desc: &SwitchDesc) {
    for (name, value) in [
        ("Manufacturer", &desc.manufacturer),
        ("Hardware", &desc.hardware),
        ("Software", &desc.software),
        ("Serial Num", &desc.serial),
        ("DP Description", &desc.datapath),
    ] {
        let _ = write!(text, "\n{name}: {value}");
    }
}

fn aggregate_text(stats: &AggregateStats) -> String {
    let mut text = String::new();
    for (name, count) in [("packet_count", stats.packets), ("byte_count", stats.bytes)] {
        let _ = match count {
            Some(count) => write!(text, "{name}={count} "),
            None => write!(text, "{name}=unknown "),
        };
    }
    let _ = write!(text, "flow_count={}", stats.n_flows);
    text
}
