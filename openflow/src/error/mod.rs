//! Errors of the protocol: their numbers, and the message that carries one.
//!
//! # Design
//! One enum, [`OfpError`], for all versions and vendors; a table gives each error's numbers. Code that
//! refuses something names the error and knows nothing of versions; what a version cannot say is sent
//! as `NXBRC_UNENCODABLE_ERROR`, as Open vSwitch does.

mod table;

use core::fmt;

pub use table::OfpError;

use crate::version::Version;
use crate::wire::{Reader, Writer};

/// Nicira's experimenter identifier.
pub const NX_VENDOR_ID: u32 = 0x0000_2320;
/// The ONF's experimenter identifier.
pub const ONF_VENDOR_ID: u32 = 0x4f4e_4600;

/// Type of an experimenter's error since OpenFlow 1.2 (1.3.5 §7.4.4).
const ET_EXPERIMENTER: u16 = 0xffff;
/// Type of a Nicira error in OpenFlow 1.0 and 1.1 (`nicira-ext.h`, NXET_VENDOR).
const NXET_VENDOR: u16 = 0xb0c2;

/// Most bytes of the offending message that an error gives back: as many as a message has room for.
/// The specification asks for 64 at least (OpenFlow 1.0.2 §5.4.4); Open vSwitch gives all.
pub const MAX_ERROR_DATA_LEN: usize = 65_535 - 24;

/// Who defined an error.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Vendor {
    /// The specification.
    Of,
    /// Nicira: Open vSwitch.
    Nx,
    /// The Open Networking Foundation's extensions.
    Onf,
}

impl Vendor {
    const fn id(self) -> u32 {
        match self {
            Vendor::Of => 0,
            Vendor::Nx => NX_VENDOR_ID,
            Vendor::Onf => ONF_VENDOR_ID,
        }
    }
}

/// Numbers of an error in a range of versions.
struct Codes {
    vendor: Vendor,
    minor: (u8, u8),
    error_type: u16,
    code: u16,
}

/// The numbers of an error in one version.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ErrorCodes {
    /// 0 for the specification, or an experimenter identifier.
    pub vendor: u32,
    /// Type; of an experimenter's error since OpenFlow 1.2, its only number.
    pub error_type: u16,
    /// Code within the type.
    pub code: u16,
}

impl OfpError {
    /// The numbers in a version; `None` if the version cannot say it.
    #[must_use]
    pub fn codes(self, version: Version) -> Option<ErrorCodes> {
        let minor = version.wire() - 1;
        let row = self.table().iter().find(|row| (row.minor.0..=row.minor.1).contains(&minor))?;
        let Codes { vendor, error_type, code, .. } = row;
        Some(ErrorCodes { vendor: vendor.id(), error_type: *error_type, code: *code })
    }

    /// The error with numbers of a version.
    #[must_use]
    pub fn from_codes(version: Version, codes: ErrorCodes) -> Option<OfpError> {
        OfpError::ALL.iter().copied().find(|error| error.codes(version) == Some(codes))
    }

    /// The error with a name of `ovs-ofctl`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<OfpError> {
        OfpError::ALL.iter().copied().find(|error| error.name() == name)
    }
}

impl fmt::Display for OfpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl core::error::Error for OfpError {}

/// What an OFPT_ERROR says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ErrorMessage {
    /// The numbers.
    pub codes: ErrorCodes,
    /// The start of the message that is refused; of OFPET_HELLO_FAILED, a text.
    pub data: Vec<u8>,
}

impl ErrorMessage {
    /// The refusal of a message, of which the first [`MAX_ERROR_DATA_LEN`] bytes are given back.
    #[must_use]
    pub fn new(error: OfpError, version: Version, offender: &[u8]) -> ErrorMessage {
        let data = offender[..offender.len().min(MAX_ERROR_DATA_LEN)].to_vec();
        ErrorMessage { codes: encodable(error, version), data }
    }

    /// The refusal of a peer with which no version is shared: OFPHFC_INCOMPATIBLE and why.
    #[must_use]
    pub fn hello_failed(version: Version, why: &str) -> ErrorMessage {
        let codes = encodable(OfpError::HfIncompatible, version);
        ErrorMessage { codes, data: why.as_bytes().to_vec() }
    }

    /// The error, if its numbers are known.
    #[must_use]
    pub fn error(&self, version: Version) -> Option<OfpError> {
        OfpError::from_codes(version, self.codes)
    }

    pub(crate) fn decode(version: Version, body: &mut Reader<'_>) -> Result<Self, OfpError> {
        let (error_type, code) = (body.u16()?, body.u16()?);
        let codes = match error_type {
            NXET_VENDOR if version < Version::V12 => {
                let (vendor, error_type, code) = (body.u32()?, body.u16()?, body.u16()?);
                ErrorCodes { vendor, error_type, code }
            }
            ET_EXPERIMENTER if version >= Version::V12 => {
                ErrorCodes { vendor: body.u32()?, error_type: code, code: 0 }
            }
            _ => ErrorCodes { vendor: 0, error_type, code },
        };
        Ok(ErrorMessage { codes, data: body.rest().to_vec() })
    }

    pub(crate) fn encode(&self, version: Version, w: &mut Writer) {
        let ErrorCodes { vendor, error_type, code } = self.codes;
        if vendor == 0 {
            w.u16(error_type);
            w.u16(code);
        } else if version < Version::V12 {
            w.u16(NXET_VENDOR);
            w.u16(0);
            w.u32(vendor);
            w.u16(error_type);
            w.u16(code);
        } else {
            w.u16(ET_EXPERIMENTER);
            w.u16(error_type);
            w.u32(vendor);
        }
        w.bytes(&self.data);
    }
}

/// The error's numbers, or those of the error that stands for what a version cannot say.
fn encodable(error: OfpError, version: Version) -> ErrorCodes {
    let fallback = ErrorCodes { vendor: 0, error_type: 1, code: 6 };
    let codes = error.codes(version).or_else(|| OfpError::NxbrUnencodableError.codes(version));
    codes.unwrap_or(fallback)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(message: &ErrorMessage, version: Version) {
        let mut w = Writer::new();
        message.encode(version, &mut w);
        let bytes = w.into_bytes();
        let back = ErrorMessage::decode(version, &mut Reader::new(&bytes, OfpError::BrBadLen));
        assert_eq!(back.as_ref(), Ok(message), "{version}");
    }

    #[test]
    fn every_error_round_trips_in_every_version() {
        for version in Version::ALL {
            for error in OfpError::ALL {
                assert_eq!(OfpError::from_name(error.name()), Some(*error));
                let message = ErrorMessage::new(*error, version, &[7; 1 << 16]);
                assert_eq!(message.data.len(), MAX_ERROR_DATA_LEN);
                round_trip(&message, version);
                let back = message.error(version).unwrap();
                let same = |other: &OfpError| other.codes(version) == Some(message.codes);
                assert!(same(&back), "{error} {version}");
                assert_eq!(error.codes(version).is_some(), same(error), "{error} {version}");
            }
        }
    }

    #[test]
    fn numbers_differ_by_version() {
        let codes = |version| OfpError::FmfTableFull.codes(version).unwrap();
        assert_eq!((codes(Version::V10).error_type, codes(Version::V10).code), (3, 0));
        assert_eq!((codes(Version::V13).error_type, codes(Version::V13).code), (5, 1));
        assert_eq!(OfpError::FmfUnsupported.codes(Version::V13), None);
    }
}
