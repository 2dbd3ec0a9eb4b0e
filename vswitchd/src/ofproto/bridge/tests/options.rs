//! Which options of tunnel headers are fields.

use openflow::nicira::{TlvCommand, TlvMap, TlvTableMod};
use openflow::text::{Names, parse_flow, parse_group, parse_tlv_maps};

use super::*;

const FIRST: &str = "{class=0x102,type=0x80,len=4}->tun_metadata0";

impl Lab {
    fn map(&mut self, command: TlvCommand, maps: &str) -> Result<(), OfpError> {
        let maps: Vec<TlvMap> = parse_tlv_maps(maps).unwrap_or_default();
        self.with(|of, _| of.tlv_table_mod(&TlvTableMod { command, maps }))
    }

    /// Adds a flow as a connection does.
    fn resolved(&mut self, text: &str) -> Result<(), OfpError> {
        let flow = parse_flow(FlowCommand::Add, text).unwrap();
        let mut message = Message::FlowMod(Box::new(flow));
        openflow::options::resolve(&mut message, self.of.options())?;
        self.send(message)
    }
}

#[test]
fn what_is_refused_changes_nothing_and_what_changes_is_to_be_published() {
    let mut lab = Lab::new();
    lab.of.take_dirty();
    let half = format!("{FIRST},{{class=0x102,type=0x80,len=8}}->tun_metadata1");
    assert_eq!(lab.map(TlvCommand::Add, &half), Err(OfpError::NxttmfDupEntry));
    assert!(lab.of.tlv_table().maps.is_empty() && !lab.of.is_dirty());
    assert!(!lab.of.take_new_options());
    lab.map(TlvCommand::Add, FIRST).unwrap();
    assert!(lab.of.is_dirty() && lab.of.take_new_options() && !lab.of.take_new_options());
    let table = lab.of.tlv_table();
    assert_eq!((table.max_space, table.max_fields, table.maps.len()), (256, 64, 1));
    // What is not there is taken away as well.
    lab.of.take_dirty();
    let other = "{class=1,type=1,len=4}->tun_metadata9";
    lab.map(TlvCommand::Delete, other).unwrap();
    assert!(!lab.of.is_dirty());
    lab.map(TlvCommand::Clear, "").unwrap();
    assert!(lab.of.tlv_table().maps.is_empty() && lab.of.take_new_options());
}

#[test]
fn a_field_stays_while_it_is_used() {
    let in_use = Err(OfpError::NxttmfInvalidTlvDel);
    for text in [
        "tun_metadata0=1,actions=drop",
        "tun_metadata0,actions=drop",
        "actions=set_field:1->tun_metadata0",
        "actions=clone(move:NXM_NX_TUN_METADATA0[0..3]->NXM_NX_REG0[0..3])",
    ] {
        let mut lab = Lab::new();
        assert_eq!(lab.resolved(text), Err(OfpError::NxfmfInvalidTlvField), "{text}");
        lab.map(TlvCommand::Add, FIRST).unwrap();
        lab.resolved(text).unwrap();
        assert_eq!(lab.map(TlvCommand::Delete, FIRST), in_use, "{text}");
        assert_eq!(lab.map(TlvCommand::Clear, ""), in_use, "{text}");
        lab.delete("");
        lab.map(TlvCommand::Delete, FIRST).unwrap();
    }
    let mut lab = Lab::new();
    lab.map(TlvCommand::Add, FIRST).unwrap();
    let group = "group_id=1,type=all,bucket=set_field:1->tun_metadata0,output:1";
    let group = parse_group(openflow::group::GroupCommand::Add, group, Names::NONE).unwrap();
    lab.send(Message::GroupMod(group)).unwrap();
    assert_eq!(lab.map(TlvCommand::Clear, ""), in_use);
}

#[test]
fn what_is_learned_is_found_in_the_table() {
    let mut lab = Lab::new();
    let flow = parse_flow(FlowCommand::Add, "table=1,tun_metadata0=7,actions=drop").unwrap();
    let refused = lab.with(|of, cx| of.learn(cx, &flow, 0));
    assert_eq!(refused, Err(OfpError::NxfmfInvalidTlvField));
    lab.map(TlvCommand::Add, FIRST).unwrap();
    for _ in 0..2 {
        lab.with(|of, cx| of.learn(cx, &flow, 0)).unwrap();
    }
    assert_eq!(lab.dump().len(), 1);
    assert!(lab.dump()[0].contains("tun_metadata0=0x7"), "{:?}", lab.dump());
}
