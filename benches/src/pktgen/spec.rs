//! The words of the command line: ports, sizes, choices, VLANs, rates.
//!
//! A word that is refused is refused in one line that names it and what is allowed.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use packet::Vid;

/// Sizes of frames, with FCS, without tag.
pub const SIZES: RangeInclusive<u16> = 64..=9216;
/// Frames of the longest pattern of sizes.
const MAX_PATTERN: usize = 1000;
/// VIDs that a tag of a VLAN may bear (IEEE 802.1Q-2018 table 9-2).
const VIDS: RangeInclusive<u16> = 1..=4094;
/// Rates, frames per second.
const RATES: RangeInclusive<f64> = 0.1..=1e9;
const EXPONENTS: RangeInclusive<f64> = 0.01..=10.0;

/// Which flow comes next.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Choice {
    /// One after the other.
    RoundRobin,
    /// One after the other, in a shuffled order.
    Uniform,
    /// By Zipf's law.
    Zipf {
        /// How uneven.
        exponent: f64,
    },
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(word: &str) -> Result<Choice, String> {
        let allowed = || {
            let (low, high) = (EXPONENTS.start(), EXPONENTS.end());
            format!("allowed: round-robin, uniform, zipf, zipf:EXPONENT with {low} to {high}")
        };
        match word.split_once(':') {
            None if word == "round-robin" => Ok(Choice::RoundRobin),
            None if word == "uniform" => Ok(Choice::Uniform),
            None if word == "zipf" => Ok(Choice::Zipf { exponent: 1.0 }),
            Some(("zipf", exponent)) => {
                let exponent: f64 = exponent.parse().map_err(|_| allowed())?;
                if EXPONENTS.contains(&exponent) {
                    Ok(Choice::Zipf { exponent })
                } else {
                    Err(allowed())
                }
            }
            _ => Err(allowed()),
        }
    }
}

/// How long frames are: sizes with their shares.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sizes(Vec<(u16, u16)>);

impl Sizes {
    /// All of one size.
    #[must_use]
    pub fn fixed(size: u16) -> Sizes {
        Sizes(vec![(size, 1)])
    }

    /// The simple Internet mix.
    #[must_use]
    pub fn imix() -> Sizes {
        Sizes(vec![(64, 7), (594, 4), (1518, 1)])
    }

    /// Each size as often as its share says.
    #[must_use]
    pub fn pattern(&self) -> Vec<u16> {
        let repeat = |&(size, share): &(u16, u16)| vec![size; usize::from(share)];
        self.0.iter().flat_map(repeat).collect()
    }

    /// The mean.
    #[must_use]
    pub fn mean(&self) -> f64 {
        let pattern = self.pattern();
        pattern.iter().map(|size| f64::from(*size)).sum::<f64>() / pattern.len() as f64
    }
}

impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Sizes::imix() {
            return f.write_str("imix");
        }
        for (at, (size, share)) in self.0.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            write!(f, "{comma}{size}")?;
            if self.0.len() > 1 {
                write!(f, ":{share}")?;
            }
        }
        Ok(())
    }
}

impl FromStr for Sizes {
    type Err = String;

    fn from_str(word: &str) -> Result<Sizes, String> {
        if word == "imix" {
            return Ok(Sizes::imix());
        }
        let allowed = || {
            let (low, high) = (SIZES.start(), SIZES.end());
            format!(
                "allowed: {low} to {high} bytes with FCS, imix, or SIZE:SHARE,… with {MAX_PATTERN} \
                 shares at most"
            )
        };
        let one = |item: &str| {
            let (size, share) = item.split_once(':').unwrap_or((item, "1"));
            let (size, share) = (size.parse().ok()?, share.parse().ok()?);
            (SIZES.contains(&size) && share > 0).then_some((size, share))
        };
        let sizes = word.split(',').map(one).collect::<Option<Vec<_>>>().ok_or_else(allowed)?;
        let total: usize = sizes.iter().map(|(_, share)| usize::from(*share)).sum();
        if total > MAX_PATTERN { Err(allowed()) } else { Ok(Sizes(sizes)) }
    }
}

/// A list of VLANs.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Vlans(pub Vec<Vid>);

impl FromStr for Vlans {
    type Err = String;

    fn from_str(word: &str) -> Result<Vlans, String> {
        if word == "none" {
            return Ok(Vlans::default());
        }
        let allowed = || {
            let (low, high) = (VIDS.start(), VIDS.end());
            format!("allowed: none, or VIDs {low} to {high} and ranges of them: 10,20-29")
        };
        let mut vids = Vec::new();
        for item in word.split(',') {
            let (first, last) = item.split_once('-').unwrap_or((item, item));
            let first = first.parse().map_err(|_| allowed())?;
            let last = last.parse().map_err(|_| allowed())?;
            if first > last || !VIDS.contains(&first) || !VIDS.contains(&last) {
                return Err(allowed());
            }
            vids.extend((first..=last).filter_map(Vid::new));
        }
        Ok(Vlans(vids))
    }
}

/// Frames per second.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Pps(pub f64);

impl FromStr for Pps {
    type Err = String;

    fn from_str(word: &str) -> Result<Pps, String> {
        let allowed = "allowed: 0.1 to 1G frames per second, as in 250, 100k, 1.5M";
        match scaled(word) {
            Some(pps) if RATES.contains(&pps) => Ok(Pps(pps)),
            _ => Err(allowed.into()),
        }
    }
}

/// A number of things, as in `1000`, `100k`, `1M`.
///
/// # Errors
/// It is none, or not within `allowed`.
pub fn count(word: &str, allowed: RangeInclusive<u64>) -> Result<u64, String> {
    let number = scaled(word).filter(|number| number.fract() == 0.0);
    let number = number.and_then(|number| format!("{number:.0}").parse().ok());
    number.filter(|number| allowed.contains(number)).ok_or_else(|| {
        format!("allowed: {} to {}, as in 1000, 10k, 1M", allowed.start(), allowed.end())
    })
}

fn scaled(word: &str) -> Option<f64> {
    let (number, factor) = match word.char_indices().last()? {
        (at, 'k' | 'K') => (&word[..at], 1e3),
        (at, 'M') => (&word[..at], 1e6),
        (at, 'G') => (&word[..at], 1e9),
        _ => (word, 1.0),
    };
    if number.starts_with(['+', '-']) || number.contains(['e', 'E', 'n', 'N']) {
        return None;
    }
    Some(number.parse::<f64>().ok()? * factor).filter(|number| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read() {
        assert_eq!("imix".parse(), Ok(Sizes::imix()));
        assert_eq!("64:7,594:4,1518:1".parse::<Sizes>().unwrap().to_string(), "imix");
        assert_eq!("128".parse::<Sizes>().unwrap().to_string(), "128");
        assert!((Sizes::imix().mean() - 361.83).abs() < 0.01);
        let vlans: Vlans = "10,20-22".parse().unwrap();
        assert_eq!(vlans.0.iter().map(|vid| vid.get()).collect::<Vec<_>>(), [10, 20, 21, 22]);
        assert_eq!("none".parse(), Ok(Vlans::default()));
        assert_eq!("zipf:1.2".parse(), Ok(Choice::Zipf { exponent: 1.2 }));
        assert_eq!("1.5M".parse(), Ok(Pps(1.5e6)));
        assert_eq!(count("100k", 1..=1_000_000), Ok(100_000));
    }

    #[test]
    fn words_that_mean_nothing_are_refused_with_what_is_allowed() {
        let refused = [
            ["", "63", "9217", "64,", "64:0", "imix,64", "64:600,65:500", "-64"]
                .map(|word| word.parse::<Sizes>().err()),
            ["", "0", "4095", "20-10", "10-", "a", "10,,20", "1-4095"]
                .map(|word| word.parse::<Vlans>().err()),
            ["", "zipf:", "zipf:0", "zipf:nan", "uniform:1", "Zipf", "zipf:11", "random"]
                .map(|word| word.parse::<Choice>().err()),
            ["", "0", "-1", "1e9", "k", "inf", "NaN", "2G"].map(|word| word.parse::<Pps>().err()),
            ["", "0", "1.5", "-1", "2M", "k", "+3", "1e3"]
                .map(|word| count(word, 1..=1_000_000).err()),
        ];
        for error in refused.iter().flatten() {
            let text = error.as_ref().expect("refused");
            assert!(text.starts_with("allowed: ") && !text.contains('\n'), "{text}");
        }
    }
}
