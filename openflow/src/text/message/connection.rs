//! Messages about the connection and the switch: HELLO, features, roles, bundles and the like.

use core::fmt::Write;

use super::super::group_features::actions_text as action_names;
use super::super::names::Style;
use super::super::{queue_desc_text, table_desc_text};
use crate::codec::{FlowFormat, TableIds};
use crate::control::{AsyncConfig, Role, RoleMessage};
use crate::message::Message;
use crate::nicira::{PacketInFormat, TlvCommand, TlvMap};
use crate::switch::{Features, FragHandling, SwitchConfig};
use crate::version::Version;

pub(super) fn put(text: &mut String, style: Style<'_>, message: &Message) {
    let _ = match message {
        Message::Hello(hello) => {
            let known = (1..32_u8).filter(|number| hello.versions.bits() & 1 << number != 0);
            let words: Vec<String> = known.map(|number| format!("{number:#04x}")).collect();
            write!(text, "\n version bitmap: {}", words.join(", "))
        }
        Message::EchoRequest(data) | Message::EchoReply(data) => {
            write!(text, " {} bytes of payload", data.len())
        }
        Message::FeaturesReply(features) => {
            put_features(text, style, features);
            Ok(())
        }
        Message::GetConfigReply(config) | Message::SetConfig(config) => {
            write!(text, " {}", config_text(config))
        }
        Message::QueueConfigRequest(port) => write!(text, " port={}", style.port(*port)),
        Message::QueueConfigReply(config) => {
            write!(text, "{}", queue_desc_text(style, &config.queues))
        }
        Message::TableMod(table) => write!(text, "{}", table_desc_text(style, table)),
        Message::TableStatus(status) => {
            let reason = if status.reason == 3 { "VACANCY_DOWN" } else { "VACANCY_UP" };
            let desc = table_desc_text(style, &status.desc);
            write!(text, " reason={reason}\ntable_desc:-{desc}")
        }
        Message::RoleRequest(role) | Message::RoleReply(role) => {
            write!(text, " {}", role_text(role))
        }
        Message::RoleStatus(status) => {
            let reason = match status.reason {
                0 => "primary_request",
                1 => "configuration_changed",
                2 => "experimenter_data_changed",
                _ => "(unknown)",
            };
            let (role, id) = (role_name(status.role), status.generation_id);
            write!(text, " role={role} generation_id={id} reason={reason}")
        }
        Message::GetAsyncReply(config) | Message::SetAsync(config) | Message::SetAsync2(config) => {
            put_async(text, config);
            Ok(())
        }
        Message::BundleControl(control) => {
            let (id, step, flags) = (control.id, control.step.name(), control.flags.to_text(" "));
            write!(text, "\n bundle_id={id:#x} type={step} flags={flags}")
        }
        _ => return put_nicira(text, message),
    };
}

fn put_nicira(text: &mut String, message: &Message) {
    let _ = match message {
        Message::SetFlowFormat(FlowFormat::OpenFlow10) => write!(text, " format=openflow10"),
        Message::SetFlowFormat(FlowFormat::Nxm) => write!(text, " format=nxm"),
        Message::FlowModTableId(TableIds::On) => write!(text, " enable"),
        Message::FlowModTableId(TableIds::Off) => write!(text, " disable"),
        Message::SetPacketInFormat(format) => {
            let name = match format {
                PacketInFormat::Standard => "standard",
                PacketInFormat::Nxt => "nxt_packet_in",
                PacketInFormat::Nxt2 => "nxt_packet_in2",
            };
            write!(text, " format={name}")
        }
        Message::SetControllerId(id) => write!(text, " id={id}"),
        Message::FlowMonitorCancel(id) => write!(text, " id={id}"),
        Message::TlvTableMod(table) => {
            let command = match table.command {
                TlvCommand::Add => "ADD",
                TlvCommand::Delete => "DEL",
                TlvCommand::Clear => "CLEAR",
            };
            let _ = write!(text, "\n {command} mapping table:");
            put_maps(text, &table.maps);
            Ok(())
        }
        Message::TlvTableReply(table) => {
            let _ = write!(
                text,
                "\n max option space={} max fields={}",
                table.max_space, table.max_fields
            );
            let _ = write!(
                text,
                "\n allocated option space={}",
                table.maps.iter().map(|map| u32::from(map.len)).sum::<u32>()
            );
            text.push_str("\n\n mapping table:");
            put_maps(text, &table.maps);
            Ok(())
        }
        _ => Ok(()),
    };
}

fn put_maps(text: &mut String, maps: &[TlvMap]) {
    text.push_str("\n  class  type  length  match field\n ------  ----  ------  --------------");
    for TlvMap { class, kind, len, index } in maps {
        let _ = write!(text, "\n {class:#6x}  {kind:#4x}  {len:6}  tun_metadata{index}");
    }
}

fn put_features(text: &mut String, style: Style<'_>, features: &Features) {
    let Features { datapath_id, n_tables, n_buffers, auxiliary_id, .. } = features;
    let _ = write!(text, " dpid:{datapath_id:016x}\nn_tables:{n_tables}, n_buffers:{n_buffers}");
    if *auxiliary_id != 0 {
        let _ = write!(text, ", auxiliary_id:{auxiliary_id}");
    }
    let _ = write!(text, "\ncapabilities: {}\n", features.capabilities.to_text(" "));
    if style.version == Version::V10 {
        let _ = writeln!(text, "actions: {}", action_names(style.version, features.actions));
    }
    super::stats::put_ports(text, &features.ports);
}

pub(super) fn config_text(config: &SwitchConfig) -> String {
    let frag = match config.frag {
        FragHandling::Normal => "normal",
        FragHandling::Drop => "drop",
        FragHandling::Reassemble => "reassemble",
        FragHandling::NxMatch => "nx-match",
    };
    let mut text = format!("frags={frag}");
    if config.invalid_ttl_to_controller {
        text.push_str(" invalid_ttl_to_controller");
    }
    let _ = write!(text, " miss_send_len={}", config.miss_send_len);
    text
}

const fn role_name(role: Role) -> &'static str {
    match role {
        Role::NoChange => "nochange",
        Role::Equal => "equal",
        Role::Primary => "primary",
        Role::Secondary => "secondary",
    }
}

fn role_text(role: &RoleMessage) -> String {
    let mut text = format!("role={}", role_name(role.role));
    if let Some(id) = role.generation_id {
        let _ = write!(text, " generation_id={id}");
    }
    text
}

const ASYNC: [(&str, &[&str]); 6] = [
    (
        "PACKET_IN",
        &[
            "no_match",
            "action",
            "invalid_ttl",
            "action_set",
            "group",
            "packet_out",
            "explicit_miss",
        ],
    ),
    ("PORT_STATUS", &["add", "delete", "modify"]),
    ("FLOW_REMOVED", &["idle", "hard", "delete", "group_delete", "meter_delete", "eviction"]),
    ("ROLE_STATUS", &["primary_request", "configuration_changed", "experimenter_data_changed"]),
    ("TABLE_STATUS", &["", "", "", "vacancy_down", "vacancy_up"]),
    ("REQUESTFORWARD", &["group_mod_request", "meter_mod_request"]),
];

fn put_async(text: &mut String, config: &AsyncConfig) {
    for (title, masks) in [("primary", config.primary), ("secondary", config.secondary)] {
        let _ = write!(text, "\n {title}:");
        for ((name, reasons), mask) in ASYNC.iter().zip(masks) {
            let mask = mask.unwrap_or(0);
            let words = reasons.iter().enumerate().filter(|(bit, _)| mask & 1 << bit != 0);
            let words: Vec<&str> = words.map(|(_, word)| *word).collect();
            let words = if words.is_empty() { "(off)".to_owned() } else { words.join(" ") };
            let _ = write!(text, "\n{name:>16}: {words}");
        }
    }
}
