//! The flow family against switches of the test's own: sane, refusing, silent and insane.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

mod support;

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc::{Receiver, channel};

use openflow::hello::Hello;
use openflow::kind::Kind;
use openflow::raw::{Raw, split_message};
use openflow::version::Versions;
use openflow::{Codec, Message, OfpError, Version};
use support::{Run, ofctl};
use tempfile::TempDir;

/// A switch that speaks some versions and answers by a function.
struct Switch {
    rundir: TempDir,
    kinds: Receiver<Kind>,
}

type Answer = fn(&Codec, &Raw<'_>, &[u8]) -> Option<Vec<u8>>;

impl Switch {
    fn start(versions: Versions, answer: Answer) -> Switch {
        let (sender, kinds) = channel();
        let rundir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(rundir.path().join("br0.mgmt")).unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let hello = Codec::new(Version::V10).encode(1, &Message::Hello(Hello { versions }));
                let _ = stream.write_all(&hello.unwrap());
                serve(&mut stream, versions, &|codec, raw, message| {
                    let _ = sender.send(raw.kind);
                    answer(codec, raw, message)
                });
            }
        });
        Switch { rundir, kinds }
    }

    fn ofctl(&self, args: &[&str]) -> Run {
        Run::of(ofctl().arg("--rundir").arg(self.rundir.path()).args(["--timeout", "5"]).args(args))
    }

    /// What it was told, but for HELLO.
    fn told(&self) -> Vec<Kind> {
        self.kinds.try_iter().filter(|kind| *kind != Kind::Hello).collect()
    }
}

/// The same, by whoever listens along.
type Heard<'a> = dyn Fn(&Codec, &Raw<'_>, &[u8]) -> Option<Vec<u8>> + 'a;

fn serve(stream: &mut UnixStream, versions: Versions, answer: &Heard<'_>) {
    let (mut buffer, mut chunk) = (Vec::new(), [0; 65_536]);
    let mut codec = Codec::new(Version::V10);
    loop {
        while let Ok(Some((message, rest))) = split_message(&buffer) {
            let (message, rest) = (message.to_vec(), rest.to_vec());
            buffer = rest;
            let Ok(raw) = Raw::parse(&message) else { continue };
            if raw.kind == Kind::Hello {
                let Ok(decoded) = codec.decode(&message) else { return };
                let Message::Hello(hello) = decoded.message else { return };
                codec = Codec::new(versions.agree(hello.versions).unwrap_or(Version::V10));
            }
            if let Some(reply) = answer(&codec, &raw, &message)
                && stream.write_all(&reply).is_err()
            {
                return;
            }
        }
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => return,
            Ok(n) => buffer.extend_from_slice(&chunk[..n]),
        }
    }
}

fn of(version: Version) -> Versions {
    [version].into_iter().collect()
}

fn sane(codec: &Codec, raw: &Raw<'_>, _: &[u8]) -> Option<Vec<u8>> {
    match raw.kind {
        Kind::BarrierRequest => codec.encode(raw.xid, &Message::BarrierReply).ok(),
        Kind::EchoRequest => codec.encode(raw.xid, &Message::EchoReply(raw.body.to_vec())).ok(),
        _ => None,
    }
}

/// Refuses every second flow.
fn refusing(codec: &Codec, raw: &Raw<'_>, message: &[u8]) -> Option<Vec<u8>> {
    match raw.kind {
        Kind::FlowMod if raw.xid.is_multiple_of(2) => {
            Some(codec.encode_error(OfpError::FmfTableFull, message))
        }
        _ => sane(codec, raw, message),
    }
}

/// Answers requests with what is no OpenFlow.
fn insane(_: &Codec, raw: &Raw<'_>, _: &[u8]) -> Option<Vec<u8>> {
    (raw.kind != Kind::Hello).then(|| vec![1, 0, 0, 3, 0, 0, 0, 0])
}

/// Answers with a message that is cut short inside.
fn broken(_: &Codec, raw: &Raw<'_>, _: &[u8]) -> Option<Vec<u8>> {
    let [a, b, c, d] = raw.xid.to_be_bytes();
    (raw.kind != Kind::Hello)
        .then(|| vec![6, 19, 0, 20, a, b, c, d, 0, 1, 0, 0, 0, 0, 0, 0, 9, 9, 9, 9])
}

fn silent(_: &Codec, _: &Raw<'_>, _: &[u8]) -> Option<Vec<u8>> {
    None
}

#[test]
fn a_flow_is_done_when_the_barrier_is_answered() {
    let switch = Switch::start(Versions::spoken(), sane);
    let run = switch.ofctl(&["add-flow", "br0", "tcp,actions=output:1"]);
    assert_eq!(run, Run::printed(""));
    assert_eq!(switch.told(), [Kind::FlowMod, Kind::BarrierRequest]);
}

#[test]
fn a_mistake_in_the_last_line_sends_nothing() {
    let switch = Switch::start(Versions::spoken(), sane);
    let file = switch.rundir.path().join("flows");
    std::fs::write(&file, "tcp,actions=1\n\n# no flow\nudp,actions=drop\nicmp,action=fly\n")
        .unwrap();
    let run = switch.ofctl(&["--no-names", "add-flows", "br0", &file.display().to_string()]);
    run.assert_failed(2, "flows line 5: column 13: \"fly\" (expected: an action");
    assert!(!switch.told().contains(&Kind::FlowMod));
}

#[test]
fn the_first_refused_line_is_named_and_the_others_are_counted() {
    let switch = Switch::start(of(Version::V13), refusing);
    let file = switch.rundir.path().join("flows");
    let line = "tcp,actions=output:1\n";
    std::fs::write(&file, line.repeat(20_000)).unwrap();
    let run = switch.ofctl(&["add-flows", "br0", &file.display().to_string()]);
    run.assert_failed(1, ": OFPFMFC_TABLE_FULL (and 9999 more)");
    assert!(run.err.contains("br0 refused ") && run.err.contains("flows line 2:"), "{}", run.err);
}

#[test]
fn a_version_that_cannot_say_it_is_left_for_another() {
    let switch = Switch::start(Versions::spoken(), sane);
    // Only OpenFlow 1.0 has this action.
    assert_eq!(switch.ofctl(&["add-flow", "br0", "actions=enqueue:1:2"]), Run::printed(""));
    let run = switch.ofctl(&["-O", "OpenFlow13", "add-flow", "br0", "importance=3,actions=drop"]);
    run.assert_failed(2, "cannot be said in OpenFlow13: importance needs OpenFlow14");
    let run = switch.ofctl(&["-O", "OpenFlow10", "dump-meters", "br0"]);
    run.assert_failed(2, "dump-meters needs OpenFlow13 or later, not OpenFlow10");
    let run = Switch::start(of(Version::V10), sane).ofctl(&["-O", "OpenFlow15", "probe", "br0"]);
    run.assert_failed(3, "speaks OpenFlow10 (allowed: OpenFlow15)");
}

#[test]
fn who_is_no_switch_is_exit_3() {
    let switch = Switch::start(Versions::spoken(), insane);
    switch.ofctl(&["probe", "br0"]).assert_failed(3, "does not speak OpenFlow");
    switch.ofctl(&["probe", "br1"]).assert_failed(3, "no switch at ");
    let switch = Switch::start(Versions::spoken(), broken);
    switch.ofctl(&["dump-flows", "br0"]).assert_failed(3, "bad message from ");
    let switch = Switch::start(Versions::spoken(), silent);
    let run = switch.ofctl(&["--timeout", "1", "add-flow", "br0", "actions=drop"]);
    run.assert_failed(3, "did not answer within 1 s");
}

#[test]
fn wrong_usage_is_exit_2() {
    let switch = Switch::start(Versions::spoken(), sane);
    for (args, said) in [
        (&["-O", "OpenFlow99", "probe", "br0"][..], "is not an OpenFlow version"),
        (&["--sort", "probe", "br0"], "probe does not take --sort"),
        (&["--strict", "add-flow", "br0", "actions=1"], "add-flow does not take --strict"),
        (&["dump-flows", "--sort=colour", "br0"], "\"colour\" is no field"),
        (&["--names", "--no-names", "dump-flows", "br0"], "exclude each other"),
        (&["-F", "nothing", "dump-flows", "br0"], "is no flow format"),
        (&["-F", "OXM-OpenFlow14", "-O", "OpenFlow13", "probe", "br0"], "leave no version"),
        (&["probe", "a/b"], "is no switch"),
        (&["mod-table", "br0", "255", "evict"], "is no table"),
        (&["add-flows", "br0", "/nowhere"], "cannot read /nowhere"),
        (&["monitor", "br0", "sideways"], "nothing to monitor"),
        (&["ping", "br0", "99999"], "is no number of bytes"),
    ] {
        switch.ofctl(args).assert_failed(2, said);
    }
}

#[test]
fn a_ping_shows_ten_echoes() {
    let run = Switch::start(Versions::spoken(), sane).ofctl(&["ping", "br0", "100"]);
    assert_eq!((run.code, run.out.lines().count()), (Some(0), 10), "{run:?}");
    assert!(run.out.starts_with("100 bytes from br0: xid="), "{run:?}");
}
