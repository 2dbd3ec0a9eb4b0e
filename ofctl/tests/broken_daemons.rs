//! `ofctl` against daemons that are missing, broken, hung or hostile: exit code 3, one line, and
//! an end in bounded time.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use ofctl::rpc::{Client, Limits, RpcError};
use serde_json::Value;

mod support;

use support::{FakeDaemon, Run, ofctl};

/// Longer than any of these calls takes on a loaded machine, shorter than "for ever".
const PATIENCE: Duration = Duration::from_secs(20);

fn replying(bytes: &'static [u8]) -> FakeDaemon {
    FakeDaemon::scripted(move |peer| {
        peer.request();
        peer.send(bytes);
    })
}

#[test]
fn no_daemon_is_named_with_its_path_and_how_to_start_it() {
    let dir = tempfile::tempdir().unwrap();
    let rundir = dir.path().to_str().unwrap();
    let run = Run::of(ofctl().args(["--rundir", rundir, "show"]));
    run.assert_failed(3, &format!("no vswitchd at {rundir}/vswitchd.ctl (no such socket)"));
    run.assert_failed(3, &format!("vswitchd --rundir {rundir}"));
    // A socket that a killed daemon left.
    drop(UnixListener::bind(dir.path().join("vswitchd.ctl")).unwrap());
    let run = Run::of(ofctl().args(["--rundir", rundir, "show"]));
    run.assert_failed(3, "nothing listens there");
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    Run::of(ofctl().arg("--rundir").arg(&file).arg("show")).assert_failed(3, "no such socket");
    let long = format!("/{}", "x".repeat(200));
    Run::of(ofctl().args(["--rundir", &long, "show"])).assert_failed(3, &long);
}

#[test]
fn a_socket_without_permission_is_said_so() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vswitchd.ctl");
    let _listener = UnixListener::bind(&path).unwrap();
    std::fs::set_permissions(&path, Permissions::from_mode(0o000)).unwrap();
    // Root passes all permissions, so root takes another user's: the folder must let that in.
    std::fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    let bin = dir.path().join("ofctl");
    std::fs::copy(env!("CARGO_BIN_EXE_ofctl"), &bin).unwrap();
    let mut command = std::process::Command::new(&bin);
    command.arg("--rundir").arg(dir.path()).arg("show");
    if UnixStream::connect(&path).is_ok() {
        std::os::unix::process::CommandExt::uid(&mut command, 65534);
    }
    Run::of(&mut command).assert_failed(3, "no permission to use");
}

#[test]
fn garbage_is_not_taken_for_an_answer() {
    for (bytes, said) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "not JSON"),
        (b"\x00\xff\xfe\x00", "not JSON"),
        (b"{]", "not JSON"),
        (b"{\"id\":0,\"result\":\"\xff\",\"error\":null}", "not JSON"),
        (b"[]", "not a JSON object"),
        (b"{}", "another request"),
        (b"{\"id\":7,\"result\":\"\",\"error\":null}", "another request"),
        (b"{\"id\":0}", "neither a result nor an error"),
        (b"{\"id\":0,\"error\":null}", "neither a result nor an error"),
    ] {
        replying(bytes).ofctl(&["show"]).assert_failed(3, said);
    }
    let deep: &'static [u8] = "[".repeat(1 << 20).leak().as_bytes();
    replying(deep).ofctl(&["show"]).assert_failed(3, "recursion limit");
}

#[test]
fn a_reply_that_ends_early_is_said_so() {
    replying(b"").ofctl(&["show"]).assert_failed(3, "without a reply");
    replying(b"{\"id\":0,\"result\":\"ha").ofctl(&["show"]).assert_failed(3, "in the middle");
    // Closed with the request unread: the kernel calls that a reset.
    let daemon = FakeDaemon::scripted(|_| ());
    daemon.ofctl(&["show"]).assert_failed(3, "without a reply");
}

#[test]
fn whitespace_split_writes_and_json_errors_are_understood() {
    let daemon = FakeDaemon::scripted(|peer| {
        peer.request();
        for byte in b" \n{\"error\": null, \"extra\": [1], \"result\": \"ok\\n\", \"id\": 0}" {
            peer.send(&[*byte]);
        }
        peer.wait_closed();
    });
    assert_eq!(daemon.ofctl(&["version"]), Run::printed("ok\n"));
    let daemon = replying(b"{\"id\":0,\"result\":null,\"error\":{\"code\":5}}");
    daemon.ofctl(&["version"]).assert_failed(1, "{\"code\":5}");
    assert_eq!(
        replying(b"{\"id\":0,\"result\":null,\"error\":null}").ofctl(&["version"]),
        Run::printed("")
    );
}

#[test]
fn a_huge_reply_is_read_whole_within_the_limit() {
    let n_lines = 500_000;
    let daemon = FakeDaemon::scripted(move |peer| {
        let id = peer.request().map_or(Value::Null, |request| request["id"].clone());
        peer.reply(&id, Value::String("0123456789\n".repeat(n_lines)), Value::Null);
    });
    let run = daemon.ofctl(&["fdb/show", "br0"]);
    assert_eq!((run.code, run.out.len()), (Some(0), 11 * n_lines));
}

#[test]
fn a_reply_above_the_limit_is_cut_off() {
    let daemon = FakeDaemon::scripted(|peer| {
        peer.request();
        peer.send(b"{\"id\":0,\"result\":\"");
        while peer.send(&[b'x'; 4096]) {}
    });
    let limits = Limits { timeout: Some(PATIENCE), max_reply_len: 100_000 };
    let path = daemon.rundir.path().join("vswitchd.ctl");
    let error = Client::connect(&path, limits).unwrap().call("version", &[]).unwrap_err();
    assert!(matches!(error, RpcError::BadReply { .. }), "{error}");
    assert!(error.to_string().contains("longer than 100000 bytes"), "{error}");
}

#[test]
fn a_daemon_that_never_answers_is_given_up() {
    let daemon = FakeDaemon::scripted(|peer| peer.wait_closed());
    let start = Instant::now();
    let run = daemon.ofctl(&["--timeout", "1", "show"]);
    run.assert_failed(3, "did not answer within 1 s (see --timeout)");
    assert!(start.elapsed() >= Duration::from_secs(1) && start.elapsed() < PATIENCE);
}

#[test]
fn a_daemon_that_answers_too_slowly_is_given_up() {
    // Each byte comes in time, the whole never does.
    let daemon = FakeDaemon::scripted(|peer| {
        while peer.send(b" ") {
            std::thread::yield_now();
        }
    });
    let start = Instant::now();
    daemon.ofctl(&["--timeout", "1", "show"]).assert_failed(3, "did not answer within 1 s");
    assert!(start.elapsed() < PATIENCE);
}

#[test]
fn a_daemon_that_never_accepts_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vswitchd.ctl");
    let listener = UnixListener::bind(&path).unwrap();
    // Fill the backlog: from then on `connect` blocks.
    rustix::net::listen(&listener, 1).unwrap();
    let mut waiting = Vec::new();
    let limits = Limits { timeout: Some(Duration::from_millis(300)), max_reply_len: 1 };
    let error = loop {
        match Client::connect(&path, limits) {
            Ok(client) => waiting.push(client),
            Err(error) => break error,
        }
        assert!(waiting.len() < 100, "the backlog is never full");
    };
    assert!(matches!(error, RpcError::Timeout { .. }), "{error}");
    drop(listener);
}

#[test]
fn a_daemon_that_never_reads_is_given_up() {
    let (finish, finished) = std::sync::mpsc::channel::<()>();
    // Holds the connection, unread, until the sender is dropped.
    let daemon = FakeDaemon::scripted(move |_| assert!(finished.recv().is_err()));
    let path = daemon.rundir.path().join("vswitchd.ctl");
    let limits = Limits { timeout: Some(Duration::from_millis(300)), max_reply_len: 1000 };
    let params = vec!["x".repeat(8 << 20)];
    let error = Client::connect(&path, limits).unwrap().call("version", &params).unwrap_err();
    drop(finish);
    assert!(matches!(error, RpcError::Timeout { .. }), "{error}");
}

#[test]
fn a_refusal_before_the_request_was_read_is_still_read() {
    let daemon = FakeDaemon::scripted(|peer| {
        peer.send(b"{\"id\":0,\"result\":null,\"error\":\"request is too long\"}");
    });
    let long = "x".repeat(100_000);
    let args: Vec<&str> =
        std::iter::once("fdb/show").chain(std::iter::repeat_n(&*long, 10)).collect();
    daemon.ofctl(&args).assert_failed(1, "request is too long");
}
