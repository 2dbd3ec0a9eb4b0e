//! Transmission Control Protocol headers (RFC 9293 §3.1).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-------------------------------+-------------------------------+
//! |          Source Port          |       Destination Port        |
//! +-------------------------------+-------------------------------+
//! |                        Sequence Number                        |
//! +---------------------------------------------------------------+
//! |                    Acknowledgment Number                      |
//! +-------+-------+-+-+-+-+-+-+-+-+-------------------------------+
//! | Data  |       |C|E|U|A|P|R|S|F|                               |
//! | Offset| Rsrvd |W|C|R|C|S|S|Y|I|            Window             |
//! |       |       |R|E|G|K|H|T|N|N|                               |
//! +-------+-------+-+-+-+-+-+-+-+-+-------------------------------+
//! |           Checksum            |         Urgent Pointer        |
//! +-------------------------------+-------------------------------+
//! |                           [Options]                           |
//! +---------------------------------------------------------------+
//! ```

use zerocopy::byteorder::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes of a header without options.
pub const MIN_HEADER_LEN: usize = 20;
/// Byte offset of the checksum.
pub const CHECKSUM_OFFSET: u16 = 16;

/// No more data from the sender.
pub const FIN: u8 = 0x01;
/// Synchronise sequence numbers.
pub const SYN: u8 = 0x02;
/// Reset the connection.
pub const RST: u8 = 0x04;
/// Push: hand the data to the application.
pub const PSH: u8 = 0x08;
/// The acknowledgment number counts.
pub const ACK: u8 = 0x10;
/// The urgent pointer counts.
pub const URG: u8 = 0x20;
/// ECN echo (RFC 3168 §6.1).
pub const ECE: u8 = 0x40;
/// Congestion window reduced (RFC 3168 §6.1).
pub const CWR: u8 = 0x80;

/// A TCP header without its options.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct TcpHeader {
    /// Source port.
    pub src_port: U16,
    /// Destination port.
    pub dst_port: U16,
    /// Sequence number of the first byte of data.
    pub seq: U32,
    /// Acknowledgment number.
    pub ack: U32,
    data_offset: u8,
    /// [`FIN`] to [`CWR`].
    pub flags: u8,
    /// Receive window, unscaled.
    pub window: U16,
    /// Checksum over pseudo-header, header and data.
    pub checksum: U16,
    /// Urgent pointer.
    pub urgent: U16,
}

impl TcpHeader {
    /// The header at the start of `segment`; `None` if it does not fit with its options. The data
    /// begins at [`TcpHeader::header_len`].
    #[must_use]
    pub fn parse(segment: &[u8]) -> Option<&TcpHeader> {
        let (header, _) = TcpHeader::ref_from_prefix(segment).ok()?;
        (MIN_HEADER_LEN..=segment.len()).contains(&header.header_len()).then_some(header)
    }

    /// Like [`TcpHeader::parse`], to change.
    #[must_use]
    pub fn parse_mut(segment: &mut [u8]) -> Option<&mut TcpHeader> {
        TcpHeader::parse(segment)?;
        let (header, _) = TcpHeader::mut_from_prefix(segment).ok()?;
        Some(header)
    }

    /// Bytes of the header with its options.
    #[must_use]
    pub const fn header_len(&self) -> usize {
        (self.data_offset >> 4) as usize * 4
    }
}

#[cfg(test)]
mod tests {
    use etherparse::TcpHeaderSlice;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn agrees_with_etherparse(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let oracle = TcpHeaderSlice::from_slice(&bytes).ok();
            let ours = TcpHeader::parse(&bytes);
            prop_assert_eq!(ours.is_some(), oracle.is_some());
            let (Some(ours), Some(oracle)) = (ours, oracle) else { return Ok(()) };
            prop_assert_eq!(ours.header_len(), oracle.slice().len());
            prop_assert_eq!(ours.src_port.get(), oracle.source_port());
            prop_assert_eq!(ours.dst_port.get(), oracle.destination_port());
            prop_assert_eq!(ours.seq.get(), oracle.sequence_number());
            prop_assert_eq!(ours.ack.get(), oracle.acknowledgment_number());
            prop_assert_eq!(ours.window.get(), oracle.window_size());
            prop_assert_eq!(ours.checksum.get(), oracle.checksum());
            prop_assert_eq!(ours.urgent.get(), oracle.urgent_pointer());
            let flags = [oracle.fin(), oracle.syn(), oracle.rst(), oracle.psh(), oracle.ack(),
                oracle.urg(), oracle.ece(), oracle.cwr()];
            for (flag, set) in [FIN, SYN, RST, PSH, ACK, URG, ECE, CWR].into_iter().zip(flags) {
                prop_assert_eq!(ours.flags & flag != 0, set);
            }
        }
    }

    #[test]
    fn every_truncation_is_none() {
        let mut bytes = [0; 60];
        for words in 0..16 {
            bytes[12] = words << 4;
            let header_len = usize::from(words) * 4;
            for len in 0..=60 {
                let fits = words >= 5 && len >= header_len;
                assert_eq!(TcpHeader::parse(&bytes[..len]).is_some(), fits, "{words} {len}");
            }
        }
    }
}
