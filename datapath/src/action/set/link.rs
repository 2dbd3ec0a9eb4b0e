//! Ethernet, VLAN, MPLS, ARP and network services: fields that no checksum covers.

use packet::arp::ArpMessage;
use packet::flow::{FieldId, Prereq, place};
use packet::vlan::TAG_PRESENT;

use super::Edit;

/// Byte offset of a tag's control information.
const TCI: usize = 14;

impl Edit<'_> {
    /// Addresses, and the outer tag if there is one.
    pub(super) fn ethernet(&mut self) {
        if self.old.nonzero().is_empty() {
            return; // no Ethernet header
        }
        let [d0, d1, d2, d3, d4, d5, ..] = self.new.word(place::ETH_DST).to_be_bytes();
        let [s0, s1, s2, s3, s4, s5, t0, t1] = self.new.word(place::ETH_SRC).to_be_bytes();
        self.put(0, &[d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5]);
        let tag = self.data.get_mut(TCI..).and_then(|rest| rest.first_chunk_mut::<2>());
        if let Some(tag) = tag.filter(|_| self.old.has_vlan()) {
            // The drop eligible bit is no field: it stays.
            let dei = u16::from_be_bytes(*tag) & TAG_PRESENT;
            *tag = (u16::from_be_bytes([t0, t1]) & !TAG_PRESENT | dei).to_be_bytes();
        }
    }

    /// The outer label stack entry.
    pub(super) fn mpls(&mut self) {
        if let Some(at) = self.offsets.mpls.filter(|_| self.differs(place::MPLS)) {
            self.put(at, &self.new.mpls_lse(0).to_be_bytes());
        }
    }

    /// ARP of IPv4 over Ethernet.
    pub(super) fn arp(&mut self) {
        let Some(l3) = self.offsets.l3 else { return };
        if self.data.get(l3..).and_then(ArpMessage::parse).is_none() {
            return;
        }
        if self.differs(place::IP)
            && let Ok(op) = u16::try_from(self.new.get(FieldId::ArpOp))
        {
            self.put(l3 + 6, &op.to_be_bytes());
        }
        let [sha @ .., _, _] = self.new.word(place::ARP_SHA).to_be_bytes();
        let [tha @ .., _, _] = self.new.word(place::ARP_THA).to_be_bytes();
        self.put(l3 + 8, &sha);
        self.put(l3 + 14, &self.new.ipv4_src().octets());
        self.put(l3 + 18, &tha);
        self.put(l3 + 24, &self.new.ipv4_dst().octets());
    }

    /// A network service header that was understood.
    pub(super) fn nsh(&mut self) {
        let Some(l3) = self.offsets.l3.filter(|_| self.old.word(place::NSH) != 0) else { return };
        let header = self.data.get_mut(l3..).and_then(|rest| rest.first_chunk_mut::<8>());
        if let Some([a, b, _, _, path @ ..]) = header {
            let [flags, ttl, _, _, p0, p1, p2, si] = self.new.word(place::NSH).to_be_bytes();
            *a = *a & 0xc0 | (flags & 3) << 4 | ttl >> 2 & 0xf;
            *b = *b & 0x3f | ttl << 6;
            *path = [p0, p1, p2, si];
        }
        if self.old.get(FieldId::NshMdtype) == 1 {
            self.put(l3 + 8, &self.new.word(place::NSH_CONTEXT).to_be_bytes());
            self.put(l3 + 16, &self.new.word(place::NSH_CONTEXT + 1).to_be_bytes());
        }
    }

    /// What the EtherType names.
    pub(super) fn network(&mut self) {
        if Prereq::Ip.holds(self.old) {
            self.ip();
        } else if Prereq::Arp.holds(self.old) {
            self.arp();
        } else if Prereq::Nsh.holds(self.old) {
            self.nsh();
        }
    }
}
