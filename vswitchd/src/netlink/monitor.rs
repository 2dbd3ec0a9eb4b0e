//! Follows the kernel's interfaces, and that addresses change.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, RawFd};

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use rustix::io::Errno;

use super::message::{event_of, messages};
use super::request::KernelLinks;
use crate::switch::links::LinkEvent;

/// Groups of notifications: interfaces; addresses of IPv4 and of IPv6 (`RTNLGRP_LINK`, `…_IFADDR`,
/// linux/rtnetlink.h).
const GROUPS: [u32; 3] = [1, 5, 9];

/// Room for notifications, bytes: hundreds of interfaces may change at once.
const RECEIVE_LEN: usize = 1 << 20;

/// Follows the kernel's interfaces. The descriptor is readable when there is news.
pub struct Monitor {
    socket: Socket,
    links: KernelLinks,
    events: VecDeque<LinkEvent>,
    n_received: u64,
}

impl Monitor {
    /// Subscribes; the first events are [`LinkEvent::All`] and [`LinkEvent::Addresses`].
    ///
    /// # Errors
    /// The kernel refuses a socket, or does not answer.
    pub fn new() -> io::Result<Monitor> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        // A smaller room than asked for only makes an overflow, which is seen, more likely.
        let _ = socket.set_rx_buf_sz(i32::try_from(RECEIVE_LEN).unwrap_or(i32::MAX));
        socket.set_non_blocking(true)?;
        socket.bind(&SocketAddr::new(0, 0))?;
        for group in GROUPS {
            socket.add_membership(group)?;
        }
        let mut links = KernelLinks::new()?;
        let events = VecDeque::from([LinkEvent::All(links.all()?), LinkEvent::Addresses]);
        Ok(Monitor { socket, links, events, n_received: 0 })
    }

    /// Takes what the kernel has told, without waiting.
    ///
    /// # Errors
    /// The socket fails; news may be lost. To be called again.
    pub fn receive(&mut self) -> io::Result<Vec<LinkEvent>> {
        loop {
            match self.socket.recv_from_full() {
                Ok((datagram, sender)) if sender.port_number() == 0 => {
                    for message in messages(&datagram) {
                        self.n_received += 1;
                        self.note(event_of(message));
                    }
                }
                Ok(_) => {}
                Err(error) => match Errno::from_io_error(&error) {
                    Some(Errno::AGAIN) => break,
                    Some(Errno::INTR) => {}
                    Some(Errno::NOBUFS) => self.start_anew()?,
                    _ => return Err(error),
                },
            }
        }
        Ok(self.events.drain(..).collect())
    }

    fn note(&mut self, event: Option<LinkEvent>) {
        // That addresses changed is asked about once, however many did.
        if event.as_ref().is_some_and(|event| self.events.back() != Some(event)) {
            self.events.extend(event);
        }
    }

    /// Messages received since the last call.
    pub fn take_count(&mut self) -> u64 {
        std::mem::take(&mut self.n_received)
    }

    /// Notifications were lost: those before are stale, those after come on top of a dump.
    fn start_anew(&mut self) -> io::Result<()> {
        tracing::info!("notifications of the kernel were lost: asking for all interfaces");
        self.events.clear();
        self.events.extend([LinkEvent::All(self.links.all()?), LinkEvent::Addresses]);
        Ok(())
    }
}

impl AsRawFd for Monitor {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}
