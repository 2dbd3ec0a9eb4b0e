//! The kernel's interfaces by rtnetlink: [`Monitor`] follows them, [`KernelLinks`] asks and changes. Its
//! routes, addresses and neighbours likewise: [`RouteMonitor`], [`KernelRoutes`].
//!
//! # Design
//! Two sockets. The monitor's is subscribed before the first dump, so that nothing falls between; it
//! never blocks, and when the kernel drops notifications for want of room, everything is dumped anew.
//! Requests go over a blocking socket: the kernel answers them within the system call.
//!
//! # Invariants
//! Only messages of the kernel itself are taken. Messages about an interface's role in a Linux bridge
//! (family `AF_BRIDGE`) look like news of the interface, and are not.
//!
//! # References
//! rtnetlink(7), netlink(7).

mod client;
mod message;
mod monitor;
mod request;
mod route_monitor;
mod routes;

pub use monitor::Monitor;
pub use request::KernelLinks;
pub use route_monitor::RouteMonitor;
pub use routes::KernelRoutes;
