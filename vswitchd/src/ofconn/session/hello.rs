//! The first message of each side: which version is spoken.
//!
//! # References
//! OpenFlow 1.3.5 §6.3.1. A peer that says something else first is closed, as by Open vSwitch.

use openflow::error::ErrorMessage;
use openflow::hello::Hello;
use openflow::{Codec, Message, Version, Versions};

use super::{Answer, Session};

impl Session {
    /// What the switch says first.
    #[must_use]
    pub fn greeting(&self) -> Vec<u8> {
        let hello = Hello { versions: self.allowed };
        let codec = Codec::new(hello.header_version());
        codec.encode(1, &Message::Hello(hello)).unwrap_or_default()
    }

    /// Serves the peer's first message.
    pub(super) fn greeted(&mut self, message: &[u8]) -> Answer {
        let hello = match Codec::new(Version::V10).decode(message) {
            Ok(decoded) => match decoded.message {
                Message::Hello(hello) => hello,
                other => return self.not_greeted(other.kind().name()),
            },
            Err(_) => return self.not_greeted("another message"),
        };
        if let Some(version) = self.allowed.agree(hello.versions) {
            self.codec = Some(Codec::new(version));
            return Answer::Now(Vec::new());
        }
        let (our_words, their_words) = (words(self.allowed), words(hello.versions));
        tracing::warn!(
            "{}: version negotiation failed (we support {our_words}, peer supports {their_words})",
            self.bridge
        );
        let why = format!("We support {our_words}, you support {their_words}, no common versions.");
        let ours = Hello { versions: self.allowed }.header_version();
        let version = hello.versions.newest().unwrap_or(ours);
        let error = Message::Error(ErrorMessage::hello_failed(version, &why));
        let xid = openflow::raw::Header::parse(message).ok().flatten().map_or(0, |h| h.xid);
        Answer::Last(Codec::new(version).encode(xid, &error).unwrap_or_default())
    }

    fn not_greeted(&self, what: &str) -> Answer {
        tracing::warn!("{}: received {what} while expecting HELLO", self.bridge);
        Answer::Last(Vec::new())
    }
}

/// A set of versions in Open vSwitch's words.
fn words(versions: Versions) -> String {
    let bits = versions.bits();
    let numbers: Vec<u32> = (0..32).filter(|n| bits & 1 << n != 0).collect();
    let hex = |n: &u32| format!("0x{n:02x}");
    match numbers.as_slice() {
        [] => "no versions".to_owned(),
        [one] => format!("version {}", hex(one)),
        [.., last] if ((bits >> 1) + 1).is_power_of_two() => {
            format!("version {} and earlier", hex(last))
        }
        all => format!("versions {}", all.iter().map(hex).collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_in_words() {
        assert_eq!(words(Versions::default()), "no versions");
        assert_eq!(words(Versions::from_bits(1 << 4)), "version 0x04");
        assert_eq!(words(Versions::up_to(6)), "version 0x06 and earlier");
        assert_eq!(words(Versions::spoken()), "versions 0x01, 0x04, 0x05, 0x06");
    }
}
