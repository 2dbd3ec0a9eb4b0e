//! A list of datapath actions, printed.

use std::fmt::Write as _;

use datapath::action::{Select, SetField, Userspace};
use datapath::{Action, Actions, PortNo};
use openflow::action::ControllerReason;
use packet::FlowKey;

use super::flow::set_texts;
use super::tunnel;
use crate::ofproto::view::View;
use crate::ofproto::xlate::keep::Keeper;
use crate::ofproto::xlate::tunnel::fixed_key;

/// What is needed to print actions.
#[derive(Clone, Copy)]
pub struct Words<'a> {
    /// Names of ports; numbers if there is none.
    pub port: &'a dyn Fn(u32) -> String,
    /// Names of bridges.
    pub view: &'a View,
    /// What is said to controllers.
    pub keeper: &'a Keeper,
    /// The packet, for names of headers.
    pub key: &'a FlowKey,
}

/// Prints a list; `drop` if there is nothing in it.
#[must_use]
pub fn actions_text(actions: &Actions, words: &Words<'_>) -> String {
    let text = list_text(actions.list(), words);
    if text.is_empty() { "drop".to_owned() } else { text }
}

fn list_text(list: &[Action], words: &Words<'_>) -> String {
    let texts: Vec<String> = list.iter().filter_map(|action| text(action, words)).collect();
    texts.join(",")
}

fn text(action: &Action, words: &Words<'_>) -> Option<String> {
    let nested = |actions: &Actions| list_text(actions.list(), words);
    Some(match action {
        Action::Output { port, max_len } => {
            let config = words.view.port(*port).and_then(|(_, port)| port.tunnel.clone());
            let set = config.map(|config| tunnel::set_text(&fixed_key(&config), &config));
            output_text(*port, *max_len, set, words)
        }
        Action::Tunnel { port, max_len, key } => {
            let config = words.view.port(*port).and_then(|(_, port)| port.tunnel.clone());
            let set = config.map(|config| tunnel::set_text(key, &config));
            output_text(*port, *max_len, set, words)
        }
        Action::Normal { bridge, .. } => {
            let name = words.view.bridge(*bridge).map(|bridge| bridge.name.to_string());
            format!("normal({})", name.unwrap_or_default())
        }
        Action::Mirror { port, .. } => format!("mirror({})", (words.port)(port.get().into())),
        Action::PushVlan { tpid, tag } => {
            let tpid = if *tpid == packet::vlan::TPID_CTAG {
                String::new()
            } else {
                format!("tpid=0x{tpid:04x},")
            };
            format!("push_vlan({tpid}vid={},pcp={})", tag.vid().get(), tag.pcp().get())
        }
        Action::PopVlan => "pop_vlan".to_owned(),
        Action::PushMpls { ethertype, lse } => format!(
            "push_mpls(label={},tc={},ttl={},bos={},eth_type=0x{:x})",
            lse >> 12,
            lse >> 9 & 7,
            lse & 0xff,
            lse >> 8 & 1,
            ethertype.0
        ),
        Action::PopMpls { ethertype } => format!("pop_mpls(eth_type=0x{:x})", ethertype.0),
        Action::Set(fields) => return set_text(fields, words),
        Action::DecTtl { expired } => format!("dec_ttl(le_1({}))", nested(expired)),
        Action::Meter(id) => format!("meter({})", id.0),
        Action::Select(select) => select_text(select, words),
        Action::Clone(actions) => format!("clone({})", nested(actions)),
        Action::Userspace(what) => userspace_text(*what, words.keeper),
        Action::Recirc(id) => format!("recirc({:#x})", id.0),
        Action::Longer { than, then, otherwise } => format!(
            "check_pkt_len(size={than},gt(recirc({:#x})),le(recirc({:#x})))",
            then.0, otherwise.0
        ),
        Action::Count(_) => return None,
    })
}

/// A port, behind what is set for it alone.
fn output_text(
    port: PortNo,
    max_len: Option<u32>,
    set: Option<String>,
    words: &Words<'_>,
) -> String {
    let cut = max_len.map(|max_len| format!("trunc({max_len})"));
    let port = (words.port)(u32::from(port.get()));
    let parts: Vec<String> = set.into_iter().chain(cut).chain([port]).collect();
    parts.join(",")
}

fn set_text(fields: &SetField, words: &Words<'_>) -> Option<String> {
    let fields = fields.fields();
    let headers = set_texts(fields.key(), fields.mask(), words.key);
    let texts: Vec<String> = headers.iter().map(|header| format!("set({header})")).collect();
    (!texts.is_empty()).then(|| texts.join(","))
}

fn select_text(select: &Select, words: &Words<'_>) -> String {
    let mut text = "select(".to_owned();
    for (at, bucket) in select.buckets.iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        let list = list_text(bucket.actions.list(), words);
        // Writing to a string does not fail.
        let _ = write!(text, "{comma}bucket({})", if list.is_empty() { "drop" } else { &list });
    }
    text.push(')');
    text
}

fn userspace_text(what: Userspace, keeper: &Keeper) -> String {
    let Some(sending) = keeper.sending(what.token) else {
        return format!("userspace(token={:#x})", what.token);
    };
    format!(
        "userspace(pid=0,controller(reason={},dont_send=0,continuation={},recirc_id=0,\
         rule_cookie={:#x},controller_id={},max_len={}))",
        reason_number(sending.reason),
        u8::from(sending.paused.is_some()),
        sending.cookie,
        sending.controller_id,
        sending.max_len.unwrap_or(u16::MAX)
    )
}

const fn reason_number(reason: ControllerReason) -> u8 {
    reason as u8
}
