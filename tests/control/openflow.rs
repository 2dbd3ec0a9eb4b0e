//! OpenFlow connections of the real daemon: the real `ovs-ofctl`, a controller of a few lines, and peers
//! that misbehave.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use openflow::control::{AsyncConfig, AsyncKind, Role, RoleMessage};
use openflow::hello::Hello;
use openflow::raw::split_message;
use openflow::{Codec, Message, Version};
use switch_tests::daemon::DEADLINE;
use switch_tests::frame::mac;
use switch_tests::inject::inject;
use switch_tests::ledger::assert_conserved;
use switch_tests::process::{Outcome, must, run};
use switch_tests::{Daemon, Netns, wait_for, wait_until};

const VERSIONS: [&str; 4] = ["OpenFlow10", "OpenFlow13", "OpenFlow14", "OpenFlow15"];

/// A daemon with a bridge and a veth port.
fn started(name: &str) -> (Netns, Daemon) {
    let ns = Netns::new(name);
    must(&["ip", "-n", ns.name(), "link", "add", "v0", "type", "veth", "peer", "name", "v1"]);
    must(&["ip", "-n", ns.name(), "link", "set", "v0", "up"]);
    must(&["ip", "-n", ns.name(), "link", "set", "v1", "up"]);
    let daemon = Daemon::start(&ns, &[]);
    daemon.ofctl(&["add-br", "br0", "--", "add-port", "br0", "v0"]);
    (ns, daemon)
}

fn try_ovs_ofctl(daemon: &Daemon, words: &[&str]) -> Outcome {
    let rundir = format!("OVS_RUNDIR={}", daemon.rundir().display());
    run(&[&["env", &rundir, "ovs-ofctl"], words].concat())
}

fn ovs_ofctl(daemon: &Daemon, words: &[&str]) -> String {
    let Outcome { code, stdout, stderr } = try_ovs_ofctl(daemon, words);
    assert!(code == 0, "`ovs-ofctl {}` ended with {code}: {stdout}{stderr}", words.join(" "));
    stdout
}

/// A peer that speaks one version.
struct Peer {
    stream: UnixStream,
    codec: Codec,
    bytes: Vec<u8>,
}

impl Peer {
    fn greet(stream: UnixStream, version: Version) -> Peer {
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        let mut peer = Peer { stream, codec: Codec::new(version), bytes: Vec::new() };
        let hello = Hello { versions: [version].into_iter().collect() };
        peer.send(&Message::Hello(hello));
        assert!(matches!(peer.next(), Some(Message::Hello(_))));
        peer
    }

    fn tool(daemon: &Daemon, version: Version) -> Peer {
        Peer::greet(UnixStream::connect(daemon.rundir().join("br0.mgmt")).unwrap(), version)
    }

    fn send(&mut self, message: &Message) {
        self.stream.write_all(&self.codec.encode(7, message).unwrap()).unwrap();
    }

    /// The next message; `None` at the end of the stream.
    fn next(&mut self) -> Option<Message> {
        loop {
            if let Some((message, rest)) = split_message(&self.bytes).unwrap() {
                let message = self.codec.decode(message).unwrap().message;
                self.bytes = rest.to_vec();
                return Some(message);
            }
            let mut piece = [0; 65536];
            match self.stream.read(&mut piece) {
                Ok(0) => return None,
                Ok(n) => self.bytes.extend_from_slice(&piece[..n]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("no message in time: {error}"),
            }
        }
    }

    fn echoes(&mut self) {
        self.send(&Message::EchoRequest(vec![1, 2, 3]));
        assert_eq!(self.next(), Some(Message::EchoReply(vec![1, 2, 3])));
    }
}

#[test]
fn ovs_ofctl_sees_the_bridge_in_every_version() {
    let (_ns, daemon) = started("ofshow");
    let mac = daemon.port("v0")["mac"].as_str().unwrap().to_owned();
    for version in VERSIONS {
        let run = |words: &[&str]| ovs_ofctl(&daemon, &[&["-O", version], words].concat());
        let show = run(&["show", "br0"]);
        for part in ["dpid:0000", "n_tables:254, n_buffers:0", "FLOW_STATS TABLE_STATS PORT_STATS"]
        {
            assert!(show.contains(part), "{version}: no {part} in {show}");
        }
        assert!(show.contains("frags=normal miss_send_len=0"), "{show}");
        let port = format!(" 1(v0): addr:{mac}\n     config:     0\n");
        for text in [show, run(&["dump-ports-desc", "br0"])] {
            assert!(text.contains(&port), "{version}: no {port} in {text}");
            assert!(text.contains(" LOCAL(br0): addr:"), "{text}");
        }
        let ports = run(&["dump-ports", "br0"]);
        assert!(
            ports.contains(": 2 ports\n") && ports.contains("  port LOCAL: rx pkts="),
            "{ports}"
        );
        assert!(run(&["dump-ports", "br0", "v0"]).contains(": 1 ports\n"));
        assert!(run(&["queue-stats", "br0"]).contains(": 0 queues\n"));
        assert_eq!(run(&["probe", "br0"]), "");
        assert_eq!(run(&["ping", "br0"]).lines().count(), 10);
    }
}

#[test]
fn mod_port_changes_the_device_and_the_bits() {
    let (ns, daemon) = started("ofmod");
    let is_up = || must(&["ip", "-n", ns.name(), "link", "show", "v0"]).contains(",UP");
    ovs_ofctl(&daemon, &["mod-port", "br0", "v0", "down"]);
    assert!(!is_up());
    let show = || ovs_ofctl(&daemon, &["dump-ports-desc", "br0", "v0"]);
    assert!(show().contains("config:     PORT_DOWN\n     state:      LINK_DOWN\n"), "{}", show());
    assert_eq!(daemon.port("v0")["admin_state"], "down");
    ovs_ofctl(&daemon, &["mod-port", "br0", "1", "up"]);
    assert!(is_up());
    for (word, bit) in
        [("no-flood", "NO_FLOOD"), ("no-receive", "NO_RECV"), ("no-forward", "NO_FWD")]
    {
        ovs_ofctl(&daemon, &["mod-port", "br0", "v0", word]);
        assert!(show().contains(bit), "{word}: {}", show());
    }
    assert_ne!(try_ovs_ofctl(&daemon, &["mod-port", "br0", "9", "down"]).code, 0);
    // A tool that asks is told.
    let mut peer = Peer::tool(&daemon, Version::V13);
    let config = openflow::switch::SwitchConfig { miss_send_len: 128, ..Default::default() };
    peer.send(&Message::SetConfig(config));
    peer.echoes();
    ovs_ofctl(&daemon, &["mod-port", "br0", "v0", "flood"]);
    ovs_ofctl(&daemon, &["mod-port", "br0", "v0", "receive"]);
    let status = peer.next();
    assert!(matches!(&status, Some(Message::PortStatus(s)) if s.desc.name == "v0"), "{status:?}");
}

#[test]
fn versions_are_those_of_the_bridge() {
    let (_ns, daemon) = started("ofver");
    daemon.ofctl(&["set", "bridge", "br0", "protocols=OpenFlow13"]);
    ovs_ofctl(&daemon, &["-O", "OpenFlow13", "probe", "br0"]);
    let refused = try_ovs_ofctl(&daemon, &["-O", "OpenFlow10", "probe", "br0"]);
    assert!(
        refused.code != 0 && refused.stderr.contains("version negotiation failed"),
        "{}",
        refused.stderr
    );
}

#[test]
fn hostile_peers_cost_only_themselves() {
    let (_ns, mut daemon) = started("ofhostile");
    let path = daemon.rundir().join("br0.mgmt");
    let mut good = Peer::tool(&daemon, Version::V13);
    let mut many: Vec<UnixStream> = Vec::new();
    for n in 0..1000 {
        let mut stream = UnixStream::connect(&path).unwrap();
        let garbage: &[u8] = match n % 4 {
            0 => &[],
            1 => &[0xff; 64],
            2 => &[4, 0, 0, 8, 0, 0],
            _ => b"GET / HTTP/1.1\r\n\r\n",
        };
        // The daemon may have hung up already.
        let _ = stream.write_all(garbage);
        many.push(stream);
    }
    good.echoes();
    ovs_ofctl(&daemon, &["probe", "br0"]);
    // One that asks and never reads.
    let mut deaf = Peer::tool(&daemon, Version::V13);
    deaf.stream.set_nonblocking(true).unwrap();
    let request = deaf.codec.encode(1, &Message::EchoRequest(vec![7; 60000])).unwrap();
    let (mut n_sent, mut n_refused) = (0, 0);
    wait_until("the daemon to stop reading", DEADLINE, || {
        while let Ok(n) = deaf.stream.write(&request[n_sent % request.len()..]) {
            (n_sent, n_refused) = (n_sent + n, 0);
            assert!(n_sent < 32 << 20, "the daemon reads from who does not");
        }
        n_refused += 1;
        n_refused > 50
    });
    good.echoes();
    // Half-closed: what was asked is answered.
    let mut half = Peer::tool(&daemon, Version::V10);
    half.send(&Message::BarrierRequest);
    half.stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!((half.next(), half.next()), (Some(Message::BarrierReply), None));
    drop(many);
    ovs_ofctl(&daemon, &["show", "br0"]);
    assert!(daemon.is_alive());
}

fn accept(listener: &UnixListener) -> UnixStream {
    listener.set_nonblocking(true).unwrap();
    let stream = wait_for("the switch to connect", DEADLINE, || listener.accept().ok()).0;
    stream.set_nonblocking(false).unwrap();
    stream
}

#[test]
fn a_controller_is_found_lost_and_found() {
    let (_ns, daemon) = started("ofctrl");
    let path = daemon.rundir().join("controller");
    let listener = UnixListener::bind(&path).unwrap();
    daemon.ofctl(&["set", "bridge", "br0", &format!("controller=unix:{}", path.display())]);
    let controller = || daemon.show()["bridges"][0]["controllers"][0].clone();
    // It hangs up at once: the switch waits longer each time.
    let mut gaps = Vec::new();
    drop(accept(&listener));
    for _ in 0..2 {
        let lost_at = Instant::now();
        drop(accept(&listener));
        gaps.push(lost_at.elapsed());
    }
    assert!(gaps[0] > Duration::from_millis(700) && gaps[1] > gaps[0], "{gaps:?}");
    assert_eq!(controller()["is_connected"], false);
    assert_ne!(controller()["status"]["last_error"], serde_json::Value::Null);

    let mut peer = Peer::greet(accept(&listener), Version::V13);
    wait_until("the switch to say so", DEADLINE, || controller()["is_connected"] == true);
    let primary = RoleMessage { role: Role::Primary, generation_id: Some(1) };
    peer.send(&Message::RoleRequest(primary));
    assert_eq!(peer.next(), Some(Message::RoleReply(primary)));
    wait_until("its role", DEADLINE, || controller()["role"] == "primary");
    assert!(daemon.ofctl(&["show", "br0"]).contains("active, role primary"));
    // It is told of ports unasked, and asked whether it lives.
    daemon.ofctl(&["add-port", "br0", "n1", "type=null"]);
    let status = peer.next();
    assert!(matches!(&status, Some(Message::PortStatus(s)) if s.desc.name == "n1"), "{status:?}");
    assert_eq!(peer.next(), Some(Message::EchoRequest(Vec::new())));
    drop(peer);
    wait_until("the loss to show", DEADLINE, || controller()["is_connected"] == false);
    drop(Peer::greet(accept(&listener), Version::V15));
}

/// A secure bridge and its controller, of one version, with more settings.
fn with_controller(daemon: &Daemon, version: Version, settings: &[&str]) -> Peer {
    let path = daemon.rundir().join("controller");
    let listener = UnixListener::bind(&path).unwrap();
    let target = format!("controller=unix:{}", path.display());
    let set = ["set", "bridge", "br0", "fail_mode=secure", &target];
    daemon.ofctl(&[&set, settings].concat());
    Peer::greet(accept(&listener), version)
}

/// Frames of this EtherType (local experiments), with their number.
fn numbered(ethertype: u16, numbers: std::ops::Range<u32>) -> impl Iterator<Item = Vec<u8>> {
    let head = [mac(2), mac(1)].concat();
    let frame =
        move |n: u32| [&head[..], &ethertype.to_be_bytes(), &n.to_be_bytes(), &[0; 42]].concat();
    numbers.map(frame)
}

impl Peer {
    /// What has come by now.
    fn ready(&mut self) -> Vec<Message> {
        self.stream.set_nonblocking(true).unwrap();
        let mut piece = [0; 65536];
        while let Ok(n @ 1..) = self.stream.read(&mut piece) {
            self.bytes.extend_from_slice(&piece[..n]);
        }
        self.stream.set_nonblocking(false).unwrap();
        let mut messages = Vec::new();
        while let Some((message, rest)) = split_message(&self.bytes).unwrap() {
            messages.push(self.codec.decode(message).unwrap().message);
            self.bytes = rest.to_vec();
        }
        messages
    }
}

/// A counter of the port that frames come by.
fn count(daemon: &Daemon, key: &str) -> u64 {
    daemon.port("v0")["statistics"][key].as_u64().unwrap_or_else(|| panic!("no {key}"))
}

fn n_dropped(daemon: &Daemon, reason: &str) -> u64 {
    daemon.port("v0")["statistics"]["drops"][reason].as_u64().unwrap_or(0)
}

#[test]
fn packets_for_a_controller_arrive_at_its_rate_or_are_counted_as_lost() {
    const N: u32 = 1000;
    /// A second, and at once, of misses and of others each.
    const RATE: f64 = 100.0;
    const BURST: f64 = 25.0;
    let (ns, daemon) = started("ofrate");
    let limits = ["controller_rate_limit=100", "controller_burst_limit=25"];
    let mut controller = with_controller(&daemon, Version::V13, &limits);
    controller.echoes();
    daemon.ofctl(&["add-flow", "br0", "dl_type=0x88b5,actions=controller"]);
    daemon.ofctl(&["add-flow", "br0", "dl_type=0x88b6,actions=controller(reason=no_match)"]);
    let lost = || {
        let show = daemon.show();
        show["bridges"][0]["controllers"][0]["lost_packets"].as_u64().expect("a counter")
    };
    let start = Instant::now();
    let frames = numbered(0x88b5, 0..N).zip(numbered(0x88b6, 0..N)).flat_map(<[Vec<u8>; 2]>::from);
    inject(&ns, "v1", frames);
    let sent = u64::from(2 * N);
    wait_until("every frame to be received", DEADLINE, || {
        count(&daemon, "rx_packets") + count(&daemon, "rx_missed_errors") == sent
    });
    let mut seen: [Vec<u32>; 2] = Default::default();
    let mut sums = Vec::new();
    wait_until("what came and what was lost to be what was sent", DEADLINE, || {
        for message in controller.ready() {
            let Message::PacketIn(packet) = message else { continue };
            let [.., 0x88, kind, a, b, c, d] = packet.packet[..18] else { panic!("{packet:?}") };
            seen[usize::from(kind - 0xb5)].push(u32::from_be_bytes([a, b, c, d]));
        }
        let allowed = 2.0 * (BURST + RATE * start.elapsed().as_secs_f64());
        let n_seen: usize = seen.iter().map(Vec::len).sum();
        assert!(n_seen as f64 <= allowed, "{n_seen} packets where {allowed} are allowed");
        let of_port = ["rx_missed_errors", "rx_dropped"].map(|key| count(&daemon, key));
        sums = [&of_port[..], &[lost(), n_seen as u64]].concat();
        sums.iter().sum::<u64>() == sent
    });
    let overflow = daemon.ofctl(&["coverage/read-counter", "rconn_overflow"]);
    assert_eq!(overflow.trim(), lost().to_string());
    assert!(lost() > 0 && seen.iter().all(|seen| seen.len() >= 25), "{sums:?}");
    for seen in &seen {
        assert!(seen.is_sorted_by(|a, b| a < b), "once, and in order: {seen:?}");
    }
    assert_eq!(count(&daemon, "handed") + n_dropped(&daemon, "userspace_action_error"), sent);
    // Nobody is there.
    drop(controller);
    wait_until("the loss to be seen", DEADLINE, || {
        daemon.show()["bridges"][0]["controllers"][0]["is_connected"] == false
    });
    inject(&ns, "v1", numbered(0x88b5, 0..10));
    wait_until("their end", DEADLINE, || n_dropped(&daemon, "no_controller") == 10);
    assert!(daemon.ofctl(&["drop/show"]).contains("no_controller"));
    assert_conserved(&daemon);
}

#[test]
fn a_controller_is_told_how_full_a_table_is() {
    use openflow::table::TableMod;
    /// OFPTC_VACANCY_EVENTS.
    const VACANCY_EVENTS: u32 = 1 << 3;
    for version in [Version::V14, Version::V15] {
        let (_ns, daemon) = started("ofvacancy");
        let mut controller = with_controller(&daemon, version, &["table-flow-limit=3:10"]);
        let watched = TableMod {
            table: 3,
            config: VACANCY_EVENTS,
            eviction: None,
            vacancy: Some((20, 60, 0)),
        };
        // Who says nothing is told nothing, as by Open vSwitch.
        let mut wanted = AsyncConfig::default();
        wanted.primary[AsyncKind::TableStatus as usize] = Some(1 << 3 | 1 << 4);
        controller.send(&Message::SetAsync(wanted));
        controller.send(&Message::TableMod(watched));
        controller.echoes();
        let add = |n: u32| {
            let flow = format!("table=3,reg0={n},actions=drop");
            daemon.ofctl(&["add-flow", "br0", &flow]);
        };
        let told = |controller: &mut Peer| match controller.next() {
            Some(Message::TableStatus(status)) => {
                assert_eq!(status.desc.table, 3);
                (status.reason, status.desc.vacancy)
            }
            other => panic!("{version}: {other:?}"),
        };
        (0..8).for_each(add);
        // A fence: 20 % are free, which is not less than 20 %.
        controller.echoes();
        add(8);
        assert_eq!(told(&mut controller), (3, Some((20, 60, 10))), "{version}");
        (0..5)
            .for_each(|n| drop(daemon.ofctl(&["del-flows", "br0", &format!("table=3,reg0={n}")])));
        controller.echoes();
        daemon.ofctl(&["del-flows", "br0", "table=3,reg0=5"]);
        assert_eq!(told(&mut controller), (4, Some((20, 60, 70))), "{version}");
        // What does not fit in is refused, and the limit may be raised.
        (0..6).chain([9]).for_each(add);
        assert_eq!(told(&mut controller).0, 3);
        let full = daemon.try_ofctl(&["add-flow", "br0", "table=3,reg1=9,actions=drop"]);
        assert_eq!(full.code, 1, "{}", full.stderr);
        assert!(full.stderr.contains("OFPFMFC_TABLE_FULL"), "{}", full.stderr);
        daemon.ofctl(&["set", "bridge", "br0", "table-flow-limit=3:20"]);
        daemon.ofctl(&["add-flow", "br0", "table=3,reg1=9,actions=drop"]);
    }
}

#[test]
fn ovs_ofctl_snoops_on_a_controller() {
    let (_ns, daemon) = started("ofsnoop");
    let path = daemon.rundir().join("controller");
    let listener = UnixListener::bind(&path).unwrap();
    let log = daemon.rundir().join("snooped");
    let mut snoop = switch_tests::process::mortal("ovs-ofctl")
        .args(["snoop", "br0"])
        .env("OVS_RUNDIR", daemon.rundir())
        .stderr(std::fs::File::create(&log).unwrap())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    daemon.ofctl(&["set", "bridge", "br0", &format!("controller=unix:{}", path.display())]);
    let mut peer = Peer::greet(accept(&listener), Version::V10);
    let seen = || std::fs::read_to_string(&log).unwrap_or_default();
    wait_until("the request and its reply to be seen", DEADLINE, || {
        peer.echoes();
        seen().contains("OFPT_ECHO_REQUEST") && seen().contains("OFPT_ECHO_REPLY")
    });
    snoop.kill().unwrap();
    snoop.wait().unwrap();
}
