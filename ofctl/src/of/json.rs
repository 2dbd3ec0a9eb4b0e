//! What the flow family prints with `--json`.
//!
//! # Design
//! One object for each command, with a list named after what is in it. Numbers are numbers, but for
//! cookies, which have 64 bits, and are text as `ovs-ofctl` writes them. A match and a list of actions
//! are text too: the language that every command takes back.

use openflow::counters::{PortStats, QueueStats};
use openflow::flow::{DEFAULT_PRIORITY, FlowFlags, FlowStats};
use openflow::group::{Bucket, GroupDesc, GroupStats};
use openflow::meter::{BandKind, MeterConfig, MeterFlags, MeterStats};
use openflow::port::PortDesc;
use openflow::queue::QueueDesc;
use openflow::table::{TableFeatures, TableMod, TableStats};
use openflow::text::{Style, actions_text, match_text_in, meter_id_text};
use openflow::{OfPort, StatsReply};
use serde_json::{Map, Value, json};

/// The name of a reply's list; `None` if the reply is one object.
pub(super) const fn list_name(reply: &StatsReply) -> Option<&'static str> {
    Some(match reply {
        StatsReply::Flow(_) => "flows",
        StatsReply::Table(_) | StatsReply::TableFeatures(_) | StatsReply::TableDesc(_) => "tables",
        StatsReply::Port(_) | StatsReply::PortDesc(_) => "ports",
        StatsReply::Queue(_) | StatsReply::QueueDesc(_) => "queues",
        StatsReply::Group(_) | StatsReply::GroupDesc(_) => "groups",
        StatsReply::Meter(_) | StatsReply::MeterConfig(_) => "meters",
        _ => return None,
    })
}

/// The items of a reply, or the one object that it is.
pub(super) fn items(style: Style<'_>, reply: &StatsReply) -> Vec<Value> {
    match reply {
        StatsReply::Flow(flows) => flows.iter().map(|item| flow(style, item)).collect(),
        StatsReply::Table(tables) => tables.iter().map(table_stats).collect(),
        StatsReply::TableFeatures(tables) => tables.iter().map(table_features).collect(),
        StatsReply::TableDesc(tables) => tables.iter().map(table_desc).collect(),
        StatsReply::Port(ports) => ports.iter().map(|item| port_stats(style, item)).collect(),
        StatsReply::PortDesc(ports) => ports.iter().map(port_desc).collect(),
        StatsReply::Queue(queues) => queues.iter().map(|item| queue_stats(style, item)).collect(),
        StatsReply::Group(groups) => groups.iter().map(group_stats).collect(),
        StatsReply::GroupDesc(groups) => groups.iter().map(|item| group(style, item)).collect(),
        StatsReply::Meter(meters) => meters.iter().map(meter_stats).collect(),
        StatsReply::MeterConfig(meters) => meters.iter().map(meter).collect(),
        StatsReply::QueueDesc(queues) => {
            queues.iter().map(|item| queue_desc(style, item)).collect()
        }
        StatsReply::FlowMonitor(_) => Vec::new(),
        StatsReply::Desc(desc) => vec![json!({
            "manufacturer": desc.manufacturer,
            "hardware": desc.hardware,
            "software": desc.software,
            "serial": desc.serial,
            "datapath": desc.datapath,
        })],
        StatsReply::Aggregate(stats) => vec![json!({
            "n_packets": stats.packets,
            "n_bytes": stats.bytes,
            "n_flows": stats.n_flows,
        })],
        StatsReply::GroupFeatures(features) => vec![json!({
            "types": features.types,
            "capabilities": features.capabilities,
            "max_groups": features.max_groups,
            "actions": features.actions,
        })],
        StatsReply::MeterFeatures(features) => vec![json!({
            "max_meters": features.max_meters,
            "max_bands": features.max_bands,
            "max_colors": features.max_colors,
            "band_types": features.band_types,
            "capabilities": features.capabilities,
        })],
    }
}

fn port_name(style: Style<'_>, port: OfPort) -> Value {
    match style.names.of_port(port) {
        Some(name) => json!(name),
        None if port.is_reserved() => json!(port.to_string()),
        None => json!(port.0),
    }
}

/// A flow.
pub(super) fn flow(style: Style<'_>, flow: &FlowStats) -> Value {
    let known = FlowFlags::NAMES.iter().filter(|(flag, _)| flow.flags.contains(*flag));
    let flags: Vec<&str> = known.map(|(_, name)| *name).collect();
    let mut object = Map::new();
    let mut put = |key: &str, value: Value| object.insert(key.to_owned(), value);
    put("table", json!(flow.table));
    put("priority", json!(flow.priority));
    put("match", json!(match_text_in(style, &flow.matching, DEFAULT_PRIORITY)));
    put("actions", json!(actions_text(style, &flow.actions)));
    put("cookie", json!(format!("{:#x}", flow.cookie)));
    put("duration_s", json!(flow.duration.as_secs_f64()));
    put("n_packets", json!(flow.packets));
    put("n_bytes", json!(flow.bytes));
    put("idle_timeout", json!(flow.idle_s));
    put("hard_timeout", json!(flow.hard_s));
    put("importance", json!(flow.importance));
    put("flags", json!(flags));
    if let Some(age) = flow.idle_age_s {
        put("idle_age", json!(age));
    }
    if let Some(age) = flow.hard_age_s {
        put("hard_age", json!(age));
    }
    Value::Object(object)
}

fn bucket(style: Style<'_>, bucket: &Bucket) -> Value {
    let mut object = json!({
        "bucket_id": bucket.id,
        "weight": bucket.weight,
        "actions": actions_text(style, &bucket.actions),
    });
    if bucket.watch_port != OfPort::NONE {
        object["watch_port"] = port_name(style, bucket.watch_port);
    }
    if bucket.watch_group != openflow::flow::GROUP_ANY {
        object["watch_group"] = json!(bucket.watch_group);
    }
    object
}

fn group(style: Style<'_>, group: &GroupDesc) -> Value {
    let buckets: Vec<Value> = group.buckets.iter().map(|item| bucket(style, item)).collect();
    let mut object = json!({ "group_id": group.id, "type": group.kind.name(), "buckets": buckets });
    if !group.selection.method.is_empty() {
        let fields: Vec<&str> =
            group.selection.fields.iter().map(|(field, _)| field.info().name).collect();
        object["selection_method"] = json!(group.selection.method);
        object["selection_method_param"] = json!(group.selection.param);
        object["fields"] = json!(fields);
    }
    object
}

fn group_stats(stats: &GroupStats) -> Value {
    let buckets = stats.buckets.iter();
    let buckets: Vec<Value> =
        buckets.map(|b| json!({ "n_packets": b.packets, "n_bytes": b.bytes })).collect();
    json!({
        "group_id": stats.id,
        "ref_count": stats.ref_count,
        "n_packets": stats.packets,
        "n_bytes": stats.bytes,
        "duration_s": stats.duration.as_secs_f64(),
        "buckets": buckets,
    })
}

fn meter(meter: &MeterConfig) -> Value {
    let known = MeterFlags::NAMES.iter().filter(|(flag, _)| meter.flags.contains(*flag));
    let flags: Vec<&str> = known.map(|(_, name)| *name).collect();
    let bands = meter.bands.iter().map(|band| match band.kind {
        BandKind::Drop => {
            json!({ "type": "drop", "rate": band.rate, "burst_size": band.burst_size })
        }
        BandKind::DscpRemark(level) => json!({
            "type": "dscp_remark",
            "rate": band.rate,
            "burst_size": band.burst_size,
            "prec_level": level,
        }),
    });
    let bands: Vec<Value> = bands.collect();
    json!({ "meter": meter_id_text(meter.id), "flags": flags, "bands": bands })
}

fn meter_stats(stats: &MeterStats) -> Value {
    let bands = stats.bands.iter();
    let bands: Vec<Value> =
        bands.map(|b| json!({ "n_packets": b.packets, "n_bytes": b.bytes })).collect();
    json!({
        "meter": meter_id_text(stats.id),
        "n_flows": stats.n_flows,
        "n_packets": stats.packets_in,
        "n_bytes": stats.bytes_in,
        "duration_s": stats.duration.as_secs_f64(),
        "bands": bands,
    })
}

/// A counter that is not known is `null`.
const fn known(count: u64) -> Option<u64> {
    if count == u64::MAX { None } else { Some(count) }
}

fn port_stats(style: Style<'_>, stats: &PortStats) -> Value {
    json!({
        "port": port_name(style, stats.port),
        "rx_packets": known(stats.rx_packets),
        "tx_packets": known(stats.tx_packets),
        "rx_bytes": known(stats.rx_bytes),
        "tx_bytes": known(stats.tx_bytes),
        "rx_dropped": known(stats.rx_dropped),
        "tx_dropped": known(stats.tx_dropped),
        "rx_errors": known(stats.rx_errors),
        "tx_errors": known(stats.tx_errors),
        "rx_frame_err": known(stats.rx_frame_err),
        "rx_over_err": known(stats.rx_over_err),
        "rx_crc_err": known(stats.rx_crc_err),
        "collisions": known(stats.collisions),
        "duration_s": stats.duration.map(|duration| duration.as_secs_f64()),
    })
}

fn queue_stats(style: Style<'_>, stats: &QueueStats) -> Value {
    json!({
        "port": port_name(style, stats.port),
        "queue": stats.queue,
        "tx_bytes": known(stats.tx_bytes),
        "tx_packets": known(stats.tx_packets),
        "tx_errors": known(stats.tx_errors),
        "duration_s": stats.duration.map(|duration| duration.as_secs_f64()),
    })
}

pub(super) fn queue_desc(style: Style<'_>, desc: &QueueDesc) -> Value {
    let percent = |rate: Option<u16>| rate.map(|rate| f64::from(rate) / 10.0);
    json!({
        "port": port_name(style, desc.port),
        "queue": desc.queue,
        "min_rate_percent": percent(desc.min_rate),
        "max_rate_percent": percent(desc.max_rate),
    })
}

fn port_desc(port: &PortDesc) -> Value {
    let words = |text: String| -> Vec<String> {
        text.split(' ').filter(|word| *word != "0").map(str::to_owned).collect()
    };
    json!({
        "ofport": port.port.0,
        "name": port.name,
        "mac": port.hw_addr.to_string(),
        "config": words(port.config.to_text(" ")),
        "state": words(port.state.to_text(" ")),
        "current": words(port.curr.to_text(" ")),
        "advertised": words(port.advertised.to_text(" ")),
        "supported": words(port.supported.to_text(" ")),
        "peer": words(port.peer.to_text(" ")),
        "curr_speed_kbps": port.curr_speed_kbps,
        "max_speed_kbps": port.max_speed_kbps,
    })
}

fn table_stats(stats: &TableStats) -> Value {
    json!({
        "table": stats.table,
        "n_flows": stats.active,
        "n_lookups": stats.lookups,
        "n_matched": stats.matched,
    })
}

fn table_features(table: &TableFeatures) -> Value {
    json!({
        "table": table.table,
        "name": table.name,
        "max_entries": table.max_entries,
        "metadata_match": format!("{:#x}", table.metadata_match),
        "metadata_write": format!("{:#x}", table.metadata_write),
    })
}

fn table_desc(table: &TableMod) -> Value {
    json!({
        "table": table.table,
        "eviction": table.config & 4 != 0,
        "vacancy_events": table.config & 8 != 0,
    })
}
