//! Mirrors of a bridge with flows: what passes its ports.
//!
//! # Design
//! A packet is copied when it has come, before its flow is looked up, and again where it leaves, as it is
//! then; to each output once. Which mirrors it went to is known while walking, since ports and VLANs are,
//! so an action that copies says which ones are done. NORMAL copies what it sends itself.
//!
//! # References
//! `ofproto/ofproto-dpif-xlate.c` of Open vSwitch, `mirror_packet`.

use datapath::Action;
use datapath::l2::mirror::Passing;
use packet::VlanTag;
use packet::flow::FieldId;
use packet::vlan::TAG_PRESENT;

use super::depends::Dependency;
use super::state::Xlate;
use crate::ofproto::view::XPort;

impl Xlate<'_> {
    /// The packet has come.
    pub(super) fn mirror_received(&mut self) {
        let bridge = self.bridge;
        if bridge.mirrors.is_some()
            && let Some(port) = bridge.ports.get(&self.in_port())
        {
            self.mirror(port, Passing::In);
        }
    }

    /// The packet passes a port.
    pub(super) fn mirror(&mut self, port: &XPort, passing: Passing) {
        let Some(mirrors) = &self.bridge.mirrors else { return };
        self.depends.insert(Dependency::Ports(self.bridge.id));
        self.look_at(FieldId::VlanTci);
        let outer = self.key.outer_vlan();
        let tag = (outer.tci & TAG_PRESENT != 0).then_some(VlanTag(outer.tci & !TAG_PRESENT));
        let Ok(vlan) = port.vlan.admit(tag) else { return };
        let mirrored = self.mirrored;
        while mirrors.select((port.no, passing), vlan, &mut self.mirrored).is_some() {}
        if self.mirrored != mirrored {
            self.commit();
            let (bridge, port) = (self.bridge.id, port.no);
            self.list.push(Action::Mirror { bridge, port, passing, mirrored });
        }
    }
}
