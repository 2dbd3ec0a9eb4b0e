//! What arrived of what was sent, flow by flow: loss, duplicates, reordering.
//!
//! # Design
//! Of each flow are kept the next sequence number expected and a window of bits, one for each of the
//! numbers below it. So memory is bounded whatever arrives, and each arrival costs one look. What is
//! older than the window might be new or a duplicate: it is counted apart, and as neither.
//!
//! # References
//! RFC 4737 §3 (a packet is reordered if its number is below the next expected one), RFC 5560
//! (duplicates).

/// Memory of all windows together, bits.
const WINDOWS_BITS: u64 = 256 << 20;
const MIN_WINDOW: u64 = 64;
const MAX_WINDOW: u64 = 1 << 16;

/// What an arrival was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arrival {
    /// The next of its flow, or one after that.
    InOrder,
    /// One that was missing, after a later one.
    Reordered,
    /// One that had arrived.
    Duplicate,
    /// So old that it might be either.
    TooLate,
}

#[derive(Clone, Default)]
struct Flow {
    /// Above every number that arrived.
    next: u64,
    /// How many did.
    received: u64,
}

/// Arrivals of all flows.
pub struct Account {
    flows: Box<[Flow]>,
    windows: Box<[u64]>,
    window_len: u64,
    n: [u64; 4],
}

impl Account {
    /// Of `n_flows` flows from which nothing has arrived.
    #[must_use]
    pub fn new(n_flows: u32) -> Account {
        Account::with_window(n_flows, window_len(n_flows))
    }

    /// With windows of a number of bits that is a power of two, [`MIN_WINDOW`] or more.
    fn with_window(n_flows: u32, window_len: u64) -> Account {
        let n_flows = n_flows as usize;
        let n_words = usize::try_from(window_len / 64).unwrap_or(1) * n_flows;
        Account {
            flows: vec![Flow::default(); n_flows].into(),
            windows: vec![0; n_words].into(),
            window_len,
            n: [0; 4],
        }
    }

    /// Takes note of an arrival; `None` if there is no such flow. `sequence` is the number modulo 2³²,
    /// taken to be the one nearest to what is expected.
    pub fn arrive(&mut self, flow: u32, sequence: u32) -> Option<Arrival> {
        let at = flow as usize;
        let next = self.flows.get(at)?.next;
        let [.., b4, b5, b6, b7] = next.to_be_bytes();
        let ahead = sequence.wrapping_sub(u32::from_be_bytes([b4, b5, b6, b7])).cast_signed();
        let arrival = match next.checked_add_signed(ahead.into()) {
            None => Arrival::TooLate,
            Some(number) if number >= next => {
                let skipped_from = next.max(number.saturating_sub(self.window_len));
                for missing in skipped_from..number {
                    self.set(at, missing, false);
                }
                self.set(at, number, true);
                self.flows[at].next = number + 1;
                Arrival::InOrder
            }
            Some(number) if next - number > self.window_len => Arrival::TooLate,
            Some(number) if self.set(at, number, true) => Arrival::Duplicate,
            Some(_) => Arrival::Reordered,
        };
        self.n[arrival as usize] += 1;
        if matches!(arrival, Arrival::InOrder | Arrival::Reordered) {
            self.flows[at].received += 1;
        }
        Some(arrival)
    }

    /// Sets a number's bit; what it was.
    fn set(&mut self, flow: usize, number: u64, arrived: bool) -> bool {
        let in_window = usize::try_from(number & (self.window_len - 1)).unwrap_or(0);
        let n_words = usize::try_from(self.window_len / 64).unwrap_or(1);
        let word = &mut self.windows[flow * n_words + in_window / 64];
        let bit = 1 << (in_window % 64);
        let was = *word & bit != 0;
        *word = if arrived { *word | bit } else { *word & !bit };
        was
    }

    /// How many arrivals were so.
    #[must_use]
    pub fn n(&self, arrival: Arrival) -> u64 {
        self.n[arrival as usize]
    }

    /// Different frames that arrived.
    #[must_use]
    pub fn n_received(&self) -> u64 {
        self.n(Arrival::InOrder) + self.n(Arrival::Reordered)
    }

    /// Different frames of a flow that arrived.
    #[must_use]
    pub fn n_received_of(&self, flow: usize) -> u64 {
        self.flows.get(flow).map_or(0, |flow| flow.received)
    }
}

/// Bits of each window, so that all together stay within [`WINDOWS_BITS`].
fn window_len(n_flows: u32) -> u64 {
    let share = (WINDOWS_BITS / u64::from(n_flows.max(1))).clamp(MIN_WINDOW, MAX_WINDOW);
    1 << share.ilog2()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// The same, by remembering everything.
    #[derive(Default)]
    struct Naive(BTreeSet<u64>);

    impl Naive {
        fn arrive(&mut self, number: u64, window_len: u64) -> Arrival {
            let next = self.0.last().map_or(0, |last| last + 1);
            let known = !self.0.insert(number);
            if number >= next {
                Arrival::InOrder
            } else if next - number > window_len {
                // Not to be known later either.
                if !known {
                    self.0.remove(&number);
                }
                Arrival::TooLate
            } else if known {
                Arrival::Duplicate
            } else {
                Arrival::Reordered
            }
        }
    }

    proptest! {
        #[test]
        fn it_agrees_with_remembering_everything(
            start in prop_oneof![Just(0_u64), Just((1 << 31) - 50), Just((1 << 32) - 50)],
            jumps in prop::collection::vec((0..2_u32, -150..170_i64), 1..600),
        ) {
            let mut account = Account::with_window(2, MIN_WINDOW);
            let mut naive = [Naive::default(), Naive::default()];
            if start > 0 {
                // Numbers beyond 2³¹ are reached in steps that are unambiguous.
                for (flow, naive) in (0..).zip(&mut naive) {
                    for number in [start / 2, start] {
                        account.arrive(flow, u32::try_from(number).unwrap()).unwrap();
                        naive.arrive(number, MIN_WINDOW);
                    }
                }
            }
            let mut at = start;
            for (flow, jump) in jumps {
                at = at.saturating_add_signed(jump);
                let sequence = u32::try_from(at & 0xffff_ffff).unwrap();
                let expected = naive[flow as usize].arrive(at, MIN_WINDOW);
                prop_assert_eq!(account.arrive(flow, sequence), Some(expected), "{} {}", flow, at);
            }
            let n_naive: usize = naive.iter().map(|naive| naive.0.len()).sum();
            prop_assert_eq!(account.n_received(), n_naive as u64);
            let of_flow = |flow: usize| account.n_received_of(flow);
            prop_assert_eq!([0, 1].map(of_flow), [0, 1].map(|f: usize| naive[f].0.len() as u64));
        }
    }

    #[test]
    fn a_flow_that_is_not_there_is_refused_and_windows_are_bounded() {
        assert_eq!(Account::new(3).arrive(3, 0), None);
        assert_eq!(window_len(1), MAX_WINDOW);
        assert_eq!(window_len(u32::MAX), MIN_WINDOW);
        assert!(window_len(1 << 20) * (1 << 20) <= WINDOWS_BITS);
    }
}
