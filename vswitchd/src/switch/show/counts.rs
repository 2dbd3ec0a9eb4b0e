//! A port's counters, summed over all poll threads.

use datapath::counter::PortCounters;
use datapath::view::PortStats;
use datapath::{Counter, DropReason};

/// A port's counters.
///
/// `rx_dropped` and `tx_dropped` are all frames lost on that side, whatever the reason; `rx_errors`
/// and `tx_errors` those of them that were malformed, or that the device refused.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Names and values, as `statistics` shows them.
    pub named: Vec<(&'static str, u64)>,
    /// Reasons for which frames were lost, with how many, in and out together; none of them zero.
    pub drops: Vec<(DropReason, u64)>,
}

const ERRORS: &[DropReason] = &[
    DropReason::Runt,
    DropReason::BadDescriptor,
    DropReason::BadOffload,
    DropReason::RxTruncated,
    DropReason::PartialVlanTag,
    DropReason::TxError,
    DropReason::SegmentFailed,
];

impl Counts {
    /// The counters now.
    #[must_use]
    pub fn of(stats: &PortStats) -> Counts {
        let sum = |read: fn(&PortCounters) -> &Counter| stats.sum(|block| read(block).get());
        let lost = |read: fn(&PortCounters, DropReason) -> u64, reasons: &[DropReason]| {
            reasons.iter().map(|reason| stats.sum(|block| read(block, *reason))).sum::<u64>()
        };
        let named = vec![
            ("rx_packets", sum(|c| &c.rx_packets)),
            ("rx_bytes", sum(|c| &c.rx_bytes)),
            ("rx_dropped", lost(PortCounters::rx_drops, DropReason::ALL)),
            ("rx_errors", lost(PortCounters::rx_drops, ERRORS)),
            ("rx_missed_errors", sum(|c| &c.rx_missed)),
            ("tx_packets", sum(|c| &c.tx_packets)),
            ("tx_bytes", sum(|c| &c.tx_bytes)),
            ("tx_dropped", lost(PortCounters::tx_drops, DropReason::ALL)),
            ("tx_errors", lost(PortCounters::tx_drops, ERRORS)),
            ("multicast", sum(|c| &c.rx_multicast)),
            ("copies", sum(|c| &c.copies)),
            ("segments", sum(|c| &c.segments)),
            ("injected", sum(|c| &c.injected)),
            ("handed", sum(|c| &c.handed)),
            ("encapsulated", sum(|c| &c.encapsulated)),
            ("opened", sum(|c| &c.opened)),
            ("rx_checksums", sum(|c| &c.rx_checksums)),
            ("tx_checksums", sum(|c| &c.tx_checksums)),
            ("tx_joined", sum(|c| &c.tx_joined)),
            ("tx_batches", sum(|c| &c.tx_batches)),
        ];
        let both = |reason: &DropReason| {
            stats.sum(|block| block.rx_drops(*reason) + block.tx_drops(*reason))
        };
        let drops = DropReason::ALL.iter().map(|reason| (*reason, both(reason)));
        Counts { named, drops: drops.filter(|(_, n)| *n > 0).collect() }
    }

    /// The counter of that name; 0 if there is none.
    #[must_use]
    pub fn get(&self, name: &str) -> u64 {
        self.named.iter().find(|(key, _)| *key == name).map_or(0, |(_, value)| *value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_of_all_threads_are_summed() {
        let stats = PortStats::default();
        stats.of(0).rx_packets.add(3);
        stats.of(5).rx_packets.add(4);
        stats.of(5).drop_rx(DropReason::Runt, 2);
        stats.of(1).drop_rx(DropReason::NoOutput, 1);
        stats.of(1).drop_tx(DropReason::TxQueueFull, 9);
        let counts = Counts::of(&stats);
        let expected = [
            ("rx_packets", 7),
            ("rx_dropped", 3),
            ("rx_errors", 2),
            ("tx_dropped", 9),
            ("tx_errors", 0),
        ];
        for (name, value) in expected {
            assert_eq!(counts.get(name), value, "{name}");
        }
        let drops =
            [(DropReason::Runt, 2), (DropReason::NoOutput, 1), (DropReason::TxQueueFull, 9)];
        assert_eq!(counts.drops, drops);
    }
}
