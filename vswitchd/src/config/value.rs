//! Values of settings: what may be written, how it prints, how it is kept.
//!
//! # Design
//! A type for each kind of value, and [`Value`] to read it from `K=V` text or from JSON and to write
//! it back. A value that exists is valid by itself; what it means beside other settings is checked in
//! [`check`](super::check).
//!
//! # Invariants
//! `V::parse(&v.text()) == Ok(v)` and `V::from_json(&v.stored()) == Ok(v)` for every value `v`.

use std::fmt::Display;

use packet::{MacAddr, Vid};
use serde_json::Value as Json;

/// Why a text is not a value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refused {
    /// What is wrong, in a few words: `not a VLAN`.
    pub why: String,
    /// What would be right: `0-4095`.
    pub allowed: String,
}

impl Refused {
    pub(crate) fn new(why: impl Into<String>, allowed: impl Into<String>) -> Refused {
        Refused { why: why.into(), allowed: allowed.into() }
    }
}

/// The value of a setting.
pub trait Value: Sized {
    /// What may be written, for people.
    fn allowed() -> String;

    /// Reads the right-hand side of `K=V`.
    ///
    /// # Errors
    /// The text is no such value.
    fn parse(text: &str) -> Result<Self, Refused>;

    /// The value as a person types it.
    fn text(&self) -> String;

    /// The value for `--json`.
    fn json(&self) -> Json {
        Json::String(self.text())
    }

    /// The value as the configuration file keeps it.
    fn stored(&self) -> Json {
        self.json()
    }

    /// Reads what [`Value::stored`] or [`Value::json`] wrote.
    ///
    /// # Errors
    /// The JSON is no such value.
    fn from_json(json: &Json) -> Result<Self, Refused> {
        let scalar = |json: &Json| match json {
            Json::String(text) => Some(text.clone()),
            Json::Number(number) => Some(number.to_string()),
            Json::Bool(bool) => Some(bool.to_string()),
            _ => None,
        };
        let text = match json {
            Json::Array(items) => items
                .iter()
                .map(scalar)
                .collect::<Option<Vec<_>>>()
                .map(|items: Vec<String>| items.join(",")),
            other => scalar(other),
        };
        Self::parse(&text.ok_or_else(|| Refused::new("wrong kind of JSON", Self::allowed()))?)
    }
}

/// A whole number from `MIN` to `MAX`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Int<const MIN: u32, const MAX: u32>(u32);

impl<const MIN: u32, const MAX: u32> Int<MIN, MAX> {
    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl<const MIN: u32, const MAX: u32> Value for Int<MIN, MAX> {
    fn allowed() -> String {
        format!("{MIN}-{MAX}")
    }

    fn parse(text: &str) -> Result<Self, Refused> {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !digits {
            return Err(Refused::new("not a whole number", Self::allowed()));
        }
        match text.parse::<u32>() {
            Ok(number) if (MIN..=MAX).contains(&number) => Ok(Int(number)),
            _ => Err(Refused::new("out of range", Self::allowed())),
        }
    }

    fn text(&self) -> String {
        self.0.to_string()
    }

    fn json(&self) -> Json {
        self.0.into()
    }
}

impl Value for bool {
    fn allowed() -> String {
        "true, false".into()
    }

    fn parse(text: &str) -> Result<Self, Refused> {
        match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(Refused::new("neither true nor false", Self::allowed())),
        }
    }

    fn text(&self) -> String {
        self.to_string()
    }

    fn json(&self) -> Json {
        (*self).into()
    }
}

/// Defines an enumeration whose values are words, and words that a later version will know.
macro_rules! words {
    (
        $(#[$doc:meta])* $name:ident, $what:literal {
            $($(#[doc = $vdoc:literal])+ $variant:ident = $word:literal,)+
        } later [$($later:literal),*] hidden [$($hidden:literal),*]
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum $name { $($(#[doc = $vdoc])+ $variant,)+ }

        impl $name {
            /// The word that people type.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $($name::$variant => $word,)+ }
            }
        }

        impl $crate::config::value::Value for $name {
            fn allowed() -> String {
                let hidden: &[&str] = &[$($hidden),*];
                let all: &[&str] = &[$($word),+];
                let shown: Vec<_> = all.iter().filter(|w| !hidden.contains(w)).copied().collect();
                shown.join(", ")
            }

            fn parse(text: &str) -> Result<Self, $crate::config::value::Refused> {
                let later: &[&str] = &[$($later),*];
                match text {
                    $($word => Ok($name::$variant),)+
                    _ if later.contains(&text) => Err($crate::config::value::Refused::new(
                        concat!("this ", $what, " is not supported by this version"),
                        Self::allowed(),
                    )),
                    _ => Err($crate::config::value::Refused::new(
                        concat!("no such ", $what),
                        Self::allowed(),
                    )),
                }
            }

            fn text(&self) -> String {
                self.word().to_owned()
            }
        }
    };
}
pub(crate) use words;

impl Value for Vid {
    fn allowed() -> String {
        "0-4095".into()
    }

    fn parse(text: &str) -> Result<Self, Refused> {
        Int::<0, 4095>::parse(text)
            .ok()
            .and_then(|vid| Vid::new(u16::try_from(vid.get()).ok()?))
            .ok_or_else(|| Refused::new("not a VLAN", Self::allowed()))
    }

    fn text(&self) -> String {
        self.to_string()
    }

    fn json(&self) -> Json {
        self.get().into()
    }
}

/// VLANs, ascending and without repetition; never empty.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VidList(Vec<Vid>);

impl VidList {
    /// The VLANs, ascending.
    pub fn iter(&self) -> impl Iterator<Item = Vid> + '_ {
        self.0.iter().copied()
    }
}

impl Value for VidList {
    fn allowed() -> String {
        "VLANs 0-4095, as in 10,20,30-40".into()
    }

    fn parse(text: &str) -> Result<Self, Refused> {
        let mut vids = Vec::new();
        for part in text.split(',') {
            let fail = || Refused::new(format!("\"{part}\" is not a VLAN"), Self::allowed());
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let first = Vid::parse(first).map_err(|_| fail())?.get();
            let last = Vid::parse(last).map_err(|_| fail())?.get();
            if first > last {
                let why = format!("the range {part} ends before it starts");
                return Err(Refused::new(why, Self::allowed()));
            }
            vids.extend((first..=last).filter_map(Vid::new));
        }
        vids.sort_unstable();
        vids.dedup();
        Ok(VidList(vids))
    }

    fn text(&self) -> String {
        let mut ranges: Vec<(u16, u16)> = Vec::new();
        for vid in self.iter().map(Vid::get) {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == vid => *last = vid,
                _ => ranges.push((vid, vid)),
            }
        }
        join(ranges.iter().map(|(first, last)| match last - first {
            0 => first.to_string(),
            1 => format!("{first},{last}"),
            _ => format!("{first}-{last}"),
        }))
    }

    fn json(&self) -> Json {
        self.iter().map(Vid::get).collect()
    }

    fn stored(&self) -> Json {
        Json::String(self.text())
    }
}

/// The address of a device: neither a group address nor zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeviceMac(MacAddr);

impl DeviceMac {
    /// The address.
    #[must_use]
    pub const fn get(self) -> MacAddr {
        self.0
    }
}

impl Value for DeviceMac {
    fn allowed() -> String {
        "a unicast MAC address, as in 02:00:00:00:00:01".into()
    }

    fn parse(text: &str) -> Result<Self, Refused> {
        let mac: MacAddr =
            text.parse().map_err(|_| Refused::new("not a MAC address", Self::allowed()))?;
        if mac.is_multicast() || mac == MacAddr::ZERO {
            return Err(Refused::new("not an address of a device", Self::allowed()));
        }
        Ok(DeviceMac(mac))
    }

    fn text(&self) -> String {
        self.0.to_string()
    }
}

/// A bridge's OpenFlow datapath id, not zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DatapathId(u64);

impl DatapathId {
    /// The id of a bridge that was not given one: its MAC address.
    #[must_use]
    pub const fn from_mac(mac: MacAddr) -> DatapathId {
        DatapathId(mac.to_u64())
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl Value for DatapathId {
    fn allowed() -> String {
        "16 hexadecimal digits, or 0x and up to 16, not all zero".into()
    }

    fn parse(text: &str) -> Result<Self, Refused> {
        let fail = || Refused::new("not a datapath id", Self::allowed());
        let digits = match text.strip_prefix("0x") {
            Some(digits) if (1..=16).contains(&digits.len()) => digits,
            None if text.len() == 16 => text,
            _ => return Err(fail()),
        };
        if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(fail());
        }
        match u64::from_str_radix(digits, 16) {
            Ok(id) if id != 0 => Ok(DatapathId(id)),
            _ => Err(fail()),
        }
    }

    fn text(&self) -> String {
        format!("{:016x}", self.0)
    }
}

/// Processors, each once, in the order given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CpuList(Vec<usize>);

impl CpuList {
    /// The processors' numbers.
    #[must_use]
    pub fn cpus(&self) -> &[usize] {
        &self.0
    }
}

/// A processor's number as people write it.
type CpuNo = Int<0, 1023>;
/// A queue's number as people write it.
type QueueNo = Int<0, 15>;

fn small<const MIN: u32, const MAX: u32>(text: &str) -> Option<usize> {
    Int::<MIN, MAX>::parse(text).ok().and_then(|number| usize::try_from(number.get()).ok())
}

impl Value for CpuList {
    fn allowed() -> String {
        format!("CPUs {}, each once, as in 1,2 or 2-5", CpuNo::allowed())
    }

    fn parse(text: &str) -> Result<Self, Refused> {
        let mut cpus = Vec::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let range = small::<0, 1023>(first).zip(small::<0, 1023>(last));
            let Some((first, last)) = range.filter(|(first, last)| first <= last) else {
                return Err(Refused::new(format!("\"{part}\" is not a CPU"), Self::allowed()));
            };
            for cpu in first..=last {
                if cpus.contains(&cpu) {
                    return Err(Refused::new(format!("CPU {cpu} stands twice"), Self::allowed()));
                }
                cpus.push(cpu);
            }
        }
        Ok(CpuList(cpus))
    }

    fn text(&self) -> String {
        join(&self.0)
    }

    fn json(&self) -> Json {
        self.0.iter().copied().collect()
    }
}

/// Which processor serves which receive queue; queues not named go where there is room.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RxqAffinity(Vec<(usize, usize)>);

impl RxqAffinity {
    /// Pairs of queue and processor, by queue.
    #[must_use]
    pub fn pairs(&self) -> &[(usize, usize)] {
        &self.0
    }
}

impl Value for RxqAffinity {
    fn allowed() -> String {
        "QUEUE:CPU pairs, as in 0:1,1:2".into()
    }

    fn parse(text: &str) -> Result<Self, Refused> {
        let mut pairs: Vec<(usize, usize)> = Vec::new();
        for part in text.split(',') {
            let pair = part
                .split_once(':')
                .and_then(|(queue, cpu)| Some((small::<0, 15>(queue)?, small::<0, 1023>(cpu)?)));
            let Some((queue, cpu)) = pair else {
                let why =
                    format!("\"{part}\" is no pair of a queue ({}) and a CPU", QueueNo::allowed());
                return Err(Refused::new(why, Self::allowed()));
            };
            if pairs.iter().any(|pair| pair.0 == queue) {
                return Err(Refused::new(format!("queue {queue} stands twice"), Self::allowed()));
            }
            pairs.push((queue, cpu));
        }
        pairs.sort_unstable();
        Ok(RxqAffinity(pairs))
    }

    fn text(&self) -> String {
        join(self.0.iter().map(|(queue, cpu)| format!("{queue}:{cpu}")))
    }
}

/// The path of a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FilePath(String);

impl FilePath {
    /// The path.
    #[must_use]
    pub fn path(&self) -> &std::path::Path {
        std::path::Path::new(&self.0)
    }
}

impl Value for FilePath {
    fn allowed() -> String {
        "an absolute path".into()
    }

    fn parse(text: &str) -> Result<Self, Refused> {
        // The daemon's working directory is not that of the person who types.
        if !text.starts_with('/') || text.contains('\0') {
            return Err(Refused::new("not an absolute path", Self::allowed()));
        }
        Ok(FilePath(text.to_owned()))
    }

    fn text(&self) -> String {
        self.0.clone()
    }
}

/// The path of a Unix socket.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SocketPath(FilePath);

/// Longest path of a Unix socket, bytes (`sun_path` less its final zero, unix(7)).
const SOCKET_PATH_MAX: usize = 107;

impl SocketPath {
    /// The path.
    #[must_use]
    pub fn path(&self) -> &std::path::Path {
        self.0.path()
    }
}

impl Value for SocketPath {
    fn allowed() -> String {
        format!("an absolute path of at most {SOCKET_PATH_MAX} bytes")
    }

    fn parse(text: &str) -> Result<Self, Refused> {
        if text.len() > SOCKET_PATH_MAX {
            return Err(Refused::new(format!("{} bytes long", text.len()), Self::allowed()));
        }
        let path = FilePath::parse(text).map_err(|r| Refused::new(r.why, Self::allowed()))?;
        Ok(SocketPath(path))
    }

    fn text(&self) -> String {
        self.0.text()
    }
}

words! {
    /// A version of the OpenFlow protocol.
    Protocol, "protocol" {
        /// 1.0.
        OpenFlow10 = "OpenFlow10",
        /// 1.1.
        OpenFlow11 = "OpenFlow11",
        /// 1.2.
        OpenFlow12 = "OpenFlow12",
        /// 1.3.
        OpenFlow13 = "OpenFlow13",
        /// 1.4.
        OpenFlow14 = "OpenFlow14",
        /// 1.5.
        OpenFlow15 = "OpenFlow15",
    } later [] hidden []
}

/// Where a controller is, or may come from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target(String);

impl Value for Target {
    fn allowed() -> String {
        "tcp:HOST[:PORT], unix:PATH, ptcp:[PORT][:HOST], punix:PATH".into()
    }

    fn parse(text: &str) -> Result<Self, Refused> {
        let blank = |c: char| c.is_whitespace() || c.is_control();
        let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
        let shaped = match kind {
            "tcp" | "unix" | "punix" => !rest.is_empty(),
            "ptcp" => true,
            _ => false,
        };
        if !shaped || text.contains(blank) {
            return Err(Refused::new(format!("\"{text}\" is no controller"), Self::allowed()));
        }
        Ok(Target(text.to_owned()))
    }

    fn text(&self) -> String {
        self.0.clone()
    }
}

/// Several values, each once, in the order given; never empty.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Several<V>(Vec<V>);

impl<V> Several<V> {
    /// The values.
    #[must_use]
    pub fn values(&self) -> &[V] {
        &self.0
    }
}

impl<V: Value + PartialEq> Value for Several<V> {
    fn allowed() -> String {
        format!("a list of {}", V::allowed())
    }

    fn parse(text: &str) -> Result<Self, Refused> {
        let mut values = Vec::new();
        for part in text.split(',') {
            let value = V::parse(part)
                .map_err(|e| Refused { why: format!("\"{part}\": {}", e.why), ..e })?;
            if values.contains(&value) {
                return Err(Refused::new(format!("{part} stands twice"), Self::allowed()));
            }
            values.push(value);
        }
        Ok(Several(values))
    }

    fn text(&self) -> String {
        join(self.0.iter().map(Value::text))
    }

    fn json(&self) -> Json {
        self.0.iter().map(Value::json).collect()
    }
}

fn join<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests;
