//! Actions, parsed.

use packet::MacAddr;
use packet::flow::field::Access;

use super::super::TextError;
use super::super::learn;
use super::super::scan::{Item, Piece};
use super::super::value::{self, parse_port, parse_subfield};
use crate::action::{Bundle, HashFields, MemberAlgorithm, Multipath, MultipathAlgorithm, Stage};
use crate::action::{ControllerReason, OfAction, Sample, SampleDirection, SetField, ToController};
use crate::port::OfPort;

const ACTION: &str = "an action, as ovs-actions(7) names it, or a port";
const ARGUMENT: &str = "an argument behind the action";
const ARROW: &str = "-> and a field";
const DROP: &str = "drop";
/// How deep actions may stand in actions.
const MAX_NESTING: usize = 16;

const ORDER: &str =
    "it in the order meter, actions, clear_actions, write_actions, write_metadata, goto_table";

/// Where a list of actions stands, which says whether instructions may be in it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::text) enum Place {
    /// In a flow, beside instructions such as `goto_table`.
    Flow,
    /// In a bucket, or beside a packet. Of instructions there is `meter`, which OpenFlow 1.5 made an
    /// action.
    List,
    /// In an action, at this depth.
    Action(usize),
}

impl Place {
    /// Of a list in an action that stands here.
    const fn inside(self) -> Place {
        match self {
            Place::Flow | Place::List => Place::Action(1),
            Place::Action(depth) => Place::Action(depth + 1),
        }
    }

    fn may_have(self, action: &OfAction) -> bool {
        match self {
            Place::Flow => true,
            Place::List => matches!(action.stage(), Stage::Apply | Stage::Meter),
            Place::Action(_) => action.stage() == Stage::Apply,
        }
    }
}

/// Reads a list of actions.
pub(in crate::text) fn parse_list(
    text: Piece<'_>,
    place: Place,
) -> Result<Vec<OfAction>, TextError> {
    if matches!(place, Place::Action(depth) if depth > MAX_NESTING) {
        return Err(text.expected("actions that are not nested deeper"));
    }
    let items = text.items()?;
    if let [only] = items[..]
        && only.whole.text.eq_ignore_ascii_case(DROP)
    {
        return Ok(Vec::new());
    }
    let actions: Vec<OfAction> =
        items.iter().map(|item| parse(item, place)).collect::<Result<_, _>>()?;
    for (action, item) in actions.iter().zip(&items) {
        if !place.may_have(action) {
            return Err(item.whole.expected("an action: an instruction stands for itself"));
        }
    }
    for (pair, item) in actions.windows(2).zip(items.iter().skip(1)) {
        let (before, behind) = (pair[0].stage(), pair[1].stage());
        if before > behind {
            return Err(item.whole.expected(ORDER));
        }
        if before == behind && behind != Stage::Apply {
            return Err(item.whole.expected("each instruction once"));
        }
    }
    Ok(actions)
}

fn parse(item: &Item<'_>, place: Place) -> Result<OfAction, TextError> {
    let need = || item.need(ARGUMENT);
    Ok(match item.key.text {
        "output" if item.in_brackets => output_trunc(need()?)?,
        "output" => output(need()?)?,
        "controller" | "CONTROLLER" => controller(item)?,
        "group" => OfAction::Group(need()?.u32("a group, from 0 to 0xffffff00")?),
        "enqueue" => {
            let (port, queue) = pair(need()?, item.in_brackets)?;
            OfAction::Enqueue { port: parse_port(port)?, queue: queue.u32("a queue")? }
        }
        "set_queue" => OfAction::SetQueue(need()?.u32("a queue")?),
        "pop_queue" => OfAction::PopQueue,
        "bundle" | "bundle_load" => bundle(need()?, item.key.text == "bundle_load")?,
        "multipath" => multipath(need()?)?,
        "load" | "set_field" | "move" => field_action(item.key.text, need()?)?,
        "push" => OfAction::Push(parse_subfield(need()?)?),
        "pop" => OfAction::Pop(writable(need()?)?),
        "resubmit" => resubmit(need()?, item.in_brackets)?,
        "learn" => learn::parse(item.value)?,
        "conjunction" => conjunction(need()?)?,
        "clone" => OfAction::Clone(parse_list(need()?, place.inside())?),
        "note" => OfAction::Note(note(need()?)?),
        "exit" => OfAction::Exit,
        "fin_timeout" => fin_timeout(need()?)?,
        "sample" => sample(need()?)?,
        "check_pkt_larger" => {
            let dst = parse_subfield(item.tail.ok_or(item.whole.expected(ARROW))?)?;
            if dst.n_bits != 1 {
                return Err(item.whole.expected("one bit behind ->, as in reg0[0]"));
            }
            OfAction::CheckPktLarger { len: need()?.u16("a length of 16 bits")?, dst }
        }
        "meter" => OfAction::Meter(need()?.u32("a meter")?),
        "clear_actions" => OfAction::ClearActions,
        "write_actions" => OfAction::WriteActions(parse_list(need()?, place.inside())?),
        "write_metadata" => {
            let (value, mask) = need()?.split_or_all("/");
            let mask = mask.map_or(Ok(u64::MAX), |mask| mask.u64("a mask of 64 bits"))?;
            OfAction::WriteMetadata { value: value.u64("a value of 64 bits")?, mask }
        }
        "goto_table" => OfAction::GotoTable(need()?.table()?),
        drop if drop.eq_ignore_ascii_case(DROP) => {
            return Err(item.whole.expected("drop to stand alone, without other actions"));
        }
        "ct" | "nat" | "ct_clear" => {
            return Err(item.key.expected("another action: connection tracking is not there yet"));
        }
        _ => modify(item)?,
    })
}

/// Actions that write one field each, and ports by their name or number.
fn modify(item: &Item<'_>) -> Result<OfAction, TextError> {
    let need = || item.need(ARGUMENT);
    let mac = || {
        let piece = need()?;
        piece.text.parse::<MacAddr>().map_err(|_| piece.expected("a MAC address"))
    };
    let ip = || {
        let piece = need()?;
        piece.text.parse().map_err(|_| piece.expected("an IPv4 address"))
    };
    let small = |max: u8, expected| {
        let number = need()?.number(max.into(), expected)?;
        u8::try_from(number).map_err(|_| item.whole.expected(expected))
    };
    let port = || need()?.u16("a port, from 0 to 65535");
    let ethertype = || need()?.u16("an EtherType, from 0x0 to 0xffff");
    Ok(match item.key.text {
        "mod_vlan_vid" | "set_vlan_vid" => {
            let piece = need()?;
            let vid = piece.number(0xfff, "a VLAN, from 0 to 4095")?;
            OfAction::SetVlanVid(u16::try_from(vid).unwrap_or(0))
        }
        "mod_vlan_pcp" | "set_vlan_pcp" => {
            OfAction::SetVlanPcp(small(7, "a priority, from 0 to 7")?)
        }
        "strip_vlan" | "pop_vlan" => OfAction::StripVlan,
        "push_vlan" => match ethertype()? {
            tpid @ (0x8100 | 0x88a8) => OfAction::PushVlan(tpid),
            _ => return Err(need()?.expected("0x8100 or 0x88a8")),
        },
        "mod_dl_src" => OfAction::SetEthSrc(mac()?),
        "mod_dl_dst" => OfAction::SetEthDst(mac()?),
        "mod_nw_src" => OfAction::SetIpv4Src(ip()?),
        "mod_nw_dst" => OfAction::SetIpv4Dst(ip()?),
        "mod_nw_tos" => match small(255, "a TOS byte, from 0 to 252")? {
            tos if tos & 3 == 0 => OfAction::SetIpTos(tos),
            _ => return Err(need()?.expected("a multiple of 4: the low bits are ECN")),
        },
        "mod_nw_ecn" => OfAction::SetIpEcn(small(3, "from 0 to 3")?),
        "mod_nw_ttl" => OfAction::SetIpTtl(small(255, "a time to live, from 0 to 255")?),
        "mod_tp_src" => OfAction::SetTpSrc(port()?),
        "mod_tp_dst" => OfAction::SetTpDst(port()?),
        "push_mpls" => match ethertype()? {
            kind @ (0x8847 | 0x8848) => OfAction::PushMpls(kind),
            _ => return Err(need()?.expected("0x8847 or 0x8848")),
        },
        "pop_mpls" => OfAction::PopMpls(ethertype()?),
        "set_mpls_label" => {
            let label = need()?.number(0xf_ffff, "a label, from 0 to 1048575")?;
            OfAction::SetMplsLabel(u32::try_from(label).unwrap_or(0))
        }
        "set_mpls_tc" => OfAction::SetMplsTc(small(7, "a traffic class, from 0 to 7")?),
        "set_mpls_ttl" => OfAction::SetMplsTtl(small(255, "a time to live, from 0 to 255")?),
        "dec_mpls_ttl" => OfAction::DecMplsTtl,
        "dec_ttl" => OfAction::DecTtl(match item.value {
            None => Vec::new(),
            Some(ids) => {
                let ids = ids.items()?;
                ids.iter()
                    .map(|id| id.whole.u16("a controller's number"))
                    .collect::<Result<_, _>>()?
            }
        }),
        "set_tunnel" => match need()?.u64("a tunnel key")? {
            id if u32::try_from(id).is_err() => OfAction::SetTunnel64(id),
            id => OfAction::SetTunnel(u32::try_from(id).unwrap_or(0)),
        },
        "set_tunnel64" => OfAction::SetTunnel64(need()?.u64("a tunnel key")?),
        _ if item.value.is_none() => {
            let port = parse_port(item.key).map_err(|_| item.key.expected(ACTION))?;
            if port.0 == 0 || port == OfPort::NONE || port == OfPort::UNSET {
                return Err(item.key.expected("a port that can be sent to"));
            }
            OfAction::output(port)
        }
        _ => return Err(item.key.expected(ACTION)),
    })
}

/// `1,2` in brackets, `1:2` without.
fn pair<'a>(text: Piece<'a>, in_brackets: bool) -> Result<(Piece<'a>, Piece<'a>), TextError> {
    let mark = if in_brackets { "," } else { ":" };
    text.split(mark).or(text.split(",")).ok_or(text.expected("PORT and QUEUE"))
}

fn output(piece: Piece<'_>) -> Result<OfAction, TextError> {
    if let Ok(port) = parse_port(piece) {
        return Ok(OfAction::output(port));
    }
    let src = parse_subfield(piece).map_err(|_| {
        piece.expected("a port, or bits of a field that hold one, as in reg0[0..15]")
    })?;
    Ok(OfAction::OutputReg { src, max_len: u16::MAX })
}

fn output_trunc(text: Piece<'_>) -> Result<OfAction, TextError> {
    let (mut port, mut max_len) = (None, None);
    for item in text.items()? {
        match item.key.text {
            "port" => port = Some(parse_port(item.need(ARGUMENT)?)?),
            "max_len" => max_len = Some(item.need(ARGUMENT)?.u32("bytes, at least 14")?),
            _ => return Err(item.key.expected("port= or max_len=")),
        }
    }
    match (port, max_len) {
        (Some(port), Some(max_len)) if max_len >= 14 => Ok(OfAction::OutputTrunc { port, max_len }),
        _ => Err(text.expected("port=, and max_len= of at least 14")),
    }
}

fn bytes(piece: Piece<'_>) -> Result<Vec<u8>, TextError> {
    let expected = piece.expected("bytes of two hexadecimal digits, as in 01.ab");
    let digits: String = piece.text.chars().filter(|c| *c != '.').collect();
    if !digits.len().is_multiple_of(2) || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(expected);
    }
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16);
    (0..digits.len()).step_by(2).map(byte).collect::<Result<_, _>>().map_err(|_| expected)
}

/// As long as the wire makes it.
fn note(piece: Piece<'_>) -> Result<Vec<u8>, TextError> {
    let mut note = bytes(piece)?;
    let padded = (note.len() + 10).next_multiple_of(8).max(16) - 10;
    note.resize(padded, 0);
    Ok(note)
}

fn controller(item: &Item<'_>) -> Result<OfAction, TextError> {
    let Some(value) = item.value else { return Ok(OfAction::output(OfPort::CONTROLLER)) };
    if !value.text.is_empty() && value.text.bytes().all(|byte| byte.is_ascii_digit()) {
        let max_len = value.u16("bytes, from 0 to 65535")?;
        return Ok(OfAction::Output { port: OfPort::CONTROLLER, max_len });
    }
    let mut to = ToController::default();
    for item in value.items()? {
        let need = || item.need(ARGUMENT);
        match item.key.text {
            "reason" => {
                let name = need()?;
                let found = ControllerReason::ALL.into_iter().find(|r| r.name() == name.text);
                to.reason = found.ok_or(name.expected("no_match, action, invalid_ttl, …"))?;
            }
            "max_len" => to.max_len = need()?.u16("bytes, from 0 to 65535")?,
            "id" => to.id = need()?.u16("a controller's number")?,
            "userdata" => to.userdata = bytes(need()?)?,
            "pause" => to.pause = true,
            "meter_id" => to.meter_id = Some(need()?.u32("a meter")?),
            _ => return Err(item.key.expected("reason, max_len, id, userdata, pause, meter_id")),
        }
    }
    let plain = ToController { max_len: to.max_len, ..ToController::default() };
    if to == plain {
        return Ok(OfAction::Output { port: OfPort::CONTROLLER, max_len: to.max_len });
    }
    Ok(OfAction::Controller(Box::new(to)))
}

fn writable(piece: Piece<'_>) -> Result<packet::flow::Subfield, TextError> {
    let part = parse_subfield(piece)?;
    match part.field.info().access {
        Access::ReadWrite => Ok(part),
        Access::ReadOnly => Err(piece.expected("a field that may be written")),
    }
}

fn field_action(name: &str, text: Piece<'_>) -> Result<OfAction, TextError> {
    let (from, to) = text.split("->").ok_or(text.expected(ARROW))?;
    match name {
        "move" => {
            let (src, dst) = (parse_subfield(from)?, writable(to)?);
            if src.n_bits != dst.n_bits {
                return Err(text.expected("as many bits before as behind the ->"));
            }
            Ok(OfAction::Move { src, dst })
        }
        "load" => {
            let dst = writable(to)?;
            if dst.field.info().is_option() && dst.n_bits > 64 {
                return Err(to.expected("at most 64 bits of an option, as in tun_metadata0[0..31]"));
            }
            let max = if dst.n_bits >= 64 { u64::MAX } else { (1 << dst.n_bits) - 1 };
            let value = from.number(max.into(), "a number that fits the bits behind the ->")?;
            Ok(OfAction::Load { dst, value: u64::try_from(value).unwrap_or(u64::MAX) })
        }
        _ => {
            let part = writable(to)?;
            if let Some(index) = part.field.option() {
                return Ok(OfAction::SetOption(Box::new(value::option(index, Some(from))?)));
            }
            let (value, mask) = value::parse(part.field, from)?;
            Ok(OfAction::SetField(SetField { field: part.field, value, mask }))
        }
    }
}

fn resubmit(text: Piece<'_>, in_brackets: bool) -> Result<OfAction, TextError> {
    const EXPECTED: &str = "PORT, or (PORT,TABLE) of which one may be empty";
    let mut parts = text.text.split(',');
    let mut at = text.at;
    let mut next = || {
        let part = parts.next()?;
        let piece = Piece { text: part, at, ..text };
        at += part.len() + 1;
        Some(piece)
    };
    let (port, table, ct) = (next(), next(), next());
    let in_port = match port {
        Some(piece) if !piece.text.is_empty() => parse_port(piece)?,
        _ if in_brackets => OfPort::IN_PORT,
        _ => return Err(text.expected(EXPECTED)),
    };
    let table = match table {
        Some(piece) if !piece.text.is_empty() => Some(piece.table()?),
        _ => None,
    };
    let original = match ct {
        None => false,
        Some(piece) if piece.text == "ct" => true,
        Some(piece) => return Err(piece.expected("ct, or nothing")),
    };
    if in_port == OfPort::IN_PORT && table.is_none() && port.is_none_or(|p| p.text.is_empty()) {
        return Err(text.expected(EXPECTED));
    }
    Ok(OfAction::Resubmit { in_port, table: table.filter(|table| *table != 255), original })
}

fn conjunction(text: Piece<'_>) -> Result<OfAction, TextError> {
    let expected = "ID,K/N with 1 <= K <= N and 2 <= N <= 64";
    let (id, rest) = text.split(",").ok_or(text.expected(expected))?;
    let (k, n) = rest.split("/").ok_or(rest.expected(expected))?;
    let trim = |piece: Piece<'_>| piece.text.trim().parse::<u8>().ok();
    match (trim(k), trim(n)) {
        (Some(k), Some(n)) if (2..=64).contains(&n) && (1..=n).contains(&k) => {
            Ok(OfAction::Conjunction { id: id.u32("a number")?, clause: k - 1, n_clauses: n })
        }
        _ => Err(rest.expected(expected)),
    }
}

fn fin_timeout(text: Piece<'_>) -> Result<OfAction, TextError> {
    let (mut idle_s, mut hard_s) = (0, 0);
    for item in text.items()? {
        let seconds = item.need(ARGUMENT)?.u16("seconds, from 0 to 65535")?;
        match item.key.text {
            "idle_timeout" => idle_s = seconds,
            "hard_timeout" => hard_s = seconds,
            _ => return Err(item.key.expected("idle_timeout= or hard_timeout=")),
        }
    }
    Ok(OfAction::FinTimeout { idle_s, hard_s })
}

fn sample(text: Piece<'_>) -> Result<OfAction, TextError> {
    let mut sample = Sample {
        probability: 0,
        collector_set_id: 0,
        obs_domain_id: 0,
        obs_point_id: 0,
        sampling_port: OfPort::NONE,
        direction: SampleDirection::Default,
    };
    for item in text.items()? {
        let need = || item.need(ARGUMENT);
        match item.key.text {
            "probability" => sample.probability = need()?.u16("from 1 to 65535")?,
            "collector_set_id" => sample.collector_set_id = need()?.u32("a number")?,
            "obs_domain_id" => sample.obs_domain_id = need()?.u32("a number")?,
            "obs_point_id" => sample.obs_point_id = need()?.u32("a number")?,
            "sampling_port" => sample.sampling_port = parse_port(need()?)?,
            "ingress" => sample.direction = SampleDirection::Ingress,
            "egress" => sample.direction = SampleDirection::Egress,
            _ => return Err(item.key.expected("an argument of sample")),
        }
    }
    if sample.probability == 0 {
        return Err(text.expected("probability= from 1 to 65535"));
    }
    Ok(OfAction::Sample(sample))
}

fn hash_fields(piece: Piece<'_>) -> Result<HashFields, TextError> {
    let found = HashFields::ALL.into_iter().find(|fields| fields.name() == piece.text);
    found.ok_or(piece.expected("eth_src, symmetric_l4, symmetric_l3l4, nw_src, nw_dst, …"))
}

fn bundle(text: Piece<'_>, loads: bool) -> Result<OfAction, TextError> {
    const EXPECTED: &str = "FIELDS,BASIS,ALGORITHM,ofport,[FIELD,]members:PORT,…";
    let items = text.items()?;
    let n_head = if loads { 5 } else { 4 };
    let (head, tail) = items.split_at_checked(n_head).ok_or(text.expected(EXPECTED))?;
    let algorithm = match head[2].whole.text {
        "active_backup" => MemberAlgorithm::ActiveBackup,
        "hrw" => MemberAlgorithm::Hrw,
        _ => return Err(head[2].whole.expected("active_backup or hrw")),
    };
    let dst = if loads { Some(writable(head[4].whole)?) } else { None };
    let mut members = Vec::new();
    for (n, item) in tail.iter().enumerate() {
        let named = matches!(item.key.text, "members" | "slaves");
        let piece = match (n, item.value) {
            (0, Some(value)) if named => value,
            (0, _) => return Err(item.whole.expected("members:")),
            _ => item.whole,
        };
        if !piece.text.is_empty() {
            members.push(parse_port(piece)?);
        }
    }
    let fields = hash_fields(head[0].whole)?;
    let basis = head[1].whole.u16("a basis, from 0 to 65535")?;
    Ok(OfAction::Bundle(Box::new(Bundle { fields, basis, algorithm, members, dst })))
}

fn multipath(text: Piece<'_>) -> Result<OfAction, TextError> {
    const EXPECTED: &str = "FIELDS,BASIS,ALGORITHM,N_LINKS,ARG,FIELD";
    let items = text.items()?;
    let [fields, basis, algorithm, n_links, arg, dst] = items[..] else {
        return Err(text.expected(EXPECTED));
    };
    let name = algorithm.whole;
    let algorithm = MultipathAlgorithm::ALL.into_iter().find(|known| known.name() == name.text);
    let links = n_links.whole.number(0x1_0000, "links, from 1 to 65536")?;
    let max_link = links.checked_sub(1).and_then(|max| u16::try_from(max).ok());
    Ok(OfAction::Multipath(Box::new(Multipath {
        fields: hash_fields(fields.whole)?,
        basis: basis.whole.u16("a basis, from 0 to 65535")?,
        algorithm: algorithm.ok_or(name.expected("modulo_n, hash_threshold, hrw, iter_hash"))?,
        max_link: max_link.ok_or(n_links.whole.expected("links, from 1 to 65536"))?,
        arg: arg.whole.u32("an argument")?,
        dst: writable(dst.whole)?,
    })))
}
