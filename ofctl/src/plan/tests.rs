//! What a command line becomes: transactions, words of the daemon, and wrong calls.

use super::*;
use crate::cli;

fn plan_of(line: &str) -> Result<Plan, String> {
    let args = std::iter::once("ofctl").chain(line.split_whitespace());
    let (_, parts) = cli::read(args.map(Into::into)).map_err(|error| error.to_string())?;
    plan(parts).map_err(|error| {
        assert_eq!(error.exit_code(), 2);
        error.to_string()
    })
}

fn transact(words: &str) -> Result<Plan, String> {
    Ok(Plan::Transact(words.split_whitespace().map(str::to_owned).collect()))
}

#[test]
fn commands_separated_by_dashes_are_one_transaction() {
    for (line, words) in [
        ("add-br br0", "add-br br0"),
        ("add-br br0 --may-exist", "--may-exist add-br br0"),
        ("-- --if-exists del-br br0", "--if-exists del-br br0"),
        (
            "add-br br0 -- --may-exist add-port br0 p0 -- set port p0 tag=5",
            "add-br br0 -- --may-exist add-port br0 p0 -- set port p0 tag=5",
        ),
        ("list-br -- list-ports br0", "list-br -- list-ports br0"),
    ] {
        assert_eq!(plan_of(line), transact(words), "{line}");
    }
}

#[test]
fn other_commands_find_their_way() {
    assert_eq!(plan_of("show"), Ok(Plan::Show(None)));
    assert_eq!(plan_of("show br0"), Ok(Plan::Show(Some("br0".into()))));
    assert_eq!(plan_of("-- show br0"), Ok(Plan::Show(Some("br0".into()))));
    let params = vec!["br0".to_owned(), "-m".to_owned()];
    let method = "no-one/knows".to_owned();
    assert_eq!(plan_of("no-one/knows br0 -m"), Ok(Plan::Verbatim { method, params }));
    let method = "version".to_owned();
    assert_eq!(plan_of("version"), Ok(Plan::Verbatim { method, params: vec![] }));
    assert_eq!(plan_of("help"), Ok(Plan::Help(None)));
    assert_eq!(plan_of("help set"), Ok(Plan::Help(CommandSpec::find("set"))));
    let expected = Plan::Generate { what: Generated::Man, dir: "out".into() };
    assert_eq!(plan_of("generate man out"), Ok(expected));
}

#[test]
fn a_wrong_call_says_what_is_wrong() {
    for (line, said) in [
        ("", "no command given"),
        ("--json", "no command given"),
        ("add-br br0 --", "no command given"),
        ("add-br br0 -- -- del-br br0", "no command given"),
        ("--may-exist", "no command given"),
        ("ad-br br0", "\"ad-br\" is not a command; did you mean \"add-br\"?"),
        ("frobnicate", "\"frobnicate\" is not a command (see"),
        ("add-port br0", "usage: ofctl [--may-exist] add-port BR PORT [KEY=VALUE...]"),
        ("add-br br0 -- del-br", "del-br takes at least 1 argument, not 0"),
        ("list-br br0", "list-br takes no arguments, not 1"),
        ("--may-exist del-br br0", "del-br does not take --may-exist"),
        ("--if-exists show", "show does not take --if-exists"),
        ("--if-exists fdb/show", "fdb/show does not take --if-exists"),
        ("add-br br0 -- show", "show cannot be combined"),
        ("add-br br0 -- fdb/show br0", "fdb/show cannot be combined"),
        ("add-br br0 -- version", "version cannot be combined"),
        ("help nonsense", "\"nonsense\" is not a command"),
        ("generate nonsense out", "allowed: man, completions"),
    ] {
        let text = plan_of(line).expect_err(line);
        assert!(text.contains(said), "{line}: {text}");
        assert!(!text.contains('\n'), "{text}");
    }
}
