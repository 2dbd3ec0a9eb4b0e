//! What a poll thread asks of its CPU: to stay on it, and the time stamp counter.
//!
//! # Invariants
//! - **I1** `rdtsc` has no operand and touches no memory; every x86-64 CPU has it.

#![allow(unsafe_code)]

use rustix::thread::{CpuSet, sched_setaffinity};

/// Binds the calling thread to one CPU.
///
/// # Errors
/// There is no such CPU, or the process may not use it.
pub fn pin(cpu: usize) -> std::io::Result<()> {
    if cpu >= CpuSet::MAX_CPU {
        return Err(std::io::ErrorKind::InvalidInput.into());
    }
    let mut set = CpuSet::new();
    set.set(cpu);
    Ok(sched_setaffinity(None, &set)?)
}

/// Cycles of the time stamp counter; nanoseconds where there is none.
#[must_use]
pub fn cycles() -> u64 {
    #[cfg(target_arch = "x86_64")]
    {
        // SAFETY: I1.
        unsafe { core::arch::x86_64::_rdtsc() }
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000
            + u64::try_from(now.tv_nsec).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cycles_pass_and_a_cpu_that_is_not_there_is_refused() {
        let start = cycles();
        while cycles() == start {}
        assert!(pin(usize::MAX).is_err());
        assert!(pin(CpuSet::MAX_CPU - 1).is_err());
    }
}
