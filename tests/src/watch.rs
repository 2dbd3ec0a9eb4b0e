//! `ofctl capture` and its like in the background, and what they wrote.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crate::control::Control;
use crate::daemon::{DEADLINE, program};
use crate::process::{mortal, run};
use crate::wait::{wait_for, wait_until};

/// Bytes of a pcap file's header, and of each frame's.
const FILE_HEADER_LEN: usize = 24;
const RECORD_HEADER_LEN: usize = 16;

/// A running `ofctl`, killed when dropped.
pub struct Watch {
    child: Child,
    reader: Option<JoinHandle<()>>,
    stdout: Arc<Mutex<Vec<u8>>>,
    stderr: Arc<Mutex<String>>,
}

impl Watch {
    /// Starts a capture; returns when it runs.
    ///
    /// # Panics
    /// If it does not.
    #[must_use]
    pub fn start(switch: &Control, words: &[&str]) -> Watch {
        let watch = Watch::spawn(switch, &[&["capture"], words].concat());
        wait_until("the capture to run", DEADLINE, || watch.stderr().contains("capturing on"));
        watch
    }

    /// Starts a command that goes on.
    ///
    /// # Panics
    /// If the program cannot be started.
    #[must_use]
    pub fn spawn(switch: &Control, words: &[&str]) -> Watch {
        let mut child = mortal(&program("ofctl").display().to_string())
            .arg("--rundir")
            .arg(switch.rundir())
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("ofctl starts");
        let mut pipe = child.stdout.take().expect("a piped output");
        let stdout = Arc::new(Mutex::new(Vec::new()));
        let shelf = Arc::clone(&stdout);
        let reader = std::thread::spawn(move || {
            let mut bytes = [0; 64 << 10];
            // What came before an error is judged by the test.
            while let Ok(n @ 1..) = pipe.read(&mut bytes) {
                let mut shelf = shelf.lock().unwrap_or_else(PoisonError::into_inner);
                shelf.extend_from_slice(&bytes[..n]);
            }
        });
        let lines = BufReader::new(child.stderr.take().expect("a piped output")).lines();
        let stderr = Arc::new(Mutex::new(String::new()));
        let shelf = Arc::clone(&stderr);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let mut shelf = shelf.lock().unwrap_or_else(PoisonError::into_inner);
                shelf.push_str(&line);
                shelf.push('\n');
            }
        });
        Watch { child, reader: Some(reader), stdout, stderr }
    }

    /// What it wrote on standard output so far.
    #[must_use]
    pub fn stdout(&self) -> Vec<u8> {
        self.stdout.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What it said on standard error so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.stderr.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends it a signal.
    pub fn signal(&self, name: &str) {
        run(&["kill", name, &self.child.id().to_string()]);
    }

    /// Ends it as Ctrl-C does; exit code and standard output.
    pub fn interrupt(self) -> (Option<i32>, Vec<u8>) {
        self.signal("-INT");
        self.wait()
    }

    /// Waits for its end; exit code and standard output.
    ///
    /// # Panics
    /// If it does not end.
    pub fn wait(mut self) -> (Option<i32>, Vec<u8>) {
        let status =
            wait_for("ofctl to end", 2 * DEADLINE, || self.child.try_wait().ok().flatten());
        // The thread ends with the pipe, and panics nowhere.
        drop(self.reader.take().map(JoinHandle::join));
        (status.code(), self.stdout())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The frames of a pcap file with little-endian numbers.
///
/// # Panics
/// If it is cut short, or is no such file.
#[must_use]
pub fn pcap_frames(file: &[u8]) -> Vec<Vec<u8>> {
    assert_eq!(file[..4], 0xa1b2_3c4d_u32.to_le_bytes(), "nanoseconds, little-endian");
    let mut rest = &file[FILE_HEADER_LEN..];
    let mut frames = Vec::new();
    while !rest.is_empty() {
        let len = u32::from_le_bytes(rest[8..12].try_into().expect("four bytes"));
        let end = RECORD_HEADER_LEN + usize::try_from(len).expect("a length");
        frames.push(rest[RECORD_HEADER_LEN..end].to_vec());
        rest = &rest[end..];
    }
    frames
}
