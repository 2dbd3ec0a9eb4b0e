//! Follows the kernel's routes, addresses and neighbours, without reading most of what it hears.
//!
//! # Design
//! Of a route, rule or address it matters only that there was news: the switch then asks for the few
//! routes that it uses. A message costs a look at its type, and a flood of them one event. When the
//! kernel drops notifications for want of room, that is the same event.

use std::io;
use std::os::fd::{AsRawFd, RawFd};

use netlink_packet_core::NetlinkPayload;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use rustix::io::Errno;

use super::message::messages;
use super::routes::neighbour_of;
use crate::switch::routes::RouteEvent;

/// Groups of notifications: neighbours; addresses, routes and rules of IPv4 and of IPv6
/// (`RTNLGRP_…`, linux/rtnetlink.h).
const GROUPS: [u32; 7] = [3, 5, 7, 8, 9, 11, 19];
/// Types of messages about neighbours: `RTM_NEWNEIGH`, `RTM_DELNEIGH`.
const NEIGHBOUR_TYPES: [u16; 2] = [28, 29];
/// Bytes in front of a message's type.
const LENGTH_LEN: usize = 4;

/// Follows routes, addresses and neighbours. The descriptor is readable when there is news.
pub struct RouteMonitor {
    socket: Socket,
    n_received: u64,
}

impl RouteMonitor {
    /// Subscribes. What changed before is not told.
    ///
    /// # Errors
    /// The kernel refuses a socket.
    pub fn new() -> io::Result<RouteMonitor> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.set_non_blocking(true)?;
        socket.bind(&SocketAddr::new(0, 0))?;
        for group in GROUPS {
            socket.add_membership(group)?;
        }
        Ok(RouteMonitor { socket, n_received: 0 })
    }

    /// Takes what the kernel has told, without waiting.
    ///
    /// # Errors
    /// The socket fails.
    pub fn receive(&mut self) -> io::Result<Vec<RouteEvent>> {
        let mut events = Vec::new();
        let mut changed = false;
        loop {
            match self.socket.recv_from_full() {
                Ok((datagram, sender)) if sender.port_number() == 0 => {
                    self.n_received += 1;
                    if is_about_neighbours(&datagram) {
                        events.extend(neighbours(&datagram));
                    } else {
                        changed = true;
                    }
                }
                Ok(_) => {}
                Err(error) => match Errno::from_io_error(&error) {
                    Some(Errno::AGAIN) => break,
                    Some(Errno::INTR) => {}
                    Some(Errno::NOBUFS) => changed = true,
                    _ => return Err(error),
                },
            }
        }
        events.extend(changed.then_some(RouteEvent::Changed));
        Ok(events)
    }

    /// Messages received since the last call.
    pub fn take_count(&mut self) -> u64 {
        std::mem::take(&mut self.n_received)
    }
}

fn is_about_neighbours(datagram: &[u8]) -> bool {
    let kind = datagram.get(LENGTH_LEN..LENGTH_LEN + 2).and_then(|b| b.try_into().ok());
    kind.is_some_and(|kind| NEIGHBOUR_TYPES.contains(&u16::from_ne_bytes(kind)))
}

fn neighbours(datagram: &[u8]) -> impl Iterator<Item = RouteEvent> {
    messages(datagram).filter_map(|message| match message.payload {
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewNeighbour(message)) => {
            neighbour_of(&message).map(RouteEvent::Neighbour)
        }
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelNeighbour(message)) => {
            let gone = neighbour_of(&message)?;
            Some(RouteEvent::Neighbour(crate::switch::routes::Neighbour { mac: None, ..gone }))
        }
        _ => None,
    })
}

impl AsRawFd for RouteMonitor {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}
