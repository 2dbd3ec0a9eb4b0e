//! Queues of ports, as a switch describes them.
//!
//! # Design
//! Until OpenFlow 1.3 OFPT_QUEUE_GET_CONFIG asks and one message answers, which names the port that was
//! asked about; since 1.4 a request for statistics does the same, and each queue names its port.
//!
//! # References
//! OpenFlow 1.0.0 §5.3.4, 1.3.5 §7.2.2 and §7.3.6, 1.4.1 §7.3.5.10.

use crate::error::OfpError;
use crate::port::OfPort;
use crate::prop;
use crate::version::Version;
use crate::wire::{Reader, Writer};

/// OFPQT_MIN_RATE and OFPQT_MAX_RATE.
const MIN_RATE: u16 = 1;
const MAX_RATE: u16 = 2;
/// A rate that is not known.
const NO_RATE: u16 = 0xffff;

/// A queue, and what is promised to it. Rates are in tenths of a percent of the port's; above 1000, no
/// limit is in force.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QueueDesc {
    /// Its port.
    pub port: OfPort,
    /// Its number.
    pub queue: u32,
    /// The least that it gets; `None`: not known.
    pub min_rate: Option<u16>,
    /// The most; `None`: not known.
    pub max_rate: Option<u16>,
}

/// OFPT_QUEUE_GET_CONFIG_REPLY: the queues of a port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QueueConfig {
    /// The port that was asked about; [`OfPort::NONE`]: every one.
    pub port: OfPort,
    /// Its queues, all of that port.
    pub queues: Vec<QueueDesc>,
}

/// Whose queues are asked for. OpenFlow 1.0 can name a port only.
pub(crate) fn decode_request(version: Version, r: &mut Reader<'_>) -> Result<OfPort, OfpError> {
    if version == Version::V10 {
        let port = OfPort(r.u16()?);
        r.skip(2)?;
        return if port < OfPort::MAX { Ok(port) } else { Err(OfpError::QofBadPort) };
    }
    let port = OfPort::from_wide(r.u32()?).map_err(|_| OfpError::QofBadPort)?;
    r.skip(4)?;
    let is_usable = port < OfPort::MAX || port == OfPort::NONE;
    if is_usable { Ok(port) } else { Err(OfpError::QofBadPort) }
}

pub(crate) fn encode_request(version: Version, port: OfPort, w: &mut Writer) {
    if version == Version::V10 {
        w.u16(port.0);
        w.zeros(2);
    } else {
        w.u32(port.to_wide());
        w.zeros(4);
    }
}

impl QueueConfig {
    pub(crate) fn decode(version: Version, r: &mut Reader<'_>) -> Result<QueueConfig, OfpError> {
        let port = OfPort::decode(version, r)?;
        r.skip(if version == Version::V10 { 6 } else { 4 })?;
        let mut queues = Vec::new();
        while !r.is_empty() {
            let start = r.len();
            let queue = r.u32()?;
            // The port stands in the head of the message, and here only since 1.2.
            r.skip(if version == Version::V10 { 0 } else { 4 })?;
            let len = usize::from(r.u16()?);
            r.skip(if version == Version::V10 { 2 } else { 6 })?;
            let head = start - r.len();
            let mut body = r.sub(len.checked_sub(head).ok_or(OfpError::BrBadLen)?)?;
            let mut desc = QueueDesc { port, queue, min_rate: None, max_rate: None };
            desc.decode_rates(&mut body, 4)?;
            queues.push(desc);
        }
        Ok(QueueConfig { port, queues })
    }

    pub(crate) fn encode(&self, version: Version, w: &mut Writer) {
        if version == Version::V10 {
            w.u16(self.port.0);
            w.zeros(6);
        } else {
            w.u32(self.port.to_wide());
            w.zeros(4);
        }
        for queue in &self.queues {
            let start = w.len();
            w.u32(queue.queue);
            if version != Version::V10 {
                w.u32(queue.port.to_wide());
            }
            let at = w.len();
            w.zeros(if version == Version::V10 { 4 } else { 8 });
            queue.encode_rates(4, w);
            w.patch_len(at, start);
        }
    }
}

impl QueueDesc {
    /// An entry of OFPMP_QUEUE_DESC.
    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<QueueDesc, OfpError> {
        const HEAD_LEN: usize = 16;
        let (port, queue) = (OfPort::from_wide(r.u32()?)?, r.u32()?);
        let len = usize::from(r.u16()?);
        r.skip(6)?;
        let mut body = r.sub(len.checked_sub(HEAD_LEN).ok_or(OfpError::BrBadLen)?)?;
        let mut desc = QueueDesc { port, queue, min_rate: None, max_rate: None };
        desc.decode_rates(&mut body, 0)?;
        Ok(desc)
    }

    pub(crate) fn encode(&self, w: &mut Writer) {
        let start = w.len();
        w.u32(self.port.to_wide());
        w.u32(self.queue);
        let at = w.len();
        w.zeros(8);
        self.encode_rates(0, w);
        w.patch_len(at, start);
    }

    /// Properties; in front of the rate stand `n_pad` bytes.
    fn decode_rates(&mut self, r: &mut Reader<'_>, n_pad: usize) -> Result<(), OfpError> {
        prop::each(r, |id, body| {
            let rate = match id {
                prop::Id::Standard(MIN_RATE) => &mut self.min_rate,
                prop::Id::Standard(MAX_RATE) => &mut self.max_rate,
                id => return id.ignore(body),
            };
            body.skip(n_pad)?;
            *rate = Some(body.u16()?).filter(|rate| *rate != NO_RATE);
            body.rest();
            Ok(())
        })
    }

    fn encode_rates(&self, n_pad: usize, w: &mut Writer) {
        for (kind, rate) in [(MIN_RATE, self.min_rate), (MAX_RATE, self.max_rate)] {
            let Some(rate) = rate else { continue };
            let at = prop::begin(w, kind);
            w.zeros(n_pad);
            w.u16(rate);
            // Up to a multiple of eight, and within the length.
            w.zeros(if n_pad == 0 { 2 } else { 6 });
            prop::end(w, at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Codec;
    use crate::message::{Message, StatsReply};

    #[test]
    fn queues_are_read_as_they_were_written_in_every_form() {
        let queue =
            |queue, min_rate, max_rate| QueueDesc { port: OfPort(7), queue, min_rate, max_rate };
        let queues = vec![queue(0, None, None), queue(9, Some(125), Some(1001))];
        for version in [Version::V10, Version::V13] {
            let codec = Codec::new(version);
            let config = QueueConfig { port: OfPort(7), queues: queues.clone() };
            let message = Message::QueueConfigReply(config);
            let bytes = codec.encode(1, &message).unwrap();
            assert_eq!(codec.decode(&bytes).unwrap().message, message, "{version}");
            assert!(codec.decode(&bytes[..bytes.len() - 1]).is_err());
        }
        // OpenFlow 1.0: a head of 16 bytes, a queue of 8, and one with two properties of 16.
        let codec = Codec::new(Version::V10);
        let config = QueueConfig { port: OfPort(7), queues: queues.clone() };
        let bytes = codec.encode(1, &Message::QueueConfigReply(config)).unwrap();
        assert_eq!(bytes.len(), 16 + 8 + 8 + 2 * 16);
        for version in [Version::V14, Version::V15] {
            let codec = Codec::new(version);
            let message = Message::StatsReply(StatsReply::QueueDesc(queues.clone()));
            let bytes = codec.encode(1, &message).unwrap();
            assert_eq!(bytes.len(), 16 + 16 + 16 + 2 * 8);
            assert_eq!(codec.decode(&bytes).unwrap().message, message, "{version}");
        }
    }

    #[test]
    fn a_queue_shorter_than_its_head_is_refused() {
        let codec = Codec::new(Version::V14);
        let queue = QueueDesc { port: OfPort(1), queue: 2, min_rate: None, max_rate: None };
        let message = Message::StatsReply(StatsReply::QueueDesc(vec![queue]));
        let mut bytes = codec.encode(1, &message).unwrap();
        let at = bytes.len() - 7;
        bytes[at] = 15;
        assert_eq!(codec.decode(&bytes).map(|d| d.message), Err(OfpError::BrBadLen));
    }
}
