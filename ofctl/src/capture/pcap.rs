//! pcap files, as tcpdump and Wireshark read them.
//!
//! ```text
//! file:   magic(4) major(2) minor(2) zone(4) accuracy(4) snapshot length(4) link type(4), then records
//! record: seconds(4) nanoseconds(4) captured length(4) original length(4), then the captured bytes
//! ```
//! Numbers are little-endian; the magic number says so, and that fractions are nanoseconds.
//!
//! # References
//! draft-ietf-opsawg-pcap.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use packet::capture::{MAX_DATA_LEN, RecordHeader};

use crate::error::Error;

const MAGIC_NANOSECONDS: u32 = 0xa1b2_3c4d;
const VERSION: (u16, u16) = (2, 4);
const LINKTYPE_ETHERNET: u32 = 1;
const NS_PER_S: u64 = 1_000_000_000;

/// Bytes gathered before they are written.
const BUFFER_LEN: usize = 256 << 10;

/// A file being written.
pub struct Writer<'a> {
    out: BufWriter<Box<dyn Write + 'a>>,
    /// The file; standard output without one.
    path: Option<PathBuf>,
}

impl<'a> Writer<'a> {
    /// Begins a file: its header is written at once, so that a full disk is found now.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn new(out: Box<dyn Write + 'a>, path: Option<PathBuf>) -> Result<Writer<'a>, Error> {
        let mut writer = Writer { out: BufWriter::with_capacity(BUFFER_LEN, out), path };
        let mut header = Vec::new();
        header.extend(MAGIC_NANOSECONDS.to_le_bytes());
        header.extend(VERSION.0.to_le_bytes());
        header.extend(VERSION.1.to_le_bytes());
        header.extend([0; 8]);
        header.extend(u32::try_from(MAX_DATA_LEN).unwrap_or(u32::MAX).to_le_bytes());
        header.extend(LINKTYPE_ETHERNET.to_le_bytes());
        let written = writer.out.write_all(&header).and_then(|()| writer.out.flush());
        written.map_err(|source| writer.error(source))?;
        Ok(writer)
    }

    /// Adds a frame.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn frame(&mut self, header: &RecordHeader, data: &[u8]) -> Result<(), Error> {
        let (seconds, ns) = (header.time_ns / NS_PER_S, header.time_ns % NS_PER_S);
        // Seconds of 32 bits end in 2106; both fit until then.
        let small = |n: u64| u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes();
        let mut record = [0; 16];
        record[..4].copy_from_slice(&small(seconds));
        record[4..8].copy_from_slice(&small(ns));
        record[8..12].copy_from_slice(&header.captured_len.to_le_bytes());
        record[12..].copy_from_slice(&header.original_len.to_le_bytes());
        let written = self.out.write_all(&record).and_then(|()| self.out.write_all(data));
        written.map_err(|source| self.error(source))
    }

    /// Writes what was gathered.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn flush(&mut self) -> Result<(), Error> {
        self.out.flush().map_err(|source| self.error(source))
    }

    fn error(&self, source: io::Error) -> Error {
        match &self.path {
            Some(path) => Error::Generate { path: path.display().to_string(), source },
            None => Error::Output(source),
        }
    }
}

#[cfg(test)]
mod tests {
    use packet::capture::{Direction, Kind};

    use super::*;

    #[test]
    fn a_file_to_the_byte() {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(Box::new(&mut bytes), None).unwrap();
        let header = RecordHeader {
            kind: Kind::Frame,
            direction: Direction::In,
            port: 1,
            captured_len: 3,
            original_len: 60,
            time_ns: 0x0102_0304 * NS_PER_S + 5,
        };
        writer.frame(&header, b"abc").unwrap();
        writer.flush().unwrap();
        drop(writer);
        let expected: &[u8] = &[
            0x4d, 0x3c, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0,
            0, //
            4, 3, 2, 1, 5, 0, 0, 0, 3, 0, 0, 0, 60, 0, 0, 0, b'a', b'b', b'c',
        ];
        assert_eq!(bytes, expected);
    }
}
