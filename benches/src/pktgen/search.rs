//! The highest rate whose loss stays within a limit: found by halving, then verified.
//!
//! # Design
//! The first trial is unlimited: what the generator sent then is the top. Between it and nothing the
//! interval is halved until it is narrow. What passed short trials by luck is found out by a longer
//! one; if that fails, the rate is stepped down until one passes. What a trial counts for is what it
//! sent, not what it was asked to send.
//!
//! # References
//! RFC 2544 §26.1, with a limit of loss that is not zero: one preemption loses frames on a shared
//! machine.

use serde::Serialize;

use super::pace::Load;

/// A trial that sent less than this share of what it was asked to does not speak for that rate.
const WELL_SENT: f64 = 0.97;

/// A search ends without a rate below this share of the top.
const LEAST: f64 = 1e-4;

/// What is searched for, and how narrowly.
#[derive(Clone, Copy, Debug)]
pub struct Goal {
    /// Share of frames that may be lost.
    pub max_loss: f64,
    /// Width of the interval, relative to its upper end, at which halving ends.
    pub resolution: f64,
    /// By how much the rate is stepped down after it failed to be verified, relative to itself.
    pub step: f64,
    /// Verifications before the search gives up.
    pub n_verify: u32,
}

/// Why a trial is run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Why {
    /// To find the top.
    Top,
    /// To halve the interval.
    Probe,
    /// To verify a rate: longer than the others.
    Verify,
}

/// What a trial came to.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// Frames per second sent.
    pub pps: f64,
    /// Share of them lost.
    pub loss: f64,
}

/// What limits the rate found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LimitedBy {
    /// More would be lost.
    Loss,
    /// More cannot be sent: the switch might carry more.
    Generator,
}

/// What a search found.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Found {
    /// Frames per second, as sent while it was verified.
    pub pps: f64,
    /// Share lost then.
    pub loss: f64,
    /// What limits it.
    pub limited_by: LimitedBy,
    /// Trials that it took.
    pub n_trials: u32,
}

/// Searches; `None` if no rate was verified.
///
/// # Errors
/// Those of `trial`.
pub fn search<E>(
    goal: &Goal,
    mut trial: impl FnMut(Load, Why) -> Result<Outcome, E>,
) -> Result<Option<Found>, E> {
    let mut n_trials = 1;
    let top = trial(Load::Unlimited, Why::Top)?;
    let (mut low, mut high) = (0.0, top.pps);
    let limited_by = if top.loss <= goal.max_loss { LimitedBy::Generator } else { LimitedBy::Loss };
    if limited_by == LimitedBy::Generator {
        low = top.pps;
    }
    while high - low > goal.resolution * high && high > LEAST * top.pps {
        let middle = f64::midpoint(low, high);
        let outcome = trial(Load::Rate { pps: middle, burst: 1 }, Why::Probe)?;
        n_trials += 1;
        if passes(goal, middle, &outcome) {
            low = middle;
        } else {
            high = middle;
        }
    }
    let mut pps = low;
    for _ in 0..goal.n_verify {
        if pps <= LEAST * top.pps {
            break;
        }
        // At the top no pace is kept: the clock would only slow the generator down.
        let whole = limited_by == LimitedBy::Generator && pps >= top.pps;
        let load = if whole { Load::Unlimited } else { Load::Rate { pps, burst: 1 } };
        let outcome = trial(load, Why::Verify)?;
        n_trials += 1;
        let wanted = if whole { 0.0 } else { pps };
        if passes(goal, wanted, &outcome) {
            let limited_by = if whole { LimitedBy::Generator } else { LimitedBy::Loss };
            return Ok(Some(Found { pps: outcome.pps, loss: outcome.loss, limited_by, n_trials }));
        }
        pps *= 1.0 - goal.step;
    }
    Ok(None)
}

fn passes(goal: &Goal, pps: f64, outcome: &Outcome) -> bool {
    outcome.loss <= goal.max_loss && outcome.pps >= WELL_SENT * pps
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::convert::Infallible;

    const GOAL: Goal = Goal { max_loss: 0.005, resolution: 0.01, step: 0.02, n_verify: 10 };

    /// A link that carries `capacity` and a generator that sends `most`, both frames per second.
    fn link(capacity: f64, most: f64) -> impl Fn(Load, Why) -> Result<Outcome, Infallible> {
        move |load, _| {
            let pps = match load {
                Load::Unlimited => most,
                Load::Rate { pps, .. } => pps.min(most),
            };
            Ok(Outcome { pps, loss: ((pps - capacity) / pps).max(0.0) })
        }
    }

    proptest! {
        #[test]
        fn the_capacity_of_a_link_is_found(capacity in 1e3..1e7_f64, more in 1.05..400.0_f64) {
            let Ok(found) = search(&GOAL, link(capacity, capacity * more));
            let found = found.unwrap();
            let most = capacity / (1.0 - GOAL.max_loss);
            prop_assert!(found.loss <= GOAL.max_loss);
            prop_assert!(found.pps <= most);
            prop_assert!(found.pps >= most * (1.0 - 1.01 * GOAL.resolution), "{found:?}");
            prop_assert_eq!(found.limited_by, LimitedBy::Loss);
        }
    }

    #[test]
    fn a_link_faster_than_the_generator_is_said_to_be() {
        let Ok(found) = search(&GOAL, link(2e6, 1e6));
        let wanted = Found { pps: 1e6, loss: 0.0, limited_by: LimitedBy::Generator, n_trials: 2 };
        assert_eq!(found, Some(wanted));
    }

    #[test]
    fn what_only_short_trials_pass_is_stepped_down_until_it_lasts() {
        let (short, lasting) = (link(1e6, 4e6), link(0.9e6, 4e6));
        let mut verified = Vec::new();
        let Ok(found) = search(&GOAL, |load, why| {
            if why != Why::Verify {
                return short(load, why);
            }
            let outcome = lasting(load, why)?;
            verified.push(outcome.pps);
            Ok(outcome)
        });
        let found = found.unwrap();
        assert!((0.87e6..0.905e6).contains(&found.pps), "{found:?}");
        assert!(verified.len() >= 4 && verified.windows(2).all(|pair| pair[1] < pair[0]));
        assert!((found.pps - verified[verified.len() - 1]).abs() < 1.0);
    }

    #[test]
    fn a_link_that_always_loses_has_no_rate() {
        let lossy = |load: Load, _| {
            let pps = if let Load::Rate { pps, .. } = load { pps } else { 1e6 };
            Ok::<_, Infallible>(Outcome { pps, loss: 0.1 })
        };
        assert_eq!(search(&GOAL, lossy), Ok(None));
        let dead = |_, _| Ok::<_, Infallible>(Outcome { pps: 0.0, loss: 0.0 });
        assert_eq!(search(&GOAL, dead), Ok(None));
    }

    #[test]
    fn a_trial_that_could_not_be_run_ends_the_search() {
        let mut n = 0;
        let error = search(&GOAL, |_, _| {
            n += 1;
            if n < 3 { Ok(Outcome { pps: 1e6, loss: 1.0 }) } else { Err("gone") }
        });
        assert_eq!((error, n), (Err("gone"), 3));
    }
}
