//! A stand-in for the daemon: a thread that listens where the daemon would, and answers each
//! connection by a script.

#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};

use serde_json::{Value, json};
use tempfile::TempDir;

/// The daemon's side of one connection.
pub struct Peer {
    pub stream: UnixStream,
}

impl Peer {
    /// The next request; `None` when the client has gone.
    pub fn request(&mut self) -> Option<Value> {
        serde_json::Deserializer::from_reader(&mut self.stream).into_iter().next()?.ok()
    }

    /// Bytes as they stand. A client that has gone is no failure of the test's daemon.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    pub fn reply(&mut self, id: &Value, result: Value, error: Value) {
        self.send(json!({"id": id, "result": result, "error": error}).to_string().as_bytes());
    }

    /// Waits until the client has closed its side.
    pub fn wait_closed(&mut self) {
        let mut sink = [0; 4096];
        while self.stream.read(&mut sink).is_ok_and(|n| n > 0) {}
    }
}

/// A folder with a daemon in it. The thread ends with the connection that it serves.
pub struct FakeDaemon {
    pub rundir: TempDir,
    seen: Receiver<Value>,
}

impl FakeDaemon {
    /// Serves one connection by a script.
    pub fn scripted(script: impl FnOnce(&mut Peer) + Send + 'static) -> FakeDaemon {
        FakeDaemon::start(move |peer, _| script(peer))
    }

    /// Answers each request of one connection by a function from method and parameters to
    /// (result, error), and records the requests.
    pub fn answering(
        answer: impl Fn(&str, &Value) -> (Value, Value) + Send + 'static,
    ) -> FakeDaemon {
        FakeDaemon::start(move |peer, seen| {
            while let Some(request) = peer.request() {
                let method = request["method"].as_str().unwrap();
                let (result, error) = answer(method, &request["params"]);
                let id = request["id"].clone();
                seen.send(request).unwrap();
                peer.reply(&id, result, error);
            }
        })
    }

    fn start(serve: impl FnOnce(&mut Peer, &Sender<Value>) + Send + 'static) -> FakeDaemon {
        let (sender, seen) = channel();
        let rundir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(rundir.path().join("vswitchd.ctl")).unwrap();
        std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            serve(&mut Peer { stream }, &sender);
        });
        FakeDaemon { rundir, seen }
    }

    /// `ofctl` in this rundir.
    pub fn ofctl(&self, args: &[&str]) -> Run {
        Run::of(ofctl().arg("--rundir").arg(self.rundir.path()).args(args))
    }

    /// Methods and parameters that it was asked, until the client closed.
    pub fn requests(&self) -> Vec<(String, Value)> {
        let methods = self.seen.iter();
        methods.map(|r| (r["method"].as_str().unwrap().to_owned(), r["params"].clone())).collect()
    }
}

/// The program, without the environment of whoever runs the tests.
pub fn ofctl() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ofctl"));
    command.env_remove("VSWITCH_RUNDIR").stdin(Stdio::null());
    command
}

/// What a run of the program left.
#[derive(PartialEq, Eq, Debug)]
pub struct Run {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Run {
    pub fn of(command: &mut Command) -> Run {
        let Output { status, stdout, stderr } = command.output().unwrap();
        Run {
            code: status.code(),
            out: String::from_utf8(stdout).unwrap(),
            err: String::from_utf8(stderr).unwrap(),
        }
    }

    pub fn printed(out: &str) -> Run {
        Run { code: Some(0), out: out.to_owned(), err: String::new() }
    }

    /// Checks a failure: the code, nothing on stdout, one line on stderr that holds the text.
    pub fn assert_failed(&self, code: i32, said: &str) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert_eq!(self.out, "", "{self:?}");
        assert!(self.err.starts_with("ofctl: ") && self.err.contains(said), "{self:?}");
        assert_eq!(self.err.matches('\n').count(), 1, "{self:?}");
        assert!(self.err.ends_with('\n'), "{self:?}");
    }
}
