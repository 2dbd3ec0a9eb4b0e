//! Tunnel options in messages, and what a bridge's table says of them.
//!
//! # Design
//! A match or an action may name an option before anybody has said which one it is: codecs and texts
//! know no table. Whoever obeys a message asks [`resolve`] once, which checks every option against the
//! bridge's table and puts what matches demand of them into key and mask.
//!
//! # References
//! `lib/tun-metadata.c` and `mf_vl_mff_*` in `lib/meta-flow.c` of Open vSwitch.

use packet::flow::{FlowMatch, OptionTable, Subfield};

use crate::action::{LearnDst, LearnSrc};
use crate::{Message, OfAction, OfpError, StatsRequest};

/// Most bits that an action holds of an option at once.
const MAX_HELD_BITS: u16 = 128;

/// Finds the options of a message in a table.
///
/// # Errors
/// `NXFMFC_INVALID_TLV_FIELD`: the table has none for a field. `OFPBAC_BAD_SET_LEN`: the option has no
/// such bits.
pub fn resolve(message: &mut Message, table: &OptionTable) -> Result<(), OfpError> {
    match message {
        Message::FlowMod(flow) => {
            resolve_match(&mut flow.matching, table)?;
            check(&flow.actions, table)
        }
        Message::PacketOut(packet) => {
            resolve_match(&mut packet.metadata, table)?;
            check(&packet.actions, table)
        }
        Message::Resume(packet) => resolve_match(&mut packet.metadata, table),
        Message::GroupMod(group) => {
            group.group.buckets.iter().try_for_each(|bucket| check(&bucket.actions, table))
        }
        Message::StatsRequest(StatsRequest::Flow(request) | StatsRequest::Aggregate(request)) => {
            resolve_match(&mut request.matching, table)
        }
        Message::StatsRequest(StatsRequest::FlowMonitor(requests)) => {
            requests.iter_mut().try_for_each(|request| resolve_match(&mut request.matching, table))
        }
        _ => Ok(()),
    }
}

/// Finds the options of a match in a table.
///
/// # Errors
/// `NXFMFC_INVALID_TLV_FIELD`.
pub fn resolve_match(matching: &mut FlowMatch, table: &OptionTable) -> Result<(), OfpError> {
    matching.resolve(table).map_err(|_| OfpError::NxfmfInvalidTlvField)
}

/// Checks the options that actions name.
///
/// # Errors
/// See [`resolve`].
pub fn check(actions: &[OfAction], table: &OptionTable) -> Result<(), OfpError> {
    let mut found = Ok(());
    each_option(actions, &mut |index, part, held| {
        found = found.and_then(|()| {
            let slot = table.slot(index).ok_or(OfpError::NxfmfInvalidTlvField)?;
            let fits = part.is_none_or(|part| {
                usize::from(part.offset + part.n_bits) <= slot.len() * 8
                    && (held == Held::No || part.n_bits <= MAX_HELD_BITS)
            });
            if fits { Ok(()) } else { Err(OfpError::BaBadSetLen) }
        });
    });
    found
}

/// Whether actions name an option.
#[must_use]
pub fn names(actions: &[OfAction], index: usize) -> bool {
    let mut is_named = false;
    each_option(actions, &mut |named, _, _| is_named |= named == index);
    is_named
}

/// Whether bits of an option are kept somewhere while they are on their way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Held {
    Yes,
    No,
}

/// Says of every option that actions name which it is, and which part of it.
fn each_option(actions: &[OfAction], say: &mut dyn FnMut(usize, Option<Subfield>, Held)) {
    for action in actions {
        let mut part = |part: &Subfield, held| {
            if let Some(index) = part.field.option() {
                say(index, Some(*part), held);
            }
        };
        match action {
            OfAction::SetOption(option) => say(option.index.into(), None, Held::No),
            OfAction::Move { src, dst } => {
                part(src, Held::No);
                part(dst, Held::No);
            }
            OfAction::Load { dst: bits, .. }
            | OfAction::Push(bits)
            | OfAction::Pop(bits)
            | OfAction::OutputReg { src: bits, .. }
            | OfAction::CheckPktLarger { dst: bits, .. } => part(bits, Held::Yes),
            OfAction::Multipath(multipath) => part(&multipath.dst, Held::Yes),
            OfAction::Bundle(bundle) => {
                bundle.dst.iter().for_each(|dst| part(dst, Held::Yes));
            }
            OfAction::Learn(learn) => {
                learn.result_dst.iter().for_each(|dst| part(dst, Held::Yes));
                for spec in &learn.specs {
                    if let LearnSrc::Field(src) = &spec.src {
                        part(src, Held::Yes);
                    }
                    if let LearnDst::Match(dst) | LearnDst::Load(dst) = &spec.dst {
                        part(dst, Held::Yes);
                    }
                }
            }
            OfAction::Clone(inner) | OfAction::WriteActions(inner) => each_option(inner, say),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use packet::flow::OptionTable;

    use super::*;
    use crate::codec::TableIds;
    use crate::flow::FlowCommand;
    use crate::text::{flow_mod_text, parse_flow};
    use crate::{Codec, Version};

    fn table() -> OptionTable {
        let mut table = OptionTable::EMPTY;
        table.insert(0, (0x102, 0x80), 4).unwrap();
        table.insert(5, (0xffff, 0), 32).unwrap();
        table
    }

    fn resolved(text: &str) -> Result<Message, OfpError> {
        let flow = parse_flow(FlowCommand::Add, text).unwrap();
        let mut message = Message::FlowMod(Box::new(flow));
        resolve(&mut message, &table()).map(|()| message)
    }

    #[test]
    fn flows_with_options_cross_every_version_and_back() {
        const FLOWS: [&str; 6] = [
            "tun_metadata0=0x1234,actions=drop",
            "tun_metadata0=0x1200/0xff00,tun_metadata5=0x123456789abcdef0123456789abcdef012,actions=drop",
            "tun_metadata5,actions=output:1",
            "actions=set_field:0x1234->tun_metadata0,output:1",
            "actions=set_field:0x120034/0xff00ff->tun_metadata5,output:1",
            "actions=move:NXM_NX_TUN_METADATA0[0..15]->NXM_NX_REG14[0..15],\
             move:NXM_NX_REG14[0..14]->NXM_NX_TUN_METADATA0[16..30],load:0x5->NXM_NX_TUN_METADATA5[100..110]",
        ];
        for text in FLOWS {
            let message = resolved(text).unwrap();
            for version in Version::SPOKEN {
                let codec = Codec { table_ids: TableIds::On, ..Codec::new(version) };
                let Message::FlowMod(flow) = &message else { panic!("a flow") };
                let bytes = codec.encode(1, &message).unwrap();
                let mut back = codec.decode(&bytes).unwrap().message;
                let Message::FlowMod(unresolved) = &back else { panic!("a flow") };
                // A load is a set_field in OpenFlow 1.5.
                if version == Version::V15 && text.contains("load") {
                    let said = flow_mod_text(version, unresolved);
                    assert!(said.contains("set_field:0x5000"), "{said}");
                    continue;
                }
                let [said, meant] = [unresolved, flow].map(|flow| flow_mod_text(version, flow));
                assert_eq!(said, meant, "{text}");
                resolve(&mut back, &table()).unwrap();
                assert_eq!(back, message, "{version} {text}");
            }
        }
    }

    #[test]
    fn an_option_that_is_not_mapped_or_has_no_such_bits_is_refused() {
        let error = |text| resolved(text).unwrap_err();
        let unmapped = OfpError::NxfmfInvalidTlvField;
        assert_eq!(error("tun_metadata1=1,actions=drop"), unmapped);
        assert_eq!(error("actions=set_field:1->tun_metadata2"), unmapped);
        assert_eq!(error("actions=clone(load:1->NXM_NX_TUN_METADATA63[0])"), unmapped);
        let beyond = "actions=move:NXM_NX_TUN_METADATA0[16..47]->NXM_NX_REG0[]";
        assert_eq!(error(beyond), OfpError::BaBadSetLen);
        assert_eq!(error("actions=push:NXM_NX_TUN_METADATA5[0..200]"), OfpError::BaBadSetLen);
        let names_five = |text: &str| {
            let flow = parse_flow(FlowCommand::Add, text).unwrap();
            names(&flow.actions, 5)
        };
        assert!(names_five("actions=learn(NXM_NX_TUN_METADATA5[0..3])"));
        assert!(!names_five("actions=set_field:1->tun_metadata0"));
    }
}
