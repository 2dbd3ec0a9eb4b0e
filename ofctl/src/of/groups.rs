//! `add-group` and its kin, and meters.

use openflow::Message;
use openflow::group::GroupCommand;
use openflow::meter::MeterCommand;
use openflow::text::{parse_group, parse_meter};

use super::orders::{Source, carry_out};
use super::session::Context;
use super::{arg, flows};
use crate::error::Error;

/// A group that is an argument; to delete, none means all.
///
/// # Errors
/// [`Error`].
pub(super) fn one(context: &Context, command: GroupCommand, args: &[String]) -> Result<(), Error> {
    let creates = command == GroupCommand::Modify && context.options.may_create;
    let command = if creates { GroupCommand::AddOrModify } else { command };
    let source = Source::argument(arg(args, 1));
    carry_out(context, arg(args, 0), &source, &|text, names| {
        parse_group(command, text, names).map(Message::GroupMod)
    })
}

/// Groups of a file.
///
/// # Errors
/// [`Error`].
pub(super) fn many(context: &Context, args: &[String]) -> Result<(), Error> {
    let source = Source::file(arg(args, 1))?;
    carry_out(context, arg(args, 0), &source, &flows::parse_group_line)
}

/// A meter that is an argument; to delete, none means all.
///
/// # Errors
/// [`Error`].
pub(super) fn meter(
    context: &Context,
    command: MeterCommand,
    args: &[String],
) -> Result<(), Error> {
    let source = Source::argument(arg(args, 1));
    carry_out(context, arg(args, 0), &source, &|text, _| {
        parse_meter(command, text).map(Message::MeterMod)
    })
}
