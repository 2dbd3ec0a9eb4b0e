//! Real traffic between namespaces: ping, and TCP and UDP whose bytes are checked.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::lab::Host;
use crate::netns::{Netns, join};
use crate::wait::wait_until;

/// A stalled transfer is a failure, not a hang.
const STALL: Duration = Duration::from_secs(20);
/// Bytes per write.
const CHUNK: usize = 64 * 1024;

/// Waits until one host reaches another: the first frames may meet a port that is still coming up.
///
/// # Panics
/// If it never does.
pub fn wait_reachable(from: &Host, to: &Host) {
    let what = format!("{} to reach {}", from.name, to.name);
    wait_until(&what, STALL, || can_ping(from, to));
}

/// Whether one ping is answered within a second.
#[must_use]
pub fn can_ping(from: &Host, to: &Host) -> bool {
    let address = to.ip.to_string();
    from.ns.run(&["ping", "-n", "-q", "-c", "1", "-W", "1", &address]).code == 0
}

/// Sends `n` pings of `size` bytes of payload and asserts that every one is answered once.
///
/// # Panics
/// If one is lost or doubled.
pub fn ping(from: &Host, to: &Host, n: u32, size: usize) {
    ping_as(&from.ns, n, &["-s", &size.to_string(), &to.ip.to_string()]);
}

/// The same, with words of ping's own.
///
/// Without a deadline, ping waits for the last answers for no longer than two of the longest round trips
/// before, which is too short on a busy machine. With one, it goes on until `n` are answered, and may
/// have sent more by then: none of those up to the last answer may be missing.
///
/// # Panics
/// If one is lost or doubled.
pub fn ping_as(from: &Netns, n: u32, words: &[&str]) {
    let (count, deadline) = (n.to_string(), STALL.as_secs().to_string());
    let common = ["ping", "-n", "-i", "0.01", "-w", &deadline, "-c", &count];
    let said = from.must(&[&common[..], words].concat());
    let number = |line: &str| {
        let answer = line.split_once(" bytes from ")?.1;
        answer.split_once("icmp_seq=")?.1.split(' ').next()?.parse().ok()
    };
    let mut answered: Vec<u32> = said.lines().filter_map(number).collect();
    answered.sort_unstable();
    let is_whole = answered.iter().copied().eq((1..).take(answered.len()));
    assert!(is_whole && answered.last().is_some_and(|last| *last >= n), "{said}");
}

/// What a TCP transfer carried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Digest {
    n_bytes: u64,
    /// FNV-1a over the bytes.
    sum: u64,
}

impl Digest {
    const NONE: Digest = Digest { n_bytes: 0, sum: 0xcbf2_9ce4_8422_2325 };

    fn add(&mut self, bytes: &[u8]) {
        self.n_bytes += bytes.len() as u64;
        for byte in bytes {
            self.sum = (self.sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

/// Bytes without a period that a wrong order or a repeated segment could hide behind.
struct Noise(u64);

impl Noise {
    fn fill(&mut self, chunk: &mut [u8]) {
        for word in chunk.chunks_mut(8) {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            word.copy_from_slice(&self.0.to_ne_bytes()[..word.len()]);
        }
    }
}

/// Sends `n_bytes` over TCP and asserts that the same bytes arrive; how long it took.
///
/// # Panics
/// If the connection stalls or the bytes differ.
pub fn tcp(from: &Host, to: &Host, n_bytes: u64) -> Duration {
    let (ready, address) = std::sync::mpsc::channel();
    let (sender, receiver) = (from.ns.path(), to.ns.path());
    let ip = to.ip;
    let start = Instant::now();
    std::thread::scope(|scope| {
        let receiving = scope.spawn(move || {
            join(&receiver);
            let listener = TcpListener::bind((ip, 0)).expect("a port to listen on");
            ready.send(listener.local_addr().expect("an address")).expect("the test waits");
            receive(&listener)
        });
        let target = address.recv_timeout(STALL).expect("the receiver listens");
        let sending = scope.spawn(move || send(&sender, target, n_bytes));
        let sent = sending.join().expect("the sender succeeds");
        assert_eq!(
            receiving.join().expect("the receiver succeeds"),
            sent,
            "{} to {}",
            from.name,
            to.name
        );
    });
    start.elapsed()
}

fn send(netns: &Path, target: SocketAddr, n_bytes: u64) -> Digest {
    join(netns);
    let mut stream = TcpStream::connect_timeout(&target, STALL).expect("a connection");
    stream.set_write_timeout(Some(STALL)).expect("a bound on stalls");
    let (mut digest, mut noise) = (Digest::NONE, Noise(0x9e37_79b9_7f4a_7c15));
    let mut chunk = vec![0; CHUNK];
    while digest.n_bytes < n_bytes {
        let left = usize::try_from(n_bytes - digest.n_bytes).unwrap_or(CHUNK).min(CHUNK);
        noise.fill(&mut chunk[..left]);
        stream.write_all(&chunk[..left]).expect("TCP makes progress");
        digest.add(&chunk[..left]);
    }
    stream.shutdown(Shutdown::Write).expect("a connection to close");
    // Its end tells that the receiver has all.
    stream.set_read_timeout(Some(STALL)).expect("a bound on stalls");
    stream.read_to_end(&mut Vec::new()).expect("the receiver closes");
    digest
}

fn receive(listener: &TcpListener) -> Digest {
    let (mut stream, _) = listener.accept().expect("a connection");
    stream.set_read_timeout(Some(STALL)).expect("a bound on stalls");
    let mut digest = Digest::NONE;
    let mut chunk = vec![0; CHUNK];
    loop {
        match stream.read(&mut chunk).expect("TCP makes progress") {
            0 => return digest,
            n => digest.add(&chunk[..n]),
        }
    }
}

/// Sends numbered UDP datagrams of `size` bytes, one after the other's echo: each must come back as
/// it was.
///
/// # Panics
/// If one does not.
pub fn udp(from: &Host, to: &Host, n: u32, size: usize) {
    let server = to.ns.enter(|| UdpSocket::bind((to.ip, 0)).expect("a port"));
    let client = from.ns.enter(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a port"));
    let target = server.local_addr().expect("an address");
    for socket in [&server, &client] {
        socket.set_read_timeout(Some(STALL)).expect("a bound on stalls");
    }
    let mut noise = Noise(0x2545_f491_4f6c_dd1d);
    let mut buffer = vec![0; 65_536];
    for number in 0..n {
        let mut datagram = vec![0; size];
        noise.fill(&mut datagram);
        client.send_to(&datagram, target).expect("a datagram leaves");
        let (len, source) = server.recv_from(&mut buffer).expect("the datagram arrives");
        assert_eq!(buffer[..len], datagram, "datagram {number} there");
        server.send_to(&buffer[..len], source).expect("an echo leaves");
        let (len, _) = client.recv_from(&mut buffer).expect("the echo arrives");
        assert_eq!(buffer[..len], datagram, "datagram {number} and back");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_tells_order_and_content() {
        let of = |parts: &[&[u8]]| {
            let mut digest = Digest::NONE;
            parts.iter().for_each(|part| digest.add(part));
            digest
        };
        assert_eq!(of(&[b"ab", b"c"]), of(&[b"abc"]));
        assert_ne!(of(&[b"ab"]), of(&[b"ba"]));
        assert_ne!(of(&[b""]), of(&[b"\0"]));
    }
}
