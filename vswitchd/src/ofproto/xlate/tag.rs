//! VLAN tags and MPLS labels: pushed, popped, written.
//!
//! # Design
//! A push or pop moves what the key says of tags and labels, so all of it is looked at first, and
//! belongs to the walk from then on. What lies below labels is not in the key: behind the first push it
//! is gone from it, and behind the last pop nobody has read it ([`Xlate::is_below_unknown`]).
//!
//! # References
//! `lib/flow.c` of Open vSwitch: `flow_push_vlan_uninit`, `flow_push_mpls`, `flow_pop_mpls`; RFC 3032.

use datapath::{Action, DropReason};
use packet::flow::extract::MAX_LABELS;
use packet::flow::place::{self, STAGE_L3, STAGE_L4};
use packet::flow::{FieldId, KeyVlan, Prereq, WordSet};
use packet::vlan::{TAG_PRESENT, TPID_CTAG};
use packet::{EtherType, FlowMask, VlanTag};

use super::report::Kind;
use super::state::Xlate;

/// Time to live of a label on what has none.
const DEFAULT_TTL: u32 = 64;
/// Bottom of stack.
const LSE_BOS: u32 = 0x100;
/// IPv6 explicit null (RFC 3032 §2.1).
const LABEL_NULL_V6: u32 = 2;
const LABEL_SHIFT: u32 = 12;
const TC_SHIFT: u32 = 9;

/// Both tags, as bits of a key.
fn tag_bits() -> FlowMask {
    let mut bits = FlowMask::EMPTY;
    bits.put_word(place::ETH_SRC, 0xffff);
    bits.put_word(place::VLAN, u64::MAX);
    bits
}

impl Xlate<'_> {
    fn has_tag(&mut self) -> bool {
        let mut bits = FlowMask::EMPTY;
        bits.put_word(place::ETH_SRC, TAG_PRESENT.into());
        self.look(&bits);
        self.key.has_vlan()
    }

    /// Pushes a tag with this control information.
    pub(super) fn push_vlan(&mut self, tpid: u16, tci: u16) {
        self.look(&tag_bits());
        self.commit();
        let (outer, inner) = (self.key.outer_vlan(), self.key.inner_vlan());
        let tag = VlanTag(tci & !TAG_PRESENT);
        self.tags_below.push(inner);
        self.key.set_inner_vlan(outer);
        self.key.set_outer_vlan(KeyVlan::new(tpid, tag));
        self.own(&tag_bits());
        self.list.push(Action::PushVlan { tpid, tag });
    }

    /// Pops the outer tag, if there is one.
    pub(super) fn pop_vlan(&mut self) {
        if !self.has_tag() {
            return;
        }
        self.look(&tag_bits());
        let rest = self.dirty.word(place::ETH_SRC) & !0xffff;
        self.dirty.put_word(place::ETH_SRC, rest);
        self.commit();
        let inner = self.key.inner_vlan();
        self.key.set_outer_vlan(inner);
        self.key.set_inner_vlan(self.tags_below.pop().unwrap_or_default());
        self.own(&tag_bits());
        match self.list.last() {
            Some(Action::PushVlan { .. }) => drop(self.list.pop()),
            _ => self.list.push(Action::PopVlan),
        }
    }

    /// Writes bits of the outer tag; pushes one if there is none.
    pub(super) fn set_tag(&mut self, mask: u16, value: u16) {
        self.write_tci(mask | TAG_PRESENT, value | TAG_PRESENT);
    }

    /// Writes bits of the control information, among them the one that says that there is a tag.
    pub(super) fn write_tci(&mut self, mask: u16, value: u16) {
        let had = self.has_tag();
        let tci = self.key.outer_vlan().tci & !mask | value & mask;
        match (had, tci & TAG_PRESENT != 0) {
            (false, false) => {}
            (false, true) => self.push_vlan(TPID_CTAG, tci),
            (true, false) => self.pop_vlan(),
            (true, true) => {
                let mut bits = FlowMask::EMPTY;
                bits.put_word(place::ETH_SRC, (mask & !TAG_PRESENT).into());
                let outer = self.key.outer_vlan();
                self.key.set_outer_vlan(KeyVlan { tpid: outer.tpid, tci });
                self.dirty.add(&bits);
                self.own(&bits);
            }
        }
    }

    /// How many labels the key has; `None`: more than it can hold.
    fn n_labels(&mut self) -> Option<usize> {
        let mut bits = FlowMask::EMPTY;
        bits.add_words(WordSet::range(place::MPLS, place::MPLS2 + 1));
        self.look(&bits);
        (0..MAX_LABELS).find(|n| self.key.mpls_lse(*n) & LSE_BOS != 0).map(|n| n + 1)
    }

    /// `push_mpls`.
    pub(super) fn push_mpls(&mut self, ethertype: u16) {
        self.commit();
        let lse = if self.has(Prereq::Mpls) {
            match self.n_labels() {
                Some(n) if n < MAX_LABELS => {}
                _ => return self.too_many_labels(),
            }
            self.key.mpls_lse(0) & !LSE_BOS
        } else {
            self.first_label()
        };
        for n in (1..MAX_LABELS).rev() {
            self.key.set_mpls_lse(n, self.key.mpls_lse(n - 1));
        }
        self.key.set_mpls_lse(0, lse);
        self.own_labels(ethertype);
        self.list.push(Action::PushMpls { ethertype: EtherType(ethertype), lse });
    }

    /// The entry that a packet without labels gets; what is below is gone from the key.
    fn first_label(&mut self) -> u32 {
        let (mut ttl, mut tc, mut label) = (DEFAULT_TTL, 0, 0);
        if self.has(Prereq::Ip) {
            self.look_at(FieldId::IpDscp);
            self.look_at(FieldId::IpTtl);
            tc = u32::try_from(self.key.get(FieldId::IpDscp) & 7).unwrap_or(0);
            ttl = match u32::try_from(self.key.get(FieldId::IpTtl)) {
                Ok(ttl) if ttl > 0 => ttl,
                _ => DEFAULT_TTL,
            };
            if self.key.eth_type() == EtherType::IPV6 {
                label = LABEL_NULL_V6;
            }
        }
        let mut below = FlowMask::EMPTY;
        below.add_words(STAGE_L3.or(STAGE_L4));
        for at in below.nonzero() {
            self.key.put_word(at, 0);
        }
        self.own(&below);
        label << LABEL_SHIFT | tc << TC_SHIFT | LSE_BOS | ttl
    }

    fn own_labels(&mut self, ethertype: u16) {
        self.key.set(FieldId::EthType, ethertype.into());
        let mut bits = FlowMask::EMPTY;
        bits.add_field(FieldId::EthType);
        bits.add_words(WordSet::range(place::MPLS, place::MPLS2 + 1));
        self.own(&bits);
    }

    /// `pop_mpls`.
    pub(super) fn pop_mpls(&mut self, ethertype: u16) {
        if !self.has(Prereq::Mpls) {
            return;
        }
        let Some(n) = self.n_labels() else { return self.too_many_labels() };
        let rest = self.dirty.word(place::MPLS) & 0xffff_ffff;
        self.dirty.put_word(place::MPLS, rest);
        self.commit();
        for n in 1..MAX_LABELS {
            self.key.set_mpls_lse(n - 1, self.key.mpls_lse(n));
        }
        self.key.set_mpls_lse(MAX_LABELS - 1, 0);
        self.own_labels(ethertype);
        self.is_below_unknown = n == 1;
        self.list.push(Action::PopMpls { ethertype: EtherType(ethertype) });
    }

    fn too_many_labels(&mut self) {
        self.report.say(Kind::Warning, || "more MPLS labels than can be handled".to_owned());
        self.fail(DropReason::TooManyLabels, "too many MPLS label stack entries");
    }
}
