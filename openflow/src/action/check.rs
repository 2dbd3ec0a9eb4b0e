//! Whether actions make sense: in their order, and for what the flow matches.
//!
//! # Design
//! A codec reads one action at a time; what one action says of the next, and what the match says of
//! all of them, is asked here, once, of a whole flow.
//!
//! # References
//! OpenFlow 1.3.5 §7.2.5 (prerequisites of `set_field`), §7.4.4.2; ovs-actions(7).

use packet::flow::{FieldId, FlowKey, FlowMatch, Subfield};
use packet::vlan::TAG_PRESENT;

use super::{Learn, LearnDst, LearnSrc, OfAction, Stage};
use crate::error::OfpError;

/// Checks a flow's actions against its match and its table.
///
/// # Errors
/// `OFPBAC_MATCH_INCONSISTENT`: a field is read or written that the packets do not have.
/// `OFPBAC_BAD_TYPE`: `write_actions` has what an action set cannot have. `OFPBIC_BAD_TABLE_ID`:
/// `goto_table` leads back. `NXBAC_BAD_CONJUNCTION`: something stands beside
/// `conjunction`. `OFPBAC_UNSUPPORTED_ORDER`: something stands behind a later instruction.
pub fn check(actions: &[OfAction], matching: &FlowMatch, table: u8) -> Result<(), OfpError> {
    let conjunctions = actions.iter().filter(|a| matches!(a, OfAction::Conjunction { .. })).count();
    let harmless = |action: &&OfAction| matches!(action, OfAction::Note(_));
    if conjunctions > 0 && conjunctions + actions.iter().filter(harmless).count() < actions.len() {
        return Err(OfpError::NxbaBadConjunction);
    }
    if !actions.is_sorted_by_key(OfAction::stage) {
        return Err(OfpError::BaUnsupportedOrder);
    }
    let repeated =
        |pair: &[OfAction]| pair[0].stage() == pair[1].stage() && pair[0].stage() != Stage::Apply;
    if actions.windows(2).any(repeated) {
        return Err(OfpError::BiDupInst);
    }
    check_list(actions, &mut matching.key().clone(), table)
}

fn check_list(actions: &[OfAction], key: &mut FlowKey, table: u8) -> Result<(), OfpError> {
    actions.iter().try_for_each(|action| check_one(action, key, table))
}

fn check_one(action: &OfAction, key: &mut FlowKey, table: u8) -> Result<(), OfpError> {
    let has = |key: &FlowKey, field: FieldId| match field.info().prereq.holds(key) {
        true => Ok(()),
        false => Err(OfpError::BaMatchInconsistent),
    };
    let part = |key: &FlowKey, part: &Subfield| has(key, part.field);
    match action {
        OfAction::SetField(set) => has(key, set.field),
        OfAction::Load { dst, .. } | OfAction::Pop(dst) => part(key, dst),
        OfAction::Move { src, dst } => part(key, src).and_then(|()| part(key, dst)),
        OfAction::Push(src) | OfAction::OutputReg { src, .. } => part(key, src),
        OfAction::CheckPktLarger { dst, .. } => part(key, dst),
        OfAction::Multipath(multipath) => part(key, &multipath.dst),
        OfAction::SetIpv4Src(_) | OfAction::SetIpv4Dst(_) => has(key, FieldId::Ipv4Src),
        OfAction::SetIpTos(_) | OfAction::SetIpEcn(_) | OfAction::SetIpTtl(_) => {
            has(key, FieldId::IpTos)
        }
        OfAction::DecTtl(_) => has(key, FieldId::IpTtl),
        OfAction::SetTpSrc(_) | OfAction::SetTpDst(_) => {
            let fields = [FieldId::TcpSrc, FieldId::UdpSrc, FieldId::SctpSrc];
            let any = fields.into_iter().any(|field| has(key, field).is_ok());
            if any { Ok(()) } else { Err(OfpError::BaMatchInconsistent) }
        }
        OfAction::SetVlanVid(_) | OfAction::SetVlanPcp(_) | OfAction::PushVlan(_) => {
            let tci = key.get(FieldId::VlanTci) | u128::from(TAG_PRESENT);
            key.set(FieldId::VlanTci, tci);
            Ok(())
        }
        OfAction::StripVlan => {
            key.set(FieldId::VlanTci, 0);
            Ok(())
        }
        OfAction::PushMpls(ethertype) | OfAction::PopMpls(ethertype) => {
            if matches!(action, OfAction::PopMpls(_)) {
                has(key, FieldId::MplsLabel)?;
            }
            key.set(FieldId::EthType, (*ethertype).into());
            Ok(())
        }
        OfAction::SetMplsLabel(_)
        | OfAction::SetMplsTc(_)
        | OfAction::SetMplsTtl(_)
        | OfAction::DecMplsTtl => has(key, FieldId::MplsLabel),
        OfAction::FinTimeout { .. } => has(key, FieldId::TcpSrc),
        OfAction::Learn(learn) => check_learn(learn, key),
        OfAction::GotoTable(to) if *to <= table && table != 255 => Err(OfpError::BiBadTableId),
        OfAction::WriteActions(inner) if !inner.iter().all(may_be_in_set) => {
            Err(OfpError::BaBadType)
        }
        OfAction::Clone(inner) | OfAction::WriteActions(inner) => {
            check_list(inner, &mut key.clone(), table)
        }
        _ => Ok(()),
    }
}

/// Whether an action set may have an action (`action_set_classify`, `lib/ofp-actions.c`).
const fn may_be_in_set(action: &OfAction) -> bool {
    !matches!(
        action,
        OfAction::OutputReg { .. }
            | OfAction::OutputTrunc { .. }
            | OfAction::Controller(_)
            | OfAction::Enqueue { .. }
            | OfAction::PopQueue
            | OfAction::Bundle(_)
            | OfAction::Multipath(_)
            | OfAction::Push(_)
            | OfAction::Pop(_)
            | OfAction::Learn(_)
            | OfAction::Conjunction { .. }
            | OfAction::Clone(_)
            | OfAction::Note(_)
            | OfAction::Exit
            | OfAction::FinTimeout { .. }
            | OfAction::Sample(_)
            | OfAction::CheckPktLarger { .. }
            | OfAction::Meter(_)
            | OfAction::ClearActions
            | OfAction::WriteActions(_)
            | OfAction::WriteMetadata { .. }
            | OfAction::GotoTable(_)
    )
}

/// What is read must be there by the match of the flow; what is matched or written in the new flow, by
/// the constants that the new flow has matched before (`learn_check`, `lib/learn.c`).
fn check_learn(learn: &Learn, key: &FlowKey) -> Result<(), OfpError> {
    let mut new = FlowKey::EMPTY;
    for spec in &learn.specs {
        let read = match &spec.src {
            LearnSrc::Field(src) => Some((key, src.field)),
            LearnSrc::Value(_) => None,
        };
        let written = match spec.dst {
            LearnDst::Match(dst) | LearnDst::Load(dst) => Some((&new, dst.field)),
            LearnDst::Output => None,
        };
        for (key, field) in read.into_iter().chain(written) {
            if !field.info().prereq.holds(key) {
                return Err(OfpError::BaMatchInconsistent);
            }
        }
        if let (LearnSrc::Value(value), LearnDst::Match(dst)) = (&spec.src, spec.dst)
            && let Some(number) = value.number()
        {
            new.write(dst, number);
        }
    }
    Ok(())
}
