//! Bundles: messages that are obeyed all together or not at all.
//!
//! # References
//! OpenFlow 1.4.1 §7.3.9; the ONF's extension 230 for OpenFlow 1.3.

use crate::error::OfpError;
use crate::flags::flags;
use crate::prop;
use crate::version::Version;
use crate::wire::{Reader, Writer};

/// Step of a bundle's life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u16)]
#[allow(missing_docs)]
pub enum BundleStep {
    OpenRequest = 0,
    OpenReply = 1,
    CloseRequest = 2,
    CloseReply = 3,
    CommitRequest = 4,
    CommitReply = 5,
    DiscardRequest = 6,
    DiscardReply = 7,
}

impl BundleStep {
    const ALL: [BundleStep; 8] = [
        BundleStep::OpenRequest,
        BundleStep::OpenReply,
        BundleStep::CloseRequest,
        BundleStep::CloseReply,
        BundleStep::CommitRequest,
        BundleStep::CommitReply,
        BundleStep::DiscardRequest,
        BundleStep::DiscardReply,
    ];

    /// The name in `ovs-ofctl`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            BundleStep::OpenRequest => "OPEN_REQUEST",
            BundleStep::OpenReply => "OPEN_REPLY",
            BundleStep::CloseRequest => "CLOSE_REQUEST",
            BundleStep::CloseReply => "CLOSE_REPLY",
            BundleStep::CommitRequest => "COMMIT_REQUEST",
            BundleStep::CommitReply => "COMMIT_REPLY",
            BundleStep::DiscardRequest => "DISCARD_REQUEST",
            BundleStep::DiscardReply => "DISCARD_REPLY",
        }
    }
}

flags! {
    /// What a bundle promises.
    BundleFlags: u16 {
        /// No packet sees half of it.
        ATOMIC = 1 << 0, "atomic";
        /// In the order of its messages.
        ORDERED = 1 << 1, "ordered";
    }
}

/// BUNDLE_CONTROL.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BundleControl {
    /// Number within the connection.
    pub id: u32,
    /// What to do, or what was done.
    pub step: BundleStep,
    /// What it promises; the same in every message of a bundle.
    pub flags: BundleFlags,
}

impl BundleControl {
    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<BundleControl, OfpError> {
        let (id, step) = (r.u32()?, r.u16()?);
        let flags = BundleFlags(r.u16()?);
        let step = BundleStep::ALL.get(usize::from(step)).copied().ok_or(OfpError::BfBadType)?;
        prop::each(r, |id, _| Err(id.unknown()))?;
        Ok(BundleControl { id, step, flags })
    }

    pub(crate) fn encode(&self, w: &mut Writer) {
        w.u32(self.id);
        w.u16(self.step as u16);
        w.u16(self.flags.0);
    }
}

/// BUNDLE_ADD_MESSAGE: a message inside.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BundleAdd {
    /// The bundle.
    pub id: u32,
    /// What it promises.
    pub flags: BundleFlags,
    /// The whole message, of the same version and transaction id; see [`crate::Codec::decode`].
    pub message: Vec<u8>,
}

impl BundleAdd {
    /// `OFPBFC_MSG_BAD_LEN`, `OFPBFC_MSG_BAD_XID`, `OFPBFC_BAD_VERSION` if the message inside does
    /// not fit the one around it.
    pub(crate) fn decode(version: Version, xid: u32, r: &mut Reader<'_>) -> Result<Self, OfpError> {
        let id = r.u32()?;
        r.skip(2)?;
        let flags = BundleFlags(r.u16()?);
        let header = crate::raw::Header::parse(r.peek()).ok().flatten();
        let header = header.ok_or(OfpError::BfMsgBadLen)?;
        let message = r.or(OfpError::BfMsgBadLen).bytes(header.len.into())?.to_vec();
        r.skip(message.len())?;
        if header.version != version.wire() {
            return Err(OfpError::BfBadVersion);
        }
        if header.xid != xid {
            return Err(OfpError::BfMsgBadXid);
        }
        r.skip(message.len().next_multiple_of(8).min(message.len() + r.len()) - message.len())?;
        prop::each(r, |id, _| Err(id.unknown()))?;
        Ok(BundleAdd { id, flags, message })
    }

    pub(crate) fn encode(&self, w: &mut Writer) {
        w.u32(self.id);
        w.u16(0);
        w.u16(self.flags.0);
        w.bytes(&self.message);
    }
}
