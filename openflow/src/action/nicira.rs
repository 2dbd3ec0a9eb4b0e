//! Nicira's actions: one line each, by subtype.
//!
//! # References
//! `nicira-ext.h`, NXAST_*.

use super::codec::{decode_actions, encode_actions, nicira, padding};
use super::{
    OfAction, Sample, SampleDirection, bundle, controller, learn, of, pack_bits, set, unpack_bits,
};
use crate::error::OfpError;
use crate::oxm::{self, Mask, Numbers};
use crate::port::OfPort;
use crate::version::Version;
use crate::wire::{Reader, Writer};
use packet::flow::Subfield;

const RESUBMIT: u16 = 1;
const SET_TUNNEL: u16 = 2;
const SET_QUEUE: u16 = 4;
pub(super) const POP_QUEUE: u16 = 5;
const NOTE: u16 = 8;
const SET_TUNNEL64: u16 = 9;
const MULTIPATH: u16 = 10;
const BUNDLE: u16 = 12;
const BUNDLE_LOAD: u16 = 13;
const RESUBMIT_TABLE: u16 = 14;
const OUTPUT_REG: u16 = 15;
const EXIT: u16 = 17;
const DEC_TTL: u16 = 18;
const FIN_TIMEOUT: u16 = 19;
const DEC_TTL_IDS: u16 = 21;
const WRITE_METADATA: u16 = 22;
const PUSH_MPLS: u16 = 23;
const POP_MPLS: u16 = 24;
const SET_MPLS_TTL: u16 = 25;
const DEC_MPLS_TTL: u16 = 26;
const STACK_PUSH: u16 = 27;
const STACK_POP: u16 = 28;
const SAMPLE: u16 = 29;
const SET_MPLS_LABEL: u16 = 30;
const SET_MPLS_TC: u16 = 31;
const OUTPUT_REG2: u16 = 32;
const CONJUNCTION: u16 = 34;
const CT: u16 = 35;
const NAT: u16 = 36;
const SAMPLE2: u16 = 38;
const OUTPUT_TRUNC: u16 = 39;
const GROUP: u16 = 40;
const SAMPLE3: u16 = 41;
const CLONE: u16 = 42;
const CT_CLEAR: u16 = 43;
const RESUBMIT_TABLE_CT: u16 = 44;
const CHECK_PKT_LARGER: u16 = 49;

/// No table: the one that the flow is in.
const THIS_TABLE: u8 = 255;
/// Fewest bytes that `output(max_len=…)` may leave: an Ethernet header.
const MIN_TRUNC_LEN: u32 = 14;

/// Reads an action behind its subtype.
///
/// # Errors
/// `OFPBAC_*`; `NXBAC_CT_DATAPATH_SUPPORT` for connection tracking, which is not there yet.
pub(super) fn decode(
    version: Version,
    subtype: u16,
    r: &mut Reader<'_>,
    depth: usize,
) -> Result<OfAction, OfpError> {
    let before_15 = version < Version::V15;
    match subtype {
        set::REG_MOVE if before_15 => set::decode_move(r, 0),
        set::REG_LOAD if before_15 => set::decode_load(r),
        set::REG_LOAD2 if before_15 => set::decode_load2(r),
        NOTE => Ok(OfAction::Note(r.rest().to_vec())),
        MULTIPATH => bundle::decode_multipath(r),
        BUNDLE => bundle::decode(r, bundle::Kind::Output),
        BUNDLE_LOAD => bundle::decode(r, bundle::Kind::Load),
        learn::LEARN => learn::decode(r, learn::Layout::First),
        learn::LEARN2 => learn::decode(r, learn::Layout::Second),
        controller::CONTROLLER => controller::decode(r),
        controller::CONTROLLER2 => controller::decode2(r),
        CLONE => {
            r.skip(6)?;
            Ok(OfAction::Clone(decode_actions(version, r, depth + 1)?))
        }
        CT | NAT | CT_CLEAR => Err(OfpError::NxbaCtDatapathSupport),
        _ => {
            let action = match version {
                Version::V10 => decode_v10(subtype, r)?,
                _ => None,
            };
            let action = match action {
                Some(action) => action,
                None => decode_simple(subtype, r)?,
            };
            padding(r)?;
            Ok(action)
        }
    }
}

/// Actions that later versions have of their own.
fn decode_v10(subtype: u16, r: &mut Reader<'_>) -> Result<Option<OfAction>, OfpError> {
    Ok(Some(match subtype {
        SET_QUEUE => OfAction::SetQueue(after_pad(r)?),
        DEC_TTL => OfAction::DecTtl(Vec::new()),
        PUSH_MPLS => of::push_mpls(r.u16()?)?,
        POP_MPLS => OfAction::PopMpls(r.u16()?),
        SET_MPLS_TTL => OfAction::SetMplsTtl(r.u8()?),
        DEC_MPLS_TTL => OfAction::DecMplsTtl,
        SET_MPLS_LABEL => OfAction::SetMplsLabel(after_pad(r)?),
        SET_MPLS_TC => OfAction::SetMplsTc(r.u8()?),
        GROUP => OfAction::Group(after_pad(r)?),
        _ => return Ok(None),
    }))
}

fn after_pad(r: &mut Reader<'_>) -> Result<u32, OfpError> {
    r.skip(2)?;
    r.u32()
}

fn decode_simple(subtype: u16, r: &mut Reader<'_>) -> Result<OfAction, OfpError> {
    Ok(match subtype {
        RESUBMIT => OfAction::Resubmit { in_port: OfPort(r.u16()?), table: None, original: false },
        RESUBMIT_TABLE | RESUBMIT_TABLE_CT => {
            let (in_port, table) = (OfPort(r.u16()?), r.u8()?);
            let table = Some(table).filter(|table| *table != THIS_TABLE);
            OfAction::Resubmit { in_port, table, original: subtype == RESUBMIT_TABLE_CT }
        }
        SET_TUNNEL => OfAction::SetTunnel(after_pad(r)?),
        SET_TUNNEL64 => {
            r.skip(6)?;
            OfAction::SetTunnel64(r.u64()?)
        }
        POP_QUEUE => OfAction::PopQueue,
        OUTPUT_REG => {
            let bits = r.u16()?;
            let src = unpack_bits(set::read_field(r)?, bits)?;
            let max_len = r.u16()?;
            OfAction::OutputReg { src, max_len }
        }
        OUTPUT_REG2 => {
            let (bits, max_len) = (r.u16()?, r.u16()?);
            OfAction::OutputReg { src: unpack_bits(set::read_field(r)?, bits)?, max_len }
        }
        EXIT => OfAction::Exit,
        FIN_TIMEOUT => OfAction::FinTimeout { idle_s: r.u16()?, hard_s: r.u16()? },
        DEC_TTL_IDS => decode_dec_ttl(r)?,
        WRITE_METADATA => {
            r.skip(6)?;
            OfAction::WriteMetadata { value: r.u64()?, mask: r.u64()? }
        }
        STACK_PUSH => OfAction::Push(decode_stack(r)?),
        STACK_POP => {
            let part = decode_stack(r)?;
            set::check_writable(part.field)?;
            OfAction::Pop(part)
        }
        SAMPLE | SAMPLE2 | SAMPLE3 => decode_sample(subtype, r)?,
        CONJUNCTION => decode_conjunction(r)?,
        OUTPUT_TRUNC => {
            let (port, max_len) = (OfPort(r.u16()?), r.u32()?);
            if max_len < MIN_TRUNC_LEN {
                return Err(OfpError::BaBadArgument);
            }
            of::check_output(port)?;
            OfAction::OutputTrunc { port, max_len }
        }
        CHECK_PKT_LARGER => {
            let (len, offset) = (r.u16()?, r.u16()?);
            let dst = set::part(set::read_field(r)?, offset, 1)?;
            set::check_writable(dst.field)?;
            r.skip(r.len().min(6))?;
            OfAction::CheckPktLarger { len, dst }
        }
        _ => return Err(OfpError::BaBadVendorType),
    })
}

fn decode_dec_ttl(r: &mut Reader<'_>) -> Result<OfAction, OfpError> {
    let n = r.u16()?;
    r.skip(4)?;
    let ids: Result<Vec<u16>, OfpError> = (0..n).map(|_| r.u16()).collect();
    let ids = ids?;
    if ids.is_empty() { Err(OfpError::BaBadLen) } else { Ok(OfAction::DecTtl(ids)) }
}

fn decode_stack(r: &mut Reader<'_>) -> Result<Subfield, OfpError> {
    let offset = r.u16()?;
    let field = set::read_field(r)?;
    let n_bits = r.u16()?;
    set::part(field, offset, n_bits)
}

fn decode_sample(subtype: u16, r: &mut Reader<'_>) -> Result<OfAction, OfpError> {
    let (probability, collector_set_id) = (r.u16()?, r.u32()?);
    let (obs_domain_id, obs_point_id) = (r.u32()?, r.u32()?);
    let mut sampling_port = OfPort::NONE;
    let mut direction = SampleDirection::Default;
    if subtype != SAMPLE {
        sampling_port = OfPort(r.u16()?);
        let number = r.u8()?;
        direction = match number {
            0 => SampleDirection::Default,
            1 if subtype == SAMPLE3 => SampleDirection::Ingress,
            2 if subtype == SAMPLE3 => SampleDirection::Egress,
            _ => return Err(OfpError::BaBadArgument),
        };
    }
    if probability == 0 {
        return Err(OfpError::BaBadArgument);
    }
    Ok(OfAction::Sample(Sample {
        probability,
        collector_set_id,
        obs_domain_id,
        obs_point_id,
        sampling_port,
        direction,
    }))
}

fn decode_conjunction(r: &mut Reader<'_>) -> Result<OfAction, OfpError> {
    let (clause, n_clauses, id) = (r.u8()?, r.u8()?, r.u32()?);
    if !(2..=64).contains(&n_clauses) || clause >= n_clauses {
        return Err(OfpError::NxbaBadConjunction);
    }
    Ok(OfAction::Conjunction { id, clause, n_clauses })
}

/// Writes an action. What no version says but as an instruction is left to [`super::instruction`].
pub(super) fn encode(version: Version, action: &OfAction, w: &mut Writer) -> Result<(), OfpError> {
    match action {
        OfAction::Clone(actions) => {
            let mut inner = Writer::new();
            encode_actions(version, actions, &mut inner)?;
            nicira(w, CLONE, |w| {
                w.zeros(6);
                w.bytes(inner.as_bytes());
            });
        }
        OfAction::Learn(learn) => learn::encode(learn, w),
        OfAction::Bundle(bundle) => {
            bundle::encode(bundle, if bundle.dst.is_some() { BUNDLE_LOAD } else { BUNDLE }, w);
        }
        OfAction::Multipath(multipath) => bundle::encode_multipath(multipath, MULTIPATH, w),
        OfAction::Controller(to) => controller::encode(to, w),
        OfAction::Note(bytes) => nicira(w, NOTE, |w| w.bytes(bytes)),
        OfAction::Sample(sample) => encode_sample(sample, w),
        OfAction::DecTtl(ids) => encode_dec_ttl(ids, w),
        _ if version == Version::V10 && encode_v10(action, w) => {}
        _ => encode_simple(action, w),
    }
    Ok(())
}

fn encode_v10(action: &OfAction, w: &mut Writer) -> bool {
    let wide = |w: &mut Writer, value: u32| {
        w.u16(0);
        w.u32(value);
    };
    match *action {
        OfAction::SetQueue(queue) => nicira(w, SET_QUEUE, |w| wide(w, queue)),
        OfAction::PushMpls(ethertype) => nicira(w, PUSH_MPLS, |w| w.u16(ethertype)),
        OfAction::PopMpls(ethertype) => nicira(w, POP_MPLS, |w| w.u16(ethertype)),
        OfAction::SetMplsTtl(ttl) => nicira(w, SET_MPLS_TTL, |w| w.u8(ttl)),
        OfAction::DecMplsTtl => nicira(w, DEC_MPLS_TTL, |w| w.zeros(6)),
        OfAction::SetMplsLabel(label) => nicira(w, SET_MPLS_LABEL, |w| wide(w, label)),
        OfAction::SetMplsTc(tc) => nicira(w, SET_MPLS_TC, |w| w.u8(tc)),
        OfAction::Group(group) => nicira(w, GROUP, |w| wide(w, group)),
        _ => return false,
    }
    true
}

fn encode_simple(action: &OfAction, w: &mut Writer) {
    match *action {
        OfAction::Resubmit { in_port, table, original } => {
            let subtype = match table {
                _ if original => RESUBMIT_TABLE_CT,
                _ => RESUBMIT_TABLE,
            };
            nicira(w, subtype, |w| {
                w.u16(in_port.0);
                w.u8(table.unwrap_or(THIS_TABLE));
            });
        }
        OfAction::SetTunnel(id) => nicira(w, SET_TUNNEL, |w| {
            w.u16(0);
            w.u32(id);
        }),
        OfAction::SetTunnel64(id) => nicira(w, SET_TUNNEL64, |w| {
            w.zeros(6);
            w.u64(id);
        }),
        OfAction::PopQueue => nicira(w, POP_QUEUE, |w| w.zeros(6)),
        OfAction::OutputReg { src, max_len } => encode_output_reg(src, max_len, w),
        OfAction::OutputTrunc { port, max_len } => nicira(w, OUTPUT_TRUNC, |w| {
            w.u16(port.0);
            w.u32(max_len);
        }),
        OfAction::Exit => nicira(w, EXIT, |w| w.zeros(6)),
        OfAction::FinTimeout { idle_s, hard_s } => nicira(w, FIN_TIMEOUT, |w| {
            w.u16(idle_s);
            w.u16(hard_s);
        }),
        OfAction::Push(part) => encode_stack(STACK_PUSH, part, w),
        OfAction::Pop(part) => encode_stack(STACK_POP, part, w),
        OfAction::Conjunction { id, clause, n_clauses } => nicira(w, CONJUNCTION, |w| {
            w.u8(clause);
            w.u8(n_clauses);
            w.u32(id);
        }),
        OfAction::CheckPktLarger { len, dst } => nicira(w, CHECK_PKT_LARGER, |w| {
            w.u16(len);
            w.u16(dst.offset);
            oxm::write_header(w, dst.field, Numbers::Nxm, Mask::None);
        }),
        OfAction::WriteMetadata { value, mask } => nicira(w, WRITE_METADATA, |w| {
            w.zeros(6);
            w.u64(value);
            w.u64(mask);
        }),
        _ => {}
    }
}

fn encode_output_reg(src: Subfield, max_len: u16, w: &mut Writer) {
    let plain = src.field.info().codes.first().is_some_and(|c| c.class.experimenter.is_none());
    if plain {
        return nicira(w, OUTPUT_REG, |w| {
            w.u16(pack_bits(src));
            oxm::write_header(w, src.field, Numbers::Nxm, Mask::None);
            w.u16(max_len);
            w.zeros(6);
        });
    }
    nicira(w, OUTPUT_REG2, |w| {
        w.u16(pack_bits(src));
        w.u16(max_len);
        oxm::write_header(w, src.field, Numbers::Nxm, Mask::None);
    });
}

fn encode_stack(subtype: u16, part: Subfield, w: &mut Writer) {
    nicira(w, subtype, |w| {
        w.u16(part.offset);
        oxm::write_header(w, part.field, Numbers::Nxm, Mask::None);
        w.u16(part.n_bits);
        w.zeros(6);
    });
}

fn encode_dec_ttl(ids: &[u16], w: &mut Writer) {
    if ids.is_empty() {
        return nicira(w, DEC_TTL, |w| w.zeros(6));
    }
    nicira(w, DEC_TTL_IDS, |w| {
        w.u16(u16::try_from(ids.len()).unwrap_or(u16::MAX));
        w.zeros(4);
        ids.iter().for_each(|id| w.u16(*id));
    });
}

fn encode_sample(sample: &Sample, w: &mut Writer) {
    let plain =
        sample.sampling_port == OfPort::NONE && sample.direction == SampleDirection::Default;
    let subtype = match sample.direction {
        _ if plain => SAMPLE,
        SampleDirection::Default => SAMPLE2,
        SampleDirection::Ingress | SampleDirection::Egress => SAMPLE3,
    };
    nicira(w, subtype, |w| {
        w.u16(sample.probability);
        w.u32(sample.collector_set_id);
        w.u32(sample.obs_domain_id);
        w.u32(sample.obs_point_id);
        if !plain {
            w.u16(sample.sampling_port.0);
            w.u8(sample.direction as u8);
        }
    });
}
