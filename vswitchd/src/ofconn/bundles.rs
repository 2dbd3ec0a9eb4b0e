//! Bundles of one connection: messages that are kept, and obeyed all together.
//!
//! # Design
//! Messages are kept as they came and read again when they are committed, since they are much smaller
//! so. Each was read once when it came, so that what is malformed is refused then.
//!
//! # References
//! OpenFlow 1.4.1 §7.3.9; the ONF's extension 230. Where these leave a choice, Open vSwitch's: a
//! bundle that is misused is thrown away.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use openflow::bundle::{BundleAdd, BundleControl, BundleFlags};
use openflow::raw::split_message;
use openflow::{Codec, Message, OfpError};

/// Bytes of messages that a connection's bundles may keep.
pub const MAX_LEN: usize = 64 << 20;
/// Most bundles of a connection.
const MAX_BUNDLES: usize = 64;
/// How long a bundle may be left alone.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Flags that a bundle may have.
const FLAGS: u16 = BundleFlags::ATOMIC.0 | BundleFlags::ORDERED.0;

#[derive(Debug)]
struct Bundle {
    flags: BundleFlags,
    is_closed: bool,
    /// The messages, one behind the other.
    messages: Vec<u8>,
    used_at: Instant,
    /// The message that opened it, as an error gives it back.
    head: Vec<u8>,
}

/// A bundle that is to be obeyed.
#[derive(PartialEq, Debug)]
pub struct Committed {
    /// What it promises.
    pub flags: BundleFlags,
    messages: Vec<u8>,
}

impl Committed {
    /// Its messages as they came.
    pub fn raw(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.messages.as_slice();
        std::iter::from_fn(move || {
            let (message, after) = split_message(rest).ok().flatten()?;
            rest = after;
            Some(message)
        })
    }

    /// Its messages, read.
    ///
    /// # Errors
    /// Which one cannot be read, and what it deserves.
    pub fn read(&self, codec: &Codec) -> Result<Vec<(u32, Message)>, (usize, OfpError)> {
        let read = |(at, raw)| match codec.decode(raw) {
            Ok(decoded) => Ok((decoded.xid, decoded.message)),
            Err(error) => Err((at, error)),
        };
        self.raw().enumerate().map(read).collect()
    }
}

/// The bundles of a connection.
#[derive(Default, Debug)]
pub struct Bundles(BTreeMap<u32, Bundle>);

impl Bundles {
    /// Opens a bundle. `head` is the message that asks for it.
    ///
    /// # Errors
    /// `OFPBFC_*`.
    pub fn open(
        &mut self,
        asked: BundleControl,
        head: &[u8],
        now: Instant,
    ) -> Result<(), OfpError> {
        if self.0.remove(&asked.id).is_some() {
            return Err(OfpError::BfBadId);
        }
        self.create(asked.id, asked.flags, head, now).map(drop)
    }

    fn create(
        &mut self,
        id: u32,
        flags: BundleFlags,
        head: &[u8],
        now: Instant,
    ) -> Result<&mut Bundle, OfpError> {
        if flags.0 & !FLAGS != 0 {
            return Err(OfpError::BfBadFlags);
        }
        if self.0.len() >= MAX_BUNDLES {
            return Err(OfpError::BfOutOfBundles);
        }
        let head = head.to_vec();
        let bundle = Bundle { flags, is_closed: false, messages: Vec::new(), used_at: now, head };
        Ok(self.0.entry(id).or_insert(bundle))
    }

    /// Takes a message into a bundle, which is opened if it is not there.
    ///
    /// # Errors
    /// `OFPBFC_*`.
    pub fn add(&mut self, add: &BundleAdd, head: &[u8], now: Instant) -> Result<(), OfpError> {
        let n_bytes: usize = self.0.values().map(|bundle| bundle.messages.len()).sum();
        if n_bytes + add.message.len() > MAX_LEN {
            return Err(OfpError::BfMsgTooMany);
        }
        let bundle = match self.0.get(&add.id) {
            None => self.create(add.id, add.flags, head, now)?,
            Some(bundle) => {
                let misused = if bundle.is_closed {
                    Some(OfpError::BfBundleClosed)
                } else {
                    (bundle.flags != add.flags).then_some(OfpError::BfBadFlags)
                };
                if let Some(error) = misused {
                    self.0.remove(&add.id);
                    return Err(error);
                }
                self.0.get_mut(&add.id).ok_or(OfpError::BfBadId)?
            }
        };
        bundle.used_at = now;
        bundle.messages.extend_from_slice(&add.message);
        Ok(())
    }

    /// Takes no more messages into a bundle.
    ///
    /// # Errors
    /// `OFPBFC_*`.
    pub fn close(&mut self, asked: BundleControl, now: Instant) -> Result<(), OfpError> {
        let bundle = self.0.get_mut(&asked.id).ok_or(OfpError::BfBadId)?;
        let misused = if bundle.is_closed {
            Some(OfpError::BfBundleClosed)
        } else {
            (bundle.flags != asked.flags).then_some(OfpError::BfBadFlags)
        };
        if let Some(error) = misused {
            self.0.remove(&asked.id);
            return Err(error);
        }
        bundle.is_closed = true;
        bundle.used_at = now;
        Ok(())
    }

    /// Takes a bundle out, to be obeyed.
    ///
    /// # Errors
    /// `OFPBFC_*`.
    pub fn commit(&mut self, asked: BundleControl) -> Result<Committed, OfpError> {
        let bundle = self.0.remove(&asked.id).ok_or(OfpError::BfBadId)?;
        if bundle.flags != asked.flags {
            return Err(OfpError::BfBadFlags);
        }
        Ok(Committed { flags: bundle.flags, messages: bundle.messages })
    }

    /// Forgets a bundle.
    ///
    /// # Errors
    /// `OFPBFC_BAD_ID`.
    pub fn discard(&mut self, asked: BundleControl) -> Result<(), OfpError> {
        self.0.remove(&asked.id).map(drop).ok_or(OfpError::BfBadId)
    }

    /// Forgets bundles that were left alone; the message that opened each.
    pub fn expire(&mut self, now: Instant) -> Vec<Vec<u8>> {
        let is_late = |bundle: &Bundle| now.saturating_duration_since(bundle.used_at) > TIMEOUT;
        let late: Vec<u32> = self.0.iter().filter(|(_, b)| is_late(b)).map(|(id, _)| *id).collect();
        late.iter().filter_map(|id| self.0.remove(id)).map(|bundle| bundle.head).collect()
    }
}

#[cfg(test)]
mod tests {
    use openflow::Version;
    use openflow::bundle::BundleStep;

    use super::*;

    const ATOMIC: BundleFlags = BundleFlags::ATOMIC;
    const ORDERED: BundleFlags = BundleFlags::ORDERED;

    fn control(id: u32, flags: BundleFlags) -> BundleControl {
        BundleControl { id, step: BundleStep::OpenRequest, flags }
    }

    fn add(id: u32, flags: BundleFlags) -> BundleAdd {
        let codec = Codec::new(Version::V14);
        BundleAdd { id, flags, message: codec.encode(9, &Message::BarrierRequest).unwrap() }
    }

    #[test]
    fn messages_come_out_as_they_went_in() {
        let (mut bundles, now) = (Bundles::default(), Instant::now());
        bundles.open(control(1, ATOMIC), &[], now).unwrap();
        bundles.add(&add(1, ATOMIC), &[], now).unwrap();
        bundles.add(&add(1, ATOMIC), &[], now).unwrap();
        bundles.close(control(1, ATOMIC), now).unwrap();
        let committed = bundles.commit(control(1, ATOMIC)).unwrap();
        let read = committed.read(&Codec::new(Version::V14)).unwrap();
        assert_eq!(read, vec![(9, Message::BarrierRequest); 2]);
        assert_eq!(committed.read(&Codec::new(Version::V13)), Err((0, OfpError::BrBadVersion)));
        assert_eq!(bundles.commit(control(1, ATOMIC)), Err(OfpError::BfBadId));
    }

    #[test]
    fn a_bundle_that_is_misused_is_thrown_away() {
        let (mut bundles, now) = (Bundles::default(), Instant::now());
        let gone = |bundles: &mut Bundles| {
            assert_eq!(bundles.discard(control(1, ATOMIC)), Err(OfpError::BfBadId));
        };
        assert_eq!(bundles.close(control(1, ATOMIC), now), Err(OfpError::BfBadId));
        bundles.open(control(1, ATOMIC), &[], now).unwrap();
        assert_eq!(bundles.open(control(1, ATOMIC), &[], now), Err(OfpError::BfBadId));
        gone(&mut bundles);
        bundles.add(&add(1, ATOMIC), &[], now).unwrap();
        assert_eq!(bundles.add(&add(1, ORDERED), &[], now), Err(OfpError::BfBadFlags));
        gone(&mut bundles);
        bundles.open(control(1, ATOMIC), &[], now).unwrap();
        assert_eq!(bundles.close(control(1, ORDERED), now), Err(OfpError::BfBadFlags));
        gone(&mut bundles);
        bundles.open(control(1, ATOMIC), &[], now).unwrap();
        bundles.close(control(1, ATOMIC), now).unwrap();
        assert_eq!(bundles.add(&add(1, ATOMIC), &[], now), Err(OfpError::BfBundleClosed));
        gone(&mut bundles);
        bundles.open(control(1, ATOMIC), &[], now).unwrap();
        bundles.close(control(1, ATOMIC), now).unwrap();
        assert_eq!(bundles.close(control(1, ATOMIC), now), Err(OfpError::BfBundleClosed));
        gone(&mut bundles);
        bundles.open(control(1, ATOMIC), &[], now).unwrap();
        assert_eq!(bundles.commit(control(1, ORDERED)), Err(OfpError::BfBadFlags));
        gone(&mut bundles);
        let unknown = control(1, BundleFlags(4));
        assert_eq!(bundles.open(unknown, &[], now), Err(OfpError::BfBadFlags));
    }

    #[test]
    fn bundles_are_bounded_in_number_and_time() {
        let (mut bundles, now) = (Bundles::default(), Instant::now());
        for id in 0..64 {
            bundles.open(control(id, ATOMIC), &[7], now).unwrap();
        }
        assert_eq!(bundles.open(control(64, ATOMIC), &[], now), Err(OfpError::BfOutOfBundles));
        let later = now + TIMEOUT * 2;
        bundles.add(&add(5, ATOMIC), &[], later).unwrap();
        assert!(bundles.expire(now).is_empty());
        assert_eq!(bundles.expire(later), vec![vec![7]; 63]);
        bundles.discard(control(5, ATOMIC)).unwrap();
    }
}
