//! Lists of actions: headers, padding, and who reads which action.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-------------------------------+-------------------------------+
//! |             Type              |            Length             |
//! +-------------------------------+-------------------------------+
//! |          Experimenter, if the type is 0xffff                  |
//! +-------------------------------+-------------------------------+
//! |           Subtype             | …
//! ```

use super::{OfAction, nicira, of, set};
use crate::error::{NX_VENDOR_ID, ONF_VENDOR_ID, OfpError};
use crate::version::Version;
use crate::wire::{Reader, Writer};

/// OFPAT_VENDOR, OFPAT_EXPERIMENTER.
const VENDOR: u16 = 0xffff;
/// Every action is padded to a multiple of this.
const ALIGN: usize = 8;
/// How deep actions may stand in actions (`clone`): a bound on recursion over foreign bytes.
pub(crate) const MAX_NESTING: usize = 32;

/// Reads a list of actions to its end.
///
/// # Errors
/// `OFPBAC_*`.
pub(crate) fn decode_actions(
    version: Version,
    r: &mut Reader<'_>,
    depth: usize,
) -> Result<Vec<OfAction>, OfpError> {
    if depth > MAX_NESTING {
        return Err(OfpError::BaTooMany);
    }
    let mut actions = Vec::new();
    while !r.is_empty() {
        let mut head = r.or(OfpError::BaBadLen);
        let (kind, len) = (head.u16()?, usize::from(head.u16()?));
        if len < ALIGN || !len.is_multiple_of(ALIGN) || len > r.len() {
            return Err(OfpError::BaBadLen);
        }
        let whole = r.bytes(len)?;
        let mut body = Reader::new(&whole[4..], OfpError::BaBadLen);
        actions.push(decode_action(version, kind, &mut body, depth)?);
    }
    Ok(actions)
}

fn decode_action(
    version: Version,
    kind: u16,
    body: &mut Reader<'_>,
    depth: usize,
) -> Result<OfAction, OfpError> {
    if kind != VENDOR {
        return of::decode(version, kind, body);
    }
    match body.u32()? {
        NX_VENDOR_ID => {
            let subtype = body.u16()?;
            nicira::decode(version, subtype, body, depth)
        }
        ONF_VENDOR_ID => {
            let subtype = body.u16()?;
            set::decode_onf(version, subtype, body)
        }
        _ => Err(OfpError::BaBadVendor),
    }
}

/// Writes a list of actions. Instructions are none and are left out.
///
/// # Errors
/// `OFPBAC_BAD_LEN` if an action is longer than one may be.
pub(crate) fn encode_actions(
    version: Version,
    actions: &[OfAction],
    w: &mut Writer,
) -> Result<(), OfpError> {
    for action in actions {
        let start = w.len();
        encode_action(version, action, w)?;
        if w.len() - start > usize::from(u16::MAX) {
            return Err(OfpError::BaBadLen);
        }
    }
    Ok(())
}

fn encode_action(version: Version, action: &OfAction, w: &mut Writer) -> Result<(), OfpError> {
    if of::encode(version, action, w) || set::encode(version, action, w) {
        return Ok(());
    }
    nicira::encode(version, action, w)
}

/// Writes an action of the specification.
pub(super) fn standard(w: &mut Writer, kind: u16, body: impl FnOnce(&mut Writer)) {
    let start = w.len();
    w.u16(kind);
    w.u16(0);
    body(w);
    finish(w, start);
}

/// Writes an action of Nicira's.
pub(super) fn nicira(w: &mut Writer, subtype: u16, body: impl FnOnce(&mut Writer)) {
    let start = w.len();
    w.u16(VENDOR);
    w.u16(0);
    w.u32(NX_VENDOR_ID);
    w.u16(subtype);
    body(w);
    finish(w, start);
}

fn finish(w: &mut Writer, start: usize) {
    w.pad8(start);
    w.patch_len(start + 2, start);
}

/// What is left must be padding: fewer than eight zeros.
pub(super) fn padding(body: &mut Reader<'_>) -> Result<(), OfpError> {
    let rest = body.rest();
    if rest.len() >= ALIGN {
        return Err(OfpError::BaBadLen);
    }
    if rest.iter().any(|byte| *byte != 0) { Err(OfpError::NxbaMustBeZero) } else { Ok(()) }
}
