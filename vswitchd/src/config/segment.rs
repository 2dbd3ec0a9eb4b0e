//! Segments: keys of tunnel ports that learn their remote hosts.
//!
//! # Design
//! A tunnel port whose remote host is the flow's becomes the port of a segment when it says where to send
//! what is for all: `flood_remotes`, `group`, or both. See [`datapath::tunnel::Segment`]. The names are
//! ours: Open vSwitch leaves learning to a controller.

use std::collections::BTreeSet;
use std::net::IpAddr;

use datapath::tunnel::Key;
use serde_json::Value as Json;

use super::error::{ConfigError, ObjectRef};
use super::group::Group;
use super::model::PortSettings;
use super::tunnel::{OrFlow, tunnel_of};
use super::value::{Refused, Value};

/// Remote hosts, each once, in the order of addresses; never empty.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RemoteList(BTreeSet<IpAddr>);

impl Value for RemoteList {
    fn allowed() -> String {
        "IPv4 or IPv6 unicast addresses, as in 192.0.2.2,192.0.2.3".into()
    }

    fn parse(text: &str) -> Result<Self, Refused> {
        let host = |part: &str| match OrFlow::<IpAddr>::parse(part) {
            Ok(OrFlow::Is(ip)) => Ok(ip),
            Ok(OrFlow::Flow) => Err(Refused::new("flow is no address", Self::allowed())),
            Err(refused) => {
                Err(Refused::new(format!("\"{part}\": {}", refused.why), Self::allowed()))
            }
        };
        Ok(RemoteList(text.split(',').map(host).collect::<Result<_, _>>()?))
    }

    fn text(&self) -> String {
        let hosts: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        hosts.join(",")
    }

    fn json(&self) -> Json {
        self.0.iter().map(ToString::to_string).collect()
    }
}

/// A segment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SegmentConfig {
    /// To whom goes what is for all.
    pub hosts: BTreeSet<IpAddr>,
    /// The virtual network of what is received.
    pub id: u64,
}

/// The segment that a port is the port of, if it is one.
#[must_use]
pub fn segment_of(settings: &PortSettings) -> Option<SegmentConfig> {
    let is_flow = settings.remote_ip == Some(OrFlow::Flow);
    let id = match tunnel_of(settings).filter(|_| is_flow)?.in_key {
        Key::None => 0,
        Key::Is(id) => id,
        Key::Flow => return None,
    };
    let named = settings.flood_remotes.iter().flat_map(|list| &list.0).copied();
    let hosts: BTreeSet<IpAddr> = named.chain(multicast(settings)).collect();
    (!hosts.is_empty()).then_some(SegmentConfig { hosts, id })
}

fn multicast(settings: &PortSettings) -> Option<IpAddr> {
    settings.group.as_ref().and_then(Group::hosts)
}

/// Whether a port's keys about its segment fit the others.
///
/// # Errors
/// They do not.
pub(super) fn check_segment(
    object: &ObjectRef,
    settings: &PortSettings,
) -> Result<(), ConfigError> {
    let (key, hosts) = match (&settings.flood_remotes, multicast(settings)) {
        (Some(list), None) => ("flood_remotes", list.0.clone()),
        (None, Some(group)) => ("group", BTreeSet::from([group])),
        (Some(list), Some(group)) => {
            ("flood_remotes and group", list.0.iter().copied().chain([group]).collect())
        }
        (None, None) => return Ok(()),
    };
    let conflict = |why: String| Err(ConfigError::conflict(object.clone(), why));
    if settings.remote_ip != Some(OrFlow::Flow) {
        return conflict(format!("{key} with a fixed remote_ip (allowed: remote_ip=flow)"));
    }
    let keys = [settings.key, settings.in_key, settings.out_key];
    if keys.contains(&Some(OrFlow::Flow)) {
        let why = format!("{key} with key=flow (allowed: a key, and a port for each key)");
        return conflict(why);
    }
    if let (Some(_), Some(_)) = (&settings.group, settings.local_ip) {
        let why = "group with local_ip (allowed: the address that the route to the group gives)";
        return conflict(why.into());
    }
    let of_v4 = hosts.iter().filter(|host| host.is_ipv4()).count();
    let is_mixed = of_v4 != 0 && of_v4 != hosts.len();
    let other_version = matches!(settings.local_ip, Some(OrFlow::Is(local)) if
        hosts.iter().any(|host| host.is_ipv4() != local.is_ipv4()));
    if is_mixed || other_version {
        let why = format!("{key}: addresses of both IP versions (allowed: those of one)");
        return conflict(why);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::keys::assign;
    use super::super::tunnel::check_tunnel;
    use super::*;

    fn settings(pairs: &str) -> Result<PortSettings, String> {
        let object = ObjectRef::Port("t".into());
        let mut settings = PortSettings::default();
        for pair in pairs.split_whitespace() {
            let (key, value) = pair.split_once('=').unwrap();
            let pair = (key.to_owned(), value.to_owned());
            assign(&object, &mut settings, &pair).map_err(|error| error.to_string())?;
        }
        check_tunnel(&object, &settings).map_err(|error| error.to_string())?;
        Ok(settings)
    }

    #[test]
    fn a_port_that_floods_is_the_port_of_a_segment() {
        let of = |pairs| segment_of(&settings(pairs).unwrap());
        assert_eq!(of("type=vxlan remote_ip=flow key=7"), None);
        assert_eq!(of("type=vxlan remote_ip=192.0.2.2 key=7"), None);
        let pairs = "type=vxlan remote_ip=flow key=7 flood_remotes=192.0.2.3,192.0.2.2,192.0.2.3";
        let hosts = |hosts: &[&str]| hosts.iter().map(|host| host.parse().unwrap()).collect();
        let both = hosts(&["192.0.2.2", "192.0.2.3"]);
        assert_eq!(of(pairs), Some(SegmentConfig { hosts: both, id: 7 }));
        assert_eq!(settings(pairs).unwrap().flood_remotes.unwrap().text(), "192.0.2.2,192.0.2.3");
        let group = hosts(&["239.1.1.1"]);
        let of_group = of("type=geneve remote_ip=flow group=239.1.1.1");
        assert_eq!(of_group, Some(SegmentConfig { hosts: group, id: 0 }));
    }

    #[test]
    fn what_fits_no_segment_is_refused() {
        for (pairs, why) in [
            (
                "type=vxlan remote_ip=192.0.2.2 flood_remotes=192.0.2.3",
                "port t: flood_remotes with a fixed remote_ip (allowed: remote_ip=flow)",
            ),
            (
                "type=vxlan remote_ip=flow key=flow group=239.1.1.1",
                "port t: group with key=flow (allowed: a key, and a port for each key)",
            ),
            (
                "type=vxlan remote_ip=flow group=239.1.1.1 local_ip=192.0.2.1",
                "port t: group with local_ip (allowed: the address that the route to the group gives)",
            ),
            (
                "type=vxlan remote_ip=flow flood_remotes=192.0.2.3,fc00::1",
                "port t: flood_remotes: addresses of both IP versions (allowed: those of one)",
            ),
            (
                "group=192.0.2.3",
                "port t: group=192.0.2.3: not a multicast address (allowed: of a TAP a name or a \
                 number, of a tunnel an IPv4 or IPv6 multicast address)",
            ),
            (
                "flood_remotes=192.0.2.3,239.1.1.1",
                "port t: flood_remotes=192.0.2.3,239.1.1.1: \"239.1.1.1\": a multicast address \
                 (allowed: IPv4 or IPv6 unicast addresses, as in 192.0.2.2,192.0.2.3)",
            ),
        ] {
            assert_eq!(settings(pairs).unwrap_err(), why, "{pairs}");
        }
    }
}
