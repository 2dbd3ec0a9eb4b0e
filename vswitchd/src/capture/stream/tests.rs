//! Streams to a client that takes all, some, or nothing.

use std::collections::BTreeMap;
use std::net::Shutdown;
use std::time::Instant;

use datapath::capture::{CaptureSpec, MAX_SNAP_LEN, Scope, Ways};
use datapath::engine::{EngineConfig, Workers};
use datapath::l2::vlan::PortVlan;
use datapath::netdev::dummy::{Dummy, DummyHandle};
use datapath::view::{Port, PortKind, Snapshot};
use datapath::{BridgeId, Clock, Engine, PortNo};
use packet::capture::HEADER_LEN;
use packet::filter::Filter;

use super::*;

/// An engine with one port on no bridge: what it receives is captured, and dropped.
struct Lab {
    engine: Engine,
    handle: DummyHandle,
    control: Control,
}

impl Lab {
    fn new() -> Lab {
        let workers = Workers::Inline;
        let config = EngineConfig {
            n_small: 256,
            n_large: 4,
            clock: Clock::manual(),
            workers,
            ..EngineConfig::default()
        };
        let mut engine = Engine::new(config).unwrap();
        let (dummy, handle) = Dummy::new(1, Default::default()).unwrap();
        let no = PortNo::new(0).unwrap();
        engine.attach(no, Box::new(dummy), Default::default(), &[]).unwrap();
        let port = Port {
            no,
            bridge: BridgeId(0),
            kind: PortKind::Device,
            terminator: None,
            vlan: PortVlan::trunk_all(),
            up: true,
            storm: None,
            no_flood: false,
            no_fwd: false,
            mtu: 1500,
            stats: Default::default(),
        };
        engine.publish(Snapshot { ports: vec![Some(port.into())], ..Snapshot::default() });
        let control = Control::default();
        control.set_names(&BTreeMap::from([(0, "p1".to_owned())]));
        Lab { engine, handle, control }
    }

    /// Starts a capture; the client's end.
    fn start(&mut self, count: Option<u64>) -> UnixStream {
        let scope = Scope::Port(PortNo::new(0).unwrap());
        let (ways, snap_len) = (Ways::Both, MAX_SNAP_LEN);
        let spec = CaptureSpec { scope, ways, filter: Filter::default(), snap_len };
        let reader = self.engine.capture(spec).unwrap();
        let (client, daemon) = UnixStream::pair().unwrap();
        Stream::new(reader, self.control.clone(), count).start(daemon, b"{reply}".to_vec());
        let mut reply = [0; 7];
        (&client).read_exact(&mut reply).unwrap();
        assert_eq!(reply, *b"{reply}");
        client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        client
    }

    fn receive(&mut self, n: u8) {
        for byte in 0..n {
            self.handle.inject(&[byte; 60][..]);
        }
        while self.engine.run_round() > 0 {}
    }

    /// Waits until every capture's thread is gone.
    fn wait_over(&self) {
        let deadline = Instant::now() + 3 * STALL_TIMEOUT;
        while !self.control.is_over() {
            assert!(Instant::now() < deadline, "the capture goes on");
            std::thread::yield_now();
        }
    }
}

fn record(mut client: &UnixStream) -> (Kind, Vec<u8>) {
    let mut header = [0; HEADER_LEN];
    client.read_exact(&mut header).unwrap();
    let header = RecordHeader::parse(&header).unwrap();
    let mut data = vec![0; header.data_len()];
    client.read_exact(&mut data).unwrap();
    (header.kind, data)
}

fn summary(client: &UnixStream) -> String {
    let (kind, data) = record(client);
    assert_eq!(kind, Kind::End, "{data:?}");
    assert_eq!((&*client).read(&mut [0]).unwrap(), 0, "the stream ends");
    String::from_utf8(data).unwrap()
}

#[test]
fn so_many_frames_with_the_name_before_the_first() {
    let mut lab = Lab::new();
    let client = lab.start(Some(3));
    lab.receive(5);
    assert_eq!(record(&client), (Kind::Name, b"p1".to_vec()));
    for byte in 0..3 {
        assert_eq!(record(&client), (Kind::Frame, vec![byte; 60]));
    }
    let expected = r#"{"captured":3,"lost":0,"filtered":0,"reason":null}"#;
    assert_eq!(summary(&client), expected);
    lab.wait_over();
}

#[test]
fn a_client_that_wants_no_more_gets_what_was_captured() {
    let mut lab = Lab::new();
    let client = lab.start(None);
    lab.receive(2);
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(record(&client).0, Kind::Name);
    assert_eq!((record(&client).0, record(&client).0), (Kind::Frame, Kind::Frame));
    assert!(summary(&client).contains(r#""captured":2"#));
    lab.wait_over();
}

#[test]
fn the_control_thread_ends_it_with_a_reason() {
    let mut lab = Lab::new();
    let client = lab.start(None);
    lab.control.end("port p1 was deleted".to_owned());
    assert!(summary(&client).contains(r#""reason":"port p1 was deleted""#));
    lab.wait_over();
}

#[test]
fn a_client_that_is_gone_frees_its_place() {
    let mut lab = Lab::new();
    for _ in 0..3 * datapath::capture::MAX_CAPTURES {
        drop(lab.start(None));
        lab.wait_over();
        lab.receive(1);
    }
    let clients: Vec<_> = (0..datapath::capture::MAX_CAPTURES).map(|_| lab.start(None)).collect();
    let scope = Scope::Port(PortNo::new(0).unwrap());
    let (ways, snap_len) = (Ways::Both, MAX_SNAP_LEN);
    let spec = CaptureSpec { scope, ways, filter: Filter::default(), snap_len };
    let error = lab.engine.capture(spec).err().unwrap().to_string();
    assert_eq!(error, "4 captures are running (allowed: 4 at the same time)");
    drop(clients);
    lab.wait_over();
}

#[test]
fn a_client_that_does_not_read_is_ended_and_the_engine_never_waits() {
    let mut lab = Lab::new();
    let client = lab.start(None);
    let frames = [7; 60_000];
    let start = Instant::now();
    while !lab.control.is_over() {
        assert!(start.elapsed() < 3 * STALL_TIMEOUT, "the capture goes on");
        lab.handle.inject(&frames[..]);
        lab.engine.run_round();
    }
    // Two places in the chain are full: the ring, and the socket.
    drop(client);
    assert!(start.elapsed() >= STALL_TIMEOUT);
}
