//! Asks the kernel for routes, addresses and neighbours.

use std::io;
use std::net::IpAddr;

use netlink_packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_REPLACE};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteMetric, RouteType, RouteVia,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use packet::MacAddr;
use rustix::io::Errno;

use super::client::{Answer, Client, Until};
use crate::switch::routes::{HostAddress, Neighbour, NoRoute, Route, Routes, TableRoute};

/// How often a dump is repeated that addresses came into.
const N_DUMPS: usize = 10;

/// The kernel's routes, addresses and neighbours, asked now.
pub struct KernelRoutes {
    client: Client,
}

const fn family(ip: IpAddr) -> AddressFamily {
    match ip {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    }
}

const fn bits(ip: IpAddr) -> u8 {
    match ip {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

fn ip_of(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(ip) => Some((*ip).into()),
        RouteAddress::Inet6(ip) => Some((*ip).into()),
        _ => None,
    }
}

fn neighbour_ip(address: &NeighbourAddress) -> Option<IpAddr> {
    match address {
        NeighbourAddress::Inet(ip) => Some((*ip).into()),
        NeighbourAddress::Inet6(ip) => Some((*ip).into()),
        NeighbourAddress::Other(_) | _ => None,
    }
}

/// What a message tells of a neighbour.
pub(super) fn neighbour_of(message: &NeighbourMessage) -> Option<Neighbour> {
    let (mut ip, mut mac) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            NeighbourAttribute::Destination(address) => ip = neighbour_ip(address),
            NeighbourAttribute::LinkLayerAddress(bytes) => {
                mac = <[u8; 6]>::try_from(bytes.as_slice()).ok().map(MacAddr);
            }
            _ => {}
        }
    }
    let state = message.header.state;
    // An entry that failed, or whose answer is awaited, may carry an address that is no more.
    let is_known = !matches!(
        state,
        NeighbourState::Incomplete | NeighbourState::Failed | NeighbourState::None
    );
    // Also while it is being asked whether it is still there.
    let is_stale =
        matches!(state, NeighbourState::Stale | NeighbourState::Delay | NeighbourState::Probe);
    Some(Neighbour {
        index: message.header.ifindex,
        ip: ip?,
        mac: mac.filter(|_| is_known),
        is_stale,
    })
}

fn route_of(message: &RouteMessage) -> Option<Route> {
    let mut route = Route {
        index: 0,
        gateway: None,
        src: None,
        mtu: None,
        is_local: message.header.kind == RouteType::Local,
    };
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Oif(index) => route.index = *index,
            RouteAttribute::Gateway(address) => route.gateway = ip_of(address),
            RouteAttribute::Via(RouteVia::Inet(ip)) => route.gateway = Some((*ip).into()),
            RouteAttribute::Via(RouteVia::Inet6(ip)) => route.gateway = Some((*ip).into()),
            RouteAttribute::PrefSource(address) => route.src = ip_of(address),
            RouteAttribute::Metrics(metrics) => {
                route.mtu = metrics.iter().find_map(|metric| match metric {
                    RouteMetric::Mtu(mtu) => Some(*mtu),
                    _ => None,
                });
            }
            _ => {}
        }
    }
    (route.index != 0).then_some(route)
}

fn table_route_of(message: &RouteMessage, to: IpAddr) -> Option<TableRoute> {
    let route = route_of(message)?;
    let prefix = message.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Destination(address) => ip_of(address),
        _ => None,
    });
    let any = match to {
        IpAddr::V4(_) => IpAddr::from([0; 4]),
        IpAddr::V6(_) => IpAddr::from([0; 16]),
    };
    let (index, gateway) = (route.index, route.gateway);
    let prefix_len = message.header.destination_prefix_length;
    Some(TableRoute { prefix: prefix.unwrap_or(any), prefix_len, index, gateway })
}

impl KernelRoutes {
    /// A socket for requests.
    ///
    /// # Errors
    /// The kernel refuses one.
    pub fn new() -> io::Result<KernelRoutes> {
        Ok(KernelRoutes { client: Client::new()? })
    }

    fn ask_neighbour(&mut self, index: u32, ip: IpAddr) -> io::Result<Option<NeighbourMessage>> {
        let request = RouteNetlinkMessage::GetNeighbour(neighbour_request(index, ip));
        match self.client.ask(request, 0, Until::First) {
            Ok(answer) => Ok(answer.messages.into_iter().find_map(|message| match message {
                RouteNetlinkMessage::NewNeighbour(message) => Some(message),
                _ => None,
            })),
            Err(error) => match Errno::from_io_error(&error) {
                Some(Errno::NOENT | Errno::NODEV) => Ok(None),
                _ => Err(error),
            },
        }
    }

    fn ask_route(
        &mut self,
        to: IpAddr,
        local: Option<IpAddr>,
        flags: RouteFlags,
    ) -> io::Result<Option<RouteMessage>> {
        let mut request = RouteMessage::default();
        request.header.address_family = family(to);
        request.header.destination_prefix_length = bits(to);
        request.header.flags = flags;
        request.attributes.push(RouteAttribute::Destination(to.into()));
        if let Some(local) = local {
            request.header.source_prefix_length = bits(local);
            request.attributes.push(RouteAttribute::Source(local.into()));
        }
        let answer = self.client.ask(RouteNetlinkMessage::GetRoute(request), 0, Until::First)?;
        Ok(answer.messages.into_iter().find_map(|message| match message {
            RouteNetlinkMessage::NewRoute(route) => Some(route),
            _ => None,
        }))
    }
}

/// What an error says of the way, if it speaks of that.
fn no_route(error: &io::Error) -> Option<NoRoute> {
    match Errno::from_io_error(error)? {
        Errno::NETUNREACH | Errno::HOSTUNREACH | Errno::NODEV | Errno::NETDOWN => {
            Some(NoRoute::Unreachable)
        }
        Errno::ACCESS => Some(NoRoute::Prohibited),
        Errno::INVAL => Some(NoRoute::NotOurs),
        _ => None,
    }
}

impl Routes for KernelRoutes {
    fn route(&mut self, to: IpAddr, local: Option<IpAddr>) -> io::Result<Result<Route, NoRoute>> {
        let message = match self.ask_route(to, local, RouteFlags::LookupTable) {
            Ok(message) => message,
            Err(error) => match no_route(&error) {
                // A route of type blackhole answers as a wrong source does.
                Some(NoRoute::NotOurs) if local.is_none() => return Ok(Err(NoRoute::Prohibited)),
                Some(why) => return Ok(Err(why)),
                None => return Err(error),
            },
        };
        let Some(message) = message else { return Ok(Err(NoRoute::Unreachable)) };
        Ok(match message.header.kind {
            // IPv6 answers with a route that leads nowhere.
            RouteType::Unreachable => Err(NoRoute::Unreachable),
            RouteType::BlackHole | RouteType::Prohibit => Err(NoRoute::Prohibited),
            _ => route_of(&message).ok_or(NoRoute::Unreachable),
        })
    }

    fn table_route(&mut self, to: IpAddr) -> io::Result<Option<TableRoute>> {
        let flags = RouteFlags::LookupTable | RouteFlags::FibMatch;
        match self.ask_route(to, None, flags) {
            Ok(message) => Ok(message.and_then(|message| table_route_of(&message, to))),
            Err(error) if no_route(&error).is_some() => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn addresses(&mut self) -> io::Result<Vec<HostAddress>> {
        let mut answer = Answer { messages: Vec::new(), is_torn: true };
        for _ in 0..N_DUMPS {
            if !answer.is_torn {
                break;
            }
            let request = RouteNetlinkMessage::GetAddress(AddressMessage::default());
            answer = self.client.ask(request, NLM_F_DUMP, Until::Done)?;
        }
        Ok(answer.messages.iter().filter_map(address_in).collect())
    }

    fn neighbour(&mut self, index: u32, ip: IpAddr) -> io::Result<Option<Neighbour>> {
        Ok(self.ask_neighbour(index, ip)?.as_ref().and_then(neighbour_of))
    }

    fn probe(&mut self, index: u32, ip: IpAddr) -> io::Result<()> {
        let mut request = neighbour_request(index, ip);
        request.header.flags = NeighbourFlags::Use;
        let request = RouteNetlinkMessage::NewNeighbour(request);
        self.client.ask(request, NLM_F_ACK | NLM_F_CREATE, Until::Done).map(drop)
    }

    fn teach(&mut self, index: u32, ip: IpAddr, mac: MacAddr) -> io::Result<()> {
        let known = self.ask_neighbour(index, ip)?;
        let is_set = |known: &NeighbourMessage| {
            matches!(known.header.state, NeighbourState::Permanent | NeighbourState::Noarp)
        };
        if known.as_ref().is_some_and(is_set) {
            return Ok(());
        }
        let mut request = neighbour_request(index, ip);
        request.header.state = NeighbourState::Reachable;
        request.attributes.push(NeighbourAttribute::LinkLayerAddress(mac.0.to_vec()));
        let flags = NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE;
        self.client.ask(RouteNetlinkMessage::NewNeighbour(request), flags, Until::Done).map(drop)
    }
}

fn neighbour_request(index: u32, ip: IpAddr) -> NeighbourMessage {
    let mut request = NeighbourMessage::default();
    request.header.family = family(ip);
    request.header.ifindex = index;
    let address = match ip {
        IpAddr::V4(ip) => NeighbourAddress::Inet(ip),
        IpAddr::V6(ip) => NeighbourAddress::Inet6(ip),
    };
    request.attributes.push(NeighbourAttribute::Destination(address));
    request
}

/// The address that a message tells of: where the two differ, the local one is this end's.
fn address_in(message: &RouteNetlinkMessage) -> Option<HostAddress> {
    let RouteNetlinkMessage::NewAddress(message) = message else { return None };
    let (mut local, mut address) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(ip) => local = Some(*ip),
            AddressAttribute::Address(ip) => address = Some(*ip),
            _ => {}
        }
    }
    Some(HostAddress { index: message.header.index, ip: local.or(address)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_is_on_every_host() {
        let mut routes = KernelRoutes::new().unwrap();
        let home: IpAddr = [127, 0, 0, 1].into();
        let route = routes.route(home, None).unwrap().unwrap();
        assert!(route.is_local);
        assert_eq!((route.index, route.src), (1, Some(home)));
        assert!(routes.addresses().unwrap().contains(&HostAddress { index: 1, ip: home }));
        let table = routes.table_route(home).unwrap().unwrap();
        assert_eq!((table.index, table.gateway), (1, None));
    }

    #[test]
    fn an_address_of_others_is_no_source() {
        let mut routes = KernelRoutes::new().unwrap();
        let others: IpAddr = [192, 0, 2, 77].into();
        let route = routes.route([127, 0, 0, 1].into(), Some(others)).unwrap();
        // Kernels differ in what they say of it.
        assert!(matches!(route, Err(NoRoute::NotOurs | NoRoute::Unreachable)), "{route:?}");
    }

    #[test]
    fn a_neighbour_that_does_not_answer_has_no_address() {
        let address = NeighbourAttribute::LinkLayerAddress(vec![2, 0, 0, 0, 0, 9]);
        let mut message = neighbour_request(7, [10, 0, 0, 2].into());
        message.attributes.push(address);
        for (state, is_known, is_stale) in [
            (NeighbourState::Reachable, true, false),
            (NeighbourState::Stale, true, true),
            (NeighbourState::Permanent, true, false),
            (NeighbourState::Probe, true, true),
            (NeighbourState::Incomplete, false, false),
            (NeighbourState::Failed, false, false),
        ] {
            message.header.state = state;
            let neighbour = neighbour_of(&message).unwrap();
            assert_eq!(neighbour.mac.is_some(), is_known, "{state:?}");
            assert_eq!((neighbour.index, neighbour.is_stale), (7, is_stale), "{state:?}");
        }
        let mut routes = KernelRoutes::new().unwrap();
        assert_eq!(routes.neighbour(1, [127, 0, 0, 99].into()).unwrap(), None);
    }
}
