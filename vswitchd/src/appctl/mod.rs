//! The words of `ovs-appctl`: one table of commands, served over the control socket.
//!
//! # Design
//! [`COMMANDS`] is the only list of names; dispatch, argument counts and `list-commands` read it. A
//! handler sees the switch through [`SwitchView`], which is narrow, so that handlers are tested
//! against a few lines of fake. Output is what Open vSwitch prints, to the byte; where Open vSwitch
//! accepts nonsense or answers with it, the switch refuses, and names the value.
//!
//! # Invariants
//! Text of a result or an error ends in a newline, as unixctl's does; `vswitch/…` methods, which only
//! `ofctl` calls, answer with an error of one line without newline.
//!
//! # References
//! ovs-appctl(8), ovs-vswitchd(8) of Open vSwitch 3.1.

mod coverage;
mod dpif;
mod drops;
mod error;
mod fdb;
mod ofproto;
mod pmd;
mod process;
mod switch;
mod table;
pub mod view;
mod vlog;

use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};

use crate::log::Log;
use crate::ofconn::conn::Lost;
use crate::rpc::{Dispatch, Format, Outcome, Request, Session, Then};

pub use error::AppctlError;
pub use table::{COMMANDS, Command};
pub use view::SwitchView;

/// What a command prints.
#[derive(Clone, PartialEq, Debug)]
pub enum Output {
    /// Text, whatever the client's format: it has no other form.
    Text(String),
    /// A JSON value, for a client that asked for JSON.
    Json(Value),
}

impl Output {
    /// Nothing to say.
    #[must_use]
    pub fn none() -> Output {
        Output::Text(String::new())
    }
}

/// What commands remember from call to call.
#[derive(Debug)]
pub struct Appctl {
    log: Arc<Log>,
    coverage: coverage::Coverage,
    pmd: pmd::Baseline,
    fdb: fdb::Baseline,
    n_clients: usize,
}

/// What a handler sees.
pub struct Context<'a> {
    switch: &'a mut dyn SwitchView,
    state: &'a mut Appctl,
    session: &'a mut Session,
    then: Then,
}

impl Appctl {
    /// Nothing remembered yet.
    #[must_use]
    pub fn new(log: Arc<Log>, now: Instant) -> Appctl {
        Appctl {
            log,
            coverage: coverage::Coverage::new(now),
            pmd: pmd::Baseline::new(now),
            fdb: fdb::Baseline::default(),
            n_clients: 0,
        }
    }

    /// To be called about once a second: rates are computed from what it sees.
    pub fn tick(&mut self, switch: &dyn SwitchView, n_clients: usize, now: Instant) {
        self.n_clients = n_clients;
        self.coverage.tick(switch, now);
    }

    /// Notes that the link monitor has received so many messages.
    pub fn count_netlink(&mut self, n: u64) {
        self.coverage.count("netlink_received", n);
    }

    /// Notes packets that connections to controllers and tools have lost, by Open vSwitch's names.
    pub fn count_lost_packets(&mut self, lost: Lost) {
        self.coverage.count("rconn_overflow", lost.overflow);
        self.coverage.count("rconn_discarded", lost.discarded);
    }

    /// A dispatcher of requests to this switch.
    pub fn dispatcher<'a>(&'a mut self, switch: &'a mut dyn SwitchView) -> Dispatcher<'a> {
        Dispatcher { state: self, switch }
    }
}

/// Serves requests; made for each turn of the main loop.
pub struct Dispatcher<'a> {
    state: &'a mut Appctl,
    switch: &'a mut dyn SwitchView,
}

impl Dispatch for Dispatcher<'_> {
    fn dispatch(&mut self, request: &Request, session: &mut Session) -> Outcome {
        self.state.coverage.count("unixctl_received", 1);
        let mut context =
            Context { switch: self.switch, state: self.state, session, then: Then::Continue };
        let output = run(&mut context, request);
        let then = context.then;
        self.state.coverage.count("unixctl_replied", 1);
        // The reply to `set-options` is plain in either format.
        let format =
            if request.method == table::SET_OPTIONS { Format::Text } else { session.format };
        let reply = match output {
            Ok(Output::Json(value)) => Ok(value),
            Ok(Output::Text(text)) => Ok(wrap(ended(text), format)),
            Err(error) => Err(error.into_reply()),
        };
        Outcome { reply, then }
    }
}

fn wrap(text: String, format: Format) -> Value {
    match format {
        Format::Text => Value::String(text),
        Format::Json => json!({ "reply-format": "plain", "reply": text }),
    }
}

/// With a newline at its end, unless it is empty.
fn ended(mut text: String) -> String {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

fn run(context: &mut Context<'_>, request: &Request) -> Result<Output, AppctlError> {
    let name = &request.method;
    let command = COMMANDS.iter().find(|command| command.name == name);
    let command = command.ok_or_else(|| AppctlError::NoCommand(name.clone()))?;
    let n = request.params.len();
    if n < command.min {
        return Err(AppctlError::TooFew { name: command.name, min: command.min });
    }
    if n > command.max {
        return Err(AppctlError::TooMany { name: command.name, max: command.max });
    }
    let strings = request.params.iter().map(|param| param.as_str().map(str::to_owned));
    let params: Option<Vec<String>> = strings.collect();
    let params = params.ok_or(AppctlError::NotAString(command.name))?;
    (command.run)(context, &params)
}

#[cfg(test)]
mod tests;
