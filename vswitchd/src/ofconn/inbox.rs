//! Cuts a byte stream into messages.

use openflow::raw::{FramingError, Header};

/// Bytes received and not yet served.
#[derive(Default, Debug)]
pub struct Inbox {
    bytes: Vec<u8>,
    /// Where the next message begins.
    start: usize,
}

impl Inbox {
    /// Takes what the peer sent.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next message, whole, or `None` until more bytes are there.
    ///
    /// # Errors
    /// No next message can be found.
    pub fn next_message(&mut self) -> Result<Option<&[u8]>, FramingError> {
        let rest = &self.bytes[self.start..];
        let len = Header::parse(rest)?.map(|header| usize::from(header.len));
        let Some(len) = len.filter(|len| *len <= rest.len()) else {
            if rest.is_empty() && !self.bytes.is_empty() {
                // Gives back what large messages took.
                *self = Inbox::default();
            }
            return Ok(None);
        };
        let start = self.start;
        self.start += len;
        Ok(Some(&self.bytes[start..start + len]))
    }

    /// Bytes that are no whole message yet, or none at all.
    #[must_use]
    pub fn rest(&self) -> &[u8] {
        &self.bytes[self.start..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: [u8; 17] = [1, 0, 0, 8, 0, 0, 0, 1, 1, 2, 0, 9, 0, 0, 0, 2, 7];

    #[test]
    fn a_stream_is_cut_however_it_arrives() {
        for n in 1..STREAM.len() {
            let mut inbox = Inbox::default();
            let mut messages = Vec::new();
            for piece in STREAM.chunks(n) {
                inbox.push(piece);
                while let Some(message) = inbox.next_message().unwrap() {
                    messages.push(message.to_vec());
                }
            }
            assert_eq!(messages, [STREAM[..8].to_vec(), STREAM[8..].to_vec()]);
            assert!(inbox.rest().is_empty());
        }
    }

    #[test]
    fn a_length_below_the_header_ends_it() {
        let mut inbox = Inbox::default();
        inbox.push(&[1, 0, 0, 7, 0, 0, 0, 1]);
        assert_eq!(inbox.next_message(), Err(FramingError(7)));
    }
}
