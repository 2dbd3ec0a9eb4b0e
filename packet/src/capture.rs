//! The stream of captured frames from the daemon to `ofctl`.
//!
//! ```text
//! record: kind(1) direction(1) port(2) captured length(4) original length(4) zero(4) time(8), then
//!         `captured length` bytes
//! ```
//! Numbers are big-endian; time is nanoseconds since 1970. A record of kind [`Kind::Name`] carries the
//! name of a port, before its first frame; [`Kind::End`] carries the summary as JSON and is the last.
//! Both ends are of the same release: the format may change.

/// Bytes of a record before its data.
pub const HEADER_LEN: usize = 24;

/// Longest data of a record, bytes: above any frame.
pub const MAX_DATA_LEN: usize = 1 << 18;

/// What a record carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A frame.
    Frame,
    /// The name of the port.
    Name,
    /// The end, with a summary.
    End,
}

/// Which way a frame went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// The port received it.
    In,
    /// It was sent to the port.
    Out,
}

impl Direction {
    /// Its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Direction::In => "in",
            Direction::Out => "out",
        }
    }
}

/// What stands before a record's data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RecordHeader {
    /// What follows.
    pub kind: Kind,
    /// Which way the frame went.
    pub direction: Direction,
    /// Number of the port in the datapath.
    pub port: u16,
    /// Bytes that follow.
    pub captured_len: u32,
    /// Bytes of the whole frame.
    pub original_len: u32,
    /// When, nanoseconds since 1970 UTC.
    pub time_ns: u64,
}

impl RecordHeader {
    /// The header as bytes.
    #[must_use]
    pub fn emit(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[0] = match self.kind {
            Kind::Frame => 0,
            Kind::Name => 1,
            Kind::End => 2,
        };
        bytes[1] = u8::from(self.direction == Direction::Out);
        bytes[2..4].copy_from_slice(&self.port.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.captured_len.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.original_len.to_be_bytes());
        bytes[16..].copy_from_slice(&self.time_ns.to_be_bytes());
        bytes
    }

    /// The header in bytes; `None` if they are none.
    #[must_use]
    pub fn parse(bytes: &[u8; HEADER_LEN]) -> Option<RecordHeader> {
        let kind = match bytes[0] {
            0 => Kind::Frame,
            1 => Kind::Name,
            2 => Kind::End,
            _ => return None,
        };
        let direction = if bytes[1] == 0 { Direction::In } else { Direction::Out };
        let [_, _, p0, p1, c0, c1, c2, c3, o0, o1, o2, o3, _, _, _, _, time @ ..] = *bytes;
        Some(RecordHeader {
            kind,
            direction,
            port: u16::from_be_bytes([p0, p1]),
            captured_len: u32::from_be_bytes([c0, c1, c2, c3]),
            original_len: u32::from_be_bytes([o0, o1, o2, o3]),
            time_ns: u64::from_be_bytes(time),
        })
    }

    /// Bytes that follow.
    #[must_use]
    pub const fn data_len(&self) -> usize {
        self.captured_len as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_round_trip_and_nonsense_is_refused() {
        for (kind, direction) in
            [(Kind::Frame, Direction::In), (Kind::Name, Direction::Out), (Kind::End, Direction::In)]
        {
            let header = RecordHeader {
                kind,
                direction,
                port: 0x1234,
                captured_len: 60,
                original_len: 65_549,
                time_ns: 1_763_856_000_123_456_789,
            };
            assert_eq!(RecordHeader::parse(&header.emit()), Some(header));
        }
        assert_eq!(RecordHeader::parse(&[3; HEADER_LEN]), None);
    }
}
