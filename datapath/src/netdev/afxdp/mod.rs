//! `afxdp`: an existing interface, by AF_XDP sockets.
//!
//! # Design
//! An XDP program, six instructions that are made here, hands the frames of each receive queue to a
//! socket of that queue. Frames and descriptors pass through rings in memory that is shared with the
//! kernel; a system call is needed only to make it send.
//!
//! In layers, each of which imports only those to its left:
//!
//! ```text
//! abi ◄ sys ◄ mmap ◄ ring (cursor) ◄ receiver, sender ◄ socket ◄ device (rxq, txq)
//!         ▲─────────────── program, link ◄──────────────────────────┘
//! ```
//!
//! `receiver` and `sender` hold all that is done with frames and descriptors, and make no system call:
//! tests put them against rings in anonymous memory and play the kernel, honest or not.
//!
//! # Invariants
//! - All frames are of one memory, whose small chunks every socket has registered: what one port
//!   receives another sends from where it lies.
//! - The program is detached when the device is dropped, and by the kernel if the process dies.
//! - A frame that is lent to a socket comes back when the socket names it, or when it is closed.
//!
//! # References
//! Documentation/networking/af_xdp.rst of Linux. `docs/afxdp.md` is for users.

#[cfg(not(loom))]
mod abi;
mod cursor;
#[cfg(not(loom))]
mod device;
mod error;
#[cfg(not(loom))]
mod link;
#[cfg(not(loom))]
mod mmap;
#[cfg(not(loom))]
mod program;
#[cfg(not(loom))]
mod receiver;
#[cfg(not(loom))]
mod ring;
#[cfg(not(loom))]
mod rxq;
#[cfg(not(loom))]
mod sender;
#[cfg(not(loom))]
mod socket;
#[cfg(not(loom))]
mod sys;
#[cfg(not(loom))]
mod txq;

#[cfg(not(loom))]
pub use device::{AfXdp, AfXdpConfig, CsumRecover, Nature, XdpMode, nature};
pub use error::AfXdpError;
#[cfg(not(loom))]
pub use link::{LinkMode, link_mode};
