//! A conversation with one switch: what it is asked, the names it gave its ports, what it refuses.

use std::cell::OnceCell;
use std::path::PathBuf;
use std::time::Duration;

use openflow::codec::{Decoded, FlowFormat};
use openflow::text::{Names, Style, TextError, error_text};
use openflow::version::Versions;
use openflow::{Message, OfPort, OfpError, StatsReply, StatsRequest, Version};

use super::connection::{Connection, Deadline, Incoming, versions_text};
use super::options::Options;
use super::target::{Socket, Target};
use crate::error::Error;

/// What is the same for everything that a call does.
#[derive(Clone, Debug)]
pub struct Context {
    /// Where the sockets are.
    pub rundir: PathBuf,
    /// How long the call may take; `None` is for ever.
    pub timeout: Option<Duration>,
    /// `--json`.
    pub is_json: bool,
    /// Whether a person reads the output.
    pub is_terminal: bool,
    /// The options.
    pub options: Options,
}

impl Context {
    /// Whether names of ports and tables are printed.
    #[must_use]
    pub fn shows_names(&self) -> bool {
        self.options.names.unwrap_or(self.is_terminal)
    }

    /// Whether names of ports and tables are understood.
    #[must_use]
    pub fn takes_names(&self) -> bool {
        self.options.names != Some(false)
    }

    /// Connects to the switch that an argument names.
    ///
    /// # Errors
    /// [`Error`].
    pub fn open(&self, name: &str) -> Result<Session<'_>, Error> {
        self.open_with(name, self.options.versions)
    }

    /// The same, in one of these versions.
    ///
    /// # Errors
    /// [`Error`].
    pub fn open_with(&self, name: &str, versions: Versions) -> Result<Session<'_>, Error> {
        let target = self.target(name, Socket::Mgmt)?;
        let connection = Connection::open(&target, versions, Deadline::after(self.timeout))?;
        Ok(Session {
            connection,
            context: self,
            name: name.to_owned(),
            ports: OnceCell::new(),
            names: OnceCell::new(),
        })
    }

    /// The same, in a version from `first` on; says which if none is allowed.
    ///
    /// # Errors
    /// [`Error`].
    pub fn open_from(&self, name: &str, first: Version, what: &str) -> Result<Session<'_>, Error> {
        let allowed = self.options.versions;
        let later: Versions = Version::SPOKEN
            .into_iter()
            .filter(|version| *version >= first && allowed.contains(*version))
            .collect();
        if later == Versions::default() {
            let given = versions_text(allowed);
            return Err(Error::Usage(format!("{what} needs {first} or later, not {given}")));
        }
        self.open_with(name, later)
    }

    /// Where an argument leads to.
    ///
    /// # Errors
    /// [`Error::Usage`].
    pub fn target(&self, name: &str, socket: Socket) -> Result<Target, Error> {
        Target::parse(name, &self.rundir, socket).map_err(Error::Usage)
    }
}

/// A conversation.
pub struct Session<'a> {
    /// The connection.
    pub connection: Connection,
    /// What the call asks for.
    pub context: &'a Context,
    /// What the caller calls the switch.
    pub name: String,
    ports: OnceCell<Names>,
    names: OnceCell<Names>,
}

impl Session<'_> {
    /// The version that is spoken.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.connection.version()
    }

    /// Sends a message and gives what comes back with its transaction id. A refusal is an error.
    ///
    /// # Errors
    /// [`Error`].
    pub fn ask(&mut self, message: &Message) -> Result<(Incoming, Decoded), Error> {
        let xid = self.connection.send(message).map_err(|error| self.cannot_say(message, error))?;
        self.connection.flush()?;
        self.await_xid(xid)
    }

    /// The next message with a transaction id.
    ///
    /// # Errors
    /// [`Error`]; [`Error::Refused`] if it says so.
    pub fn await_xid(&mut self, xid: u32) -> Result<(Incoming, Decoded), Error> {
        loop {
            let incoming = self.connection.recv()?;
            if incoming.xid != xid {
                continue;
            }
            let decoded = self.connection.decode(&incoming)?;
            if let Message::Error(error) = &decoded.message {
                let text = error_text(self.version(), error);
                return Err(Error::Refused(format!("{} refused it: {text}", self.name)));
            }
            return Ok((incoming, decoded));
        }
    }

    /// Asks for statistics and hands out each part of the answer.
    ///
    /// # Errors
    /// [`Error`], also one of `each`.
    pub fn stats(
        &mut self,
        request: StatsRequest,
        mut each: impl FnMut(&Session<'_>, &Incoming, StatsReply) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let message = Message::StatsRequest(request);
        let xid =
            self.connection.send(&message).map_err(|error| self.cannot_say(&message, error))?;
        self.connection.flush()?;
        loop {
            let (incoming, decoded) = self.await_xid(xid)?;
            let Message::StatsReply(reply) = decoded.message else {
                return Err(self.connection.bad(OfpError::BrBadType).into());
            };
            each(self, &incoming, reply)?;
            if !decoded.more {
                return Ok(());
            }
        }
    }

    /// Waits until the switch has done all that was sent.
    ///
    /// # Errors
    /// [`Error`].
    pub fn barrier(&mut self) -> Result<(), Error> {
        self.ask(&Message::BarrierRequest).map(drop)
    }

    /// In OpenFlow 1.0, asks for flows in Nicira's form, which says more of them. A switch that does
    /// not know it keeps the other.
    ///
    /// # Errors
    /// [`Error`].
    pub fn prefer_nxm(&mut self) -> Result<(), Error> {
        let format = self.context.options.flow_format.unwrap_or(FlowFormat::Nxm);
        if self.version() != Version::V10 || format == FlowFormat::OpenFlow10 {
            return Ok(());
        }
        let sent = self.connection.send(&Message::SetFlowFormat(FlowFormat::Nxm));
        let barrier = self.connection.send(&Message::BarrierRequest);
        let (Ok(xid), Ok(barrier)) = (sent, barrier) else { return Ok(()) };
        self.connection.flush()?;
        let mut taken = true;
        loop {
            let incoming = self.connection.recv()?;
            taken &= incoming.xid != xid;
            if incoming.xid == barrier {
                break;
            }
        }
        if taken {
            self.connection.codec.flow_format = FlowFormat::Nxm;
        }
        Ok(())
    }

    /// Reads a text that may speak of ports and tables by name. Most texts do not, and then the switch
    /// need not be asked; what it tells of its tables is long, so that comes last.
    ///
    /// # Errors
    /// What `wrong` makes of an error in the text; or [`Error`].
    pub fn read<T>(
        &mut self,
        parse: impl Fn(&Names) -> Result<T, TextError>,
        wrong: impl Fn(TextError) -> Error,
    ) -> Result<T, Error> {
        let mut error = match parse(Names::NONE) {
            Ok(read) => return Ok(read),
            Err(error) => error,
        };
        for ask in [Session::port_names, Session::names] {
            if !self.context.takes_names() {
                break;
            }
            let names = match ask(self) {
                Ok(names) => names,
                Err(Error::Refused(_)) => break,
                Err(other) => return Err(other),
            };
            error = match parse(names) {
                Ok(read) => return Ok(read),
                Err(error) => error,
            };
        }
        Err(wrong(error))
    }

    /// The names of the switch's ports, which it is asked for once.
    ///
    /// # Errors
    /// [`Error`].
    pub fn port_names(&mut self) -> Result<&Names, Error> {
        if self.ports.get().is_none() {
            let names = self.ask_ports()?;
            let _ = self.ports.set(names);
        }
        Ok(self.ports.get().unwrap_or(Names::NONE))
    }

    /// The names of the switch's ports and tables, which it is asked for once.
    ///
    /// # Errors
    /// [`Error`].
    pub fn names(&mut self) -> Result<&Names, Error> {
        if self.names.get().is_none() {
            let mut names = self.port_names()?.clone();
            self.ask_tables(&mut names)?;
            let _ = self.names.set(names);
        }
        Ok(self.names.get().unwrap_or(Names::NONE))
    }

    /// The names that are printed: all, or none if numbers are wanted.
    ///
    /// # Errors
    /// [`Error`].
    pub fn shown_names(&mut self) -> Result<Names, Error> {
        if self.context.shows_names() { self.names().cloned() } else { Ok(Names::new()) }
    }

    fn ask_ports(&mut self) -> Result<Names, Error> {
        let mut names = Names::new();
        if self.version() == Version::V10 {
            let (_, decoded) = self.ask(&Message::FeaturesRequest)?;
            if let Message::FeaturesReply(features) = decoded.message {
                features.ports.iter().for_each(|port| names.add_port(port.port, &port.name));
            }
            return Ok(names);
        }
        self.stats(StatsRequest::PortDesc(OfPort::NONE), |_, _, reply| {
            if let StatsReply::PortDesc(ports) = reply {
                ports.iter().for_each(|port| names.add_port(port.port, &port.name));
            }
            Ok(())
        })?;
        Ok(names)
    }

    /// Open vSwitch too has the names of tables in what it tells of their features, which OpenFlow 1.0
    /// does not know. A switch that does not tell has no names.
    fn ask_tables(&mut self, names: &mut Names) -> Result<(), Error> {
        let request = if self.version() == Version::V10 {
            StatsRequest::Table
        } else {
            StatsRequest::TableFeatures(Vec::new())
        };
        let mut add = |table, name: &str| {
            if !name.is_empty() {
                names.add_table(table, name);
            }
        };
        let told = self.stats(request, |_, _, reply| {
            match reply {
                StatsReply::Table(tables) => tables.iter().for_each(|t| add(t.table, &t.name)),
                StatsReply::TableFeatures(tables) => {
                    tables.iter().for_each(|t| add(t.table, &t.name));
                }
                _ => {}
            }
            Ok(())
        });
        match told {
            Err(Error::Refused(_)) => Ok(()),
            told => told,
        }
    }

    /// What cannot be said in the version that was agreed on.
    #[must_use]
    pub fn cannot_say(&self, message: &Message, error: OfpError) -> Error {
        let (what, version) = (message.kind().name(), self.version());
        Error::Usage(format!("{what} cannot be said in {version} ({error}); see -O"))
    }

    /// How texts are written.
    #[must_use]
    pub const fn style<'n>(&self, names: &'n Names) -> Style<'n> {
        Style { version: self.connection.version(), names }
    }
}
