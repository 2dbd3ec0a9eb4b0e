//! Asks and changes the kernel's interfaces.

use std::io;

use datapath::netdev::afxdp::{LinkMode, link_mode};
use netlink_packet_core::{NLM_F_ACK, NLM_F_DUMP};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use packet::MacAddr;
use rustix::io::Errno;

use super::client::{Answer, Client, Until};
use super::message::link_of;
use crate::switch::links::{Admin, Link, Links};

/// How often a dump is repeated that interfaces came into.
const N_DUMPS: usize = 10;

/// The kernel's interfaces, asked and changed now.
pub struct KernelLinks {
    client: Client,
}

impl KernelLinks {
    /// A socket for requests.
    ///
    /// # Errors
    /// The kernel refuses one.
    pub fn new() -> io::Result<KernelLinks> {
        Ok(KernelLinks { client: Client::new()? })
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
        self.client.ask(
            RouteNetlinkMessage::GetLink(LinkMessage::default()),
            NLM_F_DUMP,
            Until::Done,
        )
    }

    fn one(&mut self, message: LinkMessage) -> io::Result<Option<Link>> {
        match self.client.ask(RouteNetlinkMessage::GetLink(message), NLM_F_ACK, Until::Done) {
            Ok(answer) => Ok(answer.messages.iter().find_map(link_in)),
            Err(error) if Errno::from_io_error(&error) == Some(Errno::NODEV) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn change(&mut self, index: u32, attribute: LinkAttribute) -> io::Result<()> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        message.attributes.push(attribute);
        self.client.ask(RouteNetlinkMessage::SetLink(message), NLM_F_ACK, Until::Done).map(drop)
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
        self.one(message)
    }

    fn by_index(&mut self, index: u32) -> io::Result<Option<Link>> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        self.one(message)
    }

    fn mode(&self, name: &str) -> Option<LinkMode> {
        link_mode(name).ok()
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
        self.client.ask(RouteNetlinkMessage::SetLink(message), NLM_F_ACK, Until::Done).map(drop)
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
