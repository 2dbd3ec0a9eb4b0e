//! Actions, printed.

use core::fmt::Write;

use super::super::learn;
use super::super::names::Style;
use super::super::value::{self, hex, subfield_text};
use crate::action::{Bundle, MemberAlgorithm, Multipath, OfAction, Sample, SampleDirection};
use crate::action::{ControllerReason, SetField, ToController};
use crate::port::OfPort;
use crate::version::Version;

/// Writes actions as `ovs-ofctl` does. The version says which of two words a tag is taken off by.
#[must_use]
pub fn actions_text<'a>(style: impl Into<Style<'a>>, actions: &[OfAction]) -> String {
    list(style.into(), actions)
}

fn list(style: Style<'_>, actions: &[OfAction]) -> String {
    if actions.is_empty() {
        return "drop".to_owned();
    }
    let texts: Vec<String> = actions.iter().map(|action| text(style, action)).collect();
    texts.join(",")
}

fn inner(style: Style<'_>, actions: &[OfAction]) -> String {
    if actions.is_empty() { String::new() } else { list(style, actions) }
}

fn text(style: Style<'_>, action: &OfAction) -> String {
    match action {
        OfAction::Output { port: OfPort::CONTROLLER, max_len } => format!("CONTROLLER:{max_len}"),
        OfAction::Output { port, .. } if port.is_reserved() => port.to_string(),
        OfAction::Output { port, .. } => format!("output:{}", style.port(*port)),
        OfAction::OutputReg { src, .. } => format!("output:{}", subfield_text(*src)),
        OfAction::OutputTrunc { port, max_len } => {
            format!("output(port={},max_len={max_len})", style.port(*port))
        }
        OfAction::Controller(to) => controller(to),
        OfAction::Group(group) => format!("group:{group}"),
        OfAction::Enqueue { port, queue } => format!("enqueue:{}:{queue}", style.port(*port)),
        OfAction::SetQueue(queue) => format!("set_queue:{queue}"),
        OfAction::PopQueue => "pop_queue".to_owned(),
        OfAction::Bundle(choice) => bundle(style, choice),
        OfAction::Multipath(choice) => multipath(choice),
        OfAction::Push(part) => format!("push:{}", subfield_text(*part)),
        OfAction::Pop(part) => format!("pop:{}", subfield_text(*part)),
        OfAction::SetField(SetField { field, value, mask }) => {
            let value = value::text(style.names, *field, *value, *mask);
            format!("set_field:{value}->{}", field.info().name)
        }
        OfAction::SetOption(option) => {
            let value = match value::option_text(option) {
                value if value.is_empty() => "0/0".to_owned(),
                value => value,
            };
            format!("set_field:{value}->{}", option.field().info().name)
        }
        OfAction::Load { dst, value } => {
            format!("load:{}->{}", hex((*value).into()), subfield_text(*dst))
        }
        OfAction::Move { src, dst } => {
            format!("move:{}->{}", subfield_text(*src), subfield_text(*dst))
        }
        OfAction::Resubmit { .. } => resubmit(style, action),
        OfAction::Learn(learned) => learn::text(style, learned),
        OfAction::Conjunction { id, clause, n_clauses } => {
            format!("conjunction({id},{}/{n_clauses})", u16::from(*clause) + 1)
        }
        OfAction::Clone(actions) => format!("clone({})", inner(style, actions)),
        OfAction::Note(bytes) => format!("note:{}", dotted(bytes)),
        OfAction::Exit => "exit".to_owned(),
        OfAction::FinTimeout { idle_s, hard_s } => fin_timeout(*idle_s, *hard_s),
        OfAction::Sample(taken) => sample(taken),
        OfAction::CheckPktLarger { len, dst } => {
            format!("check_pkt_larger({len})->{}", subfield_text(*dst))
        }
        OfAction::Meter(meter) => format!("meter:{meter}"),
        OfAction::ClearActions => "clear_actions".to_owned(),
        OfAction::WriteActions(actions) => format!("write_actions({})", inner(style, actions)),
        OfAction::WriteMetadata { value, mask: u64::MAX } => format!("write_metadata:{value:#x}"),
        OfAction::WriteMetadata { value, mask } => {
            format!("write_metadata:{}/{}", hex((*value).into()), hex((*mask).into()))
        }
        OfAction::GotoTable(table) => format!("goto_table:{}", style.table(*table)),
        _ => modify(style.version, action),
    }
}

/// Actions that write one field each.
fn modify(version: Version, action: &OfAction) -> String {
    match action {
        OfAction::SetVlanVid(vid) => format!("mod_vlan_vid:{vid}"),
        OfAction::SetVlanPcp(pcp) => format!("mod_vlan_pcp:{pcp}"),
        OfAction::StripVlan if version == Version::V10 => "strip_vlan".to_owned(),
        OfAction::StripVlan => "pop_vlan".to_owned(),
        OfAction::PushVlan(tpid) => format!("push_vlan:{tpid:#06x}"),
        OfAction::SetEthSrc(mac) => format!("mod_dl_src:{mac}"),
        OfAction::SetEthDst(mac) => format!("mod_dl_dst:{mac}"),
        OfAction::SetIpv4Src(ip) => format!("mod_nw_src:{ip}"),
        OfAction::SetIpv4Dst(ip) => format!("mod_nw_dst:{ip}"),
        OfAction::SetIpTos(tos) => format!("mod_nw_tos:{tos}"),
        OfAction::SetIpEcn(ecn) => format!("mod_nw_ecn:{ecn}"),
        OfAction::SetIpTtl(ttl) => format!("mod_nw_ttl:{ttl}"),
        OfAction::SetTpSrc(port) => format!("mod_tp_src:{port}"),
        OfAction::SetTpDst(port) => format!("mod_tp_dst:{port}"),
        OfAction::PushMpls(ethertype) => format!("push_mpls:{ethertype:#06x}"),
        OfAction::PopMpls(ethertype) => format!("pop_mpls:{ethertype:#06x}"),
        OfAction::SetMplsLabel(label) => format!("set_mpls_label({label})"),
        OfAction::SetMplsTc(tc) => format!("set_mpls_tc({tc})"),
        OfAction::SetMplsTtl(ttl) => format!("set_mpls_ttl({ttl})"),
        OfAction::DecMplsTtl => "dec_mpls_ttl".to_owned(),
        OfAction::DecTtl(ids) if ids.is_empty() => "dec_ttl".to_owned(),
        OfAction::DecTtl(ids) => {
            let ids: Vec<String> = ids.iter().map(u16::to_string).collect();
            format!("dec_ttl({})", ids.join(","))
        }
        OfAction::SetTunnel(id) => format!("set_tunnel:{}", hex((*id).into())),
        OfAction::SetTunnel64(id) => format!("set_tunnel64:{}", hex((*id).into())),
        _ => String::new(),
    }
}

fn dotted(bytes: &[u8]) -> String {
    let bytes: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.join(".")
}

fn resubmit(style: Style<'_>, action: &OfAction) -> String {
    let OfAction::Resubmit { in_port, table, original } = action else { return String::new() };
    let named = style.port(*in_port).to_string();
    let port = if *in_port == OfPort::IN_PORT { String::new() } else { named };
    match (table, original) {
        (None, false) if !port.is_empty() => format!("resubmit:{port}"),
        (None, false) => format!("resubmit:{in_port}"),
        (table, original) => {
            let table = table.map_or_else(String::new, |table| style.table(table).to_string());
            format!("resubmit({port},{table}{})", if *original { ",ct" } else { "" })
        }
    }
}

fn controller(to: &ToController) -> String {
    let mut words = Vec::new();
    if to.reason != ControllerReason::Action {
        words.push(format!("reason={}", to.reason.name()));
    }
    if to.max_len != u16::MAX {
        words.push(format!("max_len={}", to.max_len));
    }
    if to.id != 0 {
        words.push(format!("id={}", to.id));
    }
    if !to.userdata.is_empty() {
        words.push(format!("userdata={}", dotted(&to.userdata)));
    }
    if to.pause {
        words.push("pause".to_owned());
    }
    if let Some(meter) = to.meter_id {
        words.push(format!("meter_id={meter}"));
    }
    if words.is_empty() {
        "CONTROLLER:65535".to_owned()
    } else {
        format!("controller({})", words.join(","))
    }
}

fn fin_timeout(idle_s: u16, hard_s: u16) -> String {
    let mut words = Vec::new();
    if idle_s != 0 {
        words.push(format!("idle_timeout={idle_s}"));
    }
    if hard_s != 0 {
        words.push(format!("hard_timeout={hard_s}"));
    }
    format!("fin_timeout({})", words.join(","))
}

fn bundle(style: Style<'_>, choice: &Bundle) -> String {
    let name = if choice.dst.is_some() { "bundle_load" } else { "bundle" };
    let algorithm = match choice.algorithm {
        MemberAlgorithm::ActiveBackup => "active_backup",
        MemberAlgorithm::Hrw => "hrw",
    };
    let mut text = format!("{name}({},{},{algorithm},ofport,", choice.fields.name(), choice.basis);
    if let Some(dst) = choice.dst {
        let _ = write!(text, "{},", subfield_text(dst));
    }
    let members: Vec<String> =
        choice.members.iter().map(|port| style.port(*port).to_string()).collect();
    let _ = write!(text, "members:{})", members.join(","));
    text
}

fn multipath(choice: &Multipath) -> String {
    let Multipath { fields, basis, algorithm, max_link, arg, dst } = choice;
    let n_links = u32::from(*max_link) + 1;
    let (fields, algorithm, dst) = (fields.name(), algorithm.name(), subfield_text(*dst));
    format!("multipath({fields},{basis},{algorithm},{n_links},{arg},{dst})")
}

fn sample(taken: &Sample) -> String {
    let mut text = format!(
        "sample(probability={},collector_set_id={},obs_domain_id={},obs_point_id={}",
        taken.probability, taken.collector_set_id, taken.obs_domain_id, taken.obs_point_id
    );
    if taken.sampling_port != OfPort::NONE {
        let _ = write!(text, ",sampling_port={}", taken.sampling_port);
    }
    text.push_str(match taken.direction {
        SampleDirection::Default => ")",
        SampleDirection::Ingress => ",ingress)",
        SampleDirection::Egress => ",egress)",
    });
    text
}
