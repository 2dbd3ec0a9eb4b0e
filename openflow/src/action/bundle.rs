//! Choices by a hash: `bundle`, `bundle_load` and `multipath`.
//!
//! # References
//! `nicira-ext.h`, `nx_action_bundle`, `nx_action_multipath`; RFC 2992 for the ways to choose.

use packet::flow::{FieldId, Subfield};

use super::codec::{nicira, padding};
use super::{OfAction, pack_bits, set, unpack_bits};
use crate::error::OfpError;
use crate::oxm::{self, Mask, Numbers};
use crate::port::OfPort;
use crate::wire::{Reader, Writer};

/// What of a packet is hashed (`nicira-ext.h`, `nx_hash_fields`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u16)]
pub enum HashFields {
    /// The Ethernet source.
    EthSrc = 0,
    /// Addresses and ports, the same in both directions.
    SymmetricL4 = 1,
    /// The same, but for UDP's ports.
    SymmetricL3L4 = 2,
    /// The same, with UDP's ports.
    SymmetricL3L4Udp = 3,
    /// The IP source.
    NwSrc = 4,
    /// The IP destination.
    NwDst = 5,
    /// The IP addresses, the same in both directions.
    SymmetricL3 = 6,
}

impl HashFields {
    /// All of them, in the order of their numbers.
    pub const ALL: [HashFields; 7] = [
        HashFields::EthSrc,
        HashFields::SymmetricL4,
        HashFields::SymmetricL3L4,
        HashFields::SymmetricL3L4Udp,
        HashFields::NwSrc,
        HashFields::NwDst,
        HashFields::SymmetricL3,
    ];

    /// The name in `ovs-ofctl`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            HashFields::EthSrc => "eth_src",
            HashFields::SymmetricL4 => "symmetric_l4",
            HashFields::SymmetricL3L4 => "symmetric_l3l4",
            HashFields::SymmetricL3L4Udp => "symmetric_l3l4+udp",
            HashFields::NwSrc => "nw_src",
            HashFields::NwDst => "nw_dst",
            HashFields::SymmetricL3 => "symmetric_l3",
        }
    }

    fn from_number(number: u16) -> Result<HashFields, OfpError> {
        Self::ALL.get(usize::from(number)).copied().ok_or(OfpError::BaBadArgument)
    }
}

/// How a bundle chooses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u16)]
pub enum MemberAlgorithm {
    /// The first that is up.
    ActiveBackup = 0,
    /// Highest random weight.
    Hrw = 1,
}

/// `bundle` and `bundle_load`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bundle {
    /// What is hashed.
    pub fields: HashFields,
    /// Salt of the hash.
    pub basis: u16,
    /// How to choose.
    pub algorithm: MemberAlgorithm,
    /// The ports to choose from.
    pub members: Vec<OfPort>,
    /// Where the port's number goes; `None`: the packet goes to the port.
    pub dst: Option<Subfield>,
}

/// Most members of a bundle (`BUNDLE_MAX_MEMBERS`).
const MAX_MEMBERS: u16 = 2048;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Output,
    Load,
}

pub(super) fn decode(r: &mut Reader<'_>, kind: Kind) -> Result<OfAction, OfpError> {
    let algorithm = match r.u16()? {
        0 => MemberAlgorithm::ActiveBackup,
        1 => MemberAlgorithm::Hrw,
        _ => return Err(OfpError::BaBadArgument),
    };
    let (fields, basis) = (HashFields::from_number(r.u16()?)?, r.u16()?);
    if set::read_field(r)? != FieldId::InPort {
        return Err(OfpError::BaBadArgument);
    }
    let (n_members, bits) = (r.u16()?, r.u16()?);
    let dst = match kind {
        Kind::Load => {
            let part = unpack_bits(set::read_field(r)?, bits)?;
            set::check_writable(part.field)?;
            if part.n_bits < 16 {
                return Err(OfpError::BaBadArgument);
            }
            Some(part)
        }
        Kind::Output if bits != 0 || r.u32()? != 0 => return Err(OfpError::BaBadArgument),
        Kind::Output => None,
    };
    if r.bytes(4)?.iter().any(|byte| *byte != 0) || n_members > MAX_MEMBERS {
        return Err(OfpError::BaBadArgument);
    }
    let members: Result<Vec<OfPort>, OfpError> =
        (0..n_members).map(|_| Ok(OfPort(r.u16()?))).collect();
    let members = members?;
    padding(r)?;
    Ok(OfAction::Bundle(Box::new(Bundle { fields, basis, algorithm, members, dst })))
}

pub(super) fn encode(bundle: &Bundle, subtype: u16, w: &mut Writer) {
    nicira(w, subtype, |w| {
        w.u16(bundle.algorithm as u16);
        w.u16(bundle.fields as u16);
        w.u16(bundle.basis);
        oxm::write_header(w, FieldId::InPort, Numbers::Nxm, Mask::None);
        w.u16(u16::try_from(bundle.members.len()).unwrap_or(u16::MAX));
        match bundle.dst {
            Some(dst) => {
                w.u16(pack_bits(dst));
                oxm::write_header(w, dst.field, Numbers::Nxm, Mask::None);
            }
            None => w.zeros(6),
        }
        w.zeros(4);
        bundle.members.iter().for_each(|port| w.u16(port.0));
    });
}

/// How `multipath` chooses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u16)]
pub enum MultipathAlgorithm {
    /// Remainder of a division.
    ModuloN = 0,
    /// Ranges of the hash.
    HashThreshold = 1,
    /// Highest random weight.
    Hrw = 2,
    /// Hash again until it fits.
    IterHash = 3,
}

impl MultipathAlgorithm {
    /// All of them, in the order of their numbers.
    pub const ALL: [MultipathAlgorithm; 4] = [
        MultipathAlgorithm::ModuloN,
        MultipathAlgorithm::HashThreshold,
        MultipathAlgorithm::Hrw,
        MultipathAlgorithm::IterHash,
    ];

    /// The name in `ovs-ofctl`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            MultipathAlgorithm::ModuloN => "modulo_n",
            MultipathAlgorithm::HashThreshold => "hash_threshold",
            MultipathAlgorithm::Hrw => "hrw",
            MultipathAlgorithm::IterHash => "iter_hash",
        }
    }
}

/// `multipath`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Multipath {
    /// What is hashed.
    pub fields: HashFields,
    /// Salt of the hash.
    pub basis: u16,
    /// How to choose.
    pub algorithm: MultipathAlgorithm,
    /// The highest number to choose.
    pub max_link: u16,
    /// Of [`MultipathAlgorithm::IterHash`].
    pub arg: u32,
    /// Where the number goes.
    pub dst: Subfield,
}

pub(super) fn decode_multipath(r: &mut Reader<'_>) -> Result<OfAction, OfpError> {
    let (fields, basis) = (HashFields::from_number(r.u16()?)?, r.u16()?);
    r.skip(2)?;
    let (algorithm, max_link, arg) = (r.u16()?, r.u16()?, r.u32()?);
    r.skip(2)?;
    let bits = r.u16()?;
    let dst = unpack_bits(set::read_field(r)?, bits)?;
    set::check_writable(dst.field)?;
    padding(r)?;
    let algorithm = MultipathAlgorithm::ALL.get(usize::from(algorithm)).copied();
    let algorithm = algorithm.ok_or(OfpError::BaBadArgument)?;
    if dst.n_bits < 16 && u32::from(max_link) >= 1 << dst.n_bits {
        return Err(OfpError::BaBadArgument);
    }
    let multipath = Multipath { fields, basis, algorithm, max_link, arg, dst };
    Ok(OfAction::Multipath(Box::new(multipath)))
}

pub(super) fn encode_multipath(multipath: &Multipath, subtype: u16, w: &mut Writer) {
    nicira(w, subtype, |w| {
        w.u16(multipath.fields as u16);
        w.u16(multipath.basis);
        w.zeros(2);
        w.u16(multipath.algorithm as u16);
        w.u16(multipath.max_link);
        w.u32(multipath.arg);
        w.zeros(2);
        w.u16(pack_bits(multipath.dst));
        oxm::write_header(w, multipath.dst.field, Numbers::Nxm, Mask::None);
    });
}
