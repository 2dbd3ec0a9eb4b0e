//! Half a switch: it takes what `ovs-ofctl` sends, and answers what it waits for.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use openflow::hello::Hello;
use openflow::kind::Kind;
use openflow::raw::{Direction, Raw, split_message};
use openflow::{Codec, Message, StatsReply, Version};
use switch_tests::process::must;

/// Longest wait for a message that must come.
const PATIENCE: Duration = Duration::from_secs(10);

/// A socket that speaks one version.
pub struct Switch {
    folder: tempfile::TempDir,
    version: Version,
    flow_mods: Receiver<Vec<u8>>,
}

impl Switch {
    /// Listens on a socket of its own.
    pub fn start(version: Version) -> Switch {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let listener = UnixListener::bind(folder.path().join("br.mgmt")).expect("a socket");
        let (sender, flow_mods) = channel();
        thread::spawn(move || {
            // The thread ends with the test's process.
            for stream in listener.incoming() {
                serve(stream.expect("a connection"), version, &sender);
            }
        });
        Switch { folder, version, flow_mods }
    }

    /// What `ovs-ofctl add-flow` sends.
    pub fn add_flow(&self, flow: &str) -> Vec<u8> {
        let target = format!("unix:{}", self.folder.path().join("br.mgmt").display());
        let version = self.version.to_string();
        must(&["ovs-ofctl", "--no-names", "-t", "10", "-O", &version, "add-flow", &target, flow]);
        self.flow_mods.recv_timeout(PATIENCE).expect("ovs-ofctl sent a flow")
    }
}

fn serve(mut stream: UnixStream, version: Version, flow_mods: &Sender<Vec<u8>>) {
    let codec = Codec::new(version);
    let hello = Message::Hello(Hello { versions: [version].into_iter().collect() });
    stream.write_all(&codec.encode(1, &hello).expect("a hello")).expect("written");
    let (mut buffer, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => return,
            Ok(n) => buffer.extend_from_slice(&chunk[..n]),
        }
        while let Some((message, rest)) = split_message(&buffer).expect("OpenFlow") {
            let (message, rest) = (message.to_vec(), rest.to_vec());
            if let Some(reply) = answer(&codec, &message, flow_mods)
                && stream.write_all(&reply).is_err()
            {
                return;
            }
            buffer = rest;
        }
    }
}

fn answer(codec: &Codec, message: &[u8], flow_mods: &Sender<Vec<u8>>) -> Option<Vec<u8>> {
    let raw = Raw::parse(message).expect("a message that is known");
    match raw.kind {
        Kind::BarrierRequest => codec.encode(raw.xid, &Message::BarrierReply).ok(),
        Kind::EchoRequest => codec.encode(raw.xid, &Message::EchoReply(raw.body.to_vec())).ok(),
        Kind::FlowMod => {
            // Nobody waits any more if the test has failed.
            let _ = flow_mods.send(message.to_vec());
            None
        }
        kind if raw.form.is_stats() && raw.direction == Direction::Request => {
            // It asks for the tables, to know their names: there are none.
            let reply = match kind {
                Kind::TableFeatures => StatsReply::TableFeatures(Vec::new()),
                Kind::TableStats => StatsReply::Table(Vec::new()),
                kind => panic!("ovs-ofctl asked for {kind:?}"),
            };
            codec.encode(raw.xid, &Message::StatsReply(reply)).ok()
        }
        _ => None,
    }
}
