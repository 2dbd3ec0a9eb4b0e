//! Asks and changes the kernel's interfaces.

use std::io;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage,
    NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use packet::MacAddr;
use rustix::io::Errno;

use super::message::{link_of, messages};
use crate::switch::links::{Admin, Link, Links};

/// How often a dump is repeated that interfaces came into.
const N_DUMPS: usize = 10;

/// The kernel's interfaces, asked and changed now.
pub struct KernelLinks {
    socket: Socket,
    sequence: u32,
}

/// What the kernel answered.
struct Answer {
    messages: Vec<RouteNetlinkMessage>,
    /// Interfaces came or went during a dump, so that some may be missing.
    is_torn: bool,
}

impl KernelLinks {
    /// A socket for requests.
    ///
    /// # Errors
    /// The kernel refuses one.
    pub fn new() -> io::Result<KernelLinks> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind(&SocketAddr::new(0, 0))?;
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(KernelLinks { socket, sequence: 0 })
    }

    /// Every interface of this network namespace.
    ///
    /// # Errors
    /// The kernel does not answer.
    pub fn all(&mut self) -> io::Result<Vec<Link>> {
        let mut answer = self.dump()?;
        for _ in 1..N_DUMPS {
            if !answer.is_torn {
                break;
            }
            answer = self.dump()?;
        }
        // What a torn dump misses, the notifications tell.
        Ok(answer.messages.iter().filter_map(link_in).collect())
    }

    fn dump(&mut self) -> io::Result<Answer> {
        self.ask(RouteNetlinkMessage::GetLink(LinkMessage::default()), NLM_F_DUMP)
    }

    fn change(&mut self, index: u32, attribute: LinkAttribute) -> io::Result<()> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        message.attributes.push(attribute);
        self.ask(RouteNetlinkMessage::SetLink(message), NLM_F_ACK).map(drop)
    }

    /// Sends a request and takes its answer up to the end of the dump or the acknowledgement.
    fn ask(&mut self, request: RouteNetlinkMessage, flags: u16) -> io::Result<Answer> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | flags;
        header.sequence_number = self.sequence;
        let mut request = NetlinkMessage::new(header, NetlinkPayload::from(request));
        request.finalize();
        let mut bytes = vec![0; request.buffer_len()];
        request.serialize(&mut bytes);
        self.socket.send(&bytes, 0)?;
        let mut answer = Answer { messages: Vec::new(), is_torn: false };
        loop {
            let datagram = match self.socket.recv_from_full() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?.0,
            };
            for message in messages(&datagram) {
                if message.header.sequence_number != self.sequence {
                    continue;
                }
                answer.is_torn |= message.header.flags & NLM_F_DUMP_INTR != 0;
                match message.payload {
                    NetlinkPayload::InnerMessage(message) => answer.messages.push(message),
                    NetlinkPayload::Error(error) if error.code.is_some() => {
                        return Err(error.to_io());
                    }
                    NetlinkPayload::Error(_) | NetlinkPayload::Done(_) => return Ok(answer),
                    _ => {}
                }
            }
        }
    }
}

fn link_in(message: &RouteNetlinkMessage) -> Option<Link> {
    match message {
        RouteNetlinkMessage::NewLink(link) => link_of(link),
        _ => None,
    }
}

impl Links for KernelLinks {
    fn get(&mut self, name: &str) -> io::Result<Option<Link>> {
        let mut message = LinkMessage::default();
        message.attributes.push(LinkAttribute::IfName(name.to_owned()));
        match self.ask(RouteNetlinkMessage::GetLink(message), NLM_F_ACK) {
            Ok(answer) => Ok(answer.messages.iter().find_map(link_in)),
            Err(error) if Errno::from_io_error(&error) == Some(Errno::NODEV) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn set_mtu(&mut self, index: u32, mtu: u32) -> io::Result<()> {
        self.change(index, LinkAttribute::Mtu(mtu))
    }

    fn set_mac(&mut self, index: u32, mac: MacAddr) -> io::Result<()> {
        self.change(index, LinkAttribute::Address(mac.0.to_vec()))
    }

    fn set_admin(&mut self, index: u32, admin: Admin) -> io::Result<()> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        message.header.change_mask = LinkFlags::Up;
        message.header.flags = match admin {
            Admin::Up => LinkFlags::Up,
            Admin::Down => LinkFlags::empty(),
        };
        self.ask(RouteNetlinkMessage::SetLink(message), NLM_F_ACK).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_is_there_and_others_are_not() {
        let mut links = KernelLinks::new().unwrap();
        let lo = links.get("lo").unwrap().expect("every namespace has a loopback");
        assert_eq!((lo.index, lo.mac), (1, MacAddr::ZERO));
        assert!(links.all().unwrap().contains(&lo));
        assert_eq!(links.get("vst-no-such").unwrap(), None);
    }

    #[test]
    fn a_change_of_what_is_not_there_is_refused_by_the_kernel() {
        let mut links = KernelLinks::new().unwrap();
        let no_such = u32::try_from(i32::MAX).unwrap();
        assert!(links.set_mtu(no_such, 1500).is_err());
        // The socket is still in step.
        assert!(links.get("lo").unwrap().is_some());
    }
}
