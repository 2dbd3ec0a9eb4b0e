//! Real streams of the kernel's stack through two ports, forwarded by the simplest of switches.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};

use datapath::Batch;
use datapath::frame::{Frame, GsoKind};
use datapath::netdev::RecvStatus;

use crate::rig::{PATIENCE, Side};
use switch_tests::netns::Netns;

/// Bytes of a test stream.
pub const STREAM_LEN: usize = 8 << 20;

/// What went by.
#[derive(Default, Debug)]
pub struct Seen {
    pub tcp_v4: usize,
    pub tcp_v6: usize,
    pub udp: usize,
    pub longest: usize,
}

impl Seen {
    fn look(&mut self, frame: &Frame) {
        self.longest = self.longest.max(frame.len());
        match frame.offload().gso.map(|gso| gso.kind) {
            Some(GsoKind::TcpV4) => self.tcp_v4 += 1,
            Some(GsoKind::TcpV6) => self.tcp_v6 += 1,
            Some(GsoKind::Udp) => self.udp += 1,
            None => {}
        }
    }
}

/// What is done to a frame on its way.
pub type Edit = fn(&mut Frame);

/// A forwarder between pairs of ports: what one receives the other sends, edited.
pub struct Path<'a> {
    pub ends: [&'a mut Side; 2],
    /// Edits of frames from the first to the second end, and back.
    pub edits: [Edit; 2],
}

impl Path<'_> {
    /// One round; whether it moved a frame.
    fn round(&mut self, seen: &mut Seen) -> bool {
        let mut moved = false;
        for from in 0..2 {
            for queue in 0..self.ends[from].rxqs.len() {
                let (batch, status) = self.ends[from].recv(queue);
                assert_ne!(status, RecvStatus::Gone);
                // Buffers of one memory: a frame may be freed by another pool than it came from.
                let mut batch: Batch = batch;
                for frame in &mut batch {
                    seen.look(frame);
                    (self.edits[from])(frame);
                }
                moved |= !batch.is_empty();
                if !batch.is_empty() {
                    self.ends[1 - from].send_batch(&mut batch);
                }
            }
        }
        moved
    }
}

/// Forwards on all paths while `work` runs.
pub fn forward_while<T: Send>(
    paths: &mut [Path<'_>],
    work: impl FnOnce() -> T + Send,
) -> (T, Seen) {
    let done = AtomicBool::new(false);
    let mut seen = Seen::default();
    /// Ends the forwarding also when the work panics.
    struct Finish<'a>(&'a AtomicBool);
    impl Drop for Finish<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Release);
        }
    }
    let result = std::thread::scope(|scope| {
        let done = &done;
        let worker = scope.spawn(move || {
            let _finish = Finish(done);
            work()
        });
        while !done.load(Ordering::Acquire) {
            let mut moved = false;
            for path in &mut *paths {
                moved |= path.round(&mut seen);
            }
            if !moved {
                std::thread::yield_now();
            }
        }
        worker.join()
    });
    (result.unwrap_or_else(|panic| std::panic::resume_unwind(panic)), seen)
}

/// Sends a stream from one host to another and asserts that it arrives unharmed.
pub fn tcp(from: &Netns, to: &Netns, address: IpAddr) {
    let listener = to.enter(|| TcpListener::bind(SocketAddr::new(address, 0)).expect("listen"));
    let address = listener.local_addr().expect("address");
    let byte = |i: usize| u8::try_from(i % 251).expect("below 251");
    let sent: Vec<u8> = (0..STREAM_LEN).map(byte).collect();
    let received = std::thread::scope(|scope| {
        let server = scope.spawn(|| {
            let (mut stream, _) = listener.accept().expect("accept");
            stream.set_read_timeout(Some(PATIENCE)).expect("time limit");
            let mut received = Vec::new();
            stream.read_to_end(&mut received).expect("read");
            received
        });
        let mut stream = from
            .enter(|| TcpStream::connect_timeout(&address, PATIENCE))
            .expect("connect through the ports");
        stream.set_write_timeout(Some(PATIENCE)).expect("time limit");
        stream.write_all(&sent).expect("write");
        drop(stream);
        server.join().expect("server")
    });
    assert!(received == sent, "{} bytes arrived, or not the same", received.len());
}
