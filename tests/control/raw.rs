//! A client that says whatever a test wants.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde_json::{Value, json};
use switch_tests::daemon::DEADLINE;

/// A connection to a control socket.
pub struct Raw(UnixStream);

impl Raw {
    pub fn connect(rundir: &Path) -> Raw {
        let stream = UnixStream::connect(rundir.join("vswitchd.ctl")).expect("a daemon listens");
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        Raw(stream)
    }

    /// Sends all; a daemon that hangs up before has its reasons.
    pub fn send(&mut self, bytes: &[u8]) {
        match self.0.write_all(bytes) {
            Ok(()) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::BrokenPipe),
        }
    }

    /// Sends until the daemon takes no more: how many bytes it took.
    pub fn send_until_full(&mut self, bytes: &[u8], most: usize) -> usize {
        self.0.set_nonblocking(true).unwrap();
        let mut n_sent = 0;
        let mut n_refused = 0;
        // Full for good: not just now.
        switch_tests::wait_until("the daemon to stop reading", DEADLINE, || {
            while n_sent < most {
                match self.0.write(&bytes[n_sent % bytes.len()..]) {
                    Ok(n) => (n_sent, n_refused) = (n_sent + n, 0),
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::WouldBlock);
                        n_refused += 1;
                        break;
                    }
                }
            }
            n_refused > 50 || n_sent >= most
        });
        self.0.set_nonblocking(false).unwrap();
        n_sent
    }

    pub fn end_sending(&mut self) {
        self.0.shutdown(Shutdown::Write).unwrap();
    }

    /// The next reply; `None` at the end of the stream.
    pub fn reply(&mut self) -> Option<Value> {
        let stream = serde_json::Deserializer::from_reader(&mut self.0);
        stream.into_iter().next().map(|reply| reply.expect("a reply in JSON, in time"))
    }

    /// One request and its reply.
    pub fn call(&mut self, method: &str, params: &[&str]) -> Value {
        let request = json!({ "id": 1, "method": method, "params": params });
        self.send(request.to_string().as_bytes());
        self.reply().expect("a reply")
    }

    /// The error that the daemon gives before it hangs up.
    pub fn last_words(&mut self) -> String {
        let mut text = String::new();
        match self.0.read_to_string(&mut text) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{text}"),
        }
        let reply: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text:?}"));
        reply["error"].as_str().expect("an error").to_owned()
    }
}
