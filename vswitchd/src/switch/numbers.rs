//! Dense numbers, the lowest free one first.

use std::collections::BTreeSet;

/// Numbers from 0 up to a limit.
#[derive(Debug)]
pub struct Numbers {
    free: BTreeSet<usize>,
    next: usize,
    limit: usize,
}

impl Numbers {
    /// All numbers below `limit` are free.
    pub fn new(limit: usize) -> Numbers {
        Numbers { free: BTreeSet::new(), next: 0, limit }
    }

    /// The lowest free number.
    pub fn take(&mut self) -> Option<u16> {
        let number = match self.free.pop_first() {
            Some(number) => number,
            None if self.next < self.limit => {
                self.next += 1;
                self.next - 1
            }
            None => return None,
        };
        u16::try_from(number).ok()
    }

    /// Gives a number back.
    pub fn put(&mut self, number: u16) {
        self.free.insert(usize::from(number));
    }

    /// How many numbers there are.
    pub fn limit(&self) -> usize {
        self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_free_number_is_given() {
        let mut numbers = Numbers::new(3);
        assert_eq!([numbers.take(), numbers.take()], [Some(0), Some(1)]);
        numbers.put(0);
        assert_eq!([numbers.take(), numbers.take(), numbers.take()], [Some(0), Some(2), None]);
    }
}
