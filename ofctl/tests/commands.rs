//! What `ofctl` sends, prints and exits with, against a stand-in for the daemon.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::{Value, json};

mod support;

use support::{FakeDaemon, Run, ofctl};

fn text(result: &'static str) -> FakeDaemon {
    FakeDaemon::answering(move |_, _| (json!(result), Value::Null))
}

#[test]
fn configuration_commands_travel_as_one_transaction() {
    let daemon = text("");
    let run =
        daemon.ofctl(&["add-br", "br0", "--", "add-port", "--may-exist", "br0", "p0", "tag=5"]);
    assert_eq!(run, Run::printed(""));
    let params = json!([
        "--format=text",
        "add-br",
        "br0",
        "--",
        "--may-exist",
        "add-port",
        "br0",
        "p0",
        "tag=5"
    ]);
    assert_eq!(daemon.requests(), [("vswitch/transact".to_owned(), params)]);
}

#[test]
fn json_is_asked_of_the_daemon() {
    let daemon = text("[\"br0\"]\n");
    assert_eq!(daemon.ofctl(&["list-br", "--json"]), Run::printed("[\"br0\"]\n"));
    let params = json!(["--format=json", "list-br"]);
    assert_eq!(daemon.requests(), [("vswitch/transact".to_owned(), params)]);
    let daemon = text("{\"bridges\": []}\n");
    assert_eq!(daemon.ofctl(&["--json", "show", "br0"]), Run::printed("{\"bridges\": []}\n"));
    let params = json!(["--format=json", "br0"]);
    assert_eq!(daemon.requests(), [("vswitch/show".to_owned(), params)]);
}

#[test]
fn words_with_a_slash_travel_as_they_stand() {
    let daemon = text("line 1\nline 2");
    let run = daemon.ofctl(&["dpctl/dump-flows", "-m", "--json", "--", "x y"]);
    assert_eq!(run, Run::printed("line 1\nline 2\n"));
    let params = json!(["-m", "--json", "--", "x y"]);
    assert_eq!(daemon.requests(), [("dpctl/dump-flows".to_owned(), params)]);
}

#[test]
fn json_of_a_word_is_agreed_on_first_and_unwrapped() {
    for (reply, printed) in [
        (json!({"br0": [{"port": 1}]}), "{\"br0\":[{\"port\":1}]}\n"),
        (json!({"reply-format": "plain", "reply": "two\nlines\n"}), "\"two\\nlines\\n\"\n"),
        (json!({"reply-format": "plain", "reply": ""}), ""),
    ] {
        let daemon = FakeDaemon::answering(move |method, _| match method {
            "set-options" => (json!(""), Value::Null),
            _ => (reply.clone(), Value::Null),
        });
        assert_eq!(daemon.ofctl(&["--json", "fdb/show", "br0"]), Run::printed(printed));
        let expected = [
            ("set-options".to_owned(), json!(["--format", "json"])),
            ("fdb/show".to_owned(), json!(["br0"])),
        ];
        assert_eq!(daemon.requests(), expected);
    }
}

#[test]
fn a_refusal_is_one_line_and_exit_code_1() {
    let daemon = FakeDaemon::answering(|_, _| (Value::Null, json!("no bridge named br9\n")));
    let run = daemon.ofctl(&["del-br", "br9"]);
    run.assert_failed(1, "");
    assert_eq!(run.err, "ofctl: no bridge named br9\n");
    let daemon = FakeDaemon::answering(|_, _| (Value::Null, json!("first\nsecond")));
    daemon.ofctl(&["fdb/show", "br9"]).assert_failed(1, "first; second");
}

#[test]
fn wrong_usage_is_exit_code_2_and_reaches_no_daemon() {
    for (args, said) in [
        (&["ad-br", "br0"][..], "did you mean \"add-br\"?"),
        (&["add-port", "br0"], "usage: ofctl [--may-exist] add-port BR PORT"),
        (&["--frobnicate"], "--frobnicate"),
        (&["add-br", "br0", "--", "show"], "show cannot be combined"),
        (&[], "no command given"),
    ] {
        // No daemon is there: with one asked, the code would be 3.
        Run::of(ofctl().arg("--rundir").arg("/nonexistent").args(args)).assert_failed(2, said);
    }
}

#[test]
fn help_and_version_need_no_daemon() {
    for args in [&["help"][..], &["--help"], &["-h"]] {
        let run = Run::of(ofctl().env("VSWITCH_RUNDIR", "/nonexistent").args(args));
        assert_eq!(run.code, Some(0), "{run:?}");
        assert!(run.out.contains("add-br BR") && run.out.contains("fdb/show BR"), "{run:?}");
    }
    for args in [&["help", "add-port"][..], &["add-port", "--help"]] {
        let run = Run::of(ofctl().args(args));
        assert!(run.code == Some(0) && run.out.contains("Usage: ofctl"), "{run:?}");
        assert!(run.out.contains("vlan_mode="), "{run:?}");
    }
    let run = Run::of(ofctl().arg("--version"));
    assert_eq!(run, Run::printed(concat!("ofctl ", env!("CARGO_PKG_VERSION"), "\n")));
}

#[test]
fn the_environment_names_the_rundir_and_the_option_wins() {
    let daemon = text("ok\n");
    let run = Run::of(ofctl().env("VSWITCH_RUNDIR", daemon.rundir.path()).arg("version"));
    assert_eq!(run, Run::printed("ok\n"));
    let run = text("ok\n").ofctl(&["--rundir", "/nonexistent", "version"]);
    run.assert_failed(3, "/nonexistent/vswitchd.ctl");
    let daemon = text("ok\n");
    let mut command = ofctl();
    command.env("VSWITCH_RUNDIR", "/nonexistent").arg("--rundir").arg(daemon.rundir.path());
    assert_eq!(Run::of(command.arg("version")), Run::printed("ok\n"));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let daemon = FakeDaemon::answering(|_, _| (json!("line\n".repeat(1 << 20)), Value::Null));
    let mut command = ofctl();
    command.arg("--rundir").arg(daemon.rundir.path()).arg("fdb/show");
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "line\n");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn output_that_cannot_be_written_is_said() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let daemon = text("ok\n");
    let mut command = ofctl();
    command.arg("--rundir").arg(daemon.rundir.path()).arg("version").stdout(full);
    Run::of(&mut command).assert_failed(1, "cannot write standard output");
}

#[test]
fn generated_files_are_written_or_the_reason_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("new/folder");
    for what in ["man", "completions"] {
        assert_eq!(Run::of(ofctl().args(["generate", what]).arg(&out)), Run::printed(""));
    }
    for name in ["ofctl.1", "ofctl.bash", "_ofctl", "ofctl.fish"] {
        assert!(
            std::fs::read_to_string(out.join(name)).unwrap().contains("add-br")
                || name == "ofctl.1",
            "{name}"
        );
    }
    let run = Run::of(ofctl().args(["generate", "man", "/dev/null/x"]));
    run.assert_failed(1, "cannot write /dev/null/x/ofctl.1");
}

/// The completion asks the running switch: bridges, then ports, and never expands a name.
#[test]
fn bash_completes_names_of_the_running_switch() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(
        Run::of(ofctl().args(["generate", "completions"]).arg(dir.path())),
        Run::printed("")
    );
    let stub = dir.path().join("ofctl");
    let script = "#!/bin/sh\nfor last; do :; done\ncase \"$last\" in\n\
                  list-br) printf 'br0\\nbr1\\n';;\n\
                  br0) printf 'p0\\n$(touch HERE)\\n';;\nbr1) echo 'p1';;\nesac\n";
    std::fs::write(&stub, script).unwrap();
    std::process::Command::new("chmod").arg("+x").arg(&stub).status().unwrap();
    for (words, expected) in [
        ("add-port ''", "br0|br1|"),
        ("del-port br0 ''", "p0|$(touch HERE)|p1|"),
        ("--rundir x add-br br7 -- list-ports br1", "br1|"),
        ("set ''", "bridge|port|switch|"),
        ("set po", "port|"),
        ("add-br br7 -- list-p", "list-ports|"),
        ("list-p", "list-ports|"),
        ("--jso", "--json|"),
    ] {
        let run = Run::of(
            std::process::Command::new("bash").current_dir(dir.path()).arg("-c").arg(format!(
                "PATH=$PWD:$PATH; source ./ofctl.bash; COMP_WORDS=(ofctl {words}); \
                     COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
                     _ofctl_names ofctl \"${{COMP_WORDS[COMP_CWORD]}}\" ofctl; \
                     printf '%s|' \"${{COMPREPLY[@]}}\""
            )),
        );
        assert_eq!(run, Run::printed(expected), "{words}");
    }
    assert!(!dir.path().join("HERE").exists());
}
