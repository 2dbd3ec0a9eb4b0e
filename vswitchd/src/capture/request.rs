//! What a client asks for: `NAME [--direction=in|out|both] [--snaplen=N] [--count=N] [TERM...]`.

use datapath::capture::{MAX_SNAP_LEN, Ways};
use packet::filter::{Filter, FilterError};

/// What is to be captured, by name.
#[derive(Clone, PartialEq, Debug)]
pub struct CaptureRequest {
    /// A port or a bridge.
    pub name: String,
    /// Which way frames go.
    pub ways: Ways,
    /// Bytes of each frame.
    pub snap_len: usize,
    /// Frames after which it ends.
    pub count: Option<u64>,
    /// Which frames.
    pub filter: Filter,
}

/// Why a capture is refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CaptureError {
    /// Nothing is named.
    #[error("capture: no port or bridge given (usage: capture PORT|BR [OPTION...] [TERM...])")]
    NoName,
    /// An option that does not exist.
    #[error("capture: unknown option {0:?} (allowed: --direction=, --snaplen=, --count=)")]
    Option(String),
    /// An option's value.
    #[error("capture: --{option}={value}: (allowed: {allowed})")]
    Value {
        /// The option.
        option: &'static str,
        /// What was given.
        value: String,
        /// What may be given.
        allowed: String,
    },
    /// A term of the filter.
    #[error("capture: {0}")]
    Filter(#[from] FilterError),
    /// Nothing of that name.
    #[error("no port or bridge named {0:?}{1}")]
    NotThere(String, String),
}

impl CaptureRequest {
    /// Reads a request.
    ///
    /// # Errors
    /// A word that has no meaning, with what is allowed.
    pub fn parse(words: &[String]) -> Result<CaptureRequest, CaptureError> {
        let (name, words) = words.split_first().ok_or(CaptureError::NoName)?;
        if name.starts_with("--") {
            return Err(CaptureError::NoName);
        }
        let (mut ways, mut snap_len, mut count) = (Ways::Both, MAX_SNAP_LEN, None);
        let mut terms = Vec::new();
        for word in words {
            let Some(option) = word.strip_prefix("--") else {
                terms.push(word.as_str());
                continue;
            };
            match option.split_once('=') {
                Some(("direction", value)) => ways = direction(value)?,
                Some(("snaplen", value)) => {
                    let max = u64::try_from(MAX_SNAP_LEN).unwrap_or(u64::MAX);
                    let len = number("snaplen", value, max)?;
                    snap_len = usize::try_from(len).unwrap_or(MAX_SNAP_LEN);
                }
                Some(("count", value)) => count = Some(number("count", value, u64::MAX)?),
                _ => return Err(CaptureError::Option(word.clone())),
            }
        }
        let filter = Filter::parse(terms)?;
        Ok(CaptureRequest { name: name.clone(), ways, snap_len, count, filter })
    }
}

fn direction(value: &str) -> Result<Ways, CaptureError> {
    match value {
        "in" => Ok(Ways::In),
        "out" => Ok(Ways::Out),
        "both" => Ok(Ways::Both),
        _ => Err(CaptureError::Value {
            option: "direction",
            value: value.to_owned(),
            allowed: "in, out, both".to_owned(),
        }),
    }
}

fn number(option: &'static str, value: &str, max: u64) -> Result<u64, CaptureError> {
    let plain = value.bytes().all(|b| b.is_ascii_digit());
    let number = value.parse().ok().filter(|n| plain && (1..=max).contains(n));
    let allowed = if max == u64::MAX { "1 or more".to_owned() } else { format!("1-{max}") };
    number.ok_or(CaptureError::Value { option, value: value.to_owned(), allowed })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<CaptureRequest, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        CaptureRequest::parse(&words).map_err(|error| error.to_string())
    }

    #[test]
    fn words() {
        let request = parse("p1 --direction=in tcp --snaplen=96 --count=3 port=80").unwrap();
        assert_eq!((request.name.as_str(), request.ways), ("p1", Ways::In));
        assert_eq!((request.snap_len, request.count), (96, Some(3)));
        assert_eq!(request.filter, Filter::parse(["tcp,port=80"]).unwrap());
        let request = parse("br0").unwrap();
        assert_eq!((request.ways, request.snap_len), (Ways::Both, MAX_SNAP_LEN));
        assert!(request.count.is_none() && request.filter.is_empty());
    }

    #[test]
    fn errors_name_the_word_and_what_is_allowed() {
        for (line, part) in [
            ("", "no port or bridge given"),
            ("--count=1", "no port or bridge given"),
            ("p1 --direction=up", "--direction=up: (allowed: in, out, both)"),
            ("p1 --count=0", "--count=0: (allowed: 1 or more)"),
            ("p1 --snaplen=99999999", "--snaplen=99999999: (allowed: 1-69632)"),
            ("p1 --snaplen=+5", "allowed: 1-"),
            ("p1 --fast", "unknown option \"--fast\" (allowed: --direction="),
            ("p1 hots=1", "filter term \"hots=1\": no such key (allowed: arp"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(part), "{line}: {error}");
        }
    }
}
