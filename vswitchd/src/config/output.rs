//! What commands print, as text and as JSON.

use serde_json::Value as Json;

use super::keys::Shown;

/// How output is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// For people and simple scripts.
    Text,
    /// One JSON document for each command that prints, on a line of its own.
    Json,
}

impl Format {
    /// Takes a leading `--format=text|json` off `params`; text if there is none.
    ///
    /// # Errors
    /// The format is neither; the error is one line.
    pub fn take(params: &[String]) -> Result<(Format, &[String]), String> {
        let Some((first, rest)) = params.split_first() else { return Ok((Format::Text, params)) };
        match first.strip_prefix("--format=") {
            None => Ok((Format::Text, params)),
            Some("text") => Ok((Format::Text, rest)),
            Some("json") => Ok((Format::Json, rest)),
            Some(other) => Err(format!(
                "--format={}: no such format (allowed: text, json)",
                other.escape_debug()
            )),
        }
    }
}

/// What one command prints.
#[derive(Clone, PartialEq, Debug)]
pub enum Output {
    /// Names, one per line.
    Names(Vec<String>),
    /// One value; `None` where a key is not set.
    Value(Option<Shown>),
    /// Keys and values.
    Settings(Vec<(&'static str, Shown)>),
}

impl Output {
    /// The output in the format asked for, ending in a newline unless it is empty.
    #[must_use]
    pub fn print(&self, format: Format) -> String {
        match (format, self) {
            (Format::Json, output) => format!("{}\n", output.json()),
            (Format::Text, Output::Names(names)) => {
                names.iter().map(|name| format!("{name}\n")).collect()
            }
            // As Open vSwitch prints an empty column.
            (Format::Text, Output::Value(None)) => "[]\n".to_owned(),
            (Format::Text, Output::Value(Some(value))) => format!("{}\n", value.text),
            (Format::Text, Output::Settings(pairs)) => {
                pairs.iter().map(|(key, value)| format!("{key}={}\n", value.text)).collect()
            }
        }
    }

    fn json(&self) -> Json {
        match self {
            Output::Names(names) => names.iter().map(String::as_str).collect(),
            Output::Value(value) => value.as_ref().map_or(Json::Null, |value| value.json.clone()),
            Output::Settings(pairs) => {
                pairs.iter().map(|(key, value)| ((*key).to_owned(), value.json.clone())).collect()
            }
        }
    }
}
