//! `ofctl capture` on real interfaces: the packets of the wire, and nobody is harmed.

use std::time::Duration;

use datapath::capture::MAX_CAPTURES;
use switch_tests::daemon::DEADLINE;
use switch_tests::frame::{BROADCAST, Frame, mac, mac_text};
use switch_tests::inject::inject;
use switch_tests::lab::BRIDGE;
use switch_tests::ledger::assert_conserved;
use switch_tests::traffic::{ping, tcp, wait_reachable};
use switch_tests::watch::pcap_frames;
use switch_tests::{Host, Lab, Sink, Watch, wait_until};

use super::PortKind;

scenarios!(net_capture, filters_choose_among_real_packets);

const MIB: u64 = 1024 * 1024;

fn has_text(frame: &[u8], text: &str) -> bool {
    frame.windows(text.len()).any(|window| window == text.as_bytes())
}

fn send(host: &Host, frame: Frame, text: &str) {
    inject(&host.ns, host.wire().1, [frame.text(text)]);
}

/// Tcpdump on the wire and `ofctl capture` at the port see the same: as received with the tag, as
/// sent with the tag edited.
fn net_capture(kind: PortKind) {
    let lab = Lab::new();
    let (access, trunk) = (lab.host(kind, &["tag=100"]), lab.host(kind, &["trunks=100"]));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("trunk.pcap").display().to_string();
    let wire = Sink::open(&trunk.ns, trunk.wire().1);
    let out = Watch::start(&lab.daemon, &[&trunk.name, "-w", &path, "--direction", "out"]);
    let both = Watch::start(&lab.daemon, &[BRIDGE, "-w", "-", "vlan=any"]);
    let lines = Watch::start(&lab.daemon, &["-c", "1", &access.name, "dl_type=0x88b5"]);

    for n in 0..20 {
        send(&access, Frame::new(BROADCAST, access.mac), &format!("number {n}"));
    }
    send(&trunk, Frame::new(access.mac, trunk.mac).vlan(100), "answer");
    wire.expect("number 19", 1);
    wait_until("the answer to be sent", DEADLINE, || {
        lab.daemon.count(&access.name, "tx_packets") >= 1
    });

    let (code, printed) = lines.wait();
    let printed = String::from_utf8_lossy(&printed).into_owned();
    assert_eq!(code, Some(0));
    let (from, to) = (mac_text(access.mac), mac_text(BROADCAST));
    let expected = format!("{} in  {from} > {to} type 0x88b5, length 60\n", access.name);
    assert!(printed.ends_with(&expected) && printed.lines().count() == 1, "{printed}");

    let (code, _) = out.interrupt();
    assert_eq!(code, Some(0));
    let captured = pcap_frames(&std::fs::read(&path).expect("the file is there"));
    let on_wire = wire.with_text("number");
    let captured: Vec<_> = captured.into_iter().filter(|f| has_text(f, "number")).collect();
    assert_eq!(on_wire.len(), 20);
    assert_eq!(captured, on_wire, "the port's frames as they left");
    assert_eq!(captured[0][12..16], [0x81, 0, 0, 100]);

    // Tagged frames of the bridge: out of the trunk, and the answer into it.
    let (code, file) = both.interrupt();
    assert_eq!(code, Some(0));
    let tagged = pcap_frames(&file);
    assert_eq!(tagged.iter().filter(|f| has_text(f, "number")).count(), 20);
    assert_eq!(tagged.iter().filter(|f| has_text(f, "answer")).count(), 1);
    assert_conserved(&lab.daemon);
}

/// By MAC, host, protocol, port and TCP flags.
fn filters_choose_among_real_packets(kind: PortKind) {
    let lab = Lab::new();
    let (a, b) = (lab.host(kind, &[]), lab.host(kind, &[]));
    wait_reachable(&a, &b);
    let from_a = format!("nw_src={}", a.ip);
    let mac_b = format!("dl_dst={}", mac_text(b.mac));
    let syn = Watch::start(&lab.daemon, &[&a.name, "-w", "-", "tcp_flags=+syn-ack"]);
    let pings = Watch::start(
        &lab.daemon,
        &[&a.name, "-w", "-", "--direction", "in", "icmp", &from_a, &mac_b],
    );
    let short = Watch::start(&lab.daemon, &[&b.name, "-w", "-", "-s", "54", "-c", "5", "tcp"]);
    tcp(&a, &b, 4 * MIB);
    ping(&a, &b, 10, 56);

    let (_, file) = syn.interrupt();
    let frames = pcap_frames(&file);
    assert_eq!(frames.len(), 1, "one connection, one SYN");
    assert_eq!(frames[0][47] & 0x12, 0x02);
    let (_, file) = pings.interrupt();
    let frames = pcap_frames(&file);
    assert_eq!(frames.len(), 10, "requests and no answers");
    assert!(frames.iter().all(|frame| frame[..6] == b.mac && frame[34] == 8));
    let (code, file) = short.wait();
    let frames = pcap_frames(&file);
    assert_eq!((code, frames.len()), (Some(0), 5));
    assert!(frames.iter().all(|frame| frame.len() == 54));
    assert_conserved(&lab.daemon);
}

#[test]
fn a_file_that_tcpdump_reads() {
    let lab = Lab::new();
    let (a, b) = (lab.host(PortKind::Packet, &[]), lab.host(PortKind::Packet, &[]));
    wait_reachable(&a, &b);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("a.pcap").display().to_string();
    let watch = Watch::start(&lab.daemon, &[&a.name, "-w", &path, "icmp"]);
    ping(&a, &b, 3, 56);
    assert_eq!(watch.interrupt().0, Some(0));
    let read = lab.ns.must(&["tcpdump", "-nr", &path, "icmp"]);
    assert_eq!(read.matches("ICMP echo request").count(), 3, "{read}");
    assert_eq!(read.matches("ICMP echo reply").count(), 3, "{read}");
}

#[test]
fn what_is_wrong_is_told_and_starts_nothing() {
    let lab = Lab::new();
    let host = lab.host(PortKind::Packet, &[]);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("old"), "precious").expect("a file");
    let name = host.name.as_str();
    for (words, code, said) in [
        (&["p9", "-w", &path("new")][..], 1, "no port or bridge named \"p9\" (there are: br0, h1)"),
        (&["p9", "-w", &path("old")], 1, "no port or bridge named"),
        (&[name, "tpc"], 1, "filter term \"tpc\": no such word (allowed: arp, ip"),
        (&[name, "host=10.0.0"], 1, "filter term \"host=10.0.0\": not an IP address"),
        (&[name, "--direction", "up"], 1, "--direction=up: (allowed: in, out, both)"),
        (&[name, "-c", "0"], 1, "--count=0: (allowed: 1 or more)"),
        (&[name, "-w", &path("no/such")], 1, "no/such: No such file or directory"),
        (&[name, "-w", "/dev/full"], 1, "cannot write /dev/full: No space left on device"),
        (&[name, "--colour"], 2, "--colour"),
        (&[], 2, "capture takes at least 1 argument"),
    ] {
        let outcome = lab.daemon.try_ofctl(&[&["capture"], words].concat());
        assert_eq!((outcome.code, outcome.stdout.as_str()), (code, ""), "{words:?}");
        assert!(outcome.stderr.contains(said), "{words:?}: {}", outcome.stderr);
        assert_eq!(outcome.stderr.lines().count(), 1, "{}", outcome.stderr);
    }
    assert!(!folder.path().join("new").exists());
    assert_eq!(std::fs::read(path("old")).expect("it is there"), b"precious");
}

/// Threads of the daemon that serve captures.
fn capture_threads(lab: &Lab) -> usize {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", lab.daemon.pid()));
    let names = tasks.expect("the daemon runs").flatten().map(|task| {
        // A thread may end while its name is read.
        std::fs::read_to_string(task.path().join("comm")).unwrap_or_default()
    });
    names.filter(|name| name.trim() == "capture").count()
}

#[test]
fn poll_threads_change_under_a_capture() {
    let lab = Lab::new();
    let (a, b) = (lab.host(PortKind::Packet, &[]), lab.host(PortKind::Packet, &[]));
    wait_reachable(&a, &b);
    let from_a = format!("nw_src={}", a.ip);
    let watch = Watch::start(&lab.daemon, &[BRIDGE, "-w", "-", "icmp", &from_a]);
    for cpus in ["0,1", "1", "0"] {
        lab.daemon.ofctl(&["set", "switch", &format!("poll-cpus={cpus}")]);
        ping(&a, &b, 10, 56);
    }
    let frames = pcap_frames(&watch.interrupt().1);
    // More, if ping sent some before the last answers came.
    assert!(frames.len() >= 60, "{}: each request twice: received and sent", frames.len());
    assert_conserved(&lab.daemon);
}

#[test]
fn a_client_that_is_killed_leaves_its_place_to_the_next() {
    let lab = Lab::new();
    let (a, b) = (lab.host(PortKind::Packet, &[]), lab.host(PortKind::Packet, &[]));
    wait_reachable(&a, &b);
    let start = || Watch::start(&lab.daemon, &[BRIDGE, "-w", "-"]);
    let watches: Vec<_> = (0..MAX_CAPTURES).map(|_| start()).collect();
    let refused = lab.daemon.try_ofctl(&["capture", BRIDGE]);
    assert!(refused.stderr.contains("4 captures are running (allowed: 4"), "{}", refused.stderr);
    tcp(&a, &b, 8 * MIB);
    watches.iter().for_each(|watch| watch.signal("-KILL"));
    drop(watches);
    wait_until("the captures to end", DEADLINE, || capture_threads(&lab) == 0);
    let again: Vec<_> = (0..MAX_CAPTURES).map(|_| start()).collect();
    ping(&a, &b, 5, 56);
    for watch in again {
        let (code, file) = watch.interrupt();
        assert_eq!(code, Some(0));
        assert!(pcap_frames(&file).len() >= 20);
    }
    assert_conserved(&lab.daemon);
}

/// The daemon ends a capture that nobody reads; meanwhile the switch forwards as ever.
#[test]
fn a_client_that_stops_reading_harms_nobody() {
    let lab = Lab::new();
    let (a, b) = (lab.host(PortKind::Packet, &[]), lab.host(PortKind::Packet, &[]));
    wait_reachable(&a, &b);
    let watch = Watch::start(&lab.daemon, &[BRIDGE, "-w", "-"]);
    watch.signal("-STOP");
    // More than rings, sockets and pipes hold.
    tcp(&a, &b, 64 * MIB);
    ping(&a, &b, 20, 56);
    wait_until("the capture to be given up", Duration::from_secs(60), || {
        lab.daemon.log().contains("its client does not read")
    });
    watch.signal("-CONT");
    let (code, file) = watch.wait();
    assert_eq!(code, Some(3), "it tells that the capture broke off");
    assert!(!pcap_frames(&file).is_empty());
    ping(&a, &b, 20, 56);
    assert_conserved(&lab.daemon);
}

#[test]
fn a_capture_ends_with_its_port() {
    let lab = Lab::new();
    let (a, b) = (lab.host(PortKind::Packet, &[]), lab.host(PortKind::Packet, &[]));
    wait_reachable(&a, &b);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("a.pcap");
    let words = [&a.name, "-w", &path.display().to_string(), "dl_type=0x88b5"];
    let watch = Watch::start(&lab.daemon, &words);
    send(&a, Frame::new(mac(77), a.mac), "before");
    wait_until("the frame to be written", DEADLINE, || {
        std::fs::read(&path).is_ok_and(|file| pcap_frames(&file).len() == 1)
    });
    lab.daemon.ofctl(&["del-port", &a.name]);
    let said = format!("the capture ended: port {} was deleted", a.name);
    wait_until("the reason to be told", DEADLINE, || watch.stderr().contains(&said));
    wait_until("the summary", DEADLINE, || watch.stderr().contains("1 captured, 0 lost, "));
    assert_eq!(watch.wait().0, Some(0));
}
