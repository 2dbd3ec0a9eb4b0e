//! Captures of a switch in memory: what is seen, and that nothing else changes.

use std::io::Read;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use packet::capture::{Direction, HEADER_LEN, Kind, RecordHeader};
use switch_tests::frame::{BROADCAST, Frame, mac};

use crate::rig::Rig;

/// A capture, and the client's end of its stream.
struct Watch(UnixStream);

impl Watch {
    fn start(rig: &mut Rig, line: &str) -> Watch {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let (_, stream) = rig.switch.capture(&words).expect("the capture starts");
        let (client, daemon) = UnixStream::pair().expect("a pair of sockets");
        stream.start(daemon, Vec::new());
        Watch(client)
    }

    /// Ends it: port, way and bytes of each frame; and the summary.
    fn end(mut self) -> (Vec<(String, Direction, Vec<u8>)>, String) {
        self.0.shutdown(Shutdown::Write).expect("the daemon is there");
        let mut bytes = Vec::new();
        self.0.read_to_end(&mut bytes).expect("the daemon ends the stream");
        let (mut rest, mut frames, mut names) = (bytes.as_slice(), Vec::new(), Vec::new());
        loop {
            let header = rest.first_chunk::<HEADER_LEN>().expect("a header");
            let header = RecordHeader::parse(header).expect("a record");
            let (data, next) = rest[HEADER_LEN..].split_at(header.data_len());
            rest = next;
            let text = || String::from_utf8(data.to_vec()).expect("a text");
            match header.kind {
                Kind::Name => names.push((header.port, text())),
                Kind::End => return (frames, text()),
                Kind::Frame => {
                    let name = names.iter().find(|(port, _)| *port == header.port);
                    let name = name.expect("the name came before").1.clone();
                    frames.push((name, header.direction, data.to_vec()));
                }
            }
        }
    }
}

fn rig() -> Rig {
    let mut rig = Rig::new();
    rig.run("add-br br0 -- add-port br0 a type=dummy tag=10 -- add-port br0 t type=dummy");
    rig.run("add-br br1 -- add-port br1 x type=dummy -- add-port br1 y type=dummy");
    rig
}

fn traffic(rig: &mut Rig) {
    let broadcast = Frame::new(BROADCAST, mac(1));
    rig.send("a", &broadcast.clone().text("hello"));
    rig.send("t", &Frame::new(mac(1), mac(2)).vlan(10).text("answer"));
    rig.send("t", &broadcast.vlan(20).text("other"));
    rig.send("x", &Frame::new(BROADCAST, mac(3)).text("elsewhere"));
}

#[test]
fn frames_as_received_and_as_sent_in_their_order() {
    let mut rig = rig();
    let bridge = Watch::start(&mut rig, "br0");
    let port = Watch::start(&mut rig, "t --direction=in vlan=10 --count=7");
    traffic(&mut rig);
    let untagged = |dst, src, text: &str| Frame::new(dst, src).text(text);
    let tagged = |dst, src, text: &str| Frame::new(dst, src).vlan(10).text(text);
    let frame = |port: &str, way, bytes| (port.to_owned(), way, bytes);
    let (frames, summary) = bridge.end();
    // The answer is sent as it was cut to 64 bytes with its tag: padding stays.
    let mut answer = tagged(mac(1), mac(2), "answer");
    answer.drain(12..16);
    let mut hello = untagged(BROADCAST, mac(1), "hello");
    hello.splice(12..12, [0x81, 0, 0, 10]);
    let expected = [
        frame("a", Direction::In, untagged(BROADCAST, mac(1), "hello")),
        frame("t", Direction::Out, hello),
        frame("t", Direction::In, tagged(mac(1), mac(2), "answer")),
        frame("a", Direction::Out, answer),
    ];
    let seen: Vec<_> = frames.iter().filter(|(port, ..)| port != "br0").take(4).cloned().collect();
    assert_eq!(seen, expected);
    assert!(frames.iter().all(|(port, ..)| port != "x" && port != "y"));
    assert!(summary.contains(r#""lost":0,"filtered":0,"#), "{summary}");
    let (frames, summary) = port.end();
    assert_eq!(frames, [frame("t", Direction::In, tagged(mac(1), mac(2), "answer"))]);
    assert_eq!(summary, r#"{"captured":1,"lost":0,"filtered":1,"reason":null}"#);
}

#[test]
fn a_capture_moves_no_counter() {
    let show = |is_watched: bool| {
        let mut rig = rig();
        let watch = is_watched.then(|| Watch::start(&mut rig, "br0"));
        traffic(&mut rig);
        drop(watch);
        traffic(&mut rig);
        rig.assert_conserved()
    };
    assert_eq!(show(true), show(false));
}

#[test]
fn a_patch_port_is_seen_like_any_other() {
    let mut rig = rig();
    rig.run("add-port br0 p0 type=patch peer=p1 -- add-port br1 p1 type=patch peer=p0");
    let watches = ["p0", "p1"].map(|port| Watch::start(&mut rig, &format!("{port} vlan=20")));
    rig.send("t", &Frame::new(BROADCAST, mac(1)).vlan(20).text("across"));
    let ways = watches.map(|watch| {
        let (frames, _) = watch.end();
        frames.iter().map(|(port, way, _)| (port.clone(), *way)).collect::<Vec<_>>()
    });
    let expected = [("p0", Direction::Out), ("p1", Direction::In)];
    assert_eq!(ways, expected.map(|(port, way)| vec![(port.to_owned(), way)]));
}

#[test]
fn a_new_port_of_the_bridge_is_seen_and_a_deleted_bridge_ends_it() {
    let mut rig = rig();
    let watch = Watch::start(&mut rig, "br1 --direction=in");
    rig.run("add-port br1 z type=dummy");
    rig.send("z", &Frame::new(BROADCAST, mac(9)).text("late"));
    rig.run("del-br br1");
    let (frames, summary) = watch.end();
    assert_eq!(frames.len(), 1);
    assert_eq!((frames[0].0.as_str(), frames[0].1), ("z", Direction::In));
    assert!(summary.contains(r#""reason":"bridge br1 was deleted""#), "{summary}");
    let error = rig.switch.capture(&["br1".to_owned()]).err().expect("it is gone");
    assert_eq!(error, "no port or bridge named \"br1\" (there are: a, br0, t)");
}
