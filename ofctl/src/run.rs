//! One call of the program, from arguments to output.

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::cli::{self, DEFAULT_TIMEOUT, Globals};
use crate::error::Error;
use crate::of::{self, Context, Task};
use crate::plan::{self, Generated, Plan};
use crate::rpc::{Client, Limits, Reply};
use crate::{capture, complete, help, man, top};

/// Where the sockets are if nothing else is said.
pub const DEFAULT_RUNDIR: &str = "/run/vswitch";

/// The control socket's name in the rundir.
pub const CTL_NAME: &str = "vswitchd.ctl";

/// What the program takes from its environment.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Environment {
    /// `$VSWITCH_RUNDIR`, if it is set and not empty.
    pub rundir: Option<PathBuf>,
}

impl Environment {
    /// The environment of this process.
    #[must_use]
    pub fn of_process() -> Environment {
        let rundir = std::env::var_os("VSWITCH_RUNDIR").filter(|dir| !dir.is_empty());
        Environment { rundir: rundir.map(PathBuf::from) }
    }
}

/// Does what the arguments (the program's name first) ask for and prints the result to `out`.
///
/// # Errors
///
/// [`Error`], whose text is the line for standard error and which knows the exit code.
pub fn run(
    args: impl IntoIterator<Item = OsString>,
    environment: &Environment,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let (globals, parts) = cli::read(args)?;
    if globals.wants_version {
        return print(out, concat!("ofctl ", env!("CARGO_PKG_VERSION"), "\n"));
    }
    let plan = if globals.wants_help { plan::help_for(&parts)? } else { plan::plan(parts)? };
    let socket = Socket::new(&globals, environment);
    match plan {
        Plan::Help(None) => print(out, &help::overview()),
        Plan::Help(Some(command)) => print(out, &help::of_command(command)),
        Plan::Generate { what: Generated::Man, dir } => man::write(Path::new(&dir)),
        Plan::Generate { what: Generated::Completions, dir } => complete::write(Path::new(&dir)),
        Plan::Transact(words) => {
            let mut params = vec![socket.format()];
            params.extend(words);
            let reply = done(socket.connect()?.call("vswitch/transact", &params)?)?;
            print_value(out, &reply)
        }
        Plan::Show(bridge) => {
            let mut params = vec![socket.format()];
            params.extend(bridge);
            let reply = done(socket.connect()?.call("vswitch/show", &params)?)?;
            print_value(out, &reply)
        }
        Plan::Capture(args) => {
            let form = if globals.is_json { capture::Form::Json } else { capture::Form::Text };
            capture::run(|| socket.connect(), &args, form, out)
        }
        Plan::OpenFlow { task, args, options } => {
            let context = Context {
                rundir: socket.rundir(),
                timeout: openflow_timeout(task, &globals),
                is_json: globals.is_json,
                is_terminal: std::io::stdout().is_terminal(),
                options,
            };
            of::run(task, &args, &context, out)
        }
        Plan::Top(args) => {
            let form = match globals.is_json {
                true => top::Form::Json,
                false if std::io::stdout().is_terminal() => top::Form::Screen,
                false => top::Form::Blocks,
            };
            top::run(|| socket.connect(), &args, form, out)
        }
        Plan::Verbatim { method, params } => {
            let mut client = socket.connect()?;
            if globals.is_json {
                let options = ["--format".to_owned(), "json".to_owned()];
                done(client.call("set-options", &options)?)?;
            }
            let reply = done(client.call(&method, &params)?)?;
            if globals.is_json { print_json(out, reply) } else { print_value(out, &reply) }
        }
    }
}

/// The control socket that a call talks to, and how.
struct Socket {
    path: PathBuf,
    limits: Limits,
    is_json: bool,
}

impl Socket {
    fn new(globals: &Globals, environment: &Environment) -> Socket {
        let rundir = globals.rundir.as_deref().or(environment.rundir.as_deref());
        let timeout = globals.timeout.unwrap_or(DEFAULT_TIMEOUT);
        Socket {
            path: rundir.unwrap_or(Path::new(DEFAULT_RUNDIR)).join(CTL_NAME),
            limits: Limits {
                timeout: (!timeout.is_zero()).then_some(timeout),
                max_reply_len: Limits::MAX_REPLY_LEN,
            },
            is_json: globals.is_json,
        }
    }

    fn rundir(&self) -> PathBuf {
        self.path.parent().unwrap_or(Path::new(DEFAULT_RUNDIR)).to_owned()
    }

    fn connect(&self) -> Result<Client, Error> {
        Ok(Client::connect(&self.path, self.limits)?)
    }

    fn format(&self) -> String {
        if self.is_json { "--format=json" } else { "--format=text" }.to_owned()
    }
}

/// Who watches waits for ever unless told otherwise; who commands does not.
fn openflow_timeout(task: Task, globals: &Globals) -> Option<std::time::Duration> {
    let default = if matches!(task, Task::Monitor | Task::Snoop) {
        std::time::Duration::ZERO
    } else {
        DEFAULT_TIMEOUT
    };
    let timeout = globals.timeout.unwrap_or(default);
    (!timeout.is_zero()).then_some(timeout)
}

fn done(reply: Reply) -> Result<Value, Error> {
    match reply {
        Reply::Done(value) => Ok(value),
        Reply::Refused(text) => Err(Error::Refused(text)),
    }
}

/// Text as it stands, ending with a newline; anything else as JSON.
fn print_value(out: &mut dyn Write, value: &Value) -> Result<(), Error> {
    match value {
        Value::Null => Ok(()),
        Value::String(text) => print(out, text),
        other => print(out, &other.to_string()),
    }
}

/// The answer to a word after `set-options --format json`. Text of a command that has no JSON
/// comes wrapped, and is printed as a JSON string: with `--json` the output is always JSON.
fn print_json(out: &mut dyn Write, mut value: Value) -> Result<(), Error> {
    let is_wrapped = value.get("reply-format").is_some_and(|format| format == "plain");
    if is_wrapped && let Some(reply) = value.get_mut("reply") {
        value = reply.take();
    }
    match &value {
        Value::Null => Ok(()),
        Value::String(text) if text.is_empty() => Ok(()),
        other => print(out, &other.to_string()),
    }
}

fn print(out: &mut dyn Write, text: &str) -> Result<(), Error> {
    let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    out.write_all(text.as_bytes())
        .and_then(|()| out.write_all(end.as_bytes()))
        .and_then(|()| out.flush())
        .map_err(Error::Output)
}
