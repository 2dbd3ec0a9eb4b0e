//! Frames seen on a wire, by tcpdump: tags that the kernel keeps beside a frame are put back.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::frame::{BROADCAST, EXPERIMENT, Frame, mac};
use crate::inject::inject;
use crate::netns::Netns;
use crate::wait::wait_until;

/// Bytes of a pcap file's header, and of each frame's.
const FILE_HEADER_LEN: usize = 24;
const RECORD_HEADER_LEN: usize = 16;
/// For a frame that must come.
const DEADLINE: Duration = Duration::from_secs(10);

/// Collects what an interface receives and sends, from [`Sink::open`] on.
pub struct Sink {
    child: Child,
    frames: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Sink {
    /// Starts to collect on an interface; returns when the capture runs.
    ///
    /// # Panics
    /// If tcpdump does not start.
    #[must_use]
    pub fn open(netns: &Netns, dev: &str) -> Sink {
        Sink::of_heads(netns, dev, 0)
    }

    /// The same, of the first `cap` bytes of each frame: room for thousands of them, where whole
    /// ones (each may be a segment of 64 KiB) leave room for a few.
    ///
    /// # Panics
    /// If tcpdump does not start.
    #[must_use]
    pub fn of_heads(netns: &Netns, dev: &str, cap: usize) -> Sink {
        let cap = cap.to_string();
        let mut child = netns
            .command("tcpdump")
            .args(["-i", dev, "-Z", "root", "-p", "-U", "-s", &cap, "--immediate-mode", "-w", "-"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("tcpdump starts");
        let stderr = BufReader::new(child.stderr.take().expect("a piped output"));
        let mut said = String::new();
        for line in stderr.lines().map_while(Result::ok) {
            said.push_str(&line);
            if line.contains("listening on") {
                break;
            }
        }
        assert!(said.contains("listening on"), "tcpdump on {dev}: {said}");
        let frames = Arc::new(Mutex::new(Vec::new()));
        let stdout = child.stdout.take().expect("a piped output");
        let shelf = Arc::clone(&frames);
        std::thread::spawn(move || collect(stdout, &shelf));
        Sink { child, frames }
    }

    /// Frames seen so far.
    #[must_use]
    pub fn frames(&self) -> Vec<Vec<u8>> {
        self.frames.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Frames seen so far that carry a text.
    #[must_use]
    pub fn with_text(&self, text: &str) -> Vec<Vec<u8>> {
        self.frames().into_iter().filter(|frame| contains(frame, text)).collect()
    }

    /// Waits for frames with a text, and gives them.
    ///
    /// # Panics
    /// If fewer than `n` come.
    pub fn expect(&self, text: &str, n: usize) -> Vec<Vec<u8>> {
        let what = format!("{n} frame(s) with {text:?}");
        wait_until(&what, DEADLINE, || self.with_text(text).len() >= n);
        self.with_text(text)
    }

    /// Asserts that no frame with a text came. A fence is sent from `sender`, which reaches this
    /// wire by the same way; when it is here, anything sent before it is here too, or never.
    ///
    /// # Panics
    /// If one came, or the fence does not.
    pub fn expect_none(&self, text: &str, sender: (&Netns, &str)) {
        self.fence(sender.0, sender.1, None);
        let seen = self.with_text(text);
        assert!(seen.is_empty(), "{} frame(s) with {text:?}: {:02x?}", seen.len(), seen[0]);
    }

    /// Sends a broadcast, with a tag or without, and waits until it is seen here.
    pub fn fence(&self, netns: &Netns, dev: &str, vid: Option<u16>) {
        let before = self.with_text("fence").len();
        let frame = Frame::new(BROADCAST, mac(0xfe_0000));
        let frame = vid.into_iter().fold(frame, Frame::vlan);
        inject(netns, dev, [frame.text("fence")]);
        self.expect("fence", before + 1);
    }
}

/// Whether a frame carries a text behind [`EXPERIMENT`].
fn contains(frame: &[u8], text: &str) -> bool {
    let mut needle = EXPERIMENT.to_be_bytes().to_vec();
    needle.extend(text.as_bytes());
    frame.windows(needle.len()).any(|window| window == needle)
}

/// Reads a pcap stream (native byte order, as written on the same machine) to its end.
fn collect(mut stream: impl Read, shelf: &Mutex<Vec<Vec<u8>>>) -> Option<()> {
    stream.read_exact(&mut [0; FILE_HEADER_LEN]).ok()?;
    loop {
        let mut header = [0; RECORD_HEADER_LEN];
        stream.read_exact(&mut header).ok()?;
        let len = u32::from_ne_bytes(header[8..12].try_into().ok()?);
        let mut frame = vec![0; usize::try_from(len).ok()?];
        stream.read_exact(&mut frame).ok()?;
        shelf.lock().unwrap_or_else(PoisonError::into_inner).push(frame);
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        // It may have ended with its interface.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_injected_at_one_end_is_seen_at_the_other() {
        let (a, b) = (Netns::new("a"), Netns::new("b"));
        a.add_veth("eth0", &b, "eth0");
        a.ip(&["link", "set", "eth0", "up"]);
        b.ip(&["link", "set", "eth0", "up"]);
        let sink = Sink::open(&b, "eth0");
        let frame = Frame::new(mac(2), mac(1)).vlan(7).text("tagged");
        inject(&a, "eth0", [frame.clone()]);
        assert_eq!(sink.expect("tagged", 1), [frame]);
        sink.expect_none("other", (&a, "eth0"));
    }
}
