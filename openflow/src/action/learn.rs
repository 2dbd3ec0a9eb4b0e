//! `learn`: adds a flow made of the packet.
//!
//! ```text
//!  15  14  13 12  11 10                              0
//! +------+---+------+---------------------------------+
//! |   0  |src|  dst |             n_bits              |
//! +------+---+------+---------------------------------+
//! ```
//! Each part of the new flow is such a header, the source (a field's number and offset, or a constant)
//! and the destination (a field's number and offset, or nothing for an output).
//!
//! # References
//! `nicira-ext.h`, `nx_action_learn`, `nx_action_learn2`.

use packet::flow::{FieldId, Subfield};

use super::codec::nicira;
use super::{OfAction, set};
use crate::error::OfpError;
use crate::flags::flags;
use crate::oxm::{self, Mask, Numbers};
use crate::wire::{Reader, Writer};

pub(super) const LEARN: u16 = 16;
pub(super) const LEARN2: u16 = 45;

flags! {
    /// How a learned flow lives (`nicira-ext.h`, `nx_learn_flags`).
    LearnFlags: u16 {
        /// A message says when it goes.
        SEND_FLOW_REM = 1 << 0, "send_flow_rem";
        /// It goes with the flow that learned it.
        DELETE_LEARNED = 1 << 1, "delete_learned";
        /// A bit says whether it was learned.
        WRITE_RESULT = 1 << 2, "write_result";
    }
}

/// A constant of up to 1024 bits, as the wire carries it: whole 16-bit words, highest first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LearnValue(pub Vec<u8>);

impl LearnValue {
    /// A number of so many bits.
    #[must_use]
    pub fn new(value: u128, n_bits: u16) -> LearnValue {
        let len = usize::from(n_bits).div_ceil(16) * 2;
        let bytes = value.to_be_bytes();
        let mut padded = vec![0; len.saturating_sub(bytes.len())];
        padded.extend(&bytes[bytes.len().saturating_sub(len)..]);
        LearnValue(padded)
    }

    /// As a number; `None` if it has more than 128 bits.
    #[must_use]
    pub fn number(&self) -> Option<u128> {
        (self.0.len() <= 16).then(|| oxm::read_value(&self.0))
    }
}

/// Where bits of the new flow come from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LearnSrc {
    /// The packet.
    Field(Subfield),
    /// The action.
    Value(LearnValue),
}

/// What they become.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LearnDst {
    /// A match.
    Match(Subfield),
    /// An action that writes them.
    Load(Subfield),
    /// An action that sends to the port of this number.
    Output,
}

/// One part of the new flow.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LearnSpec {
    /// Where the bits come from.
    pub src: LearnSrc,
    /// What they become.
    pub dst: LearnDst,
    /// How many.
    pub n_bits: u16,
}

/// `learn`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Learn {
    /// Idle timeout of the new flow in seconds; 0: none.
    pub idle_s: u16,
    /// Hard timeout in seconds; 0: none.
    pub hard_s: u16,
    /// Priority.
    pub priority: u16,
    /// Cookie.
    pub cookie: u64,
    /// How it lives.
    pub flags: LearnFlags,
    /// Its table.
    pub table: u8,
    /// Idle timeout once the TCP connection ends.
    pub fin_idle_s: u16,
    /// Hard timeout once the TCP connection ends.
    pub fin_hard_s: u16,
    /// Most flows of this action's cookie in the table; 0: no limit.
    pub limit: u32,
    /// With [`LearnFlags::WRITE_RESULT`]: the bit that says whether there was room.
    pub result_dst: Option<Subfield>,
    /// Its parts, in order.
    pub specs: Vec<LearnSpec>,
}

impl Default for Learn {
    fn default() -> Learn {
        Learn {
            idle_s: 0,
            hard_s: 0,
            priority: 0x8000,
            cookie: 0,
            flags: LearnFlags::default(),
            table: 1,
            fin_idle_s: 0,
            fin_hard_s: 0,
            limit: 0,
            result_dst: None,
            specs: Vec::new(),
        }
    }
}

/// Which of two structures.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    First,
    Second,
}

const SRC_VALUE: u16 = 1 << 13;
const DST_SHIFT: u16 = 11;
const N_BITS_MASK: u16 = 0x7ff;

pub(super) fn decode(r: &mut Reader<'_>, layout: Layout) -> Result<OfAction, OfpError> {
    let (idle_s, hard_s, priority) = (r.u16()?, r.u16()?, r.u16()?);
    let (cookie, flags, table) = (r.u64()?, LearnFlags(r.u16()?), r.u8()?);
    if r.u8()? != 0 || table == 255 {
        return Err(OfpError::BaBadArgument);
    }
    let (fin_idle_s, fin_hard_s) = (r.u16()?, r.u16()?);
    let known = if layout == Layout::Second { 7 } else { 3 };
    if flags.0 & !known != 0 {
        return Err(OfpError::BaBadArgument);
    }
    let mut learn = Learn {
        idle_s,
        hard_s,
        priority,
        cookie,
        flags,
        table,
        fin_idle_s,
        fin_hard_s,
        ..Learn::default()
    };
    if layout == Layout::Second {
        learn.limit = r.u32()?;
        let offset = r.u16()?;
        if r.u16()? != 0 {
            return Err(OfpError::BaBadArgument);
        }
        if flags.contains(LearnFlags::WRITE_RESULT) {
            let field = set::read_field(r)?;
            set::check_writable(field)?;
            learn.result_dst = Some(set::part(field, offset, 1)?);
        }
    }
    while r.len() >= 2 {
        let header = r.u16()?;
        if header == 0 {
            break;
        }
        learn.specs.push(decode_spec(header, r)?);
    }
    if r.rest().iter().any(|byte| *byte != 0) {
        return Err(OfpError::NxbaMustBeZero);
    }
    Ok(OfAction::Learn(Box::new(learn)))
}

fn decode_spec(header: u16, r: &mut Reader<'_>) -> Result<LearnSpec, OfpError> {
    let n_bits = header & N_BITS_MASK;
    let is_value = header & SRC_VALUE != 0;
    if header & 0xc000 != 0 || n_bits == 0 {
        return Err(OfpError::BaBadArgument);
    }
    let src = if is_value {
        let bytes = r.bytes(usize::from(n_bits).div_ceil(16) * 2)?.to_vec();
        let spare = 16 * u16::try_from(bytes.len() / 2).unwrap_or(0) - n_bits;
        let high = bytes.iter().take(2).fold(0_u16, |high, byte| high << 8 | u16::from(*byte));
        if spare > 0 && high >> (16 - spare) != 0 {
            return Err(OfpError::BaBadArgument);
        }
        LearnSrc::Value(LearnValue(bytes))
    } else {
        LearnSrc::Field(decode_part(r, n_bits)?)
    };
    let dst = match header >> DST_SHIFT & 3 {
        0 => LearnDst::Match(decode_part(r, n_bits)?),
        1 => {
            let part = decode_part(r, n_bits)?;
            set::check_writable(part.field)?;
            LearnDst::Load(part)
        }
        2 if !is_value => LearnDst::Output,
        _ => return Err(OfpError::BaBadArgument),
    };
    Ok(LearnSpec { src, dst, n_bits })
}

fn decode_part(r: &mut Reader<'_>, n_bits: u16) -> Result<Subfield, OfpError> {
    let field: FieldId = set::read_field(r)?;
    set::part(field, r.u16()?, n_bits)
}

pub(super) fn encode(learn: &Learn, w: &mut Writer) {
    let second = learn.limit != 0 || learn.flags.contains(LearnFlags::WRITE_RESULT);
    nicira(w, if second { LEARN2 } else { LEARN }, |w| {
        w.u16(learn.idle_s);
        w.u16(learn.hard_s);
        w.u16(learn.priority);
        w.u64(learn.cookie);
        w.u16(learn.flags.0);
        w.u8(learn.table);
        w.u8(0);
        w.u16(learn.fin_idle_s);
        w.u16(learn.fin_hard_s);
        if second {
            w.u32(learn.limit);
            w.u16(learn.result_dst.map_or(0, |dst| dst.offset));
            w.u16(0);
            if let Some(dst) = learn.result_dst {
                oxm::write_header(w, dst.field, Numbers::Nxm, Mask::None);
            }
        }
        learn.specs.iter().for_each(|spec| encode_spec(spec, w));
    });
}

fn encode_spec(spec: &LearnSpec, w: &mut Writer) {
    let (dst, part) = match spec.dst {
        LearnDst::Match(part) => (0, Some(part)),
        LearnDst::Load(part) => (1, Some(part)),
        LearnDst::Output => (2, None),
    };
    let src = if matches!(spec.src, LearnSrc::Value(_)) { SRC_VALUE } else { 0 };
    w.u16(src | dst << DST_SHIFT | spec.n_bits);
    match &spec.src {
        LearnSrc::Value(value) => w.bytes(&value.0),
        LearnSrc::Field(part) => encode_part(*part, w),
    }
    if let Some(part) = part {
        encode_part(part, w);
    }
}

fn encode_part(part: Subfield, w: &mut Writer) {
    oxm::write_header(w, part.field, Numbers::Nxm, Mask::None);
    w.u16(part.offset);
}
