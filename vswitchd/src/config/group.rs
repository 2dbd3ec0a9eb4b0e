//! `group`: one key that says two things, by the type of the port.
//!
//! # Design
//! A TAP's group is that of the users who may open it, a tunnel's the multicast group of its segment.
//! What is written tells which: an address is no name and no number of a group of users.

use std::net::IpAddr;

use super::account::Account;
use super::error::{ConfigError, ObjectRef};
use super::model::{PortSettings, PortType};
use super::value::{Refused, Value};

/// A group of one kind or the other.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Group {
    /// Those who may open a TAP.
    Users(Account),
    /// The hosts that listen to a multicast address.
    Hosts(IpAddr),
}

impl Group {
    /// The group of users.
    #[must_use]
    pub fn users(&self) -> Option<&Account> {
        match self {
            Group::Users(users) => Some(users),
            Group::Hosts(_) => None,
        }
    }

    /// The multicast address.
    #[must_use]
    pub fn hosts(&self) -> Option<IpAddr> {
        match self {
            Group::Users(_) => None,
            Group::Hosts(address) => Some(*address),
        }
    }
}

impl Value for Group {
    fn allowed() -> String {
        "of a TAP a name or a number, of a tunnel an IPv4 or IPv6 multicast address".to_owned()
    }

    fn parse(text: &str) -> Result<Self, Refused> {
        match text.parse::<IpAddr>() {
            Ok(ip) if ip.is_multicast() => Ok(Group::Hosts(ip)),
            Ok(_) => Err(Refused::new("not a multicast address", Self::allowed())),
            Err(_) => Account::parse(text).map(Group::Users),
        }
    }

    fn text(&self) -> String {
        match self {
            Group::Users(users) => users.text(),
            Group::Hosts(address) => address.to_string(),
        }
    }
}

/// Whether a port's group is of the kind that its type wants.
///
/// # Errors
/// It is of the other.
pub(super) fn check_group(object: &ObjectRef, settings: &PortSettings) -> Result<(), ConfigError> {
    let Some(group) = &settings.group else { return Ok(()) };
    let (fits, allowed) = match settings.port_type() {
        PortType::Tap => (group.users().is_some(), "a name or a number"),
        _ => (group.hosts().is_some(), "an IPv4 or IPv6 multicast address"),
    };
    if fits {
        return Ok(());
    }
    let why = format!(
        "group={} of a port of type {} (allowed: {allowed})",
        group.text(),
        settings.port_type().word()
    );
    Err(ConfigError::conflict(object.clone(), why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_tells_which_group_it_is() {
        assert!(matches!(Group::parse("239.1.1.1"), Ok(Group::Hosts(ip)) if ip.is_ipv4()));
        assert!(matches!(Group::parse("ff05::1"), Ok(Group::Hosts(ip)) if ip.is_ipv6()));
        for text in ["kvm", "100", "a.b"] {
            assert!(matches!(Group::parse(text), Ok(Group::Users(_))), "{text}");
        }
        assert!(Group::parse("192.0.2.1").is_err());
    }

    #[test]
    fn the_type_of_the_port_says_which_it_wants() {
        let check = |kind, group| {
            let group = Some(Group::parse(group).unwrap());
            let settings = PortSettings { kind: Some(kind), group, ..PortSettings::default() };
            check_group(&ObjectRef::Port("t".into()), &settings).map_err(|error| error.to_string())
        };
        assert_eq!(check(PortType::Tap, "kvm"), Ok(()));
        assert_eq!(check(PortType::Vxlan, "239.1.1.1"), Ok(()));
        assert_eq!(
            check(PortType::Tap, "239.1.1.1").unwrap_err(),
            "port t: group=239.1.1.1 of a port of type tap (allowed: a name or a number)"
        );
        assert_eq!(
            check(PortType::Geneve, "kvm").unwrap_err(),
            "port t: group=kvm of a port of type geneve (allowed: an IPv4 or IPv6 multicast address)"
        );
    }
}
