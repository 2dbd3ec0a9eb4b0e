//! What a walk that is told says of what the datapath decides: NORMAL, and what is behind patch ports.
//!
//! # Design
//! Such a walk's actions are those of this moment: in place of NORMAL stand the ports that a frame with
//! these headers would leave by, and in place of a patch port what the other bridge does.

use datapath::{Action, PortNo};
use packet::flow::{FieldId, KeyVlan};
use packet::vlan::{TAG_LEN, TAG_PRESENT};
use packet::{FlowKey, VlanTag};

use super::report::Kind;
use super::state::Xlate;
use super::{Oracle, Start, XlateIn};

/// Bytes of payload of a frame that stands for all with its headers: zeros.
pub const PAYLOAD_LEN: usize = 46;
const ADDRS_LEN: usize = 12;

/// A frame with the Ethernet header and tags of a key.
#[must_use]
pub fn frame_of(key: &FlowKey) -> Vec<u8> {
    let mut frame = [key.eth_dst().0, key.eth_src().0].concat();
    for tag in [key.outer_vlan(), key.inner_vlan()] {
        if tag.tci & TAG_PRESENT != 0 {
            frame.extend(tag.tpid.to_be_bytes());
            frame.extend((tag.tci & !TAG_PRESENT).to_be_bytes());
        }
    }
    frame.extend(key.eth_type().0.to_be_bytes());
    frame.resize(frame.len() + PAYLOAD_LEN, 0);
    frame
}

/// The outer tag of a frame.
fn tag_of(frame: &[u8]) -> Option<(u16, VlanTag)> {
    let [t0, t1, c0, c1] = *frame.get(ADDRS_LEN..)?.first_chunk::<TAG_LEN>()?;
    let tpid = u16::from_be_bytes([t0, t1]);
    let is_tag = packet::EtherType(tpid).is_vlan();
    is_tag.then(|| (tpid, VlanTag(u16::from_be_bytes([c0, c1]))))
}

impl Xlate<'_> {
    /// NORMAL, at this moment.
    pub(super) fn tell_normal(&mut self, oracle: &dyn Oracle, in_port: Option<PortNo>) {
        let frame = frame_of(&self.key);
        let Some(explained) = oracle.normal(self.bridge.id, in_port, &frame) else { return };
        if let Some(reason) = explained.dropped {
            self.end = reason;
        }
        for why in explained.why {
            self.report.say(Kind::Detail, || why);
        }
        for (port, sent) in explained.outputs {
            let edits = edits(&frame, &sent);
            let xport = self.bridge.ports.values().find(|xport| xport.no == port);
            match xport.and_then(|xport| xport.peer) {
                Some(peer) => {
                    let mut key = self.key.clone();
                    let tag = tag_of(&sent).map(|(tpid, tag)| KeyVlan::new(tpid, tag));
                    key.set_outer_vlan(tag.unwrap_or_default());
                    let list = self.aside(|xlate| {
                        xlate.list = edits;
                        xlate.tell_peer(peer, &key);
                    });
                    self.put_aside(list);
                }
                None => {
                    // As Open vSwitch prints it: the tag as it is at the output, and then back.
                    self.list.extend(edits);
                    self.list.push(Action::Output { port, max_len: None });
                    self.list.extend(self::edits(&sent, &frame));
                }
            }
        }
    }

    /// What the bridge at the other end of a patch port does.
    pub(super) fn tell_peer(&mut self, peer: PortNo, key: &FlowKey) {
        let Some((bridge, port)) = self.input.view.port(peer) else { return };
        if !self.may_descend() {
            return;
        }
        let mut key = key.clone();
        for field in FieldId::all().filter(|field| field.is_register()) {
            key.set(field, 0);
        }
        key.set(FieldId::Metadata, 0);
        key.set(FieldId::InPortOxm, port.ofport.to_wide().into());
        let input = XlateIn { bridge, key: &key, start: Start::Table, ..*self.input };
        let mut inner = Xlate::new(&input);
        (inner.depth, inner.resubmits) = (self.depth + 1, self.resubmits + 1);
        inner.written.add(&self.written);
        inner.forget_tunnel();
        inner.look_up_first();
        self.resubmits = inner.resubmits;
        let out = inner.finish();
        self.report.add(&out.report);
        self.mask.add(&out.mask);
        self.kept.extend(out.kept);
        self.depends.add(out.depends);
        self.put_aside(out.actions.list().to_vec());
    }
}

/// What makes the tag of a frame that of another.
fn edits(from: &[u8], to: &[u8]) -> Vec<Action> {
    match (tag_of(from), tag_of(to)) {
        (old, new) if old == new && from.len() == to.len() => Vec::new(),
        (None, Some((tpid, tag))) => vec![Action::PushVlan { tpid, tag }],
        (Some(_), None) => vec![Action::PopVlan],
        (_, Some((tpid, tag))) if to.len() > from.len() => vec![Action::PushVlan { tpid, tag }],
        (Some(_), Some((tpid, tag))) if to.len() == from.len() => {
            vec![Action::PopVlan, Action::PushVlan { tpid, tag }]
        }
        (Some(_), Some(_)) => vec![Action::PopVlan],
        (None, None) => Vec::new(),
    }
}
