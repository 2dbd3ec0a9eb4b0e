//! Header fields: written, loaded, moved, counted down.
//!
//! # Design
//! A write changes the key and marks its bits as written; the frame follows at the next commit. A field
//! that the packet does not have is not written, and that it does not have it was looked at.
//!
//! **Time to live.** Counting down is an action of the datapath, so that packets of any time to live
//! share a flow: what is done with those whose time is over is part of it. Where the walk has more to do
//! for them than that, the field is looked at instead.

use datapath::{Action, Actions, DropReason};
use openflow::OfAction;
use openflow::action::ControllerReason;
use packet::FlowMask;
use packet::flow::{FieldId, Prereq, Subfield};

use super::list::Next;
use super::report::Kind;
use super::state::Xlate;

impl Xlate<'_> {
    /// Does what changes the packet's headers or the walk's registers.
    pub(super) fn edit(&mut self, action: &OfAction) -> Next {
        match *action {
            OfAction::SetField(set) => self.set_bits(set.field, set.value, set.mask),
            OfAction::SetOption(ref option) => self.set_option(option),
            OfAction::Load { dst, value } => self.write(dst, value.into()),
            OfAction::Move { src, dst } if self.has(src.field.info().prereq) => {
                self.move_bits(src, dst);
            }
            OfAction::SetEthSrc(mac) => self.set(FieldId::EthSrc, mac.to_u64().into()),
            OfAction::SetEthDst(mac) => self.set(FieldId::EthDst, mac.to_u64().into()),
            OfAction::SetIpv4Src(ip) if self.has(Prereq::Ipv4) => {
                self.set(FieldId::Ipv4Src, ip.to_bits().into());
            }
            OfAction::SetIpv4Dst(ip) if self.has(Prereq::Ipv4) => {
                self.set(FieldId::Ipv4Dst, ip.to_bits().into());
            }
            OfAction::SetIpTos(tos) => self.set(FieldId::IpDscp, (tos >> 2).into()),
            OfAction::SetIpEcn(ecn) => self.set(FieldId::IpEcn, ecn.into()),
            OfAction::SetIpTtl(ttl) => self.set(FieldId::IpTtl, ttl.into()),
            OfAction::SetTpSrc(port) => self.set_port(Side::Src, port),
            OfAction::SetTpDst(port) => self.set_port(Side::Dst, port),
            OfAction::SetMplsLabel(label) => self.set(FieldId::MplsLabel, label.into()),
            OfAction::SetMplsTc(tc) => self.set(FieldId::MplsTc, tc.into()),
            OfAction::SetMplsTtl(ttl) => self.set(FieldId::MplsTtl, ttl.into()),
            OfAction::SetTunnel(id) => self.set(FieldId::TunId, id.into()),
            OfAction::SetTunnel64(id) => self.set(FieldId::TunId, id.into()),
            OfAction::WriteMetadata { value, mask } => {
                self.set_bits(FieldId::Metadata, value.into(), mask.into());
            }
            OfAction::DecMplsTtl => return self.dec_mpls_ttl(),
            OfAction::SetVlanVid(vid) => self.set_tag(0x0fff, vid),
            OfAction::SetVlanPcp(pcp) => self.set_tag(0xe000, u16::from(pcp) << PCP_SHIFT),
            OfAction::StripVlan => self.pop_vlan(),
            OfAction::PushVlan(tpid) => self.push_vlan(tpid, 0),
            OfAction::PushMpls(ethertype) => self.push_mpls(ethertype),
            OfAction::PopMpls(ethertype) => self.pop_mpls(ethertype),
            _ => {}
        }
        Next::GoOn
    }

    /// Writes a field, whole.
    pub(super) fn set(&mut self, field: FieldId, value: u128) {
        self.set_bits(field, value, field.info().ones());
    }

    /// Writes a part of a field.
    pub(super) fn write(&mut self, part: Subfield, value: u128) {
        if part.field.info().is_option() {
            return self.write_option(part, value);
        }
        self.set_bits(part.field, value << part.offset, part.mask());
    }

    /// Writes bits of a field that the packet has.
    pub(super) fn set_bits(&mut self, field: FieldId, value: u128, mask: u128) {
        if !self.has(field.info().prereq) {
            return;
        }
        let tci = |bits: u128, shift: u32| u16::try_from(bits << shift & 0xffff).unwrap_or(0);
        match field {
            FieldId::VlanTci => return self.write_tci(tci(mask, 0), tci(value & mask, 0)),
            FieldId::VlanVid | FieldId::DlVlan => {
                return self.set_tag(tci(mask, 0), tci(value & mask, 0));
            }
            FieldId::DlVlanPcp => {
                return self.set_tag(tci(mask, PCP_SHIFT), tci(value & mask, PCP_SHIFT));
            }
            // A part of it, once counted down, is a function of all of it.
            FieldId::IpTtl if mask & field.info().ones() != field.info().ones() => {
                self.look_at(field);
            }
            _ => {}
        }
        let old = self.key.get(field);
        self.key.set(field, old & !mask | value & mask);
        let mut bits = FlowMask::EMPTY;
        bits.add_bits(field, mask);
        if matches!(field, FieldId::InPort | FieldId::InPortOxm) {
            bits.add_field(FieldId::InPortOxm);
        }
        self.dirty.add(&bits);
        self.own(&bits);
    }

    /// Writes a port of whatever protocol has ports.
    fn set_port(&mut self, side: Side, port: u16) {
        let protocols = [
            (Prereq::Tcp, FieldId::TcpSrc, FieldId::TcpDst),
            (Prereq::Udp, FieldId::UdpSrc, FieldId::UdpDst),
            (Prereq::Sctp, FieldId::SctpSrc, FieldId::SctpDst),
        ];
        for (prereq, src, dst) in protocols {
            if self.has(prereq) {
                self.set(if side == Side::Src { src } else { dst }, port.into());
            }
        }
    }

    /// `dec_ttl`. Whether the list goes on.
    pub(super) fn dec_ttl(&mut self, ids: &[u16]) -> Next {
        if !self.has(Prereq::Ip) {
            return Next::GoOn;
        }
        let ttl = self.key.get(FieldId::IpTtl);
        let is_known = self.is_written(FieldId::IpTtl);
        let is_last = self.is_tail && self.action_set.is_empty();
        if !is_known && (ttl <= 1 || !is_last) {
            self.look_at(FieldId::IpTtl);
        }
        if ttl <= 1 {
            let protocol = if self.has(Prereq::Ipv4) { "IPv4" } else { "IPv6" };
            self.say_expired(protocol);
            self.send_expired(ids);
            self.end = DropReason::TtlExpired;
            return Next::Return;
        }
        if is_known {
            self.set(FieldId::IpTtl, ttl - 1);
            return Next::GoOn;
        }
        let list = self.aside(|xlate| xlate.send_expired(ids));
        let expired = Actions::new(list, DropReason::TtlExpired);
        self.list.push(Action::DecTtl { expired });
        self.is_counted_down = true;
        self.key.set(FieldId::IpTtl, ttl - 1);
        Next::GoOn
    }

    /// Whether all bits of a field come from the walk.
    fn is_written(&self, field: FieldId) -> bool {
        self.written.is_exact(field)
    }

    /// `dec_mpls_ttl`.
    fn dec_mpls_ttl(&mut self) -> Next {
        if !self.has(Prereq::Mpls) {
            return Next::GoOn;
        }
        let ttl = self.read(Subfield::whole(FieldId::MplsTtl));
        if ttl <= 1 {
            self.say_expired("MPLS");
            self.send_expired(&[]);
            self.end = DropReason::TtlExpired;
            return Next::Return;
        }
        self.set(FieldId::MplsTtl, ttl - 1);
        Next::GoOn
    }

    fn say_expired(&mut self, protocol: &str) {
        self.report.say(Kind::Warning, || format!("{protocol} decrement TTL exception"));
    }

    /// A packet whose time is over, to controllers.
    fn send_expired(&mut self, ids: &[u16]) {
        let ids = if ids.is_empty() { &[0][..] } else { ids };
        ids.iter().for_each(|id| self.send_for(*id, ControllerReason::InvalidTtl));
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Src,
    Dst,
}

/// Where the priority lies in a tag's control information.
const PCP_SHIFT: u32 = 13;
