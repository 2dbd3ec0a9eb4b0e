//! The naive walk: what becomes of a packet by a list of flows, without masks, caches or lists. The
//! translation and the cached path are checked against it, in tests of this crate and by the fuzz target
//! `translate`, which takes this file as it is.
//!
//! # Design
//! The naive walk looks at every flow for the best and writes the packet at once; [`datapath`] runs a
//! list on a key. Both note what leaves by which port, and are compared.

use std::ops::{Deref, DerefMut};

use datapath::cache::{Claim, FlowCache, Limits};
use datapath::{Action, Actions, DropReason};
use openflow::flow::{FlowCommand, FlowMod};
use openflow::text::parse_flow;
use openflow::{OfAction, OfPort};
use packet::flow::place::{STAGE_L2, STAGE_L3, STAGE_L4};
use packet::flow::tunnel::{bits_of, put_bits};
use packet::flow::{FieldId, KeyVlan, OptionSlot, OptionTable, Subfield};
use packet::vlan::TAG_PRESENT;
use packet::{FlowKey, VlanTag};
use vswitchd::ofproto::xlate::action_set::in_order;
use vswitchd::ofproto::xlate::{MAX_RESUBMITS, XlateOut, port_of};

use super::lab::{Lab, VERSION};

/// Matches of few values, so that packets often do.
pub const MATCHES: &[&str] = &[
    "",
    "in_port=1",
    "in_port=2",
    "dl_dst=02:00:00:00:00:02",
    "dl_src=02:00:00:00:00:01/ff:00:00:00:00:01",
    "dl_vlan=7",
    "vlan_tci=0x0000",
    "dl_vlan=7,dl_vlan_pcp=3",
    "arp",
    "ip",
    "ip,nw_src=10.0.0.0/8",
    "ip,nw_src=10.0.0.1",
    "ip,nw_dst=10.0.0.2",
    "ip,nw_frag=later",
    "ip,nw_ttl=2",
    "ip,nw_tos=4",
    "tcp",
    "tcp,tp_dst=80",
    "tcp,tp_src=0x3e8/0xfff8",
    "udp,tp_dst=53",
    "tcp,tcp_flags=+syn-ack",
    "ipv6",
    "tcp6,tp_dst=80",
    "reg0=1",
    "reg0=0x0/0x3",
    "metadata=5",
    "icmp,icmp_type=8",
    "arp,arp_op=1",
    "tun_metadata0",
    "tun_metadata0=5",
    "tun_metadata1=0x10/0xf0",
];

/// Actions that the naive walk knows.
pub const ACTIONS: &[&str] = &[
    "1",
    "2",
    "3",
    "in_port",
    "load:1->NXM_NX_REG0[]",
    "load:2->NXM_NX_REG0[0..3]",
    "move:NXM_OF_IP_SRC[0..3]->NXM_NX_REG0[0..3]",
    "move:NXM_NX_REG0[0..3]->NXM_OF_ETH_DST[0..3]",
    "move:NXM_OF_VLAN_TCI[]->NXM_NX_REG0[0..15]",
    "set_field:5->tun_metadata0",
    "set_field:0x10/0xf0->tun_metadata1",
    "load:1->NXM_NX_TUN_METADATA1[4..5]",
    "move:NXM_NX_TUN_METADATA1[4..7]->NXM_NX_REG0[0..3]",
    "move:NXM_NX_TUN_METADATA0[0..3]->NXM_NX_TUN_METADATA1[4..7]",
    "mod_dl_dst:02:00:00:00:00:02",
    "mod_dl_src:02:00:00:00:00:05",
    "mod_nw_src:10.0.0.1",
    "mod_nw_dst:10.0.0.2",
    "mod_tp_dst:80",
    "mod_tp_src:1000",
    "mod_nw_tos:4",
    "mod_nw_ttl:2",
    "set_field:53->udp_dst",
    "set_field:80->tcp_dst",
    "mod_vlan_vid:7",
    "mod_vlan_pcp:3",
    "strip_vlan",
    "push_vlan:0x8100",
    "push_vlan:0x88a8",
    "set_field:4103->vlan_vid",
    "push:NXM_OF_ETH_SRC[]",
    "pop:NXM_OF_ETH_DST[]",
    "clone(mod_dl_src:02:00:00:00:00:05,3)",
    "clone(strip_vlan,2)",
    "exit",
    "resubmit(,1)",
    "resubmit(,2)",
    "resubmit(2,1)",
    "resubmit(,3)",
    "dec_ttl",
];

/// Options of tunnel headers that are fields.
pub fn table() -> OptionTable {
    let mut table = OptionTable::EMPTY;
    table.insert(0, (0x102, 0x80), 4).unwrap();
    table.insert(1, (0x102, 0x01), 8).unwrap();
    table.insert(7, (0xffff, 0), 64).unwrap();
    table
}

fn slot(field: FieldId) -> OptionSlot {
    *table().slot(field.option().unwrap()).unwrap()
}

fn read(key: &FlowKey, part: Subfield) -> u128 {
    match part.field.option() {
        Some(_) => bits_of(&key.option(&slot(part.field)), part.offset, part.n_bits),
        None => key.read(part),
    }
}

/// Writes a part of an option's field, which then is there.
pub fn write_option(key: &mut FlowKey, part: Subfield, value: u128) {
    let slot = slot(part.field);
    let mut bytes = key.option(&slot);
    put_bits(&mut bytes, part.offset, part.n_bits, value);
    key.set_option(&slot, &bytes);
}

/// A packet: its headers, and tags below the two that a key holds.
#[derive(Clone)]
struct Packet {
    key: FlowKey,
    below: Vec<KeyVlan>,
}

impl Packet {
    fn new(key: &FlowKey) -> Packet {
        Packet { key: key.clone(), below: Vec::new() }
    }
}

impl Deref for Packet {
    type Target = FlowKey;

    fn deref(&self) -> &FlowKey {
        &self.key
    }
}

impl DerefMut for Packet {
    fn deref_mut(&mut self) -> &mut FlowKey {
        &mut self.key
    }
}

/// What leaves by which port, with which headers.
type Sent = Vec<(String, FlowKey)>;

/// The headers of a key, as the wire would carry them.
fn wire(key: &FlowKey) -> FlowKey {
    let mut wire = FlowKey::EMPTY;
    for at in STAGE_L2.or(STAGE_L3).or(STAGE_L4) {
        wire.put_word(at, key.word(at));
    }
    wire
}

/// Runs a list of the datapath on a key.
fn datapath(list: &[Action], mut key: Packet, sent: &mut Sent) {
    for action in list {
        match action {
            Action::Output { port, .. } => sent.push((port.get().to_string(), wire(&key))),
            Action::Userspace(_) => sent.push(("controller".to_owned(), wire(&key))),
            Action::PushVlan { tpid, tag } => push(&mut key, *tpid, *tag),
            Action::PopVlan => pop(&mut key),
            Action::Set(fields) => {
                let fields = fields.fields();
                key.overwrite(fields.key(), fields.mask());
            }
            Action::DecTtl { expired } => {
                let ttl = key.get(FieldId::IpTtl);
                if ttl <= 1 {
                    return datapath(expired.list(), key, sent);
                }
                key.set(FieldId::IpTtl, ttl - 1);
            }
            Action::Clone(actions) => datapath(actions.list(), key.clone(), sent),
            other => panic!("{other:?}"),
        }
    }
}

fn push(packet: &mut Packet, tpid: u16, tag: VlanTag) {
    let (outer, inner) = (packet.outer_vlan(), packet.inner_vlan());
    packet.below.push(inner);
    packet.set_inner_vlan(outer);
    packet.set_outer_vlan(KeyVlan::new(tpid, VlanTag(tag.0 & !TAG_PRESENT)));
}

fn pop(packet: &mut Packet) {
    let (inner, below) = (packet.inner_vlan(), packet.below.pop());
    packet.set_outer_vlan(inner);
    packet.set_inner_vlan(below.unwrap_or_default());
}

/// The naive walk.
struct Naive<'a> {
    flows: &'a [FlowMod],
    key: Packet,
    sent: Sent,
    set: Vec<OfAction>,
    stack: Vec<u128>,
    exited: bool,
    depth: u32,
    n_lookups: u16,
    too_deep: bool,
}

#[derive(PartialEq)]
enum Go {
    On,
    Return,
}

impl Naive<'_> {
    fn table(&mut self, table: u8) {
        self.n_lookups += 1;
        if self.depth > 64 || self.n_lookups > MAX_RESUBMITS {
            self.too_deep = true;
            return;
        }
        let matching =
            self.flows.iter().filter(|f| f.table == table && f.matching.matches(&self.key));
        // Of equals, whichever: such tables are not compared.
        let best = matching.max_by_key(|flow| flow.priority);
        if let Some(flow) = best {
            let actions = flow.actions.clone();
            self.depth += 1;
            self.run(&actions);
            self.depth -= 1;
        }
    }

    fn run(&mut self, actions: &[OfAction]) {
        for action in actions {
            if self.exited || self.too_deep || self.one(action) == Go::Return {
                return;
            }
        }
    }

    fn set_tci(&mut self, mask: u16, value: u16) {
        let outer = self.key.outer_vlan();
        if outer.tci & TAG_PRESENT == 0 {
            push(&mut self.key, 0x8100, VlanTag(0));
        }
        let mut outer = self.key.outer_vlan();
        outer.tci = outer.tci & !mask | value | TAG_PRESENT;
        self.key.set_outer_vlan(outer);
    }

    fn write(&mut self, field: FieldId, value: u128, mask: u128) {
        if !field.info().prereq.holds(&self.key) {
            return;
        }
        if field == FieldId::VlanVid {
            return self.set_tci(0xfff, u16::try_from(value & 0xfff).unwrap());
        }
        let old = self.key.get(field);
        self.key.set(field, old & !mask | value & mask);
    }

    fn output(&mut self, port: OfPort) {
        let at = match port {
            OfPort::IN_PORT => port_of(&self.key),
            port if port == port_of(&self.key) => return,
            port => port,
        };
        self.sent.push((at.0.to_string(), wire(&self.key)));
    }

    fn one(&mut self, action: &OfAction) -> Go {
        let ip = |key: &FlowKey| key.eth_type().is_ip();
        match action {
            OfAction::Output { port, .. } => self.output(*port),
            OfAction::Load { dst, value } if dst.field.option().is_some() => {
                write_option(&mut self.key, *dst, (*value).into());
            }
            OfAction::SetOption(option) => {
                self.key.set_option_masked(&slot(option.field()), &option.value, &option.mask);
            }
            OfAction::Load { dst, value } => {
                self.write(dst.field, u128::from(*value) << dst.offset, dst.mask())
            }
            OfAction::SetField(set) => self.write(set.field, set.value, set.mask),
            OfAction::Move { src, dst } if src.field.info().prereq.holds(&self.key) => {
                let value = read(&self.key, *src);
                match dst.field.option() {
                    Some(_) => write_option(&mut self.key, *dst, value),
                    None => self.write(dst.field, value << dst.offset, dst.mask()),
                }
            }
            OfAction::SetEthSrc(mac) => self.write(FieldId::EthSrc, mac.to_u64().into(), u128::MAX),
            OfAction::SetEthDst(mac) => self.write(FieldId::EthDst, mac.to_u64().into(), u128::MAX),
            OfAction::SetIpv4Src(a) => self.write(FieldId::Ipv4Src, a.to_bits().into(), u128::MAX),
            OfAction::SetIpv4Dst(a) => self.write(FieldId::Ipv4Dst, a.to_bits().into(), u128::MAX),
            OfAction::SetIpTos(tos) if ip(&self.key) => {
                self.write(FieldId::IpDscp, (tos >> 2).into(), u128::MAX)
            }
            OfAction::SetIpTtl(ttl) if ip(&self.key) => {
                self.write(FieldId::IpTtl, (*ttl).into(), u128::MAX)
            }
            OfAction::SetTpSrc(p) => [FieldId::TcpSrc, FieldId::UdpSrc, FieldId::SctpSrc]
                .into_iter()
                .for_each(|f| self.write(f, (*p).into(), 0xffff)),
            OfAction::SetTpDst(p) => [FieldId::TcpDst, FieldId::UdpDst, FieldId::SctpDst]
                .into_iter()
                .for_each(|f| self.write(f, (*p).into(), 0xffff)),
            OfAction::SetVlanVid(vid) => self.set_tci(0xfff, *vid),
            OfAction::SetVlanPcp(pcp) => self.set_tci(0xe000, u16::from(*pcp) << 13),
            OfAction::StripVlan if self.key.has_vlan() => pop(&mut self.key),
            OfAction::PushVlan(tpid) => push(&mut self.key, *tpid, VlanTag(0)),
            OfAction::Push(part) => self.stack.push(self.key.read(*part)),
            OfAction::Pop(part) => {
                if let Some(value) = self.stack.pop() {
                    self.write(part.field, value << part.offset, part.mask());
                }
            }
            OfAction::Clone(actions) => {
                let (key, set, stack, exited) =
                    (self.key.clone(), self.set.clone(), self.stack.clone(), self.exited);
                self.run(actions);
                self.run_set();
                (self.key, self.set, self.stack, self.exited) = (key, set, stack, exited);
            }
            OfAction::Exit => self.exited = true,
            OfAction::Resubmit { in_port, table, .. } => {
                let before = self.key.get(FieldId::InPortOxm);
                if *in_port != OfPort::IN_PORT {
                    self.key.set(FieldId::InPortOxm, in_port.to_wide().into());
                }
                self.table(table.unwrap());
                self.key.set(FieldId::InPortOxm, before);
            }
            OfAction::GotoTable(table) => self.table(*table),
            OfAction::WriteActions(actions) => self.set.extend(actions.clone()),
            OfAction::DecTtl(_) if ip(&self.key) => {
                let ttl = self.key.get(FieldId::IpTtl);
                if ttl <= 1 {
                    self.sent.push(("controller".to_owned(), wire(&self.key)));
                    return Go::Return;
                }
                self.key.set(FieldId::IpTtl, ttl - 1);
            }
            _ => {}
        }
        Go::On
    }

    fn run_set(&mut self) {
        let actions = in_order(&std::mem::take(&mut self.set));
        self.exited = false;
        self.run(&actions);
    }
}

/// Priorities such that no two flows of a table have the same: which of them wins is open.
fn distinct(flows: &[String]) -> Vec<String> {
    let number = |(n, flow): (usize, &String)| {
        let (head, rest) = flow.split_once("priority=").unwrap();
        let (priority, rest) = rest.split_at(1);
        format!("{head}priority={}{rest}", priority.parse::<usize>().unwrap() * 100 + n)
    };
    flows.iter().enumerate().map(number).collect()
}

/// The way that packets take: what is cached is done, and what is not is translated and cached.
struct Cached<'a> {
    lab: &'a Lab,
    cache: FlowCache<Actions>,
}

impl Cached<'_> {
    fn send(&mut self, key: &FlowKey) -> Sent {
        let actions = match self.cache.lookup(key) {
            Some(id) => self.cache.megaflows.get(id).unwrap().actions.clone(),
            None => {
                let XlateOut { actions, mut mask, .. } = self.lab.translate(key);
                mask.add_field(FieldId::InPortOxm);
                mask.add_field(FieldId::RecircId);
                let claim = Claim { key, mask: &mask, version: VERSION, now_ns: 0 };
                self.cache.megaflows.insert(claim, actions.clone()).unwrap();
                actions
            }
        };
        let mut sent = Sent::new();
        datapath(actions.list(), Packet::new(key), &mut sent);
        sent
    }
}

/// What the naive walk does with a packet; nothing is said of one that goes too deep.
fn naive(flows: &[FlowMod], key: &FlowKey) -> Option<Sent> {
    let mut naive = Naive {
        flows,
        key: Packet::new(key),
        sent: Sent::new(),
        set: Vec::new(),
        stack: Vec::new(),
        exited: false,
        depth: 0,
        n_lookups: 0,
        too_deep: false,
    };
    naive.table(0);
    if naive.too_deep {
        return None;
    }
    naive.run_set();
    Some(naive.sent)
}

/// Checks with flows, `priority=` one digit each, that packets get what the naive walk gives them: by a
/// translation of their own, by that of any other that is equal under its mask, and by the cache. How
/// many copies left, of all packets.
pub fn check(flows: &[String], keys: &[FlowKey]) -> usize {
    let flows = distinct(flows);
    let texts: Vec<&str> = flows.iter().map(String::as_str).collect();
    let lab = Lab::with_options(3, &texts, table());
    let parsed = |text: &&str| {
        let mut flow = parse_flow(FlowCommand::Add, text).unwrap();
        flow.matching.resolve(&table()).unwrap();
        flow
    };
    let mods: Vec<FlowMod> = texts.iter().map(parsed).collect();
    let mut cached = Cached { lab: &lab, cache: FlowCache::new(Limits::default(), 1) };
    let mut n_sent = 0;
    for key in keys {
        let out = lab.translate(key);
        let list = lab.words(&out, key);
        // Sound: every packet that is equal under the mask gets the same.
        for other in keys {
            let mut alike = other.clone();
            alike.overwrite(key, &out.mask);
            alike.set(FieldId::InPortOxm, key.get(FieldId::InPortOxm));
            let again = lab.translate(&alike);
            let words = lab.words(&again, key);
            // The list may be another, as that of a packet whose time is over; what it does may not.
            let (mut a, mut b) = (Sent::new(), Sent::new());
            datapath(out.actions.list(), Packet::new(&alike), &mut a);
            datapath(again.actions.list(), Packet::new(&alike), &mut b);
            assert_eq!(a, b, "{flows:#?}\n{list}\n{words}");
        }
        // Right: it does what the naive walk does, whoever was translated before.
        let right = naive(&mods, key);
        let from_cache = cached.send(key);
        if let Some(right) = right.filter(|_| out.actions.end() != DropReason::RecursionTooDeep) {
            let mut sent = Sent::new();
            datapath(out.actions.list(), Packet::new(key), &mut sent);
            assert_eq!(sent, right, "{flows:#?}\n{key:?}\n{list}");
            assert_eq!(from_cache, right, "{flows:#?}\n{key:?}\n{list}");
            n_sent += right.len();
        }
    }
    n_sent
}
