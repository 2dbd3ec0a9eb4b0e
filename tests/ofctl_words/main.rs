//! The crate `openflow` against the real `ovs-ofctl`: what it sends is what we would send, byte for
//! byte; what we write it reads as we read it.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, reason = "in a test, an expectation that breaks is a failure")]

mod flows;
mod switch;

use std::io::Write;

use flows::{BROKEN, FLOWS};
use openflow::codec::{FlowFormat, TableIds};
use openflow::error::{ErrorCodes, MAX_ERROR_DATA_LEN};
use openflow::flow::{FlowCommand, FlowMod};
use openflow::text::{actions_text, flow_mod_text, match_text, parse_actions, parse_flow};
use openflow::{Codec, Message, OfpError, Version};
use switch_tests::process::{must, run};

fn flow(text: &str) -> FlowMod {
    parse_flow(FlowCommand::Add, text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Whole messages, as `ovs-ofctl ofp-parse` shows them, one line each.
fn shown(messages: &[Vec<u8>]) -> Vec<String> {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    messages.iter().for_each(|message| file.write_all(message).expect("written"));
    let output = must(&["ovs-ofctl", "ofp-parse", &file.path().display().to_string()]);
    let title = |line: &&str| line.contains("(xid=");
    output.lines().filter(title).map(|line| line.trim_end().to_owned()).collect()
}

/// The title that `ovs-ofctl` gives a message of a version.
fn title(name: &str, version: Version, xid: u32) -> String {
    let version =
        if version == Version::V10 { String::new() } else { format!(" ({})", version.short()) };
    format!("{name}{version} (xid={xid:#x}):")
}

#[test]
fn ovs_ofctl_reads_our_bytes_as_we_do() {
    let (mut messages, mut expected) = (Vec::new(), Vec::new());
    for (versions, text) in FLOWS {
        for version in *versions {
            let codec = Codec { table_ids: TableIds::On, ..Codec::new(*version) };
            let message = Message::FlowMod(Box::new(flow(text)));
            let bytes = codec.encode(1, &message).unwrap_or_else(|e| panic!("{text}: {e}"));
            let decoded = codec.decode(&bytes).unwrap_or_else(|e| panic!("{version} {text}: {e}"));
            let Message::FlowMod(back) = decoded.message else { panic!("{text}") };
            let nicira = *version == Version::V10 && bytes[1] == 4;
            let name = if nicira { "NXT_FLOW_MOD" } else { "OFPT_FLOW_MOD" };
            let title = title(name, *version, 1);
            expected.push(format!("{title} {}", flow_mod_text(*version, &back)));
            messages.push(bytes);
        }
    }
    let shown = shown(&messages);
    assert_eq!(shown.len(), expected.len());
    let differ: Vec<String> = shown
        .iter()
        .zip(&expected)
        .filter(|(theirs, ours)| theirs != ours)
        .map(|(theirs, ours)| format!("ovs-ofctl: {theirs}\n     ours: {ours}"))
        .collect();
    assert!(differ.is_empty(), "{} of {}\n{}", differ.len(), shown.len(), differ.join("\n"));
    assert!(shown.len() > 400, "only {} flows", shown.len());
}

#[test]
fn ovs_ofctl_sends_what_we_would_send() {
    let mut differ = Vec::new();
    let mut n = 0;
    for version in Version::SPOKEN {
        let switch = switch::Switch::start(version);
        for (_, text) in FLOWS.iter().filter(|(versions, _)| versions.contains(&version)) {
            let sent = switch.add_flow(text);
            let nicira = version == Version::V10 && sent[1] == 4;
            let flow_format = if nicira { FlowFormat::Nxm } else { FlowFormat::OpenFlow10 };
            let table_ids = if text.contains("table=4") { TableIds::On } else { TableIds::Off };
            let codec = Codec { version, flow_format, table_ids };
            let ours = Message::FlowMod(Box::new(flow(text)));
            let mut ours = codec.encode(0, &ours).unwrap_or_else(|e| panic!("{text}: {e}"));
            ours[4..8].copy_from_slice(&sent[4..8]);
            n += 1;
            if sent != ours {
                differ.push(format!("{version} {text}\n  {}\n  {}", hex(&sent), hex(&ours)));
            }
            let decoded = codec.decode(&sent).unwrap_or_else(|e| panic!("{version} {text}: {e}"));
            let xid = decoded.xid;
            let again = codec.encode(xid, &decoded.message).expect("what was read can be written");
            if again != sent {
                differ.push(format!("again {version} {text}\n  {}\n  {}", hex(&sent), hex(&again)));
            }
        }
    }
    assert!(differ.is_empty(), "{} of {n}\n{}", differ.len(), differ.join("\n"));
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn texts_round_trip() {
    for (versions, text) in FLOWS {
        let version = versions[0];
        let flow = flow(text);
        let matching = match_text(&flow.matching, openflow::flow::DEFAULT_PRIORITY);
        let back = openflow::text::parse_match(&matching);
        assert_eq!(back.as_ref(), Ok(&flow.matching), "{matching}");
        let actions = actions_text(version, &flow.actions);
        assert_eq!(parse_actions(&actions).as_ref(), Ok(&flow.actions), "{actions}");
    }
}

#[test]
fn what_is_wrong_is_named_with_its_column() {
    for (text, column) in BROKEN {
        let error = parse_flow(FlowCommand::Add, text).expect_err(text);
        assert_eq!(error.column, *column, "{text}: {error}");
        let prefix = format!("column {column}: \"");
        assert!(error.to_string().starts_with(&prefix) && !error.expected.is_empty(), "{error}");
    }
}

#[test]
fn errors_have_the_numbers_of_ovs_ofctl() {
    for error in OfpError::ALL {
        let output = must(&["ovs-ofctl", "print-error", error.name()]);
        for version in Version::ALL {
            // What a version cannot say, some lists leave out and some say as -1.
            let minor = format!("OpenFlow 1.{}: ", version.wire() - 1);
            let shown = output.lines().find_map(|line| line.strip_prefix(&minor));
            let shown = shown.filter(|text| !text.contains("-1"));
            let ours = error.codes(version).map(|ErrorCodes { vendor, error_type, code }| {
                let vendor = if vendor == 0 { "0".to_owned() } else { format!("{vendor:#x}") };
                format!("vendor {vendor}, type {error_type}, code {code}")
            });
            assert_eq!(ours.as_deref(), shown, "{error} {version}");
        }
    }
}

#[test]
fn errors_are_shown_by_name() {
    for version in Version::SPOKEN {
        let codec = Codec::new(version);
        let request = codec.encode(4, &Message::BarrierRequest).expect("a barrier");
        let errors = [OfpError::FmfTableFull, OfpError::BmBadPrereq, OfpError::BrBadLen];
        let messages: Vec<Vec<u8>> =
            errors.iter().map(|error| codec.encode_error(*error, &request)).collect();
        let expected: Vec<String> =
            errors.iter().map(|e| format!("{} {e}", title("OFPT_ERROR", version, 4))).collect();
        let shown = shown(&messages);
        for line in &expected {
            assert!(shown.contains(line), "{line}\n{}", shown.join("\n"));
        }
        assert!(messages.iter().all(|m| m.len() <= MAX_ERROR_DATA_LEN + 24));
    }
}

#[test]
fn hellos_are_understood() {
    let hello = Message::Hello(openflow::hello::Hello { versions: openflow::Versions::spoken() });
    let bytes = Codec::new(Version::V10).encode(1, &hello).expect("a hello");
    let shown = run(&["ovs-ofctl", "ofp-print", &hex(&bytes)]).stdout;
    assert!(shown.contains("version bitmap: 0x01, 0x04, 0x05, 0x06"), "{shown}");
}
