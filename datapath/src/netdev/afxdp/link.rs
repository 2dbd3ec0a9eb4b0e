//! What the kernel tells of an interface: one rtnetlink question, answered in the caller's network
//! namespace (which sysfs would not be).
//!
//! # References
//! rtnetlink(7), linux/if_link.h.

use std::io;
use std::os::fd::AsFd;

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use super::sys;

const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const NLMSG_ERROR: u16 = 2;
const NLM_F_REQUEST: u16 = 1;
/// Bytes of `struct nlmsghdr` and of `struct ifinfomsg`.
const HEADER_LEN: usize = 16;

const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_EXT_MASK: u16 = 29;
const IFLA_XDP: u16 = 43;
const IFLA_XDP_PROG_ID: u16 = 4;
const IFLA_PARENT_DEV_NAME: u16 = 56;
/// `RTEXT_FILTER_SKIP_STATS`.
const SKIP_STATS: u32 = 1 << 3;

/// An interface.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Link {
    pub ifindex: u32,
    /// `ARPHRD_…`.
    pub link_type: u16,
    pub mtu: u32,
    /// `veth`, `tun`, `macvlan` …; empty for hardware.
    pub kind: String,
    /// Whether it is a piece of hardware, real or emulated.
    pub is_hardware: bool,
    /// The XDP program that is attached.
    pub program_id: Option<u32>,
}

/// The interface of that name.
pub(super) fn query(name: &str) -> io::Result<Link> {
    let netlink = AddressFamily::NETLINK;
    let socket = rustix::net::socket_with(netlink, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    rustix::net::send(&socket, &request(name), SendFlags::empty())?;
    let mut answer = vec![0; 64 * 1024];
    let (n, _) = rustix::net::recv(&socket, &mut answer[..], RecvFlags::empty())?;
    parse(&answer[..n])
}

/// How fast an interface is, and what it could be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LinkMode {
    /// Mbit/s.
    pub mbps: u32,
    /// Whether both sides send at once.
    pub is_full_duplex: bool,
    /// `PORT_TP`, `PORT_FIBRE` ….
    pub port: u8,
    /// Whether the speed is negotiated.
    pub is_negotiated: bool,
    /// What the device can do: bits of `SUPPORTED_…`.
    pub supported: u32,
    /// What it offers: bits of `ADVERTISED_…`.
    pub advertised: u32,
}

/// How fast an interface is, as its driver tells (`ETHTOOL_GSET`).
///
/// # Errors
/// There is none of that name, or its driver does not tell.
pub fn link_mode(name: &str) -> io::Result<LinkMode> {
    let inet = AddressFamily::INET;
    let socket = rustix::net::socket_with(inet, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    let mode = sys::link_mode(socket.as_fd(), name)?;
    Ok(LinkMode {
        mbps: u32::from(mode.speed_hi) << 16 | u32::from(mode.speed),
        is_full_duplex: mode.duplex == 1,
        port: mode.port,
        is_negotiated: mode.autoneg == 1,
        supported: mode.supported,
        advertised: mode.advertising,
    })
}

fn request(name: &str) -> Vec<u8> {
    let mut body = vec![0; HEADER_LEN];
    put_attribute(&mut body, IFLA_EXT_MASK, &SKIP_STATS.to_ne_bytes());
    put_attribute(&mut body, IFLA_IFNAME, &[name.as_bytes(), &[0]].concat());
    let len = u32::try_from(HEADER_LEN + body.len()).unwrap_or(u32::MAX);
    let mut message = len.to_ne_bytes().to_vec();
    message.extend(RTM_GETLINK.to_ne_bytes());
    message.extend(NLM_F_REQUEST.to_ne_bytes());
    message.extend([0; 8]); // sequence and port numbers
    message.extend(body);
    message
}

fn put_attribute(to: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let len = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
    to.extend(len.to_ne_bytes());
    to.extend(kind.to_ne_bytes());
    to.extend(value);
    to.resize(to.len().next_multiple_of(4), 0);
}

fn parse(message: &[u8]) -> io::Result<Link> {
    let malformed = || io::Error::from(io::ErrorKind::InvalidData);
    let (header, body) = message.split_at_checked(HEADER_LEN).ok_or_else(malformed)?;
    match u16::from_ne_bytes([header[4], header[5]]) {
        RTM_NEWLINK => {}
        NLMSG_ERROR => {
            let errno = number(body).ok_or_else(malformed)?.cast_signed();
            return Err(io::Error::from_raw_os_error(errno.saturating_neg()));
        }
        _ => return Err(malformed()),
    }
    let (info, rest) = body.split_at_checked(HEADER_LEN).ok_or_else(malformed)?;
    let mut link = Link {
        link_type: u16::from_ne_bytes([info[2], info[3]]),
        ifindex: number(&info[4..]).ok_or_else(malformed)?,
        ..Link::default()
    };
    for (kind, value) in attributes(rest) {
        match kind {
            IFLA_MTU => link.mtu = number(value).unwrap_or(0),
            IFLA_PARENT_DEV_NAME => link.is_hardware = true,
            IFLA_LINKINFO => {
                let kind = attributes(value).find(|(kind, _)| *kind == IFLA_INFO_KIND);
                link.kind = kind.map(|(_, text)| words(text)).unwrap_or_default();
            }
            IFLA_XDP => {
                let id = attributes(value).find(|(kind, _)| *kind == IFLA_XDP_PROG_ID);
                link.program_id = id.and_then(|(_, id)| number(id));
            }
            _ => {}
        }
    }
    Ok(link)
}

/// The attributes one after the other; nothing more after one that is cut short.
fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let header = bytes.first_chunk::<4>()?;
        let len = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        // The two highest bits are flags.
        let kind = u16::from_ne_bytes([header[2], header[3]]) & 0x3fff;
        let value = bytes.get(4..len)?;
        bytes = bytes.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

fn number(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.first_chunk()?))
}

fn words(bytes: &[u8]) -> String {
    let text: Vec<u8> = bytes.iter().copied().take_while(|byte| *byte != 0).collect();
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_is_known_and_others_are_missing() {
        let lo = query("lo").unwrap();
        assert_eq!((lo.link_type, lo.is_hardware, lo.program_id), (772, false, None));
        assert!(lo.ifindex > 0 && lo.mtu > 0);
        assert_eq!(query("nosuch0").unwrap_err().raw_os_error(), Some(libc::ENODEV));
    }

    #[test]
    fn messages_cut_short_do_no_harm() {
        let mut whole = request("veth0");
        whole[4..6].copy_from_slice(&RTM_NEWLINK.to_ne_bytes());
        put_attribute(&mut whole, IFLA_MTU, &9000_u32.to_ne_bytes());
        let mut xdp = Vec::new();
        put_attribute(&mut xdp, IFLA_XDP_PROG_ID, &77_u32.to_ne_bytes());
        put_attribute(&mut whole, IFLA_XDP, &xdp);
        let link = parse(&whole).unwrap();
        assert_eq!((link.mtu, link.program_id), (9000, Some(77)));
        for n in 0..whole.len() {
            let _ = parse(&whole[..n]);
        }
    }
}
