//! The flow family: commands that speak OpenFlow with a bridge, in the words of `ovs-ofctl`.
//!
//! # Design
//! ```text
//!  argument or file ─► text (crate openflow) ─► orders ─► session ─► connection ─► <rundir>/<BR>.mgmt
//!                                        stdout ◄─ text or JSON ◄─ parts of a reply ◄─┘
//! ```
//! [`target`] says where a switch is, [`connection`] carries messages, [`session`] asks and
//! is answered, [`orders`] sends many commands at once. The other modules are topics: a few commands
//! each. What they print is written by `openflow::text`, as `ovs-ofctl` prints it, or is [`json`].
//!
//! # Invariants
//! Nothing is sent before everything that is to be sent was understood.
//!
//! # References
//! ovs-ofctl(8).

mod compare;
pub mod connection;
mod dump;
mod flows;
mod groups;
mod json;
pub mod options;
mod orders;
mod packet;
mod queue;
mod session;
mod sort;
mod switch;
pub mod target;
mod tlv;
mod watch;

use std::io::Write;

use openflow::flow::FlowCommand;
use openflow::group::GroupCommand;
use openflow::meter::MeterCommand;
use openflow::nicira::TlvCommand;

pub use session::Context;

use crate::error::Error;

/// What a command of the family does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Task {
    /// `add-flow` and its kin: the flow is an argument.
    Flow(FlowCommand),
    /// `add-flows`: flows from a file.
    Flows,
    /// `replace-flows`.
    ReplaceFlows,
    /// `diff-flows`.
    DiffFlows,
    /// `dump-flows`.
    DumpFlows,
    /// A dump of anything else.
    Dump(Dump),
    /// A group, as an argument.
    Group(GroupCommand),
    /// `add-groups`: groups from a file.
    Groups,
    /// A meter, as an argument.
    Meter(MeterCommand),
    /// `mod-port`.
    ModPort,
    /// `mod-table`.
    ModTable,
    /// `get-frags`.
    GetFrags,
    /// `set-frags`.
    SetFrags,
    /// `add-tlv-map` and `del-tlv-map`.
    TlvMap(TlvCommand),
    /// `dump-tlv-map`.
    DumpTlvMap,
    /// `queue-get-config`.
    QueueConfig,
    /// `packet-out`.
    PacketOut,
    /// `bundle`: commands of all kinds from a file.
    Bundle,
    /// `monitor`.
    Monitor,
    /// `snoop`.
    Snoop,
    /// `probe`.
    Probe,
    /// `ping`.
    Ping,
}

/// What is dumped by one request for statistics.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Dump {
    Aggregate,
    Desc,
    Groups,
    GroupStats,
    GroupFeatures,
    Meters,
    MeterStats,
    MeterFeatures,
    Ports,
    PortsDesc,
    Queues,
    Tables,
    TableFeatures,
    TableDesc,
}

/// Does what a call asks for.
///
/// # Errors
/// [`Error`].
pub fn run(
    task: Task,
    args: &[String],
    context: &Context,
    out: &mut dyn Write,
) -> Result<(), Error> {
    match task {
        Task::Flow(command) => flows::one(context, command, args),
        Task::Flows => flows::many(context, args),
        Task::ReplaceFlows => compare::replace(context, args),
        Task::DiffFlows => compare::diff(context, args, out),
        Task::DumpFlows => dump::flows(context, args, out),
        Task::Dump(dump) => dump::stats(context, dump, args, out),
        Task::Group(command) => groups::one(context, command, args),
        Task::Groups => groups::many(context, args),
        Task::Meter(command) => groups::meter(context, command, args),
        Task::ModPort => switch::mod_port(context, args),
        Task::ModTable => switch::mod_table(context, args),
        Task::GetFrags => switch::get_frags(context, args, out),
        Task::SetFrags => switch::set_frags(context, args),
        Task::TlvMap(command) => tlv::change(context, command, args),
        Task::DumpTlvMap => tlv::dump(context, args, out),
        Task::QueueConfig => queue::config(context, args, out),
        Task::PacketOut => packet::out(context, args),
        Task::Bundle => flows::bundle(context, args),
        Task::Monitor => watch::monitor(context, args, out),
        Task::Snoop => watch::snoop(context, args, out),
        Task::Probe => switch::probe(context, args),
        Task::Ping => switch::ping(context, args, out),
    }
}

/// The argument at a place; the table has checked that it is there.
fn arg(args: &[String], at: usize) -> &str {
    args.get(at).map_or("", String::as_str)
}

fn print(out: &mut dyn Write, text: &str) -> Result<(), Error> {
    out.write_all(text.as_bytes()).map_err(Error::Output)
}
