//! Reads a capture file into memory.
//!
//! ```text
//! file:   magic(4) major(2) minor(2) zone(4) accuracy(4) snapshot length(4) link type(4), then records
//! record: seconds(4) fraction(4) captured length(4) original length(4), then the captured bytes
//! ```
//! The magic number tells byte order and whether fractions are micro- or nanoseconds; time stamps are
//! not used.
//!
//! # Design
//! Frames are kept on [`LINE`] boundaries, padded with zeros, so that they are copied out in whole
//! lines, without a call to `memcpy` whose length is only known then.
//!
//! # Invariants
//! The file is foreign input: no length in it is used before it was compared with what is there.
//! Each [`Entry`] lies within the lines, and is no longer than a frame can hold.
//!
//! # References
//! draft-ietf-opsawg-pcap.

use crate::frame::SizeClass;

/// Bytes of a cache line, the unit of storage and copying.
pub(super) const LINE: usize = 64;
/// Longest frame, bytes: what a large chunk holds.
pub(super) const MAX_FRAME_LEN: usize = SizeClass::Large.room();
/// Longest file, bytes. Padding multiplies it by four in the worst case.
pub(super) const MAX_FILE_LEN: u64 = 256 << 20;

const FILE_HEADER_LEN: usize = 24;
const RECORD_HEADER_LEN: usize = 16;
/// `LINKTYPE_ETHERNET`; the upper half of the field would announce an FCS.
const LINKTYPE_ETHERNET: u32 = 1;

/// Why a capture file cannot be used. Offsets are bytes from the start of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PcapError {
    /// Shorter than the file header.
    #[error(
        "capture file of {len} bytes ends inside its header (allowed: {FILE_HEADER_LEN} bytes and more)"
    )]
    ShortFileHeader {
        /// Bytes of the file.
        len: usize,
    },
    /// Not a classic capture file.
    #[error(
        "magic number at offset 0 is {magic:#010x} (allowed: pcap, 0xa1b2c3d4 or 0xa1b23c4d in either byte order; convert pcapng with \"editcap -F pcap\")"
    )]
    Magic {
        /// The number, as if big endian.
        magic: u32,
    },
    /// Not version 2.
    #[error("version at offset 4 is {major} (allowed: 2)")]
    Version {
        /// The major version.
        major: u16,
    },
    /// Not a capture of Ethernet frames.
    #[error("link type at offset 20 is {link_type:#x} (allowed: 0x1, Ethernet without FCS)")]
    LinkType {
        /// The link type and the FCS bits above it.
        link_type: u32,
    },
    /// The file ends inside a record's header.
    #[error("record header at offset {offset} is cut short: {left} of {RECORD_HEADER_LEN} bytes")]
    ShortRecordHeader {
        /// Where the header starts.
        offset: usize,
        /// Bytes to the end of the file.
        left: usize,
    },
    /// The file ends inside a frame.
    #[error("frame at offset {offset} is cut short: {left} of {len} bytes")]
    ShortFrame {
        /// Where the frame starts.
        offset: usize,
        /// Bytes announced.
        len: usize,
        /// Bytes to the end of the file.
        left: usize,
    },
    /// A frame that no buffer can hold.
    #[error("frame at offset {offset} has {len} bytes (allowed: 0-{MAX_FRAME_LEN})")]
    LongFrame {
        /// Where the frame starts.
        offset: usize,
        /// Bytes announced.
        len: usize,
    },
    /// Nothing to send.
    #[error("capture file holds no frame")]
    Empty,
}

/// Where a frame is.
#[derive(Clone, Copy)]
struct Entry {
    /// The line that it starts on.
    line: u32,
    /// Its bytes.
    len: u32,
}

/// The frames of a capture file.
pub(super) struct Frames {
    lines: Vec<u8>,
    entries: Vec<Entry>,
}

/// A frame of the file.
pub(super) struct Stored<'a> {
    /// The bytes, and zeros up to a whole line.
    pub(super) lines: &'a [u8],
    /// How many are the frame's.
    pub(super) len: usize,
}

impl Frames {
    /// Frames in the file; at least one.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Frame number `i`.
    pub(super) fn get(&self, i: usize) -> Option<Stored<'_>> {
        let entry = self.entries.get(i)?;
        let start = entry.line as usize * LINE;
        let len = entry.len as usize;
        Some(Stored { lines: &self.lines[start..start + len.next_multiple_of(LINE)], len })
    }

    /// Takes a capture file apart.
    pub(super) fn parse(file: &[u8]) -> Result<Frames, PcapError> {
        let order = file_header(file)?;
        let mut frames = Frames { lines: Vec::with_capacity(file.len()), entries: Vec::new() };
        let mut offset = FILE_HEADER_LEN;
        while offset < file.len() {
            let left = file.len() - offset;
            if left < RECORD_HEADER_LEN {
                return Err(PcapError::ShortRecordHeader { offset, left });
            }
            let len = order.u32_at(file, offset + 8) as usize;
            offset += RECORD_HEADER_LEN;
            if len > MAX_FRAME_LEN {
                return Err(PcapError::LongFrame { offset, len });
            }
            let left = file.len() - offset;
            let Some(bytes) = file.get(offset..offset + len) else {
                return Err(PcapError::ShortFrame { offset, len, left });
            };
            frames.push(bytes);
            offset += len;
        }
        if frames.entries.is_empty() { Err(PcapError::Empty) } else { Ok(frames) }
    }

    /// Appends a frame; files are short enough ([`MAX_FILE_LEN`]) that numbers of lines fit.
    fn push(&mut self, bytes: &[u8]) {
        let line = u32::try_from(self.lines.len() / LINE).unwrap_or(u32::MAX);
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.lines.extend_from_slice(bytes);
        self.lines.resize(self.lines.len().next_multiple_of(LINE), 0);
        self.entries.push(Entry { line, len });
    }
}

#[derive(Clone, Copy)]
enum Order {
    Big,
    Little,
}

impl Order {
    /// Four bytes at `at`, which the caller has found to be there.
    fn u32_at(self, file: &[u8], at: usize) -> u32 {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(&file[at..at + 4]);
        match self {
            Order::Big => u32::from_be_bytes(bytes),
            Order::Little => u32::from_le_bytes(bytes),
        }
    }
}

fn file_header(file: &[u8]) -> Result<Order, PcapError> {
    if file.len() < FILE_HEADER_LEN {
        return Err(PcapError::ShortFileHeader { len: file.len() });
    }
    let order = match Order::Big.u32_at(file, 0) {
        0xa1b2_c3d4 | 0xa1b2_3c4d => Order::Big,
        0xd4c3_b2a1 | 0x4d3c_b2a1 => Order::Little,
        magic => return Err(PcapError::Magic { magic }),
    };
    let major = match order {
        Order::Big => u16::from_be_bytes([file[4], file[5]]),
        Order::Little => u16::from_le_bytes([file[4], file[5]]),
    };
    if major != 2 {
        return Err(PcapError::Version { major });
    }
    match order.u32_at(file, 20) {
        LINKTYPE_ETHERNET => Ok(order),
        link_type => Err(PcapError::LinkType { link_type }),
    }
}
