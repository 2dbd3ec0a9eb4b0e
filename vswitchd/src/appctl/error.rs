//! Why a command is refused, in the words of Open vSwitch where it has them.

/// Why a command is refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AppctlError {
    /// No such command.
    #[error(
        "\"{0}\" is not a valid command (use \"list-commands\" to see a list of valid commands)"
    )]
    NoCommand(String),
    /// Arguments are missing.
    #[error("\"{name}\" command requires at least {min} arguments")]
    TooFew {
        /// The command.
        name: &'static str,
        /// What it needs.
        min: usize,
    },
    /// There are too many arguments.
    #[error("\"{name}\" command takes at most {max} arguments")]
    TooMany {
        /// The command.
        name: &'static str,
        /// What it takes.
        max: usize,
    },
    /// An argument is not a string.
    #[error("\"{0}\" command has non-string argument")]
    NotAString(&'static str),
    /// No such bridge.
    #[error("no such bridge {0}")]
    NoBridge(String),
    /// No such port.
    #[error("no such port {port} on bridge {bridge}")]
    NoPort {
        /// Where it was looked for.
        bridge: String,
        /// What was looked for: a name or an OpenFlow number.
        port: String,
    },
    /// A port without a device.
    #[error("port {0} has no device now, so nothing can be reached by it")]
    NoDevice(String),
    /// Not a MAC address, or one that no host has.
    #[error("bad MAC address {value}{why}")]
    BadMac {
        /// What was given.
        value: String,
        /// What is wrong with it, beginning with a blank or a colon; or nothing.
        why: &'static str,
    },
    /// Not a VID.
    #[error("bad VLAN {0} (allowed: 0 to 4095)")]
    BadVlan(String),
    /// No such static entry.
    #[error("could not find static mac entry")]
    NoStaticEntry,
    /// The table holds no more.
    #[error(transparent)]
    FdbFull(#[from] datapath::l2::fdb::FdbFull),
    /// No such datapath.
    #[error("vswitchd: opening datapath {0} failed (No such file or directory)")]
    NoDatapath(String),
    /// No such counter.
    #[error("No such counter")]
    NoCounter,
    /// A bad word for `vlog/set`.
    #[error(transparent)]
    Vlog(#[from] crate::log::SpecError),
    /// The log file cannot be opened.
    #[error("cannot reopen the log file: {0}")]
    Reopen(String),
    /// An argument that the command does not know.
    #[error("{command}: unknown argument {value} (allowed: {allowed})")]
    Argument {
        /// The command.
        command: &'static str,
        /// What was given.
        value: String,
        /// What may be given.
        allowed: &'static str,
    },
    /// What the switch says to `ofctl`: one line, passed on as it is.
    #[error("{0}")]
    Switch(String),
}

impl AppctlError {
    /// The text of the error as the protocol carries it.
    #[must_use]
    pub fn into_reply(self) -> String {
        match self {
            AppctlError::Switch(text) => text,
            error => format!("{error}\n"),
        }
    }
}
