//! The VLAN matrix: every kind of port as input and as output, times every state of tags.
//!
//! # Design
//! All kinds of port are on one bridge, and each receives every frame as a broadcast, so that one run
//! sees every combination. A frame names its case in its payload: batches may come in any order.
//! What must leave is said by two models, which know nothing of the switch: [`table`], by IEEE 802.1Q
//! and the manual of Open vSwitch, and [`peer`], what Open vSwitch really does. Where they disagree,
//! [`difference`] has a name for it, which is explained in `docs/vlans.md`.

pub mod peer;
pub mod table;

use std::collections::BTreeMap;

use crate::frame::{BROADCAST, EXPERIMENT, mac};

/// A tag: TPID and control information.
pub type Tag = (u16, u16);

/// TPIDs (IEEE 802.1Q-2018 table 9-1).
pub const C: u16 = 0x8100;
/// That of a service tag.
pub const S: u16 = 0x88a8;
/// The drop eligible indicator of a tag's control information.
const DEI: u16 = 0x1000;
/// Bytes behind the tags; without any tag, a frame of the least length that wires know.
const REST_LEN: usize = 48;

/// A port's mode.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// `access`.
    Access,
    /// `trunk`.
    Trunk,
    /// `native-tagged`.
    NativeTagged,
    /// `native-untagged`.
    NativeUntagged,
    /// `dot1q-tunnel`.
    Tunnel,
}

/// When a tag with VID 0 may leave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Priority {
    /// `never`.
    Never,
    /// `if-nonzero`.
    IfNonzero,
    /// `always`.
    Always,
}

/// A kind of port.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// Its name, fit for an interface.
    pub name: &'static str,
    mode: Mode,
    tag: u16,
    /// `None`: all.
    trunks: Option<&'static [u16]>,
    /// `None`: all.
    cvlans: Option<&'static [u16]>,
    qinq: u16,
    priority: Priority,
    protected: bool,
}

const TRUNK: Kind = Kind {
    name: "t0",
    mode: Mode::Trunk,
    tag: 0,
    trunks: None,
    cvlans: None,
    qinq: S,
    priority: Priority::Never,
    protected: false,
};
const ACCESS: Kind = Kind { name: "a10", mode: Mode::Access, tag: 10, ..TRUNK };
const TUNNEL: Kind = Kind { name: "q10", mode: Mode::Tunnel, tag: 10, ..TRUNK };
const NATIVE: Kind =
    Kind { name: "nu10", mode: Mode::NativeUntagged, tag: 10, trunks: Some(&[20]), ..TRUNK };

/// Every kind of port.
pub const KINDS: &[Kind] = &[
    TRUNK,
    Kind { name: "t12", trunks: Some(&[10, 20]), ..TRUNK },
    Kind { name: "t01", trunks: Some(&[0, 10]), ..TRUNK },
    Kind { name: "tn", priority: Priority::IfNonzero, ..TRUNK },
    Kind { name: "ta", priority: Priority::Always, ..TRUNK },
    Kind { name: "tp", protected: true, ..TRUNK },
    ACCESS,
    Kind { name: "a20", tag: 20, ..ACCESS },
    Kind { name: "a10n", priority: Priority::IfNonzero, ..ACCESS },
    Kind { name: "a10a", priority: Priority::Always, ..ACCESS },
    Kind { name: "a10p", protected: true, ..ACCESS },
    Kind { name: "nt10", mode: Mode::NativeTagged, ..NATIVE },
    NATIVE,
    Kind { name: "nu10n", priority: Priority::IfNonzero, ..NATIVE },
    Kind { name: "nu20a", tag: 20, trunks: None, priority: Priority::Always, ..NATIVE },
    TUNNEL,
    Kind { name: "q10c", cvlans: Some(&[0, 20]), qinq: C, ..TUNNEL },
    Kind { name: "q10x", cvlans: Some(&[20]), ..TUNNEL },
    Kind { name: "q20p", tag: 20, protected: true, ..TUNNEL },
];

/// Every state of tags, outermost first: VLANs 10 and 20 are somebody's, 30 and 4095 a trunk's only.
pub const STATES: &[&[Tag]] = &[
    &[],
    &[(C, 0)],
    &[(C, 0xa000)],
    &[(C, 0xb000)],
    &[(S, 0x4000)],
    &[(C, 10)],
    &[(C, 0xa00a)],
    &[(C, 0xb00a)],
    &[(C, 20)],
    &[(C, 0x6014)],
    &[(C, 30)],
    &[(C, 0xefff)],
    &[(S, 10)],
    &[(S, 0xc014)],
    &[(C, 10), (C, 20)],
    &[(S, 0xa00a), (C, 0x2014)],
    &[(S, 0xa00a), (C, 20)],
    &[(S, 10), (C, 30)],
    &[(S, 10), (C, 0)],
    &[(S, 20), (C, 0xa000)],
    &[(C, 0xa000), (C, 20)],
    &[(S, 10), (C, 20), (C, 0x601e)],
];

/// How many tags are looked at.
pub type Limit = usize;

/// A frame on its way from one kind of port.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// `vlan-limit`.
    pub limit: Limit,
    /// The port that receives it.
    pub from: &'static Kind,
    /// Its tags.
    pub tags: &'static [Tag],
}

impl Case {
    /// Every case of a port, in a fixed order.
    pub fn of(limit: Limit, from: &'static Kind) -> impl Iterator<Item = Case> {
        STATES.iter().map(move |tags| Case { limit, from, tags })
    }

    /// The case's name, as the payload has it: different for each port and state.
    #[must_use]
    pub fn name(&self) -> String {
        let tags: Vec<_> =
            self.tags.iter().map(|(tpid, tci)| format!("{tpid:04x}-{tci:04x}")).collect();
        format!("<{}:{}>", self.from.name, tags.join("."))
    }

    /// The frame as sent; `text` is found again by [`crate::Sink`].
    #[must_use]
    pub fn frame(&self, text: &str) -> Vec<u8> {
        self.frame_with(self.tags, text)
    }

    /// The frame with other tags.
    #[must_use]
    pub fn frame_with(&self, tags: &[Tag], text: &str) -> Vec<u8> {
        let number = KINDS.iter().position(|kind| kind.name == self.from.name).unwrap_or(0);
        let source = mac(u32::try_from(number + 1).unwrap_or(0));
        let mut bytes = [BROADCAST, source].concat();
        for (tpid, tci) in tags {
            bytes.extend([tpid.to_be_bytes(), tci.to_be_bytes()].concat());
        }
        let end = bytes.len() + REST_LEN;
        bytes.extend(EXPERIMENT.to_be_bytes());
        bytes.extend(text.as_bytes());
        assert!(bytes.len() <= end, "{text} is too long");
        bytes.resize(end, 0);
        bytes
    }
}

impl Kind {
    /// As `ofctl add-port` takes it.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        self.pairs("")
    }

    /// As `ovs-vsctl set port` takes it.
    #[must_use]
    pub fn columns(&self) -> Vec<String> {
        self.pairs("other_config:")
    }

    fn pairs(&self, other: &str) -> Vec<String> {
        let list = |vids: &[u16]| vids.iter().map(u16::to_string).collect::<Vec<_>>().join(",");
        let mode = match self.mode {
            Mode::Access => "access",
            Mode::Trunk => "trunk",
            Mode::NativeTagged => "native-tagged",
            Mode::NativeUntagged => "native-untagged",
            Mode::Tunnel => "dot1q-tunnel",
        };
        let mut pairs = vec![format!("vlan_mode={mode}")];
        if self.mode != Mode::Trunk {
            pairs.push(format!("tag={}", self.tag));
        }
        pairs.extend(self.trunks.map(|vids| format!("trunks={}", list(vids))));
        pairs.extend(self.cvlans.map(|vids| format!("cvlans={}", list(vids))));
        if self.qinq == C {
            pairs.push(format!("{other}qinq-ethtype=802.1q"));
        }
        match self.priority {
            Priority::Never => {}
            Priority::IfNonzero => pairs.push(format!("{other}priority-tags=if-nonzero")),
            Priority::Always => pairs.push(format!("{other}priority-tags=always")),
        }
        if self.protected {
            pairs.push("protected=true".to_owned());
        }
        pairs
    }
}

/// A model: the tags with which a case's frame leaves by a port, if it does.
pub type Model = fn(Case, &Kind) -> Option<Vec<Tag>>;

/// What each port must send of what all others receive, by the name of the case.
#[must_use]
pub fn expected(limit: Limit, to: &Kind, model: Model) -> BTreeMap<String, Vec<u8>> {
    let others = KINDS.iter().filter(|from| from.name != to.name);
    let cases = others.flat_map(|from| Case::of(limit, from));
    let leaving = cases.filter_map(|case| {
        let name = case.name();
        let tags = model(case, to)?;
        let frame = case.frame_with(&tags, &name);
        Some((name, frame))
    });
    leaving.collect()
}

/// Asserts that a port has sent exactly that, among frames of other origin.
///
/// # Panics
/// If it has not.
pub fn assert_sent(to: &Kind, sent: &[Vec<u8>], expected: &BTreeMap<String, Vec<u8>>) {
    let mut seen: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for frame in sent {
        if let Some(name) = name_in(frame)
            && !name.starts_with(&format!("<{}:", to.name))
        {
            let before = seen.insert(name.clone(), frame.clone());
            assert!(before.is_none(), "{name} left by {} twice", to.name);
        }
    }
    let names: std::collections::BTreeSet<_> = seen.keys().chain(expected.keys()).collect();
    let wrong: Vec<String> = names
        .into_iter()
        .filter(|name| seen.get(*name) != expected.get(*name))
        .map(|name| {
            let tags =
                |frame: Option<&Vec<u8>>| frame.map_or("nothing".to_owned(), |frame| head(frame));
            format!(
                "{name} by {}: {}, not {}",
                to.name,
                tags(seen.get(name)),
                tags(expected.get(name))
            )
        })
        .collect();
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// The name of the case that a frame belongs to.
fn name_in(frame: &[u8]) -> Option<String> {
    let start = frame.windows(3).position(|window| window == [0x88, 0xb5, b'<'])? + 2;
    let len = frame[start..].iter().position(|byte| *byte == b'>')? + 1;
    Some(String::from_utf8_lossy(&frame[start..start + len]).into_owned())
}

/// The bytes behind the addresses, as far as they are tags.
fn head(frame: &[u8]) -> String {
    let n_tag_bytes = frame.len().saturating_sub(12 + REST_LEN);
    let tags = frame.get(12..12 + n_tag_bytes).unwrap_or_default();
    let tags: Vec<String> =
        tags.chunks(4).map(|tag| tag.iter().map(|byte| format!("{byte:02x}")).collect()).collect();
    format!("[{}]", tags.join(" "))
}

/// The frame with the drop eligible bit of its tags cleared.
#[must_use]
pub fn without_dei(frame: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    let mut at = 12;
    while matches!(frame.get(at..at + 2), Some([0x81, 0] | [0x88, 0xa8])) {
        frame[at + 2] &= !DEI.to_be_bytes()[0];
        at += 4;
    }
    frame
}

/// Where Open vSwitch does not do what the [`table`] says, and why: the words are in `docs/vlans.md`.
#[must_use]
pub fn difference(case: Case, to: &Kind) -> Option<&'static str> {
    let clean = |tags: Vec<Tag>| -> Vec<Tag> {
        tags.into_iter().map(|(tpid, tci)| (tpid, tci & !DEI)).collect()
    };
    let (ours, theirs) = (table::leaves(case, to).map(clean), peer::leaves(case, to));
    if ours == theirs {
        return None;
    }
    let tunnel = case.from.mode == Mode::Tunnel;
    let outer_vid = case.tags.first().map(|(_, tci)| tci & 0xfff);
    let outer_priority = case.tags.first().map_or(0, |(_, tci)| tci >> 13);
    let service_tag = theirs.as_ref().and_then(|tags| tags.first()).map(|tag| tag.1 & 0xfff);
    Some(match case.tags.len() {
        2.. if case.limit == 2 && tunnel => "loses the innermost tag",
        2.. if case.limit == 2 => "touches the second tag",
        _ if tunnel && outer_vid == Some(0) && outer_priority == 0 => "strips a customer's tag",
        _ if tunnel && service_tag == Some(case.from.tag) => "writes priority into the service tag",
        _ if tunnel && outer_vid == Some(0) && to.priority == Priority::IfNonzero => {
            "keeps TPID 0x88a8 on a priority tag"
        }
        _ if to.priority == Priority::Always => "drops the tag in spite of `always`",
        _ if to.priority == Priority::Never && outer_vid == Some(0) => "keeps a priority tag",
        _ => return Some("unknown"),
    })
}

#[cfg(test)]
mod tests;
