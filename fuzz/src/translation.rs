//! Tables of flows and packets, made of bytes, for the target `translate`.
//!
//! # Design
//! | bytes | mean |
//! |---|---|
//! | 1 | how many flows follow, less one |
//! | 11 each | a flow: table and priority; match and four bytes of its value; which endings; four actions |
//! | the rest | frames: port, length, and as many bytes |
//!
//! Matches and actions are those that the naive walk of the tests of translation knows, in words, so
//! that what a finding prints can be read; some take a value from the input. What is left over says
//! nothing.

use openflow::flow::FlowCommand;
use openflow::text::parse_flow;
use packet::FlowKey;
use packet::flow::FieldId;
use packet::flow::extract::{self, Depth, VlanLimit};

#[allow(dead_code, clippy::unwrap_used, reason = "tests of translation, which use more of it")]
#[path = "../../vswitchd/src/ofproto/xlate/tests/lab.rs"]
mod lab;
#[allow(clippy::unwrap_used, reason = "tests of translation")]
#[path = "../../vswitchd/src/ofproto/xlate/tests/naive.rs"]
pub mod naive;

use naive::{ACTIONS, MATCHES};

/// Flows and packets at most: each pair of packets is compared.
const N_FLOWS_MAX: usize = 16;
const N_FRAMES_MAX: usize = 8;
const N_PORTS: u8 = 3;
const N_TABLES: u8 = 4;

/// What the input says.
#[must_use]
pub fn read(input: &[u8]) -> (Vec<String>, Vec<FlowKey>) {
    let Some((n, mut rest)) = input.split_first() else { return Default::default() };
    let mut flows = Vec::new();
    for _ in 0..=usize::from(*n) % N_FLOWS_MAX {
        let Some((flow, next)) = rest.split_first_chunk() else { break };
        rest = next;
        // What is no flow is none: a value that its field does not take.
        flows.extend(Some(flow_of(flow)).filter(|text| parse_flow(FlowCommand::Add, text).is_ok()));
    }
    let mut keys = Vec::new();
    while let Some(([port, len], next)) = rest.split_first_chunk()
        && keys.len() < N_FRAMES_MAX
    {
        let (frame, next) = next.split_at(usize::from(*len).min(next.len()));
        rest = next;
        let mut key = FlowKey::EMPTY;
        extract::headers(frame, Depth::L4, VlanLimit::Two, &mut key);
        key.set(FieldId::InPortOxm, u128::from(1 + port % N_PORTS));
        keys.push(key);
    }
    (flows, keys)
}

fn flow_of([place, kind, a, b, c, d, ends, actions @ ..]: &[u8; 11]) -> String {
    let (table, priority) = (place % N_TABLES, place / N_TABLES % 6);
    let value = [*a, *b, *c, *d];
    let matching = match_of(*kind, value);
    let mut actions: Vec<String> = actions.iter().filter_map(|n| action_of(*n, value)).collect();
    // One resubmission each: the number of walks grows with their product.
    let mut seen = false;
    actions.retain(|action| !action.starts_with("resubmit") || !std::mem::replace(&mut seen, true));
    match ends % 8 {
        0 => actions.push("write_actions(output:1)".to_owned()),
        1 => actions.push("write_actions(mod_dl_src:02:00:00:00:00:05,output:2)".to_owned()),
        _ => {}
    }
    if ends & 8 != 0 && table + 1 < N_TABLES {
        actions.push(format!("goto_table:{}", table + 1));
    }
    let actions = if actions.is_empty() { "drop".to_owned() } else { actions.join(",") };
    let comma = if matching.is_empty() { "" } else { "," };
    format!("table={table},priority={priority}{comma}{matching},actions={actions}")
}

fn match_of(kind: u8, value @ [a, b, c, d]: [u8; 4]) -> String {
    let kind = usize::from(kind);
    if let Some(matching) = MATCHES.get(kind) {
        return (*matching).to_owned();
    }
    let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    let (within, bits) = (high & low, low);
    let word = u32::from_be_bytes(value);
    match kind % 16 {
        0 => format!("ip,nw_src={a}.{b}.{c}.{d}/{}", d % 33),
        1 => format!("ip,nw_dst={a}.{b}.{c}.{d}/{}", a % 33),
        2 => format!("tcp,tp_src={within}/{bits:#x}"),
        3 => format!("udp,tp_dst={within}/{bits:#x}"),
        4 => format!("ipv6,ipv6_src={high:x}::{low:x}/{}", a % 129),
        5 => format!("ipv6,ipv6_dst={high:x}::{low:x}/{}", b % 129),
        6 => format!("vlan_tci={within:#x}/{bits:#x}"),
        7 => format!("reg0={:#x}/{bits:#x}", within),
        8 => format!("dl_type={high:#x}"),
        9 => format!("ip,nw_proto={a},nw_tos={}", b & 0xfc),
        10 => format!("mpls,mpls_label={},mpls_bos={}", word >> 12, d & 1),
        11 => format!("icmp6,icmp_type={a},icmp_code={b}"),
        12 => format!("arp,arp_spa={a}.{b}.{c}.{d}/{}", d % 33),
        13 => format!("in_port={},ip,nw_ttl={b}", 1 + a % N_PORTS),
        14 => format!("sctp,tp_dst={high}"),
        _ => format!("dl_src={a:02x}:{b:02x}:{c:02x}:{d:02x}:00:00/ff:f0:0f:ff:00:00"),
    }
}

fn action_of(kind: u8, value: [u8; 4]) -> Option<String> {
    let kind = usize::from(kind);
    if let Some(action) = ACTIONS.get(kind) {
        return Some((*action).to_owned());
    }
    let [a, b, c, d] = value;
    match kind % 8 {
        0 => Some(format!("load:{:#x}->NXM_NX_REG0[]", u32::from_be_bytes(value))),
        1 => Some(format!("mod_nw_src:{a}.{b}.{c}.{d}")),
        2 => Some(format!("mod_tp_dst:{}", u16::from_be_bytes([a, b]))),
        3 => Some(format!("mod_nw_ttl:{a}")),
        4 => Some(format!("move:NXM_OF_UDP_SRC[0..{}]->NXM_NX_REG0[0..{0}]", a % 16)),
        _ => None,
    }
}
