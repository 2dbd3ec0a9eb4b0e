//! The man page: frame by `clap_mangen`, commands from the table, by family.

use std::io;
use std::path::Path;

use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::cli;
use crate::command::{CommandSpec, Family};
use crate::complete::write_file;
use crate::error::Error;
use crate::table::SHARED_OPTIONS;

/// Writes `ofctl.1` into a folder, made if missing.
///
/// # Errors
///
/// [`Error::Generate`] names the file that could not be written.
pub fn write(dir: &Path) -> Result<(), Error> {
    let mut text = Vec::new();
    render(&mut text).map_err(|source| Error::Generate { path: "ofctl.1".to_owned(), source })?;
    write_file(dir, "ofctl.1", &text)
}

/// Renders the page as roff.
///
/// # Errors
///
/// Whatever writing to `out` says.
pub fn render(out: &mut dyn io::Write) -> io::Result<()> {
    let command = cli::described()
        .override_usage("ofctl [OPTIONS] COMMAND [ARGUMENTS] [-- COMMAND [ARGUMENTS]]...");
    let source = concat!("vswitch ", env!("CARGO_PKG_VERSION"));
    let man = Man::new(command).date("").source(source).manual("vswitch manual");
    man.render_title(out)?;
    man.render_name_section(out)?;
    let mut page = Roff::new();
    page.control("SH", ["SYNOPSIS"]);
    page.text([bold("ofctl"), roman(" [OPTIONS] COMMAND [ARGUMENTS] [-- COMMAND [ARGUMENTS]]...")]);
    page.control("SH", ["DESCRIPTION"]);
    paragraphs(&mut page, DESCRIPTION);
    page.to_writer(out)?;
    man.render_options_section(out)?;
    let mut page = Roff::new();
    page.control("SH", ["COMMANDS"]);
    for family in Family::SHOWN {
        page.control("SS", [family.title()]);
        if family == Family::Flows {
            paragraphs(&mut page, &flow_options());
        }
        CommandSpec::of_family(family).for_each(|command| entry(&mut page, command));
    }
    for (title, text) in SECTIONS {
        page.control("SH", [*title]);
        paragraphs(&mut page, text);
    }
    page.to_writer(out)
}

fn entry(page: &mut Roff, command: &CommandSpec) {
    page.control("TP", []);
    let mut line = Vec::new();
    for switch in command.switches {
        line.push(roman(format!("[--{}] ", switch.long())));
    }
    line.push(bold(command.name));
    line.push(roman(format!(" {}", command.args)));
    let own = || command.options.iter().filter(|option| !SHARED_OPTIONS.contains(option));
    for option in own() {
        line.push(roman(format!(" [{}]", option.usage())));
    }
    page.text(line);
    page.text([roman(format!("{}.", command.help))]);
    let options = own().map(|option| format!("  {}: {}.\n", option.signature(), option.help));
    let text: String = options.collect::<String>() + command.long_help;
    if !text.is_empty() {
        page.control("RS", []);
        paragraphs(page, &text);
        page.control("RE", []);
    }
}

/// What is said once for the whole family.
fn flow_options() -> String {
    let mut text = String::from(
        "BR is a bridge, whose socket is in the rundir, or unix:PATH, or tcp:HOST[:PORT].
Options that all of these commands take, and of dump-flows:
",
    );
    for option in SHARED_OPTIONS {
        text.push_str(&format!("  {}: {}.\n", option.signature(), option.help));
    }
    text
}

/// Lines as a paragraph; those that start with two blanks as they stand.
fn paragraphs(page: &mut Roff, text: &str) {
    let mut is_verbatim = false;
    page.control("PP", []);
    for line in text.lines() {
        if line.starts_with("  ") != is_verbatim {
            is_verbatim = !is_verbatim;
            page.control(if is_verbatim { "nf" } else { "fi" }, []);
        }
        match line {
            "" => page.control("PP", []),
            line => page.text([roman(line)]),
        };
    }
    if is_verbatim {
        page.control("fi", []);
    }
}

const DESCRIPTION: &str = "\
ofctl configures and inspects a running vswitchd(8) by its control socket.
Its words, their order and their output are those of ovs-vsctl(8), ovs-ofctl(8) and
ovs-appctl(8).

Commands on bridges and ports that are separated by -- are one transaction: all are done,
or none. What they change is on disk before ofctl returns.

A word with a slash goes to the daemon as it stands, with everything that follows it;
options of ofctl stand before it.";

const SECTIONS: &[(&str, &str)] = &[
    (
        "EXIT STATUS",
        "  0  Done.
  1  Refused by the switch: nothing was changed. Or standard output could not be written.
  2  Wrong usage: nothing was sent. Of diff-flows: the flows differ.
  3  No daemon there, or one that does not answer in time or as it should.

An error is one line on standard error.",
    ),
    (
        "ENVIRONMENT",
        "\
VSWITCH_RUNDIR names the folder of the daemon's sockets, unless --rundir does.",
    ),
    (
        "FILES",
        "  /run/vswitch/vswitchd.ctl  the control socket
  /run/vswitch/BR.mgmt       the OpenFlow socket of a bridge",
    ),
    (
        "EXAMPLES",
        "  ofctl add-br br0 -- add-port br0 eth1 -- add-port br0 eth2 tag=10
  ofctl -- --if-exists del-br br0 -- add-br br0 fail_mode=secure
  ofctl set port eth2 vlan_mode=trunk trunks=10,20,30-40
  ofctl --json show br0
  ofctl fdb/show br0
  ofctl add-flow br0 tcp,tp_dst=80,actions=output:2
  ofctl dump-flows br0 table=0",
    ),
    (
        "SEE ALSO",
        "vswitchd(8), ovs-vsctl(8), ovs-ofctl(8), ovs-appctl(8), ovs-fields(7), ovs-actions(7)",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::COMMANDS;

    #[test]
    fn the_page_has_every_command_and_no_stray_control_line() {
        let mut text = Vec::new();
        render(&mut text).unwrap();
        let page = String::from_utf8(text).unwrap();
        for row in COMMANDS.iter().filter(|row| row.family != Family::Hidden) {
            let name = row.name.replace('-', "\\-");
            assert!(page.contains(&format!("\\fB{name}\\fR")), "the page lacks {}", row.name);
        }
        const KNOWN: [&str; 11] =
            [".ie", ".el", ".TH", ".SH", ".SS", ".TP", ".RS", ".RE", ".PP", ".nf", ".fi"];
        for line in page.lines().filter(|line| line.starts_with('.')) {
            assert!(KNOWN.iter().any(|known| line.starts_with(known)), "{line}");
        }
    }
}
