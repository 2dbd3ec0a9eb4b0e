//! How much of a poll thread's time captures may take.
//!
//! # Design
//! Forwarding comes first: a thread that has no time to spare spends at most one part in
//! [`BUSY_PARTS`] of it on captures. Time that it has to spare, in rounds without a frame, is theirs
//! altogether. What time there is gathers up to [`MAX_LEFT`], so that a burst is captured whole. While
//! it is spent, frames that a capture wants are counted as lost, and not copied.

/// A busy thread gives captures one part of its time in so many.
pub const BUSY_PARTS: u64 = 8;

/// Cycles of the time stamp counter that gather at most: some milliseconds.
pub const MAX_LEFT: i64 = 1 << 24;

/// What a round of a poll thread was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Round {
    /// It had frames to forward.
    Busy,
    /// It had none.
    Idle,
}

/// The time that is left, cycles of the time stamp counter; below zero, it is overdrawn.
#[derive(Debug)]
pub struct Budget(i64);

impl Default for Budget {
    fn default() -> Self {
        Budget(MAX_LEFT)
    }
}

impl Budget {
    /// A round has passed, which took so many cycles.
    pub fn earn(&mut self, round: Round, cycles: u64) {
        let earned = match round {
            Round::Busy => cycles / BUSY_PARTS,
            Round::Idle => cycles,
        };
        let earned = i64::try_from(earned).unwrap_or(i64::MAX);
        self.0 = self.0.saturating_add(earned).min(MAX_LEFT);
    }

    /// Captures took so many cycles.
    pub fn spend(&mut self, cycles: u64) {
        self.0 = self.0.saturating_sub_unsigned(cycles);
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        self.0 <= 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_thread_gives_its_part_and_an_idle_one_all() {
        const CYCLES: u64 = 1 << 30;
        let mut budget = Budget::default();
        assert!(!budget.is_spent());
        budget.spend(CYCLES + MAX_LEFT.unsigned_abs());
        assert!(budget.is_spent());
        budget.earn(Round::Busy, CYCLES * (BUSY_PARTS - 1));
        assert!(budget.is_spent());
        budget.earn(Round::Busy, CYCLES + BUSY_PARTS);
        assert!(!budget.is_spent());
        budget.spend(CYCLES);
        budget.earn(Round::Idle, CYCLES - 1);
        assert!(budget.is_spent());
        budget.earn(Round::Idle, 1);
        assert!(!budget.is_spent());
    }

    #[test]
    fn what_gathers_is_bounded_both_ways() {
        let mut budget = Budget::default();
        budget.earn(Round::Idle, u64::MAX);
        budget.spend(MAX_LEFT.unsigned_abs());
        assert!(budget.is_spent());
        budget.spend(u64::MAX);
        budget.spend(u64::MAX);
        assert!(budget.is_spent());
    }
}
