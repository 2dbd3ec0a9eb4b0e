//! Mirrors of a bridge: their settings, and the rules between them and the bridge's ports.

use packet::Vid;

use super::error::{ConfigError, ObjectRef};
use super::keys::settings;
use super::model::Bridge;
use super::patch::PeerName;
use super::value::{Int, Several, VidList};

/// Most mirrors of a bridge, as in Open vSwitch.
pub const MAX_MIRRORS: usize = datapath::l2::mirror::MAX_MIRRORS;

settings! {
    /// Settings of a mirror (ovs-vswitchd.conf.db(5), table Mirror).
    MirrorSettings {
        /// Whether every frame that a port receives or sends is mirrored.
        "select-all" => select_all: bool = "false";
        /// Ports whose received frames are mirrored.
        "select-src-port" => select_src_port: Several<PeerName>;
        /// Ports to which frames that are sent are mirrored.
        "select-dst-port" => select_dst_port: Several<PeerName>;
        /// VLANs whose frames are mirrored; not set: all.
        "select-vlan" => select_vlan: VidList;
        /// The port that the copies go to, and nothing else.
        "output-port" => output_port: PeerName;
        /// The VLAN that the copies go to.
        "output-vlan" => output_vlan: Int<1, 4095>;
        /// How much of each frame is copied, bytes; not set: all.
        "snaplen" => snaplen: Int<14, 65535>;
    } later ["filter"]
}

impl MirrorSettings {
    /// Names of the ports whose received frames are selected.
    pub fn sources(&self) -> impl Iterator<Item = &str> {
        names(self.select_src_port.as_ref())
    }

    /// Names of the ports whose sent frames are selected.
    pub fn destinations(&self) -> impl Iterator<Item = &str> {
        names(self.select_dst_port.as_ref())
    }

    /// Whether it selects every port.
    #[must_use]
    pub fn selects_all(&self) -> bool {
        self.select_all.unwrap_or(false)
    }

    /// The VLAN of its output, if that is one.
    #[must_use]
    pub fn output_vid(&self) -> Option<Vid> {
        self.output_vlan.and_then(|vlan| Vid::new(u16::try_from(vlan.get()).ok()?))
    }

    /// The port of its output, if that is one.
    #[must_use]
    pub fn output_name(&self) -> Option<&str> {
        self.output_port.as_ref().map(PeerName::name)
    }
}

fn names(ports: Option<&Several<PeerName>>) -> impl Iterator<Item = &str> {
    ports.into_iter().flat_map(|ports| ports.values()).map(PeerName::name)
}

/// Whether a bridge's mirrors can be used.
///
/// # Errors
/// The first rule that is broken, in the order of names.
pub fn check_mirrors(bridge_name: &str, bridge: &Bridge) -> Result<(), ConfigError> {
    if bridge.mirrors.len() > MAX_MIRRORS {
        let why = format!("{} mirrors (allowed: {MAX_MIRRORS})", bridge.mirrors.len());
        return Err(ConfigError::conflict(ObjectRef::Bridge(bridge_name.to_owned()), why));
    }
    for (name, settings) in &bridge.mirrors {
        check_mirror((bridge_name, bridge), name, settings)?;
    }
    Ok(())
}

fn check_mirror(
    (bridge_name, bridge): (&str, &Bridge),
    name: &str,
    settings: &MirrorSettings,
) -> Result<(), ConfigError> {
    let object = ObjectRef::Mirror(name.to_owned());
    let conflict = |why: String| Err(ConfigError::conflict(object.clone(), why));
    let ports = settings.sources().map(|port| ("select-src-port", port));
    let ports = ports.chain(settings.destinations().map(|port| ("select-dst-port", port)));
    let output = settings.output_name();
    let ports = ports.chain(output.map(|port| ("output-port", port)));
    for (key, port) in ports {
        if !bridge.ports.contains_key(port) {
            let has: Vec<&str> = bridge.ports.keys().map(String::as_str).collect();
            return Err(ConfigError::Value {
                object,
                key,
                value: port.to_owned(),
                why: format!("no such port on bridge {bridge_name}"),
                allowed: format!("{}; or del-mirror {bridge_name} {name}", has.join(", ")),
            });
        }
        if key != "output-port" && output == Some(port) {
            return conflict(format!("{key}={port} is its own output-port"));
        }
    }
    match (output, settings.output_vlan) {
        (None, None) => return conflict("needs output-port=PORT or output-vlan=VID".into()),
        (Some(_), Some(_)) => {
            return conflict("output-port and output-vlan exclude each other".into());
        }
        _ => {}
    }
    let selects = settings.selects_all()
        || settings.select_src_port.is_some()
        || settings.select_dst_port.is_some();
    if !selects {
        return conflict(
            "selects nothing: needs select-all=true, select-src-port= or select-dst-port=".into(),
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::command::parse;
    use super::super::document::{from_text, to_text};
    use super::super::model::Config;
    use super::super::transact::transact;

    fn run(config: &Config, line: &str) -> Result<Config, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let commands = parse(&words).map_err(|error| error.to_string())?;
        transact(config, &commands).map(|done| done.config).map_err(|error| error.to_string())
    }

    fn bridge() -> Config {
        let line = "add-br br0 -- add-port br0 p1 -- add-port br0 p2 -- add-port br0 span";
        run(&Config::default(), line).unwrap()
    }

    #[test]
    fn mirrors_are_added_kept_and_removed() {
        let line =
            "add-mirror br0 m select-src-port=p1,p2 select-vlan=10,20 output-port=span snaplen=64";
        let config = run(&bridge(), line).unwrap();
        let mirror = &config.bridges["br0"].mirrors["m"];
        assert_eq!(mirror.sources().collect::<Vec<_>>(), ["p1", "p2"]);
        assert_eq!((mirror.output_name(), mirror.output_vid()), (Some("span"), None));
        assert_eq!(from_text(&to_text(&config)).unwrap(), config);
        assert_eq!(run(&config, "--may-exist add-mirror br0 m").unwrap(), config);
        assert_eq!(run(&config, "del-mirror br0 m").unwrap(), bridge());
        assert_eq!(run(&bridge(), "--if-exists del-mirror br0 m").unwrap(), bridge());
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        for (line, said) in [
            (
                "add-mirror br0 m select-all=true",
                "mirror m: needs output-port=PORT or output-vlan=VID",
            ),
            (
                "add-mirror br0 m output-port=span",
                "mirror m: selects nothing: needs select-all=true",
            ),
            (
                "add-mirror br0 m select-all=true output-port=span output-vlan=5",
                "mirror m: output-port and output-vlan exclude each other",
            ),
            (
                "add-mirror br0 m select-dst-port=span output-port=span",
                "mirror m: select-dst-port=span is its own output-port",
            ),
            (
                "add-mirror br0 m select-src-port=p9 output-port=span",
                "mirror m: select-src-port=p9: no such port on bridge br0 (allowed: br0, p1, p2, span",
            ),
            (
                "add-mirror br0 m select-all=true output-vlan=0",
                "output-vlan=0: out of range (allowed: 1-4095)",
            ),
            (
                "add-mirror br0 m select-all=true snaplen=5",
                "snaplen=5: out of range (allowed: 14-65535)",
            ),
            (
                "add-mirror br0 m select_all=true",
                "unknown key select_all (did you mean select-all?)",
            ),
            ("add-mirror br9 m select-all=true output-vlan=1", "bridge br9: no such bridge"),
            ("del-mirror br0 m", "mirror m: no such mirror"),
        ] {
            let error = run(&bridge(), line).unwrap_err();
            assert!(error.contains(said), "{line}: {error}");
        }
        let config = run(&bridge(), "add-mirror br0 m select-all=true output-port=span").unwrap();
        let error = run(&config, "add-mirror br0 m select-all=true output-vlan=1").unwrap_err();
        assert!(error.contains("mirror m: already exists on bridge br0"), "{error}");
        let error = run(&config, "del-port span").unwrap_err();
        assert!(error.contains("output-port=span: no such port on bridge br0"), "{error}");
        assert!(error.contains("or del-mirror br0 m"), "{error}");
    }
}
