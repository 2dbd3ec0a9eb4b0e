//! The oracle: any two packets that are equal under a mask get the same list; and the list does to a
//! packet what a naive walk does, that knows neither masks nor caches nor lists.
//!
//! # Design
//! Tables are random, made of few values so that packets often match. The naive walk looks at every flow
//! for the best and writes the packet at once; [`Datapath`] runs a list on a key. Both note what leaves
//! by which port, and are compared.

use std::ops::{Deref, DerefMut};

use datapath::{Action, DropReason};
use openflow::flow::{FlowCommand, FlowMod};
use openflow::text::parse_flow;
use openflow::{OfAction, OfPort};
use packet::flow::place::{STAGE_L2, STAGE_L3, STAGE_L4};
use packet::flow::tunnel::{bits_of, put_bits};
use packet::flow::{FieldId, KeyVlan, OptionSlot, Subfield};
use packet::vlan::TAG_PRESENT;
use packet::{FlowKey, VlanTag};
use proptest::prelude::*;

use super::super::port_of;
use super::lab::Lab;
use super::options::table;

const MATCHES: &[&str] = &[
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

const ACTIONS: &[&str] = &[
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

/// A flow: table, priority, match, actions, and where it goes to.
fn flow() -> impl Strategy<Value = String> {
    let matching = prop::sample::select(MATCHES);
    let actions = prop::collection::vec(prop::sample::select(ACTIONS), 0..5);
    let set = prop::option::weighted(
        0.15,
        prop::sample::select(
            &["output:1", "output:3", "mod_dl_src:02:00:00:00:00:05,output:2"][..],
        ),
    );
    (0..4_u8, 0..6_u16, matching, actions, set, any::<bool>()).prop_map(
        |(table, priority, matching, actions, set, goes)| {
            let mut actions: Vec<String> = actions.into_iter().map(str::to_owned).collect();
            // One resubmission each: the number of walks grows with their product.
            let mut seen = false;
            actions.retain(|action| {
                !action.starts_with("resubmit") || !std::mem::replace(&mut seen, true)
            });
            actions.extend(set.map(|set| format!("write_actions({set})")));
            if goes && table < 3 {
                actions.push(format!("goto_table:{}", table + 1));
            }
            let actions = if actions.is_empty() { "drop".to_owned() } else { actions.join(",") };
            let comma = if matching.is_empty() { "" } else { "," };
            format!("table={table},priority={priority}{comma}{matching},actions={actions}")
        },
    )
}

/// A packet's headers, of few values.
fn key() -> impl Strategy<Value = FlowKey> {
    let pick = |values: &'static [u128]| prop::sample::select(values);
    let link = (
        pick(&[1, 2]),
        pick(&[0x0200_0000_0001, 0x0200_0000_0002, 0xffff_ffff_ffff]),
        pick(&[0x0200_0000_0001, 0x0200_0000_0004]),
        pick(&[0, 0x1007, 0x7007, 0x1008]),
        pick(&[0, 0x1009]),
    );
    let net = (
        pick(&[0x800, 0x86dd, 0x806, 0x1234]),
        pick(&[6, 17, 1, 58]),
        pick(&[0x0a00_0001, 0x0a00_0003, 0x0b00_0001]),
        pick(&[0x0a00_0002, 0x0a00_0009]),
    );
    let more = (
        pick(&[0, 4, 8]),
        pick(&[1, 2, 3, 64]),
        pick(&[0, 0, 0, 1, 3]),
        pick(&[1000, 1001, 5]),
        pick(&[80, 53, 81]),
        pick(&[2, 0x12, 0x10]),
    );
    let options = (pick(&[9, 9, 0, 5]), pick(&[9, 9, 0x10, 0x15]));
    (link, net, more, options).prop_map(|(link, net, more, options)| {
        let mut key = FlowKey::EMPTY;
        // 9: it is not there.
        for (index, value) in [(0, options.0), (1, options.1)] {
            if value != 9 {
                write_option(
                    &mut key,
                    Subfield::whole(FieldId::tun_metadata(index).unwrap()),
                    value,
                );
            }
        }
        let ((port, dst, src, tci, inner), (ethertype, proto, from, to)) = (link, net);
        let (tos, ttl, frag, sport, dport, flags) = more;
        let tag = |tci: u128, tpid| {
            let tci = u16::try_from(tci).unwrap();
            if tci == 0 { KeyVlan::default() } else { KeyVlan { tpid, tci } }
        };
        key.set_outer_vlan(tag(tci, 0x8100));
        key.set_inner_vlan(tag(if tci == 0 { 0 } else { inner }, 0x8100));
        let mut put = |field, value| key.set(field, value);
        put(FieldId::InPortOxm, port);
        put(FieldId::EthDst, dst);
        put(FieldId::EthSrc, src);
        put(FieldId::EthType, ethertype);
        match ethertype {
            0x800 => {
                put(FieldId::Ipv4Src, from);
                put(FieldId::Ipv4Dst, to);
            }
            0x86dd => {
                put(FieldId::Ipv6Src, from << 64 | 7);
                put(FieldId::Ipv6Dst, to);
            }
            0x806 => {
                put(FieldId::ArpOp, 1 + (ttl & 1));
                put(FieldId::ArpSpa, from);
                put(FieldId::ArpTpa, to);
                return key;
            }
            _ => return key,
        }
        put(FieldId::IpProto, proto);
        put(FieldId::IpTos, tos);
        put(FieldId::IpTtl, ttl);
        put(FieldId::IpFrag, frag);
        if frag & 2 == 0 {
            match proto {
                6 => {
                    put(FieldId::TcpSrc, sport);
                    put(FieldId::TcpDst, dport);
                    put(FieldId::TcpFlags, flags);
                }
                17 => {
                    put(FieldId::UdpSrc, sport);
                    put(FieldId::UdpDst, dport);
                }
                _ => {
                    put(FieldId::Icmpv4Type, 8);
                }
            }
        }
        key
    })
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

fn write_option(key: &mut FlowKey, part: Subfield, value: u128) {
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
    too_deep: bool,
}

#[derive(PartialEq)]
enum Go {
    On,
    Return,
}

impl Naive<'_> {
    fn table(&mut self, table: u8) {
        if self.depth > 64 {
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
            OfAction::SetTpSrc(p) => [FieldId::TcpSrc, FieldId::UdpSrc]
                .into_iter()
                .for_each(|f| self.write(f, (*p).into(), 0xffff)),
            OfAction::SetTpDst(p) => [FieldId::TcpDst, FieldId::UdpDst]
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
        let actions = super::super::action_set::in_order(&std::mem::take(&mut self.set));
        self.exited = false;
        self.run(&actions);
    }
}

/// Priorities such that no two flows of a table have the same: which of them wins is open.
fn distinct(flows: Vec<String>) -> Vec<String> {
    let number = |(n, flow): (usize, String)| {
        let (head, rest) = flow.split_once("priority=").unwrap();
        let (priority, rest) = rest.split_at(1);
        format!("{head}priority={}{rest}", priority.parse::<usize>().unwrap() * 100 + n)
    };
    flows.into_iter().enumerate().map(number).collect()
}

fn check(flows: Vec<String>, keys: &[FlowKey]) -> Result<(), TestCaseError> {
    let flows = distinct(flows);
    let texts: Vec<&str> = flows.iter().map(String::as_str).collect();
    let lab = Lab::with_options(3, &texts, table());
    let parsed = |text: &&str| {
        let mut flow = parse_flow(FlowCommand::Add, text).unwrap();
        flow.matching.resolve(&table()).unwrap();
        flow
    };
    let mods: Vec<FlowMod> = texts.iter().map(parsed).collect();
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
            prop_assert_eq!(a, b, "{:#?}\n{}\n{}", flows, list, words);
        }
        // Right: it does what the naive walk does.
        let mut naive = Naive {
            flows: &mods,
            key: Packet::new(key),
            sent: Sent::new(),
            set: Vec::new(),
            stack: Vec::new(),
            exited: false,
            depth: 0,
            too_deep: false,
        };
        naive.table(0);
        if out.actions.end() == DropReason::RecursionTooDeep {
            continue;
        }
        if !naive.too_deep {
            naive.run_set();
            let mut sent = Sent::new();
            datapath(out.actions.list(), Packet::new(key), &mut sent);
            prop_assert_eq!(sent, naive.sent, "{:#?}\n{:?}\n{}", flows, key, list);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn the_cached_path_does_what_a_naive_walk_does(
        flows in prop::collection::vec(flow(), 1..14),
        keys in prop::collection::vec(key(), 8),
    ) {
        check(flows, &keys)?;
    }
}
