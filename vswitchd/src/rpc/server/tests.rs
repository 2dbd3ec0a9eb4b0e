//! Clients of every kind, in one thread with the server: no client waits, so none can hang a test.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream as Client;
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::rpc::conn::{MAX_OUTPUT_LEN, STALL_TIMEOUT};
use crate::rpc::inbox::MAX_REQUEST_LEN;
use crate::rpc::{Outcome, Request, Session, Then};

/// Longest wait for a state.
const DEADLINE: Duration = Duration::from_secs(20);

/// Echoes its parameters, panics, ends, or answers at length.
struct Echo {
    n_served: usize,
}

impl Dispatch for Echo {
    fn dispatch(&mut self, request: &Request, _: &mut Session) -> Outcome {
        self.n_served += 1;
        let then = if request.method == "exit" { Then::Exit } else { Then::Continue };
        let reply = match request.method.as_str() {
            "panic" => panic!("by request"),
            "error" => Err("no\n".to_owned()),
            "large" => Ok(Value::String("x".repeat(1 << 20))),
            _ => Ok(Value::Array(request.params.clone())),
        };
        Outcome { reply, then }
    }
}

struct Bed {
    folder: tempfile::TempDir,
    poll: mio::Poll,
    server: Server,
    echo: Echo,
}

impl Bed {
    fn new() -> Bed {
        let folder = tempfile::tempdir().unwrap();
        let poll = mio::Poll::new().unwrap();
        let server = Server::bind(&folder.path().join("ctl"), poll.registry(), Token(100)).unwrap();
        Bed { folder, poll, server, echo: Echo { n_served: 0 } }
    }

    fn connect(&self) -> Client {
        let client = Client::connect(self.folder.path().join("ctl")).unwrap();
        client.set_nonblocking(true).unwrap();
        client
    }

    /// One turn of a main loop.
    fn turn(&mut self) {
        let mut events = mio::Events::with_capacity(64);
        let wait = if self.server.has_pending() { 0 } else { 1 };
        self.poll.poll(&mut events, Some(Duration::from_millis(wait))).unwrap();
        for event in &events {
            self.server.ready(event.token(), &mut self.echo);
        }
        self.server.run_pending(&mut self.echo);
    }

    fn until(&mut self, what: &str, mut reached: impl FnMut(&mut Bed) -> bool) {
        let start = Instant::now();
        while !reached(self) {
            assert!(start.elapsed() < DEADLINE, "never: {what}");
            self.turn();
        }
    }

    /// Sends all, while the server runs; less if the server hangs up.
    fn send(&mut self, client: &mut Client, bytes: &[u8]) {
        let mut n_sent = 0;
        self.until("sent", |_| match client.write(&bytes[n_sent..]) {
            Ok(n) => {
                n_sent += n;
                n_sent == bytes.len()
            }
            Err(error) => error.kind() != ErrorKind::WouldBlock,
        });
    }

    /// Reads whole replies until so many are there; stops at the end of the stream.
    fn replies(&mut self, client: &mut Client, n: usize) -> (Vec<Value>, bool) {
        let mut bytes = Vec::new();
        let mut replies: Vec<Value> = Vec::new();
        let mut ended = false;
        self.until("replies", |_| {
            let mut piece = [0; 65536];
            match client.read(&mut piece) {
                Ok(0) => ended = true,
                Ok(n) => bytes.extend_from_slice(&piece[..n]),
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
            let stream = serde_json::Deserializer::from_slice(&bytes).into_iter();
            replies = stream.map_while(Result::ok).collect();
            replies.len() >= n || ended
        });
        (replies, ended)
    }
}

fn request(id: usize, method: &str, param: &str) -> Vec<u8> {
    json!({ "id": id, "method": method, "params": [param] }).to_string().into_bytes()
}

#[test]
fn requests_of_one_stream_are_answered_in_order() {
    let mut bed = Bed::new();
    let mut client = bed.connect();
    let requests: Vec<u8> = (0..100).flat_map(|i| request(i, "echo", "a")).collect();
    bed.send(&mut client, &requests);
    let (replies, _) = bed.replies(&mut client, 100);
    for (i, reply) in replies.iter().enumerate() {
        assert_eq!(*reply, json!({"id": i, "result": ["a"], "error": null}));
    }
    bed.send(&mut client, &request(7, "error", ""));
    let (replies, _) = bed.replies(&mut client, 1);
    assert_eq!(replies, [json!({"id": 7, "result": null, "error": "no\n"})]);
}

#[test]
fn a_client_that_stops_sending_still_gets_its_replies() {
    let mut bed = Bed::new();
    let mut client = bed.connect();
    let requests: Vec<u8> = (0..100).flat_map(|i| request(i, "echo", "a")).collect();
    client.write_all(&requests).unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    let (replies, ended) = bed.replies(&mut client, 101);
    assert_eq!((replies.len(), ended), (100, true));
    bed.until("closed", |bed| bed.server.n_clients() == 0);
}

#[test]
fn a_panic_in_a_handler_is_an_error_reply() {
    let mut bed = Bed::new();
    let mut client = bed.connect();
    bed.send(&mut client, &request(1, "panic", ""));
    bed.send(&mut client, &request(2, "echo", "alive"));
    let (replies, _) = bed.replies(&mut client, 2);
    assert!(replies[0]["error"].as_str().unwrap().starts_with("panic: internal error"));
    assert_eq!(replies[1]["result"], json!(["alive"]));
}

#[test]
fn garbage_is_answered_and_closed() {
    let mut bed = Bed::new();
    let mut client = bed.connect();
    bed.send(&mut client, &[&request(1, "echo", "a")[..], b"garbage"].concat());
    let (replies, ended) = bed.replies(&mut client, 3);
    assert!(ended);
    assert_eq!(replies[0]["result"], json!(["a"]));
    assert!(replies[1]["error"].as_str().unwrap().contains("not a JSON object"), "{replies:?}");
    assert_eq!(replies[1]["id"], Value::Null);
    drop(client);
    bed.until("closed", |bed| bed.server.n_clients() == 0);
}

#[test]
fn half_a_request_is_named_when_the_client_ends_it() {
    let mut bed = Bed::new();
    let mut client = bed.connect();
    bed.send(&mut client, br#"{"id":1,"met"#);
    bed.turn();
    assert_eq!(bed.server.n_clients(), 1, "half a request is awaited");
    client.shutdown(std::net::Shutdown::Write).unwrap();
    let (replies, ended) = bed.replies(&mut client, 2);
    assert!(ended && replies[0]["error"].as_str().unwrap().contains("ends after 12 bytes"));
    bed.until("closed", |bed| bed.server.n_clients() == 0);
}

#[test]
fn a_request_too_long_is_refused_even_while_the_client_goes_on_sending() {
    let mut bed = Bed::new();
    let mut client = bed.connect();
    let text = "x".repeat(4 * MAX_REQUEST_LEN);
    bed.send(&mut client, &request(1, "echo", &text));
    let (replies, ended) = bed.replies(&mut client, 2);
    assert!(ended && replies[0]["error"].as_str().unwrap().contains("longer than 1048576 bytes"));
    drop(client);
    bed.until("closed", |bed| bed.server.n_clients() == 0);
}

#[test]
fn a_client_that_never_reads_is_held_and_others_are_served() {
    let mut bed = Bed::new();
    let mut deaf = bed.connect();
    let requests: Vec<u8> = (0..1000).flat_map(|i| request(i, "large", "")).collect();
    bed.send(&mut deaf, &requests);
    // Each reply is a megabyte: it is served until its output is full, and not further.
    bed.until("served", |bed| bed.echo.n_served > MAX_OUTPUT_LEN >> 20);
    for _ in 0..20 {
        bed.turn();
    }
    let n_held = bed.echo.n_served;
    assert!(n_held <= (MAX_OUTPUT_LEN >> 20) + 2, "{n_held}");

    let mut other = bed.connect();
    bed.send(&mut other, &request(1, "echo", "a"));
    assert_eq!(bed.replies(&mut other, 1).0.len(), 1);
    assert_eq!(bed.echo.n_served, n_held + 1);

    // It may still make up its mind.
    assert_eq!(bed.replies(&mut deaf, 20).0.len(), 20);
    // If not, it goes.
    bed.server.tick(Instant::now() + STALL_TIMEOUT / 2);
    assert_eq!(bed.server.n_clients(), 2);
    bed.server.tick(Instant::now() + STALL_TIMEOUT * 2);
    assert_eq!(bed.server.n_clients(), 1);
}

#[test]
fn a_client_with_many_requests_shares_its_turns() {
    let mut bed = Bed::new();
    let (mut greedy, mut other) = (bed.connect(), bed.connect());
    let requests: Vec<u8> = (0..1000).flat_map(|i| request(i, "echo", "")).collect();
    greedy.write_all(&requests).unwrap();
    other.write_all(&request(1, "echo", "")).unwrap();
    bed.until("other served", |_| matches!(other.read(&mut [0; 256]), Ok(n) if n > 0));
    assert!(bed.echo.n_served < 200, "{}", bed.echo.n_served);
    assert_eq!(bed.replies(&mut greedy, 1000).0.len(), 1000);
}

#[test]
fn there_is_a_limit_to_clients_and_it_says_so() {
    let mut bed = Bed::new();
    let clients: Vec<Client> = (0..MAX_CLIENTS)
        .map(|_| {
            let client = bed.connect();
            bed.turn();
            client
        })
        .collect();
    bed.until("connected", |bed| bed.server.n_clients() == MAX_CLIENTS);
    let mut one_more = bed.connect();
    let (replies, ended) = bed.replies(&mut one_more, 2);
    assert!(ended && replies[0]["error"].as_str().unwrap().contains("too many clients"));
    drop(clients);
    bed.until("closed", |bed| bed.server.n_clients() == 0);
    let mut client = bed.connect();
    bed.send(&mut client, &request(1, "echo", ""));
    assert_eq!(bed.replies(&mut client, 1).0.len(), 1);
}

#[test]
fn exit_is_answered_when_the_daemon_has_ended() {
    let mut bed = Bed::new();
    let mut client = bed.connect();
    bed.send(&mut client, &request(1, "exit", ""));
    bed.until("asked", |bed| bed.server.is_exit_asked());
    let early = client.read(&mut [0; 256]).expect_err("a reply before the end");
    assert_eq!(early.kind(), ErrorKind::WouldBlock);
    bed.server.finish();
    let mut reply = String::new();
    client.set_nonblocking(false).unwrap();
    client.read_to_string(&mut reply).unwrap();
    assert!(reply.contains(r#""id":1"#), "{reply}");
}
