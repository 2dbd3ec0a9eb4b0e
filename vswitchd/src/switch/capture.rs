//! `vswitch/capture`: from names to what the engine captures, and what ends a capture.

use std::collections::BTreeMap;

use datapath::capture::{CaptureSpec, Scope, Ways};

use super::Switch;
use crate::capture::Control;
use crate::capture::request::{CaptureError, CaptureRequest};
use crate::capture::stream::Stream;

/// Names of ports and bridges that an error lists at most.
const MAX_NAMES: usize = 20;

/// A capture that runs.
pub(super) struct Running {
    name: String,
    scope: Scope,
    control: Control,
}

impl Switch {
    /// Starts a capture ([`CaptureRequest`]): what is captured, in words, and the stream of it.
    ///
    /// # Errors
    /// One line: a word that has no meaning, no such port or bridge, or too many captures.
    pub fn capture(&mut self, params: &[String]) -> Result<(String, Stream), String> {
        let request = CaptureRequest::parse(params).map_err(|error| error.to_string())?;
        let scope = self.scope_of(&request.name).ok_or_else(|| self.not_there(&request.name))?;
        let CaptureRequest { name, ways, snap_len, count, filter } = request;
        let words = format!("{} {name}, {}", kind(scope), ways_words(ways));
        let spec = CaptureSpec { scope, ways, filter, snap_len };
        let reader = self.engine.capture(spec).map_err(|error| error.to_string())?;
        tracing::info!(target: "capture", "started: {words}");
        let control = Control::default();
        self.captures.push(Running { name, scope, control: control.clone() });
        self.follow_captures();
        Ok((words, Stream::new(reader, control, count)))
    }

    /// A bridge, or else a port: a bridge's own port bears its name.
    fn scope_of(&self, name: &str) -> Option<Scope> {
        let bridge = || self.bridges.get(name).map(|state| Scope::Bridge(state.id));
        let port = || self.ports.get(name).map(|state| Scope::Port(state.no));
        bridge().or_else(port)
    }

    fn not_there(&self, name: &str) -> String {
        let names: Vec<&str> =
            self.bridges.keys().chain(self.ports.keys()).map(String::as_str).collect();
        let mut names = names;
        names.sort_unstable();
        names.dedup();
        let more = if names.len() > MAX_NAMES { ", ..." } else { "" };
        names.truncate(MAX_NAMES);
        let list = match names.as_slice() {
            [] => " (there is none)".to_owned(),
            names => format!(" (there are: {}{more})", names.join(", ")),
        };
        CaptureError::NotThere(name.to_owned(), list).to_string()
    }

    /// Tells captures of new ports, and ends those whose port or bridge is gone.
    pub(super) fn follow_captures(&mut self) {
        if self.captures.is_empty() {
            return;
        }
        self.captures.retain(|capture| !capture.control.is_over());
        let names = self.ports.iter().map(|(name, state)| (state.no.get(), name.clone()));
        let names: BTreeMap<u16, String> = names.collect();
        for capture in &self.captures {
            capture.control.set_names(&names);
            if self.scope_of(&capture.name) != Some(capture.scope) {
                capture.control.end(format!(
                    "{} {} was deleted",
                    kind(capture.scope),
                    capture.name
                ));
            }
        }
    }
}

fn kind(scope: Scope) -> &'static str {
    match scope {
        Scope::Port(_) => "port",
        Scope::Bridge(_) => "bridge",
    }
}

fn ways_words(ways: Ways) -> &'static str {
    match ways {
        Ways::In => "frames received",
        Ways::Out => "frames sent",
        Ways::Both => "frames received and sent",
    }
}
