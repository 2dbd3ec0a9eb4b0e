//! Mirrors beside a real Open vSwitch: the same frames in, the same copies out, byte for byte.

use switch_tests::frame::{BROADCAST, Frame, mac};
use switch_tests::inject::inject;
use switch_tests::lab::BRIDGE;
use switch_tests::ledger::assert_conserved;
use switch_tests::ovs::Ovs;
use switch_tests::{Host, Lab, PortKind, Sink, Watch};

/// A mirror in the words of both switches; `{A}`, `{T}`, `{S}` are ports.
struct Scenario {
    ours: &'static str,
    theirs: &'static str,
    /// Of the port that watches.
    trunks: &'static str,
}

const SCENARIOS: &[Scenario] = &[
    Scenario {
        ours: "select-all=true output-port={S}",
        theirs: "select_all=true output_port=@s",
        trunks: "",
    },
    Scenario {
        ours: "select-src-port={A} output-port={S}",
        theirs: "select_src_port=@a output_port=@s",
        trunks: "",
    },
    Scenario {
        ours: "select-dst-port={T} select-vlan=10 output-port={S} snaplen=40",
        theirs: "select_dst_port=@t select_vlan=10 output_port=@s snaplen=40",
        trunks: "",
    },
    Scenario {
        ours: "select-src-port={A},{T} output-vlan=900",
        theirs: "select_src_port=@a,@t output_vlan=900",
        trunks: "900",
    },
];

/// An access port in VLAN 10, a trunk, and a port to watch by.
struct Ports {
    access: Host,
    trunk: Host,
    span: Host,
}

impl Ports {
    fn new(lab: &Lab) -> Ports {
        let [access, trunk, span] = [(); 3].map(|()| lab.host_without_port(PortKind::Packet));
        Ports { access, trunk, span }
    }

    /// Sends all kinds of frames; what the watcher saw of them, in no order, and the whole count.
    fn traffic(&self) -> Vec<Vec<u8>> {
        let wire = Sink::open(&self.span.ns, self.span.wire().1);
        let send = |host: &Host, frame: Frame, text: &str| {
            inject(&host.ns, host.wire().1, [frame.text(text)]);
        };
        let (a, t) = (mac(1), mac(2));
        send(&self.access, Frame::new(BROADCAST, a), "m broadcast");
        wire.fence(&self.access.ns, self.access.wire().1, None);
        send(&self.trunk, Frame::new(a, t).vlan(10), "m to a");
        send(&self.trunk, Frame::new(BROADCAST, t).vlan(20), "m VLAN 20");
        send(&self.trunk, Frame::new([1, 0x80, 0xc2, 0, 0, 5], t).vlan(10), "m reserved");
        send(&self.access, Frame::new(t, a).vlan(10), "m not admitted");
        send(&self.access, Frame::new(t, a), "m to t");
        send(&self.access, Frame::new(mac(9), a), "m unknown");
        wire.fence(&self.access.ns, self.access.wire().1, None);
        let mut seen = wire.with_text("m ");
        seen.sort();
        seen
    }
}

fn fill(text: &str, ports: &Ports) -> Vec<String> {
    let text = text.replace("{A}", &ports.access.name).replace("{T}", &ports.trunk.name);
    text.replace("{S}", &ports.span.name).split(' ').map(str::to_owned).collect()
}

fn ours(scenario: &Scenario) -> Vec<Vec<u8>> {
    let lab = Lab::new();
    let ports = Ports::new(&lab);
    lab.add_port(&ports.access, &["tag=10"]);
    lab.add_port(&ports.trunk, &["trunks=10,20"]);
    let trunks = format!("trunks={}", scenario.trunks);
    let keys = if scenario.trunks.is_empty() { Vec::new() } else { vec![trunks.as_str()] };
    lab.add_port(&ports.span, &keys);
    let settings = fill(scenario.ours, &ports);
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    lab.daemon.ofctl(&[&["add-mirror", BRIDGE, "m"][..], &settings].concat());
    let seen = ports.traffic();
    assert_conserved(&lab.daemon);
    seen
}

fn theirs(scenario: &Scenario) -> Vec<Vec<u8>> {
    let lab = Lab::new();
    let ports = Ports::new(&lab);
    let ovs = Ovs::start(&lab.ns, &[]);
    ovs.add_bridge("ovs0");
    ovs.vsctl(&["add-port", "ovs0", &ports.access.name, "tag=10"]);
    ovs.vsctl(&["add-port", "ovs0", &ports.trunk.name, "trunks=10,20"]);
    ovs.vsctl(&["add-port", "ovs0", &ports.span.name]);
    if !scenario.trunks.is_empty() {
        ovs.vsctl(&["set", "port", &ports.span.name, &format!("trunks={}", scenario.trunks)]);
        ovs.vsctl(&["set", "bridge", "ovs0", &format!("flood_vlans={}", scenario.trunks)]);
    }
    let mut words: Vec<String> =
        ["--id=@m", "create", "mirror", "name=m"].map(str::to_owned).to_vec();
    words.extend(fill(scenario.theirs, &ports));
    for (id, host) in [("@a", &ports.access), ("@t", &ports.trunk), ("@s", &ports.span)] {
        if scenario.theirs.contains(id) {
            let get = ["--", &format!("--id={id}"), "get", "port", &host.name].map(str::to_owned);
            words.splice(0..0, get[1..].iter().cloned().chain(["--".to_owned()]));
        }
    }
    words.extend(["--", "add", "bridge", "ovs0", "mirrors", "@m"].map(str::to_owned));
    ovs.vsctl(&words.iter().map(String::as_str).collect::<Vec<_>>());
    ports.traffic()
}

#[test]
fn copies_are_those_of_open_vswitch() {
    for scenario in SCENARIOS {
        let (ours, theirs) = (ours(scenario), theirs(scenario));
        let text = |frames: &[Vec<u8>]| -> Vec<String> {
            frames.iter().map(|frame| format!("{frame:02x?}")).collect()
        };
        assert!(!theirs.is_empty(), "{}", scenario.ours);
        assert_eq!(text(&ours), text(&theirs), "{}", scenario.ours);
    }
}

/// Tcpdump at the mirror's port and `ofctl capture` see the packets of the wire.
#[test]
fn net_capture_by_mirror() {
    let lab = Lab::new();
    let ports = Ports::new(&lab);
    lab.add_port(&ports.access, &["tag=10"]);
    lab.add_port(&ports.trunk, &["trunks=10,20"]);
    lab.add_port(&ports.span, &[]);
    let name = ports.access.name.as_str();
    let select = format!("select-src-port={name}");
    let output = format!("output-port={}", ports.span.name);
    lab.daemon.ofctl(&["add-mirror", BRIDGE, "m", &select, &output]);
    let wire = Sink::open(&ports.span.ns, ports.span.wire().1);
    let at_trunk = Sink::open(&ports.trunk.ns, ports.trunk.wire().1);
    let watch = Watch::start(&lab.daemon, &[&ports.span.name, "-w", "-", "-c", "20", "vlan=10"]);
    for n in 0..20 {
        let frame = Frame::new(BROADCAST, ports.access.mac).text(&format!("number {n}"));
        inject(&ports.access.ns, ports.access.wire().1, [frame]);
    }
    let mirrored = wire.expect("number", 20);
    assert_eq!(at_trunk.expect("number", 20), mirrored);
    let captured = switch_tests::watch::pcap_frames(&watch.wait().1);
    assert_eq!(captured, mirrored);
    let shown = lab.daemon.ofctl(&["show", BRIDGE]);
    assert!(shown.contains("Mirror m  "), "{shown}");
    let show = lab.daemon.show();
    assert!(show["bridges"][0]["mirrors"][0]["statistics"]["tx_packets"].as_u64() >= Some(20));
    assert_conserved(&lab.daemon);
}
