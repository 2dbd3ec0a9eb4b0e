//! Waiting for a state, the only place that sleeps.
//!
//! A test that sleeps for a time is slow on a good day and wrong on a bad one. Here a condition is
//! asked again and again until it holds or the deadline passes; the deadline is a bound for broken
//! code, not a measurement.

use std::time::{Duration, Instant};

/// Pause between two looks at a condition.
const PAUSE: Duration = Duration::from_millis(10);

/// Waits until `cond` holds.
///
/// # Panics
/// With `what`, if it does not hold within `deadline`.
pub fn wait_until(what: &str, deadline: Duration, mut cond: impl FnMut() -> bool) {
    wait_for(what, deadline, || cond().then_some(()));
}

/// Waits until `look` finds something, and gives that.
///
/// # Panics
/// With `what`, if it finds nothing within `deadline`.
pub fn wait_for<T>(what: &str, deadline: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < deadline, "waited {deadline:?} in vain: {what}");
        std::thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_that_comes_is_seen_at_once() {
        let mut n = 0;
        wait_until("three looks", Duration::from_secs(5), || {
            n += 1;
            n == 3
        });
        assert_eq!(n, 3);
    }

    #[test]
    #[should_panic(expected = "in vain: the cow to fly")]
    fn a_state_that_never_comes_is_named() {
        wait_until("the cow to fly", Duration::from_millis(30), || false);
    }
}
