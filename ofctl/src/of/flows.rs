//! `add-flow`, `add-flows`, `mod-flows`, `del-flows`, `bundle`.

use openflow::Message;
use openflow::flow::FlowCommand;
use openflow::group::GroupCommand;
use openflow::text::{Names, TextError, parse_flow_named, parse_group, parse_packet_out};

use super::arg;
use super::orders::{Source, carry_out};
use super::session::Context;
use crate::error::Error;

const fn strict(command: FlowCommand, is_strict: bool) -> FlowCommand {
    match command {
        FlowCommand::Modify if is_strict => FlowCommand::ModifyStrict,
        FlowCommand::Delete if is_strict => FlowCommand::DeleteStrict,
        command => command,
    }
}

/// A flow that is an argument; to delete, none means all.
///
/// # Errors
/// [`Error`].
pub(super) fn one(context: &Context, command: FlowCommand, args: &[String]) -> Result<(), Error> {
    let command = strict(command, context.options.is_strict);
    if arg(args, 1) == "-" && args.len() == 2 {
        return from_file(context, args, command);
    }
    let source = Source::argument(arg(args, 1));
    carry_out(context, arg(args, 0), &source, &|text, names| {
        parse_flow_named(command, text, names).map(|flow| Message::FlowMod(Box::new(flow)))
    })
}

/// Flows of a file, each of which may say what to do with it.
///
/// # Errors
/// [`Error`].
pub(super) fn many(context: &Context, args: &[String]) -> Result<(), Error> {
    from_file(context, args, FlowCommand::Add)
}

fn from_file(context: &Context, args: &[String], command: FlowCommand) -> Result<(), Error> {
    let source = Source::file(arg(args, 1))?;
    carry_out(context, arg(args, 0), &source, &|text, names| parse_line(command, text, names))
}

const WORDS: [(&str, FlowCommand); 5] = [
    ("add", FlowCommand::Add),
    ("modify", FlowCommand::Modify),
    ("modify_strict", FlowCommand::ModifyStrict),
    ("delete", FlowCommand::Delete),
    ("delete_strict", FlowCommand::DeleteStrict),
];

/// The words before and behind the first blank or comma.
fn split_word(text: &str) -> (&str, &str) {
    let is_gap = |c: char| c == ',' || c.is_ascii_whitespace();
    text.split_once(is_gap).unwrap_or((text, ""))
}

/// An error within the part of a text, seen from the whole.
fn shift(part: &str, whole: &str, error: TextError) -> TextError {
    let before = whole.len() - part.len();
    TextError { column: error.column + before, ..error }
}

/// A flow that may have a word before it that says what to do.
pub(super) fn parse_line(
    default: FlowCommand,
    text: &str,
    names: &Names,
) -> Result<Message, TextError> {
    let (word, rest) = split_word(text);
    let found = WORDS.iter().find(|(known, _)| *known == word);
    let (command, flow) = found.map_or((default, text), |(_, command)| (*command, rest));
    let parsed = parse_flow_named(command, flow, names);
    let flow_mod = parsed.map_err(|error| shift(flow, text, error))?;
    Ok(Message::FlowMod(Box::new(flow_mod)))
}

const GROUP_WORDS: [(&str, GroupCommand); 7] = [
    ("add", GroupCommand::Add),
    ("modify", GroupCommand::Modify),
    ("add_or_mod", GroupCommand::AddOrModify),
    ("delete", GroupCommand::Delete),
    ("insert_bucket", GroupCommand::InsertBucket),
    ("insert_buckets", GroupCommand::InsertBucket),
    ("remove_bucket", GroupCommand::RemoveBucket),
];

/// A group that may have a word before it that says what to do.
pub(super) fn parse_group_line(text: &str, names: &Names) -> Result<Message, TextError> {
    let (word, rest) = split_word(text);
    let found = GROUP_WORDS.iter().find(|(known, _)| *known == word);
    let (command, group) = found.map_or((GroupCommand::Add, text), |(_, c)| (*c, rest));
    let parsed = parse_group(command, group, names);
    parsed.map(Message::GroupMod).map_err(|error| shift(group, text, error))
}

/// `bundle BR FILE`: each line says what it is about.
///
/// # Errors
/// [`Error`].
pub(super) fn bundle(context: &Context, args: &[String]) -> Result<(), Error> {
    let source = Source::file(arg(args, 1))?;
    let mut context = context.clone();
    context.options.is_bundle = true;
    carry_out(&context, arg(args, 0), &source, &|text, names| {
        let (word, rest) = split_word(text);
        let parsed = match word {
            "flow" => parse_line(FlowCommand::Add, rest, names),
            "group" => parse_group_line(rest, names),
            "packet-out" => {
                parse_packet_out(rest, names).map(|out| Message::PacketOut(Box::new(out)))
            }
            _ => {
                let expected = "flow, group or packet-out";
                return Err(TextError { column: 1, found: word.to_owned(), expected });
            }
        };
        parsed.map_err(|error| shift(rest, text, error))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_may_say_what_to_do() {
        let command = |text: &str| match parse_line(FlowCommand::Add, text, Names::NONE) {
            Ok(Message::FlowMod(flow)) => Ok(flow.command),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.column),
        };
        assert_eq!(command("tcp,actions=drop"), Ok(FlowCommand::Add));
        assert_eq!(command("delete tcp"), Ok(FlowCommand::Delete));
        assert_eq!(command("modify_strict priority=3,actions=1"), Ok(FlowCommand::ModifyStrict));
        assert_eq!(command("delete tpc"), Err(8));
        assert_eq!(command("add,udp,actions=fly"), Err(17));
    }
}
