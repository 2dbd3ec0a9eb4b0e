//! OpenFlow port numbers of a bridge.
//!
//! As Open vSwitch does: the next free number above the one given last, and not one that was freed
//! within the last hour, so that a controller does not take a new port for the old one.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::OfPort;

/// The highest number given without being asked for.
const AUTO_MAX: u16 = 32767;
/// How long a freed number rests, seconds.
const REST_S: u32 = 3600;

/// Numbers given and freed.
#[derive(Debug, Default)]
pub struct OfPorts {
    last: u16,
    /// When a number was freed, seconds of the switch's clock.
    freed: BTreeMap<u16, u32>,
}

impl OfPorts {
    /// A number that is not in `taken`; `None` if there is none.
    pub fn allocate(&mut self, taken: &BTreeSet<OfPort>, now_s: u32) -> Option<OfPort> {
        let is_taken = |number: u16| OfPort::new(number).is_none_or(|port| taken.contains(&port));
        let rests = |number: u16| {
            self.freed.get(&number).is_some_and(|freed_s| now_s.saturating_sub(*freed_s) < REST_S)
        };
        let mut upward = (self.last + 1..=AUTO_MAX).chain(1..=self.last);
        let rested = upward.find(|number| !is_taken(*number) && !rests(*number));
        let number = rested.or_else(|| {
            let free =
                self.freed.iter().filter(|(number, _)| **number <= AUTO_MAX && !is_taken(**number));
            free.min_by_key(|(_, freed_s)| **freed_s).map(|(number, _)| *number)
        })?;
        self.last = number;
        OfPort::new(number)
    }

    /// Remembers that a number is free again.
    pub fn free(&mut self, number: OfPort, now_s: u32) {
        self.freed.insert(number.get(), now_s);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(port: Option<OfPort>) -> u16 {
        port.unwrap().get()
    }

    #[test]
    fn numbers_ascend_and_rest_after_use() {
        let mut ports = OfPorts::default();
        let mut taken = BTreeSet::new();
        for expected in 1..=3 {
            let port = ports.allocate(&taken, 0).unwrap();
            assert_eq!(port.get(), expected);
            taken.insert(port);
        }
        let two = OfPort::new(2).unwrap();
        taken.remove(&two);
        ports.free(two, 10);
        assert_eq!(number(ports.allocate(&taken, 10)), 4);
        // The highest: the search starts again from below.
        ports.last = AUTO_MAX;
        assert_eq!(number(ports.allocate(&taken, 10 + REST_S - 1)), 4);
        ports.last = AUTO_MAX;
        assert_eq!(number(ports.allocate(&taken, 10 + REST_S)), 2);
    }

    #[test]
    fn when_all_rest_the_one_that_rested_longest_is_given() {
        let mut ports = OfPorts::default();
        let mut taken: BTreeSet<OfPort> = (1..=AUTO_MAX).filter_map(OfPort::new).collect();
        assert_eq!(ports.allocate(&taken, 0), None);
        for (no, freed_s) in [(7, 5), (9, 4), (11, 6)] {
            taken.remove(&OfPort::new(no).unwrap());
            ports.free(OfPort::new(no).unwrap(), freed_s);
        }
        assert_eq!(number(ports.allocate(&taken, 6)), 9);
    }
}
