//! Clients that misbehave harm themselves alone.

use switch_tests::daemon::DEADLINE;
use switch_tests::{Daemon, Netns, wait_until};

use crate::raw::Raw;

#[test]
fn half_a_request_is_awaited_while_others_are_served() {
    let ns = Netns::new("half");
    let daemon = Daemon::start(&ns, &[]);
    let mut half = Raw::connect(&daemon.rundir());
    half.send(br#"{"id":1,"method":"ver"#);
    let mut other = Raw::connect(&daemon.rundir());
    assert!(other.call("version", &[])["result"].is_string());
    half.send(br#"sion","params":[]}{"id":2"#);
    assert!(half.reply().unwrap()["result"].is_string());
    half.end_sending();
    assert!(half.last_words().contains("ends after 7 bytes"));
    assert!(other.call("version", &[])["result"].is_string());
}

#[test]
fn garbage_gets_an_error_and_the_end() {
    let ns = Netns::new("garbage");
    let mut daemon = Daemon::start(&ns, &[]);
    for (garbage, error) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], "begins with 'G'"),
        (b"[1,2]", "begins with '['"),
        (b"{nonsense", "not JSON"),
        (&[0xff; 100], "not a JSON object"),
        (br#"{"id":null,"method":"version","params":[]}"#, "notifications"),
        (br#"{"id":1,"method":"version","params":{}}"#, "not an array"),
    ] {
        let mut client = Raw::connect(&daemon.rundir());
        client.send(garbage);
        let said = client.last_words();
        assert!(said.contains(error), "{said}");
    }
    assert!(daemon.is_alive());
    let mut client = Raw::connect(&daemon.rundir());
    let error = client.call("no/such", &[])["error"].as_str().unwrap().to_owned();
    assert!(error.starts_with("\"no/such\" is not a valid command"), "{error}");
    assert!(client.call("version", &[])["result"].is_string(), "the connection goes on");
}

#[test]
fn a_request_of_a_megabyte_is_served_and_more_is_refused() {
    let ns = Netns::new("megabyte");
    let daemon = Daemon::start(&ns, &[]);
    let mut client = Raw::connect(&daemon.rundir());
    let name = "x".repeat((1 << 20) - 100);
    let error = client.call("fdb/show", &[&name])["error"].as_str().unwrap().len();
    assert!(error > name.len());
    assert!(client.call("version", &[])["result"].is_string());

    let name = "x".repeat(8 << 20);
    client.send(format!(r#"{{"id":1,"method":"fdb/show","params":["{name}"]}}"#).as_bytes());
    let said = client.last_words();
    assert!(said.contains("longer than 1048576 bytes"), "{said}");
}

#[test]
fn a_client_that_never_reads_is_held_and_others_are_served() {
    let ns = Netns::new("deaf");
    let daemon = Daemon::start(&ns, &[]);
    let before = resident_kib(daemon.pid());
    let mut deaf = Raw::connect(&daemon.rundir());
    let request = br#"{"id":1,"method":"list-commands","params":[]}"#;
    // Each reply is some forty times its request.
    let n_sent = deaf.send_until_full(&request.repeat(1000), 64 << 20);
    assert!(n_sent < 16 << 20, "the daemon took {n_sent} bytes from a client that reads nothing");
    let grown = resident_kib(daemon.pid()).saturating_sub(before);
    assert!(grown < 40 << 10, "the daemon grew by {grown} KiB");

    let mut other = Raw::connect(&daemon.rundir());
    for _ in 0..100 {
        assert!(other.call("version", &[])["result"].is_string());
    }
    drop(deaf);
    wait_until("the daemon to forget the client", DEADLINE, || {
        let memory = other.call("memory/show", &[]);
        memory["result"].as_str().unwrap().contains("unixctl clients:1\n")
    });
}

fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
