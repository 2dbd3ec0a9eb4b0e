//! The configuration as the JSON of its file.
//!
//! ```json
//! {
//!   "version": 1,
//!   "switch": { "poll-cpus": [1, 2] },
//!   "bridges": {
//!     "br0": {
//!       "fail_mode": "standalone",
//!       "random_mac": "02:5c:11:f0:00:01",
//!       "ports": {
//!         "br0": { "ofport": 65534, "type": "internal" },
//!         "p1": { "ofport": 1, "type": "tap", "tag": 10 }
//!       }
//!     }
//!   }
//! }
//! ```
//!
//! # Design
//! Keys are those of the tables of [`model`](super::model), so the file and the commands cannot drift
//! apart; beside them stand the facts that must survive a restart: `ofport` and `random_mac`.
//! Reading checks each object as soon as it is complete, so that an error carries the line where it
//! happened. It is strict: a member that is unknown or stands twice is an error, since a setting
//! silently ignored is worse than a switch that does not start.

use std::collections::BTreeMap;
use std::fmt;

use packet::MacAddr;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value as Json, json};

use super::check;
use super::error::ObjectRef;
use super::keys::{self, Settings};
use super::mirror::MirrorSettings;
use super::model::{Bridge, Config, OfPort, Port, PortType};
use super::value::{DeviceMac, Value as _};

/// Version of the file's format.
const VERSION: u64 = 1;

/// The text of the file.
#[must_use]
pub fn to_text(config: &Config) -> String {
    let bridges: Map<String, Json> =
        config.bridges.iter().map(|(name, bridge)| (name.clone(), bridge_json(bridge))).collect();
    let document = json!({
        "version": VERSION,
        "switch": settings_json(&config.switch),
        "bridges": bridges,
    });
    format!("{document:#}\n")
}

fn settings_json<S: Settings>(settings: &S) -> Map<String, Json> {
    keys::present(settings).map(|(key, value)| (key.to_owned(), value.stored)).collect()
}

fn bridge_json(bridge: &Bridge) -> Json {
    let mut object = settings_json(&bridge.settings);
    if let Some(mac) = bridge.random_mac {
        object.insert("random_mac".into(), mac.to_string().into());
    }
    let ports: Map<String, Json> =
        bridge.ports.iter().map(|(name, port)| (name.clone(), port_json(port))).collect();
    object.insert("ports".into(), ports.into());
    if !bridge.mirrors.is_empty() {
        let mirrors = bridge.mirrors.iter();
        let mirrors: Map<String, Json> =
            mirrors.map(|(name, mirror)| (name.clone(), settings_json(mirror).into())).collect();
        object.insert("mirrors".into(), mirrors.into());
    }
    object.into()
}

fn port_json(port: &Port) -> Json {
    let mut object = Map::new();
    if let Some(ofport) = port.ofport {
        object.insert("ofport".into(), ofport.get().into());
    }
    object.extend(settings_json(&port.settings));
    object.into()
}

/// Reads the text of the file.
///
/// # Errors
/// The text is not JSON, or not a valid configuration; the error knows line and column.
pub fn from_text(text: &str) -> Result<Config, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let mut document = Document::default();
    Members(&mut document).deserialize(&mut reader)?;
    reader.end()?;
    Ok(document.config)
}

/// An object that is filled member by member.
trait Object {
    /// What it is, for errors.
    fn expecting(&self) -> &'static str;

    /// Takes the member `key`, whose value `map` is about to give.
    fn member<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error>;

    /// Called after the last member.
    fn complete(&mut self) -> Result<(), String> {
        Ok(())
    }
}

/// Reads a JSON object into an [`Object`], refusing a member that stands twice.
struct Members<'a, O>(&'a mut O);

impl<'de, O: Object> DeserializeSeed<'de> for Members<'_, O> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'de, O: Object> Visitor<'de> for Members<'_, O> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.expecting())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = std::collections::BTreeSet::new();
        while let Some(key) = map.next_key::<String>()? {
            if seen.contains(&key) {
                return Err(A::Error::custom(format_args!("{key:?} stands twice")));
            }
            self.0.member(&key, &mut map)?;
            seen.insert(key);
        }
        self.0.complete().map_err(A::Error::custom)
    }
}

#[derive(Default)]
struct Document {
    config: Config,
    versioned: bool,
}

impl Object for Document {
    fn expecting(&self) -> &'static str {
        "the configuration: an object with version, switch and bridges"
    }

    fn member<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "version" => {
                let version: Json = map.next_value()?;
                self.versioned = true;
                if version.as_u64() == Some(VERSION) {
                    return Ok(());
                }
                Err(A::Error::custom(format_args!(
                    "version {version} (this switch reads {VERSION})"
                )))
            }
            "switch" => {
                let object = ObjectRef::Switch;
                map.next_value_seed(Members(&mut Plain {
                    object,
                    settings: &mut self.config.switch,
                }))
            }
            "bridges" => map.next_value_seed(Members(&mut Bridges(&mut self.config.bridges))),
            _ => {
                let allowed = "version, switch, bridges";
                Err(A::Error::custom(format_args!("unknown member {key:?} (allowed: {allowed})")))
            }
        }
    }

    fn complete(&mut self) -> Result<(), String> {
        if !self.versioned {
            return Err("version is missing".to_owned());
        }
        check::check(&self.config).map_err(|error| error.to_string())
    }
}

/// An object that has settings alone.
struct Plain<'a, S> {
    object: ObjectRef,
    settings: &'a mut S,
}

impl<S: Settings> Object for Plain<'_, S> {
    fn expecting(&self) -> &'static str {
        "an object of settings"
    }

    fn member<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        load_setting(&self.object, self.settings, key, map)
    }
}

fn load_setting<'de, S: Settings, A: MapAccess<'de>>(
    object: &ObjectRef,
    settings: &mut S,
    key: &str,
    map: &mut A,
) -> Result<(), A::Error> {
    // An unknown key is told before its value is read, so that the error points at it.
    keys::find::<S>(object, key).map_err(A::Error::custom)?;
    let value: Json = map.next_value()?;
    keys::load(object, settings, (key, &value)).map_err(A::Error::custom)
}

struct Bridges<'a>(&'a mut BTreeMap<String, Bridge>);

impl Object for Bridges<'_> {
    fn expecting(&self) -> &'static str {
        "an object of bridges by name"
    }

    fn member<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        let object = ObjectRef::Bridge(key.to_owned());
        let mut reader = BridgeObject { object, name: key, bridge: Bridge::new(key) };
        map.next_value_seed(Members(&mut reader))?;
        self.0.insert(key.to_owned(), reader.bridge);
        Ok(())
    }
}

struct BridgeObject<'a> {
    object: ObjectRef,
    name: &'a str,
    bridge: Bridge,
}

impl Object for BridgeObject<'_> {
    fn expecting(&self) -> &'static str {
        "a bridge: an object of settings and ports"
    }

    fn member<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "random_mac" => {
                let mac: String = map.next_value()?;
                let mac: MacAddr = DeviceMac::parse(&mac)
                    .map_err(|r| {
                        A::Error::custom(format_args!("{}: random_mac: {}", self.object, r.why))
                    })?
                    .get();
                self.bridge.random_mac = Some(mac);
                Ok(())
            }
            "ports" => {
                let mut ports = Ports { bridge: self.name, ports: &mut self.bridge.ports };
                map.next_value_seed(Members(&mut ports))
            }
            "mirrors" => map.next_value_seed(Members(&mut Mirrors(&mut self.bridge.mirrors))),
            _ => load_setting(&self.object, &mut self.bridge.settings, key, map),
        }
    }

    fn complete(&mut self) -> Result<(), String> {
        check::check_bridge(self.name, &self.bridge).map_err(|error| error.to_string())
    }
}

struct Mirrors<'a>(&'a mut BTreeMap<String, MirrorSettings>);

impl Object for Mirrors<'_> {
    fn expecting(&self) -> &'static str {
        "an object of mirrors by name"
    }

    fn member<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        let object = ObjectRef::Mirror(key.to_owned());
        check::check_port_name(&object, key, PortType::Null).map_err(A::Error::custom)?;
        let settings = self.0.entry(key.to_owned()).or_default();
        map.next_value_seed(Members(&mut Plain { object, settings }))
    }
}

struct Ports<'a> {
    bridge: &'a str,
    ports: &'a mut BTreeMap<String, Port>,
}

impl Object for Ports<'_> {
    fn expecting(&self) -> &'static str {
        "an object of ports by name"
    }

    fn member<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        let object = ObjectRef::Port(key.to_owned());
        let mut reader =
            PortObject { object, name: key, bridge: self.bridge, port: Port::default() };
        map.next_value_seed(Members(&mut reader))?;
        self.ports.insert(key.to_owned(), reader.port);
        Ok(())
    }
}

struct PortObject<'a> {
    object: ObjectRef,
    name: &'a str,
    bridge: &'a str,
    port: Port,
}

impl Object for PortObject<'_> {
    fn expecting(&self) -> &'static str {
        "a port: an object of settings"
    }

    fn member<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        if key != "ofport" {
            return load_setting(&self.object, &mut self.port.settings, key, map);
        }
        let number: Json = map.next_value()?;
        let ofport = number.as_u64().and_then(|n| u16::try_from(n).ok()).and_then(OfPort::new);
        // LOCAL is the bridge's own port, and nothing else is.
        let fits = |ofport: &OfPort| (*ofport == OfPort::LOCAL) == (self.name == self.bridge);
        self.port.ofport = ofport.filter(fits);
        if self.port.ofport.is_some() {
            return Ok(());
        }
        Err(A::Error::custom(format_args!(
            "{}: ofport={number}: not a number of this port (allowed: 1-{}, and {} for the bridge's own)",
            self.object,
            OfPort::MAX,
            OfPort::LOCAL.get(),
        )))
    }

    fn complete(&mut self) -> Result<(), String> {
        if self.name == self.bridge {
            self.port.ofport = Some(OfPort::LOCAL);
        }
        check::check_port(self.bridge, self.name, &self.port).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests;
