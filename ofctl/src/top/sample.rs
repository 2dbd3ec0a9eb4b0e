//! The counters of all ports at one time, from the daemon's JSON.
//!
//! Counters are kept by their names, whichever they are: one that a later daemon adds is shown too.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::Value;

/// Counters by name.
pub type Counters = BTreeMap<String, u64>;

/// The ports at one time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sample {
    /// When the daemon's answer was here.
    pub at: Instant,
    /// In the daemon's order.
    pub ports: Vec<Port>,
}

/// A port at one time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Port {
    /// Its bridge.
    pub bridge: String,
    /// Its name.
    pub name: String,
    /// `up` or `down`.
    pub link: String,
    /// `statistics`, without the drops.
    pub counters: Counters,
    /// Frames lost, by reason.
    pub drops: Counters,
}

impl Sample {
    /// From the answer to `vswitch/show` with `--format=json`.
    ///
    /// # Errors
    /// What is missing there.
    pub fn of(shown: &Value, at: Instant) -> Result<Sample, String> {
        let text = shown.as_str().ok_or("show is not text")?;
        let document: Value =
            serde_json::from_str(text).map_err(|error| format!("show is not JSON: {error}"))?;
        let mut ports = Vec::new();
        for bridge in list(&document, "bridges")? {
            let name = text_of(bridge, "name")?;
            for port in list(bridge, "ports")? {
                ports.push(Port::of(name, port)?);
            }
        }
        Ok(Sample { at, ports })
    }

    /// The port of the same name on the same bridge.
    pub fn find(&self, like: &Port) -> Option<&Port> {
        let mut ports = self.ports.iter();
        ports.find(|port| port.name == like.name && port.bridge == like.bridge)
    }
}

impl Port {
    fn of(bridge: &str, port: &Value) -> Result<Port, String> {
        let name = text_of(port, "name")?;
        let statistics = &port["statistics"];
        let counters = counters(statistics);
        if !counters.contains_key("rx_packets") {
            return Err(format!("show has no statistics of port {name}"));
        }
        Ok(Port {
            bridge: bridge.to_owned(),
            name: name.to_owned(),
            link: text_of(port, "link_state")?.to_owned(),
            counters,
            drops: self::counters(&statistics["drops"]),
        })
    }
}

/// The members that are counts.
fn counters(object: &Value) -> Counters {
    let members = object.as_object().into_iter().flatten();
    members.filter_map(|(key, value)| Some((key.clone(), value.as_u64()?))).collect()
}

fn list<'a>(object: &'a Value, key: &str) -> Result<&'a Vec<Value>, String> {
    object[key].as_array().ok_or_else(|| format!("show has no {key}"))
}

fn text_of<'a>(object: &'a Value, key: &str) -> Result<&'a str, String> {
    object[key].as_str().ok_or_else(|| format!("show has no {key}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_show_prints_becomes_a_sample() {
        let text = r#"{"bridges":[{"name":"br0","ports":[]},{"name":"br1","ports":[{"name":"h1",
            "link_state":"up","statistics":{"rx_packets":3,"new":"x","drops":{"runt":2}}}]}]}"#;
        let sample = Sample::of(&text.into(), Instant::now()).unwrap();
        let counters = Counters::from([("rx_packets".to_owned(), 3)]);
        let drops = Counters::from([("runt".to_owned(), 2)]);
        let (bridge, name, link) = ("br1".to_owned(), "h1".to_owned(), "up".to_owned());
        assert_eq!(sample.ports, [Port { bridge, name, link, counters, drops }]);
    }

    #[test]
    fn an_answer_of_something_else_is_refused() {
        for (text, said) in [
            ("", "show is not JSON: EOF"),
            ("{}", "show has no bridges"),
            (r#"{"bridges":[{}]}"#, "show has no name"),
            (r#"{"bridges":[{"name":"br0","ports":[{"name":"h1"}]}]}"#, "no statistics of port h1"),
        ] {
            let error = Sample::of(&text.into(), Instant::now()).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
        assert_eq!(Sample::of(&Value::Null, Instant::now()).unwrap_err(), "show is not text");
    }
}
