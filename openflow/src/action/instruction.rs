//! Instructions of OpenFlow 1.1 and later: what to do now, what later, and where to go on.
//!
//! # References
//! OpenFlow 1.3.5 §5.9, §7.2.4.

use super::codec::{decode_actions, encode_actions};
use super::{OfAction, Stage};
use crate::error::OfpError;
use crate::version::Version;
use crate::wire::{Reader, Writer};

const GOTO_TABLE: u16 = 1;
const WRITE_METADATA: u16 = 2;
const WRITE_ACTIONS: u16 = 3;
const APPLY_ACTIONS: u16 = 4;
const CLEAR_ACTIONS: u16 = 5;
const METER: u16 = 6;
const EXPERIMENTER: u16 = 0xffff;

/// OFPTT_ALL: no table to go to.
const TABLE_ALL: u8 = 255;

/// Reads instructions to the end of the message, in the order in which they act.
///
/// # Errors
/// `OFPBIC_*`, and `OFPBAC_*` of what stands in them.
pub(crate) fn decode_instructions(
    version: Version,
    r: &mut Reader<'_>,
) -> Result<Vec<OfAction>, OfpError> {
    let mut found: Vec<(u16, Vec<OfAction>)> = Vec::new();
    while !r.is_empty() {
        let mut head = r.or(OfpError::BiBadLen);
        let (kind, len) = (head.u16()?, usize::from(head.u16()?));
        if len < 8 || !len.is_multiple_of(8) || len > r.len() {
            return Err(OfpError::BiBadLen);
        }
        let whole = r.bytes(len)?;
        let mut body = Reader::new(&whole[4..], OfpError::BiBadLen);
        if found.iter().any(|(known, _)| *known == kind) {
            return Err(OfpError::BiDupInst);
        }
        found.push((kind, decode_instruction(version, kind, &mut body)?));
    }
    let mut actions: Vec<OfAction> = found.into_iter().flat_map(|(_, actions)| actions).collect();
    // Actions keep their order within a stage.
    actions.sort_by_key(OfAction::stage);
    Ok(actions)
}

fn decode_instruction(
    version: Version,
    kind: u16,
    r: &mut Reader<'_>,
) -> Result<Vec<OfAction>, OfpError> {
    let action = match kind {
        GOTO_TABLE => {
            let table = r.u8()?;
            r.skip(3)?;
            if table == TABLE_ALL {
                return Err(OfpError::BiBadTableId);
            }
            OfAction::GotoTable(table)
        }
        WRITE_METADATA => {
            r.skip(4)?;
            OfAction::WriteMetadata { value: r.u64()?, mask: r.u64()? }
        }
        WRITE_ACTIONS => {
            r.skip(4)?;
            OfAction::WriteActions(decode_actions(version, r, 1)?)
        }
        APPLY_ACTIONS => {
            r.skip(4)?;
            return decode_actions(version, r, 0);
        }
        CLEAR_ACTIONS => {
            r.skip(4)?;
            OfAction::ClearActions
        }
        METER if version < Version::V15 => OfAction::Meter(r.u32()?),
        EXPERIMENTER => return Err(OfpError::BiBadExperimenter),
        _ => return Err(OfpError::BiUnknownInst),
    };
    if r.is_empty() { Ok(vec![action]) } else { Err(OfpError::BiBadLen) }
}

/// Whether what a flow matches has a VLAN tag.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Tag {
    Unknown,
    Present,
}

/// Writes actions as instructions, or as the plain list that OpenFlow 1.0 has.
///
/// # Errors
/// `OFPBIC_UNSUP_INST` for an instruction that OpenFlow 1.0 cannot say, `OFPBAC_BAD_LEN` for what is
/// too long.
pub(crate) fn encode_instructions(
    version: Version,
    actions: &[OfAction],
    tag: Tag,
    w: &mut Writer,
) -> Result<(), OfpError> {
    if version == Version::V10 {
        return encode_v10(actions, w);
    }
    let meter_is_action = version >= Version::V15;
    let applied = |action: &OfAction| {
        action.stage() == Stage::Apply || meter_is_action && action.stage() == Stage::Meter
    };
    let apply: Vec<OfAction> = actions.iter().filter(|action| applied(action)).cloned().collect();
    if !meter_is_action {
        encode_stage(version, (actions, tag), Stage::Meter, w)?;
    }
    let tag_behind = apply.iter().fold(tag, behind);
    if !apply.is_empty() {
        let apply = with_tags(apply, tag);
        instruction(w, APPLY_ACTIONS, |w| {
            w.zeros(4);
            encode_actions(version, &apply, w)
        })?;
    }
    for stage in [Stage::Clear, Stage::Write, Stage::Metadata, Stage::Goto] {
        encode_stage(version, (actions, tag_behind), stage, w)?;
    }
    Ok(())
}

/// Writes the actions of a flow that is there. OpenFlow 1.0 leaves out what it cannot say, as Open
/// vSwitch does: whoever asks for all flows shall get them.
///
/// # Errors
/// `OFPBAC_BAD_LEN` for what is too long.
pub(crate) fn encode_told(
    version: Version,
    actions: &[OfAction],
    tag: Tag,
    w: &mut Writer,
) -> Result<(), OfpError> {
    if version != Version::V10 {
        return encode_instructions(version, actions, tag, w);
    }
    let said: Vec<OfAction> = actions.iter().filter(|a| !is_later(a)).cloned().collect();
    encode_v10(&said, w)
}

/// Whether OpenFlow 1.0 has nothing like it.
const fn is_later(action: &OfAction) -> bool {
    matches!(action, OfAction::Meter(_) | OfAction::ClearActions | OfAction::WriteActions(_))
}

fn encode_v10(actions: &[OfAction], w: &mut Writer) -> Result<(), OfpError> {
    for action in actions {
        match action {
            action if is_later(action) => return Err(OfpError::BiUnsupInst),
            OfAction::GotoTable(table) => {
                let in_port = crate::port::OfPort::IN_PORT;
                let resubmit = OfAction::Resubmit { in_port, table: Some(*table), original: false };
                encode_actions(Version::V10, &[resubmit], w)?;
            }
            action => encode_actions(Version::V10, std::slice::from_ref(action), w)?,
        }
    }
    Ok(())
}

fn encode_stage(
    version: Version,
    (actions, tag): (&[OfAction], Tag),
    stage: Stage,
    w: &mut Writer,
) -> Result<(), OfpError> {
    for action in actions.iter().filter(|action| action.stage() == stage) {
        match action {
            OfAction::Meter(meter) => instruction(w, METER, |w| {
                w.u32(*meter);
                Ok(())
            }),
            OfAction::ClearActions => instruction(w, CLEAR_ACTIONS, |w| {
                w.zeros(4);
                Ok(())
            }),
            OfAction::WriteActions(inner) => instruction(w, WRITE_ACTIONS, |w| {
                w.zeros(4);
                encode_actions(version, &with_tags(inner.clone(), tag), w)
            }),
            OfAction::WriteMetadata { value, mask } => instruction(w, WRITE_METADATA, |w| {
                w.zeros(4);
                w.u64(*value);
                w.u64(*mask);
                Ok(())
            }),
            OfAction::GotoTable(table) => instruction(w, GOTO_TABLE, |w| {
                w.u8(*table);
                w.zeros(3);
                Ok(())
            }),
            _ => Ok(()),
        }?;
    }
    Ok(())
}

fn instruction(
    w: &mut Writer,
    kind: u16,
    body: impl FnOnce(&mut Writer) -> Result<(), OfpError>,
) -> Result<(), OfpError> {
    let start = w.len();
    w.u16(kind);
    w.u16(0);
    body(w)?;
    w.patch_len(start + 2, start);
    if w.len() - start > usize::from(u16::MAX) { Err(OfpError::BiBadLen) } else { Ok(()) }
}

/// Writes a list beside which no instructions stand: in a bucket, or of what a controller sends.
///
/// # Errors
/// `OFPBAC_BAD_LEN` for what is too long.
pub(crate) fn encode_list(
    version: Version,
    actions: &[OfAction],
    w: &mut Writer,
) -> Result<(), OfpError> {
    if version == Version::V10 {
        return encode_actions(version, actions, w);
    }
    encode_actions(version, &with_tags(actions.to_vec(), Tag::Unknown), w)
}

/// Whether such a list can be said in a version: a meter is an action since OpenFlow 1.5.
///
/// # Errors
/// `OFPBAC_BAD_TYPE`.
pub(crate) fn check_list(version: Version, actions: &[OfAction]) -> Result<(), OfpError> {
    let is_meter = |action: &OfAction| action.stage() == Stage::Meter;
    if version < Version::V15 && actions.iter().any(is_meter) {
        return Err(OfpError::BaBadType);
    }
    Ok(())
}

/// Before an action of OpenFlow 1.0 that writes a VLAN tag, and pushes one if there is none, puts the
/// push that later versions want.
fn with_tags(actions: Vec<OfAction>, mut tag: Tag) -> Vec<OfAction> {
    let mut all = Vec::with_capacity(actions.len());
    for action in actions {
        let writes = matches!(action, OfAction::SetVlanVid(_) | OfAction::SetVlanPcp(_));
        if writes && tag == Tag::Unknown {
            all.push(OfAction::PushVlan(0x8100));
        }
        tag = behind(tag, &action);
        all.push(match action {
            OfAction::Clone(inner) => OfAction::Clone(with_tags(inner, tag)),
            action => action,
        });
    }
    all
}

/// Whether packets have a tag behind an action.
const fn behind(tag: Tag, action: &OfAction) -> Tag {
    match action {
        OfAction::PushVlan(_) | OfAction::SetVlanVid(_) | OfAction::SetVlanPcp(_) => Tag::Present,
        OfAction::StripVlan => Tag::Unknown,
        _ => tag,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::{actions_text, parse_actions};

    #[test]
    fn later_versions_see_the_push_of_an_action_that_writes_a_tag() {
        let told = |text: &str, tag| {
            let mut w = Writer::new();
            encode_told(Version::V13, &parse_actions(text).unwrap(), tag, &mut w).unwrap();
            let bytes = w.into_bytes();
            let mut r = Reader::new(&bytes, OfpError::BrBadLen);
            actions_text(Version::V13, &decode_instructions(Version::V13, &mut r).unwrap())
        };
        let push = "push_vlan:0x8100,set_field:4101->vlan_vid";
        let set = "set_field:4101->vlan_vid";
        for (text, tag, expected) in [
            ("mod_vlan_vid:5,output:1", Tag::Unknown, format!("{push},output:1")),
            ("mod_vlan_vid:5,output:1", Tag::Present, format!("{set},output:1")),
            ("strip_vlan,mod_vlan_vid:5", Tag::Present, format!("pop_vlan,{push}")),
            ("clone(mod_vlan_vid:5),mod_vlan_vid:5", Tag::Unknown, format!("clone({push}),{push}")),
            ("mod_vlan_vid:5,clone(mod_vlan_vid:5)", Tag::Unknown, format!("{push},clone({set})")),
            ("write_actions(mod_vlan_vid:5)", Tag::Unknown, format!("write_actions({push})")),
            ("write_actions(mod_vlan_vid:5)", Tag::Present, format!("write_actions({set})")),
            (
                "mod_vlan_vid:5,write_actions(mod_vlan_vid:5)",
                Tag::Unknown,
                format!("{push},write_actions({set})"),
            ),
        ] {
            assert_eq!(told(text, tag), expected, "{text} {tag:?}");
        }
    }
}
