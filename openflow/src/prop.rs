//! Properties: the type–length–value lists of OpenFlow 1.4 and of Nicira's extensions.
//!
//! # References
//! OpenFlow 1.4.1 §7.2; errors OFPBPC_* of §7.5.4.15.

use crate::error::OfpError;
use crate::wire::{Reader, Writer};

/// Types of an experimenter's property.
const EXPERIMENTER: [u16; 2] = [0xffff, 0xfffe];

/// Which property one is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Id {
    /// Of the structure it stands in.
    Standard(u16),
    /// Of an experimenter.
    Experimenter {
        /// The experimenter.
        vendor: u32,
        /// His type.
        exp_type: u32,
    },
}

impl Id {
    /// The error for a property that is not known here.
    pub(crate) const fn unknown(self) -> OfpError {
        match self {
            Id::Standard(_) => OfpError::BpBadType,
            Id::Experimenter { .. } => OfpError::BpBadExperimenter,
        }
    }

    /// Passes over a property that may be unknown: who describes himself may say more than we know.
    pub(crate) fn ignore(self, body: &mut Reader<'_>) -> Result<(), OfpError> {
        body.rest();
        Ok(())
    }
}

/// Calls `take` with each property and its body behind the header, and checks that it was read.
pub(crate) fn each<'a>(
    r: &mut Reader<'a>,
    mut take: impl FnMut(Id, &mut Reader<'a>) -> Result<(), OfpError>,
) -> Result<(), OfpError> {
    while !r.is_empty() {
        let (id, mut body) = next(r)?;
        take(id, &mut body)?;
        if body.len() >= 8 || body.peek().iter().any(|byte| *byte != 0) {
            return Err(OfpError::BpBadLen);
        }
    }
    Ok(())
}

/// The next property.
pub(crate) fn next<'a>(r: &mut Reader<'a>) -> Result<(Id, Reader<'a>), OfpError> {
    let mut head = r.or(OfpError::BpBadLen);
    let (kind, len) = (head.u16()?, usize::from(head.u16()?));
    if len < 4 || len.next_multiple_of(8) > r.len() {
        return Err(OfpError::BpBadLen);
    }
    let whole = r.bytes(len.next_multiple_of(8))?;
    let mut body = Reader::new(&whole[4..len], OfpError::BpBadLen);
    let id = if EXPERIMENTER.contains(&kind) {
        Id::Experimenter { vendor: body.u32()?, exp_type: body.u32()? }
    } else {
        Id::Standard(kind)
    };
    Ok((id, body))
}

/// Starts a property; gives what [`end`] needs.
pub(crate) fn begin(w: &mut Writer, kind: u16) -> usize {
    let at = w.len();
    w.u16(kind);
    w.u16(0);
    at
}

/// Starts an experimenter's property.
pub(crate) fn begin_experimenter(w: &mut Writer, vendor: u32, exp_type: u32) -> usize {
    let at = begin(w, EXPERIMENTER[0]);
    w.u32(vendor);
    w.u32(exp_type);
    at
}

/// Ends a property: writes its length, without the padding that follows.
pub(crate) fn end(w: &mut Writer, at: usize) {
    w.patch_len(at + 2, at);
    w.pad8(at);
}

/// Ends a property whose length counts its padding.
pub(crate) fn end_padded(w: &mut Writer, at: usize) {
    w.pad8(at);
    w.patch_len(at + 2, at);
}
