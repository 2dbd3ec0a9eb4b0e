//! Medians and spreads over rounds.

use std::fmt;

use serde::Serialize;

/// What a series of samples comes to.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Summary {
    /// The middle sample; the mean of the middle two.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Summary {
    /// `None` without samples. A sample that is not a number sorts last.
    #[must_use]
    pub fn of(samples: &[f64]) -> Option<Summary> {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median = if sorted.len().is_multiple_of(2) {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        } else {
            sorted[middle]
        };
        Some(Summary { median, min, max })
    }

    /// Of samples with the rounds in which they were taken.
    #[must_use]
    pub fn of_rounds(samples: &[(usize, f64)]) -> Option<Summary> {
        Summary::of(&samples.iter().map(|(_, sample)| *sample).collect::<Vec<_>>())
    }

    /// Of the quotients of samples that were taken in the same round.
    #[must_use]
    pub fn of_ratios(over: &[(usize, f64)], under: &[(usize, f64)]) -> Option<Summary> {
        let ratio = |(round, over): &(usize, f64)| {
            let (_, under) = under.iter().find(|(other, _)| other == round)?;
            Some(over / under)
        };
        Summary::of(&over.iter().filter_map(ratio).collect::<Vec<_>>())
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = |value: f64| if value.abs() < 9.995 { 2 } else { 1 };
        let (median, min, max) = (self.median, self.min, self.max);
        write!(f, "{median:.*}", digits(median))?;
        if min < max {
            write!(f, " [{min:.*}–{max:.*}]", digits(min), digits(max))?;
        }
        Ok(())
    }
}

/// The summary as a table cell, `–` for none.
#[must_use]
pub fn cell(summary: Option<Summary>) -> String {
    summary.map_or_else(|| "–".into(), |summary| summary.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_and_its_spread() {
        assert_eq!(Summary::of(&[]), None);
        let odd = Summary::of(&[3.0, 1.0, 2.0]);
        assert_eq!(odd, Some(Summary { median: 2.0, min: 1.0, max: 3.0 }));
        assert_eq!(Summary::of(&[1.0, 2.0]).map(|s| s.median), Some(1.5));
        assert_eq!(cell(odd), "2.00 [1.00–3.00]");
        assert_eq!(cell(Summary::of(&[12.34])), "12.3");
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        let (over, under) = ([(0, 2.0), (1, 9.0), (3, 7.0)], [(0, 1.0), (1, 3.0), (2, 1.0)]);
        let ratios = Summary::of_ratios(&over, &under);
        assert_eq!(ratios, Some(Summary { median: 2.5, min: 2.0, max: 3.0 }));
        assert_eq!(Summary::of_rounds(&over).map(|all| all.median), Some(7.0));
    }
}
