//! Requests for statistics that come in several messages.
//!
//! # Design
//! Only lists are longer than one message: table features and flow monitors. Parts of one request have
//! its transaction id and are joined entry by entry when the last is there.
//!
//! # References
//! OpenFlow 1.3.5 §7.3.5; 1.4.1 §7.3.5.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use openflow::{Decoded, Message, OfpError, StatsRequest};

/// Most entries of a request.
pub const MAX_ENTRIES: usize = 4096;
/// Most requests of which parts are awaited.
const MAX_REQUESTS: usize = 16;
/// How long the next part is awaited.
const TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Partial {
    request: StatsRequest,
    at: Instant,
    /// The first part, as an error gives it back.
    head: Vec<u8>,
}

/// Requests of which parts are awaited.
#[derive(Default, Debug)]
pub struct Parts(BTreeMap<u32, Partial>);

impl Parts {
    /// Takes a message; gives it back, whole, when its last part is there.
    ///
    /// # Errors
    /// `OFPBRC_MULTIPART_BUFFER_OVERFLOW`, and `OFPBRC_BAD_STAT` if parts do not belong together; the
    /// request is forgotten.
    pub fn join(
        &mut self,
        decoded: Decoded,
        head: &[u8],
        now: Instant,
    ) -> Result<Option<Message>, OfpError> {
        let Decoded { xid, message, more } = decoded;
        let request = match message {
            Message::StatsRequest(request) => request,
            other => return Ok(Some(other)),
        };
        let earlier = self.0.remove(&xid);
        if earlier.is_none() && !more {
            return Ok(Some(Message::StatsRequest(request)));
        }
        let (whole, head) = match earlier {
            Some(partial) => (joined(partial.request, request)?, partial.head),
            None => (request, head.to_vec()),
        };
        let n = n_entries(&whole).ok_or(OfpError::BrMultipartBufferOverflow)?;
        if n > MAX_ENTRIES || more && self.0.len() >= MAX_REQUESTS {
            return Err(OfpError::BrMultipartBufferOverflow);
        }
        if !more {
            return Ok(Some(Message::StatsRequest(whole)));
        }
        self.0.insert(xid, Partial { request: whole, at: now, head });
        Ok(None)
    }

    /// Forgets requests whose next part did not come; the beginning of each.
    pub fn expire(&mut self, now: Instant) -> Vec<Vec<u8>> {
        let is_late = |partial: &Partial| now.saturating_duration_since(partial.at) > TIMEOUT;
        let late: Vec<u32> = self.0.iter().filter(|(_, p)| is_late(p)).map(|(x, _)| *x).collect();
        late.iter().filter_map(|xid| self.0.remove(xid)).map(|partial| partial.head).collect()
    }
}

fn joined(first: StatsRequest, second: StatsRequest) -> Result<StatsRequest, OfpError> {
    match (first, second) {
        (StatsRequest::TableFeatures(mut all), StatsRequest::TableFeatures(more)) => {
            all.extend(more);
            Ok(StatsRequest::TableFeatures(all))
        }
        (StatsRequest::FlowMonitor(mut all), StatsRequest::FlowMonitor(more)) => {
            all.extend(more);
            Ok(StatsRequest::FlowMonitor(all))
        }
        _ => Err(OfpError::BrBadStat),
    }
}

/// `None` for a request that is no list.
fn n_entries(request: &StatsRequest) -> Option<usize> {
    match request {
        StatsRequest::TableFeatures(entries) => Some(entries.len()),
        StatsRequest::FlowMonitor(entries) => Some(entries.len()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(xid: u32, request: StatsRequest, more: bool) -> Decoded {
        Decoded { xid, message: Message::StatsRequest(request), more }
    }

    fn features(more: bool) -> Decoded {
        part(7, StatsRequest::TableFeatures(Vec::new()), more)
    }

    #[test]
    fn parts_are_joined_and_others_pass() {
        let (mut parts, now) = (Parts::default(), Instant::now());
        assert_eq!(parts.join(features(true), &[], now), Ok(None));
        let table = part(8, StatsRequest::Table, false);
        assert_eq!(parts.join(table.clone(), &[], now), Ok(Some(table.message)));
        let whole = features(false);
        assert_eq!(parts.join(whole.clone(), &[], now), Ok(Some(whole.message)));
        assert!(parts.0.is_empty());
    }

    #[test]
    fn parts_that_do_not_belong_together_are_refused() {
        let (mut parts, now) = (Parts::default(), Instant::now());
        assert_eq!(parts.join(features(true), &[], now), Ok(None));
        let other = part(7, StatsRequest::Table, false);
        assert_eq!(parts.join(other.clone(), &[], now), Err(OfpError::BrBadStat));
        let no_list = part(9, StatsRequest::Table, true);
        let error = Err(OfpError::BrMultipartBufferOverflow);
        assert_eq!(parts.join(no_list, &[], now), error);
        for xid in 0..16 {
            let first = part(xid, StatsRequest::FlowMonitor(Vec::new()), true);
            assert_eq!(parts.join(first, &[1], now), Ok(None));
        }
        let one_more = part(99, StatsRequest::FlowMonitor(Vec::new()), true);
        assert_eq!(parts.join(one_more, &[], now), error);
        assert!(parts.expire(now).is_empty());
        assert_eq!(parts.expire(now + TIMEOUT * 2), vec![vec![1]; 16]);
    }
}
