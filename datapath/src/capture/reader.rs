//! The reader's end: the records of all poll threads, by time.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use packet::capture::{HEADER_LEN, RecordHeader};

use super::{CaptureCounts, Shared, Source};

/// Takes what a capture has copied. Dropping it ends the capture.
pub struct Reader {
    shared: Arc<Shared>,
    sources: Vec<Source>,
}

impl Source {
    /// The next record's header, once the whole record is there.
    fn head(&mut self) -> Option<RecordHeader> {
        let mut header = [0; HEADER_LEN];
        {
            let bytes = self.ring.read_chunk(HEADER_LEN).ok()?;
            let (first, second) = bytes.as_slices();
            header[..first.len()].copy_from_slice(first);
            header[first.len()..].copy_from_slice(second);
        }
        // The tap writes what it can read back.
        let header = RecordHeader::parse(&header)?;
        (self.ring.slots() >= HEADER_LEN + header.data_len()).then_some(header)
    }

    /// Moves the next record, of which the whole is there.
    fn take(&mut self, header: &RecordHeader, out: &mut Vec<u8>) {
        let Ok(bytes) = self.ring.read_chunk(HEADER_LEN + header.data_len()) else { return };
        let (first, second) = bytes.as_slices();
        out.extend_from_slice(first);
        out.extend_from_slice(second);
        bytes.commit_all();
    }
}

impl Reader {
    pub(super) fn new(shared: Arc<Shared>) -> Reader {
        Reader { shared, sources: Vec::new() }
    }

    /// Takes up the rings of new poll threads, and forgets those of threads that have ended and left
    /// nothing. To be called now and then.
    pub fn refresh(&mut self) {
        let fresh = std::mem::take(&mut self.shared.state().fresh);
        self.sources.extend(fresh);
        self.sources.retain(|source| !(source.ring.is_abandoned() && source.ring.is_empty()));
    }

    /// Appends the oldest record to `out`; its header, or `None` if nothing waits.
    pub fn next(&mut self, out: &mut Vec<u8>) -> Option<RecordHeader> {
        let heads = self.sources.iter_mut().enumerate();
        let heads = heads.filter_map(|(at, source)| Some((at, source.head()?)));
        let (at, header) = heads.min_by_key(|(_, header)| header.time_ns)?;
        self.sources[at].take(&header, out);
        Some(header)
    }

    /// Sums over all poll threads.
    #[must_use]
    pub fn counts(&self) -> CaptureCounts {
        let mut sum = CaptureCounts::default();
        for tap in &self.shared.state().counters {
            sum.captured += tap.captured.get();
            sum.lost += tap.lost.get();
            sum.filtered += tap.filtered.get();
        }
        sum
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Release);
        self.shared.state().fresh.clear();
    }
}
