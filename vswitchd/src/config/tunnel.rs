//! Tunnel ports: values of their keys, the rules that they keep, and what the datapath is told.
//!
//! # Design
//! Keys and values are those of Open vSwitch. What a packet must say to belong to a port is told apart
//! by protocol, UDP port, the two addresses and the key received; two ports that agree in all of these
//! are refused, since only one could ever receive.
//!
//! # References
//! ovs-vswitchd.conf.db(5), "Tunnel Options".

use std::collections::BTreeMap;
use std::net::IpAddr;

use datapath::tunnel::{Address, Byte, Key, Switch, TunnelConfig, TunnelKind};
use serde_json::Value as Json;

use super::error::{ConfigError, ObjectRef};
use super::model::{Config, PortSettings, PortType};
use super::segment::check_segment;
use super::value::{Refused, Value, words};

/// Time to live of outer packets, where nothing is set (`DEFAULT_TTL` of Open vSwitch).
const DEFAULT_TTL: u8 = 64;
/// Bits of the type of service that are not DSCP.
const ECN_BITS: u8 = 3;

/// What a flow may decide.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OrFlow<T> {
    /// This, always.
    Is(T),
    /// What the flow sets.
    Flow,
}

/// The word for what flows decide.
const FLOW: &str = "flow";

impl Value for OrFlow<IpAddr> {
    fn allowed() -> String {
        "an IPv4 or IPv6 unicast address, or flow".into()
    }

    fn parse(text: &str) -> Result<Self, Refused> {
        if text == FLOW {
            return Ok(OrFlow::Flow);
        }
        let refused = |why| Err(Refused::new(why, Self::allowed()));
        match text.parse::<IpAddr>() {
            Err(_) => refused("not an address"),
            Ok(ip) if ip.is_multicast() => refused("a multicast address"),
            Ok(ip) if ip.is_unspecified() => refused("nobody's address"),
            Ok(IpAddr::V4(ip)) if ip.is_broadcast() => refused("the broadcast address"),
            Ok(IpAddr::V6(ip)) if ip.to_ipv4_mapped().is_some() => {
                refused("an IPv4 address in the clothes of IPv6")
            }
            Ok(IpAddr::V6(ip)) if ip.is_unicast_link_local() => {
                refused("a link-local address, which names no host without an interface")
            }
            Ok(ip) => Ok(OrFlow::Is(ip)),
        }
    }

    fn text(&self) -> String {
        match self {
            OrFlow::Is(ip) => ip.to_string(),
            OrFlow::Flow => FLOW.to_owned(),
        }
    }
}

/// A number, in decimal or, behind `0x`, hexadecimal digits.
fn parse_number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) if !digits.starts_with('+') => u64::from_str_radix(digits, 16).ok(),
        None if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok(),
        _ => None,
    }
}

impl Value for OrFlow<u32> {
    fn allowed() -> String {
        "0-16777215 (vxlan, geneve), 0-4294967295 (gre), flow".into()
    }

    fn parse(text: &str) -> Result<Self, Refused> {
        if text == FLOW {
            return Ok(OrFlow::Flow);
        }
        let number = parse_number(text)
            .ok_or_else(|| Refused::new("neither a whole number nor flow", Self::allowed()))?;
        let key = u32::try_from(number).map_err(|_| Refused::new("out of range", Self::allowed()));
        key.map(OrFlow::Is)
    }

    fn text(&self) -> String {
        match self {
            OrFlow::Is(key) => key.to_string(),
            OrFlow::Flow => FLOW.to_owned(),
        }
    }

    fn json(&self) -> Json {
        match self {
            OrFlow::Is(key) => (*key).into(),
            OrFlow::Flow => FLOW.into(),
        }
    }
}

/// The word for what the inner packet decides.
const INHERIT: &str = "inherit";

/// The type of service of outer packets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tos(Byte);

/// The time to live of outer packets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ttl(Byte);

fn parse_byte(text: &str, refused: impl Fn(&str) -> Refused) -> Result<Byte, Refused> {
    if text == INHERIT {
        return Ok(Byte::Inherit);
    }
    let number = parse_number(text).ok_or_else(|| refused("neither a number nor inherit"))?;
    u8::try_from(number).map(Byte::Is).map_err(|_| refused("out of range"))
}

fn byte_text(byte: Byte) -> String {
    match byte {
        Byte::Is(byte) => byte.to_string(),
        Byte::Inherit => INHERIT.to_owned(),
    }
}

impl Value for Tos {
    fn allowed() -> String {
        "a multiple of 4 up to 252, inherit".into()
    }

    fn parse(text: &str) -> Result<Self, Refused> {
        let refused = |why: &str| Refused::new(why, Self::allowed());
        match parse_byte(text, refused)? {
            Byte::Is(tos) if tos & ECN_BITS != 0 => {
                Err(refused("the two low bits are for congestion, not to be set"))
            }
            byte => Ok(Tos(byte)),
        }
    }

    fn text(&self) -> String {
        byte_text(self.0)
    }
}

impl Value for Ttl {
    fn allowed() -> String {
        "1-255, inherit".into()
    }

    fn parse(text: &str) -> Result<Self, Refused> {
        let refused = |why: &str| Refused::new(why, Self::allowed());
        match parse_byte(text, refused)? {
            Byte::Is(0) => Err(refused("out of range")),
            byte => Ok(Ttl(byte)),
        }
    }

    fn text(&self) -> String {
        byte_text(self.0)
    }
}

words! {
    /// Extensions of VXLAN.
    ExtsName, "extension" {
        /// Group policy: a group in each packet.
        Gbp = "gbp",
    } later ["gpe"] hidden []
}

impl PortType {
    /// The protocol of a tunnel port.
    #[must_use]
    pub const fn tunnel_kind(self) -> Option<TunnelKind> {
        match self {
            PortType::Vxlan => Some(TunnelKind::Vxlan),
            PortType::Gre => Some(TunnelKind::Gre),
            PortType::Geneve => Some(TunnelKind::Geneve),
            _ => None,
        }
    }
}

fn address(value: Option<OrFlow<IpAddr>>) -> Address {
    match value {
        None => Address::Any,
        Some(OrFlow::Is(ip)) => Address::Is(ip),
        Some(OrFlow::Flow) => Address::Flow,
    }
}

fn key(value: Option<OrFlow<u32>>) -> Key {
    match value {
        None => Key::None,
        Some(OrFlow::Is(key)) => Key::Is(key.into()),
        Some(OrFlow::Flow) => Key::Flow,
    }
}

const fn switch(on: bool) -> Switch {
    if on { Switch::On } else { Switch::Off }
}

/// What the datapath is told of a tunnel port; `None` of others.
#[must_use]
pub fn tunnel_of(settings: &PortSettings) -> Option<TunnelConfig> {
    let kind = settings.port_type().tunnel_kind()?;
    let port = settings.dst_port.and_then(|port| u16::try_from(port.get()).ok());
    let default_port = kind.default_port();
    Some(TunnelConfig {
        kind,
        dst_port: default_port.map_or(0, |default| port.unwrap_or(default)),
        remote: address(settings.remote_ip),
        local: address(settings.local_ip),
        in_key: key(settings.in_key.or(settings.key)),
        out_key: key(settings.out_key.or(settings.key)),
        tos: settings.tos.map_or(Byte::Is(0), |tos| tos.0),
        ttl: settings.ttl.map_or(Byte::Is(DEFAULT_TTL), |ttl| ttl.0),
        df: switch(settings.df_default.unwrap_or(true)),
        csum: switch(settings.csum.unwrap_or(false)),
        seq: switch(settings.seq.unwrap_or(false)),
        gbp: switch(settings.exts == Some(ExtsName::Gbp)),
    })
}

/// Whether a port's keys fit each other, taken alone.
///
/// # Errors
/// They do not.
pub fn check_tunnel(object: &ObjectRef, settings: &PortSettings) -> Result<(), ConfigError> {
    let Some(kind) = settings.port_type().tunnel_kind() else { return Ok(()) };
    let word = settings.port_type().word();
    if settings.remote_ip.is_none() {
        let why = format!("type={word} needs remote_ip=ADDRESS or remote_ip=flow");
        return Err(ConfigError::conflict(object.clone(), why));
    }
    check_segment(object, settings)?;
    let keys = [("key", settings.key), ("in_key", settings.in_key), ("out_key", settings.out_key)];
    for (name, value) in keys {
        let Some(OrFlow::Is(key)) = value else { continue };
        if u64::from(key) > kind.max_key() {
            return Err(ConfigError::Value {
                object: object.clone(),
                key: name,
                value: key.to_string(),
                why: format!("out of range for type={word}"),
                allowed: format!("0-{}, flow", kind.max_key()),
            });
        }
    }
    if let (Some(OrFlow::Is(remote)), Some(OrFlow::Is(local))) =
        (settings.remote_ip, settings.local_ip)
    {
        let why = if remote.is_ipv4() != local.is_ipv4() {
            "not of the same IP version as remote_ip"
        } else if remote == local {
            "the same as remote_ip"
        } else {
            return Ok(());
        };
        let version = if remote.is_ipv4() { "IPv4" } else { "IPv6" };
        return Err(ConfigError::Value {
            object: object.clone(),
            key: "local_ip",
            value: local.to_string(),
            why: why.into(),
            allowed: format!("an {version} address of this host other than {remote}, or flow"),
        });
    }
    Ok(())
}

/// What tells the packets of one tunnel port from those of the others.
type Identity = (PortType, u16, Option<OrdAddress>, Option<OrdAddress>, OrdKey);

/// An address with an order; `None` is the flow's.
type OrdAddress = Option<IpAddr>;
/// A key with an order: 0 and no key are received alike, `None` is the flow's.
type OrdKey = Option<u64>;

fn identity(settings: &PortSettings) -> Option<Identity> {
    let config = tunnel_of(settings)?;
    let address = |address| match address {
        Address::Any => None,
        Address::Is(ip) => Some(Some(ip)),
        Address::Flow => Some(None),
    };
    let in_key = match config.in_key {
        Key::None => Some(0),
        Key::Is(key) => Some(key),
        Key::Flow => None,
    };
    // Whether the address is anybody's or the flow's makes no difference on receipt.
    let local = address(config.local).flatten().map(Some);
    let port_type = settings.port_type();
    Some((port_type, config.dst_port, address(config.remote), local, in_key))
}

/// Whether no two tunnel ports receive the same packets.
///
/// # Errors
/// The first that does what another does already, in the order of names.
pub fn check_tunnels(config: &Config) -> Result<(), ConfigError> {
    let mut seen: BTreeMap<Identity, &str> = BTreeMap::new();
    let ports = config.bridges.values().flat_map(|bridge| &bridge.ports);
    for (name, port) in ports {
        let Some(identity) = identity(&port.settings) else { continue };
        if let Some(other) = seen.insert(identity, name) {
            let why = format!(
                "port {other} has the same type, remote_ip, local_ip, key and dst_port \
                 (allowed: another key, or another of these)"
            );
            return Err(ConfigError::conflict(ObjectRef::Port(name.clone()), why));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::keys::assign;
    use super::super::model::{Bridge, Port};
    use super::*;

    fn settings(pairs: &str) -> Result<PortSettings, ConfigError> {
        let object = ObjectRef::Port("t".into());
        let mut settings = PortSettings::default();
        for pair in pairs.split_whitespace() {
            let (key, value) = pair.split_once('=').unwrap();
            assign(&object, &mut settings, &(key.to_owned(), value.to_owned()))?;
        }
        check_tunnel(&object, &settings)?;
        Ok(settings)
    }

    fn refusal(pairs: &str) -> String {
        settings(pairs).unwrap_err().to_string()
    }

    #[test]
    fn what_open_vswitch_users_type() {
        let config = tunnel_of(&settings("type=vxlan remote_ip=10.0.0.2 key=7").unwrap()).unwrap();
        let remote = Address::Is("10.0.0.2".parse().unwrap());
        assert_eq!(
            (config.kind, config.dst_port, config.remote),
            (TunnelKind::Vxlan, 4789, remote)
        );
        assert_eq!((config.in_key, config.out_key), (Key::Is(7), Key::Is(7)));
        assert_eq!((config.tos, config.ttl, config.df), (Byte::Is(0), Byte::Is(64), Switch::On));
        let pairs = "type=gre remote_ip=flow local_ip=flow key=flow out_key=0xffffffff tos=inherit \
                     ttl=inherit df_default=false csum=true seq=true";
        let config = tunnel_of(&settings(pairs).unwrap()).unwrap();
        assert_eq!((config.remote, config.local), (Address::Flow, Address::Flow));
        assert_eq!((config.in_key, config.out_key), (Key::Flow, Key::Is(0xffff_ffff)));
        assert_eq!(
            (config.tos, config.ttl, config.df),
            (Byte::Inherit, Byte::Inherit, Switch::Off)
        );
        assert_eq!((config.dst_port, config.csum, config.seq), (0, Switch::On, Switch::On));
        let pairs = "type=vxlan remote_ip=2001:db8::1 exts=gbp dst_port=8472 tos=0x28 ttl=9";
        let config = tunnel_of(&settings(pairs).unwrap()).unwrap();
        assert_eq!((config.gbp, config.dst_port, config.tos), (Switch::On, 8472, Byte::Is(0x28)));
        assert_eq!((config.in_key, config.local), (Key::None, Address::Any));
        assert!(tunnel_of(&PortSettings::default()).is_none());
    }

    #[test]
    fn what_is_refused_says_what_is_allowed() {
        let address = "(allowed: an IPv4 or IPv6 unicast address, or flow)";
        for (pairs, why) in [
            ("type=vxlan", "port t: type=vxlan needs remote_ip=ADDRESS or remote_ip=flow".into()),
            (
                "type=vxlan remote_ip=far.example",
                format!("port t: remote_ip=far.example: not an address {address}"),
            ),
            (
                "type=vxlan remote_ip=239.1.1.1",
                format!("port t: remote_ip=239.1.1.1: a multicast address {address}"),
            ),
            (
                "type=vxlan remote_ip=10.0.0.2 key=16777216",
                "port t: key=16777216: out of range for type=vxlan (allowed: 0-16777215, flow)"
                    .into(),
            ),
            (
                "type=geneve remote_ip=10.0.0.2 in_key=16777216",
                "port t: in_key=16777216: out of range for type=geneve (allowed: 0-16777215, flow)"
                    .into(),
            ),
            (
                "type=gre remote_ip=10.0.0.2 key=4294967296",
                "port t: key=4294967296: out of range (allowed: 0-16777215 (vxlan, geneve), \
                 0-4294967295 (gre), flow)"
                    .into(),
            ),
            (
                "type=gre remote_ip=10.0.0.2 local_ip=2001:db8::1",
                "port t: local_ip=2001:db8::1: not of the same IP version as remote_ip (allowed: an \
                 IPv4 address of this host other than 10.0.0.2, or flow)"
                    .into(),
            ),
            (
                "type=gre remote_ip=10.0.0.2 local_ip=10.0.0.2",
                "port t: local_ip=10.0.0.2: the same as remote_ip (allowed: an IPv4 address of this \
                 host other than 10.0.0.2, or flow)"
                    .into(),
            ),
            (
                "tos=5",
                "port t: tos=5: the two low bits are for congestion, not to be set (allowed: a \
                 multiple of 4 up to 252, inherit)"
                    .into(),
            ),
            ("ttl=0", "port t: ttl=0: out of range (allowed: 1-255, inherit)".into()),
            ("key=0x+1", "port t: key=0x+1: neither a whole number nor flow (allowed: 0-16777215 \
                 (vxlan, geneve), 0-4294967295 (gre), flow)".into()),
        ] {
            assert_eq!(refusal(pairs), why, "{pairs}");
        }
    }

    #[test]
    fn no_two_ports_receive_the_same() {
        let config = |ports: &[&str]| {
            let mut config = Config::default();
            let mut bridge = Bridge::new("br0");
            for (i, pairs) in ports.iter().enumerate() {
                let settings = settings(pairs).unwrap();
                bridge.ports.insert(format!("t{i}"), Port { ofport: None, settings });
            }
            config.bridges.insert("br0".into(), bridge);
            check_tunnels(&config)
        };
        let base = "type=vxlan remote_ip=10.0.0.2";
        for other in [
            "type=vxlan remote_ip=10.0.0.3",
            "type=vxlan remote_ip=10.0.0.2 key=1",
            "type=vxlan remote_ip=10.0.0.2 key=flow",
            "type=vxlan remote_ip=10.0.0.2 dst_port=8472",
            "type=vxlan remote_ip=10.0.0.2 local_ip=10.0.0.1",
            "type=geneve remote_ip=10.0.0.2",
            "type=gre remote_ip=10.0.0.2",
            "type=vxlan remote_ip=flow",
        ] {
            assert_eq!(config(&[base, other]), Ok(()), "{other}");
        }
        for other in [
            base,
            "type=vxlan remote_ip=10.0.0.2 key=0",
            "type=vxlan remote_ip=10.0.0.2 dst_port=4789 out_key=9",
            "type=vxlan remote_ip=10.0.0.2 local_ip=flow",
        ] {
            let error = config(&[base, other]).unwrap_err().to_string();
            assert!(error.starts_with("port t1: port t0 has the same type, remote_ip"), "{error}");
        }
    }
}
