//! Reading of whole command lines: where options may stand, and what is refused.

use std::os::unix::ffi::OsStringExt as _;

use super::*;

fn read_words(line: &str) -> Result<(Globals, Vec<Part>), Error> {
    read(std::iter::once("ofctl").chain(line.split_whitespace()).map(OsString::from))
}

fn part(switches: &[Switch], words: &str) -> Part {
    let words = words.split_whitespace().map(str::to_owned).collect();
    Part { switches: switches.to_vec(), options: Vec::new(), words }
}

fn usage_text(line: &str) -> String {
    match read_words(line) {
        Err(Error::Usage(text)) => text,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn the_described_command_is_sound() {
    described().debug_assert();
    parser().debug_assert();
}

#[test]
fn options_stand_before_or_after_the_word() {
    let expected = Globals {
        rundir: Some("/tmp/x".into()),
        is_json: true,
        timeout: Some(Duration::from_secs(5)),
        ..Globals::default()
    };
    for line in [
        "--rundir /tmp/x --json --timeout 5 show br0",
        "--rundir=/tmp/x show --timeout=5 br0 --json",
        "show br0 --json --timeout 5 --rundir /tmp/x",
        "--rundir /nowhere show br0 --json --timeout 5 --rundir /tmp/x",
    ] {
        let (globals, parts) = read_words(line).unwrap();
        assert_eq!(globals, expected, "{line}");
        assert_eq!(parts, [part(&[], "show br0")], "{line}");
    }
}

#[test]
fn switches_stand_before_or_after_the_word_of_their_own_part() {
    let expected = [part(&[Switch::MayExist], "add-br br0"), part(&[], "add-port br0 p0 tag=5")];
    for line in [
        "--may-exist add-br br0 -- add-port br0 p0 tag=5",
        "add-br --may-exist br0 -- add-port br0 p0 tag=5",
        "add-br br0 --may-exist -- add-port br0 p0 tag=5",
    ] {
        assert_eq!(read_words(line).unwrap().1, expected, "{line}");
    }
}

#[test]
fn a_call_may_start_with_the_separator() {
    let (globals, parts) = read_words("--json -- --if-exists del-br br0").unwrap();
    assert!(globals.is_json);
    assert_eq!(parts, [Part::default(), part(&[Switch::IfExists], "del-br br0")]);
}

#[test]
fn a_word_for_the_daemon_takes_everything_that_follows() {
    let (globals, parts) =
        read_words("--json dpctl/dump-flows -m --json --rundir x -- y -- --z").unwrap();
    assert_eq!(globals, Globals { is_json: true, ..Globals::default() });
    assert_eq!(parts, [part(&[], "dpctl/dump-flows -m --json --rundir x -- y -- --z")]);
    let (globals, parts) = read_words("list-commands --help").unwrap();
    assert!(!globals.wants_help);
    assert_eq!(parts, [part(&[], "list-commands --help")]);
}

#[test]
fn help_and_version_have_short_names() {
    assert!(read_words("-h").unwrap().0.wants_help);
    assert!(read_words("add-br --help").unwrap().0.wants_help);
    assert!(read_words("-V").unwrap().0.wants_version);
}

#[test]
fn wrong_options_are_one_line_that_names_them() {
    for (line, named) in [
        ("--frobnicate show", "'--frobnicate'"),
        ("--jsn show", "'--json'"),
        ("show --rundir", "--rundir"),
        ("--timeout soon show", "'soon'"),
        ("--timeout -1 show", "-1"),
        ("--timeout 86401 show", "86401"),
        ("-q show", "'-q'"),
        ("add-br br0 -- --nonsense del-br br0", "'--nonsense'"),
    ] {
        let text = usage_text(line);
        assert!(text.contains(named), "{line}: {text}");
        assert!(!text.contains('\n') && !text.starts_with("error"), "{text}");
    }
}

#[test]
fn text_that_is_not_utf8_is_refused() {
    for words in [&["show"][..], &["fdb/show"], &["fdb/show", "--"], &["no-such-word"]] {
        let args = ["ofctl"].iter().chain(words).map(OsString::from);
        let args = args.chain([OsString::from_vec(vec![b'b', 0xff])]);
        assert!(matches!(read(args), Err(Error::Usage(_))), "{words:?}");
    }
}
