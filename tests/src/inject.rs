//! Frames put on a wire as they are, by a raw socket of Python's: not by code under test.

use std::io::Write;
use std::process::Stdio;

use crate::netns::Netns;

/// Reads frames from standard input (two bytes of length in network order, then the bytes) and sends
/// each; a full queue is waited for, any other refusal ends it.
const SENDER: &str = "
import socket, struct, sys, select, errno
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind((sys.argv[1], 0))
source = sys.stdin.buffer
n = 0
while True:
    head = source.read(2)
    if len(head) < 2:
        break
    frame = source.read(struct.unpack('!H', head)[0])
    while True:
        try:
            out.send(frame)
            break
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            select.select([], [out], [], 1)
    n += 1
print(n)
";

/// Sends frames from an interface of a namespace; returns when the kernel has taken them all.
///
/// # Panics
/// If it refuses one.
pub fn inject(netns: &Netns, dev: &str, frames: impl IntoIterator<Item = Vec<u8>>) {
    let mut child = netns
        .command("python3")
        .args(["-c", SENDER, dev])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 starts");
    let mut pipe = std::io::BufWriter::new(child.stdin.take().expect("a piped input"));
    let mut n = 0;
    for frame in frames {
        let len = u16::try_from(frame.len()).expect("a frame of less than 64 KiB");
        pipe.write_all(&len.to_be_bytes()).expect("the sender reads");
        pipe.write_all(&frame).expect("the sender reads");
        n += 1;
    }
    drop(pipe.into_inner().expect("the sender reads"));
    let output = child.wait_with_output().expect("the sender ends");
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    assert!(output.status.success(), "the sender on {dev} failed");
    assert_eq!(said, n.to_string(), "frames sent on {dev}");
}
