//! What a call of the flow family asks for besides its arguments.

use openflow::codec::FlowFormat;
use openflow::nicira::PacketInFormat;
use openflow::version::{Version, Versions};

use super::sort::SortKey;
use crate::cli::Part;
use crate::command::Switch;
use crate::error::Error;

/// The options of a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// Versions that may be spoken.
    pub versions: Versions,
    /// How flows are said in OpenFlow 1.0, if that was said.
    pub flow_format: Option<FlowFormat>,
    /// `--strict`.
    pub is_strict: bool,
    /// `--bundle`.
    pub is_bundle: bool,
    /// `--no-stats`.
    pub hides_stats: bool,
    /// `--names` or `--no-names`.
    pub names: Option<bool>,
    /// `--more`.
    pub is_more: bool,
    /// `--readd`.
    pub readds: bool,
    /// `--may-create`.
    pub may_create: bool,
    /// `--timestamp`.
    pub has_timestamps: bool,
    /// `-P`.
    pub packet_in_format: Option<PacketInFormat>,
    /// `--sort` and `--rsort`, the most important first.
    pub sort: Vec<SortKey>,
}

impl Options {
    /// Those of a command as given.
    ///
    /// # Errors
    /// [`Error::Usage`] for a value that is none.
    pub fn of(part: &Part) -> Result<Options, Error> {
        let has = |switch| part.switches.contains(&switch);
        let names = match (has(Switch::Names), has(Switch::NoNames)) {
            (true, true) => {
                return Err(Error::Usage("--names and --no-names exclude each other".to_owned()));
            }
            (true, false) => Some(true),
            (false, true) => Some(false),
            (false, false) => None,
        };
        let mut options = Options {
            versions: Versions::spoken(),
            flow_format: None,
            is_strict: has(Switch::Strict),
            is_bundle: has(Switch::Bundle),
            hides_stats: has(Switch::NoStats),
            names,
            is_more: has(Switch::More),
            readds: has(Switch::Readd),
            may_create: has(Switch::MayCreate),
            has_timestamps: has(Switch::Timestamp),
            packet_in_format: None,
            sort: Vec::new(),
        };
        // First: what -F says is then chosen among these.
        for (_, value) in part.options.iter().filter(|(name, _)| *name == "protocols") {
            options.versions = versions(value)?;
        }
        for (name, value) in &part.options {
            match *name {
                "packet-in-format" => options.packet_in_format = Some(packet_in_format(value)?),
                "flow-format" => options.set_format(value)?,
                "sort" | "rsort" => options.sort.push(SortKey::parse(name, value)?),
                _ => {}
            }
        }
        Ok(options)
    }

    /// `-F`: names that Open vSwitch gives to a version and a way to say flows in it.
    fn set_format(&mut self, text: &str) -> Result<(), Error> {
        let mut allowed: Vec<Version> = Vec::new();
        for word in text.split(',') {
            let lower = word.to_ascii_lowercase();
            match lower.trim_end_matches("+table_id").trim_end_matches("-table_id") {
                "openflow10" => {
                    allowed.push(Version::V10);
                    self.flow_format = Some(FlowFormat::OpenFlow10);
                }
                "nxm" => {
                    allowed.push(Version::V10);
                    self.flow_format = Some(FlowFormat::Nxm);
                }
                "oxm" => allowed.extend([Version::V13, Version::V14, Version::V15]),
                "any" => allowed.extend(Version::SPOKEN),
                other => match other.strip_prefix("oxm-").unwrap_or(other).parse() {
                    Ok(version) if version != Version::V10 => allowed.push(version),
                    _ => {
                        return Err(Error::Usage(format!(
                            "{word:?} is no flow format ({FORMATS})"
                        )));
                    }
                },
            }
        }
        let both = allowed.into_iter().filter(|version| self.versions.contains(*version));
        self.versions = both.collect();
        if self.versions == Versions::default() {
            return Err(Error::Usage(format!("-F {text} and -O leave no version")));
        }
        Ok(())
    }
}

const FORMATS: &str =
    "allowed: any, OpenFlow10, NXM, OXM, OXM-OpenFlow13, OXM-OpenFlow14, OXM-OpenFlow15";

/// In which message packets come, by `ovs-ofctl`'s names.
fn packet_in_format(text: &str) -> Result<PacketInFormat, Error> {
    match text {
        "standard" | "openflow10" => Ok(PacketInFormat::Standard),
        "nxt_packet_in" | "nxm" => Ok(PacketInFormat::Nxt),
        "nxt_packet_in2" | "nxt2" | "nxm2" => Ok(PacketInFormat::Nxt2),
        _ => {
            let allowed = "allowed: standard, nxt_packet_in, nxt_packet_in2";
            Err(Error::Usage(format!("{text:?} is no form of packet-in ({allowed})")))
        }
    }
}

fn versions(text: &str) -> Result<Versions, Error> {
    let mut versions = Vec::new();
    for word in text.split([',', ' ']).filter(|word| !word.is_empty()) {
        let known: Version =
            word.parse().map_err(|error: openflow::version::ParseVersionError| {
                Error::Usage(error.to_string())
            })?;
        versions.push(known);
    }
    if versions.is_empty() {
        return Err(Error::Usage("-O takes OpenFlow10, OpenFlow13, OpenFlow14, OpenFlow15".into()));
    }
    Ok(versions.into_iter().collect())
}
