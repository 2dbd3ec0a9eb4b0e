//! Frames lent to a device that names them by address, and taken back by what the device says.
//!
//! # Design
//! The rings of an AF_XDP socket carry addresses. A frame put into such a ring is lent: its handle is
//! given up, and the slot remembers to whom. An address that comes back is a claim, not a fact: only
//! if the slot it lies in is lent to that very borrower does it become a [`Frame`] again. An address
//! out of range, named twice, or of a frame that somebody else has, becomes nothing.
//!
//! Each direction of a socket is a borrower of its own: what was lent for receiving does not come
//! back as sent.
//!
//! # Invariants
//! - Lent, free and held frames together are all frames: closing an [`Account`] takes back what the
//!   device did not return.
//! - An account is closed when its last handle is dropped, which is when the device can no longer
//!   write to the frames: whoever has the device's descriptor keeps a handle, and drops it after.

use std::sync::Arc;

use super::memory::{Borrower, Frame, FrameMemory};

/// What is lent to one borrower. A handle that keeps it open.
#[derive(Clone)]
pub struct Account(Arc<Open>);

struct Open {
    memory: Arc<FrameMemory>,
    borrower: Borrower,
}

impl Account {
    /// Nothing lent yet.
    #[must_use]
    pub fn new(memory: Arc<FrameMemory>) -> Account {
        let borrower = memory.new_borrower();
        Account(Arc::new(Open { memory, borrower }))
    }

    /// The lender's end.
    #[must_use]
    pub fn loan(&self) -> Loan {
        Loan { account: self.clone(), n_out: 0 }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        // Each goes home as it is dropped.
        self.memory.take_back_all(self.borrower);
    }
}

/// Lends frames, and takes them back.
pub struct Loan {
    account: Account,
    n_out: usize,
}

impl Loan {
    /// Lends a small frame; the offset of its data in the memory's
    /// [`small_region`](FrameMemory::small_region).
    ///
    /// # Errors
    /// The frame is a large one, or of another memory: it is given back.
    pub fn lend(&mut self, frame: Frame) -> Result<u64, Frame> {
        let address = self.account.0.memory.lend(frame, self.account.0.borrower)?;
        self.n_out += 1;
        Ok(address)
    }

    /// Takes back the frame that the address lies in: without data, which would begin at the
    /// address. `None` if no such frame is lent.
    #[must_use]
    pub fn take_back(&mut self, address: u64) -> Option<Frame> {
        let frame = self.account.0.memory.take_back(address, self.account.0.borrower)?;
        self.n_out = self.n_out.saturating_sub(1);
        Some(frame)
    }

    /// Frames that are lent.
    #[must_use]
    pub fn n_out(&self) -> usize {
        self.n_out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{FramePool, HEADROOM, SMALL_CHUNK, SizeClass};

    fn memory() -> Arc<FrameMemory> {
        FrameMemory::new(8, 1).unwrap()
    }

    #[test]
    fn a_frame_comes_back_once_by_any_address_within() {
        let mut pool = FramePool::new(memory());
        let mut loan = Account::new(pool.memory().clone()).loan();
        let mut frame = pool.from_bytes(&[7; 60]).unwrap();
        assert!(frame.extend_front(4));
        let address = loan.lend(frame).unwrap();
        assert_eq!(address % SMALL_CHUNK as u64, HEADROOM as u64 - 4);
        assert_eq!(loan.n_out(), 1);
        let mut back = loan.take_back(address + 4).unwrap();
        assert_eq!((back.len(), back.headroom(), loan.n_out()), (0, HEADROOM, 0));
        assert!(back.set_len(60));
        assert_eq!(back.data(), [7; 60]);
        assert!(loan.take_back(address).is_none(), "returned already");
        pool.put(back);
    }

    #[test]
    fn addresses_of_nobodys_and_of_others_frames_are_refused() {
        let memory = memory();
        let mut pool = FramePool::new(memory.clone());
        let (mut ours, mut others) =
            (Account::new(memory.clone()).loan(), Account::new(memory.clone()).loan());
        let address = ours.lend(pool.get(SizeClass::Small).unwrap()).unwrap();
        let held = pool.get(SizeClass::Small).unwrap();
        assert!(others.take_back(address).is_none(), "lent to somebody else");
        for address in (0..9).map(|i| i * SMALL_CHUNK as u64).filter(|a| *a != address & !2047) {
            assert!(ours.take_back(address).is_none(), "{address} is not lent");
        }
        for address in [8 * SMALL_CHUNK as u64, u64::MAX, 1 << 48] {
            assert!(ours.take_back(address).is_none(), "{address} is outside");
        }
        assert_eq!((ours.n_out(), others.n_out()), (1, 0));
        drop(held);
    }

    #[test]
    fn large_and_foreign_frames_are_not_lent() {
        let mut pool = FramePool::new(memory());
        let mut loan = Account::new(pool.memory().clone()).loan();
        assert!(loan.lend(pool.get(SizeClass::Large).unwrap()).is_err());
        let mut elsewhere = FramePool::new(memory());
        assert!(loan.lend(elsewhere.get(SizeClass::Small).unwrap()).is_err());
        assert_eq!(loan.n_out(), 0);
    }

    #[test]
    fn closing_an_account_takes_everything_back() {
        let memory = memory();
        let mut pool = FramePool::new(memory.clone());
        let account = Account::new(memory.clone());
        let mut loan = account.loan();
        for _ in 0..5 {
            loan.lend(pool.get(SizeClass::Small).unwrap()).unwrap();
        }
        drop(pool);
        drop(loan);
        assert_eq!(memory.n_free(SizeClass::Small), 3, "the device may still write");
        drop(account);
        assert_eq!(memory.n_free(SizeClass::Small), 8);
    }
}
