//! Where a controller is, or may come from.
//!
//! # References
//! ovs-vswitchd.conf.db(5), table Controller, `target`; IANA: 6653 is OpenFlow's port.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// OpenFlow's port.
const PORT: u16 = 6653;

/// A target, read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Endpoint {
    /// `tcp:HOST[:PORT]`: the switch connects.
    Tcp {
        /// A name or an address.
        host: String,
        /// The port.
        port: u16,
    },
    /// `unix:PATH`: the switch connects.
    Unix(PathBuf),
    /// `ptcp:[PORT][:HOST]`: the switch listens.
    ListenTcp(SocketAddr),
    /// `punix:PATH`: the switch listens.
    ListenUnix(PathBuf),
}

/// Why a target cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadTarget {
    /// No kind that there is.
    #[error(
        "{0}: not a controller (allowed: tcp:HOST[:PORT], unix:PATH, ptcp:[PORT][:HOST], punix:PATH)"
    )]
    Kind(String),
    /// Not a port.
    #[error("{0}: not a port (allowed: 1 to 65535)")]
    Port(String),
    /// Not an address to listen at.
    #[error("{0}: not an address (allowed: IPv4, or IPv6 in brackets)")]
    Address(String),
}

impl Endpoint {
    /// Reads a target.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Endpoint, BadTarget> {
        let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
        match kind {
            "tcp" if !rest.is_empty() => {
                let (host, port) = split_host(rest);
                Ok(Endpoint::Tcp { host: host.to_owned(), port: port_of(port)? })
            }
            "unix" if !rest.is_empty() => Ok(Endpoint::Unix(rest.into())),
            "punix" if !rest.is_empty() => Ok(Endpoint::ListenUnix(rest.into())),
            "ptcp" => {
                let (port, host) = rest.split_once(':').unwrap_or((rest, ""));
                let bare = host.trim_start_matches('[').trim_end_matches(']');
                let address = match bare {
                    "" => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
                    bare => bare.parse().map_err(|_| BadTarget::Address(host.to_owned()))?,
                };
                Ok(Endpoint::ListenTcp(SocketAddr::new(address, port_of(port)?)))
            }
            _ => Err(BadTarget::Kind(text.to_owned())),
        }
    }
}

/// Host and port; an IPv6 address stands in brackets where a port follows.
fn split_host(text: &str) -> (&str, &str) {
    if let Some((host, rest)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (host, rest.trim_start_matches(':'));
    }
    match text.split_once(':') {
        // Several colons: an address without port.
        Some((_, rest)) if rest.contains(':') => (text, ""),
        Some(split) => split,
        None => (text, ""),
    }
}

fn port_of(text: &str) -> Result<u16, BadTarget> {
    match text {
        "" => Ok(PORT),
        text => match text.parse() {
            Ok(port) if port > 0 => Ok(port),
            _ => Err(BadTarget::Port(text.to_owned())),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, port: u16) -> Result<Endpoint, BadTarget> {
        Ok(Endpoint::Tcp { host: host.to_owned(), port })
    }

    #[test]
    fn targets_of_every_kind() {
        assert_eq!(Endpoint::parse("tcp:example.net"), tcp("example.net", 6653));
        assert_eq!(Endpoint::parse("tcp:10.0.0.1:6633"), tcp("10.0.0.1", 6633));
        assert_eq!(Endpoint::parse("tcp:[::1]:6633"), tcp("::1", 6633));
        assert_eq!(Endpoint::parse("tcp:[::1]"), tcp("::1", 6653));
        assert_eq!(Endpoint::parse("tcp:fe80::1"), tcp("fe80::1", 6653));
        assert_eq!(Endpoint::parse("unix:/run/c"), Ok(Endpoint::Unix("/run/c".into())));
        assert_eq!(Endpoint::parse("punix:/run/c"), Ok(Endpoint::ListenUnix("/run/c".into())));
        for (text, address) in [
            ("ptcp:", "0.0.0.0:6653"),
            ("ptcp:6633", "0.0.0.0:6633"),
            ("ptcp:6633:127.0.0.1", "127.0.0.1:6633"),
            ("ptcp::[::1]", "[::1]:6653"),
        ] {
            let address = address.parse().unwrap();
            assert_eq!(Endpoint::parse(text), Ok(Endpoint::ListenTcp(address)), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for text in ["", "tcp:", "unix:", "ssl:10.0.0.1", "10.0.0.1"] {
            assert_eq!(Endpoint::parse(text), Err(BadTarget::Kind(text.to_owned())));
        }
        let port = |text: &str| Err(BadTarget::Port(text.to_owned()));
        assert_eq!(Endpoint::parse("tcp:a:0"), port("0"));
        assert_eq!(Endpoint::parse("ptcp:65536"), port("65536"));
        let address = Err(BadTarget::Address("nowhere".to_owned()));
        assert_eq!(Endpoint::parse("ptcp:1:nowhere"), address);
    }
}
