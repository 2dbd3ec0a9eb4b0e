//! Peers of every kind, in one thread with the layer: no peer waits, so none can hang a test.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::{UnixListener, UnixStream};

use mio::{Events, Poll};
use openflow::control::{Role, RoleMessage};
use openflow::error::ErrorMessage;
use openflow::hello::Hello;
use openflow::{Codec, Message, OfpError, Version};

use super::*;
use crate::config::value::Value as _;
use crate::ofconn::conn::MAX_UNREAD_LEN;
use crate::ofconn::controller::MAX_BACKOFF;
use crate::ofconn::session::tests::{Fake, for_controllers, packet_in, port_status};
use crate::ofproto::notice::Notice;
use crate::stream::MAX_OUTPUT_LEN;
use crate::switch::of_status::FailOpen;

/// Longest wait for a state.
const DEADLINE: Duration = Duration::from_secs(20);

struct Bed {
    folder: tempfile::TempDir,
    poll: Poll,
    conns: OfConns,
    fake: Fake,
    config: Config,
}

/// A peer that speaks a version.
struct Peer<S> {
    stream: S,
    codec: Codec,
    bytes: Vec<u8>,
    ended: bool,
}

impl Bed {
    fn new() -> Bed {
        let folder = tempfile::tempdir().unwrap();
        let poll = Poll::new().unwrap();
        let conns = OfConns::new(folder.path(), poll.registry(), Token(100)).unwrap();
        let mut config = Config::default();
        config.bridges.insert("br0".to_owned(), Default::default());
        let mut bed = Bed { folder, poll, conns, fake: Fake::default(), config };
        bed.turn();
        bed
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// One turn of a main loop.
    fn turn(&mut self) {
        let mut events = Events::with_capacity(256);
        let wait = if self.conns.has_pending() { 0 } else { 1 };
        self.poll.poll(&mut events, Some(Duration::from_millis(wait))).unwrap();
        for event in &events {
            self.conns.ready(event.token(), &mut self.fake);
        }
        self.conns.follow(&self.config);
        self.conns.end_turn(&mut self.fake);
    }

    fn until(&mut self, what: &str, mut reached: impl FnMut(&mut Bed) -> bool) {
        let start = Instant::now();
        while !reached(self) {
            assert!(start.elapsed() < DEADLINE, "never: {what}");
            self.turn();
        }
    }

    fn second(&mut self, after: Duration) {
        self.conns.tick(&mut self.fake, Instant::now() + after);
    }

    fn set_controllers(&mut self, targets: &str) {
        let settings = &mut self.config.bridges.get_mut("br0").unwrap().settings;
        settings.controller =
            (!targets.is_empty()).then(|| crate::config::value::Several::parse(targets).unwrap());
        self.turn();
    }

    fn connect(&mut self, version: Version) -> Peer<UnixStream> {
        let stream = UnixStream::connect(self.path("br0.mgmt")).unwrap();
        stream.set_nonblocking(true).unwrap();
        self.greet(stream, version)
    }

    /// Exchanges HELLO.
    fn greet<S: Read + Write>(&mut self, stream: S, version: Version) -> Peer<S> {
        let codec = Codec::new(version);
        let mut peer = Peer { stream, codec, bytes: Vec::new(), ended: false };
        let hello = Hello { versions: [version].into_iter().collect() };
        peer.send(1, &Message::Hello(hello));
        assert!(matches!(self.next(&mut peer), Some(Message::Hello(_))));
        peer
    }

    /// The next message to a peer; `None` at the end of its stream.
    fn next<S: Read>(&mut self, peer: &mut Peer<S>) -> Option<Message> {
        let mut message = None;
        self.until("a message", |_| {
            peer.read();
            message = peer.take();
            message.is_some() || peer.ended
        });
        message
    }

    fn ask<S: Read + Write>(&mut self, peer: &mut Peer<S>, message: &Message) -> Option<Message> {
        peer.send(5, message);
        self.next(peer)
    }
}

impl<S: Write> Peer<S> {
    fn send(&mut self, xid: u32, message: &Message) {
        self.stream.write_all(&self.codec.encode(xid, message).unwrap()).unwrap();
    }
}

impl<S: Read> Peer<S> {
    fn read(&mut self) {
        let mut piece = [0; 65536];
        match self.stream.read(&mut piece) {
            Ok(0) => self.ended = true,
            Ok(n) => self.bytes.extend_from_slice(&piece[..n]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => self.ended = true,
        }
    }

    fn take(&mut self) -> Option<Message> {
        let (message, rest) = openflow::raw::split_message(&self.bytes).unwrap()?;
        let message = self.codec.decode(message).unwrap().message;
        self.bytes = rest.to_vec();
        Some(message)
    }
}

fn echo(n: u8) -> Message {
    Message::EchoRequest(vec![n])
}

#[test]
fn sockets_come_and_go_with_the_bridge() {
    let mut bed = Bed::new();
    assert!(bed.path("br0.mgmt").exists() && bed.path("br0.snoop").exists());
    let mut peer = bed.connect(Version::V13);
    assert_eq!(bed.ask(&mut peer, &echo(1)), Some(Message::EchoReply(vec![1])));
    bed.config.bridges.clear();
    assert_eq!(bed.next(&mut peer), None);
    assert!(!bed.path("br0.mgmt").exists() && !bed.path("br0.snoop").exists());
    assert_eq!(bed.conns.n_clients(), 0);
}

#[test]
fn what_a_killed_daemon_left_is_removed_and_files_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    drop(UnixListener::bind(path("old.mgmt")).unwrap());
    std::fs::write(path("file.snoop"), "precious").unwrap();
    let poll = Poll::new().unwrap();
    drop(OfConns::new(folder.path(), poll.registry(), Token(1)).unwrap());
    assert!(!path("old.mgmt").exists());
    assert_eq!(std::fs::read_to_string(path("file.snoop")).unwrap(), "precious");
}

#[test]
fn a_path_that_is_too_long_is_told() {
    let mut bed = Bed::new();
    bed.config.bridges.insert("b".repeat(200), Default::default());
    bed.turn();
    let error = bed.fake.status.error.clone().unwrap();
    assert!(error.contains("SUN_LEN"), "{error}");
    assert!(bed.path("br0.mgmt").exists());
}

#[test]
fn requests_are_answered_in_order_and_to_the_end() {
    let mut bed = Bed::new();
    for version in Version::SPOKEN {
        let mut peer = bed.connect(version);
        (0..100).for_each(|n| peer.send(n.into(), &echo(n)));
        peer.send(200, &Message::BarrierRequest);
        peer.stream.shutdown(std::net::Shutdown::Write).unwrap();
        for n in 0..100 {
            assert_eq!(bed.next(&mut peer), Some(Message::EchoReply(vec![n])), "{version}");
        }
        assert_eq!(bed.next(&mut peer), Some(Message::BarrierReply));
        assert_eq!(bed.next(&mut peer), None);
    }
}

#[test]
fn notices_come_before_the_barrier_that_follows_them() {
    let mut bed = Bed::new();
    let mut peer = bed.connect(Version::V15);
    let async_config = Message::SetAsync(Default::default());
    peer.send(1, &async_config);
    bed.fake.notices.push(port_status());
    assert_eq!(
        bed.ask(&mut peer, &Message::BarrierRequest).map(|m| m.kind().name()),
        Some("PORT_STATUS")
    );
    assert_eq!(bed.next(&mut peer), Some(Message::BarrierReply));
}

#[test]
fn garbage_gets_its_error_and_the_end_and_others_live() {
    let mut bed = Bed::new();
    let mut other = bed.connect(Version::V13);
    let mut peer = bed.connect(Version::V13);
    peer.stream.write_all(&[4, 2, 0, 7, 0, 0, 0, 9]).unwrap();
    let error = bed.next(&mut peer);
    let Some(Message::Error(ErrorMessage { codes, .. })) = error else { panic!("{error:?}") };
    assert_eq!(Some(codes), OfpError::BrBadLen.codes(Version::V13));
    assert_eq!(bed.next(&mut peer), None);
    let mut web = UnixStream::connect(bed.path("br0.mgmt")).unwrap();
    web.set_nonblocking(true).unwrap();
    web.write_all(
        b"GET / HTTP/1.1\r\nHost: a.very.long.name.that.fills.what.it.says.it.has\r\n\r\n",
    )
    .unwrap();
    assert_eq!(bed.ask(&mut other, &echo(1)), Some(Message::EchoReply(vec![1])));
}

#[test]
fn a_peer_that_never_reads_is_held_and_others_are_served() {
    let mut bed = Bed::new();
    let mut deaf = bed.connect(Version::V13);
    let request = deaf.codec.encode(1, &Message::EchoRequest(vec![7; 60000])).unwrap();
    let mut n_sent = 0;
    let mut n_idle = 0;
    while n_idle < 50 {
        match deaf.stream.write(&request[n_sent % request.len()..]) {
            Ok(n) => {
                n_sent += n;
                n_idle = 0;
            }
            Err(_) => n_idle += 1,
        }
        bed.turn();
    }
    assert!(n_sent > MAX_OUTPUT_LEN && n_sent < 2 * MAX_OUTPUT_LEN, "{n_sent}");
    let mut other = bed.connect(Version::V13);
    assert_eq!(bed.ask(&mut other, &echo(1)), Some(Message::EchoReply(vec![1])));
    bed.second(crate::stream::STALL_TIMEOUT * 2);
    assert!(bed.conns.n_clients() <= 1, "the deaf one is closed");
}

#[test]
fn an_answer_longer_than_all_that_may_wait_arrives_whole() {
    let mut bed = Bed::new();
    let mut peer = bed.connect(Version::V13);
    let part = vec![7; 60_000];
    let n = MAX_UNREAD_LEN / part.len() + 10;
    bed.fake.replies = vec![Message::EchoReply(part); n];
    peer.send(1, &Message::FeaturesRequest);
    peer.send(2, &Message::EchoRequest(vec![1]));
    bed.until("asked", |bed| !bed.fake.asked.is_empty());
    bed.second(Duration::from_secs(1));
    for at in 0..n {
        let part = bed.next(&mut peer);
        assert!(matches!(part, Some(Message::EchoReply(bytes)) if bytes.len() == 60_000), "{at}");
    }
    assert_eq!(bed.next(&mut peer), Some(Message::EchoReply(vec![1])));
}

#[test]
fn a_thousand_connections_leave_room_for_who_speaks() {
    let mut bed = Bed::new();
    let mut first = bed.connect(Version::V13);
    let mut silent = Vec::new();
    for _ in 0..1000 {
        silent.push(UnixStream::connect(bed.path("br0.mgmt")).unwrap());
        bed.turn();
    }
    assert!(bed.conns.n_clients() <= MAX_CLIENTS);
    assert_eq!(bed.ask(&mut first, &echo(1)), Some(Message::EchoReply(vec![1])));
    let mut last = bed.connect(Version::V13);
    assert_eq!(bed.ask(&mut last, &echo(1)), Some(Message::EchoReply(vec![1])));
    drop(silent);
    bed.until("closed", |bed| bed.conns.n_clients() == 2);
}

#[test]
fn who_says_no_hello_or_does_not_answer_is_closed() {
    let mut bed = Bed::new();
    let silent = UnixStream::connect(bed.path("br0.mgmt")).unwrap();
    bed.until("accepted", |bed| bed.conns.n_clients() == 1);
    bed.second(HELLO_TIMEOUT * 2);
    assert_eq!(bed.conns.n_clients(), 0);
    drop(silent);
    let mut peer = bed.connect(Version::V10);
    bed.second(TOOL_PROBE_INTERVAL);
    assert_eq!(bed.next(&mut peer), Some(Message::EchoRequest(Vec::new())));
    bed.second(TOOL_PROBE_INTERVAL * 3);
    assert_eq!(bed.next(&mut peer), None);
}

#[test]
fn one_primary_makes_the_others_secondary() {
    let mut bed = Bed::new();
    let (mut a, mut b) = (bed.connect(Version::V14), bed.connect(Version::V14));
    let primary =
        |id| Message::RoleRequest(RoleMessage { role: Role::Primary, generation_id: Some(id) });
    assert!(matches!(bed.ask(&mut a, &primary(1)), Some(Message::RoleReply(_))));
    assert!(matches!(bed.ask(&mut b, &primary(2)), Some(Message::RoleReply(_))));
    let status = bed.next(&mut a);
    assert!(matches!(&status, Some(Message::RoleStatus(s)) if s.role == Role::Secondary));
    let error = bed.ask(&mut a, &primary(1));
    let Some(Message::Error(error)) = error else { panic!("{error:?}") };
    assert_eq!(error.error(Version::V14), Some(OfpError::RrfStale));
}

#[test]
fn a_controller_is_connected_to_and_awaited_when_it_goes() {
    let mut bed = Bed::new();
    let path = bed.path("controller");
    bed.set_controllers(&format!("unix:{}", path.display()));
    let status = bed.fake.status.controllers[0].clone();
    assert!(!status.is_connected && status.last_error.is_some(), "{status:?}");
    let listener = UnixListener::bind(&path).unwrap();
    bed.second(Duration::from_secs(2));
    let (stream, _) = listener.accept().unwrap();
    stream.set_nonblocking(true).unwrap();
    let mut peer = bed.greet(stream, Version::V13);
    bed.until("reported", |bed| bed.fake.status.controllers[0].is_connected);
    assert_eq!(bed.fake.status.controllers[0].role, Some("other"));
    // It is told of ports without asking.
    bed.fake.notices.push(port_status());
    assert!(matches!(bed.next(&mut peer), Some(Message::PortStatus(_))));
    drop(peer);
    bed.until("lost", |bed| !bed.fake.status.controllers[0].is_connected);
    assert_eq!(bed.fake.status.controllers[0].state, "BACKOFF");
    bed.second(MAX_BACKOFF * 2);
    let (stream, _) = listener.accept().unwrap();
    stream.set_nonblocking(true).unwrap();
    drop(bed.greet(stream, Version::V10));
    bed.set_controllers("");
    assert_eq!((bed.fake.status.controllers.len(), bed.conns.n_clients()), (0, 0));
}

#[test]
fn a_name_is_looked_up_and_versions_are_restricted() {
    let mut bed = Bed::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let settings = &mut bed.config.bridges.get_mut("br0").unwrap().settings;
    settings.protocols = Some(crate::config::value::Several::parse("OpenFlow13").unwrap());
    let port = listener.local_addr().unwrap().port();
    bed.set_controllers(&format!("tcp:localhost:{port}"));
    let mut stream = None;
    bed.until("connected", |bed| {
        bed.second(Duration::ZERO);
        stream = listener.accept().ok();
        stream.is_some()
    });
    let (stream, _) = stream.unwrap();
    stream.set_nonblocking(true).unwrap();
    let mut peer = Peer { stream, codec: Codec::new(Version::V10), bytes: vec![], ended: false };
    let hello = bed.next(&mut peer);
    let only = Hello { versions: [Version::V13].into_iter().collect() };
    assert_eq!(hello, Some(Message::Hello(only)));
    let old = Hello { versions: [Version::V10].into_iter().collect() };
    peer.send(1, &Message::Hello(old));
    assert!(matches!(bed.next(&mut peer), Some(Message::Error(_))));
    assert_eq!(bed.next(&mut peer), None);
}

#[test]
fn a_standalone_bridge_without_its_controllers_fails_open() {
    let mut bed = Bed::new();
    bed.set_controllers("unix:/nowhere/at/all");
    bed.second(PROBE_INTERVAL * 2);
    assert_eq!(bed.fake.fail_open, FailOpen::Off);
    bed.second(PROBE_INTERVAL * 4);
    assert_eq!(bed.fake.fail_open, FailOpen::On);
    let settings = &mut bed.config.bridges.get_mut("br0").unwrap().settings;
    settings.fail_mode = Some(FailMode::Secure);
    bed.turn();
    bed.second(PROBE_INTERVAL * 4);
    assert_eq!(bed.fake.fail_open, FailOpen::Off);
}

#[test]
fn controllers_come_by_themselves_where_they_may() {
    let mut bed = Bed::new();
    let path = bed.path("here");
    bed.set_controllers(&format!("punix:{},ptcp:0x", path.display()));
    assert_eq!(bed.fake.status.controllers[0].state, "LISTENING");
    let stream = UnixStream::connect(&path).unwrap();
    stream.set_nonblocking(true).unwrap();
    let mut peer = bed.greet(stream, Version::V15);
    assert_eq!(bed.ask(&mut peer, &echo(1)), Some(Message::EchoReply(vec![1])));
    bed.set_controllers("");
    assert!(!path.exists());
}

#[test]
fn snoopers_see_what_controllers_say_and_hear() {
    let mut bed = Bed::new();
    let path = bed.path("controller");
    let listener = UnixListener::bind(&path).unwrap();
    let snooper = UnixStream::connect(bed.path("br0.snoop")).unwrap();
    snooper.set_nonblocking(true).unwrap();
    let mut snooper = bed.greet(snooper, Version::V10);
    bed.set_controllers(&format!("unix:{}", path.display()));
    let (stream, _) = listener.accept().unwrap();
    stream.set_nonblocking(true).unwrap();
    let mut peer = bed.greet(stream, Version::V10);
    assert!(bed.ask(&mut peer, &echo(7)).is_some());
    let mut tool = bed.connect(Version::V10);
    assert!(bed.ask(&mut tool, &echo(9)).is_some());
    let mut seen = Vec::new();
    while seen.last() != Some(&Message::EchoReply(vec![7])) {
        seen.extend(bed.next(&mut snooper));
    }
    assert!(seen.contains(&echo(7)) && !seen.contains(&echo(9)), "{seen:?}");
}

#[test]
fn a_packet_is_sent_or_counted_as_lost() {
    let mut bed = Bed::new();
    let path = bed.path("controller");
    let listener = UnixListener::bind(&path).unwrap();
    bed.set_controllers(&format!("unix:{}", path.display()));
    let (stream, _) = listener.accept().unwrap();
    stream.set_nonblocking(true).unwrap();
    let mut peer = bed.greet(stream, Version::V13);
    let tell = |bed: &mut Bed, n: usize, id: u16| {
        let packet = |_| for_controllers(packet_in(vec![7; 60]), id);
        let events = (0..n).map(packet);
        let notices = events.map(|event| Notice { bridge: "br0".to_owned(), event });
        bed.fake.notices.extend(notices);
        bed.turn();
    };
    let limit = |bed: &mut Bed, rate: Option<u32>| {
        let settings = &mut bed.config.bridges.get_mut("br0").unwrap().settings;
        settings.controller_rate_limit = rate.map(|rate| Int::parse(&rate.to_string()).unwrap());
        // Its 200 packets take 2 s: a machine that stands still for less changes nothing below.
        settings.controller_burst_limit = rate.map(|_| Int::parse("200").unwrap());
        bed.turn();
    };
    let n_seen = |bed: &mut Bed, peer: &mut Peer<UnixStream>| {
        bed.turn();
        peer.read();
        std::iter::from_fn(|| peer.take()).count()
    };
    // More at once than may wait: what the socket takes is sent, and the rest counted.
    let n_burst = 3 * crate::ofconn::conn::MAX_PACKETS;
    tell(&mut bed, n_burst, 0);
    // What waits goes when the peer has read.
    let n_sent: usize = (0..20).map(|_| n_seen(&mut bed, &mut peer)).sum();
    let lost = bed.conns.take_lost();
    assert!(n_sent > crate::ofconn::conn::MAX_PACKETS, "{n_sent} {lost:?}");
    assert_eq!((n_sent as u64 + lost.overflow, lost.discarded), (n_burst as u64, 0));
    assert_eq!(bed.fake.n_unwanted, 0);
    // Above its rate; what waits goes on when there is no rate any more.
    limit(&mut bed, Some(100));
    tell(&mut bed, 800, 0);
    let n_first = n_seen(&mut bed, &mut peer);
    assert!((200..400).contains(&n_first), "{n_first}");
    limit(&mut bed, None);
    let n_rest = n_seen(&mut bed, &mut peer);
    let lost = bed.conns.take_lost();
    assert!(n_rest > 0 && lost.overflow > 200, "{n_rest} {lost:?}");
    let n_all = (n_first + n_rest) as u64 + lost.overflow;
    assert_eq!((n_all, lost.discarded, bed.fake.n_unwanted), (800, 0, 0));
    // For somebody else.
    tell(&mut bed, 5, 9);
    assert_eq!((n_seen(&mut bed, &mut peer), bed.fake.n_unwanted), (0, 5));
    // It goes while packets wait.
    limit(&mut bed, Some(100));
    tell(&mut bed, 400, 0);
    let n_seen = n_seen(&mut bed, &mut peer);
    drop(peer);
    bed.until("the loss of the controller", |bed| !bed.fake.status.controllers[0].is_connected);
    let lost = bed.conns.take_lost();
    assert!(lost.discarded > 0 && lost.overflow == 0, "{lost:?}");
    // What was on its way to it is nobody's.
    assert!(n_seen as u64 + lost.discarded <= 400, "{n_seen} {lost:?}");
}
